"""The command that measures answers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from qa import terminal
from qa.cli.building import build
from qa.cli.options import READING, index_options, reading_options, settings_of
from qa.cli.speaking import announce, print_json, told
from qa.errors import UsageError


@click.command("eval")
@click.argument("set_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--auto", is_flag=True, help="SET_DIR holds documents alone: make the questions from them.")
@click.option("--questions", help="File of questions, in SET_DIR or by path. [default: questions.jsonl]")
@click.option(
    "--docs", type=click.Path(path_type=Path, exists=True), help="Folder of the documents. [default: SET_DIR/docs]"
)
@click.option(
    "--predictions", type=click.Path(path_type=Path), help="Write every answer to this file, one JSON a line."
)
@click.option(
    "--worst", type=click.IntRange(min=0), default=0, metavar="N", help="Show the N surest of the wrong answers."
)
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="RUN", help="Write this run to a file, to compare with."
)
@click.option("--against", type=click.Path(path_type=Path), metavar="RUN", help="Compare with a run that was saved.")
@click.option(
    "--gate", type=click.Path(path_type=Path), metavar="RUN", help="Compare, and exit with 1 on a significant loss."
)
@click.option("--json", "as_json", is_flag=True, help="Print the measures as JSON.")
@reading_options
@index_options
def eval_(
    set_dir: Path,
    auto: bool,
    questions: str | None,
    docs: Path | None,
    predictions: Path | None,
    worst: int,
    save: Path | None,
    against: Path | None,
    gate: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Measure the answers to a set of judged questions, or with --auto to questions made from a folder of documents.

    The documents are indexed first: into the folder given by --index, or into a temporary one.
    """
    with told():
        import shutil
        import tempfile

        from qa import evaluation
        from qa.engine import Engine
        from qa.report import Report

        if against is not None and gate is not None:
            raise UsageError("--gate compares too.", "Leave out --against.")
        if auto and (questions or docs):
            raise UsageError("--auto makes questions of the documents in SET_DIR.", "Leave out --questions, --docs.")
        given = flags["index"]
        settings = settings_of(flags, *READING)
        folder = set_dir if auto else docs or set_dir / "docs"
        asked = () if auto else evaluation.load(set_dir, questions or "questions.jsonl")
        # What cannot be is said now rather than after all the work.
        earlier = against or gate
        baseline = None if earlier is None else evaluation.Run.load(earlier)
        if baseline is not None and not auto:
            evaluation.shared(baseline.questions, asked)
        if save is not None:
            if earlier is not None and save.resolve() == earlier.resolve():
                raise UsageError(f"{save} would be overwritten by the run it is compared with.", "Save elsewhere.")
            _check_writable(save)
        if predictions is not None:
            _write_lines(predictions, [])
        with tempfile.TemporaryDirectory(prefix="qa-eval-") as temporary:
            settings = settings if given else replace(settings, index=Path(temporary))
            build([folder], settings)
            engine = Engine.open(settings, announce)
            documents = {source.path if auto else Path(source.path).stem: held for source, held in engine.documents()}
            made = evaluation.make(documents) if auto else None
            if made is not None:
                asked = made.questions
                if baseline is not None:
                    evaluation.shared(baseline.questions, asked)
            found = []
            with terminal.counting("Asking", len(asked)) as advance:
                for prediction in evaluation.predict(engine, asked, by_path=auto):
                    found.append(prediction)
                    advance()
            texts = {name: document.text for name, document in documents.items()}
            engine.close()
        if predictions is not None:
            _write_lines(predictions, [json.dumps(row.to_json(), ensure_ascii=False) for row in found])
        for path in sorted({quote.path for row in found for quote in row.citations if quote.stale}):
            announce(f"{path}: changed or went while this was measured; what is judged of it may not fit.")
        run = evaluation.Run(asked, evaluation.score(asked, found, texts))
        if save is not None:
            run.save(save)
        failures = evaluation.worst(asked, found, run.scores, texts)
        comparison = None if baseline is None else evaluation.compare(baseline, run)
        report = Report(run, settings.min_confidence, failures, worst, comparison, made)
        if as_json:
            print_json(report.to_json())
        else:
            for line in report.lines(shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
                click.echo(line)
        if gate is not None and comparison is not None:
            for loss in comparison.losses:
                announce(f"{loss.measure} is worse than in {gate}: {loss.before:.4f} then, {loss.after:.4f} now.")
            raise SystemExit(1 if comparison.losses else 0)


def _check_writable(path: Path) -> None:
    try:
        path.open("a").close()  # whatever it holds stays until there is something better
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).", "Name another file.") from error


def _write_lines(path: Path, lines: list[str]) -> None:
    try:
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).", "Name another file.") from error
