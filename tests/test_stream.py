"""The stream: its order is the same for any number of workers, ranks share it, and it goes on where it was stopped."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
from torch.utils.data import DataLoader  # noqa: E402

from registry.blocks import batches, pack  # noqa: E402
from registry.stream import TokenStream  # noqa: E402

torch.set_num_threads(1)


def make_stream(blocks: int = 11, **options: Any) -> TokenStream:
    """Each block is one document, whose tokens are all its number."""
    held = pack([[number] * 8 for number in range(blocks)], 8, 0)
    return TokenStream(held, np.zeros((blocks, 32), np.uint8), **{"batch_size": 3, "seed": 5, "epochs": 2} | options)


def shown(batches_: Any) -> list[list[int]]:
    """Which blocks each batch has."""
    return [batch["tokens"][:, 0].tolist() for batch in batches_]


def test_a_stream_is_epochs_of_all_blocks_in_the_order_in_which_models_are_trained() -> None:
    whole = shown(make_stream())
    held = pack([[number] * 8 for number in range(11)], 8, 0)
    assert whole == [held.tokens[rows, 0].tolist() for rows in islice(batches(11, 3, seed=5), 8)]
    assert len(whole) == len(make_stream()) == 8
    assert whole[:4] != whole[4:]
    assert sorted(sum(whole[4:], start=[])) == list(range(11))  # noqa: RUF017


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has processors
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_order(workers: int) -> None:
    stream = make_stream()
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    assert shown(loader) == shown(stream)
    some = list(islice(iter(loader), 3))
    stream.load_state_dict(stream.state_after(some[-1]))
    assert shown(loader) == shown(make_stream())[3:]


def test_ranks_share_each_batch_among_them() -> None:
    first, second = (make_stream(rank=rank, ranks=2) for rank in (0, 1))
    for whole, one, other in zip(shown(make_stream()), shown(first), shown(second), strict=True):
        assert sorted(one + other) == sorted(whole)
        assert abs(len(one) - len(other)) <= 1


@pytest.mark.parametrize("stopped", range(9))
def test_a_stream_that_was_stopped_goes_on(stopped: int) -> None:
    stream, again = make_stream(), make_stream()
    seen = shown(islice(iter(stream), stopped))
    again.load_state_dict(stream.state_dict())
    assert seen + (shown(again) if stopped < 8 else []) == shown(make_stream())


def test_a_stream_that_went_on_and_was_stopped_again_goes_on() -> None:
    whole = shown(make_stream())
    stream = make_stream()
    stream.load_state_dict({"start": 2, "given": 0})
    assert shown(islice(iter(stream), 3)) == whole[2:5]
    again = make_stream()
    again.load_state_dict(stream.state_dict())
    assert shown(again) == whole[5:]
    assert shown(again) == whole  # and then from its beginning


def as_worker(monkeypatch: pytest.MonkeyPatch, worker: int, workers: int) -> None:
    """Let a stream believe that it is the copy of a worker."""
    told = type("Info", (), {"id": worker, "num_workers": workers})
    monkeypatch.setattr("registry.stream.get_worker_info", lambda: told)


def test_each_worker_goes_on_by_its_own_state_as_torchdata_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(make_stream())
    for worker in range(2):
        as_worker(monkeypatch, worker, 2)
        stream, again = make_stream(), make_stream()
        assert shown(islice(iter(stream), 2)) == whole[worker::2][:2]
        again.load_state_dict(stream.state_dict())
        assert shown(again) == whole[worker::2][2:]
