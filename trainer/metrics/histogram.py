"""Histograms as metrics: a share of texts for each bin, whose edges never change, so that generations compare."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_A_DECADE = 10
EDGES: Floats = 10 ** (np.arange(4 * _A_DECADE + 1) / _A_DECADE)
"""Of the bins of perplexity, (bins + 1,): ten a decade from 1, which is the least there is, to 10,000."""

_BIN = re.compile(r"(?P<measure>\w+)_share_(?:of_bin_(?P<number>\d+)|(?P<above>above))")


def shares(measure: str, values: Floats) -> dict[str, float]:
    """The share of values in each bin, as metrics `<measure>_share_of_bin_07`, and in `<measure>_share_above` the rest.

    A value on an edge is in the bin above it. All are NaN where there is no value, or one is no number.
    """
    counts = np.bincount(np.searchsorted(EDGES, values, side="right").clip(1) - 1, minlength=len(EDGES))
    found = counts / len(values) if len(values) and not np.isnan(values).any() else np.full(len(EDGES), np.nan)
    names = [f"{measure}_share_of_bin_{number:02}" for number in range(len(EDGES) - 1)] + [f"{measure}_share_above"]
    return dict(zip(names, found.tolist(), strict=True))


def middle(number: int) -> float:
    """The middle of a bin on a logarithmic axis; of what is above them all, of the bin that would be next."""
    return float(10 ** ((number + 0.5) / _A_DECADE))


def parsed(metric: str) -> tuple[str, int] | None:
    """The measure and the bin, from 0, that a metric is the share of; None where it is none.

    >>> parsed("perplexity_share_of_bin_07"), parsed("perplexity_share_above"), parsed("perplexity")
    (('perplexity', 7), ('perplexity', 40), None)
    """
    found = _BIN.fullmatch(metric)
    if found is None:
        return None
    return found["measure"], len(EDGES) - 1 if found["above"] else int(found["number"])
