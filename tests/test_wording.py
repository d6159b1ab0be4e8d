"""Laws of sameness: what a copy of a text may lose on its way, and what it may not."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.wording import form, grams, joined, mark, plain, rejoined, words

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(TEXT, st.sampled_from([" ", "\n", "\r\n", "\t\u00a0", "\u2028"]), st.sampled_from(["", ".", " ...", "?!"]))
def test_white_space_case_and_the_full_stop_do_not_change_a_form(text: str, space: str, stop: str) -> None:
    copied = space + space.join(text.split()) + stop + space
    assert form(copied) == form(text)
    assert mark(copied) == mark(text)
    assert form(text.upper().lower()) == form(text.lower())


@given(TEXT)
def test_accents_apart_or_joined_are_the_same_accents(text: str) -> None:
    assert form(unicodedata.normalize("NFD", text)) == form(unicodedata.normalize("NFC", text))
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@given(TEXT)
def test_the_words_of_a_text_are_the_words_of_its_words(text: str) -> None:
    assert words(plain(text)) == words(text)
    assert all(word and not any(map(str.isspace, word)) for word in (*words(text), *joined(text)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("“It’s fine,” she said – twice.", '"It\'s fine," she said - twice'),
        ("A ﬁne oﬃce", "a fine office"),
        ("co\u00adoperation\u200b", "cooperation"),
        ("«Bien»", '"Bien"'),
        ("non‑breaking", "non-breaking"),
        ("Straße", "STRASSE"),
    ],
)
def test_signs_of_one_meaning_are_one_sign(one: str, other: str) -> None:
    assert form(one) == form(other)
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"), [("E-4711", "E-4712"), ("Zürich", "Zurich"), ("a, b", "a b"), ("no", "no?"[:1]), ("3.14", "3,14")]
)
def test_letters_digits_and_signs_within_count(one: str, other: str) -> None:
    assert form(one) != form(other)
    assert mark(one) != mark(other)


def test_what_is_no_sentence_has_no_mark() -> None:
    assert [mark(text) for text in ("", " \n", "...", "?")] == [0] * 4


@pytest.mark.parametrize(
    ("text", "found", "whole"),
    [
        ("state-of-the-art, isn't it?", "state of the art isn t it", "state-of-the-art isn't"),
        ("ISO 9001:2015 (new)", "iso 9001 : 2015 new", "9001:2015"),
        ("§ 7(b) and 3.14", "§ 7 ( b and 3 . 14", "7(b 3.14"),
        ("C++, C# and C.", "c++ c# and c", ""),
        ("U.S. troops", "u . s troops", "u.s"),
        ("-5 °C, 3-4 m", "- 5 ° c 3 4 m", "3-4"),
        ("net_core and net.core", "net_core and net . core", "net.core"),
        ("one (two) three", "one two three", ""),
        ("$5 for R&D at 7%", "$ 5 for r & d at 7 %", "r&d"),
        ("東京、iPhone用", "東 京 、 iphone 用", "東京、iphone用"),
    ],
)
def test_words_keep_what_tells_one_code_from_another(text: str, found: str, whole: str) -> None:
    assert words(text) == found.split()
    assert joined(text) == whole.split()


@pytest.mark.parametrize("text", ["x" * 1_000_000, "x." * 500_000 + " ", "x" + "." * 1_000_000])
def test_a_text_without_spaces_is_looked_through_once(text: str) -> None:
    began = time.thread_time()
    joined(text)
    words(text)
    assert time.thread_time() - began < 5


_SPACED = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x0DFF), max_size=80)


@given(_SPACED)
def test_text_of_scripts_with_spaces_is_not_taken_apart(text: str) -> None:
    assert grams(text) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("日本的首都", "日本 本的 的首 首都"),
        ("他喜欢Python。猫", "他喜 喜欢 Python。 猫"),
        ("高さは333", "高さ さは 333"),
        ("ที่ดิน", "ทีด ีดิ ดิน"),
        ("서울의 수도", "서울의 수도"),
    ],
)
def test_runs_without_spaces_are_taken_apart_into_pairs_or_threes(text: str, found: str) -> None:
    assert grams(text).split() == found.split()


def test_words_broken_at_the_end_of_a_line_are_whole() -> None:
    text = (
        "The conve-\n  nience of the har\u00ad\r\nbour, well-known: pages 3-\n4, Foo-\nBar, a -\nb and conve-\nnience."
    )
    assert rejoined(text) == ["convenience", "harbour"]
    assert rejoined("well-known and pre-war") == []
