"""Declaring: what was found out about documents later is appended to what was said of them, never written over it."""

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Generation, Origin, model_digest
from registry.lineage import find_model, rederive, trace
from registry.matching import matching
from registry.readers import STANDARD_INPUT, open_file
from registry.rows import Fault, consistent, undeclarable
from registry.store import Batch, Store
from registry.where import Where


class Statement(BaseModel):
    """What somebody says of documents; what is left out stays as it is in force.

    Raises:
        ProvError: it says nothing, or a value is not of its kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Origin | None = None
    generation: int | None = Field(default=None, ge=0, lt=1 << 31)
    generator: str | None = Field(default=None, min_length=1)
    license: str | None = Field(default=None, min_length=1)
    by: str = Field(min_length=1)
    evidence: str | None = None
    precedence: int = Field(default=0, ge=-(1 << 31), lt=1 << 31)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise undeclarable(error, type(self)) from error
        if all(said is None for said in (self.origin, self.generation, self.generator, self.license)):
            raise ProvError("nothing is declared: say an origin, a generation, a generator or a license")


@dataclass(frozen=True)
class Named:
    """A document as somebody names it, by a user's id or a digest, and the line that it is named on."""

    line: int
    wanted: str


@dataclass(frozen=True)
class Redeclared:
    """What an act of declaring came to.

    Args:
        documents: how many were meant.
        declared: how many got a declaration.
        unchanged: how many had it already, by the same person and on the same evidence.
        outranked: how many of those declared keep an older declaration of higher precedence in force.
    """

    documents: int
    declared: int
    unchanged: int
    outranked: int


def read_ids(path: Path) -> list[Named]:
    """The ids in a file, one a line; blank lines are passed over, `-` is standard input.

    Raises:
        ProvError: the file cannot be read, is not UTF-8, or names nothing.
    """
    stream = sys.stdin.buffer if path == STANDARD_INPUT else open_file(path)
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        named = [Named(number, line.rstrip("\r\n")) for number, line in enumerate(lines, 1)]
    if broken := [one for one in named if any("\ud800" <= char <= "\udfff" for char in one.wanted)]:
        raise ProvError(f"{path}, line {broken[0].line:,}: invalid UTF-8; wanted one id or digest a line")
    named = [one for one in named if one.wanted.strip()]
    if not named:
        raise ProvError(f"{path} names no document: wanted one id or digest a line")
    return named


def match_ids(store: Store, named: Iterable[Named]) -> int:
    """Leave in the temporary table `matching(document_id)` the documents that are named, and return how many.

    Raises:
        NotFound, Ambiguous: a line means none, or several; the message names it.
    """
    lines = [vars(one) for one in named]
    with store.lend(named=pa.Table.from_pylist(lines, schema=_NAMED)):
        store.run("stage_named")
        if misnamed := store.ask_one("misnamed"):
            _refuse(store, *misnamed)
        store.run("match_named")
    count: int = store.ask_value("count_matching")
    return count


_NAMED = pa.schema([("line", pa.int64()), ("wanted", pa.string())])


def _refuse(store: Store, line: int, wanted: str, documents: int) -> None:
    where = f"document on line {line:,},"
    if not documents:
        raise NotFound(where, wanted, examples=(item for (item,) in store.ask("some_items")))
    fits = (f"{digest[:16]} ({source or 'no source'})" for digest, source in store.ask("named_alike", line=line))
    raise Ambiguous(where, wanted, fits)


def declare(
    store: Store,
    statement: Statement,
    *,
    where: Where | str | None = None,
    ids: Iterable[Named | str] | None = None,
    dry_run: bool = False,
) -> Redeclared:
    """Append a declaration to each document meant, and derive all generations again, in one transaction.

    In force is the declaration of the highest precedence, of those the newest.

    Args:
        where, ids: which documents, by one of the two: a filter, or users' ids and document digests.
        dry_run: do all of it, then leave the registry as it was.
    Raises:
        NotFound, Ambiguous, UnknownField, WhereError: it is not clear which documents are meant.
        ProvError: it contradicts itself, the run that wrote a document, or a document's lineage.
    """
    if (where is None) == (ids is None):
        raise ProvError("say which documents are declared, by a filter or by their ids")
    with store.batch("declare") as batch:
        if where is not None:
            documents = matching(store, Where.parse(where) if isinstance(where, str) else where)
        else:
            documents = match_ids(store, _numbered(ids or ()))
        if not documents:
            raise ProvError(f"no document is meant: {where} lets none through" if where else "no document is named")
        result = _declare(store, batch, statement, documents)
        if dry_run or not result.declared:
            batch.abandon()
    return result


