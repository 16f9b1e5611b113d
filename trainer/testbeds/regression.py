"""Linear regression on labels that the last fit gave: the test-bed with a bound on what accumulating loses.

Dohmatob, Feng & Kempe 2024 (arXiv 2402.07712); Gerstgrasser et al. 2024 (2404.01413), section 4; Zhu et al. 2024
(2412.14689), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trainer.testbed import Floats, Measures, TestBed
from trainer.testbeds.gaussian import exact_design

SINGULAR = 1e-12
"""An eigenvalue of X'X that is smaller than this part of the largest is taken for none."""


@dataclass(frozen=True)
class Line:
    """What a fit holds.

    Attributes:
        weights: (repeats, dim).
        rank: of X'X, (repeats,); below dim, the weights are the shortest of those that fit.
        design: X of the real samples that the first generation learnt from, (repeats, size, dim).
    """

    weights: Floats
    rank: NDArray[np.int64]
    design: Floats


class Regression(TestBed):
    """Least squares of y on X, where y = Xw + noise and X is standard normal.

    Samples are rows of X, y and how often y has been edited, (repeats, size, dim + 2). Where X'X is singular, the fit
    is of least norm, and `rank` among the measures tells.

    The three errors of Shumailov et al. can each be switched: `infinite` samples leave no statistical approximation;
    `truth` bent is a curve that no line can hold, the functional expressivity; `ridge` makes the fit miss the optimum,
    the functional approximation.

    Attributes:
        dim: of X.
        sigma: the standard deviation of the noise.
        ridge: the penalty of |w|² beside the mean squared error.
        design: what models label: the X that the first generation learnt from, as often as it takes, or fresh X.
        truth: w is zero, or of length 1; bent adds a curve of variance 1, (x₁² - 1)/√2.
        infinite: X'X / size and X'y / size are exactly what they are on average.
    """

    dim: int = Field(default=10, ge=1, le=1000)
    sigma: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    ridge: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    design: Literal["same", "fresh"] = "same"
    truth: Literal["zero", "unit", "bent"] = "unit"
    infinite: bool = False

    def _true(self) -> Floats:
        """The true weights, (dim,)."""
        true: Floats = np.eye(self.dim)[0] * (self.truth != "zero")
        return true

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Floats:
        design = self._fresh(size, repeats, rng)
        weights = np.broadcast_to(self._true(), (repeats, self.dim))
        samples = self._labelled(design, weights, rng)
        if self.truth == "bent" and not self.infinite:  # the curve goes with no direction of X
            samples[..., self.dim] += (design[..., 0] ** 2 - 1) / np.sqrt(2)
        return samples

    def _fresh(self, size: int, repeats: int, rng: np.random.Generator) -> Floats:
        """X anew, (repeats, size, dim)."""
        if self.infinite:
            return np.broadcast_to(exact_design(size, self.dim), (repeats, size, self.dim))
        return rng.standard_normal((repeats, size, self.dim))

    def _labelled(self, design: Floats, weights: Floats, rng: np.random.Generator) -> Floats:
        """Samples of which y comes from weights, none of them edited, (repeats, size, dim + 2)."""
        samples = np.empty((*design.shape[:2], self.dim + 2))
        samples[..., : self.dim] = design
        samples[..., self.dim] = self._labels(design, weights, rng)
        samples[..., -1] = 0
        return samples

    def _labels(self, design: Floats, weights: Floats, rng: np.random.Generator) -> Floats:
        """y for X, (repeats, size)."""
        labels: Floats = (design @ weights[:, :, None])[..., 0]
        if not self.infinite:
            labels += self.sigma * rng.standard_normal(labels.shape)
        return labels

    def fit(self, samples: Any, weights: Floats | None, previous: Line | None, rng: np.random.Generator) -> Line:
        design, labels = samples[..., : self.dim], samples[..., self.dim]
        share = np.full(samples.shape[1], 1 / samples.shape[1]) if weights is None else weights
        turned = np.swapaxes(design, 1, 2)
        among = turned @ (design if weights is None else design * share[:, None])  # (repeats, dim, dim)
        if weights is None:
            among *= share[0]
        values, vectors = np.linalg.eigh(among)
        held = values > SINGULAR * values[:, -1:]
        inverse = np.where(held, 1 / (np.where(held, values, 1) + self.ridge), 0)  # (repeats, dim)
        moments = turned @ (labels * share)[..., None]  # (repeats, dim, 1)
        solved = vectors @ (inverse[..., None] * (np.swapaxes(vectors, 1, 2) @ moments))
        return Line(solved[..., 0], held.sum(axis=1), previous.design if previous else design)

    def sample(self, model: Line, size: int, rng: np.random.Generator) -> Floats:
        if self.design == "fresh":
            return self._labelled(self._fresh(size, len(model.weights), rng), model.weights, rng)
        again = np.arange(size) % model.design.shape[1]
        return self._labelled(model.design[:, again], model.weights, rng)

    def edit(self, model: Line, samples: Any, share: float, rng: np.random.Generator) -> Floats:
        """Samples of which a model has labelled a share anew, at least one, those that were edited the least often.

        So the edits of generations are disjoint until every sample has been edited.
        """
        edited: Floats = samples.copy()
        repeats, size, _ = samples.shape
        order = np.argsort(samples[..., -1] + rng.random((repeats, size)), axis=1)
        rows = np.arange(repeats)[:, None], order[:, : max(1, round(share * size))]
        edited[(*rows, self.dim)] = self._labels(samples[rows][..., : self.dim], model.weights, rng)
        edited[(*rows, -1)] += 1
        return edited

    def measure(self, model: Line, samples: Any) -> Measures:
        """Measures of a model: `error` is what the mean squared error on new X is above the noise of the truth, and
        `error_over_c` that over what the first generation's is on average, where it has one.
        """
        error = ((model.weights - self._true()) ** 2).sum(axis=1) + (self.truth == "bent")
        first = self._expected(model.design.shape[1])
        return {"error": error, "rank": model.rank.astype(float)} | ({"error_over_c": error / first} if first else {})

    def _expected(self, size: int) -> float:
        """The mean error of a fit to so many real samples, c = σ²d/(T - d - 1); 0 where that says nothing."""
        return self.sigma**2 * self.dim / (size - self.dim - 1) if size > self.dim + 1 else 0.0

    def theory(self, schedule: str, size: int, generation: int) -> dict[str, float]:
        first = self._expected(size)
        if not first or self.ridge or self.infinite or self.truth == "bent":
            return {}
        if schedule == "replace":
            times = float(generation)
        elif schedule == "accumulate" and self.design == "same":  # X'X of n copies is n X'X
            times = float((np.arange(1, generation + 1) ** -2.0).sum())
        else:
            return {}
        return {"error": first * times, "error_over_c": times}
