"""Fit the constants of `qa.answers.confidence` to judged questions, and say how well they are calibrated.

    python tests/bench_confidence.py --index-root DIR SET_DIR ...

Each SET_DIR holds docs/ and questions.jsonl. An answer is right when its first passage overlaps a gold span. Every
set's documents are also asked 200 questions of each other set, where every answer is wrong. Documents are indexed below
--index-root once and kept. Prints the fitted constants, and with --check only the quality of those in the code.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path, PurePosixPath

import numpy as np

from qa import answers, evaluation, indexing
from qa.engine import Engine
from qa.records import Answer
from qa.settings import Settings

FOREIGN = 200
MOST = 1500


def is_right(answer: Answer, question: evaluation.Question) -> bool:
    if not answer.passages:
        return False
    first = answer.passages[0]
    name = PurePosixPath(first.source.path).stem
    return any(name == g.doc and first.start < g.end and g.start < first.end for g in question.gold)


def observe(engine: Engine, questions: list[evaluation.Question], foreign: bool) -> list[list[float]]:
    rows = []
    for question in questions:
        answer = engine.ask(question.text, limit=1)
        right = not foreign and question.answerable and is_right(answer, question)
        found = {part.name: part.value for part in answer.evidence}
        rows.append([*(found.get(name, 0.0) for name in answers.SLOPES), float(right)])
    return rows


def describe(name: str, rows: np.ndarray) -> None:
    p = 1 / (1 + np.exp(-(rows[:, :-1] @ np.array(list(answers.SLOPES.values())) + answers.OFFSET)))
    error = float(evaluation.expected_calibration_error(p, rows[:, -1]))
    right, wrong = p[rows[:, -1] == 1], p[rows[:, -1] == 0]
    print(
        f"{name:44s} n={len(rows):5d} right {rows[:, -1].mean():.3f} ECE {error:.3f} "
        f"answered when right {(right >= 0.5).mean() if len(right) else float('nan'):.3f}, "
        f"when wrong {(wrong >= 0.5).mean() if len(wrong) else float('nan'):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--index-root", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    random.seed(7)
    loaded = {path: list(evaluation.load(path)) for path in given.sets}
    parts: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for path, questions in loaded.items():
        settings = Settings(index=given.index_root / path.name)
        indexing.index([path / "docs"], settings, announce=print)
        engine = Engine.open(settings, print)
        own = random.sample(questions, min(MOST, len(questions)))
        native = np.array(observe(engine, own, foreign=False), dtype=float)
        others = [
            q for other, rows in loaded.items() if other != path for q in random.sample(rows, min(FOREIGN, len(rows)))
        ]
        foreign = np.array(observe(engine, others, foreign=True), dtype=float).reshape(-1, len(answers.SLOPES) + 1)
        describe(path.name, native)
        if len(foreign):
            describe(f"{path.name}, foreign questions", foreign)
        for rows in (native, foreign):
            parts.append(rows)
            weights.append(np.full(len(rows), 1 / max(len(rows), 1)))
        engine.close()
    if not given.check:
        from sklearn.linear_model import LogisticRegression

        rows, weight = np.concatenate(parts), np.concatenate(weights)
        fit = LogisticRegression(C=1e6).fit(rows[:, :-1], rows[:, -1], sample_weight=weight * len(rows))
        print(
            dict(zip(answers.SLOPES, np.round(fit.coef_[0], 2).tolist(), strict=True)),
            round(float(fit.intercept_[0]), 2),
        )


if __name__ == "__main__":
    main()
