"""Attribution: evidence adds up, ratios are calibrated, and what a detector says of itself holds for unseen texts."""

import math
import random
from datetime import datetime
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from provenance import attribution, calibration, detector_training
from provenance.attribution import KINDS, SUREST, Attribution, Evidence, Side, check_prior, fuse
from provenance.calibration import Calibration, Floats, calibrate, even, fit_logistic, logistic
from provenance.detector import BrokenDetector, LogisticDetector, bands
from provenance.detector_training import Labelled, TooFewTexts, train
from provenance.errors import ProvError
from provenance.features import FEATURES, Likelihood, excerpts, length_of, surface, words_of
from provenance.ngram import NgramModel

PARAGRAPHS = sorted(
    {" ".join(part.split()) for topic in topics.values() for part in topic.split("\n\n") if len(part.split()) > 25}
)

# -- evidence


def evidence() -> st.SearchStrategy[Evidence]:
    return st.builds(Evidence, kind=st.sampled_from(KINDS), llr=st.floats(-30, 30), says=st.text(max_size=5))


priors = st.floats(0.001, 0.999)


@given(priors, st.lists(evidence(), max_size=8), st.randoms())
def test_the_order_of_evidence_says_nothing(prior: float, items: list[Evidence], chance: random.Random) -> None:
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert fuse(prior, shuffled).p_model == fuse(prior, items).p_model
    assert SUREST <= fuse(prior, items).p_model <= 1 - SUREST


@given(priors, st.lists(evidence(), max_size=8))
def test_log_odds_are_those_of_the_prior_and_the_sum_of_all_ratios(prior: float, items: list[Evidence]) -> None:
    odds = math.log(prior / (1 - prior)) + sum(item.llr for item in items)
    assert fuse(prior, items).p_model == pytest.approx(min(1 - SUREST, max(SUREST, 1 / (1 + math.exp(-odds)))))


@given(priors, st.lists(evidence(), max_size=8), evidence())
def test_evidence_for_a_model_never_makes_one_less_probable(
    prior: float, items: list[Evidence], more: Evidence
) -> None:
    before, after = fuse(prior, items).p_model, fuse(prior, [*items, more]).p_model
    assert after >= before if more.llr >= 0 else after <= before


@given(priors, st.lists(evidence(), max_size=8))
def test_what_is_kept_reads_back_as_it_was(prior: float, items: list[Evidence]) -> None:
    held = fuse(prior, items)
    assert Attribution.model_validate_json(held.model_dump_json()) == held


@given(priors)
def test_without_evidence_the_prior_stands(prior: float) -> None:
    assert fuse(prior, [None, None]).p_model == pytest.approx(prior)


@pytest.mark.parametrize("prior", [0, 1, -0.1, 1.1, float("nan")])
def test_a_prior_that_is_certain_is_refused(prior: float) -> None:
    with pytest.raises(ProvError, match="between 0 and 1"):
        check_prior(prior)


@pytest.mark.parametrize("side", ["human", "model"])
def test_each_kind_of_evidence_speaks_for_the_origin_that_it_is_of(side: Side) -> None:
    sign = 1 if side == "model" else -1
    held = [
        attribution.copied(side, True, "document a", ""),
        attribution.copied(side, False, "document a", ""),
        attribution.declared(side, "me", "outranked"),
        attribution.declared(side, None, "superseded"),
    ]
    weights = [sign * item.llr for item in held]
    assert min(weights) > 0
    assert weights == sorted(weights, reverse=True)  # the surer kind weighs more
    assert all(side in item.says for item in held)


def test_only_a_date_before_the_models_says_something() -> None:
    old = attribution.dated(datetime(2019, 2, 13))
    assert old is not None
    assert old.llr == pytest.approx(-math.log(999), abs=1e-4)
    assert attribution.dated(datetime(2019, 2, 14)) is None


@given(st.floats(1e-300, 1), st.floats(1e-300, 1), st.integers(1, 50))
def test_a_smaller_p_never_speaks_less_for_a_mark_and_more_keys_never_more(one: float, other: float, keys: int) -> None:
    low, high = sorted((one, other))
    assert attribution.detected(low, keys, "k").llr >= attribution.detected(high, keys, "k").llr
    assert attribution.detected(low, keys, "k").llr <= attribution.detected(low, 1, "k").llr


