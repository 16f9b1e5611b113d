"""Experiments: run in any order, by any number of processes, interrupted or not, they give the same numbers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, Registry
from trainer.experiment import Experiment
from trainer.keeping import InFile, InRegistry, read_results
from trainer.plan import plan
from trainer.simulate import simulate

SPEC: dict[str, Any] = {
    "testbed": "gaussian",
    "schedule": ["replace", {"name": "fixed-ratio", "real_frac": [0.1, 0.5]}],
    "generations": 3,
    "size": 10,
    "repeats": 4,
    "seed": [0, 1],
}
TEXTS = [
    f"the {word} sat on the {other} and saw a {word}" for word in ("cat", "dog", "owl", "fox") for other in range(30)
]


def in_file(path: Path, **options: Any) -> bytes:
    """The numbers of the experiment, as they stand in a file of results."""
    experiment = Experiment.of_grid(SPEC)
    simulate(experiment, InFile(path, experiment), **options)
    return numbers(path)


def numbers(path: Path) -> bytes:
    return str(pq.read_table(path).to_pylist()).encode()


# -- what an experiment is


def test_lists_are_a_grid_and_zip_walks_together() -> None:
    grid = Experiment.of_grid({"schedule": ["replace", "accumulate"], "zip": {"size": [10, 20], "generations": [2, 3]}})
    assert [arm.name for arm in grid.arms] == [
        "replace, generations=2, size=10",
        "replace, generations=3, size=20",
        "accumulate, generations=2, size=10",
        "accumulate, generations=3, size=20",
    ]
    assert [arm.name for arm in Experiment.of_grid(SPEC).arms] == [
        "replace",
        "fixed-ratio real_frac=0.1",
        "fixed-ratio real_frac=0.5",
    ]


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        {"schedule": "replace"},
        {"zip": {"size": [10, 20], "testbed": ["gaussian", {"name": "gaussian", "dim": 2}]}},
        {"testbed": {"name": "discrete", "counts": [[1, 2, 3]]}, "size": 6},
    ],
)
def test_the_spec_of_an_experiment_makes_it_again(spec: dict[str, Any]) -> None:
    experiment = Experiment.of_grid(spec)
    again = Experiment.of_grid(yaml.safe_load(yaml.safe_dump(experiment.spec())))
    assert again.digest == experiment.digest


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"size": 0}, "size is 0"),
        ({"sizes": 1}, "no field 'sizes': there is name, seed, zip"),
        ({"testbed": "nothing"}, "no test-bed 'nothing': there is"),
        ({"schedule": "never"}, "no schedule 'never': there is replace"),
        ({"schedule": {"real_frac": 0.1}}, "no name among real_frac"),
        ({"zip": {"size": [1, 2], "repeats": [1]}}, "lists under zip have lengths 1, 2"),
        ({"seed": [1, 1]}, "they are to differ"),
        ({"repeats": "many"}, "repeats is 'many'"),
        ({"repeats": True}, "repeats is True"),
        ({"size": 10**10}, "less than or equal to 1000000000"),
        ({"size": []}, "a list of nothing"),
        ({"seed": []}, "wanted one or more"),
        ({"schedule": None}, "wanted a name"),
        ({"schedule": ["replace", "replace"]}, "'replace' is there more than once"),
        ({"schedule": {"name": "fresh", "size": 3}}, "size is that of the whole arm"),
        ({"schedule": "edit"}, "gaussian cannot edit"),
        ({"testbed": {"name": "discrete", "counts": [1, 2]}}, r"wanted a list: in a spec \[\[1"),
        ({"testbed": {"name": "gaussian", "dims": 2}}, "no such parameter; its parameters are dim"),
        ({"zip": None}, "wanted fields with lists"),
        ({"zip": {"size": [5]}, "size": 7}, "size stands under zip and beside it"),
        ({"name": "a/b"}, "files are named after it"),
        ({"name": ""}, "files are named after it"),
    ],
)
def test_a_spec_that_does_not_fit_is_told_in_a_line(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ProvError, match=words):
        Experiment.of_grid(spec)


# -- the same numbers


def test_processes_and_order_change_no_number(tmp_path: Path) -> None:
    whole = in_file(tmp_path / "whole.parquet")
    assert in_file(tmp_path / "two.parquet", jobs=2) == whole
    for arm in reversed(Experiment.of_grid(SPEC).arms):
        for seed in (1, 0):
            in_file(tmp_path / "cells.parquet", only=arm.name, seed=seed)
    assert numbers(tmp_path / "cells.parquet") == whole


def test_what_is_kept_is_not_run_again(tmp_path: Path) -> None:
    experiment = Experiment.of_grid(SPEC)
    simulate(experiment, InFile(tmp_path / "a.parquet", experiment), only="replace")
    told: list[int] = []
    simulate(experiment, InFile(tmp_path / "a.parquet", experiment), progress=told.append)
    assert sum(told) == 2 * 2 * 3  # two arms, two seeds, three generations
    simulate(experiment, InFile(tmp_path / "a.parquet", experiment), progress=told.append)
    assert sum(told) == 2 * 2 * 3
    assert not list(tmp_path.glob(".*"))


def test_a_run_killed_while_it_tidied_up_holds_nothing_twice(tmp_path: Path) -> None:
    experiment, path = Experiment.of_grid(SPEC), tmp_path / "a.parquet"
    before = in_file(path)
    keeper = InFile(tmp_path / "b.parquet", experiment)
    for cell in experiment.cells():
        keeper.put(cell, cell.measured(list(cell.run(cell.arm.bed()))))
    shutil.copytree(keeper.parts, tmp_path / ".a.parquet.parts")
    assert in_file(path) == before


def test_arms_of_different_lengths_stand_in_one_table(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("{schedule: replace, generations: [2, 3], size: 5, repeats: 2}")
    table = prov(tmp_path, "simulate", "--spec", "spec.yaml", "-o", "a.parquet").stdout
    assert "last generation" in table
    assert "3: " in table


@pytest.mark.slow
@pytest.mark.parametrize("signalled", ["group", "one"])
def test_an_interrupted_run_keeps_what_is_done_and_leaves_no_process(tmp_path: Path, signalled: str) -> None:
    given = "--schedule replace,accumulate,fresh,crawl --generations 60 --size 400 --repeats 1500 --jobs 2 -o a.parquet"
    command = [sys.executable, "-m", "provenance", "simulate", *given.split()]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    parts = tmp_path / ".a.parquet.parts"
    while not list(parts.glob("*.parquet")):
        assert run.poll() is None
        time.sleep(0.05)
    (os.killpg if signalled == "group" else os.kill)(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=10)  # a worker that lived on would hold stderr open
    assert run.returncode == 130
    assert said.strip().splitlines() == ["prov: interrupted, nothing half done was kept"]
    assert list(parts.glob("*.parquet"))


def test_arms_of_one_seed_share_their_first_generation(tmp_path: Path) -> None:
    in_file(tmp_path / "a.parquet")
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    first = {
        (row["arm"], row["repeat"]): row["value"]
        for row in rows
        if row["generation"] == 1 and row["metric"] == "variance"
    }
    for repeat in range(8):
        assert len({value for (_, of), value in first.items() if of == repeat}) == 1
    assert len(set(first.values())) == 8


def test_another_experiment_leaves_the_file_alone(tmp_path: Path) -> None:
    in_file(tmp_path / "a.parquet")
    before = (tmp_path / "a.parquet").read_bytes()
    other = Experiment.of_grid(SPEC | {"size": 11})
    with pytest.raises(ProvError, match="holds another experiment"):
        InFile(tmp_path / "a.parquet", other)
    assert (tmp_path / "a.parquet").read_bytes() == before


def test_cells_in_registries_of_their_own_merge_to_what_one_run_gives(tmp_path: Path) -> None:
    experiment = Experiment.of_grid(SPEC)
    whole = in_file(tmp_path / "whole.parquet")
    for index, arm in enumerate(experiment.arms):
        with Registry.create(tmp_path / f"{index}.prov") as held:
            simulate(experiment, InRegistry(held, experiment), held, only=arm.name)
    with Registry.open(tmp_path / "0.prov") as joined:
        for index in (2, 1):
            joined.merge(tmp_path / f"{index}.prov")
        found = InRegistry(joined, experiment).close()
        assert joined.verify().holds
    assert str(found.measurements.to_pylist()).encode() == whole


# -- through a registry


@pytest.fixture
def human(tmp_path: Path) -> Path:
    """A registry of 120 human texts, of which some are held out."""
    with Registry.create(tmp_path / "human.prov") as held:
        held.add([{"text": text} for text in TEXTS], Declared(origin=Origin.HUMAN, source="animals"))
        held.hold_out("test", frac=0.2, seed=0)
    return tmp_path / "human.prov"


NGRAM = {
    "testbed": "ngram",
    "schedule": ["replace", "accumulate", "weighted"],
    "generations": 3,
    "size": 20,
    "repeats": 1,
}


def test_texts_go_through_the_registry_with_their_lineage(human: Path) -> None:
    experiment = Experiment.of_grid(NGRAM)
    with Registry.open(human) as held:
        results = simulate(experiment, InRegistry(held, experiment), held)
        models = {row["name"].split("/", 1)[1]: row for row in held.list("models", None)}
        assert models["replace/0/gen3"]["generation"] == 3
        assert models["accumulate/0/gen3"]["generation"] == 3
        written = [row for row in held.list("documents", None) if row["origin"] == "model"]
        assert len(written) == 2 * 20 + 2 * 20 + 2 * 10
        lineage = held.lineage(written[0]["digest"])
        assert held.contamination() == {"mixes": [], "models": []} or not held.contamination()["mixes"]
        assert lineage
        assert held.verify().holds
    assert len(results.measurements) == 3 * 3 * 6


def test_accumulating_learns_from_the_first_generations_human_texts_alone(human: Path) -> None:
    experiment = Experiment.of_grid(NGRAM | {"schedule": "accumulate"})
    with Registry.open(human) as held:
        simulate(experiment, InRegistry(held, experiment), held)
        last = held.list("models", 1)[0]["mix"]
        by_generation = {row["generation"]: row["documents"] for row in held.composition(["generation"], last)}
    assert by_generation == {0: 20, 1: 20, 2: 20}


def test_arms_run_through_copies_of_a_registry_merge_to_what_one_run_gives(human: Path, tmp_path: Path) -> None:
    experiment = Experiment.of_grid(NGRAM | {"schedule": ["replace", "accumulate"], "generations": 2})
    copies = [Path(shutil.copy(human, tmp_path / f"{name}.prov")) for name in ("whole", "replace", "accumulate")]
    for path, only in zip(copies, (None, "replace", "accumulate"), strict=True):
        with Registry.open(path) as held:
            simulate(experiment, InRegistry(held, experiment), held, only=only)
    with Registry.open(copies[1]) as joined, Registry.open(copies[0], read_only=True) as whole:
        joined.merge(copies[2])
        found, wanted = (InRegistry(held, experiment).close().measurements for held in (joined, whole))
        assert found.equals(wanted)
        assert {row["digest"] for row in joined.list("mixes", None)} == {
            row["digest"] for row in whole.list("mixes", None)
        }
        assert joined.composition() == whole.composition()
        assert joined.verify().holds


def test_without_held_out_texts_it_says_how_to_hold_some_out(tmp_path: Path) -> None:
    experiment = Experiment.of_grid(NGRAM)
    with Registry.create(tmp_path / "r.prov") as held:
        held.add([{"text": text} for text in TEXTS], Declared(origin=Origin.HUMAN))
        with pytest.raises(ProvError, match="prov hold-out"):
            simulate(experiment, InRegistry(held, experiment), held)


# -- before anything runs


def test_a_plan_tells_when_human_texts_are_used_again_and_run_out(human: Path) -> None:
    schedules = ["replace", "accumulate", {"name": "fresh", "real_frac": 0.9}]
    experiment = Experiment.of_grid(NGRAM | {"schedule": schedules, "size": 60})
    with Registry.open(human, read_only=True) as held:
        replace, accumulate, fresh = plan(experiment, held)
    assert replace.learns == [{0: 60}, {1: 60}, {2: 60}]
    assert (replace.runs_out, replace.human_again_from) == (None, None)
    assert accumulate.learns == [{0: 60}, {0: 60, 1: 60}, {0: 60, 1: 60, 2: 60}]
    assert accumulate.human_again_from == 2
    assert "needs 168 human texts" in str(fresh.runs_out)
    assert (fresh.human_needed, fresh.human_held) == (60 + 2 * 54, 96)


# -- the command


def prov(folder: Path, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "PROV_DB"}
    command = [sys.executable, "-m", "provenance", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_command_prints_a_verdict_for_each_arm_and_measure(tmp_path: Path) -> None:
    given = ("simulate", "--schedule", "replace,fixed-ratio:real_frac=0.5", "--generations", "8", "--size", "20")
    table = prov(tmp_path, *given, "-o", "out.parquet").stdout
    assert "worse than the baseline" in table
    assert "fixed-ratio real_frac=0.5" in table
    told = json.loads(prov(tmp_path, *given, "-o", "out.parquet", "--json").stdout)
    assert {verdict["arm"] for verdict in told["verdicts"]} == {"replace", "fixed-ratio real_frac=0.5"}
    assert told["experiment"]["arms"][0]["schedule"] == "replace"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--spec", "none.yaml"), "cannot read none.yaml"),
        (("--spec", "bad.yaml"), "bad.yaml is no YAML"),
        (("--spec", "list.yaml"), "holds no fields"),
        (("--spec", "good.yaml", "--size", "3"), "--size and --spec both say"),
        (("--spec", "good.yaml", "--only", "nothing"), "no arm 'nothing': there is replace"),
        (("--spec", "good.yaml", "--seed", "9"), "no seed 9: there is 0"),
        (("--seed", "x"), "--seed has 'x'"),
        (("--schedule", "fixed-ratio:0.1"), "wanted KEY=VALUE"),
        (("--spec", "twice.yaml"), "'size' is there twice in line 1"),
        (("--spec", "circle.yaml"), "a list that holds itself"),
        (("--testbed", "gaussian:dim=[1"), "cannot be read"),
        (("--size", "1"), "2 samples or more"),
        (("-o", "."), "is a folder"),
        (("-o", "nowhere/out.parquet"), "no folder nowhere"),
        (("-o", "good.yaml"), "cannot be read as Parquet"),
        (("--registry", "none.prov"), "no registry at none.prov"),
    ],
)
def test_bad_input_is_a_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "good.yaml").write_text(yaml.safe_dump({"schedule": "replace", "generations": 2, "size": 5}))
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "twice.yaml").write_text("size: 3\nsize: 4")
    (tmp_path / "circle.yaml").write_text("size: &a [*a]")
    done = prov(tmp_path, "simulate", *arguments, code=1)
    assert done.stderr.startswith("prov: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("through_registry", [False, True], ids=["file", "registry"])
def test_a_killed_run_goes_on_to_the_same_numbers(human: Path, tmp_path: Path, through_registry: bool) -> None:
    """Killed for real, again and again, at other moments."""
    spec = NGRAM | {"generations": 4, "size": 30, "repeats": 1} if through_registry else NGRAM | {"repeats": 8}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    experiment = Experiment.of_grid(spec)
    given = ["--registry", str(human)] if through_registry else ["-o", str(tmp_path / "out.parquet"), "--jobs", "1"]
    command = [sys.executable, "-m", "provenance", "simulate", "--spec", str(tmp_path / "spec.yaml"), *given]
    if through_registry:
        whole_file = tmp_path / "whole.prov"
        whole_file.write_bytes(human.read_bytes())
        with Registry.open(whole_file) as held:
            whole = str(simulate(experiment, InRegistry(held, experiment), held).measurements.to_pylist())
    else:
        whole = str(simulate(experiment, InFile(tmp_path / "whole.parquet", experiment)).measurements.to_pylist())
    for wait_s in (1.2, 1.6, 2.0, 2.6, 3.4):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(wait_s)
            process.send_signal(signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)
    if through_registry:
        with Registry.open(human) as held:
            assert str(InRegistry(held, experiment).close().measurements.to_pylist()) == whole
            assert held.verify().holds
    else:
        assert str(read_results(tmp_path / "out.parquet").measurements.to_pylist()) == whole
