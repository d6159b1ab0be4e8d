"""What the records of an Excel file from before 2007 say beside the values of its cells (MS-XLS, section 2.4)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from qa.errors import UnreadableFile
from qa.formats.sheetmarkup import Markup, check_area

_BEGIN, _SHEET, _PASSWORD = 0x0809, 0x0085, 0x002F
_DIMENSIONS, _ROW, _COLUMNS = 0x0200, 0x0208, 0x007D
# Records that begin with a cell's row and column: numbers, texts, formulas, truth values, empty ones, several at once.
_CELLS = frozenset([0x0203, 0x027E, 0x00BD, 0x00FD, 0x0204, 0x00D6, 0x0006, 0x0205, 0x0201, 0x00BE])
_MAX_COLUMNS = 256


def record_markup(data: bytes) -> dict[str, Markup]:
    """By the names of the sheets. Raises UnreadableFile for a file that the library which reads the cells would not
    survive: it lays out in memory whatever rows and columns the records claim."""
    import olefile

    with olefile.OleFileIO(io.BytesIO(data)) as container:
        name = next((name for name in ("Workbook", "Book") if container.exists(name)), None)
        if name is None:
            raise UnreadableFile("is not an Excel file, whatever its name says", "Give it its right file ending.")
        stream = container.openstream(name).read()
    names: dict[int, str] = {}
    found: dict[str, Markup] = {}
    now = Markup()
    bounds = (1 << 30, -1, 1 << 30, -1)
    for offset, kind, body in _records(stream):
        if kind == _BEGIN and offset in names:
            now = found.setdefault(names[offset], Markup())
            bounds = (1 << 30, -1, 1 << 30, -1)
        elif kind == _SHEET and len(body) >= 8:
            names[struct.unpack_from("<I", body)[0]] = _sheet_name(body)
        elif kind == _PASSWORD:
            raise UnreadableFile("is protected by a password", "Save a copy without one.")
        elif kind == _DIMENSIONS and len(body) >= 14:
            _, rows, _, columns = struct.unpack_from("<IIHH", body)
            if columns > _MAX_COLUMNS or rows > 1 << 16:
                raise _damaged()
        elif kind in _CELLS and len(body) >= 4:
            row, column = struct.unpack_from("<HH", body)
            if column >= _MAX_COLUMNS:
                raise _damaged()
            top, bottom, left, right = bounds
            bounds = min(top, row), max(bottom, row), min(left, column), max(right, column)
            if bounds != (top, bottom, left, right):
                check_area((bounds[1] - bounds[0] + 1) * (bounds[3] - bounds[2] + 1))
        elif kind == _ROW and len(body) >= 16 and body[12] & 0x20:
            now.hidden_rows.add(struct.unpack_from("<H", body)[0])
        elif kind == _COLUMNS and len(body) >= 10 and body[8] & 0x01:
            first, last = struct.unpack_from("<HH", body)
            now.hidden_columns.update(range(first, min(last + 1, _MAX_COLUMNS)))
    return found


def _damaged() -> UnreadableFile:
    return UnreadableFile("is damaged: it names cells that no sheet has", "Save it anew from the program it is from.")


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Offset, kind and body of each record."""
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield at, kind, stream[at + 4 : at + 4 + size]
        at += 4 + size


def _sheet_name(body: bytes) -> str:
    """The name that the record of a sheet gives; wide or narrow characters in Excel 97 and later."""
    length, flags = body[6], body[7]
    if flags > 1:
        return body[7 : 7 + length].decode("cp1252", "replace")  # Excel 5: no flags, one byte for each character
    if flags & 1:
        return body[8 : 8 + 2 * length].decode("utf-16-le", "replace")
    return body[8 : 8 + length].decode("latin-1")