def test_marked_texts_of_both_classes_come_as_often_as_the_ratio_says() -> None:
    rate = attribution.FALSE_POSITIVE_RATE
    of_models = attribution.MARKED_SHARE * attribution.TRUE_POSITIVE_RATE + (1 - attribution.MARKED_SHARE) * rate
    marked, unmarked = attribution.detected(rate, 1, "k"), attribution.detected(0.9, 1, "k")
    assert marked.llr == pytest.approx(math.log(of_models / rate), abs=1e-4)
    assert unmarked.llr == pytest.approx(math.log((1 - of_models) / (1 - rate)), abs=1e-4)
    assert "not marked" in unmarked.says


# -- fitting


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(5, 80), st.integers(1, 6), st.floats(0.01, 100))
def test_newton_finds_the_optimum_that_scipy_finds(seed: int, texts: int, columns: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(texts), rng.normal(size=(texts, columns))])
    is_model, weights = rng.random(texts) < 0.5, rng.random(texts) * 3
    penalty = np.full(columns + 1, ridge)
    penalty[0] = ridge * 1e-6

    def loss(b: Floats) -> float:
        return float(weights @ np.logaddexp(0, np.where(is_model, -1, 1) * (x @ b)) + penalty @ b**2 / 2)

    def slope(b: Floats) -> Floats:
        return np.asarray(x.T @ (weights * (logistic(x @ b) - is_model)) + penalty * b)

    wanted = minimize(loss, np.zeros(columns + 1), jac=slope, method="BFGS", options={"gtol": 1e-9})
    found = fit_logistic(x, is_model, weights, ridge)
    assert loss(found) <= wanted.fun + 1e-7 * (1 + wanted.fun)
    assert np.abs(slope(found)).max() < 1e-4


def test_classes_that_are_wholly_apart_still_have_an_optimum() -> None:
    x = np.column_stack([np.ones(40), np.repeat([-100.0, 100.0], 20)])
    found = fit_logistic(x, np.arange(40) >= 20, np.ones(40), 1e-3)
    assert np.isfinite(found).all()
    assert found[1] > 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=60))
def test_both_classes_weigh_the_same_at_every_length(rows: list[tuple[bool, int]]) -> None:
    is_model = np.array([side for side, _ in rows])
    held = np.array([band for _, band in rows], np.int64)
    weights = even(is_model, held)
    for band in np.unique(held):
        of_models, of_humans = (weights[(held == band) & (is_model == side)] for side in (True, False))
        if len(of_models) and len(of_humans):
            assert of_models.sum() == pytest.approx(of_humans.sum())
            assert weights[held == band].mean() == pytest.approx(1)
        else:
            assert not weights[held == band].any()


def simulated(seed: int, texts: int = 8_000) -> tuple[Floats, Floats, Any, Floats]:
    """Scores whose true log likelihood ratio is known: of long texts twice the score, of short ones hardly any."""
    rng = np.random.default_rng(seed)
    is_model = rng.random(texts) < 0.3  # far from even, as corpora are
    words = np.exp(rng.uniform(np.log(5), np.log(500), texts))
    shift = words / (words + 40)
    scores = rng.normal(np.where(is_model, shift, -shift) / np.sqrt(shift), 1.0) * np.sqrt(shift) / shift
    true = 2 * scores * shift  # of two normals with means ±√s and variance 1, scaled
    return scores, words, is_model, true


def test_calibrated_ratios_are_the_true_ones_whatever_the_classes_share() -> None:
    scores, words, is_model, true = simulated(1)
    weights = even(is_model, bands(words))
    found = calibrate(scores, words, is_model, weights)
    assert found.half == 40
    assert np.abs(found(scores, words) - true).mean() < 0.15
    scores, words, is_model, _ = simulated(2)
    told = calibration.measured(found(scores, words), is_model, even(is_model, bands(words)))
    assert told["ece"] < 0.02


