"""What was noted of folders and files when they were last looked over: what of them to index, and
how a file is told from a later one.

No answer depends on it, so that a change makes no new commit. It stands in the file of the library: what is about
folders in `meta`, stamps in a table that an index from before lacks until it is next written to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from qa.database import Database, seal
from qa.records import Rules, Stamp

_TABLE = """CREATE TABLE IF NOT EXISTS stamps (
    document TEXT PRIMARY KEY REFERENCES documents ON DELETE CASCADE, size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL, inode INTEGER NOT NULL, settled INTEGER NOT NULL,
    seal BLOB NOT NULL) STRICT"""

_MAX_INTEGER = 2**63
"""SQLite holds no number from here on; the inode numbers of some file systems go beyond."""


class Notes:
    """Roots go by their numbers, documents by their ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def noting(self) -> Iterator[None]:
        """One transaction for notes alone: all of it or nothing."""
        with self._database.writing(counted=False):
            yield

    def rules(self, root: int) -> Rules:
        """What of a root is indexed."""
        held = self._root_note(root, "rules")
        return Rules() if held is None else Rules(tuple(held[0]), tuple(held[1]), bool(held[2]))

    def set_rules(self, root: int, rules: Rules) -> None:
        """Inside `noting`, or a transaction of the library, only; so with all that sets."""
        self._database.set(f"rules.{root}", json.dumps((rules.include, rules.exclude, rules.hidden)))

    def place(self, root: int) -> tuple[int, int, bool] | None:
        """What tells the folder that was last found at a root from another one: the numbers of its device and of itself
        there, and whether the device is mounted at it. None before the first time."""
        held = self._root_note(root, "place")
        return None if held is None else (int(held[0]), int(held[1]), bool(held[2]))

    def set_place(self, root: int, device: int, inode: int, mounted: bool) -> None:
        """See `place`."""
        self._database.set(f"place.{root}", json.dumps((device, inode, mounted)))

    def forget(self, root: int) -> None:
        """Keep nothing of a root: another one can have its number."""
        for name in ("rules", "place"):
            self._database.set(f"{name}.{root}", "")

    def stamps(self, document: str = "") -> dict[str, Stamp]:
        """What tells the file of each document, or of one alone, from a later one. A document can be without; then its
        file must be read to tell."""
        if not self._are_there():
            return {}
        query = "SELECT document, size, modified_ns, changed_ns, inode, settled, seal FROM stamps"
        kinds = (str, int, int, int, int, int, bytes)
        if document:
            rows = self._database.rows(f"{query} WHERE document = ?", kinds, document)
        else:
            rows = self._database.rows(query, kinds)
        return {
            name: Stamp(size, modified_ns, changed_ns, inode, bool(settled))
            for name, size, modified_ns, changed_ns, inode, settled, mark in rows
            # One that was damaged costs no more than another reading of the file.
            if seal(name, size, modified_ns, changed_ns, inode, settled) == mark
        }

    def set_stamps(self, stamps: Iterable[tuple[str, Stamp]]) -> None:
        """See `stamps`. The documents must be in the library."""
        rows = []
        for name, stamp in stamps:
            numbers = (stamp.size, stamp.modified_ns, stamp.changed_ns, stamp.inode, int(stamp.settled))
            if all(-_MAX_INTEGER <= number < _MAX_INTEGER for number in numbers):
                rows.append((name, *numbers, seal(name, *numbers)))
        self._database.change(_TABLE)
        self._database.change("INSERT OR REPLACE INTO stamps VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _root_note(self, root: int, name: str) -> Any:
        held = self._database.values().get(f"{name}.{root}", "")
        return json.loads(held) if held else None

    def _are_there(self) -> bool:
        return bool(self._database.rows("SELECT 1 FROM sqlite_master WHERE name = 'stamps'", (int,)))
