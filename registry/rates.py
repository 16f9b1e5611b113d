"""How well numbers tell model from human documents: rates with their intervals, rank measures and calibration.

Everywhere `is_model`, (documents,) bool, is the truth, and what is told of a document is higher the more it looks like
a model's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.calibration import BINS, bins_of, exact_interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def rate(hits: int, of: int) -> dict[str, Any]:
    """A share of documents with its exact interval (Clopper & Pearson 1934); nothing where there are none.

    >>> rate(0, 0)["share"] is None
    True
    """
    if not of:
        return {"hits": 0, "of": 0, "share": None, "low": None, "high": None}
    low, high = exact_interval(hits, of)
    return {"hits": hits, "of": of, "share": hits / of, "low": low, "high": high}


def rates(is_called: Flags, is_model: Flags) -> dict[str, Any]:
    """The true and the false positive rate of a verdict.

    Args:
        is_called: (documents,) whether each is called a model's.
    """
    human = ~is_model
    return {
        "tpr": rate(int(np.count_nonzero(is_called & is_model)), int(np.count_nonzero(is_model))),
        "fpr": rate(int(np.count_nonzero(is_called & human)), int(np.count_nonzero(human))),
    }


def tpr_at(told: Floats, is_model: Flags, fpr: float) -> dict[str, Any] | None:
    """The true positive rate at the lowest threshold that calls no more than a share of the human documents.

    Returns:
        The rate with its interval, the threshold (None where even the highest value calls too many) and the false
        positive rate that it has; None without model or human documents.
    """
    human = np.sort(told[~is_model])
    if not len(human) or len(human) == len(told):
        return None
    places = np.unique(told)
    called = len(human) - np.searchsorted(human, places)  # human documents at or above each
    fine = places[called <= fpr * len(human) * (1 + 1e-12)]
    threshold = float(fine[0]) if len(fine) else None
    is_called = told >= threshold if threshold is not None else np.zeros(len(told), np.bool_)
    found = rates(is_called, is_model)
    strict: dict[str, Any] = found["tpr"] | {"threshold": threshold, "fpr": found["fpr"]["share"]}
    return strict


def brier(told: Floats, is_model: Flags) -> float | None:
    """The mean squared distance of probabilities from the truth (Brier 1950)."""
    return float(((told - is_model) ** 2).mean()) if len(told) else None


def reliability(told: Floats, is_model: Flags) -> list[dict[str, Any]]:
    """What is told and what is true, in bins of what is told (`bins_of`); empty bins are left out."""
    place = bins_of(told)
    return [
        {
            "from": index / BINS,
            "to": (index + 1) / BINS,
            "documents": int(inside.sum()),
            "told": float(told[inside].mean()),
            "model": rate(int(is_model[inside].sum()), int(inside.sum())),
        }
        for index in range(BINS)
        if (inside := place == index).any()
    ]


def calibration_error(bins: list[dict[str, Any]]) -> float | None:
    """The expected calibration error: how far what is told is from what is true, over the bins, by their documents."""
    documents = sum(row["documents"] for row in bins)
    if not documents:
        return None
    return float(sum(row["documents"] * abs(row["told"] - row["model"]["share"]) for row in bins) / documents)
