"""Contamination: held-out texts, near ones, and what descends from them, in recorded mixes; who learnt so."""

from typing import Any

from registry.descent import descend
from registry.lineage import find_manifest
from registry.schema import question
from registry.store import Store


def contamination(store: Store, mix: str | None = None) -> dict[str, Any]:
    """Which mixes hold held-out texts, near ones or what descends from them, and which models learnt from those.

    Args:
        mix: look into this one alone, and at the models that learnt from it.
    Returns:
        `held_out`, the texts under each name, and how many are near to them; `mixes` and `models` that are
        contaminated; `unseen`, how many mixes are known by their digest alone, so that nobody can look into them.
    Raises:
        NotFound, Ambiguous: there is no such mix.
        ProvError: the documents of the mix are not held.
    """
    mix_id = find_manifest(store, mix)[0] if mix is not None else None
    descend(store, store.connection.sql(question("held_out_documents")))
    return {
        "held_out": store.ask_records("list_held_out"),
        "mixes": store.ask_records("contaminated_mixes", mix_id=mix_id),
        "models": store.ask_records("contaminated_models", mix_id=mix_id),
        "unseen": 0 if mix is not None else store.ask_value("unseen_mixes"),
    }
