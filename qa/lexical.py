"""Matching texts by their words: tantivy's BM25 over passages, and over sentences, immutable for one commit.

BM25 counts documents and lengths over all of an index, and tantivy goes on counting deleted documents until it merges.
So nothing is ever deleted: an index is put together from parts, whole segments without a deleted document, and what is
gone is left out with its part. It then scores as one built anew of all its texts.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.errors import IndexUnusable
from qa.wording import grams, joined, plain, rejoined, words

_AROUND = "`.,;:!?\"'()[]{}\u2018\u2019\u201c\u201d\u2026-"

ANALYSER = "folded_stems"
"""Splits at what is no letter or digit, drops words of more than 40 bytes, lower case, no accents, English stems; of
what `wording.grams` made of a text."""

EXACT = "whitespace"
"""tantivy's analyser of words that `wording.words` has found."""

WRITER_BYTES = 64 * 2**20
"""Memory of the writer before it starts another segment: 100,000 sentences fit in one."""

STILL = "manual"
"""No index is written to that is asked. As tantivy has it by default, a thread looks for changes, and makes a lock file
in the folder whenever it thinks that there is one, also while the folder is deleted."""

REMOVAL_TRIES, REMOVAL_PAUSE_S = 40, 0.05
"""How often, and how long apart, the folder of a part is tried to be deleted."""

META = "meta.json"
"""tantivy's list of the segments of an index."""

TIE = 2e-6
"""Scores nearer than this share of them count as equal. tantivy adds up the float32 terms of a text in an order that it
does not promise: 30 in another order can come out 1.8e-6 apart. Of 3,000 texts in one segment and in six, none did.
"""

_WITHIN_BITS = 32
"""Of the number that is kept with a text, those that count it within its part; the others are the part's."""

_NUMBER = re.compile(r"\b(?:Os \{ code:|os error) ([0-9]+)")
"""What tantivy says of an error of the system, somewhere in its message."""

COMMON = 32
"""Of a word that more than one of so many texts hold, a lexicon keeps which they are once it was asked: nearly every
question has such words, they take longest, and there cannot be many of them."""

Meta = dict[str, Any]
"""What tantivy says of an index, as JSON."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question as the index knows it, and in how many texts it occurs."""

    text: str
    frequency: int


