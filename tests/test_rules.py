"""What is held out or withdrawn is never drawn, and what is withdrawn is not taken in, now or later."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import Prov, entry_point

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Origin
from registry import Declared, Export, MixSpec, Registry, ratio, real_frac
from registry.handed_out import hand_out
from registry.mix import Shortfall
from registry.rows import BadRow
from registry.rules import AlreadyDrawn
from registry.where import Where

HUMAN = Declared(origin=Origin.HUMAN, source="wiki", license="cc-by")
ALL_HUMAN = MixSpec(strata=ratio("human=1"))


def rows(name: str, count: int) -> list[dict[str, Any]]:
    return [{"id": f"{name}{number}", "text": f"{name} {number}"} for number in range(count)]


def asked(held: Registry, statement: str) -> list[tuple[Any, ...]]:
    return held.connection.execute(statement).fetchall()


def held_out_ids(held: Registry) -> set[str]:
    return {item for (item,) in asked(held, "SELECT item FROM document WHERE text_id IN (SELECT text_id FROM holdout)")}


def drawn_ids(held: Registry, spec: MixSpec) -> set[str]:
    mix = held.mix(spec).mix
    return {row["provenance"]["item"] for batch in held.texts(mix) for row in batch.to_pylist()}


# -- held out


def barred_by_walking(held: Registry, texts: Iterable[str]) -> set[int]:
    """What descends from some texts, found by going from one thing to the next until nothing is new."""
    documents = asked(held, "SELECT document_id, content, model_id FROM document JOIN text USING (text_id)")
    edges = asked(held, "SELECT parent_id, child_id FROM derivation")
    drawn = asked(held, "SELECT document_id, mix_id FROM mix_document")
    trained = asked(held, "SELECT mix_id, model_id FROM run WHERE kind = 'train'")
    bases = asked(held, "SELECT base_model_id, model_id FROM model WHERE base_model_id IS NOT NULL")
    steps = [
        *((("document", parent), ("document", child)) for parent, child in edges),
        *((("document", document), ("mix", mix)) for document, mix in drawn),
        *((("mix", mix), ("model", model)) for mix, model in trained),
        *((("model", base), ("model", model)) for base, model in bases),
        *((("model", model), ("document", document)) for document, _, model in documents),
    ]
    texts = set(texts)
    met = {("document", document) for document, content, _ in documents if content in texts}
    while new := {to for came_from, to in steps if came_from in met} - met:
        met |= new
    return {number for kind, number in met if kind == "document"}


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.one_of(
        st.sets(st.sampled_from([*(f"w{n}" for n in range(20)), *(f"one{n}" for n in range(20))]), max_size=4),
        st.sampled_from([{"edit3"}, {"two5"}, {"three1"}, {"b39"}]),
    ),
    real=st.sampled_from([0.0, 0.3, 1.0]),
    mixed=st.sampled_from(["exclude", "model", "human"]),
    seed=st.integers(0, 99),
)
def test_no_mix_holds_a_held_out_text_nor_anything_that_descends_from_one(
    chosen: set[str], real: float, mixed: Any, seed: int, three_generations: Path, tmp_path: Path
) -> None:
    copy = shutil.copy(three_generations, tmp_path / "copy.prov")
    with Registry.open(copy) as held:
        texts = {row["text"] for item in chosen for row in held.show(item)}
        for item in sorted(chosen):
            held.hold_out("test", where=Where.equals("id", item), force=True)
        barred = barred_by_walking(held, texts)
        try:
            drawn = held.mix(MixSpec(strata=real_frac(real), seed=seed, mixed=mixed))
        except Shortfall:
            return
        manifest = asked(held, "SELECT digest, document_id FROM mix_document JOIN mix USING (mix_id)")
        of_mix = {document for digest, document in manifest if digest == drawn.digest}
        assert len(of_mix) == drawn.total.documents
        assert not of_mix & barred
        assert drawn.excluded["held_out"] == len(barred)


@pytest.mark.slow
def test_a_rule_that_bars_nothing_asked_for_changes_no_mix(generations: Registry) -> None:
    spec = MixSpec(strata=ratio("source:wiki=1"), seed=4)
    before = generations.mix(spec)
    generations.hold_out("test", where=Where.equals("id", "three1"), force=True)
    after = generations.mix(spec)
    assert before.digest == after.digest
    assert (before.excluded["held_out"], after.excluded["held_out"]) == (0, 1)


def test_a_document_that_brings_a_held_out_text_again_is_not_drawn_either(corpus: Registry) -> None:
    corpus.add(rows("w", 10), HUMAN)
    corpus.hold_out("test", where=Where.parse("id IN ('w0', 'w1')"))
    quote = {"id": "quote", "text": "it says", "parents": [{"id": "w1", "relation": "quote"}]}
    again: list[dict[str, Any]] = [{"id": "copy", "text": "w 0"}, quote, {"id": "new", "text": "new"}]
    done = corpus.add(again, Declared(origin=Origin.HUMAN, source="elsewhere"))
    assert done.held_out == 1
    assert drawn_ids(corpus, ALL_HUMAN) == {f"w{n}" for n in range(2, 10)} | {"new"}


def test_what_a_model_wrote_that_learnt_from_a_forced_hold_out_is_barred_with_its_successors(
    generations: Registry,
) -> None:
    first = asked(generations, "SELECT item FROM mix_document JOIN document USING (document_id) WHERE mix_id = 1")[0][0]
    found = generations.hold_out("test", where=Where.equals("id", first), force=True)
    assert found.models == ["one", "two", "three"]
    spec = MixSpec(strata=ratio("model=1"), mixed="model")
    with pytest.raises(Shortfall):
        generations.mix(spec)
    assert generations.mix(ALL_HUMAN).excluded["held_out"] == 40 + 20 + 40 + 40 + 1


def test_a_fraction_is_that_of_all_human_texts(corpus: Registry) -> None:
    corpus.add([*rows("w", 30), {"id": "again", "text": "w 3"}], HUMAN)
    corpus.add([*rows("m", 20), {"id": "echo", "text": "w 4"}], Declared(origin=Origin.MODEL, source="gen"))
    counts = {frac: corpus.hold_out("test", frac=frac, dry_run=True).added for frac in (0.02, 0.05, 0.1, 0.15, 0.25, 1)}
    assert counts == {0.02: 1, 0.05: 2, 0.1: 3, 0.15: 4, 0.25: 8, 1: 30}


@pytest.mark.slow
def test_a_fraction_is_the_same_texts_wherever_and_in_whatever_order_they_came(
    corpus: Registry, tmp_path: Path
) -> None:
    texts = rows("w", 60)
    corpus.add(texts, HUMAN)
    with Registry.create(tmp_path / "other.prov") as other:
        other.add(texts[30:], HUMAN)
        other.add(texts[::-1], Declared(origin=Origin.HUMAN, source="elsewhere"))
        for held in (corpus, other):
            held.hold_out("test", frac=0.2, seed=5)
        assert held_out_ids(corpus) == held_out_ids(other)
        assert len(held_out_ids(corpus)) == 12


def test_a_larger_fraction_of_one_seed_holds_the_smaller_and_another_name_takes_other_texts(corpus: Registry) -> None:
    corpus.add(rows("w", 40), HUMAN)
    corpus.hold_out("test", frac=0.1, seed=1)
    small = held_out_ids(corpus)
    assert corpus.hold_out("validation", frac=0.1, seed=1).added == 4
    assert len(held_out_ids(corpus)) == 8
    larger = corpus.hold_out("test", frac=0.5, seed=1)
    assert (larger.texts, larger.known, larger.added) == (20, 4, 16)
    assert small < held_out_ids(corpus)
    with pytest.raises(ProvError, match=r"is 40, but all but 16 are held out under another name: ask for --frac 0\.4 "):
        corpus.hold_out("more", frac=1.0)


@pytest.mark.slow
def test_the_same_hold_out_twice_adds_nothing(corpus: Registry) -> None:
    corpus.add(rows("w", 40), HUMAN)
    for chosen in ({"frac": 0.2}, {"where": Where.parse("bytes > 4")}, {"source": "wiki"}):
        corpus.hold_out("test", **chosen)
        head = corpus.head()
        again = corpus.hold_out("test", **chosen)
        assert (again.added, again.recorded, corpus.head()) == (0, False, head)


def test_a_text_is_held_out_under_its_first_name(corpus: Registry) -> None:
    corpus.add(rows("w", 10), HUMAN)
    corpus.hold_out("test", where=Where.parse("id IN ('w0', 'w1')"))
    found = corpus.hold_out("all", where=Where.parse("source = 'wiki'"))
    assert (found.texts, found.added, found.elsewhere) == (10, 8, 2)
    assert [rule["name"] for rule in corpus.show("w0")[0]["rules"]] == ["test"]


def test_a_drawn_text_is_named_with_its_mixes_and_models_and_needs_force(generations: Registry) -> None:
    spec = Where.parse("source = 'wiki'")
    with pytest.raises(AlreadyDrawn, match=r"of the 20 texts stand in 3 mixes already .* from which one, two, three"):
        generations.hold_out("test", where=spec)
    assert held_out_ids(generations) == set()
    assert generations.hold_out("test", where=spec, force=True).added == 20


@pytest.mark.slow
def test_a_text_of_which_an_edit_was_drawn_needs_force_too(corpus: Registry) -> None:
    corpus.add(rows("w", 2), HUMAN)
    edit = {"id": "e", "text": "w 0, edited", "origin": "mixed", "generator": "g"}
    corpus.add([edit | {"parents": [{"id": "w0", "relation": "edit"}]}], Declared(source="edits"))
    corpus.mix(MixSpec(strata=ratio("source:edits=1"), mixed="mixed"))
    with pytest.raises(AlreadyDrawn, match=r"what was made of the 1 texts stands in 1 mixes"):
        corpus.hold_out("test", where=Where.equals("id", "w0"))
    assert corpus.hold_out("test", where=Where.equals("id", "w1")).added == 1


def test_what_comes_into_a_held_out_source_later_is_held_out_as_it_arrives(corpus: Registry) -> None:
    corpus.add(rows("w", 3), HUMAN)
    corpus.add(rows("b", 3), Declared(origin=Origin.HUMAN, source="books"))
    corpus.hold_out("test", source="wiki")
    assert corpus.add(rows("w", 5), HUMAN).held_out == 2
    assert held_out_ids(corpus) == {f"w{n}" for n in range(5)}
    assert drawn_ids(corpus, ALL_HUMAN) == {"b0", "b1", "b2"}
    with pytest.raises(ProvError, match="held out as 'test' already"):
        corpus.hold_out("other", source="wiki")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({}, "exactly one"),
        ({"frac": 0.1, "source": "wiki"}, "exactly one"),
        ({"frac": 0.0}, "above 0"),
        ({"frac": 0.01}, "not one text"),
        ({"source": "wik"}, "no source 'wik': there is wiki"),
    ],
)
def test_a_hold_out_that_cannot_be_is_told_so(corpus: Registry, chosen: dict[str, Any], message: str) -> None:
    corpus.add(rows("w", 10), HUMAN)
    with pytest.raises(ProvError, match=message):
        corpus.hold_out("test", **chosen)


# -- withdrawn


def test_a_withdrawn_document_is_not_drawn_and_stays_known(corpus: Registry) -> None:
    corpus.add([*rows("w", 5), {"id": "twin", "text": "w 1"}], HUMAN)
    found = corpus.withdraw("w1", reason="asked")
    assert (found.scope, found.documents, found.texts) == ("document", 1, 1)
    assert drawn_ids(corpus, ALL_HUMAN) == {"w0", "w2", "w3", "w4", "twin"}
    again = corpus.add(rows("w", 5), HUMAN)
    assert (again.known, again.withdrawn) == (5, 0)


def test_a_withdrawn_text_takes_all_its_documents_now_and_later(corpus: Registry) -> None:
    corpus.add([*rows("w", 5), {"id": "twin", "text": "w 1"}], HUMAN)
    assert corpus.withdraw("w1", text=True, reason="asked").documents == 2
    done = corpus.add([{"id": "third", "text": "w 1"}, {"id": "new", "text": "new"}], Declared(origin=Origin.HUMAN))
    assert (done.read, done.added, done.known, done.withdrawn) == (2, 1, 0, 1)
    drawn = corpus.mix(ALL_HUMAN)
    assert (drawn.total.documents, drawn.excluded["withdrawn"]) == (5, 2)


@pytest.mark.parametrize("scope", ["source", pytest.param("license", marks=pytest.mark.slow)])
def test_a_withdrawn_source_or_licence_binds_every_later_ingest_and_mix(corpus: Registry, scope: str) -> None:
    corpus.add(rows("w", 5), HUMAN)
    corpus.add(rows("b", 5), Declared(origin=Origin.HUMAN, source="books", license="mit"))
    found = corpus.withdraw(**{scope: "wiki" if scope == "source" else "cc-by"}, reason="licence revoked")
    assert (found.documents, found.texts) == (5, 5)
    again = corpus.add([*rows("w", 7), {"id": "w6", "text": "w 6"}], HUMAN)
    assert (again.read, again.known, again.withdrawn, again.added) == (8, 5, 3, 0)
    assert drawn_ids(corpus, ALL_HUMAN) == {f"b{n}" for n in range(5)}
    assert corpus.stats()["documents"] == 10


@pytest.mark.slow
def test_a_document_declared_under_a_withdrawn_licence_is_withdrawn(corpus: Registry) -> None:
    corpus.add(rows("w", 3), HUMAN)
    corpus.add(rows("b", 3), Declared(origin=Origin.HUMAN, source="books", license="mit"))
    corpus.withdraw(license="cc-by", reason="revoked")
    renamed = Declared(origin=Origin.HUMAN, source="books", license="cc-by")
    corpus.add(rows("b", 1), renamed, redeclare=True)
    assert drawn_ids(corpus, ALL_HUMAN) == {"b1", "b2"}


@pytest.mark.slow
def test_a_known_document_of_a_withdrawn_source_can_still_be_declared_anew(corpus: Registry) -> None:
    corpus.add(rows("w", 3), HUMAN)
    corpus.withdraw(source="wiki", reason="asked")
    done = corpus.add(rows("w", 4), Declared(origin=Origin.HUMAN, source="wiki", license="mit"), redeclare=True)
    assert (done.known, done.redeclared, done.withdrawn) == (3, 3, 1)
    assert corpus.show("w1")[0]["license"] == "mit"


def test_a_row_whose_parent_is_left_out_is_a_bad_row_and_finds_no_namesake(corpus: Registry) -> None:
    corpus.add(rows("w", 1), HUMAN)
    corpus.withdraw(source="wiki", reason="asked")
    corpus.add([{"id": "w1", "text": "another w1"}], Declared(origin=Origin.HUMAN, source="books"))
    edit: dict[str, Any] = {"id": "e", "text": "edited", "origin": "mixed", "generator": "g"}
    arriving = [
        {"id": "w1", "text": "w 1", "origin": "human", "source": "wiki"},
        edit | {"source": "wiki2", "parents": [{"id": corpus_digest(corpus), "relation": "edit"}]},
    ]
    with pytest.raises(BadRow, match="withdrawn, and was left out"):
        corpus.add(arriving)
    done = corpus.add([*arriving, {"text": "fine", "origin": "human"}], skip_bad=True)
    assert (done.added, done.withdrawn, len(done.rejected)) == (1, 1, 1)


def corpus_digest(held: Registry) -> str:
    """The digest that the document w1 of the source wiki would have."""
    from provenance.origin import document_digest, text_digest

    return document_digest(text_digest("w 1"), "wiki", None, "w1").hex()


def test_descendants_of_withdrawn_text_are_counted_and_stay(generations: Registry) -> None:
    found = generations.withdraw(source="wiki", reason="asked")
    assert found.descended == {"documents": 40, "mixes": 3, "models": 3}
    assert generations.mix(MixSpec(strata=ratio("gen1=1"))).total.documents == 40


@pytest.mark.slow
def test_the_same_withdrawal_twice_adds_nothing(corpus: Registry) -> None:
    corpus.add(rows("w", 3), HUMAN)
    for meant in ({"source": "wiki"}, {"document": "w1"}, {"document": "w1", "text": True}):
        assert corpus.withdraw(**meant, reason="asked").recorded
        head = corpus.head()
        assert not corpus.withdraw(**meant, reason="asked again").recorded
        assert corpus.head() == head


def test_a_withdrawal_of_what_is_not_there_says_what_there_is(corpus: Registry) -> None:
    corpus.add([{"id": "x", "text": "one", "source": "a"}, {"id": "x", "text": "two", "source": "b"}], HUMAN)
    for meant in ({"document": "none"}, {"document": "none", "text": True}, {"source": "c"}, {"license": "mit"}):
        with pytest.raises(NotFound):
            corpus.withdraw(**meant, reason="asked")
    for meant in ({"document": "x"}, {"document": "x", "text": True}):
        with pytest.raises(Ambiguous):
            corpus.withdraw(**meant, reason="asked")
    with pytest.raises(ProvError, match="exactly one"):
        corpus.withdraw(reason="asked")


def test_show_tells_of_every_rule_over_a_document(corpus: Registry) -> None:
    corpus.add(rows("w", 3), HUMAN)
    assert corpus.show("w1")[0]["rules"] == []
    corpus.hold_out("test", where=Where.equals("id", "w1"))
    corpus.withdraw("w1", reason="asked by the author")
    corpus.withdraw(license="cc-by", reason="revoked")
    told = [(rule["rule"], rule["scope"], rule["reason"]) for rule in corpus.show("w1")[0]["rules"]]
    assert told == [
        ("held out", None, None),
        ("withdrawn", "document", "asked by the author"),
        ("withdrawn", "license", "revoked"),
    ]


# -- what was handed out


@pytest.mark.slow
def test_exports_and_snapshots_with_the_text_are_listed(corpus: Registry, tmp_path: Path) -> None:
    corpus.add(rows("w", 4), HUMAN)
    corpus.add(rows("b", 4), Declared(origin=Origin.HUMAN, source="books"))
    hand_out(corpus, "snapshot", tmp_path / "copy.prov")
    corpus.add([{"id": "late", "text": "late"}], HUMAN)
    wiki, books = (corpus.mix(MixSpec(strata=ratio(f"source:{name}=1"))).mix for name in ("wiki", "books"))
    for _ in range(2):
        corpus.export(wiki, Export(tmp_path / "wiki.jsonl"))
    corpus.export(books, Export(tmp_path / "books.jsonl"))
    corpus.export(wiki, Export(tmp_path / "ids.jsonl", ids=True))
    listed = [(row["kind"], Path(row["path"]).name) for row in corpus.withdraw("w1", reason="asked").handed_out]
    assert listed == [("snapshot", "copy.prov"), ("export", "wiki.jsonl")]
    late = corpus.withdraw("late", reason="asked").handed_out
    assert [Path(row["path"]).name for row in late] == ["wiki.jsonl"]


@pytest.mark.slow
def test_an_export_with_lineage_held_the_texts_behind_its_mix_too(generations: Registry, tmp_path: Path) -> None:
    mix = generations.mix(MixSpec(strata=ratio("gen1=1"))).mix
    for name, with_lineage in (("bare", False), ("whole", True)):
        generations.export(mix, Export(tmp_path / name, with_lineage=with_lineage))
    listed = generations.withdraw(source="books", reason="asked").handed_out
    assert [(row["kind"], Path(row["path"]).name) for row in listed] == [("export with lineage", "whole")]


def test_lines_of_the_reject_file_that_hold_the_text_are_listed(corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"id": "a", "text": 'the "secret" läßt\n'}, {"id": "b", "text": "other"}], HUMAN)
    file = tmp_path / "rows.jsonl"
    secret = {"text": 'the "secret" läßt\n'}
    file.write_text(
        "\n".join(
            [
                json.dumps({"text": "other", "origin": "alien"}),
                json.dumps(secret | {"origin": "alien"}),
                json.dumps(secret | {"origin": "alien"}, ensure_ascii=False),
                json.dumps(secret)[:-1],
            ]
        ),
        encoding="utf-8",
    )
    corpus.ingest([file], skip_bad=True)
    found = corpus.withdraw("a", reason="asked").rejected
    assert [(Path(row["path"]).name, row["line"]) for row in found] == [
        ("corpus.prov.rejected.jsonl", n) for n in (2, 3, 4)
    ]


# -- contamination


def test_contamination_finds_mixes_and_models_on_the_way_and_nothing_else(generations: Registry) -> None:
    assert generations.contamination()["mixes"] == []
    drawn = asked(
        generations,
        "SELECT item FROM mix_document JOIN document USING (document_id) WHERE mix_id = 2 "
        "AND origin = 'human' AND document_id NOT IN (SELECT document_id FROM mix_document WHERE mix_id IN (1, 3))"
        " AND document_id NOT IN (SELECT parent_id FROM derivation)",
    )[0][0]
    generations.hold_out("test", where=Where.equals("id", drawn), force=True)
    found = generations.contamination()
    assert [(row["names"], row["held_out"], row["descended"] > 0) for row in found["mixes"]] == [
        (["test"], 1, False),
        ([], 0, True),
    ]
    assert [row["model"] for row in found["models"]] == ["two", "three"]
    third = found["mixes"][1]["mix"]
    alone = generations.contamination(third)
    assert [row["mix"] for row in alone["mixes"]] == [third]
    assert [row["model"] for row in alone["models"]] == ["three"]


@pytest.mark.slow
def test_a_model_based_on_one_that_learnt_from_a_held_out_text_is_contaminated(generations: Registry) -> None:
    generations.record_model("tuned", base="one")
    first = asked(generations, "SELECT item FROM mix_document JOIN document USING (document_id) WHERE mix_id = 1")[0][0]
    generations.hold_out("test", where=Where.equals("id", first), force=True)
    models = {row["model"]: row for row in generations.contamination()["models"]}
    assert set(models) == {"one", "two", "three", "tuned"}
    assert (models["tuned"]["base"], models["tuned"]["learnt_from_it"]) == ("one", False)


# -- commands


@pytest.fixture(scope="session")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a registry of ten human texts of two sources; copy it, never open it for writing."""
    path = tmp_path_factory.mktemp("sources") / "corpus.prov"
    with Registry.create(path) as held:
        held.add(rows("w", 5), HUMAN)
        held.add(rows("b", 5), Declared(origin=Origin.HUMAN, source="books"))
    return path


