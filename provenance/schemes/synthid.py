"""SynthID-Text: tokens are chosen by a tournament of several layers, in each of which a keyed bit decides.

Dathathri et al. 2024, "Scalable watermarking for identifying large language model outputs" (Nature 634:818), in the
form of `SynthIDTextWatermarkLogitsProcessor` of transformers, which hashes n-grams by a linear congruential generator
and looks the bits up in a table. Torch draws another table on another device; ours is the same everywhere.
"""

import hashlib
import secrets
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from provenance._numba import entry, ranges_of, share_out
from provenance.errors import ProvError
from provenance.watermark import Context, Floats, Hashes, Integers, Logits, Ngrams, Null, Scheme, Secret, Tokens

MULTIPLIER, INCREMENT = 6364136223846793005, 1
Bits = NDArray[np.uint8]


class Synthid(Scheme):
    """Tournament sampling by n-grams of tokens, one key a layer.

    Attributes:
        ngram_len: tokens of an n-gram, of which all but the last are the context.
        depth: layers, each with a key of its own; small models bear 5 to 12.
        table: whose bits: `prov`, the same on every machine, or `torch`, those that transformers draws on a CPU.
        table_size: bits of the table; there are no more distinct n-grams than that.
        table_seed: by which the bits are drawn.
        weights: of the layers when a text is scored: `linear` from 10 for the first down to 1, or `equal`.
    """

    once_per_context: ClassVar[bool] = True

    ngram_len: int = Field(default=5, ge=2, le=20)
    depth: int = Field(default=10, ge=1, le=100)
    table: Literal["prov", "torch"] = "prov"
    table_size: int = Field(default=1 << 16, ge=2, le=1 << 24)
    table_seed: int = Field(default=0, ge=0, lt=1 << 32)
    weights: Literal["linear", "equal"] = "linear"

    @field_validator("table_size")
    @classmethod
    def _is_power_of_two(cls, size: int) -> int:
        if size & (size - 1):
            raise ValueError("wanted a power of two")
        return size

    @property
    def context(self) -> int:
        return self.ngram_len - 1

    def draw_secret(self) -> Secret:
        return tuple(secrets.randbelow(1 << 62) for _ in range(self.depth))

    def check_secret(self, secret: Secret) -> None:
        if len(secret) != self.depth or not all(0 <= part < 1 << 63 for part in secret):
            raise ProvError(
                f"a secret of synthid with depth={self.depth} is {self.depth} whole numbers below 2^63, here are "
                f"{len(secret)}: give as many, or say depth={len(secret)}"
            )

    @property
    def bits(self) -> Bits:
        """The table, (table_size,) of 0 and 1."""
        return _table(self.table, self.table_size, self.table_seed)

    @property
    def layer_weights(self) -> Floats:
        """What each layer counts, (depth,), summing to 1."""
        raw = np.linspace(10, 1, self.depth) if self.weights == "linear" else np.ones(self.depth)
        return np.asarray(raw / raw.sum())

    def ngrams(self, secret: Secret, tokens: Tokens) -> Ngrams:
        count = len(tokens.ids)
        values, contexts, residues = np.empty(count), np.empty(count, np.uint64), np.empty(count, np.uint64)
        keys, weights = np.array(secret, np.int64), self.layer_weights
        share_out(
            lambda first, last: _look_up(
                tokens.ids,
                tokens.ends,
                first,
                last,
                self.ngram_len,
                keys,
                weights,
                self.bits,
                values,
                contexts,
                residues,
            ),
            ranges_of(tokens.ends),
        )
        # Of two n-grams with one residue all bits are the same, so they are no two draws.
        return Ngrams(values, (contexts, residues))

    def null(self, secret: Secret) -> Null:
        return _null(self, secret)

    def p_values(self, secret: Secret, totals: Floats, counts: Integers) -> Floats:
        from scipy.special import ndtr

        mean, deviation = self.null(secret)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(ndtr((counts * mean - totals) / (deviation * np.sqrt(counts))))

    def mark(self, secret: Secret, context: Context, scores: Logits) -> Logits:
        marked = np.empty_like(scores)
        _play(np.ascontiguousarray(context), np.array(secret, np.int64), self.bits, scores, marked)
        return marked

    def g_values(self, secret: Secret, ngram: tuple[int, ...]) -> list[int]:
        """The bit of each layer for an n-gram; the plain form of what the kernels do."""
        mask = (1 << 64) - 1
        name = 1
        for token in ngram:
            name = ((name + token) * MULTIPLIER + INCREMENT) & mask
        return [int(self.bits[((name + key) * MULTIPLIER + INCREMENT) & (self.table_size - 1)]) for key in secret]


