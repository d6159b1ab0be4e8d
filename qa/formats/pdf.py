"""PDF: the canonical text is put together page by page from PDFium's lines."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import ocr
from qa.formats.composing import Composition, HeadingPath, one_line, plausible_title
from qa.formats.limits import Limits
from qa.formats.pdf_file import DAMAGED, opened
from qa.formats.pdf_headings import heading_levels, plain, title_place
from qa.formats.pdf_hidden import leave_out
from qa.formats.pdf_lines import Line, lines_of, text_of
from qa.formats.pdf_objects import Rule, rules_of, turned
from qa.formats.pdf_paragraphs import paragraphs_of, usual_pitch
from qa.formats.pdf_turns import Part, wholes
from qa.records import Document, Locator

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

MEDIA_TYPE = "application/pdf"

_END, _END_WITHIN = b"%%EOF", 2_048
_CUT_SHORT = "Does not end as a PDF does: it may be cut short, and some of it missing."
_HIDDEN_REMEDY = "Does it show text in another program? If so, save it anew from there."
_NAMELESS_REMEDY = "Print it to a file as pictures, and have that read by text recognition (OCR)."
_PAGE_GAP = "\n\f\n"
_MAX_BOOKMARKS = 100_000

# Running heads and feet stand within this part of the page's height, on this many pages.
_MARGIN = 0.12
_SAME_PLACE = 3.0  # points
_REPEATED = 3
_MAX_RUNS, _MAX_SHOWN = 20, 6
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:page|seite|p\.)?\s*(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|von|de|/)\s*\d{1,4})?[\W_]*", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class _Page:
    """`number` counts from 1; `label` is what is printed on the page when it is something else, else "". `hidden`: the
    ways in which text was hidden that is not among the lines. `angle` is that of most lines; `top` and `bottom` are the
    page's edges as `Line.base` measures them for lines of that angle, and `rules` those drawn on it, turned likewise.
    `is_recognised`: its lines, if any, were read by text recognition."""

    number: int
    label: str
    angle: float
    top: float
    bottom: float
    lines: tuple[Line, ...]
    rules: tuple[Rule, ...] = ()
    is_unreadable: bool = False
    is_picture: bool = False
    is_recognised: bool = False
    hidden: tuple[str, ...] = ()


def read(data: bytes, limits: Limits) -> Document:
    """Text in the order of the file, paragraphs put together from lines, a form feed between pages. Running heads,
    running feet and page numbers are left out. Headings are those that the file's bookmarks name, or that stand out by
    their size or as bold lines of their own; the title comes from the file's properties, else it is the largest text
    of the first page. Pages that are pictures are read by text recognition if the limits allow it."""
    document, _ = read_with_paragraphs(data, limits)
    return document


def read_with_paragraphs(data: bytes, limits: Limits) -> tuple[Document, tuple[tuple[Part, ...], ...]]:
    """As `read`; and for each block of the document the paragraphs that it was made of, in order."""
    pages, properties_title, bookmarks = _extract(data, limits)
    if not any(page.lines for page in pages):
        if any(page.is_unreadable for page in pages):
            raise UnreadableFile("is damaged: none of its pages can be read", DAMAGED)
        if any(page.hidden for page in pages):
            raise UnreadableFile("holds no text but what nobody sees", _HIDDEN_REMEDY)
        if any(page.is_recognised for page in pages):
            raise UnreadableFile("holds pictures alone, in which no text was found", ocr.UNSURE)
        raise UnreadableFile("has no text layer (is it scanned?); not searched", ocr.REMEDY)
    if not any(line.readable for page in pages for line in page.lines):
        raise UnreadableFile("holds text only in fonts that do not name their characters", _NAMELESS_REMEDY)
    document, wholes = _compose(pages, properties_title, bookmarks, limits)
    if _END not in data[-_END_WITHIN:]:
        document = replace(document, problems=(*document.problems, _CUT_SHORT))
    return document, wholes


def _extract(data: bytes, limits: Limits) -> tuple[list[_Page], str, dict[tuple[int, str], int]]:
    """All that is wanted of PDFium: pages, the title among the file's properties, and the level (from 1) of each
    bookmark by its page number and plain name."""
    with opened(data, limits) as document:
        pages = []
        chars = recognised = 0
        for index in range(len(document)):
            page = _page(document, index)
            if page.is_picture and recognised < limits.max_ocr_pages:
                recognised += 1
                page = _recognised(document, index, page)
            pages.append(page)
            chars += sum(len(line.text) for line in pages[-1].lines)
            if chars > limits.max_chars:
                raise UnreadableFile(f"holds more than {limits.max_chars:,} characters of text", "Split it.")
        title = plausible_title(document.get_metadata_value("Title"))
        return pages, title, _bookmarks(document)


def _page(document: PdfDocument, index: int) -> _Page:
    import pypdfium2.raw as pdfium_c
    from pypdfium2 import PdfiumError

    label = document.get_page_label(index).strip()
    label = "" if label == str(index + 1) else label
    try:
        page = document[index]
    except PdfiumError:
        return _Page(index + 1, label, 0, 0, 0, (), is_unreadable=True)
    try:
        left, bottom, right, top = page.get_bbox()
        hidden = leave_out(page)
        textpage = text_of(page)
        try:
            rules = rules_of(page)
            lines = tuple(lines_of(textpage, rules))
        finally:
            textpage.close()
        is_picture = not lines and not hidden and pdfium_c.FPDFPage_CountObjects(page) > 0
        angle = max(counts := Counter(line.angle for line in lines), key=lambda a: (counts[a], -a), default=0.0)
        edges = [y * math.cos(angle) - x * math.sin(angle) for x in (left, right) for y in (bottom, top)]
        lying = turned(rules, angle)
        return _Page(
            index + 1, label, angle, max(edges), min(edges), lines, lying, is_picture=is_picture, hidden=hidden
        )
    except PdfiumError:
        return _Page(index + 1, label, 0, 0, 0, (), is_unreadable=True)
    finally:
        page.close()


def _recognised(document: PdfDocument, index: int, page: _Page) -> _Page:
    """The page, a picture, with the lines that text recognition finds in it."""
    handle = document[index]
    try:
        width, height = handle.get_size()
        bitmap = handle.render(scale=ocr.MAX_SIDE / max(width, height, 1.0), grayscale=True)
        try:
            lines = ocr.lines_in(bitmap.to_pil(), index + 1, len(document))
        finally:
            bitmap.close()
    finally:
        handle.close()
    return _of_lines(page.number, lines, page.label)


def _of_lines(number: int, lines: Sequence[Line], label: str = "") -> _Page:
    return _Page(number, label, 0.0, ocr.POINTS_HIGH, 0.0, tuple(lines), is_recognised=True, is_picture=not lines)


def of_pictures(lines: Sequence[Sequence[Line]], count: int, media_type: str, limits: Limits) -> Document:
    """A document of `count` pictures, from the lines that were recognised in the first of them."""
    pages = [_of_lines(index + 1, found) for index, found in enumerate(lines)]
    pages += [_Page(index + 1, "", 0, 0, 0, (), is_picture=True) for index in range(len(pages), count)]
    if not any(lines):
        raise UnreadableFile("is a picture in which no text was found", ocr.UNSURE)
    document, _ = _compose(pages, "", {}, limits)
    return replace(document, media_type=media_type)


def _bookmarks(document: PdfDocument) -> dict[tuple[int, str], int]:
    from pypdfium2 import PdfiumError

    found: dict[tuple[int, str], int] = {}
    try:
        for bookmark in islice(document.get_toc(), _MAX_BOOKMARKS):
            target = bookmark.get_dest()
            index = target.get_index() if target else None
            if index is not None and (name := plain(bookmark.get_title())):
                found.setdefault((index + 1, name), bookmark.level + 1)
    except PdfiumError:
        return {}
    return found


def _compose(
    pages: list[_Page], title: str, bookmarks: dict[tuple[int, str], int], limits: Limits
) -> tuple[Document, tuple[tuple[Part, ...], ...]]:
    running = _running(pages)
    kept = [
        [
            line
            for place, line in enumerate(page.lines)
            if line.readable and line.text and (page.number, place) not in running
        ]
        for page in pages
    ]
    words = set(_whole_words(kept))
    pitch = usual_pitch(kept)
    monospaced = sum(line.monospaced for lines in kept for line in lines)
    with_code = monospaced < 0.5 * sum(map(len, kept))
    told = [
        [(each, each.text(words)) for each in paragraphs_of(lines, pitch, with_code, page.rules)]
        for page, lines in zip(pages, kept, strict=True)
    ]
    levels = heading_levels(told, bookmarks)
    chief = title_place(told, levels, title)
    if chief and not title:
        title = told[chief[0]][chief[1]][1]

    apart = {*levels, chief} if chief else levels.keys()
    headings = HeadingPath()
    composition = Composition(limits)
    composed: list[tuple[Part, ...]] = []
    for index, (page, begun) in enumerate(zip(pages, wholes(told, apart, words), strict=True)):
        gap, before = _PAGE_GAP, ""
        for whole in begun:
            paragraph, text = whole.parts[0].paragraph, whole.text
            level = levels.get((index, whole.place), 0)
            kind = "title" if (index, whole.place) == chief else "heading" if level else paragraph.kind
            marker = f"{paragraph.marker} " if paragraph.marker else ""
            if kind != "item" and marker and not paragraph.lines[0].marker:
                marker, text = "", marker + text  # "2. Funding" is the heading, not "Funding"
            if before:
                gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
            if kind == "heading":
                headings.leave(level)
            turns = [(at, _locator(pages[number - 1], headings.path, len(pages))) for at, number in whole.turns]
            if composition.add(kind, text, _locator(page, headings.path, len(pages)), gap, marker, turns):
                composed.append(whole.parts)
            before = kind
            if kind == "title":
                headings.clear()
            elif level:
                headings.enter(level, text)
    document = composition.document(MEDIA_TYPE, title, _problems(pages))
    return replace(document, left_out=_left_out(pages, running)), tuple(composed)


def _locator(page: _Page, headings: tuple[str, ...], count: int) -> Locator:
    label = page.label or None
    if not page.is_recognised:
        return Locator(headings, page.number, label)
    if count == 1:
        return Locator(headings, page.number, label, place=ocr.PLACE, kind="scan")
    return Locator(headings, page.number, label, place=f"p. {label or page.number}, {ocr.PLACE}", kind="scan")


def _whole_words(pages: Iterable[Sequence[Line]]) -> Iterator[str]:
    """The words in these lines, in lower case, but for the parts of those that a line's end divides."""
    for lines in pages:
        is_broken = False
        for line in lines:
            found = _WORD.findall(line.text.lower())
            yield from found[is_broken : len(found) - line.hyphenated]
            is_broken = line.hyphenated


