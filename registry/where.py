"""The filter language of `--where`: from text to a frozen tree, and from the tree to duckdb expressions.

Values reach the database only as constants inside duckdb's own expression objects: no SQL is made from input.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from provenance.errors import ProvError

if TYPE_CHECKING:  # duckdb is imported where it is used, so that `prov --help` loads none of it
    from duckdb import Expression

Value: TypeAlias = str | int | float | bool
Kind: TypeAlias = Literal["text", "number", "boolean", "time", "json"]
Node: TypeAlias = "Condition | Compound"
Word: TypeAlias = Literal["OR", "AND", "NOT"]
Lookup: TypeAlias = "Callable[[Name], Field]"
Found = TypeVar("Found")

MAX_DEPTH = 50  # of parentheses and NOTs; each takes six frames of Python's thousand
MAX_INTEGER = 2**53  # beyond it JSON (RFC 8785), in which specs are stored, is not exact

_METADATA = "metadata"
_KEYWORDS = {"AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL", "TRUE", "FALSE"}
_NEGATED = {"IN": "NOT IN", "LIKE": "NOT LIKE", "IS NULL": "IS NOT NULL"}
_TIGHTNESS: dict[Word, int] = {"OR": 0, "AND": 1, "NOT": 2}
_VALUES = {"text", "number", "TRUE", "FALSE"}
_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
# Quoted tokens repeat possessively, so that an unclosed quote is reported where it opens. Surrogates come
# from arguments that are not UTF-8, and no database can hold them.
_TOKEN = re.compile(
    rf"""\s+
    | (?P<text>   '(?:[^'\ud800-\udfff]|'')*+')
    | (?P<quoted> "(?:[^"\ud800-\udfff]|"")*+")
    | (?P<number> [+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<word>   {_IDENTIFIER})
    | (?P<symbol> <=|>=|<>|!=|[=<>(),.])
    | (?P<stray>  .)""",
    re.VERBOSE | re.DOTALL,
)
_PAIR = re.compile(rf"""(?P<name>(?:{_METADATA}\.)?(?:{_IDENTIFIER}|"(?:[^"]|"")++")):(?P<value>.+)""", re.DOTALL)
_LITERAL = re.compile("[+-]?[0-9]+(?:\\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|(?i:true|false)|'(?:[^']|'')*+'")
_KINDS: dict[Kind, tuple[str, str]] = {
    "text": ("text", "write it in single quotes, as in 'cc-by'"),
    "number": ("a number", "write it without quotes, as in 200 or 0.5"),
    "boolean": ("TRUE or FALSE", "write it without quotes"),
    "time": ("a time", "write it in ISO 8601, as in '2026-01-31T12:00:00Z'"),
}


class WhereError(ProvError):
    """A filter that cannot be read, or that compares a field with what it cannot hold."""

    def __init__(self, wanted: str, found: str, advice: str) -> None:
        self.wanted, self.found, self.advice = wanted, found, advice
        super().__init__(_one_line(f"the filter wants {wanted}, there is {found}: {advice}"))


class UnknownField(ProvError):
    """A filter names what is neither a field of documents nor a name in their metadata."""

    def __init__(self, name: Name, fields: Collection[str], metadata: Collection[str]) -> None:
        self.name, self.fields = str(name), sorted(set(fields) - {_METADATA})
        self.metadata = [str(Name(key, of_metadata=True)) for key in sorted(metadata)]
        super().__init__(_one_line(f"no field {name}: use one of {', '.join(self.fields + self.metadata)}"))


def _one_line(message: str) -> str:
    return "\\n".join(message.splitlines())


@dataclass(frozen=True)
class Field:
    """A column that filters may name, and what it holds: `json` is for the column `metadata` alone."""

    expression: Expression
    kind: Kind


@dataclass(frozen=True)
class Name:
    """A field as the filter names it; `of_metadata` when it is written `metadata.key`."""

    key: str
    of_metadata: bool = False

    def __str__(self) -> str:
        plain = re.fullmatch(_IDENTIFIER, self.key) and self.key.upper() not in _KEYWORDS
        key = self.key if plain else '"' + self.key.replace('"', '""') + '"'
        return f"{_METADATA}.{key}" if self.of_metadata else key


