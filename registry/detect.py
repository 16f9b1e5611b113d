"""Detection in a registry and in files: which texts carry the mark of a key, and who is said to have written them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provenance.disguise import HINT
from provenance.origin import canonical
from provenance.watermark import FALSE_POSITIVES, false_discovery, marked_share, name_of, verdicts
from registry.outside import OUR_COLUMNS, Columns, Outsider, named_rows, outsiders
from registry.readers import Meter, Split
from registry.store import Batch, Progress, Store, silent

if TYPE_CHECKING:
    from provenance.detection import Detections, Seeker, Seekers

PART_BYTES = 32_000_000
"""So many bytes of text are in hand at a time, or one text."""


@dataclass(frozen=True)
class Sought:
    """What an act of looking for keys came to."""

    documents: int
    disguised: int
    told: Any = None


def detect(
    store: Store,
    seekers: "Seekers",
    strip: bool = False,
    *,
    dry_run: bool = False,
    then: Callable[[], Any] = lambda: None,
    progress: Progress = silent,
) -> Sought:
    """Score every document that a key was not looked for in, as one batch.

    Args:
        dry_run: do all of it, then leave the registry as it was.
        then: asked within the act, so that it sees what a dry run takes back; its answer is `told`.
        strip: leave disguised characters out of what is scored (see `provenance.disguise`), and score texts that hold
            some again; the texts stay as they are.
        progress: called with the number of documents scored since the last call.
    """
    with store.batch("detect") as batch:
        sought = detect_arrived(store, batch, seekers, strip=strip, first_batch=0, progress=progress)
        batch.documents = store.ask_value("count_detected", batch_id=batch.batch_id)
        told = then()
        if dry_run or not batch.documents:
            batch.abandon()
    return replace(sought, told=told)


def detect_arrived(
    store: Store,
    batch: Batch,
    seekers: "Seekers",
    *,
    strip: bool = False,
    first_batch: int | None = None,
    progress: Progress = silent,
) -> Sought:
    """Score the documents of a batch, or of all from one on, inside the caller's act."""
    _keep_keys(store, batch, seekers)
    first = batch.batch_id if first_batch is None else first_batch
    keys = [seeker.key for seeker in seekers.seekers]
    disguises = HINT if strip else None
    store.run("stage_undetected", keys=keys, part_bytes=PART_BYTES, first_batch=first, disguises=disguises)
    disguised = documents = 0
    for part, count in store.ask("undetected_parts"):
        rows = store.ask_table("undetected_of_part", part=part)
        texts, prompts = rows.column("content").to_pylist(), rows.column("prompt").to_pylist()
        for found in seekers.detect(texts, prompts, strip):
            with store.lend(found=_table(rows.column("document_id"), found)):
                store.run("insert_detections", key=found.key, batch_id=batch.batch_id, again=strip)
        disguised += int(np.count_nonzero(found.disguises))
        documents += count
        progress(count)
    return Sought(documents, disguised)


def count_marked(store: Store, batch: Batch, rate: float = FALSE_POSITIVES) -> int:
    """How many documents of a batch are marked by a key."""
    marked: int = store.ask_value("count_marked", batch_id=batch.batch_id, rate=rate)
    return marked


def _keep_keys(store: Store, batch: Batch, seekers: "Seekers") -> None:
    for seeker in seekers.seekers:
        store.run(
            "insert_watermark_key",
            key=seeker.key,
            scheme=name_of(seeker.scheme),
            parameters=canonical(seeker.parameters).decode(),
            tokenizer=bytes.fromhex(seeker.tokenizer),
            batch_id=batch.batch_id,
        )


def _table(document_ids: pa.ChunkedArray, found: "Detections") -> pa.Table:
    scores = found.scores
    return pa.table(
        {
            "document_id": document_ids,
            "scored": scores.scored,
            **{name: pa.array(getattr(scores, name), from_pandas=True) for name in ("score", "z", "p")},
            **{
                name: pa.array(getattr(found, name), mask=getattr(found, name) < 0)
                for name in ("first_char", "last_char")
            },
        }
    )


# -- what was found


def detections(
    store: Store, keys: Sequence[str] | None = None, rate: float = FALSE_POSITIVES, limit: int | None = 20
) -> dict[str, Any]:
    """What the keys that were looked for say of all documents.

    Args:
        keys: the ids of those that count; all where None.
        rate: the chance that an unmarked text is called marked, by any of the keys.
        limit: so many disagreements are listed; all where None.
    """
    store.run("stage_verdict", keys=keys, rate=rate)
    origins = store.ask_records("detection_counts")
    conflicts = store.ask_records("detection_conflicts", keys=keys, rate=rate)
    scored = sum(row["documents"] - row["too_short"] for row in origins)
    marked = sum(row["marked"] for row in origins)
    return {
        "rate": rate,
        "keys": store.ask_records("detection_keys", keys=keys),
        "documents": sum(row["documents"] for row in origins),
        "too_short": sum(row["too_short"] for row in origins),
        "marked": marked,
        "share": _share(marked, scored, rate),
        "origins": [
            row | {"share": _share(row["marked"], row["documents"] - row["too_short"], rate)} for row in origins
        ],
        "disagreements": len(conflicts),
        "listed": conflicts if limit is None else conflicts[:limit],
    }


def _share_of(row: dict[str, Any], rate: float) -> dict[str, float] | None:
    return _share(row["marked"], row["documents"] - row["too_short"], rate)


def _share(marked: int, texts: int, rate: float) -> dict[str, float] | None:
    found = marked_share(marked, texts, rate)
    return found and found._asdict()


