"""What a link opens: a document around the sentences that the link cites, and what became of them since it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import quote, urlencode

from qa import permalinks, relocation, sourceview
from qa.errors import UsageError
from qa.locating import place_in
from qa.permalinks import Permalink
from qa.records import Document, Source, Span
from qa.relocation import Found
from qa.sourceview import Entry, Mark, Window

FIELDS = permalinks.FIELDS | {"q", "from"}

NOTHING_SHOWN = Window((), 0, 0, None, None)

_MAX_SHOWN = 1_000
_MAX_FROM = 10**9
_PIECES_BEFORE = 5


class HoldsDocuments(Protocol):
    """What is needed of an engine. The methods may be called from several threads at once."""

    def document(self, document_id: str) -> tuple[Source, Document]:
        """The document as it was indexed. Raises UsageError if there is none of that id."""

    def sentences(self, document_id: str) -> Sequence[Span]:
        """The sentences of a document that may answer, in order."""

    def same_file(self, version: str) -> str | None:
        """The id of a document whose file's hash begins with `version`; None when there is none."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A cited sentence, or what was found in its stead. `anchor` is the id of its mark in the page; `number` is "" for
    the only one; `href`, `previous` and `following` lead to its mark and to those beside it, "" where there is none."""

    kind: str
    number: str
    text: str
    label: str
    anchor: str
    href: str
    previous: str = ""
    following: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the outline, with where it leads."""

    entry: Entry
    href: str


@dataclass(frozen=True, slots=True)
class View:
    """All that the page of a document shows.

    `found` is what became of the sentence that the link is for, None without one; `was` what it was, as far as the
    link says. `marks` are the marked sentences by their position in `window.marks`, `cited` the same in the order of
    the document. `is_elsewhere` is whether the link was made for a document at another path; `lost` counts further
    citations of the link that are no longer there. `page` is that of the sentence, where there is one. `lasting` is a
    new link to the sentence as it is now.
    """

    source: Source
    document: Document
    window: Window
    outline: tuple[Item, ...]
    found: Found | None
    misfit: bool
    was: str
    marks: Mapping[int, Cited]
    cited: tuple[Cited, ...]
    is_elsewhere: bool
    lost: int
    page: int | None
    lasting: str
    earlier: str
    later: str


Beside = Callable[[Source, Document, Span | None], Document]
"""Tells which part of a document, the same text with some of its blocks, is to be shown around a sentence."""


def opened(
    engine: HoldsDocuments, document_id: str, fields: Mapping[str, str], beside: Beside = lambda _, whole, __: whole
) -> View | None:
    """What a document's address with these parameters shows; None when there is no such document, nor one of the same
    content. Raises UsageError when `from` is no number."""
    link = permalinks.read(fields)
    first = _number(fields.get("from"))
    opening = _found(engine, document_id, link)
    if opening is None:
        return None
    source, document, found = opening
    marks: list[Mark] = []
    numbers: list[int] = []
    lost = 0
    if link is not None and found is not None:
        if found.span is not None:
            marks.append(Mark(found.span, kind="changed" if found.kind == "changed" else "cited"))
            numbers.append(link.number)
        elif found.near is not None:
            marks.append(Mark(found.near, kind="near"))
            numbers.append(link.number)
        for other, span in _others(engine, source, document, link):
            if span is None:
                lost += 1
            elif not any(mark.span == span for mark in marks):
                marks.append(Mark(span))
                numbers.append(other)
    order = sorted((n for n, mark in enumerate(marks) if mark.kind != "near"), key=lambda n: marks[n].span)
    if len(order) > 1:
        for place, n in enumerate(order, 1):
            marks[n] = replace(marks[n], number=str(numbers[n] or place))
    main = marks[0].span if marks and found is not None and found.kind != "gone" and found.span else None
    part = beside(source, document, main)
    window = sourceview.window(part, marks, first)
    to = partial(_to, source, {name: value for name, value in fields.items() if name in FIELDS - {"from"}})
    cited = _cited(source, document, window, order, to)
    block = sourceview.block_at(document, main) if main else None
    return View(
        source=source,
        document=document,
        window=window,
        outline=tuple(
            Item(entry, f"#b{entry.block}" if entry.is_shown else to(entry.piece, f"b{entry.block}"))
            for entry in sourceview.outline(document, window if part is document else NOTHING_SHOWN)
        ),
        found=found,
        misfit="cite" in fields and found is None,
        was=_was(link),
        marks=dict(zip(order, cited, strict=True)),
        cited=cited,
        is_elsewhere=source.id != document_id,
        lost=lost,
        page=place_in(block, main.start).page if block and main else None,
        lasting=_lasting(source, document, main, fields.get("q", "")) if main else "",
        earlier="" if window.earlier is None else to(window.earlier),
        later="" if window.later is None else to(window.later),
    )


