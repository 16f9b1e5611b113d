"""Near-duplicate candidates of a column of texts by rensa's LSH. Runs in the peer's environment."""

import re
import sys
from collections.abc import Sequence

import lsh
from rensa import RMinHash, RMinHashLSH

find_words = re.compile(r"\w+").findall


def sketch_of(text: str) -> RMinHash:
    """The signature of five words that follow one another, with a space between them."""
    words = find_words(text.lower())
    sketch = RMinHash(num_perm=128, seed=1)
    sketch.update(list(map(" ".join, zip(*(words[k:] for k in range(5)), strict=False))) or [" ".join(words)])
    return sketch


def indexed(sketches: Sequence[RMinHash]) -> RMinHashLSH:
    """An index with the bands that come nearest to those that prov keeps."""
    index = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16)
    for number, sketch in enumerate(sketches):
        index.insert(number, sketch)
    return index


texts = lsh.texts(*sys.argv[1:])
lsh.measure(texts, lambda: list(map(sketch_of, texts)), indexed)
