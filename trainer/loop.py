"""The loop: generation after generation a model learns from a mix, is measured, and writes for those that follow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainer.pool import Pool
from trainer.schedule import Schedule
from trainer.streams import stream
from trainer.testbed import Measures, Model, TestBed


@dataclass(frozen=True)
class Report:
    """What came of a generation.

    Attributes:
        generation: from 1, the baseline, which learnt from human text alone.
        counts: how many samples of each generation it was trained on, human text being 0.
        measures: by metric, one value a repeat.
        failed: repeats of which some metric is not a number: a model that has died is a fact to be told.
        mix: the mix it learnt from, where there is a registry.
    """

    generation: int
    counts: dict[int, int]
    measures: Measures
    failed: int
    mix: str | None = None


def run_generations(
    bed: TestBed, schedule: Schedule, pool: Pool, generations: int, seed: int, first: int = 1
) -> Iterator[Report]:
    """Run the generations of one arm; what each is trained on is what the schedule draws from the pool.

    Args:
        pool: holds the human samples, and what generations before the first wrote.
        seed: of all randomness; arms of one seed share the streams of each generation and role.
    Raises:
        Shortfall: the schedule asks for more than the pool has.
        Degenerate: a generation has too few samples to fit a model to.
    """
    model: Model | None = None
    for generation in range(first, generations + 1):
        drawn = pool.draw(schedule.mix(generation))
        model = bed.fit(drawn.samples, drawn.weights, model, stream(seed, generation, "fit"))
        measures = bed.measure(model, drawn.samples)
        pool.record(generation, drawn)
        yield Report(generation, drawn.counts, measures, _failed(measures), drawn.mix)
        if generation < generations:
            rng = stream(seed, generation, "write")
            if schedule.edited:
                written = bed.edit(model, drawn.samples, schedule.edited, rng)
            else:
                written = bed.sample(model, schedule.writes(generation), rng)
            pool.add(written, generation)


def _failed(measures: Measures) -> int:
    """How many repeats have a metric that is not a number."""
    return int(np.logical_or.reduce([np.isnan(values) for values in measures.values()]).sum())
