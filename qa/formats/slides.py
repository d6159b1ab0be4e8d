"""Slides: the canonical text is put together slide by slide, each below its title, the speaker's notes at its end."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import package, tables
from qa.formats.composing import Composition, one_line, plausible_title
from qa.formats.limits import Limits
from qa.records import Document, Locator

if TYPE_CHECKING:
    from lxml.etree import _Element
    from pptx.chart.chart import Chart
    from pptx.presentation import Presentation
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide
    from pptx.table import Table

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_DIAGRAM_DATA = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"
_MAX_NESTING = 50
_MOST_NAMED = 20

_Block = tuple[str, str]


def read(data: bytes, limits: Limits) -> Document:
    """Title, text, tables, charts (as rows of their figures) and diagrams of each slide in the order in which they lie
    on it, then its notes. Hidden slides and shapes, footers, dates, slide numbers and comments are left out. The title
    is that among the file's properties, else that of the first slide."""
    from pptx import Presentation

    with package.opened(data, "PowerPoint", limits) as parts:
        if "ppt/presentation.xml" not in parts.namelist():
            raise UnreadableFile("is not a PowerPoint file, whatever its name says", "Give it its right file ending.")
        presentation = Presentation(io.BytesIO(package.repacked(parts, lambda name: "/media/" not in name)))
    if len(presentation.slides) > limits.max_pages:
        raise UnreadableFile(f"has more than {limits.max_pages:,} slides", "Split it into smaller files.")
    composition = Composition(limits)
    hidden: list[int] = []
    silent: list[int] = []
    veiled: list[int] = []
    first_title = ""
    for number, slide in enumerate(presentation.slides, 1):
        if slide.element.get("show") in ("0", "false"):
            hidden.append(number)
            continue
        reading = _Reading(slide)
        title, blocks = reading.blocks()
        first_title = first_title or title
        place = Locator((), page=number, place=f"slide {number}", kind="slide")
        below = Locator((title,) if title else (), page=number, place=place.place, kind="slide")
        if title:
            composition.add("heading", title, place)
        _add(composition, blocks, below)
        notes = list(_notes(slide))
        _add(composition, notes, Locator(below.heading, page=number, place=f"slide {number}, notes", kind="slide"))
        if not title and not blocks and not notes:
            silent.append(number)
        if reading.has_hidden:
            veiled.append(number)
    problems = [
        *_problem(hidden, "is hidden; not searched.", "are hidden; not searched."),
        *_problem(silent, "holds no text (pictures only?).", "hold no text (pictures only?)."),
        *_problem(veiled, "has hidden shapes; not searched.", "have hidden shapes; not searched."),
    ]
    if not composition.has_blocks and hidden:
        raise UnreadableFile("holds text on hidden slides only, if at all", "Show the slides that are to be searched.")
    if not composition.has_blocks and silent:
        raise UnreadableFile("holds no text: all its slides are empty or pictures", "Run text recognition (OCR) first.")
    return composition.document(MEDIA_TYPE, _title(presentation) or first_title, problems)


def _title(presentation: Presentation) -> str:
    try:
        return plausible_title(presentation.core_properties.title or "")
    except (KeyError, ValueError, AttributeError):
        return ""  # the properties are no part of the text: a file without them, or with others, is as good


def _add(composition: Composition, blocks: Iterable[_Block], locator: Locator) -> None:
    before = ""
    for kind, text in blocks:
        composition.add(kind, text, locator, "\n" if kind == before and kind in ("item", "row") else "\n\n")
        before = kind


def _problem(numbers: list[int], one: str, several: str) -> Iterator[str]:
    if len(numbers) == 1:
        yield f"Slide {numbers[0]} {one}"
    elif numbers:
        more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
        yield f"Slides {', '.join(map(str, numbers[:_MOST_NAMED]))}{more} {several}"


def _notes(slide: Slide) -> Iterator[_Block]:
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    for paragraph in frame.paragraphs if frame is not None else ():
        yield "paragraph", _text(paragraph._p)


def _text(paragraph: _Element) -> str:
    """The text of a paragraph's element, line breaks as newlines, formulas included."""
    parts = []
    for node in paragraph.iter():
        name = str(node.tag).rpartition("}")[2]
        if name == "t":
            parts.append(node.text or "")
        elif name == "br":
            parts.append("\n")
    return "".join(parts).replace("\v", "\n")


