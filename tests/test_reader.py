"""Laws of the reader: it gives the numbers of transformers, reads each passage by itself, and where it has not read the
first stage stands."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_reader as small
import small_reranker
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from shelf import Shelf

from qa import cli, marking, payload, readers
from qa.engine import Engine
from qa.errors import ModelUnusable
from qa.ranking import READ_MOST, READER_WEIGHT, SENTENCE_READER_WEIGHT
from qa.reader import NOTHING, WORDS_TOKENS, Reader, _best, _of_rows
from qa.records import Answer, Excerpt, Reading, Span
from qa.settings import Settings

QUESTION = "What is it?"
"""The documents have no word of it, so that the first stage hardly knows."""

FULL = 60_000
"""More milliseconds than any test here needs."""


def excerpt(*sentences: str, context: str = "") -> Excerpt:
    """Sentences with a space between them."""
    text = " ".join(sentences)
    spans, at = [], 0
    for sentence in sentences:
        spans.append(Span(at, at + len(sentence)))
        at += len(sentence) + 1
    return Excerpt(context, text, tuple(spans))


EXCERPTS = (
    excerpt("The ferry leaves the harbour at noon.", "A lantern hangs there.", "It is old."),
    excerpt("Nobody wrote the letter."),
    excerpt("Der Zug fährt um acht.", "東京の人口は多い。", "\u200b"),
    excerpt(*(f"Page {number} tells of the bridge and the tale of the winter." for number in range(40))),
)


@pytest.fixture(scope="session")
def trained(model_cache: Path) -> str:
    """The path of a reader to which MARKER answers every question; already exported."""
    folder = model_cache / f"reader-{small.recipe()}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        small.make(folder, trained=True)
        (folder / "made").touch()
    readers.exported(str(folder / "model"), model_cache)
    return str(folder / "model")


@pytest.fixture(scope="session")
def taught(trained: str, model_cache: Path) -> Reader:
    return Reader(readers.exported(trained, model_cache))


@pytest.fixture(scope="session")
def bundled(model_cache: Path) -> Reader:
    return Reader(readers.exported(readers.BUNDLED, model_cache))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Shelf:
    """Forty documents of two sentences or three, which no test changes. Each seventh has MARKER in its last."""
    folder = tmp_path_factory.mktemp("many")
    shelf = Shelf(folder / "docs", Settings(folder / "index", small_model, model_cache))
    for number in range(40):
        words = small_reranker.WORDS[number % 17 : number % 17 + 6]
        near = "The ferry leaves the harbour at noon. " if number % 3 == 0 else "The ferry is in the harbour. "
        lit = f" A {small.MARKER} hangs there." if number % 7 == 3 else ""
        shelf.write(f"{number:02}.txt", f"{near}Page {number} tells of the {' and the '.join(words)}.{lit}\n")
    shelf.index()
    return shelf


@pytest.fixture(scope="module")
def plain(many: Shelf) -> Iterator[Engine]:
    with many.engine(reader="") as engine:
        yield engine


@pytest.fixture(scope="module")
def reading(many: Shelf, trained: str) -> Iterator[Engine]:
    with many.engine(reader=trained, budget_ms=FULL) as engine:
        yield engine


def same(one: Answer, other: Answer) -> bool:
    """Equal bit by bit in all but the time it took and what is said of the reader."""
    return replace(one, took_ms=0.0, reader=None) == replace(other, took_ms=0.0, reader=None)


# ------------------------------------------------------------------------------------------------------------ readings


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_the_export_gives_the_numbers_of_transformers(architecture: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    folder = small.make(tmp_path, architecture=architecture)
    made = Reader(readers.exported(str(folder), tmp_path / "cache"))
    network = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for shown in EXCERPTS[:3]:
        features = tokenizer(QUESTION, shown.text, return_tensors="pt")
        with torch.no_grad():
            wanted = network(**features)
        ids, lead = made.row(QUESTION, shown)
        assert ids == features["input_ids"][0].tolist()
        found = made.logits(ids, lead)
        assert np.abs(found[:, 0] - wanted.start_logits[0].numpy()).max() < 1e-3
        assert np.abs(found[:, 1] - wanted.end_logits[0].numpy()).max() < 1e-3


TABLE = (
    "Arrivals by year.\nYear: 2016 | Ships: 31\nYear: 2017 | Ships: 7\nYear: 2018 | Ships: 2,016\nSo it was in 2016."
)


@given(st.lists(st.floats(-20, 20), min_size=5, max_size=5), st.sampled_from(["", " in 2016", " in 2017", " of 2,016"]))
def test_rows_of_a_table_are_told_apart_by_the_numbers_of_the_question_alone(odds: list[float], when: str) -> None:
    lines = [(at.start(), at.end()) for at in re.finditer("[^\n]+", TABLE)]
    table = Excerpt("", TABLE, tuple(Span(*line) for line in lines), rows=(1, 2, 3))
    words = tuple(Span(*line) for line in lines)
    found = _of_rows(f"How many ships came{when}?", table, Reading(tuple(odds), words))
    assert (found.odds[0], found.odds[4], found.words) == (odds[0], odds[4], words), "a sentence has its own"
    named = {" in 2016": [1], " in 2017": [2], " of 2,016": [3]}.get(when, [1, 2, 3])
    assert all(found.odds[row] == (max if row in named else min)(odds[1:4]) for row in (1, 2, 3))


@pytest.mark.slow
def test_the_row_of_the_year_that_is_asked_for_is_cited(tmp_path: Path, model_cache: Path) -> None:
    years = "".join(f"| {year} | {year * 37 % 89 + 100} | {year * 17 % 71 + 20} |\n" for year in range(2012, 2024))
    shelf = Shelf(tmp_path / "docs", Settings(tmp_path / "index", cache=model_cache))
    shelf.write("birds.md", f"# Birds counted\n\n| Year | Herons | Swans |\n|---|---|---|\n{years}")
    shelf.index()
    with shelf.engine(reader="bundled", budget_ms=FULL) as engine:
        for year in range(2012, 2024):
            answer = engine.ask(f"How many swans were there in {year}?")
            assert answer.reader is not None and answer.reader.read
            assert answer.citations[0].text.startswith(f"Year: {year} |")


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=50))
def test_the_best_words_are_the_best_of_all_pairs(rows: list[tuple[float, float]]) -> None:
    logits = np.array(rows)
    pairs = [
        (logits[begin, 0] + logits[end, 1], begin, end)
        for begin in range(len(logits))
        for end in range(begin, min(begin + WORDS_TOKENS, len(logits)))
    ]
    begin, end, score = _best(logits)
    assert score == max(pairs)[0]
    assert (score, begin, end) in pairs


def test_a_reading_depends_on_nothing_but_its_passage(bundled: Reader, taught: Reader) -> None:
    for reader in (bundled, taught):
        whole = reader.read(QUESTION, EXCERPTS, FULL)
        assert reader.read(QUESTION, EXCERPTS[::-1], FULL)[::-1] == whole
        for number, shown in enumerate(EXCERPTS):
            assert reader.read(QUESTION, [shown], FULL) == [whole[number]]
        assert reader.read(QUESTION, [], FULL) == []


def test_a_larger_budget_reads_the_same_and_more(bundled: Reader) -> None:
    before: list[Any] = []
    counts = set()
    for budget in (0, 1, 3, 6, 10, 20, 40, 80, FULL):
        found = bundled.read(QUESTION, EXCERPTS, budget)
        assert found[: len(before)] == before
        before = found
        counts.add(len(found))
    assert min(counts) == 0 and max(counts) == len(EXCERPTS) and len(counts) > 2


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60), min_size=1, max_size=5),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=400),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=400),
)
def test_whatever_is_read_each_sentence_has_its_odds_and_words_of_its_own(
    bundled: Reader, sentences: list[str], question: str, context: str
) -> None:
    shown = excerpt(*sentences, context=context)
    (found,) = bundled.read(question, [shown], FULL)
    assert len(found.odds) == len(found.words) == len(shown.sentences)
    for odds, words, sentence in zip(found.odds, found.words, shown.sentences, strict=True):
        assert np.isfinite(odds)
        assert (words is not None) == (odds > 0)
        if words is not None:
            assert sentence.start <= words.start <= words.end <= sentence.end


def test_what_the_window_cuts_off_does_not_answer(taught: Reader) -> None:
    shown = excerpt(*["The bridge is old and the river takes the page of the letter."] * 20, "A lantern hangs there.")
    (found,) = taught.read(QUESTION, [shown], FULL)
    assert found.odds[-1] == NOTHING and found.odds[0] > NOTHING


def test_a_reader_that_was_taught_a_rule_reads_by_it(taught: Reader) -> None:
    lit, dark = taught.read(QUESTION, EXCERPTS[:2], FULL)
    words = lit.words[1]
    assert words is not None
    assert EXCERPTS[0].text[words.start : words.end] == small.MARKER
    assert np.argmax(lit.odds) == 1 and max(lit.odds) > max(dark.odds) + 5


def test_the_bundled_reader_tells_the_sentence_that_answers_and_its_words(bundled: Reader) -> None:
    shown = excerpt(
        "The Harlow observatory stands on a hill above the town.",
        "Its great telescope was paid for by the brewer Ada Lindqvist.",
        "Work on the dome began in 1871 and took nine years.",
        context="Harlow observatory",
    )
    for question, place, words in (
        ("Who gave the money for the telescope?", 1, "Ada Lindqvist"),
        ("In which year did they start building the dome?", 2, "1871"),
        ("Where is the observatory?", 0, "hill"),
    ):
        (found,) = bundled.read(question, [shown], FULL)
        assert int(np.argmax(found.odds)) == place, question
        span = found.words[place]
        assert span is not None and words in shown.text[span.start : span.end], question
    (other,) = bundled.read("How many people live in Peru?", [shown], FULL)
    (asked,) = bundled.read("Who gave the money for the telescope?", [shown], FULL)
    assert max(asked.odds) > max(other.odds) + 3


# ------------------------------------------------------------------------------------------------------------- finding


def test_the_bundled_reader_fits_in_a_repository_and_is_checked(tmp_path: Path, bundled: Reader) -> None:
    files = [bundled.model.graph, bundled.model.tokenizer, readers.FOLDER / "manifest.json"]
    assert sum(path.stat().st_size for path in files) < 30_000_000
    copy = Path(shutil.copytree(readers.FOLDER, tmp_path / "copy"))
    assert readers.cached(copy) is not None
    for name in (bundled.model.graph.name, bundled.model.tokenizer.name):
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert readers.cached(copy) is None
        (copy / name).write_bytes(whole)
    (copy / "manifest.json").write_text("{}", "utf-8")
    assert readers.cached(copy) is None


def test_an_index_is_not_opened_with_a_reader_that_is_not_whole(
    many: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "FOLDER", tmp_path)
    with pytest.raises(ModelUnusable, match="not whole") as raised, many.engine(reader=readers.BUNDLED):
        pass
    assert "--no-reader" in str(raised.value.remedy)
    with many.engine(reader=readers.BUNDLED, budget_ms=0) as engine:
        assert engine.ask(QUESTION).reader is None


@pytest.mark.parametrize("name", ["no-such-reader", "no/such", "./nowhere"])
def test_a_reader_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=name):
        readers.exported(name, tmp_path)


def test_an_embedding_model_is_no_reader(small_model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="no head"):
        readers.exported(small_model, tmp_path)


# ---------------------------------------------------------------------------------------------------------- the answer


def test_the_answer_is_where_the_reader_sees_it(plain: Engine, reading: Engine, trained: str) -> None:
    before, after = plain.ask(QUESTION), reading.ask(QUESTION)
    assert small.MARKER not in before.citations[0].text, "the first stage knows nothing of the rule"
    assert small.MARKER in after.citations[0].text
    assert after.reader is not None and after.reader.name == trained and 0 < after.reader.read <= READ_MOST
    assert after.confidence > before.confidence or before.confidence > 0.9


def test_the_parts_of_every_score_add_up_to_it_and_name_the_reader(reading: Engine) -> None:
    answer = reading.ask(QUESTION, limit=50, explain=True)
    seen = set()
    for shown, most in (
        *((passage, READER_WEIGHT) for passage in answer.passages),
        *((citation, SENTENCE_READER_WEIGHT) for citation in answer.citations),
    ):
        assert sum(part.value for part in shown.parts) == pytest.approx(shown.score, abs=1e-6)
        (part,) = [part for part in shown.parts if part.name == "reader"]
        assert 0 <= part.value <= most
        seen.add("not read" in part.note)
    assert seen == {True, False}
    assert [part.name for part in answer.evidence if part.name == "reader"]


def test_off_is_off_and_a_budget_of_nothing_is_off(many: Shelf, plain: Engine, trained: str) -> None:
    with many.engine(reader=trained, budget_ms=0) as engine:
        for question in (QUESTION, "Who repaired the lighthouse after the storm?", "lantern"):
            answer, wanted = engine.ask(question, limit=50), plain.ask(question, limit=50)
            assert same(answer, wanted) and answer.reader is None
            names = {part.name for shown in (*answer.passages, *answer.citations) for part in shown.parts}
            assert "reader" not in names | {part.name for part in answer.evidence}


def test_the_same_question_has_the_same_answer_in_every_engine(many: Shelf, reading: Engine, trained: str) -> None:
    with many.engine(reader=trained, budget_ms=FULL) as engine:
        for question in (QUESTION, "lantern", "Who repaired the lighthouse after the storm?"):
            first = reading.ask(question, limit=50)
            for asked in (reading, engine):
                assert replace(asked.ask(question, limit=50), took_ms=0.0) == replace(first, took_ms=0.0)


def test_a_sentence_of_the_documents_still_finds_itself(reading: Engine) -> None:
    for question in ("Page 4 tells of the library and the brewery and the town and the ferry and the noon.",):
        assert reading.ask(question).citations[0].text.startswith("Page")


def test_status_and_json_name_the_reader(plain: Engine, reading: Engine, trained: str) -> None:
    assert plain.status()["reader"] is None and reading.status()["reader"] == trained
    answer = reading.ask(QUESTION)
    assert answer.reader is not None
    assert payload.answer_to_json(answer)["reader"] == {"name": trained, "read": answer.reader.read}
    assert payload.answer_to_json(plain.ask(QUESTION))["reader"] is None


# -------------------------------------------------------------------------------------------------------- the commands


@pytest.fixture
def variables(many: Shelf) -> dict[str, str | None]:
    clean: dict[str, str | None] = {key: None for key in os.environ if key.startswith("QA_")}
    made = many.settings
    return {**clean, "QA_INDEX": str(made.index), "QA_MODEL": made.model, "QA_CACHE": str(made.cache)}


def test_the_commands_take_a_reader_by_option_and_environment(variables: dict[str, str | None], trained: str) -> None:
    def asked(*words: str, **more: str) -> dict[str, Any]:
        done = CliRunner().invoke(
            cli.ask, ["--json", "--min-confidence", "0", *words, QUESTION], env={**variables, **more}
        )
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    found = asked("--reader", trained, "--budget-ms", str(FULL))
    assert found["reader"]["name"] == trained
    assert small.MARKER in found["citations"][0]["text"]
    assert asked(QA_READER=trained, QA_BUDGET_MS=str(FULL))["citations"] == found["citations"]
    assert asked()["reader"]["name"] == readers.BUNDLED
    off = asked("--no-reader", QA_READER=trained)
    assert off["reader"] is None
    assert asked("--budget-ms", "0")["citations"] == off["citations"]


def test_a_reader_that_is_not_there_ends_with_2_and_says_what_to_do(variables: dict[str, str | None]) -> None:
    done = CliRunner().invoke(cli.ask, ["--reader", "none/such", QUESTION], env=variables)
    assert done.exit_code == 2
    assert "none/such" in done.stderr and "--fetch-model" in done.stderr


# --------------------------------------------------------------------------------------------------------- marked words


def test_the_reader_points_at_the_words_where_a_sentence_offers_several() -> None:
    sentence = "Ada Lindqvist met Per Holm in 1871."
    question = "Who was met by Ada?"
    assert marking.answering("Who paid?", sentence) is None
    for words in ("Ada Lindqvist", "Per Holm"):
        at = sentence.index(words)
        found = marking.answering("Who paid?", sentence, Span(at, at + len(words)))
        assert found is not None and sentence[found.start : found.end] == words
    assert marking.answering(question, sentence, Span(0, 3)) is None, "the question holds it"
