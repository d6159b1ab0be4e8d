"""Files made to take all time, all memory or what is not theirs: each is read or named in seconds, the rest indexed."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from docx import Document as DocxDocument
from mutants import children_seconds
from shelf import Shelf, story

from qa.errors import UnreadableFile
from qa.reading import Readers
from qa.settings import Settings

# Of the processes that read, whatever else the machine does; most take well under one.
MOST_SECONDS = 10.0

_BODY = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:body></w:document>'
_LAUGHS = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "The harbour laughs.">' for n in range(12)
)


def docx(main: str | bytes = _BODY.format("The harbour."), **more: bytes) -> bytes:
    """A Word file with that for its main part, and more parts."""
    buffer = BytesIO()
    DocxDocument().save(buffer)
    made = BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, main if info.filename == "word/document.xml" else old.read(info))
        for name, data in more.items():
            new.writestr(name, data)
    return made.getvalue()


def nested_archive(depth: int = 6, width: int = 10) -> bytes:
    """A Word file that holds archives which hold archives: 10^6 times 10 MB."""
    data = b"0" * 10_000_000
    for _ in range(depth):
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(width):
                archive.writestr(f"word/embeddings/{number}.docx", data)
        data = buffer.getvalue()
    return docx(**{"word/embeddings/inner.docx": data})


def overlapping_archive(entries: int = 2_000, kernel_bytes: int = 10_000_000) -> bytes:
    """A Word file whose directory names one compressed part many times over: 20 GB in all."""
    made = docx()
    with zipfile.ZipFile(BytesIO(made)) as archive:
        begin = archive.start_dir
        info = archive.infolist()
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = b"<" + b" " * (kernel_bytes - 1)
    packed = deflater.compress(kernel) + deflater.flush()
    sum_ = zlib.crc32(kernel)
    name = b"word/document.xml"
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, sum_, len(packed), len(kernel), len(name), 0)
    body, directory = made[:begin] + local + name + packed, b""
    count = 0
    for entry in info:
        if entry.filename != "word/document.xml":
            raw = entry.filename.encode()
            place = (entry.CRC, entry.compress_size, entry.file_size, len(raw), 0, 0, 0, 0, 0, entry.header_offset)
            directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, *place) + raw
            count += 1
    for number in range(entries):
        raw = name if not number else b"word/%d.xml" % number
        place = (sum_, len(packed), len(kernel), len(raw), 0, 0, 0, 0, 0, begin)
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, *place) + raw
        count += 1
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


BOMBS: dict[str, Callable[[], bytes]] = {
    "zip.docx": lambda: docx(_BODY.format(" " * 300_000_000)),
    "part.docx": lambda: docx(**{"word/media/image1.png": bytes(400_000_000)}),
    "nested.docx": nested_archive,
    "overlapping.docx": overlapping_archive,
    "laughs.docx": lambda: docx(f"<!DOCTYPE d [{_LAUGHS}]>{_BODY.format('&l11;')}"),
    "laughs.html": lambda: f"<!DOCTYPE d [{_LAUGHS}]><p>&l11;</p>".encode(),
    "deep.docx": lambda: docx(_BODY.format("</w:t>" + "<w:t>" * 100_000 + "x" + "</w:t>" * 100_000 + "<w:t>")),
    "deep.html": lambda: b"<div>" * 100_000 + b"The bottom.",
    "deep.md": lambda: b"> " * 100_000 + b"The bottom.",
    "line.txt": lambda: b"The ferry sails. " * 60_000,
    "word.txt": lambda: b"x" * 1_000_000,
    "word.md": lambda: b"[" * 1_000_000,
    "word.html": lambda: b"<p>" + b"&#x41;" * 1_000_000,
    "buttons.html": lambda: b"<h1>words " + b"<button>copy</button>" * 50_000,
    "tags.html": lambda: b"<p><b><i>x" * 50_000,
    "pages.pdf": lambda: many_pages(3_000_000),
    "loop.pdf": lambda: looping_pages(),
}


@cache
def bomb(name: str) -> bytes:
    return BOMBS[name]()


def pdf(*objects: bytes) -> bytes:
    """A PDF file of those objects, numbered from 1; the first is the catalogue."""
    data, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(data))
    return data + table + trailer


def many_pages(count: int) -> bytes:
    """Says that it has so many pages; has one."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"
    return pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count %d >>" % count, page)


