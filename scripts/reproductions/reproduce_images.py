"""What is reported of autoencoders that learn from one another: images grow alike, and keeping all of them helps.

scripts/reproduce images [--data PATH] [--quick] [--json]

Without PATH, an IDX file or a folder of pictures, on scikit-learn's digits. Leaves results and a report in reproduced/.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from claims import Claim
from numpy.typing import NDArray
from tables import markdown

from provenance.console import progress, say, show_json, show_table
from registry.copying import replacing
from trainer.experiment import Experiment
from trainer.keeping import InFile
from trainer.report import report
from trainer.results import Results
from trainer.simulate import simulate, waiting

FOLDER = Path("reproduced")
PUBLISHED = (0.674, 0.608, 0.527, 0.468, 0.433)
"""The spread of latents that Shumailov et al. 2024 saw on MNIST, generation by generation."""
SCHEDULES = ("replace", "accumulate", "accumulate-subsample")
METRICS = ("latent_std", "elbo", "coverage", "class_entropy", "frechet_distance")
GENERATIONS, QUICK_GENERATIONS = 5, 3
Floats = NDArray[np.float64]


class Told:
    """What was measured, by arm and metric."""

    def __init__(self, results: Results) -> None:
        self.held: dict[tuple[str, str], dict[int, list[float]]] = {}
        for row in results.measurements.to_pylist():
            by_generation = self.held.setdefault((row["arm"], row["metric"]), {})
            by_generation.setdefault(row["generation"], []).append(row["value"])

    @property
    def metrics(self) -> list[str]:
        """Those that were measured: without labels there are no classes."""
        return [metric for metric in METRICS if ("replace", metric) in self.held]

    def values(self, arm: str, metric: str) -> Floats:
        """(seeds, generations)."""
        by_generation = self.held[arm, metric]
        return np.array([by_generation[generation] for generation in sorted(by_generation)]).T

    def claims(self) -> Iterator[Claim]:
        spread = {arm: self.values(arm, "latent_std") for arm in SCHEDULES}
        steps = np.diff(spread["replace"].mean(axis=0))
        yield Claim(
            "replace: the latents' spread from one generation to the next, greatest", None, 0.0, float(steps.max())
        )
        kept = spread["replace"][:, -1] / spread["replace"][:, 0]
        what = f"replace: spread at the end, per that at first ({PUBLISHED[-1] / PUBLISHED[0]:.2f} on MNIST)"
        yield Claim(what, None, None, float(kept.mean()))
        for metric, sign in (("latent_std", -1), ("elbo", -1), ("coverage", -1), ("frechet_distance", 1)):
            if metric in self.metrics:
                lost = {arm: sign * np.diff(self.values(arm, metric)[:, [0, -1]]).mean() for arm in SCHEDULES}
                what = f"{metric}: replace loses more than accumulate, by"
                yield Claim(what, 0.0, None, float(lost["replace"] - lost["accumulate"]))
                what = f"{metric}: what accumulate loses, per what replace does"
                yield Claim(what, None, None, float(lost["accumulate"] / lost["replace"]))
                what = f"{metric}: what accumulate-subsample loses, per what replace does"
                yield Claim(what, None, None, float(lost["accumulate-subsample"] / lost["replace"]))
        ends = np.diff(spread["accumulate"][:, [0, -1]]).mean()
        yield Claim("accumulate: change of the spread (it slows the decline, and need not stop it)", None, None, ends)

    def table(self, metric: str) -> list[dict[str, object]]:
        """By arm and generation, the mean over seeds."""
        rows = []
        for arm in SCHEDULES:
            values = self.values(arm, metric)
            means = {f"generation {number}": float(mean) for number, mean in enumerate(values.mean(axis=0), 1)}
            rows.append({"arm": arm, **means, "of seeds, last": ", ".join(f"{one:.3g}" for one in values[:, -1])})
        return rows


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Images instead of the digits.")
@click.option("--quick", is_flag=True, help="Less of everything: to see that it runs.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Arms at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(data: Path | None, quick: bool, jobs: int, as_json: bool) -> None:
    """Run what is not done yet, and judge what came of it; but for --quick, exit 3 where a claim does not hold."""
    start = time.monotonic()
    bed = {"name": "vae", **({"data": str(data)} if data else {}), **({"epochs": 15} if quick else {})}
    spec = {"name": "images-quick" if quick else "images", "testbed": bed, "schedule": list(SCHEDULES), "repeats": 1}
    sizes = {"generations": QUICK_GENERATIONS if quick else GENERATIONS, "size": 1000}
    experiment = Experiment.of_grid(spec | sizes | {"seed": [0, 1, 2][: 2 if quick else 3]})
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{experiment.name}-{experiment.digest.hex()[:8]}.parquet"
    command = "scripts/reproduce images" + (" --data PATH" if data else "") + " --quick" * quick
    keeper = InFile(path, experiment, command=command)
    left = sum(cell.arm.generations - last for cell, last in waiting(experiment, keeper))
    with progress(left, "generations") as advance:
        results = simulate(experiment, keeper, jobs=jobs, progress=advance)
    told = Told(results)
    claims = list(told.claims())
    rows = [claim.row() for claim in claims]
    sizes_said = f"{len(experiment.seeds)} seeds; {platform.machine()}, {os.cpu_count()} cores"
    parts = [sizes_said, markdown(rows), *(f"{metric}:\n\n{markdown(told.table(metric))}" for metric in told.metrics)]
    for name, text in (
        (f"{experiment.name}.html", report(results, command=command)),
        (f"{experiment.name}.md", "\n\n".join(parts) + "\n"),
    ):
        with replacing(FOLDER / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    if as_json:
        show_json(rows)
    else:
        show_table(told.table("latent_std"))
        show_table(rows)
    failed = sum(claim.verdict == "FAIL" for claim in claims)
    judged = sum(claim.verdict != "told" for claim in claims)
    seconds = time.monotonic() - start
    say(f"{judged - failed} of {judged} claims hold, in {seconds:.0f} s; {FOLDER / experiment.name}.html and .md")
    sys.exit(3 if failed and not quick else 0)


if __name__ == "__main__":
    main()
