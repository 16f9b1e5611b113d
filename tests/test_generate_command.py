"""`prov generate`: what a model writes goes into the registry with its lineage, and a kill costs a chunk at most."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
pytest.importorskip("transformers", reason="needs corpus-provenance[train]")

from running import Done, Prov, entry_point  # noqa: E402

from provenance.origin import Origin  # noqa: E402
from registry import Declared, MixSpec, Registry, real_frac  # noqa: E402
from trainer import writing  # noqa: E402
from trainer.architecture import Architecture  # noqa: E402
from trainer.model import fresh, load  # noqa: E402
from trainer.tokenizer import train_tokenizer  # noqa: E402
from trainer.writing import Writing, prepare, write  # noqa: E402

torch.set_num_threads(1)
TEXTS = [f"The {word} sat on {other} mats and saw a {word}." for word in ("cat", "dög", "owl") for other in range(20)]
SHORT = ("--length", "8", "--device", "cpu")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry of human texts and the model `one` in `model`, said to have learnt from them."""
    folder = tmp_path_factory.mktemp("made")
    model = fresh(Architecture(size="micro", context=32), train_tokenizer(TEXTS, 300), 1)
    model.save(folder / "model")
    with Registry.create(folder / "corpus.prov") as held:
        rows = [{"id": f"h{place}", "text": text} for place, text in enumerate(TEXTS)]
        held.add(rows, Declared(origin=Origin.HUMAN, source="here"))
        mix = held.mix(MixSpec(strata=real_frac(1.0), size=50, seed=0)).mix
        held.record_model("one", mix=mix, spec={"tokenizer": model.tokenizer_digest}, seed=0)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of `made`, in which the model is recorded where it lies."""
    copy = Path(shutil.copytree(made, tmp_path / "work"))
    with Registry.open(copy / "corpus.prov") as held:
        (row,) = held.list("models")
        digest = load(copy / "model", "cpu").tokenizer_digest
        held.record_model("one", mix=row["mix"], spec={"tokenizer": digest}, seed=0, path=str(copy / "model"))
    return copy


@pytest.fixture
def prov(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """Run `prov` in the folder, by its real entry point but without the start of a process."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PROV_KEYRING", str(folder / "keyring.json"))
    return entry_point(monkeypatch, capfd)


def told(done: Done) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def written(folder: Path) -> dict[str, str]:
    """The texts that models wrote, by id."""
    with Registry.open(folder / "corpus.prov", read_only=True) as held:
        rows = [row for row in held.list("documents") if row["origin"] == "model"]
        return {row["item"]: row["digest"] for row in rows}


def contents(held: Registry) -> dict[str, str]:
    """The texts of all documents by their digests."""
    asked = "SELECT lower(hex(document.digest)), content FROM document JOIN text USING (text_id)"
    return dict(held.connection.execute(asked).fetchall())


# -- into the registry


def test_texts_go_into_the_registry_as_a_run_of_the_model(prov: Prov, folder: Path) -> None:
    value = told(prov("generate", "one", "--count", "10", "--seed", "7", "--temperature", "0.9", *SHORT, "--json"))
    assert (value["model"], value["texts"], value["known"]) == ("one", 10, 0)
    with Registry.open(folder / "corpus.prov", read_only=True) as held:
        (run,) = [row for row in held.list("runs") if row["kind"] == "generate"]
        assert (run["digest"], run["model"]) == (value["run"], "one")
        documents = [row for row in held.list("documents") if row["origin"] == "model"]
        assert {row["item"] for row in documents} == {str(number) for number in range(1, 11)}
        assert {row["generation"] for row in documents} == {1}
        assert held.verify().holds


def test_the_same_again_adds_nothing_and_a_larger_count_adds_the_rest(prov: Prov, folder: Path) -> None:
    prov("generate", "one", "--count", "6", *SHORT)
    first = written(folder)
    again = told(prov("generate", "one", "--count", "6", *SHORT, "--json"))
    assert (again["texts"], again["known"]) == (0, 6)
    more = told(prov("generate", "one", "--count", "9", *SHORT, "--json"))
    assert (more["texts"], more["known"], more["run"]) == (3, 6, again["run"])
    assert written(folder).items() > first.items()
    assert len(written(folder)) == 9


def test_another_way_of_writing_is_another_run(prov: Prov) -> None:
    ways = [(), ("--seed", "1"), ("--top-k", "5"), ("--ending", "eos"), ("--beams", "2")]
    runs = {told(prov("generate", "one", "--count", "2", *SHORT, *way, "--json"))["run"] for way in ways}
    assert len(runs) == len(ways)


