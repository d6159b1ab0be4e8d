"""Misspelt words of a question: replaced by the likeliest word of the documents, or left alone.

A word that the documents do not hold may well be right: a name or a thing that they say nothing of. To search its
neighbour then would turn "the documents do not say" into a wrong answer. So a word is only taken for misspelt when it
is in no list of English words either, or when it is rare there and one slip away from a common word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from qa.records import Span

LEAST_LETTERS = 5
"""Shorter words have too many neighbours: of the words of four letters that general questions hold and documents do
not, more are names than slips."""

TWO_EDITS_LETTERS = 9
"""From this length on two edits are allowed, below it one."""

SLIP_LETTERS = 6
"""From this length on a rare English word may be a slip: "goverment", "recieve" are in every list made from use."""

SLIP_RATIO = 100.0
"""How many times commoner the likelier word must then be."""

Vocabulary = Callable[[str], Sequence[tuple[str, int]]]
"""The words of the documents that begin with a letter, in lower case, and in how many passages each occurs."""

_LETTERS = re.compile(r"(?<![\w@/\\.:=#$%])[^\W\d_]+(?![\w@\\=]|[./:]\w)")
"""Words of letters alone, no part of a code, an address or a path."""


def doubtful(text: str, kept: Sequence[Span], known: Callable[[str], bool]) -> Iterator[Span]:
    """Where `text` holds words that may be misspelt, none of them inside `kept` and none `known`.

    Words in capitals or with some inside, and in scripts without capitals, are left alone: there a letter more or less
    makes another name, or the "word" is a sentence.
    """
    for found in _LETTERS.finditer(text):
        word, span = found[0], Span(*found.span())
        if (
            len(word) >= LEAST_LETTERS
            and word[1:].islower()
            and all(letter.lower() != letter.upper() for letter in word)
            and not any(other.start <= span.start < other.end for other in kept)
            and not known(word)
        ):
            yield span


def likelier(word: str, vocabulary: Vocabulary) -> str | None:
    """The word of the documents that `word` is most likely meant to be: of the fewest edits (letters put in, left out,
    replaced, or swapped with their neighbours), then in the most passages. None where none is near, or where `word` is
    right by itself."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    typed = word.lower()
    edits = 2 if len(typed) >= TWO_EDITS_LETTERS else 1
    # A slip in the first letter is rare; the second one is first where the two are swapped.
    held = {other: count for first in dict.fromkeys(typed[:2]) for other, count in vocabulary(first)}
    near = process.extract(typed, list(held), scorer=OSA.distance, score_cutoff=edits, limit=None)
    found = min(((int(distance), -held[other], other) for other, distance, _ in near), default=None)
    return found[2] if found and not _right(typed, found[2]) else None


def _right(typed: str, other: str) -> bool:
    """Whether `typed` is an English word that is not likely a slip for `other`: a letter left out, or two swapped."""
    frequencies = _english()
    if typed not in frequencies:
        return False
    return not (
        len(typed) >= SLIP_LETTERS
        and frequencies.get(other, 0.0) >= SLIP_RATIO * frequencies[typed]
        and (sorted(typed) == sorted(other) or any(other[:at] + other[at + 1 :] == typed for at in range(len(other))))
    )


@cache
def _english() -> Mapping[str, float]:
    """How often English words are used; read only when a doubtful word has a neighbour, as it takes a third of a
    second."""
    from wordfreq import get_frequency_dict

    frequencies: dict[str, float] = get_frequency_dict("en", wordlist="large")
    return frequencies
