"""What holds for every document, whatever it was read from."""

from __future__ import annotations

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.records import BLOCK_KINDS, Document

TEXT, MARKDOWN, HTML, PDF = "text/plain", "text/markdown", "text/html", "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def assert_lawful(document: Document) -> None:
    """Blocks are in order, do not overlap, lie within the text and are not framed by white space; a byte order mark is
    in none of them; nothing in the document cannot be stored."""
    at = 0
    for block in document.blocks:
        assert at <= block.start < block.end <= len(document.text)
        quote = document.text[block.start : block.end]
        assert quote == quote.strip()
        assert block.kind in BLOCK_KINDS
        assert all(isinstance(heading, str) and heading.strip() for heading in block.locator.heading)
        at = block.end
    assert not document.text.startswith("\ufeff") or document.blocks[0].start > 0
    document.text.encode("utf-8")
    document.title.encode("utf-8")
    assert document.blocks
    assert document.title == " ".join(document.title.split())
    assert all(isinstance(problem, str) and problem for problem in document.problems)


def read(data: bytes | str, media_type: str, limits: Limits | None = None) -> Document:
    """The document, once it has been held against the laws."""
    data = data.encode("utf-8") if isinstance(data, str) else data
    document = parse(data, media_type, limits or Limits())
    assert_lawful(document)
    assert document.media_type == media_type
    return document


def read_or_reason(data: bytes, media_type: str) -> Document | UnreadableFile:
    """The lawful document, or why there is none; anything else that is raised fails the test."""
    try:
        return read(data, media_type)
    except UnreadableFile as error:
        assert error.what
        return error


def blocks(document: Document) -> list[tuple[str, str]]:
    """The kind and text of each block."""
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def quotes(document: Document, kind: str) -> list[str]:
    """The texts of the blocks of one kind."""
    return [text for found, text in blocks(document) if found == kind]


def heading_of(document: Document, quote: str) -> tuple[str, ...]:
    """The heading path of the block that holds `quote`."""
    return next(block.locator.heading for block in document.blocks if quote in document.text[block.start : block.end])
