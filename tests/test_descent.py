"""Descent and exposure: who learnt from what, in every tangle of derivations, mixes, models and bases."""

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Origin
from registry import Declared, Export, MixSpec, Registry, ratio, real_frac
from registry.audit import sql
from registry.descent import descend, describe_new_mixes
from registry.lineage import rederive
from registry.reach import find_start

Node = tuple[str, int]
DOCUMENTS, MODELS, MIXES = range(1, 13), range(1, 5), range(1, 5)


NOW = datetime(2026, 1, 1)


def digest(kind: str, number: int) -> bytes:
    return hashlib.sha256(f"{kind}{number}".encode()).digest()


@dataclass(frozen=True)
class Tangle:
    """A small registry: of each document its model and text, and who learnt from what or was made of it."""

    written: dict[int, int | None]
    texts: dict[int, int]
    derived: set[tuple[int, int]]  # child, parent
    held: set[tuple[int, int]]  # mix, document
    trained: dict[int, int | None]
    bases: dict[int, int | None]

    def fill(self, held: Registry) -> None:
        """Write it into the tables of an empty registry."""
        rows: dict[str, list[dict[str, Any]]] = {
            "text": [{"text_id": one, "digest": digest("t", one), "content": f"text {one}"} for one in DOCUMENTS],
            "document": [
                {
                    "document_id": one,
                    "digest": digest("d", one),
                    "rank": 0,
                    "text_id": self.texts[one],
                    "batch_id": 1,
                    "model_id": model,
                    "item": f"d{one}",
                    "origin": "model" if model else "human",
                    "generation_exact": True,
                    "bytes": 10,
                    "words": 2,
                }
                for one, model in self.written.items()
            ],
            "derivation": [
                {"child_id": child, "parent_id": parent, "relation": "prompt", "batch_id": 1}
                for child, parent in self.derived
            ],
            "mix": [
                {"mix_id": one, "digest": digest("x", one), "made_at": NOW, "is_foreign": False, "batch_id": 1}
                for one in MIXES
            ],
            "mix_document": [
                {"mix_id": mix, "position": position, "document_id": one, "stratum": 0}
                for position, (mix, one) in enumerate(sorted(self.held))
            ],
            "model": [
                {
                    "model_id": one,
                    "name": f"m{one}",
                    "digest": digest("m", one),
                    "base_model_id": base,
                    "generation": 1,
                    "generation_exact": True,
                    "is_foreign": False,
                    "batch_id": 1,
                }
                for one, base in self.bases.items()
            ],
            "run": [
                {
                    "run_id": one,
                    "digest": digest("r", one),
                    "kind": "train",
                    "model_id": one,
                    "mix_id": mix,
                    "is_foreign": False,
                    "batch_id": 1,
                }
                for one, mix in self.trained.items()
            ],
        }
        for table, values in rows.items():
            held.connection.execute(f"DELETE FROM {table}")
            if values:
                with held.lend(rows=pa.Table.from_pylist(values)):
                    held.connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows")
        held.connection.execute("DELETE FROM mix_composition")
        held.run("forget_mix_parents")
        describe_new_mixes(held)

    def edges(self) -> set[tuple[Node, Node]]:
        """From each thing to what comes of it, one step at a time."""
        found: set[tuple[Node, Node]] = {(("document", parent), ("document", child)) for child, parent in self.derived}
        found |= {(("document", document), ("mix", mix)) for mix, document in self.held}
        found |= {(("mix", mix), ("model", model)) for model, mix in self.trained.items() if mix}
        found |= {(("model", base), ("model", model)) for model, base in self.bases.items() if base}
        return found | {(("model", model), ("document", one)) for one, model in self.written.items() if model}


def steps_from(edges: set[tuple[Node, Node]], start: set[Node]) -> dict[Node, int]:
    """The least number of steps from some nodes to each that can be reached."""
    onwards = defaultdict(set)
    for one, other in edges:
        onwards[one].add(other)
    met: dict[Node, int] = {}
    ahead, steps = start, 0
    while ahead:
        met |= dict.fromkeys(ahead, steps)
        ahead, steps = set().union(*(onwards[node] for node in ahead)) - met.keys(), steps + 1
    return met


