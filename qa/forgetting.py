"""A document is forgotten: none of its words is left in any byte of the index folder, and it does not come back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa import disk, imprint, indexing, lock, scarcity, snapshot
from qa.database import FILE as LIBRARY
from qa.database import REPAIRED
from qa.errors import UsageError
from qa.library import Library, Root, below, identity
from qa.repair import ASIDE
from qa.settings import Settings


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed: documents by path with their numbers of sentences; `files` of theirs that are still on disk;
    `aside`, folders of damaged indexes put aside earlier, which held their words as well."""

    documents: tuple[tuple[str, int], ...]
    files: tuple[Path, ...]
    aside: tuple[Path, ...]


def forget(
    names: Sequence[str], settings: Settings, *, announce: Callable[[str], None] = lambda _: None, wait_s: float = 0.0
) -> Forgotten:
    """Remove documents by their names (paths as indexed, or on disk; or folders of documents) from every byte of the
    index in `settings.index`; a later run of indexing leaves their files out. May be said again when interrupted.

    Raises UsageError when nothing of a name is known, or when the disk has no room for the library to be written anew,
    before anything is changed; IndexBusy when another process writes to the index or reads what is to go.
    """
    Library.open(settings.index).close()
    with lock.writer(settings.index, "qa forget", wait_s):
        meant = _all_meant(names, settings.index)
        _check_room(settings.index)
        library = scarcity.to_write(settings.index)
        try:
            counts = {known.id: library.sentences(known.id) for known in library.sources()}
            documents = [(path, counts.get(identity(root, below_root), 0)) for root, below_root, path in meant]
            scarcity.make_room(settings.index)
            with library.writing():
                for root, path, _ in meant:
                    library.forget(root, path)
                for root in {root for root, path, _ in meant if path == root.name and root.path.is_file()}:
                    library.drop_root(root)
            aside = _aside(settings.index)
            for folder in (settings.index / snapshot.FOLDER, settings.index / REPAIRED, *aside):
                if folder.exists():
                    shutil.rmtree(folder)
            for left in settings.index.glob(".new-*"):
                left.unlink()
            imprint.drop(settings.index)
            library.wipe()
            indexing.derive(library, settings, announce)
            imprint.renew(library)
        finally:
            library.close()
    files = tuple(below(root.path, path) for root, path, _ in meant)
    return Forgotten(tuple(documents), tuple(file for file in files if file.is_file()), aside)


def _aside(index: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in index.glob(f"{ASIDE}*") if path.is_dir()))


def _check_room(index: Path) -> None:
    """Raises UsageError unless the library can be written anew: once to its log, and before that to a file of SQLite's
    where temporary files lie. What is derived, and what was put aside, goes first and gives room."""
    going = (index / snapshot.FOLDER, index / REPAIRED, *_aside(index))
    files = {stat.st_ino: stat.st_blocks for folder in going for path in disk.files(folder) for stat in (path.stat(),)}
    room = shutil.disk_usage(index).free + 512 * sum(files.values())
    is_one_disk = Path(tempfile.gettempdir()).stat().st_dev == index.stat().st_dev
    needed = (index / LIBRARY).stat().st_size * (2 if is_one_disk else 1)
    if room < needed:
        raise UsageError(
            f"The disk is full: to forget, the library in {index} is written anew, which needs {needed - room:,} bytes "
            "more than there are. Nothing was changed.",
            "Make room, then run the command again.",
        )


def remember(names: Sequence[str], settings: Settings, *, wait_s: float = 0.0) -> tuple[str, ...]:
    """Let what was forgotten by these names be indexed again, when its files are; their paths. Raises UsageError when
    nothing of a name was forgotten."""
    Library.open(settings.index).close()
    with lock.writer(settings.index, "qa forget --undo", wait_s):
        library = Library.open(settings.index, write=True)
        try:
            gone, meant = library.forgotten(), []
            for name in names:
                found = [(root, path) for root, path, _ in _meant(library, name) if identity(root, path) in gone]
                if not found:
                    raise UsageError(f"Nothing called {name} was forgotten.", "Name it by its path on disk.")
                meant += found
            with library.writing():
                for root, path in meant:
                    library.remember(root, path)
            return tuple(path for _, path in meant)
        finally:
            library.close()


def _all_meant(names: Sequence[str], index: Path) -> list[tuple[Root, str, str]]:
    """As `_meant`, of all names. Raises UsageError for one that means nothing."""
    library = Library.open(index)
    try:
        meant: list[tuple[Root, str, str]] = []
        for name in names:
            found = list(_meant(library, name))
            if not found:
                raise UsageError(
                    f"Nothing in the index in {index} is called {name}, or was forgotten by that name.",
                    "Name a document, or a folder of some, as citations do, or by its path on disk.",
                )
            meant += [one for one in found if one not in meant]
        return meant
    finally:
        library.close()


def _meant(library: Library, name: str) -> Iterator[tuple[Root, str, str]]:
    """Root, path below it and path as shown of all that a name means: documents, files that could not be read, and
    what was forgotten already."""
    roots, gone = library.roots(), library.forgotten()
    place = Path(name).absolute()
    for root in roots:
        known = {*library.known(root), *(problem.path for problem in library.problems_of(root))}
        for path in sorted(known):
            shown = path if len(roots) == 1 else f"{root.name}/{path}"
            file = below(root.path, path)
            inside = place in (file, *file.parents) and place.is_relative_to(root.path)
            if name and (inside or _within(name, shown) or name == identity(root, path)):
                yield root, path, shown
        for path in _places(root, name, place) - known:
            if identity(root, path) in gone:
                yield root, path, path if len(roots) == 1 else f"{root.name}/{path}"


def _within(name: str, path: str) -> bool:
    return path == name or path.startswith(f"{name.rstrip('/')}/")


def _places(root: Root, name: str, place: Path) -> set[str]:
    """What a name can mean below a root of which nothing is stored."""
    found = {name, name.removeprefix(f"{root.name}/")}
    if place.is_relative_to(root.path):
        found.add(root.name if place == root.path else place.relative_to(root.path).as_posix())
    return found
