"""HTML: what a browser would show of a page's own matter."""

from __future__ import annotations

import pytest
from formats_laws import HTML, blocks, heading_of, quotes, read
from hypothesis import given
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import Limits, parse

_PAGE = """<!doctype html><html lang=en><head><meta charset=utf-8><title>The Site | An Article</title>
<style>p {color: red}</style><script>var hidden = "<p>not this</p>";</script></head><body>
<a class=skip href="#main">Skip to content</a>
<header><nav><a href="/">Home</a></nav><p>The Site</p></header>
<div role=navigation>Menu</div><div class="cookie-consent">We use cookies.</div>
<article id=main><h1>An <em>Article</em></h1>
Text right in the article, <b>bo</b>ld
and wrapped.<p>First line<br>second line.<br><br>After an empty line.
<p hidden>Hidden.<p style="display: none">Not shown.
<h2>Part <small>one</small></h2>
<ul><li>One<li>Two <p>and its paragraph</p><ul><li>Nested</ul></ul>
<blockquote><p>Said somebody.</p></blockquote>
<table><caption>A table</caption><tr><th>City<th>Jobs<th>Since</tr><tr><td>Toronto<td><td>2017</tr>
<tr><td colspan=3>All cities</tr></table>
<pre><code>if x:
    y &lt;- 1
</code></pre>
<figure><img src=x alt="not shown"><figcaption>A caption.</figcaption></figure>
<h3>Deeper</h3><dl><dt>Term<dd>Its meaning</dl>
<p>A claim.<sup><a href="#note1">[1]</a></sup> x<sup>2</sup> <a href="#top">↑</a>
<svg><text>drawn</text></svg><noscript>no script</noscript><template>later</template>
</article><aside>Related</aside><footer>Imprint</footer></body></html>"""


def test_a_page_gives_its_own_matter_block_by_block() -> None:
    document = read(_PAGE, HTML)
    assert document.title == "An Article"
    assert blocks(document) == [
        ("title", "An Article"),
        ("paragraph", "Text right in the article, bold and wrapped."),
        ("paragraph", "First line\nsecond line."),
        ("paragraph", "After an empty line."),
        ("heading", "Part one"),
        ("item", "One"),
        ("item", "Two"),
        ("item", "and its paragraph"),
        ("item", "Nested"),
        ("quote", "Said somebody."),
        ("caption", "A table"),
        ("row", "City: Toronto | Since: 2017"),
        ("paragraph", "All cities"),
        ("code", "if x:\n    y <- 1"),
        ("caption", "A caption."),
        ("heading", "Deeper"),
        ("item", "Term"),
        ("item", "Its meaning"),
        ("paragraph", "A claim. x2"),
    ]


def test_heading_paths_leave_out_the_title() -> None:
    document = read(_PAGE, HTML)
    assert heading_of(document, "Text right") == ()
    assert heading_of(document, "Toronto") == ("Part one",)
    assert heading_of(document, "Its meaning") == ("Part one", "Deeper")


def test_items_and_rows_stand_on_lines_of_their_own_and_all_else_is_parted_by_an_empty_line() -> None:
    document = read("<p>a<ul><li>b<li>c</ul><table><tr><td>d<td>e<tr><td>f<td>g</table><p>h", HTML)
    assert document.text == "a\n\n- b\n- c\n\nd | e\nf | g\n\nh"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("<title>A</title><h1>B</h1>", "B"),
        ("<title>What is it? - The Book</title><h1>The Book</h1><h2>What Is It?</h2><h2>B</h2>", "What Is It?"),
        ("<title>The Book | A</title><h1>A</h1><h2>B</h2>", "A"),
        ("<title>B - The Book</title><h1>The Book</h1><h2>A</h2><h2>C</h2>", "The Book"),
        ("<title>B - The Book</title><h2>Keys</h2><h1>The Book</h1><h2>B</h2>", "B"),
        ("<title> A\n b </title><h1>B</h1><h1>C</h1>", "A b"),
        ("<h1>B</h1><h1>C</h1>", "B"),
        ("<title>A</title><p>x", "A"),
        ("<p>x", ""),
        ("<header><h1>B</h1><p>menu</header><p>x", "B"),
        ("<svg><title>Icon</title></svg><p>x", ""),
    ],
)
def test_the_title_is_the_only_first_heading_else_the_title_element(source: str, title: str) -> None:
    document = read(source, HTML)
    assert document.title == title
    assert "menu" not in document.text


