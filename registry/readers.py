"""Readers: files of any known format as rows, each with its place in the file.

Adding a format: a function from `Opened` to rows, and its suffix in `READERS`.
"""

import csv
import glob
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from provenance.errors import ProvError
from registry.carry import is_record

Split = Literal["paragraphs", "lines"]
COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
BLOCK_BYTES = 8_000_000
REJECTED = ".rejected.jsonl"
STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Input:
    """A file to read, and the name under which its rows are known: relative to the folder that was given."""

    path: Path
    name: str

    @property
    def bytes(self) -> int | None:
        """Size on disk, None for standard input."""
        return None if self.path == STANDARD_INPUT else self.path.stat().st_size


class Row(NamedTuple):
    """One row as it came: its number in the file from 1, where that is, and its columns.

    A row that cannot be told into columns has a `fault` instead, and in `found` what stands there.
    """

    number: int
    place: str
    values: dict[str, Any]
    fault: str | None = None
    found: Any = None


@dataclass(frozen=True)
class Lines:
    """Whole lines of JSON, valid UTF-8, as they lie in a file; `first` is the number of the first one."""

    first: int
    content: bytes

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where each line ends, its newline counted in: (n,) int64."""
        ends = np.flatnonzero(np.frombuffer(self.content, np.uint8) == ord("\n")) + 1
        return ends if self.content.endswith(b"\n") else np.append(ends, len(self.content))

    @property
    def last(self) -> int:
        return self.first + len(self.ends) - 1

    def batch(self) -> pa.RecordBatch:
        """The lines with their numbers: number int64, line large_string."""
        offsets = np.concatenate([np.zeros(1, np.int64), self.ends])
        lines = pa.LargeStringArray.from_buffers(len(self.ends), pa.py_buffer(offsets), pa.py_buffer(self.content))
        return pa.record_batch({"number": pa.array(np.arange(self.first, self.last + 1)), "line": lines})

    def rows(self) -> Iterator[Row]:
        """Row by row; blank lines are passed over."""
        for number, line in enumerate(io.BytesIO(self.content), self.first):
            yield from json_rows(number, line)


@dataclass
class Opened:
    """An input while it is read; `position` tells how many bytes of the file have been."""

    input: Input
    stream: BinaryIO
    split: Split | None
    position: Callable[[], int] = lambda: 0


@dataclass
class Meter:
    """How far into all its inputs an act of reading is, in bytes as they lie on disk."""

    finished: int = 0
    opened: Opened | None = None

    @property
    def bytes(self) -> int:
        return self.finished + (self.opened.position() if self.opened else 0)

    def finish(self) -> None:
        """The input that was being read is read to its end."""
        self.finished, self.opened = self.finished + (self.opened.input.bytes or 0 if self.opened else 0), None


Reader = Callable[[Opened], Iterator[Row | Lines]]


class Unreadable(Exception):
    """Why a file is not of its format, for a reader to raise."""


class BrokenFile(ProvError):
    """A file that cannot be read to its end."""

    def __init__(self, name: str, place: str, reason: str) -> None:
        self.name, self.place, self.reason = name, place, reason
        super().__init__(f"{name} is broken {place}: {reason}; nothing of it was kept, mend the file and try again")


def find_inputs(arguments: Iterable[str | Path]) -> tuple[list[Input], list[Path]]:
    """All files that the arguments name: files, folders (recursively), globs and `-`.

    Returns:
        The inputs, and what was passed over in folders because its format is not known.
    Raises:
        ProvError: an argument names nothing, or a file of a format that is not known.
    """
    given = list(arguments)
    if "" in given:  # an unset variable of a shell, which would name the folder that one is in
        raise ProvError("an input is named '': wanted a file, a folder, a glob, or - for standard input")
    paths = [Path(argument) for argument in given]
    if paths.count(STANDARD_INPUT) > 1:
        raise ProvError("standard input is named twice: it can be read once, leave one - out")
    inputs: list[Input] = []
    passed_over: list[Path] = []
    for path in paths:
        if path.is_dir():
            known, other = _in_folder(path)
            inputs += [Input(file, file.relative_to(path).as_posix()) for file in known]
            passed_over += other
        else:
            inputs += [Input(file, file.name) for file in _files(path)]
    if not inputs:
        raise ProvError(f"nothing to read in {' '.join(map(str, paths))}: wanted {_known_formats()}")
    if badly_named := [input for input in inputs if any("\ud800" <= char <= "\udfff" for char in input.name)]:
        raise ProvError(f"the file name {badly_named[0].name!r} is not UTF-8: rename it, ids are made of it")
    return inputs, passed_over


def _in_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder that can be read, and what is passed over: other formats, and links that lead away."""
    found = [
        file
        for file in sorted(folder.rglob("*"))
        if (file.is_symlink() or not file.is_dir()) and not _hidden(file, folder) and not is_record(file)
    ]
    saved = {file.parent: _data_files(file) for file in found if file.name == SAVED_DATASET}
    known = [
        file
        for file in found
        if file.is_file()
        and _reader_of(file)
        and not file.name.endswith(REJECTED)
        and (file.parent not in saved or file.name in saved[file.parent])
        and not (file.name == SAVED_DATASETS and any(home.parent == file.parent for home in saved))
    ]
    return known, sorted(set(found) - set(known))


