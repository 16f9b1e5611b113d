"""JSON lines a block at a time: rows in which nothing needs judgement become documents inside DuckDB.

Such a row is plain: an object of distinct keys whose values are of the kinds that they should be, with no parents
and no metadata but simple values. Every other row of the block is handed back, for the way that takes one row after
another and knows what to make of it and what to say. Both ways end in the same staged rows.
"""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from provenance.origin import COLUMNS, Origin
from provenance.words import count_words
from registry.readers import Lines
from registry.rows import PROVENANCE_COLUMN, Rules
from registry.store import Store
from registry.tokens import Tokenizer

MEMORY = "200MB"
"""What DuckDB may use for the block that a taker is at."""
SAMPLE = 64
"""So many lines of a block tell which names of the users' own it has; what has others is asked for them."""
MOST_OTHERS = 64
"""Of so many names of the users' own; rows with yet others go row by row."""
FEWEST = 256
"""A block of fewer lines goes row by row, which is quicker than a dozen statements."""


@dataclass(frozen=True)
class Taken:
    """What a block came to: its plain rows, and the lines that are left.

    Attributes:
        rows: as `rows.ARRIVING` has them, but for their texts.
        texts: of those rows, with their digests.
        columns: all names that stand in the block, where anybody asks.
        fields: the users' own fields that the plain rows fill.
        odd: number and bytes of the lines that are left, in their order.
    """

    rows: pa.Table
    texts: pa.Table
    columns: frozenset[str]
    fields: frozenset[str]
    odd: list[tuple[int, bytes]]


class Taker:
    """Reads blocks in a database of its own, in memory, so that nothing has to wait for the end of an act."""

    def __init__(self, rules: Rules, tokenizer: Tokenizer | None) -> None:
        self.rules, self.tokenizer = rules, tokenizer
        self.scratch = Store.empty(":memory:")
        self.scratch.limit(memory_limit=MEMORY, threads=1)  # several blocks are taken at a time instead
        self.others: list[str] = []  # the users' own names that the blocks so far had, sorted

    def take(self, lines: Lines, name: str, input: int) -> Taken:
        """The plain rows of a block.

        Args:
            name: of the input, for the ids of rows that bring none.
            input: its number in this act.
        """
        table = lines.table()
        columns = self._names(table) if self.rules.columns else frozenset()
        self._learn(table.slice(0, SAMPLE))
        said = [self._said(table, name)]
        fields = self._fields(said[0])
        odd = _rest(table, said)
        if odd.num_rows and self._learn(odd):
            said.append(self._said(odd, name))
            fields |= self._fields(said[1])
            odd = _rest(odd, said)
        left = zip(odd.column("number").to_pylist(), odd.column("line").to_pylist(), strict=True)
        plain = _measured(pa.concat_tables(said), self.tokenizer)
        with self.scratch.lend(plain=plain.drop_columns(["text"])):
            rows = self.scratch.ask_table("plain_rows", input=input, **self._wrote())
        texts = plain.select(["text_digest", "text"])
        return Taken(rows, texts, columns, fields, [(number, line.encode()) for number, line in left])

    def _wrote(self) -> dict[str, str | None]:
        run = self.rules.written_by
        return {"run": run.run.hex(), "model": run.model.hex()} if run else {"run": None, "model": None}

    def close(self) -> None:
        self.scratch.close()

    def _said(self, lines: pa.Table, name: str) -> pa.Table:
        return self._ask(lines, "plain_lines", **self._meaning(name))

    def _ask(self, lines: pa.Table, question: str, **params: Any) -> pa.Table:
        """The answer for those of the lines that are JSON."""
        with self.scratch.lend(lines=lines):
            try:
                return self.scratch.ask_table(question, **params)
            except duckdb.InvalidInputException:
                valid = self.scratch.ask_table("valid_lines")
        with self.scratch.lend(lines=valid):
            return self.scratch.ask_table(question, **params)

    def _names(self, lines: pa.Table) -> frozenset[str]:
        return frozenset(self._ask(lines, "line_keys").column(0).to_pylist())

    def _learn(self, lines: pa.Table) -> bool:
        """Look for users' own names that were not met before; whether there were any."""
        known = len(self.others)
        self.others = sorted({*self.others, *(self._names(lines) - self.rules.taken)})[:MOST_OTHERS]
        return len(self.others) > known

    def _fields(self, said: pa.Table) -> frozenset[str]:
        """Those of the other names that have a value in any row."""
        values = said.column("metadata").combine_chunks().flatten()
        filled = values.is_valid().to_numpy(zero_copy_only=False).reshape(-1, max(len(self.others), 1)).any(axis=0)
        return frozenset(name for name, is_filled in zip(self.others, filled, strict=False) if is_filled)

    def _meaning(self, name: str) -> dict[str, Any]:
        """What the names in a row mean, and what holds where a row says nothing."""
        rules, declared, run = self.rules, self.rules.declared, self.rules.written_by
        ours = [rules.names[column] for column in (*COLUMNS, PROVENANCE_COLUMN) if column != "text"]
        return {
            "text": _pointer(rules.names["text"]),
            "label": _label(rules.names["text"]),
            "pointers": [_pointer(key) for key in (*ours, *self.others)],
            "labels": [_label(key) for key in self.others],
            "origin": declared.origin or (Origin.MODEL if run else None),
            "generation": declared.generation,
            "generator": declared.generator,
            "source": declared.source,
            "license": declared.license,
            "prefix": f"{name}#" if name else "",
            "run_generator": run.generator if run else None,
            "max_bytes": rules.max_bytes,
        }


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
        for worker, taker in zip(self.workers, self.takers, strict=True):
            worker.shutdown(cancel_futures=True)
            taker.close()


def _pointer(key: str) -> str:
    """A name as JSON pointer (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _label(key: str) -> str:
    return f"{json.dumps(key, ensure_ascii=False)}:"


def _rest(lines: pa.Table, said: list[pa.Table]) -> pa.Table:
    """The lines of which nothing was said."""
    spoken = np.concatenate([table.column("number").to_numpy() for table in said])
    left = ~np.isin(lines.column("number").to_numpy(), spoken, assume_unique=True)
    return lines.filter(pa.array(left)) if left.any() else lines.slice(0, 0)


# -- what is measured while the texts are in hand


def _measured(said: pa.Table, tokenizer: Tokenizer | None) -> pa.Table:
    """Rows with the bytes, words and tokens of their texts."""
    texts = said.column("text").combine_chunks().cast(pa.large_string())
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    words = pa.array(count_words(np.frombuffer(content or b"", np.uint8), ends))
    tokens = tokenizer.count(texts) if tokenizer else pa.nulls(len(texts), pa.int64())
    said = said.set_column(said.schema.get_field_index("text"), "text", texts)
    measured = {"bytes": np.diff(ends), "words": words, "tokens": tokens}
    for name, column in measured.items():
        said = said.append_column(name, pa.array(column))
    return said
