"""Tokenizers: a byte-level BPE trained on texts, and the special tokens that any tokenizer has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from provenance.errors import ProvError
from registry.tokens import whole

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
LEAST_VOCABULARY = 256 + len((BOS, EOS, PAD))

# What the tokens are called that begin, end and pad a document, ours first, then those of other families.
BEGINS = (BOS, "<s>", "<|begin_of_text|>", "[BOS]", "<bos>", "<|endoftext|>", "<|im_start|>")
ENDS = (EOS, "</s>", "<|end_of_text|>", "[EOS]", "<eos>", "<|endoftext|>", "<|im_end|>")
PADS = (PAD, "<pad>", "[PAD]", "<|finetune_right_pad_id|>")


class Special(NamedTuple):
    """The tokens that documents begin and end with, and that fills blocks; they may be the same."""

    begin: int
    end: int
    pad: int


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE trained on texts, the same for the same texts; it adds no special tokens of its own.

    Args:
        vocabulary: tokens that there are at most, special ones and the 256 bytes among them.
    """
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
    return whole(tokenizer)


def special_tokens(tokenizer: Tokenizer) -> Special:
    """The special tokens of a tokenizer, by the names that they usually have; the end pads where nothing else does.

    Raises:
        ProvError: none of its tokens is known to end a document.
    """
    end = _first(tokenizer, ENDS)
    if end is None:
        raise ProvError(
            f"the tokenizer has no token that ends a document, wanted one of {', '.join(ENDS)}: "
            "add one to it, or leave it out to train another"
        )
    begin, pad = _first(tokenizer, BEGINS), _first(tokenizer, PADS)
    return Special(end if begin is None else begin, end, end if pad is None else pad)


def _first(tokenizer: Tokenizer, names: Iterable[str]) -> int | None:
    """The first of some tokens that a tokenizer has."""
    found = (tokenizer.token_to_id(name) for name in names)
    return next((token for token in found if token is not None), None)
