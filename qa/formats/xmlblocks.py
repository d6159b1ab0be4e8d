"""Elements of XML as blocks: paragraphs, headings, lists, tables, records of values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.formats import tables

if TYPE_CHECKING:
    from lxml.etree import _Element

_PARAGRAPHS = frozenset(["p", "para", "simpara", "ab", "verse-line", "attrib", "funding-statement"])
_HEADINGS = frozenset(["title", "head", "heading"])
_ITEMS = frozenset(["list-item", "listitem", "item", "ref", "def-item", "fn", "kwd"])
_CODE = frozenset(["code", "preformat", "programlisting", "screen", "literallayout"])
_CAPTIONS = frozenset(["caption"])
_QUOTES = frozenset(["disp-quote", "blockquote", "quote", "cit"])
_ROWS, _CELLS = frozenset(["tr", "row"]), frozenset(["td", "th", "entry", "cell"])
# Within a line of text.
_INLINE = frozenset([
    "a", "abbrev", "b", "bold", "email", "emphasis", "ext-link", "foreign", "hi", "i", "inline-formula", "italic",
    "link", "literal", "mark", "monospace", "named-content", "overline", "ref", "sc", "span", "strike", "strong",
    "styled-content", "sub", "sup", "term", "u", "ulink", "underline", "uri", "xref",
])  # fmt: skip
# Of an article: what is about the file or the journal, stands twice, or is no text.
SKIPPED = frozenset([
    "alternatives-graphic", "article-categories", "article-id", "award-group", "contrib-id", "counts",
    "custom-meta-group", "elocation-id", "fpage", "front-stub", "graphic", "history", "institution-id", "issue",
    "journal-meta", "kwd-group-label", "lpage", "media", "object-id", "permissions", "processing-meta", "pub-date",
    "pub-id", "script", "self-uri", "style", "volume",
])  # fmt: skip
_NAMES = ("title", "name", "label")


@dataclass(frozen=True, slots=True)
class Block:
    """`level` is that of a heading; one of level 0 that is called so is the title."""

    kind: str
    text: str
    level: int = 0


def name_of(element: _Element) -> str:
    """The name of an element without its namespace; "" for what is none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def words(element: _Element) -> str:
    """The text of an element and of all in it but what is skipped."""
    parts: list[str] = []
    _gather(element, parts)
    return " ".join("".join(parts).split())


def _gather(element: _Element, parts: list[str]) -> None:
    parts.append(element.text or "")
    for child in element:
        name = name_of(child)
        if name and name not in SKIPPED:
            apart = "" if name in _INLINE else " "
            parts.append(apart)
            _gather(child, parts)
            parts.append(apart)
        parts.append(child.tail or "")


def anything(element: _Element, depth: int) -> Iterator[Block]:
    """The blocks of an element; `depth` is the level of a heading right in it."""
    name = name_of(element)
    if not name or name in SKIPPED:
        return
    children = [child for child in element if name_of(child) and name_of(child) not in SKIPPED]
    if name in _HEADINGS:
        yield Block("heading", words(element), depth)
    elif name in _CODE:
        yield Block("code", "".join(element.itertext()))
    elif name == "table" or (name == "tgroup"):
        yield from table_rows(element)
    elif name == "disp-formula":
        source = next((each for each in element.iter() if name_of(each) == "tex-math"), element)
        yield Block("code", words(source))
    elif name in _CAPTIONS:
        yield Block("caption", words(element))
    elif name in _ITEMS or name in _QUOTES:
        yield Block("item" if name in _ITEMS else "quote", words(element))
    elif name in _PARAGRAPHS or _holds_text(element, children):
        yield from _paragraph(element, depth)
    elif len(children) > 1 and all(_is_value(child) for child in children):
        yield from _record(element, children)
    else:
        inner = depth + any(name_of(child) in _HEADINGS for child in children) if name != "body" else depth
        called = next((text for key, text in _said(element) if key in _NAMES), "")
        if called and children:
            yield Block("heading", called, depth)
            inner = depth + 1
        if called or not children:
            yield from _attributes(element)
        for child in children:
            yield from anything(child, depth if name_of(child) in _HEADINGS else inner)


