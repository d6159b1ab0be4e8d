"""Plain text and Markdown: which blocks, titles, headings and lines are found."""

from __future__ import annotations

import pytest
from formats_laws import MARKDOWN, TEXT, block_of, blocks, heading_of, quotes, read

from qa.errors import UnreadableFile
from qa.formats import Limits, parse

# --- plain text: encodings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le"])
def test_text_with_a_byte_order_mark_or_in_utf8_is_read_exactly(encoding: str) -> None:
    text = "Überschrift\n\nEin Satz mit Zeichen: 日本語, emoji \U0001f600.\n"
    mark = "\ufeff" if encoding.endswith(("be", "le")) else ""
    document = read((mark + text).encode(encoding), TEXT)
    assert document.text.removeprefix("\ufeff") == text
    assert document.title == "Überschrift"
    assert document.problems == ()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        (
            "cp1252",
            "Der Bürgermeister von Zürich erklärte, daß für die Lösung mehr Geld nötig sei. „Natürlich“, sagte er.",
        ),
        ("shift_jis", "これは日本語の文章です。東京は日本の首都であり、人口は約千四百万人です。とても大きな都市です。"),
        ("cp1251", "Это обычный русский текст, записанный в старой кодировке. Москва является столицей России."),
    ],
)
def test_text_in_an_old_encoding_is_read_and_the_guess_is_named(encoding: str, text: str) -> None:
    document = read(text.encode(encoding), TEXT)
    assert document.text == text
    assert len(document.problems) == 1
    assert "guess" in document.problems[0]


def test_a_few_broken_bytes_do_not_change_how_the_rest_is_read() -> None:
    document = read("Zürich größer äöü. ".encode() * 50 + b"\xff end.", TEXT)
    assert document.text.startswith("Zürich größer äöü. ")
    assert document.text.endswith("\ufffd end.")
    assert "1 characters" in document.problems[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"text\0more text",
        bytes(range(1, 32)) * 5,
        b"\xff\xfe" + b"\x00\xd8" * 50,
        b"PK\3\4\x14\0",
    ],
)
def test_binary_data_named_txt_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match="holds binary data, not text"):
        parse(data, TEXT, Limits())


# --- plain text: structure ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\x85"])
def test_a_title_and_wrapped_paragraphs_are_found_whatever_ends_the_lines(newline: str) -> None:
    text = "A Title of Four Words\n\nThe first paragraph is\nwrapped over two lines.\n\n\nThe second.\n".replace(
        "\n", newline
    )
    document = read(text, TEXT)
    assert document.title == "A Title of Four Words"
    assert [kind for kind, _ in blocks(document)] == ["title", "paragraph", "paragraph"]
    assert blocks(document)[1][1] == f"The first paragraph is{newline}wrapped over two lines."
    assert [block.locator.line for block in document.blocks] == [1, 3, 7]


def test_a_paragraph_separator_parts_paragraphs_on_its_own() -> None:
    assert quotes(read("One sentence.\u2029Another.", TEXT), "paragraph") == ["One sentence.", "Another."]


@pytest.mark.parametrize(
    "first",
    ["- a list item", "1. a numbered item", "a\tb", "x" * 201, "Two lines\nof text"],
)
def test_an_item_or_row_or_long_text_is_no_title(first: str) -> None:
    assert read(f"{first}\n\nMore text follows here.", TEXT).title == ""


@pytest.mark.parametrize("first", ["It was a dark and stormy night.", "Is it? Perhaps!", "He said “stop.”"])
def test_a_first_line_that_reads_like_a_sentence_names_the_document_and_stays_a_paragraph(first: str) -> None:
    document = read(f"{first}\n\nMore text follows here.", TEXT)
    assert document.title == first
    assert [block.kind for block in document.blocks] == ["paragraph", "paragraph"]


def test_a_lone_line_is_no_title() -> None:
    assert blocks(read("Just one line", TEXT)) == [("paragraph", "Just one line")]


def test_an_article_with_a_date_line_and_a_pitch_has_a_title_and_no_headings() -> None:
    article = (
        "As the Border Tightens, the North Courts Engineers\n\nFebruary 5, 2017, 8:55 PM UTC\n\n"
        "A long paragraph of an article that goes on for a while, as they do.\n\nGet our newsletter.\n\n"
        "Another paragraph of the article, also of some length.\n\nRead More\n"
    )
    document = read(article, TEXT)
    assert document.title == "As the Border Tightens, the North Courts Engineers"
    assert not quotes(document, "heading")


