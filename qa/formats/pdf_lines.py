"""The lines of a PDF page as PDFium finds them, each with its place and its look."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from qa.formats.pdf_objects import Rule, turned

if TYPE_CHECKING:
    from pypdfium2 import PdfPage, PdfTextPage

# PDFium puts U+FFFE where it took a hyphen at the end of a line away, together with the line's end.
_LINE = re.compile(r"([^\r\n\ufffe]+)(\ufffe?)")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_BOLD = re.compile(r"bold|black|heavy|demi|cmbx|[-,]bd\b|-md\b", re.IGNORECASE)
_MONOSPACED = re.compile(r"mono|courier|consol|menlo|cmtt|typewriter|code|fixed", re.IGNORECASE)
_BOLD_WEIGHT = 600
# Signs of a font that does not say which characters its shapes stand for.
_NO_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
_MAX_NO_CHARACTER_SHARE = 0.2
_MARKER = re.compile(r"([-*•‣◦▪●■□○➢➤✓✔❖·–\uf000-\uf0ff]|[\x00-\x08\x0e-\x1f\x7f-\x9f]|\S[\x01-\x08])[ \t]+(?=\S)")
_ITEM_NUMBER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})[.)]|\d{1,2}(?:\.\d{1,2}){1,4}\.?")
_SOFT_HYPHEN = 0xAD
_SPACES = re.compile(r" +")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ufffe\uffff]")

_MAX_LOOKED_AT = 500

# Points. Damaged files have letters without height, and without a place.
_LEAST_HEIGHT = 0.1
# A gap between two words this many times as wide as the line is high parts two columns of a table; beside a line that
# is so parted, less will do.
WIDE_GAP, _GAP_BESIDE_ROW = 1.0, 0.6
_EXACT = 0.01  # of a quarter turn
# Gaps that differ by less (multiples of the height) are of one width; wider ones no stretching makes.
_EVEN, _STRETCHED = 0.15, 2.5
_EDGE = 1.0  # points that letters reach over a rule
# Lines whose characters take up this many times the width usual on the page, or that have so few, are looked at.
_AIRY, _FEW = 1.08, 30


Run = tuple[int, int]
"""The first and the last of characters of a page that follow each other, by their numbers on it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of a line without a wide gap in it, and where it begins and ends along the line, in points; `runs` are
    the characters of its text, in order. `name` is that of its column, where it is of a table that has them."""

    text: str
    left: float
    right: float
    runs: tuple[Run, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text. Places are in points, `left` and `right` along the line and `base` upwards across it, so that
    they hold for rotated text, too; `height` is that of the font's box, some 0.9 to 1.2 times its size.

    `marker` is the bullet in front of the text, if any. `hyphenated`: the line ends in a hyphen, which `text` lacks.
    `cells` has two or more entries when wide gaps part the line. `readable` is false when the font does not tell what
    its characters are. `runs` are the characters of the text, in order.
    """

    text: str
    left: float
    right: float
    base: float
    height: float
    angle: float
    bold: bool
    monospaced: bool
    marker: str = ""
    hyphenated: bool = False
    readable: bool = True
    cells: tuple[Cell, ...] = ()
    runs: tuple[Run, ...] = ()


