"""Near-duplicates: pairs of texts that share a band's key are candidates, and judged by their shingles.

Keys are met in DuckDB, which spills to disk what does not fit; texts are judged in parts of so many bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provenance.errors import ProvError
from provenance.fingerprint import Bands, Integers, Texts, shingle_sets
from registry.fingerprints import Sketcher
from registry.shared_keys import signatures_of, stage_band_keys
from registry.store import Lendable, Progress, Store, silent

Measure = Literal["jaccard", "containment", "either"]
MEASURES: tuple[Measure, ...] = ("jaccard", "containment", "either")

TRUNCATION = 0.9
"""From this containment on the shorter text is a truncation of the longer one, or stands in it as a whole."""

FULL_BUCKET, FIRSTS, NEXTS = 256, 16, 4
"""Texts with one key are compared each with each up to so many; beyond, with so many first and so many next ones."""

PART_BYTES = 128_000_000
"""Texts of about so many bytes are judged at a time."""
SOME_PAIRS = 50_000
"""The signatures of so many pairs are compared at a time."""

NEAR = pa.schema(
    [
        *(("left_id", pa.int64()), ("right_id", pa.int64()), ("jaccard", pa.float64()), ("containment", pa.float64())),
        *(("left_shingles", pa.int64()), ("right_shingles", pa.int64())),
    ]
)


@dataclass(frozen=True)
class Nearness:
    """From what similarity on two texts are near-duplicates.

    Attributes:
        measure: the share of all their shingles that both texts have (jaccard), the share of the shorter one's that the
            longer one has too (containment), or either of them.
        threshold: of the Jaccard similarity.
        containment: of the containment.
        estimated: compare signatures instead of shingles; there is no containment then.
    """

    threshold: float
    measure: Measure = "jaccard"
    containment: float = TRUNCATION
    estimated: bool = False

    def __post_init__(self) -> None:
        for name, value in (("threshold", self.threshold), ("containment", self.containment)):
            if not 0 < value <= 1:
                raise ProvError(f"the {name} is {value:g}: give a number above 0, and 1 at most")
        if self.estimated and self.measure != "jaccard":
            raise ProvError("signatures tell no containment: leave --verify signature out, or measure jaccard")

    def holds(self, jaccard: NDArray[np.float64], containment: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which pairs are near, (pairs,) bool."""
        is_alike, is_contained = jaccard >= self.threshold, containment >= self.containment
        return {"jaccard": is_alike, "containment": is_contained, "either": is_alike | is_contained}[self.measure]

    def bands(self, made: Sketcher) -> Bands:
        """The bands by which such pairs are found, where the signatures have so many rows."""
        if self.measure == "jaccard":
            return Bands.choose(self.threshold, made.spec.num_perm)
        return containing(made.spec.num_perm)

    def cheapest_bands(self, made: Sketcher) -> Bands:
        """The same, but those that are kept where they find such pairs as surely: no signature is read then."""
        is_kept = self.measure == "jaccard" and self.threshold >= made.spec.threshold
        return made.bands if is_kept else self.bands(made)


