"""Declaring late: what is found out is appended, the right word is in force, and all that follows is derived again."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Generation, Origin, model_digest
from registry import Declared, MixSpec, Registry, Statement, real_frac
from registry.declare import Named, Redeclared, read_ids
from registry.lineage import rederive
from registry.verify import verify
from registry.where import UnknownField, Where


@pytest.fixture(scope="module")
def forum_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forum") / "forum.prov"
    with Registry.create(path) as held:
        rows = [{"id": f"f{n}", "text": f"post {n}", "decile": n % 10} for n in range(100)]
        held.add(rows, Declared(origin=Origin.HUMAN, source="forum", license="cc-by", by="crawler"))
        rows = [{"id": f"g{n}", "text": f"gpt {n}", "generation": 1 + n % 2} for n in range(100)]
        held.add(rows, Declared(origin=Origin.MODEL, generator="gpt", source="bot"))
        held.add([{"id": f"u{n}", "text": f"who {n}"} for n in range(10)], Declared(source="found"))
    return path


@pytest.fixture
def forum(forum_once: Path, tmp_path: Path) -> Iterator[Registry]:
    """A registry of 100 human posts, 100 texts of gpt in generations 1 and 2, and 10 of unknown origin."""
    with Registry.open(shutil.copy(forum_once, tmp_path / "forum.prov")) as held:
        yield held


def said(by: str = "ann", **what: Any) -> Statement:
    return Statement(by=by, **what)


def shown(held: Registry, item: str) -> dict[str, Any]:
    return next(entry for entry in held.show(item) if entry["kind"] == "document")


def facts(held: Registry, item: str) -> tuple[Any, ...]:
    entry = shown(held, item)
    return tuple(entry[name] for name in ("origin", "generation", "generation_exact", "generator", "license"))


# -- what is in force


def test_a_declaration_is_appended_and_what_was_said_before_stays_in_the_history(forum: Registry) -> None:
    result = forum.declare(said(origin="model", generator="gpt", generation=1, evidence="log"), where="id = 'f1'")
    assert result == Redeclared(documents=1, declared=1, unchanged=0, outranked=0)
    assert facts(forum, "f1") == ("model", 1, True, "gpt", "cc-by")
    now, before = shown(forum, "f1")["declarations"]
    assert (now["origin"], now["declared_by"], now["evidence"], now["license"]) == ("model", "ann", "log", "cc-by")
    assert (before["origin"], before["declared_by"]) == ("human", "crawler")
    assert now["declared_at"] > before["declared_at"]


@pytest.mark.slow
def test_what_is_not_said_stays_as_it_is_in_force(forum: Registry) -> None:
    """Of a human text, of one of gpt's second generation, of one that nobody knows."""
    cases: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
        ("f1", {"license": "mit"}, ("human", 0, True, None, "mit")),
        ("g1", {"license": "mit"}, ("model", 2, True, "gpt", "mit")),
        ("g3", {"origin": "mixed"}, ("mixed", 2, True, "gpt", None)),
        ("g5", {"origin": "human"}, ("human", 0, True, None, None)),
        ("g7", {"origin": "unknown"}, ("unknown", None, False, None, None)),
        ("g9", {"generator": "llama"}, ("model", 2, True, "llama", None)),
        ("g11", {"generator": "gpt"}, ("model", 2, True, "gpt", None)),
        ("g13", {"generation": 3}, ("model", 3, True, "gpt", None)),
        ("g15", {"generation": 1, "generator": "llama"}, ("model", 1, True, "llama", None)),
        ("u1", {"origin": "model"}, ("model", None, False, None, None)),
        ("u2", {"origin": "model", "generation": 2}, ("model", 2, True, None, None)),
        ("u3", {"origin": "human", "generation": 0}, ("human", 0, True, None, None)),
    ]
    for item, statement, wanted in cases:
        forum.declare(said(**statement), where=f"id = '{item}'")
        assert facts(forum, item) == wanted, statement


