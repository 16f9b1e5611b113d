"""Scores: how well what was inferred of a blind registry agrees with the sealed truth about it.

Nothing is written, and nothing that was inferred is looked at again: the attributions and detections in force are held
against the truth as they stand. Documents that were never attributed or never looked at count in none of the rates, and
how many there are is told beside them.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provenance.calibration import auc
from provenance.errors import ProvError
from provenance.origin import Generation, Origin
from registry.lineage import find_manifest
from registry.mix import PROMISES, exact
from registry.rates import Flags, Floats, brier, calibration_error, rates, reliability, tpr_at
from registry.real_share import surely_real
from registry.sealed import Key, unseal
from registry.store import Store
from registry.where import Where

DIMENSIONS = ("generation", "generator", "length", "entropy")
"""What documents may be told apart by; the first two say who wrote them."""
OF_ONE_ORIGIN = frozenset({"generation", "generator"})
"""Such groups are human or a model's: model documents of one are held against all human ones."""

LENGTHS = (32, 64, 128, 256, 512)
"""The words from which on each band of lengths begins; before them is the first."""

STRICT_FPR = 0.01
"""The false positive rate at which the true positive rate is told."""

ROUNDOFF = 1e-9
"""Shares that differ by less do not differ."""

Labels = NDArray[np.str_]


@dataclass(frozen=True)
class Asked:
    """What a score is asked for.

    Attributes:
        mix: a mix that was drawn in the blind registry, of which the real share is wanted.
        threshold: from which `p_model` on a document is called a model's.
        fpr: how often a human text may be called marked by any of the keys that it was scored by.
        by: the dimensions to tell groups apart by.
    """

    mix: str | None = None
    threshold: float = 0.5
    fpr: float = 0.01
    by: tuple[str, ...] = DIMENSIONS


class Unscored(ProvError):
    """A mix of documents about which the truth says nothing."""

    def __init__(self, mix: str, documents: int, truth: Path) -> None:
        self.mix, self.documents = mix, documents
        super().__init__(
            f"of {documents:,} documents of mix {mix} {truth} says nothing, as they came in after the trial was made: "
            "name a mix of the trial's documents alone"
        )


def score(store: Store, truth: Path, key: Key, asked: Asked = Asked()) -> dict[str, Any]:
    """Hold what was inferred of a blind registry against the truth.

    Returns:
        Everything as plain JSON: how many documents there are, and `attribution`, `detection` and `mix`, each None
        where there is nothing of it.
    Raises:
        ProvError: the truth does not open, is that of another registry, or there is no such mix.
    """
    known = unseal(truth, store.setting("registry_id") or "", key)
    with store.lend(truth=known):
        documents = store.ask_table("scored_documents")
        total = store.ask_value("count_documents")
        groups = {name: _LABELS[name](documents) for name in asked.by}
        mix = _realised(store, asked.mix, truth, documents, groups) if asked.mix is not None else None
    is_model = documents.column("origin").to_numpy() == Origin.MODEL.value
    return {
        "documents": len(documents),
        "human": int(np.count_nonzero(~is_model)),
        "model": int(np.count_nonzero(is_model)),
        "without_truth": total - len(documents),
        "missing": len(known) - len(documents),
        "trial": _of_trial(known),
        "attribution": _attribution(documents, is_model, groups, asked.threshold),
        "detection": _detection(documents, is_model, groups, asked.fpr),
        "mix": mix,
    }


def _of_trial(known: pa.Table) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((known.schema.metadata or {}).get(b"trial", b"{}"))
    return told


# -- groups


def _generations(documents: pa.Table) -> Labels:
    pairs = zip(*(documents.column(name).to_pylist() for name in ("generation", "generation_exact")), strict=True)
    return np.array([str(Generation(*pair)) for pair in pairs], np.str_)


def _generators(documents: pa.Table) -> Labels:
    pairs = zip(*(documents.column(name).to_pylist() for name in ("origin", "generator")), strict=True)
    return np.array([_HUMAN if origin == Origin.HUMAN else _generator(name) for origin, name in pairs], np.str_)


