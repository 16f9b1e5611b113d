"""A row becomes a document by what it and its batch declare, or it is bad for a reason that is told."""

import json
import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import COLUMNS, Origin, document_digest, model_digest, text_digest
from registry.readers import Row
from registry.rows import (
    ARRIVING,
    ARRIVING_EDGE,
    Arriving,
    Declared,
    Fault,
    Rejected,
    Rules,
    WrittenBy,
    document_row,
)

RUN = WrittenBy(b"r" * 32, b"m" * 32, "gpt")

Values = dict[str, Any]


def arrived(values: Values, rules: Rules | None = None) -> Arriving:
    into = Arriving()
    document_row(Row(7, "line 7", values), rules or Rules(), "file.jsonl", into)
    return into


def document(values: Values, declared: Declared | None = None, run: WrittenBy | None = None) -> Values:
    (row,) = arrived({"text": "a"} | values, Rules(declared or Declared(), written_by=run)).batch().to_pylist()
    return dict(row)


def fault(values: Values, declared: Declared | None = None, run: WrittenBy | None = None) -> str:
    with pytest.raises(Fault) as raised:
        document({"text": "a"} | values, declared, run)
    return str(raised.value)


# -- what is declared


def test_what_nobody_declares_is_of_unknown_origin_and_never_human() -> None:
    row = document({})
    assert row["origin"] == "unknown"
    assert not row["origin_declared"]


def test_a_row_declares_before_its_batch_does() -> None:
    batch = Declared(origin=Origin.MODEL, generation=1, generator="gpt", source="web", license="mit")
    own = {"origin": "mixed", "generation": 3, "generator": "llama", "source": "wiki", "license": "cc-by"}
    cases: list[tuple[Values, Values]] = [
        ({}, {"origin": "model", "declared": 1, "generator": "gpt", "source": "web", "license": "mit"}),
        (own, {"origin": "mixed", "declared": 3, "generator": "llama", "source": "wiki", "license": "cc-by"}),
        (dict.fromkeys(own), {"origin": "model", "source": "web"}),
        (dict.fromkeys(own, ""), {"origin": "model", "source": "web"}),
    ]
    for values, wanted in cases:
        assert document(values, batch).items() >= wanted.items()


@pytest.mark.parametrize("origin", ["human", "unknown"])
def test_the_model_of_a_batch_is_not_that_of_a_row_which_says_it_has_none(origin: str) -> None:
    row = document({"origin": origin}, Declared(origin=Origin.MODEL, generation=2, generator="gpt"))
    assert (row["origin"], row["generator"], row["declared"], row["model"]) == (origin, None, None, None)


@pytest.mark.parametrize(
    ("values", "declared", "told"),
    [
        ({}, Declared(generator="gpt"), "it has generator 'gpt' but no origin"),
        ({}, Declared(generation=1), "it has generation 1 but no origin"),
        ({"generator": "gpt"}, Declared(), "it has generator 'gpt' but no origin"),
        ({}, Declared(origin=Origin.HUMAN, generator="gpt"), "its origin is human, but its generator is 'gpt'"),
        ({"origin": "human", "generation": 1}, Declared(), "human text is generation 0"),
        ({"origin": "model", "generation": 0}, Declared(), "what a model wrote is 1 or more"),
    ],
)
def test_no_declaration_is_dropped_because_another_one_does_not_fit(
    values: Values, declared: Declared, told: str
) -> None:
    assert told in fault(values, declared)


def test_human_text_may_be_declared_of_generation_zero() -> None:
    assert document({"origin": "human", "generation": 0})["origin"] == "human"


@given(st.text(min_size=1), st.none() | st.integers(1, 9))
def test_a_foreign_model_is_known_by_its_name_and_its_declared_generation(name: str, generation: int | None) -> None:
    row = document({"origin": "model", "generator": name, "generation": generation})
    assert row["model"] == model_digest(name, generation)
    assert (row["model_generation"], row["model_exact"]) == (generation, generation is not None)


