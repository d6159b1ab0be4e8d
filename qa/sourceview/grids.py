"""Rows of a table, which are lines of text, as cells below the names of their columns.

A row reads "City: Toronto | Jobs: 200", without its empty cells, where the names are known, and "Toronto | 200" else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

_JOINT = re.compile(r"(?:(?<=\s)|^)\|(?=\s|$)")
_NAME = re.compile(r"\s*([^\s:|](?:[^:|]|:(?! )){0,119}): (?=\S)")
# A table has one column for all cells that its header does not name.
_UNNAMED = ("", 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """Code points `[start, end)` of a row's text, shown over `columns` columns; without `name`, the column's."""

    start: int
    end: int
    columns: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row, one for each column but for those that the last one covers; None where a cell is empty."""

    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """`names` are those of the columns, empty when they are not known."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Raw:
    """A cell as it stands in its row; its value begins at `value`, after its `name`, if it has one."""

    start: int
    end: int
    name: str
    value: int


def grid(texts: Sequence[str]) -> Grid:
    """The rows of one table, each a line of text, as a grid. What is left out of the cells are the names of their
    columns, which the grid has, and the signs between them."""
    rows = [_cells(text) for text in texts]
    if not _are_named(rows):
        width = max(map(len, rows), default=1)
        return Grid((), tuple(_spread([Cell(cell.start, cell.end) for cell in row], width) for row in rows))
    keyed = [_keyed(_glued(row)) for row in rows]
    columns = _in_order([[key for key, _ in cells] for cells in keyed if not _is_lone(cells)])
    shown = []
    for cells in keyed:
        if _is_lone(cells):
            shown.append(_spread([cells[0][1]], len(columns)))
        else:
            held = dict(cells)
            shown.append(Row(tuple(held.get(key) for key in columns)))
    return Grid(tuple(name for name, _ in columns), tuple(shown))


def carries_names(text: str) -> bool | None:
    """Whether a row carries the names of its columns; None for one of a single cell, which may be of any table."""
    cells = [cell for cell in _cells(text) if cell.end > cell.start]
    return 2 * sum(bool(cell.name) for cell in cells) > len(cells) if len(cells) > 1 else None


def begins(texts: Sequence[str]) -> list[int]:
    """The numbers of the rows, each a line of text, with which a table begins: the first, and one such that no name of
    a column stands both above it and from it on. Words alone, which may head the rows below, go with those."""
    names = [{cell.name for cell in _glued(_cells(text)) if cell.name} for text in texts]
    last = {name: number for number, held in enumerate(names) for name in held}
    found, reach = [0], -1
    for number, held in enumerate(names[:-1]):
        reach = max([reach, *(last[name] for name in held)])
        if held and reach == number and any(names[number + 1 :]):
            found.append(number + 1)
    return found


def _in_order(rows: Sequence[Sequence[tuple[str, int]]]) -> list[tuple[str, int]]:
    """The columns in an order that agrees with that of each row, where there is one; empty cells leave it open."""
    before: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for row in rows:
        for place, key in enumerate(row):
            before.setdefault(key, []).extend(row[max(0, place - 1) : place])
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError:
        return list(before)


def _cells(text: str) -> list[_Raw]:
    found = []
    start = 0
    for end, following in [*((match.start(), match.end()) for match in _JOINT.finditer(text)), (len(text), 0)]:
        raw = text[start:end]
        first = start + len(raw) - len(raw.lstrip())
        last = max(first, start + len(raw.rstrip()))
        match = _NAME.match(text, first, last)
        found.append(_Raw(first, last, match[1] if match else "", match.end() if match else first))
        start = following
    return found


def _are_named(rows: Sequence[Sequence[_Raw]]) -> bool:
    """Whether the rows carry the names of their columns. Among several, most names come more than once."""
    cells = [cell for row in rows if len(row) > 1 for cell in row if cell.end > cell.start]
    named = [cell.name for cell in cells if cell.name]
    if not cells or len(named) < 0.8 * len(cells):
        return False
    if sum(len(row) > 1 for row in rows) == 1:
        return True
    often = Counter(named)
    return sum(often[name] > 1 for name in named) >= 0.8 * len(named)


def _glued(row: Sequence[_Raw]) -> list[_Raw]:
    """A row that is named: a cell without a name after one with it is the rest of that, which holds the sign."""
    glued: list[_Raw] = []
    for cell in row:
        if glued and glued[-1].name and not cell.name:
            glued[-1] = _Raw(glued[-1].start, cell.end, glued[-1].name, glued[-1].value)
        else:
            glued.append(cell)
    return glued


def _keyed(row: Sequence[_Raw]) -> list[tuple[tuple[str, int], Cell]]:
    """Each cell by the name of its column, and which of that name in its row it is."""
    seen: Counter[str] = Counter()
    keyed = []
    for cell in row:
        keyed.append(((cell.name, seen[cell.name]), Cell(cell.value, cell.end)))
        seen[cell.name] += 1
    return keyed


def _is_lone(cells: Sequence[tuple[tuple[str, int], Cell]]) -> bool:
    """Whether a row is words alone, which may head the rows below it."""
    return len(cells) == 1 and cells[0][0] == _UNNAMED


def _spread(cells: Sequence[Cell], width: int) -> Row:
    """The cells of a row, of which the last covers what is left of `width` columns."""
    *before, last = cells
    return Row((*before, Cell(last.start, last.end, width - len(before))))
