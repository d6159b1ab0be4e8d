"""What a question wants word for word: which passages may answer, and which sentences hold what it quotes and names.

Looked up over the whole index before anything is ranked, so that the one sentence that holds a code is found among
thousands that are otherwise alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qa import query, spelling
from qa.records import Notice, Query
from qa.snapshot import Snapshot
from qa.wording import mark

Rows = NDArray[np.int64]

Weighed = tuple[tuple[float, Rows], ...]

RARE = 10
"""Sentences that hold a code, at most, for it to be what is asked about."""

FEW = 100
"""Sentences that hold a phrase or code, at most, for all of them to be candidates; of more, the nearest are."""

MOST_DOUBTFUL = 12
"""A question of more words that neither the documents nor the model know is no English, and left as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """A question, and where in a snapshot it is met word for word.

    `passages`, of shape (passages,), are those that may answer; None when all may. `verbatim` are the sentences that
    are the question itself; `phrases` those that hold each quoted phrase; `codes` and `numbers` those that hold each
    code and each number that occurs, beside its rarity. `possible` is false where a quoted phrase occurs nowhere: then
    the documents do not say, and `passages` are all that may be shown as the nearest.
    """

    query: Query
    passages: NDArray[np.bool_] | None
    verbatim: Rows
    phrases: tuple[Rows, ...]
    codes: Weighed
    numbers: Weighed
    notices: tuple[Notice, ...]
    possible: bool

    @property
    def rows(self) -> Rows:
        """Sentences that must not be missing among the candidates; ascending."""
        named = [rows for _, rows in (*self.codes, *self.numbers)]
        rare = [rows for rows in (*self.phrases, *named) if len(rows) <= FEW]
        return np.flatnonzero(np.bincount(np.concatenate([self.verbatim[:FEW], *rare])))

    def shares(self, rows: Rows, lexical: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each sentence of `rows`, of shape (rows, 4): whether it is the question itself, and the shares that it
        holds of the quoted phrases, of the codes and of the numbers.

        Codes and numbers count by rarity, and as far as the rest of the sentence fits: times the square of `lexical`,
        its BM25 in [0, 1]. Without that, document nDCG@10 on SciFact, whose claims name many codes, falls by .008."""
        shares = np.zeros((len(rows), 4))
        shares[:, 0] = np.isin(rows, self.verbatim)
        for held in self.phrases:
            shares[:, 1] += np.isin(rows, held) / len(self.phrases)
        for column, wanted in ((2, self.codes), (3, self.numbers)):
            total = sum(rarity for rarity, _ in wanted)
            for rarity, held in wanted:
                shares[:, column] += np.isin(rows, held) * (rarity / total)
        shares[:, 2:] *= lexical[:, None] ** 2
        return shares


def find(
    held: Snapshot,
    question: str,
    allowed: NDArray[np.bool_] | None,
    knows: Callable[[str], bool],
    *,
    as_typed: bool = False,
) -> Exact:
    """What `question` wants of the passages that are `allowed` (None: all of them).

    A sentence of the documents is taken as it is, whatever signs it holds; so is any question that is asked `as_typed`.
    `knows` tells common words, which are never taken for misspelt. Raises UsageError when the question only says what
    to leave out.
    """
    verbatim = np.flatnonzero(held.marks == mark(question))
    plain = as_typed or len(verbatim) > 0
    asked = query.plain(question) if plain else query.read(question)
    notices: list[Notice] = []
    if not plain:
        asked, notices = _spelt(held, asked, knows)
    passages, possible = allowed, True
    owner = held.owner
    for phrase in asked.excluded:
        passages = _without(held, phrase, passages)
        notices.append(Notice("excluded", f'Passages that hold "{phrase}" are left out.', phrase))
    wanted = passages
    for phrase in asked.phrases:
        wanted = _within(held, phrase, wanted)
    if wanted is not None and not wanted.any() and asked.phrases:
        possible = False
        notices += _nowhere(held, asked.phrases, allowed)
    else:
        passages = wanted
    open_rows = None if passages is None else passages[owner]
    return Exact(
        asked,
        passages,
        _let(verbatim, open_rows),
        tuple(_let(held.sentence_words.holding(phrase), open_rows) for phrase in asked.phrases if possible),
        *_weighed(held, asked, open_rows),
        tuple(notices),
        possible,
    )


def _weighed(held: Snapshot, asked: Query, allowed: NDArray[np.bool_] | None) -> tuple[Weighed, Weighed]:
    """Of the codes and numbers that occur, the rarity and the sentences that hold them. A code that many hold tells no
    more than a number."""
    found: tuple[list[tuple[float, Rows]], list[tuple[float, Rows]]] = ([], [])
    for position, wanted in enumerate((asked.codes, asked.numbers)):
        for rows in map(held.sentence_words.whole, wanted):
            if len(rows):
                common = position or len(rows) > RARE
                found[1 if common else 0].append((held.sentence_words.idf(len(rows)), _let(rows, allowed)))
    return tuple(found[0]), tuple(found[1])


def _spelt(held: Snapshot, asked: Query, knows: Callable[[str], bool]) -> tuple[Query, list[Notice]]:
    """The question with its misspelt words replaced, and a notice for each."""

    def known(word: str) -> bool:
        terms = held.passage_words.terms(word)
        return not terms or any(term.frequency for term in terms) or knows(word)

    text, notices = asked.text, []
    vocabulary = cache(held.passage_words.vocabulary)
    spans = list(spelling.doubtful(text, query.quoted(text), known))
    for span in reversed(spans if len(spans) <= MOST_DOUBTFUL else []):
        typed = text[span.start : span.end]
        likelier = spelling.likelier(typed, vocabulary)
        if likelier is not None:
            text = text[: span.start] + likelier + text[span.end :]
            said = f'Searched for "{likelier}"; "{typed}" does not occur in the documents.'
            notices.append(Notice("spelling", said, typed, likelier))
    return replace(asked, text=text), notices[::-1]


def _nowhere(held: Snapshot, phrases: tuple[str, ...], allowed: NDArray[np.bool_] | None) -> list[Notice]:
    where = "in the documents" if allowed is None else "in the documents chosen"
    missing = [phrase for phrase in phrases if not _within(held, phrase, allowed).any()]
    notices = [Notice("phrase", f'"{phrase}" occurs nowhere {where}.', phrase) for phrase in missing]
    if not missing:
        together = " and ".join(f'"{phrase}"' for phrase in phrases)
        notices.append(Notice("phrase", f"No passage {where} that may answer holds {together}.", phrases[0]))
    return notices


def _holds(held: Snapshot, phrase: str) -> NDArray[np.bool_]:
    found = np.zeros(len(held.document), dtype=np.bool_)
    found[held.passage_words.holding(phrase)] = True
    return found


def _within(held: Snapshot, phrase: str, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    found = _holds(held, phrase)
    return found if allowed is None else found & allowed


def _without(held: Snapshot, phrase: str, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    found = ~_holds(held, phrase)
    return found if allowed is None else found & allowed


def _let(rows: Rows, allowed: NDArray[np.bool_] | None) -> Rows:
    return rows if allowed is None else rows[allowed[rows]]
