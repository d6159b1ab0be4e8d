"""Laws of the derived indexes: right and of this very commit, or not used."""

from __future__ import annotations

import json
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from shelf import QUESTIONS, SUBJECTS, Shelf, assert_same, story, without_privileges

from qa import snapshot
from qa.errors import IndexUnusable
from qa.library import Library
from qa.settings import Settings
from qa.snapshot import PLACES, Snapshot

NOISE = 0.25
"""What the snapshots of these tests are told of the noise in them."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Shelf:
    """A shelf that no test changes."""
    folder = tmp_path_factory.mktemp("kept")
    shelf = Shelf(folder / "docs", Settings(index=folder / "index", model=small_model, cache=model_cache, reader=""))
    for subject in SUBJECTS:
        shelf.write(f"{subject}.md", story(subject))
    shelf.index()
    return shelf


@pytest.fixture
def shelf(kept: Shelf, tmp_path: Path) -> Shelf:
    """A copy of it, whose index may be damaged."""
    shutil.copytree(kept.settings.index, tmp_path / "index")
    return Shelf(kept.docs, Settings(tmp_path / "index", kept.settings.model, kept.settings.cache, reader=""))


@pytest.fixture
def library(shelf: Shelf) -> Iterator[Library]:
    library = Library.open(shelf.settings.index)
    yield library
    library.close()


def loaded(library: Library) -> Snapshot | None:
    with library.reading():
        return snapshot.load(library)


def files(shelf: Shelf) -> list[Path]:
    """The files that a snapshot is made of."""
    return [p for p in sorted(shelf.derived[0].rglob("*")) if p.is_file() and not p.name.endswith(".lock")]


def test_what_is_loaded_is_what_is_built_anew(library: Library) -> None:
    found, fresh = loaded(library), snapshot.build(library, lambda held: NOISE)
    assert found is not None
    for name in ("birth", "commit", "maker", "sources"):
        assert getattr(found, name) == getattr(fresh, name)
    assert found.noise > 0 and fresh.noise == NOISE, "measured when it was indexed; told here"
    for name in (*PLACES, "owner"):
        assert np.array_equal(getattr(found, name), getattr(fresh, name))
    question = np.ones(64, dtype=np.float32)
    rows = np.arange(len(fresh.spans))
    assert np.array_equal(found.vectors.scores(question, rows), fresh.vectors.scores(question, rows))
    unit = question[None, :] / 8
    assert np.array_equal(found.tokens.matches(unit, rows), fresh.tokens.matches(unit, rows))
    for name in ("passage_words", "sentence_words"):
        one, other = getattr(found, name), getattr(fresh, name)
        matches = [words.match(words.terms("the ferry of the harbour"), 1000) for words in (one, other)]
        assert all(np.array_equal(left, right) for left, right in zip(*matches, strict=True))
        assert len(one.holding("the ferry to the")) == len(other.holding("the ferry to the")) > 0
        assert sorted(one.vocabulary("f")) == sorted(other.vocabulary("f")) != []


def test_passages_and_sentences_are_numbered_by_document_then_place(library: Library) -> None:
    held = snapshot.build(library, lambda held: NOISE)
    assert [source.path for source in held.sources] == sorted(f"{subject}.md" for subject in SUBJECTS)
    assert held.first[0] == 0
    assert held.first[-1] == len(held.spans) == len(held.owner) == len(held.vectors) == len(held.sentence_words)
    assert len(held.document) == len(held.first) - 1 == len(held.passage_words)
    places = [
        (int(held.document[p]), int(start), int(end)) for p, (start, end) in zip(held.owner, held.spans, strict=True)
    ]
    assert places == sorted(places)
    assert set(held.document) == set(range(len(held.sources)))
    for position, source in enumerate(held.sources):
        text = library.document(source.id).text
        assert all(text[start:end].strip() for document, start, end in places if document == position)


def test_a_snapshot_of_nothing_can_be_made_and_asked(tmp_path: Path, settings: Callable[..., Settings]) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.docs.mkdir()
    shelf.index()
    library = Library.open(shelf.settings.index)
    found = loaded(library)
    assert found is not None
    assert (len(found.sources), len(found.spans), len(found.document), len(found.vectors)) == (0, 0, 0, 0)
    library.close()
    answer = shelf.ask(QUESTIONS[0])
    assert (answer.answered, answer.confidence, answer.passages, answer.citations) == (False, 0.0, (), ())


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    chance = random.Random(path.name)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("damage", [flipped, cut, emptied, lengthened, Path.unlink], ids=lambda f: f.__name__)
def test_a_snapshot_with_any_file_damaged_is_never_loaded(
    shelf: Shelf, library: Library, damage: Callable[[Path], None]
) -> None:
    assert loaded(library) is not None
    names = [path.relative_to(shelf.derived[0]).as_posix() for path in files(shelf)]
    assert {"manifest.json", "0/vectors.faiss", "0/texts.jsonl", "0/codes.npy", "passages/meta.json"} <= set(names)
    for path in files(shelf):
        whole = path.read_bytes()
        damage(path)
        found = loaded(library)
        # White space of the manifest means nothing.
        assert found is None or json.loads(path.read_bytes()) == json.loads(whole), path.name
        path.write_bytes(whole)
    assert loaded(library) is not None


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"null", b"7", b"{}", b"\xff", b'{"format": 1}', b'"text"', b"[" * 100_000],
    ids=lambda manifest: repr(manifest[:10]),
)
def test_a_manifest_that_is_none_is_no_error(shelf: Shelf, library: Library, manifest: bytes) -> None:
    (shelf.derived[0] / "manifest.json").write_bytes(manifest)
    assert loaded(library) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 0),
        ("birth", "0" * 32),
        ("commit", 1),
        ("commit", None),
        ("files", []),
        ("files", None),
        ("files", {"a/../../library.sqlite": "0"}),
    ],
)
def test_a_manifest_of_something_else_is_not_believed(shelf: Shelf, library: Library, name: str, value: object) -> None:
    path = shelf.derived[0] / "manifest.json"
    changed = json.loads(path.read_bytes()) | {name: value}
    path.write_text(json.dumps(changed))
    assert loaded(library) is None
    del changed["seal"]
    path.write_bytes(snapshot.sealed(changed))
    assert loaded(library) is None


def gone(shelf: Shelf) -> None:
    shutil.rmtree(shelf.settings.index / "derived")


def of_another_birth(shelf: Shelf) -> None:
    """The derived indexes of another library, at the same commit."""
    other = shelf.clean("other")
    assert [path.name for path in other.derived] == [path.name for path in shelf.derived]
    shutil.rmtree(shelf.settings.index / "derived")
    shutil.copytree(other.settings.index / "derived", shelf.settings.index / "derived")


def of_another_commit(shelf: Shelf) -> None:
    shelf.derived[0].rename(shelf.derived[0].with_name("1"))


def damaged(shelf: Shelf) -> None:
    flipped(shelf.derived[0] / "0" / "vectors.faiss")


def half_removed(shelf: Shelf) -> None:
    shutil.rmtree(shelf.derived[0] / "sentences")


@pytest.mark.parametrize(
    "harm", [gone, of_another_birth, of_another_commit, damaged, half_removed], ids=lambda f: f.__name__
)
def test_without_its_snapshot_an_engine_says_so_and_answers_the_same_and_indexing_mends_it(
    kept: Shelf, shelf: Shelf, harm: Callable[[Shelf], None]
) -> None:
    expected = [kept.ask(question) for question in QUESTIONS]
    harm(shelf)
    said: list[str] = []
    with shelf.engine(said) as engine:
        assert len(said) == 1
        assert "`qa index`" in said[0]
        for question, answer in zip(QUESTIONS, expected, strict=True):
            assert_same(engine.ask(question, limit=50), answer)
    assert len(said) == 1
    report = shelf.index()
    assert (report.unchanged, report.encoded, report.added, report.changed) == (len(SUBJECTS), 0, 0, 0)
    said.clear()
    with shelf.engine(said) as engine:
        for question, answer in zip(QUESTIONS, expected, strict=True):
            assert_same(engine.ask(question, limit=50), answer)
    assert said == []
    assert len(shelf.derived) == 1


def test_where_the_library_itself_is_damaged_that_is_what_is_said(shelf: Shelf) -> None:
    data = bytearray(shelf.library_file.read_bytes())
    for at in range(len(data) - 10):  # the name of a document, wherever it is kept
        if data[at : at + 10] == b"harbour.md":
            data[at] ^= 1
    shelf.library_file.write_bytes(data)
    said: list[str] = []
    with pytest.raises(IndexUnusable, match="damaged"), shelf.engine(said):
        pass
    assert said == []


def test_writing_leaves_one_snapshot_and_nothing_half_done(shelf: Shelf) -> None:
    shelf_folder = shelf.settings.index / "derived"
    (shelf_folder / ".new-left").mkdir()
    (shelf_folder / ".new-left" / "vectors.faiss").write_bytes(b"half")
    (shelf_folder / "1").mkdir()
    library = Library.open(shelf.settings.index, write=True)
    with library.writing():
        pass
    snapshot.write(library, lambda held: NOISE)
    assert [path.name for path in shelf.derived] == [str(library.commit)]
    assert loaded(library) is not None
    library.close()


def test_a_snapshot_that_cannot_be_made_leaves_the_old_one_alone(shelf: Shelf, library: Library) -> None:
    """Here: because the library is damaged."""
    before = {path: path.read_bytes() for path in files(shelf)}
    data = bytearray(shelf.library_file.read_bytes())
    data[data.index(b"Nobody remembers")] ^= 1
    shelf.library_file.write_bytes(data)
    writer = Library.open(shelf.settings.index, write=True)
    with pytest.raises(Exception, match="damaged"):
        snapshot.write(writer, lambda held: NOISE)
    writer.close()
    assert {path: path.read_bytes() for path in files(shelf)} == before
    assert len(shelf.derived) == 1


def test_whoever_may_read_the_index_folder_may_read_its_snapshot(shelf: Shelf) -> None:
    """Functions for temporary files make them for their owner alone."""
    shelf.settings.index.chmod(0o755)
    shutil.rmtree(shelf.settings.index / "derived")
    shelf.index()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in shelf.derived[0].rglob("*")}
    assert all(mode & 0o044 == 0o044 for mode in modes)
    assert stat.S_IMODE(shelf.derived[0].stat().st_mode) == 0o755


PROBE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from qa.engine import Engine
from qa.settings import Settings
index, model, cache, *questions = sys.argv[1:]
said = []
engine = Engine.open(Settings(Path(index), model, Path(cache), reader=""), said.append)
found = [[c.text for c in engine.ask(question, limit=50).citations] for question in questions]
engine.close()
print(json.dumps([said, found]))
"""


def test_an_index_on_read_only_ground_is_asked_without_a_word_and_left_as_it_was(kept: Shelf, shelf: Shelf) -> None:
    for path in shelf.settings.index.rglob("*.lock"):
        path.unlink()
    expected = [[citation.text for citation in kept.ask(question).citations] for question in QUESTIONS]
    everything = [shelf.settings.index, *shelf.settings.index.rglob("*")]
    modes = {path: path.stat().st_mode for path in everything}
    for path in everything:
        path.chmod(0o500 if path.is_dir() else 0o400)
    settings = shelf.settings
    command = [sys.executable, "-c", PROBE, str(settings.index), settings.model, str(settings.cache), *QUESTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_privileges, check=False)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[], expected]
    assert [shelf.settings.index, *shelf.settings.index.rglob("*")] == everything


def test_every_field_of_a_snapshot_is_compared_above() -> None:
    assert {field.name for field in fields(Snapshot)} == {
        *("birth", "commit", "maker", "sources", *PLACES),
        *("vectors", "tokens", "passage_words", "sentence_words", "headings", "noise", "pieces", "folder", "files"),
    }
