"""Any input, however broken, ends in a line that says what is wrong, or in rows that are all accounted for."""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from registry import Registry, lines
from registry.ingest import Ingested
from registry.readers import Split


@dataclass(frozen=True)
class Fuzzed:
    """A file to take in: its name, its bytes, and how many rows it has, where anybody can tell."""

    name: str
    content: bytes
    rows: int | None = None
    split: Split | None = None


# -- values

ODD = (
    *(
        "",
        " ",
        "\x00",
        "nul \x00 in it",
        "\ufeff",
        "\u2028",
        "\x1c",
        "\x85",
        "a\r\nb",
        "\r",
        "\t",
        '"',
        "\\",
        "{}",
        "[]",
    ),
    *("null", "NaN", "1e999", "0" * 5000, "x" * 100_000, "\U0010ffff", "e\u0301", "human", "model", "-1", "2024-13-45"),
    *("2024-01-02T03:04:05Z", "9999-12-31T23:59:59+14:00", "0001-01-01", "a" * 64, "0x", "/", "..", "%s", "$1", ";--"),
)
ODD_STRINGS = st.sampled_from(ODD)
STRINGS = ODD_STRINGS | st.text(max_size=20)
NUMBERS = (
    st.sampled_from([0, 1, 2, -1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 0.1, -0.0, 1e308, 10**400]) | st.integers()
)
SCALARS = st.none() | st.booleans() | NUMBERS | STRINGS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3), max_leaves=6
)
NAMES = (
    *("id", "text", "origin", "generation", "generator", "source", "license", "url", "created", "prompt_of", "parents"),
    *("metadata", "provenance", "lang", "Text", "quality"),
)


GOOD_TEXTS = st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip("\x00 \t\r\n")))
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(0, 9).map("d{}".format),
    "origin": st.sampled_from(["human", "model", "mixed", "unknown"]),
    "generation": st.integers(0, 3),
    "generator": st.sampled_from(["gpt", "opt"]),
    "source": st.none(),
    "license": st.sampled_from(["cc-by", "mit"]),
    "url": st.just("https://example.org"),
    "created": st.sampled_from(["2024-01-02", "2024-01-02T03:04:05.678Z"]),
    "prompt_of": st.integers(0, 9).map("d{}".format),
    "parents": st.integers(0, 9).map(lambda number: [{"id": f"d{number}", "relation": "quote"}]),
    "metadata": st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
    "provenance": st.none(),
    "lang": SCALARS,
    "Text": SCALARS,
    "quality": st.floats(0, 1),
}
"""For each column values that may stand there."""


def mostly(good: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nine times of ten what is right, so that much gets far before something is wrong with it."""
    return st.integers(0, 9).flatmap(lambda chance: good if chance else other)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row that is right, or nearly."""
    row: dict[str, Any] = {"text": draw(mostly(GOOD_TEXTS, STRINGS | VALUES))}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)):
        if name != "text":
            row[name] = draw(mostly(GOOD[name], SCALARS | VALUES))
    return row


# -- JSON lines


