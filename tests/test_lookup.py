"""Looking texts up: what is copied is found and told of whom; what is not is not; and nothing is taken in."""

import gzip
import io
import json
import random
import sys
from itertools import chain
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from provenance.cli import cli
from provenance.errors import ProvError
from provenance.fingerprint import shingles
from provenance.origin import Origin, text_digest
from registry import Declared, Registry
from registry import lookup as lookup_module
from registry.fingerprints import NoFingerprints
from registry.lookup import Summary
from registry.near import Nearness
from registry.outside import Columns
from registry.readers import BrokenFile
from registry.rows import BadRow

WORDS = sorted({word for topic in topics.values() for word in topic.split() if word.isalpha()})
HUMAN = Declared(origin=Origin.HUMAN, source="books", license="MIT")
MODEL = Declared(origin=Origin.MODEL, generator="gpt", generation=2, source="crawl")
EITHER = Nearness(0.8, "either")
CHINESE = (
    "我们必须知道每一段文字从哪里来然后用正确的混合来训练模型这样数据就不会随着时间慢慢崩溃而人们写下的东西仍然留在其中"
)


def prose(seed: int, length: int = 80) -> list[str]:
    """Words in an order that no other text has."""
    chance = random.Random(seed)
    return [chance.choice(WORDS) for _ in range(length)]


def said(*words: list[str]) -> str:
    return " ".join(chain.from_iterable(words))


def edited(words: list[str], places: int = 1) -> list[str]:
    """The same words, but for some."""
    changed = words.copy()
    for place in range(places):
        changed[10 + place] = "otherwise"
    return changed


@pytest.fixture
def held(corpus: Registry) -> Registry:
    """Human texts h0 … h9, texts of a model m0 … m4, a short and a Chinese one."""
    corpus.add([{"id": f"h{n}", "text": said(prose(n))} for n in range(10)], HUMAN)
    corpus.add([{"id": f"m{n}", "text": said(prose(100 + n))} for n in range(5)], MODEL)
    corpus.add([{"id": "short", "text": "three small words"}, {"id": "zh", "text": CHINESE}], HUMAN)
    return corpus


def look_up(held: Registry, *texts: str | None, near: Nearness | None = EITHER, **options: Any) -> list[dict[str, Any]]:
    tables = list(held.lookup_rows([{"text": text} for text in texts], near, **options))
    found: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return found


def prov(held: Registry, *arguments: str, input: str | None = None) -> Result:
    """What a command does to a registry that is not open here meanwhile."""
    held.close()
    return CliRunner().invoke(cli, ["--registry", str(held.path), *arguments], input=input)


# -- what is found


def test_each_way_of_copying_is_told_from_the_others(held: Registry) -> None:
    ways = {
        "copies whole": [said(prose(1)), said(edited(prose(2))), said(prose(3)).upper()],
        "copies part": [said(prose(4)[:40])],
        "contains": [said(prose(50, 30), prose(5), prose(51, 30))],
        "resembles": [said(prose(6)[:72], prose(52, 8))],
    }
    for how, texts in ways.items():
        for row in look_up(held, *texts):
            assert (row["how"], row["origin"], row["source"], row["license"]) == (how, "human", "books", "MIT")
    found = look_up(held, *chain.from_iterable(ways.values()))
    assert [row["matched_id"] for row in found] == ["h1", "h2", "h3", "h4", "h5", "h6"]
    assert [row["match"] for row in found] == ["exact", *["near"] * 5]
    assert all(held.show(row["matched_document"])[0]["item"] == row["matched_id"] for row in found)
    assert all(held.show(row["matched_text"])[0]["item"] == row["matched_id"] for row in found)


def test_what_is_measured_is_what_the_shingles_say(held: Registry) -> None:
    chance = random.Random(3)
    asked = []
    for number in range(60):
        words = prose(number % 10)
        cut = chance.randrange(30, 80)
        asked.append(said(words[:cut], prose(1000 + number, chance.randrange(0, 40))))
    sets = [set(shingles(said(prose(number)), 5)) for number in range(10)]
    for text, row in zip(asked, look_up(held, *asked), strict=True):
        ours = set(shingles(text, 5))
        shared = [len(ours & theirs) for theirs in sets]
        jaccard = [count / len(ours | theirs) for count, theirs in zip(shared, sets, strict=True)]
        contained = [count / min(len(ours), len(theirs)) for count, theirs in zip(shared, sets, strict=True)]
        best = max(range(10), key=lambda number: jaccard[number])
        if jaccard[best] >= 0.8 or contained[best] >= 0.9:
            assert row["matched_id"] == f"h{best}"
            assert (row["jaccard"], row["containment"]) == pytest.approx((jaccard[best], contained[best]))
        else:
            assert row["match"] == "none"


