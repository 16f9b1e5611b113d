"""Detection: keys that are held are looked for in registries, files and on the way in; keys are written nowhere."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from provenance.detection import Seekers
from provenance.disguise import strip
from provenance.errors import ProvError
from provenance.keyring import Key, Keyring, Secret
from provenance.watermark import find_scheme
from registry import Registry
from registry.detect import detect_files, detection_rows

Say = Callable[[str, int, int], list[str]]
PROV = [sys.executable, "-m", "provenance"]


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyring with a key of kgw, mine, and one of synthid, theirs; a word `w5` is the token 5."""
    path = tmp_path_factory.mktemp("keys") / "keyring.json"
    vocabulary = {f"w{token}": token for token in range(512)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))  # noqa: S106
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    keyring = Keyring.open(path, environment={})
    digest = keyring.keep_tokenizer(words.to_str())
    for name, scheme in (("mine", "kgw"), ("theirs", "synthid")):
        secret = Secret(find_scheme(scheme, {}).draw_secret())
        keyring.add(Key.fresh(scheme, {}, digest, secret, "2026-01-01T00:00:00Z", name))
    return path


@pytest.fixture(scope="module")
def keyring(rings: Path) -> Keyring:
    return Keyring.open(rings, environment={})


@pytest.fixture(scope="module")
def say(keyring: Keyring, write: Any) -> Say:
    """Texts of so many words, marked by a key of that name, or by none."""
    rng = np.random.default_rng(0)

    def said(name: str, texts: int, length: int) -> list[str]:
        if name:
            key = keyring.find(name)
            tokens = write(find_scheme(key.scheme, key.parameters), key.secret.reveal(), texts, length, rng)
        else:
            tokens = rng.integers(0, 512, (texts, length)).tolist()
        return [" ".join(f"w{token}" for token in text) for text in tokens]

    return said


@pytest.fixture(scope="module")
def rows(say: Say) -> list[dict[str, Any]]:
    """30 marked texts of the model one, 100 human ones, 2 marked ones declared human, and a short one."""
    named: dict[str, tuple[dict[str, str], list[str]]] = {
        "marked": ({"origin": "model", "generator": "one"}, say("mine", 30, 100)),
        "human": ({"origin": "human"}, say("", 100, 100)),
        "false": ({"origin": "human"}, say("mine", 2, 100)),
        "short": ({"origin": "human"}, ["w1 w2"]),
    }
    return [
        {"id": f"{name}{number}", "text": text, **told}
        for name, (told, texts) in named.items()
        for number, text in enumerate(texts)
    ]


