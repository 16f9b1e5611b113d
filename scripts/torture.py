"""Kill `prov` at random moments of what it does, and check that nothing is lost, nothing is half, and it can go on.

Each act runs once undisturbed, for its duration and its outcome. Then, as often as is wanted, it runs on a fresh copy
and is killed (SIGKILL): at moments spread over the whole duration, and every third time just when its commit begins
to be written. The registry must then open and verify, hold all that it held before, and be exactly as before or
exactly as after; the latter, if the act had already told its result. Run again, the act must end as undisturbed.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry import Declared, Registry
from registry.verify import verify

REGISTRY = "corpus.prov"
State = dict[str, Any]


@dataclass(frozen=True)
class Op:
    """An act to be killed: its name and its command."""

    name: str
    command: tuple[str, ...]


OPS = (
    Op("ingest", ("ingest", "rows.jsonl", "--source", "new")),
    Op("declare", ("declare", "--where", "source = 'books'", "--origin", "model", "--generator", "x", "--by", "me")),
    Op("mix", ("mix", "--real-frac", "0.5", "--seed", "1")),
    Op("merge", ("merge", "other.prov")),
    Op("erase", ("withdraw", "--source", "books", "--reason", "asked", "--erase")),
)


@dataclass
class Killed:
    """What killing one act many times came to.

    Attributes:
        moments: seconds after the start at which it was killed.
        at_commit: how often that was while its commit was being written.
        finished: how often it had ended before.
        kept: how often all that it did was there.
        wrong: what was not as it should be.
    """

    duration_s: float
    moments: list[float] = field(default_factory=list)
    at_commit: int = 0
    finished: int = 0
    kept: int = 0
    wrong: list[str] = field(default_factory=list)


def prepare(folder: Path, rows: int) -> None:
    """Fill a folder with what the acts work on: a registry, another one to merge, rows to take in."""
    _write(folder / "rows.jsonl", "new", rows)
    for path, name in ((folder / REGISTRY, "books"), (folder / "other.prov", "others")):
        _write(folder / f"{name}.jsonl", name, rows)
        with Registry.create(path) as held:
            held.ingest([folder / f"{name}.jsonl"], Declared(source=name))
            held.add(({"id": str(n), "text": f"{name} wrote {n}"} for n in range(rows // 2)), MODEL)


MODEL = Declared(origin="model", generator="m", generation=1, source="generated")  # type: ignore[arg-type]


def _write(path: Path, name: str, rows: int) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        for number in range(rows):
            text = f"{name} {number} " + " ".join(str(number * factor % 9973) for factor in range(3, 90))
            stream.write(json.dumps({"id": f"{name}{number}", "text": text, "origin": "human"}) + "\n")


def torture(op: Op, template: Path, kills: int, seed: int, commits: int = 3) -> Killed:
    """Kill an act so many times, each `commits`th time at its commit, and check each time what it left."""
    rng = random.Random(f"{seed} {op.name}")  # noqa: S311
    trial = _Trial(op, template)
    for number in range(kills):
        moment = trial.killed.duration_s * 1.05 * (number + rng.random()) / kills
        with _copy(template) as folder:
            told = trial.kill(folder, None if number % commits == commits - 1 else moment, rng.random() * 0.05)
            try:
                found = list(trial.check(folder, told))
            except Exception as error:  # whatever it is, it is what was looked for
                found = [f"{type(error).__name__}: {error}"]
        trial.killed.wrong += [f"{op.name}, kill {number + 1}: {what}" for what in found]
    return trial.killed


class _Trial:
    """An act, what it does undisturbed, and what killing it came to so far."""

    def __init__(self, op: Op, template: Path) -> None:
        self.op = op
        self.before, self.chain = state(template / REGISTRY), chain(template / REGISTRY)
        with _copy(template) as folder:
            begun = time.monotonic()
            subprocess.run(self.command, cwd=folder, check=True, capture_output=True)
            self.killed = Killed(time.monotonic() - begun)
            self.after, self.files = state(folder / REGISTRY), _files(folder)
        assert self.after != self.before, f"{op.name} changes nothing"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "provenance", "--registry", REGISTRY, *self.op.command]

    def kill(self, folder: Path, moment: float | None, late_s: float) -> bool:
        """Kill the act at a moment, or else so many seconds after its commit begins; whether it had told its result."""
        begun = time.monotonic()
        process = subprocess.Popen(self.command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if moment is not None:
            time.sleep(moment)
        elif _wait_for_commit(process, folder):
            self.killed.at_commit += 1
            time.sleep(late_s)
        process.kill()
        told, _ = process.communicate()
        self.killed.moments.append(time.monotonic() - begun)
        self.killed.finished += process.returncode == 0
        return bool(told)

    def check(self, folder: Path, told: bool) -> Iterator[str]:
        """What is wrong with what a killed act left, and with what it comes to when it is run again."""
        Registry.open(folder / REGISTRY).close()  # as whoever comes next; ends an erasure that was begun
        left = state(folder / REGISTRY)
        self.killed.kept += left == self.after
        if left not in (self.before, self.after):
            yield f"half of it is there: {_difference(left, self.after)}"
        if told and left != self.after:
            yield "it told its result, and that is lost"
        if chain(folder / REGISTRY)[: len(self.chain)] != self.chain:
            yield "batches from before are lost"
        yield from _broken(folder, "after the kill")
        done = subprocess.run(self.command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"run again it ends with {done.returncode}: {done.stderr.strip()}"
        again = state(folder / REGISTRY)
        if again != self.after:
            yield f"run again it ends otherwise: {_difference(again, self.after)}"
        if _files(folder) != self.files:
            yield f"it leaves files behind: {sorted(_files(folder) ^ self.files)}"
        yield from _broken(folder, "run again")


def _wait_for_commit(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Wait until the write-ahead log of the registry has something in it, or the process ends."""
    log = folder / f"{REGISTRY}.wal"
    while process.poll() is None:
        with suppress(FileNotFoundError):
            if log.stat().st_size:
                return True
        time.sleep(0.0005)
    return False


