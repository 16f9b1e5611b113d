"""A language model: a network of `transformers` and the tokenizer that it reads and writes by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.testbed import Degenerate, Floats

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST_TOKENS = 2
"""So many tokens the texts have, at least, that a model is fitted to."""


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer.

    Attributes:
        network: a causal language model of `transformers`, on any device.
        tokenizer: a fast tokenizer, which adds no special tokens of its own.
        begin, end, pad: the tokens that documents begin and end with, and that fills blocks; they may be the same.
        losses: of each training step, in nats a token.
    """

    network: Any
    tokenizer: Tokenizer
    begin: int
    end: int
    pad: int
    losses: list[float] = field(default_factory=list)

    @property
    def context(self) -> int:
        """How many tokens it sees at most."""
        return int(self.network.config.max_position_embeddings)

    @property
    def parameters(self) -> int:
        """How many numbers it has learnt."""
        return sum(one.numel() for one in self.network.parameters())

    @cached_property
    def tokenizer_digest(self) -> str:
        """SHA-256 of the tokenizer as JSON, in hex."""
        return hashlib.sha256(self.tokenizer.to_str().encode()).hexdigest()

    @property
    def outside(self) -> tuple[int, ...]:
        """The special tokens in whose company no token is marked: the end, and padding."""
        return self.end, self.pad

    def documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Texts as tokens, each from its beginning to its end."""
        return [
            [self.begin, *encoding.ids, self.end]
            for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ]


def weighed_documents(
    tokenizer: Tokenizer, begin: int, end: int, texts: Sequence[str], weights: Floats | None
) -> tuple[list[list[int]], list[float] | None]:
    """Texts as tokens from BOS to EOS, with what each weighs: 1 on average. What has no token or weight is left out.

    Raises:
        Degenerate: there is nothing to learn from.
    """
    weighed = np.ones(len(texts)) if weights is None else np.asarray(weights, np.float64)
    encoded = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
    kept = [place for place, ids in enumerate(encoded) if ids and weighed[place] > 0]
    if (there_is := sum(len(encoded[place]) for place in kept)) < LEAST_TOKENS:
        raise Degenerate(
            f"texts of {LEAST_TOKENS} tokens or more",
            f"{there_is} in {len(texts):,} texts",
            "give more texts, or longer ones",
        )
    documents = [[begin, *encoded[place], end] for place in kept]
    return documents, None if weights is None else (weighed[kept] / weighed[kept].mean()).tolist()
