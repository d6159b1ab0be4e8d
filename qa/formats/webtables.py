"""The tables of a web page: rows with the names of their columns, or the blocks of a page laid out as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qa.formats import tables

_SPACES = re.compile(r"[ \t\n\r\f]+")
# Cells of more characters than this together are a page laid out as a table, not a row of one.
_MAX_ROW = 2_000
_MAX_SPAN = 1_000  # as in browsers (HTML, section 4.9.11)
_MAX_CELLS = 100_000  # of a table, repeated ones among them


@dataclass(frozen=True, slots=True)
class Piece:
    """A block to be; `level` is that of a heading, 0 for all else, `marker` what stands before an item of a list: its
    number or a bullet, as far in as it is deep."""

    kind: str
    text: str
    level: int = 0
    marker: str = ""


@dataclass(slots=True)
class Cell:
    """A cell being read: what it holds, how many columns and rows it goes over, and whether it names a column."""

    columns: int
    rows: int
    is_head: bool
    pieces: list[Piece] = field(default_factory=list)

    @property
    def text(self) -> str:
        parts = [" ".join(piece.text.split("\n")) for piece in self.pieces]
        joint = "; " if all(piece.kind == "item" for piece in self.pieces) else " "
        return _SPACES.sub(" ", joint.join(parts)).strip()


@dataclass(slots=True)
class Row:
    """A table row being read. It turns out to be layout when a cell holds what a cell of a table does not."""

    cells: list[Cell] = field(default_factory=list)
    is_layout: bool = False

    @property
    def pieces(self) -> list[Piece]:
        """All that it holds, piece by piece."""
        return [piece for cell in self.cells for piece in cell.pieces]


def span(value: str | None) -> int:
    """How many rows or columns a cell goes over, by its attribute."""
    number = re.match(r"\s*(\d{1,5})", value or "")
    return min(max(1, int(number[1])), _MAX_SPAN) if number else 1


def pieces_of(table: list[Row | Piece]) -> Iterator[Piece]:
    """The blocks of a table from its rows, and from what else stands in it. A row with one filled cell, or with a
    page's worth of text, is taken apart. Rows of header cells name the columns of the rows below them; where there are
    none, the first row may (see `tables.is_header`)."""
    order: list[int | Piece] = []  # a row of the grid, or a block of its own
    grid: list[list[str]] = []
    heads = 0
    for entry, cells in _laid_out(table):
        if isinstance(entry, Piece):
            order.append(entry)
        elif sum(map(bool, cells)) < 2 or sum(map(len, cells)) > _MAX_ROW:
            order += entry.pieces
        else:
            if is_head := _names_columns(entry):
                if heads < len(grid):  # a header between the rows of a table begins another
                    yield from _named(order, grid, heads)
                    order, grid, heads = [], [], 0
                heads += 1
            order.append(len(grid))
            grid.append(_over_columns(entry, cells) if is_head else cells)
    yield from _named(order, grid, heads)


def _named(order: list[int | Piece], grid: list[list[str]], heads: int) -> Iterator[Piece]:
    rows: dict[int, list[Piece]] = {}
    for number, piece in tables.named(grid, heads):
        rows.setdefault(number, []).append(Piece("row", piece.text))
    for entry in order:
        if isinstance(entry, Piece):
            yield entry
        else:
            yield from rows.get(entry, ())


def _laid_out(table: list[Row | Piece]) -> Iterator[tuple[Row | Piece, list[str]]]:
    """Each row with the texts of its columns: of a cell over several rows in each of them, of one over several columns
    in the first."""
    down: dict[int, tuple[int, str]] = {}
    left = _MAX_CELLS
    for number, entry in enumerate(table):
        cells: list[str] = []
        if isinstance(entry, Row):
            for cell in entry.cells:
                cells += _from_above(down, number, len(cells))
                if left > 0 and cell.rows > 1:
                    down[len(cells)] = (number + cell.rows - 1, cell.text)
                cells += [cell.text, *[""] * (cell.columns - 1 if left > 0 else 0)]
                left -= cell.columns
            above = _from_above(down, number, len(cells))
            left -= len(above)
            cells += above
            if left <= 0:
                down.clear()
        yield entry, cells


def _from_above(down: dict[int, tuple[int, str]], number: int, column: int) -> list[str]:
    """The texts that come down into a row from `column` on. `down`: by column, the last row and the text."""
    texts: list[str] = []
    while (held := down.get(column + len(texts))) and held[0] >= number:
        texts.append(held[1])
    return texts


def _names_columns(row: Row) -> bool:
    """Whether a row is nothing but header cells, two at least, that do not all stand beside rows to come."""
    filled = [cell for cell in row.cells if cell.pieces]
    return len(filled) > 1 and all(cell.is_head for cell in filled) and any(cell.rows == 1 for cell in filled)


def _over_columns(row: Row, cells: list[str]) -> list[str]:
    """The texts of a row's columns, those of a cell over several columns in each of them."""
    found = list(cells)
    for column, text in enumerate(cells):
        if not text and column and any(cell.columns > 1 and cell.text == found[column - 1] for cell in row.cells):
            found[column] = found[column - 1]
    return found
