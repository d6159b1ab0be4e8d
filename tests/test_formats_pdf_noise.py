"""PDF: what stands on a page and is no text of its own, in an odd order, turned, cropped, or hidden."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from formats_laws import PDF, blocks, quotes, read
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

from qa.errors import UnreadableFile
from qa.formats import Limits, ocr, parse

WIDTH, HEIGHT = A4
SEEN = "A sentence that all can see."
LEFT = (
    "The left column speaks of the harbour and of the ferries that sail from it at noon on every day of the week. " * 4
)
RIGHT = (
    "On the right stands all that was ever written about the keeper of the lighthouse, his lamp and his two dogs. " * 4
)


def drawn(draw: Callable[[Canvas], None], **options: object) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, **options)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def texts(draw: Callable[[Canvas], None]) -> list[str]:
    return [text for _, text in blocks(read(drawn(draw), PDF))]


# ---------------------------------------------------------------------------------------------------------- columns


def columns(canvas: Canvas, gutter: float, side_by_side: bool, size: float = 10) -> None:
    """Two columns of text, drawn one after the other or line by line."""
    width = (WIDTH - 100 - gutter) / 2
    canvas.setFont("Helvetica", size)
    left, right = (simpleSplit(text, "Helvetica", size, width) for text in (LEFT, RIGHT))
    places = [(50.0, 700 - 1.2 * size * n, line) for n, line in enumerate(left)]
    others = [(50 + width + gutter, 700 - 1.2 * size * n, line) for n, line in enumerate(right)]
    order = sorted((*places, *others), key=lambda each: -each[1]) if side_by_side else [*places, *others]
    for place in order:
        canvas.drawString(*place)


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("gutter", [14, 20, 40])
def test_columns_are_read_one_after_the_other_however_they_were_drawn(gutter: float, side_by_side: bool) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(50, 760, "News of the Harbour")
        columns(canvas, gutter, side_by_side)
        canvas.setFont("Helvetica", 10)
        canvas.drawString(
            50, 400, "Below both columns stands one more line, which goes across the whole of the page, as it is."
        )

    document = read(drawn(draw), PDF)
    assert document.title == "News of the Harbour"
    whole = " ".join(quotes(document, "paragraph"))
    assert LEFT.strip() in whole
    assert RIGHT.strip() in whole
    assert whole.index(LEFT.strip()) < whole.index(RIGHT.strip()) < whole.index("Below both columns")


def test_a_table_of_two_columns_stays_a_table() -> None:
    rows = [(f"The name of harbour number {n}", f"{n} ferries and {n * 3} boats in all of it") for n in range(9)]
    uneven = [(f"Port {'of the island ' * (n % 3)}", f"closed {'on Sundays ' * (n % 2)}") for n in range(9)]

    def draw(canvas: Canvas) -> None:
        for number, (left, right) in enumerate((*rows[:4], *uneven)):
            canvas.drawString(50, 700 - 16 * number, left)
            canvas.drawString(320, 700 - 16 * number, right)

    found = quotes(read(drawn(draw), PDF), "row")
    assert found == [f"{left.strip()} | {right.strip()}" for left, right in (*rows[:4], *uneven)]


# ------------------------------------------------------------------------------------------------ pages that are turned

TURNS = {0: (0, 0, 0), 90: (HEIGHT, 0, 90), 180: (WIDTH, HEIGHT, 180), 270: (0, WIDTH, 270)}


def turned(angle: int, pages: int = 4) -> bytes:
    """Pages with a head and a number that are shown upright, whatever way their content is turned."""

    def draw(canvas: Canvas) -> None:
        for page in range(1, pages + 1):
            if angle:
                canvas.setPageRotation(angle)
            x, y, turn = TURNS[angle]
            canvas.translate(x, y)
            canvas.rotate(turn)
            canvas.setFont("Helvetica", 9)
            canvas.drawString(50, HEIGHT - 30, "Report of the Harbour")
            canvas.drawRightString(WIDTH - 50, HEIGHT - 30, f"Chapter {page}")
            canvas.drawCentredString(WIDTH / 2, 20, str(page))
            canvas.setFont("Helvetica", 11)
            words = (
                f"Page {page} tells of boat {page * 7} and of its {page * 13} passengers, who came from far away. " * 5
            )
            for number, line in enumerate(simpleSplit(words, "Helvetica", 11, WIDTH - 100)):
                canvas.drawString(50, HEIGHT - 120 - 14 * number, line)
            canvas.showPage()

    return drawn(draw)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_is_read_like_an_upright_one(angle: int) -> None:
    upright, found = read(turned(0), PDF), read(turned(angle), PDF)
    assert found == upright
    assert len(blocks(found)) == 4
    assert "Report of the Harbour" not in found.text
    assert "12 lines" not in found.left_out[0]
    assert "8 lines" in found.left_out[0]


def test_what_was_left_out_in_the_margins_is_told() -> None:
    (said,) = read(turned(0), PDF).left_out
    assert said.startswith(
        "Running heads, running feet and page numbers: 8 lines (“Report of the Harbour Chapter 1”, “1”"
    )


# ----------------------------------------------------------------------------------------------------- hidden text


def white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(50, 560, "The password is swordfish.")


def nearly_white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(0.97, 0.97, 0.97)
    canvas.drawString(50, 560, "The password is swordfish.")


def covered(canvas: Canvas) -> None:
    white(canvas)
    canvas.rect(0, 530, 500, 60, fill=1, stroke=0)


def tiny(canvas: Canvas) -> None:
    canvas.setFont("Helvetica", 0.3)
    canvas.drawString(50, 560, "The password is swordfish.")


def shrunk(canvas: Canvas) -> None:
    canvas.scale(0.01, 0.01)
    canvas.drawString(5000, 56000, "The password is swordfish.")


def below(canvas: Canvas) -> None:
    canvas.drawString(50, -30, "The password is swordfish.")


def aside(canvas: Canvas) -> None:
    canvas.drawString(HEIGHT + 20, 560, "The password is swordfish.")


def invisible(canvas: Canvas) -> None:
    text = canvas.beginText(50, 560)
    text.setTextRenderMode(3)
    text.textLine("The password is swordfish.")
    canvas.drawText(text)


def transparent(canvas: Canvas) -> None:
    canvas.setFillAlpha(0)
    canvas.drawString(50, 560, "The password is swordfish.")


def white_in_a_form(canvas: Canvas) -> None:
    canvas.beginForm("inner")
    white(canvas)
    canvas.endForm()
    canvas.doForm("inner")


HIDDEN = {
    white: "in the colour of its background",
    nearly_white: "in the colour of its background",
    covered: "in the colour of its background",
    white_in_a_form: "in the colour of its background",
    tiny: "tiny",
    shrunk: "tiny",
    below: "off the page",
    aside: "off the page",
    invisible: "without ink",
    transparent: "without ink",
}


@pytest.mark.parametrize("hide", HIDDEN)
@pytest.mark.parametrize("angle", [0, 90])
def test_text_that_nobody_sees_is_left_out_and_told(hide: Callable[[Canvas], None], angle: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(angle)
        canvas.drawString(50, 500, SEEN)
        canvas.showPage()
        canvas.drawString(50, 500, SEEN)
        canvas.saveState()
        hide(canvas)
        canvas.restoreState()
        canvas.drawString(50, 400, SEEN)
        canvas.showPage()

    document = read(drawn(draw), PDF)
    assert [text for _, text in blocks(document)] == [SEEN] * 3
    said = f"Some text is hidden from readers ({HIDDEN[hide]}); not searched: page 2."
    assert document.problems == (said,)


def white_on_blue(canvas: Canvas) -> None:
    canvas.setFillColorRGB(0.1, 0.1, 0.5)
    canvas.rect(40, 540, 400, 60, fill=1, stroke=0)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(50, 560, SEEN)


def outlined(canvas: Canvas) -> None:
    text = canvas.beginText(50, 560)
    text.setTextRenderMode(1)
    canvas.setFillColorRGB(1, 1, 1)
    text.textLine(SEEN)
    canvas.drawText(text)


def scanned(canvas: Canvas) -> None:
    canvas.drawInlineImage(Image.new("RGB", (60, 80), (240, 235, 220)), 0, 0, WIDTH, HEIGHT)
    text = canvas.beginText(50, 560)
    text.setTextRenderMode(3)
    text.textLine(SEEN)
    canvas.drawText(text)


def enlarged(canvas: Canvas) -> None:
    canvas.scale(20, 20)
    canvas.setFont("Helvetica", 0.6)
    canvas.drawString(2.5, 30, SEEN)


@pytest.mark.parametrize("show", [white_on_blue, outlined, scanned, enlarged])
def test_text_that_can_be_seen_or_lies_over_a_scan_is_kept(show: Callable[[Canvas], None]) -> None:
    document = read(drawn(show), PDF)
    assert [text for _, text in blocks(document)] == [SEEN]
    assert document.problems == ()


def test_what_stands_outside_of_the_crop_box_is_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setCropBox((100, 100, 400, 600))
        canvas.drawString(120, 500, SEEN)
        canvas.drawString(120, 700, "The password is swordfish.")
        canvas.drawString(420, 500, "It is swordfish.")

    document = read(drawn(draw), PDF)
    assert [text for _, text in blocks(document)] == [SEEN]
    assert document.problems == ("Some text is hidden from readers (off the page); not searched: page 1.",)


def test_a_file_of_nothing_but_hidden_text_is_named() -> None:
    with pytest.raises(UnreadableFile, match="nobody sees") as caught:
        parse(drawn(white), PDF, Limits())
    assert caught.value.remedy


def test_scans_are_counted_and_those_in_a_row_named_as_one() -> None:
    def draw(canvas: Canvas) -> None:
        for page in range(1, 13):
            if page in (3, 5, 6, 7, 8, 9, 11):
                canvas.drawInlineImage(Image.new("RGB", (60, 80), (240, 235, 220)), 0, 0, WIDTH, HEIGHT)
            else:
                canvas.drawString(50, 500, f"Page {page} tells of boat {page * 7}.")
            canvas.showPage()

    assert read(drawn(draw), PDF).problems == (
        f"7 of 12 pages are scans or pictures; not searched: pages 3, 5-9, 11. {ocr.REMEDY}",
    )


# ----------------------------------------------------------------------------------------------------- broken words


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["A law on immi-", "gration was passed."], "A law on immigration was passed."),
        (["A law on immi\u00ad", "gration was passed."], "A law on immigration was passed."),
        (["A well-", "known and self-", "governing town."], "A well-known and self-governing town."),
        (["A long-term plan, and a long-", "term view."], "A long-term plan, and a long-term view."),
        (["Of COVID-", "19 nobody knew."], "Of COVID-19 nobody knew."),
    ],
)
def test_words_that_a_line_s_end_breaks_are_whole_in_the_text(lines: list[str], text: str) -> None:
    def draw(canvas: Canvas) -> None:
        for number, line in enumerate(lines):
            canvas.drawString(50, 700 - 14 * number, line)

    assert texts(draw) == [text]
