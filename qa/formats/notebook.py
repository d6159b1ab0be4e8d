"""Notebooks: prose, code and printed results cell by cell; prose is read as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from qa.errors import UnreadableFile
from qa.formats import markdown
from qa.formats.composing import Composition, HeadingPath, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

MEDIA_TYPE = "application/x-ipynb+json"

_TERMINAL = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
# A result longer than this is a log or a dump, which answers nothing.
_MAX_OUTPUT = 20_000


def read(data: bytes, limits: Limits) -> Document:
    """Cells are counted from 1, all of them. Results are read as far as they are text; pictures and errors are left
    out. The title is the first heading of level 1."""
    text, problems, encoding = decode(data)
    try:
        notebook = json.loads(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise UnreadableFile(f"is not a notebook: it is no valid JSON ({error})", "Save it anew.") from error
    cells = list(_cells(notebook))
    composition = Composition(limits)
    headings = HeadingPath()
    title = ""
    left_out = 0
    for number, cell in enumerate(cells, 1):
        place = f"cell {number}"
        kind, source = cell.get("cell_type"), _joined(cell.get("source", cell.get("input", "")))
        if kind == "heading":  # of the third edition of the format
            kind, source = "markdown", f"{'#' * int(cell.get('level', 1))} {source}"
        if kind == "markdown":
            title = _add_prose(composition, headings, source, place, limits) or title
        else:
            locator = Locator(headings.path, place=place, kind="cell")
            composition.add("code" if kind == "code" else "paragraph", source, locator)
        for output in _dicts(cell.get("outputs")):
            result = _result(output)
            if len(result) > _MAX_OUTPUT:
                left_out += 1
            else:
                composition.add("code", result, Locator(headings.path, place=f"{place}, result", kind="cell"))
    if left_out:
        what = "1 result is" if left_out == 1 else f"{left_out:,} results are"
        problems = (*problems, f"{what} longer than {_MAX_OUTPUT:,} characters; not searched.")
    return composition.document(MEDIA_TYPE, title, problems, encoding)


def _add_prose(composition: Composition, headings: HeadingPath, source: str, place: str, limits: Limits) -> str:
    """Adds a cell of Markdown, whose headings hold for the cells after it; its heading of level 1, if it has one."""
    if not source.strip():
        return ""
    prose = markdown.read(source.encode("utf-8", "replace"), limits)
    title = ""
    for block in prose.blocks:
        words = prose.text[block.start : block.end]
        level = 0
        if block.kind in ("title", "heading"):
            signs = prose.text[prose.text.rfind("\n", 0, block.start) + 1 : block.start]
            level = signs.count("#") or 1
            headings.leave(level)
        kind = "heading" if level else block.kind
        composition.add(kind, words, Locator(headings.path, place=place, kind="cell"))
        if level:
            headings.enter(level, words)
            title = title or (one_line(words) if level == 1 else "")
    return title


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(notebook, dict):
        raise UnreadableFile("is not a notebook, whatever its name says", "Is it misnamed?")
    sheets = _dicts(notebook.get("worksheets")) or [notebook]
    if not any("cells" in sheet for sheet in sheets):
        raise UnreadableFile("is not a notebook: it has no cells", "Is it misnamed?")
    for sheet in sheets:
        yield from _dicts(sheet.get("cells"))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _joined(value: Any) -> str:
    """A text, which the format may hold line by line."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _result(output: dict[str, Any]) -> str:
    data = output.get("data")
    held = data.get("text/plain") if isinstance(data, dict) else output.get("text")
    return _TERMINAL.sub("", _joined(held))
