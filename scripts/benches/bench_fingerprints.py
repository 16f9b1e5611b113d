"""Signatures beside datasketch, rensa and Daft on the same texts, and beside what the processor can do at all.

scripts/bench fingerprints [--quick] [--only peers|lengths|loading]
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, NamedTuple

import click
import numpy as np
import pyarrow as pa
from measure import ROOT, best, machine, peer, peer_python, table
from numba import njit, uint32
from pyarrow import parquet

from provenance import _kernels
from provenance.console import Size
from provenance.fingerprint import DEFAULT, MinHashSpec, Texts

LENGTHS = (100, 300, 700, 3_000, 10_000, 100_000)
FEWEST = MinHashSpec(num_perm=16)
"""The fewest permutations: what is left of the time is for words and shingles."""
DAFT_HASHES = ("murmurhash3", "xxhash32", "xxhash3_64")

RENSA = {
    "shingled": "R-MinHash, shingling in Python",
    "given": "R-MinHash, shingles given",
    "rho": "rho (of a sample of the shingles), shingles given",
}
DATASKETCH = {
    "shingled": "shingling and hash in Python",
    "given": "shingles given, our hash",
    "sha1": "shingles given, its own hash (SHA-1)",
}


class Speed(NamedTuple):
    """Documents of a measurement, and the seconds they took."""

    documents: int
    seconds: float

    @property
    def rate(self) -> float:
        """Documents in a second."""
        return self.documents / self.seconds


# -- texts


def write_texts(path: Path, count: int, words: str) -> None:
    """A Parquet file of texts of about 700 bytes, cut from real text, in groups small enough for every processor."""
    chance = random.Random(0)  # noqa: S311
    lengths = [int(chance.gammavariate(4, 170)) + 20 for _ in range(count)]
    starts = [chance.randrange(len(words) - length) for length in lengths]
    texts = [words[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    rows = pa.table({"text": pa.array(texts, pa.large_string())})
    parquet.write_table(rows, path, row_group_size=max(count // 20, 1))


def texts_of_length(length: int, count: int, words: str) -> Texts:
    """Texts of so many bytes each, cut from real text at random."""
    content = np.frombuffer(words.encode("ascii", "replace"), np.uint8)
    starts = np.random.default_rng(0).integers(0, len(content) - length, count)
    cut = np.concatenate([content[start : start + length] for start in starts])
    return Texts(cut, np.arange(count + 1, dtype=np.int64) * length)


# -- beside peers


def prov_signs(path: str, processors: int) -> float:
    """All signatures of a file's texts, which are in memory as Arrow."""
    texts = read_texts(path)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])
    _kernels.sign_texts(Texts(texts.content, texts.ends[:101]), DEFAULT)
    start = time.perf_counter()
    _kernels.sign_texts(texts, DEFAULT)
    return time.perf_counter() - start


def read_texts(path: str) -> Texts:
    """The texts of a file, in one piece."""
    return Texts.of(parquet.read_table(path).column("text").combine_chunks())


def ours(path: Path, documents: int, processors: int) -> Speed:
    """One measurement of ours, in a process of its own."""
    return Speed(documents, best(1, prov_signs, str(path), processors).seconds)


def theirs(python: Path, name: str, path: Path, way: str) -> Speed:
    """One measurement of a peer's, in a process of its own."""
    found = peer(python, str(ROOT / "scripts" / "benches" / f"peer_{name}.py"), str(path), way)
    return Speed(found["documents"], found["seconds"])


