"""Laws of crashes and failing disks: whatever ends a writer, or fails it, at whatever call to the system, the index is
in the old state or the new one, and the next run goes on from there and leaves nothing behind.

QA_CRASH_SHARE=1 pytest -m slow tests/test_crash.py ends each operation at every call that changes a file, instead of at
a share of them.
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import interference
import likeness
import pytest
from shelf import MEMORY, QUESTIONS, assert_same, story
from test_living import of_the_index
from test_repair import spoil
from writer import BATCH_PASSAGES
from writer import QUESTIONS as FOREIGN

from qa import foreign, health, imprint, lock, repair, serving, snapshot
from qa.database import FILE
from qa.encoder import Encoder
from qa.engine import Engine
from qa.errors import QAError
from qa.models import DEFAULT
from qa.records import Answer
from qa.settings import Settings

LACKING = interference.lacking()
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

WRITER = Path(__file__).with_name("writer.py")

OLD_INDEX = Path(__file__).with_name("old_indexes") / "format-1.zip"

ASKED = (*QUESTIONS[:2], "Which page of the chronicle is about the orchard?")

STORIES = {name: story(name) for name in ("harbour", "lighthouse", "bridge", "museum")}
"""What the documents are before anything happens to them."""

CAUSES = {errno.ENOSPC: "full", errno.EIO: "fail"}
"""What a message says of what went wrong."""

State = tuple[Answer, ...] | str
"""What an index answers, or the remedy for which it is refused."""


class Writer:
    """Runs commands of `qa` in processes that can be interfered with; see `writer`."""

    def __init__(self, cache: Path, *models: str) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, str(WRITER), str(cache), *models],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads, "TOKENIZERS_PARALLELISM": "false", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert self._receive() == "ready\n"

    def _receive(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def run(self, *command: str, **fate: Any) -> Done:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, "fate": fate or None}) + "\n")
        self._process.stdin.flush()
        return Done(**json.loads(self._receive()))

    def close(self) -> None:
        self._process.communicate()


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: its exit code, what it said, its calls that were counted, by name and file, and how many
    passages it encoded."""

    code: int
    said: str
    calls: list[list[str]]
    encoded: int


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with documents and their index."""

    folder: Path
    model: str
    cache: Path
    writer: Writer

    @property
    def docs(self) -> Path:
        return self.folder / "docs"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    def write(self, **texts: str) -> None:
        self.docs.mkdir(exist_ok=True)
        for name, text in texts.items():
            (self.docs / f"{name}.md").write_text(text, "utf-8")

    def run(self, *command: str, index: str = "index", **fate: Any) -> Done:
        model = () if command[0] in ("migrate", "verify") or "--model" in command else ("--model", self.model)
        if fate:
            fate["below"] = str(self.index)
        return self.writer.run(*command, *model, "--index", str(self.folder / index), **fate)

    def does(self, *command: str, index: str = "index") -> None:
        done = self.run(*command, index=index)
        assert done.code == 0, done.said

    def built(self, *folders: Path) -> State:
        """What an index answers that is made of the documents as they are, from nothing."""
        self.does("index", *map(str, folders or (self.docs,)), index="clean")
        found = self.state("clean")
        shutil.rmtree(self.folder / "clean")
        return found

    def open(self, index: str = "index") -> Engine:
        """Raises as `Engine.open`."""
        return Engine.open(Settings(self.folder / index, model=self.model, cache=self.cache, reader=""))

    def state(self, index: str = "index") -> State:
        try:
            opened = self.open(index)
        except QAError as error:
            return str(error)
        try:
            return asked(opened)
        finally:
            opened.close()


def asked(opened: Engine, questions: Sequence[str] = ASKED) -> State:
    """What an engine answers, without what depends on the files as they are now."""
    try:
        return tuple(of_the_index(opened.ask(question, limit=50)) for question in questions)
    except QAError as error:
        return str(error)


def same(one: State, other: State) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and other in one
    with suppress(AssertionError):
        for found, expected in zip(one, other, strict=True):
            assert_same(found, expected)
        return True
    return False


@dataclass(frozen=True, slots=True)
class Operation:
    """A command that changes an index, or makes it. `prepare` makes what is there before, and tells the states in which
    the command may leave it, the new one last; the commands of `again` bring the index to that from any of these, and
    index a document more, so that there is a commit in any case. `keeps`: how the names of files begin that are left on
    purpose."""

    name: str
    prepare: Callable[[Home], list[State]]
    command: tuple[str, ...]
    again: tuple[tuple[str, ...], ...] = (("index", "{docs}"),)
    keeps: str = ""

    def __str__(self) -> str:
        return self.name


def _nothing(home: Home) -> list[State]:
    home.docs.mkdir()
    empty = home.built()
    home.write(**STORIES)
    return ["There is no index in", empty, home.built()]


def _filled(home: Home) -> State:
    """By a history of three runs."""
    home.write(**STORIES)
    (home.docs / "museum.md").unlink()
    home.does("index", str(home.docs))
    home.write(museum="The museum is closed.\n")
    home.does("index")
    home.write(museum=STORIES["museum"])
    home.does("index")
    found = home.state()
    assert same(found, home.built())
    return found


def _added(home: Home) -> list[State]:
    old = _filled(home)
    home.write(orchard=story("orchard"))
    return [old, home.built()]


def _changed(home: Home) -> list[State]:
    old = _filled(home)
    home.write(harbour=story("harbour", 2))
    return [old, home.built()]


def _deleted(home: Home) -> list[State]:
    old = _filled(home)
    (home.docs / "bridge.md").unlink()
    return [old, home.built()]


def _dropped(home: Home) -> list[State]:
    _filled(home)
    alone = home.state()
    more = home.folder / "more"
    more.mkdir()
    (more / "orchard.md").write_text(story("orchard"), "utf-8")
    home.does("index", str(more))
    both = home.state()
    assert same(both, home.built(home.docs, more))
    return [both, alone]


def _damaged(home: Home) -> list[State]:
    whole = _filled(home)
    (home.docs / "bridge.md").rename(home.folder / "bridge.md")
    saved = home.built()
    (home.folder / "bridge.md").rename(home.docs / "bridge.md")
    spoil(home.index / FILE, b"the bridge is praised by traveller")
    return ["qa repair", saved, whole]


def _older(home: Home) -> list[State]:
    home.docs.mkdir()
    with zipfile.ZipFile(OLD_INDEX) as archive:
        archive.extractall(home.folder / "old")
    shutil.copytree(home.folder / "old" / "index", home.folder / "clean")
    home.does("migrate", index="clean")
    new = home.state("clean")
    shutil.rmtree(home.folder / "clean")
    (home.folder / "old" / "index").rename(home.index)
    return ["qa migrate", new]


def _other(home: Home) -> list[State]:
    old = _filled(home)
    return [old, "Start this program again.", replace(home, model=DEFAULT).built()]


def _changing(name: str, prepare: Callable[[Home], list[State]], *command: str, keeps: str = "") -> Operation:
    """One that is said again after it was interrupted."""
    model = ("--model", DEFAULT) if DEFAULT in command else ()
    return Operation(name, prepare, command, (command, ("index", *model)), keeps)


OPERATIONS = (
    Operation("first indexing", _nothing, ("index", "{docs}")),
    Operation("adding", _added, ("index",)),
    Operation("changing", _changed, ("index",)),
    Operation("deleting", _deleted, ("index",)),
    _changing("dropping a folder", _dropped, "drop", "{more}"),
    _changing("forgetting", _deleted, "forget", "bridge.md"),
    Operation("repairing", _damaged, ("repair",), (("repair",),), keeps=repair.ASIDE),
    # What is of an older splitter is not indexed any more.
    Operation("migrating", _older, ("migrate",), (("migrate",), ("forget", "letters/keeper.txt", "--model", DEFAULT))),
    _changing("changing the model", _other, "index", "--reencode", "--model", DEFAULT),
)


class Trial:
    """An operation that is made ready once and tried as often as is wanted."""

    def __init__(self, operation: Operation, home: Home) -> None:
        self.operation = operation
        self.home = home
        self.states = operation.prepare(home)
        self.looked_at: dict[str, list[bool]] = {}
        self._before = home.folder / "before"
        if home.index.exists():
            home.index.rename(self._before)
        self.restore()
        done = self.run(every=False)
        assert done.code == 0, done.said
        assert same(home.state(), self.states[-1])
        self.calls = done.calls
        self.acknowledged = done.said.strip().splitlines()[-1][:24]
        self._again()
        self.last = home.state()
        self.restore()

    def run(self, **fate: Any) -> Done:
        return self.home.run(*self._filled_in(self.operation.command), **fate)

    def restore(self) -> None:
        shutil.rmtree(self.home.index, ignore_errors=True)
        if self._before.exists():
            shutil.copytree(self._before, self.home.index)
        (self.home.docs / "later.md").unlink(missing_ok=True)

    def _filled_in(self, command: tuple[str, ...]) -> list[str]:
        return [part.format(docs=self.home.docs, more=self.home.folder / "more") for part in command]

    def _again(self) -> None:
        self.home.write(later="The last boat is the latest.\n")
        for command in self.operation.again:
            done = self.home.run(*self._filled_in(command))
            # What is dropped already is not in the index.
            assert done.code == 0 or (command[0] == "drop" and same(self.home.state(), self.states[-1])), done.said

    def check(self, done: Done, named: object) -> None:
        """The index is in one of its states, in the new one if that was said, and the next run leaves nothing.

        What answers an index gives, and what the next run makes of it, is looked at once of all that are alike.
        """
        mark = likeness.mark(self.home.index) if self.home.index.exists() else ""
        known = self.looked_at.get(mark)
        found = self.home.state() if known is None else ""
        state = [same(found, each) for each in self.states] if known is None else known
        assert any(state), ("mixed", named, done.said, found if isinstance(found, str) else "")
        # At the beginning of a line: an error names the index in the same words.
        if done.code == 0 or any(line.startswith(self.acknowledged) for line in done.said.splitlines()):
            assert state[-1], ("lost", named, done.said)
        if not all(isinstance(each, str) for is_it, each in zip(state, self.states, strict=True) if is_it):
            assert health.verify(self.home.index).damages == (), ("damaged", named)
        if known is not None:
            return
        self._again()
        assert same(self.home.state(), self.last), ("lost by the next run", named)
        whole = health.verify(self.home.index)
        assert (whole.damages, whole.notes) == ((), ()), ("damaged by the next run", named)
        assert not self._strays(), ("left over", named, self._strays())
        self.looked_at[mark] = state

    def _strays(self) -> list[str]:
        """Files that have no part in the index, or lie about elsewhere."""
        index = self.home.index
        held = {FILE, f"{FILE}-wal", f"{FILE}-shm", imprint.FILE, lock.FILE}
        for folder in (index / snapshot.FOLDER).iterdir():
            files = json.loads((folder / snapshot.MANIFEST).read_bytes())["files"]
            held |= {f"{snapshot.FOLDER}/{folder.name}/{name}" for name in (*files, snapshot.MANIFEST)}
        found = {path.relative_to(index).as_posix() for path in index.rglob("*") if path.is_file()}
        strays = {name for name in found - held if not name.endswith(".lock")}
        keeps = self.operation.keeps
        return sorted(name for name in strays if not keeps or not name.startswith(keeps))


@pytest.fixture(scope="module")
def writer(model_cache: Path, small_model: str) -> Iterator[Writer]:
    held = Writer(model_cache, small_model, DEFAULT)
    yield held
    held.close()


@pytest.fixture
def home(
    tmp_path: Path,
    writer: Writer,
    small_model: str,
    model_cache: Path,
    small_encoder: Encoder,
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Home]:
    encoders = {each.model.fingerprint: each for each in (small_encoder, encoder)}
    monkeypatch.setattr(serving, "prepared", lambda maker, *given: encoders[maker.fingerprint])
    monkeypatch.setattr(foreign, "QUESTIONS", FOREIGN)
    with tempfile.TemporaryDirectory(prefix="qa-crash-", dir=MEMORY or tmp_path) as folder:
        yield Home(Path(folder), small_model, model_cache, writer)


def sample(count: int, share: float, seed: int) -> list[int]:
    chance = random.Random(seed)
    return [number for number in range(1, count + 1) if chance.random() < share]


def end(trial: Trial, point: int, *, every: bool = False) -> Done:
    """End the command at a call."""
    trial.restore()
    done = trial.run(at=point, every=every)
    trial.check(done, (trial.operation.name, point, done.calls[-1:]))
    return done


def killed(trial: Trial, points: list[int], *, every: bool = False) -> int:
    """End the command at each of these calls; at how many it was ended."""
    return sum(end(trial, point, every=every).code == -9 for point in points)


SHARE = float(os.environ.get("QA_CRASH_SHARE", "0.02"))
"""Of the calls that change files, those at which each operation is ended; of those that are failed, in four ways, a
quarter."""


def test_ended_or_failed_anywhere_a_change_is_made_wholly_or_not_at_all(home: Home) -> None:
    """A few of the calls that the slow tests try."""
    trial = Trial(next(each for each in OPERATIONS if each.name == "changing"), home)
    count = len(trial.calls)
    assert killed(trial, [count // 16, count // 2, count - 12]) == 3
    assert failed(trial, [count // 3], lasting=False) + failed(trial, [count // 8], lasting=True) >= 2
    assert len(trial.looked_at) > 2  # what differs is not taken for alike


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_ended_at_any_call_that_changes_a_file_a_writer_leaves_the_old_state_or_the_new(
    operation: Operation, home: Home
) -> None:
    trial = Trial(operation, home)
    points = sample(len(trial.calls), SHARE, 1)
    ended = killed(trial, points)
    print(f"\n{operation}: {len(trial.calls)} calls, {len(points)} tried, {ended} ended")
    assert ended > 0.9 * len(points)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_ended_at_any_other_call_too(operation: Operation, home: Home) -> None:
    """Those that only read among them, between which memory that is shared with others may change."""
    trial = Trial(operation, home)
    count = len(trial.run(every=True).calls)
    points = sample(count, SHARE / 50, 3)
    print(f"\n{operation}: {count} calls of any kind, {len(points)} tried, {killed(trial, points, every=True)} ended")


def fail(trial: Trial, point: int, number: int, *, lasting: bool) -> Done:
    """Let a call fail with an `errno`, and later ones too where it is `lasting`. Whoever has the index open asks on."""
    trial.restore()
    with ExitStack() as held:
        reader = None
        with suppress(QAError):  # where it cannot be asked before
            reader = trial.home.open()
            held.callback(reader.close)
        done = trial.run(at=point, errno=number, lasting=lasting)
        named = (trial.operation.name, errno.errorcode[number], point, lasting, *done.calls[point - 1 : point])
        if done.code:
            assert done.code == 2, ("crashed", named, done.code, done.said)
            assert re.search(CAUSES[number], done.said), ("not named", named, done.said)
            assert "fault in this program" not in done.said, ("not named", named, done.said)
        if reader is not None:
            found = asked(reader, ASKED[:1])
            states = [state if isinstance(state, str) else state[:1] for state in trial.states]
            assert any(same(found, state) for state in states), ("not answered", named, found)
    trial.check(done, named)
    return done


def failed(trial: Trial, points: list[int], *, lasting: bool) -> int:
    """Let each of these calls fail by a full disk and by a broken one; how many commands failed for it."""
    ways = [(point, number) for point in points for number in CAUSES]
    return sum(fail(trial, point, number, lasting=lasting).code != 0 for point, number in ways)


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_writer_whose_disk_is_full_or_fails_loses_nothing_and_says_why_and_questions_go_on(
    operation: Operation, lasting: bool, home: Home
) -> None:
    trial = Trial(operation, home)
    points = sample(len(trial.calls), SHARE / 4, 2)
    count = failed(trial, points, lasting=lasting)
    print(f"\n{operation}: {len(trial.calls)} calls, {2 * len(points)} errors, {count} commands failed")


@pytest.mark.slow
def test_asked_of_a_disk_that_fails_to_read_it_answers_rightly_or_says_so(home: Home) -> None:
    """A file that SQLite fails to read once, and then not, it calls malformed as if it were damaged."""
    _filled(home)
    mark = likeness.mark(home.index)
    question = ("ask", QUESTIONS[0], "--no-reader")

    def cited(done: Done) -> list[str]:
        return [line for line in done.said.splitlines() if ".md:" in line]

    whole = home.run(*question, reads=True)
    assert whole.code == 0
    assert cited(whole)
    answered = 0
    for point in sample(len(whole.calls), max(SHARE, 0.05), 4):
        for lasting in (False, True):
            done = home.run(*question, reads=True, at=point, errno=errno.EIO, lasting=lasting)
            named = (lasting, *done.calls[point - 1 : point], done.said)
            if done.code == 0:
                assert cited(done) == cited(whole), named
                answered += 1
            else:
                assert done.code == 2, named
                said = "fail|Input/output error" if lasting else f"fail|Input/output error|{FILE} cannot be read"
                assert re.search(said, done.said), named
                assert "fault in this program" not in done.said, named
                assert not cited(done), named
    assert answered
    assert likeness.mark(home.index) == mark


PER_DOCUMENT = 3
"""Passages of a story."""


def resumed(home: Home, command: tuple[str, ...], ends: int) -> None:
    """Whatever a command encodes before it is ended, and again after: of what it had encoded one batch is lost at
    most, which may be as much larger than it is to be as a document is."""
    before = home.folder / "before"
    if home.index.exists():
        home.index.rename(before)

    def restore() -> None:
        shutil.rmtree(home.index, ignore_errors=True)
        if before.exists():
            shutil.copytree(before, home.index)

    restore()
    whole = home.run(*command, every=False)
    assert whole.code == 0, whole.said
    assert whole.encoded > 3 * BATCH_PASSAGES
    expected, repeated = home.state(), []
    for point in (len(whole.calls) * end // ends for end in range(1, ends)):
        restore()
        first = home.run(*command, at=point)
        assert first.code == -9
        second = home.run(*command)
        assert second.code == 0, second.said
        assert same(home.state(), expected)
        repeated.append(first.encoded + second.encoded - whole.encoded)
    assert 0 <= min(repeated) <= max(repeated) < BATCH_PASSAGES + PER_DOCUMENT, repeated


@pytest.mark.slow
def test_indexing_that_is_ended_goes_on_and_repeats_one_batch_at_most(home: Home) -> None:
    home.write(**{f"house-{number}": story(f"house {number}") for number in range(24)})
    resumed(home, ("index", str(home.docs)), ends=9)


@pytest.mark.slow
def test_a_change_of_models_that_is_ended_goes_on_and_repeats_one_batch_at_most(home: Home) -> None:
    home.write(**{f"house-{number}": story(f"house {number}") for number in range(24)})
    home.does("index", str(home.docs))
    resumed(home, ("index", "--reencode", "--model", DEFAULT), ends=9)


SMALL_DISK = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=6m tmpfs "$0" && exec "$@"')
"""Runs a command with a disk of 6 MB that it alone sees."""


@pytest.mark.slow
def test_on_a_disk_without_a_free_byte_questions_are_answered_deleting_works_and_forgetting_changes_nothing(
    tmp_path: Path, small_model: str, model_cache: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("unshare") or subprocess.run([*SMALL_DISK, disk, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system in a namespace of its own")
    command = [sys.executable, str(WRITER.with_name("full_disk.py")), str(disk), small_model, str(model_cache)]
    run = subprocess.run([*SMALL_DISK, str(disk), *command], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    for doing, before, after in (("deleting", 80, 50), ("dropping", 50, 10)):
        assert told[f"free before {doing}"] == 0
        assert told[f"asked before {doing}"] == before
        assert "to forget, the library" in told[f"forgetting before {doing}"]
        assert not told[f"changed by forgetting before {doing}"]
        assert told[f"asked after forgetting before {doing}"] == before
        assert "The disk is full" in told[f"adding before {doing}"]
        assert "Make room" in told[f"adding before {doing}"]
        # What was read may be committed, where there is just no room to make the search index of it.
        assert told[f"asked after adding before {doing}"] in (before, before + 1)
        assert told[f"asked after {doing}"] == after
        assert told[f"verified after {doing}"] == []
