"""What holds for every document, whatever it was read from."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import PurePosixPath

from qa.answers import label
from qa.errors import UnreadableFile
from qa.formats import READERS, Limits, parse
from qa.records import BLOCK_KINDS, PLACE_KINDS, Block, Document, Source

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
        starts = [block.start, *(turn.start for turn in block.turns), block.end]
        assert starts == sorted(set(starts))
        assert all(isinstance(heading, str) and heading.strip() for heading in block.locator.heading)
        assert bool(block.locator.place) == bool(block.locator.kind)
        assert block.locator.kind in ("", *PLACE_KINDS)
        assert block.locator.place == " ".join(block.locator.place.split())
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
        assert error.what and error.remedy
        return error


def blocks(document: Document) -> list[tuple[str, str]]:
    """The kind and text of each block."""
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def quotes(document: Document, kind: str) -> list[str]:
    """The texts of the blocks of one kind."""
    return [text for found, text in blocks(document) if found == kind]


def block_of(document: Document, quote: str) -> Block:
    """The only block that holds `quote`."""
    (found,) = [block for block in document.blocks if quote in document.text[block.start : block.end]]
    return found


def place_of(document: Document, quote: str, name: str) -> str:
    """The place of the only block that holds `quote`, as a citation of the file `name` labels it."""
    source = Source("d_0", f"folder/{name}", document.title, document.media_type, "0", 1, 1)
    words = label(source, block_of(document, quote).locator)
    assert words.startswith(PurePosixPath(name).name)
    return words


MOST_SECONDS_OF_A_MUTANT = 10.0


def mutants(data: bytes, number: int, seed: int = 1) -> Iterator[bytes]:
    """Ways in which a file gets damaged: cut short, bytes changed, a stretch lost or doubled, its first bytes those of
    something else."""
    dice = random.Random(seed)
    heads = [
        b"PK\x03\x04",
        b"%PDF-1.7",
        b"{\\rtf1",
        bytes.fromhex("d0cf11e0a1b11ae1"),
        b"<?xml",
        b"\x1f\x8b",
        b"\xff\xfe",
    ]
    for turn in range(number):
        copy = bytearray(data)
        at, size = dice.randrange(len(copy)), 1 + dice.randrange(max(1, len(copy) // 4))
        if turn % 5 == 0:
            del copy[at:]
        elif turn % 5 == 1:
            for _ in range(1 + dice.randrange(20)):
                copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
        elif turn % 5 == 2:
            del copy[at : at + size]
        elif turn % 5 == 3:
            copy[at:at] = copy[at : at + size]
        else:
            head = dice.choice(heads)
            copy[: len(head)] = head
        yield bytes(copy)


def assert_outlives_mutants(data: bytes, media_type: str, number: int = 50) -> None:
    """Whatever happens to a file, it is read lawfully or refused with a reason, in bounded time; so is it by the reader
    of any other format, as when it is renamed."""
    for mutant in mutants(data, number):
        before = time.thread_time()
        read_or_reason(mutant, media_type)
        assert time.thread_time() - before < MOST_SECONDS_OF_A_MUTANT
    for other in READERS:
        read_or_reason(data, other)


def heading_of(document: Document, quote: str) -> tuple[str, ...]:
    """The heading path of the block that holds `quote`."""
    return next(block.locator.heading for block in document.blocks if quote in document.text[block.start : block.end])
