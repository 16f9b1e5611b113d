"""Annotating: typed columns that a sidecar brings are joined to the documents that it is about."""

import math
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from provenance.errors import ProvError, quoted
from provenance.origin import COLUMNS
from registry.candidates import KINDS, annotated_fields
from registry.readers import Input, Meter, Row, find_inputs, read
from registry.rows import PROVENANCE_COLUMN
from registry.store import Batch, Progress, Store, silent
from registry.where import MAX_INTEGER, Kind

On = Literal["id", "document", "text"]
MATCHED_BY: dict[On, str] = {"id": "match_by_id", "document": "match_by_document", "text": "match_by_text"}
ATTRIBUTES = "attributes"
"""The column in which Dolma's taggers say what they found."""

PREFERRED: tuple[Kind, ...] = ("boolean", "number", "time", "text")
"""Of the kinds that every value of a field can be read as, the first is the field's."""

BUILT_IN = frozenset({*KINDS, *COLUMNS, PROVENANCE_COLUMN, "documents", "share"})
"""Names that mean something else: fields of every document, and what `audit composition` counts."""

STAGE_VALUES = 50_000

_ENTRY = pa.schema(
    [
        ("entry", pa.int64()),
        ("input", pa.int32()),
        ("place", pa.string()),
        ("key", pa.string()),
        ("source", pa.string()),
    ]
)
_VALUE = pa.schema(
    [
        ("entry", pa.int64()),
        ("field", pa.int32()),
        ("text", pa.string()),
        ("number", pa.float64()),
        ("flag", pa.bool_()),
        ("moment", pa.timestamp("us")),
    ]
)
_FIELD = pa.schema(
    [
        ("field", pa.int32()),
        ("field_id", pa.int64()),
        ("name", pa.string()),
        ("kind", pa.string()),
        ("is_new", pa.bool_()),
    ]
)
_STAGED_AS: dict[Kind, str] = {"text": "text", "number": "number", "boolean": "flag", "time": "moment"}
_CALLED: dict[Kind, str] = {"text": "text", "number": "a number", "boolean": "a boolean", "time": "a time"}


class BadAnnotation(ProvError):
    """A row of a sidecar that says nothing that can be kept."""

    def __init__(self, file: str, place: str, reason: str) -> None:
        self.file, self.place, self.reason = file, place, reason
        super().__init__(f"{file}, {place}: {reason}")


@dataclass(frozen=True)
class Annotated:
    """What an act of annotating came to.

    Args:
        read: rows of the sidecars.
        documents: how many got a value that they did not have.
        values: how many values were added; `changed` of them take the place of another one.
        unchanged: how many values were in force already.
        unknown: rows about documents that are not held, left out.
        fields: the kind of each field, None where it has no value.
    """

    read: int
    documents: int
    values: int
    changed: int
    unchanged: int
    unknown: int
    fields: dict[str, Kind | None]

    def summary(self) -> dict[str, Any]:
        return asdict(self)


class _Fault(Exception):
    """Why a row is bad, in words that complete "line 7: …"."""


Readings = Mapping[Kind, Any]
"""A value in each kind that it can be read as."""


@dataclass
class _Column:
    """A field on its way in, and what all its values so far can be read as."""

    number: int
    name: str
    held: Kind | None
    kinds: frozenset[Kind] = frozenset(PREFERRED)
    narrowed: str = ""  # where the value stands that last left fewer kinds
    is_empty: bool = True

    @property
    def kind(self) -> Kind:
        return self.held or _first(self.kinds)

    def meet(self, readings: Readings, value: Any, place: str) -> None:
        """Leave the kinds that one more value can be read as too.

        Raises:
            _Fault: none is left, or not the one that the field has had so far.
        """
        self.is_empty = False
        left = self.kinds & readings.keys()
        if left == self.kinds and (not self.held or self.held in left):
            return
        found = f"its {self.name} is {reprlib.repr(value)}"
        if self.held and self.held not in readings:
            raise _Fault(
                f"{found}, but the registry has {_CALLED[self.held]} in that field: "
                "mend the value, or give the column another name"
            )
        if not left:
            raise _Fault(
                f"{found}, {_CALLED[_first(readings)]}, but {self.narrowed} has {_CALLED[self.kind]} there: "
                "make the values of a field of one kind"
            )
        self.kinds, self.narrowed = left, place


