"""Measures of collapse: each beside a sum by hand or a plain reference, and what must hold of any text."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import exp, isnan, log, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.origin import words as words_of
from trainer.metrics import Reference, Words, accuracy, foretold, model_measures, questions, text_measures, untrained
from trainer.metrics import word_costs as costs_of_words
from trainer.metrics.costs import Costs
from trainer.metrics.histogram import EDGES, parsed, shares
from trainer.metrics.variety import (
    BANDS,
    compression_ratio,
    concentration,
    distinct,
    diversity,
    hapaxes,
    invented_types,
    invented_words,
    js_divergence,
    recall,
    rep,
    self_bleu,
    shannon,
    vocabulary,
    zipf_exponent,
)
from trainer.metrics.wording import RARE, TooFewWords
from trainer.verdict import direction

HUMAN = (
    "The old harbour was quiet before the boats came home . A cold wind came over the grey water .",
    "The captain sold his nets and his rope to a young sailor . Nobody in the town knew the sailor .",
    "When the market opened , people bought bread and fish there . The boats went out to the cold sea .",
    "In winter the boats stayed in the old harbour . The captain told stories about the grey whale .",
)
NAN = float("nan")
letters = st.text("abc ", max_size=24)
several = st.lists(letters, max_size=6)
single = st.lists(st.sampled_from("abc"), max_size=8).map(" ".join)


def in_texts(texts: Sequence[str], n: int) -> list[list[tuple[str, ...]]]:
    """The n-grams of each text, the plain way."""
    found = []
    for text in texts:
        own = text.split()
        found.append([tuple(own[at : at + n]) for at in range(len(own) - n + 1)])
    return found


def same(left: float, right: float) -> bool:
    return left == pytest.approx(right, abs=1e-9, nan_ok=True)


# -- words


@given(several, st.integers(1, 4))
def test_ngrams_lie_within_their_text_and_are_numbered_by_what_they_are(texts: list[str], n: int) -> None:
    numbers, text = Words.of(texts).grams(n)
    plain = [(at, gram) for at, own in enumerate(in_texts(texts, n)) for gram in own]
    assert text.tolist() == [at for at, _ in plain]
    assert len(set(zip(numbers.tolist(), (gram for _, gram in plain), strict=True))) == len(set(numbers.tolist()))
    assert len(set(numbers.tolist())) == len({gram for _, gram in plain})


@given(several, st.integers(0, 20))
def test_the_first_words_are_compared(texts: list[str], size: int) -> None:
    words = Words.of(texts, size)
    assert words.spelled == [word for text in texts for word in text.split()][:size]
    assert len(words) == len(words.ids) == len(words.text) == len(words.spelled)


# -- variety


@pytest.mark.parametrize(
    ("measure", "texts", "value"),
    [
        (vocabulary, ["a b a", "c"], 3),
        (hapaxes, ["a b a", "c"], 2),
        (shannon, ["a b", "c d"], log(4)),
        (shannon, ["a a a"], 0),
        (lambda words: distinct(words, 1), ["a b a b", "a b"], 2 / 6),
        (lambda words: distinct(words, 2), ["a b a b", "a b"], 2 / 4),  # ab ba ab, ab
        (lambda words: distinct(words, 3), ["a b"], NAN),
        (lambda words: rep(words, 2), ["a b a b", "a b"], 1 / 4),  # ab repeats in the first text alone
        (lambda words: rep(words, 2), ["a b", "a b"], 0),
        (diversity, ["a b a b a"], (1 - 2 / 4) * (1 - 1 / 3) * (1 - 0)),
        (lambda words: concentration(words, 1), ["a a a b"], 3 / 4),
        (lambda words: concentration(words, 2), ["a b a b c"], 2 / 4),
        (lambda words: concentration(words, 2), ["a"], NAN),
        (zipf_exponent, ["a b c"], NAN),
    ],
)
def test_a_measure_of_words_is_what_it_is_by_hand(measure: Any, texts: list[str], value: float) -> None:
    assert same(measure(Words.of(texts)), value)


@given(several, st.integers(1, 4))
def test_distinct_and_repeated_ngrams_are_those_of_a_plain_count(texts: list[str], n: int) -> None:
    grams = in_texts(texts, n)
    total = sum(map(len, grams))
    assert same(distinct(Words.of(texts), n), len({gram for own in grams for gram in own}) / total if total else NAN)
    assert same(rep(Words.of(texts), n), 1 - sum(len(set(own)) for own in grams) / total if total else NAN)


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=12), st.integers(2, 8))
def test_a_text_that_says_itself_again_repeats_more_and_is_less_diverse(once: list[str], times: int) -> None:
    words = [Words.of([" ".join(once * said)]) for said in (1, times, 50 * times)]
    assert rep(words[0], 2) < rep(words[1], 2) < rep(words[2], 2)
    assert compression_ratio(words[0]) < compression_ratio(words[2])
    assert diversity(words[2]) < 1e-3


def test_the_exponent_of_words_that_follow_a_power_law_is_its_own() -> None:
    counts = np.round(1e5 * np.arange(1, 1_200) ** -1.1).astype(int)
    ids = np.repeat(np.arange(len(counts)), counts)
    assert zipf_exponent(Words([], ids, np.zeros_like(ids))) == pytest.approx(1.1, abs=0.02)


def plain_js(texts: Sequence[str], others: Sequence[str], n: int) -> float:
    p, q = (Counter(gram for own in in_texts(some, n) for gram in own) for some in (texts, others))
    if not p or not q:
        return NAN
    total = 0.0
    for gram in p | q:
        mine, theirs = p[gram] / p.total(), q[gram] / q.total()
        middle = (mine + theirs) / 2
        total += sum(share * log2(share / middle) / 2 for share in (mine, theirs) if share)
    return total


@given(st.lists(single), st.lists(single), st.integers(1, 2))
def test_divergence_is_that_of_plain_counts(texts: list[str], others: list[str], n: int) -> None:
    known = {word: number for number, word in enumerate("abc")}
    words, of_others = Words.of(texts, known=known), Words.of(others, known=known)
    value = js_divergence(words, of_others, n)
    assert same(value, plain_js(texts, others, n))
    assert same(value, js_divergence(of_others, words, n))
    assert isnan(value) or -1e-9 <= value <= 1 + 1e-9


def test_texts_without_a_word_in_common_are_one_bit_apart() -> None:
    known = {word: number for number, word in enumerate("ab")}
    assert js_divergence(Words.of(["a a"], known=known), Words.of(["b"], known=known), 1) == pytest.approx(1)


# -- self-BLEU


def plain_bleu(text: str, others: Sequence[str]) -> float:
    """BLEU of one text as sacrebleu's `sentence_bleu(tokenize="none")` has it, 0 to 1, step by step."""
    own, smooth, logs = text.split(), 1.0, []
    any_found = False
    for n in range(1, 5):
        mine = Counter(in_texts([text], n)[0])
        if not mine:
            break
        theirs: Counter[tuple[str, ...]] = Counter()
        for other in others:
            theirs |= Counter(in_texts([other], n)[0])
        found = (mine & theirs).total()
        any_found |= found > 0
        if not found:
            smooth *= 2
        logs.append(log((found or 1 / smooth) / mine.total()))
    if not any_found:
        return 0.0
    nearest = min((len(other.split()) for other in others), key=lambda length: (abs(length - len(own)), length))
    return exp(sum(logs) / len(logs)) * (exp(1 - nearest / len(own)) if len(own) < nearest else 1)


