"""How much of one file is read, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file. A file beyond any of them is reported as unreadable, never cut short unseen.

    `max_file_bytes`: a file is read whole into memory, and so is what it unpacks to; 256 MiB leaves room for both on
    a laptop. `max_markup_bytes` and `max_tags`: HTML, and the XML inside office files, takes some ten times its size
    as a tree, and up to 1 kB for each tag, however short.
    `max_chars` counts code points of canonical text: twenty million are some forty thousand pages, and one document
    is held in memory several times over while it is indexed. `max_blocks`: a real document has a block for every
    fifty characters at least; a million of them already take 250 MB. `max_pages`: the longest real files have a few
    thousand pages; a damaged or hostile one can claim millions.
    `max_seconds` is wall time, and as much of one core: PDF, the slowest of the formats, is read at some 600 full
    pages a second. `max_memory_bytes` is what the process that reads may take.
    `max_ocr_pages`: how many pages of a file that are pictures are read by text recognition; none where it was not
    asked for. `max_page_seconds` is what each of them may take on top.
    """

    max_file_bytes: int = 256 * 1024 * 1024
    max_markup_bytes: int = 64 * 1024 * 1024
    max_tags: int = 1_500_000
    max_chars: int = 20_000_000
    max_blocks: int = 1_000_000
    max_pages: int = 20_000
    max_seconds: float = 30.0
    max_memory_bytes: int = 512 * 1024 * 1024
    max_ocr_pages: int = 0
    max_page_seconds: float = 60.0
