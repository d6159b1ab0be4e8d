"""What a question is asked of: the derived indexes of one commit, and which place in which document each row is.

A snapshot is an arrangement of pieces, each derived from some documents and never changed (see `piece`): a document
that is changed or gone takes its piece out, and what else was in that is derived anew. So a snapshot after any history
is the same as one made whole from the library, but for the order in which its pieces lie; numbers go by document.

On disk it is a folder named after its commit, with a manifest of hashes: it is there and right, or it is made again. It
is written beside the one before, with hard links to the pieces that are kept, and renamed into place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa import disk, folding, lexical, piece
from qa.errors import IndexUnusable
from qa.interaction import Tokens
from qa.lexical import Lexicon
from qa.library import Library, Maker
from qa.piece import Piece
from qa.records import Document, Source
from qa.vectors import Vectors

FOLDER = "derived"

FORMAT = 9
"""Number of this layout. A snapshot of another number is made again."""

UNSEALED = (1, 2, 3, 4)
"""Layouts from before a manifest had a seal."""

INDENTED = 5
"""The layout whose manifest is set out in lines."""

LAST_SHA256 = 8
"""The last layout whose files are hashed by SHA-256."""

PLACES = ("document", "first", "spans", "sentence_group", "passage_group", "boilerplate", "marks", "heading")
"""The arrays of a snapshot."""

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Passages and sentences are numbered from 0, by document in the order of `sources`, then by place.

    `maker` made the vectors and tokens: only its model reads questions that are asked of them. `document[p]` is the
    position in `sources` of passage p; `first[p]:first[p + 1]` are its sentences; `spans[s]` are start and end of
    sentence s in code points of its document's text. Sentences of equal text have one number in `sentence_group`,
    passages in `passage_group`; `boilerplate[s]` is whether sentence s is boilerplate, and `marks[s]` the mark of its
    wording. `heading[p]` is the number in `headings` of what stands above passage p, title and headings. `noise` is how
    well the words of questions foreign to the documents are matched in them; see the room of that name. `files` are the
    hashes of what lies in `folder`, by path below it, where it is on disk.
    """

    birth: str
    commit: int
    maker: Maker
    sources: tuple[Source, ...]
    document: NDArray[np.int64]
    first: NDArray[np.int64]
    spans: NDArray[np.int64]
    sentence_group: NDArray[np.int64]
    passage_group: NDArray[np.int64]
    boilerplate: NDArray[np.bool_]
    marks: NDArray[np.int64]
    heading: NDArray[np.int64]
    vectors: Vectors
    tokens: Tokens
    passage_words: Lexicon
    sentence_words: Lexicon
    headings: Lexicon
    noise: float
    pieces: tuple[Piece, ...]
    folder: Path
    files: Mapping[str, str]

    def document_of(self, sentence: int) -> int:
        """The position in `sources` of a sentence's document."""
        return int(self.document[np.searchsorted(self.first, sentence, side="right") - 1])

    @property
    def owner(self) -> NDArray[np.int64]:
        """The passage of each sentence, shape (sentences,)."""
        return np.repeat(np.arange(len(self.document)), np.diff(self.first))

    @property
    def seals(self) -> dict[str, str]:
        """What stands for the content of each document, by its id; see `Library.seals`."""
        return dict(held for part in self.pieces for held in part.documents)

    def text_of(self, identity: str) -> Document:
        """A document as it was read, by its id, whatever became of it in the library."""
        return next(
            part.document(position)
            for part in self.pieces
            for position, (name, _) in enumerate(part.documents)
            if name == identity
        )


Measure = Callable[[Snapshot], float]
"""Tells the noise in a snapshot that lacks it."""


def build(library: Library, measure: Measure, held: Snapshot | None = None) -> Snapshot:
    """From the library as it stands, in memory: nothing is read from the documents' files and no passage encoded. What
    is the same in `held`, an earlier snapshot of the library, is taken from that."""
    # What holds it goes on reading: a lock file may come into it while it is emptied.
    with tempfile.TemporaryDirectory(prefix="qa-", ignore_cleanup_errors=True) as folder:
        try:
            return _told(*_made(library, Path(folder, "held"), held), measure)
        except FileNotFoundError:  # what is taken from is no longer there
            return _told(*_made(library, Path(folder, "whole"), None), measure)


