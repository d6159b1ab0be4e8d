"""A PDF file opened by PDFium."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats.limits import Limits

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

DAMAGED = "Does it open in another program? If so, save it anew from there."

# PDFium keeps global state: one thread at a time.
_lock = threading.Lock()


@contextmanager
def opened(data: bytes, limits: Limits) -> Iterator[PdfDocument]:
    """The file, for the length of the block, and PDFium for this thread alone. Raises UnreadableFile when it is
    protected, damaged, without pages, or has more of them than the limits allow."""
    import pypdfium2 as pdfium
    import pypdfium2.raw as pdfium_c

    log = logging.getLogger("pypdfium2")
    if not log.handlers:  # else its warnings would be printed where no one has set up logging
        log.addHandler(logging.NullHandler())
    with _lock:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
                raise UnreadableFile("is protected by a password", "Save a copy without one.") from None
            raise UnreadableFile("is damaged: not a whole PDF file", DAMAGED) from error
        try:
            count = len(document)
            if count > limits.max_pages:
                raise UnreadableFile(f"has {count:,} pages; at most {limits.max_pages:,} are read", "Split it.")
            if not count:
                raise UnreadableFile("is damaged: it has no pages", DAMAGED)
            yield document
        finally:
            document.close()
