"""Conflicts: one text that is told to be of different origins, or to stand under different licences."""

from typing import Any

import pyarrow as pa

from registry.licensing import USES, judge
from registry.store import Store

EXCERPT_CHARS = 160


def conflicts(store: Store, limit: int | None = None) -> dict[str, Any]:
    """Texts that documents disagree about, as what is in force says.

    Nothing known is no disagreement: neither an unknown origin nor the lack of a licence. Names of one licence, such
    as `cc-by 4.0` and `CC-BY-4.0`, do not differ. What was declared of one document at different times is its history,
    which `prov show` tells.

    Args:
        limit: list this many texts at most; they are counted all the same.
    Returns:
        `texts`, how many there are; `about` origin and license; `pairs` of origins; `conflicts`, each with an excerpt
        and what its documents say: each saying once, with how many documents say it and the first of them.
    """
    store.run("stage_suspect")
    with store.lend(license_meaning=_meanings(store)):
        store.run("stage_conflict")
    counts = store.ask_records("conflict_counts")[0]
    texts = store.ask_records("conflict_texts", most=EXCERPT_CHARS, limit=limit)
    with store.lend(listed=pa.table({"text_id": pa.array([row["text_id"] for row in texts], pa.int64())})):
        documents = store.ask_records("conflict_documents")
    said: dict[int, list[dict[str, Any]]] = {row["text_id"]: [] for row in texts}
    for row in documents:
        said[row.pop("text_id")].append(row)
    return {
        "texts": counts["texts"],
        "about": {"origin": counts["origin"], "license": counts["license"]},
        "pairs": [
            {"origins": list(pair), "texts": counts["_".join(pair)]}
            for pair in (("human", "model"), ("human", "mixed"), ("model", "mixed"))
        ],
        "conflicts": [_conflict(row, said[row["text_id"]]) for row in texts],
    }


def _conflict(row: dict[str, Any], documents: list[dict[str, Any]]) -> dict[str, Any]:
    about = [name for name in ("origin", "license") if row[f"of_{name}"]]
    return {"text": row["text"], "excerpt": row["excerpt"], "about": about, "documents": documents}


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