class Lexicon:
    """BM25 over numbered texts; numbers count from 0 in the order given."""

    def __init__(
        self, index: Any, parts: Sequence[tuple[int, int]] = ((0, 0),), order: NDArray[np.int64] | None = None
    ) -> None:
        """`index` is a tantivy.Index; see `build` and `load`."""
        import tantivy

        index.register_tokenizer(ANALYSER, _analyser())
        self._tantivy = tantivy
        self._schema = index.schema
        self._searcher = index.searcher()
        self._analyser = _analyser()
        # Text number t is kept as the order[t]-th of the parts one after another.
        order = np.arange(len(self)) if order is None else order
        self._number = np.empty_like(order)
        self._number[order] = np.arange(len(order))
        begins = np.cumsum([size for _, size in parts]) - [size for _, size in parts]
        by_name = np.argsort([part for part, _ in parts])
        self._parts = np.array([part for part, _ in parts], dtype=np.int64)[by_name]
        self._begins = begins.astype(np.int64)[by_name]
        self._common: dict[str, NDArray[np.bool_]] = {}

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    @classmethod
    def build(cls, texts: Iterable[str], folder: Path | None = None) -> Lexicon:
        """Over `texts`, in `folder` (which is made) or in memory. The caller makes it durable and hashes it. Raises
        OSError where it cannot be written."""
        if folder is None:
            return cls(_written(texts, None, 0))
        arrange(folder, [add(texts, folder, 0)])
        return cls.load(folder)

    @classmethod
    def load(
        cls, folder: Path, parts: Sequence[tuple[int, int]] = ((0, 0),), order: NDArray[np.int64] | None = None
    ) -> Lexicon:
        """What `build` or `arrange` wrote to `folder`. `parts` are number and size of each part in it, and the first
        text is the `order[0]`-th of them one after another. Raises IndexUnusable when it is no index, OSError where it
        cannot be read or no lock be made beside it."""
        import tantivy

        try:
            index = tantivy.Index.open(str(folder))
            index.config_reader(reload_policy=STILL)
        except ValueError as error:
            raise (_refused(error, folder) or IndexUnusable(f"The folder {folder} is not a lexical index.")) from error
        return cls(index, parts, order)

    def terms(self, question: str) -> tuple[Term, ...]:
        """The question's words as the index splits and stems them, each once, in order."""
        stems = dict.fromkeys(self._analyser.analyze(grams(plain(question))))
        return tuple(Term(stem, int(self._searcher.doc_freq("text", stem))) for stem in stems)

    def rarity(self, asked: Sequence[str]) -> NDArray[np.float64]:
        """BM25's inverse document frequency of each word, 0 for one without letters or digits."""
        weights = []
        for word in asked:
            terms = self.terms(word)
            weights.append(max((self._idf(term) for term in terms), default=0.0))
        return np.array(weights)

    def _idf(self, term: Term) -> float:
        return self.idf(term.frequency)

    def idf(self, frequency: int) -> float:
        """BM25's inverse document frequency of what occurs in `frequency` texts."""
        return math.log(1 + (len(self) - frequency + 0.5) / (frequency + 0.5))

    def holding(self, phrase: str) -> NDArray[np.int64]:
        """Numbers of the texts that hold the words of `phrase` (see `wording.words`) side by side in order, unstemmed;
        ascending. A phrase without words is held by none."""
        return self._holding(words(phrase))

    def whole(self, code: str) -> NDArray[np.int64]:
        """Numbers of the texts that hold a code as a whole, else of those that hold its pieces; see `holding`."""
        found = self._holding(joined(code)) if len(code.split()) == 1 else self._holding([])
        return found if len(found) else self.holding(code)

    def _holding(self, asked: Sequence[str]) -> NDArray[np.int64]:
        limit = min((int(self._searcher.doc_freq("exact", word)) for word in asked), default=0)
        if not limit:
            return np.empty(0, dtype=np.int64)
        query = self._tantivy.Query
        sought = (
            query.phrase_query(self._schema, "exact", asked)
            if len(asked) > 1
            else query.term_query(self._schema, "exact", asked[0])
        )
        hits = self._searcher.search(query.const_score_query(sought, 1.0), limit, count=False).hits
        return np.sort(self._numbers([address for _, address in hits]))

    def vocabulary(self, beginning: str) -> list[tuple[str, int]]:
        """The words of letters alone that begin so, in lower case and unstemmed, and how many texts hold each."""
        found = self._searcher.terms_with_prefix("exact", beginning)
        return sorted((word, count) for word, count in found if word.isalpha())

    def match(self, terms: Sequence[Term], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers and BM25 scores of the `limit` best texts that hold any of `terms`, and of all that tie with the last
        of them, in ascending order of number."""
        clauses = self._clauses(terms)
        if not clauses or limit <= 0:
            return np.empty(0, dtype=np.int64), np.empty(0)
        query = self._tantivy.Query.boolean_query(clauses)
        # Texts of one length with one of the words score the same. Of 64 searches for 2,000 over 100,000 sentences 11
        # have more than 16 beyond that tie with the last, none more than 379; searching again costs more than 500 hits.
        taken = limit + limit // 4 + 16
        while True:
            hits = self._searcher.search(query, taken, count=False).hits
            scores = np.array([score for score, _ in hits], dtype=np.float64)
            cut = scores[limit - 1] * (1 - TIE) if len(scores) > limit else 0.0
            if len(hits) < taken or scores[-1] < cut:
                break
            taken *= 4
        numbers, scores = self._numbers([address for _, address in hits]), _tied(scores)
        order = np.argsort(numbers)
        order = order[scores[order] >= cut]
        return numbers[order], scores[order]

    def _numbers(self, addresses: list[Any]) -> NDArray[np.int64]:
        kept = np.array(self._searcher.fast_field_values("number", addresses), dtype=np.int64)
        begins = self._begins[np.searchsorted(self._parts, kept >> _WITHIN_BITS)]
        return self._number[begins + (kept & (1 << _WITHIN_BITS) - 1)]

    def full(self, terms: Sequence[Term]) -> float:
        """The BM25 score of a text of mean length that holds each of `terms` once; those that occur nowhere do not
        count."""
        return sum(self._idf(term) for term in terms if term.frequency)

    def naming(self, word: str) -> NDArray[np.bool_]:
        """Which texts hold every term of a word, shape (texts,); none where it has no terms. Not to be written to."""
        held = self._common.get(word)
        if held is None:
            terms = self.terms(word)
            counts = np.zeros(len(self), dtype=np.int64)
            for term in terms:
                counts[self.match([term], len(self))[0]] += 1
            held = (counts == len(terms)) & bool(terms)
            if np.count_nonzero(held) * COMMON > len(self):
                self._common[word] = held
        return held

    def alone(self, terms: Sequence[Term], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """BM25 of each term by itself in each of the texts `numbers`, shape (terms, numbers): what it adds to the score
        of a question that holds it."""
        scores = np.zeros((len(terms), len(numbers)))
        for row, term in zip(scores, terms, strict=True):
            held, found = self.match([term], len(self))
            at = np.searchsorted(held, numbers)
            inside = at < len(held)
            hit = np.flatnonzero(inside)[held[at[inside]] == numbers[inside]]
            row[hit] = found[at[hit]]
        return scores

    def typed(self, question: str) -> dict[str, str]:
        """For each term of the question by its text, the word that it was typed as; the term where it is but a part
        of that."""
        found: dict[str, str] = {}
        for word in question.split():
            terms = self._analyser.analyze(grams(plain(word)))
            for term in terms:
                found.setdefault(term, word.strip(_AROUND) if len(terms) == 1 else term)
        return found

    def _clauses(self, terms: Sequence[Term]) -> list[tuple[Any, Any]]:
        query = self._tantivy.Query
        return [
            (self._tantivy.Occur.Should, query.term_query(self._schema, "text", term.text))
            for term in terms
            if term.frequency
        ]


def add(texts: Iterable[str], folder: Path, part: int) -> Meta:
    """Write `texts` to `folder` (which is made if need be) as the part of that number, from 0, which no other part that
    it is ever arranged with may have. Gives what `arrange` is to be told of it. Raises OSError where it cannot be
    written."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".part-", dir=folder, ignore_cleanup_errors=True) as work:
        _written(texts, Path(work), part)
        meta: Meta = json.loads(Path(work, META).read_text("utf-8"))
        for path in (path for name in segments(meta) for path in Path(work).glob(f"{name}.*")):
            path.rename(folder / path.name)
    for _ in range(REMOVAL_TRIES):  # a thread of tantivy may have put a lock file there while it was emptied
        if not Path(work).exists():
            break
        time.sleep(REMOVAL_PAUSE_S)
        shutil.rmtree(work, ignore_errors=True)
    return meta


def segments(meta: Meta) -> list[str]:
    """What the names of the files of a part begin with, up to the first dot."""
    return [segment["segment_id"].replace("-", "") for segment in meta["segments"]]


def arrange(folder: Path, metas: Sequence[Meta]) -> None:
    """Make one index of the parts in `folder` of which `add` gave `metas`, one or more."""
    every = [segment for meta in metas for segment in meta["segments"]]
    (folder / META).write_text(json.dumps({**metas[0], "segments": every}), "utf-8")


def _written(texts: Iterable[str], folder: Path | None, part: int) -> Any:
    """A tantivy.Index of the texts, with the number of their part. Raises OSError where it cannot be written."""
    import tantivy

    schema = (
        tantivy.SchemaBuilder()
        .add_unsigned_field("number", fast=True)
        .add_text_field("text", stored=False, tokenizer_name=ANALYSER, index_option="freq")
        .add_text_field("exact", stored=False, tokenizer_name=EXACT, index_option="position")
        .build()
    )
    try:
        index = tantivy.Index(schema, path=str(folder) if folder else None)
        index.config_reader(reload_policy=STILL)
        index.register_tokenizer(ANALYSER, _analyser())
        writer = index.writer(WRITER_BYTES, 1)
        for number, text in enumerate(texts):
            document = tantivy.Document()
            document.add_unsigned("number", (part << _WITHIN_BITS) + number)
            whole = rejoined(text)
            document.add_text("text", grams(plain(" ".join([text, *whole]))))
            # Behind what keeps phrases apart, what is joined stands whole: "u.s" is found where "u.s.s.r" is not.
            document.add_text("exact", " · ".join([" ".join(words(text)), *joined(text), *map(plain, whole)]))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
    except ValueError as error:
        raise (_refused(error, folder) or OSError(f"{folder or 'memory'}: {error}")) from error
    return index


def _refused(error: ValueError, folder: Path | None) -> OSError | None:
    """What the system said, where it was that; a ValueError is tantivy's only error."""
    told = _NUMBER.search(str(error))
    return None if told is None else OSError(int(told[1]), os.strerror(int(told[1])), str(folder))


def _tied(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Falling scores, of which those that differ by less than TIE from the one before have its value."""
    new = np.ones(len(scores), dtype=np.bool_)
    new[1:] = scores[1:] < scores[:-1] * (1 - TIE)
    first: NDArray[np.int64] = np.flatnonzero(new)[np.cumsum(new) - 1]
    return scores[first]


def _analyser() -> Any:
    import tantivy

    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(40))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )
