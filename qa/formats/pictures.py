"""Pictures of text: photographs of pages and scans, read where text recognition is asked for."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import ocr, pdf
from qa.formats.limits import Limits
from qa.records import Document

if TYPE_CHECKING:
    from collections.abc import Callable

PNG, JPEG, TIFF = "image/png", "image/jpeg", "image/tiff"
TYPES = (PNG, JPEG, TIFF)

_LIBRARY_NAMES = {PNG: "PNG", JPEG: "JPEG", TIFF: "TIFF"}
_MAX_PIXELS = 120_000_000
"""A page of A3 at 600 dots per inch has 70 million."""


def read_as(media_type: str) -> Callable[[bytes, Limits], Document]:
    """The reader for pictures of this type; each page of a TIFF file is one of the document."""

    def read(data: bytes, limits: Limits) -> Document:
        from PIL import Image, ImageOps

        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None  # checked below, with words of its own
        with Image.open(io.BytesIO(data), formats=[_LIBRARY_NAMES[media_type]]) as picture:
            count = getattr(picture, "n_frames", 1)
            pages = []
            for index in range(min(count, limits.max_ocr_pages)):
                picture.seek(index)
                if picture.width * picture.height > _MAX_PIXELS:
                    raise UnreadableFile(
                        f"is a picture of more than {_MAX_PIXELS // 1_000_000:,} million pixels",
                        "Save a smaller copy: 200 dots per inch are enough to read text.",
                    )
                picture.draft("RGB", (ocr.MAX_SIDE, ocr.MAX_SIDE))  # a JPEG need not be unpacked in full
                pages.append(ocr.lines_in(ImageOps.exif_transpose(picture), index + 1, count))
        return pdf.of_pictures(pages, count, media_type, limits)

    return read
