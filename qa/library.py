"""The truth on disk: documents, passages, sentences and their vectors in one SQLite file, with a commit number.

Everything else in an index folder is derived from this file and can be made again from it, without reading or encoding
any document anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qa.database import FILE, Database, seal
from qa.errors import IndexUnusable, UsageError
from qa.notes import Notes
from qa.records import Document, Encoding, Locator, Passage, Problem, Source, Span
from qa.rows import (
    Tally,
    blocks_to_json,
    document_from_row,
    packed,
    passage_key,
    passage_seal,
    rows_seal,
    unpacked,
)

FORMAT = 2
"""Number of this layout of the file. Another number is refused, naming both. 2: seals over lists, passages, `meta`."""

SCHEMA = """
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE documents (
    id TEXT PRIMARY KEY, root INTEGER NOT NULL REFERENCES roots, path TEXT NOT NULL, title TEXT NOT NULL,
    media_type TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    text BLOB NOT NULL, blocks TEXT NOT NULL, problems TEXT NOT NULL,
    source_seal BLOB NOT NULL, content_seal BLOB NOT NULL, passage_seal BLOB NOT NULL,
    UNIQUE (root, path)) STRICT;
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, document TEXT NOT NULL REFERENCES documents ON DELETE CASCADE, ordinal INTEGER NOT NULL,
    context TEXT NOT NULL, spans BLOB NOT NULL, key BLOB NOT NULL, encoding BLOB NOT NULL,
    UNIQUE (document, ordinal)) STRICT;
CREATE INDEX passages_by_key ON passages (key);
CREATE TABLE problems (
    root INTEGER NOT NULL REFERENCES roots, path TEXT NOT NULL, reason TEXT NOT NULL, remedy TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (root, path)) STRICT;
"""

ABOUT = "root, path, id, title, media_type, sha256, size, modified_ns, content_seal, passage_seal"
ABOUT_KINDS = (int, str, str, str, str, str, int, int, bytes, bytes)
"""What is stored about a document."""

CONTENT = "text, title, media_type, blocks, problems"
"""What is stored of it."""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder (or a single file) that was indexed. `name` is its last part, made unique among roots; a document's
    identity depends on it and on the path below it, on nothing else."""

    id: int
    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Maker:
    """What made the vectors of an index: vectors and sentences of another maker do not mix with them."""

    model: str
    fingerprint: str
    way: str
    dimensions: int
    splitter: str


@dataclass(frozen=True, slots=True)
class Read:
    """A document on its way into the library: as read, cut up and encoded."""

    root: Root
    source: Source
    document: Document
    passages: Sequence[Passage]
    encodings: Sequence[Encoding]


