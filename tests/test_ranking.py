from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.ranking import (
    BOILERPLATE_WEIGHT,
    EXACT,
    HEADING_MATCH,
    LEXICAL_WEIGHT,
    LONE_LEAD,
    PASSAGE_WEIGHT,
    RERANKER_WEIGHT,
    SENTENCE_TOKENS_WEIGHT,
    TOKENS_WEIGHT,
    Candidates,
    Ranked,
    of_best,
    rank,
    rerank,
    token_weights,
)

shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])
cosines = st.one_of(st.sampled_from([0.0, 0.3, 0.6]), st.floats(-1, 1))


@st.composite
def candidates(draw: st.DrawFn, least: int = 0, tokens: int | None = None) -> Candidates:
    counts = draw(st.lists(st.integers(1, 4), min_size=least, max_size=12))
    total = sum(counts)
    width = draw(st.sampled_from([0, 1, 5])) if tokens is None else tokens

    def column(kind: st.SearchStrategy[float], size: int) -> np.ndarray:
        return np.array(draw(st.lists(kind, min_size=size, max_size=size)), dtype=np.float64)

    return Candidates(
        lexical=column(shares, len(counts)),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cosine=column(cosines, total),
        boilerplate=column(st.sampled_from([0, 0, 1]), total).astype(np.bool_),
        exact=column(shares, total * len(EXACT)).reshape(total, len(EXACT)),
        matches=column(st.floats(-1, 1), total * width).reshape(total, width),
        headed=column(st.sampled_from([0, 0, 1]), len(counts) * width).reshape(len(counts), width).astype(np.bool_),
        weights=np.full(width, 1 / max(width, 1)),
    )


def simple(cosine: list[list[float]], lexical: list[float] | None = None) -> Candidates:
    """Candidates whose tokens are not compared."""
    total = sum(map(len, cosine))
    return Candidates(
        lexical=np.array(lexical or [0.0] * len(cosine)),
        first=np.cumsum([0, *map(len, cosine)]),
        cosine=np.array([value for row in cosine for value in row]),
        boilerplate=np.zeros(total, dtype=np.bool_),
        exact=np.zeros((total, len(EXACT))),
        matches=np.zeros((total, 0)),
        headed=np.zeros((len(cosine), 0), dtype=np.bool_),
        weights=np.zeros(0),
    )


def matching(matches: list[list[list[float]]], headed: list[list[bool]] | None = None) -> Candidates:
    """Candidates that differ only in how the tokens of their sentences match the question's, each of which counts the
    same."""
    rows = np.array([row for passage in matches for row in passage])
    tokens = rows.shape[1]
    return Candidates(
        lexical=np.zeros(len(matches)),
        first=np.cumsum([0, *map(len, matches)]),
        cosine=np.zeros(len(rows)),
        boilerplate=np.zeros(len(rows), dtype=np.bool_),
        exact=np.zeros((len(rows), len(EXACT))),
        matches=rows,
        headed=np.array(headed or [[False] * tokens] * len(matches)),
        weights=np.full(tokens, 1 / tokens),
    )


def whole(given_: Candidates, chosen: Iterable[int]) -> list[tuple[int, int, int]]:
    """Candidates with all of their sentences."""
    return [(number, int(given_.first[number]), int(given_.first[number + 1])) for number in chosen]


def sentences(ranked: Ranked, candidate: int) -> slice:
    first = ranked.candidates.first
    return slice(int(first[candidate]), int(first[candidate + 1]))


@given(candidates())
def test_the_parts_of_every_score_add_up_to_it(given_: Candidates) -> None:
    ranked = rank(given_)
    for candidate in range(len(given_.lexical)):
        own = sentences(ranked, candidate)
        parts = ranked.passage_parts(candidate, own)
        assert sum(part.value for part in parts) == pytest.approx(ranked.passage[candidate], abs=1e-9)
        for sentence in range(own.start, own.stop):
            parts = ranked.sentence_parts(candidate, sentence)
            assert sum(part.value for part in parts) == pytest.approx(ranked.sentence[sentence], abs=1e-9)
            assert len({part.name for part in parts}) == len(parts)
            assert all(part.note for part in parts)


@given(candidates(least=1))
def test_no_run_of_sentences_scores_above_its_whole_passage(given_: Candidates) -> None:
    ranked = rank(given_)
    for candidate in range(len(given_.lexical)):
        own = sentences(ranked, candidate)
        for first in range(own.start, own.stop):
            for last in range(first + 1, own.stop + 1):
                score = sum(part.value for part in ranked.passage_parts(candidate, slice(first, last)))
                assert score <= ranked.passage[candidate] + 1e-9


