"""Signatures are datasketch's bit for bit, fast and plain form alike, over words as Unicode 18 has them."""

import os
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from provenance import _kernels
from provenance._numba import ranges_of
from provenance.fingerprint import (
    ALONE,
    DEFAULT,
    EMPTY,
    KERNELS,
    LONGEST,
    MARK,
    WORD,
    Bands,
    MinHashSpec,
    ShingleSets,
    Sieve,
    Signatures,
    SpecMismatch,
    Texts,
    characters,
    from_datasketch,
    hash32_shingle,
    hash_shingle,
    hash_shingles,
    is_empty,
    jaccard,
    shingle_sets,
    shingles,
    sign,
    sign_texts,
    to_datasketch,
    words,
)

TEXT = "Know where every text of a corpus came from, and train on the right mixture of it."
PINNED_SHINGLES = [9781992685281333877, 7552516896266422236]
PINNED = [442344198, 137021186, 589443352, 479349323]
PINNED_ODD = [59374909, 47125714, 932531385, 111884510]
PINNED_KEYS = [17633841550069256469, 16531002131736592748]
PARTING = " .,;:-_'\u00a0\u00ad\u200b\u200d\u2028\n\x00€🎉\u00b7"
ODD = [
    *("a", "Z", "9", " ", ".", "\x00", "\x7f", "é", "ß", "İ", "Σ", "ς", "Ⱥ", "ẞ", "ǅ", "²", "Ⅷ", "Ⓐ", "_"),
    *("東", "あ", "ー", "ท", "ี", "က", "ᥐ", "𠀀", "한", "א", "ְ", "ع", "ّ", "क", "ि", "𐐀", "𞤀", "𝔘"),
    *("\u0301", "\u0307", "\ufe0f", "\u200d", "\u00ad", "👍", "🏽", "\U000e0100", "\U0010fffd"),
]
RUNS = ["a", "Ab", "é", "東", "𐐀", "İ", "Ⱥ", "a\u0301", "\u0301", "a ", "東a", "é 😀", " ", "\U000e0100", "word "]

character = st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(ODD), st.sampled_from("ab .é"))
odd_text = st.text(character, max_size=60)
run = st.builds(lambda piece, times: piece * times, st.sampled_from(RUNS) | odd_text, st.integers(1, 1500))
long_text = st.lists(run | odd_text, max_size=5).map("".join)
specs = st.builds(
    MinHashSpec, num_perm=st.integers(16, 150), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 8) | st.just(32)
)
some_words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12).map(" ".join)


def arrow(texts: list[str]) -> Texts:
    return Texts.of(pa.array(texts, pa.large_string()))


@contextmanager
def plainly() -> Iterator[None]:
    """Few texts within this are worked on as where the compiled kernels are not loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, KERNELS)
        yield
        assert KERNELS not in sys.modules


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """What a fresh Python says to some code."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_both_forms_agree(texts: list[str], spec: MinHashSpec) -> None:
    held = arrow(texts)
    hashes, ends = _kernels.shingle_sets(held, spec)
    for number, text in enumerate(texts):
        assert hashes[ends[number] : ends[number + 1]].tolist() == np.unique(hash_shingles(text, spec.n)).tolist()
    assert np.array_equal(_kernels.sign_texts(held, spec), [sign(text, spec) for text in texts])


# -- the two forms


@given(st.lists(odd_text, min_size=1, max_size=6), specs)
def test_the_kernel_is_the_plain_form_bit_for_bit_on_any_unicode(texts: list[str], spec: MinHashSpec) -> None:
    assert_both_forms_agree(texts, spec)


@pytest.mark.parametrize("examples", [25, pytest.param(500, marks=pytest.mark.slow)], ids=["some", "many"])
def test_the_kernel_is_the_plain_form_on_long_texts_and_long_words(examples: int) -> None:
    @settings(max_examples=examples)
    @given(st.lists(long_text, min_size=1, max_size=3), specs)
    def compare(texts: list[str], spec: MinHashSpec) -> None:
        assert_both_forms_agree(texts, spec)

    compare()


