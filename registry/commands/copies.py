"""Commands that put registries together and publish copies of them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import json_option, plain, progress, registry_option, say, show_json

if TYPE_CHECKING:
    from registry.snapshot import Snapshot


@click.command()
@click.argument("other", metavar="OTHER.prov")
@click.option("--dry-run", is_flag=True, help="Do all of it, keep nothing.")
@registry_option
@json_option
def merge(other: str, dry_run: bool, registry: Path, as_json: bool) -> None:
    """Take another registry into this one, as one batch: its texts, lineage, declarations, rules and chain.

    Digests decide what is the same, so a registry that is merged twice is merged once. Where both declare a document,
    both declarations are kept, and the newest by precedence is in force. OTHER.prov stays as it is.

    Example:  prov merge shard-2.prov --dry-run
    """
    from registry.merge import size
    from registry.registry import Registry

    with Registry.open(registry) as held, progress(size(held, other), "texts and documents") as advance:
        merged = held.merge(other, dry_run=dry_run, progress=advance)
    if as_json:
        show_json(merged.summary() | {"dry_run": dry_run})
    else:
        _show_merged(merged.summary(), dry_run)


def _show_merged(found: dict[str, Any], dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    added, known = found["added"], found["known"]
    if not any(added.values()) and not found["learnt"]:
        click.echo(f"nothing new: {known['documents']:,} documents known")
    for name, count in added.items():
        if count and name != "bytes":
            held = f", {known[name]:,} known" if known.get(name) else ""
            size_bytes = f" ({plain(added['bytes'])} bytes)" if name == "documents" else ""
            click.echo(f"{count:,} {name.replace('_', ' ')} {would}added{size_bytes}{held}")
    for name, words in _TOLD.items():
        if found[name]:
            say(f"{found[name]:,} {words}")


_TOLD = {
    "declared_otherwise": "documents are declared in two ways: both are kept, the newest of highest precedence counts",
    "differing": "known documents have another URL, time or metadata there: ours are kept",
    "sources_otherwise": "sources have another URL or consent there: ours are kept",
    "annotated_otherwise": "annotations differ from those here: ours are kept",
    "withdrawn": "documents are withdrawn here and were left out",
    "parents_left_out": "derivations were left out, with a document that was",
    "mixes_left_out": "mixes are known by their digest alone, since documents of theirs were left out",
    "circles": "derivations were left out, by which a document would descend from itself",
    "restored": "texts that had been erased came again, in documents that are not withdrawn",
    "erased_there": "texts were erased there and are still held here: `prov withdraw --erase` erases them here too",
    "uncounted": "texts have no token count yet: `prov tokenize` counts them",
}


@click.command()
@click.argument("target", metavar="OUT.prov|DIR/")
@click.option("--no-texts", is_flag=True, help="Leave the contents of the texts out.")
@registry_option
@json_option
def snapshot(target: str, no_texts: bool, registry: Path, as_json: bool) -> None:
    """Publish a consistent copy: a registry, or a folder of Parquet tables with a README of their columns.

    It appears whole under its name or not at all, and replaces an earlier snapshot of this registry alone. Any number
    of readers may use it, with prov, DuckDB or Polars, while this registry is written. That texts are in it is noted
    in the registry, for the day when one of them is to be erased.

    Example:  prov snapshot /shared/corpus.prov
    """
    from registry.registry import Registry

    texts = not no_texts
    if texts:
        _note(registry, target)
    with Registry.open(registry, read_only=True) as held, progress(None, "rows") as advance:
        made = held.snapshot(target, texts=texts, progress=advance)
    if as_json:
        show_json(made.summary())
    else:
        _show_snapshot(made)


def _note(registry: Path, target: str) -> None:
    """Note in the registry that its texts are handed out, where it is not noted yet and can be."""
    from registry.registry import Registry
    from registry.snapshot import check, is_noted, note

    with Registry.open(registry, read_only=True) as held:
        check(held, target)
        if is_noted(held, target):
            return
    if os.access(registry, os.W_OK) and os.access(registry.absolute().parent, os.W_OK):
        with Registry.open(registry) as held:
            note(held, target)
    else:
        say(f"{registry} may not be written: that its texts are in {target} is not noted in it")


def _show_snapshot(made: "Snapshot") -> None:
    texts = "" if made.texts else ", texts left out"
    click.echo(f"{made.path}: {made.documents:,} documents, {made.bytes:,} bytes{texts}, head {made.head}")
