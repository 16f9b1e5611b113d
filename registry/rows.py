"""Rows to documents: what a row says and what its batch declares, checked, measured and laid out as Arrow."""

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from provenance.errors import ProvError
from provenance.origin import (
    COLUMNS,
    INHERITING,
    Origin,
    Relation,
    count_words,
    document_digest,
    model_digest,
    text_digest,
)
from registry.readers import JSON_DECODER, Row

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


def undeclarable(error: ValidationError, declared: type[BaseModel]) -> ProvError:
    """Say in one line what cannot be declared, and what can."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return ProvError(
        f"cannot declare {name} {first['input']!r}: {first['msg']}; "
        f"what can be declared is {', '.join(declared.model_fields)}"
    )


class Declared(BaseModel):
    """What is declared of a whole batch; a row's own columns come before it.

    Raises:
        ProvError: a value is not of its kind, or tells about a source that is not named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Origin | None = None
    generation: int | None = Field(default=None, ge=0, lt=1 << 31)
    generator: str | None = Field(default=None, min_length=1)
    source: str | None = Field(default=None, min_length=1)
    license: str | None = Field(default=None, min_length=1)
    url: str | None = None
    consent: str | None = None
    by: str | None = None
    evidence: str | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            declared = handler(values)
        except ValidationError as error:
            raise undeclarable(error, cls) from error
        if (declared.url or declared.consent) and not declared.source:
            raise ProvError("a URL or a consent tells about a source: name the source as well")
        return declared


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
    """A bad row that was left out, as the reject file holds it; `row` is the line itself where that is no row."""

    file: str
    place: str
    reason: str
    row: Any

    def line(self) -> str:
        told = {"file": self.file, "place": self.place, "reason": self.reason}
        try:
            return json.dumps(told | {"row": self.row}, allow_nan=False, default=str) + "\n"
        except (ValueError, TypeError, RecursionError):  # what it holds is no JSON, which may be why it is bad
            return json.dumps(told | {"row": reprlib.repr(self.row)}) + "\n"


@dataclass
class Rules:
    """How rows become documents in one act of ingesting.

    Raises:
        ProvError: `columns` names one that prov does not know.
    """

    declared: Declared = Declared()
    columns: Mapping[str, str] = field(default_factory=dict)  # our column -> the user's name for it
    written_by: WrittenBy | None = None
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        if unknown := sorted(self.columns.keys() - set(COLUMNS)):
            raise ProvError(f"no column {unknown[0]!r} to find under another name: there is {', '.join(COLUMNS)}")
        self.names = {ours: self.columns.get(ours, ours) for ours in (*COLUMNS, PROVENANCE_COLUMN)}
        self.taken = frozenset(self.names.values())


