"""Duplicates: what is in the registry more than once, which document of each cluster survives, and why.

Nothing is removed: a mix leaves duplicates out, by the same policy.
"""

from itertools import groupby
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyRelation

from registry.clusters import MAX_LOSS, Keep, find_duplicates
from registry.matching import matching
from registry.near import Nearness
from registry.schema import question
from registry.store import Progress, Store, silent
from registry.where import Where

EXCERPT_CHARS = 80
MOST_MEMBERS = 100
"""So many members of a cluster are listed."""


def dedup(
    store: Store,
    near: Nearness | None,
    *,
    keep: Keep = "human",
    max_loss: float = MAX_LOSS,
    where: Where | str | None = None,
    limit: int | None = 20,
    progress: Progress = silent,
) -> dict[str, Any]:
    """What is in the registry more than once; `find_duplicates` says how it is found, and nothing is removed.

    Args:
        near: what is near; None for documents of one text alone.
        where: look among the documents that this lets through; withdrawn ones are looked at too.
        limit: list this many clusters, the largest, and the first hundred members of each; all are counted.
    """
    documents: DuckDBPyRelation = store.connection.sql(question("all_documents"))
    if where is not None:
        matching(store, Where.parse(where) if isinstance(where, str) else where)
        documents = store.connection.table("matching")
    found = find_duplicates(store, documents, near, keep, max_loss, progress=progress)
    thresholds = {"threshold": near.threshold if near else 1.0, "containment": near.containment if near else 1.0}
    members = store.ask_records("dedup_members", clusters=limit, most=MOST_MEMBERS, excerpt=EXCERPT_CHARS)
    return {
        **found.summary(),
        "keep": keep,
        "max_loss": max_loss,
        "near": vars(near) if near else None,
        "pairs": store.ask_records("dedup_pairs", **thresholds),
        "listed": [_cluster(list(rows)) for _, rows in groupby(members, lambda row: row["cluster"])],
    }


def members(store: Store) -> pa.Table:
    """Every member of the clusters that `find_duplicates` or `dedup` found last, one row a document."""
    return store.ask_table("dedup_members", clusters=None, most=None, excerpt=EXCERPT_CHARS).drop_columns(["excerpt"])


def _cluster(rows: list[dict[str, Any]]) -> dict[str, Any]:
    cluster = {"documents": rows[0]["members"], "why": rows[0]["why"]}
    for row in rows:
        for name in ("cluster", "members", "why"):
            del row[name]
    return cluster | {"members": rows}
