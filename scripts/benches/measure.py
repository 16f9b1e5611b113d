"""What every benchmark shares: runs in processes of their own, the machine, tables."""

import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Run:
    """One measurement: seconds that the work took inside its process, and the most memory that process held."""

    seconds: float
    peak_mb: float


def best(rounds: int, work: Callable[..., float], *arguments: Any) -> Run:
    """The quickest of several runs, each in a fresh process; the memory is the most that any took.

    Args:
        work: a function of a module, which measures itself and returns its seconds.
    """
    runs = [_in_process(work, arguments) for _ in range(rounds)]
    return Run(min(run.seconds for run in runs), max(run.peak_mb for run in runs))


def _in_process(work: Callable[..., float], arguments: tuple[Any, ...]) -> Run:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_report, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        seconds, peak_mb = here.recv()
    except EOFError:
        raise SystemExit(f"{work.__name__} failed, the reason stands above") from None
    process.join()
    return Run(seconds, peak_mb)


def _report(pipe: Connection, work: Callable[..., float], arguments: tuple[Any, ...]) -> None:
    seconds = work(*arguments)
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))


def peer_python(name: str, packages: Sequence[str]) -> Path | None:
    """The Python of a peer's own environment, made once; None where its packages cannot be had."""
    home = ROOT / ".bench" / name
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True)
        if done.returncode:
            print(f"{name} cannot be installed, its figures are missing: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        (home / "ready").touch()
    return python


def peer(python: Path, script: str, *arguments: str) -> dict[str, Any]:
    """What a peer's script prints as JSON; it measures itself."""
    done = subprocess.run([python, script, *arguments], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> str:
    """The machine and the versions, in a line."""
    model = next(
        (line.partition(":")[2].strip() for line in _cpu() if line.startswith("model name")), platform.machine()
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow"))
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB; Python {platform.python_version()}, {versions}"


def _cpu() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """Rows as a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
