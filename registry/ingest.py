"""The one door in: rows of files, or of a run, become documents with origin, lineage and a place in the chain."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provenance.errors import ProvError, listed
from provenance.fingerprint import warm
from provenance.origin import canonical
from registry import lines
from registry.arrivals import Arrivals, find_arrivals
from registry.barred import find_covered, leave_out_covered
from registry.carry import Carried, learn, read_folders
from registry.detect import count_marked, detect_arrived
from registry.fingerprints import NONE_SIGNED, complete, sketcher, wanted_sketcher
from registry.lineage import rederive
from registry.lines import Taken, Takers
from registry.near_holdouts import note_arrived
from registry.readers import (
    REJECTED,
    STANDARD_INPUT,
    Input,
    Lines,
    Meter,
    Row,
    Split,
    find_inputs,
    json_rows,
    open_file,
    read_parts,
)
from registry.rows import ARRIVING, Arriving, BadRow, Fault, Rejected, Rules, document_row
from registry.store import Batch, Progress, Store, silent
from registry.tokens import default_tokenizer

if TYPE_CHECKING:
    from provenance.detection import Seekers

Near = Literal["report"]
"""What is to be done about new texts that are near-duplicates."""

MOST_COLUMNS = 20
STAGE_ROWS = 8192
STAGE_BYTES = 64_000_000
AHEAD = 2
"""So many blocks are taken at the same time, while another is stored."""
MEMORY = "500MB"
"""What DuckDB may use meanwhile; what does not fit waits on disk. Python and its columns need as much again."""
WARM_BYTES = 2_000_000
"""From so many on the kernel of fingerprints is loaded, or compiled where it never was, while rows are being read."""
KEEP_BYTES = 96_000_000
"""So many bytes of text are staged before they are kept: each time, all digests of the registry are looked through."""

_TEXTS = pa.schema([("digest", pa.binary()), ("content", pa.large_string())])
_UNSETTLED = pa.schema(
    [
        ("lineage", pa.int32()),
        ("lineage_exact", pa.bool_()),
        ("generation", pa.int32()),
        ("generation_exact", pa.bool_()),
    ]
)
"""What a staged row has besides, once it is settled."""


@dataclass
class Ingested:
    """What an act of ingesting came to."""

    read: int = 0
    added: int = 0
    known: int = 0
    changed: int = 0
    redeclared: int = 0
    bytes: int = 0
    withdrawn: int = 0
    held_out: int = 0
    near_held_out: int = 0
    parents_missing: int = 0
    learnt: int = 0
    skipped_files: int = 0
    scored: int = 0
    marked: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    near: Arrivals | None = None

    def __add__(self, other: "Ingested") -> "Ingested":
        mine, theirs = vars(self), vars(other)
        counts = {name: mine[name] + theirs[name] for name in mine if name != "near"}
        near = self.near + other.near if self.near and other.near else self.near or other.near
        return Ingested(**counts, near=near)

    def summary(self) -> dict[str, Any]:
        """The counts, and what is near where that was asked."""
        counts = {name: len(value) if isinstance(value, list) else value for name, value in vars(self).items()}
        del counts["near"]
        return counts | ({"near": self.near.summary()} if self.near else {})


class Conflict(ProvError):
    """A document declared in two ways."""

    def __init__(self, item: str, new: str, old: str, places: str, mend: str, count: int = 1) -> None:
        self.item, self.new, self.old, self.count = item, new, old, count
        more = f" ({count - 1:,} more like it)" if count > 1 else ""
        super().__init__(f"{places}: document {item!r} is declared {new}, but {old}{more}: {mend}")


ITSELF, LEFT_OUT = -1, -2
"""What `unresolved_edges` has instead of a number of parents."""

BadPlace = tuple[int, int, str]
"""Input and number of a staged row, and why it is bad."""


@dataclass
class Feed:
    """An input's name and its rows, those of JSON lines by the block."""

    name: str
    parts: Iterator[Row | Lines]


