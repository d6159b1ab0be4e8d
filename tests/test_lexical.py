from __future__ import annotations

import math
import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import IndexUnusable
from qa.lexical import Lexicon, Term

TEXTS = (
    "The harbour authority recorded arrivals; the harbours grew.",
    "Arrivals at the port grew by a third.",
    "Nobody paid for the port.",
    "",
    "Error 0x80070005 in module net-core, see RFC-9457.",
)

K1, B = 1.2, 0.75


def bm25(texts: Sequence[Sequence[str]], words: Sequence[str]) -> list[float]:
    """Robertson and Zaragoza 2009, equation 3.15, with the idf that is never negative; one weight for each text."""
    mean = sum(len(text) for text in texts) / len(texts)
    scores = []
    for text in texts:
        counts, score = Counter(text), 0.0
        for word in words:
            holding = sum(word in other for other in texts)
            idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            shrink = K1 * (1 - B + B * len(text) / mean)
            score += idf * counts[word] * (K1 + 1) / (counts[word] + shrink)
        scores.append(score)
    return scores


plain = st.lists(st.sampled_from([f"w{number}" for number in range(12)]), max_size=39)
"""Texts of fewer than 40 words: tantivy keeps the length of longer ones rounded."""


@settings(max_examples=60)
@given(texts=st.lists(plain, min_size=1, max_size=15).filter(any), words=plain)
def test_scores_are_bm25_from_first_principles(texts: list[list[str]], words: list[str]) -> None:
    lexicon = Lexicon.build(" ".join(text) for text in texts)
    asked = list(dict.fromkeys(words))
    wanted = bm25(texts, asked)
    numbers, scores = lexicon.match(lexicon.terms(" ".join(words)), len(texts))
    assert numbers.tolist() == [number for number, score in enumerate(wanted) if score > 0]
    for number, score in zip(numbers, scores, strict=True):
        assert score == pytest.approx(wanted[number], rel=1e-5)


def test_of_more_matches_than_are_wanted_the_best_come_in_order_of_number() -> None:
    chance = random.Random(3)
    texts = [chance.choices([f"w{n}" for n in range(30)], k=chance.randint(1, 39)) for _ in range(500)]
    lexicon = Lexicon.build(" ".join(text) for text in texts)
    terms = lexicon.terms("w1 w2 w3")
    every = dict(zip(*lexicon.match(terms, 500), strict=True))
    for limit in (1, 2, 10, 100, 499):
        numbers, scores = lexicon.match(terms, limit)
        assert len(numbers) == min(limit, len(every))
        assert numbers.tolist() == sorted(numbers.tolist())
        assert [every[number] for number in numbers] == scores.tolist(), "a score does not depend on how many are asked"
        assert min(scores) >= max([score for number, score in every.items() if number not in numbers], default=0.0)


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("harbour", [("harbour", 1)]),
        ("HARBOURS, harbour's!", [("harbour", 1), ("s", 0)]),
        ("the port of the ports", [("the", 3), ("port", 2), ("of", 0)]),
        ("arrival arriving arrived", [("arriv", 2)]),
        ("zebra", [("zebra", 0)]),
        ("rfc 9457", [("rfc", 1), ("9457", 1)]),
        ("0X80070005", [("0x80070005", 1)]),
        ("net-core net_core", [("net", 1), ("core", 1)]),
        ("?!… —", []),
        ("", []),
        ("x" * 41, []),
        ("Ünïcode naïve Łódź", [("unicod", 0), ("naiv", 0), ("lodz", 0)]),
        ("ﬁne ru\u0308stig co\u00adre", [("fine", 0), ("rustig", 0), ("core", 1)]),
    ],
)
def test_a_question_is_split_and_stemmed_as_the_texts_are(question: str, terms: list[tuple[str, int]]) -> None:
    assert Lexicon.build(TEXTS).terms(question) == tuple(Term(text, frequency) for text, frequency in terms)


def test_a_word_is_found_in_every_form_that_has_its_stem() -> None:
    lexicon = Lexicon.build(TEXTS)
    for question in ("harbour", "Harbours", "HARBOUR'S"):
        assert lexicon.match(lexicon.terms(question), 10)[0].tolist() == [0]


@given(st.lists(plain, min_size=1, max_size=15), plain)
def test_what_words_score_alone_adds_up_to_what_they_score_together(given_: list[list[str]], asked: list[str]) -> None:
    lexicon = Lexicon.build(" ".join(text) for text in given_)
    terms = lexicon.terms(" ".join(asked))
    numbers = np.arange(len(given_))
    alone = lexicon.alone(terms, numbers)
    assert alone.shape == (len(terms), len(given_))
    held, scores = lexicon.match(terms, len(given_))
    together = np.zeros(len(given_))
    together[held] = scores
    assert alone.sum(axis=0) == pytest.approx(together, abs=1e-5)
    assert set(lexicon.typed(" ".join(asked))) == {term.text for term in terms}


