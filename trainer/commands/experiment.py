"""Commands of the experiment: run arms generation by generation, and report what came of them."""

from __future__ import annotations

import os
import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import Size, json_option, named_registry_option, progress, say, show_json, show_table
from provenance.errors import ProvError

if TYPE_CHECKING:
    from provenance.detection import Seekers
    from provenance.keyring import Keyring
    from registry.registry import Registry
    from trainer.experiment import Experiment
    from trainer.plan import Plan
    from trainer.results import Results
    from trainer.verdict import Point, Verdict

FIRST_PLANNED = 20
"""So many generations a plan shows, and the last; --json has all."""


@click.command()
@click.option("--testbed", metavar="NAME[:KEY=VALUE…]", help="What learns: gaussian, or gaussian:dim=2:biased=true.")
@click.option("--schedule", metavar="NAME[:KEY=VALUE…],…", help="What each generation learns from, an arm each.")
@click.option("--generations", type=click.IntRange(min=1), help="How many generations.  [default: 10]")
@click.option("--size", type=Size(), help="Samples that the first generation learns from.  [default: 100]")
@click.option("--repeats", type=click.IntRange(min=1), help="Repeats of each arm.  [default: 30]")
@click.option("--seed", metavar="N[,N…]", help="Seeds; with --spec, the one to run.  [default: 0]")
@click.option("--spec", type=click.Path(path_type=Path), help="An experiment in YAML; a list is a grid.")
@click.option("--name", help="What to call the experiment.  [default: experiment]")
@click.option("--only", metavar="ARM", help="Run this arm alone.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what each generation will learn from, and run nothing.")
@click.option("--new-key", metavar="SCHEME", help="Make the key that a test-bed names and nobody holds: kgw, synthid.")
@click.option("--jobs", type=click.IntRange(min=1), help="Arms at a time; no number depends on it.  [default: cores]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Keep the results in this Parquet file.")
@named_registry_option("Keep them in this registry instead.")
@json_option
def simulate(
    spec: Path | None,
    seed: str | None,
    name: str | None,
    only: str | None,
    only_plan: bool,
    new_key: str | None,
    jobs: int | None,
    output: Path | None,
    registry: Path | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Run generations of models, each learning from what a schedule draws of those before.

    Results go into the registry, where one is named, else into a Parquet file; interrupted, the same command goes on.

    \b
    Example:  prov simulate --testbed gaussian --schedule replace,accumulate --generations 100 --repeats 2000
    """
    from registry.registry import Registry
    from trainer.plan import plan

    experiment = _experiment(spec, {"name": name, "seed": None if spec else seed, **fields})
    held = Registry.open(registry, read_only=only_plan) if registry and not output else None
    try:
        if only_plan:
            _show_plan(plan(experiment, held), as_json)
            return
        if new_key:
            _make_keys(experiment, held, new_key)
        chosen = _number(seed) if spec and seed else None
        results = _run(experiment, held, output, only, chosen, jobs or os.cpu_count() or 1)
    finally:
        if held:
            held.close()
    _show(results, only, as_json)


def _run(
    experiment: Experiment, held: Registry | None, output: Path | None, only: str | None, seed: int | None, jobs: int
) -> Results:
    from trainer.keeping import InFile, InRegistry, Keeper
    from trainer.simulate import simulate, waiting

    path = output or Path(f"{experiment.name}-{experiment.digest.hex()[:8]}.parquet")
    keeper: Keeper = InRegistry(held, experiment) if held else InFile(path, experiment, held, _command_line())
    cells = waiting(experiment, keeper, only, seed)
    with progress(sum(cell.arm.generations - last for cell, last in cells), "generations") as advance:
        results = simulate(
            experiment, keeper, held, seekers=_seekers, only=only, seed=seed, jobs=jobs, progress=advance
        )
    where = f"experiment {experiment.digest.hex()[:12]} of {held.path}" if held else str(path)
    say(f"{len(results.measurements):,} measurements in {where}" + ("" if cells else ", all of them held already"))
    return results


def _seekers(key: str) -> Seekers:
    """What looks for a key of the keyring."""
    from provenance.keyring import UnknownKey
    from registry.commands.detection import held_seekers

    try:
        return held_seekers((key,))
    except UnknownKey as error:
        raise ProvError(f"{error}; --new-key SCHEME makes it, for the tokenizer of the test-bed") from error


def _make_keys(experiment: Experiment, held: Registry | None, scheme: str) -> None:
    """Make the keys that test-beds name and nobody holds, each for the tokenizer of its test-bed."""
    from provenance.keyring import Key, Keyring, Secret
    from provenance.watermark import find_scheme
    from trainer.testbeds.language import Language

    keyring, chosen = Keyring.open(environment=os.environ), find_scheme(scheme, {})
    for bed in [arm.grounded(held) for arm in experiment.arms]:
        if not isinstance(bed, Language) or bed.key is None or _is_held(keyring, bed.key):
            continue
        digest = keyring.keep_tokenizer(bed.tokenizer.to_str())  # first, so that no key is ever without
        secret, made = Secret(chosen.draw_secret()), datetime.now(UTC).isoformat(timespec="seconds")
        keyring.add(key := Key.fresh(scheme, chosen.model_dump(mode="json"), digest, secret, made, bed.key))
        say(f"key {key} is new, in {keyring.path}: without a copy of that, what is marked cannot be found again")


def _is_held(keyring: Keyring, key: str) -> bool:
    from provenance.keyring import UnknownKey

    try:
        keyring.find(key)
    except UnknownKey:
        return False
    return True


def _experiment(spec: Path | None, fields: dict[str, Any]) -> Experiment:
    """The experiment of a file, or that of the options."""
    import yaml

    from trainer.experiment import Experiment

    given = {field: value for field, value in fields.items() if value is not None}
    if spec is None:
        given |= {field: _choices(given[field]) for field in ("testbed", "schedule") if field in given}
        seeds = given.pop("seed", "0")
        return Experiment.of_grid(given | {"seed": [_number(seed) for seed in seeds.split(",")]})
    if given:
        raise ProvError(f"--{min(given)} and --spec both say what the experiment is: leave one out, or edit {spec}")
    try:
        told = _read_yaml(spec.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvError(
            f"cannot read {spec}: {error.strerror}: name a YAML file that describes an experiment"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ProvError(f"{spec} is no YAML: {_told(error)}; mend it") from error
    if not isinstance(told, dict):
        raise ProvError(f"{spec} holds no fields: wanted such as `schedule: [replace, accumulate]`")
    try:
        return Experiment.of_grid(told)
    except RecursionError as error:
        raise ProvError(f"{spec} has a list that holds itself: write it out without * and &") from error


def _number(text: str) -> int:
    if not (text.strip().isdecimal() and text.isascii()):
        raise ProvError(f"--seed has {text.strip()!r}, wanted a whole number such as 7, or some with commas between")
    return int(text)


def _choices(text: str) -> list[Any]:
    """`replace,fixed-ratio:real_frac=0.1` as names, and mappings where there are parameters."""
    import yaml

    choices: list[Any] = []
    for one in re.split(r",(?![^\[]*\])", text):  # not at the commas of a list
        name, *pairs = one.strip().split(":")
        if wrong := [pair for pair in pairs if "=" not in pair]:
            raise ProvError(f"{one.strip()!r} has {wrong[0]!r}, wanted KEY=VALUE, as in fixed-ratio:real_frac=0.1")
        try:
            parameters = {key: _read_yaml(value) for key, value in (pair.split("=", 1) for pair in pairs)}
        except yaml.YAMLError as error:
            raise ProvError(f"{one.strip()!r} has a value that cannot be read: {_told(error)}; mend it") from error
        choices.append({"name": name, **parameters} if parameters else name)
    return choices


def _read_yaml(text: str) -> Any:
    """What a text in YAML says, in which no key may be given twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            if twice := [key for key in keys if keys.count(key) > 1]:
                raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} is there twice", node.start_mark)
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader)  # noqa: S506  # it is a safe one


