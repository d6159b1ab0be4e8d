"""HTML: the canonical text is what a browser shows of the page's own matter, one block after another."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qa.errors import UnreadableFile
from qa.formats.composing import Composition, HeadingPath, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.formats.webpage import shown_by
from qa.formats.webtables import Piece
from qa.records import Document, Locator

MEDIA_TYPE = "text/html"

_CHARSET = re.compile(rb"<meta[^>]{1,500}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.IGNORECASE)
_CHARSET_WITHIN = 4_096  # browsers look at the first 1,024 bytes; saved pages put comments before

# What the parser would take for one token: a comment, an element without markup in it, a tag with its attributes. No
# alternative can fail once it has begun, so that one pass over any text takes linear time.
_TOKEN = re.compile(
    r"""<!--(?:-?>|(?s:.*?)(?:--!?>|\Z))
    |<(?P<unread>script|style|iframe|noembed|noframes)(?=[\s/>])(?s:.*?)(?:</(?P=unread)(?=[\s/>])[^>]*+>?|\Z)
    |<(?P<verbatim>title|textarea|xmp)(?=[\s/>])(?s:.*?)(?:</(?P=verbatim)(?=[\s/>])[^>]*+>?|\Z)
    |<(?P<slash>/?)(?P<name>[a-z][^\s/>]*+)(?P<rest>(?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+)(?P<end>>?)""",
    re.IGNORECASE | re.VERBOSE,
)
_EMPTY = re.compile(r"""<([a-z][\w:.-]*+)((?:[^<>"'/]++|"[^"<]*+"|'[^'<]*+'|/(?!>))*+)/>""", re.IGNORECASE)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "wbr"]
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
# Left unclosed, formatting elements are opened anew in every following paragraph: 30 kB can become millions of nodes.
# They mean nothing for the text, so they come in as spans, which are not opened anew.
_FORMATTING = frozenset([
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
])  # fmt: skip
_NOT_NESTING = frozenset([
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link",
    "meta", "param", "source", "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot",
    "option", "optgroup", "colgroup", "body", "head", "html",
])  # fmt: skip
# Drawn shapes are written self-closed and would seem to nest.
_SHAPES = frozenset([
    "path", "circle", "ellipse", "rect", "line", "polyline", "polygon", "use", "stop", "image",
])  # fmt: skip
# Between the name of a page and that of its site.
_SEPARATED = re.compile(r"\s+[-–—|·:»]\s+")
# Browsers stop at 512. The parser takes time in proportion to the depth for every tag: 20 s for 100,000.
_MAX_DEPTH = 1_000
# The parser compares each attribute with all before it in its tag: 8 s for 50,000.
_VAST_TAG = 20_000
_MAX_ATTRIBUTES = 2_000


def read(data: bytes, limits: Limits) -> Document:
    """The page's text with white space as a browser shows it, without navigation, page header and footer, side notes
    and what is hidden. Blocks are parted by an empty line, list items and table rows by a newline."""
    if len(data) > limits.max_markup_bytes:
        most = limits.max_markup_bytes // 2**20
        raise UnreadableFile(f"is HTML of more than {most:,} MiB", "Split it into smaller files.")
    declared = _CHARSET.search(data, 0, _CHARSET_WITHIN)
    source, problems, encoding = decode(data, declared[1].decode("ascii", "replace") if declared else "")
    return read_markup(opened_up(source), MEDIA_TYPE, limits, problems=problems, encoding=encoding)


def opened_up(source: str) -> str:
    """XHTML for a reader of HTML, to which a tag that ends with "/>" is an open one: an empty `<script/>` or `<title/>`
    would swallow the rest of the page. HTML proper stays as it is."""
    if not source.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        return source
    return _EMPTY.sub(lambda tag: tag[0] if tag[1].lower() in _VOID else f"<{tag[1]}{tag[2]}></{tag[1]}>", source)


def read_markup(
    source: str,
    media_type: str,
    limits: Limits,
    title: str = "",
    problems: Iterable[str] = (),
    encoding: str = "",
) -> Document:
    """A document of any format that was turned into HTML. Its title is its only h1, else `title`, else its <title>,
    else its first h1; but the heading that the <title> begins with, where it ends with the h1: that is the site's."""
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(_tamed(source, limits))
    pieces = shown_by(page)
    tops = [piece for piece in pieces if piece.level == 1]
    if not title and (element := page.css_first("head > title")):
        title = one_line(element.text())
    chief = tops[0] if len(tops) == 1 else None
    if tops and not title and tops[0] is next(piece for piece in pieces if piece.level):
        chief = tops[0]
    parts = _SEPARATED.split(title.casefold())
    named = next((one_line(piece.text) for piece in pieces if piece.level and _folded(piece) == parts[0]), "")
    if named and len(parts) == 2 and tops and _folded(tops[0]) == parts[1]:
        title, chief = named, None
    elif chief or (tops and not title):
        title = one_line(tops[0].text)

    headings = HeadingPath()
    composition = Composition(limits)
    before = ""
    for piece in pieces:
        kind = "title" if piece is chief else piece.kind
        gap = "\n" if kind == before and kind in ("item", "row") else "\n\n"
        if kind == "heading":
            headings.leave(piece.level)
        composition.add(kind, piece.text, Locator(headings.path), gap, piece.marker)
        before = kind
        if kind == "title":
            headings.clear()
        elif kind == "heading":
            headings.enter(piece.level, piece.text)
    return composition.document(media_type, title, problems, encoding)


def _folded(heading: Piece) -> str:
    return one_line(heading.text).casefold()


def _tamed(source: str, limits: Limits) -> str:
    """`source` without what makes the parser take more than linear time and memory, and without what is not read."""
    depth = tags = 0

    def tame(match: re.Match[str]) -> str:
        nonlocal depth, tags
        tags += 1
        if tags > limits.max_tags:
            raise UnreadableFile(f"holds more than {limits.max_tags:,} tags", "Split it into smaller files.")
        if not match["name"]:
            return match[0] if match["verbatim"] else ""
        name, slash, rest = match["name"].lower(), match["slash"], match["rest"]
        if name in _SHAPES:
            return ""
        if len(rest) > _VAST_TAG:
            bare = _QUOTED.sub(" ", rest)
            rest = "" if max(bare.count("="), len(bare.split())) > _MAX_ATTRIBUTES else rest
        if name not in _NOT_NESTING:
            level, depth = (depth, max(0, depth - 1)) if slash else (depth + 1, depth + 1)
            if level > _MAX_DEPTH:
                return ""
        return f"<{slash}{'span' if name in _FORMATTING else name}{rest}{match['end']}"

    return _TOKEN.sub(tame, source)
