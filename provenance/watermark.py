"""Watermarks: keyed schemes by which a model marks what it writes, found again with key, tokenizer and text alone.

Each scheme stands in a file of its own in `provenance/schemes/`, whose name is its name; nothing else has to be told of
it. It gives every n-gram of tokens a value between 0 and 1 that is higher where the text is marked. What is common to
all is here: n-grams count once, prompts do not, a long text is also scanned in windows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

import provenance.schemes
from provenance.calibration import exact_interval
from provenance.errors import ProvError, listed

Secret = tuple[int, ...]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Context = NDArray[np.int64]
Logits = NDArray[np.float32]

SHORTEST_WINDOW = 64
"""Tokens of the shortest window; a text of fewer than two of them is scored as a whole only."""
FALSE_POSITIVES = 0.01
"""Of so many human texts one is called marked by chance, whatever the number of keys."""


@dataclass(frozen=True)
class Tokens:
    """Token ids of texts.

    Attributes:
        ids: (tokens,) int64, those of one text after another's.
        ends: (texts + 1,) int64, where in `ids` each text begins, and the last one ends.
        firsts: (texts,) int64, where in `ids` what is scored of each text begins: after its prompt.
    """

    ids: Integers
    ends: Integers
    firsts: Integers

    @classmethod
    def of(cls, texts: list[list[int]], prompts: list[int] | None = None) -> Self:
        """Those of lists of ids, of which the first so many are a prompt."""
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        ids = np.fromiter((token for text in texts for token in text), np.int64, int(ends[-1]))
        return cls(ids, ends, ends[:-1] + np.array(prompts or [0] * len(texts), np.int64))

    @classmethod
    def of_rows(cls, rows: Integers, prompt: int = 0, pad: int | None = None, end: int | None = None) -> Self:
        """Those of rows as a model gives them back, (texts, tokens): each without its padding, and cut at its end.

        Args:
            prompt: so many columns are prompts, those of padding among them.
            pad, end: the tokens that fill rows up on either side, and that end a text.
        """
        texts, prompts = [], []
        for row in rows.tolist():
            ends = [place for place, token in enumerate(row) if token == end and place >= prompt]
            kept = row[: ends[0]] if ends else row
            texts.append([token for token in kept if token != pad])
            prompts.append(sum(token != pad for token in kept[:prompt]))
        return cls.of(texts, prompts)

    def __len__(self) -> int:
        return len(self.ends) - 1


class Null(NamedTuple):
    """What the value of an n-gram is in text that is not marked: its mean and its standard deviation."""

    mean: float
    deviation: float


class Ngrams(NamedTuple):
    """The n-gram that ends with each token: its value, NaN where a text is too short, and what it is known by.

    Attributes:
        values: (tokens,) float64.
        names: each (tokens,) uint64; an n-gram counts where none of its names occurred before.
    """

    values: Floats
    names: tuple[Hashes, ...]


class Scheme(BaseModel, ABC):
    """A way to mark text; its fields are its public parameters, and the secret is never among them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    once_per_context: ClassVar[bool] = False
    """Whether a context that was there before in the same text is not marked again."""

    @property
    @abstractmethod
    def context(self) -> int:
        """How many tokens before one decide its mark."""

    @abstractmethod
    def draw_secret(self) -> Secret:
        """A fresh secret from the system's randomness."""

    @abstractmethod
    def check_secret(self, secret: Secret) -> None:
        """Refuse what can be no secret of this scheme, without telling it.

        Raises:
            ProvError: it has the wrong number of integers, or one out of range.
        """

    @abstractmethod
    def ngrams(self, secret: Secret, tokens: Tokens) -> Ngrams:
        """The value and the names of each n-gram."""

    @abstractmethod
    def null(self, secret: Secret) -> Null:
        """How values are distributed in text that is not marked by this secret."""

    @abstractmethod
    def p_values(self, secret: Secret, totals: Floats, counts: Integers) -> Floats:
        """How probably unmarked text comes to as much or more: one-sided, for sums of so many values."""

    @abstractmethod
    def mark(self, secret: Secret, context: Context, scores: Logits) -> Logits:
        """The log-space scores by which a marked token is sampled.

        Args:
            context: (rows, self.context) int64, the tokens just before.
            scores: (rows, vocabulary) float32, log-space.
        """


def name_of(scheme: Scheme) -> str:
    """The name of the file that a scheme stands in, as it is written by people."""
    return type(scheme).__module__.rpartition(".")[2].replace("_", "-")