def ingest(
    store: Store,
    feeds: Iterable[Feed],
    rules: Rules,
    *,
    skip_bad: bool = False,
    redeclare: bool = False,
    dry_run: bool = False,
    near: Near | None = None,
    seekers: "Seekers | None" = None,
    input_digest: bytes | None = None,
    carried: Sequence[Carried] = (),
    progress: Progress = silent,
) -> Ingested:
    """Take rows in as one batch and one transaction.

    Args:
        skip_bad: leave bad rows out, and tell which; else the first one ends the act.
        redeclare: append a declaration where a known document arrives declared in another way.
        dry_run: do all of it, then leave the registry as it was.
        near: tell which of the new texts are near-duplicates of others; nothing is removed.
        seekers: look for the marks of these keys in what is new.
        carried: the lineages of models and mixes that came along with exports.
        input_digest: what marks the input as done, for a later act to skip it.
    Raises:
        BadRow: a row cannot become a document.
        Conflict: a document is declared in two ways.
        NoFingerprints: near-duplicates are to be told, and there are no fingerprints.
    """
    run_id = store.ask_value("run_id", digest=rules.written_by.run) if rules.written_by else None
    with store.limited(memory_limit=MEMORY, threads=1), store.batch("ingest", run_id) as batch:
        batch.input_digest = input_digest
        act = _Act(store, batch, rules, skip_bad, redeclare, near, seekers)
        result = act.carry_out(feeds, carried, progress)
        if dry_run or not act.wrote_something:
            batch.abandon()
    return result


