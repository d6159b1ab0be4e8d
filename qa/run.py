"""One run of indexing: what was added, changed, moved or removed, and nothing else, is read, encoded and committed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qa import drift, folders, formats, noise, passages, rules, scarcity, sentences, snapshot, stamps
from qa.drift import Look
from qa.encoder import Encoder
from qa.errors import UnreadableFile
from qa.library import Library, Read, Root, below, identity
from qa.reading import Readers, Reading
from qa.records import Document, Encoding, IndexReport, Passage, Problem, Rules, Source, Stamp
from qa.rows import passage_key
from qa.snapshot import Snapshot

BATCH_PASSAGES = 256
"""Passages encoded before they are committed: a few seconds of work, which is all that an interruption repeats."""

PUBLISH_AFTER_S = 5.0
"""How long a run goes on at least before what it committed so far can be asked."""

PUBLISH_SHARE = 0.1
"""Of the time of a run, about, that it spends on that."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far indexing is: bytes of files whose text is encoded, of all there are, and passages encoded so far."""

    file: str
    done_bytes: int
    total_bytes: int
    passages: int


@dataclass(slots=True)
class _Tally:
    """What a run did so far."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    encoded: int = 0
    kept: int = 0
    done_bytes: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A document read and cut up; `keys` tell its passages' vectors from others."""

    root: Root
    source: Source
    document: Document
    passages: tuple[Passage, ...]
    keys: tuple[bytes, ...]
    stamp: Stamp
    is_new: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Rules given anew for the folders of a run. None leaves what a folder has had."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    hidden: bool | None = None

    def over(self, held: Rules) -> Rules:
        """The rules of a folder from now on. Raises UsageError for a pattern that cannot be used."""
        include = held.include if self.include is None else self.include
        exclude = held.exclude if self.exclude is None else self.exclude
        return rules.checked(Rules(include, exclude, held.hidden if self.hidden is None else self.hidden))


@dataclass(slots=True)
class _Found:
    """What a run finds at one root."""

    look: Look
    unread: set[str] = field(default_factory=set)
    """Files that cannot be read: documents that can no longer be read are no longer answered from."""
    unsettled: int = 0
    """Files that were written while they were read: what is known of them stays until the next run."""
    touched: list[Source] = field(default_factory=list)
    stamps: list[tuple[str, Stamp]] = field(default_factory=list)

    @property
    def is_there(self) -> bool:
        """Whether it is, even now, what was listed."""
        then, now = self.look.place, folders.place(self.look.root.path)
        return now is not None and (now.device, now.inode) == (then.device, then.inode)


