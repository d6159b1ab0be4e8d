"""What a process that reads files of unknown origin may do: compute, for a while, in so much memory.

Two nets, one in Python, which holds everywhere and names what it stops, and one in the kernel (Landlock, Linux 5.13
and newer), which holds what libraries of C do as well. Neither lets a file be opened outside of the folders that
Python's own modules and the system's libraries lie in, anything be written, or another process or machine be reached.
Limits of memory hold on Linux; macOS takes them and does not keep to them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

# The program itself and its libraries; they are not counted as data.
_CODE_BYTES = 32 * 1024 * 1024
_MAX_OPEN_FILES = 64

_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/mime.types"),
)

# Audit events of Python (docs.python.org/3/library/audit_events.html) by the way they begin.
_REFUSED = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty."),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.kill", "os.setxattr", "os.utime", "os.chflags", "shutil.", "tempfile.", "sqlite3.", "signal."),
    *("urllib.", "http.", "ftplib.", "smtplib.", "poplib.", "imaplib.", "nntplib.", "telnetlib.", "webbrowser."),
)
_OPENING = frozenset({"open", "os.listdir", "os.scandir", "os.walk", "glob.glob", "pathlib.Path.glob"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def confine(max_memory_bytes: int) -> None:
    """Confine this process, for good. Raises PermissionError, from then on, for what it may not do."""
    os.chdir("/")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    # Not the size of the address space: pools of threads and allocators reserve far more of it than they ever use.
    _limit(resource.RLIMIT_DATA, max(0, max_memory_bytes - _CODE_BYTES))
    readable = _readable()
    _confine_by_kernel(readable)
    sys.addaudithook(_Watch(readable))


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (OSError, ValueError):
        if sys.platform == "linux":  # others do not know all of them
            raise


def _readable() -> tuple[Path, ...]:
    """The folders, and files, that may be read: real paths."""
    python: tuple[str | Path, ...] = (*sys.path, f"{sys.base_prefix}/lib", f"{sys.prefix}/lib", Path(__file__).parent)
    places = (Path(place).resolve() for place in (*python, *_SYSTEM))
    return tuple(dict.fromkeys(place for place in places if place.exists()))


class _Watch:
    """An audit hook that refuses what a parser has no need of."""

    def __init__(self, readable: tuple[Path, ...]) -> None:
        self._readable = readable
        self._is_readable = lru_cache(maxsize=1024)(self._lies_within)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _OPENING:
            place, *how = arguments
            is_writing = event == "open" and len(how) == 2 and isinstance(how[1], int) and how[1] & _WRITING
            if isinstance(place, int) and not is_writing:
                return
            if not is_writing and isinstance(place, (str, bytes)) and self._is_readable(os.fsdecode(place)):
                return
        elif not event.startswith(_REFUSED):
            return
        raise PermissionError(f"a process that reads files may not do this: {event}")

    def _lies_within(self, place: str) -> bool:
        real = Path(place).resolve()
        return any(real.is_relative_to(folder) for folder in self._readable)


# Linux, include/uapi/linux/landlock.h; the numbers of system calls are the same on all processors but Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights of files each version knows
_TCP_SINCE, _TCP_RIGHTS = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11  # signals, and sockets without a file
_NO_NEW_PRIVILEGES = 38  # include/uapi/linux/prctl.h


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _confine_by_kernel(readable: tuple[Path, ...]) -> bool:
    """Whether the kernel keeps this process to reading what is `readable`."""
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    rules = _Ruleset(
        files=(1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1,
        tcp=_TCP_RIGHTS if version >= _TCP_SINCE else 0,
        scopes=_SCOPES if version >= _SCOPES_SINCE else 0,
    )
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _TCP_SINCE else 8
    ruleset = system.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for place in readable:
            rights = _READ_FILE | _READ_DIR if place.is_dir() else _READ_FILE
            folder = os.open(place, getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
            try:
                system.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(rights, folder)), 0)
            finally:
                os.close(folder)
        system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(system.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
