"""E-books: each sentence in its chapter, in the order of the book."""

from __future__ import annotations

import io
import zipfile

import pytest
from formats_laws import HTML, assert_outlives_mutants, block_of, blocks, place_of, quotes, read

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.epub import MEDIA_TYPE

_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
)
_ONE = "<h1>Loomings</h1><p>Call me Ishmael.</p><aside><p>A note on the name.</p></aside>"
_TWO = "<h2>Part one</h2><p>The bag was packed.</p><table><tr><td>Coat</td><td>two</td></tr></table>"
_THREE = "<p>Still packing &#160;on.</p>"
_FOUR = "<h2>The Spouter-Inn</h2><p>It was dark.</p><h2>The Counterpane</h2><p>He woke.</p>"


def _page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
        f'<head><title/><script src="x.js"/></head><body><a id="top"/>{body}</body></html>'
    )


def _nav(kind: int) -> str:
    listed = [("one.xhtml", "1. Loomings"), ("two%20a.xhtml#start", "2. The Carpet-Bag")]
    listed += [("four.xhtml#a", "The Spouter-Inn"), ("four.xhtml#b", "The Counterpane")]
    if kind == 3:
        items = "".join(f'<li><a href="{link}">{name}</a></li>' for link, name in listed)
        return f'<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol>{items}</ol></nav></body></html>'
    points = "".join(
        f'<navPoint><navLabel><text>{name}</text></navLabel><content src="{link}"/></navPoint>' for link, name in listed
    )
    return f'<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd"><ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'


def _book(kind: int = 3, **more: str) -> bytes:
    """An e-book of three pages by name, listed in the order one, two a, three, four."""
    pages = {"one.xhtml": _ONE, "two a.xhtml": _TWO, "three.xhtml": _THREE, "four.xhtml": _FOUR}
    nav = 'href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"'
    items = (
        f"<item id='nav' {nav}/>"
        if kind == 3
        else "<item id='n' href='toc.ncx' media-type='application/x-dtbncx+xml'/>"
    )
    for number, name in enumerate(pages):
        items += f'<item id="p{number}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
    refs = '<itemref idref="nav"/>' + "".join(f'<itemref idref="p{number}"/>' for number in range(len(pages)))
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>The Whale</dc:title></metadata><manifest>{items}</manifest><spine>{refs}</spine></package>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", MEDIA_TYPE, zipfile.ZIP_STORED)
        package.writestr("META-INF/container.xml", _CONTAINER)
        package.writestr("OPS/book.opf", opf)
        package.writestr("OPS/nav.xhtml" if kind == 3 else "OPS/toc.ncx", _nav(kind))
        for name, body in pages.items():
            package.writestr(f"OPS/{name}", _page(body))
        for name, text in more.items():
            package.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [2, 3])
def test_every_sentence_is_cited_in_its_chapter(kind: int) -> None:
    document = read(_book(kind), MEDIA_TYPE)
    assert document.title == "The Whale"
    assert blocks(document) == [
        ("heading", "Loomings"),
        ("paragraph", "Call me Ishmael."),
        ("paragraph", "A note on the name."),
        ("heading", "Part one"),
        ("paragraph", "The bag was packed."),
        ("row", "Coat | two"),
        ("paragraph", "Still packing \u00a0on."),
        ("heading", "The Spouter-Inn"),
        ("paragraph", "It was dark."),
        ("heading", "The Counterpane"),
        ("paragraph", "He woke."),
    ]
    for quote, chapter in {
        "Ishmael": "1. Loomings",
        "note on the name": "1. Loomings",
        "Coat": "2. The Carpet-Bag",
        "Still packing": "2. The Carpet-Bag",
        "It was dark": "The Spouter-Inn",
        "He woke": "The Counterpane",
    }.items():
        assert place_of(document, quote, "whale.epub") == f"whale.epub, {chapter}"
    assert block_of(document, "The bag").locator.heading == ("2. The Carpet-Bag", "Part one")


def test_a_book_that_its_seller_has_locked_is_named_as_such() -> None:
    lock = '<encryption xmlns:e="x"><e:CipherReference URI="OPS/one.xhtml"/></encryption>'
    with pytest.raises(UnreadableFile, match="locked by its seller"):
        parse(_book(**{"META-INF/encryption.xml": lock}), MEDIA_TYPE, Limits())
    font = lock.replace("one.xhtml", "font.otf")
    assert read(_book(**{"META-INF/encryption.xml": font}), MEDIA_TYPE).blocks


def test_a_missing_chapter_is_named_and_the_others_are_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_book())) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            if name != "OPS/three.xhtml":
                new.writestr(name, old.read(name))
    assert read(buffer.getvalue(), MEDIA_TYPE).problems == ("A chapter is missing from the file: OPS/three.xhtml.",)


def test_a_package_of_another_kind_is_no_book() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("hello.txt", "words")
    with pytest.raises(UnreadableFile, match="is not an e-book"):
        parse(buffer.getvalue(), MEDIA_TYPE, Limits())


def test_entities_that_grow_are_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    with pytest.raises(UnreadableFile, match="defines XML entities"):
        parse(_book(**{"OPS/bomb.xhtml": bomb}), MEDIA_TYPE, Limits())


def test_empty_tags_of_xhtml_do_not_swallow_the_page() -> None:
    assert quotes(read(_page("<p>Words.</p>"), HTML), "paragraph") == ["Words."]
    assert quotes(read(_page("<p title='a/>b'>Words<br/>more.</p>"), HTML), "paragraph") == ["Words\nmore."]


def test_a_damaged_book_is_read_or_refused() -> None:
    assert_outlives_mutants(_book(), MEDIA_TYPE)
