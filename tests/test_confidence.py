from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.confidence import evidence, probability
from qa.records import Part

matches = st.floats(-1, 1)


@given(st.lists(st.floats(-20, 20), max_size=5))
def test_confidence_is_a_probability_and_nothing_without_evidence(values: list[float]) -> None:
    sure = probability([Part("some", value) for value in values])
    assert 0 <= sure <= 1
    assert (sure == 0) == (not values)


@given(matches, matches, st.floats(0, 1), st.floats(0.01, 1))
def test_it_rises_with_every_piece_of_evidence_and_falls_with_the_noise(
    words: float, lead: float, noise: float, more: float
) -> None:
    sure = probability(evidence(words, lead, noise))
    assert probability(evidence(words + more, lead, noise)) > sure
    assert probability(evidence(words, lead + more, noise)) > sure
    assert probability(evidence(words, lead, noise + more)) < sure


@given(matches, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_question_that_stands_there_word_for_word_is_believed(words: float, lead: float, noise: float) -> None:
    believed = evidence(max(words, 0.2), lead, noise, verbatim=True)
    assert probability(believed) > 0.9
    assert {part.name for part in evidence(words, lead, noise)} < {part.name for part in believed}


def test_what_foreign_questions_reach_is_not_an_answer() -> None:
    for noise in (0.15, 0.25, 0.4):
        assert probability(evidence(noise, 0.12, noise)) < 0.1


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_each_part_says_what_it_is(noise: float) -> None:
    parts = evidence(0.5, 0.3, noise)
    assert len({part.name for part in parts}) == len(parts)
    assert all(part.note for part in parts)
