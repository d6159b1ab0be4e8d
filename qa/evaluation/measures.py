"""Predictions held against judgements: a row of each question, and means over rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from qa.evaluation.calibration import area_under_risk_coverage, expected_calibration_error
from qa.evaluation.judgements import Place, Question
from qa.evaluation.predictions import Prediction, Quote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Found:
    """Whether one of the first, or of the first five, overlaps a gold span; and 1 / rank of the first that does, 0 if
    none of the first ten does."""

    hit_at_1: bool
    hit_at_5: bool
    reciprocal_rank_at_10: float


@dataclass(frozen=True, slots=True)
class Row:
    """All that is known of one question. None: not judged for this question, or (`answered`, `confidence`,
    `first_passage_words`) nothing was predicted."""

    id: str
    answerable: bool
    answered: bool | None
    confidence: float | None
    passage: Found | None
    sentence: Found | None
    ndcg_at_10: float | None
    citations: int
    exact_citations: int
    first_passage_words: int | None

    @property
    def right(self) -> bool | None:
        """What confidence is held against: whether the question is answerable and the first passage overlaps a gold
        span. None: answerable but without judged spans, or nothing was predicted."""
        if self.confidence is None:
            return None
        if not self.answerable:
            return False
        return self.passage.hit_at_1 if self.passage else None


class Mean(NamedTuple):
    """A figure over `n` questions (citation exactness: `n` citations)."""

    measure: str
    value: float
    n: int


@dataclass(frozen=True, slots=True)
class Scores:
    """`rows` in the order of the questions; `means` in the order they are read by people."""

    rows: tuple[Row, ...]
    means: tuple[Mean, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of many rows. `better` is 1 where more is better, -1 where less is, 0 where neither.

    `observe` gives what a row adds, or None where it adds nothing; `value` takes what rows added, of shape (numbers a
    row, ..., rows), and gives the figure of each set of rows, of shape (...): NaN where it has none.
    """

    name: str
    better: int
    observe: Callable[[Row], tuple[float, float] | None]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def score(questions: Sequence[Question], predictions: Iterable[Prediction], texts: Mapping[str, str]) -> Scores:
    """The predictions held against the judgements. `texts` are the documents by name, one that is missing counting as
    empty: a citation is exact when it is `text[start:end]`. Predictions for other questions are ignored; of two for
    one question the later counts."""
    predicted = {prediction.id: prediction for prediction in predictions}
    pairs = [(question, predicted.get(question.id)) for question in questions]
    ndcg = _ndcg_at_10(pairs)
    rows = tuple(_row(*pair, ndcg.get(number), texts) for number, pair in enumerate(pairs))
    return Scores(rows, tuple(means(rows)))


def table(scores: Scores) -> list[tuple[str, float, int]]:
    """(measure, value, n), for people. All values lie in [0, 1] but for the number of words."""
    return list(scores.means)


def means(rows: Sequence[Row]) -> Iterator[Mean]:
    """Each of MEASURES that the rows have."""
    import numpy as np

    for measure in MEASURES:
        if seen := [found for row in rows if (found := measure.observe(row)) is not None]:
            columns = np.array(seen, float).T
            value = float(measure.value(columns))
            if not np.isnan(value):
                yield Mean(measure.name, value, int(columns[1].sum()) if measure.value is _share else len(seen))