def _holds_text(element: _Element, children: list[_Element]) -> bool:
    """Whether the element has words of its own, or nothing but what stands within a line."""
    if (element.text or "").strip() or any((child.tail or "").strip() for child in children):
        return True
    return bool(children) and all(name_of(child) in _INLINE for child in children)


def _paragraph(element: _Element, depth: int) -> Iterator[Block]:
    """A paragraph; lists, tables and the like within it come behind it."""
    inner = [
        child
        for child in element.iter()
        if child is not element and name_of(child) in {"list", "table-wrap", "table", *_CODE}
    ]
    outermost = [child for child in inner if not any(above in inner for above in child.iterancestors())]
    parts: list[str] = []
    _gather_without(element, parts, set(outermost))
    yield Block("paragraph", " ".join("".join(parts).split()))
    for child in outermost:
        yield from anything(child, depth)


def _gather_without(element: _Element, parts: list[str], without: set[_Element]) -> None:
    parts.append(element.text or "")
    for child in element:
        name = name_of(child)
        if child in without:
            parts.append(" ")
        elif name and name not in SKIPPED:
            apart = "" if name in _INLINE else " "
            parts.append(apart)
            _gather_without(child, parts, without)
            parts.append(apart)
        parts.append(child.tail or "")


def _is_value(element: _Element) -> bool:
    if len(element) or name_of(element) in (*_PARAGRAPHS, *_HEADINGS, *_ITEMS, *_CODE, *_CAPTIONS):
        return False
    return bool((element.text or "").strip()) or not _said(element)


def _record(element: _Element, children: list[_Element]) -> Iterator[Block]:
    """An element with several short ones in it, as a row of names and values; the attributes of the element first."""
    given = [*_said(element), *((name_of(child), tables.cell_text(child.text or "")) for child in children)]
    for piece in tables.pieces([name for name, _ in given], [value for _, value in given]):
        yield Block("row", piece.text)


def _attributes(element: _Element) -> Iterator[Block]:
    """What an element says by its attributes, as a row; one alone says something only if it is a name."""
    given = _said(element)
    if len(given) > 1:
        for piece in tables.pieces([name for name, _ in given], [value for _, value in given]):
            yield Block("row", piece.text)
    elif given and given[0][0] in _NAMES and not len(element):
        yield Block("row", f"{name_of(element)}: {given[0][1]}")


def _said(element: _Element) -> list[tuple[str, str]]:
    """The attributes of an element that may be meant for people, with their names."""
    given = ((key.rpartition("}")[2], value) for key, value in element.attrib.items() if _is_said(key))
    return [(name, text) for name, value in given if (text := tables.cell_text(value))]


def _is_said(key: str) -> bool:
    """Whether an attribute may be meant for people: not a link, an address or a sign for programs."""
    return "}" not in key and not re.fullmatch(r"(?:xmlns.*|id|ref|href|src|class|style|type|version|lang)", key)


def table_rows(table: _Element) -> Iterator[Block]:
    """Rows with the names of their columns, which are those of the table's head."""
    heads: list[list[str]] = []
    grid: list[list[str]] = []
    for row in table.iter():
        if name_of(row) not in _ROWS:
            continue
        cells: list[str] = []
        for cell in row:
            if name_of(cell) in _CELLS:
                span = cell.get("colspan", "1")
                cells += [words(cell)] * (min(int(span), 50) if span.isdecimal() else 1)
        if any(name_of(above) == "thead" for above in row.iterancestors()):
            heads.append(cells)
        else:
            spanned = [cell if cell != before else "" for before, cell in zip(["", *cells], cells, strict=False)]
            grid.append(spanned if _spans(row) else cells)
    for _, piece in tables.named([*heads, *grid], len(heads)):
        yield Block("row", piece.text)


def _spans(row: _Element) -> bool:
    return any(cell.get("colspan", "1") != "1" for cell in row)
