"""Test-beds: what they measure is what theory says; the promises of their kind stand in test_contracts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance.errors import ProvError
from provenance.origin import count_words
from trainer.loop import Report, run_generations
from trainer.pool import ArrayPool
from trainer.schedule import make_schedule
from trainer.streams import stream
from trainer.testbed import Degenerate, Floats, make_testbed
from trainer.testbeds.discrete import Discrete, Proportions
from trainer.testbeds.gmm import Gmm, Mixture, log_density
from trainer.testbeds.regression import Regression

GENERATOR = np.random.default_rng


def run(
    bed: str,
    schedule: str = "replace",
    size: int = 12,
    generations: int = 4,
    repeats: int = 1,
    seed: int = 0,
    share: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> tuple[list[Report], ArrayPool]:
    """What came of an arm, and all its samples; `share` are the parameters of the schedule."""
    made, scheduled = make_testbed(bed, parameters), make_schedule(schedule, size, seed, share or {})
    pool = ArrayPool(seed, edited=bool(scheduled.edited))
    pool.add(made.real(scheduled.real(generations), repeats, stream(seed, 0, "real")), 0)
    return list(run_generations(made, scheduled, pool, generations, seed)), pool


def measured(reports: list[Report], metric: str) -> Floats:
    """One metric, (generations, repeats)."""
    return np.stack([report.measures[metric] for report in reports])


def expect(values: Floats, expected: float, within: float) -> None:
    """Values are on average what is expected, to 4 standard errors; which are to be no more than `within` of it."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert 4 * error < within * abs(expected), f"too few repeats to see {within:.0%} of {expected}"
    assert abs(values.mean() - expected) < 4 * error, f"{values.mean()} is not {expected} ± {4 * error}"


# -- gaussian


def test_the_log_variance_of_a_gaussian_falls_as_theory_says() -> None:
    reports, _ = run("gaussian", size=20, generations=20, repeats=2000)
    bed = make_testbed("gaussian", {})
    for generation in (1, 10, 20):
        expected = bed.theory("replace", 20, generation)
        values = reports[generation - 1].measures
        expect(values["log_variance"], expected["log_variance"], 0.6)
        expect(values["w2_squared"], expected["w2_squared"], 0.4)
    slopes = measured(reports, "log_variance")
    expect((slopes[-1] - slopes[0]) / 19, bed.theory("replace", 20, 1)["log_variance"], 0.15)


def test_a_biased_variance_falls_by_its_bias() -> None:
    reports, _ = run("gaussian", size=10, generations=8, repeats=3000, biased=True)
    for generation in (1, 8):
        expect(reports[generation - 1].measures["variance"], 0.9**generation, 0.2)


def test_a_fresh_share_of_human_samples_bounds_the_drift_of_the_mean() -> None:
    reports, _ = run("gaussian", "fresh", 50, 15, 2000, share={"real_frac": 0.25})
    written = 1 - round(0.25 * 50) / 50  # the share is of whole samples; the mean settles within 15 generations
    expect(reports[-1].measures["mean_error"], 1 / 50 / (1 - written**2), 0.2)


def test_accumulating_keeps_the_variance_that_replacing_loses() -> None:
    kept, lost = (run("gaussian", name, 20, 30, 300, biased=True)[0] for name in ("accumulate", "replace"))
    assert kept[-1].measures["variance"].mean() > 0.85
    assert lost[-1].measures["variance"].mean() < 0.35


@pytest.mark.parametrize(("dim", "size"), [(1, 2), (1, 7), (1, 100), (3, 4), (3, 50)])
def test_a_gaussian_without_sampling_error_stays_what_it_is(dim: int, size: int) -> None:
    reports, _ = run("gaussian", size=size, generations=6, repeats=2, dim=dim, infinite=True, sigma=2.0)
    np.testing.assert_allclose(measured(reports, "variance"), 4)
    np.testing.assert_allclose(measured(reports, "mean_error"), 0, atol=1e-20)


