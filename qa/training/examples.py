"""Questions with passages to rows of tokens, drawn anew for every epoch."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qa.reader import CONTEXT_TOKENS, QUESTION_TOKENS
from qa.training.material import Asked, Text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PASSAGE_TOKENS = 320
"""Of a passage, at most: the embedding model's window and some."""

NEGATIVES = 0.7
"""Of the questions that are answered, how many are shown with a passage that does not answer as well."""

NEARER = 0.5
"""How much likelier a wrong passage is taken the better it is ranked, as the rate of an exponential distribution over
ranks: so often will the reader be shown it."""

EXCHANGED = 0.25
"""Of the questions whose words that answer are known, how many are asked of the same passage with one of their names
or numbers exchanged, where that can be done: near misses."""

POOL = 64
"""Batches sorted by length together."""

_NAME_OR_NUMBER = re.compile(r"\b(?:\d[\d,.]*\d|\d+|[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)\b")


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of question, context and passage; `body` are first and last place of the passage, end exclusive.
    `starts` and `ends` are the places where an answer may begin and end, [0] where there is none."""

    ids: list[int]
    body: tuple[int, int]
    starts: list[int]
    ends: list[int]


class Frame:
    """Rows of tokens as `qa.reader` makes them: [CLS] question [SEP] context [SEP] passage [SEP]."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._first, self._between = tokenizer.encode("").ids

    def example(self, question: str, text: Text, exact: bool) -> Example:
        """`exact` is whether gold spans are answers, or wholes in which one is somewhere."""
        asked, context, passage = self._tokenizer.encode_batch(
            [question, text.context, text.text], add_special_tokens=False
        )
        head = [self._first, *asked.ids[:QUESTION_TOKENS], self._between, *context.ids[:CONTEXT_TOKENS], self._between]
        body = passage.ids[:PASSAGE_TOKENS]
        starts: set[int] = set()
        ends: set[int] = set()
        for first, last in text.gold:
            within = [
                len(head) + place
                for place, (start, end) in enumerate(passage.offsets[:PASSAGE_TOKENS])
                if start < last and first < end
            ]
            starts.update(within[:1] if exact else within)
            ends.update(within[-1:] if exact else within)
        whole = (len(head), len(head) + len(body))
        return Example([*head, *body, self._between], whole, sorted(starts) or [0], sorted(ends) or [0])


def examples(asked: Sequence[Asked], frame: Frame, seed: int, epoch: int) -> list[Example]:
    """Of each question a passage that answers it or, where none does, that it was asked of; of some also a passage
    that ranking found and that does not answer; of some a near miss."""
    draw = random.Random(f"{seed} {epoch}")
    of_title: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        of_title[one.title].append(one)
    found = []
    for one in asked:
        chosen = draw.choice([text for text in one.texts if text.gold] or [one.texts[one.origin]])
        found.append(frame.example(one.question, chosen, one.exact))
        if not one.answerable:
            continue
        others = [text for text in one.texts if not text.gold]
        if others and draw.random() < NEGATIVES:
            place = min(int(draw.expovariate(NEARER)), len(others) - 1)
            found.append(frame.example(one.question, others[place], one.exact))
        if one.exact and draw.random() < EXCHANGED:
            other = exchanged(one.question, chosen, of_title[one.title], draw)
            if other is not None:
                found.append(frame.example(other, replace(chosen, gold=()), True))
    return found


def exchanged(question: str, text: Text, near: Sequence[Asked], draw: random.Random) -> str | None:
    """The question with one of its names or numbers, which the text holds, exchanged for another of the kind, out of
    the passages of `near`; None where it has none, or there is no other."""
    mine = [
        found for found in _NAME_OR_NUMBER.finditer(question) if found.start() and found[0].lower() in text.text.lower()
    ]
    if not mine:
        return None
    chosen = draw.choice(mine)
    number = chosen[0][0].isdigit()
    source = draw.choice([other.text for one in near for other in one.texts[:3]])
    offers = [
        name
        for name in _NAME_OR_NUMBER.findall(source)
        if len(name) > 1
        and name[0].isdigit() == number
        and name.lower() not in question.lower()
        # A word that also stands there in small letters is no name.
        and (number or name.split()[0].lower() not in source)
    ]
    return question[: chosen.start()] + draw.choice(offers) + question[chosen.end() :] if offers else None


def batches(rows: Sequence[Example], size: int, draw: random.Random) -> Iterator[list[Example]]:
    """Rows of like length together, which leaves little padding to compute, in random order."""
    shuffled = draw.sample(rows, len(rows))
    found = []
    for begin in range(0, len(shuffled), size * POOL):
        pool = sorted(shuffled[begin : begin + size * POOL], key=lambda row: len(row.ids))
        found += [pool[at : at + size] for at in range(0, len(pool), size)]
    yield from draw.sample(found, len(found))