def each_beside_the_others(texts: Sequence[str], bleu: Any) -> float:
    return float(np.mean([bleu(text, [*texts[:at], *texts[at + 1 :]]) for at, text in enumerate(texts)]))


@settings(max_examples=200)
@given(st.lists(st.text("abc ", max_size=30), min_size=2, max_size=7))
def test_self_bleu_is_the_mean_bleu_of_each_text_beside_the_others(texts: list[str]) -> None:
    assert self_bleu(Words.of(texts), len(texts)) == pytest.approx(each_beside_the_others(texts, plain_bleu))


def test_self_bleu_is_that_of_sacrebleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="compares with sacrebleu where it is installed")

    def theirs(text: str, others: Sequence[str]) -> float:
        return float(sacrebleu.sentence_bleu(text, list(others), tokenize="none", use_effective_order=True).score) / 100

    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), rng.integers(1, 20))) for _ in range(30)]
    assert self_bleu(Words.of(texts), 30) == pytest.approx(each_beside_the_others(texts, theirs))


@pytest.mark.parametrize(("texts", "value"), [(["a b c d e"] * 3, 1), (["a b", "c d"], 0), (["a"], NAN), ([], NAN)])
def test_self_bleu_is_one_of_equal_texts_and_nothing_where_none_shares_a_word(texts: list[str], value: float) -> None:
    assert same(self_bleu(Words.of(texts), len(texts)), value)