def test_what_has_the_same_words_in_another_order_or_is_new_matches_nothing(held: Registry) -> None:
    shuffled = prose(1)
    random.Random(0).shuffle(shuffled)
    for row in look_up(held, said(shuffled), said(prose(77)), "!!!", "three little words"):
        assert (row["match"], row["matches"], row["origin"], row["sayings"], row["others"]) == ("none", 0, None, [], [])


def test_texts_without_shingles_or_of_one_are_found_where_they_are_the_same(corpus: Registry) -> None:
    corpus.add([{"id": "none", "text": "…?!"}, {"id": "one", "text": "two words"}], HUMAN)
    found = look_up(corpus, "…?!", "two words", "Two WORDS!", "…?")
    assert [(row["match"], row["matched_id"]) for row in found] == [
        ("exact", "none"),
        ("exact", "one"),
        ("near", "one"),
        ("none", None),
    ]


def test_chinese_is_found_though_it_has_no_spaces(held: Registry) -> None:
    whole, part = look_up(held, CHINESE.replace("崩溃", "崩坏"), CHINESE[:40])
    assert (whole["matched_id"], part["matched_id"], part["how"]) == ("zh", "zh", "copies part")


def test_empty_texts_are_counted_as_such_and_digests_are_those_of_the_texts(held: Registry) -> None:
    found = look_up(held, "", None, said(prose(1)))
    assert [row["match"] for row in found] == ["empty", "empty", "exact"]
    assert [row["digest"] for row in found] == [None, None, text_digest(said(prose(1))).hex()]


def test_an_empty_registry_and_no_rows_at_all_are_answered(corpus: Registry) -> None:
    assert [row["match"] for row in look_up(corpus, said(prose(1)), "")] == ["none", "empty"]
    assert [table.num_rows for table in corpus.lookup_rows([], EITHER)] == [0]


# -- whose it is


def test_of_several_documents_the_human_one_is_named_and_all_are_told(held: Registry) -> None:
    held.add([{"id": "again", "text": said(prose(1))}], MODEL)
    held.add([{"id": "unknown", "text": said(prose(1))}], Declared(origin=Origin.UNKNOWN, source="found"))
    held.add([{"id": "other", "text": said(prose(100))}], MODEL.model_copy(update={"generation": 1, "generator": "a"}))
    human, model = look_up(held, said(prose(1)), said(edited(prose(100))))
    assert (human["matched_id"], human["origin"]) == ("h1", "human")
    assert [(row["origin"], row["id"]) for row in human["sayings"]] == [
        ("human", "h1"),
        ("model", "again"),
        ("unknown", "unknown"),
    ]
    assert human["origins"] == ["human", "model", "unknown"]
    assert (model["matched_id"], model["generation"], model["generator"]) == ("other", 1, "a")
    assert [row["generation"] for row in model["sayings"]] == [1, 2]


def test_a_model_text_and_the_human_original_that_both_match_are_both_told(held: Registry) -> None:
    held.add([{"id": "copy", "text": said(edited(prose(1)))}], MODEL)
    found = look_up(held, said(edited(prose(1))))[0]
    assert (found["match"], found["matched_id"], found["origin"], found["matches"]) == ("exact", "copy", "model", 2)
    assert [(row["id"], row["origin"], row["is_exact"]) for row in found["others"]] == [("h1", "human", False)]
    summary = Summary()
    summary.add(next(held.lookup_rows([{"text": said(edited(prose(1)))}], EITHER)))
    assert (summary.human, summary.model, summary.exact, summary.near) == (1, 1, 1, 0)


