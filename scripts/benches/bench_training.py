"""Training beside Trainer of transformers, and generation beside its generate: one model, one data, one process.

scripts/bench training [--quick] [--only training|generation] [--json]
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pydoc_data.topics import topics
from typing import Any

import click
import numpy as np
import torch
from measure import ROOT, machine, table

PEER = ("accelerate==1.15.0", "psutil==7.2.2")
"""What Trainer needs beyond transformers; it goes into a folder of its own, that ours may not come to need it."""


def let_trainer_be_found() -> None:
    """Install what `Trainer` needs, once, where it is found."""
    home = ROOT / ".bench" / "accelerate"
    if not (home / "ready").exists():
        asked = ["--quiet", "--no-deps", "--target", str(home), *PEER]
        subprocess.run([sys.executable, "-m", "pip", "install", *asked], check=True)
        (home / "ready").touch()
    sys.path.append(str(home))


let_trainer_be_found()  # before transformers is imported, which looks for it then

from registry.blocks import Blocks, pack  # noqa: E402
from trainer.architecture import Architecture  # noqa: E402
from trainer.generate import Decoding, sample  # noqa: E402
from trainer.optimise import Training, optimise  # noqa: E402
from trainer.tokenizer import special_tokens, train_tokenizer  # noqa: E402

SIZES = {"mini": 1, "10m": 8}
"""What is measured, and how much fewer steps of it, that each takes about as long."""
CONTEXT, BATCH, TEXTS, NEW_TOKENS = 128, 8, 64, 126
Found = dict[str, Any]


class Bench:
    """One size of model on one device, with what it learns from."""

    def __init__(self, size: str, device: str, steps: int) -> None:
        self.size, self.device, self.steps = size, torch.device(device), steps
        self.tokenizer = train_tokenizer(topics.values(), 1024)
        ids = np.array(self.tokenizer.encode(" ".join(topics.values())).ids)
        rows = np.random.default_rng(0).integers(0, len(ids) - CONTEXT, BATCH * steps)
        self.documents = [ids[row : row + CONTEXT] for row in rows.tolist()]  # without padding, which Trainer would see

    def model(self) -> Any:
        """The same model, as often as it is asked for."""
        special = special_tokens(self.tokenizer)
        architecture = Architecture(size=self.size, context=CONTEXT)
        return architecture.network(self.tokenizer.get_vocab_size(), special, seed=0).to(self.device)

    @property
    def blocks(self) -> Blocks:
        return pack(self.documents, CONTEXT, 0)

    def ours(self) -> float:
        """Tokens a second of `optimise`, from the end of its first step on."""
        ends: list[float] = []
        training = Training(steps=self.steps, batch_size=BATCH, learning_rate=1e-3)
        optimise(self.model(), self.blocks, training, lambda *_: ends.append(time.perf_counter()))
        return _rate(ends)

    def theirs(self) -> float:
        """Tokens a second of `Trainer`, likewise: nothing logged, evaluated or saved."""
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

        ends: list[float] = []

        class Watch(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, *_: Any, **__: Any) -> None:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                ends.append(time.perf_counter())

        held = [{"input_ids": tokens, "labels": tokens} for tokens in map(torch.from_numpy, self.documents)]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder, max_steps=self.steps, per_device_train_batch_size=BATCH, learning_rate=1e-3,
                weight_decay=0.1, adam_beta2=0.95, max_grad_norm=1.0, lr_scheduler_type="cosine", warmup_steps=2,
                optim="adamw_torch_fused", bf16=self.device.type == "cuda", use_cpu=self.device.type == "cpu",
                logging_strategy="no", save_strategy="no", eval_strategy="no", report_to=[], disable_tqdm=True,
            )  # fmt: skip
            trainer = Trainer(self.model(), arguments, train_dataset=held, callbacks=[Watch()])
            trainer.remove_callback(PrinterCallback)  # it prints to stdout
            trainer.train()
        return _rate(ends)

    def write(self) -> float:
        """Tokens a second of `sample`, decoding to text included."""
        model = self.model().eval()
        start = time.perf_counter()
        sample(model, self.tokenizer, [NEW_TOKENS] * TEXTS, 0, Decoding(), batch_size=TEXTS)
        return TEXTS * NEW_TOKENS / (time.perf_counter() - start)

    def generate(self) -> float:
        """Tokens a second of `model.generate`, without decoding."""
        model, special = self.model().eval(), special_tokens(self.tokenizer)
        begin = torch.full((TEXTS, 1), special.begin, device=self.device)
        start = time.perf_counter()
        written = model.generate(
            input_ids=begin, attention_mask=torch.ones_like(begin), do_sample=True, top_k=0,
            max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS,
        )  # fmt: skip
        written.tolist()
        return TEXTS * NEW_TOKENS / (time.perf_counter() - start)


def _rate(ends: list[float]) -> float:
    return BATCH * CONTEXT * (len(ends) - 1) / (ends[-1] - ends[0])


def in_turn(rounds: int, contenders: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The best rate of each, in rounds in which all take turns."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measured in contenders.items():
            rates[name].append(measured())
            click.echo(f"{name}: {rates[name][-1]:,.0f} tokens/s", err=True)
    return {name: max(found) for name, found in rates.items()}


def training(bench: Bench, rounds: int) -> Found:
    """A step of ours beside one of `Trainer`."""
    return in_turn(rounds, {"prov": bench.ours, "beside": bench.theirs}) | {"asked": 1.0}


def generation(bench: Bench, rounds: int) -> Found:
    """Texts of ours beside those of `generate`."""
    return in_turn(rounds, {"prov": bench.write, "beside": bench.generate}) | {"asked": 2.0}


PARTS: dict[str, Callable[[Bench, int], Found]] = {"training": training, "generation": generation}
BESIDE = {"training": "transformers.Trainer", "generation": "model.generate"}


def measured(parts: list[str], steps: int, rounds: int) -> list[Found]:
    """Every part of every size on every device."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    found = []
    for device in devices:
        for size, slower in SIZES.items():
            bench = Bench(size, device, max(3, steps // slower))
            parameters = sum(one.numel() for one in bench.model().parameters())
            for part in parts:
                told = {"what": part, "device": device, "size": size, "parameters": parameters}
                found.append(told | PARTS[part](bench, rounds))
    return found


def as_row(one: Found) -> list[str]:
    """A measurement as a row of the table."""
    ratio = one["prov"] / one["beside"]
    named = [one["what"], one["device"], f"{one['size']}, {one['parameters'] / 1e6:.2f} M", BESIDE[one["what"]]]
    return [*named, f"{one['prov']:,.0f}", f"{one['beside']:,.0f}", f"{ratio:.2f} ×", f"≥ {one['asked']:.0f} ×"]


@click.command()
@click.option("--quick", is_flag=True, help="A few steps, once: to see that it runs.")
@click.option("--only", type=click.Choice(list(PARTS)), help="This part alone.")
@click.option("--steps", type=int, default=60, show_default=True, help="Steps of the smaller model.")
@click.option("--threads", type=int, default=1, show_default=True, help="Of each; a small model gains little by more.")
@click.option("--rounds", type=int, default=4, show_default=True, help="Rounds, of which the quickest counts.")
@click.option("--json", "as_json", is_flag=True, help="The measurements as JSON.")
def main(quick: bool, only: str | None, steps: int, threads: int, rounds: int, as_json: bool) -> None:
    """Measure training and generation; the table goes to stdout."""
    torch.set_num_threads(threads)
    found = measured([only] if only else list(PARTS), 6 if quick else steps, 1 if quick else rounds)
    if as_json:
        click.echo(json.dumps(found))
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "accelerate"))
    header = ("what", "device", "model", "beside", "prov, tokens/s", "beside, tokens/s", "ratio", "asked for")
    click.echo(f"{machine()}, {versions}; {threads} threads, the quickest of {1 if quick else rounds} rounds.\n")
    click.echo(table([as_row(one) for one in found], header))


if __name__ == "__main__":
    main()
