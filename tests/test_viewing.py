from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from memory_engine import MARKUP, MemoryEngine, composed
from selectolax.lexbor import LexborHTMLParser

from qa import indexing, permalinks
from qa.engine import Engine
from qa.permalinks import Other, digest, permalink
from qa.records import Document, Locator
from qa.settings import Settings
from qa.web import create_app

SAID = "The ferry to Ushant sails at nine."
TEXT = f"# Ferries\n\nIt is an old line.\n\n{SAID} It is blue.\n\n# Fares\n\nChildren travel for nothing on Sundays.\n"


def page(client: FlaskClient, link: str, status: int = 200) -> LexborHTMLParser:
    response = client.get(link)
    assert response.status_code == status
    return LexborHTMLParser(response.get_data(as_text=True))


def words(tree: LexborHTMLParser, selector: str) -> str:
    return " ".join(" ".join(node.text() for node in tree.css(selector)).split())


class Shelf:
    """A folder that is indexed, the web over it, and a link to a sentence in it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self._settings = folder, settings
        folder.mkdir()
        self.write("ferry.md", TEXT)
        self.write("other.md", "# Bees\n\nBees sleep in the afternoon when it is hot.\n")
        self.index()
        self.engine = Engine.open(settings)
        self.client = create_app(self.engine).test_client()
        body = self.client.get("/api/v1/query", query_string={"q": SAID, "path": "ferry*"}).get_json()
        [self.link] = [each["links"]["view"] for each in body["citations"] if each["text"] == SAID]

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def index(self) -> None:
        indexing.index([self.folder], self._settings)


@pytest.fixture
def shelf(tmp_path: Path, settings: Callable[..., Settings]) -> Iterator[Shelf]:
    made = Shelf(tmp_path / "docs", settings())
    yield made
    made.engine.close()


def test_a_kept_link_tells_what_became_of_its_sentence(shelf: Shelf) -> None:
    tree = page(shelf.client, shelf.link)
    assert tree.css_first("mark#cite").text() == SAID
    assert not tree.css(".warning")

    shelf.write("ferry.md", "# News\n\nThe harbour is being dredged.\n\n" + TEXT.replace("Sundays", "Mondays"))
    shelf.index()
    tree = page(shelf.client, shelf.link)
    assert tree.css_first("mark#cite").text() == SAID
    assert words(tree, ".warning").startswith("Moved: ") and "word for word" in words(tree, ".warning")
    fresh = tree.css_first(".lasting a").attributes["href"] or ""
    assert not page(shelf.client, fresh).css(".warning")
    assert page(shelf.client, fresh).css_first("mark#cite").text() == SAID

    shelf.write("ferry.md", TEXT.replace("nine", "half past seven"))
    shelf.index()
    tree = page(shelf.client, shelf.link)
    assert words(tree, ".warning p").startswith("Changed: ")
    now = SAID.replace("nine", "half past seven")
    assert [each.text() for each in tree.css(".warning dd")] == [SAID, now]
    assert tree.css_first("mark#cite.changed").text() == now

    shelf.write("ferry.md", TEXT.replace(f"{SAID} ", ""))
    shelf.index()
    tree = page(shelf.client, shelf.link)
    assert words(tree, ".warning p").startswith("Gone: ")
    assert not tree.css("mark#cite")
    assert tree.css_first("#cite.near").text() == "It is blue."


def test_a_kept_link_follows_its_document_to_another_path(shelf: Shelf) -> None:
    (shelf.folder / "ferry.md").rename(shelf.folder / "boats.md")
    shelf.index()
    tree = page(shelf.client, shelf.link)
    assert words(tree, ".warning") == "Moved: the document of this link is now at boats.md."
    assert tree.css_first("mark#cite").text() == SAID
    # Another document has taken the place of the first.
    shelf.write("ferry.md", "# Trains\n\nThe train to Brest leaves in the morning.\n")
    shelf.index()
    tree = page(shelf.client, shelf.link)
    assert words(tree, ".warning") == "Moved: the document of this link is now at boats.md."
    assert tree.css_first("mark#cite").text() == SAID


def test_a_kept_link_to_a_document_that_is_nowhere_leads_to_a_search_for_its_words(shelf: Shelf) -> None:
    (shelf.folder / "ferry.md").unlink()
    shelf.index()
    tree = page(shelf.client, shelf.link, 404)
    search = next(a.attributes["href"] or "" for a in tree.css("main a") if "words of the link" in a.text())
    assert parse_qs(urlsplit(search).query)["q"] == [f'"{SAID}"']


def test_an_original_is_offered_only_while_it_can_be_had(shelf: Shelf) -> None:
    assert "Open original" in words(page(shelf.client, shelf.link), "header a")
    (shelf.folder / "ferry.md").unlink()
    assert "Open original" not in words(page(shelf.client, shelf.link), "header a")


# ------------------------------------------------------------------------------------------------ several citations


def long_engine(folder: Path, paragraphs: int = 2_000) -> MemoryEngine:
    parts = [("paragraph", f"Paragraph {n} says nothing. But number {n} does.", Locator()) for n in range(paragraphs)]
    (folder / "long.txt").write_text("long")
    return MemoryEngine(folder, {"long.txt": composed(parts, "", "text/plain")})


def test_citations_are_numbered_and_lead_to_each_other_over_pages(tmp_path: Path) -> None:
    engine = long_engine(tmp_path)
    [(source, document)] = engine.documents.values()
    chosen = [document.blocks[n] for n in (1_000, 3, 1_002, 1_990)]
    others = [Other(n, b.start, b.end, digest(document.text[b.start : b.end])) for n, b in enumerate(chosen, 1)]
    first = chosen[0]
    text = document.text[first.start : first.end]
    link = permalinks.address(source.id, permalink(source, first.start, first.end, text, "", "", 1, others[1:]))
    client = create_app(engine).test_client()
    tree = page(client, link)
    assert [node.text() for node in tree.css(".cited .numeral")] == ["[2]", "[1]", "[3]", "[4]"]
    assert [node.text() for node in tree.css("article .numeral")] == ["[1]", "[3]"]
    seen, name = [], "cite"
    for label in ("Previous citation", "Next citation", "Next citation", "Next citation"):
        mark = tree.css_first(f"mark#{name}")
        jump = next(a for a in mark.parent.css(".jump a") if a.attributes["aria-label"] == label)
        to = jump.attributes["href"] or ""
        name = to.partition("#")[2]
        if not to.startswith("#"):
            tree = page(client, to.partition("#")[0])
        seen.append(tree.css_first(f"mark#{name}").text())
    assert seen == [document.text[b.start : b.end] for b in (chosen[1], chosen[0], chosen[2], chosen[3])]


def test_further_citations_that_are_no_longer_there_are_counted(tmp_path: Path) -> None:
    engine = long_engine(tmp_path, 20)
    [(source, document)] = engine.documents.values()
    spans = engine.sentences(source.id)
    others = [
        Other(2, 5, 9, digest(document.text[spans[7].start : spans[7].end])),
        Other(3, spans[9].start, spans[9].end, digest("Something else.")),
    ]
    text = document.text[spans[2].start : spans[2].end]
    old = permalink(source, spans[2].start, spans[2].end, text, number=1, others=others)
    tree = page(create_app(engine).test_client(), permalinks.address(source.id, old))
    assert [mark.text() for mark in tree.css("mark")] == [
        document.text[span.start : span.end] for span in (spans[2], spans[7])
    ]
    assert "1 further citation of this link is no longer" in words(tree, ".warning")


# --------------------------------------------------------------------------------------------------- hostile documents

HOSTILE = f"</mark></td><script>alert(1)</script> \u202e\u2066\0 {MARKUP} <img src=x onerror=alert(2)>"


def hostile(kind: str) -> Document:
    place = Locator((HOSTILE, HOSTILE), page=1, place=HOSTILE, kind="slide")
    one = " ".join([HOSTILE.replace("\n", " ")] * (1_000_000 // len(HOSTILE)))
    parts = [("heading", HOSTILE, place), ("heading", HOSTILE, place), (kind, f"{HOSTILE}: x | {HOSTILE}: y", place)]
    return composed([*parts, (kind, one, place)], HOSTILE, "text/plain")


@pytest.mark.parametrize("kind", ["paragraph", "heading", "item", "row", "code", "quote", "caption", "title"])
def test_whatever_a_document_and_a_link_hold_stays_text(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.txt").write_text("a")
    document = hostile(kind)
    engine = MemoryEngine(tmp_path, {"a.txt": document})
    [(source, _)] = engine.documents.values()
    block = document.blocks[2]
    quote = document.text[block.start : block.end]
    for link in (
        permalink(source, block.start, block.end, quote, HOSTILE, HOSTILE),
        permalink(source, 1, 9, HOSTILE * 3, HOSTILE, HOSTILE),
    ):
        response = create_app(engine).test_client().get(permalinks.address(source.id, link, HOSTILE))
        body = response.get_data(as_text=True)
        assert response.status_code == 200
        assert len(body) < 2_000_000 and "\0" not in body
        assert re.findall(r"<(?:script|img)[^>]*>", body) == ['<script type="module" src="/static/app.mjs">']
        assert not re.search(r"<[^>]*\son\w+\s*=", body)
