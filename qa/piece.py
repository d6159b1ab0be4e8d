"""What is derived from some documents of a library, once and never changed: a piece that many snapshots are made of.

Its arrays and texts lie in a folder named after its number; its words are segments of the lexicons of the snapshot, in
folders that it shares with other pieces.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa import disk, folding, lexical
from qa.errors import IndexUnusable
from qa.interaction import Tokens
from qa.lexical import Meta
from qa.library import Library
from qa.records import Document, Encoding, Source
from qa.rows import revived
from qa.vectors import Vectors
from qa.wording import mark

LEXICONS = ("passages", "sentences", "headings")
"""The folders of the lexicons."""

PASSAGES, SENTENCES, TEXTS = "passages.npy", "sentences.npy", "texts.jsonl"
"""The files of a piece beside those of its vectors and tokens."""


MOST_PIECES = 48
"""A question looks through each: BM25 over 100,000 sentences takes 3 ms in 24 pieces and 1.7 ms in one. Where there
would be more, the smallest are made one."""

LEAST_SENTENCES = 1024
"""A smaller piece is made anew with whatever changes next, which costs less than to keep it."""

SHARE = 32
"""Into how many pieces, at least, many sentences are divided: a change makes a piece anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """`documents` are ids and content seals, `texts` the documents as they were read, one JSON text a line.

    `passages`, int64 of shape (passages, 5): the position of its document in `documents`, how many sentences it has,
    the position of what stands above it among the titles and headings of the piece, and two numbers for its text.
    `sentences`, int64 of shape (sentences, 5): start, end, the mark of its wording, and two numbers for its text.
    Passages of one document stand together and in order, and so do its sentences.
    """

    number: int
    documents: tuple[tuple[str, str], ...]
    metas: Mapping[str, Meta]
    passages: NDArray[np.int64]
    sentences: NDArray[np.int64]
    vectors: Vectors
    tokens: Tokens
    texts: bytes | mmap.mmap

    def size(self, lexicon: str) -> int:
        """How many texts it has in a lexicon."""
        if lexicon == "headings":
            return int(self.passages[:, 2].max(initial=-1)) + 1
        return len(self.passages if lexicon == "passages" else self.sentences)

    def document(self, position: int) -> Document:
        """The document at a position in `documents`, as it was read."""
        identity, seal = self.documents[position]
        return revived(self.texts[:].split(b"\n")[position], identity, seal)

    def record(self) -> dict[str, Any]:
        """What `load` is to be told of it, JSON-ready."""
        return {"number": self.number, "documents": self.documents, "metas": dict(self.metas)}