# -- beside human text


def test_recall_goes_by_how_often_human_text_has_a_word() -> None:
    reference = Reference.of(["a", "b b b", "c c c", "d " * 5, "e " * 10, "f " * 100])
    words = reference.compared(["a b e x"])
    found = {band: recall(words, reference, band) for band in BANDS}
    assert found == {"1": 1, "2_4": 0.5, "5_9": 0, "10_99": 1, "100": 0}
    assert isnan(recall(words, Reference.of(["a"]), "100"))


def test_a_word_is_invented_that_no_human_text_has_not_even_one_that_is_not_compared() -> None:
    reference = Reference.of(["a b", "c"], size_words=2)
    words = Words.of(["x c", "x a"], known=reference.numbers)
    assert invented_words(words, reference) == 1 / 2
    assert invented_types(words, reference) == pytest.approx(1 / 3)


def test_human_text_beside_itself_lacks_nothing_and_invents_nothing() -> None:
    found = text_measures(HUMAN, Reference.of(HUMAN, size_texts=4))
    assert {found[f"recall_{band}"] for band in ("1", "2_4", "5_9")} == {1.0}
    assert found["invented_words"] == found["invented_types"] == 0
    assert found["js_divergence_1"] == pytest.approx(0, abs=1e-12)
    assert found["js_divergence_2"] == pytest.approx(0, abs=1e-12)


def test_measures_of_words_do_not_change_with_what_comes_after_the_words_that_are_compared() -> None:
    reference = Reference.of(HUMAN, size_words=40, size_texts=2)
    shorter, longer = (text_measures(texts, reference, few=True) for texts in (HUMAN[:3], HUMAN))
    assert shorter == pytest.approx(longer, nan_ok=True)


def test_fewer_words_or_texts_than_are_compared_give_no_number() -> None:
    reference = Reference.of(HUMAN, size_words=60, size_texts=3)
    few_words = text_measures(["a b", "a c", "b c"], reference)
    assert {name for name, value in few_words.items() if not isnan(value)} == {"self_bleu"}
    assert few_words.keys() == text_measures(HUMAN, reference).keys()
    one_text = text_measures([" ".join(HUMAN)], reference)
    assert isnan(one_text["self_bleu"])
    assert not isnan(one_text["vocabulary"])
    assert all(isnan(value) for value in text_measures([], reference).values())


@pytest.mark.parametrize(("texts", "size"), [(["a b"], 3), ([], None)])
def test_a_reference_of_fewer_words_than_asked_for_says_how_many_there_are(texts: list[str], size: int | None) -> None:
    with pytest.raises(TooFewWords, match=r"the human texts have [02]: give more human text, or compare fewer words"):
        Reference.of(texts, size)


