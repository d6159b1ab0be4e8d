"""Office files and e-books are ZIP packages of XML: opened only once they are known to be safe to unpack and parse."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

from qa.errors import UnreadableFile
from qa.formats.composing import plausible_title
from qa.formats.limits import Limits

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAX_PARTS = 20_000
_CHUNK = 1_048_576
_DUBLIN_CORE_TITLE = "http://purl.org/dc/elements/1.1/ title"
_ENTITIES = "defines XML entities, which no office program does"
_NOT_TRUSTED = "Do not trust this file."


def opened(
    data: bytes, name: str, limits: Limits, *, may_name_a_type: bool = False, is_streamed: bool = False
) -> zipfile.ZipFile:
    """The package that `data` is, once it is known that it unpacks to no more than the limits allow, needs no password
    and defines no XML entities; `name` is the format's for people. Older OpenDocument files and e-books may name a
    document type; nobody reads its definition. `is_streamed`: its markup is never held as a tree, and may be as large
    as a file. Raises UnreadableFile."""
    try:
        package = zipfile.ZipFile(io.BytesIO(data))
        if is_streamed:
            limits = replace(limits, max_markup_bytes=limits.max_file_bytes, max_tags=limits.max_file_bytes)
        _check(package, limits, may_name_a_type)
    except UnreadableFile:
        raise
    except Exception as error:  # zipfile raises eight kinds, zlib and struct more, for a file that was cut or altered
        raise UnreadableFile(f"is damaged: not a whole {name} file", "Copy it again, or save it anew.") from error
    return package


def repacked(package: zipfile.ZipFile, wanted: Callable[[str], bool]) -> bytes:
    """The package anew, not compressed, with the parts that are not wanted empty: for libraries that unpack by
    themselves, or hold all in memory. A part cannot be longer there than it was said to be here."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as copy:
        for name in dict.fromkeys(package.namelist()):
            copy.writestr(name, package.read(name) if wanted(name) else b"")
    return buffer.getvalue()


def tree(markup: bytes) -> _Element:
    """The root of an XML document, read without fetching anything and without putting in entities."""
    from lxml import etree

    return etree.fromstring(markup, parser())


def parser() -> object:
    """A parser of XML that fetches nothing, puts in no entities, and keeps lxml's bounds on depth and length."""
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )


def title(package: zipfile.ZipFile, part: str = "docProps/core.xml") -> str:
    """The title among the properties of the file, which stand in `part`; "" when there is none worth the name."""
    if part not in package.namelist():
        return ""
    inside = False
    found: list[str] = []

    def start(name: str, _: object) -> None:
        nonlocal inside
        inside = name == _DUBLIN_CORE_TITLE

    def end(_: str) -> None:
        nonlocal inside
        inside = False

    def text(data: str) -> None:
        if inside:
            found.append(data)

    reader = expat.ParserCreate(namespace_separator=" ")
    reader.StartElementHandler, reader.EndElementHandler, reader.CharacterDataHandler = start, end, text
    try:
        reader.Parse(package.read(part), True)
    except expat.ExpatError:
        return ""
    return plausible_title("".join(found))


def within(base: str, link: str) -> str:
    """The part of a package that a link in the part `base` leads to, "" when it leads out of the package."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(base), unquote(parts.path))).lstrip("/")


def _check(package: zipfile.ZipFile, limits: Limits, may_name_a_type: bool) -> None:
    """Raises UnreadableFile for a package that would not be safe to unpack and parse."""
    parts = package.infolist()
    if any(part.flag_bits & 1 for part in parts):
        raise UnreadableFile("is protected by a password", "Save a copy without one.")
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > limits.max_file_bytes:
        most = limits.max_file_bytes // 2**20
        raise UnreadableFile(f"unpacks to more than {most:,} MiB", "Is it what it says it is?")
    size = tags = 0
    for part in parts:
        with package.open(part) as file:
            chunk = file.read(_CHUNK)
            if not _begins_xml(chunk, may_name_a_type):
                continue
            size += part.file_size
            while chunk and size <= limits.max_markup_bytes and tags <= limits.max_tags:
                tags += chunk.count(b"<")
                chunk = file.read(_CHUNK)
    if size > limits.max_markup_bytes or tags > limits.max_tags:
        bounds = f"{limits.max_markup_bytes // 2**20:,} MiB or {limits.max_tags:,} tags"
        raise UnreadableFile(f"holds more markup than {bounds}", "Split it into smaller files.")


def _begins_xml(head: bytes, may_name_a_type: bool) -> bool:
    """Whether a part is XML. Raises UnreadableFile when it defines entities, which can grow without bound or point
    to other files; no office program writes such definitions."""

    def refuse(*_: object) -> None:
        raise UnreadableFile(_ENTITIES, _NOT_TRUSTED)

    reader = expat.ParserCreate()
    if may_name_a_type:
        reader.EntityDeclHandler = refuse
    else:
        reader.StartDoctypeDeclHandler = refuse
    try:
        reader.Parse(head, False)
    except expat.ExpatError:
        return False
    return True