def looping_pages() -> bytes:
    """A tree of pages that is its own branch."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R 2 0 R] /Count 9 /Parent 2 0 R >>"
    )


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_or_named_within_seconds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bomb(name))
    after = tmp_path / "after.txt"
    after.write_text("The ferry sails at noon.")
    before = children_seconds()
    with Readers() as readers:
        found = dict(readers.read([(name, path, ""), ("after", after, "")]))
    assert children_seconds() - before < MOST_SECONDS
    assert not isinstance(found["after"], UnreadableFile)
    if isinstance(found[name], UnreadableFile):
        assert found[name].what


def test_a_folder_of_bombs_is_indexed_but_for_them(tmp_path: Path, settings: Callable[..., Settings]) -> None:
    shelf = Shelf(tmp_path / "docs", settings())
    for name in ("zip.docx", "laughs.docx", "deep.docx", "pages.pdf", "overlapping.docx"):
        shelf.write(name, bomb(name))
    shelf.write("a.md", story("harbour"))
    shelf.write("z.md", story("bridge"))
    report = shelf.index()
    assert report.added == 2
    assert len(report.problems) == 5
    assert all(problem.kind == "unreadable" and problem.reason for problem in report.problems)


def referring(kind: str, address: str) -> bytes:
    """A file that refers to what lies at an address in every way that its format has."""
    entity = f'<!DOCTYPE d [<!ENTITY x SYSTEM "{address}"><!ENTITY % y SYSTEM "{address}"> %y;]>'
    if kind == "docx":
        return docx(entity + _BODY.format("The harbour. &x;"))
    if kind == "rels.docx":
        links = (
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
            f'Target="{address}" TargetMode="External"/></Relationships>'
        )
        drawing = (
            '</w:t><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing">'
            '<a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:graphicData>'
            '<pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:blipFill>'
            '<a:blip xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:link="r1"/>'
            "</pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing><w:t>The harbour."
        )
        made = BytesIO()
        with zipfile.ZipFile(BytesIO(docx(_BODY.format(drawing)))) as old, zipfile.ZipFile(made, "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, links if info.filename.endswith("document.xml.rels") else old.read(info))
        return made.getvalue()
    if kind == "html":
        ways = "".join(
            f'<{tag} {name}="{address}">'
            for tag, name in (
                *(("link rel=stylesheet", "href"), ("script", "src"), ("img", "src"), ("iframe", "src")),
                *(("object", "data"), ("embed", "src"), ("video", "poster"), ("base", "href"), ("image", "href")),
            )
        )
        refresh = f'<meta http-equiv="refresh" content="0; url={address}"><style>@import "{address}";</style>'
        return f"{entity}<p>The harbour. &x;</p>{refresh}{ways}</script></iframe></object>".encode()
    if kind == "md":
        return f"The harbour ![a]({address}) <{address}> <img src='{address}'> [b][c]\n\n[c]: {address}\n".encode()
    action = b"<< /S /URI /URI (%b) >>" % address.encode()
    launch = b"<< /S /GoToR /F << /FS /URL /F (%b) >> /D [0 /Fit] >>" % address.encode()
    stream = b"BT /F1 12 Tf 20 100 Td (The harbour.) Tj ET"
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R /OpenAction 5 0 R /AA << /WC 6 0 R >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /AA << /O 6 0 R >> "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> "
        b"/XObject << /X << /Type /XObject /Subtype /Image /F << /FS /URL /F (%b) >> >> >> >> >>" % address.encode(),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        action,
        launch,
    )


@pytest.mark.parametrize("kind", ["docx", "rels.docx", "html", "md", "pdf"])
def test_what_a_file_refers_to_is_neither_fetched_nor_read(
    tmp_path: Path, kind: str, canary: tuple[str, list[str]]
) -> None:
    address, asked = canary
    secret = tmp_path / "secret.png"
    secret.write_text("Nobody should see this.")
    files = []
    for number, place in enumerate((address, secret.as_uri(), str(secret), f"ftp{address[4:]}")):
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(referring(kind, place))
        files.append((str(number), path, ""))
    with Readers() as readers:
        for _, found in readers.read(files):
            if isinstance(found, UnreadableFile):
                assert kind == "docx", found  # with a document type definition it is refused
            else:
                assert found.document is not None
                assert "harbour" in found.document.text
                assert "Nobody" not in found.document.text
    assert asked == []


@pytest.mark.slow
def test_a_pdf_of_ten_thousand_pages_is_read_in_time(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    path = tmp_path / "long.pdf"
    canvas = Canvas(str(path), pageCompression=1)
    for page in range(10_000):
        for line in range(20):
            canvas.drawString(72, 700 - 16 * line, f"Line {line} of page {page} tells of the harbour and the ferry.")
        canvas.showPage()
    canvas.save()
    with Readers() as readers:
        ((_, found),) = readers.read([("long", path, "")])
    assert not isinstance(found, UnreadableFile)
    assert found.document is not None
    assert found.document.blocks[-1].locator.page == 10_000
