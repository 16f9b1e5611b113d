"""The command that lets a model write, into the registry or into a file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import json_option, progress, registry_option, say, show_json, show_table
from provenance.errors import ProvError

if TYPE_CHECKING:
    from provenance.keyring import Key
    from registry.registry import Registry
    from trainer.base import Base
    from trainer.model import LanguageModel
    from trainer.writing import Outcome, Task, Writing

FEW = 0.001
"""A text repeats itself where so small a share of all words, or a smaller one, is another word: that is told."""


@click.command()
@click.argument("model")
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="How many texts there are to be.")
@click.option("--length", type=click.IntRange(1), metavar="TOKENS",
              help="How long they are.  [default: as the human texts of the registry]")  # fmt: skip
@click.option("--ending", type=click.Choice(["length", "eos"]), default="length", show_default=True,
              help="Where they end: at their length, or where the model ends them, at the latest there.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0, 100), default=1.0, show_default=True,
              help="0 takes the likeliest token.")  # fmt: skip
@click.option("--top-k", type=click.IntRange(1), help="Choose among so many of the likeliest tokens.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              help="Choose among the likeliest that come to this probability together.")  # fmt: skip
@click.option("--beams", type=click.IntRange(1), default=1, show_default=True,
              help="Search for the likeliest text with so many beams; 1 samples.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all randomness.")
@click.option("--key", metavar="KEY", help="Mark the texts by this key of the keyring.")
@click.option("--prompts", metavar="FILTER", help="Write on from the documents that this lets through.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=16, show_default=True, help="So much of each of them.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="Write this file of JSON lines, and nothing into the registry.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
              help="Where; auto is a GPU where there is one.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Tell what would be written, and write nothing.")
@registry_option
@json_option
def generate(
    model: str,
    count: int,
    key: str | None,
    output: Path | None,
    device: Any,
    dry_run: bool,
    registry: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Let MODEL write texts: a recorded model, a folder, or a name of the hub.

    They go into the registry as a run of the model, with the documents that they were written on from. Interrupted or
    killed, the same command goes on, and with a larger --count it adds to what is there. With -o they go into a file,
    and the registry is only read, or not needed where MODEL is a folder and --length is given.

    \b
    Example:  prov generate tiny-1 --count 1000 --temperature 0.9 --key mine
    """
    from registry.registry import Registry
    from trainer.extras import check_installed

    check_installed("prov generate")
    from trainer.writing import prepare, write, write_file

    marking = _key(key) if key else None
    writing = _writing(options, marking)
    with ExitStack() as stack:
        is_read = not output or registry.exists() or not writing.length or writing.prompts or not Path(model).is_dir()
        held = stack.enter_context(Registry.open(registry, read_only=bool(output or dry_run))) if is_read else None
        writer = _writer(held, model)
        language_model = writer.load(device, say)
        marker = _checked(held, writer, language_model, marking)
        task = prepare(held, language_model, writer.known_as, writing)
        if dry_run:
            _show(_plan(task, writer.name, count), as_json)
            return
        advance = stack.enter_context(progress(count, "texts"))
        run, outcome = None, None
        if output:
            outcome = write_file(output, task, writer.name, count, marker, advance)
        else:
            assert held
            run, outcome = write(held, task, writer.recorded(held), count, marker, advance)
    _show_written(outcome, writer.name, run, output, as_json)


def _key(wanted: str) -> Key:
    from provenance.keyring import Keyring

    return Keyring.open(environment=os.environ).find(wanted)


def _writing(options: dict[str, Any], key: Key | None) -> Writing:
    from pydantic import ValidationError

    from trainer.generate import Decoding
    from trainer.testbed import unfit
    from trainer.writing import Writing

    chosen = {name: options.pop(name) for name in ("temperature", "top_k", "top_p", "ending", "beams")}
    if chosen["beams"] > 1 and (chosen["temperature"], chosen["top_k"], chosen["top_p"]) != (1.0, None, 1.0):
        raise ProvError("--beams searches for the likeliest text: leave --temperature, --top-k and --top-p out")
    try:
        return Writing(decoding=Decoding(**chosen), key=key.id if key else None, **options)
    except ValidationError as error:
        raise ProvError(f"--{unfit(error).replace('_', '-')}") from error


def _writer(held: Registry | None, wanted: str) -> Base:
    """The model that is meant, by what the registry knows of it where there is one."""
    from trainer.base import Base, find_base

    return find_base(held, wanted) if held else Base(Path(wanted).resolve().name, wanted, None)


def _checked(held: Registry | None, writer: Base, model: LanguageModel, key: Key | None) -> Any:
    """What marks the texts, None where nothing does, once tokenizer, model and key belong together."""
    from trainer.writing import check_tokenizer, marker_of

    if held and writer.digest:
        check_tokenizer(held, writer.name, writer.digest, model)
    return marker_of(key, model) if key else None


def _plan(task: Task, name: str, count: int) -> dict[str, Any]:
    return {
        "model": name,
        "texts": count,
        "shortest": min(task.lengths),
        "longest": max(task.lengths),
        "prompts": len(task.prompts),
        "key": task.writing.key,
        "seed": task.writing.seed,
        "device": str(task.model.network.device),
    }


def _show(plan: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(plan | {"dry_run": True})
    else:
        show_table([{"": name, "would be": value} for name, value in plan.items()])


def _show_written(outcome: Outcome, name: str, run: str | None, output: Path | None, as_json: bool) -> None:
    told = outcome.summary()
    if as_json:
        show_json({"model": name, "run": run, "output": output and str(output), **told})
    else:
        click.echo(run[:12] if run else str(output))
        before = f", {told['known']:,} were there already" if told["known"] else ""
        vocabulary = f"{told['words']:,} words, {told['distinct_words']:,} different"
        say(f"{name} wrote {told['texts']:,} texts{before}: {vocabulary}")
        if told["withheld"]:
            say(f"{told['withheld']:,} of them are withdrawn texts, which stay out")
    if told["words"] > 1 and told["distinct_words"] <= max(1, FEW * told["words"]):
        say(f"the model repeats itself: only {told['distinct_words']:,} different words in {told['words']:,}")
