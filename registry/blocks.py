"""Blocks: documents of tokens, packed into rows of one length, so that a model can learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING = -1
"""The document of a place in a block that no token stands at."""


@dataclass(frozen=True)
class Blocks:
    """Documents that were cut to pieces and packed into blocks of one length; no piece sees another.

    Attributes:
        tokens: (blocks, length) int64.
        pieces: (blocks, length) int64, which piece of the block a token belongs to, from 0; else `PADDING`.
        positions: (blocks, length) int64, places in the piece, from 0.
        weights: (blocks, length) float32, how much it counts that a token is foretold; 0 for the first of each piece,
            which nothing foretells, and for padding.
    """

    tokens: NDArray[np.int64]
    pieces: NDArray[np.int64]
    positions: NDArray[np.int64]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def foretold(self) -> int:
        """How many tokens there are to foretell."""
        return int((self.positions > 0).sum())


def pack(documents: Sequence[Sequence[int]], length: int, pad: int, weights: Sequence[float] | None = None) -> Blocks:
    """Documents of tokens as blocks of a length.

    A document that is longer is cut, each piece beginning with the last token of the one before, so that each token
    but a document's first is foretold exactly once. Pieces go, the longest first, where they leave the least space
    (best-fit packing: Ding et al. 2024, "Fewer truncations improve language modeling").

    Args:
        weights: how much each document counts, 1 where it is None.

    >>> blocks = pack([[1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11]], length=5, pad=0)
    >>> blocks.tokens.tolist()
    [[6, 7, 8, 9, 10], [1, 2, 3, 4, 5], [10, 11, 0, 0, 0]]
    >>> blocks.positions.tolist()
    [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 1, 0, 0, 0]]
    """
    weighed = [1.0] * len(documents) if weights is None else list(weights)
    pieces = [
        (tokens[start : start + length], weight)
        for tokens, weight in zip(documents, weighed, strict=True)
        for start in range(0, max(1, len(tokens) - 1), length - 1)
    ]
    pieces.sort(key=lambda piece: -len(piece[0]))
    rows = _best_fit([len(tokens) for tokens, _ in pieces], length)
    shape = (len(rows), length)
    blocks = Blocks(
        np.full(shape, pad, np.int64),
        np.full(shape, PADDING, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float32),
    )
    for row, held in enumerate(rows):
        start = 0
        for number, piece in enumerate(held):
            tokens, weight = pieces[piece]
            place = slice(start, start + len(tokens))
            blocks.tokens[row, place] = tokens
            blocks.pieces[row, place] = number
            blocks.positions[row, place] = np.arange(len(tokens))
            blocks.weights[row, start + 1 : place.stop] = weight
            start = place.stop
    return blocks


def _best_fit(sizes: Sequence[int], length: int) -> list[list[int]]:
    """Which of the sizes, in falling order, go into each row of a length."""
    rows: list[list[int]] = []
    with_space: list[list[int]] = [[] for _ in range(length + 1)]  # by the space that is left in them
    for index, size in enumerate(sizes):
        space = next((space for space in range(size, length) if with_space[space]), length)
        if space == length:
            rows.append([])
        row = len(rows) - 1 if space == length else with_space[space].pop()
        rows[row].append(index)
        with_space[space - size].append(row)
    return rows