@given(st.lists(plain, min_size=1, max_size=15), plain)
def test_which_texts_name_a_word_is_told_alike_the_second_time(texts: list[list[str]], words: list[str]) -> None:
    lexicon = Lexicon.build(" ".join(text) for text in texts)
    for word in [*words, *words]:
        assert lexicon.naming(word).tolist() == [word in text for text in texts]


def test_a_word_that_is_split_is_named_by_its_pieces() -> None:
    lexicon = Lexicon.build(["a state of the art"])
    assert lexicon.typed('"Ferries," state-of (noon)?') == {
        "ferri": "Ferries",
        "state": "state",
        "of": "of",
        "noon": "noon",
    }


def test_words_that_nobody_uses_match_nothing() -> None:
    lexicon = Lexicon.build(TEXTS)
    for question in ("zebra", "", "?!"):
        numbers, scores = lexicon.match(lexicon.terms(question), 10)
        assert (len(numbers), len(scores)) == (0, 0)


def test_nothing_is_asked_for_nothing_comes() -> None:
    lexicon = Lexicon.build(TEXTS)
    assert len(lexicon.match(lexicon.terms("port"), 0)[0]) == 0
    assert len(lexicon.match((), 10)[0]) == 0


def test_an_empty_index_answers_nothing_and_can_be_kept(tmp_path: Path) -> None:
    Lexicon.build([], tmp_path / "words")
    for lexicon in (Lexicon.build([]), Lexicon.load(tmp_path / "words")):
        assert len(lexicon) == 0
        assert lexicon.terms("port") == (Term("port", 0),)
        assert len(lexicon.match(lexicon.terms("port"), 10)[0]) == 0


def test_what_was_built_in_a_folder_is_what_is_loaded_and_what_is_built_in_memory(tmp_path: Path) -> None:
    lexicons = [
        Lexicon.build(TEXTS, tmp_path / "a" / "words"),
        Lexicon.load(tmp_path / "a" / "words"),
        Lexicon.build(TEXTS),
    ]
    for question in ("port arrivals", "harbour", "rfc 9457 the", "zebra"):
        terms = [lexicon.terms(question) for lexicon in lexicons]
        assert terms[0] == terms[1] == terms[2]
        got = [[part.tolist() for part in lexicon.match(terms[0], 10)] for lexicon in lexicons]
        assert got[0] == got[1] == got[2]
    assert [len(lexicon) for lexicon in lexicons] == [len(TEXTS)] * 3


@pytest.mark.parametrize("damage", ["gone", "empty", "a file", "no meta", "broken meta"])
def test_a_folder_that_is_no_index_is_said_to_be_none(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "words"
    Lexicon.build(TEXTS, folder)
    if damage == "no meta":
        (folder / "meta.json").unlink()
    elif damage == "broken meta":
        (folder / "meta.json").write_text("{")
    else:
        shutil.rmtree(folder)
        if damage == "empty":
            folder.mkdir()
        elif damage == "a file":
            folder.write_text("words")
    with pytest.raises(IndexUnusable) as caught:
        Lexicon.load(folder)
    assert str(folder) in caught.value.what


def test_rarity_is_the_idf_of_a_word_as_the_index_knows_it() -> None:
    lexicon = Lexicon.build(TEXTS)
    port, harbour, zebra, none = lexicon.rarity(["Ports", "harbour", "zebra", "?!"])
    assert port == pytest.approx(math.log(1 + (5 - 2 + 0.5) / (2 + 0.5)))
    assert 0 == none < port < harbour < zebra
    assert lexicon.rarity([]).tolist() == []


def test_the_longest_question_is_answered_in_time() -> None:
    chance = random.Random(1)
    lexicon = Lexicon.build(" ".join(chance.choices([f"w{n}" for n in range(999)], k=30)) for _ in range(5_000))
    question = " ".join(f"w{n % 999}" for n in range(600))[:2000]
    began = time.thread_time()
    terms = lexicon.terms(question)
    assert len(terms) > 300
    numbers, _ = lexicon.match(terms, 2000)
    assert len(numbers) == 2000
    assert time.thread_time() - began < 1


@given(
    question=st.text(st.characters(exclude_categories=["Cs"]), max_size=100),
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4),
)
@settings(max_examples=60)
def test_any_text_can_be_indexed_and_asked_for(question: str, texts: list[str]) -> None:
    lexicon = Lexicon.build([*texts, question])
    terms = lexicon.terms(question)
    numbers, scores = lexicon.match(terms, 10)
    assert (len(texts) in numbers) == bool(terms), "a text is found by its own words"
    assert all(scores > 0)


