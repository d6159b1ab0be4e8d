"""Laws of forgetting: no word of a forgotten document is left in any byte, and it does not come back by itself."""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from shelf import QUESTIONS, Shelf, assert_same, story
from test_library import MAKER, put, read, root_of

from qa import forgetting, health, imprint, lock, piece, repair, snapshot
from qa.database import FILE
from qa.errors import IndexBusy, UsageError
from qa.library import Library
from qa.records import Block, Document, Locator, Problem
from qa.settings import Settings

CANARIES = ("Xylocanth", "Quorvandel", "zibbermonk", "Trelawnyk", "vexillum")
"""Words that occur nowhere else: in the text, the title, a heading, the file's name, and an earlier edition of it."""

SECRET = f"letters/{CANARIES[3]}.md"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return made(tmp_path)


def made(tmp_path: Path) -> Path:
    """An index of three documents, the secret one of which was changed; its model cannot be loaded."""
    library = Library.create(tmp_path / "index", replace(MAKER, model=str(tmp_path)))
    root = root_of(library, str(tmp_path / "docs"))
    for path in ("harbour.md", "bridge.md", SECRET):
        (root.path / path).parent.mkdir(parents=True, exist_ok=True)
        (root.path / path).touch()
    put(library, read(root, "harbour.md"), read(root, "bridge.md"), read(root, SECRET, secret(CANARIES[4])))
    snapshot.write(library, lambda held: 0.25)
    put(library, read(root, SECRET, secret("later")))
    with library.writing():
        library.set_problems(root, [Problem(f"{CANARIES[1]}.pdf", f"is empty but for {CANARIES[0]}")])
    snapshot.write(library, lambda held: 0.25)
    imprint.renew(library)
    library.close()
    return tmp_path / "index"


def secret(edition: str) -> Document:
    text = f"The agent {CANARIES[0]} met nobody.\n\n" + f"{edition} is what {CANARIES[0].upper()} said. " * 200
    at = Locator((CANARIES[2],))
    blocks = (Block("paragraph", 0, 34, at), Block("paragraph", 36, len(text), at))
    return Document(text, f"The {CANARIES[1]} papers", "text/plain", blocks)


def settings_of(index: Path) -> Settings:
    return Settings(index, cache=index.parent / "cache")


def test_no_word_of_a_forgotten_document_is_left_in_any_byte(index: Path) -> None:
    assert {word for _, word in hits(index)} >= {word.lower() for word in CANARIES[:4]}
    aside = index / f"{repair.ASIDE}then"
    shutil.copytree(index / "derived", aside)
    said: list[str] = []
    gone = forgetting.forget([SECRET, f"{CANARIES[1]}.pdf"], settings_of(index), announce=said.append)
    assert gone.documents == ((SECRET, 4), (f"{CANARIES[1]}.pdf", 0))
    assert (gone.files, gone.aside) == ((index.parent / "docs" / SECRET,), (aside,))
    assert hits(index) == []
    assert health.verify(index).damages == ()
    assert len(said) == 1
    assert "qa index" in said[0], "the search index is made again when its model is there"
    # A dictionary of terms keeps words in pieces that a search of bytes does not find.
    assert not (index / "derived").exists()
    library = Library.open(index)
    assert [source.path for source in library.sources()] == ["bridge.md", "harbour.md"]
    snapshot.build(library, lambda held: 0.25)
    library.close()


def test_no_word_is_left_in_pieces_of_earlier_snapshots_or_taken_from_them_again(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piece, "LEAST_SENTENCES", 1)  # each document is a piece
    library = Library.open(index, write=True)
    first = snapshot.write(library, lambda held: 0.25)
    put(library, read(library.roots()[0], "mill.md"))
    shutil.copytree(first.folder, index / "kept", copy_function=os.link)
    held = snapshot.write(library, lambda found: 0.25, first)
    (index / "kept").rename(first.folder)  # as one who was ended before it was removed leaves it
    secret_texts = [path for path in first.folder.rglob("texts.jsonl") if CANARIES[0].encode() in path.read_bytes()]
    assert [path.stat().st_nlink for path in secret_texts] == [2]
    library.close()
    forgetting.forget([SECRET, f"{CANARIES[1]}.pdf"], settings_of(index))
    assert hits(index) == []
    library = Library.open(index, write=True)
    again = snapshot.write(library, lambda found: 0.25, held)  # by a program that goes on with what it had
    library.close()
    assert {source.path for source in again.sources} == {"bridge.md", "harbour.md", "mill.md"}
    assert hits(index) == []
    assert health.verify(index).damages == ()


