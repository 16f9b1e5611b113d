"""Rows to documents: what a row says and what its batch declares, checked, measured and laid out as Arrow."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from provenance.errors import ProvError
from provenance.origin import (
    Origin,
    Relation,
    count_words,
    document_digest,
    model_digest,
    text_digest,
)
from registry.readers import Row

COLUMNS = (
    "id",
    "text",
    "origin",
    "generation",
    "generator",
    "source",
    "license",
    "url",
    "created",
    "prompt_of",
    "parents",
    "metadata",
)
"""The columns of a row that prov understands; every other one goes to the metadata."""

PROVENANCE_COLUMN = "provenance"
"""The struct that an export carries; a row that has it says there what its other columns would."""

MAX_BYTES = 100_000_000

ARRIVING = pa.schema(
    [
        ("input", pa.int32()),
        ("number", pa.int64()),
        ("place", pa.string()),
        ("item", pa.string()),
        ("digest", pa.binary()),
        ("text_digest", pa.binary()),
        ("text", pa.large_string()),
        ("bytes", pa.int64()),
        ("words", pa.int64()),
        ("tokens", pa.int64()),
        ("origin", pa.string()),
        ("origin_declared", pa.bool_()),
        ("declared", pa.int32()),
        ("generator", pa.string()),
        ("model", pa.binary()),
        ("model_generation", pa.int32()),
        ("model_exact", pa.bool_()),
        ("run", pa.binary()),
        ("trained_on", pa.binary()),
        ("source", pa.string()),
        ("license", pa.string()),
        ("url", pa.string()),
        ("created_at", pa.timestamp("us")),
        ("metadata", pa.string()),
    ]
)
"""A checked row on its way in. `declared` is the declared generation; `trained_on` the digest of the mix that
its model learnt from, where an export tells it."""

ARRIVING_EDGE = pa.schema(
    [
        ("child", pa.binary()),
        ("input", pa.int32()),
        ("number", pa.int64()),
        ("reference", pa.string()),
        ("relation", pa.string()),
        ("prefix_chars", pa.int64()),
        ("required", pa.bool_()),
    ]
)
"""A parent that a row names, by an id of the user's or by a document digest in hex. An export names parents
that it did not bring along, so they are not `required`."""


class Declared(BaseModel):
    """What is declared of a whole batch; a row's own columns come before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Origin | None = None
    generation: int | None = Field(default=None, ge=0)
    generator: str | None = None
    source: str | None = None
    license: str | None = None
    url: str | None = None
    consent: str | None = None
    by: str | None = None
    evidence: str | None = None


@dataclass(frozen=True)
class WrittenBy:
    """The run, and the model, that a batch of generated texts came out of."""

    run: bytes
    model: bytes
    generator: str


class BadRow(ProvError):
    """A row that cannot become a document."""

    def __init__(self, file: str, place: str, reason: str) -> None:
        self.file, self.place, self.reason = file, place, reason
        super().__init__(f"{file}, {place}: {reason}; mend it, or leave such rows out with --skip-bad")


@dataclass(frozen=True)
class Rejected:
    """A bad row that was left out, as the reject file holds it."""

    file: str
    place: str
    reason: str
    row: dict[str, Any]

    def line(self) -> str:
        values = {"file": self.file, "place": self.place, "reason": self.reason, "row": self.row}
        return json.dumps(values, ensure_ascii=True, default=str) + "\n"


@dataclass
class Rules:
    """How rows become documents in one act of ingesting."""

    declared: Declared = Declared()
    columns: Mapping[str, str] = field(default_factory=dict)  # our column -> the user's name for it
    written_by: WrittenBy | None = None
    max_bytes: int = MAX_BYTES