def test_inline_elements_never_split_a_word_or_a_sentence() -> None:
    source = "<p>un<b>believ</b>able <a href=x>link</a><i>ed</i>, <x-y>yes</x-y>.<!-- c -->Go<wbr>ne. soft\u00adhyphen"
    assert blocks(read(source, HTML)) == [("paragraph", "unbelievable linked, yes.Gone. softhyphen")]


def test_a_page_that_is_all_navigation_is_read_after_all() -> None:
    assert blocks(read("<nav><p>Only this.</nav>", HTML)) == [("paragraph", "Only this.")]


def test_a_table_used_for_layout_keeps_its_blocks() -> None:
    source = "<table><tr><td><h2>Menu</h2><ul><li>a<li>b</ul><td><table><tr><td>1<td>2</table><p>Text.</table>"
    assert blocks(read(source, HTML)) == [
        ("heading", "Menu"),
        ("item", "a"),
        ("item", "b"),
        ("row", "1 | 2"),
        ("paragraph", "Text."),
    ]


_NAMED_TABLES = {
    "<tr><th>City<th>Jobs<tr><th scope=row>Ulm<td>9": ["City: Ulm | Jobs: 9"],
    "<thead><tr><td>City<td>Jobs<tbody><tr><td>Ulm<td>nine": ["City: Ulm | Jobs: nine"],
    "<tr><td>City<td>Jobs<td>Since<tr><td>Ulm<td>9<td>1990": ["City: Ulm | Jobs: 9 | Since: 1990"],
    "<tr><td>Ulm<td>nine<tr><td>Bonn<td>ten": ["Ulm | nine", "Bonn | ten"],
    "<tr><th>City<th>Jobs": ["City | Jobs"],
    "<tr><th rowspan=2>City<th colspan=2>Jobs<tr><th>Old<th>New<tr><td>Ulm<td>9<td>8": [
        "City: Ulm | Jobs Old: 9 | Jobs New: 8"
    ],
    "<tr><th>Year<th>Month<th>Cost<tr><th rowspan=2>2024<td>May<td>9<tr><td>June<td>8": [
        *("Year: 2024 | Month: May | Cost: 9", "Year: 2024 | Month: June | Cost: 8")
    ],
    "<tr><th>Year<th>Part<th>Cost<tr><th rowspan=2>2024<th rowspan=2>A<tr><td>9": [
        *("Year: 2024 | Part: A", "Year: 2024 | Part: A | Cost: 9")
    ],
    "<tr><th>City<th>Jobs<tr><td>Ulm<td>9<tr><th>Town<th>Shops<tr><td>Hof<td>2": [
        *("City: Ulm | Jobs: 9", "Town: Hof | Shops: 2")
    ],
    "<tr><th>City<th>Jobs<tr><td colspan=99999999>Ulm<td>9": ["City: Ulm | 9"],
    f"<tr><th>City<th>{'Jobs ' * 40}<tr><td>Ulm<td>9": [f"City | {'Jobs ' * 40}".strip(), "Ulm | 9"],
}


@pytest.mark.parametrize(("source", "rows"), _NAMED_TABLES.items())
def test_a_row_carries_the_names_of_its_columns(source: str, rows: list[str]) -> None:
    assert quotes(read(f"<table>{source}</table>", HTML), "row") == rows


def test_what_stands_between_the_rows_of_a_table_keeps_its_place() -> None:
    source = (
        "<table><caption>Jobs<tr><th>City<th>Jobs<tr><td colspan=2>South<tr><td>Ulm<td>9<tr><td>North<tr></table>End"
    )
    assert blocks(read(source, HTML)) == [
        ("caption", "Jobs"),
        ("paragraph", "South"),
        ("row", "City: Ulm | Jobs: 9"),
        ("paragraph", "North"),
        ("paragraph", "End"),
    ]


def test_a_small_page_does_not_become_a_vast_one_by_cells_over_many_rows_and_columns() -> None:
    wide = "<tr>" + "<td colspan=1000 rowspan=1000>a" * 900 + "<tr><td>b" * 3_000
    document = read(f"<table>{wide}</table>", HTML)
    assert len(document.text) < 50 * len(wide)


