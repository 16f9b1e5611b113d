"""Models and runs: what is recorded, found and named, and the generations that follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import (
    UNKNOWN_GENERATION,
    Generation,
    Origin,
    derive_generation,
    derive_model_generation,
    highest,
)
from registry import Declared, MixSpec, Registry, Stratum, real_frac
from registry.where import Where

HUMAN = Declared(origin=Origin.HUMAN)


def human_mix(held: Registry, texts: int = 4) -> str:
    held.add([{"text": f"human {number}"} for number in range(texts)], HUMAN)
    return held.mix(MixSpec(strata=real_frac(1.0))).mix


def mix_of(held: Registry, items: Sequence[str]) -> str:
    """A mix of exactly these documents."""
    where = Where.parse(f"id IN ({', '.join(repr(item) for item in items)})")
    return held.mix(
        MixSpec(strata=(Stratum(where=where, share=1.0),), unknown="unknown", mixed="mixed", seed=len(items))
    ).mix


def counts(held: Registry) -> dict[str, Any]:
    return {name: value for name, value in held.stats().items() if name in ("models", "runs", "batches", "head")}


# -- recording


def test_recording_a_model_twice_changes_nothing(corpus: Registry) -> None:
    known: dict[str, Any] = {"mix": human_mix(corpus), "spec": {"lr": 0.1}, "seed": 1, "path": "/w"}
    first = corpus.record_model("m", **known)
    before = counts(corpus)
    assert corpus.record_model("m", **known) == first
    assert counts(corpus) == before
    assert (first.generation, first.is_foreign) == (Generation(1, True), False)


def test_recording_a_run_twice_changes_nothing(corpus: Registry) -> None:
    corpus.record_model("m", mix=human_mix(corpus))
    first = corpus.record_run("m", {"t": 1}, 1)
    before = counts(corpus)
    assert corpus.record_run("m", {"t": 1}, 1) == first
    assert counts(corpus) == before
    assert corpus.record_run("m", {"t": 1}, 2) != first
    assert corpus.record_run("m", {"t": 1}, 1, kind="edit") != first


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"name": " "}, "not blank"),
        ({"mix": ""}, "no mix ''"),
        ({"base": ""}, "no model ''"),
        ({"seed": 2**53}, "is too large"),
        ({"seed": -(2**70)}, "is too large"),
        ({"generation": 2**31}, "generation 1 or more"),
        ({"spec": {"lr": float("inf")}}, "cannot be kept as JSON"),
        ({"spec": {1: 2}}, "cannot be kept as JSON"),
        ({"spec": {"steps": 2**60}}, "cannot be kept as JSON"),
    ],
)
def test_what_no_digest_can_be_taken_of_is_refused(corpus: Registry, known: dict[str, Any], words: str) -> None:
    with pytest.raises(ProvError, match=words):
        corpus.record_model(**{"name": "m", **known})
    assert corpus.stats()["models"] == 0


def test_a_run_of_a_seed_or_spec_that_no_digest_can_be_taken_of_is_refused(corpus: Registry) -> None:
    corpus.record_model("m", generation=1)
    for known in ({"seed": 2**53}, {"spec": {"when": object()}}):
        with pytest.raises(ProvError, match=r"too large|cannot be kept"):
            corpus.record_run("m", **known)
    assert corpus.stats()["runs"] == 0


def test_a_model_that_moved_is_found_where_it_is_now(corpus: Registry) -> None:
    mix = human_mix(corpus)
    first = corpus.record_model("m", mix=mix, path="/old")
    assert corpus.record_model("m", mix=mix, path="/new") == first
    assert [model["path"] for model in corpus.list("models")] == ["/new"]
    corpus.record_model("m", mix=mix)
    assert [model["path"] for model in corpus.list("models")] == ["/new"]


def test_a_name_stands_for_one_training(corpus: Registry) -> None:
    mix = human_mix(corpus)
    corpus.record_model("m", mix=mix, seed=1)
    with pytest.raises(ProvError, match=r"a model 'm' is recorded already .*record this one under another name"):
        corpus.record_model("m", mix=mix, seed=2)
    assert corpus.stats()["models"] == 1


def test_a_recorded_model_comes_before_foreign_ones_of_its_name(corpus: Registry) -> None:
    corpus.add([{"text": "x"}], Declared(origin=Origin.MODEL, generator="m", generation=3))
    recorded = corpus.record_model("m", mix=human_mix(corpus))
    assert corpus.record_run("m").model == recorded


@pytest.mark.parametrize("what", ["mix", "base"])
def test_a_name_that_is_not_there_lists_those_that_are(what: str, corpus: Registry) -> None:
    mix = human_mix(corpus)
    corpus.record_model("known-model", mix=mix)
    known: dict[str, Any] = {"mix": mix} | {what: "nowhere"}
    with pytest.raises(NotFound, match=mix if what == "mix" else "there is known-model"):
        corpus.record_model("m", **known)
    with pytest.raises(NotFound, match="no model 'nowhere': there is known-model"):
        corpus.record_run("nowhere")
    with pytest.raises(NotFound, match=r"no run 'nowhere': there is [0-9a-f]{12}"):
        corpus.add([{"text": "x"}], run="nowhere")


def test_a_name_that_fits_several_foreign_models_names_them(corpus: Registry) -> None:
    one, two = (corpus.record_model("gpt", generation=number) for number in (1, 2))
    with pytest.raises(Ambiguous) as caught:
        corpus.record_run("gpt")
    assert caught.value.fits == sorted(
        f"{model.digest.hex()[:12]} (gpt, generation {model.generation})" for model in (one, two)
    )
    assert corpus.record_run(two.digest.hex()[:12]).model == two


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"mix": "MIX", "generation": 2}, "has a mix, so its generation follows from it"),
        ({"generation": 0}, "a model is of generation 1 or more"),
        ({"base": "two", "generation": 1}, "but its base 'two' is of generation 2"),
    ],
)
def test_a_declared_generation_that_lineage_rules_out_is_refused(
    known: dict[str, Any], message: str, generations: Registry
) -> None:
    known = {name: generations.list("mixes")[0]["digest"] if value == "MIX" else value for name, value in known.items()}
    before = counts(generations)
    with pytest.raises(ProvError, match=message):
        generations.record_model("m", **known)
    assert counts(generations) == before


def test_a_run_is_of_a_known_kind(corpus: Registry) -> None:
    corpus.record_model("m", generation=1)
    with pytest.raises(ProvError, match="no kind of run 'train': there is generate, edit"):
        corpus.record_run("m", kind="train")


# -- generations


def test_each_model_is_one_above_its_mix_or_as_high_as_its_base(generations: Registry) -> None:
    found = {model["name"]: (model["generation"], model["generation_exact"]) for model in generations.list("models")}
    assert found == {"one": (1, True), "two": (2, True), "three": (3, True)}
    humans = mix_of(generations, ["b0", "b1"])
    assert generations.record_model("tuned", mix=humans, base="three").generation == Generation(3, True)
    assert generations.record_model("fresh", mix=humans).generation == Generation(1, True)


def test_an_edited_text_is_of_the_generation_of_its_model(generations: Registry) -> None:
    assert generations.show("edit0")[0]["generation"] == 2
    assert generations.show("edit0")[0]["origin"] == "mixed"


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({}, "?"),
        ({"generation": 3}, "3"),
        ({"base": "two"}, "≥2"),
        ({"base": "two", "generation": 4}, "4"),
        ({"base": "unknown"}, "?"),
    ],
)
def test_a_foreign_model_has_its_declared_generation_else_a_lower_bound(
    known: dict[str, Any], shown: str, generations: Registry
) -> None:
    generations.record_model("unknown")
    model = generations.record_model("foreign", **known)
    assert model.is_foreign
    assert str(model.generation) == shown
    run = generations.record_run("foreign").digest.hex()
    generations.add([{"id": "x", "text": "a foreign model wrote this"}], run=run)
    document = generations.show("x")[0]
    assert str(Generation(document["generation"], document["generation_exact"])) == shown
    higher = generations.record_model("higher", mix=mix_of(generations, ["x", "one0"]))
    assert str(higher.generation) == {"?": "≥2", "3": "4", "≥2": "≥3", "4": "5"}[shown]


def test_what_is_trained_on_unknown_text_has_a_lower_bound(corpus: Registry) -> None:
    corpus.add([{"id": "u", "text": "who wrote this?"}])
    corpus.add([{"id": "h", "text": "a human wrote this"}], HUMAN)
    assert str(corpus.record_model("m", mix=mix_of(corpus, ["u", "h"])).generation) == "≥1"


@dataclass
class World:
    """A random history, replayed in the registry and computed in plain Python."""

    held: Registry
    documents: dict[str, Generation] = field(default_factory=dict)
    models: dict[str, Generation] = field(default_factory=dict)

    def add_unknown(self, name: str) -> None:
        self.held.add([{"id": name, "text": name}])
        self.documents[name] = UNKNOWN_GENERATION

    def add_human(self, name: str) -> None:
        self.held.add([{"id": name, "text": name}], HUMAN)
        self.documents[name] = Generation(0, True)

    def foreign(self, name: str, generation: int | None, base: str | None) -> None:
        floor = self.models[base] if base else UNKNOWN_GENERATION
        if generation is not None:
            generation += floor.number or 0
        self.held.record_model(name, generation=generation, base=base)
        self.models[name] = Generation(generation, True) if generation is not None else Generation(floor.number, False)

    def train(self, name: str, items: list[str], base: str | None) -> None:
        self.held.record_model(name, mix=mix_of(self.held, items), base=base)
        taught = highest(self.documents[item] for item in items)
        self.models[name] = derive_model_generation(taught, self.models[base] if base else None)

    def write(self, name: str, model: str, parents: list[str]) -> None:
        run = self.held.record_run(model).digest.hex()
        row: dict[str, Any] = {"id": name, "text": name}
        if parents:
            row |= {"origin": "mixed", "parents": [{"id": parent, "relation": "edit"} for parent in parents]}
        self.held.add([row], run=run)
        self.documents[name] = derive_generation(
            Origin.MIXED if parents else Origin.MODEL,
            None,
            self.models[model],
            [self.documents[parent] for parent in parents],
        )

    def recorded(self) -> tuple[dict[str, Generation], dict[str, Generation]]:
        documents = {
            row["item"]: Generation(row["generation"], row["generation_exact"]) for row in self.held.list("documents")
        }
        models = {
            row["name"]: Generation(row["generation"], row["generation_exact"]) for row in self.held.list("models")
        }
        return documents, models


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=2, deadline=None)
def test_generations_follow_the_rule_in_any_history(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Registry.create(tmp_path_factory.mktemp("world") / "r.prov") as held:
        world = World(held)
        world.add_human("h0")
        world.add_unknown("u0")
        for number in range(data.draw(st.integers(1, 10), "events")):
            _happen(world, data, number)
        assert world.recorded() == (world.documents, world.models)


def _happen(world: World, data: st.DataObject, number: int) -> None:
    some = st.lists(st.sampled_from(sorted(world.documents)), min_size=1, max_size=4, unique=True)
    base = st.none() | st.sampled_from(sorted(world.models)) if world.models else st.none()
    kinds = ["train", "train", "foreign"] + ["write", "edit"] * 2 * bool(world.models)
    match data.draw(st.sampled_from(kinds), "kind"):
        case "train":
            world.train(f"m{number}", data.draw(some, "mix"), data.draw(base, "base"))
        case "foreign":
            world.foreign(f"f{number}", data.draw(st.none() | st.integers(1, 3), "generation"), data.draw(base, "base"))
        case kind:
            model = data.draw(st.sampled_from(sorted(world.models)), "model")
            world.write(f"d{number}", model, data.draw(some, "parents") if kind == "edit" else [])