@pytest.mark.parametrize("fill", ["a", "é", "東", "𐐀", "ab ", "İ", "a\u0301", "x" * LONGEST + " ", "y" * (LONGEST + 1)])
def test_nothing_is_lost_or_changed_where_a_piece_of_a_text_ends(fill: str) -> None:
    """Words, marks and characters of several bytes across the 4096 bytes that the kernel has in hand."""
    texts = []
    for piece in ODD:
        for size in range(_kernels.CHUNK - 5, _kernels.CHUNK + 2):
            before = (fill * size).encode()[:size].decode(errors="ignore")
            texts.append(before.ljust(size - len(before.encode()) + len(before), "b") + piece + "b" + piece + " end")
    held = arrow(texts)
    hashes, ends = _kernels.shingle_sets(held, MinHashSpec(n=2))
    for number, text in enumerate(texts):
        assert set(hashes[ends[number] : ends[number + 1]].tolist()) == set(hash_shingles(text, 2).tolist())


@pytest.mark.parametrize("length", [1, 7, 8, 9, 255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 9000])
def test_a_run_is_words_of_256_bytes_each_in_both_forms(length: int) -> None:
    text = "ab" * (length // 2) + "c" * (length % 2)
    assert [len(word) for word in words(text)] == [LONGEST] * (length // LONGEST) + [length % LONGEST] * (
        length % LONGEST > 0
    )
    assert_both_forms_agree([text, text + " " + text, "x " + text + "! x"], MinHashSpec(n=1))


@pytest.mark.parametrize("gap", [1, 4000, 4090, 4096, 5000, 9000])
def test_words_that_stand_far_apart_follow_one_another_all_the_same(gap: int) -> None:
    """Whole pieces without a word in between or at the end, before and after there are enough for a shingle."""
    few, more = "one two", "one two three four five six"
    nothing = ("." * gap, "€" * gap, "\u0301" * gap)
    texts = [a + empty + b for a in ("", few, more) for b in ("", few, more) for empty in nothing]
    assert_both_forms_agree(texts, MinHashSpec(n=3))
    assert_both_forms_agree(texts, MinHashSpec(n=8))


@given(odd_text, st.integers(1, 9))
def test_all_shingles_at_once_are_hashed_as_each_by_itself(text: str, n: int) -> None:
    assert hash_shingles(text, n).tolist() == [hash_shingle(shingle) for shingle in shingles(text, n)]


@given(st.lists(odd_text, max_size=5), specs)
def test_few_texts_come_to_the_same_before_the_kernels_are_loaded(texts: list[str], spec: MinHashSpec) -> None:
    held = arrow(texts)
    with plainly():
        signatures, sets = sign_texts(held, spec), shingle_sets(held, spec)
    fast = shingle_sets(held, spec)
    assert np.array_equal(signatures, sign_texts(held, spec))
    assert signatures.shape == (len(texts), spec.num_perm)
    assert (sets.hashes.tolist(), sets.ends.tolist()) == (fast.hashes.tolist(), fast.ends.tolist())


def test_few_texts_do_not_load_the_kernels() -> None:
    code = "import sys; from provenance.fingerprint import *; import pyarrow as pa; import sys\n"
    code += f"held = Texts.of(pa.array([{TEXT!r}], pa.large_string()))\n"
    code += "print(sign_texts(held).shape, shingle_sets(held).sizes, KERNELS in sys.modules)"
    assert run_python(code) == "(1, 128) [13] False\n"


# -- datasketch


@given(odd_text | long_text, specs)
@settings(max_examples=40)
def test_a_signature_is_the_one_that_datasketch_makes_of_the_shingles(text: str, spec: MinHashSpec) -> None:
    sketch = MinHash(spec.num_perm, seed=spec.seed, scheme="affine32", hashfunc=hash32_shingle)
    sketch.update_batch(shingles(text, spec.n))
    assert np.array_equal(sign(text, spec), sketch.hashvalues)
    assert np.array_equal(_kernels.sign_texts(arrow([text]), spec)[0], sketch.hashvalues)


@given(odd_text, odd_text, specs)
def test_datasketch_goes_on_with_our_signature_and_hands_it_back(text: str, more: str, spec: MinHashSpec) -> None:
    signature = sign(text, spec)
    sketch = to_datasketch(signature, spec)
    for shingle in shingles(more, spec.n):
        sketch.update(shingle)
    assert np.array_equal(from_datasketch(sketch, spec), np.minimum(signature, sign(more, spec)))
    assert np.array_equal(signature, sign(text, spec))


@given(some_words, some_words)
def test_datasketch_estimates_as_we_do(a: str, b: str) -> None:
    left, right = sign(a), sign(b)
    assert to_datasketch(left).jaccard(to_datasketch(right)) == jaccard(left, right)


@pytest.mark.parametrize(
    ("other", "theirs"),
    [
        ({"seed": 2}, "128 permutations of seed 2, affine32"),
        ({"num_perm": 64}, "64 permutations of seed 1, affine32"),
        ({"scheme": "legacy"}, "128 permutations of seed 1, legacy"),
        ({"scheme": "affine64"}, "128 permutations of seed 1, affine64"),
        ({"hashfunc": hash}, "128 permutations of seed 1, affine32, of another hash function or none known"),
        ({"hashfunc": None}, "128 permutations of seed 1, affine32, of another hash function or none known"),
    ],
    ids=str,
)
def test_a_sketch_of_another_kind_is_refused_and_both_kinds_are_named(other: dict[str, Any], theirs: str) -> None:
    sketch = MinHash(**{"scheme": "affine32", "hashfunc": hash32_shingle} | other)
    with pytest.raises(SpecMismatch) as refused:
        from_datasketch(sketch)
    assert (refused.value.ours, refused.value.theirs) == (str(DEFAULT), theirs)
    assert f"here they are of {DEFAULT}, there of {theirs};" in str(refused.value)


# -- words


@pytest.fixture(scope="module")
def assigned() -> list[str]:
    """Every character that the running Python's database of Unicode knows."""
    return [char for char in map(chr, range(0x110000)) if unicodedata.category(char) not in ("Cn", "Cs", "Co")]


def test_the_table_agrees_with_python_on_what_letters_numbers_and_marks_are(assigned: list[str]) -> None:
    kinds = characters().kinds
    allowed = {"L": {WORD, ALONE}, "N": {WORD, ALONE}, "M": {MARK, ALONE}}
    differing = [char for char in assigned if kinds[ord(char)] not in allowed.get(unicodedata.category(char)[0], {0})]
    assert differing == []


def test_the_table_agrees_with_python_on_lower_case_but_for_a_final_sigma_and_the_dotted_i(assigned: list[str]) -> None:
    lowers = characters().lowers
    differing = [char for char in assigned if char.lower() != chr(lowers.get(ord(char), ord(char)))]
    assert differing == ["İ", "ς"]
    assert [word.decode() for word in words("İ ς Σ ΣΑΣ")] == ["İ".lower(), "σ", "σ", "σασ"]


def test_whole_scripts_are_written_without_spaces_or_are_not(assigned: list[str]) -> None:
    unspaced = ("CJK UNIFIED", "HIRAGANA LETTER", "KATAKANA LETTER", "BOPOMOFO LETTER", "THAI CHAR", "KHMER LETTER")
    spaced = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "HANGUL SYLLABLE", "DEVANAGARI", "ETHIOPIC", "TIBETAN")
    kinds = characters().kinds
    letters = [char for char in assigned if unicodedata.category(char)[0] in "LM"]
    names = {char: unicodedata.name(char, "") for char in letters}
    assert {kinds[ord(char)] for char in letters if names[char].startswith(unspaced)} == {ALONE}
    assert {kinds[ord(char)] for char in letters if names[char].startswith(spaced)} == {WORD, MARK}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's 3.5 km²", "it s 3 5 km²"),
        ("snake_case, co-operate", "snake case co operate"),
        ("東京へ行く2回", "東 京 へ 行 く 2 回"),
        ("ABC東DEF", "abc 東 def"),
        ("한국어 텍스트", "한국어 텍스트"),
        ("ภาษาไทย", "ภ า ษ า ไ ท ย"),
        ("ที่นี่", "ท ี ่ น ี ่"),
        ("שָׁלוֹם עולם", "שָׁלוֹם עולם"),
        ("السَّلامُ عليكم، يا", "السَّلامُ عليكم يا"),
        ("हिन्दी में", "हिन्दी में"),
        ("cafe\u0301 café", "cafe\u0301 café"),
        ("\u0301\u0301 a .\u0301b 東\u0301", "a b 東"),
        ("𝔘𝔫ICODE 𐐀", "𝔘𝔫icode 𐐨"),
        ("STRASSE Straße ẞ", "strasse straße ß"),
        ("I love ❤️ it 👍🏽!", "i love it"),
    ],
)
def test_words_of_many_scripts(text: str, found: str) -> None:
    assert [word.decode() for word in words(text)] == found.split()
    assert _kernels.shingle_sets(arrow([text]), MinHashSpec(n=1))[0].tolist() == sorted(
        {hash_shingle(word.encode()) for word in found.split()}
    )


