"""Intervals and tests of means over repeats: numpy alone, a column at a time, failed repeats (NaN) left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import exp, lgamma, log, log1p, pi
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Of intervals; tests are held to what is left of it."""

BOOTSTRAP_FROM = 30
"""Repeats from which intervals are bootstrapped, below they are Student's."""

RESAMPLES = 1_000
"""Of a bootstrap."""

ROUNDOFF = 1e-10
"""Numbers that differ by less, relative to their size, do not differ."""

NOTHING = 1e-24
"""The size of what rounding leaves of a squared distance that is zero."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of two means, with its Fieller interval."""

    value: float
    low: float
    high: float
    repeats: int


def fieller(numerator: Floats, denominator: Floats) -> Ratio | None:
    """The ratio of two means of paired repeats, such as differences from a baseline, with its interval.

    Args:
        numerator, denominator: (repeats,), paired; repeats that have but one are left out.
    Returns:
        None where the denominator does not exceed 3 standard errors, or there is no finite interval.

    Fieller 1954, "Some problems in interval estimation", equation 11.
    """
    both = np.isfinite(numerator) & np.isfinite(denominator)
    count = int(both.sum())
    if count < 2:
        return None
    above, below = numerator[both], denominator[both]
    a, b = float(above.mean()), float(below.mean())
    (v_aa, v_ab), (_, v_bb) = (np.cov(above, below) / count).tolist()
    t_squared = float(t_quantile(np.array([count - 1.0]))[0]) ** 2
    bounded = b * b - t_squared * v_bb
    if abs(b) <= max(3 * v_bb**0.5, NOTHING) or bounded <= 0:
        return None
    middle = a * b - t_squared * v_ab
    half: float = max(middle**2 - bounded * (a * a - t_squared * v_aa), 0.0) ** 0.5
    return Ratio(a / b, (middle - half) / bounded, (middle + half) / bounded, count)