@st.composite
def tangles(draw: st.DrawFn) -> Tangle:
    pairs = st.tuples(st.sampled_from(DOCUMENTS), st.sampled_from(DOCUMENTS))
    derived = draw(st.sets(pairs.filter(lambda pair: pair[0] > pair[1]), max_size=6))
    return Tangle(
        written={one: draw(st.sampled_from([None, *MODELS])) for one in DOCUMENTS},
        texts={one: draw(st.sampled_from([one, 1])) for one in DOCUMENTS},
        derived=derived,
        held=draw(st.sets(st.tuples(st.sampled_from(MIXES), st.sampled_from(DOCUMENTS)), max_size=10)),
        trained={model: draw(st.sampled_from([None, *MIXES])) for model in MODELS},
        bases={model: draw(st.sampled_from([None, *range(1, model)])) for model in MODELS},
    )


@pytest.fixture(scope="module")
def tangled(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry.open(shutil.copy(empty, tmp_path_factory.mktemp("tangled") / "tangled.prov")) as held:
        yield held


any_tangle = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@any_tangle
@given(tangle=tangles())
def test_a_walk_meets_all_that_descends_by_the_least_steps(tangle: Tangle, tangled: Registry) -> None:
    tangle.fill(tangled)
    for start in ([("document", 1)], [("model", 1)], [("mix", 1)], [("document", 1), ("model", 2), ("mix", 3)]):
        began = {kind: [number for one, number in start if one == kind] for kind in ("document", "model", "mix")}
        documents = pa.table({"document_id": pa.array(began["document"], pa.int64())})
        descend(tangled, documents, began["model"], began["mix"])
        expected = steps_from(tangle.edges(), set(start))
        met = {(kind, number): step for kind, number, step in tangled.connection.sql("FROM descended").fetchall()}
        assert {node: step for node, step in met.items() if node[0] != "document"} == {
            node: steps for node, steps in expected.items() if node[0] != "document"
        }
        # A document may also be written by a model that is nearer than what it was made of: it is listed all the same.
        assert all(step >= expected[node] for node, step in met.items())
        reached = {number for (number,) in tangled.connection.sql("FROM descended_document").fetchall()}
        assert reached == {number for kind, number in expected if kind == "document"}


@pytest.mark.slow
@any_tangle
@given(tangle=tangles())
def test_every_document_that_came_of_a_thing_is_streamed_with_its_steps(tangle: Tangle, tangled: Registry) -> None:
    tangle.fill(tangled)
    for kind, wanted in (("document", "d1"), ("model", "m1")):
        expected = steps_from(tangle.edges(), {(kind, 1)})
        told = {row["item"]: row["steps"] for row in tangled.all_descendants(wanted)}
        assert told == {f"d{number}": steps for (one, number), steps in expected.items() if one == "document" and steps}
        counts = tangled.descendants(wanted)["documents"]
        assert counts["derived"] + counts["written"] == len(told)


@settings(any_tangle, max_examples=6)
@given(tangle=tangles())
def test_exposure_finds_each_mix_and_model_that_saw_a_text_and_no_other(tangle: Tangle, tangled: Registry) -> None:
    tangle.fill(tangled)
    text = tangle.texts[1]
    same = {("document", number) for number, held in tangle.texts.items() if held == text}
    expected = steps_from(tangle.edges(), same)
    found = tangled.exposure("d1")
    mixes = {
        row["digest"]: int(row["mix_id"])
        for row in sql(tangled, "SELECT lower(hex(digest)) AS digest, * EXCLUDE (digest) FROM mix").to_pylist()
    }
    assert found["documents"] == len(same)
    assert {(mixes[row["mix"]], row["steps"]) for row in found["mixes"]} == {
        (number, steps) for (kind, number), steps in expected.items() if kind == "mix"
    }
    assert {(row["model"], row["steps"]) for row in found["models"]} == {
        (f"m{number}", steps) for (kind, number), steps in expected.items() if kind == "model"
    }
    for row in found["mixes"]:
        direct = [one for mix, one in tangle.held if mix == mixes[row["mix"]] and ("document", one) in same]
        assert (row["times"], row["how"]) == (len(direct), "direct" if direct else "by descent")
    for row in found["models"]:
        mix = tangle.trained[int(row["model"][1:])]
        assert (row["how"] == "direct") == any(
            one == mix and ("document", number) in same for one, number in tangle.held
        )


@pytest.mark.slow
@any_tangle
@given(tangle=tangles())
def test_lineage_finds_each_model_behind_a_document_and_no_other(tangle: Tangle, tangled: Registry) -> None:
    tangle.fill(tangled)
    backwards = {(other, one) for one, other in tangle.edges()}
    for number in (1, 7, 12):
        behind = steps_from(backwards, {("document", number)})
        steps = tangled.lineage(f"d{number}")["steps"]
        assert {step["model"] for step in steps} == {f"m{one}" for kind, one in behind if kind == "model"}
        for step in steps:
            held = [one for mix, one in tangle.held if mix == tangle.trained[int(step["model"][1:])]]
            assert sum(row["documents"] for row in step["composition"]) == len(held)


# -- by hand


def test_descendants_counts_what_models_wrote_and_names_the_mixes(generations: Registry) -> None:
    found = generations.descendants("one")
    assert (found["kind"], found["documents"]["written"]) == ("model", 140)
    assert [(row["model"], row["wrote"]) for row in found["models"]] == [("two", 60), ("three", 40)]
    assert all(row["direct"] == 0 for row in found["mixes"])
    mix = generations.list("mixes")[-1]["digest"]
    assert [row["model"] for row in generations.descendants(mix[:12])["models"]] == ["one", "two", "three"]


def test_an_id_may_mean_a_document_a_text_a_model_or_a_mix(generations: Registry) -> None:
    generations.add([{"id": "copy", "text": "book 5 "}], Declared(origin=Origin.HUMAN, source="copies"))
    text = generations.show("copy")[0]
    assert text["documents_of_this_text"] == 2
    assert find_start(generations, "b5").kind == "document"
    assert find_start(generations, text["digest"]).documents == find_start(generations, "copy").documents
    by_text = find_start(generations, text["text_digest"][:16])
    assert (by_text.kind, len(by_text.documents)) == ("text", 2)
    assert find_start(generations, "three").kind == "model"
    assert find_start(generations, generations.list("mixes")[0]["digest"]).kind == "mix"


def test_an_id_that_means_nothing_or_two_things_says_so(generations: Registry) -> None:
    with pytest.raises(NotFound, match="no document, text, model or mix 'nothing': wanted one such as"):
        generations.descendants("nothing")
    with pytest.raises(NotFound, match="no document or text 'nothing'"):
        generations.exposure("nothing")
    generations.add([{"id": "one", "text": "a document named as a model"}], Declared(origin=Origin.HUMAN))
    with pytest.raises(Ambiguous) as caught:
        generations.descendants("one")
    assert {fit.split()[0] for fit in caught.value.fits} == {"document", "model"}


def test_a_text_that_no_mix_holds_was_seen_by_nobody(generations: Registry) -> None:
    found = generations.exposure("three7")
    assert (found["mixes"], found["models"], found["derived"]) == ([], [], 0)


def test_what_stands_in_another_document_of_the_same_text_counts_as_seen(corpus: Registry) -> None:
    corpus.add([{"id": "first", "text": "the same"}], Declared(origin=Origin.HUMAN, source="a"))
    mix = corpus.mix(MixSpec(strata=real_frac(1.0), max_repeats=3, size=3))
    corpus.record_model("saw", mix=mix.mix)
    corpus.record_model("tuned", base="saw")
    corpus.add([{"id": "second", "text": "the same"}], Declared(origin=Origin.HUMAN, source="b"))
    found = corpus.exposure("second")
    assert [(row["times"], row["how"], row["documents"]) for row in found["mixes"]] == [(3, "direct", 3)]
    assert [(row["model"], row["how"], row["steps"]) for row in found["models"]] == [
        ("saw", "direct", 2),
        ("tuned", "by descent", 3),
    ]


def test_what_was_made_of_a_text_is_counted_apart_from_it(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "human"}], Declared(origin=Origin.HUMAN))
    edits = [{"id": f"e{n}", "text": f"edit {n}", "parents": ["a" if n == 0 else f"e{n - 1}"]} for n in range(3)]
    corpus.add(edits, Declared(origin=Origin.MODEL, generator="gpt"))
    whole = corpus.mix(MixSpec(strata=real_frac(0.25)))
    edited = corpus.mix(MixSpec(strata=real_frac(0.0)))
    found = corpus.exposure("a")
    assert found["derived"] == 3
    assert {row["mix"]: (row["how"], row["times"], row["derived"], row["steps"]) for row in found["mixes"]} == {
        whole.digest.hex(): ("direct", 1, 3, 1),
        edited.digest.hex(): ("by descent", 0, 3, 2),
    }


