"""`prov train`: a mix becomes a model that is recorded with its lineage, and what cannot be trained on is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
pytest.importorskip("transformers", reason="needs corpus-provenance[train]")

from running import Done, Prov, entry_point  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from registry import Declared, MixSpec, Registry, real_frac  # noqa: E402
from registry.mix import Stratum  # noqa: E402
from registry.where import Where  # noqa: E402
from trainer.model import load  # noqa: E402
from trainer.tokenizer import train_tokenizer  # noqa: E402

torch.set_num_threads(1)
TEXTS = [f"The {word} sat on {other} mats and saw a {word}." for word in ("cat", "dog", "owl") for other in range(20)]
QUICK = ("--size", "micro", "--context", "32", "--vocabulary", "300", "--steps", "6", "--device", "cpu")


@pytest.fixture
def mix(tmp_path: Path) -> str:
    """A mix of a registry in `corpus.prov`; each second text goes on from a prompt of eight characters."""
    with Registry.create(tmp_path / "corpus.prov") as held:
        held.add([{"id": "p", "text": "a prompt"}], Declared(origin="unknown"))  # type: ignore[arg-type]
        rows: list[dict[str, Any]] = [{"id": f"h{place}", "text": text} for place, text in enumerate(TEXTS)]
        for row in rows[::2]:
            row["parents"] = [{"id": "p", "relation": "prompt", "prefix_chars": 8}]
        held.add(rows, Declared(origin="human", source="here"))  # type: ignore[arg-type]
        return held.mix(MixSpec(strata=real_frac(1.0), size=50, seed=0)).mix


@pytest.fixture
def prov(mix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """Run `prov` in the folder of the registry, by its real entry point but without the start of a process."""
    monkeypatch.chdir(tmp_path)
    return entry_point(monkeypatch, capfd)


def told(done: Done) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_a_model_is_trained_written_and_recorded_with_its_lineage(prov: Prov, mix: str, tmp_path: Path) -> None:
    value = told(prov("train", mix, "-o", "models/one", *QUICK, "--json"))
    assert (value["model"], value["generation"], value["steps"]) == ("one", 1, 6)
    assert value["documents"] == 50
    model = load(tmp_path / "models" / "one")
    assert len(model.losses) == 6
    assert value["loss"] == {"first": model.losses[0], "last": model.losses[-1]}
    assert model.training["mix"].startswith(mix)
    assert model.tokenizer_digest == value["tokenizer"] == model.training["tokenizer"]
    with Registry.open(tmp_path / "corpus.prov") as held:
        (row,) = held.list("models")
        assert (row["name"], row["mix"][:12], row["path"]) == ("one", mix, str(tmp_path / "models" / "one"))
        assert held.verify().holds
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["one"]


def test_the_same_again_trains_nothing_and_records_nothing(prov: Prov, mix: str, tmp_path: Path) -> None:
    first = prov("train", mix, "-o", "one", *QUICK).stdout
    made = (tmp_path / "one" / "model.safetensors").stat().st_mtime_ns
    with Registry.open(tmp_path / "corpus.prov") as held:
        head = held.head()
    assert prov("train", mix, "-o", "one", *QUICK).stdout == first
    assert (tmp_path / "one" / "model.safetensors").stat().st_mtime_ns == made
    with Registry.open(tmp_path / "corpus.prov") as held:
        assert held.head() == head


def test_a_dry_run_tells_what_there_is_and_trains_nothing(prov: Prov, mix: str, tmp_path: Path) -> None:
    value = told(prov("train", mix, "-o", "one", *QUICK, "--dry-run", "--json"))
    assert {"tokens", "blocks", "steps", "parameters", "documents"} <= value.keys()
    assert value["steps"] == 6
    assert not (tmp_path / "one").exists()
    with Registry.open(tmp_path / "corpus.prov") as held:
        assert held.list("models") == []


def test_a_model_is_fine_tuned_from_a_recorded_one_and_descends_from_it(prov: Prov, mix: str, tmp_path: Path) -> None:
    prov("train", mix, "-o", "one", *QUICK)
    for base in ("one", str(tmp_path / "one")):
        name = f"two-{len(base)}"
        value = told(prov("train", mix, "-o", name, "--model", base, "--steps", "2", "--device", "cpu", "--json"))
        assert (value["context"], value["generation"]) == (32, 1)
        with Registry.open(tmp_path / "corpus.prov") as held:
            assert next(row for row in held.list("models") if row["name"] == name)["base"] == "one"
    assert load(tmp_path / name).tokenizer_digest == load(tmp_path / "one").tokenizer_digest


def test_a_foreign_model_that_is_fine_tuned_is_recorded_as_the_base(prov: Prov, mix: str, tmp_path: Path) -> None:
    prov("train", mix, "-o", "one", *QUICK)
    os.rename("one", "foreign")
    (tmp_path / "foreign" / "prov.json").unlink()
    value = told(prov("train", mix, "-o", "two", "--model", "foreign", "--steps", "2", "--device", "cpu", "--json"))
    assert value["generation_exact"] is False
    with Registry.open(tmp_path / "corpus.prov") as held:
        assert held.list("models")[0]["base"] == "foreign"


def test_of_prompts_only_continuations_are_learnt(prov: Prov, mix: str) -> None:
    plain = told(prov("train", mix, "-o", "one", *QUICK, "--dry-run", "--json"))
    sft = told(prov("train", mix, "-o", "one", *QUICK, "--sft", "--dry-run", "--json"))
    assert plain["learnt_tokens"] == plain["tokens"] == sft["tokens"]
    assert 0 < sft["learnt_tokens"] < sft["tokens"]
    prov("train", mix, "-o", "one", *QUICK, "--sft")


def test_a_tokenizer_comes_from_a_file_or_from_another_mix(prov: Prov, mix: str, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["abc abc"], 280)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str())
    with Registry.open(tmp_path / "corpus.prov") as held:
        other = held.mix(MixSpec(strata=real_frac(1.0), size=5, seed=1)).mix
    own, from_file, from_mix = (
        told(prov("train", mix, "-o", "one", *QUICK, *more, "--dry-run", "--json"))["tokenizer"]
        for more in ((), ("--tokenizer", "tokenizer.json"), ("--tokenizer-mix", other))
    )
    assert len({own, from_file, from_mix}) == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--device", "cuda"), "a GPU"),
        (("--context", "8", "--size", "huge"), "size"),
        (("--epochs", "2"), "--epochs and --steps both"),
        (("--model", "./none"), "there is no such folder"),
        (("--config", "none.json"), "--config and --size"),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_line(prov: Prov, mix: str, more: tuple[str, ...], said: str) -> None:
    if more[0] == "--device" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    options = [option for option in QUICK if more[0] != "--model" or option not in ("--size", "micro")]
    done = prov("train", mix, "-o", "one", *options, *more, code=1)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_mix_that_ran_dry_is_told(prov: Prov, tmp_path: Path) -> None:
    with Registry.open(tmp_path / "corpus.prov") as held:
        where = Where.parse("id IN ('h1', 'h3')")
        small = held.mix(MixSpec(strata=(Stratum(where=where, share=1),), seed=0)).mix
        held.withdraw("h1", reason="asked", erase=True)
    assert "1 documents of the mix are erased" in prov("train", small, "-o", "one", *QUICK).stderr
    with Registry.open(tmp_path / "corpus.prov") as held:
        held.withdraw("h3", reason="asked", erase=True)
    said = prov("train", small, "-o", "two", *QUICK, code=1).stderr
    assert "has no text to learn from, all 2 of its documents are erased" in said


def test_a_model_whose_loss_is_no_number_is_not_kept(prov: Prov, mix: str, tmp_path: Path) -> None:
    prov("train", mix, "-o", "one", *QUICK)
    weights = tmp_path / "one" / "model.safetensors"
    save_file({name: held * torch.nan for name, held in load_file(weights).items()}, weights, {"format": "pt"})
    (tmp_path / "one" / "prov.json").unlink()
    said = prov("train", mix, "-o", "two", "--model", "one", "--steps", "2", "--device", "cpu", code=1).stderr
    assert "the loss is not a number at step 1 of 2" in said
    assert not (tmp_path / "two").exists()


def test_another_model_in_the_folder_or_of_the_name_is_kept(prov: Prov, mix: str, tmp_path: Path) -> None:
    prov("train", mix, "-o", "one", *QUICK)
    digest = load(tmp_path / "one").weights_digest
    other = prov("train", mix, "-o", "one", "--name", "two", *QUICK, "--seed", "1", code=1)
    assert "one is there already, and is not of this training" in other.stderr
    other = prov("train", mix, "-o", "two", "--name", "one", *QUICK, "--seed", "1", code=1)
    assert "a model 'one' is recorded already" in other.stderr
    assert not (tmp_path / "two").exists()
    assert load(tmp_path / "one").weights_digest == digest


def test_a_folder_that_cannot_be_made_is_told_and_the_registry_is_whole(prov: Prov, mix: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write" in prov("train", mix, "-o", "file/one", *QUICK, code=1).stderr
    with Registry.open(tmp_path / "corpus.prov") as held:
        assert held.list("models") == []
        assert held.verify().holds


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(prov: Prov, mix: str, tmp_path: Path) -> None:
    options = [*QUICK[:-4], "--steps", "300", "--checkpoint-steps", "20", "--device", "cpu"]
    prov("train", mix, "-o", "whole", *options)
    command = [sys.executable, "-m", "provenance", "train", mix, "-o", "killed", *options]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # as here: more would add up in another order
    kept = tmp_path / ".killed.training"
    for _ in range(2):
        before = [path.stat().st_mtime_ns for path in kept.glob("*.safetensors")]
        with subprocess.Popen(command, cwd=tmp_path, env=one_thread, stderr=subprocess.DEVNULL) as running:
            while [path.stat().st_mtime_ns for path in kept.glob("*.safetensors")] == before:
                assert running.poll() is None, "it ended before it kept anything"
                time.sleep(0.005)
            running.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed").exists()
    prov("train", mix, "-o", "killed", *options)
    assert load(tmp_path / "killed").weights_digest == load(tmp_path / "whole").weights_digest
    assert load(tmp_path / "killed").losses == load(tmp_path / "whole").losses
    assert not kept.exists()