def intervals(values: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """The interval of the mean of each column, NaN where fewer than two of it are numbers.

    Args:
        values: (repeats, columns); what is no finite number is left out.
        seed: of the bootstrap.
    Returns:
        Its lower and its upper end, (columns,) each.
    """
    moments = moments_of(values)
    low, high = np.full((2, values.shape[1]), np.nan)
    few = (moments.count > 1) & (moments.count < BOOTSTRAP_FROM)
    if few.any():
        with np.errstate(over="ignore"):
            half = t_quantile(moments.count[few].astype(float) - 1) * moments.error[few]
            low[few], high[few] = moments.mean[few] - half, moments.mean[few] + half
    many = moments.count >= BOOTSTRAP_FROM
    if many.any():
        low[many], high[many] = _bootstrap(values[:, many], np.random.default_rng(seed))
    return low, high


def _bootstrap(values: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The percentile interval of the mean of each column; a resample draws the same repeats for all of them."""
    repeats = len(values)
    shifted = _shifted(values)
    finite = np.isfinite(shifted.values)
    known, present = np.where(finite, shifted.values, 0.0), finite.astype(float)
    complete = bool(finite.all())
    at_once = max(1, 4_000_000 // repeats)  # 32 MB of weights
    means: list[Floats] = []
    for start in range(0, RESAMPLES, at_once):
        weights = _weights(min(at_once, RESAMPLES - start), repeats, rng)  # (resamples, repeats)
        drawn = float(repeats) if complete else np.maximum(weights @ present, 1.0)
        means.append(weights @ known / drawn)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0)
    return shifted.back(low), shifted.back(high)


def _weights(resamples: int, repeats: int, rng: np.random.Generator) -> Floats:
    """How often each repeat is drawn, with replacement, in each resample: (resamples, repeats)."""
    drawn = rng.integers(0, repeats, (resamples, repeats))
    drawn += np.arange(resamples)[:, None] * repeats
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)


@dataclass(frozen=True)
class _Shifted:
    """Columns less one of their values and divided by their largest: equal ones are zero, and squares are finite."""

    values: Floats
    offset: Floats
    scale: Floats

    def back(self, means: Floats) -> Floats:
        held: Floats = (means + self.offset) * self.scale
        return held


def _shifted(values: Floats) -> _Shifted:
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    largest = sizes.max(axis=0, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    scaled = values / scale
    any_finite = np.argmax(np.isfinite(scaled), axis=0) if len(values) else np.zeros(values.shape[1], int)
    offset = np.nan_to_num(scaled[any_finite, np.arange(values.shape[1])]) if len(values) else np.zeros(len(scale))
    return _Shifted(scaled - offset, offset, scale)


@dataclass(frozen=True)
class Moments:
    """By column: how many numbers there are, their mean and its standard error, NaN where there are too few."""

    count: NDArray[np.int64]
    mean: Floats
    error: Floats


def moments_of(values: Floats) -> Moments:
    """The moments of each column of values (repeats, columns)."""
    shifted = _shifted(values)
    finite = np.isfinite(shifted.values)
    count = finite.sum(axis=0)
    known = np.where(finite, shifted.values, 0.0)
    mean = np.where(count > 0, known.sum(axis=0) / np.maximum(count, 1), np.nan)
    squares = (np.where(finite, known - np.nan_to_num(mean), 0.0) ** 2).sum(axis=0)
    variance = squares / np.maximum(count - 1, 1)
    error = np.where(count > 1, np.sqrt(variance / np.maximum(count, 1)), np.nan)
    error = unless_rounding(error, np.full(len(error), 1.0))
    return Moments(count, shifted.back(mean), error * shifted.scale)


def medians_of(values: Floats) -> Floats:
    """The median of each column of values (repeats, columns)."""
    found = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    found[some] = np.nanmedian(values[:, some], axis=0)
    return found


def unless_rounding(differences: Floats, size: Floats) -> Floats:
    """Differences of numbers of some size, zero where they are no more than what rounding leaves."""
    return np.where(np.abs(differences) <= np.maximum(ROUNDOFF * size, NOTHING), 0.0, differences)


def p_above_zero(moments: Moments) -> Floats:
    """The one-sided p of means that are to be above zero, NaN of fewer than two repeats.

    Where there is no spread the mean itself decides.
    """
    spread = moments.error > 0
    p = np.where(moments.mean > 0, 0.0, 1.0)
    p[spread] = t_tail(moments.mean[spread] / moments.error[spread], moments.count[spread].astype(float) - 1)
    return np.where(moments.count > 1, p, np.nan)


def holm(p: Floats) -> Floats:
    """Correct p for their number, NaN left out (Holm 1979): the chance of any false one is kept below the level.

    >>> holm(np.array([0.01, 0.04, np.nan, 0.03])).round(3).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]  # NaN sorts last
    corrected = np.full_like(p, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return corrected


def t_tail(t: Floats, freedom: Floats) -> Floats:
    """The chance that Student's t of so many degrees of freedom is above t: half of I_x(freedom / 2, 1 / 2)."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = np.square(t) / freedom
        a, b = freedom / 2, np.full_like(freedom, 0.5)
        x, rest = 1 / (1 + ratio), np.where(np.isinf(ratio), 1.0, ratio / (1 + ratio))
        log_beta = _lgamma(a) + lgamma(0.5) - _lgamma(a + 0.5)
        front = np.exp(-a * np.log1p(ratio) + 0.5 * np.log(rest) - log_beta)
    near = x > (a + 1) / (a + 2.5)  # where the fraction of the other side is the one that converges
    fraction = _beta_fraction(np.where(near, b, a), np.where(near, a, b), np.where(near, rest, x))
    inner = np.where(near, 1 - front * fraction / b, front * fraction / a)
    return np.where(t < 0, 1 - inner / 2, inner / 2)


def _beta_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """The continued fraction of the incomplete beta function, by Lentz's method (DLMF 8.17.22)."""
    d = 1 / (1 - (a + b) * x / (a + 1))
    c, fraction = np.ones_like(x), d
    for m in range(1, 1_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d, c = 1 / (1 + term * d), 1 + term / c
            fraction = fraction * (c * d)
        if (np.abs(c * d - 1) < 1e-15).all():
            break
    return fraction


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and its interval."""

    mean: float
    error: float
    low: float
    high: float

    @property
    def is_gap(self) -> bool:
        """Whether it is three standard errors from zero, and its interval leaves zero out: only then is it told of."""
        return abs(self.mean) > 3 * self.error and (self.low > 0 or self.high < 0)


def crossed(values: Floats) -> Estimate:
    """The mean of values that vary by both rows and columns, such as seeds and articles, each drawn at random.

    The variance of the mean is that of the crossed model with two random effects, (MS rows + MS columns - MS rest) /
    (rows x columns), and never less than that of rows or columns alone; its degrees of freedom are those of
    Satterthwaite 1946, "An approximate distribution of estimates of variance components".

    Args:
        values: (rows, columns), two or more of each, all of them numbers.
    """
    rows, columns = values.shape
    mean = float(values.mean())
    of_rows, of_columns = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    rest = values - mean - of_rows[:, None] - of_columns
    squares = np.array([columns * (of_rows**2).sum(), rows * (of_columns**2).sum(), (rest**2).sum()])
    freedom = np.array([rows - 1.0, columns - 1.0, (rows - 1.0) * (columns - 1.0)])
    mean_squares = squares / freedom
    summed = float(max(mean_squares @ [1, 1, -1], mean_squares[0], mean_squares[1]))
    error = (summed / values.size) ** 0.5
    if error <= max(ROUNDOFF * abs(mean), NOTHING):
        return Estimate(mean, 0.0, mean, mean)
    effective = max(1.0, summed**2 / float((mean_squares**2 / freedom).sum()))
    half = float(t_quantile(np.array([effective]))[0]) * error
    return Estimate(mean, error, mean - half, mean + half)


def t_quantile(freedom: Floats) -> Floats:
    """How far an interval of `LEVEL` reaches, in standard errors, at so many degrees of freedom."""
    return np.array([_quantile(one) for one in freedom.tolist()])


@cache
def _quantile(freedom: float) -> float:
    tail = (1 - LEVEL) / 2
    log_scale = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(freedom * pi) / 2
    t = NormalDist().inv_cdf(1 - tail)
    for _ in range(50):  # Newton from below: the tail is convex, so each step stays below the root
        density = exp(log_scale - (freedom + 1) / 2 * log1p(t * t / freedom))
        step = (float(t_tail(np.array([t]), np.array([freedom]))[0]) - tail) / density
        t += step
        if step <= 1e-9 * t:  # squared, the next one would be lost in rounding
            break
    return t


def _lgamma(x: Floats) -> Floats:
    return np.array([lgamma(one) for one in x.tolist()])