def _told(error: Exception) -> str:
    """What is wrong with a text in YAML, in a line, and where."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    at = f" in line {mark.line + 1}" if mark else ""
    return f"{problem or str(error).splitlines()[0]}{at}"


def _show_plan(plans: list[Plan], as_json: bool) -> None:
    if as_json:
        show_json([plan.summary() for plan in plans])
        return
    shown = [
        {
            "arm": plan.arm,
            "human samples": plan.human_needed,
            "used again from generation": plan.human_again_from,
            "about s": round(plan.seconds, 1),
            "about MB": round(plan.disk_bytes / 1e6, 1),
        }
        for plan in plans
    ]
    show_table(shown)
    click.echo("\nWhat each generation learns from, human + written:")
    generations = range(1, 1 + max(len(plan.learns) for plan in plans))
    show_table(
        [
            {"generation": generation} | {plan.arm: _learns(plan, generation) for plan in plans}
            for generation in generations
            if generation <= FIRST_PLANNED or generation == generations[-1]
        ]
    )
    for plan in plans:
        if plan.runs_out:
            say(f"{plan.arm} cannot be run to its end: generation {len(plan.learns) + 1}: {plan.runs_out}")


def _learns(plan: Plan, generation: int) -> str:
    if generation > len(plan.learns):
        return "–"
    counts = plan.learns[generation - 1]
    human = counts.get(0, 0)
    return f"{human:,} + {sum(counts.values()) - human:,}"


def _show(results: Results, only: str | None, as_json: bool) -> None:
    from trainer.verdict import judge

    verdicts = judge(results)
    if only:
        verdicts = [verdict for verdict in verdicts if verdict.arm == only]
    if as_json:
        show_json({"experiment": results.experiment, "verdicts": [verdict.summary() for verdict in verdicts]})
        return
    last = {verdict.points[-1].generation for verdict in verdicts}
    show_table([_row(verdict, len(last) > 1) for verdict in verdicts])


def _row(verdict: Verdict, named: bool) -> dict[str, Any]:
    """A verdict as a row; its last generation is named in the row where it is not the same in all."""
    first, last = verdict.points[0], verdict.points[-1]
    column, before = ("last generation", f"{last.generation}: ") if named else (f"generation {last.generation}", "")
    return {
        "arm": verdict.arm,
        "measure": verdict.metric,
        f"generation {first.generation}": _interval(first),
        column: before + _interval(last),
        "worse than the baseline": verdict.worse.said,
        "last half": verdict.trend.said,
        "theory": verdict.theory.said if verdict.theory else None,
        "failed": verdict.failed,
    }


def _interval(point: Point) -> str:
    if point.mean is None:
        return "–"
    return f"{point.mean:.4g}" if point.low is None else f"{point.mean:.4g} [{point.low:.4g}, {point.high:.4g}]"


@click.command()
@click.argument("results")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write it.  [default: RESULTS.html]")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FOLDER", help="Write a picture of each measure too.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE", help="Write the measurements as Parquet too.")
@named_registry_option("The registry that holds the experiment.")
@json_option
def report(
    results: str,
    output: Path | None,
    svg: Path | None,
    data: Path | None,
    registry: Path | None,
    as_json: bool,
) -> None:
    """Report RESULTS, a file that `prov simulate` wrote or an experiment of a registry, as one page of HTML.

    The page needs no network: its scripts are in it.

    Example:  prov report experiment-1f2e3d4c.parquet -o report.html
    """
    from registry.copying import replacing, translated
    from trainer.report import report as page
    from trainer.report import write_data, write_svg

    found = _find(results, registry)
    target = output or Path(f"{found.experiment['name']}.html")
    if not target.parent.is_dir():
        raise ProvError(f"no folder {target.parent} to write {target.name} in: make it first")
    if any(Path(results).exists() and one.exists() and one.samefile(results) for one in (target, data) if one):
        raise ProvError(f"{results} holds the results, and would be written over: name another file")
    text = page(found, command=found.experiment.get("command"))
    with translated(target), replacing(target) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    written = [target]
    if svg:
        written += write_svg(found, svg)
    if data:
        write_data(found, data)
        written.append(data)
    if as_json:
        show_json({"experiment": found.experiment["digest"], "written": [str(path) for path in written]})
    else:
        for path in written:
            click.echo(path)


def _find(wanted: str, registry: Path | None) -> Results:
    from pydantic import ValidationError

    from registry.registry import Registry
    from trainer.experiment import Experiment
    from trainer.keeping import InRegistry, read_results
    from trainer.testbed import unfit

    if registry is None or Path(wanted).is_file():
        return read_results(Path(wanted))
    with Registry.open(registry, read_only=True) as held:
        spec = held.find_experiment(wanted)["spec"]
        try:
            experiment = Experiment.model_validate(spec)
        except ValidationError as error:
            raise ProvError(
                f"experiment {wanted} is not one that this version of prov can read: {unfit(error)}; "
                "use the version that ran it"
            ) from error
        return InRegistry(held, experiment).close()


def _command_line() -> str:
    """The command as a person would type it again."""
    return shlex.join(["prov", *sys.argv[1:]])
