"""A file becomes a Document in a process of its own, so that a file which loops, crashes or takes all memory costs
itself alone.

Files are read ahead of the one who asks for them, on all cores. What a process answers is checked before it is used
(see `formats.wire`): a file can take over the process that reads it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock, Timer
from typing import IO, Any

from qa import formats
from qa.errors import UnreadableFile, UsageError
from qa.formats import Limits, child, wire
from qa.formats.wire import Found
from qa.records import Document, Picture, Places, Span

PARSER = "qa.formats"
"""The module whose JOBS a process can do."""

MAX_PROCESSES = 4
"""Reading is many times faster than encoding: more would only take memory."""

AHEAD = 16
"""Files that are read or wait to be taken, so that encoding need not wait for reading."""

PATIENCE_SECONDS = 5.0
"""How long a file is waited for before those behind it may overtake it."""

_START_SECONDS = 60.0
_ENDING_SECONDS = 5.0
# Another process is started when so much time in all was spent on waiting for one: it takes half as long to start.
_WORTH_WAITING_SECONDS = 0.25
_START = "import sys; sys.path[:] = sys.argv[1:]; from {} import JOBS; from qa.formats.child import serve; serve(JOBS)"

_VARIABLES = ("LD_LIBRARY_PATH", "TZ")
_MAX_REASON_CHARS = 500
_REMEDY = "Does it open in another program? If so, save it anew from there, or split it into smaller files."
_SUSPECT = "It may be made to attack the programs that open it: be sure of where it comes from."


@dataclass(frozen=True, slots=True)
class Reading:
    """A file as it was read. `sha256` is that of its bytes, `size` how many there are; `document` is None when they
    were known already."""

    media_type: str
    sha256: str
    size: int
    document: Document | None


Outcome = Reading | UnreadableFile

OnPage = Callable[[str, int, int], None]
"""Told, from a thread of its own, the name of a file, the page of it that is being recognised, and how many it has."""


class Readers:
    """Processes that read files, started when they are needed; all end with the block."""

    def __init__(self, limits: Limits = Limits(), on_page: OnPage = lambda *_: None) -> None:
        self._limits = limits
        self._on_page = on_page
        self._threads = ThreadPoolExecutor(min(MAX_PROCESSES, os.cpu_count() or 1), "reading")
        self._idle: LifoQueue[Child] = LifoQueue()  # the one that has its libraries loaded comes first
        self._children: set[Child] = set()
        self._lock = Lock()
        self._waited_seconds = 0.0
        self._is_closed = False

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
        for each in self._children:
            each.kill()
        self._threads.shutdown(cancel_futures=True)
        for each in self._children:
            each.end()

    def prepare(self) -> None:
        """Start one, so that it is there when the first file is. Raises UsageError when no process can be started."""
        with self._lock:
            self._idle.put(self._start())

    def read(self, files: Iterable[tuple[str, Path, str]]) -> Iterator[tuple[str, Outcome]]:
        """What became of each of `files`, given as its name, its path, and the sha256 of what is known of it already
        or "": its name, and a Reading or the reason why there is none.

        In the order given, but that a file which takes longer than PATIENCE_SECONDS is overtaken by those behind it.
        `files` is asked for more while earlier ones are being read. Raises UsageError when no process can be started.
        """
        left = iter(files)
        pending: deque[tuple[str, Future[Outcome]]] = deque()
        late: list[tuple[str, Future[Outcome]]] = []
        while True:
            for name, path, known in islice(left, AHEAD - len(pending)):
                pending.append((name, self._threads.submit(self._outcome, name, path, known)))
            if pending:
                name, future = pending.popleft()
                if wait([future], PATIENCE_SECONDS).done:
                    yield name, future.result()
                else:
                    late.append((name, future))
            elif late:
                wait([future for _, future in late], return_when=FIRST_COMPLETED)
            else:
                return
            for name, future in [each for each in late if each[1].done()]:
                late.remove((name, future))
                yield name, future.result()

    def _outcome(self, name: str, path: Path, known: str) -> Outcome:
        try:
            media_type = formats.media_type(path, self._limits)
            data = formats.load(path, self._limits)
            sha256 = hashlib.sha256(data).hexdigest()
            document = None if sha256 == known else self._document(name, data, media_type)
        except UnreadableFile as error:
            return error
        return Reading(media_type, sha256, len(data), document)

    def _document(self, name: str, data: bytes, media_type: str) -> Document:
        while True:
            reader = self._take()
            try:
                return reader.read(data, media_type, partial(self._on_page, name))
            except UnreadableFile:
                if not reader.is_worn:
                    raise
            finally:
                self._give_back(reader)

    def _take(self) -> Child:
        began = time.monotonic()
        worth = max(0.0, _WORTH_WAITING_SECONDS - self._waited_seconds) if self._children else 0.0
        try:
            reader = self._idle.get(timeout=worth)
            self._waited_seconds += time.monotonic() - began
        except Empty:
            with self._lock:
                self._waited_seconds = 0.0
                reader = self._start()
        if not reader.is_ready:
            reader.greet()
        return reader

    def _start(self) -> Child:
        if self._is_closed:
            raise UnreadableFile("was not read: reading was ended", "Run the command again.")
        reader = Child(self._limits)
        self._children.add(reader)
        return reader

    def _give_back(self, reader: Child) -> None:
        if reader.is_usable:
            self._idle.put(reader)
            return
        reader.end()
        with self._lock:
            self._children.discard(reader)


class Child:
    """One process that reads and draws; for one thread at a time. `is_ready`: it was greeted. `is_usable`: it can be
    given another file. `is_worn`: it failed in a way that what it read before may have part in, and a fresh one may do
    better."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._is_late = False
        self._seconds = 0.0
        self._reads = 0
        self.is_ready = False
        self.is_usable = True
        self.is_worn = False
        modules = (str(Path(__file__).parent.parent), *(place for place in sys.path if Path(place).is_absolute()))
        try:
            # -I, -S: nothing of the user's environment or of site's start-up files. A session of its own: an
            # interruption at the keyboard is for this process to deal with.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START.format(PARSER), *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"No process can be started to read files in ({error.strerror or error}).",
                "Close other programs, then run the command again. What was finished is kept.",
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout

    def greet(self) -> None:
        """Wait until it is ready to read. Raises UsageError when it is not."""
        try:
            with self._deadline(_START_SECONDS):
                wire.send(self._requests, asdict(self._limits))
                said, _ = wire.receive(self._answers, 0)
        except (EOFError, OSError, ValueError):
            said = None
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDING_SECONDS)
        if said != child.READY:
            self.is_usable = False
            self.end()
            raise UsageError(
                f"A process to read files in ended as it began ({self._ending()}).",
                "Install the package anew; if that does not help, please report it.",
            )
        self.is_ready = True

    def read(self, data: bytes, media_type: str, on_page: Callable[[int, int], None]) -> Document:
        """The document that `data` holds. Raises UnreadableFile when there is none, or when it costs too much."""

        def check(said: Any, text: bytes) -> Document:
            return wire.document(said, text, media_type, self._limits)

        return self._ask("parse", (media_type,), data, check, wire.max_text_bytes(self._limits), on_page)

    def places(self, data: bytes, span: Span, text_sha256: str) -> Places:
        """Where a span of the text of a PDF, which has that hash, stands. Raises UnreadableFile as `read` does."""
        return self._ask("places", (span.start, span.end, text_sha256), data, wire.places, 0)

    def picture(self, data: bytes, number: int) -> Picture:
        """A page of a PDF, counted from 1. Raises UnreadableFile as `read` does."""
        return self._ask("picture", (number,), data, wire.picture, wire.MAX_PNG_BYTES)

    def _ask(
        self,
        job: str,
        asked: tuple[Any, ...],
        data: bytes,
        check: Callable[[Any, bytes], Found],
        max_bytes: int,
        on_page: Callable[[int, int], None] = lambda *_: None,
    ) -> Found:
        self._reads += 1
        self.is_usable = False
        try:
            with self._deadline(self._limits.max_seconds):
                wire.send(self._requests, (job, *asked), data)
                said, beside = wire.receive(self._answers, max_bytes)
            for _ in range(self._limits.max_ocr_pages):
                if (page := wire.page_of(said)) is None:
                    break
                on_page(*page)
                with self._deadline(self._limits.max_seconds + self._limits.max_page_seconds):
                    said, beside = wire.receive(self._answers, max_bytes)
            reply, found = wire.unpacked(said, beside, check)
        except (EOFError, OSError):
            with suppress(subprocess.TimeoutExpired):  # it says how it ended when it is gone
                self._process.wait(_ENDING_SECONDS)
            self.end()
            raise self._loss() from None
        except ValueError:
            raise UnreadableFile("was read as something that is no document", _SUSPECT) from None
        if found is None:
            self.is_worn = reply.is_short_of_memory and self._reads > 1
            self.is_usable = not (reply.is_last or self.is_worn or self._is_late)
            raise UnreadableFile(reply.what[:_MAX_REASON_CHARS], reply.remedy[:_MAX_REASON_CHARS])
        self.is_usable = not (reply.is_last or self._is_late)
        return found

    def _loss(self) -> UnreadableFile:
        """What to say of a file whose reader is gone."""
        if self._is_late or self._process.returncode == -signal.SIGXCPU:
            return UnreadableFile(f"took longer than {self._seconds:g} s to read", _REMEDY)
        self.is_worn = self._reads > 1
        return UnreadableFile(f"made the program that reads it fail ({self._ending()})", _REMEDY)

    def _ending(self) -> str:
        code = self._process.returncode
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"exit code {code}"

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        self._seconds = seconds
        timer = Timer(seconds, self._overrun)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _overrun(self) -> None:
        self._is_late = True
        self.kill()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill it, wait until it is gone, and let go of what held it."""
        self.kill()
        self._process.wait()
        for stream in (self._requests, self._answers):
            with suppress(OSError):  # what was not sent will not be
                stream.close()
