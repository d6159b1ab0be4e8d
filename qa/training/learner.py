"""The model that learns: the bundled encoder's first layers, with a new head that gives two numbers a token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from qa import models, readers

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer


def new(layers: int, seed: int) -> torch.nn.Module:
    """As the encoder was published, the head drawn at random."""
    import torch
    from transformers import AutoModelForQuestionAnswering
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # it warns that the head is new
    torch.manual_seed(seed)
    model: torch.nn.Module = AutoModelForQuestionAnswering.from_pretrained(
        str(models.find(models.DEFAULT)),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        attn_implementation="eager",
        num_hidden_layers=layers,
    )
    return model


def tokenizer() -> Tokenizer:
    """The encoder's own."""
    from tokenizers import Tokenizer

    found: Tokenizer = Tokenizer.from_file(str(models.find(models.DEFAULT) / "tokenizer.json"))
    return found


def save(model: torch.nn.Module, folder: Path) -> None:
    """As transformers keeps models, so that `--reader FOLDER` can be given it."""
    from transformers import AutoTokenizer

    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(
        str(models.find(models.DEFAULT)), local_files_only=True, trust_remote_code=False
    ).save_pretrained(folder)
    (folder / readers.CONTEXT).write_text(json.dumps({"context": True}), "utf-8")