def containing(num_perm: int) -> Bands:
    """The bands for texts that stand in longer ones: with 128 rows, 93 % of pairs are found that share a fifth of all
    their shingles, and 99.8 % of those that share three tenths."""
    return Bands(num_perm // 2, 2)


# -- among which texts


def seek_among(
    store: Store, made: Sketcher, texts: Lendable, asked: Lendable | None = None, strange: Sequence[str] = ()
) -> tuple[int, int]:
    """Say among which texts near-duplicates are sought, and leave them in the temporary table `near_text`.

    Args:
        texts: one column, `text_id` int64.
        asked: the same; of each pair one at least is of these. None asks for all, or for the strange ones.
        strange: texts that are not of the registry, asked for by ids below zero: the first is -1.
    Returns:
        How many texts there are, and how many of them are asked for.
    """
    text_ids = pa.array(range(-1, -1 - len(strange), -1), pa.int64())
    strangers = made.rows(text_ids, contents := pa.array(strange, pa.large_string()))
    store.run("stage_strange")
    store.insert("strange", strangers.add_column(1, "content", contents))
    if asked is None:
        asked = strangers.select(["text_id"]) if strange else texts
    with store.lend(among=texts, asked_for=asked):
        store.run("stage_near_text")
    count, of_them = store.ask("count_near_texts")[0]
    return count, of_them


# -- pairs


def find_near(
    store: Store,
    made: Sketcher,
    near: Nearness,
    *,
    bands: Bands | None = None,
    across: bool = False,
    most: int | None = None,
    progress: Progress = silent,
) -> int:
    """Leave in the temporary table `near` the pairs of texts in `near_text` that are near-duplicates.

    Args:
        bands: by which candidates are found, where not by those that `near` asks for.
        across: leave out pairs of which both texts are asked for.
        most: how many texts may have a key for all of them to be compared; `FULL_BUCKET` where nothing is said.
        progress: called with the number of pairs judged since the last call.
    Returns:
        How many pairs shared a key and were judged.
    """
    stage_candidates(store, made, bands or near.bands(made), across, most)
    store.run("stage_near")
    return judge_candidates(store, made, near, progress)


def judge_pairs(store: Store, made: Sketcher, near: Nearness, pairs: pa.Table, progress: Progress = silent) -> int:
    """Judge pairs of texts, and add those that are near-duplicates to the temporary table `near`.

    Args:
        pairs: `left_id` and `right_id`, int64 each.
    """
    with store.lend(named_pair=pairs):
        store.run("stage_candidate_pairs", part_bytes=PART_BYTES)
    return judge_candidates(store, made, near, progress)


def judge_candidates(store: Store, made: Sketcher, near: Nearness, progress: Progress = silent) -> int:
    """Add the candidates that are near-duplicates to the temporary table `near`; how many candidates there were."""
    parts = store.ask("candidate_parts")
    for part, _ in parts:
        pairs = store.ask_table("candidates_of_part", part=part)
        left, right = (pairs.column(name).to_numpy() for name in ("left_id", "right_id"))
        rows = _estimated(store, left, right) if near.estimated else _counted(store, made, left, right)
        kept = near.holds(rows.column("jaccard").to_numpy(), rows.column("containment").fill_null(0).to_numpy())
        store.insert("near", rows.filter(pa.array(kept)))
        progress(len(left))
    return sum(pairs for _, pairs in parts)


def stage_candidates(store: Store, made: Sketcher, bands: Bands, across: bool = False, most: int | None = None) -> None:
    """Leave in the temporary table `candidate` the pairs that share a key; `find_near` says what the arguments are."""
    stage_band_keys(store, made, bands)
    store.run("stage_keyed")
    most = FULL_BUCKET if most is None else most
    store.run("stage_crowded", most=most)
    store.run("stage_candidate", most=most, firsts=FIRSTS, nexts=NEXTS, across=across, part_bytes=PART_BYTES)


# -- judging


def _counted(store: Store, made: Sketcher, left: Integers, right: Integers) -> pa.Table:
    """How alike the texts of each pair truly are."""
    ids, of_left, of_right = _distinct(left, right)
    with store.lend(asked=pa.table({"text_id": ids})):
        contents = store.ask_table("near_contents").column("content").combine_chunks()
    assert len(contents) == len(ids), f"{len(contents):,} of {len(ids):,} texts are held"
    sets = shingle_sets(Texts.of(contents.cast(pa.large_string())), made.spec)
    shared = sets.shared(of_left, of_right)
    left_size, right_size = sets.sizes[of_left], sets.sizes[of_right]
    jaccard, containment = shared / (left_size + right_size - shared), shared / np.minimum(left_size, right_size)
    return pa.table([left, right, jaccard, containment, left_size, right_size], schema=NEAR)


def _estimated(store: Store, left: Integers, right: Integers) -> pa.Table:
    """How alike they seem to be from their signatures."""
    ids, of_left, of_right = _distinct(left, right)
    pages = list(signatures_of(store, ids))
    held, signatures = np.concatenate([page[0] for page in pages]), np.concatenate([page[1] for page in pages])
    place = np.argsort(held)
    of_left, of_right = place[of_left], place[of_right]
    some = range(0, len(left), SOME_PAIRS)
    equal = [
        (signatures[of_left[start : start + SOME_PAIRS]] == signatures[of_right[start : start + SOME_PAIRS]]).mean(1)
        for start in some
    ]
    unknown = pa.nulls(len(left), pa.float64()), *(pa.nulls(len(left), pa.int64()),) * 2
    return pa.table([left, right, np.concatenate([np.empty(0), *equal]), *unknown], schema=NEAR)


def _distinct(left: Integers, right: Integers) -> tuple[Integers, Integers, Integers]:
    """The distinct ids of pairs in ascending order, and which of them each left and each right one is."""
    ids, which = np.unique(np.concatenate([left, right]), return_inverse=True)
    return ids, which[: len(left)], which[len(left) :]
