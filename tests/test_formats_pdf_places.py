"""PDF: boxes lie on the letters that spell what they mark, and pictures show the page as it is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import numpy as np
import pypdfium2
import pytest
from formats_laws import PDF, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from typeset import HEIGHT, WIDTH, Column, Rectangle, altered, overlap, shown, typeset

from qa import formats
from qa.errors import UnreadableFile
from qa.formats import Limits
from qa.records import Box, Document, Places

WHOLE: Rectangle = (0, 0, WIDTH, HEIGHT)
CROP: Rectangle = (40, 150, 575, 800)
SENTENCES = [
    f"{text}, {number}."
    for number, text in enumerate(
        [
            "the council of the town met on Monday and spoke at length about new work permits and what they cost",
            "nobody had brought the minutes of the meeting before, so the chair remembered them aloud, word by word",
            "it went on until the last ferry had left the harbour (which is small) for the islands of the west",
        ]
        * 2
    )
]
LAYOUTS = {
    "one column": [Column(1, 60, 780, 470, 30)],
    "two columns": [Column(1, 60, 780, 225, 8), Column(1, 310, 780, 225, 30)],
    "two columns and a page turn": [
        *(Column(1, left, 300, 225, 3) for left in (60, 310)),
        *(Column(2, left, 780, 225, 30) for left in (60, 310)),
    ],
}


def places(data: bytes, document: Document, start: int, end: int) -> Places:
    sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    return formats.places(data, start, end, sha256, Limits())


def found(data: bytes, quote: str, document: Document | None = None) -> Places:
    """Where a quote stands, which may go over several blocks of what the file is read as."""
    document = document or read(data, PDF)
    unbroken = " ".join(document.text.split())
    assert unbroken.count(quote) == 1, unbroken
    words = len(unbroken[: unbroken.index(quote)].split())
    ends = _words(document.text)[words : words + len(quote.split())]
    return places(data, document, ends[0][0], ends[-1][1])


def _words(text: str) -> list[tuple[int, int]]:
    at, spans = 0, []
    for word in text.split():
        at = text.index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    return spans


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("turn", "crop"), [(0, WHOLE), (90, WHOLE), (180, WHOLE), (270, WHOLE), (0, CROP), (90, CROP), (270, CROP)]
)
def test_boxes_are_where_the_letters_were_set(layout: str, turn: int, crop: Rectangle) -> None:
    data, where = typeset(SENTENCES, LAYOUTS[layout], "Times-Roman")
    data = altered(data, lambda page: (page.set_cropbox(*crop), page.set_rotation(turn)))
    document = read(data, PDF)
    over_a_turn = 0
    for sentence, rectangles in zip(SENTENCES, where, strict=True):
        marked = found(data, sentence, document)
        assert not marked.doubt
        assert [page.number for page in marked.pages] == sorted({page for page, _ in rectangles})
        over_a_turn += len(marked.pages) == 2
        for page in marked.pages:
            expected = [shown(rectangle, crop, turn) for number, rectangle in rectangles if number == page.number]
            assert len(page.boxes) == len(expected)
            assert overlap(page.boxes, expected) >= 0.95, sentence
    assert over_a_turn == (layout == "two columns and a page turn")


@pytest.mark.parametrize("font", ["Helvetica", "Helvetica-Bold", "Courier"])
def test_boxes_are_as_high_as_the_font(font: str) -> None:
    data, where = typeset(SENTENCES[:4], LAYOUTS["one column"], font)
    for sentence, rectangles in zip(SENTENCES, where, strict=False):
        boxes = found(data, sentence).pages[0].boxes
        assert overlap(boxes, [shown(rectangle) for _, rectangle in rectangles]) >= 0.9


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [WHOLE, CROP])
def test_the_boxes_of_all_of_a_page_hold_all_of_the_ink_of_its_picture(turn: int, crop: Rectangle) -> None:
    data, _ = typeset(SENTENCES[:5], LAYOUTS["two columns"])
    data = altered(data, lambda page: (page.set_cropbox(*crop), page.set_rotation(turn)))
    document = read(data, PDF)
    drawn = formats.picture(data, 1, Limits())
    picture = Image.open(io.BytesIO(drawn.png))
    assert picture.mode == "L"
    assert (drawn.width, drawn.height, drawn.pages) == (*picture.size, 1)
    assert max(picture.size) == 2_000
    ink = np.asarray(picture) < 128
    inside = np.zeros_like(ink)
    for box in places(data, document, 0, len(document.text)).pages[0].boxes:
        left, right = int(box.left * drawn.width) - 2, int(box.right * drawn.width) + 3
        inside[int(box.top * drawn.height) - 2 : int(box.bottom * drawn.height) + 3, left:right] = True
    assert ink.sum() > 1_000
    assert not (ink & ~inside).any()


WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCÄÖüéñß0123456789", min_size=1, max_size=14)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, min_size=3, max_size=60), st.data())
def test_the_letters_in_the_boxes_spell_what_is_marked(words: list[str], data: st.DataObject) -> None:
    width, size = data.draw(st.integers(170, 250)), data.draw(st.sampled_from([7, 10, 14]))
    ends = data.draw(st.lists(st.sampled_from(["", "", ",", ".", "-x", ")"]), min_size=len(words), max_size=len(words)))
    told = [word + end for word, end in zip(words, ends, strict=True)]
    columns = [Column(page, left, 800, width, 25) for page in (1, 2) for left in (40, 310)]
    pdf, _ = typeset([" ".join(told)], columns, size=size)
    try:
        document = read(pdf, PDF)
    except UnreadableFile:
        return
    block = data.draw(st.sampled_from(document.blocks))
    start = data.draw(st.integers(block.start, block.end - 1))
    end = data.draw(st.integers(start + 1, block.end))
    quote = hard(document.text[start:end])
    marked = places(pdf, document, start, end)
    if not quote:
        return
    assert not marked.doubt
    spelt = "".join(spelling(pdf, page.number, page.boxes) for page in marked.pages)
    assert sorted(hard(spelt)) == sorted(quote)


def hard(text: str) -> str:
    """Without what reading puts in or takes out."""
    return "".join(sign for sign in text if sign.isalnum())


def spelling(data: bytes, number: int, boxes: Sequence[Box]) -> str:
    """The letters of an upright page of A4 whose middle is in one of the boxes, by PDFium's own boxes."""
    document = pypdfium2.PdfDocument(data)
    text = document[number - 1].get_textpage()
    letters = []
    for index in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(index)
        x, y = (left + right) / 2 / WIDTH, 1 - (bottom + top) / 2 / HEIGHT
        if any(box.left < x < box.right and box.top < y < box.bottom for box in boxes):
            letters.append(chr(pypdfium2.raw.FPDFText_GetUnicode(text, index)))
    return "".join(letters)