@given(st.floats(-1e6, 1e6), st.floats(0, 5), st.floats(-3, 3))
def test_the_shorter_a_text_the_nearer_to_nothing_is_what_it_says(score: float, slope: float, offset: float) -> None:
    found = Calibration(slope, offset, 20.0, 7.0)
    ratios = np.abs(found(np.full(5, score), np.array([0.0, 1, 10, 100, 1_000])))
    assert ratios[0] == 0
    assert (np.diff(ratios) >= 0).all()
    assert ratios.max() <= 7


def test_scores_that_tell_nothing_or_the_wrong_way_round_are_made_to_say_nothing() -> None:
    rng = np.random.default_rng(3)
    is_model = np.arange(2_000) % 2 == 0
    words = np.full(2_000, 100.0)
    wrong = calibrate(rng.normal(size=2_000) - is_model, words, is_model, np.ones(2_000))
    assert not wrong(np.array([-5.0, 5.0]), np.array([100.0, 100.0])).any()


# -- measuring

told = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40)


@given(told)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    llr, is_model = np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows])
    pairs = [(m > h) + (m == h) / 2 for m in llr[is_model] for h in llr[~is_model]]
    found = calibration.auc(llr, is_model)
    assert found is None if not pairs else found == pytest.approx(np.mean(pairs))


@given(told, st.floats(0, 0.5))
def test_no_more_humans_are_taken_for_models_than_the_rate_allows(rows: list[tuple[int, bool]], rate: float) -> None:
    llr, is_model = np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows])
    found = calibration.true_positive_rate(llr, is_model, rate)
    possible = [
        (llr[is_model] > threshold).mean()
        for threshold in llr[~is_model]
        if (llr[~is_model] > threshold).mean() <= rate and is_model.any()
    ]
    assert found == (max(possible) if possible else None)


@given(told)
def test_the_curve_goes_from_nothing_to_all_and_never_back(rows: list[tuple[int, bool]]) -> None:
    llr, is_model = np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows])
    curve = np.array(calibration.roc(llr, is_model, points=5))
    assert (np.diff(curve, axis=0) >= 0).all()
    assert curve[0].tolist() == [0, 0]
    if is_model.any() and not is_model.all():
        assert curve[-1].tolist() == [1, 1]


def test_the_calibration_error_is_what_probabilities_miss_by() -> None:
    is_model = np.arange(1_000) < 700
    for said in (0.7, 0.9):
        bins = calibration.reliability(np.full(1_000, said), is_model, np.ones(1_000))
        assert calibration.calibration_error(bins) == pytest.approx(said - 0.7, abs=1e-9)


# -- features


@given(st.text(max_size=300))
def test_every_text_has_features_that_are_numbers(text: str) -> None:
    values = surface(text)
    assert len(values) == len(FEATURES) - 5
    assert np.isfinite(values).all()


@given(st.lists(st.text(alphabet="ab c.\n", max_size=60), max_size=5), st.integers(0, 2**32))
def test_an_excerpt_stands_in_its_text_and_is_no_longer(texts: list[str], seed: int) -> None:
    parts = list(excerpts(texts, np.random.default_rng(seed)))
    assert len(parts) == len(texts)
    for text, part in zip(texts, parts, strict=True):
        assert part in text
        assert min(5, length_of(text)) <= length_of(part) <= length_of(text)


def test_an_ngram_model_is_the_same_after_its_counts_are_written_down() -> None:
    model = NgramModel.fit(PARAGRAPHS[:50], 3, 0.6)
    again = NgramModel.of_counts(model.vocabulary, model.counts(), 0.6)
    assert (again.word_probabilities(PARAGRAPHS[:60]) == model.word_probabilities(PARAGRAPHS[:60])).all()


def test_words_of_one_text_alone_are_not_kept() -> None:
    texts = [words_of(text) for text in ("a secret stands here", "a text", "a b", "a b")]
    held = Likelihood.fit(texts, np.array([False, True, False, True]))
    assert held.vocabulary == {"a", "b"}
    assert "secret" not in held.human.vocabulary
    assert np.isfinite(held.features([words_of("quite unknown words"), [], ["a"]])).all()


# -- the detector


def written(texts: list[str], count: int) -> list[str]:
    return NgramModel.fit(texts, 2).sample(count, np.random.default_rng(7), max_words=80)


