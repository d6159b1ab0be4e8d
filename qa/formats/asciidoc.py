"""AsciiDoc: the canonical text is put together from the blocks of the source, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qa.formats import tables
from qa.formats.composing import Composition, HeadingPath, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

MEDIA_TYPE = "text/asciidoc"

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+=+)?[ \t]*")
_ATTRIBUTE = re.compile(r":!?([\w-]{1,60})!?:(?:[ \t]+(.*))?")
_LIST = re.compile(r"[ \t]*(?:[*]{1,6}|\.{1,6}|-|\d{1,3}\.)[ \t]+(?:\[[ x*]\][ \t]+)?(\S.*)")
_TERM = re.compile(r"[ \t]*([^\s:/][^\n]{0,200}?):{2,4}(?:[ \t]+(\S.*))?")
_MACRO = re.compile(r"(?:image|video|audio|include|toc|ifdef|ifndef|ifeval|endif|unset)::\S*\[.*\][ \t]*|'''|<<<|\+")
_COMMENT = re.compile(r"//(?!//)")
_CAPTION = re.compile(r"\.([^\s.].*)")
_PARAMETERS = re.compile(r"\[[^\[\]]*\][ \t]*|\[\[.*\]\][ \t]*")
_FENCE = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|/{4,}|\+{4,}|`{3,}|--)[\w, -]*")
_TABLE = re.compile(r"[|,:!]={3,}[ \t]*")
_CELL = re.compile(r"(?<!\\)(?:\d{1,2}(?:\.\d{1,2})?[+*])?[<^>.]{0,4}[aehlmdsv]?\|")
_NAMED = re.compile(r"\{([\w-]{1,60})\}")
_MAX_NAMED, _MAX_VALUE = 100, 200
_CODE_FENCES, _LEFT_OUT_FENCES = "-.`", "/+"
# Signs within a line: marks of notes and indexes, links, references, emphasis.
_INLINE = (
    (re.compile(r"\(\(\(.*?\)\)\)|indexterm2?:\[[^\]]*\]|\[\[[^\]]*\]\]"), ""),
    (re.compile(r"\s?footnote:\w*\[([^\]]*)\]"), r" (\1)"),
    (re.compile(r"<<[^,<>]{1,200},\s*([^<>]{1,200})>>"), r"\1"),
    (re.compile(r"<<#?([^<>]{1,200})>>"), r"\1"),
    (re.compile(r"(?:link:|xref:|mailto:)[^\s\[]{1,500}\[([^\]]+)\]"), r"\1"),
    (re.compile(r"https?://[^\s\[]{1,500}\[([^\]]+)\]"), r"\1"),
    (re.compile(r"(?:kbd|btn|menu|image|icon|stem|pass):[^\s\[]{0,200}\[([^\]]*)\]"), r"\1"),
    (re.compile(r"(?<![\w*])\*\*?(?=\S)([^*\n]{1,300}?)(?<=\S)\*?\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w_])__?(?=\S)([^_\n]{1,300}?)(?<=\S)_?_(?![\w_])"), r"\1"),
    (re.compile(r"(?<![\w`])``?(?=\S)([^`\n]{1,300}?)(?<=\S)`?`(?![\w`])"), r"\1"),
    (re.compile(r"[ \t]\+$", re.MULTILINE), ""),
)


@dataclass(frozen=True, slots=True)
class _Block:
    """`line` is where it begins; `level` that of a heading, 0 being the title."""

    kind: str
    text: str
    line: int
    level: int = 0


def read(data: bytes, limits: Limits) -> Document:
    """Headings, lists, tables, code and quotes; comments are left out, other files never included. Attributes that the
    source sets are put in where it names them."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    composition = Composition(limits)
    headings = HeadingPath()
    title = before = ""
    for block in _Source(text.removeprefix("\ufeff")).blocks():
        kind = block.kind
        if kind == "title":
            title = one_line(block.text)
        elif kind == "heading":
            headings.leave(block.level)
        gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
        composition.add(kind, block.text, Locator(headings.path, line=block.line), gap)
        if kind == "heading":
            headings.enter(block.level, block.text)
        before = kind
    return composition.document(MEDIA_TYPE, title, problems, encoding)