def contenders(folder: Path, count: int, words: str) -> Iterator[tuple[str, str, Callable[[], Speed]]]:
    """What is measured: how it is named, what is asked of our rate beside it, and one measurement."""
    sizes = {"whole": count, "tenth": count // 10, "hundredth": max(count // 100, 100)}
    paths = {name: folder / f"{name}.parquet" for name in sizes}
    for name, size in sizes.items():
        write_texts(paths[name], size, words)
    processors = os.cpu_count() or 1
    yield "prov", "", partial(ours, paths["whole"], count, processors)
    yield "prov on one processor", "", partial(ours, paths["whole"], count, 1)
    if python := peer_python("daft", ["daft==0.7.26", "pyarrow==25.0.1"]):
        for way in DAFT_HASHES:
            yield f"Daft, normalize and minhash, {way}", "≥ 3 ×", partial(theirs, python, "daft", paths["whole"], way)
    if python := peer_python("rensa", ["rensa==0.5.0", "pyarrow==26.0.1"]):
        for way, told in RENSA.items():
            yield f"rensa, {told}", "stated", partial(theirs, python, "rensa", paths["tenth"], way)
    if python := peer_python("datasketch", ["datasketch==2.0.0", "pydantic==2.14.3", "pyarrow==26.0.1"]):
        for way, told in DATASKETCH.items():
            measured = partial(theirs, python, "datasketch", paths["hundredth"], way)
            yield f"datasketch, update_batch, {told}", "≥ 40 ×", measured


def peers(folder: Path, count: int, rounds: int, words: str) -> str:
    """Documents a second of each, the quickest of rounds in which all take turns."""
    running = list(contenders(folder, count, words))
    found: dict[str, list[Speed]] = {}
    for _ in range(rounds):
        for name, _asked, measured in running:
            found.setdefault(name, []).append(measured())
            click.echo(f"{name}: {found[name][-1].rate:,.0f}", err=True)
    quickest = {name: max(speeds, key=lambda speed: speed.rate) for name, speeds in found.items()}
    rows = [
        [
            name,
            f"{quickest[name].documents:,}",
            f"{quickest[name].rate:,.0f}",
            f"{quickest['prov'].rate / quickest[name].rate:.1f} ×" if asked else "",
            asked,
        ]
        for name, asked, _ in running
    ]
    return table(rows, ("what", "documents", "documents/s", "prov beside it", "asked for"))


# -- beside the processor


@cache
def permute() -> Any:
    """The least work of a signature: multiply, add and take the least, on lanes of 32 bits that stay in the cache."""

    @njit(nogil=True)  # type: ignore[untyped-decorator]
    def run(mixed: Any, a: Any, b: Any, row: Any, times: int) -> None:
        for _ in range(times):
            for p in range(0, len(row), 4):
                a0, a1, a2, a3 = a[p], a[p + 1], a[p + 2], a[p + 3]
                b0, b1, b2, b3 = b[p], b[p + 1], b[p + 2], b[p + 3]
                least0, least1, least2, least3 = row[p], row[p + 1], row[p + 2], row[p + 3]
                for k in range(len(mixed)):
                    value = mixed[k]
                    least0, least1 = min(least0, uint32(a0 * value + b0)), min(least1, uint32(a1 * value + b1))
                    least2, least3 = min(least2, uint32(a2 * value + b2)), min(least3, uint32(a3 * value + b3))
                row[p], row[p + 1], row[p + 2], row[p + 3] = least0, least1, least2, least3

    return run


def integer_rate(seconds: float = 0.3) -> float:
    """Multiply-add-mins of 32-bit lanes in a second, on all processors at once; 1,024 numbers by 128 permutations."""
    run, processors = permute(), os.cpu_count() or 1
    a, b = DEFAULT.permutations
    mixed = np.random.default_rng(0).integers(0, 1 << 32, 1024, np.uint32)
    rows = [np.full(len(a), 0xFFFFFFFF, np.uint32) for _ in range(processors)]
    run(mixed, a, b, rows[0], 1)
    times = 1000
    while (taken := _together([partial(run, mixed, a, b, row, times) for row in rows])) < seconds:
        times *= 2
    return processors * times * len(mixed) * len(a) / taken


def _together(work: list[Callable[[], None]]) -> float:
    """Seconds until all of it is done, each in a thread of its own."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(work)) as workers:
        list(workers.map(lambda each: each(), work))
    return time.perf_counter() - start


def lengths(size: int, rounds: int, words: str) -> str:
    """Time and throughput against the length of texts, beside the floor: shingles times permutations at that rate."""
    corpora = {length: texts_of_length(length, max(size // length, 8), words) for length in LENGTHS}
    specs = {DEFAULT.num_perm: DEFAULT, FEWEST.num_perm: FEWEST}
    seconds: dict[tuple[int, int], list[float]] = {}
    rates = []
    for _ in range(rounds):
        rates.append(integer_rate())
        for length, texts in corpora.items():
            for perms, spec in specs.items():
                start = time.perf_counter()
                _kernels.sign_texts(texts, spec)
                seconds.setdefault((length, perms), []).append(time.perf_counter() - start)
    told = [f"{rate / 1e9:.1f}" for rate in (max(rates), min(rates), max(rates))]
    rows = []
    for length, texts in corpora.items():
        shingles = len(_kernels.shingle_sets(texts, DEFAULT)[0]) / len(texts)
        each, fewest = (min(seconds[length, perms]) / len(texts) for perms in specs)
        floor = shingles * DEFAULT.num_perm / max(rates)
        speed = [f"{each * 1e6:,.2f}", f"{1 / each:,.0f}", f"{length / each / 1e6:,.0f}"]
        beside = [f"{floor * 1e6:,.2f}", f"{floor / each:.0%}", f"{fewest * 1e6:,.2f}"]
        rows.append([f"{length:,}", f"{shingles:,.0f}", *speed, *beside])
    header = ("bytes", "shingles", "µs a document", "documents/s", "MB/s", "floor, µs", "floor / ours", "16 perms, µs")
    return "Integer rate: {} G lane operations a second ({} to {}).\n\n{}".format(*told, table(rows, header))


# -- loading

LOADING = """
import json, time
import numpy, provenance.fingerprint
start = time.perf_counter()
from provenance import _kernels
imported = time.perf_counter()
_kernels.warm()
print(json.dumps([imported - start, time.perf_counter() - imported]))
"""


def loading(folder: Path, rounds: int) -> str:
    """How long the kernel takes until it has signed a first text: never compiled before, and kept on disk."""
    first, later = [], []
    for number in range(rounds):
        kept = folder / f"kept-{number}"
        first.append(load(kept))
        later += [load(kept), load(kept)]
    rows = [
        [name, f"{min(part[0] for part in runs):.2f} s", f"{min(part[1] for part in runs):.2f} s"]
        for name, runs in (("never compiled before", first), ("compiled, kept on disk", later))
    ]
    return table(rows, ("the kernel", "import, numba's most of it", "first signature"))


def load(kept: Path) -> list[float]:
    """Seconds to import the kernel, and to the first signature, in a fresh process with this folder for numba."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(kept)}
    done = subprocess.run(
        [sys.executable, "-c", LOADING], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout)
    return found


# -- the run


@click.command()
@click.option("--quick", is_flag=True, help="A hundredth of the sizes: to see that it runs.")
@click.option("--only", type=click.Choice(["peers", "lengths", "loading"]), help="This part alone.")
@click.option("--documents", type=Size(), default="200K", show_default=True, help="Texts of about 700 bytes.")
@click.option("--size", type=Size(), default="60MB", show_default=True, help="Text of each length.")
@click.option("--rounds", type=int, default=5, show_default=True, help="Rounds, of which the quickest counts.")
@click.option("--text", type=click.Path(exists=True, path_type=Path), help="Real text to cut the documents from.")
def main(quick: bool, only: str | None, documents: int, size: int, rounds: int, text: Path | None) -> None:
    """Measure signatures; the tables go to stdout."""
    words = text.read_text(encoding="utf-8") if text else "".join(topics.values())
    factor = 100 if quick else 1
    folder = Path(tempfile.mkdtemp(prefix="prov-bench-"))
    parts = {
        "peers": lambda: peers(folder, documents // factor, rounds, words),
        "lengths": lambda: lengths(size // factor, rounds, words),
        "loading": lambda: loading(folder, rounds),
    }
    try:
        found = [part() for name, part in parts.items() if only in (None, name)]
    finally:
        shutil.rmtree(folder)
    click.echo("\n\n".join([f"{machine()}; the quickest of {rounds} rounds.", *found]))


if __name__ == "__main__":
    main()