@given(st.lists(st.lists(st.text("abc ", min_size=1, max_size=4), min_size=2, max_size=5), min_size=1, max_size=6))
def test_no_cell_of_a_table_is_lost(grid: list[list[str]]) -> None:
    cells = [[f"{cell}{row}x{column}" for column, cell in enumerate(line)] for row, line in enumerate(grid)]
    source = "".join(f"<tr>{''.join(f'<td>{cell}' for cell in line)}" for line in cells)
    found = read(f"<table>{source}</table>", HTML).text
    assert all(" ".join(cell.split()) in found for line in cells[1:] for cell in line)


def test_cells_with_several_lines_or_lists_are_one_row() -> None:
    source = "<table><tr><th>Genre<td><ul><li>rock<li>pop</ul><tr><th>Born<td>1 May<br>1970</table>"
    assert quotes(read(source, HTML), "row") == ["Genre | rock; pop", "Born | 1 May 1970"]


@pytest.mark.parametrize(
    "data",
    [
        "<meta charset=utf-8><p>Grüße aus Köln.".encode(),
        "<p>Grüße aus Köln.".encode(),
        '<meta http-equiv=content-type content="text/html; charset=ISO-8859-1"><p>Grüße aus Köln.'.encode("cp1252"),
        "<meta charset='windows-1252'><p>Grüße aus Köln.".encode("cp1252"),
        "<meta charset=iso-8859-1><p>Grüße aus Köln.".encode(),
        "\ufeff<p>Grüße aus Köln.".encode("utf-16-le"),
    ],
)
def test_the_encoding_is_found(data: bytes) -> None:
    assert blocks(read(data, HTML)) == [("paragraph", "Grüße aus Köln.")]


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "rot13", "zlib", "punycode", "nonsense", "undefined"])
def test_a_charset_that_is_none_is_not_obeyed(charset: str) -> None:
    document = read(f"<meta charset={charset}><p>Plain words \\ud800 +AGE-.".encode() + b"\xff", HTML)
    assert document.text.startswith("Plain words \\ud800 +AGE-.")


def test_character_references_that_cannot_be_stored_are_replaced() -> None:
    document = read("<p>a&#xD800;b&#x110000;c&#0;d", HTML)
    assert document.text.encode("utf-8")
    assert document.text.startswith("a")


def test_preformatted_text_keeps_its_lines() -> None:
    assert quotes(read("<pre>\n  a\r\n    b<br>c\n</pre>", HTML), "code") == ["a\n    b\nc"]


def test_a_page_without_words_holds_no_text() -> None:
    with pytest.raises(UnreadableFile, match="holds no text"):
        parse(b"<html><head><title>Only a title</title></head><body><img src=x></body></html>", HTML, Limits())


def test_a_button_beside_a_heading_is_none_of_it_and_one_that_is_all_of_it_is() -> None:
    page = "<h2>Vec&nbsp;<button>Copy <b>path</b></button></h2><p>x<h3> <button>May I leave?</button></h3><p>Yes."
    assert quotes(read(page, HTML), "heading") == ["Vec", "May I leave?"]
    assert quotes(read("<h2><button>Copy</button><br>Stack<button>x</button> and heap</h2>", HTML), "heading") == [
        "Stack and heap"
    ]


def test_items_of_lists_keep_their_depth_and_their_numbers() -> None:
    page = """<p>You need:</p><ul><li>a form<ol start=3><li>signed<li value=9>dated<ul><li>by hand</ul><li>sent</ol>
        and with it<li><p>a fee</p><p>in coins</p></ul><ol><li><ul><li>alone</ul></ol><p>After.</p>"""
    document = read(page, HTML)
    assert document.text == "\n".join(
        [
            "You need:",
            "",
            "- a form",
            "  3. signed",
            "  9. dated",
            "    - by hand",
            "  10. sent",
            "  and with it",
            "- a fee",
            "  in coins",
            "  - alone",
            "",
            "After.",
        ]
    )
    assert [text for kind, text in blocks(document) if kind == "item"][3:6] == ["by hand", "sent", "and with it"]


@pytest.mark.parametrize("start", ["", "x", "-4", "9" * 5_000, "٣", "1.5"])
def test_what_is_no_number_counts_no_item(start: str) -> None:
    assert read(f"<ol start='{start}'><li>one<li value='{start}'>two</ol>", HTML).text == "1. one\n2. two"


def test_a_list_as_deep_as_it_likes_is_read_in_bounded_space() -> None:
    document = read("<ul><li>a" * 900, HTML)
    assert len(document.blocks) == 900
    assert len(document.text) < 900 * 30
