import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from provenance.errors import ProvError
from trainer.intervals import LEVEL, Floats, fieller, holm, intervals, t_quantile, t_tail
from trainer.results import MEASUREMENT, Results, measured_rows
from trainer.verdict import Verdict, direction, judge, measured, summary

DEAD = float("nan")
NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([DEAD, float("inf"), -float("inf"), 0.0, 1e150])
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 9))


def made(values: Mapping[str, Any], theory: Sequence[float] = (), arm: str = "arm") -> Results:
    """Results of one arm: by metric its values, (repeats, generations), and theory of all of them by generation."""
    tables = [pa.Table.from_batches([], MEASUREMENT)]
    for metric, held in values.items():
        tables.append(measured_rows(arm, metric, held))
    expected = [
        {"generation": at, "metric": metric, "value": value} for metric in values for at, value in enumerate(theory, 1)
    ]
    return Results({"name": "made", "arms": [{"name": arm, "theory": expected}]}, pa.concat_tables(tables))


def verdict(values: Any, theory: Sequence[float] = (), metric: str = "distance") -> Verdict:
    (held,) = judge(made({metric: values}, theory))
    return held


def drifting(repeats: int, generations: int, slope: float, noise: float = 0.1, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return slope * np.arange(generations) + noise * rng.standard_normal((repeats, generations))


# -- intervals


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 28, 29, 500, 1_999, 100_000])
def test_students_t_is_what_scipy_says_far_into_its_tail(freedom: int) -> None:
    t = np.array([-1e200, -40.0, -2.0, 0.0, 0.3, 2.0, 10.0, 60.0, 1e200])
    ours = t_tail(t, np.full(len(t), float(freedom)))
    np.testing.assert_allclose(ours, stats.t.sf(t, freedom), rtol=1e-9, atol=1e-300)
    assert t_quantile(np.array([float(freedom)]))[0] == pytest.approx(stats.t.ppf(0.5 + LEVEL / 2, freedom), rel=1e-9)


@pytest.mark.parametrize("repeats", [2, 5, 12, 29, 30, 60])
def test_an_interval_holds_the_true_mean_about_19_times_in_20(repeats: int) -> None:
    low, high = intervals(3 + np.random.default_rng(1).standard_normal((repeats, 2_000)))
    assert 0.92 <= np.mean((low <= 3) & (high >= 3)) <= 0.98


def test_an_interval_is_students_below_30_repeats_and_a_bootstrap_from_30() -> None:
    rng = np.random.default_rng(2)
    for repeats, kind in ((2, "t"), (29, "t"), (30, "bootstrap"), (200, "bootstrap")):
        values = rng.exponential(size=(repeats, 1))
        low, high = (float(end[0]) for end in intervals(values))
        half = stats.t.interval(LEVEL, repeats - 1, values.mean(), stats.sem(values[:, 0]))
        assert verdict(values).points[0].interval == kind
        assert (low == pytest.approx(half[0])) == (high == pytest.approx(half[1])) == (kind == "t")


def test_a_bootstrap_is_scipys_within_what_chance_leaves() -> None:
    values = np.random.default_rng(3).exponential(size=(80, 1))
    theirs = stats.bootstrap((values[:, 0],), np.mean, method="percentile", n_resamples=20_000, rng=0)
    low, high = intervals(values)
    error = values.std() / 80**0.5
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.25 * error)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.25 * error)


def test_a_bootstrap_is_the_same_each_time_and_another_with_another_seed() -> None:
    values = np.random.default_rng(4).standard_normal((50, 3))
    np.testing.assert_array_equal(intervals(values, seed=5), intervals(values, seed=5))
    assert (intervals(values, seed=5)[0] != intervals(values, seed=6)[0]).all()


@given(SHAPES.flatmap(lambda shape: arrays(float, shape, elements=NUMBERS)))
@settings(max_examples=60, deadline=None)
def test_whatever_is_measured_has_a_mean_in_its_interval_or_is_said_to_have_none(values: Floats) -> None:
    held = verdict(values)
    assert len(held.points) == values.shape[1]
    for point, column in zip(held.points, values.T, strict=True):
        finite = column[np.isfinite(column)]
        assert (point.repeats, point.failed) == (len(finite), len(column) - len(finite))
        assert (point.mean is None) == (len(finite) == 0)
        assert (point.interval is None) == (point.low is None) == (len(finite) < 2)
        if point.mean is not None:
            slack = 1e-9 * float(np.abs(finite).max())
            assert finite.min() - slack <= point.mean <= finite.max() + slack
            assert point.median == np.median(finite)
    json.dumps(summary([held]), allow_nan=False)


