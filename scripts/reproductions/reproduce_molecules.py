"""What is reported of diffusion models of molecules that learn from one another: replacing forgets, keeping all helps.

scripts/reproduce molecules [--quick] [--jobs N] [--json]

Leaves results and a report with drawings in reproduced/. In full it takes about an hour on two cores.
"""

import os
from collections.abc import Iterator

import click
import numpy as np
from claims import Claim
from schedules import Told, carry_out

from trainer.testbeds.diffusion import NEAR, Diffusion

SIGNS = {
    "bond_validity": -1,
    "matching": 1,
    "coverage": -1,
    "matching_precision": 1,
    "coverage_precision": -1,
    "denoising_loss": 1,
}
"""What is told of models, and 1 where higher is worse."""
QUICK = {"molecules": 15, "conformers": 10, "width": 32, "layers": 2, "epochs": 40, "denoising": 25}


def claims(told: Told, bed: Diffusion) -> Iterator[Claim]:
    """What is claimed of molecules, beside what a model would get that knew one right shape of each."""
    alone = np.concatenate([held.distances(held.shapes[:1]) for held in bed.held_out])
    yield Claim("coverage of one conformer a molecule alone", None, None, float((alone < NEAR).mean()))
    yield Claim("matching of one conformer a molecule alone, Å", None, None, float(alone.mean()))
    for metric, sign in SIGNS.items():
        yield from told.compared(metric, sign)


@click.command()
@click.option("--quick", is_flag=True, help="Less of everything: to see that it runs.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Arms at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(quick: bool, jobs: int, as_json: bool) -> None:
    """Run what is not done yet, and judge what came of it; but for --quick, exit 3 where a claim does not hold."""
    bed = {"name": "diffusion", **(QUICK if quick else {"device": "auto"})}
    sizes = (
        {"size": 100, "generations": 3, "seed": [0]} if quick else {"size": 900, "generations": 5, "seed": [0, 1, 2]}
    )
    spec = {"name": "molecules-quick" if quick else "molecules", "testbed": bed, **sizes}
    command = "scripts/reproduce molecules" + " --quick" * quick
    carry_out(spec, list(SIGNS), claims, command, jobs, as_json, judge=not quick)


if __name__ == "__main__":
    main()
