"""Verdicts: what the repeats of an arm say of each metric, by generation, with intervals and corrected tests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from provenance.errors import ProvError, listed
from trainer.intervals import (
    BOOTSTRAP_FROM,
    LEVEL,
    RESAMPLES,
    Floats,
    holm,
    intervals,
    medians_of,
    moments_of,
    p_above_zero,
    unless_rounding,
)
from trainer.metrics.histogram import parsed
from trainer.results import Results

Direction = Literal["higher", "lower"]

METHOD = (
    f"Intervals: {LEVEL:.0%} of the mean, Student's t below {BOOTSTRAP_FROM} repeats, from there percentile bootstrap "
    f"({RESAMPLES:,} resamples). Worse than the baseline: paired differences of each repeat from its generation 1, "
    f"one-sided t-test, Holm's correction for all generations of a metric, {1 - LEVEL:.0%} in all. Trend: the mean of "
    "each repeat's least-squares slope over the last half of the generations, bounded where its interval holds zero. "
    "Failed repeats are left out, and counted."
)

_HIGHER = re.compile(r"\b(bits|cross|distance|divergence|error|invented|js|jsd|kl|loss|perplexity)\b")
_LOWER = re.compile(
    r"\b(accuracy|alive|coverage|distinct|diversity|elbo|entropy|gini|hapaxes|likelihood|rank|recall|shannon|simpson|std"
    r"|support|surviv(al|ed|ing)|types|validity|variance|vocabulary)\b"
)


@dataclass(frozen=True)
class Measured:
    """What was measured of one metric of an arm.

    Attributes:
        generations: (generations,), rising.
        repeats: the numbers of the repeats, (repeats,), rising.
        values: (repeats, generations) float64, NaN where there is no finite number.
        failed: (repeats, generations), where a measurement is no finite number; the others were never made.
    """

    arm: str
    metric: str
    generations: NDArray[np.int64]
    repeats: NDArray[np.int64]
    values: Floats
    failed: NDArray[np.bool_]

    def at(self, generation: int) -> Floats:
        """The values of a generation, one a repeat; NaN where there is none."""
        found = np.flatnonzero(self.generations == generation)
        return self.values[:, found[0]] if len(found) else np.full(len(self.repeats), np.nan)


@dataclass(frozen=True)
class Point:
    """One metric of an arm at a generation, over the repeats that did not fail.

    Attributes:
        error: the standard error of the mean.
        interval: how the interval of the mean from `low` to `high` was made; None where one repeat gives none.
    """

    generation: int
    repeats: int
    failed: int
    mean: float | None
    median: float | None
    low: float | None
    high: float | None
    error: float | None
    interval: Literal["t", "bootstrap"] | None


@dataclass(frozen=True)
class Worse:
    """Whether generations are worse than the baseline.

    Attributes:
        first: the first that is, corrected for their number; None where none is, or none could be tested.
        generations: all that are.
        p: of the first, or of the one that is nearest to it; corrected (Holm), one-sided.
        difference: of the mean at the last generation from the baseline, of the repeats that have both.
    """

    said: str
    first: int | None = None
    generations: tuple[int, ...] = ()
    p: float | None = None
    difference: float | None = None


@dataclass(frozen=True)
class Trend:
    """Whether a metric still moves over the last half of the generations; `slope` is a generation's."""

    said: str
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    first: int | None = None
    repeats: int = 0


@dataclass(frozen=True)
class Against:
    """How far measurements are from theory.

    Attributes:
        largest: distance of a mean from theory, in its standard errors; None where there is no spread to measure by.
        at: its generation.
        inside: whether theory is inside the interval at `last`, the last generation that has both.
    """

    said: str
    largest: float | None = None
    at: int | None = None
    inside: bool | None = None
    last: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What is said of one metric of an arm.

    Attributes:
        worse_if: whether higher or lower values are worse.
        repeats: how many there are.
        failed: how many of them failed at some generation.
        theory: None where theory says nothing.
    """

    arm: str
    metric: str
    worse_if: Direction
    repeats: int
    failed: int
    points: tuple[Point, ...]
    worse: Worse
    trend: Trend
    theory: Against | None

    def summary(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        held: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return held


def judge(results: Results, worse_if: Mapping[str, Direction] | None = None, seed: int = 0) -> list[Verdict]:
    """Say of each arm and metric what its repeats show; of the shares of a histogram nothing, as none is worse.

    Args:
        worse_if: by metric, where it is not what `direction` takes it to be.
        seed: of the bootstraps.
    Raises:
        ProvError: a direction is given for a metric that was not measured, or is none.
    """
    held = [one for one in measured(results) if parsed(one.metric) is None]
    declared = _checked(worse_if or {}, {one.metric for one in held})
    expected = theory(results)
    return [
        _judged(one, declared.get(one.metric) or direction(one.metric), expected.get((one.arm, one.metric), {}), seed)
        for one in held
    ]


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Verdicts and how they were come by, as plain JSON."""
    return {"method": METHOD, "level": LEVEL, "verdicts": [verdict.summary() for verdict in verdicts]}


