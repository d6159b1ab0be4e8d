"""A set of judged questions and its documents, as they lie in a folder.

`docs/` holds the documents, `questions.jsonl` one JSON object a line:

    {"id": "q1", "question": "...", "answerable": true,
     "relevant": {document: grade},                                     judged documents; {} where there are none
     "gold": [{"doc", "start", "end", "alternatives": [[start, end]]}]} judged spans; "alternatives" may be left out

A document goes by its file name without the suffix. `start` and `end` count code points of its text, end exclusive.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn, TypeVar

from qa.errors import UsageError

# The library behind nDCG makes room for every grade up to the highest, and ends the process when it cannot.
_MAX_GRADE = 100
_PLAIN_TEXT = (".txt", ".text", ".md", ".markdown")
_LAYOUT = "A set is a folder with docs/ and questions.jsonl."
_LINE = 'A line is one JSON object with "id", "question", "answerable", "relevant" and, where spans are judged, "gold".'

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Code points `[start, end)` of the document `doc`."""

    doc: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its judgements: `relevant` pairs documents with grades, 0 for not relevant; `gold` are the spans
    any one of which answers it. Either may be empty: not judged."""

    id: str
    text: str
    answerable: bool
    relevant: tuple[tuple[str, int], ...] = ()
    gold: tuple[Place, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a line of questions.jsonl, every alternative a span of its own; `from_json` gives the question back."""
        return {
            "id": self.id,
            "question": self.text,
            "answerable": self.answerable,
            "relevant": dict(self.relevant),
            "gold": [{"doc": place.doc, "start": place.start, "end": place.end} for place in self.gold],
        }

    @classmethod
    def from_json(cls, row: Any) -> Question:
        """Raises ValueError, saying what is wrong with the row."""
        text = field(row, "question", str)
        if not text.strip():
            raise ValueError('"question" is empty')
        gold = []
        for span in field(row, "gold", list) if "gold" in row else []:
            doc, first = field(span, "doc", str), [field(span, "start", int), field(span, "end", int)]
            for place in [first, *(field(span, "alternatives", list) if "alternatives" in span else [])]:
                match place:
                    case [int(start), int(end)] if 0 <= start < end:
                        gold.append(Place(doc, start, end))
                    case _:
                        raise ValueError(f"{place!r:.80} is no span [start, end] of {doc!r:.80}")
        relevant = field(row, "relevant", dict)
        if any(type(grade) is not int or not 0 <= grade <= _MAX_GRADE for grade in relevant.values()):
            raise ValueError(f'the grades in "relevant" should be whole numbers from 0 to {_MAX_GRADE}')
        name = field(row, "id", int, str)
        return cls(str(name), text, field(row, "answerable", bool), tuple(relevant.items()), tuple(gold))


def load(set_dir: Path, questions: str | Path = "questions.jsonl") -> tuple[Question, ...]:
    """The questions of a set, in the order of the file, whose path is relative to `set_dir` unless it is absolute.
    Raises UsageError, naming the line, when the file is missing, empty or malformed."""
    path = set_dir / questions
    found: dict[str, Question] = {}
    for number, line in enumerate(_bytes_of(path).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            question = Question.from_json(json.loads(line.decode("utf-8")))
            if question.id in found:
                raise ValueError(f"the id {question.id!r:.80} is taken by an earlier line")
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}, line {number}: {reason(error)}.", _LINE) from None
        found[question.id] = question
    if not found:
        raise UsageError(f"{path} holds no question.", _LINE)
    return tuple(found.values())


def texts_of(set_dir: Path) -> dict[str, str]:
    """The text of every document in `docs/` that is plain text or Markdown in UTF-8, byte for byte as it is written.

    Others are left out: give `score` the text that the engine has of them. Raises UsageError when there is no such
    folder, a file cannot be read, or two of these documents go by one name.
    """
    texts: dict[str, str] = {}
    for folder, _, names in os.walk(set_dir / "docs", onerror=_refuse):
        for path in (Path(folder, name) for name in names):
            if path.suffix.lower() in _PLAIN_TEXT:
                if path.stem in texts:
                    raise UsageError(f"Two documents go by one name: {path} is the second.", "Rename one of them.")
                with suppress(UnicodeDecodeError):
                    texts[path.stem] = _bytes_of(path).decode("utf-8")
    return texts


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError as error:
        _refuse(error, path)
    raise UsageError(f"There is no file {path}.", _LAYOUT)


def _refuse(error: OSError, path: Path | None = None) -> NoReturn:
    raise UsageError(f"{path or error.filename} could not be read: {error.strerror}.", _LAYOUT) from None


_KINDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    NoneType: "null",
}


def field(row: Any, key: str, *kinds: type[T]) -> T:
    """`row[key]`, which is of one of the kinds. Raises ValueError, saying what is wrong."""
    if type(row) is not dict:
        raise ValueError(f"there should be an object with {key!r} where there is {row!r:.80}")
    if key not in row:
        raise ValueError(f'"{key}" is missing')
    # Not isinstance, to which true and false are numbers.
    if type(row[key]) not in kinds:
        raise ValueError(f'"{key}" should be {" or ".join(_KINDS[kind] for kind in kinds)}')
    value: T = row[key]
    return value


def reason(error: Exception) -> str:
    """What is wrong with a text that is no JSON, or not the JSON that was hoped for."""
    if isinstance(error, json.JSONDecodeError):
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        return f"{error.msg} at {where}"
    return str(error)
