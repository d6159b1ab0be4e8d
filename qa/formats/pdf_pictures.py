"""A page of a PDF as a picture."""

from __future__ import annotations

import io

from qa.errors import UnreadableFile
from qa.formats.limits import Limits
from qa.formats.pdf_file import DAMAGED, opened
from qa.records import Picture

# A4 at 170 pixels an inch: sharp at half a screen's width where a screen has two pixels for one, and as print.
MAX_SIDE_PIXELS = 2_000


def picture(data: bytes, number: int, limits: Limits) -> Picture:
    """Page `number`, from 1, as it is shown: turned and cropped, at most MAX_SIDE_PIXELS wide and high; in grey where
    it has no other colours. Raises UnreadableFile when it cannot be drawn, or there is none of that number."""
    from pypdfium2 import PdfiumError

    with opened(data, limits) as document:
        count = len(document)
        if not 1 <= number <= count:
            raise UnreadableFile(f"has no page {number}, but {count}", "Choose another.")
        try:
            page = document[number - 1]
            bitmap = page.render(scale=MAX_SIDE_PIXELS / max(page.get_size()), may_draw_forms=False)
        except (PdfiumError, ZeroDivisionError, OverflowError, ValueError) as error:
            raise UnreadableFile(f"is damaged: page {number} cannot be drawn", DAMAGED) from error
        shown = bitmap.to_pil().convert("RGB")
    grey = shown.convert("L")
    is_grey = grey.convert("RGB").tobytes() == shown.tobytes()
    png = io.BytesIO()
    (grey if is_grey else shown).save(png, "png")
    return Picture(shown.width, shown.height, count, png.getvalue())
