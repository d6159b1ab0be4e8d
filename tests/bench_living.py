"""How soon a large index follows a change of its folder, and how long a question takes in a new process.

    python tests/bench_living.py FOLDER [--sentences 100000] [--runs 5]

FOLDER is made, with documents of 100 generated sentences, and an index of them whose vectors and token signs are
random, put there through the library's own door: encoding so many would take twenty minutes. Then, in turns, a file of
100 sentences is added, read and encoded by the bundled model, and one of before is removed; an engine that is open all
the time is asked until it knows. Times are in seconds, on the clock and of this process's processor: where other work
runs on the machine, the latter says more. A second run goes on with the same folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from wordfreq import top_n_list

from qa import indexing, models, passages, sentences
from qa.engine import Engine
from qa.library import Library, Maker, Read, Root, identity
from qa.records import Block, Document, Encoding, Passage, Source, Span, Stamp
from qa.settings import Settings

SENTENCES = 100
"""Of a document."""

TOKENS = 25
"""Of a sentence."""

ASK = "import sys; from qa.cli import ask; sys.exit(ask())"

WORDS = top_n_list("en", 20_000)


def sentence(chance: random.Random) -> str:
    """Words as often as in English, about: the n-th commonest with a share of 1 / n."""
    words = [WORDS[int(len(WORDS) ** chance.random()) - 1] for _ in range(chance.randint(10, 25))]
    return f"{' '.join(words)} {chance.randint(1, 9999)}.".capitalize()


def text(number: int) -> str:
    """A document, a paragraph to four sentences."""
    chance = random.Random(number)
    return "".join(" ".join(sentence(chance) for _ in range(4)) + "\n\n" for _ in range(SENTENCES // 4))


def cut(whole: str) -> tuple[tuple[Block, ...], tuple[Passage, ...]]:
    """The blocks and passages of `text`, a passage to each paragraph."""
    blocks, packed, at = [], [], 0
    for paragraph in whole.split("\n\n")[:-1]:
        block = Block("paragraph", at, at + len(paragraph))
        spans, start = [], at
        for each in paragraph.split(". "):
            end = min(start + len(each) + 1, block.end)
            spans.append(Span(start, end))
            start = end + 1
        blocks.append(block)
        packed.append(Passage(block.start, block.end, tuple(spans), "A chronicle", block.locator))
        at = block.end + 2
    return tuple(blocks), tuple(packed)


def encodings(packed: Sequence[Passage], dimensions: int, chance: np.random.Generator) -> Iterator[Encoding]:
    for passage in packed:
        count = len(passage.sentences)
        vectors = chance.standard_normal((count, dimensions), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        codes = chance.integers(0, 256, (count * TOKENS, dimensions // 8), dtype=np.uint8)
        yield Encoding(vectors, np.full(count, TOKENS, dtype=np.int64), codes)


def make(docs: Path, settings: Settings, documents: int) -> None:
    """The folder, and the library of its index."""
    model = models.exported(settings.model, settings.model_cache)
    maker = Maker(model.name, model.fingerprint, model.way, model.dimensions, f"{sentences.NAME} {passages.NAME}")
    library = Library.create(settings.index, maker)
    chance = np.random.default_rng(1)
    docs.mkdir(parents=True)
    for begin in range(0, documents, 100):
        with library.writing():
            root = library.add_root(docs)
            for number in range(begin, min(begin + 100, documents)):
                document = read(root, f"{number:05}.txt", text(number), model.dimensions, chance)
                library.put(document)
                stat = (root.path / document.source.path).stat()
                stamp = Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, settled=True)
                library.notes.set_stamps([(document.source.id, stamp)])
    library.close()


def read(root: Root, name: str, whole: str, dimensions: int, chance: np.random.Generator) -> Read:
    """A document that lies in the folder as one that was read and encoded."""
    path = root.path / name
    path.write_text(whole, "utf-8")
    stat = path.stat()
    blocks, packed = cut(whole)
    document = Document(whole, "A chronicle", "text/plain", blocks)
    about = (document.title, document.media_type, hashlib.sha256(path.read_bytes()).hexdigest())
    source = Source(identity(root, name), name, *about, stat.st_size, stat.st_mtime_ns)
    return Read(root, source, document, packed, list(encodings(packed, dimensions, chance)))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that it took, on the clock and of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - worked


def cold(settings: Settings) -> tuple[float, float]:
    """Of one question in a new process, whose modules are compiled, as they are where the package was installed."""
    command = [sys.executable, "-c", ASK, "which colour has the harbour?", "--index", str(settings.index)]
    before = os.times()
    began = time.perf_counter()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, env=variables
    )
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode not in (0, 1):
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    docs, settings = given.folder / "docs", replace(Settings(), index=given.folder / "index")
    if "QA_CACHE" in os.environ:
        settings = replace(settings, cache=Path(os.environ["QA_CACHE"]))
    if not docs.exists():
        make(docs, settings, given.sentences // SENTENCES)
    indexer = indexing.Indexer(settings)  # as in a server that follows its folders
    show("whole snapshot, or none to make", [timed(lambda: indexer.bring([docs]))])
    cold(settings)
    show("a question in a new process", [cold(settings) for _ in range(given.runs)])
    engine = Engine.open(settings)
    engine.ask("which colour has the harbour?")
    saved, deleted = [], []

    def follow(count: int) -> None:
        indexer.bring()
        if engine.ask("which colour has the harbour?").index.documents != count:
            sys.exit("The engine does not follow.")

    for run in range(given.runs):
        count = engine.status()["documents"]
        (docs / f"new-{time.time_ns()}.txt").write_text(text(10**6 + run), "utf-8")
        saved.append(timed(lambda count=count: follow(count + 1)))
        min(docs.iterdir()).unlink()
        deleted.append(timed(lambda count=count: follow(count)))
    show("a file of 100 sentences saved to searchable", saved)
    show("a file deleted to gone", deleted)
    engine.close()


def show(what: str, times: Sequence[tuple[float, float]]) -> None:
    wall, processor = (median(column) for column in zip(*times, strict=True))
    print(f"{what:45s} {wall:6.2f} s, processor {processor:6.2f} s, median of {len(times)}", flush=True)


if __name__ == "__main__":
    main()
