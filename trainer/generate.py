"""Generation: texts sampled from a causal language model in batches, marked by a watermark where one is given."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tokenizers import Tokenizer
from transformers import LogitsProcessor

from provenance.errors import ProvError
from provenance.watermark import Scheme, Secret, name_of
from trainer.beams import search
from trainer.stepper import Stepper, stepper

ROUNDS = 10
"""So often a text that came out empty is written again."""
CROWDED = 0.75
"""A batch of which no more than this share is still written is moved together, without the rows that have ended."""


class TooLong(ProvError):
    """A text that is longer than a model can write."""

    def __init__(self, wanted: int, prompt: int, context: int) -> None:
        self.wanted, self.prompt, self.context = wanted, prompt, context
        after = f" after a prompt of {prompt:,}" if prompt else ""
        super().__init__(
            f"a text of {wanted:,} tokens{after} is longer than the {context:,} that the model can write: "
            "ask for a shorter one, or train with a longer context"
        )


class CannotMark(ProvError):
    """A watermark that a beam search cannot put into a text."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        super().__init__(
            f"{scheme} marks a context once in a text, and a beam search has many beginnings of it: "
            "leave beams out, or mark with a key of kgw"
        )


class NothingWritten(ProvError):
    """A model that ends its texts before they begin."""

    def __init__(self, wanted: int, written: int) -> None:
        self.wanted, self.written = wanted, written
        super().__init__(
            f"{wanted:,} texts were wanted, the model wrote {written:,} that are not empty, again and again: "
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
        beams: more than one search for the likeliest text, and then nothing is left to chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, ge=0, le=100)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float = Field(default=1.0, gt=0, le=1)
    ending: Literal["length", "eos"] = "length"
    beams: int = Field(default=1, ge=1, le=1000)

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if self.beams > 1 and (self.temperature, self.top_k, self.top_p) != (1.0, None, 1.0):
            raise ValueError("a search takes the likeliest tokens as they are: leave temperature, top-k and top-p out")
        return self

    @property
    def is_random(self) -> bool:
        """Whether the same model writes another text at another attempt."""
        return self.temperature > 0 and self.beams == 1


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

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch, in this order; the others have ended."""
        if self.used:
            self.used = [self.used[row] for row in rows]

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
        is_marked = ~np.isin(context, self.outside).any(axis=1)
        if self.scheme.once_per_context:
            is_marked &= self._are_new(context)
        if is_marked.all():  # as a rule, and then nothing has to be gathered
            return self._marked(context, scores)
        result = scores.clone()
        if is_marked.any():
            chosen = torch.from_numpy(is_marked).to(scores.device)
            result[chosen] = self._marked(context[is_marked], scores[chosen])
        return result

    def _marked(self, context: NDArray[np.int64], scores: torch.Tensor) -> torch.Tensor:
        plain = scores.detach().float().cpu().numpy()
        return torch.from_numpy(self.scheme.mark(self.secret, context, plain)).to(scores.device, scores.dtype)

    def _are_new(self, context: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each row has its context for the first time, which it has had from now on; (rows,)."""
        keys = [row.tobytes() for row in context]
        are_new = np.fromiter((key not in used for key, used in zip(keys, self.used, strict=True)), np.bool_, len(keys))
        for key, used in zip(keys, self.used, strict=True):
            used.add(key)
        return are_new


