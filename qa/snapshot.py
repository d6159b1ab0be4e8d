"""What a question is asked of: the derived indexes of one commit, and which place in which document each row is.

A snapshot is made whole from the library and never changed. On disk it is a folder named after its commit, written
beside the old one and renamed into place, with a manifest of hashes: it is there and right, or it is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa import folding
from qa.errors import IndexUnusable
from qa.interaction import Tokens
from qa.lexical import Lexicon
from qa.library import Library
from qa.records import Encoding, Source
from qa.vectors import Vectors
from qa.wording import mark

FOLDER = "derived"

FORMAT = 5
"""Number of this layout. A snapshot of another number is made again."""

UNSEALED = (1, 2, 3, 4)
"""Layouts from before a manifest had a seal."""

PLACES = ("document", "first", "spans", "sentence_group", "passage_group", "boilerplate", "marks", "heading")
"""The arrays of a snapshot that are kept in one file."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Passages and sentences are numbered from 0, by document in the order of `sources`, then by place.

    `document[p]` is the position in `sources` of passage p; `first[p]:first[p + 1]` are its sentences; `spans[s]` are
    start and end of sentence s in code points of its document's text. Sentences of equal text have one number in
    `sentence_group`, passages in `passage_group`; `boilerplate[s]` is whether sentence s is boilerplate, and
    `marks[s]` the mark of its wording. `heading[p]` is the number in `headings` of what stands above passage p, title
    and headings. `noise` is how well the words of questions foreign to the documents are matched in them; see the room
    of that name.
    """

    birth: str
    commit: int
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

    def document_of(self, sentence: int) -> int:
        """The position in `sources` of a sentence's document."""
        return int(self.document[np.searchsorted(self.first, sentence, side="right") - 1])

    @property
    def owner(self) -> NDArray[np.int64]:
        """The passage of each sentence, shape (sentences,)."""
        return np.repeat(np.arange(len(self.document)), np.diff(self.first))


Measure = Callable[[Snapshot], float]
"""Tells the noise in a snapshot that lacks it."""


def build(library: Library, measure: Measure, folder: Path | None = None) -> Snapshot:
    """From the library as it stands: nothing is read from the documents' files and no passage encoded. With `folder`,
    its files are written there; without, it lives in memory."""
    with library.reading():
        sources = library.sources()
        number = {source.id: position for position, source in enumerate(sources)}
        document: list[int] = []
        counts: list[int] = []
        spans: list[tuple[int, int]] = []
        encodings: list[Encoding] = []
        texts: list[str] = []
        bare: list[str] = []
        sentences: list[str] = []
        contexts: dict[str, int] = {}
        heading: list[int] = []
        for identity, text, passage, encoding in library.passages():
            document.append(number[identity])
            counts.append(len(passage.sentences))
            spans.extend((span.start, span.end) for span in passage.sentences)
            encodings.append(encoding)
            heading.append(contexts.setdefault(passage.context, len(contexts)))
            bare.append(text[passage.start : passage.end])
            # The dot keeps them apart: no phrase begins in a heading and ends in the text.
            texts.append(f"{passage.context} · {bare[-1]}")
            sentences.extend(text[span.start : span.end] for span in passage.sentences)
        places = np.array(spans, dtype=np.int64).reshape(-1, 2)
        group = folding.grouped(sentences)
        owner = np.repeat(np.array(document, dtype=np.int64), np.array(counts, dtype=np.int64))
        snapshot = Snapshot(
            birth=library.birth,
            commit=library.commit,
            sources=sources,
            document=np.array(document, dtype=np.int64),
            first=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
            spans=places,
            sentence_group=group,
            passage_group=folding.grouped(bare),
            boilerplate=folding.boilerplate(group, owner, places[:, 1] - places[:, 0]),
            marks=np.array([mark(sentence) for sentence in sentences], dtype=np.int64),
            heading=np.array(heading, dtype=np.int64),
            vectors=Vectors.build((held.vectors for held in encodings), library.maker.dimensions),
            tokens=Tokens.build(((held.codes, held.tokens) for held in encodings), library.maker.dimensions),
            passage_words=Lexicon.build(texts, folder / "passages" if folder else None),
            sentence_words=Lexicon.build(sentences, folder / "sentences" if folder else None),
            headings=Lexicon.build(contexts, folder / "headings" if folder else None),
            noise=0.0,
        )
    snapshot = replace(snapshot, noise=measure(snapshot))
    if folder is not None:
        snapshot.vectors.save(folder)
        snapshot.tokens.save(folder)
        np.savez(folder / "places.npz", **{name: getattr(snapshot, name) for name in PLACES})
    return snapshot


