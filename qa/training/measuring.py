"""How well a reader reads passages of titles that it has not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from qa.reader import Reader
from qa.records import Excerpt, Span
from qa.training.material import Asked

UNBOUNDED_MS = 1e9


@dataclass(frozen=True, slots=True)
class Figures:
    """`sentence`: how often the sentence with the largest odds holds the answer, of passages that answer. `told`: how
    often a passage that answers has larger odds than one that does not (AUROC), over all pairs of them."""

    questions: int
    sentence: float
    told: float


def measured(reader: Reader, asked: Sequence[Asked]) -> Figures:
    """Of each question the passage that it was asked of, and of answered ones also the best that does not answer."""
    from scipy.stats import rankdata

    right: list[float] = []
    answering: list[float] = []
    others: list[float] = []
    for one in asked:
        wrong = next((text for text in one.texts if not text.gold), None)
        shown = [one.texts[one.origin], *([wrong] if one.answerable and wrong is not None else [])]
        excerpts = [Excerpt(t.context, t.text, tuple(Span(*sentence) for sentence in t.sentences)) for t in shown]
        readings = reader.read(one.question, excerpts, UNBOUNDED_MS)
        best = [max(reading.odds) for reading in readings]
        if one.answerable:
            place = readings[0].odds.index(best[0])
            sentence = shown[0].sentences[place]
            right.append(float(any(s < sentence[1] and sentence[0] < e for s, e in shown[0].gold)))
            answering.append(best[0])
            others += best[1:]
        else:
            others += best[:1]
    ranks = rankdata([*answering, *others])[: len(answering)]
    pairs = len(answering) * len(others)
    told = (float(ranks.sum()) - len(answering) * (len(answering) + 1) / 2) / pairs if pairs else float("nan")
    return Figures(len(asked), fmean(right) if right else float("nan"), told)
