"""A question to the passages that may answer it: found by vectors and by words, cut to a shortlist, known in all facts.

The filter, and what is quoted or excluded, stand before every cut: each arm looks only at what they let through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from qa import folding, ranking
from qa.exact import Exact
from qa.lexical import Lexicon
from qa.records import QuestionEncoding
from qa.snapshot import Snapshot

NEAREST = 100
"""Sentences taken from the vectors, and as many sentences and passages from the words, as candidates. The 60 best
scored sentences among them hold a gold one for .993 (squad2), .994 (clapnq) and .999 (xquad) of the questions."""

LEXICAL_LIMIT = 2000
"""Passages whose BM25 score is looked up; a candidate beyond them holds little but the question's commonest words.
With a filter all are, so that it finds what it lets through: in a larger index such a candidate then scores a little
more than without."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was found, in the order of the index.

    `starts` are the first sentences of the shortlisted passages, or of what of them a better one does not say, and
    `facts` what is known of those; `folded` the groups of the sentences that others were folded under. `passages` are
    all candidates before the shortlist, and `scores` theirs without tokens.
    """

    starts: NDArray[np.int64]
    facts: ranking.Candidates
    folded: frozenset[int]
    passages: NDArray[np.int64]
    scores: NDArray[np.float64]


def find(held: Snapshot, wanted: Exact, encoded: QuestionEncoding, *, again: bool = False) -> Found:
    """The passages most likely to answer, of those that may. `again`: as `Vectors.nearest` has it."""
    question, passages_allowed = wanted.query.text, wanted.passages
    rows_allowed = None if passages_allowed is None else np.repeat(passages_allowed, np.diff(held.first))
    lexical = shares(held.passage_words, question, passages_allowed)
    own = shares(held.sentence_words, question, rows_allowed)
    of_sentences = partial(
        folding.distinct,
        group=held.sentence_group,
        score=partial(held.vectors.scores, encoded.vector),
        wanted=NEAREST,
    )
    near = of_sentences(lambda limit: held.vectors.nearest(encoded.vector, limit, rows_allowed, again=again))
    rows = np.concatenate([near, of_sentences(partial(_best, own)), wanted.rows])
    owner = np.searchsorted(held.first, rows, side="right") - 1
    worded = folding.distinct(partial(_best, lexical), held.passage_group, lexical.take, NEAREST)
    # np.unique would do, but loads numpy.ma for it: a sixteenth of the time of a question in a new process.
    found = np.flatnonzero(np.bincount(np.concatenate([owner, worded])))
    counts = np.diff(held.first)[found]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.arange(first[-1]) + np.repeat(held.first[found] - first[:-1], counts)
    cosine = held.vectors.scores(encoded.vector, rows)
    facts = ranking.Candidates(
        lexical=lexical[found],
        first=first,
        cosine=cosine,
        boilerplate=held.boilerplate[rows],
        exact=wanted.shares(rows, ranking.of_best(own)[rows]),
        matches=np.empty((len(rows), 0)),
        headed=np.empty((len(found), 0), dtype=np.bool_),
        weights=np.empty(0),
    )
    ranked = ranking.rank(facts)
    group, owners = held.sentence_group[rows], held.document[found].tolist()
    scores = (ranked.sentence, ranked.passage, ranked.run_score)
    chosen, folded = folding.runs(first, owners, group, *scores, ranking.SHORTLIST)
    runs = sorted(chosen)
    facts, kept = facts.take(runs)
    facts = replace(
        facts,
        matches=held.tokens.matches(encoded.tokens, rows[kept]),
        headed=_headed(held, encoded.words, found[[candidate for candidate, _, _ in runs]]),
        weights=ranking.token_weights(held.passage_words.rarity(encoded.words), encoded.words),
    )
    return Found(rows[kept][facts.first[:-1]], facts, frozenset(folded), found, ranked.passage)


def shares(words: Lexicon, question: str, allowed: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """BM25 of every text as a share of what one of mean length scores that holds each word once; 0 where no word
    matches or the filter does not let through."""
    scores = np.zeros(len(words))
    limit = LEXICAL_LIMIT if allowed is None else len(words)
    terms = words.terms(question)
    numbers, found = words.match(terms, limit)
    if len(numbers):
        scores[numbers] = found / words.full(terms)
    return scores if allowed is None else np.where(allowed, scores, 0.0)


def _headed(held: Snapshot, words: Sequence[str], passages: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether title or headings of each passage hold each word, shape (passages, words)."""
    places = held.heading[passages]
    columns = {word: held.headings.naming(word)[places] for word in dict.fromkeys(words)}
    return np.stack([columns[word] for word in words], axis=1) if words else np.empty((len(places), 0), np.bool_)


def _best(scores: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Numbers of the `limit` largest scores above 0, and of all that tie with the last of them."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) <= limit:
        return positive
    cut = np.partition(scores[positive], -limit)[-limit]
    best: NDArray[np.int64] = positive[scores[positive] >= cut]
    return best
