"""Near-duplicates: found as surely as the bands promise, judged by their texts, kept by the policy, drawn once."""

import random
import shutil
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.fingerprint import Bands, MinHashSpec, SpecMismatch, hash_shingles
from provenance.origin import Origin
from registry import Declared, MixSpec, Registry, real_frac
from registry import near as near_module
from registry.clusters import KEEPS, find_duplicates
from registry.dedup import members
from registry.fingerprints import NoFingerprints, wanted_sketcher
from registry.mix import Dedup
from registry.near import Nearness, containing, find_near, seek_among

WORDS = " ".join(topics.values()).split()
HUMAN = Declared(origin=Origin.HUMAN, source="books")


def prose(seed: int, length: int = 80) -> list[str]:
    """Words of a real text, of a place of its own."""
    start = random.Random(seed).randrange(len(WORDS) - length)
    return WORDS[start : start + length]


def invented(chance: random.Random, length: int) -> list[str]:
    """Words in an order that no other text has."""
    return [chance.choice(WORDS) for _ in range(length)]


def overlap(one: str, other: str) -> tuple[float, float]:
    """The true Jaccard similarity and containment of two texts."""
    a, b = (set(hash_shingles(text, 5).tolist()) for text in (one, other))
    shared = len(a & b)
    return shared / len(a | b), shared / min(len(a), len(b))


def rows_of(texts: Iterable[str], **fields: Any) -> list[dict[str, Any]]:
    return [{"id": f"d{number}", "text": text, **fields} for number, text in enumerate(texts)]


def all_texts(held: Registry) -> Any:
    return held.connection.sql("SELECT text_id FROM text")


def near_pairs(held: Registry, near: Nearness, **options: Any) -> dict[tuple[str, str], tuple[float, float]]:
    """The pairs found, by the ids of the first documents of their texts."""
    made = wanted_sketcher(held)
    seek_among(held, made, all_texts(held))
    find_near(held, made, near, **options)
    items = dict(held.connection.sql("SELECT text_id, min(item) FROM document GROUP BY text_id").fetchall())
    found = held.connection.sql("SELECT left_id, right_id, jaccard, containment FROM near").fetchall()
    return {(*sorted((items[a], items[b])),): (jaccard, held_in) for a, b, jaccard, held_in in found}


# -- found, and judged


def edited(chance: random.Random, words: list[str]) -> list[str]:
    """Words with a truncation, or some deletions, insertions or swaps."""
    words, count = list(words), chance.randrange(1, 6)
    kind = chance.choice(["truncate", "delete", "insert", "swap"])
    if kind == "truncate":
        return words[: len(words) - 3 * count]
    for _ in range(count):
        at = chance.randrange(len(words) - 1)
        if kind == "delete":
            del words[at]
        elif kind == "insert":
            words.insert(at, chance.choice(WORDS))
        else:
            words[at], words[at + 1] = words[at + 1], words[at]
    return words


def test_planted_near_duplicates_are_found_as_surely_as_the_s_curve_says_and_nothing_else_is(corpus: Registry) -> None:
    chance = random.Random(3)
    originals = [invented(chance, chance.randrange(60, 200)) for _ in range(700)]
    texts = [" ".join(words) for original in originals for words in (original, edited(chance, original))]
    corpus.add(rows_of(texts), HUMAN)
    made, threshold = wanted_sketcher(corpus), 0.8
    true = {tuple(sorted((f"d{n}", f"d{n + 1}"))): overlap(texts[n], texts[n + 1])[0] for n in range(0, len(texts), 2)}
    true = {pair: jaccard for pair, jaccard in true.items() if jaccard >= threshold}
    assert len(true) > 400
    found = near_pairs(corpus, Nearness(threshold))
    assert all(jaccard == pytest.approx(true[pair]) for pair, (jaccard, _) in found.items())  # precision is 1
    expected = np.mean([made.bands.recall(jaccard) for jaccard in true.values()])
    assert len(found) / len(true) >= expected - 0.02