def _running(pages: Sequence[_Page]) -> set[tuple[int, int]]:
    """The lines, by page number and place on the page, that are running heads, running feet or page numbers."""
    margins: list[tuple[_Page, list[int]]] = []  # the lines of the head from the top down, of the foot from below up
    seen: dict[str, list[float]] = defaultdict(list)  # where on its page each such line stands
    for page in pages:
        within = _MARGIN * (page.top - page.bottom)
        upright = sorted((line.base, place) for place, line in enumerate(page.lines) if line.angle == page.angle)
        foot = [place for base, place in upright if base - page.bottom < within]
        head = [place for base, place in reversed(upright) if page.top - base < within]
        margins += [(page, foot), (page, head)]
        for place in (*foot, *head):
            seen[_pattern(page.lines[place])].append(page.lines[place].base - page.bottom)
    for bases in seen.values():
        bases.sort()
    few = max(2, min(_REPEATED, (len(pages) + 1) // 2))
    found: set[tuple[int, int]] = set()
    for page, places in margins:
        outermost = True
        for place in places:  # until the first line of the page's own
            line = page.lines[place]
            base = line.base - page.bottom
            bases = seen[_pattern(line)]
            alike = bisect_right(bases, base + _SAME_PLACE) - bisect_left(bases, base - _SAME_PLACE)
            # A page number on its own, or well apart from a head or foot that no other page here repeats.
            parts = [line.text] if len(line.cells) != 2 else [cell.text for cell in line.cells]
            has_number = outermost and len(page.lines) > 1 and any(map(_PAGE_NUMBER.fullmatch, parts))
            if not has_number and alike < few:
                break
            found.add((page.number, place))
            outermost = False
    return found


def _pattern(line: Line) -> str:
    """The line without what changes from page to page."""
    return plain(_NUMBER.sub("0", line.text))


def _left_out(pages: Sequence[_Page], running: Collection[tuple[int, int]]) -> tuple[str, ...]:
    """What nobody would cite."""
    if not running:
        return ()
    texts = [line.text for page in pages for place, line in enumerate(page.lines) if (page.number, place) in running]
    shown = ", ".join(f"“{text}”" for text in list(dict.fromkeys(map(one_line, texts)))[:_MAX_SHOWN])
    lines = "1 line" if len(running) == 1 else f"{len(running):,} lines"
    return (f"Running heads, running feet and page numbers: {lines} ({shown}).",)


def _problems(pages: Sequence[_Page]) -> list[str]:
    pictures = [page.number for page in pages if page.is_picture and not page.is_recognised]
    empty = [page.number for page in pages if page.is_picture and page.is_recognised]
    recognised = [page.number for page in pages if page.is_recognised and not page.is_picture]
    unreadable = [page.number for page in pages if page.is_unreadable]
    signs = [page.number for page in pages if any(not line.readable for line in page.lines)]
    hidden = [page.number for page in pages if page.hidden]
    problems = []
    if pictures:
        remedy = ocr.TOO_MANY if recognised or empty else ocr.REMEDY
        problems.append(f"{_scans(pictures, pages)}; not searched: {_listed(pictures)}. {remedy}")
    if recognised:
        problems.append(f"{_scans(recognised, pages)}; {ocr.PLACE}, which misreads some words: {_listed(recognised)}.")
    if empty:
        problems.append(f"{_scans(empty, pages)} in which no text was found: {_listed(empty)}.")
    if unreadable:
        are = "is" if len(unreadable) == 1 else "are"
        problems.append(f"{len(unreadable)} of {len(pages)} pages {are} damaged; not searched: {_listed(unreadable)}.")
    if signs:
        problems.append(f"Some text is in a font that does not name its characters; not searched: {_listed(signs)}.")
    if hidden:
        ways = ", ".join(sorted({way for page in pages for way in page.hidden}))
        problems.append(f"Some text is hidden from readers ({ways}); not searched: {_listed(hidden)}.")
    return problems


def _scans(numbers: Sequence[int], pages: Sequence[_Page]) -> str:
    are = "is a scan or picture" if len(numbers) == 1 else "are scans or pictures"
    return f"{len(numbers)} of {len(pages)} pages {are}" if len(pages) > 1 else are.capitalize()


def _listed(numbers: Sequence[int]) -> str:
    """Pages in order, those in a row as one: "pages 3, 5-9"."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:_MAX_RUNS])
    return ("page " if len(numbers) == 1 else "pages ") + shown + (" and others" if len(runs) > _MAX_RUNS else "")
