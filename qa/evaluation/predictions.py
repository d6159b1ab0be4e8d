"""What an engine gives for the questions of a set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from qa.errors import UsageError
from qa.evaluation.judgements import Place, Question
from qa.records import Answer, Source

# nDCG@10 ranks ten documents, and several of the passages may be of one document.
_PASSAGES_ASKED_FOR = 50


class SupportsAsk(Protocol):
    """What evaluation needs of an engine."""

    def ask(self, question: str, *, limit: int = 10, offset: int = 0) -> Answer:
        """Raises UsageError for a question that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that was cited: where it is said to stand, and its words. `path` and `label` are the file and the
    place in it as the engine names them to people; `stale` is as in Citation."""

    doc: str
    start: int
    end: int
    text: str
    path: str = ""
    label: str = ""
    stale: str = ""


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
            "citations": [
                {
                    "doc": c.doc,
                    "start": c.start,
                    "end": c.end,
                    "text": c.text,
                    **({"stale": c.stale} if c.stale else {}),
                }
                for c in self.citations
            ],
            "answered": self.answered,
            "confidence": self.confidence,
        }


def predict(
    engine: SupportsAsk,
    questions: Sequence[Question],
    progress: Callable[[int, int], None] | None = None,
    *,
    limit: int = _PASSAGES_ASKED_FOR,
    by_path: bool = False,
) -> Iterator[Prediction]:
    """Each question asked in turn, for `limit` passages; `progress` is told how many of how many are done.

    With fewer than the default, document nDCG@10 falls wherever they are of fewer than ten documents. Raises
    UsageError, naming the question, for one that the engine refuses. Documents go by their file names without the
    ending, as in a set, or `by_path`.
    """

    def name(source: Source) -> str:
        return source.path if by_path else PurePosixPath(source.path).stem

    for done, question in enumerate(questions, 1):
        try:
            answer = engine.ask(question.text, limit=limit, offset=0)
        except UsageError as error:
            raise UsageError(f"Question {question.id!r:.80} cannot be asked: {error.what}", error.remedy) from error
        yield Prediction(
            question.id,
            tuple(Place(name(p.source), p.start, p.end) for p in answer.passages),
            tuple(
                Quote(name(c.source), c.start, c.end, c.text, c.source.path, c.label, c.stale) for c in answer.citations
            ),
            answer.answered,
            answer.confidence,
        )
        if progress is not None:
            progress(done, len(questions))
