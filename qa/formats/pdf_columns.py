"""Columns of text that a file writes line by line across the page, put one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from qa.formats.pdf_lines import Line

# Two columns of text, and no table, are so many lines high at least, and their lines so many characters long; most of
# them end near the edge of their column, for the next word did not fit (the cells of a table end anywhere).
_MIN_ROWS = 5
_MIN_CHARS = 24
_NEAR_EDGE = 0.2
_MIN_FULL = 0.6
_TOLERANCE = 0.3  # of a line's height


@dataclass(slots=True)
class _Columns:
    """Lines one below the other, parted by a gutter, the space between `left` and `right` points, that none crosses."""

    left: float
    right: float
    lefts: list[Line]
    rights: list[Line]

    def takes(self, line: Line) -> bool:
        """Takes a line, or both of its parts, if they stand beside the gutter."""
        slack = _TOLERANCE * line.height
        parts = _parts(line)
        if len(parts) == 2:
            left, right = max(self.left, parts[0].right), min(self.right, parts[1].left)
            if left >= right or parts[0].left >= self.left or parts[1].right <= self.right:
                return False
            self.left, self.right = left, right
            self.lefts.append(parts[0])
            self.rights.append(parts[1])
            return True
        if line.cells or not line.text:
            return False
        if line.right <= self.right - slack and line.left < self.left:
            self.left = max(self.left, line.right)
            self.lefts.append(line)
            return True
        if line.left >= self.left + slack and line.right > self.right:
            self.right = min(self.right, line.left)
            self.rights.append(line)
            return True
        return False

    def are_text(self) -> bool:
        """Whether they read like text rather than a table."""
        return all(len(lines) >= _MIN_ROWS and _is_text(lines) for lines in (self.lefts, self.rights))


def in_columns(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page; where they go across two columns of text, first those of the left one, then of the right."""
    done: list[Line] = []
    index = 0
    while index < len(lines):
        found, end = _columns_from(lines, index)
        if found and found.are_text():
            done += [*found.lefts, *found.rights]
            index = end
        else:
            done.append(lines[index])
            index += 1
    return done


def _columns_from(lines: Sequence[Line], start: int) -> tuple[_Columns | None, int]:
    """The columns that begin with a line, if it has two parts, and the index of the first line below them."""
    parts = _parts(lines[start])
    if len(parts) != 2:
        return None, start
    found = _Columns(parts[0].right, parts[1].left, [parts[0]], [parts[1]])
    end = start + 1
    while end < len(lines) and lines[end].angle == lines[start].angle and lines[end].base < lines[end - 1].base:
        if not found.takes(lines[end]):
            break
        end += 1
    return found, end


def _parts(line: Line) -> list[Line]:
    """The two cells of a line as lines of their own; else nothing."""
    return list(_cut(line)) if len(line.cells) == 2 else []


def _cut(line: Line) -> Iterator[Line]:
    for number, cell in enumerate(line.cells):
        is_last = number == len(line.cells) - 1
        is_broken = cell.text.endswith(("-", "\u2010")) and cell.text[-2:-1].isalnum()
        yield replace(
            line,
            text=cell.text[:-1] if is_broken else cell.text,
            left=cell.left,
            right=cell.right,
            marker="" if number else line.marker,
            hyphenated=is_broken or (is_last and line.hyphenated),
            cells=(),
            runs=cell.runs,
        )


def _is_text(lines: Sequence[Line]) -> bool:
    if median(len(line.text) for line in lines) < _MIN_CHARS:
        return False
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    full = sum(right - line.right < _NEAR_EDGE * (right - left) for line in lines)
    return full >= _MIN_FULL * len(lines)