def planned(
    library: Library, sources: Sequence[Source], seals: Mapping[str, str], pieces: Sequence[Piece]
) -> tuple[list[Piece], list[list[str]]]:
    """The pieces to keep of those that there are, and the documents of each one to derive. Inside
    `library.reading()`."""
    kept = [part for part in pieces if all(seals.get(name) == seal for name, seal in part.documents)]
    known = {name for part in kept for name, _ in part.documents}
    if len(known) == len(sources) and kept:
        return kept, []
    kept = [part for part in kept if len(part.sentences) >= LEAST_SENTENCES]
    known = {name for part in kept for name, _ in part.documents}
    sizes = {source.id: library.sentences(source.id) for source in sources if source.id not in known}
    total = sum(sizes.values()) + sum(len(part.sentences) for part in kept)
    groups = _runs(sizes, max(2 * LEAST_SENTENCES, total // SHARE))
    plan: list[tuple[int, list[str], Piece | None]]
    plan = [(len(part.sentences), [name for name, _ in part.documents], part) for part in kept]
    plan += [(sum(map(sizes.__getitem__, names)), names, None) for names in groups]
    while len(plan) > MOST_PIECES:
        plan.sort(key=lambda item: (item[0], item[1]))
        (size, names, _), (other_size, others, _), *plan = plan
        plan.append((size + other_size, [*names, *others], None))
    kept = [part for _, _, part in plan if part is not None]
    # A lexicon cannot be of no part.
    return kept, [names for _, names, part in plan if part is None] or [[]] * (not kept)


def _runs(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """Documents in order, cut into runs of at most `most` sentences, or of one document."""
    runs: list[list[str]] = []
    left = 0
    for name, size in sizes.items():
        if not runs or size > left:
            runs.append([])
            left = most
        runs[-1].append(name)
        left -= size
    return runs


def build(library: Library, identities: Sequence[str], folder: Path, number: int) -> Piece:
    """From the documents of these ids, written to `folder`. Inside `library.reading()`."""
    place = folder / str(number)
    place.mkdir(parents=True)
    position = {identity: at for at, identity in enumerate(identities)}
    passages: list[tuple[int, int, int]] = []
    spans: list[tuple[int, int]] = []
    encodings: list[Encoding] = []
    texts: dict[str, list[str]] = {name: [] for name in LEXICONS}
    bare: list[str] = []
    contexts: dict[str, int] = {}
    for identity, text, passage, encoding in library.passages(identities):
        heading = contexts.setdefault(passage.context, len(contexts))
        passages.append((position[identity], len(passage.sentences), heading))
        spans.extend((span.start, span.end) for span in passage.sentences)
        encodings.append(encoding)
        bare.append(text[passage.start : passage.end])
        # The dot keeps them apart: no phrase begins in a heading and ends in the text.
        texts["passages"].append(f"{passage.context} · {bare[-1]}")
        texts["sentences"].extend(text[span.start : span.end] for span in passage.sentences)
    texts["headings"].extend(contexts)
    marks = np.array([mark(sentence) for sentence in texts["sentences"]], dtype=np.int64)[:, None]
    places = np.array(spans, dtype=np.int64).reshape(-1, 2)
    about = np.array(passages, dtype=np.int64).reshape(-1, 3)
    disk.store(place / PASSAGES, np.hstack([about, folding.digests(bare)]))
    disk.store(place / SENTENCES, np.hstack([places, marks, folding.digests(texts["sentences"])]))
    dimensions = library.maker.dimensions
    Vectors.build((held.vectors for held in encodings), dimensions).save(place)
    Tokens.build(((held.codes, held.tokens) for held in encodings), dimensions).save(place)
    (place / TEXTS).write_bytes(b"".join(library.copy(identity) + b"\n" for identity in identities))
    seals = library.seals()
    # Beside each other, as tantivy waits for the disk with each.
    with ThreadPoolExecutor(len(LEXICONS)) as pool:
        metas = pool.map(lambda name: lexical.add(texts[name], folder / name, number), LEXICONS)
        record = {
            "number": number,
            "documents": [(identity, seals[identity]) for identity in identities],
            "metas": dict(zip(LEXICONS, metas, strict=True)),
        }
    return load(folder, record, dimensions)


def load(folder: Path, record: Mapping[str, Any], dimensions: int) -> Piece:
    """What `build` wrote to `folder`. Whether the bytes are the ones written is the caller's to check before."""
    place = folder / str(int(record["number"]))
    with (place / TEXTS).open("rb") as file:
        texts = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b""
    found = Piece(
        number=int(record["number"]),
        documents=tuple((identity, seal) for identity, seal in record["documents"]),
        metas=record["metas"],
        passages=np.load(place / PASSAGES, allow_pickle=False),
        sentences=np.load(place / SENTENCES, allow_pickle=False),
        vectors=Vectors.load(place, dimensions),
        tokens=Tokens.load(place, dimensions),
        texts=texts,
    )
    count = len(found.sentences)
    if not count == len(found.vectors) == len(found.tokens) == found.passages[:, 1].sum():
        raise IndexUnusable(f"What lies in {place} does not fit together.")
    return found


def owned(files: Iterable[str]) -> dict[str, list[str]]:
    """The files of a snapshot, by path below its folder, by what is the same in the names of all that belong together:
    the number of a piece, or the name of a segment."""
    found: dict[str, list[str]] = {}
    for name in files:
        folder, _, file = name.partition("/")
        found.setdefault(file.partition(".")[0] if folder in LEXICONS else folder, []).append(name)
    return found


def names(piece: Piece, files: Mapping[str, Sequence[str]]) -> list[str]:
    """Which of the files that `owned` gave are those of a piece."""
    segments = (name for meta in piece.metas.values() for name in lexical.segments(meta))
    return [name for owner in (str(piece.number), *segments) for name in files.get(owner, ())]
