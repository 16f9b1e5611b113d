"""Texts that arrive: which of them are near-duplicates is told with the act, and nothing else of it changes."""

import json
import random
from itertools import chain
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
from click.testing import CliRunner

from provenance.cli import cli
from provenance.origin import Origin
from registry import Declared, Registry
from registry import arrivals as arrivals_module
from registry.arrivals import Arrivals
from registry.fingerprints import NoFingerprints
from registry.ingest import Ingested

WORDS = sorted({word for topic in topics.values() for word in topic.split() if word.isalpha()})
HUMAN = Declared(origin=Origin.HUMAN, source="books")
MODEL = Declared(origin=Origin.MODEL, generator="gpt", source="crawl")


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
    """Human texts h0 … h4, and one of a model, m0."""
    corpus.add([{"id": f"h{n}", "text": said(prose(n))} for n in range(5)], HUMAN)
    corpus.add([{"id": "m0", "text": said(prose(100))}], MODEL)
    return corpus


def arrive(held: Registry, texts: dict[str, str], declared: Declared = MODEL, **options: Any) -> Arrivals:
    result = held.add([{"id": id, "text": text} for id, text in texts.items()], declared, near="report", **options)
    assert result.near
    return result.near


def told(found: Arrivals) -> set[tuple[str, str]]:
    return {(row["new"]["id"], row["near_to"]["id"]) for row in found.listed}


def test_new_texts_are_told_with_what_they_are_near_to_and_all_are_kept(held: Registry) -> None:
    texts = {
        "edited": said(edited(prose(1))),
        "part": said(prose(2)[:50]),
        "whole": said(prose(60, 20), prose(3), prose(61, 20)),
        "one": said(prose(70)),
        "other": said(edited(prose(70))),
        "new": said(prose(80)),
        "empty": "?!",
    }
    found = arrive(held, texts)
    assert told(found) - {("one", "other"), ("other", "one")} == {("edited", "h1"), ("part", "h2"), ("whole", "h3")}
    assert (found.texts, found.pairs, found.origins) == (7, 4, {("model", "human"): 3, ("model", "model"): 1})
    assert held.stats()["documents"] == 13
    for row in found.listed:
        for side in ("new", "near_to"):
            shown = held.show(row[side]["document"])[0]
            assert (shown["item"], shown["origin"]) == (row[side]["id"], row[side]["origin"])
            assert (shown["source"], shown["text_digest"]) == (row[side]["source"], row[side]["text"])
        assert row["jaccard"] >= 0.8 or row["containment"] >= 0.9
        assert row["both_new"] == (row["near_to"]["id"] in texts)


def test_what_was_held_before_is_not_told_again(held: Registry) -> None:
    arrive(held, {"edited": said(edited(prose(1)))})
    assert arrive(held, {"edited": said(edited(prose(1))), "new": said(prose(80))}) == Arrivals(texts=1)
    assert arrive(held, {"again": said(prose(1))}) == Arrivals()
    assert held.add([{"text": said(prose(81))}], HUMAN).near is None


def test_a_dry_run_tells_the_same_and_keeps_nothing(held: Registry) -> None:
    texts = {"edited": said(edited(prose(1))), "one": said(prose(70)), "other": said(edited(prose(70)))}
    head, before = held.head(), held.stats()
    dry = arrive(held, texts, dry_run=True)
    assert (held.head(), held.stats()) == (head, before)
    assert dry == arrive(held, texts)
    assert dry.pairs == 2


def test_bad_rows_that_are_left_out_are_near_to_nothing(held: Registry) -> None:
    rows = [
        {"id": "good", "text": said(edited(prose(1)))},
        {"id": "bad", "text": said(edited(prose(2))), "prompt_of": "nobody"},
    ]
    found = held.add(rows, MODEL, near="report", skip_bad=True)
    assert len(found.rejected) == 1
    assert found.near
    assert told(found.near) == {("good", "h1")}


def test_a_registry_without_fingerprints_refuses_before_it_reads(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "plain.prov", fingerprint=None) as plain:
        (tmp_path / "bad.jsonl").write_text("no json\n")
        with pytest.raises(NoFingerprints):
            plain.ingest([tmp_path / "bad.jsonl"], near="report")
        with pytest.raises(NoFingerprints):
            plain.add([{"text": "x"}], HUMAN, near="report")
        assert plain.stats()["documents"] == 0


def test_files_that_are_batches_of_their_own_are_added_up(held: Registry, tmp_path: Path) -> None:
    for name, text in (("a", edited(prose(1))), ("b", edited(prose(1), 2)), ("c", prose(80))):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": name, "text": said(text)}) + "\n")
    files = [tmp_path / f"{name}.jsonl" for name in "abc"]
    whole = held.ingest(files, MODEL, near="report", dry_run=True)
    parts = held.ingest(files, MODEL, near="report", commit_each_file=True)
    assert whole.near
    assert parts.near
    assert told(parts.near) == {("a", "h1"), ("b", "h1"), ("b", "a")}
    assert {frozenset(pair) for pair in told(whole.near)} == {frozenset(pair) for pair in told(parts.near)}
    assert (parts.near.pairs, parts.near.texts, parts.near.origins) == (3, 3, whole.near.origins)
    assert (Ingested() + Ingested()).near is None


def test_the_command_tells_the_first_pairs_and_json_a_limit_and_the_count(
    held: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"c{n}", "text": said(edited(prose(n))), "origin": "unknown"} for n in range(5)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    held.close()
    monkeypatch.setattr(arrivals_module, "MOST_LISTED", 3)
    command = ["--registry", str(held.path), "ingest", str(tmp_path / "rows.jsonl"), "--near", "report"]
    found = json.loads(CliRunner().invoke(cli, [*command, "--dry-run", "--json"]).stdout)
    assert (found["added"], found["dry_run"]) == (5, True)
    assert (found["near"]["pairs"], found["near"]["limit"], len(found["near"]["listed"])) == (5, 3, 3)
    assert found["near"]["origins"] == [{"origin": "unknown", "near_to": "human", "pairs": 5}]
    shown = CliRunner().invoke(cli, command)
    assert "5 pairs are near-duplicates, of 5 new texts" in shown.stdout
    assert "5 pairs: unknown, near to human" in shown.stdout
    assert "and 2 more pairs" in shown.stderr
