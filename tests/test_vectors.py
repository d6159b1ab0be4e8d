from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qa.errors import IndexUnusable
from qa.vectors import FILE, TIE, Vectors


def unit_rows(count: int, dimensions: int, seed: int, copies: int = 0) -> NDArray[np.float32]:
    """Random unit rows, the last `copies` of them equal to one another's like among the first."""
    chance = np.random.default_rng(seed)
    rows = chance.standard_normal((count, dimensions))
    if copies:
        rows[-copies:] = rows[chance.integers(0, max(count - copies, 1), copies)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def built(rows: NDArray[np.float32]) -> Vectors:
    return Vectors.build([rows[: len(rows) // 3], rows[len(rows) // 3 :]], rows.shape[1])


def check_nearest(
    vectors: Vectors,
    rows: NDArray[np.float32],
    question: NDArray[np.float32],
    limit: int,
    allowed: NDArray[np.bool_] | None,
) -> None:
    """`nearest` against every inner product in float64."""
    found = vectors.nearest(question, limit, allowed)
    exact = rows.astype(np.float64) @ question.astype(np.float64)
    may = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    assert found.dtype == np.int64
    assert found.tolist() == sorted(set(found.tolist()))
    assert set(found.tolist()) <= set(may.tolist())
    wanted = min(limit, len(may))
    if wanted <= 0:
        assert len(found) == 0
        return
    last = np.sort(exact[may])[-wanted]
    assert set(may[exact[may] >= last].tolist()) <= set(found.tolist()), "the best, and all that tie with the last"
    assert exact[found].min() >= last - 2 * TIE, "and no others"


@settings(max_examples=80)
@given(
    count=st.integers(0, 300),
    dimensions=st.sampled_from([1, 2, 8, 33]),
    copies=st.integers(0, 200),
    limit=st.sampled_from([0, 1, 3, 50, 1000]),
    chosen=st.sampled_from([None, 0.0, 0.01, 0.5, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_the_nearest_hold_the_exact_best_and_their_ties_under_any_filter(
    count: int, dimensions: int, copies: int, limit: int, chosen: float | None, seed: int
) -> None:
    rows = unit_rows(count, dimensions, seed, min(copies, count))
    question = unit_rows(1, dimensions, seed + 1)[0]
    allowed = None if chosen is None else np.random.default_rng(seed).random(count) < chosen
    check_nearest(built(rows), rows, question, limit, allowed)


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    rounds=st.lists(st.tuples(st.integers(1, 31), st.sampled_from([1, 3, 40, 1000])), min_size=2, max_size=4),
    copies=st.integers(0, 40),
    chosen=st.sampled_from([None, 0.5]),
    seed=st.integers(0, 10_000),
)
def test_what_is_kept_of_a_question_is_what_it_finds_in_whatever_is_joined_of_the_same_parts(
    sizes: list[int], rounds: list[tuple[int, int]], copies: int, chosen: float | None, seed: int
) -> None:
    rows = unit_rows(sum(sizes), 8, seed, min(copies, sum(sizes)))
    cuts = np.cumsum([0, *sizes])
    parts = [Vectors.build([rows[a:b]], 8) for a, b in pairwise(cuts)]
    question = unit_rows(1, 8, seed + 1)[0]
    chance = np.random.default_rng(seed)
    for bits, limit in rounds:
        taken = [at for at in range(len(parts)) if bits >> at & 1]
        held = np.concatenate([rows[cuts[at] : cuts[at + 1]] for at in taken] or [rows[:0]])
        order = chance.permutation(len(held))
        joined = Vectors.joined([parts[at] for at in taken], order, 8)
        found = joined.nearest(question, limit, again=True)
        assert found.tolist() == Vectors.build([held[order]], 8).nearest(question, limit).tolist()
        allowed = None if chosen is None else chance.random(len(held)) < chosen
        assert (
            joined.nearest(question, limit, allowed, again=True).tolist()
            == joined.nearest(question, limit, allowed).tolist()
        )
    for part, size in zip(parts, sizes, strict=True):
        assert part.nearest(question, 2, again=True).tolist() == part.nearest(question, 2).tolist()
        assert len(part) == size


def test_more_ties_than_were_asked_for_all_come_back() -> None:
    rows = np.tile(unit_rows(1, 16, 1), (5000, 1))
    rows[::2] = unit_rows(2500, 16, 2)
    found = built(rows).nearest(rows[1], 10)
    assert set(range(1, 5000, 2)) <= set(found.tolist())


def test_the_best_are_found_where_float32_cannot_tell_them_apart() -> None:
    chance = np.random.default_rng(6)
    question = unit_rows(1, 384, 7)[0]
    rows = (question + 2e-8 * chance.standard_normal((3000, 384))).astype(np.float32)
    for limit in (1, 10, 100):
        check_nearest(built(rows), rows, question, limit, None)


@pytest.fixture(scope="module")
def many() -> tuple[Vectors, NDArray[np.float32]]:
    rows = unit_rows(10_000, 64, 3, copies=200)
    return built(rows), rows


@pytest.mark.parametrize(
    "kept",
    [[], [0], [9_999], [4_711], list(range(0, 10_000, 1_000)), list(range(10_000))],
    ids=["none", "first", "last", "one", "ten", "all"],
)
def test_filters_of_any_size_over_ten_thousand_rows(kept: list[int], many: tuple[Vectors, NDArray[np.float32]]) -> None:
    vectors, rows = many
    allowed = np.zeros(10_000, dtype=np.bool_)
    allowed[kept] = True
    for limit in (1, 10, 200):
        for question in unit_rows(5, 64, limit):
            check_nearest(vectors, rows, question, limit, allowed)


def test_the_nearest_are_the_same_from_many_threads_at_once(many: tuple[Vectors, NDArray[np.float32]]) -> None:
    vectors, _ = many
    questions = list(unit_rows(40, 64, 8))
    alone = [vectors.nearest(question, 50).tolist() for question in questions]
    with ThreadPoolExecutor(4) as pool:
        together = [found.tolist() for found in pool.map(lambda question: vectors.nearest(question, 50), questions)]
    assert together == alone


def test_the_score_of_a_row_is_the_same_to_the_bit_whatever_rows_are_asked_for_with_it(
    many: tuple[Vectors, NDArray[np.float32]],
) -> None:
    vectors, _ = many
    question = unit_rows(1, 64, 9)[0]
    every = vectors.scores(question, np.arange(10_000))
    assert every.dtype == np.float64
    chance = np.random.default_rng(4)
    for size in (1, 2, 3, 7, 64, 1000):
        picked = chance.integers(0, 10_000, size)
        assert vectors.scores(question, picked).tobytes() == every[picked].tobytes()


def test_equal_rows_have_equal_scores_and_scores_are_those_of_the_rows(
    many: tuple[Vectors, NDArray[np.float32]],
) -> None:
    vectors, rows = many
    question = unit_rows(1, 64, 10)[0]
    scores = vectors.scores(question, np.arange(10_000))
    assert np.abs(scores - rows.astype(np.float64) @ question.astype(np.float64)).max() < 1e-12
    _, kinds = np.unique(rows, axis=0, return_inverse=True)
    assert len(np.unique(kinds)) == len(np.unique(np.stack([kinds.ravel(), scores]), axis=1).T) == 9_800


def test_what_was_saved_is_what_is_loaded(many: tuple[Vectors, NDArray[np.float32]], tmp_path: Path) -> None:
    vectors, _ = many
    vectors.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    again = Vectors.load(tmp_path, 64)
    assert len(again) == 10_000
    for question in unit_rows(5, 64, 11):
        assert again.nearest(question, 20).tolist() == vectors.nearest(question, 20).tolist()
        every = np.arange(10_000)
        assert again.scores(question, every).tobytes() == vectors.scores(question, every).tobytes()


def test_how_the_rows_were_grouped_does_not_matter(tmp_path: Path) -> None:
    rows = unit_rows(20, 8, 1)
    groups = [[rows], [rows[:1], rows[1:1], rows[1:]], list(rows[:, None])]
    files = []
    for number, group in enumerate(groups):
        (tmp_path / str(number)).mkdir()
        Vectors.build(iter(group), 8).save(tmp_path / str(number))
        files.append((tmp_path / str(number) / FILE).read_bytes())
    assert files[0] == files[1] == files[2]


def test_no_rows_have_no_nearest_and_can_be_saved(tmp_path: Path) -> None:
    empty = Vectors.build([], 8)
    empty.save(tmp_path)
    question = unit_rows(1, 8, 1)[0]
    for vectors in (empty, Vectors.load(tmp_path, 8), Vectors.build([np.empty((0, 8), np.float32)], 8)):
        assert len(vectors) == 0
        assert vectors.nearest(question, 10).tolist() == []
        assert vectors.nearest(question, 10, np.empty(0, dtype=np.bool_)).tolist() == []
        assert vectors.scores(question, np.empty(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("damage", ["gone", "empty", "cut short", "no index", "other kind", "other width", "a folder"])
def test_a_file_that_is_no_such_index_is_said_to_be_none(damage: str, tmp_path: Path) -> None:
    Vectors.build([unit_rows(50, 8, 1)], 8).save(tmp_path)
    path = tmp_path / FILE
    if damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "no index":
        path.write_bytes(b"these are no vectors" * 100)
    elif damage == "other kind":
        faiss.write_index(faiss.IndexFlatL2(8), str(path))
    elif damage == "other width":
        faiss.write_index(faiss.IndexFlatIP(9), str(path))
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(IndexUnusable) as caught:
        Vectors.load(tmp_path, 8)
    assert str(path) in caught.value.what
