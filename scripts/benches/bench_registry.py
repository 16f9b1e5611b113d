"""The registry beside DuckDB itself, and its export beside Hugging Face datasets.

scripts/bench registry [--quick] [--only ingest|metadata|export]
"""

import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import click
import duckdb
from measure import ROOT, Run, best, machine, peer, peer_python, table
from synthetic import make_registry

from provenance.console import Size
from provenance.fingerprint import DEFAULT
from registry import Declared, Export, MixSpec, Registry, real_frac

HEADER = ("what", "prov", "beside", "ratio", "asked for")


# -- texts


def write_rows(path: Path, rows: int, words: str) -> None:
    """JSON lines of about 700 bytes of text and metadata, a quarter human, cut from real text."""
    chance = random.Random(0)  # noqa: S311
    licenses = ("CC-BY-4.0", "MIT", "CC0-1.0")
    with open(path, "w", encoding="utf-8") as stream:
        for number in range(rows):
            length = int(chance.gammavariate(4, 130)) + 20
            start = chance.randrange(len(words) - length)
            row: dict[str, Any] = {"id": f"doc-{number:08}", "text": words[start : start + length]}
            row |= {"origin": "human"} if number % 4 == 0 else {"origin": "model", "generator": f"m{number % 7}"}
            row |= {"source": f"s{number % 50}", "license": licenses[number % 3], "lang": "en"}
            row |= {"url": f"https://example.org/{number}", "created": "2024-05-06T07:08:09Z"}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def bare_ingest(path: str, target: str) -> float:
    """A bare CREATE TABLE AS of the same file, until it is closed."""
    Path(target).unlink(missing_ok=True)
    start = time.perf_counter()
    with duckdb.connect(target) as connection:
        connection.execute("CREATE TABLE documents AS SELECT * FROM read_json($path)", {"path": path}).fetchall()
    return time.perf_counter() - start


def prov_ingest(path: str, target: str, fingerprint: bool = True) -> float:
    """`prov ingest` of a file into an empty registry, until it is closed."""
    Path(target).unlink(missing_ok=True)
    Registry.create(target, fingerprint=DEFAULT if fingerprint else None).close()
    start = time.perf_counter()
    with Registry.open(target) as held:
        held.ingest([path])
    return time.perf_counter() - start


