"""Rich Text Format: the canonical text is put together from the paragraphs between the control words."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace

from qa.errors import UnreadableFile
from qa.formats import tables
from qa.formats.composing import Composition, HeadingPath, one_line, plausible_title
from qa.formats.limits import Limits
from qa.records import Document, Locator

MEDIA_TYPE = "application/rtf"

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_MAX_DEPTH = 5_000
_NAME_OF_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop) ?([1-9])", re.IGNORECASE)

# What is said for itself, not as part of the text (RTF 1.9.1, "Contents of an RTF file").
_SKIPPED = frozenset([
    "annotation", "atnauthor", "atnid", "author", "bkmkend", "bkmkstart", "blipuid", "category", "colortbl", "comment",
    "company", "creatim", "datafield", "doccomm", "fldinst", "filetbl", "footer", "footerf", "footerl", "footerr",
    "ftncn", "ftnsep", "ftnsepc", "aftncn", "aftnsep", "aftnsepc", "generator", "header", "headerf", "headerl",
    "headerr", "hlinkbase", "keywords", "latentstyles", "listoverridetable", "listtable", "manager", "nonesttables",
    "nonshppict", "objdata", "operator", "pict", "printim", "private", "revtbl", "revtim", "rsidtbl", "rxe", "shprslt",
    "sp", "subject", "tc", "template", "themedata", "txe", "userprops", "xe", "xmlnstbl",
])  # fmt: skip
_READ_THOUGH_OPTIONAL = frozenset(["shpinst", "nesttableprops"])
_ASIDES = frozenset(["footnote", "shptxt"])
_CHARACTERS = {
    "tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ", "qmspace": " ", "nestcell": " ", "nestrow": " ",
}  # fmt: skip
_SIGNS = {"~": "\u00a0", "_": "\u2011", "-": "", "{": "{", "}": "}", "\\": "\\", "\t": "\t"}
# The character sets that a font may name, and "symbol", whose signs stand for no letters.
_CHARSETS = {
    0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _State:
    """What holds within a group: where its text goes ("body", "skip", "fonts", "styles" or "title"), how many
    characters stand for one of Unicode, the font, and whether the text is not shown."""

    target: str = "body"
    fallback: int = 1
    font: int = -1
    is_hidden: bool = False
    is_deleted: bool = False


@dataclass(slots=True)
class _Paragraph:
    """A paragraph being read, and what the table row it stands in holds so far."""

    text: list[str] = field(default_factory=list)
    style: int = 0
    level: int = 0
    is_item: bool = False
    is_cell: bool = False

    def clear(self) -> None:
        self.text, self.is_item = [], False


@dataclass(frozen=True, slots=True)
class _Block:
    kind: str
    text: str
    level: int = 0


def read(data: bytes, limits: Limits) -> Document:
    """Headings by their styles, lists, tables, and notes behind the paragraph they belong to. Page headers and footers,
    pictures, remarks, deleted and hidden text are left out. The title is the paragraph styled so, else that among the
    file's properties."""
    if not data.lstrip().startswith(b"{\\rtf"):
        raise UnreadableFile("is not an RTF file, whatever its name says", "Give it its right file ending.")
    reading = _Reading()
    reading.run(data.decode("latin-1"))
    composition = Composition(limits)
    headings = HeadingPath()
    title = before = ""
    for block in _tabled(reading.blocks):
        kind = block.kind
        if kind == "title":
            kind, title = ("title", one_line(block.text)) if not title else ("heading", title)
        if kind == "heading":
            headings.leave(block.level)
        gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
        composition.add(kind, block.text, Locator(headings.path), gap)
        if kind == "heading":
            headings.enter(block.level, block.text)
        before = kind
    problems = ["Some of the text is hidden; not searched."] if reading.has_hidden else []
    if not composition.has_blocks and problems:
        raise UnreadableFile(f"holds no text that is shown: {problems[0]}", "Show what is to be searched.")
    return composition.document(MEDIA_TYPE, title or plausible_title("".join(reading.title)), problems)