@dataclass(frozen=True)
class Condition:
    """A field and what it should be; `sign` is a comparison, IN, LIKE or IS NULL, which takes no value."""

    name: Name
    sign: str
    values: tuple[Value, ...] = ()

    def __str__(self) -> str:
        return self.text(self.sign)

    def text(self, sign: str) -> str:
        values = ", ".join(map(_literal, self.values))
        values = f"({values})" if self.sign == "IN" else values
        return f"{self.name} {sign} {values}" if values else f"{self.name} {sign}"

    def compile(self, lookup: Lookup) -> Expression:
        field = lookup(self.name)
        if self.sign == "IS NULL":
            return field.expression.isnull()
        if self.sign == "LIKE" and field.kind not in ("text", "json"):
            held = f"{self.name}, which holds {_KINDS[field.kind][0]}"
            raise WhereError("a field of text before LIKE", held, "compare it with =, < or >")
        column, constants = _operands(self.name, field, self.values)
        compared: Expression = _SIGNS[self.sign](column, *constants)
        return compared

    def holds(self, values: Mapping[str, Value]) -> bool:
        if self.sign in ("LIKE", "IS NULL") or str(self.name) not in values:
            raise WhereError(f"one of {', '.join(values)}, compared or IN a list", str(self), "ask a registry instead")
        value = values[str(self.name)]
        return value in self.values if self.sign == "IN" else bool(_SIGNS[self.sign](value, *self.values))


@dataclass(frozen=True)
class Compound:
    """NOT one part, or two and more joined by AND or OR, none of them by the same word.

    NOT IN, NOT LIKE and IS NOT NULL are compounds too: NOT of the condition.
    """

    word: Word
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        first = self.parts[0]
        if self.word == "NOT" and isinstance(first, Condition) and first.sign in _NEGATED:
            return first.text(_NEGATED[first.sign])
        texts = [self._enclosed(part) for part in self.parts]
        return f"NOT {texts[0]}" if self.word == "NOT" else f" {self.word} ".join(texts)

    def _enclosed(self, part: Node) -> str:
        looser = isinstance(part, Compound) and _TIGHTNESS[part.word] < _TIGHTNESS[self.word]
        return f"({part})" if looser else str(part)

    def compile(self, lookup: Lookup) -> Expression:
        parts = [part.compile(lookup) for part in self.parts]
        return ~parts[0] if self.word == "NOT" else _fold(self.word, parts)

    def holds(self, values: Mapping[str, Value]) -> bool:
        found = (part.holds(values) for part in self.parts)
        return not next(found) if self.word == "NOT" else all(found) if self.word == "AND" else any(found)


@dataclass(frozen=True, eq=False)
class Where:
    """A filter of documents; two are equal when their normal forms, which `str` gives, are.

    >>> str(Where.parse("not (license <> 'cc-by') AND ((bytes > 200))"))
    "NOT license != 'cc-by' AND bytes > 200"
    """

    tree: Node

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read a filter.

        Raises:
            WhereError: it breaks the grammar, nests too deep, or holds a number that JSON cannot.
        """
        return cls(_Parser(text).whole(_Parser.either))

    # The constructors parse what they write, so that every filter obeys the limits and reads back.

    @classmethod
    def all_of(cls, first: Where, *more: Where) -> Where:
        """Ask for what every one of the filters asks for."""
        return cls.parse(" AND ".join([f"({where})" for where in (first, *more)]))

    @classmethod
    def equals(cls, name: str, value: Value) -> Where:
        """Ask for one value; `name` as the language writes it: `license`, `metadata."odd name"`."""
        return cls.parse(f"{_Parser(name).whole(_Parser.name)} = {_literal(value)}")

    @classmethod
    def among(cls, name: str, values: Sequence[Value]) -> Where:
        """Ask for any of one or more values, kept in their order; `name` as for `equals`."""
        return cls.parse(f"{_Parser(name).whole(_Parser.name)} IN ({', '.join(map(_literal, values))})")

    @classmethod
    def named(cls, pair: str) -> Where | None:
        """Ask for what `field:value` names; None where `pair` is no such thing.

        A bare number, TRUE or FALSE is what it looks like; every other value is text, in quotes or without.

        >>> str(Where.named("language:de")), str(Where.named("year:2020"))
        ("language = 'de'", 'year = 2020')
        """
        found = _PAIR.fullmatch(pair)
        if not found:
            return None
        is_literal = _LITERAL.fullmatch(found["value"])
        return cls.parse(f"{found['name']} = {found['value'] if is_literal else _literal(found['value'])}")

    @property
    def names(self) -> frozenset[str]:
        """The fields it mentions, as the normal form writes them: `bytes`, `metadata.lang`."""
        return frozenset(str(name) for name in _names(self.tree))

    def compile(self, fields: Mapping[str, Field], metadata: Collection[str]) -> Expression:
        """Make the duckdb expression that is true of the documents asked for.

        Args:
            fields: the columns that may be named, and under `metadata` the JSON object of all other names.
            metadata: the names that are known to occur in that object.
        Raises:
            UnknownField: a name is in neither.
            WhereError: a field is compared with what it cannot hold.
        """
        return self.tree.compile(lambda name: _look_up(name, fields, metadata))

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it is true of something that is no document, but has values for the fields named.

        Raises:
            WhereError: it names another field, or asks with LIKE or IS NULL.

        >>> Where.parse("generation < 3 AND NOT origin = 'human'").holds({"generation": 2, "origin": "model"})
        True
        """
        return self.tree.holds(values)

    def __str__(self) -> str:
        return str(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Where) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(when_used="always"),
        )