def ingest(folder: Path, rows: int, rounds: int, words: str) -> Iterator[list[str]]:
    """Ingest beside a bare read of the same file, and its memory on a file of a quarter the size."""
    whole, part = folder / "rows.jsonl", folder / "part.jsonl"
    write_rows(whole, rows, words)
    write_rows(part, rows // 4, words)
    bare = best(rounds, bare_ingest, str(whole), str(folder / "bare.db"))
    prov = best(rounds, prov_ingest, str(whole), str(folder / "ingested.prov"))
    plain = best(rounds, prov_ingest, str(whole), str(folder / "plain.prov"), False)
    small = best(1, prov_ingest, str(part), str(folder / "part.prov"))
    size = whole.stat().st_size / rows
    yield row(f"ingest {rows:,} documents of {size:.0f} bytes, without fingerprints", plain, bare, "≤ 2")
    yield row("with fingerprints, beside without", prov, plain, "≤ 2")
    yield [
        f"memory of it, and of {rows // 4:,} documents",
        f"{prov.peak_mb:,.0f} MB, {small.peak_mb:,.0f} MB",
        f"{bare.peak_mb:,.0f} MB",
        "",
        "< 1,500 MB",
    ]
    per_document = (folder / "ingested.prov").stat().st_size / rows
    yield [
        "file, bytes a document, texts included",
        f"{per_document:,.0f}",
        f"{(folder / 'bare.db').stat().st_size / rows:,.0f}",
        "",
        "stated",
    ]


# -- metadata


def bare_draw(path: str, size: int) -> float:
    """The first of all documents by DuckDB's own hash, into a table of a file: nothing of a mix but its cost."""
    target = f"{path}.bare.db"
    Path(target).unlink(missing_ok=True)
    with duckdb.connect(target) as connection:
        connection.execute(f"ATTACH '{path}' AS corpus (READ_ONLY)").fetchall()
        start = time.perf_counter()
        connection.execute(
            "CREATE TABLE mix AS SELECT document_id FROM corpus.document ORDER BY hash(document_id) LIMIT $size",
            {"size": size},
        ).fetchall()
        seconds = time.perf_counter() - start
    Path(target).unlink()
    return seconds


def prov_draw(path: str, size: int, seed: int) -> float:
    """`prov mix --real-frac 0.1`, recorded."""
    with Registry.open(path) as held:
        start = time.perf_counter()
        held.mix(MixSpec(strata=real_frac(0.1), size=size, seed=seed))
        return time.perf_counter() - start


def answer(path: str, what: str, argument: str) -> float:
    """The quickest of three answers to one audit, in an open registry."""
    questions = {
        "composition": lambda held: held.composition(),
        "lineage": lambda held: held.lineage(argument),
        "exposure": lambda held: held.exposure(argument),
    }
    with Registry.open(path, read_only=True) as held:
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            questions[what](held)
            seconds.append(time.perf_counter() - start)
    return min(seconds)


def metadata(folder: Path, documents: int, mix_size: int, rounds: int) -> Iterator[list[str]]:
    """Draws and audits in a registry of many documents without their texts."""
    path = folder / "metadata.prov"
    make_registry(path, documents, 10, mix_size)
    with Registry.open(path, read_only=True) as held:
        groups = len(held.composition())
        newest = held.list("documents", 1)[0]["item"]
    yield ["file, bytes a document, without texts", f"{path.stat().st_size / documents:,.0f}", "", "", "stated"]
    bare = best(rounds, bare_draw, str(path), mix_size)
    drawn = [best(1, prov_draw, str(path), mix_size, seed) for seed in range(1, rounds + 1)]
    prov = Run(min(run.seconds for run in drawn), max(run.peak_mb for run in drawn))
    yield row(f"mix of {mix_size:,} of {documents:,}, recorded", prov, bare, "≤ 3")
    for what, argument in (("composition", ""), ("lineage", newest), ("exposure", "human 1")):
        told = f"{what}, {groups:,} groups" if what == "composition" else f"{what}, depth 10"
        asked = best(1, answer, str(path), what, argument)
        yield [told, f"{asked.seconds * 1000:,.0f} ms", "", "", "< 300 ms"]


# -- export


def bare_export(path: str, target: str, size: int) -> float:
    """As many texts of one table by DuckDB's own hash, as Parquet."""
    with duckdb.connect(path, read_only=True) as connection:
        start = time.perf_counter()
        connection.execute(
            "COPY (SELECT * FROM documents ORDER BY hash(id) LIMIT $size) TO $target"
            " (FORMAT parquet, COMPRESSION zstd)",
            {"size": size, "target": target},
        ).fetchall()
        return time.perf_counter() - start


def prov_export(path: str, target: str, size: int) -> float:
    """`prov mix --real-frac 0.1 -o`, each text with its provenance."""
    with Registry.open(path) as held:
        start = time.perf_counter()
        drawn = held.mix(MixSpec(strata=real_frac(0.1), size=size, seed=7))
        held.export(drawn.mix, Export(Path(target)))
        return time.perf_counter() - start


def export(folder: Path, rows: int, rounds: int, words: str) -> Iterator[list[str]]:
    """A quarter of the texts as Parquet, beside bare DuckDB and Hugging Face datasets."""
    source, held, bare_db = folder / "texts.jsonl", folder / "texts.prov", folder / "texts.db"
    write_rows(source, rows, words)
    best(1, bare_ingest, str(source), str(bare_db))
    with Registry.create(held) as made:
        made.ingest([source], Declared())
    size = rows // 4
    bare = best(rounds, bare_export, str(bare_db), str(folder / "bare.parquet"), size)
    prov = best(rounds, prov_export, str(held), str(folder / "prov.parquet"), size)
    what = f"draw and export {size:,} of {rows:,} texts"
    yield row(f"{what}, beside bare DuckDB", prov, bare, "stated")
    if python := peer_python("datasets", ["datasets==5.2.0"]):
        whole = f"{folder}/all.parquet"
        with duckdb.connect(str(bare_db), read_only=True) as connection:
            connection.execute("COPY documents TO $target (FORMAT parquet)", {"target": whole}).fetchall()
        script = str(ROOT / "scripts" / "benches" / "peer_datasets.py")
        peers = [peer(python, script, whole, f"{folder}/peer.parquet", str(size), "0.1") for _ in range(rounds)]
        quickest = Run(min(run["seconds"] for run in peers), max(run["peak_mb"] for run in peers))
        yield row(f"{what}, beside Hugging Face datasets", prov, quickest, "stated")


# -- the run


def row(what: str, prov: Run, beside: Run, asked: str) -> list[str]:
    """A line of the table."""
    ratio = f"{prov.seconds / beside.seconds:.2f} ×"
    return [what, f"{prov.seconds:.2f} s", f"{beside.seconds:.2f} s", ratio, asked]


@click.command()
@click.option("--quick", is_flag=True, help="A hundredth of the sizes: to see that it runs.")
@click.option("--only", type=click.Choice(["ingest", "metadata", "export"]), help="This part alone.")
@click.option("--rows", type=Size(), default="1M", show_default=True, help="Documents to ingest.")
@click.option("--documents", type=Size(), default="20M", show_default=True, help="Documents without texts.")
@click.option("--mix-size", type=Size(), default="1M", show_default=True, help="Documents of a mix of those.")
@click.option("--texts", type=Size(), default="400K", show_default=True, help="Texts to export a quarter of.")
@click.option("--rounds", type=int, default=3, show_default=True, help="Runs, of which the quickest counts.")
@click.option("--text", type=click.Path(exists=True, path_type=Path), help="Real text to cut the documents from.")
def main(
    quick: bool, only: str | None, rows: int, documents: int, mix_size: int, texts: int, rounds: int, text: Path | None
) -> None:
    """Measure ingest, draws, audits and exports; the table goes to stdout."""
    words = text.read_text(encoding="utf-8") if text else "".join(topics.values())
    factor = 100 if quick else 1
    folder = Path(tempfile.mkdtemp(prefix="prov-bench-"))
    parts = {
        "ingest": lambda: ingest(folder, rows // factor, rounds, words),
        "metadata": lambda: metadata(folder, documents // factor, mix_size // factor, rounds),
        "export": lambda: export(folder, texts // factor, rounds, words),
    }
    found = []
    try:
        for name, part in parts.items():
            for line in part() if only in (None, name) else ():
                found.append(line)
                click.echo(" | ".join(line), err=True)
    finally:
        shutil.rmtree(folder)
    click.echo(f"{machine()}; the quickest of {rounds} runs.\n\n{table(found, HEADER)}")


if __name__ == "__main__":
    main()
