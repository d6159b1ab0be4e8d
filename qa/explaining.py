"""The lexical part of a score, told word by word.

BM25 is a sum over the words of a question, so each word's own score of a text is what it adds. Looked up only when
somebody asks: it matches each word alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa.records import Part

LEXICAL = "words"
"""The name of the part that is told word by word."""

ROUNDING = 1e-5
"""What BM25's 32-bit numbers may be off by; the first word told takes it. A larger remainder is a part of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What each word of a question adds to the BM25 of some texts.

    `words` as they were typed, each with the number of texts it stands in; `shares`, of shape (words, texts), are the
    scores of each word alone divided by the best score of the question; `texts` are how many texts there are.
    """

    words: tuple[tuple[str, int], ...]
    shares: NDArray[np.float64]
    texts: int

    def split(self, parts: Sequence[Part], text: int, weight: float, kind: str) -> tuple[Part, ...]:
        """The parts of a score with the lexical one, `weight` times the shares of text number `text`, word by word;
        what they do not add up to stays. `kind` is what the texts are called, in the plural. Sums stay as they are."""
        found: list[Part] = []
        for part in parts:
            if part.name != LEXICAL or part.value == 0:
                found.append(part)
                continue
            told = [
                Part(f"word {word}", weight * float(share), f"in {frequency:,} of {self.texts:,} {kind}")
                for (word, frequency), share in zip(self.words, self.shares[:, text], strict=True)
                if share > 0
            ]
            left = part.value - sum(word.value for word in told)
            if told and abs(left) <= ROUNDING:
                told[0] = replace(told[0], value=told[0].value + left)
            else:
                told.append(Part(LEXICAL, left, f"{part.note}, less what each word adds"))
            found += told
        return tuple(found)