def _names(node: Node) -> list[Name]:
    if isinstance(node, Condition):
        return [node.name]
    return [name for part in node.parts for name in _names(part)]


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value).upper() if isinstance(value, bool) else repr(value)


def _kind(value: Value) -> Kind:
    return "text" if isinstance(value, str) else "boolean" if isinstance(value, bool) else "number"


def _look_up(name: Name, fields: Mapping[str, Field], metadata: Collection[str]) -> Field:
    from duckdb import ConstantExpression, FunctionExpression

    if name.key in fields and name.key != _METADATA and not name.of_metadata:
        return fields[name.key]
    if name.key not in metadata:
        raise UnknownField(name, fields, metadata)
    pointer = ConstantExpression("/" + name.key.replace("~", "~0").replace("/", "~1"))  # RFC 6901
    return Field(FunctionExpression("json_extract_string", fields[_METADATA].expression, pointer), "json")


def _operands(name: Name, field: Field, values: Sequence[Value]) -> tuple[Expression, list[Expression]]:
    """Give the field and the values, which are of one kind, as expressions that compare."""
    from duckdb import ConstantExpression

    if field.kind != "json":
        return field.expression, [ConstantExpression(_fitted(name, field.kind, value)) for value in values]
    in_json = [str(value).lower() if isinstance(value, bool) else value for value in values]
    return _read_as(_kind(values[0]), field.expression), [ConstantExpression(value) for value in in_json]


def _fitted(name: Name, kind: Kind, value: Value) -> Value | datetime:
    wanted, advice = _KINDS[kind]
    misfit = WhereError(f"{wanted} for {name}", _literal(value), advice)
    if kind == "time" and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        except (ValueError, OverflowError) as error:
            raise misfit from error
    if kind != _kind(value):
        raise misfit
    return value


