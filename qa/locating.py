"""Where in a document a code point stands."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from qa.records import Block, Document, Locator, Span


def locator(document: Document, start: int) -> Locator:
    """Where code point `start` stands, by the block that holds it, or else the last that began before."""
    found = block(document, start)
    return Locator() if found is None else place_in(found, start)


def block(document: Document, start: int) -> Block | None:
    """The block that holds code point `start`, or else the last that began before; None before all of them."""
    position = bisect_right(document.blocks, start, key=lambda block: block.start) - 1
    return document.blocks[position] if position >= 0 else None


def place_in(block: Block, start: int) -> Locator:
    """Where code point `start` stands, which the block holds: of one that goes over to further pages, on which."""
    return next((turn.locator for turn in reversed(block.turns) if turn.start <= start), block.locator)


def overlapping(document: Document, span: Span) -> Sequence[Block]:
    """The blocks that share text with a span, in order."""
    first = bisect_right(document.blocks, span.start, key=lambda block: block.end)
    return document.blocks[first : bisect_left(document.blocks, span.end, key=lambda block: block.start)]


def stretches(block: Block) -> list[tuple[Span, Locator]]:
    """The parts of a block that stand at one place each, in order: all of it, where it does not go over to others."""
    begins = [(block.start, block.locator), *((turn.start, turn.locator) for turn in block.turns)]
    ends = [*(turn.start for turn in block.turns), block.end]
    return [(Span(start, end), place) for (start, place), end in zip(begins, ends, strict=True)]


def pages(document: Document, span: Span) -> list[int]:
    """The numbers of the pages that a span is on, in order."""
    return sorted(
        {
            place.page
            for block in overlapping(document, span)
            for part, place in stretches(block)
            if place.page is not None and part.start < span.end and span.start < part.end
        }
    )
