"""Slides: each sentence at its slide, and what is not shown left out and named."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from formats_laws import assert_outlives_mutants, block_of, blocks, place_of, quotes, read
from PIL import Image
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.util import Inches

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.slides import MEDIA_TYPE

_BOX = (Inches(1), Inches(1), Inches(6), Inches(2))


def _written(*writers: Callable[[Any], object], title: str = "") -> bytes:
    """A deck with a slide for each writer."""
    deck = Presentation()
    deck.core_properties.title = title
    for write in writers:
        write(deck.slides.add_slide(deck.slide_layouts[1]))
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def _harbour(slide: Any) -> None:
    slide.shapes.title.text = "Harbour works"
    slide.placeholders[1].text_frame.text = "The quay is 240 metres long."
    slide.placeholders[1].text_frame.add_paragraph().text = "The crane lifts 40 tonnes."
    slide.notes_slide.notes_text_frame.text = "Mention that the ferry was late."


def _costs(slide: Any) -> None:
    slide.shapes.title.text = "Costs"
    table = slide.shapes.add_table(3, 3, *_BOX).table
    texts = ["Item", "Planned", "Spent", "Dredging", "300", "412", "Paving", "90", "85"]
    for cell, text in zip(table.iter_cells(), texts, strict=True):
        cell.text = text


def _visitors(slide: Any) -> None:
    slide.shapes.title.text = "Visitors"
    data = CategoryChartData()
    data.categories = ["2021", "2022"]
    data.add_series("Adults", (1200, 1350.5))
    data.add_series("Children", (400, None))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *_BOX, data).chart
    (plot,) = chart._chartSpace.xpath(".//c:barChart")
    plot.tag = plot.tag.replace("bar", "bar3D")  # of a kind that the library does not know
    chart.has_title = True
    chart.chart_title.text_frame.text = "Visitors by year"


def test_every_sentence_is_cited_at_its_slide() -> None:
    document = read(_written(_harbour, _costs, _visitors), MEDIA_TYPE)
    assert document.title == "Harbour works"
    assert blocks(document) == [
        ("heading", "Harbour works"),
        ("item", "The quay is 240 metres long."),
        ("item", "The crane lifts 40 tonnes."),
        ("paragraph", "Mention that the ferry was late."),
        ("heading", "Costs"),
        ("row", "Item: Dredging | Planned: 300 | Spent: 412"),
        ("row", "Item: Paving | Planned: 90 | Spent: 85"),
        ("heading", "Visitors"),
        ("caption", "Visitors by year"),
        ("row", "2021 | Adults: 1200 | Children: 400"),
        ("row", "2022 | Adults: 1350.5"),
    ]
    for quote, place in {
        "quay is 240": "slide 1",
        "ferry was late": "slide 1, notes",
        "Dredging": "slide 2",
        "1350.5": "slide 3",
    }.items():
        assert place_of(document, quote, "talk.pptx") == f"talk.pptx, {place}"
    assert block_of(document, "Dredging").locator.heading == ("Costs",)
    assert [block.locator.page for block in document.blocks] == [1] * 4 + [2] * 3 + [3] * 4


def test_the_title_is_the_one_that_somebody_gave_the_file() -> None:
    assert read(_written(_harbour, title="Harbour report 2024"), MEDIA_TYPE).title == "Harbour report 2024"
    assert read(_written(_harbour, title="PowerPoint Presentation"), MEDIA_TYPE).title == "Harbour works"


def test_hidden_slides_and_shapes_are_left_out_and_named() -> None:
    def hidden(slide: Any) -> None:
        slide.shapes.title.text = "Secret plans"
        slide.element.set("show", "0")

    def veiled(slide: Any) -> None:
        slide.shapes.title.text = "Open plans"
        box = slide.shapes.add_textbox(*_BOX)
        box.text_frame.text = "Not for everyone."
        box._element.nvSpPr.cNvPr.set("hidden", "1")

    document = read(_written(_harbour, hidden, veiled), MEDIA_TYPE)
    assert "Secret" not in document.text
    assert "Not for everyone" not in document.text
    assert place_of(document, "Open plans", "a.pptx") == "a.pptx, slide 3"
    assert document.problems == (
        "Slide 2 is hidden; not searched.",
        "Slide 3 has hidden shapes; not searched.",
    )
    with pytest.raises(UnreadableFile, match="hidden slides only"):
        parse(_written(hidden), MEDIA_TYPE, Limits())


def test_slides_without_words_are_named() -> None:
    document = read(_written(_harbour, lambda slide: None, lambda slide: None), MEDIA_TYPE)
    assert document.problems == ("Slides 2, 3 hold no text (pictures only?).",)
    with pytest.raises(UnreadableFile, match="empty or pictures"):
        parse(_written(lambda slide: None), MEDIA_TYPE, Limits())


def test_pictures_are_not_needed_for_the_words_beside_them() -> None:
    def illustrated(slide: Any) -> None:
        _harbour(slide)
        picture = io.BytesIO()
        Image.new("RGB", (400, 400), "red").save(picture, "BMP")
        slide.shapes.add_picture(picture, *_BOX[:2])

    assert read(_written(illustrated), MEDIA_TYPE) == read(_written(_harbour), MEDIA_TYPE)


def test_slide_numbers_dates_and_footers_are_left_out() -> None:
    def with_footer(slide: Any) -> None:
        _harbour(slide)
        for place in slide.slide_layout.placeholders:
            if place.placeholder_format.idx in (10, 11, 12):
                slide.shapes.clone_placeholder(place)
        for place in slide.placeholders:
            if place.placeholder_format.idx in (10, 11, 12):
                place.text_frame.text = "Footing words"

    data = _written(with_footer)
    assert "Footing words" in str([s.text_frame.text for s in Presentation(io.BytesIO(data)).slides[0].placeholders])
    assert "Footing words" not in read(data, MEDIA_TYPE).text


def test_groups_and_shapes_of_newer_programs_are_read() -> None:
    def grouped(slide: Any) -> None:
        slide.shapes.title.text = "Groups"
        group = slide.shapes.add_group_shape()
        group.shapes.add_textbox(*_BOX).text_frame.text = "Within a group."
        box = slide.shapes.add_textbox(*_BOX)
        box.text_frame.text = "Newer shape."
        space = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        wrapped = parse_xml(f'<mc:AlternateContent {space}><mc:Choice Requires="a14"/></mc:AlternateContent>')
        box._element.addprevious(wrapped)
        wrapped[0].append(box._element)

    assert quotes(read(_written(grouped), MEDIA_TYPE), "paragraph") == ["Within a group.", "Newer shape."]


def test_a_damaged_deck_is_read_or_refused() -> None:
    assert_outlives_mutants(_written(_harbour, _costs), MEDIA_TYPE)