def text_of(page: PdfPage) -> PdfTextPage:
    """The text of a page, which is turned for it so that most of it is upright: PDFium takes lines that begin one below
    the other for one line where the page is shown sideways."""
    import pypdfium2.raw as pdfium

    text = page.get_textpage()
    count = text.count_chars()
    looked_at = range(0, count, max(1, count // _MAX_LOOKED_AT))
    turns = Counter(turn(pdfium.FPDFText_GetCharAngle(text, index)) for index in looked_at)
    degrees = round(math.degrees(max(turns, key=lambda angle: (turns[angle], -angle), default=0.0)))
    if degrees % 90 or degrees == page.get_rotation():
        return text
    text.close()
    page.set_rotation(degrees)
    return page.get_textpage()


def lines_of(textpage: PdfTextPage, rules: Sequence[Rule] = ()) -> list[Line]:
    """The lines of a page in the order of the file, which is the reading order but for odd layouts. `rules` are those
    drawn on the page: where an upright one goes through a line, it parts two cells."""
    text = textpage.get_text_range()
    probe = _Probe(textpage, len(text))
    lines = []
    starts: list[tuple[int, str]] = []
    for match in _LINE.finditer(text):
        if raw := match[1].strip():
            marker, rest = _without_marker(raw)
            if not marker and match[1][0] == " " and probe.is_unnamed(match.start()):
                marker = "•"
            start = match.start() + match[1].index(raw)
            lines.append(probe.line(raw, start, bool(match[2]), marker, rest))
            starts.append((start + len(raw) - len(rest), rest))
    # Looking for gaps word by word takes longer than all else: only where a quick look, or a neighbour, suggests one.
    width = median(map(_width, lines)) if lines else 0.0
    uprights = {angle: _uprights(rules, angle) for angle in {line.angle for line in lines}}
    through = [_through(line, uprights[line.angle]) for line in lines]
    likely = [
        index
        for index, line in enumerate(lines)
        if line.bold
        or through[index]
        or len(line.text) < _FEW
        or _width(line) > _AIRY * width
        or probe.has_gap(*starts[index], line.height)
    ]
    measured = dict.fromkeys(likely, WIDE_GAP)
    while likely:
        index = likely.pop()
        line, (start, raw) = lines[index], starts[index]
        if line.readable and (cells := probe.cells(raw, start, line, measured[index], through[index])):
            lines[index] = replace(line, cells=cells)
            near = [i for i in (index - 1, index + 1) if 0 <= i < len(lines) and i not in measured]
            measured |= dict.fromkeys(near, _GAP_BESIDE_ROW)
            likely.extend(near)
    return lines


def _uprights(rules: Sequence[Rule], angle: float) -> list[Rule]:
    return [rule for rule in turned(rules, angle) if not rule.is_level]


def _through(line: Line, uprights: Sequence[Rule]) -> tuple[float, ...]:
    """Where upright rules go through a line."""
    y = line.base + 0.25 * line.height
    return tuple(rule.at for rule in uprights if line.left < rule.at < line.right and rule.low < y < rule.high)


def line_of(raw: str, left: float, right: float, base: float, height: float) -> Line:
    """A level line of which no more is known than its text and place."""
    marker, text = _without_marker(clean(raw))
    hyphenated = text.endswith(("-", "\u2010")) and text[-2:-1].isalnum()
    return Line(text[:-1] if hyphenated else text, left, right, base, height, 0.0, False, False, marker, hyphenated)


def _width(line: Line) -> float:
    """The mean width of the line's characters as a part of its height."""
    return (line.right - line.left) / (max(1, len(line.text)) * line.height)


class _Probe:
    """Measures characters of one page."""

    def __init__(self, textpage: PdfTextPage, length: int) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium: Any = pdfium
        self._page = textpage
        self._last: int = max(0, textpage.count_chars() - 1)
        # Where PDFium left signs out, positions in the text are not those on the page. (Its own way back,
        # GetCharIndexFromTextIndex, is off by one behind each such sign.)
        self._places: list[int] = []
        if length != self._last + 1:
            to_text = pdfium.FPDFText_GetTextIndexFromCharIndex
            self._places = [i for i in range(self._last + 1) if to_text(textpage, i) >= 0]
        self._x, self._y, self._top, self._right = (ctypes.c_double() for _ in range(4))
        self._box = pdfium.FS_RECTF()
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()

    def is_unnamed(self, position: int) -> bool:
        """Whether PDFium left out a sign without a name, which is what most bullets are, right before a position."""
        if not self._places:
            return False
        index = self._index(position)
        before = range(max(0, index - 2), index)
        return any(self._pdfium.FPDFText_HasUnicodeMapError(self._page, i) == 1 for i in before)

    def line(self, raw: str, start: int, hyphenated: bool, marker: str, rest: str) -> Line:
        first, last = self._index(start), self._index(start + len(raw) - 1)
        middle = self._index(start + len(raw) // 2)
        angle = turn(self._pdfium.FPDFText_GetCharAngle(self._page, middle))
        measures = [self._measure(index, angle) for index in (first, middle, last)]
        height = sorted(m[3] for m in measures)[1]
        looks = [self._look(index) for index in (first, middle, last)]
        bold = all(look[0] for look in looks)
        monospaced = sum(look[1] for look in looks) >= 2
        seen = raw.replace(" ", "")
        readable = len(_NO_CHARACTER.findall(seen)) <= max(1, _MAX_NO_CHARACTER_SHARE * len(seen))
        text = clean(rest)
        if text.endswith(("-", "\u2010")) and text[-2:-1].isalnum():
            text, hyphenated = text[:-1], True
        hyphenated = hyphenated or self._is_soft_hyphen(last + 1)
        left, right, base = measures[0][0], measures[2][1], sorted(m[2] for m in measures)[1]
        runs = (self._run(start + len(raw) - len(rest), start + len(raw)),)
        return Line(text, left, right, base, height, angle, bold, monospaced, marker, hyphenated, readable, runs=runs)

    def _is_soft_hyphen(self, index: int) -> bool:
        """Whether that character is one, which PDFium leaves out of the text, and often gives no code."""
        if index > self._last or self._pdfium.FPDFText_GetUnicode(self._page, index) not in (0, _SOFT_HYPHEN):
            return False
        return bool(self._pdfium.FPDFText_HasUnicodeMapError(self._page, index) == 0)

    def _run(self, start: int, end: int) -> Run:
        """The characters from a position in the page's text up to another."""
        return self._index(start), self._index(end - 1)

    def _index(self, position: int) -> int:
        """The number on the page of the character at a position in the page's text."""
        if self._places:
            return self._places[min(position, len(self._places) - 1)]
        return min(position, self._last)

    def _measure(self, index: int, angle: float) -> tuple[float, float, float, float]:
        """Left, right, baseline and height of a character's box, turned so that its line runs from left to right."""
        self._pdfium.FPDFText_GetCharOrigin(self._page, index, self._x, self._y)
        self._pdfium.FPDFText_GetLooseCharBox(self._page, index, self._box)
        x, y, box = self._x.value, self._y.value, self._box
        if not all(map(math.isfinite, (x, y, box.left, box.right, box.top, box.bottom))):
            return 0.0, 0.0, 0.0, _LEAST_HEIGHT
        if not angle:
            return box.left, box.right, y, max(_LEAST_HEIGHT, box.top - box.bottom)
        along, across = math.cos(angle), math.sin(angle)
        corners = [cx * along + cy * across for cx in (box.left, box.right) for cy in (box.top, box.bottom)]
        heights = [cy * along - cx * across for cx in (box.left, box.right) for cy in (box.top, box.bottom)]
        return min(corners), max(corners), y * along - x * across, max(_LEAST_HEIGHT, max(heights) - min(heights))

    def _look(self, index: int) -> tuple[bool, bool]:
        """Whether a character is bold, and whether its font is monospaced."""
        self._name.value = b""
        self._pdfium.FPDFText_GetFontInfo(self._page, index, self._name, len(self._name), self._flags)
        name = self._name.value.decode("ascii", "replace")
        heavy = self._pdfium.FPDFText_GetFontWeight(self._page, index) >= _BOLD_WEIGHT
        return heavy or bool(_BOLD.search(name)), bool(_MONOSPACED.search(name))

    def has_gap(self, start: int, raw: str, height: float) -> bool:
        """Whether there is a wide gap between the pieces that the file writes the line in."""
        first, last = self._index(start), self._index(start + len(raw) - 1)
        edge = math.inf
        for number in range(self._pdfium.FPDFText_CountRects(self._page, first, last - first + 1)):
            self._pdfium.FPDFText_GetRect(self._page, number, self._x, self._top, self._right, self._y)
            if self._x.value - edge > WIDE_GAP * height:
                return True
            edge = self._right.value
        return False

    def cells(self, raw: str, start: int, line: Line, wide_gap: float, rules: Sequence[float] = ()) -> tuple[Cell, ...]:
        """The line cut at its wide gaps and at `rules`; nothing when there are none. Gaps of one width, if it is no
        great one, are the spaces of a line that was stretched to the width of its column."""
        angle, height = line.angle, line.height
        gaps = []
        for space in _SPACES.finditer(raw):
            before = self._measure(self._index(start + space.start() - 1), angle)[1]
            after = self._measure(self._index(start + space.end()), angle)[0]
            gaps.append((after - before, before, after, space))
        wide = [gap for gap in gaps if gap[0] > wide_gap * height]
        least, most = min(gap[0] for gap in gaps) if gaps else 0.0, max(gap[0] for gap in gaps) if gaps else 0.0
        if len(gaps) > 1 and most - least < _EVEN * height and most < _STRETCHED * height:
            wide = []
        if rules:
            wide = [gap for gap in gaps if gap in wide or any(gap[1] - _EDGE < x < gap[2] + _EDGE for x in rules)]
        if not wide:
            return ()
        cells = []
        begin = 0
        left = self._measure(self._index(start), angle)[0]
        for _, before, after, space in wide:
            run = self._run(start + begin, start + space.start())
            cells.append(Cell(clean(raw[begin : space.start()]), left, before, (run,)))
            begin, left = space.end(), after
        run = self._run(start + begin, start + len(raw))
        cells.append(Cell(clean(raw[begin:]), left, self._measure(run[1], angle)[1], (run,)))
        if _ITEM_NUMBER.fullmatch(cells[0].text):  # a number stands with what it counts
            number = cells.pop(0)
            text = f"{number.text} {cells[0].text}"
            cells[0] = Cell(text, number.left, cells[0].right, number.runs + cells[0].runs)
        return tuple(cell for cell in cells if cell.text) if len(cells) > 1 else ()


def turn(clockwise: float) -> float:
    """The angle of a line, anticlockwise from level, from PDFium's, which goes the other way and is negative where it
    does not know; quarters of a turn are exact, others rounded."""
    if clockwise < 0 or math.isnan(clockwise):
        return 0.0
    quarters = clockwise / (math.pi / 2)
    if abs(quarters - round(quarters)) < _EXACT:
        return -round(quarters) % 4 * (math.pi / 2)
    return round(math.tau - clockwise, 2)


def _without_marker(raw: str) -> tuple[str, str]:
    """The bullet at the head of a line, "" when there is none, and the rest. Symbol fonts name their bullets with
    characters that mean nothing elsewhere."""
    match = _MARKER.match(raw)
    if not match:
        return "", raw
    sign = match[1] if match[1].isprintable() and not _NO_CHARACTER.match(match[1]) else "•"
    return sign, raw[match.end() :]


def clean(text: str) -> str:
    """Without signs that are not text, ligatures spelt out, and single spaces."""
    return " ".join(_UNSEEN.sub("", text.translate(_LIGATURES)).split())
