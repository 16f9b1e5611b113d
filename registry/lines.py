"""JSON lines a block at a time: rows in which nothing needs judgement become documents column by column.

Such a row is plain: one whole object on its line, its values of the kinds that they should be, no parents, and not
from an export. Every other row of the block is handed back, for the way that takes one row after another and knows
what to make of it and what to say. What values mean is asked of the functions of that way, once for each distinct
one, so that both ways end in the same staged rows.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from itertools import pairwise
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from provenance.fingerprint import Texts
from provenance.words import count_words
from registry.readers import JSON_DECODER, Lines
from registry.rows import (
    ARRIVING,
    PROVENANCE_COLUMN,
    Fault,
    Rules,
    created_at,
    declared_document,
    default_item,
    json_text,
    whole_metadata,
)
from registry.tokens import Tokenizer

FEWEST = 256
"""A block of fewer lines goes row by row; so many lines of a part of one tell what columns it has."""
SMALLEST = 32
"""A part of so few lines that cannot be read whole goes row by row."""
MOST_COLUMNS = 256
"""Of more columns, nested ones counted in, only a few lines are read at a time: every row takes room in each."""
MOST_BRACKETS = 100
"""Columns are not learnt from a line that has more: Arrow runs out of stack over values nested some thousand deep."""
SOME_TEXTS = 256
"""The words of so many texts are counted at a time, which the processor's cache holds."""

DECLARING = ("origin", "generation", "generator", "source", "license")
"""The columns that say together what a document is declared to be; and what becomes of them:"""
DECLARED = pa.schema(
    [
        ARRIVING.field(name)
        for name in (
            *("origin", "origin_declared", "declared", "generator", "model", "model_generation", "model_exact"),
            *("run", "source", "license"),
        )
    ]
)

Columns = dict[str, pa.Array]
Kinds = Mapping[str, pa.DataType]
Mask = NDArray[np.bool_]
Judge = Callable[..., Any]
"""What values mean; raises `Fault` where that needs more than the values themselves."""


@dataclass(frozen=True)
class Taken:
    """What a block came to: its plain rows, and the lines that are left.

    Attributes:
        rows: as `rows.ARRIVING` has them.
        columns: all names that stand in the lines that could be read.
        fields: the users' own fields that the plain rows fill.
        odd: number and bytes of the lines that are left, in their order.
    """

    rows: pa.Table
    columns: frozenset[str]
    fields: frozenset[str]
    odd: list[tuple[int, bytes]]


class Taker:
    """Takes blocks one after another, and remembers what columns they had."""

    def __init__(self, rules: Rules, tokenizer: Tokenizer | None) -> None:
        self.rules, self.tokenizer = rules, tokenizer
        self.kinds: Kinds = {}
        self.declare = lru_cache(maxsize=1 << 14, typed=True)(self._declare)  # 1, 1.0 and true are not the same

    def take(self, lines: Lines, name: str, input: int) -> Taken:
        """The plain rows of a block.

        Args:
            name: of the input, for the ids of rows that bring none.
            input: its number in this act.
        """
        batch, objects = lines.batch(), _may_be_objects(lines)
        readable = batch if objects.all() else batch.filter(pa.array(objects))
        parts = [_Part(self.rules, self.declare, *read) for read in self._read(readable)]
        rows = pa.concat_tables([ARRIVING.empty_table(), *(self._rows(part, name, input) for part in parts)])
        left = ~np.isin(batch.column("number").to_numpy(), rows.column("number").to_numpy(), assume_unique=True)
        odd = batch.filter(pa.array(left)).to_pylist() if left.any() else []
        columns = frozenset[str]().union(*(part.held for part in parts))
        fields = frozenset[str]().union(*(part.fields for part in parts))
        return Taken(rows, columns, fields, [(row["number"], row["line"].encode()) for row in odd])

    def _rows(self, part: "_Part", name: str, input: int) -> pa.Table:
        columns = part.plain(name)
        columns |= _measured(columns["text"], self.tokenizer)
        run = self.rules.written_by
        columns["digest"] = _document_digests(columns, run.run.hex() if run else None)
        rows = len(columns["text"])
        columns |= {"input": pa.repeat(pa.scalar(input, pa.int32()), rows), "trained_on": pa.nulls(rows, pa.binary())}
        return pa.table(columns, schema=ARRIVING)

    def _declare(self, *values: Any) -> dict[str, Any]:
        said = dict.fromkeys(self.rules.names) | dict(zip(DECLARING, values, strict=True))
        return declared_document(said, self.rules)

    # -- from lines to columns

    def _read(self, lines: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, Columns]]:
        """Parts of the lines with their columns; what cannot be read is cut in halves, and left out in the end."""
        held = self._parsed(lines)
        if held is None and self._learn(lines.slice(0, max(FEWEST, 1))):
            held = self._parsed(lines)
        if held is not None:
            yield lines, held
        elif len(lines) > min(SMALLEST, max(FEWEST, 1)):
            middle = len(lines) // 2
            yield from self._read(lines.slice(0, middle))
            yield from self._read(lines.slice(middle))

    def _parsed(self, lines: pa.RecordBatch) -> Columns | None:
        if len(lines) > FEWEST and _count(self.kinds) > MOST_COLUMNS:
            return None
        # What is not known is refused: Arrow would take "2024-01-02" for a time, and lose how it was written.
        return _parse(lines, explicit_schema=pa.schema(self.kinds), unexpected_field_behavior="error")

    def _learn(self, lines: pa.RecordBatch) -> bool:
        """Look for columns that are not known so far, or of another kind; whether there were any."""
        flat = [_brackets(line) <= MOST_BRACKETS for line in lines.column("line").to_pylist()]
        held = _parse(lines.filter(pa.array(flat, pa.bool_()))) or {}
        found = {name: column.type for name, column in held.items()}
        known, self.kinds = self.kinds, _merged_all(self.kinds, found)
        if _count(self.kinds) > MOST_COLUMNS:
            self.kinds = _merged_all({}, found)
        return self.kinds != known


