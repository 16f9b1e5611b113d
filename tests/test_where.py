"""The filter language: it reads back what it writes, means what SQL means, and lets no SQL in."""

from __future__ import annotations

import json
import operator
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from provenance.errors import ProvError
from registry.where import (
    MAX_DEPTH,
    MAX_INTEGER,
    Compound,
    Condition,
    Field,
    Kind,
    Name,
    Node,
    UnknownField,
    Value,
    Where,
    WhereError,
)

KINDS: dict[str, Kind] = {
    "license": "text",
    "bytes": "number",
    "score": "number",
    "exact": "boolean",
    "created": "time",
    "metadata": "json",
}
TYPES = {"text": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN", "time": "TIMESTAMP", "json": "JSON"}
ODD_KEYS = [
    "a.b",
    'say "hi"',
    "two words",
    "~/x~1",
    "",
    "$",
    "$.*",
    "*",
    "#-1",
    "0",
    "[0]",
    "é",
    "\\",
    "a\nb",
    "IN",
]
METADATA = ["lang", "year", *ODD_KEYS]

Row = dict[str, Any]


# --- A table and a plain evaluator to compare with.


def fields() -> dict[str, Field]:
    return {name: Field(duckdb.ColumnExpression(name), kind) for name, kind in KINDS.items()}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    columns = ", ".join(f"{name} {TYPES[kind]}" for name, kind in KINDS.items())
    with duckdb.connect() as held:
        held.execute(f"CREATE TABLE document (place INTEGER, {columns})")
        held.execute("ALTER TABLE document ALTER bytes TYPE UBIGINT")
        yield held


def matches(connection: duckdb.DuckDBPyConnection, where: Where, rows: list[Row]) -> list[int]:
    """Which of the rows the database keeps."""
    connection.execute("DELETE FROM document")
    for place, row in enumerate(rows):
        held = {**row, "metadata": None if row["metadata"] is None else json.dumps(row["metadata"])}
        values = [place, *(held[name] for name in KINDS)]
        connection.execute(f"INSERT INTO document VALUES ({', '.join('?' * len(values))})", values)
    kept = connection.table("document").filter(where.compile(fields(), METADATA)).select("place")
    return sorted(place for (place,) in kept.fetchall())


def row(**values: Any) -> Row:
    return dict.fromkeys(KINDS) | values


def evaluate(node: Node, document: Row) -> bool | None:
    """SQL's three-valued logic, in Python."""
    if isinstance(node, Condition):
        return condition(node, document)
    parts = [evaluate(part, document) for part in node.parts]
    if node.word == "NOT":
        return None if parts[0] is None else not parts[0]
    decisive = node.word == "OR"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def condition(node: Condition, document: Row) -> bool | None:
    held = read(node.name, document, node.values[0] if node.values else "")
    if node.sign == "IS NULL":
        return held is None
    if held is None:
        return None
    if node.sign == "LIKE":
        pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in str(node.values[0]))
        return re.fullmatch(pattern, held, re.DOTALL) is not None
    values = [moment(value) if isinstance(held, datetime) else value for value in node.values]
    if node.sign == "IN":
        return held in values
    signs = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
    return bool(getattr(operator, signs[node.sign])(held, values[0]))


def moment(value: Value) -> datetime:
    read_as = datetime.fromisoformat(str(value))
    return read_as.astimezone(UTC).replace(tzinfo=None) if read_as.tzinfo else read_as


def read(name: Name, document: Row, like: Value) -> Any:
    """What the document holds under a name, as the type of the value it is compared with."""
    if name.key in KINDS and not name.of_metadata:
        return document[name.key]
    held = (document["metadata"] or {}).get(name.key)
    if held is None:
        return None
    text = held if isinstance(held, str) else json.dumps(held)
    if isinstance(like, bool):
        return {"true": True, "false": False}.get(text)
    if isinstance(like, str):
        return text
    return float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) else None


# --- Strategies: any tree at all, and trees that fit the table.

letters = st.sampled_from("ab'\"%_\\;-é\0\n $x")
texts = st.text(letters, max_size=4) | st.sampled_from(["cc-by", "en", "1", "true", "'; DROP TABLE document; --"])
integers = st.integers(-3, 3) | st.integers(-MAX_INTEGER, MAX_INTEGER)
numbers = integers | st.floats(allow_nan=False, allow_infinity=False)
few_numbers = st.integers(-1, 3) | st.sampled_from([0.5, 2.5])
moments = st.sampled_from(["2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00Z", "2026-01-31T14:00:00.5+02:00"])
COMPARISONS = ["=", "!=", "<", "<=", ">", ">="]


