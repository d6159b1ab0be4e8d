"""What was measured of every question of a set, as a file that a later run is compared with.

The file is one JSON object, in UTF-8:

    {"format": "qa eval run", "version": 1,
     "means": {measure: {"value": number, "n": how many it is taken over}},
     "rows": [{"id", "question", "answerable", "relevant", "gold",     the question and its judgements, as in a set
               "answered", "confidence",                               null where nothing was predicted
               "passage": {"hit_at_1", "hit_at_5", "reciprocal_rank_at_10"},   null where no span is judged
               "sentence": {the same},
               "ndcg_at_10",                                           null where no document is judged
               "citations", "exact_citations",                         numbers of them
               "first_passage_words"}]}                                null where there was none

`means` are for other programs: what is read are the rows. Another version than 1 is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from qa.errors import UsageError
from qa.evaluation.judgements import Question, field, reason
from qa.evaluation.measures import Found, Row, Scores, means

FORMAT = "qa eval run"
VERSION = 1
_MAKE = "qa eval SET_DIR --save FILE makes such a file."
# Beyond any answer, and small enough to be added up in floating point.
_MAX_COUNT = 10**9


@dataclass(frozen=True, slots=True)
class Run:
    """`scores.rows` are of `questions`, one each, in their order."""

    questions: tuple[Question, ...]
    scores: Scores

    def save(self, path: Path) -> None:
        """Write the file, one row a line. Raises UsageError when it cannot be written."""
        head = {"format": FORMAT, "version": VERSION}
        figures = {mean.measure: {"value": mean.value, "n": mean.n} for mean in self.scores.means}
        rows = [
            question.to_json() | asdict(row) for question, row in zip(self.questions, self.scores.rows, strict=True)
        ]
        lines = ",\n".join(json.dumps(row) for row in rows)
        text = f'{json.dumps(head)[:-1]},\n"means": {json.dumps(figures, indent=1)},\n"rows": [\n{lines}\n]}}\n'
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}).", "Name another file.") from error

    @classmethod
    def load(cls, path: Path) -> Run:
        """Raises UsageError, naming the file and what is wrong with it."""
        try:
            value = json.loads(path.read_bytes().decode("utf-8"))
            _check_format(value)
            questions: dict[str, Question] = {}
            rows = []
            for number, line in enumerate(field(value, "rows", list), 1):
                try:
                    question, row = _question_and_row(line)
                    if question.id in questions:
                        raise ValueError(f"the id {question.id!r:.80} is taken by an earlier row")
                except ValueError as error:
                    raise ValueError(f"row {number}: {error}") from None
                questions[question.id] = question
                rows.append(row)
        except OSError as error:
            raise UsageError(f"{path} could not be read: {error.strerror}.", _MAKE) from None
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is no run that can be compared with: {reason(error)}.", _MAKE) from None
        return cls(tuple(questions.values()), Scores(tuple(rows), tuple(means(rows))))


def _check_format(value: Any) -> None:
    if type(value) is not dict or value.get("format") != FORMAT:
        raise ValueError(f'it does not say "format": "{FORMAT}"')
    if field(value, "version", int) != VERSION:
        raise ValueError(f"it is of version {value['version']!r:.20}, this program reads {VERSION}")


def _question_and_row(line: Any) -> tuple[Question, Row]:
    question = Question.from_json(line)
    answered = field(line, "answered", bool, NoneType)
    confidence = _within(1.0, line, "confidence", int, float, NoneType)
    if (answered is None) != (confidence is None):
        raise ValueError('"answered" and "confidence" should both be null or neither')
    citations, exact = (_within(_MAX_COUNT, line, key, int) for key in ("citations", "exact_citations"))
    if exact > citations:
        raise ValueError('"exact_citations" should not be more than "citations"')
    row = Row(
        question.id,
        question.answerable,
        answered,
        confidence,
        _found(line, "passage"),
        _found(line, "sentence"),
        _within(1.0, line, "ndcg_at_10", int, float, NoneType),
        citations,
        exact,
        _within(_MAX_COUNT, line, "first_passage_words", int, NoneType),
    )
    return question, row


def _found(line: Any, key: str) -> Found | None:
    found = field(line, key, dict, NoneType)
    if found is None:
        return None
    rank = _within(1.0, found, "reciprocal_rank_at_10", int, float)
    return Found(field(found, "hit_at_1", bool), field(found, "hit_at_5", bool), rank)


def _within(most: float, row: Any, key: str, *kinds: type) -> Any:
    value: Any = field(row, key, *kinds)
    if value is not None and not 0 <= value <= most:
        raise ValueError(f'"{key}" should lie between 0 and {most:g}')
    return value