def sample(
    model: Any,
    tokenizer: Tokenizer,
    lengths: Sequence[int],
    seed: int,
    decoding: Decoding | None = None,
    marker: Marker | None = None,
    prompts: Sequence[Sequence[int]] | None = None,
    batch_size: int = 64,
    first: int = 0,
) -> Written:
    """Let a model write texts, each from its beginning (BOS) or from a prompt on.

    Args:
        model: a causal language model of `transformers` whose configuration names BOS, EOS and PAD.
        lengths: how many tokens each text has, or at most has, as `decoding` says; prompts not counted.
        seed: of all randomness. Each text has a stream of its own, by its number: which others are written with it
            changes it in nothing but the rounding of its scores.
        prompts: tokens that each text goes on from, without special ones.
        batch_size: texts at a time, those of like length together.
        first: the number of the first text, where others of the same seed came before.
    Raises:
        TooLong: a prompt and its text do not fit the context of the model.
        NothingWritten: the model wrote an empty text, again and again.
        CannotMark: a beam search and a watermark that do not go together.
    """
    decoding = decoding or Decoding()
    if marker and marker.scheme.once_per_context and decoding.beams > 1:
        raise CannotMark(name_of(marker.scheme))
    before = [list(prompt) for prompt in prompts] if prompts is not None else [[] for _ in lengths]
    _check_lengths(lengths, before, model.config.max_position_embeddings)
    ids: list[list[int]] = [[] for _ in lengths]
    texts = [""] * len(lengths)
    model.eval()
    at_a_time = max(1, batch_size // decoding.beams)
    for attempt in range(ROUNDS if decoding.is_random else 1):
        empty = sorted((row for row, text in enumerate(texts) if not text), key=lambda row: lengths[row])
        if not empty:
            break
        for start in range(0, len(empty), at_a_time):
            rows = empty[start : start + at_a_time]
            chances = _chances(seed, attempt, [first + row for row in rows], [lengths[row] for row in rows])
            written = _write(
                model, [before[row] for row in rows], [lengths[row] for row in rows], decoding, marker, chances
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


def _chances(seed: int, attempt: int, numbers: Sequence[int], lengths: Sequence[int]) -> torch.Tensor:
    """Uniform numbers that choose the tokens of texts, (texts, longest) float64; zeros after the length of each.

    A counter-based generator (Philox; Salmon et al. 2011) gives each text and each attempt at it a stream of its own.
    """
    chances = np.zeros((len(numbers), max(lengths)))
    for row, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
        stream = np.random.Philox(key=seed, counter=[0, 0, number, attempt])
        chances[row, :length] = np.random.Generator(stream).random(length)
    return torch.from_numpy(chances)


@torch.inference_mode()
def _write(
    model: Any,
    prompts: Sequence[list[int]],
    lengths: Sequence[int],
    decoding: Decoding,
    marker: Marker | None,
    chances: torch.Tensor,
) -> list[list[int]]:
    """The tokens that a model writes after each prompt.

    Args:
        chances: (rows, longest) float64 from 0 to below 1, which choose the tokens.
    """
    begin, end, pad = _special(model)
    starts, padding = _starts(prompts, begin, pad, model.device)
    width, longest = starts.shape[1], max(lengths)
    most, reader = torch.tensor(lengths, device=model.device), stepper(model, padding, width + longest)
    barred = torch.tensor(sorted({begin, pad, end} - ({end} if decoding.ending == "eos" else set())))
    barred = barred.to(model.device)
    if marker:
        marker.reset()
    if decoding.beams > 1:
        written = search(reader, starts, most, barred, end, decoding.beams, marker)
    else:
        written = _draw(reader, starts, most, barred, _Ends(end, pad), decoding, marker, chances.to(model.device))
    return [_until(row[:length], end) for row, length in zip(written.tolist(), lengths, strict=True)]


class _Ends(NamedTuple):
    """The token that a text ends with, and the one that stands after it."""

    end: int
    pad: int


def _draw(
    reader: Stepper,
    starts: torch.Tensor,
    lengths: torch.Tensor,
    barred: torch.Tensor,
    ends: _Ends,
    decoding: Decoding,
    marker: Marker | None,
    chances: torch.Tensor,
) -> torch.Tensor:
    """The tokens of each row, one after another, (rows, longest); rows that have ended are no longer read."""
    width, longest = starts.shape[1], chances.shape[1]
    ids = torch.cat([starts, starts.new_full((len(starts), longest), ends.pad)], dim=1)
    ended = torch.zeros_like(lengths, dtype=torch.bool)
    rows, fed = torch.arange(len(starts), device=starts.device), starts  # the rows that the reader holds
    for step in range(longest):
        scores = _warp(reader.step(fed), barred, decoding)
        if marker:
            scores = marker(ids[rows, : width + step], scores)
        chosen = _choose(scores, decoding, chances[rows, step]).masked_fill(ended[rows], ends.pad)
        ids[rows, width + step] = chosen
        ended[rows] |= (chosen == ends.end) | (lengths[rows] == step + 1)
        going = (~ended[rows]).nonzero()[:, 0]
        if not len(going):
            break
        if len(going) <= CROWDED * len(rows):
            rows, chosen = rows[going], chosen[going]
            reader.keep(going)
            if marker:
                marker.keep(going.tolist())
        fed = chosen[:, None]
    return ids[:, width:]


def _special(model: Any) -> tuple[int, int, int]:
    """BOS, EOS and PAD of a model."""
    config = model.config
    pad = config.eos_token_id if config.pad_token_id is None else config.pad_token_id
    return config.bos_token_id, config.eos_token_id, pad


def _starts(
    prompts: Sequence[list[int]], begin: int, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """What each row begins with, padded on the left, (rows, width) int64, and how much padding that is, (rows,)."""
    longest = max(map(len, prompts))
    padding = [longest - len(prompt) for prompt in prompts]
    ids = [[pad] * space + [begin, *prompt] for space, prompt in zip(padding, prompts, strict=True)]
    return torch.tensor(ids, device=device), torch.tensor(padding, device=device)


def _warp(logits: torch.Tensor, barred: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Scores of tokens after temperature, top-k and top-p, (rows, vocabulary); what may not be chosen is -inf."""
    scores = (logits / (decoding.temperature or 1.0)).index_fill_(1, barred, -torch.inf)
    if decoding.top_k is not None and decoding.top_k < scores.shape[1]:
        least = scores.topk(decoding.top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if decoding.top_p < 1:
        ordered, order = scores.softmax(dim=-1).sort(descending=True)
        beyond = ordered.cumsum(dim=-1) - ordered >= decoding.top_p  # the first that reaches it stays
        scores = scores.masked_fill(beyond.scatter(1, order, beyond), -torch.inf)
    return scores


def _choose(scores: torch.Tensor, decoding: Decoding, chances: torch.Tensor) -> torch.Tensor:
    """One token of each row, (rows,) int64: where its chance falls among the probabilities laid end to end."""
    if decoding.temperature == 0:
        return scores.argmax(dim=-1)
    ends = scores.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)  # a float32 sum would shorten the rare ones
    return torch.searchsorted(ends, chances[:, None] * ends[:, -1:], right=True)[:, 0]


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