class Library:
    """One open connection. Not to be shared between threads without a lock."""

    def __init__(self, database: Database) -> None:
        """See `open`, `create`."""
        self._database = database

    @classmethod
    def create(cls, folder: Path, maker: Maker, *, commit: int = 1, forgotten: str = "") -> Library:
        """A new, empty library in `folder`, which is made if need be; it appears whole or not at all. Raises
        UsageError where that cannot be."""
        values = {f"maker.{name}": getattr(maker, name) for name in Maker.__slots__}
        values |= {"commit": commit, "forgotten": forgotten}
        return cls(Database.create(folder, FORMAT, SCHEMA, {**values, "documents": Tally(), "roots": seal().hex()}))

    @classmethod
    def open(cls, folder: Path, *, write: bool = False) -> Library:
        """The library in `folder`. Raises IndexMissing when there is none, IndexUnusable when it is damaged or of
        another format, UsageError when it may not be read."""
        database = Database.open(folder, FORMAT, write=write)
        library = cls(database)
        try:
            _ = library.maker
        except (ValueError, KeyError) as error:
            database.close()
            raise database.damaged(f"{FILE} does not say what made its vectors ({error})") from error
        return library

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @property
    def notes(self) -> Notes:
        """What was noted of folders and files when they were last looked over."""
        return Notes(self._database)

    @property
    def folder(self) -> Path:
        """The folder of the index."""
        return self._database.folder

    def writing(self, *, counted: bool = True) -> AbstractContextManager[None]:
        """One transaction: all of it and, if it is `counted`, a new commit number, or nothing."""
        return self._database.writing(counted=counted)

    def reading(self) -> AbstractContextManager[None]:
        """One state of the library for all that is read inside, whoever writes meanwhile."""
        return self._database.reading()

    @property
    def commit(self) -> int:
        """Number of the last transaction that changed the library; the first is 1."""
        return self._database.commit

    @property
    def birth(self) -> str:
        """A mark that no other library has: what was derived from another one is told by it."""
        return self._database.birth

    @property
    def maker(self) -> Maker:
        """What made the vectors in this library."""
        return self.maker_of(self._database.values())

    @staticmethod
    def maker_of(values: Mapping[str, str]) -> Maker:
        """What made the vectors of the library that says this of itself."""
        model, mark, way, dimensions, splitter = (values[f"maker.{name}"] for name in Maker.__slots__)
        return Maker(model, mark, way, int(dimensions), splitter)

    def roots(self) -> tuple[Root, ...]:
        """The folders that were indexed, in the order they were added."""
        with self._database.steady():
            rows = self._database.rows("SELECT id, path, name FROM roots ORDER BY id", (int, str, str))
            if rows_seal(rows) != self._database.text("roots"):
                raise self._database.damaged("the list of folders is not what was stored")
        return tuple(Root(number, Path(path), name) for number, path, name in rows)

    def add_root(self, path: Path) -> Root:
        """The root of an absolute path, made if there is none yet. Inside `writing` only."""
        roots = self.roots()
        for root in roots:
            if root.path == path:
                return root
        taken = {root.name for root in roots}
        base = path.name or "root"
        name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, len(taken) + 3))) if n not in taken)
        self._database.change("INSERT INTO roots (path, name) VALUES (?, ?)", [(str(path), name)])
        self._seal_roots()
        return self.add_root(path)

    def _seal_roots(self) -> None:
        rows = self._database.rows("SELECT id, path, name FROM roots ORDER BY id", (int, str, str))
        self._database.set("roots", rows_seal(rows))

    def drop_root(self, root: Root) -> None:
        """Take out a root with every document of it. Inside `writing` only."""
        for source in self.known(root).values():
            self.remove(source.id)
        self.set_problems(root, ())
        self.notes.forget(root.id)
        self._database.change("DELETE FROM roots WHERE id = ?", [(root.id,)])
        self._seal_roots()

    def sources(self) -> tuple[Source, ...]:
        """Every document, ordered by path. Paths are relative to their root, and begin with its name where the
        library has more than one."""
        return tuple(source for _, source in self._sources())

    def known(self, root: Root) -> dict[str, Source]:
        """The documents below one root by their path below it."""
        return {path: source for (number, path), source in self._sources() if number == root.id}

    def _sources(self) -> list[tuple[tuple[int, str], Source]]:
        with self._database.steady():
            rows = self._database.rows(f"SELECT {ABOUT}, source_seal FROM documents", (*ABOUT_KINDS, bytes))
            stored = self._database.text("documents")
            shown = self._paths()
        found = []
        for *values, mark in rows:
            if seal(*values) != mark:
                raise self._database.damaged(f"what is stored about document {values[2]} is not what was read")
            root, path, name, *rest = values[:8]
            found.append(((root, path), Source(name, shown(root, path), *rest)))
        if str(Tally.of([mark for *_, mark in rows])) != stored:
            raise self._database.damaged("documents are missing, or are listed that were removed")
        return sorted(found, key=lambda item: (item[1].path, item[1].id))

    def _paths(self) -> Callable[[int, str], str]:
        """From a root's number and a path below it to the path that people see."""
        names = {root.id: root.name for root in self.roots()}

        def shown(root: int, path: str) -> str:
            if root not in names:
                raise self._database.damaged(f"{FILE} does not say where {path} lies")
            return path if len(names) == 1 else f"{names[root]}/{path}"

        return shown

    def document(self, identity: str) -> Document:
        """A document as it was read. Raises UsageError when there is none of that id, IndexUnusable when its text is
        not the one that was stored."""
        return document_from_row(*self._content(identity)[:-1])

    def copy(self, identity: str) -> bytes:
        """A document as it was read, as one line of JSON for `revived`. Raises as `document`."""
        text, *rest, _ = self._content(identity)
        return json.dumps([text.decode("utf-8"), *rest], ensure_ascii=False).encode("utf-8")

    def _content(self, identity: str) -> tuple[bytes, str, str, str, str, bytes]:
        rows = self._database.rows(
            f"SELECT {CONTENT}, content_seal FROM documents WHERE id = ?",
            (bytes, str, str, str, str, bytes),
            identity,
        )
        if not rows:
            self._check_absent(identity)
            raise UsageError(f"There is no document {identity} in this index.", "Was it removed? Search again.")
        content: tuple[bytes, str, str, str, str, bytes] = rows[0]
        if seal(identity, *content[:-1]) != content[-1]:
            raise self._database.damaged(f"what is stored of document {identity} is not what was read")
        return content

    def seals(self) -> dict[str, str]:
        """By each document's id what stands for its content and its passages: the same as long as all of it is."""
        rows = self._database.rows("SELECT id, content_seal, passage_seal FROM documents", (str, bytes, bytes))
        return {name: f"{content.hex()} {passages.hex()}" for name, content, passages in rows}

    def holds(self, source: Source) -> bool:
        """Whether the document is still the one that `source` describes."""
        rows = self._database.rows("SELECT sha256 FROM documents WHERE id = ?", (str,), source.id)
        if not rows:
            self._check_absent(source.id)
        return rows == [(source.sha256,)]

    def _check_absent(self, identity: str) -> None:
        """Raises IndexUnusable when a document is there that SQLite does not find."""
        if self._database.rows("SELECT 1 FROM documents NOT INDEXED WHERE id = ?", (int,), identity):
            raise self._database.damaged(f"document {identity} is listed, but not found")

    def file(self, identity: str) -> Path | None:
        """Where the document of that id was read from; None when there is no such document."""
        with self._database.steady():
            found = self._about(identity)
            if found is None:
                self._check_absent(identity)
                return None
            root = next((root for root in self.roots() if root.id == found[0]), None)
        if root is None:
            raise self._database.damaged(f"{FILE} does not say where {found[1]} lies")
        return below(root.path, found[1])

    def _about(self, identity: str) -> list[Any] | None:
        """What `ABOUT` names of a document, and its seal; None when there is no such document."""
        query = f"SELECT {ABOUT}, source_seal FROM documents WHERE id = ?"
        rows = self._database.rows(query, (*ABOUT_KINDS, bytes), identity)
        if not rows:
            return None
        *values, mark = rows[0]
        if seal(*values) != mark or values[2] != identity:
            raise self._database.damaged(f"what is stored about document {identity} is not what was read")
        return [*values, mark]

    def passages(self, identities: Iterable[str] | None = None) -> Iterator[tuple[str, str, Passage, Encoding]]:
        """Every passage of the documents of these ids with its document's id, its document's text and its encoding, in
        the order of the ids, then of the text; without ids, of all documents in the order of `sources`, and then none
        may be missing. Raises IndexUnusable when something of it is damaged."""
        dimensions = self.maker.dimensions
        found = 0
        for identity in [source.id for source in self.sources()] if identities is None else identities:
            text = self.document(identity).text
            end = 0
            rows = self._database.rows(
                "SELECT context, spans, key, encoding FROM passages WHERE document = ? ORDER BY ordinal",
                (str, bytes, bytes, bytes),
                identity,
            )
            stored = self._database.rows("SELECT passage_seal FROM documents WHERE id = ?", (bytes,), identity)
            if stored != [(passage_seal(rows),)]:
                raise self._database.damaged(f"a passage of document {identity} is not the one that was stored")
            for context, spans, key, encoding in rows:
                try:
                    places = np.frombuffer(spans, dtype="<i8").reshape(-1, 2)
                    sentences = tuple(Span(int(start), int(end)) for start, end in places)
                    passage = Passage(sentences[0].start, sentences[-1].end, sentences, context, Locator())
                    whole = passage.start >= end and passage_key(passage, text) == key
                except (ValueError, TypeError, IndexError):
                    whole = False
                if not whole:
                    raise self._database.damaged(f"a passage of document {identity} is not the one that was stored")
                end = passage.end
                yield identity, text, passage, self._unpacked(key, encoding, dimensions)
                found += 1
        if identities is None:
            self.check_passages(found)

    def check_passages(self, count: int) -> None:
        """Raises IndexUnusable when there are not as many passages as were found: SQLite finds them by document, and
        does not notice when it finds too few."""
        if self._database.rows("SELECT count(*) FROM passages", (int,)) != [(count,)]:
            raise self._database.damaged("passages are missing")

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong with each document by its id, "" for nothing; then with what is of no document, by ""."""
        try:
            sources = self.sources()
        except IndexUnusable:
            sources = ()
            for (name,) in self._readable("SELECT id FROM documents", (str,)):
                yield name, _fault(self._check, name)
        for source in sources:
            yield source.id, _fault(self._check, source.id)
        for check in (self.sources, self.problems, self._check_listed):
            if what := _fault(check):
                yield "", what
        for what in self._database.faults():
            yield "", what

    def _check(self, identity: str) -> None:
        """Raises IndexUnusable when something of a document is damaged."""
        if self._about(identity) is None:
            self._check_absent(identity)
            raise self._database.damaged(f"document {identity} is not found")
        for _ in self.passages([identity]):
            pass

    def _check_listed(self) -> None:
        """Raises IndexUnusable when there are passages of no document."""
        query = "SELECT count(*) FROM documents JOIN passages ON document = documents.id"
        self.check_passages(int(self._database.rows(query, (int,))[0][0]))

    def _readable(self, query: str, kinds: tuple[type, ...]) -> list[Any]:
        """The rows of a query, none where it fails."""
        try:
            return self._database.rows(query, kinds)
        except IndexUnusable:
            return []

    @property
    def writes(self) -> int:
        """How often anything was written, whether it made a commit or not."""
        return int(self._database.values().get("writes", 0))

    def values(self) -> dict[str, str]:
        """What the library says of itself, by name."""
        return self._database.values()

    def sentences(self, identity: str) -> int:
        """How many sentences a document has."""
        query = "SELECT coalesce(sum(length(spans)), 0) / 16 FROM passages WHERE document = ?"
        return int(self._database.rows(query, (int,), identity)[0][0])

    def counts(self) -> tuple[int, int, int]:
        """How many documents, passages and sentences there are."""
        query = "SELECT (SELECT count(*) FROM documents), count(*), coalesce(sum(length(spans)), 0) / 16 FROM passages"
        documents, passages, sentences = self._database.rows(query, (int, int, int))[0]
        return documents, passages, sentences

    def problems_of(self, root: Root) -> list[Problem]:
        """The files below one root that could not be read in the last run, by path below it."""
        query = "SELECT path, reason, remedy, kind FROM problems WHERE root = ? ORDER BY path"
        with self._database.steady():
            rows = self._database.rows(query, (str, str, str, str), root.id)
            if rows_seal(rows) != self._database.values().get(f"problems.{root.id}", rows_seal([])):
                raise self._database.damaged("the list of files that were not read is not what was stored")
        return [Problem(*row) for row in rows]

    def read_in_part(self, root: Root) -> dict[str, tuple[str, ...]]:
        """The problems of each document below one root that has some, by path below it."""
        query = "SELECT path, problems FROM documents WHERE root = ? AND problems != '[]'"
        return {path: self._partial(problems) for path, problems in self._database.rows(query, (str, str), root.id)}

    def problems(self) -> tuple[Problem, ...]:
        """Files that were not read, and documents that were read in part, by path."""
        shown = self._paths()
        found = [
            replace(problem, path=shown(root.id, problem.path))
            for root in self.roots()
            for problem in self.problems_of(root)
        ]
        query = "SELECT root, path, problems FROM documents WHERE problems != '[]'"
        for root, path, problems in self._database.rows(query, (int, str, str)):
            found.extend(Problem(shown(root, path), text, kind="partial") for text in self._partial(problems))
        return tuple(sorted(found, key=lambda problem: (problem.path, problem.reason)))

    def _partial(self, problems: str) -> tuple[str, ...]:
        """What a document's column of problems says. The seal over it is that of all that is stored of the document."""
        try:
            found = json.loads(problems)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise self._database.damaged("what is said of a document that was read in part is not what was stored")
        return tuple(found)

    def encodings_of(self, keys: Iterable[bytes]) -> dict[bytes, Encoding]:
        """The encodings that are stored already for passages with these keys."""
        dimensions = self.maker.dimensions
        found = {}
        for key in keys:
            for (encoding,) in self._database.rows(
                "SELECT encoding FROM passages WHERE key = ? LIMIT 1", (bytes,), key
            ):
                found[key] = self._unpacked(key, encoding, dimensions)
        return found

    def put(self, read: Read) -> None:
        """Store a document with its passages in place of whatever stood at its place. Inside `writing` only."""
        source, document = read.source, read.document
        text = document.text.encode("utf-8")
        self._drop(source.id)
        content = (
            text,
            source.title,
            source.media_type,
            blocks_to_json(document.blocks),
            json.dumps(document.problems),
        )
        rows = []
        for passage, encoding in zip(read.passages, read.encodings, strict=True):
            spans = np.array([(s.start, s.end) for s in passage.sentences], dtype="<i8").tobytes()
            key = passage_key(passage, document.text)
            rows.append((passage.context, spans, key, packed(key, encoding)))
        about = (
            *(read.root.id, source.path, source.id, source.title, source.media_type),
            *(source.sha256, source.size, source.modified_ns, seal(source.id, *content), passage_seal(rows)),
        )
        self.adopt(about, content, rows)

    def adopt(
        self, about: Sequence[Any], content: Sequence[Any], passages: Sequence[tuple[str, bytes, bytes, bytes]]
    ) -> None:
        """Store a document as it was stored in another library: what `ABOUT` and `CONTENT` name; context, spans, key
        and encoding of each passage. Inside `writing` only."""
        mark = seal(*about)
        self._database.change(
            f"INSERT INTO documents ({ABOUT}, text, blocks, problems, source_seal) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*about, content[0], *content[3:], mark)],
        )
        self._database.change(
            "INSERT INTO passages (document, ordinal, context, spans, key, encoding) VALUES (?, ?, ?, ?, ?, ?)",
            [(about[2], ordinal, *row) for ordinal, row in enumerate(passages)],
        )
        self._database.set("documents", str(self._tally().plus(mark)))

    def adopt_roots(self, roots: Iterable[Root], notes: Mapping[str, str] = {}) -> None:
        """Take over roots with their numbers, and what was noted of them. Inside `writing` only."""
        for name, value in notes.items():
            self._database.set(name, value)
        self._database.change("INSERT INTO roots VALUES (?, ?, ?)", [(r.id, str(r.path), r.name) for r in roots])
        rows = self._database.rows("SELECT id, path, name FROM roots ORDER BY id", (int, str, str))
        self._database.set("roots", rows_seal(rows))

    def touch(self, source: Source) -> None:
        """Note size and time of a file whose content is what it was. Inside `writing` only."""
        about = self._about(source.id)
        if about is not None:
            *values, old = about
            values[6:8] = source.size, source.modified_ns
            new = seal(*values)
            self._database.change(
                "UPDATE documents SET size = ?, modified_ns = ?, source_seal = ? WHERE id = ?",
                [(source.size, source.modified_ns, new, source.id)],
            )
            self._database.set("documents", str(self._tally().minus(old).plus(new)))

    def remove(self, identity: str) -> None:
        """Take a document out, if it is there. Inside `writing` only."""
        if not self._drop(identity):
            self._check_absent(identity)

    def _drop(self, identity: str) -> bool:
        """Whether there was such a document."""
        about = self._about(identity)
        if about is None:
            return False
        self._database.change("DELETE FROM documents WHERE id = ?", [(identity,)])
        self._database.set("documents", str(self._tally().minus(about[-1])))
        return True

    def _tally(self) -> Tally:
        return Tally.read(self._database.text("documents"))

    def forget(self, root: Root, path: str) -> None:
        """Take a document out, and what is said of its file, and remember by a hash of its place that it is not to come
        back. Inside `writing` only."""
        name = identity(root, path)
        self._drop(name)
        self.set_problems(root, [problem for problem in self.problems_of(root) if problem.path != path])
        self._database.set("forgotten", " ".join(sorted(self.forgotten() | {name})))

    def remember(self, root: Root, path: str) -> None:
        """The file at a place may be read again. Inside `writing` only."""
        self._database.set("forgotten", " ".join(sorted(self.forgotten() - {identity(root, path)})))

    def forgotten(self) -> frozenset[str]:
        """The ids of documents that are not to come back."""
        return frozenset(self._database.values().get("forgotten", "").split())

    def wipe(self) -> None:
        """Leave no byte of what was stored once and is no longer. Raises IndexBusy while a reader needs some of it."""
        self._database.wipe()

    def copy_to(self, folder: Path, progress: Callable[[int, int], None]) -> None:
        """Write the library as it stands to another folder, whole or not at all. Inside `reading`."""
        self._database.copy_to(folder, progress)

    def settle(self) -> None:
        """Bring all of the library into its one file. Raises IndexBusy while a reader needs the log as it is."""
        self._database.settle()

    def set_maker(self, maker: Maker) -> None:
        """Say what makes the vectors from now on, of all documents. Inside `writing` only."""
        for name in Maker.__slots__:
            self._database.set(f"maker.{name}", str(getattr(maker, name)))

    def prepare_stage(self, maker: Maker) -> None:
        """Make room for encodings by another maker, beside those that serve; those of a third one go. Inside `writing`
        only."""
        mark = f"{maker.fingerprint} {maker.way} {maker.dimensions}"
        if self._database.values().get("stage") != mark:
            self.unstage()
        self._database.change("CREATE TABLE IF NOT EXISTS staged (key BLOB PRIMARY KEY, encoding BLOB NOT NULL) STRICT")
        self._database.set("stage", mark)

    def stage(self, encodings: Mapping[bytes, Encoding]) -> None:
        """Keep encodings by the keys of their passages, until they serve. Inside `writing` only."""
        rows = [(key, packed(key, encoding)) for key, encoding in encodings.items()]
        self._database.change("INSERT OR REPLACE INTO staged VALUES (?, ?)", rows)

    def staged(self, keys: Iterable[bytes], dimensions: int) -> dict[bytes, Encoding]:
        """Those that are kept of the encodings of `keys`."""
        found = {}
        for key in keys:
            for (encoding,) in self._database.rows("SELECT encoding FROM staged WHERE key = ?", (bytes,), key):
                found[key] = self._unpacked(key, encoding, dimensions)
        return found

    def unstage(self) -> None:
        """Let go of what was staged. Inside `writing` only."""
        self._database.change("DROP TABLE IF EXISTS staged")
        self._database.set("stage", "")

    def set_problems(self, root: Root, problems: Sequence[Problem]) -> None:
        """The files below a root that could not be read, in place of those of the last run. Inside `writing` only."""
        self._database.change("DELETE FROM problems WHERE root = ?", [(root.id,)])
        self._database.change(
            "INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?, ?)",
            [(root.id, p.path, p.reason, p.remedy, p.kind) for p in problems],
        )
        query = "SELECT path, reason, remedy, kind FROM problems WHERE root = ? ORDER BY path"
        rows = self._database.rows(query, (str, str, str, str), root.id)
        self._database.set(f"problems.{root.id}", rows_seal(rows))

    def _unpacked(self, key: bytes, blob: bytes, dimensions: int) -> Encoding:
        try:
            return unpacked(key, blob, dimensions)
        except ValueError as error:
            raise self._database.damaged(str(error)) from error


def _fault(check: Callable[..., object], *values: str) -> str:
    """What a check says that fails; "" of one that does not."""
    try:
        check(*values)
    except IndexUnusable as error:
        return error.what
    return ""


def identity(root: Root, path: str) -> str:
    """The id of the document at `path` below `root`: it stays when the folder moves as a whole."""
    return "d_" + hashlib.sha256(f"{root.name}\0{path}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def below(root: Path, path: str) -> Path:
    """The file at `path` below a root that is a folder, or the root itself where that is a file."""
    try:
        return root if path == root.name and root.is_file() else root / path
    except OSError:
        return root / path
