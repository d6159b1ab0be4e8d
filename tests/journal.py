"""What a process does to files, call by call, with every byte: enough to tell what a loss of power may leave of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import interference
from interference import Call

WRITES = frozenset({"write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range"})

Event = list[Any]
"""What was done, then on which file or folder, by path and number (of the inode), or by two paths, and how:

    ["make", path, number, is it emptied]    ["write", path, number, offset, place of the bytes, count]
    ["cut", path, number, size]              ["grow", path, number, size]
    ["folder", path]  ["unlink", path]       ["rename", path, target]  ["link", path, target]
    ["sync", path, number, events before it was asked for]
    ["say", text]
"""


@dataclass(slots=True)
class Journal:
    """Of calls that concern what lies `below` a path, the syncs of the folder that holds it, and what is said. The
    bytes that are written go to `data`. An event is put down when its call has returned; a sync covers those that were
    put down before it was called."""

    below: str
    data: BinaryIO
    events: list[Event] = field(default_factory=list)
    _began: dict[int, int] = field(default_factory=dict)

    def judge(self, call: Call) -> int:
        self._began[call.thread] = len(self.events)
        return 0

    def returned(self, call: Call, result: int) -> None:
        if result < 0:
            return
        if call.name in WRITES and call.arguments[0] in (1, 2):
            said = self._bytes(call, 1, result)[1]
            self.events.append(["say", said.decode("utf-8", "replace")])
        else:
            path, below = Path(call.path), Path(self.below)
            if below in (path, *path.parents) or (call.name == "fsync" and path == below.parent):
                self._put(call, result)

    def _put(self, call: Call, result: int) -> None:
        path, given = call.path, call.arguments
        number = self._number(call, result)
        if call.name in WRITES:
            offset, data = self._bytes(call, given[interference.BY_HANDLE[call.name]], result)
            self.events.append(["write", path, number, offset, self.data.tell(), len(data)])
            self.data.write(data)
        elif call.name in ("fsync", "fdatasync"):
            self.events.append(["sync", path, number, self._began[call.thread]])
        elif call.name in ("open", "openat"):
            flags = given[1 if call.name == "open" else 2]
            self.events.append(["make", path, number, bool(flags & os.O_TRUNC)])
        elif call.name == "ftruncate":
            self.events.append(["cut", path, number, given[1]])
        elif call.name == "fallocate":
            assert not given[1]
            self.events.append(["grow", path, number, given[2] + given[3]])
        elif call.name in ("mkdir", "mkdirat"):
            self.events.append(["folder", path])
        elif call.name in ("unlink", "unlinkat", "rmdir"):
            self.events.append(["unlink", path])
        elif call.name in ("rename", "renameat", "renameat2", "link", "linkat"):
            self.events.append([call.name.removesuffix("2").removesuffix("at"), path, call.target])
        else:
            assert call.name in ("chmod", "fchmod", "fchmodat"), call.name

    @staticmethod
    def _number(call: Call, result: int) -> int:
        if call.name in ("open", "openat"):
            handle = result
        elif call.name in interference.BY_HANDLE:
            handle = call.arguments[interference.BY_HANDLE[call.name]]
        else:
            return 0
        return Path(f"/proc/{call.pid}/fd/{handle}").stat().st_ino

    @staticmethod
    def _bytes(call: Call, handle: int, count: int) -> tuple[int, bytes]:
        """Where they were written, and which."""
        if call.name.startswith("pwrite"):
            offset = call.arguments[3]
        else:
            said = Path(f"/proc/{call.pid}/fdinfo/{handle}").read_text("ascii")
            offset = int(said.split()[1]) - count
        with Path(f"/proc/{call.pid}/fd/{handle}").open("rb", 0) as file:
            return offset, os.pread(file.fileno(), count, offset)


def recorded(below: Path, act: Callable[[], object]) -> tuple[list[Event], bytes]:
    """What `act` does in a process of its own, and the bytes that it writes. What it says goes to its stdout."""
    gate, go = os.pipe()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as data:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.close(go)
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                interference.submit(interference.CALLS)
                os.read(gate, 1)
                act()
                code = 0
            finally:
                os._exit(code)
        os.close(gate)
        journal = Journal(str(below), data)
        code = interference.attend(pid, lambda: os.close(go), journal.judge, journal.returned)
        said.seek(0)
        assert code == 0, said.read()
        data.seek(0)
        return journal.events, data.read()
