"""Training: a plain loop that fits a causal language model to blocks of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import cos, isfinite, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch.nn.functional import cross_entropy

from provenance.errors import ProvError
from registry.blocks import Blocks

Progress = Callable[[int, int, float], None]
"""Told after each step: how many are done, of how many, and the loss, in nats a token."""


class Diverged(ProvError):
    """A training whose loss is no number any more."""

    def __init__(self, step: int, steps: int, learning_rate: float) -> None:
        self.step, self.steps, self.learning_rate = step, steps, learning_rate
        super().__init__(
            f"the loss is not a number at step {step:,} of {steps:,}, with a learning rate of {learning_rate:g}: "
            "give a smaller one"
        )


class Training(BaseModel):
    """How a model is trained.

    Attributes:
        epochs: how often it sees each block.
        steps: how many steps it takes instead, as often through the blocks as that needs.
        batch_size: blocks a step.
        learning_rate: the highest, after the warm-up; from there it falls along a cosine to `floor` of it.
        warmup: the share of steps in which the learning rate rises.
        clip: the longest that a gradient may be.
        seed: of the order of blocks, and of dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=3, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, le=10)
    warmup: float = Field(default=0.1, ge=0, le=1)
    floor: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0, le=10)
    clip: float = Field(default=1.0, gt=0, le=1e9)
    seed: int = Field(default=0, ge=0, lt=2**63)

    def steps_over(self, blocks: int) -> int:
        """How many steps there are, over so many blocks."""
        return self.steps or self.epochs * -(-blocks // self.batch_size)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0.

        >>> [round(Training(learning_rate=1, warmup=0.2).rate(step, 10), 2) for step in (0, 1, 2, 9)]
        [0.5, 1.0, 1.0, 0.13]
        """
        rising = self.warmup * steps
        if step < rising:
            return self.learning_rate * min(1.0, (step + 1) / rising)
        gone = (step - rising) / max(1.0, steps - rising)
        return self.learning_rate * (self.floor + (1 - self.floor) * (1 + cos(pi * gone)) / 2)


def optimise(
    model: Any, blocks: Blocks, training: Training, progress: Progress = lambda done, steps, loss: None
) -> list[float]:
    """Train a model on blocks, where it stands; the same seed on the same machine gives the same losses.

    Args:
        model: a causal language model of `transformers`, on any device.
    Returns:
        The loss of each step, in nats a token, as it was before the step.
    Raises:
        Diverged: the loss is no number any more.
    """
    steps = training.steps_over(len(blocks))
    optimiser = _adamw(model, training)
    losses: list[float] = []
    with torch.random.fork_rng(devices=_cuda(model)):
        torch.manual_seed(training.seed)
        model.train()
        for step, rows in enumerate(_batches(len(blocks), training, steps)):
            for group in optimiser.param_groups:
                group["lr"] = training.rate(step, steps)
            nats, weights = foretell(model, blocks, rows)
            loss = (nats * weights).sum() / max(1, int((weights > 0).sum()))
            losses.append(float(loss.detach()))
            if not isfinite(losses[-1]):
                raise Diverged(step + 1, steps, training.learning_rate)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip)
            optimiser.step()
            progress(step + 1, steps, losses[-1])
        model.eval()
    return losses


def mean_loss(model: Any, blocks: Blocks, batch_size: int = 32) -> float:
    """The loss of a model over blocks that it does not learn from, in nats a token."""
    total = 0.0
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(blocks), batch_size):
            nats, weights = foretell(model, blocks, np.arange(start, min(start + batch_size, len(blocks))))
            total += float((nats * weights).double().sum())
    return total / float(blocks.weights.sum(dtype=np.float64))


def foretell(model: Any, blocks: Blocks, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """What it costs a model to foretell the tokens of some blocks.

    Returns:
        Nats, and how much each counts, both (rows, length - 1) float32.
    """
    device = next(model.parameters()).device
    tokens, pieces, positions, weights = (
        torch.from_numpy(held[rows]).to(device)
        for held in (blocks.tokens, blocks.pieces, blocks.positions, blocks.weights)
    )
    output = model(input_ids=tokens, attention_mask=_mask(pieces, model.dtype), position_ids=positions, use_cache=False)
    logits = output.logits[:, :-1].float()  # (rows, length - 1, vocabulary)
    nats = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return nats.view(len(tokens), -1), weights[:, 1:]


def _mask(pieces: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to attention, (rows, 1, length, length): nothing within a piece and before, else the least."""
    same = pieces[:, :, None] == pieces[:, None, :]
    seen = same & torch.ones_like(same[0]).tril()
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]


def _batches(blocks: int, training: Training, steps: int) -> Iterator[NDArray[np.int64]]:
    """Which blocks each step learns from: all of them in an order of its own, epoch after epoch."""
    rng = np.random.default_rng(training.seed)
    done = 0
    while True:
        order = rng.permutation(blocks)
        for start in range(0, blocks, training.batch_size):
            if done == steps:
                return
            yield order[start : start + training.batch_size]
            done += 1


def _adamw(model: Any, training: Training) -> torch.optim.AdamW:
    """AdamW, in one kernel where the device has one; biases and norms do not decay."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learnt if parameter.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [parameter for parameter in learnt if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(parameter.device.type in ("cpu", "cuda") and parameter.is_floating_point() for parameter in learnt)
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=(0.9, 0.95), fused=fused)


def _cuda(model: Any) -> list[torch.device]:
    """The devices, beside the processor, whose random state a training changes."""
    return sorted({one.device for one in model.parameters() if one.device.type == "cuda"}, key=str)
