"""Synthetic registries for benchmarks: millions of documents written straight into the tables, without their texts.

.venv/bin/python scripts/benches/synthetic.py /tmp/big.prov --documents 20M --mixes 10 --mix-size 1M
"""

import re
import time
from pathlib import Path

import click

from provenance.console import Size
from registry import Registry
from registry.descent import describe_new_mixes

SOURCES, LICENSES = 50, 20
PERMISSIVE = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "MIT", "Apache-2.0", "CC-BY-NC-4.0", "ODC-By-1.0")


def make_registry(path: Path, documents: int = 20_000_000, mixes: int = 10, mix_size: int = 1_000_000) -> Path:
    """Make a registry that is half human, half written by a chain of models, each trained on a mix of its own.

    The human half stands in 50 sources under 20 licences, mingled. Model k learnt from mix k: half human, half by the
    models before it (mix 1 is all human). Of what a model wrote, one document in 10 continues a human prompt, one in
    20 is an edited human text, one in 50 a paraphrase of a text by the model before. One text in 100 is held twice,
    the second time with another origin.

    The chain has one link, whose digest is invented: `prov verify` finds that, everything else may be asked.

    Args:
        documents: at least twice the size of a mix, and its size once a mix, so that no mix repeats one.
    Raises:
        ValueError: there are too few documents for such mixes.
    """
    human = documents // 2
    written = (documents - human) // mixes
    if mix_size > min(human, 2 * written):
        raise ValueError(f"a mix of {mix_size:,} wants {max(2 * mix_size, mix_size * mixes):,} documents or more")
    with Registry.create(path) as held:
        licenses = [*PERMISSIVE, *(f"licence {number}" for number in range(len(PERMISSIVE), LICENSES))]
        size: dict[str, int | list[str]] = {"human": human, "written": written, "mixes": mixes, "mix_size": mix_size}
        size |= {"sources": SOURCES, "licenses": LICENSES, "license_names": licenses}
        for statement in _STATEMENTS:
            wanted = {name: value for name, value in size.items() if re.search(rf"\${name}\b", statement)}
            held.connection.execute(statement, wanted)
        with held.transaction():
            describe_new_mixes(held)
        held.connection.execute("CHECKPOINT")
    return path


_STATEMENTS = (
    """
    INSERT INTO batch VALUES (1, 'ingest', '2026-01-01', 'bench', NULL, NULL, 0, 0, unhex(sha256('b')), NULL,
                              unhex(sha256('batch')))
    """,
    "INSERT INTO source SELECT n + 1, 'source ' || n, NULL, NULL, 1 FROM range($sources) AS made(n)",
    "INSERT INTO license SELECT n, $license_names[n] FROM range(1, $licenses + 1) AS made(n)",
    """
    INSERT INTO model
    SELECT n, 'model ' || n, unhex(sha256('model ' || n)), NULL, n, true, NULL, false, 1
    FROM range(1, $mixes + 1) AS made(n)
    """,
    """
    INSERT INTO mix
    SELECT n, unhex(sha256('mix ' || n)), '{"strata": []}', 0, 1, '2026-01-01', false, 1
    FROM range(1, $mixes + 1) AS made(n)
    """,
    """
    INSERT INTO run
    SELECT n, unhex(sha256('train ' || n)), 'train', n, n, NULL, 0, NULL, false, 1
    FROM range(1, $mixes + 1) AS made(n)
    UNION ALL
    SELECT $mixes + n, unhex(sha256('generate ' || n)), 'generate', n, NULL, NULL, 0, NULL, false, 1
    FROM range(1, $mixes + 1) AS made(n)
    """,
    """
    INSERT INTO text
    SELECT n, unhex(sha256('text ' || n)), NULL
    FROM range(1, $human + $written * $mixes + 1) AS made(n)
    WHERE n <= $human OR ((n - $human - 1) % $written + 1) % 100 > 0
    """,
    """
    INSERT INTO document (document_id, digest, rank, text_id, batch_id, source_id, run_id, model_id, license_id, item,
                          origin, generation, generation_exact, bytes, words)
    SELECT n, digest, ('0x' || hex(digest)[1:16])::UBIGINT, IF(is_human OR place % 100 > 0, n, place), 1,
           IF(is_human, n * 48271 % $sources + 1, NULL), IF(is_human, NULL, $mixes + model), IF(is_human, NULL, model),
           IF(is_human, (n * 48271 // $sources) % $licenses + 1, NULL),
           CASE WHEN is_human THEN 'human ' ELSE 'model ' END || n,
           CASE WHEN is_human THEN 'human' WHEN place % 20 = 1 THEN 'mixed' ELSE 'model' END,
           IF(is_human, 0, model), true, 400 + n * 48271 % 600, 80 + n * 48271 % 100
    FROM (
        SELECT n, n <= $human AS is_human, (n - $human - 1) // $written + 1 AS model,
               (n - $human - 1) % $written + 1 AS place, unhex(sha256('document ' || n)) AS digest
        FROM range(1, $human + $written * $mixes + 1) AS made(n)
    )
    """,
    """
    INSERT INTO declaration
    SELECT document_id, 1, origin, NULL, model_id, license_id, NULL, NULL, 0, '2026-01-01' FROM document
    """,
    """
    INSERT INTO derivation
    SELECT document_id,
           CASE WHEN place % 10 = 0 OR place % 20 = 1 THEN place * 1000003 % $human + 1 ELSE document_id - $written END,
           CASE WHEN place % 10 = 0 THEN 'prompt' WHEN place % 20 = 1 THEN 'edit' ELSE 'paraphrase' END, NULL, 1
    FROM (
        SELECT document_id, model_id, (document_id - $human - 1) % $written + 1 AS place
        FROM document
        WHERE document_id > $human
    )
    WHERE place % 10 = 0 OR place % 20 = 1 OR (place % 50 = 2 AND model_id > 1)
    """,
    """
    INSERT INTO mix_document
    SELECT mix, place,
           CASE WHEN mix = 1 OR place % 2 = 0 THEN (place * 1000003 + mix * 7919) % $human + 1
                ELSE $human + (mix - 2 - place // 2 % (mix - 1)) * $written + place // 2 * 1000003 % $written + 1
           END,
           IF(mix = 1 OR place % 2 = 0, 0, 1)
    FROM range(1, $mixes + 1) AS mixes(mix)
    CROSS JOIN range($mix_size) AS places(place)
    """,
)


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--documents", type=Size(), default=20_000_000)
@click.option("--mixes", type=int, default=10)
@click.option("--mix-size", type=Size(), default=1_000_000)
def main(path: Path, documents: int, mixes: int, mix_size: int) -> None:
    """Make a synthetic registry at PATH."""
    start = time.perf_counter()
    make_registry(path, documents, mixes, mix_size)
    click.echo(f"{path.stat().st_size / 2**20:,.0f} MiB in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
