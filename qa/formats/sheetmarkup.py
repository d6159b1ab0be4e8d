"""What the markup of a spreadsheet says beside the values of its cells: what is hidden, what is shown as a percentage
or as money, and how far its cells are spread."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat

from qa.errors import UnreadableFile
from qa.formats import package
from qa.formats.composing import one_line

# Cells between the first and the last filled ones, empty ones included, are all laid out in memory by the library
# that reads them: 32 bytes each.
_MAX_AREA = 5_000_000
_MAX_HIDDEN = 2_000_000
_CHUNK = 1_048_576

HIDDEN = ";;;"
"""The format of cells that show nothing of what they hold."""

_BUILT_IN = {9: "0%", 10: "0.00%", 5: "$", 6: "$", 7: "$", 8: "$", 44: "$"}
_CURRENCY = re.compile(r"\[\$([^\]\-]{1,4})|\"?([$€£¥₹])")
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
_LINKS = ("http://schemas.openxmlformats.org/officeDocument/2006/relationships",
          "http://purl.oclc.org/ooxml/officeDocument/relationships")  # fmt: skip


@dataclass(slots=True)
class Markup:
    """Of one sheet. Rows and columns count from 0; `formats` is "%", HIDDEN or a sign of money by row and column;
    `unsaved` counts formulas whose value was not stored with them."""

    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    formats: dict[tuple[int, int], str] = field(default_factory=dict)
    unsaved: int = 0

    def problems(self, sheet: str) -> Iterator[str]:
        """Sentences about what is not read."""
        rows, columns = len(self.hidden_rows), len(self.hidden_columns)
        cells = sum(code == HIDDEN for code in self.formats.values())
        counts = ((rows, "row"), (columns, "column"), (cells, "cell"))
        words = [f"{n:,} {name}{'s' if n > 1 else ''}" for n, name in counts if n]
        if words:
            be = "is" if rows + columns + cells == 1 else "are"
            yield f"{', '.join(words)} of sheet {one_line(sheet)} {be} hidden; not searched."
        if self.unsaved:
            what = "1 formula has" if self.unsaved == 1 else f"{self.unsaved:,} formulas have"
            yield f"{what} no stored value in sheet {one_line(sheet)}; open and save the file to search them."


def excel_markup(parts: zipfile.ZipFile) -> dict[str, Markup]:
    """By the names of the sheets. Empty for Excel's binary format, whose sheets are no markup."""
    names = set(parts.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return {}
    links = {
        link.get("Id"): package.within("xl/workbook.xml", link.get("Target", ""))
        for link in package.tree(parts.read("xl/_rels/workbook.xml.rels"))
    }
    codes = _codes(parts) if "xl/styles.xml" in names else []
    found = {}
    for sheet in package.tree(parts.read("xl/workbook.xml")).iter("{*}sheet"):
        part = next((links[link] for space in _LINKS if (link := sheet.get(f"{{{space}}}id")) in links), "")
        if part in names:
            scan = _ExcelSheet(codes)
            _scan(parts, part, scan.start, scan.end, scan.text)
            found[sheet.get("name", "")] = scan.markup
    return found


def _codes(parts: zipfile.ZipFile) -> list[str]:
    """For each style of cells "%", HIDDEN, a sign of money, or ""."""
    styles = package.tree(parts.read("xl/styles.xml"))
    written = {each.get("numFmtId"): each.get("formatCode", "") for each in styles.iter("{*}numFmt")}
    codes = []
    for style in styles.iterfind("{*}cellXfs/{*}xf"):
        number = style.get("numFmtId", "0")
        code = written.get(number) or _BUILT_IN.get(int(number) if number.isdecimal() else 0, "")
        money = _CURRENCY.search(code)
        shown = "%" if "%" in code else (money[1] or money[2]) if money else ""
        codes.append(HIDDEN if code.strip() == ";;;" else shown)
    return codes


def _scan(
    parts: zipfile.ZipFile,
    part: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """One pass over a part's markup, which is never held as a tree. What is no well-formed XML is left to the library
    that reads the cells."""
    reader = expat.ParserCreate()
    reader.StartElementHandler, reader.EndElementHandler, reader.CharacterDataHandler = start, end, text
    with parts.open(part) as file:
        try:
            while chunk := file.read(_CHUNK):
                reader.Parse(chunk, False)
        except expat.ExpatError:
            return


class _ExcelSheet:
    """A pass over a sheet of an .xlsx file."""

    def __init__(self, codes: list[str]) -> None:
        self.markup = Markup()
        self._codes = {str(style): code for style, code in enumerate(codes) if code}
        self._row = self._column = -1
        self._formula = self._valued = self._in_value = False
        self._top = self._left = 1 << 30
        self._bottom = self._right = -1

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "c":
            place = attributes.get("r", "")
            letters = place.rstrip("0123456789")
            if letters and letters != place:
                self._row, self._column = int(place[len(letters) :]) - 1, _column(letters)
            else:
                self._column += 1
            if code := self._codes.get(attributes.get("s", "")):
                self.markup.formats[self._row, self._column] = code
            self._formula = self._valued = False
        elif name in ("v", "is"):
            self._in_value = True
            self._spread()
        elif name == "f":
            self._formula = True
        elif name == "row":
            number = attributes.get("r", "")
            self._row = int(number) - 1 if number.isdecimal() else self._row + 1
            self._column = -1
            if attributes.get("hidden") in ("1", "true"):
                self.markup.hidden_rows.add(self._row)
        elif name == "col" and attributes.get("hidden") in ("1", "true"):
            first, last = attributes.get("min", ""), attributes.get("max", "")
            if first.isdecimal() and last.isdecimal():
                self.markup.hidden_columns.update(range(int(first) - 1, min(int(last), 16_384)))

    def text(self, _: str) -> None:
        self._valued = self._valued or self._in_value

    def end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name in ("v", "is"):
            self._in_value = False
        elif name == "c" and self._formula and not self._valued:
            self.markup.unsaved += 1

    def _spread(self) -> None:
        row, column = self._row, self._column
        if not (self._top <= row <= self._bottom and self._left <= column <= self._right):
            self._top, self._bottom = min(self._top, row), max(self._bottom, row)
            self._left, self._right = min(self._left, column), max(self._right, column)
            check_area((self._bottom - self._top + 1) * (self._right - self._left + 1))


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    number = 0
    for letter in letters[:4]:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def check_area(cells: int) -> None:
    """Raises UnreadableFile when the cells of a sheet, the empty ones between them included, are too many."""
    if cells > _MAX_AREA:
        raise UnreadableFile(
            f"has a sheet whose cells are spread over more than {_MAX_AREA:,} places",
            "Delete the stray cells far from the others, or split the sheet.",
        )


def open_markup(parts: zipfile.ZipFile) -> dict[str, Markup]:
    """By the names of the sheets of an OpenDocument spreadsheet."""
    if "content.xml" not in parts.namelist():
        return {}
    scan = _OpenSheets()
    _scan(parts, "content.xml", scan.start)
    return scan.found


class _OpenSheets:
    """A pass over the sheets of an .ods file."""

    def __init__(self) -> None:
        self.found: dict[str, Markup] = {}
        self._now = Markup()
        self._row = self._column = 0
        self._next_row = self._next_column = 0
        self._bottom = self._right = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._now = self.found.setdefault(attributes.get("table:name", ""), Markup())
            self._row = self._column = self._next_row = self._next_column = self._bottom = self._right = 0
        elif name == "table:table-column":
            count = _count(attributes, "table:number-columns-repeated")
            if attributes.get("table:visibility") in ("collapse", "filter"):
                self._now.hidden_columns.update(range(self._column, self._column + min(count, 16_384)))
            self._column += count
        elif name == "table:table-row":
            count = _count(attributes, "table:number-rows-repeated")
            self._row, self._next_row = self._next_row, self._next_row + count
            self._next_column = 0
            if attributes.get("table:visibility") in ("collapse", "filter"):
                self._now.hidden_rows.update(range(self._row, self._row + min(count, _MAX_HIDDEN)))
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._next_column += _count(attributes, "table:number-columns-repeated")
            if "office:value-type" in attributes or "calcext:value-type" in attributes:
                self._bottom, self._right = self._next_row, max(self._right, self._next_column)
                check_area(self._bottom * self._right)


def _count(attributes: dict[str, str], name: str) -> int:
    number = attributes.get(name, "1")
    return int(number) if number.isdecimal() and len(number) < 10 else 1
