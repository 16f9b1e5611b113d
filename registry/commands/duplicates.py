"""Commands about near-duplicates: the fingerprints that find them, and what is in the registry more than once."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import (
    MOST_ROWS,
    Share,
    json_option,
    plain,
    progress,
    registry_option,
    say,
    show_json,
    show_table,
)

if TYPE_CHECKING:
    from provenance.fingerprint import MinHashSpec

MOST_SHOWN = 10
"""So many members of a cluster are shown; JSON has more, Parquet all."""


def fingerprint_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how fingerprints are made; `spec_of_options` makes a spec of them."""
    for option in (
        click.option("--threshold", type=Share(), help="Jaccard similarity of near-duplicates.  [default: 0.8]"),
        click.option("--shingle", type=click.IntRange(1, 32), help="Words of a shingle.  [default: 5]"),
        click.option("--permutations", type=click.IntRange(16, 1024), help="Rows of a signature.  [default: 128]"),
    ):
        command = option(command)
    return command


def spec_of_options(
    held: "MinHashSpec | None", threshold: float | None, shingle: int | None, permutations: int | None
) -> "MinHashSpec":
    """A spec with what the options say, and else what `held` says.

    Raises:
        UsageError: all texts would be near.
    """
    from provenance.fingerprint import DEFAULT

    if threshold == 0:  # no spec may have it, and `model_copy` would not say so
        raise click.UsageError("--threshold is 0, from which on all texts are near: give a number above 0")
    said = {"threshold": threshold, "n": shingle, "num_perm": permutations}
    return (held or DEFAULT).model_copy(update={name: value for name, value in said.items() if value is not None})


