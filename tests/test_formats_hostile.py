"""Input made to make a reader hang, recurse or run out of memory: each is read, or refused, in seconds."""

from __future__ import annotations

import time

import pytest
from formats_laws import HTML, MARKDOWN, TEXT, read, read_or_reason

from qa.records import Document

# Every case below takes well under a second on a laptop; what is quadratic takes a minute and more.
_MOST_SECONDS = 8.0


def _read_in_time(data: str, kind: str) -> Document | Exception:
    before = time.thread_time()
    found = read_or_reason(data.encode("utf-8"), kind)
    assert time.thread_time() - before < _MOST_SECONDS
    return found


@pytest.mark.parametrize("kind", [TEXT, MARKDOWN, HTML])
def test_a_hundred_thousand_of_one_sign(kind: str) -> None:
    for sign in "[](){}<>*_`~#+-|!&\\=:$.\t ":
        _read_in_time(f"a{sign * 100_000}b", kind)
        _read_in_time(sign * 100_000, kind)


_UNITS = [
    "[a](", "![", "**a ", "_a_", "`` ` ", "> ", "- ", "> - ", "1. ", "[a]: b\n", "[a]:\n", "a\n===\n", "```\n", "<!--",
    "<a ", "|a|\n|-|\n", "- a\n  ", "> a\n\n", "<div>\n\n", "<p>\n", "<![CDATA[", "&#", "\\\n", "* a\n * b\n", "(1) ",
    "a\tb\n", "---\n",
]  # fmt: skip


@pytest.mark.parametrize("unit", _UNITS)
@pytest.mark.parametrize("kind", [TEXT, MARKDOWN])
def test_many_of_one_piece_of_markup(kind: str, unit: str) -> None:
    _read_in_time(unit * (10_000 // len(unit)), kind)


@pytest.mark.parametrize("tag", ["div", "b", "ul", "table", "rt", "foo"])
def test_html_nested_a_hundred_thousand_deep_is_read(tag: str) -> None:
    found = _read_in_time(f"<{tag}>" * 100_000 + "words", HTML)
    assert tag == "rt" or (isinstance(found, Document) and found.text == "words")  # rt: a reading, which is left out


@pytest.mark.parametrize(
    "source",
    [
        "<ul><li>" * 25_000 + "words",
        "<table><tr><td>" * 15_000 + "words",
        "<span>" * 25_000 + "</x>" * 25_000 + "words",
        "<span>" * 25_000 + "<hr>" * 25_000 + "words",
        "<foo/>" * 25_000 + "<hr>" * 25_000 + "words",
        "<p>" + "".join(f"<b id={n}>" for n in range(2_000)) + "<p>words" * 2_000,
        "<p " + " ".join(f"a{n}=1" for n in range(25_000)) + ">words",
        "<p " + " ".join(f"a{n}='>'" for n in range(25_000)) + ">words",
        "<p " + "".join(f'a{n}="<"' for n in range(25_000)) + ">words",
        "<!--" * 100_000 + "-->words",
        "<script>" * 100_000 + "</script>words",
        "<p title='" + "x" * 1_000_000 + "'>words",
        "<table><tr>" + "<td>words" * 25_000,
        "words<br>" * 30_000,
    ],
    ids=range(14),
)
def test_html_that_would_take_a_parser_too_long_is_read(source: str) -> None:
    found = _read_in_time(source, HTML)
    assert isinstance(found, Document)
    assert "words" in found.text


@pytest.mark.parametrize("kind", [TEXT, MARKDOWN])
@pytest.mark.parametrize("unit", ["\n", "a\n", "a\n\n", "\r", "\u2029"])
def test_files_of_nothing_but_lines(kind: str, unit: str) -> None:
    _read_in_time("a" + unit * 15_000, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [TEXT, MARKDOWN, HTML])
def test_ten_megabytes_of_prose_are_read_at_more_than_a_megabyte_a_second(kind: str) -> None:
    paragraph = "The quick brown fox jumps over the lazy dog, and nobody minds. " * 8
    data = f"<p>{paragraph}</p>\n\n" * 20_000 if kind == HTML else f"{paragraph}\n\n" * 20_000
    before = time.thread_time()
    document = read(data, kind)
    assert time.thread_time() - before < len(data) / 1e6
    assert len(document.blocks) == 20_000
