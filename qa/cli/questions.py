"""The commands that ask: a question, why a document did not answer it, how a file is read."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qa import payload, terminal
from qa.cli.building import default_index
from qa.cli.options import (
    READING,
    SETTINGS_HELP,
    filter_of,
    filter_options,
    index_options,
    least_confidence,
    ocr_option,
    reading_options,
    settings_of,
)
from qa.cli.speaking import announce, print_json, told, unswept
from qa.errors import UnreadableFile
from qa.records import Problem


@click.command(epilog=SETTINGS_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("question", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as the JSON endpoint gives it.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, payload.MAX_LIMIT), default=5, show_default=True, help="Passages shown."
)
@click.option("--explain", is_flag=True, help="Show what each score is made of.")
@click.option("--as-typed", is_flag=True, help="Take quotes, minus signs and unknown words as mere words.")
@filter_options
@least_confidence
@reading_options
@index_options
@click.version_option(package_name="qa", prog_name="ask")
def ask(question: tuple[str, ...], as_json: bool, limit: int, explain: bool, as_typed: bool, **flags: Any) -> None:
    """Ask the indexed documents a QUESTION; print the sentence that answers it, and its sources.

    "Quoted phrases" must occur as they stand, -words must not; quote the whole QUESTION for the shell, as in
    'who built "the old bridge" -railway'.

    Exits with 0 when the documents answer, 1 when they do not say, 2 on an error. In a pipe each cited sentence is
    one line: path:place:sentence.
    """
    with told():
        from qa.engine import Engine, check_question

        asked = check_question(" ".join(question))
        filter = filter_of(flags)
        settings = settings_of(flags, "min_confidence", *READING)
        default_index(settings)
        with unswept():
            engine = Engine.open(settings, announce)
            answer = engine.ask(asked, limit=limit, filter=filter, explain=explain, as_typed=as_typed)
        if as_json:
            print_json(payload.answer_to_json(answer, explain=explain, filter=filter, as_typed=as_typed))
        elif sys.stdout.isatty():
            terminal.show(answer, explain=explain)
        else:
            for line in terminal.lines(answer):
                click.echo(line)
            for line in (*terminal.notices(answer), *terminal.stale(answer)):
                announce(line)
            if not answer.answered:
                nothing = terminal.nothing_searched(answer)
                announce(nothing or "The documents do not say. --json shows the nearest passages.")
                if missed := terminal.not_covered(answer):
                    announce(missed)
        raise SystemExit(0 if answer.answered else 1)


@click.command("why-not")
@click.argument("document")
@click.argument("question", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@filter_options
@least_confidence
@reading_options
@index_options
def why_not(document: str, question: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Say what became of a DOCUMENT when a QUESTION is asked: where it dropped out, or which rank it has.

    DOCUMENT is a path as indexed or the end of one, a glob that fits one document, or an id. Exits with 0 when the
    document is among the results, 1 when it is not, 2 on an error.
    """
    with told():
        from qa import tracing
        from qa.engine import Engine

        filter = filter_of(flags)
        engine = Engine.open(settings_of(flags, "min_confidence", *READING), announce)
        found = tracing.trace(engine, document, " ".join(question), filter)
        if as_json:
            print_json(asdict(found))
        else:
            for line in terminal.trace(found):
                click.echo(line)
        raise SystemExit(0 if found.found else 1)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--blocks", is_flag=True, help="Only the blocks: kind, numbers of their sentences, place.")
@click.option("--sentences", is_flag=True, help="Only the sentences, numbered.")
@click.option("--passages", is_flag=True, help="Only the passages: sentences, tokens of context and text, context.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@ocr_option
@index_options
def inspect(file: Path, as_json: bool, **flags: Any) -> None:
    """Show how a FILE is read, without an index: what it is, what was left out and why, its blocks with their places,
    its sentences, and the passages that are encoded.

    Exits with 1 when the file cannot be read.
    """
    with told():
        from qa import inspection

        sections = [name for name in terminal.SECTIONS if flags.pop(name)]
        try:
            found = inspection.inspect(file, settings_of(flags, "ocr"), announce=announce)
        except UnreadableFile as error:
            for line in terminal.problems([Problem(str(file), error.what, error.remedy)]):
                announce(line)
            raise SystemExit(1) from error
        shown = payload.inspection_to_json(found)
        if as_json:
            print_json(shown)
        else:
            for line in terminal.inspection(shown, sections):
                click.echo(line)