class _Act:
    """One act of ingesting, inside its transaction."""

    def __init__(
        self,
        store: Store,
        batch: Batch,
        rules: Rules,
        skip_bad: bool,
        redeclare: bool,
        near: Near | None,
        seekers: "Seekers | None",
    ) -> None:
        self.store, self.batch, self.rules = store, batch, rules
        self.skip_bad, self.redeclare, self.near, self.seekers = skip_bad, redeclare, near, seekers
        self.result = Ingested()
        self.names: list[str] = []
        self.fields: set[str] = set()
        self.columns: set[str] = set()
        self.names_parents = self.names_models = self.meets_known = self.may_be_covered = False
        self.wrote_something = False
        self.tokenizer = default_tokenizer(store)
        self.sketcher = wanted_sketcher(store) if near else sketcher(store)
        self.takers: Takers | None = None
        self.newest_text = 0
        self.texts: list[pa.Table] = []

    def carry_out(self, feeds: Iterable[Feed], carried: Sequence[Carried], progress: Progress) -> Ingested:
        self.newest_text = self.store.ask_value("newest_text")
        self._stage(feeds, progress)
        self.may_be_covered = find_covered(self.store)
        self._one_declaration_each()
        self.meets_known = bool(self.store.ask_value("stage_known"))
        self._meet_declarations()
        self._settle()
        self._count()
        self._write()
        self._learn(carried)
        if self.seekers and self.result.added:
            self.result.scored = detect_arrived(self.store, self.batch, self.seekers).documents
            self.result.marked = count_marked(self.store, self.batch)
        if self.near:
            self.result.near = find_arrivals(self.store, self.newest_text)
        return self.result

    # -- from rows to staged rows

    def _stage(self, feeds: Iterable[Feed], progress: Progress) -> None:
        rows, edges = pa.Table.from_batches([Arriving().batch()]), Arriving().edge_batch()
        with self.store.lend(incoming=rows.drop_columns(["text"]), incoming_edge=edges):
            self.store.run("stage_arriving")
            self.store.run("stage_arriving_edge")
        self.store.run("stage_returning_text")
        try:
            self._stage_rows(feeds, progress)
        finally:
            if self.takers:
                self.takers.close()
        self._all_columns_seen()
        staged = self.store.ask_value("count_arriving")
        assert staged == self.result.read - len(self.result.rejected), f"{staged:,} of {self.result.read:,} rows staged"

    def _stage_rows(self, feeds: Iterable[Feed], progress: Progress) -> None:
        told = 0
        for arriving in self._arrive(feeds):
            self._insert(arriving)
            progress(self.result.read - told)
            told = self.result.read
        self._keep_texts()
        self.store.lift("threads")  # several would have left half-filled row groups of texts; takers had the others

    def _arrive(self, feeds: Iterable[Feed]) -> Iterator[Arriving]:
        """The rows that pass, so many at a time; the plain rows of a block are staged on the way."""
        arriving, told = Arriving(), 0
        for index, part, taking in self._looking_ahead(feeds):
            for row in self._single_rows(part, taking, index):
                self._pass(row, self.names[index], index, arriving)
                if arriving.bytes >= STAGE_BYTES:
                    yield arriving
                    arriving = Arriving()
            if self.result.read - told >= STAGE_ROWS:
                yield arriving
                arriving, told = Arriving(), self.result.read
        yield arriving

    def _looking_ahead(self, feeds: Iterable[Feed]) -> Iterator[tuple[int, Row | Lines, Future[Taken] | None]]:
        """What the inputs hold, each with the number of its input; of blocks the next are begun before one is used."""
        waiting: deque[tuple[int, Row | Lines, Future[Taken] | None]] = deque()
        for index, feed in enumerate(feeds):
            self.names.append(feed.name)
            for part in feed.parts:
                waiting.append((index, part, self._begin(part, feed.name, index)))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
        yield from waiting

    def _begin(self, part: Row | Lines, name: str, index: int) -> Future[Taken] | None:
        if isinstance(part, Row) or len(part.ends) < lines.FEWEST:
            return None
        if not self.takers:
            self.takers = Takers(self.rules, self.tokenizer, AHEAD)
            if self.sketcher and len(part.content) > WARM_BYTES:
                warm()
        return self.takers.begin(part, name, index)

    def _single_rows(self, part: Row | Lines, taking: Future[Taken] | None, index: int) -> Iterator[Row]:
        """The rows that cannot be staged by the block."""
        if taking:
            taken = taking.result()
            self._insert_rows(taken.rows)
            self.result.read += taken.rows.num_rows
            self.fields |= taken.fields
            self.columns |= taken.columns
            for number, line in taken.odd:
                yield from json_rows(number, line)
        elif isinstance(part, Lines):
            yield from part.rows()
        else:
            yield part

    def _pass(self, row: Row, name: str, index: int, arriving: Arriving) -> None:
        self.result.read += 1
        self.columns.update(row.values)
        try:
            document_row(row, self.rules, name, arriving, index)
        except Fault as fault:
            self._reject(name, row.place, f"{fault}{self._hint(row)}", row.values or row.found)

    def _insert_rows(self, rows: pa.Table) -> None:
        """Stage rows, and keep their texts as soon as there are enough of them."""
        texts, rows = rows.select(["text_digest", "text"]), rows.drop_columns(["text"])
        for column in _UNSETTLED:
            unset = pa.repeat(False, len(rows)) if column.type == pa.bool_() else pa.nulls(len(rows), column.type)
            rows = rows.append_column(column, unset)
        self.store.insert("arriving", rows)
        self.texts.append(texts.rename_columns(_TEXTS.names).cast(_TEXTS))
        if sum(held.nbytes for held in self.texts) >= KEEP_BYTES:
            self._keep_texts()

    def _keep_texts(self) -> None:
        """Move the texts that have arrived so far to where texts are kept, those that are not held yet."""
        if not self.texts:
            return
        texts = pa.concat_tables(self.texts)
        self.texts.clear()
        if self.store.ask_value("any_text_missing"):
            with self.store.lend(arriving_text=texts):
                self.store.run("insert_returning_texts")
        texts = _each_once(texts, self.store.ask_table("new_texts").column("digest"))
        first = self.store.ask_value("newest_text") + 1
        numbers = pa.array(np.arange(first, first + len(texts)))
        self.store.insert("text", texts.add_column(0, "text_id", numbers))
        if self.sketcher:
            content = texts.column("content").combine_chunks()
            self.store.insert("fingerprint", self.sketcher.rows(numbers, content))

    def _hint(self, row: Row) -> str:
        wanted = self.rules.names["text"]
        if row.fault or wanted in row.values:
            return ""
        there = listed(row.values, MOST_COLUMNS)
        return f" (there is no column {wanted!r} but {there}: name the text's with --text-column)"

    def _all_columns_seen(self) -> None:
        missing = [theirs for theirs in self.rules.columns.values() if theirs not in self.columns]
        if missing and self.columns:
            raise ProvError(
                f"there is no column {missing[0]!r}: the columns are {listed(sorted(self.columns), MOST_COLUMNS)}"
            )

    def _insert(self, arriving: Arriving) -> None:
        if not arriving.rows:
            return
        rows = pa.Table.from_batches([arriving.batch()])
        if self.tokenizer:
            column = self.tokenizer.count(rows.column("text"))
            rows = rows.set_column(ARRIVING.get_field_index("tokens"), "tokens", column)
        self.fields |= arriving.fields
        self.names_parents |= bool(arriving.edges)
        self._insert_rows(rows)
        self.store.insert("arriving_edge", pa.Table.from_batches([arriving.edge_batch()]))

    def _reject(self, name: str, place: str, reason: str, row: Any) -> None:
        if not self.skip_bad:
            raise BadRow(name, place, reason)
        self.result.rejected.append(Rejected(name, place, reason, row))

    # -- declarations

    def _one_declaration_each(self) -> None:
        if row := self.store.ask_one("arriving_conflict"):
            first_input, first_place, item, *first = row[:7]
            other_input, other_place, *other = row[7:]
            raise Conflict(
                item,
                _declared(*other),
                f"{_declared(*first)} before",
                f"{self.names[other_input]}, {other_place} and {self.names[first_input]}, {first_place}",
                "declare it one way",
            )
        self.store.run("drop_duplicates")

    def _meet_declarations(self) -> None:
        self.store.run("stage_redeclared")
        row = self.store.ask_one("first_redeclared") if self.meets_known else None
        if row and not self.redeclare:
            count, input, place, item, *declared = row
            raise Conflict(
                item,
                _declared(*declared[:4]),
                f"the registry has it as {_declared(*declared[4:])}",
                f"{self.names[input]}, {place}",
                "mend the input, or declare it anew with --redeclare",
                count,
            )

    # -- lineage

    def _settle(self) -> None:
        """Resolve parents and derive generations, until no row is left that lineage rules out."""
        self.store.run("stage_edge")
        if self.names_parents:
            self.store.run("resolve_edges")
        if self.may_be_covered:
            self.result.withdrawn = leave_out_covered(self.store)
        if self.names_parents:
            self.result.parents_missing = self.store.ask_value("drop_missing_edges")
            self.store.run("drop_held_edges")
        while bad := self._bad_parents() or self._circles() or self._contradictions():
            self._leave_out(bad)

    def _leave_out(self, bad: list[BadPlace]) -> None:
        reasons = {(input, number): reason for input, number, reason in reversed(bad)}
        places = pa.Table.from_pylist([{"input": input, "number": number} for input, number in reasons])
        with self.store.lend(bad=places):
            for row in self.store.ask_records("arriving_rows"):
                input, number, place = row.pop("input"), row.pop("number"), row.pop("place")
                self._reject(self.names[input], place, reasons[input, number], row)
            self.store.run("delete_arriving")
            self.store.run("delete_edges")

    def _bad_parents(self) -> list[BadPlace]:
        if not self.names_parents:
            return []
        return [
            (input, number, _parent_fault(reference, parents))
            for input, number, reference, parents in self.store.ask("unresolved_edges")
        ]

    def _circles(self) -> list[BadPlace]:
        if not self.names_parents:
            return []
        self.store.run("stage_circle")
        while self.store.ask_value("peel_circle"):
            pass
        return [(input, number, "its parents lead back to itself") for input, number in self.store.ask("circle_rows")]

    def _contradictions(self) -> list[BadPlace]:
        self.store.run("stage_news")
        if self.meets_known:
            self.store.run("complete_known")
        self.names_models = bool(self.store.ask_value("stage_models"))
        # Where no document is made of another, each is settled by its model alone.
        while self.store.ask_value("derive_arriving") and (self.names_parents or self.meets_known):
            pass
        return [
            (
                input,
                number,
                f"its generation is declared {declared}, but by its lineage it is "
                f"{'' if exact else 'at least '}{lineage}",
            )
            for input, number, declared, lineage, exact in self.store.ask("contradictions")
        ]

    # -- into the registry

    def _count(self) -> None:
        counts = self.store.ask_records("settled")[0]
        self.result.added, self.result.known = counts["added"], self.result.read - counts["added"]
        self.result.known -= len(self.result.rejected) + self.result.withdrawn
        self.result.changed, self.result.bytes = counts["changed"], counts["bytes"]

    def _write(self) -> None:
        batch_id, declared = self.batch.batch_id, self.rules.declared
        by = {"by": declared.by, "evidence": declared.evidence, "made_at": self.batch.made_at}
        self._meet_source()
        if self.names_models:
            self.store.run("insert_foreign_mixes", made_at=self.batch.made_at, batch_id=batch_id)
            self.store.run("insert_foreign_models", batch_id=batch_id)
            self.store.run("insert_foreign_runs", batch_id=batch_id)
        self.store.run("insert_licenses")
        self.store.run(
            "insert_sources", name=declared.source, url=declared.url, consent=declared.consent, batch_id=batch_id
        )
        self.store.run("insert_documents", batch_id=batch_id)
        if self.result.rejected or self.result.withdrawn:
            self.store.run("drop_stray_texts", newest=self.newest_text, batch_id=batch_id)
            self.store.run("forget_fingerprints", every=False)
        restored = self.may_be_covered and self.store.ask_value("restore_texts")
        signed = complete(self.store) if restored else NONE_SIGNED
        self.store.run("hold_out_arrived", batch_id=batch_id)
        self.result.held_out = self.store.ask_value("count_held_out", batch_id=batch_id)
        note_arrived(self.store, self.batch, self.newest_text, signed)
        self.result.near_held_out = self.store.ask_value("count_near_held_out", batch_id=batch_id)
        self.store.run("insert_declarations", batch_id=batch_id, **by)
        edges = self.store.ask_value("insert_derivations", batch_id=batch_id) if self.names_parents else 0
        with self.store.lend(incoming_field=pa.table({"name": pa.array(sorted(self.fields), pa.string())})):
            self.store.run("insert_fields")
        if self.tokenizer:
            self.store.run("insert_lengths", tokenizer_id=self.tokenizer.tokenizer_id)
        if self.meets_known:
            self.result.redeclared = self.store.ask_value("insert_redeclarations", batch_id=batch_id, **by)
        if self.result.redeclared:
            self.store.run("put_in_force", batch_id=batch_id)
        if self.result.redeclared or (edges and self.result.known):
            rederive(self.store)
        self.batch.documents, self.batch.bytes = self.result.added, self.result.bytes
        self.wrote_something = bool(self.result.added or self.result.redeclared or edges)

    def _learn(self, carried: Sequence[Carried]) -> None:
        self.result.learnt = sum(learn(self.store, self.batch, one) for one in carried)
        if self.result.learnt:
            rederive(self.store)
            self.wrote_something = True

    def _meet_source(self) -> None:
        declared = self.rules.declared
        known = self.store.ask_one("source", name=declared.source)
        for what, new, old in zip(
            ("url", "consent"), (declared.url, declared.consent), (known or ())[2:], strict=False
        ):
            if new is not None and new != old:
                raise ProvError(
                    f"source {declared.source!r} has {what} {old!r}, not {new!r}: name another source, "
                    f"or leave --{what} out"
                )


