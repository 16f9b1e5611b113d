"""Looking texts up that are not of the registry: what they are copies of, the same or near, and who wrote that.

Texts are read and looked up in blocks, so that memory stays bounded however many there are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from provenance.origin import text_digest
from registry.fingerprints import Sketcher, wanted_sketcher
from registry.matching import matching
from registry.near import TRUNCATION, Nearness, find_near, seek_among
from registry.outside import OUR_COLUMNS, Columns, Outsider, named_rows, outsiders
from registry.readers import Meter, Row, Split
from registry.schema import question
from registry.store import Progress, Store, silent
from registry.where import Where

BLOCK_TEXTS, BLOCK_BYTES = 50_000, 64_000_000
"""So many texts, or fewer of so many bytes, are looked up at a time: each time, all keys of the registry are met."""

EMPTY, BAD, EXACT, NEAR = "empty", "bad", "exact", "near"
"""What a row may come to besides none."""

_ASKED = pa.schema([("asked_id", pa.int64()), ("digest", pa.binary())])
_ROWS = pa.schema(
    [
        *(("number", pa.int64()), ("input", pa.string()), ("place", pa.string()), ("item", pa.string())),
        *(("digest", pa.binary()), ("bytes", pa.int64()), ("asked_id", pa.int64()), ("fault", pa.string())),
    ]
)


def lookup_files(
    store: Store,
    arguments: Iterable[str | Path],
    near: Nearness | None,
    *,
    columns: Columns = OUR_COLUMNS,
    split: Split | None = None,
    skip_bad: bool = False,
    meter: Meter | None = None,
    progress: Progress = silent,
) -> Iterator[pa.Table]:
    """Look up the texts of files, folders, globs or standard input; `lookup` says what comes of it.

    Raises:
        BrokenFile: and what was looked up until then is told.
    """
    rows = named_rows(arguments, split, meter)
    return lookup(store, rows, near, columns=columns, skip_bad=skip_bad, progress=progress)


def lookup(
    store: Store,
    rows: Iterable[tuple[str, Row]],
    near: Nearness | None,
    *,
    among: Where | None = None,
    columns: Columns = OUR_COLUMNS,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> Iterator[pa.Table]:
    """Find what rows, each with the name of its input, are copies of.

    Args:
        near: what is near; None finds the same texts alone, and needs no fingerprints.
        among: look among the texts of these documents alone; of a text that is found all that is said is told.
        skip_bad: tell bad rows among the others; else the first one ends it.
        progress: called with the number of rows looked up since the last call.
    Returns:
        Tables, at least one, with a row for each row, in their order. `match` is exact, near, none, empty (no text) or
        bad (and `fault` says why). What is told of a match is that of the best one: the same text before near ones,
        then the highest Jaccard similarity. Of several documents of a text the human one is named, then the one of the
        lowest generation; `sayings` has all that they say, each once, `others` the best matches of other origins, or
        held out; `origins` and `held_out` tell of all `matches`, however many there are. `how` is `copies whole`,
        `copies part`, `contains`, or `resembles` where neither text stands in the other.
    Raises:
        NoFingerprints, ProvError: near ones are asked for, and not all texts have fingerprints.
        BadRow: a row has no column of that name, or what stands there is no text.
    """
    made = wanted_sketcher(store) if near else None
    block, any_yet = _Block(), False
    for outsider in outsiders(rows, columns, skip_bad):
        block.take(outsider)
        if block.is_full:
            yield _look_up(store, made, near, among, block)
            progress(len(block.rows))
            block, any_yet = _Block(), True
    if block.rows or not any_yet:
        yield _look_up(store, made, near, among, block)
        progress(len(block.rows))


# -- a block of rows


@dataclass
class _Block:
    """Rows that are looked up together, and their texts, each once: the first is asked for as -1, the next as -2, …"""

    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[bytes, int] = field(default_factory=dict)
    contents: list[str] = field(default_factory=list)
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= BLOCK_TEXTS or self.bytes >= BLOCK_BYTES

    def take(self, outsider: Outsider) -> None:
        told: dict[str, Any] = {
            "number": len(self.rows),
            "bytes": 0,
            **{name: getattr(outsider, name) for name in ("input", "place", "item", "fault")},
        }
        if outsider.text is not None:
            told |= self._asked(outsider.text)
        self.rows.append(told)

    def _asked(self, text: str) -> dict[str, Any]:
        digest, size = text_digest(text), len(text) if text.isascii() else len(text.encode())
        if digest not in self.asked:
            self.asked[digest] = -1 - len(self.contents)
            self.contents.append(text)
            self.bytes += size
        return {"digest": digest, "bytes": size, "asked_id": self.asked[digest]}


def _look_up(
    store: Store, made: Sketcher | None, near: Nearness | None, among: Where | None, block: _Block
) -> pa.Table:
    store.run("stage_near")
    if among:
        matching(store, among)
    if made and near and block.contents:
        texts = store.connection.sql(question("matching_texts" if among else "fingerprinted_texts"))
        seek_among(store, made, texts, strange=block.contents)
        find_near(store, made, near, bands=near.cheapest_bands(made), across=True)
    ids = pa.array(block.asked.values(), pa.int64())
    with store.lend(asked_text=pa.table([ids, pa.array(block.asked, pa.binary())], schema=_ASKED)):
        store.run("stage_found")
    if among:
        store.run("drop_not_matching")
    with store.lend(told_text=store.connection.sql(question("found_texts"))):
        store.run("stage_saying")
    with store.lend(asked_row=pa.Table.from_pylist(block.rows, _ROWS)):
        return store.ask_table("looked_up", share=near.containment if near else TRUNCATION)


# -- what it came to


@dataclass
class Summary:
    """What tables of looked up rows add up to.

    Attributes:
        texts: rows read; bytes: of their texts.
        exact, near, unmatched, empty, bad: of these so many.
        human, model, held_out: how many have a match of this kind, the best one or another.
        origins, sources: texts, exact and near ones, and bytes by what the best match is.
        matches: the first rows with a match.
    """

    limit: int | None = None
    texts: int = 0
    bytes: int = 0
    exact: int = 0
    near: int = 0
    unmatched: int = 0
    empty: int = 0
    bad: int = 0
    human: int = 0
    model: int = 0
    held_out: int = 0
    first_bad: dict[str, Any] | None = None
    origins: dict[tuple[Any, ...], dict[str, int]] = field(default_factory=dict)
    sources: dict[tuple[Any, ...], dict[str, int]] = field(default_factory=dict)
    matches: list[dict[str, Any]] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Count a table of `lookup` in."""
        self.texts += len(table)
        self.bytes += pc.sum(table.column("bytes")).as_py() or 0
        counts = {row["values"]: row["counts"] for row in pc.value_counts(table.column("match")).to_pylist()}
        self.exact += counts.get(EXACT, 0)
        self.near += counts.get(NEAR, 0)
        self.unmatched += counts.get("none", 0)
        self.empty += counts.get(EMPTY, 0)
        self.bad += counts.get(BAD, 0)
        if BAD in counts and not self.first_bad:
            self.first_bad = table.filter(pc.equal(table.column("match"), BAD)).slice(0, 1).to_pylist()[0]
        self._add_matched(table.filter(pc.is_in(table.column("match"), pa.array([EXACT, NEAR]))))

    def _add_matched(self, matched: pa.Table) -> None:
        origins = matched.column("origins").to_pylist()
        self.human += sum("human" in of_one for of_one in origins)
        self.model += sum("model" in of_one for of_one in origins)
        self.held_out += pc.sum(pc.greater(pc.list_value_length(matched.column("held_out")), 0)).as_py() or 0
        _add_up(matched, ("origin", "generation", "generation_exact"), self.origins)
        _add_up(matched, ("source", "generator"), self.sources)
        wanted = len(matched) if self.limit is None else self.limit - len(self.matches)
        self.matches += matched.slice(0, max(0, wanted)).drop_columns(["fault"]).to_pylist()

    def told(self) -> dict[str, Any]:
        """All of it, the groups with the most texts first."""
        names = ("texts", "bytes", "exact", "near", "unmatched", "empty", "bad", "human", "model", "held_out")
        return {
            **{name: getattr(self, name) for name in names},
            "origins": _rows(("origin", "generation", "generation_exact"), self.origins),
            "sources": _rows(("source", "generator"), self.sources),
            "matches": self.matches,
        }


def _add_up(matched: pa.Table, by: tuple[str, ...], into: dict[tuple[Any, ...], dict[str, int]]) -> None:
    grouped = matched.group_by([*by, "match"]).aggregate([("bytes", "sum"), ([], "count_all")])
    for row in grouped.to_pylist():
        counts = into.setdefault(tuple(row[name] for name in by), {"texts": 0, EXACT: 0, NEAR: 0, "bytes": 0})
        counts["texts"] += row["count_all"]
        counts[row["match"]] += row["count_all"]
        counts["bytes"] += row["bytes_sum"]


def _rows(by: tuple[str, ...], groups: Mapping[tuple[Any, ...], Mapping[str, int]]) -> list[dict[str, Any]]:
    rows = [{**dict(zip(by, key, strict=True)), **counts} for key, counts in groups.items()]
    return sorted(rows, key=lambda row: (-row["texts"], str([row[name] for name in by])))
