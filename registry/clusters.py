"""Clusters: documents whose texts are the same or near, which one of them survives, and what that costs whom.

A cluster is a star. Its representative is the text
that the policy would keep first; every other member was judged to be near to that very text. What is near to a member
alone is in another cluster, so that no chain of small steps joins what has little in common.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provenance.errors import ProvError
from provenance.fingerprint import Integers
from registry.fingerprints import wanted_sketcher
from registry.licensing import USES, VERDICTS, judge
from registry.near import Nearness, find_near, judge_pairs, seek_among
from registry.store import Lendable, Progress, Store, silent

Keep = Literal["human", "earliest", "license", "longest"]
KEEPS: tuple[Keep, ...] = ("human", "earliest", "license", "longest")
"""Which document of a cluster survives: the one of human origin, the one created first, the one under the licence that
allows most, the longest one. What is equal goes by origin, generation, length, date and digest, in this order."""

MAX_LOSS = 0.2
"""A source that would lose a larger share than this is told, and keeps all that it has."""

_SPARED = pa.schema([("name", pa.string()), ("is_source", pa.bool_())])


@dataclass(frozen=True)
class Duplicates:
    """What looking for duplicates came to; the temporary tables `member` and `duplicate` hold which they are.

    Attributes:
        documents, texts: among how many was looked.
        candidates: pairs of texts that were judged; near_pairs: those that are near.
        clusters, members: how many clusters there are, and how many documents in them.
        duplicates: documents that another one stands for.
        sources: what each source, or model where there is none, would lose; spared ones keep it.
    """

    documents: int
    texts: int
    candidates: int
    near_pairs: int
    clusters: int
    members: int
    member_texts: int
    duplicates: int
    sources: list[dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        return dict(vars(self))


def find_duplicates(
    store: Store,
    documents: Lendable,
    near: Nearness | None,
    keep: Keep = "human",
    max_loss: float = MAX_LOSS,
    *,
    texts_of: Store | None = None,
    progress: Progress = silent,
) -> Duplicates:
    """Leave in the temporary tables `member` and `duplicate` the clusters among some documents.

    Args:
        documents: one column, `document_id` int64.
        near: what is near; None joins only documents of one text.
        keep: which document of a cluster survives.
        max_loss: the largest share of its documents that a source may lose.
        texts_of: where texts and fingerprints are held, where that is another store.
        progress: called with the number of pairs judged since the last call.
    Raises:
        NoFingerprints, ProvError: near-duplicates are asked for, and not all texts have fingerprints.
    """
    if not 0 <= max_loss <= 1:
        raise ProvError(f"the largest loss is {max_loss:g}: give a share from 0 to 1")
    with store.lend(dedupable=documents):
        store.run("stage_deduped")
    pairs = _Pairs(store, texts_of or store, near, progress)
    candidates = pairs.find()
    with store.lend(license_place=_license_places(store)):
        store.run("stage_ranked", keep=keep, no_license=_place(None))
    with store.lend(clustered=_clustered(pairs, store.ask_table("standings"))):
        store.run("stage_member", keep=keep)
    losses = store.ask_records("dedup_losses")
    spared = [row for row in losses if row["duplicates"] > max_loss * row["documents"]]
    names = [{"name": row["name"], "is_source": row["is_source"]} for row in spared]
    with store.lend(spared=pa.Table.from_pylist(names, _SPARED)):
        store.run("stage_duplicate")
    counts = store.ask_records("dedup_counts")[0]
    return Duplicates(candidates=candidates, sources=[row | {"spared": row in spared} for row in losses], **counts)


def _license_places(store: Store) -> pa.Table:
    """Of each licence how much it allows: the less the later."""
    rows = store.ask("license_ids")
    ids = pa.array([license_id for license_id, _ in rows], pa.int64())
    return pa.table({"license_id": ids, "place": pa.array([_place(name) for _, name in rows], pa.int64())})


def _place(license: str | None) -> int:
    return sum(VERDICTS.index(judge(license, use).verdict) for use in USES)


# -- pairs


class _Pairs:
    """The pairs of near-duplicates among the texts in `deduped`, which `store` has in its temporary table `near`."""

    def __init__(self, store: Store, texts_of: Store, near: Nearness | None, progress: Progress) -> None:
        self.store, self.texts_of, self.near, self.progress = store, texts_of, near, progress

    def find(self) -> int:
        """Look for them; how many pairs were judged."""
        self.store.run("stage_near")
        if not self.near:
            return 0
        made = wanted_sketcher(self.texts_of)
        texts = self.store.ask_table("deduped_texts")
        seek_among(self.texts_of, made, texts)
        judged = find_near(self.texts_of, made, self.near, progress=self.progress)
        self._bring()
        return judged

    def all(self) -> pa.Table:
        return self.store.ask_table("near_pairs")

    def judge(self, left: Integers, right: Integers) -> None:
        """Judge more pairs, given the ids of their texts."""
        assert self.near
        if self.texts_of is not self.store:
            self.texts_of.run("stage_near")  # what is there was brought before
        named = pa.table({"left_id": np.minimum(left, right), "right_id": np.maximum(left, right)})
        judge_pairs(self.texts_of, wanted_sketcher(self.texts_of), self.near, named, self.progress)
        self._bring()

    def _bring(self) -> None:
        if self.texts_of is not self.store:
            self.store.insert("near", self.texts_of.ask_table("near_pairs"))


# -- clusters


@dataclass(frozen=True)
class _Edges:
    """Which texts may stand for which, by their places in the order in which they are kept.

    Attributes:
        one, other: (edges,) int64; `one` may stand for `other`.
        jaccard, containment: of the two, (edges,) float64.
    """

    one: Integers
    other: Integers
    jaccard: NDArray[np.float64]
    containment: NDArray[np.float64]


def _clustered(pairs: _Pairs, standings: pa.Table) -> pa.Table:
    """The cluster of each text, by the id of its representative, and how near the text is to that."""
    text_ids = standings.column("text_id").to_numpy()
    edges = _edges(pairs.all(), text_ids, pairs.near)
    left, right = _unmet(edges, len(text_ids))
    if len(left):
        pairs.judge(text_ids[left], text_ids[right])
        edges = _edges(pairs.all(), text_ids, pairs.near)
    representative, edge = _stars(edges, len(text_ids))
    measured = {
        name: pa.array(np.where(edge < 0, 1.0, np.append(values, 1.0)[edge]))
        for name, values in (("jaccard", edges.jaccard), ("containment", edges.containment))
    }
    return pa.table({"text_id": text_ids, "cluster_id": text_ids[representative], **measured})


def _edges(near: pa.Table, text_ids: Integers, nearness: Nearness | None) -> _Edges:
    columns = {name: near.column(name).to_numpy() for name in near.column_names}
    order = np.argsort(text_ids)
    left, right = (order[np.searchsorted(text_ids, columns[name], sorter=order)] for name in ("left_id", "right_id"))
    jaccard, containment = columns["jaccard"], columns["containment"]
    if nearness is None or nearness.measure == "jaccard":
        left_holds = right_holds = np.ones(len(left), np.bool_)
    else:
        shared = containment * np.minimum(columns["left_shingles"], columns["right_shingles"])
        alike = (jaccard >= nearness.threshold) & (nearness.measure == "either")
        left_holds = alike | (shared >= nearness.containment * columns["right_shingles"])
        right_holds = alike | (shared >= nearness.containment * columns["left_shingles"])
    return _Edges(
        np.concatenate([left[left_holds], right[right_holds]]),
        np.concatenate([right[left_holds], left[right_holds]]),
        np.concatenate([jaccard[left_holds], jaccard[right_holds]]),
        np.concatenate([containment[left_holds], containment[right_holds]]),
    )


def _unmet(edges: _Edges, texts: int) -> tuple[Integers, Integers]:
    """The first text of each component, and those of it that were not judged against the first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges.one), np.bool_), (edges.one, edges.other)), shape=(texts, texts))
    _, component = connected_components(graph, directed=False)
    _, firsts = np.unique(component, return_index=True)
    first = firsts[component]
    met = np.zeros(texts, np.bool_)
    met[edges.other[first[edges.other] == edges.one]] = True
    met[edges.one[first[edges.one] == edges.other]] = True
    unmet = np.flatnonzero(~met & (first != np.arange(texts)))
    return first[unmet], unmet


def _stars(edges: _Edges, texts: int) -> tuple[Integers, Integers]:
    """Give each text, in the order in which they are kept, those that it may stand for and that none before it has.

    Returns:
        Of each text its representative, (texts,) int64, and the edge to it, -1 where it is its own.
    """
    order = np.lexsort((edges.other, edges.one))
    starts = np.searchsorted(edges.one[order], np.arange(texts + 1)).tolist()
    others = edges.other[order].tolist()
    representative, edge = [-1] * texts, [-1] * texts
    for text in range(texts):
        if representative[text] >= 0:
            continue
        representative[text] = text
        for at in range(starts[text], starts[text + 1]):
            if representative[others[at]] < 0:
                representative[others[at]], edge[others[at]] = text, at
    found = np.array(edge, np.int64)
    return np.array(representative, np.int64), np.where(found < 0, -1, np.append(order, -1)[found])
