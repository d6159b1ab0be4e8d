"""Laws of noticing: no change of a folder is missed, whatever the clocks say, none is made up, and no text that was
encoded is encoded again."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shelf import MEMORY, QUESTIONS, SUBJECTS, Shelf, story

from qa import folders, formats, indexing, stamps
from qa.encoder import Encoder
from qa.folders import Place
from qa.library import Library
from qa.records import Encoding, IndexReport, Passage, Stamp
from qa.settings import Settings

SECOND = 10**9


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of every passage that the encoder is asked for."""
    texts: list[str] = []
    encode = Encoder.encode_passages

    def noted(self: Encoder, passages: Iterable[tuple[Passage, str]]) -> Iterator[Encoding]:
        asked = list(passages)
        texts.extend(text[passage.start : passage.end] for passage, text in asked)
        return encode(self, asked)

    monkeypatch.setattr(Encoder, "encode_passages", noted)
    return texts


def texts(shelf: Shelf) -> dict[str, str]:
    with shelf.engine() as engine:
        return {source.path: document.text for source, document in engine.documents()}


def stale(shelf: Shelf) -> set[str]:
    with shelf.engine() as engine:
        return {engine.stale(source.id) for source, _ in engine.documents()}


def changes(report: IndexReport) -> tuple[int, int, int]:
    return report.added, report.changed, report.removed


# --------------------------------------------------------------------------------------------------------- encoding


def test_a_renamed_or_moved_file_costs_no_encoding(shelf: Shelf, tmp_path: Path, encoded: list[str]) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    other = tmp_path / "other"
    other.mkdir()
    shelf.index(shelf.docs, other)
    encoded.clear()
    for old, new in (
        (shelf.docs / "a.md", shelf.docs / "renamed.md"),
        (shelf.docs / "renamed.md", shelf.docs / "below" / "a.md"),
        (shelf.docs / "b.md", other / "b.md"),
        (other / "b.md", shelf.docs / "b.md"),
        (shelf.docs / "below", other / "below"),
    ):
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
        assert changes(indexing.index([], shelf.settings)) == (1, 0, 1)
    assert set(texts(shelf)) == {"docs/b.md", "other/below/a.md"}
    assert not encoded


def test_of_an_edited_file_only_the_changed_passages_are_encoded(shelf: Shelf, encoded: list[str]) -> None:
    shelf.write("a.md", story("harbour", paragraphs=6))
    shelf.index()
    encoded.clear()
    shelf.write("a.md", story("harbour", edition=2, paragraphs=6))
    shelf.index()
    assert [text.startswith("In edition 2 ") for text in encoded] == [True]


def test_a_copy_and_a_file_that_comes_back_in_another_copy_cost_no_encoding(shelf: Shelf, encoded: list[str]) -> None:
    path = shelf.write("a.md", story("harbour"))
    shelf.index()
    encoded.clear()
    shutil.copy(path, shelf.docs / "copy.md")
    assert changes(shelf.index()) == (1, 0, 0)
    path.unlink()
    assert changes(shelf.index()) == (0, 0, 1)
    (shelf.docs / "copy.md").rename(path)
    shelf.index()
    assert not encoded


def test_what_moves_within_a_run_is_one_commit(shelf: Shelf) -> None:
    for subject in SUBJECTS[:4]:
        shelf.write(f"{subject}.md", story(subject))
    shelf.index()
    library = Library.open(shelf.settings.index)
    before = library.commit
    shelf.write("new.md", story("museum"))
    (shelf.docs / f"{SUBJECTS[0]}.md").rename(shelf.docs / "moved.md")
    (shelf.docs / f"{SUBJECTS[1]}.md").unlink()
    shelf.write(f"{SUBJECTS[2]}.md", story(SUBJECTS[2], edition=3))
    assert changes(shelf.index()) == (2, 1, 2)
    assert library.commit == before + 1
    library.close()


# ------------------------------------------------------------------------------------------------------------ times


def test_an_edit_to_the_same_size_within_the_same_tick_is_not_missed(shelf: Shelf) -> None:
    path = shelf.write("a.md", story("harbour", edition=1))
    shelf.index()
    then = path.stat()
    path.write_text(story("harbour", edition=2))
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (then.st_size, then.st_mtime_ns)
    assert stale(shelf) == {"changed"}
    assert changes(shelf.index()) == (0, 1, 0)
    assert texts(shelf) == {"a.md": story("harbour", edition=2)}
    assert stale(shelf) == {""}


