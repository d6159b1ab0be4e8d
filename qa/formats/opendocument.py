"""OpenDocument texts and presentations: the canonical text is put together from the paragraphs of their markup."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from qa.errors import UnreadableFile
from qa.formats import package, tables
from qa.formats.composing import Composition, HeadingPath, one_line
from qa.formats.limits import Limits
from qa.records import Document, Locator

if TYPE_CHECKING:
    from lxml.etree import _Element

TEXT = "application/vnd.oasis.opendocument.text"
SLIDES = "application/vnd.oasis.opendocument.presentation"

_NAMES = {TEXT: "OpenDocument text", SLIDES: "OpenDocument presentation"}
_SPACE = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_TEXT, _TABLE, _STYLE, _DRAW, _OFFICE, _SHOW = (
    _SPACE % name for name in ("text", "table", "style", "drawing", "office", "presentation")
)
_STYLED = {
    "Title": "title", "Caption": "caption", "Illustration": "caption", "Table": "caption", "Figure": "caption",
    "Drawing": "caption", "Quotations": "quote", "Preformatted_20_Text": "code",
}  # fmt: skip
# Not read: what the program made from the rest (contents, indexes), what was deleted, remarks, alternative texts.
_SKIPPED = frozenset([
    f"{_TEXT}table-of-content", f"{_TEXT}alphabetical-index", f"{_TEXT}illustration-index", f"{_TEXT}table-index",
    f"{_TEXT}object-index", f"{_TEXT}tracked-changes", f"{_TEXT}sequence-decls", f"{_TEXT}variable-decls",
    f"{_TEXT}page-number", f"{_TEXT}ruby-text", f"{_OFFICE}annotation", f"{_OFFICE}forms", f"{_SHOW}notes",
    f"{_SPACE % 'svg-compatible'}desc", f"{_SPACE % 'svg-compatible'}title",
])  # fmt: skip
_HIDDEN_TAGS = frozenset([f"{_TEXT}hidden-text", f"{_TEXT}hidden-paragraph"])
_AROUND_SLIDE = ("date-time", "footer", "header", "page-number")
# Cells of more characters than this together are a page laid out as a table, not a row of one.
_MAX_ROW = 2_000
_MAX_REPEATED = 200
_MAX_STYLES_UP = 20


@dataclass(frozen=True, slots=True)
class _Block:
    kind: str
    text: str
    level: int = 0


@dataclass(slots=True)
class _Styles:
    """`roots`: for each style the named one that it comes from; `hidden`: styles of what is not shown."""

    roots: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)


def read_as(media_type: str) -> Callable[[bytes, Limits], Document]:
    """The reading function of one kind of file."""
    return partial(_read, media_type=media_type)


def _read(data: bytes, limits: Limits, *, media_type: str) -> Document:
    """Headings, paragraphs, lists, tables, text in frames, and notes behind the paragraph they belong to. Page headers
    and footers, contents and indexes, remarks and deleted text are left out. The title is the paragraph styled so, else
    that among the file's properties; of a presentation, the first slide's."""
    with package.opened(data, _NAMES[media_type], limits, may_name_a_type=True) as parts:
        names = parts.namelist()
        if "META-INF/manifest.xml" in names and b"encryption-data" in parts.read("META-INF/manifest.xml"):
            raise UnreadableFile("is protected by a password", "Save a copy without one.")
        if "content.xml" not in names:
            raise UnreadableFile(f"is not an {_NAMES[media_type]}, whatever its name says", "Is it misnamed?")
        content = package.tree(parts.read("content.xml"))
        styles = _styles(content, parts)
        title = package.title(parts, "meta.xml")
    walk = _Walk(styles)
    composition = Composition(limits)
    if media_type == TEXT:
        named, problems = _add_text(composition, walk, content), list[str]()
    else:
        named, problems = _add_slides(composition, walk, content, limits)
    if walk.has_hidden:
        problems.append("Some of the text is hidden; not searched.")
    if not composition.has_blocks and problems:
        raise UnreadableFile(f"holds no text that is shown: {problems[0]}", "Show what is to be searched.")
    return composition.document(media_type, (named or title) if media_type == TEXT else (title or named), problems)


def _styles(content: _Element, parts: zipfile.ZipFile) -> _Styles:
    found = _Styles()
    parents: dict[str, str] = {}
    trees = [content]
    if "styles.xml" in parts.namelist():
        trees.append(package.tree(parts.read("styles.xml")))
    for tree in trees:
        for style in tree.iter(f"{_STYLE}style"):
            name = style.get(f"{_STYLE}name", "")
            parents.setdefault(name, style.get(f"{_STYLE}parent-style-name", ""))
            for properties in style:
                if "none" in (properties.get(f"{_TEXT}display"), properties.get(f"{_TABLE}display")) or "hidden" in (
                    properties.get(f"{_SHOW}visibility"),
                ):
                    found.hidden.add(name)
    for name in parents:
        root = name
        for _ in range(_MAX_STYLES_UP):
            if root in _STYLED or not parents.get(root):
                break
            root = parents[root]
        found.roots[name] = root
    return found


def _add_text(composition: Composition, walk: _Walk, content: _Element) -> str:
    """Adds the body of a text; its title."""
    headings = HeadingPath()
    before = title = ""
    for body in content.iter(f"{_OFFICE}text"):
        for block in walk.blocks(body):
            kind = block.kind
            if kind == "title":
                kind, title = ("title", one_line(block.text)) if not title else ("heading", title)
            if kind == "heading":
                headings.leave(block.level)
            gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
            composition.add(kind, block.text, Locator(headings.path), gap)
            if kind == "heading":
                headings.enter(block.level, block.text)
            before = kind
    return title


def _add_slides(composition: Composition, walk: _Walk, content: _Element, limits: Limits) -> tuple[str, list[str]]:
    """Adds the slides that are shown; the first one's title, and sentences about the others."""
    first_title = ""
    problems = []
    for number, page in enumerate(content.iter(f"{_DRAW}page"), 1):
        if number > limits.max_pages:
            raise UnreadableFile(f"has more than {limits.max_pages:,} slides", "Split it into smaller files.")
        if page.get(f"{_DRAW}style-name") in walk.styles.hidden:
            problems.append(f"Slide {number} is hidden; not searched.")
            continue
        title = ""
        blocks: list[_Block] = []
        for shape in page:
            kind = shape.get(f"{_SHOW}class", "")
            if kind == "title" and not title:
                title = one_line(" ".join(block.text for block in walk.blocks(shape)))
            elif kind not in _AROUND_SLIDE and shape.tag not in _SKIPPED:
                blocks += walk.blocks([shape])
        notes = [
            block
            for frame in page.iterfind(f"{_SHOW}notes/{_DRAW}frame")
            if frame.get(f"{_SHOW}class") == "notes"
            for block in walk.blocks(frame)
        ]
        first_title = first_title or title
        place = Locator(page=number, place=f"slide {number}", kind="slide")
        headings = (title,) if title else ()
        composition.add("heading", title, place)
        before = ""
        for kind, text in ((block.kind, block.text) for block in blocks):
            gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
            composition.add(kind, text, Locator(headings, page=number, place=place.place, kind="slide"), gap)
            before = kind
        for block in notes:
            locator = Locator(headings, page=number, place=f"{place.place}, notes", kind="slide")
            composition.add(block.kind, block.text, locator)
        if not title and not blocks and not notes:
            problems.append(f"Slide {number} holds no text (pictures only?).")
    return first_title, problems


