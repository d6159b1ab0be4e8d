"""Laws of filters: they stand before ranking, so that they decide what may answer and nothing else."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shelf import MEMORY, SUBJECTS, Shelf

from qa.candidates import LEXICAL_LIMIT
from qa.engine import Engine
from qa.filtering import allowed, refusals
from qa.records import Answer, Filter, Source
from qa.settings import Settings

MANY = LEXICAL_LIMIT
"""Documents. With more, the commonest words of a question count with a filter where they do not without."""

DAY = 86_400 * 10**9

sources = st.builds(
    Source,
    st.just("d_1"),
    st.sampled_from(["a.txt", "notes/b.PDF", "notes/2017/caf\u00e9.md", "x"]),
    st.sampled_from(["Annual report 2017", "[Draft] Plan", "What is it?", "Stra\u00dfe", "Cafe\u0301"]),
    st.sampled_from(["text/plain", "application/pdf"]),
    st.just("ab" * 32),
    st.just(1),
    st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3).map(lambda day: day * DAY),
)
filters = st.builds(
    Filter,
    st.sampled_from(["", "pdf", ".PDF", "text/plain", "md"]),
    st.sampled_from(["", "*", "notes/*", "*.txt", "*caf\u00e9*", "*cafe\u0301*"]),
    st.none() | st.integers(0, 3).map(lambda day: day * DAY),
    st.none() | st.integers(0, 3).map(lambda day: day * DAY),
    st.sampled_from(["", "report", "REPORT 20*", "[draft]", "is it?", "STRASSE", "caf\u00e9", "[a-z]"]),
)


@given(st.lists(sources, max_size=6), filters)
def test_a_filter_says_why_it_keeps_back_what_it_does_not_let_through(found: list[Source], filter: Filter) -> None:
    passing = allowed(found, filter)
    said = [refusals(source, filter) for source in found]
    assert (passing is None) == (filter == Filter())
    for source, why, passes in zip(found, said, [True] * len(found) if passing is None else passing, strict=True):
        assert passes == (not why)
        fields = ("type", "path", "after_ns", "before_ns", "title")
        alone = [refusals(source, Filter(**{name: getattr(filter, name)})) for name in fields]
        assert why == tuple(reason for reasons in (alone[0], alone[1], alone[4], *alone[2:4]) for reason in reasons)


@given(sources, st.integers(0, 3))
def test_before_and_after_one_moment_part_all_documents(source: Source, day: int) -> None:
    at = day * DAY
    assert bool(refusals(source, Filter(after_ns=at))) != bool(refusals(source, Filter(before_ns=at)))


@pytest.mark.parametrize(
    ("title", "words", "fits"),
    [
        ("Annual report 2017", "annual REPORT", True),
        ("Annual  report\n2017", "report 2017", True),
        ("Annual report 2017", "annual*2017", True),
        ("Annual report 2017", "report annual", False),
        ("[Draft] Plan", "[draft]", True),
        ("Plan", "[draft]", False),
        ("What is it?", "is it?", True),
        ("Straße", "STRASSE", True),
        (unicodedata.normalize("NFD", "Café"), "café", True),
    ],
)
def test_a_title_holds_words_whatever_their_case(title: str, words: str, fits: bool) -> None:
    source = Source("d_1", "a.txt", title, "text/plain", "", 1, 0)
    assert (refusals(source, Filter(title=words)) == ()) == fits


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Iterator[Engine]:
    """Thousands of notes of one sentence, of which each says the number of another berth; each a day of its own."""
    folder = tmp_path_factory.mktemp("many")
    shelf = Shelf(folder / "docs", Settings((MEMORY or folder) / f"index-{os.getpid()}", small_model, model_cache))
    for number in range(MANY):
        subject = SUBJECTS[number % len(SUBJECTS)]
        path = shelf.write(f"{number % 100}/{number}.txt", f"The {subject} keeps berth {number * 7919 % MANY} free.\n")
        os.utime(path, ns=(number * DAY, number * DAY))
    shelf.index()
    with shelf.engine() as engine:
        yield engine
    for path in sorted(shelf.settings.index.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    shelf.settings.index.rmdir()


QUESTIONS = ("Which berth does the harbour keep free?", "zebra", "Who keeps berth 17 free?")


@hypothesis_settings(max_examples=15)
@given(st.integers(0, MANY - 1), st.sampled_from(QUESTIONS), st.sampled_from(["path", "title", "date"]))
def test_a_filter_that_leaves_one_document_of_thousands_finds_it(
    many: Engine, number: int, question: str, by: str
) -> None:
    filter = {
        "path": Filter(path=f"{number % 100}/{number}.txt"),
        "title": Filter(title=str(number), after_ns=number * DAY, before_ns=(number + 1) * DAY),
        "date": Filter(after_ns=number * DAY, before_ns=number * DAY + 1),
    }[by]
    answer = many.ask(question, filter=filter)
    assert answer.index.searched == 1
    assert [passage.source.path for passage in answer.passages] == [f"{number % 100}/{number}.txt"]
    assert f"berth {number * 7919 % MANY} free" in answer.citations[0].text


def scores(answer: Answer) -> dict[tuple[str, int], float]:
    return {(passage.source.path, passage.start): passage.score for passage in answer.passages}


@hypothesis_settings(max_examples=10)
@given(st.integers(0, 99), st.integers(0, MANY - 1), st.sampled_from(QUESTIONS))
def test_a_filter_changes_no_score_and_no_order(many: Engine, folder: int, day: int, question: str) -> None:
    """Whatever is found with a filter and without has one score; nothing that was found and fits is lost."""
    whole = many.ask(question, limit=50)
    named = {source.path: source for source, _ in (many.document(p.source.id) for p in whole.passages)}
    for filter in (Filter(path=f"{folder}/*"), Filter(after_ns=day * DAY), Filter(path="*[05].txt")):
        found = scores(many.ask(question, limit=50, filter=filter))
        fitting = {key: s for key, s in scores(whole).items() if not refusals(named[key[0]], filter)}
        assert [key for key in found if key in fitting] == list(fitting)
        assert np.allclose([found[key] for key in fitting], list(fitting.values()), atol=1e-9)