def _each_once(texts: pa.Table, wanted: pa.ChunkedArray) -> pa.Table:
    """Of the texts whose digests are wanted, distinct ones, the first of each."""
    if len(wanted) == len(texts):
        return texts
    numbered = texts.select(["digest"]).append_column("row", pa.array(np.arange(len(texts))))
    firsts = numbered.group_by("digest").aggregate([("row", "min")])
    rows = firsts.filter(pc.is_in(firsts.column("digest"), wanted)).column("row_min").to_numpy()
    mask = np.zeros(len(texts), np.bool_)
    mask[rows] = True
    return texts.filter(pa.array(mask))


def _declared(origin: str | None, generation: int | None, generator: str | None, license: str | None) -> str:
    said = {"generation": generation, "generator": generator, "license": license}
    rest = [f"{name} {value}" for name, value in said.items() if value is not None]
    return ", ".join([str(origin)] * bool(origin) + rest) or "nothing"


def _parent_fault(reference: str, parents: int) -> str:
    if parents == ITSELF:
        return f"its parent {reference!r} is itself"
    if parents == LEFT_OUT:
        return f"its parent {reference!r} is a bad row or withdrawn, and was left out"
    if parents == 0:
        return f"its parent {reference!r} is neither in this input nor in the registry"
    return f"its parent {reference!r} is ambiguous: {parents} documents have that id, name one by its digest"


