"""Files as a broken disk, a broken line or somebody with a bad idea leaves them, and what reading them costs."""

from __future__ import annotations

import contextlib
import random
import re
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

from formats_laws import assert_lawful
from samples import Sample

from qa.errors import UnreadableFile
from qa.formats import supported
from qa.reading import Readers

COSTLY = ("program that reads it", "took longer", "memory", "is no document")
"""What is said of a file that its reader did not outlive."""

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass
class Tally:
    """What became of the mutants of one file. `peak_kib` is the most memory that a process that reads had resident;
    0 where the system does not tell. `processor_seconds` are those of all processes that read, from their start;
    `longest_seconds` is the wall time from one outcome to the next."""

    read: int = 0
    named: int = 0
    costly: list[str] = field(default_factory=list)
    processor_seconds: float = 0.0
    longest_seconds: float = 0.0
    peak_kib: int = 0


def mutant(data: bytes, chance: random.Random) -> bytes:
    """The bytes cut, changed, blanked or repeated somewhere, or with the beginning of another type of file."""
    changed, place = bytearray(data), chance.randrange(len(data))
    how = chance.choice(["cut", "flip", "scatter", "blank", "repeat", "begin"])
    if how == "cut":
        del changed[place:]
    elif how == "flip":
        changed[place] ^= 1 << chance.randrange(8)
    elif how == "scatter":
        for _ in range(chance.randrange(1, 200)):
            changed[chance.randrange(len(data))] = chance.randrange(256)
    elif how == "blank":
        changed[place : place + 500] = bytes(len(changed[place : place + 500]))
    elif how == "repeat":
        changed[place:place] = changed[place : place + 1_000] * chance.randrange(1, 50)
    else:
        changed[:8] = chance.choice([b"PK\x03\x04\0\0\0\0", b"%PDF-1.7", bytes.fromhex("d0cf11e0a1b11ae1"), b"{\\rtf1"])
    return bytes(changed)


def read_mutants(folder: Path, sample: Sample, count: int) -> Tally:
    """Reads `count` mutants of a file, one in six of them under another ending, as indexing does."""
    chance = random.Random(sample.name)
    data, files = sample.make(), []
    for number in range(count):
        ending = chance.choice([Path(sample.name).suffix] * 5 + list(supported()))
        path = folder / f"{number}{ending}"
        path.write_bytes(mutant(data, chance))
        files.append((path.name, path, ""))
    tally = Tally()
    before, last = children_seconds(), time.monotonic()
    with Readers() as readers:
        for name, found in readers.read(files):
            tally.longest_seconds = max(tally.longest_seconds, time.monotonic() - last)
            last = time.monotonic()
            tally.peak_kib = max(
                tally.peak_kib, *(_peak_kib(child._process.pid) for child in set(readers._children)), 0
            )
            if isinstance(found, UnreadableFile):
                assert found.what and found.remedy, name
                tally.named += 1
                if any(words in found.what for words in COSTLY):
                    tally.costly.append(f"{name}: {found.what}")
            else:
                assert found.document is not None
                assert_lawful(found.document)
                tally.read += 1
    tally.processor_seconds = children_seconds() - before
    assert tally.read + tally.named == count
    return tally


def children_seconds() -> float:
    """The processor time of all processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_kib(process: int) -> int:
    with contextlib.suppress(OSError):
        if found := _PEAK.search(Path(f"/proc/{process}/status").read_text()):
            return int(found[1])
    return 0
