"""A process forked off is stopped at its calls to the system, and ended at one of them, or told that it failed.

As strace does it (ptrace, over a filter of seccomp), but for a process that has its libraries loaded already, which
takes a tenth of a second where a new one takes seconds, and with calls counted over all of its threads: SQLite, FAISS
and tantivy write from C and Rust, and tantivy from threads of its own. Linux on x86-64 alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CALLS = {
    "write": 1,
    "open": 2,
    "pwrite64": 18,
    "writev": 20,
    "msync": 26,
    "sendfile": 40,
    "fsync": 74,
    "fdatasync": 75,
    "truncate": 76,
    "ftruncate": 77,
    "rename": 82,
    "mkdir": 83,
    "rmdir": 84,
    "creat": 85,
    "link": 86,
    "unlink": 87,
    "symlink": 88,
    "chmod": 90,
    "fchmod": 91,
    "openat": 257,
    "mkdirat": 258,
    "unlinkat": 263,
    "renameat": 264,
    "linkat": 265,
    "fchmodat": 268,
    "fallocate": 285,
    "pwritev": 296,
    "renameat2": 316,
    "copy_file_range": 326,
}
"""Calls that change files or make changes durable, by their numbers on x86-64; "open" and "openat" where they make a
file."""

ROOMY = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate"}
    | {"open", "creat", "openat", "mkdir", "mkdirat", "link", "linkat", "symlink"}
)
"""Those that need room on the disk."""

_BY_HANDLE = {"write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "fchmod", "fallocate"}
_TARGET_IS_SECOND = {"link", "symlink"}
_RELATIVE = {"openat", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "fchmodat"}

_CONT, _GETREGS, _SETREGS, _SEIZE = 7, 12, 13, 0x4206
_TRACECLONE, _TRACESECCOMP, _EXITKILL = 1 << 3, 1 << 7, 1 << 20
_EVENT_SECCOMP = 7
_WALL = 0x40000000
"""Of linux/ptrace.h and linux/wait.h."""

_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_X86_64 = 0xC000003E
_LOAD, _EQUALS, _ANY_OF, _RETURN = 0x20, 0x15, 0x45, 0x06
"""Of linux/prctl.h, linux/seccomp.h, linux/audit.h and linux/bpf_common.h."""

_AX, _DX, _SI, _DI, _CALL = 10, 12, 13, 14, 15
"""Places in user_regs_struct."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long] * 4
_libc.ptrace.restype = ctypes.c_long


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the system that a thread is about to make: its name and the file or folder that it concerns."""

    name: str
    path: str
    pid: int


Verdict = int | None
"""What becomes of a call: 0 lets it be, an `errno` fails it with that, None ends the process before it."""


def lacking() -> str:
    """Why processes cannot be interfered with here; "" where they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "needs Linux on x86-64"
    pid = os.fork()
    if not pid:
        signal.pause()
    try:
        if _libc.ptrace(_SEIZE, pid, 0, _EXITKILL):
            return f"needs the right to trace a child process: {os.strerror(ctypes.get_errno())}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return ""


def submit(calls: Iterable[str] | None = None) -> None:
    """Have this process, and threads that it starts, be stopped at calls of these names, or at every call."""
    steps: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, 4), (_EQUALS, 1, 0, _X86_64), (_RETURN, 0, 0, _ALLOW)]
    if calls is None:
        steps.append((_RETURN, 0, 0, _TRACE))
    else:
        steps.append((_LOAD, 0, 0, 0))
        for name in calls:
            flags = {"open": 24, "openat": 32}.get(name)
            if flags is None:
                steps += [(_EQUALS, 0, 1, CALLS[name]), (_RETURN, 0, 0, _TRACE)]
            else:
                steps += [(_EQUALS, 0, 4, CALLS[name]), (_LOAD, 0, 0, flags), (_ANY_OF, 0, 1, os.O_CREAT)]
                steps += [(_RETURN, 0, 0, _TRACE), (_RETURN, 0, 0, _ALLOW)]
        steps.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "calls cannot be filtered")


def attend(pid: int, begin: Callable[[], None], judge: Callable[[Call], Verdict]) -> int:
    """Trace a child that waits for `begin`, and ask `judge` what becomes of each call that it was submitted for, until
    it ends; its exit code, as of subprocess."""
    _ask(_SEIZE, pid, 0, _TRACECLONE | _TRACESECCOMP | _EXITKILL)
    begin()
    while True:
        thread, status = os.waitpid(-1, _WALL)
        if os.WIFSTOPPED(status):
            event, number = status >> 16, os.WSTOPSIG(status)
            if event == _EVENT_SECCOMP:
                _stopped(pid, thread, judge)
            _go_on(thread, 0 if event else number)
        elif thread == pid:
            return os.waitstatus_to_exitcode(status)


def _stopped(pid: int, thread: int, judge: Callable[[Call], Verdict]) -> None:
    registers = (ctypes.c_ulong * 27)()
    try:
        _ask(_GETREGS, thread, 0, ctypes.addressof(registers))
    except ProcessLookupError:
        return
    verdict = judge(_call(pid, registers))
    if verdict is None:
        os.kill(pid, signal.SIGKILL)
    elif verdict:
        registers[_CALL] = -1 & (2**64 - 1)
        registers[_AX] = -verdict & (2**64 - 1)
        _ask(_SETREGS, thread, 0, ctypes.addressof(registers))


def _call(pid: int, registers: ctypes.Array[ctypes.c_ulong]) -> Call:
    name = _NAMES.get(registers[_CALL], str(registers[_CALL]))
    try:
        if name in _BY_HANDLE:
            return Call(name, str(Path(f"/proc/{pid}/fd/{registers[_DI]}").readlink()), pid)
        if name in _RELATIVE:
            path = _text(pid, registers[_SI])
            folder = ctypes.c_int(registers[_DI]).value
            base = Path("/" if folder < 0 else Path(f"/proc/{pid}/fd/{folder}").readlink())
            return Call(name, str(base / path), pid)
        return Call(name, _text(pid, registers[_SI if name in _TARGET_IS_SECOND else _DI]), pid)
    except OSError:
        return Call(name, "", pid)


_NAMES = {number: name for name, number in CALLS.items()}


def _text(pid: int, address: int) -> str:
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        memory.seek(address)
        return os.fsdecode(memory.read(4096 - address % 4096).split(b"\0")[0])


def _go_on(thread: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it was ended meanwhile
        _ask(_CONT, thread, 0, number)


def _ask(request: int, thread: int, address: int, data: int) -> None:
    if _libc.ptrace(request, thread, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, errno.errorcode.get(number, ""))
