"""A word n-gram language model with absolute discounting: the smallest model that writes texts of its own.

With a context c of up to order - 1 words, and c' the same context without its first word,

    P(w | c) = max(count(c w) - D, 0) / count(c) + D * types(c) / count(c) * P(w | c')

(Ney, Essen & Kneser 1994, "On structuring probabilistic dependences in stochastic language modelling",
Computer Speech & Language 8, in the interpolated form). The mass D that each n-gram gives up lets a sampled
text leave the texts that the model was fitted to. The empty context gives the plain frequencies.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import click
import numpy as np
from numpy.typing import NDArray

from provenance.errors import ProvError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

UNSEEN = -1  # an n-gram that the training texts lack; as an index it takes the last row, kept for it
INSIDE, START = 0, 1  # the two empty contexts: a text can end after a word, but not before its first


class NoWords(ProvError):
    """The texts to fit hold no word."""

    def __init__(self, texts: int) -> None:
        self.texts = texts
        super().__init__(
            f"an n-gram model needs at least one text with words, got 0 in {texts:,} texts: "
            "give it texts that are not blank"
        )


class OutOfRange(ProvError):
    """A parameter has a value that no model can work with."""

    def __init__(self, name: str, wanted: str, value: float) -> None:
        self.name, self.wanted, self.value = name, wanted, value
        super().__init__(f"{name} must be {wanted}, got {value}: choose another {name}")


class NotAText(ProvError):
    """A line of the input is no JSON object with a text."""

    def __init__(self, name: str, line: int) -> None:
        self.name, self.line = name, line
        super().__init__(
            f'every line must be a JSON object with a string "text", line {line:,} of {name} is not: mend or remove it'
        )


@dataclass(frozen=True, slots=True, eq=False)
class NgramModel:
    """A fitted model: the sorted vocabulary and one level of n-grams for each length of context.

    A symbol is the place of a word in the vocabulary, or the number after the last: the end of a text, which
    is also the start of the next. The order of the training texts leaves no trace.
    """

    vocabulary: tuple[str, ...]
    levels: tuple[_Level, ...]  # levels[k] knows what follows k symbols

    @property
    def end(self) -> int:
        """The symbol that ends a text."""
        return len(self.vocabulary)

    @classmethod
    def fit(cls, texts: Iterable[str], order: int = 3, discount: float = 0.75) -> NgramModel:
        """Count the n-grams of the texts, up to `order` words long; blank texts have none and do not count.

        Raises:
            NoWords: there is no text, or all are blank.
            OutOfRange: order is below 1, or discount not in 0 to 1.
        """
        _require(order >= 1, "order", "1 or more", order)
        _require(0 <= discount <= 1, "discount", "between 0 and 1", discount)
        split = [text.split() for text in texts]
        vocabulary = tuple(sorted(set(chain.from_iterable(split))))
        if not vocabulary:
            raise NoWords(len(split))
        stream = _stream(filter(None, split), vocabulary)
        return cls(vocabulary, tuple(_levels(stream, len(vocabulary), order, discount)))

    @classmethod
    def of_counts(
        cls, vocabulary: Sequence[str], grams: Sequence[tuple[Ints, Ints]], discount: float = 0.75
    ) -> NgramModel:
        """Put together the model whose `counts` these are."""
        radix, contexts = len(vocabulary) + 2, [2, len(vocabulary) + 1, *(len(keys) for keys, _ in grams[1:])]
        discounts = [0.0, *(discount for _ in grams[1:])]
        levels = [
            _Level.of(radix, keys, counts, held, given_up)
            for (keys, counts), held, given_up in zip(grams, contexts, discounts, strict=False)
        ]
        return cls(tuple(vocabulary), tuple(levels))

    def counts(self) -> list[tuple[Ints, Ints]]:
        """Tell the n-grams of each length, as sorted keys, and how often the texts have each."""
        return [(level.keys, level.counts()) for level in self.levels]

    def sample(self, size: int, rng: np.random.Generator, max_words: int = 200) -> list[str]:
        """Write `size` texts, each of at least one word, ended by the model or cut at `max_words`."""
        _require(size >= 0, "size", "0 or more", size)
        _require(max_words >= 1, "max_words", "1 or more", max_words)
        written: list[list[str]] = [[] for _ in range(size)]
        unfinished = np.arange(size)
        state = np.repeat(self._states(np.array([self.end])), size, axis=1)  # (levels, unfinished)
        for _ in range(max_words):
            symbols = self._draw(state, rng.random(len(unfinished)))
            going = symbols != self.end
            unfinished, symbols = unfinished[going], symbols[going]
            state = self._after(state[:, going], symbols)
            for text, symbol in zip(unfinished.tolist(), symbols.tolist(), strict=True):
                written[text].append(self.vocabulary[symbol])
            if not len(unfinished):
                break
        return [" ".join(words) for words in written]

    def log_probability(self, texts: Iterable[str]) -> Floats:
        """Give the natural log of each text's probability, its end included, (texts,).

        A text that the model cannot write, as it is blank or has a word outside the vocabulary, has -inf.
        """
        stream = _stream((text.split() for text in texts), self.vocabulary)
        with np.errstate(divide="ignore"):
            logs = np.log(self._probability(self._states(stream), stream))
        return np.asarray(np.add.reduceat(logs, np.flatnonzero(_starts(stream, self.end))))

    def word_probabilities(self, texts: Iterable[str]) -> Floats:
        """Give the probability of each word and each end of the texts, in their order, (words + texts,).

        A word outside the vocabulary has 0.
        """
        stream = _stream((text.split() for text in texts), self.vocabulary)
        return self._probability(self._states(stream), stream)

    def distribution(self, before: str = "") -> Floats:
        """Give the probability of every word, and last of the end, after those of `before`, (words + 1,)."""
        state = self._states(_stream([before.split()], self.vocabulary))[:, -1:]
        symbols = np.arange(self.end + 1)
        return self._probability(state.repeat(len(symbols), axis=1), symbols)

    def _states(self, stream: Ints) -> Ints:
        """Find the context of every length before each symbol of whole texts, (levels, symbols)."""
        starts = _starts(stream, self.end)
        state = [np.where(starts, START, INSIDE), np.roll(stream, 1)]
        for level in self.levels[1:-1]:
            state.append(_longer(level, state[-1], stream, starts))
        return np.stack(state[: len(self.levels)])

    def _after(self, state: Ints, symbols: Ints) -> Ints:
        """Move each state, (levels, texts), past the word that was drawn from it."""
        longer = [level.find(context, symbols) for level, context in zip(self.levels[1:-1], state[1:-1], strict=True)]
        return np.stack([np.full_like(symbols, INSIDE), symbols, *longer][: len(self.levels)])

    def _draw(self, state: Ints, uniform: Floats) -> Ints:
        """Draw a symbol for each state, from the longest context whose own share the uniform number hits."""
        symbols = np.full(len(uniform), UNSEEN)
        for level, context in zip(self.levels[::-1], state[::-1], strict=True):
            (waiting,) = np.nonzero(symbols == UNSEEN)
            symbols[waiting], uniform[waiting] = level.draw(context[waiting], uniform[waiting])
        return symbols

    def _probability(self, state: Ints, symbols: Ints) -> Floats:
        """Give P(w | c) of the module's formula, from the empty context up."""
        probability = np.zeros(len(symbols))
        for level, context in zip(self.levels, state, strict=True):
            probability = level.share(context, symbols) + level.backoff[context] * probability
        return probability


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The n-grams of one length, each a context and the symbol after it, sorted by both.

    The place of an n-gram among them names it as a context one level up: so contexts stay dense, and a key
    is below (symbols in the texts)², far inside int64.
    """

    radix: int  # above every symbol
    keys: Ints  # (grams,): context * radix + symbol
    mass: Floats  # (grams + 1,): discounted counts, summed over the grams before
    first: Ints  # (contexts + 1,): where the context's grams begin; the last row is that of UNSEEN
    stop: Ints  # (contexts + 1,): the place after its last gram
    total: Floats  # (contexts + 1,): how often any symbol followed it
    backoff: Floats  # (contexts + 1,): the share that goes to the shorter context, D * types / total

    @classmethod
    def of(cls, radix: int, keys: Ints, counts: Ints, contexts: int, discount: float) -> _Level:
        """Sum up the counts, each at least 1, of sorted keys."""
        types = np.bincount(keys // radix, minlength=contexts + 1)
        total = np.bincount(keys // radix, counts, minlength=contexts + 1).astype(np.float64)
        backoff = np.divide(discount * types, total, out=np.ones(contexts + 1), where=total > 0)
        mass = np.concatenate([[0.0], np.cumsum(counts - discount)])
        stop = np.cumsum(types)
        return cls(radix, keys, mass, stop - types, stop, total, backoff)

    def counts(self) -> Ints:
        """Give back the counts: what all n-grams gave up, each the same, is what the total lacks."""
        discount = (self.total.sum() - self.mass[-1]) / len(self.keys)
        counts: Ints = np.rint(np.diff(self.mass) + discount).astype(np.int64)
        return counts

    def find(self, context: Ints, symbols: Ints) -> Ints:
        """Find the place of each n-gram, UNSEEN where the texts have none."""
        wanted = context * self.radix + symbols
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, place, UNSEEN)

    def share(self, context: Ints, symbols: Ints) -> Floats:
        """Give the discounted relative frequency of each symbol after its context."""
        place = self.find(context, symbols)
        held = self.mass[place + 1] - self.mass[place]
        return np.divide(held, self.total[context], out=np.zeros(len(place)), where=place != UNSEEN)

    def draw(self, context: Ints, uniform: Floats) -> tuple[Ints, Floats]:
        """Turn each uniform number into a symbol, or into UNSEEN and a uniform number to back off with."""
        backoff = self.backoff[context]
        aim = self.mass[self.first[context]] + (uniform - backoff) * self.total[context]
        # Rounding can carry the aim to the next context's first gram: hold it back.
        place = np.minimum(np.searchsorted(self.mass, aim, side="right"), self.stop[context]) - 1
        left = np.divide(uniform, backoff, out=np.zeros(len(uniform)), where=backoff > 0)
        return np.where(uniform < backoff, UNSEEN, self.keys[place] % self.radix), left


def _levels(stream: Ints, end: int, order: int, discount: float) -> Iterator[_Level]:
    """Count level after level, until `order` or until no text is long enough for the next."""
    counts = np.bincount(stream, minlength=end + 1)
    radix = end + 2  # the words, the end, and any word from outside, whose number is never counted
    unigrams = np.concatenate([np.arange(end + 1), START * radix + np.arange(end)])
    yield _Level.of(radix, unigrams, np.concatenate([counts, counts[:end]]), 2, discount=0.0)
    starts, context, contexts = _starts(stream, end), np.roll(stream, 1), end + 1
    for _ in range(order - 1):
        known = context != UNSEEN
        if not known.any():
            break
        keys, counts = np.unique(context[known] * radix + stream[known], return_counts=True)
        level = _Level.of(radix, keys, counts, contexts, discount)
        yield level
        context, contexts = _longer(level, context, stream, starts), len(keys)


def _longer(level: _Level, context: Ints, stream: Ints, starts: NDArray[np.bool_]) -> Ints:
    """Lengthen the context before each symbol by one; none reaches back beyond the start of its text."""
    return np.where(starts, UNSEEN, np.roll(level.find(context, stream), 1))


def _stream(texts: Iterable[Sequence[str]], vocabulary: Sequence[str]) -> Ints:
    """Chain the symbols of all texts, each closed by the end; a word from outside has the number after it."""
    symbol = {word: place for place, word in enumerate(vocabulary)}
    end, outside = len(symbol), len(symbol) + 1
    closed = ([symbol.get(word, outside) for word in words] + [end] for words in texts)
    return np.fromiter(chain.from_iterable(closed), np.int64)


def _starts(stream: Ints, end: int) -> NDArray[np.bool_]:
    return np.roll(stream == end, 1)


def _require(fine: bool, name: str, wanted: str, value: float) -> None:
    if not fine:
        raise OutOfRange(name, wanted, value)


def read_texts(lines: BinaryIO, name: str) -> Iterator[str]:
    """Read the field "text" of every JSON line; a line without one raises NotAText."""
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise NotAText(name, number) from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise NotAText(name, number)
        yield row["text"]


@click.command()
@click.argument("texts", type=click.File("rb"))
@click.option("--count", type=click.IntRange(min=1), required=True, help="How many texts to write.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Same seed, same texts.")
@click.option("--order", type=click.IntRange(min=1), default=3, show_default=True, help="The longest n-gram, in words.")
@click.option(
    "--max-words",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Where to cut a text that does not end by itself.",
)
def generate(texts: BinaryIO, count: int, seed: int, order: int, max_words: int) -> None:
    """Fit an n-gram model to TEXTS, JSON lines with a "text" (- for standard input), and write new texts.

    \b
    Example:  python -m provenance.ngram texts.jsonl --count 500 --seed 1 > generated.jsonl
    """
    model = NgramModel.fit(read_texts(texts, texts.name), order)
    for text in model.sample(count, np.random.default_rng(seed), max_words):
        click.echo(json.dumps({"text": text}))


def main() -> None:
    """Run the command; what the user can mend is one line and exit 1."""
    try:
        generate()
    except ProvError as error:
        click.echo(f"prov: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