def write(library: Library, measure: Measure) -> Snapshot:
    """Make the snapshot of the library's commit on disk, whole or not at all, and drop those of earlier commits."""
    shelf = library.folder / FOLDER
    shelf.mkdir(exist_ok=True)
    for left in shelf.glob(".new-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf))
    try:
        snapshot = build(library, measure, work)
        _share(work, library.folder)
        files = {path.relative_to(work).as_posix(): _sha256(path) for path in _files(work)}
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "birth": snapshot.birth,
            "commit": snapshot.commit,
            "noise": snapshot.noise,
            "files": files,
        }
        manifest["seal"] = _stated(manifest)
        (work / "manifest.json").write_bytes(_written(manifest))
        for path in _files(work):
            _sync(path)
        _sync(work)
        target = shelf / str(snapshot.commit)
        if target.exists():  # damaged, else it would have been loaded
            shutil.rmtree(target)
        work.replace(target)
        _sync(shelf)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for old in shelf.iterdir():
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return snapshot


def load(library: Library) -> Snapshot | None:
    """The snapshot on disk of the library's commit, every file checked by its hash; None when it is missing, of
    another commit or layout, or damaged. Inside `library.reading()`, so that library and snapshot are one state.
    Raises IndexUnusable when the library itself is damaged."""
    commit, birth, dimensions, sources = library.commit, library.birth, library.maker.dimensions, library.sources()
    folder = library.folder / FOLDER / str(commit)
    try:
        manifest = _manifest(folder)
        if (manifest["format"], manifest["birth"], manifest["commit"]) != (FORMAT, birth, commit):
            return None
        if any(_sha256(folder / name) != mark for name, mark in manifest["files"].items()):
            return None
        with np.load(folder / "places.npz", allow_pickle=False) as places:
            return Snapshot(
                birth=birth,
                commit=commit,
                sources=sources,
                **{name: places[name] for name in PLACES},
                vectors=Vectors.load(folder, dimensions),
                tokens=Tokens.load(folder, dimensions),
                passage_words=_lexicon(folder / "passages"),
                sentence_words=_lexicon(folder / "sentences"),
                headings=_lexicon(folder / "headings"),
                noise=float(manifest["noise"]),
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexUnusable):
        return None


def faults(folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong in the folder of one snapshot, by file: bytes that are not those that were written, files that are
    missing or do not belong there. Nothing of a snapshot of another layout can be told."""
    try:
        manifest = _manifest(folder)
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield "manifest.json", f"is not what was written ({error})"
        return
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name, stored in files.items():
        if name not in present:
            yield name, "is missing"
        elif _sha256(present[name]) != stored:
            yield name, "is not what was written"
    for name, path in present.items():
        if name not in files and name != "manifest.json" and (not name.endswith(".lock") or path.stat().st_size):
            yield name, "does not belong there"


def _manifest(folder: Path) -> dict[str, Any]:
    """Raises ValueError, and what json and a record of another shape may raise, when it is not what was written."""
    data = (folder / "manifest.json").read_bytes()
    manifest: dict[str, Any] = json.loads(data)
    if "seal" not in manifest and manifest["format"] in UNSEALED:
        return manifest
    # The bytes too: of what is read as the same, something may have been damaged.
    if manifest.pop("seal") != _stated(manifest) or _written({**manifest, "seal": _stated(manifest)}) != data:
        raise ValueError("it does not fit its seal")
    return manifest


def _written(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1).encode("utf-8")


def _stated(manifest: dict[str, Any]) -> str:
    """Stands for all else that a manifest says."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode("utf-8")).hexdigest()


def _lexicon(folder: Path) -> Lexicon:
    """tantivy opens nothing without a lock file beside it: what lies where none can be made is opened as a copy."""
    if os.access(folder, os.W_OK):
        return Lexicon.load(folder)
    with tempfile.TemporaryDirectory(prefix="qa-") as copy:
        for path in _files(folder):
            shutil.copyfile(path, Path(copy, path.name))
        return Lexicon.load(Path(copy))


def _share(work: Path, like: Path) -> None:
    """Let whoever may read the index folder read what temporary-file functions made for its owner alone."""
    mode = stat.S_IMODE(like.stat().st_mode)
    for path in (work, *work.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(".lock"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
