from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.marking import answering, asked

SENTENCE = "On 4 May 1911 the pier at Westhaven, built by Ines Okafor for some 12,500 crowns, was lost in a storm."


@pytest.mark.parametrize(
    "question, words",
    [
        ("When was the pier lost?", "4 May 1911"),
        ("In which year was the pier lost?", "4 May 1911"),
        ("How much did the pier cost?", "12,500"),
        ("Who built the pier at Westhaven?", "Ines Okafor"),
        ("Why was the pier lost?", ""),
        ("When, after 4 May 1911, was it built again?", ""),
    ],
)
def test_the_one_thing_of_the_kind_that_is_asked_for_is_marked(question: str, words: str) -> None:
    span = answering(question, SENTENCE)
    assert (SENTENCE[span.start : span.end] if span else "") == words


@pytest.mark.parametrize(
    "question, sentence",
    [
        ("When did it open?", "It opened in 1904 and again in 1911."),
        ("How many came?", "Of 300 guests, 120 came."),
        ("Who wrote it?", "Ada Lund and Bo Vik wrote it."),
        ("How many came?", "It opened in 1904."),
        ("Who came?", "Everybody came."),
    ],
)
def test_nothing_is_marked_where_there_is_a_choice_or_nothing_of_the_kind(question: str, sentence: str) -> None:
    assert answering(question, sentence) is None


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_is_borne_and_a_mark_lies_in_the_sentence(question: str, sentence: str) -> None:
    assert asked(question) in ("number", "date", "name", "")
    span = answering(f"How many {question}", sentence)
    assert span is None or 0 <= span.start < span.end <= len(sentence)
