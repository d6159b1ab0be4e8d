"""Laws of formats: an index of any that was ever released is brought over whole, or refused with what to do."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from shelf import Shelf

from qa import lock
from qa.database import FILE, OLDER, flag
from qa.engine import Engine
from qa.errors import IndexBusy, IndexMissing, IndexUnusable
from qa.library import FORMAT, Library
from qa.migration import migrate
from qa.records import Model
from qa.settings import Settings

OLD = Path(__file__).with_name("old_indexes")


@pytest.fixture(params=sorted(OLD.glob("format-*.zip")), ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with an index of an older format, and the answers that it gave."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_there_is_an_index_of_each_format_before_this_one() -> None:
    numbers = {path.stem.removeprefix("format-") for path in OLD.glob("format-*.zip")}
    assert set(OLDER) == {str(number) for number in range(1, FORMAT)}
    assert set(OLDER) <= numbers


def test_an_older_index_is_refused_with_the_command_and_answers_after_it_as_it_did(
    old: Path, model: Model, model_cache: Path, tmp_path: Path
) -> None:
    folder = old / "index"
    number = int(sqlite3.connect(folder / FILE).execute("SELECT value FROM meta WHERE name = 'format'").fetchone()[0])
    if number != FORMAT:
        with pytest.raises(IndexUnusable, match=f"format {number}; this version reads format {FORMAT}") as caught:
            Library.open(folder)
        assert caught.value.remedy == f"Bring it over: qa migrate{flag(folder)}"
    assert migrate(folder) == number
    assert migrate(folder) == FORMAT
    settings = Settings(folder, cache=model_cache, reader="")
    expected: dict[str, list[tuple[str, float]]] = json.loads((old / "answers.json").read_text("utf-8"))
    engine = Engine.open(settings)
    for question, answers in expected.items():
        found = engine.ask(question).citations
        assert [citation.text for citation in found] == [text for text, _ in answers]
        # Other processors round the question's vector elsewhere.
        assert all(abs(c.score - score) < 0.05 for c, (_, score) in zip(found, answers, strict=True))
        assert {citation.stale for citation in found} == {"missing"}
    documents = dict(engine.documents())
    assert [problem["path"] for problem in engine.status()["problems"]] == ["empty.md"]
    # And as one of this version does, of the same texts.
    shelf = Shelf(tmp_path / "documents", Settings(tmp_path / "new", cache=model_cache))
    for source, document in documents.items():
        shelf.write(source.path, document.text)
    shelf.index()
    for question in expected:
        one, other = engine.ask(question), shelf.ask(question, limit=10)
        assert [(c.text, c.score) for c in one.citations] == [
            (c.text, pytest.approx(c.score, abs=1e-6)) for c in other.citations
        ]
    engine.close()


def test_an_older_index_that_is_damaged_is_left_as_it_was(tmp_path: Path) -> None:
    damages: list[tuple[str, Any]] = [
        ("UPDATE documents SET title = 'Other'", "about document"),
        ("UPDATE documents SET text = CAST('Other' AS BLOB)", "of document"),
        ("UPDATE passages SET encoding = zeroblob(length(encoding))", "an encoding"),
    ]
    for number, (statement, named) in enumerate(damages):
        with zipfile.ZipFile(OLD / "format-1.zip") as archive:
            archive.extractall(tmp_path / str(number))
        folder = tmp_path / str(number) / "index"
        connection = sqlite3.connect(folder / FILE)
        with connection:
            connection.execute(statement)
        connection.close()
        before = (folder / FILE).read_bytes()
        with pytest.raises(IndexUnusable, match=named):
            migrate(folder)
        assert (folder / FILE).read_bytes() == before
        shutil.rmtree(folder)


def test_nothing_is_brought_over_where_there_is_no_index_or_another_writer(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        migrate(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with zipfile.ZipFile(OLD / "format-1.zip") as archive:
        archive.extractall(tmp_path)
    with lock.writer(tmp_path / "index", "qa index"), pytest.raises(IndexBusy):
        migrate(tmp_path / "index")