def test_every_pair_of_a_few_texts_is_judged_as_brute_force_judges_it(corpus: Registry) -> None:
    chance = random.Random(5)
    originals = [invented(chance, 60) for _ in range(30)]
    texts = [" ".join(words) for original in originals for words in (original, original[:30], original[:55])]
    corpus.add(rows_of(texts), HUMAN)
    for near in (Nearness(0.8), Nearness(0.8, "containment"), Nearness(0.4, "either")):
        wanted = {}
        for (a, one), (b, other) in combinations(enumerate(texts), 2):
            jaccard, containment = overlap(one, other)
            is_near = {"jaccard": jaccard >= near.threshold, "containment": containment >= near.containment}
            if is_near.get(near.measure, any(is_near.values())):
                wanted[tuple(sorted((f"d{a}", f"d{b}")))] = (jaccard, containment)
        found = near_pairs(corpus, near, bands=Bands(128, 1))
        assert found.keys() == wanted.keys()
        assert all(found[pair] == pytest.approx(wanted[pair]) for pair in found)


def test_the_bands_that_the_registry_keeps_and_those_made_for_a_question_find_the_same(tmp_path: Path) -> None:
    chance = random.Random(7)
    originals = [invented(chance, 70) for _ in range(150)]
    texts = [" ".join(words) for original in originals for words in (original, edited(chance, original))]
    found = []
    for kept in (0.8, 0.6):
        with Registry.create(tmp_path / f"{kept}.prov", fingerprint=MinHashSpec(threshold=kept)) as held:
            held.add(rows_of(texts), HUMAN)
            found.append(near_pairs(held, Nearness(0.8)))
            assert (wanted_sketcher(held).bands == Nearness(0.8).bands(wanted_sketcher(held))) == (kept == 0.8)
    assert found[0] == found[1] != {}


def test_estimates_are_near_what_is_true(corpus: Registry) -> None:
    chance = random.Random(9)
    originals = [invented(chance, 80) for _ in range(60)]
    corpus.add(rows_of(" ".join(words) for o in originals for words in (o, edited(chance, o))), HUMAN)
    true, estimated = near_pairs(corpus, Nearness(0.6)), near_pairs(corpus, Nearness(0.6, estimated=True))
    both = true.keys() & estimated.keys()
    assert len(both) > 50
    assert np.mean([abs(true[pair][0] - estimated[pair][0]) for pair in both]) < 0.04


def test_estimates_count_no_pair_as_contained_or_not(corpus: Registry) -> None:
    text = " ".join(prose(3))
    corpus.add(rows_of([text, f"{text} more"]), HUMAN)
    (told,) = corpus.dedup(Nearness(0.8, estimated=True), max_loss=1.0)["pairs"]
    assert (told["alike"], told["contained"]) == (1, None)


def test_truncations_are_found_though_little_of_the_longer_text_is_in_them(corpus: Registry) -> None:
    chance = random.Random(11)
    originals = [invented(chance, 200) for _ in range(60)]
    corpus.add(rows_of(" ".join(words) for o in originals for words in (o, o[:80])), HUMAN)
    found = near_pairs(corpus, Nearness(0.8, "containment"))
    assert len(found) >= 58  # J = 0.39: all but surely found
    assert all(held_in == 1 for _, held_in in found.values())
    assert not near_pairs(corpus, Nearness(0.8))


def test_what_is_asked_for_is_met_with_all_and_the_others_not_with_each_other(corpus: Registry) -> None:
    chance = random.Random(13)
    text = invented(chance, 60)
    corpus.add(rows_of(" ".join([*text, "end", str(n)]) for n in range(6)), HUMAN)
    made = wanted_sketcher(corpus)
    asked = corpus.connection.sql("SELECT text_id FROM document WHERE item = 'd2'")
    assert seek_among(corpus, made, all_texts(corpus), asked) == (6, 1)
    find_near(corpus, made, Nearness(0.8))
    ((two,),) = asked.fetchall()
    pairs = corpus.connection.sql("SELECT left_id, right_id FROM near").fetchall()
    assert len(pairs) == 5
    assert all(two in pair for pair in pairs)


def test_crowds_of_one_key_are_not_compared_each_with_each_and_yet_make_one_cluster(
    corpus: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("FULL_BUCKET", 8), ("FIRSTS", 2), ("NEXTS", 1)):
        monkeypatch.setattr(near_module, name, few)
    text = invented(random.Random(15), 300)
    corpus.add(rows_of(" ".join([*text, str(n)]) for n in range(100)), HUMAN)
    found = corpus.dedup(Nearness(0.8), max_loss=1.0)
    assert found["candidates"] < 1000
    assert (found["clusters"], found["duplicates"]) == (1, 99)