_HUMAN, _NAMELESS = "human", "no name"


def _generator(name: str | None) -> str:
    """The label of a model's documents, which none of human ones has, however the model is called."""
    return _NAMELESS if name is None else f"model {name}" if name in (_HUMAN, _NAMELESS) else name


def _lengths(documents: pa.Table) -> Labels:
    """The band of lengths of each document, as `64–127 words`."""
    edges = (0, *LENGTHS)
    names = [f"{low}–{high - 1} words" for low, high in zip(edges, LENGTHS, strict=False)]
    names.append(f"{LENGTHS[-1]} words or more")
    words = documents.column("words").to_numpy()
    labels: Labels = np.array(names, np.str_)[np.searchsorted(LENGTHS, words, "right")]
    return labels


def _entropies(documents: pa.Table) -> Labels:
    """The quartile of entropy that each document is in, counted over all of them; texts without words are in none."""
    bits = documents.column("entropy").to_numpy(zero_copy_only=False)
    has_words = ~np.isnan(bits)
    labels = np.full(len(bits), "no words", "<U40")
    if has_words.any():
        edges = np.quantile(bits[has_words], [0, 0.25, 0.5, 0.75, 1])
        quartile = np.searchsorted(edges[1:4], bits)
        names = [f"q{n + 1}: {low:.2f}–{high:.2f} bits" for n, (low, high) in enumerate(pairwise(edges))]
        labels[has_words] = np.array(names, "<U40")[quartile[has_words]]
    return labels


_LABELS: dict[str, Callable[[pa.Table], Labels]] = {
    "generation": _generations,
    "generator": _generators,
    "length": _lengths,
    "entropy": _entropies,
}


Measure = Callable[[Flags, Flags], dict[str, Any]]
"""What holds of some documents, (documents,) bool; ranks are compared among some others, the second argument."""


def _by_group(
    labels: dict[str, Labels], of: Flags, is_model: Flags, measure: Measure
) -> dict[str, list[dict[str, Any]]]:
    return {name: list(_groups(name, labels[name], of, is_model, measure)) for name in labels}


def _groups(name: str, labels: Labels, of: Flags, is_model: Flags, measure: Measure) -> Iterator[dict[str, Any]]:
    for label in sorted(set(labels[of].tolist()), key=_in_order):
        held = of & (labels == label)
        among = held | (of & ~is_model) if name in OF_ONE_ORIGIN else held
        yield {"group": label, **measure(held, among)}


def _in_order(label: str) -> tuple[float, str]:
    """What begins with a number by that, everything else by name."""
    first = label.removeprefix("≥").partition("–")[0].partition(" ")[0]
    return (float(first) if first.isdecimal() else -1.0 if label == _HUMAN else 0.0, label)


# -- attributions


def _attribution(
    documents: pa.Table, is_model: Flags, labels: dict[str, Labels], threshold: float
) -> dict[str, Any] | None:
    told: Floats = documents.column("p_model").to_numpy(zero_copy_only=False).astype(np.float64)
    has = ~np.isnan(told)
    if not has.any():
        return None

    def measure(held: Flags, among: Flags) -> dict[str, Any]:
        bins = reliability(told[held], is_model[held])
        return {
            "documents": int(held.sum()),
            **rates(told[held] >= threshold, is_model[held]),
            "auc": auc(told[among], is_model[among]),
            "tpr_at_fpr": tpr_at(told[among], is_model[among], STRICT_FPR),
            "brier": brier(told[held], is_model[held]),
            "calibration_error": calibration_error(bins),
        }

    return {
        "share": float(has.mean()),
        "threshold": threshold,
        "overall": measure(has, has),
        "reliability": reliability(told[has], is_model[has]),
        "by": _by_group(labels, has, is_model, measure),
    }


# -- detections