def _first(kinds: Any) -> Kind:
    return next(kind for kind in PREFERRED if kind in kinds)


def annotate(
    store: Store,
    arguments: Sequence[str | Path],
    *,
    on: On = "id",
    source: str | None = None,
    fields: Sequence[str] | None = None,
    skip_unknown: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
    meter: Meter | None = None,
) -> Annotated:
    """Join the columns of sidecar files to documents, as typed fields, in one batch.

    The kind of a field follows from all its values. A value that is in force already adds nothing; another one is
    appended, and the newest batch's is in force.

    Args:
        on: what the column of that name holds: a user's id, or the digest of a document or of a text in hex.
        source: the source that ids are of, where rows do not name one in a column `source`.
        fields: these columns alone; else every one.
        skip_unknown: leave out rows about documents that are not held, and count them.
        dry_run: do all of it, then leave the registry as it was.
        progress: called with the number of rows read since the last call.
    Raises:
        BadAnnotation: a row cannot be read, fits no single document, or contradicts another one.
        BrokenFile, ProvError: a file cannot be read, or a field cannot be kept under its name.
    """
    inputs, _ = find_inputs(arguments)
    sidecars = [_Sidecar(input.name, read(input, None, meter), _is_typed(input)) for input in inputs]
    only = frozenset(fields) if fields is not None else None
    return _annotate(store, sidecars, on, source, only, skip_unknown, dry_run, progress)


def annotate_rows(
    store: Store,
    rows: Iterable[Mapping[str, Any]],
    name: str = "rows",
    *,
    on: On = "id",
    source: str | None = None,
    dry_run: bool = False,
) -> Annotated:
    """The same of rows from Python, all of their columns, with a column that `on` names."""
    numbered = (Row(number, f"row {number:,}", dict(row)) for number, row in enumerate(rows, 1))
    return _annotate(store, [_Sidecar(name, numbered, True)], on, source, None, False, dry_run, silent)


@dataclass(frozen=True)
class _Sidecar:
    """Rows about documents, the name that they go by, and whether their values have kinds of their own."""

    name: str
    rows: Iterable[Row]
    is_typed: bool


def _annotate(
    store: Store,
    sidecars: Sequence[_Sidecar],
    on: On,
    source: str | None,
    only: frozenset[str] | None,
    skip_unknown: bool,
    dry_run: bool,
    progress: Progress,
) -> Annotated:
    with store.batch("annotate") as batch:
        result = _Act(store, batch, sidecars, on, source, only).carry_out(skip_unknown, progress)
        if dry_run or not result.values:
            batch.abandon()
    return result