def conditions(name: Name, values: st.SearchStrategy[Any], like: bool) -> st.SearchStrategy[Condition]:
    compared = st.builds(Condition, st.just(name), st.sampled_from(COMPARISONS), st.tuples(values))
    among = st.builds(Condition, st.just(name), st.just("IN"), st.lists(values, min_size=1, max_size=3).map(tuple))
    null = st.just(Condition(name, "IS NULL"))
    patterns = st.builds(Condition, st.just(name), st.just("LIKE"), st.tuples(texts))
    return st.one_of(compared, among, null, patterns) if like else st.one_of(compared, among, null)


def joined(word: str, parts: list[Node]) -> Compound:
    flat = [part.parts if isinstance(part, Compound) and part.word == word else (part,) for part in parts]
    return Compound(word, tuple(part for parts in flat for part in parts))  # type: ignore[arg-type]


def trees(leaves: st.SearchStrategy[Condition]) -> st.SearchStrategy[Node]:
    def extend(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.builds(joined, st.sampled_from(["AND", "OR"]), st.lists(parts, min_size=2, max_size=3))
        return several | parts.map(lambda part: Compound("NOT", (part,)))

    return st.recursive(leaves, extend, max_leaves=8)


any_name = st.builds(Name, st.text(letters, max_size=3) | st.sampled_from([*KINDS, "In", "true"]), st.booleans())
any_tree = trees(
    any_name.flatmap(
        lambda name: st.sampled_from([texts, numbers, st.booleans()]).flatmap(
            lambda values: conditions(name, values, like=True)
        )
    )
)
metadata_names = st.builds(Name, st.sampled_from(METADATA), st.booleans()) | st.just(Name("lang", True))
fitting_tree = trees(
    st.one_of(
        conditions(Name("license"), texts, like=True),
        conditions(Name("bytes"), few_numbers, like=False),
        conditions(Name("score"), few_numbers, like=False),
        conditions(Name("exact"), st.booleans(), like=False),
        conditions(Name("created"), moments, like=False),
        *(
            metadata_names.flatmap(lambda name, values=values: conditions(name, values, like=True))  # type: ignore[misc]
            for values in (texts, few_numbers, st.booleans())
        ),
    )
)
held_values = st.one_of(
    st.none(),
    texts,
    st.integers(-1, 3),
    st.booleans(),
    st.sampled_from(["2.5", "nan", "1_000", " 1", "1e999", [1]]),
)
documents = st.builds(
    row,
    license=st.none() | texts,
    bytes=st.none() | st.integers(0, 3),
    score=st.none() | st.floats(-1, 3),
    exact=st.none() | st.booleans(),
    created=st.none() | moments.map(moment),
    metadata=st.none() | st.dictionaries(st.sampled_from(METADATA), held_values, max_size=5),
)


# --- The promises.


def exactly(tree: Node) -> str:
    return repr(tree)  # tells 1 from 1.0 and TRUE, as == does not


@given(any_tree)
@settings(deadline=None)
def test_normal_form_reads_back_as_the_same_tree(tree: Node) -> None:
    assert exactly(Where.parse(str(Where(tree))).tree) == exactly(tree)


@given(fitting_tree, st.lists(documents, max_size=4))
@settings(deadline=None)
def test_database_keeps_what_three_valued_logic_says(
    connection: duckdb.DuckDBPyConnection, tree: Node, rows: list[Row]
) -> None:
    expected = [place for place, document in enumerate(rows) if evaluate(tree, document) is True]
    assert matches(connection, Where(tree), rows) == expected


fragments = st.sampled_from(["a ", "=", "1", "'x'", " AND ", " NOT ", " IN ", " IS ", "NULL", *"<>(),.\"'-\n\0é;"])


@given(st.lists(fragments, max_size=12).map("".join))
@settings(deadline=None)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        where = Where.parse(text)
    except WhereError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
    else:
        assert Where.parse(str(where)) == where


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("license='cc-by'and bytes>200", "license = 'cc-by' AND bytes > 200"),
        ("a <> 1", "a != 1"),
        ("((a = 1))", "a = 1"),
        ("(a = 1 and b = 2) or c = 3", "a = 1 AND b = 2 OR c = 3"),
        ("a = 1 and (b = 2 or c = 3)", "a = 1 AND (b = 2 OR c = 3)"),
        ("a = 1 or (b = 2 or (c = 3))", "a = 1 OR b = 2 OR c = 3"),
        ("not (a = 1 and b = 2)", "NOT (a = 1 AND b = 2)"),
        ("not a = 1 and b = 2", "NOT a = 1 AND b = 2"),
        ("not a in (1,2)", "a NOT IN (1, 2)"),
        ("not not a is null", "NOT a IS NOT NULL"),
        ("a not like 'x%'", "a NOT LIKE 'x%'"),
        ("a = 'it''s'", "a = 'it''s'"),
        ("a = true", "a = TRUE"),
        ("a = +5 or a = -5 or a = .5 or a = 1e3", "a = 5 OR a = -5 OR a = 0.5 OR a = 1000.0"),
        ('"odd ""name""" = 1 and "bytes" = 2', '"odd ""name""" = 1 AND bytes = 2'),
        ('metadata . "a.b" = 1', 'metadata."a.b" = 1'),
        ('"metadata.lang" = 1', '"metadata.lang" = 1'),
        ('"in" = 1', '"in" = 1'),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert str(Where.parse(text)) == normal


def test_filters_are_equal_when_their_normal_forms_are() -> None:
    assert Where.parse("(a<>1)") == Where.parse("a != 1")
    assert len({Where.parse("(a<>1)"), Where.parse("a != 1")}) == 1
    assert len({Where.parse(f"a = {value}") for value in ("1", "1.0", "TRUE", "'1'")}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the filter wants a field name, there is the end at position 1: begin"),
        ("  ", "there is the end at position 3"),
        (
            "license",
            "wants =, !=, <, <=, >, >=, IN, LIKE or IS, there is the end at position 8",
        ),
        ("license = ", "wants a value, there is the end at position 11"),
        ('license = "cc-by"', "there is '\"cc-by\"' at position 11: write text in single quotes"),
        (
            "license = NULL",
            "there is 'NULL' at position 11: write text in single quotes, as in 'cc-by', or IS NULL",
        ),
        ("license LIKE 5", "wants a pattern, there is '5' at position 14"),
        ("license NOT 'a'", "wants IN or LIKE, there is \"'a'\" at position 13"),
        ("license IS 5", "wants NULL, there is '5' at position 12: write IS NULL or IS NOT NULL"),
        ("license IN ()", "wants a value, there is ')' at position 13"),
        ("license IN ('a'", "wants , or ), there is the end at position 16: close the list"),
        ("bytes IN (1, 'a')", "wants values of one kind in a list, there is a mixture"),
        ("(bytes = 1", "wants AND, OR or ), there is the end at position 11: close the parenthesis"),
        ("bytes = 1 bytes = 2", "wants AND, OR or the end, there is 'bytes' at position 11"),
        ("license = 'a''b", "there is \"'a''b\" at position 11: double-quote an odd name, close every quote"),
        ("license = '\udcff'", "at position 11"),
        (
            "bytes = 9007199254740993",
            "wants whole numbers up to 2**53, there is '9007199254740993' at position 9",
        ),
        ("bytes = " + "9" * 5000, "wants whole numbers up to 2**53"),
        ("bytes = 1e999", "wants a finite number, there is '1e999' at position 9"),
        ("source.name = 'x'", "LIKE or IS, there is '.' at position 7: say what source is"),
        ("metadata.a.b = 'x'", "there is '.' at position 11"),
        ("1 = 1", "wants a field name, there is '1' at position 1"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_position(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=re.escape(message)):
        Where.parse(text)


@pytest.mark.parametrize("opening", ["(", "NOT "])
def test_nesting_is_limited_not_crashed(opening: str) -> None:
    closing = ")" if opening == "(" else ""
    deepest = opening * MAX_DEPTH + "a = 1" + closing * MAX_DEPTH
    Where.parse(f"{deepest} AND {deepest}")
    with pytest.raises(WhereError, match=f"at most {MAX_DEPTH} parentheses and NOTs"):
        Where.parse(opening * 10_000 + "a = 1" + closing * 10_000)


def test_deepest_and_widest_filters_compile(connection: duckdb.DuckDBPyConnection) -> None:
    deep = "bytes = 1"
    for _ in range(MAX_DEPTH // 2):
        deep = f"bytes = 2 OR bytes = 3 AND NOT ({deep})"
    wide = " OR ".join(f"bytes = {size}" for size in range(1200))
    listed = f"bytes IN ({', '.join(map(str, range(5000)))})"
    where = Where.parse(f"({wide}) AND {listed}")
    assert matches(connection, where, [row(bytes=1199), row(bytes=1200)]) == [0]
    assert matches(connection, Where.parse(deep), [row(bytes=2), row(bytes=5)]) == [0]
    assert Where.parse(str(Where.parse(deep))) == Where.parse(deep)


@pytest.mark.parametrize(
    ("sign", "kept"), [("=", [1]), ("!=", [0, 2]), ("<", [0]), ("<=", [0, 1]), (">", [2]), (">=", [1, 2])]
)
@pytest.mark.parametrize(
    ("name", "values", "middle"),
    [
        ("bytes", [1, 2, 3], "2"),
        ("license", ["A", "a", "é"], "'a'"),
        ("created", [datetime(2026, 1, 31, hour) for hour in (11, 12, 13)], "'2026-01-31T14:00+02:00'"),
    ],
)
def test_every_comparison_at_its_boundary(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    values: list[Any],
    middle: str,
    sign: str,
    kept: list[int],
) -> None:
    rows = [*(row(**{name: value}) for value in values), row()]
    assert matches(connection, Where.parse(f"{name} {sign} {middle}"), rows) == kept


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", " 1", "1 ", "0x1", "1abc", "", "TRUE", "true", "null"])
def test_text_that_is_no_json_number_is_compared_with_none(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert matches(connection, Where.parse("lang = 1 OR lang != 1"), [row(metadata={"lang": text})]) == []


@pytest.mark.parametrize("key", METADATA)
def test_metadata_names_are_exact(connection: duckdb.DuckDBPyConnection, key: str) -> None:
    rows = [row(metadata={other: "x"}) for other in METADATA]
    where = Where(Condition(Name(key, of_metadata=True), "=", ("x",)))
    assert matches(connection, where, rows) == [METADATA.index(key)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("lang > 1", [2, 4]),
        ("lang = 2.5", [2]),
        ("lang = '2.5'", [2]),
        ("lang != 0", [0, 2, 4]),
        ("lang = TRUE", [1, 5]),
        ("lang != TRUE", []),
        ("lang IN (1, 7)", [0, 4]),
        ("lang IS NULL", [6, 7, 8]),
        ("lang LIKE 'n_n'", [3]),
    ],
)
def test_metadata_is_read_as_the_type_it_is_compared_with(
    connection: duckdb.DuckDBPyConnection, text: str, kept: list[int]
) -> None:
    held: list[Any] = [1, True, "2.5", "nan", 7, "true", None]
    rows = [*(row(metadata={"lang": value}) for value in held), row(metadata={}), row()]
    assert matches(connection, Where.parse(text), rows) == kept
    assert matches(connection, Where.parse(f"metadata.{text}"), rows) == kept


def test_a_field_hides_a_metadata_name_of_the_same_spelling(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [row(license="a", metadata={"license": "b"})]
    known = [*METADATA, "license"]
    bare, dotted = (Where.parse(f"{name} = 'b'") for name in ("license", "metadata.license"))
    assert matches(connection, bare, rows) == []
    assert connection.table("document").filter(dotted.compile(fields(), known)).fetchall() != []


@pytest.mark.parametrize(
    "value",
    ["x'; DROP TABLE document; --", "' OR '1'='1", "\\' OR 1=1 --", '"', "$1", "?", "a\0'b", "'); SELECT 1"],
)
def test_hostile_values_are_only_values(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    rows = [row(license=value, metadata={"lang": value}), row(license="other", metadata={"lang": "other"})]
    for where in (
        Where.equals("license", value),
        Where.equals("lang", value),
        Where.among("license", [value]),
    ):
        assert matches(connection, where, rows) == [0]
        assert Where.parse(str(where)) == where


@pytest.mark.parametrize("name", ["bytes = 1 OR license", "x'; DROP TABLE document; --", "", "a b", "1", "a) OR (b"])
def test_constructors_take_names_not_filters(name: str) -> None:
    with pytest.raises(WhereError):
        Where.equals(name, 1)
    with pytest.raises(WhereError):
        Where.among(name, [1])


def test_sql_outside_the_language_is_refused() -> None:
    for text in (
        "1=1; DROP TABLE document",
        "bytes = (SELECT 1)",
        "bytes = 1 -- ",
        "lower(license) = 'a'",
        "a = b",
    ):
        with pytest.raises(WhereError):
            Where.parse(text)


def test_filters_combine() -> None:
    either, small = Where.parse("a = 1 OR b = 2"), Where.parse("bytes < 5 AND c IS NULL")
    assert str(Where.all_of(either, small)) == "(a = 1 OR b = 2) AND bytes < 5 AND c IS NULL"
    assert Where.all_of(either) == either
    assert Where.equals('metadata."odd name"', True) == Where.parse('metadata."odd name" = TRUE')
    assert Where.among("origin", ["human", "it's"]) == Where.parse("origin IN ('human', 'it''s')")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), MAX_INTEGER + 1])
def test_constructors_refuse_numbers_that_json_cannot_hold(value: float) -> None:
    with pytest.raises(WhereError):
        Where.equals("bytes", value)


def test_a_list_needs_a_value() -> None:
    with pytest.raises(WhereError, match="wants a value"):
        Where.among("license", [])


def test_names_are_those_mentioned() -> None:
    where = Where.parse("NOT (a = 1 OR metadata.lang IN ('b')) AND \"odd name\" IS NULL AND a LIKE 'x'")
    assert where.names == {"a", "metadata.lang", '"odd name"'}


@pytest.mark.parametrize("name", ["licence", "metadata.license", "metadata", '"odd\nname"'])
def test_unknown_field_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownField) as caught:
        Where.parse(f"bytes = 1 AND {name} = 'x'").compile(fields(), ["year", "a b"])
    shown = name.replace("\n", "\\n")
    assert str(caught.value) == (
        f'no field {shown}: use one of bytes, created, exact, license, score, metadata."a b", metadata.year'
    )
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "bytes > 'abc'",
            "wants a number for bytes, there is 'abc': write it without quotes, as in 200 or 0.5",
        ),
        ("bytes = TRUE", "wants a number for bytes, there is TRUE"),
        ("license < 5", "wants text for license, there is 5: write it in single quotes, as in 'cc-by'"),
        ("license IN (5)", "wants text for license, there is 5"),
        ("exact = 'yes'", "wants TRUE or FALSE for exact, there is 'yes'"),
        ("exact = 1", "wants TRUE or FALSE for exact, there is 1"),
        ("created > 2026", "wants a time for created, there is 2026"),
        (
            "created > 'yester\nday'",
            "wants a time for created, there is 'yester\\nday': write it in ISO 8601",
        ),
        ("created > '0001-01-01T00:00:00+05:00'", "wants a time for created"),
        ("bytes LIKE '1%'", "wants a field of text before LIKE, there is bytes, which holds a number"),
        (
            "created LIKE '2026-01-31'",
            "wants a field of text before LIKE, there is created, which holds a time",
        ),
    ],
)
def test_what_a_field_cannot_hold_is_told_with_what_it_wants(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=re.escape(message)):
        Where.parse(text).compile(fields(), METADATA)


def test_errors_are_those_that_commands_print() -> None:
    assert issubclass(WhereError, ProvError)
    assert issubclass(UnknownField, ProvError)


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    where: Where | None = None
    by_name: Mapping[str, Where] = {}


def test_specs_hold_filters_and_store_their_normal_form() -> None:
    where = Where.parse("bytes <> 1")
    spec = Spec(where="(bytes<>1)", by_name={"a": where})  # type: ignore[arg-type]
    assert spec == Spec(where=where, by_name={"a": where})
    assert spec.model_dump() == {"where": "bytes != 1", "by_name": {"a": "bytes != 1"}}
    assert Spec.model_validate_json(spec.model_dump_json()) == spec
    assert Spec.model_json_schema()["properties"]["where"]["anyOf"][0] == {"type": "string"}
    assert Spec().model_dump() == {"where": None, "by_name": {}}


def test_specs_refuse_what_is_no_filter() -> None:
    with pytest.raises(WhereError, match="wants a value"):
        Spec.model_validate({"where": "bytes >"})
    with pytest.raises(ValidationError):
        Spec.model_validate({"where": 5})


def test_importing_the_language_loads_no_database() -> None:
    check = "import sys, registry.where; assert not {'duckdb', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
