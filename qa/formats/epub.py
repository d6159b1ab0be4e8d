"""E-books: the chapters in the order of the book, each read like a web page."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import html, package
from qa.formats.composing import Composition, marker_in, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

if TYPE_CHECKING:
    from lxml.etree import _Element

MEDIA_TYPE = "application/epub+zip"

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
# Within an article, notes and headers belong to the matter; around one, they would be taken for the page's own.
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,100}encoding=["']([\w-]{1,40})""")


@dataclass(frozen=True, slots=True)
class _Book:
    """`chapters`: for each part of the package the names under which the table of contents lists it."""

    title: str
    pages: list[str]
    chapters: dict[str, list[str]]


def read(data: bytes, limits: Limits) -> Document:
    """Headings, lists, tables and notes as in web pages. A block's place is the chapter that the table of contents
    names, or else the outermost heading above it; the table of contents itself is left out."""
    with package.opened(data, "EPUB", limits, may_name_a_type=True) as parts:
        book = _book(parts)
        composition = Composition(limits)
        problems: list[str] = []
        chapter = ""
        for part in book.pages:
            try:
                markup = parts.read(part)
            except KeyError:
                problems.append(f"A chapter is missing from the file: {one_line(part)}.")
                continue
            chapter = _add(composition, _page(markup, limits), book.chapters.get(part, []), chapter)
    if not composition.has_blocks and problems:
        raise UnreadableFile("is damaged: its chapters are missing", "Copy it again.")
    return composition.document(MEDIA_TYPE, book.title, problems)


def _page(markup: bytes, limits: Limits) -> Document:
    declared = _DECLARED.match(markup)
    source, _, _ = decode(markup, declared[1].decode("ascii") if declared else "")
    source = _BODY.sub(lambda body: f"{body[0]}<article>", html.opened_up(source), count=1)
    return html.read_markup(source, MEDIA_TYPE, limits)


def _add(composition: Composition, page: Document, listed: list[str], chapter: str) -> str:
    """Adds a page of the book; which chapter the book is in at its end."""
    if len(listed) == 1:
        chapter = listed[0]
    top: tuple[str, ...] = ()
    end = 0
    for block in page.blocks:
        words = page.text[block.start : block.end]
        inner = () if block.kind == "title" else (*top, *block.locator.heading)
        if len(listed) != 1 and (inner or block.kind in ("title", "heading")):
            chapter = inner[0] if inner else one_line(words)
        path = inner if not chapter or inner[:1] == (chapter,) else (chapter, *inner)
        if block.kind in ("title", "heading") and path == (one_line(words),):
            path = ()
        gap = "\n" if end and "\n\n" not in page.text[end : block.start] else "\n\n"
        place = Locator(path, place=chapter, kind="chapter" if chapter else "")
        marker = marker_in(page.text[end : block.start]) if block.kind == "item" else ""
        composition.add("heading" if block.kind == "title" else block.kind, words, place, gap, marker)
        end = block.end
        if block.kind == "title":
            top = (one_line(words),)
    return chapter


def _book(parts: zipfile.ZipFile) -> _Book:
    """What the package says of itself (EPUB 2 and 3). Raises UnreadableFile when it says nothing, or is locked."""
    names = set(parts.namelist())
    if _CONTAINER not in names:
        raise UnreadableFile("is not an e-book, whatever its name says", "Give it its right file ending.")
    root = next((r.get("full-path", "") for r in package.tree(parts.read(_CONTAINER)).iter("{*}rootfile")), "")
    if root not in names:
        raise UnreadableFile("is damaged: it does not say what is in it", "Copy it again.")
    opf = package.tree(parts.read(root))
    manifest = {item.get("id", ""): item for item in opf.iter("{*}item")}
    files = {key: package.within(root, item.get("href", "")) for key, item in manifest.items()}
    contents = {key for key, item in manifest.items() if "nav" in item.get("properties", "").split()}
    spine = [ref.get("idref", "") for ref in opf.iter("{*}itemref")]
    pages = [
        files[key]
        for key in dict.fromkeys(spine)
        if key in files and key not in contents and manifest[key].get("media-type", "") in _PAGES
    ]
    if _ENCRYPTION in names:
        locked = {ref.get("URI", "") for ref in package.tree(parts.read(_ENCRYPTION)).iter("{*}CipherReference")}
        if locked & set(pages):
            raise UnreadableFile("is locked by its seller (DRM)", "Only the seller's own programs can open it.")
    chapters: dict[str, list[str]] = defaultdict(list)
    for key, item in manifest.items():
        if files[key] in names and (key in contents or item.get("media-type") == "application/x-dtbncx+xml"):
            if chapters and key not in contents:
                continue  # the same again, for older programs
            try:
                listed = _listed(package.tree(parts.read(files[key])))
            except SyntaxError:
                continue  # no well-formed XML: the chapters' own headings name them
            for link, name in listed:
                part = package.within(files[key], link)
                if name and name not in chapters[part]:
                    chapters[part].append(name)
    titles = (one_line("".join(each.itertext())) for each in opf.iter("{http://purl.org/dc/elements/1.1/}title"))
    return _Book(next(titles, ""), pages, chapters)


def _listed(contents: _Element) -> list[tuple[str, str]]:
    """Links and names of a table of contents, of EPUB 3 (the first `nav`) or 2."""
    nav = next(contents.iter("{*}nav"), None)
    if nav is not None:
        return [(a.get("href", ""), one_line("".join(a.itertext()))) for a in nav.iter("{*}a")]
    found = []
    for point in contents.iter("{*}navPoint"):
        link, name = point.find("{*}content"), point.find("{*}navLabel")
        if link is not None and name is not None:
            found.append((link.get("src", ""), one_line("".join(name.itertext()))))
    return found