class Run:
    """One run of indexing over an open library."""

    def __init__(
        self,
        library: Library,
        encoder: Encoder,
        readers: Readers,
        progress: Callable[[Progress], None],
        leave: Collection[Path],
        held: Snapshot | None,
        *,
        with_ocr: bool,
        patient: bool,
    ) -> None:
        """`held` is the last snapshot that is known."""
        self._leave = leave
        self._with_ocr = with_ocr
        self._patient = patient
        self._library = library
        self._encoder = encoder
        self._readers = readers
        self._progress = progress
        self._tally = _Tally()
        self._total_bytes = 0
        self._moment_ns = time.time_ns()
        self.published = held
        self._publish_at = time.monotonic() + PUBLISH_AFTER_S

    def bring(self, paths: Sequence[Path], choice: Choice) -> IndexReport:
        """See `Indexer.bring`."""
        looked: list[_Found] = []
        absent: list[Path] = []
        for root in self._chosen(paths, choice):
            found = self._look(root)
            if found is None:
                absent.append(root.path)
            else:
                looked.append(found)
                self._tally.problems.extend(_forgotten(path) for path in found.look.forgotten)
        self._total_bytes = sum(stat.st_size for found in looked for stat in found.look.listing.files.values())
        batch: list[_Draft] = []
        for found in looked:
            batch = self._read(found, batch)
        here = [found for found in looked if found.is_there]
        absent.extend(found.look.root.path for found in looked if found not in here)
        self._finish(batch, here)
        self._publish()
        tally = self._tally
        return IndexReport(
            added=tally.added,
            changed=tally.changed,
            removed=tally.removed,
            unchanged=tally.unchanged,
            encoded=tally.encoded,
            kept=tally.kept,
            problems=tuple(sorted(tally.problems, key=lambda problem: (problem.path, problem.reason))),
            absent=tuple(absent),
            pending=sum(found.unsettled for found in here),
            left_out=folders.together(found.look.listing.left_out for found in here),
        )

    def _chosen(self, paths: Sequence[Path], choice: Choice) -> list[Root]:
        """The roots of this run, those that are new put into the library."""
        known = {root.path for root in self._library.roots()}
        if not known.issuperset(paths):
            with self._library.writing():
                for path in paths:
                    self._library.add_root(path)
        chosen = [root for root in self._library.roots() if not paths or root.path in paths]
        notes = self._library.notes
        changed = {root.id: choice.over(notes.rules(root.id)) for root in chosen}
        if any(rules != notes.rules(root) for root, rules in changed.items()):
            with notes.noting():
                for number, rules in changed.items():
                    notes.set_rules(number, rules)
        return chosen

    def _look(self, root: Root) -> _Found | None:
        """None when it is not there."""
        found = drift.look(self._library, root)
        if found is None:
            return None
        notes, place = self._library.notes, (found.place.device, found.place.inode, found.place.mounted)
        if notes.place(root.id) != place:
            with notes.noting():
                notes.set_place(root.id, *place)
        return _Found(found)

    def _read(self, found: _Found, batch: list[_Draft]) -> list[_Draft]:
        """Read what may have changed, and store it as soon as it is enough; what is left is for the next batch."""
        for path, outcome in self._readers.read(self._due(found)):
            self._tell(path)
            stat, old = found.look.listing.files[path], found.look.known.get(path)
            if isinstance(outcome, UnreadableFile):
                self._refuse(found, path, outcome)
                self._tally.done_bytes += stat.st_size
            elif outcome.document is None and old is not None:
                if (old.size, old.modified_ns) != (outcome.size, stat.st_mtime_ns):
                    found.touched.append(replace(old, size=outcome.size, modified_ns=stat.st_mtime_ns))
                found.stamps.append((old.id, stamps.stamp(stat, self._moment_ns)))
                self._tally.unchanged += 1
                self._tally.done_bytes += stat.st_size
            elif outcome.document is not None:
                batch.append(self._draft(found.look.root, path, stat, outcome, outcome.document, is_new=old is None))
                partial = (Problem(path, text, kind="partial") for text in outcome.document.problems)
                self._tally.problems.extend(partial)
                if sum(len(held.passages) for held in batch) >= BATCH_PASSAGES:
                    self._store(batch)
                    batch = []
        return batch

    def _refuse(self, found: _Found, path: str, error: UnreadableFile) -> None:
        """Note a file that could not be read, unless that was only for now."""
        then = found.look.listing.files[path]
        try:
            now = folders.stat_of(below(found.look.root.path, path))
        except OSError:
            found.unread.add(path)  # gone since it was listed, which is no problem
            return
        is_other = (now.st_size, now.st_mtime_ns, now.st_ino) != (then.st_size, then.st_mtime_ns, then.st_ino)
        if is_other or (self._patient and 0 <= time.time_ns() - now.st_ctime_ns < stamps.TICK_NS):
            found.unsettled += 1
            return
        found.unread.add(path)
        found.look.listing.problems.append(folders.problem(path, error))

    def _finish(self, batch: list[_Draft], looked: Sequence[_Found]) -> None:
        """Store what is left and take out what is gone, in one commit. Only now, because a file that was moved, even to
        another root, is both, and its vectors serve again."""
        library = self._library
        fresh = self._encoded(batch)
        ends = []
        for found in looked:
            gone = [
                found.look.known[path] for path in (*found.look.drift.gone, *found.unread) if path in found.look.known
            ]
            listed = {problem.path: problem for problem in found.look.listing.problems}
            problems = sorted(listed.values(), key=lambda problem: problem.path)
            ends.append((found, gone, problems))
            self._tally.removed += len(gone)
            self._tally.problems.extend(problems)
        is_tight = any(gone for _, gone, _ in ends) and scarcity.make_room(library.folder)
        if is_tight:
            self.published = None  # what is mapped into memory keeps its room on the disk
            scarcity.remove_singly(library, [source for _, gone, _ in ends for source in gone])
        if batch or any(
            gone or found.touched or problems != library.problems_of(found.look.root) for found, gone, problems in ends
        ):
            with library.writing():
                self._put(batch, fresh)
                for found, gone, problems in ends:
                    for source in found.touched:
                        library.touch(source)
                    for source in gone:
                        library.remove(source.id)
                    library.set_problems(found.look.root, problems)
        held = library.notes.stamps()
        new = [pair for found in looked for pair in found.stamps if held.get(pair[0]) != pair[1]]
        if new:
            with library.notes.noting():
                library.notes.set_stamps(new)
        if is_tight:
            scarcity.settle(library)

    def _publish(self) -> None:
        """Make the snapshot of what is committed, where there is none."""
        began = time.monotonic()
        self.published = snapshot.newest(self._library, self.published)
        if (
            self.published is None
            or self.published.commit != self._library.commit
            or not self.published.folder.exists()  # a repair takes it away
        ):
            self.published = snapshot.write(
                self._library, lambda held: noise.level(held, self._encoder), self.published
            )
        now = time.monotonic()
        self._publish_at = now + max(PUBLISH_AFTER_S, (now - began) / PUBLISH_SHARE)

    def _due(self, found: _Found) -> Iterator[tuple[str, Path, str]]:
        """The files of a root that may have changed, or of which more can be read now, as `Readers.read` takes them."""
        apart = found.look.drift
        root = found.look.root.path
        left = {path for path in apart.failed if self._leave and below(root, path) in self._leave}
        found.look.listing.problems.extend(found.look.problems[path] for path in left)
        due = {*apart.new, *apart.failed, *apart.changed, *apart.doubtful} - left
        partly = self._library.read_in_part(found.look.root) if self._with_ocr else {}
        for path, stat in found.look.listing.files.items():
            self._tell(path)
            old = found.look.known.get(path)
            if any(map(formats.is_waiting, partly.get(path, ()))):
                yield path, below(found.look.root.path, path), ""
            elif path in due:
                yield path, below(found.look.root.path, path), old.sha256 if old else ""
            else:
                self._tally.unchanged += 1
                self._tally.done_bytes += stat.st_size

    def _tell(self, path: str) -> None:
        self._progress(Progress(path, self._tally.done_bytes, self._total_bytes, self._tally.encoded))

    def _draft(
        self, root: Root, path: str, stat: os.stat_result, found: Reading, document: Document, *, is_new: bool
    ) -> _Draft:
        """A document that was read, cut up."""
        cut = sentences.split(document)
        packed = passages.pack(document, cut, self._encoder.count_tokens, self._encoder.window)
        title = document.title or Path(path).stem
        place = identity(root, path)
        source = Source(place, path, title, found.media_type, found.sha256, found.size, stat.st_mtime_ns)
        keys = tuple(passage_key(passage, document.text) for passage in packed)
        return _Draft(root, source, document, packed, keys, stamps.stamp(stat, self._moment_ns), is_new)

    def _store(self, batch: Sequence[_Draft]) -> None:
        """Commit a batch of documents by itself, so that an interruption does not lose them."""
        fresh = self._encoded(batch)
        with self._library.writing():
            self._put(batch, fresh)
        if time.monotonic() >= self._publish_at:
            self._publish()

    def _encoded(self, batch: Sequence[_Draft]) -> dict[bytes, Encoding]:
        """The encodings of all passages of a batch by their keys; only those that the library has not are made."""
        held = self._library.encodings_of({key for draft in batch for key in draft.keys})
        todo: dict[bytes, tuple[Passage, str]] = {}
        for draft in batch:
            for key, passage in zip(draft.keys, draft.passages, strict=True):
                if key not in held:
                    todo.setdefault(key, (passage, draft.document.text))
        fresh: dict[bytes, Encoding] = {}
        before, size = self._tally.done_bytes, sum(draft.source.size for draft in batch)
        if todo:
            for key, encoding in zip(todo, self._encoder.encode_passages(todo.values()), strict=True):
                fresh[key] = encoding
                self._tally.encoded += 1
                done = before + size * len(fresh) // len(todo)
                self._progress(Progress(batch[-1].source.path, done, self._total_bytes, self._tally.encoded))
        self._tally.done_bytes += size
        self._tally.kept += sum(len(draft.keys) for draft in batch) - len(fresh)
        return {**held, **fresh}

    def _put(self, batch: Sequence[_Draft], encodings: Mapping[bytes, Encoding]) -> None:
        for draft in batch:
            rows = [encodings[key] for key in draft.keys]
            self._library.put(Read(draft.root, draft.source, draft.document, draft.passages, rows))
        self._library.notes.set_stamps((draft.source.id, draft.stamp) for draft in batch)
        self._tally.added += sum(draft.is_new for draft in batch)
        self._tally.changed += sum(not draft.is_new for draft in batch)


def _forgotten(path: str) -> Problem:
    """Told, but not stored: the name of a file is part of what was forgotten."""
    return Problem(path, "was forgotten, and is left out", "qa forget --undo PATH lets it in again.", "forgotten")