def test_what_a_run_writes_is_a_models_by_the_model_of_the_run() -> None:
    row = document({}, run=RUN)
    assert (row["origin"], row["generator"], row["model"], row["run"]) == ("model", "gpt", RUN.model, RUN.run)
    assert document({"origin": "mixed"}, run=RUN)["origin"] == "mixed"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"origin": "human"}, "what a run writes is model or mixed"),
        ({"origin": "unknown"}, "what a run writes is model or mixed"),
        ({"generator": "llama"}, "the run is of the model 'gpt'"),
    ],
)
def test_a_row_that_contradicts_its_run_is_bad(values: Values, told: str) -> None:
    assert told in fault(values, run=RUN)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"origin": "humen"}, "cannot declare origin 'humen'"),
        ({"licence": "mit"}, "what can be declared is origin, generation, generator, source, license"),
        ({"generation": -1}, "cannot declare generation -1"),
        ({"generation": 1 << 31}, "cannot declare generation 2147483648"),
        ({"source": ""}, "cannot declare source ''"),
        ({"license": "\udcff"}, "cannot declare license"),
        ({"url": "https://example.org"}, "name the source as well"),
        ({"consent": "by mail"}, "name the source as well"),
    ],
)
def test_a_batch_that_cannot_be_declared_is_told_in_one_line(values: Values, told: str) -> None:
    with pytest.raises(ProvError, match=told.replace("(", r"\(")) as raised:
        Declared(**values)
    assert "\n" not in str(raised.value)


# -- identity


def test_the_users_id_is_the_item_and_else_the_name_of_the_input_with_the_row() -> None:
    assert document({"id": "mine"})["item"] == "mine"
    assert document({"id": 12})["item"] == "12"
    assert document({})["item"] == "file.jsonl#7"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_text_is_kept_counted_and_known_byte_for_byte(text: str) -> None:
    row = document({"text": text, "id": "i", "source": "s"})
    assert row["text"] == text
    assert row["bytes"] == len(text.encode())
    assert row["text_digest"] == text_digest(text)
    assert row["digest"] == document_digest(row["text_digest"], "s", None, "i")


# -- columns


def test_columns_are_found_where_the_user_has_them() -> None:
    rules = Rules(columns={"text": "body", "id": "text", "source": "body"})
    (row,) = arrived({"body": "a", "text": "mine", "id": "kept"}, rules).rows
    assert (row["text"], row["item"], row["source"]) == ("a", "mine", "a")
    assert json.loads(row["metadata"]) == {"id": "kept"}


def test_a_column_that_prov_does_not_know_cannot_be_renamed() -> None:
    with pytest.raises(ProvError, match=r"no column 'txt'.*there is id, text"):
        Rules(columns={"txt": "body"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in {*COLUMNS, "provenance"}), json_values))
def test_every_other_column_is_kept_as_metadata_in_one_canonical_form(extra: Values) -> None:
    into = arrived({"text": "a", **extra})
    kept = {name: value for name, value in extra.items() if value is not None}
    assert json.loads(into.rows[0]["metadata"] or "{}") == kept
    assert into.fields == kept.keys()
    assert arrived({"text": "a", **dict(reversed(extra.items()))}).rows[0]["metadata"] == into.rows[0]["metadata"]


def test_metadata_is_an_object_or_its_json_and_other_columns_join_it() -> None:
    for given_as in ({"lang": "de"}, '{"lang":"de"}'):
        row = document({"metadata": given_as, "topic": date(2026, 1, 31), "price": Decimal("1.50"), "raw": b"\xff"})
        assert json.loads(row["metadata"]) == {"lang": "de", "topic": "2026-01-31", "price": "1.50", "raw": "ff"}


