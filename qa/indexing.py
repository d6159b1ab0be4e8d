"""A folder to a library and its snapshot: what was added, changed, moved or removed, and nothing else, is read."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from qa import formats, models, noise, passages, sentences, snapshot
from qa.encoder import Encoder
from qa.errors import IndexBusy, IndexMissing, IndexUnusable, UnreadableFile, UsageError
from qa.library import Library, Maker, Read, Root, below, identity, passage_key
from qa.records import Document, Encoding, IndexReport, Passage, Problem, Source
from qa.settings import Settings

LOCK = "lock"

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
) -> IndexReport:
    """Bring the index in `settings.index` to the state of the folders (or files) `paths`, and of all that it holds
    already when `paths` is empty. Makes the index if there is none.

    Files that cannot be read are in the report's problems, by path below their folder; the rest go on. Raises
    UsageError when a path is not there or the index lies in it, IndexBusy when another process writes to the index,
    IndexUnusable when the index is damaged or was made with another model.
    """
    roots = [_checked(path, settings.index) for path in paths]
    try:
        Library.open(settings.index).close()
    except IndexMissing:
        if not roots:
            raise
    model = models.exported(settings.model, settings.model_cache, fetch=settings.fetch_model, announce=announce)
    encoder = Encoder(model, settings.threads)
    maker = Maker(model.name, model.fingerprint, model.way, model.dimensions, f"{sentences.NAME} {passages.NAME}")
    with _writer(settings.index):
        library = _opened(settings.index, maker)
        try:
            return _Run(library, encoder, limits, progress).bring(roots)
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
        self, library: Library, encoder: Encoder, limits: formats.Limits, progress: Callable[[Progress], None]
    ) -> None:
        self._library = library
        self._encoder = encoder
        self._limits = limits
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
        listed = [(root, *_files(root, self._library.folder)) for root in chosen]
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
            problems=tuple(sorted(tally.problems, key=lambda problem: problem.path)),
        )

    def _bring_root(self, root: Root, files: dict[str, os.stat_result], problems: list[Problem]) -> None:
        known = self._library.known(root)
        batch: list[_Draft] = []
        unread: set[str] = set()
        for path, stat in files.items():
            self._progress(Progress(path, self._tally.done_bytes, self._total_bytes, self._tally.encoded))
            try:
                draft = self._draft(root, path, stat, known.get(path))
            except UnreadableFile as error:
                # A document that can no longer be read is no longer answered from.
                unread.add(path)
                problems.append(_problem(path, error.what, error.remedy))
                draft = None
            if draft is None:
                self._tally.done_bytes += stat.st_size
            else:
                batch.append(draft)
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

    def _draft(self, root: Root, path: str, stat: os.stat_result, old: Source | None) -> _Draft | None:
        """The document at `path` read and cut up; None when it is in the library as it is."""
        if old is not None and (old.size, old.modified_ns) == (stat.st_size, stat.st_mtime_ns):
            self._tally.unchanged += 1
            return None
        file = below(root.path, path)
        media_type = formats.media_type(file)
        data = formats.load(file, self._limits)
        mark = hashlib.sha256(data).hexdigest()
        if old is not None and old.sha256 == mark:
            self._touched.append(replace(old, size=len(data), modified_ns=stat.st_mtime_ns))
            self._tally.unchanged += 1
            return None
        document = formats.parse(data, media_type, self._limits)
        cut = sentences.split(document)
        packed = passages.pack(document, cut, self._encoder.count_tokens, self._encoder.window)
        title = document.title or Path(path).stem
        source = Source(identity(root, path), path, title, media_type, mark, len(data), stat.st_mtime_ns)
        keys = tuple(passage_key(passage, document.text) for passage in packed)
        return _Draft(root, source, document, packed, keys, old is None)

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


def _checked(path: Path, index_folder: Path) -> Path:
    """The absolute path of a folder or file to index."""
    shown = _printable(str(path))
    try:
        whole = path.resolve(strict=True)
        if not (whole.is_dir() or whole.is_file()):
            raise UsageError(f"{shown} is neither a folder nor a file.", "Name a folder or a file of documents.")
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"There is nothing to index at {shown}.", "Name a folder or a file that is there.") from error
    if _printable(str(whole)) != str(whole):
        raise UsageError(f"{_printable(str(whole))} has a name that is not valid UTF-8.", "Rename it.")
    if not os.access(whole, os.R_OK):
        raise UsageError(f"{shown} may not be read: permission denied.", "Give yourself permission to read it.")
    if whole.is_relative_to(index_folder.resolve()):
        raise UsageError(
            f"{shown} lies in the index folder {index_folder} itself.", "Name the folder of your documents."
        )
    return whole


def _files(root: Root, index_folder: Path) -> tuple[dict[str, os.stat_result], list[Problem]]:
    """The regular files below a root by path, in order, and what could not be listed. Hidden files and folders, and
    the index itself, are left out. Links to folders are not followed, so that none is read twice or for ever, nor are
    links out of the root."""
    if root.path.is_file():
        return {root.path.name: root.path.stat()}, []
    found: dict[str, os.stat_result] = {}
    problems: list[Problem] = []

    def failed(error: OSError) -> None:
        place = Path(error.filename).relative_to(root.path).as_posix()
        problems.append(_unlisted(place, error))

    skipped = index_folder.resolve()
    for folder, folders, names in os.walk(root.path, onerror=failed):
        here = Path(folder)
        followed = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            if _is_link(here / name):
                place = _printable((here / name).relative_to(root.path).as_posix())
                reason = "is a link to a folder, which is not followed"
                problems.append(Problem(place, reason, "Index its target.", "unsupported"))
            elif (here / name) != skipped:
                followed.append(name)
        folders[:] = followed
        for name in sorted(name for name in names if not name.startswith(".")):
            path = (here / name).relative_to(root.path).as_posix()
            if _printable(path) != path:
                problems.append(_problem(path, "has a name that is not valid UTF-8", "Rename it."))
                continue
            if _leads_out(here / name, root.path):
                reason = "is a link out of the folder, which is not followed"
                problems.append(Problem(path, reason, "Index its target.", "unsupported"))
                continue
            try:
                found[path] = (here / name).stat()
            except OSError:
                # What is wrong with it (a link to itself or to nothing) is said by the reader that fails on it.
                try:
                    found[path] = (here / name).lstat()
                except FileNotFoundError:
                    continue  # deleted since it was listed
                except OSError as error:
                    problems.append(_unlisted(path, error))
    return found, problems


def _problem(path: str, reason: str, remedy: str) -> Problem:
    kind = "unreadable" if Path(path).suffix.lower() in formats.supported() else "unsupported"
    return Problem(_printable(path), _printable(reason), remedy, kind)


def _unlisted(place: str, error: OSError) -> Problem:
    reason = f"could not be listed: {error.strerror}"
    return Problem(_printable(place), reason, "Give yourself permission to read it.")


def _printable(text: str) -> str:
    """`text` with what is no Unicode, as in the name of a file whose bytes are not UTF-8, written as escapes."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        return False  # in a folder that may be listed but not entered; entering it fails, which is reported


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a link leads to something outside `root`: an archive from elsewhere could name any file of this
    machine."""
    try:
        return path.is_symlink() and path.exists() and not path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False  # a link to itself, or in a folder that may not be entered: the reader that fails on it says so


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


@contextmanager
def _writer(folder: Path) -> Iterator[None]:
    """The right to write to an index, for as long as the block runs; the kernel takes it back if the process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"No index can be made in {folder} ({error.strerror}).", "Name a folder that can be written with --index."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise IndexBusy(
                f"Another process is writing to the index in {folder} ({file.read().strip() or 'unknown'}).",
                "Wait for it to end, then run the command again.",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        yield
