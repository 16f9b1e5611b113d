"""Audits: what is in a registry, where it came from, what changed; and nothing but that file within reach."""

import json
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
from click.testing import CliRunner

from provenance.cli import cli
from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Origin, text_digest
from registry import Declared, MixSpec, Registry, real_frac
from registry.audit import KINDS, documents_matching, find_document, sql
from registry.composition import DIMENSIONS
from registry.lineage import trace
from registry.near import Measure, Nearness

WORDS = sorted({word for topic in topics.values() for word in topic.split() if word.isalpha()})
SUBSETS = [by for size in range(len(DIMENSIONS) + 1) for by in combinations(DIMENSIONS, size)]


def prov(*arguments: str, registry: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "provenance", "--registry", str(registry), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


# -- composition


@pytest.mark.slow
def test_a_composition_sums_to_the_total_however_it_is_cut(generations: Registry) -> None:
    mix = generations.mix(MixSpec(strata=real_frac(0.5), size=500, max_repeats=20)).mix
    for held, total in ((None, generations.stats()["documents"]), (mix, 500)):
        whole = generations.composition([], held)[0]
        assert whole["documents"] == total
        for by in SUBSETS:
            rows = generations.composition(by, held)
            for name in ("documents", "bytes", "words"):
                assert sum(row[name] for row in rows) == whole[name], (by, name)
            keys = [tuple(value for name, value in row.items() if name.startswith(by)) for row in rows]
            assert len(set(keys)) == len(keys)


def test_a_composition_counts_repeats_and_is_of_the_mix_alone(generations: Registry) -> None:
    mix = generations.mix(MixSpec(strata=real_frac(1.0), size=120, max_repeats=2)).mix
    assert generations.composition(["origin"], mix)[0]["documents"] == 120
    assert [row["origin"] for row in generations.composition(["origin"], mix)] == ["human"]


def test_a_dimension_that_is_not_there_lists_those_that_are(corpus: Registry) -> None:
    with pytest.raises(
        ProvError, match="no dimension 'model': there is origin, generation, source, license, generator"
    ):
        corpus.composition(["origin", "model"])


def test_an_empty_registry_has_an_empty_composition(corpus: Registry) -> None:
    assert corpus.composition() == []
    assert all(corpus.list(kind) == [] for kind in KINDS)  # type: ignore[arg-type]


# -- lineage


def test_a_text_three_generations_deep_leads_down_to_human_sources(generations: Registry) -> None:
    found = generations.lineage("three7")
    assert found["document"]["generation"] == 3
    assert [(step["model"], step["generation"], step["base"]) for step in found["steps"]] == [
        ("three", 3, None),
        ("two", 2, "one"),
        ("one", 1, None),
    ]
    mixes = {row["digest"]: row for row in generations.list("mixes")}
    for step in found["steps"]:
        assert sum(row["documents"] for row in step["composition"]) == mixes[step["mix"]]["documents"]
        human = sum(row["documents"] for row in step["composition"] if row["origin"] == "human")
        assert sum(row["documents"] for row in step["human_sources"]) == human
        assert len(step["examples"]) == min(10, human)
    assert found["steps"][0]["run"] == found["document"]["run"]
    assert {row["source"] for row in found["human"]} == {"books", "wiki"}


def test_the_lineage_of_an_edited_text_names_what_it_was_made_of(generations: Registry) -> None:
    found = generations.lineage("edit5")
    assert [(parent["item"], parent["relation"]) for parent in found["parents"]] == [("b5", "edit")]
    assert generations.lineage("b5")["steps"] == []


def test_all_human_ancestors_and_nothing_else_are_streamed(generations: Registry) -> None:
    tables = {
        name: sql(generations, f"SELECT * FROM {name}").to_pylist()
        for name in ("document", "derivation", "run", "model", "mix_document")
    }
    documents = {row["document_id"]: row for row in tables["document"]}
    found: set[int] = set()
    ahead = {row["document_id"] for row in tables["document"] if row["item"] == "three7"}
    models: set[int] = set()
    while ahead:
        found |= ahead
        models |= {documents[one]["model_id"] for one in ahead} - {None}
        models |= {row["base_model_id"] for row in tables["model"] if row["model_id"] in models} - {None}
        mixes = {row["mix_id"] for row in tables["run"] if row["kind"] == "train" and row["model_id"] in models}
        ahead = {row["document_id"] for row in tables["mix_document"] if row["mix_id"] in mixes}
        ahead |= {row["parent_id"] for row in tables["derivation"] if row["child_id"] in found}
        ahead -= found
    human = {documents[one]["digest"].hex() for one in found if documents[one]["origin"] == "human"}
    streamed = [row["digest"] for row in generations.human_ancestors("three7")]
    assert sorted(streamed) == sorted(human)
    assert 0 < len(human) < 60


def test_lineage_names_the_same_models_and_mixes_as_the_walk_over_all_documents(generations: Registry) -> None:
    for wanted in ("three7", "two3", "edit5", "one1", "b5"):
        trace(generations, "document", find_document(generations, wanted))
        behind = {(kind, number) for kind, number in generations.connection.sql("FROM ancestor").fetchall()}
        steps = generations.lineage(wanted)["steps"]
        assert len(steps) == len([number for kind, number in behind if kind == "model"])
        assert len({step["mix"] for step in steps}) == len([number for kind, number in behind if kind == "mix"])


def test_human_texts_behind_a_document_are_counted_in_each_mix(generations: Registry) -> None:
    found = generations.lineage("three7")
    in_mixes = sum(row["documents"] for step in found["steps"] for row in step["human_sources"])
    assert sum(row["documents"] for row in found["human"]) == in_mixes
    alone = generations.lineage("b5")
    assert alone["human"] == [{"source": "books", "documents": 1, "bytes": alone["document"]["bytes"]}]
    prompted = generations.lineage("two3")
    in_mixes = sum(row["documents"] for step in prompted["steps"] for row in step["human_sources"])
    assert sum(row["documents"] for row in prompted["human"]) == in_mixes + 1


def test_any_length_of_a_digest_finds_its_document_and_text(generations: Registry) -> None:
    document = generations.show("edit5")[0]
    for length in (4, 5, 15, 16, 17, 63, 64):
        for digest in (document["digest"], document["text_digest"]):
            found = [one for one, *_ in documents_matching(generations, digest[:length])]
            assert find_document(generations, document["digest"]) in found
    assert documents_matching(generations, document["digest"][:3]) == []
    assert documents_matching(generations, document["digest"] + "0") == []


@pytest.mark.slow
def test_the_command_streams_every_human_ancestor_as_json_lines(generations: Registry) -> None:
    expected = [row["digest"] for row in generations.human_ancestors("two3")]
    generations.close()
    done = prov("audit", "lineage", "two3", "--all", registry=generations.path)
    assert [json.loads(line)["digest"] for line in done.stdout.splitlines()] == expected


# -- conflicts


@pytest.fixture
def disputed(corpus: Registry) -> Registry:
    """The text `both` is human and a model's, `twice` under two licences; the other repetitions are no conflict."""
    corpus.add(
        [{"text": text, "license": "CC-BY-4.0"} for text in ("both", "twice", "spelt", "silent", "once")],
        Declared(origin=Origin.HUMAN, source="a"),
    )
    corpus.add(
        [{"text": "twice", "license": "MIT"}, {"text": "spelt", "license": "cc-by 4.0"}, {"text": "silent"}],
        Declared(origin=Origin.HUMAN, source="b"),
    )
    corpus.add([{"text": "both"}, {"text": "quiet"}], Declared(origin=Origin.MODEL, generator="gpt", source="c"))
    corpus.add([{"text": "both"}, {"text": "once"}], Declared(origin=Origin.UNKNOWN, source="d"))
    corpus.add([{"text": "quiet"}], Declared(origin=Origin.MODEL, generator="other", source="e"))
    return corpus


def test_a_text_of_two_origins_or_two_licences_is_a_conflict_and_nothing_else_is(disputed: Registry) -> None:
    found = disputed.conflicts()
    assert (found["texts"], found["about"]) == (2, {"origin": 1, "license": 1})
    assert [pair["texts"] for pair in found["pairs"] if pair["origins"] == ["human", "model"]] == [1]
    assert [(row["excerpt"], row["about"]) for row in found["conflicts"]] == [
        ("both", ["origin"]),
        ("twice", ["license"]),
    ]
    both, twice = (row["documents"] for row in found["conflicts"])
    assert [(said["origin"], said["source"], said["generator"], said["license"]) for said in both] == [
        ("human", "a", None, "CC-BY-4.0"),
        ("model", "c", "gpt", None),
        ("unknown", "d", None, None),
    ]
    assert {said["license"] for said in twice} == {"CC-BY-4.0", "MIT"}
    assert disputed.show(both[0]["digest"])[0]["text"] == "both"


def test_conflicts_are_all_counted_though_few_are_listed(disputed: Registry) -> None:
    assert [row["excerpt"] for row in disputed.conflicts(1)["conflicts"]] == ["both"]
    assert disputed.conflicts(1)["texts"] == 2


def test_many_documents_that_say_the_same_of_a_text_are_told_once(corpus: Registry) -> None:
    corpus.add([{"id": f"h{n}", "text": "x"} for n in range(30)], Declared(origin=Origin.HUMAN, source="a"))
    corpus.add([{"id": f"m{n}", "text": "x"} for n in range(7)], Declared(origin=Origin.MODEL, generator="g"))
    said = corpus.conflicts()["conflicts"][0]["documents"]
    assert [(row["origin"], row["documents"]) for row in said] == [("human", 30), ("model", 7)]
    assert all(corpus.show(row["digest"])[0]["item"] == row["item"] for row in said)


def test_what_was_declared_anew_is_history_and_no_conflict(corpus: Registry) -> None:
    corpus.add([{"id": "1", "text": "x"}], Declared(origin=Origin.HUMAN, source="a"))
    corpus.add([{"id": "1", "text": "x"}], Declared(origin=Origin.MODEL, generator="g", source="a"), redeclare=True)
    assert corpus.conflicts()["texts"] == 0
    assert len(corpus.show("1")[0]["declarations"]) == 2


def prose(seed: int, length: int = 60) -> list[str]:
    """Words in an order that no other text has."""
    chance = random.Random(seed)
    return [chance.choice(WORDS) for _ in range(length)]


@pytest.fixture
def resembling(corpus: Registry) -> Registry:
    """Pairs of near-duplicates of which some are told to be of different origins, or under different licences."""

    def texts(*added: str) -> list[dict[str, str]]:
        return [
            {"id": f"{name}-{len(added)}", "text": " ".join([*prose(ord(name[0])), *added])}
            for name in ("origin", "license", "alike", "unknown", "spelt")
        ]

    by_license = {"origin": "MIT", "license": "MIT", "spelt": "cc-by 4.0"}
    for row in (human := texts()):
        row["license"] = by_license.get(row["id"].partition("-")[0], "")
    corpus.add(human, Declared(origin=Origin.HUMAN, source="a"))
    origins = {"origin": "model", "unknown": "unknown"}
    licenses = {"license": "CC-BY-4.0", "spelt": "CC-BY-4.0", "origin": "MIT"}
    for row in (other := texts("now")):
        name = row["id"].partition("-")[0]
        row |= {"origin": origins.get(name, "human"), "license": licenses.get(name, "")}
    corpus.add(other, Declared(source="b"))
    part = {"id": "part", "text": " ".join(prose(ord("a"))[:30]), "origin": "model"}
    corpus.add([part], Declared(source="c"))
    return corpus


def test_near_duplicates_of_two_origins_or_licences_are_conflicts_and_others_are_not(resembling: Registry) -> None:
    found = resembling.conflicts(near=Nearness(0.8))
    assert (found["texts"], found["conflicts"]) == (0, [])
    near = found["near"]
    assert (near["pairs"], near["about"]) == (2, {"origin": 1, "license": 1})
    assert [(row["origins"], row["pairs"]) for row in near["pairs_of_origins"]] == [
        (["human", "model"], 1),
        (["human", "mixed"], 0),
        (["model", "mixed"], 0),
    ]
    items = [{text["documents"][0]["item"] for text in row["texts"]} for row in near["conflicts"]]
    assert items == [{"origin-0", "origin-1"}, {"license-0", "license-1"}]
    assert [row["about"] for row in near["conflicts"]] == [["origin"], ["license"]]
    for row in near["conflicts"]:
        assert row["jaccard"] == pytest.approx(56 / 57)
        assert row["containment"] == 1
        assert all(resembling.show(text["text"])[0]["item"] == text["documents"][0]["item"] for text in row["texts"])
    assert resembling.conflicts(near=None)["near"] is None
    assert len(resembling.conflicts(1, Nearness(0.8))["near"]["conflicts"]) == 1


def test_a_model_text_that_stands_in_human_ones_is_a_conflict_where_containment_is_asked_for(
    resembling: Registry,
) -> None:
    def conflicts(measure: Measure) -> list[set[str]]:
        found = resembling.conflicts(near=Nearness(0.8, measure))["near"]["conflicts"]
        return [{text["documents"][0]["item"] for text in row["texts"]} for row in found]

    parts = [{"part", "alike-0"}, {"part", "alike-1"}]
    assert [pair for pair in conflicts("either") if "part" in pair] == parts
    assert [pair for pair in conflicts("containment") if "part" in pair] == parts
    assert not [pair for pair in conflicts("jaccard") if "part" in pair]


def test_texts_in_conflict_by_themselves_are_so_with_those_near_to_them_too(corpus: Registry) -> None:
    words = prose(1)
    corpus.add([{"text": " ".join(words)}, {"text": " ".join([*words, "now"])}], Declared(origin=Origin.HUMAN))
    assert corpus.conflicts(near=Nearness(0.8))["near"]["pairs"] == 0
    corpus.add([{"text": " ".join(words)}], Declared(origin=Origin.MODEL, generator="g", source="c"))
    found = corpus.conflicts(near=Nearness(0.8))
    assert (found["texts"], found["near"]["pairs"]) == (1, 1)


def test_near_conflicts_are_shown_and_can_fail_and_are_passed_over_where_there_are_no_fingerprints(
    resembling: Registry, tmp_path: Path
) -> None:
    resembling.close()

    def conflicts(*arguments: str, registry: Path = resembling.path) -> Any:
        return CliRunner().invoke(cli, ["--registry", str(registry), "audit", "conflicts", *arguments])

    shown = conflicts("--fail-on", "near")
    assert shown.exit_code == 3
    assert "2 pairs of near-duplicates in conflict: 1 about origin, 1 about licences" in shown.stdout
    assert [conflicts("--fail-on", finding).exit_code for finding in ("conflict", "any")] == [0, 3]
    assert conflicts("--exact", "--fail-on", "any").exit_code == 0
    assert json.loads(conflicts("--json", "--threshold", "99%").stdout)["near"]["pairs"] == 0
    Registry.create(tmp_path / "plain.prov", fingerprint=None).close()
    plain = conflicts("--json", registry=tmp_path / "plain.prov")
    assert (plain.exit_code, json.loads(plain.stdout)["near"]) == (0, None)
    assert "no near ones: this registry keeps no fingerprints" in plain.stderr
    assert conflicts("--measure", "either", registry=tmp_path / "plain.prov").exit_code == 1


# -- findings


def test_a_finding_ends_with_3_where_it_is_to_fail_and_only_there(disputed: Registry) -> None:
    mix = disputed.mix(MixSpec(strata=real_frac(1.0), where="source = 'a'")).mix  # type: ignore[arg-type]
    disputed.record_model("learnt", mix=mix)
    disputed.close()
    cases: list[tuple[list[str], int]] = [
        (["conflicts", "--fail-on", "conflict"], 3),
        (["conflicts"], 0),
        (["exposure", "once", "--fail-on", "descent"], 0),
        (["exposure", "once", "--fail-on", "direct", "--json"], 3),
        (["impact", "--source", "a", "--fail-on", "found"], 3),
        (["impact", "--source", "e", "--fail-on", "found"], 0),
        (["descendants", "learnt", "--fail-on", "any"], 0),
        (["descendants", mix, "--fail-on", "models"], 3),
        (["descendants", mix, "--fail-on", "documents", "--fail-on", "mixes"], 0),
    ]
    for arguments, code in cases:
        wanted = [text_digest("once").hex() if word == "once" else word for word in arguments]
        done = CliRunner().invoke(cli, ["--registry", str(disputed.path), "audit", *wanted])
        assert done.exit_code == code, (arguments, done.output)
        assert done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["impact"], "exactly one"), (["impact", "--source", "a", "--text"], "--text goes with an ID")],
)
def test_a_command_that_is_asked_wrongly_says_how(arguments: list[str], says: str, corpus: Registry) -> None:
    corpus.close()
    done = CliRunner().invoke(cli, ["--registry", str(corpus.path), "audit", *arguments])
    assert (done.exit_code, says in done.stderr) == (2, True)


