"""The loop: generation after generation a model learns from a mix, is measured, and writes for those that follow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from provenance.errors import ProvError
from trainer.curation import Judged
from trainer.pool import Draw, Pool
from trainer.schedule import Schedule
from trainer.streams import stream
from trainer.testbed import Measures, Model, TestBed

ROUNDS = 20
"""So often a model is asked again for what it wrote and may not be drawn."""


@dataclass(frozen=True)
class Report:
    """What came of a generation.

    Attributes:
        generation: from 1, the baseline, which learnt from human text alone.
        counts: how many samples of each generation it was trained on, human text being 0.
        measures: by metric, one value a repeat.
        failed: repeats of which some metric is not a number: a model that has died is a fact to be told.
        mix: the mix it learnt from, where there is a registry.
        judged: how what it met was judged, where a curator was asked.
        picture: what it writes, as SVG, where there is something to look at.
    """

    generation: int
    counts: dict[int, int]
    measures: Measures
    failed: int
    mix: str | None = None
    judged: Judged | None = None
    picture: str | None = None

    @property
    def model_share(self) -> float:
        """The share of what it was trained on that models wrote: how impure its draw was."""
        return 1 - self.counts.get(0, 0) / sum(self.counts.values())

    @property
    def curated(self) -> Measures:
        """How well it was curated, where a curator was asked: of what it was trained on, the share that models wrote;
        of what it met, the shares of human documents that were lost, and of models' that were missed."""
        if self.judged is None:
            return {}
        told = {"model_share": self.model_share, "human_lost": self.judged.fpr, "model_missed": 1 - self.judged.tpr}
        return {metric: np.array([value]) for metric, value in told.items()}


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
        drawn = _drawn(schedule, pool, generation)
        model = bed.fit(drawn.samples, drawn.weights, model, stream(seed, generation, "fit"))
        measures = bed.measure(model, drawn.samples)
        pool.record(generation, drawn)
        failed, picture = _failed(measures), bed.picture(model)
        yield Report(generation, drawn.counts, measures, failed, drawn.mix, drawn.judged, picture)
        if generation < generations:
            _write(bed, schedule, pool, model, drawn, stream(seed, generation, "write"), generation)


def _drawn(schedule: Schedule, pool: Pool, generation: int) -> Draw:
    mix, curation = schedule.mix(generation), schedule.curated
    return pool.draw(mix) if curation is None else pool.curate(mix, curation, schedule.crawls(generation))


def _write(
    bed: TestBed,
    schedule: Schedule,
    pool: Pool,
    model: Model,
    drawn: Draw,
    rng: np.random.Generator,
    generation: int,
) -> None:
    """Let a model write what the generations after it learn from; what may not be drawn is written again."""
    if schedule.edited:
        pool.add(bed.edit(model, drawn.samples, schedule.edited, rng), generation, edited=drawn)
        return
    wanted, held = schedule.writes(generation), 0
    if not wanted:
        return
    for _ in range(ROUNDS):
        held = pool.add(bed.sample(model, wanted - held, rng), generation)
        if held >= wanted:
            return
    raise ProvError(
        f"the model of generation {generation} was asked for {wanted:,} {bed.unit}, and in {ROUNDS} rounds wrote "
        f"{held:,} that are neither held out nor withdrawn: hold out less, or give a larger --size"
    )


def _failed(measures: Measures) -> int:
    """How many repeats have a metric that is not a number."""
    return int(np.logical_or.reduce([np.isnan(values) for values in measures.values()]).sum())
