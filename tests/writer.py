"""A program that runs commands of `qa`, each in a process of its own that can be ended at any call to the system.

    python tests/writer.py CACHE MODEL...

Models are loaded once, and a process forked for each command. A line of JSON on stdin names the command and what is to
befall it; a line on stdout says how that ended.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import interference
from interference import Call, Verdict
from journal import Journal

from qa import cli, foreign, formats, indexing, models, reencoding, serving
from qa import run as running
from qa.encoder import Encoder
from qa.reading import Outcome, Readers
from qa.records import Document, Encoding, Passage

QUESTIONS = foreign.QUESTIONS[:2]
"""Of the questions that the noise of an index is told by: telling it writes nothing, and takes half of the time."""


BATCH_PASSAGES = 16
"""More than all documents have of most tests, and a few seconds of work for none."""


class Inline(Readers):
    """Reads in the process itself: those that read have no part in what is written."""

    def __enter__(self) -> Inline:
        return self

    def read(self, files: Iterable[tuple[str, Path, str]]) -> Iterator[tuple[str, Outcome]]:
        return ((name, self._outcome(name, path, known)) for name, path, known in files)

    def _document(self, name: str, data: bytes, media_type: str) -> Document:
        return formats.parse(data, media_type, self._limits)


class Counting(Encoder):
    """Counts what is encoded, where the process that this one was forked from can read it."""

    count = mmap.mmap(-1, 8)

    def encode_passages(self, passages: Iterable[tuple[Passage, str]]) -> Iterator[Encoding]:
        for each in super().encode_passages(passages):
            self.count[:] = (self.encoded() + 1).to_bytes(8, "little")
            yield each

    @classmethod
    def encoded(cls) -> int:
        return int.from_bytes(cls.count[:], "little")


@dataclass(slots=True)
class Fate:
    """What befalls a command: nothing, or at the call of number `at` among those that concern files `below` a folder
    its end or, where there is an `errno`, that error; and at every later call that it can befall, if it is `lasting`:
    what needs no room does not fail for want of any. All calls are counted if it is of `every` call, those that read if
    it is of `reads`, else those that change files or make changes durable."""

    below: str
    at: int = 0
    errno: int = 0
    lasting: bool = False
    every: bool = False
    reads: bool = False
    calls: list[tuple[str, str]] = field(default_factory=list)

    def judge(self, call: Call) -> Verdict:
        if not (self.every or call.path.startswith(self.below)):
            return 0
        self.calls.append((call.name, call.path))
        number = len(self.calls)
        if not self.at or number < self.at or (number > self.at and not self.lasting):
            return 0
        if not self.errno:
            return None
        is_later = number > self.at
        return 0 if is_later and self.errno == errno.ENOSPC and call.name not in interference.ROOMY else self.errno


def prepare(cache: Path, names: Iterable[str]) -> None:
    """Load what commands need, so that those forked have it."""
    exported = {name: models.exported(name, cache) for name in names}
    encoders = {model.fingerprint: Counting(model, 1) for model in exported.values()}
    for encoder in encoders.values():
        encoder.prepare()
    foreign.QUESTIONS = QUESTIONS
    models.exported = lambda name, *given, **more: exported[name]
    models.cached = lambda mark, *given, **more: next((m for m in exported.values() if m.fingerprint == mark), None)
    for room in (indexing, reencoding, serving):
        room.Encoder = lambda model, threads=0: encoders[model.fingerprint]
    running.BATCH_PASSAGES = reencoding.BATCH_PASSAGES = BATCH_PASSAGES
    indexing.Readers = Inline
    with tempfile.TemporaryDirectory() as home, Path(os.devnull).open("w") as nowhere:
        Path(home, "docs").mkdir()
        for command in (["index", f"{home}/docs"], ["index"], ["forget", "a.md"], ["verify"]):
            Path(home, "docs", "a.md").write_text("The ferry leaves at noon.\n")
            with suppress(SystemExit), redirect_stdout(nowhere), redirect_stderr(nowhere):
                model = () if command[0] == "verify" else ("--model", next(iter(exported)))
                _main([*command, *model, "--index", f"{home}/index"])


def _main(command: list[str]) -> None:
    if command[0] == "ask":
        cli.ask.main(command[1:], "ask", standalone_mode=False)
    else:
        cli.qa.main(command, "qa", standalone_mode=False)


def run(command: list[str], fate: dict[str, Any] | None) -> dict[str, Any]:
    """How a command ended and what it said, which calls it made as far as they were counted, and how many passages it
    encoded. Where its fate is a `journal` (the name of a file), nothing befalls it, and what it does is put down: bytes
    in that file, events in one beside."""
    Counting.count[:] = bytes(8)
    gate, go = os.pipe()
    with ExitStack() as held:
        said = held.enter_context(tempfile.TemporaryFile())
        journal, befalls = None, Fate("")
        if fate is not None and "journal" in fate:
            journal = Journal(fate["below"], held.enter_context(Path(fate["journal"]).open("wb")))
        elif fate is not None:
            befalls = Fate(**fate)
        pid = os.fork()
        if not pid:
            os.close(go)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.read(gate, 1)
            if fate is not None:  # by now it is attended: whom nobody attends a call fails that would be stopped
                calls = interference.READS if befalls.reads else interference.CALLS
                interference.submit(None if befalls.every else calls)
            _end(command)
        os.close(gate)
        if journal is not None:
            code = interference.attend(pid, lambda: os.close(go), journal.judge, journal.returned)
            Path(f"{journal.data.name}.json").write_text(json.dumps(journal.events), "utf-8")
        elif fate is not None:
            code = interference.attend(pid, lambda: os.close(go), befalls.judge)
        else:
            os.close(go)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0)
        told = said.read().decode("utf-8", "replace")
        return {"code": code, "said": told, "calls": befalls.calls, "encoded": Counting.encoded()}


def _end(command: list[str]) -> None:
    code = 70
    try:
        _main(command)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), sys.argv[2:])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