def confidence_and_right(rows: Iterable[Row]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What calibration and risk are taken over, from the rows that have it: confidence, and 1 for right or 0."""
    seen = [found for row in rows if (found := _confidence_and_right(row)) is not None]
    return tuple(confidence for confidence, _ in seen), tuple(right for _, right in seen)


def _confidence_and_right(row: Row) -> tuple[float, float] | None:
    return None if row.confidence is None or row.right is None else (row.confidence, row.right)


def _confidence_and_answerable(row: Row) -> tuple[float, float] | None:
    return None if row.confidence is None else (row.confidence, row.answerable)


def _mean(name: str, better: int, values_of: Callable[[Row], Sequence[float]]) -> Measure:
    """Of what each row adds: one value a question, one a citation, or none."""

    def observe(row: Row) -> tuple[float, float] | None:
        values = values_of(row)
        return (sum(values), len(values)) if values else None

    return Measure(name, better, observe, _share)


def _share(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.asarray(columns[0].sum(-1) / columns[1].sum(-1))


def _auroc(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance that the confidence of an answerable question lies above that of another, ties counting half: the
    Mann-Whitney U, from the sum of ranks, over the number of pairs."""
    import numpy as np
    from scipy.stats import rankdata

    confidence, answerable = columns
    positive = answerable.sum(-1)
    pairs = positive * (answerable.shape[-1] - positive)
    above = (rankdata(confidence, axis=-1) * answerable).sum(-1) - positive * (positive + 1) / 2
    return np.asarray(np.divide(above, pairs, out=np.full(np.shape(pairs), np.nan), where=pairs > 0))


def _kept(value: float | None, *, when: bool = True) -> Sequence[float]:
    return [] if value is None or not when else [value]


MEASURES: tuple[Measure, ...] = (
    _mean("questions with a prediction", 1, lambda row: [row.answered is not None]),
    _mean("passage hit@1", 1, lambda row: [row.passage.hit_at_1] if row.passage else []),
    _mean("passage hit@5", 1, lambda row: [row.passage.hit_at_5] if row.passage else []),
    _mean("passage MRR@10", 1, lambda row: [row.passage.reciprocal_rank_at_10] if row.passage else []),
    _mean("sentence hit@1", 1, lambda row: [row.sentence.hit_at_1] if row.sentence else []),
    _mean("sentence hit@5", 1, lambda row: [row.sentence.hit_at_5] if row.sentence else []),
    _mean("sentence MRR@10", 1, lambda row: [row.sentence.reciprocal_rank_at_10] if row.sentence else []),
    _mean("document nDCG@10", 1, lambda row: _kept(row.ndcg_at_10)),
    _mean("citation exactness", 1, lambda row: [1] * row.exact_citations + [0] * (row.citations - row.exact_citations)),
    _mean("answered when answerable", 1, lambda row: _kept(row.answered, when=row.answerable)),
    _mean("answered when not answerable", -1, lambda row: _kept(row.answered, when=not row.answerable)),
    _mean("words in first passage", 0, lambda row: _kept(row.first_passage_words)),
    Measure("answerable AUROC", 1, _confidence_and_answerable, _auroc),
    Measure("confidence ECE", -1, _confidence_and_right, lambda columns: expected_calibration_error(*columns)),
    Measure("confidence AURC", -1, _confidence_and_right, lambda columns: area_under_risk_coverage(*columns)),
)
"""In the order they are read by people."""


def _row(question: Question, given: Prediction | None, ndcg_at_10: float | None, texts: Mapping[str, str]) -> Row:
    passages, citations = (given.passages, given.citations) if given else ((), ())
    judged = question.answerable and question.gold
    words = [len(texts.get(p.doc, "")[p.start : p.end].split()) for p in passages[:1]]
    return Row(
        question.id,
        question.answerable,
        given.answered if given else None,
        given.confidence if given else None,
        _found(passages, question.gold) if judged else None,
        _found(citations, question.gold) if judged else None,
        ndcg_at_10,
        len(citations),
        sum(texts.get(c.doc, "")[c.start : c.end] == c.text for c in citations),
        words[0] if words else None,
    )


def _found(places: Sequence[Place | Quote], gold: Sequence[Place]) -> Found:
    hits = [any(g.doc == p.doc and p.start < g.end and g.start < p.end for g in gold) for p in places[:10]]
    return Found(any(hits[:1]), any(hits[:5]), next((1 / rank for rank, hit in enumerate(hits, 1) if hit), 0.0))


def _ndcg_at_10(pairs: Sequence[tuple[Question, Prediction | None]]) -> dict[int, float]:
    """Of each question with judged documents, by its place. A document ranks where its first passage does."""
    from ir_measures import Qrel, ScoredDoc, iter_calc, nDCG

    # The library's C code wants names without lone surrogates, which file names may hold: documents go by numbers.
    numbers: dict[str, str] = {}
    qrels, run = [], []
    for place, (question, given) in enumerate(pairs):
        if not question.relevant:
            continue
        for doc, grade in question.relevant:
            qrels.append(Qrel(str(place), numbers.setdefault(doc, str(len(numbers))), grade))
        for rank, doc in enumerate(dict.fromkeys(passage.doc for passage in given.passages) if given else (), 1):
            run.append(ScoredDoc(str(place), numbers.setdefault(doc, str(len(numbers))), -float(rank)))
    # A question that is not in the run comes back with 0.
    return {int(metric.query_id): float(metric.value) for metric in iter_calc([nDCG @ 10], qrels, run)}
