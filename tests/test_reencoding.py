"""Laws of changing over to another model: all at once, from stored text, and as if it had been that model always."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shelf import QUESTIONS, Shelf, assert_same, story

from qa import health, reencoding
from qa.engine import Engine
from qa.errors import IndexUnusable
from qa.models import DEFAULT
from qa.records import Model
from qa.settings import Settings


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
    old = shelf.ask(QUESTIONS[0])
    engine = Engine.open(shelf.settings)
    shelf.docs.rename(tmp_path / "away")

    def asked(done: int, total: int) -> None:
        assert [c.text for c in engine.ask(QUESTIONS[0], limit=50).citations] == [c.text for c in old.citations]
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
    with pytest.raises(IndexUnusable) as caught:
        engine.ask(QUESTIONS[0])
    assert "Start this program again" in caught.value.remedy
    engine.close()
    (tmp_path / "away").rename(shelf.docs)
    changed = Shelf(shelf.docs, new)
    assert changed.index().unchanged == 2
    clean = changed.clean("clean")
    for question in QUESTIONS:
        assert_same(changed.ask(question), clean.ask(question))
    found = health.verify(new.index)
    assert (found.damages, found.notes) == ((), ())
    shutil.rmtree(clean.settings.index)
