"""Scores texts of tokens as transformers' own processor and detector do, and says how long that took, as JSON.

peer_transformers.py IDS.npy SCHEME SECRET... : (texts, tokens) int64; the mean bit of new contexts, or the green share.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, SynthIDTextWatermarkLogitsProcessor, WatermarkDetector, WatermarkingConfig

BATCH = 64
"""Texts that are scored together; more are not quicker, and take memory for each bit."""


def synthid(secret: list[int], texts: torch.Tensor) -> Any:
    """A function that scores a batch."""
    processor = SynthIDTextWatermarkLogitsProcessor(5, secret, 1 << 16, 0, 1024, torch.device("cpu"))

    def score(batch: torch.Tensor) -> list[float]:
        bits, is_new = processor.compute_g_values(batch), processor.compute_context_repetition_mask(batch)
        return ((bits.float().mean(2) * is_new).sum(1) / is_new.sum(1)).tolist()

    return score


def kgw(secret: list[int], texts: torch.Tensor) -> Any:
    """A function that scores a batch."""
    config = GPT2Config(vocab_size=int(texts.max()) + 1, bos_token_id=-1)
    asked = WatermarkingConfig(hashing_key=secret[0])
    detector = WatermarkDetector(config, "cpu", asked, ignore_repeated_ngrams=True, max_cache_size=1 << 20)
    return lambda batch: detector(batch, return_dict=True).green_fraction.tolist()


def main() -> None:
    """Score, and tell."""
    texts, secret = torch.tensor(np.load(sys.argv[1])), [int(part) for part in sys.argv[3:]]
    score = {"synthid": synthid, "kgw-transformers": kgw}[sys.argv[2]](secret, texts)
    score(texts[:1, :32])
    start = time.perf_counter()
    with torch.no_grad():
        scores = [value for batch in texts.split(BATCH) for value in score(batch)]
    print(json.dumps({"seconds": time.perf_counter() - start, "scores": scores}))


main()
