"""Ranks: several processes that train one model together, each on its share of every batch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone where there is no process group.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def now(cls) -> Ranks:
        """As `torch.distributed` was initialised, by `together` or by torchrun."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    def sum(self, value: float, device: torch.device) -> float:
        """The sum of a number over all ranks."""
        if self.count == 1:
            return value
        held = torch.tensor(value, dtype=torch.float64, device=device)
        distributed.all_reduce(held)
        return float(held)

    def same_weights(self, learnt: Iterable[torch.nn.Parameter]) -> None:
        """Give all ranks the weights of the first."""
        if self.count > 1:
            for parameter in learnt:
                distributed.broadcast(parameter.data, src=0)

    def add_gradients(self, learnt: list[torch.nn.Parameter]) -> None:
        """Give all ranks the sum of their gradients; a rank without any adds nothing."""
        if self.count == 1:
            return
        held = [torch.zeros_like(one) if one.grad is None else one.grad for one in learnt]
        flat = torch.cat([gradient.flatten() for gradient in held])  # one message instead of one a parameter
        distributed.all_reduce(flat)
        parts = torch.split(flat, [one.numel() for one in learnt])
        for parameter, part in zip(learnt, parts, strict=True):
            parameter.grad = part.view_as(parameter)


def together(work: Callable[..., None], ranks: int, *arguments: Any) -> None:
    """Call a function in several processes of this machine that form a process group, and wait for all.

    They meet by a file and talk over the loopback interface; one that fails ends the others.

    Args:
        work: a function of a module; it is given the arguments.
    """
    with tempfile.TemporaryDirectory() as folder:
        spawn(  # type: ignore[no-untyped-call]
            _join, (ranks, Path(folder) / "meeting", work, arguments), nprocs=ranks
        )


def _join(rank: int, ranks: int, meeting: Path, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # gloo knows no other way to be told; this process is ours alone
    distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=ranks)
    try:
        work(*arguments)
    finally:
        distributed.destroy_process_group()
