"""How fast the files of a folder are read, by format, and what part of indexing that is. A measurement, no test.

python tests/bench_reading.py FOLDER [--encode] [--ocr]
python tests/bench_reading.py --mutants 200
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mutants import read_mutants
from samples import SAMPLES

from qa import formats, models, passages, sentences
from qa.encoder import Encoder
from qa.errors import UnreadableFile
from qa.reading import Readers
from qa.records import Document
from qa.settings import settle


@dataclass
class Row:
    """What reading the files of one ending took; `seconds` is the time of one process that reads one after another."""

    files: int = 0
    named: int = 0
    size: int = 0
    pages: int = 0
    sentences: int = 0
    seconds: float = 0.0
    problems: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--encode", action="store_true", help="encode as well, and compare the times")
    parser.add_argument("--ocr", action="store_true")
    parser.add_argument("--mutants", type=int, default=0, metavar="N", help="read N mutants of a file of each format")
    given = parser.parse_args()
    if given.mutants:
        print_mutants(given.mutants)
    if given.folder:
        print_folder(given.folder, with_ocr=given.ocr, encode=given.encode)


def print_mutants(count: int) -> None:
    print(f"{'file':14s} {'read':>5s} {'named':>5s} {'costly':>6s} {'seconds':>8s} {'longest':>8s} {'peak MiB':>8s}")
    for sample in SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            tally = read_mutants(Path(folder), sample, count)
        print(
            f"{sample.name:14s} {tally.read:5d} {tally.named:5d} {len(tally.costly):6d} {tally.processor_seconds:8.1f} "
            f"{tally.longest_seconds:8.2f} {tally.peak_kib / 1024:8.0f}",
            flush=True,
        )
        for each in tally.costly:
            print(f"    {each}")


def print_folder(folder: Path, *, with_ocr: bool, encode: bool) -> None:
    limits = formats.with_ocr(formats.Limits()) if with_ocr else formats.Limits()
    rows: dict[str, Row] = defaultdict(Row)
    documents: list[Document] = []
    with Readers(limits) as readers:
        list(readers.read([("warm", Path(__file__), "")]))  # the process is there, and has its libraries
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            row = rows[path.suffix.lower()]
            row.files += 1
            began = time.perf_counter()
            ((_, found),) = readers.read([("", path, "")])
            row.seconds += time.perf_counter() - began
            if isinstance(found, UnreadableFile):
                row.named += 1
                continue
            document = found.document
            assert document is not None
            row.size += found.size
            row.pages += len({block.locator.page for block in document.blocks if block.locator.page is not None})
            row.problems += len(document.problems)
            row.sentences += sum(map(len, sentences.split(document)))
            documents.append(document)
    head = ("files", "named", "sentences", "seconds", "MB/s", "pages/s", "problems")
    print(f"{'ending':8s}" + "".join(f"{name:>10s}" for name in head))
    total = Row()
    for ending, row in sorted(rows.items()):
        print_row(ending, row)
        total = replace(total, **{name: getattr(total, name) + getattr(row, name) for name in Row.__dataclass_fields__})
    print_row("all", replace(total, pages=0))  # of most formats there are none
    if encode:
        print_shares(documents, total.seconds)


def print_row(name: str, row: Row) -> None:
    pages = f"{row.pages / row.seconds:10.0f}" if row.pages else f"{'-':>10s}"
    print(
        f"{name:8s}{row.files:10,}{row.named:10,}{row.sentences:10,}{row.seconds:10.2f}"
        f"{row.size / 1e6 / row.seconds:10.2f}{pages}{row.problems:10,}"
    )


def print_shares(documents: list[Document], reading: float) -> None:
    """Reading and cutting up against encoding, each on its own."""
    settings = settle({})
    encoder = Encoder(models.exported(settings.model, settings.model_cache), settings.threads)
    began = time.perf_counter()
    packed = [
        (passage, document.text)
        for document in documents
        for passage in passages.pack(document, sentences.split(document), encoder.count_tokens, encoder.window)
    ]
    cutting = time.perf_counter() - began
    began = time.perf_counter()
    for _ in encoder.encode_passages(packed):
        pass
    encoding = time.perf_counter() - began
    whole = reading + cutting + encoding
    print(f"\n{len(packed):,} passages; of {whole:.1f} s in all:")
    for name, seconds in (("reading", reading), ("cutting up", cutting), ("encoding", encoding)):
        print(f"  {name:10s} {seconds:8.1f} s  {seconds / whole:5.1%}")


if __name__ == "__main__":
    main()
