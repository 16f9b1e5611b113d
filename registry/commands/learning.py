"""Commands by which a registry learns what was found out elsewhere or later: lineage, declarations, annotations."""

import os
from pathlib import Path
from typing import Any

import click

from provenance.console import (
    conclude,
    fail_on_option,
    json_option,
    plain,
    progress,
    registry_option,
    say,
    show_json,
    show_table,
)
from provenance.errors import ProvError
from provenance.origin import Generation, Origin


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


@click.command()
@click.option("--where", metavar="FILTER", help="Which documents: source = 'forum' AND created > '2023-01-01'.")
@click.option("--ids", metavar="FILE", help="Which documents: ids or document digests, one a line; - for stdin.")
@click.option("--origin", type=click.Choice([str(origin) for origin in Origin]), help="Who wrote them.")
@click.option("--generation", type=click.IntRange(min=0), help="Generation of the model that wrote them.")
@click.option("--generator", metavar="NAME", help="The model that wrote them: a recorded one, or another's name.")
@click.option("--license", metavar="SPDX", help="Licence they stand under.")
@click.option("--by", metavar="WHO", required=True, help="Who declares this.")
@click.option("--evidence", metavar="TEXT", help="What the declaration rests on.")
@click.option(
    "--precedence", type=int, default=0, show_default=True, help="The highest is in force; of one height the newest."
)
@click.option("--dry-run", is_flag=True, help="Check everything, keep nothing.")
@registry_option
@json_option
def declare(where: str | None, ids: str | None, dry_run: bool, registry: Path, as_json: bool, **said: Any) -> None:
    """Declare anew who wrote documents, or under which licence they stand; nothing said before is lost.

    What is left out stays as it is in force. Generations of everything that descends from the documents are derived
    again, and `prov audit stale` lists the mixes and models that this makes another thing of.

    Example:  prov declare --where "source = 'forum'" --origin model --generator gpt-4 --by ann --evidence "style"
    """
    from registry.declare import Statement, read_ids
    from registry.registry import Registry

    if (where is None) == (ids is None):
        raise click.UsageError("say which documents with one of --where and --ids")
    if all(said[name] is None for name in ("origin", "generation", "generator", "license")):
        raise click.UsageError("say what is declared: --origin, --generation, --generator or --license")
    with Registry.open(registry) as held:
        named = read_ids(Path(ids)) if ids is not None else None
        result = held.declare(Statement(**said), where=where, ids=named, dry_run=dry_run)
        stale = len(held.stale()["mixes"])
    if as_json:
        show_json(vars(result) | {"dry_run": dry_run})
        return
    parts = [f"{result.documents:,} documents: {result.declared:,} {'would be ' if dry_run else ''}declared anew"]
    parts += [f"{result.unchanged:,} unchanged"] if result.unchanged else []
    parts += [f"{result.outranked:,} stay as declared with higher precedence"] if result.outranked else []
    click.echo(", ".join(parts))
    if stale:
        say(f"{stale:,} mixes are no longer made of what they were when drawn: see `prov audit stale`")


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "--on",
    type=click.Choice(["id", "document", "text"]),
    default="id",
    show_default=True,
    help="The column that tells which document: a user's id, or the digest of a document or of a text.",
)
@click.option("--source", metavar="NAME", help="The source that the ids are of, where there is no column of that name.")
@click.option("--fields", metavar="NAME,…", help="These columns alone; else all of them.")
@click.option("--skip-unknown", is_flag=True, help="Leave out, and count, rows about documents that are not held.")
@click.option("--dry-run", is_flag=True, help="Check everything, keep nothing.")
@registry_option
@json_option
def annotate(
    paths: tuple[str, ...],
    on: Any,
    source: str | None,
    fields: str | None,
    skip_unknown: bool,
    dry_run: bool,
    registry: Path,
    as_json: bool,
) -> None:
    """Join the columns of PATHS to the documents they are about: quality, language, whatever a sidecar tells.

    PATHS are JSONL, Parquet, CSV and TSV files (.gz and .zst too), or folders of them; the attribute files of Dolma
    are read as they are. From then on --where, --ratio and composition --by know the fields. Their kinds (text,
    number, boolean, time) follow from all their values.

    Example:  prov annotate quality.parquet --on id
    """
    from registry.readers import Meter, find_inputs
    from registry.registry import Registry

    with Registry.open(registry) as held:
        inputs, passed_over = find_inputs(paths)
        sizes, meter = [input.bytes for input in inputs], Meter()
        total = None if None in sizes else sum(size or 0 for size in sizes)
        with progress(total, "rows", lambda: meter.bytes) as advance:
            result = held.annotate(
                paths,
                on=on,
                source=source,
                fields=[name.strip() for name in fields.split(",")] if fields else None,
                skip_unknown=skip_unknown,
                dry_run=dry_run,
                progress=advance,
                meter=meter,
            )
    if passed_over:
        say(f"passed over {len(passed_over):,} files of other formats, the first is {passed_over[0]}")
    if as_json:
        show_json(result.summary() | {"dry_run": dry_run})
        return
    parts = [
        f"{result.read:,} rows: {result.values:,} values {'would be ' if dry_run else ''}added to "
        f"{result.documents:,} documents"
    ]
    names = {"changed": "in place of others", "unchanged": "known", "unknown": "rows about documents not held here"}
    parts += [f"{count:,} {words}" for name, words in names.items() if (count := getattr(result, name))]
    click.echo(", ".join(parts))
    for name, kind in result.fields.items():
        click.echo(f"{name + ':':24}{kind or 'no values'}")