def _read_as(kind: Kind, text: Expression) -> Expression:
    """Read the text of a JSON value as a kind; null when it is of another."""
    from duckdb import CaseExpression, ConstantExpression, FunctionExpression

    if kind == "text":
        return text
    if kind == "boolean":
        return CaseExpression(text.isin(ConstantExpression("true"), ConstantExpression("false")), text)
    # The cast alone would take 'nan' and '1_000' too, and raise on the rest.
    pattern = ConstantExpression(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
    return CaseExpression(FunctionExpression("regexp_full_match", text, pattern), text.cast("DOUBLE"))


def _like(text: Expression, pattern: Expression) -> Expression:
    from duckdb import FunctionExpression

    return FunctionExpression("~~", text, pattern)


_SIGNS: dict[str, Callable[..., Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda column, *values: column.isin(*values),
    "LIKE": _like,
}


def _fold(word: Word, parts: Sequence[Expression]) -> Expression:
    """Join as a balanced tree: duckdb 2.0 recurses in Python, and fails on a chain of a thousand."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    left, right = _fold(word, parts[:half]), _fold(word, parts[half:])
    return left & right if word == "AND" else left | right


@dataclass(frozen=True)
class _Token:
    kind: str  # text, quoted, number, word, stray or end; a keyword or a symbol is a kind of its own
    text: str
    place: int  # in characters from 1

    def unquoted(self) -> str:
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote)

    def misfit(self, wanted: str, advice: str) -> WhereError:
        found = repr(self.text) if self.text else "the end"
        return WhereError(wanted, f"{found} at position {self.place}", advice)


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind, found, place = match.lastgroup, match.group(), match.start() + 1
        if kind == "stray":
            rest = _Token(kind, text[match.start() :][:40], place)
            advice = "double-quote an odd name, close every quote and double it inside"
            raise rest.misfit("names, values and comparisons", advice)
        if kind == "symbol" or found.upper() in _KEYWORDS:
            yield _Token("!=" if found == "<>" else found.upper(), found, place)
        elif kind:
            yield _Token(kind, found, place)
    yield _Token("end", "", len(text) + 1)


class _Parser:
    """Recursive descent, a method for each level of precedence: OR, AND, NOT, condition."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = self._depth = 0

    def whole(self, rule: Callable[[_Parser], Found]) -> Found:
        found = rule(self)
        self._take({"end"}, wanted="AND, OR or the end", advice="join conditions with AND or OR")
        return found

    def either(self) -> Node:
        return self._joined("OR", lambda: self._joined("AND", self._negation))

    def _joined(self, word: Word, rule: Callable[[], Node]) -> Node:
        parts = [rule()]
        while self._skip(word):
            parts.append(rule())
        if len(parts) == 1:
            return parts[0]
        same = [part.parts if isinstance(part, Compound) and part.word == word else (part,) for part in parts]
        return Compound(word, tuple(part for parts in same for part in parts))

    def _negation(self) -> Node:
        if self._skip("NOT"):
            return Compound("NOT", (self._deeper(self._negation),))
        if not self._skip("("):
            return self._condition()
        inner = self._deeper(self.either)
        self._take({")"}, wanted="AND, OR or )", advice="close the parenthesis")
        return inner

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        if self._depth == MAX_DEPTH:
            limit = f"at most {MAX_DEPTH} parentheses and NOTs inside each other"
            raise self._tokens[self._next].misfit(limit, "write it flatter")
        self._depth += 1
        node = rule()
        self._depth -= 1
        return node

    def _condition(self) -> Node:
        name = self.name()
        about_null = self._skip("IS")
        negated = self._skip("NOT")
        condition = self._null(name) if about_null else self._comparison(name, negated)
        return Compound("NOT", (condition,)) if negated else condition

    def _null(self, name: Name) -> Condition:
        self._take({"NULL"}, wanted="NULL", advice="write IS NULL or IS NOT NULL")
        return Condition(name, "IS NULL")

    def _comparison(self, name: Name, negated: bool) -> Condition:
        wanted = "IN or LIKE" if negated else "=, !=, <, <=, >, >=, IN, LIKE or IS"
        signs = {"IN", "LIKE"} if negated else _SIGNS.keys()
        sign = self._take(signs, wanted, advice=f"say what {name} is, as in {name} IS NULL").kind
        if sign == "IN":
            return Condition(name, sign, self._list())
        if sign == "LIKE":
            return Condition(name, sign, (self._value({"text"}, wanted="a pattern"),))
        return Condition(name, sign, (self._value(),))

    def _list(self) -> tuple[Value, ...]:
        self._take({"("}, wanted="(", advice="write IN ('a', 'b')")
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        self._take({")"}, wanted=", or )", advice="close the list")
        if len(set(map(_kind, values))) > 1:
            raise WhereError("values of one kind in a list", "a mixture", "join two lists with OR")
        return tuple(values)

    def _value(self, kinds: Collection[str] = _VALUES, wanted: str = "a value") -> Value:
        advice = "write text in single quotes, as in 'cc-by', or IS NULL for what is missing"
        token = self._take(kinds, wanted, advice)
        if token.kind == "number":
            return _number(token)
        return token.unquoted() if token.kind == "text" else token.kind == "TRUE"

    def name(self) -> Name:
        first = self._identifier()
        if first == _METADATA and self._skip("."):
            return Name(self._identifier(), of_metadata=True)
        return Name(first)

    def _identifier(self) -> str:
        advice = "begin a condition with one, as in bytes > 200, and double-quote an odd one"
        token = self._take({"word", "quoted"}, wanted="a field name", advice=advice)
        return token.unquoted() if token.kind == "quoted" else token.text

    def _skip(self, kind: str) -> bool:
        here = self._tokens[self._next].kind == kind
        self._next += here
        return here

    def _take(self, kinds: Collection[str], wanted: str, advice: str) -> _Token:
        token = self._tokens[self._next]
        if token.kind not in kinds:
            raise token.misfit(wanted, advice)
        self._next += 1
        return token


def _number(token: _Token) -> int | float:
    if not re.fullmatch("[+-]?[0-9]+", token.text):
        if abs(float(token.text)) == float("inf"):
            raise token.misfit("a finite number", "use a smaller one")
        return float(token.text)
    if len(token.text) > 17 or abs(int(token.text)) > MAX_INTEGER:  # int() refuses thousands of digits
        raise token.misfit("whole numbers up to 2**53", "use a smaller one")
    return int(token.text)
