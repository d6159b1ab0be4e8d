"""PowerPoint files from before 2007: slide by slide, from the records that hold text (MS-PPT)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from qa.errors import UnreadableFile
from qa.formats import tables
from qa.formats.composing import Composition, one_line, plausible_title
from qa.formats.limits import Limits
from qa.records import Document, Locator

MEDIA_TYPE = "application/vnd.ms-powerpoint"

_DOCUMENT, _SLIDE, _SLIDE_ATOM, _NOTES = 0x03E8, 0x03EE, 0x03EF, 0x03F0
_LISTED, _PERSIST, _HIDDEN = 0x0FF0, 0x03F3, 0x03F9
_HEADER, _WIDE, _NARROW = 0x0F9F, 0x0FA0, 0x0FA8
_TEXT_BOX, _PLACEHOLDER = 0xF00D, 0x0BC3
_GROUP, _SHAPE, _CHILD_ANCHOR = 0xF003, 0xF004, 0xF00F
_ROW = -1  # the type of a text that is a row of a table
_EDIT, _DIRECTORY = 0x0FF5, 0x1772
_TITLES = (0, 6)  # a title, one in the middle of a slide
_BODIES = (1, 5, 7, 8)
_AROUND = (7, 8, 9, 10)  # placeholders of date, slide number, footer and header
_ENCRYPTED = 0xF3D1C4DF
_MAX_DEPTH = 40
_MAX_EDITS = 10_000


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of the file: its kind, the number within its kind, and its body."""

    kind: int
    instance: int
    is_container: bool
    body: memoryview


@dataclass(slots=True)
class _Slide:
    """A slide: its texts in the outline, each with its type, then those of its other shapes."""

    number: int
    persist: int
    texts: list[tuple[int, str]] = field(default_factory=list)


def read(data: bytes, limits: Limits) -> Document:
    """Titles, text and notes of the slides that are shown, in their order; masters, footers, charts and pictures are
    left out. The title is that among the file's properties, else the first slide's."""
    import olefile

    with olefile.OleFileIO(io.BytesIO(data)) as container:
        if not container.exists("PowerPoint Document"):
            raise UnreadableFile("is not a PowerPoint file, whatever its name says", "Give it its right file ending.")
        stream = container.openstream("PowerPoint Document").read()
        user = container.openstream("Current User").read() if container.exists("Current User") else b""
        given = container.get_metadata().title
    if len(user) >= 20 and struct.unpack_from("<I", user, 12)[0] == _ENCRYPTED:
        raise UnreadableFile("is protected by a password", "Save a copy without one.")
    deck = _Deck(stream, struct.unpack_from("<I", user, 16)[0] if len(user) >= 20 else 0)
    composition = Composition(limits)
    problems = []
    first_title = ""
    for slide in deck.slides(limits):
        is_hidden, texts, notes = deck.texts(slide)
        if is_hidden:
            problems.append(f"Slide {slide.number} is hidden; not searched.")
            continue
        title = next((one_line(text) for kind, text in texts if kind in _TITLES and text.strip()), "")
        first_title = first_title or title
        name = f"slide {slide.number}"
        headings = (title,) if title else ()
        composition.add("heading", title, Locator(page=slide.number, place=name, kind="slide"))
        seen = False
        for kind, text in texts:
            paragraphs = [part for part in text.split("\r") if part.strip()]
            if kind in _TITLES and one_line(text) == title and not seen:
                seen = True
                continue
            for part in paragraphs:
                block = "row" if kind == _ROW else "paragraph"
                block = "item" if kind in _BODIES and len(paragraphs) > 1 else block
                composition.add(block, _plain(part), Locator(headings, page=slide.number, place=name, kind="slide"))
        for part in notes:
            locator = Locator(headings, page=slide.number, place=f"{name}, notes", kind="slide")
            composition.add("paragraph", _plain(part), locator)
        if not any(text.strip() for _, text in texts) and not notes:
            problems.append(f"Slide {slide.number} holds no text (pictures only?).")
    if not composition.has_blocks and problems:
        raise UnreadableFile(f"holds no text that is shown: {problems[0]}", "Are all its slides pictures?")
    title = plausible_title(given.decode("cp1252", "replace")) if isinstance(given, bytes) else ""
    return composition.document(MEDIA_TYPE, title or first_title, problems)


def _plain(text: str) -> str:
    return text.replace("\v", "\n").replace("\t", " ")


