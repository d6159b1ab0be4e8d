"""Pages of PDF files as they look, and the places of their text, made in a confined process that stays for the next.

What was made is kept, up to a bound, by the hash of the file that it was made of; so is why nothing could be made, so
that a file that takes all of its time takes it once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from qa import formats
from qa.errors import UnreadableFile
from qa.formats import Limits
from qa.reading import Child
from qa.records import Picture, Places, Span

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Some 200 pages of text."""

WAIT_SECONDS = 5.0
"""How long a page waits for the one that is being made, so that a slow file does not hold up a server's threads."""

_SMALL = 2_000  # what an entry without a picture is counted as, in bytes

_Key = tuple[str | int, ...]
_Made = Places | Picture | UnreadableFile


class Facsimiles:
    """May be used by several threads at once. Its process is started when it is first needed."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._child: Child | None = None
        self._is_closed = False
        self._at_work = Lock()
        self._held: OrderedDict[_Key, _Made] = OrderedDict()
        self._held_bytes = 0
        self._holding = Lock()

    def __enter__(self) -> Facsimiles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and what it does; what was made before can still be had."""
        self._is_closed = True
        if (child := self._child) is not None:
            child.kill()
        with self._at_work:
            self._end()

    def places(self, path: Path, sha256: str, text: str, span: Span) -> Places:
        """Where a span of `text` stands, which is what the file with that hash was read as. Raises UnreadableFile when
        it cannot be read any more, or is another file now."""
        text_sha256 = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        key = (sha256, text_sha256, span.start, span.end)
        made = self._made(key, path, sha256, lambda child, data: child.places(data, span, text_sha256))
        assert isinstance(made, Places)
        return made

    def picture(self, path: Path, sha256: str, number: int) -> Picture:
        """Page `number`, from 1, of the file with that hash. Raises UnreadableFile as `places` does, and when there is
        no such page."""
        made = self._made((sha256, number), path, sha256, lambda child, data: child.picture(data, number))
        assert isinstance(made, Picture)
        return made

    def _made(self, key: _Key, path: Path, sha256: str, make: Callable[[Child, bytes], Places | Picture]) -> _Made:
        found = self._kept(key)
        if found is None:
            if not self._at_work.acquire(timeout=WAIT_SECONDS):
                raise UnreadableFile("has to wait for another one that takes long", "Load the page again in a moment.")
            try:
                found = self._kept(key)
                if found is None:
                    data = formats.load(path, self._limits)
                    if hashlib.sha256(data).hexdigest() != sha256:
                        raise UnreadableFile("is no longer the one that was indexed", "Run `qa index`.")
                    found = self._make(data, make)
                    self._keep(key, found)
            finally:
                self._at_work.release()
        if isinstance(found, UnreadableFile):
            raise UnreadableFile(found.what, found.remedy)
        return found

    def _make(self, data: bytes, make: Callable[[Child, bytes], Places | Picture]) -> _Made:
        while True:
            if self._is_closed:
                return UnreadableFile("is not drawn any more, for the server ends")
            if self._child is None:
                self._child = Child(self._limits)
                self._child.greet()
            child = self._child
            try:
                return make(child, data)
            except UnreadableFile as error:
                if not child.is_worn:
                    return error
            finally:
                if not child.is_usable:
                    self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _kept(self, key: _Key) -> _Made | None:
        with self._holding:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key]

    def _keep(self, key: _Key, made: _Made) -> None:
        with self._holding:
            self._held[key] = made
            self._held_bytes += _size(made)
            while self._held_bytes > MAX_HELD_BYTES:
                _, gone = self._held.popitem(last=False)
                self._held_bytes -= _size(gone)


def _size(made: _Made) -> int:
    boxes = sum(len(page.boxes) for page in made.pages) if isinstance(made, Places) else 0
    return _SMALL + (len(made.png) if isinstance(made, Picture) else 200 * boxes)
