"""Whether an index is what was written: every byte of it, held against what was noted when it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from qa import imprint, lock, snapshot
from qa.database import FILE as LIBRARY
from qa.database import OLDER, Database, flag
from qa.errors import IndexUnusable, UsageError
from qa.library import Library


@dataclass(frozen=True, slots=True)
class Damage:
    """`what` is wrong with the file `where` (a path in the index folder). `document` is the id of the document that it
    concerns, if that is known."""

    where: str
    what: str
    document: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """What was found. `notes` are no damage: what cannot be told, and what lies about. `bytes` were read."""

    damages: tuple[Damage, ...]
    notes: tuple[str, ...]
    documents: int
    bytes: int


def verify(
    folder: Path, *, wait_s: float = 0.0, progress: Callable[[int, int], None] = lambda done, total: None
) -> Health:
    """Read all of the index in `folder`, and change nothing. No one may write to it meanwhile: raises IndexBusy when
    another process does. IndexMissing when there is no index. `progress` is told documents checked, and of how many."""
    check_place(folder)
    with ExitStack() as held:
        with suppress(UsageError):  # where nothing can be written, nobody writes
            held.enter_context(lock.writer(folder, "qa verify", wait_s))
        return inspect(folder, progress)


def check_place(folder: Path) -> None:
    """Raises IndexMissing when there is no index in a folder, IndexUnusable when it is of another format, or when its
    repair is to be finished; not when it is damaged."""
    if not (folder / LIBRARY).exists():
        Library.open(folder).close()  # tells what is missing
    try:
        database = Database.open(folder, None)
        found = database.text("format")
        database.close()
    except IndexUnusable:
        return
    if found in OLDER:
        Library.open(folder).close()  # tells what to do


def inspect(folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Health:
    """As `verify`, for whoever has the right to write."""
    damages: list[Damage] = []
    notes: list[str] = []
    documents = 0
    commit: int | None = None
    writes = 0
    try:
        found = imprint.read(folder)
    except ValueError as error:
        found = None
        damages.append(Damage(imprint.FILE, f"is not what was written: {error}"))
    else:
        if found is None:
            notes.append(f"There is no {imprint.FILE}: what of {LIBRARY} holds no document cannot be held to anything.")
    try:
        library = Library.open(folder)
    except (IndexUnusable, UsageError) as error:
        library = None
        damages.append(Damage(LIBRARY, error.what))
    if library is not None:
        try:
            writes, commit = library.writes, library.commit
            documents = len(library.sources())
        except IndexUnusable as error:
            damages.append(Damage(LIBRARY, error.what))
        for number, (document, what) in enumerate(library.faults()):
            if what:
                damages.append(Damage(LIBRARY, what, document))
            progress(min(number + 1, documents), documents)
        library.close()
    if found is not None:
        if commit is None or found.writes == writes:
            stretches = list(imprint.differences(found, folder))
            damages += [Damage(LIBRARY, f"is not what was written in bytes {a:,} to {b:,}") for a, b in stretches]
        elif found.writes > writes:
            damages.append(Damage(LIBRARY, f"has lost commits: it is at {commit}, and was at {found.commit} or later"))
        else:
            notes.append(f"{imprint.FILE} is older than {LIBRARY}: who wrote last was ended before it was done.")
    damages += _derived(folder, commit, notes)
    return Health(tuple(damages), tuple(notes), documents, sum(path.stat().st_size for path in _files(folder)))


def _derived(folder: Path, commit: int | None, notes: list[str]) -> Iterator[Damage]:
    shelf = folder / snapshot.FOLDER
    held = sorted(path.name for path in shelf.iterdir()) if shelf.is_dir() else []
    whole = 0
    for name in held:
        if not name.isdecimal() or (commit is not None and int(name) < commit):
            notes.append(f"{snapshot.FOLDER}/{name} is left over from a run that was interrupted.")
            continue
        for file, what in snapshot.faults(shelf / name):
            yield Damage(f"{snapshot.FOLDER}/{name}/{file}", what)
        if commit is not None and int(name) > commit:
            yield Damage(LIBRARY, f"has lost commits: it is at {commit}, {snapshot.FOLDER}/{name} is of a later one")
        whole += commit is not None and int(name) == commit
    if commit is not None and not whole:
        notes.append(f"The search index is not of the last commit: qa index{flag(folder)} makes it.")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
