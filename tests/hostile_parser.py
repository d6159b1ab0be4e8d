"""A parser for tests of the process that it runs in: it does what the file says, as a file that took it over would."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from qa.errors import UnreadableFile
from qa.formats import Limits, ocr
from qa.records import Block, Document, Locator, Picture

_LEFT_BEHIND: list[bytearray] = []


def parse(data: bytes, media_type: str, limits: Limits) -> Document:
    """The document that `data`, a command and its argument, asks for."""
    command, _, argument = data.decode("utf-8").strip().partition(" ")
    found = _COMMANDS[command](argument)
    if isinstance(found, Document):
        return found
    return _document(f"{command} {found}", media_type)


def _document(text: str, media_type: str = "text/plain", *blocks: Block) -> Document:
    return Document(text, "", media_type, blocks or (Block("paragraph", 0, len(text), Locator()),))


def _loop(_: str) -> None:
    while True:
        pass


def _sleep(seconds: str) -> None:
    time.sleep(float(seconds))


def _memory(_: str) -> None:
    held = []
    while True:
        held.append(bytearray(16 * 2**20))


def _leak(mebibytes: str) -> None:
    try:
        _LEFT_BEHIND.append(bytearray(int(mebibytes) * 2**20))
    except MemoryError as error:
        raise UnreadableFile("takes too much memory") from error


def _say(data: bytes) -> None:
    """Over everything that is open, at whichever end the one who waits listens."""
    for number in range(3, 10):
        with contextlib.suppress(OSError):
            os.write(number, data)


def _gigabytes(_: str) -> None:
    _say(struct.pack(">QQ", 10, 2**40))
    while True:
        _say(b"\xff" * 2**20)


def _nested(_: str) -> None:
    _say(struct.pack(">QQ", 1_000_000, 0) + b"[" * 50_000)
    while True:
        _say(b"[" * 50_000)


def _nonsense(_: str) -> None:
    _say(struct.pack(">QQ", 4, 0) + b"true")
    time.sleep(60)


def _pages(argument: str) -> str:
    """That so many pages are recognised, each in so many seconds."""
    count, seconds = argument.split()
    for number in range(1, int(count) + 1):
        ocr.tell(number, int(count))
        time.sleep(float(seconds))
    return "done"


def _prints(_: str) -> str:
    for _ in range(2_000):
        print("x" * 1_000)
        os.write(1, b"y" * 1_000)
        os.write(2, b"z" * 1_000)
    return "done"


LIES = {
    "beyond": _document("A text.", "text/plain", Block("paragraph", 0, 99)),
    "order": _document("A text.", "text/plain", Block("paragraph", 3, 5), Block("paragraph", 0, 2)),
    "empty": _document("A text.", "text/plain", Block("paragraph", 3, 3)),
    "kind": _document("A text.", "text/plain", Block("<script>", 0, 5)),
    "type": _document("A text.", "text/html"),
    "none": Document("A text.", "", "text/plain", ()),
    "number": _document("A text.", "text/plain", Block("paragraph", 0, 5, Locator(page=-1))),
    "page": _document("A text.", "text/plain", Block("paragraph", 0, 5, Locator(page="one"))),
}
"""Documents against the laws of documents, of one kind each."""


def _tried(attempt: Callable[[], object]) -> str:
    try:
        return f"did: {attempt()}"
    except Exception as error:
        return f"did not: {error}"


def _native_open(path: str) -> str:
    system = ctypes.CDLL(None, use_errno=True)
    number = system.open(path.encode(), os.O_RDONLY)
    return f"did: {os.read(number, 99)!r}" if number >= 0 else f"did not: {os.strerror(ctypes.get_errno())}"


def _native_connect(port: str) -> str:
    system = ctypes.CDLL(None, use_errno=True)
    number = system.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    address = struct.pack("=H", socket.AF_INET) + struct.pack(">H", int(port)) + bytes([127, 0, 0, 1]) + bytes(8)
    done = system.connect(number, address, len(address))
    return "did" if done == 0 else f"did not: {os.strerror(ctypes.get_errno())}"


_COMMANDS: dict[str, Callable[[str], object]] = {
    "text": lambda words: words,
    "loop": _loop,
    "sleep": _sleep,
    "memory": _memory,
    "leak": _leak,
    "gigabytes": _gigabytes,
    "nested": _nested,
    "nonsense": _nonsense,
    "pages": _pages,
    "prints": _prints,
    "lie": LIES.__getitem__,
    "segfault": lambda _: ctypes.string_at(0),
    "exit": lambda code: os._exit(int(code)),
    "killed": lambda _: ctypes.CDLL(None).kill(os.getpid(), 9),
    "raise": lambda _: sys.exit(3),
    "open": lambda path: _tried(lambda: Path(path).read_text()),
    "list": lambda path: _tried(lambda: list(Path(path).iterdir())),
    "write": lambda path: _tried(lambda: Path(path).write_text("x")),
    "delete": lambda path: _tried(lambda: Path(path).unlink()),
    "spawn": lambda _: _tried(lambda: subprocess.run(["/bin/true"], check=True)),
    "fork": lambda _: _tried(os.fork),
    "connect": lambda port: _tried(lambda: socket.create_connection(("127.0.0.1", int(port)), 2)),
    "look-up": lambda name: _tried(lambda: socket.getaddrinfo(name, 80)),
    "native-open": _native_open,
    "native-connect": _native_connect,
    "variable": lambda name: os.environ.get(name, "unset"),
}


def picture(data: bytes, number: int, limits: Limits) -> Document | Picture:
    """As `parse`, but for "draw", which gives a picture that it says is as wide as the argument."""
    command, _, argument = data.decode("utf-8").strip().partition(" ")
    return Picture(int(argument), 1, 1, PNG) if command == "draw" else parse(data, "text/plain", limits)


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f00010101001ab5b4c20000000049454e44ae426082"
)
"""One pixel."""

JOBS = {"parse": parse, "picture": picture}
