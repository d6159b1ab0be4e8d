"""Where a span of a PDF's text stands on its pages.

The file is read anew, in the same way as when its text was made, and every letter of the span is followed to the shape
that it came from. Where that fails, or other letters stand among those shapes, nothing is marked.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qa.errors import UnreadableFile
from qa.formats.limits import Limits
from qa.formats.pdf import read_with_paragraphs
from qa.formats.pdf_file import opened
from qa.formats.pdf_hidden import leave_out
from qa.formats.pdf_lines import clean, text_of, turn
from qa.formats.pdf_paragraphs import Paragraph
from qa.formats.pdf_turns import Part
from qa.records import Box, MarkedPage, Places

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

MAX_PAGES = 8
"""Of a span that goes over more, the first are marked."""

_READ_OTHERWISE = "the file is read otherwise than when it was indexed; index it anew"
_SPELT_OTHERWISE = "the letters on the page do not spell it"
_AMONG_OTHERS = "other letters stand among its own"
_UNSEEN = "it is not within the page as shown"

# What reading puts between the words of a line, and what it takes out: hyphens, leaders, the borders of cells, the
# bullets of a list in one.
_PUT_IN, _TAKEN_OUT = frozenset("-|…•"), frozenset("-\u2010.…")

# Multiples of a letter's height: how far apart letters of one run stand at most; how near the same letter stands that
# is drawn twice, as bold.
_MAX_GAP, _TWICE = 1.5, 0.4
_SAME_LINE = 0.5
# A font's box that is no line's height: multiples of its size.
_LOW, _HIGH = 0.6, 1.6
_STEPS = 1_000_000


def places(data: bytes, start: int, end: int, text_sha256: str, limits: Limits) -> Places:
    """Where `[start, end)` of the text, whose UTF-8 has that hash, stands. Raises UnreadableFile as reading does."""
    document, wholes = read_with_paragraphs(data, limits)
    if hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest() != text_sha256:
        return Places((), _READ_OTHERWISE)
    with opened(data, limits) as file:
        sheets = _Sheets(file)
        found: dict[int, list[int]] = {}
        try:
            for block, parts in zip(document.blocks, wholes, strict=True):
                if not (block.start < end and start < block.end) or len(found) > MAX_PAGES:
                    continue
                within = range(max(start, block.start) - block.start, min(end, block.end) - block.start)
                for number, letter in _letters(
                    sheets, document.text[block.start : block.end], block.kind, parts, within
                ):
                    found.setdefault(number, []).append(letter)
            return Places(
                tuple(MarkedPage(number, sheets[number].boxes(found[number])) for number in sorted(found)[:MAX_PAGES])
            )
        except _Doubt as doubt:
            return Places((), str(doubt))


class _Doubt(Exception):
    """Why a place is not sure."""


class _Sheets(dict[int, "_Sheet"]):
    """The pages of a file by their numbers, each from when it is first asked for."""

    def __init__(self, file: PdfDocument) -> None:
        super().__init__()
        self._file = file

    def __missing__(self, number: int) -> _Sheet:
        from pypdfium2 import PdfiumError

        try:
            page = self._file[number - 1]
            leave_out(page)
            self[number] = _Sheet(page)
        except PdfiumError as error:
            raise UnreadableFile(f"is damaged: page {number} cannot be read") from error
        return self[number]


def _letters(sheets: _Sheets, text: str, kind: str, parts: Sequence[Part], within: range) -> Iterator[tuple[int, int]]:
    """The numbers of the pages and of the letters on them that are `within` the text of a block, made of `parts`.
    Raises _Doubt when the letters of these do not spell the text."""
    first = parts[0].paragraph
    # The number of a list item stands on the page, and before the block's text.
    number = first.marker if kind == "item" and not first.lines[0].marker else ""
    told = [(sign, -1) for sign in "".join(clean(number).split())]
    names = parts[0].paragraph.put_in
    told += [(sign, at) for at, sign in enumerate(text) if not sign.isspace() and not any(at in name for name in names)]
    drawn = [(sign, part.page, index) for part in parts for sign, index in sheets[part.page].drawn(part.paragraph)]
    place = 0
    for sign, at in told:
        while place < len(drawn) and drawn[place][0] != sign and sign not in _PUT_IN and drawn[place][0] in _TAKEN_OUT:
            place += 1
        if place < len(drawn) and drawn[place][0] == sign:
            if at in within:
                yield drawn[place][1:]
            place += 1
        elif sign not in _PUT_IN:
            raise _Doubt(_SPELT_OTHERWISE)


@dataclass(frozen=True, slots=True)
class _Letter:
    """A shape on the page, or a run of them: the box around it in points, turned by `angle` so that its line runs from
    left to right. The line goes from `low` to `high`, and stands on `base`; `font` is a name and a size."""

    sign: str
    left: float
    bottom: float
    right: float
    top: float
    low: float
    high: float
    angle: float
    base: float
    font: tuple[bytes, float] = (b"", 0.0)

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def follows(self, run: _Letter) -> bool:
        """Whether it stands beside a run of letters, in the same line."""
        if self.angle != run.angle or self.angle % (math.pi / 2):
            return False
        least = min(self.high - self.low, run.high - run.low)
        gap = max(self.left - run.right, run.left - self.right)
        return min(self.high, run.high) - max(self.low, run.low) >= _SAME_LINE * least and gap <= _MAX_GAP * least

    def joined(self, other: _Letter) -> _Letter:
        return _Letter(
            self.sign + other.sign,
            min(self.left, other.left),
            min(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
            min(self.low, other.low),
            max(self.high, other.high),
            self.angle,
            self.base,
        )

    def holds(self, other: _Letter) -> bool:
        """Whether the middle of another letter is within this box."""
        x, y = _turned(*_turned(*other.middle, other.angle), -self.angle)
        return self.left < x < self.right and self.bottom < y < self.top

    def repeats(self, other: _Letter) -> bool:
        """Whether it is the same letter at nearly the same place, as where one is drawn twice to look bold."""
        (x, y), (u, v) = self.middle, other.middle
        near = math.hypot(x - u, y - v) < _TWICE * (self.high - self.low)
        return near and (self.sign, self.angle) == (other.sign, other.angle)


class _Sheet:
    """The letters of one page, by their numbers on it."""

    def __init__(self, page: PdfPage) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium: Any = pdfium
        self._page = page
        rotation = page.get_rotation()
        self._text = text_of(page)
        page.set_rotation(rotation)  # as it is shown
        self._loose, self._matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
        self._tight = [ctypes.c_double() for _ in range(4)]
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._name, self._flags = ctypes.create_string_buffer(128), ctypes.c_int()

    def drawn(self, paragraph: Paragraph) -> Iterator[tuple[str, int]]:
        """The signs of a paragraph of this page as they are drawn, each with the number of its letter."""
        for first, last in paragraph.runs:
            for index in range(first, last + 1):
                for sign in "".join(clean(self._sign(index)).split()):
                    yield sign, index

    def boxes(self, indices: Sequence[int]) -> tuple[Box, ...]:
        """A box around each run of these letters. Raises _Doubt when other letters stand within."""
        named = (index for index in range(self._text.count_chars()) if self._sign(index).isalnum())
        all_named = {index: letter for index in named if (letter := self._letter(index))}
        chosen = dict.fromkeys(indices)
        letters = [letter for index in chosen if (letter := all_named.get(index) or self._letter(index))]
        others = [letter for index, letter in all_named.items() if index not in chosen]
        runs = _runs(_as_high_as_their_font(letters, all_named.values()), others)
        boxes = tuple(box for run in runs if (box := self._shown(run)))
        if not boxes:
            raise _Doubt(_UNSEEN)
        return boxes

    def _sign(self, index: int) -> str:
        code = self._pdfium.FPDFText_GetUnicode(self._text, index)
        return chr(code) if 0 < code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else ""

    def _letter(self, index: int) -> _Letter | None:
        """None for what takes no room."""
        pdfium = self._pdfium
        pdfium.FPDFText_GetLooseCharBox(self._text, index, self._loose)
        pdfium.FPDFText_GetCharBox(self._text, index, *self._tight)
        left, right, bottom, top = (each.value for each in self._tight)
        angle = turn(pdfium.FPDFText_GetCharAngle(self._text, index))
        box = self._loose
        loose = _upright(box.left, box.bottom, box.right, box.top, angle)
        tight = _upright(left, bottom, right, top, angle)
        if not all(map(math.isfinite, (*loose, *tight))):
            return None
        size = self._size(index)
        if tight[2] <= tight[0] or tight[3] <= tight[1]:
            tight = loose
        if tight[2] <= tight[0] or tight[3] <= tight[1]:
            return None
        is_line = _LOW * size <= loose[3] - loose[1] <= _HIGH * size
        low, high = (loose[1], loose[3]) if is_line else (tight[1], tight[3])
        pdfium.FPDFText_GetCharOrigin(self._text, index, self._x, self._y)
        _, base = _turned(self._x.value, self._y.value, -angle)
        self._name.value = b""
        pdfium.FPDFText_GetFontInfo(self._text, index, self._name, len(self._name), self._flags)
        return _Letter(self._sign(index), *tight, low, high, angle, base, (self._name.value, round(size, 2)))

    def _size(self, index: int) -> float:
        """The size of a letter's font on the page, in points."""
        if not self._pdfium.FPDFText_GetMatrix(self._text, index, self._matrix):
            return 0.0
        matrix = self._matrix
        scale = math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c))
        return float(self._pdfium.FPDFText_GetFontSize(self._text, index)) * scale

    def _shown(self, run: _Letter) -> Box | None:
        """Where it is on the page as shown; None when that is nowhere."""
        x, y = ctypes.c_int(), ctypes.c_int()
        across, down = [], []
        for corner in ((run.left, run.bottom), (run.right, run.top)):
            self._pdfium.FPDF_PageToDevice(self._page, 0, 0, _STEPS, _STEPS, 0, *_turned(*corner, run.angle), x, y)
            across.append(min(max(x.value / _STEPS, 0.0), 1.0))
            down.append(min(max(y.value / _STEPS, 0.0), 1.0))
        box = Box(min(across), min(down), max(across), max(down))
        return box if box.left < box.right and box.top < box.bottom else None