def _broken(folder: Path, when: str) -> Iterator[str]:
    with Registry.open(folder / REGISTRY, read_only=True) as held:
        for finding in verify(held).findings:
            yield f"{when}, {finding}"


def state(path: Path) -> State:
    """What is in a registry, but for its ids and times: how many rows of all, which documents, texts, mixes, acts."""
    with Registry.open(path, read_only=True) as held:

        def ask(question: str) -> Any:
            return held.connection.execute(question).fetchall()

        return {
            "rows": {name: len(held.connection.table(name)) for (name,) in held.ask("tables")},
            "documents": ask("SELECT bit_xor(rank), count(*) FILTER (origin = 'human') FROM document"),
            "texts": ask("SELECT count(content), sum(strlen(content)) FROM text"),
            "mixes": ask("SELECT hex(digest) FROM mix ORDER BY ALL"),
            "acts": ask("SELECT kind, documents, bytes FROM batch ORDER BY batch_id"),
        }


def chain(path: Path) -> list[Any]:
    """The digests of a registry's batches, oldest first."""
    with Registry.open(path, read_only=True) as held:
        return held.connection.execute("SELECT hex(digest) FROM batch ORDER BY batch_id").fetchall()


def _difference(one: State, other: State) -> str:
    return "; ".join(f"{name} {one[name]}, wanted {other[name]}" for name in one if one[name] != other[name])[:500]


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@contextmanager
def _copy(template: Path) -> Iterator[Path]:
    """A copy of a folder for as long as the block lasts."""
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        yield Path(shutil.copytree(template, folder, dirs_exist_ok=True))


def main() -> None:
    """Torture every act, and tell in a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many kills in all (default 100)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of each input, so that an act takes a second")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--op", action="append", choices=[op.name for op in OPS], help="these acts alone")
    options = parser.parse_args()
    ops = [op for op in OPS if not options.op or op.name in options.op]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        template.mkdir()
        prepare(template, options.rows)
        print(
            f"{'act':8} {'takes':>6} {'kills':>5} {'moments':>13} {'at commit':>9} {'too late':>8} {'kept':>4} ok",
            flush=True,
        )
        for index, op in enumerate(ops):
            kills = options.kills // len(ops) + (index < options.kills % len(ops))
            killed = torture(op, template, kills, options.seed)
            moments = f"{min(killed.moments):.2f}–{max(killed.moments):.2f} s"
            print(
                f"{op.name:8} {killed.duration_s:5.1f}s {kills:5} {moments:>13} {killed.at_commit:9} "
                f"{killed.finished:8} {killed.kept:4} {'yes' if not killed.wrong else 'NO'}",
                flush=True,
            )
            wrong += killed.wrong
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(3 if wrong else 0)


if __name__ == "__main__":
    main()
