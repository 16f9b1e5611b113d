"""Readers: files of any known format as rows, each with its place in the file.

Adding a format: a function from `Opened` to rows, and its suffix in `READERS`.
"""

import csv
import glob
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.errors import ProvError
from registry.carry import is_record

Split = Literal["paragraphs", "lines"]
COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
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


@dataclass(frozen=True)
class Row:
    """One row as it came: its number in the file from 1, where that is, and its columns; or why it is bad."""

    number: int
    place: str
    values: dict[str, Any]
    fault: str | None = None


@dataclass
class Opened:
    """An input while it is read."""

    input: Input
    stream: BinaryIO
    split: Split | None


Reader = Callable[[Opened], Iterator[Row]]


class BrokenFile(ProvError):
    """A file that cannot be read to its end."""

    def __init__(self, name: str, place: str, reason: str) -> None:
        super().__init__(f"{name} is broken {place}: {reason}; nothing of it was kept, mend the file and try again")


def find_inputs(arguments: Iterable[str | Path]) -> tuple[list[Input], list[Path]]:
    """All files that the arguments name: files, folders (recursively), globs and `-`.

    Returns:
        The inputs, and what was passed over in folders because its format is not known.
    Raises:
        ProvError: an argument names nothing, or a file of a format that is not known.
    """
    inputs: list[Input] = []
    passed_over: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if path == STANDARD_INPUT:
            inputs.append(Input(path, "-"))
        elif path.is_dir():
            files = [
                file
                for file in sorted(path.rglob("*"))
                if file.is_file() and not _hidden(file, path) and not is_record(file)
            ]
            known = [file for file in files if _reader_of(file)]
            inputs += [Input(file, file.relative_to(path).as_posix()) for file in known]
            passed_over += [file for file in files if not _reader_of(file)]
        else:
            inputs += [Input(file, file.name) for file in _files(path)]
    if not inputs:
        raise ProvError(f"nothing to read in {' '.join(map(str, arguments))}: wanted {_known_formats()}")
    return inputs, passed_over


def _files(path: Path) -> list[Path]:
    files = [path] if path.exists() else [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]
    if not files:
        raise ProvError(f"no file {path}: name a file, a folder, a glob, or - for standard input")
    for file in files:
        if not file.is_file():
            raise ProvError(f"{file} is no file: a glob must name files; give the folder itself to read it whole")
        if not _reader_of(file):
            raise ProvError(f"{file} has no known format: wanted {_known_formats()}")
    return files


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _known_formats() -> str:
    return f"{', '.join(READERS)} (and {', '.join(COMPRESSION)} of them)"


def _reader_of(path: Path) -> Reader | None:
    if path == STANDARD_INPUT:
        return read_jsonl
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSION:
        suffixes.pop()
    return READERS.get(suffixes[-1]) if suffixes else None


def read(input: Input, split: Split | None = None) -> Iterator[Row]:
    """All rows of an input, in its order.

    Raises:
        BrokenFile: the file ends early, or is not of its format.
        ProvError: the file cannot be opened.
    """
    reader = _reader_of(input.path)
    assert reader, f"find_inputs let {input.path} through"
    last = 0
    try:
        with _open(input.path) as stream:
            for row in reader(Opened(input, stream, split)):
                last = row.number
                yield row
    except (EOFError, pa.ArrowException, csv.Error, OSError) as error:
        place = f"after row {last}" if last else "at its start"
        raise BrokenFile(input.name, place, str(error).splitlines()[0]) from error


def _open(path: Path) -> BinaryIO:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        stream = pa.input_stream(str(path), compression=COMPRESSION.get(path.suffix.lower()))
    except OSError as error:
        raise ProvError(f"cannot read {path}: {error.strerror or error}") from error
    if _reader_of(path) is read_parquet:
        return open(path, "rb")
    return io.BufferedReader(stream, 1 << 20)


# -- JSON lines


def read_jsonl(opened: Opened) -> Iterator[Row]:
    """One JSON object a line; blank lines are passed over, but counted."""
    for number, line in enumerate(opened.stream, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: bytes) -> Row:
    place = f"line {number:,}"
    try:
        values = _DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        return Row(number, place, {}, f"invalid UTF-8 at byte {error.start + 1} of the line")
    except json.JSONDecodeError as error:
        return Row(number, place, {}, f"invalid JSON at column {error.colno}: {error.msg}")
    except (ValueError, RecursionError) as error:
        return Row(number, place, {}, f"invalid JSON: {error}")
    if not isinstance(values, dict):
        return Row(number, place, {}, f"wanted a JSON object, found {line[:40].decode(errors='replace').strip()}")
    return Row(number, place, values)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"the key {twice!r} stands twice")
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


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
    lines = io.TextIOWrapper(opened.stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    header = next(records, None)
    if header is None:
        return
    if len(set(header)) < len(header):
        raise csv.Error(f"a column stands twice in the header {', '.join(header)}")
    start = records.line_num + 1
    for number, fields in enumerate((fields for fields in records if fields), 1):
        yield _separated_row(number, f"line {start:,}", header, fields)
        start = records.line_num + 1


def _separated_row(number: int, place: str, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        return Row(number, place, {}, f"wanted {len(header)} fields ({', '.join(header)}), found {len(fields)}")
    return Row(number, place, {name: field or None for name, field in zip(header, fields, strict=True)})


# -- Parquet


def read_parquet(opened: Opened) -> Iterator[Row]:
    """The rows of a Parquet file, a few thousand at a time."""
    with pq.ParquetFile(opened.stream) as file:
        records = chain.from_iterable(map(_records, file.iter_batches(batch_size=4096)))
        for number, (values, fault) in enumerate(records, 1):
            yield Row(number, f"row {number:,}", values, fault)


def _records(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str | None]]:
    try:
        yield from ((values, None) for values in batch.to_pylist())
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            yield {}, f"invalid UTF-8 in a string ({error.reason})"
        else:
            for index in range(batch.num_rows):
                yield from _records(batch.slice(index, 1))


# -- plain text


def read_text(opened: Opened) -> Iterator[Row]:
    """A text file: whole, by paragraphs (set apart by blank lines) or by lines; bytes are kept as they are."""
    if opened.split == "lines":
        return _lines(opened.stream)
    whole = opened.stream.read()
    if opened.split == "paragraphs":
        return _paragraphs(whole)
    return iter([_text_row(1, "whole file", whole)])


_BLANK_LINES = re.compile(rb"(?:[ \t]*\r?\n){2,}")


def _paragraphs(whole: bytes) -> Iterator[Row]:
    parts = (part.strip(b"\r\n") for part in _BLANK_LINES.split(whole))
    for number, part in enumerate((part for part in parts if part.strip()), 1):
        yield _text_row(number, f"paragraph {number:,}", part)


def _lines(stream: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield _text_row(number, f"line {number:,}", line.rstrip(b"\r\n"))


def _text_row(number: int, place: str, content: bytes) -> Row:
    try:
        return Row(number, place, {"text": content.decode()})
    except UnicodeDecodeError as error:
        return Row(number, place, {}, f"invalid UTF-8 at byte {error.start + 1}")


READERS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_text,
}
