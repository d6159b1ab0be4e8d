"""A cross-encoder's name to an exported graph on disk that was checked.

The same rules as for embedding models (`models`): safetensors, no code of its own, nothing downloaded unasked, one
export that asking runs without torch. sentence-transformers is the reference: an export that does not give its scores
is thrown away.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa import exports, models
from qa.errors import ModelUnusable
from qa.models import Announce
from qa.records import CrossEncoder
from qa.reranker import Reranker

if TYPE_CHECKING:
    import sentence_transformers
    import torch

EXPORT = "cross-encoder 1"
"""This way of exporting; part of every fingerprint."""

ANOTHER = "Name a CrossEncoder, as in --reranker cross-encoder/ms-marco-MiniLM-L6-v2 --fetch-model."

TOLERANCE = 1e-4
"""How far a score of the graph may lie from that of sentence-transformers, beside the same share of it."""

PROBES = (
    ("When did the harbour open?", "The harbour authority recorded 1,482 arrivals in March 1998; it opened in 1911."),
    ("When did the harbour open?", "Mix flour, water and salt; let the dough rest for an hour, then bake it."),
    ("¿A qué hora sale el tren?", "El tren sale a las ocho de la mañana y llega a Sevilla poco después del mediodía."),
    ("東京の人口は?", "x"),
    ("error 0x80070005", "Access is denied, see /var/log. " * 60),
    ("who signed the lease, and when, and who else was there to see it? " * 30, "The tenant signed. " * 90),
)
"""Pairs that the graph is compared on, some of them longer than any window."""


def cached(mark: str, cache: Path) -> CrossEncoder | None:
    """The export with the fingerprint `mark`, every file checked by hash; None when it is not there or not whole."""
    kept = exports.read(cache / mark, {"graph": True, "tokenizer": True})
    try:
        return None if kept is None else CrossEncoder(**kept)
    except TypeError:
        return None


def exported(name: str, cache: Path, *, fetch: bool = False, announce: Announce = lambda _: None) -> CrossEncoder:
    """The cross-encoder `name` ready to run; exported into `cache` first if it is not there.

    A name without "/" that is no folder is one of the organisation cross-encoder. Raises ModelUnusable when there is
    no such model, when its weights are not safetensors, or when it is none that can put passages in order.
    """
    folder = models.find(name, organisation="cross-encoder", fetch=fetch, announce=announce)
    mark = models.fingerprint(folder, EXPORT)
    model = cached(mark, cache)
    if model is None:
        announce(f"Preparing the reranker {name} (once for this machine, about ten seconds) ...")
        _export(name, folder, mark, cache)
        model = cached(mark, cache)
    if model is None:
        raise ModelUnusable(
            f"The export of the model {name} in {cache} does not pass its own check.", "Is the disk full?"
        )
    return replace(model, name=name)


def load(folder: Path) -> sentence_transformers.CrossEncoder:
    """The model as sentence-transformers runs it: from disk only, safetensors only, no code of its own, in float32.

    Raises ModelUnusable when it cannot be loaded so, or when its head is not among its weights.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import sentence_transformers
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.disable(logging.WARNING)  # what the libraries warn of, a head that is missing, is refused here
    safely = {"local_files_only": True, "use_safetensors": True}
    try:
        model = sentence_transformers.CrossEncoder(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            activation_fn=_activation(folder),
            # Eager attention is plain matrix products, which the exporter can write down.
            model_kwargs={"use_safetensors": True, "attn_implementation": "eager"},
        )
        missing: set[str] = set()
        if getattr(model[0], "transformer_task", "") == "sequence-classification":
            network = model[0].model
            _, report = type(network).from_pretrained(
                str(folder), config=network.config, output_loading_info=True, **safely
            )
            missing = report["missing_keys"]
    except ModelUnusable:
        raise
    except Exception as error:  # of many kinds: no configuration, weights cut short, code of its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelUnusable(
            f"The model in {folder} cannot be loaded as a reranker ({reason[:200]}).",
            f"Only cross-encoders that need no code of their own can be used. {ANOTHER}",
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    if missing:
        raise ModelUnusable(
            f"The model in {folder} has no head that scores a question with a passage ({min(missing)} is not among "
            "its weights): it is an embedding model, or was not trained to rerank.",
            ANOTHER,
        )
    return model.float().eval()


