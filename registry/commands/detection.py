"""The command that looks for watermarks, and what others share with it about keys."""

import os
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

if TYPE_CHECKING:
    from provenance.detection import Seekers


def held_seekers(wanted: tuple[str, ...] = ()) -> "Seekers":
    """What looks for the keys of the keyring, or for the wanted ones."""
    from provenance.detection import Seekers
    from provenance.keyring import Keyring

    return Seekers.of(Keyring.open(environment=os.environ), wanted)


def _some_seekers(wanted: tuple[str, ...]) -> "Seekers":
    seekers = held_seekers(wanted)
    if not len(seekers):
        raise ProvError("no key is held to look for: add the one that texts were marked with by `prov keys add`")
    return seekers


@click.command()
@click.argument("paths", nargs=-1)
@click.option("--key", "keys", metavar="KEY", multiple=True, help="Look for this key; may be given several times.")
@click.option(
    "--fpr", type=Share(), default="1%", show_default=True, help="Share of unmarked texts that may be called marked."
)
@click.option("--strip", is_flag=True, help="Leave out zero-width characters and lookalikes of letters in scoring.")
@click.option("--dry-run", is_flag=True, help="Score the registry's documents, keep nothing.")
@click.option("--text-column", metavar="NAME", default="text", help="Where the text stands in a file.")
@click.option("--id-column", metavar="NAME", default="id", help="Where the id stands in a file.")
@click.option("--split", type=click.Choice(["paragraphs", "lines"]), help="Cut .txt files; else each is one text.")
@click.option("--skip-bad", is_flag=True, help="Count bad rows of files instead of ending at the first.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), default=20, show_default=True, help="Texts to list.")
@click.option("--all", "everything", is_flag=True, help="List all of them.")
@click.option("--parquet", metavar="FILE", help="Write a row for each text and key into this file.")
@fail_on_option("marked", "disagreements")
@registry_option
@json_option
def detect(
    paths: tuple[str, ...],
    keys: tuple[str, ...],
    fpr: float,
    strip: bool,
    dry_run: bool,
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
    """Look for the watermark of every key that is held, in PATHS, or in the registry's documents where none is given.

    Of the registry only what was not looked at yet is scored, and kept. A text is marked where its p, corrected for the
    number of keys, is at most --fpr; q is the share of false ones among all that score as high. Where texts declared
    human are marked, or texts written with a key are not, declarations and marks disagree: that is the finding.

    Text that was marked with a key that is not held cannot be found.

    Example:  prov detect --key mine --fail-on disagreements
    """
    if parquet == "-":
        raise click.UsageError("--parquet names a file: what was found goes to standard output")
    if not 0 < fpr < 1:
        raise click.UsageError("--fpr is a rate between 0 and 1, as in 1%")
    most = None if everything else limit
    if paths:
        found = _detect_files(
            paths, _some_seekers(keys), fpr, strip, (text_column, id_column), split, skip_bad, most, parquet
        )
    else:
        found = _detect_registry(registry, keys, fpr, strip, dry_run, most, parquet)
    show_json(found) if as_json else _show(found)
    conclude({"marked": found["marked"], "disagreements": found.get("disagreements", 0)}, fail_on)


def _detect_registry(
    registry: Path,
    keys: tuple[str, ...],
    fpr: float,
    strip: bool,
    dry_run: bool,
    limit: int | None,
    parquet: str | None,
) -> dict[str, Any]:
    from registry.detect import detection_rows
    from registry.registry import Registry
    from registry.writers import refuse_registry, write_table

    with Registry.open(registry) as held:
        seekers = _some_seekers(keys)
        ids = [seeker.key for seeker in seekers.seekers]
        if parquet is not None:
            refuse_registry(held, Path(parquet))

        def tell() -> tuple[dict[str, Any], Any]:
            rows = detection_rows(held, ids, fpr) if parquet is not None else None
            return held.detections(ids, rate=fpr, limit=limit), rows

        with progress(None, "documents") as advance:
            sought = held.detect(seekers, strip, dry_run=dry_run, then=tell, progress=advance)
    found: dict[str, Any]
    found, rows = sought.told
    if parquet is not None:
        write_table(rows, Path(parquet))
    return found | {"newly_scored": sought.documents, "disguised": sought.disguised, "dry_run": dry_run}


def _detect_files(
    paths: tuple[str, ...],
    seekers: "Seekers",
    fpr: float,
    strip: bool,
    columns: tuple[str, str],
    split: Any,
    skip_bad: bool,
    limit: int | None,
    parquet: str | None,
) -> dict[str, Any]:
    from registry.detect import FileSummary, detect_files
    from registry.outside import Columns
    from registry.readers import Meter, find_inputs
    from registry.writers import refuse_input, write_table

    inputs = find_inputs(paths)[0]
    if parquet is not None:
        refuse_input(inputs, Path(parquet))
    sizes, meter, summary = [input.bytes for input in inputs], Meter(), FileSummary(fpr, limit)
    total = None if None in sizes else sum(size or 0 for size in sizes)
    with ExitStack() as stack:
        advance = stack.enter_context(progress(total, "texts", lambda: meter.bytes))
        for table in detect_files(
            seekers,
            paths,
            rate=fpr,
            strip=strip,
            columns=Columns(*columns),
            split=split,
            skip_bad=skip_bad,
            meter=meter,
            progress=advance,
        ):
            summary.add(table)
    if bad := summary.first_bad:
        say(f"left out {summary.bad:,} bad rows, the first: {bad['input']}, {bad['place']}: {bad['fault']}")
    if parquet is not None:
        rows = summary.rows()
        write_table(rows, Path(parquet))
        say(f"wrote {len(rows):,} rows to {parquet}")
    return summary.told()


def _show(found: dict[str, Any]) -> None:
    counted = found["documents"] - found["too_short"]
    click.echo(f"{found['documents']:,} texts, {found['too_short']:,} too short to tell, {found['marked']:,} marked")
    if share := found["share"]:
        click.echo(
            f"about {share['estimate']:.1%} of {counted:,} are marked (95 %: {share['low']:.1%} to "
            f"{share['high']:.1%}): {found['rate']:.3g} of unmarked ones are called so by chance"
        )
    if found.get("disguised"):
        say(f"{found['disguised']:,} texts hold zero-width characters or lookalikes of letters: --strip ignores them")
    show_table(found["keys"])
    if found.get("origins"):
        show_table([_origin(row) for row in found["origins"]])
        click.echo(f"{found['disagreements']:,} disagreements between marks and declarations")
    if found["listed"]:
        show_table(found["listed"])
    if more := found.get("disagreements", found["marked"]) - len(found["listed"]):
        say(f"and {more:,} more: --all lists them, --parquet FILE writes them")


def _origin(row: dict[str, Any]) -> dict[str, Any]:
    share = row["share"]
    told = plain(None) if share is None else f"{share['estimate']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
    return {**{name: row[name] for name in ("origin", "generator", "documents", "too_short", "marked")}, "share": told}
