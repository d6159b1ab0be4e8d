"""What is said more than once: equal sentences, passages that are nearly the same, and boilerplate.

Texts are equal when they differ in white space and case only. Nothing that is folded is lost: it is listed as a place
of what is shown for it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

MANY = 8
"""Documents in which a sentence stands before it can be boilerplate, in a small corpus; in one of N documents it is the
root of N where that is more. A clause of three contracts is none, nor is anything in a corpus of seven."""

OWN_SHARE = 0.1
"""Of a document's text, at least, that it does not share with MANY others, for what it repeats to be boilerplate.
Copies, versions and contracts of one template have less: what they repeat is what they are about."""

NEARLY = 0.9
"""Of a passage's shingles that also stand in a better one, for it to be folded under that. Of copies in which one word
in 100, 50 or 20 is another it folds .93, .80 and .18, and .005 of the other passages of clapnq, which are near copies
too; 0.8 would fold .66 of those with one word in 20. `tests/bench_folding.py` repeats it."""

WITHIN = 2
"""How often one document may be shown to say a thing: in its summary and a chapter, but not at the head of every page.
With 1, 2 of the 166 answerable questions of clapnq, whose documents hold some passages twice, lose a gold sentence."""

SHINGLE = 3
"""Words in a shingle."""

SPACED_CHARS = 12
"""Code points a word, on average, in text that has spaces between words: in longer ones each code point is a word."""

COPIES = 4
"""Of equal texts, how many stand as candidates; all are listed as places."""

_NUMBER = re.compile(r"\d+")


def normalised(text: str) -> str:
    """The text without what does not matter to whether two are equal."""
    return " ".join(text.casefold().split())


def digests(texts: Iterable[str]) -> NDArray[np.int64]:
    """Two numbers for each text, shape (texts, 2), the same for equal ones: its hash."""
    found = b"".join(hashlib.blake2b(normalised(text).encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(found, dtype="<i8").reshape(-1, 2).astype(np.int64)


def grouped(digests: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each text by its `digests`, the same for equal ones, counted from 0 as they come."""
    one = digests[:, 0]
    order = np.argsort(one)
    ties = np.flatnonzero(one[order[1:]] == one[order[:-1]])
    # Mostly few may equal another: only these are told apart by both numbers. Of 100,000 that is 2 ms instead of 19.
    shared = np.zeros(len(one), dtype=np.bool_)
    shared[order[ties]] = shared[order[ties + 1]] = True
    few = np.flatnonzero(shared)
    among = np.lexsort(digests[few].T)
    new = np.ones(len(few), dtype=np.bool_)
    new[1:] = (np.diff(digests[few[among]], axis=0) != 0).any(axis=1)
    earliest = np.arange(len(one))
    earliest[few[among]] = few[among[new]][np.cumsum(new) - 1]  # lexsort is stable: the first of each kind comes first
    counted: NDArray[np.int64] = np.cumsum(earliest == np.arange(len(one))) - 1
    return counted[earliest]


