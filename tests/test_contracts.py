"""Promises that every reader, writer, test-bed and schedule keeps, newcomers too: the tests run over the tables."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance.errors import ProvError
from registry import Declared, Export, MixSpec, Registry, real_frac
from registry.readers import READERS, SELF_COMPRESSED, Input, read
from registry.writers import FORMATS, WRITERS
from trainer.experiment import Experiment
from trainer.loop import Report, run_generations
from trainer.pool import ArrayPool
from trainer.schedule import SCHEDULES, make_schedule
from trainer.streams import stream
from trainer.testbed import TestBed, find_testbed, make_testbed, names

ROWS = [
    {"id": f"d{n}", "text": f"text {n}\nwith “quotes”, a comma and a tab\t.", "origin": "human", "lang": "de"}
    for n in range(20)
]


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")


def write_csv(path: Path, delimiter: str = ",") -> None:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)


def write_tsv(path: Path) -> None:
    write_csv(path, "\t")


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


def write_arrow(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


def write_text(path: Path) -> None:
    path.write_text("\n\n".join(row["text"] for row in ROWS), encoding="utf-8")


SAMPLES: dict[str, Callable[[Path], None]] = {
    ".jsonl": write_jsonl,
    ".ndjson": write_jsonl,
    ".json": write_jsonl,
    ".csv": write_csv,
    ".tsv": write_tsv,
    ".parquet": write_parquet,
    ".arrow": write_arrow,
    ".feather": write_arrow,
    ".txt": write_text,
}


@pytest.fixture(params=READERS)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A small file of each format that is read; a new format needs a sample in `SAMPLES`."""
    path = tmp_path / f"sample{request.param}"
    SAMPLES[request.param](path)
    return path


def digests(path: Path, *files: Path) -> list[str]:
    with Registry.create(path) as held:
        held.ingest(files, Declared(), split="paragraphs")
        return sorted(row["digest"] for row in held.list("documents"))


def test_a_reader_gives_every_text_byte_for_byte(sample: Path) -> None:
    texts = [row.values["text"] for row in read(Input(sample, sample.name), "paragraphs")]
    assert texts == [row["text"] for row in ROWS]


def test_a_reader_numbers_rows_from_one_and_says_where_they_are(sample: Path) -> None:
    rows = list(read(Input(sample, sample.name), "paragraphs"))
    assert [row.number for row in rows] == list(range(1, len(ROWS) + 1))
    assert all(row.place for row in rows)


def test_rows_with_ids_are_the_same_documents_in_every_format(sample: Path, tmp_path: Path) -> None:
    if sample.suffix == ".txt":
        pytest.skip("plain text carries no ids")
    write_jsonl(tmp_path / "other.jsonl")
    assert digests(tmp_path / "a.prov", sample) == digests(tmp_path / "b.prov", tmp_path / "other.jsonl")


def test_a_compressed_file_is_the_same_rows(sample: Path) -> None:
    if sample.suffix in SELF_COMPRESSED:
        pytest.skip("it compresses by itself")
    packed = sample.with_name(sample.name + ".gz")
    packed.write_bytes(gzip.compress(sample.read_bytes()))
    plain, unpacked = (list(read(Input(path, "x"), "paragraphs")) for path in (sample, packed))
    assert plain == unpacked


def test_an_empty_file_is_no_rows_or_one_clear_line(sample: Path, tmp_path: Path) -> None:
    sample.write_bytes(b"")
    with Registry.create(tmp_path / "r.prov") as held:
        if sample.suffix in SELF_COMPRESSED:
            with pytest.raises(ProvError, match=sample.name):
                held.ingest([sample], skip_bad=True)
        else:
            assert held.ingest([sample], skip_bad=True).added == 0


