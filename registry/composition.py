"""Composition: how many documents, bytes, words and tokens there are of what, in the registry or in a mix."""

from collections.abc import Sequence
from typing import Any

from duckdb import (
    ColumnExpression,
    ConstantExpression,
    DuckDBPyRelation,
    Expression,
    FunctionExpression,
    StarExpression,
)

from provenance.errors import ProvError
from registry.candidates import AnnotatedField, annotated_fields
from registry.lineage import find_manifest
from registry.schema import question
from registry.store import Store

DIMENSIONS = ("origin", "generation", "source", "license", "generator")

_COLUMNS = {
    "origin": {"origin": "VARCHAR"},
    "generation": {"generation": "INTEGER", "generation_exact": "BOOLEAN"},
    "source": {"source_id": "BIGINT"},
    "license": {"license_id": "BIGINT"},
    "generator": {"model_id": "BIGINT"},
}
"""What documents are grouped by, of each dimension: ids; the few groups that there are get their names afterwards."""


def composition(store: Store, by: Sequence[str] = DIMENSIONS, mix: str | None = None) -> list[dict[str, Any]]:
    """Count documents, bytes, words and tokens by any of the dimensions, of the registry or of one mix.

    Args:
        by: dimensions, and names of annotated fields, of which each value is a group of its own.
    Raises:
        ProvError: `by` names neither, or the documents of the mix are not held.
    """
    annotated = _annotated(store, by)
    weighed = _weighed(store, find_manifest(store, mix)[0] if mix is not None else None, annotated)
    with store.lend(grouped=_grouped(weighed, by, annotated)):
        rows = _in_order(store, annotated)
    hidden = {name for name in DIMENSIONS if name not in by}
    if "generation" in hidden:
        hidden.add("generation_exact")
    names = {field.alias: field.name for field in annotated}
    return [{names.get(name, name): value for name, value in row.items() if name not in hidden} for row in rows]


def _annotated(store: Store, by: Sequence[str]) -> list[AnnotatedField]:
    """The annotated fields that are asked for."""
    if not set(by) - set(DIMENSIONS):
        return []
    fields = {field.name: field for field in annotated_fields(store)}
    if unknown := [name for name in by if name not in DIMENSIONS and name not in fields]:
        raise ProvError(f"no dimension {unknown[0]!r}: there is {', '.join([*DIMENSIONS, *fields])}")
    return [fields[name] for name in dict.fromkeys(by) if name in fields]


def _in_order(store: Store, annotated: Sequence[AnnotatedField]) -> list[dict[str, Any]]:
    """The answer to the question `composition`, groups that differ in annotations alone in the order of those."""
    if not annotated:
        return store.ask_records("composition")
    order = ("origin", "generation", "generation_exact", "source", "license", "generator")
    columns = [ColumnExpression(name) for name in (*order, *(field.alias for field in annotated))]
    columns[2] = columns[2].desc()
    relation = store.connection.sql(question("composition")).sort(*columns)
    rows: list[dict[str, Any]] = relation.to_arrow_table().to_pylist()
    return rows


def _weighed(store: Store, mix_id: int | None, annotated: Sequence[AnnotatedField]) -> DuckDBPyRelation:
    """What is counted: rows with the columns of all dimensions, `bytes` and `words`.

    Where somebody counts tokens, they have `tokens`. Each row is one document, but where it says how many `documents`:
    of a mix whose tokens nobody counts, and without annotations, it is the composition that is kept with it.
    """
    tokenizer_id, table = store.ask_value("tokenizer"), store.connection.table
    of_mix = ColumnExpression("mix_id") == ConstantExpression(mix_id)
    if mix_id is not None and tokenizer_id is None and not annotated:
        now = ColumnExpression("as_drawn") == ConstantExpression(False)
        return table("mix_composition").filter(of_mix).filter(now)
    documents = table("document")
    if mix_id is not None:
        documents = table("mix_document").filter(of_mix).join(documents, "document_id")
    for field in annotated:
        documents = documents.join(field.values(store), "document_id", how="left")
    if tokenizer_id is None:
        return documents
    of_tokenizer = ColumnExpression("tokenizer_id") == ConstantExpression(tokenizer_id)
    lengths = table("length").filter(of_tokenizer).select("text_id", "tokens")
    return documents.join(lengths, "text_id", how="left")


def _grouped(weighed: DuckDBPyRelation, by: Sequence[str], annotated: Sequence[AnnotatedField]) -> DuckDBPyRelation:
    asked = [column for name in dict.fromkeys(by) for column in _COLUMNS.get(name, ())]
    asked += [field.alias for field in annotated]
    sums = [
        FunctionExpression("sum", ColumnExpression(name)).cast("BIGINT").alias(name)
        for name in ("documents", "bytes", "words", "tokens")
        if name in weighed.columns
    ]
    rows = FunctionExpression("count_star")
    sums += [rows.alias("rows")] if "documents" in weighed.columns else [rows.alias("rows"), rows.alias("documents")]
    if "tokens" in weighed.columns:
        sums.append(FunctionExpression("count", ColumnExpression("tokens")).alias("counted"))
    by_column = ", ".join(f'"{column}"' for column in asked)
    grouped = weighed.aggregate([*map(ColumnExpression, asked), *sums], by_column)
    columns = {column: kind for columns in _COLUMNS.values() for column, kind in columns.items()}
    columns |= {"tokens": "BIGINT", "counted": "BIGINT"}
    blanks = [_nothing(column, kind) for column, kind in columns.items() if column not in grouped.columns]
    return grouped.select(StarExpression(), *blanks)


def _nothing(name: str, kind: str) -> Expression:
    return ConstantExpression(None).cast(kind).alias(name)
