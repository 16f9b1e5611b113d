"""Signatures of a column of texts by rensa's bulk way, of shingles made in Python. Runs in the peer's environment."""

import json
import os
import re
import sys
import time

os.environ.setdefault("RAYON_NUM_THREADS", str(os.cpu_count()))  # else it takes one on a small machine

from pyarrow import parquet
from rensa import RMinHash

source, way = sys.argv[1], sys.argv[2]
texts = parquet.read_table(source).column("text").to_pylist()
find_words = re.compile(r"\w+").findall


def shingles(text: str) -> list[str]:
    """Five words that follow one another, with a space between them."""
    words = find_words(text.lower())
    return list(map(" ".join, zip(*(words[k:] for k in range(5)), strict=False))) or [" ".join(words)]


ways = {
    "shingled": lambda: RMinHash.digest_matrix_from_token_sets(map(shingles, texts), 128, 1),
    "given": lambda: RMinHash.digest_matrix_from_token_sets(given, 128, 1),
    "rho": lambda: RMinHash.digest_matrix_from_token_sets_rho(given, 128, 1),
}
given = list(map(shingles, texts)) if way != "shingled" else []
start = time.perf_counter()
ways[way]()
seconds = time.perf_counter() - start
print(json.dumps({"documents": len(texts), "seconds": seconds}))