def test_a_match_that_is_held_out_is_told_even_where_another_is_better(held: Registry) -> None:
    held.add([{"id": "near", "text": said(edited(prose(1), 2))}], HUMAN)
    held.hold_out("test", where="id = 'h1'")
    found = look_up(held, said(edited(prose(1), 2)), said(prose(1)), said(prose(2)))
    assert [row["held_out"] for row in found] == [["test"], ["test"], []]
    assert (found[0]["matched_id"], [row["id"] for row in found[0]["others"]]) == ("near", ["h1"])


def test_an_erased_text_is_still_known_by_its_digest(held: Registry) -> None:
    held.withdraw("h1", reason="asked", erase=True)
    same, near = look_up(held, said(prose(1)), said(edited(prose(1))))
    assert (same["match"], same["matched_id"], near["match"]) == ("exact", "h1", "none")


# -- how it is asked


def test_without_fingerprints_the_same_texts_are_found_and_near_ones_refused(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "plain.prov", fingerprint=None) as plain:
        plain.add([{"id": "h1", "text": said(prose(1))}], HUMAN)
        found = look_up(plain, said(prose(1)), said(edited(prose(1))), near=None)
        assert [row["match"] for row in found] == ["exact", "none"]
        with pytest.raises(NoFingerprints):
            look_up(plain, said(prose(1)))
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": said(prose(1))}) + "\n")
    done = prov(plain, "lookup", str(tmp_path / "rows.jsonl"), "--json")
    assert (done.exit_code, json.loads(done.stdout)["exact"], json.loads(done.stdout)["measured"]) == (0, 1, None)
    assert "only the same texts are found, no near ones: this registry keeps no fingerprints" in done.stderr
    assert isinstance(prov(plain, "lookup", "-", "--measure", "either").exception, NoFingerprints)


def test_a_copy_without_texts_finds_the_same_texts_and_says_so(held: Registry, crawl: Path, tmp_path: Path) -> None:
    held.snapshot(tmp_path / "bare.prov", texts=False)
    with Registry.open(tmp_path / "bare.prov", read_only=True) as bare:
        done = prov(bare, "lookup", str(crawl), "--json")
    assert (json.loads(done.stdout)["exact"], json.loads(done.stdout)["near"]) == (1, 0)
    assert "is a copy made without its texts" in done.stderr


def test_a_measure_finds_what_it_measures(held: Registry) -> None:
    part, alike, half = said(prose(1)[:30]), said(prose(2)[:74], prose(52, 6)), said(prose(3)[:60], prose(53, 20))

    def matched(near: Nearness) -> list[str]:
        return [row["match"] for row in look_up(held, part, alike, half, near=near)]

    assert matched(Nearness(0.8, "jaccard")) == ["none", "near", "none"]
    assert matched(Nearness(0.8, "containment")) == ["near", "near", "none"]
    assert matched(Nearness(0.5, "jaccard")) == ["none", "near", "near"]
    assert matched(Nearness(0.99, "jaccard")) == ["none", "none", "none"]


def test_estimates_tell_of_no_containment(held: Registry) -> None:
    found = look_up(held, said(edited(prose(1))), near=Nearness(0.7, "jaccard", estimated=True))[0]
    assert (found["matched_id"], found["containment"], found["how"]) == ("h1", None, "resembles")
    assert found["jaccard"] == pytest.approx(0.88, abs=0.15)


def test_blocks_make_no_difference(held: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [said(edited(prose(n % 12))) for n in range(13)] + ["", said(prose(1)), said(prose(1))]
    whole = look_up(held, *texts)
    monkeypatch.setattr(lookup_module, "BLOCK_TEXTS", 7)
    assert look_up(held, *texts) == whole
    monkeypatch.setattr(lookup_module, "BLOCK_BYTES", 1_000)
    counted: list[int] = []
    assert look_up(held, *texts, progress=counted.append) == whole
    assert (sum(counted), len(counted)) == (len(texts), 8)


def test_what_is_looked_up_is_not_compared_with_itself(held: Registry) -> None:
    assert {row["match"] for row in look_up(held, said(prose(70)), said(edited(prose(70))), said(prose(70)))} == {
        "none"
    }


# -- files


def test_every_format_is_read_and_rows_have_the_ids_that_ingest_gives_them(held: Registry, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "text": said(prose(1))}, {"id": None, "text": said(prose(2))}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "rows.csv").write_text(f'id,text\na,"{rows[0]["text"]}"\n,"{rows[1]["text"]}"\n')
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    for name in ("rows.jsonl", "rows.jsonl.gz", "rows.csv", "rows.parquet"):
        found = pa.concat_tables(held.lookup([tmp_path / name], EITHER)).to_pylist()
        assert [(row["id"], row["matched_id"], row["input"]) for row in found] == [
            ("a", "h1", name),
            (f"{name}#2", "h2", name),
        ]
    (tmp_path / "rows.txt").write_text(f"{rows[0]['text']}\n\n{rows[1]['text']}\n")
    parts = pa.concat_tables(held.lookup([tmp_path / "rows.txt"], EITHER, split="paragraphs")).to_pylist()
    assert [row["matched_id"] for row in parts] == ["h1", "h2"]


