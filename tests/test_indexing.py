"""Laws of bringing an index up to date: only what changed is read, and any history gives what a clean build gives."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from shelf import MEMORY, QUESTIONS, SUBJECTS, Shelf, assert_exact, assert_same, quotes, story, without_privileges

from qa import formats, indexing, piece, run, stamps
from qa.database import seal_of
from qa.engine import Engine
from qa.errors import IndexBusy, IndexMissing, IndexUnusable, UsageError
from qa.library import Library
from qa.records import Filter, IndexReport
from qa.run import Progress
from qa.settings import Settings

FOLDERS = ("", "letters/", "letters/old & new/", "ü 🦀/")
ENDINGS = (".md", ".txt", ".html")


def counts(report: IndexReport) -> dict[str, int]:
    """Those that are not 0."""
    names = ("added", "changed", "removed", "unchanged", "encoded", "kept")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


class BrokenOff(Exception):
    """What indexing is stopped by."""


class History(RuleBasedStateMachine):
    """Files come, change, move and go, and indexing is broken off; whenever the index is brought up to date, it answers
    as one whose derived indexes are made anew, and in the end as one that is built anew.

    An engine is open all the time, and follows.
    """

    model = ""
    cache = Path()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="qa-history-", dir=MEMORY))
        self.shelf = Shelf(self.folder / "docs", Settings(self.folder / "index", self.model, self.cache, reader=""))
        self.shelf.docs.mkdir()
        self.editions = 1
        self.engine: Engine | None = None

    @property
    def files(self) -> list[str]:
        paths = (path for path in self.shelf.docs.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.shelf.docs).as_posix() for path in paths)

    def free(self, data: st.DataObject) -> str:
        """A name that no file has."""
        names = [f"{folder}{name}{ending}" for folder in FOLDERS for name in "ab" for ending in ENDINGS]
        return data.draw(st.sampled_from([name for name in names if name not in self.files]), label="name")

    @initialize()
    def begin(self) -> None:
        for number, subject in enumerate(SUBJECTS[:3]):
            self.shelf.write(f"{subject}{ENDINGS[number]}", story(subject))
        self.shelf.index()
        self.engine = Engine.open(self.shelf.settings)

    @rule(data=st.data(), subject=st.sampled_from(SUBJECTS), title=st.booleans())
    def add(self, data: st.DataObject, subject: str, title: bool) -> None:
        self.shelf.write(self.free(data), story(subject, title=title))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), subject=st.sampled_from(SUBJECTS))
    def edit(self, data: st.DataObject, subject: str) -> None:
        self.editions += 1
        self.shelf.write(data.draw(st.sampled_from(self.files)), story(subject, edition=self.editions))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), ruin=st.sampled_from([b"", b"\0\1\2" * 50, b"%PDF-1.7 cut short", b" \n\n "]))
    def spoil(self, data: st.DataObject, ruin: bytes) -> None:
        self.shelf.write(data.draw(st.sampled_from(self.files)), ruin)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        old, new = data.draw(st.sampled_from(self.files)), self.shelf.docs / self.free(data)
        new.parent.mkdir(parents=True, exist_ok=True)
        (self.shelf.docs / old).rename(new)

    @precondition(lambda self: len(self.files) > 1)
    @rule(data=st.data())
    def exchange(self, data: st.DataObject) -> None:
        one, other = data.draw(st.lists(st.sampled_from(self.files), min_size=2, max_size=2, unique=True))
        first, second, aside = self.shelf.docs / one, self.shelf.docs / other, self.shelf.docs / "aside"
        first.rename(aside)
        second.rename(first)
        aside.rename(second)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        (self.shelf.docs / data.draw(st.sampled_from(self.files))).unlink()

    @precondition(lambda self: self.files)
    @rule(data=st.data(), seconds=st.integers(-1000, 1000))
    def touch(self, data: st.DataObject, seconds: int) -> None:
        path = self.shelf.docs / data.draw(st.sampled_from(self.files))
        now = path.stat().st_mtime_ns + seconds * 10**9
        os.utime(path, ns=(now, now))

    @rule(after=st.integers(0, 4))
    def break_off(self, after: int) -> None:
        """Indexing stops when it has told of so much progress."""
        left = iter(range(after))

        def told(_: Progress) -> None:
            if next(left, None) is None:
                raise BrokenOff

        with suppress(BrokenOff):
            self.shelf.index(progress=told)

    @rule()
    def reopen(self) -> None:
        assert self.engine is not None
        self.engine.close()
        self.engine = Engine.open(self.shelf.settings)

    @rule(threads=st.integers(1, 3))
    def bring_up_to_date(self, threads: int = 1) -> None:
        assert self.engine is not None
        replace(self.shelf, settings=replace(self.shelf.settings, threads=threads)).index()
        anew = self.shelf.without_derived("anew")
        with anew.engine() as other:
            for question in QUESTIONS:
                found = self.engine.ask(question, limit=50)
                assert_exact(self.engine, found)
                assert all(citation.stale == "" for citation in found.citations)
                assert_same(found, other.ask(question, limit=50))
        shutil.rmtree(anew.settings.index)

    def compare(self) -> None:
        """With an index of the same folder that has no history."""
        assert self.engine is not None
        assert set(counts(self.shelf.index())) <= {"unchanged"}
        clean = self.shelf.clean("clean")
        with clean.engine() as other:
            for question in QUESTIONS:
                assert_same(self.engine.ask(question, limit=50), other.ask(question, limit=50))
        assert problems(self.shelf) == problems(clean)

    def teardown(self) -> None:
        try:
            if self.engine is not None:
                self.bring_up_to_date()
                self.compare()
        finally:
            if self.engine is not None:
                self.engine.close()
            shutil.rmtree(self.folder)


def problems(shelf: Shelf) -> tuple[Any, ...]:
    library = Library.open(shelf.settings.index)
    try:
        return library.problems()
    finally:
        library.close()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few small documents are in several pieces of a snapshot, and more of them than there may be."""
    monkeypatch.setattr(piece, "LEAST_SENTENCES", 6)
    monkeypatch.setattr(piece, "MOST_PIECES", 4)


