"""One SQLite file that many read and one changes: its connection, its transactions, and what its errors mean.

What the file holds is the business of `library`; here it has a table `meta` of names and values, a format, a birth mark
and a commit number. SQLite notices little of what can befall a file, so what is stored carries seals: hashes that are
checked whenever it is read. `meta` has one over all of it.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qa import disk
from qa.errors import IndexBusy, IndexMissing, IndexUnusable, QAError, UsageError

FILE = "library.sqlite"

UNSEALED = "1"
"""The format from before `meta` had a seal."""

OLDER = (UNSEALED,)
"""Formats that `qa migrate` brings over."""

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"


REPAIRED = ".repaired"
"""The folder in which a repair makes the file that will take the place of a damaged one."""

PROBES = 2_000
"""Row numbers that are tried beyond the last that is found in a damaged table: a page holds fewer."""


class Database:
    """One open connection. Not to be shared between threads without a lock."""

    def __init__(self, folder: Path, number: int | None, *, write: bool) -> None:
        """See `open`, `create`."""
        self.folder = folder
        self._number = number
        self._write = write
        self._connect()

    @classmethod
    def create(cls, folder: Path, number: int, schema: str, values: Mapping[str, object]) -> Database:
        """A new file of format `number` with the tables of `schema` and `values` in `meta`, at commit 1, in `folder`,
        which is made if need be; it appears whole or not at all. Raises UsageError where that cannot be."""
        work = folder / f".new-{FILE}"
        rows = {"format": str(number), "birth": uuid.uuid4().hex, "commit": "1"}
        rows |= {name: str(value) for name, value in values.items()}
        rows["seal"] = seal_of(rows)
        try:
            disk.make(folder)
            for left in folder.glob(f"{work.name}*"):
                left.unlink()
            connection = sqlite3.connect(work, isolation_level=None)
            try:
                connection.executescript(f"PRAGMA journal_mode = MEMORY; BEGIN; {_META} {schema} COMMIT;")
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO meta VALUES (?, ?)", list(rows.items()))
                connection.execute("COMMIT")
                connection.execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()
            disk.place(work, folder / FILE)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"No index can be made in {folder} ({error}).",
                "Is the disk full or failing? Or name a folder that can be written.",
            ) from error
        return cls.open(folder, number, write=True)

    @classmethod
    def open(cls, folder: Path, number: int | None, *, write: bool = False) -> Database:
        """The file in `folder`. Raises IndexMissing when there is none, IndexUnusable when it is damaged or of a format
        other than `number` (None takes any), UsageError when it may not be read."""
        return cls(folder, number, write=write)

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> None:
        file = self.folder / FILE
        try:
            identity = _identity(file)
            readable = os.access(file, os.R_OK)
        except (FileNotFoundError, NotADirectoryError) as error:
            if (self.folder / REPAIRED / FILE).exists():
                raise IndexUnusable(
                    f"The repair of the index in {self.folder} was interrupted.",
                    f"Finish it: qa repair{flag(self.folder)}",
                ) from error
            raise IndexMissing(
                f"There is no index in {self.folder}.", f"Make one: qa index FOLDER{flag(self.folder)}"
            ) from error
        except PermissionError:
            readable = False
        except OSError as error:
            raise self._failed(error) from error
        if not readable:
            raise UsageError(f"The index in {self.folder} may not be read.", "Give yourself permission to read it.")
        try:
            self._connection, self._frozen = _connected(file, self._write)
            if self._write:
                self._connection.executescript(
                    # What is deleted is overwritten at once, for those who have something to hide.
                    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                )
            found = self.text("format")
            if self._number is None or found == str(self._number):
                _ = self.birth, int(self.text("commit"))
        except sqlite3.DatabaseError as error:
            raise self._meaning(error) from error
        except OSError as error:
            raise self._failed(error) from error
        except ValueError as error:
            raise self.damaged(f"{FILE} cannot be read ({error})") from error
        if self._number is not None and found != str(self._number):
            raise IndexUnusable(
                f"The index in {self.folder} has format {found}; this version reads format {self._number}.",
                f"Bring it over: qa migrate{flag(self.folder)}" if found in OLDER else anew(self.folder),
            )
        self._file = identity

    @contextmanager
    def writing(self, *, counted: bool = True) -> Iterator[None]:
        """One transaction: all of it and, if it is `counted`, a new commit number, or nothing. `writes` counts all."""
        self.change("BEGIN IMMEDIATE")
        try:
            yield
            self.set("writes", str(int(self.values().get("writes", 0)) + 1))
            if counted:
                self.set("commit", str(int(self.text("commit")) + 1))
            self.change("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def copy_to(self, folder: Path, progress: Callable[[int, int], None]) -> None:
        """Write the file as it stands, whoever changes it meanwhile, to another folder; it appears there whole or not
        at all. `progress` is told pages copied, and of how many. Inside `reading`."""
        work = folder / f".new-{FILE}"
        target = sqlite3.connect(work, isolation_level=None)
        try:
            self._connection.backup(
                target, pages=1024, progress=lambda status, left, total: progress(total - left, total)
            )
        except sqlite3.DatabaseError as error:
            raise self._meaning(error) from error
        finally:
            target.close()
        disk.place(work, folder / FILE)

    def faults(self) -> list[str]:
        """What SQLite itself finds wrong with the file: pages, trees, and keys that do not fit their rows."""
        try:
            found = self._connection.execute("PRAGMA integrity_check(10)").fetchall()
            found += self._connection.execute("PRAGMA foreign_key_check").fetchall()
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [" ".join(map(str, row)) for row in found if row != ("ok",)]

    def wipe(self) -> None:
        """Leave nothing in the file and its log but what is stored now, also after a loss of power: the file is written
        anew, and the log emptied into it. Raises IndexBusy while a reader needs the log as it is."""
        self.change("VACUUM")
        self.settle()
        disk.sync(self.folder / f"{FILE}-wal")  # SQLite does not wait for the log to be empty on the disk

    def settle(self) -> None:
        """Bring all that was committed from the log into the file, and empty the log. Raises IndexBusy while a reader
        needs the log as it is."""
        for busy, _, _ in self.rows("PRAGMA wal_checkpoint(TRUNCATE)", (int, int, int)):
            if busy:
                raise IndexBusy(
                    f"A program that reads the index in {self.folder} still needs what was there before.",
                    "Wait for its question to be answered, or end it, and run the command again.",
                )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One state of the library for all that is read inside, whoever writes meanwhile."""
        self._follow()
        self.change("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        # Over a damaged file the end of a transaction can fail too; what was noticed first says more.
        with suppress(sqlite3.DatabaseError):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _follow(self) -> None:
        """Connect anew when the file was exchanged for another, as when an index is deleted and built again. A
        connection that takes the file for unchangeable would not notice any change at all."""
        if self._connection.in_transaction:
            return
        try:
            now = _identity(self.folder / FILE)
        except OSError:
            now = None
        if now is None or now[:2] != self._file[:2] or (self._frozen and now != self._file):
            old = self._connection
            self._file = (0, 0)
            self._connect()
            old.close()

    @property
    def commit(self) -> int:
        """Number of the last transaction that changed the file; the first is 1."""
        self._follow()
        return int(self.text("commit"))

    @property
    def birth(self) -> str:
        """A mark that no other library has: what was derived from another one is told by it."""
        return self.text("birth")

    def values(self) -> dict[str, str]:
        """All of `meta` but its seal. Raises IndexUnusable when it is not what was stored."""
        found = dict(self.rows("SELECT name, value FROM meta", (str, str)))
        seal = found.pop("seal", None)
        if found.get("format") == UNSEALED and seal is None:
            return found
        if seal != seal_of(found):
            raise self.damaged(f"what {FILE} says about itself is not what was stored")
        return found

    def text(self, name: str) -> str:
        """A value of `meta`. Raises IndexUnusable when there is none."""
        found = self.values()
        if name not in found:
            raise self.damaged(f"{FILE} does not say its {name}")
        return found[name]

    def set(self, name: str, value: str) -> None:
        """Store a value in `meta`. Inside `writing` only."""
        found = self.values() | {name: value}
        rows = [(name, value), ("seal", seal_of(found))]
        self.change("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    @contextmanager
    def steady(self) -> Iterator[None]:
        """One state for all that is read inside, within a transaction that runs already or in one of its own."""
        if self._connection.in_transaction:
            yield
        else:
            with self.reading():
                yield

    def rows(self, query: str, kinds: tuple[type, ...], *values: Any) -> list[Any]:
        """All rows of a query, whose columns are of `kinds`: SQLite checks that when it writes, not when it reads."""
        try:
            rows = self._connection.execute(query, values).fetchall()
        except UnicodeEncodeError:
            return []  # what is no text is nowhere in the library
        except sqlite3.DatabaseError as error:
            raise self._meaning(error) from error
        if any(tuple(map(type, row)) != kinds for row in rows):
            raise self.damaged(f"{FILE} holds something where it does not belong")
        return rows

    def change(self, statement: str, rows: Sequence[Sequence[Any]] | None = None) -> None:
        """Run a statement once, or for each of `rows`."""
        try:
            if rows is None:
                self._connection.execute(statement)
            else:
                self._connection.executemany(statement, rows)
        except sqlite3.DatabaseError as error:
            raise self._meaning(error) from error

    def _meaning(self, error: sqlite3.DatabaseError) -> Exception:
        """What SQLite's error is to a user; itself where it is a mistake of ours."""
        extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
        code = extended & 0xFF
        if isinstance(error, sqlite3.ProgrammingError):
            return error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return IndexBusy(f"Another process is writing to the index in {self.folder}.", "Wait for it to end.")
        if code == sqlite3.SQLITE_FULL:
            return UsageError(
                f"The disk is full: the index in {self.folder} could not be written.",
                "Make room, then run the command again. What was committed is kept.",
            )
        # SQLite knows what the system said, and Python does not tell.
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            return UsageError(
                f"The index in {self.folder} cannot be opened or written ({error}).",
                "Is the disk full or failing, or the folder read-only?",
            )
        if code == sqlite3.SQLITE_IOERR and extended != sqlite3.SQLITE_IOERR_SHORT_READ:
            return self._failed(error)
        if code == sqlite3.SQLITE_CORRUPT:  # what SQLite also calls it when the disk fails to read a page
            try:
                with (self.folder / FILE).open("rb") as file:
                    while file.read(2**20):
                        pass
            except OSError as failure:
                return self._failed(failure)
        return self.damaged(f"{FILE} cannot be read ({error})")

    def _failed(self, error: Exception) -> QAError:
        return UsageError(
            f"The disk is full or failed while the index in {self.folder} was read or written ({error}).",
            "What was committed is kept. Make room or look after the disk, then run the command again.",
        )

    def damaged(self, what: str) -> QAError:
        return IndexUnusable(f"The index in {self.folder} is damaged: {what}.", anew(self.folder))


def readable(file: Path, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table that can still be read in a file that may be damaged, each once, by their numbers."""
    try:
        connection = _opened(f"file:{quote(os.fsencode(file.resolve()))}?mode=ro")
    except sqlite3.DatabaseError:
        return
    try:
        numbers: set[int] = set()
        for way in ("ASC", "DESC"):
            with suppress(sqlite3.DatabaseError):
                numbers.update(row[0] for row in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid {way}"))
        for number in range(1, max(numbers, default=0) + PROBES):
            try:
                yield from connection.execute(f"SELECT {columns} FROM {table} WHERE rowid = ?", (number,)).fetchall()
            except sqlite3.DatabaseError:
                continue
    finally:
        connection.close()


def _connected(file: Path, write: bool) -> tuple[sqlite3.Connection, bool]:
    """A connection; where SQLite can keep no log beside the file, because its folder is read-only or the disk full, one
    that takes the file for unchangeable, and then True."""
    address = f"file:{quote(os.fsencode(file.resolve()))}?mode={'rw' if write else 'ro'}"
    try:
        return _opened(address), False
    except sqlite3.OperationalError as error:
        is_without_room = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
        if write or (os.access(file.parent, os.W_OK) and not is_without_room):
            raise
        if _size(file.with_name(f"{file.name}-wal")):
            raise  # the log holds commits that the file does not
        return _opened(f"{address}&immutable=1"), True


def _opened(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _identity(file: Path) -> tuple[int, ...]:
    """Which file it is (two numbers), then how it stands."""
    stat = file.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, _size(file.with_name(f"{file.name}-wal"))


def _size(file: Path) -> int:
    """0 where there is no such file."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def seal_of(values: Mapping[str, str]) -> str:
    """Stands for all of `meta`."""
    return seal(*(part for name in sorted(values) for part in (name, values[name]))).hex()


def seal(*values: str | int | bytes) -> bytes:
    """Stands for values in this order; 32 bytes."""
    parts: list[bytes] = []
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode("utf-8")
        parts += (len(data).to_bytes(8, "little"), data)
    return hashlib.sha256(b"".join(parts)).digest()


def flag(folder: Path) -> str:
    return f" --index {shlex.quote(str(folder))}"


def anew(folder: Path) -> str:
    return (
        f"Mend it: qa repair{flag(folder)}. Or build it anew from the documents: delete the folder {folder}, then "
        f"qa index FOLDER{flag(folder)}"
    )
