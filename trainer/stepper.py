"""The scores of the next token, step by step, for rows of tokens that grow together.

`model.forward` of `transformers` builds a mask and copies all keys and values at every step, which costs small models
more than their arithmetic. For GPT-2 and Llama the modules of the model are called here one by one around an attention
of our own, over keys and values that stay where they are; any other architecture goes through its own forward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from provenance.errors import ProvError
from trainer._attention import attend

STEADY_ROPES = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose frequencies do not depend on how long a text has become."""


class Stepper(Protocol):
    """Rows of tokens that a model has read so far."""

    def step(self, ids: Tensor) -> Tensor:
        """Read on.

        Args:
            ids: (rows, new) int64, the next tokens of each row.
        Returns:
            (rows, vocabulary) float32, scores of the token that comes after them.
        Raises:
            ProvError: they are not numbers.
        """

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows, in this order; one may come twice.

        Args:
            rows: (kept,) int64.
        """


def stepper(model: Any, padding: Tensor, capacity: int) -> Stepper:
    """A stepper for a causal language model, in evaluation.

    Args:
        padding: (rows,) int64, how many tokens at the left of each row are none.
        capacity: tokens that a row has at most, padding among them.
    """
    kind = type(model).__name__ if type(model).__module__.startswith("transformers.models.") else ""
    if kind == "GPT2LMHeadModel" and not model.config.add_cross_attention:
        return Gpt2(model, padding, capacity)
    if kind == "LlamaForCausalLM" and model.config.rope_parameters["rope_type"] in STEADY_ROPES:
        return Llama(model, padding, capacity)
    return Forward(model, padding)


class _Layered(ABC):
    """A stepper whose keys and values have their place from the beginning: what is common to all architectures."""

    def __init__(self, model: Any, padding: Tensor, capacity: int, layers: int, heads: int, width: int) -> None:
        self.model, self.padding, self.seen = model, padding, 0
        self.last_place = model.config.max_position_embeddings - 1
        self.is_padded = bool(padding.any())
        self.has_kernel = padding.device.type == "cpu" and model.dtype == torch.float32 and torch.get_num_threads() == 1
        self.held = [self._room(len(padding), heads, capacity, width) for _ in range(layers)]

    def _room(self, *shape: int) -> Tensor:
        """Places for keys and values, (2, *shape)."""
        if self.padding.device.type == "cpu" and self.model.dtype == torch.float32:
            return torch.from_numpy(np.empty((2, *shape), np.float32))  # numpy asks for large pages, torch does not
        return torch.empty((2, *shape), dtype=self.model.dtype, device=self.padding.device)

    def step(self, ids: Tensor) -> Tensor:
        end = self.seen + ids.shape[1]
        columns = torch.arange(self.seen, end, device=ids.device)
        # A row that has ended may be read on beyond the last place that there is, until it is left out.
        places = (columns - self.padding[:, None]).clamp(0, self.last_place) if self.is_padded else columns[None]
        scores = self.scores(ids, places, self._mask(columns, end))
        self.seen = end
        return _finite(scores)

    def keep(self, rows: Tensor) -> None:
        self.padding = self.padding[rows]
        for layer, held in enumerate(self.held):
            kept = self._room(len(rows), *held.shape[2:])
            kept[..., : self.seen, :] = held[:, rows, :, : self.seen]
            self.held[layer] = kept

    @abstractmethod
    def scores(self, ids: Tensor, places: Tensor, mask: Tensor | None) -> Tensor:
        """The scores after new tokens (rows, new) at their places (rows or 1, new), (rows, vocabulary)."""

    def _mask(self, columns: Tensor, end: int) -> Tensor | None:
        """Which tokens each of the new ones sees, (rows or 1, 1, new, end) bool; None where it is all of them."""
        if len(columns) == 1 and not self.is_padded:
            return None
        every = torch.arange(end, device=columns.device)
        sees = every <= columns[:, None]
        if self.is_padded:  # padding sees itself: a softmax over nothing would be no number
            sees = sees & (every >= self.padding[:, None, None]) | (every == columns[:, None])
        return sees.expand(len(self.padding) if self.is_padded else 1, len(columns), end)[:, None]

    def _attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        """What new tokens find in all before them and in themselves, which are kept.

        Args:
            query, key, value: (rows, heads, new, width); key and value may have fewer heads, each for several queries.
        Returns:
            (rows, new, heads x width).
        """
        end = self.seen + key.shape[2]
        keys, values = self.held[layer]
        keys[:, :, self.seen : end], values[:, :, self.seen : end] = key, value
        if self.has_kernel and query.shape[2] == 1:
            found = torch.empty(query.shape[0], 1, query.shape[1] * query.shape[3])
            padding = self.padding.numpy()
            attend(query[:, :, 0].numpy(), keys.numpy(), values.numpy(), padding, found[:, 0].numpy(), end, scale)
            return found
        found = functional.scaled_dot_product_attention(
            query,
            keys[:, :, :end],
            values[:, :, :end],
            attn_mask=mask,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return found.transpose(1, 2).flatten(2)


def _finite(scores: Tensor) -> Tensor:
    scores = scores.float()
    if not torch.isfinite(scores.sum()):  # a sum is no number where one of its parts is none
        raise ProvError("the scores of the model are not numbers, so it can write nothing: train it anew, more slowly")
    return scores


class Gpt2(_Layered):
    """A stepper for `GPT2LMHeadModel`."""

    def __init__(self, model: Any, padding: Tensor, capacity: int) -> None:
        config = model.config
        heads = config.n_head
        super().__init__(model, padding, capacity, config.n_layer, heads, config.n_embd // heads)

    def scores(self, ids: Tensor, places: Tensor, mask: Tensor | None) -> Tensor:
        inner = self.model.transformer
        hidden = inner.wte(ids) + inner.wpe(places)  # (rows, new, model width)
        for layer, block in enumerate(inner.h):
            attention = block.attn
            parts = attention.c_attn(block.ln_1(hidden)).unflatten(2, (3, attention.num_heads, attention.head_dim))
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            found = self._attend(layer, query, key, value, mask, attention.scaling)
            hidden = hidden + attention.c_proj(found)
            hidden = hidden + _feed_forward(block.mlp, block.ln_2(hidden))
        scores: Tensor = self.model.lm_head(inner.ln_f(hidden[:, -1]))
        return scores


def _feed_forward(module: Any, hidden: Tensor) -> Tensor:
    """What `GPT2MLP` computes, where its activation is the usual one in one pass instead of eight."""
    inner = module.c_fc(hidden)
    is_usual = type(module.act).__name__ == "NewGELUActivation"
    result: Tensor = module.c_proj(functional.gelu(inner, approximate="tanh") if is_usual else module.act(inner))
    return result


class Llama(_Layered):
    """A stepper for `LlamaForCausalLM`."""

    def __init__(self, model: Any, padding: Tensor, capacity: int) -> None:
        config = model.config
        layers = model.model.layers
        super().__init__(
            model, padding, capacity, len(layers), config.num_key_value_heads, layers[0].self_attn.head_dim
        )
        places = torch.arange(capacity, device=padding.device)[None]
        self.turns = model.model.rotary_emb(model.lm_head.weight, places)  # cosine and sine, (1, capacity, width) each

    def scores(self, ids: Tensor, places: Tensor, mask: Tensor | None) -> Tensor:
        inner = self.model.model
        hidden = inner.embed_tokens(ids)
        cosine, sine = (turn[0, places][:, None] for turn in self.turns)  # (rows or 1, 1, new, width)
        for layer, block in enumerate(inner.layers):
            attention, read = block.self_attn, block.input_layernorm(hidden)
            query, key, value = (
                project(read).unflatten(2, (-1, attention.head_dim)).transpose(1, 2)
                for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            query, key = _turn(query, cosine, sine), _turn(key, cosine, sine)
            found = self._attend(layer, query, key, value, mask, attention.scaling)
            hidden = hidden + attention.o_proj(found)
            hidden = hidden + block.mlp(block.post_attention_layernorm(hidden))
        scores: Tensor = self.model.lm_head(inner.norm(hidden[:, -1]))
        return scores


def _turn(vectors: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary embedding, RoFormer (2104.09864), equation 34, with the halves of a vector as its pairs."""
    first, second = vectors.chunk(2, dim=-1)
    return vectors * cosine + torch.cat((-second, first), dim=-1) * sine


class Forward:
    """A stepper for any architecture, through its forward and the cache that it brings itself."""

    def __init__(self, model: Any, padding: Tensor) -> None:
        self.model, self.padding = model, padding
        self.cache: Any = None
        self.sees = torch.empty((len(padding), 0), dtype=torch.int64, device=padding.device)

    def step(self, ids: Tensor) -> Tensor:
        seen = self.sees.shape[1]
        places = torch.arange(seen, seen + ids.shape[1], device=ids.device) - self.padding[:, None]
        self.sees = torch.cat([self.sees, (places >= 0).long()], dim=1)
        output = self.model(
            input_ids=ids,
            attention_mask=self.sees,
            position_ids=places.clamp(0, self.model.config.max_position_embeddings - 1),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.cache = output.past_key_values
        return _finite(output.logits[:, -1])

    def keep(self, rows: Tensor) -> None:
        self.padding, self.sees = self.padding[rows], self.sees[rows]
        self.cache.reorder_cache(rows)
