"""Markdown: the canonical text is the decoded source, cut into blocks by the lines a parser gives them; only tables are
put into words anew, each row with the names of its columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from qa.formats import tables
from qa.formats import text as plain_text
from qa.formats.composing import HeadingPath, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Block, Document, Locator

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MEDIA_TYPE = "text/markdown"

# The line ends that the parser knows, so that its line numbers are ours.
_NEWLINE = re.compile(r"\r\n?|\n")
# The parser takes some 0.1 ms for a line of a table; nothing that a person wrote is as long.
_MAX_LINES = 100_000
_TOO_LONG = f"Has more than {_MAX_LINES:,} lines; read as plain text, not as Markdown."
_MAX_FRONT_MATTER_LINES = 200
_FIELD = re.compile(r"[A-Za-z_][\w .-]*:(?:[ \t]|$)")
_TITLE_FIELD = re.compile(r"title[ \t]*:[ \t]+(.*)", re.IGNORECASE)
# A heading longer than this is not parsed for emphasis and links: its source stands in the path.
_MAX_INLINE = 1_000
_SIGNS_BEFORE = re.compile(r"(?:[ \t>]|#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t])*")
_BAR = re.compile(r"(?<!\\)\|")
_CONTAINERS = {"list_item_open": "item", "blockquote_open": "quote"}

_TAG = re.compile(r"<!--|</?([A-Za-z][A-Za-z0-9-]*)[^<>]*>")
_TAGS_BEFORE = re.compile(r"(?:\s*<[^<>]*>)*")
_INLINE_TAGS = frozenset([
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "font", "i", "img", "ins", "kbd", "mark",
    "picture", "q", "s", "samp", "small", "source", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
    "var", "wbr",
])  # fmt: skip
_UNREAD_TAGS = {
    "!--": re.compile("-->"),
    **{tag: re.compile(f"</{tag}[^>]*>?", re.IGNORECASE) for tag in ("script", "style", "svg", "template")},
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block to be; `level` and `name` are those of a heading. `instead` is what stands there in its stead."""

    kind: str
    start: int
    end: int
    level: int = 0
    name: str = ""
    instead: str = ""


