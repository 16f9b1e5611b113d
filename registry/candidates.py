"""Candidates: every document as conditions see it, by its built-in fields and by what sidecars annotated."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from duckdb import ColumnExpression, ConstantExpression, DuckDBPyRelation, Expression, FunctionExpression

from registry.schema import question
from registry.store import Store
from registry.where import Field, Kind, Name, Where

KINDS: dict[str, Kind] = {
    "id": "text",
    "origin": "text",
    "generation": "number",
    "generation_exact": "boolean",
    "generator": "text",
    "source": "text",
    "license": "text",
    "url": "text",
    "created": "time",
    "bytes": "number",
    "words": "number",
    "tokens": "number",
    "run": "text",
    "metadata": "json",
}
"""The built-in fields that a filter may name."""


@dataclass(frozen=True)
class AnnotatedField:
    """A field that a sidecar brought, whose values stand in one typed column of `annotation`."""

    field_id: int
    name: str
    kind: Kind
    batches: int

    COLUMNS: ClassVar[dict[str, str]] = {"text": "text", "number": "number", "boolean": "flag", "time": "moment"}

    @property
    def alias(self) -> str:
        """What its column is called where it is joined; names of users may differ in case alone, columns may not."""
        return f"annotated {self.field_id}"

    def is_named(self, names: Collection[str]) -> bool:
        """Whether it is among names as a filter's normal form writes them."""
        return str(Name(self.name)) in names

    def values(self, store: Store) -> DuckDBPyRelation:
        """Its value of each document that has one, under its alias; of several, the newest batch's is in force."""
        document, value = ColumnExpression("document_id"), ColumnExpression(self.COLUMNS[self.kind])
        of_field = ColumnExpression("field_id") == ConstantExpression(self.field_id)
        rows = store.connection.table("annotation").filter(of_field)
        if self.batches <= 1:
            return rows.select(document, value.alias(self.alias))
        newest = FunctionExpression("arg_max", value, ColumnExpression("batch_id"))
        return rows.aggregate([document, newest.alias(self.alias)], "document_id")


def annotated_fields(store: Store) -> list[AnnotatedField]:
    """Every field that was annotated, by name."""
    return [AnnotatedField(**row) for row in store.ask_records("annotated_fields")]


@dataclass(frozen=True)
class Candidates:
    """Every document as conditions see it; needs the relation `policy` lent as long as it is used."""

    relation: DuckDBPyRelation
    fields: dict[str, Field]
    metadata: list[str]

    def condition(self, where: Where) -> Expression:
        """What is true of the documents that a filter lets through."""
        return where.compile(self.fields, self.metadata)


def candidates(store: Store, named: Collection[str]) -> Candidates:
    """The question `candidates`, joined with the annotations that are named.

    Args:
        named: the fields that conditions mention, as their normal form writes them.
    """
    relation = store.connection.sql(question("candidates"))
    fields = {name: Field(ColumnExpression(name), kind) for name, kind in KINDS.items()}
    for field in annotated_fields(store):
        fields[field.name] = Field(ColumnExpression(field.alias), field.kind)
        if field.is_named(named):
            relation = relation.join(field.values(store), "document_id", how="left")
    return Candidates(relation, fields, [name for (name,) in store.ask("fields")])
