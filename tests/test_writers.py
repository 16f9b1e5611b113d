"""Exports: every text byte for byte, in the order of the mix, with where it came from; whole or not at all."""

import json
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import Origin, text_digest
from registry import Declared, Export, MixSpec, Registry, real_frac, writers

FILES = ("out.parquet", "out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "folder", "lines")
ISSUE = {"document", "text", "run", "model", "mix", "registry", "source", "item", "origin", "generation", "generator"}
ISSUE |= {"license", "url", "parents"}


def everything(held: Registry, seed: int = 5) -> str:
    """A mix of most of the registry."""
    return held.mix(MixSpec(strata=real_frac(0.3), mixed="model", seed=seed)).mix


def target(path: Path, **options: Any) -> Export:
    return Export(path, format="jsonl" if path.name == "lines" else None, **options)


def exported(path: Path) -> list[dict[str, Any]]:
    """The rows of an export, as whoever gets it would read them."""
    if path.is_dir():
        return [row for shard in sorted((path / "data").iterdir()) for row in exported(shard)]
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    with pa.input_stream(str(path), compression=compression) as stream:
        return [json.loads(line) for line in stream.read().decode().split("\n")[:-1]]


def manifest(held: Registry, mix: str) -> list[tuple[str, str]]:
    """The documents of a mix in its order, and their texts."""
    return [(row["provenance"]["document"], row["text"]) for batch in held.texts(mix) for row in batch.to_pylist()]


# -- what is written


@pytest.mark.parametrize("name", FILES)
def test_an_export_holds_each_text_byte_for_byte_in_the_order_of_the_mix(
    name: str, generations: Registry, tmp_path: Path
) -> None:
    mix = everything(generations)
    rows = exported(generations.export(mix, target(tmp_path / name, shards=3 if "." not in name else 1)))
    assert [(row["provenance"]["document"], row["text"]) for row in rows] == manifest(generations, mix)
    assert any("\x00" in row["text"] for row in rows)
    assert any("\r\nends\rkept\n" in row["text"] for row in rows)
    assert all(row["provenance"]["text"] == text_digest(row["text"]).hex() for row in rows)


@pytest.mark.slow
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=30, unique=True))
@settings(max_examples=2, deadline=None)
def test_any_text_survives_every_format(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    with Registry.create(folder / "r.prov") as held:
        held.add([{"text": text} for text in texts], Declared(origin=Origin.HUMAN))
        mix = held.mix(MixSpec(strata=real_frac(1.0))).mix
        for name in FILES:
            rows = exported(held.export(mix, target(folder / name)))
            assert sorted(row["text"] for row in rows) == sorted(texts)
        before = held.stats()
        for name in FILES:
            assert held.ingest([folder / name]).added == 0
        assert held.stats() == before


def test_provenance_has_all_that_leads_back(generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    rows = exported(generations.export(mix, Export(tmp_path / "out.parquet")))
    by_item = {row["provenance"]["item"]: row["provenance"] for row in rows}
    assert all(set(said) >= ISSUE for said in by_item.values())
    edited = next(said for item, said in by_item.items() if item.startswith("edit"))
    document = generations.show(edited["document"])[0]
    for name in ("run", "model", "source", "item", "origin", "generation", "generator", "license", "url"):
        assert edited[name] == document[name], name
    assert edited["parents"] == [
        {"document": parent["digest"], "relation": "edit", "prefix_chars": None} for parent in document["parents"]
    ]
    assert edited["registry"] == generations.setting("registry_id")
    trained = next(model for model in generations.list("models") if model["name"] == "two")
    assert edited["mix"] == trained["mix"]
    assert edited["model"] == trained["digest"]
    human = by_item["b0"]
    assert (human["model"], human["run"], human["mix"], human["parents"]) == (None, None, None, [])
    assert json.loads(human["metadata"])["topic"]["n"] == 10**17


def test_a_parquet_footer_names_the_mix(generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    generations.export(mix, Export(tmp_path / "folder", shards=2, with_lineage=True))
    files = [*(tmp_path / "folder" / "data").iterdir(), tmp_path / "folder" / "lineage" / "documents.parquet"]
    digest = generations.list("mixes", 1)[0]["digest"]
    assert len(files) == 3
    for file in files:
        assert pq.read_metadata(file).metadata[b"prov.mix"].decode() == digest
        assert pq.read_metadata(file).metadata[b"prov.registry"].decode() == generations.setting("registry_id")


@pytest.mark.parametrize("name", ["ids.parquet", "ids.jsonl", "ids"])
def test_ids_are_the_documents_in_order_without_their_texts(name: str, generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    rows = exported(generations.export(mix, Export(tmp_path / name, ids=True)))
    assert [row["document"] for row in rows] == [digest for digest, _ in manifest(generations, mix)]
    assert {tuple(row) for row in rows} == {("document", "source", "item")}


def test_ids_as_text_are_one_a_line(generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    path = generations.export(mix, Export(tmp_path / "ids.txt", ids=True))
    assert path.read_text().splitlines() == [digest for digest, _ in manifest(generations, mix)]


def test_a_text_file_is_the_texts_with_a_blank_line_after_each(generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    path = generations.export(mix, Export(tmp_path / "out.txt"))
    assert path.read_bytes() == b"".join(text.encode() + b"\n\n" for _, text in manifest(generations, mix))


@pytest.mark.parametrize("name", FILES)
def test_no_provenance_leaves_the_texts_alone(name: str, generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    rows = exported(generations.export(mix, target(tmp_path / name, provenance=False)))
    assert rows == [{"text": text} for _, text in manifest(generations, mix)]


def test_standard_output_gets_the_lines_and_nothing_else(generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    generations.close()
    done = prov("export", mix, registry=generations.path)
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]) == generations_size(
        generations, mix
    )


def generations_size(held: Registry, mix: str) -> int:
    with Registry.open(held.path, read_only=True) as again:
        return again.mix_size(mix)


# -- shards


@given(rows=st.integers(1, 300), shards=st.integers(1, 400))
def test_shards_are_even_and_never_empty(rows: int, shards: int) -> None:
    sizes = writers._even(rows, shards)
    assert sum(sizes) == rows
    assert len(sizes) == min(rows, shards)
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= 1


@given(batches=st.lists(st.integers(0, 9), min_size=1), shards=st.integers(1, 12))
def test_cutting_a_stream_keeps_every_row_in_its_place(batches: list[int], shards: int) -> None:
    schema = pa.schema([("n", pa.int64())])
    starts = [sum(batches[:index]) for index in range(len(batches))]
    stream = pa.RecordBatchReader.from_batches(
        schema,
        (
            pa.record_batch([pa.array(range(start, start + size), pa.int64())], schema=schema)
            for start, size in zip(starts, batches, strict=True)
        ),
    )
    if not sum(batches):
        return
    sizes = writers._even(sum(batches), shards)
    cut = [shard.read_all().column("n").to_pylist() for shard in writers._cut(stream, sizes)]
    assert [len(shard) for shard in cut] == sizes
    assert list(chain.from_iterable(cut)) == list(range(sum(batches)))


@pytest.mark.parametrize(("shards", "files"), [(1, 1), (4, 4), (7, 7), (5000, None)])
def test_shards_are_named_and_numbered_as_the_hub_does(
    shards: int, files: int | None, generations: Registry, tmp_path: Path
) -> None:
    mix = everything(generations)
    total = generations.mix_size(mix)
    generations.export(mix, Export(tmp_path / "out", shards=shards))
    found = sorted(file.name for file in (tmp_path / "out" / "data").iterdir())
    count = files or total
    assert found == [f"train-{number:05}-of-{count:05}.parquet" for number in range(count)]
    rows = [pq.read_metadata(tmp_path / "out" / "data" / name).num_rows for name in found]
    assert sum(rows) == total
    assert max(rows) - min(rows) <= 1


# -- the dataset card


def card(path: Path) -> tuple[dict[str, Any], str]:
    header, _, body = (path / "README.md").read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(header), body


def table(body: str) -> list[list[str]]:
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def test_a_folder_has_a_card_that_accounts_for_every_text(generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    generations.export(mix, Export(tmp_path / "out", command="prov export 'it' -o out"))
    header, body = card(tmp_path / "out")
    total = generations.mix_size(mix)
    assert header["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}
    ]
    assert header["license_name"] == "cc-by, mit, unknown"
    assert generations.list("mixes", 1)[0]["digest"] in body
    assert "prov export 'it' -o out" in body
    rows = table(body)
    assert sum(int(row[5]) for row in rows) == total
    assert len({tuple(row[:5]) for row in rows}) == len(rows)
    licences = body.partition("## Licences")[2].partition("##")[0]
    assert sum(int(line.split(": ")[1].split()[0]) for line in licences.splitlines() if line.startswith("- ")) == total
    for generator in ("one", "two", "three"):
        counted = sum(int(row[5]) for row in rows if row[4] == generator)
        assert f"- {generator}: {counted:,} texts" in body


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["CC BY", 'quo"ted', "pipe | bar", "a: b #c", "line\nbreak", "\U0001f600 \u2028", "- list", "yes"]
)
def test_any_licence_name_leaves_the_card_readable(name: str, corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"text": "a"}], Declared(origin=Origin.HUMAN, license=name))
    corpus.export(corpus.mix(MixSpec(strata=real_frac(1.0))).mix, Export(tmp_path / "out"))
    header, body = card(tmp_path / "out")
    assert header["license_name"] == name
    assert len(table(body)) == 1


@pytest.mark.parametrize("options", [{"provenance": False}, {"ids": True}, {"format": "text"}])
def test_a_card_promises_provenance_only_where_there_is(
    options: dict[str, Any], generations: Registry, tmp_path: Path
) -> None:
    generations.export(everything(generations), Export(tmp_path / "out", **options))
    assert "`provenance` struct" not in (tmp_path / "out" / "README.md").read_text()


# -- whole or not at all


def fail_after(rows: int) -> Any:
    """A writer that gives up half-way."""

    def write(stream: Any, batches: pa.RecordBatchReader, footer: dict[str, str]) -> None:
        stream.write(b"half a file")
        raise OSError(28, "No space left on device")

    return write


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl.zst", "folder"])
def test_a_full_disk_leaves_nothing_behind_and_says_so(
    name: str, generations: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = everything(generations)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(writers, "WRITERS", dict.fromkeys(writers.WRITERS, fail_after(1)))
    with pytest.raises(ProvError, match=rf"No space left on device; the mix is kept.*prov export {mix}"):
        generations.export(mix, Export(tmp_path / name))
    assert sorted(tmp_path.iterdir()) == before


def test_a_failing_export_leaves_the_old_file_as_it_was(
    generations: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = everything(generations)
    (tmp_path / "out.jsonl").write_text("old")
    monkeypatch.setattr(writers, "WRITERS", dict.fromkeys(writers.WRITERS, fail_after(1)))
    with pytest.raises(ProvError):
        generations.export(mix, Export(tmp_path / "out.jsonl"))
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_an_existing_file_is_replaced_at_once_by_the_whole_new_one(generations: Registry, tmp_path: Path) -> None:
    mix, path = everything(generations), tmp_path / "out.jsonl"
    path.write_text("old")
    with open(path) as reader:  # whoever reads the old file goes on reading it
        generations.export(mix, Export(path))
        assert reader.read() == "old"
    assert len(exported(path)) == generations.mix_size(mix)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.jsonl", "folder"])
def test_a_killed_export_leaves_no_half_file_under_the_name(name: str, generations: Registry, tmp_path: Path) -> None:
    mix = everything(generations)
    generations.close()
    script = (
        "import sys, time; from pathlib import Path; from registry import Export, Registry, writers\n"
        "def slow(stream, batches, footer):\n"
        "    stream.write(b'half'); stream.flush(); print('writing', flush=True); time.sleep(60)\n"
        "writers.WRITERS = dict.fromkeys(writers.WRITERS, slow)\n"
        "Registry.open(sys.argv[1]).export(sys.argv[2], Export(Path(sys.argv[3])))\n"
    )
    command = [sys.executable, "-c", script, str(generations.path), mix, str(tmp_path / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / name).exists()
    with Registry.open(generations.path) as again:
        again.export(mix, Export(tmp_path / name))
    assert (tmp_path / name).exists()


def prov(*arguments: str, registry: Path, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "provenance", "--registry", str(registry), *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_standard_output_is_told_in_one_line(generations: Registry) -> None:
    mix = everything(generations)
    generations.close()
    with open("/dev/full", "wb") as full:
        done = prov("export", mix, registry=generations.path, stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"prov: cannot write -: No space left on device; the mix is kept, export it again with `prov export {mix}`"
    ]


def test_a_reader_that_has_had_enough_is_told_nothing(corpus: Registry) -> None:
    corpus.add([{"text": "x" * 1000 + str(n)} for n in range(2000)], Declared(origin=Origin.HUMAN))
    mix = corpus.mix(MixSpec(strata=real_frac(1.0))).mix
    corpus.close()
    command = [sys.executable, "-m", "provenance", "--registry", str(corpus.path), "export", mix]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""


# -- what is refused


def test_an_empty_folder_is_filled_and_one_with_files_in_it_is_refused(generations: Registry, tmp_path: Path) -> None:
    mix, folder = everything(generations), tmp_path / "out"
    folder.mkdir()
    generations.export(mix, Export(folder))
    names = sorted(tmp_path.rglob("*"))
    with pytest.raises(ProvError, match="has files in it: name another, or empty it first"):
        generations.export(mix, Export(folder))
    assert sorted(tmp_path.rglob("*")) == names


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (Export(Path("out.csv")), "out.csv has no known format: wanted a folder"),
        (Export(Path("out.parquet.zst")), "Parquet is compressed within: name out.parquet instead"),
        (Export(Path("out.jsonl"), format="text"), "names jsonl, but --format says text"),
        (Export(Path("none/out.jsonl")), "no folder none to write out.jsonl into: make it first"),
        (Export(Path("out.jsonl"), shards=2), "--shards needs a folder, but the output is out.jsonl, a file"),
        (Export(Path("out.jsonl"), with_lineage=True), "--with-lineage needs a folder"),
        (Export(Path("-"), with_lineage=True), "--with-lineage needs a folder, but the output is standard output"),
        (Export(Path("-"), shards=2), "--shards needs a folder, but the output is standard output"),
        (Export(Path("-"), format="parquet"), "Parquet cannot go to standard output"),
        (Export(Path("out"), with_lineage=True, ids=True), "leave --ids out"),
        (Export(Path("out"), with_lineage=True, provenance=False), "leave --no-provenance out"),
        (Export(Path("out"), with_lineage=True, format="text"), "leave --format text out"),
        (Export(Path(".")), "name one with -o"),
        (Export(Path("/dev/null"), format="jsonl"), "is no file that can be replaced"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(
    export: Export, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProvError, match=message):
        export.checked()
    assert not list(tmp_path.iterdir())


# -- streaming


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl", "out"])
def test_a_large_export_holds_only_a_part_in_memory(name: str, corpus: Registry, tmp_path: Path) -> None:
    corpus.add(
        ({"text": f"{number} " + "word " * 200} for number in range(200_000)), Declared(origin=Origin.HUMAN)
    )  # 200 MB
    mix = corpus.mix(MixSpec(strata=real_frac(1.0))).mix
    pa.jemalloc_set_decay_ms(0) if pa.default_memory_pool().backend_name == "jemalloc" else None
    before = pa.total_allocated_bytes()
    peak = 0

    def watch(rows: int) -> None:
        nonlocal peak
        peak = max(peak, pa.total_allocated_bytes() - before)

    corpus.export(mix, Export(tmp_path / name, shards=3 if name == "out" else 1), watch)
    assert peak < 100_000_000


def test_an_export_never_takes_the_place_of_the_registry(generations: Registry) -> None:
    mix = everything(generations)
    with pytest.raises(ProvError, match="this very registry"):
        generations.export(mix, Export(generations.path, format="jsonl"))
    assert generations.mix_size(mix)


# -- held-out texts


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl.zst"])
def test_a_test_set_is_each_held_out_text_once_with_where_it_came_from(
    name: str, generations: Registry, tmp_path: Path
) -> None:
    generations.add([{"id": "again", "text": "w wrote 3", "origin": "unknown"}], Declared(source="forum"))
    generations.hold_out("test", where="source = 'wiki' AND id LIKE 'w%'", force=True)
    generations.hold_out("other", where="id = 'b1'", force=True)
    generations.withdraw("w1", reason="asked")
    generations.withdraw("w2", reason="asked", text=True, erase=True)
    assert generations.export_held_out("test", Export(tmp_path / name)) == 18
    rows = exported(tmp_path / name)
    assert sorted(row["text"] for row in rows) == sorted(f"w wrote {n}" for n in range(20) if n not in (1, 2))
    assert {(row["provenance"]["origin"], row["provenance"]["source"]) for row in rows} == {("human", "wiki")}
    digests = [row["provenance"]["text"] for row in rows]
    assert digests == sorted(digests) == [text_digest(row["text"]).hex() for row in rows]


def test_a_test_set_that_was_written_is_listed_when_one_of_its_texts_must_go(
    generations: Registry, tmp_path: Path
) -> None:
    generations.hold_out("test", where="source = 'wiki'", force=True)
    generations.export_held_out("test", Export(tmp_path / "test.jsonl"))
    for item, listed in (("w1", ["held-out texts"]), ("b1", [])):
        assert [row["kind"] for row in generations.impact(item)["exports"] if not row["mix"]] == listed
        gone = generations.withdraw(item, reason="asked", dry_run=True)
        assert [row["kind"] for row in gone.handed_out if not row["mix"]] == listed


def test_a_test_set_of_no_name_no_text_or_into_a_folder_is_refused(generations: Registry, tmp_path: Path) -> None:
    generations.hold_out("test", where="id = 'w1'", force=True)
    for name, path, words in (("tset", "x.jsonl", "no hold-out 'tset': there is test"), ("test", "x", "is a folder")):
        with pytest.raises(ProvError, match=words):
            generations.export_held_out(name, Export(tmp_path / path))
    generations.withdraw("w1", reason="asked")
    with pytest.raises(ProvError, match="were withdrawn or erased"):
        generations.export_held_out("test", Export(tmp_path / "x.jsonl"))
    assert not (tmp_path / "x.jsonl").exists()