def test_a_model_that_learnt_of_derived_texts_alone_is_found(corpus: Registry) -> None:
    corpus.record_model("elsewhere", spec={"any": 1})
    corpus.add([{"id": "a", "text": "human"}], Declared(origin=Origin.HUMAN))
    first = corpus.mix(MixSpec(strata=real_frac(1.0)))
    corpus.record_model("one", mix=first.mix)
    corpus.add([{"id": "b", "text": "written"}], run=corpus.record_run("one").digest.hex())
    foreign = Declared(origin=Origin.MODEL, generator="foreign")
    corpus.add([{"id": "c", "text": "paraphrased", "parents": [{"id": "b", "relation": "paraphrase"}]}], foreign)
    second = corpus.mix(MixSpec(strata=ratio("model=1"), where="id = 'c'"))  # type: ignore[arg-type]
    corpus.record_model("two", mix=second.mix)
    assert [(row["model"], row["steps"]) for row in corpus.exposure("a")["models"]] == [("one", 2), ("two", 6)]
    corpus.add([{"id": "d", "text": "by two"}], run=corpus.record_run("two").digest.hex())
    behind = corpus.lineage("d")
    assert [step["model"] for step in behind["steps"]] == ["two", "one", "foreign"]
    assert [row["documents"] for row in behind["human"]] == [1]
    before = sql(corpus, "FROM mix_parent ORDER BY ALL").to_pylist()
    with corpus.transaction():
        rederive(corpus)
    assert sql(corpus, "FROM mix_parent ORDER BY ALL").to_pylist() == before != []


