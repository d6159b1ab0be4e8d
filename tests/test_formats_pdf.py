"""PDF: pages, paragraphs, headings, tables, and files that cannot be read."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from formats_laws import PDF, blocks, heading_of, quotes, read
from reportlab.lib import pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import ListFlowable, PageBreak, Paragraph, SimpleDocTemplate, Table

from qa.errors import UnreadableFile
from qa.formats import Limits, ocr, parse

_STYLES = getSampleStyleSheet()
_BODY = _STYLES["BodyText"]
_WORDS = "The council of the town met on Monday and spoke at length about the new work permits and what they cost. "


def _drawn(draw: Callable[[Canvas], None], **options: object) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, **options)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def _set(*flowables: object, head: str = "", foot: bool = True, title: str = "") -> bytes:
    buffer = io.BytesIO()

    def frame(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 9)
        canvas.drawString(72, A4[1] - 40, head)
        if foot:
            canvas.drawCentredString(A4[0] / 2, 30, f"Page {document.page}")

    document = SimpleDocTemplate(buffer, pagesize=A4, title=title or None)
    document.build(list(flowables), onFirstPage=frame, onLaterPages=frame)
    return buffer.getvalue()


def _heading(text: str, level: int = 1) -> Paragraph:
    return Paragraph(text, _STYLES[f"Heading{level}"])


@pytest.fixture(scope="module")
def report() -> bytes:
    rows = [["City", "Jobs", "Since"], ["Toronto", "200", "May 2016"], ["Vancouver", "75", "June 2016"]]
    return _set(
        Paragraph("A Report on Work Permits", ParagraphStyle("big", fontSize=24, leading=30)),
        Paragraph(_WORDS * 3, _BODY),
        _heading("1. Money"),
        Paragraph(_WORDS * 5, _BODY),
        PageBreak(),
        Paragraph("Second page. " + _WORDS * 4, _BODY),
        _heading("Public money", 2),
        Paragraph(_WORDS * 2, _BODY),
        Table(rows, colWidths=[120, 60, 90]),
        ListFlowable([Paragraph(item, _BODY) for item in ("first point", "second")], bulletType="bullet", start="•"),
        PageBreak(),
        _heading("2. People"),
        Paragraph("Last page. " + _WORDS, _BODY),
        head="Report 2017",
        title="A Report on Work Permits",
    )


def test_pages_paragraphs_and_headings_are_found(report: bytes) -> None:
    document = read(report, PDF)
    assert document.title == "A Report on Work Permits"
    assert quotes(document, "title") == ["A Report on Work Permits"]
    assert quotes(document, "heading") == ["1. Money", "Public money", "2. People"]
    assert (_WORDS * 5).strip() in quotes(document, "paragraph")
    assert heading_of(document, "Second page.") == ("1. Money",)
    assert heading_of(document, "Toronto") == ("1. Money", "Public money")
    assert heading_of(document, "Last page.") == ("2. People",)
    assert document.problems == ()


def test_every_block_names_its_page_and_pages_are_parted_by_a_form_feed(report: bytes) -> None:
    document = read(report, PDF)
    assert sorted({block.locator.page for block in document.blocks if block.locator.page}) == [1, 2, 3]
    assert document.text.count("\f") == 2
    for block in document.blocks:
        assert block.locator.page == 1 + document.text[: block.start].count("\f")
        assert block.locator.label is None


def test_running_heads_feet_and_page_numbers_are_left_out(report: bytes) -> None:
    document = read(report, PDF)
    assert "Report 2017" not in document.text
    assert "Page 2" not in document.text


def test_a_line_of_text_in_the_margin_of_one_page_stays() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 800, "Words at the top.")
        canvas.drawString(72, 400, "Middle.")

    data = _drawn(draw)
    assert [text for _, text in blocks(read(data, PDF))] == ["Words at the top.", "Middle."]


def test_table_rows_and_list_items_are_blocks_of_their_own(report: bytes) -> None:
    document = read(report, PDF)
    assert quotes(document, "row") == [
        "City: Toronto | Jobs: 200 | Since: May 2016",
        "City: Vancouver | Jobs: 75 | Since: June 2016",
    ]
    assert quotes(document, "item") == ["first point", "second"]


def test_the_largest_text_is_the_title_when_the_file_names_none() -> None:
    big = ParagraphStyle("big", fontSize=28, leading=34)
    text = [Paragraph(_WORDS * 4, _BODY), _heading("Part"), Paragraph(_WORDS, _BODY)]
    assert read(_set(Paragraph("Words in Large Type", big), *text), PDF).title == "Words in Large Type"


@pytest.mark.parametrize("title", ["untitled", "Microsoft Word - x.doc", "a_b.pdf", "(anonymous)", "Document1", "2017"])
def test_a_title_that_a_program_made_up_is_none(title: str) -> None:
    data = _drawn(lambda canvas: [canvas.setTitle(title), canvas.drawString(72, 500, "Some words.")])
    assert read(data, PDF).title == ""


def test_page_labels_are_kept_where_they_differ_from_the_number() -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(4):
            if number in (0, 2):
                canvas.addPageLabel(number, style="ARABIC" if number else "ROMAN_LOWER", start=1)
            canvas.drawString(72, 500, f"Words of sheet {number}.")
            canvas.showPage()

    labels = [(block.locator.page, block.locator.label) for block in read(_drawn(draw), PDF).blocks]
    assert labels[:2] == [(1, "i"), (2, "ii")]
    assert labels[2] == (3, "1")


def test_words_divided_at_the_end_of_a_line_are_made_whole() -> None:
    def draw(canvas: Canvas) -> None:
        text = canvas.beginText(72, 700)
        for line in (
            "Somebody told us that the immi-",
            "gration law was well-known and",
            "not at all new; a well-",
            "known fact. About COVID-",
            "19 nobody knew anything then.",
        ):
            text.textLine(line)
        canvas.drawText(text)

    (only,) = quotes(read(_drawn(draw), PDF), "paragraph")
    assert "the immigration law was well-known" in only
    assert "a well-known fact. About COVID-19 nobody" in only


def test_paragraphs_without_a_gap_are_told_by_their_indentation_and_last_lines() -> None:
    indented = ParagraphStyle("indented", parent=_BODY, firstLineIndent=18, spaceBefore=0, spaceAfter=0)
    flush = ParagraphStyle("flush", parent=_BODY, spaceBefore=0, spaceAfter=0)
    for style in (indented, flush):
        texts = [(_WORDS * count).strip() for count in (3, 4, 3)]
        document = read(_set(*(Paragraph(text, style) for text in texts)), PDF)
        assert [text for _, text in blocks(document)] == texts


def test_bookmarks_make_headings_of_what_looks_like_text() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.bookmarkPage("a")
        canvas.addOutlineEntry("Article 1: Scope", "a", level=0)
        canvas.drawString(72, 700, "Article 1: Scope")
        canvas.drawString(72, 670, "This law applies to everybody who reads it.")

    document = read(_drawn(draw), PDF)
    assert quotes(document, "heading") == ["Article 1: Scope"]
    assert heading_of(document, "This law") == ("Article 1: Scope",)


def test_monospaced_lines_are_one_block_of_code() -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(5):
            canvas.drawString(72, 750 - 14 * number, "Here is a program, and it is a short one, as you will see below.")
        canvas.setFont("Courier", 10)
        for number, line in enumerate(("def f(x):", "    return x", "f(1)")):
            canvas.drawString(72, 650 - 12 * number, line)

    (code,) = quotes(read(_drawn(draw), PDF), "code")
    assert [line.strip() for line in code.split("\n")] == ["def f(x):", "return x", "f(1)"]


def test_rotated_text_is_read_like_any_other() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rotate(90)
        canvas.drawString(100, -300, "One line of a sentence that goes on")
        canvas.drawString(100, -314, "to the next line and ends there.")

    assert [text for _, text in blocks(read(_drawn(draw), PDF))] == [
        "One line of a sentence that goes on to the next line and ends there."
    ]


def test_pages_without_text_are_counted_and_named() -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(5):
            if number in (1, 3):
                canvas.rect(100, 100, 200, 200, fill=1)  # what a scan looks like from here: shapes, no letters
            else:
                canvas.drawString(72, 500, f"Words of page {number + 1}.")
            canvas.showPage()

    document = read(_drawn(draw), PDF)
    assert document.problems == (f"2 of 5 pages are scans or pictures; not searched: pages 2, 4. {ocr.REMEDY}",)


def test_a_pdf_without_any_text_names_the_remedy() -> None:
    with pytest.raises(UnreadableFile) as caught:
        parse(_drawn(lambda canvas: canvas.rect(9, 9, 99, 99, fill=1)), PDF, Limits())
    assert "no text layer" in caught.value.what
    assert "OCR" in caught.value.remedy


def test_a_password_is_named_as_the_reason() -> None:
    locked = pdfencrypt.StandardEncryption("secret", ownerPassword="other", strength=128)
    with pytest.raises(UnreadableFile, match="password"):
        parse(_drawn(lambda canvas: canvas.drawString(72, 500, "x y z"), encrypt=locked), PDF, Limits())


def test_a_pdf_that_only_forbids_printing_is_read() -> None:
    open_to_read = pdfencrypt.StandardEncryption("", ownerPassword="other", canPrint=0, strength=128)
    data = _drawn(lambda canvas: canvas.drawString(72, 500, "Some words."), encrypt=open_to_read)
    assert [text for _, text in blocks(read(data, PDF))] == ["Some words."]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_pdf_that_was_cut_short_is_damaged(report: bytes, part: float) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        parse(report[: int(len(report) * part)], PDF, Limits())


def test_an_end_that_is_missing_is_named_when_the_rest_can_be_read(report: bytes) -> None:
    found = read(report.replace(b"%%EOF", b""), PDF)
    assert "cut short" in found.problems[0]


def test_pages_beyond_the_limit_are_refused(report: bytes) -> None:
    with pytest.raises(UnreadableFile, match="has 3 pages; at most 2"):
        parse(report, PDF, Limits(max_pages=2))
    with pytest.raises(UnreadableFile, match="characters"):
        parse(report, PDF, Limits(max_chars=100))


def test_no_sign_of_pdfium_s_own_comes_into_the_text(report: bytes) -> None:
    assert not set(read(report, PDF).text) & {"\ufffe", "\uffff", "\x02", "\0", "\r"}


def test_threads_may_read_at_the_same_time(report: bytes) -> None:
    expected = read(report, PDF)
    found = []
    threads = [threading.Thread(target=lambda: found.append(read(report, PDF))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [expected] * 4


def test_nothing_is_printed(report: bytes, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    read(report, PDF)
    with pytest.raises(UnreadableFile):
        parse(report[:1000], PDF, Limits())
    assert capfd.readouterr() == ("", "")
