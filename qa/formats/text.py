"""Plain text: the canonical text is the decoded file itself, cut into blocks by its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from qa.formats.composing import HeadingPath, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Block, Document, Locator

MEDIA_TYPE = "text/plain"

_LINE = re.compile(r"([^\n\r\x85\u2028\u2029]*)(\r\n|[\n\r\x85\u2028]|(\u2029)|\Z)")
# A run of lines without a blank one is cut here, so that no file makes us hold all its lines at once.
_MAX_RUN = 5_000
# Nobody wraps lines by hand beyond this: the end of a longer line is the end of a paragraph.
_WRAPPED = 200

_RULE = re.compile(r"([-=_*~#+.])(?:[ \t]*\1){2,}")
_TABLE_RULE = re.compile(r"[|+:\s=-]*-[|+:\s=-]*")
_GAP = re.compile(r" {2,}")
_BULLET = re.compile(r"[-*•‣◦▪●·–][ \t]+(?=\S)")
_NUMBER = re.compile(r"(?:\(?(\d{1,3}|[a-z]|[ivx]{1,5})\)|(\d{1,3})\.)[ \t]+(?=\S)")
_SENTENCE_END = re.compile(r"[.!?…:;,。！？：；][\"'”’»)\]]*$")
_NUMBERED_HEADING = re.compile(r"(\d{1,2}(?:\.\d{1,2}){1,4}|(?:\d{1,2}|[IVX]{1,5})(?=\.))\.?[ \t]+([^\W\d_])")
_CHAPTER_HEADING = re.compile(r"(?:chapter|part|section|appendix|book)[ \t]+(?:\d{1,3}|[ivxlc]{1,7}|[a-z])\b", re.I)
_CODE_SIGN = re.compile(r"[{}()\[\];=<>\\|&$#]")
_CODE_SIGN_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank: its bounds without the white space around it, its number from 1, its indentation."""

    text: str
    start: int
    end: int
    number: int
    indent: int

    @property
    def short(self) -> bool:
        return len(self.text) <= 80


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block to be; `level` is that of a heading, 0 for all else."""

    kind: str
    start: int
    end: int
    line: int
    heading: str = ""
    level: int = 0


def read(data: bytes, limits: Limits) -> Document:
    """The text is `data` decoded, code point for code point: newlines, byte order mark and all stay as they are."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    pieces: list[_Piece] = []
    for piece in _pieces(text):
        pieces.append(piece)
        check_size(0, len(pieces), limits)
    # A line that comes back is a refrain or an advertisement between paragraphs, not a heading.
    times = Counter(piece.heading for piece in pieces if piece.level)
    title = ""
    headings = HeadingPath()
    blocks = []
    for piece in pieces:
        kind = piece.kind if times[piece.heading] <= 1 or not piece.level else "paragraph"
        if piece is pieces[0] and not piece.level:
            title = piece.heading
        if kind == "heading":
            headings.leave(piece.level)
        blocks.append(Block(kind, piece.start, piece.end, Locator(headings.path, line=piece.line)))
        if kind == "heading":
            headings.enter(piece.level, piece.heading)
    return Document(text, title, MEDIA_TYPE, tuple(blocks), problems, encoding=encoding)


def _pieces(text: str) -> Iterator[_Piece]:
    runs = _runs(text)
    run = next(runs, [])
    is_first = True
    while run:
        line, after = run[0], next(runs, [])
        if is_first and _is_title(run, after):
            # A title that reads like a sentence ("Aspirin halves the risk.") may just as well be one: it names the
            # document, and can be answered from.
            kind = "paragraph" if _SENTENCE_END.search(line.text) else "title"
            yield _Piece(kind, line.start, line.end, line.number, one_line(line.text))
        elif level := _heading_level(run, after):
            yield _Piece("heading", line.start, line.end, line.number, one_line(line.text), level)
            yield from _body(run[2:])
        else:
            yield from _body(run)
        run, is_first = after, False


