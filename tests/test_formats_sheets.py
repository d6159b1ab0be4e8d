"""Spreadsheets and separated values: each row at its cells, with the names of its columns."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any

import openpyxl
import pytest
import xlwt
from binary_sheet import workbook
from formats_laws import assert_outlives_mutants, block_of, blocks, place_of, quotes, read
from hypothesis import given
from hypothesis import strategies as st
from odf.opendocument import OpenDocumentSpreadsheet
from odf.style import Style, TableProperties
from odf.table import Table, TableCell, TableRow
from odf.text import P

from qa.errors import UnreadableFile
from qa.formats import Limits, parse, tables

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BINARY_EXCEL = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
OLD_EXCEL = "application/vnd.ms-excel"
OPEN_SHEET = "application/vnd.oasis.opendocument.spreadsheet"
CSV, TSV = "text/csv", "text/tab-separated-values"

_COSTS = [["Item", "Planned", "Spent"], ["Dredging", 300, 412.5], ["Paving", 90, 85]]


def _written(write: Callable[[Any], object]) -> bytes:
    book = openpyxl.Workbook()
    write(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _costs(book: Any) -> None:
    sheet = book.active
    sheet.title = "Costs"
    sheet["B2"] = "Costs of the harbour"
    for row, values in enumerate(_COSTS, 3):
        for column, value in enumerate(values, 2):
            sheet.cell(row, column, value)
    other = book.create_sheet("Who's who")
    other.append(["Name", "Role", "Since"])
    other.append(["Ada", "Harbour master", date(2019, 3, 1)])
    other["A5"] = "The list is kept by the secretary."


def test_every_row_is_cited_at_its_cells_with_the_names_of_its_columns() -> None:
    document = read(_written(_costs), EXCEL)
    assert blocks(document) == [
        ("heading", "Costs"),
        ("heading", "Costs of the harbour"),
        ("row", "Item: Dredging | Planned: 300 | Spent: 412.5"),
        ("row", "Item: Paving | Planned: 90 | Spent: 85"),
        ("heading", "Who's who"),
        ("row", "Name: Ada | Role: Harbour master | Since: 2019-03-01"),
        ("paragraph", "The list is kept by the secretary."),
    ]
    assert place_of(document, "Dredging", "b.xlsx") == "b.xlsx, Costs!B4:D4"
    assert place_of(document, "Paving", "b.xlsx") == "b.xlsx, Costs!B5:D5"
    assert place_of(document, "Ada", "b.xlsx") == "b.xlsx, 'Who''s who'!A2:C2"
    assert place_of(document, "secretary", "b.xlsx") == "b.xlsx, 'Who''s who'!A5"
    assert block_of(document, "Paving").locator.heading == ("Costs", "Costs of the harbour")


def test_the_old_formats_and_open_document_read_the_same() -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Costs")
    sheet.row(3).hidden = sheet.col(3).hidden = True
    sheet.write(3, 0, "Not shown")
    sheet.write(0, 3, "Nor this")
    book.add_sheet("Secret").visibility = 1
    buffer = io.BytesIO()
    open_book = OpenDocumentSpreadsheet()
    table = Table(name="Costs")
    for row, values in enumerate(_COSTS):
        line = TableRow()
        for column, value in enumerate(values):
            sheet.write(row, column, value)
            kind = {"valuetype": "string"} if isinstance(value, str) else {"valuetype": "float", "value": value}
            line.addElement(TableCell(**kind))
            line.lastChild.addElement(P(text=str(value)))
        table.addElement(line)
    hidden = Style(name="hidden", family="table")
    hidden.addElement(TableProperties(display="false"))
    open_book.automaticstyles.addElement(hidden)
    open_book.spreadsheet.addElement(table)
    open_book.spreadsheet.addElement(Table(name="Secret", stylename=hidden))
    book.save(buffer)
    open_buffer = io.BytesIO()
    open_book.write(open_buffer)
    old, other = read(buffer.getvalue(), OLD_EXCEL), read(open_buffer.getvalue(), OPEN_SHEET)
    for document in (old, other):
        assert quotes(document, "row") == [
            "Item: Dredging | Planned: 300 | Spent: 412.5",
            "Item: Paving | Planned: 90 | Spent: 85",
        ]
        assert place_of(document, "Paving", "b.ods") == "b.ods, Costs!A3:C3"
        assert document.problems[-1] == "Sheet Secret is hidden; not searched."
    assert old.problems[0] == "1 row, 1 column of sheet Costs are hidden; not searched."
    assert_outlives_mutants(buffer.getvalue(), OLD_EXCEL)
    assert_outlives_mutants(open_buffer.getvalue(), OPEN_SHEET)


def test_hidden_sheets_rows_and_columns_are_left_out_and_named() -> None:
    def hidden(book: Any) -> None:
        _costs(book)
        book["Costs"].row_dimensions[5].hidden = True
        book["Costs"].column_dimensions["D"].hidden = True
        book["Costs"]["E4"] = "Nobody sees it."
        book["Costs"]["E4"].number_format = ";;;"
        book["Who's who"].sheet_state = "hidden"

    document = read(_written(hidden), EXCEL)
    assert quotes(document, "row") == ["Item: Dredging | Planned: 300"]
    assert document.problems == (
        "1 row, 1 column, 1 cell of sheet Costs are hidden; not searched.",
        "Sheet Who's who is hidden; not searched.",
    )


def test_percentages_money_and_truth_are_shown_as_in_the_program() -> None:
    def formatted(book: Any) -> None:
        sheet = book.active
        sheet.append(["Name", "Share", "Price", "Paid", "Sum"])
        sheet.append(["Ada", 0.125, 1200, True, 0.1 + 0.2])
        sheet["B2"].number_format = "0.0%"
        sheet["C2"].number_format = '"$"#,##0.00'

    row = "Name: Ada | Share: 12.5% | Price: $1,200 | Paid: TRUE | Sum: 0.3"
    assert quotes(read(_written(formatted), EXCEL), "row") == [row]


def test_formulas_without_a_stored_value_are_named() -> None:
    def formulas(book: Any) -> None:
        book.active.append(["Sum", "of", "it"])
        book.active.append(["=A3+A4", "x", "y"])

    assert read(_written(formulas), EXCEL).problems == (
        "1 formula has no stored value in sheet Sheet; open and save the file to search them.",
    )


def test_tables_side_by_side_are_parted_and_joined_cells_stand_in_every_row_they_cover() -> None:
    def sheet_of_three(book: Any) -> None:
        sheet = book.active
        for row, values in enumerate([["Year", "Ships"], [2021, 7], [2022, 9], [2023, 4]], 1):
            for column, value in enumerate(values):
                sheet.cell(row, 1 + column, value)
                sheet.cell(row, 5 + column, f"Other {value}" if row == 1 else value + 100)
        for row, values in enumerate([["", "2023", "", "2024"], ["Quay", "In", "Out", "In"], ["North", 1, 2, 3]], 7):
            for column, value in enumerate(values, 1):
                sheet.cell(row, column, value)
        sheet.merge_cells("B7:C7")
        sheet.cell(10, 2, 4)
        sheet.merge_cells("A9:A10")

    document = read(_written(sheet_of_three), EXCEL)
    assert quotes(document, "row") == [
        *("Year: 2021 | Ships: 7", "Year: 2022 | Ships: 9", "Year: 2023 | Ships: 4"),
        *("Other Year: 2121 | Other Ships: 107", "Other Year: 2122 | Other Ships: 109"),
        "Other Year: 2123 | Other Ships: 104",
        "Quay: North | 2023 In: 1 | 2023 Out: 2 | 2024 In: 3",
        "Quay: North | 2023 In: 4",
    ]
    assert place_of(document, "Ships: 109", "a.xlsx") == "a.xlsx, Sheet!E3:F3"


def test_a_table_that_goes_on_after_an_empty_row_keeps_the_names_of_its_columns() -> None:
    def parted(book: Any) -> None:
        for row in [*_COSTS, [], ["Lighting", 12, 13], [], ["A", "new", "table"], ["x", 1, 2]]:
            book.active.append(row)

    assert quotes(read(_written(parted), EXCEL), "row")[2:] == [
        "Item: Lighting | Planned: 12 | Spent: 13",
        "A: x | new: 1 | table: 2",
    ]


def test_a_row_too_long_for_a_sentence_is_cut_between_cells_and_each_part_begins_with_the_first() -> None:
    def wide(book: Any) -> None:
        book.active.append(["City", *(f"Column {n}" for n in range(60))])
        book.active.append(["Toronto", *(f"value {n} of many" for n in range(60))])

    document = read(_written(wide), EXCEL)
    rows = quotes(document, "row")
    assert len(rows) > 2
    assert all(row.startswith("City: Toronto | ") and len(row) < 1_000 for row in rows)
    for number in range(60):
        assert sum(f"Column {number}: value {number} of many" in row for row in rows) == 1
    assert place_of(document, "Column 59: ", "a.xlsx").endswith(":BI2")


def test_cells_spread_so_far_that_memory_would_not_hold_them_are_refused() -> None:
    def far(book: Any) -> None:
        book.active["A1"] = "near"
        book.active["XFD1048576"] = "far"

    with pytest.raises(UnreadableFile, match="spread over"):
        parse(_written(far), EXCEL, Limits())


def test_a_workbook_without_words_or_with_hidden_ones_only_is_named_with_the_reason() -> None:
    with pytest.raises(UnreadableFile, match="holds no text"):
        parse(_written(lambda book: None), EXCEL, Limits())

    def hidden(book: Any) -> None:
        _costs(book)
        book["Who's who"].sheet_state = "hidden"
        for number in range(1, 6):
            book["Costs"].row_dimensions[number].hidden = True

    with pytest.raises(UnreadableFile, match="holds no text that is shown"):
        parse(_written(hidden), EXCEL, Limits())


def test_a_damaged_workbook_is_read_or_refused() -> None:
    assert_outlives_mutants(_written(_costs), EXCEL)


# --- separated values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_and_encoding_are_found(delimiter: str, encoding: str) -> None:
    lines = [("Name", "City", "Note"), ("José", "Liége", '"a, b; c | d\te"'), ("Zoé", "Gdask", "née vue, encore")]
    if delimiter == ",":
        lines[2] = ("Zoé", "Gdask", '"née vue, encore"')
    text = "\r\n".join(delimiter.join(line) for line in lines)
    document = read(text.encode(encoding), CSV)
    assert quotes(document, "row") == [
        "Name: José | City: Liége | Note: a, b; c | d e",
        "Name: Zoé | City: Gdask | Note: née vue, encore",
    ]
    assert place_of(document, "José", "a.csv") == "a.csv, row 2"


def test_a_row_knows_its_number_and_the_line_it_begins_on() -> None:
    document = read('name,note,year\nAda,"two\nlines",1815\nBob,one,1820\n', CSV)
    assert quotes(document, "row") == ["name: Ada | note: two lines | year: 1815", "name: Bob | note: one | year: 1820"]
    assert place_of(document, "Bob", "a.csv") == "a.csv, row 3"
    assert block_of(document, "Bob").locator.line == 4


def test_figures_are_no_names_of_columns() -> None:
    assert quotes(read("1\t2\n3\t4\n", TSV), "row") == ["1 | 2", "3 | 4"]


def test_a_delimiter_that_the_first_line_announces_is_believed() -> None:
    assert quotes(read("sep=;\na;b\n1;2,5\n", CSV), "row") == ["a: 1 | b: 2,5"]


def test_damaged_values_are_read_or_refused() -> None:
    for data in ("a,b\n" * 50 + '"open', 'a"b,"c\nd"e,f\n' * 20):
        assert_outlives_mutants(data.encode(), CSV)
    read('a,b\n"' + "x" * 300_000 + '",c\n', CSV)


_CELLS = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=8)


@given(rows=st.lists(st.lists(_CELLS, min_size=4, max_size=4), min_size=1, max_size=12))
def test_no_cell_of_a_table_is_lost(rows: list[list[str]]) -> None:
    """Each stands in a part of its row, in the order of the columns, or names a column of the rows below."""
    found = list(tables.laid_out(tables.Line(number, row) for number, row in enumerate(rows, 1)))
    for number, row in enumerate(rows, 1):
        parts = [part for part in found if part.row == number]
        for column, cell in enumerate(row):
            holders = [part.text for part in parts if part.first <= column <= part.last]
            below = [part for part in found if part.row > number and part.first <= column <= part.last]
            filled = any(cells[column] and sum(map(bool, cells)) > 1 for cells in rows[number:])
            named = any(cell in part.text for part in below) or not filled
            assert not cell or (any(cell in text for text in holders) if parts else named)


def test_binary_workbooks_are_read_like_others() -> None:
    sheets = {"Costs": _COSTS, "Who's who": [["Name", "Role", "Since"], ["Ada", "Pilot", 2019]], "Notes": [["Secret"]]}
    document = read(workbook(sheets, hidden=["Notes"]), BINARY_EXCEL)
    assert quotes(document, "row") == [
        "Item: Dredging | Planned: 300 | Spent: 412.5",
        "Item: Paving | Planned: 90 | Spent: 85",
        "Name: Ada | Role: Pilot | Since: 2019",
    ]
    assert place_of(document, "Dredging", "a.xlsb") == "a.xlsb, Costs!A2:C2"
    assert place_of(document, "Pilot", "a.xlsb") == "a.xlsb, 'Who''s who'!A2:C2"
    assert document.problems == ("Sheet Notes is hidden; not searched.",)


def test_a_damaged_binary_workbook_is_read_or_refused() -> None:
    assert_outlives_mutants(workbook({"Costs": _COSTS}), BINARY_EXCEL)
