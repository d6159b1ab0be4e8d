"""A file of each format, made by libraries, with known sentences at known places."""

from __future__ import annotations

import io
import json
import mailbox
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import docx
import openpyxl
import xlwt
from odf.draw import Frame, Page, TextBox
from odf.opendocument import OpenDocumentPresentation, OpenDocumentSpreadsheet, OpenDocumentText
from odf.style import MasterPage, PageLayout
from odf.table import Table, TableCell, TableRow
from odf.text import H, P
from pptx import Presentation
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from test_formats_old_office import deck, outlook_message, word_document


@dataclass(frozen=True)
class Spot:
    """A sentence, the place that a citation names behind the file's name, and fields of its locator."""

    sentence: str
    place: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """`name` is that of the file, `make` gives its bytes."""

    name: str
    make: Callable[[], bytes]
    spots: tuple[Spot, ...]


def _heading(*path: str) -> dict[str, Any]:
    return {"heading": path}


def _saved(save: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


# --- PDF and Office -------------------------------------------------------------------------------------------------


def _pdf() -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.addPageLabel(0, "ROMAN_LOWER", 4)
    pages = (
        ("Foreword", "The pilot thanked the mayor of Dunwich."),
        ("Tides", "The spring tide covered the salt meadow."),
        ("Wrecks", "The brig Perseverance sank off the northern reef."),
    )
    for heading, sentence in pages:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(72, 740, heading)
        canvas.setFont("Helvetica", 11)
        canvas.drawString(72, 700, sentence)
        canvas.drawString(72, 684, "Nothing else was written down in that year by anybody.")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _word() -> bytes:
    document = docx.Document()
    document.add_heading("Tariff", 0)
    document.add_heading("Fees", 1)
    document.add_paragraph("A berth for a yacht costs eleven crowns.")
    document.add_heading("Winter", 2)
    document.add_paragraph("In January the slipway is closed.", "List Bullet")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["Month", "Crowns", "February", "seventeen"], strict=True):
        cell.text = text
    return _saved(document.save)


def _slides() -> bytes:
    deck = Presentation()
    for title, text, note in (
        ("Welcome", "The regatta begins at eight.", ""),
        ("Prizes", "The silver oar goes to the cooks.", "Thank the sponsors from Whitby."),
    ):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = text
        if note:
            slide.notes_slide.notes_text_frame.text = note
    return _saved(deck.save)


_ROWS = [["Buoy", "Colour", "Depth"], ["Gannet", "yellow", 31], ["Fulmar", "crimson", 46]]


def _excel() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Buoys"
    for row, values in enumerate(_ROWS, 3):
        for column, value in enumerate(values, 2):
            sheet.cell(row, column, value)
    return _saved(book.save)


def _old_excel() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Lamps")
    for row, values in enumerate([["Lamp", "Miles"], ["Fresnel", 21], ["Argand", 14]]):
        for column, value in enumerate(values):
            sheet.write(row, column, value)
    return _saved(book.save)


def _open_sheet() -> bytes:
    document = OpenDocumentSpreadsheet()
    table = Table(name="Ropes")
    for values in (["Rope", "Fathoms"], ["Hawser", 120], ["Painter", 9]):
        row = TableRow()
        for value in values:
            is_number = isinstance(value, int)
            cell = TableCell(valuetype="float", value=value) if is_number else TableCell(valuetype="string")
            cell.addElement(P(text=str(value)))
            row.addElement(cell)
        table.addElement(row)
    document.spreadsheet.addElement(table)
    return _saved(document.write)


def _open_text() -> bytes:
    document = OpenDocumentText()
    document.text.addElement(H(outlinelevel=1, text="Pilotage"))
    document.text.addElement(P(text="Two pilots live in the old customs house."))
    document.text.addElement(H(outlinelevel=2, text="Signals"))
    document.text.addElement(P(text="Three short blasts call the tug."))
    return _saved(document.write)


