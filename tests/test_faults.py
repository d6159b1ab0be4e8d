"""Faults that a store could have, put into it on purpose: the laws of the other tests notice each one.

A law is run twice: as the store is, when it holds, and with the fault, when it must not.
"""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import test_forgetting
import test_health
import test_library
import test_repair
from test_library import MAKER, TEXT, document, put, read, root_of

from qa import backup, database, disk, forgetting, health, imprint, library, lock, repair, snapshot
from qa.database import Database
from qa.errors import IndexBusy, IndexUnusable, QAError
from qa.library import Library
from qa.rows import Tally

Law = Callable[[Path], None]
Fault = Callable[[pytest.MonkeyPatch], None]


def names_are_given_to_what_is_on_the_disk(folder: Path) -> None:
    """Whatever takes its name by renaming was synced before, and the folder that has the name after."""
    events: list[tuple[str, Path]] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        events.append(("sync", Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        events.append(("rename", path))
        events.append(("to", Path(target)))
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        patch.setattr(Path, "replace", renamed)
        index = test_health.made(folder)
        backup.backup(index, folder / "copy")
        test_repair.spoil(index / database.FILE, b"In year 7")
        repair.repair(index)
    renames = [at for at, (event, _) in enumerate(events) if event == "rename"]
    assert len(renames) > 6
    for at in renames:
        source, target = events[at][1], events[at + 1][1]
        if source.name.startswith(f".new-{database.FILE}") and source.parent.name != "copy":
            continue  # SQLite syncs it
        if target.parent.name.startswith(repair.ASIDE):
            continue  # what was there all the time
        before = [path for event, path in events[:at] if event == "sync"]
        assert source in before, source
        assert ("sync", target.parent) in events[at:], target


def what_is_committed_is_synced(folder: Path) -> None:
    writer = Library.create(folder / "index", MAKER)
    assert writer._database._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    writer.close()


def readers_see_the_old_state_or_the_new_one_at_every_statement(folder: Path) -> None:
    writer = Library.create(folder / "index", MAKER)
    root = root_of(writer)
    change, seen = Database.change, set()

    def observed(held: Database, *given: Any) -> None:
        change(held, *given)
        if held is writer._database:
            reader = Library.open(folder / "index")
            with reader.reading():
                seen.add((reader.commit, len(reader.sources())))
            reader.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "change", observed)
        put(writer, read(root, "a.txt"))
    writer.close()
    assert seen == {(2, 0), (3, 1)}


def what_was_acknowledged_is_there_for_others(folder: Path) -> None:
    writer = Library.create(folder / "index", MAKER)
    put(writer, read(root_of(writer), "a.txt"))
    reader = Library.open(folder / "index")
    assert len(reader.sources()) == 1
    reader.close()
    writer.close()


def what_is_derived_from_an_earlier_commit_is_not_used(folder: Path) -> None:
    writer = Library.create(folder / "index", MAKER)
    root = root_of(writer)
    put(writer, read(root, "a.txt"))
    snapshot.write(writer, lambda held: 0.25)
    put(writer, read(root, "a.txt", document(f"{TEXT}.")))  # another text of the same file, which only a commit tells
    with writer.reading():
        assert snapshot.load(writer) is None
    writer.close()


def one_writes_at_a_time(folder: Path) -> None:
    with lock.writer(folder, "one"), pytest.raises(IndexBusy), lock.writer(folder, "other"):
        pass


def removed_passages_are_gone(folder: Path) -> None:
    held = Library.create(folder / "index", MAKER)
    put(held, read(root_of(held), "a.txt"), read(root_of(held), "b.txt"))
    with held.writing():
        held.remove(held.sources()[0].id)
    assert held.counts() == (1, 2, 4)
    list(held.passages())
    held.close()


def nothing_of_the_forgotten_is_left(folder: Path) -> None:
    test_forgetting.test_no_word_of_a_forgotten_document_is_left_in_any_byte(test_forgetting.made(folder))


def the_forgotten_stays_out(folder: Path) -> None:
    index = test_forgetting.made(folder)
    test_forgetting.test_a_document_is_named_as_citations_do_or_by_its_place_on_disk_or_its_folder(
        index, test_forgetting.SECRET
    )


def damage_is_found(folder: Path) -> None:
    test_health.run(test_health.made(folder), 24, seed=1)


def damage_between_rows_is_found(folder: Path) -> None:
    index = test_health.made(folder)
    file = index / database.FILE
    data = bytearray(file.read_bytes())
    data[data.index(bytes(64), 4096) + 32] ^= 1
    file.write_bytes(data)
    assert {damage.where for damage in health.verify(index).damages} == {database.FILE}


def rows_are_held_to_their_seals(folder: Path) -> None:
    test_library.filled(folder)
    with sqlite3.connect(folder / database.FILE) as connection:
        connection.execute("UPDATE documents SET title = 'Another title' WHERE path = '3.txt'")
    with pytest.raises(IndexUnusable):
        test_library.everything(folder)


def the_damaged_is_kept(folder: Path) -> None:
    test_repair.test_documents_that_are_whole_are_saved_and_each_other_one_is_named(test_repair.made(folder))


def without(pragma: str, instead: str) -> Fault:
    """A connection that does not do one of the things that are asked of it."""

    class Careless(sqlite3.Connection):
        def executescript(self, script: str, /) -> sqlite3.Cursor:
            return super().executescript(script.replace(pragma, instead))

    def fault(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Careless))

    return fault


