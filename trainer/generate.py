"""Generation: texts sampled from a causal language model in batches, marked by a watermark where one is given."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer
from transformers import LogitsProcessor

from provenance.errors import ProvError
from provenance.watermark import Scheme, Secret

ROUNDS = 10
"""So often a text that came out empty is written again."""


class TooLong(ProvError):
    """A text that is longer than a model can write."""

    def __init__(self, wanted: int, prompt: int, context: int) -> None:
        self.wanted, self.prompt, self.context = wanted, prompt, context
        after = f" after a prompt of {prompt:,}" if prompt else ""
        super().__init__(
            f"a text of {wanted:,} tokens{after} is longer than the {context:,} that the model can write: "
            "ask for a shorter one, or train with a longer context"
        )


class NothingWritten(ProvError):
    """A model that ends its texts before they begin."""

    def __init__(self, wanted: int, written: int) -> None:
        self.wanted, self.written = wanted, written
        super().__init__(
            f"{wanted:,} texts were wanted, the model wrote {written:,} that are not empty in {ROUNDS} rounds: "
            "train it on more, or let texts end by their length"
        )


class Decoding(BaseModel):
    """How a token is chosen.

    Attributes:
        temperature: what scores are divided by; 0 takes the likeliest.
        top_k: only so many of the likeliest.
        top_p: only the likeliest that come to this probability together.
        ending: where a text ends, at its `length` and not before, or where the model ends it (`eos`), at the latest at
            its length.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, ge=0, le=100)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float = Field(default=1.0, gt=0, le=1)
    ending: Literal["length", "eos"] = "length"


@dataclass(frozen=True)
class Written:
    """What a model wrote.

    Attributes:
        ids: the tokens of each text, without its prompt and without special ones.
        texts: the same decoded. Encoded again they may be other tokens: what counts are the texts.
    """

    ids: list[list[int]]
    texts: list[str]