def _number(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and int(value[:10]) <= _MAX_FROM and len(value) <= 10):
        raise UsageError("`from` is no whole number.", "Leave it out to see the cited place.")
    return int(value)


def _found(
    engine: HoldsDocuments, document_id: str, link: Permalink | None
) -> tuple[Source, Document, Found | None] | None:
    """The document that a link opens and what became of its sentence: the document at the link's own place, unless the
    sentence is not in that and its file is now at another. None when there is neither."""
    copy = engine.same_file(link.version) if link and len(link.version) == permalinks.VERSION_CHARS else None
    try:
        source, document = engine.document(document_id)
    except UsageError:
        if copy is None:
            return None
        source, document = engine.document(copy)
    found = _sought(engine, source, document, link)
    if copy not in (None, source.id) and found is not None and found.kind in ("changed", "gone", "unknown"):
        moved, at_copy = engine.document(copy or "")
        elsewhere = _sought(engine, moved, at_copy, link)
        if elsewhere is not None and elsewhere.kind == "same":
            return moved, at_copy, elsewhere
    return source, document, found


def _sought(engine: HoldsDocuments, source: Source, document: Document, link: Permalink | None) -> Found | None:
    """None when the link names no place, or one that no block of the document has, and no wording to look for."""
    if link is None:
        return None
    is_same_file = bool(link.version) and source.sha256.startswith(link.version)
    found = relocation.find(document.text, lambda: engine.sentences(source.id), link, is_same_file=is_same_file)
    if found.span is not None and sourceview.block_at(document, found.span) is None:
        return None
    if found.kind == "unknown" and (is_same_file or not link.version):
        return None
    return found


def _others(
    engine: HoldsDocuments, source: Source, document: Document, link: Permalink
) -> list[tuple[int, Span | None]]:
    """The numbers of the link's further citations, and where they are now."""
    found: list[tuple[int, Span | None]] = []
    sentences: Sequence[Span] | None = None
    is_same_file = source.sha256.startswith(link.version) and bool(link.version)
    for other in link.others:
        span: Span | None = Span(other.start, other.end)
        if not is_same_file or permalinks.digest(document.text[other.start : other.end]) != other.digest:
            sentences = engine.sentences(source.id) if sentences is None else sentences
            span = relocation.at_digest(document.text, sentences, other.digest, Span(other.start, other.end))
        found.append((other.number, span))
    return found


def _cited(source: Source, document: Document, window: Window, order: Sequence[int], to: _To) -> tuple[Cited, ...]:
    name = PurePosixPath(source.path).name
    made: list[Cited] = []
    for n in order:
        mark = window.marks[n]
        anchor = "cite" if n == 0 else f"cite-{n + 1}"
        block = sourceview.block_at(document, mark.span)
        place = sourceview.place_in_words(place_in(block, mark.span.start)) if block else ""
        piece = max(sourceview.piece_at(document, mark.span.start) - _PIECES_BEFORE, 0)
        made.append(
            Cited(
                kind=mark.kind,
                number=mark.number,
                text=_short(permalinks.even(document.text[mark.span.start : mark.span.end])),
                label=f"{name}, {place}" if n == 0 and place else place or name,
                anchor=anchor,
                href=f"#{anchor}" if n in window.held else to(None if n == 0 else piece, anchor),
            )
        )
    return tuple(
        replace(
            each,
            previous=made[place - 1].href if place else "",
            following=made[place + 1].href if place + 1 < len(made) else "",
        )
        for place, each in enumerate(made)
    )


class _To(Protocol):
    def __call__(self, first: int | None, anchor: str = "") -> str: ...


def _to(source: Source, fields: Mapping[str, str], first: int | None, anchor: str = "") -> str:
    """Where the same link opens with piece number `first` of the document; for None, at its own sentence."""
    begin = {} if first is None else {"from": str(first)}
    given = urlencode({**fields, **begin}, quote_via=quote, errors="replace")
    return f"/doc/{quote(source.id, safe='')}?{given}{f'#{anchor}' if anchor else ''}"


def _lasting(source: Source, document: Document, span: Span, query: str) -> str:
    text, around = document.text, 32
    link = permalinks.permalink(
        source,
        span.start,
        span.end,
        text[span.start : span.end],
        text[max(0, span.start - around) : span.start],
        text[span.end : span.end + around],
    )
    return permalinks.address(source.id, link, query)


def _was(link: Permalink | None) -> str:
    if link is None or link.quote is None:
        return ""
    return _short(f"{link.quote.exact} … {link.quote.tail}" if link.quote.tail else link.quote.exact)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN].rstrip() + " …"
