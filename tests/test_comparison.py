"""Laws of a run as a file, of two runs held against each other, and of the list of the worst answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import TEXTS, Asked, runs

from qa.errors import UsageError
from qa.evaluation import (
    MEASURES,
    Difference,
    Found,
    Place,
    Prediction,
    Question,
    Row,
    Run,
    Scores,
    compare,
    score,
)
from qa.evaluation.comparison import holm
from qa.evaluation.measures import means

_FEW = settings(max_examples=20)  # a comparison takes a twentieth of a second


def scored(run: Asked) -> Run:
    return Run(tuple(run[0]), score(*run, TEXTS))


def made(hits: Sequence[float], confidences: Sequence[float] | None = None) -> Run:
    """A run of answerable questions whose document nDCG is `hits`, and whose passages are hit where that is 1."""
    questions = tuple(Question(str(n), "?", True, (("a", 1),), (Place("a", 0, 3),)) for n in range(len(hits)))
    rows = tuple(
        Row(str(n), True, True, confidence, found := Found(hit == 1, hit == 1, float(hit == 1)), found, hit, 1, 1, 9)
        for n, (hit, confidence) in enumerate(zip(hits, confidences or [0.9] * len(hits), strict=True))
    )
    return Run(questions, Scores(rows, tuple(means(rows))))


def changes(before: Run, after: Run) -> dict[str, Difference]:
    return {found.measure: found for found in compare(before, after).differences}


# A run as a file


@given(runs())
def test_a_run_that_was_saved_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, run: Asked) -> None:
    path = tmp_path_factory.getbasetemp() / "run.json"
    before = scored(run)
    before.save(path)
    assert Run.load(path) == before
    told = json.loads(path.read_text("utf-8"))
    assert {name: (mean["value"], mean["n"]) for name, mean in told["means"].items()} == {
        mean.measure: (mean.value, mean.n) for mean in before.scores.means
    }
    assert [row["id"] for row in told["rows"]] == [question.id for question in run[0]]


def test_names_that_are_no_text_survive_in_a_saved_run(tmp_path: Path) -> None:
    question = Question("\ud800\t0", "?\u2028\x1b[2J", True, (("\udcff", 1),), (Place("\udcff", 0, 5),))
    run = Run((question,), score([question], [], {}))
    run.save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json") == run


ROW: dict[str, Any] = {
    "id": "q1",
    "question": "When?",
    "answerable": True,
    "relevant": {},
    "gold": [],
    "answered": True,
    "confidence": 0.5,
    "passage": None,
    "sentence": {"hit_at_1": False, "hit_at_5": True, "reciprocal_rank_at_10": 0.5},
    "ndcg_at_10": 1,
    "citations": 3,
    "exact_citations": 3,
    "first_passage_words": None,
}


def file_of(*rows: object, **changed: object) -> str:
    return json.dumps({"format": "qa eval run", "version": 1, "rows": rows} | changed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "column 1"),
        ('{\n"format": }', "line 2, column 11"),
        ("[" * 100_000, "recursion"),
        ("\udcff", "byte 0xff"),
        ("[]", '"format": "qa eval run"'),
        (json.dumps({"passage hit@1": {"value": 1.0, "n": 2}}), '"format": "qa eval run"'),
        (file_of(ROW, version=2), "version 2, this program reads 1"),
        (file_of(ROW, version=True), '"version" should be a whole number'),
        (file_of(ROW, rows={}), '"rows" should be a list'),
        (file_of(ROW, 7), "row 2: there should be an object"),
        (file_of(ROW, ROW), "row 2: the id 'q1' is taken by an earlier row"),
        (file_of({key: value for key, value in ROW.items() if key != "citations"}), 'row 1: "citations" is missing'),
        (file_of({key: value for key, value in ROW.items() if key != "answerable"}), '"answerable" is missing'),
        (file_of(ROW | {"question": ""}), '"question" is empty'),
        (file_of(ROW | {"confidence": 1.1}), '"confidence" should lie between 0 and 1'),
        (file_of(ROW | {"confidence": float("nan")}), '"confidence" should lie between 0 and 1'),
        (file_of(ROW | {"confidence": True}), '"confidence" should be a whole number or a number or null'),
        (file_of(ROW | {"confidence": None}), "both be null or neither"),
        (file_of(ROW | {"exact_citations": 4}), 'should not be more than "citations"'),
        (file_of(ROW | {"citations": 10**400}), '"citations" should lie between 0 and'),
        (file_of(ROW | {"first_passage_words": -1}), '"first_passage_words" should lie between 0'),
        (file_of(ROW | {"passage": [True]}), '"passage" should be an object or null'),
        (file_of(ROW | {"passage": {"hit_at_1": 1, "hit_at_5": True, "reciprocal_rank_at_10": 1}}), '"hit_at_1"'),
    ],
)
def test_a_file_that_is_no_run_is_refused_by_name_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "base.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as refused:
        Run.load(path)
    assert refused.value.what.startswith(f"{path} is no run that can be compared with: ")
    assert reason in refused.value.what
    assert len(refused.value.what) < len(str(path)) + 300
    assert "--save" in refused.value.remedy


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), _JSON, min_size=1, max_size=3))
def test_whatever_a_row_holds_it_is_read_and_can_be_averaged_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(file_of(ROW | changed), "utf-8")
    try:
        run = Run.load(path)
    except UsageError as refused:
        assert str(path) in refused.what
    else:
        assert all(np.isfinite(mean.value) for mean in run.scores.means)


@pytest.mark.parametrize("name", ["none.json", "folder", "x" * 5_000])
def test_a_run_that_cannot_be_read_or_written_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="could not be read") as refused:
        Run.load(tmp_path / name)
    assert name in refused.value.what
    path = tmp_path / "no" / name
    with pytest.raises(UsageError, match="cannot be written"):
        made([1.0]).save(path)


# Two runs


@_FEW
@given(runs())
def test_a_run_against_itself_differs_in_nothing(run: Asked) -> None:
    same = scored(run)
    comparison = compare(same, same)
    assert [found.measure for found in comparison.differences] == [mean.measure for mean in same.scores.means]
    assert comparison.shared == len(run[0])
    assert (comparison.only_before, comparison.only_after, comparison.changed) == (0, 0, 0)
    for found, mean in zip(comparison.differences, same.scores.means, strict=True):
        assert found.before == found.after == mean.value
        assert (found.difference, found.p) == (0, 1)
        assert found.interval in (None, (0, 0))
    assert comparison.losses == ()


@_FEW
@given(runs(), st.data())
def test_to_change_the_runs_about_changes_the_signs_and_nothing_else(run: Asked, data: st.DataObject) -> None:
    _, other = data.draw(runs())
    one, two = scored(run), scored((run[0], other))
    there, back = changes(one, two), changes(two, one)
    assert there.keys() == back.keys()
    for measure, found in there.items():
        assert found.difference == -back[measure].difference
        assert found.p == pytest.approx(back[measure].p)
        assert found.corrected == pytest.approx(back[measure].corrected)
        assert (found.interval is None) == (back[measure].interval is None)
        if found.interval and (mirrored := back[measure].interval):
            assert found.interval == pytest.approx((-mirrored[1], -mirrored[0]), abs=1e-9)
        assert {found.verdict, back[measure].verdict} in ({""}, {"better", "worse"})
    assert changes(one, two) == there


@_FEW
@given(st.lists(st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1)]), min_size=2, max_size=24))
def test_the_p_value_of_hits_is_that_of_the_sign_test(pairs: list[tuple[int, int]]) -> None:
    from scipy.stats import binomtest

    found = changes(made([a for a, _ in pairs]), made([b for _, b in pairs]))["passage hit@1"]
    lost, won = pairs.count((1, 0)), pairs.count((0, 1))
    expected = float(binomtest(won, lost + won).pvalue) if lost + won else 1.0
    # Beyond a dozen questions that differ the deals are drawn, no longer all tried.
    assert found.p == pytest.approx(expected, abs=1e-9 if lost + won <= 12 else 0.03)
    assert found.difference == pytest.approx((won - lost) / len(pairs))


def of_all_deals(measure: str, before: Run, after: Run) -> float:
    """The p value of a measure that every row has, by dealing each question's two rows to the runs in every way."""
    gains = []  # the first deal is the one that happened
    for swaps in product((False, True), repeat=len(before.questions)):
        pairs = zip(before.scores.rows, after.scores.rows, swaps, strict=True)
        dealt = zip(*((two, one) if swap else (one, two) for one, two, swap in pairs), strict=True)
        old, new = ({mean.measure: mean.value for mean in means(rows)} for rows in dealt)
        gains.append(new[measure] - old[measure])
    tails = [sum(sign * gain >= sign * gains[0] - 1e-9 for gain in gains) / len(gains) for sign in (1, -1)]
    return min(1, 2 * min(tails))