@dataclass
class Arriving:
    """Rows that passed, in the order they came, and the names of their extra columns."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    bytes: int = 0

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
    said = {ours: row.values.get(theirs) for ours, theirs in rules.names.items()}
    exported = said[PROVENANCE_COLUMN]
    document = _exported(said, exported, rules) if exported else declared_document(said, rules)
    document |= {"input": input, "number": row.number, "place": row.place}
    document["item"] = document["item"] or default_item(row.number, input_name)
    _measure(document, rules.max_bytes)
    _identify(document, exported)
    edges = list(_edges(said, exported, document))
    taken = {rules.names["text"], PROVENANCE_COLUMN} if exported else rules.taken
    metadata = whole_metadata((exported or said).get("metadata"), row.values, taken)
    document["metadata"] = json_text(metadata) if metadata else None
    into.fields.update(metadata)
    into.rows.append(document)
    into.edges.extend(edges)
    into.bytes += document["bytes"] + len(document["metadata"] or "")


def default_item(number: int, input_name: str) -> str:
    """The id of a row that brings none."""
    return f"{input_name}#{number}" if input_name else str(number)


# -- what a row and its batch declare


def declared_document(said: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """A document as its row and its batch declare it.

    Raises:
        Fault: a value is not of its kind, or they contradict each other.
    """
    batch, run = rules.declared, rules.written_by
    own = _origin(said["origin"])
    origin = own or batch.origin or (Origin.MODEL if run else None)
    generator, generation = _string(said, "generator"), _integer(said, "generation")
    if own not in (Origin.HUMAN, Origin.UNKNOWN):  # where a row says so itself, the batch's model is not meant
        generator = generator or batch.generator
        generation = batch.generation if generation is None else generation
    document = {
        "text": said["text"],
        "item": _string(said, "id"),
        "origin": origin or Origin.UNKNOWN,
        "origin_declared": origin is not None,
        "declared": generation,
        "generator": generator,
        "source": _string(said, "source") or batch.source,
        "license": _string(said, "license") or batch.license,
        "url": _string(said, "url"),
        "created_at": created_at(said["created"]),
    }
    consistent(document)
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
        document["model"] = _foreign_model(generator, document["declared"])
        document["model_generation"] = document["declared"]
        document["model_exact"] = document["declared"] is not None
    return document


_foreign_model = lru_cache(maxsize=1024)(model_digest)


def consistent(document: dict[str, Any]) -> None:
    """Check that `origin`, `declared` and `generator` go together; human text has no declared generation.

    Raises:
        Fault: they do not.
    """
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


def _exported(said: dict[str, Any], exported: Any, rules: Rules) -> dict[str, Any]:
    """What an export of a registry says of a row: everything, so that nothing is added from the batch."""
    if not isinstance(exported, dict) or not all(isinstance(exported.get(name), str) for name in ("document", "text")):
        raise Fault("its provenance column is no struct that prov wrote: give it another name if it is your own")
    if rules.written_by:
        raise Fault("its provenance column says what wrote it: leave --run out")
    generation, is_exact = _integer(exported, "generation"), bool(exported.get("generation_exact"))
    model = _digest(exported, "model")
    of_model = bool(model) and not any(parent["relation"] in INHERITING for parent in _carried_parents(exported))
    return {
        "text": said["text"],
        "item": _string(exported, "item"),
        "origin": _origin(exported.get("origin")) or Origin.UNKNOWN,
        "origin_declared": True,
        "declared": generation if is_exact and not of_model else None,
        "generator": _string(exported, "generator"),
        "model": model,
        "model_generation": generation if of_model else None,
        "model_exact": is_exact if of_model else None,
        "run": _digest(exported, "run"),
        "trained_on": _digest(exported, "mix"),
        "source": _string(exported, "source"),
        "license": _string(exported, "license"),
        "url": _string(exported, "url"),
        "created_at": created_at(exported.get("created")),
    }


def _carried_parents(exported: dict[str, Any]) -> list[dict[str, Any]]:
    parents = _listed(exported.get("parents"))
    if not all(isinstance(parent, dict) and isinstance(parent.get("document"), str) for parent in parents):
        raise Fault("its provenance names a parent without its document digest: it was changed after the export")
    return [
        {
            "reference": parent["document"],
            "relation": _relation(parent.get("relation")),
            "prefix_chars": _integer(parent, "prefix_chars"),
        }
        for parent in parents
    ]


# -- measures and identity


def _measure(document: dict[str, Any], max_bytes: int) -> None:
    text = document["text"]
    if text is None or text == "":
        raise Fault("no text")
    if not isinstance(text, str):
        raise Fault(f"its text is {_kind(text)}, wanted a string")
    try:
        document["text_digest"] = text_digest(text)
        document["bytes"] = len(text) if text.isascii() else len(text.encode())
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
    parents = _carried_parents(exported) if exported else _named_parents(said)
    for parent in parents:
        yield parent | {
            "child": document["digest"],
            "input": document["input"],
            "number": document["number"],
            "required": not exported,
        }


def _named_parents(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if prompt := _string(said, "prompt_of"):
        yield {"reference": prompt, "relation": Relation.PROMPT, "prefix_chars": None}
    for parent in _listed(said["parents"]):
        named = parent if isinstance(parent, dict) else {"id": parent}
        if unknown := named.keys() - {"id", "relation", "prefix_chars"}:
            raise Fault(f"a parent has the unknown field {min(unknown)!r}: wanted id, relation, prefix_chars")
        reference = _string(named, "id")
        if not reference:
            raise Fault("a parent has no id")
        yield {
            "reference": reference,
            "relation": _relation(named.get("relation") or Relation.EDIT),
            "prefix_chars": _integer(named, "prefix_chars"),
        }


def _listed(value: Any) -> list[Any]:
    """A list as it came, or from the JSON that a CSV field holds; anything else is one parent."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        value = _from_json("parents", value)
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def whole_metadata(given: Any, values: dict[str, Any], taken: Set[str]) -> dict[str, Any]:
    """The metadata that a row, or the export it is from, brings, and every column that means nothing else.

    Raises:
        Fault: what it brings is no object, or a name stands in both.
    """
    metadata = _object(given)
    extra = {name: value for name, value in values.items() if name not in taken and value is not None}
    if twice := metadata.keys() & extra.keys():
        raise Fault(f"its metadata has {min(twice)!r}, and so has a column of that name: leave one out")
    return metadata | extra


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _from_json("metadata", value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Fault(f"its metadata is {_kind(value)}, wanted an object")
    return value


def _from_json(name: str, text: str) -> Any:
    try:
        return JSON_DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Fault(f"its {name} is no JSON: {error}") from error


def json_text(metadata: dict[str, Any]) -> str:
    """Metadata as canonical JSON.

    Raises:
        Fault: JSON cannot hold it.
    """
    try:
        text = _CANONICAL.encode(metadata)
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault("invalid UTF-8 in its metadata") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise Fault(f"its metadata cannot be kept as JSON: {error}") from error
    return text


def _plain(value: Any) -> Any:
    """JSON for what a Parquet column may hold."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
)


# -- single values


def _string(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Fault(f"its {name} is {_kind(value)}, wanted a string or a whole number")
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
        raise Fault(f"its {name} is {reprlib.repr(value)}, wanted a whole number") from None
    is_whole = isinstance(value, str) or (number == value and not isinstance(value, bool))
    if not is_whole or not 0 <= number < 1 << 31:
        raise Fault(f"its {name} is {reprlib.repr(value)}, wanted a whole number from 0")
    return number


def _origin(value: Any) -> Origin | None:
    if value is None or value == "":
        return None
    try:
        return Origin(value)
    except ValueError:
        raise Fault(f"unknown origin {reprlib.repr(value)}: wanted {', '.join(Origin)}") from None


def _relation(value: Any) -> Relation:
    try:
        return Relation(value)
    except ValueError:
        raise Fault(f"unknown relation {reprlib.repr(value)} to a parent: wanted {', '.join(Relation)}") from None


def _digest(values: Mapping[str, Any], name: str) -> bytes | None:
    value = _string(values, name)
    try:
        return (value and bytes.fromhex(value)) or None
    except ValueError:
        raise Fault(f"its {name} digest {reprlib.repr(value)} is no hex") from None


def created_at(value: Any) -> datetime | None:
    """When a text was made: a time in UTC.

    Raises:
        Fault: it is no time.
    """
    if value is None or value == "":
        return None
    try:
        moment = _moment(value)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        shown = reprlib.repr(value)
        raise Fault(f"its created is {shown}, wanted ISO 8601 such as 2026-01-31 or 2026-01-31T09:30Z") from None


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise Fault(f"its created is {_kind(value)}, wanted a time")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "a boolean", int: "a number", float: "a number", bytes: "bytes"}
    return names.get(type(value), f"a {type(value).__name__}")


def each_row(
    rows: Iterable[Mapping[str, Any]] | pa.Table | pa.RecordBatch | pa.RecordBatchReader,
) -> Iterator[Mapping[str, Any]]:
    """Rows one by one, those of Arrow a batch at a time.

    >>> list(each_row(pa.table({"text": ["a", "b"]})))
    [{'text': 'a'}, {'text': 'b'}]
    """
    if isinstance(rows, pa.RecordBatch):
        yield from rows.to_pylist()
    elif isinstance(rows, pa.Table):
        yield from chain.from_iterable(batch.to_pylist() for batch in rows.to_batches())
    elif isinstance(rows, pa.RecordBatchReader):
        yield from chain.from_iterable(batch.to_pylist() for batch in rows)
    else:
        yield from rows
