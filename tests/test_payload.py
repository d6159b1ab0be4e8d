from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_engine import MemoryEngine, hostile_engine

from qa import engine as real
from qa.errors import UsageError
from qa.payload import (
    MAX_QUESTION_CHARS,
    answer_to_json,
    confidence_in_words,
    document_to_json,
    original_link,
    parse_filter,
    query_link,
    view_link,
    well_formed,
)
from qa.records import Answer, Citation, Filter, IndexState, Locator, Notice, Place, Source, Span

SOURCE = Source("d_0123456789abcdef", "notes/mars.pdf", "Mars", "application/pdf", "ab" * 32, 10, 0)


@pytest.fixture
def engine(tmp_path: Path) -> MemoryEngine:
    return hostile_engine(tmp_path)


@pytest.fixture
def answer(engine: MemoryEngine) -> Answer:
    return engine.ask("What did the harbour cost?", explain=True)


def test_an_answer_has_the_keys_of_the_design_and_no_others(answer: Answer) -> None:
    body = answer_to_json(answer)
    assert " ".join(body) == (
        "query answered confidence answer notices citations passages total limit offset next took_ms index model "
        "reader reranker"
    )
    assert set(body["answer"]) == {"text", "citation", "citations"}
    assert set(body["index"]) == {"commit", "documents", "sentences", "searched", "coverage"}
    citation, passage = body["citations"][0], body["passages"][0]
    assert (
        " ".join(citation) == "number text segments start end score document locator label selectors stale links also"
    )
    assert list(citation["document"]) == ["id", "path", "title", "media_type", "sha256"]
    assert list(citation["locator"]) == ["type", "page", "label", "heading", "line", "place"]
    assert list(citation["links"]) == ["view", "original"]
    assert [list(selector) for selector in citation["selectors"]] == [
        ["type", "exact", "prefix", "suffix"],
        ["type", "start", "end"],
    ]
    assert list(passage) == ["rank", "score", "document", "start", "end", "segments", "label", "also"]
    assert {frozenset(segment) for segment in passage["segments"]} == {
        frozenset({"text"}),
        frozenset({"text", "citation"}),
    }


def test_the_answer_is_the_text_of_its_citation(answer: Answer) -> None:
    body = answer_to_json(answer)
    [cited] = [c for c in body["citations"] if c["number"] == body["answer"]["citation"]]
    assert body["answer"]["text"] == cited["text"] == cited["selectors"][0]["exact"]


