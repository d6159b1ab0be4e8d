"""Laws of spelling: a slip is mended, a word that is merely unknown to the documents never becomes another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import spelling
from qa.records import Span

HELD = {
    "architect": 3,
    "government": 9,
    "receive": 4,
    "hockey": 8,
    "april": 9,
    "stations": 7,
    "bendigo": 1,
    "ctenophore": 2,
    "parents": 5,
    "lighthouse": 6,
    "lighthouses": 1,
    "harbour": 6,
    "harbours": 6,
    "cars": 5,
}


def vocabulary(beginning: str) -> list[tuple[str, int]]:
    return [(word, count) for word, count in HELD.items() if word.startswith(beginning)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("archtect", "architect"),  # left out
        ("archittect", "architect"),  # put in
        ("erchitect", None),  # the first letter is another, and it is not the second
        ("rachitect", "architect"),  # the first two swapped
        ("archetict", "architect"),  # two edits in nine letters
        ("Bedigo", "bendigo"),
        ("ctenphore", "ctenophore"),
        ("goverment", "government"),  # in every list of words that people use
        ("recieve", "receive"),
        ("lighthouze", "lighthouse"),  # of two as near, the commoner
        ("harbuor", "harbour"),
    ],
)
def test_a_slip_becomes_the_word_that_was_meant(typed: str, meant: str | None) -> None:
    assert spelling.likelier(typed, vocabulary) == meant


@pytest.mark.parametrize("typed", ["Hockney", "hockney", "Avril", "statins", "stetson", "Gomorrah", "architrave"])
def test_a_word_that_the_documents_do_not_hold_is_not_made_another(typed: str) -> None:
    assert spelling.likelier(typed, vocabulary) is None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_nothing_is_replaced_but_by_a_word_of_the_documents_few_edits_away(typed: str) -> None:
    found = spelling.likelier(typed, vocabulary)
    assert found is None or (found in HELD and abs(len(found) - len(typed.lower())) <= 2)


def doubtful(text: str, kept: list[Span] | None = None) -> list[str]:
    return [text[s.start : s.end] for s in spelling.doubtful(text, kept or [], lambda word: word == "known")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("known wrods Archtect's wrok", ["wrods", "Archtect"]),
        ("NASAX iPhonne McDonnald aBout", []),
        ("wrods1 net_wrods a.wrods/wrods wrods@wrods x=wrods C:\\wrods #wrods", []),
        ("end of wrods. (wrods) wrods-wrods?", ["wrods"] * 4),
        ("東京都庁舎前 नमस्तेनमस्ते", []),
        ("", []),
    ],
)
def test_only_plain_words_are_doubted(text: str, words: list[str]) -> None:
    assert doubtful(text) == words


def test_what_is_kept_is_not_doubted() -> None:
    assert doubtful('the "wrods" wrods', [Span(4, 11)]) == ["wrods"]
