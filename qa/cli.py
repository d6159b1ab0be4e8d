"""The commands `ask` and `qa`. The only room that prints or ends the process.

Exit codes: 0 answered, or done; 1 the documents do not say, some file could not be read, or answers are worse than a
gate lets through; 2 an error; 75 another process is writing to the index; 130 interrupted; 141 whoever read the output
has gone.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from io import TextIOWrapper, UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from qa import payload, terminal
from qa.errors import IndexBusy, QAError, UnreadableFile, UsageError
from qa.records import Filter, IndexReport, Problem
from qa.settings import MAX_BUDGET_MS, Settings, settle

if TYPE_CHECKING:
    from qa.following import Follower
    from qa.indexing import Choice

DEFAULT_CORPUS = Path("corpus")
"""What the default index is built from when `ask` finds none."""

UNFINISHED = "unfinished"
"""A file that lies in the default index while it is built for the first time: an interruption leaves it there."""

READING = ("reader", "budget_ms", "reranker", "reranker_ms")
"""Settings of the models that read passages together with the question."""

BUSY = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""

ENDING_S = 5.0
"""How long a server that ends waits for what it is indexing to come to a point where it can be left."""

GONE = 141
"""What a shell reports of a program that SIGPIPE ended."""

SETTINGS_HELP = """Settings may also be given in the environment (QA_INDEX, QA_MODEL, QA_CACHE, QA_THREADS,
QA_MIN_CONFIDENCE, QA_READER, QA_BUDGET_MS, QA_RERANKER, QA_RERANKER_MS, QA_OCR, QA_FETCH_MODEL) or in the file qa.toml
(index = "...", and so on). An option goes before the environment, and that before the file."""

Command = Callable[..., Any]


def _index_options(command: Command) -> Command:
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


def _filter_options(command: Command) -> Command:
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


_wait = click.option(
    "--wait",
    "wait_s",
    type=_Seconds(),
    is_flag=False,
    flag_value=math.inf,
    default=0.0,
    metavar="[SECONDS]",
    help="Wait while another process writes to the index, for so long or until it ends. [default: do not wait]",
)


def _rule_options(command: Command) -> Command:
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


_poll = click.option(
    "--poll",
    "poll_s",
    type=click.FloatRange(0.2, 86400),
    metavar="SECONDS",
    help="Look the folders over so often instead of being told by the system, as network file systems need.",
)


def _choice(flags: dict[str, Any]) -> Choice:
    """What the options above say, to be kept with the folders."""
    from qa.indexing import Choice

    include, exclude, hidden = (flags.pop(name) for name in ("include", "exclude", "hidden"))
    return Choice(include or None, exclude or None, hidden)


_least_confidence = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help=f"Below it the documents do not say. [default: {Settings().min_confidence}]",
)


def _reading_options(command: Command) -> Command:
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


_ocr_option = click.option(
    "--ocr", is_flag=True, default=None, help='Read scans and pictures by text recognition (pip install "qa[ocr]").'
)


def _filter(flags: dict[str, Any]) -> Filter:
    return payload.parse_filter(**{name: flags.pop(name) for name in ("type", "path", "title", "after", "before")})


def _settings(flags: dict[str, Any], *more: str) -> Settings:
    names = ("index", "model", "cache", "fetch_model", *more)
    return settle({name: flags.pop(name) for name in names})


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong as a sentence on stderr and an exit code, never as a traceback."""
    _mend_streams()
    sys.unraisablehook = _interrupt_again
    try:
        yield
    except QAError as error:
        _complain(f"Error: {error}")
        raise SystemExit(BUSY if isinstance(error, IndexBusy) else 2) from error
    except KeyboardInterrupt:
        _complain("Interrupted. What was finished is kept.")
        raise SystemExit(130) from None
    except BrokenPipeError:
        _let_go(sys.stdout, sys.stderr)
        raise SystemExit(GONE) from None
    except OSError as error:
        _complain(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
        _let_go(sys.stdout)
        raise SystemExit(2) from error
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        _complain(
            f"Error: a fault in this program ({type(error).__name__}: {error}). Please report it, with what the same "
            "command prints after PYTHONDEVMODE=1."
        )
        raise SystemExit(2) from error


def _interrupt_again(ignored: sys.UnraisableHookArgs) -> None:
    """Ctrl-C that comes while Python deletes an object, as when it collects those of a large library, is dropped there:
    it is given once more a moment later."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(ignored)


def _mend_streams() -> None:
    """Make stdout and stderr take any text, whatever their encoding, and be there even where they were closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go(*streams: Any) -> None:
    """Send what streams still hold to nowhere: the interpreter would fail, at its end, to write it where it cannot."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with suppress(UnsupportedOperation):
            os.dup2(nowhere, stream.fileno())


def _complain(text: str) -> None:
    try:
        _announce(text)
    except OSError:
        _let_go(sys.stderr)


def _announce(text: str) -> None:
    click.echo(terminal.plain(text), err=True)


@click.command(epilog=SETTINGS_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("question", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as the JSON endpoint gives it.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, payload.MAX_LIMIT), default=5, show_default=True, help="Passages shown."
)
@click.option("--explain", is_flag=True, help="Show what each score is made of.")
@click.option("--as-typed", is_flag=True, help="Take quotes, minus signs and unknown words as mere words.")
@_filter_options
@_least_confidence
@_reading_options
@_index_options
@click.version_option(package_name="qa", prog_name="ask")
def ask(question: tuple[str, ...], as_json: bool, limit: int, explain: bool, as_typed: bool, **flags: Any) -> None:
    """Ask the indexed documents a QUESTION; print the sentence that answers it, and its sources.

    "Quoted phrases" must occur as they stand, -words must not; quote the whole QUESTION for the shell, as in
    'who built "the old bridge" -railway'.

    Exits with 0 when the documents answer, 1 when they do not say, 2 on an error. In a pipe each cited sentence is
    one line: path:place:sentence.
    """
    with _told():
        from qa.engine import Engine, check_question

        asked = check_question(" ".join(question))
        filter = _filter(flags)
        settings = _settings(flags, "min_confidence", *READING)
        _default_index(settings)
        engine = Engine.open(settings, _announce)
        answer = engine.ask(asked, limit=limit, filter=filter, explain=explain, as_typed=as_typed)
        if as_json:
            _print_json(payload.answer_to_json(answer, explain=explain, filter=filter, as_typed=as_typed))
        elif sys.stdout.isatty():
            terminal.show(answer, explain=explain)
        else:
            for line in terminal.lines(answer):
                click.echo(line)
            for line in (*terminal.notices(answer), *terminal.stale(answer)):
                _announce(line)
            if not answer.answered:
                nothing = terminal.nothing_searched(answer)
                _announce(nothing or "The documents do not say. --json shows the nearest passages.")
                if missed := terminal.not_covered(answer):
                    _announce(missed)
        raise SystemExit(0 if answer.answered else 1)


def _default_index(settings: Settings) -> None:
    """Build the default index from the sample documents, where that is what a newcomer would expect."""
    if settings.index != Settings().index or not DEFAULT_CORPUS.is_dir():
        return
    from qa.database import FILE

    unfinished = settings.index / UNFINISHED
    if not (settings.index / FILE).exists() or unfinished.exists():
        _announce(f"No index yet: building one in {settings.index}/ from the sample documents in {DEFAULT_CORPUS}/ ...")
        with suppress(OSError):  # what is wrong with the folder is said by indexing, and better
            settings.index.mkdir(exist_ok=True)
            unfinished.touch()
        _build([DEFAULT_CORPUS], settings)
        unfinished.unlink(missing_ok=True)


def _print_json(value: Any) -> None:
    text = json.dumps(payload.well_formed(value), ensure_ascii="utf" not in sys.stdout.encoding.lower(), indent=2)
    click.echo(terminal.escaped(text))


@click.group(epilog=SETTINGS_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qa", prog_name="qa")
def qa() -> None:
    """Index folders of documents, serve the search page, look after an index."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that has to wait its turn


@qa.command("index")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--threads", type=click.IntRange(0, 1024), help="Texts encoded side by side. [default: one a core]")
@click.option("--reencode", is_flag=True, help="Change the index over to --model first, from the text it holds.")
@_wait
@_rule_options
@_ocr_option
@_index_options
def index_(paths: tuple[Path, ...], as_json: bool, reencode: bool, wait_s: float, **flags: Any) -> None:
    """Index the files below each PATH, or bring all that is indexed up to date.

    Only what changed is read, and only new text encoded. --include, --exclude and --hidden are kept with each PATH, or
    with all folders when none is named, until they are given anew. What .gitignore and .qaignore files say is left out;
    qa status says how many files were, and by which rule.

    Exits with 1 when a file of a supported type could not be read, or a folder is not there; each is named with its
    reason.
    """
    with _told():
        choice = _choice(flags)
        settings = _settings(flags, "threads", "ocr")
        if reencode:
            from qa import reencoding

            with terminal.steps("Encoding") as progress:
                done = reencoding.reencode(settings, announce=_announce, progress=progress, wait_s=wait_s)
            _announce(f"From the model {done.old.model} to {done.new.model}: {done.encoded:,} passages encoded.")
        report = _build(list(paths), settings, wait_s, choice)
        if as_json:
            _print_json(_report_json(report))
        else:
            click.echo(terminal.summary(report, settings.index))
        failed = report.absent or any(problem.kind == "unreadable" for problem in report.problems)
        raise SystemExit(1 if failed else 0)


def _build(paths: list[Path], settings: Settings, wait_s: float = 0.0, choice: Choice | None = None) -> IndexReport:
    from qa import indexing

    given = indexing.Choice() if choice is None else choice
    with terminal.progress() as progress:
        report = indexing.index(paths, settings, choice=given, announce=_announce, progress=progress, wait_s=wait_s)
    for line in (*terminal.problems(report.problems), *terminal.absent(report)):
        click.echo(line, err=True)
    return report


def _report_json(report: IndexReport) -> dict[str, Any]:
    counts = {name: getattr(report, name) for name in ("added", "changed", "removed", "unchanged", "encoded", "kept")}
    return {
        **counts,
        "pending": report.pending,
        "problems": [asdict(problem) for problem in report.problems],
        "absent": [str(path) for path in report.absent],
        "left_out": [asdict(each) for each in report.left_out],
    }


@qa.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_wait
@_index_options
def drop(folder: Path, wait_s: float, **flags: Any) -> None:
    """Take a FOLDER that was indexed out of the index, with all its documents; the folder itself is left alone.

    FOLDER is its path, whether it is still there or not, or what the paths of its documents begin with.
    """
    with _told():
        from qa.indexing import Indexer

        settings = _settings(flags)
        count = Indexer(settings, command="qa drop", announce=_announce).drop(folder, wait_s=wait_s)
        documents = "document" if count == 1 else "documents"
        click.echo(terminal.plain(f"Index {settings.index}: {folder} was taken out, {count:,} {documents}."))


@qa.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--watch/--no-watch", "watched", default=True, help="Follow the folders, as qa watch does, or do not.")
@_poll
@_rule_options
@_least_confidence
@_reading_options
@_index_options
def serve(paths: tuple[Path, ...], host: str, port: int, watched: bool, poll_s: float | None, **flags: Any) -> None:
    """Serve the search page and the JSON endpoint; index each PATH first, and follow all indexed folders."""
    with _told():
        from qa import web
        from qa.engine import Engine

        choice = _choice(flags)
        settings = _settings(flags, "min_confidence", *READING)
        if paths:
            click.echo(terminal.summary(_build(list(paths), settings, choice=choice), settings.index), err=True)
        else:
            _default_index(settings)
        engine = Engine.open(settings, _announce)
        follower = _follower(settings, poll_s, "qa serve")
        following = threading.Thread(target=follower.run, name="following", daemon=True)
        if watched:
            engine.following = follower.state
            following.start()
        try:
            web.serve(engine, host, port, on_ready=lambda url: _announce(f"Serving {url} (Ctrl-C ends it)"))
        finally:
            follower.stop()
            if watched:
                following.join(ENDING_S)


@qa.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@_poll
@_rule_options
@click.option("--threads", type=click.IntRange(0, 1024), help="Texts encoded side by side. [default: one a core]")
@_index_options
def watch(paths: tuple[Path, ...], poll_s: float | None, **flags: Any) -> None:
    """Keep the index up to date while files below its folders are added, edited, renamed, moved and deleted; index each
    PATH first.

    What changed while nothing followed is found at the start. A folder that is unmounted keeps its documents. Ctrl-C
    ends it.
    """
    with _told():
        choice = _choice(flags)
        settings = _settings(flags, "threads")
        click.echo(terminal.summary(_build(list(paths), settings, choice=choice), settings.index), err=True)
        follower = _follower(settings, poll_s, "qa watch")
        _announce(f"Following the folders of {settings.index} (Ctrl-C ends it)")
        follower.run()


def _follower(settings: Settings, poll_s: float | None, command: str) -> Follower:
    """What follows the folders of an index, and tells of what it does on stderr."""
    from qa.following import Follower
    from qa.indexing import Indexer

    def done(report: IndexReport) -> None:
        if report.added or report.changed or report.removed:
            for line in terminal.problems(report.problems):
                _complain(line)
            _complain(terminal.summary(report, settings.index))

    indexer = Indexer(settings, command=command, announce=_complain)
    return Follower(indexer, settings.index, poll_s=poll_s or 0.0, announce=_complain, done=done)


@qa.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--problems", "only_problems", is_flag=True, help="List only the files that were not read, and why.")
@_index_options
def status(as_json: bool, only_problems: bool, **flags: Any) -> None:
    """Say what an index holds, what made it, and what could not be read."""
    with _told():
        from qa.engine import Engine

        state = Engine.open(_settings(flags), _announce).status()
        if as_json:
            _print_json(state)
        else:
            for line in terminal.status(state, only_problems=only_problems):
                click.echo(line)


@qa.command()
@_wait
@_index_options
def migrate(wait_s: float, **flags: Any) -> None:
    """Bring an index of an older format over to that of this version; no file is read and no text encoded."""
    with _told():
        from qa import library, migration

        settings = _settings(flags)
        old = migration.migrate(settings.index, wait_s)
        said = f"is brought over from format {old} to" if old != library.FORMAT else "has, as before,"
        click.echo(f"The index in {settings.index} {said} format {library.FORMAT}.")


@qa.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@_wait
@_index_options
def verify(as_json: bool, wait_s: float, **flags: Any) -> None:
    """Check every byte of an index against what was noted when it was written, and name what is damaged.

    Changes nothing. Exits with 1 when something is damaged; `qa repair` mends it.
    """
    with _told():
        from qa import health

        settings = _settings(flags)
        with terminal.steps("Checking") as progress:
            found = health.verify(settings.index, wait_s=wait_s, progress=progress)
        if as_json:
            _print_json(asdict(found))
        else:
            for line in terminal.health(found, settings.index):
                click.echo(line)
        raise SystemExit(1 if found.damages else 0)


@qa.command()
@_wait
@_index_options
def repair(wait_s: float, **flags: Any) -> None:
    """Mend a damaged index: save what can be read and is what was stored, and read the rest again from the files.

    The damaged library is kept in a folder beside. Exits with 1 when documents are lost whose files are gone.
    """
    with _told():
        from qa.repair import repair as mend

        settings = _settings(flags)
        with terminal.steps("Checking") as progress:
            done = mend(settings.index, wait_s=wait_s, progress=progress)
        for line in terminal.repair(done, settings.index):
            click.echo(line)
        if not done.empty:
            click.echo(terminal.summary(_build([], settings, wait_s), settings.index))
        raise SystemExit(1 if done.gone or done.empty else 0)


@qa.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="DIR")
@_index_options
def backup(target: Path, **flags: Any) -> None:
    """Copy an index to the new folder DIR, whoever reads or writes it meanwhile, and check the copy.

    DIR is an index like any other afterwards: ask it with --index DIR, or copy it back.
    """
    with _told():
        from qa.backup import backup as copy

        settings = _settings(flags)
        with terminal.steps("Copying") as progress:
            made = copy(settings.index, target, progress=progress)
        click.echo(
            f"{terminal.plain(str(made.folder))} is a copy of commit {made.commit:,}: {made.documents:,} documents, "
            f"{made.bytes:,} bytes, checked."
        )


