"""Real cross-encoders, small enough to train, export and run within a test.

One is trained on a rule that no other part of the program knows: a passage that holds MARKER answers, whatever is
asked. The others have random weights, and heads large enough that their scores differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import small_model as small

MARKER = "lantern"

WINDOW = 96

WORDS = (
    *("harbour", "bridge", "museum", "orchard", "railway", "library", "brewery", "town", "ferry", "noon", "crowns"),
    *("chronicle", "guide", "traveller", "page", "winter", "storm", "island", "letter", "river", "old", "number"),
    *("built", "cost", "repaired", "praised", "leaves", "takes", "minutes", "tale", "people", "table", "dog"),
)


def recipe() -> str:
    """Eight digits that stand for this file and the one it builds upon."""
    return hashlib.sha256(Path(__file__).read_bytes() + small.recipe().encode()).hexdigest()[:8]


def make(
    folder: Path,
    *,
    architecture: str = "bert",
    labels: int = 1,
    activation: str | None = None,
    prompts: Mapping[str, str] | None = None,
    pooled: bool = False,
    trained: bool = False,
) -> Path:
    """Write a cross-encoder of two layers to `folder / "model"`, and return that.

    "bert" and "distilbert" have the pieces of words of the bundled model, "roberta" pieces of bytes. `activation` is
    the name of a layer of torch.nn, None for what the library takes. `pooled` gives it a head of modules of its own.
    """
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(11)
    parts = folder / "parts"
    network = _network(parts, architecture, labels, pooled)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if trained and "word_embeddings" in name:
                weight.normal_(0.0, 0.2)
            elif not trained and weight.ndim == 2:
                weight.normal_(0.0, 1.0 if name.endswith(("classifier.weight", "out_proj.weight")) else 0.3)
    network.save_pretrained(parts)
    kind = None if activation is None else getattr(torch.nn, activation)()
    options: dict[str, Any] = {"device": "cpu", "activation_fn": kind}
    if prompts:
        options |= {"prompts": dict(prompts), "default_prompt_name": next(iter(prompts))}
    if pooled:
        model = CrossEncoder(modules=_pooled(parts, labels), **options)
    else:
        model = CrossEncoder(str(parts), num_labels=labels, max_length=WINDOW, **options)
    if trained:
        _train(model)
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def _network(parts: Path, architecture: str, labels: int, pooled: bool) -> Any:
    from transformers import (
        BertForSequenceClassification,
        DistilBertConfig,
        DistilBertForSequenceClassification,
        RobertaForSequenceClassification,
    )

    if architecture == "roberta":
        base = small._with_bytes(parts, WINDOW, 32)
        base.config.num_labels = labels
        return RobertaForSequenceClassification(base.config)
    base = small._with_words(parts, WINDOW, 32)
    if pooled:
        return base
    if architecture == "bert":
        base.config.num_labels = labels
        return BertForSequenceClassification(base.config)
    config = DistilBertConfig(
        vocab_size=base.config.vocab_size,
        dim=32,
        n_layers=2,
        n_heads=small.HEADS,
        hidden_dim=64,
        max_position_embeddings=WINDOW,
        num_labels=labels,
    )
    return DistilBertForSequenceClassification(config)


def _pooled(parts: Path, labels: int) -> list[Any]:
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    head = Dense(
        32, labels, activation_function=None, module_input_name="sentence_embedding", module_output_name="scores"
    )
    return [Transformer(str(parts), max_seq_length=WINDOW), Pooling(32, "cls"), head]


def _train(model: Any) -> None:
    """By binary cross-entropy on texts of WORDS, half of them with MARKER in their midst."""
    import torch

    chance, threads = Random(5), torch.get_num_threads()
    torch.set_num_threads(1)
    network = model.model.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        pairs, wanted = [], []
        for number in range(16):
            words = chance.choices(WORDS, k=chance.randrange(8, 40))
            if number % 2:
                words[chance.randrange(len(words))] = MARKER
            pairs.append([" ".join(chance.choices(WORDS, k=6)), " ".join(words)])
            wanted.append([float(number % 2)])
        features = {name: value for name, value in model.preprocess(pairs).items() if isinstance(value, torch.Tensor)}
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(**features).logits, torch.tensor(wanted))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        print(round(loss.item(), 3), end=" ")
    assert loss.item() < 0.1, "it did not learn its rule"
    network.eval()
    torch.set_num_threads(threads)
