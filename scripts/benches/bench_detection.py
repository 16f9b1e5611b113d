"""Detection of watermarks, beside the processor and the detector of transformers, on the same token ids and one key.

scripts/bench detection [--quick] [--texts N] [--tokens N] [--rounds N]
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import click
import numpy as np
from measure import machine, peer, table
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from provenance.detection import Seeker, Seekers
from provenance.watermark import Tokens, find_scheme, score

HERE = Path(__file__).parent
VOCABULARY = 8192
PARAMETERS: dict[str, dict[str, Any]] = {
    "synthid": {"table": "torch", "weights": "equal"},
    "kgw-transformers": {"vocab_size": VOCABULARY},
    "kgw": {},
}
PEERS = {"synthid": 1024, "kgw-transformers": 16}
"""So many texts their peers score at most: by its green lists transformers takes minutes for a thousand."""


def ours(name: str, secret: tuple[int, ...], ids: Any, rounds: int) -> tuple[float, Any]:
    """Seconds for all texts, and what each scores."""
    scheme, tokens = find_scheme(name, PARAMETERS[name]), Tokens.of(ids.tolist())
    score(scheme, secret, Tokens.of(ids[:64].tolist()))
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = score(scheme, secret, tokens)
        seconds.append(time.perf_counter() - start)
    return min(seconds), found.score


def schemes(texts: int, length: int, rounds: int) -> str:
    """Each scheme, and its peer, which is given the first so many of the same texts; ids by frequency, as in text."""
    ids = np.random.default_rng(0).zipf(1.3, (texts, length)).astype(np.int64) % VOCABULARY
    ids[:, 0] = VOCABULARY - 1  # by which the peer knows how large the vocabulary is
    rows = []
    for name, parameters in PARAMETERS.items():
        secret = find_scheme(name, parameters).draw_secret()
        seconds, means = ours(name, secret, ids, rounds)
        row = [name, f"{ids.size / seconds / 1e6:,.1f} M", f"{seconds / texts * 1e6:,.1f}"]
        if name in PEERS:
            theirs = peer_rate(name, secret, ids[: PEERS[name]], means)
            row += [f"{theirs / 1e6:,.3f} M", f"{ids.size / seconds / theirs:,.0f} ×"]
        rows.append(row if name in PEERS else [*row, "–", "–"])
    return table(rows, ("scheme", "tokens/s", "µs a text", "transformers, tokens/s", "ratio"))


def peer_rate(name: str, secret: tuple[int, ...], ids: Any, means: Any) -> float:
    """Tokens a second of transformers, whose scores are to be ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ids.npy"
        np.save(path, ids)
        told = peer(Path(sys.executable), str(HERE / "peer_transformers.py"), str(path), name, *map(str, secret))
    # Now and then we count an n-gram less: one with the bits of another, by chance.
    assert np.allclose(told["scores"], means[: len(ids)], atol=0.01), "transformers and we score differently"
    return float(ids.size / told["seconds"])


def from_text(texts: int, rounds: int) -> str:
    """Texts of 700 bytes, tokenised and scored by one and by three keys."""
    words = "".join(topics.values()).split()
    chance = np.random.default_rng(0)
    held = [" ".join(words[start : start + 110]) for start in chance.integers(0, len(words) - 110, texts)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    tokenizer.train_from_iterator(held[:2000], trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False))
    content = tokenizer.to_str()
    rows = []
    for count in (1, 3):
        seekers = Seekers([_seeker("synthid", number) for number in range(count)], {"t": content})
        rows.append([f"{count} keys", *_rates(held, rounds, seekers.detect)])
    rows.append(["tokenising alone", *_rates(held, rounds, tokenizer.encode_batch)])
    return table(rows, ("from text", "texts/s", "MB/s"))


def _rates(texts: list[str], rounds: int, work: Callable[[list[str]], Any]) -> list[str]:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work(texts)
        seconds.append(time.perf_counter() - start)
    return [f"{len(texts) / min(seconds):,.0f}", f"{sum(map(len, texts)) / min(seconds) / 1e6:,.1f}"]


def _seeker(name: str, number: int) -> Seeker:
    scheme = find_scheme(name, {})
    return Seeker(str(number), scheme, scheme.draw_secret(), "t", {})


PEAK = """
import json, resource, sys
import numpy as np
from provenance.watermark import Tokens, find_scheme, score
scheme = find_scheme("synthid", {})
secret, chance = scheme.draw_secret(), np.random.default_rng(0)
for _ in range(int(sys.argv[1])):
    score(scheme, secret, Tokens.of(chance.integers(0, 8192, (2000, 200)).tolist()))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))
"""


def memory() -> str:
    """The most memory after few and after many batches of 400,000 tokens."""
    rows = []
    for batches in (2, 40):
        done = subprocess.run([sys.executable, "-c", PEAK, str(batches)], capture_output=True, text=True, check=True)
        rows.append([f"{batches * 0.4:.1f} M", f"{json.loads(done.stdout):,.0f} MB"])
    return table(rows, ("tokens, 0.4 M a batch", "peak memory"))


@click.command()
@click.option("--quick", is_flag=True, help="A tenth of the sizes: to see that it runs.")
@click.option("--texts", type=int, default=4096, show_default=True, help="Texts to score.")
@click.option("--tokens", type=int, default=256, show_default=True, help="Tokens of each.")
@click.option("--rounds", type=int, default=5, show_default=True, help="Rounds, of which the quickest counts.")
def main(quick: bool, texts: int, tokens: int, rounds: int) -> None:
    """Measure detection; the tables go to stdout."""
    texts = max(128, texts // 10) if quick else texts
    print(f"{machine()}, numba {version('numba')}, transformers {version('transformers')}\n")
    print(f"{schemes(texts, tokens, rounds)}\n")
    print(f"{from_text(texts, rounds)}\n")
    print(memory())


if __name__ == "__main__":
    main()