def as_json(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


RAW = (
    *("[" * 100_000, '{"a":' * 5000, '{"text": "a", "text": "b"}', '{"text": "\\ud800"}', '{"text": "\\ud83d\\ude00"}'),
    *(
        '{"text": NaN}',
        '{"text": 1e999}',
        '{"text": "a"} {"text": "b"}',
        '{"text": "a",}',
        "{'text': 'a'}",
        "null",
        "[]",
    ),
    *(
        '{"text": "a"',
        '"text"',
        "\ufeff{}",
        '{"text": "a\x00b"}',
        '{"text": "\\u0000"}',
        '{"text": "a\\/b"}',
        "",
        " ",
        "\r",
    ),
    *('{"text": "a", "id": 12345678901234567890123}', '{"\\u0074ext": "escaped name"}', '{"text": "\x7f\x01"}', "\x0c"),
    *('{"text": "a", "metadata": {"m": 1}, "m": 2}', '{"TEXT": "a"}', '{"text": ["a"]}', '{"text": {"text": "a"}}'),
    *('{"text": "a", "": 1}', '{"text": "a", "x": -0}', '{"text": "a", "x": 1.0}', '{"text": "a", "x": 1E2}', "{}"),
)
RAW_LINES = st.sampled_from(RAW)
LINES = mostly(rows().map(as_json) | rows().map(json.dumps), RAW_LINES | st.text(max_size=20))
ENDS = st.sampled_from(["\n", "\r\n"])
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@st.composite
def json_lines(draw: st.DrawFn) -> Fuzzed:
    text = draw(ENDS).join(draw(st.lists(LINES, max_size=12))) + draw(st.sampled_from(["", "\n", "\n\n"]))
    content = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        content = text.encode(draw(st.sampled_from(["utf-16", "utf-32", "latin-1", "cp037"])), "replace")
    counted = sum(bool(line.strip()) for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
    packing = draw(st.sampled_from(list(PACKED)))
    return Fuzzed(f"rows.jsonl{packing}", PACKED[packing](content), counted)


# -- other formats


@st.composite
def separated(draw: st.DrawFn) -> Fuzzed:
    """CSV and TSV: as the csv module writes it, or any text that looks like it."""
    suffix, delimiter = draw(st.sampled_from([("csv", ","), ("tsv", "\t")]))
    others = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=draw(st.integers(0, 9)) > 0))
    header = ["text", *(name for name in others if name != "text" or others.count("text") > 1)]
    if draw(st.booleans()):
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=draw(ENDS), quoting=csv.QUOTE_ALL)
        fields = [
            [draw(mostly(GOOD_TEXTS if name == "text" else GOOD[name].map(str), STRINGS)) for name in header]
            for _ in range(draw(st.integers(0, 5)))
        ]
        writer.writerows([header, *fields])
        return Fuzzed(f"rows.{suffix}", stream.getvalue().encode("utf-8", "surrogatepass"), len(fields))
    parts = st.sampled_from(['"', '""', delimiter, "\n", "\r\n", "\r", "a", "\x00", "text", " ", "\ufeff", "'"])
    raw = delimiter.join(header) + "\n" + "".join(draw(st.lists(parts, max_size=40)))
    return Fuzzed(f"rows.{suffix}", raw.encode())


@st.composite
def texts(draw: st.DrawFn) -> Fuzzed:
    content = draw(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    content = draw(st.sampled_from([content, content.replace(b"a", b"\n\n"), content.replace(b"0", b"\r\n")]))
    split: Split | None = draw(st.sampled_from(["lines", "paragraphs", None]))
    counted = {None: 1, "lines": sum(bool(line.strip()) for line in content.split(b"\n"))}.get(split)
    return Fuzzed("rows.txt", content, counted, split)


@st.composite
def tables(draw: st.DrawFn) -> Fuzzed:
    """Parquet and Arrow files, with columns of any type."""
    size = draw(st.integers(0, 5))
    kinds = {name: draw(st.sampled_from(list(TYPES))) for name in draw(st.lists(st.sampled_from(NAMES), max_size=2))}
    columns = {
        name: pa.array(draw(st.lists(st.none() | TYPES[kind][1], min_size=size, max_size=size)), TYPES[kind][0])
        for name, kind in kinds.items()
    }
    if "text" not in columns:
        columns["text"] = pa.array([draw(mostly(GOOD_TEXTS, st.none() | STRINGS)) for _ in range(size)], pa.string())
    table = pa.table(columns)
    suffix = draw(st.sampled_from(TABLES))
    return Fuzzed(f"rows.{suffix}", TABLE_WRITERS[suffix](table), size)


TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), st.text(max_size=20)),
    "binary": (pa.binary(), st.binary(max_size=5)),
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float64(), st.floats()),
    "boolean": (pa.bool_(), st.booleans()),
    "time": (pa.timestamp("ns", "UTC"), st.integers(-(2**63), 2**63 - 1)),
    "date": (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    "list": (pa.list_(pa.string()), st.lists(st.text(max_size=3), max_size=2)),
    "struct": (
        pa.struct([("id", pa.string()), ("n", pa.float32())]),
        st.fixed_dictionaries({"id": st.text(max_size=3)}),
    ),
    "map": (pa.map_(pa.string(), pa.int8()), st.lists(st.tuples(st.text(max_size=2), st.just(1)), max_size=2)),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), st.text(max_size=2)),
    "decimal": (pa.decimal128(30, 3), st.decimals(-100, 100, places=3)),
    "duration": (pa.duration("us"), st.integers(-(2**62), 2**62)),
    "null": (pa.null(), st.none()),
}


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def _arrow(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


TABLE_WRITERS: dict[str, Callable[[pa.Table], bytes]] = {"parquet": _parquet, "arrow": _arrow}
TABLES = list(TABLE_WRITERS)


@st.composite
def damaged(draw: st.DrawFn) -> Fuzzed:
    """A file that was right, then cut short, with a bit turned, with rubbish behind it, or under a wrong name."""
    whole = draw(json_lines() | separated() | tables())
    content = bytearray(whole.content)
    kind = draw(st.sampled_from(["cut", "bit", "rubbish", "name"]))
    if kind == "cut":
        del content[draw(st.integers(0, len(content))) :]
    elif kind == "bit" and content:
        content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    elif kind == "rubbish":
        content += draw(st.binary(max_size=20))
    suffixes = ["jsonl", "csv", "tsv", "txt", "parquet", "arrow", "jsonl.gz", "jsonl.zst", "csv.gz"]
    name = f"rows.{draw(st.sampled_from(suffixes))}" if kind == "name" else whole.name
    return Fuzzed(name, bytes(content))


KINDS = {"json": json_lines(), "separated": separated(), "text": texts(), "tables": tables(), "damaged": damaged()}


# -- what must hold of every one


def taken_in(held: Registry, path: Path, fuzzed: Fuzzed, skip_bad: bool) -> Ingested | None:
    """What taking a file in came to, None where it was refused; all that must hold in any case is checked."""
    head, documents = held.head(), len(held.connection.table("document"))
    told, result = "", None
    try:
        result = held.ingest([path], split=fuzzed.split, skip_bad=skip_bad, max_bytes=50_000)
    except ProvError as error:
        told = str(error)
    if result is None:
        assert len(told.splitlines()) == 1, told
        assert (held.head(), len(held.connection.table("document"))) == (head, documents), "a failure changed something"
        return None
    assert result.read == result.added + result.known + len(result.rejected) + result.withdrawn
    assert len(held.connection.table("document")) == documents + result.added
    assert skip_bad or not result.rejected
    if fuzzed.rows is not None:
        assert result.read == fuzzed.rows
    return result


@pytest.fixture(scope="module")
def two(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Registry]]:
    """Two registries that take the same in: one row by row, one by the block where it can."""
    folder = tmp_path_factory.mktemp("fuzz")
    held = [Registry.open(shutil.copy(empty, folder / f"{name}.prov")) for name in ("rows", "blocks")]
    yield held
    for registry in held:
        registry.close()


