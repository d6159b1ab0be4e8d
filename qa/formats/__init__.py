"""A file becomes a Document. One module per family of formats, one table from media type to reading function.

A new format is one new module with a function `read(data, limits) -> Document`, and one line in FORMATS.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from types import MappingProxyType

from qa.errors import UnreadableFile, UnsupportedFile
from qa.formats import (
    asciidoc,
    code,
    docx,
    epub,
    html,
    latex,
    mail,
    markdown,
    notebook,
    ocr,
    olddoc,
    oldslides,
    opendocument,
    outlook,
    pdf,
    pdf_pictures,
    pdf_places,
    pictures,
    rst,
    rtf,
    separated,
    sheets,
    slides,
    subtitles,
    text,
    values,
    xmlfile,
)
from qa.formats.composing import check_size, out_of_memory, without_surrogates
from qa.formats.limits import Limits
from qa.formats.ocr import is_waiting, with_ocr
from qa.records import Document, Picture, Places

__all__ = [
    "FORMATS",
    "JOBS",
    "READERS",
    "Format",
    "Limits",
    "has_type",
    "is_waiting",
    "load",
    "media_type",
    "parse",
    "picture",
    "places",
    "supported",
    "type_of",
    "with_ocr",
]

Reader = Callable[[bytes, Limits], Document]


@dataclass(frozen=True, slots=True)
class Format:
    """A family of files: its name for people, its media type, the file endings it goes by (lower case, with the
    point), the function that reads it, and the bytes it begins with where it has such."""

    name: str
    media_type: str
    endings: tuple[str, ...]
    read: Reader
    signature: bytes = b""


_OLD_OFFICE = bytes.fromhex("d0cf11e0a1b11ae1")
_RICH_TEXT = b"{\\rtf"
_ZIP = b"PK\x03\x04"

FORMATS = (
    Format("text", text.MEDIA_TYPE, (".txt", ".text", ".log"), text.read),
    Format("Markdown", markdown.MEDIA_TYPE, (".md", ".markdown"), markdown.read),
    Format("HTML", html.MEDIA_TYPE, (".html", ".htm", ".xhtml"), html.read),
    Format("PDF", pdf.MEDIA_TYPE, (".pdf",), pdf.read, b"%PDF-"),
    Format("Word", docx.MEDIA_TYPE, (".docx",), docx.read, _ZIP),
    Format("PowerPoint", slides.MEDIA_TYPE, (".pptx", ".ppsx", ".pptm"), slides.read, _ZIP),
    Format("Excel", sheets.EXCEL, (".xlsx", ".xlsm"), sheets.read_as(sheets.EXCEL), _ZIP),
    Format("Excel", sheets.EXCEL_BINARY, (".xlsb",), sheets.read_as(sheets.EXCEL_BINARY), _ZIP),
    Format("Excel", sheets.OLD_EXCEL, (".xls",), sheets.read_as(sheets.OLD_EXCEL), _OLD_OFFICE),
    Format("OpenDocument", sheets.OPEN_DOCUMENT, (".ods",), sheets.read_as(sheets.OPEN_DOCUMENT), _ZIP),
    Format("OpenDocument", opendocument.TEXT, (".odt", ".ott"), opendocument.read_as(opendocument.TEXT), _ZIP),
    Format("OpenDocument", opendocument.SLIDES, (".odp",), opendocument.read_as(opendocument.SLIDES), _ZIP),
    Format("RTF", rtf.MEDIA_TYPE, (".rtf",), rtf.read, _RICH_TEXT),
    Format("EPUB", epub.MEDIA_TYPE, (".epub",), epub.read, _ZIP),
    Format("Word", olddoc.MEDIA_TYPE, (".doc", ".dot"), olddoc.read, _OLD_OFFICE),
    Format("PowerPoint", oldslides.MEDIA_TYPE, (".ppt", ".pps"), oldslides.read, _OLD_OFFICE),
    Format("mail", mail.MEDIA_TYPE, (".eml",), mail.read),
    Format("Outlook", outlook.MEDIA_TYPE, (".msg",), outlook.read, _OLD_OFFICE),
    Format("mailbox", mail.MAILBOX, (".mbox", ".mbx"), mail.read_mailbox),
    Format("CSV", separated.COMMAS, (".csv",), separated.read_as(separated.COMMAS)),
    Format("TSV", separated.TABS, (".tsv", ".tab"), separated.read_as(separated.TABS)),
    Format("subtitles", subtitles.VTT, (".vtt",), subtitles.read_as(subtitles.VTT)),
    Format("subtitles", subtitles.SRT, (".srt",), subtitles.read_as(subtitles.SRT)),
    Format("notebook", notebook.MEDIA_TYPE, (".ipynb",), notebook.read),
    Format("XML", xmlfile.MEDIA_TYPE, (".xml", ".nxml", ".jats"), xmlfile.read),
    Format("reStructuredText", rst.MEDIA_TYPE, (".rst", ".rest"), rst.read),
    Format("AsciiDoc", asciidoc.MEDIA_TYPE, (".adoc", ".asciidoc"), asciidoc.read),
    Format("LaTeX", latex.MEDIA_TYPE, (".tex", ".latex", ".ltx"), latex.read),
    Format("source code", code.MEDIA_TYPE, code.ENDINGS, code.read),
    Format("JSON", values.JSON, (".json",), values.read),
    Format("JSON", values.LINES, (".jsonl", ".ndjson"), values.read_lines),
    Format("PNG", pictures.PNG, (".png",), pictures.read_as(pictures.PNG), b"\x89PNG\r\n"),
    Format("JPEG", pictures.JPEG, (".jpg", ".jpeg"), pictures.read_as(pictures.JPEG), b"\xff\xd8\xff"),
    Format("TIFF", pictures.TIFF, (".tif", ".tiff"), pictures.read_as(pictures.TIFF)),
)

READERS: Mapping[str, Reader] = MappingProxyType({f.media_type: f.read for f in FORMATS})

_BY_ENDING = {ending: f for f in FORMATS for ending in f.endings}
_BY_TYPE = {f.media_type: f for f in FORMATS}

_TEXT_NAMES = re.compile(
    "authors|bugs|change(log|s)|contribut(ing|ors)|copy(ing|right)|credits|faq|history|howto|install|licen[cs]e"
    "|maintainers|manifest|news|notice|readme|releases|thanks|todo",
    re.IGNORECASE,
)
"""What text files are called that go without an ending by old custom."""

# A PDF may begin with anything, as long as its header comes within the first 1,024 bytes (readers agree on that).
_HEAD_BYTES = 1024
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|meta|table|style)\b", re.IGNORECASE)


def supported() -> tuple[str, ...]:
    """The file endings that are read, in alphabetical order, with their points."""
    return tuple(sorted(_BY_ENDING))


def media_type(path: Path, limits: Limits = Limits()) -> str:
    """What kind of file `path` is, by its ending (or its name, where that is README or the like), held against its
    first bytes. The file is only opened when its ending is known. Raises UnsupportedFile when the ending is not
    supported, UnreadableFile when it belies the content, or as `load` does.
    """
    _known(path.name, limits)
    return type_of(path.name, _read_regular(path, _HEAD_BYTES), limits)


def type_of(name: str, data: bytes, limits: Limits = Limits()) -> str:
    """What kind of file it is that is called `name` and begins with (or is) `data`. Raises UnsupportedFile when the
    ending is not supported, UnreadableFile when it belies the content."""
    ending = PurePath(name).suffix.lower()
    found, head = _known(name, limits), data[:_HEAD_BYTES]
    if head.startswith(_RICH_TEXT):
        return rtf.MEDIA_TYPE  # as Word writes it under the name of .doc
    if found.signature and found.signature not in head:
        if head.startswith(_ZIP) and f"{ending}x" in _BY_ENDING:
            return _BY_ENDING[f"{ending}x"].media_type  # as when somebody renamed it for an older program
        if found.signature == _OLD_OFFICE and _HTML.match(head):
            return html.MEDIA_TYPE  # many programs "export to Excel" so
        if head.startswith(_OLD_OFFICE):
            raise UnreadableFile(
                f"is named {ending}, but is protected by a password or in a format from before 2007",
                f"Save a copy as {found.endings[0]} without a password.",
            )
        if head:
            raise UnreadableFile(f"is named {ending}, but is not a {found.name} file", "Is it damaged, or misnamed?")
    if not found.signature and head.startswith(b"%PDF-"):
        return pdf.MEDIA_TYPE
    return found.media_type


def has_type(name: str) -> bool:
    """Whether files of this name are read."""
    return _ending(name) in _BY_ENDING


def _ending(name: str) -> str:
    """In lower case, with the point; that of text for a file that is called README or the like."""
    return ".txt" if _TEXT_NAMES.fullmatch(name) else PurePath(name).suffix.lower()


def _known(name: str, limits: Limits) -> Format:
    """The format of files of this name. Raises UnsupportedFile when none is supported."""
    ending = _ending(name)
    if ending in _BY_ENDING:
        found = _BY_ENDING[ending]
        if found.media_type in pictures.TYPES and not limits.max_ocr_pages:
            raise UnsupportedFile("is a picture; not searched", ocr.REMEDY)
        return found
    shown = ending if ending.isprintable() and len(ending) <= 12 else "strangely named"
    kind = f"is a {shown} file, which is" if ending else "has no file ending, so its type is"
    raise UnsupportedFile(f"{kind} not supported", f"Supported are {', '.join(supported())}.")


def load(path: Path, limits: Limits) -> bytes:
    """The whole of a regular file; anything else is never opened. Raises UnreadableFile when it is empty, larger than
    `limits.max_file_bytes`, not a file, or may not be read."""
    data = _read_regular(path, limits.max_file_bytes + 1)
    if not data:
        raise UnreadableFile("is empty", "Was it saved, or copied whole?")
    if len(data) > limits.max_file_bytes:
        raise UnreadableFile(f"is larger than {limits.max_file_bytes // 2**20:,} MiB", "Split it into smaller files.")
    return data


def parse(data: bytes, media_type: str, limits: Limits) -> Document:
    """The document that `data` holds. Raises UnreadableFile, and nothing else, when it cannot be read, holds no text,
    or goes beyond the limits."""
    if media_type not in _BY_TYPE:
        raise UnreadableFile(f"is of type {media_type}, which is not supported", f"Supported are {', '.join(READERS)}.")
    with _named(_BY_TYPE[media_type].name, limits):
        document = READERS[media_type](data, limits)
    if not document.blocks:
        raise UnreadableFile("holds no text", "If it shows some in another program, save it anew from there.")
    check_size(len(document.text), len(document.blocks), limits)
    return replace(document, text=without_surrogates(document.text), title=without_surrogates(document.title))


def places(data: bytes, start: int, end: int, text_sha256: str, limits: Limits) -> Places:
    """Where `[start, end)` of the text that a PDF was read as, whose UTF-8 has that hash, stands on its pages. Raises
    UnreadableFile, and nothing else, when it cannot be read."""
    with _named("PDF", limits):
        return pdf_places.places(data, start, end, text_sha256, limits)


def picture(data: bytes, number: int, limits: Limits) -> Picture:
    """Page `number` of a PDF, from 1, as it looks. Raises UnreadableFile, and nothing else, when it cannot be drawn."""
    with _named("PDF", limits):
        return pdf_pictures.picture(data, number, limits)


JOBS: Mapping[str, Callable[..., Document | Places | Picture]] = MappingProxyType(
    {"parse": parse, "places": places, "picture": picture}
)
"""What is done with a file's bytes in a process of its own: functions of the bytes, what is asked, and the limits."""


