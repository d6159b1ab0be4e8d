"""Attacks on every format that can carry them: bombs, depth, length, references and macros, in the files of `samples`.

Those on Word, HTML, Markdown and PDF in particular are in `test_reading_bombs`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from formats_laws import assert_lawful
from mutants import children_seconds
from samples import SAMPLES

from qa.errors import UnreadableFile
from qa.reading import Outcome, Readers

MOST_SECONDS = 30.0
"""Of processor time, for all files of a test: what else runs on the machine does not count."""

PACKAGES = ("tariff.docx", "regatta.pptx", "buoys.xlsx", "ropes.ods", "pilots.odt", "knots.odp", "cutter.epub")
MAIN_PARTS = ("document.xml", "slide1.xml", "sheet1.xml", "content.xml", "one.xhtml")

_LAUGHS = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "The harbour laughs.">' for n in range(12)
)


@cache
def made(name: str) -> bytes:
    return next(sample for sample in SAMPLES if sample.name == name).make()


def altered(name: str, alter: Callable[[bytes], bytes], more: dict[str, bytes] | None = None) -> bytes:
    """The package, its main part altered, with more parts."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(made(name))) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, alter(data) if info.filename.rpartition("/")[2] in MAIN_PARTS else data)
        for part, data in (more or {}).items():
            new.writestr(part, data)
    return buffer.getvalue()


def with_entities(data: bytes, declared: str, used: str) -> bytes:
    """XML that declares entities and uses one in its first element's end."""
    head, sep, rest = data.rpartition(b"</")
    start = head.index(b"?>") + 2 if head.startswith(b"<?xml") else 0
    return head[:start] + f"<!DOCTYPE d [{declared}]>".encode() + head[start:] + used.encode() + sep + rest