def test_headings_that_are_marked_as_such_stand_above_what_follows() -> None:
    text = (
        "Report on the Year\n\nOpening words of the report, which has parts.\n\n"
        "Chapter 1\n\nWords under chapter one, enough of them to be a paragraph.\n\n"
        "1. Funding\n\nMoney came from three sources in that year, says the report.\n\n"
        "1.2 Public money\n\nThe state paid half of it, as in the years before that one.\n\n"
        "FINAL REMARKS\n\nNothing more needs to be said about it in this place.\n\n"
        "Underlined\n----------\nThe text right below the underlined line."
    )
    document = read(text, TEXT)
    assert quotes(document, "heading") == ["Chapter 1", "1. Funding", "1.2 Public money", "FINAL REMARKS", "Underlined"]
    assert heading_of(document, "The state paid") == ("Chapter 1", "1. Funding", "1.2 Public money")
    assert heading_of(document, "Nothing more") == ("Chapter 1", "FINAL REMARKS")
    assert heading_of(document, "The text right below") == ("Chapter 1", "Underlined")


def test_a_line_that_comes_back_is_no_heading() -> None:
    text = "A Title Here\n\nThe first part.\n\nADVERTISEMENT\n\nThe second.\n\nADVERTISEMENT\n\nThe last text."
    assert quotes(read(text, TEXT), "heading") == []


@pytest.mark.parametrize(
    "line", ["A Name", "By Jane Doe", "Monday, 3 May", "Read more", "1990 The year", "5 apples", "WAIT."]
)
def test_a_short_line_alone_makes_no_heading(line: str) -> None:
    text = f"Title of It\n\nThe first paragraph has words.\n\n{line}\n\nThe second paragraph has more words."
    assert quotes(read(text, TEXT), "heading") == []


@pytest.mark.parametrize(
    "marks",
    [("-", "-", "-"), ("*", "*", "*"), ("•", "•", "•"), ("1.", "2.", "3."), ("1)", "2)", "3)"), ("(a)", "(b)", "(c)")],
)
def test_each_list_item_is_a_block_without_its_marker(marks: tuple[str, str, str]) -> None:
    items = ["flour and", "two eggs", "some salt, a little\n   of it only"]
    text = "You need:\n" + "\n".join(f"{mark} {item}" for mark, item in zip(marks, items, strict=True))
    assert blocks(read(text, TEXT)) == [("paragraph", "You need:"), *(("item", item) for item in items)]


def test_a_wrapped_line_that_begins_like_an_item_stays_in_its_paragraph() -> None:
    text = (
        "This was decided in a meeting of the year 1990 on page\n5. It was never used and nobody knew it at the time."
    )
    assert len(blocks(read(text, TEXT))) == 1


def test_table_rows_are_blocks_of_their_own_and_their_rules_are_none() -> None:
    tabs = "City\tJobs\nToronto\t200\nVancouver\t75"
    bars = "| City | Jobs |\n|------|------|\n| Ottawa | 12 |"
    spaces = "Date:     Monday\nPlace:    Room 4, which is the one on the\n          second floor\nChair:    Okafor"
    assert quotes(read(tabs, TEXT), "row") == ["City\tJobs", "Toronto\t200", "Vancouver\t75"]
    assert quotes(read(bars, TEXT), "row") == ["City | Jobs", "Ottawa | 12"]
    assert [row.split()[0] for row in quotes(read(spaces, TEXT), "row")] == ["Date:", "Place:", "Chair:"]
    assert quotes(read(spaces, TEXT), "row")[1].endswith("second floor")


def test_lines_longer_than_anybody_wraps_are_paragraphs_of_their_own() -> None:
    long = "Words and words and more of them go on and on. " * 6
    document = read(f"A Headline\n\n{long.strip()}\n{long.strip()}\nShort last line.", TEXT)
    assert len(quotes(document, "paragraph")) == 3


def test_indented_code_is_one_block_and_indented_prose_is_a_paragraph() -> None:
    code = "    def f(x):\n        return {x: [1, 2]}\n    f(3);"
    prose = "    Four score and seven years ago our fathers\n    brought forth a new nation."
    document = read(f"Some words first.\n\n{code}\n\n{prose}", TEXT)
    assert quotes(document, "code") == [code.strip()]
    assert quotes(document, "paragraph") == ["Some words first.", prose.strip()]


def test_lines_of_signs_are_no_blocks() -> None:
    assert blocks(read("One.\n\n* * *\n\n--------\nTwo.\n========", TEXT)) == [
        ("paragraph", "One."),
        ("paragraph", "Two."),
    ]


# --- Markdown -----------------------------------------------------------------------------------------------------

_SOURCE = """\
---
title: "From the Front Matter"
tags: [a, b]
---

# The *Main* `Title` [with a link](https://example.org/) #

Some **bold** text
over two lines.

## Part One

> A quote that is
> wrapped.

- item *one*
- item two
  goes on

  and has a paragraph more
  1. nested

### Deeper ###

| City | Jobs |
|------|-----:|
| Ottawa \\| Gatineau | 12 |

```python
print("x")

print("y")
```

Setext Heading
--------------

    indented code

Last one.

[ref]: https://example.org/ "not shown"

![only a picture](x.png)
"""