def direction(metric: str) -> Direction:
    """Whether higher or lower values of a metric are worse, by the words of its name.

    >>> [direction(metric) for metric in ("w2_squared", "log_variance", "cross_entropy", "vocabulary")]
    ['higher', 'lower', 'higher', 'lower']
    """
    words = re.sub(r"[\W\d_]+", " ", metric.lower())
    return "lower" if _LOWER.search(words) and not _HIGHER.search(words) else "higher"


def theory(results: Results) -> dict[tuple[str, str], dict[int, float]]:
    """By arm and metric, what theory expects at each generation."""
    expected: dict[tuple[str, str], dict[int, float]] = {}
    for arm in results.experiment.get("arms", ()):
        for row in arm.get("theory") or ():
            if row["value"] is not None and isfinite(row["value"]):
                expected.setdefault((arm["name"], row["metric"]), {})[row["generation"]] = float(row["value"])
    return expected


def measured(results: Results) -> list[Measured]:
    """What was measured, arms as the experiment lists them, metrics as they were measured.

    Raises:
        ProvError: something was measured twice.
    """
    table = results.measurements
    if not len(table):
        return []
    arms, arm_of = _coded(table["arm"])
    metrics, metric_of = _coded(table["metric"])
    generation = table["generation"].to_numpy().astype(np.int64)
    repeat = table["repeat"].to_numpy().astype(np.int64)
    value = table["value"].to_numpy()
    codes = arm_of * len(metrics) + metric_of
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    rows = dict(zip(present.tolist(), np.split(order, starts[1:]), strict=True))
    ranks = {arm["name"]: rank for rank, arm in enumerate(results.experiment.get("arms", ()))}
    listed_first = sorted(rows, key=lambda code: (ranks.get(arms[code // len(metrics)], len(ranks)), code))
    return [
        _matrix(arms[code // len(metrics)], metrics[code % len(metrics)], generation[own], repeat[own], value[own])
        for code in listed_first
        for own in [rows[code]]
    ]


def _coded(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """The names in a column, and the number of its name in each row."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def _matrix(arm: str, metric: str, generation: Any, repeat: Any, value: Floats) -> Measured:
    generations, column = np.unique(generation, return_inverse=True)
    repeats, row = np.unique(repeat, return_inverse=True)
    shape = len(repeats), len(generations)
    values, failed = np.full(shape, np.nan), np.zeros(shape, bool)
    times = np.bincount(row * len(generations) + column, minlength=values.size)
    if times.max(initial=0) > 1:
        raise ProvError(f"{metric} of arm {arm!r} has repeats measured twice: give each repeat a number of its own")
    finite = np.isfinite(value)
    values[row, column] = np.where(finite, value, np.nan)
    failed[row, column] = ~finite
    return Measured(arm, metric, generations, repeats, values, failed)


def _checked(worse_if: Mapping[str, Direction], metrics: set[str]) -> Mapping[str, Direction]:
    for metric, named in worse_if.items():
        if metric not in metrics:
            raise ProvError(f"no metric {metric!r} was measured: there is {listed(sorted(metrics)) or 'none'}")
        if named not in ("higher", "lower"):
            raise ProvError(f"{metric} is worse if {named!r}: wanted higher or lower")
    return worse_if


def _judged(held: Measured, worse_if: Direction, expected: Mapping[int, float], seed: int) -> Verdict:
    points = _points(held, seed)
    return Verdict(
        arm=held.arm,
        metric=held.metric,
        worse_if=worse_if,
        repeats=len(held.repeats),
        failed=int(held.failed.any(axis=1).sum()),
        points=points,
        worse=_worse(held, worse_if),
        trend=_trend(held, seed),
        theory=_against(points, expected) if expected else None,
    )


def _points(held: Measured, seed: int) -> tuple[Point, ...]:
    moments = moments_of(held.values)
    low, high = intervals(held.values, seed)
    numbers = (map(_plain, column) for column in (moments.mean, medians_of(held.values), low, high, moments.error))
    counts = moments.count.tolist(), held.failed.sum(axis=0).tolist()
    return tuple(
        Point(generation, repeats, failed, mean, median, low_end, high_end, error, _kind(repeats))
        for generation, repeats, failed, mean, median, low_end, high_end, error in zip(
            held.generations.tolist(), *counts, *numbers, strict=True
        )
    )


def _kind(repeats: int) -> Literal["t", "bootstrap"] | None:
    if repeats < 2:
        return None
    return "t" if repeats < BOOTSTRAP_FROM else "bootstrap"


def _worse(held: Measured, worse_if: Direction) -> Worse:
    later = held.generations > 1
    if not np.isfinite(held.values).any():
        return Worse("every repeat failed")
    if not later.any():
        return Worse("too few generations")
    baseline, values = held.at(1)[:, None], held.values[:, later]
    if not np.isfinite(baseline).any():
        return Worse("no baseline: generation 1 failed" if (~later).any() else "no baseline: generation 1 is missing")
    apart = unless_rounding(values - baseline, np.maximum(np.abs(values), np.abs(baseline)))
    difference = _plain(moments_of(apart).mean[-1])
    p = holm(p_above_zero(moments_of(apart if worse_if == "higher" else -apart)))
    if np.isnan(p).all():
        return Worse("too few repeats", difference=difference)
    generations = held.generations[later]
    worse = tuple(generations[np.nan_to_num(p, nan=1) <= 1 - LEVEL].tolist())
    if not worse:
        return Worse("not significantly worse", p=float(np.nanmin(p)), difference=difference)
    left = generations[generations >= worse[0]]
    at = "from" if len(worse) == len(left) else f"at {len(worse)} of {len(left)} from"
    return Worse(f"worse {at} generation {worse[0]}", worse[0], worse, float(p[-len(left)]), difference)


def _trend(held: Measured, seed: int) -> Trend:
    last_half = slice(len(held.generations) // 2, None)
    generations = held.generations[last_half].astype(float)
    if not np.isfinite(held.values).any():
        return Trend("every repeat failed")
    if len(generations) < 3:
        return Trend("too few generations")
    slopes = _slopes(held.values[:, last_half], generations)[:, None]  # (repeats, 1)
    moments = moments_of(slopes)
    count, slope, first = int(moments.count[0]), _plain(moments.mean[0]), int(generations[0])
    low, high = (float(end[0]) for end in intervals(slopes, seed))
    if count < 2:
        return Trend("too few repeats left", slope, first=first, repeats=count)
    said = "growing" if low > 0 else "shrinking" if high < 0 else "bounded"
    return Trend(said, slope, _plain(low), _plain(high), first, count)


def _slopes(values: Floats, generations: Floats) -> Floats:
    """The least-squares slope of each repeat, (repeats,); NaN of those that failed at some generation."""
    centred = generations - generations.mean()
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = ((values - values[:, :1]) * (centred / (centred @ centred))).sum(axis=1)
        moved = slopes * (generations[-1] - generations[0])
    return np.where(unless_rounding(moved, np.abs(values).max(axis=1)) == 0, 0.0, slopes)


def _against(points: Sequence[Point], expected: Mapping[int, float]) -> Against:
    both = [(point, expected[point.generation]) for point in points if point.generation in expected]
    spread = [(point, value) for point, value in both if point.interval]
    if not spread:
        return Against("too few repeats at generations that theory speaks of")
    last, value = spread[-1]
    inside = _inside(last, value)
    said = f"{'inside' if inside else 'outside'} the interval at generation {last.generation}"
    apart = {point.generation: _apart(point, value) for point, value in spread}
    if any(distance is None for distance in apart.values()):
        return Against(f"{said}; no spread to measure distance by", inside=inside, last=last.generation)
    at = max(apart, key=lambda generation: apart[generation] or 0.0)
    distance = f"largest distance {apart[at]:.1f} standard errors, at generation {at}"
    return Against(f"{said}; {distance}", apart[at], at, inside, last.generation)


def _inside(point: Point, value: float) -> bool:
    if _same(point.mean, value):
        return True
    return point.low is not None and point.high is not None and point.low <= value <= point.high


def _apart(point: Point, value: float) -> float | None:
    """How many standard errors a mean is from a value; None where it is apart and there is no spread."""
    if _same(point.mean, value):
        return 0.0
    return abs(point.mean - value) / point.error if point.mean is not None and point.error else None


def _same(mean: float | None, value: float) -> bool:
    return mean is not None and not unless_rounding(np.array(mean - value), np.array(max(abs(mean), abs(value))))


def _plain(value: Any) -> float | None:
    """A finite number, or None."""
    return float(value) if isfinite(value) else None