SAVED_DATASET, SAVED_DATASETS = "state.json", "dataset_dict.json"
"""What says that a folder is a Hugging Face dataset saved to disk, and one that holds several."""


def _data_files(state: Path) -> frozenset[str]:
    """The data of a dataset saved to disk; all files of the folder where the file tells of none, being another's."""
    try:
        return frozenset(entry["filename"] for entry in json.loads(state.read_bytes())["_data_files"])
    except (OSError, ValueError, TypeError, KeyError):
        return frozenset(file.name for file in state.parent.iterdir())


def _files(path: Path) -> list[Path]:
    if path == STANDARD_INPUT:
        return [path]
    files = [path] if path.exists() else [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]
    if not files:
        raise ProvError(f"no file {path}: name a file, a folder, a glob, or - for standard input")
    for file in files:
        if file.is_dir():
            raise ProvError(f"{file} is no file: a glob must name files; give the folder itself to read it whole")
        if not file.is_file():
            raise ProvError(f"{file} is no plain file: name one, or use - for standard input")
        if not _reader_of(file):
            raise ProvError(f"{file} has no known format: wanted {_known_formats()}")
    return files


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _known_formats() -> str:
    return f"{', '.join(READERS)}, or {' or '.join(COMPRESSION)} of those (Parquet and Arrow compress themselves)"


def _reader_of(path: Path) -> Reader | None:
    if path == STANDARD_INPUT:
        return read_jsonl
    *_, before, last = "", "", *(suffix.lower() for suffix in path.suffixes)
    if last not in COMPRESSION:
        return READERS.get(last)
    return READERS.get(before) if before not in SELF_COMPRESSED else None


def read(input: Input, split: Split | None = None, meter: Meter | None = None) -> Iterator[Row]:
    """All rows of an input, in its order; see `read_parts`."""
    for part in read_parts(input, split, meter):
        if isinstance(part, Lines):
            yield from part.rows()
        else:
            yield part


def read_parts(input: Input, split: Split | None = None, meter: Meter | None = None) -> Iterator[Row | Lines]:
    """All rows of an input, in its order, those of JSON lines by the block.

    Args:
        split: cut a text file into paragraphs or lines.
        meter: tells, while the rows are read, how far into the file they are.

    Raises:
        BrokenFile: the file ends early, or is not of its format.
        ProvError: the file cannot be opened.
    """
    reader = _reader_of(input.path)
    assert reader, f"find_inputs let {input.path} through"
    meter = meter or Meter()
    with _open(input, split) as opened:
        meter.opened = opened
        place = "at its start"
        try:
            for part in reader(opened):
                place = f"after line {part.last:,}" if isinstance(part, Lines) else f"after {part.place}"
                yield part
            meter.finish()
        except (Unreadable, EOFError, pa.ArrowException, csv.Error, OSError) as error:
            raise BrokenFile(input.name, place, str(error).partition("\n")[0]) from error