@given(st.text(min_size=1, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_the_segments_of_a_citation_join_to_it_and_mark_the_words_that_answer(text: str, one: int, other: int) -> None:
    start, end = sorted(min(place, len(text)) for place in (one, other))
    cited = Citation(1, text, 0, len(text), 1.0, SOURCE, Locator(), "", "", "", answering=Span(start, end))
    answer = Answer("When?", True, 0.9, (cited,), (), 1, 10, 0, 1.0, IndexState(1, 1, 1, "a model", 1))
    [body] = answer_to_json(answer)["citations"]
    assert "".join(segment["text"] for segment in body["segments"]) == body["text"]
    assert [s["text"] for s in body["segments"] if "answers" in s] == ([body["text"][start:end]] if end > start else [])


def test_segments_join_to_the_passage_and_cited_ones_are_their_citations(engine: MemoryEngine, answer: Answer) -> None:
    body = answer_to_json(answer)
    texts = {citation["number"]: citation["text"] for citation in body["citations"]}
    for passage in body["passages"]:
        _, document = engine.document(passage["document"])
        joined = "".join(segment["text"] for segment in passage["segments"])
        assert joined == document.text[passage["start"] : passage["end"]]
        assert all(texts[s["citation"]] == s["text"] for s in passage["segments"] if "citation" in s)


def test_explain_adds_the_parts_of_every_score_and_nothing_else(answer: Answer) -> None:
    plain, explained = answer_to_json(answer), answer_to_json(answer, explain=True)
    for kind in ("citations", "passages"):
        for bare, full in zip(plain[kind], explained[kind], strict=True):
            parts = full.pop("parts")
            assert full == bare
            assert [set(part) for part in parts] == [{"name", "value", "note"}]
            assert sum(part["value"] for part in parts) == pytest.approx(full["score"])


def test_what_the_documents_do_not_say_has_no_answer(answer: Answer) -> None:
    assert answer_to_json(replace(answer, answered=False))["answer"] is None


def test_a_later_page_does_not_pass_its_first_citation_off_as_the_answer(engine: MemoryEngine) -> None:
    body = answer_to_json(engine.ask("When was the bridge opened?", offset=10))
    assert body["answered"] and body["citations"] and body["answer"] is None


@pytest.mark.parametrize(
    ("total", "limit", "offset", "following"),
    [
        (7, 10, 0, None),
        (10, 10, 0, None),
        (11, 10, 0, 10),
        (30, 10, 10, 20),
        (30, 10, 20, None),
        (99999, 50, 9950, 10000),
        (99999, 50, 9951, None),
    ],
)
def test_next_is_there_as_long_as_there_are_more(
    answer: Answer, total: int, limit: int, offset: int, following: int | None
) -> None:
    body = answer_to_json(replace(answer, total=total, limit=limit, offset=offset))
    if following is None:
        assert body["next"] is None
    else:
        assert parse_qs(urlsplit(body["next"]).query)["offset"] == [str(following)]


def test_notices_say_what_was_searched_for_what_was_typed(answer: Answer) -> None:
    notices = (Notice("spelling", "A sentence.", "wrod", "word"), Notice("phrase", "Another.", "no such"))
    assert answer_to_json(replace(answer, notices=notices))["notices"] == [
        {"kind": "spelling", "text": "A sentence.", "typed": "wrod", "searched": "word"},
        {"kind": "phrase", "text": "Another.", "typed": "no such", "searched": None},
    ]
    assert answer_to_json(answer)["notices"] == []


def test_next_asks_as_typed_where_the_question_was(answer: Answer) -> None:
    body = answer_to_json(replace(answer, total=99), as_typed=True)
    assert parse_qs(urlsplit(body["next"]).query)["as_typed"] == ["true"]
    assert "as_typed" not in answer_to_json(replace(answer, total=99))["next"]


def test_next_asks_with_the_same_filter_and_explanation(answer: Answer) -> None:
    dates = ("2017-03-31T12:30:00.000001+02:00", "2018-01-01")
    wanted = parse_filter("pdf", "notes/*.pdf & more", *dates, "The [draft] of *")
    body = answer_to_json(replace(answer, total=99, limit=5), explain=True, filter=wanted)
    fields = parse_qs(urlsplit(body["next"]).query)
    assert fields["explain"] == ["true"] and fields["limit"] == ["5"] and fields["q"] == [answer.query]
    assert parse_filter(**{name: fields[name][0] for name in ("type", "path", "title", "after", "before")}) == wanted


@pytest.mark.parametrize(
    ("locator", "kind"),
    [
        (Locator(("A",), page=3, label="iii", line=4), "page"),
        (Locator(("A",), page=3, place="slide 3", kind="slide"), "slide"),
        (Locator(("A",), line=4), "heading"),
        (Locator(line=4), "line"),
        (Locator(), "document"),
    ],
)
def test_a_locator_says_which_of_its_fields_says_most(answer: Answer, locator: Locator, kind: str) -> None:
    citation = replace(answer.citations[0], locator=locator)
    assert answer_to_json(replace(answer, citations=(citation,)))["citations"][0]["locator"]["type"] == kind


@pytest.mark.parametrize(("stale", "said"), [("", False), ("changed", "changed"), ("missing", "missing")])
def test_a_stale_citation_says_so(answer: Answer, stale: str, said: object) -> None:
    citation = replace(answer.citations[0], stale=stale)
    assert answer_to_json(replace(answer, citations=(citation,)))["citations"][0]["stale"] == said


def test_only_a_pdf_opens_at_its_page() -> None:
    assert original_link(SOURCE, 3) == "/doc/d_0123456789abcdef/original#page=3"
    assert original_link(SOURCE) == "/doc/d_0123456789abcdef/original"
    assert original_link(replace(SOURCE, media_type="text/plain"), 3) == "/doc/d_0123456789abcdef/original"


@given(st.text(min_size=1), st.text(), st.text())
def test_links_carry_any_text_and_stay_relative_ascii(question: str, kind: str, path: str) -> None:
    place = Place(SOURCE, 1, 2, "", text=kind, prefix=path, suffix=path)
    asked = Answer(question, False, 0.0, (), (), 0, 10, 0, 1.0, IndexState(1, 1, 1, "a model", 1))
    for link in (view_link(asked, place), query_link("/", question, 3, 4, Filter(type=kind, path=path))):
        assert link.isascii() and link.isprintable() and " " not in link
        parts = urlsplit(link)
        assert parts.scheme == parts.netloc == ""
        assert parse_qs(parts.query)["q"] == [well_formed(question)]


def test_an_id_cannot_leave_its_place_in_a_link() -> None:
    assert original_link(replace(SOURCE, id="../?x#")) == "/doc/..%2F%3Fx%23/original"


@given(st.recursive(st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_well_formed_things_can_be_encoded_and_well_formed_text_keeps_its_length(value: object) -> None:
    json.dumps(well_formed(value), ensure_ascii=False).encode()
    if isinstance(value, str):
        assert len(well_formed(value)) == len(value)


def test_a_file_name_that_is_not_utf_8_can_be_shown(answer: Answer) -> None:
    source = replace(SOURCE, path=os.fsdecode(b"caf\xe9.txt"))
    citation = replace(answer.citations[0], source=source, label=source.path)
    body = answer_to_json(replace(answer, citations=(citation,)))
    json.dumps(body, ensure_ascii=False).encode()
    assert body["citations"][0]["document"]["path"] == "caf\ufffd.txt"


@pytest.mark.parametrize(
    ("after", "moment"),
    [
        ("2017-03-31", datetime(2017, 3, 31, tzinfo=UTC)),
        ("2017-03-31T12:00", datetime(2017, 3, 31, 12, tzinfo=UTC)),
        ("2017-03-31T12:00:00Z", datetime(2017, 3, 31, 12, tzinfo=UTC)),
        ("2017-03-31T12:00:00+02:00", datetime(2017, 3, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_date_is_in_utc_unless_it_says_otherwise(after: str, moment: datetime) -> None:
    ns = int(moment.timestamp()) * 10**9
    assert parse_filter(after=after) == Filter(after_ns=ns)
    assert parse_filter(before=after) == Filter(before_ns=ns)


@pytest.mark.parametrize(
    "after",
    [
        "yesterday",
        "2017-13-01",
        "1969-12-31",
        "1970-01-01T00:00+01:00",
        "2262-01-01",
        "0001-01-01T00:00+23:00",
        "9999-12-31T23:59-23:00",
    ],
)
def test_what_is_no_date_of_a_file_is_refused_with_an_example(after: str) -> None:
    for name in ("after", "before"):
        with pytest.raises(UsageError, match=r"2017-03-31"):
            parse_filter(**{name: after})


@given(st.text(max_size=30), st.text(max_size=250), st.text(max_size=30), st.text(max_size=30), st.text(max_size=250))
def test_a_filter_is_made_or_refused(kind: str, path: str, after: str, before: str, title: str) -> None:
    try:
        made = parse_filter(kind, path, after, before, title)
    except UsageError as error:
        assert error.remedy
    else:
        assert (made.type, made.path, made.title) == (kind, path, title)
        assert all(moment is None or 0 <= moment < 2**63 for moment in (made.after_ns, made.before_ns))


def test_no_words_filter_nothing() -> None:
    assert parse_filter() == Filter()


def test_a_document_says_what_it_is_and_where_its_text_is(engine: MemoryEngine) -> None:
    source, document = next(iter(engine.documents.values()))
    body = document_to_json(source, document, "changed")
    assert body["characters"] == len(document.text)
    assert body["stale"] == "changed"
    assert body["links"]["text"] == f"/api/v1/documents/{source.id}/text"
    assert datetime.fromisoformat(body["modified"]).timestamp() == pytest.approx(source.modified_ns / 1e9, abs=1e-5)


def test_a_modification_time_that_no_calendar_has_is_null(engine: MemoryEngine) -> None:
    source, document = next(iter(engine.documents.values()))
    assert document_to_json(replace(source, modified_ns=-(2**63) * 10), document, "")["modified"] is None


def test_more_confidence_never_has_a_lesser_word() -> None:
    words = [confidence_in_words(step / 100) for step in range(101)]
    assert list(dict.fromkeys(words)) == ["low", "moderate", "high", "very high"]


def test_the_doors_and_the_engine_agree_how_long_a_question_may_be() -> None:
    assert MAX_QUESTION_CHARS == real.MAX_QUESTION_CHARS
