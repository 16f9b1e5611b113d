"""Language models: named sizes of two families, saved whole into folders, and loaded from there, foreign ones too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from provenance.errors import ProvError
from trainer.architecture import SIZES, Architecture, read_config
from trainer.model import LanguageModel, continuations, fresh, load, weighed_documents
from trainer.testbed import Degenerate
from trainer.tokenizer import BOS, EOS, PAD, Special, special_tokens, train_tokenizer

TEXTS = [f"The {word} sat on {other} mats and saw a {word}." for word in ("cat", "dog", "owl") for other in range(30)]
MICRO = Architecture(size="micro", context=32)


def needs_training() -> Any:
    torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    pytest.importorskip("transformers", reason="needs corpus-provenance[train]")
    torch.set_num_threads(1)
    return torch


def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 300)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model in a folder."""
    needs_training()
    fresh(MICRO, tokenizer(), 1).save(tmp_path / "model")
    return tmp_path / "model"


# -- tokens


def test_documents_begin_with_bos_and_end_with_eos_and_those_without_text_or_weight_are_left_out() -> None:
    known, weights = tokenizer(), np.array([0.1, 0.5, 0.0, 0.4])
    documents, weighed = weighed_documents(known, 0, 1, ["a cat", "", "a dog", "an owl"], weights)
    assert [known.decode(ids, skip_special_tokens=False) for ids in documents] == [
        f"{BOS}a cat{EOS}",
        f"{BOS}an owl{EOS}",
    ]
    assert weighed == pytest.approx([0.4, 1.6])


def test_of_a_prompt_and_its_continuation_only_the_continuation_and_the_end_count() -> None:
    known = tokenizer()
    documents, weights = continuations(known, 0, 1, ["The cat sat", "all prompt", "Zoë saw"], [7, 10, 3])
    assert len(documents) == len(weights) == 2
    for ids, counts, counted in zip(documents, weights, (" sat", " saw"), strict=True):
        assert known.decode([token for token, count in zip(ids, counts, strict=True) if count]) == counted
        assert counts[0] == 0
        assert counts[-1] == 1


def test_a_token_that_holds_any_of_the_continuation_counts() -> None:
    known = tokenizer()
    assert " sat" in [known.decode([token]) for token in known.encode("The cat sat").ids]
    (ids,), (counts,) = continuations(known, 0, 1, ["The cat sat"], [8])  # the blank is the prompt's
    assert known.decode([token for token, count in zip(ids, counts, strict=True) if count]) == " sat"


def test_prompts_without_continuations_are_refused() -> None:
    with pytest.raises(Degenerate, match="0 in 2 texts"):
        continuations(tokenizer(), 0, 1, ["ab", ""], [2, 0])


def test_the_special_tokens_of_a_tokenizer_are_found_by_their_names() -> None:
    known = tokenizer()
    assert special_tokens(known) == tuple(known.token_to_id(name) for name in (BOS, EOS, PAD))
    plain = json.loads(known.to_str())
    for token in plain["added_tokens"]:
        token["content"] = {BOS: "<one>", EOS: "<|endoftext|>", PAD: "<three>"}[token["content"]]
    plain["model"]["vocab"] = {
        {BOS: "<one>", EOS: "<|endoftext|>", PAD: "<three>"}.get(token, token): place
        for token, place in plain["model"]["vocab"].items()
    }
    assert special_tokens(Tokenizer.from_str(json.dumps(plain))) == Special(1, 1, 1)  # as GPT-2's
    with pytest.raises(ProvError, match="no token that ends a document, wanted one of"):
        special_tokens(Tokenizer.from_str(json.dumps(plain).replace("<|endoftext|>", "<two>")))


# -- networks


@pytest.mark.parametrize(("size", "millions"), [("micro", 0.0217), ("tiny", 0.248), ("mini", 0.585)])
def test_sizes_are_what_they_are_called(size: Any, millions: float) -> None:
    needs_training()
    network = Architecture(size=size).network(1024, Special(0, 1, 2), 0)
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(millions * 1e6, rel=0.01)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize(("size", "millions"), [("3m", 3), ("10m", 10), ("30m", 30), ("small", 85)])
def test_larger_sizes_have_so_many_parameters_in_their_layers(kind: Any, size: Any, millions: float) -> None:
    torch = needs_training()
    with torch.device("meta"):
        network = Architecture(kind=kind, size=size).network(1024, Special(0, 1, 2), 0)
    layers = sum(one.numel() for name, one in network.named_parameters() if ".h." in name or ".layers." in name)
    assert layers == pytest.approx(millions * 1e6, rel=0.12)


def test_the_small_one_is_gpt_2() -> None:
    torch = needs_training()
    with torch.device("meta"):
        network = Architecture(size="small", context=1024).network(50_257, Special(0, 1, 2), 0)
    assert sum(one.numel() for one in network.parameters()) == 124_439_808


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_weights_come_from_the_seed_alone(kind: Any) -> None:
    torch = needs_training()
    architecture = Architecture(kind=kind, size="micro", context=16)
    torch.manual_seed(5)
    one = fresh(architecture, tokenizer(), 1)
    torch.manual_seed(6)
    assert fresh(architecture, tokenizer(), 1).weights_digest == one.weights_digest
    assert fresh(architecture, tokenizer(), 2).weights_digest != one.weights_digest
    assert one.context == 16
    assert one.network.config.model_type == kind


