"""The fast form of `fingerprint`: numba over Arrow's string buffers, GIL released, compiled once and kept on disk.

What each function means is said by its plain form in `provenance.fingerprint`, to which tests hold it. Texts come as in
Arrow: `content` (bytes,) uint8, and `ends` (texts + 1,) int64, where each text begins and the last one ends.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np
from numba import int64, njit, uint8, uint32, uint64
from numpy.typing import NDArray

from provenance import fingerprint
from provenance.fingerprint import (
    ALONE,
    DOT_ABOVE,
    DOTTED_I,
    EMPTY,
    LONGEST,
    MARK,
    WORD,
    Bands,
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
shingles', and what `_next_shingles` keeps in mind."""

WORD_SEED, TURN = uint64(fingerprint.WORD_SEED), uint64(fingerprint.TURN)
FOLD_1, FOLD_2, FOLD_3 = uint64(fingerprint.FOLD_1), uint64(fingerprint.FOLD_2), uint64(fingerprint.FOLD_3)
CHUNK = 4096
"""So many bytes of a text are in hand at a time: what is worked out of them stays in the processor's cache."""
LANES = 8
"""So many shingles are permuted together."""
BLOCK = 32
"""So many bytes are lowered at a time where all are ASCII."""
Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]
inner: Decorator[Any] = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")  # type: ignore[call-overload]
inlined: Decorator[Any] = njit(inline="always")


def entry(function: Function) -> Function:
    """Compile a function once for all processes, or once for each where nothing can be kept on disk."""
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # no folder for it may be written
        return cast(Function, njit(nogil=True)(function))


@inner
def _normalise(content: Bytes, begin: int, end: int, kinds: Bytes, lowers: Points, words: Bytes, size: int) -> int:
    """Append the lowered words of `content[begin:end]` to `words[:size]`, a zero between them; the new size."""
    i = begin
    while i < end:
        if end - i >= BLOCK and _is_ascii(content[i : i + BLOCK]):
            _lower_ascii(content[i : i + BLOCK], words[size : size + BLOCK])
            i, size = i + BLOCK, size + BLOCK
        else:
            while i < end and content[i] < 128:
                words[size] = lowers[content[i]] if kinds[content[i]] == WORD else 0
                i, size = i + 1, size + 1
            if i < end:
                i, point = _decode(content, i)
                size = _lower(point, kinds[point], lowers[point], words, size)
    return size


@inlined
def _is_ascii(piece: Bytes) -> bool:
    high = uint8(0)
    for k in range(BLOCK):
        high |= piece[k]
    return bool(high < 128)


@inlined
def _lower_ascii(piece: Bytes, lowered: Bytes) -> None:
    for k in range(BLOCK):
        byte = piece[k]
        low = byte | uint8(uint8(uint8(byte - uint8(65)) < uint8(26)) << uint8(5))
        is_word = (uint8(low - uint8(97)) < uint8(26)) | (uint8(byte - uint8(48)) < uint8(10))
        lowered[k] = low if is_word else uint8(0)


@inner
def _decode(content: Bytes, i: int) -> tuple[int, int]:
    """The character that begins at a byte above ASCII: where the next one begins, and its code point."""
    lead = content[i]
    if lead < 0xE0:
        return i + 2, (lead & 0x1F) << 6 | content[i + 1] & 0x3F
    if lead < 0xF0:
        return i + 3, (lead & 0x0F) << 12 | (content[i + 1] & 0x3F) << 6 | content[i + 2] & 0x3F
    high = (lead & 0x07) << 18 | (content[i + 1] & 0x3F) << 12
    return i + 4, high | (content[i + 2] & 0x3F) << 6 | content[i + 3] & 0x3F


@inner
def _lower(point: int, kind: int, lower: int, words: Bytes, size: int) -> int:
    """Append a character above ASCII; the new size."""
    if kind == WORD or (kind == MARK and size and words[size - 1]):
        size = _put(words, size, int64(lower))
        return _put(words, size, int64(DOT_ABOVE)) if point == DOTTED_I else size
    if kind == MARK:
        return size
    words[size] = 0
    if kind != ALONE:
        return size + 1
    size = _put(words, size + 1, int64(lower))
    words[size] = 0
    return size + 1


