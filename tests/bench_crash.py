"""Ends and fails each operation of `test_crash` at every call that changes a file, and says what came of it.

    python tests/bench_crash.py CACHE LOG [OPERATION...]

A line of JSON in the LOG for each point; those that it holds already are not tried again, so it goes on where it was
ended. Each kind of place comes first: the first, middle and last of the calls of one name that concern one file.
"""

from __future__ import annotations

import errno
import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import interference
import likeness
import small_model
from shelf import MEMORY
from test_crash import FOREIGN, OPERATIONS, Home, Trial, Writer, end, fail

from qa import engine, foreign, models, piece
from qa.encoder import Encoder

WAYS = {
    "EIO once": (errno.EIO, False),
    "ENOSPC from then on": (errno.ENOSPC, True),
    "kill": (0, False),
    "EIO from then on": (errno.EIO, True),
    "ENOSPC once": (errno.ENOSPC, False),
}
"""What befalls a command, in the order in which it is tried."""


LEXICON = re.compile(f"/({'|'.join(piece.LEXICONS)})/")
"""Three that are written alike."""


def main(cache: Path, log: Path, names: list[str]) -> None:
    done = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    tried = {(row["operation"], row["way"], row["point"]) for row in done}
    small = str(cache / f"small-{small_model.recipe()}" / "model")
    exported = [models.exported(name, cache) for name in (small, models.DEFAULT)]
    encoders = {model.fingerprint: Encoder(model) for model in exported}
    engine._prepared = lambda maker, *given: encoders[maker.fingerprint]
    foreign.QUESTIONS = FOREIGN
    with ExitStack() as held, log.open("a", encoding="utf-8") as out:
        writer = Writer(cache, small, models.DEFAULT)
        held.callback(writer.close)
        trials = {}
        for operation in OPERATIONS:
            if not names or operation.name in names:
                folder = held.enter_context(tempfile.TemporaryDirectory(prefix="qa-crash-", dir=MEMORY))
                trials[operation.name] = Trial(operation, Home(Path(folder), small, cache, writer))
        plan = list(_plan(trials.values()))
        for name, trial in trials.items():
            print(f"{name}: {len(trial.calls)} calls, {len(_places(trial))} at the first, middle or last of a kind")
        print(f"{len(plan)} points, {len(tried)} tried before", flush=True)
        for trial, way, point in plan:
            if (trial.operation.name, way, point) not in tried:
                row = {"operation": trial.operation.name, "way": way, "point": point, **_try(trial, way, point)}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                out.flush()
                done.append(row)
    for (operation, way), count in sorted(Counter((row["operation"], row["way"]) for row in done).items()):
        print(operation, way, count, dict(Counter(row["found"] for row in done if row["way"] == way)), sep="; ")


def _try(trial: Trial, way: str, point: int) -> dict[str, Any]:
    number, lasting = WAYS[way]
    try:
        done = fail(trial, point, number, lasting=lasting) if number else end(trial, point)
    except AssertionError as error:
        return {"found": error.args[0][0] if isinstance(error.args[0], tuple) else "other", "said": str(error)[:3000]}
    at = done.calls[point - 1] if len(done.calls) >= point else ["", ""]
    return {"found": "", "code": done.code, "call": at[0], "file": _file(trial, at[1])}


def _plan(trials: Any) -> Iterator[tuple[Trial, str, int]]:
    """Kinds of places first, then all other points by way."""
    first = {trial.operation.name: _places(trial) for trial in trials}
    for is_first in (True, False):
        for way in WAYS:
            for trial in trials:
                for point, (name, _) in enumerate(trial.calls, start=1):
                    is_full = WAYS[way][0] == errno.ENOSPC
                    if (point in first[trial.operation.name]) == is_first and (
                        not is_full or name in interference.ROOMY
                    ):
                        yield trial, way, point


def _places(trial: Trial) -> set[int]:
    """First, middle and last of the calls of one name that concern one file."""
    held = defaultdict(list)
    for point, (name, path) in enumerate(trial.calls, start=1):
        held[name, _file(trial, path)].append(point)
    return {points[at] for points in held.values() for at in (0, len(points) // 2, -1)}


def _file(trial: Trial, path: str) -> str:
    return LEXICON.sub("/*/", likeness.plain(path.removeprefix(f"{trial.home.index}/")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
