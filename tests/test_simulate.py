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

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from provenance.detection import Seekers
from provenance.errors import ProvError
from provenance.keyring import Key, Keyring, Secret
from provenance.origin import Origin
from provenance.watermark import find_scheme
from registry import Declared, Registry
from registry.copying import replacing
from trainer.curation import Oracle, RanDry
from trainer.experiment import Experiment
from trainer.keeping import InFile, InRegistry, read_results
from trainer.plan import plan
from trainer.registry_pool import RegistryPool
from trainer.results import MEASUREMENT, Picture, Results
from trainer.schedule import make_schedule
from trainer.simulate import simulate
from trainer.testbeds.language import Language

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
        keeper.put(cell, cell.found(list(cell.run(cell.arm.bed()))))
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


# -- curated, through a registry


def curated(held: Registry, *curations: dict[str, Any], **sizes: Any) -> tuple[Experiment, dict[str, list[str]]]:
    """Run crawls that are curated in some ways; of each arm the texts that its last generation learnt from, sorted."""
    schedules = [{"name": "crawl", **one} for one in curations]
    experiment = Experiment.of_grid(NGRAM | {"schedule": schedules} | sizes)
    simulate(experiment, InRegistry(held, experiment), held)
    last = {row["name"].split("/")[1]: row["mix"] for row in held.list("models", None) if "/gen3" in row["name"]}
    return experiment, {arm: learnt(held, mix) for arm, mix in last.items()}


def learnt(held: Registry, mix: str) -> list[str]:
    return sorted(text for batch in held.texts(mix) for text in batch.column("text").to_pylist())


@pytest.mark.slow
def test_a_curator_that_does_not_err_draws_what_the_labels_say_and_names_no_origin(human: Path) -> None:
    with Registry.open(human) as held:
        _, drawn = curated(held, {"curation": "labels"}, {"curation": "oracle", "fpr": 1e-12})
        assert drawn["crawl curation=oracle fpr=1e-12"] == drawn["crawl curation=labels"]
        assert len(drawn["crawl curation=labels"]) == 20 + 2 * 5
        by_curator = [row["spec"] for row in held.list("mixes", None) if "p_model by oracle" in str(row["spec"])]
        assert len(by_curator) == 3
        assert not any("origin" in str(spec) or "human_of" in str(spec) for spec in by_curator)
        assert held.verify().holds


def test_what_a_curator_got_wrong_is_measured_and_what_it_missed_is_learnt_from(human: Path) -> None:
    with Registry.open(human) as held:
        experiment, _ = curated(held, {"curation": "oracle", "tpr": 0.5, "fpr": 0.3})
        rows = InRegistry(held, experiment).close().measurements.to_pylist()
        told = {(row["metric"], row["generation"]): row["value"] for row in rows}
        (mix,) = {row["mix"] for row in held.list("models", None) if row["name"].endswith("/gen3")}
        by_origin = {row["origin"]: row["documents"] for row in held.composition(["origin"], mix)}
    assert told["model_share", 3] == pytest.approx(by_origin["model"] / sum(by_origin.values()))
    assert told["model_share", 1] == told["model_missed", 1] == 0
    assert 0 < told["human_lost", 1] < 0.7
    assert 0 < told["model_missed", 2] < 1


def test_retrieval_leaves_out_what_the_models_wrote_and_a_second_run_adds_nothing(human: Path) -> None:
    with Registry.open(human) as held:
        experiment, _ = curated(held, {"curation": "retrieval"})
        origins = [held.composition(["origin"], row["mix"]) for row in held.list("models", None)]
        assert [row["origin"] for of_one in origins for row in of_one] == ["human"] * 3
        head = held.head()
        simulate(experiment, InRegistry(held, experiment), held)
        assert held.head() == head
        assert held.verify().holds


def test_a_crawl_of_which_nothing_is_judged_human_ends_in_a_line_and_the_registry_is_whole(human: Path) -> None:
    with Registry.open(human) as held:
        with pytest.raises(RanDry, match="of 20 documents none is judged human"):
            curated(held, {"curation": "oracle", "fpr": 1})
        assert held.verify().holds
        assert held.list("models") == []


def test_another_curator_cannot_go_on_where_one_stopped(human: Path) -> None:
    """Half of the documents would have no verdict, and be left out in silence."""
    with Registry.open(human) as held:
        schedule = make_schedule("crawl", 20, 0, {"curation": "oracle", "fpr": 0.1})
        assert schedule.curated
        for generation, seed in ((1, 0), (2, 1)):
            pool = RegistryPool(held, "x", {}, schedule.real(2), 0, curator=Oracle(fpr=0.1, seed=seed))
            if generation == 2:
                with pytest.raises(ProvError, match="20 documents that generations before met were not judged by"):
                    pool.curate(schedule.mix(2), schedule.curated, schedule.crawls(2))
                return
            drawn = pool.curate(schedule.mix(1), schedule.curated, schedule.crawls(1))
            pool.record(1, drawn)
            pool.add(np.array([[f"a text {number} of a model" for number in range(15)]], object), 1)


