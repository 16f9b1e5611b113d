"""Drawing: a spec becomes the same exact documents everywhere, chosen and ordered as the plain reference says."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, MixSpec, Registry, Stratum, ratio, real_frac
from registry.candidates import KINDS
from registry.draw import REASONS, SURELY, Drawn, Overlap
from registry.mix import Shortfall, Unit, allocate, place, round_keys
from registry.where import UnknownField, Where

HUMANS, MODELS, UNKNOWNS, MIXED = 300, 500, 20, 10


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "filled.prov"
    with Registry.create(path) as held:
        add_all(held)
    return path


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Iterator[Registry]:
    """A registry of 300 human, 500 model, 20 unknown and 10 mixed documents."""
    with Registry.open(shutil.copy(filled_once, tmp_path / "filled.prov")) as held:
        yield held


def all_rows() -> list[dict[str, Any]]:
    counts = {"human": HUMANS, "model": MODELS, "unknown": UNKNOWNS, "mixed": MIXED}
    return [
        {
            "id": f"{origin}-{n}",
            "text": f"{origin} text {n} " + "word " * (n * n % 23),
            "origin": origin,
            "generator": "gpt" if origin == "model" else None,
            "generation": 1 + n % 2 if origin == "model" else None,
            "source": f"source-{n % 3}",
            "license": "cc-by" if n % 2 else "mit",
            "lang": "en" if n % 4 else "it",
        }
        for origin, count in counts.items()
        for n in range(count)
    ]


def add_all(held: Registry) -> None:
    held.add(all_rows())


def spec_for(share: float = 0.1, **more: Any) -> MixSpec:
    return MixSpec.model_validate({"strata": real_frac(share), **more})


def one(where: str, /, **more: Any) -> MixSpec:
    return MixSpec.model_validate({"strata": [{"where": where, "share": 1}], **more})


def manifest(held: Registry) -> list[tuple[str, int]]:
    """The items and strata of the mix that was drawn last, in its order."""
    return held.connection.execute(
        "SELECT item, stratum FROM drawn JOIN document USING (document_id) ORDER BY position"
    ).fetchall()


def items(held: Registry, spec: MixSpec) -> list[str]:
    held.mix(spec, dry_run=True)
    return [item for item, _ in manifest(held)]


# -- the plain reference


@dataclass(frozen=True)
class Doc:
    """A document as a draw sees it; its rank is the start of its digest, as in the registry."""

    digest: bytes
    stratum: int
    bytes: int
    words: int
    tokens: int

    @property
    def rank(self) -> int:
        return int.from_bytes(self.digest[:8])

    def size(self, unit: Unit) -> int:
        value: int = 1 if unit == "documents" else getattr(self, unit)
        return value


def reference(docs: list[Doc], spec: MixSpec) -> list[bytes]:
    """The digests of a mix in its order, as the design tells it, without a database; none where there is too little."""
    unit = spec.unit
    held = [[doc for doc in docs if doc.stratum == index] for index in range(len(spec.strata))]
    stock = [max(0, sum(doc.size(unit) for doc in of) - s.skip) for of, s in zip(held, spec.strata, strict=True)]
    wanted = allocate(spec, spec.size or 0)
    if any(quota > whole * spec.max_repeats for quota, whole in zip(wanted, stock, strict=True)):
        return []
    chosen: list[tuple[int, Doc]] = []
    for stratum, quota, of, whole in zip(spec.strata, wanted, held, stock, strict=True):
        keys = round_keys(spec.seed if stratum.seed is None else stratum.seed, "choose")
        in_order = sorted(of, key=lambda doc: (place(doc.rank, keys), doc.digest))[stratum.skip :]
        turn = 0
        while quota > 0:
            room = min(quota, whole)
            for doc in in_order:
                room -= doc.size(unit)
                if room < 0:
                    break
                chosen.append((turn, doc))
            quota, turn = quota - whole, turn + 1
    order = [round_keys(spec.seed, "order", turn) for turn in range(spec.max_repeats)]
    chosen.sort(key=lambda pair: (place(pair[1].rank, order[pair[0]]), pair[1].digest, pair[0]))
    return [doc.digest for _, doc in chosen]


def put(held: Registry, docs: list[Doc]) -> None:
    """Make these the only documents of a registry, without texts."""
    rows = [
        {"n": n, "digest": doc.digest, "source": doc.stratum, "bytes": doc.bytes, "words": doc.words, "t": doc.tokens}
        for n, doc in enumerate(docs)
    ]
    schema = pa.schema(
        [("digest", pa.binary()), *((name, pa.int64()) for name in ("n", "source", "bytes", "words", "t"))]
    )
    held.connection.execute("DELETE FROM document; DELETE FROM length")
    with held.lend(rows=pa.Table.from_pylist(rows, schema=schema)):
        held.connection.execute(
            "INSERT INTO document SELECT n, digest, ('0x' || hex(digest)[1:16])::UBIGINT, n, 1, source, NULL, NULL,"
            " NULL, 'item-' || n, NULL, NULL, 'human', 0, true, bytes, words, NULL, NULL FROM rows"
        )
        held.connection.execute("INSERT INTO length SELECT n, 1, t FROM rows")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with the sources s0 … s3 and a tokenizer, for `put`."""
    with Registry.create(tmp_path_factory.mktemp("bare") / "bare.prov") as held:
        held.connection.execute("INSERT INTO source SELECT n, 's' || n, NULL, NULL, 1 FROM range(4) AS of(n)")
        held.connection.execute("INSERT INTO tokenizer VALUES (1, 'none', '', '{}', 1)")
        yield held