@dataclass
class Arriving:
    """Rows of one input that passed, in the order they came, and the names of their extra columns."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)

    def batch(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(self.rows, schema=ARRIVING)

    def edge_batch(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(self.edges, schema=ARRIVING_EDGE)


class Fault(Exception):
    """Why a row is bad, in words that complete "line 7: …"."""


def document_row(row: Row, rules: Rules, input_name: str, into: Arriving, input: int = 0) -> None:
    """Check and measure one row, and add it with its edges to `into`.

    Raises:
        Fault: the row is bad.
    """
    if row.fault:
        raise Fault(row.fault)
    said = _said(row.values, rules)
    exported = said.get(PROVENANCE_COLUMN)
    document = _exported(said, exported) if exported else _declared(said, rules)
    document |= {"input": input, "number": row.number, "place": row.place}
    document["item"] = document["item"] or _default_item(row.number, rules, input_name)
    _measure(document, rules.max_bytes)
    _identify(document, exported)
    edges = list(_edges(said, exported, document))
    metadata = _metadata(said, exported)
    document["metadata"] = _json_text(metadata) if metadata else None
    into.fields.update(metadata)
    into.rows.append(document)
    into.edges.extend(edges)


def _said(values: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """The row under our column names."""
    if not rules.columns:
        return values
    theirs = {name: ours for ours, name in rules.columns.items()}
    return {
        theirs.get(name, name): value for name, value in values.items() if name in theirs or name not in rules.columns
    }


def _default_item(number: int, rules: Rules, input_name: str) -> str:
    return str(number) if rules.written_by else f"{input_name}#{number}"


# -- what a row and its batch declare


def _declared(said: dict[str, Any], rules: Rules) -> dict[str, Any]:
    batch, run = rules.declared, rules.written_by
    origin = _origin(said.get("origin"))
    declared_origin = origin or batch.origin or (Origin.MODEL if run else None)
    document = {
        "text": said.get("text"),
        "item": _string(said, "id"),
        "origin": declared_origin or Origin.UNKNOWN,
        "origin_declared": declared_origin is not None,
        "declared": _integer(said, "generation"),
        "generator": _string(said, "generator"),
        "source": _string(said, "source") or batch.source,
        "license": _string(said, "license") or batch.license,
        "url": _string(said, "url"),
        "created_at": _time(said.get("created")),
    }
    if document["origin"] in (Origin.MODEL, Origin.MIXED):
        document["generator"] = document["generator"] or batch.generator
        if document["declared"] is None:
            document["declared"] = batch.generation
    _consistent(document)
    return _with_model(document, run)


def _with_model(document: dict[str, Any], run: WrittenBy | None) -> dict[str, Any]:
    generator = document["generator"]
    if run:
        if document["origin"] not in (Origin.MODEL, Origin.MIXED):
            raise Fault(f"its origin is {document['origin']}, but what a run writes is model or mixed")
        if generator not in (None, run.generator):
            raise Fault(f"its generator is {generator!r}, but the run is of the model {run.generator!r}")
        return document | {"generator": run.generator, "model": run.model, "run": run.run}
    if generator:
        document["model"] = model_digest(generator, document["declared"])
        document["model_generation"] = document["declared"]
        document["model_exact"] = document["declared"] is not None
    return document


def _consistent(document: dict[str, Any]) -> None:
    origin, generation, generator = document["origin"], document["declared"], document["generator"]
    if origin == Origin.HUMAN:
        if generation:
            raise Fault(f"its origin is human, but its generation is {generation}: human text is generation 0")
        if generator:
            raise Fault(f"its origin is human, but its generator is {generator!r}: say origin model or mixed")
        document["declared"] = None
    elif origin == Origin.UNKNOWN and (generator or generation is not None):
        what = f"generator {generator!r}" if generator else f"generation {generation}"
        raise Fault(f"it has {what} but no origin: say origin model or mixed, in a column or with --origin")
    elif generation is not None and generation < 1:
        raise Fault(f"its origin is {origin}, but its generation is {generation}: what a model wrote is 1 or more")


def _exported(said: dict[str, Any], exported: Any) -> dict[str, Any]:
    """What an export of a registry says of a row: everything, so that nothing is added from the batch."""
    if not isinstance(exported, dict) or not exported.get("document"):
        raise Fault("its provenance column is no struct that prov wrote: it lacks `document`")
    generation = _integer(exported, "generation")
    return {
        "text": said.get("text"),
        "item": _string(exported, "item"),
        "origin": _origin(exported.get("origin")) or Origin.UNKNOWN,
        "origin_declared": True,
        "declared": generation if exported.get("generation_exact") and not exported.get("model") else None,
        "generator": _string(exported, "generator"),
        "model": _digest(exported, "model"),
        "model_generation": generation,
        "model_exact": bool(exported.get("generation_exact")),
        "run": _digest(exported, "run"),
        "trained_on": _digest(exported, "mix"),
        "source": _string(exported, "source"),
        "license": _string(exported, "license"),
        "url": _string(exported, "url"),
        "created_at": _time(exported.get("created")),
    }


# -- measures and identity


def _measure(document: dict[str, Any], max_bytes: int) -> None:
    text = document["text"]
    if text is None or text == "":
        raise Fault("no text")
    if not isinstance(text, str):
        raise Fault(f"its text is {_kind(text)}, wanted a string")
    try:
        document["text_digest"] = text_digest(text)
        document["bytes"] = len(text.encode())
    except UnicodeEncodeError as error:
        raise Fault(f"invalid UTF-8 in the text at character {error.start + 1}") from error
    if document["bytes"] > max_bytes:
        raise Fault(f"its text has {document['bytes']:,} bytes, over the {max_bytes:,} of --max-bytes")
    document["words"] = count_words(text)


def _identify(document: dict[str, Any], exported: Any) -> None:
    try:
        document["digest"] = document_digest(
            document["text_digest"], document["source"], document.get("run"), document["item"]
        )
    except UnicodeEncodeError:
        raise Fault("invalid UTF-8 in its id or source") from None
    if exported and document["text_digest"].hex() != exported.get("text"):
        raise Fault("its text no longer matches its digest: it was changed after the export")
    if exported and document["digest"].hex() != exported["document"]:
        raise Fault("its provenance no longer matches its document digest: it was changed after the export")


def _edges(said: dict[str, Any], exported: Any, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    where = {"child": document["digest"], "input": document["input"], "number": document["number"]}
    if exported:
        for parent in exported.get("parents") or ():
            yield where | {
                "reference": parent["document"],
                "relation": _relation(parent.get("relation")),
                "prefix_chars": _integer(parent, "prefix_chars"),
                "required": False,
            }
        return
    where["required"] = True
    if prompt := _string(said, "prompt_of"):
        yield where | {"reference": prompt, "relation": Relation.PROMPT, "prefix_chars": None}
    for parent in _listed(said.get("parents")):
        named = parent if isinstance(parent, dict) else {"id": parent}
        if unknown := named.keys() - {"id", "relation", "prefix_chars"}:
            raise Fault(f"a parent has the unknown field {min(unknown)!r}: wanted id, relation, prefix_chars")
        reference = _string(named, "id")
        if not reference:
            raise Fault("a parent has no id")
        yield where | {
            "reference": reference,
            "relation": _relation(named.get("relation") or Relation.EDIT),
            "prefix_chars": _integer(named, "prefix_chars"),
        }


def _listed(value: Any) -> list[Any]:
    """A list as it came, or from the JSON that a CSV field holds; anything else is one parent."""
    if value is None:
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise Fault(f"its parents are no JSON list: {error.msg}") from error
    return value if isinstance(value, list) else [value]


def _metadata(said: dict[str, Any], exported: Any) -> dict[str, Any]:
    metadata = _object(exported.get("metadata") if exported else said.get("metadata"))
    extra = {
        name: value
        for name, value in said.items()
        if name not in COLUMNS and name != PROVENANCE_COLUMN and value is not None
    }
    return metadata | extra


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise Fault(f"its metadata is no JSON: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Fault(f"its metadata is {_kind(value)}, wanted an object")
    return value


def _json_text(metadata: dict[str, Any]) -> str:
    try:
        text = json.dumps(
            metadata, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        )
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault("invalid UTF-8 in its metadata") from error
    except (ValueError, RecursionError) as error:
        raise Fault(f"its metadata cannot be kept as JSON: {error}") from error
    return text


def _plain(value: Any) -> Any:
    """JSON for what a Parquet column may hold."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


