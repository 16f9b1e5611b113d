"""Training: blocks hold each token once, documents do not see each other, and a seed is a training."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from itertools import chain, islice, pairwise
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
transformers = pytest.importorskip("transformers", reason="needs corpus-provenance[train]")

from safetensors import SafetensorError  # noqa: E402

from provenance.errors import ProvError  # noqa: E402
from registry.blocks import PADDING, Blocks, batches, pack  # noqa: E402
from trainer import checkpoint  # noqa: E402
from trainer.checkpoint import NAME, OtherTraining  # noqa: E402
from trainer.distributed import Ranks, together  # noqa: E402
from trainer.optimise import Diverged, Training, device, foretell, mean_loss, optimise  # noqa: E402

PAD = 0
torch.set_num_threads(1)


def make_model(seed: int = 0, vocabulary: int = 50, context: int = 16) -> Any:
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=context, n_embd=16, n_layer=2, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2, pad_token_id=PAD,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.GPT2LMHeadModel(config)


def some_documents(count: int, seed: int = 0, longest: int = 30, vocabulary: int = 50) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(3, vocabulary, rng.integers(2, longest)).tolist() for _ in range(count)]


documents = st.lists(st.lists(st.integers(1, 99), min_size=2, max_size=40), min_size=1, max_size=20)


@settings(max_examples=200)
@given(documents, st.integers(2, 17))
def test_each_token_but_the_first_of_a_document_is_foretold_once_from_the_one_before(
    held: list[list[int]], length: int
) -> None:
    blocks = pack(held, length, PAD)
    rows, columns = np.nonzero(blocks.weights)
    assert (columns > 0).all()
    assert (blocks.pieces[rows, columns] == blocks.pieces[rows, columns - 1]).all()
    foretold = list(zip(blocks.tokens[rows, columns - 1].tolist(), blocks.tokens[rows, columns].tolist(), strict=True))
    assert sorted(foretold) == sorted(pair for tokens in held for pair in pairwise(tokens))
    assert blocks.foretold == len(foretold)


@given(documents, st.integers(2, 17))
def test_places_count_from_the_beginning_of_each_piece_and_padding_is_no_piece(
    held: list[list[int]], length: int
) -> None:
    blocks = pack(held, length, PAD)
    assert ((blocks.pieces == PADDING) == (blocks.tokens == PAD)).all()
    for pieces, positions in zip(blocks.pieces, blocks.positions, strict=True):
        for piece in set(pieces.tolist()) - {PADDING}:
            assert positions[pieces == piece].tolist() == list(range((pieces == piece).sum()))


def test_packing_wastes_little() -> None:
    held = some_documents(500, longest=60)
    blocks = pack(held, 64, PAD)
    assert (blocks.pieces == PADDING).mean() < 0.02


def test_a_document_in_a_block_costs_what_it_costs_alone() -> None:
    model, held = make_model(), some_documents(12, longest=9)
    together = pack(held, 16, PAD)
    assert len(together) < len(held)
    alone = [pack([tokens], 16, PAD) for tokens in held]
    total = sum(mean_loss(model, one) * one.foretold for one in alone)
    assert mean_loss(model, together) * together.foretold == pytest.approx(total, rel=1e-5)


def test_a_loss_is_the_mean_of_what_the_tokens_cost_by_the_weights_of_their_documents() -> None:
    model, held, weights = make_model(), some_documents(4, longest=9), [0.5, 1.5, 2.0, 0.25]
    losses = optimise(model, pack(held, 16, PAD, weights), Training(steps=1))
    untrained = make_model()
    alone = [pack([tokens], 16, PAD) for tokens in held]
    total = sum(weight * mean_loss(untrained, one) * one.foretold for weight, one in zip(weights, alone, strict=True))
    assert losses == [pytest.approx(total / sum(one.foretold for one in alone), rel=1e-5)]


def test_a_seed_is_a_training() -> None:
    blocks = pack(some_documents(40), 16, PAD)

    def losses(seed: int) -> list[float]:
        return optimise(make_model(), blocks, Training(epochs=2, batch_size=4, seed=seed))

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_training_leaves_the_random_state_of_everybody_else_alone() -> None:
    before = torch.get_rng_state()
    optimise(make_model(), pack(some_documents(5), 16, PAD), Training(steps=2))
    assert (torch.get_rng_state() == before).all()


def test_a_model_learns_what_it_is_shown_and_nothing_of_what_it_is_not() -> None:
    shown, other = pack([[1, *range(3, 13), 2]] * 8, 16, PAD), pack([[1, *range(30, 40), 2]] * 8, 16, PAD)
    model = make_model()
    before = mean_loss(model, other)
    losses = optimise(model, shown, Training(steps=60, learning_rate=0.02))
    assert losses[0] == pytest.approx(np.log(50), abs=0.3)
    assert mean_loss(model, shown) < 0.1
    assert mean_loss(model, other) > before


def test_each_epoch_shows_each_block_once_in_another_order() -> None:
    blocks = pack([[number, 1] * 8 for number in range(3, 13)], 16, PAD)
    told: list[tuple[int, int]] = []
    losses = optimise(
        make_model(),
        blocks,
        Training(epochs=3, batch_size=4, learning_rate=1e-9),
        lambda done, steps, loss: told.append((done, steps)),
    )
    assert told == [(done, 9) for done in range(1, 10)]  # 4, 4 and 2 blocks an epoch
    epochs = np.array(losses).reshape(3, 3)
    np.testing.assert_allclose(epochs @ [4, 4, 2], (epochs @ [4, 4, 2])[0], rtol=1e-5)
    assert len({tuple(row) for row in epochs.round(6)}) == 3


def test_steps_are_taken_instead_of_epochs_however_few_blocks_there_are() -> None:
    assert len(optimise(make_model(), pack([[1, 5, 2]], 16, PAD), Training(epochs=100, steps=7))) == 7


def test_the_learning_rate_rises_and_falls_along_a_cosine() -> None:
    training = Training(learning_rate=1, warmup=0.1, floor=0.1)
    rates = [training.rate(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[10] == 1
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[55] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1, abs=0.001)


def test_gradients_are_clipped() -> None:
    def norm(clip: float) -> float:
        model = make_model()
        optimise(model, pack(some_documents(20), 16, PAD), Training(steps=1, clip=clip))
        return float(torch.stack([parameter.grad.norm() for parameter in model.parameters()]).norm())

    assert norm(1e9) > 0.1
    assert norm(0.1) == pytest.approx(0.1, rel=1e-3)


def test_a_loss_that_is_no_number_is_said_in_one_line() -> None:
    model = make_model()
    with torch.no_grad():
        model.transformer.wte.weight[7] = float("nan")
    with pytest.raises(Diverged, match=r"step 1 of 3.*rate of 0\.5.*smaller") as error:
        optimise(model, pack([[1, 7, 2]], 16, PAD), Training(steps=3, learning_rate=0.5))
    assert "\n" not in str(error.value)


def test_padding_costs_nothing_and_teaches_nothing() -> None:
    model, blocks = make_model(), pack([[1, 4, 5, 2]], 16, PAD)
    nats, weights = foretell(model, blocks, np.array([0]))
    assert (weights[0] > 0).tolist() == [True] * 3 + [False] * 12
    longer = Blocks(*(np.concatenate([held, held]) for held in vars(blocks).values()))
    assert mean_loss(model, longer) == pytest.approx(mean_loss(model, blocks))
    assert float(nats.detach()[weights > 0].mean()) == pytest.approx(mean_loss(model, blocks))


# -- stopped and gone on


class Killed(Exception):
    """What stops a training in these tests, where a signal would."""


def stop_after(steps: int) -> Any:
    def stop(done: int, of: int, loss: float) -> None:
        if done == steps:
            raise Killed

    return stop


def weights_of(model: Any) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


KEPT = Training(epochs=3, batch_size=4, checkpoint_steps=4, accumulate=2)


def with_dropout(seed: int = 0) -> Any:
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.GPT2LMHeadModel(config)


@pytest.mark.parametrize("stopped", [3, 4, 5, 11])
def test_a_training_that_was_stopped_goes_on_to_the_same_losses_and_weights(tmp_path: Path, stopped: int) -> None:
    blocks, whole = pack(some_documents(40), 16, PAD), with_dropout()
    losses = optimise(whole, blocks, KEPT)
    with pytest.raises(Killed):
        optimise(with_dropout(), blocks, KEPT, stop_after(stopped), tmp_path / "kept")
    again, taken = with_dropout(), []
    assert optimise(again, blocks, KEPT, lambda done, of, loss: taken.append(done), tmp_path / "kept") == losses
    assert same(weights_of(again), weights_of(whole))
    assert taken[0] == stopped // 4 * 4 + 1
    assert optimise(with_dropout(), blocks, KEPT, lambda *_: pytest.fail("it was done"), tmp_path / "kept") == losses


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    blocks = pack(some_documents(40), 16, PAD)
    with pytest.raises(Killed):
        optimise(make_model(), blocks, KEPT, stop_after(5), tmp_path)
    others = [
        (make_model(seed=1), blocks, KEPT),
        (make_model(), pack(some_documents(40, seed=1), 16, PAD), KEPT),
        (make_model(), blocks, KEPT.model_copy(update={"learning_rate": 0.1})),
    ]
    for model, held, training in others:
        before = weights_of(model)
        with pytest.raises(OtherTraining, match=r"another training.*remove it"):
            optimise(model, held, training, keep=tmp_path)
        assert same(before, weights_of(model))
    optimise(make_model(), blocks, KEPT.model_copy(update={"checkpoint_steps": 9}), keep=tmp_path)


def test_a_broken_checkpoint_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\x40\0\0\0\0\0\0\0{half")
    with pytest.raises(ProvError, match=r"cannot read the checkpoint.*remove it") as error:
        optimise(make_model(), pack(some_documents(4), 16, PAD), KEPT, keep=tmp_path)
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise SafetensorError("No space left on device (os error 28)")

    blocks = pack(some_documents(40), 16, PAD)
    losses = optimise(make_model(), blocks, KEPT)
    with pytest.raises(Killed):
        optimise(make_model(), blocks, KEPT, stop_after(5), tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(ProvError, match=r"cannot write.*No space left.*full disk"):
            optimise(make_model(), blocks, KEPT, keep=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == before
    assert optimise(make_model(), blocks, KEPT, keep=tmp_path) == losses


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProvError, match="cannot write"):
        optimise(make_model(), pack(some_documents(40), 16, PAD), KEPT, keep=tmp_path / "file" / "kept")


def slow_training(keep: str, told: str) -> None:
    """What the killed process does; it says how far it is, and waits a little so that it can be killed."""
    torch.set_num_threads(1)
    model, blocks = with_dropout(), pack(some_documents(40), 16, PAD)

    def tell(done: int, of: int, loss: float) -> None:
        sleep(0.02)

    losses = optimise(model, blocks, KEPT.model_copy(update={"checkpoint_steps": 1, "epochs": 10}), tell, Path(keep))
    Path(told).write_text(json.dumps([losses, [float(weight.sum()) for weight in weights_of(model).values()]]))


@pytest.mark.slow
def test_a_training_killed_at_any_moment_goes_on_to_the_same_losses_and_weights(tmp_path: Path) -> None:
    slow_training(str(tmp_path / "undisturbed"), str(tmp_path / "expected.json"))
    context, told, kept = multiprocessing.get_context("spawn"), tmp_path / "told.json", tmp_path / "kept"
    waits = np.random.default_rng(0).uniform(0, 0.25, 3).tolist()
    for wait in [*waits, None]:
        process = context.Process(target=slow_training, args=(str(kept), str(told)))
        process.start()
        before = changed(kept)
        while process.is_alive() and changed(kept) == before:
            sleep(0.005)
        process.join(wait)
        assert process.is_alive() or wait is None, "it was done before it could be killed"
        process.kill()
        process.join()
    assert told.read_text() == (tmp_path / "expected.json").read_text()


def changed(kept: Path) -> int:
    """When the checkpoint was written."""
    try:
        return (kept / NAME).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


# -- devices, precision, several processes


def test_a_gpu_that_is_not_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device("auto") == device("cpu") == torch.device("cpu")
    with pytest.raises(ProvError, match=r"cuda.*none here.*cpu or auto"):
        device("cuda")


def test_bfloat16_learns_nearly_the_same_and_leaves_the_weights_in_float32() -> None:
    blocks = pack(some_documents(40), 16, PAD)
    models = make_model(), make_model()
    exact = optimise(models[0], blocks, Training(steps=8, precision="float32"))
    rough = optimise(models[1], blocks, Training(steps=8, precision="bfloat16"))
    assert exact != rough
    np.testing.assert_allclose(exact, rough, rtol=0.02)
    assert {weight.dtype for weight in models[1].parameters()} == {torch.float32}


def test_a_batch_worked_through_in_parts_teaches_the_same() -> None:
    blocks = pack(some_documents(40), 16, PAD, np.random.default_rng(0).uniform(0.1, 2, 40).tolist())
    whole, parts = (optimise(make_model(), blocks, Training(epochs=2, accumulate=accumulate)) for accumulate in (1, 3))
    np.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_the_order_of_blocks_does_not_depend_on_where_one_begins() -> None:
    whole = [rows.tolist() for rows in islice(batches(10, 3, seed=7), 12)]
    assert [rows.tolist() for rows in islice(batches(10, 3, seed=7, start=5), 7)] == whole[5:]
    assert sorted(chain(*whole[:4])) == sorted(chain(*whole[4:8])) == list(range(10))
    assert whole[:4] != whole[4:8]


def train_together(folder: str) -> None:
    torch.set_num_threads(1)
    blocks, ranks = pack(some_documents(30), 16, PAD), Ranks.now()
    model = make_model(seed=ranks.rank)  # which the first gives to all
    losses = optimise(model, blocks, Training(epochs=2, batch_size=4), keep=Path(folder) / f"kept of {ranks.count}")
    told = [losses, [weight.flatten().tolist() for weight in weights_of(model).values()]]
    Path(folder, f"{ranks.rank} of {ranks.count}").write_text(json.dumps(told))


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    train_together(str(tmp_path))
    together(train_together, 2, str(tmp_path))
    alone, first, second = (json.loads((tmp_path / name).read_text()) for name in ("0 of 1", "0 of 2", "1 of 2"))
    assert first == second
    np.testing.assert_allclose(alone[0], first[0], rtol=1e-5)
    for one, other in zip(alone[1], first[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch uses what torch deprecates
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a compiler")
def test_a_compiled_model_learns_the_same() -> None:
    blocks = pack(some_documents(8), 16, PAD)
    plain, compiled = (optimise(make_model(), blocks, Training(steps=3, compile=one)) for one in (False, True))
    np.testing.assert_allclose(plain, compiled, rtol=1e-4)
