"""Word files: styles, lists, tables, notes, and files that are not what they seem."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import docx
import pytest
from formats_laws import WORD, blocks, heading_of, quotes, read
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import Limits, parse

_MAIN = "word/document.xml"


def _written(write: Callable[[Any], object], title: str = "") -> bytes:
    document = docx.Document()
    document.core_properties.title = title
    write(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _altered(data: bytes, alter: dict[str, bytes]) -> bytes:
    """The package with some of its parts replaced or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in dict.fromkeys([*old.namelist(), *alter]):
            new.writestr(name, alter[name] if name in alter else old.read(name))
    return buffer.getvalue()


def _report(document: Any) -> None:
    document.add_heading("The Title", 0)
    document.add_paragraph("Opening words of the report.")
    document.add_heading("Part", 1)
    document.add_paragraph("Words with ").add_run("bold").bold = True
    document.add_paragraph("first", "List Bullet")
    document.add_paragraph("second", "List Number")
    document.add_paragraph("Somebody said so.", "Quote")
    document.add_heading("Section", 2)
    table = document.add_table(2, 3)
    for cell, text in zip(table._cells, ["City", "Old", "New", "Toronto", "", "200"], strict=True):
        cell.text = text
    document.add_paragraph("Table 1: Jobs", "Caption")
    document.add_heading("Other part", 1)
    document.add_paragraph("A line\nand another; \u00e4\u65e5\U0001f600.")
    document.sections[0].header.paragraphs[0].text = "Running head"


def test_styles_become_title_headings_items_rows_quotes_and_captions() -> None:
    document = read(_written(_report), WORD)
    assert document.title == "The Title"
    assert blocks(document) == [
        ("title", "The Title"),
        ("paragraph", "Opening words of the report."),
        ("heading", "Part"),
        ("paragraph", "Words with bold"),
        ("item", "first"),
        ("item", "second"),
        ("quote", "Somebody said so."),
        ("heading", "Section"),
        ("row", "City: Toronto | New: 200"),
        ("caption", "Table 1: Jobs"),
        ("heading", "Other part"),
        ("paragraph", "A line\nand another; \u00e4\u65e5\U0001f600."),
    ]
    assert heading_of(document, "Toronto") == ("Part", "Section")
    assert heading_of(document, "A line") == ("Other part",)


def test_the_title_comes_from_the_properties_when_no_paragraph_is_styled_so() -> None:
    def two_parts(document: Any) -> None:
        for name in ("One", "Two"):
            document.add_heading(name, 1)
            document.add_paragraph("Words.")

    assert read(_written(two_parts, title="From the Properties"), WORD).title == "From the Properties"
    untitled = read(_written(two_parts, title="Document1.docx"), WORD)
    assert untitled.title == ""
    assert quotes(untitled, "heading") == ["One", "Two"]


def test_a_lone_first_heading_is_the_title() -> None:
    def one_part(document: Any) -> None:
        document.add_heading("Only One", 1)
        document.add_paragraph("Words.")
        document.add_heading("Part", 2)
        document.add_paragraph("x")

    document = read(_written(one_part), WORD)
    assert document.title == "Only One"
    assert heading_of(document, "x") == ("Part",)


def test_pictures_are_left_out() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    data = _written(lambda d: [d.add_picture(io.BytesIO(pixel)), d.add_paragraph("Words.")])
    assert blocks(read(data, WORD)) == [("paragraph", "Words.")]


def test_formulas_that_are_left_out_are_named() -> None:
    data = _written(lambda d: d.add_paragraph("Words."))
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        main = package.read(_MAIN)
    formula = b'<w:p><m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:r><m:t>x</m:t></m:r></m:oMath></w:p>'
    document = read(_altered(data, {_MAIN: main.replace(b"<w:sectPr", formula + b"<w:sectPr", 1)}), WORD)
    assert "Formulas" in document.problems[0]


def test_a_word_file_without_words_holds_no_text() -> None:
    with pytest.raises(UnreadableFile, match="holds no text"):
        parse(_written(lambda d: None), WORD, Limits())


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_a_word_file_that_was_cut_short_is_damaged(part: float) -> None:
    data = _written(_report)
    with pytest.raises(UnreadableFile, match="damaged"):
        parse(data[: int(len(data) * part)], WORD, Limits())


def test_a_package_that_unpacks_beyond_the_limits_is_never_unpacked() -> None:
    bomb = _altered(_written(_report), {"word/media/huge.bin": bytes(50_000_000)})
    assert len(bomb) < 200_000
    with pytest.raises(UnreadableFile, match="unpacks to more than"):
        parse(bomb, WORD, Limits(max_file_bytes=20_000_000))


def test_markup_beyond_its_limit_is_never_parsed() -> None:
    spaces = b"<w:document>" + b" " * 5_000_000
    bomb = _altered(_written(_report), {_MAIN: spaces})
    with pytest.raises(UnreadableFile, match="more markup than"):
        parse(bomb, WORD, Limits(max_markup_bytes=4_000_000))
    with pytest.raises(UnreadableFile, match="more markup than"):
        parse(_written(_report), WORD, Limits(max_tags=100))


@pytest.mark.parametrize(
    ("part", "encoding"),
    [(_MAIN, "utf-8"), ("word/styles.xml", "utf-16"), ("docProps/core.xml", "utf-8"), ("word/other.bin", "utf-16")],
)
def test_entities_are_refused_in_every_part_and_encoding(part: str, encoding: str) -> None:
    bomb = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    with pytest.raises(UnreadableFile, match="defines XML entities"):
        parse(_altered(_written(_report), {part: bomb.encode(encoding)}), WORD, Limits())


def test_markup_nested_without_end_is_refused_not_followed() -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    deep = f"<w:document {space}><w:body>{'<w:sdt><w:sdtContent>' * 5_000}"
    deep += f"{'</w:sdtContent></w:sdt>' * 5_000}</w:body></w:document>"
    with pytest.raises(UnreadableFile, match="nested too deeply"):
        parse(_altered(_written(_report), {_MAIN: deep.encode()}), WORD, Limits())


def test_a_package_of_another_kind_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("hello.txt", "words")
    with pytest.raises(UnreadableFile, match="no Word file that can be read"):
        parse(buffer.getvalue(), WORD, Limits())


_SHOWN = st.characters(categories=["L", "N", "P", "S", "Zs"])


@settings(max_examples=3)
@given(texts=st.lists(st.text(_SHOWN, min_size=1, max_size=40), min_size=1, max_size=8))
def test_every_paragraph_comes_through_whole(texts: list[str]) -> None:
    texts = [text for text in texts if text.strip()] or ["x"]
    document = read(_written(lambda d: [d.add_paragraph(text) for text in texts]), WORD)
    assert [text.split() for _, text in blocks(document)] == [text.split() for text in texts]


def test_items_of_lists_keep_their_depth_and_no_number_that_may_be_another() -> None:
    def lists(document: Any) -> None:
        document.add_paragraph("You need:")
        for text, style in [
            ("a form", "List Bullet"),
            ("signed", "List Bullet 2"),
            ("by hand", "List Bullet 3"),
            ("a fee", "List Bullet"),
        ]:
            document.add_paragraph(text, style=style)
        document.add_paragraph("Then:")
        document.add_paragraph("wait", style="List Number")

    assert read(_written(lists), WORD).text == "\n".join(
        ["You need:", "", "- a form", "  - signed", "    - by hand", "- a fee", "", "Then:", "", "- wait"]
    )
