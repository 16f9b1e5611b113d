"""Training: blocks hold each token once, documents do not see each other, and a seed is a training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
transformers = pytest.importorskip("transformers", reason="needs corpus-provenance[train]")

from registry.blocks import PADDING, Blocks, pack  # noqa: E402
from trainer.optimise import Diverged, Training, foretell, mean_loss, optimise  # noqa: E402

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
