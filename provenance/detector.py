"""The detector that ships: a calibrated logistic regression over cheap features of a text's style."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.calibration import Calibration, Flags, Floats, even, fit_logistic
from provenance.errors import ProvError
from provenance.features import DISCOUNT, FEATURES, Likelihood, beginning, length_of, surfaces, words_of
from provenance.ngram import NgramModel

Ints = NDArray[np.int64]

VERSION = "prov-detector-1"
RIDGE = 10.0
EXTREME = 4.0
"""No feature counts as farther from its mean than so many standard deviations."""
LENGTHS = (25, 50, 100, 200, 400)
"""Where bands of lengths begin, in words."""


class BrokenDetector(ProvError):
    """What is stored as a detector is none that this version can read."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"the detector {name} cannot be used: {fault}; train another with `prov attribute --train`")


@dataclass(frozen=True, eq=False)
class Regression:
    """A logistic regression over standardised features, each also multiplied with the length.

    Length itself is in it only to take off what it does to the features: classes weigh the same at every length.

    Attributes:
        mean, spread: of the features, and last of the log length, (features + 1,).
        weights: (1 + 2 + 2 × features,): intercept, length, its square, features, features × length.
    """

    mean: Floats
    spread: Floats
    weights: Floats

    @classmethod
    def fit(cls, features: Floats, words: Floats, is_model: Flags, ridge: float = RIDGE) -> "Regression":
        raw = np.column_stack([features, np.log1p(words)])
        spread = raw.std(0)
        mean, spread = raw.mean(0), np.where(spread > 1e-9, spread, 1.0)
        blank = cls(mean, spread, np.zeros(0))
        weights = fit_logistic(blank.columns(features, words), is_model, even(is_model, bands(words)), ridge)
        return cls(mean, spread, weights)

    def columns(self, features: Floats, words: Floats) -> Floats:
        """What the weights are multiplied with, (texts, 1 + 2 + 2 × features)."""
        standard = (np.column_stack([features, np.log1p(words)]) - self.mean) / self.spread
        standard = np.clip(standard, -EXTREME, EXTREME)
        style, length = standard[:, :-1], standard[:, -1:]
        return np.hstack([np.ones_like(length), length, length**2, style, style * length])

    def score(self, features: Floats, words: Floats) -> Floats:
        return self.columns(features, words) @ self.weights

    def of_features(self) -> dict[str, float]:
        """What each feature weighs at a usual length, the heaviest first; above zero it speaks for a model."""
        held = dict(zip(FEATURES, self.weights[3 : 3 + len(FEATURES)].tolist(), strict=True))
        return dict(sorted(held.items(), key=lambda item: -abs(item[1])))


def bands(words: Floats) -> Ints:
    """The band of lengths that each text is in, by its words."""
    return np.searchsorted(np.array(LENGTHS, np.float64), words, side="right").astype(np.int64)


@dataclass(frozen=True)
class LogisticDetector:
    """A trained detector: n-gram models, a regression over features, a calibration; see `detector_training.train`.

    Attributes:
        most_words: it reads so many words of a text; of longer ones it has not seen enough of both classes.
    """

    name: str
    likelihood: Likelihood
    regression: Regression
    calibration: Calibration
    most_words: int

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.content).digest()

    def score(self, texts: Sequence[str]) -> Floats:
        texts = [beginning(text, self.most_words) for text in texts]
        words = np.array([length_of(text) for text in texts], np.float64)
        features = np.hstack([self.likelihood.features([words_of(text) for text in texts]), surfaces(texts)])
        return self.calibration(self.regression.score(features, words), words)

    @cached_property
    def content(self) -> bytes:
        """All of it as bytes: arrays of numbers, and JSON; no code is in it, nor does reading it run any."""
        words = sorted(self.likelihood.vocabulary)
        header = {
            "version": VERSION,
            "name": self.name,
            "features": FEATURES,
            "vocabulary": words,
            "levels": len(self.likelihood.human.levels),
            "model_levels": len(self.likelihood.model.levels),
            "calibration": vars(self.calibration),
            "most_words": self.most_words,
        }
        arrays: dict[str, NDArray[Any]] = {
            "header": np.frombuffer(json.dumps(header, sort_keys=True, separators=(",", ":")).encode(), np.uint8),
            "mean": self.regression.mean,
            "spread": self.regression.spread,
            "weights": self.regression.weights,
        }
        for side in ("human", "model"):
            held: NgramModel = getattr(self.likelihood, side)
            arrays[f"{side}_words"] = np.frombuffer("\n".join(held.vocabulary).encode(), np.uint8)
            for level, (keys, counts) in enumerate(held.counts()):
                arrays[f"{side}_keys_{level}"] = np.diff(keys, prepend=0)
                arrays[f"{side}_counts_{level}"] = counts.astype(np.uint32)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:  # as numpy.savez_compressed writes it
            for array, values in arrays.items():
                with archive.open(f"{array}.npy", "w") as part:
                    np.lib.format.write_array(part, values, allow_pickle=False)
        return file.getvalue()

    @classmethod
    def of_content(
        cls, content: bytes, digest: bytes | None = None, name: str = "that is stored"
    ) -> "LogisticDetector":
        """The detector that such bytes hold.

        Args:
            digest: what theirs must be.
        Raises:
            BrokenDetector: they are others, or of another version.
        """
        if digest is not None and hashlib.sha256(content).digest() != digest:
            raise BrokenDetector(name, "its content is not what its digest says")
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as held:
                arrays = dict(held)
            header = json.loads(arrays["header"].tobytes())
            if header["version"] != VERSION or tuple(header["features"]) != FEATURES:
                raise BrokenDetector(name, f"it is of version {header['version']}, this prov reads {VERSION}")
            sides = [
                _ngrams(arrays, side, header[levels])
                for side, levels in (("human", "levels"), ("model", "model_levels"))
            ]
            return cls(
                header["name"],
                Likelihood(frozenset(header["vocabulary"]), *sides),
                Regression(arrays["mean"], arrays["spread"], arrays["weights"]),
                Calibration(**header["calibration"]),
                header["most_words"],
            )
        except (ValueError, KeyError, TypeError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BrokenDetector(name, "its content is damaged") from error


def _ngrams(arrays: dict[str, NDArray[Any]], side: str, levels: int) -> NgramModel:
    grams = [
        (np.cumsum(arrays[f"{side}_keys_{level}"]), arrays[f"{side}_counts_{level}"].astype(np.int64))
        for level in range(levels)
    ]
    return NgramModel.of_counts(arrays[f"{side}_words"].tobytes().decode().split("\n"), grams, DISCOUNT)