@contextmanager
def _open(input: Input, split: Split | None) -> Iterator[Opened]:
    if input.path == STANDARD_INPUT:
        yield Opened(input, sys.stdin.buffer, split)
        return
    compression = COMPRESSION.get(input.path.suffix.lower())
    with open_file(input.path) as file:
        stream = io.BufferedReader(pa.CompressedInputStream(file, compression), 1 << 20) if compression else file
        with stream:
            yield Opened(input, stream, split, file.tell)


def open_file(path: Path) -> io.BufferedReader:
    """The bytes of a file, as they are.

    Raises:
        ProvError: it cannot be read.
    """
    try:
        return io.BufferedReader(io.FileIO(path), 1 << 20)
    except OSError as error:
        raise ProvError(f"cannot read {path}: {error.strerror}; name a file that can be read") from error


# -- JSON lines


def read_jsonl(opened: Opened) -> Iterator[Row | Lines]:
    """One JSON object a line; blank lines are passed over, but counted."""
    number = 1
    for block in _blocks(opened.stream):
        lines = Lines(number, block.removeprefix(b"\xef\xbb\xbf") if number == 1 else block)
        number = lines.last + 1
        if _is_utf8(lines.content):
            yield lines
        else:
            yield from lines.rows()


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """A stream cut at ends of lines, into pieces of about `BLOCK_BYTES`."""
    begun: list[bytes] = []
    while chunk := stream.read(BLOCK_BYTES):
        whole, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join([*begun, whole, newline])
            begun = []
        begun.append(rest)
    if any(begun):
        yield b"".join(begun)


