"""What is near to a held-out text is kept out of mixes like it, whichever of the two came first."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.fingerprint import DEFAULT, MinHashSpec, shingles
from provenance.origin import Origin, text_digest
from registry import Declared, Export, MixSpec, Registry, Where, ratio
from registry import near_holdouts as near_holdouts_module
from registry.experiments import drawable, human_texts
from registry.mix import Shortfall
from registry.near_holdouts import rebuild
from registry.rules import AlreadyDrawn
from registry.verify import verify

HUMAN = Declared(origin=Origin.HUMAN, source="books")
TEST = Declared(origin=Origin.HUMAN, source="test")
ALL_HUMAN = MixSpec(strata=ratio("human=1"))
LENGTH = 100
"""Words of a passage."""


@cache
def words() -> list[str]:
    return " ".join(topics[name] for name in sorted(topics)).split()


def passage(number: int) -> str:
    """A text of a hundred words that no other passage has a part of."""
    return " ".join(words()[LENGTH * number : LENGTH * (number + 1)])


def truncated(text: str, length: int = 85) -> str:
    return " ".join(text.split()[:length])


def edited(text: str, place: int = 50) -> str:
    """The same text with another word at a place."""
    held = text.split()
    return " ".join([*held[:place], f"edited{place}", *held[place + 1 :]])


def row(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "text": text, **more}


def passages(*numbers: int) -> list[dict[str, Any]]:
    return [row(f"p{number}", passage(number)) for number in numbers]


def drawn(held: Registry, spec: MixSpec = ALL_HUMAN) -> set[str]:
    """The ids of all documents that a mix draws."""
    mix = held.mix(spec).mix
    return {line["provenance"]["item"] for batch in held.texts(mix) for line in batch.to_pylist()}


def likeness(one: str, other: str) -> tuple[float, float]:
    """Jaccard similarity and containment of two texts, by their true sets of shingles."""
    left, right = (set(shingles(text, DEFAULT.n)) for text in (one, other))
    shared = len(left & right)
    return shared / len(left | right), shared / min(len(left), len(right))


def by_id(name: str) -> Where:
    return Where.equals("id", name)


def noted(held: Registry) -> list[tuple[str, str]]:
    """Which texts are noted as near to which, by the ids of their documents."""
    statement = """
        SELECT one.item, other.item
        FROM near_holdout
        JOIN document AS one ON one.text_id = near_holdout.text_id
        JOIN document AS other ON other.text_id = near_id
        ORDER BY one.item"""
    return held.connection.execute(statement).fetchall()


@pytest.fixture
def held(corpus: Registry) -> Iterator[Registry]:
    """A registry of passages 0 to 9, which still holds after the test."""
    corpus.add(passages(*range(10)), HUMAN)
    yield corpus
    found = verify(corpus)
    assert (found.findings, found.notes) == ([], [])


@pytest.fixture
def exact(tmp_path: Path) -> Iterator[Registry]:
    """The same without fingerprints, and with a near copy of passage 1."""
    with Registry.create(tmp_path / "exact.prov", fingerprint=None) as made:
        made.add([*passages(*range(10)), row("copy", edited(passage(1)))], HUMAN)
        yield made
        assert verify(made).holds


# -- what is kept out


def test_a_truncated_and_a_lightly_edited_copy_that_come_later_are_in_no_mix(held: Registry) -> None:
    held.hold_out("test", where=by_id("p1"))
    late = [row("short", truncated(passage(1))), row("edited", edited(passage(1))), row("other", passage(20))]
    done = held.add([*late, row("again", passage(1))], HUMAN)
    assert (done.held_out, done.near_held_out) == (1, 2)
    assert drawn(held) == {f"p{n}" for n in range(10) if n != 1} | {"other"}
    assert held.add([row("edited again", edited(passage(1)))], HUMAN).near_held_out == 1
    assert "edited again" not in drawn(held)


def test_copies_that_were_there_before_are_barred_when_the_hold_out_is_made(held: Registry) -> None:
    held.add([row("short", truncated(passage(1))), row("edited", edited(passage(1)))], HUMAN)
    tried = held.hold_out("test", where=by_id("p1"), dry_run=True)
    assert (tried.near, noted(held)) == (2, [])
    found = held.hold_out("test", where=by_id("p1"))
    assert (found.added, found.documents, found.near) == (1, 1, 2)
    assert noted(held) == [("edited", "p1"), ("short", "p1")]
    assert drawn(held) == {f"p{n}" for n in range(10) if n != 1}
    assert held.mix(ALL_HUMAN, dry_run=True).excluded["held_out"] == 3


def test_what_comes_into_a_held_out_source_bars_what_is_near_to_it(held: Registry) -> None:
    held.add(passages(30), TEST)
    held.hold_out("test", source="test")
    held.add([row("exam", edited(passage(2))), row("twin", edited(passage(31)))], TEST)
    assert noted(held) == [("p2", "exam")]
    assert drawn(held) == {f"p{n}" for n in range(10) if n != 2}


def test_what_descends_from_a_near_copy_is_barred(held: Registry) -> None:
    held.add([row("copy", edited(passage(1)))], HUMAN)
    held.hold_out("test", where=by_id("p1"))
    quote = row("quote", "as it says elsewhere", parents=[{"id": "copy", "relation": "quote"}])
    far = row("far", "as one says who quotes", parents=[{"id": "quote", "relation": "paraphrase"}])
    held.add([quote, far], HUMAN)
    assert drawn(held) == {f"p{n}" for n in range(10) if n != 1}


def test_a_near_copy_of_every_one_is_found_however_many_are_alike(held: Registry) -> None:
    letters = [row(f"letter{n}", f"{passage(40)} {passage(41)} yours, {n}") for n in range(400)]
    held.add(letters, HUMAN)
    assert held.hold_out("test", where=by_id("letter200")).near == 399
    assert drawn(held) == {f"p{n}" for n in range(10)}


def test_a_text_is_noted_once_with_the_one_that_it_is_nearest_to(held: Registry) -> None:
    held.add([row("one", edited(passage(1), 20)), row("both", edited(edited(passage(1), 20), 99))], HUMAN)
    held.hold_out("test", where=Where.parse("id IN ('p1', 'one')"))
    assert noted(held) == [("both", "one")]
    assert held.hold_out("other", where=by_id("both")).near == 0
    assert [(row["name"], row["texts"], row["near"]) for row in held.contamination()["held_out"]] == [
        ("other", 1, 0),
        ("test", 2, 0),
    ]


def test_a_test_set_and_a_baseline_are_without_near_copies(held: Registry, tmp_path: Path) -> None:
    held.add([row("copy", edited(passage(1)))], HUMAN)
    held.add([row("model copy", edited(passage(1), 60))], Declared(origin=Origin.MODEL, generator="g", generation=1))
    held.hold_out("test", where=by_id("p1"))
    assert held.export_held_out("test", Export(tmp_path / "test.jsonl")) == 1
    assert set(human_texts(held)) == {passage(n) for n in range(10) if n != 1}
    assert drawable(held, "g") == 0


# -- what was drawn before


def test_a_drawn_near_copy_needs_force_and_is_told_with_its_mix_and_model(held: Registry) -> None:
    held.add([row("copy", edited(passage(1)))], Declared(origin=Origin.HUMAN, source="copies"))
    mix = held.mix(MixSpec(strata=ratio("source:copies=1"))).mix
    held.record_model("learner", mix=mix, seed=1)
    with pytest.raises(AlreadyDrawn, match=r"1 texts near to the 1 texts stand in 1 mixes already .* which learner le"):
        held.hold_out("test", where=by_id("p1"))
    assert noted(held) == []
    found = held.hold_out("test", where=by_id("p1"), force=True)
    assert (found.near, len(found.mixes), found.models) == (1, 1, ["learner"])
    told = held.contamination()
    assert [(line["names"], line["held_out"], line["near"], line["descended"]) for line in told["mixes"]] == [
        (["test"], 0, 1, 0)
    ]
    assert [line["model"] for line in told["models"]] == ["learner"]
    assert [(line["name"], line["near"]) for line in told["held_out"]] == [("test", 1)]
    run = held.record_run("learner", seed=1).digest.hex()
    held.add([row("written", "what it wrote")], run=run)
    with pytest.raises(Shortfall):
        held.mix(MixSpec(strata=ratio("model=1")))


def test_show_tells_of_a_near_copy_which_text_it_is_near_to_and_how(held: Registry) -> None:
    held.add([row("copy", edited(passage(1)))], HUMAN)
    held.hold_out("test", where=by_id("p1"))
    (rule,) = held.show("copy")[0]["rules"]
    jaccard, containment = likeness(passage(1), edited(passage(1)))
    assert (rule["rule"], rule["name"]) == ("near to held out", "test")
    near = text_digest(passage(1)).hex()[:12]
    assert rule["reason"] == f"like text {near}: Jaccard {jaccard:.3f}, containment {containment:.3f}"


# -- other registries, texts that return


@pytest.mark.parametrize("holds_rule", ["here", "there"])
def test_a_merged_hold_out_bars_near_copies_of_either_registry(held: Registry, tmp_path: Path, holds_rule: str) -> None:
    copies = [row("copy", edited(passage(1))), row("short", truncated(passage(1)))]
    with Registry.create(tmp_path / "other.prov") as other:
        other.add([*copies, *passages(*range(20, 25))] if holds_rule == "here" else passages(1), HUMAN)
        if holds_rule == "there":
            other.hold_out("test", where=by_id("p1"))
    if holds_rule == "here":
        held.hold_out("test", where=by_id("p1"))
    else:
        held.add(copies, HUMAN)
    held.merge(tmp_path / "other.prov")
    assert {name for name, _ in noted(held)} == {"copy", "short"}
    assert not {"p1", "copy", "short"} & drawn(held)
    head = held.head()
    held.merge(tmp_path / "other.prov")
    assert held.head() == head


def test_what_another_registry_noted_is_found_anew(held: Registry, tmp_path: Path) -> None:
    held.add([row("copy", edited(passage(1)))], HUMAN)
    held.hold_out("test", where=by_id("p1"))
    with Registry.create(tmp_path / "other.prov") as other:
        other.add(passages(2), HUMAN)
        other.merge(held.snapshot(tmp_path / "copy.prov").path)
        assert noted(other) == noted(held) == [("copy", "p1")]
        assert verify(other).holds


@pytest.mark.parametrize("returns", ["copy", "p1"])
def test_a_text_that_was_erased_and_comes_again_is_kept_out_or_keeps_out(held: Registry, returns: str) -> None:
    """Withdrawn is the document, so that another document may bring its text again."""
    if returns == "copy":
        held.add([row("copy", edited(passage(1)))], HUMAN)
        held.withdraw("copy", reason="asked", erase=True)
        held.hold_out("test", where=by_id("p1"))
        assert noted(held) == []
        held.add([row("copy back", edited(passage(1)))], HUMAN)
    else:
        held.hold_out("test", where=by_id("p1"))
        held.withdraw("p1", reason="asked", erase=True)
        held.add([row("copy back", edited(passage(1)))], HUMAN)
        assert noted(held) == []
        held.add([row("p1 back", passage(1))], HUMAN)
    assert "copy back" in {name for name, _ in noted(held)}
    assert not {"copy back", "p1 back"} & drawn(held)


def test_a_near_copy_that_is_erased_stays_noted(held: Registry) -> None:
    held.add([row("copy", edited(passage(1)))], HUMAN)
    held.hold_out("test", where=by_id("p1"))
    held.withdraw("copy", text=True, reason="asked", erase=True)
    held.withdraw("p1", text=True, reason="asked", erase=True)
    assert noted(held) == [("copy", "p1")]


# -- without fingerprints


def test_without_fingerprints_only_the_texts_themselves_are_kept_out_until_there_are_some(exact: Registry) -> None:
    assert exact.hold_out("test", where=by_id("p1")).near is None
    exact.add([row("late", truncated(passage(1)))], HUMAN)
    assert {"copy", "late"} < drawn(exact)
    assert exact.rebuild_fingerprints(DEFAULT) == 12
    assert noted(exact) == [("copy", "p1"), ("late", "p1")]
    assert not {"copy", "late"} & drawn(exact)
    assert [line["near"] for line in exact.contamination()["mixes"]] == [2]
    head = exact.head()
    exact.rebuild_fingerprints(DEFAULT, anew=True)
    assert exact.head() == head


def test_a_rebuild_that_was_stopped_before_it_looked_is_told_and_gone_on_with(
    exact: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact.hold_out("test", where=by_id("p1"))
    with monkeypatch.context() as patched:
        patched.setattr(near_holdouts_module, "find_nearest", _stop)
        with pytest.raises(KeyboardInterrupt):
            rebuild(exact, DEFAULT)
    assert "goes on" in verify(exact).notes[0].what
    assert exact.hold_out("other", where=by_id("p2"), dry_run=True).near is None
    assert exact.rebuild_fingerprints(DEFAULT) == 0
    assert noted(exact) == [("copy", "p1")]
    assert not verify(exact).notes


def _stop(*arguments: Any) -> bool:
    raise KeyboardInterrupt


@pytest.mark.parametrize("num_perm", [32, 64, 256])
def test_signatures_of_other_lengths_find_what_they_can(exact: Registry, num_perm: int) -> None:
    exact.rebuild_fingerprints(MinHashSpec(num_perm=num_perm))
    assert exact.hold_out("test", where=by_id("p1")).near == 1


def test_the_command_says_that_near_duplicates_were_not_looked_for(exact: Registry, tmp_path: Path) -> None:
    path = exact.snapshot(tmp_path / "copy.prov").path

    def hold_out(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "provenance", "hold-out", "--where", "id = 'p1'", "--name", "test"]
        return subprocess.run([*command, "--registry", str(path), *arguments], capture_output=True, text=True)

    dry = hold_out("--dry-run", "--json")
    assert json.loads(dry.stdout)["near"] is None
    done = hold_out("--dry-run")
    assert "near-duplicates were not looked for" in done.stderr
    assert "prov fingerprint rebuild" in done.stderr
    with Registry.open(path) as made:
        made.rebuild_fingerprints(DEFAULT)
    done = hold_out()
    assert (done.stdout, done.stderr) == (
        "1 texts held out as test, of 1 documents; 1 texts near to them are kept out too\n",
        "",
    )


# -- all of them


def is_near(one: str, other: str) -> bool:
    """Whether two texts are so near that a banding of 25 × 5 misses practically none."""
    alike, contained = likeness(one, other)
    return alike >= 0.95 or (contained >= 0.9 and alike >= 0.8)


@st.composite
def variants(draw: st.DrawFn) -> list[str]:
    """Texts of which many are truncated, edited or joined from a few passages."""
    made = []
    for _ in range(draw(st.integers(6, 24))):
        text = passage(draw(st.integers(50, 53)))
        match draw(st.sampled_from(["whole", "truncated", "edited", "joined", "upper"])):
            case "truncated":
                text = truncated(text, draw(st.integers(20, 99)))
            case "edited":
                for place in draw(st.lists(st.integers(0, 99), max_size=4)):
                    text = edited(text, place)
            case "joined":
                text = f"{text} {truncated(passage(54), draw(st.integers(1, 40)))}"
            case "upper":
                text = text.upper()
        made.append(text)
    return made


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=variants(), share=st.floats(0.1, 0.6), seed=st.integers(0, 2**32))
def test_no_mix_holds_what_brute_force_finds_to_be_near_to_a_held_out_text(
    empty: Path, tmp_path: Path, texts: list[str], share: float, seed: int
) -> None:
    order = np.random.default_rng(seed)
    with Registry.open(shutil.copy(empty, tmp_path / f"{order.random()}.prov")) as held:
        cut = int(order.integers(1, len(texts), endpoint=True))
        held.add([row(f"t{n}", text) for n, text in enumerate(texts[:cut])], HUMAN)
        held.add(passages(60, 61), HUMAN)
        test = {texts[n] for n in range(cut) if order.random() < share}
        names = [f"t{n}" for n in range(cut) if texts[n] in test]
        if names:
            held.hold_out("test", where=Where.parse(f"id IN ({', '.join(map(repr, names))})"))
        held.add([row(f"l{n}", text) for n, text in enumerate(texts[cut:])], HUMAN)
        held.mix(ALL_HUMAN)
        contents = held.connection.execute(
            "SELECT DISTINCT content FROM mix_document JOIN document USING (document_id) JOIN text USING (text_id)"
        ).fetchall()
        assert {passage(60), passage(61)} <= {content for (content,) in contents}
        assert not [(one, other) for (one,) in contents for other in test if is_near(one, other)]
        assert verify(held).holds