def setting(owner: Any, name: str, value: Any) -> Fault:
    return lambda patch: patch.setattr(owner, name, value)


def both(*faults: Fault) -> Fault:
    def fault(patch: pytest.MonkeyPatch) -> None:
        for one in faults:
            one(patch)

    return fault


@contextmanager
def early(held: Database, *, counted: bool = True) -> Iterator[None]:
    """Commits the documents first and counts the commit after."""
    held.change("BEGIN IMMEDIATE")
    yield
    held.change("COMMIT")
    held.change("BEGIN IMMEDIATE")
    held.set("commit", str(int(held.text("commit")) + 1))
    held.change("COMMIT")


@contextmanager
def unfinished(held: Database, *, counted: bool = True) -> Iterator[None]:
    """Says that it is done before it is."""
    if not held._connection.in_transaction:
        held.change("BEGIN IMMEDIATE")
    yield
    held.set("commit", str(int(held.text("commit")) + 1))


@contextmanager
def uncounted(held: Database, *, counted: bool = True) -> Iterator[None]:
    held.change("BEGIN IMMEDIATE")
    yield
    held.change("COMMIT")


def deleted_aside(folder: Path) -> Path:
    for path in folder.glob(f"{database.FILE}*"):
        path.unlink()
    aside = folder / f"{repair.ASIDE}and-gone"
    aside.mkdir()
    (aside / database.FILE).touch()
    return aside


def nothing(*given: Any, **more: Any) -> None:
    """Instead of something."""


FAULTS: dict[str, tuple[Law, Fault]] = {
    "a snapshot is not synced": (names_are_given_to_what_is_on_the_disk, setting(disk, "sync", nothing)),
    "a repaired library is not synced": (
        names_are_given_to_what_is_on_the_disk,
        setting(repair, "disk", type("", (), {"sync": nothing})),
    ),
    "commits are not synced": (what_is_committed_is_synced, without("synchronous = FULL", "synchronous = OFF")),
    "the number is committed after the documents": (
        readers_see_the_old_state_or_the_new_one_at_every_statement,
        setting(Database, "writing", early),
    ),
    "acknowledged before it is committed": (
        what_was_acknowledged_is_there_for_others,
        setting(Database, "writing", unfinished),
    ),
    "a commit is not counted": (
        what_is_derived_from_an_earlier_commit_is_not_used,
        setting(Database, "writing", uncounted),
    ),
    "the lock is not taken": (one_writes_at_a_time, setting(lock, "_take", nothing)),
    "passages outlive their document": (removed_passages_are_gone, without("foreign_keys = ON", "foreign_keys = OFF")),
    "a removed document is still counted": (
        removed_passages_are_gone,
        setting(Tally, "minus", lambda held, mark: held),
    ),
    "a tombstone is lost": (the_forgotten_stays_out, setting(Library, "forgotten", lambda held: frozenset())),
    "the file is not written anew, nor what is deleted overwritten": (
        nothing_of_the_forgotten_is_left,
        both(
            setting(Database, "wipe", Database.settle),
            without("secure_delete = ON", "secure_delete = OFF"),
        ),
    ),
    "the log is not emptied": (nothing_of_the_forgotten_is_left, setting(Database, "settle", nothing)),
    "the old snapshot is not removed": (
        nothing_of_the_forgotten_is_left,
        setting(forgetting, "shutil", type("", (), {"rmtree": nothing, "disk_usage": shutil.disk_usage})),
    ),
    "a seal stands for anything": (
        rows_are_held_to_their_seals,
        both(*(setting(room, "seal", lambda *values: bytes(32)) for room in (database, library))),
    ),
    "bytes between rows are not looked at": (
        damage_between_rows_is_found,
        setting(imprint, "differences", lambda *given: iter(())),
    ),
    "derived files are not looked at": (damage_is_found, setting(snapshot, "faults", lambda folder: iter(()))),
    "the damaged library is deleted": (the_damaged_is_kept, setting(repair, "_put_aside", deleted_aside)),
}


HOLDING: set[Law] = set()
"""Laws that were seen to hold without any fault, in this process."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_store_is_noticed_by_its_law(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    law, fault = FAULTS[name]
    if law not in HOLDING:
        (tmp_path / "whole").mkdir()
        law(tmp_path / "whole")
        HOLDING.add(law)
    fault(monkeypatch)
    (tmp_path / "faulty").mkdir()
    with pytest.raises((AssertionError, QAError, pytest.fail.Exception)):
        law(tmp_path / "faulty")
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "faulty")