DEEP: Any = []
for _ in range(2000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"text": None}, "no text"),
        ({"text": ""}, "no text"),
        ({"text": 5}, "its text is a number, wanted a string"),
        ({"text": b"a"}, "its text is bytes, wanted a string"),
        ({"text": "a\ud800"}, "invalid UTF-8 in the text at character 2"),
        ({"origin": "humen"}, "unknown origin 'humen': wanted human, model, mixed, unknown"),
        ({"origin": ["human"]}, "unknown origin ['human']"),
        ({"origin": "x" * 10_000}, "unknown origin 'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
        ({"id": 1.5}, "its id is a number, wanted a string or a whole number"),
        ({"id": True}, "its id is a boolean"),
        ({"id": "\ud800"}, "invalid UTF-8 in its id"),
        ({"source": {"a": 1}}, "its source is an object"),
        ({"generation": "second"}, "its generation is 'second', wanted a whole number"),
        ({"generation": 1.5}, "its generation is 1.5, wanted a whole number"),
        ({"generation": Decimal("1.5")}, "wanted a whole number from 0"),
        ({"generation": math.inf}, "its generation is inf, wanted a whole number"),
        ({"generation": -1}, "its generation is -1, wanted a whole number from 0"),
        ({"generation": True}, "its generation is True"),
        ({"generation": 1 << 40}, "wanted a whole number from 0"),
        ({"created": "yesterday"}, "its created is 'yesterday', wanted ISO 8601"),
        ({"created": "0001-01-01T00:00+23:59"}, "wanted ISO 8601"),
        ({"created": 5}, "its created is a number, wanted a time"),
        ({"metadata": "{"}, "its metadata is no JSON"),
        ({"metadata": '{"a": 1, "a": 2}'}, "the key 'a' stands twice"),
        ({"metadata": '{"a": NaN}'}, "NaN is no JSON number"),
        ({"metadata": "[" * 100_000}, "its metadata is no JSON: maximum recursion"),
        ({"metadata": [1]}, "its metadata is a list, wanted an object"),
        ({"metadata": {"lang": "de"}, "lang": "en"}, "its metadata has 'lang', and so has a column of that name"),
        ({"score": math.nan}, "its metadata cannot be kept as JSON: Out of range float"),
        ({"score": math.inf}, "its metadata cannot be kept as JSON"),
        ({"deep": DEEP}, "its metadata cannot be kept as JSON: maximum recursion"),
        ({"odd": {1: "a", "b": 2}}, "its metadata cannot be kept as JSON"),
        ({"odd": "\ud800"}, "invalid UTF-8 in its metadata"),
        ({"\ud800": 1}, "invalid UTF-8 in its metadata"),
        ({"parents": "[1,"}, "its parents is no JSON"),
        ({"parents": "[" * 100_000}, "its parents is no JSON"),
        ({"parents": [None]}, "a parent has no id"),
        ({"parents": [{"id": "p", "kind": "edit"}]}, "a parent has the unknown field 'kind'"),
        ({"parents": [{"id": "p", "relation": "copy"}]}, "unknown relation 'copy' to a parent: wanted prompt,"),
        ({"parents": [{"id": "p", "prefix_chars": -1}]}, "its prefix_chars is -1"),
        ({"parents": [[1]]}, "its id is a list"),
        ({"provenance": "the archive"}, "its provenance column is no struct that prov wrote: give it another name"),
        ({"provenance": {"document": "00"}}, "its provenance column is no struct that prov wrote"),
    ],
)
def test_a_bad_row_says_what_is_wrong_with_it(values: Values, told: str) -> None:
    reason = fault(values)
    assert reason.startswith(told) or told in reason
    assert "\n" not in reason


def test_a_text_over_the_limit_is_a_bad_row_and_one_of_just_the_limit_is_not() -> None:
    rules = Rules(max_bytes=4)
    assert arrived({"text": "éé"}, rules).rows[0]["bytes"] == 4
    with pytest.raises(Fault, match="5 bytes, over the 4 of --max-bytes"):
        arrived({"text": "ééa"}, rules)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31T09:30Z", datetime(2026, 1, 31, 9, 30)),
        ("2026-01-31T09:30:00.000001+02:00", datetime(2026, 1, 31, 7, 30, 0, 1)),
        (date(2026, 1, 31), datetime(2026, 1, 31)),
        ("", None),
    ],
)
def test_a_time_is_kept_in_utc(value: Any, moment: datetime | None) -> None:
    assert document({"created": value})["created_at"] == moment


# -- parents


