"""Confidence held against being right.

`confidence`, in [0, 1], and `right`, 0 or 1, are arrays of shape (..., answers), or anything that numpy makes into
such; where leading axes are allowed, each stands for a set of answers of its own. There is at least one answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

BINS = 10
"""Of equal width, as in Guo et al. 2017 and most that followed (15 there; few sets of one's own fill so many)."""

LADDER = tuple(step / 10 for step in range(10))
"""The confidences from which on an answer is given, where coverage and risk are told."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The `n` answers with a confidence in [low, high), or up to 1 and with it in the last bin. None: of no answer."""

    low: float
    high: float
    n: int
    mean_confidence: float | None
    share_right: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What comes of answering where confidence is `min_confidence` or more: the share of all that is answered, and the
    share of the answered that is wrong, None where nothing is answered."""

    min_confidence: float
    coverage: float
    risk: float | None


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """ECE: the difference between mean confidence and the share that is right, in each of ten bins of equal width,
    averaged with the weight of the bins' answers. 0 is best. Of shape (...).

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", in the form
    of Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", equation 3; there the bins
    are closed above, here below.
    """
    import numpy as np

    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    sets = confidence.shape[:-1]
    bins = _bins(confidence) + BINS * np.arange(np.prod(sets, dtype=int)).reshape(*sets, 1)
    # n |mean confidence - share right| is |sum of confidence - number right|.
    gaps = np.bincount(bins.ravel(), (confidence - right).ravel(), BINS * np.prod(sets, dtype=int))
    return np.asarray(np.abs(gaps).reshape(*sets, BINS).sum(-1) / confidence.shape[-1])


def reliability(confidence: ArrayLike, right: ArrayLike) -> tuple[Bin, ...]:
    """The ten bins of the expected calibration error, lowest first. Takes no leading axes, and may be of no answer."""
    import numpy as np

    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    bins = _bins(confidence)
    table = []
    for number in range(BINS):
        here = bins == number
        n = int(here.sum())
        means = (float(confidence[here].mean()), float(right[here].mean())) if n else (None, None)
        table.append(Bin(number / BINS, (number + 1) / BINS, n, *means))
    return tuple(table)


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    import numpy as np

    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def area_under_risk_coverage(confidence: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """AURC: the share of wrong answers among the k surest, averaged over every k. 0 is best; it depends on the order
    of the confidences alone. Of shape (...).

    Geifman, Uziel and El-Yaniv 2019, "Bias-reduced uncertainty estimation for deep neural classifiers", section 2.
    Answers of one confidence are taken in every order and averaged, so that the order of the questions has no say.
    """
    import numpy as np

    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    order = np.argsort(-confidence, axis=-1)
    surest = np.take_along_axis(confidence, order, -1)
    wrong = 1 - np.take_along_axis(right, order, -1)
    new = np.ones(surest.shape, bool)
    new[..., 1:] = surest[..., 1:] != surest[..., :-1]
    tied = np.cumsum(new.ravel()) - 1
    # The expected number wrong among the first k of a tie is k times the tie's mean.
    wrong = (np.bincount(tied, wrong.ravel()) / np.bincount(tied))[tied].reshape(surest.shape)
    return np.asarray((np.cumsum(wrong, -1) / np.arange(1, surest.shape[-1] + 1)).mean(-1))


def risk_coverage(
    confidence: ArrayLike, right: ArrayLike, min_confidences: Iterable[float] = LADDER
) -> tuple[Choice, ...]:
    """Coverage and risk at each of `min_confidences`, ascending. Takes no leading axes; empty where there is no answer.

    El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification".
    """
    import numpy as np

    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    if not confidence.size:
        return ()
    choices = []
    for least in sorted(set(min_confidences)):
        given = confidence >= least
        choices.append(Choice(least, float(given.mean()), float(1 - right[given].mean()) if given.any() else None))
    return tuple(choices)
