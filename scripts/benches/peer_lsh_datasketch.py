"""Near-duplicate candidates of a column of texts by datasketch's MinHashLSH. Runs in the peer's environment."""

import sys
from collections.abc import Sequence
from pathlib import Path

import lsh
from datasketch import MinHash, MinHashLSH

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from provenance.fingerprint import hash32_shingle, shingles


def indexed(sketches: Sequence[MinHash]) -> MinHashLSH:
    """An index with the bands that prov keeps."""
    index = MinHashLSH(num_perm=128, params=(18, 7))
    with index.insertion_session() as session:
        for number, sketch in enumerate(sketches):
            session.insert(number, sketch)
    return index


texts = lsh.texts(*sys.argv[1:])
given = (shingles(text, 5) for text in texts)
lsh.measure(texts, lambda: MinHash.bulk(given, num_perm=128, hashfunc=hash32_shingle), indexed)