def _runs(text: str) -> Iterator[list[_Line]]:
    """Lines between blank ones, together."""
    run: list[_Line] = []
    for number, match in enumerate(_LINE.finditer(text), 1):
        raw = match[1]
        if number == 1:
            raw = raw.removeprefix("\ufeff")
        stripped = raw.strip()
        if stripped:
            end = match.end(1) - (len(raw) - len(raw.rstrip()))
            start = end - len(stripped)
            indent = len(raw[: len(raw) - len(raw.lstrip())].expandtabs(4))
            run.append(_Line(stripped, start, end, number, indent))
        if run and (not stripped or match[3] or len(run) == _MAX_RUN):
            yield run
            run = []
    if run:
        yield run


def _is_title(run: list[_Line], after: list[_Line]) -> bool:
    line = run[0]
    return (
        bool(after)
        and (len(run) == 1 or (len(run) == 2 and _is_underline(run[1], line)))
        and len(line.text) <= 200
        and any(c.isalpha() for c in line.text)
        and not _marker(line.text)
        and "\t" not in line.text
        and "|" not in line.text
    )


def _heading_level(run: list[_Line], after: list[_Line]) -> int:
    """The level of the heading that the run is or begins with, or 0. When in doubt it is none: a wrong heading
    stands above everything that follows it."""
    line = run[0]
    if not line.short or line.indent >= 4 or _SENTENCE_END.search(line.text) or not any(map(str.isalpha, line.text)):
        return 0
    if len(run) > 1 and _is_underline(run[1], line) and (len(run) > 2 or after):
        return {"=": 1, "-": 2}.get(run[1].text[0], 3)
    if len(run) > 1 or not after or not _is_prose(after):
        return 0
    if (numbered := _NUMBERED_HEADING.match(line.text)) and not numbered[2].islower():
        return 2 + numbered[1].count(".")
    if _CHAPTER_HEADING.match(line.text):
        return 1
    letters = [c for c in line.text if c.isalpha()]
    return 2 if len(letters) >= 4 and all(c.isupper() for c in letters) and "\t" not in line.text else 0


def _is_underline(rule: _Line, line: _Line) -> bool:
    return (
        rule.text[0] in "=-~"
        and rule.text == rule.text[0] * len(rule.text)
        and len(rule.text) >= 3
        and 0.7 <= len(rule.text) / len(line.text) <= 1.6
    )


def _is_prose(run: list[_Line]) -> bool:
    """Whether a heading could stand above the run: it is a paragraph, flush left."""
    line = run[0]
    return (
        line.indent == 0
        and not _marker(line.text)
        and not line.text.isupper()
        and (len(run) > 1 or not line.short or bool(_SENTENCE_END.search(line.text)))
    )


def _marker(line: str) -> re.Match[str] | None:
    return _BULLET.match(line) or _NUMBER.match(line)


def _body(run: list[_Line]) -> Iterator[_Piece]:
    """The blocks of a run that is not a heading."""
    if not run:
        return
    if _is_code(run):
        yield _Piece("code", run[0].start, run[-1].end, run[0].number)
        return
    items = _item_lines(run)
    rows, continued = _row_lines(run)
    open_kind, first, last = "", run[0], run[0]
    opened_at = 0

    def close() -> Iterator[_Piece]:
        if open_kind:
            yield _Piece(open_kind, opened_at, last.end, first.number)

    for index, line in enumerate(run):
        if index in rows:
            yield from close()
            open_kind = ""
            until = next(i for i in range(index + 1, len(run) + 1) if i not in continued)
            yield from _row(line, run[until - 1].end)
        elif index in continued:
            pass  # it went with its row
        elif _RULE.fullmatch(line.text):
            yield from close()
            open_kind = ""
        elif index in items:
            yield from close()
            open_kind, first, opened_at = "item", line, line.start + items[index]
        elif not open_kind or len(line.text) > _WRAPPED or len(last.text) > _WRAPPED:
            yield from close()
            open_kind, first, opened_at = "paragraph", line, line.start
        last = line
    yield from close()


