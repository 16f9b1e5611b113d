"""Editing texts by tokens: what a model was sure of, it chooses anew (ToEdit: Zhu et al. 2024, arXiv 2412.14689)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from trainer.model import LanguageModel

if TYPE_CHECKING:
    import torch

MOST_SCORES = 1 << 26
"""So many scores are held at a time, 256 MB."""

REPLACEMENT = "\ufffd"
"""What bytes that are no character decode to."""


class Editing(BaseModel):
    """Which tokens are chosen anew, and from which.

    Attributes:
        p: those whose probability, given what is before them, is this or more.
        top_k: from so many of the likeliest, by their probabilities; the token itself may be chosen again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    p: float = Field(default=0.99, ge=0, le=1)
    top_k: int = Field(default=8, ge=1)


@dataclass(frozen=True)
class Edited:
    """Texts after a model has gone over them.

    Attributes:
        texts: as many as before, in their order.
        tokens: how many they had.
        chosen: how many of those were chosen anew.
        changed: how many are others now.
    """

    texts: list[str]
    tokens: int
    chosen: int
    changed: int

    @property
    def share(self) -> float:
        """The share of tokens that were chosen anew."""
        return self.chosen / max(1, self.tokens)


class _Piece(NamedTuple):
    """A part of a document that a model sees at once."""

    document: int
    start: int
    tokens: list[int]


def edit(model: LanguageModel, texts: Sequence[str], editing: Editing, seed: int) -> Edited:
    """Let a model go over texts once, forward: each token is judged by what was before it, as it was written.

    Only tokens that are whole characters are replaced, by others that are, so that what comes out is text. A text
    longer than the model's context is read in pieces, each seeing the last token of the one before.

    Args:
        model: the prior.
        seed: of what is chosen; the same on the same machine gives the same texts.
    """
    documents = model.documents(texts)
    edited = [tokens.copy() for tokens in documents]
    chosen = changed = 0
    for batch, places, tokens in _choices(model, documents, editing, seed):
        for (row, column), token in zip(places.tolist(), tokens.tolist(), strict=True):
            piece = batch[row]
            place = piece.start + column + 1
            chosen += 1
            changed += documents[piece.document][place] != token
            edited[piece.document][place] = token
    return Edited(_told(model, texts, documents, edited), sum(len(tokens) - 2 for tokens in documents), chosen, changed)


def _told(
    model: LanguageModel, texts: Sequence[str], documents: Sequence[list[int]], edited: Sequence[list[int]]
) -> list[str]:
    """Edited tokens as texts; one of which no token is another is as it was, however a tokenizer would write it."""
    decoded = model.tokenizer.decode_batch([tokens[1:-1] for tokens in edited], skip_special_tokens=False)
    return [
        text if tokens == before else told
        for text, before, tokens, told in zip(texts, documents, edited, decoded, strict=True)
    ]


def _choices(
    model: LanguageModel, documents: Sequence[list[int]], editing: Editing, seed: int
) -> Iterator[tuple[list[_Piece], NDArray[np.int64], NDArray[np.int64]]]:
    """For each batch of pieces, which tokens are chosen anew, and what they become.

    Yields:
        The pieces; (chosen, 2) the piece of each and its place there, counted from the second token; (chosen,) tokens.
    """
    import torch

    network, vocabulary = model.network, int(model.network.config.vocab_size)
    network.eval()
    generator = torch.Generator(network.device).manual_seed(seed)
    whole = torch.from_numpy(_whole(model, vocabulary)).to(network.device)
    for batch in _batches(_pieces(documents, model.context), vocabulary):
        ids = _padded(batch, model.pad).to(network.device)  # (rows, width)
        with torch.inference_mode():
            told = network(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
            logits = told.logits[:, :-1].float()  # (rows, width - 1, vocabulary)
            places = _sure(logits, ids[:, 1:], whole, editing.p)
            tokens = _drawn(logits[places[:, 0], places[:, 1]], whole, editing.top_k, generator)
        yield batch, places.cpu().numpy(), tokens.cpu().numpy()


def _sure(logits: torch.Tensor, following: torch.Tensor, whole: torch.Tensor, p: float) -> torch.Tensor:
    """Where a whole token stands that has at least a probability, (found, 2); padding and ends are not whole."""
    scores = logits.gather(2, following[:, :, None])[:, :, 0] - logits.logsumexp(dim=-1)
    return ((scores.exp() >= p) & whole[following]).nonzero()


def _drawn(logits: torch.Tensor, whole: torch.Tensor, top_k: int, generator: torch.Generator) -> torch.Tensor:
    """One of the likeliest whole tokens for each row of scores, (rows,)."""
    import torch

    likeliest = logits.masked_fill(~whole, -torch.inf).topk(min(top_k, int(whole.sum())), dim=-1)
    if not len(logits):
        return likeliest.indices[:, 0]
    place = torch.multinomial(likeliest.values.softmax(dim=-1), 1, generator=generator)
    return likeliest.indices.gather(1, place)[:, 0]


def _pieces(documents: Sequence[list[int]], context: int) -> list[_Piece]:
    """Documents cut to what a model sees at once, each piece beginning with the last token of the one before."""
    return [
        _Piece(number, start, tokens[start : start + context])
        for number, tokens in enumerate(documents)
        for start in range(0, max(1, len(tokens) - 1), context - 1)
    ]


def _batches(pieces: list[_Piece], vocabulary: int) -> Iterator[list[_Piece]]:
    """Pieces of like length together, so many that their scores are not too many."""
    waiting = sorted(pieces, key=lambda piece: len(piece.tokens))
    while waiting:
        rows = max(1, MOST_SCORES // (vocabulary * len(waiting[-1].tokens)))
        yield waiting[-rows:]
        del waiting[-rows:]


def _padded(pieces: Sequence[_Piece], pad: int) -> torch.Tensor:
    """The tokens of pieces, padded on the right, where nothing before sees it: (pieces, longest) int64."""
    import torch

    longest = max(len(piece.tokens) for piece in pieces)
    return torch.tensor([piece.tokens + [pad] * (longest - len(piece.tokens)) for piece in pieces])


def _whole(model: LanguageModel, vocabulary: int) -> NDArray[np.bool_]:
    """Which tokens are characters, and not a part of one or special, (vocabulary,)."""
    told = model.tokenizer.decode_batch([[token] for token in range(model.tokenizer.get_vocab_size())])
    whole = np.zeros(vocabulary, np.bool_)
    whole[: len(told)] = [bool(text) and REPLACEMENT not in text for text in told]
    whole[[model.begin, model.end, model.pad]] = False
    return whole
