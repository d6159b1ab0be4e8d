"""Rich Text: styles, tables, notes, character sets, and what is not shown left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats_laws import assert_outlives_mutants, blocks, heading_of, place_of, quotes, read, read_or_reason
from hypothesis import given
from hypothesis import strategies as st

from qa.errors import UnreadableFile
from qa.formats import Limits, media_type, parse
from qa.formats.rtf import MEDIA_TYPE

_HEAD = r"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}{\f2\fcharset128 M;}}
{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}{\s5 Title;}{\*\cs9 Emphasis;}}
{\info{\title Properties title}{\author Nobody}}{\header Running head\par}{\*\generator Some program;}"""

_REPORT = (
    _HEAD
    + r"""\pard\s5 Harbour report\par\pard\s1 Works\par
\pard\plain The quay is 240 metres \'ab long \'bb, {\f1\'cf\'ee\'f0\'f2}, {\f2\'8d\'60}, \u8364?5,\~\u-10179?\u-8704?
{\v secretly}{\super\chftn{\footnote\pard Measured in {\i 2023}.\par}} and {\deleted not }deep.\par
\pard\s2 Costs\par
\trowd\cellx1000\cellx2000\cellx3000\pard\intbl Item\cell Planned\cell Spent\cell\row
\trowd\pard\intbl Dredging\cell 300\cell 412\par euro\cell\row
{\pard{\listtext\'b7\tab}\ls1 first\par}{\pntext 2.}second\par
{\field{\*\fldinst HYPERLINK "http://x"}{\fldrslt a link}} ends.{\pict\bin3 }}}}{\shp{\*\shpinst{\sp{\sn a}{\sv b}}
{\shptxt\pard In a box.\par}}}\par}"""
)


def test_structure_tables_notes_and_characters_come_through() -> None:
    document = read(_REPORT, MEDIA_TYPE)
    assert document.title == "Harbour report"
    assert blocks(document) == [
        ("title", "Harbour report"),
        ("heading", "Works"),
        ("paragraph", "The quay is 240 metres « long », Порт, 港, €5,\u00a0😀 and deep."),
        ("paragraph", "Measured in 2023."),
        ("heading", "Costs"),
        ("row", "Item: Dredging | Planned: 300 | Spent: 412 euro"),
        ("item", "first"),
        ("item", "second"),
        ("paragraph", "a link ends."),
        ("paragraph", "In a box."),
    ]
    assert heading_of(document, "Dredging") == ("Works", "Costs")
    assert place_of(document, "Measured", "a.rtf") == "a.rtf, Works"
    assert document.problems == ("Some of the text is hidden; not searched.",)


def test_the_title_comes_from_the_properties_when_no_paragraph_is_styled_so() -> None:
    assert read(_HEAD + r"\pard Words.\par}", MEDIA_TYPE).title == "Properties title"


def test_rich_text_is_known_by_its_first_bytes_under_any_name(tmp_path: Path) -> None:
    for name in ("a.rtf", "a.txt", "a.docx"):
        (tmp_path / name).write_text(_REPORT)
        assert media_type(tmp_path / name) == MEDIA_TYPE


def test_a_file_that_is_no_rich_text_or_holds_none_is_named() -> None:
    with pytest.raises(UnreadableFile, match="is not an RTF file"):
        parse(b"just words", MEDIA_TYPE, Limits())
    with pytest.raises(UnreadableFile, match="holds no text"):
        parse(rb"{\rtf1 {\header x}}", MEDIA_TYPE, Limits())
    with pytest.raises(UnreadableFile, match="holds no text that is shown"):
        parse(rb"{\rtf1 {\v x}\par}", MEDIA_TYPE, Limits())


def test_hostile_and_damaged_files_are_read_or_refused() -> None:
    for unit in ("{", r"\par", r"\intbl a\par ", r"\cell", "{\\footnote ", r"\'81", r"\u-1?", "}", r"\bin99999999999 "):
        read_or_reason((r"{\rtf1\f2 " + unit * 30_000).encode(), MEDIA_TYPE)
    assert_outlives_mutants(_REPORT.encode(), MEDIA_TYPE)


@given(
    paragraphs=st.lists(
        st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20), min_size=1, max_size=6
    )
)
def test_every_paragraph_comes_through_whole(paragraphs: list[str]) -> None:
    def escaped(text: str) -> str:
        data = text.encode("utf-16-le")
        units = (int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2))
        return "".join(f"\\u{unit - 65_536 if unit > 32_767 else unit}?" for unit in units)

    source = "{\\rtf1\\ansi " + "".join(f"\\pard {escaped(text)}\\par" for text in paragraphs) + "}"
    assert quotes(read(source, MEDIA_TYPE), "paragraph") == paragraphs
