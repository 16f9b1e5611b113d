"""One door in: texts become documents once, with the lineage that they declare, or nothing is taken in at all."""

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import Generation, Origin, derive_generation
from registry import Declared, MixSpec, Registry, real_frac
from registry.ingest import Conflict, Ingested
from registry.readers import BrokenFile
from registry.rows import BadRow

HUMAN = Declared(origin=Origin.HUMAN)
ROOT = Path(__file__).parent.parent

Values = dict[str, Any]


def write(path: Path, *rows: Values) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def ask(corpus: Registry, query: str) -> list[tuple[Any, ...]]:
    return corpus.connection.execute(query).fetchall()


def everything(corpus: Registry) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, to see whether an act left the registry as it was."""
    tables = [name for (name,) in ask(corpus, "SELECT table_name FROM duckdb_tables() WHERE NOT temporary")]
    return {name: ask(corpus, f"FROM {name} ORDER BY ALL") for name in tables}


def items(corpus: Registry) -> list[str]:
    return [item for (item,) in ask(corpus, "SELECT item FROM document ORDER BY item")]


def texts(corpus: Registry) -> list[str]:
    return [text for (text,) in ask(corpus, "SELECT content FROM document JOIN text USING (text_id) ORDER BY item")]


def shown(corpus: Registry, id: str) -> Values:
    (document,) = corpus.show(id)
    return document


def generation(corpus: Registry, id: str) -> str:
    document = shown(corpus, id)
    return str(Generation(document["generation"], document["generation_exact"]))


def edges(corpus: Registry) -> list[tuple[Any, ...]]:
    return ask(
        corpus,
        "SELECT child.item, parent.item, relation, prefix_chars FROM derivation "
        "JOIN document AS child ON child.document_id = child_id "
        "JOIN document AS parent ON parent.document_id = parent_id ORDER BY ALL",
    )


def reasons(result: Ingested) -> dict[str, str]:
    return {rejected.place: rejected.reason for rejected in result.rejected}


# -- the same documents, once


def test_the_same_file_twice_adds_nothing_not_even_a_batch(corpus: Registry, tmp_path: Path) -> None:
    rows: list[Values] = [{"id": "h", "text": "a", "origin": "human", "source": "s", "url": "u", "lang": "de"}]
    rows.append({"id": "m", "text": "b", "origin": "model", "generator": "gpt", "generation": 2, "prompt_of": "h"})
    rows.append({"text": "c", "origin": "mixed", "parents": ["h", "m"]})
    file = write(tmp_path / "x.jsonl", *(row | {"license": "mit"} for row in rows))
    assert corpus.ingest([file]).added == 3
    before = everything(corpus)
    again = corpus.ingest([file])
    assert (again.read, again.added, again.known, again.changed) == (3, 0, 3, 0)
    assert everything(corpus) == before


def test_the_same_file_adds_nothing_even_after_others_brought_the_same_ids(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "first", "origin": "human"}])
    child = [{"id": "c", "text": "child", "origin": "model", "parents": ["p"]}]
    corpus.add(child)
    corpus.add([{"id": "p", "text": "second", "origin": "human"}])
    before = everything(corpus)
    assert corpus.add(child).known == 1
    assert everything(corpus) == before


def test_the_same_file_adds_nothing_even_after_lineage_was_learnt_that_it_does_not_know(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "parent"}])
    child = [{"id": "c", "text": "c", "origin": "mixed", "generator": "m", "generation": 1, "parents": ["p"]}]
    corpus.add(child)
    corpus.add([{"id": "p", "text": "parent", "origin": "model", "generator": "n", "generation": 5}], redeclare=True)
    assert generation(corpus, "c") == "5"
    before = everything(corpus)
    assert corpus.add(child).known == 1
    assert everything(corpus) == before


def test_order_of_rows_and_files_decides_no_digest(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.jsonl", *({"text": f"{n} {m}", "n": m} for m in range(5))) for n in range(3)]
    found: list[Any] = []
    for order in (files, files[::-1]):
        with Registry.create(tmp_path / f"{len(found)}.prov", clock=fixed_clock) as held:
            held.ingest(order, HUMAN)
            found.append((sorted(row["digest"] for row in held.list("documents")), held.head()))
    assert found[0] == found[1]


def fixed_clock() -> datetime:
    return datetime(2026, 1, 31)


def test_a_document_that_stands_twice_in_one_input_is_one(corpus: Registry, tmp_path: Path) -> None:
    row = {"id": "x", "text": "same", "origin": "human"}
    result = corpus.ingest([write(tmp_path / "a.jsonl", row, row), write(tmp_path / "b.jsonl", row)])
    assert (result.read, result.added, result.known) == (3, 1, 2)


def test_one_text_in_two_places_is_two_documents_and_kept_once(corpus: Registry) -> None:
    corpus.add([{"id": "x", "text": "same"}, {"id": "y", "text": "same"}, {"id": "x", "text": "same", "source": "s"}])
    stats = corpus.stats()
    assert (stats["documents"], stats["texts"]) == (3, 1)


@pytest.mark.slow
def test_many_rows_that_are_one_document_take_no_longer_than_others(corpus: Registry) -> None:
    assert corpus.add({"id": "x", "text": "same"} for _ in range(30_000)).added == 1


def test_an_item_with_another_text_is_a_new_document_and_counted_as_changed(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "old"}, {"id": "b", "text": "old b"}, {"id": "a", "text": "other", "source": "s"}])
    result = corpus.add([{"id": "a", "text": "new"}, {"id": "b", "text": "old b"}, {"id": "c", "text": "c"}])
    assert (result.added, result.known, result.changed) == (2, 1, 1)
    assert items(corpus) == ["a", "a", "a", "b", "c"]


def test_the_users_id_finds_the_document_and_a_row_without_one_is_known_by_its_place(
    corpus: Registry, tmp_path: Path
) -> None:
    write(tmp_path / "in/deep/x.jsonl", {"text": "a"}, {"id": "mine", "text": "b"}, {"text": "c"})
    corpus.ingest([tmp_path / "in"])
    assert items(corpus) == ["deep/x.jsonl#1", "deep/x.jsonl#3", "mine"]
    assert shown(corpus, "mine")["text"] == "b"
    assert corpus.ingest([tmp_path / "in/deep/x.jsonl"]).added == 2  # its own name is another place


def test_texts_come_out_byte_for_byte_as_they_went_in(corpus: Registry, tmp_path: Path) -> None:
    odd = ["nul \x00 in", "\ufeffmark", "cr\rlf\r\n", "\U0010ffff\u2028é e\u0301", " \t ", "\x1f\x7f\x85"]
    corpus.add([{"id": str(number), "text": text} for number, text in enumerate(odd)])
    assert texts(corpus) == odd
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbfa\r\n\x00")
    corpus.ingest([tmp_path / "bom.txt"])
    assert shown(corpus, "bom.txt#1")["text"] == "\ufeffa\r\n\x00"


# -- declarations


def test_metadata_is_kept_in_one_form_and_its_names_are_known(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "a", "z": 1, "b": {"y": [1.5, None], "x": "é\x00"}, "metadata": {"k": True}}])
    assert shown(corpus, "a")["metadata"] == '{"b":{"x":"é\\u0000","y":[1.5,null]},"k":true,"z":1}'
    assert ask(corpus, "SELECT name FROM field ORDER BY name") == [("b",), ("k",), ("z",)]


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        ({"origin": "human"}, {"origin": "model"}, "declared model, but the registry has it as human, generation 0"),
        (
            {"origin": "model", "generator": "a"},
            {"origin": "model", "generator": "b"},
            "generator b, but .*generator a",
        ),
        (
            {"origin": "model", "generation": 1},
            {"origin": "model", "generation": 2},
            "generation 2, but .*generation 1",
        ),
        ({"license": "mit"}, {"license": "cc-by"}, "license cc-by, but .* unknown, license mit"),
    ],
)
def test_a_known_document_declared_otherwise_is_an_error_that_names_both(
    corpus: Registry, first: Values, then: Values, told: str
) -> None:
    row = {"id": "x", "text": "a"}
    corpus.add([row | first])
    before = everything(corpus)
    with pytest.raises(Conflict, match=told) as raised:
        corpus.add([{"text": "new"}, row | then], skip_bad=True)
    assert str(raised.value).startswith("rows, row 2: document 'x' is declared ")
    assert str(raised.value).endswith("or declare it anew with --redeclare")
    assert everything(corpus) == before


def test_what_says_nothing_contradicts_nothing(corpus: Registry) -> None:
    row = {"id": "x", "text": "a"}
    corpus.add([row | {"origin": "model", "generator": "gpt", "generation": 1, "license": "mit"}])
    before = everything(corpus)
    for less in ({}, {"origin": "model"}, {"origin": "model", "generator": "gpt"}, {"license": "mit"}):
        assert corpus.add([row | less]).known == 1
    assert everything(corpus) == before


def test_a_document_that_one_input_declares_in_two_ways_is_an_error_that_names_both(
    corpus: Registry, tmp_path: Path
) -> None:
    row = {"id": "x", "text": "a"}
    files = [
        write(tmp_path / "a.jsonl", row | {"origin": "human"}),
        write(tmp_path / "b.jsonl", row | {"origin": "mixed"}),
    ]
    told = r"b\.jsonl, line 1 and a\.jsonl, line 1: document 'x' is declared mixed, but human before"
    with pytest.raises(Conflict, match=told):
        corpus.ingest(files)
    assert not items(corpus)


def test_redeclaring_appends_a_declaration_and_derives_all_descendants_again(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "p", "origin": "human"}])
    for number in range(3):
        parent = {"parents": [f"c{number - 1}" if number else "p"]}
        corpus.add(
            [{"id": f"c{number}", "text": f"{number}", "origin": "mixed", "generator": "m", "generation": 1} | parent]
        )
    assert generation(corpus, "c2") == "1"
    row = {"id": "p", "text": "p", "origin": "model", "generator": "n", "generation": 4}
    told = Declared(by="me", evidence="a letter")
    assert corpus.add([row], told, redeclare=True).redeclared == 1
    assert [generation(corpus, id) for id in ("p", "c0", "c2")] == ["4", "4", "4"]
    assert ask(corpus, "SELECT origin, generation, declared_by, evidence FROM declaration WHERE document_id = 1") == [
        ("human", None, None, None),
        ("model", 4, "me", "a letter"),
    ]
    before = everything(corpus)
    assert corpus.add([row], told, redeclare=True).redeclared == 0
    assert everything(corpus) == before


def test_redeclaring_keeps_what_it_does_not_speak_of(corpus: Registry) -> None:
    row = {"id": "x", "text": "a"}
    corpus.add([row | {"origin": "model", "generator": "gpt", "generation": 2, "license": "mit"}])
    corpus.add([row | {"license": "cc-by"}], redeclare=True)
    assert shown(corpus, "x").items() >= {"origin": "model", "generator": "gpt", "license": "cc-by"}.items()
    assert generation(corpus, "x") == "2"
    corpus.add([row | {"origin": "human"}], redeclare=True)
    assert shown(corpus, "x").items() >= {"origin": "human", "generator": None, "license": "cc-by"}.items()
    assert ask(corpus, "SELECT name FROM model") == [("gpt",)]


def test_redeclaring_a_generation_that_lineage_rules_out_is_a_bad_row(corpus: Registry) -> None:
    row = {"id": "x", "text": "a"}
    corpus.add([row | {"origin": "model", "generator": "gpt", "generation": 2}])
    before = everything(corpus)
    with pytest.raises(BadRow, match="declared 3, but by its lineage it is 2"):
        corpus.add([row | {"origin": "model", "generation": 3}], redeclare=True)
    result = corpus.add([row | {"origin": "model", "generation": 3}], redeclare=True, skip_bad=True)
    assert (result.redeclared, len(result.rejected)) == (0, 1)
    assert everything(corpus) == before


def test_a_parent_declared_anew_counts_at_once_for_children_in_the_same_input(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "p", "origin": "model", "generator": "m", "generation": 2}])
    parent = {"id": "p", "text": "p", "origin": "model", "generator": "m", "generation": 3}
    child = {"id": "c", "text": "c", "origin": "mixed", "generator": "m", "generation": 3, "parents": ["p"]}
    assert corpus.add([child, parent], redeclare=True).redeclared == 1
    assert [generation(corpus, id) for id in "pc"] == ["3", "3"]


def test_a_source_keeps_its_url_and_consent_and_another_one_is_an_error(corpus: Registry) -> None:
    declared = Declared(origin=Origin.HUMAN, source="wiki", url="https://w", consent="cc")
    corpus.add([{"text": "a"}, {"text": "b", "source": "other"}], declared)
    assert ask(corpus, "SELECT name, url, consent FROM source ORDER BY name") == [
        ("other", None, None),
        ("wiki", "https://w", "cc"),
    ]
    with pytest.raises(ProvError, match="source 'wiki' has url 'https://w', not 'https://v'"):
        corpus.add([{"text": "c"}], Declared(source="wiki", url="https://v"))


# -- bad rows


@pytest.mark.parametrize(
    ("bad", "place", "told"),
    [
        (b'{"id": 1}', "line 2", "no text"),
        (b'{"text": "\xff"}', "line 2", "invalid UTF-8 at byte 11 of the line"),
        (b'{"text": "\\ud800"}', "line 2", "invalid UTF-8 in the text at character 1"),
        (b'{"text": "too long a text"}', "line 2", "its text has 15 bytes, over the 9 of --max-bytes"),
        (b'{"text": "a", "origin": "humen"}', "line 2", "unknown origin 'humen'"),
        (b'{"text": "a", "score": 1e400}', "line 2", "its metadata cannot be kept as JSON"),
        (b'{"text": "a", "generation": 1e400, "origin": "model"}', "line 2", "its generation is inf"),
        (b'{"text": "a", "text": "b"}', "line 2", "the key 'text' stands twice"),
        (b'{"text": "a", "deep": ' + b"[" * 990 + b"]" * 990 + b"}", "line 2", ""),
        (b'{"text": "a", "parents": ["none"]}', "line 2", "its parent 'none' is neither in this input nor in the reg"),
        (b'{"text": "a", "id": "b", "parents": ["b"]}', "line 2", "its parent 'b' is itself"),
        (b'{"text": "a", "parents": ["twin"]}', "line 2", "its parent 'twin' is ambiguous: 2 documents have that id"),
        (
            b'{"text": "a", "origin": "mixed", "generator": "m", "generation": 1, "parents": ["gen3"]}',
            "line 2",
            "its generation is declared 1, but by its lineage it is 3",
        ),
        (
            b'{"text": "a", "origin": "mixed", "generation": 1, "parents": ["gen3"]}',
            "line 2",
            "its generation is declared 1, but by its lineage it is at least 3",
        ),
    ],
)
def test_a_bad_row_stops_the_act_with_file_line_and_reason_or_is_skipped_and_kept_with_them(
    corpus: Registry, tmp_path: Path, bad: bytes, place: str, told: str
) -> None:
    corpus.add([{"id": "twin", "text": text, "source": text} for text in ("a", "b")])
    corpus.add([{"id": "gen3", "text": "g", "origin": "model", "generator": "m", "generation": 3}])
    before = everything(corpus)
    (tmp_path / "x.jsonl").write_bytes(
        b'{"id": "good", "text": "first"}\n' + bad + b'\n{"id": "too", "text": "last"}\n'
    )
    with pytest.raises(BadRow) as raised:
        corpus.ingest([tmp_path / "x.jsonl"], max_bytes=9)
    assert str(raised.value).startswith(f"x.jsonl, {place}: ")
    assert told in str(raised.value)
    assert str(raised.value).endswith("; mend it, or leave such rows out with --skip-bad")
    assert everything(corpus) == before
    result = corpus.ingest([tmp_path / "x.jsonl"], max_bytes=9, skip_bad=True)
    assert (result.read, result.added, result.known) == (3, 2, 0)
    assert told in reasons(result)[place]
    (line,) = (tmp_path / "corpus.prov.rejected.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["file"], kept["place"]) == ("x.jsonl", place)
    assert told in kept["reason"]
    assert kept["row"]


def test_a_row_that_lineage_leaves_out_is_kept_with_all_that_it_said(corpus: Registry, tmp_path: Path) -> None:
    row: Values = {"id": "x", "text": "a", "source": "s", "license": "mit", "url": "u", "lang": "de"}
    row |= {"origin": "model", "generator": "m", "generation": 2, "created": "2026-01-31"}
    file = write(tmp_path / "x.jsonl", row | {"parents": [{"id": "none", "relation": "quote", "prefix_chars": 3}]})
    corpus.ingest([file], skip_bad=True)
    kept = json.loads((tmp_path / "corpus.prov.rejected.jsonl").read_text())["row"]
    del row["lang"]
    assert kept.items() >= (row | {"metadata": '{"lang":"de"}', "created": "2026-01-31 00:00:00"}).items()
    assert kept["parents"] == [{"id": "none", "relation": "quote", "prefix_chars": 3}]


def test_bad_rows_take_their_children_with_them_and_nothing_of_them_is_left(corpus: Registry) -> None:
    rows: list[Values] = [{"id": "0", "text": "0", "parents": ["none"], "origin": "model", "generator": "ghost"}]
    rows += [{"id": str(n), "text": str(n), "prompt_of": str(n - 1), "source": f"s{n}"} for n in range(1, 20)]
    rows += [{"id": "good", "text": "good", "source": "s"}]
    result = corpus.add(rows, skip_bad=True)
    assert (result.added, len(result.rejected)) == (1, 20)
    assert reasons(result)["row 20"] == "its parent '18' is a bad row or withdrawn, and was left out"
    for table in ("model", "run", "derivation", "license"):
        assert ask(corpus, f"FROM {table}") == []
    assert ask(corpus, "SELECT name FROM source") == [("s",)]


def test_a_child_of_a_bad_row_is_never_given_to_another_document_of_that_id(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "another p", "source": "other"}])
    rows = [{"id": "p", "text": "p", "prompt_of": "none"}, {"id": "c", "text": "c", "prompt_of": "p"}]
    assert len(corpus.add([row | {"source": "mine"} for row in rows], skip_bad=True).rejected) == 2


def test_many_bad_rows_are_left_out_at_once(corpus: Registry) -> None:
    rows = [{"id": str(n), "text": str(n), "parents": ["none"]} for n in range(5000)]
    assert len(corpus.add(rows, skip_bad=True).rejected) == 5000


def test_a_text_column_that_is_not_there_names_the_columns_that_are(corpus: Registry) -> None:
    with pytest.raises(BadRow, match=r"no text \(there is no column 'text' but body, n: name the text's with"):
        corpus.add([{"body": "a", "n": 1}])


def test_a_column_named_by_the_user_that_stands_nowhere_is_an_error(corpus: Registry, tmp_path: Path) -> None:
    files = [write(tmp_path / "a.jsonl", {"text": "a"}), write(tmp_path / "b.jsonl", {"text": "b", "key": "k"})]
    assert corpus.ingest(files, columns={"id": "key"}).added == 2
    with pytest.raises(ProvError, match="there is no column 'who': the columns are key, text"):
        corpus.ingest(files, columns={"source": "who"})


# -- parents


def test_a_parent_is_sought_in_its_own_source_first_then_in_the_input_then_in_the_registry(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "held in s", "source": "s"}, {"id": "q", "text": "held in t", "source": "t"}])
    corpus.add(
        [
            {"id": "p", "text": "arriving in t", "source": "t"},
            {"id": "a", "text": "a", "source": "s", "prompt_of": "p"},
            {"id": "b", "text": "b", "source": "t", "prompt_of": "p"},
            {"id": "c", "text": "c", "source": "u", "prompt_of": "q"},
        ]
    )
    found = ask(
        corpus,
        "SELECT child.item, content FROM derivation JOIN document AS child ON child.document_id = child_id "
        "JOIN document AS parent ON parent.document_id = parent_id JOIN text ON text.text_id = parent.text_id "
        "ORDER BY ALL",
    )
    assert found == [("a", "held in s"), ("b", "arriving in t"), ("c", "held in t")]


def test_a_parent_may_come_after_its_child_in_another_file_and_be_named_by_its_digest(
    corpus: Registry, tmp_path: Path
) -> None:
    corpus.add([{"id": "held", "text": "held"}])
    digest = shown(corpus, "held")["digest"]
    child = {"id": "c", "text": "c", "prompt_of": "later", "parents": [{"id": digest, "relation": "quote"}]}
    corpus.ingest([write(tmp_path / "a.jsonl", child), write(tmp_path / "b.jsonl", {"id": "later", "text": "l"})])
    assert edges(corpus) == [("c", "held", "quote", None), ("c", "later", "prompt", None)]


def test_a_parent_named_twice_is_one_derivation(corpus: Registry) -> None:
    named = {"prompt_of": "p", "parents": [{"id": "p", "relation": "prompt", "prefix_chars": 4}, "p", "p"]}
    corpus.add([{"id": "p", "text": "p"}, {"id": "c", "text": "c"} | named])
    assert edges(corpus) == [("c", "p", "edit", None), ("c", "p", "prompt", 4)]


def test_a_circle_of_parents_is_told_for_the_rows_on_it_and_no_other_reason_given(corpus: Registry) -> None:
    rows = [{"id": str(n), "text": str(n), "prompt_of": str((n + 1) % 4)} for n in range(4)]
    rows += [{"id": "child", "text": "child", "prompt_of": "0"}, {"id": "5", "text": "5"}]
    with pytest.raises(BadRow, match=r"rows, row 1: its parents lead back to itself"):
        corpus.add(rows)
    result = corpus.add(rows, skip_bad=True)
    assert result.added == 1
    assert [reason.split(" ")[1] for reason in reasons(result).values()] == ["parents"] * 4 + ["parent"]


def test_a_circle_through_what_the_registry_holds_is_a_bad_row(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "a"}, {"id": "b", "text": "b", "prompt_of": "a"}])
    corpus.add([{"id": "c", "text": "c", "prompt_of": "b"}])
    with pytest.raises(BadRow, match="row 1: its parents lead back to itself"):
        corpus.add([{"id": "a", "text": "a", "prompt_of": "c"}])


def test_a_circle_through_a_run_its_model_and_its_mix_is_a_bad_row_and_no_endless_loop(corpus: Registry) -> None:
    learnt = {"id": "learnt", "text": "learnt", "origin": "model", "generator": "m", "generation": 1}
    corpus.add([learnt])
    corpus.record_model("n", mix=corpus.mix(MixSpec(strata=real_frac(0.0), size=1)).mix)
    corpus.add([{"id": "written", "text": "written"}], run=corpus.record_run("n").digest.hex())
    with pytest.raises(BadRow, match="its parents lead back to itself"):
        corpus.add([learnt | {"parents": ["written"]}])
    run = corpus.record_run("n", seed=2).digest.hex()
    with pytest.raises(BadRow, match="its parents lead back to itself"):
        corpus.add(
            [learnt | {"parents": ["new"], "origin": "model"}, {"id": "new", "text": "new", "parents": ["learnt"]}]
        )
    assert corpus.add([{"id": "new", "text": "new", "parents": ["learnt"]}], run=run).added == 1


def test_a_parent_learnt_later_derives_the_child_and_what_descends_from_it_again(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "p", "origin": "model", "generator": "m", "generation": 7}])
    child = {"id": "c", "text": "c", "origin": "model", "generator": "n"}
    corpus.add([child, {"id": "d", "text": "d", "origin": "model", "generator": "n", "parents": ["c"]}])
    assert [generation(corpus, id) for id in "cd"] == ["?", "?"]
    result = corpus.add([child | {"parents": ["p"]}])
    assert (result.added, result.known) == (0, 1)
    assert [generation(corpus, id) for id in "cd"] == ["≥7", "≥7"]


def test_a_parent_learnt_later_that_rules_out_what_was_declared_is_a_bad_row(corpus: Registry) -> None:
    corpus.add([{"id": "p", "text": "p", "origin": "model", "generator": "m", "generation": 7}])
    child = {"id": "c", "text": "c", "origin": "model", "generation": 2}
    corpus.add([child])
    with pytest.raises(BadRow, match="declared 2, but by its lineage it is at least 7"):
        corpus.add([child | {"parents": ["p"]}])


# -- generations


def test_foreign_models_of_one_name_and_of_other_declared_generations_are_other_models(corpus: Registry) -> None:
    known: list[Values] = [{}, {"generation": 1}, {"generation": 2}, {"generation": 2}]
    corpus.add(
        [{"id": str(n), "text": str(n), "origin": "model", "generator": "gpt"} | row for n, row in enumerate(known)]
    )
    assert [generation(corpus, str(n)) for n in range(4)] == ["?", "1", "2", "2"]
    assert ask(corpus, "SELECT name, generation, generation_exact, is_foreign FROM model ORDER BY generation") == [
        ("gpt", 1, True, True),
        ("gpt", 2, True, True),
        ("gpt", None, False, True),
    ]


def test_what_a_recorded_run_wrote_has_the_generation_of_its_model(corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"id": "h", "text": "h"}], HUMAN)
    corpus.record_model("one", mix=corpus.mix(MixSpec(strata=real_frac(1.0), size=1)).mix)
    run = corpus.record_run("one", seed=1)
    file = write(tmp_path / "x.jsonl", {"text": "a"}, {"text": "a"}, {"id": "mine", "text": "b", "prompt_of": "h"})
    assert corpus.ingest([file], run=run.digest.hex()[:8]).added == 3
    assert items(corpus) == ["h", "mine", "x.jsonl#1", "x.jsonl#2"]
    assert (
        shown(corpus, "x.jsonl#1").items() >= {"origin": "model", "generator": "one", "run": run.digest.hex()}.items()
    )
    assert [generation(corpus, id) for id in ("x.jsonl#1", "mine")] == ["1", "1"]
    assert ask(corpus, "SELECT kind FROM run WHERE run_id = (SELECT max(run_id) FROM batch)") == [("generate",)]
    assert corpus.ingest([file], run=run.digest.hex()).added == 0


@st.composite
def families(draw: st.DrawFn) -> list[Values]:
    """Documents in an order in which parents come first, each declared in some way."""
    rows: list[Values] = []
    for number in range(draw(st.integers(1, 8))):
        origin = draw(st.sampled_from(["human", "model", "mixed", "mixed", "unknown"]))
        row: Values = {"id": str(number), "text": f"text {number}", "origin": origin}
        if origin in ("model", "mixed"):
            row["generator"] = draw(st.sampled_from([None, "m", "n"]))
            row["generation"] = draw(st.none() | st.integers(1, 3))
        relations = st.sampled_from(["edit", "edit", "translation", "paraphrase", "prompt", "quote"])
        parents = draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True)) if number else []
        row["parents"] = [{"id": str(parent), "relation": draw(relations)} for parent in parents]
        rows.append(row)
    return rows


def reference(rows: list[Values]) -> dict[str, Generation]:
    """The generation of each document by `derive_generation`, without those that lineage rules out, and theirs."""
    derived: dict[str, Generation] = {}
    for row in rows:
        if not all(parent["id"] in derived for parent in row["parents"]):
            continue
        declared, generator = row.get("generation"), row.get("generator")
        model = Generation(declared, declared is not None) if generator else None
        inherited = [derived[p["id"]] for p in row["parents"] if p["relation"] in ("edit", "translation", "paraphrase")]
        origin = Origin(row["origin"])
        lineage = derive_generation(origin, None, model, inherited)
        known = lineage.number if origin in (Origin.MODEL, Origin.MIXED) else None
        if declared is not None and known is not None and (declared < known or (lineage.exact and declared != known)):
            continue
        derived[row["id"]] = derive_generation(origin, declared, model, inherited)
    return derived


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(families(), min_size=1, max_size=10), st.integers(0, 8), st.randoms(use_true_random=False))
def test_generations_in_the_registry_are_those_that_origin_derives(
    tmp_path_factory: pytest.TempPathFactory, many: list[list[Values]], cut: int, random: Any
) -> None:
    # Ids are those of a family alone: a parent that was left out would else be sought, and found, in another one.
    rows = [
        row
        | {"source": str(source), "id": f"{source}-{row['id']}"}
        | {"parents": [parent | {"id": f"{source}-{parent['id']}"} for parent in row["parents"]]}
        for source, family in enumerate(many)
        for row in family
    ]
    with Registry.create(tmp_path_factory.mktemp("family") / "r.prov") as held:
        for is_first in (True, False):
            part = [row for row in rows if (int(row["id"].partition("-")[2]) < cut) == is_first]
            held.add(random.sample(part, len(part)), skip_bad=True)
        found = ask(
            held, "SELECT source.name, item, generation, generation_exact FROM document JOIN source USING (source_id)"
        )
        for source, family in enumerate(many):
            mine = {
                item.partition("-")[2]: Generation(number, exact)
                for name, item, number, exact in found
                if name == str(source)
            }
            assert mine == reference(family)
        assert held.add(random.sample(rows, len(rows)), skip_bad=True).added == 0


# -- all or nothing


def test_a_dry_run_says_what_would_be_and_leaves_nothing(corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"id": "h", "text": "h"}], HUMAN)
    before = everything(corpus)
    row = {"id": "m", "text": "m", "origin": "model", "generator": "gpt", "prompt_of": "h", "source": "s", "n": 1}
    file = write(tmp_path / "x.jsonl", row, {"id": "h", "text": "h", "origin": "mixed"}, {"bad": 1})
    result = corpus.ingest([file], skip_bad=True, redeclare=True, dry_run=True, commit_each_file=True)
    assert (result.added, result.redeclared, len(result.rejected)) == (1, 1, 1)
    assert everything(corpus) == before
    assert not (tmp_path / "corpus.prov.rejected.jsonl").exists()


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl", "x.parquet"])
def test_a_file_broken_after_good_ones_keeps_nothing_of_any(corpus: Registry, tmp_path: Path, name: str) -> None:
    good = write(tmp_path / "a.jsonl", *({"text": str(n), "origin": "human", "source": "s"} for n in range(20_000)))
    bad = tmp_path / name
    content = {"x.jsonl.gz": gzip.compress(good.read_bytes())[:-20], "x.jsonl": b"[1]\n", "x.parquet": b"PAR1"}[name]
    bad.write_bytes(content)
    before = everything(corpus)
    with pytest.raises((BrokenFile, BadRow)):
        corpus.ingest([good, bad])
    assert everything(corpus) == before


def interrupted(rows: int) -> Iterator[Values]:
    for number in range(rows):
        yield {"text": str(number), "source": "s"}
    raise KeyboardInterrupt


@pytest.mark.parametrize("rows", [0, 10, 20_000])
def test_an_interrupted_act_leaves_the_registry_as_it_was_and_it_works_on(corpus: Registry, rows: int) -> None:
    corpus.add([{"text": "before"}])
    before = everything(corpus)
    with pytest.raises(KeyboardInterrupt):
        corpus.add(interrupted(rows))
    assert everything(corpus) == before
    assert corpus.add([{"text": "after"}]).added == 1


KILLED = """
import os, signal, sys
from registry import Registry
def rows():
    for number in range(20_000):
        yield {"text": str(number) * 50, "source": "s"}
    os.kill(os.getpid(), signal.SIGKILL)
