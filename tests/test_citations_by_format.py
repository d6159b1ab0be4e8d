"""The law of citations, format by format: a sentence at a known place, asked of all of them, is cited there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import SAMPLES, Sample
from shelf import Shelf

from qa.engine import Engine
from qa.formats import FORMATS, pictures, sheets, type_of
from qa.settings import Settings

NOT_MADE = {
    sheets.EXCEL_BINARY: "no library writes it; it is read by the library and the code that read .xls",
    **dict.fromkeys(pictures.TYPES, "read by text recognition: test_formats_ocr"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, small_model: str, model_cache: Path) -> Shelf:
    folder = tmp_path_factory.mktemp("samples")
    shelf = Shelf(folder / "docs", Settings(index=folder / "index", model=small_model, cache=model_cache))
    for sample in SAMPLES:
        shelf.write(f"files/{sample.name}", sample.make())
    report = shelf.index()
    assert report.added == len(SAMPLES)
    assert not any(problem.kind == "unreadable" for problem in report.problems)
    return shelf


@pytest.fixture(scope="module")
def engine(shelf: Shelf) -> Iterator[Engine]:
    with shelf.engine(min_confidence=0.0) as engine:
        yield engine


def test_there_is_a_sample_of_every_format() -> None:
    assert {type_of(sample.name, sample.make()) for sample in SAMPLES} | set(NOT_MADE) == {
        f.media_type for f in FORMATS
    }


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_known_sentence_is_cited_first_and_at_its_place(engine: Engine, sample: Sample) -> None:
    for spot in sample.spots:
        (found, *_) = engine.ask(f'"{spot.sentence}"').citations
        assert found.source.path == f"files/{sample.name}"
        assert spot.sentence in found.text
        assert found.label == f"{sample.name}, {spot.place}"
        assert {name: getattr(found.locator, name) for name in spot.fields} == spot.fields