def test_lengths_are_those_of_human_texts(prov: Prov, folder: Path) -> None:
    value = told(prov("generate", "one", "--device", "cpu", "--count", "5", "--dry-run", "--json"))
    lengths = [len(ids.ids) for ids in load(folder / "model", "cpu").tokenizer.encode_batch(TEXTS)]
    assert (value["shortest"], value["longest"]) == (min(lengths), min(32, max(lengths)))
    assert not written(folder)


def test_what_is_written_on_from_is_a_parent_and_the_beginning_of_the_text(prov: Prov, folder: Path) -> None:
    prov("generate", "one", "--count", "10", "--prompts", "source = 'here'", "--prompt-tokens", "6", *SHORT)
    with Registry.open(folder / "corpus.prov", read_only=True) as held:
        texts = contents(held)
        parents = set()
        for digest in written(folder).values():
            (parent,) = held.lineage(digest)["parents"]
            parents.add(parent["digest"])
            prefix, text = parent["prefix_chars"], texts[digest]
            assert parent["relation"] == "prompt"
            assert 0 < prefix < len(text)
            assert text[:prefix] == texts[parent["digest"]][:prefix]
        assert len(parents) == 10


def test_a_folder_that_nobody_recorded_is_recorded_as_a_foreign_model(prov: Prov, folder: Path) -> None:
    shutil.copytree(folder / "model", folder / "other")
    prov("generate", "other", "--count", "3", *SHORT)
    with Registry.open(folder / "corpus.prov", read_only=True) as held:
        (row,) = [row for row in held.list("models") if row["name"] == "other"]
        assert (row["is_foreign"], row["path"], row["documents"]) == (True, str(folder / "other"), 3)


# -- marked


def add_key(prov: Prov, tokenizer: Path, scheme: str = "kgw") -> str:
    key: str = told(prov("keys", "add", "mine", "--scheme", scheme, "--tokenizer", str(tokenizer), "--json"))["id"]
    return key


def in_letters(folder: Path) -> None:
    """Make the model of a folder write tokens of plain letters alone, which are the same when they are read again."""
    model = load(folder / "model", "cpu")
    tokens = model.tokenizer.get_vocab()
    with torch.no_grad():
        model.network.transformer.ln_f.bias.fill_(1.0)  # what is added to each score is the sum of a token's weights
        model.network.transformer.wte.weight[[tokens[token] for token in tokens if not token.isalpha()]] = -10.0
        model.network.transformer.wte.weight[[tokens[token] for token in tokens if not token.isascii()]] = -10.0
    shutil.rmtree(folder / "model")
    model.save(folder / "model")


@pytest.mark.parametrize("scheme", ["kgw", "synthid"])
def test_what_is_marked_by_a_key_is_found_by_it(prov: Prov, folder: Path, scheme: str) -> None:
    in_letters(folder)
    key = add_key(prov, folder / "model" / "tokenizer.json", scheme)
    prov("generate", "one", "--count", "40", "--length", "32", "--device", "cpu", "--key", "mine")
    prov("generate", "one", "--count", "40", "--length", "32", "--device", "cpu", "--seed", "1")
    with Registry.open(folder / "corpus.prov", read_only=True) as held:
        specs = [row["spec"] for row in held.list("runs") if row["kind"] == "generate"]
    assert sum(key in json.dumps(spec) for spec in specs) == 1
    found = told(prov("detect", "--key", "mine", "--json"))
    assert found["marked"] > 10
    assert found["disagreements"] + found["marked"] >= 40  # texts of the run that says it used the key


def test_a_key_for_another_tokenizer_is_refused(prov: Prov, folder: Path) -> None:
    (folder / "other.json").write_text(train_tokenizer(TEXTS, 280).to_str(), encoding="utf-8")
    add_key(prov, folder / "other.json")
    done = prov("generate", "one", "--key", "mine", *SHORT, code=1)
    assert "marks by the tokenizer" in done.stderr
    assert not written(folder)


# -- into a file


def test_a_file_needs_no_registry_and_holds_what_the_registry_would(prov: Prov, folder: Path) -> None:
    prov("generate", "one", "--count", "5", *SHORT)
    expected = written(folder)
    (folder / "corpus.prov").rename(folder / "away.prov")
    prov("generate", "model", "-o", "out.jsonl", "--count", "5", *SHORT)
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(row["origin"], row["generator"]) for row in rows} == {("model", "model")}
    with Registry.open(folder / "away.prov", read_only=True) as held:
        texts = contents(held)
    assert [texts[expected[row["id"]]] for row in rows] == [row["text"] for row in rows]


