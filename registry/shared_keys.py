"""Shared keys: of all keys of bands those that several texts may have, for DuckDB to meet.

Most keys are those of one text alone. They are read in pages and sieved, so that the memory it takes is bounded.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from provenance.fingerprint import Bands, Hashes, Integers, Sieve, Signatures
from registry.fingerprints import Sketcher
from registry.store import Store

RANGE = 100_000
"""The texts of so many ids are read at a time,"""
SPARSE = 20
"""but where fewer than every so manieth of them is wanted, these are looked up."""
FEW_KEYS = 1_000_000
"""So many keys go to DuckDB as they are."""

KEPT, SIGNED = ("kept_keys_between", "kept_keys_of"), ("signatures_between", "signatures_of")
"""The questions for keys that are kept, and for signatures to make other keys of."""

Keyed = tuple[Integers, Hashes]
"""Ids of texts and their keys, (n,) int64 and uint64, so many a text as there are bands."""
Signed = tuple[Integers, Signatures]
"""Ids of texts, (n,) int64, and their signatures, (n, num_perm) uint32."""


def stage_band_keys(store: Store, made: Sketcher, bands: Bands) -> None:
    """Leave keys of the texts in `near_text` in the temporary table `band_key`.

    All that two texts have are there, where one of the two is asked for, and some others.
    """
    store.run("stage_band_key")
    texts, asked = _ids(store, asked=False), _ids(store, asked=True)
    if len(texts) * bands.bands <= FEW_KEYS:
        _keep(store, _keys(store, made, bands, texts))
    elif len(asked) < len(texts) / 2:
        sieve, others = Sieve(len(asked) * bands.bands), np.setdiff1d(texts, asked, assume_unique=True)
        _keep(store, _noted(sieve, _keys(store, made, bands, asked)))
        _keep(store, _sieved(sieve, 1, _keys(store, made, bands, others)))
    else:
        sieve = Sieve(len(texts) * bands.bands)
        for _ in _noted(sieve, _keys(store, made, bands, texts)):
            pass
        _keep(store, _sieved(sieve, 2, _keys(store, made, bands, texts)))


def _noted(sieve: Sieve, pages: Iterator[Keyed]) -> Iterator[Keyed]:
    for text_ids, keys in pages:
        sieve.add(keys)
        yield text_ids, keys


def _sieved(sieve: Sieve, least: int, pages: Iterator[Keyed]) -> Iterator[Keyed]:
    for text_ids, keys in pages:
        met = sieve.count(keys) >= least
        yield text_ids[met], keys[met]


def _keep(store: Store, pages: Iterator[Keyed]) -> None:
    for text_ids, keys in pages:
        store.insert("band_key", pa.table({"text_id": text_ids, "key": keys}))


def _ids(store: Store, asked: bool) -> Integers:
    ids: Integers = store.ask_table("near_text_ids", asked=asked).column("text_id").to_numpy()
    return ids


# -- pages


def _keys(store: Store, made: Sketcher, bands: Bands, ids: Integers) -> Iterator[Keyed]:
    """The keys of some texts."""
    if bands == made.bands:
        for rows in _pages(store, KEPT, ids):
            text_ids, keys = (rows.column(name).to_numpy() for name in ("text_id", "key"))
            yield text_ids, keys
    else:
        for text_ids, signatures in map(_signed, _pages(store, SIGNED, ids)):
            yield np.repeat(text_ids, bands.bands), bands.keys(signatures).ravel()


def signatures_of(store: Store, ids: Integers) -> Iterator[Signed]:
    """The signatures of some texts, in an order of their own, without those of no word."""
    return map(_signed, _pages(store, SIGNED, ids))


def _pages(store: Store, questions: tuple[str, str], ids: Integers) -> Iterator[pa.Table]:
    """What is kept of some texts, strange ones too: where ids are dense by the range, else one by one."""
    between, of_some = questions
    ranges, counts = np.unique(ids // RANGE, return_counts=True)
    dense = ranges[(counts * SPARSE >= RANGE) & (ranges >= 0)]
    for first in (dense * RANGE).tolist():
        rows = store.ask_table(between, first=first, last=first + RANGE - 1)
        is_wanted = np.zeros(RANGE, np.bool_)
        is_wanted[ids[(ids >= first) & (ids < first + RANGE)] - first] = True
        yield rows.filter(pa.array(is_wanted[rows.column("text_id").to_numpy() - first]))
    others = ids[~np.isin(ids // RANGE, dense)]
    for start in range(0, len(others), RANGE):
        with store.lend(asked=pa.table({"text_id": others[start : start + RANGE]})):
            yield store.ask_table(of_some)


def _signed(rows: pa.Table) -> Signed:
    ids, lists = (rows.column(name).combine_chunks() for name in ("text_id", "signature"))
    values: Signatures = lists.flatten().to_numpy()
    return ids.to_numpy(), values.reshape(len(ids), -1) if len(ids) else np.empty((0, 1), np.uint32)
