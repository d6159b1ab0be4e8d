"""A folder to a library and its snapshot: what was added, changed, moved or removed, and nothing else, is read."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from qa import drift, folders, formats, imprint, lock, models, noise, passages, rules, sentences, snapshot, stamps
from qa.database import FILE
from qa.drift import Look
from qa.encoder import Encoder
from qa.errors import IndexBusy, IndexMissing, IndexUnusable, ModelUnusable, QAError, UnreadableFile, UsageError
from qa.library import Library, Maker, Read, Root, below, identity
from qa.reading import Readers, Reading
from qa.records import Document, Encoding, IndexReport, Model, Passage, Problem, Rules, Source, Stamp
from qa.rows import passage_key
from qa.settings import Settings
from qa.snapshot import Snapshot

BATCH_PASSAGES = 256
"""Passages encoded before they are committed: a few seconds of work, which is all that an interruption repeats."""

PUBLISH_AFTER_S = 5.0
"""How long a run goes on at least before what it committed so far can be asked."""

PUBLISH_SHARE = 0.1
"""Of the time of a run, about, that it spends on that."""

Announce = Callable[[str], None]


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


def index(
    paths: Sequence[Path],
    settings: Settings,
    *,
    choice: Choice = Choice(),
    announce: Announce = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
    limits: formats.Limits = formats.Limits(),
    wait_s: float = 0.0,
) -> IndexReport:
    """Bring the index in `settings.index` to the state of the folders (or files) `paths`, and of all that it holds
    already when `paths` is empty; `choice` says which of their files. Makes the index if there is none. See
    `Indexer.bring`."""
    indexer = Indexer(settings, announce=announce, limits=limits)
    return indexer.bring(paths, choice=choice, progress=progress, wait_s=wait_s)


class Indexer:
    """Brings one index up to date, as often as it is asked to, with the model loaded once."""

    def __init__(
        self,
        settings: Settings,
        *,
        command: str = "qa index",
        announce: Announce = lambda _: None,
        limits: formats.Limits = formats.Limits(),
    ) -> None:
        """`command` is what another process is told that this one does. Raises UsageError when text recognition is
        asked for and not installed."""
        self._settings = settings
        self._command = command
        self._announce = announce
        self._limits = formats.with_ocr(limits) if settings.ocr else limits
        self._encoder: Encoder | None = None
        self._maker: Maker | None = None
        with suppress(QAError):  # what is wrong is told when it is brought up to date
            library = Library.open(settings.index)
            self._maker = library.maker
            library.close()
        self._held: Snapshot | None = None

    def prepare(self) -> None:
        """Load what reading a file needs, which the first that changes does otherwise; at once when it is loaded.
        Raises what `bring` does for a model that cannot be used."""
        encoder = self._prepared()
        encoder.prepare(passages=True)
        sentences.prepare()
        noise.prepare(encoder)

    def bring(
        self,
        paths: Sequence[Path] = (),
        *,
        choice: Choice = Choice(),
        progress: Callable[[Progress], None] = lambda _: None,
        leave: Collection[Path] = (),
        patient: bool = False,
        wait_s: float = 0.0,
    ) -> IndexReport:
        """See `index`. Folders of the index that are not there are in the report as absent. Files in `leave` that could
        not be read are not tried again; `patient`, those that changed a moment ago are left for the next run when they
        cannot be read, as they may be half written.

        Files that cannot be read, and those read now but not wholly, are in the report's problems, by path below their
        folder; the rest go on. Raises UsageError when a path is not there or the index lies in it, IndexBusy when
        another process writes to the index for more than `wait_s` seconds, IndexUnusable when the index is damaged or
        was made with another model.
        """
        roots = [folders.checked(path, self._settings.index) for path in paths]
        choice.over(Rules())
        try:
            Library.open(self._settings.index).close()
        except IndexMissing:
            if not roots:
                raise
        pages = _Pages(progress)
        with (
            lock.writer(self._settings.index, self._command, wait_s),
            Readers(self._limits, pages.recognised) as readers,
        ):
            if self._encoder is None:  # a reader takes as long to be there
                readers.prepare()
            encoder = self._prepared()
            with self._library(encoder) as library:
                run = _Run(
                    library,
                    encoder,
                    readers,
                    pages.progress,
                    leave,
                    self._held,
                    with_ocr=self._settings.ocr,
                    patient=patient,
                )
                self._held = None  # the run lets go of it where the disk is full
                report = run.bring(roots, choice)
                self._held = run.published
                imprint.renew(library)
                return report

    def drop(self, path: Path, *, wait_s: float = 0.0) -> int:
        """Take a folder out of the index, with all documents of it; how many those were. It is named by its path,
        whether it is still there or not, or by what its documents' paths begin with. Raises UsageError when it is not
        in the index."""
        Library.open(self._settings.index).close()
        with lock.writer(self._settings.index, self._command, wait_s):
            encoder = self._prepared()
            with self._library(encoder) as library:
                roots = library.roots()
                wanted = [root for root in roots if root.path == path.absolute() or root.path == path.resolve()]
                wanted = wanted or [root for root in roots if root.name == str(path)]
                if not wanted:
                    held = ", ".join(str(root.path) for root in roots) or "none"
                    raise UsageError(f"The index holds no folder {path}.", f"Its folders: {held}.")
                count = len(library.known(wanted[0]))
                is_tight = make_room(self._settings.index)
                if is_tight:
                    self._held = None  # what is mapped into memory keeps its room on the disk
                    _remove_singly(library, library.known(wanted[0]).values())
                with library.writing():
                    library.drop_root(wanted[0])
                if is_tight:
                    _settle(library)
                last = snapshot.newest(library, self._held)
                self._held = snapshot.write(library, lambda fresh: noise.level(fresh, encoder), last)
                imprint.renew(library)
                return count

    def _prepared(self) -> Encoder:
        """The model of the settings; of an index that was changed over to another since this was made, its own."""
        settings = self._settings
        if self._maker is not None:
            with suppress(IndexMissing):
                library = Library.open(settings.index)
                maker = library.maker
                library.close()
                if maker != self._maker:
                    self._encoder = Encoder(_model_of(maker, settings, self._announce), settings.threads)
        if self._encoder is None:
            model = models.exported(
                settings.model, settings.model_cache, fetch=settings.fetch_model, announce=self._announce
            )
            self._encoder = Encoder(model, settings.threads)
        return self._encoder

    @contextmanager
    def _library(self, encoder: Encoder) -> Iterator[Library]:
        """The library, made if there is none, to be written."""
        model, splitter = encoder.model, f"{sentences.NAME} {passages.NAME}"
        folder = self._settings.index
        library = _opened(folder, Maker(model.name, model.fingerprint, model.way, model.dimensions, splitter))
        try:
            self._maker = library.maker
            yield library
        finally:
            library.close()


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


class _Pages:
    """Tells of pages that are recognised in between what else there is to tell."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self._progress = progress
        self._last: Progress | None = None

    def progress(self, now: Progress) -> None:
        self._last = now
        self._progress(now)

    def recognised(self, name: str, page: int, count: int) -> None:
        if self._last is not None:
            self._progress(replace(self._last, file=f"{name}, page {page:,} of {count:,}"))