def test_a_gaussian_that_no_covariance_can_be_had_of_is_refused() -> None:
    with pytest.raises(Degenerate):
        run("gaussian", size=3, dim=3, infinite=True)
    with pytest.raises(Degenerate):
        run("gaussian", "weighted", size=2, share={"weight": 1.0})


def test_what_a_gaussian_cannot_hold_is_lost_at_once_and_nothing_else() -> None:
    def tail(generation: int) -> float:
        start, end = pool.blocks[generation]
        held = pool.held[:, start:end, 0]
        return float((((held - held.mean()) / held.std()) ** 4).mean())

    reports, pool = run("gaussian", size=50_000, generations=3, truth="bimodal")
    assert [tail(generation) for generation in (0, 1, 2)] == pytest.approx([2.5, 3, 3], abs=0.1)
    np.testing.assert_allclose(measured(reports, "variance"), 1, atol=0.05)
    reports, _ = run("gaussian", size=50, generations=3, truth="bimodal", infinite=True)
    np.testing.assert_allclose(measured(reports, "variance"), 1)


def test_a_gaussian_fit_that_shrinks_loses_the_same_share_each_time() -> None:
    reports, _ = run("gaussian", size=11, generations=5, infinite=True, shrink=0.1)
    np.testing.assert_allclose(measured(reports, "variance")[:, 0], 0.9 ** np.arange(1, 6))


# -- discrete


def test_diversity_falls_by_one_in_so_many_samples() -> None:
    bed = Discrete()
    reports, _ = run("discrete", size=30, generations=30, repeats=1000)
    for generation in (1, 15, 30):
        expected = bed.theory("replace", 30, generation)["simpson"]
        assert expected == pytest.approx(0.9 * (29 / 30) ** generation)
        expect(reports[generation - 1].measures["simpson"], expected, 0.1)


def test_accumulating_loses_ever_less_diversity() -> None:
    bed = Discrete()
    reports, _ = run("discrete", "accumulate", 10, 12, 2000)
    for generation in (1, 3, 12):
        expect(reports[generation - 1].measures["simpson"], bed.theory("accumulate", 10, generation)["simpson"], 0.05)
    limit = 0.9 * np.sinh(np.pi * 1j / np.sqrt(10)).imag / (np.pi / np.sqrt(10))  # of the product over all i
    assert bed.theory("accumulate", 10, 10_000)["simpson"] == pytest.approx(limit, rel=1e-4)


COUNTS = (1,) * 300 + (2,) * 100 + (5,) * 50 + (50,) * 21
"""1,800 words of a made-up text."""


def test_the_tail_of_words_is_lost_by_the_law_of_branching() -> None:
    bed = Discrete(counts=COUNTS)
    reports, _ = run("discrete", size=1800, generations=6, repeats=60, counts=COUNTS)
    np.testing.assert_array_equal(reports[0].measures["hapaxes_kept"], 1)
    np.testing.assert_array_equal(reports[0].measures["vocabulary"], 471)
    for report in reports[1:]:
        expected = bed.theory("replace", 1800, report.generation)
        expect(report.measures["hapaxes_kept"], expected["hapaxes_kept"], 0.15)
        expect(report.measures["vocabulary"], expected["vocabulary"], 0.05)
        np.testing.assert_array_equal(report.measures["vocabulary"], report.measures["support"])
        expect(report.measures["simpson"], expected["simpson"], 0.01)


def test_of_hapaxes_as_many_survive_as_the_literature_says() -> None:
    bed = Discrete(counts=COUNTS)
    kept = [bed.theory("replace", 1800, generation)["hapaxes_kept"] for generation in range(1, 12)]
    assert [round(100 * share, 1) for share in kept] == [
        100, 63.2, 46.9, 37.4, 31.2, 26.8, *(round(100 * share, 1) for share in kept[6:10]), 15.8,
    ]  # fmt: skip


def test_accumulating_keeps_every_word() -> None:
    bed = Discrete(counts=COUNTS)
    reports, _ = run("discrete", "accumulate", 1800, 4, 3, counts=COUNTS)
    np.testing.assert_array_equal(measured(reports, "vocabulary"), 471)
    np.testing.assert_array_equal(measured(reports, "hapaxes_kept"), 1)
    assert {bed.theory("accumulate", 1800, generation)["vocabulary"] for generation in range(1, 9)} == {471}


