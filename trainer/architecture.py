"""Architectures: how a network is built that nothing has trained yet, by a named size or by a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from provenance.errors import ProvError
from trainer.tokenizer import Special

SizeName = Literal["micro", "tiny", "mini", "3m", "10m", "30m", "small"]


class Size(NamedTuple):
    """How large a network is; its layers hold about 12 width² numbers each."""

    width: int
    layers: int
    heads: int


SIZES: dict[str, Size] = {
    "micro": Size(16, 1, 2),
    "tiny": Size(80, 2, 4),
    "mini": Size(112, 3, 4),
    "3m": Size(192, 6, 6),
    "10m": Size(320, 8, 5),
    "30m": Size(512, 10, 8),
    "small": Size(768, 12, 12),
}
"""By name. With 1,024 tokens and a context of 128, `micro` has 22 thousand parameters, `tiny` 0.25 and `mini` 0.58
million; `3m`, `10m` and `30m` have about as many as they are called, in their layers; `small` is GPT-2's smallest, 124
million with its 50,257 tokens and context of 1,024. A Llama has about as many as a GPT-2, but none for positions."""


class Architecture(BaseModel):
    """What a network is, before it learns.

    Attributes:
        kind: the family.
        size: a name of `SIZES`.
        context: tokens that it sees at most.
        config: a configuration of `transformers` as plain JSON, with its `model_type`, instead of family and size;
            `read_config` reads one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gpt2", "llama"] = "gpt2"
    size: SizeName = "tiny"
    context: int = Field(default=128, ge=8)
    config: dict[str, JsonValue] | None = None

    def network(self, vocabulary: int, special: Special, seed: int) -> Any:
        """A network whose weights come from a seed alone, on the processor.

        Args:
            vocabulary: how many tokens its tokenizer has.
        Raises:
            ProvError: the configuration does not fit.
        """
        import torch
        from transformers import AutoModelForCausalLM

        config = self._configured(vocabulary, special)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
            except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
                raise _unfit(error) from error

    def _configured(self, vocabulary: int, special: Special) -> Any:
        """The configuration of `transformers`, its vocabulary and special tokens those of the tokenizer."""
        from transformers import AutoConfig

        told: dict[str, Any] = self._named() if self.config is None else dict(self.config)
        told = {"vocab_size": vocabulary} | told | dict(zip(_SPECIAL, special, strict=True))
        try:
            config = AutoConfig.for_model(told.pop("model_type"), **told)
        except Exception as error:  # what a configuration checks, it tells by errors of many kinds
            raise _unfit(error) from error
        if config.vocab_size < vocabulary:
            raise ProvError(
                f"the configuration has {config.vocab_size:,} tokens, the tokenizer {vocabulary:,}: "
                "leave its vocab_size out, or give a smaller tokenizer"
            )
        return config

    def _named(self) -> dict[str, Any]:
        """What a size of a family is, in its own words; nothing drops out."""
        width, layers, heads = SIZES[self.size]
        if self.kind == "gpt2":
            dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
            shape = {"n_positions": self.context, "n_embd": width, "n_layer": layers, "n_head": heads}
            exact = {"activation_function": "gelu"}  # a quarter of what GPT-2's approximation of it costs a processor
            return {"model_type": "gpt2", **shape, **dropout, **exact}
        return {
            "model_type": "llama",
            "max_position_embeddings": self.context,
            "hidden_size": width,
            "intermediate_size": 8 * round(width / 3),  # three matrices, together as large as the two of a GPT-2
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "tie_word_embeddings": True,
        }


_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


def read_config(path: Path) -> dict[str, Any]:
    """A configuration of `transformers` from a JSON file, such as the `config.json` of a model.

    Raises:
        ProvError: it cannot be read, or does not say what `model_type` it is.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvError(f"cannot read {path}: {error.strerror}; name the JSON file of a configuration") from error
    except ValueError as error:
        raise ProvError(f"{path} is no JSON: {error}; mend it") from error
    if not isinstance(told, dict) or not isinstance(told.get("model_type"), str):
        raise ProvError(f"{path} has no model_type, such as gpt2 or llama: add it")
    return cast("dict[str, Any]", told)


def _unfit(error: Exception) -> ProvError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ProvError(f"no network can be made of the configuration: {reason}; mend it")