# -- texts of all kinds


def test_rows_of_one_template_with_different_topics_are_not_merged(corpus: Registry) -> None:
    chance = random.Random(17)
    opener = invented(chance, 150)
    corpus.add(rows_of(" ".join(opener + invented(chance, 40)) for _ in range(500)), HUMAN)
    found = corpus.dedup(Nearness(0.8))
    assert overlap(*(corpus.show(f"d{n}")[0]["text"] for n in (0, 1)))[0] > 0.55
    assert found["duplicates"] < 5


def test_boilerplate_around_different_texts_makes_no_duplicates_and_around_one_text_does(corpus: Registry) -> None:
    chance = random.Random(19)
    head, foot, body = invented(chance, 30), invented(chance, 30), invented(chance, 200)
    different = [" ".join(head + invented(chance, 120) + foot) for _ in range(50)]
    same = [" ".join([*head, "page", str(n), *body, *foot]) for n in range(5)]
    corpus.add(rows_of(different + same), HUMAN)
    found = corpus.dedup(Nearness(0.8), max_loss=1.0)
    assert (found["clusters"], found["members"]) == (1, 5)


ALPHABETS = {
    "chinese": [chr(0x4E00 + n) for n in range(3000)],
    "japanese": [chr(0x3041 + n) for n in range(80)] + [chr(0x4E00 + n) for n in range(500)],
    "thai": [chr(0x0E01 + n) for n in range(46)],
    "hebrew": [" " * (n % 4 == 0) + chr(0x05D0 + n % 27) for n in range(108)],
    "arabic": [" " * (n % 4 == 0) + chr(0x0627 + n % 36) + "\u064e" * (n % 3 == 0) for n in range(144)],
}