@qa.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--no-vectors", is_flag=True, help="Leave them out: the import encodes the text again.")
@_index_options
def export(file: Path, no_vectors: bool, **flags: Any) -> None:
    """Write all that an index holds to FILE, a JSON object a line; "-" is stdout."""
    with _told():
        from qa import exchange

        settings = _settings(flags)
        with terminal.steps("Writing") as progress, _whole(file) as out:
            count = exchange.export(settings.index, out, vectors=not no_vectors, progress=progress)
        _announce(f"{count:,} documents written.")


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """What is written takes the name of the file when all of it is there; "-" is stdout."""
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    work = file.with_name(f".{file.name}.part")
    try:
        with work.open("wb") as out:
            yield out
        work.replace(file)
    finally:
        work.unlink(missing_ok=True)


@qa.command("import")
@click.argument("file", type=click.File("rb"))
@_wait
@_index_options
def import_(file: BinaryIO, wait_s: float, **flags: Any) -> None:
    """Make a new index of what `qa export` wrote to FILE; "-" is stdin.

    Documents need not be there: they are answered from as they were, and said to be missing. Without vectors in FILE
    the text is encoded, by --model.
    """
    with _told():
        from qa import exchange

        settings = _settings(flags)
        with terminal.steps("Reading") as progress:
            count = exchange.import_(file, settings, announce=_announce, progress=progress, wait_s=wait_s)
        click.echo(f"Index {terminal.plain(str(settings.index))}: {count:,} documents taken in.")


