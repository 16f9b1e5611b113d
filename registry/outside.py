"""Texts outside the registry: rows of files that are looked at, and not taken in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.errors import ProvError, listed
from registry.readers import Meter, Row, Split, find_inputs, read
from registry.rows import BadRow, Fault, default_item

MOST_COLUMNS = 20


@dataclass(frozen=True)
class Columns:
    """Where the text and the id of a row stand."""

    text: str = "text"
    id: str = "id"


OUR_COLUMNS = Columns()


@dataclass(frozen=True)
class Outsider:
    """A row of a file: where it stands, and its text; None where it has none, or a fault."""

    input: str
    place: str
    item: str
    text: str | None
    fault: str | None = None


def named_rows(
    arguments: Iterable[str | Path], split: Split | None = None, meter: Meter | None = None
) -> Iterator[tuple[str, Row]]:
    """The rows of files, folders, globs or standard input, each with the name of its input."""
    inputs, _ = find_inputs(arguments)
    return ((input.name, row) for input in inputs for row in read(input, split, meter))


def outsiders(rows: Iterable[tuple[str, Row]], columns: Columns, skip_bad: bool) -> Iterator[Outsider]:
    """The texts of rows, each with the name of its input.

    Args:
        skip_bad: tell a row's fault among the others; else the first one ends it.
    Raises:
        BadRow: a row has no column of that name, or what stands there is no text.
        ProvError: no row has the column of the ids.
    """
    seen: set[str] = set()
    for name, row in rows:
        seen.update(row.values)
        item = default_item(row.number, name)
        try:
            item = _item(row, columns.id) or item
            told = Outsider(name, row.place, item, _text(row, columns.text))
        except Fault as fault:
            if not skip_bad:
                raise BadRow(name, row.place, str(fault)) from None
            told = Outsider(name, row.place, item, None, str(fault))
        yield told
    if seen and columns.id != Columns.id and columns.id not in seen:
        raise ProvError(f"there is no column {columns.id!r}: the columns are {listed(sorted(seen), MOST_COLUMNS)}")


def _text(row: Row, column: str) -> str | None:
    if row.fault:
        raise Fault(row.fault)
    if column not in row.values:
        there = listed(row.values, MOST_COLUMNS)
        raise Fault(f"no text (there is no column {column!r} but {there}: name the text's with --text-column)")
    text: Any = row.values[column]
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise Fault(f"its text is of the type {type(text).__name__}, wanted a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault(f"invalid UTF-8 in the text at character {error.start + 1}") from error
    return text


def _item(row: Row, column: str) -> str | None:
    value = row.values.get(column)
    if value is None or value == "":
        return None
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise Fault("invalid UTF-8 in its id") from None
    return str(value)