@given(st.integers(2, 40), st.floats(0.01, 100), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_verdict_does_not_depend_on_the_unit(repeats: int, unit: float, seed: int) -> None:
    values = drifting(repeats, 8, 0.05, seed=seed)
    one, other = verdict(values), verdict(values * unit)
    assert (one.worse.first, one.trend.said) == (other.worse.first, other.trend.said)


# -- worse than the baseline


@pytest.mark.parametrize("repeats", [3, 12, 100])
def test_a_drift_is_worse_from_the_generation_where_it_leaves_the_noise(repeats: int) -> None:
    held = verdict(drifting(repeats, 10, 0.5))
    assert held.worse.first in (2, 3, 4)
    assert held.worse.said == f"worse from generation {held.worse.first}"
    assert held.worse.difference == pytest.approx(4.5, abs=0.3)
    assert held.worse.p is not None
    assert held.worse.p < 0.05


def test_what_gets_better_is_not_worse_and_the_metric_says_which_way_that_is() -> None:
    falling = drifting(20, 10, -0.5)
    assert verdict(falling, metric="distance").worse.said == "not significantly worse"
    assert verdict(falling, metric="log_variance").worse.first == 2
    (overruled,) = judge(made({"distance": falling}), worse_if={"distance": "lower"})
    assert (overruled.worse_if, overruled.worse.first) == ("lower", 2)


def test_repeats_are_compared_with_themselves() -> None:
    starts = 100 * np.random.default_rng(0).standard_normal((10, 1))
    assert verdict(starts + drifting(10, 4, 0.5)).worse.first == 2


def test_where_nothing_changes_hardly_one_in_twenty_is_found_worse_at_any_generation() -> None:
    rng = np.random.default_rng(0)
    metrics = {f"distance-{at}": rng.standard_normal((8, 20)) for at in range(300)}
    found = sum(held.worse.first is not None for held in judge(made(metrics)))
    assert found <= 0.08 * 300


def test_holm_is_what_the_paper_says() -> None:
    assert holm(np.array([0.01, 0.04, np.nan, 0.03])).round(12).tolist()[:2] == [0.03, 0.06]
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("w2_squared", "higher"),
        ("cross_entropy", "higher"),
        ("perplexity", "higher"),
        ("variance_error", "higher"),
        ("variance", "lower"),
        ("log_variance", "lower"),
        ("entropy", "lower"),
        ("support", "lower"),
        ("tail_coverage", "lower"),
        ("vocabulary", "lower"),
        ("distinct-2", "lower"),
        ("anything", "higher"),
    ],
)
def test_a_name_says_which_way_is_worse(metric: str, expected: str) -> None:
    assert direction(metric) == expected


def test_a_direction_of_an_unknown_metric_or_of_no_sense_is_refused() -> None:
    with pytest.raises(ProvError, match=r"no metric 'w3'.*there is distance"):
        judge(made({"distance": [[1.0]]}), worse_if={"w3": "lower"})
    with pytest.raises(ProvError, match="wanted higher or lower"):
        judge(made({"distance": [[1.0]]}), worse_if={"distance": "up"})  # type: ignore[dict-item]


# -- trend


@pytest.mark.parametrize("repeats", [5, 20, 200])
@pytest.mark.parametrize(("slope", "said"), [(0.5, "growing"), (-0.5, "shrinking"), (0.0, "bounded")])
def test_a_trend_is_the_slope_of_the_last_half(repeats: int, slope: float, said: str) -> None:
    rising = np.minimum(np.arange(12), 5) * 3.0  # the first half does not count
    held = verdict(rising + drifting(repeats, 12, slope, seed=1)).trend
    assert (held.said, held.first, held.repeats) == (said, 7, repeats)
    assert held.slope == pytest.approx(slope, abs=0.05)
    assert None not in (held.low, held.slope, held.high)
    assert np.all(np.diff(np.array([held.low, held.slope, held.high], float)) > 0)


def test_a_slope_is_that_of_least_squares() -> None:
    values = drifting(4, 10, 0.3, noise=1)
    slopes = [np.polyfit(np.arange(6, 11), row[5:], 1)[0] for row in values]
    assert verdict(values).trend.slope == pytest.approx(np.mean(slopes))


# -- theory


def test_theory_is_measured_in_standard_errors() -> None:
    values = np.array([[0.0, 1.0, 4.0], [2.0, 3.0, 6.0]])  # means 1, 2, 5, standard errors 1
    held = verdict(values, theory=[1.0, 5.0, 5.5]).theory
    assert held is not None
    assert (held.largest, held.at, held.inside, held.last) == (3.0, 2, True, 3)
    assert held.said == "inside the interval at generation 3; largest distance 3.0 standard errors, at generation 2"
    outside = verdict(values, theory=[1.0, 2.0, 50.0]).theory
    assert outside is not None
    assert outside.inside is False


def test_theory_may_say_nothing_or_not_a_number_or_speak_of_other_generations() -> None:
    assert verdict([[1.0], [2.0]]).theory is None
    assert verdict([[1.0], [2.0]], theory=[DEAD]).theory is None
    few = verdict([[1.0, 2.0]], theory=[1.0, 2.0]).theory
    assert few is not None
    assert few.said.startswith("too few repeats")


# -- what cannot be judged is said


