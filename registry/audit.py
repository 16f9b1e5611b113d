"""Audit: what is in here, where it came from, and what it went into."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa

from provenance.errors import Ambiguous, NotFound, ProvError
from registry.lineage import find_manifest, trace
from registry.store import Store

DIMENSIONS = ("origin", "generation", "source", "license", "generator")
KINDS = ("documents", "sources", "batches", "models", "runs", "mixes")
Kind = Literal["documents", "sources", "batches", "models", "runs", "mixes"]
EXAMPLES = 10


def composition(store: Store, by: Sequence[str] = DIMENSIONS, mix: str | None = None) -> list[dict[str, Any]]:
    """Count documents, bytes, words and tokens by any of the dimensions, of the registry or of one mix.

    Raises:
        ProvError: `by` names no dimension, or the documents of the mix are not held.
    """
    if unknown := [name for name in by if name not in DIMENSIONS]:
        raise ProvError(f"no dimension {unknown[0]!r}: there is {', '.join(DIMENSIONS)}")
    mix_id = find_manifest(store, mix)[0] if mix else None
    rows = store.ask_records("composition", mix_id=mix_id, **{f"by_{name}": name in by for name in DIMENSIONS})
    hidden = {name for name in DIMENSIONS if name not in by}
    if "generation" in hidden:
        hidden.add("generation_exact")
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]


def stats(store: Store) -> dict[str, Any]:
    """Counts of everything, and the head of the chain."""
    counts = store.ask_records("stats")[0]
    head = store.head()
    return {
        "registry": store.setting("registry_id"),
        "head": head.hex() if head else None,
        **counts,
        "origins": composition(store, ["origin", "generation"]),
    }


def listing(store: Store, kind: Kind, limit: int | None) -> list[dict[str, Any]]:
    """The things of one kind, newest first."""
    return store.ask_records(f"list_{kind}", limit=limit)


def find_document(store: Store, wanted: str) -> int:
    """The local id of the document that a user's id, a document digest or a text digest means.

    Raises:
        NotFound, Ambiguous: it means none, or several.
    """
    rows = store.ask("document_matching", wanted=wanted)
    if not rows:
        raise NotFound("document", wanted, examples=(item for (item,) in store.ask("some_items")))
    if len(rows) > 1:
        raise Ambiguous("document", wanted, (f"{digest[:16]} ({source or 'no source'})" for _, digest, source in rows))
    document_id: int = rows[0][0]
    return document_id


def show(store: Store, wanted: str) -> list[dict[str, Any]]:
    """All that a name, an id or (the start of) a digest means, whatever its kind.

    Raises:
        NotFound: it means nothing.
    """
    found = [_document(store, document_id) for document_id, *_ in store.ask("document_matching", wanted=wanted)]
    for kind in ("models", "runs", "mixes", "sources", "batches"):
        found += [
            {"kind": kind, **row} for row in store.ask_records(f"list_{kind}", limit=None) if _is_meant(row, wanted)
        ]
    if not found:
        raise NotFound(
            "document, model, run, mix, source or batch", wanted, (item for (item,) in store.ask("some_items"))
        )
    return found


def _is_meant(row: dict[str, Any], wanted: str) -> bool:
    by_digest = len(wanted) >= 4 and str(row.get("digest", "")).startswith(wanted.lower())
    return by_digest or row.get("name") == wanted


def _document(store: Store, document_id: int) -> dict[str, Any]:
    document = store.ask_records("show_document", document_id=document_id)[0]
    return {
        "kind": "document",
        **document,
        "parents": store.ask_records("parents_of", document_id=document_id),
        "declarations": store.ask_records("declarations_of", document_id=document_id),
    }


def lineage(store: Store, wanted: str) -> dict[str, Any]:
    """Follow a document back through runs and mixes to its human sources.

    Returns:
        `document`, its `parents`, and `steps`: for each model on the way, newest generation first, its run and
        the mix that it learnt from, as composition, human documents per source and examples.
    """
    document_id = find_document(store, wanted)
    trace(store, "document", document_id)
    return {
        "document": store.ask_records("show_document", document_id=document_id)[0],
        "parents": store.ask_records("parents_of", document_id=document_id),
        "steps": [_step(store, step) for step in store.ask_records("lineage_steps", document_id=document_id)],
        "human": store.ask_records("lineage_human"),
    }


def _step(store: Store, step: dict[str, Any]) -> dict[str, Any]:
    mix_id = step.pop("mix_id")
    if mix_id is None or step["mix_is_foreign"]:
        return step | {"composition": [], "human_sources": [], "examples": []}
    return step | {
        "composition": store.ask_records(
            "composition",
            mix_id=mix_id,
            by_origin=True,
            by_generation=True,
            by_source=False,
            by_license=False,
            by_generator=True,
        ),
        "human_sources": store.ask_records("human_sources", mix_id=mix_id),
        "examples": [item for (item,) in store.ask("human_examples", mix_id=mix_id, most=EXAMPLES)],
    }


def human_ancestors(store: Store, wanted: str) -> Iterator[dict[str, Any]]:
    """Every human document that a document descends from, one at a time."""
    trace(store, "document", find_document(store, wanted))
    for batch in store.stream("human_ancestors"):
        yield from batch.to_pylist()


def diff(store: Store, one: str, other: str) -> dict[str, Any]:
    """What changed from one mix to another: documents added and removed, composition before and after.

    Raises:
        NotFound: there is no such mix.
        ProvError: the documents of one are not held.
    """
    (before, before_digest), (after, after_digest) = find_manifest(store, one), find_manifest(store, other)
    changed = store.ask_records("diff_documents", before=before, after=after)
    return {
        "before": before_digest.hex(),
        "after": after_digest.hex(),
        "identical": before_digest == after_digest,
        "added": [row["document"] for row in changed if row["more"] > 0],
        "removed": [row["document"] for row in changed if row["more"] < 0],
        "composition": store.ask_records("diff_composition", before=before, after=after),
    }


def sql(store: Store, statement: str) -> pa.Table:
    """The answer to a statement of the user's; the store must be open for reading alone, and locked down.

    Raises:
        ProvError: DuckDB refuses the statement.
    """
    import duckdb

    try:
        relation = store.connection.sql(statement)
        return relation.to_arrow_table() if relation is not None else pa.table({})
    except duckdb.Error as error:
        raise ProvError(f"DuckDB refuses the statement: {' '.join(str(error).split())}") from error
