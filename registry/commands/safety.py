"""Commands that keep a registry safe: what may not be drawn, what must go, and whether all of it still holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from provenance.origin import Generation

if TYPE_CHECKING:
    from registry.erase import Erasure
    from registry.rules import Withdrawn
    from registry.verify import Verified


@click.command()
@click.option("--frac", type=click.FloatRange(0, 1, min_open=True), help="This share of all human texts.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the choice by --frac.")
@click.option("--where", metavar="FILTER", help="The texts of these documents: source = 'wiki' AND bytes > 200.")
@click.option("--source", metavar="NAME", help="The texts of this source, those that come into it later too.")
@click.option("--name", metavar="NAME", required=True, help="What they are held out for: test.")
@click.option("--force", is_flag=True, help="Also texts that a mix holds already.")
@click.option("--dry-run", is_flag=True, help="Tell what would be held out, keep nothing.")
@registry_option
@json_option
def hold_out(
    frac: float | None,
    seed: int,
    where: str | None,
    source: str | None,
    name: str,
    force: bool,
    dry_run: bool,
    registry: Path,
    as_json: bool,
) -> None:
    """Keep texts out of every later mix, and all that descends from them, for a test that no model has seen.

    It is the text that is held out: a document that brings it again later is not drawn either, nor one whose text is
    near to it, nor what was made of them, nor what a model wrote that learnt from them. A text has one name: those held
    out under another stay there.

    Example:  prov hold-out --frac 0.05 --seed 1 --name test
    """
    from registry.registry import Registry

    if sum(choice is not None for choice in (frac, where, source)) != 1:
        raise click.UsageError("a hold-out needs exactly one of --frac, --where and --source")
    with Registry.open(registry) as held:
        found = held.hold_out(name, frac=frac, seed=seed, where=where, source=source, force=force, dry_run=dry_run)
    if as_json:
        show_json(found.summary() | {"dry_run": dry_run})
        return
    parts = [
        f"{found.added:,} texts {'would be ' if dry_run else ''}held out as {name}, of {found.documents:,} documents"
    ]
    parts += [f"{found.near:,} texts near to them are kept out too"] if found.near else []
    parts += [f"{found.known:,} were before"] if found.known else []
    parts += [f"{found.elsewhere:,} stay held out under another name"] if found.elsewhere else []
    click.echo("; ".join(parts))
    if found.near is None:
        say(
            "near-duplicates were not looked for, since not all texts have fingerprints: prov fingerprint rebuild "
            "makes them, and then keeps out what is near to held-out texts"
        )
    if found.mixes:
        say(
            f"{len(found.mixes):,} mixes hold them, near ones, or what was made of them, and {len(found.models):,} "
            "models learnt so: prov audit contamination lists them"
        )


@click.command()
@click.argument("document", metavar="[ID]", required=False)
@click.option("--source", metavar="NAME", help="All of this source, what comes into it later too.")
@click.option("--license", metavar="NAME", help="All that stands under this licence, now or later.")
@click.option("--reason", metavar="TEXT", required=True, help="Why it has to go.")
@click.option("--text", is_flag=True, help="Every document of this text, now and later, not the one alone.")
@click.option("--erase", is_flag=True, help="Also delete the texts for good, and write the file anew without them.")
@click.option("--dry-run", is_flag=True, help="Tell what it would come to, keep nothing.")
@registry_option
@json_option
def withdraw(
    document: str | None,
    source: str | None,
    license: str | None,
    reason: str,
    text: bool,
    erase: bool,
    dry_run: bool,
    registry: Path,
    as_json: bool,
) -> None:
    """Take back the document ID, a source or a licence: no later mix draws it, no later ingest takes it in.

    With --erase the texts, their metadata and annotations are deleted where every document of the text is withdrawn,
    and the file is written anew so that no byte of them stays; digests stay, so the chain still holds. Files that
    held the texts are listed. What was made of them is not withdrawn by this: prov audit impact lists it.

    Example:  prov withdraw 3f2a9c --text --erase --reason "asked by the author"
    """
    from registry.registry import Registry

    if sum(choice is not None for choice in (document, source, license)) != 1:
        raise click.UsageError("a withdrawal needs exactly one of ID, --source and --license")
    if text and not document:
        raise click.UsageError("--text goes with an ID")
    with Registry.open(registry) as held:
        found = held.withdraw(
            document, source=source, license=license, reason=reason, text=text, erase=erase, dry_run=dry_run
        )
    if as_json:
        show_json(found.summary() | {"dry_run": dry_run})
    else:
        _show_withdrawn(found, dry_run)


def _show_withdrawn(found: "Withdrawn", dry_run: bool) -> None:
    value = found.value if found.scope in ("source", "license") else found.value[:12]
    click.echo(
        f"{found.scope} {value} {'would be withdrawn' if dry_run else 'is withdrawn'}: "
        f"{found.documents:,} documents of {found.texts:,} texts"
    )
    if found.erasure:
        _show_erasure(found.erasure, dry_run)
    counts = ", ".join(f"{count:,} {what}" for what, count in found.descended.items() if count)
    if counts:
        click.echo(f"made of them or drawn from them, and not withdrawn: {counts}; prov audit impact lists them")
    for row in found.handed_out:
        mix = f" of mix {row['mix'][:12]}" if row["mix"] else ""
        click.echo(f"handed out: {row['kind']}{mix} in {row['path']}")
    for path in dict.fromkeys(row["path"] for row in found.rejected):
        lines = [f"{row['line']:,}" for row in found.rejected if row["path"] == path]
        click.echo(f"rejected rows: {path}, line {', '.join(lines)}")


def _show_erasure(erasure: "Erasure", dry_run: bool) -> None:
    gone = "would be erased" if dry_run else "erased, and the file written anew" if erasure.is_something else "erased"
    click.echo(
        f"{erasure.texts:,} texts {gone}, with the metadata of {erasure.metadata:,} documents and "
        f"{erasure.annotations:,} annotations"
    )
    if erasure.refused:
        click.echo(f"{erasure.refused:,} texts are not erased, for documents hold them that are not withdrawn:")
        show_table([row | {"digest": row["digest"][:12], "text": row["text"][:12]} for row in erasure.kept_by])


@click.command()
@click.argument("mix", required=False)
@fail_on_option("contaminated")
@registry_option
@json_option
def contamination(mix: str | None, fail_on: tuple[str, ...], registry: Path, as_json: bool) -> None:
    """Find held-out texts, near ones, and what descends from them, in all mixes (or in MIX), and who learnt so.

    Example:  prov audit contamination --fail-on contaminated
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.contamination(mix)
    if as_json:
        show_json(found)
    else:
        _show_contamination(found)
    conclude({"contaminated": len(found["mixes"])}, fail_on)


