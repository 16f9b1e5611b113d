"""Texts as numbered words and their n-grams, and the human text that others are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from provenance.errors import ProvError
from provenance.origin import words

Integers = NDArray[np.int64]

MOST_TEXTS = 1_000
"""Of more texts, measures that go text by text take the first ones."""
RARE = 4
"""A word is rare that human text has so often at most."""


class TooFewWords(ProvError):
    """Human texts with fewer words than are to be compared."""

    def __init__(self, wanted: int, there_is: int) -> None:
        self.wanted, self.there_is = wanted, there_is
        super().__init__(
            f"measures are to compare {wanted:,} words, the human texts have {there_is:,}: "
            "give more human text, or compare fewer words"
        )


@dataclass(frozen=True, eq=False)
class Words:
    """The words of texts, one text after another, as numbers.

    Attributes:
        spelled: the words.
        ids: (words,) int64, the same for the same word.
        text: (words,) int64, the number of the text that a word stands in, rising.
    """

    spelled: list[str]
    ids: Integers
    text: Integers
    _held: dict[int, Integers] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, texts: Iterable[str], size_words: int | None = None, known: Mapping[str, int] | None = None) -> Self:
        """The first so many words of texts, all of them where it is None.

        Args:
            known: numbers of words, from 0 and none left out; other words have the numbers from there on.
        """
        spelled: list[str] = []
        lengths: list[int] = []
        for text in texts:
            if size_words is not None and len(spelled) >= size_words:
                break
            own = words(text)
            spelled += own
            lengths.append(len(own))
        ids = dict(known or {})
        numbers = np.fromiter((ids.setdefault(word, len(ids)) for word in spelled[:size_words]), np.int64)
        return cls(spelled[:size_words], numbers, np.repeat(np.arange(len(lengths)), lengths)[:size_words])

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def counts(self) -> Integers:
        """How often each word is met, the most frequent first, (types,)."""
        return self.gram_counts(1)

    def gram_counts(self, n: int) -> Integers:
        """How often each n-gram is met, the most frequent first, (types,)."""
        counts = np.sort(np.bincount(self.grams(n)[0]))[::-1]
        return counts[: np.count_nonzero(counts)]

    def grams(self, n: int) -> tuple[Integers, Integers]:
        """The n-grams that lie within a text, in order.

        Returns:
            Numbers from 0, the same for the same n-gram, and the text that each stands in; both (n-grams,).
        """
        codes = self._codes(n)
        text = self.text[: len(codes)]
        inside = text == self.text[n - 1 :]
        return codes[inside], text[inside]

    def _codes(self, n: int) -> Integers:
        """Numbers of all n-grams, also of those that reach into the next text."""
        if n not in self._held:
            codes = self._codes(n - 1)[:-1] << 32 | self.ids[n - 1 :] if n > 1 else self.ids
            self._held[n] = np.unique(codes, return_inverse=True)[1].astype(np.int64, copy=False)
        return self._held[n]


@dataclass(frozen=True, eq=False)
class Reference:
    """Human text that others are held against, counted once.

    Attributes:
        counts: how often all of it has each word.
        words: its first `size_words` words; `ids` number the words of `counts` from 0, in their order.
        size_texts: how many texts are compared where measures go text by text.
    """

    counts: Mapping[str, int]
    words: Words
    size_texts: int

    @classmethod
    def of(cls, texts: Sequence[str], size_words: int | None = None, size_texts: int = MOST_TEXTS) -> Self:
        """Human texts, counted.

        Args:
            texts: in an order that says nothing, as the first ones stand for all.
            size_words: how many words are compared; as many as `texts` have where it is None.
            size_texts: how many texts are; at most `MOST_TEXTS`.
        Raises:
            TooFewWords: `texts` have none, or fewer than that.
        """
        counts = Counter(word for text in texts for word in words(text))
        wanted = max(1, counts.total()) if size_words is None else size_words
        if counts.total() < wanted:
            raise TooFewWords(wanted, counts.total())
        return cls(counts, Words.of(texts, wanted, _numbered(counts)), min(size_texts, MOST_TEXTS))

    @property
    def size_words(self) -> int:
        """How many words are compared."""
        return len(self.words)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word that there is."""
        return _numbered(self.counts)

    @cached_property
    def times(self) -> Integers:
        """How often there is each word, by its number, (types,)."""
        return np.fromiter(self.counts.values(), np.int64)

    def compared(self, texts: Iterable[str]) -> Words:
        """Of other texts what is compared: their first words, numbered alike."""
        return Words.of(texts, self.size_words, self.numbers)

    def is_rare(self, word: str) -> bool:
        """Whether there is a word, but seldom: of those that are forgotten first."""
        return 1 <= self.counts.get(word, 0) <= RARE


def _numbered(counts: Mapping[str, int]) -> dict[str, int]:
    return {word: number for number, word in enumerate(counts)}