@lru_cache(maxsize=4)
def _table(kind: str, size: int, seed: int) -> Bits:
    if kind == "torch":  # torch seeds the Mersenne twister as numpy does, and takes each draw modulo 2
        words = np.random.RandomState(seed).randint(0, 1 << 32, size, np.uint32)
        return (words & 1).astype(np.uint8)
    stream = hashlib.shake_256(f"prov-synthid-1 {size} {seed}".encode()).digest(-(-size // 8))
    return np.unpackbits(np.frombuffer(stream, np.uint8))[:size]


@lru_cache(maxsize=256)
def _null(scheme: Synthid, secret: Secret) -> Null:
    """Over all residues, each of which is as likely: exact, bits that go together included."""
    residues = np.arange(scheme.table_size, dtype=np.uint64)
    values = np.zeros(scheme.table_size)
    for key, weight in zip(secret, scheme.layer_weights, strict=True):
        places = (residues + np.uint64(key)) * np.uint64(MULTIPLIER) + np.uint64(INCREMENT)
        values += weight * scheme.bits[places & np.uint64(scheme.table_size - 1)]
    return Null(float(values.mean()), float(values.std()))


@entry
def _look_up(
    ids: Integers,
    ends: Integers,
    first: int,
    last: int,
    length: int,
    keys: Integers,
    weights: Floats,
    bits: Bits,
    values: Floats,
    contexts: Hashes,
    residues: Hashes,
) -> None:
    """Fill in the weighted bits of n-grams, NaN at the start of a text, and what they and contexts are known by."""
    mask = len(bits) - 1
    for text in range(first, last):
        begin = ends[text]
        for i in range(begin, ends[text + 1]):
            if i < begin + length - 1:
                values[i], contexts[i], residues[i] = np.nan, np.uint64(i), np.uint64(len(bits) + i)
            else:
                name = np.int64(1)
                for k in range(i - length + 1, i):
                    name = (name + ids[k]) * MULTIPLIER + INCREMENT
                contexts[i] = np.uint64(name)
                name = (name + ids[i]) * MULTIPLIER + INCREMENT
                residues[i] = np.uint64(name & mask)
                total = 0.0
                for layer in range(len(keys)):
                    total += weights[layer] * bits[((name + keys[layer]) * MULTIPLIER + INCREMENT) & mask]
                values[i] = total


@entry
def _play(context: Context, keys: Integers, bits: Bits, scores: Logits, marked: Logits) -> None:
    """Fill in the scores (rows, vocabulary) of the winners of all layers of the tournament, in closed form."""
    mask = len(bits) - 1
    vocabulary = scores.shape[1]
    chances, won = np.empty(vocabulary), np.empty(vocabulary)
    for row in range(len(scores)):
        before = np.int64(1)
        for k in range(context.shape[1]):
            before = (before + context[row, k]) * MULTIPLIER + INCREMENT
        highest = scores[row].max()
        total = 0.0
        for token in range(vocabulary):
            chances[token] = np.exp(scores[row, token] - highest)
            total += chances[token]
        for token in range(vocabulary):
            chances[token] /= total
        for layer in range(len(keys)):
            mass = 0.0
            for token in range(vocabulary):
                name = (before + token) * MULTIPLIER + INCREMENT
                won[token] = bits[((name + keys[layer]) * MULTIPLIER + INCREMENT) & mask]
                mass += won[token] * chances[token]
            for token in range(vocabulary):
                chances[token] *= 1 + won[token] - mass
        for token in range(vocabulary):
            marked[row, token] = np.log(chances[token]) if chances[token] > 0 else np.finfo(np.float32).min
