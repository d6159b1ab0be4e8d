"""AsciiDoc: headings, lists, tables, code, and what is not shown left out."""

from __future__ import annotations

from formats_laws import assert_outlives_mutants, block_of, blocks, heading_of, place_of, quotes, read, read_or_reason
from hypothesis import given
from hypothesis import strategies as st

from qa.formats.asciidoc import MEDIA_TYPE

_GUIDE = """= Harbour guide
Ada Byron <ada@example.org>
v1.0, 2023
:port: Brest

The *quay* of {port} is `240 m` long.
It was built in 1900.footnote:[See the archive.]

// not shown
[[intro]]
== Introduction

.Ships
* first https://example.org[ship]
* second
goes on
** nested

CPU:: the brain
Disk::
  the memory

[source,python]
----
x = 1

== y
----

____
Quoted words.
____

=== Heights

[cols="1,1,1",options="header"]
|===
|Port |Height |Year

|Brest
|7 m
|2023

|Calais |6 m |2022
|===

See <<intro,the intro>> and xref:other.adoc[the other].

////
hidden comment
////

include::/etc/passwd[]
"""


def test_structure_comes_through_and_attributes_are_put_in() -> None:
    document = read(_GUIDE, MEDIA_TYPE)
    assert document.title == "Harbour guide"
    assert blocks(document) == [
        ("title", "Harbour guide"),
        ("paragraph", "The quay of Brest is 240 m long.\nIt was built in 1900. (See the archive.)"),
        ("heading", "Introduction"),
        ("caption", "Ships"),
        ("item", "first ship"),
        ("item", "second\ngoes on"),
        ("item", "nested"),
        ("item", "CPU: the brain"),
        ("item", "Disk: the memory"),
        ("code", "x = 1\n\n== y"),
        ("quote", "Quoted words."),
        ("heading", "Heights"),
        ("row", "Port: Brest | Height: 7 m | Year: 2023"),
        ("row", "Port: Calais | Height: 6 m | Year: 2022"),
        ("paragraph", "See the intro and the other."),
    ]
    assert heading_of(document, "Calais") == ("Introduction", "Heights")
    assert place_of(document, "The quay", "a.adoc") == "a.adoc, line 6"
    assert place_of(document, "Calais", "a.adoc") == "a.adoc, Heights"
    assert block_of(document, "Calais").locator.line == 1 + _GUIDE.splitlines().index("|Calais |6 m |2022")


def test_attributes_cannot_make_a_text_grow_without_bound() -> None:
    source = f":a: {'x' * 10_000}\n\n" + "{a}" * 50 + "\n\n" + "{a}" * 200_000
    assert len(read(source, MEDIA_TYPE).text) < 700_000


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for unit in ("*", "_a", "`", "<<", "|", "|===\n", "----\n", "====\n", "a::\n", "[", "= ", "https://", "{", "//\n"):
        read_or_reason((unit * (30_000 // len(unit))).encode(), MEDIA_TYPE)
    assert_outlives_mutants(_GUIDE.encode(), MEDIA_TYPE)


@given(
    paragraphs=st.lists(
        st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1, max_size=5),
        min_size=1,
        max_size=5,
    )
)
def test_no_word_of_a_paragraph_is_lost(paragraphs: list[list[str]]) -> None:
    document = read("\n\n".join(" ".join(words) for words in paragraphs), MEDIA_TYPE)
    assert [text.split() for text in quotes(document, "paragraph")] == paragraphs
