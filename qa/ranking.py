"""Candidates to one order: dense and lexical scores of passages and sentences made comparable and added up.

A cosine is comparable across questions as it is; a BM25 score is not, so it is divided by what a text would score that
holds each word of the question once. Then scores are added. Fusing ranks instead (reciprocal rank fusion) lost 3 to 9
points of hit@1 on every set tried. `tests/bench_ranking.py` tells what another weight gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa.records import Part

LEXICAL_WEIGHT = 0.3
"""Of a passage's BM25, as a share of what a text of mean length scores that holds each word of the question once. Mean
passage hit@1 over seven sets: 0.25 .848, 0.3 .847, 0.35 .846, 0.45 .844; as a share of the best of the question .844,
and there a score depends on what else was found. The lower weight costs clapnq and scifact what others gain."""

TOKENS_WEIGHT = 1.5
"""Of how well a passage's tokens match the question's, by rarity of its words. Without, passage hit@1 on the squad2
sample is .862, with 1.0 .873 (1.0 and 1.5 differ by .003 in the mean of seven sets)."""

PASSAGE_WEIGHT = 1.0
"""Of its passage's score in a sentence's."""

SENTENCE_TOKENS_WEIGHT = 2.5
"""The same as TOKENS_WEIGHT for a sentence's own tokens. Mean sentence hit@1 over seven sets, before HEADING_MATCH:
.681 with 0.5, .686 with 1.0, .692 with 2.0, .692 with 3.0. From 2.0 on a sentence's own BM25 and its length, which had
weights before, add nothing, and are gone."""

HEADING_MATCH = 0.75
"""How well a word of the question counts as matched, at least, in every sentence of a passage whose title or headings
hold it: a sentence about Oslo in a text called Oslo does not say Oslo. Mean over seven sets of passage and sentence
hit@1: without .833 and .692; 0.6 .838 and .702; 0.7 .841 and .708; 0.8 .842 and .710, where clapnq and scifact begin to
lose in sentence hit@5. An exact match of a word has 0.6 to 0.8."""

LONE_LEAD = 0.3
"""Taken for the lead where too few passages are there to tell: that of the median right answer."""

READER_WEIGHT = 0.5
"""Of how likely the reader finds that a passage's best sentence answers. Passage hit@1 on 1,000 questions of squad2
about articles that it has not learned from, and document nDCG@10 of scifact's claims with evidence: without the reader
.874 and .879, with 0.2 .883 and .877, 0.5 .897 and .876, 0.8 .899 and .867."""

SENTENCE_READER_WEIGHT = 1.0
"""The same for a sentence, beside its passage's. Sentence hit@1 on squad2, clapnq, xquad and scifact: without the
reader .809, .725, .836 and .534; 0.6 .842, .784, .879 and .573; 1.0 .852, .766, .884 and .579; means of these with the
project's own questions .745, .780 and .781. On clapnq people chose the sentence for longer answers than the reader was
taught."""

READER_TEMPERATURE = 4.0
"""By which the reader's log-odds are divided before they become a share. With 2, those that it is sure of lie too close
together: the mean sentence hit@1 of the five sets is .771 for .781. With 6, passage hit@1 of squad2 falls to .889."""

READ_MARGIN = 0.4
"""How far below the first stage's best score a passage may be to be read. 3.4 passages of a question are read on
squad2, 1.5 on clapnq, 4.5 on scifact, and the figures are those of reading eight always, but for .005 of scifact's.
With 0.2, hit@5 of squad2's sentences is .955 for .961."""

READ_MOST = 8
"""Passages that are read, at most."""

RERANKER_WEIGHT = 5.0
"""Of a cross-encoder's score, lowest of the passages read = 0 and highest = 1, on top of the first stage's. Who names a
model means it to decide: a fifth of the range of its scores outweighs what the first stage puts between its first and
tenth passage, .71 in the median and .97 in nine of ten of the project's own questions. Below that the first stage does,
as between passages that the model finds equally good."""

