"""What a weight of `qa.ranking` gives on judged questions: repeats the comparisons beside the weights in the code.

    python tests/bench_ranking.py --index-root DIR [--cache DIR] [--questions FILE] [--try NAME=VALUE]... SET_DIR ...

Each SET_DIR holds docs/ and questions.jsonl; its documents are indexed below --index-root once and kept. Answerable
questions are asked with the weights as they are, then once for each --try with those named changed, as in
`--try HEADING_MATCH=0 --try LEXICAL_WEIGHT=0.4,TOKENS_WEIGHT=1.2`. One line a run: passage hit@1 and @5, sentence hit@1
and @5, document nDCG@10 of each set. All are over answerable questions; `qa eval` takes nDCG over all that are judged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qa import evaluation, indexing, ranking
from qa.engine import Engine
from qa.settings import Settings

MEASURES = ("passage hit@1", "passage hit@5", "sentence hit@1", "sentence hit@5", "document nDCG@10")


def changes(given: str) -> dict[str, float]:
    """The weights that a --try names; raises SystemExit for one that there is not."""
    found = {name.strip(): float(value) for name, value in (pair.split("=") for pair in given.split(","))}
    for name in found:
        if not isinstance(getattr(ranking, name, None), float):
            raise SystemExit(f"There is no weight {name} in qa.ranking.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--index-root", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--questions", default="questions.jsonl")
    parser.add_argument("--try", dest="tries", action="append", default=[], type=changes, metavar="NAME=VALUE,...")
    given = parser.parse_args()
    opened = []
    for path in given.sets:
        settings = Settings(index=given.index_root / path.name, cache=given.cache)
        indexing.index([path / "docs"], settings, announce=print)
        engine = Engine.open(settings, print)
        texts = {Path(source.path).stem: document.text for source, document in engine.documents()}
        asked = [question for question in evaluation.load(path, given.questions) if question.answerable]
        opened.append((path.name, engine, asked, texts))
    usual = {name: getattr(ranking, name) for tried in given.tries for name in tried}
    for tried in ({}, *given.tries):
        for name, value in {**usual, **tried}.items():
            setattr(ranking, name, value)
        print(", ".join(f"{name} {value}" for name, value in tried.items()) or "as it is")
        for name, engine, asked, texts in opened:
            scores = evaluation.score(asked, list(evaluation.predict(engine, asked)), texts)
            means = {mean.measure: mean.value for mean in scores.means}
            print(f"    {name:20s} " + "  ".join(f"{means[m]:.3f}" if m in means else "    -" for m in MEASURES))


if __name__ == "__main__":
    main()