@click.command()
@registry_option
@json_option
def fingerprint_status(registry: Path, as_json: bool) -> None:
    """Tell how the registry's fingerprints are made, what they find how surely, and how many there are.

    Example:  prov fingerprint status
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.fingerprints()
    if as_json:
        show_json(found)
        return
    if not found["spec"]:
        say("this registry keeps no fingerprints: prov fingerprint rebuild makes them")
    for name, value in {**(found.pop("spec") or {}), **found}.items():
        if name == "recall":
            value = ", ".join(f"{recall:.2%} at {at}" for at, recall in value.items())
        click.echo(f"{name.replace('_', ' ') + ':':16}{plain(value)}")


@click.command()
@fingerprint_options
@click.option("--all", "anew", is_flag=True, help="Make all of them, not only those that are missing.")
@registry_option
@json_option
def fingerprint_rebuild(
    threshold: float | None, shingle: int | None, permutations: int | None, anew: bool, registry: Path, as_json: bool
) -> None:
    """Make the fingerprints that are missing; all of them where an option says that they are to be others.

    They are kept as they are made: interrupted, the same command goes on.

    Example:  prov fingerprint rebuild --threshold 0.7
    """
    from registry.fingerprints import sketcher
    from registry.registry import Registry

    with Registry.open(registry) as held:
        made = sketcher(held)
        spec = spec_of_options(made.spec if made else None, threshold, shingle, permutations)
        every = anew or not made or made.spec != spec
        total = held.stats()["texts"] if every else held.fingerprints()["missing"]
        with progress(total, "texts") as advance:
            count = held.rebuild_fingerprints(spec, anew, advance)
    if as_json:
        show_json({"fingerprints": count, "spec": spec.model_dump()})
    else:
        click.echo(f"{count:,} fingerprints made, of {spec}")


@click.command()
@click.option("--exact", is_flag=True, help="Only documents of one text; needs no fingerprints.")
@click.option("--threshold", type=Share(), help="Jaccard similarity of near-duplicates.  [default: the registry's]")
@click.option(
    "--measure",
    type=click.Choice(["jaccard", "containment", "either"]),
    default="jaccard",
    show_default=True,
    help="What is near: alike as a whole, or the shorter one in the longer one.",
)
@click.option("--containment", type=Share(), default=0.9, show_default=True, help="Share of the shorter one.")
@click.option(
    "--verify",
    type=click.Choice(["text", "signature"]),
    default="text",
    show_default=True,
    help="Judge by the texts' shingles, or by estimates.",
)
@click.option(
    "--keep",
    type=click.Choice(["human", "earliest", "license", "longest"]),
    default="human",
    show_default=True,
    help="Which document of a cluster survives.",
)
@click.option(
    "--max-loss", type=Share(), default=0.2, show_default="20%", help="A source that would lose more loses nothing."
)
@click.option("--where", metavar="FILTER", help="Look among these documents: source = 'wiki' AND bytes > 200.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=10, show_default=True, help="Clusters to list.")
@click.option("--all", "everything", is_flag=True, help="List all clusters.")
@click.option("--parquet", metavar="FILE", help="Write every member of every cluster into this file.")
@registry_option
@json_option
def dedup(
    exact: bool,
    threshold: float | None,
    measure: Any,
    containment: float,
    verify: str,
    keep: Any,
    max_loss: float,
    where: str | None,
    limit: int,
    everything: bool,
    parquet: str | None,
    registry: Path,
    as_json: bool,
) -> None:
    """Report what is in the registry more than once: clusters of near-duplicates, and which document survives, and why.

    Nothing is removed: prov mix --dedup near draws each cluster once, by the same policy. Each member of a cluster was
    judged near to the survivor's text itself. With --measure containment a text stands only for those it holds.

    Example:  prov dedup --measure containment --keep longest --parquet clusters.parquet
    """
    from registry.dedup import members
    from registry.near import Nearness
    from registry.registry import Registry
    from registry.writers import refuse_registry, write_table

    if parquet == "-":
        raise click.UsageError("--parquet names a file: the report goes to standard output")
    if exact and (threshold is not None or measure != "jaccard" or verify != "text"):
        raise click.UsageError("--exact looks for the same texts alone: leave it out, or the options about near ones")
    with Registry.open(registry, read_only=True) as held:
        if parquet is not None:
            refuse_registry(held, Path(parquet))
        near = None
        if not exact:
            near = Nearness(held.threshold(threshold), measure, containment, estimated=verify == "signature")
        with progress(None, "pairs judged") as advance:
            found = held.dedup(
                near,
                keep=keep,
                max_loss=max_loss,
                where=where,
                limit=None if everything else limit,
                progress=advance,
            )
        table = members(held) if parquet is not None else None
    if table is not None and parquet is not None:
        write_table(table, Path(parquet))
        say(f"wrote {table.num_rows:,} members to {parquet}")
    show_json(found) if as_json else _show_dedup(found)


def _show_dedup(found: dict[str, Any]) -> None:
    click.echo(f"{found['documents']:,} documents of {found['texts']:,} texts")
    for row in found["pairs"]:
        one, other = ("+".join(row[name]) for name in ("origins", "others"))
        if row["kind"] == "exact":
            click.echo(f"{row['pairs']:,} texts of several documents: {one}")
        else:
            click.echo(
                f"{row['pairs']:,} pairs of texts are near: {one} and {other}"
                + (f", {row['alike']:,} alike" if row["alike"] is not None else "")
                + (f", {row['contained']:,} the one in the other" if row["contained"] is not None else "")
            )
    click.echo(
        f"{found['clusters']:,} clusters of {found['members']:,} documents: {found['duplicates']:,} would be left out, "
        f"keeping {found['keep']}"
    )
    for row in found["sources"]:
        kind = "source" if row["is_source"] else "model"
        named = "what has no source" if row["name"] is None else f"{kind} {plain(row['name'])}"
        lost = f"{row['duplicates']:,} of {row['documents']:,} documents ({row['duplicates'] / row['documents']:.1%})"
        if row["spared"]:
            say(f"{named} would lose {lost}, more than {found['max_loss']:.0%}: it keeps them all")
        else:
            click.echo(f"{named} would lose {lost}")
    for cluster in found["listed"]:
        click.echo()
        click.echo(f"{cluster['documents']:,} documents, the first survives by its {cluster['why']}:")
        shown = cluster["members"][:MOST_SHOWN]
        show_table([_member_row(row) for row in shown])
        if more := cluster["documents"] - len(shown):
            click.echo(f"and {more:,} more like these")
    if more := found["clusters"] - len(found["listed"]):
        say(f"{more:,} more clusters; --all lists them, --parquet FILE writes them")


def _member_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "": "–" if row["duplicate"] else "+",
        "id": row["id"],
        "origin": row["origin"],
        "generator": row["generator"],
        "source": row["source"],
        "license": row["license"],
        "words": row["words"],
        "jaccard": row["jaccard"],
        "containment": row["containment"],
        "excerpt": " ".join(row["excerpt"].split())[:60] if row["excerpt"] else None,
    }
