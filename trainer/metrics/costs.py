"""What it costs a model to foretell texts: in all, of each text or article, and of each word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from provenance.origin import words

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.model import LanguageModel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MOST_LOGITS = 2 << 20
"""So many there are at once, where a row has fewer: larger batches are slower on a CPU (measured at 0.25 M)."""


@dataclass(frozen=True)
class Costs:
    """What texts, or articles of several, cost a model.

    Attributes:
        nats, tokens, bytes: (articles,), the end of each text among the tokens.
    """

    nats: Floats
    tokens: Integers
    bytes: Integers

    @property
    def cross_entropy(self) -> float:
        """Nats a token; NaN where there is none."""
        return float(self.nats.sum() / self.tokens.sum()) if len(self.nats) else float("nan")

    @property
    def bits_per_byte(self) -> float:
        """Bits a byte of UTF-8, which models with other tokenizers may be compared by; NaN without a byte."""
        total = int(self.bytes.sum())
        return float(self.nats.sum() / log(2) / total) if total else float("nan")

    @property
    def perplexities(self) -> Floats:
        """The perplexity of each, (articles,)."""
        return np.exp(np.minimum(self.nats / self.tokens, 700))

    def by(self, articles: Sequence[int]) -> Costs:
        """Of articles, from 0, what their texts cost together.

        Args:
            articles: the number of the article that each text stands in.
        """
        nats = np.bincount(articles, self.nats).astype(np.float64)
        tokens, size = (np.bincount(articles, held).astype(np.int64) for held in (self.tokens, self.bytes))
        return Costs(nats, tokens, size)


@dataclass(frozen=True)
class Foretold:
    """Texts as a model foretells them, token by token.

    Attributes:
        nats: of each token and of each text's end, one text after another, (tokens,).
        entropy: of what the model held possible there, in nats, (tokens,); empty where it was not asked for.
        starts: where each text begins, and the last one ends, (texts + 1,).
        costs: of each text.
    """

    nats: Floats
    entropy: Floats
    starts: Integers
    costs: Costs

    def of_text(self, text: int) -> Floats:
        """The nats of a text's tokens and its end."""
        return self.nats[self.starts[text] : self.starts[text + 1]]


def foretold(model: LanguageModel, texts: Sequence[str], with_entropy: bool = False) -> Foretold:
    """What each token of texts costs a model, which sees the tokens before it in the text.

    Texts that are longer than a model's context are cut as `registry.blocks.pack` cuts them, so that the mean is what
    `trainer.optimise.mean_loss` gives. One forward pass, O(tokens), in batches of at most 2 M logits or one row.
    """
    documents = model.documents(texts)
    starts = np.cumsum([0, *(len(tokens) - 1 for tokens in documents)])
    nats = np.zeros(starts[-1])
    entropy = np.zeros(starts[-1] if with_entropy else 0)
    for places, tokens in _batches(documents, starts, model):
        costs, spread = _forward(model, tokens, with_entropy)
        for row, (start, stop) in enumerate(places):
            nats[start:stop] = costs[row, : stop - start]
            if spread is not None:
                entropy[start:stop] = spread[row, : stop - start]
    sizes = np.array([len(text.encode()) for text in texts], np.int64)
    of_texts = np.add.reduceat(nats, starts[:-1]) if len(texts) else np.zeros(0)
    return Foretold(nats, entropy, starts, Costs(of_texts, np.diff(starts), sizes))


def word_costs(model: LanguageModel, texts: Sequence[str], held: Foretold) -> tuple[list[str], Floats]:
    """The words of texts, and what the tokens of each cost together, (words,) nats.

    A token belongs to the word that its last character stands in, or before: white space belongs to the next word.

    Args:
        held: the texts as the model foretells them.
    """
    spelled: list[str] = []
    nats: list[Floats] = [np.zeros(0)]
    for place, encoding in enumerate(model.tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        own = words(texts[place])
        last = np.array([stop - 1 for _, stop in encoding.offsets], np.int64)  # (tokens,) characters
        word = np.searchsorted(_stops(texts[place], own), last, side="right")
        inside = word < len(own)
        of_words = np.bincount(word[inside], held.of_text(place)[:-1][inside], minlength=len(own))
        nats.append(of_words.astype(np.float64))
        spelled += own
    return spelled, np.concatenate(nats)


def untrained(model: LanguageModel, seed: int = 0) -> LanguageModel:
    """A model of the same architecture and tokenizer that has learnt nothing: the control of every measure."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = type(model.network)(model.network.config)
    one = next(model.network.parameters())
    return replace(model, network=network.to(one.device, one.dtype).eval(), losses=[], training={})


def _stops(text: str, own: Sequence[str]) -> Integers:
    """Where each word of a text ends, in characters, (words,)."""
    stops = [0]
    for word in own:
        stops.append(text.index(word, stops[-1]) + len(word))
    return np.array(stops[1:], np.int64)


def _batches(
    documents: Sequence[Sequence[int]], starts: Integers, model: LanguageModel
) -> Iterator[tuple[list[tuple[int, int]], Integers]]:
    """Documents in pieces no longer than the context, as rows of nearly one length.

    Yields:
        Where the tokens that a row foretells stand among all, and the rows, (rows, length), padded behind.
    """
    step = model.context - 1
    pieces = [
        (int(starts[place]) + start, tokens[start : start + step + 1])
        for place, tokens in enumerate(documents)
        for start in range(0, len(tokens) - 1, step)
    ]
    pieces.sort(key=lambda piece: -len(piece[1]))
    done = 0
    while done < len(pieces):
        length = len(pieces[done][1])
        batch = pieces[done : done + max(1, _MOST_LOGITS // (length * model.network.config.vocab_size))]
        done += len(batch)
        rows = np.full((len(batch), length), model.pad, np.int64)
        for row, (_, tokens) in enumerate(batch):
            rows[row, : len(tokens)] = tokens
        yield [(start, start + len(tokens) - 1) for start, tokens in batch], rows


def _forward(model: LanguageModel, tokens: Integers, with_entropy: bool) -> tuple[Any, Any]:
    """The nats of each token but the first, and the entropy there where it is asked for, (rows, length - 1)."""
    import torch

    network = model.network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        held = torch.from_numpy(tokens).to(device)
        seen = torch.ones_like(held)  # nothing sees the padding, which stands behind
        likely = network(input_ids=held, attention_mask=seen, use_cache=False).logits[:, :-1].float().log_softmax(-1)
        nats = -likely.gather(-1, held[:, 1:, None])[..., 0]
        return _array(nats), _array(-(likely.exp() * likely).sum(-1)) if with_entropy else None


def _array(held: Tensor) -> Any:
    return held.cpu().double().numpy()
