"""Laws of folding: what is said twice is shown once, and what stands in many documents is told from what is copied."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.folding import (
    COPIES,
    MANY,
    OWN_SHARE,
    WITHIN,
    Shown,
    boilerplate,
    digests,
    distinct,
    grouped,
    normalised,
    runs,
    said,
)

texts = st.lists(st.sampled_from(["One.", "one.", " One.\n", "Two.", "Straße", "STRASSE", "", "東京。"]), max_size=12)


@given(texts)
def test_texts_have_one_number_when_they_differ_in_white_space_and_case_only(given_: list[str]) -> None:
    numbers = grouped(digests(given_))
    for one, number in zip(given_, numbers, strict=True):
        for other, its in zip(given_, numbers, strict=True):
            assert (number == its) == (normalised(one) == normalised(other))


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), max_size=40))
def test_texts_are_numbered_as_they_come_and_told_apart_by_both_numbers_of_their_hash(
    given_: list[tuple[int, int]],
) -> None:
    number = {pair: at for at, pair in enumerate(dict.fromkeys(given_))}
    found = grouped(np.array(given_, dtype=np.int64).reshape(-1, 2))
    assert found.tolist() == [number[pair] for pair in given_]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), max_size=60), st.integers(1, 8))
def test_as_many_distinct_texts_are_found_as_there_are_and_few_copies(
    given_: list[tuple[int, float]], wanted: int
) -> None:
    group = np.array([number for number, _ in given_], dtype=np.int64)
    scores = np.array([score for _, score in given_], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    found = distinct(lambda limit: order[:limit], group, scores.take, wanted)
    assert found.tolist() == sorted(set(found.tolist()))
    counts = np.bincount(group[found], minlength=6)
    assert (counts > 0).sum() >= min(wanted, len(set(group.tolist())))
    if counts.sum() > wanted or len(set(group[found].tolist())) < len(found):
        assert counts.max() <= COPIES
    for number in set(group[found].tolist()):
        kept = [at for at in found if group[at] == number]
        assert max(scores[group == number]) == max(scores[kept]), "the best copy is among them"


passages = st.lists(
    st.tuples(st.sampled_from("abc"), st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1)), min_size=1, max_size=5)),
    max_size=8,
)


@given(passages, st.integers(1, 20))
def test_no_run_is_led_by_what_a_better_one_of_another_document_says(
    given_: list[tuple[str, list[tuple[int, float]]]], limit: int
) -> None:
    first = np.cumsum([0, *(len(sentences) for _, sentences in given_)])
    document = [name for name, _ in given_]
    group = np.array([number for _, sentences in given_ for number, _ in sentences], dtype=np.int64)
    score = np.array([points for _, sentences in given_ for _, points in sentences], dtype=np.float64)
    whole = np.array([score[a:b].max() for a, b in pairwise(first)], dtype=np.float64)
    found, folded = runs(
        first, document, group, score, whole, lambda _, start, stop: float(score[start:stop].max()), limit
    )
    assert len(found) <= limit
    tops = [score[start:stop].max() for _, start, stop in found]
    assert tops == sorted(tops, reverse=True)
    holding: dict[int, list[str]] = {}
    covered: set[int] = set()
    for passage, start, stop in found:
        assert first[passage] <= start < stop <= first[passage + 1]
        lead = start + int(score[start:stop].argmax())
        assert not said(holding.get(int(group[lead]), []), document[passage])
        assert not covered & set(range(start, stop))
        covered |= set(range(start, stop))
        for number in group[start:stop].tolist():
            holding.setdefault(number, []).append(document[passage])
    if len(found) < limit:
        left = set(range(len(group))) - covered
        assert {int(group[at]) for at in left} == folded <= set(holding), "what is left out is said by what is kept"


def corpus(documents: list[list[str]]) -> tuple[list[str], np.ndarray]:
    sentences = [sentence for document in documents for sentence in document]
    owner = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    found = boilerplate(grouped(digests(sentences)), owner, np.array([len(sentence) for sentence in sentences]))
    return sentences, found


PITCH = "Subscribe to our newsletter for more."


def own(number: int) -> str:
    return f"Report {number} tells of the harbour in the year {1900 + number}."


@pytest.mark.parametrize("count", [1, 3, MANY - 1, MANY, 40])
def test_a_sentence_of_many_documents_that_are_otherwise_different_is_boilerplate(count: int) -> None:
    sentences, found = corpus([[own(number), PITCH] if number < count else [own(number)] for number in range(50)])
    assert {s for s, is_so in zip(sentences, found, strict=True) if is_so} == ({PITCH} if count >= MANY else set())


def test_in_a_large_corpus_it_takes_more_documents() -> None:
    for count, is_so in ((19, False), (20, True)):
        _, found = corpus([[own(number), PITCH] if number < count else [own(number)] for number in range(400)])
        assert found.any() == is_so


@pytest.mark.parametrize("clauses", [20, 60])
def test_copies_versions_and_contracts_of_one_template_are_content(clauses: int) -> None:
    text = [f"Clause {number} says that the tenant pays the rent of the house." for number in range(clauses)]
    _, found = corpus([[own(number), *text] for number in range(30)])
    assert not found.any()


@given(st.integers(0, MANY - 1), st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), max_size=MANY - 1))
def test_in_few_documents_nothing_is_boilerplate(_: int, documents: list[list[str]]) -> None:
    assert not corpus(documents)[1].any()


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=6), max_size=3 * MANY))
def test_boilerplate_stands_in_many_documents_with_enough_of_their_own(
    documents: list[list[tuple[int, int]]],
) -> None:
    """Texts are given as their number and length; those of the number 0 are of their document alone."""
    rows = [
        (n, (n if not number else 100 + number), chars)
        for n, document in enumerate(documents)
        for number, chars in document
    ]
    group = grouped(np.array([(text, 0) for _, text, _ in rows], dtype=np.int64).reshape(-1, 2))
    found = boilerplate(group, *(np.array([row[at] for row in rows], dtype=np.int64) for at in (0, 2)))
    least = max(MANY, len({row[0] for row in rows}) ** 0.5)
    shared = {text for _, text, _ in rows if len({n for n, other, _ in rows if other == text}) >= least}
    whole = {n: sum(chars for other, _, chars in rows if other == n) for n, _, _ in rows}
    own = {n: sum(chars for other, text, chars in rows if other == n and text not in shared) for n in whole}
    enough = {n for n in whole if own[n] >= OWN_SHARE * whole[n]}
    is_so = {text for text in shared if len({n for n, other, _ in rows if other == text} & enough) >= least}
    assert found.tolist() == [text in is_so for _, text, _ in rows]


words = st.lists(st.sampled_from(["the", "rent", "of", "a", "house", "is", "due", "now"]), min_size=1, max_size=40)


@given(st.lists(st.tuples(st.sampled_from("ab"), words.map(" ".join)), max_size=8))
def test_a_text_shown_already_is_found_whatever_its_white_space_and_case(given_: list[tuple[str, str]]) -> None:
    shown, kept = Shown(), []
    for document, text in given_:
        place = shown.place(text, document)
        if place is None:
            kept.append((document, text))
        else:
            assert kept[place][1]
    for _, text in kept:
        assert shown.place(f" {text.upper()}\n", "another") is not None
        equal = [other for other, its in kept if its == text]
        assert len(equal) <= WITHIN and len(set(equal)) == 1


@pytest.mark.parametrize(
    ("change", "folded"),
    [
        (lambda text: text, True),
        (lambda text: text.replace("harbour", "harbor", 1), True),
        (lambda text: text.replace("1,482", "1,842"), False),
        (lambda text: text.replace("nobody", "everybody").replace("keeper", "owner").replace("ships", "boats"), False),
        (lambda text: text + " Nor did any of the many people who were asked about it in the years that came.", False),
        (lambda text: text[40:], True),
    ],
)
def test_nearly_the_same_is_folded_and_what_says_more_is_not(change: Callable[[str], str], folded: bool) -> None:
    text = (
        "In the year 1,482 ships lay in the harbour of the old town, and nobody had counted them before the keeper of "
        "the lighthouse did so from his window in the evening, with a pencil and a sheet of paper, while it rained."
    )
    shown = Shown()
    assert shown.place(text, "a") is None
    assert (shown.place(change(text), "b") is not None) == folded


def test_text_without_spaces_is_compared_by_its_characters() -> None:
    text = "港の料金は毎月の初めに事務所で支払わなければならず、遅れた場合は利子が加算されると定められている。" * 2
    shown = Shown()
    assert shown.place(text, "a") is None
    assert shown.place(text[:-1] + "！", "b") == 0
    assert shown.place(text[:50] + "料金は1482円である。" + text[50:], "b") is None
    assert shown.place(text[:50] + "料金は1842円である。" + text[50:], "c") is None, "two prices are not one"
    assert (
        shown.place(text[:50] + "灯台は百年前に建てられ、今も毎晩、港の入口を照らしていると案内書に書かれている。", "c")
        is None
    )
