"""Articles in JATS, the markup of journals: the blocks of their front, body and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qa.formats.xmlblocks import SKIPPED, Block, anything, name_of, table_rows, words

if TYPE_CHECKING:
    from lxml.etree import _Element

_SECTIONS = {
    "abstract": "Abstract", "trans-abstract": "Abstract", "ref-list": "References", "ack": "Acknowledgements",
    "kwd-group": "Keywords", "author-notes": "Author notes", "fn-group": "Notes", "app": "Appendix",
    "bio": "About the author", "glossary": "Glossary", "funding-group": "Funding",
}  # fmt: skip
_MAX_AUTHORS = 40


def article(root: _Element) -> Iterator[Block]:
    """Title, authors and abstracts, then the sections, then what stands behind them, then articles within it."""
    meta = root.find("{*}front/{*}article-meta")
    if meta is None:
        meta = root.find("{*}front")
    yield from _front(meta, "title", 1)
    for part in root:
        if name_of(part) in ("body", "back", "floats-group"):
            yield from _sections(part, 1)
        elif name_of(part) in ("sub-article", "response"):
            stub = part.find("{*}front-stub")
            yield from _front(stub, "heading", 1) if stub is not None else ()
            for inner in part:
                if name_of(inner) in ("body", "back"):
                    yield from _sections(inner, 2)


def _front(meta: _Element, kind: str, level: int) -> Iterator[Block]:
    title = next((each for each in meta.iter() if name_of(each) == "article-title"), None)
    if title is not None:
        yield Block(kind, words(title), level)
    authors = [_person(each) for each in meta.iter() if name_of(each) == "contrib"]
    authors = [author for author in authors if author]
    if authors:
        more = f" and {len(authors) - _MAX_AUTHORS} more" if len(authors) > _MAX_AUTHORS else ""
        yield Block("row", f"Authors: {', '.join(authors[:_MAX_AUTHORS])}{more}")
    dates = (each for date in meta.iter() if name_of(date) == "pub-date" for each in date)
    year = next((words(each) for each in dates if name_of(each) == "year"), "")
    if year:
        yield Block("row", f"Published: {year}")
    for part in meta:
        if name_of(part) in ("abstract", "trans-abstract", "kwd-group", "author-notes", "funding-group"):
            yield from _sections(part, level)


def _person(contributor: _Element) -> str:
    for each in contributor.iter():
        if name_of(each) == "name":
            parts = {name_of(child): words(child) for child in each}
            return " ".join(
                filter(None, (parts.get("given-names", ""), parts.get("surname", ""), parts.get("suffix", "")))
            )
        if name_of(each) in ("collab", "string-name"):
            return words(each)
    return ""


def _sections(part: _Element, level: int) -> Iterator[Block]:
    """What stands in a part of an article, below its heading."""
    name = name_of(part)
    title = next((child for child in part if name_of(child) == "title"), None)
    if title is not None or name in _SECTIONS:
        label = next((words(child) for child in part if name_of(child) == "label"), "")
        called = words(title) if title is not None else _SECTIONS[name]
        yield Block("heading", f"{label} {called}".strip(), level)
        level += 1
    for child in part:
        kind = name_of(child)
        if child is title or not kind or kind in ("label", *SKIPPED):
            continue
        if kind in ("sec", *_SECTIONS):
            yield from _sections(child, level)
        elif kind in ("fig", "table-wrap", "boxed-text", "supplementary-material", "fig-group", "table-wrap-foot"):
            yield from _float(child, level)
        elif kind == "ref":
            yield Block("item", _reference(child))
        else:
            yield from anything(child, level)


def _float(part: _Element, level: int) -> Iterator[Block]:
    """A figure or table: label and caption, then what is in it."""
    label = " ".join(words(child) for child in part if name_of(child) == "label")
    captions = [child for child in part if name_of(child) == "caption"]
    caption = " ".join(words(child) for child in captions)
    if label or caption:
        yield Block("caption", f"{label.rstrip('.')}. {caption}".strip() if label else caption)
    for child in part:
        if name_of(child) == "alternatives":
            tabled = [each for each in child if name_of(each) == "table"]
            for each in tabled[:1]:
                yield from table_rows(each)
        elif name_of(child) in ("fig", "table-wrap", "table-wrap-foot"):
            yield from _float(child, level)
        elif name_of(child) not in ("label", "caption", "object-id"):
            yield from anything(child, level)


def _reference(ref: _Element) -> str:
    """A reference as one line: as it is printed where the file says so, else its authors, title, source and year."""
    printed = next((each for each in ref if name_of(each) in ("mixed-citation", "citation", "nlm-citation")), None)
    label = next((words(each) for each in ref if name_of(each) == "label"), "")
    if printed is not None:
        return " ".join(filter(None, (label, _printed(printed))))
    people = [_person_of(each) for each in ref.iter() if name_of(each) == "name"]
    rest = {
        name_of(each): words(each)
        for each in ref.iter()
        if name_of(each) in ("year", "article-title", "chapter-title", "data-title", "source")
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
        if name_of(each) == "surname" and not each.tail:
            each.tail = " "
    return " ".join("".join(citation.itertext()).split())


def _person_of(name: _Element) -> str:
    parts = {name_of(child): words(child) for child in name}
    return " ".join(filter(None, (parts.get("given-names", ""), parts.get("surname", ""))))
