"""Blocks: documents of tokens, packed into rows of one length, so that a model can learn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PADDING = -1
"""The document, and the piece, of a place in a block that no token stands at."""

Integers = NDArray[np.int64]


class Packed(Protocol):
    """Blocks that are held somewhere: in memory, or in files that are read as they are needed."""

    def __len__(self) -> int: ...

    def take(self, rows: Integers) -> Blocks:
        """Some of the blocks, by their numbers."""
        ...

    @property
    def digest(self) -> str:
        """A hash of all that is in them, in hex."""
        ...


@dataclass(frozen=True)
class Blocks:
    """Documents that were cut to pieces and packed into blocks of one length; no piece sees another.

    Attributes:
        tokens: (blocks, length) int64.
        pieces: (blocks, length) int64, which piece of the block a token belongs to, from 0; else `PADDING`.
        positions: (blocks, length) int64, places in the piece, from 0.
        weights: (blocks, length) float32, how much it counts that a token is foretold; 0 for the first of each piece,
            which nothing foretells, and for padding.
        documents: (blocks, length) int64, which document a token belongs to, from 0; else `PADDING`.
    """

    tokens: Integers
    pieces: Integers
    positions: Integers
    weights: NDArray[np.float32]
    documents: Integers

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def foretold(self) -> int:
        """How many tokens there are to foretell."""
        return int((self.positions > 0).sum())

    @property
    def digest(self) -> str:
        """SHA-256 of the shape and of what a model learns from, in hex."""
        digest = hashlib.sha256(str(self.tokens.shape).encode())
        for part in (self.tokens, self.pieces, self.positions, self.weights):
            digest.update(part.tobytes())
        return digest.hexdigest()

    def take(self, rows: Integers) -> Blocks:
        """Some of the blocks, by their numbers."""
        return Blocks(*(getattr(self, field.name)[rows] for field in fields(self)))


def batches(blocks: int, batch_size: int, seed: int, start: int = 0) -> Iterator[Integers]:
    """Which blocks each batch has, without end: all of them in a seeded order, epoch after epoch.

    Args:
        start: the number of the first batch that is wanted; the order does not depend on it.

    >>> from itertools import islice
    >>> [rows.tolist() for rows in islice(batches(5, 2, seed=0), 4)]
    [[2, 4], [3, 0], [1], [1, 4]]
    """
    each = -(-blocks // batch_size)
    epoch, first = divmod(start, each)
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(blocks)
        for number in range(first, each):
            yield order[number * batch_size : (number + 1) * batch_size]
        epoch, first = epoch + 1, 0


Weights = Sequence[float] | Sequence[NDArray[np.float32]]
"""How much documents count: a number each, or one for each of their tokens."""

Documents = Sequence[Sequence[int]] | Sequence[NDArray[np.integer]]
"""The tokens of each document."""

AT_ONCE = 10_000
"""So many pieces are laid into blocks at a time: indices of all tokens take more memory than the tokens."""


def pack(documents: Documents, length: int, pad: int, weights: Weights | None = None) -> Blocks:
    """Documents of tokens as blocks of a length.

    A document that is longer is cut, each piece beginning with the last token of the one before, so that each token
    but a document's first is foretold exactly once. Pieces go, the longest first, where they leave the least space
    (best-fit packing: Ding et al. 2024, "Fewer truncations improve language modeling").

    Args:
        weights: how much each document, or each token of each, counts; 1 where it is None.

    >>> blocks = pack([[1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11]], length=5, pad=0)
    >>> blocks.tokens.tolist()
    [[6, 7, 8, 9, 10], [1, 2, 3, 4, 5], [10, 11, 0, 0, 0]]
    >>> blocks.positions.tolist()
    [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 1, 0, 0, 0]]
    >>> blocks.documents.tolist()
    [[2, 2, 2, 2, 2], [0, 0, 0, 1, 1], [2, 2, -1, -1, -1]]
    """
    sizes = np.array([len(tokens) for tokens in documents], np.int64)
    held = _joined(documents, np.int64)
    cuts = _cut(sizes, length)
    rows, columns, numbers = _best_fit(cuts.sizes.tolist(), length)
    shape = (int(rows.max(initial=-1)) + 1, length)
    blocks = Blocks(
        np.full(shape, pad, np.int64),
        np.full(shape, PADDING, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float32),
        np.full(shape, PADDING, np.int64),
    )
    counts = _token_weights(weights, sizes)
    for start in range(0, len(cuts.sizes), AT_ONCE):
        piece, place = _spread(cuts.sizes[start : start + AT_ONCE])  # (tokens of these pieces,) each
        piece += start
        source, at = cuts.starts[piece] + place, (rows[piece], columns[piece] + place)
        blocks.tokens[at] = held[source]
        blocks.pieces[at] = numbers[piece]
        blocks.positions[at] = place
        blocks.weights[at] = counts[source] * (place > 0)
        blocks.documents[at] = cuts.documents[piece]
    return blocks


@dataclass(frozen=True)
class _Cuts:
    """Pieces of documents, the longest first.

    Attributes:
        documents: (pieces,) which document each is of.
        starts: (pieces,) where it begins, among the tokens of all documents.
        sizes: (pieces,) tokens.
    """

    documents: Integers
    starts: Integers
    sizes: Integers


def _cut(sizes: Integers, length: int) -> _Cuts:
    """Documents of these sizes as pieces no longer than a length, which overlap by one token."""
    counts = np.where(sizes > 0, np.maximum(1, -(-(sizes - 1) // (length - 1))), 0)
    document, number = _spread(counts)
    inside = number * (length - 1)
    held = np.minimum(length, sizes[document] - inside)
    order = np.argsort(-held, kind="stable")
    before = np.cumsum(sizes) - sizes
    return _Cuts(document[order], (before[document] + inside)[order], held[order])


def _spread(counts: Integers) -> tuple[Integers, Integers]:
    """For each of the things that are counted: which count it is of, and its place there.

    >>> [part.tolist() for part in _spread(np.array([2, 0, 3]))]
    [[0, 0, 2, 2, 2], [0, 1, 0, 1, 2]]
    """
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def _best_fit(sizes: Sequence[int], length: int) -> tuple[Integers, Integers, Integers]:
    """The row, the place in it and the number there of each size, in falling order, in rows of a length."""
    found = np.empty((len(sizes), 3), np.int64)
    held: list[int] = []  # how many sizes each row has
    with_space: list[list[int]] = [[] for _ in range(length + 1)]  # rows, by the space that is left in them
    spaces = 0  # bit s is 1 where a row has a space of s, so that the least that fits is found at once
    for index, size in enumerate(sizes):
        if fitting := spaces >> size:
            space = size + (fitting & -fitting).bit_length() - 1
            row = with_space[space].pop()
            spaces ^= 0 if with_space[space] else 1 << space
        else:
            row, space = len(held), length
            held.append(0)
        found[index] = row, length - space, held[row]
        held[row] += 1
        if left := space - size:
            with_space[left].append(row)
            spaces |= 1 << left
    return found[:, 0], found[:, 1], found[:, 2]


def _joined(parts: Documents | Weights, kind: type[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([np.zeros(0, kind), *(np.asarray(part, kind) for part in parts)])


def _token_weights(weights: Weights | None, sizes: Integers) -> NDArray[np.generic]:
    """How much each token of all documents counts, (tokens,) float32."""
    if weights is None:
        return np.ones(int(sizes.sum()), np.float32)
    if len(weights) and isinstance(weights[0], np.ndarray):
        return _joined(weights, np.float32)
    return np.repeat(np.asarray(weights, np.float32), sizes)
