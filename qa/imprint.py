"""What the library's file was, byte for byte, when its last writer left it.

What is stored in it has seals of its own; but a file of SQLite also holds pages that are free, room between rows and
trees of keys, and what befalls those nothing else would tell. It also says once more what the library says of itself
and its folders, for when the file cannot be read. From an imprint that is older than what was written last nothing
follows: that writer was ended before it could make a new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from qa import disk
from qa.database import FILE as LIBRARY
from qa.database import seal
from qa.errors import IndexBusy
from qa.library import Library

FILE = "library.imprint"

CHUNK = 2**16
"""Bytes that have one hash: 32 bytes of every 64 KiB."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """Hashes of the file's chunks, made in a `way` of `disk`, after so many `writes`, at a commit; `values` is what the
    library said of itself, `roots` are its folders as (number, path, name)."""

    commit: int
    writes: int
    birth: str
    size: int
    chunks: tuple[str, ...]
    values: Mapping[str, str]
    roots: tuple[tuple[int, str, str], ...]
    way: str = disk.SHA256


def renew(library: Library) -> None:
    """Make the imprint of the library as it stands, if there is none of it as it is; for whoever has the right to
    write. While a reader keeps the log from being emptied, none is made."""
    with suppress(IndexBusy, ValueError):
        found = read(library.folder)
        if found is not None and (found.writes, found.birth) == (library.writes, library.birth):
            return
    with suppress(IndexBusy):
        library.settle()
        values = library.values()
        file = library.folder / LIBRARY
        roots = tuple((root.id, str(root.path), root.name) for root in library.roots())
        made = Imprint(
            commit=library.commit,
            writes=library.writes,
            birth=library.birth,
            size=file.stat().st_size,
            chunks=tuple(_hashes(file, disk.BLAKE3)),
            values=values,
            roots=roots,
            way=disk.BLAKE3,
        )
        stated = json.dumps(asdict(made), ensure_ascii=False)
        work = library.folder / f".new-{FILE}"
        with work.open("w", encoding="utf-8") as out:
            json.dump({"stated": stated, "seal": seal(stated).hex()}, out)
        disk.place(work, library.folder / FILE)


def drop(folder: Path) -> None:
    """Take the imprint away, before the library's file is changed without a commit that is counted."""
    (folder / FILE).unlink(missing_ok=True)
    disk.sync(folder)


def read(folder: Path) -> Imprint | None:
    """The imprint in an index folder; None when there is none. Raises ValueError when it is not what was written."""
    try:
        data = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(str(error)) from error
    try:
        held = json.loads(data)
        stated = held["stated"]
        # The bytes too: a space more or less would be read as the same.
        if seal(stated).hex() != held["seal"] or json.dumps(held).encode("utf-8") != data:
            raise ValueError("it does not fit its own seal")
        values = json.loads(stated)
        roots = tuple((int(number), str(path), str(name)) for number, path, name in values.pop("roots"))
        if values.setdefault("way", disk.SHA256) not in (disk.SHA256, disk.BLAKE3):
            raise ValueError(f"its hashes are of a kind that this version does not know, {values['way']}")
        return Imprint(roots=roots, **{**values, "chunks": tuple(values["chunks"])})
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it cannot be read ({error})") from error


def differences(found: Imprint, folder: Path) -> Iterator[tuple[int, int]]:
    """First byte and end of each stretch of the library's file that is not as it was, in whole chunks."""
    file = folder / LIBRARY
    hashes = list(_hashes(file, found.way))
    size = file.stat().st_size
    began = None
    for at in range(max(len(hashes), len(found.chunks)) + 1):
        now, then = (list_[at] if at < len(list_) else None for list_ in (hashes, found.chunks))
        if now != then and began is None:
            began = at
        elif now == then and began is not None:
            yield began * CHUNK, min(at * CHUNK, max(size, found.size))
            began = None


def _hashes(file: Path, way: str) -> Iterator[str]:
    """Of each chunk, in order. Two threads, as reading and hashing let others run."""
    size = file.stat().st_size
    stretch = max(CHUNK, size // 2 // CHUNK * CHUNK)

    def hashes(begin: int) -> list[str]:
        with file.open("rb") as data:
            data.seek(begin)
            left = range(begin, min(begin + stretch, size), CHUNK)
            return [disk.hashed(data.read(CHUNK), way) for _ in left]

    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(hashes, range(0, size, stretch)):
            yield from found
