"""Simulating: the cells of an experiment are run, in processes beside each other, and what they measure is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from provenance.errors import ProvError
from registry.registry import Registry
from registry.store import Progress, silent
from trainer.experiment import Cell, Experiment
from trainer.keeping import Keeper
from trainer.loop import Report
from trainer.results import Found, Results
from trainer.testbed import TestBed

if TYPE_CHECKING:
    from provenance.detection import Seekers


def simulate(
    experiment: Experiment,
    keeper: Keeper,
    held: Registry | None = None,
    *,
    seekers: Callable[[str], Seekers] | None = None,
    only: str | None = None,
    seed: int | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Results:
    """Run what is not kept yet of an experiment.

    Args:
        held: a registry with the human texts, through which test-beds of texts run, with their lineage.
        seekers: gives what looks for the key of a name; needed where models mark what they write.
        only, seed: run this arm alone, and this seed.
        jobs: so many cells at a time, each in a process; the numbers do not depend on it.
        progress: called with the number of generations that were run since.
    Raises:
        ProvError: there is no such arm or seed, or an arm cannot be run.
    """
    cells = waiting(experiment, keeper, only, seed)
    arms = {cell.arm.name: cell.arm for cell, _ in cells}
    beds = {name: _marking(arm.grounded(held), held, seekers) for name, arm in arms.items()}
    tasks = [_Task(cell, beds[cell.arm.name], last) for cell, last in cells]
    name = f"{experiment.name}-{experiment.digest.hex()[:8]}"
    if held:
        for task in tasks:
            task.cell.curator(held, task.bed, name)  # which may be impossible: told before anything runs
    for task in tasks:
        if held and task.bed.takes_texts:
            for report in task.cell.run_in(held, task.bed.keeping(_workplace(held)), name, task.last):
                keeper.put(task.cell, task.cell.found([report]))
                progress(1)
    if held:
        rmtree(_workplace(held), ignore_errors=True)
    in_memory = [task for task in tasks if not (held and task.bed.takes_texts)]
    for cell, found in _run_all(in_memory, jobs, progress):
        keeper.put(cell, found)
    return keeper.close()


def _workplace(held: Registry) -> Path:
    """Where checkpoints lie while a model is trained, for a run that was killed to go on from."""
    return held.path.with_name(f".{held.path.name}.training")


def _marking(bed: TestBed, held: Registry | None, seekers: Callable[[str], Seekers] | None) -> TestBed:
    """The test-bed with the key that its models mark with, where they do."""
    if bed.key_name is None:
        return bed
    if held is None or seekers is None:
        raise ProvError(
            f"key={bed.key_name} marks what models write, whose registry says by which key: name one with --registry, "
            "or leave the key out"
        )
    return bed.marking(seekers(bed.key_name))


def waiting(
    experiment: Experiment, keeper: Keeper, only: str | None = None, seed: int | None = None
) -> list[tuple[Cell, int]]:
    """The cells that are not done yet, each with the last generation of it that is kept."""
    done = keeper.done()
    found = ((cell, done.get((cell.arm.name, cell.first), 0)) for cell in experiment.cells(only, seed))
    return [(cell, last) for cell, last in found if last < cell.arm.generations]


@dataclass(frozen=True)
class _Task:
    """A cell that is not done yet, with its test-bed, and the last generation of it that is kept."""

    cell: Cell
    bed: TestBed
    last: int


def _run_all(tasks: Sequence[_Task], jobs: int, progress: Progress) -> Iterator[tuple[Cell, Found]]:
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task.cell, _run(task, progress)
        return
    waiting, others = list(reversed(tasks)), set(active_children())
    with ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn")) as workers:
        running: dict[Future[Found | str], Cell] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    task = waiting.pop()
                    with _unhearing():
                        running[workers.submit(_run_apart, task)] = task.cell
                for finished in wait(running, return_when=FIRST_COMPLETED).done:
                    cell = running.pop(finished)
                    found = finished.result()
                    if isinstance(found, str):
                        raise ProvError(found)
                    progress(cell.arm.generations)
                    yield cell, found
        except BrokenProcessPool as error:
            raise ProvError(
                "a process that ran an arm was killed, most likely for want of memory; what was done is kept: "
                "run the same again with --jobs 1, or a smaller --size or --repeats"
            ) from error
        except BaseException:
            for worker in set(active_children()) - others:
                worker.terminate()  # what it has not finished would be thrown away
            workers.shutdown(cancel_futures=True)
            raise


@contextmanager
def _unhearing() -> Iterator[None]:
    """Keep Ctrl-C from processes that start in the block: the one that started them hears it, and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_apart(task: _Task) -> Found | str:
    """What came of a cell, or what a person has to mend: errors with fields do not travel between processes."""
    try:
        return _run(task)
    except ProvError as error:
        return str(error)


def _run(task: _Task, progress: Progress = silent) -> Found:
    reports: list[Report] = []
    for report in task.cell.run(task.bed):
        reports.append(report)
        progress(1)
    return task.cell.found(reports)
