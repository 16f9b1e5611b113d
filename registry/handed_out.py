"""Handed out: the files that texts went into and that no act on the registry reaches."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from registry.readers import REJECTED
from registry.store import Batch, Store

Kind = Literal["export", "export with lineage", "snapshot", "copy", "held-out texts"]
CHUNK_LINES = 10_000
MOST_NEEDLES = 1_000
"""So many texts are looked for within lines that were no rows; where there are more, each such line may hold one."""


def hand_out(store: Store, kind: Kind, path: Path, mix_id: int | None = None) -> None:
    """Note that texts were written into a file or folder; the same again changes nothing.

    Args:
        mix_id: the mix whose texts they are, None for those of the whole registry.
    """
    with store.batch("hand out") as batch:
        if not note_handed_out(store, batch, kind, path, mix_id):
            batch.abandon()


def note_handed_out(store: Store, batch: Batch, kind: Kind, path: Path, mix_id: int | None = None) -> bool:
    """The same, as part of an act; whether it was not noted yet."""
    went = {"kind": kind, "path": str(path.absolute()), "mix_id": mix_id}
    if store.ask_value("was_handed_out", **went):
        return False
    store.run("insert_handed_out", **went, batch_id=batch.batch_id)
    return True


def held_elsewhere(store: Store) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The exports, snapshots and copies, and the rejected lines, with a text of the temporary table `withdrawing`.

    The temporary table `descended` must hold what descends from its documents.
    """
    return store.ask_records("handed_out_holding"), list(_rejected_holding(store))


def _rejected_holding(store: Store) -> Iterator[dict[str, Any]]:
    path = store.path.with_name(store.path.name + REJECTED)
    if not path.exists():
        return
    needles = [content for (content,) in store.ask("withdrawing_contents", most=MOST_NEEDLES + 1)]
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        numbered = enumerate(lines, 1)
        while chunk := tuple(islice(numbered, CHUNK_LINES)):
            holding = {number for number, line in chunk if _may_hold(line, needles)}
            with store.lend(rejected=_string_digests(chunk)):
                holding |= {number for (number,) in store.ask("rejected_holding")}
            yield from ({"path": str(path.absolute()), "line": number} for number in sorted(holding))


def _string_digests(chunk: tuple[tuple[int, str], ...]) -> pa.Table:
    """The digest of each string value in some lines of JSON, with the number of its line."""
    found = [(number, _digest(text)) for number, line in chunk for text in _strings(_parsed(line))]
    numbers, digests = [number for number, _ in found], [digest for _, digest in found]
    return pa.table({"line": pa.array(numbers, pa.int64()), "digest": pa.array(digests, pa.binary())})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # a process was killed while it wrote this
        return line


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _may_hold(line: str, needles: list[str]) -> bool:
    """Whether a rejected line that was no row has one of the texts in it, plain or as JSON writes it."""
    parsed = _parsed(line)
    raw = parsed.get("row") if isinstance(parsed, dict) else line
    if not isinstance(raw, str):
        return False
    forms = ((text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]) for text in needles)
    return len(needles) > MOST_NEEDLES or any(form in raw for three in forms for form in three)
