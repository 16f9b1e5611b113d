"""The fast form of `fingerprint`: numba over Arrow's string buffers, GIL released, compiled once and kept on disk.

What each function means is said by its plain form in `provenance.fingerprint`, to which tests hold it. Texts come as in
Arrow: `content` (bytes,) uint8, and `ends` (texts + 1,) int64, where each text begins and the last one ends.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import int64, uint8, uint32, uint64
from numpy.typing import NDArray

from provenance import fingerprint
from provenance._numba import entry, inner, ranges_of, share_out
from provenance.fingerprint import (
    ALONE,
    DOT_ABOVE,
    DOTTED_I,
    EMPTY,
    LONGEST,
    MARK,
    WORD,
    Hashes,
    Integers,
    MinHashSpec,
    Signatures,
    Texts,
)

Bytes = NDArray[np.uint8]
Points = NDArray[np.uint32]
Edges = NDArray[np.int32]
Room = tuple[Bytes, Hashes, Edges, Hashes, Hashes, Integers]
"""Where the pieces of a text are worked on: its words, the same by eight bytes, their edges, the words' hashes, the
shingles', and the state of the work: where the next piece begins, how many bytes of a word that goes on were carried
over, how many words, and how many shingles there were so far."""

WORD_SEED, TURN = uint64(fingerprint.WORD_SEED), uint64(fingerprint.TURN)
FOLD_1, FOLD_2, FOLD_3 = uint64(fingerprint.FOLD_1), uint64(fingerprint.FOLD_2), uint64(fingerprint.FOLD_3)
CHUNK = 4096
"""So many bytes of a text are in hand at a time: what is worked out of them stays in the processor's cache."""
LANES = 8
"""So many shingles are permuted together."""
BLOCK = 32
"""So many bytes are lowered at a time where all are ASCII."""


@inner
def _normalise(content: Bytes, begin: int, end: int, characters: Hashes, words: Bytes, size: int) -> int:
    """Append the lowered words of `content[begin:end]` to `words[:size]`, a zero between them; the new size."""
    i = begin
    while i < end:
        stop, high = i + BLOCK if i + BLOCK < end else end, uint8(0)
        if stop - i == BLOCK:
            for k in range(BLOCK):
                high |= content[uint64(i + k)]
        if stop - i == BLOCK and high < 128:
            for k in range(BLOCK):
                byte = content[uint64(i + k)]
                low = byte | uint8(uint8(uint8(byte - uint8(65)) < uint8(26)) << uint8(5))
                is_word = (uint8(low - uint8(97)) < uint8(26)) | (uint8(byte - uint8(48)) < uint8(10))
                words[uint64(size + k)] = low if is_word else uint8(0)
            i, size = stop, size + BLOCK
        while i < stop:
            point = int64(content[i])
            more = (point >= 0xC0) + (point >= 0xE0) + (point >= 0xF0)
            point &= 0x7F >> (more + (more > 0))
            for k in range(i + 1, i + 1 + more):
                point = point << 6 | content[k] & 0x3F
            i += 1 + more
            kind, rest = characters[point] & uint64(3), characters[point] >> uint64(2)
            if kind != MARK and kind != WORD:
                words[size] = 0
                size += 1
            if kind in (WORD, ALONE) or (kind == MARK and size and words[size - 1]):
                while rest:
                    words[size] = rest & 0xFF
                    rest, size = rest >> 8, size + 1
            if kind == ALONE:
                words[size] = 0
                size += 1
    return size


@inner
def _find_edges(words: Bytes, size: int, edges: Edges) -> int:
    """Where words begin and end, in turn: how many such edges there are."""
    count, before = 0, False
    for i in range(size):
        inside = words[i] != 0
        edges[count] = i
        count += inside != before
        before = inside
    edges[count] = size
    return count + before


