"""Proportions of outcomes fitted to samples of outcomes: genetic drift, and the test-bed that loses the tail of words.

Replacing is the Wright–Fisher model (Ewens 2004, "Mathematical Population Genetics", section 3.2): what is lost never
comes back, and nothing but chance picks what is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from provenance.errors import ProvError
from provenance.origin import words
from trainer.testbed import Degenerate, Floats, Measures, TestBed

MANY = 1000
"""From so many samples on, the law of the tail is closer than 0.1 %."""


@dataclass(frozen=True)
class Proportions:
    """What a fit holds.

    Attributes:
        shares: of the outcomes, (repeats, outcomes).
        vocabulary: how many outcomes are among the samples, (repeats,).
        hapaxes: which outcomes occur once among the real samples of the first fit, (repeats, outcomes) bool.
    """

    shares: Floats
    vocabulary: NDArray[np.int64]
    hapaxes: NDArray[np.bool_]


class Discrete(TestBed):
    """The relative frequencies of outcomes, from samples that are numbers of outcomes, (repeats, size).

    Where the truth is counted, the real samples are what was counted: as many of them as there are, the whole
    multiset, and fewer, some of them. So the first generation of all of them has lost nothing yet: generation g has
    gone through n = g - 1 samplings. Else the real samples are drawn from the truth, and n = g.

    The three errors of Shumailov et al. can each be switched: `infinite` samples leave no statistical approximation;
    `tied` is a family that cannot hold a truth in which neighbours differ, the functional expressivity; `sharpen` is a
    fit that misses the optimum, the functional approximation.

    Attributes:
        counts: how often each outcome occurs in what is real, such as the words of a registry.
        words_of: a file of UTF-8 text, whose words are counted instead.
        of_registry: the words of a registry's human texts are counted instead.
        outcomes: how many there are, where nothing is counted.
        truth: all equally likely, or with the rank to the power of -`exponent`.
        infinite: samples have exactly the proportions of what they are samples of, to one sample an outcome.
        tied: so many neighbours share one probability.
        sharpen: every fit raises its proportions to the power of one more than this.
    """

    counts: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(default=None, min_length=1)
    words_of: Path | None = None
    of_registry: bool = False
    outcomes: int = Field(default=10, ge=1, le=10**6)
    truth: Literal["uniform", "zipf"] = "uniform"
    exponent: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    infinite: bool = False
    tied: int = Field(default=1, ge=1)
    sharpen: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @field_validator("words_of")
    @classmethod
    def _words_can_be_read(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path and info.data.get("counts"):
            raise ValueError("counts are given too: leave one of them out")
        if path and not _count_words(path):
            raise ValueError("it holds no words")
        return path

    @field_validator("outcomes", "truth", "exponent")
    @classmethod
    def _truth_is_not_counted(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("counts") or info.data.get("words_of"):
            raise ValueError("the truth is counted: leave this out")
        return value

    @cached_property
    def counted(self) -> NDArray[np.int64] | None:
        """How often each outcome occurs in what is real, (outcomes,); None where nothing is counted."""
        if self.of_registry and self.counts is None:
            raise ProvError("the words of a registry are to be counted, and none is named: name it with --registry")
        counts: Sequence[int] | None = _count_words(self.words_of) if self.words_of else self.counts
        return np.array(counts) if counts else None

    @cached_property
    def true(self) -> Floats:
        """The true proportions, (outcomes,)."""
        if self.counted is not None:
            counted: Floats = self.counted / self.counted.sum()
            return counted
        power = self.exponent if self.truth == "zipf" else 0.0
        odds = np.arange(1.0, self.outcomes + 1) ** -power
        true: Floats = odds / odds.sum()
        return true

    def grounded(self, human: Callable[[], Iterable[str]], held_out: Sequence[str]) -> Discrete:
        if not self.of_registry:
            return self
        counts = Counter(word for text in human() for word in words(text))
        if not counts:
            raise ProvError("the registry holds no human text with words that is not held out: take some in first")
        return self.model_copy(update={"counts": tuple(counts.values())})

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> NDArray[Any]:
        if self.counted is None or self.infinite:
            return self._drawn(np.broadcast_to(self.true, (repeats, len(self.true))), size, rng)
        held = int(self.counted.sum())
        if size > held:
            raise Degenerate(f"{size:,} real samples", f"{held:,} that were counted", "give a smaller --size")
        if size == held:
            counts = np.broadcast_to(self.counted, (repeats, len(self.counted)))
        else:
            counts = np.stack(
                [rng.multivariate_hypergeometric(self.counted, size, method="marginals") for _ in range(repeats)]
            )
        return _outcomes(counts, size)

    def _drawn(self, shares: Floats, size: int, rng: np.random.Generator) -> NDArray[Any]:
        return _outcomes(_exact(shares, size) if self.infinite else _multinomial(shares, size, rng), size)

    def fit(
        self, samples: Any, weights: Floats | None, previous: Proportions | None, rng: np.random.Generator
    ) -> Proportions:
        counts = np.stack([np.bincount(held, minlength=len(self.true)) for held in samples])  # (repeats, outcomes)
        if weights is None:
            shares: Floats = counts / samples.shape[1]
        else:
            shares = np.stack([np.bincount(held, weights, minlength=len(self.true)) for held in samples])
        shares = self._missed(self._tied(shares))
        return Proportions(shares, (counts > 0).sum(axis=1), previous.hapaxes if previous else counts == 1)

    def _tied(self, shares: Floats) -> Floats:
        """The closest shares that are equal within each block of neighbours."""
        if self.tied == 1:
            return shares
        starts = np.arange(0, shares.shape[1], self.tied)
        lengths = np.diff(starts, append=shares.shape[1])
        return np.repeat(np.add.reduceat(shares, starts, axis=1) / lengths, lengths, axis=1)

    def _missed(self, shares: Floats) -> Floats:
        if not self.sharpen:
            return shares
        sharp = (shares / shares.max(axis=1, keepdims=True)) ** (1 + self.sharpen)
        sharpened: Floats = sharp / sharp.sum(axis=1, keepdims=True)
        return sharpened

    def sample(self, model: Proportions, size: int, rng: np.random.Generator) -> NDArray[Any]:
        """So many samples of each repeat, sorted: which of them are drawn later is what mixes choose at random."""
        return self._drawn(model.shares, size, rng)

    def measure(self, model: Proportions, samples: Any) -> Measures:
        """Measures of a model; `kl` is of the model from the truth, since a model without the tail is infinitely far
        from it the other way round; `hapaxes_kept` only where each repeat has some.
        """
        shares = model.shares
        held = shares > 0
        logs = np.log(np.where(held, shares, 1))
        hapaxes = model.hapaxes.sum(axis=1)
        measures = {
            "simpson": 1 - (shares**2).sum(axis=1),
            "shannon": -(shares * logs).sum(axis=1),
            "support": held.sum(axis=1).astype(float),
            "vocabulary": model.vocabulary.astype(float),
            "kl": (shares * (logs - np.log(self.true))).sum(axis=1),
            "total_variation": np.abs(shares - self.true).sum(axis=1) / 2,
        }
        return measures | ({"hapaxes_kept": (held & model.hapaxes).sum(axis=1) / hapaxes} if hapaxes.all() else {})

    def theory(self, schedule: str, size: int, generation: int) -> dict[str, float]:
        """What is expected, exactly; and of the tail under replace, where all that was counted is real, to 1/size.

        A share that is sampled loses 1/size of its diversity, and one that only 1/i of a pool is new of, 1/i² of that.
        The tail is a branching process with Poisson offspring: of outcomes that occur once a part u_n is lost after n
        samplings, u_0 = 0, u_{n+1} = exp(u_n - 1), of those that occur c times a part u_n^c.
        """
        if self.infinite or self.tied > 1 or self.sharpen or schedule not in ("replace", "accumulate"):
            return {}
        if self.counted is not None and (total := int(self.counted.sum())) < max(2, size):
            return {}
        new = np.arange(1.0, generation + 1) ** (0 if schedule == "replace" else -2)
        diversity = float((1 - (self.true**2).sum()) * np.prod(1 - new / size))
        if self.counted is None:
            return {"simpson": diversity}
        expected = {"simpson": diversity * total / (total - 1)}  # the first sampling was without replacement
        if size < total or (schedule == "replace" and size < MANY):
            return expected
        lost = 0.0
        for _ in range(generation - 1 if schedule == "replace" else 0):
            lost = exp(lost - 1)
        expected["vocabulary"] = float((1 - lost**self.counted).sum())
        return expected | ({"hapaxes_kept": 1 - lost} if (self.counted == 1).any() else {})


def _count_words(path: Path) -> tuple[int, ...]:
    """How often each word of a file occurs, in the order of first occurrence."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ValueError(f"it cannot be read: {reason}") from error
    return tuple(Counter(words(text)).values())


