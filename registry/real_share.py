"""How much of a mix is real, where some of its documents are of unknown origin: each of them is real with a chance.

Documents stand on two sides, each in its seeded order; a mix takes the first so many of the human side, and fills up
with the first of the model side. Everything here is arithmetic on the chances; `registry.draw` reads them.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.mix import MixSpec, Promise, Shortfall, Unpromised, exact
from registry.where import Where

RISK = 0.05
"""How probably a lower bound may turn out to be too high."""

BILLION = 10**9
"""Chances are summed in whole billionths: such a sum is the same in every order and on every machine."""


@dataclass(frozen=True)
class Side:
    """The documents that count as of one origin, in their seeded order.

    Attributes:
        chances: (n,) float64, how probably each is real.
        is_unknown: (n,) bool, whether its origin is unknown, not declared.
    """

    chances: NDArray[np.float64]
    is_unknown: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.chances)

    def first(self, count: int) -> "Side":
        return Side(self.chances[:count], self.is_unknown[:count])

    def counts(self) -> dict[str, int]:
        unknown = int(self.is_unknown.sum())
        return {"declared": len(self) - unknown, "unknown": unknown}


@dataclass(frozen=True)
class RealShare:
    """What is promised of a mix, and what it keeps.

    Attributes:
        asked, expected: shares of its documents.
        lower_bound: the share that is real but for a risk of 5 %: the 5 % quantile.
    """

    policy: Promise
    asked: float
    expected: float
    lower_bound: float
    human_side: dict[str, int]
    model_side: dict[str, int]

    def summary(self) -> dict[str, Any]:
        return dict(vars(self))


def promised(spec: MixSpec, sides: Sequence[Side], excluded: Mapping[str, int]) -> list[int]:
    """The quotas of a spec by which its real share can be promised, with as few of the human side as that takes.

    Args:
        sides: the first documents of each stratum, as many as the mix has or as there are.
        excluded: how many documents are left out for which reason, for the message.
    Raises:
        Shortfall: there are not enough documents, or not enough of the model side.
        Unpromised: with as many of the human side as there are, it cannot be promised.
    """
    assert spec.promise
    assert spec.size
    human = _human_stratum(spec)
    model, size, asked = 1 - human, spec.size, exact(spec.strata[human].share)
    on_human_side, on_model_side = len(sides[human]), len(sides[model])
    if on_human_side + on_model_side < size:
        wanted = size - on_model_side
        raise Shortfall(spec.strata[human], wanted, on_human_side, None, spec, None, excluded)
    humans = fewest_humans(spec.promise, asked, size, sides[human], sides[model])
    if humans is None:
        best = best_share(spec.promise, size, sides[human], sides[model])
        raise Unpromised(spec, asked, on_human_side, best, excluded)
    if size - humans > on_model_side:
        raise Shortfall(spec.strata[model], size - humans, on_model_side, None, spec, None, excluded)
    return [humans if index == human else size - humans for index in range(2)]


def kept(spec: MixSpec, sides: Sequence[Side], quotas: Sequence[int]) -> RealShare:
    """What a mix of the first documents of each side, so many as its quotas say, comes to."""
    assert spec.promise
    human = _human_stratum(spec)
    drawn = [side.first(quota) for side, quota in zip(sides, quotas, strict=True)]
    chances, size = np.concatenate([side.chances for side in drawn]), sum(quotas)
    return RealShare(
        spec.promise,
        asked=spec.strata[human].share,
        expected=float(_billionths(chances).sum()) / BILLION / size,
        lower_bound=surely_real(chances) / size,
        human_side=drawn[human].counts(),
        model_side=drawn[1 - human].counts(),
    )


def _human_stratum(spec: MixSpec) -> int:
    return [stratum.where for stratum in spec.strata].index(Where.equals("origin", "human"))


def best_share(policy: Promise, size: int, human: Side, model: Side) -> Fraction:
    """The largest real share that so many documents can promise: with as many of the human side as there are."""
    humans = min(size, len(human))
    chances = np.concatenate([human.chances[:humans], model.chances[: size - humans]])
    count = surely_real(chances) if policy == "lower-bound" else Fraction(int(_billionths(chances).sum()), BILLION)
    return Fraction(count, size)


def fewest_humans(policy: Promise, share: Fraction, size: int, human: Side, model: Side) -> int | None:
    """How few of the human side make a share of so many documents real; None where all of them are too few.

    Places that the model side is too small to fill count as not real.
    """
    wanted, most = share * size, min(size, len(human))
    humans = np.arange(most + 1)
    models = np.minimum(size - humans, len(model))
    expected = _sums(_billionths(human.chances))[humans] + _sums(_billionths(model.chances))[models]
    if policy == "expected":
        count = int(np.searchsorted(expected, -(-wanted * BILLION // 1)))
        return count if count <= most else None

    def is_kept(count: int) -> bool:
        return surely_real(np.concatenate([human.chances[:count], model.chances[: size - count]])) >= wanted

    variance = _sums(human.chances * (1 - human.chances))[humans] + _sums(model.chances * (1 - model.chances))[models]
    about = expected / BILLION + NormalDist().inv_cdf(RISK) * np.sqrt(variance)
    return _first(is_kept, most, guess=int(np.count_nonzero(about < float(wanted))))


def _billionths(chances: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(chances * BILLION).astype(np.int64)


def _sums(values: NDArray[Any]) -> NDArray[Any]:
    """The sums of the first 0, 1, 2, … values, (n + 1,)."""
    return np.concatenate([values[:0].sum(keepdims=True), np.cumsum(values)])


def _first(holds: Callable[[int], bool], most: int, guess: int) -> int | None:
    """The first number, of 0 to `most`, that something holds of, as it does of all after it; few are asked near it."""
    holds, step = cache(holds), 1
    low = high = min(guess, most)
    while low >= 0 and holds(low):
        low, step = low - step, 2 * step
    step = 1
    while high < most and not holds(high):
        high, step = min(most, high + step), 2 * step
    if not holds(high):
        return None
    first = max(low, -1) + 1
    return first + bisect_left(range(first, high), True, key=holds)


# -- the Poisson-binomial distribution


def surely_real(chances: NDArray[np.float64], risk: float = RISK) -> int:
    """How many of some documents are real, but for a risk: that quantile of the Poisson-binomial distribution.

    Args:
        chances: (n,) how probably each is real, independently.

    >>> surely_real(np.array([1.0, 1.0, 0.0, 0.5]))
    2
    """
    certain = int(np.count_nonzero(chances == 1))
    below = np.cumsum(poisson_binomial(chances[(chances > 0) & (chances < 1)]))
    return certain + int(np.searchsorted(below, risk))


def poisson_binomial(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """How probably 0, 1, …, n of n independent events happen, (n + 1,) float64, to about 1e-15.

    Neighbours are convolved in pairs, then pairs of pairs, by FFT: Biscarri, Zhao and Brunner, "A simple and fast
    method for computing the Poisson binomial distribution function", Computational Statistics & Data Analysis 122
    (2018), section 2.4 (the DC-FFT method). `poisson_binomial_plain` says what is computed.

    >>> poisson_binomial(np.array([0.5, 0.5])).round(12).tolist()
    [0.25, 0.5, 0.25]
    """
    parts = np.stack([1 - chances, chances], axis=1)  # (parts, 1 + events of a part)
    if not len(parts):
        return np.ones(1)
    while len(parts) > 1:
        if len(parts) % 2:
            never = np.eye(1, parts.shape[1])  # a part of which no event happens
            parts = np.concatenate([parts, never])
        parts = _convolved(parts[0::2], parts[1::2])
    return parts[0, : len(chances) + 1]


def _convolved(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The convolution of each row, (n, 2 ** k + 1), with that of the other, (n, 2 ** (k + 1) + 1)."""
    width = 2 * one.shape[1] - 1
    length = 3 * (width // 2)  # not below the width, and quick to transform
    product = np.fft.rfft(one, length) * np.fft.rfft(other, length)
    return np.maximum(np.fft.irfft(product, length)[:, :width], 0)


def poisson_binomial_plain(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, one event after the other: the plain form of `poisson_binomial`.

    >>> poisson_binomial_plain(np.array([0.5, 0.5])).tolist()
    [0.25, 0.5, 0.25]
    """
    so_far = np.ones(1)
    for chance in chances:
        so_far = np.append(so_far, 0) * (1 - chance) + np.append(0, so_far) * chance
    return so_far