def _open_slides() -> bytes:
    document = OpenDocumentPresentation()
    layout = PageLayout(name="L")
    document.automaticstyles.addElement(layout)
    master = MasterPage(name="M", pagelayoutname=layout)
    document.masterstyles.addElement(master)
    for title, text in (("Knots", "The bowline never slips."), ("Splices", "An eye splice takes an hour.")):
        page = Page(name=title, masterpagename=master)
        for kind, words in (("title", title), ("outline", text)):
            frame = Frame()
            frame.setAttrNS("urn:oasis:names:tc:opendocument:xmlns:presentation:1.0", "class", kind)
            frame.addElement(TextBox())
            frame.lastChild.addElement(P(text=words))
            page.addElement(frame)
        document.presentation.addElement(page)
    return _saved(document.write)


def _book() -> bytes:
    pages = {"one": ("Departure", "The cutter left on a Friday."), "two": ("Landfall", "They sighted basalt cliffs.")}
    items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in pages)
    links = "".join(f'<li><a href="{n}.xhtml">{title}</a></li>' for n, (title, _) in pages.items())
    parts = {
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Cutter</dc:title></metadata><manifest>'
        f'<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>{items}</manifest>'
        f"<spine>{''.join(f'<itemref idref={n!r}/>' for n in pages)}</spine></package>",
        "nav.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol>{links}</ol></nav></body></html>',
        **{
            f"{n}.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>{title}</h1><p>{text}</p></body></html>'
            for n, (title, text) in pages.items()
        },
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, text in parts.items():
            package.writestr(name, text)
    return buffer.getvalue()


# --- mail -----------------------------------------------------------------------------------------------------------


def _letter(sender: str, day: int, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = "Harbour <office@example.org>"
    message["Date"] = f"Mon, {day:02} Mar 2024 08:05:00 +0000"
    message["Subject"] = "Moorings"
    message.set_content(text)
    return message


def _mail() -> bytes:
    message = _letter("Ada Byron <ada@example.org>", 4, "The mooring chains are rusty.\n")
    message.add_attachment(b"# List\n\nOrder forty shackles.\n", "text", "markdown", filename="list.md")
    return bytes(message)


def _mailbox() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        box = mailbox.mbox(Path(folder) / "box")
        box.add(_letter("Bo Diddley <bo@example.org>", 4, "The dredger is stuck.\n"))
        box.add(_letter("Cy Twombly <cy@example.org>", 11, "The dredger floats again.\n"))
        box.close()
        return (Path(folder) / "box").read_bytes()


# --- text and markup ------------------------------------------------------------------------------------------------


def _text(text: str) -> Callable[[], bytes]:
    return lambda: text.encode("utf-8")


_NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Gauges\n", "\n", "The gauge at Ryde drifts."]},
        {"cell_type": "code", "metadata": {}, "source": ["drift = 7  # millimetres"], "outputs": []},
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}

SAMPLES = (
    Sample(
        "almanac.pdf",
        _pdf,
        (
            Spot("The pilot thanked the mayor of Dunwich.", "p. iv", {"page": 1, "label": "iv"}),
            Spot("The spring tide covered the salt meadow.", "p. v", {"page": 2, "heading": ("Tides",)}),
            Spot("The brig Perseverance sank off the northern reef.", "p. vi", {"page": 3, "heading": ("Wrecks",)}),
        ),
    ),
    Sample(
        "tariff.docx",
        _word,
        (
            Spot("A berth for a yacht costs eleven crowns.", "Fees", _heading("Fees")),
            Spot("In January the slipway is closed.", "Winter", _heading("Fees", "Winter")),
            Spot("February", "Winter", _heading("Fees", "Winter")),
        ),
    ),
    Sample(
        "regatta.pptx",
        _slides,
        (
            Spot("The regatta begins at eight.", "slide 1", {"page": 1, "heading": ("Welcome",)}),
            Spot("The silver oar goes to the cooks.", "slide 2", {"page": 2, "kind": "slide"}),
            Spot("Thank the sponsors from Whitby.", "slide 2, notes", {"page": 2}),
        ),
    ),
    Sample(
        "buoys.xlsx",
        _excel,
        (
            Spot("Buoy: Gannet | Colour: yellow | Depth: 31", "Buoys!B4:D4", {"kind": "cells"}),
            Spot("Buoy: Fulmar | Colour: crimson | Depth: 46", "Buoys!B5:D5", _heading("Buoys")),
        ),
    ),
    Sample("lamps.xls", _old_excel, (Spot("Lamp: Argand | Miles: 14", "Lamps!A3:B3", {"kind": "cells"}),)),
    Sample("ropes.ods", _open_sheet, (Spot("Rope: Hawser | Fathoms: 120", "Ropes!A2:B2", {"kind": "cells"}),)),
    Sample(
        "pilots.odt",
        _open_text,
        (
            Spot("Two pilots live in the old customs house.", "Pilotage", _heading("Pilotage")),
            Spot("Three short blasts call the tug.", "Signals", _heading("Pilotage", "Signals")),
        ),
    ),
    Sample(
        "knots.odp",
        _open_slides,
        (
            Spot("The bowline never slips.", "slide 1", {"page": 1, "heading": ("Knots",)}),
            Spot("An eye splice takes an hour.", "slide 2", {"page": 2, "kind": "slide"}),
        ),
    ),
    Sample(
        "cutter.epub",
        _book,
        (
            Spot("The cutter left on a Friday.", "Departure", {"kind": "chapter"}),
            Spot("They sighted basalt cliffs.", "Landfall", {"kind": "chapter"}),
        ),
    ),
    Sample(
        "report.doc",
        word_document,
        (
            Spot("The quay is 240 metres long.", "Works", _heading("Works")),
            Spot("Planned: 300", "Costs", _heading("Works", "Costs")),
        ),
    ),
    Sample(
        "talk.ppt",
        deck,
        (
            Spot("Item: Dredging | Cost: 412", "slide 1", {"page": 1}),
            Spot("Mention the ferry.", "slide 3, notes", {"page": 3, "heading": ("Works",)}),
        ),
    ),
    Sample(
        "crane.msg",
        outlook_message,
        (
            Spot("The crane arrives on Monday.", "Ada Byron, 4 March 2024", {"kind": "message"}),
            Spot("We pave in May.", "Ada Byron, 4 March 2024, plan.md", {"kind": "message"}),
        ),
    ),
    Sample(
        "chains.eml",
        _mail,
        (
            Spot("The mooring chains are rusty.", "Ada Byron, 4 March 2024", {"kind": "message"}),
            Spot("Order forty shackles.", "Ada Byron, 4 March 2024, list.md", {"kind": "message"}),
        ),
    ),
    Sample(
        "dredger.mbox",
        _mailbox,
        (
            Spot("The dredger is stuck.", "Bo Diddley, 4 March 2024", {"kind": "message"}),
            Spot("The dredger floats again.", "Cy Twombly, 11 March 2024", {"kind": "message"}),
        ),
    ),
    Sample(
        "keepers.csv",
        _text("Keeper,Rock\nAlma Grey,Skerryvore\nHew Muir,Sule Skerry\n"),
        (Spot("Keeper: Hew Muir | Rock: Sule Skerry", "row 3", {"kind": "row"}),),
    ),
    Sample(
        "boats.tsv",
        _text("Boat\tRig\nMarigold\tyawl\nThistle\tketch\n"),
        (Spot("Boat: Thistle | Rig: ketch", "row 3", {"kind": "row"}),),
    ),
    Sample(
        "talk.vtt",
        _text(
            "WEBVTT\n\n00:00:05.000 --> 00:00:08.000\nThe fog signal failed twice.\n\n"
            "00:01:05.000 --> 00:01:09.000\nA donkey turned the capstan.\n"
        ),
        (
            Spot("The fog signal failed twice.", "00:00:05", {"kind": "time"}),
            Spot("A donkey turned the capstan.", "00:01:05", {"kind": "time"}),
        ),
    ),
    Sample(
        "film.srt",
        _text("1\n00:00:05,000 --> 00:00:08,000\nShe mends nets.\n\n2\n01:02:03,000 --> 01:02:06,000\nHe salts cod.\n"),
        (Spot("She mends nets.", "00:00:05", {"kind": "time"}), Spot("He salts cod.", "01:02:03", {"kind": "time"})),
    ),
    Sample(
        "gauges.ipynb",
        _text(json.dumps(_NOTEBOOK)),
        (
            Spot("The gauge at Ryde drifts.", "cell 1", {"kind": "cell"}),
            Spot("drift = 7  # millimetres", "cell 2", {"kind": "cell"}),
        ),
    ),
    Sample(
        "crew.json",
        _text(json.dumps({"crew": [{"name": "Ike", "duty": "stoker"}, {"name": "Una", "duty": "helmswoman"}]})),
        (Spot("helmswoman", "crew[1]", {"kind": "record"}),),
    ),
    Sample(
        "log.jsonl",
        _text('{"hour": 6, "wind": "squally"}\n{"hour": 7, "wind": "becalmed"}\n'),
        (Spot("becalmed", "record 2", {"kind": "record"}),),
    ),
    Sample(
        "study.xml",
        _text(
            "<article><front><article-meta><title-group><article-title>Of kelp</article-title></title-group>"
            "</article-meta></front><body><sec><title>Methods</title><p>Divers weighed the kelp ashore.</p></sec>"
            "<sec><title>Results</title><p>Kelp doubled within a fortnight.</p></sec></body></article>"
        ),
        (
            Spot("Divers weighed the kelp ashore.", "Methods", _heading("Methods")),
            Spot("Kelp doubled within a fortnight.", "Results", _heading("Results")),
        ),
    ),
    Sample(
        "guide.rst",
        _text(
            "Gear\n====\n\nAnchors\n-------\n\nThe admiralty anchor weighs a ton.\n\n"
            "Drift\n-----\n\nA drogue slows the hull.\n"
        ),
        (
            Spot("The admiralty anchor weighs a ton.", "Anchors", {}),
            Spot("A drogue slows the hull.", "Drift", {}),
        ),
    ),
    Sample(
        "guide.adoc",
        _text("= Sails\n\n== Mainsail\n\nReef the mainsail early.\n\n== Jib\n\nThe jib was patched with canvas.\n"),
        (
            Spot("Reef the mainsail early.", "Mainsail", _heading("Mainsail")),
            Spot("The jib was patched with canvas.", "Jib", _heading("Jib")),
        ),
    ),
    Sample(
        "paper.tex",
        _text(
            "\\documentclass{article}\\begin{document}\n\\section{Waves}\nSwell outlasts its storm.\n"
            "\\subsection{Foam}\nFoam traps tiny crustaceans.\n\\end{document}\n"
        ),
        (
            Spot("Swell outlasts its storm.", "Waves", _heading("Waves")),
            Spot("Foam traps tiny crustaceans.", "Foam", _heading("Waves", "Foam")),
        ),
    ),
    Sample(
        "winch.py",
        _text(
            'def haul(rope):\n    """Wind the rope upon the drum."""\n    return rope\n\n\n'
            "def veer(rope):\n    slack = fathoms(rope)\n    return slack\n"
        ),
        (Spot("Wind the rope upon the drum.", "haul, line 1", {}), Spot("slack = fathoms(rope)", "veer, line 6", {})),
    ),
    Sample(
        "letter.rtf",
        _text(
            r"{\rtf1\ansi{\stylesheet{\s1\outlinelevel0 heading 1;}}\pard\s1\outlinelevel0 Thanks\par"
            "\n"
            r"\pard\plain The choir sang on the jetty.\par}"
        ),
        (Spot("The choir sang on the jetty.", "Thanks", _heading("Thanks")),),
    ),
    Sample(
        "page.html",
        _text(
            "<!doctype html><title>Museum</title><h1>Museum</h1><h2>Tickets</h2>"
            "<p>Pensioners enter free on Tuesdays.</p><h2>Exhibits</h2>"
            "<ul><li>A narwhal tusk hangs in the hall.</li></ul>"
        ),
        (
            Spot("Pensioners enter free on Tuesdays.", "Tickets", {}),
            Spot("A narwhal tusk hangs in the hall.", "Exhibits", {}),
        ),
    ),
    Sample(
        "notes.md",
        _text(
            "# Ferries\n\n## Timetable\n\nThe last ferry leaves before dusk.\n\n## Dogs\n\n- Dogs travel in the hold.\n"
        ),
        (
            Spot("The last ferry leaves before dusk.", "Timetable", {"line": 5}),
            Spot("Dogs travel in the hold.", "Dogs", {"line": 9}),
        ),
    ),
    Sample(
        "notes.txt",
        _text("A seal slept on the steps.\n\nNobody dared to wake it.\n"),
        (
            Spot("A seal slept on the steps.", "line 1", {"line": 1}),
            Spot("Nobody dared to wake it.", "line 3", {"line": 3}),
        ),
    ),
)
