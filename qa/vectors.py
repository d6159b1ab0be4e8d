"""Nearest sentences: a FAISS index derived from the library, whole and immutable for one commit.

FAISS finds candidates. Its float32 scores differ by up to 1e-7 with the number of threads and queries, and ties come
in heap order, so scores are computed again here in float64, and whoever ties with the last candidate is one too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.errors import IndexUnusable

FILE = "vectors.faiss"

TIE = 1e-6
"""Scores nearer than this count as tied when candidates are cut off: ten times the largest float32 error measured."""


class Vectors:
    """Rows are numbered from 0 in the order given; what a row stands for is the caller's business."""

    def __init__(self, index: Any) -> None:
        """`index` is a faiss.IndexFlatIP; see `build` and `load`."""
        import faiss

        self._faiss = faiss
        self._index = index
        # One thread a question: several questions at once share the cores better than one question does.
        faiss.omp_set_num_threads(1)
        held = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d) if index.ntotal else np.empty(0, np.float32)
        self._rows: NDArray[np.float32] = held.reshape(index.ntotal, index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @classmethod
    def build(cls, rows: Iterable[NDArray[np.float32]], dimensions: int) -> Vectors:
        """From arrays of unit rows, each of shape (any, dimensions), float32."""
        import faiss

        index = faiss.IndexFlatIP(dimensions)
        for part in rows:
            index.add(np.ascontiguousarray(part, dtype=np.float32))
        return cls(index)

    def save(self, folder: Path) -> None:
        """Write to `folder`; the caller makes it durable and hashes it. Raises OSError where it cannot be written."""
        try:
            self._faiss.write_index(self._index, str(folder / FILE))
        except RuntimeError as error:
            raise OSError(f"{folder / FILE}: {error}") from error

    @classmethod
    def load(cls, folder: Path, dimensions: int) -> Vectors:
        """Read what `save` wrote. Whether the bytes are the ones written is the caller's to check before.

        Raises IndexUnusable when it is not an index of `dimensions`."""
        import faiss

        try:
            index = faiss.read_index(str(folder / FILE))
        except RuntimeError as error:
            raise IndexUnusable(f"The file {folder / FILE} is not an index of vectors.") from error
        if type(index) is not faiss.IndexFlatIP or index.d != dimensions:
            raise IndexUnusable(f"The file {folder / FILE} is not an index of {dimensions}-dimensional vectors.")
        return cls(index)

    def nearest(
        self, question: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Row numbers of the `limit` rows with the largest inner product with `question`, and of all that tie with the
        last of them; in ascending order of row. `allowed`, of shape (rows,), leaves only those where it is true."""
        count = len(self) if allowed is None else int(allowed.sum())
        wanted = min(limit, count)
        if wanted <= 0:
            return np.empty(0, dtype=np.int64)
        parameters = None
        if allowed is not None:
            selector = self._faiss.IDSelectorBatch(np.flatnonzero(allowed).astype(np.int64))
            parameters = self._faiss.SearchParameters()
            parameters.sel = selector
        taken = min(wanted + 16, count)
        while True:
            scores, rows = self._index.search(question[None, :], taken, params=parameters)
            found = rows[0] >= 0
            scores, rows = scores[0][found], rows[0][found]
            cut = scores[wanted - 1] - TIE if len(scores) >= wanted else -np.inf
            if taken >= count or scores[-1] < cut:
                return np.sort(rows[scores >= cut]).astype(np.int64)
            taken = min(taken * 4, count)

    def scores(self, question: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Inner products of `question` with the rows numbered `rows`, in float64: the cosine, as both are unit."""
        # einsum sums each row in one fixed order, where a matrix product blocks by how many rows there are.
        products: NDArray[np.float64] = np.einsum("ij,j->i", self._rows[rows], question.astype(np.float64))
        return products
