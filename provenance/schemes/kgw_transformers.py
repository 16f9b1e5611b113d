"""KGW as `WatermarkLogitsProcessor` of transformers marks on a CPU: green lists are torch's random permutations.

Torch seeds and draws a Mersenne twister as everybody does (Matsumoto and Nishimura 1998), so neither torch nor
transformers is needed to find what it marked. On another device torch draws other lists. With `lefthash` the last token
alone decides, so common pairs of tokens have one colour for ever: what one secret says of a whole corpus says little.
"""

import secrets
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numba import uint32
from numpy.typing import NDArray
from pydantic import Field

from provenance._numba import entry, inner
from provenance.errors import ProvError
from provenance.schemes.kgw import binomial_tail
from provenance.watermark import Context, Floats, Hashes, Integers, Logits, Ngrams, Null, Scheme, Secret, Tokens

TABLE = 1_000_003
Words = NDArray[np.uint32]


class KgwTransformers(Scheme):
    """Green lists by torch's permutations, as `WatermarkingConfig` describes them.

    Attributes:
        vocab_size: of the model that marked, which may be more than the tokenizer's.
        greenlist_ratio, bias, seeding_scheme, context_width: as in `WatermarkingConfig`; the secret is its
            `hashing_key`.
    """

    vocab_size: int = Field(ge=2, le=1 << 24)
    greenlist_ratio: float = Field(default=0.25, gt=0, lt=1)
    bias: float = Field(default=2.0, gt=0, le=100)
    seeding_scheme: Literal["lefthash", "selfhash"] = "lefthash"
    context_width: int = Field(default=1, ge=1, le=100)

    @property
    def context(self) -> int:
        return 1 if self.seeding_scheme == "lefthash" else max(self.context_width - 1, 0)

    @property
    def green(self) -> int:
        """How many tokens are green."""
        return int(self.vocab_size * self.greenlist_ratio)

    def draw_secret(self) -> Secret:
        return (secrets.randbelow(1 << 31),)

    def check_secret(self, secret: Secret) -> None:
        if len(secret) != 1 or not 0 <= secret[0] < 1 << 63:
            raise ProvError("a secret of kgw-transformers is its hashing_key, one whole number below 2^63: give that")

    def ngrams(self, secret: Secret, tokens: Tokens) -> Ngrams:
        seeds = self._seeds(secret[0], tokens.ids)
        values = np.full(len(tokens.ids), np.nan)
        scorable = np.ones(len(tokens.ids), np.bool_)
        for k in range(self.context):
            starts = tokens.ends[:-1] + k
            scorable[starts[starts < tokens.ends[1:]]] = False
        places = np.flatnonzero(scorable & (tokens.ids < self.vocab_size))
        places = places[np.argsort(seeds[places], kind="stable")]
        _colour(places, seeds, tokens.ids, self.vocab_size, self.green, values)
        places = np.arange(len(tokens.ids), dtype=np.uint64)
        return Ngrams(values, (np.where(scorable, self._names(tokens.ids), places),))

    def _seeds(self, key: int, ids: Integers) -> Words:
        """What torch's generator is seeded with for each token, as the twister takes it: the lowest 32 bits."""
        if self.seeding_scheme == "lefthash":
            before = np.roll(ids, 1)
            return np.array([key * token % ((1 << 64) - 1) & 0xFFFFFFFF for token in _each(before)], np.uint32)[
                _inverse(before)
            ]
        table = _permutation(key & 0xFFFFFFFF, TABLE, TABLE) + 1
        target = table[ids % TABLE]
        products = [np.int64(key) * table[np.roll(ids, k) % TABLE] * target for k in range(self.context_width)]
        seeds = np.minimum.reduce(products)
        return np.array([seed % ((1 << 64) - 1) & 0xFFFFFFFF for seed in _each(seeds)], np.uint32)[_inverse(seeds)]

    def _names(self, ids: Integers) -> Hashes:
        names = np.zeros(len(ids), np.uint64)
        for k in range(self.context, -1, -1):
            names = (names ^ (names >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
            names += np.roll(ids, k).astype(np.uint64) + np.uint64(1)
        return names

    def null(self, secret: Secret) -> Null:
        share = self.green / self.vocab_size
        return Null(share, (share * (1 - share)) ** 0.5)

    def p_values(self, secret: Secret, totals: Floats, counts: Integers) -> Floats:
        return binomial_tail(totals, counts, self.green / self.vocab_size)

    def mark(self, secret: Secret, context: Context, scores: Logits) -> Logits:
        if self.seeding_scheme != "lefthash":
            raise ProvError(
                "kgw-transformers with selfhash is found here, but marked by transformers alone: use lefthash, or kgw"
            )
        if scores.shape[1] != self.vocab_size:
            raise ProvError(
                f"kgw-transformers is for a model of {self.vocab_size:,} tokens, this one has {scores.shape[1]:,}: "
                f"make a key with vocab_size={scores.shape[1]}"
            )
        marked = scores.copy()
        for row, token in enumerate(context[:, -1].tolist()):
            marked[row, self.greenlist(secret, token)] += np.float32(self.bias)
        return marked

    def greenlist(self, secret: Secret, before: int) -> Integers:
        """The green tokens after a token, with lefthash, in torch's order; (green,) int64."""
        return _permutation(secret[0] * before % ((1 << 64) - 1) & 0xFFFFFFFF, self.vocab_size, self.green)


def _each(values: Integers) -> list[int]:
    each: list[int] = np.unique(values).tolist()
    return each


def _inverse(values: Integers) -> Integers:
    return np.unique(values, return_inverse=True)[1]


@lru_cache(maxsize=4096)
def _permutation(seed: int, size: int, most: int) -> Integers:
    """The first so many of `torch.randperm(size)` after `manual_seed`, (most,) int64."""
    order = np.arange(size)
    _permute(uint32(seed), order, most, np.empty(624, np.uint32))
    return order[:most].copy()


@inner
def _begin(seed: int, state: Words) -> None:
    value = uint32(seed)
    for k in range(624):
        state[k] = value
        value = uint32(uint32(1812433253) * (value ^ (value >> uint32(30))) + uint32(k + 1))


@inner
def _twist(state: Words) -> None:
    for k in range(624):
        mixed = (state[k] & uint32(0x80000000)) | (state[(k + 1) % 624] & uint32(0x7FFFFFFF))
        turned = state[(k + 397) % 624] ^ (mixed >> uint32(1))
        state[k] = turned ^ uint32(0x9908B0DF) if mixed & uint32(1) else turned


@inner
def _temper(value: Any) -> Any:
    value = uint32(value) ^ (uint32(value) >> uint32(11))
    value ^= (value << uint32(7)) & uint32(0x9D2C5680)
    value ^= (value << uint32(15)) & uint32(0xEFC60000)
    return uint32(value) ^ (uint32(value) >> uint32(18))


@entry
def _permute(seed: Any, order: Integers, most: int, state: Words) -> None:
    """Shuffle the first `most` of `order` as torch does: each with one that comes at or after it."""
    _begin(seed, state)
    size = len(order)
    for i in range(most if most < size - 1 else size - 1):
        if i % 624 == 0:
            _twist(state)
        other = i + np.int64(_temper(state[i % 624])) % (size - i)
        order[i], order[other] = order[other], order[i]


@entry
def _colour(places: Integers, seeds: Words, ids: Integers, vocabulary: int, green: int, values: Floats) -> None:
    """Fill in 1 for green tokens, 0 for others, at places in the order of their seeds."""
    state = np.empty(624, np.uint32)
    order, is_green = np.arange(vocabulary), np.zeros(vocabulary, np.bool_)
    swapped = np.empty(green, np.int64)
    for at in range(len(places)):
        place = places[at]
        if at == 0 or seeds[place] != seeds[places[at - 1]]:
            for i in range(green):
                is_green[order[i]] = False
            if at:  # swaps undone from the last to the first leave the numbers in their order
                for i in range(green - 1, -1, -1):
                    order[i], order[swapped[i]] = order[swapped[i]], order[i]
            _begin(seeds[place], state)
            for i in range(green):
                if i % 624 == 0:
                    _twist(state)
                other = i + np.int64(_temper(state[i % 624])) % (vocabulary - i)
                order[i], order[other] = order[other], order[i]
                swapped[i] = other
            for i in range(green):
                is_green[order[i]] = True
        values[place] = 1.0 if is_green[ids[place]] else 0.0