def test_without_spread_the_numbers_themselves_decide() -> None:
    for repeats in (3, 40):
        flat = verdict(np.full((repeats, 8), 0.1), theory=[0.1] * 8)
        assert (flat.worse.said, flat.trend.said) == ("not significantly worse", "bounded")
        assert (flat.points[0].low, flat.points[0].high) == (0.1, 0.1)
        assert flat.theory is not None
        assert (flat.theory.inside, flat.theory.largest) == (True, 0.0)
        rising = verdict(np.tile(np.arange(8.0), (repeats, 1)), theory=[0.0] * 8)
        assert (rising.worse.first, rising.trend.said) == (2, "growing")
        assert rising.trend.slope == pytest.approx(1)
        assert rising.theory is not None
        assert (rising.theory.inside, rising.theory.largest) == (False, None)
        assert "no spread" in rising.theory.said


def test_what_rounding_leaves_is_no_change() -> None:
    rng = np.random.default_rng(0)
    around_one = 1 + 1e-15 * np.sort(rng.standard_normal((40, 10)))
    around_zero = 1e-32 * np.arange(10.0) * (1 + rng.random((40, 10)))
    for values in (around_one, around_zero):
        assert (verdict(values).worse.first, verdict(values).trend.said) == (None, "bounded")


@pytest.mark.parametrize(
    ("values", "worse", "trend"),
    [
        ([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], "too few repeats", "too few repeats left"),
        ([[1.0], [2.0]], "too few generations", "too few generations"),
        ([[1.0, 2.0], [2.0, 2.5]], "not significantly worse", "too few generations"),
        ([[DEAD] * 6, [DEAD] * 6], "every repeat failed", "every repeat failed"),
        ([[DEAD, 1.0, 1.0], [DEAD, 2.0, 2.0]], "no baseline: generation 1 failed", "too few generations"),
    ],
)
def test_too_little_to_judge_by_is_said(values: Any, worse: str, trend: str) -> None:
    held = verdict(values)
    assert (held.worse.said, held.trend.said) == (worse, trend)


def test_without_the_first_generation_there_is_no_baseline() -> None:
    results = made({"distance": drifting(5, 6, 1)})
    rows = results.measurements.filter(pa.compute.greater(results.measurements["generation"], 1))
    (held,) = judge(Results(results.experiment, rows))
    assert held.worse.said == "no baseline: generation 1 is missing"


def test_failed_repeats_are_counted_and_left_out_and_those_never_run_are_not_failed() -> None:
    values = drifting(12, 6, 1.0)
    values[:3, 4:] = DEAD
    values[3, 5] = -np.inf
    results = made({"distance": values})
    unfinished = pa.compute.and_(
        pa.compute.equal(results.measurements["repeat"], 11), pa.compute.equal(results.measurements["generation"], 6)
    )
    (held,) = judge(Results(results.experiment, results.measurements.filter(pa.compute.invert(unfinished))))
    assert (held.repeats, held.failed) == (12, 4)
    assert [(point.repeats, point.failed) for point in held.points][3:] == [(12, 0), (9, 3), (7, 4)]
    assert held.trend.repeats == 7
    assert held.points[5].mean == pytest.approx(values[4:11, 5].mean())


def test_a_repeat_measured_twice_is_refused() -> None:
    held = made({"distance": [[1.0]]})
    with pytest.raises(ProvError, match="measured twice"):
        measured(Results(held.experiment, pa.concat_tables([held.measurements, held.measurements])))


def test_nothing_measured_is_nothing_judged() -> None:
    assert judge(made({})) == []


def test_arms_stand_as_the_experiment_lists_them() -> None:
    one, two = made({"distance": [[1.0]]}, arm="b"), made({"distance": [[1.0]]}, arm="a")
    rows = pa.concat_tables([two.measurements, one.measurements])
    assert [held.arm for held in judge(Results({"arms": [{"name": "b"}, {"name": "a"}]}, rows))] == ["b", "a"]


# -- ratios


def test_a_ratio_of_differences_has_an_interval_that_holds_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        below = 2 + rng.standard_normal(25)
        ratio = fieller(0.5 * below + 0.3 * rng.standard_normal(25), below)
        assert ratio is not None
        held += ratio.low <= 0.5 <= ratio.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_ratio_is_none_where_its_denominator_is_within_three_standard_errors() -> None:
    noise = np.random.default_rng(0).standard_normal(50)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    error = 50**-0.5
    assert fieller(np.ones(50), noise + 2.9 * error) is None
    assert fieller(np.ones(50), noise + 3.1 * error) is not None
    assert fieller(np.ones(50), np.zeros(50)) is None
    assert fieller(np.array([1.0, DEAD]), np.array([1.0, 1.0])) is None


def test_a_ratio_without_spread_is_exact() -> None:
    ratio = fieller(np.full(5, 3.0), np.full(5, 2.0))
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high, ratio.repeats) == (1.5, 1.5, 1.5, 5)


@pytest.mark.slow
def test_two_thousand_repeats_of_a_hundred_generations_take_seconds() -> None:
    results = made({f"distance-{at}": drifting(2_000, 100, 0.01, seed=at) for at in range(4)})
    start = time.perf_counter()
    judge(results)
    assert time.perf_counter() - start < 20
