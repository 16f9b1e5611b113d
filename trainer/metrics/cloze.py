"""A cloze task from human texts: which of some words ends a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from provenance.origin import words
from trainer.metrics.costs import foretold
from trainer.metrics.variety import BANDS
from trainer.metrics.wording import Reference

if TYPE_CHECKING:
    from trainer.model import LanguageModel

CHOICES = 4
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_LEAST_WORDS, _LEAST_LETTERS = 5, 3


@dataclass(frozen=True)
class Question:
    """A sentence that wants its last word.

    Attributes:
        before: its words but the last.
        choices: the true word, and others that end other sentences.
    """

    before: str
    choices: tuple[str, ...]


def questions(texts: Sequence[str], reference: Reference, size: int, seed: int = 0) -> list[Question]:
    """Questions from sentences of texts, drawn by a seed; as many as there are where those are fewer than `size`.

    The other words end other sentences of the same texts, and human text has them about as often (`BANDS`), so that
    neither frequency nor place tells which is true.
    """
    sentences = [sentence for text in texts for sentence in _sentences(text)]
    by_band: dict[str, list[str]] = {}
    for word in sorted({last for _, last in sentences}):
        by_band.setdefault(_band(word, reference.counts), []).append(word)
    rng = np.random.default_rng(seed)
    found: list[Question] = []
    for place in rng.permutation(len(sentences)):
        if len(found) == size:
            break
        before, last = sentences[place]
        others = [word for word in by_band[_band(last, reference.counts)] if word != last]
        if len(others) >= CHOICES - 1:
            drawn = rng.choice(len(others), CHOICES - 1, replace=False)
            found.append(Question(before, (last, *(others[other] for other in drawn))))
    return found


def accuracy(model: LanguageModel, asked: Sequence[Question]) -> float:
    """The share of questions whose true word a model finds likelier than each other one; NaN without a question.

    O(choices · tokens of the sentences). What chance gives is what `untrained` gives: short words are likelier to
    a model that knows nothing, so it need not be one in `CHOICES`.
    """
    if not asked:
        return float("nan")
    texts = [f"{one.before} {choice}" for one in asked for choice in one.choices]
    costs = foretold(model, texts)
    encoded = model.tokenizer.encode_batch(texts, add_special_tokens=False)
    nats = np.empty(len(texts))
    for place, encoding in enumerate(encoded):
        begun = len(asked[place // CHOICES].before)
        in_choice = np.array([stop > begun for _, stop in encoding.offsets], np.bool_)
        nats[place] = costs.of_text(place)[:-1][in_choice].sum()
    of_questions = nats.reshape(len(asked), CHOICES)
    return float((of_questions[:, 0] < of_questions[:, 1:].min(axis=1)).mean())


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """Sentences of five words or more whose last is one of three letters or more: what is before it, and it."""
    for sentence in _BETWEEN_SENTENCES.split(text):
        whole = sentence.rstrip(".!? ")
        before, _, last = whole.rpartition(" ")
        long_enough = len(last) >= _LEAST_LETTERS and len(words(before)) >= _LEAST_WORDS - 1
        if whole != sentence and last.isalpha() and long_enough:
            yield before.strip(), last


def _band(word: str, counts: Mapping[str, int]) -> str:
    """The band of frequency of a word; "0" where there is none."""
    count = counts.get(word, 0)
    return next((name for name, (least, most) in BANDS.items() if least <= count <= most), "0")
