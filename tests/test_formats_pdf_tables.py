"""PDF: the rows of what is surely a table carry the names of its columns; nothing else becomes a table."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from formats_laws import PDF, blocks, heading_of, quotes, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table
from shelf import Shelf
from test_formats_pdf_places import hard, spelling

from qa import formats
from qa.formats import Limits
from qa.formats.tables import JOINT
from qa.settings import Settings

BODY = getSampleStyleSheet()["BodyText"]
PROSE = "The council of the town met on Monday and spoke at length about the new work permits and what they cost. "
HEAD = ["City", "Permits", "First granted"]
ROWS = [["Toronto", "200", "May 2016"], ["Vancouver", "75", "June 2016"], ["Halifax", "", "March 2017"]]
TOLD = [
    "City: Toronto | Permits: 200 | First granted: May 2016",
    "City: Vancouver | Permits: 75 | First granted: June 2016",
    "City: Halifax | First granted: March 2017",
]
GRID = [("GRID", (0, 0), (-1, -1), 0.5, "black")]
BOLD = [("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold")]
STYLES = {
    "a grid": GRID,
    "a grid and bold names": [*GRID, *BOLD],
    "bold names alone": BOLD,
    "nothing": [],
    "rules above and below": [("LINEABOVE", (0, 0), (-1, 0), 1, "black"), ("LINEBELOW", (0, 0), (-1, 0), 1, "black")],
    "shades": [("BACKGROUND", (0, n), (-1, n), "lightgrey") for n in (0, 2)],
    "figures to the right": [("ALIGN", (1, 0), (1, -1), "RIGHT")],
    "all in the middle": [*GRID, ("ALIGN", (0, 0), (-1, -1), "CENTER")],
}


def set_in(*flowables: object, size: tuple[float, float] = A4) -> bytes:
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, pagesize=size).build([Paragraph(PROSE * 2, BODY), *flowables, Paragraph(PROSE, BODY)])
    return buffer.getvalue()


def drawn(draw: Callable[[Canvas], None]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def rows_of(data: bytes) -> list[str]:
    return quotes(read(data, PDF), "row")


def is_named(row: str) -> bool:
    return ": " in row


@pytest.mark.parametrize("style", STYLES)
def test_a_row_carries_the_names_of_its_columns_however_the_table_looks(style: str) -> None:
    table = Table([HEAD, *ROWS], colWidths=[120, 60, 110], style=STYLES[style])
    document = read(set_in(table), PDF)
    assert quotes(document, "row") == TOLD
    assert quotes(document, "paragraph") == [(PROSE * 2).strip(), PROSE.strip()]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_table_on_a_turned_page_is_read_like_an_upright_one(turn: int) -> None:
    width, height = A4
    places = {90: (height, 0), 180: (width, height), 270: (0, width)}

    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(turn)
        canvas.translate(*places[turn])
        canvas.rotate(turn)
        table = Table([HEAD, *ROWS], colWidths=[120, 60, 110], style=GRID)
        table.wrapOn(canvas, 400, 400)
        table.drawOn(canvas, 72, 400)

    assert rows_of(drawn(draw)) == TOLD


def test_cells_of_several_lines_belong_to_their_row() -> None:
    def cell(text: str) -> Paragraph:
        return Paragraph(text, BODY)

    table = Table(
        [
            ["Route", "Who applies", "When the job ends"],
            [cell("Express Entry, by the points of each person"), cell("the person"), cell("Nothing changes. " * 4)],
            [cell("Talent Stream"), cell("the employer, or those who act for the employer"), cell("A new permit.")],
        ],
        colWidths=[110, 100, 150],
        style=[*GRID, *BOLD, ("VALIGN", (0, 0), (-1, -1), "TOP")],
    )
    assert rows_of(set_in(table)) == [
        "Route: Express Entry, by the points of each person | Who applies: the person | When the job ends: "
        + ("Nothing changes. " * 4).strip(),
        "Route: Talent Stream | Who applies: the employer, or those who act for the employer | When the job ends: A "
        "new permit.",
    ]


def test_lines_of_a_cell_are_told_from_rows_without_rules() -> None:
    def draw(canvas: Canvas) -> None:
        for base, *cells in [
            (700, "Port", "Boats", "What they carry"),
            (670, "Ostende", "14", "grain, and in the winter"),
            (658, "", "", "months coal and timber"),
            (630, "Vlissingen", "9", "passengers"),
            (600, "Calais", "31", "passengers and all of the"),
            (588, "", "", "mail of the north"),
        ]:
            for x, text in zip((72, 200, 300), cells, strict=True):
                canvas.drawString(x, base, text)

    assert rows_of(drawn(draw)) == [
        "Port: Ostende | Boats: 14 | What they carry: grain, and in the winter months coal and timber",
        "Port: Vlissingen | Boats: 9 | What they carry: passengers",
        "Port: Calais | Boats: 31 | What they carry: passengers and all of the mail of the north",
    ]


def test_names_over_several_columns_and_cells_over_several_rows_hold_for_each() -> None:
    table = Table(
        [["City", "Permits", ""], ["", "asked for", "granted"], ["Toronto", "310", "200"], ["", "120", "75"]],
        colWidths=[90, 90, 90],
        style=[*GRID, ("SPAN", (1, 0), (2, 0)), ("SPAN", (0, 0), (0, 1)), ("SPAN", (0, 2), (0, 3))],
    )
    assert rows_of(set_in(table)) == [
        "City: Toronto | Permits asked for: 310 | Permits granted: 200",
        "City: Toronto | Permits asked for: 120 | Permits granted: 75",
    ]


def test_a_table_that_the_file_holds_after_its_text_stands_where_it_is_shown() -> None:
    def draw(canvas: Canvas) -> None:
        for base, size, text in [(760, 20, "Of Permits"), (730, 11, "These were granted."), (500, 20, "Of Ferries")]:
            canvas.setFont("Helvetica", size)
            canvas.drawString(72, base, text)
        canvas.setFont("Helvetica", 11)
        for n in range(9):
            canvas.drawString(72, 470 - 14 * n, "A ferry sails to the islands of the west at noon.")
        table = Table([HEAD, *ROWS], colWidths=[120, 60, 110], style=GRID)
        table.wrapOn(canvas, 400, 400)
        table.drawOn(canvas, 72, 600)

    document = read(drawn(draw), PDF)
    assert [heading_of(document, told) for told in TOLD] == [("Of Permits",)] * 3
    assert document.text.index("These were") < document.text.index(TOLD[0]) < document.text.index("Of Ferries")


def test_narrow_columns_are_parted_by_the_rule_between_them() -> None:
    rows = [["Register", "Value"], ["CURRENT_USER", "The user of the thread"], ["SYSTEM_USER", "The one who signed on"]]
    table = Table(rows, colWidths=[88, 130], style=[*GRID, *BOLD, ("LEFTPADDING", (0, 0), (-1, -1), 2)])
    assert rows_of(set_in(table)) == [
        "Register: CURRENT_USER | Value: The user of the thread",
        "Register: SYSTEM_USER | Value: The one who signed on",
    ]


WORD = st.text("abcdefghijklmnopqrstuvwxyzéß", min_size=2, max_size=9).map(str.capitalize)
FIGURE = st.integers(0, 99_999).map("{:,}".format)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.integers(2, 6), st.integers(3, 9), st.sampled_from(sorted(STYLES)))
def test_whatever_stands_in_a_table_each_row_has_its_cells_with_their_names(
    data: st.DataObject, columns: int, count: int, style: str
) -> None:
    names = data.draw(st.lists(WORD, min_size=columns, max_size=columns, unique=True))
    kinds = [WORD, FIGURE, FIGURE, *data.draw(st.lists(st.sampled_from([WORD, FIGURE]), min_size=3, max_size=3))]
    kinds = kinds[:columns]
    body = [[data.draw(kind) for kind in kinds] for _ in range(count)]
    table = Table([names, *body], colWidths=[3.2 * cm] * columns, style=STYLES[style])
    assert rows_of(set_in(table, size=landscape(A4))) == [
        JOINT.join(f"{name}: {cell}" for name, cell in zip(names, row, strict=True)) for row in body
    ]


def test_the_letters_of_a_row_are_marked_and_not_the_names_that_it_carries() -> None:
    data = set_in(Table([HEAD, *ROWS], colWidths=[120, 60, 110], style=GRID))
    document = read(data, PDF)
    for told, cells in zip(TOLD, ROWS, strict=True):
        start = document.text.index(told)
        sha256 = hashlib.sha256(document.text.encode()).hexdigest()
        (page,) = formats.places(data, start, start + len(told), sha256, Limits()).pages
        assert hard(spelling(data, 1, page.boxes)) == hard("".join(cells))
    (page,) = formats.places(data, start := document.text.index("75"), start + 2, sha256, Limits()).pages
    assert spelling(data, 1, page.boxes) == "75"


def test_a_list_within_a_cell_stays_in_it_and_is_marked() -> None:
    rows = [
        ["Field", "Type", "Meaning"],
        ["usage", "text", "One of:\n• allowed to all\n• denied"],
        ["name", "text", "x"],
    ]
    data = set_in(Table(rows, colWidths=[80, 80, 180], style=[*GRID, *BOLD]))
    document = read(data, PDF)
    told = "Field: usage | Type: text | Meaning: One of: • allowed to all • denied"
    assert told in quotes(document, "row")
    start = document.text.index(told)
    sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    (page,) = formats.places(data, start, start + len(told), sha256, Limits()).pages
    assert hard(spelling(data, 1, page.boxes)) == "usagetextOneofallowedtoalldenied"


def test_a_row_answers_by_itself(tmp_path: Path, small_model: str, model_cache: Path) -> None:
    shelf = Shelf(tmp_path / "docs", Settings(index=tmp_path / "index", model=small_model, cache=model_cache))
    shelf.write("permits.pdf", set_in(Table([HEAD, *ROWS], colWidths=[120, 60, 110], style=GRID)))
    shelf.index()
    with shelf.engine(min_confidence=0.0) as engine:
        (first, *_) = engine.ask("permits first granted in Vancouver").citations
    assert (first.text, first.label) == (TOLD[1], "permits.pdf, p. 1")


# ------------------------------------------------------------------------------------------ what is no table, or not
# surely one


def at_places(*lines: tuple[float, Sequence[tuple[float, str]]], size: float = 11) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        for base, pieces in lines:
            for x, text in pieces:
                canvas.drawString(x, base, text)

    return draw


def spaced(rows: Sequence[Sequence[str]], xs: Sequence[float], size: float = 11) -> Callable[[Canvas], None]:
    return at_places(*((700 - 18 * n, list(zip(xs, row, strict=False))) for n, row in enumerate(rows)), size=size)


NO_TABLES: dict[str, Callable[[Canvas], None]] = {
    "two columns of an article": spaced(
        [("The left column speaks of the harbour and its", "On the right stands what was ever written of")] * 4,
        (60, 320),
        10,
    ),
    "a contents list": spaced([("Of Boats", "3"), ("Of Ferries", "12"), ("Of Harbours", "41")], (72, 480)),
    "references": spaced(
        [(f"[{n}]", f"A. Author, On the Ferries of the North, part {n}, 19{n}1.") for n in (1, 2, 3)], (72, 110)
    ),
    "addresses": spaced(
        [("Ada Byron", "Charles Babbage"), ("12 King Street", "1 Dorset Street"), ("London", "London")], (72, 320)
    ),
    "formulas": spaced([("a = b + c", "(1)"), ("d = e - f", "(2)"), ("g = h", "(3)")], (200, 500)),
    "a form": spaced(
        [("Name:", "Ada", "Date:", "4 March"), ("Room:", "4", "Phone:", "555"), ("Seat:", "9", "Fare:", "12")],
        (72, 150, 300, 380),
    ),
    "a form without colons": spaced(
        [("Name", "Ada", "Date", "4 March"), ("Room", "B 4", "Phone", "none"), ("Seat", "C 9", "Fare", "paid")],
        (72, 150, 300, 380),
    ),
    "a form with figures": spaced(
        [("Name", "Ada", "Ship", "Aurora"), ("Room", "4", "Phone", "555"), ("Seat", "9", "Fare", "12")],
        (72, 150, 300, 380),
    ),
    "a list of figures": spaced([("Name", "Aurora"), ("Built", "1902"), ("Boats", "9")], (72, 300)),
    "two lines": spaced([("City", "Jobs"), ("Toronto", "200")], (72, 320)),
    "options of a command": spaced([("-c, --check", "checks"), ("-o, --output", "a file"), ("-h", "help")], (72, 250)),
    "signatures": spaced(
        [("For the council", "For the company"), ("Ada Byron", "Charles Babbage"), ("Mayor", "Director")], (72, 320)
    ),
    "the scale of a chart": spaced(
        [("400", "2010", "2011", "2012"), ("300", "a", "b", "c"), ("200", "d", "e", "f")], (72, 150, 250, 350)
    ),
}


@pytest.mark.parametrize("kind", NO_TABLES)
def test_what_is_not_surely_a_table_gets_no_names(kind: str) -> None:
    document = read(drawn(NO_TABLES[kind]), PDF)
    colons = kind == "a form"
    assert colons or not any(is_named(text) for _, text in blocks(document))
    if colons:
        assert "Name: Room" not in document.text
        assert "Ada: 4" not in document.text


def test_boxes_around_text_are_no_table() -> None:
    def draw(canvas: Canvas) -> None:
        for n, (x, y) in enumerate(((72, 600), (72, 500), (320, 600), (320, 500))):
            canvas.rect(x, y, 230, 90)
            for line in range(4):
                canvas.drawString(x + 8, y + 70 - 14 * line, f"Box {n} tells of the ferries of year {line}")

    assert not any(is_named(row) for row in rows_of(drawn(draw)))


def test_a_form_between_rules_is_no_table() -> None:
    rows = [
        ["Name", "Ada Byron", "Born", "in London"],
        ["Street", "King", "Town", "London"],
        ["Room", "4", "Fax", "555"],
    ]
    assert not any(is_named(row) for row in rows_of(set_in(Table(rows, style=GRID))))


def test_stretched_lines_and_a_framed_paragraph_stay_paragraphs() -> None:
    justified = ParagraphStyle("justified", parent=BODY, alignment=TA_JUSTIFY, borderWidth=1, borderColor="black")
    text = "Extraordinarily uncharacteristic administrational responsibilities notwithstanding, telecommunications "
    data = set_in(Paragraph(text * 6, justified))
    assert rows_of(data) == []


def test_a_paragraph_below_a_table_is_no_row_of_it() -> None:
    def draw(canvas: Canvas) -> None:
        for number, row in enumerate([HEAD, *ROWS]):
            for x, text in zip((72, 220, 320), row, strict=True):
                canvas.drawString(x, 700 - 16 * number, text)
        canvas.drawString(72, 700 - 16 * 4, "Source: city halls")

    assert quotes(read(drawn(draw), PDF), "row") == TOLD
    assert quotes(read(drawn(draw), PDF), "paragraph") == ["Source: city halls"]