@given(candidates())
def test_the_order_is_by_score_and_leaves_ties_as_they_were(given_: Candidates) -> None:
    ranked = rank(given_)
    wanted = sorted(range(len(given_.lexical)), key=lambda candidate: (-ranked.passage[candidate], candidate))
    assert ranked.order.tolist() == wanted
    assert rank(given_).order.tolist() == wanted


@given(candidates(), st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_or_the_company_of_the_candidates(given_: Candidates, chance: Random) -> None:
    ranked = rank(given_)
    chosen = [candidate for candidate in range(len(given_.lexical)) if chance.random() < 0.7]
    chance.shuffle(chosen)
    taken, rows = given_.take(whole(given_, chosen))
    again = rank(taken)
    assert again.passage.tolist() == ranked.passage[chosen].tolist()
    assert again.sentence.tolist() == ranked.sentence[rows].tolist()
    scores = ranked.passage[chosen]
    assert scores[again.order].tolist() == sorted(scores.tolist(), reverse=True)


@given(candidates())
def test_taking_candidates_takes_all_that_is_known_of_them(given_: Candidates) -> None:
    taken, rows = given_.take(whole(given_, range(len(given_.lexical))))
    assert rows.tolist() == list(range(len(given_.cosine)))
    for name in ("lexical", "first", "cosine", "boilerplate", "exact", "matches", "headed", "weights"):
        assert np.array_equal(getattr(taken, name), getattr(given_, name)), name
    none, rows = given_.take([])
    assert (len(none.lexical), none.first.tolist(), len(rows), len(none.cosine)) == (0, [0], 0, 0)


@given(candidates(tokens=0))
def test_without_token_vectors_nothing_is_said_of_them(given_: Candidates) -> None:
    ranked = rank(given_)
    for candidate in range(len(given_.lexical)):
        own = sentences(ranked, candidate)
        parts = (*ranked.passage_parts(candidate, own), *ranked.sentence_parts(candidate, own.start))
        assert "tokens" not in {part.name for part in parts}


def test_no_candidates_give_no_order() -> None:
    ranked = rank(simple([]))
    assert [len(part) for part in (ranked.passage, ranked.sentence, ranked.order)] == [0, 0, 0]


def test_without_any_word_in_common_the_cosine_decides() -> None:
    ranked = rank(simple([[0.1, 0.2], [0.5], [0.3, 0.4, 0.0]]))
    assert ranked.order.tolist() == [1, 2, 0]
    assert ranked.passage.tolist() == [0.2, 0.5, 0.4]


def test_a_passage_is_as_good_as_its_best_sentence_and_its_words() -> None:
    ranked = rank(simple([[0.1, 0.5], [0.4, 0.4]], lexical=[0.2, 1.0]))
    assert ranked.passage == pytest.approx([0.5 + 0.2 * LEXICAL_WEIGHT, 0.4 + LEXICAL_WEIGHT])


def test_a_sentence_gains_by_its_own_words_and_by_its_passage() -> None:
    ranked = rank(matching([[[0.5, 0.0], [0.5, 0.5]], [[0.5, 0.0], [0.5, 0.0]]]))
    bare, worded, alone, _ = ranked.sentence
    assert worded - bare == pytest.approx(SENTENCE_TOKENS_WEIGHT * 0.25)
    assert bare - alone == pytest.approx(PASSAGE_WEIGHT * TOKENS_WEIGHT * 0.25)


def test_a_word_of_title_or_heading_counts_as_matched_in_every_sentence_below_it() -> None:
    named = rank(matching([[[0.2, 0.1], [0.9, 0.3]]], [[True, False]])).credited * 2
    assert named.tolist() == pytest.approx(np.array([[HEADING_MATCH, 0.1], [0.9, 0.3]]))


@given(candidates(least=1))
def test_a_heading_never_lowers_a_score(given_: Candidates) -> None:
    bare = rank(replace(given_, headed=np.zeros_like(given_.headed)))
    assert (rank(given_).passage >= bare.passage - 1e-12).all()
    assert (rank(given_).sentence >= bare.sentence - 1e-12).all()


@given(candidates(least=1))
def test_what_confidence_is_drawn_from_does_not_take_headings_for_an_answer(given_: Candidates) -> None:
    bare = rank(replace(given_, headed=np.zeros_like(given_.headed)))
    ranked = replace(rank(given_), order=bare.order)
    assert (ranked.matched, ranked.lead, ranked.verbatim) == (bare.matched, bare.lead, bare.verbatim)


def test_words_matched_in_different_sentences_count_together_for_the_passage() -> None:
    apart = matching([[[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.0], [0.5, 0.0]]])
    assert rank(apart).passage[0] > rank(apart).passage[1]


@given(candidates(least=1), st.data())
def test_a_run_of_sentences_scores_as_a_candidate_what_its_parts_add_up_to(
    given_: Candidates, data: st.DataObject
) -> None:
    ranked = rank(given_)
    candidate = data.draw(st.integers(0, len(given_.lexical) - 1))
    own = sentences(ranked, candidate)
    start = data.draw(st.integers(own.start, own.stop - 1))
    stop = data.draw(st.integers(start + 1, own.stop))
    run, rows = given_.take([(candidate, start, stop)])
    assert rows.tolist() == list(range(start, stop))
    score = ranked.run_score(candidate, start, stop)
    assert rank(run).passage == pytest.approx([score], abs=1e-9)
    assert sum(part.value for part in ranked.passage_parts(candidate, slice(start, stop))) == pytest.approx(score)


def test_boilerplate_loses_to_content_as_near_and_wins_where_nothing_else_is() -> None:
    twice = simple([[0.6, 0.1], [0.5]])
    twice.boilerplate[0] = True
    assert rank(twice).order.tolist() == [1, 0]
    assert rank(twice).passage[0] == pytest.approx(0.6 - BOILERPLATE_WEIGHT)
    asked = simple([[0.9], [0.5]])
    asked.boilerplate[0] = True
    assert rank(asked).order.tolist() == [0, 1]


@given(candidates())
def test_the_lead_is_never_negative_and_does_not_depend_on_the_order_given(given_: Candidates) -> None:
    lead = rank(given_).lead
    assert lead >= -1e-12
    if len(given_.lexical) <= 5:
        assert lead == LONE_LEAD
    turned, _ = given_.take(whole(given_, range(len(given_.lexical)))[::-1])
    assert rank(turned).lead == pytest.approx(lead)


def test_the_lead_is_over_the_also_rans_not_over_the_runners_up() -> None:
    assert rank(simple([[0.9], [0.8], [0.5]])).lead == LONE_LEAD, "too few to tell"
    many = [[0.9], *[[0.8]] * 4, *[[0.3]] * 15, *[[0.0]] * 20]
    assert rank(simple(many)).lead == pytest.approx(0.6)
    quoting = simple(many)
    quoting.exact[0, 1] = 1.0
    assert rank(quoting).lead == pytest.approx(0.6), "what is quoted is asked for, and no sign of an answer"


def test_a_passage_that_holds_the_question_itself_is_verbatim() -> None:
    asked = simple([[0.9], [0.1, 0.1]])
    assert not rank(asked).verbatim
    asked.exact[2, 0] = 1.0
    assert rank(asked).verbatim


SCORES = st.lists(st.floats(-20, 20), max_size=8)


@given(candidates(), SCORES)
def test_the_parts_of_a_score_add_up_to_it_after_reranking_too(given_: Candidates, scores: list[float]) -> None:
    ranked = rank(given_)
    again = rerank(ranked, np.array(scores[: len(given_.lexical)]), "a model")
    for candidate in range(len(given_.lexical)):
        own = sentences(again, candidate)
        parts = again.passage_parts(candidate, own)
        assert sum(part.value for part in parts) == pytest.approx(again.passage[candidate], abs=1e-9)
        assert len({part.name for part in parts}) == len(parts)
        assert all(part.note for part in parts)
        for sentence in range(own.start, own.stop):
            parts = again.sentence_parts(candidate, sentence)
            assert sum(part.value for part in parts) == pytest.approx(again.sentence[sentence], abs=1e-9)
            gain = again.passage[candidate] - ranked.passage[candidate]
            assert again.sentence[sentence] - ranked.sentence[sentence] == pytest.approx(PASSAGE_WEIGHT * gain)


@given(candidates(least=1), SCORES.filter(bool))
def test_what_was_read_stands_above_the_rest_which_is_as_it_was(given_: Candidates, scores: list[float]) -> None:
    ranked = rank(given_)
    scores = scores[: len(given_.lexical)]
    again = rerank(ranked, np.array(scores), "a model")
    read, rest = ranked.order[: len(scores)].tolist(), ranked.order[len(scores) :].tolist()
    assert set(again.order[: len(read)].tolist()) == set(read)
    assert again.order[len(read) :].tolist() == rest
    assert again.passage[rest].tolist() == ranked.passage[rest].tolist()
    assert all(again.passage[read] >= ranked.passage[read])
    assert again.reread is not None and np.isnan(again.reread.shares[rest]).all()


@given(candidates(least=2), st.randoms(use_true_random=False))
def test_a_clear_preference_of_the_model_decides_the_order(given_: Candidates, chance: Random) -> None:
    """Clear is what weighs more than the first stage's scores lie apart."""
    ranked = rank(given_)
    levels = [float(level) for level in range(len(given_.lexical))]
    chance.shuffle(levels)
    again = rerank(ranked, np.array(levels), "a model")
    level = dict(zip(ranked.order.tolist(), levels, strict=True))
    worth = RERANKER_WEIGHT / (len(levels) - 1)
    for above, below in itertools.pairwise(again.order.tolist()):
        apart = ranked.passage[above] - ranked.passage[below]
        assert (level[above] - level[below]) * worth >= -apart - 1e-9
    if np.ptp(ranked.passage) < worth:
        assert [level[candidate] for candidate in again.order.tolist()] == sorted(levels, reverse=True)


@given(candidates(), st.integers(0, 8), st.floats(-5, 5))
def test_a_model_without_a_preference_leaves_the_order(given_: Candidates, count: int, score: float) -> None:
    ranked = rank(given_)
    again = rerank(ranked, np.full(min(count, len(given_.lexical)), score), "a model")
    assert again.order.tolist() == ranked.order.tolist()
    assert again.passage.tolist() == ranked.passage.tolist()
    assert again.sentence.tolist() == ranked.sentence.tolist()


@given(candidates())
def test_nothing_read_changes_nothing(given_: Candidates) -> None:
    ranked = rank(given_)
    assert rerank(ranked, np.empty(0), "a model") is ranked


@given(candidates(least=1), SCORES.filter(bool), st.floats(0.1, 10), st.floats(-10, 10))
def test_the_scale_of_a_models_scores_does_not_matter(
    given_: Candidates, scores: list[float], factor: float, shift: float
) -> None:
    ranked = rank(given_)
    one = np.array(scores[: len(given_.lexical)])
    again = rerank(ranked, one, "a model")
    if np.ptp(one) > 1e-3:
        other = rerank(ranked, one * factor + shift, "a model")
        assert other.passage == pytest.approx(again.passage, abs=1e-6)


@given(st.lists(st.floats(0, 50), max_size=20))
def test_the_best_score_of_a_question_is_one_and_none_is_above(scores: list[float]) -> None:
    shared = of_best(np.array(scores, dtype=np.float64))
    assert len(shared) == len(scores)
    if max(scores, default=0.0) > 0:
        assert shared.max() == 1.0
        assert shared.min() >= 0.0
        assert shared == pytest.approx([score / max(scores) for score in scores])
    else:
        assert shared.tolist() == [0.0] * len(scores)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), max_size=6))