def test_a_generator_that_nobody_recorded_is_one_model_per_name_and_generation(forum: Registry) -> None:
    forum.declare(said(generator="llama"), where="generator = 'gpt'")
    models = {row["digest"] for row in forum.list("models") if row["name"] == "llama"}
    assert models == {model_digest("llama", 1).hex(), model_digest("llama", 2).hex()}
    forum.declare(said(generation=2), where="generator = 'llama'")
    assert {shown(forum, f"g{n}")["model"] for n in range(4)} == {model_digest("llama", 2).hex()}


def test_a_generator_that_was_recorded_is_meant_and_brings_its_lineage(generations: Registry) -> None:
    generations.add([{"id": "new1", "text": "found 1"}, {"id": "new2", "text": "found 2"}])
    with pytest.raises(ProvError, match="'new1' cannot be declared of generation 1: by lineage it is 2"):
        generations.declare(said(origin="model", generator="two", generation=1), where="id = 'new1'")
    two = generations.record_run("two").model
    generations.declare(said(origin="model", generator="two"), where="id = 'new1'")
    assert (shown(generations, "new1")["model"], shown(generations, "new1")["generation"]) == (two.digest.hex(), 2)
    generations.declare(said(origin="model", generator=two.digest.hex()), where="id = 'new2'")
    assert shown(generations, "new2")["generator"] == "two"


def test_a_model_cannot_have_written_what_it_learnt_from(generations: Registry) -> None:
    taught = items_of(generations, "one")[0]
    for model in ("one", "three"):
        with pytest.raises(ProvError, match=f"document '{taught}' cannot be of model '{model}', which learnt from it"):
            generations.declare(said(origin="model", generator=model), ids=[taught])


def test_a_circle_of_lineage_is_an_error_and_no_endless_loop(generations: Registry, monkeypatch: Any) -> None:
    monkeypatch.setattr("registry.lineage.ROUNDS_BEFORE_DOUBT", 10)
    generations.connection.execute(
        "UPDATE document SET origin = 'model', model_id = (SELECT model_id FROM model WHERE name = 'one') "
        "WHERE document_id IN (SELECT min(document_id) FROM mix_document)"
    )
    with pytest.raises(ProvError, match="leads in a circle"):
        rederive(generations)


def test_of_two_declarations_the_higher_precedence_is_in_force_and_then_the_newer(forum: Registry) -> None:
    first = forum.declare(said("court", origin="model", precedence=5), where="id = 'f1'")
    later = forum.declare(said("blog", origin="mixed"), where="id IN ('f1', 'f2')")
    assert (first.outranked, later.outranked) == (0, 1)
    assert (facts(forum, "f1")[0], facts(forum, "f2")[0]) == ("model", "mixed")
    forum.declare(said("court", origin="human", precedence=5), where="id = 'f1'")
    assert facts(forum, "f1")[0] == "human"
    assert [row["declared_by"] for row in shown(forum, "f1")["declarations"]] == ["court", "court", "blog", "crawler"]


def test_the_same_again_by_the_same_person_adds_nothing(forum: Registry) -> None:
    statement = said(origin="model", generator="gpt", generation=2, evidence="log")
    forum.declare(statement, where="decile = 3")
    head = forum.head()
    assert forum.declare(statement, where="decile = 3") == Redeclared(10, 0, 10, 0)
    assert forum.head() == head
    assert forum.declare(statement, where="decile < 5") == Redeclared(50, 40, 10, 0)
    other = statement.model_copy(update={"evidence": "another log"})
    assert forum.declare(other, where="decile = 3").declared == 10


def test_the_same_again_below_another_word_adds_nothing_either(forum: Registry) -> None:
    forum.declare(said("court", origin="model", precedence=1), where="id = 'f1'")
    lower = forum.declare(said("court", origin="model"), where="id = 'f1'")
    assert (lower.declared, lower.outranked) == (1, 1)
    assert forum.declare(said("blog", license="mit"), where="id = 'f1'").outranked == 1
    assert forum.declare(said("blog", license="mit"), where="id = 'f1'").unchanged == 1