@pytest.mark.parametrize("script", ALPHABETS)
def test_near_duplicates_are_found_in_every_script(corpus: Registry, script: str) -> None:
    chance = random.Random(script)
    texts = ["".join(chance.choice(ALPHABETS[script]) for _ in range(600)) for _ in range(30)]
    corpus.add(rows_of(texts + [text[: len(text) * 19 // 20] for text in texts[:10]]), HUMAN)
    found = near_pairs(corpus, Nearness(0.8))
    assert set(found) == {tuple(sorted((f"d{n}", f"d{30 + n}"))) for n in range(10)}


def test_emoji_part_words_and_make_none_and_texts_without_words_are_nobodys_duplicates(corpus: Registry) -> None:
    chance = random.Random(21)
    words = invented(chance, 60)
    texts = [" ".join(words), " 🎉 ".join(words), "🎉🎉🎉", "🎉🎉🎉🎉", "…", " ", "👩‍👩‍👧‍👦 👍🏽"]
    corpus.add(rows_of(texts), HUMAN)
    assert near_pairs(corpus, Nearness(0.8)) == {("d0", "d1"): (1.0, 1.0)}
    assert corpus.fingerprints()["without_words"] == 5


def test_short_texts_are_alike_only_where_their_words_are_the_same(corpus: Registry) -> None:
    corpus.add(rows_of(["yes, of course", "Yes - of course!", "yes of", "yes of course it is so"]), HUMAN)
    assert near_pairs(corpus, Nearness(0.8, "either")) == {("d0", "d1"): (1.0, 1.0)}


# -- clusters


def test_a_chain_of_small_steps_is_split_so_that_every_member_is_near_to_its_survivor(corpus: Registry) -> None:
    chance = random.Random(23)
    words = invented(chance, 400)
    steps = [" ".join(words[start : start + 200]) for start in range(0, 200, 10)]
    corpus.add(rows_of(steps), HUMAN)
    assert overlap(steps[0], steps[1])[0] > 0.8
    assert overlap(steps[0], steps[5])[0] < 0.8
    found = corpus.dedup(Nearness(0.8), max_loss=1.0, limit=None)
    assert found["clusters"] > 3
    texts = {f"d{number}": text for number, text in enumerate(steps)}
    for cluster in found["listed"]:
        survivor, *others = cluster["members"]
        assert survivor["survives"]
        for other in others:
            jaccard, _ = overlap(texts[survivor["id"]], texts[other["id"]])
            assert jaccard == pytest.approx(other["jaccard"])
            assert jaccard >= 0.8


WAYS: Mapping[str, str] = {"human": "person", "earliest": "old", "license": "free", "longest": "long"}


@pytest.mark.parametrize("keep", KEEPS)
def test_the_policy_says_who_survives_and_by_what(corpus: Registry, keep: Any) -> None:
    chance = random.Random(25)
    words = invented(chance, 80)
    versions = {
        "person": {"text": " ".join(words), "origin": "human", "created": "2024-01-01", "license": "CC-BY-NC-4.0"},
        "old": {"text": " ".join([*words, "a"]), "origin": "model", "created": "2001-01-01", "license": "CC-BY-NC-4.0"},
        "free": {"text": " ".join([*words, "b"]), "origin": "model", "created": "2024-01-01", "license": "CC0-1.0"},
        "long": {"text": " ".join([*words, "c", "d", "e"]), "origin": "model", "created": "2024-01-01"},
    }
    corpus.add([{"id": name, **row} for name, row in versions.items()])
    found = corpus.dedup(Nearness(0.8), keep=keep, max_loss=1.0)
    (cluster,) = found["listed"]
    assert [row["id"] for row in cluster["members"] if row["survives"]] == [WAYS[keep]]
    reasons = {"human": "origin", "earliest": "created", "license": "license", "longest": "words"}
    assert cluster["why"] == reasons[keep]


def test_a_text_stands_only_for_those_that_it_holds(corpus: Registry) -> None:
    words = invented(random.Random(27), 160)
    corpus.add([{"id": "short", "text": " ".join(words[:80]), "origin": "human"}])
    corpus.add([{"id": name, "text": " ".join(words[:80] + invented(random.Random(name), 80))} for name in ("a", "b")])
    by_origin = corpus.dedup(Nearness(0.8, "containment"), keep="human", max_loss=1.0)
    assert by_origin["near_pairs"] == 2
    assert by_origin["duplicates"] == 0  # the human text survives, and holds neither of the longer ones
    by_length = corpus.dedup(Nearness(0.8, "containment"), keep="longest", max_loss=1.0)
    assert by_length["duplicates"] == 1
    assert [row["id"] for row in by_length["listed"][0]["members"] if row["duplicate"]] == ["short"]


def test_a_source_that_would_lose_too_much_is_told_and_loses_nothing(corpus: Registry) -> None:
    chance = random.Random(29)
    words = invented(chance, 100)
    crawl = [" ".join([*words, str(n)]) for n in range(8)] + [" ".join(invented(chance, 50)) for _ in range(8)]
    corpus.add(rows_of(crawl), Declared(origin=Origin.HUMAN, source="crawl"))
    corpus.add(rows_of([" ".join([*words, "x"])]), Declared(origin=Origin.UNKNOWN, source="copy"))
    found = corpus.dedup(Nearness(0.8), max_loss=0.2)
    sources = {row["name"]: row for row in found["sources"]}
    assert sources["crawl"] == {
        "name": "crawl", "is_source": True, "documents": 16, "duplicates": 7, "spared": True
    }  # fmt: skip
    assert sources["copy"]["spared"]
    assert found["duplicates"] == 0
    assert corpus.dedup(Nearness(0.8), max_loss=0.5)["duplicates"] == 7  # the copy would be gone as a whole


def test_documents_of_one_text_are_one_cluster_without_any_fingerprint(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "r.prov", fingerprint=None) as held:
        held.add([{"id": "h", "text": "one and the same", "origin": "human"}])
        held.add([{"id": "m", "text": "one and the same", "origin": "model", "generator": "gpt"}])
        found = held.dedup(None, max_loss=1.0)
        assert [(row["id"], row["survives"]) for row in found["listed"][0]["members"]] == [("h", True), ("m", False)]
        with pytest.raises(NoFingerprints):
            held.threshold()


def test_a_filter_says_among_which_documents_is_looked(corpus: Registry) -> None:
    words = " ".join(prose(1))
    for source in ("a", "b", "c"):
        corpus.add([{"id": source, "text": f"{words} {source}"}], Declared(origin=Origin.HUMAN, source=source))
    assert corpus.dedup(Nearness(0.8), where="source <> 'c'", max_loss=1.0)["members"] == 2


def test_the_members_are_told_whole_as_a_table(corpus: Registry) -> None:
    corpus.add(rows_of(["the same words in both of them"] * 2 + ["others"]), HUMAN)
    corpus.dedup(Nearness(0.8), max_loss=1.0, limit=0)
    table = members(corpus)
    assert table.column("id").to_pylist() == ["d0", "d1"] or table.column("id").to_pylist() == ["d1", "d0"]
    assert table.column("survives").to_pylist() == [True, False]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from(KEEPS), st.sampled_from(["jaccard", "containment", "either"]))
def test_whatever_there_is_each_duplicate_is_near_to_the_one_that_stands_for_it(
    empty: Path, tmp_path: Path, seed: int, keep: Any, measure: Any
) -> None:
    chance = random.Random(seed)
    texts = [invented(chance, chance.randrange(20, 60)) for _ in range(4)]
    for _ in range(25):
        texts.append(edited(chance, chance.choice(texts)) if chance.random() < 0.8 else list(chance.choice(texts)))
        texts[-1] = texts[-1] if len(texts[-1]) > 20 else invented(chance, 40)
    near = Nearness(0.8, measure)
    with Registry.open(shutil.copy(empty, tmp_path / f"{seed}.prov")) as held:
        told = [
            {"id": f"d{n}", "text": " ".join(words), "origin": chance.choice(["human", "model", "unknown"])}
            for n, words in enumerate(texts)
        ]
        held.add(told)
        found = held.dedup(near, keep=keep, max_loss=1.0, limit=None)
    by_id = {row["id"]: row["text"] for row in told}
    seen: list[str] = []
    for cluster in found["listed"]:
        survivor, *others = cluster["members"]
        seen += [row["id"] for row in cluster["members"]]
        assert [row["survives"] for row in cluster["members"]] == [True] + [False] * len(others)
        for other in others:
            jaccard, containment = overlap(by_id[survivor["id"]], by_id[other["id"]])
            alike, contained = jaccard >= 0.8, containment >= 0.9
            assert {"jaccard": alike, "containment": contained, "either": alike or contained}[measure]
    assert len(seen) == len(set(seen)) == found["members"]
    assert found["duplicates"] == found["members"] - found["clusters"]


# -- mixes


@pytest.fixture
def doubled(corpus: Registry) -> Registry:
    """20 human texts, 10 of which a second source has with one word more, and 5 as they are; 30 others of a model."""
    texts = [" ".join(invented(random.Random(n), 60)) for n in range(20)]
    corpus.add(rows_of(texts), Declared(origin=Origin.HUMAN, source="books"))
    corpus.add(rows_of([f"{text} more" for text in texts[:10]]), Declared(origin=Origin.HUMAN, source="crawl"))
    corpus.add(rows_of(texts[10:15]), Declared(origin=Origin.HUMAN, source="copies"))
    written = [" ".join(invented(random.Random(100 + n), 60)) for n in range(30)]
    corpus.add(rows_of(written), Declared(origin=Origin.MODEL, generator="gpt", source="gpt"))
    return corpus


def spec(**dedup: Any) -> MixSpec:
    return MixSpec(strata=real_frac(0.5), seed=4, dedup=Dedup(**dedup) if dedup else None)


def drawn_texts(held: Registry, mix: str) -> list[str]:
    return [text for batch in held.texts(mix) for text in batch.column("text").to_pylist()]


def test_a_mix_draws_each_cluster_once(doubled: Registry) -> None:
    everything = doubled.mix(spec())
    exact = doubled.mix(spec(kind="exact", max_loss=1.0))
    near = doubled.mix(spec(kind="near", max_loss=1.0))
    assert [drawn.held[0].documents for drawn in (everything, exact, near)] == [35, 30, 20]
    assert [drawn.excluded["duplicate"] for drawn in (everything, exact, near)] == [0, 5, 15]
    texts = drawn_texts(doubled, near.mix)
    assert not [pair for pair in combinations(texts, 2) if overlap(*pair)[0] >= 0.8]
    assert doubled.verify().holds


def test_a_mix_leaves_no_source_emptied(doubled: Registry) -> None:
    drawn = doubled.mix(spec(kind="near", max_loss=0.2))
    assert {row["name"] for row in drawn.spared} >= {"crawl", "copies"} or drawn.excluded["duplicate"] < 15
    assert drawn.summary()["spared"] == drawn.spared


def test_only_what_may_be_drawn_stands_for_others(doubled: Registry) -> None:
    doubled.withdraw(source="books", reason="asked by the publisher")
    drawn = doubled.mix(spec(kind="near", max_loss=1.0))
    assert drawn.held[0].documents == 15
    assert drawn.excluded["duplicate"] == 0


def test_what_the_spec_leaves_open_is_written_down_and_the_same_registry_grown_draws_the_same_again(
    doubled: Registry,
) -> None:
    drawn = doubled.mix(spec(kind="near", max_loss=1.0))
    assert drawn.spec.dedup is not None
    assert drawn.spec.dedup.threshold == 0.8
    assert drawn.spec.dedup.sketch == MinHashSpec()
    doubled.add(rows_of([" ".join(prose(7))]), Declared(origin=Origin.HUMAN, source="later"))
    assert doubled.verify().holds
    assert doubled.verify().notes == []


def test_the_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    chance = random.Random(31)
    originals = [invented(chance, 60) for _ in range(40)]
    rows = [
        {"id": f"{n}-{v}", "text": " ".join(words), "origin": "human", "source": f"s{n % 3}"}
        for n, original in enumerate(originals)
        for v, words in enumerate((original, edited(chance, original), edited(chance, original)))
    ]
    digests = []
    for name in "ab":
        with Registry.create(tmp_path / f"{name}.prov") as held:
            chance.shuffle(rows)
            for start in range(0, len(rows), 50):
                held.add(rows[start : start + 50])
            digests.append(held.mix(MixSpec(strata=real_frac(1.0), dedup=Dedup(kind="near", max_loss=1.0))).digest)
    assert digests[0] == digests[1]


def test_a_mix_by_other_fingerprints_is_refused_and_says_both(doubled: Registry) -> None:
    with pytest.raises(SpecMismatch, match=r"128 permutations of seed 1.*64 permutations of seed 1"):
        doubled.mix(spec(kind="near", sketch=MinHashSpec(num_perm=64)))


def test_a_mix_whose_fingerprints_are_others_now_is_a_note_of_verify(doubled: Registry) -> None:
    drawn = doubled.mix(spec(kind="near", max_loss=1.0))
    doubled.rebuild_fingerprints(MinHashSpec(num_perm=64))
    verified = doubled.verify()
    assert verified.holds
    assert [note.place for note in verified.notes] == [f"mix {drawn.mix}"]


def test_a_mix_that_looked_at_texts_erased_since_is_a_note_of_verify(doubled: Registry) -> None:
    drawn = doubled.mix(spec(kind="near", max_loss=1.0, keep="human"))
    near = doubled.dedup(Nearness(0.8), max_loss=1.0)["listed"][0]["members"]
    doubled.withdraw(next(row["document"] for row in near if row["survives"]), reason="asked", erase=True)
    verified = doubled.verify()
    assert verified.holds, verified.findings
    (note,) = verified.notes
    assert note.place == f"mix {drawn.mix}"
    assert "erased since" in note.what


def test_exact_duplicates_have_no_threshold() -> None:
    with pytest.raises(ValueError, match="say nothing of exact duplicates"):
        Dedup(kind="exact", threshold=0.7)


def test_clusters_are_found_in_a_registry_that_is_open_for_reading(doubled: Registry, tmp_path: Path) -> None:
    doubled.close()
    with Registry.open(doubled.path, read_only=True) as held:
        assert held.dedup(Nearness(0.8), max_loss=1.0)["duplicates"] == 15
        assert held.mix(spec(kind="near", max_loss=1.0), dry_run=True).excluded["duplicate"] == 15
    doubled.reconnect()


# -- bad input


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(ProvError, match=r"the threshold is .*: give a number above 0, and 1 at most"):
        Nearness(threshold)


def test_signatures_tell_no_containment() -> None:
    with pytest.raises(ProvError, match="signatures tell no containment"):
        Nearness(0.8, "containment", estimated=True)


def test_a_loss_that_is_no_share_is_refused(corpus: Registry) -> None:
    with pytest.raises(ProvError, match="give a share from 0 to 1"):
        find_duplicates(corpus, pa.table({"document_id": pa.array([], pa.int64())}), None, max_loss=2.0)


def test_the_bands_for_truncations_are_those_that_the_docs_tell() -> None:
    assert containing(128) == Bands(64, 2)
    assert containing(128).recall(0.2) == pytest.approx(0.927, abs=0.001)
    assert containing(128).recall(0.3) > 0.997