def test_standard_input_and_columns_of_other_names_are_read(held: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"key": 7, "body": said(prose(1)), "text": 3}).encode() + b"\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line)))
    found = next(held.lookup(["-"], EITHER, columns=Columns("body", "key"))).to_pylist()
    assert [(row["id"], row["matched_id"]) for row in found] == [("7", "h1")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": 3}', "its text is of the type int"),
        ('{"body": "x"}', "there is no column 'text' but body: name the text's with --text-column"),
        ('{"text": "x"', "invalid JSON"),
        ('{"text": "\\ud800"}', "invalid UTF-8 in the text at character 1"),
        ('{"text": "x", "id": "\\ud800"}', "invalid UTF-8 in its id"),
    ],
)
def test_a_bad_row_is_told_with_its_place_and_can_be_counted_instead(
    held: Registry, tmp_path: Path, line: str, reason: str
) -> None:
    good = json.dumps({"text": said(prose(1))})
    (tmp_path / "rows.jsonl").write_text(f"{good}\n{line}\n{good}\n")
    with pytest.raises(BadRow, match=r"rows\.jsonl, line 2: ") as error:
        list(held.lookup([tmp_path / "rows.jsonl"], EITHER))
    assert reason in str(error.value)
    found = pa.concat_tables(held.lookup([tmp_path / "rows.jsonl"], EITHER, skip_bad=True)).to_pylist()
    assert [row["match"] for row in found] == ["exact", "bad", "exact"]
    assert reason in found[1]["fault"]
    done = prov(held, "lookup", str(tmp_path / "rows.jsonl"), "--skip-bad")
    assert (done.exit_code, "left out 1 bad rows, the first: rows.jsonl, line 2" in done.stderr) == (0, True)


def test_broken_files_and_columns_that_are_not_there_are_told(held: Registry, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 1000)[:-20])
    with pytest.raises(BrokenFile):
        list(held.lookup([tmp_path / "rows.jsonl.gz"], EITHER))
    (tmp_path / "rows.jsonl").write_text('{"text": "x", "name": "y"}\n')
    with pytest.raises(ProvError, match="no column 'key': the columns are name, text"):
        list(held.lookup([tmp_path / "rows.jsonl"], EITHER, columns=Columns(id="key")))
    with pytest.raises(ProvError, match="no file"):
        list(held.lookup([tmp_path / "none.jsonl"], EITHER))


