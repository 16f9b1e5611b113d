"""Audit: what is in here, where it came from, and what it went into."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa

from provenance.errors import Ambiguous, NotFound, ProvError, quoted
from registry.attribute import attribution_of
from registry.composition import composition
from registry.fingerprints import sketcher
from registry.licensing import VERDICTS, judge, with_version
from registry.lineage import find_manifest, trace
from registry.store import Store

KINDS = ("documents", "sources", "batches", "models", "runs", "mixes", "experiments")
Kind = Literal["documents", "sources", "batches", "models", "runs", "mixes", "experiments"]
EXAMPLES = 10


def stats(store: Store) -> dict[str, Any]:
    """Counts of everything, and the head of the chain."""
    counts = store.ask_records("stats")[0]
    head = store.head()
    return {
        "registry": store.setting("registry_id"),
        "head": head.hex() if head else None,
        **counts,
        "fingerprints": str(made.spec) if (made := sketcher(store)) else None,
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
    rows = documents_matching(store, wanted)
    if not rows:
        raise NotFound("document", wanted, examples=(item for (item,) in store.ask("some_items")))
    if len(rows) > 1:
        raise Ambiguous(
            "document", wanted, (f"{digest[:16]} ({source or 'no source'})" for _, digest, source, _ in rows)
        )
    document_id: int = rows[0][0]
    return document_id


def documents_matching(store: Store, wanted: str) -> list[tuple[int, str, str | None, int]]:
    """The documents that a user's id means, or else the start of a digest: id, digest, source and text of each.

    The digest of a document comes before that of a text, where twelve digits or more tell them apart.
    """
    if named := store.ask("documents_named", wanted=wanted):
        return named
    if not re.fullmatch("[0-9a-fA-F]{4,64}", wanted):
        return []
    low, high = (bytes.fromhex(wanted.ljust(64, digit)) for digit in "0f")
    ranks = {"low_rank": int.from_bytes(low[:8]), "high_rank": int.from_bytes(high[:8])}
    found = store.ask("documents_of_digest", low=low, high=high, **ranks)
    if not found or len(wanted) < 12:
        found += [row for row in store.ask("documents_of_text", low=low, high=high) if row not in found]
    return found


def show(store: Store, wanted: str) -> list[dict[str, Any]]:
    """All that a name, an id or (the start of) a digest means, whatever its kind.

    Raises:
        NotFound: it means nothing.
    """
    found = [_document(store, document_id) for document_id, *_ in documents_matching(store, wanted)]
    for kind in ("models", "runs", "mixes", "experiments", "sources", "batches"):
        found += [
            {"kind": kind, **row} for row in store.ask_records(f"list_{kind}", limit=None) if _is_meant(row, wanted)
        ]
    if not found:
        raise NotFound(
            "document, model, run, mix, experiment, source or batch",
            wanted,
            examples=(item for (item,) in store.ask("some_items")),
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
        "rules": store.ask_records("rules_of", document_id=document_id),
        "parents": store.ask_records("parents_of", document_id=document_id),
        "declarations": store.ask_records("declarations_of", document_id=document_id),
        "annotations": store.ask_records("annotations_of", document_id=document_id),
        "attribution": attribution_of(store, document_id),
    }


def lineage(store: Store, wanted: str) -> dict[str, Any]:
    """Follow a document back through runs and mixes to its human sources.

    The way back goes from mix to mix by what each is made of; their documents are not read, but for a few examples.

    Returns:
        `document`, its `parents`, and `steps`: for each model on the way, newest generation first, its run and
        the mix that it learnt from, as composition, human documents per source and examples; `human`: human documents
        behind it per source, each as often as each mix holds it (`human_ancestors` tells each once).
    """
    document_id = find_document(store, wanted)
    store.run("stage_made_of", document_id=document_id)
    while store.ask_value("grow_made_of"):
        pass
    store.run("stage_behind")
    compositions = _by_mix(store.ask_records("lineage_compositions"))
    sources = _by_mix(store.ask_records("lineage_sources"))
    reach = max(map(_reach, compositions.values()), default=0)
    examples = _by_mix(store.ask_records("lineage_examples", most=EXAMPLES, reach=reach))
    steps = [
        step
        | {
            "composition": compositions.get(mix_id, []),
            "human_sources": sources.get(mix_id, []),
            "examples": [row["item"] for row in examples.get(mix_id, [])],
        }
        for step in store.ask_records("lineage_steps", document_id=document_id)
        for mix_id in [step.pop("mix_id")]
    ]
    return {
        "document": store.ask_records("show_document", document_id=document_id)[0],
        "parents": store.ask_records("parents_of", document_id=document_id),
        "steps": steps,
        "human": store.ask_records("lineage_human"),
    }


def _reach(composition: list[dict[str, Any]]) -> int:
    """How far to read into the order of a mix, which is random, to meet five times as many humans as are wanted."""
    human = sum(row["documents"] for row in composition if row["origin"] == "human")
    return -(-5 * EXAMPLES * sum(row["documents"] for row in composition) // human) if human else 0


def _by_mix(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row.pop("mix_id"), []).append(row)
    return grouped


def human_ancestors(store: Store, wanted: str) -> Iterator[dict[str, Any]]:
    """Every human document that a document descends from, one at a time."""
    trace(store, "document", find_document(store, wanted))
    for batch in store.stream("human_ancestors"):
        yield from batch.to_pylist()


def licenses(store: Store, mix: str, use: str = "commercial") -> dict[str, Any]:
    """What the licences of a mix say of a use, by the table that ships with prov; it is not legal advice.

    Args:
        use: commercial or research, or with a version of the table, commercial@1.
    Returns:
        `licenses`, each with its verdict and duties, as known now; `totals`, documents and bytes of each verdict.
    Raises:
        NotFound, Ambiguous: there is no such mix, or several.
        ProvError: there is no such use, or the documents of the mix are not held.
    """
    mix_id, digest = find_manifest(store, mix)
    try:
        use = with_version(use)
    except ValueError as error:
        raise ProvError(str(error)) from None
    rows = [_judged(row, use) for row in store.ask_records("mix_licenses", mix_id=mix_id)]
    totals = {
        verdict: {name: sum(row[name] for row in rows if row["verdict"] == verdict) for name in ("documents", "bytes")}
        for verdict in VERDICTS
    }
    return {"mix": digest.hex(), "use": use, "licenses": rows, "totals": totals}


def _judged(row: dict[str, Any], use: str) -> dict[str, Any]:
    judged = judge(row["license"], use)
    return row | {
        "spdx": judged.name,
        "class": judged.kind,
        "verdict": judged.verdict,
        "share_alike": judged.share_alike,
        "attribution": judged.attribution,
    }


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

    if not statement.strip(" \t\r\n;"):
        raise ProvError("there is no statement to carry out: write one, such as FROM document LIMIT 3")
    try:
        relation = store.connection.sql(statement)
        answer = relation.to_arrow_table() if relation is not None else pa.table({})
    except duckdb.Error as error:
        raise ProvError(f"DuckDB refuses the statement: {' '.join(str(error).split())}") from error
    if twice := [name for name, count in Counter(answer.column_names).items() if count > 1]:
        raise ProvError(f"{quoted(twice[0])} names two columns of the answer: give one of them another name with AS")
    return answer