SHORTLIST = 24
"""Passages whose tokens are compared, and that can be shown, chosen by the score without them. A page shows ten."""

BOILERPLATE_WEIGHT = 0.2
"""Taken from the cosine of a sentence that stands in many documents otherwise different. With four such on subjects of
clapnq in each of its documents, one is cited first for .026 of the questions without, for .003 with; passage hit@1 is
.922 without and .934 with, as it is where there are none. `tests/bench_folding.py` repeats it."""


EXACT = {
    "verbatim": (10.0, "the sentence is the question, word for word"),
    "quoted": (3.0, "share of the quoted phrases that a sentence holds"),
    "codes": (0.5, "share of the codes that a sentence holds, by rarity, as far as its words fit"),
    "numbers": (0.1, "share of the numbers that a sentence holds, by rarity, as far as its words fit"),
}
"""Weights of what stands in a sentence word for word, in (0, weight] where it does.

A sentence that is the question goes first whatever the rest says, which differs by less than 10 between any two; one
that holds what is quoted goes before those that do not. Among 1,168 sentences that are alike but for a code, cosines
with the question differ by chance: of 471 questions for a code or number, 274 cite the sentence with it first without
the last two weights, 464 with 0.3 for codes, 468 with 0.5, 469 with 1.0 (`tests/bench_codes.py`). No set of judged
questions loses by 0.5; 1.0 costs SciFact .004 of document nDCG@10. Numbers are named in passing: 0.3 for them costs
squad2 and xquad 2 questions each.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What is known of the passages that may answer. Arrays of shape (passages,) and (sentences,), in float64.

    `first[i]:first[i + 1]` are the sentences of candidate i. `lexical` are BM25 scores as shares of what a text of mean
    length scores that holds each word of the question once; `cosine` are those of the sentences with the question;
    `boilerplate`, of bool, are the sentences that stand in many documents; `exact`, of shape (sentences, 4), are the
    shares in [0, 1] that EXACT weighs. `matches`, of shape (sentences, question tokens), are how well each token is
    matched, `weights`, of shape (question tokens,), what each counts, 1 in all; `headed`, of bool and shape (passages,
    question tokens), whether title or headings hold its word. These three have no columns where token vectors are not
    compared.
    """

    lexical: NDArray[np.float64]
    first: NDArray[np.int64]
    cosine: NDArray[np.float64]
    boilerplate: NDArray[np.bool_]
    exact: NDArray[np.float64]
    matches: NDArray[np.float64]
    headed: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def take(self, runs: Sequence[tuple[int, int, int]]) -> tuple[Candidates, NDArray[np.int64]]:
        """Runs of sentences (candidate, first sentence, last exclusive) as candidates, and the numbers of their
        sentences."""
        rows = np.concatenate([np.arange(start, stop) for _, start, stop in runs] or [np.empty(0, np.int64)])
        first = np.concatenate([[0], np.cumsum([stop - start for _, start, stop in runs])]).astype(np.int64)
        chosen = np.array([candidate for candidate, _, _ in runs], dtype=np.int64)
        taken = Candidates(
            lexical=self.lexical[chosen],
            first=first,
            cosine=self.cosine[rows],
            boilerplate=self.boilerplate[rows],
            exact=self.exact[rows],
            matches=self.matches[rows],
            headed=self.headed[chosen],
            weights=self.weights,
        )
        return taken, rows

    @property
    def owner(self) -> NDArray[np.int64]:
        """The candidate of each sentence, shape (sentences,)."""
        return np.repeat(np.arange(len(self.lexical)), np.diff(self.first))

    @property
    def credited(self) -> NDArray[np.float64]:
        """Matches times weights, words of title and headings counted as matched: shape (sentences, question tokens)."""
        least = np.where(self.headed, HEADING_MATCH, -np.inf)[self.owner]
        weighted: NDArray[np.float64] = np.maximum(self.matches, least) * self.weights
        return weighted


