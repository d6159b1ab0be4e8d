"""What replacing misspelt words gives, and that it leaves well-spelt questions alone.

    python tests/bench_spelling.py --index-root DIR SET_DIR [--questions questions.jsonl] [--foreign SET_DIR ...]

SET_DIR holds docs/ and judged questions; it is indexed below --index-root once and kept. Its answerable questions are
asked as they are, and with one content word of each misspelt (a letter left out, put in, replaced or swapped with the
next, by a fixed seed); each time as usual and `as_typed`. Every word that is replaced is printed, to be looked at: also
those in the questions of each --foreign set, most of whose names and things the documents do not hold.
"""

from __future__ import annotations

import argparse
import random
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from wordfreq import top_n_list

from qa import evaluation, indexing
from qa.engine import Engine
from qa.records import Citation, ShownPassage
from qa.settings import Settings

COMMON = frozenset(top_n_list("en", 200))


def misspelt(text: str, chance: random.Random) -> str:
    words = [found for found in re.finditer(r"[A-Za-z]{4,}", text) if found[0].lower() not in COMMON]
    if not words:
        return text
    found = chance.choice(words)
    word, at, letter = found[0], chance.randrange(len(found[0])), chance.choice(string.ascii_lowercase)
    slipped = chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        )
    )
    return text[: found.start()] + slipped + text[found.end() :]


def hits(engine: Engine, questions: list[evaluation.Question], as_typed: bool) -> tuple[float, float, list[str]]:
    """Passage hit@1, sentence hit@1, and what was replaced."""
    passages = sentences = 0
    words = []
    for question in questions:
        answer = engine.ask(question.text, as_typed=as_typed)
        passages += bool(answer.passages) and is_gold(answer.passages[0], question)
        sentences += bool(answer.citations) and is_gold(answer.citations[0], question)
        words += [f"{notice.typed}>{notice.searched}" for notice in answer.notices if notice.kind == "spelling"]
    return passages / len(questions), sentences / len(questions), words


def is_gold(shown: ShownPassage | Citation, question: evaluation.Question) -> bool:
    name = PurePosixPath(shown.source.path).stem
    return any(name == gold.doc and shown.start < gold.end and gold.start < shown.end for gold in question.gold)


def runs(questions: list[evaluation.Question]) -> Iterator[tuple[str, list[evaluation.Question]]]:
    chance = random.Random(11)
    yield "as they are", questions
    yield "one word misspelt", [replace(question, text=misspelt(question.text, chance)) for question in questions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set_dir", type=Path)
    parser.add_argument("--questions", default="questions.jsonl")
    parser.add_argument("--foreign", type=Path, nargs="*", default=())
    parser.add_argument("--index-root", type=Path, required=True)
    given = parser.parse_args()
    settings = Settings(index=given.index_root / given.set_dir.name)
    indexing.index([given.set_dir / "docs"], settings, announce=print)
    engine = Engine.open(settings, print)
    questions = [each for each in evaluation.load(given.set_dir, given.questions) if each.answerable]
    for name, asked in runs(questions):
        for as_typed in (True, False):
            passage, sentence, words = hits(engine, asked, as_typed)
            how = "as typed" if as_typed else f"{len(words)} words replaced"
            print(f"{name:18s} passage hit@1 {passage:.4f} sentence hit@1 {sentence:.4f} n={len(asked)} {how}")
            if name == "as they are":
                print(*words)
    for folder in given.foreign:
        foreign = evaluation.load(folder)
        words = [
            f"{notice.typed}>{notice.searched}"
            for question in foreign
            for notice in engine.ask(question.text, limit=1).notices
            if notice.kind == "spelling"
        ]
        print(f"{folder.name}, foreign: {len(foreign)} questions, {len(words)} words replaced")
        print(*words)
    engine.close()


if __name__ == "__main__":
    main()
