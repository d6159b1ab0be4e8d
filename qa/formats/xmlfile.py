"""XML of any kind, and articles in JATS: the canonical text is put together from the elements that hold words."""

from __future__ import annotations

from dataclasses import replace
from html.entities import html5
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import html, package
from qa.formats.composing import Composition, HeadingPath, one_line
from qa.formats.jats import article
from qa.formats.limits import Limits
from qa.formats.xmlblocks import anything, name_of
from qa.records import Document, Locator

if TYPE_CHECKING:
    from lxml.etree import _Element

MEDIA_TYPE = "application/xml"


def read(data: bytes, limits: Limits) -> Document:
    """Nothing is fetched, and entities that the file itself defines are left out. An article has title, authors,
    abstract, sections, tables, notes and references; in any other XML an element of text is a paragraph, headings are
    those called "title" or "head", and an element with several short ones in it is a row of them."""
    if len(data) > limits.max_markup_bytes or data.count(b"<") > limits.max_tags:
        bounds = f"{limits.max_markup_bytes // 2**20:,} MiB or {limits.max_tags:,} tags"
        raise UnreadableFile(f"holds more markup than {bounds}", "Split it into smaller files.")
    try:
        root = package.tree(data)
    except SyntaxError as error:
        if "amplification" in str(error.msg):
            raise UnreadableFile("defines XML entities that grow without bound", "Do not trust this file.") from error
        raise UnreadableFile(f"is not well-formed XML: {one_line(error.msg)}", "Correct it there.") from error
    if name_of(root) == "html":
        found = html.read(data, limits)
        return replace(found, media_type=MEDIA_TYPE)
    problems = ["Entities that the file defines were left out."] if _put_in_characters(root) else []
    is_article = name_of(root) in ("article", "book", "book-part") and root.find("{*}front") is not None
    composition = Composition(limits)
    headings = HeadingPath()
    title = before = ""
    for block in article(root) if is_article else anything(root, 1):
        kind = block.kind
        if kind == "heading":
            headings.leave(block.level)
        elif kind == "title":
            title = one_line(block.text)
        gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
        composition.add(kind, block.text, Locator(headings.path), gap)
        if kind == "heading":
            headings.enter(block.level, block.text)
        before = kind
    return composition.document(MEDIA_TYPE, title, problems)


def _put_in_characters(root: _Element) -> bool:
    """Replaces each reference to an entity that HTML knows by its character; whether there were others."""
    from lxml import etree

    left_out = False
    for entity in list(root.iter(etree.Entity)):
        text = html5.get(f"{entity.name};", "")
        left_out = left_out or not text
        text += entity.tail or ""
        parent, before = entity.getparent(), entity.getprevious()
        if parent is None:
            continue
        if before is not None:
            before.tail = (before.tail or "") + text
        else:
            parent.text = (parent.text or "") + text
        parent.remove(entity)
    return left_out
