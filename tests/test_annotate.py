"""Annotating: typed columns of sidecars reach the right documents, and filters, ratios and counts know them."""

import csv
import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, MixSpec, Registry, ratio, real_frac
from registry.annotate import BUILT_IN, Annotated, BadAnnotation, annotate
from registry.composition import composition
from registry.matching import matching
from registry.verify import verify
from registry.where import MAX_INTEGER, UnknownField, Where, WhereError


@pytest.fixture(scope="module")
def wiki_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wiki") / "wiki.prov"
    with Registry.create(path) as held:
        rows = [{"id": f"d{n}", "text": f"text {n}", "topic": "metadata's"} for n in range(40)]
        held.add(rows[:20], Declared(origin=Origin.HUMAN, source="wiki"))
        held.add(rows[20:], Declared(origin=Origin.MODEL, generator="gpt", generation=1, source="bot"))
    return path


@pytest.fixture
def wiki(wiki_once: Path, tmp_path: Path) -> Iterator[Registry]:
    """A registry of 20 human texts, d0 to d19, and 20 of a model."""
    with Registry.open(shutil.copy(wiki_once, tmp_path / "wiki.prov")) as held:
        yield held


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def told(held: Registry, item: str) -> dict[str, str]:
    """The annotations of a document, as `show` has them."""
    (entry,) = (entry for entry in held.show(item) if entry["kind"] == "document")
    return {row["field"]: row["value"] for row in entry["annotations"]}


def through(held: Registry, where: str) -> set[str]:
    """The items that a filter lets through."""
    matching(held, Where.parse(where))
    rows = held.connection.execute("SELECT item FROM matching JOIN document USING (document_id)").fetchall()
    return {item for (item,) in rows}


@pytest.mark.parametrize("name", ["", " "])
def test_a_column_without_a_name_is_refused_until_it_is_left_out(wiki: Registry, tmp_path: Path, name: str) -> None:
    """A table that pandas wrote with its index."""
    (tmp_path / "quality.csv").write_text(f"{name},id,quality\n0,d0,0.5\n")
    with pytest.raises(BadAnnotation, match="column without a name"):
        wiki.annotate([tmp_path / "quality.csv"])
    assert wiki.annotate([tmp_path / "quality.csv"], fields=["quality"]).values == 1


# -- values and their kinds


VALUES = [
    {"id": "d0", "language": "de", "quality": 0.25, "good": True, "seen": "2024-01-02"},
    {"id": "d1", "language": "en", "quality": 1, "good": False, "seen": "2024-01-02T03:04:05+01:00"},
    {"id": "d2", "language": "de", "quality": 0.75, "good": None},
]
KINDS = {"language": "text", "quality": "number", "good": "boolean", "seen": "time"}


def write_csv(path: Path, delimiter: str = ",") -> Path:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["id", *KINDS], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(VALUES)
    return path


def write_parquet(path: Path) -> Path:
    rows = [row | {"seen": datetime.fromisoformat(str(row["seen"])) if "seen" in row else None} for row in VALUES]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def write_gz(path: Path) -> Path:
    path.write_bytes(gzip.compress(jsonl(path.with_suffix(""), *VALUES).read_bytes()))
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jsonl", lambda path: jsonl(path, *VALUES)),
        ("a.jsonl.gz", write_gz),
        ("a.csv", write_csv),
        ("a.tsv", lambda path: write_csv(path, "\t")),
        ("a.parquet", write_parquet),
    ],
)
def test_every_format_gives_the_same_typed_fields(wiki: Registry, tmp_path: Path, name: str, write: Any) -> None:
    result = wiki.annotate([write(tmp_path / name)])
    assert result == Annotated(read=3, documents=3, values=10, changed=0, unchanged=0, unknown=0, fields=result.fields)
    assert result.fields == KINDS
    assert through(wiki, "language = 'de'") == {"d0", "d2"}
    assert through(wiki, "quality > 0.5") == {"d1", "d2"}
    assert through(wiki, "good = FALSE") == {"d1"}
    assert through(wiki, "seen > '2024-01-02T01:00:00'") == {"d1"}
    assert through(wiki, "seen = '2024-01-02T02:04:05'") == {"d1"}
    assert len(through(wiki, "good IS NULL")) == 38


