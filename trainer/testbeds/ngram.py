"""A word n-gram model fitted to texts that the models before it wrote: the smallest language model that collapses."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from provenance.errors import ProvError
from provenance.ngram import NgramModel
from trainer.testbed import Floats, Measures, TestBed


class Ngram(TestBed):
    """A model of words with absolute discounting (see `provenance.ngram`), measured on human texts that it never saw.

    Samples are texts. Where there is no registry they are the paragraphs of `texts`, of which every tenth is held out.

    Attributes:
        order: the longest n-gram, in words.
        discount: what each n-gram gives up to shorter ones.
        max_words: where a text is cut that does not end by itself.
        texts: a file of paragraphs, with blank lines between them; Python's own documentation where it is None.
        unseen: the share of probability that all words of the human texts have in common when a model is measured,
            so that a word it has lost costs much and not everything.
        held_out: the human texts to measure on, where they come from a registry.
    """

    vectorised: ClassVar[bool] = False
    unit: ClassVar[str] = "texts"
    takes_texts: ClassVar[bool] = True

    order: int = Field(default=3, ge=1, le=8)
    discount: float = Field(default=0.75, ge=0, le=1)
    max_words: int = Field(default=200, ge=1)
    texts: str | None = None
    unseen: float = Field(default=0.01, gt=0, lt=1)
    held_out: tuple[str, ...] = Field(default=(), repr=False)

    def grounded(self, human: Callable[[], Iterable[str]], held_out: Sequence[str]) -> "Ngram":
        if not held_out:
            raise ProvError(
                "the registry holds out no human text to measure on: hold some out first, as in "
                "`prov hold-out --frac 0.1 --seed 0 --name test`"
            )
        return self.model_copy(update={"held_out": tuple(held_out)})

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        paragraphs = [text for index, text in enumerate(_paragraphs(self.texts)) if index % 10]
        if size > len(paragraphs):
            raise ProvError(
                f"{self.texts or 'the texts that Python ships'} hold {len(paragraphs):,} paragraphs to learn from, "
                f"this needs {size:,}: give a smaller --size, or more with texts=FILE"
            )
        return np.stack([_as_array([paragraphs[i] for i in rng.permutation(len(paragraphs))[:size]])] * repeats)

    def fit(self, samples: Any, weights: Floats | None, previous: Any, rng: np.random.Generator) -> NgramModel:
        texts = samples[0]
        if weights is not None:  # counts are whole: each text as often as it weighs, on average
            copies = weights * len(texts)
            texts = np.repeat(texts, np.floor(copies + rng.random(len(texts))).astype(int))
        return NgramModel.fit(texts.tolist(), self.order, self.discount)

    def sample(self, model: NgramModel, size: int, rng: np.random.Generator) -> Any:
        return _as_array(model.sample(size, rng, self.max_words))[None]

    def measure(self, model: NgramModel, samples: Any) -> Measures:
        test = self.held_out or tuple(_paragraphs(self.texts)[::10])
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
            "simpson": _simpson(samples[0]),
        }
        return {metric: np.array([value]) for metric, value in values.items()}


def _as_array(texts: list[str]) -> Any:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


def _simpson(texts: Any) -> float:
    """The chance that two words of texts differ."""
    counts = np.array(list(Counter(word for text in texts for word in text.split()).values()), np.float64)
    return float(1 - ((counts / counts.sum()) ** 2).sum())


@lru_cache(maxsize=4)
def _paragraphs(path: str | None) -> list[str]:
    """The paragraphs of a file, or of Python's own documentation, each of four words or more."""
    if path is None:
        from pydoc_data.topics import topics

        whole = "\n\n".join(topics[name] for name in sorted(topics))
    else:
        try:
            whole = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProvError(f"cannot read texts from {path}: {error}; name a file of UTF-8 text") from error
    found = [" ".join(part.split()) for part in whole.split("\n\n")]
    long_enough = list(dict.fromkeys(part for part in found if part.count(" ") > 2))
    if len(long_enough) < 20:
        raise ProvError(
            f"{path} holds {len(long_enough)} paragraphs of four words or more, this needs 20: name another"
        )
    return long_enough
