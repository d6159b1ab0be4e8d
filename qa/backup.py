"""A copy of an index, made while others read and write it, and checked byte by byte before it is said to be one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qa import disk, health, imprint, snapshot
from qa.errors import IndexUnusable, UsageError
from qa.library import Library


@dataclass(frozen=True, slots=True)
class Backup:
    """Where a copy lies, of which commit it is, and what it holds."""

    folder: Path
    commit: int
    documents: int
    bytes: int


def backup(folder: Path, target: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Backup:
    """Copy the index in `folder` as it is at one moment to the folder `target`, which must be empty or not be there.
    The copy is an index like any other. `progress` is told pages copied, and of how many.

    Raises UsageError where the copy cannot be, IndexUnusable when it is damaged because the index is.
    """
    library = Library.open(folder)
    try:
        if target.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{target} lies in the index itself.", "Name another folder, on another disk at best.")
        try:
            disk.make(target)
            if any(target.iterdir()):
                raise UsageError(f"There is something in {target} already.", "Name a new folder.")
            with library.reading():
                commit = library.commit
                library.copy_to(target, progress)
                derived = folder / snapshot.FOLDER / str(commit)
                with suppress(FileNotFoundError, shutil.Error):  # it is made again when needed
                    shutil.copytree(derived, target / snapshot.FOLDER / str(commit))
                    for path in (copied := target / snapshot.FOLDER, *copied.rglob("*")):
                        disk.sync(path)
        except OSError as error:
            raise UsageError(
                f"The copy in {target} cannot be written ({error.strerror or error}).", "Is the disk full?"
            ) from error
    finally:
        library.close()
    copy = Library.open(target, write=True)
    try:
        if any(snapshot.faults(target / snapshot.FOLDER / str(commit))):
            shutil.rmtree(target / snapshot.FOLDER, ignore_errors=True)
        imprint.renew(copy)
    finally:
        copy.close()
    found = health.verify(target)
    if found.damages:
        first = found.damages[0]
        raise IndexUnusable(
            f"The copy in {target} is damaged as the index is: {first.where}: {first.what}.",
            "See what else is: qa verify. Mend it: qa repair. Then make another copy.",
        )
    return Backup(target, commit, found.documents, found.bytes)