@pytest.mark.parametrize("year", [1970, 2100])
def test_a_file_whose_time_is_kept_at_any_year_is_not_missed_when_it_changes(shelf: Shelf, year: int) -> None:
    moment = (year - 1970) * 365 * 86400 * SECOND
    for edition in range(1, 4):
        path = shelf.write("a.md", story("harbour", edition=edition))
        os.utime(path, ns=(moment, moment))
        assert changes(shelf.index()) == ((1, 0, 0) if edition == 1 else (0, 1, 0))
        assert texts(shelf) == {"a.md": story("harbour", edition=edition)}
        assert stale(shelf) == {""}


@pytest.mark.parametrize("jump_s", [-86400 * 365, -1, 1, 86400 * 365])
def test_an_edit_is_not_missed_when_the_clock_jumps_between_it_and_the_reading(
    shelf: Shelf, jump_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shelf.write("a.md", story("harbour", edition=1))
    clock = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() + jump_s * SECOND)
    shelf.index()
    then = path.stat()
    path.write_text(story("harbour", edition=2))
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert changes(shelf.index()) == (0, 1, 0)


@pytest.mark.parametrize("way", ["write", "replace", "replace as old"])
def test_a_file_exchanged_for_one_of_its_size_and_time_is_not_missed(
    shelf: Shelf, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "TICK_NS", 0)  # as if everything had been written long ago
    path = shelf.write("a.md", story("harbour", edition=1))
    shelf.index()
    then = path.stat()
    new = path if way == "write" else tmp_path / "new.md"
    new.write_text(story("harbour", edition=2))
    os.utime(new, ns=(then.st_atime_ns, then.st_mtime_ns))
    if way != "write":
        new.rename(path)
    assert stale(shelf) == {"changed"}
    assert changes(shelf.index()) == (0, 1, 0)