def _detection(documents: pa.Table, is_model: Flags, labels: dict[str, Labels], fpr: float) -> dict[str, Any] | None:
    keys = documents.column("keys").fill_null(0).to_numpy()
    lowest = documents.column("lowest_p").to_numpy(zero_copy_only=False).astype(np.float64)
    has, too_short = keys > 0, np.isnan(lowest)
    if not has.any():
        return None
    # Corrected for the number of keys (Bonferroni).
    is_called = np.where(too_short, np.inf, lowest) <= fpr / np.maximum(keys, 1)

    def measure(held: Flags, among: Flags) -> dict[str, Any]:
        return {
            "documents": int(held.sum()),
            "too_short": int((held & too_short).sum()),
            **rates(is_called[held], is_model[held]),
        }

    return {
        "share": float(has.mean()),
        "fpr": fpr,
        "overall": measure(has, has),
        "by": _by_group(labels, has, is_model, measure),
    }


# -- mixes


def _realised(store: Store, wanted: str, truth: Path, documents: pa.Table, labels: dict[str, Labels]) -> dict[str, Any]:
    """The real share of a mix, beside the one that was asked for, and of each group of its documents."""
    mix_id, digest = find_manifest(store, wanted)
    spec = _spec(store, mix_id)
    unit, policy = spec.get("unit", "documents"), spec.get("unknown", "exclude")
    rows = store.ask_table("realised_mix", mix_id=mix_id, unit=unit, tokenizer_id=store.ask_value("tokenizer"))
    origins = rows.column("origin")
    if origins.null_count:
        raise Unscored(digest.hex()[:12], origins.null_count, truth)
    weights = (rows.column("times").to_numpy() * rows.column("size").to_numpy()).astype(np.float64)
    is_human = origins.to_numpy() == Origin.HUMAN.value
    realised, asked = float(weights[is_human].sum() / weights.sum()), _asked_share(spec["strata"])
    chances: Floats = 1 - rows.column("p_model").to_numpy(zero_copy_only=False).astype(np.float64)
    place = {item: row for row, item in enumerate(documents.column("item").to_pylist())}
    drawn = np.array([place[item] for item in rows.column("item").to_pylist()], np.int64)

    def measure(held: Flags, among: Flags) -> dict[str, Any]:
        share = float(weights[held & is_human].sum() / weights[held].sum())
        return {"documents": int(rows.column("times").to_numpy()[held].sum()), "realised": share}

    everything = np.ones(len(drawn), np.bool_)
    return {
        "by": _by_group({name: told[drawn] for name, told in labels.items()}, everything, ~is_human, measure),
        "mix": digest.hex()[:12],
        "documents": int(rows.column("times").to_numpy().sum()),
        "unit": unit,
        "unknown": policy,
        "asked": asked,
        "realised": realised,
        "expected": None if np.isnan(chances).any() else float(weights @ chances / weights.sum()),
        "kept": None if asked is None else _is_kept(policy, asked, realised, chances),
    }


def _spec(store: Store, mix_id: int) -> dict[str, Any]:
    _, spec = store.ask("mix_header", mix_id=mix_id)[0]
    told: dict[str, Any] = json.loads(spec)
    return told


def _asked_share(strata: Sequence[dict[str, Any]]) -> float | None:
    """The share of human text that strata ask for; None where they ask for anything else than human and model."""
    conditions = [Where.parse(stratum["where"]) for stratum in strata]
    human, model = (Where.equals("origin", origin) for origin in ("human", "model"))
    if any(condition not in (human, model) for condition in conditions):
        return None
    shares = (exact(stratum["share"]) for stratum, where in zip(strata, conditions, strict=True) if where == human)
    return float(sum(shares))


def _is_kept(policy: str, asked: float, realised: float, chances: Floats) -> bool | None:
    """Whether the real share is what the policy promised; None where it promised nothing.

    `lower-bound` promises at least the share that was asked for. `expected` promises it on average: kept, if what is
    real is not less than chance leaves it but in 5 % of cases.

    Args:
        chances: (documents,) how probably each is human, NaN where nothing was inferred.
    """
    if policy not in PROMISES:
        return None
    by_chance = policy == "expected" and not np.isnan(chances).any()
    least = min(asked, surely_real(chances) / len(chances)) if by_chance else asked
    return realised >= least - ROUNDOFF
