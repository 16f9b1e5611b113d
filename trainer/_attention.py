"""Attention of one new token a row, on one processor: torch's kernel takes twice as long for queries this short."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from provenance._numba import entry

Floats = NDArray[np.float32]


def _attend(
    query: Floats, keys: Floats, values: Floats, padding: NDArray[np.int64], found: Floats, end: int, scale: float
) -> None:
    """Fill in what each query finds in the tokens before `end` that are no padding.

    The plain form is `torch.nn.functional.scaled_dot_product_attention`, which tests hold this to.

    Args:
        query: (rows, heads, width).
        keys, values: (rows, heads of their own, capacity, width), each head for as many queries that follow another.
        padding: (rows,), how many tokens at the left of each row are none.
        found: (rows, heads x width).
        scale: of the products of queries and keys.
    """
    rows, heads, width = query.shape
    queries_a_head = heads // keys.shape[1]
    weights, asked, sums = np.empty(end, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(rows):
        begin = padding[row]
        for head in range(heads):
            key, value = keys[row, head // queries_a_head], values[row, head // queries_a_head]
            for k in range(width):
                asked[k], sums[k] = query[row, head, k] * np.float32(scale), np.float32(0)
            highest = np.float32(-np.inf)
            for token in range(begin, end):
                product = np.float32(0)
                for k in range(width):
                    product += asked[k] * key[token, k]
                weights[token] = product
                highest = max(highest, product)
            total = np.float32(0)
            for token in range(begin, end):
                weight = np.exp(weights[token] - highest)
                total += weight
                for k in range(width):
                    sums[k] += weight * value[token, k]
            for k in range(width):
                found[row, head * width + k] = sums[k] / total


attend = entry(_attend, fastmath={"reassoc", "contract"})  # not a number stays what it is
