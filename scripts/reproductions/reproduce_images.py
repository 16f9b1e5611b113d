"""What is reported of autoencoders that learn from one another: images grow alike, and keeping all of them helps.

scripts/reproduce images [--data PATH] [--quick] [--json]

Without PATH, an IDX file or a folder of pictures, on scikit-learn's digits. Leaves results and a report in reproduced/.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from claims import Claim
from schedules import Told, carry_out

from trainer.testbeds.vae import Vae, frechet_distance

PUBLISHED = (0.674, 0.608, 0.527, 0.468, 0.433)
"""The spread of latents that Shumailov et al. 2024 saw on MNIST, generation by generation."""
METRICS = ("latent_std", "elbo", "coverage", "class_entropy", "frechet_distance")


def claims(told: Told, bed: Vae) -> Iterator[Claim]:
    """What is claimed of images, beside what real images would get."""
    if (labels := bed.images.labels) is not None:
        right = float((bed.classifier.classes(bed.images.pixels) == labels).mean())
        yield Claim("real images whose class the classifier tells, which it learnt from", None, None, right)
        features = bed.classifier.features(bed.images.pixels)
        halves = float(frechet_distance(features[::2], features[1::2]))
        yield Claim("frechet_distance of every other real image to the rest", None, None, halves)
    spread = told.values("replace", "latent_std")
    steps = np.diff(spread.mean(axis=0))
    yield Claim("replace: change of the latents' spread, the greatest of one generation", None, 0.0, float(steps.max()))
    left = f"replace: spread at the end, per that at first ({PUBLISHED[-1] / PUBLISHED[0]:.2f} on MNIST)"
    yield Claim(left, None, None, float((spread[:, -1] / spread[:, 0]).mean()))
    ends = float(told.lost("latent_std", -1)["accumulate"].mean())
    yield Claim("accumulate: loss of spread (it slows the decline, and need not stop it)", None, None, ends)
    for metric, sign in (("latent_std", -1), ("elbo", -1), ("coverage", -1), ("frechet_distance", 1)):
        yield from told.compared(metric, sign)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Images instead of the digits.")
@click.option("--quick", is_flag=True, help="Less of everything: to see that it runs.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Arms at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(data: Path | None, quick: bool, jobs: int, as_json: bool) -> None:
    """Run what is not done yet, and judge what came of it; but for --quick, exit 3 where a claim does not hold."""
    bed = {"name": "vae", **({"data": str(data)} if data else {}), **({"epochs": 15} if quick else {})}
    sizes = {"generations": 3, "seed": [0, 1]} if quick else {"generations": 5, "seed": [0, 1, 2]}
    spec = {"name": "images-quick" if quick else "images", "testbed": bed, "size": 1000, **sizes}
    command = "scripts/reproduce images" + (" --data PATH" if data else "") + " --quick" * quick
    carry_out(spec, METRICS, claims, command, jobs, as_json, judge=not quick)


if __name__ == "__main__":
    main()
