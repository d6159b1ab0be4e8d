"""The tables of a PDF page that are surely such: with rules between their cells, or with columns that stand apart.

Their rows carry the names of the columns. What may be a table as well as anything else is left as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from qa.formats.pdf_lines import Cell, Line
from qa.formats.pdf_objects import Rule
from qa.formats.tables import holds_figures, is_figure, is_header

_LEAST_ROWS = 3  # with that of the names
# Lines in columns before that of the names; beyond them no other is looked for. A page holds a hundred lines, and only
# hostile ones so many cells.
_MOST_TITLES, _MOST_LINES, _MOST_CELLS = 2, 400, 20_000
# Points: how near rules meet; how far letters reach over them; and the least width and height of a cell.
_NEAR, _OVER, _LEAST = 3.0, 2.0, 6.0
_MAX_CELL, _USUAL_CELL = (
    500,
    60,
)  # characters: beyond the one a page is laid out as a table, beyond the other it is text
# Multiples of a line's height.
_SAME_BASE, _APART, _FAR = 0.3, 0.3, 3.5
# Lines of one cell are nearer than this part of the distance from row to row.
_NEARER = 0.8


@dataclass(frozen=True, slots=True)
class Table:
    """The lines that a table takes up, by their numbers, and its rows: each a line with a cell for every filled column,
    which has its column's name. It stands before the line of number `before`, which may be its own first."""

    taken: frozenset[int]
    rows: tuple[Line, ...]
    before: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands in one column of a line, `number` of the page."""

    number: int
    cell: Cell
    line: Line

    @property
    def height(self) -> float:
        return self.line.base + 0.25 * self.line.height


_Grid = list[list[list[_Piece]]]
"""Rows, columns, and what stands in each cell, in order."""


def tables_of(lines: Sequence[Line], rules: Sequence[Rule]) -> list[Table]:
    """The tables among the lines of a page, in the order of their places. `rules` are those of the page, turned as
    most lines are; a table whose lines are turned otherwise is none here."""
    found: list[Table] = []
    taken: set[int] = set()
    angles = Counter(line.angle for line in lines)
    angle = max(angles, key=lambda angle: (angles[angle], -angle), default=0.0)
    for frame in _frames(rules):
        table = _ruled(lines, frame, angle)
        if table is not None and not taken & table.taken:
            found.append(table)
            taken |= table.taken
    index = titles = 0
    while index < len(lines):
        table, end = _aligned(lines, index, angle, taken)
        if table is not None:
            found.append(table)
            taken |= table.taken
        if table is not None or titles == _MOST_TITLES:
            index, titles = max(end, index + 1), 0
        else:
            index, titles = index + 1, titles + 1 if end - index >= _LEAST_ROWS else 0
    placed = (replace(table, before=_place(lines, table, taken)) for table in found)
    return sorted(placed, key=lambda table: (table.before, min(table.taken)))


def _place(lines: Sequence[Line], table: Table, taken: Collection[int]) -> int:
    """The number of the line that a table stands before: some files hold their tables after all of the text; then the
    first line that is below it on the page."""
    own = [lines[number] for number in table.taken]
    left, right = min(line.left for line in own), max(line.right for line in own)
    low = min(line.base for line in own)
    first = min(table.taken)
    return next(
        (
            number
            for number, line in enumerate(lines[:first])
            if number not in taken
            and line.base < low
            and line.angle == own[0].angle
            and line.left < right
            and left < line.right
        ),
        first,
    )


def _pieces(number: int, line: Line) -> list[_Piece]:
    text = f"• {line.text}" if line.marker else line.text
    cells = line.cells or (Cell(text + "-" * line.hyphenated, line.left, line.right, line.runs),)
    return [_Piece(number, cell, line) for cell in cells]


# ----------------------------------------------------------------------------------------------------- with rules


@dataclass(frozen=True, slots=True)
class _Frame:
    """Rules that meet: places of the upright ones from left to right, of the level ones from above down."""

    across: tuple[float, ...]
    down: tuple[float, ...]
    levels: tuple[Rule, ...]
    uprights: tuple[Rule, ...]

    def is_parted(self, row: int, column: int) -> bool:
        """Whether there is a rule at the right of a cell."""
        y, x = (self.down[row] + self.down[row + 1]) / 2, self.across[column + 1]
        return any(abs(rule.at - x) <= _NEAR and rule.low < y < rule.high for rule in self.uprights)

    def is_closed(self, row: int, column: int) -> bool:
        """Whether there is a rule below a cell."""
        x, y = (self.across[column] + self.across[column + 1]) / 2, self.down[row + 1]
        return any(abs(rule.at - y) <= _NEAR and rule.low < x < rule.high for rule in self.levels)


def _frames(rules: Sequence[Rule]) -> Iterator[_Frame]:
    """The rules that meet others, together, where there are enough for a table."""
    group = list(range(len(rules)))

    def root(index: int) -> int:
        while group[index] != index:
            group[index] = group[group[index]]
            index = group[index]
        return index

    levels = [index for index, rule in enumerate(rules) if rule.is_level]
    uprights = [index for index, rule in enumerate(rules) if not rule.is_level]
    for level in levels:
        for upright in uprights:
            one, other = rules[level], rules[upright]
            if one.low - _NEAR <= other.at <= one.high + _NEAR and other.low - _NEAR <= one.at <= other.high + _NEAR:
                group[root(level)] = root(upright)
    together: dict[int, list[Rule]] = {}
    for index, rule in enumerate(rules):
        together.setdefault(root(index), []).append(rule)
    for held in together.values():
        flat = tuple(rule for rule in held if rule.is_level)
        steep = tuple(rule for rule in held if not rule.is_level)
        if not flat or not steep:
            continue
        edges = [rule.at for rule in steep] + [min(r.low for r in flat), max(r.high for r in flat)]
        ends = [rule.at for rule in flat] + [min(r.low for r in steep), max(r.high for r in steep)]
        across, down = _places(edges), _places(ends)[::-1]
        if len(across) > 2 and len(down) > _LEAST_ROWS and len(across) * len(down) <= _MOST_CELLS:
            yield _Frame(tuple(across), tuple(down), flat, steep)


def _places(values: Sequence[float]) -> list[float]:
    """In order, those that are as good as the same once."""
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > _LEAST:
            found.append(value)
    return found


def _ruled(lines: Sequence[Line], frame: _Frame, angle: float) -> Table | None:
    """The table within a frame, if there is one."""
    left, right, top, bottom = frame.across[0], frame.across[-1], frame.down[0], frame.down[-1]
    rows, columns = len(frame.down) - 1, len(frame.across) - 1
    grid: _Grid = [[[] for _ in range(columns)] for _ in range(rows)]
    wide: dict[int, list[tuple[int, int]]] = {}  # by row, the first and last columns of cells over several
    taken: set[int] = set()
    for number, line in enumerate(lines):
        pieces = _pieces(number, line)
        within = [bottom < p.height < top and left - _OVER < (p.cell.left + p.cell.right) / 2 < right for p in pieces]
        if not any(within):
            continue
        if line.angle != angle or not all(within):
            return None
        for piece in pieces:
            row = sum(1 for y in frame.down[1:] if piece.height < y)
            first = max(0, min(columns - 1, bisect_right(frame.across, piece.cell.left + _OVER) - 1))
            last = max(0, min(columns - 1, bisect_right(frame.across, piece.cell.right - _OVER) - 1))
            if any(frame.is_parted(row, column) for column in range(first, last)):
                return None
            while row and not frame.is_closed(row - 1, first):
                row -= 1
            while first and not frame.is_parted(row, first - 1):
                first -= 1
            while last < columns - 1 and not frame.is_parted(row, last):
                last += 1
            grid[row][first].append(piece)
            if last > first:
                wide.setdefault(row, []).append((first, last))
        taken.add(number)
    for row, column in ((row, column) for row in range(rows - 1) for column in range(columns)):
        # A cell over several rows says for each of them what it says.
        if grid[row][column] and not grid[row + 1][column] and not frame.is_closed(row, column):
            grid[row + 1][column] = list(grid[row][column])
    kept = [row for row in range(rows) if any(grid[row])]
    while kept and sum(map(bool, grid[kept[0]])) == 1:  # what stands over all columns is no part of the table
        taken -= {piece.number for cell in grid[kept[0]] for piece in cell}
        del kept[0]
    if len(kept) < _LEAST_ROWS:
        return None
    cells = [grid[row] for row in kept]
    return _named(cells, frozenset(taken), wide.get(kept[0], ()), is_ruled=True)


# -------------------------------------------------------------------------------------------------- without rules


def _aligned(lines: Sequence[Line], start: int, angle: float, taken: Collection[int]) -> tuple[Table | None, int]:
    """The table whose names begin with a line, if there is one: every piece of the lines below stands in one of the
    columns, or in one that has no name. And the number of the first line that does not."""
    head = lines[start]
    if start in taken or len(head.cells) < 2 or head.angle != angle:
        return None, start
    columns = [[cell.left, cell.right] for cell in head.cells]
    rows: list[tuple[float, list[_Piece]]] = [(head.base, _pieces(start, head))]
    lowest = head.base
    end = start + 1
    for number in range(start + 1, min(len(lines), start + _MOST_LINES)):
        line = lines[number]
        if number in taken or line.angle != angle or line.base >= head.base - _SAME_BASE * head.height:
            break
        if lowest - line.base > _FAR * head.height or abs(line.height - head.height) > 0.5 * head.height:
            break
        pieces = _pieces(number, line)
        grown = _grown(columns, pieces, head.height)
        if grown is None:
            break
        columns, end = grown, number + 1
        lowest = min(lowest, line.base)
        beside = next((row for row in rows if abs(row[0] - line.base) < _SAME_BASE * line.height), None)
        if beside is None:
            rows.append((line.base, pieces))
        else:
            beside[1].extend(pieces)
    rows.sort(key=lambda row: -row[0])
    while len(rows) > 1 and len(rows[-1][1]) < 2 and not _goes_on(rows, columns):
        rows.pop()
    return _stacked(rows, columns) if len(rows) >= _LEAST_ROWS else None, end


def _grown(columns: list[list[float]], pieces: Sequence[_Piece], height: float) -> list[list[float]] | None:
    """The columns with those pieces in them; None when one stands in no column or in two, or two in one."""
    found = [list(column) for column in columns]
    used: set[int] = set()
    for piece in pieces:
        left, right = piece.cell.left, piece.cell.right
        meets = [index for index, column in enumerate(found) if left < column[1] and column[0] < right]
        if len(meets) > 1:
            return None
        if not meets:
            at = sum(column[1] <= left for column in found)
            found.insert(at, [left, right])
            used = {index + (index >= at) for index in used}
            meets = [at]
        index = meets[0]
        if index in used:
            return None
        used.add(index)
        found[index] = [min(left, found[index][0]), max(right, found[index][1])]
    apart = all(other[0] - one[1] > _APART * height for one, other in pairwise(found))
    return found if apart else None


def _goes_on(rows: Sequence[tuple[float, list[_Piece]]], columns: Sequence[Sequence[float]]) -> bool:
    """Whether the last row, of one piece, is a further line of the row above it."""
    (above, _), (base, (piece, *_)) = rows[-2], rows[-1]
    steps = [one[0] - other[0] for one, other in pairwise(rows[:-1])]
    return _column(columns, piece) > 0 and above - base < _NEARER * max(steps, default=0.0)


def _column(columns: Sequence[Sequence[float]], piece: _Piece) -> int:
    return next(index for index, column in enumerate(columns) if piece.cell.left < column[1])


def _stacked(rows: Sequence[tuple[float, list[_Piece]]], columns: Sequence[Sequence[float]]) -> Table | None:
    """The rows as a table: those that only go on with the one above are a part of it."""
    grid: _Grid = []
    bases: list[float] = []
    firsts = [base for base, pieces in rows if any(not _column(columns, piece) for piece in pieces)]
    step = min((one - other for one, other in pairwise(firsts)), default=0.0)
    for base, pieces in rows:
        cells: list[list[_Piece]] = [[] for _ in columns]
        for piece in pieces:
            cells[_column(columns, piece)].append(piece)
        if grid and not cells[0] and bases[-1] - base < _NEARER * step:
            for column, held in enumerate(cells):
                grid[-1][column] += held
        else:
            grid.append(cells)
        bases.append(base)
    body = [cell for row in grid[1:] for cell in row if cell]
    if len(grid) < _LEAST_ROWS or sum(sum(map(bool, row)) > 1 for row in grid[1:]) < _LEAST_ROWS - 1:
        return None
    if median(len(_text(cell)) for cell in body) > _USUAL_CELL:
        return None
    return _named(grid, frozenset(piece.number for _, pieces in rows for piece in pieces), (), is_ruled=False)


# ------------------------------------------------------------------------------------------------------- its names


def _named(grid: _Grid, taken: frozenset[int], wide: Sequence[tuple[int, int]], *, is_ruled: bool) -> Table | None:
    """The table, if its first row names the columns; `wide` are the columns of its cells that go over several, which
    the second row then parts."""
    texts = [[_text(cell) for cell in row] for row in grid]
    heads = 1
    if any(len(text) > _MAX_CELL for row in texts for text in row):
        return None
    if wide:
        for first, last in wide:
            texts[0][first : last + 1] = [texts[0][first]] * (last + 1 - first)
        heads = 2
    names = [" ".join(dict.fromkeys(filter(None, parts))) for parts in zip(*texts[:heads], strict=True)]
    body = texts[heads:]
    is_bold = _is_bold(grid, heads)
    if len(body) < _LEAST_ROWS - 1 or not is_header([names, *body], is_expected=is_ruled and is_bold):
        return None
    if not is_bold and not _is_sure(names, body, is_ruled):
        return None
    rows = [_row(cells, names) for cells in grid[heads:] if any(cells)]
    return Table(taken, tuple(rows), min(taken))


def _is_bold(grid: _Grid, heads: int) -> bool:
    """Whether the first rows are in bold type, and the others are not."""
    bold = [piece.line.bold for row in grid[:heads] for cell in row for piece in cell]
    below = [piece.line.bold for row in grid[heads:] for cell in row for piece in cell]
    return all(bold) and sum(below) < 0.5 * len(below)


def _is_sure(names: Sequence[str], body: Sequence[Sequence[str]], is_ruled: bool) -> bool:
    """Whether the names, in plain type, are told from what stands below them by more than that they are words: by a
    column of figures, or by rules; and it is no form, in which names end in colons, or stand in every other column
    beside what they name."""
    if any(text.endswith(":") for row in (names, *body) for text in row):
        return False
    figures = [column for column, name in enumerate(names) if name and holds_figures(body, column)]
    if len(names) % 2:
        return bool(figures) or is_ruled
    if len(names) == 2 and len(body) >= _LEAST_ROWS:
        return any(all(is_figure(row[column]) for row in body) for column in figures)
    return any(column % 2 == 0 for column in figures)


def _row(cells: Sequence[Sequence[_Piece]], names: Sequence[str]) -> Line:
    """A row as one line."""
    filled = [(column, cell) for column, cell in enumerate(cells) if cell]
    is_lone = len(filled) == 1 and not filled[0][0] and not is_figure(_text(filled[0][1]))
    made = tuple(
        Cell(
            _text(cell),
            min(piece.cell.left for piece in cell),
            max(piece.cell.right for piece in cell),
            tuple(run for piece in _in_order(cell) for run in piece.cell.runs),
            "" if is_lone else names[column].rstrip(":"),
        )
        for column, cell in filled
    )
    first = min((piece for _, cell in filled for piece in cell), key=lambda piece: (-piece.line.base, piece.cell.left))
    return replace(
        first.line,
        text=" ".join(cell.text for cell in made),
        left=made[0].left,
        right=made[-1].right,
        marker="",
        hyphenated=False,
        cells=made,
        runs=tuple(run for cell in made for run in cell.runs),
    )


def _in_order(cell: Sequence[_Piece]) -> list[_Piece]:
    return sorted(cell, key=lambda piece: (-round(piece.line.base / (_SAME_BASE * piece.line.height)), piece.cell.left))


def _text(cell: Sequence[_Piece]) -> str:
    """What stands in a cell; a word that a line's end divides is made whole."""
    text = ""
    for piece in _in_order(cell):
        is_broken = text.endswith(("-", "\u2010")) and text[-2:-1].isalpha() and piece.cell.text[:1].islower()
        text = text[:-1] + piece.cell.text if is_broken else f"{text} {piece.cell.text}"
    return text.strip()