@qa.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--undo", is_flag=True, help="Let what was forgotten be indexed again, by the next `qa index`.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@_wait
@_index_options
def forget(paths: tuple[str, ...], undo: bool, as_json: bool, wait_s: float, **flags: Any) -> None:
    """Remove documents so that none of their words is left in any byte of the index, and leave their files out of it
    from now on.

    PATH is a document, or a folder of documents, as citations name it or as it lies on disk. The files themselves are
    not touched.
    """
    with _told():
        from qa import forgetting

        settings = _settings(flags)
        if undo:
            for path in forgetting.remember(paths, settings, wait_s=wait_s):
                click.echo(f"{terminal.plain(path)} may be indexed again: qa index")
            return
        gone = forgetting.forget(paths, settings, announce=_announce, wait_s=wait_s)
        if as_json:
            files, aside = ([str(path) for path in held] for held in (gone.files, gone.aside))
            _print_json({"forgotten": dict(gone.documents), "files": files, "aside": aside})
        else:
            for line in terminal.forgotten(gone):
                click.echo(line)


@qa.command("why-not")
@click.argument("document")
@click.argument("question", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@_filter_options
@_least_confidence
@_reading_options
@_index_options
def why_not(document: str, question: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Say what became of a DOCUMENT when a QUESTION is asked: where it dropped out, or which rank it has.

    DOCUMENT is a path as indexed or the end of one, a glob that fits one document, or an id. Exits with 0 when the
    document is among the results, 1 when it is not, 2 on an error.
    """
    with _told():
        from qa import tracing
        from qa.engine import Engine

        filter = _filter(flags)
        engine = Engine.open(_settings(flags, "min_confidence", *READING), _announce)
        found = tracing.trace(engine, document, " ".join(question), filter)
        if as_json:
            _print_json(asdict(found))
        else:
            for line in terminal.trace(found):
                click.echo(line)
        raise SystemExit(0 if found.found else 1)


@qa.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--blocks", is_flag=True, help="Only the blocks: kind, numbers of their sentences, place.")
@click.option("--sentences", is_flag=True, help="Only the sentences, numbered.")
@click.option("--passages", is_flag=True, help="Only the passages: sentences, tokens of context and text, context.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@_ocr_option
@_index_options
def inspect(file: Path, as_json: bool, **flags: Any) -> None:
    """Show how a FILE is read, without an index: what it is, what was left out and why, its blocks with their places,
    its sentences, and the passages that are encoded.

    Exits with 1 when the file cannot be read.
    """
    with _told():
        from qa import inspection

        sections = [name for name in terminal.SECTIONS if flags.pop(name)]
        try:
            found = inspection.inspect(file, _settings(flags, "ocr"), announce=_announce)
        except UnreadableFile as error:
            for line in terminal.problems([Problem(str(file), error.what, error.remedy)]):
                _announce(line)
            raise SystemExit(1) from error
        told = payload.inspection_to_json(found)
        if as_json:
            _print_json(told)
        else:
            for line in terminal.inspection(told, sections):
                click.echo(line)


@qa.command("eval")
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
@_reading_options
@_index_options
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
    with _told():
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
        settings = _settings(flags, *READING)
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
            _build([folder], settings)
            engine = Engine.open(settings, _announce)
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
            _announce(f"{path}: changed or went while this was measured; what is judged of it may not fit.")
        run = evaluation.Run(asked, evaluation.score(asked, found, texts))
        if save is not None:
            run.save(save)
        failures = evaluation.worst(asked, found, run.scores, texts)
        comparison = None if baseline is None else evaluation.compare(baseline, run)
        report = Report(run, settings.min_confidence, failures, worst, comparison, made)
        if as_json:
            _print_json(report.to_json())
        else:
            for line in report.lines(shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
                click.echo(line)
        if gate is not None and comparison is not None:
            for loss in comparison.losses:
                _announce(f"{loss.measure} is worse than in {gate}: {loss.before:.4f} then, {loss.after:.4f} now.")
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
