"""What all watermark schemes have in common, over token ids of whole batches: numba, GIL released, no torch."""

from typing import Any, NamedTuple

import numpy as np

from provenance._numba import entry, ranges_of, share_out
from provenance.watermark import Floats, Hashes, Integers, Tokens

SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Windows(NamedTuple):
    """The window of each text that stands out most, each (texts,): its sum and count, and how many were looked at."""

    totals: Floats
    counts: Integers
    windows: Integers


def find_previous(names: tuple[Hashes, ...], tokens: Tokens) -> Integers:
    """Where in its text each n-gram was last met by any of its names, (tokens,) int64; -1 where never."""
    previous = np.full(len(tokens.ids), -1, np.int64)

    def fill(first: int, last: int) -> None:
        longest = int(np.diff(tokens.ends[first : last + 1]).max(initial=0))
        slots = np.empty(1 << (2 * longest).bit_length(), np.int64)
        for held in names:
            _find_previous(held, tokens.ends, first, last, slots, previous)

    share_out(fill, ranges_of(tokens.ends))
    return previous


def add_up(values: Floats, before: Integers, tokens: Tokens) -> tuple[Integers, Floats]:
    """How many n-grams of each text count, and the sum of their values; each (texts,)."""
    counts, totals = np.zeros(len(tokens), np.int64), np.zeros(len(tokens))
    share_out(
        lambda first, last: _add_up(values, before, tokens.ends, tokens.firsts, first, last, counts, totals),
        ranges_of(tokens.ends),
    )
    return counts, totals


def scan(values: Floats, before: Integers, tokens: Tokens, mean: float, shortest: int) -> Windows:
    """The best window of each text, of those half, a quarter, … as long as it, that overlap by half."""
    totals, counts = np.zeros(len(tokens)), np.zeros(len(tokens), np.int64)
    windows = np.zeros(len(tokens), np.int64)
    share_out(
        lambda first, last: _scan(
            values, before, tokens.ends, tokens.firsts, first, last, mean, shortest, totals, counts, windows
        ),
        ranges_of(tokens.ends),
    )
    return Windows(totals, counts, windows)


@entry
def _find_previous(names: Hashes, ends: Integers, first: int, last: int, slots: Integers, previous: Integers) -> None:
    for text in range(first, last):
        begin, end = ends[text], ends[text + 1]
        size = 1
        while size < 2 * (end - begin):
            size *= 2
        for slot in range(size):
            slots[slot] = -1
        mask: Any = np.uint64(size - 1)
        for i in range(begin, end):
            name: Any = names[i]
            slot = (name * SPREAD >> np.uint64(32)) & mask
            while slots[slot] >= 0 and names[slots[slot]] != name:
                slot = (slot + np.uint64(1)) & mask
            if slots[slot] > previous[i]:
                previous[i] = slots[slot]
            slots[slot] = i


@entry
def _add_up(
    values: Floats,
    before: Integers,
    ends: Integers,
    firsts: Integers,
    first: int,
    last: int,
    counts: Integers,
    totals: Floats,
) -> None:
    for text in range(first, last):
        begin, count, total = firsts[text], 0, 0.0
        for i in range(begin, ends[text + 1]):
            if before[i] < begin and values[i] >= 0:
                count += 1
                total += values[i]
        counts[text], totals[text] = count, total


@entry
def _scan(
    values: Floats,
    before: Integers,
    ends: Integers,
    firsts: Integers,
    first: int,
    last: int,
    mean: float,
    shortest: int,
    totals: Floats,
    counts: Integers,
    windows: Integers,
) -> None:
    for text in range(first, last):
        begin, end = firsts[text], ends[text + 1]
        length, highest = shortest, -1e300
        while 2 * length <= end - begin:
            start = begin
            while start < end:
                if start + length > end:
                    start = end - length
                count, total = 0, 0.0
                for i in range(start, start + length):
                    if before[i] < start and values[i] >= 0:
                        count += 1
                        total += values[i]
                if count:
                    windows[text] += 1
                    height = (total - count * mean) / np.sqrt(count)
                    if height > highest:
                        highest, totals[text], counts[text] = height, total, count
                start = end if start + length == end else start + length // 2
            length *= 2
