"""What passes between a process that reads files and the one that started it: messages of JSON and bytes, and
documents, places and pictures checked on arrival, for a file may have taken over the process that read it.

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
from typing import IO, Any, TypeVar, get_args, get_origin, get_type_hints

from qa.formats.limits import Limits
from qa.records import BLOCK_KINDS, Document, Picture, Places

MAX_JSON_BYTES = 128 * 1024 * 1024
"""Twice what the blocks of the longest document take: 400,000 of them, of 50 characters each."""

MAX_PNG_BYTES = 16 * 1024 * 1024
"""More than 2,000 times 2,000 pixels take that are not packed at all."""

_MAX_SIDE_PIXELS = 2_000
_MAX_PAGES, _MAX_BOXES = 8, 20_000
_MAX_DOUBT_CHARS = 200
# The signature, then the first chunk, with width and height: W3C, Portable Network Graphics, 5.2 and 11.2.
_PNG = struct.Struct(">8s8sII")
_PNG_BEGINS = (b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\rIHDR")
_LENGTHS = struct.Struct(">QQ")
_UTF8_BYTES = 4

Found = TypeVar("Found", Document, Places, Picture)


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
    """What is said of a file: what was `found`, or else `what` is wrong and the `remedy`. `is_last`: the one who
    replies reads no more."""

    found: Document | Places | Picture | None
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
    """A reply as JSON, each record a list of its fields in order, and beside it the text of its document as UTF-8, or
    its picture."""
    if isinstance(reply.found, Document):
        text = reply.found.text.encode("utf-8")
        return _listed(replace(reply, found=replace(reply.found, text=""))), text
    if isinstance(reply.found, Picture):
        return _listed(replace(reply, found=replace(reply.found, png=b""))), reply.found.png
    return _listed(reply), b""


def _listed(value: Any) -> Any:
    if is_dataclass(value):
        return [_listed(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, bytes):
        return None
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def unpacked(said: Any, data: bytes, check: Callable[[Any, bytes], Found]) -> tuple[Reply, Found | None]:
    """What `packed` packed: the reply, and by itself what was found, if anything was. `check` makes the record of its
    JSON and of the data beside it: `document`, `places` or `picture`. Raises ValueError for what is no such reply."""
    if not isinstance(said, list) or not said:
        raise ValueError("no reply")
    reply: Reply = _fitted(Reply, [None, *said[1:]])
    if said[0] is not None:
        return reply, check(said[0], data)
    if not reply.what:
        raise ValueError("neither a document nor a reason")
    return reply, None


def document(said: Any, text: bytes, media_type: str, limits: Limits) -> Document:
    """A document of that type. Raises ValueError for other fields or types, blocks out of order or outside the text,
    kinds that are not known, text that cannot be stored, and more of them than the limits allow."""
    found: Document = _fitted(Document, said)
    document = replace(found, text=text.decode("utf-8"))
    if document.media_type != media_type:
        raise ValueError(f"a document of type {document.media_type!r}")
    if not 0 < len(document.blocks) <= limits.max_blocks or len(document.text) > limits.max_chars:
        raise ValueError(f"{len(document.blocks):,} blocks, {len(document.text):,} characters")
    at = 0
    for block in document.blocks:
        if block.kind not in BLOCK_KINDS or not at <= block.start < block.end <= len(document.text):
            raise ValueError(f"a block {block.kind!r} from {block.start} to {block.end}, after one that ends at {at}")
        turns = [block.start, *(turn.start for turn in block.turns), block.end]
        if turns != sorted(set(turns)):
            raise ValueError(f"turns of a block at {turns[1:-1]}, outside of it or out of order")
        at = block.end
    return document


def places(said: Any, _: bytes) -> Places:
    """Raises ValueError for places that are not on a page, pages out of order, or neither pages nor a doubt."""
    found: Places = _fitted(Places, said)
    if bool(found.pages) == bool(found.doubt) or len(found.doubt) > _MAX_DOUBT_CHARS:
        raise ValueError("no places, or both places and a doubt")
    numbers = [page.number for page in found.pages]
    if len(numbers) > _MAX_PAGES or 0 in numbers or numbers != sorted(set(numbers)):
        raise ValueError(f"boxes on the pages {numbers[:_MAX_PAGES]}")
    boxes = [box for page in found.pages for box in page.boxes]
    if len(boxes) > _MAX_BOXES or not all(page.boxes for page in found.pages):
        raise ValueError(f"{len(boxes):,} boxes")
    for box in boxes:
        if not (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1):
            raise ValueError(f"the box {box}")
    return found


def picture(said: Any, png: bytes) -> Picture:
    """Raises ValueError for what is no PNG of the size that is said, or a larger one than is drawn."""
    found: Picture = _fitted(Picture, said)
    begins = (*_PNG_BEGINS, found.width, found.height)
    if len(png) < _PNG.size or _PNG.unpack_from(png) != begins or len(png) > MAX_PNG_BYTES:
        raise ValueError(f"no picture of {found.width} times {found.height} pixels")
    if not (0 < found.width <= _MAX_SIDE_PIXELS and 0 < found.height <= _MAX_SIDE_PIXELS and found.pages):
        raise ValueError(f"a picture of {found.width} times {found.height} pixels, one of {found.pages} pages")
    return replace(found, png=png)


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
    if hint is bytes and value is None:
        return b""  # they come beside the JSON
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
