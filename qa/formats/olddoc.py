"""Word files from before 2007: the text as the pieces of the file give it, cut at its paragraph marks (MS-DOC)."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from qa.errors import UnreadableFile
from qa.formats import tables
from qa.formats.composing import Composition, HeadingPath, plausible_title
from qa.formats.limits import Limits
from qa.records import Document, Locator

MEDIA_TYPE = "application/msword"

_OLD = "is in a format of Word from before 1997"
_REMEDY = "Save a copy as .docx."
_DAMAGED = "is damaged: its text is not where it should be"
# Where the file's header says what (MS-DOC, 2.5): flags, lengths of the parts of the text, and places in the table.
_FLAGS, _LENGTHS = 0x0A, 0x4C
_PIECES, _PARAGRAPHS, _CHARACTERS = 0x01A2, 0x0102, 0x00FA
_ENCRYPTED, _WHICH_TABLE = 0x0100, 0x0200
# Parts of the text in their order; page headers and remarks are not read (2.3).
_PARTS = ("body", "notes", "headers", "macros", "remarks", "notes", "boxes", "headers")
_READ_PARTS = ("body", "notes", "boxes")
_IN_TABLE, _ENDS_ROW, _LIST, _OUTLINE = 0x2416, 0x2417, 0x460B, 0x2640
_HIDDEN, _DELETED = 0x083C, 0x0800
_OPERAND_BYTES = (1, 1, 2, 4, 2, 2, -1, 3)
_MAX_RUNS = 2_000_000

_CELL, _FIELD, _RESULT, _FIELD_END = "\x07", "\x13", "\x14", "\x15"
_SHOWN = {"\x0b": "\n", "\x0c": "\n", "\x0e": "\n", "\x1e": "\u2011", "\x1f": "", "\xa0": "\u00a0"}


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """What the file says of one paragraph: the level of a heading (0 for none), and where it stands."""

    level: int = 0
    is_item: bool = False
    is_cell: bool = False
    ends_row: bool = False


class _Runs:
    """What holds from each place in the file to the next, by the places (in bytes) where something new begins."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.values: list[bytes] = []

    def at(self, place: int) -> bytes:
        index = bisect_right(self.starts, place) - 1
        return self.values[index] if index >= 0 else b""


def read(data: bytes, limits: Limits) -> Document:
    """Headings by their styles, lists, tables, text boxes and notes (behind the text); page headers, pictures, remarks,
    deleted and hidden text are left out. The title is that among the file's properties."""
    import olefile

    with olefile.OleFileIO(io.BytesIO(data)) as container:
        if not container.exists("WordDocument"):
            raise UnreadableFile("is not a Word file, whatever its name says", "Give it its right file ending.")
        stream = container.openstream("WordDocument").read()
        magic, version = struct.unpack_from("<HH", stream)
        flags: int = struct.unpack_from("<H", stream, _FLAGS)[0]
        if magic != 0xA5EC or version < 0x00C1:
            raise UnreadableFile(_OLD, _REMEDY)
        if flags & _ENCRYPTED:
            raise UnreadableFile("is protected by a password", "Save a copy without one.")
        table = container.openstream("1Table" if flags & _WHICH_TABLE else "0Table").read()
        properties = container.get_metadata()
        title = properties.title if isinstance(properties.title, bytes) else b""
        codepage = properties.codepage if isinstance(properties.codepage, int) else 1252
    reading = _Reading(stream, table)
    composition = Composition(limits)
    headings = HeadingPath()
    before = ""
    for kind, text, level in reading.blocks():
        if kind == "heading":
            headings.leave(level)
        gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
        composition.add(kind, text, Locator(headings.path), gap)
        if kind == "heading":
            headings.enter(level, text)
        before = kind
    problems = ["Some of the text is hidden; not searched."] if reading.has_hidden else []
    if not composition.has_blocks and problems:
        raise UnreadableFile(f"holds no text that is shown: {problems[0]}", "Show what is to be searched.")
    return composition.document(MEDIA_TYPE, plausible_title(_decoded(title, codepage)), problems)


