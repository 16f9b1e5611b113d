"""The language test-bed: it learns what texts say, writes texts of human length, and is measured on others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import ProvError
from registry import Declared, Registry
from trainer.architecture import SIZES, Architecture
from trainer.experiment import Experiment
from trainer.keeping import InFile, InRegistry
from trainer.loop import run_generations
from trainer.model import fresh, load, weighed_documents
from trainer.pool import ArrayPool
from trainer.schedule import make_schedule
from trainer.simulate import simulate
from trainer.streams import stream
from trainer.testbed import Degenerate, make_testbed
from trainer.testbeds.language import Language, _tokenizer
from trainer.texts import as_array, paragraphs
from trainer.tokenizer import BOS, EOS, PAD, train_tokenizer

MICRO: dict[str, Any] = {"model_size": "micro", "vocabulary": 300, "context": 32, "steps": 4, "test_texts": 8}
HUMAN = [f"The {word} sat on {other} mats and saw a {word}." for word in ("cat", "dog", "owl") for other in range(30)]
GENERATOR = np.random.default_rng


def needs_training() -> None:
    pytest.importorskip("torch", reason="needs corpus-provenance[train]").set_num_threads(1)
    pytest.importorskip("transformers", reason="needs corpus-provenance[train]")


# -- without torch


def test_the_tokenizer_of_the_same_texts_is_the_same() -> None:
    texts = paragraphs(None)[:300]
    first = Language(held_out=texts).tokenizer_digest
    for _ in range(3):
        _tokenizer.cache_clear()
        assert Language(held_out=texts).tokenizer_digest == first
    assert Language(held_out=texts[:50]).tokenizer_digest != first
    assert Language(held_out=texts, vocabulary=300).tokenizer_digest != first


def test_the_record_of_a_test_bed_has_the_digest_of_its_tokenizer_and_no_text() -> None:
    bed = Language(held_out=tuple(HUMAN))
    assert bed.parameters()["tokenizer"] == bed.tokenizer_digest
    assert "owl" not in str(bed.parameters())


@given(st.text() | st.sampled_from([f"a{BOS}b", EOS, PAD * 2]))
def test_tokens_are_any_text_exactly_and_never_special(text: str) -> None:
    tokenizer = Language(held_out=tuple(HUMAN)).tokenizer
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids) == text
    assert not {0, 1, 2} & set(ids)


def test_documents_begin_with_bos_and_end_with_eos_and_those_without_text_or_weight_are_left_out() -> None:
    tokenizer = Language(held_out=tuple(HUMAN)).tokenizer
    weights = np.array([0.1, 0.5, 0.0, 0.4])
    documents, weighed = weighed_documents(tokenizer, 0, 1, ["a cat", "", "a dog", "an owl"], weights)
    assert [tokenizer.decode(ids, skip_special_tokens=False) for ids in documents] == [
        f"{BOS}a cat{EOS}",
        f"{BOS}an owl{EOS}",
    ]
    assert weighed == pytest.approx([0.4, 1.6])


def test_texts_to_learn_from_to_measure_on_and_for_the_tokenizer_have_nothing_in_common() -> None:
    bed = Language(test_texts=10**6)
    known = paragraphs(None)
    real = set(learnable(bed, 1300))
    test, trains_tokenizer = set(bed.test), set(known[1::10])
    assert len(real) == 1300
    assert len(test) == len(trains_tokenizer) == 173
    assert not real & test
    assert not real & trains_tokenizer
    assert not test & trains_tokenizer
    held = Language(held_out=tuple(HUMAN), test_texts=10**6)
    assert sorted(held.test + tuple(HUMAN)[1::5]) == sorted(HUMAN)


def test_paragraphs_of_a_file_have_blank_lines_between_them_which_may_hold_spaces(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text(" \n \n".join(f" number {place} of the\n paragraphs" for place in range(20)), encoding="utf-8")
    assert paragraphs(str(path)) == tuple(f"number {place} of the paragraphs" for place in range(20))


def learnable(bed: Language, size: int) -> list[str]:
    needs_training()
    rows: list[str] = bed.real(size, 1, GENERATOR(0))[0].tolist()
    return rows


def test_a_registry_that_holds_out_too_little_is_refused() -> None:
    for held_out, said in (([], "holds out no human text"), (["one"], "holds out 1 human text")):
        with pytest.raises(ProvError, match=said):
            Language().grounded(list, held_out)
    assert Language().grounded(list, ["one", "two"]).test == ("one",)


def test_the_test_bed_is_found_and_described_without_torch() -> None:
    code = (
        "import sys; from trainer.testbed import make_testbed; make_testbed('language', {}).parameters(); "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_without_torch_the_command_says_what_to_install(tmp_path: Path, module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from provenance.cli import main; main()"
    command = [sys.executable, "-c", code, "simulate", "--testbed", "language", "--repeats", "1", "--jobs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"prov: the test-bed language wants {module}, which is not installed: "
        "run pip install 'corpus-provenance[train]'"
    )


# -- trained


@pytest.mark.parametrize(("size", "millions"), [("micro", 0.0217), ("tiny", 0.248), ("mini", 0.585)])
def test_sizes_are_what_they_are_called(size: Any, millions: float) -> None:
    needs_training()
    bed = Language(model_size=size, steps=1, test_texts=1)
    model = bed.fit(bed.real(5, 1, GENERATOR(0)), None, None, GENERATOR(0))
    assert sum(parameter.numel() for parameter in model.network.parameters()) == pytest.approx(millions * 1e6, rel=0.01)
    assert size in SIZES


def learnt(steps: int, **parameters: Any) -> tuple[Language, Any]:
    needs_training()
    bed = Language(held_out=tuple(HUMAN), **{**MICRO, "steps": steps, "learning_rate": 0.02, **parameters})
    return bed, bed.fit(as_array(HUMAN)[None], None, None, GENERATOR(0))


def test_a_model_learns_and_then_writes_what_it_learnt() -> None:
    bed, model = learnt(150, context=64)
    samples = as_array(HUMAN)[None]
    assert model.losses[0] == pytest.approx(np.log(300), abs=0.3)
    assert model.losses[-1] < 1
    assert bed.measure(model, samples)["cross_entropy"][0] < 1
    written = bed.sample(model, 40, GENERATOR(1))[0].tolist()
    assert {word for text in written for word in text.split()} & {"cat", "dog", "owl"} == {"cat", "dog", "owl"}
    assert np.mean([text.startswith("The ") for text in written]) > 0.8


def test_what_is_measured_is_what_each_text_costs_by_itself() -> None:
    torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    bed, model = learnt(10, context=128)
    nats = tokens = 0.0
    for text in bed.test:
        ids = torch.tensor([[0, *bed.tokenizer.encode(text).ids, 1]])
        with torch.no_grad():
            loss = model.network(ids, labels=ids).loss
        nats, tokens = nats + float(loss) * (ids.shape[1] - 1), tokens + ids.shape[1] - 1
    values = bed.measure(model, as_array(["a b b", "a c"])[None])
    assert values["cross_entropy"][0] == pytest.approx(nats / tokens, rel=1e-5)
    assert values["perplexity"][0] == pytest.approx(np.exp(nats / tokens), rel=1e-5)
    test_bytes = sum(len(text.encode()) for text in bed.test)
    assert values["bits_per_byte"][0] == pytest.approx(nats / np.log(2) / test_bytes, rel=1e-5)
    assert values["vocabulary"][0] == 3
    assert values["simpson"][0] == pytest.approx(1 - (4 + 4 + 1) / 25)


def test_what_is_written_has_the_lengths_of_human_texts() -> None:
    bed, model = learnt(1, test_texts=100)
    human = Counter(min(32, len(bed.tokenizer.encode(text).ids)) for text in bed.test)
    written = bed.write(model, 400, GENERATOR(0))
    lengths = Counter(map(len, written.ids))
    assert lengths.keys() <= human.keys()
    assert np.average(list(lengths), weights=list(lengths.values())) == pytest.approx(
        np.average(list(human), weights=list(human.values())), rel=0.05
    )
    assert written.texts == bed.sample(model, 400, GENERATOR(0))[0].tolist()


def test_a_model_that_ends_its_texts_itself_learns_how_long_they_are() -> None:
    bed, model = learnt(150, context=64, ending="eos")
    written = bed.sample(model, 60, GENERATOR(1))[0]
    human = np.mean([len(text) for text in HUMAN])
    assert np.mean([len(text) for text in written]) == pytest.approx(human, rel=0.25)
    assert np.mean([text.endswith(".") for text in written]) > 0.6


@pytest.mark.parametrize("texts", [[], ["", ""], ["a"]])
def test_too_little_to_learn_from_is_refused(texts: list[str]) -> None:
    needs_training()
    with pytest.raises(Degenerate, match="wants texts of 2 tokens or more, there is"):
        Language(held_out=tuple(HUMAN), **MICRO).fit(as_array(texts)[None], None, None, GENERATOR(0))


def test_weights_decide_what_is_learnt() -> None:
    needs_training()
    bed = Language(held_out=tuple(HUMAN), **{**MICRO, "steps": 60, "learning_rate": 0.02})
    samples = as_array(["aaaaaaaaaaaa", "zzzzzzzzzzzz"])[None]
    for weights, letter in (([0.99, 0.01], "a"), ([0.0, 1.0], "z")):
        model = bed.fit(samples, np.array(weights), None, GENERATOR(0))
        written = "".join(bed.sample(model, 20, GENERATOR(0))[0])
        assert written.count(letter) > 0.8 * len(written)


def test_torch_has_the_threads_afterwards_that_it_had_before() -> None:
    torch = pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    before = torch.get_num_threads()
    learnt(1, threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_marked_text_is_found_by_its_key() -> None:
    needs_training()
    from provenance.watermark import Tokens, find_scheme, score
    from trainer.generate import Marker

    bed, model = learnt(40, context=128, temperature=2.0)  # one that is sure of nothing leaves most room for a mark
    scheme = find_scheme("kgw", {})
    secret = (20261121,)
    marked = bed.write(model, 60, GENERATOR(0), Marker(scheme, secret, bed.outside))
    plain = bed.write(model, 60, GENERATOR(0))

    def least_likely(texts: list[str]) -> float:
        joined = bed.tokenizer.encode("\n".join(texts)).ids
        return float(score(scheme, secret, Tokens.of([joined])).p[0])

    assert least_likely(marked.texts) < 1e-6
    assert least_likely(plain.texts) > 1e-3


# -- other beginnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in a folder, with a tokenizer of its own."""
    needs_training()
    fresh(Architecture(kind="llama", size="micro", context=48), train_tokenizer(HUMAN[:40], 310), 3).save(
        tmp_path / "m"
    )
    return tmp_path / "m"


