"""How varied texts are, and how human their words: measures that want no model.

All work on whole arrays; each is O(n-grams · log n-grams), but compression, which is O(bytes).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import ceil, inf, log

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.wording import Reference, Words

Floats = NDArray[np.float64]

BANDS: Mapping[str, tuple[float, float]] = {
    "1": (1, 1),
    "2_4": (2, 4),
    "5_9": (5, 9),
    "10_99": (10, 99),
    "100": (100, inf),
}
"""How often human text has a word, from and to, by the name of the band."""
ZIPF_RANKS = 10, 1_000
_FEWEST_RANKS = 50
_TOP = 0.01
_LONGEST = 4


def vocabulary(words: Words) -> float:
    """How many words differ."""
    return float(len(words.counts))


def hapaxes(words: Words) -> float:
    """How many words there are once."""
    return float((words.counts == 1).sum())


def shannon(words: Words) -> float:
    """The entropy of single words, in nats."""
    shares = words.counts / len(words)
    return float(-(shares * np.log(shares)).sum())


def distinct(words: Words, n: int) -> float:
    """Kinds of n-grams in all texts, per n-gram (Li et al. 2016); NaN where there is none.

    >>> distinct(Words.of(["a b a b", "a b"]), 2)
    0.5
    """
    counts = words.gram_counts(n)
    return len(counts) / int(counts.sum()) if len(counts) else float("nan")


def rep(words: Words, n: int) -> float:
    """The share of n-grams that repeat one of their own text (Welleck et al. 2020), over all texts; NaN without any.

    >>> rep(Words.of(["a b a b", "a b"]), 2)
    0.25
    """
    grams, text = words.grams(n)
    kinds = len(np.unique(text << 32 | grams))
    return 1 - kinds / len(grams) if len(grams) else float("nan")


def diversity(words: Words) -> float:
    """D = Π_{n=2..4}(1 − rep-n) (Su et al. 2022, "A contrastive framework for neural text generation")."""
    return float(np.prod([1 - rep(words, n) for n in range(2, _LONGEST + 1)]))


def concentration(words: Words, n: int) -> float:
    """The share of all n-grams that the most frequent hundredth of their kinds has; NaN where there is none.

    >>> concentration(Words.of(["a a a b"]), 1)
    0.75
    """
    counts = words.gram_counts(n)
    return float(counts[: ceil(_TOP * len(counts))].sum() / counts.sum()) if len(counts) else float("nan")


def js_divergence(words: Words, others: Words, n: int) -> float:
    """The Jensen–Shannon divergence of two distributions of n-grams, in bits: 0 where they are the same, 1 at most.

    Args:
        words, others: numbered alike.

    >>> js_divergence(Words.of(["a b"]), Words.of(["a b"]), 1), js_divergence(Words.of(["a"]), Words.of([]), 1)
    (0.0, nan)
    """
    shift = int(words.text.max(initial=-1)) + 1
    both = Words([], np.concatenate([words.ids, others.ids]), np.concatenate([words.text, others.text + shift]))
    grams, text = both.grams(n)
    of_others = text >= shift
    if of_others.all() or not of_others.any():
        return float("nan")
    kinds = int(grams.max()) + 1
    p, q = (np.bincount(grams[own], minlength=kinds) / own.sum() for own in (~of_others, of_others))
    return (_relative(p, (p + q) / 2) + _relative(q, (p + q) / 2)) / 2


def zipf_exponent(words: Words) -> float:
    """How steeply the counts of words fall with their rank: the negative slope of log count over log rank.

    Least squares over ranks 10 to 1,000, or to the last there is; NaN where that is less than 50 ranks.
    """
    lowest, highest = ZIPF_RANKS
    counts = words.counts[lowest - 1 : highest]
    if len(counts) < _FEWEST_RANKS:
        return float("nan")
    ranks = np.log(np.arange(lowest, lowest + len(counts)))
    return float(-np.polyfit(ranks, np.log(counts), 1)[0])


def compression_ratio(words: Words) -> float:
    """How many times smaller zlib makes the words with spaces between: higher where they repeat more."""
    plain = " ".join(words.spelled).encode()
    return len(plain) / len(zlib.compress(plain, 9))


def recall(words: Words, reference: Reference, band: str) -> float:
    """The share of the human words of a band of frequency that there are; NaN where human text has none."""
    least, most = BANDS[band]
    in_band = (reference.times >= least) & (reference.times <= most)
    if not in_band.any():
        return float("nan")
    met = np.zeros(len(reference.times), np.bool_)
    met[words.ids[words.ids < len(met)]] = True
    return float(met[in_band].mean())


def invented_words(words: Words, reference: Reference) -> float:
    """The share of words that all the human text does not have."""
    return float((words.ids >= len(reference.times)).mean())


def invented_types(words: Words, reference: Reference) -> float:
    """The share of words that differ that all the human text does not have."""
    types = np.unique(words.ids)
    return float((types >= len(reference.times)).mean())


def self_bleu(words: Words, texts: int) -> float:
    """How much each text is like the others: BLEU of it with all others as references, on average, from 0 to 1.

    That of sacrebleu's `sentence_bleu` without a tokenizer (n-grams up to 4, exponential smoothing, effective order),
    over Zhu et al. 2018's Self-BLEU. References enter by the highest count of each n-gram and the nearest length
    alone, so that it is O(n-grams · log n-grams) where going by pairs is O(texts · n-grams).

    Args:
        texts: how many there are; those without a word have 0.
    Returns:
        NaN for less than two texts.
    """
    if texts < 2:
        return float("nan")
    lengths = np.bincount(words.text, minlength=texts)  # (texts,)
    found = np.stack([_found_in_others(words, n, texts) for n in range(1, _LONGEST + 1)])  # (orders, texts)
    there_is = np.maximum(lengths - np.arange(_LONGEST)[:, None], 0)
    missed = (found == 0) & (there_is > 0)
    smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=0), found)
    logs = np.log(np.divide(smoothed, there_is, out=np.ones(found.shape), where=there_is > 0))
    bleu = np.exp(logs.sum(axis=0) / np.clip(lengths, 1, _LONGEST)) * _brevity(lengths)
    return float(np.where(found.any(axis=0), bleu, 0).mean())


def _found_in_others(words: Words, n: int, texts: int) -> Floats:
    """How many n-grams of each text another text has, each at most as often as that one other, (texts,)."""
    grams, text = words.grams(n)
    pairs, counts = np.unique(grams << 32 | text, return_counts=True)
    order = np.lexsort((counts, pairs >> 32))
    gram, text, counts = pairs[order] >> 32, pairs[order] & 0xFFFFFFFF, counts[order]
    elsewhere = counts[np.searchsorted(gram, gram, side="right") - 1]  # the most that any text has
    most = np.diff(gram, append=-1) != 0
    shared = np.diff(gram, prepend=-1) == 0
    elsewhere[most] = np.where(shared, np.roll(counts, 1), 0)[most]  # the most that another has
    return np.bincount(text, np.minimum(counts, elsewhere), minlength=texts).astype(np.float64)


def _brevity(lengths: NDArray[np.int64]) -> Floats:
    """BLEU's penalty for each text that is shorter than the other text whose length is nearest, (texts,)."""
    order = np.argsort(lengths, kind="stable")
    held = lengths[order].astype(np.float64)
    below, above = np.append(-inf, held[:-1]), np.append(held[1:], inf)
    nearest = np.where(held - below <= above - held, below, above)
    penalties = np.empty(len(held))
    with np.errstate(divide="ignore", invalid="ignore"):
        penalties[order] = np.where(held < nearest, np.exp(1 - nearest / held), 1)
    return penalties


def _relative(p: Floats, q: Floats) -> float:
    """Relative entropy of p over q, which has all that p has, in bits."""
    held = p != 0
    return float((p[held] * np.log(p[held] / q[held])).sum() / log(2))
