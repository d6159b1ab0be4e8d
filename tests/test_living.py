"""Laws of an index that changes while it is asked: no question fails, and each is answered from one state."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from shelf import QUESTIONS, SUBJECTS, Shelf, assert_same, story

from qa import health, indexing, run, snapshot
from qa.library import Library
from qa.records import Answer, Coverage

READERS = 8


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a disk, as far as it is looked at."""

    free: int


def timeless(shown: Any) -> Any:
    """Without what is true of the file and not of the index."""
    also = (replace(place, source=replace(place.source, modified_ns=0), stale="") for place in shown.also)
    return replace(shown, source=replace(shown.source, modified_ns=0), also=tuple(also))


def of_the_index(answer: Answer) -> Answer:
    return replace(
        answer,
        index=replace(answer.index, coverage=Coverage()),
        citations=tuple(replace(timeless(citation), stale="") for citation in answer.citations),
        passages=tuple(timeless(passage) for passage in answer.passages),
    )


def asked_while_it_changes(shelf: Shelf, seconds: float, pause_s: float) -> None:
    """Eight readers, who rest between questions, ask one engine while files are added, changed and removed, again and
    again; after each change a fresh engine tells what the new state answers."""
    chance = random.Random(3)
    states: dict[int, dict[str, Answer]] = {}
    answers: list[Answer] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def become(files: dict[str, int]) -> None:
        for path in list(shelf.docs.iterdir()):
            if path.name not in files:
                path.unlink()
        for name, edition in files.items():
            if not (shelf.docs / name).exists() or (shelf.docs / name).read_text() != story(name[:-3], edition):
                shelf.write(name, story(name[:-3], edition))
        shelf.index()
        with shelf.engine() as fresh:
            found = {question: fresh.ask(question, limit=50) for question in QUESTIONS}
            states[found[QUESTIONS[0]].index.commit] = found

    def ask(seed: int) -> None:
        mine = random.Random(seed)
        try:
            while not done.wait(pause_s):
                answers.append(engine.ask(mine.choice(QUESTIONS), limit=50))
        except BaseException as error:
            failures.append(error)

    held = {f"{subject}.md": 1 for subject in SUBJECTS[:4]}
    become(held)
    with shelf.engine() as engine:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            until, edition = time.monotonic() + seconds, 1
            while edition < 4 or time.monotonic() < until:
                edition += 1
                chosen = chance.choice(sorted(held))
                held[chosen] = edition
                other = f"{chance.choice(SUBJECTS)}.md"
                if other in held and len(held) > 1:
                    del held[other]
                else:
                    held.setdefault(other, 1)
                become(held)
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert failures == []
    assert len({answer.index.commit for answer in answers}) > 1
    for answer in answers:
        assert_same(of_the_index(answer), of_the_index(states[answer.index.commit][answer.query]))


def test_eight_readers_get_the_answer_of_one_state_while_files_come_change_and_go(shelf: Shelf) -> None:
    asked_while_it_changes(shelf, seconds=0, pause_s=0.2)


@pytest.mark.slow
def test_eight_readers_get_the_answer_of_one_state_for_a_minute(shelf: Shelf) -> None:
    asked_while_it_changes(shelf, seconds=60, pause_s=0)


def committed_alone(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, look: Callable[[], None]) -> None:
    """Index, with a look at the moment when all is committed and the snapshot is about to be made."""
    write = snapshot.write

    def looked(*given: Any) -> snapshot.Snapshot:
        look()
        return write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "write", looked)
        shelf.index()


def test_until_a_new_snapshot_is_there_the_old_texts_are_quoted_and_what_is_behind_is_told(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    shelf.index()
    said: list[str] = []
    with shelf.engine(said) as engine:
        before = [engine.ask(question, limit=50) for question in QUESTIONS]
        texts = {source.path: document for source, document in engine.documents()}
        assert engine.status()["behind"] == 0
        shelf.write("a.md", story("harbour", edition=2))
        (shelf.docs / "b.md").unlink()
        shelf.write("c.md", story("museum"))

        def look() -> None:
            with shelf.engine(said) as late:
                for asked in (engine, late):
                    for question, old in zip(QUESTIONS, before, strict=True):
                        assert_same(of_the_index(asked.ask(question, limit=50)), of_the_index(old))
                    assert {source.path: document for source, document in asked.documents()} == texts
                    assert asked.status()["behind"] == 3
            found = [citation for question in QUESTIONS for citation in engine.ask(question, limit=50).citations]
            assert {(c.source.path, c.stale) for c in found} == {("a.md", "changed"), ("b.md", "missing")}

        committed_alone(shelf, monkeypatch, look)
        assert {source.path for source, _ in engine.documents()} == {"a.md", "c.md"}
        assert engine.status()["behind"] == 0
    assert said == []


def test_where_nobody_makes_a_new_snapshot_a_reader_does_so_and_says_it(shelf: Shelf) -> None:
    """As after a writer was killed between its commit and its snapshot."""
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    shelf.index()
    said: list[str] = []
    with shelf.engine(said) as engine:
        library = Library.open(shelf.settings.index, write=True)
        with library.writing():
            library.remove(next(source.id for source in library.sources() if source.path == "b.md"))
        library.close()
        assert {source.path for source, _ in engine.documents()} == {"a.md"}
        assert len(said) == 1
        assert {c.source.path for c in engine.ask(QUESTIONS[0]).citations} == {"a.md"}
    assert len(said) == 1


def test_what_a_long_run_has_committed_can_be_asked_before_it_ends(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    for subject in SUBJECTS[1:4]:
        shelf.write(f"{subject}.md", story(subject))
    monkeypatch.setattr(run, "BATCH_PASSAGES", 1)
    monkeypatch.setattr(run, "PUBLISH_AFTER_S", 0.0)
    monkeypatch.setattr(run, "PUBLISH_SHARE", 1e9)
    seen: list[int] = []
    with shelf.engine() as engine:

        def look(_: run.Progress) -> None:
            seen.append(engine.status()["documents"])

        shelf.index(progress=look)
        assert engine.status()["documents"] == 4
    assert seen == sorted(seen)
    assert set(seen) >= {1, 2, 3}


def test_what_was_taken_away_meanwhile_is_made_again_by_one_who_goes_on_with_what_it_had(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a repair does, or a deletion that needs room on a full disk."""
    indexer = indexing.Indexer(shelf.settings)
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    indexer.bring([shelf.docs])
    shutil.rmtree(shelf.settings.index / snapshot.FOLDER)
    indexer.bring()
    assert health.verify(shelf.settings.index).notes == ()
    (shelf.docs / "b.md").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: Usage(free=0))
        indexer.bring()
    found = health.verify(shelf.settings.index)
    assert (found.damages, found.notes, found.documents) == ((), (), 1)
    with shelf.engine() as engine:
        assert {c.source.path for c in engine.ask(QUESTIONS[0]).citations} == {"a.md"}
