"""Values separated by commas, semicolons, tabs or bars: a line for each row, with the names of its columns."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from qa.formats import tables
from qa.formats.composing import Composition, HeadingPath, check_size
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

COMMAS, TABS = "text/csv", "text/tab-separated-values"
_DELIMITERS = ",;\t|"
_SAMPLE_CHARS, _SAMPLE_ROWS = 65_536, 100


def _read(data: bytes, limits: Limits, *, media_type: str) -> Document:
    """Rows count from 1, header included, as a spreadsheet program would number them; `line` is the line of the file in
    which a row begins."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    announced = lines[0].strip().lower() if lines else ""
    if announced.startswith("sep=") and len(announced) == 5:
        delimiter, start = announced[4], 1
    else:
        delimiter, start = _delimiter(lines), 0
    csv.field_size_limit(limits.max_chars)
    reader = csv.reader(lines[start:], delimiter=delimiter)
    first_lines: dict[int, int] = {}

    def rows() -> Iterator[tables.Line]:
        line = start + 1
        for number, row in enumerate(reader, start + 1):
            first_lines[number] = line
            line = start + reader.line_num + 1
            yield tables.Line(number, [tables.cell_text(cell) for cell in row])

    headings = HeadingPath()
    composition = Composition(limits)
    for part in tables.laid_out(rows(), is_headed=True):
        if part.kind == "heading":
            headings.leave(1)
        place = Locator(headings.path, line=first_lines[part.row], place=f"row {part.row}", kind="row")
        composition.add(part.kind, part.text, place, "\n")
        if part.kind == "heading":
            headings.enter(1, part.text)
    return composition.document(media_type, "", problems, encoding)


def read_as(media_type: str) -> Callable[[bytes, Limits], Document]:
    """The reading function of one kind of file."""
    return partial(_read, media_type=media_type)


def _delimiter(lines: list[str]) -> str:
    """The sign that cuts most of the first rows into equally many cells, and at that into most; the comma when none
    does. (The standard library's sniffer takes letters for signs, and quotes for cells.)"""
    sample: list[str] = []
    size = 0
    for line in islice(lines, _SAMPLE_ROWS):
        size += len(line)
        if size > _SAMPLE_CHARS:
            break
        sample.append(line)
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        width, times = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(1, 0))
        score = (times / max(1, widths.total()), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best
