"""Laws of what an answer says that it did not search: it is so, and it is said at every door."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from reportlab.pdfgen.canvas import Canvas
from shelf import QUESTIONS, Shelf, story

from qa import candidates, cli, coverage, drift, payload, terminal
from qa.engine import Engine
from qa.records import Answer, Coverage
from qa.settings import Settings
from qa.web import create_app


@pytest.fixture
def shelf(tmp_path: Path, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(coverage, "PATIENCE_S", 60.0)  # other programs may keep the machine busy
    monkeypatch.setattr(coverage, "FRESH_S", 0.0)
    monkeypatch.setattr(coverage, "REST", 0)
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("a.md", story("harbour"))
    return shelf


def scans(pages: int) -> bytes:
    """A PDF of one page of text, and others that show a shape."""
    file = io.BytesIO()
    canvas = Canvas(file)
    canvas.drawString(72, 720, "The tower has four bells.")
    for _ in range(pages):
        canvas.showPage()
        canvas.rect(100, 100, 200, 200, fill=1)
    canvas.save()
    return file.getvalue()


def test_an_answer_counts_what_it_was_not_searched_for_and_goes_on_counting(shelf: Shelf, tmp_path: Path) -> None:
    shelf.write("scan.pdf", scans(3))
    shelf.write("broken.pdf", b"%PDF-1.7 cut short")
    shelf.write("picture.png", b"of another type")
    shelf.index()

    def covered() -> Coverage:
        return engine.ask(QUESTIONS[0]).index.coverage

    with shelf.engine() as engine:
        whole = Coverage(1, 1, 3, pending=0, changed=0, missing=0, absent=())
        assert covered() == whole
        shelf.write("b.md", story("bridge"))
        assert covered() == Coverage(1, 1, 3, pending=1, changed=0, missing=0, absent=())
        shelf.write("a.md", story("harbour", edition=100))
        (shelf.docs / "scan.pdf").unlink()
        assert covered() == Coverage(1, 1, 3, pending=1, changed=1, missing=1, absent=())
        assert engine.status()["coverage"]["changed"] == 1
        shelf.index()
        assert covered() == Coverage(1, 0, 0, pending=0, changed=0, missing=0, absent=())
        shelf.docs.rename(tmp_path / "unmounted")
        assert covered().absent == (str(shelf.docs),)
        assert [folder["there"] for folder in engine.status()["folders"]] == [False]


def test_a_folder_that_does_not_answer_costs_an_answer_a_moment_and_is_not_guessed_at(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.index()
    answering, look = threading.Event(), drift.look
    monkeypatch.setattr(drift, "look", lambda *given: answering.wait(60) and look(*given))
    monkeypatch.setattr(coverage, "PATIENCE_S", 0.05)
    with shelf.engine() as engine:
        began = time.monotonic()
        assert engine.ask(QUESTIONS[0]).index.coverage == Coverage()
        assert time.monotonic() - began < 30
        answering.set()
        end = time.monotonic() + 60
        while engine.ask(QUESTIONS[0]).index.coverage.pending != 0:
            assert time.monotonic() < end


def test_the_folders_are_looked_at_beside_what_finds_the_answer(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.index()
    began, look, find = threading.Event(), drift.look, candidates.find

    def looked(*given: Any) -> Any:
        began.set()
        return look(*given)

    def found(*given: Any) -> Any:
        assert began.wait(60)
        return find(*given)

    with shelf.engine() as engine:
        engine.ask(QUESTIONS[0])
        monkeypatch.setattr(drift, "look", looked)
        monkeypatch.setattr(candidates, "find", found)
        shelf.write("b.md", story("bridge"))
        assert engine.ask(QUESTIONS[0]).index.coverage.pending == 1


def test_words_name_each_thing_that_was_not_searched_and_nothing_when_all_was() -> None:
    assert coverage.words(Coverage()) == coverage.words(Coverage(0, 0, 0, 0, 0, 0, ())) == []
    assert coverage.words(Coverage(1, 1, 1, 1, 1, 1, ("/a",))) == [
        "1 file is not indexed yet",
        "1 document has changed since",
        "1 document is no longer on disk",
        "1 folder is not there",
        "1 file could not be read",
        "1 scanned page was not searched",
    ]
    assert coverage.words(Coverage(scanned_pages=1200)) == ["1,200 scanned pages were not searched"]


def test_what_was_not_searched_is_said_at_every_door(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.index()
    shelf.write("b.md", story("bridge"))
    question = "Is zinc toxic to penguins?"
    said = "1 file is not indexed yet"
    with shelf.engine() as engine:
        answer = engine.ask(question)
        told = payload.answer_to_json(answer)["index"]["coverage"]
        assert told == {
            name: 1 if name == "pending" else [] if name == "absent" else 0
            for name in ("failed", "partly", "scanned_pages", "pending", "changed", "missing", "absent")
        }
        client = create_app(engine).test_client()
        page = client.get("/", query_string={"q": question}).get_data(as_text=True)
        assert f"Not covered: {said}." in page
        reply = client.get("/api/v1/query", query_string={"q": question})
        assert reply.get_json()["index"]["coverage"] == told
        terminal.show(answer)
        assert f"Not covered: {said}" in capsys.readouterr().out
        assert any(said in line for line in terminal.status(engine.status(), only_problems=False))
    made = shelf.settings
    variables = {"QA_INDEX": str(made.index), "QA_MODEL": made.model, "QA_CACHE": str(made.cache)}
    piped = CliRunner().invoke(cli.ask, [question, "--min-confidence", "1"], env=variables)
    assert piped.exit_code == 1
    assert f"Not covered: {said}" in piped.stderr


def test_a_touched_file_counts_as_changed_until_it_is_read_and_is_then_no_more(shelf: Shelf) -> None:
    shelf.index()
    os.utime(shelf.docs / "a.md", ns=(10**18, 10**18))
    with shelf.engine() as engine:
        answer: Answer = engine.ask(QUESTIONS[0])
        assert answer.index.coverage.changed == 1
        assert {citation.stale for citation in answer.citations} == {""}
        shelf.index()
        assert engine.ask(QUESTIONS[0]).index.coverage.changed == 0


def test_an_engine_that_is_opened_twice_says_the_same(shelf: Shelf) -> None:
    shelf.index()
    with shelf.engine() as one:
        other = Engine.open(shelf.settings)
        assert one.ask(QUESTIONS[0]).index == other.ask(QUESTIONS[0]).index
        other.close()