def _activation(folder: Path) -> torch.nn.Module | None:
    """What the model's configuration wants its scores put through; None where it says nothing, or what the library
    does by default.

    It is named by a dotted path, which the library would import and call whatever it is as long as it lies in torch.
    Here it must be a layer of torch.nn.
    """
    import torch

    outer, inner = (_json(folder / name) for name in ("config_sentence_transformers.json", "config.json"))
    within = inner.get("sentence_transformers")
    path = (
        outer.get("activation_fn")
        or (within.get("activation_fn") if isinstance(within, dict) else None)
        or inner.get("sbert_ce_default_activation_function")
    )
    if path is None:
        return None
    kind = getattr(torch.nn, str(path).rpartition(".")[2], None)
    try:
        if str(path).startswith("torch.nn.") and isinstance(kind, type) and issubclass(kind, torch.nn.Module):
            activation: torch.nn.Module = kind()
            return activation
    except TypeError:  # a layer that cannot be made without arguments
        pass
    raise ModelUnusable(
        f"The model in {folder} puts its scores through {str(path)[:100]!r}, which is no activation of torch.nn.",
        ANOTHER,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _export(name: str, folder: Path, mark: str, cache: Path) -> None:
    """Write the export to `cache / mark`, whole or not at all."""
    model = load(folder)
    kinds = [type(module).__name__ for module in model]
    task = getattr(model[0], "transformer_task", "")
    if kinds[0] != "Transformer" or task not in ("sequence-classification", "feature-extraction"):
        raise ModelUnusable(f"The reranker {name} is made of {' + '.join(kinds)}, which cannot be exported.", ANOTHER)
    if model.num_labels not in (1, 2):
        raise ModelUnusable(
            f"The model {name} gives {model.num_labels} scores to a pair of texts; one is needed, or two of which the "
            "second means that the passage answers.",
            ANOTHER,
        )
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ModelUnusable(f"The model {name} has no fast tokenizer.", "Save its tokenizer as tokenizer.json.")
    window = min(model.max_seq_length or models.LONGEST_WINDOW, models.LONGEST_WINDOW)
    model.max_seq_length = window
    wanted = [np.reshape(model.predict(list(pair), show_progress_bar=False), -1) for pair in PROBES]
    with exports.writing(cache, mark) as work:
        sigmoid = type(model.activation_fn).__name__ == "Sigmoid"
        features = model.preprocess([list(pair) for pair in PROBES[:2]])

        def forward(given: dict[str, torch.Tensor]) -> torch.Tensor:
            scores: torch.Tensor = model(given)["scores"]
            return scores if sigmoid else model.activation_fn(scores)

        exports.write_graph(model, forward, features, work / "graph.onnx", {0: "texts"})
        tokenizer.no_padding()
        tokenizer.enable_truncation(window, strategy="longest_first", direction=model.tokenizer.truncation_side)
        tokenizer.save(str(work / "tokenizer.json"))
        made = CrossEncoder(
            name=name,
            fingerprint=mark,
            window=window,
            labels=model.num_labels,
            probabilities=sigmoid,
            prompt=model.prompts.get(model.default_prompt_name or "") or "",
            pass_ms=0.0,
            token_ms=0.0,
            graph=work / "graph.onnx",
            tokenizer=work / "tokenizer.json",
        )
        reranker = Reranker(made)
        found = [reranker.predict(question, [text])[0] for question, text in PROBES]
        if not all(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE) for a, b in zip(found, wanted, strict=True)):
            raise ModelUnusable(f"The export of the reranker {name} gives other scores than the model itself.", ANOTHER)
        pass_ms, token_ms = reranker.pace()
        facts = {
            "name": name,
            "fingerprint": mark,
            "window": window,
            "labels": made.labels,
            "probabilities": made.probabilities,
            "prompt": made.prompt,
            "pass_ms": round(pass_ms, 4),
            "token_ms": round(token_ms, 6),
        }
        exports.describe(work, facts, {"graph": "graph.onnx", "tokenizer": "tokenizer.json"})
        # Another process may have put the same export there meanwhile; what is not whole makes room.
        if cached(mark, cache) is None:
            exports.place(work, cache / mark)
