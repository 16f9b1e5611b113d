"""What an experiment with language models stands on: human texts in parts, a test-bed, and what is measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from wikitext import PASSAGE_WORDS, Article, articles, parted, texts

from provenance.errors import ProvError
from registry.readers import Input, read
from trainer.metrics import (
    Foretold,
    Reference,
    foretold,
    human_measures,
    questions,
    text_measures,
    untrained,
    written_perplexity,
)
from trainer.metrics.entries import QUESTIONS
from trainer.model import LanguageModel
from trainer.streams import stream
from trainer.testbeds.language import Language
from trainer.texts import as_array

MEASURED_TEXTS = 300
"""So many written texts are measured by the baseline."""


class Plan(BaseModel):
    """The size of an experiment.

    Attributes:
        train, test: WikiText, of which the second is measured on.
        second: JSON Lines with human texts of another domain, which are measured on too.
        first_words, pool_words: human words that the first model learns from, and that there are beside them.
        tokenizer_words: human words for the tokenizer and for thresholds.
        test_words, second_texts: words of each test article, and texts of the other domain, that are measured on.
        compared_words: words of what a model writes that its measures are taken of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: Path
    test: Path
    second: Path | None
    first_words: int
    pool_words: int
    tokenizer_words: int = 20_000
    generations: int = 5
    model_size: str = "tiny"
    vocabulary: int = 1024
    context: int = 128
    epochs: int = 3
    batch_size: int = 8
    learning_rate: float = 5e-3
    test_words: int = 600
    second_texts: int = 120
    compared_words: int = 20_000

    def bed(self, tokenizer_texts: Sequence[str], held_out: Sequence[str], **more: Any) -> Language:
        """The test-bed, whose tokenizer learnt from some texts, and which measures on others."""
        made = Language.model_validate(
            {
                "model_size": self.model_size,
                "vocabulary": self.vocabulary,
                "context": self.context,
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "learning_rate": self.learning_rate,
                "test_texts": max(1, len(held_out)),
                **more,
            }
        )
        return made.model_copy(update={"tokenizer_texts": tuple(tokenizer_texts), "held_out": tuple(held_out)})

    def told_arm(self, name: str, schedule: str, seeds: Sequence[int], **more: Any) -> dict[str, Any]:
        """An arm as reports tell of it.

        Args:
            more: what is told too: `testbed_parameters` beside the plan's, `schedule_parameters`, `generations`.
        """
        bed = {"model_size": self.model_size, "epochs": self.epochs} | more.pop("testbed_parameters", {})
        given = {"schedule_parameters": {}, "generations": self.generations} | more
        told = {"name": name, "testbed": "language", "testbed_parameters": bed, "schedule": schedule, **given}
        return told | {"size": self.first_words, "repeats": len(seeds), "seeds": list(seeds), "theory": []}


