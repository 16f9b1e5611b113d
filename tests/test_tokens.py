"""Token counts are those of the tokenizer that the user named, of every text, whenever it came."""

from pathlib import Path

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from provenance.errors import ProvError
from registry import Registry

TEXTS = ["a b c", "know where it came from", "nul \x00 in it", "𝔘ñï c\r\nödé", "a" * 1000, "a b c"]


def tiny(path: Path, unknown: str | None = "?") -> str:
    """A tokenizer of letters, which would add special tokens, cut and pad if it were let."""
    vocabulary = {letter: number for number, letter in enumerate("?abcdefghijklmnop[]")}
    made = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=unknown or "none"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing(single="[ $A ]", special_tokens=[("[", 17), ("]", 18)])
    made.enable_truncation(5)
    made.enable_padding(length=9)
    made.save(str(path))
    return str(path)


def counts(corpus: Registry, *ids: str) -> list[int | None]:
    return [corpus.show(id)[0]["tokens"] for id in ids or map(str, range(len(TEXTS)))]


def add(corpus: Registry, first: int = 0) -> None:
    corpus.add([{"id": str(first + number), "text": text} for number, text in enumerate(TEXTS)])


@pytest.fixture
def expected(tmp_path: Path) -> list[int]:
    reference = tokenizers.Tokenizer.from_file(tiny(tmp_path / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    return [len(reference.encode(text, add_special_tokens=False).ids) for text in TEXTS]


def test_without_a_tokenizer_nothing_is_counted_and_asking_for_it_says_what_to_name(corpus: Registry) -> None:
    add(corpus)
    assert counts(corpus) == [None] * len(TEXTS)
    assert corpus.uncounted() == 0
    with pytest.raises(ProvError, match="no tokenizer yet: name a tokenizer"):
        corpus.tokenize()


def test_texts_are_counted_as_the_tokenizer_counts_them_before_and_after_it_is_named(
    corpus: Registry, tmp_path: Path, expected: list[int]
) -> None:
    add(corpus)
    assert corpus.tokenize(str(tmp_path / "tokenizer.json")) == len(set(TEXTS))
    assert counts(corpus) == expected
    add(corpus, first=100)
    corpus.add([{"id": "new", "text": "new letters"}])
    assert counts(corpus, *(str(100 + number) for number in range(len(TEXTS)))) == expected
    assert counts(corpus, "new") == [11]
    assert corpus.uncounted() == 0


def test_the_same_tokenizer_again_counts_nothing_and_is_no_batch(corpus: Registry, tmp_path: Path) -> None:
    add(corpus)
    corpus.tokenize(tiny(tmp_path / "tokenizer.json"))
    batches = len(corpus.list("batches"))
    assert corpus.tokenize(tiny(tmp_path / "tokenizer.json")) == 0
    assert corpus.tokenize() == 0
    assert len(corpus.list("batches")) == batches


def test_another_tokenizer_counts_everything_anew(corpus: Registry, tmp_path: Path) -> None:
    add(corpus)
    corpus.tokenize(tiny(tmp_path / "letters.json"))
    words = tokenizers.Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # noqa: S106
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "words.json"))
    assert corpus.tokenize(str(tmp_path / "words.json")) == len(set(TEXTS))
    assert counts(corpus) == [len(text.split()) for text in TEXTS]
    assert corpus.stats()["tokenizer"] == "words.json"


def test_a_tokenizer_is_kept_whole_so_that_its_file_may_go(
    corpus: Registry, tmp_path: Path, expected: list[int]
) -> None:
    corpus.tokenize(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer.json").unlink()
    add(corpus)
    assert counts(corpus) == expected


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.json", None, "no tokenizer file .*none.json: wanted a tokenizer.json"),
        ("broken.json", "{}", "cannot load the tokenizer .*broken.json: .*; name a tokenizer.json that is there"),
        ("broken.json", "no json", "cannot load the tokenizer"),
    ],
)
def test_what_is_no_tokenizer_is_told_in_one_line_and_changes_nothing(
    corpus: Registry, tmp_path: Path, name: str, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ProvError, match=told) as raised:
        corpus.tokenize(str(tmp_path / name))
    assert "\n" not in str(raised.value)
    assert corpus.stats()["tokenizer"] is None


def test_a_tokenizer_without_a_token_for_a_text_is_told_in_one_line(corpus: Registry, tmp_path: Path) -> None:
    corpus.tokenize(tiny(tmp_path / "narrow.json", unknown=None))
    with pytest.raises(ProvError, match=r"narrow\.json cannot encode every text: WordLevel error: Missing"):
        add(corpus)
    assert corpus.stats()["documents"] == 0


def test_a_tokenizer_that_cannot_encode_every_text_is_not_kept(corpus: Registry, tmp_path: Path) -> None:
    add(corpus)
    before = corpus.stats()
    with pytest.raises(ProvError, match="cannot encode every text"):
        corpus.tokenize(tiny(tmp_path / "poor.json", unknown=None))
    assert corpus.stats() == before
