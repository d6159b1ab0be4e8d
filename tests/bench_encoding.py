"""How fast passages become vectors: sentence-transformers as it comes, the exact graph, and the 8-bit graph.

    python tests/bench_encoding.py FOLDER --limit 300

All three encode the same passages, in turn and in changing order within one run, so that what else the machine does
falls on each alike; figures are medians over the rounds, and ratios medians of the ratios within a round.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import click
import numpy as np

from qa import formats, models
from qa.encoder import Encoder
from qa.errors import UnreadableFile
from qa.passages import pack
from qa.records import Passage
from qa.sentences import split


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", default=300, show_default=True, help="Passages to encode.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--model", "name", default=models.DEFAULT, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), envvar="QA_CACHE", help="Where exports are kept.")
def main(folder: Path, limit: int, rounds: int, name: str, cache: Path | None) -> None:
    """Time the ways of encoding passages of the documents in FOLDER."""
    with tempfile.TemporaryDirectory() as temporary:
        model = models.exported(name, cache or Path(temporary))
        smaller = Encoder(model)
        exact = Encoder(replace(model, passage=model.question))
        items = list(islice(passages(folder, smaller), limit))
        texts = [f"{passage.context}\n{text[passage.start : passage.end]}" for passage, text in items]
        reference = as_it_comes(models.find(name))
        ways: dict[str, Callable[[], object]] = {
            "sentence-transformers": lambda: reference.encode(texts),
            "exact graph": lambda: list(exact.encode_passages(items)),
            "8-bit graph": lambda: list(smaller.encode_passages(items)),
        }
        report(items, texts, smaller, ways, rounds)
        cosines = np.concatenate(
            [
                (first.vectors * second.vectors).sum(axis=1)
                for first, second in zip(exact.encode_passages(items), smaller.encode_passages(items), strict=True)
            ]
        )
    print(f"cosine of {len(cosines)} sentences, 8-bit to exact: mean {cosines.mean():.5f}, min {cosines.min():.5f}")


def report(
    items: list[tuple[Passage, str]],
    texts: list[str],
    encoder: Encoder,
    ways: dict[str, Callable[[], object]],
    rounds: int,
) -> None:
    tokens = encoder.count_tokens(texts)
    print(f"{len(items)} passages, {sum(tokens) / len(tokens):.0f} tokens on average, {encoder.threads} threads")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        order = list(ways)
        for way in order[number % len(order) :] + order[: number % len(order)]:
            began = time.perf_counter()
            ways[way]()
            # The first round loads and warms up, and is not counted.
            if number:
                seconds[way].append(time.perf_counter() - began)
    slowest = seconds["sentence-transformers"]
    for way, taken in seconds.items():
        ratio = median(other / own for other, own in zip(slowest, taken, strict=True))
        print(f"{way:22} {len(items) / median(taken):7.1f} passages/s   {ratio:5.2f} x")


def as_it_comes(folder: Path):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def passages(folder: Path, encoder: Encoder) -> Iterator[tuple[Passage, str]]:
    """The passages of all documents below a folder that can be read, by path."""
    limits = formats.Limits()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            document = formats.parse(formats.load(path, limits), formats.media_type(path), limits)
        except UnreadableFile as error:
            print(f"{path}: {error}", file=sys.stderr)
            continue
        for passage in pack(document, split(document), encoder.count_tokens, encoder.window):
            yield passage, document.text


if __name__ == "__main__":
    main()
