"""The right to write to an index: one process at a time, by a lock that the kernel takes back when its holder dies.

What a disk refuses a writer is told here, in words, whichever of its steps it befell.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from qa import disk
from qa.errors import IndexBusy, UsageError

FILE = "lock"

_PAUSE_S = 0.02
"""Between two tries."""

_INTRODUCTION_S = 0.5
"""For how long the name of a holder is awaited that has the lock, but did not yet write down who it is."""


_FULL = "The disk is full", "Make room, then run the command again. What was finished is kept."
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EIO: ("The disk failed", "What was finished is kept. Look after the disk, then run the command again."),
}


@contextmanager
def writer(folder: Path, command: str, wait_s: float = 0.0) -> Iterator[None]:
    """The right to write to the index in `folder`, which is made if need be, for as long as the block runs.

    `command` is what others are told that this process does. Raises IndexBusy, naming the holder, when another one has
    had the right for all of `wait_s` seconds (infinity waits until it ends); UsageError where nothing can be written,
    and in place of an OSError in the block.
    """
    try:
        disk.make(folder)
        file = (folder / FILE).open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        if error.errno in _REASONS:
            raise _refused(folder, error) from error
        raise UsageError(
            f"No index can be made in {folder} ({error.strerror}).", "Name a folder that can be written with --index."
        ) from error
    try:
        with file:
            _take(file, folder, wait_s)
            try:
                said = f"process {os.getpid()} ({command}), since {time.strftime('%Y-%m-%d %H:%M:%S')}\n"
                with suppress(OSError):  # on a full disk the lock holds all the same
                    os.write(file.fileno(), said.encode("utf-8"))
                yield
            finally:
                with suppress(OSError):
                    file.truncate(0)
    except BrokenPipeError:
        raise  # whoever read what was said is gone
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(folder: Path, error: OSError) -> UsageError:
    """What an error of the system is to a user who wrote to the index in `folder`."""
    said, place = error.strerror or str(error), error.filename or folder
    if error.errno in _REASONS:
        what, remedy = _REASONS[error.errno]
        return UsageError(f"{what}: {place} could not be read or written ({said}).", remedy)
    return UsageError(
        f"The index in {folder} cannot be written ({said}).",
        "Is the disk full or failing? What was finished is kept; run the command again.",
    )


def _take(file: TextIO, folder: Path, wait_s: float) -> None:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)  # what a holder left that was killed
            return
        except BlockingIOError as error:
            waited = time.monotonic() - began
            holder = _holder(file)
            if waited >= wait_s and (holder or waited >= _INTRODUCTION_S):
                end = "" if not wait_s or math.isinf(wait_s) else f" Waited {wait_s:g} s."
                raise IndexBusy(
                    f"Another process is writing to the index in {folder}: {holder or 'it did not say which'}.{end}",
                    "Run the command again when it has ended, or with --wait.",
                ) from error
            time.sleep(_PAUSE_S)


def _holder(file: TextIO) -> str:
    """Who says that it holds the lock; empty when that is nobody who lives."""
    file.seek(0)
    said = file.read().strip()
    words = said.split()
    try:
        os.kill(int(words[1]), 0)
    except (IndexError, ValueError, ProcessLookupError, OverflowError):
        return ""
    except PermissionError:
        pass  # another user's process
    return said
