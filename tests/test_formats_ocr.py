"""Laws of scans and pictures: named where they are not read, read where text recognition is asked for, and said so."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from formats_laws import PDF, place_of, quotes, read
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from shelf import Shelf

from qa import formats, payload
from qa.errors import UnreadableFile, UsageError
from qa.formats import FORMATS, Limits, ocr, parse, pictures
from qa.reading import Readers, Reading
from qa.settings import Settings

recognising = pytest.mark.skipif(not ocr.find_spec("rapidocr"), reason='needs pip install "qa[ocr]"')

QUAY = ["The lease of the eastern quay", "costs 4,250 crowns a year."]
FERRY = ["The night ferry to Ushant was", "taken out of service in 1987."]


def sheet(*lines: str, size: int = 30, mode: str = "L", width: int = 640) -> Image.Image:
    """A picture of lines of text, black on white; in the mode RGBA, on nothing."""
    picture = Image.new(mode, (width, 60 + 2 * size * len(lines)), (0, 0, 0, 0) if mode == "RGBA" else "white")
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((30, 30 + 1.5 * size * number), line, font=ImageFont.load_default(size), fill="black")
    return picture


def saved(picture: Image.Image, kind: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


def bound(*pages: str | Image.Image) -> bytes:
    """A PDF whose pages are text, or pictures."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(500, 300))
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(50, 200, page)
        else:
            canvas.drawImage(ImageReader(page), 0, 0, 500, 500 * page.height / page.width)
            assert page.height <= 0.6 * page.width  # else it would be cut off
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture
def limits() -> Limits:
    return formats.with_ocr(Limits())


# --- where it is not asked for ------------------------------------------------------------------------------------