def _tabled(blocks: list[_Block | list[str]]) -> list[_Block]:
    """The blocks with neighbouring rows, which come as lists of cells, put into words as tables."""
    done: list[_Block] = []
    grid: list[list[str]] = []
    for block in [*blocks, _Block("", "")]:
        if isinstance(block, list):
            grid.append([tables.cell_text(cell) for cell in block])
            continue
        if grid:
            done += [_Block("row", piece.text) for _, piece in tables.named(grid)]
            grid = []
        if block.text:
            done.append(block)
    return done


class _Reading:
    """One pass over a file."""

    def __init__(self) -> None:
        self.blocks: list[_Block | list[str]] = []
        self.title: list[str] = []
        self.has_hidden = False
        self._state = _State()
        self._stack: list[_State] = []
        self._paragraph = _Paragraph()
        self._cells: list[str] = []
        self._asides: list[tuple[int, _Paragraph, list[str]]] = []
        self._notes: list[_Block | list[str]] = []
        self._codec = "cp1252"
        self._fonts: dict[int, str] = {}
        self._levels: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._style = 0
        self._style_name: list[str] = []
        self._bytes = bytearray()
        self._to_skip = 0
        self._is_optional = False

    def run(self, source: str) -> None:
        at = 0
        while match := _TOKEN.match(source, at):
            at = match.end()
            word, number, code, sign, brace, plain = match.groups()
            if code:
                self._byte(int(code, 16))
            elif plain:
                self._plain(plain)
            elif brace == "{":
                self._decode()
                self._stack.append(self._state)
                if len(self._stack) > _MAX_DEPTH:
                    raise RecursionError("groups within groups")
                self._to_skip = 0
            elif brace:
                self._decode()
                self._close()
            elif word == "bin":
                at += max(0, int(number or 0))
            elif word:
                self._decode()
                self._word(word, int(number) if number else None)
            elif sign:
                self._decode()
                self._sign(sign)
        self._decode()
        self._paragraph.is_cell = False
        self._end_paragraph()
        self._end_row()
        self.blocks += self._notes

    def _close(self) -> None:
        if self._asides and self._asides[-1][0] == len(self._stack):
            self._paragraph.is_cell = False
            self._end_paragraph()
            self._end_row()
            _, self._paragraph, self._cells = self._asides.pop()
        if self._state.target == "styles" and self._stack and self._style_name:
            self._names[self._style] = "".join(self._style_name).split(";")[0].strip()
            self._style_name = []
        if self._stack:
            self._state = self._stack.pop()
        self._to_skip = 0

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._is_optional = True
        elif sign in "\r\n":
            self._end_paragraph()
        else:
            self._put(_SIGNS.get(sign, ""))

    def _plain(self, text: str) -> None:
        skipped = min(self._to_skip, len(text))
        self._to_skip -= skipped
        text = text[skipped:]
        if text.isascii():
            self._decode()
            self._put(text)
        else:
            self._bytes += text.encode("latin-1")

    def _byte(self, value: int) -> None:
        if self._to_skip:
            self._to_skip -= 1
        else:
            self._bytes.append(value)

    def _decode(self) -> None:
        """Puts down the bytes gathered, in the character set of the font."""
        if self._bytes:
            data = bytes(self._bytes)
            self._bytes.clear()
            self._put(data.decode(self._fonts.get(self._state.font, self._codec), "replace"))

    def _put(self, text: str) -> None:
        target = self._state.target
        if target == "title":
            self.title.append(text)
        elif target == "styles":
            self._style_name.append(text)
        elif target == "body" and text:
            if self._state.is_hidden:
                self.has_hidden = self.has_hidden or not text.isspace()
            elif not self._state.is_deleted:
                self._paragraph.text.append(text)

    def _word(self, word: str, number: int | None) -> None:
        is_optional, self._is_optional = self._is_optional, False
        if self._state.target == "skip":
            return
        if word in _SKIPPED or (is_optional and word not in _READ_THOUGH_OPTIONAL):
            self._state = replace(self._state, target="skip")
        elif word in ("fonttbl", "stylesheet", "info", "title"):
            target = {"fonttbl": "fonts", "stylesheet": "styles", "info": "properties", "title": "title"}[word]
            self._state = replace(self._state, target=target)
        elif word in ("listtext", "pntext"):
            self._paragraph.is_item = True
            self._state = replace(self._state, target="skip")
        elif word in _ASIDES:
            self._asides.append((len(self._stack), self._paragraph, self._cells))
            self._paragraph, self._cells = _Paragraph(), []
        elif word == "u" and number is not None:
            self._put(chr(number % 65_536))
            self._to_skip = self._state.fallback
        elif word in _CHARACTERS:
            self._put(_CHARACTERS[word])
        elif self._state.target == "body":
            self._format(word, number)
        else:
            self._define(word, number)

    def _define(self, word: str, number: int | None) -> None:
        """A control word in the tables of fonts and styles."""
        if word == "f" and number is not None:
            self._state = replace(self._state, font=number)
        elif word == "fcharset" and number in _CHARSETS and self._state.target == "fonts":
            self._fonts[self._state.font] = _CHARSETS[number]
        elif word == "s" and number is not None:
            self._style = number
        elif word == "outlinelevel" and number is not None and number < 9:
            self._levels[self._style] = number + 1

    def _format(self, word: str, number: int | None) -> None:
        """A control word in the text."""
        paragraph = self._paragraph
        if word in ("par", "sect", "page"):
            self._end_paragraph()
        elif word == "cell":
            self._cells.append(_repaired(paragraph.text).strip())
            paragraph.clear()
        elif word == "row":
            self._end_row()
        elif word == "pard":
            paragraph.style = paragraph.level = 0
            paragraph.is_item = paragraph.is_cell = False
        elif word == "intbl":
            paragraph.is_cell = True
        elif word == "s" and number is not None:
            paragraph.style = number
        elif word == "outlinelevel" and number is not None:
            paragraph.level = number + 1 if number < 9 else 0
        elif word == "ls" and number:
            paragraph.is_item = True
        elif word == "plain":
            self._state = replace(self._state, font=-1, is_hidden=False, is_deleted=False)
        elif word == "f" and number is not None:
            self._state = replace(self._state, font=number)
        elif word == "v":
            self._state = replace(self._state, is_hidden=number != 0)
        elif word == "deleted":
            self._state = replace(self._state, is_deleted=number != 0)
        elif word == "uc" and number is not None:
            self._state = replace(self._state, fallback=min(max(number, 0), 100))
        elif word == "ansicpg" and number:
            self._codec = _known_codec(f"cp{number}")
        elif word == "mac":
            self._codec = "mac-roman"
        elif word in ("pc", "pca"):
            self._codec = "cp437" if word == "pc" else "cp850"

    def _end_paragraph(self) -> None:
        paragraph = self._paragraph
        if paragraph.is_cell:
            paragraph.text.append("\n")  # a cell of several paragraphs
            return
        text = _repaired(paragraph.text).strip()
        is_item = paragraph.is_item
        paragraph.clear()
        if not text:
            return
        self._end_row()
        name = self._names.get(paragraph.style, "")
        named = _NAME_OF_HEADING.fullmatch(name)
        level = paragraph.level or self._levels.get(paragraph.style, int(named[1]) if named else 0)
        if name.lower() == "title":
            block = _Block("title", text, 1)
        elif level and len(text) <= 300:
            block = _Block("heading", text, level)
        else:
            block = _Block("item" if is_item else "paragraph", text)
        if self._asides:
            self._notes.append(block)
        else:
            self.blocks.append(block)
            self.blocks += self._notes
            self._notes = []

    def _end_row(self) -> None:
        if self._cells:
            into = self._notes if self._asides else self.blocks
            into.append(self._cells)
            self._cells = []
            if not self._asides:
                self.blocks += self._notes
                self._notes = []


def _repaired(pieces: list[str]) -> str:
    """The pieces as one text, in which each pair of surrogates is the character it stands for."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _known_codec(name: str) -> str:
    """A code page that Python knows as one of text, else that of Western Windows."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
