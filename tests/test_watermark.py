"""Watermarks are found by key and tokens alone, exactly as they were made, and chance is told as chance."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from provenance.errors import ProvError
from provenance.schemes.kgw import Kgw, is_green
from provenance.schemes.kgw_transformers import KgwTransformers
from provenance.schemes.synthid import Synthid
from provenance.watermark import (
    Scheme,
    Secret,
    Tokens,
    false_discovery,
    find_scheme,
    marked_share,
    name_of,
    names,
    score,
    verdicts,
)

VOCABULARY = 512
Writer = Callable[[Scheme, Secret, int, int, np.random.Generator], list[list[int]]]
PARAMETERS: dict[str, dict[str, Any]] = {"kgw-transformers": {"vocab_size": VOCABULARY}}
SCHEMES = [find_scheme(name, PARAMETERS.get(name, {})) for name in names()]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=names())
ids = st.lists(st.integers(0, 20), max_size=60)


def unmarked(rows: int, length: int, rng: np.random.Generator) -> list[list[int]]:
    held: list[list[int]] = rng.integers(0, VOCABULARY, (rows, length)).tolist()
    return held


# -- every scheme


@every_scheme
def test_marked_text_is_found_by_its_key_and_by_no_other(scheme: Scheme, write: Writer) -> None:
    rng = np.random.default_rng(1)
    secret, other = scheme.draw_secret(), scheme.draw_secret()
    tokens = Tokens.of(write(scheme, secret, 40, 120, rng))
    assert (score(scheme, secret, tokens).p < 1e-3).mean() > 0.95
    assert (score(scheme, other, tokens).p < 1e-3).sum() <= 2


@every_scheme
def test_unmarked_text_is_called_marked_as_rarely_as_stated(scheme: Scheme) -> None:
    tokens = Tokens.of(unmarked(2_000, 100, np.random.default_rng(2)))
    found = score(scheme, scheme.draw_secret(), tokens)
    assert (found.p <= 0.01).mean() <= 0.018
    assert abs(found.z.mean()) < 0.15
    assert 0.9 < found.z.std() < 1.1


@every_scheme
def test_texts_are_scored_alike_alone_and_among_others(scheme: Scheme) -> None:
    rng = np.random.default_rng(3)
    texts = [unmarked(1, int(length), rng)[0] for length in rng.integers(0, 400, 30)]
    secret = scheme.draw_secret()
    together = score(scheme, secret, Tokens.of(texts))
    for number, text in enumerate(texts):
        alone = score(scheme, secret, Tokens.of([text]))
        assert together.scored[number] == alone.scored[0]
        assert np.array_equal([together.p[number]], alone.p, equal_nan=True)


@every_scheme
def test_a_text_shorter_than_an_ngram_is_not_judged(scheme: Scheme) -> None:
    found = score(scheme, scheme.draw_secret(), Tokens.of([[], [1] * scheme.context, [1] * (scheme.context + 1)]))
    assert found.scored.tolist() == [0, 0, 1]
    assert np.isnan(found.p).tolist() == [True, True, False]
    assert not verdicts(found.p[:2], 1).any()


@every_scheme
def test_a_text_that_says_one_thing_again_and_again_counts_it_once(scheme: Scheme) -> None:
    found = score(scheme, scheme.draw_secret(), Tokens.of([[5, 6, 7] * 100]))
    assert found.scored[0] <= 3
    assert found.p[0] > 1e-4


@every_scheme
def test_a_prompt_is_not_scored_but_is_context(scheme: Scheme, write: Writer) -> None:
    rng = np.random.default_rng(4)
    secret = scheme.draw_secret()
    prompt, marked = unmarked(1, 60, rng)[0], write(scheme, secret, 1, 100, rng)[0]
    whole = Tokens.of([prompt + marked], [len(prompt)])
    found = score(scheme, secret, whole)
    assert len(marked) - 3 <= found.scored[0] <= len(marked)
    assert found.z[0] > score(scheme, secret, Tokens.of([prompt + marked])).z[0]


@every_scheme
def test_rows_of_a_model_are_scored_without_padding_and_up_to_their_end(scheme: Scheme) -> None:
    rng, secret, (pad, end) = np.random.default_rng(12), scheme.draw_secret(), (510, 511)
    prompts, written = rng.integers(0, 500, (4, 12)), rng.integers(0, 500, (4, 80))
    rows = np.hstack([prompts, written])
    rows[0, :5], rows[1, 60:], rows[2, 50], rows[2, 51:], rows[3, 40] = pad, pad, end, 7, end
    found = score(scheme, secret, Tokens.of_rows(rows, 12, pad, end))
    plain = [rows[0, 5:], rows[1, :60], rows[2, :50], rows[3, :40]]
    alone = [
        score(scheme, secret, Tokens.of([text.tolist()], [k])) for text, k in zip(plain, (7, 12, 12, 12), strict=True)
    ]
    assert found.scored.tolist() == [int(one.scored[0]) for one in alone]
    assert found.p.tolist() == [float(one.p[0]) for one in alone]


@every_scheme
def test_a_marked_passage_inside_unmarked_text_is_found_and_located(scheme: Scheme, write: Writer) -> None:
    rng = np.random.default_rng(5)
    secret = scheme.draw_secret()
    marked = write(scheme, secret, 1, 200, rng)[0]
    text = unmarked(1, 900, rng)[0] + marked + unmarked(1, 700, rng)[0]
    found = score(scheme, secret, Tokens.of([text]))
    assert found.p[0] < 1e-6
    assert abs(found.begins[0] - 900) < 60
    assert abs(found.ends[0] - 1_100) < 60


@every_scheme
def test_windows_do_not_make_false_positives(scheme: Scheme) -> None:
    tokens = Tokens.of(unmarked(600, 700, np.random.default_rng(6)))
    assert (score(scheme, scheme.draw_secret(), tokens).p <= 0.01).mean() <= 0.02


@every_scheme
def test_a_secret_that_cannot_be_one_is_refused_without_telling_it(scheme: Scheme) -> None:
    scheme.check_secret(scheme.draw_secret())
    for secret in [(), (-123456789,), (1 << 80,), (123456789,) * 200]:
        with pytest.raises(ProvError) as told:
            scheme.check_secret(secret)
        assert "123456789" not in str(told.value)
        assert str(1 << 80) not in str(told.value)


def test_each_scheme_is_found_by_its_name_and_says_what_it_lacks() -> None:
    assert [name_of(scheme) for scheme in SCHEMES] == names() == ["kgw", "kgw-transformers", "synthid"]
    with pytest.raises(ProvError, match="no watermark scheme 'kgb': there is kgw, kgw-transformers, synthid"):
        find_scheme("kgb", {})
    with pytest.raises(ProvError, match="watermark scheme kgw: alpha: there is no such parameter; its parameters are"):
        find_scheme("kgw", {"alpha": 1})
    with pytest.raises(ProvError, match="table_size: Value error, wanted a power of two"):
        find_scheme("synthid", {"table_size": 1000})


# -- what counts


@given(st.lists(ids, max_size=6), st.data())
@settings(max_examples=60)
def test_an_ngram_counts_where_it_is_first_met(texts: list[list[int]], data: st.DataObject) -> None:
    prompts = [data.draw(st.integers(0, len(text))) for text in texts]
    scheme, secret = Kgw(), (7,)
    found = score(scheme, secret, Tokens.of(texts, prompts))
    for text, prompt, scored, mean in zip(texts, prompts, found.scored, found.score, strict=True):
        grams = {tuple(text[i - 2 : i + 1]) for i in range(max(2, prompt), len(text))}
        assert scored == len(grams)
        if grams:
            green = sum(is_green(secret[0], (a, b), c, scheme.gamma) for a, b, c in grams)
            assert mean == pytest.approx(green / len(grams))


@given(st.lists(st.integers(0, 5), max_size=80))
@settings(max_examples=60)
def test_synthid_counts_a_context_once(text: list[int]) -> None:
    scheme = Synthid(ngram_len=3, depth=4, table_size=1 << 20)
    secret = (1, 2, 3, 4)
    contexts: dict[tuple[int, ...], tuple[int, ...]] = {}
    for i in range(2, len(text)):
        contexts.setdefault(tuple(text[i - 2 : i]), tuple(text[i - 2 : i + 1]))
    found = score(scheme, secret, Tokens.of([text]))
    assert found.scored[0] == len(contexts)
    if contexts:
        values = [np.dot(scheme.layer_weights, scheme.g_values(secret, gram)) for gram in contexts.values()]
        assert found.score[0] == pytest.approx(float(np.mean(values)))


@given(st.integers(1, 400), st.data(), st.sampled_from([0.1, 0.25, 0.5]))
def test_p_of_kgw_is_the_exact_binomial_tail(count: int, data: st.DataObject, gamma: float) -> None:
    green = data.draw(st.integers(0, count))
    told = Kgw(gamma=gamma).p_values((0,), np.array([float(green)]), np.array([count]))
    assert told[0] == pytest.approx(binom.sf(green - 1, count, gamma), rel=1e-9)


def test_the_null_of_synthid_is_the_mean_of_its_table_and_not_one_half() -> None:
    scheme = Synthid(table="torch", table_seed=3)
    assert scheme.bits.mean() == pytest.approx(0.50243, abs=5e-6)
    assert scheme.null(scheme.draw_secret()).mean == pytest.approx(scheme.bits.mean())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [Kgw(), Synthid()], ids=["kgw", "synthid"])
def test_p_is_uniform_over_keys(scheme: Scheme) -> None:
    rng = np.random.default_rng(8)
    told = []
    for _ in range(2_000):
        secret, tokens = scheme.draw_secret(), Tokens.of(unmarked(1, 200, rng))
        ngrams = scheme.ngrams(secret, tokens)
        value = np.nansum(ngrams.values)
        count = np.array([np.count_nonzero(~np.isnan(ngrams.values))])
        p = scheme.p_values(secret, np.array([value]), count)[0]
        if isinstance(scheme, Kgw):  # a discrete p is uniform only when ties are broken at random
            p -= rng.random() * binom.pmf(value, count[0], scheme.gamma)
        told.append(p)
    assert kstest(told, "uniform").pvalue > 0.001


# -- the processors of transformers


def test_synthid_has_the_bits_and_the_scores_of_transformers() -> None:
    torch = pytest.importorskip("torch")
    process = pytest.importorskip("transformers.generation.logits_process")
    torch.set_num_threads(1)
    rng = np.random.default_rng(9)
    texts = rng.integers(0, VOCABULARY, (3, 60))
    texts[1, 30:40] = texts[1, 10:20]  # contexts that are there twice
    scheme = Synthid(table="torch", depth=9, weights="equal", table_seed=5)
    secret = scheme.draw_secret()
    theirs = process.SynthIDTextWatermarkLogitsProcessor(5, list(secret), 1 << 16, 5, 1024, torch.device("cpu"))
    assert (theirs.sampling_table.numpy() == scheme.bits).all()
    bits = theirs.compute_g_values(torch.tensor(texts)).numpy()
    tokens = Tokens.of(texts.tolist())
    assert np.allclose(scheme.ngrams(secret, tokens).values.reshape(3, 60)[:, 4:], bits.mean(2))
    assert scheme.g_values(secret, tuple(texts[2, 7:12].tolist())) == bits[2, 7].tolist()
    is_new = theirs.compute_context_repetition_mask(torch.tensor(texts)).numpy()
    assert score(scheme, secret, tokens).scored.tolist() == is_new.sum(1).tolist()
    texts[:, 45] = end = VOCABULARY - 1
    before_end = theirs.compute_eos_token_mask(torch.tensor(texts), end).numpy().sum(1)
    assert np.diff(Tokens.of_rows(texts, end=end).ends).tolist() == before_end.tolist()
    scores = torch.tensor(rng.normal(size=(3, VOCABULARY)).astype(np.float32))
    theirs._init_state(3)
    theirs.state.context = torch.cat([torch.zeros(3, 1, dtype=torch.long), torch.tensor(texts[:, :3])], 1)
    expected = theirs(torch.tensor(texts[:, :4]), scores).numpy()
    assert np.allclose(scheme.mark(secret, texts[:, :4], scores.numpy()), expected, atol=1e-5)


@pytest.mark.parametrize("seeding", ["lefthash", "selfhash"])
@pytest.mark.parametrize("width", [1, 3])
def test_kgw_transformers_has_the_green_lists_of_transformers(seeding: str, width: int) -> None:
    torch = pytest.importorskip("torch")
    process = pytest.importorskip("transformers.generation.logits_process")
    scheme = KgwTransformers.model_validate(
        {"vocab_size": VOCABULARY, "seeding_scheme": seeding, "context_width": width}
    )
    rng = np.random.default_rng(10)
    secret = scheme.draw_secret()
    theirs = process.WatermarkLogitsProcessor(VOCABULARY, "cpu", 0.25, 2.0, secret[0], seeding, width)
    text = rng.integers(0, VOCABULARY, 40).tolist()
    ours = scheme.ngrams(secret, Tokens.of([text])).values
    for i in range(width, len(text)):
        seen = torch.tensor(text[: i + 1] if seeding == "selfhash" else text[:i])
        assert bool(ours[i]) == (text[i] in theirs._get_greenlist_ids(seen).tolist())
    if seeding == "lefthash":
        assert scheme.greenlist(secret, text[3]).tolist() == theirs._get_greenlist_ids(torch.tensor(text[:4])).tolist()
        scores = torch.tensor(rng.normal(size=(1, VOCABULARY)).astype(np.float32))
        expected = theirs(torch.tensor([text[:4]]), scores.clone()).numpy()
        assert np.array_equal(scheme.mark(secret, np.array([text[:4]]), scores.numpy()), expected)


def test_what_the_detector_of_transformers_counts_we_count() -> None:
    torch = pytest.importorskip("torch")
    watermarking = pytest.importorskip("transformers.generation.watermarking")
    transformers = pytest.importorskip("transformers")
    rng = np.random.default_rng(11)
    texts = rng.integers(5, 60, (4, 120))  # some pairs occur twice
    config = transformers.GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0)
    theirs = watermarking.WatermarkDetector(
        config, "cpu", transformers.WatermarkingConfig(hashing_key=99), ignore_repeated_ngrams=True
    )(torch.tensor(texts), return_dict=True)
    found = score(KgwTransformers(vocab_size=VOCABULARY), (99,), Tokens.of(texts.tolist()))
    assert found.scored.tolist() == theirs.num_tokens_scored.tolist()
    assert found.score == pytest.approx(theirs.green_fraction)
    assert found.z == pytest.approx(theirs.z_score)


@given(st.integers(0, 2**63 - 1), st.integers(0, VOCABULARY - 1))
@settings(max_examples=25)
def test_kgw_marks_what_its_plain_form_calls_green(key: int, token: int) -> None:
    scheme = Kgw(gamma=0.5, delta=3.0)
    marked = scheme.mark((key,), np.array([[token, 3]]), np.zeros((1, 40), np.float32))[0]
    assert (marked > 0).tolist() == [is_green(key, (token, 3), other, 0.5) for other in range(40)]


# -- many keys, many texts


def test_verdicts_share_the_rate_out_over_keys() -> None:
    p = np.array([0.009, 0.004, np.nan])
    assert verdicts(p, 1).tolist() == [True, True, False]
    assert verdicts(p, 2).tolist() == [False, True, False]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_keep_the_order_and_are_no_less_than_p(p: list[float]) -> None:
    q = false_discovery(np.array(p))
    assert (q >= np.array(p) - 1e-12).all()
    assert (np.diff(q[np.argsort(p, kind="stable")]) >= -1e-12).all()


def test_the_marked_share_takes_off_what_chance_marks() -> None:
    assert marked_share(0, 0) is None
    found = marked_share(10, 1_000)
    assert found
    assert found.estimate == pytest.approx(0)
    assert found.low == 0
    assert 0 < found.high < 0.02
    most = marked_share(505, 1_000)
    assert most
    assert most.estimate == pytest.approx(0.5)
    assert most.low < 0.5 < most.high
