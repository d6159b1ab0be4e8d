"""Several arrays as one: rows numbered through them all, without copying any."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stack:
    """The rows of `parts`, one after another: arrays of shape (rows of the part, ...), alike but in that."""

    def __init__(self, parts: Iterable[NDArray[Any]]) -> None:
        """At least one part, which may have no rows."""
        self.parts = tuple(parts)
        self.first = np.concatenate([[0], np.cumsum([len(part) for part in self.parts])]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.first[-1])

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """A copy of the rows numbered `rows`, in that order."""
        if len(self.parts) == 1:
            return self.parts[0][rows]
        found = np.empty((len(rows), *self.parts[0].shape[1:]), dtype=self.parts[0].dtype)
        # Sorted once: a search through the rows for each of 31 parts takes twice as long.
        order = np.argsort(rows)
        sorted_ = rows[order]
        ends = np.searchsorted(sorted_, self.first).tolist()
        for part, first, begin, end in zip(self.parts, self.first.tolist(), ends, ends[1:], strict=False):
            if begin < end:
                found[order[begin:end]] = part[sorted_[begin:end] - first]
        return found
