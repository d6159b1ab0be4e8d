"""Laws of repair: what can be read and is what was stored is saved, the damaged is kept, nothing is lost unsaid."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from test_health import HARMS, answered, files
from test_library import MAKER, document, put, read, root_of

from qa import health, imprint, lock, repair, snapshot
from qa.database import FILE, REPAIRED
from qa.errors import IndexBusy, IndexMissing, IndexUnusable
from qa.library import Library


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return made(tmp_path)


def made(tmp_path: Path) -> Path:
    """An index of twelve documents, whose files are there but for two."""
    library = Library.create(tmp_path / "index", MAKER, forgotten="d_0123456789abcdef")
    root = root_of(library, str(tmp_path / "docs"))
    root.path.mkdir()
    reads = [
        read(
            root, f"{i}.txt", document(f"The ferry leaves at noon. It is blue.\n\nIn year {i} {'of the ferry ' * 200}")
        )
        for i in range(12)
    ]
    put(library, *reads)
    for i in range(10):
        (root.path / f"{i}.txt").touch()
    snapshot.write(library, lambda held: 0.25)
    imprint.renew(library)
    library.close()
    return tmp_path / "index"


def contents(folder: Path) -> dict[str, str]:
    library = Library.open(folder)
    try:
        list(library.passages())
        return {source.path: library.document(source.id).text for source in library.sources()}
    finally:
        library.close()


def spoil(file: Path, *marks: bytes) -> None:
    data = bytearray(file.read_bytes())
    for mark in marks:
        data[data.index(mark)] ^= 1
    file.write_bytes(data)


def test_what_is_whole_is_left_as_it_is(index: Path) -> None:
    before = {path: path.read_bytes() for path in files(index)}
    done = repair.repair(index)
    assert done == repair.Repair(())
    assert {path: path.read_bytes() for path in files(index)} == before


def test_damaged_derived_files_are_taken_away_and_the_library_is_left_alone(index: Path) -> None:
    expected, library = answered(index), (index / FILE).read_bytes()
    for path in (path for path in files(index) if "derived" in path.parts):
        kept = index.parent / "kept"
        shutil.copytree(index / "derived", kept)
        spoil(path, path.read_bytes()[-1:])
        done = repair.repair(index)
        assert done.damages and done.aside is None
        assert not (index / "derived").exists()
        assert (index / FILE).read_bytes() == library
        kept.rename(index / "derived")
    assert answered(index) == expected


def test_documents_that_are_whole_are_saved_and_each_other_one_is_named(index: Path) -> None:
    expected = contents(index)
    spoil(index / FILE, b"In year 7", b"In year 10")
    broken = (index / FILE).read_bytes()
    done = repair.repair(index)
    assert (done.saved, done.again, done.gone, done.unknown, done.empty) == (
        10,
        (index.parent / "docs" / "7.txt",),
        (index.parent / "docs" / "10.txt",),
        0,
        False,
    )
    assert done.aside is not None
    assert (done.aside / FILE).read_bytes() == broken
    found = contents(index)
    assert found == {path: text for path, text in expected.items() if path not in ("7.txt", "10.txt")}
    assert health.verify(index).damages == ()
    library = Library.open(index)
    assert library.forgotten() == {"d_0123456789abcdef"}
    assert [root.path for root in library.roots()] == [index.parent / "docs"]
    library.close()


def test_what_the_library_says_of_itself_is_known_from_its_imprint_too(index: Path) -> None:
    spoil(index / FILE, str(index.parent / "docs").encode(), MAKER.fingerprint.encode())
    with pytest.raises(IndexUnusable):
        Library.open(index)
    expected = 12
    assert repair.repair(index).saved == expected


def test_however_the_library_is_damaged_what_is_saved_was_stored_and_the_rest_is_counted(
    index: Path, tmp_path: Path
) -> None:
    expected = contents(index)
    chance = random.Random(5)
    saved = 0
    for number in range(20):
        work = tmp_path / str(number)
        shutil.copytree(index, work)
        whole = (work / FILE).read_bytes()
        broken = chance.choice(HARMS)(whole, chance)
        (work / FILE).write_bytes(broken)
        done = repair.repair(work)
        if broken == whole:
            assert done == repair.Repair(())
            continue
        assert done.aside is not None
        assert (done.aside / FILE).read_bytes() == broken
        found = contents(work)
        assert found.items() <= expected.items()
        assert len(found) == done.saved
        assert done.saved + len(done.again) + len(done.gone) + done.unknown == len(expected)
        assert health.verify(work).damages == ()
        saved += done.saved
    assert saved > 20 * len(expected) / 2


def test_where_nothing_can_be_read_the_damaged_files_are_kept_and_no_empty_index_is_made(index: Path) -> None:
    (index / FILE).write_bytes(b"Dear diary, " * 1000)
    (index / imprint.FILE).write_bytes(b"nothing")
    done = repair.repair(index)
    assert done.empty and done.aside is not None
    assert (done.aside / FILE).read_bytes().startswith(b"Dear diary, ")
    with pytest.raises(IndexMissing):
        Library.open(index)


def test_a_repair_that_was_interrupted_while_files_changed_places_is_said_so_and_finished(index: Path) -> None:
    expected = contents(index)
    shutil.copytree(index, index / REPAIRED, ignore=shutil.ignore_patterns(REPAIRED))
    (index / FILE).rename(index / "gone")
    for act in (Library.open, health.verify):
        with pytest.raises(IndexUnusable, match="was interrupted") as caught:
            act(index)
        assert "qa repair" in caught.value.remedy
    repair.repair(index)
    assert contents(index) == expected
    assert not (index / REPAIRED).exists()


def test_what_an_earlier_repair_left_that_was_interrupted_is_removed(index: Path) -> None:
    (index / REPAIRED).mkdir()
    (index / REPAIRED / f"{FILE}-wal").write_bytes(b"as it was before it was emptied")
    assert repair.repair(index).damages == ()
    assert not (index / REPAIRED).exists()


def test_nothing_is_repaired_where_there_is_no_index_or_another_writer(index: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        repair.repair(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with lock.writer(index, "qa index"), pytest.raises(IndexBusy):
        repair.repair(index)
