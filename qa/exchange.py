"""An index as lines of JSON and back: everything that was read and encoded, for other programs and other machines.

The first line says what made the index; then comes a line for each document, with its text, blocks and passages, and
one for each file that could not be read; the last has the number of documents and the sha256 of all lines before it.
Positions are code points. Vectors are base64 of little-endian float32, one row of `dimensions` numbers a sentence;
`tokens` counts the tokens of each sentence, `codes` is base64 of their signs, a bit each, `dimensions` bits a row.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qa import disk, imprint, indexing, lock, models
from qa.database import FILE
from qa.encoder import Encoder
from qa.errors import UsageError
from qa.library import Library, Maker, Read, Root, identity
from qa.records import Block, Document, Encoding, Locator, Passage, Problem, Rules, Source, Span, Turn
from qa.settings import Settings

VERSION = 1
"""Number of this form of lines. Another number is refused, naming both."""

WORK = ".import"
"""The folder in which an import makes a library, which is moved into its place when it is whole."""

Progress = Callable[[int, int], None]


def export(folder: Path, out: BinaryIO, *, vectors: bool = True, progress: Progress = lambda done, total: None) -> int:
    """Write the index in `folder`, as it is at one moment, to `out`; how many documents that are. Without `vectors`
    the import encodes the text again, perhaps with another model. Raises IndexUnusable when the index is damaged."""
    digest = hashlib.sha256()

    def put(value: dict[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n"
        digest.update(line)
        out.write(line)

    library = Library.open(folder)
    try:
        with library.reading():
            sources, roots = library.sources(), library.roots()
            head = {"qa": "index", "version": VERSION, "documents": len(sources), "vectors": vectors}
            folders = [
                {"path": str(root.path), "name": root.name, "rules": asdict(library.notes.rules(root.id))}
                for root in roots
            ]
            put({**head, "maker": asdict(library.maker), "roots": folders, "forgotten": sorted(library.forgotten())})
            done = 0
            for root in roots:
                for path, source in library.known(root).items():
                    put(_document(library, root, path, source, vectors))
                    done += 1
                    progress(done, len(sources))
                for problem in library.problems_of(root):
                    put({"root": root.name, "unread": asdict(problem)})
        put({"end": len(sources), "sha256": digest.hexdigest()})
        return len(sources)
    finally:
        library.close()


def _document(library: Library, root: Root, path: str, source: Source, vectors: bool) -> dict[str, Any]:
    document = library.document(source.id)
    passages = []
    for _, _, passage, encoding in library.passages([source.id]):
        row: dict[str, Any] = {
            "context": passage.context,
            "sentences": [[span.start, span.end] for span in passage.sentences],
        }
        if vectors:
            row["vectors"] = _base64(encoding.vectors.astype("<f4"))
            row["tokens"] = encoding.tokens.tolist()
            row["codes"] = _base64(encoding.codes)
        passages.append(row)
    about = asdict(source)
    del about["id"]
    return {
        "root": root.name,
        **about,
        "path": path,
        "text": document.text,
        "blocks": [asdict(block) for block in document.blocks],
        "problems": list(document.problems),
        "passages": passages,
    }


def import_(
    lines: BinaryIO,
    settings: Settings,
    *,
    announce: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda done, total: None,
    wait_s: float = 0.0,
) -> int:
    """Make the index in `settings.index` of what `export` wrote; how many documents there are. It must not be there
    yet. All of it or nothing: raises UsageError for lines that are not whole or not what was written, naming the line.
    """
    with lock.writer(settings.index, "qa import", wait_s):
        if (settings.index / FILE).exists():
            raise UsageError(f"There is an index in {settings.index} already.", "Name a new folder with --index.")
        work = settings.index / WORK
        shutil.rmtree(work, ignore_errors=True)
        try:
            done = _taken_in(lines, work, settings, announce, progress)
            disk.place(work / FILE, settings.index / FILE)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        library = Library.open(settings.index, write=True)
        try:
            indexing.derive(library, settings, announce)
            imprint.renew(library)
        finally:
            library.close()
        return done


def _taken_in(
    lines: BinaryIO, work: Path, settings: Settings, announce: Callable[[str], None], progress: Progress
) -> int:
    """Make a library in the folder `work`; how many documents it has."""
    digest = hashlib.sha256()
    number = done = 0
    end: dict[str, Any] | None = None
    with ExitStack() as held:
        encoder: Encoder | None = None
        roots: dict[str, Root] = {}
        unread: dict[str, list[Problem]] = {}
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                if end is not None:
                    raise ValueError("there is more after the end")
                if number == 1:
                    if row["qa"] != "index" or row["version"] != VERSION:
                        raise ValueError(f"an export of version {VERSION} begins otherwise")
                    maker = Maker(**row["maker"])
                    if not row["vectors"]:
                        encoder, maker = _encoder(maker, settings, announce)
                    library = Library.create(work, maker, forgotten=" ".join(map(str, row["forgotten"])))
                    held.callback(library.close)
                    held.callback(library.settle)
                    total = int(row["documents"])
                    held.enter_context(library.writing())
                    roots = {root["name"]: Root(i, Path(root["path"]), root["name"]) for i, root in _counted(row)}
                    library.adopt_roots(roots.values())
                    for position, root in _counted(row):
                        held_rules = root["rules"]
                        include, exclude = tuple(held_rules["include"]), tuple(held_rules["exclude"])
                        library.notes.set_rules(position, Rules(include, exclude, bool(held_rules["hidden"])))
                elif "end" in row:
                    end = row
                    if row != {"end": done, "sha256": digest.hexdigest()}:
                        raise ValueError("what comes before is not what was written")
                elif "unread" in row:
                    unread.setdefault(row["root"], []).append(Problem(**row["unread"]))
                else:
                    library.put(_read(row, roots[row["root"]], maker.dimensions, encoder))
                    done += 1
                    progress(done, total)
            except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
                raise UsageError(
                    f"Line {number:,} is not what `qa export` writes ({type(error).__name__}: {error}).",
                    "Is the file whole, and unchanged? Export again.",
                ) from error
            digest.update(line)
        if end is None:
            raise UsageError(f"The export ends after line {number:,}, before its end.", "Is the file whole?")
        for name, problems in unread.items():
            library.set_problems(roots[name], problems)
    return done


def _counted(head: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    return iter(enumerate(head["roots"], start=1))


def _encoder(maker: Maker, settings: Settings, announce: Callable[[str], None]) -> tuple[Encoder, Maker]:
    """What encodes anew, and what the maker is then."""
    model = models.exported(settings.model, settings.model_cache, fetch=settings.fetch_model, announce=announce)
    made = replace(maker, model=model.name, fingerprint=model.fingerprint, way=model.way, dimensions=model.dimensions)
    return Encoder(model, settings.threads), made


def _read(row: dict[str, Any], root: Root, dimensions: int, encoder: Encoder | None) -> Read:
    """A document of a line. Raises ValueError, KeyError or TypeError where it is none."""
    text = row["text"]
    blocks = tuple(
        Block(
            b["kind"],
            b["start"],
            b["end"],
            _locator(b["locator"]),
            tuple(Turn(turn["start"], _locator(turn["locator"])) for turn in b.get("turns", ())),
        )
        for b in row["blocks"]
    )
    if PurePosixPath(row["path"]).is_absolute() or ".." in PurePosixPath(row["path"]).parts:
        raise ValueError("a document lies outside of its folder")  # the page opens what lies there
    document = Document(text, row["title"], row["media_type"], blocks, tuple(row["problems"]))
    about = (row[name] for name in ("path", "title", "media_type", "sha256", "size", "modified_ns"))
    source = Source(identity(root, row["path"]), *about)
    passages = []
    for held in row["passages"]:
        spans = tuple(Span(int(start), int(end)) for start, end in held["sentences"])
        ends = [at for span in spans for at in (span.start, span.end)]
        if not spans or ends != sorted(ends) or ends[0] < 0 or ends[-1] > len(text):
            raise ValueError("sentences lie outside of the text")
        passages.append(Passage(spans[0].start, spans[-1].end, spans, held["context"], Locator()))
    if encoder is not None:
        encodings = list(encoder.encode_passages([(passage, text) for passage in passages]))
    else:
        encodings = [_encoding(held, dimensions) for held in row["passages"]]
    return Read(root, source, document, passages, encodings)


def _locator(held: dict[str, Any]) -> Locator:
    return Locator(**{**held, "heading": tuple(held["heading"])})


def _encoding(held: dict[str, Any], dimensions: int) -> Encoding:
    count = len(held["sentences"])
    tokens = np.array(held["tokens"], dtype=np.int64).reshape(count)
    vectors = np.frombuffer(base64.b64decode(held["vectors"], validate=True), dtype="<f4").reshape(count, dimensions)
    codes = np.frombuffer(base64.b64decode(held["codes"], validate=True), dtype=np.uint8)
    return Encoding(vectors, tokens, codes.reshape(int(tokens.sum()), -(-dimensions // 8)))


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