# -- files


def ingest_files(
    store: Store,
    arguments: Sequence[str | Path],
    rules: Rules,
    *,
    split: Split | None = None,
    commit_each_file: bool = False,
    meter: Meter | None = None,
    **options: Any,
) -> Ingested:
    """Take in files, folders, globs or standard input, and the lineage that lies in exported folders.

    Args:
        split: cut text files into paragraphs or lines.
        commit_each_file: one act a file; a file that was taken in before is passed over, unless `redeclare`.
        meter: tells meanwhile how many bytes of the files have been read.
        options: those of `ingest`.
    """
    files, _ = find_inputs(arguments)
    carried = read_folders(arguments)
    if not commit_each_file:
        return _ingest_and_tell(
            store,
            (Feed(file.name, read_parts(file, split, meter)) for file in files),
            rules,
            carried=carried,
            **options,
        )
    result = Ingested()
    for file in files:
        digest = _input_digest(file, rules, split)
        if digest and store.ask_value("input_done", digest=digest) and not options.get("redeclare"):
            result.skipped_files += 1
        else:
            feed = Feed(file.name, read_parts(file, split, meter))
            result += _ingest_and_tell(store, [feed], rules, input_digest=digest, **options)
    return result + ingest(store, [], rules, carried=carried, **options)


