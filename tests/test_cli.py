"""Each command as a person types it: its output, its errors in one line, its exit code."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from running import Prov, entry_point

from provenance.cli import COMMANDS, GROUPS, cli
from provenance.console import Size
from registry import Declared, Registry
from registry.audit import KINDS


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """Run `prov` in a folder of its own, by its real entry point but without the start of a process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROV_DB", raising=False)
    return entry_point(monkeypatch, capfd)


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `filled`, made once; copy it, never open it for writing."""
    path = tmp_path_factory.mktemp("filled") / "corpus.prov"
    human = [{"id": f"h{n}", "text": f"a human wrote number {n}", "origin": "human", "lang": "en"} for n in range(50)]
    model = [
        {"id": f"m{n}", "text": f"a model wrote number {n}", "origin": "model", "generator": "gpt", "generation": 1}
        | {"prompt_of": f"h{n}"}
        for n in range(50)
    ]
    with Registry.create(path) as held:
        held.add([*human, *model], Declared(source="wiki"))
    return path


@pytest.fixture
def filled(filled_once: Path, prov: Prov, tmp_path: Path) -> Path:
    """A registry with 50 human and 50 model texts, at ./corpus.prov."""
    return Path(shutil.copy(filled_once, tmp_path / "corpus.prov"))


def commands(group: click.Group, path: str = "") -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands(command, f"{path}{name} ") if isinstance(command, click.Group) else [(path + name, command)]
    return found


def test_the_table_of_commands_is_what_there_is() -> None:
    assert [name for name, _ in commands(cli)] == list(COMMANDS)


@pytest.mark.parametrize(("name", "command"), commands(cli))
def test_each_command_says_what_it_does_and_shows_an_example(name: str, command: click.Command) -> None:
    assert command.help is not None
    assert f"Example:  prov {name}" in command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_a_usage_error(prov: Prov, name: str) -> None:
    assert "no such option" in prov(*name.split(), "--nonsense", code=2).stderr.lower()


def test_an_unknown_command_lists_the_known(prov: Prov) -> None:
    assert "there is init, ingest" in prov("mixx", code=2).stderr


NEEDS_REGISTRY = [
    ["ingest", "rows.jsonl"],
    ["record", "model", "m"],
    ["record", "run", "--model", "m"],
    ["declare", "--where", "bytes > 1", "--origin", "human", "--by", "me"],
    ["annotate", "rows.jsonl"],
    ["merge", "other.prov"],
    ["snapshot", "out.prov"],
    ["tokenize"],
    ["show", "x"],
    ["ls", "mixes"],
    ["stats"],
    ["sql", "SELECT 1"],
    ["mix", "--real-frac", "0.1"],
    ["export", "abcd"],
    ["diff", "abcd", "abce"],
    ["hold-out", "--frac", "0.1", "--name", "test"],
    ["withdraw", "x", "--reason", "asked"],
    ["verify"],
    ["migrate"],
    ["audit", "contamination"],
    ["audit", "composition"],
    ["audit", "lineage", "x"],
    ["audit", "descendants", "x"],
    ["audit", "exposure", "x"],
    ["audit", "impact", "x"],
    ["audit", "conflicts"],
    ["audit", "licenses", "abcd"],
    ["audit", "stale"],
    ["lookup", "rows.jsonl"],
    ["fingerprint", "status"],
    ["fingerprint", "rebuild"],
    ["dedup"],
    ["attribute"],
    ["detect"],
    ["blind", "-o", "b.prov", "--key-file", "k"],
    ["score", "--truth", "t", "--key-file", "k"],
    ["train", "abcd", "-o", "model"],
    ["generate", "m"],
]


def test_each_command_that_needs_a_registry_is_tried_without_one() -> None:
    tried = {" ".join(arguments[: 1 + (arguments[0] in GROUPS)]) for arguments in NEEDS_REGISTRY}
    keys = {name for name in COMMANDS if name.startswith("keys ")}
    assert tried == set(COMMANDS) - {"init", "simulate", "report"} - keys


@pytest.mark.parametrize("arguments", NEEDS_REGISTRY, ids=" ".join)
def test_without_a_registry_one_line_says_how_to_make_one(prov: Prov, arguments: list[str]) -> None:
    done = prov(*arguments, code=1)
    assert re.fullmatch(r"prov: no registry at corpus\.prov: make one with `prov init corpus\.prov`.*\n", done.stderr)
    assert done.stdout == ""


def test_the_registry_is_named_before_the_command_after_it_or_by_the_environment(
    prov: Prov, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prov("--registry", "a.prov", "init")
    prov("init", "--registry", "b.prov")
    monkeypatch.setenv("PROV_DB", "c.prov")
    prov("init")
    prov("init", "d.prov")
    prov("--registry", "a.prov", "stats", "--registry", "none.prov", code=1)
    assert {path.name for path in tmp_path.iterdir()} == {"a.prov", "b.prov", "c.prov", "d.prov"}


def test_the_command_is_installed_as_prov_and_runs_as_a_module(tmp_path: Path) -> None:
    for command in ([Path(sys.executable).with_name("prov")], [sys.executable, "-m", "provenance"]):
        done = subprocess.run([*command, "stats"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("prov: no registry at")


def test_init_refuses_what_is_there(prov: Prov) -> None:
    prov("init", "r.prov")
    assert "exists already" in prov("init", "r.prov", code=1).stderr


def test_init_with_a_bad_tokenizer_makes_nothing(prov: Prov, tmp_path: Path) -> None:
    assert "no tokenizer file" in prov("init", "--tokenizer", "none.json", code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_ingest_reads_standard_input(prov: Prov) -> None:
    prov("init")
    done = prov("ingest", "-", "--origin", "human", "--json", stdin='{"text": "from a pipe"}\n')
    assert json.loads(done.stdout)["added"] == 1
    shown = json.loads(prov("ls", "documents", "--json").stdout)
    assert shown[0]["item"] == "-#1"


def test_ingest_names_file_line_and_reason_of_a_bad_row(prov: Prov, tmp_path: Path) -> None:
    prov("init")
    (tmp_path / "rows.jsonl").write_text('{"text": "good"}\n{"text": 5}\n')
    done = prov("ingest", "rows.jsonl", code=1)
    assert done.stderr.startswith("prov: rows.jsonl, line 2: its text is a number, wanted a string;")
    assert json.loads(prov("stats", "--json").stdout)["documents"] == 0


def test_skip_bad_keeps_the_good_rows_and_writes_the_bad_ones_down(prov: Prov, tmp_path: Path) -> None:
    prov("init")
    (tmp_path / "rows.jsonl").write_text('{"text": "good"}\n{"text": ""}\nnot json\n')
    done = prov("ingest", "rows.jsonl", "--skip-bad", "--json")
    assert {name: json.loads(done.stdout)[name] for name in ("read", "added", "rejected")} == {
        "read": 3,
        "added": 1,
        "rejected": 2,
    }
    rejected = [json.loads(line) for line in (tmp_path / "corpus.prov.rejected.jsonl").read_text().splitlines()]
    assert [(row["file"], row["place"]) for row in rejected] == [("rows.jsonl", "line 2"), ("rows.jsonl", "line 3")]
    assert all(row["reason"] for row in rejected)


def test_ingest_says_which_column_may_hold_the_text(prov: Prov, tmp_path: Path) -> None:
    prov("init")
    jsonl(tmp_path / "rows.jsonl", [{"body": "the text"}])
    assert "name the text's with --text-column" in prov("ingest", "rows.jsonl", code=1).stderr
    assert "1 added" in prov("ingest", "rows.jsonl", "--text-column", "body").stdout
    assert (
        "no column 'boddy'"
        in prov("ingest", "rows.jsonl", "--id-column", "boddy", "--text-column", "body", code=1).stderr
    )


def test_url_without_a_source_is_a_usage_error(prov: Prov) -> None:
    assert "--source" in prov("ingest", "x.jsonl", "--url", "https://example.org", code=2).stderr


def test_a_dry_run_of_ingest_keeps_nothing(prov: Prov, tmp_path: Path) -> None:
    prov("init")
    jsonl(tmp_path / "rows.jsonl", [{"text": "one"}])
    assert "1 would be added" in prov("ingest", "rows.jsonl", "--dry-run").stdout
    assert json.loads(prov("stats", "--json").stdout)["documents"] == 0


def test_mix_prints_the_json_that_others_read(prov: Prov, filled: Path) -> None:
    mix = json.loads(prov("mix", "--real-frac", "0.1", "--docs", "40", "--seed", "7", "--json").stdout)
    assert mix["digest"].startswith(mix["mix"])
    assert (mix["seed"], mix["unit"], mix["output"]) == (7, "documents", None)
    assert mix["requested"] == {"real_frac": 0.1, "size": 40}
    assert mix["achieved"]["documents"] == 40
    assert mix["achieved"]["real_frac"] == 0.1
    assert [(row["origin"], row["generation"], row["documents"]) for row in mix["achieved"]["strata"]] == [
        ("human", 0, 4),
        ("model", 1, 36),
    ]
    assert mix["excluded"] == dict.fromkeys(
        ["unknown", "unattributed", "mixed", "withdrawn", "held_out", "license", "license_unknown", "duplicate"], 0
    )


def test_a_mix_that_cannot_be_had_writes_nothing_and_names_the_most(prov: Prov, filled: Path, tmp_path: Path) -> None:
    done = prov("mix", "--real-frac", "0.1", "--docs", "1K", "-o", "mix.parquet", code=1)
    assert "holds 50" in done.stderr
    assert "--docs 56" in done.stderr
    assert not (tmp_path / "mix.parquet").exists()
    assert json.loads(prov("ls", "mixes", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "exactly one of --real-frac, --ratio and --spec"),
        (["--real-frac", "0.1", "--ratio", "human=1"], "exactly one"),
        (["--real-frac", "0.1", "--docs", "5", "--bytes", "1K"], "at most one of --docs"),
        (["--real-frac", "1.5"], "0<=x<=1"),
        (["--real-frac", "0.1", "--docs", "five"], "wanted a whole number"),
    ],
)
def test_contradictory_options_of_mix_are_usage_errors(prov: Prov, arguments: list[str], words: str) -> None:
    assert words in prov("mix", *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ratio", "human=0.5,gen1=0.4"], "they must sum to 1"),
        (["--ratio", "humans=1"], "wanted human, model"),
        (["--ratio", "human"], "wanted NAME=SHARE"),
        (["--real-frac", "0.1", "--where", "licence = 'mit'"], "no field licence: use one of bytes"),
        (["--real-frac", "0.1", "--where", "bytes >"], "the filter wants"),
        (["--real-frac", "0.1", "--tokens", "100"], "no tokenizer"),
        (["--spec", "none.yaml"], "no spec file"),
        (["--real-frac", "0.1", "-o", "nowhere/mix.parquet"], "no folder nowhere"),
        (["--real-frac", "0.1", "-o", "mix.docx"], "no known format"),
    ],
)
def test_a_mix_that_makes_no_sense_is_told_so_in_one_line(
    prov: Prov, filled: Path, arguments: list[str], words: str
) -> None:
    done = prov("mix", *arguments, code=1)
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(prov("ls", "mixes", "--json").stdout) == []


def test_a_spec_file_is_the_mix_that_json_printed(prov: Prov, filled: Path, tmp_path: Path) -> None:
    first = json.loads(
        prov("mix", "--real-frac", "0.2", "--docs", "20", "--where", "lang IS NULL OR lang = 'en'", "--json").stdout
    )
    (tmp_path / "mix.json").write_text(json.dumps(first["spec"]))
    second = json.loads(prov("mix", "--spec", "mix.json", "--json").stdout)
    assert second["digest"] == first["digest"]
    assert "--spec says it all" in prov("mix", "--spec", "mix.json", "--docs", "5", code=2).stderr


def test_an_unknown_field_in_a_spec_lists_the_known(prov: Prov, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text("strata: [{where: \"origin = 'human'\", share: 1}]\nsizes: 5\n")
    done = prov("mix", "--spec", "mix.yaml", code=1)
    assert "sizes" in done.stderr
    assert "there is strata, size, unit" in done.stderr


def test_a_dry_run_of_mix_works_while_nobody_may_write(prov: Prov, filled: Path) -> None:
    before = filled.read_bytes()
    dry = json.loads(prov("mix", "--real-frac", "0.1", "--dry-run", "--json").stdout)
    assert filled.read_bytes() == before
    wet = json.loads(prov("mix", "--real-frac", "0.1", "--json").stdout)
    assert (dry["digest"], dry["recorded"], wet["recorded"]) == (wet["digest"], False, True)


def test_the_loop_closes_through_recorded_models_and_runs(prov: Prov, filled: Path, tmp_path: Path) -> None:
    mix = json.loads(prov("mix", "--ratio", "human=0.5,gen1=0.5", "--docs", "20", "--json").stdout)["mix"]
    assert prov("record", "model", "tiny", "--mix", mix).stdout.strip()
    run = prov("record", "run", "--model", "tiny", "--spec", '{"temperature": 1}', "--seed", "3").stdout.strip()
    jsonl(tmp_path / "written.jsonl", [{"text": "what tiny wrote"}])
    prov("ingest", "written.jsonl", "--run", run)
    shown = json.loads(prov("show", "written.jsonl#1", "--json").stdout)[0]
    assert (shown["origin"], shown["generation"], shown["generator"]) == ("model", 2, "tiny")
    chain = prov("audit", "lineage", "written.jsonl#1").stdout
    assert f"trained on mix {mix}: 20 documents" in chain
    assert "human source wiki: 10 documents" in chain
    streamed = prov("audit", "lineage", "written.jsonl#1", "--all").stdout.splitlines()
    assert len(streamed) >= 10
    assert all(json.loads(line)["item"].startswith("h") for line in streamed)


def test_what_is_learnt_late_reaches_mixes_audits_and_filters(prov: Prov, filled: Path, tmp_path: Path) -> None:
    mix = json.loads(prov("mix", "--real-frac", "0.5", "--json").stdout)["mix"]
    assert prov("audit", "stale", "--fail-on", "stale").stdout == "every mix is made of what it was when drawn\n"
    said = ["--origin", "model", "--generator", "gpt", "--generation", "1", "--by", "ann", "--evidence", "a log"]
    ids = "".join(f"h{n}\n" for n in range(10))
    assert prov("declare", "--ids", "-", *said, "--dry-run", stdin=ids).stdout.startswith("10 documents: 10 would be")
    declared = prov("declare", "--ids", "-", *said, stdin=ids)
    assert (declared.stdout, "prov audit stale" in declared.stderr) == ("10 documents: 10 declared anew\n", True)
    assert json.loads(prov("declare", "--ids", "-", *said, "--json", stdin=ids).stdout)["unchanged"] == 10
    stale = prov("audit", "stale", mix, "--fail-on", "any", code=3).stdout.splitlines()
    assert stale[0] == f"mix {mix}: real 50.00% → 40.00%"
    assert json.loads(prov("audit", "stale", "--json").stdout)["mixes"][0]["real_frac"] == {"before": 0.5, "after": 0.4}
    assert "a log" in prov("show", "h0").stdout
    rows = [{"id": f"{kind}{n}", "language": ["de", "en"][n % 2]} for kind in "hm" for n in range(50)]
    jsonl(tmp_path / "language.jsonl", rows)
    annotated = prov("annotate", "language.jsonl").stdout
    assert annotated.startswith("100 rows: 100 values added to 100 documents\nlanguage:")
    assert json.loads(prov("annotate", "language.jsonl", "--json").stdout)["unchanged"] == 100
    of_language = ["--ratio", "language:de=0.3,language:en=0.7", "--where", "language != 'it'"]
    drawn = prov("mix", *of_language, "--docs", "10", "--json")
    assert [stratum["documents"] for stratum in json.loads(drawn.stdout)["strata"]] == [3, 7]
    counted = json.loads(prov("audit", "composition", "--by", "language", "--json").stdout)
    assert [(row["language"], row["documents"]) for row in counted] == [("de", 50), ("en", 50)]
    assert "language" in prov("show", "h0").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["declare", "--origin", "human", "--by", "me"],
        ["declare", "--where", "bytes > 1", "--ids", "x", "--origin", "human", "--by", "me"],
        ["declare", "--where", "bytes > 1", "--by", "me"],
        ["declare", "--where", "bytes > 1", "--origin", "human"],
    ],
)
def test_a_declaration_needs_documents_something_said_and_somebody_who_says_it(
    prov: Prov, filled: Path, arguments: list[str]
) -> None:
    assert "Usage" in prov(*arguments, code=2).stderr


def test_unknown_names_list_what_there_is(prov: Prov, filled: Path) -> None:
    assert "no mix 'beef'" in prov("record", "model", "tiny", "--mix", "beef", code=1).stderr
    assert "no model 'gpd': there is gpt" in prov("record", "run", "--model", "gpd", code=1).stderr
    assert "no document 'h999': wanted one such as h0" in prov("audit", "lineage", "h999", code=1).stderr
    assert "no dimension 'colour'" in prov("audit", "composition", "--by", "colour", code=1).stderr


def test_export_writes_what_mix_drew(prov: Prov, filled: Path, tmp_path: Path) -> None:
    mix = json.loads(prov("mix", "--real-frac", "0.5", "--docs", "10", "--json", "-o", "mix.parquet").stdout)
    assert mix["output"] == "mix.parquet"
    texts = pq.read_table(tmp_path / "mix.parquet").column("text").to_pylist()
    lines = prov("export", mix["mix"], "--no-provenance").stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == texts


def test_export_writes_held_out_texts_in_place_of_a_mix(prov: Prov, filled: Path, tmp_path: Path) -> None:
    prov("hold-out", "--frac", "0.1", "--name", "test")
    rows = [json.loads(line) for line in prov("export", "--held-out", "test").stdout.splitlines()]
    assert [row["provenance"]["origin"] for row in rows] == ["human"] * 5
    assert (
        prov("export", "--held-out", "test", "-o", "test.parquet").stderr == "wrote 5 held-out texts to test.parquet\n"
    )
    assert pq.read_metadata(tmp_path / "test.parquet").metadata[b"prov.held_out"] == b"test"
    assert len(prov("export", "--held-out", "test", "--ids").stdout.splitlines()) == 5
    for wrong in (["export"], ["export", "abcd", "--held-out", "test"]):
        assert "exactly one of MIX and --held-out" in prov(*wrong, code=2).stderr


def test_diff_exits_3_where_mixes_differ(prov: Prov, filled: Path) -> None:
    one, other = (
        json.loads(prov("mix", "--real-frac", share, "--docs", "20", "--json").stdout)["mix"]
        for share in ("0.2", "0.4")
    )
    assert prov("diff", one, one).stdout == "the same mix\n"
    found = json.loads(prov("diff", one, other, "--json", code=3).stdout)
    assert [(row["origin"], row["after"] - row["before"]) for row in found["composition"]] == [
        ("human", 4),
        ("model", -4),
    ]


def test_composition_counts_by_what_is_asked(prov: Prov, filled: Path) -> None:
    rows = json.loads(prov("audit", "composition", "--by", "origin", "--json").stdout)
    assert [(row["origin"], row["documents"]) for row in rows] == [("human", 50), ("model", 50)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM document",
        "COPY document TO 'out.csv'",
        "SELECT * FROM read_csv('rows.jsonl')",
        "nonsense",
    ],
)
def test_sql_reads_the_registry_and_nothing_else(prov: Prov, filled: Path, tmp_path: Path, statement: str) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    done = prov("sql", statement, code=1)
    assert done.stderr.startswith("prov: DuckDB refuses")
    assert len(done.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == before


def test_sql_answers_as_table_json_csv_and_parquet(prov: Prov, filled: Path, tmp_path: Path) -> None:
    query = "SELECT origin, count(*) AS documents FROM document GROUP BY origin ORDER BY origin"
    assert json.loads(prov("sql", query, "--json").stdout) == [
        {"origin": "human", "documents": 50},
        {"origin": "model", "documents": 50},
    ]
    assert prov("sql", query, "--csv").stdout.splitlines() == ['"origin","documents"', '"human",50', '"model",50']
    prov("sql", query, "--parquet", "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 2
    assert "human" in prov("sql", query).stdout


def test_sql_spells_digests_in_hex_and_lists_as_json(prov: Prov, filled: Path) -> None:
    query = "SELECT digest, [1, 2] AS list FROM document ORDER BY rank LIMIT 1"
    with Registry.open(filled, read_only=True) as held:
        ((digest, _),) = held.connection.execute(query).fetchall()
    assert json.loads(prov("sql", query, "--json").stdout) == [{"digest": digest.hex(), "list": [1, 2]}]
    assert prov("sql", query, "--csv").stdout.splitlines() == ['"digest","list"', f'"{digest.hex()}","[1, 2]"']
    assert digest.hex() in prov("sql", query).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([" ; "], "there is no statement"),
        (["SELECT 1 AS a, 2 AS a"], "'a' names two columns"),
        (["SELECT INTERVAL 1 DAY AS a", "--csv"], "CSV cannot hold the answer"),
        (["SELECT 1", "--parquet", ""], "is no file that can be replaced"),
        (["SELECT 1", "--parquet", "/dev/null"], "is no file that can be replaced"),
        (["SELECT 1", "--parquet", "nowhere/out.parquet"], "no folder nowhere"),
        (["SELECT union_value(a := 1)", "--parquet", "there.parquet"], "what stood there before is as it was"),
        (["SELECT 1", "--parquet", "corpus.prov"], "is this very registry"),
    ],
)
def test_sql_that_cannot_be_answered_or_written_is_told_in_one_line_and_writes_nothing(
    prov: Prov, filled: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "there.parquet").write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = prov("sql", *arguments, code=1)
    assert words in done.stderr
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_argument_that_is_not_utf8_is_told_in_one_line(prov: Prov, filled: Path) -> None:
    before = filled.read_bytes()
    for command in (["hold-out", "--frac", "0.1", "--name", "\udcff"], ["snapshot", "\udcff.prov"]):
        assert "is not UTF-8" in prov(*command, code=1).stderr
    assert filled.read_bytes() == before


def test_an_empty_name_is_no_name_and_never_the_whole_registry(prov: Prov, filled: Path) -> None:
    """What an unset variable of a script gives."""
    before = filled.read_bytes()
    for command in (
        ["record", "model", "m", "--mix", ""],
        ["record", "model", "m", "--base", ""],
        ["audit", "composition", "--mix", ""],
        ["audit", "stale", ""],
        ["audit", "contamination", ""],
        ["declare", "--ids", "", "--origin", "human", "--by", "me"],
    ):
        assert prov(*command, code=1).stdout == ""
    assert filled.read_bytes() == before


def test_an_endless_name_is_told_by_its_beginning(prov: Prov, filled: Path) -> None:
    for command in (["show"], ["audit", "lineage"], ["diff", "a"]):
        assert len(prov(*command, "x" * 10_000, code=1).stderr) < 1_000


@pytest.mark.parametrize("command", [["ls", "documents"], ["audit", "conflicts"]])
def test_a_limit_beyond_all_there_can_be_is_a_usage_error(prov: Prov, filled: Path, command: list[str]) -> None:
    assert "is not in the range" in prov(*command, "--limit", "9" * 30, code=2).stderr


SPECS = [b"\xff\xfe\xfa", b"a: .nan", b"on: 2020-01-01", b"a: &x [*x]", b"1: 2", b'{"a": "\\ud800"}']
LONG_SPECS = [b"a: " + b"9" * 40, b"a: " + b"9" * 5_000, b"[" * 5_000]


@pytest.mark.parametrize("spec", [*SPECS, *LONG_SPECS], ids=range(9))
def test_a_spec_that_no_json_can_hold_is_told_in_one_line(
    prov: Prov, filled: Path, tmp_path: Path, spec: bytes
) -> None:
    (tmp_path / "spec.yaml").write_bytes(spec)
    before = filled.read_bytes()
    for command in (["record", "model", "m"], ["record", "run", "--model", "gpt"]):
        done = prov(*command, "--spec", "spec.yaml", code=1)
        assert len(done.stderr.splitlines()) == 1
        assert "JSON" in done.stderr
    assert filled.read_bytes() == before


def test_ls_lists_every_kind(prov: Prov, filled: Path) -> None:
    for kind in KINDS:
        prov("ls", kind)
        assert isinstance(json.loads(prov("ls", kind, "--all", "--json").stdout), list)


@pytest.mark.slow
def test_ctrl_c_leaves_the_registry_as_it_was(prov: Prov, tmp_path: Path) -> None:
    prov("init")
    jsonl(tmp_path / "rows.jsonl", [{"text": f"text {n}"} for n in range(300_000)])
    before = json.loads(prov("stats", "--json").stdout)
    process = subprocess.Popen(
        [sys.executable, "-m", "provenance", "ingest", "rows.jsonl"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=30)
    assert process.returncode == 130
    assert talk.splitlines()[-1].startswith("prov: interrupted")
    assert json.loads(prov("stats", "--json").stdout) == before


def test_a_reader_that_stops_early_is_no_error(filled: Path) -> None:
    command = f"{sys.executable} -m provenance --registry {filled} ls documents --all --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)  # noqa: S602
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("5K", 5_000),
        ("5M", 5_000_000),
        ("1GB", 10**9),
        ("1.5k", 1_500),
        ("2TB", 2 * 10**12),
        ("1_000", 1_000),
    ],
)
def test_sizes_are_powers_of_a_thousand(text: str, number: int) -> None:
    assert Size().convert(text, None, None) == number


@pytest.mark.parametrize("text", ["", "-1", "1.5", "five", "1X", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"size|whole number"):
        Size().convert(text, None, None)


@pytest.mark.slow
def test_the_done_line_of_a_person_who_copies_it(prov: Prov, tmp_path: Path) -> None:
    """The same digest twice, and when the files come in another order; another with another seed."""
    files = [
        str(
            jsonl(
                tmp_path / f"{name}.jsonl",
                [{"id": f"{name}-{n}", "text": f"{name} {n}", "origin": origin} for n in range(200)],
            )
        )
        for name, origin in (("human", "human"), ("model", "model"))
    ]
    digests = []
    for registry, order in (("a.prov", files), ("b.prov", files[::-1])):
        prov("init", registry)
        prov("--registry", registry, "ingest", *order)
        for seed in ("7", "7", "8"):
            done = prov("--registry", registry, "mix", "--real-frac", "0.1", "--docs", "100", "--seed", seed, "--json")
            digests.append(json.loads(done.stdout)["digest"])
    assert len({digests[0], digests[1], digests[3], digests[4]}) == 1
    assert digests[2] == digests[5] != digests[0]
    with Registry.open(tmp_path / "a.prov", read_only=True) as held:
        assert len(held.list("mixes")) == 2


# -- near-duplicates


@pytest.fixture
def doubled(prov: Prov, tmp_path: Path) -> Prov:
    """A registry of three human texts, and of a model's copy of the first with a word more."""
    words = "the ferry was late again so we counted gulls on the pier and ate what was left of the bread until dusk"
    rows = [
        {"id": "first", "text": words, "origin": "human", "source": "blog"},
        {"id": "other", "text": "nothing like it at all", "origin": "human", "source": "blog"},
        {"id": "third", "text": "and one more of its own kind", "origin": "human", "source": "blog"},
        {"id": "copy", "text": f"{words} came", "origin": "model", "generator": "gpt", "source": "crawl"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prov("init")
    prov("ingest", "rows.jsonl")
    return prov


def test_dedup_tells_each_member_and_who_survives(doubled: Prov) -> None:
    done = doubled("dedup", "--max-loss", "100%")
    assert "1 pairs of texts are near: human and model" in done.stdout
    assert "1 clusters of 2 documents: 1 would be left out, keeping human" in done.stdout
    assert "2 documents, the first survives by its origin:" in done.stdout
    survivor, copy = (line.split() for line in done.stdout.splitlines()[-2:])
    assert (survivor[:2], copy[:2]) == (["+", "first"], ["–", "copy"])


def test_dedup_spares_a_source_that_would_lose_too_much_and_says_so(doubled: Prov) -> None:
    done = doubled("dedup", "--max-loss", "20%")
    assert "source crawl would lose 1 of 1 documents (100.0%), more than 20%: it keeps them all" in done.stderr
    assert "0 would be left out" in done.stdout


def test_dedup_prints_json_and_writes_parquet(doubled: Prov, tmp_path: Path) -> None:
    done = doubled("dedup", "--max-loss", "1", "--json", "--parquet", "members.parquet")
    found = json.loads(done.stdout)
    assert (found["clusters"], found["duplicates"], found["near"]["measure"]) == (1, 1, "jaccard")
    table = pq.read_table(tmp_path / "members.parquet")
    assert table.column("id").to_pylist() == ["first", "copy"]
    assert table.column("survives").to_pylist() == [True, False]


def test_dedup_refuses_options_that_contradict_each_other(doubled: Prov) -> None:
    for options in (["--threshold", "0.5"], ["--measure", "either"], ["--verify", "signature"]):
        assert "--exact looks for the same texts alone" in doubled("dedup", "--exact", *options, code=2).stderr
    refused = doubled("dedup", "--parquet", "-", code=2)
    assert (refused.stdout, "--parquet names a file" in refused.stderr) == ("", True)


def test_dedup_says_that_what_loses_has_no_source_and_no_model(prov: Prov, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "the same"}\n{"id": "b", "text": "the same"}\n')
    prov("init")
    prov("ingest", "rows.jsonl", "--origin", "human")
    assert "what has no source would lose 1 of 2 documents (50.0%)" in prov("dedup", "--max-loss", "1").stdout
    assert "what has no source would lose 1 of 2 documents (50.0%), more than 20%" in prov("dedup").stderr


def test_dedup_never_writes_over_the_registry(doubled: Prov) -> None:
    doubled("dedup", "--parquet", "corpus.prov", code=1)
    doubled("verify")


@pytest.mark.parametrize("share", ["0.2.1", "120%", "-1", "nan", "x"])
def test_a_share_that_is_none_is_a_usage_error(doubled: Prov, share: str) -> None:
    assert (
        "is no share: wanted a number from 0 to 1, or percent such as 20%"
        in doubled("dedup", "--max-loss", share, code=2).stderr
    )


def test_a_mix_leaves_out_duplicates_and_says_how_many(doubled: Prov) -> None:
    arguments = ["mix", "--ratio", "source:blog=0.5,source:crawl=0.5", "--docs", "2"]
    refused = doubled(*arguments, "--dedup", "near", "--max-loss", "1", code=1).stderr
    assert "the registry holds 0 and leaves out 1 documents as duplicates" in refused
    done = doubled(*arguments, "--dedup", "near")
    assert "crawl would lose 1 of 1 documents as duplicates, more than --max-loss: it keeps them all" in done.stderr
    assert "--keep says what --dedup keeps" in doubled(*arguments, "--keep", "longest", code=2).stderr


def test_fingerprints_are_told_left_out_and_made_later(prov: Prov, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "some words of a text"}\n')
    prov("init", "--no-fingerprint")
    prov("ingest", "rows.jsonl", "--origin", "human")
    assert "keeps no fingerprints" in prov("fingerprint", "status").stderr
    assert "this registry keeps no fingerprints: make them with" in prov("dedup", code=1).stderr
    assert prov("dedup", "--exact").stdout.startswith("1 documents of 1 texts")
    assert prov("fingerprint", "rebuild", "--threshold", "70%").stdout.startswith("1 fingerprints made, of 128 perm")
    told = json.loads(prov("fingerprint", "status", "--json").stdout)
    assert (told["spec"]["threshold"], told["fingerprints"], told["missing"]) == (0.7, 1, 0)
    assert json.loads(prov("fingerprint", "rebuild", "--json").stdout)["fingerprints"] == 0


def test_a_registry_is_made_with_the_fingerprints_asked_for(prov: Prov) -> None:
    prov("init", "a.prov", "--threshold", "0.6", "--shingle", "3", "--permutations", "64")
    spec = json.loads(prov("--registry", "a.prov", "fingerprint", "status", "--json").stdout)["spec"]
    assert (spec["threshold"], spec["n"], spec["num_perm"]) == (0.6, 3, 64)
    assert (
        "--no-fingerprint leaves nothing to say"
        in prov("init", "b.prov", "--no-fingerprint", "--shingle", "3", code=2).stderr
    )
    assert "64 permutations of seed 1" in prov("--registry", "a.prov", "stats").stdout


def test_a_threshold_by_which_all_texts_are_near_is_refused_and_changes_nothing(prov: Prov, tmp_path: Path) -> None:
    assert "--threshold is 0" in prov("init", "a.prov", "--threshold", "0", code=2).stderr
    assert "leaves nothing to say" in prov("init", "a.prov", "--no-fingerprint", "--threshold", "0", code=2).stderr
    assert not (tmp_path / "a.prov").exists()
    prov("init")
    assert "--threshold is 0" in prov("fingerprint", "rebuild", "--threshold", "0%", code=2).stderr
    assert json.loads(prov("fingerprint", "status", "--json").stdout)["spec"]["threshold"] == 0.8