def test_fewer_real_samples_than_were_counted_are_some_of_them() -> None:
    counts = (5, 1, 1, 3, 10)
    bed = Discrete(counts=counts)
    real = bed.real(12, 500, GENERATOR(0))
    drawn = np.stack([np.bincount(held, minlength=5) for held in real])
    assert (drawn <= counts).all()
    assert (drawn.sum(axis=1) == 12).all()
    reports, _ = run("discrete", size=12, generations=2, repeats=2000, counts=counts)
    for report in reports:
        expect(report.measures["simpson"], bed.theory("replace", 12, report.generation)["simpson"], 0.05)
    with pytest.raises(Degenerate, match="20"):
        bed.real(21, 1, GENERATOR(0))


def test_words_of_a_file_are_counted_as_everywhere_else(tmp_path: Path) -> None:
    text = "a rose is\u00a0a rose\x1fis a\u3000rose.\n"
    (tmp_path / "rose.txt").write_text(text, encoding="utf-8")
    bed = Discrete(words_of=tmp_path / "rose.txt")
    assert bed.counted is not None
    assert bed.counted.sum() == count_words(text) == 7
    assert sorted(bed.counted) == [1, 1, 1, 1, 3]  # rose, is, rose\x1fis, rose., and a


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"counts": ()}, "counts"),
        ({"counts": (3, 0)}, "counts.1"),
        ({"counts": (1, 2), "outcomes": 2}, "outcomes"),
        ({"words_of": "nowhere.txt"}, "No such file"),
        ({"words_of": "empty.txt"}, "no words"),
        ({"words_of": "latin.txt"}, "UTF-8"),
        ({"words_of": "rose.txt", "counts": (1,)}, "leave one"),
        ({"words_of": "rose.txt", "truth": "zipf"}, "counted"),
    ],
)
def test_counts_that_are_none_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text(" \n")
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("rose.txt").write_text("a rose")
    with pytest.raises(ProvError, match=said):
        make_testbed("discrete", parameters)


def test_what_has_died_out_stays_so() -> None:
    shares = GENERATOR(0).dirichlet(np.full(400, 0.02), 50)
    shares = np.where(shares < 1e-4, 0, shares)
    shares /= shares.sum(axis=1, keepdims=True)
    model = Proportions(shares, np.zeros(50, np.int64), np.zeros((50, 400), bool))
    samples = Discrete(outcomes=400).sample(model, 5000, GENERATOR(1))
    counts = np.stack([np.bincount(held, minlength=400) for held in samples])
    assert (counts[shares == 0] == 0).all()
    spread = np.sqrt(5000 * shares * (1 - shares)) + 1e-9
    assert (np.abs(counts - 5000 * shares) <= 6 * spread + 2).all()


def test_one_outcome_alone_is_the_end() -> None:
    reports, _ = run("discrete", size=5, generations=80, repeats=5, outcomes=3)
    np.testing.assert_array_equal(reports[-1].measures["support"], 1)
    np.testing.assert_array_equal(reports[-1].measures["simpson"], 0)
    np.testing.assert_array_equal(reports[-1].measures["shannon"], 0)
    np.testing.assert_allclose(reports[-1].measures["kl"], np.log(3))
    np.testing.assert_allclose(reports[-1].measures["total_variation"], 2 / 3)


def test_outcomes_without_sampling_error_keep_their_shares() -> None:
    reports, _ = run("discrete", size=997, generations=5, repeats=2, truth="zipf", infinite=True)
    kept = measured(reports, "simpson")
    np.testing.assert_array_equal(kept, kept[0, 0])
    assert (measured(reports, "total_variation") < 10 / 997).all()


