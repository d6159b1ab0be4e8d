"""What becomes of a link to a sentence that was edited or deleted: a measurement, no test.

    python tests/bench_permalinks.py FOLDER ...

Of each document up to 20 sentences are taken, one after the other. Each is edited in five ways and deleted, alone and
with a neighbour that is deleted too. Printed is how many of each are found as they should be, for several thresholds.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from qa import formats, relocation, sentences
from qa.errors import QAError
from qa.formats.limits import Limits
from qa.permalinks import Permalink, quoted
from qa.records import Span

SENTENCES = 10
DOCUMENTS = 60

Text = tuple[str, list[Span]]


def documents(folders: list[Path], chance: random.Random) -> Iterator[Text]:
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    chance.shuffle(files)
    for path in files[:DOCUMENTS]:
        try:
            data = path.read_bytes()
            document = formats.parse(data, formats.type_of(path.name, data), Limits())
        except QAError:
            continue
        spans = [span for each in sentences.split(document) for span in each]
        if len(spans) > 4:
            yield document.text, spans


def spliced(text: Text, number: int, words: str) -> Text:
    """The text with a sentence replaced; by "", deleted."""
    whole, spans = text
    old = spans[number]
    by = len(words) - (old.end - old.start)
    after = [Span(span.start + by, span.end + by) for span in spans[number + 1 :]]
    here = [Span(old.start, old.start + len(words))] if words else []
    return whole[: old.start] + words + whole[old.end :], [*spans[:number], *here, *after]


def edits(sentence: str, chance: random.Random) -> dict[str, str]:
    words = sentence.split(" ")
    some = words.copy()
    for _ in range(max(1, len(words) // 5)):
        some[chance.randrange(len(some))] = chance.choice(["harbour", "seven", "often", "ministry", "of"])
    cut = len(words) // 3
    return {
        "a figure": re.sub(r"\d", lambda digit: str((int(digit[0]) + 3) % 10), sentence),
        "a fifth of the words": " ".join(some),
        "a third cut off": " ".join(words[: len(words) - cut]),
        "a clause added": sentence[:-1] + ", which was said at the time to be of no great weight" + sentence[-1:],
        "a slip": sentence[: len(sentence) // 2] + "x" + sentence[len(sentence) // 2 + 1 :],
    }


def main() -> None:
    chance = random.Random(7)
    read = list(documents([Path(name) for name in sys.argv[1:]], chance))
    print(f"{len(read)} documents, {sum(len(spans) for _, spans in read)} sentences")
    for in_place, alone, clearer in ((40, 75, 8), (30, 75, 8), (40, 70, 8), (40, 80, 8), (40, 75, 12)):
        relocation.LEAST_LIKE_IN_PLACE, relocation.LEAST_LIKE, relocation._CLEARER = in_place, alone, clearer
        counts: dict[str, list[int]] = {}
        chance.seed(7)
        for text, spans in read:
            for number in sorted(chance.sample(range(1, len(spans) - 1), min(SENTENCES, len(spans) - 2))):
                old = spans[number]
                said = text[old.start : old.end]
                if sum(text[s.start : s.end] == said for s in spans) > 1:
                    continue
                quote = quoted(said, text[max(0, old.start - 32) : old.start], text[old.end : old.end + 32])
                link = Permalink(old.start, old.end, "x", quote)
                for name, words in {**edits(said, chance), "deleted": ""}.items():
                    if words == said:
                        continue
                    for also, neighbours in (("", ()), (", and the next too", (number + 1,))):
                        new = text, spans
                        for other in neighbours:
                            new = spliced(new, other, "")
                        new = spliced(new, number, words)
                        found = relocation.find(new[0], lambda new=new: new[1], link, is_same_file=False)
                        row = counts.setdefault(name + also, [0, 0, 0])
                        right = Span(old.start, old.start + len(words))
                        if words:
                            row[0 if found.span == right else 2 if found.span else 1] += 1
                        else:
                            row[0 if found.kind == "gone" else 2 if found.kind == "moved" else 1] += 1
        print(f"\nin place {in_place}, else {alone}, clearer by {clearer}: right, not found (deleted: changed), wrong")
        for name, row in counts.items():
            print(f"  {name:45} " + "  ".join(f"{count / sum(row):.3f}" for count in row) + f"  of {sum(row)}")


if __name__ == "__main__":
    main()