def test_markdown_blocks_leave_out_the_signs_at_their_edges() -> None:
    document = read(_SOURCE, MARKDOWN)
    assert blocks(document) == [
        ("title", "The *Main* `Title` [with a link](https://example.org/)"),
        ("paragraph", "Some **bold** text\nover two lines."),
        ("heading", "Part One"),
        ("quote", "A quote that is\n> wrapped."),
        ("item", "item *one*"),
        ("item", "item two\n  goes on"),
        ("item", "and has a paragraph more"),
        ("item", "nested"),
        ("heading", "Deeper"),
        ("row", "City: Ottawa | Gatineau | Jobs: 12"),
        ("code", 'print("x")\n\nprint("y")'),
        ("heading", "Setext Heading"),
        ("code", "indented code"),
        ("paragraph", "Last one."),
    ]


def test_markdown_is_the_same_whatever_ends_its_lines_and_with_a_byte_order_mark() -> None:
    expected = [(kind, text.split()) for kind, text in blocks(read(_SOURCE, MARKDOWN))]
    for newline in ("\r\n", "\r"):
        document = read("\ufeff" + _SOURCE.replace("\n", newline), MARKDOWN)
        assert [(kind, text.split()) for kind, text in blocks(document)] == expected
        assert document.title == "From the Front Matter"


def test_markdown_titles_come_from_the_front_matter_else_from_the_first_heading() -> None:
    assert read(_SOURCE, MARKDOWN).title == "From the Front Matter"
    assert read(_SOURCE.split("---\n", 2)[2], MARKDOWN).title == "The Main Title with a link"
    assert read("Some text.\n\n## Only this\n\nMore.", MARKDOWN).title == ""


def test_markdown_heading_paths_are_plain_text_and_follow_the_levels() -> None:
    document = read(_SOURCE, MARKDOWN)
    assert heading_of(document, "Some **bold**") == ()
    assert heading_of(document, "nested") == ("Part One",)
    assert heading_of(document, "Ottawa") == ("Part One", "Deeper")
    assert heading_of(document, "Last one") == ("Setext Heading",)
    assert heading_of(read("## *a* & `b` &amp; [c](d)\n\nx", MARKDOWN), "x") == ("a & b & c",)


def test_markdown_lines_are_those_of_the_source() -> None:
    document = read(_SOURCE, MARKDOWN)
    lines = _SOURCE.split("\n")
    for block in document.blocks:
        assert block.locator.line is not None
        if block.kind != "row":
            assert document.text[block.start : block.end].split("\n")[0] in lines[block.locator.line - 1]
    assert lines[(block_of(document, "Ottawa").locator.line or 0) - 1].startswith("| Ottawa")


def test_a_markdown_table_becomes_rows_with_the_names_of_its_columns_and_all_else_stays_as_written() -> None:
    before, after = "Text *before*\n\n> ", "\n\nText `after`\n"
    table = "| **City** | Jobs |\n> |---|:-:|\n> | Ulm | 9 |\n> | Bonn | 8 | since May |\n> | | |\n> Hof | 7"
    document = read(before + table + after, MARKDOWN)
    rows = ["City: Ulm | Jobs: 9", "City: Bonn | Jobs: 8 | since May", "City: Hof | Jobs: 7"]
    assert document.text == before + "\n".join(rows) + after
    assert quotes(document, "row") == rows
    assert [block.locator.line for block in document.blocks] == [1, 5, 6, 8, 10]


def test_a_markdown_table_of_nothing_but_names_is_a_row() -> None:
    assert blocks(read("| City | Jobs |\n|---|---|", MARKDOWN)) == [("row", "City | Jobs")]
    assert blocks(read("| City | Jobs |\n|---|---|\n| Ulm | 9 |", MARKDOWN)) == [("row", "City: Ulm | Jobs: 9")]


def test_a_rule_at_the_head_is_no_front_matter() -> None:
    assert blocks(read("---\n\nWords: these are some.\n\n---\n\nMore.", MARKDOWN)) == [
        ("paragraph", "Words: these are some."),
        ("paragraph", "More."),
    ]


def test_text_between_html_tags_in_markdown_is_read_and_scripts_are_not() -> None:
    source = (
        '<div align="center">\n<h1>Project <b>X</b></h1>\n<p>Some <em>words</em> here.</p>\n</div>\n\n'
        "<!-- a comment\n\nwith words -->\n\n<script>\nvar words;\n\nmore();\n</script>\n\nAfter.\n"
    )
    assert blocks(read(source, MARKDOWN)) == [
        ("heading", "Project <b>X"),
        ("paragraph", "Some <em>words</em> here."),
        ("paragraph", "After."),
    ]


def test_badges_without_words_are_no_blocks() -> None:
    source = "[![](https://a/b.svg)](https://a)\n![](c.png)\n\nText."
    assert blocks(read(source, MARKDOWN)) == [("paragraph", "Text.")]


def test_an_unclosed_fence_runs_to_the_end() -> None:
    assert quotes(read("a\n\n```\nb\n\nc", MARKDOWN), "code") == ["b\n\nc"]


def test_markdown_beyond_what_its_parser_can_take_is_read_as_plain_text_and_says_so() -> None:
    document = read("a line\n" * 100_001, MARKDOWN)
    assert "plain text" in document.problems[0]
    assert document.media_type == MARKDOWN
