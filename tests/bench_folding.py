"""How folding and the weight of boilerplate were chosen. `python tests/bench_folding.py SET_DIR` prints both tables.

The first says, by the share of shingles asked for, how many passages of the set are folded under a copy of themselves
with one word in so many exchanged for another, and how many under any other passage of the set. The second adds four
pieces of boilerplate on subjects of the set to every document and asks the set's questions, by the weight.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from unittest.mock import patch

from qa import evaluation, folding, indexing, ranking
from qa.engine import Engine
from qa.settings import settle

SHARES = (0.7, 0.8, 0.9, 0.95)
EVERY = (100, 50, 20, 10)
"""One word in so many is another in a copy."""

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5)

PIECES = (
    "Subscribe to our newsletter for all questions about {} and what happened when, where and why, and who did it.",
    "We use cookies to learn what readers of {} want to know; by reading on you agree to how many we set.",
    "Home, News, History, People, Places and more about {}: who, when, where, how many and what it cost.",
    "Copyright of the publishers of this page on {}; no part of it may be used when nobody who owns it was asked.",
)


def passages(docs: Path) -> list[tuple[str, str]]:
    found = [(path.name, part) for path in sorted(docs.iterdir()) for part in path.read_text("utf-8").split("\n\n")]
    return [(name, part) for name, part in found if len(part.split()) >= 30]


def folded(docs: Path) -> None:
    chance = Random(7)
    given = chance.sample(passages(docs), min(1000, len(passages(docs))))
    vocabulary = [word for _, part in given for word in part.split()]
    print(f"{'shingles':10s}" + "".join(f"{f'1 in {n}':>10s}" for n in EVERY) + f"{'others':>10s}")
    for share in SHARES:
        with patch.object(folding, "NEARLY", share):
            row = []
            for every in EVERY:
                hits = 0
                for _, part in given:
                    words = [chance.choice(vocabulary) if chance.random() < 1 / every else w for w in part.split()]
                    shown = folding.Shown()
                    shown.place(part, "original")
                    hits += shown.place(" ".join(words), "copy") is not None
                row.append(hits / len(given))
            shown, others = folding.Shown(), 0
            for number, (_, part) in enumerate(given):
                others += shown.place(part, number) is not None
            print(f"{share:<10.2f}" + "".join(f"{value:10.3f}" for value in row) + f"{others / len(given):10.4f}")


def boilerplate(set_dir: Path) -> None:
    questions = evaluation.load(set_dir)[:600]
    with tempfile.TemporaryDirectory(prefix="qa-bench-") as temporary:
        docs = Path(temporary, "docs")
        docs.mkdir()
        files = sorted((set_dir / "docs").iterdir())
        subjects = [path.stem.replace("_", " ") for path in Random(7).sample(files, 3)]
        pieces = [piece.format(", ".join(subjects)) for piece in PIECES]
        for path in files:
            (docs / path.name).write_text("\n\n".join([path.read_text("utf-8"), *pieces]), "utf-8")
        settings = settle({"index": Path(temporary, "index")})
        indexing.index([docs], settings)
        engine = Engine.open(settings)
        texts = {Path(source.path).stem: document.text for source, document in engine.documents()}
        heads = ("boilerplate first", "in first five", "passage hit@1", "sentence hit@1")
        print(f"\n{'weight':10s}" + "".join(f"{head:>18s}" for head in heads))
        for weight in WEIGHTS:
            with patch.object(ranking, "BOILERPLATE_WEIGHT", weight):
                found = list(evaluation.predict(engine, questions, limit=10))
            means = {name: value for name, value, _ in evaluation.table(evaluation.score(questions, found, texts))}
            first = sum(any(c.text in pieces for c in one.citations[:1]) for one in found) / len(found)
            five = sum(any(c.text in pieces for c in one.citations[:5]) for one in found) / len(found)
            hits = (means["passage hit@1"], means["sentence hit@1"])
            print(f"{weight:<10.2f}" + "".join(f"{value:18.4f}" for value in (first, five, *hits)))
        asked = [engine.ask(piece, limit=1) for piece in pieces]
        itself = sum(answer.citations[0].text == answer.query for answer in asked)
        print(f"asked for word for word, found first: {itself} of {len(asked)}")


if __name__ == "__main__":
    folded(Path(sys.argv[1], "docs"))
    boilerplate(Path(sys.argv[1]))