def test_token_weights_sum_to_one_and_pieces_share_their_word(question: list[tuple[str, int]]) -> None:
    rarity = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 9.5}
    words = [word for word, pieces in dict(question).items() for _ in range(pieces)]
    weights = token_weights(np.array([rarity[word] for word in words]), words)
    assert len(weights) == len(words)
    if not words:
        return
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    by_word = {word: sum(w for w, other in zip(weights, words, strict=True) if other == word) for word in words}
    total = sum(rarity[word] for word in by_word)
    for word, weight in by_word.items():
        share = rarity[word] / total if total else words.count(word) / len(words)
        assert weight == pytest.approx(share)


@given(candidates(least=1), st.data())
def test_a_sentence_that_is_the_question_goes_before_every_other(given_: Candidates, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(given_.cosine) - 1))
    given_.exact[:, 0] = 0.0
    given_.exact[chosen, 0] = 1.0
    ranked = rank(given_)
    best = sentences(ranked, int(ranked.order[0]))
    assert best.start <= chosen < best.stop
    assert int(ranked.sentence.argmax()) == chosen


def test_what_stands_word_for_word_is_a_part_only_where_it_does() -> None:
    given_ = simple([[0.5, 0.4], [0.5]])
    given_.exact[1] = [0.0, 0.5, 1.0, 0.0]
    ranked = rank(given_)
    assert {part.name for part in ranked.sentence_parts(0, 1)} >= {"quoted", "codes"}
    assert not {part.name for part in ranked.sentence_parts(0, 1)} & {"verbatim", "numbers"}
    assert not {part.name for part in ranked.passage_parts(1, slice(2, 3))} & set(EXACT)