def _multinomial(shares: Floats, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each outcome comes up among so many samples, (repeats, outcomes).

    NumPy gives the last outcome what rounding leaves over: the likeliest stands last, so that no dead one comes back.
    """
    each = np.arange(len(shares))
    likeliest = shares.argmax(axis=1)
    swapped = shares.copy()
    swapped[each, likeliest], swapped[:, -1] = shares[:, -1], shares[each, likeliest]
    counts = rng.multinomial(size, swapped)
    last = counts[:, -1].copy()
    counts[:, -1] = counts[each, likeliest]
    counts[each, likeliest] = last
    return counts


def _exact(shares: Floats, size: int) -> NDArray[np.int64]:
    """How often each outcome is to occur among so many, by largest remainder, (repeats, outcomes)."""
    counts = np.floor(shares * size).astype(np.int64)
    left = size - counts.sum(axis=1, keepdims=True)
    by_remainder = np.argsort(counts - shares * size, axis=1, kind="stable")
    np.put_along_axis(counts, by_remainder, np.take_along_axis(counts, by_remainder, 1) + _first(left, counts), 1)
    return counts


def _first(wanted: NDArray[np.int64], like: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for so many columns of each row, from the left."""
    return np.arange(like.shape[1]) < wanted


def _outcomes(counts: NDArray[np.int64], size: int) -> NDArray[Any]:
    """Each outcome as often as it is counted, sorted, (repeats, size) of the smallest integers that hold them."""
    repeats, outcomes = counts.shape
    names = np.arange(outcomes, dtype=np.min_scalar_type(outcomes - 1))
    return np.repeat(np.tile(names, repeats), counts.ravel()).reshape(repeats, size)