@inner
def _next_shingles(content: Bytes, end: int, n: int, characters: Hashes, room: Room) -> int:
    """Hash the shingles of the next piece of a text, which the room's state knows; how many there are."""
    words, eights, edges, hashes, shingles, state = room
    begin, size, held = state[0], state[1], state[2]
    cut = begin + CHUNK if begin + CHUNK < end else end
    while cut < end and content[cut] & 0xC0 == 0x80:
        cut += 1
    size = _normalise(content, begin, cut, characters, words, size)
    goes_on = cut < end and size > 0 and words[size - 1] != 0
    count = _find_edges(words, size, edges) // 2
    for word in range(count):
        start, stop = int64(edges[2 * word]), int64(edges[2 * word + 1])
        at, value = start, WORD_SEED
        while at < stop:
            shift = uint64(8 * (at & 7))
            eight = eights[at >> 3] >> shift | (eights[(at >> 3) + 1] << uint64(1)) << (uint64(63) - shift)
            at += 8
            if at > stop:
                eight &= uint64(0xFFFFFFFFFFFFFFFF) >> uint64(8 * (at - stop))
            value = (value ^ eight) * FOLD_1
            value ^= value >> uint64(32)
            if at >= stop or at == start + LONGEST:
                value *= FOLD_2
                hashes[held] = value ^ (value >> uint64(29))
                held, value = held + 1, WORD_SEED
                if at < stop:
                    start = at
        edges[2 * word] = start
    carried = 0
    if goes_on:
        start, stop, held = int64(edges[2 * count - 2]), int64(edges[2 * count - 1]), held - 1
        carried = stop - start
        for k in range(carried):
            words[k] = words[start + k]
    if cut == end and held < n and not state[3]:
        n = held if held > 1 else 1
    made = held - n + 1 if held >= n else 0
    kept = n - 1 if held >= n else held
    value, top = uint64(0), uint64(1)
    for k in range(kept):
        value, top = value * TURN + hashes[k], top * TURN
    for first in range(made):
        value = value * TURN + hashes[first + n - 1]
        whole = (value ^ (value >> uint64(32))) * FOLD_3
        shingles[first] = whole ^ (whole >> uint64(29))
        value -= hashes[first] * top
    for k in range(kept):
        hashes[k] = hashes[held - kept + k]
    state[0], state[1], state[2], state[3] = cut, carried, kept, state[3] + made
    return int(made)


@inner
def _sign(shingles: Hashes, count: int, affine: Signatures, mixed: Signatures, row: Signatures) -> None:
    """Lower a signature to the least value that each permutation gives to a shingle."""
    for k in range(count):
        value = uint32(shingles[k])
        value = uint32(value ^ (value >> uint32(16))) * uint32(0x85EBCA6B)
        value = uint32(value)
        value = uint32(value ^ (value >> uint32(13))) * uint32(0xC2B2AE35)
        value = uint32(value)
        mixed[k] = value ^ (value >> uint32(16))
    for k in range(count, count + LANES):
        mixed[k] = mixed[0]
    for k in range(0, count, LANES):
        for p in range(len(row)):
            least = row[p]
            for lane in range(LANES):
                value = uint32(affine[0, p] * mixed[uint64(k + lane)] + affine[1, p])
                if value < least:
                    least = value
            row[p] = least


@entry
def _sign_texts(
    content: Bytes,
    ends: Integers,
    first: int,
    last: int,
    n: int,
    affine: Signatures,
    characters: Hashes,
    room: Room,
    mixed: Signatures,
    out: Signatures,
) -> None:
    """Fill rows `[first:last]` of `out` (texts, perms) uint32 with the signatures of these texts."""
    shingles, state = room[4], room[5]
    for text in range(first, last):
        row = out[text]
        for p in range(len(row)):
            row[p] = uint32(EMPTY)
        state[0], state[1], state[2], state[3] = ends[text], 0, 0, 0
        while state[0] < ends[text + 1]:
            count = _next_shingles(content, ends[text + 1], n, characters, room)
            if count:
                _sign(shingles, count, affine, mixed, row)


@entry
def _shingle_sets(
    content: Bytes,
    ends: Integers,
    first: int,
    last: int,
    n: int,
    characters: Hashes,
    room: Room,
    found: Hashes,
    sizes: Integers,
) -> int:
    """Put the distinct shingles of texts `[first:last]` into `found`, ascending in each, and how many into `sizes`."""
    shingles, state = room[4], room[5]
    size = 0
    for text in range(first, last):
        state[0], state[1], state[2], state[3] = ends[text], 0, 0, 0
        begin = size
        while state[0] < ends[text + 1]:
            count = _next_shingles(content, ends[text + 1], n, characters, room)
            for k in range(count):
                found[size + k] = shingles[k]
            size += count
        _sort(found, begin, size)
        kept = begin
        for k in range(begin, size):
            if k == begin or found[k] != found[kept - 1]:
                found[kept] = found[k]
                kept += 1
        sizes[text], size = kept - begin, kept
    return size


@inner
def _sort(values: Hashes, first: int, last: int) -> None:
    """Sort `values[first:last]` in place, by Shell's method: numba's own sort takes longer to compile than all else."""
    gap = 1
    while gap < (last - first) // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, last):
            value, at = values[i], i
            while at >= first + gap and values[at - gap] > value:
                values[at] = values[at - gap]
                at -= gap
            values[at] = value
        gap //= 3


