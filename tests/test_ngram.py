import json
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from math import exp, inf, isclose, log, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provenance.ngram import NgramModel, NotAText, NoWords, OutOfRange, read_texts

WORDS = st.sampled_from(["a", "b", "c", "<s>", "</s>", "é", "\x00", "-1"])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=12)
ORDERS = st.integers(1, 6)
DISCOUNTS = st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0])


def sentences(count: int, seed: int = 0) -> list[str]:
    """Texts of 5 to 15 words from a small, skewed vocabulary in which some words prefer to follow others."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 16, count)
    return [" ".join(f"w{w}" for w in np.cumsum(rng.geometric(0.4, length)) % 40) for length in lengths]


def sample(model: NgramModel, size: int, seed: int = 0, max_words: int = 200) -> list[str]:
    return model.sample(size, np.random.default_rng(seed), max_words)


def trigrams(texts: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 3]) for words in map(str.split, texts) for i in range(len(words) - 2)}


Gram = tuple[str | None, ...]  # None stands for the end of a text, and for its start


def counted(texts: list[str]) -> Counter[Gram]:
    """Every n-gram of every length, each within its text and its two markers."""
    marked = [(None, *text.split(), None) for text in texts]
    return Counter(
        symbols[first:stop] for symbols in marked for stop in range(2, len(symbols) + 1) for first in range(stop)
    )


def by_hand(grams: Counter[Gram], discount: float, context: Gram, word: str | None, can_end: bool) -> float:
    """The formula of the module, one word at a time."""
    after = {
        gram[-1]: count for gram, count in grams.items() if gram[:-1] == context and (gram[-1] is not None or can_end)
    }
    total = sum(after.values())
    if not context:
        return after.get(word, 0) / total
    shorter = by_hand(grams, discount, context[1:], word, can_end)
    if not after:
        return shorter
    return (max(after.get(word, 0) - discount, 0) + discount * len(after) * shorter) / total


@given(TEXTS, ORDERS, DISCOUNTS, st.lists(WORDS, max_size=5))
def test_probabilities_after_any_words_sum_to_one(
    texts: list[str], order: int, discount: float, before: list[str]
) -> None:
    shares = NgramModel.fit(texts, order, discount).distribution(" ".join(before))
    assert (shares >= 0).all()
    assert isclose(shares.sum(), 1, rel_tol=1e-12)


@given(TEXTS, ORDERS, DISCOUNTS, st.lists(WORDS, max_size=5))
def test_probabilities_are_those_of_the_formula_counted_by_hand(
    texts: list[str], order: int, discount: float, before: list[str]
) -> None:
    model = NgramModel.fit(texts, order, discount)
    context = (None, *before)[max(len(before) + 2 - order, 0) :]
    expected = [
        by_hand(counted(texts), discount, context, word, can_end=bool(before)) for word in (*model.vocabulary, None)
    ]
    assert np.allclose(model.distribution(" ".join(before)), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.slow
@given(TEXTS, ORDERS, DISCOUNTS, TEXTS)
def test_the_probability_of_a_text_is_the_product_of_those_of_its_words_and_its_end(
    texts: list[str], order: int, discount: float, scored: list[str]
) -> None:
    model = NgramModel.fit(texts, order, discount)
    assume(all(set(text.split()) <= set(model.vocabulary) for text in scored))
    for text, found in zip(scored, model.log_probability(scored), strict=True):
        words, product = text.split(), 1.0
        for place, word in enumerate(words):
            product *= model.distribution(" ".join(words[:place]))[model.vocabulary.index(word)]
        product *= model.distribution(text)[-1]
        assert found == -inf if product == 0 else isclose(exp(found), product, rel_tol=1e-9)


@given(TEXTS, ORDERS, DISCOUNTS, st.integers(1, 30), st.integers(1, 20))
def test_samples_are_possible_texts_of_training_words_within_the_limit(
    texts: list[str], order: int, discount: float, size: int, max_words: int
) -> None:
    model = NgramModel.fit(texts, order, discount)
    written = sample(model, size, max_words=max_words)
    lengths = [len(text.split()) for text in written]
    assert len(written) == size
    assert all(1 <= length <= max_words for length in lengths)
    assert {word for text in written for word in text.split()} <= {w for text in texts for w in text.split()}
    ended = [text for text, length in zip(written, lengths, strict=True) if length < max_words]
    assert np.isfinite(model.log_probability(ended)).all()


@given(TEXTS, st.data(), ORDERS)
def test_the_order_of_the_texts_does_not_matter(texts: list[str], data: st.DataObject, order: int) -> None:
    shuffled = data.draw(st.permutations(texts))
    one, other = NgramModel.fit(texts, order), NgramModel.fit(shuffled, order)
    assert sample(one, 20) == sample(other, 20)
    assert one.log_probability(texts).tolist() == other.log_probability(texts).tolist()


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_sampled_texts_come_as_often_as_their_probability_says(order: int) -> None:
    model = NgramModel.fit(["a b", "a b c", "b", "c a", "b"], order)
    size = 40_000
    counts = Counter(sample(model, size))
    common = [text for text, count in counts.most_common(30) if count >= 100]
    expected = size * np.exp(model.log_probability(common))
    assert len(common) >= 10
    assert all(abs(counts[text] - e) < 5 * e**0.5 for text, e in zip(common, expected, strict=True))


@pytest.mark.parametrize("uniform", [0.0, 2.0**-53, 1 - 2.0**-53])
@pytest.mark.parametrize("discount", [0.0, 0.1, 0.75, 1.0])
def test_the_extremes_of_the_uniform_numbers_draw_nothing_impossible(discount: float, uniform: float) -> None:
    texts = sentences(300)
    model = NgramModel.fit(texts, discount=discount)
    stream = np.array([model.vocabulary.index(word) for text in texts for word in text.split()] + [model.end])
    state = model._states(stream)
    drawn = model._draw(state, np.full(len(stream), uniform))
    assert (model._probability(state, drawn) > 0).all()


def test_an_order_1_model_reproduces_the_word_frequencies() -> None:
    texts = sentences(500)
    held = Counter(word for text in texts for word in text.split())
    drawn = Counter(word for text in sample(NgramModel.fit(texts, order=1), 5_000) for word in text.split())
    assert all(abs(drawn[word] / drawn.total() - held[word] / held.total()) < 0.005 for word in held)


def test_few_samples_copy_a_training_text_and_some_trigrams_are_new() -> None:
    texts = sentences(500)
    written = sample(NgramModel.fit(texts), 500)
    new = trigrams(written) - trigrams(texts)
    assert sum(text in set(texts) for text in written) < 0.1 * len(written)
    assert 0.1 * len(trigrams(written)) < len(new) < 0.9 * len(trigrams(written))


def test_without_a_discount_no_trigram_is_new() -> None:
    texts = sentences(200)
    assert trigrams(sample(NgramModel.fit(texts, discount=0), 200)) <= trigrams(texts)


def test_a_longer_context_fits_its_own_texts_better() -> None:
    texts = sentences(300)
    fits = [NgramModel.fit(texts, order).log_probability(texts).sum() for order in (1, 2, 3, 4)]
    assert all(shorter < longer for shorter, longer in pairwise(fits))


def test_the_same_seed_writes_the_same_texts_and_another_seed_others() -> None:
    model = NgramModel.fit(sentences(100))
    assert sample(model, 50, seed=1) == sample(model, 50, seed=1)
    assert sample(model, 50, seed=1) != sample(model, 50, seed=2)


def test_a_seed_keeps_its_meaning() -> None:
    model = NgramModel.fit(["the cat sat on the mat", "the dog sat on the log", "a dog saw the cat"])
    first, second = "the sat a the on the mat", "the the cat sat on the log"
    assert sample(model, 3, seed=7) == [first, second, "the cat sat"]


def test_the_only_text_of_one_word_has_its_hand_computed_probability() -> None:
    # "a" comes first for sure; then comes the end with 0.25 by its own count and 0.75 * 1 / 2 by backing off.
    assert NgramModel.fit(["a"], order=2).log_probability(["a"])[0] == pytest.approx(log(0.25 + 0.75 / 2))


def test_an_order_longer_than_every_text_is_the_order_of_the_longest() -> None:
    texts = ["a b", "b a"]
    assert sample(NgramModel.fit(texts, order=10**9), 50) == sample(NgramModel.fit(texts, order=4), 50)


def test_blank_texts_count_for_nothing() -> None:
    assert sample(NgramModel.fit(["", "a b", " \n", "b"]), 50) == sample(NgramModel.fit(["a b", "b"]), 50)


def test_white_space_is_one_space_in_what_is_written() -> None:
    assert set(sample(NgramModel.fit(["  a\tb\n\nc  "], discount=0), 5)) == {"a b c"}


def test_a_text_that_the_model_cannot_write_has_log_probability_minus_infinity() -> None:
    scores = NgramModel.fit(["a b", "b a c"]).log_probability(["a b", "a unseen b", "", "b a"])
    assert np.isfinite(scores).tolist() == [True, False, False, True]
    assert scores[1] == scores[2] == -inf


def test_no_texts_have_no_log_probabilities_and_no_samples_are_no_texts() -> None:
    model = NgramModel.fit(["a"])
    assert model.log_probability([]).shape == (0,)
    assert sample(model, 0) == []


@pytest.mark.parametrize("texts", [[], [""], [" \t", "\n"]])
def test_texts_without_a_word_are_an_error_that_counts_them(texts: list[str]) -> None:
    with pytest.raises(NoWords, match=rf"at least one text with words, got 0 in {len(texts)} texts: "):
        NgramModel.fit(texts)


@pytest.mark.parametrize(("order", "discount"), [(0, 0.75), (-1, 0.75), (3, -0.1), (3, 1.1), (3, nan)])
def test_a_model_that_makes_no_sense_is_an_error(order: int, discount: float) -> None:
    with pytest.raises(OutOfRange, match=r"(order|discount) must be .*, got "):
        NgramModel.fit(["a"], order, discount)


@pytest.mark.parametrize(("size", "max_words"), [(-1, 10), (1, 0)])
def test_a_sample_that_makes_no_sense_is_an_error(size: int, max_words: int) -> None:
    with pytest.raises(OutOfRange, match=r"(size|max_words) must be .*, got "):
        sample(NgramModel.fit(["a"]), size, max_words=max_words)


@pytest.mark.parametrize("line", [b"no json", b'"a"', b"{}", b'{"text": 1}', b"\xff", b"\n"])
def test_a_line_without_a_text_is_an_error_that_names_it(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b'{"text": "a"}\n' + line)
    with path.open("rb") as lines, pytest.raises(NotAText, match=r"line 2 of some\.jsonl is not"):
        list(read_texts(lines, "some.jsonl"))


def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "provenance.ngram", *arguments], input=stdin, capture_output=True, text=True, check=False
    )


def test_the_command_writes_the_same_json_lines_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text, "id": 1}) + "\n" for text in sentences(50)))
    options = ("--count", "20", "--seed", "1", "--order", "2", "--max-words", "7")
    from_file, from_stdin = command(str(path), *options), command("-", *options, stdin=path.read_text())
    written = sample(NgramModel.fit(sentences(50), order=2), 20, seed=1, max_words=7)
    assert (from_file.returncode, from_file.stderr) == (0, "")
    assert list(map(json.loads, from_file.stdout.splitlines())) == [{"text": text} for text in written]
    assert from_stdin.stdout == from_file.stdout


@pytest.mark.parametrize("stdin", ["", '{"text": " "}\n', '{"txt": "a"}\n'])
def test_the_command_tells_what_can_be_mended_in_one_line(stdin: str) -> None:
    done = command("-", "--count", "1", "--seed", "1", stdin=stdin)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch("prov: .+\n", done.stderr)


def test_the_command_shows_an_example_and_answers_wrong_usage_with_exit_2(tmp_path: Path) -> None:
    assert "\n  Example:  python -m provenance.ngram texts.jsonl" in command("--help").stdout
    assert command(str(tmp_path / "missing"), "--count", "1", "--seed", "1").returncode == 2
    assert command("-", "--count", "0", "--seed", "1").returncode == 2


def test_the_module_loads_no_database_and_no_torch() -> None:
    code = "import sys, provenance.ngram; print({'duckdb', 'torch', 'pyarrow', 'numba'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