def detection_rows(store: Store, keys: Sequence[str] | None = None, rate: float = FALSE_POSITIVES) -> pa.Table:
    """What each document scores by each key, one row each."""
    store.run("stage_verdict", keys=keys, rate=rate)
    with store.lend(asked=pa.table({"keys": pa.array([keys], pa.list_(pa.string())), "rate": [rate]})):
        return store.ask_table("detections")


# -- files


ROWS = pa.schema(
    [
        *(("input", pa.string()), ("place", pa.string()), ("id", pa.string()), ("key", pa.string())),
        *(("scheme", pa.string()), ("scored", pa.int64()), ("score", pa.float64()), ("z", pa.float64())),
        *(("p", pa.float64()), ("verdict", pa.string()), ("first_char", pa.int64()), ("last_char", pa.int64())),
        *(("disguises", pa.int64()), ("fault", pa.string())),
    ]
)
"""A row a text and key, without q, which is known only when all are."""


def detect_files(
    seekers: "Seekers",
    arguments: Iterable[str | Path],
    *,
    rate: float = FALSE_POSITIVES,
    strip: bool = False,
    columns: Columns = OUR_COLUMNS,
    split: Split | None = None,
    skip_bad: bool = False,
    meter: Meter | None = None,
    progress: Progress = silent,
) -> Iterator[pa.Table]:
    """Score the texts of files, folders, globs or standard input, a row of `ROWS` for each text and key.

    Raises:
        BadRow, BrokenFile: and what was scored until then is told.
    """
    block: list[Outsider] = []
    size = 0
    for outsider in outsiders(named_rows(arguments, split, meter), columns, skip_bad):
        block.append(outsider)
        size += len(outsider.text or "") + 100
        if size >= PART_BYTES:
            yield _score(seekers, block, rate, strip)
            progress(len(block))
            block, size = [], 0
    if block:
        yield _score(seekers, block, rate, strip)
        progress(len(block))


def _score(seekers: "Seekers", block: list[Outsider], rate: float, strip: bool) -> pa.Table:
    found = seekers.detect([outsider.text or "" for outsider in block], None, strip)
    keys = np.stack([~np.isnan(of_key.scores.p) for of_key in found]).sum(0)
    return pa.concat_tables(
        [_rows(seeker, block, of_key, keys, rate) for seeker, of_key in zip(seekers.seekers, found, strict=True)]
    )


def _rows(seeker: "Seeker", block: list[Outsider], found: "Detections", keys: Any, rate: float) -> pa.Table:
    """A block's rows for one key, given how many keys could be looked for in each text."""
    scores = _table(pa.chunked_array([pa.array(range(len(block)))]), found)
    is_bad = np.array([outsider.fault is not None for outsider in block])
    cases = [is_bad, np.isnan(found.scores.p), verdicts(found.scores.p, keys, rate)]
    told = {
        **{name: [getattr(outsider, name) for outsider in block] for name in ("input", "place", "fault")},
        "id": [outsider.item for outsider in block],
        "key": [seeker.key] * len(block),
        "scheme": [name_of(seeker.scheme)] * len(block),
        "verdict": np.select(cases, ["bad", "too short", "marked"], "unmarked"),
        "disguises": found.disguises,
        **{name: scores.column(name) for name in ("scored", "score", "z", "p", "first_char", "last_char")},
    }
    return pa.table({name: told[name] for name in ROWS.names}).cast(ROWS)


@dataclass
class FileSummary:
    """What the tables of `detect_files` add up to.

    Args:
        limit: so many marked texts are told; all where None.
    """

    rate: float
    limit: int | None

    def __post_init__(self) -> None:
        self.tables: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Count a table in."""
        self.tables.append(table)

    def rows(self) -> pa.Table:
        """All rows, with q."""
        rows = self._rows()
        p = rows.column("p").to_numpy(zero_copy_only=False).astype(np.float64)
        q = pa.array(false_discovery(p), from_pandas=True)
        return rows.add_column(rows.schema.get_field_index("p") + 1, "q", q)

    @property
    def bad(self) -> int:
        """How many rows of files were no texts."""
        return _texts(self._faulty())

    @property
    def first_bad(self) -> dict[str, Any] | None:
        """The first of them."""
        found: list[dict[str, Any]] = self._faulty().slice(0, 1).to_pylist()
        return found[0] if found else None

    def _rows(self) -> pa.Table:
        return pa.concat_tables([ROWS.empty_table(), *self.tables])

    def _faulty(self) -> pa.Table:
        return self._rows().filter(pc.is_valid(pc.field("fault")))

    def told(self) -> dict[str, Any]:
        """The counts, and the texts that are marked, the surest first."""
        rows = self.rows().filter(pc.is_null(pc.field("fault")))
        marked = rows.filter(pc.field("verdict") == "marked").sort_by([("p", "ascending")])
        texts, marked_texts = _texts(rows), _texts(marked)
        too_short = texts - _texts(rows.filter(pc.is_valid(pc.field("p"))))
        keys = dict(zip(rows.column("key").to_pylist(), rows.column("scheme").to_pylist(), strict=True))
        return {
            "rate": self.rate,
            "keys": [
                {
                    "key": key,
                    "scheme": scheme,
                    "documents": _texts(rows.filter((pc.field("key") == key) & pc.is_valid(pc.field("p")))),
                    "marked": _texts(marked.filter(pc.field("key") == key)),
                }
                for key, scheme in sorted(keys.items())
            ],
            "documents": texts,
            "too_short": too_short,
            "marked": marked_texts,
            "share": _share(marked_texts, texts - too_short, self.rate),
            "disguised": _texts(rows.filter(pc.field("disguises") > 0)),
            "listed": marked.slice(0, self.limit).drop_columns(["verdict", "fault"]).to_pylist(),
        }


def _texts(rows: pa.Table) -> int:
    """How many texts rows are about."""
    return len(rows.group_by(["input", "place"]).aggregate([]))
