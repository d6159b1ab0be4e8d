from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_engine import composed

from qa.records import Block, Document, Locator, Segment, Span
from qa.sourceview import (
    MAX_PIECE_CHARS,
    MAX_WINDOW_CHARS,
    MAX_WINDOW_PIECES,
    Mark,
    Piece,
    Window,
    block_at,
    outline,
    piece_at,
    place_in_words,
    reflowed,
    reflowed_segments,
    window,
)
from qa.sourceview.grids import Grid, grid
from qa.sourceview.windows import piece_numbers

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
    return [piece for group in shown.groups for piece in group.pieces]


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


def text_of(shown: Window) -> str:
    return "".join(stretch.text for piece in pieces(shown) for stretch in piece.stretches)


def marked(shown: Window, mark: int = 0) -> str:
    return "".join(s.text for piece in pieces(shown) for s in piece.stretches if s.mark == mark)


@settings(max_examples=30)
@given(documents())
def test_windows_joined_show_every_block_once_and_in_order(document: Document) -> None:
    seen, start = "", 0
    while start is not None:
        shown = window(document, first=start)
        seen += text_of(shown)
        assert len(pieces(shown)) <= MAX_WINDOW_PIECES
        assert len(text_of(shown)) <= MAX_WINDOW_CHARS
        assert all(sum(len(s.text) for s in piece.stretches) <= MAX_PIECE_CHARS for piece in pieces(shown))
        start = shown.later
    assert unbroken(seen) == unbroken("".join(document.text[block.start : block.end] for block in document.blocks))


@settings(max_examples=30)
@given(documents(), st.data())
def test_a_span_within_a_block_is_marked_to_the_code_point(document: Document, data: st.DataObject) -> None:
    if not document.blocks:
        return
    block = document.blocks[data.draw(st.integers(0, len(document.blocks) - 1))]
    start = data.draw(st.integers(block.start, block.end - 1))
    span = Span(start, data.draw(st.integers(start + 1, min(block.end, start + 500))))
    shown = window(document, [Mark(span)])
    assert block_at(document, span) == block
    assert shown.first <= piece_at(document, span.start) < shown.first + shown.count
    assert unbroken(marked(shown)) == unbroken(document.text[span.start : span.end])
    if block.kind != "row":
        assert shown.held == {0}
        stretches = [stretch for piece in pieces(shown) for stretch in piece.stretches]
        assert sum(stretch.first for stretch in stretches) == sum(stretch.last for stretch in stretches) == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=6))
def test_of_several_spans_each_is_marked_but_for_what_an_earlier_one_has(places: list[tuple[int, int]]) -> None:
    document = composed([("paragraph", "a sentence of words ", Locator())] * 3, "", "text/plain")
    marks = [Mark(Span(start, start + length)) for start, length in places]
    shown = window(document, marks)
    assert text_of(shown) == "".join(document.text[b.start : b.end] for b in document.blocks)
    for number, mark in enumerate(marks):
        overlaps = any(mark.span.start < m.span.end and m.span.start < mark.span.end for m in marks[:number])
        within = (
            ""
            if overlaps
            else "".join(
                document.text[max(b.start, mark.span.start) : min(b.end, mark.span.end)] for b in document.blocks
            )
        )
        assert marked(shown, number) == within
        assert (number in shown.held) == bool(within)


@settings(max_examples=30)
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
    shown = window(document, [Mark(Span(4, 14))])
    assert [[(s.text, s.mark, s.first, s.last) for s in piece.stretches] for piece in pieces(shown)] == [
        [("one ", None, False, False), ("two", 0, True, False)],
        [("three", 0, False, True)],
    ]


@pytest.mark.parametrize(("start", "end"), [(3, 3), (5, 4), (-1, 2), (0, 99), (7, 9), (99, 100)])
def test_a_span_that_is_not_of_the_text_or_between_blocks_is_at_no_block(start: int, end: int) -> None:
    document = composed([("paragraph", "one two", Locator()), ("item", "three", Locator())], "", "text/plain")
    assert block_at(document, Span(start, end)) is None


def test_a_document_without_blocks_shows_nothing() -> None:
    assert window(Document("", "", "text/plain", ())) == Window((), 0, 0, None, None)


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
    assert [piece.beside for piece in pieces(window(document))] == ["p. i", "", "p. 2"]
    assert [piece.beside for piece in pieces(window(document, first=1))] == ["p. i", "p. 2"]


def test_neighbouring_items_and_rows_stand_together() -> None:
    kinds = ["item", "item", "paragraph", "paragraph", "row", "row", "item"]
    document = composed([(kind, "x", Locator()) for kind in kinds], "", "text/html")
    assert [(group.kind, len(group.pieces)) for group in window(document).groups] == [
        ("items", 2),
        ("paragraph", 1),
        ("paragraph", 1),
        ("table", 2),
        ("items", 1),
    ]


