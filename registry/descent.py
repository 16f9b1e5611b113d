"""Descent: everything that learnt from a text or was made of it, through derivations, mixes, models and their bases."""

from collections.abc import Sequence

import pyarrow as pa
from duckdb import DuckDBPyRelation

from registry.store import Store

NO_DOCUMENTS = pa.table({"document_id": pa.array([], pa.int64())})


def descend(
    store: Store,
    documents: pa.Table | DuckDBPyRelation = NO_DOCUMENTS,
    models: Sequence[int] = (),
    mixes: Sequence[int] = (),
) -> None:
    """Leave in the temporary table `descended` all that descends from documents, models and mixes, these included.

    `descended(kind, id, step)` names documents, mixes and models, each with the least number of steps to it: a
    derivation, a draw, a training, a fine-tuning and a writing are one each. What a model wrote descends with the model
    and is not listed one by one: the temporary view `descended_document` has it.

    Args:
        documents: one column, `document_id` int64.
        models, mixes: their local ids.
    """
    started = [("model", model_id) for model_id in models] + [("mix", mix_id) for mix_id in mixes]
    columns = {
        "kind": pa.array([kind for kind, _ in started], pa.string()),
        "id": pa.array([local_id for _, local_id in started], pa.int64()),
    }
    with store.lend(seed=documents, started=pa.table(columns)):
        store.run("stage_descended")
    step = idle = 0
    while idle < 2:  # what a model wrote is a step of its own that is not listed: its children are two steps away
        idle = 0 if store.ask_value("grow_descended", step=step) else idle + 1
        step += 1
    store.run("view_descended")


def describe_new_mixes(store: Store) -> None:
    """Note of each mix whose manifest has just come what it is made of, as drawn, as known now and by derivations."""
    note_parents(store, anew=False)
    store.run("insert_mix_composition")


def note_parents(store: Store, anew: bool) -> None:
    """Note of each new mix, or of all `anew`, which models' texts its documents were made of by derivations."""
    store.run("stage_forebear", anew=anew)
    steps = 1
    while store.ask_value("grow_forebear", steps=steps):
        steps += 1
    store.run("insert_mix_parents")
