"""Laws of following a folder: whatever happens to its files is in the index soon after, and nothing else is done."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from shelf import QUESTIONS, SUBJECTS, Shelf, quotes, story

from qa import coverage, encoder, following, formats, lock, noise, sentences, stamps
from qa.errors import ModelUnusable
from qa.following import Follower
from qa.indexing import Indexer
from qa.library import Library
from qa.records import IndexReport
from qa.settings import Settings

PATIENCE_S = 120
"""How long anything is waited for: other programs may keep the machine busy."""


@pytest.fixture
def shelf(tmp_path: Path, settings: Callable[..., Settings]) -> Shelf:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("a.md", story("harbour"))
    return shelf


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def held(shelf: Shelf) -> set[str]:
    library = Library.open(shelf.settings.index)
    try:
        return {source.path for source in library.sources()}
    finally:
        library.close()


@contextmanager
def followed(
    shelf: Shelf, said: list[str] | None = None, *, poll_s: float = 0.0
) -> Iterator[tuple[Follower, list[IndexReport]]]:
    """A follower of the folders of an index, which is up to date when the block begins, and what its runs report."""
    reports: list[IndexReport] = []
    follower = Follower(
        Indexer(shelf.settings),
        shelf.settings.index,
        poll_s=poll_s,
        announce=(said if said is not None else []).append,
        done=reports.append,
    )
    thread = threading.Thread(target=follower.run, daemon=True)
    thread.start()
    try:
        assert follower.wait_ready(PATIENCE_S)
        yield follower, reports
    finally:
        follower.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def settled(reports: list[IndexReport], *counts: int) -> bool:
    """Whether so many files were added, changed and removed, by all runs together."""
    return [sum(getattr(each, name) for each in reports) for name in ("added", "changed", "removed")] == list(counts)


@pytest.mark.parametrize("poll_s", [0.0, 0.2])
def test_whatever_happens_to_a_file_is_followed_while_questions_are_answered(shelf: Shelf, poll_s: float) -> None:
    shelf.index()
    failures: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        with shelf.engine() as engine:
            while not over.is_set():
                try:
                    answer = engine.ask(QUESTIONS[0])
                    assert answer.citations
                except Exception as error:
                    failures.append(error)
                over.wait(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        with followed(shelf, poll_s=poll_s) as (_, reports):
            path = shelf.write("below/b.md", story("bridge"))
            until(lambda: "below/b.md" in held(shelf))
            path.write_text(story("bridge", edition=2))
            until(lambda: settled(reports, 1, 1, 0))
            temporary = shelf.write("below/.b.md.swp", story("bridge", edition=3))
            temporary.rename(path)  # as editors save
            until(lambda: settled(reports, 1, 2, 0))
            path.rename(shelf.docs / "c.md")
            until(lambda: held(shelf) == {"a.md", "c.md"})
            shutil.rmtree(shelf.docs / "below")
            (shelf.docs / "c.md").unlink()
            until(lambda: held(shelf) == {"a.md"})
    finally:
        over.set()
        asking.join(PATIENCE_S)
    assert not failures
    assert sum(report.encoded for report in reports) == 3 + 1 + 1


def test_what_the_first_change_needs_is_loaded_before_it_comes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.index()
    loaded: list[str] = []

    def noted(part: str, load: Callable[..., object]) -> Callable[..., object]:
        def note(*given: object) -> object:
            loaded.append(part)
            return load(*given)

        return note

    # A process that has read nothing yet.
    monkeypatch.setattr(sentences, "_punkt", cache(noted("splitter", sentences._punkt.__wrapped__)))
    monkeypatch.setattr(noise, "_encoded", cache(noted("foreign questions", noise._encoded.__wrapped__)))
    monkeypatch.setattr(encoder, "_Graph", noted("graph", encoder._Graph))
    with followed(shelf) as (follower, reports):
        until(lambda: "splitter" in loaded)
        before = list(loaded)
        shelf.write("b.md", story("bridge"))
        until(lambda: settled(reports, 1, 0, 0))
        held = follower._indexer._encoder
        assert held is not None
        assert set(held._graphs) == {held.model.passage}
    assert set(before) == {"splitter", "foreign questions", "graph"}
    assert loaded == before


@pytest.mark.parametrize("error", [ModelUnusable("It is not there."), OSError("It cannot be read.")])
def test_what_cannot_be_loaded_beforehand_stops_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    shelf.index()
    said: list[str] = []

    def fail(_: Indexer) -> None:
        raise error

    monkeypatch.setattr(Indexer, "prepare", fail)
    with followed(shelf, said) as (_, reports):
        shelf.write("b.md", story("bridge"))
        until(lambda: settled(reports, 1, 0, 0))
    assert not said


@pytest.mark.slow
def test_a_burst_is_one_run_and_a_later_look_makes_no_commit(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STEP_MS", 2000)
    monkeypatch.setattr(following, "QUIET_MS", 2000)
    monkeypatch.setattr(following, "PATIENCE_MS", 60_000)
    monkeypatch.setattr(following, "SETTLE_S", 0.5)
    shelf.index()
    with followed(shelf) as (_, reports):
        for number in range(500):  # as git checks out, many with one text
            shelf.write(f"folder {number % 7}/{number}.txt", f"The lighthouse is called number {number // 50}.")
        until(lambda: settled(reports, 500, 0, 0))
        assert [report.added for report in reports if report.added] == [500]
        library = Library.open(shelf.settings.index)
        before = library.commit
        time.sleep(following.SETTLE_S + 1)
        assert library.commit == before
        library.close()


def test_what_changed_while_nothing_followed_is_found_at_the_start(shelf: Shelf) -> None:
    shelf.write("b.md", story("bridge"))
    shelf.index()
    (shelf.docs / "b.md").rename(shelf.docs / "renamed.md")
    shelf.write("new.md", story("museum"))
    with followed(shelf):
        assert held(shelf) == {"a.md", "renamed.md", "new.md"}


@pytest.mark.slow
def test_a_folder_that_is_unmounted_keeps_its_documents_and_is_followed_again_when_it_is_back(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.index()
    said: list[str] = []
    with followed(shelf, said):
        shelf.docs.rename(tmp_path / "unmounted")
        until(lambda: any("is not there" in line for line in said))
        shelf.docs.mkdir()
        time.sleep(2 * following.ROOTS_S)
        assert held(shelf) == {"a.md"}
        shelf.docs.rmdir()
        (tmp_path / "unmounted").rename(shelf.docs)
        until(lambda: any("is there again" in line for line in said))
        shelf.write("b.md", story("bridge"))
        until(lambda: held(shelf) == {"a.md", "b.md"})


@pytest.mark.slow
def test_a_folder_that_another_process_adds_is_followed_too(shelf: Shelf, tmp_path: Path) -> None:
    shelf.index()
    other = Shelf(tmp_path / "other", shelf.settings)
    other.write("b.md", story("bridge"))
    with followed(shelf):
        other.index()
        time.sleep(2 * following.ROOTS_S)
        other.write("c.md", story("museum"))
        until(lambda: held(shelf) == {"docs/a.md", "other/b.md", "other/c.md"})


def test_a_single_file_is_followed_through_being_replaced(shelf: Shelf) -> None:
    path = shelf.docs / "a.md"
    shelf.index(path)
    with followed(shelf) as (_, reports):
        for edition in (2, 3):
            shelf.write("new", story("harbour", edition=edition)).rename(path)
            until(lambda changed=edition - 1: settled(reports, 0, changed, 0))
        assert held(shelf) == {"a.md"}


@pytest.mark.slow
def test_a_run_that_fails_is_said_and_tried_again_with_growing_pauses_and_the_index_is_asked_meanwhile(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PAUSES_S", (0.1, 0.4))
    for name, value in (("FRESH_S", 0.0), ("REST", 0), ("PATIENCE_S", PATIENCE_S)):
        monkeypatch.setattr(coverage, name, value)
    shelf.index()
    said: list[str] = []
    with followed(shelf, said) as (follower, _), shelf.engine() as engine:
        engine.following = follower.state
        with lock.writer(shelf.settings.index, "qa index"):
            shelf.write("b.md", story("bridge"))
            until(lambda: len(said) >= 4)
            assert "qa index" in follower.state()["trouble"]
            assert engine.status()["following"]["said"].startswith("Not up to date. Another process")
            assert quotes(engine.ask(QUESTIONS[0]))
            assert engine.ask(QUESTIONS[0]).index.coverage.pending == 1
        until(lambda: follower.state()["trouble"] == "")
        assert held(shelf) == {"a.md", "b.md"}
        assert engine.ask(QUESTIONS[0]).index.coverage.pending == 0
    pauses = [line.split()[-2] for line in said[:4]]
    assert pauses == ["0.1", "0.2", "0.4", "0.4"]
    assert said[-1] == "The index is up to date again."


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_read_once_more_and_then_only_when_it_changes(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SETTLE_S", 0.5)
    broken = shelf.write("broken.pdf", b"%PDF-1.7 cut short")
    shelf.index()
    read: list[str] = []
    load = formats.load

    def noted(path: Path, limits: formats.Limits) -> bytes:
        read.append(path.name)
        return load(path, limits)

    monkeypatch.setattr(formats, "load", noted)
    with followed(shelf, poll_s=0.2) as (_, reports):
        until(lambda: read.count("broken.pdf") >= 2)
        # While it is young it may still be being written, and is tried at each look.
        until(lambda: time.time_ns() - broken.stat().st_ctime_ns > stamps.TICK_NS)
        shelf.write("b.md", story("bridge"))
        until(lambda: settled(reports, 1, 0, 0))
        seen = read.count("broken.pdf")
        shelf.write("c.md", story("museum"))
        until(lambda: settled(reports, 2, 0, 0))
        assert read.count("broken.pdf") == seen
        broken.unlink()
        shelf.write("broken.pdf", b"%PDF-1.7 cut shorter")
        until(lambda: read.count("broken.pdf") > seen)


@pytest.mark.slow
def test_an_index_that_lies_in_the_folder_it_follows_does_not_set_itself_off(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SETTLE_S", 0.5)
    within = Shelf(shelf.docs, Settings(shelf.docs / "index", shelf.settings.model, shelf.settings.cache))
    within.index()
    with followed(within) as (_, reports):
        time.sleep(following.SETTLE_S + 0.5)
        reports.clear()
        within.write("b.md", story("bridge"))
        until(lambda: held(within) == {"a.md", "b.md"})
        time.sleep(following.SETTLE_S + 1.5)
        assert len(reports) <= 2  # the second for a file written just before it was read
        assert all(subject not in "".join(held(within)) for subject in SUBJECTS)


def test_where_the_system_does_not_tell_of_changes_it_is_said_and_the_folders_are_looked_over(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    def failing(*_: object, **__: object) -> Iterator[set[object]]:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", failing)
    monkeypatch.setattr(following, "POLL_S", 0.2)
    shelf.index()
    said: list[str] = []
    with followed(shelf, said) as (follower, _):
        assert "every 0.2 s" in said[0]
        assert "every 0.2 s" in follower.state()["said"]
        shelf.write("b.md", story("bridge"))
        until(lambda: held(shelf) == {"a.md", "b.md"})
