"""The lines of a PDF page put together again into paragraphs, list items, table rows and code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from qa.formats.pdf_columns import in_columns
from qa.formats.pdf_lines import WIDE_GAP, Cell, Line, Run
from qa.formats.pdf_objects import Rule
from qa.formats.pdf_tables import tables_of
from qa.formats.tables import JOINT

SENTENCE_END = re.compile(r"[.!?…:。！？：][\"'”’»)\]\d*†‡]*$")
_NUMBERED = re.compile(r"(?:\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})\)|\d{1,2}\.)\s+(?=\S)")
_LEADERS = re.compile(r"\s*(?:\. ?){5,}\s*")
_RULE = re.compile(r"[-=_*~\s]{3,}")
_LAST_PART = re.compile(r"[^\W\d_]+$")
_ALWAYS_HYPHENATED = frozenset(["ex", "half", "self", "well"])
_FIRST_PART = re.compile(r"[^\W\d_]+")

# Multiples of a line's height, but for _PARAGRAPH_GAP (of the usual distance between lines).
_SAME_BASE = 0.3
SAME_HEIGHT = 0.12
_INDENT = 0.6
_USUAL_PITCH = 1.45
_PARAGRAPH_GAP = 1.3
_ROOM = 0.3
# A line of less than this part of the next one's length is not part of a paragraph.
_ENDS_AT_ONCE = 0.55


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that belong together: `kind` is "paragraph", "item", "row" or "code". The first line of a row has all of
    its cells."""

    kind: str
    lines: tuple[Line, ...]

    @property
    def height(self) -> float:
        return max(line.height for line in self.lines)

    @property
    def bold(self) -> bool:
        return all(line.bold for line in self.lines)

    @property
    def marker(self) -> str:
        """The bullet or number in front of a list item, else ""."""
        if self.kind != "item":
            return ""
        number = _NUMBERED.match(self.lines[0].text)
        return self.lines[0].marker or (number[0].strip() if number else "")

    @property
    def runs(self) -> tuple[Run, ...]:
        """The characters of its text on the page, in order: also those of a number in front of a list item, which the
        text leaves out, and of hyphens."""
        parts = self.lines[0].cells if self.kind == "row" else ()
        return tuple(run for part in parts or self.lines for run in part.runs)

    @property
    def put_in(self) -> tuple[range, ...]:
        """Where in its text the names of a row's columns stand, which are not on the page beside the cells."""
        found = []
        at = 0
        for cell in self.lines[0].cells if self.kind == "row" else ():
            if cell.name:
                found.append(range(at, at + len(cell.name) + 1))
            at += len(_named(cell)) + len(JOINT)
        return tuple(found)

    def text(self, words: Collection[str]) -> str:
        """The text, its lines joined by spaces; a word broken by a hyphen is made whole, with the hyphen only if
        `words`, those of the whole document, know it so. Of a list item without its marker."""
        if self.kind == "row":
            row = JOINT.join(map(_named, self.lines[0].cells)) or self.lines[0].text
            return row if self.put_in else _LEADERS.sub(" … ", row)
        if self.kind == "code":
            left = min(line.left for line in self.lines)
            return "\n".join(" " * round((line.left - left) / (0.65 * line.height)) + line.text for line in self.lines)
        text = ""
        hyphenated = False
        for line in self.lines:
            text = rejoined(text, line.text, words) if hyphenated else f"{text} {line.text}"
            hyphenated = line.hyphenated
        text = (text + "-" * hyphenated).strip()
        return text.removeprefix(self.marker).strip() if not self.lines[0].marker else text


def rejoined(before: str, after: str, words: Collection[str]) -> str:
    """Two parts of what a hyphen at the end of a line divides, made one. `words` is as for `Paragraph.text`."""
    left, right = _LAST_PART.search(before), _FIRST_PART.match(after)
    if not left or not right or not right[0].islower():
        return f"{before}-{after}"
    compound, whole = f"{left[0]}-{right[0]}".lower(), f"{left[0]}{right[0]}".lower()
    is_compound = compound in words or left[0].lower() in _ALWAYS_HYPHENATED
    return f"{before}-{after}" if is_compound and whole not in words else f"{before}{after}"