def boilerplate(group: NDArray[np.int64], document: NDArray[np.int64], chars: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which sentences are boilerplate: in many documents whose text is otherwise their own.

    For each sentence its group, its document (numbered from 0) and its length in code points."""
    least = max(MANY, math.sqrt(np.count_nonzero(np.bincount(document))))
    # What stands in fewer places stands in fewer documents.
    many = np.flatnonzero((np.bincount(group) >= least)[group])
    if not len(many):
        return np.zeros(len(group), dtype=np.bool_)
    documents, groups = int(document.max()) + 1, int(group.max()) + 1
    pairs = np.sort(group[many] * documents + document[many])
    pairs = pairs[np.append(True, np.diff(pairs) > 0)]
    often = (np.bincount(pairs // documents, minlength=groups) >= least)[group]
    whole = np.bincount(document, weights=chars, minlength=documents)
    own = np.bincount(document, weights=np.where(often, 0, chars), minlength=documents)
    pairs = pairs[(own >= OWN_SHARE * whole)[pairs % documents]]
    found: NDArray[np.bool_] = (np.bincount(pairs // documents, minlength=groups) >= least)[group]
    return found


def distinct(
    search: Callable[[int], NDArray[np.int64]],
    group: NDArray[np.int64],
    score: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    wanted: int,
) -> NDArray[np.int64]:
    """The numbers of texts that `search` finds, so many that `wanted` of them are distinct, in ascending order.

    `search(n)` gives the n best, fewer where there are no more. Of equal texts the COPIES best by `score` are taken,
    the first of those that tie."""
    taken = wanted
    while True:
        found = search(taken)
        held, position, count = np.unique(group[found], return_inverse=True, return_counts=True)
        if len(held) >= wanted or len(found) < taken:
            break
        taken *= 4
    if len(held) == len(found):
        return np.sort(found)
    order = np.lexsort((found, -score(found), position))
    place = np.arange(len(found)) - np.repeat(np.cumsum(count) - count, count)
    return np.sort(found[order[place < COPIES]])


def runs(
    first: NDArray[np.int64],
    document: Sequence[Hashable],
    group: NDArray[np.int64],
    sentence: NDArray[np.float64],
    whole: NDArray[np.float64],
    score: Callable[[int, int, int], float],
    limit: int,
) -> tuple[list[tuple[int, int, int]], set[int]]:
    """At most `limit` of the best runs of sentences (passage, first sentence, last exclusive), best first, such that
    the best sentence of none stands in a better one of another document, nor in WITHIN better ones of its own.

    `first[i]:first[i + 1]` are the sentences of passage i and `document[i]` its document; `group` and `sentence` are a
    number for the text of each sentence and its score, `whole` the scores of the passages. Where the best sentence of a
    run is not new, what stands before it and after it are runs by themselves. `score(i, a, b)` is that of sentences a
    to b of passage i; ties go by passage, then place. Also the numbers of the texts that were folded: those that a run
    would have been led by.
    """
    ends = first.tolist()
    if np.bincount(group).max(initial=0) <= 1:
        return [(i, ends[i], ends[i + 1]) for i in np.argsort(-whole, kind="stable")[:limit].tolist()], set()
    heap = list(zip((-whole).tolist(), range(len(whole)), ends, ends[1:], strict=False))
    heapify(heap)
    seen: dict[int, list[Hashable]] = {}
    found: list[tuple[int, int, int]] = []
    folded: set[int] = set()
    while heap and len(found) < limit:
        _, passage, start, stop = heappop(heap)
        best = start + int(np.argmax(sentence[start:stop]))
        if not said(seen.get(int(group[best]), ()), document[passage]):
            found.append((passage, start, stop))
            for number in group[start:stop].tolist():
                seen.setdefault(number, []).append(document[passage])
            continue
        folded.add(int(group[best]))
        for left, right in ((start, best), (best + 1, stop)):
            if left < right:
                heappush(heap, (-score(passage, left, right), passage, left, right))
    return found, folded


def said(holding: Sequence[Hashable], document: Hashable) -> bool:
    """Whether what the documents `holding` say, one entry a place, needs no further place in `document`."""
    return len(holding) >= WITHIN or any(other != document for other in holding)


class Shown:
    """Passages in the order in which they are shown, to find the one that a further one nearly repeats."""

    def __init__(self) -> None:
        self._any: set[str] = set()
        self._texts: list[str] = []
        self._shingles: dict[int, set[tuple[str, ...]]] = {}
        self._documents: list[Hashable] = []

    def place(self, text: str, document: Hashable) -> int | None:
        """Which of those shown, counted from 0, makes `text` of `document` needless; None, and it is shown, when none
        does.

        To do so it holds NEARLY of its shingles (Broder 1997: containment) and every number in it: two rents are not
        one. It is of another document, or one of WITHIN that do so.
        """
        words = _words(text)
        distinct = set(words)
        # Each word that stands nowhere else is a shingle lost: what most texts are told by, and quickly.
        if len(distinct - self._any) <= (1 - NEARLY) * len(words):
            near = self._near(text)
            if said([self._documents[number] for number in near], document):
                return near[0]
        self._any |= distinct
        self._texts.append(text)
        self._documents.append(document)
        return None

    def _near(self, text: str) -> list[int]:
        """Those shown that hold nearly all of `text`, most of it first."""
        shingles, numbers = _shingles(_words(text)), set(_NUMBER.findall(text))
        found = []
        for number, other in enumerate(self._texts):
            if number not in self._shingles:
                self._shingles[number] = _shingles(_words(other))
            count = len(shingles & self._shingles[number])
            if count >= NEARLY * len(shingles) and numbers <= set(_NUMBER.findall(other)):
                found.append((-count, number))
        return [number for _, number in sorted(found)]


def _words(text: str) -> list[str]:
    whole = text.casefold()
    words = whole.split()
    return list("".join(words)) if len(whole) > SPACED_CHARS * len(words) else words


def _shingles(words: Sequence[str]) -> set[tuple[str, ...]]:
    """Every SHINGLE words in a row, or all words where there are fewer."""
    return set(zip(*(words[start:] for start in range(min(SHINGLE, len(words)))), strict=False))