@pytest.fixture
def prov(two_sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """Run `prov` on a copy of `two_sources`, beside which it stands."""
    shutil.copy(two_sources, tmp_path / "corpus.prov")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROV_DB", raising=False)
    return entry_point(monkeypatch, capfd)


def test_the_commands_hold_out_and_withdraw_tell_what_they_did(prov: Prov) -> None:
    dry = prov("hold-out", "--frac", "0.2", "--name", "test", "--dry-run")
    assert dry.stdout == "2 texts would be held out as test, of 2 documents\n"
    held = json.loads(prov("hold-out", "--where", "id = 'w0'", "--name", "test", "--json").stdout)
    assert (held["added"], held["mixes"], held["recorded"], held["dry_run"]) == (1, [], True, False)
    assert prov("mix", "--real-frac", "1", "-o", "mix.jsonl").stdout.splitlines()[-1] == "excluded: 1 held out"
    refused = prov("hold-out", "--source", "wiki", "--name", "more", code=1)
    assert refused.stdout == ""
    assert refused.stderr.startswith("prov: 4 of the 4 texts stand in 1 mixes already (")
    gone = prov("withdraw", "w1", "--text", "--erase", "--reason", "asked by the author")
    assert "text " in gone.stdout
    assert "is withdrawn: 1 documents of 1 texts" in gone.stdout
    assert "1 texts erased, and the file written anew" in gone.stdout
    assert f"in {Path.cwd() / 'mix.jsonl'}" in gone.stdout
    assert prov("mix", "--real-frac", "1", "--dry-run").stdout.splitlines()[-1] == "excluded: 1 withdrawn, 1 held out"
    shown = prov("show", "w1").stdout
    assert "withdrawn, erased" in shown
    assert "asked by the author" in shown
    told = json.loads(prov("withdraw", "--source", "books", "--reason", "revoked", "--json", "--dry-run").stdout)
    assert (told["scope"], told["value"], told["documents"], told["recorded"]) == ("source", "books", 5, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold-out", "--name", "test"],
        ["hold-out", "--frac", "0.1", "--source", "wiki", "--name", "test"],
        ["hold-out", "--frac", "0", "--name", "test"],
        ["hold-out", "--frac", "0.1"],
        ["withdraw", "--reason", "asked"],
        ["withdraw", "w1"],
        ["withdraw", "w1", "--source", "wiki", "--reason", "asked"],
        ["withdraw", "--source", "wiki", "--text", "--reason", "asked"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_a_usage_error(prov: Prov, arguments: list[str]) -> None:
    prov(*arguments, code=2)


def test_contamination_is_a_finding_only_where_there_is_one(prov: Prov) -> None:
    prov("mix", "--real-frac", "1")
    prov("audit", "contamination", "--fail-on", "contaminated")
    prov("hold-out", "--where", "id = 'w0'", "--name", "test", "--force")
    found = prov("audit", "contamination", "--fail-on", "any", code=3)
    assert found.stdout.splitlines()[-1] == "1 mixes and 0 models are contaminated"
    prov("audit", "contamination")
    assert json.loads(prov("audit", "contamination", "--json").stdout)["mixes"][0]["held_out"] == 1


@pytest.mark.slow
def test_an_export_is_noted_once_and_standard_output_is_not(prov: Prov) -> None:
    mix = json.loads(prov("mix", "--real-frac", "1", "--json").stdout)["mix"]
    for arguments in (["-o", "out.jsonl"], ["-o", "out.jsonl"], [], ["-o", "ids.jsonl", "--ids"], ["-o", "folder"]):
        prov("export", mix, *arguments)
    noted = json.loads(prov("sql", "SELECT kind, path FROM handed_out", "--json").stdout)
    assert [(row["kind"], Path(row["path"]).name) for row in noted] == [("export", "out.jsonl"), ("export", "folder")]


@pytest.mark.slow
def test_an_export_that_cannot_be_noted_says_so_and_is_there(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = json.loads(prov("mix", "--real-frac", "1", "--json").stdout)["mix"]
    monkeypatch.setattr("registry.store.patiently.__defaults__", (0.0,))
    reading = subprocess.Popen(
        [sys.executable, "-c", READS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert reading.stdout is not None
    assert reading.stdout.readline() == "reading\n"
    done = prov("export", mix, "-o", "out.jsonl")
    reading.communicate("")
    assert len(Path("out.jsonl").read_text().splitlines()) == 10
    assert re.search(r"could not be noted in the registry .* is in use by process \d+", done.stderr)


READS = """
import duckdb, sys
with duckdb.connect("corpus.prov", read_only=True):
    print("reading", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_hold_out_has_a_name_and_a_withdrawal_a_reason(generations: Registry, blank: str) -> None:
    before = generations.stats()
    with pytest.raises(ProvError, match="needs a name"):
        generations.hold_out(blank, frac=0.1)
    with pytest.raises(ProvError, match="needs a reason"):
        generations.withdraw("b1", reason=blank)
    assert generations.stats() == before


def test_a_seed_that_no_digest_can_be_taken_of_is_refused(generations: Registry) -> None:
    with pytest.raises(ProvError, match=r"the seed .* cannot be used"):
        generations.hold_out("test", frac=0.1, seed=2**53)
