"""JSON: each value with its name, at its record."""

from __future__ import annotations

import json

import pytest
from formats_laws import assert_outlives_mutants, block_of, blocks, place_of, read, read_or_reason
from hypothesis import given
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.values import JSON, LINES

_CLUB = {
    "title": "Harbour club",
    "founded": 1923,
    "members": [
        {"name": "Ada", "age": 36.50, "address": {"city": "London", "zip": None}, "boats": ["Ark", "Bee"]},
        {"name": "Bob", "note": "He came late.\nHe left early.", "past": {"jobs": [{"at": "the quay"}]}},
    ],
    "open": True,
}


def test_every_value_stands_with_its_name_at_its_place() -> None:
    document = read(json.dumps(_CLUB), JSON)
    assert document.title == "Harbour club"
    assert blocks(document) == [
        ("row", "title: Harbour club | founded: 1923 | open: true"),
        ("row", "name: Ada | age: 36.5 | address.city: London | boats: Ark, Bee"),
        ("row", "name: Bob"),
        ("paragraph", "He came late.\nHe left early."),
        ("row", "at: the quay"),
    ]
    assert place_of(document, "founded", "club.json") == "club.json"
    assert place_of(document, "London", "club.json") == "club.json, members[0]"
    assert place_of(document, "He came", "club.json") == "club.json, members[1].note"
    assert place_of(document, "the quay", "club.json") == "club.json, members[1].past.jobs[0]"
    assert block_of(document, "the quay").locator.heading == ("members", "past", "jobs")


def test_numbers_stay_as_they_are_written() -> None:
    row = '{"pi": 3.10, "big": 123456789012345678901234567890, "exp": 1E5}'
    assert blocks(read(row, JSON)) == [("row", "pi: 3.10 | big: 123456789012345678901234567890 | exp: 1E5")]
    read('{"n": ' + "9" * 10_000 + "}", JSON)


def test_a_record_of_a_line_is_cited_by_its_number_and_bad_lines_are_named() -> None:
    document = read('{"who": "Ada", "what": "came"}\n\nnot json\n{"who": "Bob", "what": "left"}\n[1', LINES)
    assert place_of(document, "Bob", "log.jsonl") == "log.jsonl, record 4"
    assert block_of(document, "Bob").locator.line == 4
    assert document.problems == ("Lines 3, 5 are not valid JSON.",)
    with pytest.raises(UnreadableFile, match="no line that is valid JSON"):
        parse(b"not json\nat all", LINES, Limits())


def test_what_is_not_valid_is_refused_with_the_place_of_the_mistake() -> None:
    with pytest.raises(UnreadableFile, match="line 2, column 5"):
        parse(b'{"a": 1,\n"b" 2}', JSON, Limits())


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000, '{"a":' * 500 + "1" + "}" * 500, '{"a": "\\ud800"}', "NaN", '""'):
        read_or_reason(text.encode(), JSON)
    assert_outlives_mutants(json.dumps(_CLUB).encode(), JSON)
    assert_outlives_mutants(b'{"a": 1, "b": "words"}\n' * 30, LINES)


_PLAIN = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
_ANY = st.recursive(_PLAIN, lambda inner: st.lists(inner) | st.dictionaries(_PLAIN, inner), max_leaves=20)


@given(value=_ANY)
def test_no_value_is_lost(value: object) -> None:
    def leaves(of: object) -> list[str]:
        if isinstance(of, dict):
            return [leaf for each in of.values() for leaf in leaves(each)]
        return [leaf for each in of for leaf in leaves(each)] if isinstance(of, list) else [str(of)]

    found = read_or_reason(json.dumps(value).encode(), JSON)
    said = "" if isinstance(found, UnreadableFile) else found.text
    assert all(leaf in said for leaf in leaves(value))
