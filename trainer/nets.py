"""Training of the small networks of test-beds whose samples are arrays: one plain loop, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from trainer.testbed import Degenerate


@contextmanager
def seeded(seed: int, threads: int = 1) -> Iterator[None]:
    """Draw torch's random numbers from a seed, on so many threads, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def train(
    network: Any,
    loss: Callable[[Tensor], Tensor],
    size: int,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> list[float]:
    """Train a network, where it stands, by AdamW with a cosine to zero; call it inside `seeded`.

    Args:
        loss: of the samples of some numbers, (batch,) int64; a scalar.
        size: how many samples there are; each epoch sees them all, in an order of its own.
    Returns:
        The mean loss of each epoch.
    Raises:
        Degenerate: the loss is no number any more.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    steps = epochs * -(-size // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    network.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(size), batch_size):
            optimiser.zero_grad()
            found = loss(rows)
            found.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(found.detach()) * len(rows)
        losses.append(total / size)
        if not isfinite(losses[-1]):
            raise Degenerate("a loss that is a number", f"{losses[-1]}", "give a lower learning_rate")
    network.eval()
    return losses
