"""What the peers of near-duplicates share: they index signatures, ask for candidates and compare them; timed apart."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from peak import peak_mb
from pyarrow import parquet


def texts(path: str, count: str) -> list[str]:
    """The first texts of a Parquet file."""
    some = next(parquet.ParquetFile(path).iter_batches(int(count), columns=["text"]))
    found: list[str] = some.column(0).to_pylist()
    return found


def measure(texts: Sequence[str], sign: Callable[[], Sequence[Any]], indexed: Callable[[Sequence[Any]], Any]) -> None:
    """Print the seconds of each phase as JSON.

    Args:
        sign: makes the signatures, each of which has `jaccard`.
        indexed: makes an index of them, by their numbers, which has `query`.
    """
    start = time.perf_counter()
    sketches = sign()
    index = indexed(sketches)
    built = time.perf_counter()
    pairs = set(_pairs(sketches, index))
    queried = time.perf_counter()
    near = sum(sketches[one].jaccard(sketches[other]) >= 0.8 for one, other in pairs)
    told = {"documents": len(texts), "index": built - start, "candidates": queried - built}
    told |= {"verification": time.perf_counter() - queried, "candidate_pairs": len(pairs), "near_pairs": near}
    print(json.dumps(told | {"peak_mb": peak_mb()}))


def _pairs(sketches: Sequence[Any], index: Any) -> Iterable[tuple[int, int]]:
    for number, sketch in enumerate(sketches):
        for other in index.query(sketch):
            if other != number:
                yield min(number, other), max(number, other)