@given(odd_text, st.sampled_from(PARTING), odd_text)
def test_whatever_is_no_letter_number_or_mark_parts_words(before: str, parting: str, after: str) -> None:
    assert words(before + parting + after) == words(before) + words(after)


@given(st.text(st.sampled_from("👍👩❤🏽🏿\ufe0f\ufe0e\u200d🇩🇪🏴☠\U000e0067\U000e007f\u20e3 ")))
def test_a_text_of_emoji_alone_has_the_empty_signature(text: str) -> None:
    assert words(text) == []
    assert is_empty(_kernels.sign_texts(arrow([text]), DEFAULT)).all()


def test_an_emoji_is_the_same_with_and_without_its_variation_selector_and_skin_tone() -> None:
    plain = sign("from ❤ to 👍 and on we go")
    assert np.array_equal(plain, sign("from ❤️ to 👍🏽 and on we go"))


# -- shingles


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("?! …", []),
        ("One", ["one"]),
        ("one two", ["one two"]),
        ("one, two THREE", ["one two three"]),
        ("a b c d", ["a b c", "b c d"]),
        ("東京都", ["東 京 都"]),
    ],
)
def test_a_text_of_fewer_words_is_one_shingle_and_one_of_none_has_none(text: str, found: list[str]) -> None:
    assert [shingle.decode() for shingle in shingles(text, 3)] == found
    assert _kernels.shingle_sets(arrow([text]), MinHashSpec(n=3))[1].tolist() == [0, len(found)]


