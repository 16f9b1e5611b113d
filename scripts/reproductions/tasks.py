"""Tasks that build on one another, run in processes beside each other; what is done is kept and not done again."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from provenance.console import say
from provenance.origin import canonical
from registry.copying import replacing

Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Something to be done once.

    Attributes:
        run: a function of a module, given the arguments; what it returns is kept as JSON.
        needs: the names of the tasks that are to be done before.
    """

    name: str
    run: Callable[..., Result]
    arguments: Mapping[str, Any]
    needs: tuple[str, ...] = ()


class Kept:
    """The results of tasks, one JSON file each, under the digest of what they were asked."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.asked: dict[str, str] = {}
        for task in tasks:  # each after those that it needs
            before = [self.asked[name] for name in task.needs]
            said = ["prov-task-1", task.run.__name__, {key: str(held) for key, held in task.arguments.items()}, before]
            self.asked[task.name] = hashlib.sha256(canonical(said)).hexdigest()[:16]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def get(self, name: str) -> Result | None:
        """The result of a task, if it was asked the same."""
        try:
            held = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        result: Result = held["result"]
        return result if held["asked"] == self.asked[name] else None

    def put(self, name: str, result: Result, seconds: float) -> None:
        with replacing(self._path(name)) as unfinished:
            kept = {"asked": self.asked[name], "seconds": round(seconds, 2), "result": result}
            unfinished.write_text(json.dumps(kept), encoding="utf-8")

    def seconds(self, name: str) -> float:
        """How long a task took."""
        return float(json.loads(self._path(name).read_text(encoding="utf-8"))["seconds"])


def run_tasks(tasks: Sequence[Task], folder: Path, jobs: int) -> dict[str, Result]:
    """Run what is not done yet, each task after those that it needs; return the results of all.

    Args:
        tasks: in an order in which each comes after what it needs.
    """
    kept = Kept(folder, tasks)
    done = {task.name: held for task in tasks if (held := kept.get(task.name)) is not None}
    waiting = [task for task in tasks if task.name not in done]
    if done:
        say(f"{len(done)} of {len(tasks)} tasks are done already")
    start = time.monotonic()
    with ProcessPoolExecutor(jobs, get_context("spawn"), _alone) as workers:
        running: dict[Future[tuple[Result, float]], Task] = {}
        try:
            while waiting or running:
                for task in [one for one in waiting if all(name in done for name in one.needs)]:
                    if len(running) < jobs:
                        waiting.remove(task)
                        running[workers.submit(_timed, task)] = task
                for finished in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(finished)
                    result, seconds = finished.result()
                    kept.put(task.name, result, seconds)
                    done[task.name] = result
                    gone = time.monotonic() - start
                    say(f"{len(done):>4} of {len(tasks)}  {task.name}: {seconds:.0f} s, {gone / 60:.1f} min in all")
        except BaseException:
            for worker in (workers._processes or {}).values():
                worker.terminate()  # what it has not finished is done again
            raise
    return {task.name: done[task.name] for task in tasks}


def _alone() -> None:
    """Keep libraries of a worker on one core: the others have workers of their own."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch

    torch.set_num_threads(1)


def _timed(task: Task) -> tuple[Result, float]:
    start = time.monotonic()
    return task.run(**task.arguments), time.monotonic() - start
