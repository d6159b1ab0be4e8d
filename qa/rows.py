"""What the library's rows hold, as bytes and as JSON, and the seals that tell whether they are what was stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qa.database import seal
from qa.errors import IndexUnusable
from qa.records import Block, Document, Encoding, Locator, Passage, Turn


@dataclass(frozen=True, slots=True)
class Tally:
    """How many seals there are and their sum: stands for a set of them, and follows when one comes or goes."""

    count: int = 0
    total: int = 0

    @classmethod
    def of(cls, marks: Collection[bytes]) -> Tally:
        """Of so many at once, which is faster than one after the other."""
        return cls(len(marks), sum(int.from_bytes(mark, "big") for mark in marks) % 2**256)

    @classmethod
    def read(cls, text: str) -> Tally:
        """From what `str` gives."""
        count, total = text.split()
        return cls(int(count), int(total, 16))

    def __str__(self) -> str:
        return f"{self.count} {self.total:064x}"

    def plus(self, mark: bytes) -> Tally:
        return Tally(self.count + 1, (self.total + int.from_bytes(mark, "big")) % 2**256)

    def minus(self, mark: bytes) -> Tally:
        return Tally(self.count - 1, (self.total - int.from_bytes(mark, "big")) % 2**256)


def revived(copy: bytes, identity: str, held: str) -> Document:
    """The document of which `Library.copy` gave a copy, while `seals` gave `held` for it. Raises IndexUnusable when
    that is not what the copy says."""
    text, *rest = json.loads(copy)
    if seal(identity, text.encode("utf-8"), *rest).hex() != held.split()[0]:
        raise IndexUnusable(f"A copy of document {identity} is not what was read.", "Index again: qa index")
    return document_from_row(text.encode("utf-8"), *rest)


def document_from_row(text: bytes, title: str, media_type: str, blocks: str, problems: str) -> Document:
    """The document of what is stored of it."""
    return Document(text.decode("utf-8"), title, media_type, blocks_from_json(blocks), tuple(json.loads(problems)))


def blocks_to_json(blocks: Sequence[Block]) -> str:
    """A row for each block, in order: kind, start, end, its place, and its turns where there are any."""
    rows = []
    for block in blocks:
        turns = [(turn.start, *_place(turn.locator)) for turn in block.turns]
        rows.append((block.kind, block.start, block.end, *_place(block.locator), *([turns] if turns else [])))
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _place(at: Locator) -> tuple[Any, ...]:
    return at.heading, at.page, at.label, at.line, at.place, at.kind


def blocks_from_json(rows: str) -> tuple[Block, ...]:
    """What `blocks_to_json` made."""
    # Indexes from before places had words of their own end each row with the line; turns come last where there are any.
    return tuple(
        Block(
            kind,
            start,
            end,
            Locator(tuple(heading), page, label, line, *place[:2]),
            tuple(Turn(at, Locator(tuple(path), *rest)) for at, path, *rest in (place[2] if place[2:] else ())),
        )
        for kind, start, end, heading, page, label, line, *place in json.loads(rows)
    )


def passage_key(passage: Passage, text: str) -> bytes:
    """Equal for passages whose vectors are equal, given one maker: same context, same text, same sentences."""
    spans = ",".join(f"{s.start - passage.start}-{s.end - passage.start}" for s in passage.sentences)
    parts = (passage.context, spans, text[passage.start : passage.end])
    return hashlib.sha256("\0".join(parts).encode("utf-8")).digest()


def rows_seal(rows: Iterable[Sequence[str | int | bytes]]) -> str:
    """Stands for rows in this order."""
    return seal(*(seal(*row) for row in rows)).hex()


def passage_seal(rows: Iterable[Sequence[Any]]) -> bytes:
    """Stands for the passages of one document in order: context, spans, key, encoding by its checksum."""
    return seal(*(seal(context, spans, key, encoding[:16]) for context, spans, key, encoding in rows))


def checksum(key: bytes, encoding: bytes) -> bytes:
    """Stands for an encoding and the passage it is of; 16 bytes."""
    return hashlib.blake2b(key + encoding, digest_size=16).digest()


def packed(key: bytes, encoding: Encoding) -> bytes:
    """Checksum, number of sentences, tokens of each, vectors, codes."""
    parts = (
        len(encoding.vectors).to_bytes(8, "little"),
        np.ascontiguousarray(encoding.tokens, dtype="<i8").tobytes(),
        np.ascontiguousarray(encoding.vectors, dtype="<f4").tobytes(),
        np.ascontiguousarray(encoding.codes).tobytes(),
    )
    blob = b"".join(parts)
    return checksum(key, blob) + blob


def unpacked(key: bytes, blob: bytes, dimensions: int) -> Encoding:
    """What `packed` made. Raises ValueError when it is not that of this passage."""
    if checksum(key, blob[16:]) != blob[:16]:
        raise ValueError("an encoding is not the one that was stored")
    count = int.from_bytes(blob[16:24], "little")
    tokens = np.frombuffer(blob, dtype="<i8", offset=24, count=count)
    at = 24 + 8 * count
    vectors = np.frombuffer(blob, dtype="<f4", offset=at, count=count * dimensions).reshape(count, dimensions)
    codes = np.frombuffer(blob, dtype=np.uint8, offset=at + vectors.nbytes)
    return Encoding(vectors, tokens, codes.reshape(-1, -(-dimensions // 8)))
