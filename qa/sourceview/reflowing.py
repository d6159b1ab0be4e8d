"""Prose that was wrapped at a width, set so that it can take any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from qa.records import Segment

_PARAGRAPH = re.compile(r"\S.*?(?=\n\s*\n|\Z)", re.DOTALL)
_LINE_END = re.compile(r"\r?\n")
# A line like this is no continuation of the one before it: list item, table row, heading, quotation, cells of a row.
_OWN_LINE = re.compile(r"\s*(?:[-*+•|>#]|\d+[.)])\s|[^|\n]*\S \| \S")


def reflowed(text: str) -> str:
    """`text` with spaces for the line ends at which prose was wrapped, so that it can be set to any width.

    The length stays. A line end is one of wrapping if most lines of its paragraph are so full that the next word
    would have made them the longest; the lines of an address or a poem stay as they are.
    """
    out = list(text)
    for paragraph in _PARAGRAPH.finditer(text):
        ends = list(_LINE_END.finditer(text, *paragraph.span()))
        starts = [paragraph.start(), *(end.end() for end in ends)]
        stops = [*(end.start() for end in ends), paragraph.end()]
        lines = [text[start:stop].strip() for start, stop in zip(starts, stops, strict=True)]
        width = max(map(len, lines))
        full = [
            len(line) + 1 + len(after.split(maxsplit=1)[0]) > width if after else False
            for line, after in pairwise(lines)
        ]
        # A passage may begin in the middle of its first line, which then says nothing.
        if sum(full[1:]) < 0.7 * len(full[1:]):
            continue
        for end, line in zip(ends, lines[1:], strict=True):
            if not _OWN_LINE.match(line):
                out[end.start() : end.end()] = " " * (end.end() - end.start())
    return "".join(out)


def reflowed_segments(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """The segments of one passage, with the line ends of wrapping gone from their joined text."""
    held = tuple(segments)
    text = reflowed("".join(segment.text for segment in held))
    shown, start = [], 0
    for segment in held:
        end = start + len(segment.text)
        shown.append(replace(segment, text=text[start:end]))
        start = end
    return tuple(shown)
