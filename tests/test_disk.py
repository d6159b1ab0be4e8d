"""Laws of files: what was written is there wholly, or that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qa import disk

FULL = Path("/dev/full")
"""Takes nothing, as a disk without a free byte."""


@given(
    arrays.arrays(
        st.sampled_from((np.uint8, np.int64, np.float32, np.bool_)), arrays.array_shapes(max_dims=3, min_side=0)
    ),
    st.booleans(),
)
def test_an_array_that_was_stored_is_loaded_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, is_turned: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "array.npy"
    stored = array.T if is_turned else array
    disk.store(file, stored)
    for mode in (None, "r") if array.size else (None,):
        found = np.load(file, mmap_mode=mode, allow_pickle=False)
        assert (found.dtype, found.shape) == (stored.dtype, stored.shape)
        np.testing.assert_array_equal(found, stored)


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is full")
@pytest.mark.parametrize("count", [1, 100_000], ids=["few numbers", "many"])
def test_an_array_for_which_there_is_no_room_is_not_taken_for_stored(count: int) -> None:
    with pytest.raises(OSError, match="No space left"):
        disk.store(FULL, np.arange(count))