def test_the_kind_of_a_field_follows_from_all_its_values(wiki: Registry, tmp_path: Path) -> None:
    for values, kind in (
        ([1, 2.5], "number"),
        ([1e300, -MAX_INTEGER], "number"),
        (["1", "2"], "text"),
        (["2024-01-02", "2024-02-30"], "text"),
        (["2024-01-02", "2024-01-02 03:04"], "time"),
        ([None, "a"], "text"),
        ([None, None], None),
        ([True, None], "boolean"),
    ):
        rows = ({"id": f"d{n}", "it": value} for n, value in enumerate(values))
        assert wiki.annotate([jsonl(tmp_path / "a.jsonl", *rows)], dry_run=True).fields == {"it": kind}, values


def test_columns_of_parquet_have_the_kinds_that_they_are_of(wiki: Registry, tmp_path: Path) -> None:
    columns = {
        "tenth": pa.array([Decimal("0.1"), None]),
        "day": pa.array([date(2024, 1, 2), None]),
        "moment": pa.array([datetime(2024, 1, 2), None], pa.timestamp("ns", "UTC")),
        "missing": pa.array([nan, 1.0]),
        "small": pa.array([1, None], pa.uint8()),
        "class": pa.array(["a", None]).dictionary_encode(),
    }
    pq.write_table(pa.table({"id": ["d0", "d1"], **columns}), tmp_path / "a.parquet")
    result = wiki.annotate([tmp_path / "a.parquet"])
    assert list(result.fields.values()) == ["number", "time", "time", "number", "number", "text"]
    assert result.values == 6
    assert through(wiki, "tenth = 0.1 AND day = '2024-01-02' AND moment = '2024-01-02'") == {"d0"}


def test_a_field_of_csv_is_what_all_its_values_look_like(wiki: Registry, tmp_path: Path) -> None:
    for values, kind in (
        (["1", "2.5", "-3e2"], "number"),
        (["1", "x", "2"], "text"),
        (["007", "008"], "text"),
        (["12345678901234567890", "1"], "text"),
        (["true", "False"], "boolean"),
        (["true", "1"], "text"),
        (["2024-01-02", "2024-01-03T01:02:03Z"], "time"),
        (["nan", "1"], "text"),
        (["1_000", "1"], "text"),
    ):
        lines = ["id,it", *(f"d{n},{value}" for n, value in enumerate(values))]
        (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
        assert wiki.annotate([tmp_path / "a.csv"], dry_run=True).fields == {"it": kind}, values


def test_values_of_two_kinds_are_an_error_that_names_both_lines(wiki: Registry, tmp_path: Path) -> None:
    rows = [{"id": f"d{n}", "quality": n} for n in range(20)]
    file = jsonl(tmp_path / "a.jsonl", *rows, {"id": "d30", "quality": "high"})
    with pytest.raises(BadAnnotation, match=r"a\.jsonl, line 21: its quality is 'high', text, but line 1 has a number"):
        wiki.annotate([file])
    assert wiki.connection.execute("SELECT count(*) FROM annotation").fetchone() == (0,)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], "wanted text, a number"),
        ({"a": 1}, "wanted text, a number"),
        (MAX_INTEGER + 1, "no number can hold exactly"),
        (-(10**400), "no number can hold exactly"),
        ("\ud800", "invalid UTF-8"),
    ],
)
def test_a_value_that_cannot_be_kept_is_an_error_with_its_line(
    wiki: Registry, tmp_path: Path, value: Any, words: str
) -> None:
    file = jsonl(tmp_path / "a.jsonl", {"id": "d0", "it": None}, {"id": "d1", "it": value})
    with pytest.raises(BadAnnotation, match=rf"line 2: .*{words}") as raised:
        wiki.annotate([file])
    assert len(str(raised.value).splitlines()) == 1


