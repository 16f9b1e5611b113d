"""Editing: what a model was sure of is chosen anew from what it holds likely, and what comes out is text."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
pytest.importorskip("transformers", reason="needs corpus-provenance[train]")

from registry import Declared, Registry  # noqa: E402
from registry.blocks import pack  # noqa: E402
from trainer.architecture import Architecture  # noqa: E402
from trainer.editing import REPLACEMENT, Editing, edit  # noqa: E402
from trainer.experiment import Experiment  # noqa: E402
from trainer.keeping import InRegistry  # noqa: E402
from trainer.model import LanguageModel, fresh  # noqa: E402
from trainer.optimise import Training, optimise  # noqa: E402
from trainer.simulate import simulate  # noqa: E402
from trainer.testbeds.language import Language  # noqa: E402
from trainer.texts import as_array  # noqa: E402
from trainer.tokenizer import train_tokenizer  # noqa: E402

torch.set_num_threads(1)
TEXTS = [f"The {word} sat on {other} mats and saw a {word}." for word in ("cat", "dog", "owl") for other in range(30)]


@lru_cache(maxsize=4)
def made(kind: Any = "gpt2", steps: int = 0) -> LanguageModel:
    """A small model, untrained or trained on `TEXTS`."""
    model = fresh(Architecture(kind=kind, size="micro", context=24), train_tokenizer(TEXTS, 300), 0)
    if steps:
        blocks = pack(model.documents(TEXTS), 24, model.pad)
        optimise(model.network, blocks, Training(steps=steps, learning_rate=0.02))
    return model


def probabilities(model: LanguageModel, text: str) -> tuple[list[int], Any]:
    """The tokens of a text that fits the context, and what the model held of every token in each place."""
    (ids,) = model.documents([text])
    with torch.no_grad():
        logits = model.network(torch.tensor([ids])).logits[0, :-2]
    return ids[1:-1], logits.softmax(-1)  # (tokens, vocabulary)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_with_one_to_choose_from_each_token_becomes_the_likeliest(kind: Any) -> None:
    model, texts = made(kind), ["The cat", "a dog sat", "mats"]
    edited = edit(model, texts, Editing(p=0, top_k=1), 0)
    for text, told in zip(texts, edited.texts, strict=True):
        _, likely = probabilities(model, text)
        allowed = [token for token in range(300) if REPLACEMENT not in model.tokenizer.decode([token]) and token > 2]
        best = [allowed[int(row[allowed].argmax())] for row in likely]
        assert told == model.tokenizer.decode(best)
    assert edited.chosen == edited.tokens == sum(len(probabilities(model, text)[0]) for text in texts)
    assert edited.share == 1


def test_a_text_that_is_longer_than_the_context_is_edited_to_its_end() -> None:
    model, text = made(), " ".join(TEXTS[:7])
    assert len(model.documents([text])[0]) > 3 * model.context
    edited = edit(model, [text], Editing(p=0, top_k=1), 0)
    assert edited.chosen == edited.tokens == len(model.documents([text])[0]) - 2
    alone = edit(model, [model.tokenizer.decode(model.documents([text])[0][1:20])], Editing(p=0, top_k=1), 0)
    assert edited.texts[0].startswith(alone.texts[0])


def test_only_tokens_that_the_model_was_sure_of_are_chosen_anew() -> None:
    model, p = made(steps=120), 0.9
    edited = edit(model, TEXTS, Editing(p=p, top_k=8), 0)
    sure = tokens = 0
    for text in TEXTS:
        ids, likely = probabilities(model, text)
        sure += sum(float(row[token]) >= p for row, token in zip(likely, ids, strict=True))
        tokens += len(ids)
    assert (edited.chosen, edited.tokens) == (sure, tokens)
    assert 0 < edited.share < 1
    assert edited.changed <= edited.chosen


def test_a_model_that_is_sure_of_nothing_edits_nothing() -> None:
    edited = edit(made(), TEXTS, Editing(), 0)
    assert edited.texts == TEXTS
    assert (edited.chosen, edited.changed, edited.share) == (0, 0, 0)


def test_tokens_are_chosen_by_their_probabilities_among_the_likeliest() -> None:
    model, times = made(), 4_000
    edited = edit(model, ["a"] * times, Editing(p=0, top_k=3), 0)
    found = Counter(edited.texts)
    allowed = [token for token in range(3, 300) if REPLACEMENT not in model.tokenizer.decode([token])]
    row = probabilities(model, "a")[1][0][allowed]
    best = row.topk(3)
    expected = best.values / best.values.sum()
    for place, share in zip(best.indices.tolist(), expected.tolist(), strict=True):
        assert found[model.tokenizer.decode([allowed[place]])] / times == pytest.approx(share, abs=0.03)
    assert len(found) == 3


def test_the_same_seed_gives_the_same_texts() -> None:
    editing = Editing(p=0, top_k=8)
    assert edit(made(), TEXTS, editing, 1) == edit(made(), TEXTS, editing, 1)
    assert edit(made(), TEXTS, editing, 1) != edit(made(), TEXTS, editing, 2)


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=REPLACEMENT), max_size=60)))
def test_what_comes_out_is_text(texts: list[str]) -> None:
    edited = edit(made(), texts, Editing(p=0, top_k=8), 0)
    assert len(edited.texts) == len(texts)
    for before, after in zip(texts, edited.texts, strict=True):
        assert REPLACEMENT not in after
        assert bool(after) == bool(before)
        after.encode()


# -- generations


def test_the_test_bed_edits_a_share_of_the_texts() -> None:
    bed = Language(held_out=tuple(TEXTS), model_size="micro", vocabulary=300, context=24, edit_p=0, edit_top_k=8)
    samples = as_array(TEXTS[:40])[None]
    for share, times in ((0.25, 10), (1.0, 40), (0.001, 1)):
        edited = bed.edit(made(), samples, share, np.random.default_rng(0))
        assert edited.shape == (1, 40)
        assert (edited != samples).sum() == times
    assert samples[0].tolist() == TEXTS[:40]


def test_edits_go_through_a_registry_with_the_text_that_each_began_from(corpus: Registry) -> None:
    rows = [{"id": str(place), "text": text} for place, text in enumerate(TEXTS)]
    corpus.add(rows, Declared(origin="human"))  # type: ignore[arg-type]
    corpus.hold_out("test", frac=0.2, seed=0)
    bed = {"name": "language", "model_size": "micro", "vocabulary": 300, "context": 24, "steps": 4, "test_texts": 8,
           "edit_p": 0, "edit_top_k": 3}  # fmt: skip
    spec = {"testbed": bed, "schedule": {"name": "edit", "share": 0.5}, "generations": 3, "size": 20, "repeats": 1}
    experiment = Experiment.of_grid(spec)
    simulate(experiment, InRegistry(corpus, experiment), corpus)
    written = [row for row in corpus.list("documents") if row["origin"] == "mixed"]
    assert Counter(row["generation"] for row in written) == {1: 20, 2: 20}
    for row in written:
        (shown,) = corpus.show(row["digest"])
        ((relation, before),) = [(parent["relation"], parent["generation"]) for parent in shown["parents"]]
        assert (relation, before) == ("edit", row["generation"] - 1)
        assert corpus.lineage(row["digest"])["human"][0]["documents"] >= 20
    assert corpus.verify().holds
    head = corpus.head()
    simulate(experiment, InRegistry(corpus, experiment), corpus)
    assert corpus.head() == head
