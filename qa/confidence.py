"""How sure it is that the best passage answers: evidence as summands of log-odds, and the probability they stand for.

The evidence compares across questions, but not across indexes. In one of twenty passages the words of every question
are matched worse than in one of ten thousand, those that are answered and those that are not. So what questions foreign
to the documents reach there, measured when the index is made, is taken off in part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qa.records import Part

SLOPES = {"words": 13.19, "lead": 5.81}
OFFSET = -5.29
"""A logistic fit to answers of which it is known whether they were right; `tests/bench_confidence.py` repeats it."""

NOISE_SHARE = 0.7
"""How much of the noise is taken off. Each share with a fit of its own, at a threshold of 0.45: of the project's own
questions are called answered, of 45 that are and of 15 that are not, with 0 .58 and .00, with 0.5 .76 and .13, with 0.7
.87 and .33, with 1 .93 and .47; of 5 questions that two news articles do not answer none, none, one and three; of
clapnq's .83 to .90 and .15 to .21."""

VERBATIM = 10.0
"""Added where a sentence of the passage is the question, word for word: nothing else reaches so far."""


READ_SLOPES = {"words": 11.0, "lead": 4.5, "reader": 0.15}
READ_OFFSET = -4.41
"""The same where a reader read the best passage: between the fit without it and that of `tests/bench_confidence.py`
with it, {9.22, 3.32, 0.22} and -3.67, which believes the reader more. AUROC on squad2 (articles it has not learned
from), clapnq, scifact and the project's own questions: without the reader .592, .901, .780 and .902; with that fit
.687, .912, .783 and .910; as here .664, .913, .790 and .916. Where .90 of clapnq's answerable questions are called
answered, so are .221, .314 and .243 of the others; the expected calibration error there is .063, .067 and .027."""


def evidence(
    words: float, lead: float, noise: float, *, odds: float | None = None, verbatim: bool = False
) -> tuple[Part, ...]:
    """What speaks for the best passage, in log-odds.

    `words` is the mean over the question's tokens of how well each is matched best anywhere in the passage, about 0 to
    1; `lead` is how far the best cosine stands above the also-rans, which tells a passage that answers from one that
    is merely of the same subject as the rest. `noise` is that of the index. `odds` are the log-odds of the reader that
    the passage answers, None where it was not read. `verbatim` is whether the passage holds the question itself, as a
    sentence. What else was tried beside these stands in `.house/experiments.md`.
    """
    slopes, offset = (SLOPES, OFFSET) if odds is None else (READ_SLOPES, READ_OFFSET)
    usual, name = NOISE_SHARE * noise, "how well the question's words are matched in the first passage"
    parts = [
        Part("words", slopes["words"] * (words - usual), f"{slopes['words']} x ({words:.3f} - {usual:.3f}), {name}"),
        Part("lead", slopes["lead"] * lead, f"{slopes['lead']} x {lead:.3f}, how far the nearest passage stands out"),
        Part("offset", offset, "where all are nothing"),
    ]
    if odds is not None:
        said = f"{slopes['reader']} x {odds:.3f}, log-odds of the reader that the first passage answers"
        parts.append(Part("reader", slopes["reader"] * odds, said))
    if verbatim:
        parts.append(Part("verbatim", VERBATIM, "a sentence of it is the question, word for word"))
    return tuple(parts)


def probability(evidence: Sequence[Part]) -> float:
    """The probability that the summands stand for, in (0, 1); 0 without evidence."""
    return 1 / (1 + math.exp(-sum(part.value for part in evidence))) if evidence else 0.0
