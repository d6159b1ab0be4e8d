"""How often the words that answer are marked in a sentence, and how well the marks fit.

    python tests/bench_marking.py ROWS.jsonl ...

A row holds "question", "text", "sentences" and "answer_spans", spans of the text; asked is of the sentence that the
first of them lies in. F1 is over words, against the best of the spans (Rajpurkar et al. 2016, section 6.1).
"""

from __future__ import annotations

import argparse
import json
import string
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

from qa import marking


def words(text: str) -> Counter[str]:
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return Counter(word for word in bare.split() if word not in ("a", "an", "the"))


def f1(given: str, wanted: str) -> float:
    one, other = words(given), words(wanted)
    same = (one & other).total()
    return 2 * same / (one.total() + other.total()) if same else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    asked: Counter[str] = Counter()
    found: dict[str, list[float]] = defaultdict(list)
    for path in parser.parse_args().rows:
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            holding = [s for s in row["sentences"] if row["answer_spans"] and s[0] <= row["answer_spans"][0][0] < s[1]]
            if not holding:
                continue
            kind = marking.asked(row["question"])
            asked[kind] += 1
            sentence = row["text"][slice(*holding[0])]
            if span := marking.answering(row["question"], sentence):
                marked = sentence[span.start : span.end]
                found[kind].append(max(f1(marked, row["text"][slice(*answer)]) for answer in row["answer_spans"]))
    for kind, count in sorted(asked.items()):
        marks = found[kind]
        print(f"{kind or 'something else':16s} asked {count:6d} marked {len(marks):6d} F1 {fmean(marks or [0.0]):.3f}")


if __name__ == "__main__":
    main()
