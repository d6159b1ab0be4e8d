"""Notebooks: each sentence at its cell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from formats_laws import assert_outlives_mutants, block_of, blocks, place_of, read

from qa.errors import UnreadableFile
from qa.formats import Limits, parse
from qa.formats.notebook import MEDIA_TYPE


def _saved(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}).encode()


def _prose(*lines: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": list(lines)}


def _code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": source, "outputs": list(outputs)}


_STUDY = (
    _prose("# Tides\n", "\n", "We *measure* the tide.\n"),
    _code(
        "tide = measure()\nprint(tide)",
        {"output_type": "stream", "name": "stdout", "text": ["4.2 \x1b[31mmetres\x1b[0m\n"]},
        {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo=", "text/plain": ["<Figure>"]}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["Traceback"]},
    ),
    _prose("## Results\n", "- It is high.\n", "\n", "```\nunclosed"),
    _prose("The next cell is not swallowed."),
    {"cell_type": "raw", "metadata": {}, "source": "Raw words."},
)


def test_every_sentence_is_cited_at_its_cell_below_the_headings_of_earlier_ones() -> None:
    document = read(_saved(*_STUDY), MEDIA_TYPE)
    assert document.title == "Tides"
    assert blocks(document) == [
        ("heading", "Tides"),
        ("paragraph", "We *measure* the tide."),
        ("code", "tide = measure()\nprint(tide)"),
        ("code", "4.2 metres"),
        ("code", "<Figure>"),
        ("heading", "Results"),
        ("item", "It is high."),
        ("code", "unclosed"),
        ("paragraph", "The next cell is not swallowed."),
        ("paragraph", "Raw words."),
    ]
    for quote, cell in {"We *measure*": 1, "print(tide)": 2, "It is high": 3, "swallowed": 4, "Raw": 5}.items():
        assert place_of(document, quote, "tides.ipynb") == f"tides.ipynb, cell {cell}"
    assert place_of(document, "4.2 metres", "tides.ipynb") == "tides.ipynb, cell 2, result"
    assert block_of(document, "swallowed").locator.heading == ("Tides", "Results")


def test_the_third_edition_of_the_format_is_read() -> None:
    cells = [{"cell_type": "heading", "level": 1, "source": ["Old"]}, {"cell_type": "code", "input": ["x = 1"]}]
    document = read(json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}), MEDIA_TYPE)
    assert blocks(document) == [("heading", "Old"), ("code", "x = 1")]
    assert place_of(document, "x = 1", "a.ipynb") == "a.ipynb, cell 2"


def test_results_too_long_to_answer_anything_are_named() -> None:
    log = {"output_type": "stream", "text": "x" * 30_000}
    assert read(_saved(_code("run()", log)), MEDIA_TYPE).problems == (
        "1 result is longer than 20,000 characters; not searched.",
    )


@pytest.mark.parametrize("data", [b"not json", b"[1, 2]", b'{"a": 1}', b"{"])
def test_what_is_no_notebook_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match="is not a notebook"):
        parse(data, MEDIA_TYPE, Limits())


def test_odd_and_damaged_notebooks_are_read_or_refused() -> None:
    odd = [
        {"cell_type": "markdown", "source": 7},
        {"source": [1, "a"]},
        {"cell_type": "code", "outputs": [{"data": 5}]},
    ]
    assert blocks(read(json.dumps({"cells": [*odd, 5, None]}), MEDIA_TYPE)) == [("paragraph", "a")]
    assert_outlives_mutants(_saved(*_STUDY), MEDIA_TYPE)
