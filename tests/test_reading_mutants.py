"""The law of damaged files: each is read lawfully or named, none takes its reader along, in bounded time and memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mutants import read_mutants
from samples import SAMPLES, Sample

MANY = int(os.environ.get("QA_MUTANTS", "40"))
"""How many of each format the slow test reads; 200 take some three minutes of one core in all."""

MOST_SECONDS = 10.0
"""Of processor time, for all mutants of one file: what else runs on the machine does not count."""

MOST_KIB = 512 * 1024


def assert_outlived(folder: Path, sample: Sample, count: int) -> None:
    tally = read_mutants(folder, sample, count)
    assert tally.costly == []
    assert tally.processor_seconds < MOST_SECONDS
    assert tally.peak_kib <= MOST_KIB


def test_a_few_mutants_of_some_formats_are_read_or_named(tmp_path: Path) -> None:
    for sample in SAMPLES[::4]:
        folder = tmp_path / sample.name
        folder.mkdir()
        assert_outlived(folder, sample, 4)


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_many_mutants_of_each_format_are_read_or_named(tmp_path: Path, sample: Sample) -> None:
    assert_outlived(tmp_path, sample, MANY)
