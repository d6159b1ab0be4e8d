"""PDF: a sentence that goes over the turn of a page, or of a column, is one, whatever stands between its halves."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from formats_laws import PDF, block_of, blocks, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from shelf import Shelf
from test_formats_pdf_places import hard, spelling
from typeset import Column, typeset

from qa import formats, sentences
from qa.errors import UnreadableFile
from qa.formats import Limits
from qa.locating import locator, pages
from qa.records import Document, Span
from qa.settings import Settings

WIDTH, HEIGHT = A4

Line = tuple[float, float, str]
"""Height above the foot of the page, size, text; a size below 0 is bold."""

BEFORE = [
    (300.0, 11.0, "The harbour of the old town was opened in the spring of 1872."),
    (286.0, 11.0, "Its keeper wrote that the ferry takes all of its passengers, of whom"),
]
AFTER = [
    (700.0, 11.0, "there are never more than forty, over to the island at noon. Nobody"),
    (686.0, 11.0, "knows on which day it did so for the first time."),
]
OVER = (
    "Its keeper wrote that the ferry takes all of its passengers, of whom there are never more than forty, over to the "
    "island at noon."
)


def written(*sheets: Sequence[Line], head: str = "", labels: bool = False, left: Sequence[float] = ()) -> bytes:
    """A page for each sheet; `left` is where its lines begin, instead of 72 points."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    if labels:
        canvas.addPageLabel(0, style="ROMAN_LOWER", start=1)
    for number, lines in enumerate(sheets, 1):
        if head:
            canvas.setFont("Helvetica", 11)
            canvas.drawString(72, HEIGHT - 40, head)
            canvas.drawCentredString(WIDTH / 2, 30, str(number))
        for base, size, text in lines:
            canvas.setFont("Helvetica-Bold" if size < 0 else "Helvetica", abs(size))
            canvas.drawString(left[number - 1] if left else 72, base, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def said(document: Document) -> list[str]:
    return [document.text[span.start : span.end] for spans in sentences.split(document) for span in spans]


def test_what_stands_between_the_halves_of_a_sentence_is_no_part_of_it() -> None:
    notes = [(80.0, 8.0, "1 Of the harbour book, the pages of 1871 are lost."), (70.0, 8.0, "2 Or later.")]
    caption = [(780.0, 11.0, "Figure 3: The ferry, as a painter saw it")]
    data = written([*BEFORE, *notes], [*caption, *AFTER], head="The Harbour, a History")
    document = read(data, PDF)
    assert [sentence for sentence in said(document) if "ferry takes" in sentence or "forty" in sentence] == [OVER]
    assert "a History" not in document.text
    block = block_of(document, OVER)
    start = document.text.index(OVER)
    assert [turn.locator.page for turn in block.turns] == [2]
    assert document.text[block.turns[0].start :].startswith("there are never")
    assert locator(document, start).page == 1
    assert pages(document, Span(start, start + len(OVER))) == [1, 2]
    assert locator(document, document.text.index("Nobody knows")).page == 2
    places = {text: block.locator.page for block, (_, text) in zip(document.blocks, blocks(document), strict=True)}
    assert next(page for text, page in places.items() if text.startswith("1 Of the harbour book")) == 1
    assert next(page for text, page in places.items() if text.startswith("Figure 3")) == 2


def test_its_halves_are_marked_on_both_pages_and_nothing_else_is() -> None:
    notes = [(80.0, 8.0, "1 Of the harbour book, the pages of 1871 are lost.")]
    data = written([*BEFORE, *notes], [(780.0, 11.0, "Figure 3: The ferry"), *AFTER], head="The Harbour, a History")
    document = read(data, PDF)
    start = document.text.index(OVER)
    sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    marked = formats.places(data, start, start + len(OVER), sha256, Limits()).pages
    assert [page.number for page in marked] == [1, 2]
    assert "".join(hard(spelling(data, page.number, page.boxes)) for page in marked) == hard(OVER)


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("of the ferries and of the whole immi-", "gration nothing is known any more.", "whole immigration nothing"),
        ("of those who were ill with COVID-", "19 nobody knew anything then.", "with COVID-19 nobody"),
        ("of all of the passengers (of whom none paid", ") and of their luggage nothing is known.", "none paid ) and"),
        ("of all of the passengers there were no more than", "200, and all of them had paid.", "no more than 200, and"),
        (
            "古いものは百年も前に書かれた一冊の本であり、それは今もこの町の",
            "図書館に保存されている。",
            "町の 図書館に",
        ),
    ],
)
def test_a_broken_word_a_figure_and_a_script_without_capitals_go_on(before: str, after: str, whole: str) -> None:
    font = "HeiseiMin-W3" if ord(before[0]) > 0x3000 else "Helvetica"
    if font != "Helvetica":
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont

        pdfmetrics.registerFont(UnicodeCIDFont(font))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    begun = (
        "A history of the harbour, and"
        if font == "Helvetica"
        else "この町の港の歴史について書かれたものは少なく、その中で最も"
    )
    for lines in ((begun, before), (after, "And so on, as was told.")):
        canvas.setFont(font, 11)
        for number, line in enumerate(lines):
            canvas.drawString(72, 700 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    document = read(buffer.getvalue(), PDF)
    assert whole in document.text
    assert block_of(document, whole).turns


PARAGRAPH = [
    (300.0 - 14 * n, 11.0, line)
    for n, line in enumerate(
        [
            "The keeper of the harbour wrote a book on all of the ferries, and he",
            "did so for many years without any rest.",
        ]
    )
]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PARAGRAPH, AFTER),  # a sentence ends
        (BEFORE, [(700.0, 11.0, "The next page begins with a sentence of its own."), *AFTER[1:]]),
        (BEFORE, [(700.0, 15.0, "there are larger letters on this page.")]),
        (BEFORE, [(700.0, -11.0, "there are bold letters on this page.")]),
        (BEFORE, [(700.0, 11.0, "• there is an item of a list."), (686.0, 11.0, "• and another.")]),
        (BEFORE, [(700.0, 11.0, "3. Of Boats"), *AFTER[1:]]),
        (BEFORE, [(760.0, -15.0, "Of Boats"), *AFTER]),  # under another heading
        ([*BEFORE[:1], (286.0, 11.0, "Yours truly")], AFTER),  # a line that was ended on purpose
        ([*BEFORE, (240.0, 11.0, "Another paragraph of the same kind stands here, and ends.")], AFTER),
    ],
)
def test_what_is_no_continuation_stays_apart(before: list[Line], after: list[Line]) -> None:
    document = read(written(before, after), PDF)
    assert not any(block.turns for block in document.blocks)
    assert [block.locator.page for block in document.blocks] == sorted(b.locator.page or 0 for b in document.blocks)
    assert document.text.count("\f") == 1


