"""How good an engine is on a set of questions whose answers people have marked: one row a question, then the means.

A set is a folder: `docs/` holds the documents, `questions.jsonl` one JSON object a line:

    {"id": "q1", "question": "...", "answerable": true,
     "relevant": {document: grade},                                     judged documents; {} where there are none
     "gold": [{"doc", "start", "end", "alternatives": [[start, end]]}]} judged spans; "alternatives" may be left out

A document goes by its file name without the suffix. `start` and `end` count code points of its text, end exclusive.

A question without a prediction counts as wrong wherever it is judged; a measure that no question is judged for is left
out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

from qa.errors import UsageError
from qa.records import Answer

# nDCG@10 ranks ten documents, and several of the passages may be of one document.
_PASSAGES_ASKED_FOR = 50
# The library behind nDCG makes room for every grade up to the highest, and ends the process when it cannot.
_MAX_GRADE = 100
_PLAIN_TEXT = (".txt", ".text", ".md", ".markdown")
_LAYOUT = "A set is a folder with docs/ and questions.jsonl."
_LINE = 'A line is one JSON object with "id", "question", "answerable", "relevant" and, where spans are judged, "gold".'

T = TypeVar("T")


class SupportsAsk(Protocol):
    """What evaluation needs of an engine."""

    def ask(self, question: str, *, limit: int = 10, offset: int = 0) -> Answer:
        """Raises UsageError for a question that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """Code points `[start, end)` of the document `doc`."""

    doc: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that was cited: where it is said to stand, and its words."""

    doc: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its judgements: `relevant` pairs documents with grades, 0 for not relevant; `gold` are the spans
    any one of which answers it. Either may be empty: not judged."""

    id: str
    text: str
    answerable: bool
    relevant: tuple[tuple[str, int], ...] = ()
    gold: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an engine gave for the question `id`: passages and citations, each best first."""

    id: str
    passages: tuple[Place, ...]
    citations: tuple[Quote, ...]
    answered: bool
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """One line of a predictions file, for scoring by other programs."""
        return {
            "id": self.id,
            "passages": [{"doc": p.doc, "start": p.start, "end": p.end} for p in self.passages],
            "citations": [{"doc": c.doc, "start": c.start, "end": c.end, "text": c.text} for c in self.citations],
            "answered": self.answered,
            "confidence": self.confidence,
        }


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


def load(set_dir: Path, questions: str | Path = "questions.jsonl") -> tuple[Question, ...]:
    """The questions of a set, in the order of the file, whose path is relative to `set_dir` unless it is absolute.
    Raises UsageError, naming the line, when the file is missing, empty or malformed."""
    path = set_dir / questions
    found: dict[str, Question] = {}
    for number, line in enumerate(_bytes_of(path).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            question = _question(json.loads(line.decode("utf-8")))
            if question.id in found:
                raise ValueError(f"the id {question.id!r:.80} is taken by an earlier line")
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise UsageError(f"{path}, line {number}: {reason}.", _LINE) from None
        found[question.id] = question
    if not found:
        raise UsageError(f"{path} holds no question.", _LINE)
    return tuple(found.values())


def predict(
    engine: SupportsAsk,
    questions: Sequence[Question],
    progress: Callable[[int, int], None] | None = None,
    *,
    limit: int = _PASSAGES_ASKED_FOR,
) -> Iterator[Prediction]:
    """Each question asked in turn, for `limit` passages; `progress` is told how many of how many are done.

    With fewer than the default, document nDCG@10 falls wherever they are of fewer than ten documents. Raises
    UsageError, naming the question, for one that the engine refuses.
    """
    for done, question in enumerate(questions, 1):
        try:
            answer = engine.ask(question.text, limit=limit, offset=0)
        except UsageError as error:
            raise UsageError(f"Question {question.id!r:.80} cannot be asked: {error.what}", error.remedy) from error
        yield Prediction(
            question.id,
            tuple(Place(PurePosixPath(p.source.path).stem, p.start, p.end) for p in answer.passages),
            tuple(Quote(PurePosixPath(c.source.path).stem, c.start, c.end, c.text) for c in answer.citations),
            answer.answered,
            answer.confidence,
        )
        if progress is not None:
            progress(done, len(questions))


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


def score(questions: Sequence[Question], predictions: Iterable[Prediction], texts: Mapping[str, str]) -> Scores:
    """The predictions held against the judgements. `texts` are the documents by name, one that is missing counting as
    empty: a citation is exact when it is `text[start:end]`. Predictions for other questions are ignored; of two for
    one question the later counts."""
    predicted = {prediction.id: prediction for prediction in predictions}
    pairs = [(question, predicted.get(question.id)) for question in questions]
    ndcg = _ndcg_at_10(pairs)
    rows = tuple(_row(*pair, ndcg.get(number), texts) for number, pair in enumerate(pairs))
    return Scores(rows, tuple(_means(rows)))


def table(scores: Scores) -> list[tuple[str, float, int]]:
    """(measure, value, n), for people. All values lie in [0, 1] but for the number of words."""
    return list(scores.means)


# What each row adds to each mean: one value a question, one a citation, or none.
_MEASURES: tuple[tuple[str, Callable[[Row], Sequence[float]]], ...] = (
    ("questions with a prediction", lambda row: [row.answered is not None]),
    ("passage hit@1", lambda row: [row.passage.hit_at_1] if row.passage else []),
    ("passage hit@5", lambda row: [row.passage.hit_at_5] if row.passage else []),
    ("passage MRR@10", lambda row: [row.passage.reciprocal_rank_at_10] if row.passage else []),
    ("sentence hit@1", lambda row: [row.sentence.hit_at_1] if row.sentence else []),
    ("sentence hit@5", lambda row: [row.sentence.hit_at_5] if row.sentence else []),
    ("sentence MRR@10", lambda row: [row.sentence.reciprocal_rank_at_10] if row.sentence else []),
    ("document nDCG@10", lambda row: [] if row.ndcg_at_10 is None else [row.ndcg_at_10]),
    ("citation exactness", lambda row: [1] * row.exact_citations + [0] * (row.citations - row.exact_citations)),
    ("answered when answerable", lambda row: [] if row.answered is None or not row.answerable else [row.answered]),
    ("answered when not answerable", lambda row: [] if row.answered is None or row.answerable else [row.answered]),
    ("words in first passage", lambda row: [] if row.first_passage_words is None else [row.first_passage_words]),
)


def _means(rows: Sequence[Row]) -> Iterator[Mean]:
    for measure, values_of in _MEASURES:
        if values := [value for row in rows for value in values_of(row)]:
            yield Mean(measure, fmean(values), len(values))
    answerable = [row.confidence for row in rows if row.answerable and row.confidence is not None]
    unanswerable = [row.confidence for row in rows if not row.answerable and row.confidence is not None]
    if answerable and unanswerable:
        yield Mean("answerable AUROC", _auroc(answerable, unanswerable), len(rows))


def _auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that one of `positive` lies above one of `negative`, ties counting half (Mann-Whitney U / nm)."""
    import numpy as np

    # scipy.stats has this too, and takes six tenths of a second to import.
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean()) / (2 * len(negative))


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


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_file():
            return path.read_bytes()
    except OSError as error:
        _refuse(error, path)
    raise UsageError(f"There is no file {path}.", _LAYOUT)


