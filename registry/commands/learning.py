"""Commands by which a registry learns what was found out elsewhere or later: lineage, declarations, annotations."""

from pathlib import Path
from typing import Any

import click

from provenance.console import json_option, registry_option, say, show_json
from provenance.errors import ProvError


@click.command()
@click.argument("name")
@click.option("--mix", metavar="MIX", help="The mix it learnt from; without one the model is foreign.")
@click.option("--base", metavar="MODEL", help="The model it was fine-tuned from.")
@click.option("--path", metavar="PATH", help="Where its weights lie.")
@click.option("--spec", metavar="JSON|FILE", help="How it was trained.")
@click.option("--seed", type=int, help="The seed of its training.")
@click.option("--generation", type=click.IntRange(min=1), help="Generation of a foreign model, as declared.")
@registry_option
@json_option
def record_model(
    name: str,
    mix: str | None,
    base: str | None,
    path: str | None,
    spec: str | None,
    seed: int | None,
    generation: int | None,
    registry: Path,
    as_json: bool,
) -> None:
    """Record the model NAME and how it was trained, anywhere. Its generation follows from its mix and its base.

    Example:  prov record model tiny-1 --mix 3f2a9c01d2e4 --path ckpt/tiny-1 --seed 1
    """
    from registry.registry import Registry

    with Registry.open(registry) as held:
        model = held.record_model(
            name, mix=mix, base=base, path=path, spec=_spec(spec), seed=seed, generation=generation
        )
    value = {
        "model": model.name,
        "digest": model.digest.hex(),
        "generation": model.generation.number,
        "generation_exact": model.generation.exact,
    }
    if as_json:
        show_json(value)
    else:
        click.echo(f"{model.digest.hex()[:12]}")
        say(f"model {model.name}, generation {model.generation}")


@click.command()
@click.option("--model", metavar="MODEL", required=True, help="The model, by name or digest.")
@click.option("--spec", metavar="JSON|FILE", help="How it was done: temperature, prompts, code version.")
@click.option("--seed", type=int, help="The seed.")
@click.option(
    "--kind", type=click.Choice(["generate", "edit"]), default="generate", show_default=True, help="What the model did."
)
@registry_option
@json_option
def record_run(model: str, spec: str | None, seed: int | None, kind: str, registry: Path, as_json: bool) -> None:
    """Record an act of generating or editing with a model. Prints the id for `prov ingest --run`.

    Example:  prov record run --model tiny-1 --spec '{"temperature": 1.0}' --seed 1
    """
    from registry.registry import Registry

    with Registry.open(registry) as held:
        run = held.record_run(model, spec=_spec(spec), seed=seed, kind=kind)
    if as_json:
        show_json({"run": run.digest.hex()[:12], "digest": run.digest.hex(), "kind": run.kind, "model": run.model.name})
    else:
        click.echo(run.digest.hex()[:12])


def _spec(text: str | None) -> Any:
    """JSON as it stands, or what a YAML or JSON file holds."""
    import yaml

    if text is None:
        return None
    path = Path(text)
    is_file = not text.lstrip().startswith(("{", "[", '"')) and path.exists()
    if not is_file and path.suffix in (".json", ".yaml", ".yml"):
        raise ProvError(f"no spec file {text}: name one that is there, or give the JSON itself")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8") if is_file else text)
    except yaml.YAMLError as error:
        raise ProvError(f"the spec is neither JSON nor YAML: {' '.join(str(error).split())}") from error