def _show_contamination(found: dict[str, Any]) -> None:
    names = ", ".join(
        f"{row['texts']:,} as {row['name']}" + (f" ({row['near']:,} near to them)" if row["near"] else "")
        for row in found["held_out"]
    )
    click.echo(f"texts held out: {names or 'none'}")
    if found["mixes"]:
        show_table(
            [row | {"mix": row["mix"][:12], "names": ", ".join(row["names"]) or None} for row in found["mixes"]],
            ["mix", "names", "documents", "held_out", "near", "descended", "made_at"],
        )
    for row in found["models"]:
        generation = Generation(row["generation"], row["generation_exact"])
        how = f"learnt from mix {row['mix'][:12]}" if row["learnt_from_it"] else f"is based on {plain(row['base'])}"
        click.echo(f"model {row['model']} ({row['digest'][:12]}), generation {generation}, {how}")
    click.echo(f"{len(found['mixes']):,} mixes and {len(found['models']):,} models are contaminated")
    if found["unseen"]:
        say(f"{found['unseen']:,} mixes are known by their digest alone: what they hold cannot be told")


@click.command()
@click.option("--head", metavar="DIGEST", help="A head of the chain that was kept elsewhere; `prov stats` prints it.")
@registry_option
@json_option
def verify(head: str | None, registry: Path, as_json: bool) -> None:
    """Check that everything in the registry is what it was: exit 3 with what is wrong, a line each.

    The chain of batches, texts against their digests, words and tokens, references, origins and generations, models
    and runs, the documents of every mix; and each mix that was drawn here is drawn again, as of its batch. What
    cannot be checked for a known reason is a note.

    Example:  prov verify --head 5e1f0c
    """
    from registry.registry import Registry
    from registry.verify import steps

    with Registry.open(registry, read_only=True) as held, progress(steps(held), "checks") as advance:
        found = held.verify(head, advance)
    if as_json:
        show_json(found.summary())
    else:
        _show_verified(found)
    raise SystemExit(0 if found.holds else 3)


def _show_verified(found: "Verified") -> None:
    for finding in found.findings:
        click.echo(f"{finding}")
    for note in found.notes:
        click.echo(f"note: {note}")
    checked = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in found.checked.items())
    verdict = "all holds" if found.holds else f"{len(found.findings):,} findings"
    click.echo(f"{verdict}: {checked or 'nothing'} checked; the head is {found.head or 'none yet'}")


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would be done, change nothing.")
@registry_option
@json_option
def migrate(dry_run: bool, registry: Path, as_json: bool) -> None:
    """Bring a registry of an older version to the schema of this one; a copy beside it keeps what it was.

    Example:  prov migrate --dry-run
    """
    from registry.registry import Registry

    done = Registry.migrate(registry, dry_run)
    if as_json:
        show_json(done.summary() | {"dry_run": dry_run})
    elif not done.steps:
        click.echo(f"{registry} has schema {done.after} already")
    else:
        would = "would be" if dry_run else "is"
        click.echo(
            f"{registry} {would} migrated from schema {done.before} to {done.after} ({', '.join(done.steps)}), "
            f"{done.copy} {would} the copy of what it was"
        )