@given(odd_text)
def test_a_text_without_words_is_like_none_not_even_itself(text: str) -> None:
    empty = sign("…")
    assert is_empty(empty[None]).all()
    assert jaccard(empty, sign(text)) == jaccard(sign(text), empty) == jaccard(empty, empty) == 0


@given(some_words, st.integers(1, 8))
def test_every_other_text_is_wholly_like_itself(text: str, n: int) -> None:
    signature = sign(text, MinHashSpec(n=n))
    assert jaccard(signature, signature) == 1
    assert not is_empty(signature[None]).any()


@given(st.lists(odd_text, max_size=6), st.integers(1, 8))
def test_the_sets_are_the_distinct_hashes_in_ascending_order(texts: list[str], n: int) -> None:
    sets = shingle_sets(arrow(texts), MinHashSpec(n=n))
    assert [sets[text].tolist() for text in range(len(texts))] == [
        sorted({hash_shingle(shingle) for shingle in shingles(text, n)}) for text in texts
    ]
    assert sets.sizes.tolist() == [len(set(shingles(text, n))) for text in texts]


@given(st.lists(st.frozensets(st.integers(0, 12) | st.integers(0, 2**64 - 1)), min_size=1, max_size=6), st.data())
def test_what_two_texts_share_is_what_both_sets_hold(sets: list[frozenset[int]], data: st.DataObject) -> None:
    held = ShingleSets(
        np.array([value for one in sets for value in sorted(one)], np.uint64),
        np.cumsum([0, *map(len, sets)], dtype=np.int64),
    )
    numbers = st.integers(0, len(sets) - 1)
    pairs = np.array(data.draw(st.lists(st.tuples(numbers, numbers))), np.int64).reshape(-1, 2)
    shared = [len(sets[left] & sets[right]) for left, right in pairs.tolist()]
    assert held.shared(pairs[:, 0], pairs[:, 1]).tolist() == shared
    with plainly():
        assert held.shared(pairs[:, 0], pairs[:, 1]).tolist() == shared


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 0.95])
def test_the_estimate_is_off_by_its_standard_error_and_not_more(share: float) -> None:
    """400 pairs of texts of 300 words, of which a planted number is in both."""
    spec, pairs, size = MinHashSpec(n=1, num_perm=256), 400, 300
    both = round(2 * size * share / (1 + share))
    true = both / (2 * size - both)
    texts = [
        " ".join(f"w{pair}x{word}" for word in range(first, first + size))
        for pair in range(pairs)
        for first in (0, size - both)
    ]
    signatures = sign_texts(arrow(texts), spec)
    errors = np.array([jaccard(*signatures[pair : pair + 2]) - true for pair in range(0, 2 * pairs, 2)])
    standard = np.sqrt(true * (1 - true) / spec.num_perm)
    assert abs(errors.mean()) < 4 * standard / np.sqrt(pairs)
    assert 0.85 < np.sqrt((errors**2).mean()) / standard < 1.15
    assert standard <= 0.5 / np.sqrt(spec.num_perm)


