"""The past: a registry as it was after one of its batches, to see what a mix of that day saw."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, DuckDBPyRelation

from registry.lineage import rederive
from registry.schema import question
from registry.store import Store

WHOLE = ("setting", "field", "license")
"""Tables that no batch bounds: names that only what came later mentions do no harm."""

BY_BATCH = (
    *("batch", "tokenizer", "source", "declaration", "derivation", "model", "run"),
    *("annotated_field", "annotation", "holdout", "holdout_source", "near_holdout", "withdrawal", "attribution"),
)
"""Tables of which the past has the rows of its batches."""

BY_QUESTION = {
    "text": "past_texts",
    "document": "past_documents",
    "length": "past_lengths",
    "mix": "past_mixes",
    "mix_document": "past_manifests",
}
"""Tables of which the past is a question of its own."""


@contextmanager
def past(store: Store, batch_id: int) -> Iterator[Store]:
    """A registry in memory with what a store held after a batch: all that a draw looks at, but not the texts.

    Declarations are in force as they were, and generations derived from the lineage of then. What was filled in later
    of a model, a run or a mix that was known by its digest alone is in it all the same: nothing says when.
    """
    with Store.empty(":memory:", store.clock) as held:
        asked = pa.table({"batch_id": pa.array([batch_id], pa.int64())})
        with store.lend(asked=asked), held.transaction():
            for name, rows in _rows(store, batch_id):
                held.connection.from_arrow(rows.to_arrow_reader(100_000)).insert_into(name)
            rederive(held)
        yield held


def _rows(store: Store, batch_id: int) -> Iterator[tuple[str, DuckDBPyRelation]]:
    until = ColumnExpression("batch_id") <= ConstantExpression(batch_id)
    for name in WHOLE:
        yield name, store.connection.table(name)
    for name in BY_BATCH:
        yield name, store.connection.table(name).filter(until)
    for name, asked in BY_QUESTION.items():
        yield name, store.connection.sql(question(asked))