# -- diff


def test_a_mix_does_not_differ_from_itself(generations: Registry) -> None:
    mix = generations.list("mixes", 1)[0]["digest"]
    found = generations.diff(mix[:8], mix)
    assert (found["identical"], found["added"], found["removed"], found["composition"]) == (True, [], [], [])


def test_a_diff_tells_what_came_what_went_and_how_the_composition_changed(generations: Registry) -> None:
    before, after = (
        generations.mix(MixSpec(strata=real_frac(share), size=40, seed=seed)).mix
        for share, seed in ((0.25, 1), (0.5, 2))
    )
    held = {
        mix: [row["provenance"] for batch in generations.texts(mix) for row in batch.to_pylist()]
        for mix in (before, after)
    }
    digests = {mix: {said["document"] for said in rows} for mix, rows in held.items()}
    found = generations.diff(before, after)
    assert not found["identical"]
    assert set(found["added"]) == digests[after] - digests[before]
    assert set(found["removed"]) == digests[before] - digests[after]
    changes = sum(row["after"] - row["before"] for row in found["composition"] if row["origin"] == "human")
    assert changes == 10
    assert all(row["before"] != row["after"] for row in found["composition"])


def test_a_document_that_a_mix_has_once_more_was_added(generations: Registry) -> None:
    once, twice = (generations.mix(MixSpec(strata=real_frac(1.0), size=size, max_repeats=2)).mix for size in (60, 120))
    found = generations.diff(once, twice)
    assert len(found["added"]) == 60
    assert generations.diff(twice, once)["removed"] == found["added"]


