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
        owner = np.searchsorted(self.first, rows, side="right") - 1
        for number in np.flatnonzero(np.bincount(owner)).tolist():
            at = np.flatnonzero(owner == number)
            found[at] = self.parts[number][rows[at] - self.first[number]]
        return found
