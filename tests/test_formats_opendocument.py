"""OpenDocument texts and presentations: structure, notes, tables, and what is not shown left out and named."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from formats_laws import assert_outlives_mutants, block_of, blocks, heading_of, place_of, quotes, read
from odf.draw import Frame, Page, TextBox
from odf.opendocument import OpenDocumentPresentation, OpenDocumentText
from odf.presentation import Notes
from odf.style import DrawingPageProperties, MasterPage, PageLayout, Style, TextProperties
from odf.table import CoveredTableCell, Table, TableCell, TableRow
from odf.text import (
    H,
    IndexBody,
    LineBreak,
    List,
    ListItem,
    Note,
    NoteBody,
    NoteCitation,
    P,
    S,
    Section,
    Span,
    Tab,
    TableOfContent,
)

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.opendocument import SLIDES, TEXT


def _saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.write(buffer)
    return buffer.getvalue()


def _table(*rows: list[str]) -> Table:
    table = Table()
    for values in rows:
        row = TableRow()
        for value in values:
            cell = TableCell()
            cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
    return table


def _report() -> Any:
    document = OpenDocumentText()
    for name in ("Title", "Quotations"):
        document.styles.addElement(Style(name=name, family="paragraph"))
    title = Style(name="P1", family="paragraph", parentstylename="Title")
    document.automaticstyles.addElement(title)
    hidden = Style(name="T1", family="text")
    hidden.addElement(TextProperties(display="none"))
    document.automaticstyles.addElement(hidden)
    add = document.text.addElement
    add(P(stylename=title, text="Harbour report"))
    contents = TableOfContent(name="Contents")
    contents.addElement(IndexBody())
    contents.lastChild.addElement(P(text="Works .... 2"))
    add(contents)
    add(H(outlinelevel=1, text="Works"))
    paragraph = P(text="The quay")
    paragraph.addElement(S(c=1))
    paragraph.addElement(Span(text="is 240 metres"))
    paragraph.addElement(Span(stylename=hidden, text="secretly"))
    paragraph.addElement(LineBreak())
    paragraph.addText("long.")
    note = Note(noteclass="footnote")
    note.addElement(NoteCitation(text="1"))
    note.addElement(NoteBody())
    note.lastChild.addElement(P(text="Measured in 2023."))
    paragraph.addElement(note)
    paragraph.addText(" Mostly.")
    add(paragraph)
    add(H(outlinelevel=2, text="Costs"))
    add(_table(["Item", "Planned", "Spent"], ["Dredging", "300", "412"], ["Paving", "90", "85"]))
    entries = List()
    for text in ("first", "second"):
        entries.addElement(ListItem())
        entries.lastChild.addElement(P(text=text))
    add(entries)
    add(P(stylename="Quotations", text="Nobody saw it."))
    tabbed = P(text="a")
    tabbed.addElement(Tab())
    tabbed.addText("b")
    add(tabbed)
    return document


def test_a_text_keeps_its_structure_and_its_notes() -> None:
    document = read(_saved(_report()), TEXT)
    assert document.title == "Harbour report"
    assert blocks(document) == [
        ("title", "Harbour report"),
        ("heading", "Works"),
        ("paragraph", "The quay is 240 metres\nlong. Mostly."),
        ("paragraph", "Measured in 2023."),
        ("heading", "Costs"),
        ("row", "Item: Dredging | Planned: 300 | Spent: 412"),
        ("row", "Item: Paving | Planned: 90 | Spent: 85"),
        ("item", "first"),
        ("item", "second"),
        ("quote", "Nobody saw it."),
        ("paragraph", "a b"),
    ]
    assert heading_of(document, "Dredging") == ("Works", "Costs")
    assert place_of(document, "Measured", "a.odt") == "a.odt, Works"
    assert document.problems == ("Some of the text is hidden; not searched.",)


def test_cells_that_were_joined_downwards_stand_in_every_row() -> None:
    document = OpenDocumentText()
    table = _table(["Quay", "Ship", "Year"])
    for number, name in enumerate(("Ada", "Bea")):
        row = TableRow()
        row.addElement(CoveredTableCell() if number else TableCell(numberrowsspanned=2))
        if not number:
            row.lastChild.addElement(P(text="North"))
        for value in (name, "2023"):
            row.addElement(TableCell())
            row.lastChild.addElement(P(text=value))
        table.addElement(row)
    document.text.addElement(table)
    rows = ["Quay: North | Ship: Ada | Year: 2023", "Quay: North | Ship: Bea | Year: 2023"]
    assert quotes(read(_saved(document), TEXT), "row") == rows


def test_hidden_sections_are_left_out_and_a_text_of_nothing_else_is_named() -> None:
    document = OpenDocumentText()
    section = Section(name="s", display="none")
    section.addElement(P(text="Secret."))
    document.text.addElement(section)
    with pytest.raises(UnreadableFile, match="holds no text that is shown"):
        parse(_saved(document), TEXT, Limits())
    document.text.addElement(P(text="Open."))
    assert quotes(read(_saved(document), TEXT), "paragraph") == ["Open."]


def _talk() -> bytes:
    document = OpenDocumentPresentation()
    layout = PageLayout(name="L")
    document.automaticstyles.addElement(layout)
    master = MasterPage(name="M", pagelayoutname=layout)
    document.masterstyles.addElement(master)
    hidden = Style(name="hidden", family="drawing-page")
    hidden.addElement(DrawingPageProperties(visibility="hidden"))
    document.automaticstyles.addElement(hidden)
    for number, (title, text) in enumerate(
        [("Works", "The quay is long."), ("Secret", "No."), ("Costs", "It is dear.")]
    ):
        page = Page(name=title, masterpagename=master, **({"stylename": hidden} if title == "Secret" else {}))
        for kind, words in (("outline", text), ("title", title), ("footer", "Footing")):
            frame = Frame()
            frame.setAttrNS("urn:oasis:names:tc:opendocument:xmlns:presentation:1.0", "class", kind)
            frame.addElement(TextBox())
            frame.lastChild.addElement(P(text=words))
            page.addElement(frame)
        notes = Notes()
        frame = Frame()
        frame.setAttrNS("urn:oasis:names:tc:opendocument:xmlns:presentation:1.0", "class", "notes")
        frame.addElement(TextBox())
        frame.lastChild.addElement(P(text=f"Note {number}."))
        notes.addElement(frame)
        page.addElement(notes)
        document.presentation.addElement(page)
    return _saved(document)


def test_every_sentence_of_a_presentation_is_cited_at_its_slide() -> None:
    document = read(_talk(), SLIDES)
    assert document.title == "Works"
    assert [text for _, text in blocks(document)] == [
        *("Works", "The quay is long.", "Note 0."),
        *("Costs", "It is dear.", "Note 2."),
    ]
    assert place_of(document, "dear", "t.odp") == "t.odp, slide 3"
    assert place_of(document, "Note 2", "t.odp") == "t.odp, slide 3, notes"
    assert block_of(document, "dear").locator.heading == ("Costs",)
    assert document.problems == ("Slide 2 is hidden; not searched.",)


def test_a_password_and_a_package_of_another_kind_are_named() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_saved(_report()))) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in set(old.namelist()) - {"META-INF/manifest.xml"}:
            new.writestr(name, b"\x01\x02" if name == "content.xml" else old.read(name))
        new.writestr("META-INF/manifest.xml", "<m:manifest xmlns:m='m'><m:encryption-data/></m:manifest>")
    with pytest.raises(UnreadableFile, match="protected by a password"):
        parse(buffer.getvalue(), TEXT, Limits())
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as package:
        package.writestr("hello.txt", "words")
    with pytest.raises(UnreadableFile, match="whatever its name says"):
        parse(other.getvalue(), SLIDES, Limits())


def test_damaged_files_are_read_or_refused() -> None:
    assert_outlives_mutants(_saved(_report()), TEXT)
    assert_outlives_mutants(_talk(), SLIDES)
