"""An index that is brought up to date before a command goes on, with its progress told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qa import terminal
from qa.cli.speaking import announce
from qa.records import IndexReport
from qa.settings import Settings

if TYPE_CHECKING:
    from qa.run import Choice

DEFAULT_CORPUS = Path("corpus")
"""What the default index is built from when `ask` finds none."""


UNFINISHED = "unfinished"
"""A file that lies in the default index while it is built for the first time: an interruption leaves it there."""


def default_index(settings: Settings) -> None:
    """Build the default index from the sample documents, where that is what a newcomer would expect."""
    if settings.index != Settings().index or not DEFAULT_CORPUS.is_dir():
        return
    from qa.database import FILE

    unfinished = settings.index / UNFINISHED
    if not (settings.index / FILE).exists() or unfinished.exists():
        announce(f"No index yet: building one in {settings.index}/ from the sample documents in {DEFAULT_CORPUS}/ ...")
        with suppress(OSError):  # what is wrong with the folder is said by indexing, and better
            settings.index.mkdir(exist_ok=True)
            unfinished.touch()
        build([DEFAULT_CORPUS], settings)
        unfinished.unlink(missing_ok=True)


def build(paths: list[Path], settings: Settings, wait_s: float = 0.0, choice: Choice | None = None) -> IndexReport:
    from qa import indexing
    from qa.run import Choice

    given = Choice() if choice is None else choice
    with terminal.progress() as progress:
        report = indexing.index(paths, settings, choice=given, announce=announce, progress=progress, wait_s=wait_s)
    for line in (*terminal.problems(report.problems), *terminal.absent(report)):
        click.echo(line, err=True)
    return report
