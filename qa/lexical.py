"""Matching texts by their words: tantivy's BM25 over passages, and over sentences, whole and immutable for one commit.

An index is built at one go and never changed: BM25 counts documents and lengths over all of it, and tantivy goes on
counting deleted documents until it merges, so only a fresh index scores as if the past had not been.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question as the index knows it, and in how many texts it occurs."""

    text: str
    frequency: int


class Lexicon:
    """BM25 over numbered texts; numbers count from 0 in the order given."""

    def __init__(self, index: Any) -> None:
        """`index` is a tantivy.Index; see `build` and `load`."""
        import tantivy

        self._tantivy = tantivy
        self._schema = index.schema
        self._searcher = index.searcher()
        self._analyser = _analyser()

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    @classmethod
    def build(cls, texts: Iterable[str], folder: Path | None = None) -> Lexicon:
        """Over `texts`, in `folder` (which is made) or in memory. The caller makes it durable and hashes it. Raises
        OSError where it cannot be written."""
        import tantivy

        if folder is not None:
            folder.mkdir(parents=True)
        schema = (
            tantivy.SchemaBuilder()
            .add_unsigned_field("number", fast=True)
            .add_text_field("text", stored=False, tokenizer_name=ANALYSER, index_option="freq")
            .add_text_field("exact", stored=False, tokenizer_name=EXACT, index_option="position")
            .build()
        )
        try:
            index = tantivy.Index(schema, path=str(folder) if folder else None)
            index.register_tokenizer(ANALYSER, _analyser())
            writer = index.writer(WRITER_BYTES, 1)
            for number, text in enumerate(texts):
                document = tantivy.Document()
                document.add_unsigned("number", number)
                whole = rejoined(text)
                document.add_text("text", grams(plain(" ".join([text, *whole]))))
                # Behind what keeps phrases apart, what is joined stands whole: "u.s" is found where "u.s.s.r" is not.
                document.add_text("exact", " · ".join([" ".join(words(text)), *joined(text), *map(plain, whole)]))
                writer.add_document(document)
            writer.commit()
            writer.wait_merging_threads()
            index.reload()
        except ValueError as error:  # tantivy's only one, of a full or failing disk too
            raise OSError(f"{folder or 'memory'}: {error}") from error
        return cls(index)

    @classmethod
    def load(cls, folder: Path) -> Lexicon:
        """What `build` wrote to `folder`. Raises IndexUnusable when it is none."""
        import tantivy

        try:
            index = tantivy.Index.open(str(folder))
        except ValueError as error:
            raise IndexUnusable(f"The folder {folder} is not a lexical index.") from error
        index.register_tokenizer(ANALYSER, _analyser())
        return cls(index)

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
        numbers = self._searcher.fast_field_values("number", [address for _, address in hits])
        return np.sort(np.array(numbers, dtype=np.int64))

    def vocabulary(self, beginning: str) -> list[tuple[str, int]]:
        """The words of letters alone that begin so, in lower case and unstemmed, and how many texts hold each."""
        return [(word, count) for word, count in self._searcher.terms_with_prefix("exact", beginning) if word.isalpha()]

    def match(self, terms: Sequence[Term], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers and BM25 scores of the `limit` best texts that hold any of `terms`, in ascending order of number."""
        query = self._tantivy.Query.boolean_query(self._clauses(terms))
        hits = self._searcher.search(query, limit, count=False).hits if limit and len(self) else []
        numbers = np.array(self._searcher.fast_field_values("number", [address for _, address in hits]), dtype=np.int64)
        scores = np.array([score for score, _ in hits], dtype=np.float64)
        order = np.argsort(numbers)
        return numbers[order], scores[order]

    def full(self, terms: Sequence[Term]) -> float:
        """The BM25 score of a text of mean length that holds each of `terms` once; those that occur nowhere do not
        count."""
        return sum(self._idf(term) for term in terms if term.frequency)

    def naming(self, word: str) -> NDArray[np.bool_]:
        """Which texts hold every term of a word, shape (texts,); none where it has no terms."""
        terms = self.terms(word)
        counts = np.zeros(len(self), dtype=np.int64)
        for term in terms:
            counts[self.match([term], len(self))[0]] += 1
        held: NDArray[np.bool_] = (counts == len(terms)) & bool(terms)
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
