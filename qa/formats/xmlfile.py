"""XML of any kind, and articles in JATS: the canonical text is put together from the elements that hold words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import html, package, tables
from qa.formats.composing import Composition, HeadingPath, one_line
from qa.formats.limits import Limits
from qa.records import Document, Locator

if TYPE_CHECKING:
    from lxml.etree import _Element

MEDIA_TYPE = "application/xml"

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
_SKIPPED = frozenset([
    "alternatives-graphic", "article-categories", "article-id", "award-group", "contrib-id", "counts",
    "custom-meta-group", "elocation-id", "fpage", "front-stub", "graphic", "history", "institution-id", "issue",
    "journal-meta", "kwd-group-label", "lpage", "media", "object-id", "permissions", "processing-meta", "pub-date",
    "pub-id", "script", "self-uri", "style", "volume",
])  # fmt: skip
_SECTIONS = {
    "abstract": "Abstract", "trans-abstract": "Abstract", "ref-list": "References", "ack": "Acknowledgements",
    "kwd-group": "Keywords", "author-notes": "Author notes", "fn-group": "Notes", "app": "Appendix",
    "bio": "About the author", "glossary": "Glossary", "funding-group": "Funding",
}  # fmt: skip
_NAMES = ("title", "name", "label")
_MAX_AUTHORS = 40


@dataclass(frozen=True, slots=True)
class _Block:
    """`level` is that of a heading; one of level 0 that is called so is the title."""

    kind: str
    text: str
    level: int = 0


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
    if _name(root) == "html":
        found = html.read(data, limits)
        return Document(found.text, found.title, MEDIA_TYPE, found.blocks, found.problems)
    problems = ["Entities that the file defines were left out."] if _put_in_characters(root) else []
    is_article = _name(root) in ("article", "book", "book-part") and root.find("{*}front") is not None
    composition = Composition(limits)
    headings = HeadingPath()
    title = before = ""
    for block in _article(root) if is_article else _anything(root, 1):
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


def _name(element: _Element) -> str:
    """The name of an element without its namespace; "" for what is none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


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


def _words(element: _Element) -> str:
    """The text of an element and of all in it but what is skipped."""
    parts: list[str] = []
    _gather(element, parts)
    return " ".join("".join(parts).split())


def _gather(element: _Element, parts: list[str]) -> None:
    parts.append(element.text or "")
    for child in element:
        name = _name(child)
        if name and name not in _SKIPPED:
            apart = "" if name in _INLINE else " "
            parts.append(apart)
            _gather(child, parts)
            parts.append(apart)
        parts.append(child.tail or "")


def _anything(element: _Element, depth: int) -> Iterator[_Block]:
    """The blocks of an element; `depth` is the level of a heading right in it."""
    name = _name(element)
    if not name or name in _SKIPPED:
        return
    children = [child for child in element if _name(child) and _name(child) not in _SKIPPED]
    if name in _HEADINGS:
        yield _Block("heading", _words(element), depth)
    elif name in _CODE:
        yield _Block("code", "".join(element.itertext()))
    elif name == "table" or (name == "tgroup"):
        yield from _table(element)
    elif name == "disp-formula":
        source = next((each for each in element.iter() if _name(each) == "tex-math"), element)
        yield _Block("code", _words(source))
    elif name in _CAPTIONS:
        yield _Block("caption", _words(element))
    elif name in _ITEMS or name in _QUOTES:
        yield _Block("item" if name in _ITEMS else "quote", _words(element))
    elif name in _PARAGRAPHS or _holds_text(element, children):
        yield from _paragraph(element, depth)
    elif len(children) > 1 and all(_is_value(child) for child in children):
        yield from _record(element, children)
    else:
        inner = depth + any(_name(child) in _HEADINGS for child in children) if name != "body" else depth
        called = next((text for key, text in _said(element) if key in _NAMES), "")
        if called and children:
            yield _Block("heading", called, depth)
            inner = depth + 1
        if called or not children:
            yield from _attributes(element)
        for child in children:
            yield from _anything(child, depth if _name(child) in _HEADINGS else inner)


def _holds_text(element: _Element, children: list[_Element]) -> bool:
    """Whether the element has words of its own, or nothing but what stands within a line."""
    if (element.text or "").strip() or any((child.tail or "").strip() for child in children):
        return True
    return bool(children) and all(_name(child) in _INLINE for child in children)


def _paragraph(element: _Element, depth: int) -> Iterator[_Block]:
    """A paragraph; lists, tables and the like within it come behind it."""
    inner = [
        child
        for child in element.iter()
        if child is not element and _name(child) in {"list", "table-wrap", "table", *_CODE}
    ]
    outermost = [child for child in inner if not any(above in inner for above in child.iterancestors())]
    parts: list[str] = []
    _gather_without(element, parts, set(outermost))
    yield _Block("paragraph", " ".join("".join(parts).split()))
    for child in outermost:
        yield from _anything(child, depth)


def _gather_without(element: _Element, parts: list[str], without: set[_Element]) -> None:
    parts.append(element.text or "")
    for child in element:
        name = _name(child)
        if child in without:
            parts.append(" ")
        elif name and name not in _SKIPPED:
            apart = "" if name in _INLINE else " "
            parts.append(apart)
            _gather_without(child, parts, without)
            parts.append(apart)
        parts.append(child.tail or "")


def _is_value(element: _Element) -> bool:
    if len(element) or _name(element) in (*_PARAGRAPHS, *_HEADINGS, *_ITEMS, *_CODE, *_CAPTIONS):
        return False
    return bool((element.text or "").strip()) or not _said(element)


def _record(element: _Element, children: list[_Element]) -> Iterator[_Block]:
    """An element with several short ones in it, as a row of names and values; the attributes of the element first."""
    given = [*_said(element), *((_name(child), tables.cell_text(child.text or "")) for child in children)]
    for piece in tables.pieces([name for name, _ in given], [value for _, value in given]):
        yield _Block("row", piece.text)


def _attributes(element: _Element) -> Iterator[_Block]:
    """What an element says by its attributes, as a row; one alone says something only if it is a name."""
    given = _said(element)
    if len(given) > 1:
        for piece in tables.pieces([name for name, _ in given], [value for _, value in given]):
            yield _Block("row", piece.text)
    elif given and given[0][0] in _NAMES and not len(element):
        yield _Block("row", f"{_name(element)}: {given[0][1]}")


def _said(element: _Element) -> list[tuple[str, str]]:
    """The attributes of an element that may be meant for people, with their names."""
    given = ((key.rpartition("}")[2], value) for key, value in element.attrib.items() if _is_said(key))
    return [(name, text) for name, value in given if (text := tables.cell_text(value))]


def _is_said(key: str) -> bool:
    """Whether an attribute may be meant for people: not a link, an address or a sign for programs."""
    return "}" not in key and not re.fullmatch(r"(?:xmlns.*|id|ref|href|src|class|style|type|version|lang)", key)


def _table(table: _Element) -> Iterator[_Block]:
    """Rows with the names of their columns, which are those of the table's head."""
    names: list[str] = []
    grid: list[list[str]] = []
    for row in table.iter():
        if _name(row) not in _ROWS:
            continue
        cells: list[str] = []
        for cell in row:
            if _name(cell) in _CELLS:
                span = cell.get("colspan", "1")
                cells += [_words(cell)] * (min(int(span), 50) if span.isdecimal() else 1)
        if any(_name(above) == "thead" for above in row.iterancestors()):
            width = max(len(names), len(cells))
            upper, lower = [*names, *[""] * (width - len(names))], [*cells, *[""] * (width - len(cells))]
            pairs = zip(upper, lower, strict=True)
            names = [" ".join(filter(None, dict.fromkeys(pair))) for pair in pairs]
        else:
            spanned = [cell if cell != before else "" for before, cell in zip(["", *cells], cells, strict=False)]
            grid.append(spanned if _spans(row) else cells)
    if not names and tables.is_header(grid):
        names = grid.pop(0)
    for cells in grid or [names]:
        for piece in tables.pieces(names if grid else [], cells):
            yield _Block("row", piece.text)


def _spans(row: _Element) -> bool:
    return any(cell.get("colspan", "1") != "1" for cell in row)


# --- articles -------------------------------------------------------------------------------------------------------


def _article(root: _Element) -> Iterator[_Block]:
    """Title, authors and abstracts, then the sections, then what stands behind them, then articles within it."""
    meta = root.find("{*}front/{*}article-meta")
    if meta is None:
        meta = root.find("{*}front")
    yield from _front(meta, "title", 1)
    for part in root:
        if _name(part) in ("body", "back", "floats-group"):
            yield from _sections(part, 1)
        elif _name(part) in ("sub-article", "response"):
            stub = part.find("{*}front-stub")
            yield from _front(stub, "heading", 1) if stub is not None else ()
            for inner in part:
                if _name(inner) in ("body", "back"):
                    yield from _sections(inner, 2)


def _front(meta: _Element, kind: str, level: int) -> Iterator[_Block]:
    title = next((each for each in meta.iter() if _name(each) == "article-title"), None)
    if title is not None:
        yield _Block(kind, _words(title), level)
    authors = [_person(each) for each in meta.iter() if _name(each) == "contrib"]
    authors = [author for author in authors if author]
    if authors:
        more = f" and {len(authors) - _MAX_AUTHORS} more" if len(authors) > _MAX_AUTHORS else ""
        yield _Block("row", f"Authors: {', '.join(authors[:_MAX_AUTHORS])}{more}")
    year = next(
        (_words(each) for date in meta.iter() if _name(date) == "pub-date" for each in date if _name(each) == "year"),
        "",
    )
    if year:
        yield _Block("row", f"Published: {year}")
    for part in meta:
        if _name(part) in ("abstract", "trans-abstract", "kwd-group", "author-notes", "funding-group"):
            yield from _sections(part, level)


def _person(contributor: _Element) -> str:
    for each in contributor.iter():
        if _name(each) == "name":
            parts = {_name(child): _words(child) for child in each}
            return " ".join(
                filter(None, (parts.get("given-names", ""), parts.get("surname", ""), parts.get("suffix", "")))
            )
        if _name(each) in ("collab", "string-name"):
            return _words(each)
    return ""


def _sections(part: _Element, level: int) -> Iterator[_Block]:
    """What stands in a part of an article, below its heading."""
    name = _name(part)
    title = next((child for child in part if _name(child) == "title"), None)
    if title is not None or name in _SECTIONS:
        label = next((_words(child) for child in part if _name(child) == "label"), "")
        words = _words(title) if title is not None else _SECTIONS[name]
        yield _Block("heading", f"{label} {words}".strip(), level)
        level += 1
    for child in part:
        kind = _name(child)
        if child is title or not kind or kind in ("label", *_SKIPPED):
            continue
        if kind in ("sec", *_SECTIONS):
            yield from _sections(child, level)
        elif kind in ("fig", "table-wrap", "boxed-text", "supplementary-material", "fig-group", "table-wrap-foot"):
            yield from _float(child, level)
        elif kind == "ref":
            yield _Block("item", _reference(child))
        else:
            yield from _anything(child, level)


def _float(part: _Element, level: int) -> Iterator[_Block]:
    """A figure or table: label and caption, then what is in it."""
    label = " ".join(_words(child) for child in part if _name(child) == "label")
    captions = [child for child in part if _name(child) == "caption"]
    caption = " ".join(_words(child) for child in captions)
    if label or caption:
        yield _Block("caption", f"{label.rstrip('.')}. {caption}".strip() if label else caption)
    for child in part:
        if _name(child) == "alternatives":
            tabled = [each for each in child if _name(each) == "table"]
            for each in tabled[:1]:
                yield from _table(each)
        elif _name(child) in ("fig", "table-wrap", "table-wrap-foot"):
            yield from _float(child, level)
        elif _name(child) not in ("label", "caption", "object-id"):
            yield from _anything(child, level)


def _reference(ref: _Element) -> str:
    """A reference as one line: as it is printed where the file says so, else its authors, title, source and year."""
    printed = next((each for each in ref if _name(each) in ("mixed-citation", "citation", "nlm-citation")), None)
    label = next((_words(each) for each in ref if _name(each) == "label"), "")
    if printed is not None:
        return " ".join(filter(None, (label, _printed(printed))))
    people = [_person_of(each) for each in ref.iter() if _name(each) == "name"]
    rest = {
        _name(each): _words(each)
        for each in ref.iter()
        if _name(each) in ("year", "article-title", "chapter-title", "data-title", "source")
    }
    shown = ", ".join(people[:6]) + (" and others" if len(people) > 6 else "")
    fields = (
        shown,
        rest.get("year", ""),
        *(rest.get(name, "") for name in ("article-title", "chapter-title", "data-title", "source")),
    )
    return " ".join(filter(None, (label, ". ".join(filter(None, fields)))))


def _printed(citation: _Element) -> str:
    """A citation with all that is printed of it: here years, volumes and pages belong to the text."""
    for each in citation.iter():
        if _name(each) == "surname" and not each.tail:
            each.tail = " "
    return " ".join("".join(citation.itertext()).split())


def _person_of(name: _Element) -> str:
    parts = {_name(child): _words(child) for child in name}
    return " ".join(filter(None, (parts.get("given-names", ""), parts.get("surname", ""))))
