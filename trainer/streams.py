"""Streams: where all randomness comes from, one for each seed, generation and role."""

import hashlib

import numpy as np


def stream(seed: int, generation: int, role: str) -> np.random.Generator:
    """The random stream of a generation's role, the same for all arms of a seed.

    >>> bool(stream(0, 1, "fit").integers(1000) == stream(0, 1, "fit").integers(1000))
    True
    """
    return np.random.default_rng([seed, generation, int.from_bytes(hashlib.sha256(role.encode()).digest()[:8])])