def write(library: Library, measure: Measure, held: Snapshot | None = None) -> Snapshot:
    """Make the snapshot of the library's commit on disk, whole or not at all, and drop those of earlier commits. What
    is the same in `held`, a snapshot on disk, is taken from that."""
    shelf = library.folder / FOLDER
    shelf.mkdir(exist_ok=True)
    for left in shelf.glob(".new-*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        return _written(library, measure, shelf, held)
    except FileNotFoundError:  # what is taken from is no longer there
        return _written(library, measure, shelf, None)


def _written(library: Library, measure: Measure, shelf: Path, held: Snapshot | None) -> Snapshot:
    """See `write`."""
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf))
    try:
        snapshot, is_told = _made(library, work, held)
        # The disk is waited for while the noise is told.
        with ThreadPoolExecutor(1) as pool:
            stored = pool.submit(_stored, snapshot, work, held, library.folder)
            snapshot = _told(snapshot, is_told, measure)
            files = stored.result()
        manifest = work / MANIFEST
        manifest.write_bytes(sealed(_content(snapshot, files)))
        disk.share([manifest], library.folder)
        for path in (manifest, work):
            disk.sync(path)
        target = shelf / str(snapshot.commit)
        if target.exists():  # damaged, else it would have been loaded
            shutil.rmtree(target)
        work.replace(target)
        disk.sync(shelf)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for old in shelf.iterdir():
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return replace(snapshot, folder=target, files=files)


def _stored(snapshot: Snapshot, work: Path, held: Snapshot | None, like: Path) -> dict[str, str]:
    """See `write`: the hashes of all files of a snapshot by path below `work`, where those lie now, for good, that were
    not there: what is the same in `held` is linked to."""
    files: dict[str, str] = {}
    if held is not None:
        held_files = piece.owned(held.files)
        for name in (name for part in snapshot.pieces if part in held.pieces for name in piece.names(part, held_files)):
            disk.link(held.folder / name, work / name)
            files[name] = held.files[name]
    fresh = [path for path in disk.files(work) if disk.name(path, work) not in files]
    files |= {disk.name(path, work): disk.digest(path) for path in fresh}
    folders = [path for path in work.rglob("*") if path.is_dir()]
    disk.share([work, *folders, *fresh], like)
    for path in (*fresh, *folders):
        disk.sync(path)
    return files


def _told(snapshot: Snapshot, is_told: bool, measure: Measure) -> Snapshot:
    """The snapshot with its noise."""
    return snapshot if is_told else replace(snapshot, noise=measure(snapshot))


def _made(library: Library, folder: Path, held: Snapshot | None) -> tuple[Snapshot, bool]:
    """The snapshot of the library as it stands, and whether its noise is told already. What is derived now is written
    to `folder`, and its lexicons."""
    with library.reading():
        sources, seals, birth, maker = library.sources(), library.seals(), library.birth, library.maker
        if held is not None and ((held.birth, held.maker) != (birth, maker) or not held.files):  # or was made in memory
            held = None
        kept, groups = piece.planned(library, sources, seals, () if held is None else held.pieces)
        number = 1 + max((part.number for part in (() if held is None else held.pieces)), default=-1)
        fresh = [piece.build(library, names, folder, at) for at, names in enumerate(groups, start=number)]
        pieces = (*kept, *fresh)
        library.check_passages(sum(len(part.passages) for part in pieces))
        commit = library.commit
    if held is not None:
        held_files = piece.owned(held.files)
        for name in (name for part in kept for name in piece.names(part, held_files)):
            if name.partition("/")[0] in piece.LEXICONS:
                disk.link(held.folder / name, folder / name)
    for name in piece.LEXICONS:
        lexical.arrange(folder / name, [part.metas[name] for part in pieces])
    snapshot = _arranged(birth, commit, maker, sources, pieces, folder)
    if held is not None and not fresh and [s.id for s in sources] == [s.id for s in held.sources]:
        return replace(snapshot, noise=held.noise), True
    return snapshot, False