class Marker(LogitsProcessor):
    """A watermark scheme as a processor of scores, for `sample` and for `generate` of `transformers` alike.

    A token is marked where all the tokens of its context are of the text, its prompt or its beginning (BOS); where one
    is among `outside` (padding, the end), or there are too few, it is not. `sample` gives it scores after temperature,
    top-k and top-p; `model.generate(logits_processor=[marker])` before them, so a scheme that needs the probabilities
    themselves wants a temperature of 1 there, or a `TemperatureLogitsWarper` before it in the list.
    A beam search moves rows about, so there a scheme that marks once per context is not told the truth.
    """

    def __init__(self, scheme: Scheme, secret: Secret, outside: Collection[int] = ()) -> None:
        self.scheme, self.secret = scheme, secret
        self.outside = np.array(sorted(outside), np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget which contexts were used: a new batch begins. One whose rows are others in number begins by itself."""
        self.used: list[set[bytes]] = []
        self.width = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> Any:
        """Mark scores.

        Args:
            input_ids: (rows, tokens so far), padded on the left.
            scores: (rows, vocabulary).
        Returns:
            (rows, vocabulary), on the same device and of the same type.
        """
        rows, width = input_ids.shape
        if len(self.used) != rows or width != self.width + 1:
            self.used = [set() for _ in range(rows)]
        self.width = width
        if width < self.scheme.context:
            return scores
        context = input_ids[:, width - self.scheme.context :].cpu().numpy().astype(np.int64, copy=False)
        chosen = np.flatnonzero(~np.isin(context, self.outside).any(axis=1))
        if self.scheme.once_per_context:
            chosen = np.array([row for row in chosen.tolist() if self._is_new(row, context[row])], np.int64)
        if not len(chosen):
            return scores
        plain = scores[chosen].detach().float().cpu().numpy()
        marked = torch.from_numpy(self.scheme.mark(self.secret, context[chosen], plain))
        result = scores.clone()
        result[chosen] = marked.to(scores.device, scores.dtype)
        return result

    def _is_new(self, row: int, context: NDArray[np.int64]) -> bool:
        """Whether a context comes for the first time in a row, which it then has."""
        key = context.tobytes()
        if key in self.used[row]:
            return False
        self.used[row].add(key)
        return True


def sample(
    model: Any,
    tokenizer: Tokenizer,
    lengths: Sequence[int],
    seed: int,
    decoding: Decoding | None = None,
    marker: Marker | None = None,
    prompts: Sequence[Sequence[int]] | None = None,
    batch_size: int = 64,
) -> Written:
    """Let a model write texts, each from its beginning (BOS) or from a prompt on.

    Args:
        model: a causal language model of `transformers` whose configuration names BOS, EOS and PAD.
        lengths: how many tokens each text has, or at most has, as `decoding` says; prompts not counted.
        seed: of all randomness; batches of another size give other texts.
        prompts: tokens that each text goes on from, without special ones.
        batch_size: texts at a time, those of like length together.
    Raises:
        TooLong: a prompt and its text do not fit the context of the model.
        NothingWritten: the model wrote an empty text, again and again.
    """
    decoding = decoding or Decoding()
    before = [list(prompt) for prompt in prompts] if prompts is not None else [[] for _ in lengths]
    _check_lengths(lengths, before, model.config.max_position_embeddings)
    generator = torch.Generator(model.device).manual_seed(seed)
    ids: list[list[int]] = [[] for _ in lengths]
    texts = [""] * len(lengths)
    model.eval()
    for _ in range(ROUNDS):
        empty = sorted((row for row, text in enumerate(texts) if not text), key=lambda row: lengths[row])
        if not empty:
            break
        for start in range(0, len(empty), batch_size):
            rows = empty[start : start + batch_size]
            if marker:
                marker.reset()
            written = _write(
                model, [before[row] for row in rows], [lengths[row] for row in rows], decoding, marker, generator
            )
            for row, tokens, text in zip(rows, written, tokenizer.decode_batch(written), strict=True):
                ids[row], texts[row] = tokens, text
    if not all(texts):
        raise NothingWritten(len(texts), sum(map(bool, texts)))
    return Written(ids, texts)


def _check_lengths(lengths: Sequence[int], prompts: Sequence[Sequence[int]], context: int) -> None:
    for length, prompt in zip(lengths, prompts, strict=True):
        if length < 1:
            raise ProvError(f"a text of {length} tokens cannot be written: ask for one or more")
        if len(prompt) + length > context:  # with BOS before it, and the last token is never read
            raise TooLong(length, len(prompt), context)


@torch.inference_mode()
def _write(
    model: Any,
    prompts: Sequence[list[int]],
    lengths: Sequence[int],
    decoding: Decoding,
    marker: Marker | None,
    generator: torch.Generator,
) -> list[list[int]]:
    """The tokens that a model writes after each prompt; a row that has ended gets padding to the end of the batch."""
    begin, end, pad = _special(model)
    ids, seen, positions = _starts(prompts, begin, pad, model.device)
    width, fed, cache = ids.shape[1], ids, None
    most = torch.tensor(lengths, device=model.device)
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=model.device)
    barred = sorted({begin, pad, end} - ({end} if decoding.ending == "eos" else set()))
    for step in range(1, max(lengths) + 1):
        output = model(
            input_ids=fed, attention_mask=seen, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        scores = _warp(_finite(output.logits[:, -1].float()), barred, decoding)
        if marker:
            scores = marker(ids, scores)
        fed = _choose(scores, decoding, generator).masked_fill(ended[:, None], pad)
        ids = torch.cat([ids, fed], dim=1)
        ended |= (fed[:, 0] == end) | (most <= step)
        if ended.all():
            break
        seen, positions = torch.cat([seen, torch.ones_like(fed)], dim=1), positions[:, -1:] + 1
    return [_until(row[:length], end) for row, length in zip(ids[:, width:].tolist(), lengths, strict=True)]


def _special(model: Any) -> tuple[int, int, int]:
    """BOS, EOS and PAD of a model."""
    config = model.config
    pad = config.eos_token_id if config.pad_token_id is None else config.pad_token_id
    return config.bos_token_id, config.eos_token_id, pad


def _starts(
    prompts: Sequence[list[int]], begin: int, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What each row begins with, padded on the left: its tokens, which of them are seen, and their places.

    Returns:
        (rows, width) int64 each.
    """
    longest = max(map(len, prompts)) + 1
    padding = [longest - 1 - len(prompt) for prompt in prompts]
    ids = [[pad] * space + [begin, *prompt] for space, prompt in zip(padding, prompts, strict=True)]
    places = torch.arange(longest, device=device) - torch.tensor(padding, device=device)[:, None]
    return torch.tensor(ids, device=device), (places >= 0).long(), places.clamp(min=0)


def _finite(logits: torch.Tensor) -> torch.Tensor:
    if not torch.isfinite(logits).all():
        raise ProvError("the scores of the model are not numbers, so it can write nothing: train it anew, more slowly")
    return logits


def _warp(logits: torch.Tensor, barred: list[int], decoding: Decoding) -> torch.Tensor:
    """Scores of tokens after temperature, top-k and top-p, (rows, vocabulary); what may not be chosen is -inf."""
    scores = logits / (decoding.temperature or 1.0)
    scores[:, barred] = -torch.inf
    if decoding.top_k is not None and decoding.top_k < scores.shape[1]:
        least = scores.topk(decoding.top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if decoding.top_p < 1:
        ordered, order = scores.softmax(dim=-1).sort(descending=True)
        beyond = ordered.cumsum(dim=-1) - ordered >= decoding.top_p  # the first that reaches it stays
        scores = scores.masked_fill(beyond.scatter(1, order, beyond), -torch.inf)
    return scores


def _choose(scores: torch.Tensor, decoding: Decoding, generator: torch.Generator) -> torch.Tensor:
    """One token of each row, (rows, 1) int64."""
    if decoding.temperature == 0:
        return scores.argmax(dim=-1, keepdim=True)
    return torch.multinomial(scores.softmax(dim=-1), 1, generator=generator)


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
