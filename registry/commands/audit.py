"""Commands that answer what is in a registry and where it came from."""

from pathlib import Path
from typing import Any

import click

from provenance.console import (
    MOST_ROWS,
    Share,
    conclude,
    fail_on_option,
    json_option,
    plain,
    progress,
    registry_option,
    show_json,
    show_line,
    show_table,
)
from provenance.origin import Generation
from registry.commands.lookup import wanted_nearness


@click.command()
@click.option(
    "--by",
    metavar="NAME,…",
    default="origin,generation,source,license,generator",
    show_default=True,
    help="What to count by; any annotated field too.",
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
    counted = " (as often as each mix holds them; --all lists each once)" if found["steps"] and human else ""
    click.echo(f"└─ human texts known behind it: {human or 'none known'}{counted}")


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


@click.command()
@click.argument("wanted", metavar="ID")
@click.option("--all", "everything", is_flag=True, help="Stream every document that came of it, as JSON lines.")
@fail_on_option("documents", "mixes", "models")
@registry_option
@json_option
def descendants(wanted: str, everything: bool, fail_on: tuple[str, ...], registry: Path, as_json: bool) -> None:
    """List all that came of ID: documents made of it, mixes, models, and what those models wrote.

    ID is a document's id or digest, the digest of a text (all documents that hold it), a model's name or digest, or
    the id of a mix. A derivation, a draw, a training, a fine-tuning and a writing are one step each.

    Example:  prov audit descendants post-1 --json
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        if everything:
            for row in held.all_descendants(wanted):
                show_line(row)
        found = held.descendants(wanted) if fail_on or not everything else None
    if not everything and found:
        show_json(found) if as_json else _show_descendants(found)
    if found:
        documents = found["documents"]["derived"] + found["documents"]["written"]
        conclude({"documents": documents, "mixes": len(found["mixes"]), "models": len(found["models"])}, fail_on)


def _show_descendants(found: dict[str, Any]) -> None:
    click.echo(f"{found['kind']} {found['digest'][:12]}")
    _show_came(found)


def _show_came(found: dict[str, Any]) -> None:
    counts = found["documents"]
    click.echo(
        f"documents made of it: {counts['derived']:,}; written by models that learnt from it: {counts['written']:,} "
        f"({counts['texts']:,} texts, {counts['bytes']:,} bytes in all)"
    )
    if found["mixes"]:
        click.echo(f"{len(found['mixes']):,} mixes, by what of it came from there:")
        rows = [
            {
                "mix": row["mix"][:12],
                "steps": row["steps"],
                "itself": row["direct"],
                "documents": row["documents"],
                "of": row["of_documents"],
                "share": f"{row['share_documents']:.2%}",
                "bytes": row["bytes"],
                "share of bytes": f"{row['share_bytes']:.2%}",
            }
            for row in found["mixes"]
        ]
        show_table(rows)
    if found["models"]:
        click.echo(f"{len(found['models']):,} models that learnt from it:")
        show_table([_model_row(row) | {"wrote": row["wrote"]} for row in found["models"]])


def _model_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "digest": row["digest"][:12],
        "generation": str(Generation(row["generation"], row["generation_exact"])),
        "steps": row["steps"],
        "mix": row["mix"] and row["mix"][:12],
        "base": row["base"],
    }


@click.command()
@click.argument("text", metavar="ID")
@fail_on_option("direct", "descent")
@registry_option
@json_option
def exposure(text: str, fail_on: tuple[str, ...], registry: Path, as_json: bool) -> None:
    """Tell which mixes and models saw the text of ID: directly, or through what was made of it.

    ID is a document's id or digest, or a text's digest; every document that holds the text counts. By descent are
    also texts derived from it, what models wrote that saw it, and models based on such.

    Example:  prov audit exposure post-1 --fail-on direct
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.exposure(text)
    if as_json:
        show_json(found)
    else:
        _show_exposure(found)
    how = [row["how"] for row in found["mixes"] + found["models"]]
    conclude({"direct": how.count("direct"), "descent": how.count("by descent")}, fail_on)


def _show_exposure(found: dict[str, Any]) -> None:
    click.echo(
        f"text {found['text'][:12]}: {found['documents']:,} documents hold it, {found['derived']:,} were made of it"
    )
    if not found["mixes"] and not found["models"]:
        click.echo("no mix holds it or what was made of it, no model saw it")
    if found["mixes"]:
        show_table(
            [
                {
                    "mix": row["mix"][:12],
                    "how": row["how"],
                    "steps": row["steps"],
                    "itself": row["times"],
                    "made of it": row["derived"],
                    "written by models that saw it": row["written"],
                    "documents": row["documents"],
                }
                for row in found["mixes"]
            ]
        )
    if found["models"]:
        show_table([_model_row(row) | {"how": row["how"], "itself": row["times"]} for row in found["models"]])


@click.command()
@click.argument("document", metavar="[ID]", required=False)
@click.option("--source", metavar="NAME", help="All of this source.")
@click.option("--license", metavar="NAME", help="All that stands under this licence.")
@click.option("--text", is_flag=True, help="Every document of the text of ID, not the one alone.")
@fail_on_option("found")
@registry_option
@json_option
def impact(
    document: str | None,
    source: str | None,
    license: str | None,
    text: bool,
    fail_on: tuple[str, ...],
    registry: Path,
    as_json: bool,
) -> None:
    """Tell what must go or be trained anew if the document ID, a source or a licence is withdrawn.

    That is what was made of it, the share of each mix that falls away, the models that learnt from those, what they
    wrote in turn, and the files that were handed out. --fail-on found: if there is anything but the texts themselves.

    Example:  prov audit impact --source my-blog
    """
    from registry.registry import Registry

    if sum(choice is not None for choice in (document, source, license)) != 1:
        raise click.UsageError("an impact is that of exactly one of ID, --source and --license")
    if text and not document:
        raise click.UsageError("--text goes with an ID")
    with Registry.open(registry, read_only=True) as held:
        found = held.impact(document, source=source, license=license, text=text)
    if as_json:
        show_json(found)
    else:
        _show_impact(found)
    came = found["documents"]["derived"] + found["documents"]["written"]
    conclude({"found": came + sum(len(found[kind]) for kind in ("mixes", "models", "exports"))}, fail_on)


def _show_impact(found: dict[str, Any]) -> None:
    value = found["value"] if found["scope"] in ("source", "license") else found["value"][:12]
    gone = found["withdrawn"]
    click.echo(
        f"{found['scope']} {value}: {gone['documents']:,} documents of {gone['texts']:,} texts, {gone['bytes']:,} bytes"
    )
    _show_came(found)
    for row in found["exports"]:
        mix = f" of mix {row['mix'][:12]}" if row["mix"] else ""
        click.echo(f"handed out: {row['kind']}{mix} in {row['path']}")


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, MOST_ROWS), default=20, show_default=True, help="List this many at most."
)
@click.option("--all", "everything", is_flag=True, help="List all of them.")
@click.option("--exact", is_flag=True, help="Only documents of one text; needs no fingerprints.")
@click.option("--threshold", type=Share(), help="Jaccard similarity of near texts.  [default: the registry's]")
@click.option(
    "--measure",
    type=click.Choice(["jaccard", "containment", "either"]),
    help="What is near: alike as a whole, one in the other, or either.  [default: jaccard]",
)
@fail_on_option("conflict", "near")
@registry_option
@json_option
def conflicts(
    limit: int,
    everything: bool,
    exact: bool,
    threshold: float | None,
    measure: str | None,
    fail_on: tuple[str, ...],
    registry: Path,
    as_json: bool,
) -> None:
    """Find texts, the same or near, that are told to be of different origins, or to stand under different licences.

    An unknown origin or the lack of a licence contradicts nothing, and spellings of one licence do not differ. What
    was declared of one document at different times is its history, which prov show tells. --fail-on conflict counts
    the same texts, --fail-on near pairs of near ones.

    Example:  prov audit conflicts --fail-on conflict
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        near = wanted_nearness(held, "jaccard", exact, threshold, measure)
        with progress(None, "pairs judged") as advance:
            found = held.conflicts(None if everything else limit, near, advance)
    if as_json:
        show_json(found)
    else:
        _show_conflicts(found)
    conclude({"conflict": found["texts"], "near": found["near"]["pairs"] if found["near"] else 0}, fail_on)


def _show_conflicts(found: dict[str, Any]) -> None:
    about = found["about"]
    click.echo(
        f"{found['texts']:,} texts in conflict: {about['origin']:,} about origin, {about['license']:,} about licences"
    )
    for pair in found["pairs"]:
        if pair["texts"]:
            click.echo(f"{' and '.join(pair['origins'])}: {pair['texts']:,} texts")
    for row in found["conflicts"]:
        click.echo(f"text {row['text'][:12]}, {' and '.join(row['about'])}: {_excerpt(row['excerpt'])}")
        for said in row["documents"]:
            _show_saying(said)
    if more := found["texts"] - len(found["conflicts"]):
        click.echo(f"and {more:,} more: --all lists them")
    if found["near"]:
        _show_near_conflicts(found["near"])


def _show_near_conflicts(found: dict[str, Any]) -> None:
    about = found["about"]
    click.echo(
        f"{found['pairs']:,} pairs of near-duplicates in conflict: {about['origin']:,} about origin, "
        f"{about['license']:,} about licences"
    )
    for pair in found["pairs_of_origins"]:
        if pair["pairs"]:
            click.echo(f"{' and '.join(pair['origins'])}: {pair['pairs']:,} pairs")
    for row in found["conflicts"]:
        measured = f"jaccard {plain(row['jaccard'])}, containment {plain(row['containment'])}"
        click.echo(f"near, {' and '.join(row['about'])}, {measured}:")
        for text in row["texts"]:
            click.echo(f"  text {text['text'][:12]}: {_excerpt(text['excerpt'])}")
            for said in text["documents"]:
                _show_saying(said)
    if more := found["pairs"] - len(found["conflicts"]):
        click.echo(f"and {more:,} more: --all lists them")


def _show_saying(said: dict[str, Any]) -> None:
    by = f" by {said['generator']}" if said["generator"] else ""
    others = f" and {said['documents'] - 1:,} more" if said["documents"] > 1 else ""
    click.echo(
        f"    {said['origin']}{by}, source {plain(said['source'])}, license {plain(said['license'])}: "
        f"{said['item']} ({said['digest'][:12]}){others}"
    )


@click.command()
@click.argument("mix")
@click.option(
    "--use",
    default="commercial",
    show_default=True,
    metavar="commercial|research",
    help="The use to judge them for; commercial@1 names the version of the table.",
)
@fail_on_option("forbidden", "unknown")
@registry_option
@json_option
def licenses(mix: str, use: str, fail_on: tuple[str, ...], registry: Path, as_json: bool) -> None:
    """Judge the licences of MIX for a use, by a table that ships with prov. This is not legal advice.

    Names, aliases and SPDX expressions are read (cc-by, Apache 2.0, MIT OR GPL-2.0-only). What has no licence, or one
    that the table does not know, is unknown, not allowed. A licence against derivatives (ND) counts as forbidding
    commercial use, for a model may be one; copyleft forbids no use, its duty is told.

    Example:  prov audit licenses 3f2a9c01d2e4 --use commercial --fail-on forbidden --fail-on unknown
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.licenses(mix, use)
    if as_json:
        show_json(found)
    else:
        _show_licenses(found)
    totals = found["totals"]
    conclude({name: totals[name]["documents"] for name in ("forbidden", "unknown")}, fail_on)


def _show_licenses(found: dict[str, Any]) -> None:
    click.echo(f"mix {found['mix'][:12]} for {found['use']} (no legal advice)")
    if found["licenses"]:
        names = ("license", "spdx", "class", "documents", "bytes", "verdict", "attribution", "share_alike")
        show_table(found["licenses"], names)
    for verdict, total in found["totals"].items():
        click.echo(f"{verdict}: {total['documents']:,} documents, {total['bytes']:,} bytes")
