"""The fingerprints of a registry: by which spec they are made, and keeping them for every text."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from provenance.errors import ProvError
from provenance.fingerprint import Bands, Integers, MinHashSpec, Texts, is_empty, sign_texts
from registry.store import Progress, Store, silent

SETTING = "fingerprint"
"""The setting that holds the spec."""
UNFINISHED = "fingerprints_unfinished"
"""The setting that says: not all texts have been looked at that may be near to held-out ones."""

AT_A_TIME = 65_536
BYTES_AT_A_TIME = 64_000_000
"""So many texts, or fewer of so many bytes, are signed at a time, and kept from then on."""

NONE_SIGNED = pa.table({"text_id": pa.array([], pa.int64())})
LISTS = pa.schema([("text_id", pa.int64()), ("signature", pa.list_(pa.uint32())), ("keys", pa.list_(pa.uint64()))])


@dataclass(frozen=True)
class Sketcher:
    """Makes the fingerprints that a registry keeps."""

    spec: MinHashSpec

    @property
    def bands(self) -> Bands:
        """The bands whose keys are kept: those for the threshold of the spec."""
        return Bands.choose(self.spec.threshold, self.spec.num_perm)

    def rows(self, text_ids: pa.Array, texts: pa.Array) -> pa.Table:
        """Rows of the table `fingerprint`.

        Args:
            text_ids: (n,) int64.
            texts: (n,) string, large or not, without nulls.
        """
        signatures = sign_texts(Texts.of(texts.cast(pa.large_string())), self.spec)
        keys, empty = self.bands.keys(signatures), is_empty(signatures)
        columns = [text_ids, _lists(signatures), _lists(keys[~empty], np.where(empty, 0, keys.shape[1]))]
        return pa.table(columns, schema=LISTS)


def _lists(values: Any, lengths: Integers | None = None) -> pa.ListArray:
    """The rows of a matrix as lists; some rows of no length may stand between them."""
    lengths = np.full(len(values), values.shape[1]) if lengths is None else lengths
    ends = np.append(0, np.cumsum(lengths)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values.reshape(-1)))


def setting_of(spec: MinHashSpec | None) -> dict[str, str]:
    """The setting of a registry that keeps fingerprints by a spec, or none."""
    return {SETTING: spec.model_dump_json()} if spec else {}


class NoFingerprints(ProvError):
    """A question about near-duplicates to a registry that keeps no fingerprints."""

    def __init__(self) -> None:
        super().__init__("this registry keeps no fingerprints: make them with `prov fingerprint rebuild`")


def sketcher(store: Store) -> Sketcher | None:
    """What makes the fingerprints of a registry; None where it keeps none."""
    value = store.setting(SETTING)
    return Sketcher(MinHashSpec.model_validate_json(value)) if value else None


def wanted_sketcher(store: Store) -> Sketcher:
    """The same where there must be one.

    Raises:
        NoFingerprints: there is none.
        ProvError: some texts have no fingerprint yet, or it is a copy without texts.
    """
    found = sketcher(store)
    if not found:
        raise NoFingerprints
    refuse_bare(store)
    if missing := store.ask_records("count_fingerprints")[0]["missing"]:
        raise ProvError(f"{missing:,} texts have no fingerprint yet: make them with `prov fingerprint rebuild`")
    return found


def refuse_bare(store: Store) -> None:
    """Refuse a copy that was made without its texts: no fingerprint can be made of them, nor any pair judged."""
    if store.setting("texts"):
        raise ProvError(f"{store.path} is a copy made without its texts: ask the registry that it was made from")


def keep_by(store: Store, spec: MinHashSpec) -> None:
    """Make a spec the one by which fingerprints are made from now on; those there are go."""
    store.run("forget_fingerprints", every=True)
    for name, value in setting_of(spec).items():
        store.keep_setting(name, value)


def status(store: Store) -> dict[str, Any]:
    """How a registry's fingerprints are made, how surely they find what, and how many there are."""
    made = sketcher(store)
    told = {"spec": made.spec.model_dump() if made else None, **store.ask_records("count_fingerprints")[0]}
    if made:
        told["bands"] = str(made.bands)
        told["recall"] = {f"{at:g}": round(made.bands.recall(at), 4) for at in (0.7, 0.8, 0.9)}
    return told


def complete(store: Store, progress: Progress = silent) -> pa.Table:
    """Sign the texts that have no fingerprint, inside the caller's transaction; none where none are kept.

    Returns:
        Which these were: one column, `text_id` int64.
    """
    made, signed = sketcher(store), [NONE_SIGNED]
    if not made:
        return NONE_SIGNED
    for some in _unsigned(store):
        _sign(store, made, some, progress)
        signed.append(pa.table({"text_id": pa.array(some, pa.int64())}))
    return pa.concat_tables(signed)


def rebuild(store: Store, spec: MinHashSpec, anew: bool = False, progress: Progress = silent) -> int:
    """Make the fingerprints that are missing, or all of them where the spec is another.

    They are kept as they are made: interrupted, the same again goes on. What is near to held-out texts by them is not
    known yet, and the setting `fingerprints_unfinished` says so; `registry.near_holdouts.rebuild` finds it.

    Args:
        anew: make all of them all the same.
    Returns:
        How many were made.
    Raises:
        ProvError: it is a copy without texts, whose fingerprints would be gone.
    """
    refuse_bare(store)
    held = sketcher(store)
    with store.transaction():
        if anew or not held or held.spec != spec:
            keep_by(store, spec)
        store.run("forget_fingerprints", every=False)
        store.keep_setting(UNFINISHED, "true")
    made, signed = Sketcher(spec), 0
    for some in _unsigned(store):
        with store.transaction():
            signed += _sign(store, made, some, progress)
    return signed


def _unsigned(store: Store) -> Iterator[list[int]]:
    """The texts that have no fingerprint, so many at a time; they lie near each other."""
    first, last = store.ask("range_of_texts")[0]
    for start in range(first, last + 1, AT_A_TIME):
        found = store.ask("texts_unsigned", first=start, last=start + AT_A_TIME - 1)
        ends = np.cumsum([size for _, size in found], dtype=np.int64)
        marks = np.arange(BYTES_AT_A_TIME, ends[-1] if found else 0, BYTES_AT_A_TIME)
        cuts = np.unique([0, *(np.searchsorted(ends, marks) + 1).tolist(), len(found)])
        for one, other in pairwise(cuts.tolist()):
            yield [text_id for text_id, _ in found[one:other]]


def _sign(store: Store, made: Sketcher, text_ids: list[int], progress: Progress) -> int:
    with store.lend(asked=pa.table({"text_id": pa.array(text_ids, pa.int64())})):
        texts = store.ask_table("contents_of").combine_chunks()
    store.insert("fingerprint", made.rows(*(column.chunk(0) for column in texts.columns)))
    progress(len(texts))
    return len(texts)
