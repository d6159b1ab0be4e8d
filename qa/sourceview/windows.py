"""Consecutive pieces of a document, few enough for a page.

A document may hold twenty million characters, in many blocks or in one; the window is cut so that a page stays small.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from qa.records import Block, Document, Span
from qa.sourceview.grids import begins, carries_names, grid
from qa.sourceview.places import margin_name, section_name
from qa.sourceview.reflowing import reflowed

# A block longer than this is shown in pieces; 400 pieces and 200,000 characters make a page of well under a megabyte.
MAX_PIECE_CHARS = 10_000
MAX_WINDOW_PIECES = 400
MAX_WINDOW_CHARS = 200_000

# What stands before a list item, between two blocks: how deep it is indented, and a number where it is counted. What
# has neither number nor bullet goes on below the text of an item.
_MARKER = re.compile(r"([ \t]*)(?:>[ \t]*)*([-*+•‣◦]|\(?(\d{1,6})[.)])?[ \t]*\Z")
_MAX_DEPTH = 5
# Their lines end where the author ended them, as in verse; in other formats it may be where text was wrapped.
_UNWRAPPED = frozenset(
    [
        "text/html",
        "application/epub+zip",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.oasis.opendocument.text",
    ]
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A span to mark. `number` is that of its citation as people see it, "" for none. `kind` is "cited", "changed"
    (what the cited sentence was changed into) or "near" (where one that is gone may have stood)."""

    span: Span
    number: str = ""
    kind: Literal["cited", "changed", "near"] = "cited"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text as `reflowed` gives it, wholly inside one mark or outside of all. `mark` is the position of its mark among
    those of the window, None outside; `first` and `last` are true for the window's first and last of that mark."""

    text: str
    mark: int | None = None
    first: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A block, or a part of a very long one.

    `block` is the number of its block, from 0; `begins` is false for a part that is not its block's first. `level` is
    2 to 6 for a title or heading, else 0. `section` is the name of the slide, sheet, message, chapter or cell, and
    `beside` that of the page, row, record or time, each where it begins, or where the window does, else "". Of a list
    item, `number` is what it is counted by, if it is, and `depth` how deep it stands, from 0.
    """

    kind: str
    block: int
    level: int
    section: str
    beside: str
    begins: bool
    stretches: tuple[Stretch, ...]
    number: int | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Pieces that belong together: the items of a list ("items"), the rows of a table ("table"), or one piece of any
    other kind, which is then that of the group. Of a table, `names` are those of its columns where they are known, and
    `rows` the cells of each piece: how many columns a cell is wide, and its text."""

    kind: str
    pieces: tuple[Piece, ...]
    names: tuple[str, ...] = ()
    rows: tuple[tuple[tuple[int, tuple[Stretch, ...]], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """`count` pieces from number `first` on, in groups, and where the neighbouring windows start (None where there is
    none). `marks` are those that were to be marked, `held` the positions of those that are, at least in part, in this
    window."""

    groups: tuple[Group, ...]
    first: int
    count: int
    earlier: int | None
    later: int | None
    marks: tuple[Mark, ...] = ()
    held: frozenset[int] = frozenset()


def window(document: Document, marks: Sequence[Mark] = (), first: int | None = None) -> Window:
    """The window that begins with piece number `first`; without it the one around the first of `marks`, else the
    document's first. Of marks that share text the earlier in `marks` is kept.

    Pieces are numbered from 0 over the whole document; a `first` beyond the last piece means the last.
    """
    cuts = _cuts(document)
    if not cuts:
        return Window((), 0, 0, None, None, tuple(marks))
    if first is not None:
        start = min(max(first, 0), len(cuts) - 1)
        end = _reach(cuts, start, 1)
    elif marks:
        centre = min(bisect_right(cuts, marks[0].span.start, key=lambda cut: cut.end), len(cuts) - 1)
        start = _reach(cuts, centre, -1, share=2) + 1
        end = _reach(cuts, centre, 1, share=2)
    else:
        start, end = 0, _reach(cuts, 0, 1)
    inside = [(mark.span, number) for number, mark in enumerate(marks)]
    apart = sorted(
        (span, number)
        for span, number in inside
        if not any(span.start < other.end and other.start < span.end for other, _ in inside[:number])
    )
    pieces = []
    before: Block | None = None
    for cut in cuts[start:end]:
        pieces.append(_piece(document, cut, before, apart))
        before = document.blocks[cut.block]
    groups, held = _with_ends([_table(group) for group in _groups(pieces)])
    return Window(
        groups=groups,
        first=start,
        count=end - start,
        earlier=_reach(cuts, start - 1, -1) + 1 if start else None,
        later=end if end < len(cuts) else None,
        marks=tuple(marks),
        held=held,
    )


def piece_at(document: Document, start: int) -> int:
    """The number of the piece that holds code point `start`, or of the one after it."""
    cuts = _cuts(document)
    return min(bisect_right(cuts, start, key=lambda cut: cut.end), max(len(cuts) - 1, 0))


def piece_numbers(document: Document, blocks: Sequence[int]) -> list[int]:
    """The numbers of the first pieces of blocks, whose own numbers are given."""
    wanted = set(blocks)
    first = {cut.block: number for number, cut in enumerate(_cuts(document)) if cut.begins and cut.block in wanted}
    return [first[block] for block in blocks]


def heading_level(block: Block) -> int:
    """2 to 6 for a title or heading, as deep as the path of headings above it; else 0."""
    if block.kind == "title":
        return 2
    return min(2 + len(block.locator.heading), 6) if block.kind == "heading" else 0


@dataclass(frozen=True, slots=True)
class _Cut:
    block: int
    start: int
    end: int
    begins: bool


def _cuts(document: Document) -> list[_Cut]:
    return [cut for number, block in enumerate(document.blocks) for cut in _cut(document.text, number, block)]


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


def _piece(document: Document, cut: _Cut, before: Block | None, marks: Sequence[tuple[Span, int]]) -> Piece:
    block = document.blocks[cut.block]
    text = document.text[cut.start : cut.end]
    shown = text if block.kind == "code" or document.media_type in _UNWRAPPED else reflowed(text)
    here = section_name(block.locator), margin_name(block.locator)
    above = (section_name(before.locator), margin_name(before.locator)) if before is not None else ("", "")
    piece = Piece(
        kind=block.kind,
        block=cut.block,
        level=heading_level(block),
        # A heading that says it itself needs no other above it.
        section="" if here[0] == above[0] or (block.kind == "heading" and text == here[0]) else here[0],
        beside="" if here == above else here[1],
        begins=cut.begins,
        stretches=tuple(_stretches(shown, cut, marks)),
    )
    if block.kind != "item" or not cut.begins:
        return piece
    end_before = document.blocks[cut.block - 1].end if cut.block else 0
    line = document.text[max(end_before, cut.start - 80) : cut.start].rpartition("\n")[2]
    marker = _MARKER.search(line)
    if marker is None:
        return piece
    depth = min(max(len(marker[1].expandtabs(4)) // 2 - (marker[2] is None), 0), _MAX_DEPTH)
    return replace(piece, number=int(marker[3]) if marker[3] else None, depth=depth)


def _stretches(text: str, cut: _Cut, marks: Sequence[tuple[Span, int]]) -> Iterator[Stretch]:
    """`text`, which is that of the cut, parted where a mark begins or ends; marks are in order."""
    at = 0
    for span, number in marks:
        start, end = max(span.start - cut.start, 0), min(span.end - cut.start, len(text))
        if start >= end:
            continue
        if at < start:
            yield Stretch(text[at:start])
        yield Stretch(text[start:end], number)
        at = end
    if at < len(text):
        yield Stretch(text[at:])


def _groups(pieces: list[Piece]) -> Iterator[Group]:
    together = {"item": "items", "row": "table"}
    group: list[Piece] = []
    is_named: bool | None = None
    for piece in pieces:
        named = carries_names(_text(piece)) if piece.kind == "row" else None
        joins = piece.kind in together and group and group[-1].kind == piece.kind and not piece.section
        # Where rows with names follow rows without, another table begins.
        if joins and None not in (named, is_named) and named != is_named:
            joins = False
        if group and not joins:
            yield from _parted(together.get(group[0].kind, group[0].kind), group, is_named)
            group, is_named = [], None
        group.append(piece)
        is_named = named if is_named is None else is_named
    if group:
        yield from _parted(together.get(group[0].kind, group[0].kind), group, is_named)


def _parted(kind: str, pieces: Sequence[Piece], is_named: bool | None) -> Iterator[Group]:
    """A group; of rows with names, one for each table."""
    starts = begins(list(map(_text, pieces))) if is_named else [0]
    for start, end in pairwise([*starts, len(pieces)]):
        yield Group(kind, tuple(pieces[start:end]))


def _text(piece: Piece) -> str:
    return "".join(each.text for each in piece.stretches)


def _table(group: Group) -> Group:
    if group.kind != "table":
        return group
    laid = grid([_text(piece) for piece in group.pieces])
    rows = tuple(
        tuple((cell.columns, _part(piece, cell.start, cell.end)) if cell else (1, ()) for cell in row.cells)
        for piece, row in zip(group.pieces, laid.rows, strict=True)
    )
    return replace(group, names=laid.names, rows=rows)


def _part(piece: Piece, start: int, end: int) -> tuple[Stretch, ...]:
    """What of a piece's text lies in [start, end)."""
    found = []
    at = 0
    for each in piece.stretches:
        text = each.text[max(start - at, 0) : max(end - at, 0)]
        if text:
            found.append(replace(each, text=text))
        at += len(each.text)
    return tuple(found)


def _with_ends(groups: list[Group]) -> tuple[tuple[Group, ...], frozenset[int]]:
    """The groups with the first and the last stretch of each mark told, and which marks there are."""
    seen: dict[int, list[tuple[int, int, int, int]]] = {}
    for g, group in enumerate(groups):
        lines = group.rows or [[(1, piece.stretches)] for piece in group.pieces]
        for p, cells in enumerate(lines):
            for c, (_, stretches) in enumerate(cells):
                for s, stretch in enumerate(stretches):
                    if stretch.mark is not None:
                        seen.setdefault(stretch.mark, []).append((g, p, c, s))
    firsts = {places[0] for places in seen.values()}
    lasts = {places[-1] for places in seen.values()}

    def told(place: tuple[int, int, int], stretches: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
        return tuple(
            replace(each, first=(*place, s) in firsts, last=(*place, s) in lasts) if each.mark is not None else each
            for s, each in enumerate(stretches)
        )

    done = []
    for g, group in enumerate(groups):
        if group.rows:
            rows = tuple(
                tuple((width, told((g, p, c), stretches)) for c, (width, stretches) in enumerate(cells))
                for p, cells in enumerate(group.rows)
            )
            done.append(replace(group, rows=rows))
        else:
            pieces = tuple(
                replace(piece, stretches=told((g, p, 0), piece.stretches)) for p, piece in enumerate(group.pieces)
            )
            done.append(replace(group, pieces=pieces))
    return tuple(done), frozenset(seen)