heads = st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
digests = st.builds(lambda head, tail: head.to_bytes(8) + tail.to_bytes(24), heads, st.integers(0, 2**192 - 1))
sizes = st.integers(0, 9) | st.sampled_from([0, 100, 10**12])
documents = st.lists(
    st.builds(Doc, digests, st.integers(0, 3), st.integers(1, 9) | st.just(10**12), sizes, sizes),
    max_size=40,
    unique_by=lambda doc: doc.digest,
)


@st.composite
def specs(draw: st.DrawFn, docs: list[Doc]) -> MixSpec:
    """A mix of one to four sources, of a size near to what there is."""
    cuts = sorted(draw(st.lists(st.integers(0, 10), max_size=3)))
    shares = [(upper - lower) / 10 for lower, upper in zip([0, *cuts], [*cuts, 10], strict=True)]
    unit = draw(st.sampled_from(get_args(Unit)))
    total = sum(doc.size(unit) for doc in docs)
    max_repeats = draw(st.sampled_from([1, 1, 2, 5, 1000]))
    skips = st.sampled_from([0, 0, 1, 5]) if unit == "documents" and max_repeats == 1 else st.just(0)
    return MixSpec(
        strata=tuple(
            Stratum(
                where=Where.equals("source", f"s{index}"),
                share=share,
                seed=draw(st.none() | st.integers(0, 2**53 - 1)),
                skip=draw(skips),
            )
            for index, share in enumerate(shares)
        ),
        size=draw(st.integers(1, max(1, total)) | st.integers(1, 30)),
        unit=unit,
        seed=draw(st.integers(0, 2**53 - 1)),
        max_repeats=max_repeats,
    )


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_sql_draws_what_the_reference_draws(bare: Registry, data: st.DataObject) -> None:
    """Whatever the ranks, sizes, units, seeds and repeats: the longest run of the seeded order within each quota."""
    docs = data.draw(documents)
    spec = data.draw(specs(docs))
    put(bare, docs)
    with patch("registry.draw.SURELY", data.draw(st.sampled_from([0.0, 6.0]))):  # with none, first cuts fall short
        compare(bare, docs, spec)


def compare(bare: Registry, docs: list[Doc], spec: MixSpec) -> None:
    expected = reference(docs, spec)
    if not expected:
        message = r"the mix would be empty|the registry holds \d"
        with pytest.raises(ProvError, match=message):
            bare.mix(spec, dry_run=True)
        return
    drawn = bare.mix(spec, dry_run=True)
    assert bare.connection.execute("SELECT digest FROM drawn ORDER BY position").fetchall() == [(d,) for d in expected]
    assert drawn.digest == hashlib.sha256(spec.canonical() + b"".join(expected)).digest()
    by_digest = {doc.digest: doc for doc in docs}
    for index, (quota, achieved) in enumerate(zip(drawn.quotas, drawn.achieved, strict=True)):
        taken = [by_digest[digest] for digest in expected if by_digest[digest].stratum == index]
        assert achieved.documents == len(taken)
        assert [achieved.of(unit) for unit in ("bytes", "words", "tokens")] == [
            sum(doc.size(unit) for doc in taken) for unit in ("bytes", "words", "tokens")
        ]
        assert achieved.of(spec.unit) <= quota


