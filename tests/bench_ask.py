"""How long a question takes: in a new process, against a script that loads sentence-transformers, and in a server.

    python tests/bench_ask.py INDEX QUESTIONS [--runs 9] [--warm 500]

INDEX is the folder of an index; QUESTIONS a file of one question a line, as text or as JSON with "question". Cold runs
are whole processes, which take turns; the script prints row numbers only. Warm questions go one by one over a
connection to a server on this machine: "server" is its own `took_ms`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

from qa import models
from qa.library import Library

SCRIPT = """
import sys
import faiss
from sentence_transformers import SentenceTransformer
model, question, *vectors = sys.argv[1:]
indexes = [faiss.read_index(path) for path in vectors]
vector = SentenceTransformer(model, device="cpu").encode([question], normalize_embeddings=True)
print([index.search(vector, 10) for index in indexes])
"""
SCRIPTS = Path(sysconfig.get_path("scripts"))
# An installed package has its byte code; where writing it is turned off, every run would compile the sources again.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Run:
    """A whole process: wall and processor time in seconds, peak memory in MiB."""

    wall: float
    processor: float
    memory: float


def cold(command: list[str]) -> Run:
    began = time.perf_counter()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    said = process.communicate()[1].decode()
    if process.returncode not in (0, 1):
        sys.exit(f"{command} ended with {process.returncode}: {said}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def warm(index: Path, questions: list[str]) -> list[tuple[float, float]]:
    """Milliseconds of each question over one connection: at the server, and from request to answer."""
    server = subprocess.Popen(
        [SCRIPTS / "qa", "serve", "--index", index, "--port", "0"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        found = next(filter(None, (re.search(r"http://([^/]+)/", line) for line in server.stderr)), None)
        if found is None:
            sys.exit("The server did not start.")
        connection = HTTPConnection(found[1])
        times = []
        for question in [*questions[:20], *questions]:
            began = time.perf_counter()
            connection.request("GET", f"/api/v1/query?{urlencode({'q': question})}")
            answer = json.loads(connection.getresponse().read())
            times.append((answer["took_ms"], (time.perf_counter() - began) * 1000))
        return times[-len(questions) :]
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--runs", type=int, default=9, help="cold runs of each")
    parser.add_argument("--warm", type=int, default=500, help="questions asked of the server")
    given = parser.parse_args()
    lines = [line for line in given.questions.read_text("utf-8").splitlines() if line.strip()]
    asked = [json.loads(line)["question"] if line.startswith("{") else line for line in lines]

    library = Library.open(given.index)
    model = models.find(library.maker.model)
    library.close()
    vectors = [str(path) for path in sorted(given.index.glob("derived/*/*/vectors.faiss"))]
    results: dict[str, list[Run]] = {"ask": [], "script": []}
    for question in islice(cycle(asked), given.runs + 1):
        results["ask"].append(cold([str(SCRIPTS / "ask"), "--index", str(given.index), "--", question]))
        results["script"].append(cold([sys.executable, "-c", SCRIPT, str(model), question, *vectors]))
    wall = {}
    for name, runs in results.items():
        runs = runs[1:]  # the first fills the disk cache
        wall[name] = median(run.wall for run in runs)
        print(
            f"cold {name:7s} median {wall[name]:6.3f} s, fastest {min(run.wall for run in runs):6.3f} s, "
            f"processor {median(run.processor for run in runs):6.3f} s, peak {max(run.memory for run in runs):4.0f} MiB"
        )
    print(f"cold script / ask  {wall['script'] / wall['ask']:.1f}")
    times = warm(given.index, list(islice(cycle(asked), given.warm)))
    for name, column in (("server", 0), ("wall", 1)):
        values = [row[column] for row in times]
        p95 = quantiles(values, n=20)[-1]
        print(f"warm {name:7s} median {median(values):6.1f} ms, p95 {p95:6.1f} ms, {len(values)} questions")


if __name__ == "__main__":
    main()
