"""A reader's name to a graph on disk that was checked: the bundled one, or another, exported once.

The same rules as for embedding models (`models`): safetensors, no code of its own, nothing downloaded unasked. Another
reader is any extractive question answering model of transformers; an export that does not give its numbers is thrown
away.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa import exports, models
from qa.errors import ModelUnusable
from qa.models import Announce
from qa.reader import Reader
from qa.records import Excerpt, ReaderModel

if TYPE_CHECKING:
    import torch

BUNDLED = "bundled"
FOLDER = Path(__file__).parent / "weights"
"""Graph, tokenizer and manifest of the bundled reader, made by `python -m qa.training`; its model card lies beside
them."""

EXPORT = "reader 1"
"""This way of exporting; part of every fingerprint."""

ANOTHER = "Name an extractive question answering model of transformers that can also say that nothing answers."

CONTEXT = "reader.json"
"""A file of a reader that was trained here: {"context": true} where it is shown title and headings."""

TOLERANCE = 1e-3
"""How far a number of the graph may lie from the model's own, beside the same share of it."""

PROBES = (
    ("When did the harbour open?", "The harbour authority recorded 1,482 arrivals in March 1998; it opened in 1911."),
    ("When did the harbour open?", "Mix flour, water and salt; let the dough rest for an hour, then bake it."),
    ("¿A qué hora sale el tren?", "El tren sale a las ocho de la mañana y llega a Sevilla poco después del mediodía."),
    ("error 0x80070005", "Access is denied, see /var/log. " * 60),
)
"""Questions and passages that a graph is compared on, one of them longer than most windows."""


def cached(folder: Path) -> ReaderModel | None:
    """The reader whose files lie in `folder`, each checked by its hash; None when it is not there or not whole."""
    kept = exports.read(folder, {"graph": True, "tokenizer": True})
    try:
        return None if kept is None else ReaderModel(**kept)
    except TypeError:
        return None


def exported(name: str, cache: Path, *, fetch: bool = False, announce: Announce = lambda _: None) -> ReaderModel:
    """The reader `name` ready to run; unless it is the bundled one, exported into `cache` first if it is not there.

    Raises ModelUnusable when there is no such model, when its weights are not safetensors, or when it is none that
    tells where an answer begins and ends.
    """
    if name == BUNDLED:
        model = cached(FOLDER)
        if model is None:
            raise ModelUnusable(
                f"The bundled reader in {FOLDER} is not whole.", "Install the package again, or ask with --no-reader."
            )
        return model
    folder = models.find(name, organisation="deepset", fetch=fetch, announce=announce)
    mark = models.fingerprint(folder, EXPORT)
    model = cached(cache / mark)
    if model is None:
        announce(f"Preparing the reader {name} (once for this machine, about ten seconds) ...")
        _export(name, folder, mark, cache)
        model = cached(cache / mark)
    if model is None:
        raise ModelUnusable(
            f"The export of the reader {name} in {cache} does not pass its own check.", "Is the disk full?"
        )
    return replace(model, name=name)


def load(folder: Path) -> tuple[torch.nn.Module, Any]:
    """The model and its tokenizer as transformers runs them: from disk only, safetensors only, no code of its own, in
    float32.

    Raises ModelUnusable when it cannot be loaded so, or when its head is not among its weights.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    safely = {"local_files_only": True, "trust_remote_code": False}
    logging.disable(logging.WARNING)  # what the library warns of, a head that is missing, is refused here
    try:
        # Eager attention is plain matrix products, which the exporter can write down.
        model, report = AutoModelForQuestionAnswering.from_pretrained(
            str(folder), use_safetensors=True, attn_implementation="eager", output_loading_info=True, **safely
        )
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **safely)
    except Exception as error:  # of many kinds: no configuration, weights cut short, code of its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelUnusable(
            f"The model in {folder} cannot be loaded as a reader ({reason[:200]}).",
            f"Only models that need no code of their own can be used. {ANOTHER}",
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    if report["missing_keys"]:
        raise ModelUnusable(
            f"The model in {folder} has no head that tells where an answer stands ({min(report['missing_keys'])} is "
            "not among its weights).",
            ANOTHER,
        )
    return model.float().eval(), tokenizer


def write(folder: Path, work: Path, name: str, mark: str) -> ReaderModel:
    """Write the exact graph and the tokenizer of the model in `folder` to `work`, and prove that they give what the
    model gives. Raises ModelUnusable when they do not."""
    model, tokenizer = load(folder)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelUnusable(f"The model {name} has no fast tokenizer.", "Save its tokenizer as tokenizer.json.")
    window = min(getattr(model.config, "max_position_embeddings", 512) or 512, models.LONGEST_WINDOW)
    if getattr(model.config, "model_type", "") in ("roberta", "xlm-roberta", "camembert"):
        window -= 2  # their positions begin at 2
    window = min(window, tokenizer.model_max_length)
    backend.no_padding()
    backend.no_truncation()
    backend.save(str(work / "tokenizer.json"))
    # Some models were trained without telling question and passage apart by kinds of tokens.
    names = exports.INPUTS if "token_type_ids" in tokenizer.model_input_names else exports.INPUTS[:2]

    def forward(given: dict[str, torch.Tensor]) -> torch.Tensor:
        import torch

        found = model(**given)
        return torch.stack((found.start_logits, found.end_logits), dim=-1)

    probe = _features([tokenizer.cls_token_id or 0, *range(20, 60)], 7, names)
    exports.write_graph(model, forward, probe, work / "graph.onnx", {0: "texts", 1: "tokens"})
    made = ReaderModel(name, mark, window, _context(folder), work / "graph.onnx", work / "tokenizer.json")
    reader = Reader(made)
    for question, text in PROBES:
        ids, lead = reader.row(question, Excerpt("", text, ()))
        found, wanted = reader.logits(ids, lead), forward(_features(ids, lead, names)).detach().numpy()[0]
        if not np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE):
            raise ModelUnusable(f"The export of the reader {name} gives other numbers than the model itself.", ANOTHER)
    return made


def _features(ids: list[int], lead: int, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """One row of tokens as a model takes it; those from `lead` on are of the second kind."""
    import torch

    kinds = [0] * lead + [1] * (len(ids) - lead)
    rows = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": kinds}
    return {name: torch.tensor([rows[name]]) for name in names}


def _context(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / CONTEXT).read_text("utf-8"))["context"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _export(name: str, folder: Path, mark: str, cache: Path) -> None:
    """Write the export to `cache / mark`, whole or not at all."""
    with exports.writing(cache, mark) as work:
        describe(write(folder, work, name, mark), work)
        # Another process may have put the same export there meanwhile; what is not whole makes room.
        if cached(cache / mark) is None:
            exports.place(work, cache / mark)


def describe(model: ReaderModel, work: Path) -> None:
    """Write the manifest of the reader whose files lie in `work`."""
    facts = {name: getattr(model, name) for name in ("name", "fingerprint", "window", "context")}
    exports.describe(work, facts, {"graph": model.graph.name, "tokenizer": model.tokenizer.name})
