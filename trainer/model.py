"""A language model: a network of `transformers` and the tokenizer that it reads and writes by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from registry.tokens import digest_of
from trainer.architecture import Architecture
from trainer.testbed import Degenerate, Floats
from trainer.tokenizer import special_tokens

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Device = Literal["auto", "cpu", "cuda"]

LEAST_TOKENS = 2
"""So many tokens the texts have, at least, that a model is fitted to."""


def weights_digest(network: Any) -> str:
    """SHA-256 of weights as they are now, in hex: names, kinds, shapes and bytes, in the order of names."""
    import torch

    digest = hashlib.sha256()
    for name, held in sorted(network.state_dict().items()):
        digest.update(f"{name} {held.dtype} {tuple(held.shape)}\n".encode())
        digest.update(held.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer.

    Attributes:
        network: a causal language model of `transformers`, on any device.
        tokenizer: a fast tokenizer, which adds no special tokens of its own.
        begin, end, pad: the tokens that documents begin and end with, and that fills blocks; they may be the same.
        losses: of each training step, in nats a token.
        training: how it was trained, as plain JSON.
        baseline: the model of generation 1, in an experiment, to measure those after it by.
    """

    network: Any
    tokenizer: Tokenizer
    begin: int
    end: int
    pad: int
    losses: list[float] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    baseline: LanguageModel | None = None

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
        return digest_of(self.tokenizer)

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the weights as they are now, in hex: names, kinds, shapes and bytes, in the order of names."""
        return weights_digest(self.network)

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

    def save(self, folder: Path) -> None:
        """Write it into a new folder, as `transformers` does; all of it is there afterwards, or nothing.

        Raises:
            ProvError: the folder is there already, or cannot be written.
        """
        from trainer.model_folder import save

        save(self, folder)


def fresh(architecture: Architecture, tokenizer: Tokenizer, seed: int) -> LanguageModel:
    """A model that has learnt nothing yet; its weights come from the seed alone.

    Raises:
        ProvError: the configuration does not fit the tokenizer, or the tokenizer ends no document.
    """
    special = special_tokens(tokenizer)
    return LanguageModel(architecture.network(tokenizer.get_vocab_size(), special, seed), tokenizer, *special)


def load(name: str | Path, device: Device = "auto") -> LanguageModel:
    """A model that was saved, or any of `transformers`, from a folder or from the Hugging Face hub.

    Args:
        device: as `trainer.optimise.device` takes it.
    Raises:
        ProvError: there is none, it is broken, or its tokenizer is not its own.
    """
    from trainer.model_folder import load

    return load(name, device)


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
    _check_learnable(sum(len(encoded[place]) for place in kept), len(texts))
    documents = [[begin, *encoded[place], end] for place in kept]
    return documents, None if weights is None else (weighed[kept] / weighed[kept].mean()).tolist()


def continuations(
    tokenizer: Tokenizer, begin: int, end: int, texts: Sequence[str], prefixes: Sequence[int]
) -> tuple[list[list[int]], list[NDArray[np.float32]]]:
    """Texts as tokens from BOS to EOS, of which only what follows the prompt counts: supervised fine-tuning.

    A token that holds any of the continuation counts, and so does the end. Texts that are all prompt are left out.

    Args:
        prefixes: how many characters of each text are its prompt.
    Returns:
        The tokens of each document, and what each of them counts, 1 or 0.
    Raises:
        Degenerate: there is nothing to learn from.
    """
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    counted = [_after(encoding, prefix) for encoding, prefix in zip(encoded, prefixes, strict=True)]
    kept = [place for place, counts in enumerate(counted) if counts.any()]
    _check_learnable(sum(int(counted[place].sum()) + 1 for place in kept), len(texts))
    documents = [[begin, *encoded[place].ids, end] for place in kept]
    return documents, [np.concatenate([[0], counted[place], [1]]).astype(np.float32) for place in kept]


def _after(encoding: Encoding, prefix: int) -> NDArray[np.bool_]:
    """Which tokens of a text end after so many of its characters, (tokens,)."""
    return np.array([end > prefix for _, end in encoding.offsets], np.bool_)


def _check_learnable(tokens: int, texts: int) -> None:
    if tokens < LEAST_TOKENS:
        raise Degenerate(
            f"texts of {LEAST_TOKENS} tokens or more", f"{tokens} in {texts:,} texts", "give more texts, or longer ones"
        )
