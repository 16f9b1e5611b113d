"""Commands that fill a registry and look into it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from provenance.console import (
    MOST_ROWS,
    Size,
    json_option,
    plain,
    progress,
    registry_option,
    say,
    show_json,
    show_table,
)
from provenance.origin import COLUMNS, Generation, Origin
from registry.commands.detection import held_seekers
from registry.commands.duplicates import fingerprint_options, spec_of_options


@click.command()
@click.argument("file", required=False)
@click.option("--tokenizer", metavar="FILE|NAME", help="Count tokens with this tokenizer.json or hub tokenizer.")
@click.option("--no-fingerprint", is_flag=True, help="Keep no fingerprints, so find no near-duplicates.")
@fingerprint_options
@registry_option
def init(
    file: str | None,
    tokenizer: str | None,
    no_fingerprint: bool,
    threshold: float | None,
    shingle: int | None,
    permutations: int | None,
    registry: Path,
) -> None:
    """Make an empty registry, in FILE or where --registry says.

    Example:  prov init corpus.prov
    """
    from registry.registry import Registry
    from registry.tokens import load

    if no_fingerprint and any(option is not None for option in (threshold, shingle, permutations)):
        raise click.UsageError("--no-fingerprint leaves nothing to say of fingerprints: leave it or the others out")
    path = Path(file) if file else registry
    if tokenizer:
        load(tokenizer)  # before the registry is made, so that a bad name leaves nothing behind
    spec = None if no_fingerprint else spec_of_options(None, threshold, shingle, permutations)
    with Registry.create(path, fingerprint=spec) as held:
        if tokenizer:
            held.tokenize(tokenizer)
    say(f"made {path}")


def _column_options(command: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(COLUMNS):
        flag = f"--{name.replace('_', '-')}-column"
        command = click.option(flag, f"column_{name}", metavar="NAME", help=f"Where the {name} stands.")(command)
    return command


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--origin", type=click.Choice([str(origin) for origin in Origin]), help="Who wrote the texts.")
@click.option("--generation", type=click.IntRange(min=1), help="Generation of the model that wrote them.")
@click.option("--generator", metavar="NAME", help="Name of the model that wrote them.")
@click.option("--source", metavar="NAME", help="Name of the source they come from.")
@click.option("--license", metavar="SPDX", help="Licence they stand under.")
@click.option("--url", metavar="URL", help="Where the source is found.")
@click.option("--consent", metavar="TEXT", help="What the source consented to.")
@click.option("--run", metavar="RUN", help="The recorded run that wrote them.")
@click.option("--by", metavar="WHO", help="Who declares this.")
@click.option("--evidence", metavar="TEXT", help="What the declaration rests on.")
@click.option("--split", type=click.Choice(["paragraphs", "lines"]), help="Cut .txt files; else each is one text.")
@click.option("--max-bytes", type=Size(), default="100MB", show_default=True, help="Longest text to take.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out, into FILE.rejected.jsonl with their reasons.")
@click.option("--redeclare", is_flag=True, help="Let a known document be declared anew.")
@click.option("--commit-each-file", is_flag=True, help="One batch a file; finished files are passed over next time.")
@click.option("--dry-run", is_flag=True, help="Check everything, keep nothing.")
@click.option("--near", type=click.Choice(["report"]), help="Tell which new texts are near-duplicates; remove none.")
@click.option("--no-detect", is_flag=True, help="Do not look for the watermarks of the keys that are held.")
@_column_options
@registry_option
@json_option
def ingest(
    paths: tuple[str, ...],
    origin: str | None,
    generation: int | None,
    generator: str | None,
    source: str | None,
    license: str | None,
    url: str | None,
    consent: str | None,
    run: str | None,
    by: str | None,
    evidence: str | None,
    split: Any,
    max_bytes: int,
    skip_bad: bool,
    redeclare: bool,
    commit_each_file: bool,
    dry_run: bool,
    near: Any,
    no_detect: bool,
    registry: Path,
    as_json: bool,
    **columns: str | None,
) -> None:
    """Take texts in from PATHS: JSONL, Parquet, CSV, TSV and text files (.gz and .zst too), folders, globs, or -.

    The columns id, text, origin, generation, generator, source, license, url, created, prompt_of, parents and
    metadata are understood; others are kept as metadata, and can be filtered on. A row's own columns come before
    the options. Without any word on it the origin is unknown, never human. The same file twice adds nothing.

    Example:  prov ingest wiki.jsonl --origin human --source wikipedia --license CC-BY-SA-4.0
    """
    from registry.readers import Meter, find_inputs
    from registry.registry import Registry
    from registry.rows import Declared

    if (url or consent) and not source:
        raise click.UsageError("--url and --consent tell about a source: name it with --source")
    declared = Declared(
        origin=Origin(origin) if origin else None,
        generation=generation,
        generator=generator,
        source=source,
        license=license,
        url=url,
        consent=consent,
        by=by,
        evidence=evidence,
    )
    seekers = None if no_detect else held_seekers()
    renamed = {name.removeprefix("column_"): value for name, value in columns.items() if value}
    with Registry.open(registry) as held:
        inputs, passed_over = find_inputs(paths)
        sizes, meter = [input.bytes for input in inputs], Meter()
        total = None if None in sizes else sum(size or 0 for size in sizes)
        with progress(total, "rows", lambda: meter.bytes) as advance:
            result = held.ingest(
                paths,
                declared,
                columns=renamed,
                run=run,
                split=split,
                max_bytes=max_bytes,
                skip_bad=skip_bad,
                redeclare=redeclare,
                commit_each_file=commit_each_file,
                dry_run=dry_run,
                near=near,
                seekers=seekers,
                progress=advance,
                meter=meter,
            )
    if passed_over:
        say(f"passed over {len(passed_over):,} files of other formats, the first is {passed_over[0]}")
    if result.rejected:
        say(
            f"left out {len(result.rejected):,} bad rows, the first: {result.rejected[0].file}, "
            f"{result.rejected[0].place}: {result.rejected[0].reason}"
            + ("" if dry_run else f"; all are in {registry}.rejected.jsonl")
        )
    if as_json:
        show_json(result.summary() | {"dry_run": dry_run})
    else:
        click.echo(_ingested(result.summary(), dry_run))
        if result.near:
            _show_arrivals(result.near.summary())


def _show_arrivals(found: dict[str, Any], most: int = 20) -> None:
    click.echo(f"{found['pairs']:,} pairs are near-duplicates, of {found['texts']:,} new texts")
    for row in found["origins"]:
        click.echo(f"{row['pairs']:,} pairs: {row['origin']}, near to {row['near_to']}")
    if found["pairs"]:
        show_table(
            [
                {"jaccard": row["jaccard"], "containment": row["containment"]}
                | {name: row["new"][name] for name in ("id", "origin", "source")}
                | {"near to": row["near_to"]["id"]}
                | {f"its {name}": row["near_to"][name] for name in ("origin", "source")}
                | {"its digest": row["near_to"]["document"][:12], "new": "both" if row["both_new"] else "one"}
                for row in found["listed"][:most]
            ]
        )
    if more := found["pairs"] - min(most, len(found["listed"])):
        say(f"and {more:,} more pairs: --json tells the first {found['limit']:,}")


def _ingested(counts: dict[str, int], dry_run: bool) -> str:
    parts = [
        f"{counts['added']:,} {'would be ' if dry_run else ''}added ({counts['bytes']:,} bytes)",
        f"{counts['known']:,} known",
    ]
    names = {
        "marked": "marked by a key that is held",
        "changed": "changed since",
        "redeclared": "declared anew",
        "rejected": "bad rows left out",
        "withdrawn": "left out as withdrawn",
        "held_out": "of held-out texts",
        "near_held_out": "near to held-out texts",
        "parents_missing": "parents not held here",
        "learnt": "models, mixes and runs learnt",
        "skipped_files": "finished files passed over",
    }
    return ", ".join(
        [
            f"{counts['read']:,} rows: {parts[0]}",
            *parts[1:],
            *(f"{counts[name]:,} {words}" for name, words in names.items() if counts[name]),
        ]
    )


@click.command()
@click.argument("tokenizer", required=False)
@registry_option
@json_option
def tokenize(tokenizer: str | None, registry: Path, as_json: bool) -> None:
    """Count the tokens of every text, with TOKENIZER (a tokenizer.json or a hub name) from now on.

    Without TOKENIZER, counts what the registry's own has not counted yet.

    Example:  prov tokenize tokenizer.json
    """
    from registry.registry import Registry

    with Registry.open(registry) as held:
        total = held.stats()["texts"] if tokenizer else held.uncounted()
        with progress(total, "texts") as advance:
            counted = held.tokenize(tokenizer, advance)
    if as_json:
        show_json({"texts": counted})
    else:
        click.echo(f"{counted:,} texts counted")


@click.command()
@click.argument("wanted", metavar="ID")
@click.option("--full", is_flag=True, help="Print the whole text.")
@registry_option
@json_option
def show(wanted: str, full: bool, registry: Path, as_json: bool) -> None:
    """Show all about the document, model, run, mix, experiment, source or batch that ID means.

    ID is a user's id, a name, or the start of a digest.

    Example:  prov show xsum_gpt-4-0-m
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.show(wanted)
    if as_json:
        show_json(found)
        return
    for entry in found:
        _show_entry(entry, full)


