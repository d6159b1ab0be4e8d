"""An index of an older format is brought over to this one: in one transaction, so it is wholly old or wholly new.

Nothing is read from the documents' files and nothing encoded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qa import imprint, lock
from qa.database import OLDER, Database, seal
from qa.library import FORMAT, Library
from qa.rows import Tally, checksum, passage_seal, rows_seal


def migrate(folder: Path, wait_s: float = 0.0) -> int:
    """The format that the index in `folder` had; it has that of this version now. Raises IndexBusy when another process
    writes to the index, IndexUnusable when it is damaged, or of a format that cannot be brought over."""
    Database.open(folder, None).close()  # where there is none, no folder is made for the lock
    with lock.writer(folder, "qa migrate", wait_s):
        database = Database.open(folder, None, write=True)
        try:
            found = database.text("format")
            if found in OLDER:
                imprint.drop(folder)
                with database.writing(counted=False):
                    _seal_everything(database)
                    database.set("format", str(FORMAT))
        finally:
            database.close()
        library = Library.open(folder, write=True)
        imprint.renew(library)
        library.close()
        return int(found)


def _seal_everything(database: Database) -> None:
    """From format 1, which had no seals over the list of documents, over passages, or over what it says of itself."""

    def check(whole: bool, what: str) -> None:
        if not whole:
            raise database.damaged(what)

    database.change("ALTER TABLE documents ADD COLUMN passage_seal BLOB NOT NULL DEFAULT x''")
    tally = Tally()
    for (identity,) in database.rows("SELECT id FROM documents", (str,)):
        about, content, marks = _document(database, identity)
        check(seal(*about) == marks[0], f"what is stored about document {identity} is not what was read")
        check(seal(*content) == marks[1], f"what is stored of document {identity} is not what was read")
        rows = database.rows(
            "SELECT id, context, spans, key, encoding FROM passages WHERE document = ? ORDER BY ordinal",
            (int, str, bytes, bytes, bytes),
            identity,
        )
        new = []
        for number, context, spans, key, encoding in rows:
            check(checksum(b"", encoding[16:]) == encoding[:16], "an encoding is not the one that was stored")
            new.append((context, spans, key, checksum(key, encoding[16:]) + encoding[16:], number))
        database.change("UPDATE passages SET encoding = ? WHERE id = ?", [(row[3], row[4]) for row in new])
        content_mark, passage_mark = seal(identity, *content), passage_seal(row[:4] for row in new)
        mark = seal(*about, content_mark, passage_mark)
        database.change(
            "UPDATE documents SET source_seal = ?, content_seal = ?, passage_seal = ? WHERE id = ?",
            [(mark, content_mark, passage_mark, identity)],
        )
        tally = tally.plus(mark)
    database.set("documents", str(tally))
    roots = database.rows("SELECT id, path, name FROM roots ORDER BY id", (int, str, str))
    database.set("roots", rows_seal(roots))
    for root, *_ in roots:
        query = "SELECT path, reason, remedy, kind FROM problems WHERE root = ? ORDER BY path"
        database.set(f"problems.{root}", rows_seal(database.rows(query, (str, str, str, str), root)))


def _document(database: Database, identity: str) -> tuple[list[Any], list[Any], list[bytes]]:
    """What is stored about a document, of it, and the seals over both."""
    row = database.rows(
        "SELECT root, path, id, title, media_type, sha256, size, modified_ns, text, blocks, problems, source_seal, "
        "content_seal FROM documents WHERE id = ?",
        (int, str, str, str, str, str, int, int, bytes, str, str, bytes, bytes),
        identity,
    )
    if len(row) != 1:
        raise database.damaged(f"document {identity} is listed, but not found")
    values = list(row[0])
    return values[:8], [values[8], values[3], values[4], *values[9:11]], values[11:]