@pytest.mark.slow
def test_the_command_exits_3_where_mixes_differ_and_0_where_not(generations: Registry) -> None:
    one, other = (mix["digest"][:12] for mix in generations.list("mixes", 2))
    generations.close()
    assert prov("diff", one, one, registry=generations.path).returncode == 0
    assert prov("diff", one, other, registry=generations.path).returncode == 3
    nothing = prov("diff", one, "ffffffffffff", registry=generations.path)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr.startswith("prov: no mix 'ffffffffffff': there is ")


# -- show


def test_show_finds_a_document_by_its_id_its_digest_and_its_text(generations: Registry) -> None:
    document = generations.show("edit5")[0]
    text = text_digest(document["text"]).hex()
    assert document["kind"] == "document"
    for wanted in (document["digest"], document["digest"][:10], document["digest"][:10].upper(), text[:16]):
        assert generations.show(wanted) == [document]
    assert document["parents"][0]["item"] == "b5"
    assert document["declarations"][0]["origin"] == "mixed"


@pytest.mark.parametrize("kind", ["models", "runs", "mixes", "sources", "batches"])
def test_show_finds_everything_else_by_name_or_digest(kind: Any, generations: Registry) -> None:
    for row in generations.list(kind):
        for wanted in {row.get("name"), row.get("digest"), row.get("digest", "")[:12]} - {None, ""}:
            assert {"kind": kind, **row} in generations.show(wanted)