def test_a_family_that_ties_outcomes_is_wrong_at_once_and_no_worse_later() -> None:
    reports, _ = run("discrete", size=10_000, generations=5, truth="zipf", infinite=True, tied=5)
    apart = measured(reports, "kl")[:, 0]
    assert apart[0] > 0.1
    np.testing.assert_allclose(apart, apart[0], rtol=1e-3)
    shares = Discrete(tied=4).fit(np.array([[0, 0, 1, 9, 9, 9]]), None, None, GENERATOR(0)).shares[0]
    assert shares == pytest.approx([1 / 8] * 4 + [0] * 4 + [1 / 4] * 2)


def test_a_fit_that_sharpens_loses_diversity_each_time() -> None:
    reports, _ = run("discrete", size=10_000, generations=5, truth="zipf", infinite=True, sharpen=0.1)
    assert (np.diff(measured(reports, "simpson")[:, 0]) < -0.01).all()
    powers = Discrete(truth="zipf").true ** 1.1**5
    assert reports[-1].measures["simpson"][0] == pytest.approx(1 - ((powers / powers.sum()) ** 2).sum(), abs=1e-3)


def test_weighed_samples_count_for_more() -> None:
    weights = np.array([0.5, 0.3, 0.2])
    fitted = Discrete(outcomes=2).fit(np.array([[0, 1, 0], [1, 1, 1]]), weights, None, GENERATOR(0))
    np.testing.assert_allclose(fitted.shares, np.array([[0.7, 0.3], [0.0, 1.0]]))


# -- regression


@pytest.mark.parametrize("design", ["same", "fresh"])
def test_the_error_of_relabelling_grows_by_the_same_each_generation(design: str) -> None:
    reports, _ = run("regression", size=30, generations=8, repeats=3000, dim=3, design=design)
    bed = Regression(dim=3)
    for generation in (1, 8):
        expected = bed.theory("replace", 30, generation)
        assert expected == pytest.approx({"error": 3 / 26 * generation, "error_over_c": generation})
        expect(reports[generation - 1].measures["error_over_c"], generation, 0.15)


def test_the_error_of_accumulating_stays_below_its_bound() -> None:
    reports, _ = run("regression", "accumulate", 30, 10, 2000, dim=3)
    for generation in (2, 10):
        expected = Regression(dim=3).theory("accumulate", 30, generation)["error_over_c"]
        assert expected == pytest.approx(sum(1 / i**2 for i in range(1, generation + 1)))
        expect(reports[generation - 1].measures["error_over_c"], expected, 0.15)
    assert reports[-1].measures["error_over_c"].mean() < np.pi**2 / 6 + 0.1


def edited_error(steps: int) -> float:
    """The error over c, of very many samples, once each part of them was labelled anew by a model of the last labels.

    A model is the mean of what the parts say, each with noise of variance `steps` (times c).
    """
    parts = np.eye(2 * steps)[:steps]  # what each part says, by the noise it is made of
    for step in range(steps):
        parts[step] = parts.mean(axis=0) + np.eye(2 * steps)[steps + step]
    return float(steps * (parts.mean(axis=0) ** 2).sum())


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_editing_every_sample_once_breaks_the_bound_of_two(steps: int) -> None:
    """The bound is that of Zhu et al. 2024, theorem 2."""
    reports, pool = run(
        "regression", "edit", 200, steps + 1, 1500, share={"share": 1 / steps}, dim=2, truth="zero"
    )  # fmt: skip
    expect(reports[-1].measures["error_over_c"], edited_error(steps), 0.15)
    assert edited_error(steps) == pytest.approx({1: 2, 2: 2.6875, 5: 3.5047}[steps], abs=1e-3)
    start, end = pool.blocks[steps]
    assert (pool.held[:, start:end, -1] == 1).all()


def test_edits_are_of_other_samples_each_generation_until_all_are_edited() -> None:
    _, pool = run("regression", "edit", 10, 6, repeats=20, share={"share": 0.3})
    edited = [pool.held[:, start:end] for start, end in pool.blocks.values()]
    assert [set(held[..., -1].sum(axis=1)) for held in edited] == [{0}, {3}, {6}, {9}, {12}, {15}]
    assert all(held[..., -1].max() <= 1 for held in edited[:4])
    assert all(held[..., -1].min() == 1 for held in edited[4:])
    for before, after in pairwise(edited[1:]):
        same = before[..., -1] == after[..., -1]
        assert (before[same] == after[same]).all()
        assert (before[~same][:, :-2] == after[~same][:, :-2]).all()
        assert (before[~same][:, -2] != after[~same][:, -2]).all()


