"""Whole blocks of JSON lines come to exactly what the same rows come to one by one."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import Origin, count_words
from provenance.words import count_words as count_words_of
from registry import Declared, Registry, lines, readers
from registry.lines import Taken, Taker
from registry.readers import Lines
from registry.rows import Arriving, Rules, WrittenBy, document_row

SPACES = "\t\n\x0b\x0c\r \x1c\x1f\x85\xa0\u1680\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000"
odd_text = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\x00\x0b\x1f\x85\xa0\u2003\u3000\\"/\n')),
    max_size=8,
)
scalar = st.one_of(
    st.none(),
    st.booleans(),
    odd_text,
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.5, 0.1, 1e-5, 1e16, 123456.789, 1e5]),
)
value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(odd_text, inner, max_size=2))
TIMES = [
    *("2024-01-02", "2024-01-02T03:04", "2024-01-02T03:04:05.6Z", "2024-01-02T03:04:05+02:00", "2024-02-30"),
    *("2024-01-02T24:00", "20240102", "0000-01-01", "2024-01-02T03:04:60"),
]
row = st.fixed_dictionaries(
    {"text": st.one_of(odd_text, st.just("a text"), scalar)},
    optional={
        "id": st.one_of(st.sampled_from(["a", "b", "", 5, -7]), scalar),
        "origin": st.sampled_from(["human", "model", "mixed", "unknown", "", "robot", None, 3]),
        "generation": st.sampled_from([0, 1, 2, -1, 2**31, 2**70, 1.0, "1", "", None]),
        "generator": st.sampled_from(["gpt", "g\x0bt", "", None, 7, 1.5]),
        "source": st.sampled_from(["wiki", 'w\u2028"\\', "", None, 12]),
        "license": st.sampled_from(["MIT", None, "", 1]),
        "url": st.sampled_from(["https://e.example", None, ""]),
        "created": st.sampled_from([*TIMES, "", None]),
        "lang": st.sampled_from(["en", "de", None, "e\x1fn"]),
        "score": scalar,
        "nested": value,
        "~a/b": st.sampled_from([1, "x", None]),
    },
)
as_json = row.flatmap(
    lambda held: st.permutations(list(held)).map(lambda keys: _dump({key: held[key] for key in keys}))
)
ODD_LINES = r"""
[1]
5
{
{"text": "x",}
{"text": "a", "text": "b"}
{"text": "x"} {"text": "y"}
{"text": "\ud800"}
{"text": "\udc00"}
{"text": "x", "\udc00": 1}
{"text": "x", "id": NaN}
{"text": "x", "n": 1e400}
{"text": "x", "n": 1}
{"text": "x", "n": 1.0}
{"text": "x", "n": 0.1}
{"text": "x", "n": 123456789012345678901234567890.5}
{"text": "x", "n": "2024-01-02"}
{"text": "x", "n": [{"a": "2024-01-02", "b": [1, 2.5]}]}
{"text": "x", "n": {"a": 1, "a": 2}}
{"text": "x", "\u006e": 1, "n": 2}
{"text": "x", "": 1}
{"text": "x"}{"text": "y"}
{"text": "2024-01-02"}
{"text": "x", "metadata": {"n": 1}, "k": null}
{"text": "x", "metadata": {"n": 1}, "n": 2}
{"text": "x", "metadata": "{\"m\": 1}"}
{"text": "x", "provenance": ""}
{"text": "x", "parents": [], "prompt_of": ""}
{"text": "x", "parents": ["a"]}
{}
{"text": "\ud83d\ude00", "n": 1.50}
{"text": "x", "n": NaN}
{"text": "x", "n": -0}
{"text": "x", "n": 0.00001}
{"text": "x", "n": 1E3}
{"text": "x", "n": 00}
{"text": "x", "a": 1, "a": 2}
{"text": "x" , "z": 1 }
{"text": "x"} // no
{'text': 'x'}
{"text": {"text": "a"}}
{"text": ["text", {"text": "b"}]}
{"text": "{1: 2}"}
""".strip().splitlines()
ODD_LINES += ['{"text": "x"} \x00}', '{"text": "x", "deep": ' + "[" * 9000 + "]" * 9000 + "}"]
ODD_LINES += ["", "  ", "\t", '\x0b{"text": "x"}', '{"text": "x"}\r', '{"text":"\x01"}']
line = st.one_of(as_json, as_json, as_json, st.sampled_from(ODD_LINES))
declared = st.sampled_from(
    [
        Declared(),
        Declared(origin=Origin.HUMAN, source="books"),
        Declared(origin=Origin.MODEL, generator="gpt-4", generation=2, license="CC0-1.0"),
        Declared(origin=Origin.UNKNOWN),
        Declared(origin=Origin.MIXED),
    ]
)


def _dump(held: dict[str, Any]) -> str:
    return json.dumps(held, ensure_ascii=len(held) % 2 == 0)


DOCUMENTS = """
    SELECT document.* EXCLUDE (document_id, text_id, batch_id, source_id, license_id, model_id), content,
           source.name, license.name, model.digest AS model
    FROM document
    JOIN text USING (text_id)
    LEFT JOIN source USING (source_id)
    LEFT JOIN license USING (license_id)
    LEFT JOIN model ON model.model_id = document.model_id
    ORDER BY ALL
"""


def outcome(held: Registry, path: Path, how: Declared, skip_bad: bool) -> Any:
    """All that an ingest came to: what it says, or the registry it leaves, and then undo it."""
    try:
        result = held.ingest([path], how, skip_bad=skip_bad)
    except ProvError as error:
        return str(error)
    said = {name: value for name, value in vars(result).items() if name != "rejected"}
    rejected = [bad.line() for bad in result.rejected]
    fields = sorted(held.ask("fields"))
    documents = held.connection.sql(DOCUMENTS).fetchall()
    head = held.ask("last_batch")
    digest = held.content_digest(*head[0]) if head else None
    texts = held.stats()["texts"]
    return said, rejected, fields, documents, digest, texts


@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.slow)], ids=["some", "many"])
def test_a_block_comes_to_what_its_rows_come_to_one_by_one(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.lists(line, min_size=1, max_size=12), declared, st.booleans())
    def compare(rows: list[str], how: Declared, skip_bad: bool) -> None:
        both_ways(empty, tmp_path, monkeypatch, rows, how, skip_bad)

    compare()


def both_ways(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], how: Declared, skip_bad: bool
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes("\n".join(rows).encode())
    found = []
    for fewest in (0, 1_000_000):
        monkeypatch.setattr(lines, "FEWEST", fewest)
        with Registry.open(shutil.copy(empty, tmp_path / "r.prov")) as held:
            found.append(outcome(held, path, how, skip_bad))
    assert found[0] == found[1]


rules = st.one_of(
    declared.map(Rules),
    st.just(Rules(columns={"text": "body", "id": "text"}, max_bytes=7)),
    st.just(Rules(Declared(source="s"), written_by=WrittenBy(b"r" * 32, b"m" * 32, "gpt"))),
)


@pytest.mark.parametrize("fewest", [0, 3, 256])
@settings(max_examples=60, deadline=None)
@given(blocks=st.lists(st.lists(line, min_size=1, max_size=12), min_size=1, max_size=3), rules=rules)
def test_every_row_that_is_taken_by_the_block_is_what_it_is_by_itself(
    fewest: int, blocks: list[list[str]], rules: Rules
) -> None:
    taker, first = Taker(rules, None), 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "FEWEST", fewest)
        for rows in blocks:
            block = Lines(first, "\n".join(rows).encode())
            compare_with_single_rows(taker.take(block, "f.jsonl", 5), block, rules)
            first = block.last + 1


def compare_with_single_rows(taken: Taken, block: Lines, rules: Rules) -> None:
    by_number = {row.number: row for row in block.rows()}
    arriving, columns = Arriving(), set[str]()
    for number in taken.rows.column("number").to_pylist():
        document_row(by_number[number], rules, "f.jsonl", arriving, 5)
        columns |= by_number[number].values.keys()
    assert taken.rows.to_pylist() == arriving.batch().to_pylist()
    assert taken.fields == arriving.fields
    assert taken.columns >= columns
    odd = dict(taken.odd)
    assert list(odd) == sorted(odd)
    assert sorted([*odd, *taken.rows.column("number").to_pylist()]) == list(range(block.first, block.last + 1))
    content = block.content.splitlines(keepends=True) if b"\r" not in block.content else block.content.split(b"\n")
    assert all(line.rstrip(b"\n") == content[number - block.first].rstrip(b"\n") for number, line in odd.items())


@pytest.mark.parametrize(
    "held",
    [
        {"id": "a", "origin": "model", "generator": "gpt", "generation": 2, "created": "2024-01-02T03:04:05Z"},
        {"id": 7, "lang": "en", "score": 0.5, "year": 2024, "is_good": True, "note": None, "day": "2024-01-02"},
        {"metadata": {"b": [{"c": "2024-01-02"}], "a": 1.0}, "nested": {"x": [1.5, 2]}, "rating": 1.0},
    ],
    ids=["declared", "columns", "nested"],
)
def test_usual_rows_are_taken_by_the_block(held: dict[str, Any]) -> None:
    """One row that cannot be read, and names that come late, cost a few others at most."""
    rows = [json.dumps({"text": f"text {number} " + "[{" * 99} | held) for number in range(2000)]
    rows[700], rows[1500] = "{bad}", json.dumps({"text": "late", "late": "2024-01-02"} | held)
    taken = Taker(Rules(), None).take(Lines(1, "\n".join(rows).encode()), "f.jsonl", 0)
    assert len(taken.odd) <= lines.SMALLEST
    assert 701 in dict(taken.odd)
    assert 1501 not in dict(taken.odd)
    assert "late" in taken.fields


def test_rows_of_ever_other_columns_are_taken_in_small_parts() -> None:
    rows = [json.dumps({"text": "t", f"n{number}": number, "map": {f"k{number}": 1}}) for number in range(3000)]
    taken = Taker(Rules(), None).take(Lines(1, "\n".join(rows).encode()), "f.jsonl", 0)
    assert taken.rows.num_rows + len(taken.odd) == 3000
    assert not taken.odd


def test_a_large_block_loses_no_row(corpus: Registry, tmp_path: Path) -> None:
    """More rows than DuckDB keeps in one piece, then a few more, in one transaction."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"text": "text {number}", "id": {number}}}\n' for number in range(130_000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK_BYTES", path.stat().st_size - 1000)
        result = corpus.ingest([path])
    assert (result.read, result.added) == (130_000, 130_000)
    assert corpus.stats()["documents"] == corpus.stats()["texts"] == 130_000


@given(st.lists(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(SPACES)), max_size=9)))
def test_words_of_many_texts_are_counted_as_those_of_one(texts: list[str]) -> None:
    content = np.frombuffer("".join(texts).encode(), np.uint8)
    offsets = np.cumsum([0, *(len(text.encode()) for text in texts)], dtype=np.int64)
    assert count_words_of(content, offsets).tolist() == [count_words(text) for text in texts]