@dataclass(frozen=True, slots=True, eq=False)
class Reread:
    """What a model that reads the best candidates closely made of them: from 0 for the lowest of its scores to 1 for
    the highest in `shares`, of shape (passages,), NaN where it did not read. `first_stage` are the passages' scores
    before; `name` is the model's."""

    shares: NDArray[np.float64]
    first_stage: NDArray[np.float64]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What a reader made of the best candidates: the `odds` of each sentence, of shape (sentences,), as log-odds that
    it answers against that nothing in its passage does, NaN where it did not read. `name` is the reader's."""

    odds: NDArray[np.float64]
    name: str

    @property
    def shares(self) -> NDArray[np.float64]:
        """How likely each sentence answers, from 0 to 1; 0 where it was not read."""
        shares: NDArray[np.float64] = 1 / (1 + np.exp(-np.nan_to_num(self.odds, nan=-np.inf) / READER_TEMPERATURE))
        return shares


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Scores of candidates: `passage` of shape (passages,), `sentence` of shape (sentences,). `order` lists the
    candidates best first, ties in the order given. `credited` are `candidates.credited`. `read` is None where `read`
    was not called, `reread` where `rerank` was not."""

    candidates: Candidates
    credited: NDArray[np.float64]
    passage: NDArray[np.float64]
    sentence: NDArray[np.float64]
    order: NDArray[np.int64]
    read: Read | None = None
    reread: Reread | None = None

    @property
    def to_read(self) -> NDArray[np.int64]:
        """The candidates that a reader may change the order of, best first: those near enough to the best."""
        best = self.order[:READ_MOST]
        near: NDArray[np.int64] = best[self.passage[best] >= self.passage[self.order[:1]] - READ_MARGIN]
        return near

    @property
    def lead(self) -> float:
        """How far the best cosine of any passage stands above the mean of the sixth to the twentieth; LONE_LEAD where
        there are no such, as in a folder of one short file."""
        given = self.candidates
        best = np.sort(np.maximum.reduceat(given.cosine, given.first[:-1]))[::-1]
        return float(best[0] - best[5:20].mean()) if len(best) > 5 else LONE_LEAD

    @property
    def matched(self) -> float:
        """How well the question is matched in the best passage, headings aside: the mean over its tokens of their best
        match anywhere in it. Without token vectors the best cosine stands in: of the same scale, and the best there
        is."""
        rows = self._rows(int(self.order[0]))
        given = self.candidates
        found = given.matches[rows].max(axis=0).mean() if given.matches.shape[1] else given.cosine[rows].max()
        return float(found)

    @property
    def odds(self) -> float | None:
        """The log-odds that the reader gives the best sentence of the best passage; None where it did not read it."""
        best = float(self.read.odds[self._rows(int(self.order[0]))].max()) if self.read is not None else np.nan
        return None if np.isnan(best) else best

    @property
    def verbatim(self) -> bool:
        """Whether a sentence of the best passage is the question, word for word."""
        return bool(self.candidates.exact[self._rows(int(self.order[0])), 0].any())

    def _rows(self, candidate: int) -> slice:
        return slice(int(self.candidates.first[candidate]), int(self.candidates.first[candidate + 1]))

    def run_score(self, candidate: int, start: int, stop: int) -> float:
        """The score of sentences `start` to `stop` of a candidate: the sum of its `passage_parts`."""
        if stop - start == self.candidates.first[candidate + 1] - self.candidates.first[candidate]:
            return float(self.passage[candidate])
        return sum(part.value for part in self.passage_parts(candidate, slice(start, stop)))

    def passage_parts(self, candidate: int, sentences: slice) -> tuple[Part, ...]:
        """The summands of the score of a run of a candidate's sentences; of all of them, those of its own score."""
        given = self.candidates
        share = float(given.lexical[candidate])
        words = f"{LEXICAL_WEIGHT} x BM25 of the passage, {share:.2f} of one that holds each word once"
        best = sentences.start + int(np.argmax(_meaning(given, sentences)))
        parts: tuple[Part, ...] = (
            Part("meaning", float(given.cosine[best]), "cosine of its best sentence with the question"),
            Part("words", LEXICAL_WEIGHT * share, words),
            *_boilerplate_part(given, best),
            *_exact_parts(given.exact[sentences].max(axis=0)),
        )
        if given.matches.shape[1]:
            tokens = TOKENS_WEIGHT * float(self.credited[sentences].max(axis=0).sum())
            parts = (*parts, Part("tokens", tokens, f"{TOKENS_WEIGHT} x best match of each word of the question"))
        if self.read is not None:
            parts = (*parts, _reader_part(self.read, sentences, READER_WEIGHT))
        return parts if self.reread is None else (*parts, _reranker_part(self.reread, candidate))

    def sentence_parts(self, candidate: int, sentence: int) -> tuple[Part, ...]:
        """The summands of a sentence's score."""
        given = self.candidates
        passage = float(self.passage[candidate])
        parts = (
            Part("meaning", float(given.cosine[sentence]), "cosine of the sentence with the question"),
            Part("passage", PASSAGE_WEIGHT * passage, f"{PASSAGE_WEIGHT} x score of its passage"),
            *_boilerplate_part(given, sentence),
            *_exact_parts(given.exact[sentence]),
        )
        if self.read is not None:
            own = slice(sentence, sentence + 1)
            parts = (*parts, _reader_part(self.read, own, SENTENCE_READER_WEIGHT))
        if not given.matches.shape[1]:
            return parts
        tokens = SENTENCE_TOKENS_WEIGHT * float(self.credited[sentence].sum())
        note = f"{SENTENCE_TOKENS_WEIGHT} x best match of each word of the question"
        return (*parts, Part("tokens", tokens, note))


