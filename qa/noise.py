"""The noise in an index: how well the words of a question are matched there when the documents do not answer it.

It rises with the number of passages, since among more of them one is nearer by chance: with the bundled model from .17
in 19 passages to .39 in 8,000. Confidence takes part of it off (see `confidence`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from statistics import median

from qa import candidates, exact, foreign, ranking
from qa.encoder import Encoder
from qa.records import QuestionEncoding
from qa.snapshot import Snapshot

THREADS = 2
"""More wait for each other: half of the time is Python's, of which one runs."""


def level(held: Snapshot, encoder: Encoder) -> float:
    """The median, over the foreign questions, of the mean match of their tokens in the passage ranked first; 0 for an
    index without passages. The same for the same documents, in whatever order they were indexed."""
    from threadpoolctl import threadpool_limits

    if not len(held.document):
        return 0.0

    def matched(question: str, encoded: QuestionEncoding) -> float:
        wanted = exact.find(held, question, None, encoder.knows, as_typed=True)
        return ranking.rank(candidates.find(held, wanted, encoded, again=True).facts).matched

    # As in Engine.open: threads of one product would wait for each other. On a busy machine that took 3.7 s of an index
    # of nine passages, all else 0.15 s. Two questions at once do not: tantivy and FAISS let others run.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        return median(pool.map(matched, foreign.QUESTIONS, _encoded(encoder)))


def prepare(encoder: Encoder) -> None:
    """Encode the foreign questions, which the first level that is told does otherwise."""
    _encoded(encoder)


@lru_cache(maxsize=1)
def _encoded(encoder: Encoder) -> tuple[QuestionEncoding, ...]:
    """The foreign questions as an encoder reads them: a fifth of the time of telling the noise."""
    return tuple(encoder.encode_question(question) for question in foreign.QUESTIONS)
