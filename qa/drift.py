"""How far what lies in a folder has drifted from what the library holds of it, as far as that shows without reading."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from qa import folders, stamps
from qa.folders import Listing, Place
from qa.library import Library, Root, identity
from qa.records import Problem, Source, Stamp


@dataclass(frozen=True, slots=True)
class Drift:
    """Paths below a root, in the order of its listing. `new`: files that the library knows nothing of; `failed`: those
    that could not be read; `changed`: those that differ from what was read; `doubtful`: those of which only reading can
    tell; `gone`: documents whose file is no longer there. `same` counts the rest."""

    new: tuple[str, ...]
    failed: tuple[str, ...]
    changed: tuple[str, ...]
    doubtful: tuple[str, ...]
    gone: tuple[str, ...]
    same: int


@dataclass(frozen=True, slots=True)
class Look:
    """What is found at a root now, and what the library holds of it: documents and problems by path. `forgotten` files
    are there, and not in the listing, because they are not to be read again."""

    root: Root
    place: Place
    listing: Listing
    known: Mapping[str, Source]
    problems: Mapping[str, Problem]
    drift: Drift
    forgotten: tuple[str, ...] = ()


def look(library: Library, root: Root) -> Look | None:
    """None when the root is not there. No file is read but ignore files."""
    notes = library.notes
    place = folders.place(root.path)
    try:
        listing = folders.listing(root.path, library.folder, notes.rules(root.id))
    except OSError:
        return None
    then = notes.place(root.id)
    if place is None or folders.is_absent(place, Place(*then) if then else None, is_empty=not listing.files):
        return None
    gone = library.forgotten()
    forgotten = tuple(path for path in listing.files if identity(root, path) in gone) if gone else ()
    for path in forgotten:
        del listing.files[path]
    known = library.known(root)
    problems = {problem.path: problem for problem in library.problems_of(root)}
    return Look(root, place, listing, known, problems, of(listing, known, notes.stamps(), problems), forgotten)


def of(listed: Listing, known: Mapping[str, Source], held: Mapping[str, Stamp], failed: Collection[str]) -> Drift:
    """Of a root whose documents are `known` by path and told from later ones by the stamps `held` of their ids, and
    some of whose files `failed` to be read."""
    found: dict[str, list[str]] = {"": [], "changed": [], "same": [], "new": [], "failed": []}
    for path, stat in listed.files.items():
        source = known.get(path)
        if source is None:
            found["failed" if path in failed else "new"].append(path)
        else:
            verdict = stamps.compare(held.get(source.id), source.size, source.modified_ns, stat)
            found[verdict].append(path)
    gone = (path for path in known if path not in listed.files and not _is_below(path, listed.unlisted))
    return Drift(
        new=tuple(found["new"]),
        failed=tuple(found["failed"]),
        changed=tuple(found["changed"]),
        doubtful=tuple(found[""]),
        gone=tuple(gone),
        same=len(found["same"]),
    )


def _is_below(path: str, folders: Collection[str]) -> bool:
    """Whether a file lies in one of the folders, or is one of them; "" is the root."""
    return any(not folder or path == folder or path.startswith(f"{folder}/") for folder in folders)
