"""Word and PowerPoint files from before 2007 and Outlook's messages, made here record by record."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from compound import compound
from formats_laws import assert_outlives_mutants, block_of, blocks, heading_of, place_of, read

from qa.errors import UnreadableFile
from qa.formats import Limits, media_type, olddoc, oldslides, outlook, parse

# --- Outlook --------------------------------------------------------------------------------------------------------


def _properties(values: dict[int, Any], header: int) -> dict[str, bytes]:
    """The streams of an object whose properties have these values: texts, bytes, integers and times."""
    streams, table = {}, b"\0" * header
    for number, value in values.items():
        if isinstance(value, str | bytes):
            kind = 0x001F if isinstance(value, str) else 0x0102
            data = value.encode("utf-16-le") if isinstance(value, str) else value
            streams[f"__substg1.0_{number:04X}{kind:04X}"] = data
            table += struct.pack("<HHIQ", kind, number, 6, len(data))
        elif isinstance(value, int):
            table += struct.pack("<HHIQ", 0x0003, number, 6, value)
        else:
            since = value - datetime(1601, 1, 1, tzinfo=UTC)
            table += struct.pack("<HHIQ", 0x0040, number, 6, int(since.total_seconds()) * 10_000_000)
    return {"__properties_version1.0": table, **streams}


def outlook_message(**more: Any) -> bytes:
    values = {
        0x001A: "IPM.Note",
        0x0037: "Crane",
        0x0C1A: "Ada Byron",
        0x0C1F: "ada@example.org",
        0x0E04: "Bob",
        0x1000: "The crane arrives on Monday.\r\n\r\nSincerely, Ada",
        0x0039: datetime(2024, 3, 4, 8, 5, tzinfo=UTC),
    } | more.get("values", {})
    attached = _properties({0x3705: 1, 0x3707: "plan.md", 0x3701: b"# Plan\n\nWe pave in May.\n"}, 8)
    other = _properties({0x3705: 1, 0x3707: "call.wav", 0x3701: b"\0\1"}, 8)
    storages = {"__attach_version1.0_#00000000": attached, "__attach_version1.0_#00000001": other}
    return compound(_properties(values, 32) | storages)


def test_a_message_of_outlook_is_cited_like_any_mail() -> None:
    document = read(outlook_message(), outlook.MEDIA_TYPE)
    assert document.title == "Crane"
    assert blocks(document)[:4] == [
        ("title", "Crane"),
        ("row", "From: Ada Byron <ada@example.org> | To: Bob | Date: 2024-03-04 08:05 UTC | Subject: Crane"),
        ("paragraph", "The crane arrives on Monday."),
        ("paragraph", "Sincerely, Ada"),
    ]
    assert place_of(document, "arrives", "a.msg") == "a.msg, Ada Byron, 4 March 2024"
    assert place_of(document, "We pave", "a.msg") == "a.msg, Ada Byron, 4 March 2024, plan.md"
    assert "call.wav was not read" in document.problems[0]


def test_a_message_kept_as_rich_text_only_says_so() -> None:
    document = read(outlook_message(values={0x1000: "", 0x1009: b"\x10\0\0\0LZFu"}), outlook.MEDIA_TYPE)
    assert document.problems[0] == "The text of the message is kept as Rich Text only; it was not read."


def test_a_damaged_message_is_read_or_refused() -> None:
    assert_outlives_mutants(outlook_message(), outlook.MEDIA_TYPE)


# --- Word -----------------------------------------------------------------------------------------------------------


def _changed(number: int, value: int, size: int = 1) -> bytes:
    return struct.pack("<H", number) + value.to_bytes(size, "little")


_IN_TABLE, _ENDS_ROW, _ITEM = _changed(0x2416, 1), _changed(0x2417, 1), _changed(0x460B, 1, 2)
_ROW = [
    ("Item\x07", 0, _IN_TABLE),
    ("Planned\x07", 0, _IN_TABLE),
    ("Spent\x07", 0, _IN_TABLE),
    ("\x07", 0, _IN_TABLE + _ENDS_ROW),
]
_REPORT: list[tuple[str, int, bytes]] = [
    ("Works\r", 1, b""),
    ("The quay is \x13 HYPERLINK x \x14240 metres\x15 long.\x0bMostly.\r", 0, b""),
    ("Costs\r", 2, b""),
    *_ROW,
    *(
        (text, style, properties)
        for text, (_, style, properties) in zip(["Dredging\x07", "300\x07", "412\x07", "\x07"], _ROW, strict=True)
    ),
    ("first\r", 0, _ITEM),
    ("Порт и море.\r", 0, b""),
    ("Secret.\r", 0, b""),
]
_NOTE = "Measured in 2023.\r"


def _page(runs: list[tuple[int, int, bytes]], step: int) -> bytes:
    """A page of formatting: of each run its bounds in the file, and its properties behind their length."""
    page = bytearray(512)
    page[511] = len(runs)
    struct.pack_into(f"<{len(runs) + 1}I", page, 0, *(start for start, _, _ in runs), runs[-1][1])
    free = 510
    for index, (_, _, properties) in enumerate(runs):
        if properties:
            held = (
                bytes([len(properties)]) + properties
                if step == 1
                else b"\0" + bytes([-(-len(properties) // 2)]) + properties
            )
            free = (free - len(held)) // 2 * 2
            page[free : free + len(held)] = held
            page[4 * (len(runs) + 1) + step * index] = free // 2
    return bytes(page)


def word_document(flags: int = 0x0200, version: int = 0x00C1) -> bytes:
    """The report in two pieces, one of a byte and one of two bytes to a character, with its note behind it."""
    body = "".join(text for text, _, _ in _REPORT)
    cut = body.index("П")
    narrow, wide = body[:cut].encode("cp1252"), (body[cut:] + _NOTE + "\r").encode("utf-16-le")
    stream = bytearray(2048) + narrow
    stream += b"\0" * (-len(stream) % 2)
    wide_at = len(stream)
    stream += wide
    stream += b"\0" * (-len(stream) % 512)

    def place(position: int) -> int:
        return 2048 + position if position < cut else wide_at + 2 * (position - cut)

    paragraphs, at = [], 0
    for text, style, properties in [*_REPORT, (_NOTE, 0, b"")]:
        paragraphs.append((place(at), place(at + len(text)), struct.pack("<H", style) + properties))
        at += len(text)
    secret = body.index("Secret")
    characters = [(2048, place(secret), b""), (place(secret), place(secret + 7), _changed(0x083C, 1))]
    characters.append((place(secret + 7), wide_at + len(wide), b""))
    pages = [len(stream) // 512, len(stream) // 512 + 1]
    stream += _page(paragraphs, 13) + _page(characters, 1)
    pieces = struct.pack("<III", 0, cut, cut + len(wide) // 2)
    pieces += struct.pack("<HIH", 0, 2048 * 2 | 0x4000_0000, 0) + struct.pack("<HIH", 0, wide_at, 0)
    clx = b"\2" + struct.pack("<I", len(pieces)) + pieces
    paragraph_table = struct.pack("<III", 2048, len(stream), pages[0])
    character_table = struct.pack("<III", 2048, len(stream), pages[1])
    struct.pack_into("<HH", stream, 0, 0xA5EC, version)
    struct.pack_into("<H", stream, 0x0A, flags)
    struct.pack_into("<8i", stream, 0x4C, len(body), len(_NOTE), 0, 0, 0, 0, 0, 0)
    struct.pack_into("<II", stream, 0x01A2, 0, len(clx))
    struct.pack_into("<II", stream, 0x0102, len(clx), 12)
    struct.pack_into("<II", stream, 0x00FA, len(clx) + 12, 12)
    return compound({"WordDocument": bytes(stream), "1Table": clx + paragraph_table + character_table})


def test_a_word_file_keeps_headings_tables_lists_and_notes() -> None:
    document = read(word_document(), olddoc.MEDIA_TYPE)
    assert blocks(document) == [
        ("heading", "Works"),
        ("paragraph", "The quay is 240 metres long.\nMostly."),
        ("heading", "Costs"),
        ("row", "Item: Dredging | Planned: 300 | Spent: 412"),
        ("item", "first"),
        ("paragraph", "Порт и море."),
        ("paragraph", "Measured in 2023."),
    ]
    assert heading_of(document, "Dredging") == ("Works", "Costs")
    assert place_of(document, "The quay", "a.doc") == "a.doc, Works"
    assert document.problems == ("Some of the text is hidden; not searched.",)


def test_a_word_file_that_cannot_be_read_is_named_with_the_reason() -> None:
    for data, reason in [
        (word_document(flags=0x0300), "protected by a password"),
        (word_document(version=0x0065), "before 1997"),
        (compound({"Other": b"x" * 5_000}), "is not a Word file"),
    ]:
        with pytest.raises(UnreadableFile, match=reason):
            parse(data, olddoc.MEDIA_TYPE, Limits())


def test_a_damaged_word_file_is_read_or_refused() -> None:
    assert_outlives_mutants(word_document(), olddoc.MEDIA_TYPE)


def test_files_named_doc_that_are_something_else_are_read_as_what_they_are(tmp_path: Path) -> None:
    for content, kind in [
        (rb"{\rtf1 x}", "application/rtf"),
        (b"<html><p>x", "text/html"),
        (b"PK\3\4", "wordprocessingml"),
    ]:
        (tmp_path / "a.doc").write_bytes(content)
        assert kind in media_type(tmp_path / "a.doc")


# --- PowerPoint -----------------------------------------------------------------------------------------------------


def _record(kind: int, body: bytes, instance: int = 0, container: bool = False) -> bytes:
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(body)) + body


def _held(kind: int, *inner: bytes, instance: int = 0) -> bytes:
    return _record(kind, b"".join(inner), instance, container=True)


def _said(kind: int, text: str) -> bytes:
    return _record(0x0F9F, struct.pack("<I", kind)) + _record(0x0FA0, text.encode("utf-16-le"))


def _box(kind: int, text: str, left: int = 0, top: int = 0, placeholder: int | None = None) -> bytes:
    parts = [_record(0xF00F, struct.pack("<4i", left, top, left + 1, top + 1))]
    if placeholder is not None:
        parts.append(_held(0xF011, _record(0x0BC3, struct.pack("<iBBH", 0, placeholder, 0, 0))))
    return _held(0xF004, *parts, _held(0xF00D, _said(kind, text)))


def _slide(*shapes: bytes, hidden: bool = False, notes: int = 0) -> bytes:
    atom = _record(0x03EF, struct.pack("<I8xIIHH", 1, 0, notes, 0, 0))
    info = _record(0x03F9, struct.pack("<IIHHI", 0, 0, 0, 0x0004 if hidden else 0, 0))
    return _held(0x03EE, atom, info, _held(0x040C, *shapes))


def deck() -> bytes:
    """Three slides, the second hidden, listed in another order than they lie in the file."""
    cells = [("Item", 0, 0), ("Cost", 5, 0), ("Dredging", 0, 5), ("412", 5, 5)]
    table = _held(0xF003, *(_box(4, text, left, top) for text, left, top in cells))
    slides = [
        _slide(_box(4, "In a box."), _box(4, "Footing", placeholder=9), _box(4, "*"), notes=700),
        _slide(_box(4, "Hidden words."), hidden=True),
        _slide(table),
    ]
    notes = _held(0x03F0, _held(0x040C, _box(2, "Mention the ferry.")))
    listed = [
        _record(0x03F3, struct.pack("<IIIII", 4, 0, 0, 258, 0)),
        _said(0, "Costs"),
        _record(0x03F3, struct.pack("<IIIII", 3, 0, 0, 257, 0)),
        _said(0, "Secret"),
        _record(0x03F3, struct.pack("<IIIII", 2, 0, 0, 256, 0)),
        _said(0, "Works"),
        _said(1, "The quay is long.\rThe crane\vis tall."),
    ]
    noted = _record(0x03F3, struct.pack("<IIIII", 5, 0, 0, 700, 0))
    document = _held(0x03E8, _held(0x0FF0, *listed), _held(0x0FF0, noted, instance=2))
    stream, places = b"", []
    for part in (document, *slides, notes):
        places.append(len(stream))
        stream += part
    directory = len(stream)
    stream += _record(0x1772, struct.pack("<I5I", 5 << 20 | 1, *places))
    edit = len(stream)
    stream += _record(0x0FF5, struct.pack("<IIIIIII", 0, 0, 0, directory, 1, 6, 0))
    user = _record(0x0FF6, struct.pack("<IIIHH4xI", 20, 0xE391C05F, edit, 0, 1012, 8)) + bytes(20)
    return compound({"PowerPoint Document": stream, "Current User": user})


def test_every_sentence_of_an_old_deck_is_cited_at_its_slide() -> None:
    document = read(deck(), oldslides.MEDIA_TYPE)
    assert document.title == "Costs"
    assert blocks(document) == [
        ("heading", "Costs"),
        ("row", "Item: Dredging | Cost: 412"),
        ("heading", "Works"),
        ("item", "The quay is long."),
        ("item", "The crane\nis tall."),
        ("paragraph", "In a box."),
        ("paragraph", "Mention the ferry."),
    ]
    assert place_of(document, "Dredging", "a.ppt") == "a.ppt, slide 1"
    assert place_of(document, "In a box", "a.ppt") == "a.ppt, slide 3"
    assert place_of(document, "ferry", "a.ppt") == "a.ppt, slide 3, notes"
    assert block_of(document, "quay").locator.heading == ("Works",)
    assert document.problems == ("Slide 2 is hidden; not searched.",)


def test_a_deck_that_is_none_is_named() -> None:
    with pytest.raises(UnreadableFile, match="is not a PowerPoint file"):
        parse(compound({"Other": b"x" * 5_000}), oldslides.MEDIA_TYPE, Limits())


def test_a_damaged_deck_is_read_or_refused() -> None:
    assert_outlives_mutants(deck(), oldslides.MEDIA_TYPE)