class Takers:
    """Some takers that work at the same time; blocks go to them in turn, and come back in the order they went."""

    def __init__(self, rules: Rules, tokenizer: Tokenizer | None, count: int) -> None:
        self.takers = [Taker(rules, tokenizer) for _ in range(count)]
        self.workers = [ThreadPoolExecutor(1) for _ in range(count)]
        self.begun = 0

    def begin(self, lines: Lines, name: str, input: int) -> Future[Taken]:
        """Take a block meanwhile; `Taker.take` says how."""
        turn, self.begun = self.begun % len(self.takers), self.begun + 1
        return self.workers[turn].submit(self.takers[turn].take, lines, name, input)

    def close(self) -> None:
        for worker in self.workers:
            worker.shutdown(cancel_futures=True)


def _may_be_objects(lines: Lines) -> Mask:
    """Which lines go from { to }: where as many objects as lines are read from such, there is one on each.

    No value goes on from one of them to the next, as } and { never meet within an object, nor a newline in a string.
    """
    content, ends = np.frombuffer(lines.content, np.uint8), lines.ends
    if not len(content):
        return np.zeros(len(ends), np.bool_)
    last = ends - 1
    last = last - (content[last] == ord("\n"))
    last = last - (content[last] == ord("\r"))
    mask: Mask = (content[np.append(0, ends[:-1])] == ord("{")) & (content[last] == ord("}"))
    if b"\0" in lines.content:  # where Arrow stops to read
        mask[np.searchsorted(ends, np.flatnonzero(content == 0), "right")] = False
    return mask


def _brackets(line: str) -> int:
    """So many begin outside of its strings: values in it are nested no deeper."""
    bare = _STRING.sub("", line)
    return bare.count("[") + bare.count("{")


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')


def _parse(lines: pa.RecordBatch, **options: Any) -> Columns | None:
    """The columns of lines of JSON; None where they are not one object each, or their values do not go together."""
    _, offsets, content = lines.column("line").buffers()
    ends = np.frombuffer(offsets, np.int64)[lines.column("line").offset :][: len(lines) + 1]
    content = content.slice(ends[0], ends[-1] - ends[0]) if len(lines) else b""
    try:
        table = pa.json.read_json(
            pa.BufferReader(content),
            pa.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
            pa.json.ParseOptions(**options),
        )
        columns = zip(table.column_names, table.columns, strict=True)
        held = {
            name: column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for name, column in columns
        }
    except (pa.ArrowException, OverflowError):
        return None
    return held if table.num_rows == len(lines) else None


def _merged_all(known: Kinds, found: Kinds) -> Kinds:
    return {**known} | {name: _merged(known.get(name, pa.null()), kind) for name, kind in found.items()}


