"""The command `python -m qa.training`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from qa.errors import QAError
from qa.reader import Reader
from qa.readers import BUNDLED
from qa.settings import Settings
from qa.training import learner, material, measuring, weights
from qa.training.examples import Frame, examples
from qa.training.fitting import Plan, fit

PROBES = 40
"""Rows that are read to measure how large the numbers of the graph get before it is put in 8 bits."""


@click.command(context_settings={"show_default": True})
@click.argument("rows", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for all that is made.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for exported models.")
@click.option("--epochs", default=Plan().epochs, type=click.IntRange(1), help="How often each question is shown.")
@click.option("--layers", default=Plan().layers, type=click.IntRange(1), help="Layers of the encoder that are kept.")
@click.option("--seed", default=Plan().seed, help="Of all that is drawn at random.")
def train(rows: tuple[Path, ...], out: Path, cache: Path | None, epochs: int, layers: int, seed: int) -> None:
    """Train a reader on ROWS, files of questions; `qa.training.material` says what a row is.

    A run that was cut off goes on where it was when the command is given again. The reader is then in OUT/reader, as
    the package keeps it, and in OUT/model, as transformers does (--reader OUT/model).
    """
    out.mkdir(parents=True, exist_ok=True)
    asked: list[material.Asked] = []
    try:
        for path in rows:
            asked += _mined(path, out / path.stem, Settings(cache=cache))
    except QAError as error:
        raise click.ClickException(str(error)) from error
    held_out = [one for one in asked if one.held_out]
    learned = [one for one in asked if not one.held_out]
    click.echo(f"{len(learned):,} questions to learn from, {len(held_out):,} of other titles to measure on.", err=True)
    plan = replace(Plan(), epochs=epochs, layers=layers, seed=seed)
    frame = Frame(learner.tokenizer())
    model = learner.new(layers, seed)
    fit(model, learned, frame, plan, out, lambda line: click.echo(line, err=True))
    learner.save(model, out / "model")
    probes = [row.ids for row in examples(learned[:: max(len(learned) // PROBES, 1)], frame, seed, 0)]
    made = weights.write(out / "model", out / "reader", BUNDLED, probes)
    click.echo(f"{weights.size(out / 'reader') / 1e6:.1f} MB in {out / 'reader'}")
    for name, value in asdict(measuring.measured(Reader(made), held_out)).items():
        click.echo(f"{name:10s} {value:.3f}" if isinstance(value, float) else f"{name:10s} {value:,}")


def _mined(path: Path, folder: Path, settings: Settings) -> list[material.Asked]:
    kept = folder / "asked.jsonl"
    if not kept.exists():
        with click.progressbar(length=1, label=f"Asking the questions of {path.name}", show_eta=True) as bar:

            def progress(done: int, of: int) -> None:
                bar.length = of
                bar.update(done - bar.pos)

            material.save(material.mine(path, folder, settings, progress), kept)
    return material.load(kept)


if __name__ == "__main__":
    train()