def test_a_field_keeps_the_kind_that_it_has(wiki: Registry, tmp_path: Path) -> None:
    wiki.annotate([jsonl(tmp_path / "a.jsonl", {"id": "d0", "code": "x", "n": 1})])
    assert wiki.annotate([jsonl(tmp_path / "b.jsonl", {"id": "d1", "code": "2024-01-02"})]).fields == {"code": "text"}
    with pytest.raises(BadAnnotation, match="line 1: its n is 'one', but the registry has a number"):
        wiki.annotate([jsonl(tmp_path / "c.jsonl", {"id": "d1", "n": "one"})])
    (tmp_path / "d.csv").write_text("id,code\nd2,17\n")
    assert wiki.annotate([tmp_path / "d.csv"]).fields == {"code": "text"}


def test_a_name_of_provs_own_is_refused(wiki: Registry, tmp_path: Path) -> None:
    for name in BUILT_IN - {"id", "source"}:
        file = jsonl(tmp_path / "a.jsonl", {"id": "d0", name: "x", "fine": 1})
        with pytest.raises(BadAnnotation, match=f"line 1: it has a column '{name}'"):
            wiki.annotate([file])
    assert wiki.annotate([file], fields=["fine"]).fields == {"fine": "number"}


def test_fields_that_no_row_has_are_an_error(wiki: Registry, tmp_path: Path) -> None:
    with pytest.raises(ProvError, match="no row has a column 'qualty': there is quality"):
        wiki.annotate([jsonl(tmp_path / "a.jsonl", {"id": "d0", "quality": 1})], fields=["quality", "qualty"])


# -- which documents


