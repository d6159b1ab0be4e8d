"""Rows of a table as text: each carries the names of its columns, so that it answers by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of the rows (cells as `cell_text` gives them, "" where empty) names the columns of the others:
    a word, another one each, over every column that the next rows fill. In two columns of nothing but words it may as
    well be a first pair of name and value, so there the second column must hold figures, or the table be long."""
    if len(rows) < 2:
        return False
    head, below = rows[0], rows[1:20]
    names = [cell for cell in head if cell]
    if len(names) < 2 or len(set(names)) < len(names) or any(len(name) > _MAX_NAME for name in names):
        return False
    if any(_FIGURE.fullmatch(name) and not _is_year(name) for name in names) or all(map(_is_year, names)):
        return False
    filled = {column for row in below for column, cell in enumerate(row) if cell}
    named = {column for column, cell in enumerate(head) if cell}
    if len(filled) > 1 and len(filled - named) > max(1, len(filled) // 4):
        return False
    if len(filled | named) > 2:
        return True
    return len(rows) > 8 or any(_figures(below, column) for column in filled)


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdecimal() and "1800" <= text <= "2199"


def _figures(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds figures and hardly anything else."""
    cells = [row[column] for row in rows if column < len(row) and row[column]]
    return bool(cells) and sum(_FIGURE.fullmatch(cell) is not None for cell in cells) > 0.7 * len(cells)


def pieces(names: Sequence[str], cells: Sequence[str]) -> Iterator[Piece]:
    """A row as text: "City: Toronto | Jobs: 200", empty cells left out; a lone cell stands without its column's name.
    A row too long for one sentence comes in several pieces, each with the first cell in front."""
    shown = [(column, _named(names, column, cell)) for column, cell in enumerate(cells) if cell]
    if not shown:
        return
    if len(shown) == 1:
        column = shown[0][0]
        yield Piece(cells[column], column, column)
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


def _named(names: Sequence[str], column: int, cell: str) -> str:
    name = names[column] if column < len(names) else ""
    return f"{name.rstrip(':')}: {cell}" if name else cell