def _is_utf8(content: bytes) -> bool:
    offsets = pa.py_buffer(np.array([0, len(content)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(content)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def json_rows(number: int, line: bytes) -> Iterator[Row]:
    """The row that a line of JSON holds; none where it is blank."""
    if line.strip():
        yield _json_row(number, line)


def _json_row(number: int, line: bytes) -> Row:
    place = f"line {number:,}"
    try:
        values = JSON_DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        fault = f"invalid UTF-8 at byte {error.start + 1} of the line"
    except json.JSONDecodeError as error:
        fault = f"invalid JSON at column {error.colno}: {error.msg}; wanted one whole object on the line"
    except (ValueError, RecursionError) as error:
        fault = f"invalid JSON: {error}"
    else:
        if isinstance(values, dict):
            return Row(number, place, values)
        fault = f"wanted a JSON object, found {line[:40].decode(errors='replace').strip()}"
    return Row(number, place, {}, fault, _shown(line))


def _shown(content: bytes) -> str:
    return content.decode(errors="backslashreplace").rstrip("\r\n")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"the key {twice!r} stands twice")
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


JSON_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
"""JSON to the letter: no key twice, no NaN; `ValueError` or `RecursionError` says what is wrong."""


# -- CSV and TSV


def read_csv(opened: Opened) -> Iterator[Row]:
    """Comma-separated values with a header; an empty field is a missing value."""
    return _read_separated(opened, ",")


def read_tsv(opened: Opened) -> Iterator[Row]:
    """Tab-separated values with a header; an empty field is a missing value."""
    return _read_separated(opened, "\t")


def _read_separated(opened: Opened, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    # Bytes that are not UTF-8 come through as lone surrogates, so that the row that holds them can be named.
    with io.TextIOWrapper(opened.stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        records = csv.reader(lines, delimiter=delimiter, strict=True)
        header = next((fields for fields in records if fields), [])
        _no_column_twice(header)
        number, start = 0, records.line_num + 1
        for fields in records:
            if fields:
                number += 1
                yield _separated_row(number, f"line {start:,}", header, fields)
            start = records.line_num + 1


def _separated_row(number: int, place: str, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        fault = f"wanted {len(header)} fields ({', '.join(header)}), found {len(fields)}"
        return Row(number, place, {}, fault, fields)
    return Row(number, place, {name: field or None for name, field in zip(header, fields, strict=True)})


def _no_column_twice(names: list[str]) -> None:
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise Unreadable(f"the column {twice[0]!r} stands twice in {', '.join(names)}")


# -- Parquet


def read_parquet(opened: Opened) -> Iterator[Row]:
    """The rows of a Parquet file, a few thousand at a time."""
    with pq.ParquetFile(opened.stream) as file:
        opened.position = lambda: (opened.input.bytes or 0) * number // max(file.metadata.num_rows, 1)
        number = 0
        _no_column_twice(file.schema_arrow.names)
        records = chain.from_iterable(map(_records, file.iter_batches(batch_size=4096)))
        for number, (values, fault) in enumerate(records, 1):
            yield Row(number, f"row {number:,}", values, fault)


def _records(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str | None]]:
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError) as error:  # one bad value fails the whole batch: find the row that holds it
        if batch.num_rows == 1:
            yield {}, f"a value cannot be read: {_reason(error)}"
        else:
            for index in range(batch.num_rows):
                yield from _records(batch.slice(index, 1))
    else:
        yield from ((values, None) for values in rows)


def _reason(error: Exception) -> str:
    return f"invalid UTF-8 ({error.reason})" if isinstance(error, UnicodeDecodeError) else str(error)


# -- Arrow


def read_arrow(opened: Opened) -> Iterator[Row]:
    """The rows of an Arrow IPC file, or of a stream in a file, as Hugging Face datasets are saved to disk."""
    with _arrow_batches(opened) as batches:
        number = 0
        for batch in batches:
            _no_column_twice(batch.schema.names)
            opened.position = opened.stream.tell
            for values, fault in chain.from_iterable(map(_records, _pieces(batch))):
                number += 1
                yield Row(number, f"row {number:,}", values, fault)


@contextmanager
def _arrow_batches(opened: Opened) -> Iterator[Iterator[pa.RecordBatch]]:
    is_file = opened.stream.read(len(_ARROW_FILE)) == _ARROW_FILE
    opened.stream.seek(0)
    if is_file:
        with pa.ipc.open_file(opened.stream) as file:
            yield (file.get_batch(index) for index in range(file.num_record_batches))
    else:
        with pa.ipc.open_stream(opened.stream) as stream:
            yield iter(stream)


_ARROW_FILE = b"ARROW1"


def _pieces(batch: pa.RecordBatch, rows: int = 4096) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


# -- plain text


def read_text(opened: Opened) -> Iterator[Row]:
    """A text file: whole, by paragraphs (set apart by blank lines) or by lines; bytes are kept as they are."""
    if opened.split == "lines":
        return _lines(opened.stream)
    if opened.split == "paragraphs":
        return _paragraphs(opened.stream)
    return iter([_text_row(1, "whole file", opened.stream.read())])


def _paragraphs(stream: BinaryIO) -> Iterator[Row]:
    number, lines = 0, list[bytes]()
    for line_number, line in enumerate(chain(stream, [b""]), 1):
        if line.strip():
            lines.append(line)
        elif lines:
            number += 1
            place = f"paragraph {number:,} (line {line_number - len(lines):,})"
            yield _text_row(number, place, _without_end(b"".join(lines)))
            lines.clear()


def _lines(stream: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield _text_row(number, f"line {number:,}", _without_end(line))


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _text_row(number: int, place: str, content: bytes) -> Row:
    try:
        return Row(number, place, {"text": content.decode()})
    except UnicodeDecodeError as error:
        return Row(number, place, {}, f"invalid UTF-8 at byte {error.start + 1}", _shown(content))


READERS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_text,
}

SELF_COMPRESSED = frozenset({".parquet", ".arrow", ".feather"})
