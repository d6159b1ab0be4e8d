"""Nearest sentences: immutable FAISS indexes derived from the library, of which those of one commit are asked as one.

FAISS finds candidates. Its float32 scores differ by up to 1e-7 with the number of threads and queries, and ties come
in heap order, so scores are computed again here in float64, and whoever ties with the last candidate is one too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.errors import IndexUnusable
from qa.stack import Stack

FILE = "vectors.faiss"

TIE = 1e-6
"""Scores nearer than this count as tied when candidates are cut off: ten times the largest float32 error measured."""


_Asked = tuple[bytes, int]
"""A question's vector, and how many rows are wanted."""

_Best = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Scores and rows."""


class Vectors:
    """Rows are numbered from 0 in the order given; what a row stands for is the caller's business."""

    def __init__(
        self,
        indexes: Sequence[Any],
        order: NDArray[np.int64] | None = None,
        kept: Sequence[dict[_Asked, _Best]] | None = None,
    ) -> None:
        """`indexes` are faiss.IndexFlatIP, one or more, and `kept` what `nearest` kept of each; see `build`, `load` and
        `joined`."""
        import faiss

        self._faiss = faiss
        self._indexes = tuple(indexes)
        self._kept = tuple({} for _ in self._indexes) if kept is None else tuple(kept)
        # One thread a question: several questions at once share the cores better than one question does.
        faiss.omp_set_num_threads(1)
        self._rows = Stack(
            faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
            if index.ntotal
            else np.empty((0, index.d), np.float32)
            for index in indexes
        )
        # Row r lies at place order[r] of the indexes one after another, and what lies at place s is row number[s].
        self._order = np.arange(len(self._rows)) if order is None else order
        self._number = np.empty_like(self._order)
        self._number[self._order] = np.arange(len(self._order))

    def __len__(self) -> int:
        return len(self._rows)

    @classmethod
    def build(cls, rows: Iterable[NDArray[np.float32]], dimensions: int) -> Vectors:
        """From arrays of unit rows, each of shape (any, dimensions), float32."""
        import faiss

        index = faiss.IndexFlatIP(dimensions)
        for part in rows:
            index.add(np.ascontiguousarray(part, dtype=np.float32))
        return cls([index])

    @classmethod
    def joined(cls, parts: Sequence[Vectors], order: NDArray[np.int64], dimensions: int) -> Vectors:
        """The rows of all `parts` as one, none of them copied: first comes row `order[0]` of the parts one after
        another. Parts are as `build` and `load` make them; answers are those of one built of all rows in this order."""
        if not parts:
            return cls.build([], dimensions)
        return cls(
            [index for part in parts for index in part._indexes], order, [kept for part in parts for kept in part._kept]
        )

    def save(self, folder: Path) -> None:
        """Write what `build` made to `folder`; the caller makes it durable and hashes it. Raises OSError where it
        cannot be written."""
        # FAISS takes a file that cannot be written wholly for one that was.
        (folder / FILE).write_bytes(self._faiss.serialize_index(self._indexes[0]).data)

    @classmethod
    def load(cls, folder: Path, dimensions: int) -> Vectors:
        """What `save` wrote, mapped into memory. Whether the bytes are those written is the caller's to check before.

        Raises IndexUnusable when it is not an index of `dimensions`."""
        import faiss

        try:
            index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise IndexUnusable(f"The file {folder / FILE} is not an index of vectors.") from error
        if type(index) is not faiss.IndexFlatIP or index.d != dimensions:
            raise IndexUnusable(f"The file {folder / FILE} is not an index of {dimensions}-dimensional vectors.")
        return cls([index])

    def nearest(
        self,
        question: NDArray[np.float32],
        limit: int,
        allowed: NDArray[np.bool_] | None = None,
        *,
        again: bool = False,
    ) -> NDArray[np.int64]:
        """Row numbers of the `limit` rows with the largest inner product with `question`, and of all that tie with the
        last of them; in ascending order of row. `allowed`, of shape (rows,), leaves only those where it is true.

        Of a question that will be asked `again`, what is found in each part is kept with it, for whatever is joined of
        that part: a question over 100,000 rows takes 7 ms the first time and 0.2 ms after that."""
        placed = None if allowed is None else allowed[self._number]
        counts = [
            index.ntotal if placed is None else int(placed[begin : begin + index.ntotal].sum())
            for index, begin in zip(self._indexes, self._rows.first[:-1].tolist(), strict=True)
        ]
        wanted = min(limit, sum(counts))
        if wanted <= 0:
            return np.empty(0, dtype=np.int64)
        taken = wanted + 16
        while True:
            found = [
                self._best(number, question, min(taken, count), placed, again=again)
                for number, count in enumerate(counts)
                if count
            ]
            scores = np.concatenate([scores for scores, _ in found])
            cut = np.partition(scores, -wanted)[-wanted] - TIE if len(scores) >= wanted else -np.inf
            # Of each index all that count are here: the last of what it gave is below the cut, or its very last.
            lasts = [part[0][-1] for part, count in zip(found, filter(None, counts), strict=True) if taken < count]
            if all(last < cut for last in lasts):
                places = np.concatenate([places for _, places in found])
                return np.sort(self._number[places[scores >= cut]])
            taken *= 4

    def _best(
        self,
        number: int,
        question: NDArray[np.float32],
        limit: int,
        placed: NDArray[np.bool_] | None,
        *,
        again: bool,
    ) -> _Best:
        """Scores, falling, and places of the `limit` best rows of one index, of those that `placed` leaves."""
        index, begin, kept = self._indexes[number], int(self._rows.first[number]), self._kept[number]
        asked = question.tobytes(), limit
        if placed is None and asked in kept:
            return kept[asked][0], kept[asked][1] + begin
        parameters = None
        if placed is not None:
            left = np.flatnonzero(placed[begin : begin + index.ntotal])
            selector = self._faiss.IDSelectorBatch(left.astype(np.int64))
            parameters = self._faiss.SearchParameters()
            parameters.sel = selector
        scores, rows = index.search(question[None, :], limit, params=parameters)
        held = rows[0] >= 0
        if placed is None and again:
            kept[asked] = scores[0][held], rows[0][held]
        return scores[0][held], rows[0][held] + begin

    def scores(self, question: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Inner products of `question` with the rows numbered `rows`, in float64: the cosine, as both are unit."""
        # einsum sums each row in one fixed order, where a matrix product blocks by how many rows there are.
        products: NDArray[np.float64] = np.einsum(
            "ij,j->i", self._rows.take(self._order[rows]), question.astype(np.float64)
        )
        return products
