"""How fast the reader reads, and what it makes of a question.

    python tests/bench_reader.py --index DIR QUESTIONS.jsonl [--cache DIR] [--reader NAME] [--most N]

Asks the questions of an index with the reader and without, in turn, and prints for both the milliseconds a question
takes (median, 95th of a hundred), for the reader how many passages it read, and the tokens it reads in a millisecond
with every core at work, which `qa.reader.TOKENS_PER_MS` states. A row of QUESTIONS holds "question".
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from qa.engine import Engine
from qa.reader import Reader
from qa.records import Excerpt, Span
from qa.settings import Settings

LENGTHS = (60, 120, 180)
"""Words of the texts whose reading is timed."""


def tokens_per_ms(reader: Reader) -> float:
    """The best of five rounds over texts of LENGTHS, as many of each as keep all cores at work."""
    texts = [" ".join(f"word{number % 7}" for number in range(length)) for length in LENGTHS]
    excerpts = [Excerpt("A title", text, (Span(0, len(text)),)) for text in texts] * 8
    tokens = sum(len(reader.row("What is it?", excerpt)[0]) for excerpt in excerpts)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        reader.read("What is it?", excerpts, 1e9)
        times.append((time.perf_counter() - began) * 1000)
    return tokens / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--reader", default=Settings().reader)
    parser.add_argument("--most", type=int, default=200)
    given = parser.parse_args()
    asked = [json.loads(line)["question"] for line in given.questions.read_text("utf-8").splitlines()][: given.most]
    settings = Settings(index=given.index, cache=given.cache, reader=given.reader)
    engines = {"with": Engine.open(settings), "without": Engine.open(replace(settings, reader=""))}
    reader = engines["with"]._reader
    assert reader is not None
    print(f"{tokens_per_ms(reader):.1f} tokens in a millisecond")
    took: dict[str, list[float]] = {name: [] for name in engines}
    read: Counter[int] = Counter()
    for question in asked:
        for name, engine in engines.items():
            answer = engine.ask(question)
            took[name].append(answer.took_ms)
            if answer.reader is not None:
                read[answer.reader.read] += 1
    for name, times in took.items():
        median, slow = np.percentile(times, [50, 95])
        print(f"{name:8s} median {median:.1f} ms, 95th of a hundred {slow:.1f} ms")
    print("passages read:", ", ".join(f"{count} in {times} questions" for count, times in sorted(read.items())))


if __name__ == "__main__":
    main()