def test_rows_about_documents_that_are_not_held_are_counted_and_told(wiki: Registry, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", *({"id": f"{kind}{n}", "q": 1} for n in range(3) for kind in "dx"))
    with pytest.raises(BadAnnotation, match=r"line 2: no document has the id 'x0', and 2 more rows.*--skip-unknown"):
        wiki.annotate([file])
    result = wiki.annotate([file], skip_unknown=True)
    assert (result.read, result.values, result.unknown) == (6, 3, 3)


def test_an_id_that_several_documents_have_needs_a_source(wiki: Registry, tmp_path: Path) -> None:
    wiki.add([{"id": "d0", "text": "elsewhere"}], Declared(source="news"))
    plain = jsonl(tmp_path / "a.jsonl", {"id": "d0", "q": 1})
    with pytest.raises(BadAnnotation, match="line 1: the id 'd0' is ambiguous, 2 documents"):
        wiki.annotate([plain])
    assert wiki.annotate([plain], source="news").documents == 1
    wiki.annotate([jsonl(tmp_path / "b.jsonl", {"id": "d0", "source": "wiki", "q": 2})], source="news")
    assert (through(wiki, "q = 2"), through(wiki, "source = 'wiki' AND q = 2")) == ({"d0"}, {"d0"})
    with pytest.raises(BadAnnotation, match="no document of source 'sea' has the id 'd0'"):
        wiki.annotate([plain], source="sea")


def test_documents_are_found_by_the_digest_of_document_or_text(wiki: Registry, tmp_path: Path) -> None:
    wiki.add([{"id": "copy", "text": "text 0"}], Declared(source="news"))
    (entry,) = wiki.show("d0")
    by_document = jsonl(tmp_path / "a.jsonl", {"document": entry["digest"].upper(), "q": 1})
    assert wiki.annotate([by_document], on="document").documents == 1
    by_text = jsonl(tmp_path / "b.jsonl", {"text": entry["text_digest"], "r": 1})
    assert wiki.annotate([by_text], on="text").documents == 2
    assert wiki.connection.execute("SELECT count(*) FROM annotation").fetchone() == (3,)
    with pytest.raises(BadAnnotation, match="line 1: its document is 'd0', wanted a digest of 64 hex digits"):
        wiki.annotate([jsonl(tmp_path / "c.jsonl", {"document": "d0", "q": 1})], on="document")
    with pytest.raises(BadAnnotation, match="line 1: it has no document, which tells"):
        wiki.annotate([jsonl(tmp_path / "d.jsonl", {"id": "d0", "q": 1})], on="document")


def test_whole_numbers_are_ids_too(wiki: Registry, tmp_path: Path) -> None:
    wiki.add([{"id": 7, "text": "seven"}])
    assert wiki.annotate([jsonl(tmp_path / "a.jsonl", {"id": 7, "q": 1})]).documents == 1


# -- again and anew


def test_the_same_file_twice_adds_nothing(wiki: Registry, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", *VALUES)
    wiki.annotate([file])
    head = wiki.head()
    again = wiki.annotate([file, file])
    assert (again.values, again.documents, again.unchanged) == (0, 0, 10)
    assert wiki.head() == head


def test_another_value_is_appended_and_the_newest_is_in_force(wiki: Registry, tmp_path: Path) -> None:
    rows = [{"id": f"d{n}", "q": 1} for n in range(3)]
    wiki.annotate([jsonl(tmp_path / "a.jsonl", *rows)])
    result = wiki.annotate(
        [jsonl(tmp_path / "b.jsonl", {"id": "d1", "q": 2}, {"id": "d2", "q": 1}, {"id": "d3", "q": 2})]
    )
    assert (result.values, result.changed, result.unchanged) == (2, 1, 1)
    assert (through(wiki, "q = 1"), through(wiki, "q = 2")) == ({"d0", "d2"}, {"d1", "d3"})
    assert wiki.connection.execute("SELECT count(*) FROM annotation").fetchone() == (5,)
    wiki.annotate([jsonl(tmp_path / "c.jsonl", {"id": "d1", "q": 1})])
    assert through(wiki, "q = 1") == {"d0", "d1", "d2"}


def test_two_values_of_one_document_in_one_act_are_an_error(wiki: Registry, tmp_path: Path) -> None:
    rows = [{"id": "d0", "q": 1}, {"id": "d0", "q": 1.0}, {"id": "d1", "q": 1}, {"id": "d0", "q": 2}]
    with pytest.raises(BadAnnotation, match=r"line 4: it says another q of document 'd0' than a\.jsonl, line 1"):
        wiki.annotate([jsonl(tmp_path / "a.jsonl", *rows)])
    assert wiki.annotate([jsonl(tmp_path / "b.jsonl", *rows[:3])]).values == 2


def test_a_dry_run_says_the_same_and_keeps_nothing(wiki: Registry, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", *VALUES)
    before = wiki.stats()
    assert wiki.annotate([file], dry_run=True) == wiki.annotate([file], dry_run=True)
    assert wiki.stats() == before
    with pytest.raises(UnknownField):
        through(wiki, "quality > 0")


def test_an_act_of_annotating_is_one_link_of_the_chain(wiki: Registry, tmp_path: Path) -> None:
    wiki.annotate([jsonl(tmp_path / "a.jsonl", *VALUES)])
    last = "FROM batch ORDER BY batch_id DESC LIMIT 1"
    (batch,) = wiki.connection.execute(f"SELECT batch_id, made_at, content_digest, kind, documents {last}").fetchall()
    assert batch[3:] == ("annotate", 3)
    assert wiki.content_digest(*batch[:2]) == batch[2]


def test_what_was_annotated_passes_every_check(wiki: Registry, tmp_path: Path) -> None:
    wiki.annotate([jsonl(tmp_path / "a.jsonl", *VALUES)])
    wiki.mix(MixSpec(strata=ratio("language:de=1"), size=2))
    wiki.annotate([jsonl(tmp_path / "b.jsonl", {"id": "d0", "language": "it", "quality": 2})])
    assert not verify(wiki).findings


def test_many_rows_come_in_parts_and_are_all_there(wiki: Registry, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("registry.annotate.STAGE_VALUES", 7)
    progressed: list[int] = []
    rows = [{"id": f"d{n}", "n": n, "half": n / 2} for n in range(40)]
    result = annotate(wiki, [jsonl(tmp_path / "a.jsonl", *rows)], progress=progressed.append)
    assert (result.values, sum(progressed)) == (80, 40)
    assert len(progressed) > 5
    assert through(wiki, "half >= 19") == {"d38", "d39"}


# -- Dolma


def test_attributes_of_dolma_become_fields(wiki: Registry, tmp_path: Path) -> None:
    rows = [
        {"id": "d0", "source": "wiki", "attributes": {"en": [[0, 300, 0.9], [300, 400, 0.5]], "toxicity": 0.7}},
        {"id": "d1", "attributes": {"en": [[0, 10, 0.25]], "dup": []}},
        {"id": "d2", "attributes": {"en": [[0, 0, 0.5], [0, 0, 1.0]], "toxicity": None}},
        {"id": "d3", "attributes": {"en": [[0, 5, None]]}},
    ]
    file = tmp_path / "attributes" / "0000.jsonl.gz"
    file.parent.mkdir()
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    result = wiki.annotate([file.parent])
    assert result.fields == {"en": "number", "toxicity": "number", "dup": None}
    assert {item: told(wiki, item).get("en") for item in ("d0", "d1", "d2", "d3")} == {
        "d0": "0.8",
        "d1": "0.25",
        "d2": "0.75",
        "d3": None,
    }
    assert through(wiki, "toxicity = 0.7") == {"d0"}


@pytest.mark.parametrize("spans", [[[0, 1]], [1, 2], [[0, 1, "a"], [1, 2, "b"]]])
def test_attributes_that_are_none_of_dolmas_are_an_error(wiki: Registry, tmp_path: Path, spans: Any) -> None:
    with pytest.raises(BadAnnotation, match="line 1: its attribute en is"):
        wiki.annotate([jsonl(tmp_path / "a.jsonl", {"id": "d0", "attributes": {"en": spans}})])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_mean_of_spans_is_that_of_their_characters(spans: list[tuple[int, float]]) -> None:
    from registry.annotate import _of_spans

    ends, characters = [], list[float]()
    for length, value in spans:
        ends.append([len(characters), len(characters) + length, value])
        characters += [value] * length
    assert _of_spans("it", ends) == pytest.approx(sum(characters) / len(characters))


# -- where they are used


def test_an_annotation_is_meant_before_metadata_of_its_name(wiki: Registry, tmp_path: Path) -> None:
    assert len(through(wiki, "topic = 'metadata''s'")) == 40
    wiki.annotate([jsonl(tmp_path / "a.jsonl", {"id": "d0", "topic": "mine"})])
    assert through(wiki, "topic = 'mine'") == {"d0"}
    assert len(through(wiki, "metadata.topic = 'metadata''s'")) == 40


def test_odd_names_and_names_that_differ_in_case_alone_are_kept_apart(wiki: Registry, tmp_path: Path) -> None:
    names = ["Lang", "lang", 'with "quotes"', "cld2-en", "select", "ünï", "annotated 1", "size"]
    wiki.annotate([jsonl(tmp_path / "a.jsonl", {"id": "d0", **{name: n for n, name in enumerate(names)}})])
    for n, name in enumerate(names):
        quoted = '"' + name.replace('"', '""') + '"'
        assert through(wiki, f"{quoted} = {n}") == {"d0"}, name
    rows = composition(wiki, names)
    assert [list(row.values())[: len(names)] for row in rows] == [[*map(float, range(len(names)))], [None] * len(names)]


def test_an_annotation_is_compared_with_its_own_kind_alone(wiki: Registry, tmp_path: Path) -> None:
    wiki.annotate([jsonl(tmp_path / "a.jsonl", *VALUES)])
    for where, words in (("quality = 'high'", "a number for quality"), ("language > 5", "text for language")):
        with pytest.raises(WhereError, match=words):
            through(wiki, where)
    with pytest.raises(UnknownField, match=r"use one of .*language.*quality"):
        through(wiki, "qualty > 0.5")


def test_a_ratio_names_strata_by_annotation(wiki: Registry, tmp_path: Path) -> None:
    rows = [{"id": f"d{n}", "language": ["de", "en", "it"][n % 3], "year": 2000 + n % 2} for n in range(40)]
    wiki.annotate([jsonl(tmp_path / "a.jsonl", *rows)])
    drawn = wiki.mix(MixSpec(strata=ratio("language:de=0.3,language:en=0.7"), size=10))
    assert [counts.documents for counts in drawn.achieved] == [3, 7]
    drawn = wiki.mix(MixSpec(strata=ratio("year:2000=0.5,year:2001=0.5"), size=10))
    assert [counts.documents for counts in drawn.achieved] == [5, 5]
    with pytest.raises(UnknownField, match="no field colour"):
        wiki.mix(MixSpec(strata=ratio("colour:red=1"), size=10))
    with pytest.raises(WhereError, match="text for language"):
        wiki.mix(MixSpec(strata=ratio("language:5=1"), size=10))


def test_parts_that_no_field_could_be_are_told_what_there_is() -> None:
    for part in ("humans", "5:de", "language:", ":de", "a b:c"):
        with pytest.raises(ProvError, match=r"wanted human, model, .*FIELD:VALUE"):
            ratio(f"{part}=1")


def test_composition_counts_by_annotation_of_the_registry_and_of_a_mix(wiki: Registry, tmp_path: Path) -> None:
    language = {f"d{n}": ["de", "en", None][n % 3] for n in range(40)}
    wiki.annotate([jsonl(tmp_path / "a.jsonl", *({"id": item, "language": it} for item, it in language.items()))])
    rows = composition(wiki, ["origin", "language"])
    assert [(row["origin"], row["language"], row["documents"]) for row in rows] == [
        ("human", "de", 7),
        ("human", "en", 7),
        ("human", None, 6),
        ("model", "de", 7),
        ("model", "en", 6),
        ("model", None, 7),
    ]
    drawn = wiki.mix(MixSpec(strata=real_frac(0.5), size=20, seed=3))
    of_mix = wiki.connection.execute("SELECT item FROM drawn JOIN document USING (document_id)").fetchall()
    counted = {row["language"]: row["documents"] for row in composition(wiki, ["language"], drawn.mix)}
    assert counted == Counter(language[item] for (item,) in of_mix)
    with pytest.raises(ProvError, match=r"no dimension 'colour': there is .*language"):
        composition(wiki, ["colour"])


# -- against a plain reference


@st.composite
def sidecars(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Some sidecars, each of rows about d0 to d4 with a number and a text."""
    row = st.fixed_dictionaries(
        {"id": st.sampled_from([f"d{n}" for n in range(5)])},
        optional={"n": st.integers(0, 3) | st.none(), "s": st.sampled_from(["a", "b"]) | st.none()},
    )
    return draw(st.lists(st.lists(row, max_size=5, unique_by=lambda row: row["id"]), min_size=1, max_size=4))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sidecars())
def test_what_is_in_force_is_what_the_last_sidecar_said(
    wiki_once: Path, tmp_path_factory: pytest.TempPathFactory, sidecars: list[list[dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("sidecars")
    wanted: dict[str, dict[str, str]] = {f"d{n}": {} for n in range(5)}
    with Registry.open(shutil.copy(wiki_once, folder / "r.prov")) as held:
        for rows in sidecars:
            held.annotate([jsonl(folder / "a.jsonl", *rows)])
            for row in rows:
                wanted[row["id"]] |= {
                    name: str(value if name == "s" else float(value))
                    for name, value in row.items()
                    if name != "id" and value is not None
                }
        assert {item: told(held, item) for item in wanted} == wanted
        if any("n" in fields for fields in wanted.values()):
            numbers = {item for item, fields in wanted.items() if float(fields.get("n", 0)) >= 1}
            assert not numbers or through(held, "n >= 1") == numbers