def test_a_dry_run_says_the_same_and_keeps_nothing(forum: Registry) -> None:
    before = forum.stats()
    dry = forum.declare(said(origin="model", generator="new", license="new"), where="decile = 3", dry_run=True)
    assert forum.stats() == before
    assert dry == forum.declare(said(origin="model", generator="new", license="new"), where="decile = 3")


def test_a_declaration_is_one_link_of_the_chain(forum: Registry) -> None:
    before = forum.list("batches")
    forum.declare(said(origin="model"), where="source = 'forum'")
    newest, *rest = forum.list("batches")
    assert rest == before
    assert (newest["kind"], newest["documents"]) == ("declare", 100)
    last = "FROM batch ORDER BY batch_id DESC LIMIT 1"
    (batch,) = forum.connection.execute(f"SELECT batch_id, made_at, content_digest {last}").fetchall()
    assert forum.content_digest(*batch[:2]) == batch[2]


# -- what cannot be


def test_what_contradicts_itself_is_refused_and_nothing_is_kept(forum: Registry) -> None:
    before = forum.stats()
    for where, statement, words in (
        ("id = 'f1'", {"generator": "gpt"}, "document 'f1' .*its origin is human, but its generator is 'gpt'"),
        ("source = 'forum'", {"generation": 2}, r"document 'f0' \(99 more like it\).*human text is generation 0"),
        ("id = 'u1'", {"generation": 2}, "document 'u1' .*no origin"),
        ("id = 'g1'", {"generation": 0}, "what a model wrote is 1 or more"),
        ("id = 'g1'", {"origin": "human", "generation": 1}, "human text is generation 0"),
        ("id = 'nobody'", {"origin": "human"}, "no document is meant"),
    ):
        with pytest.raises(ProvError, match=words) as raised:
            forum.declare(said(**statement), where=where)
        assert len(str(raised.value).splitlines()) == 1
    assert forum.stats() == before


def test_a_statement_that_says_nothing_is_refused() -> None:
    with pytest.raises(ProvError, match="nothing is declared"):
        Statement(by="ann", evidence="a feeling")
    with pytest.raises(ProvError, match="cannot declare origin 'robot'"):
        Statement(by="ann", origin="robot")


def test_the_documents_are_named_in_one_way(forum: Registry) -> None:
    for which in ({}, {"where": "id = 'f1'", "ids": ["f1"]}):
        with pytest.raises(ProvError, match="by a filter or by their ids"):
            forum.declare(said(origin="model"), **which)  # type: ignore[arg-type]
    with pytest.raises(UnknownField):
        forum.declare(said(origin="model"), where="colour = 'red'")


def test_what_a_recorded_run_wrote_stays_its_models(generations: Registry) -> None:
    for statement in ({"origin": "human"}, {"generator": "three"}, {"generator": "gpt"}):
        with pytest.raises(ProvError, match=r"'one0' \(39 more like it\) was written by run .* of model 'one'"):
            generations.declare(said(**statement), where="generator = 'one'")


def test_what_a_recorded_run_wrote_may_get_a_word_that_agrees(generations: Registry) -> None:
    generations.declare(said(origin="mixed", generator="one", license="mit"), where="id = 'one0'")
    assert facts(generations, "one0") == ("mixed", 1, True, "one", "mit")


def test_what_a_run_of_a_foreign_model_wrote_stays_of_that_model(corpus: Registry) -> None:
    model = corpus.record_model("ext", generation=2)
    corpus.add([{"id": "e", "text": "ext wrote"}], run=corpus.record_run("ext").digest.hex())
    with pytest.raises(ProvError, match="by lineage it is 2"):
        corpus.declare(said(generation=3), where="id = 'e'")
    corpus.declare(said(generator="ext", license="mit"), where="id = 'e'")
    assert shown(corpus, "e")["model"] == model.digest.hex()