def _arranged(
    birth: str, commit: int, maker: Maker, sources: tuple[Source, ...], pieces: tuple[Piece, ...], folder: Path
) -> Snapshot:
    """The snapshot that pieces make, whose lexicons lie in `folder`; its noise is still to be told."""
    number = {source.id: position for position, source in enumerate(sources)}
    rows = [np.array([number[name] for name, _ in part.documents], dtype=np.int64) for part in pieces]
    owner = np.concatenate([row[part.passages[:, 0]] for row, part in zip(rows, pieces, strict=True)])
    passages = np.concatenate([part.passages for part in pieces])
    sentences = np.concatenate([part.sentences for part in pieces])
    # Within a document passages and sentences are in order already, and no two pieces hold one.
    order = np.argsort(owner, kind="stable")
    sentence_owner = np.repeat(owner, passages[:, 1])
    sentence_order = np.argsort(sentence_owner, kind="stable")
    sizes = {name: [(part.number, part.size(name)) for part in pieces] for name in piece.LEXICONS}
    above = np.cumsum([size for _, size in sizes["headings"]]) - [size for _, size in sizes["headings"]]
    heading = passages[:, 2] + np.repeat(above, [len(part.passages) for part in pieces])
    sentences = sentences[sentence_order]
    group = folding.grouped(sentences[:, 3:])
    return Snapshot(
        birth=birth,
        commit=commit,
        maker=maker,
        sources=sources,
        document=owner[order],
        first=np.concatenate([[0], np.cumsum(passages[order, 1])]).astype(np.int64),
        spans=np.ascontiguousarray(sentences[:, :2]),
        sentence_group=group,
        passage_group=folding.grouped(passages[order, 3:]),
        boilerplate=folding.boilerplate(group, sentence_owner[sentence_order], sentences[:, 1] - sentences[:, 0]),
        marks=np.ascontiguousarray(sentences[:, 2]),
        heading=heading[order],
        vectors=Vectors.joined([part.vectors for part in pieces], sentence_order, maker.dimensions),
        tokens=Tokens.joined([part.tokens for part in pieces], sentence_order, maker.dimensions),
        passage_words=_lexicon(folder / "passages", sizes["passages"], order),
        sentence_words=_lexicon(folder / "sentences", sizes["sentences"], sentence_order),
        headings=_lexicon(
            folder / "headings", sizes["headings"], np.arange(sum(size for _, size in sizes["headings"]))
        ),
        noise=0.0,
        pieces=pieces,
        folder=folder,
        files={},
    )


def load(library: Library, commit: int | None = None, held: Snapshot | None = None) -> Snapshot | None:
    """The snapshot on disk of the library's commit, or of the one that is named, every file checked by its hash; None
    when it is missing, of another layout, or damaged. Pieces that are the same in `held` are taken from that and
    not read again. Inside `library.reading()`, so that library and snapshot are one state.
    Raises IndexUnusable when the library itself is damaged."""
    current, birth = library.commit, library.birth
    stored = (library.sources(), library.maker) if commit in (None, current) else None
    found = read(library.folder, birth, current if commit is None else commit, held)
    return found if found is None or stored in (None, (found.sources, found.maker)) else None


