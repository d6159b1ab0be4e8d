"""What was searched, and what was not: files that wait, failed, changed or went, and pages that are pictures."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from qa import drift
from qa.drift import Look
from qa.errors import QAError
from qa.library import Library, Root
from qa.records import Coverage, Problem

FRESH_S = 2.0
"""How long what was found in the folders is good for."""

REST = 20
"""How many times as long as a look took there is none, where that is longer."""

PATIENT_S = 10.0
"""How long the status waits for it."""

PATIENCE_S = 0.5
"""How long an answer waits for a look at the folders, which a network could make last for ever."""

# What `formats` says of a PDF.
_SCANNED = re.compile(r"([\d,]+) of [\d,]+ pages (?:is a scan or picture|are scans or pictures); not searched\b")


@dataclass(frozen=True, slots=True)
class Survey:
    """Every root of an index with what is found there now, None where it is not there; and how many files there may
    have changed without a sign but their time."""

    looks: tuple[tuple[Root, Look | None], ...]
    touched: int


def survey(library: Library) -> Survey:
    """A look at all roots. No file is read but ignore files."""
    with library.reading():
        looks = tuple((root, drift.look(library, root)) for root in library.roots())
    # Counted once, not for every question: of 5,183 files it takes 4 ms.
    touched = sum(
        look.known[path].modified_ns != look.listing.files[path].st_mtime_ns
        for _, look in looks
        if look is not None
        for path in look.drift.doubtful
    )
    return Survey(looks, touched)


def told(problems: Iterable[Problem], found: Survey | None) -> Coverage:
    """From the problems of an index and what was found at its roots, if that is known."""
    held = list(problems)
    partial = [problem for problem in held if problem.kind == "partial"]
    scanned = (_SCANNED.match(problem.reason) for problem in partial)
    coverage = Coverage(
        failed=sum(problem.kind == "unreadable" for problem in held),
        partly=len({problem.path for problem in partial}),
        scanned_pages=sum(int(match[1].replace(",", "")) for match in scanned if match),
    )
    if found is None:
        return coverage
    drifts = [look.drift for _, look in found.looks if look is not None]
    return replace(
        coverage,
        pending=sum(len(each.new) for each in drifts),
        changed=sum(len(each.changed) for each in drifts) + found.touched,
        missing=sum(len(each.gone) for each in drifts),
        absent=tuple(str(root.path) for root, look in found.looks if look is None),
    )


class Watchman:
    """Looks at the folders of an index beside whoever asks for answers. Safe to share between threads."""

    def __init__(self, index_folder: Path, commit: int) -> None:
        """The first look, at an index that stands at `commit`, begins at once."""
        self._folder = index_folder
        self._lock = threading.Lock()
        self._found: Survey | None = None
        self._commit = commit
        self._good_until = 0.0
        self._is_late = False
        self._looking = self._begin(commit)

    def look(self, commit: int) -> None:
        """Begin a look at the roots of an index that stands at `commit`, unless there is one or what was found is
        still good: it goes on beside what its caller does until `found`."""
        with self._lock:
            self._begin_if_old(commit)

    def found(self, commit: int, patience_s: float | None = None) -> Survey | None:
        """What is found at the roots of an index that stands at `commit`; None when that takes longer than
        `patience_s`, or else PATIENCE_S."""
        with self._lock:
            self._begin_if_old(commit)
            looking = self._looking
            if patience_s is None:  # a look that is late is not waited for by one question after the other
                patience_s = 0.0 if self._is_late else PATIENCE_S
        is_late = not looking.wait(patience_s)
        with self._lock:
            self._is_late = is_late and looking is self._looking
            return self._found if self._commit == commit else None

    def _begin_if_old(self, commit: int) -> None:
        is_old = self._commit != commit or time.monotonic() > self._good_until
        if is_old and self._looking.is_set():
            self._looking = self._begin(commit)

    def _begin(self, commit: int) -> threading.Event:
        done = threading.Event()
        self._is_late = False
        # A file system that does not answer must not keep the process from ending.
        threading.Thread(target=self._look, args=(commit, done), name="coverage", daemon=True).start()
        return done

    def _look(self, commit: int, done: threading.Event) -> None:
        began = time.monotonic()
        found = None
        with suppress(QAError, OSError):
            library = Library.open(self._folder)
            try:
                found = survey(library)
            finally:
                library.close()
        now = time.monotonic()
        with self._lock:
            self._found, self._commit = found, commit
            self._good_until = now + max(FRESH_S, REST * (now - began))
        done.set()


def words(coverage: Coverage) -> list[str]:
    """What was not searched, or may be out of date, in people's words; empty when all was searched as it is."""
    said = [
        _counted(coverage.pending, "file is not indexed yet", "files are not indexed yet"),
        _counted(coverage.changed, "document has changed since", "documents have changed since"),
        _counted(coverage.missing, "document is no longer on disk", "documents are no longer on disk"),
        _counted(len(coverage.absent or ()), "folder is not there", "folders are not there"),
        _counted(coverage.failed, "file could not be read", "files could not be read"),
        _counted(coverage.scanned_pages, "scanned page was not searched", "scanned pages were not searched"),
    ]
    return [each for each in said if each]


def _counted(count: int | None, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}" if count else ""