def test_slides_sheets_and_the_like_stand_above_their_blocks_and_rows_and_times_beside() -> None:
    parts = [
        ("heading", "Costs", Locator(place="Costs", kind="cells")),
        ("row", "a", Locator(("Costs",), place="Costs!A1:B1", kind="cells")),
        ("row", "b", Locator(("Costs",), place="Costs!A2:B2", kind="cells")),
        ("row", "c", Locator(place="'My sheet''s'!C3", kind="cells")),
        ("paragraph", "d", Locator(page=3, place="slide 3", kind="slide")),
        ("paragraph", "e", Locator(page=3, place="slide 3", kind="slide")),
        ("paragraph", "f", Locator(place="00:01:05", kind="time")),
    ]
    shown = pieces(window(composed(parts, "", "text/plain")))
    assert [(piece.section, piece.beside) for piece in shown] == [
        ("", ""),
        ("", "A1:B1"),
        ("", "A2:B2"),
        ("My sheet's", "C3"),
        ("slide 3", ""),
        ("", ""),
        ("", "00:01:05"),
    ]


def test_items_keep_the_numbers_and_the_depth_that_stand_before_them() -> None:
    text = "- one\n  2. two\n    * three\n      below\n\n(4) four\n5 five"
    words = ("one", "two", "three", "below", "four", "five")
    blocks = tuple(Block("item", text.index(word), text.index(word) + len(word)) for word in words)
    shown = pieces(window(Document(text, "", "text/markdown", blocks)))
    assert [(piece.number, piece.depth) for piece in shown] == [
        (None, 0),
        (2, 1),
        (None, 2),
        (None, 2),
        (4, 0),
        (None, 0),
    ]


# ----------------------------------------------------------------------------------------------------------- tables

CELLS = st.text("ab :1.", min_size=1, max_size=5).map(str.strip).filter(lambda text: text and ":" not in text)


def texts(rows: list[str], number: int, laid: Grid) -> list[str | None]:
    return [rows[number][cell.start : cell.end] if cell else None for cell in laid.rows[number].cells]


@given(st.data(), st.lists(CELLS, min_size=2, max_size=5, unique=True), st.integers(1, 6))
def test_rows_with_the_names_of_their_columns_stand_below_them(
    data: st.DataObject, names: list[str], count: int
) -> None:
    values = [data.draw(st.lists(CELLS, min_size=len(names), max_size=len(names))) for _ in range(count)]
    # Every row but the first leaves some of its cells empty.
    filled = [[not number or data.draw(st.booleans()) for _ in names] for number in range(count)]
    filled = [row if any(row) else [True, *row[1:]] for row in filled]
    rows = [
        " | ".join(f"{name}: {value}" for name, value, is_there in zip(names, cells, there, strict=True) if is_there)
        for cells, there in zip(values, filled, strict=True)
    ]
    laid = grid(rows)
    often = [sum(row[column] for row in filled) for column in range(len(names))]
    if min(often) < 2 and count > 1:
        assert len(laid.rows) == count  # too few names come again to tell them from values
        return
    assert laid.names == tuple(names)
    for number in range(count):
        shown = texts(rows, number, laid)
        expected = [v if there else None for v, there in zip(values[number], filled[number], strict=True)]
        assert shown == expected


@given(st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=5))
def test_rows_without_names_are_cut_at_their_signs_and_fill_the_width(values: list[list[str]]) -> None:
    rows = [" | ".join(cells) for cells in values]
    laid = grid(rows)
    assert laid.names == ()
    width = max(map(len, values))
    for number, cells in enumerate(values):
        assert texts(rows, number, laid) == cells
        assert sum(cell.columns for cell in laid.rows[number].cells if cell) == width


@given(st.lists(st.text(st.sampled_from("ab|: \\\n"), min_size=1, max_size=25), min_size=1, max_size=6))
def test_no_row_of_any_kind_loses_a_letter(rows: list[str]) -> None:
    laid = grid(rows)
    names = "".join(laid.names)
    for number, row in enumerate(rows):
        shown = "".join(text or "" for text in texts(rows, number, laid))
        for letter in "ab":
            assert shown.count(letter) + names.count(letter) >= row.count(letter)


def test_a_value_that_holds_the_sign_between_cells_stays_whole_where_names_are_known() -> None:
    rows = ["City: Toronto | Slogan: one | two", "City: Paris | Slogan: none", "All of them"]
    laid = grid(rows)
    assert laid.names == ("City", "Slogan")
    assert [texts(rows, number, laid) for number in range(3)] == [
        ["Toronto", "one | two"],
        ["Paris", "none"],
        ["All of them"],
    ]


