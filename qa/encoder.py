"""Texts to unit vectors: each sentence read inside its passage, each question by itself.

onnxruntime runs a model that `models` exported once, so neither asking nor a second indexing run imports torch.

Every text runs through the graph by itself, without padding, one compute thread a text and several texts side by
side. On two cores that is faster than batches, and a vector depends on nothing but its own passage: one file more,
another order or another number of threads gives the same bytes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qa.errors import ModelUnusable
from qa.records import Encoding, Model, Passage, QuestionEncoding

if TYPE_CHECKING:
    from pathlib import Path

Vector = NDArray[np.float32]

AHEAD = 64
"""Passages handed to the threads before the first result is awaited: bounds memory and keeps every thread busy."""


# What a page shows as one word: broken at the end of a line, with a soft hyphen in it, with letters drawn as one.
_BROKEN = r"\x{ad}(?:[ \t]*\r?\n[ \t]*)?|(?<=\p{L}\p{L})[-\x{2010}][ \t]*\r?\n[ \t]*(?=\p{Ll}\p{Ll})"
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}


class Encoder:
    """Runs one exported model. Safe to share between threads."""

    def __init__(self, model: Model, threads: int = 0) -> None:
        """`threads` is how many passages are encoded side by side; 0 takes one for each core there is."""
        from tokenizers import Regex, Tokenizer, normalizers

        self.model = model
        self.threads = threads or os.cpu_count() or 1
        self._tokenizer = Tokenizer.from_file(str(model.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # Where a token stands is still counted in characters of the text as it is stored.
        mends = [normalizers.Replace(Regex(_BROKEN), "")]
        mends += [normalizers.Replace(sign, letters) for sign, letters in _LIGATURES.items()]
        own = self._tokenizer.normalizer
        self._tokenizer.normalizer = normalizers.Sequence([*mends, own] if own else mends)
        framed = self._tokenizer.encode("a")
        lead = framed.special_tokens_mask.index(0)
        content = framed.special_tokens_mask.count(0)
        self._before, self._after = framed.ids[:lead], framed.ids[lead + content :]
        self._graphs: dict[Path, _Graph] = {}

    @property
    def window(self) -> int:
        """How many tokens of text one pass reads, special tokens and the passage prompt not counted."""
        room = self.model.window - len(self._before) - len(self._after)
        # What is in front of a text is cut to half of the window, so that there is always room for the text.
        return max(room - self.count_tokens([self.model.passage_prompt])[0], room // 2)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The length of each text in tokens, special tokens not counted."""
        return [
            len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ]

    def knows(self, word: str) -> bool:
        """Whether `word` is one token: one of the commonest words of what the model learned from."""
        return any(len(self._ids(form)) == 1 for form in (word, word.lower()))

    def prepare(self, *, passages: bool = False) -> None:
        """Load what encoding a question needs, which the first question does otherwise; or the same of passages."""
        self._graph(self.model.passage if passages else self.model.question)

    def rest(self) -> None:
        """Let go of what encoding questions needs, until there is one: some 100 MB with the bundled model."""
        if self.model.question != self.model.passage:
            self._graphs.pop(self.model.question, None)

    def encode_question(self, question: str) -> QuestionEncoding:
        """What the model makes of a question. What goes beyond the window is not read."""
        read = self._tokenizer.encode(self.model.question_prompt + question, add_special_tokens=False)
        room = self.model.window - len(self._before) - len(self._after)
        output = self._graph(self.model.question).run([*self._before, *read.ids[:room], *self._after])
        if self.model.way != "tokens":
            return QuestionEncoding(_unit(output), np.empty((0, self.model.dimensions), np.float32), ())
        lead = len(self._before)
        tokens = output[lead : lead + len(read.ids[:room])]
        ends: dict[int | None, tuple[int, int]] = {}
        for word, (start, end) in zip(read.word_ids, read.offsets, strict=True):
            ends[word] = (min(ends.get(word, (start, end))[0], start), end)
        words = tuple(question[slice(*ends[word])] for word in read.word_ids[:room])
        lengths = np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-9)
        return QuestionEncoding(_unit(output.mean(axis=0)), tokens / lengths, words)

    def encode_passages(self, passages: Iterable[tuple[Passage, str]]) -> Iterator[Encoding]:
        """What the model makes of each (passage, its document's text), in order."""
        self._graph(self.model.passage)
        encode = self._in_passage if self.model.way == "tokens" else self._one_by_one
        todo = iter(passages)
        running: deque[Future[Encoding]] = deque()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="encode") as pool:
            try:
                running.extend(pool.submit(encode, *item) for item in islice(todo, AHEAD))
                while running:
                    yield running.popleft().result()
                    running.extend(pool.submit(encode, *item) for item in islice(todo, 1))
            finally:
                for future in running:
                    future.cancel()

    def _in_passage(self, passage: Passage, text: str) -> Encoding:
        """Sentences pooled from the pass over their passage, title and headings in front."""
        head = self._ids(passage.context)[: self.window // 2]
        body = self._tokenizer.encode(text[passage.start : passage.end], add_special_tokens=False)
        room = self.window - len(head)
        lead = len(self._before) + len(head)
        graph = self._graph(self.model.passage)
        states = []
        # One piece for every passage but a single sentence that is longer than the window.
        for begin in range(0, max(len(body.ids), 1), room):
            piece = body.ids[begin : begin + room]
            output = graph.run([*self._before, *head, *piece, *self._after])
            states.append(output[lead : lead + len(piece)] if piece else output)
        tokens = np.concatenate(states)
        ends = np.array([end for _, end in body.offsets], dtype=np.int64) + passage.start
        rows, counts, codes = [], [], []
        for sentence in passage.sentences:
            first, last = np.searchsorted(ends, (sentence.start, sentence.end), side="right")
            # A sentence of nothing but characters that the tokenizer drops: its passage speaks for it.
            rows.append(_unit((tokens[first:last] if first < last else tokens).mean(axis=0)))
            counts.append(last - first)
            codes.append(np.packbits(tokens[first:last] > 0, axis=1))
        return Encoding(np.stack(rows), np.array(counts, dtype=np.int64), np.concatenate(codes))

    def _one_by_one(self, passage: Passage, text: str) -> Encoding:
        """Each sentence after its title and headings, in as many passes as its length needs."""
        graph = self._graph(self.model.passage)
        head = self._ids(f"{self.model.passage_prompt}{passage.context}\n")[: self.model.window // 2]
        room = self.model.window - len(self._before) - len(self._after) - len(head)
        rows = []
        for sentence in passage.sentences:
            ids = self._ids(text[sentence.start : sentence.end])
            pieces = [ids[begin : begin + room] for begin in range(0, max(len(ids), 1), room)]
            outputs = [graph.run([*self._before, *head, *piece, *self._after]) for piece in pieces]
            weights = [max(len(piece), 1) for piece in pieces]
            rows.append(_unit(np.average(outputs, axis=0, weights=weights)))
        codes = np.empty((0, -(-self.model.dimensions // 8)), np.uint8)
        return Encoding(np.stack(rows), np.zeros(len(rows), dtype=np.int64), codes)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _graph(self, path: Path) -> _Graph:
        if path not in self._graphs:
            self._graphs[path] = _Graph(path)
        return self._graphs[path]


class _Graph:
    """One session of onnxruntime, fed one text at a time."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # One compute thread a text: under several texts at once, two threads each were six times slower.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise ModelUnusable(
                f"The exported model {path.name} cannot be loaded ({type(error).__name__}).",
                f"Delete the folder {path.parent} and run the command again: it is made anew.",
            ) from error
        self._inputs = {node.name for node in self._session.get_inputs()}

    def run(self, ids: Sequence[int]) -> Vector:
        """The graph's output for one text of token ids, without the batch axis."""
        row = np.array([ids], dtype=np.int64)
        feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        output: Vector = self._session.run(None, {name: feed[name] for name in feed if name in self._inputs})[0][0]
        return output


def _unit(vector: NDArray[np.floating]) -> Vector:
    """`vector` at length 1 in float32; a zero vector stays zero."""
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector, dtype=np.float32)