# -- arrays


@given(st.lists(odd_text, max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_a_slice_of_an_array_is_its_texts_alone(texts: list[str], first: int, length: int) -> None:
    held = Texts.of(pa.array(texts, pa.large_string()).slice(min(first, len(texts)), length))
    within = texts[first : first + length]
    assert (len(held), list(held)) == (len(within), within)
    assert np.array_equal(
        _kernels.sign_texts(held, DEFAULT), np.array([sign(text) for text in within]).reshape(-1, DEFAULT.num_perm)
    )
    assert _kernels.shingle_sets(held, DEFAULT)[1].tolist() == shingle_sets(arrow(within)).ends.tolist()


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""], ["…", ""]], ids=str)
def test_arrays_of_nothing_are_signed_as_nothing(texts: list[str]) -> None:
    signatures = _kernels.sign_texts(arrow(texts), DEFAULT)
    assert signatures.shape == (len(texts), DEFAULT.num_perm)
    assert signatures.dtype == np.uint32
    assert (signatures == EMPTY).all()
    assert shingle_sets(arrow(texts)).sizes.tolist() == [0] * len(texts)
    assert Bands(2, 3).keys(signatures).shape == (len(texts), 2)


@given(st.lists(st.text("ab ", max_size=50), max_size=40), st.integers(1, 20))
def test_parts_hold_every_text_once_and_in_order(texts: list[str], parts: int) -> None:
    ranges = ranges_of(arrow(texts).ends, parts)
    assert [text for first, last in ranges for text in range(first, last)] == list(range(len(texts)))
    assert len(ranges) <= parts


def test_parts_are_of_about_as_many_bytes() -> None:
    texts = arrow(["x" * (number % 100) for number in range(10_000)])
    sizes = [texts.ends[last] - texts.ends[first] for first, last in ranges_of(texts.ends, 8)]
    assert len(sizes) == 8
    assert max(sizes) - min(sizes) <= 200


# -- bands


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.9])
def test_bands_find_95_of_100_pairs_at_the_threshold(threshold: float) -> None:
    assert Bands.choose(threshold, 128).recall(threshold) >= 0.95


