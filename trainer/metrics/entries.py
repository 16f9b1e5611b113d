"""All measures of collapse at once: of texts, and of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.metrics import histogram, variety
from trainer.metrics.cloze import Question, accuracy, questions
from trainer.metrics.costs import Foretold, foretold, untrained, word_costs
from trainer.metrics.wording import Reference, Words
from trainer.texts import simpson

if TYPE_CHECKING:
    from trainer.model import LanguageModel

QUESTIONS = 200
QUANTILES = (5, 50, 95, 99)

_Measure = Callable[[Words, Reference], float]


def _alone(measure: Callable[..., float], *more: Any) -> _Measure:
    """A measure of words that no other words enter."""
    return lambda words, reference: measure(words, *more)


def _beside(measure: Callable[..., float], *more: Any) -> _Measure:
    """A measure of words beside the human text."""
    return lambda words, reference: measure(words, reference, *more)


def _beside_words(measure: Callable[..., float], *more: Any) -> _Measure:
    """A measure of words beside as many human ones."""
    return lambda words, reference: measure(words, reference.words, *more)


_OF_WORDS: dict[str, _Measure] = {
    "vocabulary": _alone(variety.vocabulary),
    "hapaxes": _alone(variety.hapaxes),
    "simpson": _alone(lambda words: simpson(words.counts)),
    "shannon": _alone(variety.shannon),
    "zipf_exponent": _alone(variety.zipf_exponent),
    **{f"recall_{band}": _beside(variety.recall, band) for band in variety.BANDS},
    "invented_words": _beside(variety.invented_words),
    "invented_types": _beside(variety.invented_types),
    **{f"concentration_{n}": _alone(variety.concentration, n) for n in (1, 2)},
    **{f"js_divergence_{n}": _beside_words(variety.js_divergence, n) for n in (1, 2)},
    **{f"distinct_{n}": _alone(variety.distinct, n) for n in range(1, 5)},
    **{f"rep_{n}": _alone(variety.rep, n) for n in range(2, 5)},
    "diversity": _alone(variety.diversity),
    "compression_ratio": _alone(variety.compression_ratio),
}


def text_measures(texts: Sequence[str], reference: Reference, few: bool = False) -> dict[str, float]:
    """What tells of collapse in texts, held against human ones.

    All but the last are of the first `reference.size_words` words, and NaN where there are fewer.

    | measure | of what, in which unit |
    | --- | --- |
    | `vocabulary`, `hapaxes` | words that differ; those of them that are there once |
    | `simpson`, `shannon` | chance that two words differ; entropy of words in nats |
    | `zipf_exponent` | negative slope of log count over log rank, ranks 10 to 1,000 |
    | `recall_1`, `_2_4`, `_5_9`, `_10_99`, `_100` | share of the words that human text has so often |
    | `invented_words`, `invented_types` | share of words, of words that differ, that human text does not have |
    | `concentration_1`, `_2` | share of the n-grams that the most frequent 1 % of those that differ have |
    | `js_divergence_1`, `_2` | Jensen–Shannon divergence from human n-grams, bits, 0 to 1 |
    | `distinct_1` … `_4` | n-grams that differ, per n-gram |
    | `rep_2` … `_4`, `diversity` | share of n-grams that repeat one of their text; Π (1 − rep-n) |
    | `compression_ratio` | bytes before zlib, per byte after |
    | `self_bleu` | of the first `reference.size_texts` texts (NaN where there are fewer), 0 to 1 |

    1,000 texts of 100 words take 0.5 s of one core, 0.1 s of them for `self_bleu`; each is O(words · log words).

    Args:
        few: leave out `self_bleu`.
    """
    words = reference.compared(texts)
    enough = len(words) == reference.size_words
    found = {name: measure(words, reference) if enough else float("nan") for name, measure in _OF_WORDS.items()}
    if not few:
        compared = texts[: reference.size_texts]
        enough = len(compared) == reference.size_texts
        found["self_bleu"] = variety.self_bleu(Words.of(compared), len(compared)) if enough else float("nan")
    return found


def model_measures(
    model: LanguageModel,
    test: Sequence[str],
    reference: Reference,
    baseline: LanguageModel | None = None,
    generated: Sequence[str] | None = None,
    few: bool = False,
) -> dict[str, float]:
    """What tells of collapse in a model, measured on human texts that it never saw; and in what it wrote.

    | measure | of what, in which unit |
    | --- | --- |
    | `cross_entropy`, `perplexity` | nats a token, the end of each text among them; its exponential |
    | `bits_per_byte` | bits a byte of UTF-8 |
    | `rare_cross_entropy` | nats a word, of words that human text has 1 to 4 times |
    | `predictive_entropy` | entropy of the next token, as the model sees it, in nats, on average |
    | `cloze_accuracy` | share of 200 questions answered (see `trainer.metrics.cloze`) |
    | `control_…` | each of the above for a model that learnt nothing; with the baseline alone, as it never changes |
    | `written_perplexity_q05` … `_q99` | of the generated texts under the baseline, quantiles over texts |
    | `written_perplexity_share_of_bin_07`, `…_above` | their histogram (see `trainer.metrics.histogram`) |

    O(tokens). 200 test texts of 100 words (40,000 tokens) take a model of 0.25 M parameters 1.2 s of one core where
    `few`; the cloze task adds 0.9 s, the control as much as both, and 1,000 generated texts, which are the most, 5 s.

    Args:
        test: human texts; another domain's, or other human texts, are measured by another call.
        baseline: the model of generation 1, perhaps `model` itself; without it, or without `generated`, there is no
            `written_perplexity`.
        generated: what the model wrote; the first `reference.size_texts` are measured, all NaN where there are fewer.
        few: leave out the cloze task, the control and what the baseline thinks of the texts.
    """
    asked = None if few else questions(test, reference, QUESTIONS)
    found = human_measures(model, test, reference, asked)
    if few:
        return found
    if baseline is None or baseline is model:
        control = human_measures(untrained(model), test, reference, asked)
        found |= {f"control_{name}": value for name, value in control.items()}
    if baseline is not None and generated is not None:
        found |= written_perplexity(baseline, generated, reference.size_texts)
    return found


def human_measures(
    model: LanguageModel,
    test: Sequence[str],
    reference: Reference,
    asked: Sequence[Question] | None,
    held: Foretold | None = None,
) -> dict[str, float]:
    """What `model_measures` tells of a model by human text.

    Args:
        asked: the cloze task; None to leave it out.
        held: the texts as the model foretells them, with the entropy, where that is at hand.
    """
    held = held or foretold(model, test, with_entropy=True)
    spelled, nats = word_costs(model, test, held)
    rare = nats[[reference.is_rare(word) for word in spelled]]
    loss = held.costs.cross_entropy
    found = {
        "cross_entropy": loss,
        "perplexity": exp(min(loss, 700)),
        "bits_per_byte": held.costs.bits_per_byte,
        "rare_cross_entropy": float(rare.mean()) if len(rare) else float("nan"),
        "predictive_entropy": float(held.entropy.mean()) if len(held.entropy) else float("nan"),
    }
    return found if asked is None else found | {"cloze_accuracy": accuracy(model, asked)}


def written_perplexity(baseline: LanguageModel, generated: Sequence[str], size_texts: int) -> dict[str, float]:
    """The perplexity of texts under the baseline: its quantiles, and the histogram of Shumailov et al. 2024, fig. 1."""
    texts = generated[:size_texts]
    values = foretold(baseline, texts).costs.perplexities if len(texts) == size_texts else np.zeros(0)
    quantiles = np.percentile(values, QUANTILES) if len(values) else np.full(len(QUANTILES), np.nan)
    named = zip((f"written_perplexity_q{at:02}" for at in QUANTILES), quantiles.tolist(), strict=True)
    return dict(named) | histogram.shares("written_perplexity", values)