def test_a_family_and_a_configuration_are_what_is_trained(tmp_path: Path) -> None:
    _, llama = learnt(2, architecture="llama")
    assert llama.network.config.model_type == "llama"
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt_neox", "hidden_size": 16, "num_hidden_layers": 1,
                                "num_attention_heads": 2, "intermediate_size": 32}))  # fmt: skip
    bed, model = learnt(2, config=str(path))
    assert model.network.config.model_type == "gpt_neox"
    assert bed.parameters()["config"]["hidden_size"] == 16
    assert np.isfinite(bed.measure(model, as_array(HUMAN)[None])["cross_entropy"]).all()


def test_a_model_is_fine_tuned_by_its_own_tokenizer_and_stays_as_it_was(folder: Path) -> None:
    base = load(folder, "cpu")
    bed, model = learnt(30, model=str(folder))
    assert (model.tokenizer_digest, bed.tokenizer_digest) == (base.tokenizer_digest,) * 2
    assert (bed.special, bed.outside) == ((base.begin, base.end, base.pad), base.outside)
    assert bed.parameters()["weights"] == base.weights_digest
    assert set(bed.test) <= set(HUMAN)
    assert len(bed.model_copy(update={"test_texts": 10**6}).test) == len(HUMAN)  # none is set aside for a tokenizer
    before = bed.measure(base, as_array(HUMAN)[None])["cross_entropy"][0]
    assert bed.measure(model, as_array(HUMAN)[None])["cross_entropy"][0] < before
    assert load(folder, "cpu").weights_digest == learnt(1, model=str(folder))[0].parameters()["weights"]