def read(index: Path, birth: str, commit: int, held: Snapshot | None = None) -> Snapshot | None:
    """As `load`, of the index in a folder, without a look at its library."""
    folder = index / FOLDER / str(commit)
    try:
        manifest = _manifest(folder)
        if (manifest["format"], manifest["birth"], manifest["commit"]) != (FORMAT, birth, commit):
            return None
        files, maker = manifest["files"], Maker(**manifest["maker"])
        known = {} if held is None or (held.birth, held.maker) != (birth, maker) else held.files
        # Files of one name and hash are one file under two names, and were looked through when they were read first.
        if not disk.whole(folder, {name: mark for name, mark in files.items() if known.get(name) != mark}):
            return None
        reusable = {part.number: part for part in held.pieces} if held is not None and known else {}
        owned = piece.owned(files)
        pieces = tuple(
            part
            if (part := reusable.get(record["number"])) is not None
            and part.metas == record["metas"]
            # Made anew from the same documents it has files of the same names and hashes, but other segments.
            and all(known.get(name) == files[name] for name in owned.get(str(part.number), ()))
            else piece.load(folder, record, maker.dimensions)
            for record in manifest["pieces"]
        )
        sources = tuple(Source(*row) for row in manifest["sources"])
        snapshot = _arranged(birth, commit, maker, sources, pieces, folder)
        return replace(snapshot, noise=float(manifest["noise"]), files=files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError, IndexUnusable):
        return None


def newest(library: Library, held: Snapshot | None = None) -> Snapshot | None:
    """The snapshot on disk of the latest commit of which there is one that is whole; `held`, one that is or was on
    disk, if there is none later. None when there is none at all. Raises as `load`."""
    if held is not None and held.birth != library.birth:
        held = None
    least = -1 if held is None else held.commit
    with suppress(OSError):
        commits = {int(path.name) for path in (library.folder / FOLDER).iterdir() if path.name.isdecimal()}
        for commit in sorted((commit for commit in commits if commit > least), reverse=True):
            with library.reading():
                found = load(library, commit, held)
            if found is not None:
                return found
    return held


def faults(folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong in the folder of one snapshot, by file: bytes that are not those that were written, files that are
    missing or do not belong there. Nothing of a snapshot without a seal can be told."""
    try:
        manifest = _manifest(folder)
        files, way = dict(manifest["files"]), disk.SHA256 if manifest["format"] <= LAST_SHA256 else disk.BLAKE3
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield MANIFEST, f"is not what was written ({error})"
        return
    present = {disk.name(path, folder): path for path in folder.rglob("*") if path.is_file()}
    for name, stored in files.items():
        if name not in present:
            yield name, "is missing"
        elif disk.digest(present[name], way) != stored:
            yield name, "is not what was written"
    for name, path in present.items():
        if name not in files and name != MANIFEST and (not name.endswith(".lock") or path.stat().st_size):
            yield name, "does not belong there"


def _manifest(folder: Path) -> dict[str, Any]:
    """Raises ValueError, and what json and a record of another shape may raise, when it is not what was written."""
    data = (folder / MANIFEST).read_bytes()
    manifest: dict[str, Any] = json.loads(data)
    if "seal" not in manifest and manifest["format"] in UNSEALED:
        return manifest
    # The bytes too: of what is read as the same, something may have been damaged.
    del manifest["seal"]
    if sealed(manifest) != data:
        raise ValueError("it does not fit its seal")
    return manifest


def sealed(content: Mapping[str, Any]) -> bytes:
    """The manifest that says this, with a seal that stands for it."""
    mark = hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
    return json.dumps({**content, "seal": mark}, indent=1 if content["format"] == INDENTED else None).encode("utf-8")


def _content(snapshot: Snapshot, files: Mapping[str, str]) -> dict[str, Any]:
    """What a manifest says of a snapshot."""
    return {
        "format": FORMAT,
        "birth": snapshot.birth,
        "commit": snapshot.commit,
        "maker": asdict(snapshot.maker),
        "noise": snapshot.noise,
        "sources": [[getattr(source, name) for name in Source.__slots__] for source in snapshot.sources],
        "pieces": [part.record() for part in snapshot.pieces],
        "files": dict(files),
    }


def _lexicon(folder: Path, parts: Sequence[tuple[int, int]], order: NDArray[np.int64]) -> Lexicon:
    """tantivy opens nothing without a lock file beside it: what lies where none can be made is opened as a copy."""
    if os.access(folder, os.W_OK):
        return Lexicon.load(folder, parts, order)
    with tempfile.TemporaryDirectory(prefix="qa-") as copy:
        for path in disk.files(folder):
            shutil.copyfile(path, Path(copy, path.name))
        return Lexicon.load(Path(copy), parts, order)