def test_a_singular_design_is_fitted_by_the_shortest_weights_and_said() -> None:
    reports, _ = run("regression", size=4, generations=3, repeats=5, dim=6, sigma=0.0)
    np.testing.assert_array_equal(measured(reports, "rank"), 4)
    assert "error_over_c" not in reports[0].measures
    np.testing.assert_allclose(measured(reports, "error"), measured(reports, "error")[:1].repeat(3, axis=0))
    bed = Regression(dim=6)
    samples = bed.real(4, 1, GENERATOR(0))
    shortest = np.linalg.lstsq(samples[0, :, :6], samples[0, :, 6])[0]
    np.testing.assert_allclose(bed.fit(samples, None, None, GENERATOR(0)).weights[0], shortest)


def test_regression_is_least_squares_with_weights_and_ridge() -> None:
    bed = Regression(dim=3, ridge=0.2)
    samples = bed.real(20, 2, GENERATOR(0))
    weights = GENERATOR(1).dirichlet(np.ones(20))
    fitted = bed.fit(samples, weights, None, GENERATOR(0)).weights
    for repeat in range(2):
        design, labels = samples[repeat, :, :3], samples[repeat, :, 3]
        among = design.T @ (weights[:, None] * design) + 0.2 * np.eye(3)
        np.testing.assert_allclose(fitted[repeat], np.linalg.solve(among, design.T @ (weights * labels)))


def test_a_regression_without_sampling_error_is_right() -> None:
    reports, _ = run("regression", size=13, generations=4, repeats=2, infinite=True)
    np.testing.assert_allclose(measured(reports, "error"), 0, atol=1e-20)
    with pytest.raises(Degenerate):
        run("regression", size=10, infinite=True)


def test_a_line_misses_a_curve_at_once_and_no_more_later() -> None:
    reports, _ = run("regression", size=13, generations=4, infinite=True, truth="bent")
    np.testing.assert_allclose(measured(reports, "error"), 1)
    finite, _ = run("regression", size=20_000, generations=2, truth="bent", dim=2)
    np.testing.assert_allclose(measured(finite, "error"), 1, atol=0.01)


def test_ridge_misses_more_each_generation() -> None:
    reports, _ = run("regression", size=13, generations=4, infinite=True, ridge=0.1)
    np.testing.assert_allclose(measured(reports, "error")[:, 0], (1 - 1.1 ** -np.arange(1.0, 5)) ** 2)


# -- gmm


def test_a_mixture_finds_two_gaussians_and_their_densities() -> None:
    reports, _ = run("gmm", size=2000, generations=1)
    values = {metric: held[0] for metric, held in reports[0].measures.items()}
    assert values["alive"] == 2
    assert values["mean_std"] == pytest.approx(0.9, abs=0.05)
    assert 0 <= values["kl"] < 0.02
    points = GENERATOR(0).standard_normal((5, 2))
    standard = Mixture(np.array([0.5, 0.5]), np.zeros((2, 2)), np.stack([np.eye(2)] * 2))
    np.testing.assert_allclose(log_density(standard, points), -np.log(2 * np.pi) - (points**2).sum(axis=1) / 2)


def test_replacing_makes_a_mixture_narrow() -> None:
    reports, _ = run("gmm", size=30, generations=60)
    first, *_, last = measured(reports, "mean_std")[:, 0]
    assert last < first / 3
    assert reports[-1].measures["kl"][0] > 10


def test_a_component_is_the_same_one_in_all_generations() -> None:
    made, generator = Gmm(apart=8), GENERATOR(0)
    model, samples = None, made.real(100, 1, generator)
    for _ in range(10):
        model = made.fit(samples, None, model, generator)
        assert model.means[0, 0] < 0 < model.means[1, 0]
        samples = made.sample(model, 100, generator)