# -- the command


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A file with a copy of a human text, a cut one, an edited one of the model, a new text and an empty one."""
    texts = [said(prose(1)), said(prose(2)[:50]), said(edited(prose(100))), said(prose(77)), ""]
    path = tmp_path / "crawl.jsonl"
    path.write_text("".join(json.dumps({"id": f"c{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    return path


def test_the_command_counts_by_origin_and_source_and_lists_the_first(held: Registry, crawl: Path) -> None:
    found = json.loads(prov(held, "lookup", str(crawl), "--json", "--limit", "2").stdout)
    sizes = [len(json.loads(line)["text"]) for line in crawl.read_text().splitlines()]
    assert {name: found[name] for name in ("texts", "bytes", "exact", "near", "unmatched", "empty", "bad")} == {
        "texts": 5,
        "bytes": sum(sizes),
        "exact": 1,
        "near": 2,
        "unmatched": 1,
        "empty": 1,
        "bad": 0,
    }
    assert found["origins"] == [
        {"origin": "human", "generation": 0, "generation_exact": True, "texts": 2, "exact": 1, "near": 1}
        | {"bytes": sizes[0] + sizes[1]},
        {"origin": "model", "generation": 2, "generation_exact": True, "texts": 1, "exact": 0, "near": 1}
        | {"bytes": sizes[2]},
    ]
    assert [(row["source"], row["generator"], row["texts"]) for row in found["sources"]] == [
        ("books", None, 2),
        ("crawl", "gpt", 1),
    ]
    assert [row["id"] for row in found["matches"]] == ["c0", "c1"]
    shown = prov(held, "lookup", str(crawl), "--limit", "2")
    assert "crawl.jsonl, line 2, c1: near, copies part h2 (" in shown.stdout
    assert "and 1 more matches" in shown.stderr


@pytest.mark.parametrize(
    ("lines", "fail_on", "code"),
    [
        ([0], "human", 3),
        ([0], "model", 0),
        ([2], "model", 3),
        ([2], "human", 0),
        ([1], "held-out", 3),
        ([0], "held-out", 0),
        ([0, 3], "any", 3),
        ([3, 4], "any", 0),
    ],
)
def test_a_finding_ends_with_3_where_it_is_to_fail(
    held: Registry, crawl: Path, lines: list[int], fail_on: str, code: int
) -> None:
    held.hold_out("test", where="id = 'h2'")
    chosen = "".join(crawl.read_text().splitlines(keepends=True)[line] for line in lines)
    crawl.write_text(chosen)
    assert prov(held, "lookup", str(crawl), "--fail-on", fail_on).exit_code == code


def test_a_parquet_file_has_a_row_for_each_text_and_the_registry_stays_as_it_was(
    held: Registry, crawl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.close()
    before = held.path.read_bytes()
    monkeypatch.setattr(lookup_module, "BLOCK_TEXTS", 2)
    assert prov(held, "lookup", str(crawl), "--parquet", str(tmp_path / "found.parquet")).exit_code == 0
    rows = pq.read_table(tmp_path / "found.parquet").to_pylist()
    assert [(row["id"], row["match"], row["matched_id"]) for row in rows] == [
        ("c0", "exact", "h1"),
        ("c1", "near", "h2"),
        ("c2", "near", "m0"),
        ("c3", "none", None),
        ("c4", "empty", None),
    ]
    done = prov(held, "lookup", str(crawl), "--parquet", str(held.path))
    assert isinstance(done.exception, ProvError)
    assert held.path.read_bytes() == before


@pytest.mark.parametrize("argument", ["found.parquet", "."])
def test_a_file_that_is_looked_up_is_not_written_over(held: Registry, tmp_path: Path, argument: str) -> None:
    folder = tmp_path / "crawls"
    folder.mkdir()
    pq.write_table(pa.table({"text": ["some text"]}), folder / "found.parquet")
    before = (folder / "found.parquet").read_bytes()
    done = prov(held, "lookup", str(folder / argument), "--parquet", str(folder / "found.parquet"))
    assert "is one of the files to read" in str(done.exception)
    assert (folder / "found.parquet").read_bytes() == before


def test_an_act_that_ends_early_leaves_no_parquet_file(held: Registry, crawl: Path, tmp_path: Path) -> None:
    crawl.write_text(crawl.read_text() + "no json\n")
    (tmp_path / "found.parquet").write_bytes(b"as it was")
    done = prov(held, "lookup", str(crawl), "--parquet", str(tmp_path / "found.parquet"))
    assert isinstance(done.exception, BadRow)
    assert (tmp_path / "found.parquet").read_bytes() == b"as it was"
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.prov", "crawl.jsonl", "found.parquet"}


@pytest.mark.parametrize(
    "options", [["--exact", "--threshold", "0.9"], ["--exact", "--verify", "text"], ["--parquet", "-"]]
)
def test_options_that_contradict_each_other_are_a_usage_error(held: Registry, crawl: Path, options: list[str]) -> None:
    assert prov(held, "lookup", str(crawl), *options).exit_code == 2


def test_estimates_of_containment_are_refused(held: Registry, crawl: Path) -> None:
    done = prov(held, "lookup", str(crawl), "--verify", "signature", "--measure", "either")
    assert isinstance(done.exception, ProvError)