def test_signs_of_a_query_language_are_only_signs() -> None:
    lexicon = Lexicon.build(TEXTS)
    wanted = lexicon.match(lexicon.terms("port arrivals"), 10)[0].tolist()
    for question in (
        '"port" AND arrivals',
        "+port -arrivals",
        "text:port^9 arrivals~",
        "(port arrivals",
        "port* [arrivals TO *]",
    ):
        assert set(lexicon.match(lexicon.terms(question), 10)[0].tolist()) >= set(wanted)


HELD = (
    "The golden gate · ISO 9001:2015 applies to C++ code.",
    "Golden, the gates of ISO 9001:2008; U.S.S.R. and F-16.",
    "A gate, golden as C; U.S. and F 16 and 16-F.",
    "",
    "Golden\n\ngate",
)


@pytest.mark.parametrize(
    ("phrase", "numbers"),
    [
        ("golden gate", [0]),
        ("GOLDEN   gate!", [0]),
        ("golden the gates", [1]),
        ("gate golden", [2]),
        ("gate iso", []),
        ("golden", [0, 1, 2, 4]),
        ("iso 9001", [0, 1]),
        ("ISO 9001:2015", [0]),
        ("c++", [0]),
        ("C", [2]),
        ("U.S.", [1, 2]),
        ("f-16", [1, 2]),
        ("16 f", [2]),
        ("zebra", []),
        ("golden zebra", []),
        ("?!", []),
        ("", []),
    ],
)
def test_a_phrase_is_held_where_its_words_stand_side_by_side(phrase: str, numbers: list[int]) -> None:
    assert Lexicon.build(HELD).holding(phrase).tolist() == numbers


@pytest.mark.parametrize(
    ("code", "numbers"),
    [("U.S.", [2]), ("F-16", [1]), ("16/F", []), ("9001:2015", [0]), ("ISO 9001:2015", [0]), ("", [])],
)
def test_a_code_is_held_whole_before_it_is_held_in_pieces(code: str, numbers: list[int]) -> None:
    assert Lexicon.build(HELD).whole(code).tolist() == numbers
    assert Lexicon.build(["F 16", "16"]).whole("F-16").tolist() == [0]


def test_the_vocabulary_is_the_words_of_letters_and_how_many_texts_hold_them() -> None:
    lexicon = Lexicon.build(HELD)
    assert sorted(lexicon.vocabulary("g")) == [("gate", 3), ("gates", 1), ("golden", 4)]
    assert lexicon.vocabulary("9") == lexicon.vocabulary("z") == []
    assert dict(lexicon.vocabulary("u")) == {"u": 2}


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=8), max_size=8), st.lists(st.sampled_from("abc"), max_size=4))
@settings(max_examples=60)
def test_holding_is_what_reading_all_texts_would_find(texts: list[list[str]], phrase: list[str]) -> None:
    found = Lexicon.build(" ".join(text) for text in texts).holding(" ".join(phrase))
    size = len(phrase)
    wanted = [
        number
        for number, text in enumerate(texts)
        if size and any(text[at : at + size] == phrase for at in range(len(text) - size + 1))
    ]
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("日本的首都是哪里？", 0),
        ("公司总部在哪里", 1),
        ("東京タワーの高さは", 2),
        ("เมืองหลวงของประเทศไทยคืออะไร", 3),
        ("ราคาน้ำมัน", 4),
    ],
)
def test_a_question_in_a_script_without_spaces_finds_its_text_by_words(question: str, best: int) -> None:
    lexicon = Lexicon.build(
        (
            "东京是日本的首都，人口约1400万人。",
            "公司成立于2017年，总部在上海。",
            "東京タワーは333メートルです。",
            "ประเทศไทยมีเมืองหลวงชื่อกรุงเทพมหานคร",
            "ราคาน้ำมันเพิ่มขึ้นทุกวัน",
            "The tower in Tokyo is tall.",
        )
    )
    numbers, scores = lexicon.match(lexicon.terms(question), 6)
    assert numbers[np.argmax(scores)] == best


def test_a_phrase_is_found_within_a_run_without_spaces_and_nowhere_else() -> None:
    lexicon = Lexicon.build(("私は東京大学で学ぶ。", "東京の大学、大学の東京。", "東京、大学。", "กรุงเทพมหานคร"))
    for phrase, numbers in (("東京大学", [0]), ("大学", [0, 1, 2]), ("東京の大学", [1]), ("京大", [0]), ("เทพ", [3])):
        assert lexicon.holding(phrase).tolist() == numbers


def test_a_word_that_a_line_breaks_is_found_whole_and_in_parts() -> None:
    lexicon = Lexicon.build(("The conve-\nnience store is well-\nknown.", "Nobody paid."))
    for asked in ("convenience", "known"):
        assert lexicon.match(lexicon.terms(asked), 2)[0].tolist() == [0]
    assert lexicon.holding("convenience").tolist() == [0]
    assert ("convenience", 1) in lexicon.vocabulary("conv")
