"""Staleness: which mixes are no longer made of what they were when drawn, and which models learnt from them."""

from typing import Any

import pyarrow as pa

from registry.lineage import find_manifest
from registry.store import Store


def stale(store: Store, mix: str | None = None) -> dict[str, Any]:
    """What was learnt late of mixes: their composition when drawn and now, and the models that it concerns.

    Args:
        mix: this one alone; else every mix.
    Returns:
        `mixes`, oldest first, each with its real fractions (of documents and of bytes) and counts before and after;
        `models` that were trained on one of them or are based on one that was, with their generations then and now.
    Raises:
        NotFound, Ambiguous: there is no such mix, or several.
        ProvError: its documents are not held.
    """
    mix_id = find_manifest(store, mix)[0] if mix is not None else None
    mixes = store.ask_records("stale_mixes", mix_id=mix_id)
    with store.lend(stale=pa.table({"mix_id": pa.array([row["mix_id"] for row in mixes], pa.int64())})):
        composition = store.ask_records("stale_composition")
        models = store.ask_records("stale_models")
    rows: dict[int, list[dict[str, Any]]] = {row["mix_id"]: [] for row in mixes}
    for row in composition:
        rows[row.pop("mix_id")].append(row)
    return {"mixes": [_mix(row, rows[row["mix_id"]]) for row in mixes], "models": [_model(row) for row in models]}


def _mix(row: dict[str, Any], composition: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "mix": row["mix"],
        "drawn_at": row["made_at"],
        "documents": row["documents"],
        "real_frac": _change(row, "real_frac"),
        "real_frac_bytes": _change(row, "real_frac_bytes"),
        "composition": composition,
    }


def _model(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("model", "digest", "mix", "base")}
    return told | {"generation": _change(row, "generation"), "generation_exact": _change(row, "exact")}


def _change(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {"before": row[f"{name}_before"], "after": row[f"{name}_after"]}