@inner
def _put(words: Bytes, size: int, point: int) -> int:
    """Append a character as UTF-8; the new size."""
    if point < 0x80:
        words[size] = point
        return size + 1
    if point < 0x800:
        words[size], words[size + 1] = 0xC0 | point >> 6, 0x80 | point & 0x3F
        return size + 2
    if point < 0x10000:
        words[size], words[size + 1] = 0xE0 | point >> 12, 0x80 | point >> 6 & 0x3F
        words[size + 2] = 0x80 | point & 0x3F
        return size + 3
    words[size], words[size + 1] = 0xF0 | point >> 18, 0x80 | point >> 12 & 0x3F
    words[size + 2], words[size + 3] = 0x80 | point >> 6 & 0x3F, 0x80 | point & 0x3F
    return size + 4


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
def _hash_word(eights: Hashes, start: int, stop: int) -> Any:
    """The hash of the word at `[start:stop]` of the bytes of which `eights` holds eight each."""
    value = WORD_SEED
    while stop - start > 8:
        value = (value ^ _eight(eights, start)) * FOLD_1
        value ^= value >> uint64(32)
        start += 8
    rest = _eight(eights, start) & (uint64(0xFFFFFFFFFFFFFFFF) >> uint64(64 - 8 * (stop - start)))
    value = (value ^ rest) * FOLD_1
    value ^= value >> uint64(32)
    value *= FOLD_2
    return value ^ (value >> uint64(29))


@inner
def _eight(eights: Hashes, start: int) -> Any:
    """Eight bytes from any place, the first one lowest."""
    shift = uint64(8 * (start & 7))
    return eights[start >> 3] >> shift | (eights[(start >> 3) + 1] << uint64(1)) << (uint64(63) - shift)


@inner
def _next_shingles(
    content: Bytes,
    end: int,
    state: Integers,
    n: int,
    kinds: Bytes,
    lowers: Points,
    words: Bytes,
    eights: Hashes,
    edges: Edges,
    hashes: Hashes,
    shingles: Hashes,
) -> int:
    """Hash the shingles of the next piece of a text into `shingles`; how many there are.

    Args:
        state: where the piece begins, how many bytes of a word that goes on were carried over, how many words, and how
            many shingles there were so far.
    """
    begin, size, held = state[0], state[1], state[2]
    cut = min(begin + CHUNK, end)
    while cut < end and content[cut] & 0xC0 == 0x80:
        cut += 1
    size = _normalise(content, begin, cut, kinds, lowers, words, size)
    goes_on = cut < end and size > 0 and words[size - 1] != 0
    count = _find_edges(words, size, edges) // 2
    for word in range(count):
        start, stop = int64(edges[2 * word]), int64(edges[2 * word + 1])
        while stop - start > LONGEST:
            hashes[held] = _hash_word(eights, start, start + LONGEST)
            held, start = held + 1, start + LONGEST
        edges[2 * word] = start
        hashes[held] = _hash_word(eights, start, stop)
        held += 1
    carried = 0
    if goes_on:
        start, stop, held = int64(edges[2 * count - 2]), int64(edges[2 * count - 1]), held - 1
        carried = stop - start
        for k in range(carried):
            words[k] = words[start + k]
    if cut == end and held < n and not state[3]:
        n = max(held, 1)
    made = max(held - n + 1, 0)
    value, top = uint64(0), uint64(1)
    for k in range(min(n - 1, held)):
        value, top = value * TURN + hashes[k], top * TURN
    for first in range(made):
        value = value * TURN + hashes[first + n - 1]
        whole = (value ^ (value >> uint64(32))) * FOLD_3
        shingles[first] = whole ^ (whole >> uint64(29))
        value -= hashes[first] * top
    kept = min(held, n - 1)
    for k in range(kept):
        hashes[k] = hashes[held - kept + k]
    state[0], state[1], state[2], state[3] = cut, carried, kept, state[3] + made
    return int(made)


@inner
def _sign(shingles: Hashes, count: int, a: Signatures, b: Signatures, mixed: Signatures, row: Signatures) -> None:
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
    perms = len(row)
    for k in range(0, count, LANES):
        m0, m1, m2, m3 = mixed[k], mixed[k + 1], mixed[k + 2], mixed[k + 3]
        m4, m5, m6, m7 = mixed[k + 4], mixed[k + 5], mixed[k + 6], mixed[k + 7]
        for p in range(perms):
            times, plus = a[p], b[p]
            v0, v1 = uint32(times * m0 + plus), uint32(times * m1 + plus)
            v2, v3 = uint32(times * m2 + plus), uint32(times * m3 + plus)
            v4, v5 = uint32(times * m4 + plus), uint32(times * m5 + plus)
            v6, v7 = uint32(times * m6 + plus), uint32(times * m7 + plus)
            least = min(min(min(v0, v1), min(v2, v3)), min(min(v4, v5), min(v6, v7)))
            row[p] = min(row[p], least)


@entry
def _sign_texts(
    content: Bytes,
    ends: Integers,
    first: int,
    last: int,
    n: int,
    a: Signatures,
    b: Signatures,
    kinds: Bytes,
    lowers: Points,
    room: Room,
    mixed: Signatures,
    out: Signatures,
) -> None:
    """Fill rows `[first:last]` of `out` (texts, perms) uint32 with the signatures of these texts."""
    words, eights, edges, hashes, shingles, state = room
    for text in range(first, last):
        row = out[text]
        for p in range(len(row)):
            row[p] = uint32(EMPTY)
        state[0], state[1], state[2], state[3] = ends[text], 0, 0, 0
        while state[0] < ends[text + 1]:
            count = _next_shingles(
                content, ends[text + 1], state, n, kinds, lowers, words, eights, edges, hashes, shingles
            )
            if count:
                _sign(shingles, count, a, b, mixed, row)


