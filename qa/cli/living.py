"""The commands of an index that lives: made, kept up to date, served, looked at."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qa import terminal
from qa.cli.building import build, default_index
from qa.cli.options import (
    READING,
    choice_of,
    index_options,
    least_confidence,
    ocr_option,
    poll_option,
    reading_options,
    rule_options,
    settings_of,
    wait_option,
)
from qa.cli.speaking import announce, complain, print_json, told
from qa.records import IndexReport
from qa.settings import Settings

if TYPE_CHECKING:
    from qa.following import Follower

ENDING_S = 5.0
"""How long a server that ends waits for what it is indexing to come to a point where it can be left."""


@click.command("index")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--threads", type=click.IntRange(0, 1024), help="Texts encoded side by side. [default: one a core]")
@click.option("--reencode", is_flag=True, help="Change the index over to --model first, from the text it holds.")
@wait_option
@rule_options
@ocr_option
@index_options
def index_(paths: tuple[Path, ...], as_json: bool, reencode: bool, wait_s: float, **flags: Any) -> None:
    """Index the files below each PATH, or bring all that is indexed up to date.

    Only what changed is read, and only new text encoded. --include, --exclude and --hidden are kept with each PATH, or
    with all folders when none is named, until they are given anew. What .gitignore and .qaignore files say is left out;
    qa status says how many files were, and by which rule.

    Exits with 1 when a file of a supported type could not be read, or a folder is not there; each is named with its
    reason.
    """
    with told():
        choice = choice_of(flags)
        settings = settings_of(flags, "threads", "ocr")
        if reencode:
            from qa import reencoding

            with terminal.steps("Encoding") as progress:
                done = reencoding.reencode(settings, announce=announce, progress=progress, wait_s=wait_s)
            announce(f"From the model {done.old.model} to {done.new.model}: {done.encoded:,} passages encoded.")
        report = build(list(paths), settings, wait_s, choice)
        if as_json:
            print_json(_report_json(report))
        else:
            click.echo(terminal.summary(report, settings.index))
        failed = report.absent or any(problem.kind == "unreadable" for problem in report.problems)
        raise SystemExit(1 if failed else 0)


def _report_json(report: IndexReport) -> dict[str, Any]:
    counts = {name: getattr(report, name) for name in ("added", "changed", "removed", "unchanged", "encoded", "kept")}
    return {
        **counts,
        "pending": report.pending,
        "problems": [asdict(problem) for problem in report.problems],
        "absent": [str(path) for path in report.absent],
        "left_out": [asdict(each) for each in report.left_out],
    }


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@wait_option
@index_options
def drop(folder: Path, wait_s: float, **flags: Any) -> None:
    """Take a FOLDER that was indexed out of the index, with all its documents; the folder itself is left alone.

    FOLDER is its path, whether it is still there or not, or what the paths of its documents begin with.
    """
    with told():
        from qa.indexing import Indexer

        settings = settings_of(flags)
        count = Indexer(settings, command="qa drop", announce=announce).drop(folder, wait_s=wait_s)
        documents = "document" if count == 1 else "documents"
        click.echo(terminal.plain(f"Index {settings.index}: {folder} was taken out, {count:,} {documents}."))


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--watch/--no-watch", "watched", default=True, help="Follow the folders, as qa watch does, or do not.")
@poll_option
@rule_options
@least_confidence
@reading_options
@index_options
def serve(paths: tuple[Path, ...], host: str, port: int, watched: bool, poll_s: float | None, **flags: Any) -> None:
    """Serve the search page and the JSON endpoint; index each PATH first, and follow all indexed folders."""
    with told():
        from qa import web
        from qa.engine import Engine

        choice = choice_of(flags)
        settings = settings_of(flags, "min_confidence", *READING)
        if paths:
            click.echo(terminal.summary(build(list(paths), settings, choice=choice), settings.index), err=True)
        else:
            default_index(settings)
        engine = Engine.open(settings, announce)
        follower = _follower(settings, poll_s, "qa serve")
        following = threading.Thread(target=follower.run, name="following", daemon=True)
        if watched:
            engine.following = follower.state
            following.start()
        try:
            web.serve(engine, host, port, on_ready=lambda url: announce(f"Serving {url} (Ctrl-C ends it)"))
        finally:
            follower.stop()
            if watched:
                following.join(ENDING_S)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@poll_option
@rule_options
@click.option("--threads", type=click.IntRange(0, 1024), help="Texts encoded side by side. [default: one a core]")
@index_options
def watch(paths: tuple[Path, ...], poll_s: float | None, **flags: Any) -> None:
    """Keep the index up to date while files below its folders are added, edited, renamed, moved and deleted; index each
    PATH first.

    What changed while nothing followed is found at the start. A folder that is unmounted keeps its documents. Ctrl-C
    ends it.
    """
    with told():
        choice = choice_of(flags)
        settings = settings_of(flags, "threads")
        click.echo(terminal.summary(build(list(paths), settings, choice=choice), settings.index), err=True)
        follower = _follower(settings, poll_s, "qa watch")
        announce(f"Following the folders of {settings.index} (Ctrl-C ends it)")
        follower.run()


def _follower(settings: Settings, poll_s: float | None, command: str) -> Follower:
    """What follows the folders of an index, and tells of what it does on stderr."""
    from qa.following import Follower
    from qa.indexing import Indexer

    def done(report: IndexReport) -> None:
        if report.added or report.changed or report.removed:
            for line in terminal.problems(report.problems):
                complain(line)
            complain(terminal.summary(report, settings.index))

    indexer = Indexer(settings, command=command, announce=complain)
    return Follower(indexer, settings.index, poll_s=poll_s or 0.0, announce=complain, done=done)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--problems", "only_problems", is_flag=True, help="List only the files that were not read, and why.")
@index_options
def status(as_json: bool, only_problems: bool, **flags: Any) -> None:
    """Say what an index holds, what made it, and what could not be read."""
    with told():
        from qa.engine import Engine

        state = Engine.open(settings_of(flags), announce).status()
        if as_json:
            print_json(state)
        else:
            for line in terminal.status(state, only_problems=only_problems):
                click.echo(line)
