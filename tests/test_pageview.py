"""Laws of the view of a PDF: the pages of the cited place, marked there, or words that say why not."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from memory_engine import MemoryEngine
from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from selectolax.lexbor import LexborHTMLParser
from typeset import Column, overlap, shown, typeset

from qa import formats, pageview
from qa.errors import UnreadableFile
from qa.facsimiles import Facsimiles
from qa.formats import Limits
from qa.records import Box, Picture, Places
from qa.web import create_app

WHOLE = "The ferry to the island sails at noon on every day of the week but on Sundays and in the winter months."
OVER = "It takes its passengers, of whom there are never more than forty, over to the harbour of the old town there."
LAST = "Nobody knows the day on which it sailed for the first time, for the harbour book was lost."
COLUMNS = [Column(1, 72, 700, 300, 2), Column(2, 72, 700, 300, 9)]


@pytest.fixture(scope="module")
def facsimiles() -> Iterator[Facsimiles]:
    with Facsimiles() as drawing:
        yield drawing


@pytest.fixture
def engine(tmp_path: Path) -> MemoryEngine:
    data, _ = typeset([WHOLE, OVER, LAST], COLUMNS, "Times-Roman")
    (tmp_path / "a <b> & c.pdf").write_bytes(data)
    return MemoryEngine(tmp_path, {"a <b> & c.pdf": formats.parse(data, pageview.MEDIA_TYPE, Limits())})


@pytest.fixture
def client(engine: MemoryEngine, facsimiles: Facsimiles) -> FlaskClient:
    return create_app(engine, facsimiles=facsimiles).test_client()


def address(engine: MemoryEngine, quote: str = "", more: str = "") -> str:
    """Of the one document, with a quote cited that may go over a page turn."""
    ((name, (_, document)),) = engine.documents.items()
    if not quote:
        return f"/doc/{name}{more}"
    found = re.search(r"\s+".join(map(re.escape, quote.split())), document.text)
    assert found, document.text
    return f"/doc/{name}?cite={found.start()}-{found.end()}{more}"


def parsed(client: FlaskClient, url: str, status: int = 200) -> LexborHTMLParser:
    response = client.get(url)
    assert response.status_code == status
    return LexborHTMLParser(response.get_data(as_text=True))


def boxes(page: LexborHTMLParser, picture: int = 0, selector: str = "rect") -> list[Box]:
    svg = page.css(".picture svg")[picture]
    _, _, width, height = map(float, str(svg.attributes["viewBox"]).split())
    found = []
    for rect in svg.css(selector):
        x, y, w, h = (float(str(rect.attributes[name])) for name in ("x", "y", "width", "height"))
        found.append(Box(x / width, y / height, (x + w) / width, (y + h) / height))
    return found


def test_the_cited_sentence_is_marked_on_the_picture_and_in_the_text(engine: MemoryEngine, client: FlaskClient) -> None:
    _, where = typeset([WHOLE, OVER, LAST], COLUMNS, "Times-Roman")
    page = parsed(client, address(engine, WHOLE))
    (image,) = page.css(".picture img")
    assert overlap(boxes(page), [shown(rectangle) for _, rectangle in where[0]]) >= 0.95
    assert [node.tag for node in page.css("#cite")] == ["rect"]
    assert "".join(node.text() for node in page.css("mark")) == WHOLE
    assert LAST not in page.css_first("article").text()
    assert not page.css("[style], .warning")
    picture = client.get(str(image.attributes["src"]))
    assert picture.mimetype == "image/png"
    size = Image.open(io.BytesIO(picture.data)).size
    assert size == (int(str(image.attributes["width"])), int(str(image.attributes["height"])))


def test_a_place_over_a_page_turn_shows_and_marks_both_pages(engine: MemoryEngine, client: FlaskClient) -> None:
    page = parsed(client, address(engine, OVER))
    assert [node.text() for node in page.css("figcaption")] == ["p. 1", "p. 2"]
    assert boxes(page, 0)
    assert boxes(page, 1)
    assert " ".join(node.text() for node in page.css("mark")) == OVER
    assert len(page.css("#cite")) == 1


def test_a_page_that_cannot_be_drawn_costs_itself_alone(
    engine: MemoryEngine, client: FlaskClient, facsimiles: Facsimiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = facsimiles.picture

    def picture(path: Path, sha256: str, number: int) -> Picture:
        if number == 1:
            raise UnreadableFile("is damaged")
        return draw(path, sha256, number)

    monkeypatch.setattr(facsimiles, "picture", picture)
    page = parsed(client, address(engine, OVER))
    assert [node.text() for node in page.css("figcaption")] == ["p. 2"]
    assert boxes(page)
    assert "Page 1 cannot be shown: the file is damaged." in page.css_first("[role=status]").text()
    assert " ".join(node.text() for node in page.css("mark")) == OVER


def test_the_text_beside_a_page_is_what_stands_on_it(engine: MemoryEngine, client: FlaskClient) -> None:
    """The paragraph goes over to the second page, and is shown with each as far as it stands there."""
    ((_, document),) = engine.documents.values()
    (block,) = document.blocks
    (turn,) = block.turns
    parts = [document.text[block.start : turn.start].strip(), document.text[turn.start : block.end]]
    shown = [parsed(client, address(engine, more=f"?page={number}")) for number in (1, 2)]
    assert [" ".join(page.css_first("article p").text(deep=False).split()) for page in shown] == parts
    cited = parsed(client, address(engine, LAST))
    assert [node.text() for node in cited.css("figcaption")] == ["p. 2"]
    assert "".join(node.text() for node in cited.css("mark")) == LAST
    assert "p. 2" in cited.css_first(".cited").text()


def test_pages_are_turned_by_links_that_keep_what_is_cited(engine: MemoryEngine, client: FlaskClient) -> None:
    page = parsed(client, address(engine, WHOLE, "&q=ferry"))
    assert not page.css("[rel=prev]")
    after = str(page.css_first("[rel=next]").attributes["href"])
    page = parsed(client, after)
    assert not boxes(page)
    assert LAST in page.css_first("article").text()
    assert not page.css("[rel=next]")
    assert "Go to the cited place" in page.text()
    assert boxes(parsed(client, str(page.css_first("[rel=prev]").attributes["href"])))


def test_without_a_place_the_first_page_is_shown_and_with_from_the_text_alone(
    engine: MemoryEngine, client: FlaskClient
) -> None:
    page = parsed(client, address(engine))
    assert [node.text() for node in page.css("figcaption")] == ["p. 1"]
    text = parsed(client, str(page.css("section.sheets .meta a")[0].attributes["href"]))
    assert not text.css("img")
    assert LAST in text.css_first("article").text()


def test_a_page_without_text_is_shown_as_it_looks(tmp_path: Path, facsimiles: Facsimiles) -> None:
    canvas = Canvas(str(tmp_path / "scan.pdf"))
    canvas.drawString(72, 700, "The ferry sails at noon.")
    canvas.showPage()
    canvas.rect(100, 100, 200, 200, fill=1)
    canvas.save()
    data = (tmp_path / "scan.pdf").read_bytes()
    engine = MemoryEngine(tmp_path, {"scan.pdf": formats.parse(data, pageview.MEDIA_TYPE, Limits())})
    page = parsed(create_app(engine, facsimiles=facsimiles).test_client(), address(engine, more="?page=2"))
    assert page.css(".picture img")
    assert "No text could be read from this page" in page.css_first("article").text()


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ("?page=3", 404, "has no page 3, but 2"),
        ("?page=0", 400, "no number of a page"),
        ("?page=x", 400, "no number of a page"),
        ("/page/3.png", 404, "has no page 3, but 2"),
        ("/page/0.png", 404, "counted from 1"),
        ("/page/x.png", 404, "counted from 1"),
        ("/page/1.png?v=no-hash", 404, "not the one that was indexed"),
        ("/page/1.png?w=1", 400, "w"),
    ],
)
def test_a_page_that_is_not_there_is_said_in_words(
    engine: MemoryEngine, client: FlaskClient, more: str, status: int, said: str
) -> None:
    assert said in parsed(client, address(engine, more=more), status).text()


def test_a_picture_is_sent_once_for_as_long_as_the_file_is_the_same(engine: MemoryEngine, client: FlaskClient) -> None:
    url = address(engine, more="/page/1.png")
    first = client.get(url)
    ((source, _),) = engine.documents.values()
    assert source.sha256 in first.headers["ETag"]
    again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(address(engine, more="/page/2.png")).headers["ETag"] != first.headers["ETag"]


def test_of_a_file_that_changed_nothing_is_drawn_and_that_is_said(engine: MemoryEngine, client: FlaskClient) -> None:
    parsed(client, address(engine, WHOLE))  # a picture is kept
    ((source, _),) = engine.documents.values()
    (engine.root / source.path).write_bytes(b"%PDF-1.7 other")
    page = parsed(client, address(engine, WHOLE))
    assert not page.css("img, svg")
    assert "not shown" in page.css_first("[role=status]").text()
    assert "".join(node.text() for node in page.css("mark#cite")) == WHOLE
    assert LAST in page.css_first("article").text()
    assert "#page" not in page.html
    assert "not the one that was indexed" in parsed(client, address(engine, more="/page/1.png"), 404).text()
    (engine.root / source.path).unlink()
    assert not parsed(client, address(engine, WHOLE)).css("img")


def test_a_place_that_is_not_sure_is_not_marked_on_the_page(
    engine: MemoryEngine, client: FlaskClient, facsimiles: Facsimiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facsimiles, "places", lambda *_: Places((), "the letters <i> do not spell it"))
    page = parsed(client, address(engine, WHOLE))
    assert page.css("img")
    assert not page.css("rect")
    assert "could not be marked surely" in page.css_first("[role=status]").text()
    assert not page.css("i")
    assert "".join(node.text() for node in page.css("mark#cite")) == WHOLE


def test_a_file_that_cannot_be_drawn_shows_its_text_and_the_reason(tmp_path: Path, facsimiles: Facsimiles) -> None:
    data, _ = typeset([WHOLE], COLUMNS)
    (tmp_path / "cut.pdf").write_bytes(data[:300])
    engine = MemoryEngine(tmp_path, {"cut.pdf": formats.parse(data, pageview.MEDIA_TYPE, Limits())})
    page = parsed(create_app(engine, facsimiles=facsimiles).test_client(), address(engine, WHOLE))
    assert not page.css("img")
    assert "damaged" in page.css_first("[role=status]").text()
    assert "".join(node.text() for node in page.css("mark#cite")) == WHOLE
