"""A mixture of Gaussians in the plane, fitted by scikit-learn: the test-bed of Shumailov et al. 2024 that dies.

Shumailov et al. 2024 (Nature 631:755), figure on Gaussian mixture models: 1,000 points, 2,000 refits.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import log, pi, sqrt
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from provenance.errors import ProvError
from trainer.streams import stream
from trainer.testbed import Degenerate, Floats, Measures, TestBed

HELD_OUT = 1000
"""How many real points the likelihood of a model is measured on."""


@dataclass(frozen=True)
class Mixture:
    """Gaussians with their weights; once `dead`, the last that could be fitted, which go on writing.

    Attributes:
        weights: (components,).
        means: (components, 2).
        covariances: (components, 2, 2).
    """

    weights: Floats
    means: Floats
    covariances: Floats
    dead: bool = False


class Gmm(TestBed):
    """A mixture of Gaussians in the plane, by expectation maximisation (scikit-learn's GaussianMixture).

    A fit goes on from the mixture before, so that a component is the same one in all generations, and few steps are
    enough; those of a first fit are in the order of their first coordinate. A fit that starts `anew` each generation
    splits what is there again, so that no component is gone for good. One repeat at a time.

    The three errors of Shumailov et al. can each be switched: `infinite` samples are spread as evenly as can be, which
    leaves hardly any statistical approximation; a `truth` of two moons is one that the family cannot hold, the
    functional expressivity; `shrink` is a fit that misses the optimum, the functional approximation.

    Attributes:
        components: of the model.
        truth: two round Gaussians of equal weight, or two moons.
        apart: how far the centres of the two Gaussians are from each other.
        sigma: their standard deviation.
        steps: of expectation maximisation, at most.
        anew: start each fit by k-means, as scikit-learn does if left alone.
        floor: what every fit adds to the variances, so that points on a line can be fitted (1e-6 in scikit-learn).
        infinite: samples are spread evenly, those of each component with exactly its mean and covariance.
        shrink: the share of its covariances that every fit loses.
    """

    vectorised: ClassVar[bool] = False

    components: int = Field(default=2, ge=1, le=16)
    truth: Literal["blobs", "moons"] = "blobs"
    apart: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    sigma: float = Field(default=0.9, gt=0, allow_inf_nan=False)
    steps: int = Field(default=100, ge=1)
    anew: bool = False
    floor: float = Field(default=1e-10, gt=0, allow_inf_nan=False)
    infinite: bool = False
    shrink: float = Field(default=0.0, ge=0, lt=1)

    @cached_property
    def blobs(self) -> Mixture:
        """The truth, where it is two Gaussians."""
        means = np.array([[-self.apart / 2, 0], [self.apart / 2, 0]])
        return Mixture(np.full(2, 0.5), means, np.tile(self.sigma**2 * np.eye(2), (2, 1, 1)))

    @cached_property
    def held_out(self) -> Floats:
        """The real points that models are measured on, the same for all, (HELD_OUT, 2)."""
        held: Floats = self.real(HELD_OUT, 1, stream(0, 0, "held-out"))[0]
        return held

    @cached_property
    def best(self) -> float:
        """The mean log-likelihood of the held-out points under the truth, where it is two Gaussians."""
        return float(log_density(self.blobs, self.held_out).mean())

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Floats:
        assert repeats == 1, "mixtures are fitted one repeat at a time"
        if self.truth == "blobs":
            return self._points(self.blobs, size, rng)[None]
        if self.infinite:
            angles = pi * (np.arange(size) + 0.5) / size
            noise = _even(size)[np.random.default_rng(0).permutation(size)]
        else:
            angles, noise = rng.uniform(0, pi, size), rng.standard_normal((size, 2))
        lower = np.arange(size) % 2  # every second one is of the lower moon
        moons: Floats = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (1 - 2 * lower)[:, None]
        moons += lower[:, None] * np.array([1.0, 0.5]) + 0.1 * noise
        return moons[None]

    def sample(self, model: Mixture, size: int, rng: np.random.Generator) -> Floats:
        return self._points(model, size, rng)[None]

    def _points(self, mixture: Mixture, size: int, rng: np.random.Generator) -> Floats:
        """Points of a mixture, component by component, (size, 2)."""
        if self.infinite:
            counts = np.diff(np.round(size * np.cumsum(mixture.weights)).astype(int), prepend=0)
            noise = np.concatenate([_even(count) for count in counts])
        else:
            counts = rng.multinomial(size, mixture.weights)
            noise = rng.standard_normal((size, 2))
        roots = np.repeat(np.linalg.cholesky(mixture.covariances), counts, axis=0)  # (size, 2, 2)
        points: Floats = np.repeat(mixture.means, counts, axis=0) + np.einsum("sde,se->sd", roots, noise)
        return points

    def fit(self, samples: Any, weights: Floats | None, previous: Mixture | None, rng: np.random.Generator) -> Mixture:
        points = samples[0]  # (size, 2)
        if len(points) < max(2, self.components):
            raise Degenerate(f"{max(2, self.components)} points or more", f"{len(points)}", "give a larger --size")
        if previous and previous.dead:
            return previous
        try:
            return self._fitted(points, weights, previous, rng)
        except ValueError as error:  # scikit-learn's for a covariance that is none; numpy's LinAlgError is one too
            if previous is None:
                raise Degenerate("points that spread", str(error).splitlines()[0], "give a larger --size") from error
            return replace(previous, dead=True)

    def _fitted(
        self, points: Floats, weights: Floats | None, previous: Mixture | None, rng: np.random.Generator
    ) -> Mixture:
        start = None if self.anew else previous
        seed = int(rng.integers(2**31))
        settings = {"n_components": self.components, "max_iter": self.steps, "reg_covar": self.floor}
        found = _maximised(points, weights, start, settings | {"random_state": seed})
        order = slice(None) if start else np.argsort(found.means_[:, 0])
        fitted = Mixture(found.weights_[order], found.means_[order], found.covariances_[order] * (1 - self.shrink))
        np.linalg.cholesky(fitted.covariances)  # raises where there is none
        return fitted

    def measure(self, model: Mixture, samples: Any) -> Measures:
        """Measures of a model: the standard deviation `std_1`, `std_2`, … of each component that holds more than one
        sample, their mean, how many of them are `alive`, and where it is known the `kl` of the truth from the model.
        """
        alive = (model.weights * samples.shape[1] > 1) & (not model.dead)
        spread = np.sqrt(np.trace(model.covariances, axis1=1, axis2=2) / 2)
        stds = np.where(alive, spread, np.nan)  # (components,)
        likelihood = np.nan if model.dead else log_density(model, self.held_out).mean()
        measures = {f"std_{number}": std for number, std in enumerate(stds, 1)}
        measures |= {"mean_std": spread[alive].mean() if alive.any() else np.nan, "alive": alive.sum()}
        measures |= {"log_likelihood": likelihood}
        if self.truth == "blobs":
            measures["kl"] = self.best - likelihood
        return {metric: np.array([value], float) for metric, value in measures.items()}


def log_density(mixture: Mixture, points: Floats) -> Floats:
    """The logarithm of the density of a mixture at points (n, 2), (n,)."""
    roots = np.linalg.cholesky(mixture.covariances)  # (components, 2, 2)
    away = np.linalg.solve(roots, np.swapaxes(points - mixture.means[:, None], 1, 2))  # (components, 2, n)
    with np.errstate(divide="ignore"):  # a component without weight adds nothing
        heights = np.log(mixture.weights) - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1) - log(2 * pi)
    density: Floats = np.logaddexp.reduce(heights[:, None] - (away**2).sum(axis=1) / 2, axis=0)
    return density


def _even(size: int) -> Floats:
    """As many points spread evenly as a standard Gaussian, with exactly its mean and covariance, (size, 2).

    The quantiles of the radius along a golden spiral.
    """
    if not size:
        return np.empty((0, 2))
    if size < 3:
        raise Degenerate("3 points or more of each component", f"{size}", "give a larger --size")
    number = np.arange(size) + 0.5
    radius, angle = np.sqrt(-2 * np.log1p(-number / size)), number * pi * (3 - sqrt(5))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    points -= points.mean(axis=0)
    root = np.linalg.cholesky(points.T @ points / size)
    even: Floats = np.linalg.solve(root, points.T).T
    return even


def _maximised(points: Floats, weights: Floats | None, start: Mixture | None, settings: dict[str, Any]) -> Any:
    """A GaussianMixture of scikit-learn fitted to points, from where it starts or from k-means.

    Raises:
        ValueError: a covariance is none, or something is not a number.
    """
    sklearn = _scikit_learn()
    mixture = sklearn.mixture(**settings, warm_start=True)
    if start:  # as if it had been fitted before
        mixture.weights_, mixture.means_, mixture.covariances_ = start.weights, start.means, start.covariances
        mixture.precisions_cholesky_ = np.swapaxes(np.linalg.inv(np.linalg.cholesky(start.covariances)), 1, 2)
        mixture.converged_, mixture.lower_bound_ = True, -np.inf
    # Threads on so few points only wait for each other, and checks take as long as steps.
    checks = sklearn.config(assume_finite=True, skip_parameter_validation=True)
    numbers = np.errstate(divide="ignore", over="ignore", invalid="ignore")  # what comes of it is looked at below
    with sklearn.threads.limit(limits=1), checks, numbers, warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.unconverged)  # `steps` may stop it short
        mixture.log_weights = np.zeros(len(points)) if weights is None else np.log(weights * len(points))
        mixture.fit(points)
    if not all(np.isfinite(held).all() for held in (mixture.weights_, mixture.means_, mixture.covariances_)):
        raise ValueError("points so far from each other that their mixture overflows")
    return mixture


class _ScikitLearn(NamedTuple):
    """What is taken from scikit-learn, which is loaded when it is first needed."""

    mixture: Any
    unconverged: type[Warning]
    threads: Any
    config: Any


@cache
def _scikit_learn() -> _ScikitLearn:
    try:
        from sklearn import config_context
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    except ImportError as error:
        raise ProvError("gmm needs scikit-learn: install corpus-provenance[report]") from error

    class Weighted(GaussianMixture):  # type: ignore[misc]  # untyped
        """Its maximisation counts each sample by its weight, which its own cannot."""

        log_weights: Floats

        def _m_step(self, X: Floats, log_resp: Floats, *rest: Any, **more: Any) -> None:  # noqa: N803
            super()._m_step(X, log_resp + self.log_weights[:, None], *rest, **more)

    return _ScikitLearn(Weighted, ConvergenceWarning, ThreadpoolController(), config_context)
