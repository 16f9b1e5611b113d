"""Near hold-outs: texts that are near-duplicates of held-out ones, which are kept out of mixes like these.

They are found when either of the two arrives or is held out, and noted in the batch that does it. A text is noted
once, with the held-out text that it is nearest to then.
"""

import sys

import pyarrow as pa
from duckdb import DuckDBPyRelation

from provenance.fingerprint import Bands, MinHashSpec
from registry import fingerprints
from registry.fingerprints import UNFINISHED, Sketcher, sketcher
from registry.near import Nearness, find_near, seek_among
from registry.schema import question
from registry.store import Batch, Lendable, Progress, Store, silent

BANDS = Bands(25, 5)
"""Of pairs whose similarity is 0.8 these miss one in ten thousand, of 0.7 one in a hundred."""


def bands_for(num_perm: int) -> Bands:
    """The bands by which near hold-outs are found: the same recall as far as signatures have rows for it."""
    return Bands(min(BANDS.bands, num_perm // BANDS.rows), BANDS.rows)


def seeker(store: Store) -> Sketcher | None:
    """What near-duplicates are looked for by; None where not every text has a fingerprint to be found by."""
    if store.setting("texts") or store.setting(UNFINISHED):
        return None
    if store.ask_value("more_texts_than_fingerprints") and store.ask_value("any_unsigned"):
        return None
    return sketcher(store)


def find_nearest(store: Store, held: Lendable, newest: int = 0, signed: pa.Table = fingerprints.NONE_SIGNED) -> bool:
    """Leave in the temporary table `nearest` the texts that are near to held-out ones, each with the nearest of them.

    Texts that are held out themselves, or noted as near already, are left out.

    Args:
        held: the texts that are held out, or are to be: one column, `text_id` int64.
        newest: only texts after this one are looked at,
        signed: and these: the same column.
    Returns:
        Whether near-duplicates can be looked for; the table is empty otherwise.
    """
    store.run("stage_nearest")
    made = seeker(store)
    if not made:
        return False
    with store.lend(signed=signed):
        others = store.ask_table("free_texts", newest=newest)
    if len(others):
        _find(store, made, held, others)
    return True


def _find(store: Store, made: Sketcher, held: Lendable, others: Lendable) -> None:
    seek_among(store, made, others, held)
    nearness = Nearness(made.spec.threshold, "either")
    # However many texts share a key: of those that are near to a held-out one none may be missed.
    find_near(store, made, nearness, bands=bands_for(made.spec.num_perm), across=True, most=sys.maxsize)
    store.run("insert_nearest")


def note_nearest(store: Store, batch: Batch) -> int:
    """Note what `find_nearest` found in a batch; how many texts these are."""
    noted: int = store.ask_value("insert_near_holdouts", batch_id=batch.batch_id)
    return noted


def note_arrived(store: Store, batch: Batch, newest: int, signed: pa.Table) -> None:
    """Note which texts that a batch brought are near to held-out ones, and which are to those that it held out.

    Args:
        newest: the newest text before it; those after it are what the batch brought,
        signed: and these, whose content has come again, or was never looked at before.
    """
    if not store.ask_value("any_held_out"):
        return
    with store.lend(signed=signed):
        holds_more = store.ask_value("holds_more", batch_id=batch.batch_id)
    if find_nearest(store, held_out(store), 0 if holds_more else newest, signed):
        note_nearest(store, batch)


def held_out(store: Store) -> DuckDBPyRelation:
    """All texts that are held out."""
    return store.connection.sql(question("held_out_ids"))


def rebuild(store: Store, spec: MinHashSpec, anew: bool = False, progress: Progress = silent) -> int:
    """Make the fingerprints that are missing, or all, and note what is near to held-out texts by them.

    `registry.fingerprints.rebuild` says what the arguments and the answer are.
    """
    made = fingerprints.rebuild(store, spec, anew, progress)
    if store.ask_value("any_held_out"):
        with store.batch("fingerprint") as batch:
            store.run("forget_setting", name=UNFINISHED)
            if not (find_nearest(store, held_out(store)) and note_nearest(store, batch)):
                batch.abandon()
    with store.transaction():
        store.run("forget_setting", name=UNFINISHED)
    return made
