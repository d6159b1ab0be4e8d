"""The commands that look after an index: checked, mended, copied, carried elsewhere, and made to forget."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from qa import disk, terminal
from qa.cli.building import build
from qa.cli.options import index_options, settings_of, wait_option
from qa.cli.speaking import announce, print_json, told


@click.command()
@wait_option
@index_options
def migrate(wait_s: float, **flags: Any) -> None:
    """Bring an index of an older format over to that of this version; no file is read and no text encoded."""
    with told():
        from qa import library, migration

        settings = settings_of(flags)
        old = migration.migrate(settings.index, wait_s)
        said = f"is brought over from format {old} to" if old != library.FORMAT else "has, as before,"
        click.echo(f"The index in {settings.index} {said} format {library.FORMAT}.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@wait_option
@index_options
def verify(as_json: bool, wait_s: float, **flags: Any) -> None:
    """Check every byte of an index against what was noted when it was written, and name what is damaged.

    Changes nothing. Exits with 1 when something is damaged; `qa repair` mends it.
    """
    with told():
        from qa import health

        settings = settings_of(flags)
        with terminal.steps("Checking") as progress:
            found = health.verify(settings.index, wait_s=wait_s, progress=progress)
        if as_json:
            print_json(asdict(found))
        else:
            for line in terminal.health(found, settings.index):
                click.echo(line)
        raise SystemExit(1 if found.damages else 0)


@click.command()
@wait_option
@index_options
def repair(wait_s: float, **flags: Any) -> None:
    """Mend a damaged index: save what can be read and is what was stored, and read the rest again from the files.

    The damaged library is kept in a folder beside. Exits with 1 when documents are lost whose files are gone.
    """
    with told():
        from qa.repair import repair as mend

        settings = settings_of(flags)
        with terminal.steps("Checking") as progress:
            done = mend(settings.index, wait_s=wait_s, progress=progress)
        for line in terminal.repair(done, settings.index):
            click.echo(line)
        if not done.empty:
            click.echo(terminal.summary(build([], settings, wait_s), settings.index))
        raise SystemExit(1 if done.gone or done.empty else 0)


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="DIR")
@index_options
def backup(target: Path, **flags: Any) -> None:
    """Copy an index to the new folder DIR, whoever reads or writes it meanwhile, and check the copy.

    DIR is an index like any other afterwards: ask it with --index DIR, or copy it back.
    """
    with told():
        from qa.backup import backup as copy

        settings = settings_of(flags)
        with terminal.steps("Copying") as progress:
            made = copy(settings.index, target, progress=progress)
        click.echo(
            f"{terminal.plain(str(made.folder))} is a copy of commit {made.commit:,}: {made.documents:,} documents, "
            f"{made.bytes:,} bytes, checked."
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--no-vectors", is_flag=True, help="Leave them out: the import encodes the text again.")
@index_options
def export(file: Path, no_vectors: bool, **flags: Any) -> None:
    """Write all that an index holds to FILE, a JSON object a line; "-" is stdout."""
    with told():
        from qa import exchange

        settings = settings_of(flags)
        with terminal.steps("Writing") as progress, _whole(file) as out:
            count = exchange.export(settings.index, out, vectors=not no_vectors, progress=progress)
        announce(f"{count:,} documents written.")


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
        disk.place(work, file)
    finally:
        work.unlink(missing_ok=True)


@click.command("import")
@click.argument("file", type=click.File("rb"))
@wait_option
@index_options
def import_(file: BinaryIO, wait_s: float, **flags: Any) -> None:
    """Make a new index of what `qa export` wrote to FILE; "-" is stdin.

    Documents need not be there: they are answered from as they were, and said to be missing. Without vectors in FILE
    the text is encoded, by --model.
    """
    with told():
        from qa import exchange

        settings = settings_of(flags)
        with terminal.steps("Reading") as progress:
            count = exchange.import_(file, settings, announce=announce, progress=progress, wait_s=wait_s)
        click.echo(f"Index {terminal.plain(str(settings.index))}: {count:,} documents taken in.")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--undo", is_flag=True, help="Let what was forgotten be indexed again, by the next `qa index`.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@wait_option
@index_options
def forget(paths: tuple[str, ...], undo: bool, as_json: bool, wait_s: float, **flags: Any) -> None:
    """Remove documents so that none of their words is left in any byte of the index, and leave their files out of it
    from now on.

    PATH is a document, or a folder of documents, as citations name it or as it lies on disk. The files themselves are
    not touched.
    """
    with told():
        from qa import forgetting

        settings = settings_of(flags)
        if undo:
            for path in forgetting.remember(paths, settings, wait_s=wait_s):
                click.echo(f"{terminal.plain(path)} may be indexed again: qa index")
            return
        gone = forgetting.forget(paths, settings, announce=announce, wait_s=wait_s)
        if as_json:
            files, aside = ([str(path) for path in held] for held in (gone.files, gone.aside))
            print_json({"forgotten": dict(gone.documents), "files": files, "aside": aside})
        else:
            for line in terminal.forgotten(gone):
                click.echo(line)
