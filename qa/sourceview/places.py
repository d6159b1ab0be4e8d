"""Where something stands in a document, in words."""

from __future__ import annotations

from bisect import bisect_right

from qa.records import Block, Document, Locator, Span

_SECTIONS = frozenset(["slide", "message", "chapter", "cell", "cells"])
"""Kinds of places that hold many blocks, or begin something new, and stand above them as a small heading. Those of
other kinds stand beside their blocks."""


def block_at(document: Document, span: Span) -> Block | None:
    """The first block that shares text with `span`; None when there is none, or the span is not one of the text."""
    if not 0 <= span.start < span.end <= len(document.text):
        return None
    index = bisect_right(document.blocks, span.start, key=lambda block: block.end)
    if index == len(document.blocks) or document.blocks[index].start >= span.end:
        return None
    return document.blocks[index]


def place_in_words(locator: Locator) -> str:
    """Page, place, headings or line, as far as they are known: "p. iii, Part 1 › Funding"; "" when nothing is."""
    words = [page_name(locator)] if locator.page is not None or locator.place else []
    # A sheet, a chapter, a mail's attachment is the heading above its blocks, too.
    path = [name for name in locator.heading if locator.kind not in _SECTIONS or name not in section_name(locator)]
    if path:
        words.append(" › ".join(path))
    if not words and locator.line is not None:
        words.append(f"line {locator.line}")
    return ", ".join(words)


def section_name(locator: Locator) -> str:
    """The slide, sheet, message, chapter or notebook cell that a block belongs to; "" where there is none."""
    if locator.kind not in _SECTIONS:
        return ""
    return sheet_and_cells(locator)[0] if locator.kind == "cells" else locator.place


def margin_name(locator: Locator) -> str:
    """What stands beside a block: the page, the time of a subtitle, the row, the record, the lines of code."""
    if locator.kind == "cells":
        return sheet_and_cells(locator)[1]
    if locator.kind in _SECTIONS or (locator.page is None and not locator.place):
        return ""
    return page_name(locator)


def sheet_and_cells(locator: Locator) -> tuple[str, str]:
    """ "'Costs of 2017'!B7:D7" as "Costs of 2017" and "B7:D7"; a sheet as a whole has no cells."""
    sheet, sign, cells = locator.place.rpartition("!")
    if not sign:
        return locator.place, ""
    if sheet.startswith("'") and sheet.endswith("'"):
        sheet = sheet[1:-1].replace("''", "'")
    return sheet, cells


def page_name(locator: Locator) -> str:
    return locator.place or f"p. {locator.label or locator.page}"