def _numbered(ids: Iterable[Named | str]) -> list[Named]:
    return [one if isinstance(one, Named) else Named(number, one) for number, one in enumerate(ids, 1)]


def _declare(store: Store, batch: Batch, statement: Statement, documents: int) -> Redeclared:
    with store.lend(said=_said(store, statement)):
        store.run("stage_declaring")
        _check(store, statement)
        _meet_circles(store, statement)
        store.run("stage_declared_models")
        store.run("drop_unchanged")
        declared: int = store.ask_value("count_declaring")
        outranked: int = store.ask_value("outranked")
        if declared:
            store.run("insert_foreign_models", batch_id=batch.batch_id)
            store.run("insert_declared", batch_id=batch.batch_id, made_at=batch.made_at)
            store.run("put_in_force", batch_id=batch.batch_id)
            rederive(store)
    if statement.generation is not None:
        _meet_lineage(store, statement.generation)
    batch.documents = declared
    return Redeclared(documents, declared, documents - declared, outranked)


def _said(store: Store, statement: Statement) -> pa.Table:
    if statement.license:
        store.run("add_license", name=statement.license)
    model = _recorded_model(store, statement.generator) if statement.generator else None
    return pa.table(
        {
            "origin": pa.array([statement.origin and str(statement.origin)], pa.string()),
            "generation": pa.array([statement.generation], pa.int32()),
            "generator": pa.array([statement.generator], pa.string()),
            "model": pa.array([model], pa.binary()),
            "license_id": pa.array([store.ask_value("license_id", name=statement.license)], pa.int64()),
            "declared_by": [statement.by],
            "evidence": pa.array([statement.evidence], pa.string()),
            "precedence": pa.array([statement.precedence], pa.int32()),
        }
    )


def _recorded_model(store: Store, wanted: str) -> bytes | None:
    """The model that a name or a whole digest means, of which more is known than its name and generation."""
    rows = [
        (digest, name, Generation(generation, exact), is_foreign)
        for _, name, digest, generation, exact, is_foreign in store.ask("models_matching", wanted=wanted)
        if digest.hex() == wanted.lower() or (name == wanted and digest != model_digest(name, generation))
    ]
    rows = [row for row in rows if not row[-1]] or rows
    if len(rows) > 1:
        raise Ambiguous(
            "model", wanted, (f"{digest.hex()} (generation {generation})" for digest, _, generation, _ in rows)
        )
    return rows[0][0] if rows else None


def _check(store: Store, statement: Statement) -> None:
    """Refuse what does not go together, or what the run that wrote a document rules out."""
    for origin, count, item in store.ask("declaring_origins"):
        try:
            consistent({"origin": origin, "declared": statement.generation, "generator": statement.generator})
        except Fault as fault:
            raise ProvError(f"document {item!r}{_more(count)} cannot be declared so: {fault}") from fault
    if against := store.ask_one("declared_against_run"):
        count, item, run, model = against
        raise ProvError(
            f"document {item!r}{_more(count)} was written by run {run[:12]} of model {model!r}, which is part of its "
            "digest: leave it out, or declare origin model or mixed and that generator"
        )


def _meet_circles(store: Store, statement: Statement) -> None:
    model = _recorded_model(store, statement.generator) if statement.generator else None
    if not model:
        return
    trace(store, "model", find_model(store, model.hex()).model_id)
    if in_circle := store.ask_one("declared_in_circle"):
        count, item = in_circle
        raise ProvError(
            f"document {item!r}{_more(count)} cannot be of model {statement.generator!r}, which learnt from it: "
            "leave it out, or declare another generator"
        )


def _meet_lineage(store: Store, generation: int) -> None:
    if against := store.ask_one("declared_against_lineage"):
        count, item, lineage, exact = against
        raise ProvError(
            f"document {item!r}{_more(count)} cannot be declared of generation {generation}: "
            f"by lineage it is {'' if exact else 'at least '}{lineage}"
        )


def _more(count: int) -> str:
    return f" ({count - 1:,} more like it)" if count > 1 else ""
