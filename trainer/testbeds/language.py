"""A language model of tokens, trained on texts that the models before it wrote."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from math import exp, log
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator
from tokenizers import Tokenizer

from provenance.errors import ProvError
from provenance.origin import words
from registry.tokens import digest_of, whole
from trainer.architecture import Architecture, SizeName, read_config
from trainer.extras import check_installed
from trainer.model import Device, LanguageModel, fresh, load, weighed_documents
from trainer.testbed import Floats, Measures
from trainer.texts import TENTHS, TextBed, as_array, paragraphs, simpson
from trainer.tokenizer import Special, special_tokens, train_tokenizer

if TYPE_CHECKING:
    from provenance.detection import Seekers
    from registry.blocks import Blocks
    from trainer.generate import Marker, Written
    from trainer.metrics import Reference
    from trainer.optimise import Training

REFERENCE_TEXTS = 2_000
"""So many human texts of a registry are held against what models write."""

WRITTEN_SEED = 0
"""Of what a model writes to be measured."""


class Language(TextBed):
    """A language model, from scratch over a byte-level BPE or fine-tuned, measured on human texts that it never saw.

    Of the human texts that no model learns from, one in five trains the tokenizer, unless it has texts of its own or
    the model brings one; the others are measured on, and the lengths of what models write are theirs, so that lengths
    do not drift from one generation to the next. Where there is no registry those are two paragraphs of ten. A document
    begins with BOS and ends with EOS.

    Attributes:
        architecture, model_size, config: as `trainer.architecture.Architecture` has them, `config` being a JSON file.
        model: a folder, or a name on the hub, of a model to fine-tune instead, with its tokenizer.
        restart: each generation begins with the untrained or base model anew (`base`), or goes on from the one before.
        vocabulary: tokens that there are at most, special ones and the 256 bytes among them.
        context: tokens that a model sees at most; what it writes is no longer.
        epochs, steps, batch_size, learning_rate, warmup: as `trainer.optimise.Training` has them; blocks have `context`
            tokens.
        temperature, top_k, top_p, ending: as `trainer.generate.Decoding` has them.
        edit_p, edit_top_k: as `trainer.editing.Editing` has them, for a schedule that edits.
        test_texts: how many human texts are measured on at most.
        device: what models are trained on; the processor gives the same numbers whether or not there is a GPU.
        threads: of one model; models this small gain nothing by more, and cells run beside each other.
        key: the name or id of a key of the keyring, by which models mark what they write; it is of the same tokenizer.
        precision: as `trainer.optimise.Training` has it.
        measures: `few` tell how well human text is foretold and how varied what a model learnt from is; `all` are those
            of `trainer.metrics` too, of the model and of what it writes for that (`written_…`).
        tokenizer_texts: human texts that train the tokenizer, where they are given.
        reference: human texts that words and n-grams are held against.
        second: human texts of another domain to measure on, too (`…_second`).
        keep, checkpoint_steps: a folder for checkpoints, one each so many steps; a fit that was killed goes on from it.
    """

    set_aside: ClassVar[frozenset[int]] = frozenset({0, 1})

    architecture: Literal["gpt2", "llama"] = "gpt2"
    model_size: SizeName = "tiny"
    config: str | None = None
    model: str | None = None
    restart: Literal["base", "previous"] = "base"
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
    edit_p: float = Field(default=0.99, ge=0, le=1)
    edit_top_k: int = Field(default=8, ge=1)
    test_texts: int = Field(default=200, ge=1)
    device: Device = "cpu"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    measures: Literal["few", "all"] = "few"
    threads: int = Field(default=1, ge=1, le=1024)
    key: str | None = None
    tokenizer_texts: tuple[str, ...] = Field(default=(), repr=False, exclude=True)
    reference: tuple[str, ...] = Field(default=(), repr=False, exclude=True)
    second: tuple[str, ...] = Field(default=(), repr=False, exclude=True)
    keep: Path | None = Field(default=None, repr=False, exclude=True)
    checkpoint_steps: int = Field(default=500, ge=1, exclude=True)

    @field_validator("model")
    @classmethod
    def _one_beginning(cls, model: str | None, info: ValidationInfo) -> str | None:
        if model is not None and info.data.get("config") is not None:
            raise ValueError("there is a config, which is for a model from scratch: leave one of them out")
        return model

    @property
    def key_name(self) -> str | None:
        return self.key

    def marking(self, seekers: Seekers) -> Self:
        seeker = seekers.seekers[0]
        if whole(Tokenizer.from_str(seekers.contents[seeker.tokenizer])).to_str() != self.tokenizer.to_str():
            raise ProvError(
                f"key {seeker.key} is of tokenizer {seeker.tokenizer[:12]}, the test-bed language writes by another, "
                f"{self.tokenizer_digest[:12]}: name a key that is not held yet, and make it with --new-key"
            )
        return super().marking(seekers)

    def grounded(self, human: Callable[[], Iterable[str]], held_out: Sequence[str]) -> Self:
        if len(held_out) == 1 and not self._brings_tokenizer:
            raise ProvError(
                "the registry holds out 1 human text, the test-bed language needs 2, one of them for the tokenizer: "
                "hold out more, as in `prov hold-out --frac 0.1 --seed 0 --name test`"
            )
        grounded = super().grounded(human, held_out)
        if self.measures == "few" or self.reference:
            return grounded
        return grounded.model_copy(update={"reference": tuple(islice(human(), REFERENCE_TEXTS))})

    @property
    def base(self) -> str | None:
        return self.model

    @property
    def is_continual(self) -> bool:
        return self.restart == "previous"

    @property
    def goes_on(self) -> bool:
        """Whether a generation cannot be had without the models before it: to go on from, or to measure by."""
        return self.is_continual or self.measures == "all"

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        check_installed("the test-bed language")
        return super().real(size, repeats, rng)

    def parameters(self) -> dict[str, Any]:
        """What it was made with; a configuration and the weights of a model by what they are, not where they lie."""
        told = super().parameters() | {"tokenizer": self.tokenizer_digest}
        if self.config is not None:
            told["config"] = read_config(Path(self.config))
        if self.model is not None:
            told["weights"] = self._base.weights_digest
        return told

    @property
    def _brings_tokenizer(self) -> bool:
        """Whether no text that could be measured on is needed for the tokenizer."""
        return bool(self.tokenizer_texts) or self.model is not None

    @property
    def test(self) -> tuple[str, ...]:
        """The human texts that are measured on."""
        if self.held_out:
            found = tuple(text for place, text in enumerate(self.held_out) if self._brings_tokenizer or place % 5 != 1)
        else:
            found = paragraphs(self.texts)[::TENTHS]
        return found[: self.test_texts]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer: that of the model to fine-tune, else one trained on human texts that are set aside for it."""
        if self.model is not None:
            return self._base.tokenizer
        texts = self.tokenizer_texts or self.held_out[1::5] or paragraphs(self.texts)[1::TENTHS]
        return _tokenizer(texts, self.vocabulary)

    @property
    def tokenizer_digest(self) -> str:
        """SHA-256 of the tokenizer as JSON, in hex."""
        return digest_of(self.tokenizer)

    @property
    def special(self) -> Special:
        """The tokens that documents begin and end with, and that fills blocks."""
        if self.model is not None:
            return Special(self._base.begin, self._base.end, self._base.pad)
        return special_tokens(self.tokenizer)

    @property
    def outside(self) -> tuple[int, ...]:
        """The special tokens in whose company no token is marked: the end, and padding."""
        return self.special.end, self.special.pad

    @property
    def _base(self) -> LanguageModel:
        """The model to fine-tune; nobody trains it where it stands."""
        assert self.model is not None, "there is no base model"
        check_installed("the test-bed language")
        return _loaded(self.model, self.device)

    def fit(self, samples: Any, weights: Floats | None, previous: Any, rng: np.random.Generator) -> LanguageModel:
        check_installed("the test-bed language")
        from registry.blocks import pack
        from trainer.optimise import optimise

        learner = self._learner(previous, int(rng.integers(2**31)))
        training = self._training(int(rng.integers(2**31)))
        documents, weighed = weighed_documents(learner.tokenizer, learner.begin, learner.end, samples[0], weights)
        blocks = pack(documents, self.context, learner.pad, weighed)
        keep = self.keep and self.keep / _digest(learner, training, blocks)
        with _threads(self.threads):
            losses = optimise(learner.network, blocks, training, keep=keep)
        if keep:
            rmtree(keep, ignore_errors=True)
        return replace(learner, losses=losses, baseline=previous and (previous.baseline or previous))

    def keeping(self, folder: Path) -> Self:
        return self if self.keep else self.model_copy(update={"keep": folder})

    def _learner(self, previous: LanguageModel | None, seed: int) -> LanguageModel:
        """The model that a generation begins with, a copy of its own."""
        from trainer.optimise import device as chosen

        before = previous if self.restart == "previous" else None
        before = before or (self._base if self.model is not None else None)
        if before:
            found = replace(before, network=deepcopy(before.network))
        else:
            found = fresh(self._architecture(), self.tokenizer, seed)
            found.network.to(chosen(self.device))
        if self.context > found.context:
            raise ProvError(
                f"the test-bed language has a context of {self.context:,}, its model {found.context:,}: "
                f"give context={found.context} or less"
            )
        return found

    def _architecture(self) -> Architecture:
        config = None if self.config is None else read_config(Path(self.config))
        return Architecture(kind=self.architecture, size=self.model_size, context=self.context, config=config)

    def _training(self, seed: int) -> Training:
        from trainer.optimise import Training

        return Training(
            epochs=self.epochs,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            precision=self.precision,
            checkpoint_steps=self.checkpoint_steps,
            seed=seed,
        )

    def sample(self, model: LanguageModel, size: int, rng: np.random.Generator) -> Any:
        return as_array(self.write(model, size, rng, self._marker(model)).texts)[None]

    def _marker(self, model: LanguageModel) -> Marker | None:
        from trainer.generate import Marker

        if self.seekers is None:
            return None
        seeker = self.seekers.seekers[0]
        return Marker(seeker.scheme, seeker.secret, model.outside)

    def write(self, model: LanguageModel, size: int, rng: np.random.Generator, marker: Marker | None = None) -> Written:
        """What a model writes, tokens and texts.

        Args:
            marker: marks it; `trainer.generate.Marker(scheme, secret, outside=bed.outside)` is made for this.
        """
        from trainer.generate import Decoding, sample

        decoding = Decoding(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p, ending=self.ending)
        lengths = self._lengths(size, rng)
        with _threads(self.threads):
            return sample(model.network, model.tokenizer, lengths, int(rng.integers(2**31)), decoding, marker)

    def edit(self, model: LanguageModel, samples: Any, share: float, rng: np.random.Generator) -> Any:
        """Texts of which a model has edited a share, at least one: it chooses anew the tokens that it was sure of."""
        from trainer.editing import Editing, edit

        texts = samples[0].tolist()
        chosen = rng.permutation(len(texts))[: max(1, round(share * len(texts)))].tolist()
        editing = Editing(p=self.edit_p, top_k=self.edit_top_k)
        with _threads(self.threads):
            edited = edit(model, [texts[place] for place in chosen], editing, int(rng.integers(2**31)))
        for place, text in zip(chosen, edited.texts, strict=True):
            texts[place] = text
        return as_array(texts)[None]

    def measure(self, model: LanguageModel, samples: Any) -> Measures:
        with _threads(self.threads):
            values = self._few(model, samples[0]) | (self._all(model) if self.measures == "all" else {})
        return {metric: np.array([value]) for metric, value in values.items()}

    def _few(self, model: LanguageModel, learnt: Sequence[str]) -> dict[str, float]:
        """What it costs a model to foretell human text, and how varied the texts are that it learnt from."""
        from registry.blocks import pack
        from trainer.optimise import mean_loss

        blocks = pack(model.documents(self.test), self.context, model.pad)
        loss = mean_loss(model.network, blocks)
        test_bytes = sum(len(text.encode()) for text in self.test)
        known = Counter(word for text in learnt for word in words(text))
        return {
            "cross_entropy": loss,  # nats a token, the end of each text among them
            "perplexity": exp(min(loss, 700)),
            "bits_per_byte": loss * blocks.foretold / log(2) / test_bytes,
            "vocabulary": float(len(known)),
            "simpson": simpson(list(known.values())) if known else float("nan"),
        }

    def _all(self, model: LanguageModel) -> dict[str, float]:
        """What `trainer.metrics` tells of a model, on both sets of human texts, and of what it writes."""
        from trainer.metrics import model_measures, text_measures

        reference = _reference(self.reference or paragraphs(self.texts)[2::TENTHS], self.test)
        written = self.sample(model, len(self.test), np.random.default_rng(WRITTEN_SEED))[0].tolist()
        found = model_measures(model, self.test, reference, model.baseline or model, written)
        found |= {f"written_{name}": value for name, value in text_measures(written, reference).items()}
        if self.second:
            other = model_measures(model, self.second, reference, few=True)
            found |= {f"{name}_second": value for name, value in other.items()}
        return found

    def _lengths(self, size: int, rng: np.random.Generator) -> list[int]:
        """How many tokens each of so many texts has, or at most has where the model ends them."""
        if self.ending == "eos":
            return [self.context] * size
        known = [
            len(encoding) for encoding in self.tokenizer.encode_batch_fast(list(self.test), add_special_tokens=False)
        ]
        drawn: list[int] = rng.choice(np.clip(known, 1, self.context), size).tolist()
        return drawn


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


def _digest(learner: LanguageModel, training: Training, blocks: Blocks) -> str:
    """What tells one fit from another."""
    told = [learner.weights_digest, training.model_dump_json(exclude={"checkpoint_steps"}), blocks.digest]
    return hashlib.sha256("".join(told).encode()).hexdigest()[:16]


@lru_cache(maxsize=4)
def _reference(texts: tuple[str, ...], test: tuple[str, ...]) -> Reference:
    """Human texts as what models write is held against them: half as many words as they are measured on, which any
    model that is not dead writes in as many texts."""
    from trainer.metrics import Reference

    size_words = sum(len(words(text)) for text in test) // 2
    return Reference.of(texts, min(size_words, sum(len(words(text)) for text in texts)), len(test))


@lru_cache(maxsize=4)
def _tokenizer(texts: tuple[str, ...], vocabulary: int) -> Tokenizer:
    return train_tokenizer(texts, vocabulary)


@lru_cache(maxsize=1)
def _loaded(name: str, device: Device) -> LanguageModel:
    return load(name, device)
