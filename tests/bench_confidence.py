"""Fit the constants of `qa.confidence` to questions whose answers are known, and say how well they are calibrated.

    python tests/bench_confidence.py --index-root DIR [--cache DIR] [--no-reader] [--check] SET ...

A SET is a folder with docs/ and questions.jsonl, or a file of rows {"title", "text", "question", "sentences" and
"answer_sentences" or "answer_spans"}, whose texts become the documents. An answer is right when its first passage
overlaps a gold span. Beside a set's own questions, its documents are asked 200 questions of each other set, where every
answer is wrong; and its answerable questions are asked once more of the passages that do not answer them. Own
questions and those left without their answer weigh the same, foreign ones half; where a set has questions without an
answer of its own, it is not asked without its answers. Of a file of rows only the questions of titles that are kept out
of the reader's training are asked: of the others it knows the answers.

Documents are indexed below --index-root once and kept. Prints the fitted constants; with --check only the quality of
those in the code.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from qa import candidates, confidence, evaluation, exact, indexing, ranking
from qa.engine import Engine
from qa.records import Answer, Part
from qa.settings import Settings
from qa.training.material import Asked

FOREIGN = 200
FOREIGN_WEIGHT = 0.5
MOST = 600


def is_right(answer: Answer, question: evaluation.Question) -> bool:
    if not answer.passages:
        return False
    first = answer.passages[0]
    name = PurePosixPath(first.source.path).stem
    return any(name == g.doc and first.start < g.end and g.start < first.end for g in question.gold)


def as_set(rows: Path, folder: Path) -> Path:
    """A set made of a file of rows: one document a title, each text a paragraph."""
    docs: dict[str, str] = {}
    questions = []
    for number, line in enumerate(rows.read_text("utf-8").splitlines()):
        row = json.loads(line)
        name = re.sub(r"\W+", "_", row["title"])[:80] or "untitled"
        text = docs.setdefault(name, f"{row['title']}\n\n")
        if row["text"] not in text:
            docs[name] += f"{row['text']}\n\n"
        if not Asked(row["question"], row["title"], True, True, 0, ()).held_out:
            continue
        at = docs[name].index(row["text"])
        spans = row["answer_spans"] or [row["sentences"][i] for i in row["answer_sentences"]]
        gold = [{"doc": name, "start": at + start, "end": at + end} for start, end in spans]
        asked = {"id": str(number), "question": row["question"], "answerable": bool(gold), "relevant": {}, "gold": gold}
        questions.append(json.dumps(asked))
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    for name, text in docs.items():
        (folder / "docs" / f"{name}.txt").write_text(text, "utf-8")
    (folder / "questions.jsonl").write_text("\n".join(questions), "utf-8")
    return folder


def measured(evidence: tuple[Part, ...]) -> list[float]:
    """What was measured, without the slopes that the code has now."""
    found = {part.name: part.value for part in evidence}
    slopes = confidence.READ_SLOPES if "reader" in found else confidence.SLOPES
    return [found.get(name, 0.0) / slope for name, slope in slopes.items()]


def own(engine: Engine, questions: list[evaluation.Question]) -> Iterator[list[float]]:
    for question in questions:
        answer = engine.ask(question.text, limit=1)
        yield [*measured(answer.evidence), float(question.answerable and is_right(answer, question))]


def foreign(engine: Engine, questions: list[evaluation.Question]) -> Iterator[list[float]]:
    for question in questions:
        yield [*measured(engine.ask(question.text, limit=1).evidence), 0.0]


def left(engine: Engine, questions: list[evaluation.Question]) -> Iterator[list[float]]:
    """Asked of the passages that do not answer them."""
    served = engine._serving.newest()
    held = served.snapshot
    starts, ends = held.spans[held.first[:-1], 0], held.spans[held.first[1:] - 1, 1]
    names = np.array([PurePosixPath(source.path).stem for source in held.sources])[held.document]
    for question in questions:
        if question.answerable and question.gold:
            allowed = np.ones(len(names), dtype=np.bool_)
            for gold in question.gold:
                allowed &= (names != gold.doc) | (ends <= gold.start) | (gold.end <= starts)
            wanted = exact.find(held, question.text, allowed, served.encoder.knows)
            encoded = served.encoder.encode_question(wanted.query.text)
            found = candidates.find(held, wanted, encoded)
            ranked, _, _ = engine._read(held, wanted.query.text, found.starts, ranking.rank(found.facts))
            told = confidence.evidence(ranked.matched, ranked.lead, held.noise, odds=ranked.odds)
            yield [*measured(told), 0.0]


def describe(name: str, rows: np.ndarray, answerable: np.ndarray | None = None) -> None:
    read = rows.shape[1] - 1 == len(confidence.READ_SLOPES)
    slopes, offset = (
        (confidence.READ_SLOPES, confidence.READ_OFFSET) if read else (confidence.SLOPES, confidence.OFFSET)
    )
    p = 1 / (1 + np.exp(-(rows[:, :-1] @ np.array(list(slopes.values())) + offset)))
    error = float(evaluation.expected_calibration_error(p, rows[:, -1]))
    told = f"{name:44s} n={len(rows):5d} mean {p.mean():.3f} right {rows[:, -1].mean():.3f} ECE {error:.3f}"
    least = Settings().min_confidence
    if answerable is None:
        print(f"{told} answered {(p >= least).mean():.3f}")
    else:
        yes, no = p[answerable], p[~answerable]
        print(
            f"{told} answered when answerable {(yes >= least).mean():.3f}"
            + (f", when not {(no >= least).mean():.3f}" if len(no) else "")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--index-root", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--no-reader", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    random.seed(7)
    sets = [path if path.is_dir() else as_set(path, given.index_root / "sets" / path.stem) for path in given.sets]
    loaded = {path: list(evaluation.load(path)) for path in sets}
    parts: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for path, questions in loaded.items():
        settings = Settings(index=given.index_root / path.name, cache=given.cache)
        if given.no_reader:
            settings = replace(settings, reader="")
        indexing.index([path / "docs"], settings, announce=print)
        engine = Engine.open(settings, print)
        asked = random.sample(questions, min(MOST, len(questions)))
        others = [
            q for other, rows in loaded.items() if other != path for q in random.sample(rows, min(FOREIGN, len(rows)))
        ]
        answerable = np.array([question.answerable for question in asked])
        native = np.array(list(own(engine, asked)))
        strange = np.array(list(foreign(engine, others))).reshape(-1, native.shape[1])
        without = np.array(list(left(engine, asked)) if answerable.mean() > 0.9 else []).reshape(-1, native.shape[1])
        describe(path.name, native, answerable)
        for name, rows, weight in (("", native, 1.0), ("foreign", strange, FOREIGN_WEIGHT), ("left", without, 1.0)):
            if name and len(rows):
                describe(f"{path.name}, {name} questions", rows)
            parts.append(rows)
            weights.append(np.full(len(rows), weight / max(len(rows), 1)))
        engine.close()
    if not given.check:
        from sklearn.linear_model import LogisticRegression

        rows, weight = np.concatenate(parts), np.concatenate(weights)
        slopes = confidence.SLOPES if given.no_reader else confidence.READ_SLOPES
        fit = LogisticRegression(C=1e6).fit(rows[:, :-1], rows[:, -1], sample_weight=weight * len(rows))
        print(
            dict(zip(slopes, np.round(fit.coef_[0], 2).tolist(), strict=True)),
            round(float(fit.intercept_[0]), 2),
        )


if __name__ == "__main__":
    main()
