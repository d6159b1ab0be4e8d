"""Laws of verification: whatever befalls a file of an index is found and named, and is not answered from."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_library import everything, filled, put, read, root_of

from qa import disk, health, imprint, lock, piece, snapshot
from qa.database import FILE, seal
from qa.errors import IndexBusy, IndexMissing, QAError
from qa.library import Library
from qa.snapshot import PLACES

Harm = Callable[[bytes, random.Random], bytes]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return made(tmp_path)


def made(tmp_path: Path) -> Path:
    """An index with a past: documents were changed and removed, so its file has free pages and room between rows, and
    its snapshot is of pieces, most of which were an earlier one's."""
    folder = tmp_path / "index"
    filled(folder)
    library = Library.open(folder, write=True)
    root = library.roots()[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piece, "LEAST_SENTENCES", 1)
        before = snapshot.write(library, lambda held: 0.25)
        put(library, read(root, "3.txt"))
        with library.writing():
            for source in library.sources()[:2]:
                library.remove(source.id)
        after = snapshot.write(library, lambda held: 0.25, before)
    assert len(set(after.pieces) & set(before.pieces)) > 5
    imprint.renew(library)
    library.close()
    return folder


def bit(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def byte(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([(data[at] + chance.randrange(1, 256)) % 256]) + data[at + 1 :]


def truncation(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def zeroes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    length = chance.choice([1, 16, 512, 4096])
    return data[:at] + bytes(min(length, len(data) - at)) + data[at + length :]


def swap(data: bytes, chance: random.Random) -> bytes:
    """Two stretches change places, where they can be whole pages."""
    length = 4096 if len(data) > 8192 else max(1, len(data) // 8)
    one, other = sorted(chance.sample(range(max(2, len(data) // length)), 2))
    a, b = one * length, other * length
    return data[:a] + data[b : b + length] + data[a + length : b] + data[a : a + length] + data[b + length :]


HARMS: tuple[Harm, ...] = (bit, byte, truncation, zeroes, swap)


def answered(folder: Path) -> list[Any]:
    """All that answers are made of, as an engine comes by it: the snapshot on disk or one made anew, and documents."""
    library = Library.open(folder)
    try:
        with library.reading():
            held = snapshot.load(library)
        held = held or snapshot.build(library, lambda _: 0.25)
        question = np.ones(library.maker.dimensions, dtype=np.float32)
        rows = np.arange(len(held.spans))
        words = [held.passage_words, held.sentence_words]
        return [
            # A heading has a number in each piece, and float32 sums end in other digits in other pieces.
            [
                *(getattr(held, name).tolist() for name in PLACES if name != "heading"),
                *(held.headings.naming(word)[held.heading].tolist() for word in ("T3", "T5", "ferry")),
            ],
            (held.birth, held.commit, held.noise, held.sources),
            held.vectors.scores(question, rows).tolist(),
            held.tokens.matches(question[None, :] / 2, rows).tolist(),
            [
                [part.round(4).tolist() for part in lexicon.match(lexicon.terms("the ferry leaves year 5"), 99)]
                for lexicon in words
            ],
            [sorted(lexicon.vocabulary("")) for lexicon in words],
            everything(folder),
        ]
    finally:
        library.close()


def files(folder: Path) -> list[Path]:
    """Every file with something in it; what SQLite shares in memory is made anew by whoever opens the library first."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith("-shm"))
    return [path for path in found if path.stat().st_size]


def damages(folder: Path, times: int, seed: int) -> Iterator[tuple[Path, Harm]]:
    """Harm files of an index, the library as often as all others, one at a time; each is put right afterwards."""
    chance = random.Random(seed)
    paths = files(folder)
    library = folder / FILE
    kinds = {FILE, imprint.FILE, "manifest.json", "meta.json", "vectors.faiss", "codes.npy", "texts.jsonl"}
    assert {path.name for path in paths} >= kinds
    for number in range(times):
        path = library if number % 2 else chance.choice(paths)
        harm = chance.choice(HARMS)
        whole = path.read_bytes()
        changed = harm(whole, chance)
        if changed != whole:
            path.write_bytes(changed)
            yield path, harm
            for left in (f"{FILE}-wal", f"{FILE}-shm"):
                (folder / left).unlink(missing_ok=True)
            path.write_bytes(whole)


def run(folder: Path, times: int, seed: int) -> int:
    expected = answered(folder)
    found = 0
    for path, harm in damages(folder, times, seed):
        what = f"{harm.__name__} in {path.relative_to(folder)}"
        named = {damage.where for damage in health.verify(folder).damages}
        assert path.relative_to(folder).as_posix() in named, f"not found: {what}"
        try:
            assert answered(folder) == expected, f"answered from: {what}"
        except QAError as error:
            assert "damaged" in error.what or "format" in error.what, f"not named: {what}: {error}"
        found += 1
    assert health.verify(folder).damages == ()
    return found


def test_any_damage_to_any_file_is_found_and_named_and_not_answered_from(index: Path) -> None:
    assert run(index, 40, seed=1) > 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_any_of_many_damages_to_any_file_is_found_and_named_and_not_answered_from(index: Path, seed: int) -> None:
    assert run(index, 330, seed) > 300


def test_an_index_that_is_whole_is_said_to_be(index: Path) -> None:
    told: list[tuple[int, int]] = []
    found = health.verify(index, progress=lambda done, total: told.append((done, total)))
    assert (found.damages, found.notes, found.documents) == ((), (), 10)
    assert told[-1] == (10, 10)
    assert found.bytes >= sum(path.stat().st_size for path in files(index))


def test_what_is_damaged_is_named_by_document_where_it_can_be(index: Path) -> None:
    file = index / FILE
    data = bytearray(file.read_bytes())
    data[data.index(b"In year 7")] ^= 1
    file.write_bytes(data)
    library = Library.open(index)
    (hurt,) = [source.id for source in library.sources() if source.path == "7.txt"]
    library.close()
    found = health.verify(index)
    assert hurt in {damage.document for damage in found.damages}
    assert {damage.where for damage in found.damages} == {FILE}
    assert any("bytes" in damage.what for damage in found.damages)


def test_what_a_killed_writer_left_is_a_note_and_no_damage(index: Path) -> None:
    (index / "derived" / ".new-left").mkdir()
    library = Library.open(index, write=True)
    root_of(library, "/later")
    library.close()
    found = health.verify(index)
    assert found.damages == ()
    assert len(found.notes) == 4
    (index / imprint.FILE).unlink()
    assert health.verify(index).damages == ()


def hashed_as_before(index: Path) -> None:
    """Has imprint and manifest say what they said when files were hashed by SHA-256."""
    data = (index / FILE).read_bytes()
    found = json.loads(json.loads((index / imprint.FILE).read_text("utf-8"))["stated"])
    assert found.pop("way") == disk.BLAKE3
    chunks = [data[at : at + imprint.CHUNK] for at in range(0, len(data), imprint.CHUNK)]
    stated = json.dumps(found | {"chunks": [hashlib.sha256(chunk).hexdigest() for chunk in chunks]}, ensure_ascii=False)
    (index / imprint.FILE).write_text(json.dumps({"stated": stated, "seal": seal(stated).hex()}), "utf-8")
    (folder,) = (index / snapshot.FOLDER).iterdir()
    said = json.loads((folder / snapshot.MANIFEST).read_text("utf-8"))
    del said["seal"]
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in said["files"]}
    (folder / snapshot.MANIFEST).write_bytes(snapshot.sealed({**said, "format": snapshot.LAST_SHA256, "files": hashes}))


def test_what_was_hashed_by_an_earlier_version_is_checked_by_that(index: Path) -> None:
    hashed_as_before(index)
    assert health.verify(index).damages == ()
    for path in (index / FILE, max((index / snapshot.FOLDER).rglob("*"), key=lambda path: path.stat().st_size)):
        whole = path.read_bytes()
        path.write_bytes(bit(whole, random.Random(1)))
        named = path.relative_to(index).as_posix()
        assert named in {damage.where for damage in health.verify(index).damages}
        path.write_bytes(whole)
    library = Library.open(index)
    with library.reading():
        assert snapshot.load(library) is None, "it is made again"
    library.close()


def test_hashes_of_an_unknown_kind_are_not_taken_for_right(index: Path) -> None:
    stated = json.loads((index / imprint.FILE).read_text("utf-8"))["stated"].replace(disk.BLAKE3, "crc32")
    (index / imprint.FILE).write_text(json.dumps({"stated": stated, "seal": seal(stated).hex()}), "utf-8")
    (damage,) = health.verify(index).damages
    assert damage.where == imprint.FILE and "crc32" in damage.what


@pytest.mark.parametrize("size", [0, 1, disk.READ_BYTES - 1, disk.READ_BYTES, 3 * disk.READ_BYTES + 7])
def test_a_file_has_the_hash_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(data)
    assert disk.digest(tmp_path / "file", disk.SHA256) == hashlib.sha256(data).hexdigest()
    assert disk.digest(tmp_path / "file") == disk.hashed(data)
    # The first of the test vectors that BLAKE3's authors published.
    assert disk.hashed(b"") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_commits_that_a_damaged_log_lost_are_missed(index: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    shutil.copytree(index, earlier)
    library = Library.open(index, write=True)
    root_of(library, "/later")
    imprint.renew(library)
    library.close()
    shutil.copyfile(earlier / FILE, index / FILE)
    assert any("lost commits" in damage.what for damage in health.verify(index).damages)


def test_verification_changes_nothing_and_waits_for_writers(index: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in files(index)}
    health.verify(index)
    assert {path: path.read_bytes() for path in files(index)} == before
    with lock.writer(index, "qa index"), pytest.raises(IndexBusy):
        health.verify(index)
    with pytest.raises(IndexMissing):
        health.verify(tmp_path / "none")
    assert not (tmp_path / "none").exists()
