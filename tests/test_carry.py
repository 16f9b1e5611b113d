"""What is exported can be taken in anywhere: the same documents, the same lineage, and nothing slipped in."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, Export, MixSpec, Registry, Stratum, real_frac
from registry.where import Where

WHOLE = MixSpec(strata=(Stratum(where=Where.parse("bytes > 0"), share=1.0),), mixed="mixed", unknown="unknown")
LATER = MixSpec(strata=real_frac(0.25), size=40, mixed="model", seed=11)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Registry]:
    """Another registry, empty."""
    with Registry.create(tmp_path / "elsewhere.prov") as held:
        yield held


@pytest.fixture(scope="session")
def exports(three_generations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `whole` and `part` are copies of."""
    folder = tmp_path_factory.mktemp("exports")
    with Registry.open(shutil.copy(three_generations, folder / "generations.prov")) as held:
        by_three = MixSpec(strata=(Stratum(where=Where.parse("generator = 'three'"), share=1.0),))
        held.export(held.mix(by_three).mix, Export(folder / "part", with_lineage=True))
        held.export(held.mix(WHOLE).mix, Export(folder / "whole", with_lineage=True, shards=2))
    return folder


@pytest.fixture
def whole(exports: Path, tmp_path: Path) -> Path:
    """Everything that `generations` holds, with its lineage."""
    return Path(shutil.copytree(exports / "whole", tmp_path / "whole"))


@pytest.fixture
def part(exports: Path, tmp_path: Path) -> Path:
    """What the model three wrote, with its lineage."""
    return Path(shutil.copytree(exports / "part", tmp_path / "part"))


def documents(held: Registry) -> dict[str, Any]:
    """All that is known of each document, but local times."""
    return {row["digest"]: row for row in held.list("documents")}


def models(held: Registry) -> list[dict[str, Any]]:
    return sorted(held.list("models"), key=lambda row: row["digest"])


def lineages(held: Registry, *items: str) -> list[dict[str, Any]]:
    """All that leads to some documents, but in how many mixes they are here."""
    found = [held.lineage(item) for item in items]
    for lineage in found:
        del lineage["document"]["mixes"]
    return found


# -- the same again


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out"])
def test_what_was_exported_adds_nothing_where_it_came_from(name: str, generations: Registry, tmp_path: Path) -> None:
    mix = generations.mix(WHOLE).mix
    file = generations.export(mix, Export(tmp_path / name))
    before = generations.stats()
    done = generations.ingest([file])
    assert (done.added, done.redeclared, done.parents_missing) == (0, 0, 0)
    assert done.known == generations.mix_size(mix)
    assert generations.stats() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl.zst"])
