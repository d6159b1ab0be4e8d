"""Laws of reading a question: what is clearly quoted or excluded is, everything else is words, and nothing fails."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qa import query
from qa.errors import UsageError

CODE = st.lists(
    st.sampled_from(
        ['"', "'", "“", "”", "«", "»", "-", "--", " ", "x", "print(", ")", "-x", "word", "7", "\n", "\\", "="]
    ),
    max_size=20,
).map("".join)


@given(st.one_of(CODE, st.text(st.characters(exclude_categories=["Cs"]), max_size=60)))
@example("«\n\n»")
def test_any_text_can_be_read_and_no_word_is_lost_but_those_excluded(text: str) -> None:
    asked = f"question {text}"
    read = query.read(asked)
    assert read.text
    if not read.excluded:
        assert read.text == asked
    for phrase in (*read.phrases, *read.excluded):
        assert (phrase in asked and any(map(str.isalnum, phrase))) or query.words(phrase)
    assert all(phrase in read.text for phrase in read.phrases)


@pytest.mark.parametrize(
    ("question", "text", "phrases", "excluded"),
    [
        ('who built the "golden gate" bridge', 'who built the "golden gate" bridge', ["golden gate"], []),
        ("who built the “golden gate”?", "who built the “golden gate”?", ["golden gate"], []),
        ("qui a construit « le pont » ?", "qui a construit « le pont » ?", ["le pont"], []),
        ('"one two" and "three?"', '"one two" and "three?"', ["one two", "three?"], []),
        ("jaguar speed -car", "jaguar speed", [], ["car"]),
        ("-car jaguar speed", "jaguar speed", [], ["car"]),
        ("jaguar -car, -dealer?", "jaguar,?", [], ["car", "dealer"]),
        ('jaguar -"sports car" speed', "jaguar speed", [], ["sports car"]),
        ("jaguar -“sports car”", "jaguar", [], ["sports car"]),
        ("bridges -state-of-the-art", "bridges", [], ["state-of-the-art"]),
        ("vaccines -covid-19", "vaccines", [], ["covid-19"]),
        ('本社は"上海市"ですか', '本社は"上海市"ですか', ["上海市"], []),
        ("「東京タワー」はどこ -「大阪」", "「東京タワー」はどこ", ["東京タワー"], ["大阪"]),
    ],
)
def test_quotes_demand_and_a_minus_excludes(question: str, text: str, phrases: list[str], excluded: list[str]) -> None:
    read = query.read(question)
    assert (read.text, list(read.phrases), list(read.excluded)) == (text, phrases, excluded)


@pytest.mark.parametrize(
    "question",
    [
        "a state-of-the-art well-known bridge",
        "why is it -5 °C outside, or 3-4 degrees?",
        "what does grep -r do?",
        "what does ls --all do, and gcc -I/usr/include -O2?",
        "what's 'this' and the dogs' and O'Hara's",
        'a lone " quote',
        'the 7" single and the 12" record',
        'print("hello") or x="y"',
        'an empty "" and a blank " " and "?!"',
        "north - south – east -- west -",
        "unclosed “quote, stray » this «",
    ],
)
def test_what_is_not_clearly_syntax_is_words(question: str) -> None:
    read = query.read(question)
    assert (read.text, read.phrases, read.excluded) == (question, (), ())


@pytest.mark.parametrize("question", ["-car", "-car -dealer", '-"sports car"', " -car ?"])
def test_a_question_that_only_excludes_is_refused(question: str) -> None:
    with pytest.raises(UsageError, match="only says what to leave out"):
        query.read(question)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("What does error 0x80070005 mean?", ["0x80070005"]),
        ("Does ISO 9001:2015 apply?", ["9001:2015", "ISO 9001:2015"]),
        ("What does § 7(b) say?", ["7(b)", "§ 7(b)"]),
        ("Is C++ older than C#?", ["C++", "C#?"]),
        ("Is C or D older, and who am I?", ["C", "D"]),
        ("Does the U.S. Army fly the F-16?", ["U.S.", "F-16?"]),
        ("What does net_core.size do in state-of-the-art code?", ["net_core.size"]),
        ("Who built the bridge, and/or why?", []),
    ],
)
def test_codes_are_words_with_digits_or_signs_and_runs_of_them(text: str, codes: list[str]) -> None:
    assert list(query.read(text).codes) == codes


def test_small_numbers_are_told_from_codes_and_dates_from_both() -> None:
    read = query.read("Was form 217 signed by 3 people on the 20th of May 1945, in the 1990s or in 2016?")
    assert (read.codes, read.numbers) == ((), ("217", "3"))
