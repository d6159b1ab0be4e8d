"""How long it takes from saving a file to the first answer that cites it, and from deleting it to the first that does
not, at a server that follows the folder.

    python tests/bench_following.py FOLDER [--sentences 0] [--index INDEX] [--pause 0.1]

works on a copy of FOLDER, with as many made sentences besides, a hundred to a file; or, with --index, on FOLDER itself
and the index of it, as `bench_living` makes both. The file saved has 100 sentences. A question is asked every `pause`
seconds until its answer is as it must be: each takes processor time from what is waited for. Also says how long a whole
look at the folder takes, and a question, and on Linux how much processor time a round takes of the server and its
readers: the others say little on a machine that is busy.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from qa import coverage
from qa.library import Library

ROUNDS = 5
WORDS = (
    *("ferry", "harbour", "bridge", "lantern", "orchard", "railway", "museum"),
    *("brewery", "tower", "garden", "winter", "letter", "council", "captain"),
)


def made(chance: random.Random, sentences: int) -> str:
    """Paragraphs of five sentences that nobody wrote."""
    lines = []
    for number in range(sentences):
        one, two, three = chance.sample(WORDS, 3)
        lines.append(f"In {1500 + chance.randrange(500)} the {one} of the {two} was given to the {three} of the town.")
        if number % 5 == 4:
            lines.append("\n\n")
    return " ".join(lines)


def ask(url: str, question: str) -> list[str]:
    """The paths that the first passages are from."""
    with urlopen(f"{url}api/v1/query?{urlencode({'q': question, 'limit': 3})}", timeout=60) as reply:
        return [citation["document"]["path"] for citation in json.load(reply)["citations"]]


def seconds_until(what: Callable[[], bool], pause: float) -> float:
    began = time.perf_counter()
    while not what():
        time.sleep(pause)
        if time.perf_counter() - began > 600:
            raise SystemExit("The server does not follow.")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=0)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--pause", type=float, default=0.1)
    given = parser.parse_args()
    chance = random.Random(1)
    with ExitStack() as held:
        docs, index = given.folder, given.index
        if index is None:
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="qa-following-"))
            docs, index = Path(folder, "docs"), Path(folder, "index")
            shutil.copytree(given.folder, docs)
            for number in range(given.sentences // 100):
                (docs / f"made-{number}.txt").write_text(made(chance, 100))
        command = "from qa.cli import qa; qa()"
        arguments = ["serve", str(docs), "--index", str(index), "--port", "0"]
        server = subprocess.Popen(
            [sys.executable, "-c", command, *arguments], stderr=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            assert server.stderr is not None
            url = ""
            for line in server.stderr:
                print(line, end="")
                if line.startswith("Serving "):
                    url = line.split()[1]
                    break
            measure(url, docs, index, chance, Path(f"/proc/{server.pid}/stat"), given.pause)
        finally:
            server.terminate()
            server.wait()


def processor_s(stat: Path) -> float:
    """Of a process and those of its children that have ended; 0 where that cannot be told."""
    if not stat.exists():
        return 0.0
    ticks = stat.read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measure(url: str, docs: Path, index: Path, chance: random.Random, stat: Path, pause: float) -> None:
    saved, deleted, asked, busy = [], [], [], []
    time.sleep(5)
    for number in range(ROUNDS):
        name = f"Zanzibar{number}"
        question = f"Who was crowned in {name}?"
        path = docs / f"new-{number}.md"
        before = processor_s(stat)
        began = time.perf_counter()
        ask(url, question)
        asked.append(time.perf_counter() - began)
        path.write_text(f"{made(chance, 99)}\n\nQueen Ludmila was crowned in {name}.\n")
        saved.append(seconds_until(lambda path=path, question=question: path.name in ask(url, question), pause))
        path.unlink()
        deleted.append(seconds_until(lambda path=path, question=question: path.name not in ask(url, question), pause))
        busy.append(processor_s(stat) - before)
    library = Library.open(index)
    began = time.perf_counter()
    coverage.survey(library)
    look = time.perf_counter() - began
    documents, _, sentences = library.counts()
    library.close()
    print(f"{documents:,} documents, {sentences:,} sentences; seconds, median, longest, and first of {ROUNDS}")
    for what, figures in (
        ("save to answer", saved),
        ("delete to gone", deleted),
        ("a question", asked),
        ("processor", busy),
    ):
        print(f"{what:16s} {median(figures):6.2f} {max(figures):6.2f} {figures[0]:6.2f}")
    print(f"{'a whole look':16s} {look:6.3f}")


if __name__ == "__main__":
    try:
        main()
    except URLError as error:
        raise SystemExit(f"The server is gone: {error}") from error