def test_a_configuration_is_taken_as_it_is(tmp_path: Path) -> None:
    needs_training()
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt_neox", "hidden_size": 16, "num_hidden_layers": 1,
                                "num_attention_heads": 2, "intermediate_size": 32}))  # fmt: skip
    model = fresh(Architecture(config=read_config(path)), tokenizer(), 0)
    assert model.network.config.model_type == "gpt_neox"
    assert model.network.config.vocab_size == model.tokenizer.get_vocab_size()
    assert (model.begin, model.end, model.pad) == (0, 1, 2)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"model_type": "gpt2", "vocab_size": 10}, "the configuration has 10 tokens, the tokenizer 300"),
        ({"model_type": "nothing"}, "no network can be made of the configuration"),
        ({"model_type": "gpt2", "n_embd": 10, "n_head": 3}, "no network can be made of the configuration"),
        ({"model_type": "gpt2", "n_embd": "wide"}, "no network can be made of the configuration"),
        ({"n_embd": 10}, "has no model_type"),
        ([], "has no model_type"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_in_a_line(tmp_path: Path, told: Any, said: str) -> None:
    needs_training()
    path = tmp_path / "config.json"
    path.write_text(json.dumps(told))
    with pytest.raises(ProvError, match=said) as caught:
        fresh(Architecture(config=read_config(path)), tokenizer(), 0)
    assert "\n" not in str(caught.value)


def test_every_size_has_heads_that_fit_its_width() -> None:
    assert all(size.width % (2 * size.heads) == 0 for size in SIZES.values())


# -- folders


def test_a_model_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    needs_training()
    made = fresh(MICRO, tokenizer(), 1)
    saved = LanguageModel(made.network, made.tokenizer, 0, 1, 2, [3.5, 0.1 + 0.2], {"steps": 2})
    saved.save(tmp_path / "a" / "model")
    held = load(tmp_path / "a" / "model", "cpu")
    assert held.weights_digest == saved.weights_digest
    assert held.tokenizer_digest == saved.tokenizer_digest
    assert (held.begin, held.end, held.pad) == (0, 1, 2)
    assert (held.losses, held.training) == ([3.5, 0.1 + 0.2], {"steps": 2})
    assert held.documents([f"a{BOS}b"]) == saved.documents([f"a{BOS}b"])
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model"]


def test_any_program_that_reads_transformers_reads_it(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(folder)
    assert network.config.max_position_embeddings == 32
    known = AutoTokenizer.from_pretrained(folder)
    assert known("The cat")["input_ids"] == load(folder).tokenizer.encode("The cat").ids


def test_nothing_is_written_over(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ProvError, match="is there already"):
        load(folder).save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    needs_training()
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ProvError, match="cannot write"):
        fresh(MICRO, tokenizer(), 1).save(tmp_path / "file" / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(folder)
    assert capfd.readouterr() == ("", "")


def broken(folder: Path, how: str) -> None:
    """Break a model in a folder."""
    weights, note = folder / "model.safetensors", folder / "prov.json"
    if how == "truncated":
        os.truncate(weights, weights.stat().st_size // 2)
    elif how == "no weights":
        weights.unlink()
    elif how == "no configuration":
        (folder / "config.json").unlink()
    elif how == "another tokenizer":
        (folder / "tokenizer.json").write_text(train_tokenizer(TEXTS[:5], 290).to_str())
    elif how == "a larger tokenizer":
        (folder / "tokenizer.json").write_text(train_tokenizer(TEXTS, 310).to_str())
    elif how == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif how == "other weights":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif how == "a broken note":
        note.write_text("{")
    elif how == "weights of fewer layers":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"n_layer": 2}))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", "deserializing"),
        ("no weights", "no file named model.safetensors"),
        ("no configuration", "it holds no config.json"),
        ("another tokenizer", "its tokenizer is [0-9a-f]{12}, it learnt with [0-9a-f]{12}"),
        ("a larger tokenizer", "it knows 300 tokens, its tokenizer has 310"),
        ("no tokenizer", "tokenizer"),
        ("other weights", "its weights are not those that were saved"),
        ("a broken note", "its prov.json is broken"),
        ("weights of fewer layers", "its weights lack 12 parts"),
    ],
)
def test_what_is_broken_is_refused_in_a_line(folder: Path, how: str, said: str) -> None:
    broken(folder, how)
    with pytest.raises(ProvError, match=f"cannot load the model .*{said}") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["./none", "/none", "a/b/c", "~/model"])
def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(name: str) -> None:
    needs_training()
    with pytest.raises(ProvError, match="there is no such folder"):
        load(name)


@pytest.mark.parametrize(("begin", "end", "pad", "wanted"), [
    (None, 1, None, (1, 1, 1)), (0, [1, 2], None, (0, 1, 1)), (3, None, 2, (3, 3, 2)),
])  # fmt: skip
def test_a_foreign_model_has_the_special_tokens_of_its_configuration(
    folder: Path, begin: Any, end: Any, pad: Any, wanted: tuple[int, ...]
) -> None:
    (folder / "prov.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"bos_token_id": begin, "eos_token_id": end, "pad_token_id": pad})
    )
    held = load(folder)
    assert (held.begin, held.end, held.pad) == wanted
    assert (held.network.config.bos_token_id, held.network.config.eos_token_id) == wanted[:2]


def test_a_foreign_model_without_special_tokens_is_refused(folder: Path) -> None:
    (folder / "prov.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"bos_token_id": None, "eos_token_id": None}))
    with pytest.raises(ProvError, match="names neither a bos_token_id nor an eos_token_id"):
        load(folder)
