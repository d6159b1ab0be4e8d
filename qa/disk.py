"""Files on the disk: what is in them, that they are there for good, and one under two names."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLAKE3, SHA256 = "blake3", "sha256"
"""How bytes are hashed. Over the 304 MB of an index of 100,000 sentences BLAKE3 takes .07 s of one core, reading
included, and SHA-256 .19 on a processor that has it built in; what was hashed by that before is still checked by it."""

READ_BYTES = 2**18
"""Read at once to be hashed: they stay in the processor's cache. Mapping the files instead takes .02 s more."""


def hashed(data: bytes, way: str = BLAKE3) -> str:
    """The hash of some bytes, in hexadecimal."""
    return str(_hasher(way, data).hexdigest())


def _hasher(way: str, data: bytes = b"") -> Any:
    if way == SHA256:
        return hashlib.sha256(data)
    from blake3 import blake3

    return blake3(data)


def whole(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether files have the hashes that they should have. Two threads, as hashing lets others run."""
    largest = sorted(files, key=lambda name: -(folder / name).stat().st_size)
    with ThreadPoolExecutor(2) as pool:
        return all(
            pool.map(
                lambda names: all(digest(folder / name) == files[name] for name in names), (largest[::2], largest[1::2])
            )
        )


def store(path: Path, array: NDArray[Any]) -> None:
    """Write an array as a file that `numpy.load` reads. Raises OSError where it cannot be written wholly, which
    `numpy.save` does not notice: it writes through C, and does not ask whether its buffer came to the disk."""
    form = np.lib.format
    whole = np.ascontiguousarray(array)
    with path.open("wb") as file:
        form.write_array_header_1_0(file, form.header_data_from_array_1_0(whole))
        file.write(whole.data)


def link(path: Path, target: Path) -> None:
    """One file under another name, unless it has it; a copy, on the disk, where there can be no such thing. Raises
    FileNotFoundError when the file is gone."""
    try:
        os.link(path, target)
    except FileExistsError:
        pass
    except FileNotFoundError:
        if target.parent.exists():
            raise
        target.parent.mkdir(parents=True, exist_ok=True)
        link(path, target)
    except OSError:
        shutil.copyfile(path, target)
        sync(target)


def make(folder: Path) -> None:
    """A folder with those above it, as far as they are not there, on the disk: a file of which each byte is synced is
    lost with a name above it that is not."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def place(work: Path, target: Path) -> None:
    """A file that was written under another name takes its own, for good, and not before all that is in it is on the
    disk."""
    sync(work)
    work.replace(target)
    sync(target.parent)


def share(paths: Iterable[Path], like: Path) -> None:
    """Let whoever may read the index folder read what temporary-file functions made for its owner alone."""
    mode = stat.S_IMODE(like.stat().st_mode)
    for path in paths:
        path.chmod(mode if path.is_dir() else mode & 0o666)


def files(folder: Path) -> Iterator[Path]:
    """All below a folder by path, but for locks."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(".lock"))


def digest(path: Path, way: str = BLAKE3) -> str:
    """The hash of what is in a file, in hexadecimal."""
    found = _hasher(way)
    room = memoryview(bytearray(READ_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(room):
            found.update(room[:count])
    return str(found.hexdigest())


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():  # names can be put into a folder whose list may not be read
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def name(path: Path, folder: Path) -> str:
    """A path below a folder, with "/" between its parts."""
    return path.relative_to(folder).as_posix()