def drawn(*lines: tuple[float, float, str]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT))
    for line in lines:
        canvas.drawString(*line)
    canvas.save()
    return buffer.getvalue()


def test_a_word_that_a_line_s_end_divides_is_marked_in_both_lines() -> None:
    data = drawn(
        (72, 700, "All of it went through the commit-"), (72, 686, "tee and then to the immi-"), (72, 672, "gration.")
    )
    (page,) = found(data, "committee and then to the immigration.").pages
    assert [hard(spelling(data, 1, [box])) for box in page.boxes] == ["commit", "teeandthentotheimmi", "gration"]


def test_the_number_of_an_item_and_the_borders_of_cells_are_not_marked() -> None:
    rows = [("Toronto", "200", "May 2016"), ("Vancouver", "75", "June 2016"), ("Halifax", "31", "July 2016")]
    cells = [(72 + 130 * x, 600 - 16 * y, cell) for y, row in enumerate(rows) for x, cell in enumerate(row)]
    items = [(72, 700 - 14 * n, f"{n + 1}. The {word} of the points to be made.") for n, word in enumerate("abc")]
    data = drawn(*items, *cells)
    (page,) = found(data, "The b of the points to be made.").pages
    assert hard(spelling(data, 1, page.boxes)) == "Thebofthepointstobemade"
    (page,) = found(data, "Vancouver | 75 | June 2016").pages
    assert [spelling(data, 1, [box]).strip() for box in page.boxes] == ["Vancouver", "75", "June 2016"]


def test_where_other_letters_stand_on_the_same_place_nothing_is_marked() -> None:
    data = drawn((72, 700, "The ferry sails at noon."), (72, 600, "Another line."), (72, 700, "And it is a blue one."))
    document = read(data, PDF)
    start = document.text.index("ferry")
    assert places(data, document, start, start + 5) == Places((), "other letters stand among its own")
    assert found(data, "Another line.").pages


def test_a_text_that_the_file_is_not_read_as_any_more_is_not_marked() -> None:
    data = drawn((72, 700, "The ferry sails at noon."))
    marked = formats.places(data, 0, 9, hashlib.sha256(b"The ferry sails at nine.").hexdigest(), Limits())
    assert not marked.pages
    assert "index it anew" in marked.doubt


def test_a_page_in_colours_is_drawn_in_colours() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(300, 30))
    canvas.setFillColorRGB(1, 0, 0)
    canvas.rect(0, 0, 150, 30, stroke=0, fill=1)
    canvas.save()
    picture = Image.open(io.BytesIO(formats.picture(buffer.getvalue(), 1, Limits()).png))
    assert picture.size == (2_000, 200)
    assert [picture.getpixel((x, 100)) for x in (100, 1_900)] == [(255, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("number", [0, 2, 10**9])
def test_a_page_that_is_not_there_is_no_picture(number: int) -> None:
    with pytest.raises(UnreadableFile, match=f"has no page {number}, but 1"):
        formats.picture(drawn((72, 700, "One.")), number, Limits())


def test_a_page_without_size_is_drawn_or_named() -> None:
    for box in ((0, 0, 0, 0), (0, 0, 14_400, 0.001), (0, 0, 1e30, 1e30)):
        data = altered(drawn((72, 700, "One.")), lambda page, box=box: page.set_mediabox(*box))
        try:
            made = formats.picture(data, 1, Limits())
        except UnreadableFile as error:
            assert error.what
        else:
            assert max(made.width, made.height) <= 2_000


def test_columns_that_are_shown_sideways_are_read_in_order() -> None:
    data, _ = typeset(SENTENCES, LAYOUTS["one column"])
    upright = read(data, PDF).text
    for turn in (90, 180, 270):
        assert read(altered(data, lambda page, turn=turn: page.set_rotation(turn)), PDF).text == upright
