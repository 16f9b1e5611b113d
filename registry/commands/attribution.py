"""The command about documents of unknown origin: who probably wrote them, and how far that can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import (
    MOST_ROWS,
    Share,
    Size,
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
    from registry.attribute import Attributed
    from registry.near import Nearness
    from registry.registry import Registry

TRAINING = ("name", "seed", "folds", "sample")
ASKING = ("detector", "detector_from", "prior", "exact", "dry_run", "limit", "everything")


@click.command()
@click.option("--where", metavar="FILTER", help="These documents alone: source = 'crawl' AND words > 50.")
@click.option("--detector", metavar="NAME", help="The detector to ask.  [default: the newest]")
@click.option("--detector-from", metavar="FILE", help="Take over the detector of this registry, and ask it.")
@click.option("--prior", type=Share(), help="How probable a model is before any evidence.  [default: 0.5]")
@click.option("--exact", is_flag=True, help="Look for the same texts of known origin alone, not for near ones.")
@click.option("--dry-run", is_flag=True, help="Tell what would be attributed, keep nothing.")
@click.option("--limit", type=click.IntRange(0, MOST_ROWS), help="Documents to list.  [default: 10]")
@click.option("--all", "everything", is_flag=True, help="List all of them.")
@click.option("--train", is_flag=True, help="Train a detector on documents of known origin instead.")
@click.option("--name", metavar="NAME", help="With --train: what the detector is called.  [default: logistic]")
@click.option("--seed", type=click.IntRange(min=0), help="With --train: of the sample and the folds.  [default: 0]")
@click.option("--folds", type=click.IntRange(3, 20), help="With --train: how many.  [default: 5]")
@click.option("--sample", type=Size(), help="With --train: learn from so many texts at most.  [default: 20000]")
@click.option("--report", metavar="FILE", help="Write a page of HTML about the detector and what it says.")
@registry_option
@json_option
@click.pass_context
def attribute(
    context: click.Context,
    where: str | None,
    detector: str | None,
    detector_from: str | None,
    prior: float | None,
    exact: bool,
    dry_run: bool,
    limit: int | None,
    everything: bool,
    train: bool,
    name: str | None,
    seed: int | None,
    folds: int | None,
    sample: int | None,
    report: str | None,
    registry: Path,
    as_json: bool,
) -> None:
    """Infer who wrote documents of unknown origin: a probability for each that it is a model's, and why.

    Declarations that are not in force, watermarks found, copies of known origin, dates and a trained detector are
    weighed and added up. What was declared stays; a document is attributed anew where something has changed. --train
    trains the detector, and tells how well it does on texts that it has not seen; it can err, most about generators
    that it never saw.

    \b
    Example:  prov attribute --train --report detector.html
              prov attribute --where "source = 'crawl'" --prior 0.3
    """
    from registry.commands.lookup import wanted_nearness
    from registry.registry import Registry

    _check_options(context, train, limit, everything)
    if detector_from is not None and dry_run:
        raise click.UsageError("--detector-from keeps the detector here, --dry-run keeps nothing: leave one out")
    given: dict[str, Any]
    with Registry.open(registry, read_only=dry_run) as held:
        if report is not None:
            _check_page(held, Path(report), detector, train or detector_from is not None)
        if train:
            given = {"where": where, "name": name, "seed": seed, "folds": folds, "sample": sample}
            _train(held, given, report, as_json)
        else:
            if detector_from is not None:
                detector = held.take_detector(detector_from, detector)
            given = {"where": where, "detector": detector, "prior": 0.5 if prior is None else prior, "dry_run": dry_run}
            near = wanted_nearness(held, "either", exact, None)
            _attribute(held, near, given, None if everything else 10 if limit is None else limit, report, as_json)


def _check_options(context: click.Context, train: bool, limit: int | None, everything: bool) -> None:
    if everything and limit is not None:
        raise click.UsageError("--all lists every document: leave it out, or --limit")
    for name in ASKING if train else TRAINING:
        if context.params[name] not in (None, False):
            flag = "--all" if name == "everything" else f"--{name.replace('_', '-')}"
            mend = "is about attributing: leave it out, or --train" if train else "is about training: add --train"
            raise click.UsageError(f"{flag} {mend}")


def _check_page(held: "Registry", page: Path, detector: str | None, comes: bool) -> None:
    """Tell beforehand what would keep the page from being written; `comes` where a detector is still to be had."""
    from registry.attribute import find_detector
    from registry.writers import refuse_registry

    refuse_registry(held, page)
    if not page.parent.is_dir():
        raise ProvError(f"no folder {page.parent} to write {page.name} in: make it first")
    if not comes and not find_detector(held, detector):
        raise ProvError("there is no detector to write a page about: train one with `prov attribute --train`")


# -- training


def _train(held: "Registry", given: dict[str, Any], page: str | None, as_json: bool) -> None:
    asked = {option: value for option, value in given.items() if value is not None}
    with progress(None, "texts read") as advance:
        found = held.train_detector(**asked, progress=advance)
    if page is not None:
        _write(page, found["name"], found["digest"], found["report"])
    show_json(found) if as_json else _show_detector(found)


def _show_detector(found: dict[str, Any]) -> None:
    report = found["report"]
    texts, overall, heaviest = report["texts"], report["overall"], report["heaviest"]
    known = "" if found["new"] else ", which was held before"
    click.echo(f"detector {found['name']} ({found['digest'][:12]}), {found['bytes']:,} bytes{known}")
    click.echo(
        f"learnt from {texts['human']:,} human texts and {texts['model']:,} of models, the first "
        f"{report['most_words']:,} words of each; on texts it had not seen:"
    )
    rows = [{"": "all", **_measures(overall)}]
    rows += [{"": plain(row["generator"]), **_measures(row)} for row in report["by_generator"]]
    rows += [{"": f"{row['words']} words", **_measures(row)} for row in report["by_length"]]
    rows += [{"": f"{row['generator']}, never seen", **_measures(row)} for row in report["unseen_generators"]]
    show_table(rows)
    click.echo("said to be a model's, and how many are:")
    show_table(
        [
            {"p": f"{row['low']:.1f}–{row['high']:.1f}", **{name: row[name] for name in ("texts", "p_model", "share")}}
            for row in report["bins"]
        ]
    )
    say(f"it goes by {heaviest['feature']} most; without it the AUC is {plain(heaviest['auc_without'])}")


def _measures(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "human": row["human"],
        "model": row["model"],
        "AUC": row["auc"],
        "TPR at 1% FPR": row["tpr"],
        "ECE": row["ece"],
        "Brier": row["brier"],
    }


# -- attributing


def _attribute(
    held: "Registry",
    near: "Nearness | None",
    given: dict[str, Any],
    limit: int | None,
    page: str | None,
    as_json: bool,
) -> None:
    from registry.attribute import attributed_documents, find_detector

    unknown = sum(row["documents"] for row in held.composition(["origin"]) if row["origin"] == "unknown")
    with progress(unknown if given["where"] is None else None, "documents") as advance:
        found = held.attribute(near, **given, progress=advance)
    listed = attributed_documents(held, limit)
    if found.detector is None:
        say("no detector is held, so texts are not judged by their style: prov attribute --train trains one")
    if page is not None and found.detector:
        report = find_detector(held, found.detector["name"])
        assert report
        _write(page, found.detector["name"], found.detector["digest"], report[1], found)
    if as_json:
        show_json(found.summary() | {"dry_run": given["dry_run"], "listed": listed})
    else:
        _show(found, listed, given["dry_run"])


def _show(found: "Attributed", listed: list[dict[str, Any]], dry_run: bool) -> None:
    if not found.documents:
        click.echo("no document of unknown origin")
        return
    verb = "would be attributed" if dry_run else "attributed"
    click.echo(
        f"{found.documents:,} documents of unknown origin, {found.expected:,.1f} of them expected to be a model's, "
        f"from a prior of {found.prior:g}; {found.changed:,} {verb} anew"
    )
    show_table(
        [
            {"p(model)": f"{row['band'] / 10:.1f}–{(row['band'] + 1) / 10:.1f}", "documents": row["documents"]}
            for row in found.bands
        ]
    )
    click.echo("evidence:")
    kinds = [*found.kinds.items(), ("none but the prior", found.without_evidence)]
    show_table([{"kind": kind, "documents": count} for kind, count in kinds if count])
    if listed:
        click.echo("most surely a model's:")
        show_table([_listed(row) for row in listed])
    if more := found.documents - len(listed):
        say(f"and {more:,} more documents: --all lists them, prov show tells all about one")


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    weighty = max(row["evidence"], key=lambda item: abs(item["llr"]), default=None)
    return {
        "id": row["id"],
        "document": row["document"][:12],
        "source": row["source"],
        "p(model)": row["p_model"],
        "most by": f"{weighty['says']} ({weighty['llr']:+.2f})" if weighty else None,
    }


# -- the page


def _write(page: str, name: str, digest: str, report: dict[str, Any], found: "Attributed | None" = None) -> None:
    from registry.attribution_page import write_page

    write_page(Path(page), name, digest, report, found)
    say(f"wrote {page}")
