"""Training: a plain loop that fits a causal language model to blocks of tokens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from math import cos, isfinite, pi
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch.nn.functional import cross_entropy, pad

from provenance.errors import ProvError
from registry.blocks import Blocks, Packed, batches
from trainer.checkpoint import NAME, Checkpoint, digest_of
from trainer.distributed import Ranks

Precision = Literal["auto", "float32", "bfloat16"]

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
        accumulate: parts that a batch is worked through in, where all of it does not fit into memory.
        precision: what is multiplied in; weights are float32. `auto` is bfloat16 on a GPU that has it.
        compile: let torch compile the model first, which takes half a minute or more.
        checkpoint_steps: a checkpoint is kept each time so many steps are done.
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
    accumulate: int = Field(default=1, ge=1)
    precision: Precision = "auto"
    compile: bool = False
    checkpoint_steps: int = Field(default=500, ge=1)

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
    model: Any,
    blocks: Packed,
    training: Training,
    progress: Progress = lambda done, steps, loss: None,
    keep: Path | None = None,
) -> list[float]:
    """Train a model on blocks, where it stands; the same seed on the same machine gives the same losses.

    In a process group of `torch.distributed` each rank learns from its share of every batch, and all get the weights
    that one alone would.

    Args:
        model: a causal language model of `transformers`, on any device.
        keep: a folder for a checkpoint; a training that was killed goes on from it, bit for bit, when it is called
            with the same model, blocks and training again. Remove it when the model is kept elsewhere.
    Returns:
        The loss of each step, in nats a token, as it was before the step.
    Raises:
        Diverged: the loss is no number any more.
        OtherTraining: the folder has a checkpoint of another training.
        ProvError: a checkpoint cannot be read or written.
    """
    steps, ranks = training.steps_over(len(blocks)), Ranks.now()
    optimiser, learnt = _adamw(model, training), _learnt(model)
    checkpoint = _checkpoint(model, blocks, training, keep) if keep else None
    losses = checkpoint.read(model, optimiser) if checkpoint else []
    ranks.same_weights(learnt)
    network = torch.compile(model) if training.compile else model
    ahead = batches(len(blocks), training.batch_size, training.seed, start=len(losses))
    with torch.random.fork_rng(devices=_cuda(model)):
        model.train()
        for step, rows in enumerate(islice(ahead, steps - len(losses)), len(losses)):
            _set(optimiser, training.rate(step, steps))
            _seed(training.seed, step, ranks.rank)
            optimiser.zero_grad()
            losses.append(_gradients(network, blocks.take(rows[ranks.rank :: ranks.count]), training, ranks))
            if not isfinite(losses[-1]):
                raise Diverged(step + 1, steps, training.learning_rate)
            ranks.add_gradients(learnt)
            torch.nn.utils.clip_grad_norm_(learnt, training.clip)
            optimiser.step()
            if checkpoint and ranks.rank == 0 and ((step + 1) % training.checkpoint_steps == 0 or step + 1 == steps):
                checkpoint.write(model, optimiser, losses)
            progress(step + 1, steps, losses[-1])
        model.eval()
    return losses


def device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Where to train or write: `auto` is a GPU where there is one.

    Raises:
        ProvError: a GPU was asked for, and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ProvError("a GPU (cuda) was wanted, torch finds none here: take the device cpu or auto")
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def mean_loss(model: Any, blocks: Packed, batch_size: int = 32) -> float:
    """The loss of a model over blocks that it does not learn from, in nats a token."""
    total = weight = 0.0
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(blocks), batch_size):
            nats, weights = foretell(model, blocks, np.arange(start, min(start + batch_size, len(blocks))))
            total += float((nats * weights).double().sum())
            weight += float(weights.double().sum())
    return total / weight


def foretell(model: Any, blocks: Packed, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """What it costs a model to foretell the tokens of some blocks.

    Returns:
        Nats, and how much each counts, both (rows, length - 1) float32.
    """
    device, some = next(model.parameters()).device, blocks.take(rows)
    tokens, pieces, positions, weights = (
        torch.from_numpy(held).to(device) for held in (some.tokens, some.pieces, some.positions, some.weights)
    )
    is_plain = some.pieces.max(initial=0) == 0  # one piece a row: that attention is causal says it all, and is quicker
    mask = torch.ones_like(tokens) if is_plain else _mask(pieces, model.dtype)
    output = model(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False)
    nexts = pad(tokens[:, 1:], (0, 1))  # (rows, length): these are shifted, for logits are many and are not copied
    nats = cross_entropy(output.logits.flatten(0, 1).float(), nexts.flatten(), reduction="none")
    return nats.view(tokens.shape)[:, :-1], weights[:, 1:]


def _gradients(network: Any, batch: Blocks, training: Training, ranks: Ranks) -> float:
    """Leave in a network the gradients of a rank's share of a batch; what all of the batch costs, in nats a token."""
    where = next(network.parameters()).device
    counted = ranks.sum(float((batch.weights[:, 1:] > 0).sum()), where)
    total = 0.0
    for rows in np.array_split(np.arange(len(batch)), min(training.accumulate, len(batch)) or 1):
        if not len(rows):  # there are more ranks than blocks
            break
        with torch.autocast(where.type, torch.bfloat16, enabled=_in_bfloat16(training.precision, where)):
            nats, weights = foretell(network, batch, rows)
        loss = (nats * weights).sum() / max(1.0, counted)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return ranks.sum(total, where)


def _in_bfloat16(precision: Precision, where: torch.device) -> bool:
    if precision == "auto":
        return where.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def _seed(seed: int, step: int, rank: int) -> None:
    """Begin the random numbers of a step, which need no steps before it, so that no checkpoint has to hold them."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]))


def _set(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


def _checkpoint(model: Any, blocks: Packed, training: Training, keep: Path) -> Checkpoint:
    told = training.model_dump_json(exclude={"checkpoint_steps"})
    return Checkpoint(keep / NAME, digest_of([told, blocks.digest], model))


def _mask(pieces: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to attention, (rows, 1, length, length): nothing within a piece and before, else the least."""
    same = pieces[:, :, None] == pieces[:, None, :]
    seen = same & torch.ones_like(same[0]).tril()
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]


def _learnt(model: Any) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _adamw(model: Any, training: Training) -> torch.optim.AdamW:
    """AdamW, in one kernel where the device has one; biases and norms do not decay."""
    learnt = _learnt(model)
    groups = [
        {"params": [parameter for parameter in learnt if parameter.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [parameter for parameter in learnt if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(parameter.device.type in ("cpu", "cuda") and parameter.is_floating_point() for parameter in learnt)
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=(0.9, 0.95), fused=fused)


def _cuda(model: Any) -> list[torch.device]:
    """The devices, beside the processor, whose random state a training changes."""
    return sorted({one.device for one in model.parameters() if one.device.type == "cuda"}, key=str)
