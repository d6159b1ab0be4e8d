"""Laws of the reader's training: it learns from rows as they will be read, and goes on where it was cut off."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from qa import readers
from qa.reader import Reader
from qa.records import Excerpt, Span
from qa.training import fitting, learner, material, weights
from qa.training.__main__ import train
from qa.training.examples import Example, Frame, batches, examples, exchanged
from qa.training.fitting import Plan
from qa.training.material import Asked, Text

BUILDERS = ("Ada Lindqvist", "Per Holm", "Nora Vik", "Olav Berg", "Signe Dahl", "Ivar Moe")
TOWNS = ("Harlow", "Brenna", "Tarvik", "Osnes", "Fjellby", "Lund")


def sentences(town: str, builder: str, year: int) -> list[str]:
    return [
        f"The bridge at {town} crosses the river below the mill.",
        f"It was built by {builder} in {year}.",
        "Dogs go free on market days.",
    ]


def rows() -> list[dict[str, Any]]:
    """Questions of three kinds to each of some towns: whose words that answer are known, whose sentence is, and one
    that the text does not answer."""
    made = []
    for number in range(36):
        town = f"{TOWNS[number % 6]} {number}"
        parts = sentences(town, BUILDERS[number * 5 % 6], 1800 + number)
        text = " ".join(parts)
        starts = [text.index(part) for part in parts]
        spans = [[start, start + len(part)] for start, part in zip(starts, parts, strict=True)]
        builder = text.index(BUILDERS[number * 5 % 6])
        exact = [[builder, builder + len(BUILDERS[number * 5 % 6])]]
        for kind, (question, which, answer) in enumerate(
            (
                (f"Who built the bridge at {town}?", [1], exact),
                (f"What may dogs do in {town}?", [2], []),
                (f"How deep is the river at {town}?", [], []),
            )
        ):
            made.append(
                {
                    "id": f"{number}-{kind}",
                    "question": question,
                    "title": town,
                    "text": text,
                    "sentences": spans,
                    "answer_sentences": which,
                    "answer_spans": answer,
                }
            )
    return made


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame(learner.tokenizer())


def passage(town: str = "Harlow", builder: str = "Ada Lindqvist", gold: str = "") -> Text:
    parts = sentences(town, builder, 1871)
    text = " ".join(parts)
    spans = tuple((text.index(part), text.index(part) + len(part)) for part in parts)
    return Text(f"Bridges of {town}", text, spans, ((text.index(gold), text.index(gold) + len(gold)),) if gold else ())


def test_the_reader_is_trained_on_rows_as_it_will_read_them(frame: Frame) -> None:
    reader = Reader(readers.exported(readers.BUNDLED, Path()))

    @given(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=200),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=200),
        st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=200),
    )
    def check(question: str, context: str, text: str) -> None:
        ids, lead = reader.row(question, Excerpt(context, text, (Span(0, len(text)),)))
        row = frame.example(question, Text(context, text, ((0, len(text)),), ()), True)
        assert row.ids == ids and row.body == (lead, len(ids) - 1)
        assert row.starts == row.ends == [0]

    check()


def test_what_is_gold_is_where_the_words_are(frame: Frame) -> None:
    tokenizer = learner.tokenizer()
    for gold in ("Ada Lindqvist", "in 1871", "Dogs go free on market days."):
        exact = frame.example("Who?", passage(gold=gold), True)
        assert len(exact.starts) == len(exact.ends) == 1
        assert tokenizer.decode(exact.ids[exact.starts[0] : exact.ends[0] + 1]) == tokenizer.decode(
            tokenizer.encode(gold, add_special_tokens=False).ids
        )
        whole = frame.example("Who?", passage(gold=gold), False)
        assert whole.starts == whole.ends == list(range(exact.starts[0], exact.ends[0] + 1))


@given(st.integers(1, 200), st.integers(1, 20), st.integers())
def test_batches_hold_every_row_once(count: int, size: int, seed: int) -> None:
    made = [Example(list(range(number % 17 + 2)), (1, 2), [number], [number]) for number in range(count)]
    found = list(batches(made, size, random.Random(seed)))
    assert sorted(row.starts[0] for batch in found for row in batch) == list(range(count))
    assert all(len(batch) <= size for batch in found)


@given(st.randoms(use_true_random=False))
def test_a_near_miss_names_another_of_the_kind_that_the_question_did_not(chance: random.Random) -> None:
    near = [
        Asked("?", "t", True, True, 0, (passage(town, builder),)) for town, builder in zip(TOWNS, BUILDERS, strict=True)
    ]
    question = "Who built the bridge at Harlow in 1871?"
    found = exchanged(question, passage(), near, chance)
    if found is not None:
        assert found != question
        assert ("Harlow" in found) != ("1871" in found), "one of the two is another"
    assert exchanged("who built it?", passage(), near, chance) is None


def test_each_epoch_draws_anew_and_the_same_seed_the_same(frame: Frame) -> None:
    asked = [
        Asked(
            f"Who built the bridge at {town}?",
            town,
            True,
            True,
            0,
            (passage(town, builder, builder), passage("Elsewhere", builder)),
        )
        for town, builder in zip(TOWNS * 5, BUILDERS * 5, strict=True)
    ]
    first = examples(asked, frame, 7, 0)
    assert examples(asked, frame, 7, 0) == first
    assert examples(asked, frame, 7, 1) != first and examples(asked, frame, 8, 0) != first
    assert sum(row.starts != [0] for row in first) == len(asked)


def test_titles_are_kept_out_by_their_name_alone(tmp_path: Path) -> None:
    asked = [Asked("Who?", f"{number}", True, False, 0, (passage(),)) for number in range(600)]
    share = sum(one.held_out for one in asked) / len(asked)
    assert 0.5 / material.HELD_OUT < share < 2 / material.HELD_OUT
    material.save(asked, tmp_path / "asked.jsonl")
    assert material.load(tmp_path / "asked.jsonl") == asked


@pytest.mark.slow
def test_a_graph_in_fewer_bytes_reads_as_the_exact_one(tmp_path: Path) -> None:
    learner.save(learner.new(2, 7), tmp_path / "model")
    exact = tmp_path / "exact"
    exact.mkdir()
    one = Reader(readers.write(tmp_path / "model", exact, "exact", "0"))
    text = passage()
    shown = Excerpt(text.context, text.text, tuple(Span(*span) for span in text.sentences))
    other = Reader(weights.write(tmp_path / "model", tmp_path / "small", "small", [one.row("Who built it?", shown)[0]]))
    assert other.model.graph.stat().st_size < one.model.graph.stat().st_size / 3
    ids, lead = one.row("Who built the bridge?", shown)
    first, second = one.logits(ids, lead), other.logits(ids, lead)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99
    assert readers.cached(tmp_path / "small") == other.model


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(
    frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    asked = [
        Asked("Who built it?", town, True, True, 0, (passage(town, builder, builder),))
        for town, builder in zip(TOWNS * 4, BUILDERS * 4, strict=True)
    ]
    plan = Plan(epochs=2, batch=4, layers=1)
    monkeypatch.setattr(fitting, "SAVED_EVERY", 3)
    monkeypatch.setattr(fitting, "TOLD_EVERY", 1)

    class Cut(Exception):
        pass

    def run(name: str, until: int | None) -> dict[str, torch.Tensor]:
        model = learner.new(1, 7)
        (tmp_path / name).mkdir(exist_ok=True)

        def tell(line: str) -> None:
            if until is not None and line.startswith(f"step {until} "):
                raise Cut

        fitting.fit(model, asked, frame, plan, tmp_path / name, tell)
        return model.state_dict()

    whole = run("whole", None)
    with pytest.raises(Cut):
        run("cut", 5)
    resumed = run("cut", None)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_the_command_makes_a_reader_that_has_learned(tmp_path: Path, model_cache: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows())), "utf-8")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        train,
        f"{tmp_path}/rows.jsonl --out {out} --cache {model_cache} --epochs 20 --layers 2",
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    made = readers.cached(out / "reader")
    assert made is not None
    text = passage("Kirkvoll", "Tone Aas")
    shown = Excerpt(text.context, text.text, tuple(Span(*span) for span in text.sentences))
    reader = Reader(made)
    (found,) = reader.read("Who built the bridge at Kirkvoll?", [shown], 1e9)
    assert int(np.argmax(found.odds)) == 1
    (other,) = reader.read("How deep is the river at Kirkvoll?", [shown], 1e9)
    assert max(found.odds) > max(other.odds)
    (exact,) = Reader(readers.exported(str(out / "model"), tmp_path / "cache")).read("Who built it?", [shown], 1e9)
    (small,) = reader.read("Who built it?", [shown], 1e9)
    assert np.allclose(exact.odds, small.odds, atol=1.5), "in fewer bytes it reads the same"