@pytest.mark.parametrize("seed", range(4))
def test_a_p_value_is_the_share_of_all_deals_of_the_results_that_differ_as_much(seed: int) -> None:
    random = np.random.default_rng(seed)
    hits, confidences = random.choice([0.0, 0.5, 1.0], (2, 7)), random.choice([0.1, 0.3, 0.35, 0.8, 1.0], (2, 7))
    # Some questions are answered as before: their results do not differ, and yet count.
    hits[1, :3], confidences[1, :3] = hits[0, :3], confidences[0, :3]
    before, after = (made(h.tolist(), c.tolist()) for h, c in zip(hits, confidences, strict=True))
    found = changes(before, after)
    for measure in ("passage hit@1", "document nDCG@10", "confidence ECE", "confidence AURC"):
        assert found[measure].p == pytest.approx(of_all_deals(measure, before, after)), measure


def test_the_interval_is_as_wide_as_the_spread_of_the_questions_makes_it() -> None:
    random = np.random.default_rng(11)
    before, change = random.uniform(0.3, 0.5, 400), random.normal(0.02, 0.1, 400)
    found = changes(made(before.tolist()), made((before + change).clip(0, 1).tolist()))["document nDCG@10"]
    assert found.interval is not None
    error = 1.96 * change.std() / 20
    assert found.interval == pytest.approx((change.mean() - error, change.mean() + error), abs=0.15 * error)
    shifted = changes(made(before.tolist()), made((before + 0.25).tolist()))["document nDCG@10"]
    assert shifted.interval == pytest.approx((0.25, 0.25))


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_corrects_as_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis falls when every set of hypotheses with it in falls by Bonferroni."""
    numbers = range(len(p_values))
    for number, corrected in zip(numbers, holm(p_values), strict=True):
        sets = [s for size in numbers for s in combinations(numbers, size + 1) if number in s]
        assert corrected == pytest.approx(max(min(1, len(s) * min(p_values[n] for n in s)) for s in sets))


def test_a_loss_is_told_where_it_is_large_and_sure_and_a_gain_never_is() -> None:
    good, bad = made([1.0] * 40), made([1.0] * 24 + [0.0] * 16)
    losses = {found.measure for found in compare(good, bad).losses}
    assert losses >= {"passage hit@1", "passage MRR@10", "sentence hit@5", "document nDCG@10", "confidence AURC"}
    assert losses <= {measure.name for measure in MEASURES if measure.better}
    assert compare(bad, good).losses == ()
    assert {found.verdict for found in compare(bad, good).differences} == {"", "better"}
    one_lost = made([1.0] * 39 + [0.0])
    assert compare(good, one_lost).losses == ()  # may well be chance
    a_hair = made([0.9995] * 40)
    slight = changes(made([0.9999] * 40), a_hair)["document nDCG@10"]
    assert slight.corrected is not None and slight.corrected < 0.05 and slight.verdict == ""  # sure, and nothing


def test_less_is_worse_where_more_is_better_and_more_where_less_is() -> None:
    silent = [Question(str(n), "?", False) for n in range(40)]
    quiet = [Prediction(question.id, (), (), False, 0.1) for question in silent]
    loud = [replace(prediction, answered=True, confidence=0.9) for prediction in quiet]
    before, after = (Run(tuple(silent), score(silent, given_, {})) for given_ in (quiet, loud))
    found = changes(before, after)
    assert found["answered when not answerable"].verdict == found["confidence ECE"].verdict == "worse"
    assert found["answered when not answerable"].difference == 1
    assert {each.verdict for each in compare(after, before).differences} == {"", "better"}


@_FEW
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_no_measure_that_is_equal_or_better_is_ever_called_a_loss(pairs: list[tuple[bool, bool]]) -> None:
    before = [float(was) for was, _ in pairs]
    after = [float(was or gained) for was, gained in pairs]
    comparison = compare(made(before), made(after))
    for found in comparison.differences:
        assert found.verdict != "worse" or found.better * found.difference < 0
    assert not [found for found in comparison.losses if found.measure != "confidence ECE"]


@pytest.mark.slow
def test_runs_that_differ_by_chance_alone_are_rarely_called_a_loss() -> None:
    random = np.random.default_rng(5)
    fired = 0
    for _ in range(40):
        hits, confidences = random.random((2, 60)) < 0.7, random.random((2, 60))
        runs_ = [made(h.astype(float).tolist(), c.tolist()) for h, c in zip(hits, confidences, strict=True)]
        fired += bool(compare(*runs_).losses)
    # Losses are half of what a two-sided test at 5 % calls significant; even binomial(40, 0.05) exceeds 6 once in 300.
    assert fired <= 6


# What is compared


def test_runs_are_compared_over_the_questions_that_both_judge_alike() -> None:
    whole = made([1.0, 0.0, 1.0, 1.0, 0.0])
    questions = list(whole.questions)
    questions[1] = replace(questions[1], text="Another?")
    questions[2] = replace(questions[2], gold=(Place("a", 1, 3),))
    questions[3] = replace(questions[3], id="new")
    rows = [replace(row, id=question.id) for row, question in zip(whole.scores.rows, questions, strict=True)]
    other = Run(tuple(questions), Scores(tuple(rows), ()))
    comparison = compare(whole, other)
    assert (comparison.shared, comparison.only_before, comparison.only_after, comparison.changed) == (2, 1, 1, 2)
    (found,) = [each for each in comparison.differences if each.measure == "passage hit@1"]
    assert (found.before, found.after, found.n) == (0.5, 0.5, 2)


@_FEW
@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_a_baseline_does_not_matter(run: Asked, random: Any) -> None:
    now = scored(run)
    order = random.sample(range(len(run[0])), len(run[0]))
    then = Run(tuple(now.questions[n] for n in order), Scores(tuple(now.scores.rows[n] for n in order), ()))
    assert compare(then, now) == compare(now, now)


def test_runs_without_a_common_question_are_refused() -> None:
    one = made([1.0])
    other = Run((replace(one.questions[0], text="Another?"),), one.scores)
    with pytest.raises(UsageError, match="share no question"):
        compare(one, other)
