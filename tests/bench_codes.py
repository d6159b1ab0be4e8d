"""Whether the sentence with the code comes first among sentences that are alike but for their codes.

    python tests/bench_codes.py [--weights 1 0.5 0.3 0]

Makes 1,168 sentences of fifteen kinds, indexes them with the default model in a temporary folder, and asks for up to 40
codes of each kind, once for each weight that "codes" is given in `ranking.EXACT`, "numbers" always 0.2 of it. Prints
how many are cited first.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from qa import indexing, ranking
from qa.engine import Engine
from qa.settings import Settings

chance = random.Random(3)
LETTERS = str.maketrans("üèéáóŁźøÅçï", "ueeaoLzoAci")

KINDS: dict[str, tuple[list[str], str, str]] = {
    "hexadecimal": (
        [f"0x8007{n:04x}" for n in chance.sample(range(65536), 110)],
        "The installer stops with error {} when the service account has no rights.",
        "Why does the installer stop with {}?",
    ),
    "letter-number": (
        [f"E-{n}" for n in chance.sample(range(4000, 5000), 110)],
        "Error {} means that the sensor of the second pump sends no signal.",
        "What does {} mean?",
    ),
    "paragraph": (
        [f"§ {a}({b})" for a in range(1, 19) for b in "abcdef"],
        "Under {} the tenant has to bear the cost of the repair.",
        "What does the tenant bear under {}?",
    ),
    "standard": (
        [f"ISO {a}:{y}" for a, y in product((9000, 9001, 9002, 9003, 14001, 27001, 27002, 45001), range(2005, 2019))],
        "The plant was certified according to {} by an outside auditor.",
        "Was the plant certified according to {}?",
    ),
    "aircraft": (
        [f"{a}-{n}" for a in "ABCFTX" for n in range(1, 20)],
        "The squadron received its first {} in the spring and flew it for a decade.",
        "When did the squadron receive its first {}?",
    ),
    "decimal": (
        [f"{a}.{b:02d}" for a in range(1, 12) for b in (3, 14, 15, 31, 41, 13, 51, 5, 4, 10)],
        "With a ratio of {} the gear turns the drum without slipping.",
        "What happens with a ratio of {}?",
    ),
    "language": (
        ["C", "C++", "C#", "D", "F#", "J", "J#", "R", "B", "Q#", "A+", "X++"],
        "The old parser was written in {} and nobody dares to touch it.",
        "Who dares touch the parser written in {}?",
    ),
    "abbreviation": (
        ["U.S.", "U.K.", "U.N.", "E.U.", "U.A.E.", "U.S.S.R.", "R.O.C.", "P.R.C.", "D.C.", "N.Z."],
        "Goods made in the {} are sold here without customs duty.",
        "Are goods made in the {} sold without duty?",
    ),
    "accents": (
        [
            "Zürich",
            "Genève",
            "Málaga",
            "Łódź",
            "Kraków",
            "Tromsø",
            "Århus",
            "Córdoba",
            "Düsseldorf",
            "Zurzach",
            "Malta",
        ],
        "The branch in {} opened in May and employs nine people.",
        "How many people does the branch in {} employ?",
    ),
    "name": (
        [
            f"{a} {b}"
            for a in ("Anna", "Boris", "Elena", "Hamid")
            for b in ("Kowalska", "Novak", "Petrov", "Okafor", "Tanaka")
        ],
        "{} has led the depot in the harbour since the merger.",
        "Since when has {} led the depot?",
    ),
    "year": (
        [str(n) for n in range(1900, 2010)],
        "In {} the river rose above the second mark of the old bridge.",
        "How high did the river rise in {}?",
    ),
    "version": (
        [f"v{a}.{b}.{c}" for a in range(1, 4) for b in range(6) for c in range(6)],
        "Release {} mends the fault in the scheduler that lost jobs at midnight.",
        "What does {} mend?",
    ),
    "time": (
        [f"{h}:{m:02d}" for h in range(6, 22) for m in (5, 15, 25, 35, 45, 55)],
        "A train leaves platform two at {} every weekday.",
        "Which train leaves at {}?",
    ),
    "identifier": (
        [
            f"{a}_{b}_{c}"
            for a, b, c in product(("net", "disk", "cpu"), ("max", "min", "idle"), ("size", "time", "rate"))
        ],
        "The setting {} decides how long the worker waits.",
        "What does {} decide?",
    ),
    "number": (
        [str(n) for n in chance.sample(range(100, 9999), 110)],
        "Form {} is filled in by the tenant and signed by both sides.",
        "Who fills in form {}?",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0, 0.5, 0.3, 0.0])
    given = parser.parse_args()
    told = [sentence.format(code) for codes, sentence, _ in KINDS.values() for code in codes]
    chance.shuffle(told)
    with tempfile.TemporaryDirectory() as folder:
        docs = Path(folder, "docs")
        docs.mkdir()
        for start in range(0, len(told), 60):
            paragraphs = [" ".join(told[at : at + 5]) for at in range(start, min(start + 60, len(told)), 5)]
            (docs / f"{start}.txt").write_text("\n\n".join(paragraphs), "utf-8")
        settings = Settings(index=Path(folder, "index"))
        indexing.index([docs], settings, announce=print)
        engine = Engine.open(settings, print)
        print(f"{len(told)} sentences; cited first with a weight of {', '.join(map(str, given.weights))}")
        for kind, (codes, sentence, question) in KINDS.items():
            asked = chance.sample(codes, min(40, len(codes)))
            for fold in (False, True) if kind == "accents" else (False,):
                found = []
                for weight in given.weights:
                    ranking._EXACT_WEIGHTS[2:] = np.array([weight, 0.2 * weight])
                    ranking.EXACT["codes"] = (weight, "")
                    ranking.EXACT["numbers"] = (0.2 * weight, "")
                    answers = [engine.ask(question.format(code.translate(LETTERS) if fold else code)) for code in asked]
                    hits = zip(answers, asked, strict=True)
                    found.append(sum(answer.citations[0].text == sentence.format(code) for answer, code in hits))
                print(
                    f"{kind + (' left out' if fold else ''):20s} {' '.join(f'{n:3d}' for n in found)} of {len(asked)}"
                )
        engine.close()


if __name__ == "__main__":
    main()