def test_bands_of_the_default_are_18_of_7_rows() -> None:
    assert Bands.choose(DEFAULT.threshold, DEFAULT.num_perm) == Bands(18, 7)


@given(st.floats(0.01, 1), st.integers(16, 300), st.floats(0.01, 0.999))
def test_bands_have_as_many_rows_as_the_recall_allows(threshold: float, num_perm: int, recall: float) -> None:
    bands = Bands.choose(threshold, num_perm, recall)
    assert bands.bands * bands.rows <= num_perm
    assert bands.recall(threshold) >= recall or bands == Bands(num_perm, 1)
    more = [Bands(num_perm // rows, rows) for rows in range(bands.rows + 1, num_perm + 1)]
    assert all(other.recall(threshold) < recall for other in more)


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("bands", [Bands(18, 7), Bands(25, 5), Bands(9, 13)], ids=str)
def test_as_many_pairs_become_candidates_as_the_s_curve_says(bands: Bands, similarity: float) -> None:
    chance, pairs = np.random.default_rng(0), 10_000
    left = chance.integers(0, 2**32, (pairs, 128), np.uint32)
    right = np.where(chance.random(left.shape) < similarity, left, left + np.uint32(1))
    found = (bands.keys(left) == bands.keys(right)).any(1).mean()
    expected = bands.recall(similarity)
    assert abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / pairs) + 1 / pairs


@given(st.integers(0, 9), st.integers(1, 20), st.integers(1, 6), st.randoms(use_true_random=False))
def test_keys_are_the_same_in_both_forms_and_of_any_layout(count: int, bands: int, rows: int, random: Any) -> None:
    cut = Bands(bands, rows)
    chance = np.random.default_rng(random.getrandbits(32))
    signatures: Signatures = chance.integers(0, 2**32, (count, bands * rows + 3), np.uint32)
    keys = cut.keys(signatures)
    assert keys.shape == (count, bands)
    assert keys.dtype == np.uint64
    with plainly():
        assert np.array_equal(cut.keys(signatures), keys)
        assert np.array_equal(cut.keys(np.asfortranarray(signatures)), keys)


def test_the_same_rows_have_another_key_in_another_band() -> None:
    keys = Bands(18, 7).keys(np.full((1, 128), 5, np.uint32))
    assert len(set(keys[0].tolist())) == 18


@given(st.integers(0, 125), st.integers(0, 2**32 - 1))
def test_a_key_is_of_all_rows_of_its_band_and_of_no_other(row: int, value: int) -> None:
    signature = sign(TEXT)
    changed = signature.copy()
    changed[row] = value
    differing = np.flatnonzero(Bands(18, 7).keys(signature[None])[0] != Bands(18, 7).keys(changed[None])[0])
    assert differing.tolist() == ([row // 7] if signature[row] != value else [])


# -- specs


@pytest.mark.parametrize(
    "fields",
    [
        {"perms": 128},
        {"normaliser": 2},
        {"hash": "sha1"},
        {"scheme": "legacy"},
        {"shingle": "character"},
        {"num_perm": 8},
        {"n": 0},
        {"seed": -1},
        {"threshold": 0},
    ],
    ids=str,
)
def test_a_spec_that_nothing_is_made_by_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(fields))):
        MinHashSpec(**fields)


@pytest.mark.parametrize("other", [{"num_perm": 64}, {"seed": 7}, {"n": 3}], ids=str)
def test_sketches_of_two_specs_are_not_compared_and_both_specs_are_named(other: dict[str, int]) -> None:
    theirs = MinHashSpec(**other)  # type: ignore[arg-type]
    with pytest.raises(SpecMismatch) as refused:
        DEFAULT.check_same(theirs)
    assert (refused.value.ours, refused.value.theirs) == (str(DEFAULT), str(theirs))
    assert str(DEFAULT) in str(refused.value)
    assert str(theirs) in str(refused.value)


def test_another_threshold_changes_no_sketch() -> None:
    DEFAULT.check_same(MinHashSpec(threshold=0.5))


def test_signatures_of_two_lengths_are_not_compared() -> None:
    with pytest.raises(SpecMismatch, match="128 permutations, there of 64 permutations"):
        jaccard(sign(TEXT), sign(TEXT, MinHashSpec(num_perm=64)))


def test_fingerprints_never_change_between_versions() -> None:
    odd = TEXT + " 東京 ไทย שָׁלוֹם İΣ " + "x" * 300
    assert [hash_shingle(shingle) for shingle in shingles(TEXT, 5)[:2]] == PINNED_SHINGLES
    assert sign(TEXT)[:4].tolist() == PINNED
    assert sign(odd, MinHashSpec(num_perm=16, seed=7, n=2))[-4:].tolist() == PINNED_ODD
    assert Bands(18, 7).keys(sign(TEXT)[None])[0, :2].tolist() == PINNED_KEYS


# -- at large


ONE_TEXT = """
import sys
import numpy as np
from provenance import _kernels
from provenance.fingerprint import DEFAULT, Texts

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

def text(size):
    piece = sys.argv[1].encode()
    content = np.frombuffer(piece * (size // len(piece)), np.uint8)
    return Texts(content, np.array([0, len(content)]))

_kernels.sign_texts(text(10_000), DEFAULT)
before = peak()
signature = _kernels.sign_texts(text(50_000_000), DEFAULT)[0]
print(peak() - before, signature[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("piece", ["A few words and others, ", "word", "東"], ids=["words", "one word", "unspaced"])
def test_a_text_of_50_mb_is_signed_in_little_more_memory_than_its_own(piece: str) -> None:
    grown, first = map(int, run_python(ONE_TEXT, piece).split())
    assert 49_000_000 < grown < 75_000_000
    assert first < EMPTY


@pytest.mark.slow
def test_the_kernel_works_where_nothing_can_be_kept_on_disk(tmp_path: Path) -> None:
    package = shutil.copytree(
        Path(_kernels.__file__).parent, tmp_path / "provenance", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "__pycache__").touch()  # a file, so that it is no folder to anybody, not even to root
    nowhere = str(package / "__pycache__" / "cache")
    code = "import sys; sys.path.insert(0, sys.argv[1])\n"
    code += "from provenance import _kernels; import pyarrow as pa\n"
    code += "from provenance.fingerprint import DEFAULT, Texts\n"
    code += "signed = _kernels.sign_texts(Texts.of(pa.array([sys.argv[2]], pa.large_string())), DEFAULT)\n"
    code += "print(_kernels.__file__, *signed[0, :4])"
    unwritable = {"NUMBA_CACHE_DIR": nowhere, "HOME": nowhere, "XDG_CACHE_HOME": nowhere}
    said = run_python(code, str(tmp_path), TEXT, PYTHONDONTWRITEBYTECODE="1", **unwritable)
    assert said.split() == [str(package / "_kernels.py"), *map(str, sign(TEXT)[:4])]


# -- sieves


@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=6), st.booleans())
def test_a_sieve_never_counts_a_key_too_few(pages: list[list[int]], fast: bool) -> None:
    keys = [np.array(page, np.uint64) * np.uint64(0x9E3779B97F4A7C15) for page in pages]
    sieve = Sieve(sum(map(len, keys)))
    for page in keys:
        _kernels.add_to_sieve(page, sieve.counts) if fast else sieve.add(page)
    true = Counter(key for page in keys for key in page.tolist())
    for page in keys:
        assert (sieve.count(page) >= [min(2, true[key]) for key in page.tolist()]).all()


def test_a_sieve_lets_few_keys_through_that_were_added_once() -> None:
    keys = np.random.default_rng(0).integers(0, 2**64, 200_000, np.uint64)
    sieve = Sieve(len(keys))
    sieve.add(keys)
    assert (sieve.count(keys) == 2).mean() < 0.15
    strange = np.random.default_rng(1).integers(0, 2**64, 200_000, np.uint64)
    assert (sieve.count(strange) > 0).mean() < 0.15
