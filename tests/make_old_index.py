"""Makes a tiny index of the format that this version writes, with the answers it gives, to keep beside the tests.

    python tests/make_old_index.py tests/old_indexes/format-N.zip

Run once for each format, by the version that has it, before the next one is written. The default model is used, whose
fingerprint does not change. The documents are gone afterwards: what is kept is the index alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

from qa import indexing
from qa.engine import Engine
from qa.settings import Settings

HOME = Path("/tmp/qa-old-index")

TEXTS = {
    "ferry.md": "# Ferries\n\nThe ferry to Ushant sails at nine from the old quay. It is blue.\n\n"
    "## Fares\n\nA crossing costs 34 crowns; children and dogs travel free.\n",
    "letters/keeper.txt": "The lighthouse was repaired by Ada Byron after the storm of 1987.\nNobody thanked her.\n",
}

QUESTIONS = ("When does the ferry to Ushant sail?", "Who repaired the lighthouse?", "What does a crossing cost?")


def main(target: Path) -> None:
    shutil.rmtree(HOME, ignore_errors=True)
    for name, text in TEXTS.items():
        path = HOME / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        os.utime(path, ns=(10**18, 10**18))
    (HOME / "documents" / "empty.md").touch()
    cache = os.environ.get("QA_CACHE")
    settings = Settings(HOME / "index", cache=Path(cache) if cache else None)
    indexing.index([HOME / "documents"], settings)
    engine = Engine.open(settings)
    answers = {question: [(c.text, c.score) for c in engine.ask(question).citations] for question in QUESTIONS}
    engine.close()
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((HOME / "index").rglob("*")):
            if path.is_file() and path.name != "lock":
                archive.write(path, path.relative_to(HOME))
        archive.writestr("answers.json", json.dumps(answers, indent=1))
    shutil.rmtree(HOME)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
