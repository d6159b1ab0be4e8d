"""Tables as text: each row carries the names of its columns, so that it answers by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

JOINT = " | "
"""What stands between two cells."""

_SPACES = re.compile(r"\s+")
_FIGURE = re.compile(r"[-+(]?\s*[$€£¥]?\s*[-+]?\d[\d\s.,:/%)$€£¥e-]*(?:[kmb]|bn|mn)?", re.IGNORECASE)
_MAX_NAME = 120
# A row beyond this is cut between cells, for a sentence is never longer than about this.
_MAX_ROW = 700
_MAX_KEY = 80


@dataclass(frozen=True, slots=True)
class Piece:
    """A row, or a part of a long one: its text, and its first and last column, both counted from 0."""

    text: str
    first: int
    last: int


def cell_text(value: str) -> str:
    """The text of a cell on one line."""
    return _SPACES.sub(" ", value).strip()


def figure(text: str) -> str:
    """A number as people write it, without the noise of binary fractions ("0.30000000000000004"); all else as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.15g}" if "." in text and number == number and abs(number) < 1e15 else text


def is_header(rows: Sequence[Sequence[str]], *, is_expected: bool = False) -> bool:
    """Whether the first of the rows (cells as `cell_text` gives them, "" where empty) names the columns of the others:
    words, hardly one twice, over most of what the next rows hold. In two columns of nothing but words it may as
    well be a first pair of name and value, so there a column must hold figures, unless a header is expected of
    every table."""
    if len(rows) < 2:
        return False
    head, below = rows[0], rows[1:20]
    names = [cell for cell in head if cell]
    if len(names) < 2 or 2 * len(set(names)) <= len(names) or any(len(name) > _MAX_NAME for name in names):
        return False
    if any(_FIGURE.fullmatch(name) and not _is_year(name) for name in names) or all(map(_is_year, names)):
        return False
    if 4 * sum(any(map(str.isalpha, name)) or _is_year(name) for name in names) < 3 * len(names):
        return False
    filled = {column for row in below for column, cell in enumerate(row) if cell}
    named = {column for column, cell in enumerate(head) if cell}
    cells = [column in named for row in below for column, cell in enumerate(row) if cell]
    if 3 * sum(cells) < 2 * len(cells) or len(cells) <= len(below):
        return False
    if is_expected or len(filled | named) > 2:
        return True
    return any(holds_figures(below, column) for column in filled)


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdecimal() and "1800" <= text <= "2199"


def is_figure(text: str) -> bool:
    """Whether a cell holds a figure and nothing else."""
    return _FIGURE.fullmatch(text) is not None


