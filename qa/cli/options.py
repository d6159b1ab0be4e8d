"""The options that commands share, and what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from qa import payload
from qa.records import Filter
from qa.settings import MAX_BUDGET_MS, Settings, settle

if TYPE_CHECKING:
    from qa.run import Choice

SETTINGS_HELP = """Settings may also be given in the environment (QA_INDEX, QA_MODEL, QA_CACHE, QA_THREADS,
QA_MIN_CONFIDENCE, QA_READER, QA_BUDGET_MS, QA_RERANKER, QA_RERANKER_MS, QA_OCR, QA_FETCH_MODEL) or in the file qa.toml
(index = "...", and so on). An option goes before the environment, and that before the file."""


READING = ("reader", "budget_ms", "reranker", "reranker_ms")
"""Settings of the models that read passages together with the question."""


Command = Callable[..., Any]


def index_options(command: Command) -> Command:
    """The options of every command that opens an index."""
    for option in (
        click.option(
            "--model", metavar="NAME", help="Embedding model: a name or a folder. [default: all-MiniLM-L6-v2]"
        ),
        click.option("--cache", type=click.Path(), metavar="DIR", help="Folder for exported models."),
        click.option(
            "--fetch-model", is_flag=True, default=None, help="Allow the download of a model not on this machine."
        ),
        click.option(
            "--index", type=click.Path(), metavar="DIR", help="Folder of the index. [default: index, or QA_INDEX]"
        ),
    ):
        command = option(command)
    return command


def filter_options(command: Command) -> Command:
    """Which documents may answer."""
    for option in (
        click.option(
            "--before", default="", metavar="DATE", help="Only files modified before this date, not on it (2026-02-28)."
        ),
        click.option(
            "--after", default="", metavar="DATE", help="Only files modified on or after this date (2026-01-31)."
        ),
        click.option(
            "--title", default="", metavar="WORDS", help="Only documents with this in their title, in any case."
        ),
        click.option("--path", default="", metavar="GLOB", help="Only files whose path fits, as in 'briefings/*'."),
        click.option("--type", default="", metavar="TYPE", help="Only files of this ending or media type."),
    ):
        command = option(command)
    return command


class _Seconds(click.ParamType[float]):
    """For how long to wait; an option of this kind may stand without a value, and then waits until the end."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        with suppress(ValueError):
            if float(value) >= 0:
                return float(value)
        raise click.BadParameter(f"{value!r} is no number of seconds. Write --wait last, or --wait=60.", ctx, param)


wait_option = click.option(
    "--wait",
    "wait_s",
    type=_Seconds(),
    is_flag=False,
    flag_value=math.inf,
    default=0.0,
    metavar="[SECONDS]",
    help="Wait while another process writes to the index, for so long or until it ends. [default: do not wait]",
)


def rule_options(command: Command) -> Command:
    """Which files below the folders are for indexing."""
    patterns = "A pattern as in .gitignore; may be given again"
    for option in (
        click.option("--hidden/--no-hidden", default=None, help="Also files whose names begin with a dot, or not."),
        click.option(
            "--exclude", multiple=True, metavar="GLOB", help=f"Not these files. {patterns}; '' takes back all."
        ),
        click.option(
            "--include", multiple=True, metavar="GLOB", help=f"Only these files. {patterns}; '' takes back all."
        ),
    ):
        command = option(command)
    return command


poll_option = click.option(
    "--poll",
    "poll_s",
    type=click.FloatRange(0.2, 86400),
    metavar="SECONDS",
    help="Look the folders over so often instead of being told by the system, as network file systems need.",
)


least_confidence = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help=f"Below it the documents do not say. [default: {Settings().min_confidence}]",
)


def reading_options(command: Command) -> Command:
    """The options of every command that asks."""
    for option in (
        click.option(
            "--reranker-ms",
            type=click.IntRange(0, MAX_BUDGET_MS),
            metavar="MS",
            help=f"Milliseconds a question that the reranker may read. [default: {Settings().reranker_ms}]",
        ),
        click.option(
            "--reranker",
            metavar="NAME",
            help="Cross-encoder that puts the best passages in order: a name or a folder. [default: none]",
        ),
        click.option(
            "--budget-ms",
            type=click.IntRange(0, MAX_BUDGET_MS),
            metavar="MS",
            help=f"Milliseconds a question that the reader may read. [default: {Settings().budget_ms}]",
        ),
        click.option("--no-reader", "reader", flag_value="", default=None, help="Answer without a reader."),
        click.option(
            "--reader",
            metavar="NAME",
            default=None,
            help="Model that reads the best passages: a name or a folder. [default: the bundled one]",
        ),
    ):
        command = option(command)
    return command


ocr_option = click.option(
    "--ocr", is_flag=True, default=None, help='Read scans and pictures by text recognition (pip install "qa[ocr]").'
)


def choice_of(flags: dict[str, Any]) -> Choice:
    """What the options above say, to be kept with the folders."""
    from qa.run import Choice

    include, exclude, hidden = (flags.pop(name) for name in ("include", "exclude", "hidden"))
    return Choice(include or None, exclude or None, hidden)


def filter_of(flags: dict[str, Any]) -> Filter:
    return payload.parse_filter(**{name: flags.pop(name) for name in ("type", "path", "title", "after", "before")})


def settings_of(flags: dict[str, Any], *more: str) -> Settings:
    names = ("index", "model", "cache", "fetch_model", *more)
    return settle({name: flags.pop(name) for name in names})
