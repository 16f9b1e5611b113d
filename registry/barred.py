"""Barred: the documents that hold-outs and withdrawals keep out of mixes, and the rows they keep out altogether."""

from duckdb import CoalesceOperator, ColumnExpression, DuckDBPyRelation, StarExpression

from registry.descent import descend
from registry.schema import question
from registry.store import Store


def without_barred(store: Store, candidates: DuckDBPyRelation) -> DuckDBPyRelation:
    """The candidates of a mix, those that a rule bars marked with it as what excludes them.

    A document with a held-out text is barred, or with one near to such, and all that descends from one: what was made
    of it, and what a model wrote that learnt from it or is based on one that did. Of what is withdrawn the documents
    themselves are.
    """
    if not store.ask_value("any_rule"):
        return candidates
    stage_barred(store)
    ruled = candidates.join(store.connection.table("barred"), "document_id", how="left")
    excluded = CoalesceOperator(ColumnExpression("barred_by"), ColumnExpression("excluded"))
    return ruled.select(StarExpression(exclude=["barred_by", "excluded"]), excluded.alias("excluded"))


def stage_barred(store: Store) -> None:
    """Leave in the temporary table `barred(document_id, barred_by)` what no mix may draw, and why."""
    store.run("stage_withdrawn")
    descend(store, store.connection.sql(question("held_out_documents")))
    store.run("stage_barred")


def find_covered(store: Store) -> bool:
    """Leave in the temporary table `covered` the arriving documents that a withdrawal covers, if there is any."""
    if not store.ask_value("any_withdrawal"):
        return False
    store.run("stage_covered")
    return True


def leave_out_covered(store: Store) -> int:
    """Take the rows that are covered, and whose documents are not known, out of those that arrive.

    Returns:
        How many rows, each repetition of a document counted.
    """
    rows: int = store.ask_value("covered_rows")
    if rows:
        store.run("loosen_covered_edges")
        store.run("delete_covered")
        store.run("delete_edges")
    return rows