def _named(cell: Cell) -> str:
    return f"{cell.name}: {cell.text}" if cell.name else cell.text


def usual_pitch(pages: Iterable[Sequence[Line]]) -> float:
    """The commonest distance from one line to the next in these pages, as a multiple of the line's height."""
    ratios: Counter[float] = Counter()
    for lines in pages:
        for above, below in pairwise(lines):
            ratio = (above.base - below.base) / above.height
            if 0.8 < ratio < 3 and abs(above.height - below.height) < SAME_HEIGHT * above.height:
                ratios[round(ratio, 1)] += 1
    return max(ratios, key=lambda ratio: (ratios[ratio], -ratio), default=_USUAL_PITCH)


def paragraphs_of(lines: Sequence[Line], pitch: float, with_code: bool, rules: Sequence[Rule] = ()) -> list[Paragraph]:
    """The paragraphs of a page, in the order of its lines. `pitch` is as `usual_pitch` gives it; runs of monospaced
    lines are code if `with_code`; `rules` are those of the page."""
    lines = in_columns(_side_by_side(lines))
    tables = tables_of(lines, rules)
    before: dict[int, list[Line]] = {}
    for table in tables:
        before.setdefault(table.before, []).extend(table.rows)
    in_tables = frozenset(index for table in tables for index in table.taken)
    rows = _rows(lines)
    code = _code(lines) if with_code else frozenset()
    done: list[Paragraph] = []
    kind = ""
    held: list[Line] = []

    def close() -> None:
        if held:
            done.append(Paragraph(kind, tuple(held)))
            held.clear()

    for index, line in enumerate(lines):
        if index in before:
            close()
            done += [Paragraph("row", (row,)) for row in before[index]]
        if index in in_tables or _RULE.fullmatch(line.text):
            close()
        elif index in rows or _LEADERS.search(line.text):
            close()
            done.append(Paragraph("row", (line,)))
        elif (
            not held
            and done
            and index not in before
            and index - 1 not in in_tables
            and (row := _row_with(done[-1], line, pitch))
        ):
            done[-1] = row
        else:
            found = "code" if index in code else "paragraph"
            if held and (found == "code") == (kind == "code"):
                near = (*lines[max(0, index - 4) : index + 4], *held[-20:])
                edge = max(other.right for other in near if abs(other.left - line.left) < 3 * line.height)
                begins = _begins(held, line, pitch, edge, kind)
            else:
                begins = True
            if begins:
                close()
                kind = "item" if found != "code" and (line.marker or _NUMBERED.match(line.text)) else found
            held.append(line)
    close()
    return done


def _side_by_side(lines: Sequence[Line]) -> list[Line]:
    """The lines, those that stand beside each other as one: with a cell for each if there is a gap between them."""
    joined: list[Line] = []
    for line in lines:
        above = joined[-1] if joined else line
        gap = (line.left - above.right) / above.height
        beside = abs(line.base - above.base) < _SAME_BASE * min(line.height, above.height) and gap > -_SAME_BASE
        if not joined or not beside or line.angle != above.angle or above.hyphenated:
            joined.append(line)
            continue
        cells = (*_cells(above), *_cells(line)) if gap > WIDE_GAP else (above.cells or line.cells)
        joined[-1] = replace(
            above,
            text=f"{above.text} {line.text}",
            right=line.right,
            height=max(above.height, line.height),
            bold=above.bold and line.bold,
            hyphenated=line.hyphenated,
            cells=cells,
            runs=above.runs + line.runs,
        )
    return joined


def _cells(line: Line) -> tuple[Cell, ...]:
    return line.cells or (Cell(line.text, line.left, line.right, line.runs),)


