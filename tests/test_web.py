from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_engine import MARKUP, MemoryEngine, composed, hostile_engine
from selectolax.lexbor import LexborHTMLParser
from werkzeug.test import TestResponse

from qa import permalinks
from qa.errors import IndexMissing, IndexUnusable, UsageError
from qa.payload import answer_to_json
from qa.permalinks import MAX_OTHERS, permalink
from qa.records import Answer, Document, Locator, Notice, Source
from qa.web import MAX_BODY_BYTES, assets, create_app, serve

HARBOUR = "What did the harbour cost, how many million crowns?"
LIGHTHOUSE = "keeper lighthouse"
BRIDGE = "bridge opened"
HEADERS = (
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "Cross-Origin-Resource-Policy",
    "Cache-Control",
)


@pytest.fixture
def engine(tmp_path: Path) -> MemoryEngine:
    return hostile_engine(tmp_path)


@pytest.fixture
def client(engine: MemoryEngine) -> FlaskClient:
    return create_app(engine).test_client()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client for laws about many requests, none of which changes anything."""
    return create_app(hostile_engine(tmp_path_factory.mktemp("lasting"))).test_client()


def ids(engine: MemoryEngine) -> dict[str, str]:
    """Document ids by file ending."""
    return {source.path.rpartition(".")[2]: name for name, (source, _) in engine.documents.items()}


def page(response: TestResponse) -> LexborHTMLParser:
    return LexborHTMLParser(response.get_data(as_text=True))


def visible(text: str) -> str:
    """Text as a browser shows it: white space run together, and U+FFFD for what HTML cannot hold."""
    return " ".join(text.replace("\0", "\ufffd").split())


# --------------------------------------------------------------------------------------------------------- answers


def test_the_endpoint_gives_what_python_gives(engine: MemoryEngine, client: FlaskClient) -> None:
    got = client.get("/api/v1/query", query_string={"q": HARBOUR, "limit": 3, "explain": "true"}).get_json()
    assert got == answer_to_json(engine.ask(HARBOUR, limit=3, explain=True), explain=True)


@pytest.mark.parametrize("explain", [False, True])
def test_get_form_and_json_give_the_same_answer(client: FlaskClient, explain: bool) -> None:
    words = {"type": "html", "path": "a *", "after": "2001-02-03", "before": "2200-01-01", "title": "*"}
    fields = {"q": LIGHTHOUSE, "limit": "2", "offset": "1", "explain": str(explain).lower(), **words}
    body = {"q": LIGHTHOUSE, "limit": 2, "offset": 1, "explain": explain, "filter": words}
    by_get = client.get("/api/v1/query", query_string=fields)
    by_form = client.post("/api/v1/query", data=fields)
    by_json = client.post("/api/v1/query", json=body)
    assert by_get.status_code == by_form.status_code == by_json.status_code == 200
    assert by_get.get_json() == by_form.get_json() == by_json.get_json()
    assert len(by_get.get_json()["passages"]) == 2
    assert ("parts" in by_get.get_json()["passages"][0]) == explain


def test_a_filter_leaves_out_what_it_does_not_let_through(client: FlaskClient) -> None:
    for words, total in (
        ({}, 42),
        ({"type": "pdf"}, 2),
        ({"path": "bridge*"}, 40),
        ({"after": "2200-01-01"}, 0),
        ({"title": "BRIDGE"}, 40),
    ):
        assert client.get("/api/v1/query", query_string={"q": "harbour bridge", **words}).get_json()["total"] == total


@pytest.mark.parametrize("start", ["/api/v1/query", "/"])
def test_following_next_shows_every_passage_once_and_in_order(client: FlaskClient, start: str) -> None:
    link: str | None = f"{start}?{urlencode({'q': BRIDGE, 'limit': 7, 'type': 'docx'})}"
    ranks: list[int] = []
    while link:
        response = client.get(link)
        if start == "/":
            tree = page(response)
            ranks += [int(item.attributes["value"] or "") for item in tree.css("ol.passages > li")]
            following = tree.css_first("a[rel=next]")
            link = following.attributes["href"] if following else None
        else:
            ranks += [passage["rank"] for passage in response.get_json()["passages"]]
            link = response.get_json()["next"]
    assert ranks == list(range(1, 41))


def test_the_page_shows_the_answer_of_the_endpoint(client: FlaskClient) -> None:
    fields = {"q": HARBOUR, "limit": 5}
    said = client.get("/api/v1/query", query_string=fields).get_json()
    tree = page(client.get("/", query_string=fields))
    assert visible(tree.css_first(".card blockquote").text()) == visible(said["answer"]["text"])
    assert f"{said['confidence']:.0%}" in tree.css_first(".card").text()
    assert [visible(mark.text()) for mark in tree.css("ol.passages mark")] == [
        visible(citation["text"]) for citation in said["citations"]
    ]
    assert [link.attributes["href"] for link in tree.css("a.number")] == [
        citation["links"]["view"] for citation in said["citations"]
    ]
    assert tree.css_first(".searched").text().startswith("Searched ")


def test_the_page_says_when_the_documents_do_not_say(client: FlaskClient) -> None:
    text = page(client.get("/?q=who+painted+the+harbour+for+which+of+our+queens")).body.text()
    assert "The documents do not say." in text
    assert "Nearest passages, which may not answer" in text
    assert "Confidence" not in text


def test_a_page_without_any_passage_says_so(client: FlaskClient) -> None:
    response = client.get("/?q=zzz")
    assert response.status_code == 200
    assert "No passage comes near the question" in page(response).body.text()


def test_a_later_page_shows_no_answer_card(client: FlaskClient) -> None:
    assert page(client.get("/", query_string={"q": BRIDGE, "offset": 10})).css_first(".card") is None


def test_the_empty_page_shows_the_box_an_example_and_what_is_indexed(client: FlaskClient) -> None:
    tree = page(client.get("/"))
    assert tree.css_first("form[method=get][action='/'] input[name=q]") is not None
    assert tree.css_first(".example") is not None
    assert "3 documents" in visible(tree.css_first(".hint").text())


def test_an_empty_index_says_how_to_fill_it(tmp_path: Path) -> None:
    client = create_app(MemoryEngine(tmp_path, {})).test_client()
    for url in ("/", "/?q=anything"):
        assert "qa index FOLDER" in client.get(url).get_data(as_text=True)


def test_a_filter_that_lets_nothing_through_is_said_to_and_can_be_left(client: FlaskClient) -> None:
    fields = {"q": HARBOUR, "type": "docx", "title": "harbour", "limit": "3"}
    body = client.get("/api/v1/query", query_string=fields).get_json()
    assert (body["answered"], body["answer"], body["total"]) == (False, None, 0)
    assert (body["index"]["documents"], body["index"]["searched"]) == (3, 0)
    card = page(client.get("/", query_string=fields)).css_first(".card")
    assert "The filter lets none of the 3 documents through." in visible(card.text())
    whole = page(client.get(card.css_first("a").attributes["href"]))
    assert whole.css_first(".card blockquote") is not None


def test_empty_filter_fields_of_the_form_ask_for_nothing(client: FlaskClient) -> None:
    fields = {"q": HARBOUR, "type": "", "path": "", "title": "", "after": "", "before": ""}
    response = client.get("/", query_string=fields)
    assert response.status_code == 200
    assert page(response).css_first(".card blockquote") is not None


def test_the_page_keeps_the_question_and_the_filter_in_their_fields(client: FlaskClient) -> None:
    fields = {"q": f"harbour {MARKUP}", "type": "pdf", "path": '"><b>*', "after": "2001-02-03"}
    fields |= {"title": MARKUP, "before": "2200-01-01"}
    tree = page(client.get("/", query_string=fields))
    assert {name: tree.css_first(f"input[name={name}]").attributes["value"] for name in fields} == fields
    assert "open" in tree.css_first("details").attributes


# ------------------------------------------------------------------------------------------------------ source view


@pytest.mark.parametrize("question", [HARBOUR, LIGHTHOUSE, BRIDGE])
def test_every_view_link_opens_at_the_marked_sentence(engine: MemoryEngine, client: FlaskClient, question: str) -> None:
    citations = client.get("/api/v1/query", query_string={"q": question}).get_json()["citations"]
    assert citations
    for citation in citations:
        assert citation["links"]["view"].endswith("#cite")
        tree = page(client.get(citation["links"]["view"]))
        [mark] = tree.css("mark#cite")
        row = mark.parent.parent if mark.parent is not None and mark.parent.tag == "td" else None
        cells = [visible(each.text()) for each in (row.css("mark") if row is not None else [mark])]
        assert " | ".join(cells) == visible(citation["text"])
        here = [c for c in citations if c["document"]["id"] == citation["document"]["id"]]
        ids = [each.attributes["id"] for each in tree.css("mark[id]")]
        assert sorted(ids) == sorted(["cite", *(f"cite-{n}" for n in range(2, min(len(here), MAX_OTHERS + 1) + 1))])
        assert len(tree.css(".cited li")) == len(ids)
        numbers = [each.text() for each in tree.css("article .numeral")]
        assert len(here) == 1 or sorted(numbers) == sorted(
            f"[{c['number']}]" for c in here if f"[{c['number']}]" in numbers
        )
        assert visible(citation["document"]["path"]) in visible(tree.css_first("header").text())
        back = tree.css_first("p.name a").attributes["href"]
        assert parse_qs(urlsplit(back).query)["q"] == [question]


def test_the_source_view_shows_the_whole_document_with_its_structure(engine: MemoryEngine, client: FlaskClient) -> None:
    name = ids(engine)["pdf"]
    _, document = engine.document(name)
    tree = page(client.get(f"/doc/{name}"))
    assert tree.css("mark") == []
    assert tree.css_first("article h2.title").text(deep=True).endswith(MARKUP)
    assert tree.css_first("article h3").text() == "Second </h2>"
    assert tree.css_first("article pre").text() == document.text[slice(*_bounds(document, "code"))]
    assert [mark.text() for mark in tree.css(".page")] == ["p. <b>ii</b>", "p. iii"]
    tree = page(client.get(f"/doc/{ids(engine)['html']}"))
    assert len(tree.css("article ul li")) == 1
    assert len(tree.css("article table tr")) == 2


def _bounds(document: Document, kind: str) -> tuple[int, int]:
    block = next(block for block in document.blocks if block.kind == kind)
    return block.start, block.end


@pytest.mark.parametrize("cite", ["5-5", "9-3", "0-99999999", "x", "", "-1-3", "1-2-3", "٣-٤", "1e3-2e3", "<b>"])
def test_a_place_that_does_not_fit_is_said_and_the_document_shown_unmarked(
    engine: MemoryEngine, client: FlaskClient, cite: str
) -> None:
    response = client.get(f"/doc/{ids(engine)['docx']}", query_string={"cite": cite})
    tree = page(response)
    assert response.status_code == 200
    assert "not in the document" in tree.css_first(".warning").text()
    assert tree.css("mark") == []
    assert "The bridge number 3 opened" in tree.body.text()


def test_a_link_without_its_words_from_before_the_document_was_indexed_anew_marks_nothing(
    engine: MemoryEngine, client: FlaskClient
) -> None:
    tree = page(client.get(f"/doc/{ids(engine)['docx']}?cite=0-9&v=000000000000"))
    assert "before the document was indexed anew" in tree.css_first(".warning").text()
    assert tree.css("mark") == []


@pytest.mark.parametrize(("change", "word"), [("edit", "Changed"), ("remove", "Missing")])
def test_a_stale_document_is_announced_wherever_it_is_shown(
    engine: MemoryEngine, client: FlaskClient, change: str, word: str
) -> None:
    name = ids(engine)["docx"]
    path = engine.original(name)
    assert path is not None
    path.write_bytes(b"new") if change == "edit" else path.unlink()
    said = {"edit": "changed", "remove": "missing"}[change]
    assert client.get(f"/api/v1/documents/{name}").get_json()["stale"] == said
    assert client.get("/api/v1/query", query_string={"q": BRIDGE}).get_json()["citations"][0]["stale"] == said
    assert word in page(client.get(f"/doc/{name}")).css_first(".warning").text()
    tree = page(client.get("/", query_string={"q": BRIDGE}))
    assert word in tree.css_first(".card .warning").text()
    assert tree.css_first("ol.passages .warning") is not None


def test_a_document_of_twenty_million_characters_gives_small_pages(tmp_path: Path) -> None:
    text = "word " * 4_000_000
    (tmp_path / "long.txt").write_text("long")
    document = composed([("paragraph", text + "The end of it is here.", Locator())], "", "text/plain")
    engine = MemoryEngine(tmp_path, {"long.txt": document})
    client = create_app(engine).test_client()
    [(source, _)] = engine.documents.values()
    end = len(document.text)
    response = client.get(permalinks.address(source.id, permalink(source, end - 22, end, "The end of it is here.")))
    tree = page(response)
    assert len(response.data) < 1_000_000
    assert tree.css_first("mark#cite").text() == "The end of it is here."
    earlier = client.get(tree.css_first("nav[aria-label=Earlier] a").attributes["href"])
    assert len(earlier.data) < 1_000_000
    back = page(earlier).css_first(".cited a").attributes["href"]
    assert page(client.get(back)).css_first("mark#cite").text() == "The end of it is here."
    assert page(client.get(f"/doc/{source.id}?from=999999999")).css_first("article").text().strip()


# ----------------------------------------------------------------------------------------------------- hostile text


def _hostile_pages(engine: MemoryEngine) -> Iterator[str]:
    for question in (HARBOUR, LIGHTHOUSE, f"harbour {MARKUP}", "lighthouse \u202e<img src=x onerror=alert(1)>"):
        yield f"/?{urlencode({'q': question})}"
        yield f"/?{urlencode({'q': question, 'path': MARKUP, 'after': MARKUP})}"
    for name in engine.documents:
        yield f"/doc/{name}"
        yield f"/doc/{name}?{urlencode({'cite': '3-30', 'q': MARKUP})}"
        yield f"/doc/{name}?{urlencode({'cite': MARKUP})}"
    yield f"/?{urlencode({MARKUP: MARKUP})}"
    yield f"/doc/{quote(MARKUP, safe='')}"
    yield f"/{quote(MARKUP, safe='')}"


def test_nothing_from_outside_becomes_markup(engine: MemoryEngine, client: FlaskClient) -> None:
    for path in engine.documents:
        engine.original(path).unlink()
    ours = {"html", "head", "body", "meta", "title", "link", "script", "header", "main", "nav", "section", "article"}
    ours |= {"h1", "h2", "h3", "p", "a", "form", "div", "label", "input", "button", "details", "summary", "ol", "ul"}
    ours |= {"li", "span", "bdi", "mark", "blockquote", "code", "strong", "pre", "q", "ul"}
    ours |= {"dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"}
    for url in _hostile_pages(engine):
        response = client.get(url)
        body = response.get_data(as_text=True)
        tree = page(response)
        assert "49" not in tree.body.text(), url
        assert "\0" not in body
        for node in tree.css("*"):
            assert node.tag in ours, (url, node.html)
            assert not any(name.startswith("on") or name == "style" for name in node.attributes), (url, node.html)
            for name in ("href", "src", "action"):
                link = node.attributes.get(name)
                assert link is None or re.match(r"/(?!/)|#[\w-]+\Z", link), (url, node.html)
        assert [node.attributes.get("src") for node in tree.css("script")] == ["/static/app.mjs"], url
        assert tree.css_first("script").text() == ""


def test_markup_in_a_document_is_shown_as_it_is_written(engine: MemoryEngine, client: FlaskClient) -> None:
    text = page(client.get("/", query_string={"q": HARBOUR})).css_first(".card").text()
    assert visible(MARKUP) in visible(text)
    assert visible("plans/harbour & <i>'quay'</i>.pdf") in visible(text)


@pytest.mark.parametrize("path", sorted(assets().rglob("*.*")), ids=lambda path: path.name)
def test_assets_name_no_other_machine_and_run_nothing_inline(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\(|@import|\bfetch\b|XMLHttpRequest|innerHTML|\beval\b", text)
    if path.suffix == ".html":
        assert not re.search(r"\|\s*safe|Markup|autoescape|\sstyle=|\son\w+=|javascript:", text)


# ----------------------------------------------------------------------------------------------------------- errors


BAD_QUESTIONS = [
    ("", "empty"),
    (" \n\u3000", "empty"),
    ("x" * 2001, "2,001 characters"),
    ("a\0b", "NUL"),
    ("?!", "no words"),
]


@pytest.mark.parametrize(("question", "said"), BAD_QUESTIONS, ids=["empty", "blank", "long", "nul", "signs"])
def test_a_bad_question_is_refused_in_words_at_every_door(client: FlaskClient, question: str, said: str) -> None:
    asked = [
        client.get("/api/v1/query", query_string={"q": question}),
        client.post("/api/v1/query", data={"q": question}),
        client.post("/api/v1/query", json={"q": question}),
    ]
    for response in asked:
        assert response.status_code == 400
        assert said in response.get_json()["detail"]
    shown = client.get("/", query_string={"q": question})
    assert shown.status_code == 400
    assert said in page(shown).css_first("#error").text()


def test_a_question_of_2000_characters_of_any_script_can_be_asked(client: FlaskClient) -> None:
    for character in "x語𐐀":
        assert client.get("/api/v1/query", query_string={"q": character * 2000}).status_code == 200


@pytest.mark.parametrize(
    ("query_string", "said"),
    [
        ("", "no question"),
        ("q=a&colour=red&z=1", "'colour', 'z'"),
        ("q=a&q=b", "more than once"),
        ("q=a&limit=0", "`limit` is no whole number from 1 to 50"),
        ("q=a&limit=51", "`limit`"),
        ("q=a&limit=ten", "`limit`"),
        ("q=a&limit=%D9%A3", "`limit`"),
        ("q=a&limit=9" + "9" * 5000, "`limit`"),
        ("q=a&offset=-1", "`offset`"),
        ("q=a&offset=10001", "`offset` is no whole number from 0 to 10000"),
        ("q=a&explain=maybe", "`explain`"),
        ("q=a&as_typed=perhaps", "`as_typed`"),
        ("q=a&after=soon", "2017-03-31"),
        ("q=a&type=%00", "type"),
        ("q=a&path=" + "x" * 201, "at most 200"),
        ("q=%FF%FE", "not UTF-8"),
        ("q=%ED%A0%80", "not UTF-8"),
        ("q=\xff", "not UTF-8"),
        ("&".join(f"p{n}=1" for n in range(40)), "more than 32"),
    ],
)
def test_a_bad_parameter_is_named(client: FlaskClient, query_string: str, said: str) -> None:
    response = client.get("/api/v1/query", environ_overrides={"QUERY_STRING": query_string})
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert said in response.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b'{"q": 1' + b"0" * 5000 + b"}", "not JSON"),
        (b"[]", "no JSON object"),
        (b'{"q": ["a"]}', "string"),
        (b'{"q": null}', "no question"),
        (b'{"q": "\\ud83d"}', "no text"),
        (b'{"q": "a", "limit": "3"}', "`limit`"),
        (b'{"q": "a", "limit": true}', "`limit`"),
        (b'{"q": "a", "limit": 2.5}', "`limit`"),
        (b'{"q": "a", "offset": 1e999}', "`offset`"),
        (b'{"q": "a", "explain": "true"}', "`explain`"),
        (b'{"q": "a", "as_typed": 1}', "`as_typed`"),
        (b'{"q": "a", "type": "pdf"}', "'type'"),
        (b'{"q": "a", "filter": "pdf"}', "`filter`"),
        (b'{"q": "a", "filter": {"type": 1}}', "`filter`"),
        (b'{"q": "a", "filter": {"size": "1"}}', "'size'"),
        (b'{"q": "a", "filter": {"path": "\\udc00"}}', "no text"),
    ],
)
def test_a_bad_body_is_refused_in_words(client: FlaskClient, body: bytes, said: str) -> None:
    response = client.post("/api/v1/query", data=body, content_type="application/json")
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert said in response.get_json()["detail"]


@pytest.mark.parametrize(
    ("method", "url", "options", "status"),
    [
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", "/api/v1/documents/d_0", {}, 404),
        ("GET", "/api/v1/documents/d_0/text", {}, 404),
        ("DELETE", "/api/v1/query", {}, 405),
        ("POST", "/api/v1/status", {}, 405),
        ("POST", "/api/v1/query", {"data": b"x" * (MAX_BODY_BYTES + 1), "content_type": "application/json"}, 413),
        ("GET", "/api/v1/query?q=" + "x" * 40_000, {}, 414),
        ("POST", "/api/v1/query", {"data": b"q=a", "content_type": "text/plain"}, 415),
        ("POST", "/api/v1/query", {"data": {"q": "a"}, "content_type": "multipart/form-data"}, 415),
        ("POST", "/api/v1/query?q=a", {"json": {"q": "a"}}, 400),
        ("GET", "/api/v1/query?q=a", {"headers": {"Host": "evil.example"}}, 400),
        ("GET", "/api/v1/status?x=1", {}, 400),
    ],
)
def test_every_error_of_the_api_is_a_problem_with_a_remedy(
    client: FlaskClient, method: str, url: str, options: dict[str, Any], status: int
) -> None:
    response = client.open(url, method=method, **options)
    problem = response.get_json()
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert len(problem["detail"].split()) > 3
    assert status != 405 or "Allow" in response.headers


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/nothing", 404),
        ("/doc/d_0", 404),
        ("/doc/d_0/original", 404),
        ("/static/none.css", 404),
        ("/doc//", 404),
        ("/static/..%2fopenapi.json", 404),
        ("/static/app", 404),
        ("/?q=" + "x" * 40_000, 414),
        ("/doc/d_0?x=1", 400),
    ],
)
def test_every_error_of_a_page_is_a_page_with_a_way_back(client: FlaskClient, url: str, status: int) -> None:
    response = client.get(url)
    assert (response.status_code, response.mimetype) == (status, "text/html")
    tree = page(response)
    assert tree.css_first("main a[href='/']") is not None
    assert len(tree.css_first("main p").text().split()) > 3


class Broken(MemoryEngine):
    """An engine that fails as told."""

    failure: Exception = RuntimeError("secret insides")

    def ask(self, question: str, **options: Any) -> Answer:
        raise self.failure

    def status(self) -> dict[str, Any]:
        raise self.failure

    def document(self, document_id: str) -> tuple[Source, Document]:
        raise self.failure

    def ready(self) -> bool:
        return False


@pytest.mark.parametrize("url", ["/api/v1/query?q=confidential", "/api/v1/status", "/?q=confidential", "/", "/doc/d_1"])
def test_an_unexpected_failure_is_logged_and_shows_no_insides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    with caplog.at_level(logging.ERROR):
        response = create_app(Broken(tmp_path, {})).test_client().get(url)
    assert response.status_code == 500
    body = response.get_data(as_text=True)
    assert "secret" not in body and "Traceback" not in body
    assert "log" in body
    assert "secret insides" in caplog.text
    assert "confidential" not in caplog.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "failure", [IndexMissing("No index at x.", "Run qa index."), IndexUnusable("Other model.", "Run qa index.")]
)
@pytest.mark.parametrize("url", ["/api/v1/query?q=a", "/api/v1/status", "/?q=a", "/"])
def test_an_index_that_cannot_be_used_is_503_with_the_command_that_mends_it(
    tmp_path: Path, failure: Exception, url: str
) -> None:
    engine = Broken(tmp_path, {})
    engine.failure = failure
    response = create_app(engine).test_client().get(url)
    assert response.status_code == 503
    assert "Run qa index." in response.get_data(as_text=True)


def test_the_engine_may_refuse_a_question_too(tmp_path: Path) -> None:
    engine = Broken(tmp_path, {})
    engine.failure = UsageError("That question is odd.", "Ask another.")
    client = create_app(engine).test_client()
    assert client.get("/api/v1/query?q=a").get_json()["detail"] == "That question is odd. Ask another."
    shown = client.get("/?q=a")
    assert (shown.status_code, page(shown).css_first("#error").text()) == (400, "That question is odd. Ask another.")


def test_ready_and_live_are_two_things(tmp_path: Path, client: FlaskClient) -> None:
    assert client.get("/livez").get_json() == client.get("/readyz").get_json() == {"status": "ok"}
    broken = create_app(Broken(tmp_path, {})).test_client()
    assert broken.get("/livez").status_code == 200
    assert (broken.get("/readyz").status_code, broken.get("/readyz").mimetype) == (503, "application/problem+json")


NAMES = st.sampled_from(
    (
        "q",
        "limit",
        "offset",
        "type",
        "path",
        "title",
        "after",
        "before",
        "explain",
        "as_typed",
        "filter",
        "cite",
        "from",
        "v",
    )
)
NAMES |= st.text(max_size=5)
URLS = st.sampled_from(["/api/v1/query", "/", "/doc/{id}", "/doc/{id}/original", "/api/v1/documents/{id}", "/static/"])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(URLS, st.lists(st.tuples(NAMES, st.text() | st.integers().map(str)), max_size=4), st.text(max_size=8))
def test_no_parameters_give_a_500(lasting: FlaskClient, url: str, pairs: list[tuple[str, str]], name: str) -> None:
    raw = urlencode(pairs, errors="surrogatepass")
    path = url.replace("{id}", quote(name, errors="replace", safe=""))
    response = lasting.get(path, environ_overrides={"QUERY_STRING": raw})
    assert response.status_code in (200, 308, 400, 404, 405)
    assert set(HEADERS) <= set(response.headers.keys())


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["/", "/api/v1/query", "/doc/d_1"]))
def test_no_bytes_in_an_address_or_a_body_give_a_500(lasting: FlaskClient, raw: bytes, url: str) -> None:
    overrides = {"QUERY_STRING": raw.decode("latin-1"), "PATH_INFO": url + raw.decode("latin-1")}
    assert lasting.get(url, environ_overrides=overrides).status_code < 500
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert lasting.post("/api/v1/query", data=raw, content_type=kind).status_code in (200, 400, 415)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, JSON_VALUES, max_size=4))
def test_no_json_gives_a_500(lasting: FlaskClient, body: dict[str, Any]) -> None:
    response = lasting.post("/api/v1/query", data=json.dumps(body), content_type="application/json")
    assert response.status_code in (200, 400)


# -------------------------------------------------------------------------------------------------- headers, hosts


def test_every_response_carries_the_headers_and_no_cookie(engine: MemoryEngine, client: FlaskClient) -> None:
    name = ids(engine)["pdf"]
    urls = ["/", f"/?q={quote(HARBOUR)}", "/?q=", "/nothing", "/api/v1/query?q=a", "/api/v1/query", "/api/v1/status"]
    urls += [f"/doc/{name}", f"/doc/{name}/original", f"/doc/{ids(engine)['html']}/original", "/openapi.json"]
    urls += ["/livez", "/readyz", "/static/style.css", "/static/app.mjs", f"/api/v1/documents/{name}/text", "//"]
    urls += ["/?q=" + "x" * 40_000]
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        for url in urls:
            response = client.open(url, method=method)
            assert set(HEADERS) <= set(response.headers.keys()), (method, url)
            assert response.headers["X-Frame-Options"] == "DENY"
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
            assert "script" not in policy.replace("script-src 'self'", "")
            assert "Set-Cookie" not in response.headers
            assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("bound", "host", "allowed"),
    [
        ([], "localhost", True),
        ([], "LOCALHOST:8000", True),
        ([], "127.0.0.1:80", True),
        ([], "127.8.9.1", True),
        ([], "[::1]:8000", True),
        ([], "evil.example", False),
        ([], "localhost.evil.example", False),
        ([], "evil.example@localhost", False),
        ([], "localhost@evil.example", False),
        ([], "localhost/x", False),
        ([], "localhost:port", False),
        ([], "[::1", False),
        ([], "192.168.1.5", False),
        ([], "", False),
        (["box.lan"], "box.lan:8000", True),
        (["box.lan"], "other.lan", False),
        (["192.168.1.5"], "192.168.1.5:8000", True),
        (["192.168.1.5"], "192.168.1.6:8000", False),
        (["0.0.0.0"], "192.168.1.6", True),
        (["::"], "[fe80::1]:80", True),
        (["0.0.0.0"], "evil.example", False),
    ],
)
def test_only_hosts_that_are_ours_are_served(engine: MemoryEngine, bound: list[str], host: str, allowed: bool) -> None:
    response = create_app(engine, allowed_hosts=bound).test_client().get("/livez", headers={"Host": host})
    assert response.status_code == (200 if allowed else 400)


# -------------------------------------------------------------------------------------------------- files and text


def test_the_text_is_the_text_as_indexed(engine: MemoryEngine, client: FlaskClient) -> None:
    for name, (_, document) in engine.documents.items():
        response = client.get(f"/api/v1/documents/{name}/text")
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.data.decode() == document.text


def test_a_citation_is_a_slice_of_the_text_served(client: FlaskClient) -> None:
    for citation in client.get("/api/v1/query", query_string={"q": HARBOUR}).get_json()["citations"]:
        text = client.get(f"/api/v1/documents/{citation['document']['id']}/text").data.decode()
        assert text[citation["start"] : citation["end"]] == citation["text"]


def test_originals_are_served_so_that_nothing_in_them_runs(engine: MemoryEngine, client: FlaskClient) -> None:
    found = {kind: client.get(f"/doc/{name}/original") for kind, name in ids(engine).items()}
    for kind, response in found.items():
        path = engine.original(ids(engine)[kind])
        assert path is not None and response.data == path.read_bytes()
        assert "X-Document-Changed" not in response.headers
    assert found["pdf"].mimetype == "application/pdf"
    assert found["pdf"].headers["Content-Disposition"].startswith("inline")
    assert found["html"].headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "sandbox" in found["html"].headers["Content-Security-Policy"]
    assert found["docx"].headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in found["docx"].headers["Content-Security-Policy"]


def test_an_original_that_changed_says_so_and_one_that_is_gone_is_404(
    engine: MemoryEngine, client: FlaskClient
) -> None:
    name = ids(engine)["pdf"]
    path = engine.original(name)
    assert path is not None
    path.write_bytes(b"%PDF new")
    assert client.get(f"/doc/{name}/original").headers["X-Document-Changed"] == "true"
    path.unlink()
    response = client.get(f"/doc/{name}/original")
    assert response.status_code == 404
    assert "no longer there" in page(response).body.text()


def test_an_original_that_is_a_folder_or_a_pipe_is_404(engine: MemoryEngine, tmp_path: Path) -> None:
    name = ids(engine)["docx"]
    place = tmp_path / "bridge.docx"
    client = create_app(engine).test_client()
    place.unlink()
    place.mkdir()
    assert client.get(f"/doc/{name}/original").status_code == 404
    place.rmdir()
    os.mkfifo(place)
    assert client.get(f"/doc/{name}/original").status_code == 404


# ------------------------------------------------------------------------------------------------------- notices


class Noticing(MemoryEngine):
    """Says of every question that a word of it was replaced, unless it is asked as typed."""

    def ask(self, question: str, *, as_typed: bool = False, **words: Any) -> Answer:
        notice = Notice("spelling", f"Searched for {MARKUP}", MARKUP, "harbour")
        return replace(super().ask(question, **words), notices=() if as_typed else (notice,))


def test_the_page_says_what_was_searched_and_links_to_what_was_typed(tmp_path: Path) -> None:
    client = create_app(Noticing(tmp_path, {"bridge.docx": bridges(tmp_path)})).test_client()
    fields = {"q": BRIDGE, "path": "*.docx", "limit": "5", "offset": "5"}
    (notice,) = page(client.get("/", query_string=fields)).css(".notice")
    assert visible(notice.css_first("bdi").text()) == visible(f"Searched for {MARKUP}")
    link = notice.css_first("a").attributes["href"] or ""
    assert parse_qs(urlsplit(link).query) == {
        "q": [BRIDGE],
        "path": ["*.docx"],
        "limit": ["5"],
        "as_typed": ["true"],
    }
    typed = page(client.get(link))
    assert not typed.css(".notice")
    assert parse_qs(urlsplit(typed.css_first("a[rel=next]").attributes["href"] or "").query)["as_typed"] == ["true"]
    got = client.get("/api/v1/query", query_string={"q": BRIDGE}).get_json()
    description = client.get("/openapi.json").get_json()
    assert [notice["typed"] for notice in got["notices"]] == [MARKUP]
    assert not list(violations({"$ref": "#/components/schemas/Answer"}, got, description))
    for body in ({"q": BRIDGE, "as_typed": True}, {"q": BRIDGE, "as_typed": False}):
        assert bool(client.post("/api/v1/query", json=body).get_json()["notices"]) != body["as_typed"]


def bridges(folder: Path) -> Document:
    (folder / "bridge.docx").write_bytes(b"")
    told = [("paragraph", f"The bridge number {n} opened in {1900 + n}.", Locator()) for n in range(20)]
    return composed(told, "Bridges", "text/plain")


# ------------------------------------------------------------------------------------------------------- OpenAPI


def test_the_description_has_every_route_and_every_method_and_no_other(client: FlaskClient) -> None:
    described = {
        (path, method.upper())
        for path, operations in client.get("/openapi.json").get_json()["paths"].items()
        for method in operations
    }
    served = {
        (re.sub("<([a-z]+)>", r"{\1}", rule.rule.replace("document_id", "id")), method)
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served


def test_what_is_served_is_as_described(engine: MemoryEngine, client: FlaskClient) -> None:
    name = ids(engine)["pdf"]
    urls = {
        f"/api/v1/query?q={quote(HARBOUR)}&explain=1": "/api/v1/query",
        f"/api/v1/query?q={quote(LIGHTHOUSE)}&limit=1": "/api/v1/query",
        "/api/v1/query?q=zzz": "/api/v1/query",
        "/api/v1/query": "/api/v1/query",
        f"/api/v1/documents/{name}": "/api/v1/documents/{id}",
        f"/api/v1/documents/{name}/text": "/api/v1/documents/{id}/text",
        "/api/v1/documents/d_0": "/api/v1/documents/{id}",
        "/api/v1/status": "/api/v1/status",
        "/livez": "/livez",
        "/readyz": "/readyz",
        "/": "/",
        "/?q=": "/",
        f"/doc/{name}": "/doc/{id}",
        "/doc/d_0": "/doc/{id}",
    }
    description = client.get("/openapi.json").get_json()
    for url, path in urls.items():
        response = client.get(url)
        content = description["paths"][path]["get"]["responses"][str(response.status_code)]["content"]
        value = response.get_json() if response.is_json else response.get_data(as_text=True)
        faults = list(violations(content[response.mimetype]["schema"], value, description))
        assert not faults, (url, faults)


def test_the_described_limits_are_those_that_hold(client: FlaskClient) -> None:
    operation = client.get("/openapi.json").get_json()["paths"]["/api/v1/query"]["get"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    for name in ("limit", "offset"):
        for edge, step in (("minimum", -1), ("maximum", 1)):
            within, beyond = schemas[name][edge], schemas[name][edge] + step
            assert client.get("/api/v1/query", query_string={"q": "a", name: within}).status_code == 200
            assert client.get("/api/v1/query", query_string={"q": "a", name: beyond}).status_code == 400
    assert set(schemas) == {"q", "limit", "offset", "type", "path", "title", "after", "before", "explain", "as_typed"}


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int}


def violations(schema: dict[str, Any], value: Any, root: dict[str, Any], at: str = "$") -> Iterator[str]:
    """Where `value` is not as the schema says. Knows the words that our description uses; any other is a KeyError."""
    names = schema.get("type", [])
    names = names if isinstance(names, list) else [names]
    fits = any(value is None if name == "null" else isinstance(value, TYPES[name]) for name in names)
    if names and (not fits or (isinstance(value, bool) and "boolean" not in names)):
        yield f"{at} is no {names}"
        return
    for word, wanted in schema.items():
        if word == "$ref":
            yield from violations(root["components"]["schemas"][wanted.rpartition("/")[2]], value, root, at)
        elif word == "oneOf":
            if sum(not list(violations(each, value, root, at)) for each in wanted) != 1:
                yield f"{at} is not one of its kinds"
        elif word in ("enum", "const"):
            if value not in (wanted if word == "enum" else [wanted]):
                yield f"{at} is {value!r}"
        elif word == "required":
            yield from (f"{at}.{name} is missing" for name in wanted if name not in value)
        elif word == "properties":
            for name in wanted.keys() & (value.keys() if isinstance(value, dict) else ()):
                yield from violations(wanted[name], value[name], root, f"{at}.{name}")
        elif word == "additionalProperties":
            if not wanted:
                yield from (f"{at}.{name} is not described" for name in value.keys() - schema["properties"].keys())
        elif word == "items":
            for number, each in enumerate(value or ()):
                yield from violations(wanted, each, root, f"{at}[{number}]")
        elif word in ("minimum", "maximum"):
            if value is not None and (value < wanted if word == "minimum" else value > wanted):
                yield f"{at} is {value}"
        elif word not in ("type", "description", "default"):
            raise KeyError(word)


# --------------------------------------------------------------------------------------------------------- serving


def test_a_port_that_is_taken_is_a_usage_error_that_says_what_to_do(engine: MemoryEngine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="--port") as raised:
            serve(engine, "127.0.0.1", taken.getsockname()[1])
    assert "in use" in raised.value.what


def test_a_port_that_does_not_exist_is_a_usage_error(engine: MemoryEngine) -> None:
    with pytest.raises(UsageError, match="--port"):
        serve(engine, "127.0.0.1", 70_000)


@pytest.fixture
def address(engine: MemoryEngine) -> tuple[str, int]:
    """Of a real server, which ends with the tests."""
    ready = threading.Event()
    urls: list[str] = []

    def announce(url: str) -> None:
        urls.append(url)
        ready.set()

    arguments = {"engine": engine, "port": 0, "threads": 2, "on_ready": announce}
    threading.Thread(target=serve, kwargs=arguments, daemon=True).start()
    assert ready.wait(10)
    parts = urlsplit(urls[0])
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def test_the_server_answers_and_survives_whatever_is_sent(address: tuple[str, int]) -> None:
    for raw in (
        b"GET /?q=\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /?q=" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with socket.create_connection(address, timeout=60) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            first = connection.makefile("rb").readline()
        assert first == b"" or first.split()[1] in (b"200", b"400", b"404", b"414"), (raw[:60], first)
    connection = HTTPConnection(*address, timeout=60)
    connection.request("GET", f"/api/v1/query?q={quote(HARBOUR)}")
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Server"] is None
    assert json.load(response)["answered"]


def test_only_serving_to_others_is_warned_about(engine: MemoryEngine, caplog: pytest.LogCaptureFixture) -> None:
    class Stop(Exception):
        pass

    def stop(url: str) -> None:
        raise Stop(url)

    for host, warned in (("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)):
        caplog.clear()
        with pytest.raises(Stop, match=r"http://(127\.0\.0\.1|localhost):\d+/"):
            serve(engine, host, 0, on_ready=stop)
        assert ("everyone" in caplog.text) == warned


def test_assets_are_found_beside_an_installed_package(tmp_path: Path) -> None:
    package = Path(sys.modules["qa.web"].__file__ or "").parent
    shutil.copytree(package, tmp_path / "qa", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(assets(), tmp_path / "qa" / "_web", dirs_exist_ok=True)
    code = "from qa.web import assets; print(assets())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == (tmp_path / "qa" / "_web").resolve()
