"""A disk that is all but full: what is derived makes way, and what is deleted needs as little room as can be."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from qa import snapshot
from qa.database import FILE
from qa.errors import IndexBusy, UsageError
from qa.library import Library
from qa.records import Source


def to_write(folder: Path) -> Library:
    """The library of an index, for whoever has the right to write. Where the disk is so full that SQLite cannot even
    begin a log, what is derived makes way. Raises as `Library.open`."""
    try:
        return Library.open(folder, write=True)
    except UsageError:
        if not make_room(folder):
            raise
        return Library.open(folder, write=True)


def make_room(folder: Path) -> bool:
    """Whether the disk is all but full, so that what is derived has made way. A deletion is written to the log first,
    which needs room too; what is derived is made again from what is left."""
    if shutil.disk_usage(folder).free >= (folder / FILE).stat().st_size:
        return False
    shutil.rmtree(folder / snapshot.FOLDER, ignore_errors=True)
    return True


def remove_singly(library: Library, sources: Iterable[Source]) -> None:
    """Take out documents in a commit each, so that the log never grows to more than one needs."""
    for source in sources:
        with library.writing():
            library.remove(source.id)
        settle(library)


def settle(library: Library) -> None:
    """Give the room of the log back, unless a reader needs it for a moment more."""
    with suppress(IndexBusy):
        library.settle()