def test_few_measures_are_some_of_all_and_the_same() -> None:
    reference = Reference.of(HUMAN, size_texts=4)
    few, whole = text_measures(HUMAN, reference, few=True), text_measures(HUMAN, reference)
    assert few.items() < whole.items() or few == pytest.approx({name: whole[name] for name in few}, nan_ok=True)
    assert whole.keys() - few.keys() == {"self_bleu"}


# -- histograms


@given(st.lists(st.floats(1, 1e6), min_size=1))
def test_the_shares_of_a_histogram_make_one_and_lie_where_the_values_do(values: list[float]) -> None:
    found = shares("perplexity", np.array(values))
    assert sum(found.values()) == pytest.approx(1)
    for metric, share in found.items():
        measure, number = parsed(metric) or ("", -1)
        top = EDGES[number + 1] if number + 1 < len(EDGES) else np.inf
        assert measure == "perplexity"
        assert share == pytest.approx(np.mean([EDGES[number] <= value < top for value in values]))


def test_a_histogram_of_what_is_no_number_has_no_numbers() -> None:
    assert all(isnan(share) for share in shares("perplexity", np.array([2.0, NAN])).values())
    assert all(isnan(share) for share in shares("perplexity", np.array([])).values())


# -- models


@pytest.fixture(scope="module")
def model() -> Any:
    """A model of 16 numbers a token that has learnt `HUMAN` by heart, of a context that one text does not fit in."""
    torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    pytest.importorskip("transformers", reason="needs corpus-provenance[train]")
    from registry.blocks import pack
    from trainer.optimise import Training, optimise

    torch.set_num_threads(1)
    made = unlearnt()
    blocks = pack(made.documents(HUMAN), 32, made.pad)
    optimise(made.network, blocks, Training(epochs=60, batch_size=4, learning_rate=2e-2, seed=0))
    return made


def unlearnt() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    from trainer.model import LanguageModel
    from trainer.tokenizer import special_tokens, train_tokenizer

    tokenizer = train_tokenizer(HUMAN, 400)
    special = special_tokens(tokenizer)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=32, n_embd=16, n_layer=1, n_head=2, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=special.begin, eos_token_id=special.end, pad_token_id=special.pad,
    )  # fmt: skip
    return untrained(LanguageModel(GPT2LMHeadModel(config), tokenizer, *special), seed=3)


@pytest.fixture
def indifferent(model: Any) -> Any:
    """A model to which all tokens are equally likely."""
    made = untrained(model)
    for parameter in made.network.parameters():
        parameter.data.zero_()
    return made


def test_tokens_cost_what_the_training_loop_says(model: Any) -> None:
    from registry.blocks import pack
    from trainer.optimise import mean_loss

    texts = [*HUMAN, "a", "", "the grey harbour " * 40]
    held = foretold(model, texts)
    blocks = pack(model.documents(texts), model.context, model.pad)
    assert held.costs.cross_entropy == pytest.approx(mean_loss(model.network, blocks), rel=1e-5)
    assert len(held.nats) == held.costs.tokens.sum() == blocks.foretold
    assert held.costs.nats.sum() == pytest.approx(held.nats.sum())
    assert held.costs.bytes.tolist() == [len(text.encode()) for text in texts]


def test_a_text_costs_the_same_whatever_is_beside_it(model: Any) -> None:
    texts = [*HUMAN, "é 中 cold"]
    together = foretold(model, texts, with_entropy=True)
    for place, text in enumerate(texts):
        alone = foretold(model, [text], with_entropy=True)
        start, stop = together.starts[place : place + 2]
        assert alone.nats == pytest.approx(together.of_text(place), abs=1e-4)
        assert alone.entropy == pytest.approx(together.entropy[start:stop], abs=1e-4)


