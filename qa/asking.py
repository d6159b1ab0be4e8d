"""A request's parameters to a Question: from a query string, a form or a JSON body, each of them hostile.

Everything here raises UsageError, which names the parameter and what it may be.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from qa.errors import UsageError
from qa.payload import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, parse_filter
from qa.records import Filter

QUESTION_FIELDS = frozenset({"q", "limit", "offset", "explain", "as_typed"})
FILTER_FIELDS = frozenset({"type", "path", "title", "after", "before"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as `Engine.ask` takes it. What `text` may hold is for the engine to say."""

    text: str
    limit: int
    offset: int
    filter: Filter
    explain: bool = False
    as_typed: bool = False


def read_fields(raw: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters of a query string or a form; raises UsageError for any that is unknown or given twice."""
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=32)
    except UnicodeDecodeError as error:
        raise UsageError("The parameters are not UTF-8.", "Percent-encode them as UTF-8.") from error
    except ValueError as error:
        raise UsageError("There are more than 32 parameters.", "Leave out those that are not needed.") from error
    _refuse_unknown([name for name, _ in pairs], known)
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise UsageError("A parameter is given more than once.", "Give each parameter once.")
    return fields


def _refuse_unknown(names: Collection[str], known: Collection[str]) -> None:
    unknown = sorted({name[:40] for name in names if name not in known})
    if unknown:
        raise UsageError(
            f"Unknown parameter: {', '.join(map(repr, unknown))}.", f"Known here: {', '.join(sorted(known))}."
        )


def from_fields(fields: Mapping[str, str]) -> Question:
    values: dict[str, Any] = {"q": fields.get("q")}
    for name in ("limit", "offset"):
        if fields.get(name):
            number = fields[name]
            values[name] = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else number
    for name in ("explain", "as_typed"):
        if fields.get(name):
            values[name] = {"true": True, "1": True, "false": False, "0": False}.get(fields[name].lower(), fields[name])
    values["filter"] = {name: fields[name] for name in FILTER_FIELDS if name in fields}
    return _question(values)


def from_json(body: bytes) -> Question:
    """The question of a JSON body, in which null stands for what is left out."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("The body is not JSON.", 'Send an object such as {"q": "a question"}.') from error
    if not isinstance(values, dict):
        raise UsageError("The body is no JSON object.", 'Send an object such as {"q": "a question"}.')
    _refuse_unknown(list(values), QUESTION_FIELDS | {"filter"})
    return _question({name: value for name, value in values.items() if value is not None})


def _question(values: Mapping[str, Any]) -> Question:
    words = values.get("filter", {})
    if not isinstance(words, dict):
        raise UsageError("`filter` is no object.", 'Write it as {"type": "pdf", "path": "notes/*"}.')
    _refuse_unknown(list(words), FILTER_FIELDS)
    words = {name: word for name, word in words.items() if word is not None}
    if not all(isinstance(word, str) for word in words.values()):
        raise UsageError("`filter` holds something that is no string.", 'Write it as {"type": "pdf"}.')
    return Question(
        text=_text(values.get("q")),
        limit=_whole_number("limit", values.get("limit", DEFAULT_LIMIT), 1, MAX_LIMIT),
        offset=_whole_number("offset", values.get("offset", 0), 0, MAX_OFFSET),
        filter=parse_filter(**words),
        explain=_truth("explain", values.get("explain", False)),
        as_typed=_truth("as_typed", values.get("as_typed", False)),
    )


def _text(question: Any) -> str:
    if question is None:
        raise UsageError("There is no question.", "Give it as the parameter q.")
    if not isinstance(question, str):
        raise UsageError("The question is no text.", "Give q as a string.")
    return question


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"`{name}` is neither true nor false.", "Write true or false.")
    return value


def _whole_number(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"`{name}` is no whole number from {least} to {most}.", "Give one that is.")
    return value
