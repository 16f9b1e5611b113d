"""A word n-gram model fitted to texts that the models before it wrote: the smallest language model that collapses."""

from collections import Counter
from typing import Any

import numpy as np
from pydantic import Field

from provenance.ngram import NgramModel
from trainer.testbed import Floats, Measures
from trainer.texts import TENTHS, TextBed, as_array, paragraphs, simpson


class Ngram(TextBed):
    """A model of words with absolute discounting (see `provenance.ngram`), measured on human texts that it never saw.

    Where there is no registry every tenth paragraph is held out.

    Attributes:
        order: the longest n-gram, in words.
        discount: what each n-gram gives up to shorter ones.
        max_words: where a text is cut that does not end by itself.
        unseen: the share of probability that all words of the human texts have in common when a model is measured,
            so that a word it has lost costs much and not everything.
    """

    order: int = Field(default=3, ge=1, le=8)
    discount: float = Field(default=0.75, ge=0, le=1)
    max_words: int = Field(default=200, ge=1)
    unseen: float = Field(default=0.01, gt=0, lt=1)

    def fit(self, samples: Any, weights: Floats | None, previous: Any, rng: np.random.Generator) -> NgramModel:
        texts = samples[0]
        if weights is not None:  # counts are whole: each text as often as it weighs, on average
            copies = weights * len(texts)
            texts = np.repeat(texts, np.floor(copies + rng.random(len(texts))).astype(int))
        return NgramModel.fit(texts.tolist(), self.order, self.discount)

    def sample(self, model: NgramModel, size: int, rng: np.random.Generator) -> Any:
        return as_array(model.sample(size, rng, self.max_words))[None]

    def measure(self, model: NgramModel, samples: Any) -> Measures:
        test = self.held_out or paragraphs(self.texts)[::TENTHS]
        known = set(model.vocabulary)
        types = Counter(word for text in test for word in text.split())
        rare = [word for word, count in types.items() if count == 1]
        shared = self.unseen / (len(types) + 1)
        likely = (1 - self.unseen) * model.word_probabilities(test) + shared
        loss = float(-np.log(likely).mean())
        values = {
            "cross_entropy": loss,  # nats a word
            "perplexity": float(np.exp(loss)),
            "vocabulary": float(len(known)),
            "coverage": sum(word in known for word in types) / len(types),
            "tail_coverage": sum(word in known for word in rare) / len(rare) if rare else float("nan"),
            "simpson": simpson(list(Counter(word for text in samples[0] for word in text.split()).values())),
        }
        return {metric: np.array([value]) for metric, value in values.items()}