def names() -> list[str]:
    """The names of all schemes."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(provenance.schemes.__path__))


def find_scheme(name: str, parameters: Mapping[str, Any]) -> Scheme:
    """A scheme with its parameters.

    Raises:
        ProvError: there is none of that name, or it has other parameters.
    """
    if name not in names():
        raise ProvError(f"no watermark scheme {name!r}: there is {listed(names())}")
    module = import_module(f"provenance.schemes.{name.replace('-', '_')}")
    held = vars(module).values()
    kinds = [kind for kind in held if isinstance(kind, type) and issubclass(kind, Scheme) and kind is not Scheme]
    assert len(kinds) == 1, f"{module.__name__} holds {len(kinds)} schemes, it is to hold one"
    kind: type[Scheme] = kinds[0]
    try:
        return kind.model_validate(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        said = "there is no such parameter" if first["type"] == "extra_forbidden" else first["msg"]
        raise ProvError(
            f"watermark scheme {name}: {field}: {said}; its parameters are {listed(kind.model_fields)}"
        ) from error


# -- scores


@dataclass(frozen=True)
class Scores:
    """What texts score by one key; each (texts,).

    Attributes:
        scored: n-grams that counted, int64.
        score: their mean value; NaN where there is none.
        z: standard deviations of the mean above that of unmarked text; NaN where none is scored.
        p: how probably unmarked text scores as high, as a whole or in its best window, corrected for the number of
            windows; NaN where none is scored.
        begins, ends: the tokens of the passage that looks marked; the whole text unless a part of it stands out.
    """

    scored: Integers
    score: Floats
    z: Floats
    p: Floats
    begins: Integers
    ends: Integers

    def __len__(self) -> int:
        return len(self.scored)

    @classmethod
    def joined(cls, parts: list[Scores]) -> Scores:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def score(scheme: Scheme, secret: Secret, tokens: Tokens) -> Scores:
    """What texts score by a key.

    Half of the chance of a false positive goes to the text as a whole, half to its windows together.
    """
    from provenance import _marks

    ngrams = scheme.ngrams(secret, tokens)
    before = _marks.find_previous(ngrams.names, tokens)
    mean, deviation = scheme.null(secret)
    counts, totals = _marks.add_up(ngrams.values, before, tokens)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = totals / counts
        z = (means - mean) / deviation * np.sqrt(counts)
    p = np.where(counts > 0, scheme.p_values(secret, totals, counts), np.nan)
    best = _marks.scan(ngrams.values, before, tokens, mean, SHORTEST_WINDOW)
    is_scanned = best.windows > 0
    in_window = scheme.p_values(secret, best.totals, best.counts) * best.windows
    p = np.where(is_scanned, np.fmin(1, 2 * np.fmin(p, in_window)), p)
    begins, ends = tokens.firsts.copy(), tokens.ends[1:].copy()
    notable = np.flatnonzero(is_scanned & (p <= FALSE_POSITIVES))
    for text in notable.tolist():
        found = _passage(ngrams.values, before, tokens, text, mean, best.totals[text] / best.counts[text])
        begins[text], ends[text] = found
    return Scores(counts, means, z, p, begins - tokens.ends[:-1], ends - tokens.ends[:-1])


def _passage(values: Floats, before: Integers, tokens: Tokens, text: int, mean: float, high: float) -> tuple[int, int]:
    """The stretch of a text that stands out most: of the largest sum of values above half the way to the marked ones'.

    One that is nine tenths of the text, or more, is all of it.
    """
    begin, end = int(tokens.firsts[text]), int(tokens.ends[text + 1])
    counted = (before[begin:end] < begin) & ~np.isnan(values[begin:end])
    gains = np.where(counted, values[begin:end] - (mean + high) / 2, 0)
    sums = np.append(0, np.cumsum(gains))
    lows = np.minimum.accumulate(sums)
    last = int(np.argmax(sums - lows))
    first = int(np.argmin(sums[: last + 1]))
    return (begin, end) if last - first >= 0.9 * (end - begin) else (begin + first, begin + last)


# -- many keys, many texts


def verdicts(p: Floats, keys: int | Integers, rate: float = FALSE_POSITIVES) -> NDArray[np.bool_]:
    """Which texts are marked, (texts,).

    Args:
        p: of one key, (texts,).
        keys: how many keys each text was scored by, (texts,) or one number for all.
        rate: the chance that an unmarked text is called marked by any of the keys (Bonferroni).
    """
    return np.nan_to_num(p, nan=1.0) <= rate / np.maximum(keys, 1)


def false_discovery(p: Floats) -> Floats:
    """The q-values of Benjamini and Hochberg (1995), (tests,): the share of false ones among all of that p or less.

    >>> false_discovery(np.array([0.01, 0.04, 0.03, 0.5])).round(3).tolist()
    [0.04, 0.053, 0.053, 0.5]
    """
    told = np.flatnonzero(~np.isnan(p))
    order = told[np.argsort(p[told], kind="stable")]
    raw = p[order] * len(order) / np.arange(1, len(order) + 1)
    q = np.full(len(p), np.nan)
    q[order] = np.minimum(1, np.minimum.accumulate(raw[::-1])[::-1])
    return q


class MarkedShare(NamedTuple):
    """The share of texts that are marked: its estimate, and an interval of 95 %."""

    estimate: float
    low: float
    high: float


def marked_share(marked: int, texts: int, rate: float = FALSE_POSITIVES) -> MarkedShare | None:
    """The share of marked texts behind so many verdicts: (k / N - rate) / (1 - rate), cut to 0 and 1.

    Its interval is that of Clopper and Pearson (1934) for k / N; marked texts that are not found make it too low.
    """
    if not texts:
        return None
    shares = (marked / texts, *exact_interval(marked, texts))
    return MarkedShare(*(min(1.0, max(0.0, (share - rate) / (1 - rate))) for share in shares))
