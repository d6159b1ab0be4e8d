"""Ends and fails each operation of `test_crash` at every call that changes a file, and says what came of it.

    python tests/bench_crash.py CACHE LOG [OPERATION...]

A line of JSON in the LOG for each point; those that it holds already are not tried again, so it goes on where it was
ended.
"""

from __future__ import annotations

import errno
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import interference
import likeness
import small_model
from shelf import MEMORY
from test_crash import FOREIGN, OPERATIONS, Home, Trial, Writer, end, fail

from qa import foreign, models, piece, serving
from qa.encoder import Encoder

WAYS = {
    "EIO once": (errno.EIO, False),
    "ENOSPC from then on": (errno.ENOSPC, True),
    "kill": (0, False),
    "EIO from then on": (errno.EIO, True),
    "ENOSPC once": (errno.ENOSPC, False),
}
"""What befalls a command."""

Point = tuple[str, str, int]
"""Operation, way, and number of the call."""


ALIKE = re.compile(rf"/({'|'.join(piece.LEXICONS)}|\d+)(?=/|$)")
"""Folders that are written alike: lexicons, snapshots, pieces."""


def main(cache: Path, log: Path, names: list[str]) -> None:
    done = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    tried = {(row["operation"], row["way"], row["point"]) for row in done}
    small = str(cache / f"small-{small_model.recipe()}" / "model")
    exported = [models.exported(name, cache) for name in (small, models.DEFAULT)]
    encoders = {model.fingerprint: Encoder(model) for model in exported}
    serving.prepared = lambda maker, *given: encoders[maker.fingerprint]
    foreign.QUESTIONS = FOREIGN
    with ExitStack() as held, log.open("a", encoding="utf-8") as out:
        writer = Writer(cache, small, models.DEFAULT)
        held.callback(writer.close)
        trials = {}
        for operation in OPERATIONS:
            if not names or operation.name in names:
                folder = held.enter_context(tempfile.TemporaryDirectory(prefix="qa-crash-", dir=MEMORY))
                trials[operation.name] = Trial(operation, Home(Path(folder), small, cache, writer))
        for trial, way, point in _plan(trials.values(), tried):
            row = {"operation": trial.operation.name, "way": way, "point": point, **_try(trial, way, point)}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()
            done.append(row)
    for (operation, way, found), count in sorted(Counter((r["operation"], r["way"], r["found"]) for r in done).items()):
        print(f"{operation}, {way}: {count} {found or 'as it must'}")


def _try(trial: Trial, way: str, point: int) -> dict[str, Any]:
    number, lasting = WAYS[way]
    try:
        done = fail(trial, point, number, lasting=lasting) if number else end(trial, point)
    except AssertionError as error:
        return {"found": error.args[0][0] if isinstance(error.args[0], tuple) else "other", "said": str(error)[:3000]}
    at = done.calls[point - 1] if len(done.calls) >= point else ["", ""]
    return {"found": "", "code": done.code, "call": at[0], "file": _file(trial, at[1])}


def _plan(trials: Iterable[Trial], tried: Collection[Point]) -> list[tuple[Trial, str, int]]:
    """All points that are not tried yet: one of each kind of place first (a way, a call and what kind of file it
    concerns, in whatever operation), then another of each, and so on."""
    every = []
    for trial in trials:
        for at, (call, path) in enumerate(trial.calls, start=1):
            for way, (number, _) in WAYS.items():
                if number != errno.ENOSPC or call in interference.ROOMY:
                    every.append((trial, way, at, (way, call, _file(trial, path))))
    random.Random(1).shuffle(every)
    every.sort(key=lambda point: (point[0].operation.name, *point[1:3]) not in tried)
    ranks: Counter[tuple[str, str, str]] = Counter()
    ranked = []
    for trial, way, at, kind in every:
        if (trial.operation.name, way, at) not in tried:
            ranked.append((ranks[kind], trial, way, at))
        ranks[kind] += 1
    print(f"{len(every)} points of {len(ranks)} kinds, {len(every) - len(ranked)} tried before", flush=True)
    return [point for _, *point in sorted(ranked, key=lambda point: point[0])]


def _file(trial: Trial, path: str) -> str:
    return ALIKE.sub("/*", likeness.plain(path.removeprefix(f"{trial.home.index}/")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