def test_a_whole_corpus_is_the_same_elsewhere_document_by_document_and_mix_by_mix(
    name: str, generations: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    file = generations.export(generations.mix(WHOLE).mix, Export(tmp_path / name))
    elsewhere.ingest([file])
    assert documents(elsewhere) == documents(generations)
    assert elsewhere.composition() == generations.composition()
    assert elsewhere.mix(LATER).digest == generations.mix(LATER).digest
    for item in ("b0", "edit3", "two5"):
        here, there = generations.show(item)[0], elsewhere.show(item)[0]
        for volatile in ("declarations", "mixes"):
            here.pop(volatile), there.pop(volatile)
        assert here == there


def test_missing_models_runs_and_mixes_become_stubs_marked_foreign(
    generations: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    file = generations.export(generations.mix(WHOLE).mix, Export(tmp_path / "out.parquet"))
    elsewhere.ingest([file])
    known = {row["name"]: row for row in models(generations)}
    for model in models(elsewhere):
        assert model["is_foreign"]
        assert model["digest"] == known[model["name"]]["digest"]
        assert (model["generation"], model["mix"]) == (
            known[model["name"]]["generation"],
            known[model["name"]]["mix"],
        )
    assert all(mix["is_foreign"] for mix in elsewhere.list("mixes"))
    assert len(elsewhere.list("mixes")) == 3
    assert all(run["is_foreign"] for run in elsewhere.list("runs"))


def test_a_mix_that_is_a_stub_is_never_shown_as_empty(
    generations: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    elsewhere.ingest([generations.export(generations.mix(WHOLE).mix, Export(tmp_path / "out.parquet"))])
    one, two, _ = (mix["digest"][:12] for mix in elsewhere.list("mixes"))
    for ask in (
        lambda: elsewhere.export(one, Export(tmp_path / "stub.jsonl")),
        lambda: elsewhere.diff(one, two),
        lambda: elsewhere.composition(mix=one),
    ):
        with pytest.raises(ProvError, match=f"mix {one} is known by its digest alone"):
            ask()
    assert not (tmp_path / "stub.jsonl").exists()


# -- with lineage


@pytest.mark.parametrize("stubs_first", [False, True])
def test_lineage_that_came_along_is_the_same_elsewhere(
    stubs_first: bool, generations: Registry, elsewhere: Registry, whole: Path
) -> None:
    generations.mix(WHOLE)
    if stubs_first:
        elsewhere.ingest([whole / "data"])
        assert all(model["is_foreign"] for model in models(elsewhere))
    done = elsewhere.ingest([whole])
    assert done.learnt == 3 + 4 + 7  # models; their mixes and the one that was exported; runs of training and writing
    assert models(elsewhere) == models(generations)
    items = ("b0", "one0", "edit0", "two0", "three0")
    assert lineages(elsewhere, *items) == lineages(generations, *items)
    assert {row["digest"]: row["spec"] for row in elsewhere.list("mixes")} == {
        row["digest"]: row["spec"] for row in generations.list("mixes")
    }
    assert {run["digest"]: run for run in elsewhere.list("runs")} == {
        run["digest"]: run for run in generations.list("runs")
    }
    first, second = (mix["digest"] for mix in generations.list("mixes", 2))
    assert elsewhere.diff(first, second) == generations.diff(first, second)


def test_the_same_lineage_twice_teaches_nothing(elsewhere: Registry, whole: Path) -> None:
    elsewhere.ingest([whole])
    before = elsewhere.stats()
    assert elsewhere.ingest([whole]).learnt == 0
    assert elsewhere.stats() == before


def test_a_part_brings_the_documents_that_it_descends_from(
    generations: Registry, elsewhere: Registry, part: Path
) -> None:
    elsewhere.ingest([part])
    assert lineages(elsewhere, "three0") == lineages(generations, "three0")
    assert list(elsewhere.human_ancestors("three0")) == list(generations.human_ancestors("three0"))


def test_a_mix_of_nothing_but_human_text_travels_too(
    generations: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    mix = generations.mix(MixSpec(strata=real_frac(1.0))).mix
    elsewhere.ingest([generations.export(mix, Export(tmp_path / "out", with_lineage=True))])
    assert elsewhere.composition(mix=mix) == generations.composition(mix=mix)


@pytest.mark.slow
def test_what_was_learnt_can_travel_on(elsewhere: Registry, whole: Path, tmp_path: Path) -> None:
    elsewhere.ingest([whole])
    again = elsewhere.export(elsewhere.list("mixes", 1)[0]["digest"], Export(tmp_path / "again", with_lineage=True))
    with Registry.create(tmp_path / "third.prov") as third:
        third.ingest([again])
        assert models(third) == models(elsewhere)
        assert lineages(third, "three0") == lineages(elsewhere, "three0")


@pytest.mark.slow
def test_stubs_and_foreign_models_travel_as_what_they_are(
    generations: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    generations.export(generations.mix(WHOLE).mix, Export(tmp_path / "plain"))
    elsewhere.ingest([tmp_path / "plain"])  # one, two and three are stubs here
    elsewhere.record_model("llama", generation=4)
    elsewhere.record_model("chat", base="llama", spec={"lora": 8}, path="/chat")
    elsewhere.record_model("tuned", mix=human(elsewhere), base="three")
    elsewhere.record_model("last", mix=human(elsewhere, 2), base="chat")
    for name in ("tuned", "last"):
        elsewhere.add([{"id": name, "text": name}], run=elsewhere.record_run(name).digest.hex())
    spec = MixSpec(strata=(Stratum(where=Where.parse("generator IN ('tuned', 'last')"), share=1.0),))
    folder = elsewhere.export(elsewhere.mix(spec).mix, Export(tmp_path / "out", with_lineage=True))
    with Registry.create(tmp_path / "third.prov") as third:
        third.ingest([folder])
        known = {model["name"]: model for model in models(elsewhere)}
        for model in models(third):
            for name in ("digest", "generation", "generation_exact", "is_foreign", "base", "mix", "path"):
                assert model[name] == known[model["name"]][name], (model["name"], name)
        assert {model["name"] for model in models(third)} == {"llama", "chat", "tuned", "last", "three"}
        assert lineages(third, "tuned", "last") == lineages(elsewhere, "tuned", "last")


def human(held: Registry, seed: int = 1) -> str:
    return held.mix(MixSpec(strata=real_frac(1.0), size=5, seed=seed)).mix


def test_lineage_learnt_later_moves_all_that_descends_from_it(elsewhere: Registry, part: Path, tmp_path: Path) -> None:
    with Registry.create(tmp_path / "told.prov") as told:
        shutil.copytree(part, tmp_path / "lies")
        rewrite(tmp_path / "lies" / "data", lambda row: row["provenance"].update(generation=1))
        told.ingest([tmp_path / "lies" / "data"])
        told.record_model("heir", mix=mix_of(told, "three0"))
        told.add([{"id": "heir0", "text": "heir wrote"}], run=told.record_run("heir").digest.hex())
        assert told.show("heir0")[0]["generation"] == 2
        before = told.stats()["batches"]
        told.ingest([part])
        assert told.show("three0")[0]["generation"] == 3
        assert told.show("heir0")[0]["generation"] == 4
        assert told.stats()["batches"] == before + 1


def mix_of(held: Registry, item: str) -> str:
    return held.mix(MixSpec(strata=(Stratum(where=Where.parse(f"id = '{item}'"), share=1.0),))).mix


def test_recording_what_was_a_stub_makes_it_known(generations: Registry, elsewhere: Registry, tmp_path: Path) -> None:
    elsewhere.ingest([generations.export(generations.mix(WHOLE).mix, Export(tmp_path / "out.parquet"))])
    first = generations.list("mixes")[-1]["digest"]
    recorded = elsewhere.record_model("one", mix=first, spec={"order": 3}, seed=1, path="/weights/one")
    run = elsewhere.record_run("one", {"temperature": 1.0}, 1)
    assert not recorded.is_foreign
    trained = next(run for run in elsewhere.list("runs") if run["kind"] == "train" and run["model"] == "one")
    assert (trained["mix"], trained["seed"], trained["is_foreign"]) == (first, 1, False)
    assert next(row for row in elsewhere.list("runs") if row["digest"] == run.digest.hex()) == next(
        row for row in generations.list("runs") if row["digest"] == run.digest.hex()
    )


def test_drawing_what_was_a_stub_makes_it_known(generations: Registry, elsewhere: Registry, tmp_path: Path) -> None:
    first = MixSpec(strata=real_frac(1.0), size=30, seed=1)
    elsewhere.ingest([generations.export(generations.mix(WHOLE).mix, Export(tmp_path / "out.parquet"))])
    mix = elsewhere.mix(first).mix
    assert elsewhere.composition(mix=mix) == generations.composition(mix=mix)


# -- nothing slipped in


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the first row of the first Parquet file in a folder, as somebody might on the way."""
    file = min(folder.glob("*.parquet"))
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def rewrite_records(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = folder / "lineage" / "records.json"
    records = json.loads(file.read_text())
    change(records)
    file.write_text(json.dumps(records))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(text=row["text"] + " "), "its text no longer matches its digest"),
        (lambda row: row["provenance"].update(text="0" * 64), "its text no longer matches its digest"),
        (lambda row: row["provenance"].update(source="elsewhere"), "its provenance no longer matches its document"),
        (lambda row: row["provenance"].update(item="another"), "its provenance no longer matches its document"),
        (lambda row: row["provenance"].update(run="0" * 64), "its provenance no longer matches its document"),
        (lambda row: row["provenance"].update(document="0" * 64), "its provenance no longer matches its document"),
        (lambda row: row["provenance"].update(document=None), "its provenance column is no struct that prov wrote"),
    ],
)
def test_a_row_that_was_changed_is_a_bad_row(
    change: Callable[[dict[str, Any]], None], message: str, elsewhere: Registry, part: Path
) -> None:
    rewrite(part / "data", change)
    before = elsewhere.stats()
    with pytest.raises(ProvError, match=f"train-00000-of-00001.parquet, row 1: {message}"):
        elsewhere.ingest([part / "data"])
    assert elsewhere.stats() == before
    done = elsewhere.ingest([part / "data"], skip_bad=True)
    assert (len(done.rejected), done.added) == (1, 39)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records["models"][0].update(name="another"), "model [0-9a-f]{12} does not match its digest"),
        (lambda records: records["models"][0].update(seed=99), "model [0-9a-f]{12} does not match its digest"),
        (lambda records: records["models"][0].update(mix=None), "model [0-9a-f]{12} does not match its digest"),
        (lambda records: records["runs"][0].update(spec='{"temperature": 9}'), "run [0-9a-f]{12} does not match"),
        (lambda records: records["runs"][0].update(kind="edited"), "run [0-9a-f]{12} does not match"),
        (lambda records: records["mixes"][0].update(spec='{"seed": 9}'), "mix [0-9a-f]{12} does not match"),
        (lambda records: records["mixes"][0].update(is_stub=True), "mix [0-9a-f]{12} has documents, but no spec"),
        (lambda records: records["mixes"].pop(), "mix [0-9a-f]{12} has documents, but no spec"),
        (lambda records: records.pop("runs"), "cannot read the lineage"),
        (lambda records: records["models"].append("m"), "cannot read the lineage"),
        (lambda records: records["runs"][0].update(model=None), "cannot read the lineage"),
    ],
)
def test_a_record_that_was_changed_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, elsewhere: Registry, part: Path
) -> None:
    rewrite_records(part, change)
    before = elsewhere.stats()
    with pytest.raises(ProvError, match=f"{message}.*export it anew"):
        elsewhere.ingest([part])
    assert elsewhere.stats() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(document="0" * 64),
        lambda row: row.update(position=1),
        lambda row: row.update(position=10**6),
        lambda row: row.update(mix="0" * 64),
    ],
)
def test_a_manifest_that_was_changed_is_refused(
    change: Callable[[dict[str, Any]], None], elsewhere: Registry, part: Path
) -> None:
    rewrite_manifest(part, change)
    before = elsewhere.stats()
    with pytest.raises(ProvError, match=r"the lineage that came along is broken: mix [0-9a-f]{12}"):
        elsewhere.ingest([part])
    assert elsewhere.stats() == before


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = folder / "lineage" / "manifests.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def test_a_lineage_that_was_cut_short_is_refused(elsewhere: Registry, part: Path) -> None:
    manifests = part / "lineage" / "manifests.parquet"
    manifests.write_bytes(manifests.read_bytes()[:-20])
    with pytest.raises(ProvError, match=r"cannot read the lineage in .*lineage: .*; export it anew"):
        elsewhere.ingest([part])


def test_documents_that_did_not_come_along_are_missed(elsewhere: Registry, part: Path) -> None:
    (part / "lineage" / "documents.parquet").unlink()
    with pytest.raises(ProvError, match=r"holds [0-9]+ documents that did not come along, .* take in the whole"):
        elsewhere.ingest([part])
    assert elsewhere.stats()["documents"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [("model", "run [0-9a-f]{12} is of another model"), ("mix", "model [0-9a-f]{12} was trained on another mix")],
)
@pytest.mark.parametrize("stubs_first", [False, True])
def test_a_text_that_names_another_model_or_mix_than_its_lineage_is_refused(
    name: str, message: str, stubs_first: bool, elsewhere: Registry, part: Path
) -> None:
    for file in (part / "data", part / "lineage"):
        for parquet in file.glob("[td]*.parquet"):
            table = pq.read_table(parquet)
            rows = table.to_pylist()
            for row in rows:
                if row["provenance"]["generator"] == "three":
                    row["provenance"][name] = "ab" * 32
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), parquet)
    if stubs_first:
        elsewhere.ingest([part / "data"])
    before = elsewhere.stats()
    with pytest.raises(ProvError, match=message):
        elsewhere.ingest([part])
    assert elsewhere.stats() == before


def test_a_stub_that_came_along_never_changes_what_is_known(
    generations: Registry, elsewhere: Registry, part: Path
) -> None:
    known = lineages(generations, "three0"), models(generations)

    def as_stub(records: dict[str, Any]) -> None:
        for model in records["models"]:
            model.update(is_stub=True, name="liar", generation=9, generation_exact=True, base=None, mix=None)
        for run in records["runs"]:
            run.update(is_stub=True, kind="train", spec=None)

    rewrite_records(part, as_stub)
    generations.ingest([part])
    assert (lineages(generations, "three0"), models(generations)) == known


def test_a_user_s_own_folder_named_lineage_is_data(corpus: Registry, tmp_path: Path) -> None:
    (tmp_path / "mine" / "lineage").mkdir(parents=True)
    (tmp_path / "mine" / "lineage" / "texts.jsonl").write_text('{"text": "mine"}\n')
    assert corpus.ingest([tmp_path / "mine"], Declared(origin=Origin.HUMAN)).added == 1
