"""reStructuredText: the canonical text is put together from the document that docutils makes of the source."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qa.formats import tables
from qa.formats import text as plain_text
from qa.formats.composing import Composition, HeadingPath, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

if TYPE_CHECKING:
    from docutils import nodes

MEDIA_TYPE = "text/x-rst"

# docutils takes some 4 s for a megabyte, and time that grows faster than their length for long lines.
_MAX_CHARS = 2_000_000
_MAX_LINE = 20_000
_TOO_LONG = "Too long to be read as reStructuredText; read as plain text."
_DIRECTIVE = re.compile(r"^[ \t]*\.\. (?:\|[^|\n]{1,100}\| )?([a-zA-Z][\w:.+-]{0,60})::", re.MULTILINE)
_ROLE = re.compile(r":([a-zA-Z][\w:.+-]{0,60}):`")
_TARGET = re.compile(r"(?s)!?~?(.*?)\s+<[^<>]*>\Z")
# Made from other files, or for programs.
_LEFT_OUT = frozenset([
    "autoclass", "autofunction", "automethod", "automodule", "autosummary", "class", "contents", "currentmodule",
    "default-domain", "default-role", "graphviz", "highlight", "image", "include", "index", "literalinclude", "meta",
    "plot", "program", "raw", "role", "sectnum", "tabularcolumns", "toctree",
])  # fmt: skip
_CODE = frozenset(["code", "code-block", "doctest", "mermaid", "parsed-literal", "prompt", "sourcecode", "testcode"])
# What Sphinx puts before a version, without which it is but a number.
_VERSIONS = {
    "deprecated": "Deprecated since version",
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
}
# What docutils itself makes of these is more than the words in them. Others fail for it on any option it does not know.
_MADE_BY_DOCUTILS = frozenset([
    "csv-table", "date", "figure", "list-table", "math", "replace", "table", "unicode",
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Block:
    kind: str
    text: str
    level: int = 0


def read(data: bytes, limits: Limits) -> Document:
    """Headings, lists, tables, notes and code; other files are never included. Of directives that docutils does not
    know, as those of Sphinx, the words are read."""
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    text = text.removeprefix("\ufeff")
    if len(text) > _MAX_CHARS or max(map(len, text.splitlines()), default=0) > _MAX_LINE:
        plain = plain_text.read(data, limits)
        return replace(plain, media_type=MEDIA_TYPE, problems=(*plain.problems, _TOO_LONG))
    headings = HeadingPath()
    composition = Composition(limits)
    title = before = ""
    for block in _blocks(_parsed(text), 0):
        kind = block.kind
        if kind == "title":
            title = one_line(block.text)
        elif kind == "heading":
            headings.leave(block.level)
        gap = "\n" if before == kind and kind in ("item", "row") else "\n\n"
        composition.add(kind, block.text, Locator(headings.path), gap)
        if kind == "heading":
            headings.enter(block.level, block.text)
        before = kind
    return composition.document(MEDIA_TYPE, title, problems, encoding)


def _parsed(text: str) -> nodes.document:
    from docutils.core import publish_doctree

    _know(text)
    settings = {
        "file_insertion_enabled": False,
        "raw_enabled": False,
        "_disable_config": True,
        "report_level": 5,
        "halt_level": 5,
        "traceback": True,
        "warning_stream": io.StringIO(),
        "line_length_limit": _MAX_LINE,
        "smart_quotes": False,
        "sectnum_xform": False,
        "auto_id_prefix": "id",
    }
    found: nodes.document = publish_doctree(text, settings_overrides=settings)
    return found


def _know(text: str) -> None:
    """Makes docutils take the words of all directives and roles in the text that it does not know."""
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives, roles
    from docutils.parsers.rst.languages import en

    class AnyOption(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            return directives.unchanged

    class Words(Directive):
        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True
        option_spec = AnyOption(any=None)

        def run(self) -> list[Any]:
            name = self.name.rpartition(":")[2]
            if name in _LEFT_OUT:
                return []
            held = nodes.container()
            if name in _CODE:
                held += nodes.literal_block("", "\n".join(self.content))
                return [held]
            self.state.nested_parse(self.content, self.content_offset, held)
            if self.arguments and name in _VERSIONS:
                version, *said = self.arguments[0].split(maxsplit=1)
                words, _ = self.state.inline_text(" ".join(said), self.lineno)
                after = held.children[0] if held.children else None
                if not words and isinstance(after, nodes.paragraph):
                    words = [*held.pop(0).children]
                held.insert(0, nodes.paragraph("", f"{_VERSIONS[name]} {version}{': ' if words else ''}", *words))
            elif self.arguments:
                held.insert(0, nodes.paragraph("", self.arguments[0]))
            return [held]

    def role(
        name: str, source: str, words: str, lineno: int, inliner: Any, options: Any = None, content: Any = None
    ) -> tuple[list[Any], list[Any]]:
        shown = _TARGET.match(words)
        return [nodes.inline("", shown[1] if shown and shown[1] else words.lstrip("~!"))], []

    for name in {*_DIRECTIVE.findall(text)} - _MADE_BY_DOCUTILS:
        directives.register_directive(name.lower(), Words)
    for name in set(_ROLE.findall(text)):
        if name.lower() not in en.roles:
            roles.register_local_role(name, role)


def _blocks(node: nodes.Node, level: int) -> Iterator[_Block]:
    """The blocks of a node; `level` is that of the heading of the section it is in, 0 outside."""
    from docutils import nodes

    for child in node.children:
        if isinstance(child, nodes.Invisible | nodes.image | nodes.raw | nodes.meta):
            continue
        if isinstance(child, nodes.system_message):
            # What docutils could not make sense of, as a table out of joint, stands there as it was written.
            for source in child.findall(nodes.literal_block):
                if not source.astext().startswith((".. figure", ".. image", ".. include", ".. raw")):
                    yield _Block("code", source.astext())
            continue
        if isinstance(child, nodes.section):
            yield from _blocks(child, level + 1)
        elif isinstance(child, nodes.title):
            yield _Block("heading" if level else "title", child.astext(), level)
        elif isinstance(child, nodes.topic) and "contents" in child["classes"]:
            continue
        elif isinstance(child, nodes.literal_block | nodes.doctest_block | nodes.math_block):
            yield _Block("code", child.astext())
        elif isinstance(child, nodes.table):
            yield from _table(child)
        elif isinstance(child, nodes.field | nodes.option_list_item):
            yield _Block("row", ": ".join(" ".join(part.astext().split()) for part in child.children if part.astext()))
        elif isinstance(child, nodes.docinfo):
            for each in child.children:
                if isinstance(each, nodes.field):
                    yield _Block("row", ": ".join(" ".join(part.astext().split()) for part in each.children))
                else:
                    yield _Block("row", f"{type(each).__name__.capitalize()}: {' '.join(each.astext().split())}")
        elif isinstance(child, nodes.definition_list_item):
            yield from _definition(child, level)
        elif isinstance(child, nodes.list_item):
            yield from _with_kind(_blocks(child, level), "item")
        elif isinstance(child, nodes.block_quote):
            yield from _with_kind(_blocks(child, level), "quote")
        elif isinstance(child, nodes.caption):
            yield _Block("caption", _words(child))
        elif isinstance(child, nodes.line_block):
            yield _Block("paragraph", "\n".join(line.astext() for line in child.findall(nodes.line)))
        elif isinstance(child, nodes.label):
            continue
        elif isinstance(child, nodes.TextElement):
            yield _Block("paragraph", _words(child))
        elif isinstance(child, nodes.Element):
            yield from _blocks(child, level)


def _words(node: nodes.TextElement) -> str:
    """A paragraph's text, its line breaks those of the source; a note's mark is no part of it."""
    from docutils import nodes

    parts: list[str] = []
    for each in node.findall(nodes.Text):
        if not isinstance(each.parent, nodes.footnote_reference | nodes.citation_reference):
            parts.append(each.astext())
        elif parts:
            parts[-1] = parts[-1].rstrip()
    return "".join(parts)


def _with_kind(blocks: Iterator[_Block], kind: str) -> Iterator[_Block]:
    for block in blocks:
        yield replace(block, kind=kind) if block.kind == "paragraph" else block


def _definition(item: nodes.definition_list_item, level: int) -> Iterator[_Block]:
    """A term, with its definition where that is one paragraph."""
    from docutils import nodes

    terms = [" ".join(child.astext().split()) for child in item.children if isinstance(child, nodes.term)]
    inner = [block for child in item.children if isinstance(child, nodes.definition) for block in _blocks(child, level)]
    if len(inner) == 1 and inner[0].kind == "paragraph":
        yield _Block("item", f"{', '.join(terms)}: {inner[0].text}")
    else:
        yield _Block("item", ", ".join(terms))
        yield from inner


def _table(table: nodes.table) -> Iterator[_Block]:
    """Rows with the names of their columns."""
    from docutils import nodes

    for title in table.findall(nodes.title):
        yield _Block("caption", _words(title))
    heads = 0
    grid: list[list[str]] = []
    for row in table.findall(nodes.row):
        cells: list[str] = []
        for entry in row.findall(nodes.entry):
            cells += [tables.cell_text(entry.astext()), *[""] * min(int(entry.get("morecols", 0)), 50)]
        heads += isinstance(row.parent, nodes.thead)
        grid.append(cells)
    for _, piece in tables.named(grid, heads):
        yield _Block("row", piece.text)