def _ingest_and_tell(store: Store, feeds: Iterable[Feed], rules: Rules, **options: Any) -> Ingested:
    """Write down what was left out as soon as the rest is committed."""
    result = ingest(store, feeds, rules, **options)
    if result.rejected and not options.get("dry_run"):
        _write_rejected(store.path, result.rejected)
    return result


def _input_digest(input: Input, rules: Rules, split: str | None) -> bytes | None:
    """What marks a file as done: its bytes and all that was declared of it; None for standard input."""
    if input.path == STANDARD_INPUT:
        return None
    with open_file(input.path) as stream:
        content = hashlib.file_digest(stream, "sha256")
    run = rules.written_by.run.hex() if rules.written_by else None
    declared = rules.declared.model_dump(mode="json")
    return hashlib.sha256(
        canonical(["prov-input-1", content.hexdigest(), input.name, declared, dict(rules.columns), run, split])
    ).digest()


def _write_rejected(registry: Path, rejected: list[Rejected]) -> None:
    """Append bad rows with their reasons to `<registry>.rejected.jsonl`."""
    path = registry.with_name(registry.name + REJECTED)
    try:
        with open(path, "a", encoding="ascii") as stream:
            stream.writelines(row.line() for row in rejected)
    except OSError as error:
        raise ProvError(
            f"cannot write the {len(rejected):,} bad rows to {path}: {error.strerror}; the good ones are taken in, "
            "make room for that file and take the same input in again"
        ) from error
