"""Commands that draw mixtures, write them and compare them."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import Share, Size, json_option, plain, progress, registry_option, say, show_json, show_table
from provenance.errors import ProvError
from provenance.origin import Generation

if TYPE_CHECKING:
    from registry.draw import Drawn
    from registry.mix import MixSpec, Unit
    from registry.real_share import RealShare
    from registry.writers import Export


@click.command()
@click.option("--real-frac", type=click.FloatRange(0, 1), help="Share of human text, the rest is model text.")
@click.option("--ratio", metavar="NAME=SHARE,…", help="Shares by name: human=0.1,gen1=0.5,source:wiki=0.4.")
@click.option("--spec", metavar="FILE", help="A mix spec in YAML or JSON, as --json prints it.")
@click.option("--docs", type=Size(), help="Size in documents; without any size, the largest mix the shares allow.")
@click.option("--bytes", "bytes_", type=Size(), help="Size in bytes of text.")
@click.option("--words", type=Size(), help="Size in words.")
@click.option("--tokens", type=Size(), help="Size in tokens.")
@click.option("--where", metavar="FILTER", help="Draw only from these: license = 'cc-by' AND bytes > 200.")
@click.option(
    "--max-repeats",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How often one document may be in the mix.",
)
@click.option(
    "--unknown",
    type=click.Choice(["exclude", "human", "model", "expected", "lower-bound"]),
    default="exclude",
    show_default=True,
    help="What documents of unknown origin count as. By what `prov attribute` inferred: expected promises --real-frac "
    "on average, lower-bound but for a risk of 5 %.",
)
@click.option(
    "--mixed",
    type=click.Choice(["exclude", "human", "model"]),
    default="exclude",
    show_default=True,
    help="What human texts edited by a model count as.",
)
@click.option(
    "--use",
    metavar="commercial|research",
    help="Leave out what its licence forbids for this; see audit licenses. No legal advice.",
)
@click.option(
    "--unknown-license",
    type=click.Choice(["exclude", "keep"]),
    default="exclude",
    show_default=True,
    help="With --use: what to do with texts of no licence, or of one that prov does not know.",
)
@click.option("--dedup", type=click.Choice(["exact", "near"]), help="Draw each cluster of duplicates once.")
@click.option(
    "--keep",
    type=click.Choice(["human", "earliest", "license", "longest"]),
    default="human",
    show_default=True,
    help="With --dedup: which document of a cluster.",
)
@click.option(
    "--max-loss",
    type=Share(),
    default=0.2,
    show_default="20%",
    help="With --dedup: a source that would lose more loses nothing.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of choice and order.")
@click.option("--dry-run", is_flag=True, help="Draw and tell, but record and write nothing.")
@click.option(
    "-o", "--output", metavar="PATH", help="Write the texts: out.parquet, out.jsonl[.zst], out.txt, a folder."
)
@registry_option
@json_option
def mix(registry: Path, as_json: bool, dry_run: bool, output: str | None, **options: Any) -> None:
    """Draw a training mixture by provenance: exact, explained, and the same again on any machine.

    Example:  prov mix --real-frac 0.1 --docs 1000 --seed 7 -o mix.parquet
    """
    from registry.registry import Registry
    from registry.writers import Export

    spec = _mix_spec(click.get_current_context(), **options)
    target = Export(Path(output), command=_command_line()).checked() if output else None
    with Registry.open(registry, read_only=dry_run) as held:
        drawn = held.mix(spec, dry_run)
        if target and not dry_run:
            _write(held, drawn.mix, target, drawn.total.documents)
    if as_json:
        show_json(drawn.summary() | {"output": output if target and not dry_run else None})
    else:
        _show_drawn(drawn)


def _mix_spec(
    context: click.Context, real_frac: float | None, ratio: str | None, spec: str | None, **options: Any
) -> "MixSpec":
    from registry import mix
    from registry.where import Where

    if sum(choice is not None for choice in (real_frac, ratio, spec)) != 1:
        raise click.UsageError("a mix needs exactly one of --real-frac, --ratio and --spec")
    if spec is not None:
        return _spec_from_file(context, Path(spec))
    strata = mix.real_frac(real_frac) if real_frac is not None else mix.ratio(ratio or "")
    unit, size = _budget(options)
    named = {
        name for stratum in strata for name in ("unknown", "mixed") if stratum.where == Where.equals("origin", name)
    }
    if options["unknown"] in mix.PROMISES:  # which a stratum of unknown documents contradicts
        named -= {"unknown"}
    policies = {name: name if name in named else options[name] for name in ("unknown", "mixed")}
    return _checked(
        {
            "strata": strata,
            "size": size,
            "unit": unit,
            "where": options["where"],
            "seed": options["seed"],
            "max_repeats": options["max_repeats"],
            "use": options["use"],
            "unknown_license": options["unknown_license"],
            "dedup": _dedup(context, options),
            **policies,
        }
    )


def _dedup(context: click.Context, options: dict[str, Any]) -> dict[str, Any] | None:
    if options["dedup"]:
        return {"kind": options["dedup"], "keep": options["keep"], "max_loss": options["max_loss"]}
    for name in ("keep", "max_loss"):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} says what --dedup keeps: add --dedup exact or near")
    return None


def _budget(options: dict[str, Any]) -> "tuple[Unit, int | None]":
    names: dict[str, Unit] = {"docs": "documents", "bytes_": "bytes", "words": "words", "tokens": "tokens"}
    given: list[tuple[Unit, int]] = [(unit, options[name]) for name, unit in names.items() if options[name] is not None]
    if len(given) > 1:
        raise click.UsageError("a mix has one size: give at most one of --docs, --bytes, --words and --tokens")
    return given[0] if given else ("documents", None)


def _spec_from_file(context: click.Context, path: Path) -> "MixSpec":
    import yaml

    from_defaults = click.core.ParameterSource.DEFAULT
    spoken = [
        name
        for name in (
            *("docs", "bytes_", "words", "tokens", "where", "max_repeats", "unknown", "mixed", "use"),
            *("unknown_license", "seed", "dedup", "keep", "max_loss"),
        )
        if context.get_parameter_source(name) is not from_defaults
    ]
    if spoken:
        raise click.UsageError(
            f"--spec says it all: leave --{spoken[0].strip('_').replace('_', '-')} out, or write it into the file"
        )
    try:
        return _checked(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ProvError(f"no spec file {path}: name one that is there") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProvError(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}") from error


def _checked(values: Any) -> "MixSpec":
    from pydantic import ValidationError

    from registry.mix import MixSpec

    try:
        return MixSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the mix"
        known = f": there is {', '.join(MixSpec.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise ProvError(f"{where}: {first['msg'].removeprefix('Value error, ')}{known}") from error


def _command_line() -> str:
    return shlex.join(["prov", *sys.argv[1:]])


def _write(held: Any, mix: str, target: "Export", total: int) -> None:
    erased = 0 if target.ids else held.erased_of_mix(mix)
    with progress(total - erased, "texts") as advance:
        path = held.export(mix, target, advance)
    if erased:
        say(f"left out {erased:,} texts of the mix that were erased, or left out of this copy")
    if str(path) != "-":
        say(f"wrote {total - erased:,} texts to {path}")


def _show_drawn(drawn: "Drawn") -> None:
    summary = drawn.summary()
    state = "" if drawn.recorded else " (dry run, not recorded)"
    click.echo(f"mix {drawn.mix}{state}, seed {drawn.spec.seed}, digest {drawn.digest.hex()}")
    unit = drawn.spec.unit
    rows = [
        {
            "stratum": row["where"],
            "share": row["share"],
            f"wanted {unit}": row["quota"],
            f"held {unit}": row["held"][unit],
            **{name: row[name] for name in ("documents", "bytes", "words")},
            **({"tokens": row["tokens"]} if row["tokens"] is not None else {}),
            "achieved": f"{(row[unit] or 0) / (drawn.total.of(unit) or 1):.2%}",
        }
        for row in summary["strata"]
    ]
    show_table(rows)
    for row in drawn.composition:
        generation = Generation(row["generation"], row["generation_exact"])
        click.echo(
            f"{row['origin']}, generation {generation}: {plain(row['documents'])} documents, "
            f"{plain(row['bytes'])} bytes"
        )
    if drawn.real_share:
        _show_real_share(drawn.real_share)
    for row in drawn.spared:
        say(
            f"{row['name'] or 'what has no source'} would lose {row['duplicates']:,} of {row['documents']:,} documents "
            "as duplicates, more than --max-loss: it keeps them all"
        )
    left_out = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in drawn.excluded.items() if count]
    click.echo(f"excluded: {', '.join(left_out) or 'none'}")


def _show_real_share(promised: "RealShare") -> None:
    click.echo(
        f"real by {promised.policy}: {promised.asked:.2%} asked, {promised.expected:.2%} expected, "
        f"{promised.lower_bound:.2%} or more but for a risk of 5%"
    )
    for name, side in (("human", promised.human_side), ("model", promised.model_side)):
        click.echo(
            f"{name} side: {plain(side['declared'])} declared documents, {plain(side['unknown'])} of unknown origin"
        )


@click.command()
@click.argument("mix", required=False)
@click.option("--held-out", metavar="NAME", help="Instead of a mix: the texts held out under this name, each once.")
@click.option("-o", "--output", metavar="PATH", default="-", help="Where to: a file, a folder; else standard output.")
@click.option(
    "--format", "form", type=click.Choice(["parquet", "jsonl", "text"]), help="What, if the name does not say."
)
@click.option("--ids", is_flag=True, help="The documents' ids alone.")
@click.option("--no-provenance", is_flag=True, help="The texts alone.")
@click.option("--shards", type=click.IntRange(1, 99_999), default=1, show_default=True, help="Files in a folder.")
@click.option(
    "--with-lineage", is_flag=True, help="Into a folder: also all runs, models, mixes and documents it descends from."
)
@registry_option
def export(
    mix: str | None,
    held_out: str | None,
    output: str,
    form: Any,
    ids: bool,
    no_provenance: bool,
    shards: int,
    with_lineage: bool,
    registry: Path,
) -> None:
    """Write the texts of MIX in its order, each with where it came from.

    A folder also gets a dataset card, and opens with load_dataset("parquet"). What is exported can be ingested
    again: here it adds nothing, elsewhere it brings its provenance along. Held-out texts go into one file, in the
    order of their digests.

    Example:  prov export 3f2a9c01d2e4 -o mixture/ --shards 4
    """
    from registry.registry import Registry
    from registry.writers import Export

    if (mix is None) == (held_out is None):
        raise click.UsageError("an export is that of exactly one of MIX and --held-out")
    target = Export(Path(output), form, ids, not no_provenance, shards, with_lineage, _command_line()).checked()
    with Registry.open(registry, read_only=True) as held:
        if mix is not None:
            _write(held, mix, target, held.mix_size(mix))
        else:
            _write_held_out(held, held_out or "", target)
    if target.holds_texts:
        _note(registry, mix, target)


def _write_held_out(held: Any, name: str, target: "Export") -> None:
    with progress(None, "texts") as advance:
        texts = held.export_held_out(name, target, advance)
    if str(target.path) != "-":
        say(f"wrote {texts:,} held-out texts to {target.path}")


def _note(registry: Path, mix: str | None, target: "Export") -> None:
    """Note in the registry, which was open for reading, where its texts went."""
    from registry.registry import Registry
    from registry.store import patiently
    from registry.writers import note, note_held_out

    try:
        with patiently(lambda: Registry.open(registry)) as held:
            note(held, mix, target) if mix is not None else note_held_out(held, target)
    except ProvError as error:
        say(f"it could not be noted in the registry that texts went to {target.path}: {error}")


@click.command()
@click.argument("before", metavar="MIX")
@click.argument("after", metavar="OTHER")
@registry_option
@json_option
def diff(before: str, after: str, registry: Path, as_json: bool) -> None:
    """Compare two mixes: documents added and removed, and how the composition changed. Exit 3 where they differ.

    Example:  prov diff 3f2a9c01d2e4 81bb0e6c7a55
    """
    from registry.registry import Registry

    with Registry.open(registry, read_only=True) as held:
        found = held.diff(before, after)
    if as_json:
        show_json(found)
    else:
        _show_diff(found)
    raise SystemExit(0 if found["identical"] else 3)


def _show_diff(found: dict[str, Any]) -> None:
    if found["identical"]:
        click.echo("the same mix")
        return
    if not found["added"] and not found["removed"]:
        click.echo("the same documents, but another spec or order")
        return
    click.echo(f"{len(found['added']):,} documents added, {len(found['removed']):,} removed")
    rows = [
        row
        | {
            "generation": str(Generation(row["generation"], row["generation_exact"])),
            "change": f"{row['after'] - row['before']:+,}",
        }
        for row in found["composition"]
    ]
    if rows:
        show_table(rows, ["origin", "generation", "source", "generator", "before", "after", "change"])
    else:
        click.echo("the composition is the same")
