"""Matching: the documents that a filter lets through, for acts and audits that are told which with `--where`."""

from duckdb import ColumnExpression

from registry.candidates import candidates
from registry.draw import policy
from registry.mix import MixSpec, Stratum
from registry.store import Store
from registry.where import Where


def matching(store: Store, where: Where) -> int:
    """Leave in the temporary table `matching(document_id)` the documents that a filter lets through.

    Documents of unknown and of mixed origin are what they are: `origin = 'unknown'` finds them. What a mix would
    leave out (withdrawn, held out) is found too.

    Returns:
        How many there are.
    Raises:
        UnknownField, WhereError: the filter names or compares what there is not.
        ProvError: it asks for tokens, which are not counted.
    """
    everything = MixSpec(strata=(Stratum(where=where, share=1.0),))
    with store.lend(policy=policy(store, everything)):
        found = candidates(store, where.names)
        chosen = found.relation.filter(found.condition(where)).select(ColumnExpression("document_id"))
        with store.lend(let_through=chosen):
            store.run("stage_matching")
    count: int = store.ask_value("count_matching")
    return count