class _Run:
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
        is_tight = any(gone for _, gone, _ in ends) and make_room(library.folder)
        if is_tight:
            self.published = None  # what is mapped into memory keeps its room on the disk
            _remove_singly(library, [source for _, gone, _ in ends for source in gone])
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
            _settle(library)

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


def _opened(folder: Path, maker: Maker) -> Library:
    try:
        library = to_write(folder)
    except IndexMissing:
        return Library.create(folder, maker)
    held = library.maker
    if replace(held, model=maker.model) != maker:  # a model may be called by another name, or lie elsewhere by now
        library.close()
        raise IndexUnusable(
            f"The index in {folder} was made with {_described(held)}; now it would be {_described(maker)}.",
            "Name the old model with --model, change over to this one with --reencode, or build the index anew: delete "
            f"the folder {folder}, then qa index "
            f"FOLDER --index {shlex.quote(str(folder))}",
        )
    return library


def to_write(folder: Path) -> Library:
    """The library of an index, for whoever has the right to write. Where the disk is so full that SQLite cannot even
    begin a log, what is derived makes way. Raises as `Library.open`."""
    try:
        return Library.open(folder, write=True)
    except UsageError:
        if not make_room(folder):
            raise
        return Library.open(folder, write=True)


def make_room(folder: Path) -> bool:
    """Whether the disk is all but full, so that what is derived has made way. A deletion is written to the log first,
    which needs room too; what is derived is made again from what is left."""
    if shutil.disk_usage(folder).free >= (folder / FILE).stat().st_size:
        return False
    shutil.rmtree(folder / snapshot.FOLDER, ignore_errors=True)
    return True


def _remove_singly(library: Library, sources: Iterable[Source]) -> None:
    """Take out documents in a commit each, so that the log never grows to more than one needs."""
    for source in sources:
        with library.writing():
            library.remove(source.id)
        _settle(library)


def _settle(library: Library) -> None:
    """Give the room of the log back, unless a reader needs it for a moment more."""
    with suppress(IndexBusy):
        library.settle()


def _described(maker: Maker) -> str:
    return f"the model {maker.model} ({maker.fingerprint}, by {maker.way}) and the splitter {maker.splitter}"


def _forgotten(path: str) -> Problem:
    """Told, but not stored: the name of a file is part of what was forgotten."""
    return Problem(path, "was forgotten, and is left out", "qa forget --undo PATH lets it in again.", "forgotten")


def _model_of(maker: Maker, settings: Settings, announce: Announce) -> Model:
    """The model that made the vectors of an index. Raises ModelUnusable when it is not there."""
    model = models.cached(maker.fingerprint, settings.model_cache, to_index=True) or models.exported(
        maker.model, settings.model_cache, fetch=settings.fetch_model, announce=announce
    )
    if model.fingerprint != maker.fingerprint:
        raise ModelUnusable(f"The model {maker.model} is another one than that of the index.", "Bring it back.")
    return model


def derive(library: Library, settings: Settings, announce: Announce) -> None:
    """Make the snapshot of a library as it stands, for whoever has the right to write. Without the model that made its
    vectors that is left to a later run, and said."""
    maker = library.maker
    try:
        encoder = Encoder(_model_of(maker, settings, announce), settings.threads)
    except ModelUnusable as error:
        announce(f"{error} Until then the search index is made in memory at each start; `qa index` mends it.")
        return
    snapshot.write(library, lambda held: noise.level(held, encoder))
