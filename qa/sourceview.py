"""A document as the source view shows it: a light window of its blocks, with one span marked.

A document may hold twenty million characters, in many blocks or in one; the window is cut so that a page stays small.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from qa.records import Block, Document, Locator, Segment, Span

# A block longer than this is shown in pieces; 400 pieces and 200,000 characters make a page of well under a megabyte.
MAX_PIECE_CHARS = 10_000
MAX_WINDOW_PIECES = 400
MAX_WINDOW_CHARS = 200_000

_PARAGRAPH = re.compile(r"\S.*?(?=\n\s*\n|\Z)", re.DOTALL)
_LINE_END = re.compile(r"\r?\n")
# A line that begins so is no continuation of the one before it: list item, table row, heading, quotation.
_OWN_LINE = re.compile(r"\s*(?:[-*+•|>#]|\d+[.)])\s")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text as `reflowed` gives it, wholly inside the marked span or wholly outside.

    `first` is true for the window's first that is marked.
    """

    text: str
    marked: bool = False
    first: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A block, or a part of a very long one.

    `level` is 2 to 6 for a title or heading, else 0; `page` is the page's name where this piece is the first on its
    page or the first in the window, else ""; `begins` is false for a part that is not its block's first.
    """

    kind: str
    level: int
    page: str
    begins: bool
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive pieces, and where the neighbouring windows start (None where there is none).

    `groups` holds the pieces in runs: neighbouring list items together, neighbouring table rows together, any other
    piece alone. `holds_mark` says whether any of the marked span is in this window.
    """

    groups: tuple[tuple[Piece, ...], ...]
    earlier: int | None
    later: int | None
    holds_mark: bool


def block_at(document: Document, span: Span) -> Block | None:
    """The first block that shares text with `span`; None when there is none, or the span is not one of the text."""
    if not 0 <= span.start < span.end <= len(document.text):
        return None
    index = bisect_right(document.blocks, span.start, key=lambda block: block.end)
    if index == len(document.blocks) or document.blocks[index].start >= span.end:
        return None
    return document.blocks[index]


def window(document: Document, mark: Span | None = None, first: int | None = None) -> Window:
    """The window that begins with piece number `first`; without it the one around `mark`, else the document's first.

    Pieces are numbered from 0 over the whole document; a `first` beyond the last piece means the last.
    """
    cuts = [cut for number, block in enumerate(document.blocks) for cut in _cut(document.text, number, block)]
    if not cuts:
        return Window(groups=(), earlier=None, later=None, holds_mark=False)
    if first is not None:
        start = min(max(first, 0), len(cuts) - 1)
        end = _reach(cuts, start, 1)
    elif mark is not None:
        centre = min(bisect_right(cuts, mark.start, key=lambda cut: cut.end), len(cuts) - 1)
        start = _reach(cuts, centre, -1, share=2) + 1
        end = _reach(cuts, centre, 1, share=2)
    else:
        start, end = 0, _reach(cuts, 0, 1)
    pieces: list[Piece] = []
    before: _Cut | None = None
    marking = False
    for cut in cuts[start:end]:
        block = document.blocks[cut.block]
        text = document.text[cut.start : cut.end]
        stretches = _stretches(text if block.kind == "code" else reflowed(text), cut, mark, first=not marking)
        marking = marking or any(stretch.marked for stretch in stretches)
        pieces.append(Piece(block.kind, _level(block), _page(document, cut, before), cut.begins, stretches))
        before = cut
    return Window(
        groups=_groups(pieces),
        earlier=_reach(cuts, start - 1, -1) + 1 if start else None,
        later=end if end < len(cuts) else None,
        holds_mark=marking,
    )


def place_in_words(locator: Locator) -> str:
    """Page, place, headings or line, as far as they are known: "p. iii, Part 1 › Funding"; "" when nothing is."""
    words = [_page_name(locator)] if locator.page is not None or locator.place else []
    if locator.heading:
        words.append(" › ".join(locator.heading))
    if not words and locator.line is not None:
        words.append(f"line {locator.line}")
    return ", ".join(words)


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


@dataclass(frozen=True, slots=True)
class _Cut:
    block: int
    start: int
    end: int
    begins: bool


def _cut(text: str, number: int, block: Block) -> list[_Cut]:
    if block.end - block.start <= MAX_PIECE_CHARS:
        return [_Cut(number, block.start, block.end, begins=True)]
    cuts = []
    start = block.start
    while start < block.end:
        end = min(start + MAX_PIECE_CHARS, block.end)
        if end < block.end:
            # At a space if there is one, so that no word and no combined character is torn.
            end = text.rfind(" ", start + MAX_PIECE_CHARS // 2, end) + 1 or end
        cuts.append(_Cut(number, start, end, begins=start == block.start))
        start = end
    return cuts


def _reach(cuts: list[_Cut], start: int, step: Literal[1, -1], *, share: int = 1) -> int:
    """The first place after `start`, walking by `step`, that no longer fits into a window (or `share` of one)."""
    place, chars = start, 0
    while 0 <= place < len(cuts) and abs(place - start) < MAX_WINDOW_PIECES // share:
        chars += cuts[place].end - cuts[place].start
        if chars > MAX_WINDOW_CHARS // share:
            break
        place += step
    return place


def _level(block: Block) -> int:
    if block.kind == "title":
        return 2
    return min(2 + len(block.locator.heading), 6) if block.kind == "heading" else 0


def _stretches(text: str, cut: _Cut, mark: Span | None, *, first: bool) -> tuple[Stretch, ...]:
    """`text`, which is that of the cut, in at most three stretches."""
    if mark is None or mark.end <= cut.start or mark.start >= cut.end:
        return (Stretch(text),)
    start, end = max(mark.start - cut.start, 0), min(mark.end, cut.end) - cut.start
    stretches = (Stretch(text[:start]), Stretch(text[start:end], marked=True, first=first), Stretch(text[end:]))
    return tuple(stretch for stretch in stretches if stretch.text)


def _page(document: Document, cut: _Cut, before: _Cut | None) -> str:
    here = document.blocks[cut.block].locator
    if here.page is None or (before is not None and document.blocks[before.block].locator.page == here.page):
        return ""
    return _page_name(here)


def _page_name(locator: Locator) -> str:
    return locator.place or f"p. {locator.label or locator.page}"


def _groups(pieces: list[Piece]) -> tuple[tuple[Piece, ...], ...]:
    groups: list[list[Piece]] = []
    for piece in pieces:
        if groups and piece.kind in ("item", "row") and groups[-1][-1].kind == piece.kind:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return tuple(tuple(group) for group in groups)