@pytest.mark.parametrize("bed", ["ngram", "gaussian"])
def test_without_a_registry_nobody_can_be_asked(tmp_path: Path, bed: str) -> None:
    spec = NGRAM | {"testbed": bed, "schedule": {"name": "crawl", "curation": "retrieval"}}
    experiment = Experiment.of_grid(spec)
    with pytest.raises(ProvError, match=r"curation=retrieval judges texts.*--registry"):
        simulate(experiment, InFile(tmp_path / "a.parquet", experiment))


def test_a_plan_of_a_curated_arm_is_that_of_a_curator_that_never_errs(human: Path) -> None:
    schedules = [{"name": "crawl", "curation": "watermark"}, {"name": "crawl", "curation": "oracle", "tpr": 0.1}]
    with Registry.open(human, read_only=True) as held:
        plans = plan(Experiment.of_grid(NGRAM | {"schedule": schedules}), held)
    assert [one.learns for one in plans] == [[{0: 20}, {0: 25}, {0: 30}]] * 2


def key_of(path: Path, bed: Language) -> Keyring:
    """A keyring with the key `mine`, for the tokenizer of a test-bed."""
    keyring, scheme = Keyring.open(path, environment={}), find_scheme("kgw", {})
    digest = keyring.keep_tokenizer(bed.tokenizer.to_str())
    keyring.add(Key.fresh("kgw", {}, digest, Secret(scheme.draw_secret()), "2026-01-01T00:00:00Z", "mine"))
    return keyring


LANGUAGE = {
    "model_size": "micro",
    "vocabulary": 400,
    "context": 128,
    "steps": 40,
    "learning_rate": 0.02,
    "test_texts": 4,
}
MARKED = NGRAM | {
    "testbed": {"name": "language", "key": "mine", **LANGUAGE},
    "schedule": [{"name": "crawl", "curation": "watermark"}],
    "generations": 2,
}


def long_text(number: int) -> str:
    """Enough words for a mark to be seen in as many."""
    return " ".join(np.random.default_rng(number).permutation(" ".join(TEXTS[:40]).split())[:60])


@pytest.fixture
def marking(tmp_path: Path) -> tuple[Path, Keyring]:
    """A registry of 60 human texts, long enough for marks, and a keyring with the key that `MARKED` names."""
    pytest.importorskip("torch", reason="needs corpus-provenance[train]").set_num_threads(1)
    with Registry.create(tmp_path / "long.prov") as held:
        held.add([{"text": long_text(number)} for number in range(60)], Declared(origin=Origin.HUMAN, source="animals"))
        held.hold_out("test", frac=0.2, seed=0)
        bed = Experiment.of_grid(MARKED).arms[0].grounded(held)
    assert isinstance(bed, Language)
    return tmp_path / "long.prov", key_of(tmp_path / "keyring.json", bed)


@pytest.mark.slow
def test_what_models_mark_is_left_out_and_their_runs_say_by_which_key(marking: tuple[Path, Keyring]) -> None:
    experiment, (path, keyring) = Experiment.of_grid(MARKED), marking
    with Registry.open(path) as held:
        kept = InRegistry(held, experiment)
        results = simulate(experiment, kept, held, seekers=lambda key: Seekers.of(keyring, (key,)))
        told = {(row["metric"], row["generation"]): row["value"] for row in results.measurements.to_pylist()}
        assert told["model_missed", 2] < 0.2
        assert told["human_lost", 1] <= 0.1
        runs = [json.loads(row["spec"]) for row in held.list("runs", None) if row["kind"] == "generate"]
        key = keyring.keys()[0]
        assert [run["watermark"] for run in runs] == [{"key": key.id}]
        assert str(key.secret.reveal()[0]).encode() not in path.read_bytes()
        assert held.verify().holds


@pytest.mark.slow
def test_language_models_that_are_killed_go_on_with_no_generation_doubled_or_half_there(
    marking: tuple[Path, Keyring], tmp_path: Path
) -> None:
    """Killed for real while they learn, write, judge and put back."""
    path, keyring = marking
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(MARKED | {"generations": 3}))
    experiment = Experiment.of_grid(MARKED | {"generations": 3})
    with Registry.open(shutil.copy(path, tmp_path / "whole.prov")) as held:
        kept = InRegistry(held, experiment)
        whole = simulate(experiment, kept, held, seekers=lambda key: Seekers.of(keyring, (key,))).measurements
    given = ("simulate", "--spec", str(tmp_path / "spec.yaml"), "--registry", str(path))
    command = [sys.executable, "-m", "provenance", *given]
    environment = os.environ | {"PROV_KEYRING": str(keyring.path)}
    for wait_s in (6, 8, 9, 10, 12):
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            time.sleep(wait_s)
            run.send_signal(signal.SIGKILL)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with Registry.open(path) as held:
        assert InRegistry(held, experiment).close().measurements.equals(whole)
        written = held.composition(["origin", "generator"])
        assert [row["documents"] for row in written if row["origin"] == "model"] == [15, 15]
        assert held.verify().holds


