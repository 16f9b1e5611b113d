"""A Gaussian fitted to samples of a Gaussian: the test-bed on which collapse can be computed exactly.

Shumailov et al. 2024 (Nature 631:755), theorem 3.1 and appendix; Kazdan et al. 2024 (arXiv 2410.16713), section 3.
"""

from dataclasses import dataclass
from math import exp, lgamma, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trainer.testbed import Degenerate, Floats, Measures, TestBed


@dataclass(frozen=True)
class Normal:
    """Gaussians, one a repeat: mean (repeats, dim), covariance (repeats, dim, dim)."""

    mean: Floats
    covariance: Floats


class Gaussian(TestBed):
    """Mean and covariance of a Gaussian, from samples.

    The three errors of Shumailov et al. can each be switched: `infinite` samples leave no statistical approximation;
    a `truth` of two bumps is one that the family cannot hold, the functional expressivity; `shrink` is a fit that
    misses the optimum, the functional approximation.

    Attributes:
        dim: of the samples.
        biased: divide by the number of samples (maximum likelihood), not by one less.
        sigma: the standard deviation of the truth, in each dimension.
        truth: a Gaussian, or two of half that variance beside each other.
        infinite: samples have exactly the mean and the covariance of what they are samples of.
        shrink: the share of its covariance that every fit loses.
    """

    dim: int = Field(default=1, ge=1, le=64)
    biased: bool = False
    sigma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    truth: Literal["gaussian", "bimodal"] = "gaussian"
    infinite: bool = False
    shrink: float = Field(default=0.0, ge=0, lt=1)

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> NDArray[Any]:
        if self.infinite:
            return _exact(self._true(repeats), size)
        noise = rng.standard_normal((repeats, size, self.dim))
        if self.truth == "bimodal":
            noise = (noise + rng.choice([-1.0, 1.0], (repeats, size, 1))) / sqrt(2)
        scaled: Floats = self.sigma * noise
        return scaled

    def _true(self, repeats: int) -> Normal:
        """The mean and the covariance of the truth."""
        covariance = np.eye(self.dim)
        if self.truth == "bimodal":  # the bumps stand on the diagonal
            covariance = (covariance + np.ones((self.dim, self.dim))) / 2
        shape = (repeats, self.dim, self.dim)
        return Normal(np.zeros((repeats, self.dim)), np.broadcast_to(self.sigma**2 * covariance, shape))

    def fit(self, samples: Any, weights: Floats | None, previous: Any, rng: np.random.Generator) -> Normal:
        size = samples.shape[1]
        lost = 0 if self.biased or self.infinite else 1
        if size <= lost:
            raise Degenerate("2 samples or more for an unbiased covariance", f"{size}", "give a larger --size")
        share = np.full(size, 1 / size) if weights is None else weights
        mean = np.einsum("rsd,s->rd", samples, share)
        centred = samples - mean[:, None]
        covariance = np.einsum("rsd,rse,s->rde", centred, centred, share, optimize=False)
        correction = 1 - lost * float(share @ share)  # for equal shares (size - 1) / size
        if correction < 1e-9:
            raise Degenerate("2 samples or more that weigh something", "1", "give a larger --size, or another --weight")
        return Normal(mean, covariance * ((1 - self.shrink) / correction))

    def sample(self, model: Normal, size: int, rng: np.random.Generator) -> Floats:
        if self.infinite:
            return _exact(model, size)
        noise = rng.standard_normal((len(model.mean), size, self.dim))
        if self.dim == 1:
            noise *= np.sqrt(model.covariance)
        else:
            noise = np.einsum("rde,rse->rsd", _root(model.covariance), noise)
        noise += model.mean[:, None]
        return noise

    def measure(self, model: Normal, samples: Any) -> Measures:
        variance = np.einsum("rdd->r", model.covariance) / self.dim
        with np.errstate(divide="ignore"):
            return {
                "variance": variance,
                "log_variance": np.log(variance),
                "mean_error": (model.mean**2).sum(axis=1),
                "w2_squared": self._w2_squared(model),
            }

    def _w2_squared(self, model: Normal) -> Floats:
        """Wasserstein distance to the Gaussian of the truth's moments, squared (Dowson & Landau 1982), (repeats,)."""
        apart: Floats = (model.mean**2).sum(axis=1)
        true = self._true(1).covariance[0]
        if self.dim == 1:
            apart += (np.sqrt(model.covariance[:, 0, 0]) - sqrt(true[0, 0])) ** 2
            return apart
        root = _root(true[None])[0]
        between = np.linalg.eigvalsh(root @ model.covariance @ root)
        cross = np.sqrt(np.clip(between, 0, None)).sum(axis=1)
        apart += np.clip(np.einsum("rdd->r", model.covariance) + np.trace(true) - 2 * cross, 0, None)
        return apart

    def theory(self, schedule: str, size: int, generation: int) -> dict[str, float]:
        plain = self.dim == 1 and self.truth == "gaussian" and not self.infinite and not self.shrink
        if not plain or schedule != "replace" or size < 3:
            return {}
        variance = self.sigma**2
        if self.biased:
            return {"variance": variance * (1 - 1 / size) ** generation}
        kept = _c4(size) ** generation
        return {
            "variance": variance,
            "log_variance": np.log(variance) + generation * _mean_log_chi2(size - 1),
            "w2_squared": variance * (generation / size + 2 * (1 - kept)),
        }


def _root(covariance: Floats) -> Floats:
    """The symmetric square root of covariances, singular ones too, (repeats, dim, dim)."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = np.einsum("rde,re,rfe->rdf", vectors, np.sqrt(np.clip(values, 0, None)), vectors)
    return root


def exact_design(size: int, dim: int) -> Floats:
    """As many points, of which mean and covariance, divided by their number, are exactly 0 and 1, (size, dim).

    The columns of a cosine transform after the constant one.

    Raises:
        Degenerate: there are too few points for that.
    """
    if size <= dim:
        raise Degenerate(f"{dim + 1} samples or more to have an exact covariance", f"{size}", "give a larger --size")
    design: Floats = sqrt(2) * np.cos(np.pi / size * np.outer(np.arange(size) + 0.5, np.arange(1, dim + 1)))
    return design


def _exact(model: Normal, size: int) -> Floats:
    """As many samples, of which mean and covariance, divided by their number, are exactly those of a model."""
    samples: Floats = model.mean[:, None] + exact_design(size, model.mean.shape[1]) @ _root(model.covariance)
    return samples


def _c4(size: int) -> float:
    """What the standard deviation of so many samples, dividing by one less, is on average of the true one."""
    return sqrt(2 / (size - 1)) * exp(lgamma(size / 2) - lgamma((size - 1) / 2))


def _mean_log_chi2(freedom: int) -> float:
    """The mean of log(chi² / freedom): digamma(freedom / 2) - log(freedom / 2), by its asymptotic series."""
    half = freedom / 2
    shift, steps = 0.0, 0
    while half + steps < 20:
        shift -= 1 / (half + steps)
        steps += 1
    x = half + steps
    digamma = float(np.log(x)) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)
    return digamma + shift - float(np.log(half))