@given(st.data(), st.lists(CELLS, min_size=2, max_size=6, unique=True))
def test_columns_stand_in_the_order_that_the_rows_agree_on(data: st.DataObject, names: list[str]) -> None:
    """Though no row need have all of them: any two that are neighbours stand in some row together."""
    held = [{one, other} for one, other in pairwise(names)] + [set(data.draw(st.lists(st.sampled_from(names))))]
    rows = [[name for name in names if name in some] for some in data.draw(st.permutations(held))]
    laid = grid([" | ".join(f"{name}: 1" for name in row) for row in (*rows, *rows) if row])
    assert laid.names == tuple(names)


def test_tables_that_meet_and_share_no_column_stay_apart() -> None:
    rows = [
        "City: Toronto | Jobs: 200",
        "Jobs: 9",
        "City: Paris",
        "Europe",
        "Ship: Aurora | Built: 1902",
        "Built: 1911",
    ]
    shown = window(composed([("row", row, Locator()) for row in rows], "", "application/pdf"))
    assert [(group.names, len(group.rows)) for group in shown.groups] == [(("City", "Jobs"), 3), (("Ship", "Built"), 3)]


def test_where_rows_with_names_meet_rows_without_another_table_begins() -> None:
    rows = ["City: Toronto | Jobs: 200", "Ontario", "City: Paris | Jobs: 9", "1 | 2", "alone", "3 | 4"]
    shown = window(composed([("row", row, Locator()) for row in rows], "", "text/csv"))
    assert [(group.names, len(group.rows)) for group in shown.groups] == [(("City", "Jobs"), 3), ((), 3)]


def test_lines_that_an_author_ended_stay_and_wrapped_ones_do_not() -> None:
    for media_type, text in (("text/plain", unbroken(PROSE)), ("text/html", PROSE)):
        assert text_of(window(composed([("paragraph", PROSE, Locator())], "", media_type))) == text


# ---------------------------------------------------------------------------------------------------------- outline


@settings(max_examples=30)
@given(documents())
def test_every_heading_can_be_jumped_to(document: Document) -> None:
    shown = window(document)
    headings = [number for number, block in enumerate(document.blocks) if block.kind == "heading"]
    entries = outline(document, shown)
    if len(headings) < 2:
        assert not [entry for entry in entries if entry.block in headings]
        return
    assert [entry.block for entry in entries] == headings
    assert [entry.piece for entry in entries] == piece_numbers(document, headings)
    on_page = {piece.block for piece in pieces(shown) if piece.begins}
    for entry in entries:
        assert entry.is_shown == (entry.block in on_page)
        there = window(document, first=entry.piece)
        assert pieces(there)[0].block == entry.block and pieces(there)[0].begins


def test_a_vast_outline_leaves_out_the_deepest_headings() -> None:
    parts = [("heading", f"h{n}", Locator(() if n % 10 == 0 else ("h",))) for n in range(1000)]
    document = composed(parts, "", "text/html")
    entries = outline(document, window(document))
    assert [entry.text for entry in entries] == [f"h{n}" for n in range(0, 1000, 10)]


def test_without_headings_slides_or_pages_are_the_outline() -> None:
    slides = [("paragraph", "x", Locator(page=n, place=f"slide {n}", kind="slide")) for n in (1, 1, 2)]
    document = composed(slides, "", "application/vnd.ms-powerpoint")
    assert [(e.text, e.block) for e in outline(document, window(document))] == [("slide 1", 0), ("slide 2", 2)]
    document = composed([("paragraph", "x", Locator(page=n)) for n in (1, 2, 2)], "", "application/pdf")
    assert [(e.text, e.block) for e in outline(document, window(document))] == [("p. 1", 0), ("p. 2", 1)]


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        (Locator(("A", "B"), page=3, label="iii", line=9), "p. iii, A › B"),
        (Locator(page=3), "p. 3"),
        (Locator(("A",), page=3, place="slide 3", kind="slide"), "slide 3, A"),
        (Locator(place="Costs!B7:D7", kind="cells"), "Costs!B7:D7"),
        (Locator(("Costs", "East"), place="Costs!B7:D7", kind="cells"), "Costs!B7:D7, East"),
        (Locator(("a.txt",), place="Ada, a.txt", kind="message"), "Ada, a.txt"),
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
ROWS = "City: Vancouver | Drawback: dear houses\nCity: Toronto | Drawback: mostly sales\nCity: Waterloo | Drawback: few"
ITEMS = "- A first item that is nearly as long as the line is\n- a second one that is just as long, almost\n- x"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "prose"), [(PROSE, True), (PROSE[30:], True), (ADDRESS, False), (ITEMS, False), (ROWS, False)]
)
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
