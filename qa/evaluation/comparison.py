"""Two runs held against each other, question by question: what changed, and whether by more than chance.

Resampling is seeded: two runs give the same figures every time.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qa.errors import UsageError
from qa.evaluation.judgements import Question
from qa.evaluation.measures import MEASURES, Measure, Row
from qa.evaluation.runs import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALPHA = 0.05
"""Below it a p value, corrected for the number of measures, counts as significant."""

TOLERANCE = 0.001
"""A loss must be larger than this to count: a tenth of a point, which nobody would notice however sure it is."""

RESAMPLES = 4999
"""Of the questions for an interval, of the labels for a p value. The smallest two-sided p value is then 2 / 5000; times
the 14 measures that have a direction it is .006, well below ALPHA."""

_SEED = 20
_BATCH = 250  # resamples side by side: 30 MB for a thousand questions


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure over the `n` questions that both runs have it for. `difference` is `after - before`.

    `interval` is the 95 % percentile bootstrap interval of the difference over questions (Efron and Tibshirani 1993,
    chapter 13), None for a single question. `p` is of the two-sided paired randomisation test: how likely a difference
    of this size were if each question's two results had been dealt to the runs by chance (Smucker, Allan and
    Carterette 2007, "A comparison of statistical significance tests for information retrieval evaluation"); exact
    where so few questions differ that all deals can be tried. `corrected` is that p value after Holm 1979 over all
    measures of the comparison that have a direction, None for one that has none.
    """

    measure: str
    better: int
    before: float
    after: float
    n: int
    interval: tuple[float, float] | None
    p: float
    corrected: float | None = None

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the change is significant and larger than TOLERANCE, else ""."""
        gain = self.better * self.difference
        if self.corrected is None or self.corrected >= ALPHA or abs(gain) <= TOLERANCE:
            return ""
        return "better" if gain > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences` in the order of the measures, over the `shared` questions: those with the same id, words and
    judgements in both runs. The rest are counted: in one run only, or in both but changed."""

    differences: tuple[Difference, ...]
    shared: int
    only_before: int
    only_after: int
    changed: int

    @property
    def losses(self) -> tuple[Difference, ...]:
        """What is significantly worse."""
        return tuple(found for found in self.differences if found.verdict == "worse")


def shared(before: Sequence[Question], after: Sequence[Question]) -> tuple[str, ...]:
    """The ids of the questions that two runs can be compared over, in the order of `after`: the same id, words and
    judgements in both. Raises UsageError when there is none."""
    judged = {question.id: _judged(question) for question in before}
    ids = tuple(question.id for question in after if judged.get(question.id) == _judged(question))
    if not ids:
        raise UsageError(
            "The two runs share no question: none has the same id, words and judgements in both.",
            "Compare runs of one set of questions.",
        )
    return ids


def _judged(question: Question) -> tuple[object, ...]:
    return question.text, question.answerable, frozenset(question.relevant), frozenset(question.gold)


def compare(before: Run, after: Run) -> Comparison:
    """Raises UsageError when the runs share no question."""
    ids = shared(before.questions, after.questions)
    old, new = ({row.id: row for row in run.scores.rows} for run in (before, after))
    rows = [(old[name], new[name]) for name in ids]
    differences = [found for measure in MEASURES if (found := _difference(measure, rows)) is not None]
    family = [found for found in differences if found.better]
    corrected = dict(zip((found.measure for found in family), holm([found.p for found in family]), strict=True))
    return Comparison(
        tuple(replace(found, corrected=corrected.get(found.measure)) for found in differences),
        len(rows),
        len(old.keys() - new.keys()),
        len(new.keys() - old.keys()),
        len(old.keys() & new.keys()) - len(rows),
    )


def _difference(measure: Measure, rows: Sequence[tuple[Row, Row]]) -> Difference | None:
    import numpy as np

    seen = [
        (before, after)
        for old, new in rows
        if (before := measure.observe(old)) is not None and (after := measure.observe(new)) is not None
    ]
    if not seen:
        return None
    # Questions are places along the last axis: i before, n + i after.
    n = len(seen)
    columns = np.concatenate([np.array([pair[run] for pair in seen], float).T for run in (0, 1)], axis=-1)

    def gain(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return measure.value(columns[:, after]) - measure.value(columns[:, before])

    old, new = (float(measure.value(columns[:, half])) for half in (np.arange(n), np.arange(n, 2 * n)))
    if np.isnan(old) or np.isnan(new):
        return None
    differ = np.flatnonzero((columns[:, :n] != columns[:, n:]).any(0))
    return Difference(measure.name, measure.better, old, new, n, _interval(gain, n), _p_value(gain, n, differ))


def _interval(gain: Any, n: int) -> tuple[float, float] | None:
    import numpy as np
    from scipy.stats import DegenerateDataWarning, bootstrap

    if n < 2:
        return None
    with warnings.catch_warnings():
        # A resample may lack what a measure needs, as AUROC needs both kinds of question; it is left out below.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        drawn = bootstrap(
            (np.arange(n),),
            lambda places, axis: gain(places, places + n),
            method="percentile",
            n_resamples=RESAMPLES,
            batch=_BATCH,
            vectorized=True,
            axis=-1,
            rng=np.random.default_rng(_SEED),
        ).bootstrap_distribution
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def _p_value(gain: Any, n: int, differ: NDArray[np.int64]) -> float:
    """`differ` are the questions whose results differ: dealing those of the others again would change nothing."""
    import numpy as np
    from scipy.stats import permutation_test

    if len(differ) < 2:
        return 1.0  # of the two deals of one question, both are as far from 0
    alike = np.setdiff1d(np.arange(n), differ)

    def statistic(before: NDArray[np.int64], after: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        rest = np.broadcast_to(alike, (*before.shape[:-1], len(alike)))
        return np.asarray(gain(*(np.concatenate([rest, dealt], axis=-1) for dealt in (before, after))))

    found = permutation_test(
        (differ, differ + n),
        statistic,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=_BATCH,
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(_SEED),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p value corrected for there being several: rejecting those below alpha makes any false rejection at most as
    likely as alpha. Holm 1979, "A simple sequentially rejective multiple test procedure"."""
    import numpy as np

    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, float)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in corrected]
