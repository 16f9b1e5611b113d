"""Schedules compared on a test-bed of arrays: run, told by generation, judged, and written as tables and a report."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from claims import Claim
from numpy.typing import NDArray
from tables import markdown

from provenance.console import progress, say, show_json, show_table
from provenance.errors import ProvError
from registry.copying import replacing
from trainer.experiment import Experiment
from trainer.keeping import InFile
from trainer.report import report
from trainer.results import Results
from trainer.simulate import simulate, waiting

FOLDER = Path("reproduced")
SCHEDULES = ("replace", "accumulate", "accumulate-subsample")
Floats = NDArray[np.float64]


class Told:
    """What was measured, by arm and metric."""

    def __init__(self, results: Results, metrics: Sequence[str]) -> None:
        self.held: dict[tuple[str, str], dict[int, list[float]]] = {}
        for row in results.measurements.to_pylist():
            by_generation = self.held.setdefault((row["arm"], row["metric"]), {})
            by_generation.setdefault(row["generation"], []).append(row["value"])
        self.metrics = [metric for metric in metrics if (SCHEDULES[0], metric) in self.held]

    def values(self, arm: str, metric: str) -> Floats:
        """(seeds, generations)."""
        by_generation = self.held[arm, metric]
        return np.array([by_generation[generation] for generation in sorted(by_generation)]).T

    def lost(self, metric: str, sign: int) -> dict[str, Floats]:
        """By arm, how much worse the last generation of each seed is than the first, (seeds,).

        Args:
            sign: 1 where higher is worse, else -1.
        """
        ends = {arm: self.values(arm, metric)[:, [0, -1]] for arm in SCHEDULES}
        return {arm: sign * np.diff(held)[:, 0] for arm, held in ends.items()}

    def compared(self, metric: str, sign: int) -> Iterator[Claim]:
        """What replacing loses, and what keeping all does."""
        if metric not in self.metrics:
            return
        lost = self.lost(metric, sign)
        yield Claim(f"{metric}: what replace loses", None, None, float(lost["replace"].mean()))
        for arm in SCHEDULES[1:]:
            more = lost["replace"] - lost[arm]
            yield Claim(f"{metric}: replace loses more than {arm}, by", None, None, float(more.mean()))
            if arm == "accumulate":
                yield Claim(f"{metric}: the least of that, of all seeds", 0.0, None, float(more.min()), strictly=True)

    def table(self, metric: str) -> list[dict[str, Any]]:
        """By arm and generation, the mean over seeds."""
        rows = []
        for arm in SCHEDULES:
            values = self.values(arm, metric)
            means = {f"generation {number}": float(mean) for number, mean in enumerate(values.mean(axis=0), 1)}
            rows.append({"arm": arm, **means, "last, by seed": ", ".join(f"{one:.3g}" for one in values[:, -1])})
        return rows


def carry_out(
    spec: dict[str, Any],
    metrics: Sequence[str],
    claims: Callable[[Told, Any], Iterator[Claim]],
    command: str,
    jobs: int,
    as_json: bool,
    judge: bool,
) -> None:
    """Run what is not done yet of an experiment, and tell what came of it.

    Args:
        spec: of the experiment but for its schedules.
        metrics: what tables show, the first on the terminal too.
        claims: of what was measured, and of the test-bed.
        judge: exit 3 where a claim does not hold.
    """
    start = time.monotonic()
    experiment = Experiment.of_grid(spec | {"schedule": list(SCHEDULES), "repeats": 1})
    FOLDER.mkdir(exist_ok=True)
    keeper = InFile(FOLDER / f"{experiment.name}-{experiment.digest.hex()[:8]}.parquet", experiment, command=command)
    left = sum(cell.arm.generations - last for cell, last in waiting(experiment, keeper))
    try:
        with progress(left, "generations") as advance:
            results = simulate(experiment, keeper, jobs=jobs, progress=advance)
    except ProvError as error:
        raise click.ClickException(str(error)) from error
    told = Told(results, metrics)
    rows = [claim.row() for claim in claims(told, experiment.arms[0].bed())]
    said = f"{len(experiment.seeds)} seeds; {platform.machine()}, {os.cpu_count()} cores"
    tables = (f"{metric}:\n\n{markdown(told.table(metric))}" for metric in told.metrics)
    for name, text in (
        (f"{experiment.name}.html", report(results, command=command)),
        (f"{experiment.name}.md", "\n\n".join([said, markdown(rows), *tables]) + "\n"),
    ):
        with replacing(FOLDER / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    if as_json:
        show_json(rows)
    else:
        show_table(told.table(metrics[0]))
        show_table(rows)
    failed = sum(row["verdict"] == "FAIL" for row in rows)
    judged = sum(row["verdict"] != "told" for row in rows)
    seconds = time.monotonic() - start
    say(f"{judged - failed} of {judged} claims hold, in {seconds:.0f} s; {FOLDER / experiment.name}.html and .md")
    sys.exit(3 if failed and judge else 0)