def test_a_generation_begins_anew_or_goes_on_from_the_one_before(folder: Path) -> None:
    for model in (None, str(folder)):
        bed, first = learnt(4, model=model, restart="base")
        samples, on = as_array(HUMAN)[None], bed.model_copy(update={"restart": "previous"})
        held = first.weights_digest
        anew = bed.fit(samples, None, first, GENERATOR(0))
        gone_on = on.fit(samples, None, first, GENERATOR(0))
        assert first.weights_digest == anew.weights_digest == held
        assert gone_on.losses[0] < first.losses[0]
        assert on.fit(samples, None, None, GENERATOR(0)).weights_digest == held
        assert (bed.goes_on, on.goes_on) == (False, True)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"model": "m", "config": "c.json"}, "there is a config, which is for a model from scratch"),
        ({"restart": "never"}, "restart is 'never'"),
        ({"architecture": "rnn"}, "architecture is 'rnn'"),
    ],
)
def test_beginnings_that_do_not_go_together_are_refused(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ProvError, match=said):
        make_testbed("language", parameters)


def test_a_context_that_the_model_does_not_have_is_refused(folder: Path) -> None:
    with pytest.raises(ProvError, match="has a context of 64, its model 48"):
        learnt(1, model=str(folder), context=64)


def test_texts_for_the_tokenizer_leave_all_others_to_be_measured_on() -> None:
    bed = Language(held_out=tuple(HUMAN), tokenizer_texts=("only these",) * 20, vocabulary=300, test_texts=10**6)
    assert bed.test == tuple(HUMAN)
    assert bed.tokenizer_digest != Language(held_out=tuple(HUMAN), vocabulary=300).tokenizer_digest
    assert "only these" not in str(bed.parameters()) + repr(bed)


