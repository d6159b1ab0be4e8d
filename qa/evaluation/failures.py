"""The answers that are most wrong: the surest of those that should not have been given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qa.evaluation.judgements import Place, Question
from qa.evaluation.measures import Scores
from qa.evaluation.predictions import Prediction, Quote

CITED = 5
"""Citations in which nothing right is a failure."""

CONTEXT = 32
"""Code points shown around a gold span, which may be one word: as many as around a citation."""


@dataclass(frozen=True, slots=True)
class Gold:
    """A judged span with its words and those around it. `text` is empty where the document is not known."""

    place: Place
    prefix: str
    text: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A wrong answer. `cited` are the first five citations, best first; `gold` is empty where the question has no
    answer in the documents."""

    question: Question
    confidence: float
    cited: tuple[Quote, ...]
    gold: tuple[Gold, ...]


def worst(
    questions: Sequence[Question], predictions: Iterable[Prediction], scores: Scores, texts: Mapping[str, str]
) -> tuple[Failure, ...]:
    """Every answer that was given to a question without one, or that has nothing right among its first five citations;
    the surest first, ties in the order of the questions. `scores` are those of the questions and predictions."""
    predicted = {prediction.id: prediction for prediction in predictions}
    failures = [
        Failure(
            question,
            given.confidence,
            given.citations[:CITED],
            tuple(_gold(place, texts.get(place.doc, "")) for place in question.gold if question.answerable),
        )
        for question, row in zip(questions, scores.rows, strict=True)
        if (given := predicted.get(question.id)) and given.answered
        if (not row.sentence.hit_at_5 if row.sentence else not row.answerable)
    ]
    return tuple(sorted(failures, key=lambda failure: -failure.confidence))


def _gold(place: Place, text: str) -> Gold:
    start, end = place.start, place.end
    return Gold(place, text[max(start - CONTEXT, 0) : start], text[start:end], text[end : end + CONTEXT])
