from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_engine import composed

from qa.records import Block, Document, Locator, Segment, Span
from qa.sourceview import (
    MAX_PIECE_CHARS,
    MAX_WINDOW_CHARS,
    MAX_WINDOW_PIECES,
    Piece,
    Window,
    block_at,
    place_in_words,
    reflowed,
    reflowed_segments,
    window,
)

KINDS = st.sampled_from(["title", "heading", "paragraph", "item", "row", "code"])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Short blocks, very long ones, and very many; with and without spaces; text between them."""
    text = draw(st.text(max_size=3))
    blocks = []
    for _ in range(draw(st.integers(0, 6))):
        unit = draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5))
        length, times = draw(st.sampled_from([(1, 1), (7, 1), (3, 300), (12_000, 1), (9_000, 30), (260_000, 1)]))
        for _ in range(times):
            words = (unit * length)[:length]
            blocks.append(Block(draw(KINDS) if times == 1 else "paragraph", len(text), len(text) + length, Locator()))
            text += words + "\n"
    return Document(text, "", "text/plain", tuple(blocks))


def pieces(shown: Window) -> list[Piece]:
    return [piece for group in shown.groups for piece in group]


def unbroken(text: str) -> str:
    """Line ends may have become spaces, one for one; nothing else may have changed."""
    return text.replace("\r", " ").replace("\n", " ")


def count_pieces(document: Document) -> int:
    shown = window(document)
    count = len(pieces(shown))
    while shown.later is not None:
        shown = window(document, first=shown.later)
        count += len(pieces(shown))
    return count


def text_of(shown: Window, *, marked: bool = False) -> str:
    stretches = [stretch for piece in pieces(shown) for stretch in piece.stretches]
    return "".join(stretch.text for stretch in stretches if stretch.marked or not marked)


@settings(max_examples=60, deadline=None)
@given(documents())
def test_windows_joined_show_every_block_once_and_in_order(document: Document) -> None:
    seen, start = "", 0
    while start is not None:
        shown = window(document, first=start)
        seen += text_of(shown)
        assert len(pieces(shown)) <= MAX_WINDOW_PIECES
        assert len(text_of(shown)) <= MAX_WINDOW_CHARS
        assert all(len(text_of(Window(((piece,),), None, None, False))) <= MAX_PIECE_CHARS for piece in pieces(shown))
        start = shown.later
    assert unbroken(seen) == unbroken("".join(document.text[block.start : block.end] for block in document.blocks))


@settings(max_examples=60, deadline=None)
@given(documents(), st.data())
def test_a_span_within_a_block_is_marked_to_the_code_point(document: Document, data: st.DataObject) -> None:
    if not document.blocks:
        return
    block = document.blocks[data.draw(st.integers(0, len(document.blocks) - 1))]
    start = data.draw(st.integers(block.start, block.end - 1))
    span = Span(start, data.draw(st.integers(start + 1, min(block.end, start + 500))))
    shown = window(document, span)
    assert block_at(document, span) == block
    assert shown.holds_mark
    assert unbroken(text_of(shown, marked=True)) == unbroken(document.text[span.start : span.end])
    assert sum(stretch.first for piece in pieces(shown) for stretch in piece.stretches) == 1


@settings(max_examples=60, deadline=None)
@given(documents(), st.integers(0, 1000))
def test_the_window_before_reaches_to_where_this_one_begins(document: Document, first: int) -> None:
    count = count_pieces(document)
    start, shown = min(first, max(count - 1, 0)), window(document, first=first)
    while shown.earlier is not None:
        before = window(document, first=shown.earlier)
        assert shown.earlier < start <= shown.earlier + len(pieces(before))
        start = shown.earlier
        shown = before
    assert start == 0


def test_a_span_over_several_blocks_is_marked_in_each_but_not_between() -> None:
    document = composed([("paragraph", "one two", Locator()), ("item", "three", Locator())], "", "text/plain")
    shown = window(document, Span(4, 14))
    assert [[(s.text, s.marked, s.first) for s in piece.stretches] for piece in pieces(shown)] == [
        [("one ", False, False), ("two", True, True)],
        [("three", True, False)],
    ]


@pytest.mark.parametrize(("start", "end"), [(3, 3), (5, 4), (-1, 2), (0, 99), (7, 9), (99, 100)])
def test_a_span_that_is_not_of_the_text_or_between_blocks_is_at_no_block(start: int, end: int) -> None:
    document = composed([("paragraph", "one two", Locator()), ("item", "three", Locator())], "", "text/plain")
    assert block_at(document, Span(start, end)) is None


def test_a_document_without_blocks_shows_nothing() -> None:
    assert window(Document("", "", "text/plain", ())) == Window((), None, None, False)


def test_headings_are_as_deep_as_their_path() -> None:
    path = tuple("abcdef")
    parts = [("title", "T", Locator())]
    parts += [("heading", "H", Locator(path[:depth])) for depth in range(6)]
    levels = [piece.level for piece in pieces(window(composed(parts, "T", "text/html")))]
    assert levels == [2, 2, 3, 4, 5, 6, 6]


def test_a_page_is_named_where_it_begins_and_at_the_head_of_a_window() -> None:
    pages = [(1, "i"), (1, "i"), (2, None)]
    parts = [("paragraph", "x", Locator(page=page, label=label)) for page, label in pages]
    document = composed(parts, "", "application/pdf")
    assert [piece.page for piece in pieces(window(document))] == ["p. i", "", "p. 2"]
    assert [piece.page for piece in pieces(window(document, first=1))] == ["p. i", "p. 2"]


def test_neighbouring_items_and_rows_stand_together() -> None:
    kinds = ["item", "item", "paragraph", "paragraph", "row", "row", "item"]
    document = composed([(kind, "x", Locator()) for kind in kinds], "", "text/html")
    assert [len(group) for group in window(document).groups] == [2, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        (Locator(("A", "B"), page=3, label="iii", line=9), "p. iii, A › B"),
        (Locator(page=3), "p. 3"),
        (Locator(("A",), page=3, place="slide 3", kind="slide"), "slide 3, A"),
        (Locator(place="Costs!B7:D7", kind="cells"), "Costs!B7:D7"),
        (Locator(("A",), line=9), "A"),
        (Locator(line=9), "line 9"),
        (Locator(), ""),
    ],
)
def test_a_place_is_said_in_words(locator: Locator, words: str) -> None:
    assert place_in_words(locator) == words


PROSE = (
    "The committee met on a wet Tuesday in the second week of the month, as\n"
    "it always had, and found that nobody had brought the minutes of the\n"
    "meeting before. The chair remembered them well enough to read them out.\n"
    "Nobody objected."
)
ADDRESS = "Date: 14 February 2017\nPlace: Kitchener Public Library, meeting room 2\nChair: Deborah Okafor\nNotes: none"
ITEMS = "- A first item that is nearly as long as the line is\n- a second one that is just as long, almost\n- x"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("text", "prose"), [(PROSE, True), (PROSE[30:], True), (ADDRESS, False), (ITEMS, False)])
def test_prose_loses_the_line_ends_of_wrapping_and_lists_keep_theirs(text: str, prose: bool, newline: str) -> None:
    text = text.replace("\n", newline)
    shown = reflowed(text)
    assert len(shown) == len(text)
    assert shown == (unbroken(text) if prose else text)


def test_paragraphs_are_judged_one_by_one_and_stay_apart() -> None:
    text = f"{PROSE}\n\n{ADDRESS}\n \n{PROSE}"
    assert reflowed(text) == f"{unbroken(PROSE)}\n\n{ADDRESS}\n \n{unbroken(PROSE)}"


@given(st.text(st.sampled_from("ab \n\r\t-|1.\u2028"), max_size=80))
def test_reflowing_changes_nothing_but_line_ends_into_spaces(text: str) -> None:
    shown = reflowed(text)
    assert unbroken(shown) == unbroken(text)
    assert reflowed(shown).split() == text.split()


@given(st.lists(st.text(st.sampled_from("ab \n\r-"), min_size=1, max_size=30), max_size=6))
def test_segments_are_reflowed_as_the_passage_that_they_make(texts: list[str]) -> None:
    segments = [Segment(text, number % 2 or None) for number, text in enumerate(texts)]
    shown = reflowed_segments(segments)
    assert "".join(segment.text for segment in shown) == reflowed("".join(texts))
    assert [(len(segment.text), segment.citation) for segment in shown] == [
        (len(segment.text), segment.citation) for segment in segments
    ]
