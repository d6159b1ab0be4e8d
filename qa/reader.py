"""A question and passages to what in them answers: how likely each sentence does, and which of its words.

The model gives every token two numbers: how well an answer begins there, and how well it ends there. Those of the
first token, which stands before the question, say how well "nothing here answers" fits. A sentence's log-odds are the
best pair of begin and end in it, less that (Devlin et al. 2019, "BERT", section 4.3).

A reader learns from sentences, and tells rows of a table apart badly: it tells whether the table answers, and the
numbers of the question tell which of its rows does, or else the first stage.

onnxruntime runs a graph that `readers` checked. Every passage runs by itself, without padding, one compute thread a
passage and as many side by side as there are cores, so that what is read in a passage depends on nothing but it. How
many passages are read is planned before any is, from their lengths and a nominal speed, not from a clock: the same are
read on every machine, at each door.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qa.errors import ModelUnusable
from qa.records import Excerpt, ReaderModel, Reading, Span

if TYPE_CHECKING:
    from tokenizers import Encoding

QUESTION_TOKENS = 64
CONTEXT_TOKENS = 32
"""What of the question and of title and headings is shown, at most. The passage takes the rest of the window."""

WORDS_TOKENS = 30
"""Tokens of the words that answer, at most."""

NOTHING = -20.0
"""Log-odds of a sentence that the window cuts off, or in which the tokenizer finds nothing."""

_NUMBER = re.compile(r"\d[\d.,]*\d|\d")

TOKENS_PER_MS = 17.0
"""Tokens read in a millisecond with every core at work, by which the reading is planned: what `tests/bench_reader.py`
measures on two cores."""


class Reader:
    """Runs one reader. Safe to share between threads."""

    def __init__(self, model: ReaderModel) -> None:
        """Raises ModelUnusable when its files cannot be loaded."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.model = model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._tokenizer = Tokenizer.from_file(str(model.tokenizer))
            self._session = onnxruntime.InferenceSession(str(model.graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # neither library's exceptions share a base class
            raise ModelUnusable(
                f"The reader {model.name} cannot be loaded ({type(error).__name__}).",
                f"Delete the folder {model.graph.parent} and run the command again, or ask with --no-reader.",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        framed = self._tokenizer.encode("a", "a")
        content = framed.special_tokens_mask.index(0)
        self._before = framed.ids[:content]
        self._after = framed.ids[content + 1 : framed.special_tokens_mask.index(0, content + 1)]
        self._last = framed.ids[-1:]
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="read")

    def read(self, question: str, excerpts: Sequence[Excerpt], budget_ms: float) -> list[Reading]:
        """What is read in the first of `excerpts`, as many of them as are planned to take `budget_ms`."""
        if budget_ms <= 0 or not excerpts:
            return []
        asked = self._asked(question)
        rows = [self._row(asked, excerpt) for excerpt in excerpts]
        spent = np.cumsum([len(ids) for ids, _, _ in rows]) / TOKENS_PER_MS
        count = int(np.searchsorted(spent, budget_ms, side="right"))
        found = self._pool.map(self._reading, rows[:count], excerpts[:count])
        return [_of_rows(question, excerpt, each) for excerpt, each in zip(excerpts, found, strict=False)]

    def row(self, question: str, excerpt: Excerpt) -> tuple[list[int], int]:
        """The token ids of question and passage as the graph is fed them, and where the passage begins."""
        return self._row(self._asked(question), excerpt)[:2]

    def logits(self, ids: Sequence[int], lead: int) -> NDArray[np.float32]:
        """What the graph gives the tokens of a row, shape (tokens, 2)."""
        row = np.array([ids], dtype=np.int64)
        types = np.zeros_like(row)
        types[0, lead:] = 1
        feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": types}
        output: NDArray[np.float32] = self._session.run(None, {n: feed[n] for n in feed if n in self._inputs})[0][0]
        return output

    def _asked(self, question: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(question, add_special_tokens=False).ids[:QUESTION_TOKENS]
        return ids

    def _row(self, asked: Sequence[int], excerpt: Excerpt) -> tuple[list[int], int, Encoding]:
        """Token ids of question and passage, where the passage begins among them, and the passage's encoding."""
        context: list[int] = []
        if self.model.context:
            context = self._tokenizer.encode(excerpt.context, add_special_tokens=False).ids[:CONTEXT_TOKENS]
            context = [*context, *self._after]
        body = self._tokenizer.encode(excerpt.text, add_special_tokens=False)
        head = [*self._before, *asked, *self._after, *context]
        room = self.model.window - len(head) - len(self._last)
        return [*head, *body.ids[:room], *self._last], len(head), body

    def _reading(self, row: tuple[list[int], int, Encoding], excerpt: Excerpt) -> Reading:
        ids, lead, body = row
        logits = self.logits(ids, lead).astype(np.float64)
        nothing = float(logits[0].sum())
        tokens = logits[lead : len(ids) - len(self._last)]
        offsets = body.offsets[: len(tokens)]
        ends = np.array([end for _, end in offsets], dtype=np.int64)
        odds: list[float] = []
        words: list[Span | None] = []
        for sentence in excerpt.sentences:
            first, last = np.searchsorted(ends, (sentence.start, sentence.end), side="right")
            if first == last:
                odds.append(NOTHING)
                words.append(None)
                continue
            begin, end, score = _best(tokens[first:last])
            odds.append(score - nothing)
            start, stop = offsets[first + begin][0], offsets[first + end][1]
            span = Span(max(start, sentence.start), min(stop, sentence.end))
            words.append(span if score > nothing else None)
        return Reading(tuple(odds), tuple(words))


def _of_rows(question: str, excerpt: Excerpt, reading: Reading) -> Reading:
    """With the odds of the likeliest row for all rows that hold the most of the question's numbers, and those of the
    least likely for the others. Of 134 questions for cells of the tables of 100 real files (`tests/bench_rows.py`),
    .866 cite the row first; with each row's own odds .799, without a reader .784."""
    if not excerpt.rows:
        return reading
    asked = set(_NUMBER.findall(question))
    spans = [excerpt.sentences[position] for position in excerpt.rows]
    shared = [len(asked.intersection(_NUMBER.findall(excerpt.text[span.start : span.end]))) for span in spans]
    own = [reading.odds[position] for position in excerpt.rows]
    odds = list(reading.odds)
    for position, count in zip(excerpt.rows, shared, strict=True):
        odds[position] = max(own) if count == max(shared) else min(own)
    return replace(reading, odds=tuple(odds))


def _best(logits: NDArray[np.float64]) -> tuple[int, int, float]:
    """The pair of begin and end with the largest sum, at most WORDS_TOKENS apart, and that sum."""
    sums = logits[:, :1] + logits[None, :, 1]
    allowed = np.triu(np.ones_like(sums, dtype=np.bool_)) & ~np.triu(np.ones_like(sums, dtype=np.bool_), WORDS_TOKENS)
    place = int(np.argmax(np.where(allowed, sums, -np.inf)))
    begin, end = divmod(place, len(logits))
    return begin, end, float(sums[begin, end])