def outcomes(folder: Path, files: dict[str, bytes]) -> dict[str, Outcome]:
    """What becomes of the files, all within their time."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    found: dict[str, Outcome] = {}
    before = children_seconds()
    with Readers() as readers:
        for name, outcome in readers.read([(name, folder / name, "") for name in files]):
            found[name] = outcome
            if isinstance(outcome, UnreadableFile):
                assert outcome.what and outcome.remedy, name
            else:
                assert outcome.document is not None
                assert_lawful(outcome.document)
    assert children_seconds() - before < MOST_SECONDS
    return found


# --- bombs --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_unpacks_to_more_than_fits_is_named(tmp_path: Path, name: str) -> None:
    blank = b" " * 300_000_000
    files = {f"part-{name}": altered(name, bytes, {"media/x.bin": blank}), f"main-{name}": altered(name, blank.__add__)}
    for each, outcome in outcomes(tmp_path, files).items():
        assert isinstance(outcome, UnreadableFile), each


def test_entities_within_entities_are_never_unfolded(tmp_path: Path) -> None:
    files = {name: altered(name, lambda data: with_entities(data, _LAUGHS, "&l11;")) for name in PACKAGES}
    files["study.xml"] = with_entities(made("study.xml"), _LAUGHS, "&l11;")
    for name, outcome in outcomes(tmp_path, files).items():
        if not isinstance(outcome, UnreadableFile):
            assert outcome.document is not None
            assert outcome.document.text.count("The harbour laughs.") < 2, name


DEEP: dict[str, Callable[[], bytes]] = {
    "deep.json": lambda: b"[" * 500_000 + b"]" * 500_000,
    "deep.jsonl": lambda: b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "deep.ipynb": lambda: b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep.xml": lambda: b"<a>" * 200_000 + b"The bottom." + b"</a>" * 200_000,
    "deep.rtf": lambda: rb"{\rtf1 " + b"{" * 500_000 + b"The bottom." + b"}" * 500_001,
    "deep.tex": lambda: b"\\textbf{" * 100_000 + b"The bottom." + b"}" * 100_000,
    "environments.tex": lambda: b"\\begin{quote}" * 50_000 + b"The bottom." + b"\\end{quote}" * 50_000,
    "deep.rst": lambda: b"".join(b" " * n + b"- a\n\n" for n in range(0, 1_500, 2)),
    "deep.adoc": lambda: b"".join(b"*" * n + b" a\n" for n in range(1, 1_500)),
    "deep.eml": lambda: nested_mail(300),
    "line.csv": lambda: b"a,b\n" + b"x" * 1_000_000 + b",2\n",
    "columns.csv": lambda: b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"1," * 100_000 + b"\n",
    "quote.csv": lambda: b'a,b\n"' + b"x,\n" * 400_000,
    "line.tsv": lambda: b"a\tb\n" * 50_000,
    "line.py": lambda: b"x = '" + b"y" * 1_000_000 + b"'\n",
    "line.rst": lambda: b"`" * 300_000,
    "line.adoc": lambda: b"*_`#" * 100_000,
    "line.tex": lambda: b"$" * 300_000,
    "line.vtt": lambda: b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + b"<b>" * 300_000 + b"Words.\n",
    "line.srt": lambda: b"1\n00:00:01,000 --> 00:00:02,000\n" + b"x " * 500_000,
    "line.jsonl": lambda: b'{"a": "' + b"x" * 1_000_000 + b'"}\n',
    "line.ipynb": lambda: json.dumps(
        {"cells": [{"cell_type": "code", "metadata": {}, "source": "x" * 1_000_000, "outputs": []}], "nbformat": 4}
    ).encode(),
    "header.eml": lambda: b"Subject: " + b"=?utf-8?q?x?= " * 50_000 + b"\n\nThe crane.\n",
    "people.eml": lambda: b"To: " + b"a@b.c, " * 100_000 + b"\n\nThe crane.\n",
    "letters.mbox": lambda: b"From x Mon Mar  4 08:05:00 2024\nSubject: a\n\nb\n\n" * 5_000,
    "letters.rtf": lambda: rb"{\rtf1 " + rb"\'41" * 500_000 + b"}",
}


def nested_mail(depth: int) -> bytes:
    """A message in a message, and so on."""
    return b"Subject: Again\nContent-Type: message/rfc822\n\n" * depth + b"Subject: Last\n\nThe bottom.\n"


def test_what_is_deep_or_long_is_read_or_named_within_seconds(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path, {name: make() for name, make in DEEP.items()} | {"after.txt": b"The ferry sails at noon."}
    )
    assert not isinstance(found["after.txt"], UnreadableFile)
    reasons = [outcome.what for outcome in found.values() if isinstance(outcome, UnreadableFile)]
    assert not [what for what in reasons if "took longer" in what or "program that reads it" in what]


# --- references ---------------------------------------------------------------------------------------------------


def referring(address: str) -> dict[str, bytes]:
    """Files of many formats that refer to what lies at an address in the ways that their formats have."""
    entity = f'<!ENTITY x SYSTEM "{address}">'
    letter = EmailMessage()
    letter["From"] = "Ada <ada@example.org>"
    letter.set_content(f'<p>The harbour.<img src="{address}"><link rel=stylesheet href="{address}">', subtype="html")
    outside = (
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nThe harbour.\n--b\nContent-Type: message/external-body; "
        f'access-type=URL; URL="{address}"\n\nContent-Type: text/plain\n\n--b--\n'
    )
    links = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r9" '
    links += 'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLinkPath" '
    links += f'Target="{address}" TargetMode="External"/></Relationships>'
    book = {
        "xl/externalLinks/_rels/externalLink1.xml.rels": links.encode(),
        "xl/connections.xml": f'<connections><connection><webPr url="{address}"/></connection></connections>'.encode(),
    }
    return {
        **{name: altered(name, lambda data: with_entities(data, entity, "&x;")) for name in PACKAGES},
        "links.xlsx": altered("buoys.xlsx", bytes, book),
        "pictures.epub": altered(
            "cutter.epub",
            lambda data: data.replace(
                b"<p>", f'<img src="{address}"/><link href="{address}" rel="stylesheet"/><p>'.encode()
            ),
        ),
        "frames.odt": altered(
            "pilots.odt",
            lambda data: data.replace(
                b"</office:text>",
                f'<draw:frame xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"><draw:image '
                f'xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{address}" xlink:actuate="onLoad"/>'
                "</draw:frame></office:text>".encode(),
            ),
        ),
        "entity.xml": with_entities(made("study.xml"), entity + f'<!ENTITY % y SYSTEM "{address}"> %y;', "&x;"),
        "include.xml": f'<?xml-stylesheet href="{address}"?><a xmlns:xi="http://www.w3.org/2001/XInclude" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{address} {address}">'
        f'The harbour.<xi:include href="{address}" parse="text"/></a>'.encode(),
        "include.rst": f"The harbour.\n\n.. include:: {address}\n\n.. image:: {address}\n\n.. raw:: html\n   :url: "
        f"{address}\n\n.. raw:: html\n   :file: {address}\n\n.. csv-table::\n   :file: {address}\n\n"
        f".. csv-table::\n   :url: {address}\n\n.. literalinclude:: {address}\n".encode(),
        "include.adoc": f"The harbour.\n\ninclude::{address}[]\n\nimage::{address}[]\n".encode(),
        "include.tex": f"The harbour. \\input{{{address}}} \\include{{{address}}} \\includegraphics{{{address}}} "
        f"\\verbatiminput{{{address}}} \\immediate\\write18{{cat {address}}}".encode(),
        "fields.rtf": rb"{\rtf1 The harbour. {\field{\*\fldinst INCLUDETEXT "
        + f'"{address}"'.encode()
        + rb"}{\fldrslt x}}"
        rb"{\*\template " + address.encode() + rb"}{\field{\*\fldinst INCLUDEPICTURE " + address.encode() + rb"}}}",
        "letter.eml": bytes(letter),
        "outside.eml": outside.encode(),
        "picture.ipynb": json.dumps(
            {
                "cells": [{"cell_type": "markdown", "metadata": {}, "source": f"The harbour. ![x]({address})"}],
                "nbformat": 4,
            }
        ).encode(),
        "talk.vtt": f"WEBVTT\n\nSTYLE\n@import url({address});\n\n00:01.000 --> 00:02.000\nThe harbour.\n".encode(),
        "ref.json": json.dumps({"$ref": address, "text": "The harbour."}).encode(),
    }


def test_what_a_file_of_any_format_refers_to_is_neither_fetched_nor_read(
    tmp_path: Path, canary: tuple[str, list[str]]
) -> None:
    address, asked = canary
    secret = tmp_path / "secret.txt"
    secret.write_text("Nobody should see this.")
    for number, place in enumerate((address, secret.as_uri(), str(secret))):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = outcomes(folder, referring(place))
        for name, outcome in found.items():
            if not isinstance(outcome, UnreadableFile):
                assert outcome.document is not None
                assert "Nobody should" not in outcome.document.text, name
        assert sum(not isinstance(outcome, UnreadableFile) for outcome in found.values()) > len(found) / 2
    assert asked == []


@pytest.mark.parametrize(
    ("name", "renamed", "part"),
    [
        ("buoys.xlsx", "buoys.xlsm", "xl/vbaProject.bin"),
        ("regatta.pptx", "regatta.pptm", "ppt/vbaProject.bin"),
        ("tariff.docx", "tariff.docx", "word/vbaProject.bin"),
        ("pilots.odt", "pilots.odt", "Basic/Standard/Module1.xml"),
    ],
)
def test_macros_are_data_that_nobody_reads(tmp_path: Path, name: str, renamed: str, part: str) -> None:
    macro = b'<script>Sub AutoOpen() Shell "touch /tmp/owned" End Sub</script>'
    found = outcomes(tmp_path, {renamed: altered(name, bytes, {part: macro})})[renamed]
    (plain,) = outcomes(tmp_path, {name: made(name)}).values()
    assert not isinstance(found, UnreadableFile)
    assert not isinstance(plain, UnreadableFile)
    assert found.document is not None
    assert plain.document is not None
    assert found.document.text == plain.document.text