def test_a_fit_that_was_killed_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_training()
    from trainer.checkpoint import Checkpoint

    _, whole = learnt(6)
    kept, write = [], Checkpoint.write

    def killed(self: Any, *arguments: Any) -> None:
        write(self, *arguments)
        kept.append(self.path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            learnt(6, keep=tmp_path, checkpoint_steps=3)
    assert kept[0].exists()
    assert learnt(6, keep=tmp_path, checkpoint_steps=3)[1].losses == whole.losses
    assert list(tmp_path.iterdir()) == []


def test_all_measures_tell_of_the_model_of_a_second_set_and_of_what_it_writes() -> None:
    bed, first = learnt(40, measures="all", second=("Quite another text, of dogs.",) * 4, reference=tuple(HUMAN))
    later: Any = bed.fit(as_array(HUMAN[:20])[None], None, first, GENERATOR(1))
    assert later.baseline is first
    for model in (first, later):
        values = bed.measure(model, as_array(HUMAN)[None])
        assert {"cross_entropy_second", "written_distinct_2", "cloze_accuracy"} <= values.keys()
        assert ("control_cross_entropy" in values) == (model is first)
        assert {name for name in values if name.startswith("written_perplexity_q")}
        assert all(value.shape == (1,) for value in values.values())
    few = bed.model_copy(update={"measures": "few"}).measure(later, as_array(HUMAN)[None])
    assert values["cross_entropy"] == pytest.approx(few["cross_entropy"], rel=1e-4)


# -- generations


def test_generations_run_in_memory() -> None:
    needs_training()
    bed, schedule, pool = Language(**MICRO), make_schedule("replace", 12, 0, {}), ArrayPool(0)
    pool.add(bed.real(12, 1, stream(0, 0, "real")), 0)
    reports = list(run_generations(bed, schedule, pool, 3, 0))
    assert [report.counts for report in reports] == [{0: 12}, {1: 12}, {2: 12}]
    assert all(isinstance(text, str) and text for text in pool.held[0, : pool.size])
    assert all(np.isfinite(list(report.measures.values())).all() for report in reports)


def test_generations_go_through_a_registry_and_a_second_run_adds_nothing(corpus: Registry) -> None:
    needs_training()
    corpus.add([{"id": str(place), "text": text} for place, text in enumerate(HUMAN)], Declared(origin="human"))  # type: ignore[arg-type]
    corpus.hold_out("test", frac=0.2, seed=0)
    spec = {"testbed": {"name": "language", **MICRO}, "schedule": "replace", "generations": 2, "size": 20, "repeats": 1}
    experiment = Experiment.of_grid(spec)
    results = simulate(experiment, InRegistry(corpus, experiment), corpus)
    metrics = {"cross_entropy", "perplexity", "bits_per_byte", "vocabulary", "simpson"}
    assert set(results.measurements["metric"].to_pylist()) == metrics
    written = [row for row in corpus.list("documents") if row["origin"] == "model"]
    assert len(written) == 20
    assert {row["generation"] for row in written} == {1}
    head = corpus.head()
    simulate(experiment, InRegistry(corpus, experiment), corpus)
    assert corpus.head() == head


@pytest.mark.slow
def test_jobs_give_the_same_numbers(tmp_path: Path) -> None:
    needs_training()
    spec = {"testbed": {"name": "language", **MICRO}, "schedule": ["replace", "accumulate"],
            "generations": 2, "size": 10, "repeats": 2}  # fmt: skip
    experiment = Experiment.of_grid(spec)
    one, two = (
        simulate(experiment, InFile(tmp_path / f"{jobs}.parquet", experiment), jobs=jobs).measurements
        for jobs in (1, 2)
    )
    assert one.equals(two)


def test_models_that_go_on_are_recorded_with_their_base_and_a_second_run_adds_nothing(
    corpus: Registry, folder: Path
) -> None:
    corpus.add([{"id": str(place), "text": text} for place, text in enumerate(HUMAN)], Declared(origin="human"))  # type: ignore[arg-type]
    corpus.hold_out("test", frac=0.2, seed=0)
    corpus.record_model("base", path=str(folder), generation=1)
    bed = {"name": "language", **MICRO, "model": str(folder), "restart": "previous"}
    spec = {"testbed": bed, "schedule": "replace", "generations": 3, "size": 20, "repeats": 1}
    experiment = Experiment.of_grid(spec)
    results = simulate(experiment, InRegistry(corpus, experiment), corpus)
    models = {row["name"].rpartition("/")[2]: row for row in corpus.list("models")}
    assert models["gen1"]["base"] == "base"
    assert models["gen2"]["base"] == models["gen1"]["name"]
    assert models["gen3"]["base"] == models["gen2"]["name"]
    assert [models[f"gen{number}"]["generation"] for number in (1, 2, 3)] == [1, 2, 3]
    assert all(models[f"gen{number}"]["generation_exact"] for number in (1, 2, 3))
    head = corpus.head()
    cell = experiment.cells()[0]
    name = f"{experiment.name}-{experiment.digest.hex()[:8]}"
    again = list(cell.run_in(corpus, cell.arm.grounded(corpus), name, last=1))  # as if it had been cut short
    assert [report.generation for report in again] == [1, 2, 3]
    assert corpus.head() == head
    found = {(row["generation"], row["metric"]): row["value"] for row in results.measurements.to_pylist()}
    for report in again:
        for metric, values in report.measures.items():
            assert values[0] == found[report.generation, metric]
