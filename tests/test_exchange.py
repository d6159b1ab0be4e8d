"""Laws of exports: what is written as lines is the index, and what is not whole is not taken in."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shelf import QUESTIONS, Shelf, assert_same, story
from test_health import answered
from test_library import MAKER, everything, put, read, root_of

from qa import exchange, health, lock
from qa.errors import IndexBusy, IndexMissing, UsageError
from qa.library import Library
from qa.records import Problem
from qa.settings import Settings


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of two folders with files that could not be read, and something forgotten."""
    maker = replace(MAKER, model=str(tmp_path))
    library = Library.create(tmp_path / "index", maker, forgotten="d_0123456789abcdef d_f123456789abcdef")
    one, other = (root_of(library, path) for path in ("/a/docs", "/b/docs"))
    put(library, read(one, "ü 🦀.txt"), read(one, "b.txt"), read(other, "b.txt", mark="bb"))
    with library.writing():
        library.set_problems(other, [Problem("c.pdf", "is empty", "Look at it.")])
    library.close()
    return tmp_path / "index"


def exported(folder: Path, **options: bool) -> bytes:
    out = io.BytesIO()
    exchange.export(folder, out, **options)
    return out.getvalue()


def settings_of(folder: Path) -> Settings:
    return Settings(folder, cache=folder.parent / "cache")


def test_an_import_is_the_index_that_was_exported(index: Path, tmp_path: Path) -> None:
    lines = exported(index)
    told: list[tuple[int, int]] = []
    copy = tmp_path / "copy"
    count = exchange.import_(
        io.BytesIO(lines), settings_of(copy), progress=lambda done, total: told.append((done, total))
    )
    assert (count, told) == (3, [(1, 3), (2, 3), (3, 3)])
    assert everything(copy)[1:] == everything(index)[1:]
    assert answered(copy)[0] == answered(index)[0]
    one, other = Library.open(index), Library.open(copy)
    assert (one.roots(), one.maker, one.problems(), one.forgotten()) == (
        *(other.roots(), other.maker, other.problems(), other.forgotten()),
    )
    one.close()
    other.close()
    assert exported(copy) == lines
    assert health.verify(copy).damages == ()
    assert {path.name for path in copy.iterdir()} <= {
        *("library.sqlite", "library.sqlite-shm", "library.sqlite-wal", "library.imprint", "lock"),
    }


def test_each_line_is_plain_json_with_the_text_in_it(index: Path) -> None:
    head, *documents, end = [json.loads(line) for line in exported(index).splitlines()]
    assert (head["qa"], head["version"], head["documents"]) == ("index", exchange.VERSION, 3)
    assert end["end"] == 3
    texts = [row["text"] for row in documents if "text" in row]
    assert len(texts) == 3 and "The ferry leaves at noon." in texts[0]
    assert all("vectors" in passage for row in documents for passage in row.get("passages", []))
    assert b'"vectors": "' not in exported(index, vectors=False)


def test_what_is_not_whole_or_not_what_was_written_is_not_taken_in(index: Path, tmp_path: Path) -> None:
    lines = exported(index)
    rows = lines.splitlines(keepends=True)
    chance = random.Random(3)
    broken = [b"", b"{}", b"[]\n", b"null\n", lines[:-2], b"".join(rows[:-1]), lines + b"{}\n", b"".join(rows[1:])]
    broken += [b"".join(rows[:1] + rows[2:]), b"".join([*rows[:2], *rows[1:]])]
    for _ in range(40):
        at = chance.randrange(len(lines))
        broken.append(lines[:at] + bytes([lines[at] ^ 1 << chance.randrange(8)]) + lines[at + 1 :])
    for data in broken:
        with pytest.raises(UsageError) as caught:
            exchange.import_(io.BytesIO(data), settings_of(tmp_path / "copy"))
        assert caught.value.remedy
        with pytest.raises(IndexMissing):
            Library.open(tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["lock"]


def test_no_document_is_taken_in_that_would_lie_outside_of_its_folder(index: Path, tmp_path: Path) -> None:
    for path in ("/etc/hostname", "../b.txt", "a/../../b.txt"):
        data = exported(index).replace(b'"path": "b.txt"', f'"path": "{path}"'.encode())
        with pytest.raises(UsageError, match="outside of its folder"):
            exchange.import_(io.BytesIO(data), settings_of(tmp_path / "copy"))


def test_nothing_is_taken_in_over_an_index_or_beside_another_writer(index: Path, tmp_path: Path) -> None:
    lines = exported(index)
    with pytest.raises(UsageError, match="already"):
        exchange.import_(io.BytesIO(lines), settings_of(index))
    with lock.writer(tmp_path / "copy", "qa index"), pytest.raises(IndexBusy):
        exchange.import_(io.BytesIO(lines), settings_of(tmp_path / "copy"))


def test_with_vectors_or_without_an_import_answers_as_the_index_did(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("harbour.md", story("harbour"))
    shelf.write("bridge.md", story("bridge"))
    shelf.index()
    for vectors in (True, False):
        copy = replace(shelf, settings=replace(shelf.settings, index=tmp_path / f"copy-{vectors}"))
        exchange.import_(io.BytesIO(exported(shelf.settings.index, vectors=vectors)), copy.settings)
        for question in QUESTIONS:
            assert_same(copy.ask(question), shelf.ask(question))
        assert copy.index().unchanged == 2