def test_show_of_what_is_not_there_says_so(generations: Registry) -> None:
    with pytest.raises(NotFound, match="no document, model, run, mix, experiment, source or batch 'nothing'"):
        generations.show("nothing")


def test_an_id_that_stands_in_two_sources_is_shown_twice_and_is_ambiguous_for_lineage(corpus: Registry) -> None:
    for source in ("wiki", "books"):
        corpus.add([{"id": "1", "text": source}], Declared(origin=Origin.HUMAN, source=source))
    assert {row["source"] for row in corpus.show("1")} == {"wiki", "books"}
    with pytest.raises(Ambiguous) as caught:
        corpus.lineage("1")
    assert {fit.split()[1] for fit in caught.value.fits} == {"(wiki)", "(books)"}
    digest = caught.value.fits[0].split()[0]
    assert corpus.lineage(digest)["document"]["digest"].startswith(digest)


# -- sql


def test_sql_answers_and_passes_on_what_duckdb_refuses(generations: Registry) -> None:
    assert sql(generations, "SELECT count(*) AS n FROM document").to_pylist() == [{"n": 200}]
    with pytest.raises(ProvError, match=r"DuckDB refuses the statement: .*nowhere"):
        sql(generations, "SELECT * FROM nowhere")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_blob('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "ATTACH '{folder}/other.prov' AS other",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "EXPORT DATABASE '{folder}/written'",
        "COPY document FROM '{secret}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "PRAGMA enable_external_access",
        "SET temp_directory = '{folder}/written'",
        "CREATE TABLE mine (a INTEGER)",
        "DELETE FROM document",
        "UPDATE document SET origin = 'human'",
        "DROP TABLE document",
        "SELECT 1; DELETE FROM document",
        "CREATE SECRET s (TYPE s3)",
    ],
)
def test_sql_reaches_no_other_file_and_changes_nothing(statement: str, corpus: Registry, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nsecret\n")
    before = corpus.stats()
    corpus.close()
    names = sorted(tmp_path.iterdir())
    with Registry.open(corpus.path, read_only=True) as held:
        held.lock_down()
        with pytest.raises(ProvError, match="DuckDB refuses the statement"):
            sql(held, statement.format(secret=secret, folder=tmp_path))
        assert sql(held, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert sorted(tmp_path.iterdir()) == names
    with Registry.open(corpus.path) as again:
        assert again.stats() == before


def test_sql_does_not_see_the_variables_of_the_program(generations: Registry) -> None:
    import pyarrow as pa

    hidden = pa.table({"a": [1]})
    generations.close()
    with Registry.open(generations.path, read_only=True) as held:
        held.lock_down()
        with pytest.raises(ProvError, match="hidden"):
            sql(held, "SELECT * FROM hidden")
    assert hidden.num_rows == 1
