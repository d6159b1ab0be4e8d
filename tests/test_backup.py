"""Laws of backups: a copy of one commit, whoever writes meanwhile, checked, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_health import answered
from test_library import filled, read, root_of
from test_repair import spoil

from qa import backup, health, imprint, snapshot
from qa.database import FILE
from qa.errors import IndexMissing, IndexUnusable, UsageError
from qa.library import Library


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return made(tmp_path)


def made(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    filled(folder)
    library = Library.open(folder, write=True)
    snapshot.write(library, lambda held: 0.25)
    imprint.renew(library)
    library.close()
    return folder


def test_a_backup_answers_as_the_index_did_whoever_writes_while_it_is_made(index: Path, tmp_path: Path) -> None:
    expected = answered(index)
    writer = Library.open(index, write=True)
    root = root_of(writer, "/later")
    with writer.writing():
        writer.drop_root(root)
    written = 0

    def write(done: int, total: int) -> None:
        nonlocal written
        written += 1
        with writer.writing():
            writer.put(read(writer.roots()[0], f"new-{written}.txt"))

    made = backup.backup(index, tmp_path / "deep" / "copy", progress=write)
    writer.close()
    assert written
    assert (made.commit, made.documents) == (expected[1][1] + 2, 12)
    copied = answered(made.folder)
    assert [copied[0], *copied[2:6]] == [expected[0], *expected[2:6]]
    found = health.verify(made.folder)
    assert (found.damages, found.documents) == ((), 12)


def test_a_backup_of_an_index_at_rest_is_ready_to_be_asked(index: Path, tmp_path: Path) -> None:
    made = backup.backup(index, tmp_path / "copy")
    assert answered(made.folder) == answered(index)
    found = health.verify(made.folder)
    assert (found.damages, found.notes) == ((), ())


def test_a_backup_of_a_damaged_index_is_not_said_to_be_one(index: Path, tmp_path: Path) -> None:
    spoil(index / FILE, b"In year 7")
    with pytest.raises(IndexUnusable, match="damaged as the index is"):
        backup.backup(index, tmp_path / "copy")


def test_no_backup_is_made_over_something_or_in_the_index_or_of_nothing(index: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    for target in (tmp_path / "full", index, index / "copy", tmp_path / "full" / "letter.txt"):
        with pytest.raises(UsageError):
            backup.backup(index, target)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]
    with pytest.raises(IndexMissing):
        backup.backup(tmp_path / "none", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
