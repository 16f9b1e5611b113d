"""Commands for blind trials: texts without their truth, and the score of what was inferred about them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import Share, Size, json_option, plain, progress, registry_option, say, show_json, show_table
from provenance.errors import ProvError

if TYPE_CHECKING:
    from registry.blind import Blinded

DIMENSIONS = ("generation", "generator", "length", "entropy")


@click.command()
@click.argument("file", metavar="[R.prov]", required=False)
@click.option("-o", "--output", metavar="B.prov", required=True, help="The blind registry to make.")
@click.option("--truth", metavar="FILE", help="Where the sealed truth goes.  [default: B.truth, beside B.prov]")
@click.option("--key-file", metavar="FILE", required=True, help="The key of the seal, made where there is none.")
@click.option("--where", metavar="FILTER", help="Only these documents: source = 'wiki' AND words > 50.")
@click.option("--docs", type=Size(), help="So many documents.  [default: all]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the choice.")
@click.option("--match-lengths", is_flag=True, help="As many human as model documents of each length.")
@click.option("--dry-run", is_flag=True, help="Choose and tell, but write nothing.")
@registry_option
@json_option
def blind(
    file: str | None,
    output: str,
    truth: str | None,
    key_file: str,
    where: str | None,
    docs: int | None,
    seed: int,
    match_lengths: bool,
    dry_run: bool,
    registry: Path,
    as_json: bool,
) -> None:
    """Make a registry of texts alone, of human and of model origin, and seal the truth about them in a file.

    R.prov is the registry to take texts from, else the one that --registry says. In B.prov every origin is unknown,
    ids and order are random, and nothing else is kept of a document; what is of unknown or mixed origin, withdrawn or
    erased stays out. Work on B.prov without the key; `prov score` then tells how well. Who holds R.prov holds the truth
    too.

    Example:  prov blind corpus.prov -o trial.prov --key-file trial.key --match-lengths
    """
    from registry.blind import Trial
    from registry.registry import Registry
    from registry.where import Where

    path, target = Path(file) if file else registry, Path(output)
    asked = None if where is None else Where.parse(where)
    trial = Trial(
        target, Path(truth) if truth else target.with_suffix(".truth"), Path(key_file), asked, docs, seed, match_lengths
    )
    with Registry.open(path, read_only=True) as held, progress(None, "documents") as advance:
        made = held.blind(trial, dry_run=dry_run, progress=advance)
    if not dry_run:
        _note(path, target)
    if as_json:
        show_json(made.summary() | {"dry_run": dry_run})
    else:
        _show_blinded(made, trial.key, dry_run)


def _note(registry: Path, target: Path) -> None:
    """Note in the registry, which was open for reading, that its texts went into another file."""
    from registry.handed_out import hand_out
    from registry.registry import Registry
    from registry.store import patiently

    try:
        with patiently(lambda: Registry.open(registry)) as held:
            hand_out(held, "copy", target)
    except ProvError as error:
        say(f"it could not be noted in the registry that texts went to {target}: {error}")


def _show_blinded(made: "Blinded", key: Path, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    click.echo(f"{made.output}: {made.human + made.model:,} documents, {made.human:,} human, {made.model:,} model")
    if made.length_auc is not None:
        matched = "" if made.band is None else f", matched in bands of {_width(made.band)}"
        click.echo(f"length alone tells them apart with an AUC of {made.length_auc:.3f}{matched}")
    left_out = [f"{count:,} {reason}" for reason, count in made.left_out.items() if count]
    click.echo(f"left out: {', '.join(left_out) or 'none'}; not drawn: {made.not_drawn:,}")
    say(f"the truth {would}sealed in {made.truth} by the key in {key}: keep both from whoever works on {made.output}")


def _width(band: float) -> str:
    return f"{band - 1:.0%}" if band > 1 else "one length"


@click.command()
@click.argument("file", metavar="[B.prov]", required=False)
@click.option("--truth", metavar="FILE", required=True, help="The sealed truth that was made with it.")
@click.option("--key-file", metavar="FILE", required=True, help="The key of the seal.")
@click.option("--mix", metavar="MIX", help="A mix that was drawn in B.prov: tell its real share.")
@click.option(
    "--threshold", type=Share(), default=0.5, show_default=True, help="From which p_model on it is called a model's."
)
@click.option(
    "--fpr", type=Share(), default=0.01, show_default="1%", help="Of detections: how often a human text may be called."
)
@click.option(
    "--by", metavar="NAME,…", default=",".join(DIMENSIONS), show_default=True, help="What to tell groups apart by."
)
@registry_option
@json_option
def score(
    file: str | None,
    truth: str,
    key_file: str,
    mix: str | None,
    threshold: float,
    fpr: float,
    by: str,
    registry: Path,
    as_json: bool,
) -> None:
    """Tell how well what was inferred in a blind registry agrees with the truth; intervals are of 95 %.

    B.prov is the blind registry, else the one that --registry says; it is only read. Rates are those of the
    attributions in force, and of detections by the keys that were looked for. Groups by generation and generator are
    held against all human documents where ranks are compared; groups by length and entropy against their own.

    Example:  prov score trial.prov --truth trial.truth --key-file trial.key --by generator,length
    """
    from registry.registry import Registry
    from registry.sealed import read_key

    asked = {"mix": mix, "threshold": threshold, "fpr": fpr, "by": _dimensions(by)}
    with Registry.open(Path(file) if file else registry, read_only=True) as held:
        found = held.score(Path(truth), read_key(Path(key_file)), **asked)
    if as_json:
        show_json(found)
    else:
        _show_scored(found)


def _dimensions(by: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    if unknown := [name for name in names if name not in DIMENSIONS]:
        raise click.UsageError(f"--by knows no {unknown[0]!r}: there is {', '.join(DIMENSIONS)}")
    return names


def _show_scored(found: dict[str, Any]) -> None:
    click.echo(f"{found['documents']:,} documents, {found['human']:,} human, {found['model']:,} model")
    if found["without_truth"]:
        say(f"{found['without_truth']:,} documents came in after the trial was made: they are not scored")
    if found["missing"]:
        say(f"{found['missing']:,} documents of the trial are not in this registry")
    if found["attribution"]:
        _show_attribution(found["attribution"])
    else:
        say("no document is attributed: `prov attribute` does that")
    if found["detection"]:
        _show_detection(found["detection"])
    else:
        say("no document was looked at for watermarks: `prov detect` does that")
    if found["mix"]:
        _show_mix(found["mix"])


def _show_attribution(found: dict[str, Any]) -> None:
    click.echo()
    click.echo(f"attributed: {found['share']:.1%}; called a model's from {plain(found['threshold'])} on")
    show_table([_attributed_row(row) for row in _grouped(found)])
    click.echo()
    click.echo("reliability:")
    show_table(
        [
            {
                "p_model": f"{row['from']:.1f}–{row['to']:.1f}",
                "documents": row["documents"],
                "told": f"{row['told']:.3f}",
                "a model's": _rate(row["model"]),
            }
            for row in found["reliability"]
        ]
    )


def _grouped(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"by": None, "group": "all", **found["overall"]}
    for name, groups in found["by"].items():
        yield from ({"by": name, **row} for row in groups)


def _attributed_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "by": row["by"],
        "group": row["group"],
        "documents": row["documents"],
        "TPR": _rate(row["tpr"]),
        "FPR": _rate(row["fpr"]),
        "AUC": _number(row["auc"]),
        "TPR at 1 % FPR": _rate(row["tpr_at_fpr"]),
        "Brier": _number(row["brier"]),
        "calibration error": _number(row["calibration_error"]),
    }


def _show_detection(found: dict[str, Any]) -> None:
    click.echo()
    click.echo(
        f"looked at for watermarks: {found['share']:.1%}; at most {found['fpr']:.2%} of human texts to be called"
    )
    show_table([_detected_row(row) for row in _grouped(found)])


def _detected_row(row: dict[str, Any]) -> dict[str, Any]:
    counts = {"by": row["by"], "group": row["group"], "documents": row["documents"], "too short": row["too_short"]}
    return counts | {"TPR": _rate(row["tpr"]), "FPR": _rate(row["fpr"])}


def _show_mix(found: dict[str, Any]) -> None:
    click.echo()
    asked = "no share of human text was asked for" if found["asked"] is None else f"asked for was {found['asked']:.2%}"
    click.echo(
        f"mix {found['mix']}: {found['realised']:.2%} of its {found['unit']} are human, {asked} "
        f"(--unknown {found['unknown']})"
    )
    if found["kept"] is not None:
        click.echo(f"the promise of {found['unknown']} is {'kept' if found['kept'] else 'not kept'}")
    show_table(
        [
            {"by": name, "group": row["group"], "documents": row["documents"], "human": f"{row['realised']:.1%}"}
            for name, groups in found["by"].items()
            for row in groups
        ]
    )


def _rate(row: dict[str, Any] | None) -> str | None:
    if row is None or row["share"] is None:
        return None
    return f"{row['share']:.1%} ({row['low']:.1%}–{row['high']:.1%})"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
