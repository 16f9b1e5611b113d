"""The plan of an experiment: what its generations will learn from, and how long that takes, before anything runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from provenance.origin import Origin
from registry.experiments import human_texts
from registry.mix import Shortfall
from registry.registry import Registry
from trainer.curation import Curation
from trainer.experiment import Arm, Cell, Experiment
from trainer.loop import run_generations
from trainer.pool import ArrayPool, TooFewHuman
from trainer.testbed import Floats, Measures, TestBed

PROBE_S = 0.5
"""So long a probe may take, about, that tells what an arm will take."""
MEASUREMENT_BYTES = 9
"""What a measurement takes in a Parquet file, about."""


@dataclass(frozen=True)
class Plan:
    """What an arm will come to.

    Attributes:
        human_needed, human_held: human samples that it needs, and that there are.
        human_again_from: the first generation that learns from human samples which an earlier one had.
        runs_out: why it cannot be run to its end.
        learns: by generation, how many samples it learns from of each earlier one, human samples being 0.
        seconds: about, of all its repeats, on one core.
        disk_bytes: about, of its measurements.
    """

    arm: str
    human_needed: int
    human_held: int
    human_again_from: int | None
    runs_out: str | None
    learns: list[dict[int, int]]
    seconds: float
    disk_bytes: int

    def summary(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return vars(self) | {"learns": rows(self.learns)}


def plan(experiment: Experiment, held: Registry | None = None) -> list[Plan]:
    """What each arm will learn from, generation by generation, and about how long it will take.

    Args:
        held: the registry with the human texts, where the samples are texts of one.
    Raises:
        ProvError: a test-bed refuses its sizes.
    """
    return [_planned(foreseen(arm), held, experiment) for arm in experiment.arms]


def foreseen(arm: Arm) -> Arm:
    """The arm, with a curator that never errs where one is asked: what it will say is not known before."""
    if arm.scheduled(0).curated is None:
        return arm
    kept = {name: value for name, value in arm.schedule_parameters.items() if name not in Curation.model_fields}
    return arm.model_copy(update={"schedule_parameters": kept | {"curation": "labels"}})


def _planned(arm: Arm, held: Registry | None, experiment: Experiment) -> Plan:
    bed = arm.grounded(held)
    needed = arm.scheduled(0).real(arm.generations)
    there_is = len(human_texts(held)) if held and bed.takes_texts else needed
    learns, runs_out = learns_from(arm, there_is)
    trained = sum(sum(counts.values()) for counts in learns)
    repeats = arm.repeats * len(experiment.seeds)
    seconds, metrics = (0.0, 0) if runs_out else _probed(arm, bed, experiment, trained)
    return Plan(
        arm=arm.name,
        human_needed=needed,
        human_held=there_is,
        human_again_from=_again_from(learns, needed),
        runs_out=runs_out,
        learns=learns,
        seconds=seconds,
        disk_bytes=MEASUREMENT_BYTES * metrics * arm.generations * repeats,
    )


def learns_from(arm: Arm, human: int | None = None) -> tuple[list[dict[int, int]], str | None]:
    """How many samples of each earlier generation every generation learns from, and why that ends early, if it does.

    Of what a curator judges, that is what one would draw that never errs.

    Args:
        human: how many human samples there are; as many as are needed where it is None.
    """
    schedule = foreseen(arm).scheduled(0)
    needed = schedule.real(arm.generations)
    pool = ArrayPool(0, edited=bool(schedule.edited))
    pool.add(np.zeros((1, needed if human is None else min(needed, human)), np.uint8), 0)
    learns: list[dict[int, int]] = []
    try:
        for report in run_generations(_Counting(), schedule, pool, arm.generations, 0):
            learns.append(report.counts)
    except Shortfall as error:
        return learns, str(error if human is None else TooFewHuman(needed, human))
    return learns, None


def rows(learns: Sequence[dict[int, int]]) -> list[dict[str, Any]]:
    """A plan as rows of generation, origin, of_generation and documents."""
    return [
        {
            "generation": generation,
            "origin": str(Origin.MODEL if of_generation else Origin.HUMAN),
            "of_generation": of_generation,
            "documents": documents,
        }
        for generation, counts in enumerate(learns, 1)
        for of_generation, documents in sorted(counts.items())
    ]


def _again_from(learns: Sequence[dict[int, int]], human: int) -> int | None:
    used = 0
    for generation, counts in enumerate(learns, 1):
        used += counts.get(0, 0)
        if used > human:
            return generation
    return None


def _probed(arm: Arm, bed: TestBed, experiment: Experiment, trained: int) -> tuple[float, int]:
    """About how many seconds an arm will take, by a short probe of its first generations, and how much it measures."""
    cell = Cell(arm=arm, seed=experiment.seeds[0], first=0, repeats=1)
    repeats = arm.repeats * len(experiment.seeds)
    start, learnt, metrics = time.perf_counter(), 0, 0
    for report in cell.run(bed):
        learnt, metrics = learnt + sum(report.counts.values()), len(report.measures)
        if time.perf_counter() - start > PROBE_S:
            break
    alone = (time.perf_counter() - start) * trained / learnt
    if not bed.vectorised or repeats == 1:
        return alone * repeats, metrics
    several, again = min(repeats, 20), 0
    start = time.perf_counter()
    for report in cell.model_copy(update={"repeats": several}).run(bed):
        again += sum(report.counts.values())
        if again >= learnt:
            break
    together = (time.perf_counter() - start) * trained / again
    each = max(0.0, (together - alone) / max(1, several - 1))
    return alone + each * (repeats - 1), metrics


class _Counting(TestBed):
    """Samples that are nothing but counted: what a schedule makes of its pool, without a model."""

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        return np.zeros((repeats, size), np.uint8)

    def fit(self, samples: Any, weights: Floats | None, previous: Any, rng: np.random.Generator) -> int:
        return len(samples)

    def sample(self, model: int, size: int, rng: np.random.Generator) -> Any:
        return np.zeros((model, size), np.uint8)

    def edit(self, model: int, samples: Any, share: float, rng: np.random.Generator) -> Any:
        return samples

    def measure(self, model: int, samples: Any) -> Measures:
        return {}