@pytest.fixture(scope="module")
def trained() -> tuple[LogisticDetector, dict[str, Any]]:
    """A detector of texts that an n-gram model wrote, which learnt from other human texts."""
    return train(Labelled.of(PARAGRAPHS[:150], written(PARAGRAPHS[500:800], 150), "bigrams"), "one", folds=3)


def test_a_detector_finds_what_a_model_wrote_among_texts_that_it_never_saw(
    trained: tuple[LogisticDetector, dict[str, Any]],
) -> None:
    detector, report = trained
    assert report["overall"]["auc"] > 0.9
    human = detector.score(PARAGRAPHS[150:350])
    model = NgramModel.fit(PARAGRAPHS[500:800], 2).sample(200, np.random.default_rng(8), max_words=80)
    is_model = np.arange(400) >= 200
    fresh = calibration.measured(np.concatenate([human, detector.score(model)]), is_model, np.ones(400))
    assert abs(fresh["auc"] - report["overall"]["auc"]) < 0.07  # as it says of itself
    assert fresh["ece"] < 0.12


def test_it_says_little_of_short_texts_and_nothing_of_none(trained: tuple[LogisticDetector, dict[str, Any]]) -> None:
    detector, report = trained
    whole = np.abs(detector.score(PARAGRAPHS[150:250])).mean()
    short = np.abs(detector.score([" ".join(text.split()[:3]) for text in PARAGRAPHS[150:250]])).mean()
    assert short < whole / 2
    assert detector.score(["", " \n"]).tolist() == [0, 0]
    assert np.abs(detector.score(PARAGRAPHS)).max() <= report["largest_llr"] + 1e-3
    means = [row["mean_llr"] for row in report["by_length"]]
    assert means[0] == min(means)


def test_its_report_tells_of_all_by_generator_by_length_and_in_bins(
    trained: tuple[LogisticDetector, dict[str, Any]],
) -> None:
    _, report = trained
    assert report["texts"] == {"human": 150, "model": 150}
    assert [row["generator"] for row in report["by_generator"]] == ["bigrams"]
    assert sum(row["human"] for row in report["by_length"]) == 300  # whole texts and excerpts
    assert sum(row["weight"] for row in report["bins"]) == pytest.approx(1)
    assert report["unseen_generators"] == []
    assert next(iter(report["weights"])) == report["heaviest"]["feature"]
    assert set(report["weights"]) == set(FEATURES)


def test_a_detector_is_the_same_after_it_was_stored(trained: tuple[LogisticDetector, dict[str, Any]]) -> None:
    detector, _ = trained
    again = LogisticDetector.of_content(detector.content, detector.digest)
    assert again.digest == detector.digest
    assert again.name == "one"
    assert (again.score(PARAGRAPHS[:50]) == detector.score(PARAGRAPHS[:50])).all()


@given(data=st.data())
@settings(max_examples=20)
def test_a_damaged_detector_is_told_in_a_line(
    data: st.DataObject, trained: tuple[LogisticDetector, dict[str, Any]]
) -> None:
    content = trained[0].content
    at = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(BrokenDetector, match="digest"):
        LogisticDetector.of_content(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], trained[0].digest)
    with pytest.raises(BrokenDetector, match="damaged"):
        LogisticDetector.of_content(content[:at])


def test_the_same_texts_and_seed_make_the_same_detector() -> None:
    labelled = Labelled.of(PARAGRAPHS[:60], PARAGRAPHS[60:120])
    one, other = (train(labelled, folds=3, seed=4)[0] for _ in range(2))
    assert one.content == other.content
    assert train(labelled, folds=3, seed=5)[0].digest != one.digest


