"""A program that fills the disk of an index to the last byte, then asks and deletes, and says as JSON what it saw.

python full_disk.py DISK MODEL CACHE
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import likeness
from shelf import QUESTIONS, Shelf, story

from qa import forgetting, health
from qa.errors import UsageError
from qa.indexing import Indexer
from qa.settings import Settings


def main(disk: Path, model: str, cache: Path) -> dict[str, object]:
    shelf = Shelf(disk.with_name("docs"), Settings(disk / "index", model=model, cache=cache, reader=""))
    for number in range(40):
        shelf.write(f"{number}.md", story(f"house {number}"))
    more = disk.with_name("more")
    more.mkdir()
    for number in range(40):
        (more / f"{number}.md").write_text(story(f"garden {number}"), "utf-8")
    shelf.index(shelf.docs, more)
    told: dict[str, object] = {}
    for said, path in (("deleting", shelf.docs / "1.md"), ("dropping", more)):
        _fill(disk / said)
        told[f"free before {said}"] = shutil.disk_usage(disk).free
        told[f"asked before {said}"] = _asked(shelf)
        before = likeness.mark(shelf.settings.index)
        try:
            forgetting.forget(["docs/39.md" if path.is_dir() else "docs/31.md"], shelf.settings)
        except UsageError as error:
            told[f"forgetting before {said}"] = str(error)
        told[f"changed by forgetting before {said}"] = likeness.mark(shelf.settings.index) != before
        told[f"asked after forgetting before {said}"] = _asked(shelf)
        shelf.write("new.md", story("castle"))
        try:
            shelf.index()
        except UsageError as error:
            told[f"adding before {said}"] = str(error)
        told[f"asked after adding before {said}"] = _asked(shelf)
        (shelf.docs / "new.md").unlink()
        if path.is_dir():
            told[said] = Indexer(shelf.settings).drop(path)
        else:
            for number in range(1, 31):
                (shelf.docs / f"{number}.md").unlink()
            told[said] = shelf.index().removed
        told[f"asked after {said}"] = _asked(shelf)
        found = health.verify(shelf.settings.index)
        told[f"verified after {said}"] = [*map(str, found.damages), *found.notes]
    return told


def _fill(file: Path) -> None:
    with file.open("wb", 0) as junk:
        try:
            while True:
                junk.write(bytes(4096))
        except OSError:
            pass


def _asked(shelf: Shelf) -> int:
    """How many documents a question finds."""
    with shelf.engine() as engine:
        engine.ask(QUESTIONS[0])
        return int(engine.status()["documents"])


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