def run_histories(small_model: str, model_cache: Path, examples: int, steps: int) -> None:
    class OfSmallModel(History):
        model = small_model
        cache = model_cache

    run_state_machine_as_test(
        OfSmallModel,
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_any_history_of_a_folder_gives_the_answers_of_a_clean_build(
    small_model: str, model_cache: Path, small_pieces: None
) -> None:
    run_histories(small_model, model_cache, examples=3, steps=8)


@pytest.mark.slow
def test_any_long_history_of_a_folder_gives_the_answers_of_a_clean_build(
    small_model: str, model_cache: Path, small_pieces: None
) -> None:
    run_histories(small_model, model_cache, examples=60, steps=20)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files in the order in which they are read."""
    names: list[str] = []
    load = formats.load

    def noted(path: Path, limits: formats.Limits) -> bytes:
        names.append(path.name)
        return load(path, limits)

    monkeypatch.setattr(formats, "load", noted)
    return names


def test_a_second_run_reads_and_encodes_nothing_and_makes_no_commit(
    shelf: Shelf, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "TICK_NS", 0)  # as if the files had been written long ago
    for subject in SUBJECTS[:3]:
        shelf.write(f"{subject}.md", story(subject))
    assert counts(shelf.index()) == {"added": 3, "encoded": 9}
    before = {path: path.stat().st_mtime_ns for path in shelf.settings.index.rglob("*") if path.name != "lock"}
    read.clear()
    assert counts(shelf.index()) == {"unchanged": 3}
    assert not read
    assert {path: path.stat().st_mtime_ns for path in shelf.settings.index.rglob("*") if path.name != "lock"} == before


def commit(shelf: Shelf) -> int:
    library = Library.open(shelf.settings.index)
    try:
        return library.commit
    finally:
        library.close()


def test_a_file_of_doubtful_time_is_read_again_which_is_no_commit(shelf: Shelf, read: list[str]) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    before = commit(shelf)
    for _ in range(2):
        read.clear()
        assert counts(shelf.index()) == {"unchanged": 1}
        assert read == ["a.md"]
    assert commit(shelf) == before


def test_only_the_changed_passages_of_an_edited_file_are_encoded(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour", paragraphs=6))
    shelf.write("b.md", story("bridge"))
    assert counts(shelf.index()) == {"added": 2, "encoded": 9}
    shelf.write("a.md", story("harbour", edition=2, paragraphs=6))
    assert counts(shelf.index()) == {"changed": 1, "unchanged": 1, "encoded": 1, "kept": 5}


def test_a_touched_file_is_not_read_into_the_index_again(shelf: Shelf) -> None:
    path = shelf.write("a.md", story("harbour"))
    shelf.index()
    os.utime(path, ns=(10**18, 10**18))
    assert counts(shelf.index()) == {"unchanged": 1}
    assert counts(shelf.index()) == {"unchanged": 1}
    answer = shelf.ask(QUESTIONS[0], filter=Filter(after_ns=10**18))
    assert {citation.source.modified_ns for citation in answer.citations} == {10**18}
    assert {citation.stale for citation in answer.citations} == {""}
    assert not shelf.ask(QUESTIONS[0], filter=Filter(after_ns=10**18 + 1)).citations


@pytest.mark.parametrize("title", [True, False])
@pytest.mark.parametrize("new", ["b.md", "deep/er/a.md", "a.markdown"])
def test_a_moved_file_is_encoded_no_more_than_before(shelf: Shelf, title: bool, new: str) -> None:
    path = shelf.write("a.md", story("harbour", title=title))
    shelf.index()
    (shelf.docs / new).parent.mkdir(parents=True, exist_ok=True)
    path.rename(shelf.docs / new)
    assert counts(shelf.index()) == {"added": 1, "removed": 1, "kept": 3}
    answer = shelf.ask(QUESTIONS[0])
    assert {citation.source.path for citation in answer.citations} == {new}
    assert title or {citation.source.title for citation in answer.citations} == {Path(new).stem}


def test_a_copy_of_a_file_is_not_encoded(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("harbour"))
    assert counts(shelf.index()) == {"added": 2, "encoded": 3, "kept": 3}
    shelf.write("c.md", story("harbour"))
    assert counts(shelf.index()) == {"added": 1, "unchanged": 2, "kept": 3}


def test_a_file_that_can_no_longer_be_read_is_no_longer_answered_from(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    shelf.index()
    shelf.write("a.md", b"\0\1\2\3" * 99)
    report = shelf.index()
    assert counts(report) == {"removed": 1, "unchanged": 1}
    assert [(problem.path, problem.kind) for problem in report.problems] == [("a.md", "unreadable")]
    assert {citation.source.path for citation in shelf.ask(QUESTIONS[0]).citations} == {"b.md"}
    shelf.write("a.md", story("harbour"))
    report = shelf.index()
    assert (counts(report), report.problems) == ({"added": 1, "unchanged": 1, "encoded": 3}, ())
    assert problems(shelf) == ()


def test_progress_goes_forward_and_ends_at_the_whole(shelf: Shelf) -> None:
    for subject in SUBJECTS:
        shelf.write(f"{subject}.md", story(subject))
    shelf.write("empty.md", "")
    seen: list[Progress] = []
    report = shelf.index(progress=seen.append)
    assert [p.done_bytes for p in seen] == sorted(p.done_bytes for p in seen)
    assert [p.passages for p in seen] == sorted(p.passages for p in seen)
    total = sum(path.stat().st_size for path in shelf.docs.iterdir())
    assert {p.total_bytes for p in seen} == {total}
    assert (seen[-1].done_bytes, seen[-1].passages) == (total, report.encoded)


def test_two_folders_with_the_same_names_below_are_kept_apart(shelf: Shelf, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "docs"
    shelf.write("a.md", story("harbour"))
    shelf.index()
    assert {c.source.path for c in shelf.ask(QUESTIONS[0]).citations} == {"a.md"}
    Shelf(other, shelf.settings).write("a.md", story("harbour", edition=7))
    assert counts(shelf.index(other)) == {"added": 1, "encoded": 1, "kept": 2}
    answer = shelf.ask(QUESTIONS[0])
    assert {c.source.path for c in answer.citations} == {"docs/a.md", "docs-2/a.md"}
    assert len({c.source.id for c in answer.citations}) == 2
    with shelf.engine() as engine:
        texts = {source.path: document.text for source, document in engine.documents()}
    assert texts == {"docs/a.md": story("harbour"), "docs-2/a.md": story("harbour", edition=7)}
    assert counts(indexing.index([], shelf.settings)) == {"unchanged": 2}
    (other / "a.md").unlink()
    assert counts(shelf.index()) == {"unchanged": 1}
    assert counts(indexing.index([], shelf.settings)) == {"unchanged": 1, "removed": 1}
    both = replace(shelf, settings=replace(shelf.settings, index=tmp_path / "both"))
    both.index(shelf.docs, other)
    assert_same(shelf.ask(QUESTIONS[1]), both.ask(QUESTIONS[1]))


def test_a_single_file_can_be_indexed_changed_and_lost(shelf: Shelf) -> None:
    path = shelf.write("notes.md", story("harbour"))
    shelf.write("other.md", story("bridge"))
    assert counts(shelf.index(path)) == {"added": 1, "encoded": 3}
    answer = shelf.ask(QUESTIONS[0])
    assert {(c.source.path, c.stale) for c in answer.citations} == {("notes.md", "")}
    with shelf.engine() as engine:
        assert engine.original(answer.citations[0].source.id) == path
    path.write_text(story("harbour", edition=2))
    assert {c.stale for c in shelf.ask(QUESTIONS[0]).citations} == {"changed"}
    assert counts(shelf.index(path)) == {"changed": 1, "encoded": 1, "kept": 2}
    assert {c.stale for c in shelf.ask(QUESTIONS[0]).citations} == {""}
    path.unlink()
    assert {c.stale for c in shelf.ask(QUESTIONS[0]).citations} == {"missing"}


def test_a_folder_named_like_a_file_in_it_is_a_folder(shelf: Shelf) -> None:
    inner = replace(shelf, docs=shelf.docs / "notes.md")
    path = inner.write("notes.md", story("harbour"))
    inner.index()
    with shelf.engine() as engine:
        assert engine.original(engine.ask(QUESTIONS[0]).citations[0].source.id) == path
    path.unlink()
    assert {c.stale for c in inner.ask(QUESTIONS[0]).citations} == {"missing"}


def test_a_folder_that_is_not_there_takes_no_document_out(shelf: Shelf, tmp_path: Path) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    shelf.docs.rename(tmp_path / "unmounted")
    with pytest.raises(UsageError, match="nothing to index") as caught:
        shelf.index()
    assert str(shelf.docs) in caught.value.what
    report = indexing.index([], shelf.settings)
    assert (counts(report), report.absent) == ({}, (shelf.docs,))
    answer = shelf.ask(QUESTIONS[0])
    assert {citation.stale for citation in answer.citations} == {"missing"}
    (tmp_path / "unmounted").rename(shelf.docs)
    assert counts(indexing.index([], shelf.settings)) == {"unchanged": 1}
    assert {citation.stale for citation in shelf.ask(QUESTIONS[0]).citations} == {""}


@pytest.mark.parametrize("place", ["absent", "a\0b", "loop", "pipe", "index", "index/derived", os.fsdecode(b"\xff")])
def test_what_cannot_be_indexed_is_refused_by_name_and_makes_no_index(shelf: Shelf, tmp_path: Path, place: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    (tmp_path / "index" / "derived").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        shelf.index(tmp_path / place)
    assert caught.value.remedy
    str(caught.value).encode("utf-8")
    assert not shelf.library_file.exists()


def test_with_nothing_named_and_no_index_the_command_that_makes_one_is_told(shelf: Shelf) -> None:
    with pytest.raises(IndexMissing, match="qa index FOLDER"):
        indexing.index([], shelf.settings)
    assert not shelf.settings.index.exists()


def test_an_index_inside_the_folder_that_is_indexed_is_not_part_of_it(shelf: Shelf) -> None:
    within = replace(shelf, settings=replace(shelf.settings, index=shelf.docs / "deep" / "index"))
    within.write("a.md", story("harbour"))
    assert counts(within.index()) == {"added": 1, "encoded": 3}
    report = within.index()
    assert (counts(report), report.problems) == ({"unchanged": 1}, ())


HOLDER = """
import sys
from pathlib import Path
from qa import formats, indexing, stamps
from qa.settings import Settings
index, model, cache, docs = sys.argv[1:]
def wait(progress):
    print("holding", flush=True)
    sys.stdin.read()
indexing.index([Path(docs)], Settings(Path(index), model, Path(cache)), progress=wait)
"""


def started(shelf: Shelf, script: str) -> subprocess.Popen[str]:
    settings = shelf.settings
    command = [sys.executable, "-c", script, str(settings.index), settings.model, str(settings.cache), str(shelf.docs)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_writer_is_told_who_holds_the_index_until_that_one_ends_or_is_killed(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour"))
    with started(shelf, HOLDER) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "holding\n"
            for _ in range(2):
                with pytest.raises(IndexBusy, match=f"process {holder.pid} \\(qa index\\), since ") as caught:
                    shelf.index()
                assert caught.value.remedy
        finally:
            holder.kill()
    assert counts(shelf.index()) == {"added": 1, "encoded": 3}


def test_what_is_being_indexed_can_be_asked_meanwhile(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    expected = shelf.ask(QUESTIONS[0])
    shelf.write("a.md", story("harbour", edition=5))
    with started(shelf, HOLDER) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "holding\n"
            found = shelf.ask(QUESTIONS[0])
            assert quotes(found) == quotes(expected)
            assert {citation.stale for citation in found.citations} == {"changed"}
        finally:
            holder.kill()


INDEXER = """
import sys
from pathlib import Path
from qa import formats, indexing, run, stamps
from qa.settings import Settings
index, model, cache, docs = sys.argv[1:]
run.BATCH_PASSAGES = 16
told = lambda progress: print("on", flush=True)
indexing.index([Path(docs)], Settings(Path(index), model, Path(cache)), progress=told)
print("done", flush=True)
"""


def killed_while_indexing(shelf: Shelf, chance: random.Random, steps: int) -> bool:
    """Whether the process was still at it when it was killed, after a random number of steps and a moment more."""
    with started(shelf, INDEXER) as process:
        assert process.stdout is not None
        for _ in range(chance.randrange(steps)):
            if process.stdout.readline() != "on\n":
                break
        try:
            process.wait(chance.choice([0, 0.001, 0.003, 0.01, 0.03, 0.1]))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def crash(shelf: Shelf, times: int, seed: int) -> None:
    """Kill indexing again and again, over a folder that changes; after each time the index is old or new, or none."""
    chance = random.Random(seed)
    names = [f"{subject}-{number}.md" for subject in SUBJECTS for number in range(4)]
    texts: dict[str, set[str]] = {name: set() for name in names}
    held: set[str] = set()
    killed = 0
    for edition in range(times):
        for name in chance.sample(names, 20) if edition else names:
            texts[name].add(story(name.split("-")[0] + name[-4], edition))
            shelf.write(name, story(name.split("-")[0] + name[-4], edition))
        killed += killed_while_indexing(shelf, chance, steps=3 * len(names))
        try:
            with shelf.engine() as engine:
                for question in QUESTIONS:
                    assert_exact(engine, engine.ask(question, limit=50))
                found = {source.path: document.text for source, document in engine.documents()}
            assert all(text in texts[name] for name, text in found.items())
            assert held <= set(found)
            held = set(found)
        except IndexMissing:
            assert not shelf.library_file.exists()
        if not held:  # what follows is to find an index that has something to lose
            shelf.index()
    assert killed > times / 4
    assert held
    report = shelf.index()
    assert report.added + report.changed + report.unchanged == len(names)
    assert report.problems == ()
    clean = shelf.clean("clean")
    for question in QUESTIONS:
        assert_same(shelf.ask(question), clean.ask(question))
    assert counts(shelf.index()) == {"unchanged": len(names)}
    assert len(shelf.derived) == 1
    names = {path.name for path in shelf.settings.index.iterdir()}
    assert names <= {"derived", "library.imprint", "library.sqlite", "lock"}


@pytest.mark.slow
def test_indexing_killed_at_any_moment_leaves_the_old_state_or_a_new_one_and_can_go_on(shelf: Shelf) -> None:
    crash(shelf, times=2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_indexing_killed_at_many_moments_leaves_the_old_state_or_a_new_one_and_can_go_on(
    shelf: Shelf, seed: int
) -> None:
    crash(shelf, times=15, seed=seed)


def test_an_interrupted_run_keeps_what_was_finished(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_PASSAGES", 3)
    for subject in SUBJECTS:
        shelf.write(f"{subject}.md", story(subject))

    def interrupt(progress: Progress) -> None:
        if progress.passages >= 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelf.index(progress=interrupt)
    report = shelf.index()
    assert report.unchanged >= 2
    assert report.added == len(SUBJECTS) - report.unchanged
    assert report.encoded == 3 * report.added


def of_another_model(connection: Any) -> None:
    connection.execute("UPDATE meta SET value = 'feedfeedfeedfeed' WHERE name = 'maker.fingerprint'")


def of_a_model_elsewhere(connection: Any) -> None:
    connection.execute("UPDATE meta SET value = '/where/it/was/once' WHERE name = 'maker.model'")


def of_another_splitter(connection: Any) -> None:
    connection.execute("UPDATE meta SET value = 'scissors-1' WHERE name = 'maker.splitter'")


def of_another_way(connection: Any) -> None:
    connection.execute("UPDATE meta SET value = 'sentences' WHERE name = 'maker.way'")


def of_another_format(connection: Any) -> None:
    connection.execute("UPDATE meta SET value = '999' WHERE name = 'format'")


def rewritten(shelf: Shelf, change: Callable[[Any], None]) -> None:
    import sqlite3

    connection = sqlite3.connect(shelf.library_file)
    with connection:
        change(connection)
        rows = dict(connection.execute("SELECT name, value FROM meta WHERE name != 'seal'"))
        connection.execute("UPDATE meta SET value = ? WHERE name = 'seal'", (seal_of(rows),))
    connection.close()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (of_another_model, "feedfeedfeedfeed"),
        (of_another_splitter, "scissors-1"),
        (of_another_way, "sentences"),
        (of_another_format, "999"),
    ],
)
def test_an_index_of_another_making_is_refused_naming_both_and_left_alone(
    shelf: Shelf, change: Callable[[Any], None], named: str
) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    rewritten(shelf, change)
    before = shelf.library_file.read_bytes()
    with pytest.raises(IndexUnusable, match=named) as caught:
        shelf.index()
    assert f"qa index FOLDER --index {shelf.settings.index}" in caught.value.remedy
    assert shelf.library_file.read_bytes() == before


def test_a_model_is_told_by_what_it_is_and_not_by_where_it_lies(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    rewritten(shelf, of_a_model_elsewhere)
    shelf.write("b.md", story("harbour"))
    assert counts(shelf.index()) == {"added": 1, "unchanged": 1, "kept": 3}
    assert shelf.ask(QUESTIONS[0]).citations


def emptied(data: bytes) -> bytes:
    return b""


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2 // 4096 * 4096]


def replaced(data: bytes) -> bytes:
    return b"Dear diary, " * 1000


@pytest.mark.parametrize("change", [emptied, halved, replaced], ids=lambda f: f.__name__)
def test_a_damaged_library_is_not_indexed_into_and_not_overwritten(
    shelf: Shelf, change: Callable[[bytes], bytes]
) -> None:
    for subject in SUBJECTS:
        shelf.write(f"{subject}.md", story(subject))
    shelf.index()
    shelf.library_file.write_bytes(change(shelf.library_file.read_bytes()))
    shutil.rmtree(shelf.settings.index / "derived")
    before = shelf.library_file.read_bytes()
    shelf.write("new.md", story("harbour", edition=2))
    with pytest.raises(IndexUnusable, match="damaged") as caught:
        shelf.index()
    assert "delete the folder" in caught.value.remedy
    assert shelf.library_file.read_bytes() == before


def test_an_index_that_cannot_be_written_is_a_usage_error(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shelf.write("a.md", story("harbour"))
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/qa")):
        with pytest.raises(UsageError, match="No index can be made") as caught:
            replace(shelf, settings=replace(shelf.settings, index=place)).index()
        assert caught.value.remedy


ATTEMPT = """
import sys
from pathlib import Path
from qa import formats, indexing, stamps
from qa.errors import QAError
from qa.settings import Settings
index, model, cache, docs = sys.argv[1:]
try:
    print(indexing.index([Path(docs)] if docs else [], Settings(Path(index), model, Path(cache))))
except QAError as error:
    print(type(error).__name__, error)
"""


def attempted(shelf: Shelf, *, all_of_it: bool = False) -> str:
    """What a process that is bound by file modes says when it indexes the shelf, or all that is in the index."""
    settings, docs = shelf.settings, "" if all_of_it else str(shelf.docs)
    command = [sys.executable, "-c", ATTEMPT, str(settings.index), settings.model, str(settings.cache), docs]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_privileges, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def locked(shelf: Shelf) -> Iterator[Shelf]:
    """A shelf whose modes are put right again."""
    yield shelf
    for path in (shelf.settings.index, shelf.docs, *shelf.docs.iterdir(), *shelf.settings.index.iterdir()):
        path.chmod(0o700)


def test_an_index_on_read_only_ground_is_not_indexed_into(locked: Shelf) -> None:
    locked.write("a.md", story("harbour"))
    locked.index()
    locked.write("b.md", story("bridge"))
    locked.library_file.chmod(0o400)
    locked.settings.index.chmod(0o500)
    (locked.settings.index / "lock").chmod(0o400)
    assert attempted(locked).startswith("UsageError No index can be made")
    (locked.settings.index / "lock").chmod(0o600)
    assert attempted(locked).startswith("UsageError")


def test_a_folder_that_may_not_be_read_takes_no_document_out(locked: Shelf) -> None:
    locked.write("a.md", story("harbour"))
    locked.index()
    locked.docs.chmod(0o000)
    assert attempted(locked).startswith("UsageError")
    assert attempted(locked, all_of_it=True).startswith("IndexReport(added=0, changed=0, removed=0")
    locked.docs.chmod(0o700)
    assert {citation.stale for citation in locked.ask(QUESTIONS[0]).citations} == {""}