def of(stat: os.stat_result, **changed: int) -> os.stat_result:
    """A stat with some of its fields changed, times in nanoseconds."""
    order = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size")
    times = {name: changed.get(name, getattr(stat, name)) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
    plain = [changed.get(name, getattr(stat, name)) for name in order]
    seconds = [value // SECOND for value in times.values()]
    return os.stat_result((*plain, *seconds), {**times})


moments = st.integers(0, 2**62)
few = st.integers(0, 2)
FILE_STAT = Path(__file__).stat()


@given(
    read=moments, written=moments, again=moments, kept=st.booleans(), size=st.integers(0, 2), inode=st.integers(0, 1)
)
def test_what_counts_as_the_same_was_written_long_before_it_was_read_and_not_since(
    read: int, written: int, again: int, kept: bool, size: int, inode: int
) -> None:
    """For any order of the moments, which is what clocks that jump make of one."""
    modified = 0 if kept else again
    first = of(FILE_STAT, st_size=1, st_ino=0, st_mtime_ns=0 if kept else written, st_ctime_ns=written)
    held = stamps.stamp(first, read)
    then = of(FILE_STAT, st_size=size, st_ino=inode, st_mtime_ns=modified, st_ctime_ns=again)
    verdict = stamps.compare(held, 1, held.modified_ns, then)
    if size != 1:
        assert verdict == "changed"
    elif verdict == "same":
        assert read - written > stamps.TICK_NS
        assert (again, inode) == (written, 0)
    else:
        assert verdict == ""
        assert not held.settled or again != written or inode or modified != held.modified_ns
    assert stamps.compare(None, 1, modified, of(then, st_size=1)) == ""


def test_an_index_without_stamps_has_every_file_read_once_more_and_then_no_more(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    monkeypatch.setattr(stamps, "TICK_NS", 0)
    shelf.write("a.md", story("harbour"))
    shelf.index()
    connection = sqlite3.connect(shelf.library_file)
    with connection:
        connection.execute("DROP TABLE stamps")
    connection.close()
    assert stale(shelf) == {""}
    read: list[Path] = []
    load = formats.load
    monkeypatch.setattr(formats, "load", lambda path, limits: read.append(path) or load(path, limits))
    for _ in range(2):
        assert changes(shelf.index()) == (0, 0, 0)
    assert read == [shelf.docs / "a.md"]


def test_a_damaged_note_on_a_file_costs_a_reading_and_no_more(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setattr(stamps, "TICK_NS", 0)
    path = shelf.write("a.md", story("harbour", edition=1))
    shelf.index()
    path.write_text(story("harbour", edition=2))
    now = path.stat()
    connection = sqlite3.connect(shelf.library_file)
    with connection:  # as it would have to be for the change to be missed
        connection.execute("UPDATE stamps SET changed_ns = ?", [now.st_ctime_ns])
    connection.close()
    os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))
    assert changes(shelf.index()) == (0, 1, 0)


def test_a_file_that_nothing_speaks_against_is_not_read_when_it_is_cited_and_a_doubtful_one_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "TICK_NS", 0)
    path = shelf.write("a.md", story("harbour"))
    shelf.index()
    opened: list[str] = []
    way = Path.open

    def noted(self: Path, *arguments: str, **named: str) -> object:
        opened.append(self.name)
        return way(self, *arguments, **named)

    with shelf.engine() as engine:
        monkeypatch.setattr(Path, "open", noted)
        assert {c.stale for c in engine.ask(QUESTIONS[0]).citations} == {""}
        assert "a.md" not in opened
        os.utime(path, ns=(SECOND, SECOND))
        for _ in range(3):
            assert {c.stale for c in engine.ask(QUESTIONS[0]).citations} == {""}
        assert opened.count("a.md") == 1


# ------------------------------------------------------------------------------------------------------------ names


def test_names_in_either_form_of_unicode_and_in_either_case_are_names_of_their_own(shelf: Shelf) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Über.md") for form in ("NFC", "NFD"))
    path = shelf.write(composed, story("harbour"))
    shelf.index()
    for name in (decomposed, "über.md", "ÜBER.md", composed):
        path = path.rename(shelf.docs / name)
        report = shelf.index()
        assert (changes(report), report.encoded) == ((1, 0, 1), 0)
        assert list(texts(shelf)) == [name]
        assert stale(shelf) == {""}
    shelf.write(decomposed, story("bridge"))
    assert changes(shelf.index()) == (1, 0, 0)
    assert texts(shelf) == {composed: story("harbour"), decomposed: story("bridge")}


names = st.sampled_from([unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in ("é.md", "É.md")])
years = st.sampled_from([None, 0, 1, 4102444800])
step = st.tuples(names, st.sampled_from(["write", "delete", "rename"]), names, st.integers(0, 9), years)


@hypothesis_settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(history=st.lists(st.lists(step, min_size=1, max_size=3), min_size=2, max_size=5))
def test_no_change_is_missed_whatever_names_and_times_files_have(
    history: list[list[tuple[str, str, str, int, int | None]]], small_model: str, model_cache: Path
) -> None:
    """Every text has the same size, and every time is what it was, or years off."""
    folder = Path(tempfile.mkdtemp(prefix="qa-drift-", dir=MEMORY))
    shelf = Shelf(folder / "docs", Settings(folder / "index", small_model, model_cache))
    shelf.docs.mkdir()
    indexer = indexing.Indexer(shelf.settings)
    try:
        for burst in history:
            for name, what, other, edition, second in burst:
                path = shelf.docs / name
                if what == "write":
                    shelf.write(name, f"The ferry leaves at {edition} in the morning.")
                elif path.exists():
                    path.unlink() if what == "delete" else path.rename(shelf.docs / other)
                for each in shelf.docs.iterdir() if second is not None else ():
                    os.utime(each, (second or 0, second or 0))
            indexer.bring([shelf.docs])
            library = Library.open(shelf.settings.index)
            found = {source.path: library.document(source.id).text for source in library.sources()}
            library.close()
            assert found == {path.name: path.read_text() for path in shelf.docs.iterdir()}
    finally:
        shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------------- folders that go


def test_an_emptied_folder_loses_its_documents_and_another_empty_one_in_its_place_does_not(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    shelf.docs.rename(tmp_path / "unmounted")
    shelf.docs.mkdir()  # what is seen where a disk was mounted
    report = indexing.index([], shelf.settings)
    assert (changes(report), report.absent) == ((0, 0, 0), (shelf.docs,))
    assert stale(shelf) == {"missing"}
    shelf.docs.rmdir()
    (tmp_path / "unmounted").rename(shelf.docs)
    assert (changes(report), indexing.index([], shelf.settings).absent) == ((0, 0, 0), ())
    assert stale(shelf) == {""}
    (shelf.docs / "a.md").unlink()
    assert changes(indexing.index([], shelf.settings)) == (0, 0, 1)


@given(
    then=st.builds(Place, st.integers(1, 2), st.integers(1, 2), st.booleans()),
    now=st.none() | st.builds(Place, st.integers(1, 2), st.integers(1, 2), st.booleans()),
    is_empty=st.booleans(),
)
def test_a_place_is_absent_when_nothing_is_there_or_only_what_a_disk_was_mounted_over(
    then: Place, now: Place | None, is_empty: bool
) -> None:
    absent = folders.is_absent(now, then, is_empty=is_empty)
    if now is None:
        assert absent
    elif (now.device, now.inode) == (then.device, then.inode):
        assert not absent
    else:
        assert absent == (is_empty or (then.mounted and not now.mounted))
    assert folders.is_absent(now, None, is_empty=is_empty) == (now is None)


def test_a_folder_that_goes_while_it_is_read_keeps_its_documents(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    shelf.index()
    shelf.write("b.md", story("bridge", edition=2))
    listing = folders.listing

    def unmounting(root: Path, *rest: object) -> object:
        found = listing(root, *rest)
        root.rename(tmp_path / "unmounted")
        return found

    monkeypatch.setattr(folders, "listing", unmounting)
    report = indexing.index([], shelf.settings)
    assert (changes(report), report.absent, report.problems) == ((0, 0, 0), (shelf.docs,), ())
    assert set(texts(shelf)) == {"a.md", "b.md"}


def test_one_folder_that_is_not_there_does_not_keep_the_others_from_being_read(shelf: Shelf, tmp_path: Path) -> None:
    shelf.write("a.md", story("harbour"))
    other = replace(shelf, docs=tmp_path / "other")
    other.write("b.md", story("bridge"))
    shelf.index(shelf.docs, other.docs)
    shutil.rmtree(other.docs)
    shelf.write("c.md", story("museum"))
    report = indexing.index([], shelf.settings)
    assert (changes(report), report.absent) == ((1, 0, 0), (other.docs,))
    assert set(texts(shelf)) == {"docs/a.md", "docs/c.md", "other/b.md"}


def test_a_file_that_is_being_written_while_it_is_read_is_left_as_it_was(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shelf.write("a.md", story("harbour"))
    shelf.index()
    path.write_bytes(b"\0\1\2" * 20)
    load = formats.load

    def growing(path: Path, limits: formats.Limits) -> bytes:
        data = load(path, limits)
        path.write_bytes(data * 2)
        return data

    monkeypatch.setattr(formats, "load", growing)
    report = shelf.index()
    assert (changes(report), report.pending, report.problems) == ((0, 0, 0), 1, ())
    assert stale(shelf) == {"changed"}
    monkeypatch.undo()
    path.write_text(story("harbour", edition=2))
    assert changes(shelf.index()) == (0, 1, 0)


def test_a_file_that_was_cut_short_a_moment_ago_is_given_time_by_whoever_has_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shelf.write("a.md", story("harbour"))
    shelf.index()
    path.write_bytes(b"")  # as most programs begin to write
    monkeypatch.setattr(stamps, "TICK_NS", 3600 * SECOND)  # a machine that is busy takes longer than a moment
    indexer = indexing.Indexer(shelf.settings)
    report = indexer.bring(patient=True)
    assert (changes(report), report.pending, report.problems) == ((0, 0, 0), 1, ())
    monkeypatch.undo()
    assert changes(indexer.bring()) == (0, 0, 1)


def test_documents_of_a_folder_that_cannot_be_listed_are_kept(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.write("deep/a.md", story("harbour"))
    shelf.write("b.md", story("bridge"))
    shelf.index()
    scan = os.scandir

    def failing(path: Path | int) -> object:
        if isinstance(path, Path) and path.name == "deep":
            raise OSError(5, "Input/output error", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", failing)
    report = shelf.index()
    assert changes(report) == (0, 0, 0)
    assert [problem.path for problem in report.problems] == ["deep"]
    assert set(texts(shelf)) == {"deep/a.md", "b.md"}
    monkeypatch.undo()
    assert shelf.index().problems == ()


def test_a_stamp_that_the_library_cannot_hold_is_left_out(shelf: Shelf) -> None:
    shelf.write("a.md", story("harbour"))
    shelf.index()
    library = Library.open(shelf.settings.index, write=True)
    (source,) = library.sources()
    notes = library.notes
    before = notes.stamps()
    with notes.noting():
        notes.set_stamps([(source.id, Stamp(1, 2, 3, 2**63, True))])
    assert notes.stamps() == before
    with notes.noting():
        notes.set_stamps([(source.id, Stamp(1, 2, 3, 2**63 - 1, True))])
    assert notes.stamps(source.id) == {source.id: Stamp(1, 2, 3, 2**63 - 1, True)}
    library.close()
