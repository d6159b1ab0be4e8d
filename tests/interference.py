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
from collections.abc import Callable, Mapping
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

READS = {
    "read": 0,
    "open": 2,
    "pread64": 17,
    "readv": 19,
    "getdents64": 217,
    "openat": 257,
    "newfstatat": 262,
    "preadv": 295,
    "statx": 332,
}
"""Calls that read files and folders, or begin to."""

ROOMY = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate"}
    | {"open", "creat", "openat", "mkdir", "mkdirat", "link", "linkat", "symlink"}
)
"""Those that need room on the disk."""

BY_HANDLE = {
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "sendfile"), 0),
    **dict.fromkeys(("fsync", "fdatasync", "ftruncate", "fchmod", "fallocate"), 0),
    **dict.fromkeys(("read", "pread64", "readv", "preadv", "getdents64"), 0),
    "copy_file_range": 2,
}
"""Those that are given a file that is open, and at which place of their arguments."""

_TARGET_IS_SECOND = {"symlink"}
_OF_TWO = {"link", "linkat", "rename", "renameat", "renameat2"}
_RELATIVE = {"openat", "newfstatat", "statx", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "fchmodat"}

_CONT, _GETREGS, _SETREGS, _SYSCALL, _SEIZE = 7, 12, 13, 24, 0x4206
_TRACESYSGOOD, _TRACECLONE, _TRACESECCOMP, _EXITKILL = 1, 1 << 3, 1 << 7, 1 << 20
_RETURNED = signal.SIGTRAP | 0x80
_EVENT_SECCOMP = 7
_WALL = 0x40000000
"""Of linux/ptrace.h and linux/wait.h."""

_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_X86_64 = 0xC000003E
_LOAD, _EQUALS, _ANY_OF, _RETURN = 0x20, 0x15, 0x45, 0x06
"""Of linux/prctl.h, linux/seccomp.h, linux/audit.h and linux/bpf_common.h."""

_R10, _AX, _DX, _SI, _DI, _CALL = 7, 10, 12, 13, 14, 15
"""Places in user_regs_struct."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long] * 4
_libc.ptrace.restype = ctypes.c_long


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the system that a thread is about to make: its name, the file or folder that it concerns (of two names
    of a file the second is `target`), and its first four arguments."""

    name: str
    path: str
    pid: int
    thread: int = 0
    target: str = ""
    arguments: tuple[int, ...] = ()


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


def submit(calls: Mapping[str, int] | None = None) -> None:
    """Have this process, and threads that it starts, be stopped at these calls (CALLS or READS), or at every call."""
    steps: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, 4), (_EQUALS, 1, 0, _X86_64), (_RETURN, 0, 0, _ALLOW)]
    if calls is None:
        steps.append((_RETURN, 0, 0, _TRACE))
    else:
        steps.append((_LOAD, 0, 0, 0))
        for name, number in calls.items():
            flags = {"open": 24, "openat": 32}.get(name)
            if flags is None or calls is READS:
                steps += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, _TRACE)]
            else:
                steps += [(_EQUALS, 0, 4, number), (_LOAD, 0, 0, flags), (_ANY_OF, 0, 1, os.O_CREAT)]
                steps += [(_RETURN, 0, 0, _TRACE), (_RETURN, 0, 0, _ALLOW)]
        steps.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "calls cannot be filtered")


def attend(
    pid: int,
    begin: Callable[[], None],
    judge: Callable[[Call], Verdict],
    returned: Callable[[Call, int], None] | None = None,
) -> int:
    """Trace a child that waits for `begin`, and ask `judge` what becomes of each call that it was submitted for, until
    it ends; its exit code, as of subprocess. `returned` is told what each of them gave, before anything follows it in
    its thread."""
    _ask(_SEIZE, pid, 0, _TRACESYSGOOD | _TRACECLONE | _TRACESECCOMP | _EXITKILL)
    under_way: dict[int, Call] = {}
    begin()
    while True:
        thread, status = os.waitpid(-1, _WALL)
        if os.WIFSTOPPED(status):
            event, number = status >> 16, os.WSTOPSIG(status)
            request = _CONT
            if event == _EVENT_SECCOMP:
                call = _stopped(pid, thread, judge)
                if call is not None and returned is not None:
                    under_way[thread] = call
                    request = _SYSCALL
            elif number == _RETURNED and returned is not None and thread in under_way:
                registers = _registers(thread)
                if registers is not None:
                    returned(under_way.pop(thread), ctypes.c_long(registers[_AX]).value)
            _go_on(request, thread, 0 if event or number == _RETURNED else number)
        elif thread == pid:
            return os.waitstatus_to_exitcode(status)


def _registers(thread: int) -> ctypes.Array[ctypes.c_ulong] | None:
    """None of one that was ended meanwhile."""
    registers = (ctypes.c_ulong * 27)()
    try:
        _ask(_GETREGS, thread, 0, ctypes.addressof(registers))
    except ProcessLookupError:
        return None
    return registers


def _stopped(pid: int, thread: int, judge: Callable[[Call], Verdict]) -> Call | None:
    registers = _registers(thread)
    if registers is None:
        return None
    call = _call(pid, thread, registers)
    verdict = judge(call)
    if verdict is None:
        os.kill(pid, signal.SIGKILL)
    elif verdict:
        registers[_CALL] = -1 & (2**64 - 1)
        registers[_AX] = -verdict & (2**64 - 1)
        _ask(_SETREGS, thread, 0, ctypes.addressof(registers))
    return call


def _call(pid: int, thread: int, registers: ctypes.Array[ctypes.c_ulong]) -> Call:
    name = _NAMES.get(registers[_CALL], str(registers[_CALL]))
    given = tuple(registers[at] for at in (_DI, _SI, _DX, _R10))
    try:
        if name in BY_HANDLE:
            handle = given[BY_HANDLE[name]]
            return Call(name, str(Path(f"/proc/{pid}/fd/{handle}").readlink()), pid, thread, "", given)
        if name in _RELATIVE:
            target = _below(pid, given[2], given[3]) if name in _OF_TWO else ""
            return Call(name, _below(pid, given[0], given[1]), pid, thread, target, given)
        target = _text(pid, given[1]) if name in _OF_TWO else ""
        return Call(name, _text(pid, given[1 if name in _TARGET_IS_SECOND else 0]), pid, thread, target, given)
    except OSError:
        return Call(name, "", pid, thread, "", given)


def _below(pid: int, folder: int, address: int) -> str:
    """The path at an address, which begins in a folder by its handle."""
    handle = ctypes.c_int(folder).value
    base = Path("/" if handle < 0 else Path(f"/proc/{pid}/fd/{handle}").readlink())
    return str(base / _text(pid, address))


_NAMES = {number: name for name, number in (CALLS | READS).items()}


def _text(pid: int, address: int) -> str:
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        memory.seek(address)
        text = b""
        while b"\0" not in text:  # page by page, as the one after may not be there
            text += memory.read(4096 - (address + len(text)) % 4096)
        return os.fsdecode(text.split(b"\0")[0])


def _go_on(request: int, thread: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it was ended meanwhile
        _ask(request, thread, 0, number)


def _ask(request: int, thread: int, address: int, data: int) -> None:
    if _libc.ptrace(request, thread, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, errno.errorcode.get(number, ""))
