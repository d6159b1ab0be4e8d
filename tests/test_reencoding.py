"""Laws of changing over to another model: all at once, from stored text, and as if it had been that model always."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shelf import QUESTIONS, SUBJECTS, Shelf, assert_same, story

from qa import health, reencoding, snapshot, web
from qa.engine import Engine
from qa.errors import IndexUnusable
from qa.indexing import Indexer
from qa.models import DEFAULT
from qa.records import Model
from qa.settings import Settings


@pytest.mark.slow
def test_an_index_changes_over_from_its_text_alone_while_the_old_one_serves(
    tmp_path: Path, settings: Callable[..., Settings], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencoding, "BATCH_PASSAGES", 2)
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("harbour.md", story("harbour"))
    shelf.write("deep/bridge.md", story("bridge"))
    shelf.index()
    new = replace(shelf.settings, model=DEFAULT)
    with pytest.raises(IndexUnusable, match=model.fingerprint) as caught:
        Shelf(shelf.docs, new).index()
    assert "--reencode" in caught.value.remedy
    engine = Engine.open(shelf.settings)
    shelf.docs.rename(tmp_path / "away")
    old = engine.ask(QUESTIONS[0], limit=50)

    def asked(done: int, total: int) -> None:
        assert_same(engine.ask(QUESTIONS[0], limit=50), old)
        if done == 1 and not killed:
            killed.append(done)
            raise KeyboardInterrupt

    killed: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        reencoding.reencode(new, progress=asked)
    assert health.verify(shelf.settings.index).damages == ()
    done = reencoding.reencode(new, progress=asked)
    assert 0 < done.encoded < 6
    assert (done.old.model, done.new.model) == (shelf.settings.model, DEFAULT)
    assert reencoding.reencode(new).encoded == 0
    (tmp_path / "away").rename(shelf.docs)
    changed = Shelf(shelf.docs, new)
    assert changed.index().unchanged == 2
    clean = changed.clean("clean")
    for question in QUESTIONS:
        assert_same(changed.ask(question), clean.ask(question))
        assert_same(engine.ask(question, limit=50), clean.ask(question))
    engine.close()
    found = health.verify(new.index)
    assert (found.damages, found.notes) == ((), ())
    shutil.rmtree(clean.settings.index)


def test_a_server_goes_on_with_the_old_model_and_takes_up_the_new_one_with_its_vectors(
    tmp_path: Path, settings: Callable[..., Settings], other_small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencoding, "BATCH_PASSAGES", 1)
    shelf = Shelf(tmp_path / "docs", settings())
    for subject in SUBJECTS[:3]:
        shelf.write(f"{subject}.md", story(subject))
    shelf.index()
    indexer = Indexer(shelf.settings)  # of the server's follower, which finds nothing to do yet
    changed = Shelf(shelf.docs, replace(shelf.settings, model=other_small_model))
    expected = {each.settings.model: answers(each) for each in (shelf, changed.clean("clean"))}
    found: list[tuple[int, dict[str, Any]]] = []
    done = threading.Event()
    with shelf.engine() as engine:
        app = web.create_app(engine)

        def ask(question: str) -> None:
            while not done.is_set():
                reply = app.test_client().get("/api/v1/query", query_string={"q": question, "limit": 50})
                found.append((reply.status_code, reply.get_json()))

        threads = [threading.Thread(target=ask, args=(question,)) for question in QUESTIONS[:4]]
        for thread in threads:
            thread.start()
        try:
            reencoding.reencode(changed.settings)
            until = time.monotonic() + 30
            while found[-1][1].get("model") != other_small_model and time.monotonic() < until:
                time.sleep(0.01)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert {status for status, _ in found} == {200}
        assert {answer["model"] for _, answer in found} == {shelf.settings.model, other_small_model}
        for _, answer in found:
            assert facts(answer) == expected[answer["model"]][answer["query"]]
        shelf.write(f"{SUBJECTS[3]}.md", story(SUBJECTS[3]))
        report = indexer.bring()
        assert (report.added, report.unchanged) == (1, 3)
        assert_same(engine.ask(QUESTIONS[0], limit=50), changed.clean("clean-again").ask(QUESTIONS[0]))


def test_between_the_change_and_its_snapshot_whoever_comes_gets_the_old_model_with_the_old_vectors(
    tmp_path: Path, settings: Callable[..., Settings], other_small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.write("harbour.md", story("harbour"))
    shelf.index()
    old = shelf.ask(QUESTIONS[0])
    looked: list[str] = []
    write = snapshot.write

    def look(*given: Any) -> snapshot.Snapshot:
        for answer in (engine.ask(QUESTIONS[0], limit=50), shelf.ask(QUESTIONS[0])):
            assert_same(answer, old)
            looked.append(answer.index.model)
        return write(*given)

    with shelf.engine() as engine:
        monkeypatch.setattr(snapshot, "write", look)
        reencoding.reencode(replace(shelf.settings, model=other_small_model))
        assert looked == [shelf.settings.model] * 2
        assert engine.ask(QUESTIONS[0]).index.model == other_small_model


def answers(shelf: Shelf) -> dict[str, dict[str, Any]]:
    """What a server over the index of a shelf says to questions."""
    with shelf.engine() as engine:
        client = web.create_app(engine).test_client()
        asked = {"limit": 50}
        return {q: facts(client.get("/api/v1/query", query_string={"q": q, **asked}).get_json()) for q in QUESTIONS[:4]}


def facts(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the web without what differs from one time, or one build, to another."""
    return {**answer, "took_ms": 0, "index": {**answer["index"], "commit": 0, "coverage": None}}