def _show_entry(entry: dict[str, Any], full: bool) -> None:
    if "generation" in entry:
        entry["generation"] = str(Generation(entry["generation"], entry.pop("generation_exact")))
    lists = {name: entry.pop(name) for name in ("rules", "parents", "declarations", "annotations") if name in entry}
    text, attribution = entry.pop("text", None), entry.pop("attribution", None)
    for name, value in entry.items():
        if value is not None:
            click.echo(f"{name + ':':24}{plain(value)}")
    for name, rows in lists.items():
        if rows:
            click.echo(f"{name}:")
            show_table(rows)
    if attribution:
        click.echo(
            f"attribution:            a model's with p {attribution['p_model']:.4g}, prior {attribution['prior']:g}"
        )
        if attribution["evidence"]:
            show_table(attribution["evidence"])
    if text is not None:
        click.echo(text if full or len(text) <= 500 else f"{text[:500]}… (--full shows all {len(text):,} characters)")
    click.echo()


@click.command()
@click.argument(
    "kind", type=click.Choice(["documents", "sources", "batches", "models", "runs", "mixes", "experiments"])
)
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=20, show_default=True, help="How many at most.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@registry_option
@json_option
def ls(kind: Any, limit: int, everything: bool, registry: Path, as_json: bool) -> None:
    """List what there is of a KIND, the newest first.

    Example:  prov ls mixes
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        rows = held.list(kind, None if everything else limit)
    if as_json:
        show_json(rows)
        return
    for row in rows:
        for name, value in row.items():
            if name in ("digest", "mix", "run", "previous") and value:
                row[name] = value[:12]
    show_table(rows) if rows else say(f"no {kind} yet")
    if not everything and len(rows) == limit:
        say(f"the newest {limit:,}; --all lists every one")


@click.command()
@registry_option
@json_option
def stats(registry: Path, as_json: bool) -> None:
    """Count everything in the registry, and print the head of its chain.

    Example:  prov stats --json
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        counts = held.stats()
    if as_json:
        show_json(counts)
        return
    origins = counts.pop("origins")
    for name, value in counts.items():
        click.echo(f"{name + ':':14}{plain(value)}")
    if origins:
        show_table(
            [row | {"generation": str(Generation(row["generation"], row["generation_exact"]))} for row in origins],
            ["origin", "generation", "documents", "bytes", "words"],
        )


@click.command()
@click.argument("statement")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--parquet", metavar="FILE", help="Write a Parquet file.")
@registry_option
@json_option
def sql(statement: str, form: str | None, parquet: str | None, registry: Path, as_json: bool) -> None:
    """Ask the registry in DuckDB's SQL. It is opened for reading, and can reach no other file.

    Example:  prov sql "SELECT origin, count(*) AS documents FROM document GROUP BY origin"
    """
    from registry.audit import sql as ask
    from registry.registry import Registry
    from registry.writers import refuse_registry, write_csv, write_table

    with Registry.open(registry, read_only=True) as held:
        held.lock_down()
        table = ask(held, statement)
        if parquet is not None:
            refuse_registry(held, Path(parquet))
    if parquet is not None:
        write_table(table, Path(parquet))
        say(f"wrote {table.num_rows:,} rows to {parquet}")
    elif form == "csv":
        write_csv(table, sys.stdout.buffer)
    elif as_json:
        show_json(table.to_pylist())
    elif table.num_columns:
        show_table(table.to_pylist(), table.column_names)
