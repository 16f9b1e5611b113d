"""KGW: the scores of a keyed, pseudo-random share of the vocabulary, the green list, are raised before sampling.

Kirchenbauer et al. 2023, "A Watermark for Large Language Models" (2301.10226), with a green list of our own: whether a
token is green is an integer hash of the key, the two tokens before and itself. With one token of context, common pairs
of words would have one colour for ever, and a verdict on a corpus would be about its pairs.
"""

import secrets
from typing import Any

import numpy as np
from numba import uint64
from numpy.typing import NDArray
from pydantic import Field

from provenance._numba import entry, inner, ranges_of, share_out
from provenance.errors import ProvError
from provenance.watermark import Context, Floats, Hashes, Integers, Logits, Ngrams, Null, Scheme, Secret, Tokens

FOLD_1, FOLD_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
STEP = 0x9E3779B97F4A7C15
_1, _2, _STEP = uint64(FOLD_1), uint64(FOLD_2), uint64(STEP)
_64_BITS = (1 << 64) - 1


class Kgw(Scheme):
    """Green lists by an integer hash of two tokens of context.

    Attributes:
        gamma: the share of the vocabulary that is green.
        delta: what is added to the scores of green tokens.
    """

    gamma: float = Field(default=0.25, gt=0, lt=1)
    delta: float = Field(default=2.0, gt=0, le=100)

    @property
    def context(self) -> int:
        return 2

    def draw_secret(self) -> Secret:
        return (secrets.randbits(64),)

    def check_secret(self, secret: Secret) -> None:
        if len(secret) != 1 or not 0 <= secret[0] < 1 << 64:
            raise ProvError("a secret of kgw is one whole number below 2^64: give one, or let prov draw it")

    @property
    def limit(self) -> int:
        """Hashes below it are green."""
        return round(self.gamma * (1 << 64))

    def ngrams(self, secret: Secret, tokens: Tokens) -> Ngrams:
        values, names = np.empty(len(tokens.ids)), np.empty(len(tokens.ids), np.uint64)
        key, limit = uint64(secret[0]), uint64(self.limit)
        share_out(
            lambda first, last: _colour(tokens.ids, tokens.ends, first, last, key, limit, values, names),
            ranges_of(tokens.ends),
        )
        return Ngrams(values, (names,))

    def null(self, secret: Secret) -> Null:
        return Null(self.gamma, (self.gamma * (1 - self.gamma)) ** 0.5)

    def p_values(self, secret: Secret, totals: Floats, counts: Integers) -> Floats:
        return binomial_tail(totals, counts, self.gamma)

    def mark(self, secret: Secret, context: Context, scores: Logits) -> Logits:
        green = np.empty(scores.shape, np.bool_)
        _green_lists(np.ascontiguousarray(context), uint64(secret[0]), uint64(self.limit), green)
        marked: Logits = scores + np.float32(self.delta) * green.astype(np.float32)
        return marked


def binomial_tail(totals: Floats, counts: Integers, share: float) -> Floats:
    """P(X >= total) of so many trials with this chance: I_share(total, count - total + 1), exact."""
    from scipy.special import betainc

    rest = np.maximum(counts - totals + 1, 1)
    return np.where(totals > 0, betainc(np.maximum(totals, 1), rest, share), 1.0)


def is_green(key: int, before: tuple[int, int], token: int, gamma: float) -> bool:
    """Whether a token is green after two others; the plain form of what the kernels do."""
    state = key
    for part in (*before, token):
        state = _mix((state + STEP * (part + 1)) & _64_BITS)
    return state < round(gamma * (1 << 64))


def _mix(value: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    value = (value ^ value >> 30) * FOLD_1 & _64_BITS
    value = (value ^ value >> 27) * FOLD_2 & _64_BITS
    return value ^ value >> 31


@inner
def _add(state: Any, token: Any) -> Any:
    value = uint64(state) + _STEP * uint64(token + 1)
    value = (value ^ (value >> uint64(30))) * _1
    value = (value ^ (value >> uint64(27))) * _2
    return value ^ (value >> uint64(31))


@entry
def _colour(
    ids: Integers, ends: Integers, first: int, last: int, key: Any, limit: Any, values: Floats, names: Hashes
) -> None:
    """Fill in what n-grams are known by, and 1 where the last token of one is green, 0 where not, NaN at the start."""
    for text in range(first, last):
        begin, end = ends[text], ends[text + 1]
        for i in range(begin, end):
            if i < begin + 2:
                values[i], names[i] = np.nan, uint64(i)
            else:
                name = _add(_add(_add(key, ids[i - 2]), ids[i - 1]), ids[i])
                names[i] = name
                values[i] = 1.0 if name < limit else 0.0


@entry
def _green_lists(context: Context, key: Any, limit: Any, green: NDArray[np.bool_]) -> None:
    """Fill `green` (rows, vocabulary) bool with which tokens are green after each context (rows, 2)."""
    for row in range(len(context)):
        state = _add(_add(key, context[row, 0]), context[row, 1])
        for token in range(green.shape[1]):
            green[row, token] = _add(state, token) < limit