def test_a_file_broken_half_way_is_one_clear_line_and_nothing_is_kept(sample: Path, tmp_path: Path) -> None:
    packed = sample.with_name(sample.name + ".gz")
    whole = gzip.compress(sample.read_bytes())
    packed.write_bytes(whole[: len(whole) // 2])
    with Registry.create(tmp_path / "r.prov") as held:
        with pytest.raises(ProvError) as raised:
            held.ingest([packed], skip_bad=True)
        assert held.stats()["documents"] == 0
    assert len(str(raised.value).splitlines()) == 1
    assert packed.name in str(raised.value)


@pytest.mark.parametrize("format", WRITERS)
def test_every_format_is_written_whole_and_in_the_order_of_the_mix(format: Any, tmp_path: Path) -> None:
    suffix = {name: suffix for suffix, name in FORMATS.items()}[format]
    target = tmp_path / f"out{suffix}"
    with Registry.create(tmp_path / "r.prov") as held:
        held.add(ROWS)
        drawn = held.mix(MixSpec(strata=real_frac(1.0), size=10, seed=3))
        held.export(drawn.mix, Export(target, provenance=False))
        wanted = [text for batch in held.texts(drawn.mix) for text in batch.column("text").to_pylist()]
    if format == "text":
        assert target.read_text(encoding="utf-8") == "".join(f"{text}\n\n" for text in wanted)
    else:
        assert [row.values["text"] for row in read(Input(target, target.name))] == wanted


@pytest.mark.parametrize("format", [name for name in WRITERS if name != "text"])
def test_what_is_written_with_its_provenance_adds_nothing_when_it_comes_back(format: Any, tmp_path: Path) -> None:
    suffix = {name: suffix for suffix, name in FORMATS.items()}[format]
    with Registry.create(tmp_path / "r.prov") as held:
        held.add(ROWS)
        drawn = held.mix(MixSpec(strata=real_frac(1.0), seed=3))
        written = held.export(drawn.mix, Export(tmp_path / f"out{suffix}"))
        head = held.head()
        assert held.ingest([written]).added == 0
        assert held.head() == head


# -- test-beds under schedules

BEDS = names()
QUICK: dict[str, dict[str, Any]] = {
    "language": {"model_size": "micro", "vocabulary": 300, "context": 16, "steps": 2, "batch_size": 2, "test_texts": 3},
    "diffusion": {"molecules": 6, "conformers": 12, "epochs": 1, "width": 4, "layers": 1, "denoising": 2},
    "vae": {"epochs": 1, "width": 2},
}
"""Parameters of a test-bed whose defaults would take too long here."""


def run(bed: str, schedule: str, size: int = 12, generations: int = 4, repeats: int = 1, seed: int = 0) -> list[Report]:
    """What came of an arm."""
    sizes = {"size": size, "generations": generations, "repeats": repeats, "seed": seed}
    named = {"name": bed, **QUICK.get(bed, {})}
    cell = Experiment.of_grid({"testbed": named, "schedule": schedule, **sizes}).cells()[0]
    return list(cell.run(cell.arm.bed()))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("bed", BEDS)
def test_a_test_bed_runs_under_a_schedule_reproducibly(bed: str, schedule: str) -> None:
    if schedule == "edit" and find_testbed(bed).edit is TestBed.edit:
        with pytest.raises(ProvError, match=f"{bed} cannot edit"):
            run(bed, schedule)
        return
    repeats = 2 if find_testbed(bed).vectorised else 1
    first, again = (run(bed, schedule, repeats=repeats, seed=1) for _ in range(2))
    other = run(bed, schedule, generations=1, repeats=repeats, seed=2)
    assert [report.generation for report in first] == [1, 2, 3, 4]
    for one, same in zip(first, again, strict=True):
        assert one.counts == same.counts
        assert one.measures.keys() == same.measures.keys() == first[0].measures.keys()
        for metric, values in one.measures.items():
            assert values.shape == (repeats,)
            assert values.dtype == np.float64
            np.testing.assert_array_equal(values, same.measures[metric])
    assert any((values != other[0].measures.get(metric)).any() for metric, values in first[0].measures.items())


@pytest.mark.parametrize("bed", BEDS)
def test_no_sample_is_not_a_number(bed: str) -> None:
    made, scheduled = make_testbed(bed, QUICK.get(bed, {})), make_schedule("accumulate", 12, 0, {})
    repeats = 2 if made.vectorised else 1
    pool = ArrayPool(0)
    pool.add(made.real(scheduled.real(4), repeats, stream(0, 0, "real")), 0)
    assert len(list(run_generations(made, scheduled, pool, 4, 0))) == 4
    held = pool.held[:, : pool.size]
    assert held.dtype == object or np.isfinite(held).all()


@pytest.mark.parametrize("bed", BEDS)
def test_parameters_that_do_not_fit_are_refused_in_one_line(bed: str) -> None:
    fields = find_testbed(bed).model_fields
    floats = {name for name, field in fields.items() if field.annotation is float}
    refused: list[dict[str, Any]] = [
        {"nonsense": 1},
        *({name: wrong} for name in floats for wrong in (np.nan, np.inf, -1, "much")),
    ]
    for parameters in refused:
        with pytest.raises(ProvError) as error:
            make_testbed(bed, parameters)
        assert "\n" not in str(error.value)
        assert next(iter(parameters)) in str(error.value)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("schedule", ["replace", "accumulate-subsample", "weighted"])
@pytest.mark.parametrize("bed", BEDS)
def test_the_smallest_sizes_are_a_result_or_refused(bed: str, schedule: str, size: int) -> None:
    for generations in (1, 3):
        try:
            reports = run(bed, schedule, size, generations)
        except ProvError:
            continue
        assert len(reports) == generations


@pytest.mark.parametrize("bed", BEDS)
def test_theory_names_what_is_measured(bed: str) -> None:
    made = make_testbed(bed, {})
    reports = run(bed, "replace", size=20, generations=1)
    for schedule in SCHEDULES:
        expected = made.theory(schedule, 20, 3)
        assert expected.keys() <= reports[0].measures.keys()
        assert np.isfinite(list(expected.values())).all()


def test_a_test_bed_of_no_name_is_refused() -> None:
    with pytest.raises(ProvError, match="gaussian"):
        make_testbed("gausian", {})
