"""Commands that answer what is in a registry and where it came from."""

from pathlib import Path
from typing import Any

import click

from provenance.console import json_option, plain, registry_option, show_json, show_line, show_table
from provenance.origin import Generation


@click.command()
@click.option(
    "--by",
    metavar="NAME,…",
    default="origin,generation,source,license,generator",
    show_default=True,
    help="What to count by.",
)
@click.option("--mix", metavar="MIX", help="Of this mix, instead of the whole registry.")
@registry_option
@json_option
def composition(by: str, mix: str | None, registry: Path, as_json: bool) -> None:
    """Count documents, bytes, words and tokens by origin, generation, source, license and generator.

    Example:  prov audit composition --by origin,source
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        rows = held.composition([name.strip() for name in by.split(",")], mix)
    if as_json:
        show_json(rows)
        return
    total = sum(row["documents"] for row in rows)
    for row in rows:
        if "generation" in row:
            row["generation"] = str(Generation(row["generation"], row.pop("generation_exact")))
        if row["tokens"] is None:
            del row["tokens"]
        row["share"] = f"{row['documents'] / total:.1%}"
    if rows:
        show_table(rows, list(dict.fromkeys(name for row in rows for name in row)))
    click.echo(f"{total:,} documents")


@click.command()
@click.argument("document", metavar="ID")
@click.option("--all", "everything", is_flag=True, help="Stream every human document it descends from, as JSON lines.")
@registry_option
@json_option
def lineage(document: str, everything: bool, registry: Path, as_json: bool) -> None:
    """Follow the document ID back through runs, models and mixes to its human sources.

    Example:  prov audit lineage 3f2a9c --json
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        if everything:
            for row in held.human_ancestors(document):
                show_line(row)
            return
        found = held.lineage(document)
    if as_json:
        show_json(found)
    else:
        _show_lineage(found)


def _show_lineage(found: dict[str, Any]) -> None:
    document = found["document"]
    generation = Generation(document["generation"], document["generation_exact"])
    click.echo(
        f"document {document['item']} ({document['digest'][:12]}): {document['origin']}, "
        f"generation {generation}, source {plain(document['source'])}"
    )
    click.echo(f"│    {_excerpt(document['text'])}")
    for parent in found["parents"]:
        click.echo(f"├─ {parent['relation']} of {parent['item']} ({parent['origin']})")
    for step in found["steps"]:
        _show_step(step)
    human = ", ".join(f"{row['documents']:,} of {plain(row['source'])}" for row in found["human"])
    click.echo(f"└─ human texts known behind it: {human or 'none known'}")


def _excerpt(text: str | None, most: int = 160) -> str:
    if text is None:
        return "(erased)"
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= most else f"“{line[:most]}…”"


def _show_step(step: dict[str, Any]) -> None:
    if step["run"]:
        click.echo(
            f"├─ written by run {step['run'][:12]}, seed {plain(step['run_seed'])}, spec {plain(step['run_spec'])}"
        )
    base = f", based on {step['base']}" if step["base"] else ""
    generation = Generation(step["generation"], step["generation_exact"])
    click.echo(f"├─ model {step['model']} ({step['model_digest'][:12]}), generation {generation}{base}")
    if not step["mix"]:
        click.echo("│    what it was trained on is not known")
    elif step["mix_is_foreign"]:
        click.echo(f"│    trained on mix {step['mix'][:12]}, whose documents are not held here")
    else:
        _show_mix(step)


def _show_mix(step: dict[str, Any]) -> None:
    total = sum(row["documents"] for row in step["composition"])
    click.echo(f"│    trained on mix {step['mix'][:12]}: {total:,} documents")
    for row in step["composition"]:
        generation = Generation(row["generation"], row["generation_exact"])
        by = f" by {row['generator']}" if row["generator"] else ""
        click.echo(f"│      {row['documents']:,} {row['origin']}{by}, generation {generation}")
    for row in step["human_sources"]:
        click.echo(f"│      human source {plain(row['source'])}: {row['documents']:,} documents")
    if step["examples"]:
        click.echo(f"│      among them {', '.join(step['examples'])}")