@dataclass(frozen=True)
class World:
    """The texts of one seed: which articles the first model learns from, and which come later, differs by seed.

    Attributes:
        apart: the texts for the tokenizer and for thresholds, the same for every seed.
        first: what the first model learns from, and detectors; never drawn again.
        pool: the other human texts.
        test, article: the passages that are measured on, and the number of the article that each stands in.
        second: passages of the other domain.
    """

    plan: Plan
    seed: int
    apart: list[str]
    first: list[str]
    pool: list[str]
    test: list[str]
    article: list[int]
    second: list[str]

    @classmethod
    def of(cls, plan: Plan, seed: int) -> "World":
        """The texts of a seed, the passages of each part in an order that says nothing."""
        apart, rest = parted(articles(plan.train), [plan.tokenizer_words], np.random.default_rng(0))
        rng = stream(seed, 0, "articles")
        first, pool, _ = parted(rest, [plan.first_words, plan.pool_words], rng)
        tested = [_first_words(one, plan.test_words) for one in articles(plan.test)]
        return cls(
            plan,
            seed,
            texts(apart),
            _shuffled(texts(first), rng),
            _shuffled(texts(pool), rng),
            [passage for held in tested for passage in held],
            [number for number, held in enumerate(tested) for _ in held],
            _second(plan.second, plan.second_texts) if plan.second else [],
        )

    @cached_property
    def bed(self) -> Language:
        return self.plan.bed(self.apart, _shuffled(self.test, np.random.default_rng(0)))

    @cached_property
    def reference(self) -> Reference:
        """All human text that a model may have learnt from, and how much of a text is held against it."""
        known = _shuffled([*self.apart, *self.first, *self.pool], np.random.default_rng(0))
        return Reference.of(known, self.plan.compared_words, min(MEASURED_TEXTS, self.sample_size))

    def measured(
        self, model: LanguageModel, baseline: LanguageModel, written: Sequence[str], control: bool = False
    ) -> dict[str, Any]:
        """What is measured of a model.

        Args:
            baseline: the model that learnt from human text alone, which tells how likely what was written is.
            written: what the model wrote, `compared_words` of it at least.
            control: measure what a model gives that learnt nothing, too.
        Returns:
            `measures` by name, and `articles`, the bits per byte of each test article.
        """
        held = foretold(model, self.test, with_entropy=True)
        by_article = held.costs.by(self.article)
        measures = self._on_human_text(model, held)
        measures |= text_measures(written, self.reference, few=True)
        measures |= written_perplexity(baseline, written, self.reference.size_texts)
        if control:
            nothing = self._on_human_text(untrained(model))
            measures |= {f"control_{name}": value for name, value in nothing.items()}
        return {"measures": measures, "articles": (by_article.nats / np.log(2) / by_article.bytes).tolist()}

    def _on_human_text(self, model: LanguageModel, held: Foretold | None = None) -> dict[str, float]:
        asked = questions(self.test, self.reference, QUESTIONS)
        found = human_measures(model, self.test, self.reference, asked, held)
        if self.second:
            found["second_bits_per_byte"] = foretold(model, self.second).costs.bits_per_byte
        return found

    def fit(self, learnt: Sequence[str], steps: int | None, generation: int, role: str = "fit") -> LanguageModel:
        """A model from scratch; models of one seed, generation and role begin alike and see blocks in one order.

        Args:
            steps: how many, whatever there is to learn from; as many as the epochs take where it is None.
        """
        bed = self.bed if steps is None else self.bed.model_copy(update={"steps": steps})
        return bed.fit(as_array(learnt)[None], None, None, stream(self.seed, generation, role))

    @property
    def sample_size(self) -> int:
        """How many texts have as many words as are measured, and a few more."""
        mean_words = np.mean([text.count(" ") + 1 for text in self.test])
        return int(self.plan.compared_words / mean_words * 1.3) + 20

    def sample_of(self, model: LanguageModel, role: str, generation: int) -> list[str]:
        """As much of what a model writes as is measured."""
        return self.bed.write(model, self.sample_size, stream(self.seed, generation, role)).texts


def _shuffled(held: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [held[place] for place in rng.permutation(len(held))]


def _first_words(article: Article, most: int) -> list[str]:
    """The passages of an article up to so many words."""
    kept: list[str] = []
    for passage in article.passages:
        kept.append(passage)
        most -= passage.count(" ") + 1
        if most <= 0:
            break
    return kept


def _second(path: Path, most: int) -> list[str]:
    """Passages of the first so many human texts of JSON Lines."""
    rows = (row.values for row in read(Input(path, path.name)))
    human = [str(row["text"]) for row in rows if row.get("origin") == "human"]
    if not human:
        raise ProvError(f"{path} holds no text with the origin human: name a file that does")
    return [passage for text in dict.fromkeys(human[:most]) for passage in _cut(text.split(), PASSAGE_WORDS)]


def _cut(words: Sequence[str], most: int) -> Iterable[str]:
    return (" ".join(words[start : start + most]) for start in range(0, len(words), most))
