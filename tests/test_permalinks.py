from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from qa.permalinks import FIELDS, MAX_OTHERS, Other, Permalink, address, digest, even, permalink, quoted, read
from qa.records import Source

SOURCE = Source("d_0123456789abcdef", "notes/mars.pdf", "Mars", "application/pdf", "ab" * 32, 10, 0)

SENTENCES = st.text(min_size=1, max_size=40) | st.builds(
    lambda unit, times: unit * times,
    st.text(st.sampled_from("ab é語🦀 \n."), min_size=1, max_size=9),
    st.integers(50, 300),
)
OTHERS = st.lists(
    st.builds(
        lambda number, start, length, words: Other(number, start, start + length, digest(words)),
        *(st.integers(1, 9999), st.integers(0, 10**9), st.integers(1, 10**5), st.text(max_size=9)),
    ),
    max_size=12,
)


def fields_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))


@given(SENTENCES, st.text(max_size=32), st.text(max_size=32), st.integers(0, 10**9), st.integers(0, 50), OTHERS)
def test_an_address_says_all_that_its_link_holds(
    text: str, prefix: str, suffix: str, start: int, number: int, others: list[Other]
) -> None:
    link = permalink(SOURCE, start, start + len(text), text, prefix, suffix, number, others)
    fields = fields_of(address(SOURCE.id, link))
    assert set(fields) <= FIELDS
    assert read(fields) == link
    assert len(link.others) == min(len(others), MAX_OTHERS)


@given(SENTENCES, st.text(max_size=32), st.text(max_size=32), OTHERS)
def test_an_address_fits_wherever_addresses_are_pasted(
    text: str, prefix: str, suffix: str, others: list[Other]
) -> None:
    link = address(SOURCE.id, permalink(SOURCE, 10**9, 10**9 + 9, text, prefix, suffix, 99, others))
    assert len(link) < 2000
    assert link.isascii() and link.isprintable() and " " not in link
    assert urlsplit(link).fragment == "cite"


@given(SENTENCES)
def test_a_quote_is_the_whole_sentence_or_its_ends_and_a_digest(text: str) -> None:
    quote, words = quoted(text), even(text)
    if quote.tail:
        assert words.startswith(quote.exact) and words.endswith(quote.tail)
        assert quote.digest == digest(text)
        assert len(quote.exact) + len(quote.tail) < len(words)
    else:
        assert (quote.exact, quote.digest) == (words, "")


@given(st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=4), max_size=6), st.data())
def test_white_space_makes_no_other_wording(words: list[str], data: st.DataObject) -> None:
    spaces = st.text(st.sampled_from(" \n\t\u00a0\u3000"), min_size=1, max_size=3)
    other = "".join(word + data.draw(spaces) for word in words)
    assert quoted(other) == quoted(" ".join(words))
    assert digest(other) == digest(" ".join(words))


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=20) | st.just("3-9"), max_size=9))
def test_any_parameters_make_a_link_or_none(fields: dict[str, str]) -> None:
    link = read(fields)
    assert link is None or (isinstance(link, Permalink) and link.start < link.end)
