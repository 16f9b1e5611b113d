"""The stream: batches of a mix for anybody's training loop, in an order that workers, ranks and stops do not change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch.utils.data import IterableDataset, get_worker_info

from registry.blocks import Packed, batches
from registry.spool import Encoder, packed, spool
from registry.store import Progress, Store, silent

Batch = dict[str, Any]


class TokenStream(IterableDataset[Batch]):
    """Batches of blocks, as dictionaries of tensors.

    `tokens`, `pieces`, `positions` and `documents` are (rows, length) int64, `weights` (rows, length) float32, as
    `registry.blocks.Blocks` says; `digests[document]` names a document. `number` is the number of the batch.

    For several workers: `DataLoader(stream, batch_size=None, num_workers=n)`. Each makes every n-th batch, and the
    loader takes turns, so the order is that of one. To go on in the middle: `state_dict` and `load_state_dict`, where
    the stream is read in this process or by torchdata's `StatefulDataLoader`; a plain `DataLoader` reads ahead in
    copies of the stream, so take `state_after` the last batch that was used.

    Args:
        held: the blocks.
        digests: (documents, 32) uint8, of the documents.
        batch_size: blocks a batch, over all ranks.
        seed: of the order; each epoch has one of its own.
        rank, ranks: this process among those that share each batch; as `torch.distributed` has it where they are None.
    """

    def __init__(
        self,
        held: Packed,
        digests: NDArray[np.uint8],
        batch_size: int = 8,
        seed: int = 0,
        epochs: int = 1,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> None:
        is_shared = distributed.is_available() and distributed.is_initialized()
        self.held, self.digests, self.batch_size, self.seed, self.epochs = held, digests, batch_size, seed, epochs
        self.rank = (distributed.get_rank() if is_shared else 0) if rank is None else rank
        self.ranks = (distributed.get_world_size() if is_shared else 1) if ranks is None else ranks
        self._start = self._given = 0

    def __len__(self) -> int:
        return self.epochs * -(-len(self.held) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        first = self._start + mine + workers * self._given
        ahead = batches(len(self.held), self.batch_size, self.seed, first)
        for number, rows in zip(range(first, len(self), workers), islice(ahead, 0, None, workers), strict=False):
            self._given += 1
            yield self._batch(number, rows[self.rank :: self.ranks])
        self._start = self._given = 0

    def _batch(self, number: int, rows: NDArray[np.int64]) -> Batch:
        some = {name: torch.from_numpy(part) for name, part in vars(self.held.take(rows)).items()}
        return some | {"number": number}

    def state_dict(self) -> dict[str, int]:
        """How far this stream, or this worker's copy of it, was read."""
        return {"start": self._start, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there; in a worker, with as many workers as there were."""
        self._start, self._given = state["start"], state["given"]
        if get_worker_info() is None:  # workers that are made later begin where this process stood
            self._start, self._given = self._start + self._given, 0

    @staticmethod
    def state_after(batch: Batch) -> dict[str, int]:
        """What to load to go on with the batch that follows one."""
        return {"start": batch["number"] + 1, "given": 0}


def stream(
    store: Store,
    mix: str,
    *,
    tokenizer: Any,
    length: int,
    folder: Path | None = None,
    begin: int | str | None = None,
    end: int | str | None = None,
    pad: int | str | None = None,
    progress: Progress = silent,
    **order: Any,
) -> TokenStream:
    """The texts of a mix as a stream of batches.

    Args:
        tokenizer, begin, end, pad: as `registry.spool.Encoder.of` takes them.
        length: tokens of a block.
        folder: where the blocks are kept; in memory where it is None.
        order: `batch_size`, `seed`, `epochs`, `rank` and `ranks` of a `TokenStream`.
    """
    encoder = Encoder.of(tokenizer, begin, end, pad)
    if folder is not None:
        spooled = spool(store, mix, encoder, length, folder, progress)
        return TokenStream(spooled, spooled.digests, **order)
    blocks, digests = packed(store, mix, encoder, length, progress)
    return TokenStream(blocks, np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32), **order)