def _merged(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """A kind for the values of two, if there is one; else the second."""
    if pa.types.is_struct(found):
        fields = known if pa.types.is_struct(known) else ()
        return pa.struct(_merged_all({field.name: field.type for field in fields}, {f.name: f.type for f in found}))
    if pa.types.is_list(found):
        return pa.list_(_merged(known.value_type if pa.types.is_list(known) else pa.null(), found.value_type))
    if pa.types.is_timestamp(found):
        return pa.string()
    is_known = pa.types.is_null(found) or (pa.types.is_integer(found) and pa.types.is_floating(known))
    return known if is_known else found


def _count(kinds: Kinds) -> int:
    """Of all columns, those within others counted in."""
    return sum(map(_columns_in, kinds.values()))


def _columns_in(kind: pa.DataType) -> int:
    if pa.types.is_list(kind):
        return _columns_in(kind.value_type)
    return 1 + _count({field.name: field.type for field in kind}) if pa.types.is_struct(kind) else 1


# -- from columns to rows


class _Part:
    """Some lines and what they hold; `good` tells the rows that are plain as far as they have been looked at."""

    def __init__(self, rules: Rules, declare: Judge, lines: pa.RecordBatch, held: Columns) -> None:
        self.rules, self.declare, self.lines, self.held = rules, declare, lines, held
        self.good: Mask = np.ones(len(lines), np.bool_)
        self.fields: set[str] = set()

    def plain(self, name: str) -> Columns:
        """The columns of the plain rows, before anything is measured."""
        columns = self._declared() | {
            "text": self._texts(),
            "item": self._strings("id"),
            "url": self._strings("url"),
            "created_at": self._times(),
            "number": self.lines.column("number"),
        }
        for ours in ("prompt_of", "parents", PROVENANCE_COLUMN):
            self.good &= _is_null(self._column(ours))
        columns["metadata"] = self._metadata()
        if not self.good.all():
            kept = pa.array(self.good)
            columns = {ours: column.filter(kept) for ours, column in columns.items()}
        numbers = columns["number"].to_pylist()
        if columns["item"].null_count:
            given = columns["item"].to_pylist()
            items = [item or default_item(number, name) for item, number in zip(given, numbers, strict=True)]
            columns["item"] = pa.array(items, pa.string())
        columns["place"] = pa.array([f"line {number:,}" for number in numbers], pa.string())
        return columns

    def _column(self, ours: str) -> pa.Array:
        return self.held.get(self.rules.names[ours], pa.nulls(len(self.lines)))

    def _texts(self) -> pa.Array:
        column = self._column("text")
        if not pa.types.is_string(column.type):
            self.good[:] = False
            return pa.nulls(len(column), pa.large_string())
        size = pc.binary_length(column).fill_null(0).to_numpy()
        self.good &= (size > 0) & (size <= self.rules.max_bytes)
        return column.cast(pa.large_string())

    def _strings(self, ours: str) -> pa.Array:
        """Strings and whole numbers as strings, an empty one as none."""
        column = self._column(ours)
        if pa.types.is_integer(column.type):
            return column.cast(pa.string())
        if not pa.types.is_string(column.type):
            self.good &= _is_null(column)
            return pa.nulls(len(column), pa.string())
        return pc.if_else(pc.equal(column, ""), None, column)

    def _times(self) -> pa.Array:
        found, which, sound = _judged([self._column("created")], created_at)
        self.good &= sound
        return pa.array(found, ARRIVING.field("created_at").type).take(which)

    def _declared(self) -> Columns:
        found, which, sound = _judged([self._column(ours) for ours in DECLARING], self.declare)
        self.good &= sound
        documents = pa.RecordBatch.from_pylist([document or {} for document in found], DECLARED).take(which)
        return dict(zip(DECLARED.names, documents.columns, strict=True))

    def _metadata(self) -> pa.Array:
        """The columns of the users' own, and metadata that rows bring, as canonical JSON."""
        names, pairs = sorted(self.held.keys() - self.rules.taken), []
        simple = _is_null(self._column("metadata"))
        for name in names:
            found, which, sound = _judged([self.held[name]], partial(_pair, name))
            pairs.append(pa.array(found, pa.string()).take(which))
            simple &= sound
        filled = (~_is_null(pair) & simple & self.good for pair in pairs)
        self.fields.update(name for name, rows in zip(names, filled, strict=True) if rows.any())
        return self._decoded(_object(pairs, len(self.lines)), self.good & ~simple)

    def _decoded(self, metadata: pa.Array, rows: Mask) -> pa.Array:
        """The same with that of rows that columns do not tell: neither what is nested, nor whether 1 was 1.0."""
        if not rows.any():
            return metadata
        told = metadata.to_pylist()
        for index in np.flatnonzero(rows).tolist():
            try:
                values = JSON_DECODER.decode(self.lines.column("line")[index].as_py())
                found = whole_metadata(values.get(self.rules.names["metadata"]), values, self.rules.taken)
                told[index] = json_text(found) if found else None
                self.fields |= found.keys()
            except (Fault, ValueError, RecursionError):
                self.good[index] = False
        return pa.array(told, pa.string())


def _is_null(column: pa.Array) -> Mask:
    mask: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return mask.copy()


def _judged(columns: list[pa.Array], judge: Judge) -> tuple[list[Any], pa.Array, Mask]:
    """What `judge` makes of each distinct combination of values, which of them each row has, and which have no fault.

    Nested values are not judged, and count as faults.
    """
    sound = np.ones(len(columns[0]), np.bool_)
    for index, column in enumerate(columns):
        if pa.types.is_nested(column.type):
            sound &= _is_null(column)
            columns[index] = pa.nulls(len(column))
    combinations, which = _combinations(columns)
    found, faults = [], np.zeros(len(combinations), np.bool_)
    for index, values in enumerate(combinations):
        try:
            found.append(judge(*values))
        except Fault:
            found.append(None)
            faults[index] = True
    return found, pa.array(which), sound & ~faults[which]


def _combinations(columns: list[pa.Array]) -> tuple[list[tuple[Any, ...]], NDArray[np.int64]]:
    """The distinct combinations of values in some columns, and which of them each row has: (n,) int64."""
    which = np.zeros(len(columns[0]), np.int64)
    combinations: list[tuple[Any, ...]] = [()]
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        values = encoded.dictionary.to_pylist()
        codes = pa.array(which * len(values) + encoded.indices.to_numpy()).dictionary_encode()
        pairs = (divmod(code, len(values)) for code in codes.dictionary.to_pylist())
        combinations = [(*combinations[before], values[index]) for before, index in pairs]
        which = codes.indices.to_numpy().astype(np.int64)
    return combinations, which


def _pair(name: str, value: Any) -> str | None:
    """One column of the metadata of a row."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        raise Fault("it may have been written as a whole number")
    return "," + json_text({name: value})[1:-1]


def _object(pairs: list[pa.Array], rows: int) -> pa.Array:
    """Objects of pairs that have a comma before them; none where there is no pair."""
    if not pairs:
        return pa.nulls(rows, pa.string())
    joined = pc.binary_join_element_wise(*pairs, "", null_handling="replace")
    whole = pc.binary_join_element_wise(pc.binary_replace_slice(joined, 0, 1, "{"), "}", "")
    return pc.if_else(pc.equal(joined, ""), None, whole)


# -- what is measured while the texts are in hand


def _measured(texts: pa.Array, tokenizer: Tokenizer | None) -> Columns:
    """The digests, bytes, words and tokens of texts."""
    held = Texts.of(texts)
    content, ends, view = held.content, held.ends, memoryview(held.content.data)
    words = [count_words(content, ends[start : start + SOME_TEXTS + 1]) for start in range(0, len(texts), SOME_TEXTS)]
    return {
        "text_digest": pa.array(
            [sha256(view[begin:end]).digest() for begin, end in pairwise(ends.tolist())], pa.binary()
        ),
        "bytes": pa.array(np.diff(ends)),
        "words": pa.array(np.concatenate([np.zeros(0, np.int64), *words])),
        "tokens": tokenizer.count(texts) if tokenizer else pa.nulls(len(texts), pa.int64()),
    }


def _document_digests(columns: Columns, run: str | None) -> pa.Array:
    """What `origin.document_digest` says of each row; what its rows share is written once."""
    sources, which = _combinations([columns["source"]])
    shared = [f'",{_json_string(source)},{_json_string(run)},' for (source,) in sources]
    rows = zip(columns["text_digest"].to_pylist(), which.tolist(), columns["item"].to_pylist(), strict=True)
    parts = [f'["prov-document-1","{text.hex()}{shared[of]}{encode_basestring(item)}]' for text, of, item in rows]
    return pa.array([sha256(part.encode()).digest() for part in parts], pa.binary())


def _json_string(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)
