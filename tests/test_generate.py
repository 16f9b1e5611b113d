"""Generation: what is sampled is what the model says, and a watermark goes into it as its scheme says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
transformers = pytest.importorskip("transformers", reason="needs corpus-provenance[train]")

from provenance.errors import ProvError  # noqa: E402
from provenance.schemes.synthid import Synthid  # noqa: E402
from trainer.generate import (  # noqa: E402
    CannotMark,
    Decoding,
    Marker,
    NothingWritten,
    TooLong,
    _choose,
    _warp,
    sample,
)
from trainer.stepper import Forward, Gpt2, Llama, stepper  # noqa: E402

torch.set_num_threads(1)
BEGIN, END, PAD = 0, 1, 2
CONTEXT = 24
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
VOCABULARY = {"<b>": BEGIN, "<e>": END, "<p>": PAD} | {letter: place for place, letter in enumerate(LETTERS, 3)}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    made = Tokenizer(models.BPE(vocab=VOCABULARY, merges=[]))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens(["<b>", "<e>", "<p>"])
    return made


def make_model(seed: int = 0) -> Any:
    config = transformers.GPT2Config(
        vocab_size=len(VOCABULARY), n_positions=CONTEXT, n_embd=16, n_layer=2, n_head=2, initializer_range=0.3,
        bos_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.GPT2LMHeadModel(config)


@pytest.fixture(scope="module")
def model() -> Any:
    return make_model()


def make_llama(**other: Any) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=len(VOCABULARY), max_position_embeddings=CONTEXT, hidden_size=16, intermediate_size=24,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3,
        bos_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD, **other,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.LlamaForCausalLM(config).eval()


class Ends(torch.nn.Module):  # type: ignore[misc, name-defined]
    """A model that is more, or less, inclined to end than another one."""

    def __init__(self, model: Any, inclined: float) -> None:
        super().__init__()
        self.model, self.config, self.inclined = model, model.config, inclined

    @property
    def device(self) -> Any:
        return self.model.device

    def forward(self, **arguments: Any) -> Any:
        output = self.model(**arguments)
        output.logits[:, -1, END] += self.inclined
        return output


@dataclass
class Raising:
    """A scheme that raises the scores of even tokens, and remembers what it was asked."""

    context: int = 1
    once_per_context: bool = False
    by: float = 5.0
    only: int | None = None

    def __post_init__(self) -> None:
        self.asked: list[NDArray[np.int64]] = []

    def mark(
        self, secret: tuple[int, ...], context: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        assert secret == (7,)
        assert context.dtype == np.int64
        assert scores.dtype == np.float32
        assert context.shape == (len(scores), self.context)
        self.asked.append(context)
        raised = np.zeros(scores.shape[1], np.float32)
        raised[slice(0, None, 2) if self.only is None else self.only] = self.by
        return scores + raised


def marker_of(scheme: Raising) -> Marker:
    return Marker(scheme, (7,), outside=(END, PAD))  # type: ignore[arg-type]


def likeliest(model: Any, prompt: list[int], length: int) -> list[int]:
    """The likeliest tokens, one after another, each from the whole text before it."""
    ids = [BEGIN, *prompt]
    for _ in range(length):
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0, -1]
        scores[[BEGIN, END, PAD]] = -torch.inf
        ids.append(int(scores.argmax()))
    return ids[1 + len(prompt) :]


# -- sampling


def test_a_cache_and_padding_change_nothing(model: Any, tokenizer: Tokenizer) -> None:
    prompts, lengths = [[], [5], [9, 4, 17, 30], [8, 8]], [6, 12, 20, 1]
    written = sample(model, tokenizer, lengths, 0, Decoding(temperature=0), prompts=prompts, batch_size=3)
    assert written.ids == [likeliest(model, prompt, n) for prompt, n in zip(prompts, lengths, strict=True)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("is_padded", [False, True])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_model, Gpt2),
        (make_llama, Llama),
        (lambda: make_llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}), Forward),
        (lambda: Ends(make_model(), 0.0), Forward),
    ],
)
@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_scores_of_each_step_are_those_of_the_whole_text(make: Any, kind: type, is_padded: bool, threads: int) -> None:
    network = make().eval()
    padding = torch.tensor([0, 3, 1, 4]) if is_padded else torch.zeros(4, dtype=torch.long)
    ids = torch.randint(3, len(VOCABULARY), (4, 20), generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        reader = stepper(network, padding, 20)
        assert type(reader) is kind
        for end in range(5, 21):
            scores = reader.step(ids[:, :5] if end == 5 else ids[:, end - 1 : end])
            for row, space in enumerate(padding.tolist()):
                whole = network(input_ids=ids[row : row + 1, space:end]).logits[0, -1]
                torch.testing.assert_close(scores[row], whole, rtol=1e-4, atol=1e-4)
            if end == 12:  # one row ends, one goes on twice
                kept = torch.tensor([3, 1, 1])
                reader.keep(kept)
                ids, padding = ids[kept], padding[kept]
    finally:
        torch.set_num_threads(before)


def test_what_a_text_is_depends_on_its_number_and_not_on_the_others(model: Any, tokenizer: Tokenizer) -> None:
    lengths = [3, 20, 11, 24, 7, 7, 18]
    together = sample(model, tokenizer, lengths, 5, first=100)
    assert sample(model, tokenizer, lengths, 5, batch_size=2, first=100) == together
    for row, length in enumerate(lengths):
        assert sample(model, tokenizer, [length], 5, first=100 + row).texts == together.texts[row : row + 1]
    assert together.texts[4] != together.texts[5]


def test_a_row_that_has_ended_is_not_read_beyond_the_last_place(model: Any, tokenizer: Tokenizer) -> None:
    prompts = [[9] * 22, [], [], [], []]
    assert [len(ids) for ids in sample(model, tokenizer, [2, 24, 24, 24, 24], 0, prompts=prompts).ids] == [2, *[24] * 4]


def test_texts_are_as_long_as_was_asked_and_hold_no_special_token(model: Any, tokenizer: Tokenizer) -> None:
    lengths = [1, 24, 7, 7, 13] * 20
    written = sample(model, tokenizer, lengths, 0, batch_size=16)
    assert [len(ids) for ids in written.ids] == lengths
    assert [len(text) for text in written.texts] == lengths
    assert min(token for ids in written.ids for token in ids) > PAD
    assert written.texts == ["".join(LETTERS[token - 3] for token in ids) for ids in written.ids]


def test_a_model_may_end_its_texts_itself(model: Any, tokenizer: Tokenizer) -> None:
    decoding = Decoding(ending="eos")
    lengths = [len(ids) for ids in sample(Ends(model, 3.0), tokenizer, [24] * 200, 0, decoding).ids]
    assert min(lengths) >= 1
    assert 1 < np.mean(lengths) < 20
    assert {len(ids) for ids in sample(Ends(model, -99.0), tokenizer, [24] * 5, 0, decoding).ids} == {24}


def test_a_text_that_came_out_empty_is_written_again_and_not_for_ever(model: Any, tokenizer: Tokenizer) -> None:
    decoding = Decoding(ending="eos")
    written = sample(Ends(model, 4.0), tokenizer, [24] * 50, 0, decoding)
    assert all(written.texts)
    with pytest.raises(NothingWritten, match="5 texts were wanted, the model wrote 0"):
        sample(Ends(model, 1e4), tokenizer, [24] * 5, 0, decoding)


def test_a_seed_is_a_text(model: Any, tokenizer: Tokenizer) -> None:
    before = torch.get_rng_state()
    first, again, other = (sample(model, tokenizer, [12] * 9, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.texts != other.texts
    assert (torch.get_rng_state() == before).all()


def test_tokens_come_as_often_as_the_model_says(model: Any, tokenizer: Tokenizer) -> None:
    drawn = [ids[0] for ids in sample(model, tokenizer, [1] * 20_000, 3, batch_size=4000).ids]
    with torch.no_grad():
        logits = model(torch.tensor([[BEGIN]])).logits[0, -1].double()
    logits[[BEGIN, END, PAD]] = -torch.inf
    expected = logits.softmax(0).numpy()
    shares = np.bincount(drawn, minlength=len(expected)) / len(drawn)
    assert (np.abs(shares - expected) <= 5 * np.sqrt(expected * (1 - expected) / len(drawn))).all()


@pytest.mark.parametrize(
    "decoding",
    [Decoding(temperature=0.7), Decoding(top_k=5), Decoding(top_p=0.6), Decoding(temperature=1.5, top_k=20, top_p=0.9)],
)
def test_decoding_is_that_of_transformers(decoding: Decoding) -> None:
    logits = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)) * 2
    ids, expected = torch.zeros(40, 1, dtype=torch.long), logits
    warpers = [
        transformers.TemperatureLogitsWarper(decoding.temperature),
        transformers.TopPLogitsWarper(decoding.top_p),
    ]
    if decoding.top_k:
        warpers.insert(1, transformers.TopKLogitsWarper(decoding.top_k))
    for warper in warpers:
        expected = warper(ids, expected)
    torch.testing.assert_close(_warp(logits, torch.tensor([], dtype=torch.long), decoding), expected)


def test_no_temperature_takes_the_likeliest() -> None:
    scores = torch.tensor([[0.1, 0.2, 0.0], [3.0, 0.0, 1.0]])
    assert _choose(scores, Decoding(temperature=0), torch.zeros(2)).tolist() == [1, 0]


@pytest.mark.parametrize(("length", "prompt"), [(CONTEXT + 1, []), (CONTEXT - 2, [5, 5, 5])])
def test_what_does_not_fit_the_context_is_refused(
    model: Any, tokenizer: Tokenizer, length: int, prompt: list[int]
) -> None:
    with pytest.raises(TooLong, match=f"{length} tokens.*the {CONTEXT} that the model can write"):
        sample(model, tokenizer, [length], 0, prompts=[prompt])
    sample(model, tokenizer, [CONTEXT - len(prompt)], 0, prompts=[prompt])


def test_texts_without_length_are_refused_and_no_texts_are_none(model: Any, tokenizer: Tokenizer) -> None:
    with pytest.raises(ProvError, match="0 tokens cannot be written"):
        sample(model, tokenizer, [3, 0], 0)
    assert sample(model, tokenizer, [], 0).texts == []


def test_a_model_that_has_died_is_said_to_have(tokenizer: Tokenizer) -> None:
    dead = make_model()
    with torch.no_grad():
        dead.transformer.wte.weight.fill_(float("nan"))
    with pytest.raises(ProvError, match="not numbers"):
        sample(dead, tokenizer, [3], 0)


# -- beams


@pytest.mark.parametrize("inclined", [-99.0, -2.0, 0.0, 2.0])
@pytest.mark.parametrize("beams", [2, 5])
def test_beams_find_what_those_of_transformers_find(tokenizer: Tokenizer, beams: int, inclined: float) -> None:
    network = make_model(3).eval()
    network.lm_head = torch.nn.Linear(16, len(VOCABULARY))
    with torch.no_grad():
        network.lm_head.weight.copy_(network.transformer.wte.weight)
        network.lm_head.bias.zero_()
        network.lm_head.bias[END] = inclined
    prompts = [[5, 6, 7], [9], [30, 31]]
    decoding = Decoding(beams=beams, ending="eos")
    ours = sample(network, tokenizer, [15] * 3, 0, decoding, prompts=prompts)
    ids = torch.tensor([[PAD] * (3 - len(prompt)) + [BEGIN, *prompt] for prompt in prompts])
    theirs = network.generate(
        ids, attention_mask=(ids != PAD).long(), do_sample=False, num_beams=beams, max_new_tokens=15,
        suppress_tokens=[BEGIN, PAD],
    )  # fmt: skip
    assert [[token for token in row if token not in (END, PAD)] for row in theirs[:, 4:].tolist()] == ours.ids


def test_beams_end_texts_at_their_lengths(model: Any, tokenizer: Tokenizer) -> None:
    lengths = [3, 20, 11]
    written = sample(model, tokenizer, lengths, 0, Decoding(beams=3))
    assert [len(ids) for ids in written.ids] == lengths
    assert written == sample(model, tokenizer, lengths, 1, Decoding(beams=3), batch_size=1)


def test_beams_bear_a_mark_that_does_not_ask_what_was_marked_before(model: Any, tokenizer: Tokenizer) -> None:
    written = sample(model, tokenizer, [12] * 3, 0, Decoding(beams=3), marker_of(Raising(context=2, by=1000.0)))
    assert all(token % 2 == 0 for ids in written.ids for token in ids[1:])
    once = Synthid(depth=2)
    with pytest.raises(CannotMark, match="synthid marks a context once"):
        sample(model, tokenizer, [12], 0, Decoding(beams=3), Marker(once, once.draw_secret()))


def test_beams_go_with_no_other_way_to_choose() -> None:
    with pytest.raises(ValueError, match="leave temperature"):
        Decoding(beams=2, temperature=0.5)


# -- marking


def test_scores_are_marked_as_the_scheme_says_and_stay_what_they_are_otherwise() -> None:
    marker = marker_of(Raising(context=2))
    scores = torch.randn(3, 10, dtype=torch.float16)
    marked = marker(torch.tensor([[9, 4, 5], [PAD, PAD, 5], [PAD, BEGIN, 5]]), scores)
    raised = marked - scores
    assert marked.dtype == torch.float16
    assert raised[1].tolist() == [0] * 10
    for row in (0, 2):
        assert raised[row].tolist() == pytest.approx([5, 0] * 5, abs=0.01)


def test_rows_that_are_shorter_than_a_context_are_not_marked() -> None:
    scheme = Raising(context=4)
    marker, scores = marker_of(scheme), torch.zeros(2, 10)
    assert marker(torch.tensor([[9, 4, 5]] * 2), scores) is scores
    assert not scheme.asked
    assert marker(torch.tensor([[9, 4, 5, 3]] * 2), scores).sum() > 0


def test_a_scheme_without_context_marks_everything() -> None:
    scheme = Raising(context=0)
    assert (marker_of(scheme)(torch.tensor([[PAD], [5]]), torch.zeros(2, 10)).sum(dim=1) > 0).all()


def test_a_context_is_used_once_in_a_row_until_a_new_batch_begins() -> None:
    marker = marker_of(Raising(context=1, once_per_context=True))

    def marked(*rows: list[int]) -> list[bool]:
        return [bool(row.any()) for row in marker(torch.tensor(rows), torch.zeros(len(rows), 4))]

    assert marked([5], [6]) == [True, True]
    assert marked([5, 5], [6, 5]) == [False, True]
    assert marked([5, 5, 6], [6, 5, 6]) == [True, False]
    marker.reset()
    assert marked([5, 5, 6], [6, 5, 6]) == [True, True]
    assert marked([5], [6]) == [True, True]  # shorter: another batch, though nobody said so
    assert marked([5]) == [True]


def test_what_is_sampled_bears_the_mark(model: Any, tokenizer: Tokenizer) -> None:
    scheme = Raising(context=2, by=1000.0)
    written = sample(model, tokenizer, [20] * 6, 0, marker=marker_of(scheme))
    assert all(token % 2 == 0 for ids in written.ids for token in ids[1:])
    assert any(ids[0] % 2 for ids in sample(model, tokenizer, [20] * 6, 0).ids)
    assert scheme.asked[0][0].tolist() == [BEGIN, written.ids[0][0]]


def test_padding_after_a_text_has_ended_is_not_marked(model: Any, tokenizer: Tokenizer) -> None:
    scheme = Raising(context=1)
    sample(model, tokenizer, [2, 9, 9], 0, marker=marker_of(scheme))
    assert [len(context) for context in scheme.asked] == [3, 3, *[2] * 7]


def test_prompts_are_context(model: Any, tokenizer: Tokenizer) -> None:
    scheme = Raising(context=3, by=1000.0)
    written = sample(model, tokenizer, [5, 5], 0, marker=marker_of(scheme), prompts=[[9, 11, 13], [9]])
    assert written.ids[0][0] % 2 == 0
    assert scheme.asked[0].tolist() == [[9, 11, 13]]
    assert scheme.asked[1].tolist() == [[11, 13, written.ids[0][0]], [BEGIN, 9, written.ids[1][0]]]


@pytest.mark.parametrize("once", [False, True])
def test_a_marker_does_in_transformers_what_it_does_here(model: Any, tokenizer: Tokenizer, once: bool) -> None:
    prompts = [[5, 6, 7], [9], [30, 31]]
    marker = marker_of(Raising(context=2, once_per_context=once, by=1.5))
    ours = sample(model, tokenizer, [15] * 3, 0, Decoding(temperature=0), marker, prompts)
    ids = torch.tensor([[PAD] * (3 - len(prompt)) + [BEGIN, *prompt] for prompt in prompts])
    marker.reset()
    theirs = model.generate(
        ids, attention_mask=(ids != PAD).long(), do_sample=False, max_new_tokens=15, min_new_tokens=15,
        suppress_tokens=[BEGIN, PAD], logits_processor=[marker],
    )  # fmt: skip
    assert theirs[:, 4:].tolist() == ours.ids
    plain = sample(model, tokenizer, [15] * 3, 0, Decoding(temperature=0), prompts=prompts)
    assert plain.ids != ours.ids


def test_rows_that_go_on_keep_their_used_contexts() -> None:
    marker = marker_of(Raising(context=1, once_per_context=True))
    zeros = torch.zeros(3, 4)
    marker(torch.tensor([[5], [6], [7]]), zeros)
    marker.keep([2, 0])
    marked = marker(torch.tensor([[7, 7], [5, 7]]), zeros[:2])
    assert [bool(row.any()) for row in marked] == [False, True]


def test_batches_do_not_share_used_contexts(model: Any, tokenizer: Tokenizer) -> None:
    scheme = Raising(context=1, once_per_context=True, by=1000.0, only=8)
    written = sample(model, tokenizer, [4] * 4, 0, marker=marker_of(scheme), batch_size=2)
    assert all(ids[:2] == [8, 8] for ids in written.ids)  # after BOS, and after the first 8
    assert any(ids[2] != 8 for ids in written.ids)