def read(data: bytes, limits: Limits) -> Document:
    """The text is `data` decoded, code point for code point, but for tables. Blocks leave out the signs at their edges
    ("#", "-", ">", fences); emphasis and links within them stay as they are written."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    source = _Source(text)
    if len(source.starts) > _MAX_LINES:
        plain = plain_text.read(data, limits)
        return replace(plain, media_type=MEDIA_TYPE, problems=(*plain.problems, _TOO_LONG))
    title, body = source.front_matter()
    headings = HeadingPath()
    blocks: list[Block] = []
    canonical: list[str] = []
    taken = shift = 0
    for piece in source.pieces(body):
        if piece.kind == "heading":
            headings.leave(piece.level)
        locator = Locator(headings.path, line=source.line_at(piece.end if piece.instead else piece.start))
        start, end = piece.start + shift, piece.end + shift
        if piece.instead:
            gap = "\n" if 0 < taken == piece.start else text[taken : piece.start]  # from row to row
            canonical += [gap, piece.instead]
            start += len(gap) - (piece.start - taken)
            end = start + len(piece.instead)
            taken, shift = piece.end, end - piece.end
        blocks.append(Block(piece.kind, start, end, locator))
        check_size(end, len(blocks), limits)
        if piece.kind == "title":
            title = title or piece.name
            headings.clear()
        elif piece.kind == "heading":
            headings.enter(piece.level, piece.name)
    canonical.append(text[taken:])
    text = "".join(canonical)
    return Document(text, one_line(title), MEDIA_TYPE, tuple(blocks), problems, encoding=encoding)


class _Source:
    """The source of one document, and where its lines begin and end."""

    def __init__(self, text: str) -> None:
        self.text = text
        newlines = list(_NEWLINE.finditer(text))
        self.starts = [int(text.startswith("\ufeff")), *(m.end() for m in newlines)]
        self.ends = [*(m.start() for m in newlines), len(text)]

    def line_at(self, offset: int) -> int:
        """The number, from 1, of the line that `offset` is in."""
        return bisect_right(self.starts, offset)

    def front_matter(self) -> tuple[str, str]:
        """The title that fields at the head of the file give, and the text with the byte order mark and those fields
        left out, but as many lines."""
        body = self.text.removeprefix("\ufeff")
        bounds = zip(self.starts, self.ends[:_MAX_FRONT_MATTER_LINES], strict=False)
        lines = [self.text[start:end].rstrip() for start, end in bounds]
        if lines[0] != "---" or len(lines) < 3 or not _FIELD.match(lines[1]):
            return "", body
        end = next((i for i, line in enumerate(lines[1:], 1) if line in ("---", "...")), 0)
        if not end:
            return "", body
        titles = [m[1].strip().strip("\"'") for line in lines[1:end] if (m := _TITLE_FIELD.match(line))]
        title = titles[0] if titles and titles[0] not in ("|", ">", "|-", ">-") else ""
        return title, "\n" * end + self.text[self.ends[end] :]

    def pieces(self, body: str) -> Iterator[_Piece]:
        from markdown_it import MarkdownIt

        # Only the lines of the blocks are wanted: emphasis and links stay as they are written.
        parser = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
        inline = MarkdownIt("commonmark").enable("strikethrough")
        tokens = parser.parse(body)
        tops = sum(1 for token in tokens if token.type == "heading_open" and token.tag == "h1")
        around: list[str] = []
        any_heading = False
        for index, token in enumerate(tokens):
            if token.nesting == 1:
                around.append(token.type)
            elif token.nesting == -1:
                around.pop()
            first, last = token.map or (0, 0)
            last = min(last, len(self.starts))
            if token.type == "table_open":
                yield from self._table(islice(tokens, index, None), inline)
            elif token.type == "code_block":
                yield from self._stripped("code", self.starts[first], self.ends[last - 1])
            elif token.type == "fence":
                last = min(last, first + 1 + token.content.count("\n") + (not token.content.endswith("\n")))
                if first + 1 < last:
                    yield from self._stripped("code", self.starts[first + 1], self.ends[last - 1])
            elif token.type == "html_block":
                yield from self._html(self.starts[first], self.ends[last - 1])
            elif token.type == "inline" and around[-1] == "heading_open":
                level = int(tokens[index - 1].tag[1])
                kind = "title" if level == 1 and (tops == 1 or not any_heading) else "heading"
                any_heading = True
                yield from self._inline(kind, token, level, _plain(inline, token.content))
            elif token.type == "inline" and around[-1] == "paragraph_open":
                pictures = token.content.lstrip("[").startswith("![")
                if not pictures or any(map(str.isalnum, _plain(inline, token.content))):
                    kind = next((_CONTAINERS[name] for name in reversed(around) if name in _CONTAINERS), "paragraph")
                    yield from self._inline(kind, token)

    def _stripped(self, kind: str, start: int, end: int, level: int = 0, name: str = "") -> Iterator[_Piece]:
        """The piece [start, end) without white space at its edges, if anything is left."""
        raw = self.text[start:end]
        if stripped := raw.strip():
            start += len(raw) - len(raw.lstrip())
            yield _Piece(kind, start, start + len(stripped), level, name)

    def _inline(self, kind: str, token: Token, level: int = 0, name: str = "") -> Iterator[_Piece]:
        """The span of a token's content, which the parser hands over without the signs before and after it."""
        if token.map is None or not token.content.strip():
            return
        lines = token.content.split("\n")
        first = token.map[0]
        last = min(first + len(lines), token.map[1], len(self.starts)) - 1
        start, end = self.starts[first], self.ends[last]
        head, tail = lines[0].strip(), lines[-1].strip()
        at = self.text.find(head, start, self.ends[first])
        if at < 0 and (signs := _SIGNS_BEFORE.match(self.text, start, self.ends[first])):
            at = signs.end()
        start = max(start, at)
        at = self.text.rfind(tail, max(start, self.starts[last]), end)
        if tail and at >= 0:
            end = at + len(tail)
        yield from self._stripped(kind, start, end, level, name)

    def _table(self, tokens: Iterable[Token], inline: MarkdownIt) -> Iterator[_Piece]:
        """The rows of the table that `tokens` begin with, with the names of its columns; together they stand for all
        of its lines."""
        lines: list[int] = []
        grid: list[list[str]] = []
        for token in takewhile(lambda token: token.type != "table_close", tokens):
            if token.type == "tr_open" and token.map:
                lines.append(token.map[0])
                grid.append([])
            elif token.type == "inline" and grid:
                grid[-1].append(tables.cell_text(token.content))
            elif token.type == "tr_close" and grid:
                # Cells beyond the columns are not shown, but are written by mistake more often than to be left out.
                line = self.text[self._after_signs(lines[-1]) : self.ends[lines[-1]]]
                grid[-1] += map(tables.cell_text, _BAR.split(line.strip().strip("|"))[len(grid[-1]) :])
        grid[0] = [_plain(inline, name) for name in grid[0]]
        start = self._after_signs(lines[0])
        for number, piece in tables.named(grid, heads=1):
            end = max(start, self.ends[lines[number]])
            yield _Piece("row", start, end, instead=piece.text)
            start = end

    def _after_signs(self, line: int) -> int:
        """Where a line begins but for the signs of quotes and lists."""
        signs = _SIGNS_BEFORE.match(self.text, self.starts[line], self.ends[line])
        return signs.end() if signs else self.starts[line]

    def _html(self, start: int, stop: int) -> Iterator[_Piece]:
        """The text between the tags of a block of HTML, parted by all tags that part paragraphs in a browser."""
        position, level = start, 0
        while match := _TAG.search(self.text, position, stop):
            name = (match[1] or "!--").lower()
            if name in _INLINE_TAGS:
                position = match.end()
                continue
            yield from self._between_tags(start, match.start(), level)
            position, level = match.end(), 0
            if name in _UNREAD_TAGS:
                closing = _UNREAD_TAGS[name].search(self.text, position, stop)
                position = closing.end() if closing else stop
            elif re.fullmatch("h[1-6]", name) and match[0][1] != "/":
                level = int(name[1])
            start = position
        yield from self._between_tags(start, stop, level)

    def _between_tags(self, start: int, end: int, level: int) -> Iterator[_Piece]:
        if before := _TAGS_BEFORE.match(self.text, start, end):
            start = before.end()
        while (raw := self.text[start:end].rstrip()).endswith(">") and "<" in raw:
            end = start + raw.rindex("<")
        name = one_line(_TAG.sub("", self.text[start:end]))
        if any(map(str.isalnum, name)):
            yield from self._stripped("heading" if level else "paragraph", start, end, level, name if level else "")


def _plain(inline: MarkdownIt, content: str) -> str:
    """What a reader sees of a heading: its text without emphasis signs and link targets."""
    if len(content) > _MAX_INLINE:
        return one_line(content)
    shown = [
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for token in inline.parseInline(content)
        for child in token.children or []
        if child.type in ("text", "text_special", "code_inline", "softbreak", "hardbreak")
    ]
    return one_line("".join(shown))