# -- impact


@pytest.mark.slow
def test_the_impact_of_a_source_is_the_share_of_each_mix_that_falls_away(corpus: Registry) -> None:
    corpus.add([{"id": f"w{n}", "text": f"wiki {n}"} for n in range(6)], Declared(origin=Origin.HUMAN, source="wiki"))
    corpus.add(
        [{"id": f"b{n}", "text": f"a book {n}"} for n in range(4)], Declared(origin=Origin.HUMAN, source="books")
    )
    mix = corpus.mix(MixSpec(strata=real_frac(1.0)))
    books = corpus.mix(MixSpec(strata=real_frac(1.0), where="source = 'books'"))  # type: ignore[arg-type]
    corpus.record_model("both", mix=mix.mix)
    corpus.record_model("booked", mix=books.mix)
    corpus.add([{"id": "out", "text": "by both"}], run=corpus.record_run("both").digest.hex())
    found = corpus.impact(source="wiki")
    assert found["withdrawn"] == {"documents": 6, "texts": 6, "bytes": 36}
    assert [(row["mix"], row["share_documents"], row["share_bytes"]) for row in found["mixes"]] == [
        (mix.digest.hex(), 0.6, 36 / (36 + 32))
    ]
    assert [row["model"] for row in found["models"]] == ["both"]
    assert found["documents"] == {"derived": 0, "written": 1, "texts": 1, "bytes": 7}
    assert corpus.impact("b1")["models"][0]["model"] == "booked" or len(corpus.impact("b1")["models"]) == 2


def test_the_impact_names_the_files_that_hold_it(corpus: Registry, tmp_path: Path) -> None:
    for source in ("wiki", "books"):
        corpus.add([{"id": source, "text": source, "license": source}], Declared(origin=Origin.HUMAN, source=source))
    mix = corpus.mix(MixSpec(strata=real_frac(1.0), where="source = 'wiki'")).mix  # type: ignore[arg-type]
    corpus.export(mix, Export(tmp_path / "out.jsonl"))
    assert [row["path"] for row in corpus.impact(source="wiki")["exports"]] == [str(tmp_path / "out.jsonl")]
    assert [row["mix"][:12] for row in corpus.impact(license="wiki")["exports"]] == [mix]
    assert corpus.impact("books")["exports"] == []


@pytest.mark.parametrize("asked", [{}, {"source": "a", "license": "b"}, {"source": "a", "text": True}])
def test_an_impact_is_of_one_thing(asked: dict[str, Any], corpus: Registry) -> None:
    with pytest.raises(ProvError, match="one document ID, --source or --license"):
        corpus.impact(**asked)