def test_documents_that_weigh_nothing_belong_to_the_quota_that_was_full_before_them(bare: Registry) -> None:
    sizes = {5 << 32: 0, 0: 0, 1 << 32: 1, 146: 1}
    docs = [Doc(rank.to_bytes(8) + n.to_bytes(24), 0, 1, 1, tokens) for n, (rank, tokens) in enumerate(sizes.items())]
    put(bare, docs)
    for seed in range(40):
        with patch("registry.draw.SURELY", 0.0):
            compare(bare, docs, one("source = 's0'", size=1, unit="tokens", seed=seed))


@pytest.mark.slow
@pytest.mark.parametrize("surely", [0.0, SURELY])
@pytest.mark.parametrize("unit", ["documents", "bytes"])
def test_sql_draws_what_the_reference_draws_of_many(
    bare: Registry, unit: Unit, surely: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More documents than steps, so that quotas end within a step of many, whether the first cut reached or not."""
    monkeypatch.setattr("registry.draw.SURELY", surely)
    docs = [
        Doc(hashlib.sha256(b"%d" % n).digest(), n % 2, 1 + n * n % 1000 * (n % 97 == 0), 1, 1) for n in range(20_000)
    ]
    put(bare, docs)
    strata = tuple(Stratum(where=Where.equals("source", f"s{n}"), share=share) for n, share in enumerate((0.3, 0.7)))
    for size in (1, 100, 9_999):
        spec = MixSpec(strata=strata, size=size, unit=unit, seed=size)
        drawn = bare.mix(spec, dry_run=True)
        assert drawn.digest == hashlib.sha256(spec.canonical() + b"".join(reference(docs, spec))).digest()


def test_documents_of_one_rank_go_by_their_digests(bare: Registry) -> None:
    docs = [Doc(b"12345678" + hashlib.sha256(b"%d" % n).digest()[:24], 0, 1, 1, 1) for n in range(50)]
    put(bare, docs)
    spec = one("source = 's0'", size=20)
    assert bare.mix(spec, dry_run=True).total.documents == 20
    drawn = [digest for (digest,) in bare.connection.execute("SELECT digest FROM drawn ORDER BY position").fetchall()]
    assert drawn == sorted(doc.digest for doc in docs)[:20]


# -- choosing


@pytest.mark.parametrize(
    ("unit", "sizes"),
    [("documents", (1, 40, 200, 201, 700)), ("bytes", (400, 3000, 3001, 20_000)), ("words", (99, 100, 5000))],
)
def test_mixes_of_one_seed_nest(filled: Registry, unit: str, sizes: tuple[int, ...]) -> None:
    smaller: Counter[tuple[str, int]] = Counter()
    for size in sizes:
        filled.mix(spec_for(0.3, size=size, unit=unit, seed=5), dry_run=True)
        larger = Counter(manifest(filled))
        assert smaller <= larger
        smaller = larger
    assert smaller


def test_strata_that_pass_over_what_came_before_never_meet(filled: Registry) -> None:
    drawn = []
    for skip in (0, 100, 200):
        strata = (Stratum(where=Where.parse("origin = 'human'"), share=1, seed=3, skip=skip),)
        drawn.append(set(items(filled, MixSpec(strata=strata, size=100, seed=skip))))
    assert len(set.union(*drawn)) == HUMANS
    with pytest.raises(Shortfall, match="needs 1 documents"):
        filled.mix(MixSpec(strata=(Stratum(where=Where.parse("origin = 'human'"), share=1, skip=HUMANS),), size=1))


@pytest.mark.parametrize("more", [{"unit": "bytes"}, {"max_repeats": 2}])
def test_only_documents_drawn_once_can_be_passed_over(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="use the unit documents and no repeats"):
        MixSpec(strata=(Stratum(where=Where.parse("origin = 'human'"), share=1, skip=1),), size=10, **more)


def test_human_documents_can_be_those_of_a_mix_alone(filled: Registry) -> None:
    some = filled.mix(MixSpec(strata=(Stratum(where=Where.parse("origin = 'human'"), share=1),), size=20, seed=1))
    known = {item for item, _ in manifest(filled)}
    both = spec_for(0.5, size=40, seed=2, human_of=some.digest.hex())
    drawn = items(filled, both)
    assert {item for item in drawn if item.startswith("human")} == known
    assert sum(item.startswith("model") for item in drawn) == 20
    with pytest.raises(Shortfall, match="the registry holds 20"):
        filled.mix(spec_for(0.5, size=42, human_of=some.digest.hex()))
    assert filled.verify().holds


def test_another_seed_chooses_independently(filled: Registry) -> None:
    """The documents that two seeds share are hypergeometric: 250 of 500, twice, share 125 ± 5.6."""
    chosen = [set(items(filled, one("origin = 'model'", size=250, seed=seed))) for seed in range(12)]
    deviations = [
        (len(first & second) - 125) / sqrt(250 * 0.25 * 250 / 499)
        for n, first in enumerate(chosen)
        for second in chosen[n + 1 :]
    ]
    assert max(map(abs, deviations)) < 4
    assert abs(sum(deviations)) / sqrt(len(deviations)) < 4


def test_a_mix_is_no_head_of_the_registry(filled: Registry) -> None:
    """The first rows of a file are not a sample: their numbers would be small."""
    numbers = [int(item.split("-")[1]) for item in items(filled, one("origin = 'model'", size=100))]
    assert abs(sum(numbers) / 100 - 249.5) < 4 * 500 / sqrt(12) / 10


def test_a_stratum_with_a_seed_of_its_own_stays_while_the_rest_changes(filled: Registry) -> None:
    human, model = real_frac(0.2)
    fixed = human.model_copy(update={"seed": 77})
    chosen = []
    for seed in (1, 2):
        filled.mix(MixSpec(strata=(fixed, model), size=100, seed=seed), dry_run=True)
        chosen.append([{item for item, stratum in manifest(filled) if stratum == index} for index in (0, 1)])
    assert chosen[0][0] == chosen[1][0]
    assert chosen[0][1] != chosen[1][1]


# -- order


def test_the_order_interleaves_the_strata_evenly(filled: Registry) -> None:
    filled.mix(spec_for(0.1, size=500, seed=3), dry_run=True)
    strata = [stratum for _, stratum in manifest(filled)]
    positions = [position for position, stratum in enumerate(strata) if stratum == 0]
    assert len(positions) == 50
    assert strata != sorted(strata)
    assert strata != sorted(strata, reverse=True)
    assert abs(sum(positions) / 50 - 249.5) < 4 * 500 / sqrt(12 * 50)
    furthest = max(abs((n + 0.5) / 50 - position / 500) for n, position in enumerate(positions))
    assert furthest < 2 / sqrt(50)  # Kolmogorov–Smirnov: above it in 0.07 % of even orders


def test_the_order_is_not_the_order_of_choosing(filled: Registry) -> None:
    """One permutation for both would put the same documents first whatever the size."""
    small, large = (items(filled, one("origin = 'model'", size=size)) for size in (20, 400))
    assert small != large[:20]
    assert len(set(small) & set(large[:20])) < 10


def test_the_recorded_manifest_is_what_was_drawn(filled: Registry) -> None:
    drawn = filled.mix(spec_for(size=200))
    expected = [item for item, _ in manifest(filled)]
    provenance = [row for batch in filled.texts(drawn.mix) for row in batch.column("provenance").to_pylist()]
    assert [row["item"] for row in provenance] == expected
    documents = b"".join(bytes.fromhex(row["document"]) for row in provenance)
    assert drawn.digest == hashlib.sha256(drawn.spec.canonical() + documents).digest()


# -- the same again


def test_a_mix_is_recorded_once(filled: Registry) -> None:
    first = filled.mix(spec_for(size=100))
    batches, head = filled.list("batches"), filled.head()
    assert filled.mix(spec_for(size=100)).digest == first.digest
    assert (filled.list("batches"), filled.head(), len(filled.list("mixes"))) == (batches, head, 1)
    assert filled.mix(spec_for(size=100, seed=1)).digest != first.digest
    assert len(filled.list("mixes")) == 2


def test_other_local_ids_and_threads_draw_the_same(filled: Registry, tmp_path: Path) -> None:
    spec = spec_for(0.25, size=150, unit="words", seed=9)
    expected = filled.mix(spec, dry_run=True).digest
    with Registry.create(tmp_path / "other.prov") as other:
        for start in (3, 0, 2, 1):
            other.add(all_rows()[::-1][start::4])
        for threads in (1, 2, 4):
            other.connection.execute(f"SET threads = {threads}")
            assert other.mix(spec, dry_run=True).digest == expected


def test_a_registry_that_grew_draws_another_mix_and_keeps_the_old_one(filled: Registry) -> None:
    first = filled.mix(spec_for(size=100))
    filled.add([{"id": f"late-{n}", "text": f"late {n}", "origin": "human"} for n in range(300)])
    second = filled.mix(spec_for(size=100))
    assert second.digest != first.digest
    as_of = filled.connection.execute("SELECT as_of_batch_id FROM mix ORDER BY mix_id").fetchall()
    assert as_of == [(1,), (3,)]


def test_a_dry_run_writes_nothing(filled: Registry) -> None:
    path = filled.path
    filled.close()
    before = path.read_bytes()
    with Registry.open(path, read_only=True) as held:
        dry = held.mix(spec_for(size=100), dry_run=True)
        assert not dry.recorded
    with Registry.open(path) as held:
        assert held.mix(spec_for(size=100), dry_run=True).digest == dry.digest
    assert path.read_bytes() == before
    with Registry.open(path) as held:
        assert held.mix(spec_for(size=100)).digest == dry.digest


def test_a_mix_that_cannot_be_drawn_leaves_no_trace(filled: Registry) -> None:
    before = filled.head()
    with pytest.raises(Shortfall):
        filled.mix(spec_for(size=10**6))
    assert (filled.head(), filled.list("mixes")) == (before, [])


def test_a_mix_known_by_its_digest_alone_is_filled_in_when_it_is_drawn(filled: Registry) -> None:
    spec = spec_for(1.0, size=100)
    digest = filled.mix(spec, dry_run=True).digest
    filled.connection.execute(
        "INSERT INTO mix VALUES (7, $digest, NULL, NULL, NULL, TIMESTAMP '2026-01-01', true, 1)", {"digest": digest}
    )
    model = filled.record_model("learner", mix=digest.hex())
    assert not model.generation.exact
    drawn = filled.mix(spec)
    assert drawn.recorded
    assert [row["documents"] for row in filled.list("mixes")] == [100]
    shown = filled.connection.execute("SELECT mix_id, is_foreign, spec IS NULL, seed FROM mix").fetchall()
    assert shown == [(7, False, False, 0)]
    generation = filled.connection.execute("SELECT generation, generation_exact FROM model WHERE name = 'learner'")
    assert generation.fetchall() == [(1, True)]
    assert filled.mix(spec).digest == digest


# -- repeats


@pytest.mark.parametrize(("size", "most"), [(300, 1), (301, 2), (750, 3), (900, 3)])
def test_documents_repeat_whole_turns_first_and_at_most_as_often_as_allowed(
    filled: Registry, size: int, most: int
) -> None:
    counts = Counter(items(filled, one("origin = 'human'", size=size, max_repeats=3)))
    assert sum(counts.values()) == size
    assert len(counts) == HUMANS
    assert max(counts.values()) == most
    assert max(counts.values()) - min(counts.values()) <= 1


def test_beyond_the_allowed_repeats_is_a_shortfall(filled: Registry) -> None:
    with pytest.raises(Shortfall, match=r"holds 300, 900 with repeats .*use --docs 900, allow --max-repeats 4,"):
        filled.mix(one("origin = 'human'", size=901, max_repeats=3))


def test_without_a_size_repeats_make_the_largest_mix_larger(filled: Registry) -> None:
    assert filled.mix(spec_for(0.5, max_repeats=1), dry_run=True).total.documents == 600
    assert filled.mix(spec_for(0.5, max_repeats=2), dry_run=True).total.documents == 1200


def test_each_turn_has_an_order_of_its_own(filled: Registry) -> None:
    """The place of a document in one turn tells nothing of its place in the next."""
    order = items(filled, one("origin = 'human'", size=600, max_repeats=2))
    first, second = (
        {item: n for n, item in reversed(list(enumerate(order)))},
        dict(zip(order, range(600), strict=True)),
    )
    gaps = [second[item] - first[item] for item in first]
    assert abs(sum(gaps) / HUMANS - 200) < 4 * 600 / sqrt(18 * HUMANS)  # two random places are a third apart
    assert len(set(gaps)) > 150


# -- what there is not


@pytest.mark.parametrize("unit", ["documents", "bytes", "words"])
def test_the_best_of_a_shortfall_can_be_drawn_and_one_more_cannot(filled: Registry, unit: str) -> None:
    with pytest.raises(Shortfall) as caught:
        filled.mix(spec_for(0.8, size=10**6, unit=unit))
    best = caught.value.best
    assert best
    assert filled.mix(spec_for(0.8, size=best, unit=unit), dry_run=True).total.documents
    with pytest.raises(Shortfall):
        filled.mix(spec_for(0.8, size=best + 1, unit=unit), dry_run=True)


def test_an_empty_registry_is_a_shortfall(corpus: Registry) -> None:
    with pytest.raises(Shortfall, match="the registry holds 0"):
        corpus.mix(spec_for(size=10))
    with pytest.raises(Shortfall, match="the registry holds 0"):
        corpus.mix(spec_for())


def test_a_first_generation_without_model_text_draws_human_text_alone(corpus: Registry) -> None:
    corpus.add([{"text": f"human {n}"} for n in range(20)], Declared(origin=Origin.HUMAN))
    drawn = corpus.mix(spec_for(1.0))
    assert [stratum.documents for stratum in drawn.achieved] == [20, 0]
    with pytest.raises(Shortfall, match=r"needs 9 documents of origin = 'model', the registry holds 0"):
        corpus.mix(spec_for(0.1, size=10))


def test_zero_shares_and_strata_of_one_document_are_drawn(corpus: Registry) -> None:
    corpus.add([{"text": text, "origin": "human", "source": text} for text in "abc"])
    drawn = corpus.mix(MixSpec(strata=ratio("source:a=0,source:b=0.5,source:c=0.5")))
    assert [stratum.documents for stratum in drawn.achieved] == [0, 1, 1]
    assert drawn.total.documents == 2


def test_a_budget_below_every_text_is_an_error_not_an_empty_mix(filled: Registry) -> None:
    with pytest.raises(ProvError, match=r"the mix would be empty: .* share of 3 bytes: ask for more bytes"):
        filled.mix(spec_for(0.5, size=3, unit="bytes"))
    assert filled.list("mixes") == []


def test_an_overlap_names_a_document_and_both_strata(filled: Registry) -> None:
    strata = ratio("human=0.4,gen1=0.3,source:source-0=0.3")
    with pytest.raises(Overlap) as caught:
        filled.mix(MixSpec(strata=strata, size=10))
    assert caught.value.strata[-1] == strata[-1]
    assert len(caught.value.strata) == 2
    row = next(row for row in all_rows() if row["id"] == caught.value.item)
    assert row["source"] == "source-0"
    assert str(caught.value) == (
        f"the strata overlap: document {caught.value.item!r} is in [{caught.value.strata[0]}] and "
        "[source = 'source-0']: make their conditions disjoint"
    )


def test_an_overlap_among_documents_that_are_left_out_is_none(filled: Registry) -> None:
    """And where there is one among the others, it is not a document left out that is named."""
    conditions = ["id LIKE 'unknown%' OR id = 'human-1'", "id LIKE 'unknown%' OR id = 'human-2'"]
    assert filled.mix(halves(conditions)).total.documents == 2
    with pytest.raises(Overlap, match="document 'human-3'"):
        filled.mix(halves([f"{condition} OR id = 'human-3'" for condition in conditions]))


def halves(conditions: list[str]) -> MixSpec:
    return MixSpec.model_validate({"strata": [{"where": where, "share": 0.5} for where in conditions]})


@pytest.mark.slow
def test_a_thousand_strata_and_more_are_drawn(corpus: Registry) -> None:
    count = 1250
    corpus.add([{"id": str(n), "text": f"text {n}", "origin": "human"} for n in range(count)])
    strata = [{"where": f"id = '{n}'", "share": 0.0008} for n in range(count)]
    drawn = corpus.mix(MixSpec.model_validate({"strata": strata}))
    assert [stratum.documents for stratum in drawn.achieved] == [1] * count


# -- policies


@pytest.mark.parametrize(
    ("policies", "held", "excluded"),
    [
        ({}, [300, 500], {"unknown": 20, "mixed": 10}),
        ({"unknown": "human"}, [320, 500], {"unknown": 0, "mixed": 10}),
        ({"unknown": "model", "mixed": "human"}, [310, 520], {"unknown": 0, "mixed": 0}),
        ({"mixed": "model"}, [300, 510], {"unknown": 20, "mixed": 0}),
        ({"unknown": "unknown", "mixed": "mixed"}, [300, 500], {"unknown": 0, "mixed": 0}),
    ],
)
def test_policies_say_what_unknown_and_mixed_count_as(
    filled: Registry, policies: dict[str, str], held: list[int], excluded: dict[str, int]
) -> None:
    drawn = filled.mix(spec_for(0.5, size=10, **policies), dry_run=True)
    assert [counts.documents for counts in drawn.held] == held
    assert drawn.excluded == dict.fromkeys(REASONS, 0) | excluded


def test_what_counts_as_human_is_still_reported_as_unknown(filled: Registry) -> None:
    drawn = filled.mix(spec_for(1.0, unknown="human"), dry_run=True)
    assert {row["origin"]: row["documents"] for row in drawn.composition} == {"human": 300, "unknown": 20}
    assert drawn.summary()["achieved"]["real_frac"] == 300 / 320
    assert drawn.summary()["requested"]["real_frac"] == 1


def test_unknown_can_be_a_stratum_of_its_own(filled: Registry) -> None:
    spec = MixSpec(strata=ratio("human=0.5,unknown=0.3,mixed=0.2"), unknown="unknown", mixed="mixed", size=20)
    assert [counts.documents for counts in filled.mix(spec).achieved] == [10, 6, 4]


def test_excluded_counts_only_what_the_filter_lets_through(filled: Registry) -> None:
    drawn = filled.mix(spec_for(0.5, size=10, where="source = 'source-0'"), dry_run=True)
    assert drawn.excluded["unknown"] == sum(
        row["origin"] == "unknown" and row["source"] == "source-0" for row in all_rows()
    )


# -- filters


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("id = 'human-5'", 1),
        ("origin = 'human'", 300),
        ("generation = 0", 300),
        ("generation_exact = TRUE AND generation = 2", 250),
        ("generator = 'gpt'", 500),
        ("generator IS NULL AND origin = 'human'", 300),
        ("source IN ('source-0', 'source-1') AND origin = 'human'", 200),
        ("license = 'cc-by'", 400),
        ("url IS NULL", 800),
        ("created IS NULL", 800),
        ("bytes < 20", None),
        ("words BETWEEN", -1),
        ("words = 3", None),
        ("run IS NULL", 800),
        ("lang = 'it'", 200),
        ("metadata.lang != 'it' AND NOT origin = 'human'", 375),
    ],
)
def test_every_field_can_be_asked_for(filled: Registry, where: str, count: int | None) -> None:
    if count == -1:
        with pytest.raises(ProvError, match="the filter wants"):
            one(where)
        return
    if count is None:
        name, sign, value = where.split()
        measured = [len(row["text"].encode()) if name == "bytes" else len(row["text"].split()) for row in all_rows()]
        known = [row["origin"] in ("human", "model") for row in all_rows()]
        count = sum(
            (size < int(value) if sign == "<" else size == int(value)) and is_known
            for size, is_known in zip(measured, known, strict=True)
        )
    assert filled.mix(one(where), dry_run=True).total.documents == count
    share = filled.mix(one("origin = 'human' OR origin = 'model'", where=where), dry_run=True)
    assert share.total.documents == count


@pytest.mark.parametrize("spec", [one("colour = 1"), one("origin = 'human'", where="colour = 1")])
def test_an_unknown_field_is_an_error_that_lists_the_known(filled: Registry, spec: MixSpec) -> None:
    with pytest.raises(UnknownField) as caught:
        filled.mix(spec)
    known = [*sorted(set(KINDS) - {"metadata"}), "metadata.lang"]
    assert str(caught.value) == f"no field colour: use one of {', '.join(known)}"


# -- tokens


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer that gives each letter a token."""
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x": 0}, unk_token="x"))  # noqa: S106
    model.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    path = tmp_path_factory.mktemp("tokenizer") / "letters.json"
    model.save(str(path))
    return str(path)


def test_tokens_without_a_tokenizer_say_how_to_name_one(filled: Registry) -> None:
    for spec in (spec_for(size=100, unit="tokens"), one("tokens > 5"), spec_for(where="tokens > 5")):
        with pytest.raises(ProvError, match=r"counts tokens, but the registry has no tokenizer: .*`prov tokenize`"):
            filled.mix(spec)


def test_tokens_that_are_not_counted_yet_are_counted_first(filled: Registry, tokenizer: str) -> None:
    filled.tokenize(tokenizer)
    filled.connection.execute("DELETE FROM length WHERE text_id <= 7")
    for spec in (spec_for(size=1000, unit="tokens"), one("tokens > 5")):
        with pytest.raises(ProvError, match="those of 7 texts are not counted yet: count them with `prov tokenize`"):
            filled.mix(spec)
    filled.tokenize()
    assert filled.mix(spec_for(size=1000, unit="tokens")).total.tokens


def test_a_budget_of_tokens_and_conditions_on_them_count_what_the_tokenizer_counts(
    filled: Registry, tokenizer: str
) -> None:
    filled.tokenize(tokenizer)
    drawn = filled.mix(spec_for(0.25, size=4000, unit="tokens"), dry_run=True)
    assert drawn.quotas == [1000, 3000]
    letters = {row["id"]: len(row["text"]) for row in all_rows()}
    taken = manifest(filled)
    for index, counts in enumerate(drawn.achieved):
        assert counts.tokens == sum(letters[item] for item, stratum in taken if stratum == index) <= drawn.quotas[index]
    long = [row["id"] for row in all_rows() if row["origin"] == "human" and letters[row["id"]] > 50]
    assert sorted(items(filled, one("origin = 'human' AND tokens > 50"))) == sorted(long)


def test_tokens_are_reported_wherever_there_is_a_tokenizer(filled: Registry, tokenizer: str) -> None:
    assert filled.mix(spec_for(size=100), dry_run=True).total.tokens is None
    filled.tokenize(tokenizer)
    drawn = filled.mix(spec_for(size=100), dry_run=True)
    letters = {row["id"]: len(row["text"]) for row in all_rows()}
    assert drawn.total.tokens == sum(letters[item] for item, _ in manifest(filled))
    assert sum(row["tokens"] for row in drawn.composition) == drawn.total.tokens


# -- the report


def test_the_summary_has_the_shape_that_the_design_promises(filled: Registry) -> None:
    drawn: Drawn = filled.mix(spec_for(0.1, size=100, seed=7))
    summary = json.loads(json.dumps(drawn.summary()))
    assert summary["mix"] == summary["digest"][:12] == drawn.mix
    assert (summary["seed"], summary["unit"], summary["recorded"]) == (7, "documents", True)
    assert summary["requested"] == {"real_frac": 0.1, "size": 100}
    achieved = summary["achieved"]
    assert list(achieved) == ["documents", "bytes", "words", "tokens", "real_frac", "strata"]
    assert (achieved["documents"], achieved["tokens"], achieved["real_frac"]) == (100, None, 0.1)
    assert [(row["origin"], row["generation"]) for row in achieved["strata"]] == [
        ("human", 0),
        ("model", 1),
        ("model", 2),
    ]
    assert all({"documents", "bytes", "words", "tokens"} < set(row) for row in achieved["strata"])
    for unit in ("documents", "bytes", "words"):
        assert achieved[unit] == sum(row[unit] for row in achieved["strata"]) == sum(r[unit] for r in summary["strata"])
    assert [(row["where"], row["share"], row["quota"]) for row in summary["strata"]] == [
        ("origin = 'human'", 0.1, 10),
        ("origin = 'model'", 0.9, 90),
    ]
    assert summary["strata"][0]["held"]["documents"] == HUMANS
    assert summary["excluded"] == dict.fromkeys(REASONS, 0) | {"unknown": 20, "mixed": 10}
    assert MixSpec.model_validate(summary["spec"]) == drawn.spec


def test_a_share_of_bytes_is_not_a_share_of_documents_and_both_are_told(filled: Registry) -> None:
    drawn = filled.mix(spec_for(0.5, size=5000, unit="bytes"), dry_run=True)
    human, model = drawn.achieved
    assert drawn.share_of("human") == human.bytes / (human.bytes + model.bytes)
    assert abs(drawn.share_of("human") - 0.5) < 0.05
    assert human.documents != model.documents


@pytest.mark.parametrize(
    ("text", "share"), [("human=0.3,model=0.7", 0.3), ("model=1", 0.0), ("human=0.3,gen1=0.7", None)]
)
def test_the_requested_share_of_human_text_is_told_where_conditions_say_it(
    filled: Registry, text: str, share: float | None
) -> None:
    drawn = filled.mix(MixSpec(strata=ratio(text), size=10), dry_run=True)
    assert drawn.summary()["requested"]["real_frac"] == share
