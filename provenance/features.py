"""Features: what is cheap to tell of a text's style, the likelihood of its words under n-gram models among it."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from sys import intern

import numpy as np
from numpy.typing import NDArray

from provenance.ngram import NgramModel

Floats = NDArray[np.float64]

READ_CHARS = 20_000
"""So much of a text is looked at: more says no more."""

LIKELIHOODS = ("human_likelihood", "model_likelihood", "likelihood_spread", "ratio_spread", "unknown_words")
SURFACE = (
    *("word_length", "word_length_spread", "sentence_length", "sentence_length_spread", "distinct_words"),
    *("repeated_pairs", "repeated_triples", "function_words", "commas", "full_stops", "exclamations", "quotes"),
    *("colons", "dashes", "brackets", "apostrophes", "capitals", "digits", "newlines", "not_ascii", "compression"),
)
FEATURES = LIKELIHOODS + SURFACE

WINDOW = 50
"""Distinct words are counted among so many, whatever the length of the text."""
REPEATED_WORDS = 200
COMPRESSED_BYTES = 2_000

_WORD = re.compile(r"\w+|[^\w\s]")
_SENTENCE_END = re.compile(r"[.!?]+(?:\s+|$)")
_MARKS = (",", ".", "!?", '"“”„«»', ":;", "-–—", "()[]{}", "'’‘")
_ENGLISH = """
    a about after all also an and any are as at be because been before but by can could did do for from
    had has have he her him his how i if in into is it its just may me more my no not of on one only or
    other our out over she so some than that the their them then there these they this those to up was
    we were what when where which who will with would you your
"""
_FUNCTION_WORDS = frozenset(_ENGLISH.split())
"""Of English; in another language their share is small for everybody, and says nothing."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, and its punctuation marks, each a word of its own."""
    return [*map(intern, _WORD.findall(text[:READ_CHARS].lower()))]  # the same word of many texts is held once


def length_of(text: str) -> int:
    """How many words a text has, as far as it is looked at: what lies between white space."""
    return len(text[:READ_CHARS].split())


def beginning(text: str, words: int) -> str:
    """The first words of a text, as they stand there.

    >>> beginning("one  two three", 2), beginning(" one ", 2)
    ('one  two', ' one ')
    """
    text = text[:READ_CHARS]
    parts = text.split(None, words)
    return text[: len(text) - len(parts[words])].rstrip() if len(parts) > words else text


# -- on the surface


def surface(text: str) -> list[float]:
    """The features `SURFACE` of a text; all are shares and means, and finite for every text."""
    text = text[:READ_CHARS]
    words = text.split()
    lower = [word.lower() for word in words[: 10 * WINDOW]]
    sentences = [len(part.split()) for part in _SENTENCE_END.split(text) if part.strip()]
    chars, count = max(1, len(text)), max(1, len(words))
    found = Counter(text)
    head = text.encode()[:COMPRESSED_BYTES]
    return [
        *_mean_and_spread([len(word) for word in words]),
        *map(math.log1p, _mean_and_spread(sentences)),
        _distinct(lower),
        _repeated(lower[:REPEATED_WORDS], 2),
        _repeated(lower[:REPEATED_WORDS], 3),
        sum(word.strip(".,;:!?\"'()") in _FUNCTION_WORDS for word in lower) / max(1, len(lower)),
        *(sum(found[mark] for mark in marks) / count for marks in _MARKS),
        sum(times for char, times in found.items() if char.isupper()) / chars,
        sum(times for char, times in found.items() if char.isdigit()) / chars,
        found["\n"] / count,
        sum(times for char, times in found.items() if not char.isascii()) / chars,
        len(zlib.compress(head, 6)) / max(1, len(head)),
    ]


def surfaces(texts: Sequence[str]) -> Floats:
    """The same of several texts, (texts, 21)."""
    rows = [surface(text) for text in texts]
    return np.array(rows, np.float64).reshape(len(rows), len(SURFACE))


