"""What an index folder holds, but for what differs each time that it is written: two folders of one mark are alike to
whatever command comes next.

Of the library every row counts, as SQLite reads them with the log; of a snapshot its manifest and the names of its
files, whose bytes `health.verify` holds against it; of what a run left that was interrupted (.new-...), only that it is
there and whether it is empty, as nothing ever reads that.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from qa import database, imprint, lock, repair, snapshot

CHANCE = re.compile(
    r"[0-9a-f]{32}|(?<=\.new-)[a-z0-9_]{8}\b|(?<=\.part-)[a-z0-9_]{8}\b|(?<=\.tmp)\w{6}\b|\d{4}-\d\d-\d\d-\d{6}"
)
"""Names of segments and marks of births, those of temporary-file functions, and times of day."""


def plain(name: str) -> str:
    return CHANCE.sub("*", name)


def mark(index: Path) -> str:
    """Raises OSError where the folder may not be read."""
    # Libraries last: SQLite may take the log away when it closes one.
    paths = sorted(index.rglob("*"), key=lambda path: path.suffix == ".sqlite")
    held = {(_name(path.relative_to(index)), _content(path)) for path in paths}
    return hashlib.sha256(repr(sorted(held)).encode()).hexdigest()


def _name(path: Path) -> str:
    """Of all that lies in what a run left, that there is something."""
    left = next((at for at, part in enumerate(path.parts) if part.startswith(".new-")), len(path.parts))
    return plain("/".join((*path.parts[: left + 1], *("*" for _ in path.parts[left + 1 : left + 2]))))


def _content(path: Path) -> str:
    if path.is_dir() or any(part.startswith(".new-") for part in path.parts) or path.name == lock.FILE:
        return ""
    if path.parent.name.startswith((repair.ASIDE, database.REPAIRED)):  # not opened: a log may be left there
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if path.suffix == ".sqlite":
        return _rows(path)
    if path.name.endswith("-wal"):
        return str(bool(path.stat().st_size))
    if path.name == imprint.FILE:
        stated = json.loads(json.loads(path.read_bytes())["stated"])
        return repr((stated["commit"], stated["writes"], stated["roots"]))
    if path.name == snapshot.MANIFEST:
        said = {name: value for name, value in json.loads(path.read_bytes()).items() if name not in ("files", "seal")}
        return plain(json.dumps(said, sort_keys=True))
    return ""


def _rows(file: Path) -> str:
    """Of a library that SQLite cannot read, its bytes. It is read where it lies: what a failed sync left in the log
    counts to whoever opens it first, and not to those who had it open already."""
    held = hashlib.sha256()
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as opened:
            for name, sql in opened.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall():
                held.update(repr((name, sql)).encode())
                rows = opened.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()
                held.update(repr([row for row in map(_lasting, rows, [name] * len(rows)) if row]).encode())
    except sqlite3.Error:
        held.update(file.read_bytes())
    return held.hexdigest()


def _lasting(row: tuple[object, ...], table: str) -> tuple[object, ...]:
    """Without what chance or the clock has given it, and the seals over that."""
    if table == "meta":
        return () if row[0] in ("seal", "birth") else row
    return row[:5] if table == "stamps" else row