class _Reading:
    """One slide being read; `has_hidden` tells afterwards whether anything on it is not shown."""

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self.has_hidden = False
        tree = slide.shapes._spTree
        # Shapes that only newer programs know stand beside a picture of them for the older ones.
        for choice in list(tree.iter(f"{_COMPATIBILITY}Choice")):
            alternatives = choice.getparent()
            if alternatives.getparent() is not None and alternatives[0] is choice:
                for child in choice:
                    alternatives.addprevious(child)
                alternatives.getparent().remove(alternatives)

    def blocks(self) -> tuple[str, list[_Block]]:
        """The slide's title, "" without one, and everything else in order."""
        shapes = self._slide.shapes
        head = shapes.title
        title = one_line(" ".join(_text(p._p) for p in head.text_frame.paragraphs)) if head is not None else ""
        return title, [block for shape in shapes if shape != head for block in self._shape(shape, 0)]

    def _shape(self, shape: BaseShape, depth: int) -> Iterator[_Block]:
        from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

        names = shape._element.xpath("./*[1]/p:cNvPr")
        if names and names[0].get("hidden") in ("1", "true"):
            self.has_hidden = True
            return
        if shape.is_placeholder and shape.placeholder_format.type in (
            PP_PLACEHOLDER.FOOTER,
            PP_PLACEHOLDER.HEADER,
            PP_PLACEHOLDER.DATE,
            PP_PLACEHOLDER.SLIDE_NUMBER,
        ):
            return
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            if depth == _MAX_NESTING:
                raise RecursionError("groups within groups")
            for member in shape.shapes:
                yield from self._shape(member, depth + 1)
        elif shape.has_text_frame:
            yield from _paragraphs(shape)
        elif getattr(shape, "has_table", False):
            yield from _table(shape.table)
        elif getattr(shape, "has_chart", False):
            yield from _chart(shape.chart)
        else:
            yield from self._diagram(shape)

    def _diagram(self, shape: BaseShape) -> Iterator[_Block]:
        """The words of a diagram, which stand in a part of their own."""
        for mark in shape._element.iter(f"{_DIAGRAM}relIds"):
            link = self._slide.part.rels.get(mark.get(f"{_RELATIONS}dm", ""))
            if link is not None and not link.is_external and link.reltype == _DIAGRAM_DATA:
                for paragraph in package.tree(link.target_part.blob).iter(f"{_DRAWING}p"):
                    yield "item", _text(paragraph)


def _paragraphs(shape: BaseShape) -> Iterator[_Block]:
    """The paragraphs of a shape: items where they are a list, which the body of a slide is by itself."""
    from pptx.enum.shapes import PP_PLACEHOLDER

    filled = [(p, text) for p in shape.text_frame.paragraphs if (text := _text(p._p)).strip()]
    body = shape.is_placeholder and shape.placeholder_format.type in (PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT)
    for paragraph, text in filled:
        marks = {str(node.tag).rpartition("}")[2] for node in paragraph._p.iterfind(f"{_DRAWING}pPr/*")}
        bulleted = bool(marks & {"buChar", "buAutoNum", "buBlip"}) or (body and len(filled) > 1)
        yield ("item" if bulleted and "buNone" not in marks else "paragraph"), text


def _table(table: Table) -> Iterator[_Block]:
    grid = [
        [tables.cell_text(" ".join(_text(p._p) for p in cell.text_frame.paragraphs)) for cell in row.cells]
        for row in table.rows
    ]
    for _, piece in tables.named(grid, heads=bool(table.first_row)):
        yield "row", piece.text


def _chart(chart: Chart) -> Iterator[_Block]:
    """The title of a chart, and its figures as stored: a row for each category, or one for each point. Taken from the
    markup, for python-pptx does not know all kinds of charts."""
    if chart.has_title and chart.chart_title.has_text_frame:
        yield "caption", chart.chart_title.text_frame.text
    series = list(chart._chartSpace.iter(f"{_CHART}ser"))
    names = [" ".join(_points(each, "tx").values()) for each in series]
    labels = [_points(each, "cat") or _points(each, "xVal") for each in series]
    values = [_points(each, "val") or _points(each, "yVal") for each in series]
    for index in sorted({index for each in values for index in each}):
        label = next((each[index] for each in labels if index in each), "")
        for piece in tables.pieces(["", *names], [label, *(each.get(index, "") for each in values)]):
            yield "row", piece.text


def _points(series: _Element, part: str) -> dict[int, str]:
    """What is stored of one part of a series, by its place. Figures come as they would be written by hand."""
    found: dict[int, str] = {}
    for points in series.iterfind(f"{_CHART}{part}//{_CHART}pt"):
        text = tables.cell_text("".join(node.text or "" for node in points.iter(f"{_CHART}v")))
        place = int(points.get("idx", "0"))
        found[place] = " ".join(filter(None, (text, found.get(place, ""))))  # outer groups of labels come last
    return {place: tables.figure(text) for place, text in found.items()}
