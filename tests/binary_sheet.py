"""Excel's binary workbooks, which no library writes: as little of one as programs open ([MS-XLSB], section 2)."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence

_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"

_ROW, _NUMBER, _WORDS = 0, 5, 6
_BOOK, _SHEETS, _SHEET_OF_BOOK = (131, 132), (143, 144), 156
_PAGE, _CELLS, _SIZE = (129, 130), (145, 146), 148


def workbook(sheets: dict[str, Sequence[Sequence[str | float]]], hidden: Sequence[str] = ()) -> bytes:
    """A workbook of these sheets, by name."""
    listed, links, parts = b"", "", {}
    for number, (name, rows) in enumerate(sheets.items(), 1):
        place = f"worksheets/sheet{number}.bin"
        state = struct.pack("<II", name in hidden, number)
        listed += _record(_SHEET_OF_BOOK, state + _wide(f"rId{number}") + _wide(name))
        links += f'<Relationship Id="rId{number}" Type="{_SHEET}" Target="{place}"/>'
        parts[f"xl/{place}"] = _sheet(rows)
    parts["xl/workbook.bin"] = _within(_BOOK, _within(_SHEETS, listed))
    parts["xl/_rels/workbook.bin.rels"] = f'<Relationships xmlns="{_LINKS}">{links}</Relationships>'.encode()
    parts["[Content_Types].xml"] = f'<Types xmlns="{_TYPES}"/>'.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for part, data in parts.items():
            package.writestr(part, data)
    return buffer.getvalue()


def _sheet(rows: Sequence[Sequence[str | float]]) -> bytes:
    cells = b""
    for row, values in enumerate(rows):
        cells += _record(_ROW, struct.pack("<IIHBBBI", row, 0, 300, 0, 0, 0, 0))
        for column, value in enumerate(values):
            place = struct.pack("<II", column, 0)
            is_text = isinstance(value, str)
            shown = _wide(value) if isinstance(value, str) else struct.pack("<d", value)
            cells += _record(_WORDS if is_text else _NUMBER, place + shown)
    size = struct.pack("<IIII", 0, len(rows) - 1, 0, max(map(len, rows)) - 1)
    return _within(_PAGE, _record(_SIZE, size) + _within(_CELLS, cells))


def _within(ends: tuple[int, int], body: bytes) -> bytes:
    return _record(ends[0]) + body + _record(ends[1])


def _record(kind: int, body: bytes = b"") -> bytes:
    """A record: its kind and size in groups of seven bits, the lowest first."""
    return _sevens(kind) + _sevens(len(body)) + body


def _sevens(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _sevens(number >> 7)


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