with Registry.open(sys.argv[1]) as corpus:
    corpus.add(rows())
"""


def test_a_killed_act_leaves_the_registry_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "r.prov"
    with Registry.create(path) as held:
        held.add([{"text": "before"}])
        before = everything(held)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Registry.open(path) as held:
        assert everything(held) == before
        assert held.add([{"text": "after"}]).added == 1


def test_commit_each_file_keeps_what_is_finished_and_passes_over_it_next_time(corpus: Registry, tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"in/{number}.jsonl", {"text": f"a {number}"}, {"text": f"b {number}"})
    write(tmp_path / "in/1.jsonl", {"text": "a 1"}, {"no": "text"})
    with pytest.raises(BadRow, match=r"1\.jsonl, line 2: no text"):
        corpus.ingest([tmp_path / "in"], commit_each_file=True)
    assert items(corpus) == ["0.jsonl#1", "0.jsonl#2"]
    write(tmp_path / "in/1.jsonl", {"text": "a 1"}, {"text": "b 1"})
    result = corpus.ingest([tmp_path / "in"], commit_each_file=True)
    assert (result.skipped_files, result.read, result.added) == (1, 4, 4)
    assert corpus.ingest([tmp_path / "in"], commit_each_file=True).skipped_files == 3
    assert len(corpus.list("batches")) == 3
    changed = corpus.ingest([tmp_path / "in"], Declared(license="mit"), commit_each_file=True, redeclare=True)
    assert (changed.skipped_files, changed.redeclared) == (0, 6)


# -- much


def test_progress_tells_of_every_row_that_was_read_bad_ones_too(corpus: Registry) -> None:
    told: list[int] = []
    rows = [{"text": str(n)} if n % 3 else {"bad": n} for n in range(20_000)]
    corpus.add(rows, skip_bad=True, progress=told.append)
    assert sum(told) == 20_000
    assert len(told) >= 3


def test_many_small_files_are_staged_together(corpus: Registry, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(500):
        (tmp_path / f"in/{number}.txt").write_text(f"text {number}")
    told: list[int] = []
    assert corpus.ingest([tmp_path / "in"], progress=told.append).added == 500
    assert told == [500]


def test_texts_of_every_format_are_the_same_documents(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": f"{n} é\r\n", "origin": "human", "source": "s", "lang": "de"} for n in range(50)]
    write(tmp_path / "x.jsonl", *rows)
    (tmp_path / "x.jsonl.zst").write_bytes(pa.compress((tmp_path / "x.jsonl").read_bytes(), "zstd", asbytes=True))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    heads = set()
    for file in sorted(tmp_path.glob("x.*")):
        with Registry.create(tmp_path / f"{file.name}.prov", clock=fixed_clock) as held:
            held.ingest([file])
            heads.add(held.head())
    assert len(heads) == 1


def test_standard_input_is_taken_in_by_the_command(tmp_path: Path) -> None:
    lines = b'{"text": "a"}\n{"text": "b"}\n'
    prov = [sys.executable, "-m", "provenance", "--registry", str(tmp_path / "r.prov")]
    subprocess.run([*prov, "init"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    subprocess.run([*prov, "ingest", "-"], cwd=ROOT, check=True, capture_output=True, input=lines, timeout=60)
    with Registry.open(tmp_path / "r.prov") as held:
        assert items(held) == ["-#1", "-#2"]


def test_dolma_is_read_as_it_is(corpus: Registry, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": f"http://{number}.example",
            "text": f"a page {number}",
            "source": "common-crawl",
            "added": "2023-04-11T09:57:03.044571+00:00",
            "created": "2021-03-04T05:06:07.089Z",
            "metadata": {"length": 5, "provenance": f"cc-{number}", "nested": {"z": 1, "a": [None, 2.5]}},
        }
        for number in range(3)
    ]
    (tmp_path / "v1").mkdir()
    path = tmp_path / "v1" / "cc_en_head-0000.json.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    assert corpus.ingest([tmp_path / "v1"]).added == 3
    found = corpus.show("http://1.example")[0]
    assert (found["source"], found["origin"]) == ("common-crawl", "unknown")
    assert str(found["created"]) == "2021-03-04 05:06:07.089000"
    assert json.loads(found["metadata"]) == rows[1]["metadata"] | {"added": rows[1]["added"]}


@pytest.mark.parametrize("kind", ["table", "batch", "reader"])
def test_arrow_is_taken_in_as_the_same_rows_would_be(tmp_path: Path, kind: str) -> None:
    rows = [
        {"id": "a", "text": "one", "parents": None, "lang": "en"},
        {"id": "b", "text": "two", "parents": [{"id": "a", "relation": "edit"}], "lang": None},
    ]
    table = pa.Table.from_pylist(rows)
    arrow = {"table": table, "batch": table.to_batches()[0], "reader": table.to_reader(max_chunksize=1)}[kind]
    heads, sources = [], {"rows": rows, "arrow": arrow}
    for name, source in sources.items():
        with Registry.create(tmp_path / f"{name}.prov", lambda: datetime(2026, 1, 1)) as held:
            assert held.add(source, Declared(origin=Origin.HUMAN, source="mine")).added == 2
            heads.append(held.head())
    assert heads[0] == heads[1]
