"""The text of a PDF page that no reader sees: off the page, without ink, too small, or in the colour of what is behind.

PDFium is told to leave it out (the objects that hold it are made inactive); everything else stays as it was.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qa.formats.pdf_objects import IDENTITY, Matrix, matrix_of, objects_of, product

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

OFF_THE_PAGE, TINY, WITHOUT_INK, UNSEEN_COLOUR = (
    "off the page",
    "tiny",
    "without ink",
    "in the colour of its background",
)

_MIN_SIZE = 1.0  # points; print is hardly ever below 4
_MIN_ALPHA = 13  # of 255
# Text at least so light is looked at in two pictures of the page, with and without it. It is seen if they differ by so
# much of 255 anywhere. (Dark text on a dark ground is not looked for: it would take two pictures of every page.)
_LIGHT, _LEAST_DIFFERENCE = 224, 16
_MAX_PIXELS, _MAX_SCALE = 1_600, 1.0
_FILLED = (0, 4)  # text rendering modes, ISO 32000-1, table 106
_INVISIBLE = 3


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle on the page, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.bottom <= y <= self.top


def leave_out(page: PdfPage) -> tuple[str, ...]:
    """Make the text that no reader sees inactive; the ways in which it was hidden, if there was any."""
    return _Page(page).leave_out()


class _Page:
    def __init__(self, page: PdfPage) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium: Any = pdfium
        self._page = page
        self._box = _Box(*page.get_bbox())
        self._floats = [ctypes.c_float() for _ in range(4)]
        self._colours = [ctypes.c_uint() for _ in range(4)]
        self._size = ctypes.c_float()

    def leave_out(self) -> tuple[str, ...]:
        """See `leave_out`."""
        texts: list[tuple[Any, Matrix]] = []
        images: list[_Box] = []
        for thing, place in objects_of(self._page):
            kind = self._pdfium.FPDFPageObj_GetType(thing)
            if kind == self._pdfium.FPDF_PAGEOBJ_TEXT:
                texts.append((thing, place))
            elif kind == self._pdfium.FPDF_PAGEOBJ_IMAGE and (box := self._bounds(thing, place)):
                images.append(box)
        hidden: dict[str, list[Any]] = {}
        light: list[tuple[Any, _Box]] = []
        for thing, place in texts:
            if not (box := self._bounds(thing, place)):
                continue  # a space
            if how := self._how_hidden(thing, place, box, images):
                hidden.setdefault(how, []).append(thing)
            elif self._is_light(thing) and box.meets(self._box):
                light.append((thing, box))
        if light and (unseen := self._unseen(light)):
            hidden[UNSEEN_COLOUR] = unseen
        ways = tuple(how for how, things in hidden.items() if self._has_words(things))
        for things in hidden.values():
            self._switch(things, False)
        return ways

    def _bounds(self, thing: Any, place: Matrix) -> _Box | None:
        """Where an object stands on the page; None for one without extent."""
        if not self._pdfium.FPDFPageObj_GetBounds(thing, *self._floats):
            return None
        left, bottom, right, top = (each.value for each in self._floats)
        if not all(map(math.isfinite, (left, bottom, right, top))) or left == right or bottom == top:
            return None
        if place is IDENTITY:
            return _Box(left, bottom, right, top)
        a, b, c, d, e, f = place
        across = [a * x + c * y + e for x in (left, right) for y in (bottom, top)]
        upwards = [b * x + d * y + f for x in (left, right) for y in (bottom, top)]
        return _Box(min(across), min(upwards), max(across), max(upwards))

    def _how_hidden(self, thing: Any, place: Matrix, box: _Box, images: list[_Box]) -> str:
        if not box.meets(self._box):
            return OFF_THE_PAGE
        mode = self._pdfium.FPDFTextObj_GetTextRenderMode(thing)
        middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
        if mode == _INVISIBLE:
            # Text recognition lays what it read over the picture that it read.
            return "" if any(image.holds(*middle) for image in images) else WITHOUT_INK
        if mode in _FILLED and self._has_fill(thing) and self._colours[3].value < _MIN_ALPHA:
            return WITHOUT_INK
        # Both, for fonts may be drawn to any scale of their own.
        if min(box.top - box.bottom, box.right - box.left) < _MIN_SIZE and self._font_size(thing, place) < _MIN_SIZE:
            return TINY
        return ""

    def _has_fill(self, thing: Any) -> bool:
        return bool(self._pdfium.FPDFPageObj_GetFillColor(thing, *self._colours))

    def _is_light(self, thing: Any) -> bool:
        is_filled = self._pdfium.FPDFTextObj_GetTextRenderMode(thing) in _FILLED and self._has_fill(thing)
        return is_filled and min(each.value for each in self._colours[:3]) >= _LIGHT

    def _font_size(self, thing: Any, place: Matrix) -> float:
        if not self._pdfium.FPDFTextObj_GetFontSize(thing, self._size):
            return math.inf
        a, b, c, d, _, _ = product(matrix_of(thing), place)
        return abs(self._size.value) * math.sqrt(abs(a * d - b * c))

    def _unseen(self, light: list[tuple[Any, _Box]]) -> list[Any]:
        """Those of some texts without which the page looks the same."""
        from pypdfium2 import PdfiumError

        things = [thing for thing, _ in light]
        scale = min(_MAX_SCALE, _MAX_PIXELS / max(1.0, *self._page.get_size()))
        try:
            before, width, height, stride = self._picture(scale)
            self._switch(things, False)
            after, *_ = self._picture(scale)
        except PdfiumError:
            return []  # a page of no width, or the like
        finally:
            self._switch(things, True)
        unseen = []
        for thing, box in light:
            left, top, right, bottom = self._pixels(box, width, height)
            rows = (slice(row * stride + left, row * stride + right) for row in range(top, bottom))
            if not any(
                before[row] != after[row]
                and max(abs(one - other) for one, other in zip(before[row], after[row], strict=True))
                > _LEAST_DIFFERENCE
                for row in rows
            ):
                unseen.append(thing)
        return unseen

    def _picture(self, scale: float) -> tuple[bytes, int, int, int]:
        """The page in shades of grey, a byte each, row by row; its width, height, and bytes in a row."""
        bitmap = self._page.render(scale=scale, grayscale=True, may_draw_forms=False, draw_annots=False)
        try:
            return bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride
        finally:
            bitmap.close()

    def _pixels(self, box: _Box, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a box in a picture of the page, a pixel wider all around."""
        x, y = ctypes.c_int(), ctypes.c_int()
        found = []
        for corner in ((box.left, box.bottom), (box.right, box.top)):
            self._pdfium.FPDF_PageToDevice(self._page, 0, 0, width, height, 0, *corner, x, y)
            found.append((x.value, y.value))
        across, down = zip(*found, strict=True)
        return max(0, min(across) - 1), max(0, min(down) - 1), min(width, max(across) + 2), min(height, max(down) + 2)

    def _switch(self, things: list[Any], is_active: bool) -> None:
        for thing in things:
            self._pdfium.FPDFPageObj_SetIsActive(thing, is_active)

    def _has_words(self, things: list[Any]) -> bool:
        """Whether any of the texts has a letter or digit."""
        textpage = self._page.get_textpage()
        try:
            for thing in things:
                size = self._pdfium.FPDFTextObj_GetText(thing, textpage, None, 0)
                buffer = ctypes.create_string_buffer(size + 2)
                self._pdfium.FPDFTextObj_GetText(
                    thing, textpage, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size
                )
                if any(sign.isalnum() for sign in buffer.raw[:size].decode("utf-16-le", "replace")):
                    return True
            return False
        finally:
            textpage.close()
