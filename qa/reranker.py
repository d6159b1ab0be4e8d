"""A question and passages to scores: each passage read together with the question, closely and slowly.

onnxruntime runs a cross-encoder that `crossencoders` exported once. Every pair runs through the graph by itself,
without padding, one compute thread a pair and as many side by side as there are cores, so that a score depends on
nothing but its own pair.

How many passages are read is planned before any is, from their lengths in tokens and from the speed that was measured,
in processor time, when the model was exported, and that the export keeps. So a question has one answer in every process
of a machine, at each of its doors, and a new process need not measure first. The price: where other programs use the
cores too, the reading takes longer than planned, as all else does. A clock that stops the reading, or a measurement at
every start, would keep the time and give a question another answer from one time to the next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qa.errors import ModelUnusable
from qa.records import CrossEncoder

if TYPE_CHECKING:
    from tokenizers import Encoding

PACED_TOKENS = (64, 256)
"""Lengths at which the speed is measured: that of a question with a sentence, and with a full passage."""

PACED_TIMES = 5

Row = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Token ids of one pair, and which of its two texts each token is of; both of shape (1, tokens)."""


class Reranker:
    """Runs one exported cross-encoder. Safe to share between threads."""

    def __init__(self, model: CrossEncoder) -> None:
        """Raises ModelUnusable when the export cannot be loaded."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.model = model
        self._threads = os.cpu_count() or 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._tokenizer = Tokenizer.from_file(str(model.tokenizer))
            self._session = onnxruntime.InferenceSession(str(model.graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # neither library's exceptions share a base class
            raise ModelUnusable(
                f"The exported model {model.name} cannot be loaded ({type(error).__name__}).",
                f"Delete the folder {model.graph.parent} and run the command again: it is made anew.",
            ) from error
        self._inputs = {node.name for node in self._session.get_inputs()}

    def scores(self, question: str, texts: Sequence[str], budget_ms: float) -> NDArray[np.float64]:
        """How well the first of `texts` answer, as many of them as can be read in `budget_ms`, shape (read,).

        Larger is better; only scores of one question compare. Where `predict` gives probabilities these are their
        log-odds, which still tell apart what float32 rounds to 1; where it gives two labels, the second's value less
        the first's.
        """
        pairs = self._pairs(question, texts)
        passes = [self.model.pass_ms + self.model.token_ms * len(pair.ids) for pair in pairs]
        read = int(np.searchsorted(np.cumsum(passes), budget_ms, side="right"))
        values = self._run(pairs[:read]).astype(np.float64)
        scores: NDArray[np.float64] = values[:, 1] - values[:, 0] if self.model.labels == 2 else values[:, 0]
        return scores

    def predict(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """What `sentence_transformers.CrossEncoder.predict` gives for the pairs, shape (texts, labels)."""
        values = self._run(self._pairs(question, texts))
        if self.model.probabilities:
            values = np.exp(-np.logaddexp(np.float32(0), -values))  # the sigmoid, without overflow
        return values

    def pace(self) -> tuple[float, float]:
        """Milliseconds of a pass, and of each token in it, with every core at work: a line through the two
        PACED_TOKENS, each the best of PACED_TIMES rounds.

        Measured in processor time, which other programs hardly change; what the cores cost each other is in it.
        """
        (pair,) = self._pairs("a", ["a " * max(PACED_TOKENS)])

        def timed(row: Row) -> float:
            began = time.thread_time()
            self._pass(row)
            return (time.thread_time() - began) * 1000 / self._threads

        lengths = [min(tokens, len(pair.ids)) for tokens in PACED_TOKENS]
        took = []
        with ThreadPoolExecutor(self._threads) as pool:
            for length in lengths:
                rows = [_row(pair.ids[:length], pair.type_ids[:length])] * (2 * self._threads)
                took.append(min(fmean(pool.map(timed, rows)) for _ in range(PACED_TIMES)))
        token_ms = max(took[1] - took[0], 0.0) / max(lengths[1] - lengths[0], 1)
        return max(took[0] - token_ms * lengths[0], 0.0), token_ms

    def _pairs(self, question: str, texts: Sequence[str]) -> list[Encoding]:
        """Cut to the window as the tokenizer says, the longer of the two first."""
        pairs: list[Encoding] = self._tokenizer.encode_batch([(self.model.prompt + question, text) for text in texts])
        return pairs

    def _run(self, pairs: Sequence[Encoding]) -> NDArray[np.float32]:
        """The graph's output for each pair, shape (pairs, labels)."""
        if not pairs:
            return np.empty((0, self.model.labels), np.float32)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="rerank") as pool:
            return np.stack(list(pool.map(self._pass, [_row(pair.ids, pair.type_ids) for pair in pairs])))

    def _pass(self, row: Row) -> NDArray[np.float32]:
        feed = {"input_ids": row[0], "attention_mask": np.ones_like(row[0]), "token_type_ids": row[1]}
        output: NDArray[np.float32] = self._session.run(None, {n: feed[n] for n in feed if n in self._inputs})[0][0]
        return output


def _row(ids: Sequence[int], types: Sequence[int]) -> Row:
    return np.array([ids], dtype=np.int64), np.array([types], dtype=np.int64)
