"""JSON: the canonical text is put together record by record, each value with its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qa.errors import UnreadableFile
from qa.formats import tables
from qa.formats.composing import Composition, check_size, one_line
from qa.formats.decoding import decode
from qa.formats.limits import Limits
from qa.records import Document, Locator

JSON, LINES = "application/json", "application/jsonl"

# A value longer than this is prose: it stands for itself, and is cut into sentences.
_PROSE = 200
_MAX_HEADINGS = 4
_MAX_FOLDED = 12
_MAX_BAD_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Place:
    """A place within a file: in words, and the names that lead there."""

    words: str
    names: tuple[str, ...] = ()

    def below(self, name: str) -> _Place:
        return _Place(f"{self.words}.{name}" if self.words else name, (*self.names, one_line(name))[-_MAX_HEADINGS:])

    def at(self, index: int) -> _Place:
        return _Place(f"{self.words}[{index}]", self.names)


def read(data: bytes, limits: Limits) -> Document:
    """The plain values of an object are a row, "name: value | name: value", with those of objects
    within it; what is nested deeper follows. Places are
    written as in most programming languages, with the first of a list 0: "members[0].address"."""
    text, problems, encoding = _decoded(data, limits)
    try:
        value = _loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableFile(
            f"is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}", "Correct it there."
        ) from error
    composition = Composition(limits)
    _add(composition, value, _Place(""), None)
    title = value.get("title") if isinstance(value, dict) else None
    return composition.document(JSON, title if isinstance(title, str) else "", problems, encoding)


def read_lines(data: bytes, limits: Limits) -> Document:
    """A record in each line. A line that cannot be read is named, and the others are read."""
    text, problems, encoding = _decoded(data, limits)
    composition = Composition(limits)
    bad: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = _loads(line)
            except json.JSONDecodeError:
                bad.append(number)
                continue
            _add(composition, value, _Place(f"record {number}"), number)
    if bad:
        named = ", ".join(map(str, bad[:_MAX_BAD_NAMED]))
        more = f" and {len(bad) - _MAX_BAD_NAMED:,} more" if len(bad) > _MAX_BAD_NAMED else ""
        said = (
            f"{'Line' if len(bad) == 1 else 'Lines'} {named}{more} {'is' if len(bad) == 1 else 'are'} not valid JSON."
        )
        problems = (*problems, said)
        if not composition.has_blocks:
            raise UnreadableFile("holds no line that is valid JSON", "Is it misnamed?")
    return composition.document(LINES, "", problems, encoding)


def _decoded(data: bytes, limits: Limits) -> tuple[str, tuple[str, ...], str]:
    if len(data) > limits.max_markup_bytes:
        most = limits.max_markup_bytes // 2**20
        raise UnreadableFile(f"is JSON of more than {most:,} MiB", "Split it into smaller files.")
    text, problems, encoding = decode(data)
    check_size(len(text), 0, limits)
    return text.removeprefix("\ufeff"), problems, encoding


def _loads(text: str) -> Any:
    # Numbers stay as they are written.
    return json.loads(text, parse_int=str, parse_float=str)


def _add(composition: Composition, value: Any, place: _Place, line: int | None) -> None:
    for kind, text, at in _blocks(value, place):
        words = one_line(at.words)
        locator = Locator(at.names, line=line, place=words, kind="record" if words else "")
        composition.add(kind, text, locator, "\n" if kind == "row" else "\n\n")


def _blocks(value: Any, place: _Place) -> Iterator[tuple[str, str, _Place]]:
    """Kind, text and place of each block."""
    if isinstance(value, dict):
        plain: dict[str, str] = {}
        folded: set[str] = set()
        for name, each in value.items():
            if inner := _folded(name, each):
                plain |= inner
                folded.add(name)
            elif (text := _plain(each)) and not _is_prose(text):
                plain[name] = text
                folded.add(name)
        for piece in tables.pieces(list(map(tables.cell_text, plain)), list(map(tables.cell_text, plain.values()))):
            text = piece.text
            if len(plain) == 1:  # a lone value needs its name here, for no table shows it
                (name,) = plain
                text = text if text.startswith(f"{tables.cell_text(name)}: ") else f"{tables.cell_text(name)}: {text}"
            yield "row", text, place
        for name, each in value.items():
            if name not in folded:
                yield from _blocks(each, place.below(name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _blocks(each, place.at(index))
    elif text := _plain(value):
        yield "paragraph" if _is_prose(text) else "item", text, place


def _folded(name: str, value: Any) -> dict[str, str]:
    """The values of an object within another, named "address.city", where it holds nothing but plain ones; else
    none."""
    if not isinstance(value, dict) or len(value) > _MAX_FOLDED:
        return {}
    inner = {f"{name}.{key}": _plain(each) for key, each in value.items() if each not in (None, "", [], {})}
    return inner if all(text and not _is_prose(text) for text in inner.values()) else {}


def _plain(value: Any) -> str:
    """The text of a plain value, or of a list of a few; "" for others, and for none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and value and not any(isinstance(each, dict | list) for each in value):
        joined = ", ".join(filter(None, map(_plain, value)))
        return joined if not _is_prose(joined) else ""
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value)


def _is_prose(text: str) -> bool:
    return len(text) > _PROSE or "\n" in text.strip()
