"""Keeps an index up to date with its folders: what the system tells of them makes it look, and what it finds different
makes it index.

Nothing but the look decides. What the system tells can be late, lost or wrong (an overflow, a network, a clock), so it
only says when to look, and a look comes now and then without it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from qa import coverage, stamps
from qa.coverage import Survey
from qa.errors import QAError
from qa.indexing import Indexer
from qa.library import Library, below
from qa.records import IndexReport
from qa.rules import VERSION_CONTROL
from qa.run import Progress

STEP_MS = 50
"""How long the system must tell of nothing more before it is looked at what changed: a save is several events, a
checkout thousands."""

QUIET_MS = 200
"""How long ago a file must have changed before it is read: it may be half written."""

PATIENCE_MS = 2_000
"""How long a look is put off at most while things go on happening."""

TICK_MS = 250
"""How often there is time for what the system does not tell."""

ROOTS_S = 1.0
"""How often it is seen whether the folders themselves are others: unmounted, back, added to the index."""

LOOK_S = 60.0
"""How often a look comes without being told to."""

POLL_S = 5.0
"""How often, where the system cannot tell."""

REST = 10
"""How many times as long as a look took there is none: files that are always written must not keep it looking."""

SETTLE_S = 1.5 * stamps.TICK_NS / 1e9
"""When a file is read once more of which it could not be told whether it changed once more just after it was read."""

PAUSES_S = (1.0, 60.0)
"""Between two tries of what fails: the first pause, and the longest that doubling makes of it."""

_LOG = logging.getLogger(__name__)

Announce = Callable[[str], None]

Mark = tuple[int, ...]


class _Stopped(Exception):
    """Following was ended while a run was under way. What that had finished is kept."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A file that could not be read, or of which only reading can tell whether it changed: how it looks, since when,
    and when it was last read; seconds of a clock that does not jump."""

    mark: Mark
    since: float
    read: float = -math.inf

    def is_due(self, now: float) -> bool:
        """Once at once, and once more when it has not changed for so long that reading it tells."""
        return self.read == -math.inf or self.read < self.since + SETTLE_S <= now


class Follower:
    """Follows the folders of one index. `run` is for one thread, the rest for any."""

    def __init__(
        self,
        indexer: Indexer,
        index_folder: Path,
        *,
        poll_s: float = 0.0,
        announce: Announce = lambda _: None,
        done: Callable[[IndexReport], None] = lambda _: None,
    ) -> None:
        """`poll_s`: look so often instead of being told by the system; 0 for the latter. `announce` is told what goes
        wrong, `done` what each run did."""
        self._indexer = indexer
        self._folder = index_folder
        self._poll_s = poll_s
        self._announce = announce
        self._done = done
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._trouble = ""
        self._is_busy = False
        self._absent: set[Path] = set()
        self._tried: dict[Path, _Tried] = {}
        self._look_at = self._rest_until = 0.0

    def state(self) -> dict[str, str]:
        """What it is at, as a sentence, and what keeps it from going on, JSON-ready."""
        way = f"looked over every {self._poll_s:g} s" if self._poll_s else "followed as they change"
        said = f"The folders are {way}{', and what changed is being indexed' if self._is_busy else ''}."
        return {"said": f"Not up to date. {self._trouble}" if self._trouble else said, "trouble": self._trouble}

    def stop(self) -> None:
        """End `run`, in the middle of what it does."""
        self._stop.set()

    def wait_ready(self, seconds: float) -> bool:
        """Wait until the index is up to date and changes are noticed from then on; whether that came in time."""
        return self._ready.wait(seconds)

    def run(self) -> None:
        """Bring the index up to date, now and whenever its folders change, until `stop`."""
        pause = PAUSES_S[0]
        while not self._stop.is_set():
            try:
                self._follow()
                pause = PAUSES_S[0]
            except _Stopped:
                return
            except Exception as error:  # whatever it is, it must not end the following for good
                if not isinstance(error, QAError | OSError):
                    _LOG.error("Following the folders failed", exc_info=error)
                if not self._trouble:
                    pause = PAUSES_S[0]
                self._trouble = str(error) or type(error).__name__
                self._announce(f"The index is not up to date. {self._trouble} Trying again in {pause:g} s.")
                self._stop.wait(pause)
                pause = min(2 * pause, PAUSES_S[1])

    def _follow(self) -> None:
        """Bring the index up to date whenever that is due, until the folders are others than they were."""
        roots = self._roots()
        roots_at = time.monotonic() + ROOTS_S
        self._look_at = 0.0
        there = [path for path in roots if path.is_dir()]
        for told in self._ticks(there):
            now = time.monotonic()
            if now >= roots_at:
                if self._roots() != roots:
                    return
                roots_at = now + ROOTS_S
            if told:
                self._look_at = min(self._look_at, self._rest_until)
            if now >= self._look_at:
                self._bring()
                self._ready.set()
                with suppress(QAError, OSError):  # what is wrong is told when it is needed
                    self._indexer.prepare()

    def _ticks(self, there: list[Path]) -> Iterator[bool]:
        """Every now and then, whether the system told of a change; from the first on it does."""
        if there and not self._poll_s:
            from watchfiles import watch

            try:
                for changes in watch(
                    *there,
                    watch_filter=lambda _, path: self._concerns(Path(path)),
                    debounce=PATIENCE_MS,
                    step=STEP_MS,
                    stop_event=self._stop,
                    rust_timeout=TICK_MS,
                    yield_on_timeout=True,
                    raise_interrupt=True,
                    ignore_permission_denied=True,
                ):
                    yield bool(changes)
                return
            except FileNotFoundError:
                return  # a folder went just now
            except (OSError, RuntimeError) as error:
                self._poll_s = POLL_S
                self._announce(
                    f"The system does not tell of changes in the folders ({error}); they are looked over every "
                    f"{POLL_S:g} s. On Linux a larger fs.inotify.max_user_watches helps."
                )
        while not self._stop.wait(TICK_MS / 1000):
            yield False

    def _concerns(self, path: Path) -> bool:
        """Whether a change could be one of documents. The index itself lies in their folder at times."""
        if path.is_relative_to(self._folder.resolve()):
            return False
        return not any(part in VERSION_CONTROL for part in path.parts)

    def _roots(self) -> dict[Path, Mark]:
        """What tells each root from another one, and one that is a file from itself when that was changed."""
        library = Library.open(self._folder)
        try:
            paths = [root.path for root in library.roots()]
        finally:
            library.close()
        found: dict[Path, Mark] = {}
        for path in paths:
            try:
                stat = path.stat()
            except OSError:
                found[path] = ()
            else:
                is_folder = path.is_dir()
                found[path] = (stat.st_dev, stat.st_ino, *(() if is_folder else (stat.st_size, stat.st_ctime_ns)))
        return found

    def _bring(self) -> None:
        """Look, and index what is due. Files that changed just now are given a moment: they may be half written."""
        patience = time.monotonic() + PATIENCE_MS / 1000
        while True:
            began = time.monotonic()
            library = Library.open(self._folder)
            try:
                found = coverage.survey(library)
            finally:
                library.close()
            now = time.monotonic()
            self._rest_until = now + REST * (now - began)
            pause = _unquiet_s(found)
            if not pause or now >= patience or self._stop.wait(pause):
                break
        is_due, leave = self._due(found, now)
        is_unfinished = False
        if is_due:
            self._is_busy = True
            try:
                report = self._indexer.bring(leave=leave, patient=True, progress=self._go_on)
            finally:
                self._is_busy = False
            is_unfinished = bool(report.pending)
            self._tried = {
                path: replace(each, read=now) if path not in leave else each for path, each in self._tried.items()
            }
            self._done(report)
        self._tell(found)
        now = time.monotonic()
        settling = [each.since + SETTLE_S for each in self._tried.values() if each.read < each.since + SETTLE_S]
        soon = [now + 1.0] if is_unfinished else []
        self._look_at = max(min([now + (self._poll_s or LOOK_S), *settling, *soon]), self._rest_until)

    def _due(self, found: Survey, now: float) -> tuple[bool, set[Path]]:
        """Whether there is anything to index, and which files need not be read for it."""
        is_due = False
        leave: set[Path] = set()
        tried: dict[Path, _Tried] = {}
        for root, look in found.looks:
            if look is None:
                continue
            drift = look.drift
            named = {problem.path for problem in look.listing.problems}.union(drift.failed)
            is_due |= bool(drift.new or drift.changed or drift.gone) or named != set(look.problems)
            for path in (*drift.new, *drift.changed, *drift.doubtful, *drift.failed):
                stat, file = look.listing.files[path], below(root.path, path)
                mark = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
                before = self._tried.get(file)
                tried[file] = before if before is not None and before.mark == mark else _Tried(mark, now)
                if tried[file].is_due(now):
                    is_due = True
                else:
                    leave.add(file)
        self._tried = tried
        return is_due, leave

    def _tell(self, found: Survey) -> None:
        """Say what became of folders, and that what went wrong is over."""
        absent = {root.path for root, look in found.looks if look is None}
        for path in sorted(absent - self._absent):
            self._announce(f"{path} is not there or may not be read; its documents stay as they are until it is back.")
        for path in sorted(self._absent - absent):
            self._announce(f"{path} is there again.")
        self._absent = absent
        if self._trouble:
            self._trouble = ""
            self._announce("The index is up to date again.")

    def _go_on(self, _: Progress) -> None:
        if self._stop.is_set():
            raise _Stopped


def _unquiet_s(found: Survey) -> float:
    """How soon every file that is to be indexed will have been left alone for QUIET_MS, if nothing goes on."""
    now = time.time_ns()
    ages = [
        now - look.listing.files[path].st_ctime_ns
        for _, look in found.looks
        if look is not None
        for path in (*look.drift.new, *look.drift.changed, *look.drift.doubtful)
    ]
    quiet = QUIET_MS * 1_000_000
    return max([(quiet - age) / 1e9 for age in ages if 0 <= age < quiet], default=0.0)
