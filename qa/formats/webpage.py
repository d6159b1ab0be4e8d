"""Which text a web page shows, cut where a browser begins a new line of its own accord."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qa.formats.composing import one_line

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_KINDS = {
    "li": "item", "dt": "item", "dd": "item", "blockquote": "quote", "figcaption": "caption", "caption": "caption",
    "pre": "code", "xmp": "code", "listing": "code", "plaintext": "code",
    "h1": "heading", "h2": "heading", "h3": "heading", "h4": "heading", "h5": "heading", "h6": "heading",
}  # fmt: skip
_BLOCK_TAGS = frozenset(_KINDS) | frozenset([
    "address", "article", "aside", "body", "center", "details", "dialog", "dir", "div", "dl", "fieldset", "figure",
    "footer", "form", "header", "hgroup", "hr", "html", "legend", "main", "menu", "nav", "ol", "optgroup", "option",
    "p", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
])  # fmt: skip
# Not shown as text, or no part of it: controls, what stands in for another medium, readings of ruby.
_UNSHOWN_TAGS = frozenset([
    "head", "script", "style", "template", "noscript", "svg", "iframe", "object", "embed", "canvas", "audio", "video",
    "map", "select", "datalist", "textarea", "input", "rt", "rp", "annotation", "annotation-xml", "noframes",
    "noembed",
])  # fmt: skip
_UNSHOWN = (
    "[hidden]:not([hidden='until-found']), dialog:not([open]), [style*='display:none' i], [style*='display: none' i], "
    "[style*='visibility:hidden' i], [style*='visibility: hidden' i], "
    ".mw-editsection, .mw-cite-backlink"  # what MediaWiki adds to headings and notes: "[edit]", "^ a b"
)
# Around the matter of a page, not of it. A header, footer or aside within an article belongs to the article.
_AROUND_TAGS = frozenset(["nav", "header", "footer", "aside"])
_MATTER_TAGS = frozenset(["article", "blockquote"])
_AROUND = (
    "[role=navigation], [role=banner], [role=contentinfo], [role=complementary], [role=search], [role=menu], "
    "[role=menubar], [role=toolbar], [role=dialog], [role=alertdialog], [role=tooltip], "
    "[id*=cookie-banner i], [class*=cookie-banner i], [id*=cookie-consent i], [class*=cookie-consent i], "
    "[id*=cookie-notice i], [class*=cookie-notice i], [id*=cookiebanner i], [class*=cookiebanner i], "
    ".noprint, .catlinks, .printfooter"
)
# Links within the page that lead the reader about: back from a note, past the navigation.
_AIDS = re.compile(r"\s*(?:[↑^]|↩︎?|(?:skip|jump) to .{1,40})\s*", re.IGNORECASE)

_SPACES = re.compile(r"[ \t\n\r\f]+")
_BREAK = "\0"  # stands for <br>; no text from the parser holds it
# Cells of more characters than this together are a page laid out as a table, not a row of one.
_MAX_ROW = 2_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A block to be; `level` is that of a heading, 0 for all else."""

    kind: str
    text: str
    level: int = 0


@dataclass(slots=True)
class _Row:
    """A table row being read. It turns out to be layout when a cell holds what a cell of a table does not."""

    cells: list[list[Piece]] = field(default_factory=list)
    is_layout: bool = False

    def pieces(self) -> list[Piece]:
        """The row as one piece, its cells parted by " | "; or all that it holds, piece by piece, when only one cell
        is filled or the cells hold a page's worth of text."""
        each = [piece for cell in self.cells for piece in cell]
        if sum(map(bool, self.cells)) < 2 or sum(len(piece.text) for piece in each) > _MAX_ROW:
            return each
        cells = " | ".join(_cell_text(cell) for cell in self.cells)  # an empty one keeps its place, but at the end
        return [Piece("row", _SPACES.sub(" ", cells).rstrip(" |"))]


def _cell_text(cell: list[Piece]) -> str:
    parts = [" ".join(piece.text.split("\n")) for piece in cell]
    return ("; " if all(piece.kind == "item" for piece in cell) else " ").join(parts)


def pieces_of(page: LexborHTMLParser) -> list[Piece]:
    """The page's blocks in order. What stands around its matter (navigation, page header and footer) is left out,
    unless nothing else is there."""
    return _Walk(page, around=False).pieces() or _Walk(page, around=True).pieces()