@pytest.mark.parametrize("name", ["letters", "letters/", "{docs}/letters", "{docs}/" + SECRET, SECRET])
def test_a_document_is_named_as_citations_do_or_by_its_place_on_disk_or_its_folder(index: Path, name: str) -> None:
    name = name.format(docs=index.parent / "docs")
    gone = forgetting.forget([name], settings_of(index))
    assert [path for path, _ in gone.documents] == [SECRET]
    if name.endswith(SECRET):  # by now it is known by a hash of its place alone; a folder of it is not
        assert [path for path, _ in forgetting.forget([name], settings_of(index)).documents] == [SECRET]
        assert forgetting.remember([name], settings_of(index)) == (SECRET,)
    with pytest.raises(UsageError, match="was forgotten"):
        forgetting.remember([name], settings_of(index))


def test_what_is_not_known_is_not_forgotten(index: Path) -> None:
    before = (index / FILE).read_bytes()
    for name in ("harbour", "arbour.md", "letters/other.md", "", "/", "*"):
        with pytest.raises(UsageError, match="is called"):
            forgetting.forget(["harbour.md", name], settings_of(index))
    with lock.writer(index, "qa index"), pytest.raises(IndexBusy):
        forgetting.forget([SECRET], settings_of(index))
    assert (index / FILE).read_bytes() == before


def test_while_a_reader_holds_the_old_state_forgetting_is_not_said_to_be_done(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **{**more, "timeout": 0.1}))
    reader = Library.open(index)
    with reader.reading():
        assert len(reader.sources()) == 3
        with pytest.raises(IndexBusy, match="still needs what was there before"):
            forgetting.forget([SECRET, f"{CANARIES[1]}.pdf"], settings_of(index))
    forgetting.forget([SECRET], settings_of(index))
    assert hits(index) == []
    reader.close()


def test_a_forgotten_document_does_not_come_back_until_it_is_let_and_all_else_answers_as_without_it(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("harbour.md", story("harbour"))
    shelf.write(SECRET, secret("now").text)
    shelf.index()
    forgetting.forget([SECRET], shelf.settings)
    assert hits(shelf.settings.index) == hits(shelf.settings.index, tuple(word[:-2] for word in CANARIES)) == []
    report = shelf.index()
    assert (report.added, report.unchanged) == (0, 1)
    assert [(problem.path, problem.kind) for problem in report.problems] == [(SECRET, "forgotten")]
    assert "qa forget --undo" in report.problems[0].remedy
    assert hits(shelf.settings.index) == []
    found = shelf.ask(QUESTIONS[0])
    forgetting.remember([str(shelf.docs / SECRET)], shelf.settings)
    report = shelf.index()
    assert (report.added, report.unchanged, report.problems) == (1, 1, ())
    (shelf.docs / SECRET).unlink()
    shelf.index()
    assert_same(shelf.ask(QUESTIONS[0]), found)


def hits(folder: Path, words: tuple[str, ...] = CANARIES) -> list[tuple[str, str]]:
    """Words found in the bytes of files below a folder or in their names, in any case, as UTF-8 or UTF-16, as they
    stand or in whatever zlib unpacks at any byte (npz, deflated stores)."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.relative_to(folder).as_posix().encode() + path.read_bytes()
        for part in (data, *unpacked(data)):
            lower = part.lower()
            for word in (word.lower() for word in words):
                forms = (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"))
                found += [(path.name, word) for form in forms if form in lower]
    return found


def unpacked(data: bytes) -> Iterator[bytes]:
    for at in range(len(data) - 2):
        if data[at] & 0x0F == 8 and int.from_bytes(data[at : at + 2], "big") % 31 == 0:  # RFC 1950, section 2.2
            try:
                yield zlib.decompressobj().decompress(data[at : at + 2**20])
            except zlib.error:
                continue
