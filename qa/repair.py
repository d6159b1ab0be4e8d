"""A damaged index is mended: what can still be read and fits its seals is saved into a new one, the rest is read again.

The damaged files are kept in a folder beside, and the new library takes the old one's place by renaming. Whoever is
killed meanwhile leaves an index that is damaged as before, or one that says that its repair is to be finished.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from qa import disk, health, imprint, lock, salvage, snapshot
from qa.database import FILE, REPAIRED
from qa.library import Library, below

ASIDE = "damaged-"
"""How the names of folders begin in which a damaged library is put aside."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found and done. `aside` is where the damaged library lies, if that it was. `saved` documents were taken
    over whole; the files of `again` are to be read again, those of `gone` are not there any more, and of `unknown` many
    documents not even the name can be read. `empty`: nothing could be saved, and the folders are to be named anew."""

    damages: tuple[health.Damage, ...]
    aside: Path | None = None
    saved: int = 0
    again: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()
    unknown: int = 0
    empty: bool = False


def repair(
    folder: Path, *, wait_s: float = 0.0, progress: Callable[[int, int], None] = lambda done, total: None
) -> Repair:
    """Mend the index in `folder` as far as that goes without reading documents: a run of indexing is to follow, which
    reads again what is lost and makes the search index. What is whole is left alone.

    Raises IndexMissing when there is no index, IndexBusy when another process writes to it.
    """
    if not (folder / REPAIRED / FILE).exists():
        health.check_place(folder)
    with lock.writer(folder, "qa repair", wait_s):
        if not (folder / FILE).exists():
            _change_over(folder)
        shutil.rmtree(folder / REPAIRED, ignore_errors=True)  # what a repair left that was ended
        found = health.inspect(folder, progress)
        hurt = {damage.where.split("/")[0] for damage in found.damages}
        done = Repair(found.damages)
        if FILE in hurt:
            done = _mend(folder, done, progress)
        if hurt & {FILE, imprint.FILE}:
            (folder / imprint.FILE).unlink(missing_ok=True)
        if hurt & {FILE, snapshot.FOLDER}:
            shutil.rmtree(folder / snapshot.FOLDER, ignore_errors=True)
        if not done.empty:
            library = Library.open(folder, write=True)
            imprint.renew(library)
            library.close()
        return done


def _mend(folder: Path, done: Repair, progress: Callable[[int, int], None]) -> Repair:
    held = salvage.salvage(folder, folder / REPAIRED, progress)
    if held is None or not held.roots:
        shutil.rmtree(folder / REPAIRED, ignore_errors=True)
        return replace(done, aside=_put_aside(folder), empty=True)
    aside = _change_over(folder)
    files = tuple(below(root.path, path) for root, path in held.hurt)
    return replace(
        done,
        aside=aside,
        saved=held.saved,
        again=tuple(file for file in files if file.is_file()),
        gone=tuple(file for file in files if not file.is_file()),
        unknown=held.unknown,
    )


def _change_over(folder: Path) -> Path:
    """Put the repaired library, which is whole, in the place of the damaged one. May be begun again anywhere."""
    disk.sync(folder / REPAIRED / FILE)
    aside = _put_aside(folder)
    (folder / REPAIRED / FILE).replace(folder / FILE)
    disk.sync(folder)
    shutil.rmtree(folder / REPAIRED, ignore_errors=True)
    return aside


def _put_aside(folder: Path) -> Path:
    """The library first: without it, a log is never taken for that of another one."""
    base = f"{ASIDE}{time.strftime('%Y-%m-%d-%H%M%S')}"
    aside = next(place for n in range(1, 1000) if not (place := folder / (base if n == 1 else f"{base}-{n}")).exists())
    aside.mkdir()
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", imprint.FILE):
        if (folder / name).exists():
            (folder / name).replace(aside / name)
    disk.sync(aside)
    disk.sync(folder)
    return aside