@contextmanager
def _named(name: str, limits: Limits) -> Iterator[None]:
    """Names whatever goes wrong with a file of that format. Raises UnreadableFile, and nothing else."""
    try:
        yield
    except UnreadableFile:
        raise
    except MemoryError as error:
        raise out_of_memory(limits) from error
    except RecursionError:
        raise UnreadableFile(
            f"is nested too deeply to be read as {name}", "Does it open in another program? If so, save it anew."
        ) from None
    except Exception as error:
        raise UnreadableFile(
            f"is damaged, or no {name} file that can be read ({type(error).__name__})",
            "Does it open in another program? If so, save it anew from there.",
        ) from error


def _read_regular(path: Path, size: int) -> bytes:
    """Up to `size` bytes from the start of a regular file, which is checked before it is opened (opening a device may
    do something) and after (it may have been exchanged), without ever waiting for a writer."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFile(_not_a_file(path.stat().st_mode), "Name a file, or leave it out.")
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableFile("was exchanged while it was being opened", "Try again.")
            return file.read(size)
    except FileNotFoundError:
        gone = "is a link to a file that is not there" if path.is_symlink() else "is no longer there"
        raise UnreadableFile(gone, "Put it back, or index again without it.") from None
    except PermissionError:
        raise UnreadableFile("may not be read: permission denied", "Give yourself permission to read it.") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnreadableFile("is a link that leads back to itself", "Delete it.") from None
        raise UnreadableFile(
            f"could not be read: {error.strerror or error}", "Copy it to another disk, and index it there."
        ) from None
    except ValueError as error:
        raise UnreadableFile(f"has a name that cannot be opened: {error}", "Rename it.") from None


def _not_a_file(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return f"is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file"
