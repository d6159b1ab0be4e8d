"""Laws of confidence held against being right."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import CONFIDENCES, TEXTS, Asked, runs

from qa.evaluation import (
    LADDER,
    area_under_risk_coverage,
    confidence_and_right,
    expected_calibration_error,
    reliability,
    risk_coverage,
    score,
)

Answers = list[tuple[float, bool]]
ANSWERS = st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=12)


def ece(answers: Answers) -> float:
    return float(expected_calibration_error(*zip(*answers, strict=True)))


def aurc(answers: Answers) -> float:
    return float(area_under_risk_coverage(*zip(*answers, strict=True)))


@given(st.lists(st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=6))
def test_confidence_that_is_the_share_right_among_all_that_have_it_has_no_calibration_error(
    groups: list[tuple[int, int]],
) -> None:
    assert ece([(right / n, place < right) for right, n in groups for place in range(n)]) == pytest.approx(0, abs=1e-12)


@given(ANSWERS)
def test_ece_is_the_weighted_mean_of_the_gaps_of_the_bins(answers: Answers) -> None:
    bins = reliability(*zip(*answers, strict=True))
    gaps = 0.0
    for number, bin in enumerate(bins):
        here = [(c, right) for c, right in answers if min(int(c * 10), 9) == number]
        assert (bin.low, bin.high, bin.n) == (number / 10, (number + 1) / 10, len(here))
        if here:
            mean, share = (sum(column) / len(here) for column in zip(*here, strict=True))
            assert (bin.mean_confidence, bin.share_right) == (pytest.approx(mean), pytest.approx(share))
            gaps += len(here) / len(answers) * abs(mean - share)
    assert ece(answers) == pytest.approx(gaps, abs=1e-12)


def test_a_case_of_calibration_worked_by_hand() -> None:
    answers = [(0.95, True), (1.0, True), (0.91, False), (0.42, True), (0.48, False), (0.0, False)]
    bins = reliability(*zip(*answers, strict=True))
    assert [(bin.low, bin.high, bin.n) for bin in bins if bin.n] == [(0.0, 0.1, 1), (0.4, 0.5, 2), (0.9, 1.0, 3)]
    assert (bins[9].mean_confidence, bins[9].share_right) == (pytest.approx(2.86 / 3), pytest.approx(2 / 3))
    assert (bins[5].mean_confidence, bins[5].share_right) == (None, None)
    assert ece(answers) == pytest.approx((0 + abs(0.9 - 1) + abs(2.86 - 2)) / 6)
    # Wrong among the 1, 2, ... surest: 0, 0, 1, then one of the two next, then the last.
    assert aurc(answers) == pytest.approx((0 + 0 + 1 / 3 + 2 / 4 + 2 / 5 + 3 / 6) / 6)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.8]), st.booleans()), min_size=1, max_size=5))
def test_aurc_is_the_mean_risk_over_all_coverages_and_all_orders_that_confidence_allows(answers: Answers) -> None:
    areas = []
    for order in permutations(answers):
        if all(first[0] >= second[0] for first, second in pairwise(order)):
            wrong = [not right for _, right in order]
            areas.append(sum(sum(wrong[:k]) / k for k in range(1, len(wrong) + 1)) / len(wrong))
    assert aurc(answers) == pytest.approx(sum(areas) / len(areas), abs=1e-12)


@given(ANSWERS, st.randoms(use_true_random=False))
def test_neither_depends_on_the_order_of_the_questions_and_aurc_only_on_the_order_of_confidence(
    answers: Answers, random: Any
) -> None:
    shuffled = random.sample(answers, len(answers))
    assert ece(shuffled) == pytest.approx(ece(answers), abs=1e-12)
    assert aurc(shuffled) == pytest.approx(aurc(answers), abs=1e-12)
    rank = {confidence: place for place, confidence in enumerate(sorted({c for c, _ in answers}), 1)}
    assert aurc([(rank[c] / 20, right) for c, right in answers]) == pytest.approx(aurc(answers), abs=1e-12)


@given(ANSWERS)
def test_aurc_lies_between_that_of_the_best_and_the_worst_order_of_the_same_answers(answers: Answers) -> None:
    n = len(answers)
    ordered = sorted(right for _, right in answers)
    best, worst = (aurc([(place / n, right) for place, right in enumerate(each)]) for each in (ordered, ordered[::-1]))
    assert best - 1e-12 <= aurc(answers) <= worst + 1e-12
    assert (aurc(answers) == 0) == all(ordered)
    constant = [(0.5, right) for right in ordered]
    assert aurc(constant) == pytest.approx(1 - sum(ordered) / n)


@pytest.mark.parametrize("figure", [expected_calibration_error, area_under_risk_coverage])
def test_many_sets_at_once_give_what_each_gives_alone(figure: Callable[..., Any]) -> None:
    random = np.random.default_rng(3)
    confidence, right = random.choice([0.1, 0.35, 0.8, 1.0], (4, 3, 9)), random.random((4, 3, 9)) < 0.5
    together = figure(confidence, right)
    assert together.shape == (4, 3)
    alone = [[float(figure(c, r)) for c, r in zip(*pair, strict=True)] for pair in zip(confidence, right, strict=True)]
    assert together == pytest.approx(np.array(alone), abs=1e-12)


@given(ANSWERS, st.lists(st.floats(0, 1), max_size=4))
def test_risk_is_the_share_wrong_of_the_share_that_is_answered(answers: Answers, more: list[float]) -> None:
    choices = risk_coverage(*zip(*answers, strict=True), {*LADDER, *more})
    assert [choice.min_confidence for choice in choices] == sorted({*LADDER, *more})
    for choice in choices:
        given_ = [right for confidence, right in answers if confidence >= choice.min_confidence]
        assert choice.coverage == pytest.approx(len(given_) / len(answers))
        assert choice.risk == (pytest.approx(given_.count(False) / len(given_)) if given_ else None)
    assert choices[0].coverage == 1
    coverages = [choice.coverage for choice in choices]
    assert coverages == sorted(coverages, reverse=True)


@given(runs())
def test_right_is_a_first_passage_on_a_gold_span_and_never_so_without_an_answer(run: Asked) -> None:
    predicted = {prediction.id: prediction for prediction in run[1]}
    expected = []
    for question in run[0]:
        if question.id in predicted and (question.gold or not question.answerable):
            first = predicted[question.id].passages[:1]
            hit = any(
                p.doc == g.doc and set(range(p.start, p.end)) & set(range(g.start, g.end))
                for p in first
                for g in question.gold
            )
            expected.append((predicted[question.id].confidence, float(question.answerable and hit)))
    rows = score(*run, TEXTS).rows
    assert list(zip(*confidence_and_right(rows), strict=True)) == expected


def test_no_answer_gives_empty_bins_and_no_choice() -> None:
    assert [bin.n for bin in reliability((), ())] == [0] * 10
    assert risk_coverage((), ()) == ()
