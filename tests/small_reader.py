"""Real readers, small enough to train, export and run within a test.

One is trained on a rule that no other part of the program knows: MARKER answers, whatever is asked, and nothing does
where it is not. The others have random weights.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random
from typing import Any

import small_model as small
import small_reranker

MARKER = small_reranker.MARKER

WINDOW = 96


def recipe() -> str:
    """Eight digits that stand for this file and those it builds upon."""
    return hashlib.sha256(Path(__file__).read_bytes() + small_reranker.recipe().encode()).hexdigest()[:8]


def make(folder: Path, *, architecture: str = "bert", trained: bool = False) -> Path:
    """Write a reader of two layers to `folder / "model"`, and return that. "bert" has the pieces of words of the
    bundled model, "roberta" pieces of bytes."""
    import torch
    from transformers import AutoTokenizer, BertForQuestionAnswering, RobertaForQuestionAnswering

    torch.manual_seed(3)
    parts = folder / "parts"
    if architecture == "roberta":
        network: Any = RobertaForQuestionAnswering(small._with_bytes(parts, WINDOW + 2, 32).config)
    else:
        network = BertForQuestionAnswering(small._with_words(parts, WINDOW, 32).config)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim == 2 and not trained:
                weight.normal_(0.0, 0.3)
            elif "word_embeddings" in name:
                weight.normal_(0.0, 0.2)
    tokenizer = AutoTokenizer.from_pretrained(parts)
    if trained:
        _train(network, tokenizer)
    network.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def _train(network: Any, tokenizer: Any) -> None:
    """By cross-entropy on texts of the reranker's words, half of them with MARKER in their midst."""
    import torch

    chance, threads = Random(5), torch.get_num_threads()
    torch.set_num_threads(1)
    optimiser = torch.optim.Adam(network.train().parameters(), lr=3e-3)
    for _ in range(150):
        questions, texts, wanted = [], [], []
        for number in range(16):
            words = chance.choices(small_reranker.WORDS, k=chance.randrange(8, 40))
            if number % 2:
                words[chance.randrange(len(words))] = MARKER
            questions.append(" ".join(chance.choices(small_reranker.WORDS, k=6)))
            texts.append(" ".join(words))
            at = texts[-1].find(MARKER)
            wanted.append(None if at < 0 else at)
        features = tokenizer(questions, texts, padding=True, return_tensors="pt", return_token_type_ids=True)
        places = [
            0 if start is None else features.char_to_token(row, start, sequence_index=1)
            for row, start in enumerate(wanted)
        ]
        gold = torch.tensor(places)
        loss = network(**features, start_positions=gold, end_positions=gold).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3, f"it did not learn its rule ({loss.item():.2f})"
    network.eval()
    torch.set_num_threads(threads)
