"""Pages of a PDF as the source view shows them: as pictures with the cited sentence marked, their text beside them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from qa.errors import UnreadableFile
from qa.facsimiles import Facsimiles
from qa.records import Block, Box, Document, MarkedPage, Picture, Source, Span

MEDIA_TYPE = "application/pdf"

MAX_PAGES = 3
"""Of a place that goes over more pages, the first are shown."""

_ENDED = re.compile(r"[.!?…:;。！？][\"'”’»)\]\d]*$")
_FIRST_SENTENCE = re.compile(r".*?[.!?…。！？][\"'”’»)\]]*(?=\s|\Z)", re.DOTALL)
_LAST_SENTENCE = re.compile(r"(?:.*[.!?…。！？][\"'”’»)\]]*\s+)?(\S.*)\Z", re.DOTALL)
_MAX_REST_CHARS = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle on a picture, in its pixels. `is_rest`: what it marks is not cited, but the other part of a sentence
    that goes over from one page to the next."""

    x: float
    y: float
    width: float
    height: float
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is shown: what people call it, and the address of its picture of `width` times `height` pixels."""

    name: str
    address: str
    width: int
    height: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class PageView:
    """The pages shown, and the text beside them: without pages, all of it. `before`, `after` and `text` are the
    addresses of the pages before and after, "" where there are none, and of the whole text. `where` says which pages of
    how many are shown; `notices` tell what is not shown or marked, and why."""

    pages: tuple[Page, ...]
    beside: Document
    before: str = ""
    after: str = ""
    text: str = ""
    where: str = ""
    notices: tuple[str, ...] = ()

    @property
    def is_marked(self) -> bool:
        """Whether any of the pages shown has a mark."""
        return any(page.marks for page in self.pages)


class NoSuchPage(UnreadableFile):
    """A document has no page of a number."""


def view(
    facsimiles: Facsimiles,
    source: Source,
    document: Document,
    file: Path | None,
    mark: Span | None,
    fields: Mapping[str, str],
) -> PageView:
    """The pages that `mark` is on, else the first; or the one that `fields`, the parameters of the address, name as
    `page`. `file` is None when it is not the one that was indexed. Raises NoSuchPage."""
    if file is None:
        return PageView((), document, notices=("Its pages are not shown, for they may have changed.",))
    kept = {name: value for name, value in fields.items() if name != "page"}
    numbers = [int(fields["page"])] if "page" in fields else _pages_of(document, mark) or [1]
    rest = _rest(document, mark) if mark else None
    if rest and "page" not in fields:
        numbers = sorted({*numbers, *_pages_of(document, rest)})
    numbers = numbers[:MAX_PAGES]
    pictures: dict[int, Picture] = {}
    notices = []
    for number in numbers:
        try:
            pictures[number] = facsimiles.picture(file, source.sha256, number)
        except UnreadableFile as error:
            if "page" in fields and not _blocks_on(document, numbers):
                raise NoSuchPage(f"Page {number} of {source.path!r} cannot be shown: it {error.what}.") from error
            notices.append(f"Page {number} cannot be shown: the file {error.what}. {error.remedy}".strip())
    if not pictures:
        return PageView((), document, notices=tuple(notices))
    marked: dict[int, list[Mark]] = {}
    for span in (mark, rest):
        if span is not None and set(_pages_of(document, span)) & set(numbers):
            found, doubt = _marked(facsimiles, source, document, file, span)
            if doubt and span is mark:
                notices.append(f"This place could not be marked surely on the page: {doubt}. In the text it is marked.")
            for page in found:
                if page.number in pictures:
                    marks = (_mark(box, pictures[page.number], span is not mark) for box in page.boxes)
                    marked.setdefault(page.number, []).extend(marks)
    count = next(iter(pictures.values())).pages
    pages = (
        Page(
            _name(document, number),
            picture_link(source, number),
            picture.width,
            picture.height,
            tuple(marked.get(number, ())),
        )
        for number, picture in pictures.items()
    )
    return PageView(
        tuple(pages),
        replace(document, blocks=_blocks_on(document, numbers)),
        before=_link(source, kept | {"page": str(numbers[0] - 1)}) if numbers[0] > 1 else "",
        after=_link(source, kept | {"page": str(numbers[-1] + 1)}) if numbers[-1] < count else "",
        text=_link(source, kept | {"from": "0"}),
        where=f"{_listed(numbers)} of {count}",
        notices=tuple(notices),
    )


def picture_link(source: Source, number: int) -> str:
    """Where the picture of a page is, as a relative URL; `v` so that it is another after the file has changed."""
    return f"/doc/{quote(source.id, safe='')}/page/{number}.png?v={source.sha256[:12]}"


def _link(source: Source, fields: Mapping[str, str]) -> str:
    place = "#cite" if "cite" in fields and "from" not in fields else ""
    return f"/doc/{quote(source.id, safe='')}?{urlencode(fields, quote_via=quote)}{place}"


def _marked(
    facsimiles: Facsimiles, source: Source, document: Document, file: Path, span: Span
) -> tuple[Sequence[MarkedPage], str]:
    """The boxes of a span, and if that is not sure, why."""
    try:
        places = facsimiles.places(file, source.sha256, document.text, span)
    except UnreadableFile as error:
        return (), f"the file {error.what}"
    return places.pages, places.doubt


def _mark(box: Box, picture: Picture, is_rest: bool) -> Mark:
    left, top, right, bottom = (
        round(part * whole, 1)
        for part, whole in (
            (box.left, picture.width),
            (box.top, picture.height),
            (box.right, picture.width),
            (box.bottom, picture.height),
        )
    )
    return Mark(left, top, round(right - left, 1), round(bottom - top, 1), is_rest)


def _overlapping(document: Document, span: Span) -> Sequence[Block]:
    first = bisect_right(document.blocks, span.start, key=lambda block: block.end)
    return document.blocks[first : bisect_left(document.blocks, span.end, key=lambda block: block.start)]


def _pages_of(document: Document, span: Span | None) -> list[int]:
    """The numbers of the pages that a span is on, in order."""
    if span is None:
        return []
    blocks = _overlapping(document, span)
    return sorted({block.locator.page for block in blocks if block.locator.page is not None})


def _blocks_on(document: Document, numbers: Sequence[int]) -> tuple[Block, ...]:
    return tuple(block for block in document.blocks if block.locator.page in numbers)


def _name(document: Document, number: int) -> str:
    labels = (block.locator.label for block in document.blocks if block.locator.page == number)
    return f"p. {next(labels, None) or number}"


def _listed(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    return f"Page {first}" if first == last else f"Pages {first}–{last}"


def _rest(document: Document, mark: Span) -> Span | None:
    """The other part of the marked sentence where a page turn parts it: the beginning of the next page, or the end of
    the one before. Reading ends every paragraph with its page."""
    blocks = _overlapping(document, mark)
    if not blocks:
        return None
    after = bisect_left(document.blocks, mark.end, key=lambda block: block.start)
    last, following = blocks[-1], document.blocks[after : after + 1]
    if following and mark.end >= last.end and _goes_on(document, last, following[0]):
        head = document.text[following[0].start : following[0].end]
        sentence = _FIRST_SENTENCE.match(head)
        length = sentence.end() if sentence else len(head)
        return Span(following[0].start, following[0].start + length) if length <= _MAX_REST_CHARS else None
    first = bisect_right(document.blocks, mark.start, key=lambda block: block.end)
    if first and mark.start <= blocks[0].start and _goes_on(document, document.blocks[first - 1], blocks[0]):
        before = document.blocks[first - 1]
        tail = _LAST_SENTENCE.match(document.text[before.start : before.end])
        if tail and len(tail[1]) <= _MAX_REST_CHARS:
            return Span(before.start + tail.start(1), before.end)
    return None


def _goes_on(document: Document, one: Block, other: Block) -> bool:
    """Whether a sentence at the end of a page goes on at the beginning of the next."""
    pages = one.locator.page, other.locator.page
    if one.kind != "paragraph" or other.kind != "paragraph" or None in pages or pages[1] != (pages[0] or 0) + 1:
        return False
    is_begun = not _ENDED.search(document.text[one.start : one.end])
    return is_begun and document.text[other.start].islower()