def test_a_fit_that_starts_anew_splits_what_is_left() -> None:
    bed, generator = Gmm(anew=True), GENERATOR(0)
    lost = Mixture(np.array([1.0, 0.0]), np.zeros((2, 2)), np.stack([np.eye(2)] * 2))
    points = bed.sample(lost, 200, generator)
    assert bed.measure(bed.fit(points, None, lost, generator), points)["alive"][0] == 2
    assert bed.model_copy(update={"anew": False}).fit(points, None, lost, generator).weights[1] < 1e-9


def test_weighed_points_are_fitted_as_if_there_were_more_of_them() -> None:
    points = Gmm().real(40, 1, GENERATOR(0))
    times = np.repeat([3, 1], 20)
    start = Gmm().fit(points, None, None, GENERATOR(0))
    weighed = Gmm(steps=5).fit(points, times / times.sum(), start, GENERATOR(0))
    repeated = Gmm(steps=5).fit(np.repeat(points, times, axis=1), None, start, GENERATOR(0))
    assert not np.allclose(start.means, weighed.means, atol=1e-3)
    np.testing.assert_allclose(weighed.means, repeated.means, atol=0.01)
    np.testing.assert_allclose(weighed.covariances, repeated.covariances, atol=0.01)


def test_a_component_that_died_is_not_a_number() -> None:
    tiny = Mixture(np.array([1 - 1e-12, 1e-12]), np.zeros((2, 2)), np.stack([np.eye(2)] * 2))
    values = Gmm().measure(tiny, np.zeros((1, 100, 2)))
    assert values["alive"][0] == 1
    assert values["mean_std"][0] == values["std_1"][0] == 1
    assert np.isnan(values["std_2"][0])


def test_a_mixture_that_cannot_be_fitted_is_dead_and_said_to_be() -> None:
    bed, generator = Gmm(), GENERATOR(0)
    model = bed.fit(bed.real(50, 1, generator), None, None, generator)
    dead = bed.fit(np.full((1, 50, 2), 1e200), None, model, generator)
    assert dead.dead
    values = bed.measure(dead, np.zeros((1, 50, 2)))
    assert values.pop("alive")[0] == 0
    assert all(np.isnan(value).all() for value in values.values())
    assert np.isfinite(bed.sample(dead, 50, generator)).all()
    assert bed.fit(bed.real(50, 1, generator), None, dead, generator).dead
    with pytest.raises(Degenerate):
        bed.fit(np.full((1, 50, 2), 1e200), None, None, generator)


def test_points_that_are_all_one_are_a_mixture_without_width() -> None:
    bed, generator = Gmm(), GENERATOR(0)
    model = bed.fit(bed.real(50, 1, generator), None, None, generator)
    model = bed.fit(np.ones((1, 50, 2)), None, model, generator)
    values = bed.measure(model, np.ones((1, 50, 2)))
    assert model.dead or np.nanmax(values["mean_std"]) < 1e-4


def test_a_mixture_of_even_samples_stays_and_one_of_random_samples_does_not() -> None:
    even, random = (run("gmm", size=300, generations=10, infinite=infinite)[0] for infinite in (True, False))
    assert measured(even, "kl").max() < 0.02
    assert random[-1].measures["kl"][0] > 10 * measured(even, "kl").max()


def test_two_gaussians_miss_two_moons_at_once_and_no_more_later() -> None:
    two, eight = (
        measured(run("gmm", size=1000, generations=5, infinite=True, truth="moons", components=components)[0],
                 "log_likelihood")
        for components in (2, 8)
    )  # fmt: skip
    assert eight[0, 0] - two[0, 0] > 0.5
    np.testing.assert_allclose(two, two[0, 0], atol=0.02)


def test_a_mixture_that_shrinks_loses_about_the_same_share_each_time() -> None:
    reports, _ = run("gmm", size=300, generations=5, infinite=True, shrink=0.19, apart=20.0)
    np.testing.assert_allclose(measured(reports, "mean_std")[:, 0], 0.9 * 0.9 ** np.arange(1, 6), rtol=1e-3)