@pytest.mark.slow
def test_of_labels_that_mean_nothing_nothing_is_learnt_however_often_texts_are_repeated() -> None:
    """Were a copy of a text learnt from when it is judged, its label would be known."""
    chance = random.Random(11)
    texts = [" ".join(chance.choice(PARAGRAPHS).split()[:40]) + f" {number}" for number in range(400)]
    sides = [chance.random() < 0.5 for _ in texts]
    human = [text for text, side in zip(texts, sides, strict=True) if not side]
    model = [text for text, side in zip(texts, sides, strict=True) if side]
    labelled = Labelled.of(human * 2, model * 2)
    report = train(labelled, folds=4)[1]
    assert abs(report["overall"]["auc"] - 0.5) < 0.08
    assert report["overall"]["ece"] < 0.1
    apart = [bytes([number // 256, number % 256]) for number in range(800)]
    leaking = train(Labelled(labelled.texts, labelled.is_model, labelled.generators, apart), folds=4)[1]
    assert leaking["overall"]["auc"] > 0.8  # this is what is kept from happening


def test_no_likelihood_is_asked_of_a_model_that_had_read_the_fold() -> None:
    human, rng, folds = PARAGRAPHS[:60], np.random.default_rng(1), 3
    labelled = Labelled.of(human, written(PARAGRAPHS[500:800], 60))
    fold = np.arange(120) % folds
    read = detector_training._read(labelled, rng)
    fitted = detector_training._cross_fit(read, np.concatenate([fold, fold]), folds, lambda done: None)
    for each in range(folds):
        for left_out in range(folds):
            whole = np.flatnonzero((fold != each) & (fold != left_out))
            other = Likelihood.fit([read.words[row] for row in whole.tolist()], labelled.is_model[whole])
            rows = np.flatnonzero(np.concatenate([fold, fold]) == each)
            found = fitted.own if left_out == each else fitted.inner[left_out]
            wanted = other.features([read.words[row] for row in rows.tolist()])
            assert np.array_equal(found[rows][:, : wanted.shape[1]], wanted)


def test_length_alone_tells_nothing() -> None:
    """Both sides are of one kind of text, and one is shorter by far."""
    chance = random.Random(5)
    long = chance.sample([text for text in PARAGRAPHS if len(text.split()) > 35], 340)
    cut = [" ".join(text.split()[: 12 + number % 20]) for number, text in enumerate(long)]
    detector, _ = train(Labelled.of(long[:120], cut[120:240]), folds=3)
    short, whole = detector.score(cut[240:]), detector.score(long[240:])
    apart = calibration.auc(np.concatenate([whole, short]), np.arange(200) >= 100)
    assert apart is not None
    assert apart < 0.75
    assert np.abs(whole).mean() < 1
    assert detector.most_words < 40


def test_what_shares_a_group_is_never_learnt_from_and_judged() -> None:
    """Each human text and its copy told to be a model's are one group: apart, the one would give the other away."""
    human = PARAGRAPHS[:100]
    labelled = Labelled.of(human, human)
    report = train(labelled, folds=3)[1]
    assert report["overall"]["auc"] == pytest.approx(0.5, abs=1e-6)  # alike to the last bit, whichever side


@pytest.mark.slow
def test_each_generator_is_left_out_once_and_texts_unlike_the_others_are_found_less_often() -> None:
    near, far = written(PARAGRAPHS[500:800], 100), [text.upper() for text in PARAGRAPHS[300:400]]
    labelled = Labelled(
        [*PARAGRAPHS[:150], *near, *far],
        np.arange(350) >= 150,
        [*[None] * 150, *["near"] * 100, *["far"] * 100],
        [bytes([number // 256, number % 256]) for number in range(350)],
    )
    report = train(labelled, folds=3)[1]
    unseen = {row["generator"]: row["auc"] for row in report["unseen_generators"]}
    seen = {row["generator"]: row["auc"] for row in report["by_generator"]}
    assert unseen.keys() == seen.keys() == {"near", "far"}
    assert unseen["far"] < seen["far"]


def test_too_few_texts_of_one_origin_are_told() -> None:
    with pytest.raises(TooFewTexts, match="50 human texts and 50 of models at least, there are 60 and 3"):
        train(Labelled.of(PARAGRAPHS[:60], PARAGRAPHS[60:63]))


def test_as_many_folds_as_groups_at_the_most() -> None:
    labelled = Labelled.of(PARAGRAPHS[:50], PARAGRAPHS[50:100])
    alike = Labelled(labelled.texts, labelled.is_model, labelled.generators, [b"one"] * 100)
    with pytest.raises(ProvError, match="folds cannot be made"):
        train(alike)
