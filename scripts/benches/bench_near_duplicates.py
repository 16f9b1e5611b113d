"""Near-duplicates of a growing registry, phase by phase, beside the LSH indexes of datasketch and rensa.

scripts/bench near-duplicates [--quick] [--documents N] [--sample N] [--made-up N]
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import click
import numpy as np
import pyarrow as pa
from measure import ROOT, machine, peer, peer_python, table
from pyarrow import parquet

from provenance.console import Size
from registry import Registry

HERE = Path(__file__).parent
SOME = 10_000
PLANTED = 0.12
"""So many documents are made of an earlier one: a third truncated, the others with up to three words replaced."""
PHASES = ("index", "candidates", "verification", "clusters")


def texts(count: int) -> Iterator[str]:
    """Texts of about 700 bytes: words by their frequency in Python's own documentation, and near-duplicates of some."""
    words, counts = np.unique(" ".join(topics.values()).split(), return_counts=True)
    vocabulary, chance, earlier = words.tolist(), np.random.default_rng(0), list[list[int]]()
    for start in range(0, count, SOME):
        lengths = chance.gamma(4, 25, min(SOME, count - start)).astype(int) + 10
        drawn = chance.choice(len(vocabulary), lengths.sum(), p=counts / counts.sum())
        for text in np.split(drawn, np.cumsum(lengths)[:-1]):
            numbers = text.tolist()
            if earlier and chance.random() < PLANTED:
                numbers = list(earlier[chance.integers(len(earlier))])
                if chance.random() < 1 / 3:
                    del numbers[max(5, int(len(numbers) * chance.uniform(0.5, 0.98))) :]
                else:
                    for at in chance.integers(len(numbers), size=chance.integers(1, 4)):
                        numbers[at] = int(chance.integers(len(vocabulary)))
            elif chance.random() < 0.1 and len(earlier) < 200_000:
                earlier.append(numbers)
            yield " ".join(vocabulary[number] for number in numbers)


def write(path: Path, count: int) -> None:
    """A Parquet file of so many texts, with ids and 20 sources."""
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("origin", pa.string()), ("source", pa.string())])
    some, made = texts(count), 0
    with parquet.ParquetWriter(path, schema) as writer:
        while made < count:
            rows = [
                {"id": f"d{number}", "text": next(some), "origin": "human", "source": f"s{number % 20}"}
                for number in range(made, min(made + SOME, count))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
            made += len(rows)


def ours(path: Path, folder: Path) -> dict[str, Any]:
    """The phases on a registry of all texts of a file."""
    registry = folder / f"{path.stem}.prov"
    with Registry.create(registry) as held:
        held.ingest([path])
    found = peer(Path(sys.executable), str(HERE / "near_phases.py"), str(registry))
    registry.unlink()
    return found


def row(name: str, found: dict[str, Any], scaled_to: int = 0) -> list[str]:
    """A line of the table; one that is scaled says from how many."""
    factor = scaled_to / found["documents"] if scaled_to else 1
    seconds = [found.get(phase) for phase in PHASES]
    total = sum(second for second in seconds if second is not None) * factor
    times = [f"{total:,.1f}", *(f"{second * factor:,.1f}" if second is not None else "–" for second in seconds)]
    documents = f"{found['documents']:,}" + (f", scaled to {scaled_to:,}" if scaled_to else "")
    return [name, documents, *times, f"{found['near_pairs']:,}", f"{found['peak_mb']:,.0f}"]


@click.command()
@click.option("--quick", is_flag=True, help="Small numbers: whether it runs.")
@click.option("--documents", type=Size(), default="1M", show_default=True, help="The largest registry.")
@click.option("--sample", type=Size(), default="50K", show_default=True, help="What the peers are given.")
@click.option("--made-up", type=Size(), help="Instead: candidates of so many made-up fingerprints.")
def main(quick: bool, documents: int, sample: int, made_up: int | None) -> None:
    """Measure near-duplicates, and print tables in Markdown."""
    if made_up:
        with tempfile.TemporaryDirectory(dir=ROOT / ".bench") as name:
            found = peer(Path(sys.executable), str(HERE / "near_made_up.py"), f"{name}/made-up.prov", str(made_up))
        print(f"{machine()}\n\n{json.dumps(found)}")
        return
    if quick:
        documents, sample = 20_000, 5_000
    sizes = [size for size in (10_000, 30_000, 100_000, 300_000, 1_000_000) if size < documents] + [documents]
    rows, grown = [], []
    with tempfile.TemporaryDirectory(dir=ROOT / ".bench") as name:
        folder = Path(name)
        for size in sizes:
            path = folder / f"{size}.parquet"
            write(path, size)
            found = ours(path, folder)
            print(json.dumps(found), file=sys.stderr)
            grown.append(row("prov", found))
        rows.append(grown[-1])
        for what, package in (("datasketch", "datasketch==2.0.0"), ("rensa", "rensa==0.5.0")):
            if python := peer_python(what, [package, "pyarrow==26.0.1", "pydantic==2.14.3"]):
                found = peer(python, str(HERE / f"peer_lsh_{what}.py"), str(path), str(sample))
                print(json.dumps(found), file=sys.stderr)
                rows += [row(what, found), row(what, found, documents)]
    header = ("what", "documents", "all s", *(f"{phase} s" for phase in PHASES), "near pairs", "peak MB")
    print(f"{machine()}\n\n{table(grown, header)}\n\n{table(rows, header)}")


if __name__ == "__main__":
    main()
