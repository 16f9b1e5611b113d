"""A language model of tokens, trained from scratch on texts that the models before it wrote."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from math import exp, log
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from provenance.errors import ProvError
from provenance.origin import words
from trainer.model import LanguageModel, weighed_documents
from trainer.testbed import Floats, Measures
from trainer.texts import TENTHS, TextBed, as_array, paragraphs, simpson

if TYPE_CHECKING:
    from trainer.generate import Marker, Written

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"


class Size(NamedTuple):
    """How large a model is."""

    width: int
    layers: int
    heads: int


SIZES = {"micro": Size(16, 1, 2), "tiny": Size(80, 2, 4), "mini": Size(112, 3, 4)}
"""By name; with 1,024 tokens and a context of 128, 22 thousand, 0.25 and 0.58 million parameters."""


class Language(TextBed):
    """A GPT-2 from scratch over a byte-level BPE, measured on human texts that it never saw.

    Of the human texts that no model learns from, one in five trains the tokenizer; the others are measured on, and the
    lengths of what models write are theirs, so that lengths do not drift from one generation to the next. Where there
    is no registry those are two paragraphs of ten. A document begins with BOS and ends with EOS.

    Attributes:
        model_size: `micro`, `tiny` or `mini`.
        vocabulary: tokens that there are at most, special ones and the 256 bytes among them.
        context: tokens that a model sees at most; what it writes is no longer.
        epochs, steps, batch_size, learning_rate, warmup: as `trainer.optimise.Training` has them; blocks have `context`
            tokens.
        temperature, top_k, top_p, ending: as `trainer.generate.Decoding` has them.
        test_texts: how many human texts are measured on at most.
        threads: of one model; models this small gain nothing by more, and cells run beside each other.
    """

    set_aside: ClassVar[frozenset[int]] = frozenset({0, 1})

    model_size: Literal["micro", "tiny", "mini"] = "tiny"
    vocabulary: int = Field(default=1024, ge=300, le=100_000)
    context: int = Field(default=128, ge=8, le=4096)
    epochs: int = Field(default=8, ge=1, le=10_000)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=5e-3, gt=0, le=10)
    warmup: float = Field(default=0.1, ge=0, le=1)
    temperature: float = Field(default=1.0, ge=0, le=100)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float = Field(default=1.0, gt=0, le=1)
    ending: Literal["length", "eos"] = "length"
    test_texts: int = Field(default=200, ge=1)
    threads: int = Field(default=1, ge=1, le=1024)

    def grounded(self, human: Callable[[], Iterable[str]], held_out: Sequence[str]) -> Self:
        if len(held_out) == 1:
            raise ProvError(
                "the registry holds out 1 human text, the test-bed language needs 2, one of them for the tokenizer: "
                "hold out more, as in `prov hold-out --frac 0.1 --seed 0 --name test`"
            )
        return super().grounded(human, held_out)

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        _check_installed()
        return super().real(size, repeats, rng)

    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {"tokenizer": self.tokenizer_digest}

    @property
    def test(self) -> tuple[str, ...]:
        """The human texts that are measured on."""
        if self.held_out:
            found = tuple(text for place, text in enumerate(self.held_out) if place % 5 != 1)
        else:
            found = paragraphs(self.texts)[::TENTHS]
        return found[: self.test_texts]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, trained on human texts that are set aside for it."""
        return _tokenizer(self.held_out[1::5] or paragraphs(self.texts)[1::TENTHS], self.vocabulary)

    @property
    def tokenizer_digest(self) -> str:
        """SHA-256 of the tokenizer as JSON, in hex."""
        return hashlib.sha256(self.tokenizer.to_str().encode()).hexdigest()

    def fit(self, samples: Any, weights: Floats | None, previous: Any, rng: np.random.Generator) -> LanguageModel:
        _check_installed()
        from registry.blocks import pack
        from trainer.optimise import Training, optimise

        tokenizer = self.tokenizer
        begin, end = _special(tokenizer, BOS), _special(tokenizer, EOS)
        documents, weighed = weighed_documents(tokenizer, begin, end, samples[0], weights)
        blocks = pack(documents, self.context, _special(tokenizer, PAD), weighed)
        network = _network(self.model_size, self.context, tokenizer, int(rng.integers(2**31)))
        training = Training(
            epochs=self.epochs,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            seed=int(rng.integers(2**31)),
        )
        with _threads(self.threads):
            losses = optimise(network, blocks, training)
        return LanguageModel(network, tokenizer, begin, end, _special(tokenizer, PAD), losses)

    def sample(self, model: LanguageModel, size: int, rng: np.random.Generator) -> Any:
        return as_array(self.write(model, size, rng).texts)[None]

    def write(self, model: LanguageModel, size: int, rng: np.random.Generator, marker: Marker | None = None) -> Written:
        """What a model writes, tokens and texts.

        Args:
            marker: marks it; `trainer.generate.Marker(scheme, secret, outside=bed.outside)` is made for this.
        """
        from trainer.generate import Decoding, sample

        decoding = Decoding(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p, ending=self.ending)
        lengths = self._lengths(size, rng)
        with _threads(self.threads):
            return sample(model.network, self.tokenizer, lengths, int(rng.integers(2**31)), decoding, marker)

    @property
    def outside(self) -> tuple[int, ...]:
        """The special tokens in whose company no token is marked: the end, and padding."""
        return _special(self.tokenizer, EOS), _special(self.tokenizer, PAD)

    def measure(self, model: LanguageModel, samples: Any) -> Measures:
        from registry.blocks import pack
        from trainer.optimise import mean_loss

        blocks = pack(model.documents(self.test), self.context, _special(self.tokenizer, PAD))
        with _threads(self.threads):
            loss = mean_loss(model.network, blocks)
        test_bytes = sum(len(text.encode()) for text in self.test)
        known = Counter(word for text in samples[0] for word in words(text))
        values = {
            "cross_entropy": loss,  # nats a token, the end of each text among them
            "perplexity": exp(min(loss, 700)),
            "bits_per_byte": loss * blocks.foretold / log(2) / test_bytes,
            "vocabulary": float(len(known)),
            "simpson": simpson(list(known.values())) if known else float("nan"),
        }
        return {metric: np.array([value]) for metric, value in values.items()}

    def _lengths(self, size: int, rng: np.random.Generator) -> list[int]:
        """How many tokens each of so many texts has, or at most has where the model ends them."""
        if self.ending == "eos":
            return [self.context] * size
        known = [len(encoding) for encoding in self.tokenizer.encode_batch_fast(list(self.test))]
        drawn: list[int] = rng.choice(np.clip(known, 1, self.context), size).tolist()
        return drawn


def _check_installed() -> None:
    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise ProvError(
                f"the test-bed language wants {module}, which is not installed: "
                "run pip install 'corpus-provenance[train]'"
            )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch use so many threads, for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=4)
def _tokenizer(texts: tuple[str, ...], vocabulary: int) -> Tokenizer:
    """A byte-level BPE trained on texts, the same for the same texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.encode_special_tokens = True  # a text that holds the name of one is a text
    return tokenizer


def _special(tokenizer: Tokenizer, name: str) -> int:
    token = tokenizer.token_to_id(name)
    assert token is not None, f"the tokenizer has no {name}"
    return int(token)


def _network(model_size: str, context: int, tokenizer: Tokenizer, seed: int) -> Any:
    """A GPT-2 whose weights nothing has trained yet."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    size = SIZES[model_size]
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=context,
        n_embd=size.width,
        n_layer=size.layers,
        n_head=size.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=_special(tokenizer, BOS),
        eos_token_id=_special(tokenizer, EOS),
        pad_token_id=_special(tokenizer, PAD),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT2LMHeadModel(config)