class _Act:
    """One act of annotating, inside its transaction."""

    def __init__(
        self,
        store: Store,
        batch: Batch,
        sidecars: Sequence[_Sidecar],
        on: On,
        source: str | None,
        only: frozenset[str] | None,
    ) -> None:
        self.store, self.batch, self.sidecars = store, batch, sidecars
        self.on, self.source, self.only = on, source, only
        self.held = {field.name: field for field in annotated_fields(store)}
        self.columns: dict[str, _Column] = {}
        self.read = 0

    def carry_out(self, skip_unknown: bool, progress: Progress) -> Annotated:
        self._stage(progress)
        self._check_fields()
        self.store.run(MATCHED_BY[self.on])
        unknown = self._meet_unknown(skip_unknown)
        self._meet_ambiguous()
        with self.store.lend(sidecar_field=self._fields()):
            values = self._settle()
            counts = self.store.ask_records("count_annotated")[0]
            if counts["values"]:
                self.store.run("insert_annotated_fields", batch_id=self.batch.batch_id)
                self.store.run("insert_annotations", batch_id=self.batch.batch_id)
        self.batch.documents = counts["documents"]
        kinds = {column.name: None if column.is_empty else column.kind for column in self.columns.values()}
        return Annotated(read=self.read, unchanged=values - counts["values"], unknown=unknown, fields=kinds, **counts)

    # -- from rows to staged values

    def _stage(self, progress: Progress) -> None:
        with self.store.lend(sidecar_entry=_ENTRY.empty_table(), sidecar_value=_VALUE.empty_table()):
            self.store.run("stage_sidecar")
            self.store.run("stage_sidecar_values")
        entries: list[dict[str, Any]] = []
        values: list[dict[str, Any]] = []
        for index, sidecar in enumerate(self.sidecars):
            for row in sidecar.rows:
                self.read += 1
                try:
                    entries.append({"entry": self.read, "input": index, "place": row.place, **self._key(row)})
                    values += self._values(row, sidecar.is_typed)
                except _Fault as fault:
                    raise BadAnnotation(sidecar.name, row.place, str(fault)) from fault
                if len(entries) + len(values) >= STAGE_VALUES:
                    self._insert(entries, values)
                    progress(len(entries))
                    entries, values = [], []
        self._insert(entries, values)
        progress(len(entries))

    def _insert(self, entries: list[dict[str, Any]], values: list[dict[str, Any]]) -> None:
        staged, said = (pa.Table.from_pylist(*pair) for pair in ((entries, _ENTRY), (values, _VALUE)))
        with self.store.lend(sidecar_entry=staged, sidecar_value=said):
            self.store.run("insert_sidecar")
            self.store.run("insert_sidecar_values")

    def _key(self, row: Row) -> dict[str, str | None]:
        if row.fault:
            raise _Fault(row.fault)
        key = _word(row.values, self.on)
        if key is None:
            raise _Fault(
                f"it has no {self.on}, which tells the document that it is about: name that column {self.on!r}, "
                "or say with --on what there is"
            )
        if self.on != "id" and not re.fullmatch("[0-9a-fA-F]{64}", key):
            raise _Fault(f"its {self.on} is {reprlib.repr(key)}, wanted a digest of 64 hex digits")
        return {"key": key, "source": _word(row.values, "source") or self.source}

    def _values(self, row: Row, is_typed: bool) -> Iterator[dict[str, Any]]:
        for name, value in self._said(row.values):
            column = self.columns.get(name) or self._new_column(name)
            readings = _readings(name, value, is_typed)
            if readings:
                column.meet(readings, value, row.place)
                staged = {_STAGED_AS[kind]: reading for kind, reading in readings.items()}
                yield {"entry": self.read, "field": column.number, **staged}

    def _said(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The fields of a row and their values; those of Dolma's attributes stand one level deeper."""
        for name, value in values.items():
            if name in (self.on, "source"):
                continue
            if name == ATTRIBUTES and isinstance(value, dict):
                yield from ((tag, _of_spans(tag, spans)) for tag, spans in value.items() if self._is_wanted(tag))
            elif self._is_wanted(name):
                yield name, value

    def _is_wanted(self, name: str) -> bool:
        return self.only is None or name in self.only

    def _new_column(self, name: str) -> _Column:
        if name in BUILT_IN:
            raise _Fault(
                f"it has a column {name!r}, a name of prov's own: give it another name, or say with "
                "--fields which columns are meant"
            )
        if not _checked_text("a column's name", name).strip():
            raise _Fault("it has a column without a name: give it one, or say with --fields which columns are meant")
        held = self.held.get(name)
        column = _Column(len(self.columns), name, held.kind if held else None)
        return self.columns.setdefault(name, column)

    # -- from staged values to documents

    def _check_fields(self) -> None:
        if self.read and (missing := sorted((self.only or frozenset()) - self.columns.keys())):
            there = ", ".join(sorted(self.columns)) or "none of those named"
            raise ProvError(f"no row has a column {missing[0]!r}: there is {there}")

    def _fields(self) -> pa.Table:
        """The fields that have values, with the ids that they have or get."""
        rows = []
        new_id = self.store.ask_value("last_field")
        for column in self.columns.values():
            if column.is_empty:
                continue
            held = self.held.get(column.name)
            new_id += held is None
            rows.append(
                {
                    "field": column.number,
                    "field_id": held.field_id if held else new_id,
                    "name": column.name,
                    "kind": column.kind,
                    "is_new": held is None,
                }
            )
        return pa.Table.from_pylist(rows, schema=_FIELD)

    def _meet_unknown(self, skip_unknown: bool) -> int:
        row = self.store.ask_one("unmatched_entries")
        if not row:
            return 0
        count, input, place, key, source = row
        if not skip_unknown:
            more = f", and {count - 1:,} more rows are about none" if count > 1 else ""
            of = f" of source {source!r}" if source else ""
            raise BadAnnotation(
                self.sidecars[input].name,
                place,
                f"no document{of} has the {self._called} {quoted(key)}{more}: leave such rows out with --skip-unknown",
            )
        return int(count)

    @property
    def _called(self) -> str:
        return "id" if self.on == "id" else f"{self.on} digest"

    def _meet_ambiguous(self) -> None:
        row = self.store.ask_one("ambiguous_entry") if self.on == "id" else None
        if row:
            input, place, key, documents = row
            raise BadAnnotation(
                self.sidecars[input].name,
                place,
                f"the id {quoted(key)} is ambiguous, {documents:,} documents have it: name their source in a column "
                "'source' or with --source, or say --on document",
            )

    def _settle(self) -> int:
        """Leave in the table `annotating` what is not in force yet, and return how many values were said."""
        self.store.run("stage_annotating")
        if twice := self.store.ask("annotated_twice"):
            (item, name, first, first_place), (_, _, other, place) = twice
            raise BadAnnotation(
                self.sidecars[other].name,
                place,
                f"it says another {name} of document {item!r} than {self.sidecars[first].name}, {first_place}: "
                "leave one out",
            )
        values: int = self.store.ask_value("count_annotating")
        self.store.run("stage_annotated")
        self.store.run("drop_annotated")
        return values


# -- single values


def _is_typed(input: Input) -> bool:
    """Whether the values of a file have kinds of their own; those of CSV and TSV are what they look like."""
    return not {".csv", ".tsv"} & {suffix.lower() for suffix in input.path.suffixes}


def _word(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Fault(f"its {name} is {reprlib.repr(value)}, wanted a string or a whole number")
    return _checked_text(f"its {name}", str(value))


def _checked_text(what: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Fault(f"invalid UTF-8 in {what}") from error
    return text


def _of_spans(name: str, spans: Any) -> Any:
    """What an attribute of Dolma's says of the whole document: `[[start, end, value], …]` becomes one value.

    A single span's value is the document's. Of several, it is their mean, each weighed with its length.

    >>> _of_spans("en", [[0, 300, 0.9], [300, 400, 0.5]])
    0.8
    """
    if not isinstance(spans, list):
        return spans
    if not all(isinstance(span, list | tuple) and len(span) == 3 for span in spans):
        raise _Fault(f"its attribute {name} is {reprlib.repr(spans)}, wanted [[start, end, value], …]")
    said = [span for span in spans if span[2] is not None]
    if len(said) <= 1:
        return said[0][2] if said else None
    if not all(isinstance(part, int | float) for span in said for part in span):
        raise _Fault(f"its attribute {name} is {reprlib.repr(spans)}: several spans need numbers to have a mean")
    lengths = [max(float(end - start), 0.0) for start, end, _ in said]
    lengths = lengths if any(lengths) else [1.0] * len(said)
    return math.fsum(length * value for length, (*_, value) in zip(lengths, said, strict=True)) / sum(lengths)


def _readings(name: str, value: Any, is_typed: bool) -> Readings:
    """A value in every kind that it can be read as; nothing of a missing one.

    Raises:
        _Fault: it can be read as none.
    """
    if value is None or value != value:  # not a number is how tables write a missing one
        return {}
    if isinstance(value, str):
        return _readings_of_text(_checked_text(f"its {name}", value), is_typed)
    if isinstance(value, bool):
        return {"boolean": value}
    if isinstance(value, int | float | Decimal):
        if math.isinf(value) if isinstance(value, float | Decimal) else abs(value) > MAX_INTEGER:
            raise _Fault(f"its {name} is {value}, which no number can hold exactly: write it as text")
        return {"number": float(value)}
    if isinstance(value, date):
        return {"time": _moment(value)}
    raise _Fault(f"its {name} is {reprlib.repr(value)}, wanted text, a number, a boolean or a time")


# What people write with leading zeros or with more digits than a number keeps is text.
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]{0,14})(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}.*)?")
_TRUTH = {"true": True, "false": False}


def _readings_of_text(text: str, is_typed: bool) -> Readings:
    readings: dict[Kind, Any] = {"text": text}
    if _TIME.fullmatch(text):
        try:
            readings["time"] = _moment(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            return readings
    elif not is_typed and _NUMBER.fullmatch(text):
        readings["number"] = float(text)
    elif not is_typed and text.lower() in _TRUTH:
        readings["boolean"] = _TRUTH[text.lower()]
    return readings


def _moment(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