def test_a_scan_between_two_pages_may_hold_the_rest_so_nothing_is_joined_over_it() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for lines in (BEFORE, [], AFTER):
        if not lines:
            canvas.drawInlineImage(Image.new("RGB", (60, 80), (240, 235, 220)), 0, 0, WIDTH, HEIGHT)
        for base, size, text in lines:
            canvas.setFont("Helvetica", size)
            canvas.drawString(72, base, text)
        canvas.showPage()
    canvas.save()
    assert not any(block.turns for block in read(buffer.getvalue(), PDF).blocks)


def test_pages_that_one_paragraph_goes_over_are_called_by_their_labels() -> None:
    line = "of the many ferries that sail to all of the islands of the west and to"
    sheets = [[(700.0 - 14 * n, 11.0, line) for n in range(30)] for _ in range(3)]
    sheets[2][-1] = (sheets[2][-1][0], 11.0, "the old town.")
    document = read(written(*sheets, labels=True), PDF)
    (block,) = document.blocks
    assert [turn.locator.label for turn in block.turns] == ["ii", "iii"]
    assert "\f" not in document.text


def test_a_note_at_the_foot_of_a_column_is_no_part_of_the_sentence_that_goes_over_to_the_next() -> None:
    left = ["The keeper of the harbour wrote a book on", "all of the ferries and on those who had"] * 4
    right = ["sailed with them to the islands of the west.", "Nobody has read it, nor will anybody do so."]
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setFont("Helvetica", 11)
    for number, line in enumerate(left):
        canvas.drawString(60, 700 - 14 * number, line)
    canvas.setFont("Helvetica", 7)
    canvas.drawString(60, 560, "1 It is lost since the fire of 1871.")
    canvas.setFont("Helvetica", 11)
    for number, line in enumerate(right):
        canvas.drawString(310, 700 - 14 * number, line)
    canvas.save()
    document = read(buffer.getvalue(), PDF)
    assert [text for _, text in blocks(document)] == [" ".join([*left, *right]), "1 It is lost since the fire of 1871."]
    assert not document.blocks[0].turns


WORDS = st.lists(st.text("abcdefghijklmnopqrstuvwxyzéñß", min_size=2, max_size=9), min_size=60, max_size=160)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(WORDS, st.integers(260, 460), st.integers(2, 9), st.sampled_from(["Helvetica", "Times-Roman"]))
def test_a_sentence_is_one_however_the_page_turns_cut_it(words: list[str], width: int, rows: int, font: str) -> None:
    text = f"So {' '.join(words)}."
    columns = [Column(page, 72, 700, width, rows) for page in range(1, 60)]
    data, _ = typeset([text], columns, font)
    try:
        document = read(data, PDF)
    except UnreadableFile:
        return
    assert [" ".join(found.split()) for _, found in blocks(document)] == [text]
    (block,) = document.blocks
    assert [turn.locator.page for turn in block.turns] == list(range(2, 2 + len(block.turns)))


def test_it_is_searched_cited_and_quoted_whole(tmp_path: Path, small_model: str, model_cache: Path) -> None:
    shelf = Shelf(tmp_path / "docs", Settings(index=tmp_path / "index", model=small_model, cache=model_cache))
    notes = [(80.0, 8.0, "1 Of the harbour book, the pages of 1871 are lost.")]
    shelf.write("ferry.pdf", written([*BEFORE, *notes], AFTER, head="The Harbour, a History"))
    shelf.index()
    with shelf.engine(min_confidence=0.0) as engine:
        for question in (f'"{OVER}"', '"of whom there are never more than forty"', OVER):
            citation = engine.ask(question).citations[0]
            assert (citation.text, citation.label) == (OVER, "ferry.pdf, p. 1")
            document = engine.document(citation.source.id)[1]
            assert document.text[citation.start : citation.end] == OVER
        after = engine.ask('"knows on which day"').citations[0]
        assert after.label == "ferry.pdf, p. 2"
