from __future__ import annotations

import time
from itertools import accumulate

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qa.permalinks import Permalink, digest, quoted
from qa.records import Span
from qa.relocation import Found, at_digest, find

WORDS = st.sampled_from(["harbour", "ferry", "council", "lease", "night", "seven", "keeper", "bridge", "old", "oil"])
ENDS = st.sampled_from([".", "!", "?", ".”"])
GAPS = st.sampled_from([" ", "\n", "\n\n", "\n\n- ", "  "])


@st.composite
def sentences(draw: st.DrawFn) -> str:
    words = draw(st.lists(WORDS, min_size=1, max_size=14))
    number = draw(st.integers(0, 99))
    return f"{' '.join(words).capitalize()} {number}{draw(ENDS)}"


Text = tuple[str, list[Span]]


def joined(parts: list[str], gaps: list[str]) -> Text:
    """A text of sentences with something between them, and where each of them is."""
    text, spans = "", []
    for part, gap in zip(parts, gaps, strict=False):
        text += gap if text else ""
        spans.append(Span(len(text), len(text) + len(part)))
        text += part
    return text, spans


def link_to(text: str, span: Span) -> Permalink:
    quote = quoted(text[span.start : span.end], text[max(0, span.start - 32) : span.start], text[span.end :][:32])
    return Permalink(span.start, span.end, "an older file", quote)


def after(text: Text, link: Permalink) -> Found:
    return find(text[0], lambda: text[1], link, is_same_file=False)


def is_within(one: str, others: list[str]) -> bool:
    return any(" ".join(one.split()) in " ".join(other.split()) for other in others)


@st.composite
def edited(draw: st.DrawFn) -> tuple[Text, int, list[str], int]:
    """A text, the number of one of its sentences, and the sentences after edits of the others, with its number then."""
    parts = draw(st.lists(sentences(), min_size=1, max_size=9))
    chosen = draw(st.integers(0, len(parts) - 1))
    before, behind = parts[:chosen], parts[chosen + 1 :]

    def edit(some: list[str]) -> list[str]:
        kept = [draw(st.sampled_from([each, each, each, draw(sentences()), ""])) for each in some]
        more = draw(st.lists(sentences(), max_size=3))
        at = draw(st.integers(0, len(kept)))
        return [each for each in [*kept[:at], *more, *kept[at:]] if each]

    new = edit(before)
    return (
        joined(parts, draw(st.lists(GAPS, min_size=len(parts), max_size=len(parts)))),
        chosen,
        [*new, parts[chosen], *edit(behind)],
        len(new),
    )


@given(edited(), st.data())
def test_edits_elsewhere_never_lose_a_sentence_nor_mark_another(
    case: tuple[Text, int, list[str], int], data: st.DataObject
) -> None:
    old, chosen, parts, now = case
    gaps = data.draw(st.lists(GAPS, min_size=len(parts), max_size=len(parts)))
    new = joined(parts, gaps)
    said = parts[now]
    found = after(new, link_to(old[0], old[1][chosen]))
    assert found.kind in ("same", "moved")
    assert found.span is not None
    assert new[0][found.span.start : found.span.end].split() == said.split()
    assert (found.kind == "same") == (found.span.start == old[1][chosen].start)
    if not is_within(said, [*parts[:now], *parts[now + 1 :]]):
        assert found.span == new[1][now]


@given(st.lists(sentences(), min_size=1, max_size=9), st.data())
def test_a_sentence_that_was_deleted_is_gone_or_changed_and_never_found(parts: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(parts) - 1))
    left = [*parts[:chosen], *parts[chosen + 1 :]]
    assume(not is_within(parts[chosen], left))
    gaps = data.draw(st.lists(GAPS, min_size=len(parts), max_size=len(parts)))
    old, new = joined(parts, gaps), joined(left, gaps)
    found = after(new, link_to(old[0], old[1][chosen]))
    assert found.kind in ("gone", "changed")
    assert (found.span is None) == (found.kind == "gone")
    assert found.span is None or found.span in new[1]


def long_sentences(draw: st.DrawFn, count: int) -> list[str]:
    words = st.lists(st.text("abcdefgh", min_size=2, max_size=9), min_size=8, max_size=20)
    return [f"{' '.join(draw(words))} {number}." for number in range(count)]


@given(st.data())
def test_among_equal_sentences_the_one_amid_the_same_surroundings_is_marked(data: st.DataObject) -> None:
    around = long_sentences(data.draw, 6)
    said = data.draw(sentences())
    parts = [around[0], said, around[1], around[2], said, around[3], around[4], said, around[5]]
    old = joined(parts, [" "] * 20)
    chosen = data.draw(st.sampled_from([1, 4, 7]))
    more = long_sentences(data.draw, data.draw(st.integers(0, 4)))
    new = joined([*more, *parts], [" "] * 20)
    assert after(new, link_to(old[0], old[1][chosen])).span == new[1][chosen + len(more)]


BEFORE = "The council met in March. It was a wet spring."
AFTER = "Nobody objected to it. The minutes are lost."
LEASE = "The lease was signed by Ada Byron on 4 March 1843."


def paragraph(*middle: str) -> Text:
    return joined([*BEFORE.split(". "), *middle, *AFTER.split(". ")], [". ", *" " * 9])


