"""What every command says on stdout and stderr: how it ends, whatever goes wrong, and whatever the streams take."""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper, UnsupportedOperation
from typing import Any

import click

from qa import payload, terminal
from qa.errors import IndexBusy, QAError

BUSY = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""


GONE = 141
"""What a shell reports of a program that SIGPIPE ended."""


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong as a sentence on stderr and an exit code, never as a traceback."""
    _mend_streams()
    sys.unraisablehook = _interrupt_again
    try:
        yield
    except QAError as error:
        complain(f"Error: {error}")
        raise SystemExit(BUSY if isinstance(error, IndexBusy) else 2) from error
    except KeyboardInterrupt:
        complain("Interrupted. What was finished is kept.")
        raise SystemExit(130) from None
    except BrokenPipeError:
        _let_go(sys.stdout, sys.stderr)
        raise SystemExit(GONE) from None
    except OSError as error:
        complain(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
        _let_go(sys.stdout)
        raise SystemExit(2) from error
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        complain(
            f"Error: a fault in this program ({type(error).__name__}: {error}). Please report it, with what the same "
            "command prints after PYTHONDEVMODE=1."
        )
        raise SystemExit(2) from error


@contextmanager
def unswept() -> Iterator[None]:
    """For what is done once, after which the process ends: Python does not look for circles of objects that nothing
    holds, neither meanwhile nor at the end. There are few, and looking takes a seventh of a question's time."""
    atexit.register(gc.freeze)
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


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


def complain(text: str) -> None:
    try:
        announce(text)
    except OSError:
        _let_go(sys.stderr)


def announce(text: str) -> None:
    click.echo(terminal.plain(text), err=True)


def print_json(value: Any) -> None:
    text = json.dumps(payload.well_formed(value), ensure_ascii="utf" not in sys.stdout.encoding.lower(), indent=2)
    click.echo(terminal.escaped(text))
