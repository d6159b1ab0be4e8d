"""The process in which files are read: it takes a file's bytes and what is to be done with them, answers with what was
found, the document mostly, or with the reason why there is nothing, and goes on to the next, until there are no more.

What a parser prints, or a library of C warns of, goes nowhere.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from qa.errors import UnreadableFile
from qa.formats import confinement, ocr, wire
from qa.formats.composing import out_of_memory
from qa.formats.limits import Limits
from qa.records import Document, Picture, Places

READY = "ready"

Jobs = Mapping[str, Callable[..., Document | Places | Picture]]
"""Functions of a file's bytes, of what is asked, and of the limits, by name."""

# Seconds that the clock of the one who waits is given to run out first: it can say what happened, a signal cannot.
_GRACE = 2.0
# A process that still holds this part of what it may take, after a file, makes room for a fresh one.
_SPENT = 0.25
# Text recognition keeps 560 MiB of its 1,280.
_SPENT_WITH_OCR = 0.5
_DATA = 5  # its place in /proc/self/statm, see proc_pid_statm(5)


def serve(jobs: Jobs) -> None:
    """Do what is asked over standard input, the name of a job and its arguments, and answer over standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is for the one who started this to deal with
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        first, _ = wire.receive(requests, 0)
        limits = Limits(**first)
        memory = _Memory()
        confinement.confine(limits.max_memory_bytes)
        wire.send(answers, READY)
        most = (_SPENT_WITH_OCR if limits.max_ocr_pages else _SPENT) * limits.max_memory_bytes

        def tell(number: int, count: int) -> None:
            _limit_processor_time(limits.max_seconds + limits.max_page_seconds + _GRACE)
            wire.send(answers, [number, count])

        ocr.listen(tell)
        while True:
            try:
                (job, *asked), data = wire.receive(requests, limits.max_file_bytes)
            except EOFError:
                return
            _limit_processor_time(limits.max_seconds + _GRACE)
            reply = _reply(jobs[job], data, asked, limits)
            del data
            is_last = memory.used_bytes() > most
            try:
                wire.send(answers, *wire.packed(replace(reply, is_last=is_last)))
            except (MemoryError, ValueError):  # before anything was sent
                wire.send(answers, *wire.packed(replace(_refusal(out_of_memory(limits), True), is_last=True)))


def _reply(do: Callable[..., Document | Places | Picture], data: bytes, asked: list[Any], limits: Limits) -> wire.Reply:
    try:
        return wire.Reply(do(data, *asked, limits))
    except UnreadableFile as error:
        return _refusal(error, isinstance(error.__cause__, MemoryError))
    except MemoryError:
        return _refusal(out_of_memory(limits), True)


def _refusal(error: UnreadableFile, is_short_of_memory: bool) -> wire.Reply:
    return wire.Reply(None, error.what, error.remedy, is_short_of_memory)


def _limit_processor_time(seconds: float) -> None:
    """Ends this process when it has computed for so many more seconds."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


class _Memory:
    """How much memory this process has; opened before it is confined. (The peak that getrusage tells of begins with
    that of whoever started the process.)"""

    def __init__(self) -> None:
        self._pages = os.open("/proc/self/statm", os.O_RDONLY) if sys.platform == "linux" else None

    def used_bytes(self) -> int:
        """What its data takes; 0 where the system does not tell."""
        if self._pages is None:
            return 0
        return int(os.pread(self._pages, 200, 0).split()[_DATA]) * resource.getpagesize()
