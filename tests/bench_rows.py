"""How often the row of a table is cited first that holds the cell which a question asks for.

    python tests/bench_rows.py INDEX [--reader NAME]

The questions are made of the tables in INDEX, up to eight each: a column, and the first cell of a row that no other row
of the document begins with. INDEX is an index of any folder with tables, made by `qa index`.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qa.engine import Engine
from qa.records import Document
from qa.settings import Settings

ROWS = 8
"""Of a document, at most, that are asked for."""

LEAST = 3
"""Rows of a table that is asked of."""


def questions(document: Document, draw: random.Random) -> Iterator[tuple[str, str]]:
    """Questions, and the rows that answer them."""
    rows = []
    for block in document.blocks:
        text = document.text[block.start : block.end]
        cells = [cell.split(": ", 1) for cell in text.split(" | ")]
        if block.kind == "row" and len(cells) > 1 and all(len(cell) == 2 for cell in cells[1:]):
            rows.append((text, cells))
    count = Counter(cells[0][-1] for _, cells in rows)
    rows = [(text, cells) for text, cells in rows if count[cells[0][-1]] == 1 and 1 < len(cells[0][-1]) < 50]
    for text, cells in draw.sample(rows, min(ROWS, len(rows))) if len(rows) >= LEAST else ():
        column, first = draw.choice(cells[1:])[0], cells[0][-1]
        if re.fullmatch(r"(?:19|20)\d\d", first):
            yield draw.choice([f"What was the {column} in {first}?", f"How many {column} were there in {first}?"]), text
        else:
            yield f"What is the {column} for {first}?", text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--reader", help="Instead of both without and with the bundled one.")
    given = parser.parse_args()
    for reader in ["", "bundled"] if given.reader is None else [given.reader]:
        engine = Engine.open(Settings(index=given.index, reader=reader))
        draw = random.Random(4)
        asked = [each for _, document in engine.documents() for each in questions(document, draw)]
        answers = [(engine.ask(question).citations, row) for question, row in asked]
        places = [
            next((at for at, cited in enumerate(found) if cited.text.split() == row.split()), len(found))
            for found, row in answers
        ]
        first, five = (sum(place < most for place in places) / max(len(places), 1) for most in (1, 5))
        print(f"{reader or 'no reader':10s} {len(asked)} questions, hit@1 {first:.3f}, hit@5 {five:.3f}")
        engine.close()


if __name__ == "__main__":
    main()