class _Walk:
    """Walks over the markup of a body. `has_hidden` tells afterwards whether anything was passed over as not shown."""

    def __init__(self, styles: _Styles) -> None:
        self.styles = styles
        self.has_hidden = False

    def blocks(self, parent: Iterable[_Element], kind: str = "paragraph") -> Iterator[_Block]:
        """The blocks below an element, in order; paragraphs come as `kind` unless their style says more."""
        for node in parent:
            if node.tag in _SKIPPED or self._is_hidden(node):
                continue
            if node.tag == f"{_TEXT}h":
                level = node.get(f"{_TEXT}outline-level", "1")
                yield from self._paragraph(node, "heading", int(level) if level.isdecimal() else 1)
            elif node.tag == f"{_TEXT}p":
                style = self.styles.roots.get(node.get(f"{_TEXT}style-name", ""), "")
                styled = _STYLED.get(node.get(f"{_TEXT}style-name", ""), _STYLED.get(style, kind))
                yield from self._paragraph(node, styled if kind == "paragraph" else kind)
            elif node.tag == f"{_TEXT}list-item":
                yield from self.blocks(node, "item")
            elif node.tag == f"{_TABLE}table":
                yield from self._table(node)
            elif isinstance(node.tag, str):
                yield from self.blocks(node, kind)

    def _is_hidden(self, node: _Element) -> bool:
        if node.tag in _HIDDEN_TAGS or node.get(f"{_TEXT}display") in ("none", "condition"):
            hidden = True
        else:
            styles = (node.get(f"{space}style-name") for space in (_TEXT, _TABLE, _DRAW))
            hidden = any(style in self.styles.hidden for style in styles if style)
        self.has_hidden = self.has_hidden or hidden
        return hidden

    def _paragraph(self, node: _Element, kind: str, level: int = 0) -> Iterator[_Block]:
        """A paragraph, and behind it the notes and frames that are anchored in it."""
        parts: list[str] = []
        anchored: list[_Element] = []
        self._inline(node, parts, anchored)
        text = "".join(parts)
        text = "\n".join(" ".join(line.split()) if kind != "code" else line.rstrip() for line in text.split("\n"))
        if text.strip():
            yield _Block(kind, text.strip(), level)
        for element in anchored:
            yield from self.blocks(element)

    def _inline(self, node: _Element, parts: list[str], anchored: list[_Element]) -> None:
        parts.append(node.text or "")
        for child in node:
            name = child.tag.removeprefix(_TEXT) if isinstance(child.tag, str) else ""
            if child.tag in _SKIPPED or self._is_hidden(child):
                pass
            elif name == "s":
                count = child.get(f"{_TEXT}c", "1")
                parts.append(" " * min(int(count) if count.isdecimal() else 1, 200))
            elif name == "tab":
                parts.append("\t")
            elif name == "line-break":
                parts.append("\n")
            elif name == "note":
                anchored += child.iterfind(f"{_TEXT}note-body")
            elif isinstance(child.tag, str) and child.tag.startswith(_DRAW):
                anchored.append(child)
            else:
                self._inline(child, parts, anchored)
            parts.append(child.tail or "")

    def _table(self, table: _Element) -> Iterator[_Block]:
        """Rows with the names of their columns; the cells one by one where the table is a layout."""
        rows: list[list[list[_Block]]] = []
        heads = 0
        down: dict[int, tuple[int, list[_Block]]] = {}  # by column: a cell joined over the rows up to this one
        for row in table.iter(f"{_TABLE}table-row"):
            if next(row.iterancestors(f"{_TABLE}table")) is not table or self._is_hidden(row):
                continue  # of a table within a cell, which is read with the cell
            if row.get(f"{_TABLE}visibility") in ("collapse", "filter"):
                self.has_hidden = True
                continue
            cells: list[list[_Block]] = []
            for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                count = cell.get(f"{_TABLE}number-columns-repeated", "1")
                until, above = down.get(len(cells), (0, []))
                is_covered = cell.tag == f"{_TABLE}covered-table-cell" and until > len(rows)
                blocks = above if is_covered else list(self.blocks(cell))
                spanned = cell.get(f"{_TABLE}number-rows-spanned", "1")
                if spanned.isdecimal() and int(spanned) > 1:
                    down[len(cells)] = (len(rows) + int(spanned), blocks)
                cells += [blocks] * (min(int(count), _MAX_REPEATED) if count.isdecimal() else 1)
            heads += row.getparent().tag == f"{_TABLE}table-header-rows" and not rows[heads:]
            rows.append(cells)
        if any(sum(len(block.text) for cell in row for block in cell) > _MAX_ROW for row in rows) or all(
            sum(map(bool, row)) < 2 for row in rows
        ):
            yield from (block for row in rows for cell in row for block in cell)
            return
        grid = [[_cell_text(cell) for cell in row] for row in rows]
        for _, piece in tables.named(grid, heads):
            yield _Block("row", piece.text)


def _cell_text(cell: list[_Block]) -> str:
    joint = "; " if all(block.kind == "item" for block in cell) else " "
    return tables.cell_text(joint.join(block.text for block in cell))
