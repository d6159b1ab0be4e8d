"""Laws of why-not: what it says of a document is what the engine does with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shelf import QUESTIONS, SUBJECTS, Shelf, story

from qa.cli import qa
from qa.engine import Engine
from qa.errors import UsageError
from qa.filtering import refusals
from qa.records import Filter
from qa.settings import Settings
from qa.tracing import Trace, trace

NIGHT = "The night ferry to Ushant was taken out of service in 1987."


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Shelf:
    """Forty stories, one sentence in twelve notes, and one file of each kind that is not read."""
    folder = tmp_path_factory.mktemp("traced").resolve()
    shelf = Shelf(folder / "docs", Settings(folder / "index", small_model, model_cache))
    for number in range(40):
        subject = SUBJECTS[number % len(SUBJECTS)]
        shelf.write(f"stories/{subject}-{number}.md", story(f"{subject} {number}", number, paragraphs=2))
    for number in range(12):
        shelf.write(f"notes/{number}.txt", f"{NIGHT}\n")
    shelf.write("empty.txt", "")
    shelf.write("broken.pdf", "no pdf")
    shelf.write("picture.png", "png")
    shelf.write(".hidden/secret.txt", NIGHT)
    shelf.index()
    shelf.write("late.txt", NIGHT)
    (folder / "elsewhere.txt").write_text(NIGHT, "utf-8")
    return shelf


@pytest.fixture(scope="module")
def engine(shelf: Shelf) -> Iterator[Engine]:
    with shelf.engine() as engine:
        yield engine


ASKED = st.sampled_from(
    [
        *(*QUESTIONS, "When was the night ferry to Ushant taken out of service?", "Who praised orchard 12?"),
        *('Where is "the ferry to the harbour"?', "Where does the ferry leave -harbour", 'the "ferry of nowhere"'),
    ]
)
FILTERS = st.sampled_from([Filter(), Filter(), Filter(type="md"), Filter(path="notes/*"), Filter(title="harbour")])


def dropped(traced: Trace) -> list[str]:
    return [step.name for step in traced.steps if step.passed is False and step.name != "threshold"]


@hypothesis_settings(max_examples=40)
@given(st.integers(0, 51), ASKED, FILTERS)
def test_a_document_has_a_rank_or_one_step_at_which_it_dropped_out(
    engine: Engine, number: int, question: str, filter: Filter
) -> None:
    source = [source for source, _ in engine.documents()][number]
    traced = trace(engine, source.id, question, filter)
    answer = engine.ask(question, limit=1000, filter=filter)
    own = [passage for passage in answer.passages if passage.source.id == source.id]
    listed = [p for p in answer.passages if any(place.source.id == source.id for place in p.also)]
    assert (traced.path, traced.found, traced.rank) == (source.path, bool(own), own[0].rank if own else None)
    steps = {step.name: step for step in traced.steps}
    if refusals(source, filter):
        assert dropped(traced) == ["filter"] == list(steps)[-1:]
        return
    assert bool(dropped(traced)) == (not own)
    assert len(dropped(traced)) <= 1
    if dropped(traced) == ["exact"]:
        assert list(steps)[-1] == "exact"
        return
    if not own and listed:
        assert dropped(traced) == ["folded"]
        assert steps["folded"].rank == listed[0].rank
    assert 1 <= (steps["meaning"].rank or 0) <= (steps["meaning"].of or 0)
    held = engine.read(question)[0]
    searched = [number for number, other in enumerate(held.sources) if not refusals(other, filter)]
    assert steps["meaning"].of == int(np.isin(held.document[held.owner], searched).sum())
    if own:
        assert (steps["result"].rank, steps["result"].of) == (own[0].rank, answer.total)
        assert steps["threshold"].passed == answer.answered


def test_the_first_by_every_count_is_said_to_be(engine: Engine) -> None:
    traced = trace(
        engine, "stories/museum-3.md", "In edition 3 of the guide the museum 3 is praised by traveller number 3."
    )
    steps = {step.name: step for step in traced.steps}
    assert (traced.rank, steps["words"].rank, steps["meaning"].rank, steps["shortlist"].rank) == (1, 1, 1, 1)
    assert "lacks none" in steps["words"].said


def test_a_word_that_a_document_lacks_is_named_as_typed(engine: Engine) -> None:
    steps = {step.name: step for step in trace(engine, "museum-3.md", "Did Zygmunt praise the museums?").steps}
    assert "lacks Did, Zygmunt" in steps["words"].said
    assert "museums" in steps["words"].said.split("lacks")[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty.txt", "empty"),
        ("broken.pdf", "PDF"),
        ("docs/picture.png", "not indexed"),
        ("picture.png", "png"),
        (".hidden/secret.txt", "hidden"),
        ("late.txt", "qa index"),
        ("../elsewhere.txt", "outside the folders"),
        ("stories", "folder"),
        ("stories/musuem-3.md", "Did you mean stories/museum-3.md"),
        ("nothing at all", "neither in the index nor on disk"),
        ("\0", "neither"),
    ],
)
def test_a_file_that_is_not_indexed_is_told_why(engine: Engine, name: str, said: str) -> None:
    traced = trace(engine, name, QUESTIONS[0])
    assert (traced.found, traced.id, dropped(traced)) == (False, None, ["indexed"])
    assert said.casefold() in traced.steps[0].said.casefold()


@pytest.mark.parametrize("name", ["stories/museum-3.md", "museum-3.md", "./museum-3.md", "*museum-3.md", "*m-3.*"])
def test_a_document_goes_by_its_path_the_end_of_it_or_a_glob(engine: Engine, name: str) -> None:
    assert trace(engine, name, QUESTIONS[0]).path == "stories/museum-3.md"


def test_a_document_goes_by_its_place_on_disk(shelf: Shelf, engine: Engine) -> None:
    assert trace(engine, str(shelf.docs / "notes" / "3.txt"), QUESTIONS[0]).path == "notes/3.txt"


def test_a_name_of_several_documents_is_refused_with_some_of_them(engine: Engine) -> None:
    with pytest.raises(UsageError, match=r"12 documents fit notes/\*: notes/0.txt, .* and 7 more"):
        trace(engine, "notes/*", QUESTIONS[0])


def test_a_document_without_text_and_one_that_changed_are_said_to_be(shelf: Shelf, engine: Engine) -> None:
    path = shelf.docs / "notes" / "5.txt"
    before = path.read_text("utf-8")
    path.write_text(f"{before} And more.", "utf-8")
    assert "changed since it was indexed" in trace(engine, "notes/5.txt", QUESTIONS[0]).steps[0].said
    path.write_text(before, "utf-8")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["notes/0.txt", "When was the night ferry to Ushant taken out of service?"], 0),
        (["notes/7.txt", "When was the night ferry to Ushant taken out of service?"], 1),
        (["late.txt", "When", "was", "it?"], 1),
        (["notes/0.txt", NIGHT, "--type", "md"], 1),
        (["notes/*", NIGHT], 2),
        (["notes/0.txt", "?"], 2),
        (["notes/0.txt", NIGHT, "--before", "then"], 2),
    ],
)
def test_the_command_says_it_in_words_and_in_json(shelf: Shelf, words: list[str], code: int) -> None:
    settings = shelf.settings
    places = ["--index", str(settings.index), "--model", settings.model, "--cache", str(settings.cache)]
    plain = CliRunner().invoke(qa, ["why-not", *words, *places])
    as_json = CliRunner().invoke(qa, ["why-not", "--json", *words, *places])
    assert plain.exit_code == as_json.exit_code == code
    if code == 2:
        assert plain.stdout == "" and plain.stderr
        return
    body = json.loads(as_json.stdout)
    assert body["found"] == (code == 0)
    for step in body["steps"]:
        assert step["said"] in plain.stdout
    assert plain.stdout.splitlines()[-1].startswith("Rank " if code == 0 else "Not among the results")
