"""What questions are asked of: the newest snapshot of an index, the model that made its vectors, and its documents as
they were indexed, whatever has become of their files."""

from __future__ import annotations

import fcntl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qa import disk, lock, models, noise, snapshot, stamps
from qa.encoder import Encoder
from qa.errors import IndexUnusable
from qa.library import Library, Maker
from qa.records import Document, Problem, Source, Stamp
from qa.settings import Settings
from qa.snapshot import Snapshot

HELD_DOCUMENTS = 64
"""Documents whose text is kept in memory between questions, and files whose hash is."""

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A snapshot that questions are asked of, the model that made its vectors, and what was wrong with the files of the
    index then."""

    snapshot: Snapshot
    encoder: Encoder
    problems: tuple[Problem, ...]


class Serving:
    """What is served of one index. Safe to share between threads, but for `library`, which `lock` is held for."""

    def __init__(self, settings: Settings, library: Library, first: Served, announce: Announce) -> None:
        self.library = library
        self.lock = threading.RLock()
        self._settings = settings
        self._announce = announce
        self._following = threading.Lock()
        self._served = first
        self._documents: OrderedDict[str, tuple[Document, str]] = OrderedDict()
        self._hashed: dict[Path, tuple[Stamp, str]] = {}

    @classmethod
    def open(
        cls, settings: Settings, library: Library, prepared: Callable[[Maker], Encoder], announce: Announce
    ) -> Serving:
        """What is served of a library. `prepared` gives what encodes questions as its maker does."""
        held = _current(library, prepared, announce)
        return cls(settings, library, Served(held, prepared(held.maker), library.problems()), announce)

    def close(self) -> None:
        """Let go of the index."""
        self.library.close()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of what was served last."""
        return self._served.problems

    def snapshot(self) -> Snapshot:
        """See `newest`."""
        return self.newest().snapshot

    def newest(self) -> Served:
        """That of the library's last commit or, while another process makes that, of an earlier one."""
        held = self._served.snapshot
        with self.lock:
            now = self.library.commit, self.library.birth
        if now == (held.commit, held.birth):
            return self._served
        # One thread takes up what is new; the others go on with what they have, as long as it is of the same library.
        if self._following.acquire(blocking=held.birth != now[1]):
            try:
                if (self._served.snapshot.commit, self._served.snapshot.birth) != now:
                    self._follow()
            finally:
                self._following.release()
        return self._served

    def _follow(self) -> None:
        before = self._served

        def fitting(maker: Maker) -> Encoder:
            same = maker == before.snapshot.maker
            return before.encoder if same else prepared(maker, self._settings, self._announce)

        library = Library.open(self._settings.index)  # a connection of its own: others ask meanwhile
        try:
            held = _current(library, fitting, self._announce, before.snapshot)
            problems = library.problems()
        finally:
            library.close()
        if held is not before.snapshot:
            served = Served(held, fitting(held.maker), problems)
            with self.lock:
                self._served = served
                self._documents.clear()

    def document(self, held: Snapshot, source: Source) -> Document:
        """A document of a snapshot as it was indexed then: where the library holds another text of it by now, the
        snapshot's own copy."""
        with self.lock:
            if source.id in self._documents and self._documents[source.id][1] == source.sha256:
                self._documents.move_to_end(source.id)
                return self._documents[source.id][0]
            with self.library.reading():
                found = self.library.document(source.id) if self.library.holds(source) else None
            document = held.text_of(source.id) if found is None else found
            self._documents[source.id] = (document, source.sha256)
            while len(self._documents) > HELD_DOCUMENTS:
                self._documents.popitem(last=False)
            return document

    def stale(self, source: Source) -> str:
        """ "" while the file of a document is the one that was indexed, else "changed" or "missing"."""
        with self.lock:
            path = self.library.file(source.id)
            held = self.library.notes.stamps(source.id).get(source.id)
        if path is None:
            return "missing"
        try:
            return "changed" if self._differs(path, source, held) else ""
        except OSError:
            return "missing"

    def _differs(self, path: Path, source: Source, held: Stamp | None) -> bool:
        """Whether a file is another than the one that was indexed; it is read when nothing else can tell, and once for
        as long as it stays as it is."""
        moment, now = time.time_ns(), path.stat()
        verdict = stamps.compare(held, source.size, source.modified_ns, now)
        if verdict:
            return verdict == "changed"
        seen = stamps.stamp(now, moment)
        known, sha256 = self._hashed.get(path, (None, ""))
        if known != seen:
            sha256 = disk.digest(path, disk.SHA256)
            if seen.settled:
                with self.lock:
                    self._hashed[path] = (seen, sha256)
                    while len(self._hashed) > HELD_DOCUMENTS:
                        self._hashed.pop(next(iter(self._hashed)))
        return sha256 != source.sha256


def prepared(maker: Maker, settings: Settings, announce: Announce) -> Encoder:
    """The encoder that made the index, ready to encode a question."""
    model = models.cached(maker.fingerprint, settings.model_cache)
    if model is None:
        model = models.exported(maker.model, settings.model_cache, fetch=settings.fetch_model, announce=announce)
    if model.fingerprint != maker.fingerprint:
        raise IndexUnusable(
            f"The index in {settings.index} was made with the model {maker.model} ({maker.fingerprint}); the model "
            f"of that name is now {model.fingerprint}.",
            f"Bring the old one back, or build the index anew: delete the folder {settings.index}, then qa index "
            f"FOLDER --index {settings.index}",
        )
    encoder = Encoder(model)
    encoder.prepare()
    return encoder


def _current(
    library: Library, prepared: Callable[[Maker], Encoder], announce: Announce, held: Snapshot | None = None
) -> Snapshot:
    """The snapshot of the library's last commit. While a writer is still making that, the newest that there is, of
    which `held` is one; where nobody makes it, or it is damaged, it is made in memory."""
    earlier = held if held is not None and held.birth == library.birth else None
    for at_work in (_writer_at_work(library.folder), False):
        found = snapshot.newest(library, earlier)
        with library.reading():
            if found is not None and found.commit == library.commit:
                return found
        earlier = found or earlier
        if at_work and earlier is not None:
            return earlier
        # It may have been made, and its writer gone, between the two looks: look once more.
    announce("The search index is behind or damaged and is made again in memory; `qa index` mends it.")
    return snapshot.build(library, lambda made: noise.level(made, prepared(made.maker)), earlier)


def _writer_at_work(folder: Path) -> bool:
    """Whether a process holds the lock of an index, which it does as long as it writes."""
    try:
        with (folder / lock.FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