def test_a_model_to_which_all_is_equal_is_surprised_and_undecided_by_the_logarithm_of_its_vocabulary(
    indifferent: Any,
) -> None:
    found = model_measures(indifferent, HUMAN, Reference.of(HUMAN), few=True)
    size = indifferent.tokenizer.get_vocab_size()
    tokens = sum(len(tokens) - 1 for tokens in indifferent.documents(HUMAN))
    assert found["cross_entropy"] == pytest.approx(log(size), rel=1e-5)
    assert found["perplexity"] == pytest.approx(size, rel=1e-4)
    assert found["predictive_entropy"] == pytest.approx(log(size), rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(tokens * log2(size) / len("".join(HUMAN).encode()), rel=1e-5)


def test_no_text_gives_no_number(model: Any) -> None:
    found = model_measures(model, [], Reference.of(HUMAN), model, [])
    assert all(isnan(value) for value in found.values())


def test_articles_cost_what_their_texts_cost() -> None:
    costs = Costs(np.array([1.0, 2.0, 4.0]), np.array([1, 1, 2]), np.array([3, 4, 5])).by([1, 0, 1])
    assert (costs.nats.tolist(), costs.tokens.tolist(), costs.bytes.tolist()) == ([2, 5], [1, 3], [4, 8])
    assert costs.cross_entropy == 7 / 4
    assert costs.bits_per_byte == pytest.approx(7 / log(2) / 12)
    assert costs.perplexities.tolist() == [exp(2), pytest.approx(exp(5 / 3))]


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text("ab é中😀\n\u00a0\x1c.", max_size=30), min_size=1, max_size=4))
def test_each_token_belongs_to_one_word_or_to_white_space(model: Any, texts: list[str]) -> None:
    held = foretold(model, texts)
    spelled, nats = costs_of_words(model, texts, held)
    assert spelled == [word for text in texts for word in words_of(text)]
    ends = held.nats[held.starts[1:] - 1].sum()
    assert nats.min(initial=1) > 0
    assert nats.sum() <= held.nats.sum() - ends + 1e-6
    if all(text == text.rstrip() for text in texts):
        assert nats.sum() == pytest.approx(held.nats.sum() - ends)


def test_a_word_costs_what_its_tokens_do(indifferent: Any) -> None:
    text = "harbour zzz  the"
    spelled, nats = costs_of_words(indifferent, [text], foretold(indifferent, [text]))
    tokens = [len(indifferent.tokenizer.encode(held).ids) for held in ("harbour", " zzz", "  the")]
    assert spelled == ["harbour", "zzz", "the"]
    assert nats == pytest.approx(np.array(tokens) * log(indifferent.tokenizer.get_vocab_size()), rel=1e-5)


def test_rare_words_are_those_that_human_text_has_but_seldom(indifferent: Any) -> None:
    reference = Reference.of(["seldom", "often " * (RARE + 1)])
    assert [reference.is_rare(word) for word in ("seldom", "often", "never")] == [True, False, False]
    found = model_measures(indifferent, ["often seldom never"], reference, few=True)
    tokens = len(indifferent.tokenizer.encode(" seldom").ids)
    assert found["rare_cross_entropy"] == pytest.approx(tokens * log(indifferent.tokenizer.get_vocab_size()), rel=1e-5)