def test_a_run_that_was_cut_short_in_a_training_goes_on_from_its_checkpoint(
    human: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs corpus-provenance[train]").set_num_threads(1)
    from trainer.checkpoint import Checkpoint

    bed = {"name": "language", "model_size": "micro", "context": 16, "vocabulary": 300, "steps": 6, "test_texts": 10}
    experiment = Experiment.of_grid({"testbed": bed, "schedule": "replace", "generations": 2, "size": 20, "repeats": 1})
    with Registry.open(shutil.copy(human, tmp_path / "whole.prov")) as held:
        whole = simulate(experiment, InRegistry(held, experiment), held).measurements
    read, write = Checkpoint.read, Checkpoint.write
    gone_on: list[int] = []

    def cut_short(self: Any, *arguments: Any) -> None:
        write(self, *arguments)
        raise KeyboardInterrupt

    def noted(self: Any, *arguments: Any) -> list[float]:
        losses = read(self, *arguments)
        gone_on.append(len(losses))
        return losses

    with Registry.open(human) as held, monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", cut_short)
        with pytest.raises(KeyboardInterrupt):
            simulate(experiment, InRegistry(held, experiment), held)
    with Registry.open(human) as held, monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "read", noted)
        again = simulate(experiment, InRegistry(held, experiment), held).measurements
    assert gone_on == [6, 0]
    assert again.equals(whole)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".training")]


def test_a_key_of_another_tokenizer_or_without_a_registry_is_refused(human: Path, tmp_path: Path) -> None:
    experiment = Experiment.of_grid(MARKED)
    other = key_of(tmp_path / "keyring.json", Language(held_out=tuple(TEXTS[:50]), vocabulary=310))
    with Registry.open(human) as held, pytest.raises(ProvError, match="the test-bed language writes by another"):
        simulate(experiment, InRegistry(held, experiment), held, seekers=lambda key: Seekers.of(other, (key,)))
    with pytest.raises(ProvError, match=r"key=mine marks what models write.*--registry"):
        simulate(experiment, InFile(tmp_path / "a.parquet", experiment))


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


def test_many_pictures_are_read_back(tmp_path: Path) -> None:
    """Parquet's readers refuse metadata of more than 100 MB where nobody says otherwise."""
    experiment = Experiment.of_grid(NGRAM)
    drawn = [Picture("replace", generation, 0, "x" * 10_000_000) for generation in range(6)]
    with replacing(tmp_path / "out.parquet") as unfinished:
        pq.write_table(Results(experiment.plain(), MEASUREMENT.empty_table(), drawn).table(), unfinished)
    assert list(read_results(tmp_path / "out.parquet").pictures) == drawn


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bed", "extra", "modules"),
    [
        ({"name": "vae", "epochs": 8}, "images", ("torch", "PIL", "sklearn")),
        (
            {"name": "diffusion", "molecules": 6, "conformers": 12, "epochs": 4, "width": 16, "layers": 1},
            "molecules",
            ("torch", "rdkit"),
        ),
    ],
    ids=["vae", "diffusion"],
)
def test_beds_of_arrays_that_are_killed_go_on_arm_by_arm(
    tmp_path: Path, bed: dict[str, Any], extra: str, modules: tuple[str, ...]
) -> None:
    """Killed for real once an arm is kept, and again: what is kept is not run again, all numbers are the same."""
    for module in modules:
        pytest.importorskip(module, reason=f"needs corpus-provenance[{extra}]")
    sizes = {"generations": 3, "size": 40, "repeats": 1, "seed": [0, 1]}
    spec = {"testbed": bed, "schedule": ["replace", "accumulate"], **sizes}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    experiment = Experiment.of_grid(spec)
    whole = simulate(experiment, InFile(tmp_path / "whole.parquet", experiment))
    out, parts = tmp_path / "out.parquet", tmp_path / ".out.parquet.parts"
    command = [sys.executable, "-m", "provenance", "simulate", "--spec", str(tmp_path / "spec.yaml"), "-o", str(out)]
    for kept in (1, 2):
        with subprocess.Popen([*command, "--jobs", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            while run.poll() is None and len(list(parts.glob("*.parquet"))) < kept:
                time.sleep(0.05)
            run.send_signal(signal.SIGKILL)
    assert 2 <= len(list(parts.glob("*.parquet"))) < 4
    subprocess.run(command, check=True, capture_output=True)
    again = read_results(out)
    assert str(again.measurements.to_pylist()) == str(whole.measurements.to_pylist())
    assert list(again.pictures) == list(whole.pictures)
    assert not parts.exists()
