"""Simulating: the cells of an experiment are run, in processes beside each other, and what they measure is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import pyarrow as pa

from provenance.errors import ProvError
from registry.mix import Shortfall
from registry.registry import Registry
from registry.store import Progress, silent
from trainer.experiment import Arm, Cell, Experiment
from trainer.keeping import Keeper
from trainer.loop import Report, run_generations
from trainer.pool import ArrayPool
from trainer.results import Results
from trainer.testbed import Floats, Measures, TestBed

PROBE_S = 0.5
"""So long a probe may take, about, that tells what an arm will take."""


def simulate(
    experiment: Experiment,
    keeper: Keeper,
    held: Registry | None = None,
    *,
    only: str | None = None,
    seed: int | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Results:
    """Run what is not kept yet of an experiment.

    Args:
        held: a registry with the human texts, through which test-beds of texts run, with their lineage.
        only, seed: run this arm alone, and this seed.
        jobs: so many cells at a time, each in a process; the numbers do not depend on it.
        progress: called with the number of generations that were run since.
    Raises:
        ProvError: there is no such arm or seed, or an arm cannot be run.
    """
    done = keeper.done()
    tasks = [
        _Task(cell, _bed(cell.arm, held), last)
        for cell in experiment.cells(only, seed)
        if (last := done.get((cell.arm.name, cell.first), 0)) < cell.arm.generations
    ]
    for task in tasks:
        if held and task.bed.takes_texts:
            name = f"{experiment.name}-{experiment.digest.hex()[:8]}"
            for report in task.cell.run_in(held, task.bed, name, task.last):
                keeper.put(task.cell, task.cell.measured([report]))
                progress(1)
    in_memory = [task for task in tasks if not (held and task.bed.takes_texts)]
    for cell, measured in _run_all(in_memory, jobs, progress):
        keeper.put(cell, measured)
    return keeper.close()


@dataclass(frozen=True)
class _Task:
    """A cell that is not done yet, with its test-bed, and the last generation of it that is kept."""

    cell: Cell
    bed: TestBed
    last: int


def _bed(arm: Arm, held: Registry | None) -> TestBed:
    """The test-bed of an arm, with its truth from a registry where there is one."""
    bed = arm.bed()
    if held is None:
        return bed
    return bed.grounded(
        lambda: (text for (text,) in held.ask("human_contents")), [text for (text,) in held.ask("held_out_texts")]
    )


def _run_all(tasks: Sequence[_Task], jobs: int, progress: Progress) -> Iterator[tuple[Cell, pa.Table]]:
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task.cell, _run(task, progress)
        return
    waiting = list(reversed(tasks))
    with ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn")) as workers:
        running: dict[Future[pa.Table], Cell] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    task = waiting.pop()
                    running[workers.submit(_run, task)] = task.cell
                for finished in wait(running, return_when=FIRST_COMPLETED).done:
                    cell = running.pop(finished)
                    measured = finished.result()
                    progress(cell.arm.generations)
                    yield cell, measured
        except BrokenProcessPool as error:
            raise ProvError(
                "a process that ran an arm was killed, most likely for want of memory; what was done is kept: "
                "run the same again with --jobs 1, or a smaller --size or --repeats"
            ) from error
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def _run(task: _Task, progress: Progress = silent) -> pa.Table:
    reports: list[Report] = []
    for report in task.cell.run(task.bed):
        reports.append(report)
        progress(1)
    return task.cell.measured(reports)


# -- what an experiment will come to


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


def plan(experiment: Experiment, held: Registry | None = None) -> list[dict[str, Any]]:
    """What each arm will train on, generation by generation, and about how long it will take.

    Raises:
        ProvError: a test-bed refuses its sizes.
    """
    return [_planned(arm, held, experiment) for arm in experiment.arms]


def _planned(arm: Arm, held: Registry | None, experiment: Experiment) -> dict[str, Any]:
    bed = _bed(arm, held)
    schedule = arm.scheduled(experiment.seeds[0])
    generations: list[dict[str, Any]] = []
    runs_out = None
    needed = schedule.real(arm.generations)
    human = len(held.ask("human_contents")) if held and bed.takes_texts else needed
    try:
        pool = ArrayPool(0, edited=bool(schedule.edited))
        pool.add(np.zeros((1, human), np.uint8), 0)
        for report in run_generations(_Counting(), schedule, pool, arm.generations, 0):
            of_human = report.counts.get(0, 0)
            written = sum(report.counts.values()) - of_human
            generations.append({"generation": report.generation, "human": of_human, "written": written})
    except Shortfall as error:
        runs_out = str(error)
    trained = sum(row["human"] + row["written"] for row in generations)
    return {
        "arm": arm.name,
        "human_needed": needed,
        "human_held": human,
        "human_repeats_from": _repeats_from(generations, human),
        "runs_out": runs_out,
        "seconds": 0.0 if runs_out else _seconds(arm, bed, experiment, trained),
        "measurements": arm.generations * arm.repeats * len(experiment.seeds),
        "generations": generations,
    }


def _repeats_from(generations: Sequence[dict[str, Any]], real: int) -> int | None:
    """The first generation that learns from human documents which an earlier one has had; None where none does."""
    used = 0
    for row in generations:
        used += row["human"]
        if used > real:
            generation: int = row["generation"]
            return generation
    return None


def _seconds(arm: Arm, bed: TestBed, experiment: Experiment, trained: int) -> float:
    """About how long an arm will take, by a short probe of its first generations."""
    cell = Cell(arm=arm, seed=experiment.seeds[0], first=0, repeats=1)
    repeats = arm.repeats * len(experiment.seeds)
    start, measured = time.perf_counter(), 0
    for report in cell.run(bed):
        measured += sum(report.counts.values())
        if time.perf_counter() - start > PROBE_S:
            break
    alone = (time.perf_counter() - start) * trained / measured
    if not bed.vectorised:
        return alone * repeats
    several = min(repeats, 20)
    start, again = time.perf_counter(), 0
    for report in cell.model_copy(update={"repeats": several}).run(bed):
        again += sum(report.counts.values())
        if again >= measured:
            break
    together = (time.perf_counter() - start) * trained / again
    each = max(0.0, (together - alone) / max(1, several - 1))
    return alone + each * (repeats - 1)