def _mean_and_spread(sizes: Sequence[int]) -> tuple[float, float]:
    count = max(1, len(sizes))
    mean = sum(sizes) / count
    return mean, math.sqrt(max(0.0, sum(size * size for size in sizes) / count - mean * mean))


def _distinct(words: Sequence[str]) -> float:
    """The share of words that are distinct, on average over windows of one size."""
    windows = [words[start : start + WINDOW] for start in range(0, max(1, len(words) - WINDOW + 1), WINDOW)]
    return sum(len(set(window)) / max(1, len(window)) for window in windows) / len(windows)


def _repeated(words: Sequence[str], n: int) -> float:
    """The share of n-grams that stood there before."""
    grams = list(zip(*(words[start:] for start in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


# -- n-gram models


ORDER = 2
"""Three words tell hardly more, and phrases of the texts would stand in what is kept."""
DISCOUNT = 0.75
UNSEEN = 0.01
"""The share of probability that all words have in common, so that one that a model never saw costs much, not all."""
RARE = "<rare>"
"""Stands for words of one text alone: they tell what a text is about, and should not outlive it."""


@dataclass(frozen=True)
class Likelihood:
    """Two n-gram models, of human and of models' texts, over one vocabulary.

    Attributes:
        vocabulary: the words that two texts or more have.
    """

    vocabulary: frozenset[str]
    human: NgramModel
    model: NgramModel

    @classmethod
    def fit(cls, words: Sequence[Sequence[str]], is_model: NDArray[np.bool_], order: int = ORDER) -> "Likelihood":
        """Fit both to the words of texts, each as `words_of` gives them.

        Raises:
            NoWords: the texts of one class hold none.
        """
        counts = Counter(word for of_text in words for word in set(of_text))
        known = frozenset(word for word, count in counts.items() if count > 1)
        sides = [
            [_line(words[text], known) for text in np.flatnonzero(is_model == side).tolist()] for side in (False, True)
        ]
        return cls(known, *(NgramModel.fit(side, order, DISCOUNT) for side in sides))

    def features(self, words: Sequence[Sequence[str]]) -> Floats:
        """The features `LIKELIHOODS` of texts, (texts, 5): log probabilities are those of a word, on average."""
        lines = [_line(of_text, self.vocabulary) for of_text in words]
        human, model = (self._logs(side, lines) for side in (self.human, self.model))
        ends = np.cumsum([len(of_text) + 1 for of_text in words])  # a text's end has a probability too
        columns = np.zeros((len(words), len(LIKELIHOODS)))
        for text, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
            if end - start > 1:
                by_human, by_model = human[start : end - 1], model[start : end - 1]
                unknown = sum(word not in self.vocabulary for word in words[text]) / len(words[text])
                spread, ratio_spread = by_human.std(), (by_model - by_human).std()
                columns[text] = by_human.mean(), by_model.mean(), spread, ratio_spread, unknown
        return columns

    def _logs(self, side: NgramModel, lines: Iterable[str]) -> Floats:
        likely = side.word_probabilities(lines)
        logs: Floats = np.log((1 - UNSEEN) * likely + UNSEEN / (len(self.vocabulary) + 1))
        return logs


def _line(words: Iterable[str], known: frozenset[str]) -> str:
    return " ".join(word if word in known else RARE for word in words)


# -- excerpts


def excerpts(texts: Iterable[str], rng: np.random.Generator, least: int = 5) -> Iterator[str]:
    """Of each text a part of a random length, short ones as likely as long ones: a detector must know them too."""
    for text in texts:
        text = text[:READ_CHARS]
        words = [match.span() for match in re.finditer(r"\S+", text)]
        if len(words) <= least:
            yield text
            continue
        count = int(np.exp(rng.uniform(np.log(least), np.log(len(words)))))
        first = int(rng.integers(0, len(words) - count + 1))
        yield text[words[first][0] : words[first + count - 1][1]]