@pytest.mark.parametrize(
    "now",
    [
        "The lease was signed by Ada Byron on 7 April 1844.",
        "The lease was signed by Charles Babbage on 4 March 1843.",
        "The lease, which had been drawn up in a hurry, was signed by Ada Byron on 4 March 1843.",
        "The lease was signed.",
    ],
)
def test_a_sentence_that_was_edited_is_called_changed_and_found_in_its_place(now: str) -> None:
    old, new = paragraph(LEASE), paragraph(now)
    assert after(new, link_to(old[0], old[1][2])) == Found("changed", new[1][2])


def test_a_row_that_was_deleted_is_not_taken_for_its_neighbours_much_as_they_are_alike() -> None:
    rows = [f"City: {city} | Jobs: {jobs} | Year: 2017" for city, jobs in zip("ABCDEFG", range(200, 207), strict=True)]
    old = joined(rows, ["\n"] * 9)
    for number in range(len(rows)):
        new = joined([*rows[:number], *rows[number + 1 :]], ["\n"] * 9)
        assert after(new, link_to(old[0], old[1][number])).kind == "gone"


def test_of_a_sentence_that_is_gone_the_place_beside_it_is_told() -> None:
    old, new = paragraph(LEASE), paragraph()
    found = after(new, link_to(old[0], old[1][2]))
    assert (found.kind, found.near) == ("gone", new[1][2])
    elsewhere = joined(["Of other things.", "Quite other things."], [" ", " "])
    assert after(elsewhere, link_to(old[0], old[1][2])) == Found("gone")


def test_a_sentence_that_ran_together_with_its_neighbour_is_found_within_it() -> None:
    old = paragraph(LEASE)
    text = f"Of the lease of the old mill: {LEASE} {AFTER}"
    merged = [Span(0, text.index(" Nobody")), Span(text.index("Nobody"), len(text))]
    found = after((text, merged), link_to(old[0], old[1][2]))
    assert (found.kind, found.within) == ("moved", True)
    assert found.span is not None and text[found.span.start : found.span.end] == LEASE


def test_words_that_are_a_part_of_another_sentence_are_not_the_sentence() -> None:
    old = joined(["Sales in 2025", "2025", "The end of it"], ["\n"] * 3)
    new = joined(["Sales in 2025", "The end of 2025 and more"], ["\n"] * 3)
    assert after(new, link_to(old[0], old[1][1])).kind == "gone"


def test_the_same_words_in_other_surroundings_are_said_to_be_so() -> None:
    old = paragraph(LEASE)
    new = joined(["Of other things entirely.", LEASE, "Quite other things."], [" "] * 3)
    assert after(new, link_to(old[0], old[1][2])) == Found("moved", new[1][1], amid_others=True)


def test_a_link_to_the_very_file_looks_no_further_and_still_compares_the_words() -> None:
    def never() -> list[Span]:
        raise AssertionError

    old = paragraph(LEASE)
    link = link_to(old[0], old[1][2])
    assert find(old[0], never, link, is_same_file=True) == Found("same", old[1][2])
    reread = (f"x {old[0]}", [Span(span.start + 2, span.end + 2) for span in old[1]])
    assert find(reread[0], lambda: reread[1], link, is_same_file=True) == Found("moved", reread[1][2])


def test_a_link_without_words_is_known_only_while_the_file_is_the_same() -> None:
    assert find("some text", list, Permalink(0, 4, "v"), is_same_file=True) == Found("same", Span(0, 4))
    assert find("some text", list, Permalink(0, 4, "v"), is_same_file=False) == Found("unknown")
    assert find("some text", list, Permalink(0, 40, "v"), is_same_file=True) == Found("unknown")


@given(edited())
def test_further_citations_are_found_by_their_digest_the_nearest_of_equals(
    case: tuple[Text, int, list[str], int],
) -> None:
    old, chosen, parts, now = case
    new = joined(parts, [" "] * len(parts))
    span = old[1][chosen]
    found = at_digest(new[0], new[1], digest(parts[now]), span)
    assert found is not None
    equal = [each for each, part in zip(new[1], parts, strict=True) if part.split() == parts[now].split()]
    assert found in equal
    assert abs(found.start - span.start) == min(abs(each.start - span.start) for each in equal)
    assert at_digest(new[0], new[1], digest("of nothing"), span) is None


def test_a_long_sentence_is_known_by_its_ends_and_all_between() -> None:
    words = " ".join(f"word{number}" for number in range(400))
    long, other = f"It is {words} at last.", f"It is {words.replace('word200', 'WORD200')} at last."
    old = joined(["Before it.", long, "After it."], [" "] * 3)
    link = link_to(old[0], old[1][1])
    moved = joined(["More.", "Before it.", other, long, "After it."], ["\n"] * 5)
    assert after(moved, link) == Found("moved", moved[1][3])
    assert after(joined(["Before it.", other, "After it."], [" "] * 3), link).kind == "changed"


@pytest.mark.parametrize("unit", ["a ", "a", "aaaa b. "])
def test_a_hostile_text_takes_no_more_than_linear_time(unit: str) -> None:
    text = unit * (4_000_000 // len(unit))
    starts = list(accumulate([0] + [100_000] * (len(text) // 100_000 - 1)))
    spans = [Span(start, start + 100_000) for start in starts]
    link = Permalink(50, 950, "v", quoted("a " * 448 + "b", "a " * 16, "a " * 16))
    began = time.thread_time()
    assert find(text, lambda: spans, link, is_same_file=False).kind in ("gone", "changed")
    assert time.thread_time() - began < 20
