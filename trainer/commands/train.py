"""The command that trains a model on a mix of the registry."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import json_option, registry_option, say, show_json, show_table
from provenance.errors import ProvError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from registry.lineage import Model
    from registry.registry import Registry
    from trainer.base import Base
    from trainer.model import LanguageModel
    from trainer.training import Course, Lesson

SECONDS_BETWEEN = 0.2
"""So often the line that tells of a training is written anew."""


@click.command()
@click.argument("mix")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The folder to make for the model."
)
@click.option("--name", help="What to record it as.  [default: the name of the folder]")
@click.option("--architecture", type=click.Choice(["gpt2", "llama"]), help="Its family.  [default: gpt2]")
@click.option("--size", metavar="NAME", help="micro, tiny, mini, 3m, 10m, 30m or small (124 M).  [default: tiny]")
@click.option("--config", type=click.Path(path_type=Path), help="A configuration of transformers in JSON instead.")
@click.option("--model", metavar="MODEL", help="Go on from this one: a recorded model, a folder, a name of the hub.")
@click.option("--tokenizer", metavar="FILE", help="Its tokenizer.json.  [default: train one on the texts of the mix]")
@click.option("--tokenizer-mix", metavar="MIX", help="Train the tokenizer on this other mix.")
@click.option("--vocabulary", type=click.IntRange(300, 1_000_000), default=1024, show_default=True,
              help="Tokens of a tokenizer that is trained.")  # fmt: skip
@click.option("--context", type=click.IntRange(8), help="Tokens it sees at most.  [default: 128, or those of MODEL]")
@click.option("--sft", is_flag=True, help="Learn only what follows the prompt of each text.")
@click.option("--epochs", type=click.IntRange(1), help="How often it sees each text.  [default: 3]")
@click.option("--steps", type=click.IntRange(1), help="How many steps instead.")
@click.option("--batch-size", type=click.IntRange(1), help="Blocks a step.  [default: 8]")
@click.option("--learning-rate", type=click.FloatRange(0, 10, min_open=True), help="The highest.  [default: 0.003]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and of the order.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
              help="Where; auto is a GPU where there is one.")  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True,
              help="What is multiplied in.")  # fmt: skip
@click.option(
    "--checkpoint-steps", type=click.IntRange(1), help="Keep a checkpoint each so many steps.  [default: 500]"
)
@click.option("--compile", "compiled", is_flag=True, help="Let torch compile the model first.")
@click.option("--dry-run", is_flag=True, help="Tell what there is to learn from, and train nothing.")
@registry_option
@json_option
def train(
    mix: str,
    output: Path,
    name: str | None,
    dry_run: bool,
    registry: Path,
    as_json: bool,
    model: str | None,
    **options: Any,
) -> None:
    """Train a language model on MIX, a mix that `prov mix` recorded, and record it with its lineage.

    Interrupted or killed, the same command goes on. The folder is one that transformers reads, too.

    \b
    Example:  prov train 3f2a9c01d2e4 -o models/tiny-1 --size tiny --epochs 8
    """
    from registry.registry import Registry
    from trainer.base import find_base
    from trainer.extras import check_installed

    check_installed("prov train")
    from trainer.training import check_name, find_lesson, prepare, record
    from trainer.training import train as train_model

    name = name or output.resolve().name
    with Registry.open(registry, read_only=True) as held:
        base = find_base(held, model) if model else None
        lesson = find_lesson(held, mix)
        learner = _base_model(base, options) if base else _new_model(held, lesson, options)
        course = prepare(held, lesson, learner, _recipe(learner, base, options), None if dry_run else output)
        check_name(held, name, course, base)
    if lesson.erased:
        say(f"{lesson.erased:,} documents of the mix are erased, the model learns from the others")
    if dry_run:
        _show(course.summary(), as_json)
        return
    trained = train_model(course, output, _told())
    with Registry.open(registry) as held:
        recorded = record(held, name, course, output, base)
    _show_trained(recorded, trained, course, output, as_json)


def _base_model(base: Base, options: dict[str, Any]) -> LanguageModel:
    """The model to go on from, with its own tokenizer and size."""
    for option in ("architecture", "size", "config", "tokenizer", "tokenizer_mix"):
        if options[option] is not None:
            named = option.replace("_", "-")
            raise ProvError(f"--{named} and --model both say what is trained: a model brings its own, leave one out")
    return base.load(options["device"], say)


def _new_model(held: Registry, lesson: Lesson, options: dict[str, Any]) -> LanguageModel:
    """A model that nothing has trained yet."""
    from pydantic import ValidationError

    from trainer.architecture import Architecture, read_config
    from trainer.model import fresh
    from trainer.optimise import device

    if options["config"] is not None and (options["size"] or options["architecture"]):
        raise ProvError("--config and --size or --architecture both say what is trained: leave one out")
    config = None if options["config"] is None else read_config(options["config"])
    told = {"kind": options["architecture"], "size": options["size"], "context": options["context"], "config": config}
    try:
        architecture = Architecture.model_validate(_given(told))
    except ValidationError as error:
        raise _misfit(error) from error
    where = device(options["device"])
    found = fresh(architecture, _tokenizer(held, lesson, options), options["seed"])
    found.network.to(where)
    return found


def _tokenizer(held: Registry, lesson: Lesson, options: dict[str, Any]) -> Any:
    """The tokenizer of a file, else one that is trained on a mix."""
    from registry.tokens import load, whole
    from trainer.tokenizer import train_tokenizer
    from trainer.training import find_lesson, texts_of

    file, mix = options["tokenizer"], options["tokenizer_mix"]
    if file and mix:
        raise ProvError("--tokenizer and --tokenizer-mix both say what the tokenizer is: leave one out")
    if file:
        return whole(load(file))
    if not mix:
        say("the tokenizer is trained on the texts of the mix itself; --tokenizer and --tokenizer-mix name others")
    return train_tokenizer(texts_of(held, find_lesson(held, mix) if mix else lesson), options["vocabulary"])


def _recipe(learner: LanguageModel, base: Base | None, options: dict[str, Any]) -> Any:
    """How the model is made, as it is recorded."""
    from pydantic import ValidationError

    from trainer.optimise import Training
    from trainer.training import Recipe

    steps = ("epochs", "steps", "batch_size", "learning_rate", "seed", "precision", "checkpoint_steps")
    if options["epochs"] and options["steps"]:
        raise ProvError("--epochs and --steps both say how long to train: leave one out")
    try:
        training = Training.model_validate(
            _given({name: options[name] for name in steps}) | {"compile": options["compiled"]}
        )
    except ValidationError as error:
        raise _misfit(error) from error
    return Recipe(
        network=None if base else _shape(learner),
        weights=learner.weights_digest if base else None,
        tokenizer=learner.tokenizer_digest,
        context=options["context"] or learner.context,
        sft=options["sft"],
        training=training,
    )


def _shape(learner: LanguageModel) -> dict[str, Any]:
    """The configuration of a network, but for what says nothing of it."""
    told: dict[str, Any] = learner.network.config.to_diff_dict()
    return {name: value for name, value in told.items() if name != "transformers_version"}


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _misfit(error: ValidationError) -> ProvError:
    from trainer.testbed import unfit

    return ProvError(f"--{unfit(error).replace('_', '-')}")


class _Teller:
    """Tells of each step in one line on stderr, written over the one before."""

    def __init__(self) -> None:
        self.started = self.said = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, steps: int, loss: float) -> None:
        now = time.monotonic()
        self.first = done if self.first is None else self.first
        if now - self.said < SECONDS_BETWEEN and done < steps:
            return
        self.said = now
        each = (now - self.started) / max(1, done - self.first)
        left = f"{(steps - done) * each:,.0f} s left" if done > self.first else ""
        click.echo(f"\r\033[Kstep {done:,} of {steps:,}, {loss:.3f} nats a token, {left}", err=True, nl=done == steps)


def _told() -> Any:
    """What is called after each step; it says nothing where stderr is no terminal."""
    return _Teller() if sys.stderr.isatty() else lambda done, steps, loss: None


def _show(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(summary)
    else:
        show_table([{"": name.replace("_", " "), "there is": value} for name, value in summary.items()])


def _show_trained(recorded: Model, trained: LanguageModel, course: Course, folder: Path, as_json: bool) -> None:
    summary = course.summary()
    value = {
        "model": recorded.name,
        "digest": recorded.digest.hex(),
        "generation": recorded.generation.number,
        "generation_exact": recorded.generation.exact,
        "path": str(folder.resolve()),
        **summary,
        "loss": {"first": trained.losses[0], "last": trained.losses[-1]},
    }
    if as_json:
        show_json(value)
        return
    click.echo(recorded.digest.hex()[:12])
    say(
        f"model {recorded.name}, generation {recorded.generation}, in {folder}: {course.steps:,} steps over "
        f"{summary['tokens']:,} tokens, {trained.losses[0]:.3f} to {trained.losses[-1]:.3f} nats a token"
    )
