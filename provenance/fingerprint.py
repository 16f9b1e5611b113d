"""Fingerprints: MinHash signatures, by which near-duplicates are found, and true overlaps, by which they are judged.

A text becomes words, words become shingles, and shingles a signature; what is said here in plain Python and numpy is
done for large work by `provenance._kernels`, to the same bits.

Normaliser 1: characters count as Unicode 18.0 has them. A word is a run of letters, numbers (L, N) and the marks (M)
that follow them, in lower case, a final sigma as any other; each character of a script that is written without spaces
(Chinese, Japanese, Thai, …) is a word of its own. Everything else parts words. Of a run of more than 256 bytes each 256
are a word. A shingle is n words that follow one another; a text of fewer words is one shingle, and one of no word has
none: its signature is empty, and it is nobody's near-duplicate.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from provenance.errors import ProvError

if TYPE_CHECKING:
    from datasketch import MinHash

Signatures = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]

WORD, MARK, ALONE = 1, 2, 3
"""Kinds of characters; all others, 0, part words."""
LONGEST = 256
DOTTED_I, DOT_ABOVE = 0x130, 0x307
"""The one character that is two in lower case: i, and this mark."""
EMPTY = 0xFFFFFFFF
"""What a signature of no shingle has in every row."""

WORD_SEED = 0x243F6A8885A308D3
FOLD_1, FOLD_2, FOLD_3, TURN = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xE7037ED1A0B428DB, 0xA0761D6478BD642F
"""Odd numbers by which hashes are multiplied: FOLD those of one word, TURN from one word to the next."""
_64_BITS = (1 << 64) - 1

KERNELS = "provenance._kernels"
FEW_BYTES, FEW_PAIRS = 500_000, 2_000
"""Less than this is done in plain Python, which takes no longer than to load the compiled kernels."""


MOST_SLOTS = 28
"""A sieve has no more than 2 to the power of so many bytes."""


class SpecMismatch(ProvError):
    """Sketches that were made in two ways, so that comparing them would mean nothing."""

    def __init__(self, ours: str, theirs: str) -> None:
        self.ours, self.theirs = ours, theirs
        super().__init__(
            f"fingerprints of two kinds cannot be compared: here they are of {ours}, there of {theirs}; make both in "
            "one way, with `prov fingerprint rebuild`"
        )


class MinHashSpec(BaseModel):
    """How a registry's fingerprints are made; sketches of different specs are never compared.

    Attributes:
        num_perm: rows of a signature; the estimated similarity has a standard error of at most 0.5 / sqrt(num_perm).
        seed: of the permutations, as datasketch draws them.
        n: words of a shingle.
        normaliser: which rules make words of a text; the module says what they are.
        hash: which function makes numbers of shingles.
        scheme: datasketch's name for its permutations.
        threshold: from this Jaccard similarity on two texts are near-duplicates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_perm: int = Field(default=128, ge=16, le=1024)
    seed: int = Field(default=1, ge=0, lt=1 << 32)
    shingle: Literal["word"] = "word"
    n: int = Field(default=5, ge=1, le=32)
    normaliser: Literal[1] = 1
    hash: Literal["words-1"] = "words-1"
    scheme: Literal["affine32"] = "affine32"
    threshold: float = Field(default=0.8, gt=0, le=1)

    def __str__(self) -> str:
        return (
            f"{self.num_perm} permutations of seed {self.seed}, {self.scheme}, over {self.n}-word shingles "
            f"(normaliser {self.normaliser}, hash {self.hash})"
        )

    def check_same(self, other: "MinHashSpec") -> None:
        """Raise SpecMismatch where sketches of another spec differ in kind."""
        if not self.is_like(other):
            raise SpecMismatch(str(self), str(other))

    def is_like(self, other: "MinHashSpec") -> bool:
        """Whether another spec makes the same sketches; the threshold changes none."""
        return self.model_copy(update={"threshold": other.threshold}) == other

    @property
    def permutations(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Factors and summands of the affine permutations, each (num_perm,) uint32, as datasketch 2 draws them."""
        return _permutations(self.num_perm, self.seed)


DEFAULT = MinHashSpec()


@lru_cache
def _permutations(num_perm: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    draw = np.random.RandomState(seed)
    times = draw.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return times, draw.randint(0, 1 << 32, num_perm, dtype=np.uint32)


# -- words and shingles, in plain Python


class Characters(NamedTuple):
    """What normaliser 1 knows of every code point: its kind, and its lower case where that is another."""

    kinds: bytes
    lowers: dict[int, int]


@cache
def characters() -> Characters:
    """The table of normaliser 1."""
    kinds, lowers = bytearray(sys.maxunicode + 1), {}
    names = {"word": WORD, "mark": MARK, "alone": ALONE}
    for line in (Path(__file__).parent / "normaliser_1.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        points, kind, *shift = line.split()
        points, _, step = points.partition("/")
        first, last = (int(point, 16) for point in points.split("-"))
        if shift:
            lowers.update({point: point + int(shift[0]) for point in range(first, last + 1, int(step))})
        else:
            kinds[first : last + 1] = bytes([names[kind]]) * (last + 1 - first)
    return Characters(bytes(kinds), lowers)


def words(text: str) -> list[bytes]:
    """The words of a text as normaliser 1 has them, each as UTF-8.

    >>> [word.decode() for word in words("Know WHERE it came from: 東京, Ελλάς!")]
    ['know', 'where', 'it', 'came', 'from', '東', '京', 'ελλάσ']
    """
    return [run[start : start + LONGEST] for run in _runs(text) for start in range(0, len(run), LONGEST)]


def _runs(text: str) -> Iterator[bytes]:
    kinds, lowers = characters()
    run: list[int] = []
    for point in map(ord, text):
        kind = kinds[point]
        if kind == WORD or (kind == MARK and run):
            run.append(lowers.get(point, point))
            if point == DOTTED_I:
                run.append(DOT_ABOVE)
        elif kind != MARK:
            if run:
                yield _utf8(run)
                run = []
            if kind == ALONE:
                yield _utf8([lowers.get(point, point)])
    if run:
        yield _utf8(run)


def _utf8(points: list[int]) -> bytes:
    return "".join(map(chr, points)).encode()


def shingles(text: str, n: int) -> list[bytes]:
    """The shingles of a text in their order: n words, with a space between them.

    >>> shingles("to be or not", 3)
    [b'to be or', b'be or not']
    """
    held = words(text)
    return [b" ".join(held[first : first + n]) for first in range(max(len(held) - n + 1, min(len(held), 1)))]


@lru_cache(maxsize=1 << 16)
def hash_word(word: bytes) -> int:
    """A word as a 64-bit number: eight bytes at a time are folded in, the first one lowest."""
    value = WORD_SEED
    for start in range(0, len(word), 8):
        value = (value ^ int.from_bytes(word[start : start + 8], "little")) * FOLD_1 & _64_BITS
        value ^= value >> 32
    value = value * FOLD_2 & _64_BITS
    return value ^ value >> 29


def hash_shingle(shingle: bytes) -> int:
    """A shingle as a 64-bit number: a polynomial of its words' hashes, folded."""
    value = 0
    for word in shingle.split(b" "):
        value = (value * TURN + hash_word(word)) & _64_BITS
    value = (value ^ value >> 32) * FOLD_3 & _64_BITS
    return value ^ value >> 29


def hash32_shingle(shingle: bytes) -> int:
    """A shingle as the 32-bit number that signatures are made of: the `hashfunc` for datasketch."""
    return hash_shingle(shingle) & 0xFFFFFFFF


def hash_shingles(text: str, n: int) -> Hashes:
    """What `hash_shingle` says of each shingle of a text, all at once: (shingles,) uint64."""
    held = np.array([hash_word(word) for word in words(text)], np.uint64)
    length = min(n, len(held)) or 1
    value = np.zeros(max(len(held) - length + 1, 0), np.uint64)
    for start in range(length):
        value = value * np.uint64(TURN) + held[start : start + len(value)]
    value = (value ^ value >> np.uint64(32)) * np.uint64(FOLD_3)
    return value ^ value >> np.uint64(29)


def sign(text: str, spec: MinHashSpec = DEFAULT) -> Signatures:
    """The signature of one text, (num_perm,) uint32; the plain form of what `sign_texts` does."""
    value = hash_shingles(text, spec.n).astype(np.uint32)
    value = (value ^ value >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    value = (value ^ value >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    value ^= value >> np.uint32(16)
    times, plus = spec.permutations
    signature = np.full(spec.num_perm, EMPTY, np.uint32)
    for some in np.array_split(value, -(-len(value) // 4096)) if len(value) else ():
        np.minimum(signature, (times[:, None] * some + plus[:, None]).min(1), out=signature)
    return signature


def jaccard(a: Signatures, b: Signatures) -> float:
    """Estimate how alike two texts are from their MinHash signatures.

    Args:
        a, b: signatures (perms,) uint32, made with one MinHashSpec.
    Returns:
        Share of equal rows, 0 to 1; standard error at most 0.5 / sqrt(perms). An empty signature is like none.
    Raises:
        SpecMismatch: the signatures differ in length.

    >>> jaccard(np.array([1, 2, 3, 4], np.uint32), np.array([1, 2, 9, 4], np.uint32))
    0.75
    """
    if len(a) != len(b):
        raise SpecMismatch(f"{len(a)} permutations", f"{len(b)} permutations")
    return float(np.mean((a == b) & (a != EMPTY)))


def to_datasketch(signature: Signatures, spec: MinHashSpec = DEFAULT) -> "MinHash":
    """The same signature for datasketch, which goes on with it as if it had read the text's shingles."""
    from datasketch import MinHash

    return MinHash(
        seed=spec.seed,
        hashfunc=hash32_shingle,
        hashvalues=signature,
        scheme=spec.scheme,
        permutations=spec.permutations,
    )


def from_datasketch(sketch: "MinHash", spec: MinHashSpec = DEFAULT) -> Signatures:
    """The signature, (num_perm,) uint32, of a sketch that datasketch made of `shingles` with `hash32_shingle`.

    Raises:
        SpecMismatch: it was made with other permutations, or another hash function.
    """
    hashed_alike = getattr(sketch, "hashfunc", None) is hash32_shingle  # a LeanMinHash does not know
    if sketch.scheme != spec.scheme or not hashed_alike or not np.array_equal(sketch.permutations, spec.permutations):
        theirs = f"{len(sketch)} permutations of seed {sketch.seed}, {sketch.scheme}"
        raise SpecMismatch(str(spec), theirs if hashed_alike else f"{theirs}, of another hash function or none known")
    return np.asarray(sketch.hashvalues, np.uint32)


# -- whole arrays of texts


@dataclass(frozen=True)
class Texts:
    """Texts as Arrow holds them.

    Attributes:
        content: (bytes,) uint8, valid UTF-8, one text after another.
        ends: (texts + 1,) int64, where in `content` each text begins, and the last one ends.
    """

    content: NDArray[np.uint8]
    ends: Integers

    @classmethod
    def of(cls, array: Any) -> Self:
        """Those of an Arrow array of large_string without nulls; nothing is copied."""
        _, ends, content = array.buffers()
        held = np.frombuffer(ends, np.int64) if ends else np.zeros(1, np.int64)
        return cls(np.frombuffer(content or b"", np.uint8), held[array.offset : array.offset + len(array) + 1])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __iter__(self) -> Iterator[str]:
        return (self.content[start:end].tobytes().decode() for start, end in pairwise(self.ends.tolist()))

    @property
    def are_few(self) -> bool:
        """Whether plain Python is done with them before the compiled kernel is loaded."""
        size = int(self.ends[-1] - self.ends[0]) + 200 * len(self)
        return size < FEW_BYTES and KERNELS not in sys.modules


def warm() -> Thread:
    """Load the compiled kernel meanwhile; where it was never used before, that takes some seconds."""
    thread = Thread(target=lambda: import_module(KERNELS).warm())
    thread.start()
    return thread


def sign_texts(texts: Texts, spec: MinHashSpec = DEFAULT) -> Signatures:
    """The signatures of texts, (texts, num_perm) uint32, on all processors; `sign` says what they are."""
    if texts.are_few:
        return np.stack([sign(text, spec) for text in texts]) if len(texts) else np.empty((0, spec.num_perm), np.uint32)
    from provenance import _kernels

    return _kernels.sign_texts(texts, spec)


@dataclass(frozen=True)
class ShingleSets:
    """The distinct shingles of texts, by their hashes.

    Attributes:
        hashes: (shingles,) uint64, those of each text in ascending order.
        ends: (texts + 1,) int64, where in `hashes` those of each text begin, and the last ones end.
    """

    hashes: Hashes
    ends: Integers

    @property
    def sizes(self) -> Integers:
        return np.diff(self.ends)

    def __getitem__(self, text: int) -> Hashes:
        return self.hashes[self.ends[text] : self.ends[text + 1]]

    def shared(self, left: Integers, right: Integers) -> Integers:
        """How many shingles both texts of each pair have, (pairs,) int64, given the texts' numbers."""
        if len(left) < FEW_PAIRS and KERNELS not in sys.modules:
            both = [len(np.intersect1d(self[a], self[b], True)) for a, b in zip(left, right, strict=True)]
            return np.array(both, np.int64)
        from provenance import _kernels

        return _kernels.count_shared(self.hashes, self.ends, left, right)


def shingle_sets(texts: Texts, spec: MinHashSpec = DEFAULT) -> ShingleSets:
    """The distinct shingles of each text, which true similarities are counted from."""
    if texts.are_few:
        sets = [np.unique(hash_shingles(text, spec.n)) for text in texts]
        ends = np.cumsum([0, *map(len, sets)], dtype=np.int64)
        return ShingleSets(np.concatenate([np.empty(0, np.uint64), *sets]), ends)
    from provenance import _kernels

    return ShingleSets(*_kernels.shingle_sets(texts, spec))


# -- bands


@dataclass(frozen=True)
class Bands:
    """A signature cut into bands of some rows; two texts are candidates where all rows of one band are equal."""

    bands: int
    rows: int

    @classmethod
    def choose(cls, threshold: float, num_perm: int, recall: float = 0.95) -> Self:
        """The most rows a band, and so the fewest candidates, with which pairs at the threshold are found so surely.

        Where no cut reaches that, the one that comes nearest: a band of each row.
        """
        for rows in range(num_perm, 1, -1):
            bands = cls(num_perm // rows, rows)
            if bands.recall(threshold) >= recall:
                return bands
        return cls(num_perm, 1)

    def recall(self, similarity: float) -> float:
        """The share of pairs of a Jaccard similarity that become candidates: the S-curve, 1 - (1 - s^rows)^bands.

        Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4.2.

        >>> round(Bands(25, 5).recall(0.8), 4)
        1.0
        """
        return float(1 - (1 - similarity**self.rows) ** self.bands)

    def __str__(self) -> str:
        return f"{self.bands} × {self.rows}"

    def keys(self, signatures: Signatures) -> Hashes:
        """One number for each band of each signature: (texts, bands) uint64.

        Args:
            signatures: (texts, num_perm) uint32.
        """
        rows = signatures[:, : self.bands * self.rows].reshape(len(signatures), self.bands, self.rows)
        keys = np.empty((len(signatures), self.bands), np.uint64)
        keys[:] = np.arange(1, self.bands + 1, dtype=np.uint64) * np.uint64(FOLD_3)
        for row in range(self.rows):
            keys ^= rows[:, :, row]
            keys *= np.uint64(FOLD_1)
            keys ^= keys >> np.uint64(32)
        return keys


class Sieve:
    """Counts keys, up to two of each, in a byte for each of many slots: keys of one slot are counted together.

    Args:
        keys: about so many will be added; the more slots there are for each, the fewer share one by chance.
    """

    def __init__(self, keys: int) -> None:
        self.counts = np.zeros(1 << min(MOST_SLOTS, max(10, (8 * keys).bit_length())), np.uint8)

    def add(self, keys: Hashes) -> None:
        """Count keys, (n,) uint64."""
        if KERNELS in sys.modules or len(keys) > FEW_PAIRS:
            from provenance import _kernels

            _kernels.add_to_sieve(keys, self.counts)
            return
        slots, counts = np.unique(self._slots(keys), return_counts=True)
        self.counts[slots] = np.minimum(2, self.counts[slots] + counts)

    def count(self, keys: Hashes) -> NDArray[np.uint8]:
        """How often each key was added, or more: 0, 1, or 2 for twice and oftener; (n,) uint8."""
        return self.counts[self._slots(keys)]

    def _slots(self, keys: Hashes) -> Hashes:
        return keys & np.uint64(len(self.counts) - 1)


def is_empty(signatures: Signatures) -> NDArray[np.bool_]:
    """Which signatures, of (texts, num_perm) uint32, are of texts without a word: (texts,) bool."""
    empty: NDArray[np.bool_] = (signatures == EMPTY).all(1)
    return empty
