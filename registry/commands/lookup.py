"""The command that answers for texts outside the registry, and what others share with it about nearness."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    say,
    show_json,
    show_table,
)
from provenance.errors import ProvError
from provenance.origin import Generation

if TYPE_CHECKING:
    from registry.near import Nearness
    from registry.registry import Registry


def wanted_nearness(
    held: "Registry", default: Any, exact: bool, threshold: float | None, measure: Any = None, verify: str | None = None
) -> "Nearness | None":
    """What is near, as the options say; None where only the same texts are sought, or nothing else can be.

    Where a registry has no fingerprints that is told, unless an option asks for near ones by name.

    Args:
        default: the measure where none is named.
    Raises:
        UsageError: an option asks for near texts, and another for exact ones alone.
    """
    from registry.near import Nearness

    asks = any(option is not None for option in (threshold, measure, verify))
    if exact and asks:
        raise click.UsageError("--exact looks for the same texts alone: leave it out, or the options about near ones")
    if exact:
        return None
    try:
        own = held.threshold()
    except ProvError as error:
        if asks:
            raise
        say(f"only the same texts are found, no near ones: {error}")
        return None
    return Nearness(
        own if threshold is None else threshold,
        measure or ("jaccard" if verify == "signature" else default),
        estimated=verify == "signature",
    )


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--exact", is_flag=True, help="Only the same texts; needs no fingerprints.")
@click.option("--threshold", type=Share(), help="Jaccard similarity of near texts.  [default: the registry's]")
@click.option(
    "--measure",
    type=click.Choice(["jaccard", "containment", "either"]),
    help="What is near: alike as a whole, one in the other, or either.  [default: either]",
)
@click.option(
    "--verify",
    type=click.Choice(["text", "signature"]),
    help="Judge by the texts' shingles, or by estimates, of which there are none of containment.  [default: text]",
)
@click.option("--text-column", metavar="NAME", default="text", help="Where the text stands.")
@click.option("--id-column", metavar="NAME", default="id", help="Where the id stands.")
@click.option("--split", type=click.Choice(["paragraphs", "lines"]), help="Cut .txt files; else each is one text.")
@click.option("--skip-bad", is_flag=True, help="Count bad rows instead of ending at the first.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=20, show_default=True, help="Matches to list.")
@click.option("--all", "everything", is_flag=True, help="List all of them.")
@click.option("--parquet", metavar="FILE", help="Write a row for each text into this file.")
@fail_on_option("human", "model", "held-out")
@registry_option
@json_option
def lookup(
    paths: tuple[str, ...],
    exact: bool,
    threshold: float | None,
    measure: str | None,
    verify: str | None,
    text_column: str,
    id_column: str,
    split: Any,
    skip_bad: bool,
    limit: int,
    everything: bool,
    parquet: str | None,
    fail_on: tuple[str, ...],
    registry: Path,
    as_json: bool,
) -> None:
    """Tell what the texts in PATHS are copies of: the same text in the registry, or near ones, and who wrote that.

    Reads what prov ingest reads, and takes nothing in. Each text is counted as a copy of its best match: the same text
    before near ones, then the most similar. Where documents of several origins hold it, the human one is named first;
    a match of another origin is told as well. A match that is held out is a leak. --fail-on counts every match.

    Example:  prov lookup crawl.jsonl --fail-on held-out --parquet found.parquet
    """
    from registry.lookup import Summary
    from registry.outside import Columns
    from registry.readers import Meter, find_inputs
    from registry.registry import Registry
    from registry.writers import refuse_input, refuse_registry, tables_writer

    if parquet == "-":
        raise click.UsageError("--parquet names a file: what was found goes to standard output")
    summary, meter = Summary(limit=None if everything else limit), Meter()
    with Registry.open(registry, read_only=True) as held, ExitStack() as stack:
        near = wanted_nearness(held, "either", exact, threshold, measure, verify)
        inputs = find_inputs(paths)[0]
        sizes = [input.bytes for input in inputs]
        write = None
        if parquet is not None:
            refuse_registry(held, Path(parquet))
            refuse_input(inputs, Path(parquet))
            write = stack.enter_context(tables_writer(Path(parquet)))
        total = None if None in sizes else sum(size or 0 for size in sizes)
        advance = stack.enter_context(progress(total, "texts", lambda: meter.bytes))
        for table in held.lookup(
            paths,
            near,
            columns=Columns(text_column, id_column),
            split=split,
            skip_bad=skip_bad,
            meter=meter,
            progress=advance,
        ):
            summary.add(table)
            if write:
                write(table)
    if bad := summary.first_bad:
        say(f"left out {summary.bad:,} bad rows, the first: {bad['input']}, {bad['place']}: {bad['fault']}")
    if parquet is not None:
        say(f"wrote {summary.texts:,} rows to {parquet}")
    found = summary.told() | {"measured": vars(near) if near else None}
    show_json(found) if as_json else _show(found)
    matched = summary.exact + summary.near
    conclude(
        {"human": summary.human, "model": summary.model, "held-out": summary.held_out, "matched": matched}, fail_on
    )


def _show(found: dict[str, Any]) -> None:
    click.echo(
        f"{found['texts']:,} texts ({found['bytes']:,} bytes): {found['exact']:,} held as they are, {found['near']:,} "
        f"near to a held one, {found['unmatched']:,} unmatched, {found['empty']:,} empty"
    )
    click.echo(
        f"{found['human']:,} match human texts, {found['model']:,} texts of models, {found['held_out']:,} held-out ones"
    )
    if not found["origins"]:
        return
    click.echo("copied from:")
    show_table(
        [
            {
                "origin": row["origin"],
                "generation": _generation(row),
                **{name: row[name] for name in ("texts", "exact", "near", "bytes")},
            }
            for row in found["origins"]
        ]
    )
    show_table(found["sources"])
    for row in found["matches"]:
        _show_match(row)
    if more := found["exact"] + found["near"] - len(found["matches"]):
        say(f"and {more:,} more matches: --all lists them, --parquet FILE writes them")


def _generation(row: dict[str, Any]) -> str:
    return (
        plain(None) if row["generation_exact"] is None else str(Generation(row["generation"], row["generation_exact"]))
    )


def _show_match(row: dict[str, Any]) -> None:
    told = _told(row, row["matched_id"], row["matched_document"])
    click.echo(f"{row['input']}, {row['place']}, {row['id']}: {row['match']}, {told}")
    for said in row["sayings"][1:]:
        click.echo(f"    also {said['origin']}{_by(said)}: {said['id']} ({said['document'][:12]})")
    for other in row["others"]:
        click.echo(f"    also {_told(other, other['id'], other['document'])}")
    if row["held_out"]:
        click.echo(f"    held out: {', '.join(row['held_out'])}")


def _told(row: dict[str, Any], id: str | None, document: str | None) -> str:
    measured = (
        "" if row["jaccard"] == 1 else f" (jaccard {plain(row['jaccard'])}, containment {plain(row['containment'])})"
    )
    named = f"{id} ({document[:12]}), {row['origin']}{_by(row)}" if document else "a text of no document"
    return f"{row['how']} {named}{measured}"


def _by(row: dict[str, Any]) -> str:
    by = f" by {row['generator']}" if row["generator"] else ""
    return f"{by}, source {plain(row['source'])}, license {plain(row['license'])}"
