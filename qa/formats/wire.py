"""What passes between a process that reads files and the one that started it: messages of JSON and bytes, and
documents checked on arrival, for a file may have taken over the process that read it.

A message is two lengths in bytes, as unsigned 64-bit numbers, most significant byte first; then that much JSON in
UTF-8; then that many other bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import IO, Any, get_args, get_origin, get_type_hints

from qa.formats.limits import Limits
from qa.records import BLOCK_KINDS, Document

MAX_JSON_BYTES = 128 * 1024 * 1024
"""Twice what the blocks of the longest document take: 400,000 of them, of 50 characters each."""

_LENGTHS = struct.Struct(">QQ")
_UTF8_BYTES = 4


def send(stream: IO[bytes], said: Any, data: bytes = b"") -> None:
    """Write a message. `said` is anything that JSON can hold. Raises ValueError when its JSON is too long."""
    line = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(line) > MAX_JSON_BYTES:
        raise ValueError(f"{len(line):,} bytes of JSON")
    stream.write(_LENGTHS.pack(len(line), len(data)))
    stream.write(line)
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], max_data_bytes: int) -> tuple[Any, bytes]:
    """The next message. Raises EOFError when the stream ends, within a message or before it, and ValueError when a
    message is longer than it may be, or no message."""
    said_bytes, data_bytes = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if said_bytes > MAX_JSON_BYTES or data_bytes > max_data_bytes:
        raise ValueError(f"a message of {said_bytes + data_bytes:,} bytes")
    line, data = _exactly(stream, said_bytes), _exactly(stream, data_bytes)
    try:
        return json.loads(line), data
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data):,} of {size:,} bytes")
    return data


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said of a file: the document, or else `what` is wrong and the `remedy`. `is_last`: the one who replies
    reads no more."""

    document: Document | None
    what: str = ""
    remedy: str = ""
    is_short_of_memory: bool = False
    is_last: bool = False


def page_of(said: Any) -> tuple[int, int] | None:
    """The number of the page that is being recognised and how many there are, if that is what was said."""
    if isinstance(said, list) and len(said) == 2 and all(type(number) is int and number > 0 for number in said):
        return said[0], said[1]
    return None


def packed(reply: Reply) -> tuple[Any, bytes]:
    """A reply as JSON, each record a list of its fields in order, and the text of its document as UTF-8."""
    if reply.document is None:
        return _listed(reply), b""
    text = reply.document.text.encode("utf-8")
    return _listed(replace(reply, document=replace(reply.document, text=""))), text


def _listed(value: Any) -> Any:
    if is_dataclass(value):
        return [_listed(getattr(value, field.name)) for field in fields(value)]
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def unpacked(said: Any, text: bytes, media_type: str, limits: Limits) -> Reply:
    """What `packed` packed, for a file of `media_type`. Raises ValueError for what is no reply to it within the
    limits: other fields or types, blocks out of order or outside the text, kinds that are not known, text that cannot
    be stored."""
    reply: Reply = _fitted(Reply, said)
    if reply.document is None:
        if not reply.what:
            raise ValueError("neither a document nor a reason")
        return reply
    document = replace(reply.document, text=text.decode("utf-8"))
    if document.media_type != media_type:
        raise ValueError(f"a document of type {document.media_type!r}")
    if not 0 < len(document.blocks) <= limits.max_blocks or len(document.text) > limits.max_chars:
        raise ValueError(f"{len(document.blocks):,} blocks, {len(document.text):,} characters")
    at = 0
    for block in document.blocks:
        if block.kind not in BLOCK_KINDS or not at <= block.start < block.end <= len(document.text):
            raise ValueError(f"a block {block.kind!r} from {block.start} to {block.end}, after one that ends at {at}")
        at = block.end
    return replace(reply, document=document)


def max_text_bytes(limits: Limits) -> int:
    """The most that the text of a document takes."""
    return _UTF8_BYTES * limits.max_chars


@cache
def _hints(record: type) -> tuple[Any, ...]:
    """The types of a record's fields, in order."""
    hints = get_type_hints(record)
    return tuple(hints[field.name] for field in fields(record))


def _fitted(hint: Any, value: Any) -> Any:
    """`value`, from JSON, as what `hint` stands for: a record, a number, a text, a flag, None, a tuple of one of them,
    or either of two. Raises ValueError when it is something else."""
    if type(value) is hint:
        if hint is str:
            value.encode("utf-8")  # half of a surrogate pair cannot be stored
        if hint is int and not 0 <= value < 2**63:
            raise ValueError(f"the number {value}")
        return value
    if isinstance(value, list) and isinstance(hint, type) and is_dataclass(hint):
        return _record(hint, value)
    origin = get_origin(hint)
    if isinstance(value, list) and origin is tuple:
        of, *_ = get_args(hint)
        return tuple(_fitted(of, item) for item in value)
    if origin is UnionType:
        if value is None and NoneType in get_args(hint):
            return None
        return _fitted(next(of for of in get_args(hint) if of is not NoneType), value)
    raise ValueError(f"{type(value).__name__} for {hint}")


def _record(make: Callable[..., Any], values: list[Any]) -> Any:
    hints = _hints(make)
    if len(values) != len(hints):
        raise ValueError(f"{len(values)} fields for {len(hints)}")
    return make(*map(_fitted, hints, values))