def prov(*arguments: str, ring: Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PROV_KEYRING": str(ring)}
    return subprocess.run([*PROV, *arguments], capture_output=True, text=True, env=environment, **options)


# -- in a registry


def test_marks_are_set_against_declarations(corpus: Registry, keyring: Keyring, rows: list[dict[str, Any]]) -> None:
    corpus.add(rows)
    sought = corpus.detect(Seekers.of(keyring))
    found = corpus.detections(rate=0.001)
    assert (sought.documents, found["documents"], found["too_short"]) == (133, 133, 1)
    told = {(row["origin"], row["generator"]): row["marked"] for row in found["origins"]}
    assert told[("model", "one")] == 30
    assert 2 <= told[("human", None)] <= 4
    finding = {row["id"]: row["finding"] for row in found["listed"]}
    assert {"false0", "false1"} <= set(finding)
    assert set(finding.values()) == {"human, but marked"}
    assert next(row["marked"] for row in found["keys"] if row["scheme"] == "kgw") >= 32
    assert found["share"]["low"] < 32 / 132 < found["share"]["high"]
    assert corpus.verify().holds


def test_only_what_is_new_is_scored(corpus: Registry, keyring: Keyring, rows: list[dict[str, Any]]) -> None:
    corpus.add(rows[:40])
    assert corpus.detect(Seekers.of(keyring, ["mine"])).documents == 40
    assert corpus.detect(Seekers.of(keyring, ["mine"])).documents == 0
    corpus.add(rows)
    batches = corpus.stats()["batches"]
    assert corpus.detect(Seekers.of(keyring, ["mine"])).documents == 93
    assert corpus.detect(Seekers.of(keyring)).documents == 133  # by the other key
    assert corpus.detect(Seekers.of(keyring)).documents == 0
    assert corpus.stats()["batches"] == batches + 2
    assert len(detection_rows(corpus)) == 2 * 133


def test_texts_that_come_in_are_looked_at_on_the_way(
    corpus: Registry, keyring: Keyring, tmp_path: Path, rows: Any
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = corpus.ingest([path], seekers=Seekers.of(keyring))
    assert (result.scored, result.added) == (133, 133)
    assert 32 <= result.marked <= 36
    assert corpus.stats()["batches"] == 1
    assert corpus.detect(Seekers.of(keyring)).documents == 0
    assert corpus.verify().holds


def test_a_prompt_is_left_out_of_the_score(corpus: Registry, keyring: Keyring, say: Say) -> None:
    [prompt], [continued] = say("", 1, 300), say("mine", 1, 60)
    corpus.add([{"id": "p", "text": prompt, "origin": "human"}])
    text = f"{prompt} {continued}"
    parent = {"id": "p", "relation": "prompt", "prefix_chars": len(prompt)}
    corpus.add([{"id": "c", "text": text, "origin": "model", "generator": "one", "parents": [parent]}])
    corpus.detect(Seekers.of(keyring, ["mine"]))
    scored = {row["id"]: row for row in detection_rows(corpus).to_pylist()}
    assert 55 <= scored["c"]["scored"] <= 60
    assert scored["c"]["p"] < 1e-6
    assert scored["p"]["p"] > 1e-3


def test_a_text_written_with_a_key_and_not_marked_is_told(corpus: Registry, keyring: Keyring, say: Say) -> None:
    key = keyring.find("mine").id
    corpus.record_model("one")
    run = corpus.record_run("one", {"watermark": {"key": key}}, 1)
    texts = [*say("mine", 3, 100), *say("", 3, 100)]
    corpus.add([{"id": str(number), "text": text} for number, text in enumerate(texts)], run=run.digest.hex())
    corpus.detect(Seekers.of(keyring))
    listed = corpus.detections()["listed"]
    assert {row["id"] for row in listed} <= {"3", "4", "5"}
    assert len(listed) >= 2
    assert {row["finding"] for row in listed} == {"written with a key, but not marked"}


def test_q_is_that_of_benjamini_and_hochberg(corpus: Registry, keyring: Keyring, rows: list[dict[str, Any]]) -> None:
    from provenance.watermark import false_discovery

    corpus.add(rows)
    corpus.detect(Seekers.of(keyring))
    table = detection_rows(corpus)
    p = np.array([np.nan if value is None else value for value in table.column("p").to_pylist()])
    q = np.array([np.nan if value is None else value for value in table.column("q").to_pylist()])
    assert np.allclose(q, false_discovery(p), equal_nan=True)


def test_a_dry_run_tells_the_same_and_keeps_nothing(rings: Path, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    with Registry.create(tmp_path / "r.prov") as held:
        held.add(rows)
        head = held.head()
    asked = ["detect", "--registry", "r.prov", "--json"]
    dry = prov(*asked, "--dry-run", "--parquet", "dry.parquet", ring=rings, cwd=tmp_path)
    with Registry.open(tmp_path / "r.prov", read_only=True) as held:
        assert held.head() == head
    wet = prov(*asked, "--parquet", "wet.parquet", ring=rings, cwd=tmp_path)
    assert json.loads(dry.stdout) == json.loads(wet.stdout) | {"dry_run": True}
    assert pq.read_table(tmp_path / "dry.parquet") == pq.read_table(tmp_path / "wet.parquet")


def test_a_killed_search_leaves_nothing(corpus: Registry, keyring: Keyring, rows: list[dict[str, Any]]) -> None:
    corpus.add(rows)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corpus.detect(Seekers.of(keyring), progress=stop)
    assert len(detection_rows(corpus)) == 0
    assert corpus.verify().holds


def test_disguised_documents_are_scored_again_without_their_disguises(
    corpus: Registry, keyring: Keyring, say: Say
) -> None:
    plain = say("mine", 2, 120)
    texts = [plain[0], plain[1].replace("w", "w\u200b")]
    corpus.add([{"id": str(number), "text": text, "origin": "model"} for number, text in enumerate(texts)])
    seekers = Seekers.of(keyring, ["mine"])
    assert corpus.detect(seekers).disguised == 1
    assert corpus.detections()["marked"] == 1
    assert corpus.detect(seekers, strip=True).documents == 1
    assert corpus.detections()["marked"] == 2
    head = corpus.head()
    corpus.detect(seekers, strip=True)
    corpus.detect(seekers)
    assert corpus.head() == head
    assert [row["verdict"] for row in detection_rows(corpus).to_pylist()] == ["marked", "marked"]
    assert corpus.verify().holds


# -- in files


def test_files_are_scored_without_a_registry(rings: Path, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "crawl.jsonl"
    path.write_text("".join(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in rows))
    written = tmp_path / "found.parquet"
    done = prov("detect", str(path), "--json", "--all", "--parquet", str(written), ring=rings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["documents"], found["too_short"]) == (133, 1)
    assert {row["id"] for row in found["listed"]} >= {f"marked{number}" for number in range(30)} | {"false0"}
    table = pq.read_table(written)
    assert len(table) == 2 * 133
    assert set(table.column("verdict").to_pylist()) == {"marked", "unmarked", "too short"}
    assert not list(tmp_path.glob("*.prov"))


def test_a_marked_passage_is_told_by_its_characters(keyring: Keyring, tmp_path: Path, say: Say) -> None:
    before, [marked], after = say("", 1, 600)[0], say("mine", 1, 150), say("", 1, 300)[0]
    path = tmp_path / "long.txt"
    path.write_text(f"{before} {marked} {after}")
    [row] = next(detect_files(Seekers.of(keyring, ["mine"]), [path])).to_pylist()
    assert row["verdict"] == "marked"
    assert abs(row["first_char"] - len(before)) < 200
    assert abs(row["last_char"] - len(before) - len(marked)) < 200


def test_disguised_characters_are_told_and_with_strip_ignored(keyring: Keyring, tmp_path: Path, say: Say) -> None:
    path = tmp_path / "disguised.txt"
    path.write_text(say("mine", 1, 120)[0].replace("w", "w\u200b"))
    seekers = Seekers.of(keyring, ["mine"])
    [plain] = next(detect_files(seekers, [path])).to_pylist()
    [stripped] = next(detect_files(seekers, [path], strip=True)).to_pylist()
    assert plain["disguises"] == stripped["disguises"] == 120
    assert plain["verdict"] != "marked"
    assert stripped["verdict"] == "marked"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["detect", "nosuch.jsonl"], "no file nosuch.jsonl"),
        (["detect", "--key", "yours", "in.jsonl"], "no key 'yours': there is"),
        (["detect", "--registry", "none.prov"], "no registry at none.prov"),
        (["detect", "in.jsonl"], "in.jsonl, line 2: invalid JSON"),
        (["detect", "in.jsonl", "--text-column", "body"], "there is no column 'body' but text"),
        (["detect", "in.jsonl", "--parquet", "in.jsonl"], "in.jsonl is one of the files to read"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(rings: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "w1 w2 w3 w4"}\n{"text": \n')
    done = prov(*arguments, ring=rings, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("prov: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_key_nothing_is_claimed(tmp_path: Path) -> None:
    done = prov("detect", "in.jsonl", ring=tmp_path / "none.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no key is held to look for" in done.stderr


def test_a_key_without_its_tokenizer_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    alone = Keyring.open(tmp_path / "alone.json", environment={})
    alone.add(keyring.find("mine"))
    with pytest.raises(ProvError, match=r"the tokenizer of key .* is not in the keyring"):
        Seekers.of(alone)


def test_a_human_text_that_is_marked_fails_a_check(rings: Path, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert prov("init", "r.prov", ring=rings, cwd=tmp_path).returncode == 0
    taken = prov("ingest", "in.jsonl", "--registry", "r.prov", "--json", ring=rings, cwd=tmp_path)
    assert json.loads(taken.stdout)["scored"] == 133
    done = prov("detect", "--registry", "r.prov", "--fail-on", "disagreements", ring=rings, cwd=tmp_path)
    assert done.returncode == 3
    assert "human, but marked" in done.stdout
    not_asked = prov("ingest", "in.jsonl", "--registry", "r.prov", "--no-detect", ring=tmp_path / "x", cwd=tmp_path)
    assert not_asked.returncode == 0


# -- secrets


def test_no_secret_is_written_or_said_anywhere(
    rings: Path, keyring: Keyring, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = ""
    for arguments in [
        ["init", "r.prov"],
        ["ingest", "in.jsonl"],
        ["detect", "--parquet", "found.parquet", "--json"],
        ["detect", "in.jsonl", "--parquet", "files.parquet", "--all"],
        ["mix", "--real-frac", "0.5", "--docs", "20", "-o", "mix.jsonl"],
        ["snapshot", "copy.prov"],
        ["snapshot", "folder"],
        ["sql", "SELECT * FROM watermark_key"],
        ["stats"],
        ["detect", "--key", "nokey"],
        ["keys", "list", "--json"],
    ]:
        named = [] if arguments[0] in ("init", "keys") else ["--registry", "r.prov"]
        done = prov(*arguments, *named, ring=rings, cwd=tmp_path)
        said += done.stdout + done.stderr
    assert (tmp_path / "mix.jsonl").exists()
    assert (tmp_path / "folder").is_dir()
    assert keyring.find("mine").id in said
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    held = keyring.keys()
    secrets = [number for key in held for number in key.secret.reveal()]
    assert len(secrets) == 11
    for number in secrets:
        for form in (str(number), f"{number:x}", f"{number:X}"):
            assert form not in said
            assert form.encode() not in written
        assert number.to_bytes(8, "little") not in written
        assert number.to_bytes(8, "big") not in written
    assert not [number for number in secrets if str(number) in repr(Seekers.of(keyring))]


# -- disguises


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("wa\u200bter\u200dmark", "watermark"),
        ("w\u0430t\u0435r", "water"),
        ("москва и вода", "москва и вода"),
        ("नमस्\u200dते", "नमस्\u200dते"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("ﷺ می\u200cخواهم", "ﷺ می\u200cخواهم"),
        ("soft\u00adhyphen\ufeff", "softhyphen"),
        ("Ｗide", "Wide"),
    ],
)
def test_disguises_are_stripped_and_scripts_left_alone(text: str, plain: str) -> None:
    found = strip(text)
    assert found.text == plain
    assert bool(found.disguises) == (text != plain)
    if found.places:
        assert len(found.places) == len(plain) + 1
        assert found.places == sorted(found.places)