class _Deck:
    """The records of one file, found by the numbers under which its last edit lists them."""

    def __init__(self, stream: bytes, last_edit: int) -> None:
        self._stream = memoryview(stream)
        self._places: dict[int, int] = {}
        self._document = 0
        edit, seen = last_edit, set[int]()
        while edit and edit not in seen and len(seen) < _MAX_EDITS:
            seen.add(edit)
            record = self._record(edit)
            if record is None or record.kind != _EDIT or len(record.body) < 20:
                break
            before, directory, document = struct.unpack_from("<III", record.body, 8)
            self._document = self._document or document
            self._list(directory)
            edit = before

    def _list(self, place: int) -> None:
        """Takes the places that a directory lists, unless a later edit has given them."""
        record = self._record(place)
        if record is None or record.kind != _DIRECTORY:
            return
        numbers = struct.unpack_from(f"<{len(record.body) // 4}I", record.body)
        at = 0
        while at < len(numbers):
            first, count = numbers[at] & 0xF_FFFF, numbers[at] >> 20
            for index, offset in enumerate(numbers[at + 1 : at + 1 + count]):
                self._places.setdefault(first + index, offset)
            at += 1 + count

    def _record(self, place: int) -> _Record | None:
        return next(_records(self._stream[place:]), None) if 0 <= place < len(self._stream) else None

    def slides(self, limits: Limits) -> list[_Slide]:
        """The slides in the order in which they are shown, with their texts in the outline. Raises UnreadableFile when
        the file does not say."""
        document = self._record(self._places.get(self._document, -1))
        if document is None or document.kind != _DOCUMENT:
            raise UnreadableFile("is damaged: it does not say which slides it has", "Copy it again, or save it anew.")
        found: list[_Slide] = []
        kind = 4
        for listed in _records(document.body):
            if listed.kind != _LISTED or listed.instance != 0:
                continue
            for record in _records(listed.body):
                if record.kind == _PERSIST and len(record.body) >= 4:
                    found.append(_Slide(len(found) + 1, struct.unpack_from("<I", record.body)[0]))
                    kind = 4
                elif record.kind == _HEADER and len(record.body) >= 4:
                    (kind,) = struct.unpack_from("<I", record.body)
                elif found and (text := _text(record)) is not None:
                    found[-1].texts.append((kind, text))
        if len(found) > limits.max_pages:
            raise UnreadableFile(f"has more than {limits.max_pages:,} slides", "Split it into smaller files.")
        return found

    def texts(self, slide: _Slide) -> tuple[bool, list[tuple[int, str]], list[str]]:
        """Whether a slide is hidden, its texts, and the paragraphs of its notes."""
        record = self._record(self._places.get(slide.persist, -1))
        if record is None or record.kind != _SLIDE:
            return False, slide.texts, []
        is_hidden = False
        notes_of = 0
        texts = list(slide.texts)
        for inner in _records(record.body):
            if inner.kind == _HIDDEN and len(inner.body) >= 12:
                is_hidden = bool(struct.unpack_from("<H", inner.body, 10)[0] & 0x0004)
            elif inner.kind == _SLIDE_ATOM and len(inner.body) >= 20:
                (notes_of,) = struct.unpack_from("<I", inner.body, 16)
        texts += [(kind, text) for kind, text in _boxes(record, 0) if text.strip() not in ("", "*")]
        return is_hidden, texts, self._notes(notes_of) if notes_of else []

    def _notes(self, identity: int) -> list[str]:
        """The paragraphs of the notes of that number."""
        document = self._record(self._places.get(self._document, -1))
        for listed in _records(document.body) if document else ():
            if listed.kind == _LISTED and listed.instance == 2:
                for record in _records(listed.body):
                    if record.kind == _PERSIST and len(record.body) >= 16:
                        persist, _, _, number = struct.unpack_from("<IIII", record.body)
                        notes = self._record(self._places.get(persist, -1))
                        if number == identity and notes is not None and notes.kind == _NOTES:
                            texts = [text for kind, text in _boxes(notes, 0) if kind == 2]
                            return [part for text in texts for part in text.split("\r") if part.strip(" *\v")]
        return []


def _records(data: memoryview) -> Iterator[_Record]:
    """The records that stand one after another."""
    at = 0
    while at + 8 <= len(data):
        head, kind, size = struct.unpack_from("<HHI", data, at)
        yield _Record(kind, head >> 4, head & 0xF == 0xF, data[at + 8 : at + 8 + size])
        at += 8 + size


def _text(record: _Record) -> str | None:
    if record.kind == _WIDE:
        return bytes(record.body).decode("utf-16-le", "replace")
    return bytes(record.body).decode("latin-1") if record.kind == _NARROW else None


def _boxes(record: _Record, depth: int) -> Iterator[tuple[int, str]]:
    """Type and text of the text boxes below a record that hold text of their own, not that of the outline, and are no
    placeholders of footers and the like."""
    if depth > _MAX_DEPTH:
        raise RecursionError("groups within groups")
    inner = list(_records(record.body))
    around = any(
        each.kind == _PLACEHOLDER and len(each.body) >= 5 and each.body[4] in _AROUND
        for data in inner
        if data.is_container
        for each in _records(data.body)
    )
    if record.kind == _GROUP and (grid := _grid(inner)):
        yield from ((_ROW, piece.text) for _, piece in tables.named(grid))
        return
    for each in inner:
        if each.kind == _TEXT_BOX and not around:
            kind = 4
            for part in _records(each.body):
                if part.kind == _HEADER and len(part.body) >= 4:
                    (kind,) = struct.unpack_from("<I", part.body)
                elif (text := _text(part)) is not None:
                    yield kind, text
        elif each.is_container and each.kind not in (_TEXT_BOX, _LISTED):
            yield from _boxes(each, depth + 1)


def _grid(members: list[_Record]) -> list[list[str]]:
    """The cells of a table, which is a group of text boxes in rows and columns; empty where the group is none."""
    cells: dict[tuple[int, int], str] = {}
    for member in members:
        if member.kind == _SHAPE:
            place = next((each.body for each in _records(member.body) if each.kind == _CHILD_ANCHOR), None)
            texts = [text for _, text in _boxes(member, 1)]
            if place is not None and len(place) >= 16 and texts:
                left, top = struct.unpack_from("<ii", place)
                cells[top, left] = tables.cell_text(" ".join(texts))
    tops, lefts = sorted({top for top, _ in cells}), sorted({left for _, left in cells})
    if len(tops) < 2 or len(lefts) < 2 or 2 * len(cells) < len(tops) * len(lefts):
        return []
    return [[cells.get((top, left), "") for left in lefts] for top in tops]