def rank(candidates: Candidates) -> Ranked:
    """Score and order the candidates. No candidates give empty arrays.

    passage = best cosine + 0.3 BM25 + 1.5 token matches + exact;
    sentence = cosine + 1.0 passage + 2.5 token matches + exact,
    where exact is what EXACT adds, of a passage the most that any of its sentences has of each;
    in both, 0.2 less for the cosine of a sentence that is boilerplate.
    """
    given, credited = candidates, candidates.credited
    count = len(given.lexical)
    starts = given.first[:-1]
    best = np.maximum.reduceat(_meaning(given), starts) if count else np.empty(0)
    matched = np.maximum.reduceat(credited, starts, axis=0).sum(axis=1) if count else np.empty(0)
    exact = given.exact * _EXACT_WEIGHTS
    held = np.maximum.reduceat(exact, starts, axis=0).sum(axis=1) if count else np.empty(0)
    passage = best + LEXICAL_WEIGHT * given.lexical + TOKENS_WEIGHT * matched + held
    sentence = (
        _meaning(given)
        + PASSAGE_WEIGHT * passage[given.owner]
        + SENTENCE_TOKENS_WEIGHT * credited.sum(axis=1)
        + exact.sum(axis=1)
    )
    return Ranked(given, credited, passage, sentence, np.argsort(-passage, kind="stable"))


def read(ranked: Ranked, odds: Sequence[Sequence[float]], name: str) -> Ranked:
    """Join the log-odds that the reader `name` gave to the sentences of the first `len(odds)` passages of
    `ranked.order`, in that order.

    They become shares between 0 and 1; READER_WEIGHT times the largest of its sentences is added to a passage's score,
    and SENTENCE_READER_WEIGHT times its own to a sentence's. What was not read is taken to answer as little as can be:
    the first stage puts it behind what was.
    """
    given = ranked.candidates
    if not len(odds):
        return ranked
    whole = np.full(len(given.cosine), np.nan)
    for candidate, values in zip(ranked.order.tolist(), odds, strict=False):
        whole[given.first[candidate] : given.first[candidate + 1]] = values
    found = Read(whole, name)
    shares = found.shares
    gain = READER_WEIGHT * np.maximum.reduceat(shares, given.first[:-1])
    passage = ranked.passage + gain
    sentence = ranked.sentence + PASSAGE_WEIGHT * gain[given.owner] + SENTENCE_READER_WEIGHT * shares
    order = np.argsort(-passage, kind="stable")
    return replace(ranked, passage=passage, sentence=sentence, order=order, read=found)