def _begins(held: Sequence[Line], line: Line, pitch: float, edge: float, kind: str) -> bool:
    """Whether `line` begins a paragraph rather than going on with the one whose lines are `held`. `edge` is how far
    to the right lines go hereabouts."""
    above = held[-1]
    height = above.height
    drop = (above.base - line.base) / height
    if line.angle != above.angle:
        return True
    if kind == "code":
        return not 0 < drop < 2.5 * pitch
    if line.marker:
        return True
    ended = bool(SENTENCE_END.search(above.text)) and not above.hyphenated
    goes_on = above.hyphenated or (not ended and line.text[:1].islower())
    difference = abs(line.height - above.height) / height
    far = drop > _PARAGRAPH_GAP * pitch
    if difference > (3 if goes_on else 1) * SAME_HEIGHT or (line.bold != above.bold and (far or not goes_on)):
        return True
    farthest = max(near.right for near in (*held[-20:], line))
    if drop < 0:  # up again, to the next column
        return not goes_on and (ended or len(held) < 2 or above.right < farthest - height)
    if goes_on or far:
        return far and (not goes_on or drop > 1.6 * _PARAGRAPH_GAP * pitch)
    if _NUMBERED.match(line.text) and (ended or kind == "item"):
        return True
    # There was room for the next word: the line was ended on purpose.
    word = (line.right - line.left) * (line.text.find(" ") + 1 or len(line.text)) / len(line.text)
    if ended and edge - above.right > word + _ROOM * height:
        return True
    if not ended and above.right - above.left < _ENDS_AT_ONCE * (farthest - above.left):
        return True
    return _is_indented(held, line, ended, kind)


def _is_indented(held: Sequence[Line], line: Line, ended: bool, kind: str) -> bool:
    """Whether the line stands in or out so that it begins a paragraph."""
    above = held[-1]
    step = _INDENT * above.height
    centre = (line.left + line.right) - (above.left + above.right)
    if abs(line.left - above.left) > 1 and abs(centre) < above.height:
        return False  # centred lines
    if len(held) == 1:
        return (ended and line.left - above.left > step) or (kind == "item" and above.left - line.left > step)
    shift = line.left - min(near.left for near in held[1:])
    return shift > step or (shift < -step and (ended or kind == "item"))


def _row_with(row: Paragraph, line: Line, pitch: float) -> Paragraph | None:
    """The row with a line more that belongs to it: the next line of its last cell, or, after such, a further cell."""
    first, above = row.lines[0], row.lines[-1]
    if row.kind != "row" or len(first.cells) < 2:
        return None
    last = first.cells[-1]
    drop = (above.base - line.base) / line.height
    if abs(line.left - last.left) < 0.5 * line.height and 0 < drop < _PARAGRAPH_GAP * pitch and line.text[0].islower():
        space = "" if above.hyphenated else " "
        cells = (*first.cells[:-1], replace(last, text=f"{last.text}{space}{line.text}", runs=last.runs + line.runs))
    elif drop < 0 and abs(first.base - line.base) < _SAME_BASE * line.height and line.left > last.right:
        cells = (*first.cells, *_cells(line))
    else:
        return None
    return Paragraph("row", (replace(first, cells=cells), *row.lines[1:], line))


def _rows(lines: Sequence[Line]) -> frozenset[int]:
    """The lines that are table rows: one of the lines right above or below, parted by wide gaps like them, has a
    column at the same place."""
    found: set[int] = set()
    run: list[int] = []
    for index, line in enumerate((*lines, None)):
        if line is None or not line.cells or (run and line.base >= lines[run[-1]].base):
            found.update(_aligned(lines, run))
            run = []
        if line is not None and line.cells:
            run.append(index)
    return frozenset(found)


def _aligned(lines: Sequence[Line], run: Sequence[int]) -> Iterator[int]:
    if len(run) < 2:
        return
    step = max(line.height for line in (lines[index] for index in run))
    places = {index: _places(lines[index], step) for index in run}
    times = Counter(place for index in run for place in places[index])
    for index in run:
        if any(times[place] > 1 for place in places[index]):
            yield index


def _places(line: Line, step: float) -> set[tuple[str, int]]:
    """Where the line's columns but the first begin, end and have their middle, in steps and from step to step."""
    edges = {("left", c.left) for c in line.cells[1:]} | {("right", c.right) for c in line.cells[1:]}
    edges |= {("middle", (c.left + c.right) / 2) for c in line.cells[1:]}
    return {(side, number) for side, at in edges for number in (int(at / step), int(at / step + 0.5) + 1_000_000)}


def _code(lines: Sequence[Line]) -> frozenset[int]:
    """The lines in runs of two and more monospaced ones."""
    flags = [False, *(line.monospaced for line in lines), False]
    return frozenset(i for i in range(len(lines)) if flags[i + 1] and (flags[i] or flags[i + 2]))