def _as_high_as_their_font(letters: Iterable[_Letter], page: Iterable[_Letter]) -> list[_Letter]:
    """The letters, each box as high and as deep as those of its font go on this page."""
    reach: dict[tuple[bytes, float], tuple[float, float]] = {}
    for letter in page:
        depth, height = reach.get(letter.font, (0.0, 0.0))
        reach[letter.font] = min(depth, letter.bottom - letter.base), max(height, letter.top - letter.base)
    found = []
    for letter in letters:
        depth, height = reach.get(letter.font, (0.0, 0.0))
        bottom, top = min(letter.bottom, letter.base + depth), max(letter.top, letter.base + height)
        found.append(replace(letter, bottom=bottom, top=top))
    return found


def _runs(letters: Sequence[_Letter], others: Sequence[_Letter]) -> Iterator[_Letter]:
    """Letters that follow each other in a line as one; each by itself where others stand between them."""
    parts: list[list[_Letter]] = []
    run: _Letter | None = None
    for letter in letters:
        if run is not None and letter.follows(run):
            run = run.joined(letter)
            parts[-1].append(letter)
        else:
            run = letter
            parts.append([letter])
    for part in parts:
        whole = part[0]
        for letter in part[1:]:
            whole = whole.joined(letter)
        if not _intruders(whole, part, others):
            yield whole
            continue
        for letter in part:
            if _intruders(letter, part, others):
                raise _Doubt(_AMONG_OTHERS)
            yield letter


def _intruders(box: _Letter, own: Sequence[_Letter], others: Iterable[_Letter]) -> bool:
    return any(box.holds(other) and not any(letter.repeats(other) for letter in own) for other in others)


def _upright(left: float, bottom: float, right: float, top: float, angle: float) -> tuple[float, float, float, float]:
    """The box around a box, turned back by an angle."""
    if not angle:
        return left, bottom, right, top
    corners = [_turned(x, y, -angle) for x in (left, right) for y in (bottom, top)]
    across, upwards = zip(*corners, strict=True)
    return min(across), min(upwards), max(across), max(upwards)


def _turned(x: float, y: float, angle: float) -> tuple[float, float]:
    """A place, turned anticlockwise about the origin."""
    if not angle:
        return x, y
    along, across = math.cos(angle), math.sin(angle)
    return x * along - y * across, x * across + y * along