def rerank(ranked: Ranked, scores: NDArray[np.float64], name: str) -> Ranked:
    """Join the scores that the model `name` gave to the first `len(scores)` passages of `ranked.order`, in that order.

    They are brought between 0 and 1 by the lowest and the highest of the question, as the scales of models differ, and
    RERANKER_WEIGHT times that is added to a passage's score. So those that were read are in the model's order but for
    near ties, and stand above the rest, which keep their scores and their order. A sentence follows its passage.
    """
    given, read = ranked.candidates, ranked.order[: len(scores)]
    if not len(read):
        return ranked
    shares = np.full(len(ranked.passage), np.nan)
    span = float(np.ptp(scores))
    shares[read] = (scores - scores.min()) / span if span > 0 else 0.0
    gain = RERANKER_WEIGHT * np.nan_to_num(shares)
    passage = ranked.passage + gain
    sentence = ranked.sentence + PASSAGE_WEIGHT * np.repeat(gain, np.diff(given.first))
    order = np.argsort(-passage, kind="stable")
    reread = Reread(shares, ranked.passage, name)
    return replace(ranked, passage=passage, sentence=sentence, order=order, reread=reread)


def of_best(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores divided by the largest of them; all 0 where none is above 0."""
    top = float(scores.max()) if len(scores) else 0.0
    return scores / top if top > 0 else np.zeros_like(scores)


def token_weights(rarity: NDArray[np.float64], words: Sequence[str]) -> NDArray[np.float64]:
    """What each token of a question counts: its word's rarity, shared by the word's pieces; they sum to 1."""
    pieces = Counter(words)
    weights = rarity / np.array([pieces[word] for word in words]) if len(words) else rarity
    total = float(weights.sum())
    return weights / total if total > 0 else np.full(len(words), 1 / max(len(words), 1))


def _reader_part(read: Read, sentences: slice, weight: float) -> Part:
    odds, share = read.odds[sentences], float(read.shares[sentences].max())
    if np.isnan(odds).all():
        return Part("reader", 0.0, f"not read by the reader ({read.name})")
    return Part("reader", weight * share, f"{weight} x how likely it answers, as the reader ({read.name}) has it")


def _reranker_part(reread: Reread, candidate: int) -> Part:
    share = float(reread.shares[candidate])
    if np.isnan(share):
        return Part("reranker", 0.0, f"not read by {reread.name}: beyond its time budget")
    note = f"{RERANKER_WEIGHT} x score of {reread.name}, {share:.3f} between its lowest and highest of the question"
    return Part("reranker", RERANKER_WEIGHT * share, note)


def _meaning(given: Candidates, sentences: slice = slice(None)) -> NDArray[np.float64]:
    """Each sentence's cosine, less what is taken from boilerplate."""
    reduced: NDArray[np.float64] = given.cosine[sentences] - BOILERPLATE_WEIGHT * given.boilerplate[sentences]
    return reduced


def _boilerplate_part(given: Candidates, sentence: int) -> tuple[Part, ...]:
    if not given.boilerplate[sentence]:
        return ()
    return (Part("boilerplate", -BOILERPLATE_WEIGHT, "it stands in many documents that are otherwise different"),)


_EXACT_WEIGHTS = np.array([weight for weight, _ in EXACT.values()])


def _exact_parts(shares: NDArray[np.float64]) -> tuple[Part, ...]:
    """What stands word for word adds to a score; a part for each kind that there is."""
    return tuple(
        Part(name, weight * float(share), f"{weight} x {note}")
        for (name, (weight, note)), share in zip(EXACT.items(), shares, strict=True)
        if share
    )
