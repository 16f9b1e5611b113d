"""The registry: what a user of the library holds; each method does in one line what its module does at length."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from provenance.errors import ProvError
from provenance.fingerprint import DEFAULT, MinHashSpec
from registry import audit, experiments, fingerprints, near_holdouts, reach
from registry.annotate import Annotated, annotate, annotate_rows
from registry.attribute import Attributed, attribute, take_detector, train_detector
from registry.blind import Blinded, Trial, blind
from registry.composition import DIMENSIONS, composition
from registry.conflicts import conflicts
from registry.contamination import contamination
from registry.declare import Named, Redeclared, Statement, declare
from registry.dedup import dedup
from registry.detect import Sought, detect, detections
from registry.draw import Drawn, draw
from registry.fingerprints import setting_of
from registry.ingest import Feed, Ingested, Near, ingest, ingest_files
from registry.lineage import Model, Run, find_manifest, record_model, record_run, written_by
from registry.lookup import lookup, lookup_files
from registry.merge import Merged, merge
from registry.migrate import Migrated, migrate
from registry.mix import MixSpec
from registry.near import Nearness
from registry.readers import Meter, Row, Split
from registry.rows import MAX_BYTES, Declared, Rules, each_row
from registry.rules import HeldOut, Withdrawn, hold_out, withdraw
from registry.score import Asked, score
from registry.sealed import Key
from registry.snapshot import Snapshot, snapshot
from registry.stale import stale
from registry.store import Clock, Progress, Store, silent, utc_now
from registry.tokens import add_tokenizer, count_all, default_tokenizer, uncounted
from registry.verify import Verified, verify
from registry.where import Where
from registry.writers import Export, erased_of, export, export_held_out

if TYPE_CHECKING:
    from provenance.detection import Seekers
    from registry.stream import TokenStream


class Registry(Store):
    """A corpus that knows where each of its texts came from.

    >>> with Registry.create(":memory:") as corpus:                    # doctest: +SKIP
    ...     corpus.add([{"text": "a human wrote this"}], Declared(origin="human"))
    """

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        clock: Clock = utc_now,
        settings: Mapping[str, str] = MappingProxyType({}),
        fingerprint: MinHashSpec | None = DEFAULT,
    ) -> Self:
        """Make an empty registry and open it for writing; `Store.create` says how.

        Args:
            fingerprint: how the fingerprints of its texts are made, None to keep none.
        """
        return super().create(path, clock, {**settings, **setting_of(fingerprint)})

    # -- texts in

    def ingest(
        self,
        inputs: Iterable[str | Path],
        declared: Declared = Declared(),
        *,
        columns: Mapping[str, str] | None = None,
        run: str | None = None,
        split: Split | None = None,
        max_bytes: int = MAX_BYTES,
        skip_bad: bool = False,
        redeclare: bool = False,
        commit_each_file: bool = False,
        dry_run: bool = False,
        near: Near | None = None,
        seekers: "Seekers | None" = None,
        progress: Progress = silent,
        meter: Meter | None = None,
    ) -> Ingested:
        """Take in files, folders, globs or standard input (`-`) as one batch.

        Args:
            declared: what holds for every row that does not say otherwise.
            columns: our column names to the user's, where they differ.
            run: the run that wrote the texts, by (the start of) its digest.
            split: cut `.txt` files into paragraphs or lines; else each is one text.
            commit_each_file: make each file a batch of its own, and pass over files that are done.
            near: "report" tells which of the new texts are near-duplicates of others; nothing is removed.
            seekers: look for the marks of these keys in what is new (see `provenance.detection`).
            progress: called with the number of rows read since the last call.
            meter: tells meanwhile how many bytes of the files have been read.
        Raises:
            BadRow, Conflict, BrokenFile, NotFound: and then nothing was taken in.
        """
        return ingest_files(
            self,
            list(inputs),
            self._rules(declared, columns, run, max_bytes),
            split=split,
            commit_each_file=commit_each_file,
            meter=meter,
            skip_bad=skip_bad,
            redeclare=redeclare,
            dry_run=dry_run,
            near=near,
            seekers=seekers,
            progress=progress,
        )

    def _rules(
        self, declared: Declared, columns: Mapping[str, str] | None, run: str | None, max_bytes: int = MAX_BYTES
    ) -> Rules:
        return Rules(declared, dict(columns or {}), written_by(self, run) if run is not None else None, max_bytes)

    def add(
        self,
        rows: Iterable[Mapping[str, Any]] | pa.Table | pa.RecordBatch | pa.RecordBatchReader,
        declared: Declared = Declared(),
        *,
        run: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> Ingested:
        """Take in rows from Python, with the same columns and by the same rules as those of a file.

        Args:
            rows: mappings, or Arrow, of which a batch is in memory at a time; a null says nothing.
            name: what stands before the number of the row in ids that rows do not bring; with a run, the number alone
                is the id unless a name is given.
        """
        name = ("" if run else "rows") if name is None else name
        numbered = (Row(number, f"row {number:,}", dict(row)) for number, row in enumerate(each_row(rows), 1))
        return ingest(self, [Feed(name, numbered)], self._rules(declared, None, run), **options)

    def tokenize(self, name: str | None = None, progress: Progress = silent) -> int:
        """Count the tokens of every text, with a tokenizer to be kept or with the one that is.

        Returns:
            How many texts were counted.
        """
        if name:
            with self.batch("tokenize") as batch:
                if add_tokenizer(self, batch, name):
                    return self._count_tokens(progress)
                batch.abandon()
        with self.transaction():
            return self._count_tokens(progress)

    def _count_tokens(self, progress: Progress) -> int:
        tokenizer = default_tokenizer(self)
        if not tokenizer:
            raise ProvError("this registry has no tokenizer yet: name a tokenizer.json, or one on the Hugging Face hub")
        return count_all(self, tokenizer, progress)

    def uncounted(self) -> int:
        """How many texts have no token count yet; 0 where there is no tokenizer."""
        tokenizer = default_tokenizer(self)
        return uncounted(self, tokenizer) if tokenizer else 0

    # -- near-duplicates

    def fingerprints(self) -> dict[str, Any]:
        """How the registry's fingerprints are made, and how many there are."""
        return fingerprints.status(self)

    def rebuild_fingerprints(self, spec: MinHashSpec, anew: bool = False, progress: Progress = silent) -> int:
        """Make the fingerprints that are missing, or all by another spec; see `registry.near_holdouts.rebuild`."""
        return near_holdouts.rebuild(self, spec, anew, progress)

    def threshold(self, asked: float | None = None) -> float:
        """From what Jaccard similarity on texts are near-duplicates: what is asked for, or the registry's own."""
        return fingerprints.wanted_sketcher(self).spec.threshold if asked is None else asked

    def dedup(self, near: Nearness | None, **options: Any) -> dict[str, Any]:
        """What is here more than once, and which document of each cluster survives; see `registry.dedup.dedup`."""
        return dedup(self, near, **options)

    def lookup(self, inputs: Iterable[str | Path], near: Nearness | None, **options: Any) -> Iterator[pa.Table]:
        """What the texts of files are copies of, one row a text; see `registry.lookup.lookup_files` and `.lookup`."""
        return lookup_files(self, inputs, near, **options)

    def lookup_rows(
        self, rows: Iterable[Mapping[str, Any]], near: Nearness | None, name: str = "rows", **options: Any
    ) -> Iterator[pa.Table]:
        """The same of rows from Python, with the columns `text` and `id`; see `registry.lookup.lookup`."""
        numbered = ((name, Row(number, f"row {number:,}", dict(row))) for number, row in enumerate(rows, 1))
        return lookup(self, numbered, near, **options)

    # -- watermarks

    def detect(self, seekers: "Seekers", strip: bool = False, **options: Any) -> Sought:
        """Score every document that a key was not looked for in; see `registry.detect.detect`."""
        return detect(self, seekers, strip, **options)

    def detections(self, keys: Sequence[str] | None = None, **options: Any) -> dict[str, Any]:
        """What the keys that were looked for say of all documents; see `registry.detect.detections`."""
        return detections(self, keys, **options)

    # -- lineage

    def record_model(self, name: str, **known: Any) -> Model:
        """Record a model and how it was trained; see `registry.lineage.record_model`."""
        return record_model(self, name, **known)

    def record_run(self, model: str, spec: Any = None, seed: int | None = None, kind: str = "generate") -> Run:
        """Record an act of generating or editing with a model; its digest goes to `ingest(run=…)`."""
        return record_run(self, model, spec, seed, kind)

    # -- what is found out later

    def declare(
        self,
        statement: Statement,
        *,
        where: Where | str | None = None,
        ids: Iterable[Named | str] | None = None,
        dry_run: bool = False,
    ) -> Redeclared:
        """Append a declaration to every document meant; see `registry.declare.declare`."""
        return declare(self, statement, where=where, ids=ids, dry_run=dry_run)

    def annotate(self, paths: Iterable[str | Path], **options: Any) -> Annotated:
        """Join the columns of sidecar files to documents; see `registry.annotate.annotate`."""
        return annotate(self, list(paths), **options)

    def annotate_rows(self, rows: Iterable[Mapping[str, Any]], name: str = "rows", **options: Any) -> Annotated:
        """The same of rows from Python; see `registry.annotate.annotate_rows`."""
        return annotate_rows(self, rows, name, **options)

    # -- copies

    def merge(self, other: str | Path, dry_run: bool = False, progress: Progress = silent) -> Merged:
        """Take another registry into this one, as one batch; see `registry.merge.merge`."""
        return merge(self, other, dry_run, progress)

    def snapshot(self, target: str | Path, texts: bool = True, progress: Progress = silent) -> Snapshot:
        """Publish a consistent copy, a registry or a folder of Parquet tables; see `registry.snapshot.snapshot`."""
        return snapshot(self, target, texts, progress)

    # -- mixes

    def mix(self, spec: MixSpec, dry_run: bool = False) -> Drawn:
        """Draw a mix and record it; see `registry.draw.draw`."""
        return draw(self, spec, record=not dry_run)

    def texts(self, mix: str, rows: int = 10_000) -> Iterator[pa.RecordBatch]:
        """Stream a mix in its order, as Arrow batches of `text` and `provenance`."""
        return self.ask_batches("mix_texts", rows, mix_id=find_manifest(self, mix)[0])

    def torch(self, mix: str, **options: Any) -> "TokenStream":
        """A mix as batches of tokens for a training loop; see `registry.stream.stream`."""
        from registry.stream import stream

        return stream(self, mix, **options)

    def erased_of_mix(self, mix: str) -> int:
        """How many documents of a mix have no text any more, mostly erased; `texts` and `export` leave them out."""
        return erased_of(self, find_manifest(self, mix)[0])[0]

    def mix_size(self, mix: str) -> int:
        """How many documents a mix has, repeats counted."""
        size: int = self.ask_value("mix_size", mix_id=find_manifest(self, mix)[0])
        return size

    def export(self, mix: str, target: Export, progress: Progress = silent) -> Path:
        """Write a mix as files; see `registry.writers.export`."""
        return export(self, mix, target, progress)

    def export_held_out(self, name: str, target: Export, progress: Progress = silent) -> int:
        """Write the texts that are held out under a name; see `registry.writers.export_held_out`."""
        return export_held_out(self, name, target, progress)

    def diff(self, one: str, other: str) -> dict[str, Any]:
        """What changed from one mix to another."""
        return audit.diff(self, one, other)

    # -- safety

    def hold_out(self, name: str, **chosen: Any) -> HeldOut:
        """Keep texts and what descends from them out of every later mix; see `registry.rules.hold_out`."""
        return hold_out(self, name, **chosen)

    def withdraw(self, document: str | None = None, *, reason: str, **meant: Any) -> Withdrawn:
        """Let a document, a text, a source or a licence into no mix and no ingest; see `registry.rules.withdraw`."""
        return withdraw(self, document, reason=reason, **meant)

    def contamination(self, mix: str | None = None) -> dict[str, Any]:
        """Held-out texts in mixes, and the models that learnt from them; see `registry.contamination`."""
        return contamination(self, mix)

    # -- unknown origin

    def train_detector(self, name: str = "logistic", **options: Any) -> dict[str, Any]:
        """Train a detector on documents of known origin, and keep it; see `registry.attribute.train_detector`."""
        return train_detector(self, name, **options)

    def take_detector(self, other: str | Path, name: str | None = None) -> str:
        """Take over a detector that another registry trained; see `registry.attribute.take_detector`."""
        return take_detector(self, other, name)

    def attribute(self, near: Nearness | None = None, **options: Any) -> Attributed:
        """Infer who wrote documents of unknown origin; see `registry.attribute.attribute`."""
        return attribute(self, near, **options)

    # -- blind trials

    def blind(self, trial: Trial, dry_run: bool = False, progress: Progress = silent) -> Blinded:
        """Make a registry of texts alone, and seal the truth about them; see `registry.blind.blind`."""
        return blind(self, trial, dry_run, progress)

    def score(self, truth: Path, key: Key, **asked: Any) -> dict[str, Any]:
        """Hold what was inferred in this blind registry against the truth; see `registry.score.Asked` and `.score`."""
        return score(self, truth, key, Asked(**asked))

    # -- experiments

    def measure(
        self,
        digest: bytes,
        name: str,
        spec: Mapping[str, Any],
        measured: pa.Table,
        pictures: pa.Table | None = None,
    ) -> int:
        """Keep what an experiment measured; see `registry.experiments.measure`."""
        return experiments.measure(self, digest, name, spec, measured, pictures)

    def measured_repeats(self, digest: bytes) -> dict[tuple[str, int], int]:
        """The last generation kept of each arm and repeat; see `registry.experiments.measured_repeats`."""
        return experiments.measured_repeats(self, digest)

    def measurements(self, digest: bytes) -> pa.Table:
        """All that an experiment measured; see `registry.experiments.measurements`."""
        return experiments.measurements(self, digest)

    def pictures(self, digest: bytes) -> pa.Table:
        """What the models of an experiment wrote, to look at; see `registry.experiments.pictures`."""
        return experiments.pictures(self, digest)

    def find_experiment(self, wanted: str) -> dict[str, Any]:
        """The digest, name and spec of an experiment; see `registry.experiments.find_experiment`."""
        return experiments.find_experiment(self, wanted)

    def verify(self, head: str | None = None, progress: Progress = silent) -> Verified:
        """Check that everything is what its digests, its lineage and its chain say; see `registry.verify.verify`."""
        return verify(self, head, progress)

    @staticmethod
    def migrate(path: str | Path, dry_run: bool = False) -> Migrated:
        """Give an older registry the schema of today, and keep a copy; see `registry.migrate.migrate`."""
        return migrate(path, dry_run)

    # -- audit

    def stats(self) -> dict[str, Any]:
        """Counts of everything, and the head of the chain."""
        return audit.stats(self)

    def composition(self, by: Sequence[str] = DIMENSIONS, mix: str | None = None) -> list[dict[str, Any]]:
        """Documents, bytes, words and tokens by origin, generation, source, license and generator."""
        return composition(self, by, mix)

    def stale(self, mix: str | None = None) -> dict[str, Any]:
        """The mixes and models that are no longer made of what they were; see `registry.stale.stale`."""
        return stale(self, mix)

    def lineage(self, document: str) -> dict[str, Any]:
        """A document's way back through runs and mixes to its human sources."""
        return audit.lineage(self, document)

    def descendants(self, wanted: str) -> dict[str, Any]:
        """All that came of a document, a text, a model or a mix."""
        return reach.descendants(self, wanted)

    def all_descendants(self, wanted: str) -> Iterator[dict[str, Any]]:
        """Every document that came of a document, a text, a model or a mix."""
        return reach.all_descendants(self, wanted)

    def exposure(self, text: str) -> dict[str, Any]:
        """Which mixes and models saw a text, directly or by descent."""
        return reach.exposure(self, text)

    def impact(self, document: str | None = None, **meant: Any) -> dict[str, Any]:
        """What must go or be trained anew if something is withdrawn; see `registry.reach.impact`."""
        return reach.impact(self, document, **meant)

    def conflicts(
        self, limit: int | None = None, near: Nearness | None = None, progress: Progress = silent
    ) -> dict[str, Any]:
        """Texts, the same or near, that are told to be of different origins or to stand under different licences."""
        return conflicts(self, limit, near, progress)

    def licenses(self, mix: str, use: str = "commercial") -> dict[str, Any]:
        """What the licences of a mix say of a use; not legal advice."""
        return audit.licenses(self, mix, use)

    def human_ancestors(self, document: str) -> Iterator[dict[str, Any]]:
        """Every human document that a document descends from."""
        return audit.human_ancestors(self, document)

    def show(self, wanted: str) -> list[dict[str, Any]]:
        """All that a name, an id or (the start of) a digest means."""
        return audit.show(self, wanted)

    def list(self, kind: audit.Kind, limit: int | None = None) -> "list[dict[str, Any]]":
        """The things of one kind, newest first."""
        return audit.listing(self, kind, limit)
