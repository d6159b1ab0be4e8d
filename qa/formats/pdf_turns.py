"""Paragraphs of a PDF that go on after the turn of a page or at the head of the next column, put together again.

What stands between the two parts, notes, captions and tables, comes after the whole in the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qa.formats.pdf_headings import Place, Told
from qa.formats.pdf_lines import Line
from qa.formats.pdf_paragraphs import SAME_HEIGHT, SENTENCE_END, Paragraph, rejoined

# Stands apart from the text wherever there was room for it.
_CAPTION = re.compile(
    r"(?:fig(?:ure|\.)?|tab(?:le|\.)?|chart|exhibit|box|plate|map|photo|source|note|abb(?:ildung|\.)?|tabelle|tableau)"
    r"s?\s*[\dA-Z:]",
    re.IGNORECASE,
)
# What no sentence begins with.
_GOES_ON = re.compile(r"[,;:.!?%…)\]}”’»、。，；：！？）」』】》]|[-–—]\s?[a-zà-ÿ]")
_FIGURE = re.compile(r"[$€£¥]?\d[\d.,:%]*(?=[\s)\]%,;]|$)(?!\s*[.)]\s)")
# The first word of the next line did not fit: parts of the column's width. For a small letter, which says enough by
# itself, the line must only not be so short as the last of a paragraph.
_FULL, _NOT_SHORT = 0.85, 0.55
_ROOM = 0.5  # of a line's height


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph as it stands on a page, whose number counts from 1."""

    page: int
    paragraph: Paragraph


@dataclass(frozen=True, slots=True)
class Whole:
    """A paragraph with all of its parts, the first at `place` on its page. `turns`: offsets in `text` where a part on
    a further page begins, with the number of the page."""

    place: int
    parts: tuple[Part, ...]
    text: str
    turns: tuple[tuple[int, int], ...] = ()


def wholes(pages: Sequence[Sequence[Told]], apart: Collection[Place], words: Collection[str]) -> list[list[Whole]]:
    """The paragraphs that begin on each page, in order. Those at the places `apart`, headings, are no part of others;
    `words` are those of the document, as for `Paragraph.text`."""
    following = _continuations(pages, apart)
    rests = frozenset(following.values())
    found = []
    for index, told in enumerate(pages):
        here = []
        for place in range(len(told)):
            if (index, place) not in rests:
                here.append(_whole(pages, (index, place), following, words))
        found.append(here)
    return found


def _whole(pages: Sequence[Sequence[Told]], at: Place, following: dict[Place, Place], words: Collection[str]) -> Whole:
    first, text = pages[at[0]][at[1]]
    parts, turns = [Part(at[0] + 1, first)], []
    place = at
    while place in following:
        place = following[place]
        paragraph, rest = pages[place[0]][place[1]]
        if parts[-1].paragraph.lines[-1].hyphenated:
            begun = text.removesuffix("-")
            text = rejoined(begun, rest, words)
            begins = len(text) - len(rest)
        else:
            begins = len(text) + 1
            text = f"{text} {rest}"
        if parts[-1].page != place[0] + 1:
            turns.append((begins, place[0] + 1))
        parts.append(Part(place[0] + 1, paragraph))
    return Whole(at[1], tuple(parts), text, tuple(turns))


def _continuations(pages: Sequence[Sequence[Told]], apart: Collection[Place]) -> dict[Place, Place]:
    """By the place of each paragraph that goes on elsewhere, the place where it does."""
    found: dict[Place, Place] = {}
    begun: Place | None = None  # that of a paragraph whose last sentence has no end yet
    for index, told in enumerate(pages):
        if not told:
            begun = None  # it may be a scan of the text that is missing
        for place, (paragraph, text) in enumerate(told):
            here = index, place
            if begun and _is_between(pages[begun[0]][begun[1]][0], paragraph, text) and here not in apart:
                continue
            if begun and here not in apart and _goes_on(pages, begun, here):
                found[begun] = here
            is_begun = here not in apart and paragraph.kind in ("paragraph", "item") and not _has_ended(paragraph, text)
            begun = here if is_begun else None
    return found


def _has_ended(paragraph: Paragraph, text: str) -> bool:
    return bool(SENTENCE_END.search(text)) and not paragraph.lines[-1].hyphenated


def _is_between(begun: Paragraph, paragraph: Paragraph, text: str) -> bool:
    """Whether a paragraph may stand between the parts of another: a note or label in smaller type, a caption, a row."""
    return (
        paragraph.kind == "row"
        or paragraph.lines[0].height < (1 - SAME_HEIGHT) * begun.lines[-1].height
        or (paragraph.kind == "paragraph" and bool(_CAPTION.match(text)))
    )


def _goes_on(pages: Sequence[Sequence[Told]], begun: Place, here: Place) -> bool:
    """Whether the paragraph that has begun goes on in the one that is `here`."""
    (before, _), (paragraph, text) = pages[begun[0]][begun[1]], pages[here[0]][here[1]]
    last, first = before.lines[-1], paragraph.lines[0]
    if paragraph.kind != "paragraph" or last.angle != first.angle or last.bold != first.bold:
        return False
    if abs(first.height - last.height) > SAME_HEIGHT * last.height or not _is_turn(begun, last, here, first):
        return False
    if last.hyphenated:
        return text[:1].isalnum()
    column = [line for told, _ in pages[begun[0]] for line in told.lines if _is_in_column(line, last)]
    left, right = min(line.left for line in column), max(line.right for line in column)
    share = (last.right - left) / max(right - left, 1.0)
    if text[:1].islower() or _GOES_ON.match(text):
        return share >= _NOT_SHORT
    is_caseless = text[:1].isalpha() and not text[:1].isupper()
    return share >= _FULL and len(before.lines) > 1 and (is_caseless or bool(_FIGURE.match(text)))


def _is_turn(begun: Place, last: Line, here: Place, first: Line) -> bool:
    """Whether a page, or a column, ends between two lines."""
    return here[0] != begun[0] or (first.base > last.base and first.left > last.right - _ROOM * last.height)


def _is_in_column(line: Line, other: Line) -> bool:
    return line.angle == other.angle and abs(line.left - other.left) < 3 * other.height and line.height > 0
