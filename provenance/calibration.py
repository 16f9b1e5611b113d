"""Calibration: scores become log likelihood ratios, and how good probabilities are is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 10
"""Of a reliability diagram, all of one width."""
FALSE_POSITIVE_RATE = 0.01
"""The rate at which the true-positive rate is told."""


def logistic(log_odds: Floats) -> Floats:
    """The probability that log odds mean, element by element."""
    return np.exp(-np.logaddexp(0, -log_odds))


# -- fitting


def fit_logistic(x: Floats, is_model: Flags, weights: Floats, ridge: float) -> Floats:
    """Fit a ridge logistic regression by Newton's method (iteratively reweighted least squares).

    Minimises Σ w log(1 + exp(-y x·b)) + ridge |b|² / 2, without a penalty on the first column, which is the intercept.

    Args:
        x: (texts, columns) float64; its first column is 1.
        is_model: (texts,) bool.
        weights: (texts,) float64, not below 0.
        ridge: above 0, so that there is an optimum even where a column tells all.
    Returns:
        The coefficients b, (columns,).
    """
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = ridge * 1e-6
    b = np.zeros(x.shape[1])
    loss = _loss(x, is_model, weights, penalty, b)
    for _ in range(100):
        p = logistic(x @ b)
        slope = x.T @ (weights * (p - is_model)) + penalty * b
        curve = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        length = 1.0
        while (closer := _loss(x, is_model, weights, penalty, b - length * step)) > loss and length > 1e-10:
            length /= 2  # Newton's whole step may overshoot where classes are nearly apart
        if closer > loss:
            break
        b, gained, loss = b - length * step, loss - closer, closer
        if gained <= 1e-12 * (1 + abs(loss)):
            break
    return b


def _loss(x: Floats, is_model: Flags, weights: Floats, penalty: Floats, b: Floats) -> float:
    wrong = np.where(is_model, -1.0, 1.0)
    return float(weights @ np.logaddexp(0, wrong * (x @ b)) + penalty @ b**2 / 2)


@dataclass(frozen=True)
class Calibration:
    """From the score of a text and its length to a log likelihood ratio (Platt 1999, with a damping by length).

    llr = (slope × score + offset) × words / (words + half), cut off at ± most.

    The shorter a text, the nearer to 0 it comes, whatever it scores: at `half` words half the way. No ratio is larger
    than so many texts can show.
    """

    slope: float = 0.0
    offset: float = 0.0
    half: float = 10.0
    most: float = 0.0

    def __call__(self, scores: Floats, words: Floats) -> Floats:
        """The log likelihood ratio of each text, (texts,)."""
        llr = (self.slope * scores + self.offset) * _damping(words, self.half)
        return np.clip(llr, -self.most, self.most)


HALVES = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Where texts may come half the way to what they score; a text of one word never gets a fifth of it."""
_RIDGE = 1e-3


def calibrate(scores: Floats, words: Floats, is_model: Flags, weights: Floats) -> Calibration:
    """Fit a calibration to scores of texts that were not seen when what scores them was fitted.

    Args:
        scores, words: (texts,) float64; words is how long each text is.
        weights: (texts,) float64 that make both classes weigh the same, so the prior odds to be taken off are 1.
    """
    best, least = Calibration(), float("inf")
    most = float(np.log(1 + min(is_model.sum(), (~is_model).sum())))
    for half in HALVES:
        damping = _damping(words, half)
        x = np.column_stack([np.zeros(len(scores)), scores * damping, damping])
        _, slope, offset = fit_logistic(x, is_model, weights, _RIDGE).tolist()
        found = Calibration(max(slope, 0.0), offset if slope > 0 else 0.0, half, most)
        loss = float(weights @ np.logaddexp(0, np.where(is_model, -1.0, 1.0) * found(scores, words)))
        if loss < least:
            best, least = found, loss
    return best


def _damping(words: Floats, half: float) -> Floats:
    return words / (words + half)


def even(is_model: Flags, bands: NDArray[np.int64]) -> Floats:
    """Weights by which both classes weigh the same among texts of each length, so that length alone tells nothing.

    Args:
        bands: (texts,) int64, the band of lengths that each text is in. Where one class has none, all weigh nothing.
    Returns:
        (texts,) float64, with a mean of 1, but for such bands.
    """
    weights = np.zeros(len(is_model))
    for band in np.unique(bands):
        held = bands == band
        models = int((held & is_model).sum())
        humans = int(held.sum()) - models
        if models and humans:
            weights[held & is_model] = (models + humans) / (2 * models)
            weights[held & ~is_model] = (models + humans) / (2 * humans)
    return weights