def _decoded(title: bytes, codepage: int) -> str:
    try:
        return title.decode("utf-8" if codepage in (65001, -535) else f"cp{codepage & 0xFFFF}")
    except (LookupError, UnicodeDecodeError):
        return title.decode("cp1252", "replace")


class _Reading:
    """One file. `has_hidden` tells afterwards whether any of it is not shown."""

    def __init__(self, stream: bytes, table: bytes) -> None:
        self._stream = stream
        self._table = table
        self.has_hidden = False
        self._lengths = [max(0, n) for n in struct.unpack_from("<8i", stream, _LENGTHS)]
        self._paragraphs = self._runs(_PARAGRAPHS, 13)
        self._characters = self._runs(_CHARACTERS, 1)

    def blocks(self) -> Iterator[tuple[str, str, int]]:
        """Kind, text and level of each block."""
        grid: list[list[str]] = []
        row: list[str] = []
        cell: list[str] = []
        for text, paragraph in self._paragraph_texts():
            if paragraph.is_cell or paragraph.ends_row:
                if text.endswith(_CELL) and not paragraph.ends_row:
                    row.append(tables.cell_text(" ".join([*cell, text[:-1]])))
                    cell = []
                elif paragraph.ends_row:
                    grid.append(row)
                    row = []
                else:
                    cell.append(text)
                continue
            yield from _rows([*grid, *([row] if row else [])])
            grid, row, cell = [], [], []
            if text.strip():
                kind = "heading" if paragraph.level else "item" if paragraph.is_item else "paragraph"
                yield kind, text, paragraph.level
        yield from _rows([*grid, *([row] if row else [])])

    def _paragraph_texts(self) -> Iterator[tuple[str, _Paragraph]]:
        """Each paragraph of what is read; one that a cell of a table ends keeps its mark."""
        held: list[str] = []
        fields: list[bool] = []  # of those begun: whether their result has begun
        ends = []
        total = 0
        for length in self._lengths:
            total += length
            ends.append(total)
        for position, character, place in self._shown_characters(total):
            part = _PARTS[min(bisect_right(ends, position), len(_PARTS) - 1)]
            if part not in _READ_PARTS:
                continue
            if character == _FIELD:
                fields.append(False)
            elif character == _RESULT and fields:
                fields[-1] = True
            elif character == _FIELD_END and fields:
                fields.pop()
            elif character in ("\r", _CELL):
                paragraph = self._paragraph(place)
                is_mark = character == _CELL
                yield "".join(held) + (_CELL if is_mark else ""), paragraph
                held = []
            elif all(fields) and (character >= " " or character in _SHOWN or character == "\t"):
                held.append(_SHOWN.get(character, character))
        if held:
            yield "".join(held), _Paragraph()

    def _shown_characters(self, total: int) -> Iterator[tuple[int, str, int]]:
        """Position in the text, character, and place in the file, of all but hidden and deleted ones."""
        for start, end, place, is_wide in self._pieces():
            at = start
            while at < min(end, total):
                byte = place + (at - start) * (2 if is_wide else 1)
                index = bisect_right(self._characters.starts, byte)
                until = self._characters.starts[index] if index < len(self._characters.starts) else 1 << 40
                count = min(end, total, at + max(1, -(-(until - byte) // (2 if is_wide else 1)))) - at
                raw = self._stream[byte : byte + count * (2 if is_wide else 1)]
                if not raw:
                    break
                text = raw.decode("utf-16-le", "surrogatepass") if is_wide else raw.decode("cp1252", "replace")
                if is_wide and len(text) != count:  # a character of two units: positions count units
                    text = "".join(chr(unit) for (unit,) in struct.iter_unpack("<H", raw[: len(raw) // 2 * 2]))
                switches = _switches(self._characters.at(byte))
                if switches.get(_HIDDEN) == 1:
                    self.has_hidden = self.has_hidden or any(c > " " for c in text)
                    text = "".join(c for c in text if c in ("\r", _CELL))
                    if text:
                        yield from ((at, c, byte) for c in text)
                elif switches.get(_DELETED) != 1:
                    size = 2 if is_wide else 1
                    yield from ((at + n, c, byte + n * size) for n, c in enumerate(text))
                at += count

    def _pieces(self) -> Iterator[tuple[int, int, int, bool]]:
        """First and last position in the text, place in the file, and whether a character takes two bytes (2.8.35)."""
        start, size = struct.unpack_from("<II", self._stream, _PIECES)
        clx = self._table[start : start + size]
        at = 0
        while at < len(clx) and clx[at] == 1:
            at += 3 + int.from_bytes(clx[at + 1 : at + 3], "little")
        if at >= len(clx) or clx[at] != 2:
            raise UnreadableFile(_DAMAGED, "Copy it again, or save it anew.")
        plc = clx[at + 5 : at + 5 + int.from_bytes(clx[at + 1 : at + 5], "little")]
        count = (len(plc) - 4) // 12
        positions = struct.unpack_from(f"<{count + 1}I", plc)
        for index in range(count):
            (place,) = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * index + 2)
            is_wide = not place & 0x4000_0000
            place &= 0x3FFF_FFFF
            if positions[index] < positions[index + 1]:
                yield positions[index], positions[index + 1], place if is_wide else place // 2, is_wide

    def _paragraph(self, place: int) -> _Paragraph:
        """What is said of the paragraph whose mark stands at `place`."""
        properties = self._paragraphs.at(place)
        if len(properties) < 2:
            return _Paragraph()
        style = int.from_bytes(properties[:2], "little")
        switches = _switches(properties[2:])
        outline = switches.get(_OUTLINE, 9)
        level = outline + 1 if outline < 9 else style if 1 <= style <= 9 else 0
        return _Paragraph(level, bool(switches.get(_LIST)), switches.get(_IN_TABLE) == 1, switches.get(_ENDS_ROW) == 1)

    def _runs(self, where: int, step: int) -> _Runs:
        """The formatting of paragraphs (`step` 13) or characters (1) from the pages that the table names (2.9.33 and
        2.9.55)."""
        runs = _Runs()
        start, size = struct.unpack_from("<II", self._stream, where)
        count = (min(size, len(self._table) - start) - 4) // 8
        for index in range(max(0, min(count, _MAX_RUNS))):
            (number,) = struct.unpack_from("<I", self._table, start + 4 * (count + 1) + 4 * index)
            page = self._stream[(number & 0x3F_FFFF) * 512 : (number & 0x3F_FFFF) * 512 + 512]
            if len(page) < 512:
                continue
            held = min(page[511], 507 // (4 + step))
            places = struct.unpack_from(f"<{held + 1}I", page)
            for entry in range(held):
                at = page[4 * (held + 1) + step * entry] * 2
                properties = _sized(page, at, step) if at else b""
                if not runs.starts or places[entry] >= runs.starts[-1]:
                    runs.starts.append(places[entry])
                    runs.values.append(properties)
        return runs


def _sized(page: bytes, at: int, step: int) -> bytes:
    """The properties that stand at a place of a page, behind their length."""
    if at >= len(page):
        return b""
    length = page[at]
    if step == 1:
        return page[at + 1 : at + 1 + length]
    if length:
        return page[at + 1 : at + 2 * length]
    return page[at + 2 : at + 2 + 2 * page[at + 1]] if at + 1 < len(page) else b""


def _switches(properties: bytes) -> dict[int, int]:
    """What the properties set, by the number of each: those with a fixed length, as integers (2.2.5)."""
    found: dict[int, int] = {}
    at = 0
    while at + 2 < len(properties):
        (number,) = struct.unpack_from("<H", properties, at)
        at += 2
        size = _OPERAND_BYTES[number >> 13]
        if size < 0:
            at += 1 + properties[at] if number != 0xD608 else 1 + int.from_bytes(properties[at : at + 2], "little")
            continue
        found[number] = int.from_bytes(properties[at : at + size], "little")
        at += size
    return found


def _rows(grid: list[list[str]]) -> Iterator[tuple[str, str, int]]:
    for _, piece in tables.named(grid):
        yield "row", piece.text, 0