def test_what_was_declared_late_passes_every_check(generations: Registry) -> None:
    generations.declare(said(origin="model", generator="gpt", generation=4), ids=items_of(generations, "one")[:3])
    generations.declare(said("court", origin="mixed", license="mit", precedence=2), where="id LIKE 'b1%'")
    assert not verify(generations).findings


# -- ids


def test_documents_are_named_by_ids_and_digests_one_a_line(forum: Registry, tmp_path: Path) -> None:
    digest = shown(forum, "f2")["digest"]
    (tmp_path / "ids.txt").write_bytes(f"\ufefff1\r\n\n{digest}\n{shown(forum, 'f3')['digest'][:12]}\nf1".encode())
    result = forum.declare(said(origin="model"), ids=read_ids(tmp_path / "ids.txt"))
    assert result.declared == 3
    assert [facts(forum, f"f{n}")[0] for n in range(5)] == ["human", "model", "model", "model", "human"]


def test_a_line_that_means_nothing_or_several_is_named(forum: Registry, tmp_path: Path) -> None:
    forum.add([{"id": "f1", "text": "elsewhere"}], Declared(source="other"))
    with pytest.raises(NotFound, match="line 2, 'nope'"):
        forum.declare(said(origin="model"), ids=[Named(1, "f2"), Named(2, "nope")])
    with pytest.raises(Ambiguous, match=r"line 3, 'f1' is ambiguous.*\(forum\).*\(other\)"):
        forum.declare(said(origin="model"), ids=["f2", "f3", "f1"])
    (tmp_path / "bad.txt").write_bytes(b"f1\n\xff\n")
    with pytest.raises(ProvError, match=r"bad\.txt, line 2: invalid UTF-8"):
        read_ids(tmp_path / "bad.txt")
    (tmp_path / "empty.txt").write_bytes(b"\n\n")
    with pytest.raises(ProvError, match="names no document"):
        read_ids(tmp_path / "empty.txt")


# -- what follows


def generation_of(held: Registry, item: str) -> str:
    entry = shown(held, item)
    return str(Generation(entry["generation"], entry["generation_exact"]))


def test_generations_downstream_are_derived_again_in_the_same_act(generations: Registry) -> None:
    written = ("one0", "two0", "edit0", "three0")
    assert [generation_of(generations, item) for item in written] == ["1", "2", "2", "3"]
    learnt_from = items_of(generations, "one")
    batches = len(generations.list("batches"))
    generations.declare(said(origin="model", generator="gpt", generation=4), ids=learnt_from[:1])
    assert len(generations.list("batches")) == batches + 1
    assert [generation_of(generations, item) for item in written] == ["5", "6", "6", "7"]
    generations.declare(said(origin="human"), ids=learnt_from[:1])
    assert [generation_of(generations, item) for item in written] == ["1", "2", "2", "3"]


def items_of(held: Registry, model: str) -> list[str]:
    """The ids of the documents that a model was trained on."""
    return [
        item
        for (item,) in held.connection.execute(
            "SELECT item FROM mix_document JOIN document USING (document_id) JOIN run USING (mix_id) "
            "JOIN model ON model.model_id = run.model_id WHERE kind = 'train' AND name = ? ORDER BY position",
            [model],
        ).fetchall()
    ]


def test_stale_names_the_mix_with_both_real_fractions(forum: Registry) -> None:
    """A tenth of a source turns out to be a model's after a mix was drawn of it."""
    drawn = forum.mix(MixSpec(strata=real_frac(0.5), size=200, seed=1))
    assert forum.stale() == {"mixes": [], "models": []}
    forum.declare(said(origin="model", generator="gpt", generation=1), where="source = 'forum' AND decile = 0")
    (mix,) = forum.stale()["mixes"]
    assert mix["mix"] == drawn.digest.hex()
    assert mix["real_frac"] == {"before": 0.5, "after": 0.45}
    changes = Counter[tuple[str, int]]()
    for row in mix["composition"]:
        changes[row["origin"], row["generation"]] += row["after"] - row["before"]
    assert changes == {("human", 0): -10, ("model", 1): 10, ("model", 2): 0}


