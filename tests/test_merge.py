"""Registries that are merged hold what each of them knew, once, in whatever order they met."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, Export, MixSpec, Registry, Where, ratio, real_frac
from registry.declare import Statement
from registry.merge import Merged, size
from registry.store import Batch, Locked, utc_now
from registry.verify import verify

HUMAN = Declared(origin=Origin.HUMAN, source="books")
WIKI = Declared(origin=Origin.HUMAN, source="wiki")
START = datetime(2026, 1, 1)

Made = Callable[..., Path]


@pytest.fixture
def make(empty: Path, tmp_path: Path) -> Made:
    """Make a registry with an id of its own, and rows in it."""
    numbers = count()

    def made(rows: Iterable[dict[str, Any]] = (), declared: Declared = HUMAN, at: datetime | None = None) -> Path:
        path = Path(shutil.copy(empty, tmp_path / f"made{next(numbers)}.prov"))
        with Registry.open(path, clock=(lambda: at) if at else utc_now) as held:
            held.connection.execute("UPDATE setting SET value = uuid()::VARCHAR WHERE name = 'registry_id'")
            if rows:
                held.add(rows, declared, name="rows")
        return path

    return made


def human(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"h{n}", "text": f"a human wrote {n}", "topic": n % 3} for n in numbers]


def mixed_rows(size: int) -> list[dict[str, Any]]:
    """Human and model rows by turns, one text in five like another."""
    return [
        {"id": f"d{n}", "text": f"text {n - n % 5 if n % 5 == 1 else n}", "license": "mit"}
        | ({"origin": "human"} if n % 2 else {"origin": "model", "generator": f"m{n % 3}", "generation": 1 + n % 2})
        for n in range(size)
    ]


def on(day: int) -> Callable[[], datetime]:
    """A clock that stands at a day."""
    return lambda: START + timedelta(days=day)


def tokenizer(path: Path, letters: str) -> str:
    """A tokenizer that knows these letters."""
    vocabulary = {letter: number for number, letter in enumerate(f"?{letters}")}
    made = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="?"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.save(str(path))
    return str(path)


def merge(into: Path, *others: Path, **options: Any) -> list[Merged]:
    with Registry.open(into) as held:
        return [held.merge(other, **options) for other in others]


Looked = TypeVar("Looked")


def opened(path: Path, look: Callable[[Registry], Looked]) -> Looked:
    with Registry.open(path, read_only=True) as held:
        return look(held)


def known(path: Path) -> dict[str, Any]:
    """All that a registry knows, apart from its own chain and who it is."""

    def look(held: Registry) -> dict[str, Any]:
        assert not verify(held).findings
        stats = {
            name: value
            for name, value in held.stats().items()
            if name not in ("registry", "head", "batches", "tokenizer")
        }
        rows = {
            name: sorted(map(repr, held.connection.execute(statement).fetchall())) for name, statement in KNOWN.items()
        }
        return stats | rows | {"composition": held.composition()}

    return opened(path, look)


KNOWN = {
    "document": """
        SELECT hex(document.digest), hex(text.digest), content, item, origin, document.generation,
               document.generation_exact, declared_generation, hex(model.digest), hex(run.digest), license.name,
               source.name, document.url, created_at, bytes, words, metadata
        FROM document JOIN text USING (text_id) LEFT JOIN source USING (source_id) LEFT JOIN license USING (license_id)
        LEFT JOIN model ON model.model_id = document.model_id LEFT JOIN run ON run.run_id = document.run_id""",
    "declaration": """
        SELECT hex(document.digest), declaration.origin, declaration.generation, hex(model.digest), license.name,
               declared_by, evidence, precedence, declared_at
        FROM declaration JOIN document USING (document_id)
        LEFT JOIN model ON model.model_id = declaration.model_id
        LEFT JOIN license ON license.license_id = declaration.license_id""",
    "derivation": """
        SELECT hex(child.digest), hex(parent.digest), relation, prefix_chars
        FROM derivation JOIN document AS child ON child.document_id = child_id
        JOIN document AS parent ON parent.document_id = parent_id""",
    "model": """
        SELECT model.name, hex(model.digest), hex(base.digest), model.generation, model.generation_exact, model.path,
               model.is_foreign
        FROM model LEFT JOIN model AS base ON base.model_id = model.base_model_id""",
    "run": """
        SELECT hex(run.digest), kind, hex(model.digest), hex(mix.digest), run.spec, run.seed, run.is_foreign
        FROM run JOIN model USING (model_id) LEFT JOIN mix USING (mix_id)""",
    "mix": "SELECT hex(digest), spec, seed, is_foreign, made_at FROM mix",
    "mix_document": """
        SELECT hex(mix.digest), position, hex(document.digest), stratum
        FROM mix_document JOIN mix USING (mix_id) JOIN document USING (document_id)""",
    "mix_composition": """
        SELECT hex(mix.digest), as_drawn, origin, mix_composition.generation, mix_composition.generation_exact,
               source.name, license.name, hex(model.digest), documents, bytes, words
        FROM mix_composition JOIN mix USING (mix_id) LEFT JOIN source USING (source_id)
        LEFT JOIN license USING (license_id) LEFT JOIN model ON model.model_id = mix_composition.model_id""",
    "length": """
        SELECT hex(text.digest), tokenizer.name, tokens
        FROM length JOIN text USING (text_id) JOIN tokenizer USING (tokenizer_id)""",
    "annotation": """
        SELECT hex(digest), name, kind, text, number, flag, moment
        FROM annotation JOIN annotated_field USING (field_id) JOIN document USING (document_id)""",
    "holdout": "SELECT hex(digest), name FROM holdout JOIN text USING (text_id)",
    "near_holdout": """
        SELECT hex(digest) FROM near_holdout JOIN text USING (text_id)
        WHERE text_id NOT IN (SELECT text_id FROM holdout)""",
    "withdrawal": "SELECT scope, value, reason, erased FROM withdrawal",
    "field": "SELECT name FROM field",
    "measurement": """
        SELECT hex(digest), name, spec, arm, repeat, generation, metric, value
        FROM measurement JOIN experiment USING (experiment_id)""",
    "picture": "SELECT hex(digest), arm, repeat, generation, svg FROM picture JOIN experiment USING (experiment_id)",
    "watermark_key": "SELECT key_id, scheme, parameters, hex(tokenizer_digest) FROM watermark_key",
    "detection": """
        SELECT hex(digest), key_id, scored, score, z, p, first_char, last_char
        FROM detection JOIN document USING (document_id)""",
    "detector": "SELECT hex(digest), name, content, report FROM detector",
    "attribution": """
        SELECT hex(digest), p_model, evidence FROM attribution JOIN document USING (document_id)
        QUALIFY attribution.batch_id = max(attribution.batch_id) OVER (PARTITION BY document_id)""",
}
SPEC = MixSpec(strata=real_frac(0.25), size=8, seed=5)


def drawn(path: Path, spec: MixSpec = SPEC) -> str:
    return opened(path, lambda held: held.mix(spec, dry_run=True).digest.hex())


# -- many small ones are one large one


def test_four_quarters_merged_equal_one_ingest(make: Made) -> None:
    rows = mixed_rows(40)
    whole = make(rows, at=START)
    quarters = [make(rows[part::4], at=START) for part in range(4)]
    into, *rest = (quarters[part] for part in (3, 1, 0, 2))
    assert [result.added["documents"] for result in merge(into, *rest)] == [10, 10, 10]
    assert known(into) == known(whole)
    assert drawn(into) == drawn(whole)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(12, 30),
    homes=st.lists(st.sets(st.integers(0, 3), min_size=1, max_size=2), min_size=30, max_size=30),
    order=st.permutations(range(4)),
    seed=st.integers(0, 100),
)
def test_any_split_merged_in_any_order_draws_the_same_mix(
    make: Made, size: int, homes: list[set[int]], order: Sequence[int], seed: int
) -> None:
    rows = mixed_rows(size)
    parts = [make([row for row, home in zip(rows, homes, strict=False) if part in home]) for part in range(4)]
    into = parts[order[0]]
    merge(into, *(parts[part] for part in order[1:]))
    spec = MixSpec(strata=real_frac(0.5), size=4, seed=seed)
    assert drawn(into, spec) == drawn(make(rows), spec)


@pytest.mark.slow
def test_four_processes_that_ingest_a_quarter_each_merged_equal_one_ingest(tmp_path: Path) -> None:
    rows = mixed_rows(2_000)

    def prov(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-m", "provenance", *arguments], text=True, cwd=tmp_path)

    def ingested(name: str, part: list[dict[str, Any]]) -> subprocess.Popen[str]:
        Registry.create(tmp_path / f"{name}.prov").close()
        lines = "".join(json.dumps(row) + "\n" for row in part)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        return prov("ingest", f"{name}.jsonl", "--source", "books", "--registry", f"{name}.prov")

    running = [ingested(f"q{part}", rows[part::4]) for part in range(4)] + [ingested("whole", rows)]
    assert [process.wait() for process in running] == [0] * 5
    for part in (2, 0, 3):
        assert prov("merge", f"q{part}.prov", "--registry", "q1.prov").wait() == 0
    merged, whole = known(tmp_path / "q1.prov"), known(tmp_path / "whole.prov")
    assert merged.keys() == whole.keys()
    assert all(merged[name] == whole[name] for name in whole if name != "declaration")  # made at other times
    spec = MixSpec(strata=real_frac(0.1), size=900, seed=7)
    assert drawn(tmp_path / "q1.prov", spec) == drawn(tmp_path / "whole.prov", spec)


def test_twice_is_once(make: Made) -> None:
    into, other = make(human(1, 2)), make(human(2, 3))
    first, second = merge(into, other, other)
    assert (first.added["documents"], first.known["documents"]) == (1, 1)
    assert not any(second.added.values())
    assert second.known["documents"] == 2
    with Registry.open(into) as held:
        head = held.head()
        held.merge(other)
        assert held.head() == head


@pytest.mark.slow
def test_merging_is_the_same_in_both_directions(make: Made, generations: Registry, tmp_path: Path) -> None:
    generations.close()
    other = make([*human(1, 2), {"id": "b1", "text": "book 1 line\r\nends\rkept\n", "license": "cc0"}])
    here, there = (Path(shutil.copy(path, tmp_path / f"{path.stem}-2.prov")) for path in (generations.path, other))
    merge(here, other)
    merge(there, generations.path)
    assert known(here) == known(there)


@pytest.mark.slow
def test_a_dry_run_tells_the_same_and_keeps_nothing(make: Made) -> None:
    into, other = make(human(1)), make(human(2))
    before = known(into)
    (dry,) = merge(into, other, dry_run=True)
    assert known(into) == before
    assert merge(into, other) == [dry]


# -- lineage


def test_lineage_comes_along_with_its_generations(make: Made, generations: Registry) -> None:
    generations.close()
    into = make()
    (result,) = merge(into, generations.path)
    assert known(into) == known(generations.path)
    assert result.learnt == result.added["models"] + result.added["runs"] + result.added["mixes"] == 3 + 7 + 3
    as_was, as_is = (
        opened(path, lambda held: [step | {"mix_id": 0} for step in held.lineage("three0")["steps"]])
        for path in (generations.path, into)
    )
    assert as_is == as_was
    assert [step["generation"] for step in as_is] == [3, 2, 1]


@pytest.mark.slow
def test_what_was_known_by_digest_alone_is_filled_in(corpus: Registry, generations: Registry, tmp_path: Path) -> None:
    mix = generations.mix(MixSpec(strata=ratio("gen2=0.5,gen3=0.5"), size=10, seed=1)).mix
    generations.export(mix, Export(tmp_path / "mix.parquet"))
    generations.close()
    corpus.ingest([tmp_path / "mix.parquet"])
    assert any(mix["is_foreign"] for mix in corpus.list("mixes"))
    corpus.merge(generations.path)
    assert {(row["name"], row["generation"], row["is_foreign"]) for row in corpus.list("models")} == {
        ("one", 1, False), ("two", 2, False), ("three", 3, False)
    }  # fmt: skip
    assert not any(mix["is_foreign"] for mix in corpus.list("mixes"))
    assert corpus.composition() == opened(generations.path, lambda held: held.composition())
    assert not verify(corpus).findings


@pytest.mark.slow
def test_a_mix_stays_made_of_what_it_was_when_drawn(make: Made, generations: Registry) -> None:
    generations.declare(Statement(origin=Origin.MODEL, generator="bot", by="me"), where="source = 'books'")
    stale = generations.stale()
    assert stale["mixes"]
    generations.close()
    into = make()
    merge(into, generations.path)
    assert known(into) == known(generations.path)
    assert opened(into, lambda held: held.stale()) == stale


@pytest.mark.slow
def test_a_model_keeps_the_path_it_has_here_and_learns_one_it_has_not(make: Made) -> None:
    def path_of_model(path: Path) -> Any:
        return opened(path, lambda held: held.list("models")[0]["path"])

    none, here, there = make(), make(), make()
    for registry, weights in ((none, None), (here, "/here"), (there, "/there")):
        with Registry.open(registry) as held:
            held.record_model("m", generation=1, path=weights)
    merge(none, there)
    merge(here, there)
    assert (path_of_model(none), path_of_model(here)) == ("/there", "/here")


def test_a_circle_of_which_each_registry_knew_half_is_not_closed(make: Made) -> None:
    rows = human(1, 2)

    def edited(child: str, parent: str) -> Path:
        return make(
            [row | ({"parents": [{"id": parent, "relation": "edit"}]} if row["id"] == child else {}) for row in rows]
        )

    into, other = edited("h1", "h2"), edited("h2", "h1")
    (result,) = merge(into, other)
    assert (result.circles, result.added["derivations"]) == (1, 0)
    assert opened(into, lambda held: [row["item"] for row in held.show("h1")[0]["parents"]]) == ["h2"]
    assert merge(into, other)[0].added == dict.fromkeys(result.added, 0)


# -- declarations


@pytest.mark.slow
def test_the_newest_declaration_of_the_highest_precedence_is_in_force_in_whatever_order(
    make: Made, tmp_path: Path
) -> None:
    said = [("human", 0, 3), ("model", 5, 1), ("unknown", 5, 2), ("mixed", 0, 9)]
    parts = []
    for origin, precedence, day in said:
        path = make(human(1), Declared(source="books"), at=START)
        with Registry.open(path, clock=on(day)) as held:
            held.declare(Statement(origin=Origin(origin), by=origin, precedence=precedence), where="id = 'h1'")
        parts.append(path)
    found = []
    for order in list(permutations(parts))[::11]:
        into = Path(shutil.copy(order[0], tmp_path / "into.prov"))
        assert sum(result.declared_otherwise for result in merge(into, *order[1:])) == 3
        found.append(known(into))
        assert found[-1] == found[0]
    assert opened(into, lambda held: [row["declared_by"] for row in held.show("h1")[0]["declarations"]]) == [
        "unknown", "model", "mixed", "human", None
    ]  # fmt: skip
    assert opened(into, lambda held: held.composition(["origin"])[0]["origin"]) == "unknown"


@pytest.mark.slow
def test_what_is_declared_after_a_merge_is_newer_than_what_came_though_their_clock_was_ahead(make: Made) -> None:
    into, other = make(human(1), at=START), make(human(1), at=START + timedelta(days=400))
    with Registry.open(into, clock=lambda: START + timedelta(days=1)) as held:
        held.merge(other)
        held.declare(Statement(origin=Origin.MODEL, by="me"), where="id = 'h1'")
        assert held.composition(["origin"])[0]["origin"] == "model"


@pytest.mark.slow
def test_a_source_keeps_the_url_it_has_here(make: Made) -> None:
    into = make(human(1), Declared(origin=Origin.HUMAN, source="books", url="https://here"))
    other = make(human(2), Declared(origin=Origin.HUMAN, source="books", url="https://there"))
    (result,) = merge(into, other)
    assert result.sources_otherwise == 1
    assert opened(into, lambda held: held.list("sources")[0]["url"]) == "https://here"


def test_known_documents_that_are_told_otherwise_there_are_counted_and_ours_are_kept(make: Made) -> None:
    told = {"url": "https://here", "created": "2024-01-01", "topic": 1}
    into = make([{**row, **told} for row in human(1, 2, 3, 4)] + human(5))
    others: list[dict[str, Any]] = [{"url": "https://there"}, {"created": "2025-01-01"}, {"topic": 2}, {}]
    other = make(
        [{**row, **told, **other} for row, other in zip(human(1, 2, 3, 4), others, strict=True)]
        + [{**row, **told} for row in human(5)]  # what is not told here differs too
        + human(6)
    )
    (result,) = merge(into, other)
    assert (result.known["documents"], result.added["documents"], result.differing) == (5, 1, 4)
    assert opened(into, lambda held: held.show("h1")[0]["url"]) == "https://here"
    (untold,) = merge(into, make(human(1)))
    assert untold.differing == 0  # where nothing is told, nothing is told otherwise


# -- rules


@pytest.mark.slow
def test_what_is_withdrawn_here_does_not_come_back(make: Made, generations: Registry) -> None:
    generations.close()
    into = make([{"id": "b3", "text": 'book 3 "quoted", {"json": 1}', "license": "mit"}])
    with Registry.open(into) as held:
        held.withdraw(source="books", reason="asked to")
        result = held.merge(generations.path)
        assert result.withdrawn == 40 - 1
        assert result.known["documents"] == 1
        assert result.mixes_left_out == 3
        assert result.parents_left_out > 0
        assert held.stats()["mixes"] == 3
        assert {row["source"] for row in held.list("documents")} == {"books", "wiki", None}
        assert not verify(held).findings
        head = held.head()
        assert not any(held.merge(generations.path).added.values())
        assert held.head() == head


@pytest.mark.slow
def test_an_erased_text_stays_erased(make: Made) -> None:
    into, other, elsewhere = (
        make(human(1, 2)),
        make(human(1, 2, 3)),
        make(human(1), WIKI),
    )
    with Registry.open(into) as held:
        held.withdraw("h1", text=True, reason="asked to", erase=True)
        result = held.merge(other)
        assert (result.added["texts"], result.restored, result.withdrawn) == (1, 0, 0)
        assert held.show("h1")[0]["text"] is None
        assert held.merge(elsewhere).withdrawn == 1
    (back,) = merge(other, into)
    assert (back.added["withdrawals"], back.erased_there) == (1, 1)
    assert opened(other, lambda held: held.show("h1")[0]["text"]) == "a human wrote 1"


@pytest.mark.slow
def test_a_text_erased_with_its_source_comes_again_in_a_document_that_is_not_withdrawn(make: Made) -> None:
    into, other = make(human(1)), make(human(1), WIKI)
    with Registry.open(into) as held:
        held.withdraw(source="books", reason="asked to", erase=True)
        assert held.merge(other).restored == 1
        assert {row["text"] for row in held.show("h1")} == {"a human wrote 1"}
        assert not verify(held).findings


@pytest.mark.slow
def test_what_was_erased_there_comes_with_its_rule_and_without_its_text(make: Made) -> None:
    into, other = make(), make(human(1, 2))
    with Registry.open(other) as held:
        held.withdraw("h1", text=True, reason="asked to", erase=True)
    merge(into, other)
    assert known(into) == known(other)


def test_rules_of_the_other_registry_bind_here_from_now_on(make: Made) -> None:
    into, other = make(human(1, 2, 3)), make([*human(1, 2, 4), *mixed_rows(4)])
    with Registry.open(other) as held:
        held.withdraw("h1", reason="asked to")
        held.hold_out("test", where=Where.parse("id = 'h2'"))
    with Registry.open(into) as held:
        result = held.merge(other)
        assert (result.added["withdrawals"], result.added["hold_outs"]) == (1, 1)
        excluded = held.mix(MixSpec(strata=real_frac(0.5), size=2)).excluded
        assert (excluded["withdrawn"], excluded["held_out"]) == (1, 1)


@pytest.mark.parametrize("holds_rule", ["here", "there"])
def test_a_source_that_is_held_out_in_one_registry_is_held_out_whole(make: Made, holds_rule: str) -> None:
    into, other = make(human(1, 2)), make(human(3, 4))
    with Registry.open(into if holds_rule == "here" else other) as held:
        held.hold_out("test", source="books")
    merge(into, other)
    rows = opened(into, lambda held: held.connection.execute("SELECT name FROM holdout").fetchall())
    assert rows == [("test",)] * 4


# -- the rest


@pytest.mark.slow
def test_token_counts_come_with_their_tokenizer_and_ours_stays_the_one_that_counts(make: Made, tmp_path: Path) -> None:
    one, two = tokenizer(tmp_path / "one.json", "ab "), tokenizer(tmp_path / "two.json", "abc ")
    into, other, bare = make([{"text": "a b c"}]), make([{"text": "a b"}]), make()
    for path, names in ((into, [one]), (other, [one, two])):
        with Registry.open(path) as held:
            for name in names:
                held.tokenize(name)
    (result,) = merge(into, other)
    assert (result.added["tokenizers"], result.added["token_counts"], result.uncounted) == (1, 2, 0)
    assert opened(into, lambda held: held.stats()["tokenizer"]) == "one.json"
    merge(bare, other)
    assert opened(bare, lambda held: held.stats()["tokenizer"]) == "two.json"
    assert known(bare)["length"] == known(other)["length"]


@pytest.mark.slow
def test_annotations_come_along_and_ours_are_kept(make: Made, tmp_path: Path) -> None:
    def annotated(numbers: Sequence[int], rows: list[dict[str, Any]]) -> Path:
        path, sidecar = make(human(*numbers)), tmp_path / "sidecar.jsonl"
        sidecar.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with Registry.open(path) as held:
            held.annotate([sidecar])
        return path

    into = annotated([1, 2], [{"id": "h1", "quality": 0.5, "tongue": "en"}])
    other = annotated([1, 2, 3], [{"id": f"h{n}", "quality": n, "tongue": n, "good": True} for n in (1, 2, 3)])
    (result,) = merge(into, other)
    assert result.added["annotations"] == 3 + 2  # good of all three, quality where there is none
    assert result.annotated_otherwise == 1 + 3  # h1's quality, and a tongue that is text here and a number there
    assert [row for row in known(into)["annotation"] if "quality" in row and "0.5" in row]
    assert not any(merge(into, other)[0].added.values())


def detected(path: Path, scores: dict[str, float], detector: bytes = b"d" * 32) -> None:
    """Let documents be looked at with key k1, and attributed: each by its item, with p and p_model."""
    with Registry.open(path) as held, held.batch("detect") as batch:
        batch.documents = len(scores)
        if not held.connection.execute("SELECT 1 FROM watermark_key").fetchall():
            key = {"key_id": ["k1"], "scheme": ["kgw"], "parameters": ["{}"], "tokenizer_digest": [b"t" * 32]}
            held.insert("watermark_key", of_batch(batch, **key))
        told = {"digest": [detector], "name": ["plain"], "content": [b"weights"], "report": ["{}"]}
        held.insert("detector", of_batch(batch, **told))
        ids = dict(held.connection.execute("SELECT item, document_id FROM document").fetchall())
        documents, values = [ids[item] for item in scores], list(scores.values())
        none = pa.nulls(len(scores), pa.int64())
        numbers = {"scored": [9] * len(scores), "score": values, "z": values, "p": values, "first": none, "last": none}
        held.insert("detection", of_batch(batch, document_id=documents, key_id=["k1"] * len(scores), **numbers))
        evidence = ["[]"] * len(scores)
        held.insert("attribution", of_batch(batch, document_id=documents, p_model=values, evidence=evidence))


def of_batch(batch: Batch, **columns: Any) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table({**columns, "batch_id": pa.repeat(pa.scalar(batch.batch_id, pa.int64()), count)})


def test_what_was_found_and_inferred_there_comes_along_and_ours_is_kept(make: Made) -> None:
    into, other = make(human(1, 2)), make(human(3, 2, 4))
    detected(into, {"h2": 0.25})
    detected(other, {"h3": 0.5, "h2": 0.75}, b"e" * 32)
    with Registry.open(other) as held, held.batch("attribute") as batch:
        batch.documents = 1
        ids = held.connection.execute("SELECT document_id FROM document WHERE item = 'h3'").fetchall()[0]
        held.insert("attribution", of_batch(batch, document_id=ids, p_model=[0.625], evidence=["[]"]))
    (result,) = merge(into, other)
    told = {name: result.added[name] for name in ("watermark_keys", "detections", "detectors", "attributions")}
    assert told == {"watermark_keys": 0, "detections": 1, "detectors": 1, "attributions": 1}
    with Registry.open(into) as held:
        assert not verify(held).findings
        for table, column, value in (("detection", "p", 0.5), ("attribution", "p_model", 0.625)):
            found = held.connection.execute(f"SELECT item, {column} FROM {table} JOIN document USING (document_id)")
            assert sorted(found.fetchall()) == [("h2", 0.25), ("h3", value)]
    assert not any(merge(into, other)[0].added.values())


def test_attributions_alone_are_news(make: Made) -> None:
    into, other = make(human(1)), make(human(1))
    detected(other, {"h1": 0.25})
    assert merge(into, other)[0].added["attributions"] == 1
    assert opened(into, lambda held: len(held.connection.table("attribution"))) == 1


def test_the_other_chain_is_kept_link_by_link_and_no_link_twice(make: Made) -> None:
    def links(path: Path) -> list[tuple[Any, ...]]:
        rows = "SELECT registry, position, hex(previous_digest), hex(digest) FROM merged_batch ORDER BY ALL"
        return opened(path, lambda held: held.connection.execute(rows).fetchall())

    first, second, into = make(human(1)), make(human(2)), make()
    merge(second, first)
    assert [result.added["batches"] for result in merge(into, second, first)] == [2 + 1, 0]
    with Registry.open(second) as held:
        held.add(human(3), HUMAN)
        ids = held.setting("registry_id")
    (result,) = merge(into, second)
    assert (result.added["batches"], result.added["documents"]) == (1, 1)
    chain = [row for row in links(into) if row[0] == ids]
    assert [row[1] for row in chain] == [1, 2, 3]
    assert [row[2] for row in chain] == [None, *(row[3] for row in chain[:-1])]
    merge(first, into)
    assert opened(first, lambda held: held.setting("registry_id")) not in {row[0] for row in links(first)}
    assert not opened(first, verify).findings


def test_a_copy_merged_back_adds_nothing_and_one_that_has_grown_adds_what_is_new(make: Made, tmp_path: Path) -> None:
    into = make(human(1, 2))
    copy = Path(shutil.copy(into, tmp_path / "copy.prov"))
    assert not any(merge(into, copy)[0].added.values())
    for path, number in ((into, 3), (copy, 4)):
        with Registry.open(path) as held:
            held.add(human(number), HUMAN)
    (result,) = merge(into, copy)
    assert (result.added["documents"], result.added["batches"]) == (1, 1)
    assert opened(into, lambda held: held.stats()["documents"]) == 4
    assert not opened(into, verify).findings


# -- what goes wrong


def test_this_very_registry_none_and_what_is_no_registry_are_told_in_one_line(make: Made, tmp_path: Path) -> None:
    into = make(human(1))
    (link := tmp_path / "link.prov").symlink_to(into)
    (nonsense := tmp_path / "nonsense.prov").write_text("no database", encoding="utf-8")
    for other, told in (
        (into, "this very registry"),
        (link, "this very registry"),
        (tmp_path / "none.prov", "no registry at"),
        (nonsense, "is no prov registry"),
        (tmp_path, "is no file"),
    ):
        for step in (Registry.merge, size):
            with Registry.open(into) as held, pytest.raises(ProvError, match=told) as raised:
                step(held, other)
            assert "\n" not in str(raised.value)


def test_a_registry_of_another_schema_is_refused(make: Made) -> None:
    into, other = make(human(1)), make(human(2))
    with Registry.open(other) as held:
        held.connection.execute("DELETE FROM migration WHERE version > 1")
    with pytest.raises(ProvError, match="schema"):
        merge(into, other)


def test_a_copy_without_texts_is_not_merged(make: Made, tmp_path: Path) -> None:
    into, other = make(human(1)), make(human(2))
    opened(other, lambda held: held.snapshot(tmp_path / "bare.prov", texts=False))
    with pytest.raises(ProvError, match="without its texts"):
        merge(into, tmp_path / "bare.prov")


def test_a_registry_that_is_being_written_names_its_writer(make: Made) -> None:
    into, other = make(human(1)), make(human(2))
    code = f"from registry import Registry; held = Registry.open({str(other)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(Locked, match=str(writer.pid)):
            merge(into, other)
        writer.communicate("\n")


@pytest.mark.slow
@pytest.mark.parametrize("failure", [KeyboardInterrupt, ProvError])
def test_an_interrupted_merge_leaves_nothing(make: Made, failure: type[BaseException]) -> None:
    into, other = make(human(1)), make(human(2, 3))
    before = known(into)

    def stop(rows: int) -> None:
        if rows:
            raise failure("now")

    with Registry.open(into) as held:
        head = held.head()
        with pytest.raises(failure):
            held.merge(other, progress=stop)
        assert held.head() == head
        assert held.merge(other).added["documents"] == 2
    assert known(into) != before
