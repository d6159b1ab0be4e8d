"""Which text a web page shows, cut where a browser begins a new line of its own accord."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from qa.formats.composing import one_line
from qa.formats.webtables import Cell, Piece, Row, pieces_of, span

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

_LIST_TAGS = frozenset(["ul", "ol", "menu", "dir"])
_STEP, _MAX_DEPTH = "  ", 8
_MOST = 999_999  # of what people count items by

_SPACES = re.compile(r"[ \t\n\r\f]+")
_BREAK = "\0"  # stands for <br>; no text from the parser holds it


def shown_by(page: LexborHTMLParser) -> list[Piece]:
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
        self._tables: list[list[Row | Piece]] = [[]]  # the page itself, and the tables being read
        self._rows: list[Row] = []
        self._text: list[str] = []
        self._beside_buttons: list[str] = []  # what of that stands in a heading, and in no button
        self._buttons = 0  # that the walk is in, of a heading
        self._kinds = [("paragraph", 0)]
        self._lists: list[int | None] = []  # the numbers of the next items of the lists being read; None: not counted
        self._markers: list[str] = []  # what stands before the next piece of the items being read
        self._within_matter = 0
        self._heads = 0

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
        return list(pieces_of(self._tables[0]))

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Takes note of the node; whether its children are to be walked, too."""
        if tag in ("-text", "br"):
            text = _BREAK if tag == "br" else node.text_content or ""
            self._text.append(text)
            if self._kinds[-1][0] == "heading" and not self._buttons:
                self._beside_buttons.append(text)
            return False
        if tag in _UNSHOWN_TAGS or node.mem_id in self._unshown:
            return False
        if self._is_around(node, tag):
            if self._h1 is not None and node.mem_id in self._above_h1:
                self._flush()
                self._add(Piece("heading", one_line(self._h1.text()), 1))
            return False
        if tag == "button":
            if self._kinds[-1][0] != "heading":
                return False
            self._buttons += 1
        if tag in _BLOCK_TAGS:
            self._flush()
            kind, level = self._kinds[-1]
            if tag in ("td", "th"):
                kind, level = "paragraph", 0
                if self._rows:
                    marks = node.attributes
                    is_head = tag == "th" and not (marks.get("scope") or "").lower().startswith("row")
                    is_head = is_head or self._heads > 0
                    self._rows[-1].cells.append(Cell(span(marks.get("colspan")), span(marks.get("rowspan")), is_head))
            elif tag in _KINDS:
                kind, level = _KINDS[tag], int(tag[1]) if _KINDS[tag] == "heading" else 0
            if tag in _LIST_TAGS:
                self._lists.append(_number(node.attributes.get("start"), 1) if tag == "ol" else None)
            elif tag == "li":
                self._markers.append(self._marker(node))
            elif tag == "tr":
                self._rows.append(Row())
            elif tag == "table":
                self._lay_out()
                self._tables.append([])
            self._kinds.append((kind, level))
            self._within_matter += tag in _MATTER_TAGS
            self._heads += tag == "thead"
        return True

    def _leave(self, tag: str) -> None:
        self._buttons -= tag == "button"
        if tag not in _BLOCK_TAGS:
            return
        self._flush()
        self._kinds.pop()
        if tag in _LIST_TAGS:
            self._lists.pop()
        elif tag == "li":
            self._markers.pop()
        self._within_matter -= tag in _MATTER_TAGS
        self._heads -= tag == "thead"
        if tag == "tr":
            row = self._rows.pop()
            if not row.is_layout:
                self._tables[-1].append(row)
        elif tag == "table":
            ended = pieces_of(self._tables.pop())
            self._tables[-1].extend(ended)

    def _marker(self, item: LexborNode) -> str:
        """What stands before an item, which is counted by that."""
        sign = "-"
        if self._lists and self._lists[-1] is not None:
            number = _number(item.attributes.get("value"), self._lists[-1])
            self._lists[-1] = number + 1
            sign = f"{number}."
        return f"{_STEP * (self._depth - 1)}{sign} "

    @property
    def _depth(self) -> int:
        return min(max(len(self._lists), 1), _MAX_DEPTH)

    def _is_around(self, node: LexborNode, tag: str) -> bool:
        if tag in self._around_tags:
            return tag == "nav" or not self._within_matter
        return node.mem_id in self._around

    def _flush(self) -> None:
        """Ends the block that text was being gathered for."""
        raw, kind, level = "".join(self._text), *self._kinds[-1]
        # A button beside the words of a heading is none of them; one that is all of it opens what stands below.
        if kind == "heading" and (beside := "".join(self._beside_buttons)).strip(f"{_BREAK} \t\n\r\f\xa0"):
            raw = beside
        self._text.clear()
        self._beside_buttons.clear()
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
        if piece.kind == "item" and self._markers:
            piece = replace(piece, marker=self._markers[-1])
            self._markers[-1] = _STEP * self._depth  # what else the item holds stands below its text
        if piece.kind in ("heading", "code"):
            self._lay_out()
        row = self._rows[-1] if self._rows else None
        if row is None or row.is_layout or not row.cells:
            self._tables[-1].append(piece)
        else:
            row.cells[-1].pieces.append(piece)

    def _lay_out(self) -> None:
        """The row being read, if any, is layout: what it held so far are blocks of their own."""
        if self._rows and not self._rows[-1].is_layout:
            row = self._rows[-1]
            row.is_layout = True
            self._tables[-1].extend(row.pieces)


def _number(value: str | None, default: int) -> int:
    """What an attribute says that an item is counted by; as in browsers, anything else than a number says nothing."""
    text = (value or "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) else default
    return min(number, _MOST)
