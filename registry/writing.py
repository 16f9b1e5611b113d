"""What there is to know in a registry for a model that writes into it: what to begin from, how far it has come."""

from registry.matching import matching
from registry.store import Store
from registry.where import Where


def beginnings(store: Store, where: str, writer: bytes, most: int) -> list[tuple[str, str]]:
    """The digests, in hex, and the texts of so many documents at most that a filter lets through, in their order.

    What is held out or withdrawn is none of them: what is written on from it could go into no mix. Nor is what the
    writer wrote itself, so that the same filter lets the same documents through while it writes.

    Args:
        writer: the digest of the model that is to write on.

    Raises:
        UnknownField, WhereError: the filter names or compares what there is not.
    """
    matching(store, Where.parse(where))
    store.run("stage_withdrawn")
    return [(digest, text) for digest, text in store.ask("matching_contents", writer=writer, most=most)]


def last_written(store: Store, run_id: int) -> int:
    """The number of the last text of a run that is held, 0 where there is none."""
    number: int = store.ask_value("last_written", run_id=run_id)
    return number


def tokenizer_of(store: Store, model: bytes) -> str | None:
    """The digest of the tokenizer that a recorded model learnt with, in hex; None where its recipe names none."""
    found = store.ask_one("tokenizer_of_model", digest=model)
    return found[0] if found else None
