"""Training: a small encoder with two numbers a token learns where an answer begins and ends, or that there is none.

The loss is the negative log of the probability that falls on any gold start, and on any gold end, among all tokens of
the passage and the first token of all, which stands for "no answer". Where whole sentences are gold, any of their
tokens may be either: the marginal likelihood of Clark and Gardner 2018, "Simple and Effective Multi-Paragraph Reading
Comprehension", over positions instead of mentions.

Every step draws from generators seeded by its own number, so that a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.training.examples import Example, Frame, batches, examples
from qa.training.material import Asked

if TYPE_CHECKING:
    import torch

SAVED_EVERY = 250
"""Steps between two states on disk: a cut costs some minutes."""

TOLD_EVERY = 50

STATE, PLACE = "state.safetensors", "state.json"

LOW = -1e9
"""In the place of a token that is no choice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How training goes. `rate` is the largest learning rate, reached after the share `warm` of all steps, from where
    it falls to nothing in a straight line; `layers` of the encoder are kept."""

    epochs: int = 2
    batch: int = 16
    rate: float = 1.5e-4
    warm: float = 0.06
    decay: float = 0.01
    layers: int = 6
    seed: int = 7


def fit(
    model: torch.nn.Module, asked: Sequence[Asked], frame: Frame, plan: Plan, out: Path, tell: Callable[[str], None]
) -> None:
    """Train `model` in place. A state that an earlier run of the same plan left in `out` is gone on from."""
    import torch

    epochs = [
        [*batches(examples(asked, frame, plan.seed, epoch), plan.batch, random.Random(f"{plan.seed} {epoch}"))]
        for epoch in range(plan.epochs)
    ]
    steps = [batch for epoch in epochs for batch in epoch]
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": plan.decay}, {"params": vectors, "weight_decay": 0.0}], fused=True
    )
    done = _resumed(model, optimiser, plan, len(steps), out)
    if done:
        tell(f"Going on after step {done:,}.")
    model.train()
    began, mean = time.monotonic(), 0.0
    for number, rows in enumerate(steps[done:], done):
        torch.manual_seed(plan.seed * len(steps) + number)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _slope(number, len(steps), plan.warm)
        features, allowed, gold = _tensors(rows)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = model(**features)
        loss = sum(
            _loss(scores.float(), allowed, side)
            for scores, side in zip((found.start_logits, found.end_logits), gold, strict=True)
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        value = loss.item() / 2
        mean = value if number == done else 0.98 * mean + 0.02 * value
        if (number + 1) % TOLD_EVERY == 0:
            left = (time.monotonic() - began) / (number + 1 - done) * (len(steps) - number - 1) / 60
            tell(f"step {number + 1:,} of {len(steps):,}, loss {mean:.3f}, about {left:.0f} minutes left")
        if (number + 1) % SAVED_EVERY == 0:
            _save(model, optimiser, plan, number + 1, len(steps), out)


def _slope(step: int, steps: int, warm: float) -> float:
    rising = max(int(steps * warm), 1)
    return min((step + 1) / rising, (steps - step) / max(steps - rising, 1))


def _tensors(
    rows: Sequence[Example],
) -> tuple[dict[str, torch.Tensor], torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """What the model is fed, which tokens are choices, and which of them are right as start and as end."""
    import torch

    shape = (len(rows), max(len(row.ids) for row in rows))
    ids, kinds, mask = (np.zeros(shape, np.int64) for _ in range(3))
    allowed, starts, ends = (np.zeros(shape, np.bool_) for _ in range(3))
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = row.ids
        kinds[at, row.body[0] : len(row.ids)] = 1
        mask[at, : len(row.ids)] = 1
        allowed[at, [0, *range(*row.body)]] = True
        starts[at, row.starts] = True
        ends[at, row.ends] = True
    given = {"input_ids": ids, "token_type_ids": kinds, "attention_mask": mask}
    features = {name: torch.from_numpy(array) for name, array in given.items()}
    return features, torch.from_numpy(allowed), (torch.from_numpy(starts), torch.from_numpy(ends))


def _loss(scores: torch.Tensor, allowed: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Mean over rows of minus the log of the share of `gold` among what is `allowed`."""
    whole = scores.masked_fill(~allowed, LOW).logsumexp(dim=1)
    right = scores.masked_fill(~gold, LOW).logsumexp(dim=1)
    mean: torch.Tensor = (whole - right).mean()
    return mean


def _save(
    model: torch.nn.Module, optimiser: torch.optim.Optimizer, plan: Plan, done: int, steps: int, out: Path
) -> None:
    from safetensors.torch import save_file

    held = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        held |= {f"optimiser.{number}.{name}": tensor.contiguous() for name, tensor in state.items()}
    save_file(held, str(out / f"{STATE}.new"))
    place = {"done": done, "steps": steps, "plan": asdict(plan)}
    (out / f"{STATE}.new").replace(out / STATE)
    (out / PLACE).write_text(json.dumps(place), "utf-8")


def _resumed(model: torch.nn.Module, optimiser: torch.optim.Optimizer, plan: Plan, steps: int, out: Path) -> int:
    """Take up what `_save` left; how many steps were done, 0 where nothing fits."""
    from safetensors.torch import load_file

    try:
        place = json.loads((out / PLACE).read_text("utf-8"))
    except (OSError, ValueError):
        return 0
    if place["plan"] != asdict(plan) or place["steps"] != steps:
        return 0
    held = load_file(str(out / STATE))
    model.load_state_dict({name.removeprefix("model."): t for name, t in held.items() if name.startswith("model.")})
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in held.items():
        if name.startswith("optimiser."):
            _, number, field = name.split(".", 2)
            states.setdefault(int(number), {})[field] = tensor
    whole = optimiser.state_dict()
    optimiser.load_state_dict({**whole, "state": states})
    return int(place["done"])
