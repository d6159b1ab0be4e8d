"""Spreadsheets: the canonical text is put together sheet by sheet, each row with the names of its columns."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import package, tables
from qa.formats.composing import Composition, HeadingPath, one_line
from qa.formats.limits import Limits
from qa.formats.sheetmarkup import HIDDEN, Markup, excel_markup, open_markup
from qa.formats.sheetrecords import record_markup
from qa.records import Document, Locator

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXCEL_BINARY = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
OLD_EXCEL = "application/vnd.ms-excel"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument.spreadsheet"

_MAIN_PARTS = frozenset(["xl/workbook.xml", "xl/workbook.bin", "content.xml"])
_DAMAGED = "is damaged, or no spreadsheet that can be read"
_DAMAGED_REMEDY = "Does it open in another program? If so, save it anew from there."
# What programs call a sheet that nobody named.
_UNNAMED = re.compile(r"(?:sheet|tabelle|feuil(?:le)?|hoja|blad|planilha|foglio|лист|table)\s*_?\d*", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_VALUES = str | int | float | bool | date | datetime | time | timedelta


def _read(data: bytes, limits: Limits, *, media_type: str) -> Document:
    """Every sheet that is shown, from its first row down, without hidden rows and columns. Formulas stand as the values
    they had when the file was saved. The title is that among the file's properties."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    title, markup = "", dict[str, Markup]()
    if media_type == OLD_EXCEL:
        markup = record_markup(data)
    else:
        with package.opened(data, "spreadsheet", limits, may_name_a_type=True, is_streamed=True) as parts:
            if not _MAIN_PARTS & set(parts.namelist()):
                raise UnreadableFile("is not a spreadsheet, whatever its name says", "Give it its right file ending.")
            if media_type == OPEN_DOCUMENT:
                title, markup = package.title(parts, "meta.xml"), open_markup(parts)
            else:
                title, markup = package.title(parts), excel_markup(parts)
            data = package.repacked(parts, _is_read)
    composition = Composition(limits)
    problems: list[str] = []
    hidden: list[str] = []
    with _meaning():
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for sheet in book.sheets_metadata:
            if sheet.visible != SheetVisibleEnum.Visible:
                hidden.append(sheet.name)
            elif sheet.typ in (SheetTypeEnum.WorkSheet, SheetTypeEnum.DialogSheet):
                marked = markup.get(sheet.name, Markup())
                problems += marked.problems(sheet.name)
                _add(composition, book.get_sheet_by_name(sheet.name), marked)
    if hidden:
        names = ", ".join(one_line(name) for name in hidden[:20])
        one = len(hidden) == 1
        problems.append(f"{'Sheet' if one else 'Sheets'} {names} {'is' if one else 'are'} hidden; not searched.")
    if not composition.has_blocks and problems:
        raise UnreadableFile(f"holds no text that is shown: {problems[0]}", "Show what is to be searched.")
    return composition.document(media_type, title, problems)


def read_as(media_type: str) -> Callable[[bytes, Limits], Document]:
    """The reading function of one kind of spreadsheet."""
    return partial(_read, media_type=media_type)


@contextmanager
def _meaning() -> Iterator[None]:
    """What the library's errors are to a user."""
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError:
        raise UnreadableFile("is protected by a password", "Save a copy without one.") from None
    except Exception as error:
        if not isinstance(error, CalamineError):
            raise
        raise UnreadableFile(f"{_DAMAGED} ({one_line(str(error))[:100]})", _DAMAGED_REMEDY) from error
    except BaseException as error:
        # A panic of the library, over a file that it takes for one without errors, is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise UnreadableFile(_DAMAGED, _DAMAGED_REMEDY) from None


def _is_read(part: str) -> bool:
    return part.endswith((".xml", ".rels", ".bin", "mimetype")) and "/media/" not in part


def _add(composition: Composition, sheet: CalamineSheet, markup: Markup) -> None:
    name = one_line(sheet.name)
    headings = HeadingPath()
    shown = name if _PLAIN_NAME.fullmatch(name) else "'" + name.replace("'", "''") + "'"
    before = ""
    for number, part in enumerate(tables.laid_out(_lines(sheet, markup), _spans(sheet))):
        if number == 0 and not _UNNAMED.fullmatch(name):
            composition.add("heading", name, Locator(place=name, kind="cells"))
            headings.enter(1, name)
        cells = _address(part.row, part.first)
        if part.last != part.first:
            cells += f":{_address(part.row, part.last)}"
        if part.kind == "heading":
            headings.leave(2)
        gap = "\n" if before == part.kind == "row" else "\n\n"
        composition.add(part.kind, part.text, Locator(headings.path, place=f"{shown}!{cells}", kind="cells"), gap)
        before = part.kind
        if part.kind == "heading":
            headings.enter(2, part.text)


def _lines(sheet: CalamineSheet, markup: Markup) -> Iterator[tables.Line]:
    """The rows that are shown, with their numbers as the program shows them, cells from column A on. A cell that was
    joined over several rows stands in each of them."""
    if sheet.start is None:
        return
    left = sheet.start[1]
    down: dict[int, list[tuple[int, int]]] = {}
    for (first_row, column), (last_row, last_column) in sheet.merged_cell_ranges or ():
        if column == last_column and last_row > first_row:
            down.setdefault(column, []).append((first_row, last_row))
    for ranges in down.values():
        ranges.sort(reverse=True)
    held: dict[int, str] = {}
    for index, values in enumerate(sheet.iter_rows()):  # from the first row, but from the first filled column
        shown = (_shown(value, markup.formats.get((index, c), "")) for c, value in enumerate(values, left))
        cells = [*[""] * left, *shown]
        for column, ranges in down.items():
            while ranges and ranges[-1][1] < index:
                ranges.pop()
            if ranges and column < len(cells) and ranges[-1][0] <= index:
                if ranges[-1][0] == index:
                    held[column] = cells[column]
                cells[column] = cells[column] or held.get(column, "")
        if index in markup.hidden_rows:
            continue
        for column in markup.hidden_columns:
            if column < len(cells):
                cells[column] = ""
        yield tables.Line(index + 1, cells)


def _spans(sheet: CalamineSheet) -> Iterator[tables.Span]:
    for (row, first), (last_row, last) in sheet.merged_cell_ranges or ():
        if row == last_row and last > first:
            yield tables.Span(row + 1, first, last)


def _shown(value: _VALUES, code: str) -> str:
    """A value as the program shows it, as far as that matters for reading: dates as ISO 8601, percentages, money."""
    if code == HIDDEN:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(float(value), code)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second else "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return tables.cell_text(str(value))


def _number(number: float, code: str) -> str:
    if code == "%":
        return f"{100 * number:.10g}%"
    if number != number or abs(number) >= 1e15:
        return f"{number:.15g}"
    digits = f"{number:.15g}" if not code else f"{number:,.2f}".removesuffix(".00")
    return f"{code}{digits}" if code else digits


def _address(row: int, column: int) -> str:
    """The name of a cell; `row` counts from 1, `column` from 0."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"
