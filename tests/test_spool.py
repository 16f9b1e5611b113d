"""Spooling: a mix becomes the same blocks in files as in memory, once, and a spool of something else is refused."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, MixSpec, Registry, real_frac, spool
from registry.blocks import PADDING, Blocks
from registry.spool import NOTE, Encoder, OtherSpool, Spooled, packed

LENGTH = 16


def make_tokenizer(words: int = 60) -> Tokenizer:
    names = ["<s>", "</s>", *(f"w{number}" for number in range(words))]
    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, "w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def make_encoder() -> Encoder:
    return Encoder.of(make_tokenizer(), "<s>", "</s>")


def fill(corpus: Registry, texts: int = 60, longest: int = 40) -> str:
    """Texts, and a mix of them all."""
    rng = np.random.default_rng(0)
    rows = [
        {"id": str(number), "text": " ".join(f"w{word}" for word in rng.integers(1, 60, rng.integers(1, longest)))}
        for number in range(texts)
    ]
    corpus.add(rows, Declared(origin=Origin.HUMAN, source="books"))
    return corpus.mix(MixSpec(strata=real_frac(1.0), size=texts, seed=1)).mix


def equal(one: Blocks, other: Blocks) -> bool:
    return all(np.array_equal(held, getattr(other, name)) for name, held in vars(one).items())


def test_a_spool_holds_the_texts_of_the_mix_in_its_order_with_the_digests_of_their_documents(
    corpus: Registry, tmp_path: Path
) -> None:
    mix, encoder = fill(corpus, longest=LENGTH - 2), make_encoder()
    held = spool.spool(corpus, mix, encoder, LENGTH, tmp_path / "spool")
    blocks = held.take(np.arange(len(held)))
    told = [row for batch in corpus.texts(mix) for row in batch.to_pylist()]
    assert [bytes(digest).hex() for digest in held.digests] == [row["provenance"]["document"] for row in told]
    for number, row in enumerate(told):
        words = [encoder.tokenizer.token_to_id(word) for word in row["text"].split()]
        assert blocks.tokens[blocks.documents == number].tolist() == [0, *words, 1]


@pytest.mark.parametrize("at_a_time", [1, 100, 10_000])
def test_files_hold_what_memory_holds_however_much_is_packed_at_a_time(
    corpus: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(spool, "SHARD_TOKENS", at_a_time)
    monkeypatch.setattr(spool, "ROWS", 7)
    mix = fill(corpus)
    held = spool.spool(corpus, mix, make_encoder(), LENGTH, tmp_path / "spool")
    blocks, digests = packed(corpus, mix, make_encoder(), LENGTH)
    assert equal(held.take(np.arange(len(held))), blocks)
    rows = np.random.default_rng(0).permutation(len(held))[:9]
    assert equal(held.take(rows), blocks.take(rows))
    assert [bytes(digest) for digest in held.digests] == digests
    assert set(np.unique(blocks.documents).tolist()) == {PADDING, *range(60)}
    assert (len(held.note.shards) > 1) == (at_a_time < 10_000)


def test_a_spool_is_made_once(corpus: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = fill(corpus)
    first = spool.spool(corpus, mix, make_encoder(), LENGTH, tmp_path / "spool")
    monkeypatch.setattr(spool, "_write", None)
    assert spool.spool(corpus, mix, make_encoder(), LENGTH, tmp_path / "spool").digest == first.digest


def test_a_worker_is_sent_the_name_of_a_spool_and_not_its_tokens(corpus: Registry, tmp_path: Path) -> None:
    held = spool.spool(corpus, fill(corpus), make_encoder(), LENGTH, tmp_path / "spool")
    assert held.__reduce__() == (Spooled.open, (tmp_path / "spool",))
    assert copy(held) == held


def test_a_spool_of_something_else_is_refused(corpus: Registry, tmp_path: Path) -> None:
    mix, folder = fill(corpus), tmp_path / "spool"
    other = corpus.mix(MixSpec(strata=real_frac(1.0), size=9, seed=1)).mix
    spool.spool(corpus, mix, make_encoder(), LENGTH, folder)
    wanted: list[tuple[str, Encoder, int, str]] = [
        (other, make_encoder(), LENGTH, f"mix {mix}.*wanted was mix {other}"),
        (mix, Encoder.of(make_tokenizer(70), "<s>", "</s>"), LENGTH, "tokenizer"),
        (mix, make_encoder(), LENGTH + 1, "length 16, wanted was length 17"),
    ]
    for one, encoder, length, line in wanted:
        with pytest.raises(OtherSpool, match=line):
            spool.spool(corpus, one, encoder, length, folder)


def test_a_spool_of_texts_that_were_erased_since_is_refused(corpus: Registry, tmp_path: Path) -> None:
    mix, folder = fill(corpus), tmp_path / "spool"
    spool.spool(corpus, mix, make_encoder(), LENGTH, folder)
    document = next(corpus.texts(mix)).column("provenance")[0]["document"].as_py()
    done = corpus.withdraw(document, reason="asked for", erase=True)
    assert str(folder) in str(done)
    with pytest.raises(OtherSpool, match="documents 60, wanted was documents 59"):
        spool.spool(corpus, mix, make_encoder(), LENGTH, folder)


def test_a_folder_of_somebody_else_stays(corpus: Registry, tmp_path: Path) -> None:
    mix = fill(corpus)
    with pytest.raises(OtherSpool, match="no spool"):
        spool.spool(corpus, mix, make_encoder(), LENGTH, tmp_path)


def test_a_spool_that_cannot_be_finished_leaves_nothing(
    corpus: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    mix, folder = fill(corpus), tmp_path / "spools" / "one"
    with monkeypatch.context() as patch:
        patch.setattr(spool, "_save", full)
        with pytest.raises(ProvError, match="No space left"):
            spool.spool(corpus, mix, make_encoder(), LENGTH, folder)
    assert not list(folder.parent.iterdir())
    assert len(spool.spool(corpus, mix, make_encoder(), LENGTH, folder))


def test_a_broken_spool_is_said_in_one_line(corpus: Registry, tmp_path: Path) -> None:
    mix, folder = fill(corpus), tmp_path / "spool"
    spool.spool(corpus, mix, make_encoder(), LENGTH, folder)
    (folder / "tokens-00000.npy").write_bytes(b"half")
    with pytest.raises(ProvError, match=r"cannot read the spool.*remove it") as error:
        Spooled.open(folder)
    assert "\n" not in str(error.value)
    (folder / NOTE).write_text("{")
    with pytest.raises(ProvError, match=r"cannot read the spool.*remove it"):
        Spooled.open(folder)


def test_nothing_but_a_tokenizer_with_an_end_encodes(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    make_tokenizer().save(str(path))
    told = Encoder.of(str(path), end="</s>")
    assert (told.begin, told.end, told.pad) == (None, 1, 1)
    told_as_text = told.documents(["w1</s>w2"])  # no end stands in a text: this is one word, and unknown
    assert [tokens.tolist() for tokens in told_as_text] == [[2, 1]]
    with pytest.raises(ProvError, match="which token ends a document"):
        Encoder.of(path)
    with pytest.raises(ProvError, match="no token '<eos>'"):
        Encoder.of(path, end="<eos>")
    with pytest.raises(ProvError, match="got a int"):
        Encoder.of(3)
    with pytest.raises(ProvError, match="no tokenizer file"):
        Encoder.of(tmp_path / "none.json", end="</s>")


# -- the stream of a mix, whose order tests/test_stream.py holds


@pytest.mark.parametrize("in_files", [False, True])
def test_a_mix_gives_its_stream_to_any_loop(corpus: Registry, tmp_path: Path, in_files: bool) -> None:
    torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    fill(corpus)
    mix = corpus.mix(MixSpec(strata=real_frac(1.0), size=40, seed=3))
    folder = tmp_path / "spool" if in_files else None
    stream = mix.torch(tokenizer=make_tokenizer(), begin="<s>", end="</s>", length=LENGTH, batch_size=4, folder=folder)
    documents = [row["provenance"]["document"] for batch in corpus.texts(mix.mix) for row in batch.to_pylist()]
    seen: set[str] = set()
    for batch in stream:
        assert {name: part.dtype for name, part in batch.items() if name != "number"} == {
            **dict.fromkeys(("tokens", "pieces", "positions", "documents"), torch.int64),
            "weights": torch.float32,
        }
        seen |= {bytes(stream.digests[number]).hex() for number in np.unique(batch["documents"]) if number >= 0}
    assert seen == set(documents)


def test_a_mix_that_was_not_recorded_gives_none(corpus: Registry) -> None:
    pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    fill(corpus)
    mix = corpus.mix(MixSpec(strata=real_frac(1.0), size=7, seed=3), dry_run=True)
    with pytest.raises(ProvError, match="was not recorded"):
        mix.torch(tokenizer=make_tokenizer(), end="</s>", length=LENGTH)


def test_a_tokenizer_of_transformers_knows_its_own_tokens(corpus: Registry) -> None:
    torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    transformers = pytest.importorskip("transformers", reason="needs corpus-provenance[train]")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=make_tokenizer())
    fast.bos_token, fast.eos_token = "<s>", "</s>"
    mix = fill(corpus)
    one = corpus.torch(mix, tokenizer=fast, length=LENGTH)
    other = corpus.torch(mix, tokenizer=make_tokenizer(), begin="<s>", end="</s>", length=LENGTH)
    for batch, same in zip(one, other, strict=True):
        assert torch.equal(batch["tokens"], same["tokens"])
