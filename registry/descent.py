"""Descent: everything that learnt from a text or was made of it, through derivations, mixes, models and their bases."""

import pyarrow as pa

from registry.store import Store


def descend(store: Store, documents: pa.Table) -> None:
    """Leave in the temporary table `descended` all that descends from some documents, themselves included.

    `descended(kind, id, step)` names documents, mixes and models, each with the number of steps that lead to it. What
    a model wrote descends with the model and is not listed one by one: the temporary view `descended_document` has it.

    Args:
        documents: one column, `document_id` int64.
    """
    with store.lend(seed=documents):
        store.run("stage_descended")
    step = 0
    while store.ask_value("grow_descended", step=step):
        step += 1
    store.run("view_descended")