def _refuse(error: OSError, path: Path | None = None) -> NoReturn:
    raise UsageError(f"{path or error.filename} could not be read: {error.strerror}.", _LAYOUT) from None


def _question(row: Any) -> Question:
    """Raises ValueError, saying what is wrong with the row."""
    text = _field(row, "question", str)
    if not text.strip():
        raise ValueError('"question" is empty')
    gold = []
    for span in _field(row, "gold", list) if "gold" in row else []:
        doc, first = _field(span, "doc", str), [_field(span, "start", int), _field(span, "end", int)]
        for place in [first, *(_field(span, "alternatives", list) if "alternatives" in span else [])]:
            match place:
                case [int(start), int(end)] if 0 <= start < end:
                    gold.append(Place(doc, start, end))
                case _:
                    raise ValueError(f"{place!r:.80} is no span [start, end] of {doc!r:.80}")
    relevant = _field(row, "relevant", dict)
    if any(type(grade) is not int or not 0 <= grade <= _MAX_GRADE for grade in relevant.values()):
        raise ValueError(f'the grades in "relevant" should be whole numbers from 0 to {_MAX_GRADE}')
    name = _field(row, "id", int, str)
    return Question(str(name), text, _field(row, "answerable", bool), tuple(relevant.items()), tuple(gold))


_KINDS = {str: "a string", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}


def _field(row: Any, key: str, *kinds: type[T]) -> T:
    if type(row) is not dict:
        raise ValueError(f"there should be an object with {key!r} where there is {row!r:.80}")
    if key not in row:
        raise ValueError(f'"{key}" is missing')
    # Not isinstance, to which true and false are numbers.
    if type(row[key]) not in kinds:
        raise ValueError(f'"{key}" should be {" or ".join(_KINDS[kind] for kind in kinds)}')
    value: T = row[key]
    return value