@entry
def _count_shared(
    hashes: Hashes, ends: Integers, left: Integers, right: Integers, first: int, last: int, shared: Integers
) -> None:
    """Fill `[first:last]` of `shared` (pairs,) int64 with how many hashes both sets of a pair have."""
    for pair in range(first, last):
        a, a_end = ends[left[pair]], ends[left[pair] + 1]
        b, b_end = ends[right[pair]], ends[right[pair] + 1]
        count = 0
        while a < a_end and b < b_end:
            one, other = hashes[a], hashes[b]
            count += one == other
            a += one <= other
            b += other <= one
        shared[pair] = count


@entry
def _add_to_sieve(keys: Hashes, counts: Bytes) -> None:
    """Count keys in the slots of their ends, up to two."""
    ends = uint64(len(counts) - 1)
    for k in range(len(keys)):
        slot = keys[k] & ends
        if counts[slot] < 2:
            counts[slot] += 1


# -- on all processors


def warm() -> None:
    """Have the kernel of signatures loaded, or compiled where it never was."""
    sign_texts(Texts(np.zeros(1, np.uint8), np.array([0, 1])), MinHashSpec())


def sign_texts(texts: Texts, spec: MinHashSpec) -> Signatures:
    """What `fingerprint.sign_texts` says."""
    signatures = np.empty((len(texts), spec.num_perm), np.uint32)
    affine = np.stack(spec.permutations)
    content, ends = _read_only(texts.content, texts.ends)

    def fill(first: int, last: int) -> None:
        room = _room(spec.n)
        mixed = np.empty(len(room[-2]) + LANES, np.uint32)
        _sign_texts(content, ends, first, last, spec.n, affine, _characters(), room, mixed, signatures)

    share_out(fill, ranges_of(texts.ends))
    return signatures


def shingle_sets(texts: Texts, spec: MinHashSpec) -> tuple[Hashes, Integers]:
    """What `fingerprint.shingle_sets` says."""
    sizes = np.zeros(len(texts), np.int64)
    content, ends = _read_only(texts.content, texts.ends)

    def take(first: int, last: int) -> Hashes:
        most = int(ends[last] - ends[first]) // 2 + last - first  # words of one letter, a space between them
        found = np.empty(most, np.uint64)
        size = _shingle_sets(content, ends, first, last, spec.n, _characters(), _room(spec.n), found, sizes)
        return found[:size].copy()

    found = share_out(take, ranges_of(texts.ends))
    return np.concatenate([np.empty(0, np.uint64), *found]), np.append(0, np.cumsum(sizes))


def count_shared(hashes: Hashes, ends: Integers, left: Integers, right: Integers) -> Integers:
    """What `fingerprint.ShingleSets.shared` says."""
    shared = np.empty(len(left), np.int64)
    hashes, ends, left, right = _read_only(hashes, ends, left, right)
    pairs = ranges_of(np.arange(len(left) + 1))
    share_out(lambda first, last: _count_shared(hashes, ends, left, right, first, last, shared), pairs)
    return shared


def add_to_sieve(keys: Hashes, counts: Bytes) -> None:
    """What `fingerprint.Sieve.add` says; on one processor, as keys of one slot must not meet."""
    (held,) = _read_only(keys)
    _add_to_sieve(held, counts)


def _read_only(*arrays: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The same arrays, all of one kind: numba compiles anew for arrays that may be written."""
    for array in arrays:
        view = np.ascontiguousarray(array).view()
        view.flags.writeable = False
        yield view


def _room(n: int) -> Room:
    size = -(-(LONGEST + 2 * CHUNK + BLOCK) // 8) * 8
    most = size // 2 + n
    words = np.zeros(size, np.uint8)
    edges, hashes, shingles = np.empty(size + 2, np.int32), np.empty(most, np.uint64), np.empty(most, np.uint64)
    return words, words.view(np.uint64), edges, hashes, shingles, np.empty(4, np.int64)


@cache
def _characters() -> Hashes:
    """Of every code point its kind, and times four its lower case as UTF-8, the first byte lowest: (0x110000,)."""
    kinds, changed = fingerprint.characters()
    points = np.arange(len(kinds), dtype=np.uint64)
    points[list(changed)] = list(changed.values())
    last = [0x80 | points >> 6 * k & 0x3F for k in range(3)]
    utf8 = np.select(
        [points < 0x80, points < 0x800, points < 0x10000],
        [points, 0xC0 | points >> 6 | last[0] << 8, 0xE0 | points >> 12 | last[1] << 8 | last[0] << 16],
        0xF0 | points >> 18 | last[2] << 8 | last[1] << 16 | last[0] << 24,
    )
    utf8[DOTTED_I] = int.from_bytes(f"i{chr(DOT_ABOVE)}".encode(), "little")
    characters: Hashes = utf8 << np.uint64(2) | np.frombuffer(kinds, np.uint8)
    return characters