def test_nothing_is_left_of_a_file_that_cannot_be_written(prov: Prov, folder: Path) -> None:
    assert "cannot write" in prov("generate", "model", "-o", "none/out.jsonl", *SHORT, code=1).stderr
    assert "longer than" in prov("generate", "model", "-o", "out.jsonl", "--length", "33", code=1).stderr
    assert not list(folder.glob("*out.jsonl*"))


# -- what does not work is told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./none"], "no such folder"),
        (["one", "--length", "33"], "a text of 33 tokens is longer than the 32"),
        (["one", "--length", "31", "--prompts", "source = 'here'", "--prompt-tokens", "9"], "after a prompt of"),
        (["one", "--prompts", "source = 'nowhere'"], "no document that can be written on from"),
        (["one", "--prompts", "nonsense = 1"], "nonsense"),
        (["one", "--key", "none"], "no key 'none'"),
        (["one", "--beams", "2", "--top-k", "3"], "--beams searches for the likeliest text"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(prov: Prov, folder: Path, arguments: list[str], said: str) -> None:
    done = prov("generate", *arguments, "--device", "cpu", code=1)
    assert said in done.stderr
    assert not written(folder)


def test_a_model_without_a_place_is_told(prov: Prov, folder: Path) -> None:
    with Registry.open(folder / "corpus.prov") as held:
        held.record_model("two", mix=held.list("models")[0]["mix"], seed=5)
    assert "nobody said where the weights of the model two lie" in prov("generate", "two", *SHORT, code=1).stderr


def test_a_tokenizer_that_the_model_did_not_learn_with_is_told(prov: Prov, folder: Path) -> None:
    other = fresh(Architecture(size="micro", context=32), train_tokenizer(TEXTS, 280), 1)
    shutil.rmtree(folder / "model")
    other.save(folder / "model")
    assert "learnt with the tokenizer" in prov("generate", "one", *SHORT, code=1).stderr


def test_no_gpu_is_told(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "GPU" in prov("generate", "one", "--length", "8", "--device", "cuda", code=1).stderr


def biased(folder: Path, token: int, by: float) -> None:
    """Make the model of a folder say one token, or none but that, by a bias of all that it reads."""
    model = load(folder / "model", "cpu")
    network = model.network
    with torch.no_grad():
        network.transformer.ln_f.weight.zero_()
        network.transformer.ln_f.bias.fill_(1.0)
        network.transformer.wte.weight[token] = by
    shutil.rmtree(folder / "model")
    model.save(folder / "model")


def test_a_model_that_ends_every_text_at_once_is_told(prov: Prov, folder: Path) -> None:
    biased(folder, load(folder / "model", "cpu").end, 1e4)
    assert "wrote 0 that are not empty" in prov("generate", "one", "--ending", "eos", *SHORT, code=1).stderr
    assert not written(folder)


def test_a_model_that_says_one_word_is_told_and_its_texts_are_kept(prov: Prov, folder: Path) -> None:
    token = load(folder / "model", "cpu").tokenizer.encode(" cat").ids[0]
    biased(folder, token, 1e4)
    done = prov("generate", "one", "--count", "100", "--length", "32", "--device", "cpu")
    assert "the model repeats itself: only 1 different words in" in done.stderr
    assert len(written(folder)) == 100


def test_scores_that_are_no_numbers_are_told(prov: Prov, folder: Path) -> None:
    biased(folder, 5, float("nan"))
    assert "not numbers" in prov("generate", "one", *SHORT, code=1).stderr


# -- killed


WRITE = """
import sys, torch
torch.set_num_threads(1)
from registry import Registry
from trainer import writing
from trainer.model import load
writing.CHUNK_TEXTS = 8
with Registry.open(sys.argv[1] + "/corpus.prov") as held:
    task = writing.prepare(held, load(sys.argv[1] + "/model", "cpu"), b"", writing.Writing(seed=3))
    writing.write(held, task, "one", 40, told=lambda texts: print(texts, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 2, 4])
def test_killed_it_goes_on_to_what_it_would_have_written(
    folder: Path, tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHUNK_TEXTS", 8)
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    with subprocess.Popen([sys.executable, "-c", WRITE, folder], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        for _ in range(lines):
            running.stdout.readline()
        running.send_signal(signal.SIGKILL)
    for place in (folder, whole):
        with Registry.open(place / "corpus.prov") as held:
            begun = len(written_in(held))
            assert begun % 8 == 0
            task = prepare(held, load(place / "model", "cpu"), b"", Writing(seed=3))
            _, outcome = write(held, task, "one", 40)
            assert (outcome.known, outcome.texts) == (begun, 40 - begun)
            assert held.verify().holds
    assert written(folder) == written(whole)
    assert len(written(folder)) == 40


def written_in(held: Registry) -> list[Any]:
    return [row for row in held.list("documents") if row["origin"] == "model"]
