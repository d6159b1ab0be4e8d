"""What of a damaged library can still be read and is what was stored, by its seals, whatever SQLite says of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa import imprint
from qa.database import FILE, readable, seal, seal_of
from qa.library import ABOUT, CONTENT, Library, Root
from qa.rows import checksum, passage_seal, rows_seal

NOTES = ("rules.", "place.")
"""How the names begin of what was noted of folders."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """How many documents were `saved`, where the files lie of those that are `hurt`, and how many more there were of
    which nothing is known (as far as is known). Without `roots` the folders of the index are unknown."""

    saved: int
    hurt: tuple[tuple[Root, str], ...]
    unknown: int
    roots: tuple[Root, ...]


def salvage(folder: Path, target: Path, progress: Callable[[int, int], None]) -> Salvage | None:
    """Make a new library in the folder `target` of what can be saved of that in `folder`, which is left as it is. None
    when not even what made its vectors can be read. `progress` is told documents done, and of how many."""
    file = folder / FILE
    try:
        stated = imprint.read(folder)
    except ValueError:
        stated = None
    values: dict[str, str] = dict(readable(file, "meta", "name, value"))
    if values.pop("seal", None) != (seal_of(values) if _are_text(values) else ""):
        values = dict(stated.values) if stated is not None else {}
    if not values:
        return None
    found = sorted(row for row in readable(file, "roots", "id, path, name") if _is_root(row))
    if rows_seal(found) != values["roots"]:
        found = list(stated.roots) if stated is not None else []
    roots = {number: Root(number, Path(path), name) for number, path, name in found}
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in readable(file, "passages", "document, ordinal, context, spans, key, encoding"):
        if tuple(map(type, row)) == (str, int, str, bytes, bytes, bytes):
            rows[row[0]].append(row[1:])
    count = int(values["documents"].split()[0])
    saved, hurt = set(), {}
    library = Library.create(
        target, Library.maker_of(values), commit=int(values["commit"]) + 1, forgotten=values.get("forgotten", "")
    )
    try:
        with library.writing():
            library.adopt_roots(roots.values(), {name: held for name, held in values.items() if name.startswith(NOTES)})
            for row in readable(file, "documents", f"{ABOUT}, {CONTENT}, source_seal"):
                about, content, mark = list(row[:10]), row[10:15], row[15]
                if not _fits(about, mark) or about[0] not in roots or about[2] in saved:
                    continue
                passages = [held for _, *held in sorted(rows[about[2]], key=lambda held: held[0])]
                if _fits([about[2], *content], about[8]) and _same(passages, about[9]):
                    library.adopt(about, content, [(c, s, k, e) for c, s, k, e in passages])
                    saved.add(about[2])
                else:
                    hurt[about[2]] = (roots[about[0]], about[1])
                progress(len(saved) + len(hurt), count)
        library.settle()
    finally:
        library.close()
    lost = tuple(place for name, place in hurt.items() if name not in saved)
    return Salvage(len(saved), lost, max(0, count - len(saved) - len(lost)), tuple(roots.values()))


def _fits(values: list[Any], mark: object) -> bool:
    return all(isinstance(value, (str, int, bytes)) for value in values) and seal(*values) == mark


def _same(passages: list[list[Any]], mark: bytes) -> bool:
    """Whether these are all passages of a document, in order, down to every byte of their encodings."""
    return passage_seal(passages) == mark and all(
        checksum(key, encoding[16:]) == encoding[:16] for _, _, key, encoding in passages
    )


def _are_text(values: dict[Any, Any]) -> bool:
    return all(isinstance(part, str) for pair in values.items() for part in pair)


def _is_root(row: tuple[Any, ...]) -> bool:
    return tuple(map(type, row)) == (int, str, str)