def test_a_picture_is_named_as_such_with_the_extra_that_reads_it_and_is_no_failure(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    for name in ("a.png", "b.jpg", "c.jpeg", "d.tif", "e.tiff"):
        shelf.write(name, b"whatever")
    shelf.write("all.pdf", bound(sheet(*QUAY)))
    shelf.write("some.pdf", bound("The ferry sails at noon.", sheet(*QUAY)))
    problems = {problem.path: problem for problem in shelf.index().problems}
    assert {path: problem.kind for path, problem in problems.items()} == {
        **dict.fromkeys(("a.png", "b.jpg", "c.jpeg", "d.tif", "e.tiff"), "unsupported"),
        "all.pdf": "unreadable",
        "some.pdf": "partial",
    }
    for problem in problems.values():
        assert "not searched" in problem.reason
        assert 'pip install "qa[ocr]", then qa index --ocr' in f"{problem.reason} {problem.remedy}"
    assert problems["some.pdf"].reason.startswith("1 of 2 pages is a scan or picture; not searched: page 2.")


def test_asking_for_what_is_not_installed_is_said_so_before_anything_is_read(
    tmp_path: Path, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path / "docs", settings(ocr=True))
    shelf.write("a.txt", "The ferry sails at noon.")
    monkeypatch.setattr(ocr, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r'pip install "qa\[ocr\]"'):
        shelf.index()


# --- where it is --------------------------------------------------------------------------------------------------


@recognising
def test_what_waits_for_text_recognition_is_read_by_it_and_cited_as_such(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("minutes.pdf", bound("The ferry sails at noon.", sheet(*QUAY)))
    shelf.write("notes.txt", "The lighthouse was repaired in May.")
    shelf.write("receipt.png", saved(sheet(*FERRY), "PNG"))
    shelf.index()
    with shelf.engine() as engine:
        assert engine.ask("Where is the ferry?").index.coverage.scanned_pages == 1
    told: list[str] = []
    read_by_ocr = Shelf(shelf.docs, settings(ocr=True))
    report = read_by_ocr.index(progress=lambda now: told.append(now.file))
    assert (report.added, report.changed, report.unchanged) == (1, 1, 1)
    assert {"minutes.pdf, page 2 of 2", "receipt.png, page 1 of 1"} <= set(told)
    assert [(problem.path, problem.reason) for problem in report.problems] == [
        ("minutes.pdf", "1 of 2 pages is a scan or picture; read by OCR, which misreads some words: page 2."),
        ("receipt.png", "Is a scan or picture; read by OCR, which misreads some words: page 1."),
    ]
    for again in (read_by_ocr, shelf):  # nothing is read twice, and nothing lost when it is no longer asked for
        assert again.index().unchanged == 3
    with shelf.engine() as engine:
        for words, label in ((QUAY, "minutes.pdf, p. 2, read by OCR"), (FERRY, "receipt.png, read by OCR")):
            answer = engine.ask(" ".join(words))
            assert answer.index.coverage.scanned_pages == 0  # all are searched now
            assert answer.citations[0].text == " ".join(words)
            assert answer.citations[0].label == label
            told_as = json.loads(json.dumps(payload.answer_to_json(answer)))["citations"][0]["locator"]
            assert (told_as["type"], told_as["place"]) == ("scan", label.partition(", ")[2])
            assert told_as["page"] == (2 if label.startswith("minutes") else 1)


def photographs() -> Iterator[tuple[str, bytes, str]]:
    picture = sheet(*FERRY)
    yield pictures.PNG, saved(sheet(*FERRY, mode="RGBA"), "PNG"), "x, read by OCR"  # black on nothing
    yield pictures.JPEG, saved(picture, "JPEG", quality=60), "x, read by OCR"
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: to be turned by a quarter to the right
    yield pictures.JPEG, saved(picture.rotate(90, expand=True), "JPEG", exif=turned), "x, read by OCR"
    pages = saved(sheet("A cover sheet."), "TIFF", save_all=True, append_images=[sheet(*FERRY)])
    yield pictures.TIFF, pages, "x, p. 2, read by OCR"


@recognising
@pytest.mark.parametrize(
    ("kind", "data", "place"),
    [
        pytest.param(*each, id=way, marks=[] if way == "turned" else [pytest.mark.slow])
        for way, each in zip(("transparent", "jpeg", "turned", "pages"), photographs(), strict=True)
    ],
)
def test_a_picture_is_read_whatever_way_it_was_saved(kind: str, data: bytes, place: str, limits: Limits) -> None:
    document = read(data, kind, limits)
    assert " ".join(FERRY) in document.text.replace("\n", " ")
    assert place_of(document, "Ushant", "x") == place


@recognising
@pytest.mark.slow
def test_a_page_is_read_with_its_headings_its_table_and_its_broken_words(limits: Limits) -> None:
    page = Image.new("L", (1200, 700), "white")
    page.paste(sheet("The Eastern Quay", size=54), (0, 0))
    page.paste(sheet("It was leased to the ferry com-", "pany in the spring of 1871.", width=800), (0, 150))
    for row, cells in enumerate((("Ship", "Year"), ("Amalia", "1871"), ("Bertha", "1875"))):
        for column, cell in enumerate(cells):
            page.paste(sheet(cell, width=200), (400 * column, 400 + 60 * row))
    document = read(bound("A cover sheet.", page), PDF, limits)
    assert [*quotes(document, "title"), *quotes(document, "heading")] == ["The Eastern Quay"]
    assert "It was leased to the ferry company in the spring of 1871." in quotes(document, "paragraph")
    assert quotes(document, "row") == ["Ship | Year", "Amalia | 1871", "Bertha | 1875"]


@recognising
@pytest.mark.slow
def test_pictures_without_words_are_named(limits: Limits) -> None:
    blank = Image.new("L", (300, 180), "grey")
    with pytest.raises(UnreadableFile, match="no text was found"):
        parse(saved(blank, "PNG"), pictures.PNG, limits)
    with pytest.raises(UnreadableFile, match="no text was found"):
        parse(bound(blank), PDF, limits)
    problems = read(bound("The ferry sails at noon.", blank), PDF, limits).problems
    assert problems == ("1 of 2 pages is a scan or picture in which no text was found: page 2.",)
    assert not any(map(formats.is_waiting, problems))


@recognising
def test_pages_beyond_the_limit_are_named_and_wait_for_nothing() -> None:
    problems = read(bound(sheet(*QUAY), sheet(*FERRY)), PDF, Limits(max_ocr_pages=1)).problems
    assert problems[0].startswith("1 of 2 pages is a scan or picture; not searched: page 2.")
    assert not any(map(formats.is_waiting, problems))


@recognising
@pytest.mark.parametrize(
    "kind", [pictures.PNG, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (pictures.JPEG, pictures.TIFF))]
)
def test_a_picture_that_is_none_or_far_too_large_costs_itself_alone(kind: str, limits: Limits, tmp_path: Path) -> None:
    ending = next(f.endings[0] for f in FORMATS if f.media_type == kind)
    names = ("none", "cut", "huge", "sound")
    data = saved(sheet(*FERRY), kind.partition("/")[2])
    huge = saved(Image.new("1", (20_000, 20_000)), kind.partition("/")[2])
    for name, each in zip(names, (b"GIF89a", data[: len(data) // 3], huge, data), strict=True):
        (tmp_path / f"{name}{ending}").write_bytes(each)
    with Readers(limits) as readers:
        found = dict(readers.read([(name, tmp_path / f"{name}{ending}", "") for name in names]))
    assert isinstance(found["sound"], Reading)
    assert found["sound"].document is not None
    assert isinstance(found["none"], UnreadableFile)
    assert isinstance(found["huge"], UnreadableFile)
    assert "million pixels" in found["huge"].what
    assert isinstance(found["cut"], UnreadableFile)


def test_lines_are_put_in_order_and_told_apart_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        txts = ("right half of a row", "left half of a row", "a line below it that is longer by far", "HEAD OF ALL")
        boxes = (
            ((500, 102), (690, 102), (690, 122), (500, 122)),
            ((100, 98), (280, 98), (280, 118), (100, 118)),
            ((100, 130), (470, 131), (470, 151), (100, 150)),
            ((100, 20), (320, 20), (320, 60), (100, 60)),
        )

    monkeypatch.setattr(ocr, "_recogniser", lambda: lambda _: Found)
    lines = ocr.lines_in(Image.new("L", (800, 842)), 1, 1)
    assert [line.text for line in lines] == [Found.txts[index] for index in (3, 1, 0, 2)]
    assert lines[0].height > 1.3 * lines[1].height
    assert lines[1].height == lines[2].height == lines[3].height
    assert lines[1].base == lines[2].base > lines[3].base