@entry
def _shingle_texts(
    content: Bytes,
    ends: Integers,
    first: int,
    last: int,
    n: int,
    kinds: Bytes,
    lowers: Points,
    room: Room,
    found: Hashes,
    sizes: Integers,
) -> int:
    """Put the distinct shingles of texts `[first:last]` into `found`, ascending in each, and how many into `sizes`."""
    words, eights, edges, hashes, shingles, state = room
    size = 0
    for text in range(first, last):
        state[0], state[1], state[2], state[3] = ends[text], 0, 0, 0
        begin = size
        while state[0] < ends[text + 1]:
            count = _next_shingles(
                content, ends[text + 1], state, n, kinds, lowers, words, eights, edges, hashes, shingles
            )
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
def _band_keys(signatures: Signatures, rows: int, first: int, last: int, keys: Hashes) -> None:
    """Fill `[first:last]` of `keys` (texts, bands) uint64 with what the rows of each band come to."""
    for text in range(first, last):
        for band in range(keys.shape[1]):
            value = uint64(band + 1) * FOLD_3
            for row in range(band * rows, (band + 1) * rows):
                value = (value ^ uint64(signatures[text, row])) * FOLD_1
                value ^= value >> uint64(32)
            keys[text, band] = value


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
    kinds, lowers = _characters()
    times, plus = spec.permutations
    content, ends = _read_only(texts.content, texts.ends)

    def fill(first: int, last: int) -> None:
        room = _room(spec.n)
        mixed = np.empty(len(room[-2]) + LANES, np.uint32)
        _sign_texts(content, ends, first, last, spec.n, times, plus, kinds, lowers, room, mixed, signatures)

    _share_out(fill, texts.split(PARTS * _processors()))
    return signatures


def shingle_sets(texts: Texts, spec: MinHashSpec) -> tuple[Hashes, Integers]:
    """What `fingerprint.shingle_sets` says."""
    sizes = np.zeros(len(texts), np.int64)
    kinds, lowers = _characters()
    content, ends = _read_only(texts.content, texts.ends)

    def take(first: int, last: int) -> Hashes:
        most = int(ends[last] - ends[first]) // 2 + last - first  # words of one letter, a space between them
        found = np.empty(most, np.uint64)
        size = _shingle_texts(content, ends, first, last, spec.n, kinds, lowers, _room(spec.n), found, sizes)
        return found[:size].copy()

    found = _share_out(take, texts.split(PARTS * _processors()))
    return np.concatenate([np.empty(0, np.uint64), *found]), np.append(0, np.cumsum(sizes))


def count_shared(hashes: Hashes, ends: Integers, left: Integers, right: Integers) -> Integers:
    """What `fingerprint.ShingleSets.shared` says."""
    shared = np.empty(len(left), np.int64)
    hashes, ends, left, right = _read_only(hashes, ends, left, right)
    _share_out(lambda first, last: _count_shared(hashes, ends, left, right, first, last, shared), _parts(len(left)))
    return shared


def band_keys(signatures: Signatures, bands: Bands) -> Hashes:
    """What `fingerprint.Bands.keys` says."""
    keys = np.empty((len(signatures), bands.bands), np.uint64)
    (held,) = _read_only(signatures)
    _share_out(lambda first, last: _band_keys(held, bands.rows, first, last, keys), _parts(len(signatures)))
    return keys


def add_to_sieve(keys: Hashes, counts: Bytes) -> None:
    """What `fingerprint.Sieve.add` says; on one processor, as keys of one slot must not meet."""
    (held,) = _read_only(keys)
    _add_to_sieve(held, counts)


PARTS = 4
"""So many parts are made for each processor, as some take longer than others."""


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


def _share_out(work: Callable[[int, int], Any], parts: Sequence[tuple[int, int]]) -> list[Any]:
    if len(parts) <= 1:
        return [work(*part) for part in parts]
    with ThreadPoolExecutor(_processors()) as workers:
        return list(workers.map(work, *zip(*parts, strict=True)))


def _parts(count: int) -> list[tuple[int, int]]:
    return list(pairwise(np.linspace(0, count, PARTS * _processors() + 1).astype(np.int64).tolist()))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _characters() -> tuple[Bytes, Points]:
    """The kind and the lower case of every code point, (0x110000,) each."""
    kinds, changed = fingerprint.characters()
    lowers = np.arange(len(kinds), dtype=np.uint32)
    lowers[list(changed)] = list(changed.values())
    return np.frombuffer(kinds, np.uint8), lowers
