"""A folder to a library and its snapshot: what was added, changed, moved or removed, and nothing else, is read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qa import folders, formats, lock, models, noise, passages, sentences, snapshot
from qa.encoder import Encoder
from qa.errors import IndexMissing, IndexUnusable, UnreadableFile, UsageError
from qa.library import Library, Maker, Read, Root, below, identity, passage_key
from qa.reading import Readers, Reading
from qa.records import Document, Encoding, IndexReport, Passage, Problem, Source
from qa.settings import Settings

BATCH_PASSAGES = 256
"""Passages encoded before they are committed: a few seconds of work, which is all that an interruption repeats."""

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
    is_new: bool


def index(
    paths: Sequence[Path],
    settings: Settings,
    *,
    announce: Announce = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
    limits: formats.Limits = formats.Limits(),
    wait_s: float = 0.0,
) -> IndexReport:
    """Bring the index in `settings.index` to the state of the folders (or files) `paths`, and of all that it holds
    already when `paths` is empty. Makes the index if there is none.

    Files that cannot be read, and those read now but not wholly, are in the report's problems, by path below their
    folder; the rest go on. Raises
    UsageError when a path is not there or the index lies in it, IndexBusy when another process writes to the index for
    more than `wait_s` seconds, IndexUnusable when the index is damaged or was made with another model.
    """
    roots = [folders.checked(path, settings.index) for path in paths]
    try:
        Library.open(settings.index).close()
    except IndexMissing:
        if not roots:
            raise
    with lock.writer(settings.index, "qa index", wait_s), Readers(limits) as readers:
        # The readers first, for they take as long to be there as the encoder.
        model = models.exported(settings.model, settings.model_cache, fetch=settings.fetch_model, announce=announce)
        encoder = Encoder(model, settings.threads)
        maker = Maker(model.name, model.fingerprint, model.way, model.dimensions, f"{sentences.NAME} {passages.NAME}")
        library = _opened(settings.index, maker)
        try:
            return _Run(library, encoder, readers, progress).bring(roots)
        except OSError as error:
            raise UsageError(
                f"The index in {settings.index} cannot be written ({error.strerror or error}).",
                "Is the disk full? What was finished is kept; run the command again.",
            ) from error
        finally:
            library.close()


class _Run:
    """One run of indexing over an open library."""

    def __init__(
        self, library: Library, encoder: Encoder, readers: Readers, progress: Callable[[Progress], None]
    ) -> None:
        self._library = library
        self._encoder = encoder
        self._readers = readers
        self._progress = progress
        self._tally = _Tally()
        self._total_bytes = 0
        self._touched: list[Source] = []

    def bring(self, paths: Sequence[Path]) -> IndexReport:
        """See `index`."""
        known = self._library.roots()
        if any(path not in {root.path for root in known} for path in paths):
            with self._library.writing():
                for path in paths:
                    self._library.add_root(path)
            known = self._library.roots()
        chosen = [root for root in known if not paths or root.path in paths]
        for root in chosen:
            if not os.access(root.path, os.R_OK):
                raise UsageError(
                    f"{root.path} is not there or may not be read; its documents were left in the index as they were.",
                    "Is a disk not mounted? Name the folders that are there: qa index FOLDER",
                )
        listed = [(root, *folders.files(root.path, self._library.folder)) for root in chosen]
        self._total_bytes = sum(stat.st_size for _, files, _ in listed for stat in files.values())
        for root, files, problems in listed:
            self._bring_root(root, files, problems)
        with self._library.reading():
            current = snapshot.load(self._library)
        if current is None:
            snapshot.write(self._library, lambda held: noise.level(held, self._encoder))
        tally = self._tally
        return IndexReport(
            added=tally.added,
            changed=tally.changed,
            removed=tally.removed,
            unchanged=tally.unchanged,
            encoded=tally.encoded,
            kept=tally.kept,
            problems=tuple(sorted(tally.problems, key=lambda problem: (problem.path, problem.reason))),
        )

    def _bring_root(self, root: Root, files: dict[str, os.stat_result], problems: list[Problem]) -> None:
        known = self._library.known(root)
        batch: list[_Draft] = []
        unread: set[str] = set()
        for path, found in self._readers.read(self._due(root, files, known)):
            self._tell(path)
            stat, old = files[path], known.get(path)
            if isinstance(found, UnreadableFile):
                # A document that can no longer be read is no longer answered from.
                unread.add(path)
                problems.append(folders.problem(path, found.what, found.remedy))
                self._tally.done_bytes += stat.st_size
            elif found.document is None and old is not None:
                self._touched.append(replace(old, size=found.size, modified_ns=stat.st_mtime_ns))
                self._tally.unchanged += 1
                self._tally.done_bytes += stat.st_size
            elif found.document is not None:
                batch.append(self._draft(root, path, stat, found, found.document, is_new=old is None))
                partial = (Problem(path, text, kind="partial") for text in found.document.problems)
                self._tally.problems.extend(partial)
                if sum(len(held.passages) for held in batch) >= BATCH_PASSAGES:
                    self._store(batch)
                    batch = []
        self._store(batch)
        gone = [source for path, source in known.items() if path not in files or path in unread]
        problems = sorted({problem.path: problem for problem in problems}.values(), key=lambda problem: problem.path)
        if gone or self._touched or problems != self._library.problems_of(root):
            with self._library.writing():
                for source in self._touched:
                    self._library.touch(source)
                for source in gone:
                    self._library.remove(source.id)
                self._library.set_problems(root, problems)
        self._touched = []
        self._tally.removed += len(gone)
        self._tally.problems.extend(problems)

    def _due(
        self, root: Root, files: Mapping[str, os.stat_result], known: Mapping[str, Source]
    ) -> Iterator[tuple[str, Path, str]]:
        """The files of a root that may have changed, as `Readers.read` takes them."""
        for path, stat in files.items():
            self._tell(path)
            old = known.get(path)
            if old is not None and (old.size, old.modified_ns) == (stat.st_size, stat.st_mtime_ns):
                self._tally.unchanged += 1
                self._tally.done_bytes += stat.st_size
            else:
                yield path, below(root.path, path), old.sha256 if old else ""

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
        return _Draft(root, source, document, packed, keys, is_new)

    def _store(self, batch: Sequence[_Draft]) -> None:
        """Encode what is new in a batch of documents and commit them."""
        if not batch:
            return
        held = self._library.encodings_of({key for draft in batch for key in draft.keys})
        todo: dict[bytes, tuple[Passage, str]] = {}
        for draft in batch:
            for key, passage in zip(draft.keys, draft.passages, strict=True):
                if key not in held:
                    todo.setdefault(key, (passage, draft.document.text))
        fresh: dict[bytes, Encoding] = {}
        before, size = self._tally.done_bytes, sum(draft.source.size for draft in batch)
        for key, encoding in zip(todo, self._encoder.encode_passages(todo.values()), strict=True):
            fresh[key] = encoding
            self._tally.encoded += 1
            done = before + size * len(fresh) // len(todo)
            self._progress(Progress(batch[-1].source.path, done, self._total_bytes, self._tally.encoded))
        self._tally.done_bytes += size
        self._tally.kept += sum(len(draft.keys) for draft in batch) - len(fresh)
        by_key = {**held, **fresh}
        with self._library.writing():
            for draft in batch:
                rows = [by_key[key] for key in draft.keys]
                self._library.put(Read(draft.root, draft.source, draft.document, draft.passages, rows))
        self._tally.added += sum(draft.is_new for draft in batch)
        self._tally.changed += sum(not draft.is_new for draft in batch)


def _opened(folder: Path, maker: Maker) -> Library:
    try:
        library = Library.open(folder, write=True)
    except IndexMissing:
        return Library.create(folder, maker)
    held = library.maker
    if replace(held, model=maker.model) != maker:  # a model may be called by another name, or lie elsewhere by now
        library.close()
        raise IndexUnusable(
            f"The index in {folder} was made with {_described(held)}; now it would be {_described(maker)}.",
            f"Name the old model with --model, or build the index anew: delete the folder {folder}, then qa index "
            f"FOLDER --index {shlex.quote(str(folder))}",
        )
    return library


def _described(maker: Maker) -> str:
    return f"the model {maker.model} ({maker.fingerprint}, by {maker.way}) and the splitter {maker.splitter}"
