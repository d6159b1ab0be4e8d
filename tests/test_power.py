"""Laws of a loss of power: whatever a disk leaves of what was not synced, at whatever moment, the index is in the old
state or the new one, in the new one once that was said, and the next run goes on from there and leaves nothing behind.

QA_POWER_STATES=200 pytest -m slow tests/test_power.py tries so many states of every operation.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import power
import pytest
import test_crash
from journal import Event, recorded
from test_crash import OPERATIONS, STORIES, Done, Home, Operation, State, Trial, same
from test_library import MAKER, put, read, root_of

from qa import exchange, health, imprint
from qa.database import FILE
from qa.errors import IndexMissing, QAError
from qa.library import Library

pytestmark = test_crash.pytestmark

writer, home = test_crash.writer, test_crash.home

STATES = int(os.environ.get("QA_POWER_STATES", "0"))
"""Of each operation. Without it eight, of those that differ most."""

IN_LOG = "forgetting what is in the log"


def _logged(home: Home) -> list[State]:
    """What is to be forgotten stands in SQLite's log too, as a reader needed it to be kept."""
    home.write(**{name: text for name, text in STORIES.items() if name != "bridge"})
    home.does("index", str(home.docs))
    with closing(sqlite3.connect(home.index / FILE, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM meta").fetchall()
        home.write(bridge=STORIES["bridge"])
        home.does("index")
        shutil.copytree(home.index, home.folder / "kept")
    shutil.rmtree(home.index)
    (home.folder / "kept").rename(home.index)
    assert b"the bridge" in (home.index / f"{FILE}-wal").read_bytes()
    old = home.state()
    (home.docs / "bridge.md").unlink()
    return [old, home.built()]


EVERY = (
    *OPERATIONS,
    replace(next(each for each in OPERATIONS if each.name == "forgetting"), name=IN_LOG, prepare=_logged),
)

MOST_DIFFERENT = ("first indexing", "changing", "repairing", IN_LOG)


class Outage:
    """An operation that is recorded once, whose power is cut as often as is wanted."""

    def __init__(self, operation: Operation, home: Home) -> None:
        self.trial = Trial(operation, home)
        before = home.folder / "before"
        self._before = before if before.exists() else None
        data = home.folder / "journal"
        assert self.trial.run(journal=str(data)).code == 0
        self.events: list[Event] = json.loads(data.with_name("journal.json").read_bytes())
        self._data = data.read_bytes()
        disk = power.Disk(home.index, self._before)
        for number, event in enumerate(self.events):
            disk.do(number, event, self._data)
        assert disk.left(None, whole=True) == power.lying(home.index), "what was recorded is what was done"
        self._looked: set[tuple[str, bool]] = set()

    def check(self, states: int, seed: int, unsynced: Callable[[str], bool] = lambda path: False) -> Counter[str]:
        """How many states were looked at, from the last sync on that is left out, and how many of them differ."""
        counts = Counter[str]()
        disk = power.Disk(self.trial.home.index, self._before, unsynced)
        left_out = [at for at, event in enumerate(self.events) if event[0] == "sync" and unsynced(event[1])]
        first = max(left_out, default=0)
        for cut in power.cuts(disk, self.events, self._data, states, seed, first):
            counts["states"] += 1
            is_said = self.trial.acknowledged in cut.said
            mark = hashlib.sha256(repr(sorted(cut.found.items())).encode()).hexdigest(), is_said
            if mark not in self._looked:
                counts["different"] += 1
                self._look(cut)
                self._looked.add(mark)
        return counts

    def _look(self, cut: power.Cut) -> None:
        trial = self.trial
        trial.restore()
        power.lay(cut.found, trial.home.index)
        is_over = cut.number == len(self.events)
        named = trial.operation.name, cut.number, self.events[cut.number : cut.number + 1]
        if trial.acknowledged in cut.said and "forgetting" in trial.operation.name:
            kept = [path for path, data in cut.found.items() if b"the bridge" in (data or b"").lower()]
            assert not kept, ("not forgotten", named, kept)
        trial.check(Done(0 if is_over else -9, cut.said, [], 0), named)


def commits(index: Path) -> None:
    """Documents are put into a library, changed and taken out, and what is in it is said after each commit."""
    library = Library.create(index, MAKER)

    def say() -> None:
        os.write(1, f"{contents(library)}\n".encode())

    say()
    root = root_of(library)
    for edition in range(4):
        put(library, read(root, "a.md", mark=f"{edition}"), read(root, f"{edition}.md"))
        say()
        if edition == 2:
            imprint.renew(library)
            with library.writing():
                library.remove(library.sources()[0].id)
            say()
    imprint.renew(library)
    library.close()


def contents(library: Library) -> str:
    return str(sorted(source.sha256 + source.path for source in library.sources()))


def holds_what_was_said(
    index: Path, events: Sequence[Event], data: bytes, unsynced: Callable[[str], bool] = lambda path: False
) -> None:
    """As a library of `commits` does after any loss of power; also what it was about to say may be there."""
    said = [event[1].strip() for event in events if event[0] == "say"]
    for cut in power.cuts(power.Disk(index, None, unsynced), events, data, 120, 1):
        power.lay(cut.found, index)
        at = cut.said.count("\n")
        try:
            library = Library.open(index)
            found = contents(library)
            library.close()
        except IndexMissing:
            assert not at, cut.number
            continue
        assert found in said[max(0, at - 1) : at + 1], (cut.number, events[cut.number : cut.number + 1])
        assert health.verify(index).damages == (), cut.number


NOTICED = (AssertionError, QAError, ValueError)
"""What a law raises that does not hold: of what is torn, also what cannot be read of it."""

SYNCS = (
    "{index}/..",
    "{index}",
    "{index}/.new-library.sqlite",
    "{index}/library.sqlite",
    "{index}/library.sqlite-wal",
    "{index}/.new-library.imprint",
)
"""What a library cannot be without, if it is not to lose anything: that each of these files and folders is synced."""


def unsynced(pattern: str, index: Path) -> Callable[[str], bool]:
    place = os.path.normpath(pattern.format(index=index))
    return lambda path: fnmatch(path, place)


def test_a_library_holds_what_was_committed_after_any_loss_of_power_but_not_without_any_of_its_syncs(
    tmp_path: Path,
) -> None:
    index = tmp_path / "index"
    events, data = recorded(index, lambda: commits(index))
    assert len([event for event in events if event[0] == "say"]) == 6
    holds_what_was_said(index, events, data)
    for pattern in SYNCS:
        with pytest.raises(NOTICED):
            holds_what_was_said(index, events, data, unsynced(pattern, index))
            print("not noticed", pattern)


NEEDED = {
    "changing": (
        "{index}/derived/.new-*/?*/*",
        "{index}/derived/.new-*/sentences",
        "{index}/derived/.new-*/manifest.json",
    ),
    "repairing": ("{index}/.repaired/*library.sqlite*",),
}
"""By operation, syncs without which it may leave something else."""


@pytest.mark.slow
@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_after_a_loss_of_power_the_index_is_in_the_old_state_or_the_new_and_what_was_said_to_be_done_is(
    operation: Operation, home: Home
) -> None:
    if not STATES and operation.name not in MOST_DIFFERENT:
        pytest.skip("tried with QA_POWER_STATES")
    outage = Outage(operation, home)
    print(f"\n{operation}: {len(outage.events)} events, {dict(outage.check(STATES or 8, 1))}")
    for pattern in NEEDED.get(operation.name, ()):
        with pytest.raises(NOTICED):
            outage.check(60, 2, unsynced(pattern, home.index))
            print("not noticed", pattern)


def elsewhere(home: Home, target: Path, command: Sequence[str], check: Callable[[bool], None]) -> None:
    """What a command makes in a folder `target` fits `check`, which is told whether it was said to be done, after any
    loss of power."""
    before = target if target.exists() else None
    disk, other = power.Disk(target, before), power.Disk(target, before)
    data = home.folder / "journal"
    done = home.writer.run(*command, journal=str(data), below=str(target))
    assert done.code == 0, done.said
    events = json.loads(data.with_name("journal.json").read_bytes())
    everything = power.lying(target)
    for number, event in enumerate(events):
        other.do(number, event, data.read_bytes())
    assert other.left(None, whole=True) == everything, "what was recorded is what was done"
    for cut in power.cuts(disk, events, data.read_bytes(), STATES or 24, 3):
        power.lay(cut.found, target)
        check(cut.number == len(events))


@pytest.mark.slow
def test_a_copy_an_export_and_an_import_are_whole_or_not_there_after_a_loss_of_power_and_there_once_that_was_said(
    home: Home,
) -> None:
    home.write(**STORIES)
    home.does("index", str(home.docs))
    expected = home.state()
    copy, out, file = (home.folder / name for name in ("copy", "out", "out/index.jsonl"))

    def copied(is_said: bool) -> None:
        found = home.state("copy")
        assert same(found, expected) or (not is_said and same(found, "There is no index in")), found
        if is_said:
            whole = health.verify(copy)
            assert (whole.damages, whole.notes) == ((), ())

    elsewhere(home, copy, ("backup", str(copy), "--index", str(home.index)), copied)
    shutil.rmtree(copy)

    def exported(is_said: bool) -> None:
        if is_said or file.exists():
            lines = file.read_bytes().splitlines(keepends=True)
            assert json.loads(lines[-1])["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()

    out.mkdir()
    elsewhere(home, out, ("export", str(file), "--index", str(home.index)), exported)
    read_in = ("import", str(file), "--index", str(copy))

    def imported(is_said: bool) -> None:
        copied(is_said)
        if same(home.state("copy"), "There is no index in"):
            again = home.writer.run(*read_in)
            assert again.code == 0, again.said
            copied(True)
            assert not (copy / exchange.WORK).exists()

    elsewhere(home, copy, read_in, imported)