class _Walk:
    """One walk over the tree, without recursion: a page may be nested as deep as it likes."""

    def __init__(self, page: LexborHTMLParser, around: bool) -> None:
        self._root = page.body or page.root
        self._unshown = {node.mem_id for node in page.css(_UNSHOWN)}
        self._around = set() if around else {node.mem_id for node in page.css(_AROUND)}
        self._around_tags = frozenset[str]() if around else _AROUND_TAGS
        # What stands around the matter is left out, but for the only h1: that is the title of the matter.
        tops = page.css("h1")
        self._h1 = tops[0] if len(tops) == 1 else None
        self._above_h1: set[int] = set()
        node = self._h1
        while node is not None:
            self._above_h1.add(node.mem_id)
            node = node.parent
        # (Links come in as spans.) A raised link into the page itself is the mark of a note, not a word.
        marks = (node.parent for node in page.css("sup > span[href^='#']:only-child"))
        self._unshown.update(mark.mem_id for mark in marks if mark is not None)
        self._unshown.update(n.mem_id for n in page.css("span[href^='#']") if _AIDS.fullmatch(n.text()))
        self._done: list[Piece] = []
        self._rows: list[_Row] = []
        self._text: list[str] = []
        self._kinds = [("paragraph", 0)]
        self._within_matter = 0

    def pieces(self) -> list[Piece]:
        node = self._root
        entered: list[tuple[LexborNode, str]] = []
        while node is not None or entered:
            if node is None:
                node, tag = entered.pop()
                self._leave(tag)
                node = node.next if entered else None
            elif self._enter(node, tag := node.tag or ""):
                entered.append((node, tag))
                node = node.first_child
            else:
                node = node.next if entered else None
        self._flush()
        return self._done

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Takes note of the node; whether its children are to be walked, too."""
        if tag == "-text":
            self._text.append(node.text_content or "")
            return False
        if tag == "br":
            self._text.append(_BREAK)
            return False
        if tag in _UNSHOWN_TAGS or node.mem_id in self._unshown:
            return False
        if self._is_around(node, tag):
            if self._h1 is not None and node.mem_id in self._above_h1:
                self._flush()
                self._add(Piece("heading", one_line(self._h1.text()), 1))
            return False
        if tag == "button" and self._kinds[-1][0] != "heading":
            return False
        if tag in _BLOCK_TAGS:
            self._flush()
            kind, level = self._kinds[-1]
            if tag in ("td", "th"):
                kind, level = "paragraph", 0
                if self._rows:
                    self._rows[-1].cells.append([])
            elif tag in _KINDS:
                kind, level = _KINDS[tag], int(tag[1]) if _KINDS[tag] == "heading" else 0
            elif tag == "tr":
                self._rows.append(_Row())
            elif tag == "table":
                self._lay_out()
            self._kinds.append((kind, level))
            self._within_matter += tag in _MATTER_TAGS
        return True

    def _leave(self, tag: str) -> None:
        if tag not in _BLOCK_TAGS:
            return
        self._flush()
        self._kinds.pop()
        self._within_matter -= tag in _MATTER_TAGS
        if tag == "tr":
            row = self._rows.pop()
            if not row.is_layout:
                self._done.extend(row.pieces())

    def _is_around(self, node: LexborNode, tag: str) -> bool:
        if tag in self._around_tags:
            return tag == "nav" or not self._within_matter
        return node.mem_id in self._around

    def _flush(self) -> None:
        """Ends the block that text was being gathered for."""
        raw, kind, level = "".join(self._text), *self._kinds[-1]
        self._text.clear()
        if kind == "code":
            self._add(Piece(kind, raw.replace("\r\n", "\n").replace(_BREAK, "\n")))
            return
        lines: list[str] = []
        for line in raw.split(_BREAK):
            if shown := _SPACES.sub(" ", line).strip():
                lines.append(shown)
            elif lines and kind != "heading":  # two breaks in a row: a paragraph ends
                self._add(Piece(kind, "\n".join(lines)))
                lines = []
        self._add(Piece(kind, (" " if kind == "heading" else "\n").join(lines), level))

    def _add(self, piece: Piece) -> None:
        if not piece.text.strip():
            return
        if piece.kind in ("heading", "code"):
            self._lay_out()
        row = self._rows[-1] if self._rows else None
        if row is None or row.is_layout or not row.cells:
            self._done.append(piece)
        else:
            row.cells[-1].append(piece)

    def _lay_out(self) -> None:
        """The row being read, if any, is layout: what it held so far are blocks of their own."""
        if self._rows and not self._rows[-1].is_layout:
            row = self._rows[-1]
            row.is_layout = True
            self._done.extend(piece for cell in row.cells for piece in cell)
