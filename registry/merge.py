"""Merging: what another registry holds comes into this one, in one act; digests decide what is the same.

Its ids are staged here, met with ours by digest, and what is new flows over: texts and documents as streams, the rest
by joins. Its declarations keep their precedence and their time, so which one is in force does not depend on who was
merged first; its chain, and those that it merged, are kept link by link.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import ColumnExpression, ConstantExpression

from provenance.errors import ProvError
from registry.carry import BrokenLineage, Carried, learn, records
from registry.copying import rows_at_a_time
from registry.fingerprints import NONE_SIGNED, complete
from registry.lineage import rederive
from registry.near_holdouts import note_arrived
from registry.schema import question
from registry.store import MOMENT, Batch, Progress, Store, silent

STAGED = (
    "text",
    "declaration",
    "derivation",
    "length",
    "annotation",
    "holdout",
    "measurement",
    "picture",
    "detection",
    "attribution",
)
"""Tables of which all rows come here first, by the ids of the other registry, without contents and metadata."""

LENT = (
    *("source", "license", "field", "tokenizer", "model", "run", "mix", "mix_composition", "annotated_field"),
    *("holdout_source", "withdrawal", "handed_out", "experiment", "watermark_key", "detector", "batch", "merged_batch"),
)
"""Tables that are small enough to be held in memory."""


@dataclass
class Merged:
    """What an act of merging came to.

    Attributes:
        other, registry: the file that was merged, and the id of the registry in it.
        added, known: how many rows of each kind were new, and how many were held already.
        learnt: models, runs and mixes that were new, or known by their digest alone until now.
        declared_otherwise: documents held by both, and declared in two ways; both declarations are kept.
        differing: documents held by both, of which the other tells another URL, time or metadata; ours are kept.
        sources_otherwise: sources of which the other knows another URL or consent; ours is kept.
        annotated_otherwise: annotations that differ from those held here, or are of another kind; ours are kept.
        withdrawn: documents left out, since a withdrawal here covers them.
        parents_left_out: derivations left out, with a document that was left out.
        mixes_left_out: mixes known by their digest alone, since a document of theirs was left out.
        circles: derivations left out by which documents would be their own ancestors.
        restored: texts that had been erased here, and came again in a document that no withdrawal covers.
        erased_there: texts that were erased in the other registry, and whose content is held here.
        uncounted: texts without a token count, where this registry counts tokens.
    """

    other: str
    registry: str
    added: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    learnt: int = 0
    declared_otherwise: int = 0
    differing: int = 0
    sources_otherwise: int = 0
    annotated_otherwise: int = 0
    withdrawn: int = 0
    parents_left_out: int = 0
    mixes_left_out: int = 0
    circles: int = 0
    restored: int = 0
    erased_there: int = 0
    uncounted: int = 0

    def summary(self) -> dict[str, Any]:
        return dict(vars(self))


def merge(store: Store, other: str | os.PathLike[str], dry_run: bool = False, progress: Progress = silent) -> Merged:
    """Take another registry into this one, as one batch; the same again changes nothing.

    Args:
        dry_run: do all of it, then leave the registry as it was.
        progress: called with the number of texts and documents settled since the last call.
    Raises:
        ProvError: the other file is this very registry, or none; or what it says of a model or a run contradicts
            what is held here.
        Locked: another process is writing it.
    """
    with _opened(store, other) as theirs:
        _refuse_without_texts(theirs, store)
        with store.batch("merge") as batch:
            act = _Act(store, theirs, batch, progress)
            result = act.carry_out()
            if dry_run or not act.wrote_something:
                batch.abandon()
    return result


def size(store: Store, other: str | os.PathLike[str]) -> int:
    """How many texts and documents there are to settle in a registry that is to be merged."""
    with _opened(store, other) as theirs:
        counts = theirs.ask_records("tally")[0]
    return int(counts["texts"] + counts["documents"])


def _opened(store: Store, other: str | os.PathLike[str]) -> Store:
    path = Path(other)
    if store.is_at(path):
        raise ProvError(f"{path} is this very registry: name another one to take in")
    return Store.open(path, read_only=True)


def _refuse_without_texts(*stores: Store) -> None:
    for store in stores:
        if store.setting("texts"):
            raise ProvError(f"{store.path} is a copy made without its texts: merge the registry that it was made from")


class _Act:
    """One act of merging, inside its transaction."""

    def __init__(self, store: Store, theirs: Store, batch: Batch, progress: Progress) -> None:
        self.store, self.theirs, self.batch, self.progress = store, theirs, batch, progress
        self.act = {"batch_id": batch.batch_id}
        self.result = Merged(str(theirs.path), theirs.setting("registry_id") or "")
        self.held: dict[str, int] = {}
        self.moved = self.edges = self.newest_text = 0
        self.signed = NONE_SIGNED
        self.wrote_something = False

    def carry_out(self) -> Merged:
        before = self.store.ask_records("tally")[0]
        lent = {f"their_{name}": self.theirs.connection.table(name).to_arrow_table() for name in LENT}
        self._be_later_than(lent["their_batch"], lent["their_merged_batch"])
        with self.store.lend(**lent):
            self._stage()
            self._learn()
            self._meet_names()
            self._take_documents()
            self._take_knowledge()
            self._take_rules()
            self._take_mixes()
            self._take_watermarks()
            self._take_chains()
        self._conclude(before)
        return self.result

    def _be_later_than(self, *chains: pa.Table) -> None:
        """Let what is declared here from now on be newer than all that comes, whatever their clock said."""
        for chain in chains:
            newest: datetime | None = pc.max(chain.column("made_at")).as_py()
            if newest:
                self.batch.made_at = max(self.batch.made_at, newest + MOMENT)

    # -- what is there, and what of it is held

    def _stage(self) -> None:
        self.store.run("stage_theirs")
        for name in STAGED:
            self._stage_table(name, self.theirs.connection.table(name))
        self._stage_table("document", self.theirs.connection.sql(question("theirs_described")))
        self.result.withdrawn = self.store.ask_value("withhold_theirs")
        self.store.run("stage_met_texts")
        self.store.run("stage_met_documents")
        unheld = [ConstantExpression(mix_id) for (mix_id,) in self.store.ask("unheld_mixes")]
        if unheld:
            manifests = self.theirs.connection.table("mix_document")
            self._stage_table("mix_document", manifests.filter(ColumnExpression("mix_id").isin(*unheld)))
            self.store.run("drop_cut_manifests")

    def _stage_table(self, name: str, rows: duckdb.DuckDBPyRelation) -> None:
        staged = f"their_{name}"
        wanted = rows.select(*map(ColumnExpression, self.store.connection.table(staged).columns))
        with wanted.to_arrow_reader(100_000) as reader:
            self.store.connection.from_arrow(reader).insert_into(staged)

    # -- models, runs, mixes, and all that has a name

    def _learn(self) -> None:
        self.store.run("merge_tokenizers", **self.act)
        cut = {digest for (digest,) in self.store.ask("cut_mixes")}
        self.theirs.run("every_ancestor")
        told = records(self.theirs)
        for mix in told["mixes"]:
            if mix["digest"] in cut:
                mix |= {"is_stub": True, "spec": None}
        self.result.mixes_left_out = len(cut)
        try:
            self.result.learnt = learn(self.store, self.batch, Carried(**told))
        except BrokenLineage as error:
            raise ProvError(
                f"{self.theirs.path} and this registry contradict each other: {error.kind} {error.digest[:12]} "
                f"{error.reason}; find out with `prov verify` which of them was tampered with"
            ) from error
        self.moved = self.store.ask_value("merge_paths")
        self.store.run("merge_mix_times", **self.act)

    def _meet_names(self) -> None:
        self.store.run("merge_licenses")
        self.store.run("merge_fields")
        for step in ("merge_sources", "merge_annotated_fields"):
            self.store.run(step, **self.act)
        self.result.sources_otherwise = self.store.ask_value("sources_otherwise")
        self.store.run("stage_met_names")
        self.result.declared_otherwise = self.store.ask_value("declared_otherwise")
        self.result.differing = self.store.ask_value("described_otherwise")

    # -- texts and documents

    def _take_documents(self) -> None:
        self.held = self.store.ask_records("count_met")[0]
        self.newest_text = self.store.ask_value("newest_text")
        self.progress(sum(self.held.values()))
        at_a_time = rows_at_a_time(self.theirs.connection)
        self._take("wanted_texts", "give_texts", "merge_texts", at_a_time)
        self.result.restored = self._take("wanted_contents", "give_texts", "merge_contents", at_a_time)
        missing = self.theirs.connection.sql(question("texts_without_content")).to_arrow_table()
        with self.store.lend(their_missing=missing):
            self.result.erased_there = self.store.ask_value("erased_there")
        self.signed = complete(self.store)
        self._take("wanted_documents", "give_documents", "merge_documents", 10_000, **self.act)

    def _take(self, wanted: str, give: str, take: str, at_a_time: int, **params: Any) -> int:
        """Ask the other registry for the rows that are wanted of it, and take them as they stream in.

        Returns:
            How many rows were taken.
        """
        # An unread rest of a reader would keep the other file open, and whoever opens it next waiting.
        asked = self.store.connection.sql(question(wanted)).to_arrow_reader(100_000)
        with asked, self.theirs.lend(lent=asked):
            self.theirs.run("stage_wanted")
        with self.theirs.connection.sql(question(give)).to_arrow_reader(at_a_time) as rows:
            given = _Flow(self.theirs, rows, self.progress)
            with given.told(), self.store.lend(incoming=given.reader()):
                taken: int = self.store.ask_value(take, **params)
        return taken

    def _take_knowledge(self) -> None:
        """Declarations, derivations, token counts and annotations, of documents that were held and that came."""
        if self.store.ask_value("merge_declarations", **self.act):
            self.store.run("put_in_force", **self.act)
        self.edges = self.store.ask_value("merge_derivations", **self.act)
        self.result.parents_left_out = self.store.ask_value("parents_left_out")
        self.store.run("merge_lengths")
        self.store.run("stage_told_annotations")
        self.result.annotated_otherwise = self.store.ask_value("annotated_otherwise")
        self.store.run("merge_annotations", **self.act)

    # -- rules, mixes, chains

    def _take_rules(self) -> None:
        for step in ("merge_holdouts", "merge_holdout_sources", "hold_out_merged", "merge_withdrawals"):
            self.store.run(step, **self.act)
        note_arrived(self.store, self.batch, self.newest_text, self.signed)

    def _take_mixes(self) -> None:
        self.store.run("merge_manifests")
        self.store.run("merge_mix_compositions")
        self.store.run("merge_handed_out", **self.act)
        for step in ("merge_experiments", "merge_measurements", "merge_pictures"):
            self.store.run(step, **self.act)

    def _take_watermarks(self) -> None:
        """What was looked for and found in documents, and what is inferred of them; what is known here is kept."""
        for step in ("merge_watermark_keys", "merge_detections", "merge_detectors", "merge_attributions"):
            self.store.run(step, **self.act)

    def _take_chains(self) -> None:
        ours = self.store.setting("registry_id")
        self.store.run("merge_chains", theirs=self.result.registry, ours=ours, **self.act)

    # -- what follows

    def _conclude(self, before: dict[str, int]) -> None:
        may_circle = self.edges or self.result.learnt or self.result.declared_otherwise
        if self.held["documents"] and may_circle:
            self._cut_circles()
        self._count(before)
        told = {name: count for name, count in self.result.added.items() if name != "batches"}
        is_news = any(told.values()) or self.result.learnt or self.result.restored
        self.wrote_something = bool(is_news or self.moved or self.result.added["batches"])
        if is_news:
            rederive(self.store)
        self.store.run("forget_theirs")
        self.batch.documents, self.batch.bytes = self.result.added["documents"], self.result.added["bytes"]

    def _count(self, before: dict[str, int]) -> None:
        after, there = self.store.ask_records("tally")[0], self.theirs.ask_records("tally")[0]
        there["batches"] += len(self.theirs.connection.table("batch"))
        self.result.added = {name: max(0, count - before[name]) for name, count in after.items()}
        self.result.known = {
            name: there[name] - self.result.added[name] for name in ("sources", "models", "runs", "mixes", "batches")
        } | self.held
        if tokenizer := self.store.ask_one("tokenizer"):
            self.result.uncounted = self.store.ask_value("count_uncounted_texts", tokenizer_id=tokenizer[0])

    def _cut_circles(self) -> None:
        """Leave out the derivations by which something would descend from itself: each registry knew half of them."""
        if self._has_circle():
            self.result.circles = self.store.ask_value("cut_circle", **self.act)
            if self._has_circle():
                item = self.store.ask_value("first_in_circle")
                raise ProvError(
                    f"{self.theirs.path} and this registry contradict each other: together they say that document "
                    f"{item!r} descends from itself; declare in one of them what is right, then merge again"
                )

    def _has_circle(self) -> bool:
        self.store.run("stage_held_circle")
        while self.store.ask_value("peel_circle"):
            pass
        return bool(self.store.ask("first_in_circle"))


class _Flow:
    """Rows on their way from one DuckDB into another; what stops them is told as what it was."""

    def __init__(self, giver: Store, rows: pa.RecordBatchReader, progress: Progress) -> None:
        self.giver, self.rows, self.progress = giver, rows, progress
        self.failure: Exception | None = None

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.rows.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.rows:
                yield batch
                self.progress(batch.num_rows)
        except Exception as error:
            self.failure = error
            raise

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise what stopped the rows, not what the taking side made of it."""
        try:
            yield
        except Exception as error:
            if isinstance(self.failure, ProvError):
                raise self.failure from None
            if self.failure is None:
                raise
            raise ProvError(
                f"cannot read {self.giver.path}: {str(self.failure).splitlines()[0]}; "
                "look for damage with `prov verify`, nothing of it was taken in"
            ) from error