def check(two: list[Registry], fuzzed: Fuzzed, skip_bad: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two[0].path.with_name(fuzzed.name)
    path.write_bytes(fuzzed.content)
    results = []
    for held, fewest in zip(two, (1 << 40, 1), strict=True):
        with monkeypatch.context() as patch:
            patch.setattr(lines, "FEWEST", fewest)
            results.append(taken_in(held, path, fuzzed, skip_bad))
    by_row, by_block = results
    assert (by_row is None) == (by_block is None), "what is refused row by row is taken in by the block, or the reverse"
    if by_row and by_block:
        assert by_row.summary() == by_block.summary()
        assert sorted(by_row.rejected, key=str) == sorted(by_block.rejected, key=str)


ONCE_FOUND = [
    Fuzzed("rows.jsonl", b'{"text": {"text": "a"}}', 1),
]
"""Inputs that once went wrong."""


@pytest.mark.parametrize("skip_bad", [True, False])
@pytest.mark.parametrize("fuzzed", ONCE_FOUND, ids=repr)
def test_what_once_went_wrong_goes_right(
    two: list[Registry], monkeypatch: pytest.MonkeyPatch, fuzzed: Fuzzed, skip_bad: bool
) -> None:
    check(two, fuzzed, skip_bad, monkeypatch)


EXAMPLES = [pytest.param(20, id="some"), pytest.param(200, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_input_is_taken_in_whole_or_refused_in_one_line(
    two: list[Registry], monkeypatch: pytest.MonkeyPatch, kind: str, examples: int
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
    )
    @given(KINDS[kind], st.booleans())
    def each(fuzzed: Fuzzed, skip_bad: bool) -> None:
        check(two, fuzzed, skip_bad, monkeypatch)

    each()
    contents = [
        held.connection.sql(
            "SELECT document.digest, text.digest AS text, origin, document.generation, item, document.url, created_at, "
            "bytes, words, metadata, model.digest AS model, license.name FROM document JOIN text USING (text_id) "
            "LEFT JOIN model USING (model_id) LEFT JOIN license USING (license_id) ORDER BY ALL"
        ).fetchall()
        for held in two
    ]
    assert contents[0] == contents[1]
