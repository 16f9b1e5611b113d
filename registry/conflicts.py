"""Conflicts: texts, the same or near, told to be of different origins, or to stand under different licences."""

from typing import Any

import pyarrow as pa

from registry.fingerprints import wanted_sketcher
from registry.licensing import USES, judge
from registry.near import Nearness, find_near, seek_among
from registry.schema import question
from registry.store import Progress, Store, silent

EXCERPT_CHARS = 160
PAIRS = ("human", "model"), ("human", "mixed"), ("model", "mixed")


def conflicts(
    store: Store, limit: int | None = None, near: Nearness | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Texts that documents disagree about, as what is in force says.

    Nothing known is no disagreement: neither an unknown origin nor the lack of a licence. Names of one licence, such
    as `cc-by 4.0` and `CC-BY-4.0`, do not differ. What was declared of one document at different times is its history,
    which `prov show` tells.

    Args:
        limit: list this many texts, and pairs of texts, at most; they are counted all the same.
        near: look at near-duplicates as well.
        progress: called with the number of near pairs judged since the last call.
    Returns:
        `texts`, how many there are; `about` origin and license; `pairs` of origins; `conflicts`, each with an excerpt
        and what its documents say: each saying once, with how many documents say it and the first of them. `near` is
        None, or the same of pairs of texts that are near-duplicates, and not the same text.
    Raises:
        NoFingerprints, ProvError: near-duplicates are asked for, and not all texts have fingerprints.
    """
    store.run("stage_suspect")
    with store.lend(license_meaning=_meanings(store)):
        store.run("stage_conflict")
    found = _exact(store, limit)
    return found | {"near": _near(store, near, limit, progress) if near else None}


def _exact(store: Store, limit: int | None) -> dict[str, Any]:
    counts = store.ask_records("conflict_counts")[0]
    texts = store.ask_records("conflict_texts", most=EXCERPT_CHARS, limit=limit)
    said = _said(store, {row["text_id"] for row in texts})
    return {
        "texts": counts["texts"],
        "about": {"origin": counts["origin"], "license": counts["license"]},
        "pairs": [{"origins": list(pair), "texts": counts["_".join(pair)]} for pair in PAIRS],
        "conflicts": [
            {"text": row["text"], "excerpt": row["excerpt"], "about": _about(row), "documents": said[row["text_id"]]}
            for row in texts
        ],
    }


def _near(store: Store, near: Nearness, limit: int | None, progress: Progress) -> dict[str, Any]:
    made = wanted_sketcher(store)
    seek_among(store, made, store.connection.sql(question("fingerprinted_texts")))
    judged = find_near(store, made, near, bands=near.cheapest_bands(made), progress=progress)
    near_texts = store.connection.sql(question("near_texts"))
    with store.lend(license_meaning=_meanings(store), told_text=near_texts):
        store.run("stage_near_conflict")
    counts = store.ask_records("near_conflict_counts")[0]
    rows = store.ask_records("near_conflict_texts", most=EXCERPT_CHARS, limit=limit)
    said = _said(store, {row[side] for row in rows for side in ("left_id", "right_id")})
    return {
        "measure": near.measure,
        "threshold": near.threshold,
        "judged": judged,
        "pairs": counts["pairs"],
        "about": {"origin": counts["origin"], "license": counts["license"]},
        "pairs_of_origins": [{"origins": list(pair), "pairs": counts["_".join(pair)]} for pair in PAIRS],
        "conflicts": [
            {
                "jaccard": row["jaccard"],
                "containment": row["containment"],
                "about": _about(row),
                "texts": [
                    {"text": row["text"], "excerpt": row["excerpt"], "documents": said[row["left_id"]]},
                    {"text": row["their_text"], "excerpt": row["their_excerpt"], "documents": said[row["right_id"]]},
                ],
            }
            for row in rows
        ],
    }


def _about(row: dict[str, Any]) -> list[str]:
    return [name for name in ("origin", "license") if row[f"of_{name}"]]


def _said(store: Store, text_ids: set[int]) -> dict[int, list[dict[str, Any]]]:
    """What the documents of some texts say, by text."""
    said: dict[int, list[dict[str, Any]]] = {text_id: [] for text_id in text_ids}
    with store.lend(listed=pa.table({"text_id": pa.array(sorted(text_ids), pa.int64())})):
        for row in store.ask_records("conflict_documents"):
            said[row.pop("text_id")].append(row)
    return said


def _meanings(store: Store) -> pa.Table:
    """Of each licence the name that all its spellings share."""
    rows = store.ask("license_ids")
    meanings = [judge(name, USES[0]).name or name.casefold() for _, name in rows]
    return pa.table(
        {
            "license_id": pa.array([license_id for license_id, _ in rows], pa.int64()),
            "meaning": pa.array(meanings, pa.string()),
        }
    )