class _Source:
    """The lines of a source, and the place that a reader has come to."""

    def __init__(self, text: str) -> None:
        self._lines = [line.rstrip() for line in text.splitlines()]
        self._at = 0
        self._attributes: dict[str, str] = {}

    def blocks(self) -> Iterator[_Block]:
        parameters = ""
        has_title = False
        fences: list[str] = []
        while self._at < len(self._lines):
            line, number = self._lines[self._at], self._at + 1
            self._at += 1
            if not line.strip() or _COMMENT.match(line) or _MACRO.fullmatch(line):
                continue
            if set_ := _ATTRIBUTE.fullmatch(line):
                self._attributes[set_[1]] = set_[2] or ""
            elif _TABLE.fullmatch(line):
                yield from self._table(line, parameters)
                parameters = ""
            elif fence := _FENCE.fullmatch(line):
                if fence[1][0] in _CODE_FENCES and fence[1] != "--":
                    yield from self._verbatim(fence[1], number)
                elif fence[1][0] in _LEFT_OUT_FENCES:
                    self._skip(fence[1])
                elif fences and fences[-1] == fence[1]:
                    fences.pop()  # examples, side notes and quotations hold blocks like any other
                else:
                    fences.append(fence[1])
                parameters = ""
            elif heading := _HEADING.fullmatch(line):
                level = len(heading[1]) - 1
                yield _Block("heading" if level or has_title else "title", self._shown(heading[2]), number, level or 1)
                if not level:
                    has_title = True
                    self._pass_byline()
            elif _PARAMETERS.fullmatch(line):
                parameters = line
            elif caption := _CAPTION.fullmatch(line):
                yield _Block("caption", self._shown(caption[1]), number)
            elif item := _LIST.fullmatch(line):
                yield self._joined("item", item[1], number)
            elif term := _TERM.fullmatch(line):
                definition = term[2] or self._next_line()
                yield self._joined("item", f"{term[1]}: {definition}" if definition else term[1], number)
            elif line[0] in " \t" and "quote" not in parameters:
                yield from self._indented(number)
            else:
                is_quote = bool(fences and fences[-1][0] == "_") or parameters.startswith(("[quote", "[verse"))
                yield self._joined("quote" if is_quote else "paragraph", line, number)
            parameters = parameters if _PARAMETERS.fullmatch(line) else ""

    def _joined(self, kind: str, first: str, number: int) -> _Block:
        """A paragraph or item with the lines that go on with it."""
        lines = [first]
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.strip() or line == "+" or _FENCE.fullmatch(line) or _TABLE.fullmatch(line):
                break
            if kind == "item" and (_LIST.fullmatch(line) or _TERM.fullmatch(line)):
                break
            if not line.startswith("//"):
                lines.append(line.strip() if kind == "item" else line)
            self._at += 1
        return _Block(kind, self._shown("\n".join(lines)), number)

    def _indented(self, number: int) -> Iterator[_Block]:
        start = self._at - 1
        while self._at < len(self._lines) and self._lines[self._at].startswith((" ", "\t")):
            self._at += 1
        yield _Block("code", "\n".join(self._lines[start : self._at]), number)

    def _verbatim(self, fence: str, number: int) -> Iterator[_Block]:
        start = self._at
        self._skip(fence)
        end = self._at - 1 if self._lines[self._at - 1].startswith(fence) and self._at > start else self._at
        yield _Block("code", "\n".join(self._lines[start:end]), number + 1)

    def _skip(self, fence: str) -> None:
        while self._at < len(self._lines):
            self._at += 1
            if self._lines[self._at - 1] == fence:
                return

    def _next_line(self) -> str:
        """The line below a term, which defines it."""
        while self._at < len(self._lines) and not self._lines[self._at].strip():
            self._at += 1
        line = self._lines[self._at].strip() if self._at < len(self._lines) else ""
        if (
            not line
            or _FENCE.fullmatch(line)
            or _HEADING.fullmatch(line)
            or _TABLE.fullmatch(line)
            or _LIST.fullmatch(line)
        ):
            return ""
        self._at += 1
        return line

    def _pass_byline(self) -> None:
        """Author and revision stand right below the title."""
        while self._at < len(self._lines) and self._lines[self._at].strip():
            if set_ := _ATTRIBUTE.fullmatch(self._lines[self._at]):
                self._attributes[set_[1]] = set_[2] or ""
            self._at += 1

    def _table(self, fence: str, parameters: str) -> Iterator[_Block]:
        """Rows with the names of their columns, be they written in one line or a cell to a line."""
        start = self._at
        self._skip(fence)
        number_of_columns = re.search(r"cols=\"?([^\"\]]+)\"?", parameters)
        columns = 0
        if number_of_columns:
            given = number_of_columns[1].strip()
            times = re.match(r"(\d{1,2})\*", given)
            columns = int(times[1]) if times else len(re.split(r"[,;]", given))
        rows: list[tuple[int, list[str]]] = []
        open_row: list[str] = []
        opened_at = start + 1
        has_gap = False
        for index in range(start, self._at):
            line = self._lines[index]
            if line == fence:
                break
            if not line.strip():
                has_gap = has_gap or len(rows) == 1
                continue
            cells = _CELL.split(line)
            if cells[0].strip() and open_row:
                open_row[-1] += f" {cells[0].strip()}"  # the cell above goes on
            elif not open_row:
                opened_at = index + 1
            open_row += cells[1:]
            columns = columns or len(cells) - 1
            while columns and len(open_row) >= columns:
                rows.append((opened_at, open_row[:columns]))
                open_row = open_row[columns:]
                opened_at = index + 1
        if open_row:
            rows.append((opened_at, open_row))
        grid = [(line, [tables.cell_text(self._shown(cell.replace("\\|", "|"))) for cell in row]) for line, row in rows]
        for number, piece in tables.named([row for _, row in grid], heads=has_gap or "header" in parameters):
            yield _Block("row", piece.text, grid[number][0])

    def _shown(self, text: str) -> str:
        """What a reader sees of a line: without the signs for emphasis, links and notes."""
        if text.count("{") <= _MAX_NAMED:
            for name in set(_NAMED.findall(text)) & self._attributes.keys():
                text = text.replace(f"{{{name}}}", self._attributes[name][:_MAX_VALUE])
        for sign, instead in _INLINE:
            text = sign.sub(instead, text)
        return text
