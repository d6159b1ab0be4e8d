"""Pages of a PDF as the source view shows them: as pictures with the cited sentence marked, their text beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from qa.errors import UnreadableFile
from qa.facsimiles import Facsimiles
from qa.locating import pages, place_in, stretches
from qa.records import Block, Box, Document, MarkedPage, Picture, Source, Span

MEDIA_TYPE = "application/pdf"

MAX_PAGES = 3
"""Of a place that goes over more pages, the first are shown."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle on a picture, in its pixels."""

    x: float
    y: float
    width: float
    height: float


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
    on = pages(document, mark) if mark else []
    numbers = [int(fields["page"])] if "page" in fields else on[:MAX_PAGES] or [1]
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
    marked: dict[int, tuple[Mark, ...]] = {}
    if mark and set(on) & set(numbers):
        found, doubt = _marked(facsimiles, source, document, file, mark)
        if doubt:
            notices.append(f"This place could not be marked surely on the page: {doubt}. In the text it is marked.")
        for page in found:
            if page.number in pictures:
                marked[page.number] = tuple(_mark(box, pictures[page.number]) for box in page.boxes)
    count = next(iter(pictures.values())).pages
    shown = (
        Page(
            _name(document, number),
            picture_link(source, number),
            picture.width,
            picture.height,
            marked.get(number, ()),
        )
        for number, picture in pictures.items()
    )
    return PageView(
        tuple(shown),
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


def _mark(box: Box, picture: Picture) -> Mark:
    left, top, right, bottom = (
        round(part * whole, 1)
        for part, whole in (
            (box.left, picture.width),
            (box.top, picture.height),
            (box.right, picture.width),
            (box.bottom, picture.height),
        )
    )
    return Mark(left, top, round(right - left, 1), round(bottom - top, 1))


def _blocks_on(document: Document, numbers: Sequence[int]) -> tuple[Block, ...]:
    """What stands on some pages: of a paragraph that goes over to others, its part on these."""
    found = []
    for block in document.blocks:
        spans = [span for span, place in stretches(block) if place.page in numbers]
        if spans:
            place = place_in(block, spans[0].start)
            turns = tuple(turn for turn in block.turns if spans[0].start < turn.start < spans[-1].end)
            found.append(replace(block, start=spans[0].start, end=spans[-1].end, locator=place, turns=turns))
    return tuple(found)


def _name(document: Document, number: int) -> str:
    places = (place for block in document.blocks for _, place in stretches(block))
    labels = (place.label for place in places if place.page == number)
    return f"p. {next(labels, None) or number}"


def _listed(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    return f"Page {first}" if first == last else f"Pages {first}–{last}"