def test_parents_come_as_a_prompt_an_id_a_list_or_json() -> None:
    cases: list[tuple[Values, list[tuple[str, str, int | None]]]] = [
        ({"prompt_of": "p"}, [("p", "prompt", None)]),
        ({"parents": "p"}, [("p", "edit", None)]),
        ({"parents": ["p", 3]}, [("p", "edit", None), ("3", "edit", None)]),
        ({"parents": {"id": "p", "relation": "quote", "prefix_chars": 5}}, [("p", "quote", 5)]),
        (
            {"parents": '[{"id": "p", "relation": "translation"}, "q"]'},
            [("p", "translation", None), ("q", "edit", None)],
        ),
        ({"parents": '{"id": "p"}'}, [("p", "edit", None)]),
        ({"parents": []}, []),
        ({"parents": None, "prompt_of": ""}, []),
    ]
    for values, wanted in cases:
        edges = arrived({"text": "a", **values}).edge_batch().to_pylist()
        assert [(edge["reference"], edge["relation"], edge["prefix_chars"]) for edge in edges] == wanted
        assert all(edge["required"] for edge in edges)


# -- rows of an export


def exported(**more: Any) -> Values:
    digest = document_digest(text_digest("a"), None, None, "i").hex()
    return {"text": "a", "provenance": {"document": digest, "text": text_digest("a").hex(), "item": "i"} | more}


def test_a_row_of_an_export_is_what_its_provenance_says_and_takes_nothing_from_the_batch() -> None:
    row = document(exported(origin="human", metadata='{"k":1}') | {"id": "other"}, Declared(license="mit"))
    assert (row["item"], row["origin"], row["license"]) == ("i", "human", None)
    assert json.loads(row["metadata"]) == {"k": 1, "id": "other"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (exported() | {"text": "b"}, "its text no longer matches its digest"),
        (exported(item="j"), "its provenance no longer matches its document digest"),
        (exported(parents=[{"relation": "edit"}]), "its provenance names a parent without its document digest"),
        (exported(model="xyz"), "its model digest 'xyz' is no hex"),
    ],
)
def test_a_row_that_was_changed_after_the_export_is_bad(values: Values, told: str) -> None:
    assert told in fault(values)


def test_a_row_of_an_export_cannot_be_given_to_a_run() -> None:
    assert "leave --run out" in fault(exported(), run=RUN)


def test_a_models_generation_is_not_read_off_a_text_that_inherited_its_own() -> None:
    of_model: Values = {"origin": "mixed", "generation": 5, "generation_exact": True, "generator": "m", "model": "ab"}
    parent = {"document": "00" * 32, "relation": "prompt", "prefix_chars": 2}
    row = document(exported(**of_model, parents=[parent]))
    assert (row["declared"], row["model_generation"], row["model_exact"]) == (None, 5, True)
    row = document(exported(**of_model, parents=[parent | {"relation": "edit"}]))
    assert (row["declared"], row["model_generation"], row["model_exact"]) == (5, None, None)


# -- anything at all

odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
provenances = st.fixed_dictionaries(
    {"document": st.text(), "text": st.just(text_digest("a").hex())},
    optional=dict.fromkeys(("parents", "model", "run", "mix", "generation", "origin", "metadata", "item"), odd_values),
)


@given(
    st.dictionaries(st.sampled_from([*COLUMNS, "other"]), odd_values)
    | st.builds(lambda provenance: {"text": "a", "provenance": provenance}, odd_values | provenances)
)
def test_whatever_stands_in_a_row_it_is_a_document_or_bad_and_never_a_traceback(values: Values) -> None:
    into = Arriving()
    try:
        document_row(Row(1, "line 1", values), Rules(), "x", into)
    except Fault:
        assert not into.rows
        assert not into.edges
    else:
        assert into.batch().schema == ARRIVING
        assert into.edge_batch().schema == ARRIVING_EDGE


@given(odd_values)
def test_a_bad_row_is_kept_as_one_line_of_json_whatever_it_holds(value: Any) -> None:
    line = Rejected("x", "line 1", "bad", {"text": value}).line()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line, parse_constant=pytest.fail)["reason"] == "bad"


def test_a_bad_row_too_deep_for_json_is_kept_as_far_as_it_can_be() -> None:
    kept = json.loads(Rejected("x", "line 1", "bad", {"text": "a", "deep": DEEP}).line())
    assert kept["row"].startswith("{'deep': [[[")