def _row(line: _Line, end: int) -> Iterator[_Piece]:
    """The row that begins with the line, without the bars at its edges."""
    cells = line.text.strip("|").strip()
    if cells and not _TABLE_RULE.fullmatch(line.text):
        start = line.start + line.text.index(cells)
        yield _Piece("row", start, start + len(cells) if end == line.end else end, line.number)


def _item_lines(run: list[_Line]) -> dict[int, int]:
    """For each line of the run that begins a list item, the length of its marker. A marker in the middle of a
    paragraph counts only where a list is announced or goes on: a wrapped line may begin with "5. " or "- " too."""
    marked = {i: m for i, line in enumerate(run) if (m := _marker(line.text))}
    styles = {i: "1" if m[0][0].isalnum() or m[0][0] == "(" else m[0][0] for i, m in marked.items()}
    times = Counter(styles.values())
    found: dict[int, int] = {}
    for i, m in marked.items():
        above = run[i - 1] if i else None
        announced = above is None or above.text.endswith(":") or (i - 1) in found or run[i].indent > above.indent
        if announced or (times[styles[i]] > 1 and (styles[i] != "1" or _may_end(above))):
            found[i] = m.end()
    return found


def _may_end(line: _Line | None) -> bool:
    """Whether something may end with the line."""
    return line is None or line.short or bool(_SENTENCE_END.search(line.text))


def _row_lines(run: list[_Line]) -> tuple[set[int], set[int]]:
    """The lines of the run that are table rows: neighbours with as many cells, parted by tabs or upright bars, or
    with a cell at the same place behind a wide gap. And the lines that go on with the last cell of the row above."""
    rows: set[int] = set()
    continued: set[int] = set()
    above = _Shape()
    for index, line in enumerate(run):
        under_row = index - 1 in rows or index - 1 in continued
        if under_row and len(line.text) > 2 and "-" in line.text and _TABLE_RULE.fullmatch(line.text):
            rows.add(index)  # the rule under a table's head
            continue
        shape = _shape(line)
        if under_row and not shape.places and line.indent in above.places:
            continued.add(index)
            continue
        if shape.matches(above) or (under_row and shape.places & above.places):
            rows.add(index)
            if not under_row:
                rows.add(index - 1)
        above = shape
    return rows, continued


@dataclass(frozen=True, slots=True)
class _Shape:
    """What parts a line's cells, and how many they are; or the columns at which cells begin behind two and more
    spaces, and those behind three and more."""

    sign: str = ""
    cells: int = 1
    places: frozenset[int] = frozenset()
    wide_places: frozenset[int] = frozenset()

    def matches(self, above: _Shape) -> bool:
        if self.cells > 1:
            return (self.sign, self.cells) == (above.sign, above.cells)
        return bool(self.places & above.wide_places or self.wide_places & above.places)


def _shape(line: _Line) -> _Shape:
    if "\t" in line.text:
        return _Shape("\t", line.text.count("\t") + 1)
    if bars := line.text.strip("|").count("|"):
        return _Shape("|", bars + 1)
    if len(line.text) > _WRAPPED or "  " not in line.text:
        return _Shape()
    gaps = list(_GAP.finditer(line.text))
    wide = frozenset(line.indent + gap.end() for gap in gaps if len(gap[0]) > 2)
    return _Shape(places=frozenset(line.indent + gap.end() for gap in gaps), wide_places=wide)


def _is_code(run: list[_Line]) -> bool:
    if min(line.indent for line in run) < 4:
        return False
    size = sum(len(line.text) for line in run)
    return sum(len(_CODE_SIGN.findall(line.text)) for line in run) >= _CODE_SIGN_SHARE * size