def test_stale_lists_the_models_that_learnt_from_such_a_mix_and_those_based_on_them(generations: Registry) -> None:
    generations.declare(said(origin="model", generator="gpt", generation=4), ids=items_of(generations, "one")[:3])
    found = generations.stale()
    assert len(found["mixes"]) == 3
    told = {row["model"]: (row["generation"]["before"], row["generation"]["after"]) for row in found["models"]}
    assert told == {"one": (1, 5), "two": (2, 6), "three": (3, 7)}
    first = found["mixes"][0]["mix"]
    of_one = generations.stale(first[:12])
    assert [mix["mix"] for mix in of_one["mixes"]] == [first]
    assert [row["model"] for row in of_one["models"]] == ["one", "two"]
    with pytest.raises(NotFound):
        generations.stale("beef")


def test_what_is_taken_back_leaves_no_mix_stale(forum: Registry) -> None:
    forum.mix(MixSpec(strata=real_frac(0.5), size=200, seed=1))
    forum.declare(said(origin="model"), where="decile = 0")
    assert len(forum.stale()["mixes"]) == 1
    forum.declare(said(origin="human"), where="decile = 0")
    assert forum.stale() == {"mixes": [], "models": []}


def test_a_new_licence_is_a_change_of_the_mix_too(forum: Registry) -> None:
    forum.mix(MixSpec(strata=real_frac(0.5), size=200, seed=1))
    forum.declare(said(license="proprietary"), where="decile = 0")
    (mix,) = forum.stale()["mixes"]
    assert mix["real_frac"]["before"] == mix["real_frac"]["after"]
    assert ("proprietary", 0, 10) in [(row["license"], row["before"], row["after"]) for row in mix["composition"]]


# -- against a plain reference


@st.composite
def acts(draw: st.DrawFn) -> list[tuple[str, int, str | None, str | None]]:
    """Who says of which document, with which precedence, which origin and licence."""
    one = st.tuples(
        st.sampled_from(["f0", "f1", "u0"]),
        st.integers(-1, 1),
        st.sampled_from(["human", "model", "mixed", "unknown", None]),
        st.sampled_from(["mit", "cc-by"]),
    )
    return draw(st.lists(one, min_size=1, max_size=6))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts())
def test_the_word_in_force_is_the_highest_then_the_newest_and_every_other_stays(
    forum_once: Path, tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, str | None, str | None]]
) -> None:
    path = shutil.copy(forum_once, tmp_path_factory.mktemp("acts") / "acts.prov")
    clock = iter(datetime(2030, 1, 1) + timedelta(hours=n) for n in range(100))
    history: dict[str, list[tuple[int, int, str, str | None]]] = {
        "f0": [(0, -1, "human", "cc-by")],
        "f1": [(0, -1, "human", "cc-by")],
        "u0": [(0, -1, "unknown", None)],
    }
    with Registry.open(path, clock=lambda: next(clock)) as held:
        for n, (item, precedence, origin, license) in enumerate(acts):
            before = max(history[item])
            held.declare(said(f"person {n}", origin=origin, license=license, precedence=precedence), ids=[item])
            history[item].append((precedence, n, origin or before[2], license or before[3]))
        for item, words in history.items():
            entry = shown(held, item)
            assert (entry["origin"], entry["license"]) == max(words)[2:]
            told = [(row["precedence"], row["origin"], row["license"]) for row in entry["declarations"]]
            assert told == [(precedence, *what) for precedence, _, *what in sorted(words, reverse=True)]


def test_a_filter_is_taken_as_text_or_as_itself(forum: Registry) -> None:
    assert forum.declare(said(origin="model"), where=Where.parse("decile = 1")).documents == 10
    assert json.loads(json.dumps(vars(forum.declare(said(origin="model"), where="decile = 1"))))["unchanged"] == 10