def holds_figures(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds figures and hardly anything else."""
    cells = [row[column] for row in rows if column < len(row) and row[column]]
    return bool(cells) and sum(_FIGURE.fullmatch(cell) is not None for cell in cells) > 0.7 * len(cells)


def pieces(names: Sequence[str], cells: Sequence[str]) -> Iterator[Piece]:
    """A row as text: "City: Toronto | Jobs: 200", empty cells left out; words alone in the first column, which
    may head the rows below them, stand without its name.
    A row too long for one sentence comes in several pieces, each with the first cell in front."""
    shown = [(column, _named(names, column, cell)) for column, cell in enumerate(cells) if cell]
    if not shown:
        return
    if len(shown) == 1:
        column, text = shown[0]
        yield Piece(text if column or _FIGURE.fullmatch(cells[column]) else cells[column], column, column)
        return
    key = shown[0][1] if len(shown[0][1]) <= _MAX_KEY else ""
    held, first, last, length = [shown[0][1]], shown[0][0], shown[0][0], len(shown[0][1])
    for column, text in shown[1:]:
        if length + len(JOINT) + len(text) > _MAX_ROW:
            yield Piece(JOINT.join(held), first, last)
            held = [key] if key else []
            first, length = column, len(key)
        held.append(text)
        length += len(JOINT) + len(text)
        last = column
    yield Piece(JOINT.join(held), first, last)


def named(grid: Sequence[Sequence[str]], heads: int = 0) -> Iterator[tuple[int, Piece]]:
    """The rows of a table as text, each piece with the number of its row in the grid, which counts from 0. The first
    `heads` rows name the columns; where the format says of none that it does, the first may (see `is_header`). Names
    that head nothing, or are too long for names, stand as rows of their own."""
    heads = heads or int(is_header(grid))
    columns = zip_longest(*grid[:heads], fillvalue="")
    names = [" ".join(filter(None, dict.fromkeys(column))) for column in columns]
    if heads >= len(grid) or any(len(name) > _MAX_NAME for name in names):
        heads, names = 0, []
    for number, cells in enumerate(grid[heads:], heads):
        for piece in pieces(names, cells):
            yield number, piece


def _named(names: Sequence[str], column: int, cell: str) -> str:
    name = names[column] if column < len(names) else ""
    return f"{name.rstrip(':')}: {cell}" if name else cell


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a grid: its number, and the texts of its cells from the grid's first column on, "" where empty."""

    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Part:
    """A block to be: `kind` is "row", "paragraph" or "heading" (of the table below it); row number and columns."""

    kind: str
    text: str
    row: int
    first: int
    last: int


def laid_out(lines: Iterable[Line], spans: Iterable[Span] = (), *, is_headed: bool = False) -> Iterator[Part]:
    """What stands on a sheet: tables, parted by empty rows or columns, their headings, and text beside them.

    `spans` are horizontal runs of cells that were joined. `is_headed`: a header is expected of every table. A table
    that goes on after an empty row keeps the names of its columns.
    """
    joined = {(span.row, span.first): span.last for span in spans}
    before: dict[int, str] = {}
    for band in _bands(lines):
        names: dict[int, str] = {}
        for first, last in _runs(band):
            region = [Line(line.number, line.cells[first : last + 1]) for line in band]
            table = _Table([line for line in region if any(line.cells)], first, joined, before, is_headed)
            yield from table.parts()
            names.update(table.names)
        before = names or before


@dataclass(frozen=True, slots=True)
class Span:
    """Cells of a row that were joined, from the first column to the last."""

    row: int
    first: int
    last: int


def _bands(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines between empty ones, together."""
    band: list[Line] = []
    for line in lines:
        if any(line.cells) and (not band or line.number == band[-1].number + 1 or not line.number):
            band.append(line)
            continue
        if band:
            yield band
        band = [line] if any(line.cells) else []
    if band:
        yield band


def _runs(band: Sequence[Line]) -> list[tuple[int, int]]:
    """First and last columns of the tables that stand side by side in a band. An empty column parts two tables only
    where both have a header of their own; else it is a spacer within one, as in a form."""
    filled = sorted({column for line in band for column, cell in enumerate(line.cells) if cell})
    runs: list[tuple[int, int]] = []
    for column in filled:
        if runs and column == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], column)
        else:
            runs.append((column, column))
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and not (_has_header(band, *merged[-1]) and _has_header(band, first, last)):
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def _has_header(band: Sequence[Line], first: int, last: int) -> bool:
    """Whether some columns of a band hold a table with a header, be it below a heading or two."""
    rows = [cells for line in band[:30] if any(cells := line.cells[first : last + 1])]
    return any(is_header(rows[start:]) for start in range(3))


class _Table:
    """The filled lines of one region, whose cells begin in column `first`. `names`: those of its columns, when read."""

    def __init__(
        self,
        lines: list[Line],
        first: int,
        joined: dict[tuple[int, int], int],
        before: dict[int, str],
        is_headed: bool,
    ) -> None:
        self._lines = lines
        self._first = first
        self._joined = joined
        self._before = before
        self._is_headed = is_headed
        self.names: dict[int, str] = {}

    def parts(self) -> Iterator[Part]:
        rest = 0
        while rest < len(self._lines) and sum(map(bool, self._lines[rest].cells)) == 1:
            rest += 1
        for index, line in enumerate(self._lines[:rest]):
            (column,) = (i for i, cell in enumerate(line.cells) if cell)
            text = line.cells[column]
            is_heading = index == rest - 1 and rest < len(self._lines) and _may_head(text)
            kind = "heading" if is_heading else "paragraph"
            yield Part(kind, text, line.number, self._first + column, self._first + column)
        rest += self._read_names(rest, goes_on=not rest)
        names = [self.names.get(self._first + column, "") for column in range(self._width)]
        for line in self._lines[rest:]:
            for piece in pieces(names, line.cells):
                yield Part("row", piece.text, line.number, self._first + piece.first, self._first + piece.last)

    @property
    def _width(self) -> int:
        return max((len(line.cells) for line in self._lines), default=0)

    def _read_names(self, start: int, goes_on: bool) -> int:
        """Finds the names of the columns in the lines from `start` on, or above when the table may go on from there;
        how many lines they take."""
        rows = [line.cells for line in self._lines[start : start + 30]]
        if not rows:
            return 0
        groups = self._groups(self._lines[start])
        if groups and len(rows) > 2:
            pairs = zip(groups, _padded(rows[1], len(groups)), strict=True)
            both = [" ".join(filter(None, dict.fromkeys(pair))) for pair in pairs]
            if is_header([both, *rows[2:]], is_expected=self._is_headed):
                self._name(both)
                return 2
        if is_header(rows, is_expected=self._is_headed):
            self._name(rows[0])
            return 1
        filled = {self._first + column for row in rows for column, cell in enumerate(row) if cell}
        if goes_on and all(self._before.get(column) for column in filled):
            self.names = {column: self._before[column] for column in filled}
        return 0

    def _groups(self, line: Line) -> list[str]:
        """The cells of a line over which cells were joined, each repeated over the columns it stands above; empty when
        none was."""
        cells = _padded(line.cells, self._width)
        found = False
        for column, cell in enumerate(line.cells):
            last = self._joined.get((line.number, self._first + column), 0) - self._first
            for covered in range(column + 1, min(last, self._width - 1) + 1):
                found = True
                cells[covered] = cells[covered] or cell
        return cells if found else []

    def _name(self, row: Sequence[str]) -> None:
        self.names = {self._first + column: cell for column, cell in enumerate(row)}


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]


def _may_head(text: str) -> bool:
    """Whether a cell alone above a table is its heading."""
    return len(text) <= _MAX_NAME and not _FIGURE.fullmatch(text) and not text.endswith((".", "!", "?"))
