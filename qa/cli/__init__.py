"""The commands `ask` and `qa`. The only room that prints or ends the process.

Exit codes: 0 answered, or done; 1 the documents do not say, some file could not be read, or answers are worse than a
gate lets through; 2 an error; 75 another process is writing to the index; 130 interrupted; 141 whoever read the output
has gone.
"""

from __future__ import annotations

import logging

import click

from qa.cli import living, measuring, questions, upkeep
from qa.cli.options import SETTINGS_HELP
from qa.cli.questions import ask

__all__ = ["ask", "qa"]


@click.group(epilog=SETTINGS_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qa", prog_name="qa")
def qa() -> None:
    """Index folders of documents, serve the search page, look after an index."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that has to wait its turn


for _command in (
    *(living.index_, living.drop, living.serve, living.watch, living.status),
    *(upkeep.migrate, upkeep.verify, upkeep.repair, upkeep.backup, upkeep.export, upkeep.import_, upkeep.forget),
    *(questions.why_not, questions.inspect, measuring.eval_),
):
    qa.add_command(_command)
