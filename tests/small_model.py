"""Real sentence-transformers models with random weights, small enough to export and run within a test.

Words have weights of their own and little else has, so that texts that share words are near each other.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from qa import models

HEADS = 2

BYTE_TEXTS = (
    "The harbour authority recorded 1,482 arrivals in March, a third more than in the year before.",
    "She laughed; nobody had written the letter, and the train left without them.",
    "Glaciers carve valleys, rivers cut narrow ones, and both carry sediment to the plains.",
)
"""What the byte-level tokenizer learns its merges from."""


def recipe() -> str:
    """Eight digits that stand for this file: a model kept from an older recipe is not taken for a new one."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def make(
    folder: Path,
    *,
    tokenizer: str = "words",
    pooling: str | tuple[str, ...] = "mean",
    dense: int = 0,
    normalise: bool = True,
    prompts: Mapping[str, str] | None = None,
    default_prompt: str | None = None,
    include_prompt: bool = True,
    window: int = 128,
    hidden: int = 64,
) -> Path:
    """Write a model of two layers to `folder / "model"`, and return that.

    With the tokenizer "words" it is a BERT with the pieces of words of the bundled model, with "bytes" a RoBERTa with
    pieces of bytes learnt from BYTE_TEXTS. `dense` is the width of a Dense layer after the pooling, 0 for none.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    torch.manual_seed(7)
    parts = folder / "parts"
    network = _with_words(parts, window, hidden) if tokenizer == "words" else _with_bytes(parts, window, hidden)
    with torch.no_grad():
        network.embeddings.word_embeddings.weight.normal_()
    network.save_pretrained(parts)
    pool = Pooling(hidden, pooling, include_prompt=include_prompt)
    modules = [Transformer(str(parts), max_seq_length=window), pool]
    if dense:
        modules.append(Dense(pool.get_embedding_dimension(), dense))
    if normalise:
        modules.append(Normalize())
    whole = folder / "model"
    model = SentenceTransformer(
        modules=modules, prompts=dict(prompts or {}), default_prompt_name=default_prompt, device="cpu"
    )
    model.save_pretrained(str(whole), create_model_card=False)
    return whole


@cache
def _bundled() -> Path:
    return models.find(models.DEFAULT)


def _with_words(parts: Path, window: int, hidden: int):
    from transformers import BertConfig, BertModel

    parts.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(_bundled() / name, parts / name)
    return BertModel(
        BertConfig(
            vocab_size=len((parts / "vocab.txt").read_text("utf-8").splitlines()),
            hidden_size=hidden,
            num_hidden_layers=2,
            num_attention_heads=HEADS,
            intermediate_size=2 * hidden,
            max_position_embeddings=window,
        )
    )


def _with_bytes(parts: Path, window: int, hidden: int):
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import RobertaProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.train_from_iterator(
        BYTE_TEXTS,
        BpeTrainer(
            vocab_size=600,
            special_tokens=["<s>", "<pad>", "</s>"],
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(parts)
    return RobertaModel(
        RobertaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=hidden,
            num_hidden_layers=2,
            num_attention_heads=HEADS,
            intermediate_size=2 * hidden,
            max_position_embeddings=window + 2,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
        )
    )