@click.command()
@click.argument("mix", required=False)
@fail_on_option("stale")
@registry_option
@json_option
def stale(mix: str | None, fail_on: tuple[str, ...], registry: Path, as_json: bool) -> None:
    """List the mixes (or MIX alone) made of something else than when drawn, and the models that learnt from them.

    What a mix is made of changes when something is learnt late: who wrote its texts, or a generation behind them.

    Example:  prov audit stale --fail-on stale
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.stale(mix)
    show_json(found) if as_json else _show_stale(found)
    conclude({"stale": len(found["mixes"])}, fail_on)


def _show_stale(found: dict[str, Any]) -> None:
    for mix in found["mixes"]:
        real = mix["real_frac"]
        click.echo(f"mix {mix['mix'][:12]}: real {real['before']:.2%} → {real['after']:.2%}")
        rows = [
            row | {"generation": str(Generation(row["generation"], row["generation_exact"]))}
            for row in mix["composition"]
            if row["before"] != row["after"]
        ]
        show_table(rows, ["origin", "generation", "license", "generator", "before", "after"])
    for model in found["models"]:
        number, exact = model["generation"], model["generation_exact"]
        before, after = (Generation(number[when], exact[when]) for when in ("before", "after"))
        learnt = f"learnt from mix {model['mix'][:12]}" if model["mix"] else f"based on {plain(model['base'])}"
        changed = f"generation {before} → {after}" if before != after else f"generation {after} as before"
        click.echo(f"model {model['model']} ({model['digest'][:12]}): {learnt}, {changed}")
    if not found["mixes"]:
        click.echo("every mix is made of what it was when drawn")


def _spec(text: str | None) -> Any:
    """JSON as it stands, or what a YAML or JSON file holds."""
    import yaml

    if text is None:
        return None
    path = Path(text)
    is_json = not text.strip() or text.lstrip().startswith(("{", "[", '"'))
    is_file = not is_json and os.path.exists(text)  # which no name is too long for
    if not is_file and not is_json and path.suffix in (".json", ".yaml", ".yml"):
        raise ProvError(f"no spec file {text}: name one that is there, or give the JSON itself")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8") if is_file else text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = text if is_file else "the spec"
        raise ProvError(f"{where} is neither JSON nor YAML: {' '.join(str(error).split())}") from error