def test_a_control_is_of_the_same_kind_knows_nothing_and_comes_from_its_seed(model: Any) -> None:
    import torch

    before = torch.random.get_rng_state()
    one, again, other = untrained(model, 1), untrained(model, 1), untrained(model, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.parameters == model.parameters
    loss = [foretold(held, HUMAN).costs.cross_entropy for held in (one, again, other, model)]
    assert loss[0] == loss[1] != loss[2]
    assert loss[0] == pytest.approx(log(model.tokenizer.get_vocab_size()), rel=0.02)
    assert loss[3] < 1


# -- cloze


def test_a_question_has_the_true_end_of_a_sentence_and_others_that_are_as_frequent() -> None:
    reference = Reference.of(HUMAN)
    asked = questions(HUMAN, reference, 100, seed=1)
    endings = {"home", "water", "sailor", "sea", "there", "harbour", "whale"}
    assert 1 < len(asked) <= 8
    for question in asked:
        assert any(f"{question.before} {question.choices[0]} ." in text for text in HUMAN)
        assert len(set(question.choices)) == 4
        assert set(question.choices) <= endings
        bands = {next(name for name, (least, most) in BANDS.items() if least <= reference.counts[word] <= most)
                 for word in question.choices}  # fmt: skip
        assert len(bands) == 1


def test_questions_come_from_their_seed_and_are_as_many_as_asked_for() -> None:
    reference = Reference.of(HUMAN)
    assert questions(HUMAN, reference, 2, seed=1) == questions(HUMAN, reference, 100, seed=1)[:2]
    assert questions(HUMAN, reference, 0) == questions(["No end here", "Too short ."], reference, 9) == []


def test_a_model_that_knows_a_text_by_heart_ends_its_sentences(model: Any) -> None:
    asked = questions(HUMAN, Reference.of(HUMAN), 100)
    assert accuracy(model, asked) > accuracy(untrained(model), asked)
    assert accuracy(model, asked) >= 0.75
    assert isnan(accuracy(model, []))


# -- all measures


def test_all_measures_of_a_model_come_with_those_of_its_control(model: Any) -> None:
    reference = Reference.of(HUMAN, size_texts=3)
    found = model_measures(model, HUMAN, reference, baseline=model, generated=HUMAN)
    few = model_measures(model, HUMAN, reference, few=True)
    plain = {*few, "cloze_accuracy"}
    written = {name for name in found if name.startswith("written_perplexity")}
    assert found.keys() == plain | {f"control_{name}" for name in plain} | written
    assert few == pytest.approx({name: found[name] for name in few})
    assert found["control_cross_entropy"] > found["cross_entropy"]
    assert sum(found[name] for name in written if parsed(name)) == pytest.approx(1)
    quantiles = [found[f"written_perplexity_q{at}"] for at in ("05", "50", "95", "99")]
    assert all(lower <= higher for lower, higher in pairwise(quantiles))
    assert quantiles[1] == pytest.approx(np.median(foretold(model, HUMAN[:3]).costs.perplexities))


def test_the_control_is_measured_once_with_the_baseline(model: Any) -> None:
    later = model_measures(untrained(model), HUMAN, Reference.of(HUMAN), baseline=model)
    assert not [name for name in later if name.startswith("control_")]
    assert not isnan(later["cloze_accuracy"])


def test_what_was_written_has_no_perplexity_where_there_are_too_few_texts_or_no_baseline(model: Any) -> None:
    reference = Reference.of(HUMAN, size_texts=3)
    found = model_measures(model, HUMAN, reference, baseline=model, generated=HUMAN[:2])
    assert all(isnan(value) for name, value in found.items() if name.startswith("written_perplexity"))
    without = model_measures(model, HUMAN, reference, baseline=None, generated=HUMAN)
    assert not [name for name in without if name.startswith("written_perplexity")]


def test_verdicts_know_in_which_direction_each_measure_is_worse(model: Any) -> None:
    reference = Reference.of(HUMAN, size_texts=3)
    lower = {
        "vocabulary", "hapaxes", "simpson", "shannon", "recall_1", "recall_100", "distinct_1", "diversity",
        "predictive_entropy", "cloze_accuracy",
    }  # fmt: skip
    found = {*text_measures(HUMAN, reference), *model_measures(model, HUMAN, reference)}
    assert {name for name in lower if direction(name) == "lower"} == lower < found
    higher = {name for name in found if direction(name) == "higher" and not name.startswith("control_")}
    assert higher == {
        "cross_entropy", "perplexity", "bits_per_byte", "rare_cross_entropy", "zipf_exponent", "invented_words",
        "invented_types", "concentration_1", "concentration_2", "js_divergence_1", "js_divergence_2", "rep_2", "rep_3",
        "rep_4", "compression_ratio", "self_bleu",
    }  # fmt: skip


def test_measures_are_found_without_torch() -> None:
    code = "import sys, trainer.metrics; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