# -- measuring


def auc(llr: Floats, is_model: Flags) -> float | None:
    """How often a model's text scores above a human's, half of those that are equal counted; None without both."""
    models, humans = int(is_model.sum()), int((~is_model).sum())
    if not models or not humans:
        return None
    _, which, counts = np.unique(llr, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[which]  # of equal scores, their mean rank
    return float((rank[is_model].sum() - models * (models + 1) / 2) / (models * humans))


def exact_interval(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share, of so many tries and at least one (Clopper & Pearson 1934)."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high


def bins_of(p: Floats) -> NDArray[np.int64]:
    """The bin of a reliability diagram that each probability is in; one holds its lower edge, and the last one both."""
    return np.minimum((p * BINS).astype(np.int64), BINS - 1)


def true_positive_rate(llr: Floats, is_model: Flags, rate: float = FALSE_POSITIVE_RATE) -> float | None:
    """The share of models' texts above the score that at most so many human texts exceed; None without both."""
    humans = np.sort(llr[~is_model])
    if not len(humans) or not is_model.any():
        return None
    threshold = humans[len(humans) - 1 - int(rate * len(humans))]
    return float((llr[is_model] > threshold).mean())


def reliability(p: Floats, is_model: Flags, weights: Floats) -> list[dict[str, Any]]:
    """Of texts with a probability between two bounds: how probable they are said to be, and how many are a model's.

    Returns:
        `low`, `high`, `texts`, the mean `p_model`, the `share` of models, and `weight`, their part of all weights.
    """
    place = bins_of(p)
    total = weights.sum()
    rows = []
    for number in range(BINS):
        held = (place == number) & (weights > 0)
        weight = weights[held].sum()
        if weight > 0:
            rows.append(
                {
                    "low": number / BINS,
                    "high": (number + 1) / BINS,
                    "texts": int(held.sum()),
                    "p_model": float(weights[held] @ p[held] / weight),
                    "share": float(weights[held] @ is_model[held] / weight),
                    "weight": float(weight / total),
                }
            )
    return rows


def calibration_error(bins: Sequence[dict[str, Any]]) -> float | None:
    """The expected calibration error: by how much shares miss what was said, on average (Naeini et al. 2015)."""
    return sum(row["weight"] * abs(row["p_model"] - row["share"]) for row in bins) if bins else None


def roc(llr: Floats, is_model: Flags, points: int = 101) -> list[list[float]]:
    """False- and true-positive rates from 0 to 1, as many points as a curve needs."""
    order = np.argsort(-llr, kind="stable")
    last = np.append(np.diff(llr[order]) != 0, True)  # equal scores are taken together
    true = np.append(0.0, (np.cumsum(is_model[order]) / max(1, is_model.sum()))[last])
    false = np.append(0.0, (np.cumsum(~is_model[order]) / max(1, (~is_model).sum()))[last])
    if len(false) > points:
        # Where it rises steeply there are as many points as where it is flat.
        walked = (true + false) / 2
        held = np.unique(np.searchsorted(walked, np.linspace(0, 1, points)).clip(max=len(walked) - 1))
        true, false = true[held], false[held]
    return [[round(float(x), 4), round(float(y), 4)] for x, y in zip(false, true, strict=True)]


def measured(llr: Floats, is_model: Flags, weights: Floats) -> dict[str, Any]:
    """How well log likelihood ratios tell texts apart, and how true the probabilities at even odds are.

    Returns:
        `human`, `model`, `auc`, `tpr` (at 1 % false positives), `ece`, `brier`; None where one class is missing.
    """
    p = logistic(llr)
    total = weights.sum()
    return {
        "human": int((~is_model).sum()),
        "model": int(is_model.sum()),
        "auc": auc(llr, is_model),
        "tpr": true_positive_rate(llr, is_model),
        "ece": calibration_error(reliability(p, is_model, weights)),
        "brier": float(weights @ (p - is_model) ** 2 / total) if total > 0 else None,
    }
