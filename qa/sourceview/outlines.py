"""The headings of a document, to jump by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qa.records import Document
from qa.sourceview.places import page_name, section_name
from qa.sourceview.windows import Window, heading_level, piece_numbers

MAX_ENTRIES = 300
_MAX_CHARS = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """A heading, or the name of a section or page where a document has no headings: `level` counts from 0 in the
    outline, `block` is the number of the block that it stands above or is, `piece` that of the piece, and `is_shown`
    whether that is in the window at hand."""

    text: str
    level: int
    block: int
    piece: int
    is_shown: bool


def outline(document: Document, shown: Window) -> tuple[Entry, ...]:
    """At most 300 entries, the deepest levels left out first; empty when there are fewer than two."""
    found = _headings(document)
    if len(found) < 2:
        found = _sections(document)
    depth = max((level for level, _, _ in found), default=0)
    while len(found) > MAX_ENTRIES and depth > min(level for level, _, _ in found):
        found = [entry for entry in found if entry[0] < depth]
        depth -= 1
    found = found[:MAX_ENTRIES]
    if len(found) < 2:
        return ()
    levels = {level: depth for depth, level in enumerate(sorted({level for level, _, _ in found}))}
    pieces = piece_numbers(document, [block for _, block, _ in found])
    return tuple(
        Entry(text, levels[level], block, piece, shown.first <= piece < shown.first + shown.count)
        for (level, block, text), piece in zip(found, pieces, strict=True)
    )


def _headings(document: Document) -> list[tuple[int, int, str]]:
    return [
        (heading_level(block), number, _short(document.text[block.start : block.end]))
        for number, block in enumerate(document.blocks)
        if block.kind == "heading"
    ]


def _sections(document: Document) -> list[tuple[int, int, str]]:
    """Slides, sheets, messages, else pages: each where it begins."""
    found: list[tuple[int, int, str]] = []
    names: Sequence[str] = [section_name(block.locator) for block in document.blocks]
    if len(set(names)) < 2:
        names = ["" if b.locator.page is None else page_name(b.locator) for b in document.blocks]
    for number, name in enumerate(names):
        if name and (not number or names[number - 1] != name):
            found.append((0, number, _short(name)))
    return found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_CHARS else line[: _MAX_CHARS - 1].rstrip() + "…"