# -- single values


def _string(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Fault(f"its {name} is {_kind(value)}, wanted a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Fault(f"invalid UTF-8 in its {name}") from error
    return value


def _integer(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise Fault(f"its {name} is {value!r}, wanted a whole number") from None
    if isinstance(value, bool) or (isinstance(value, float) and value != number) or not 0 <= number < 1 << 31:
        raise Fault(f"its {name} is {value!r}, wanted a whole number from 0")
    return number


def _origin(value: Any) -> Origin | None:
    if value is None or value == "":
        return None
    try:
        return Origin(value)
    except ValueError:
        raise Fault(f"unknown origin {value!r}: wanted {', '.join(Origin)}") from None


def _relation(value: Any) -> Relation:
    try:
        return Relation(value)
    except ValueError:
        raise Fault(f"unknown relation {value!r} to a parent: wanted {', '.join(Relation)}") from None


def _digest(values: Mapping[str, Any], name: str) -> bytes | None:
    value = _string(values, name)
    try:
        return (value and bytes.fromhex(value)) or None
    except ValueError:
        raise Fault(f"its {name} digest {value!r} is no hex") from None


def _time(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Fault(f"its created is {value!r}, wanted ISO 8601 such as 2026-01-31 or 2026-01-31T09:30Z") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise Fault(f"its created is {_kind(value)}, wanted a time")
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
