"""Training of the small networks of test-beds whose samples are arrays: one plain loop, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any, Protocol

import torch
from torch import Tensor

from trainer.testbed import Degenerate, Floats


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


class Fit(Protocol):
    """How a network is fitted."""

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...


def train(
    network: Any, losses: Callable[[Tensor], Tensor], size: int, how: Fit, weights: Floats | None = None
) -> list[float]:
    """Train a network, where it stands, by AdamW with a cosine to zero; call it inside `seeded`.

    Args:
        losses: of the samples of some numbers, (batch,) int64; one a sample, (batch,).
        size: how many samples there are; each epoch sees them all, in an order of its own.
        weights: one a sample, (size,), summing to 1; None where all weigh the same.
    Returns:
        The mean loss of each epoch.
    Raises:
        Degenerate: the loss is no number any more.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=how.learning_rate)
    steps = how.epochs * -(-size // how.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    counts = None if weights is None else torch.from_numpy(weights * size).float()
    means = []
    network.train()
    for _ in range(how.epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(size), how.batch_size):
            optimiser.zero_grad()
            each = losses(rows)
            loss = (each if counts is None else each * counts[rows].to(each.device)).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        means.append(total / size)
        if not isfinite(means[-1]):
            raise Degenerate("a loss that is a number", f"{means[-1]}", "give a lower learning_rate")
    network.eval()
    return means
