"""Drawing: a spec becomes the exact documents of a mix, chosen and ordered by seeded permutations."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from duckdb import (
    CaseExpression,
    ColumnExpression,
    ConstantExpression,
    DuckDBPyRelation,
    Expression,
    StarExpression,
)

from provenance.errors import ProvError
from provenance.fingerprint import DEFAULT
from provenance.origin import Origin
from registry.barred import without_barred
from registry.candidates import candidates
from registry.clusters import find_duplicates
from registry.descent import describe_new_mixes
from registry.fingerprints import wanted_sketcher
from registry.licensing import judge
from registry.lineage import find_manifest, rederive
from registry.mix import MixSpec, Stratum, exact, quotas, round_keys
from registry.near import Nearness
from registry.real_share import RealShare, Side, kept, promised
from registry.schema import question
from registry.store import Batch, Store, update_with
from registry.where import Where

if TYPE_CHECKING:
    from registry.stream import TokenStream

REASONS = ("unknown", "unattributed", "mixed", "withdrawn", "held_out", "license", "license_unknown", "duplicate")
"""Why a document that a mix's filter lets through may still not be drawn."""


class Overlap(ProvError):
    """Two strata that ask for the same document."""

    def __init__(self, item: str, strata: list[Stratum]) -> None:
        self.item, self.strata = item, strata
        named = " and ".join(f"[{stratum}]" for stratum in strata)
        super().__init__(f"the strata overlap: document {item!r} is in {named}: make their conditions disjoint")


@dataclass(frozen=True)
class Counts:
    """Documents, and what they weigh."""

    documents: int
    bytes: int
    words: int
    tokens: int | None

    def of(self, unit: str) -> int:
        value: int | None = getattr(self, unit)
        return value or 0

    def plain(self) -> dict[str, int | None]:
        return dict(vars(self))


NOTHING = Counts(0, 0, 0, 0)


@dataclass(frozen=True)
class Drawn:
    """A mix as it came out: its digest, what was asked for and what there is of it."""

    digest: bytes
    spec: MixSpec
    quotas: list[int]
    held: list[Counts]
    achieved: list[Counts]
    composition: list[dict[str, Any]]
    excluded: dict[str, int]
    spared: list[dict[str, Any]]
    recorded: bool
    store: Store = field(repr=False, compare=False)
    real_share: RealShare | None = None

    @property
    def mix(self) -> str:
        """Its id: the first 12 hex digits of the digest."""
        return self.digest.hex()[:12]

    @property
    def total(self) -> Counts:
        return reduce(_plus, self.achieved, NOTHING)

    def torch(self, **options: Any) -> "TokenStream":
        """Its texts as batches of tokens for a training loop, while the registry is open; see `registry.stream.stream`.

        Raises:
            ProvError: the mix was not recorded.
        """
        from registry.stream import stream

        if not self.recorded:
            raise ProvError(f"mix {self.mix} was not recorded: draw it without dry_run to train on it")
        return stream(self.store, self.digest.hex(), **options)

    def share_of(self, origin: str) -> float:
        """The share of an origin in the unit of the mix."""
        unit = self.spec.unit
        part = sum(row[unit] or 0 for row in self.composition if row["origin"] == origin)
        return part / self.total.of(unit) if self.total.of(unit) else 0.0

    def summary(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        requested = {"real_frac": _requested_share(self.spec), "size": self.spec.size}
        strata = [
            {
                "where": str(stratum.where),
                "share": stratum.share,
                "quota": quota,
                "held": held.plain(),
                **achieved.plain(),
            }
            for stratum, quota, held, achieved in zip(
                self.spec.strata, self.quotas, self.held, self.achieved, strict=True
            )
        ]
        return {
            "mix": self.mix,
            "digest": self.digest.hex(),
            "seed": self.spec.seed,
            "unit": self.spec.unit,
            "requested": requested,
            "achieved": self.total.plain()
            | {"real_frac": self.share_of(Origin.HUMAN), "strata": self.composition}
            | ({"real_share": self.real_share.summary()} if self.real_share else {}),
            "strata": strata,
            "excluded": self.excluded,
            "spared": self.spared,
            "spec": self.spec.model_dump(mode="json"),
            "recorded": self.recorded,
        }


def _plus(one: Counts, other: Counts) -> Counts:
    tokens = None if one.tokens is None or other.tokens is None else one.tokens + other.tokens
    return Counts(one.documents + other.documents, one.bytes + other.bytes, one.words + other.words, tokens)


def _requested_share(spec: MixSpec) -> float | None:
    """The share of human text that the strata ask for; None where their conditions do not say."""
    human = Where.equals("origin", "human")
    by_origin = [stratum for stratum in spec.strata if stratum.where.names == {"origin"}]
    if len(by_origin) < len(spec.strata):
        return None
    return float(sum(exact(stratum.share) for stratum in spec.strata if stratum.where == human))


def draw(store: Store, spec: MixSpec, record: bool = True, texts_of: Store | None = None) -> Drawn:
    """Draw a mix, and record it with its manifest; the same mix again is the same row.

    Args:
        record: False for a dry run: nothing is written.
        texts_of: where texts and fingerprints are held, where that is another store.
    Raises:
        Shortfall: the registry holds less than a stratum needs.
        Unpromised: a real share is to be promised, and what is held cannot.
        Overlap: two strata ask for one document.
        UnknownField, WhereError: a condition names or compares what there is not.
        ProvError: the unit is tokens and there is no tokenizer, or it has not counted all texts.
    """
    spec = _with_sketch(texts_of or store, spec)
    if not record:
        return _draw(store, spec, record, texts_of)
    with store.batch("mix") as batch:
        drawn = _draw(store, spec, record, texts_of)
        known = store.ask_one("mix_by_digest", digest=drawn.digest.hex())
        if known and not store.ask_value("mix_is_foreign", mix_id=known[0]):
            batch.abandon()
        else:
            _record(store, batch, drawn, is_known=known is not None)
    return drawn


def _record(store: Store, batch: Batch, drawn: Drawn, is_known: bool) -> None:
    """Record a mix and its manifest; one that was known by its digest alone is filled in."""
    content = {
        "digest": drawn.digest,
        "spec": drawn.spec.canonical().decode(),
        "seed": drawn.spec.seed,
        "as_of_batch_id": batch.batch_id - 1,
        "made_at": batch.made_at,
    }
    if is_known:
        store.run("fill_in_mix", **content)
    else:
        store.run("insert_mix", batch_id=batch.batch_id, **content)
    store.run("insert_mix_documents", digest=drawn.digest)
    describe_new_mixes(store)
    if is_known:
        rederive(store)
    batch.documents, batch.bytes = drawn.total.documents, drawn.total.bytes


def _with_sketch(store: Store, spec: MixSpec) -> MixSpec:
    """The spec with what it leaves open of near-duplicates written down."""
    if not spec.dedup or spec.dedup.kind == "exact":
        return spec
    held = wanted_sketcher(store).spec
    held.check_same(spec.dedup.sketch or held)
    sketch = held.model_copy(update={"threshold": DEFAULT.threshold})  # which says nothing here, so that it is left out
    said = {"sketch": sketch, "threshold": spec.dedup.threshold or held.threshold}
    return spec.model_copy(update={"dedup": spec.dedup.model_copy(update=said)})


def _draw(store: Store, spec: MixSpec, record: bool, texts_of: Store | None) -> Drawn:
    with store.lend(policy=policy(store, spec)):
        stratified, spared = _each_once(store, spec, _stratified(store, spec), texts_of)
        with _placed(store, stratified):
            held, alike, excluded = _take_stock(store, spec)
            skips = [stratum.skip for stratum in spec.strata]
            stock = [max(0, counts.of(spec.unit) - skip) for counts, skip in zip(held, skips, strict=True)]
            sides = _sides(store, spec, stock, alike) if spec.promise else None
            wanted = promised(spec, sides, excluded) if sides else quotas(spec, stock, excluded)
            reached = [
                (quota and quota + skip, there + skip) for quota, there, skip in zip(wanted, stock, skips, strict=True)
            ]
            _choose(store, _turns(reached, alike))
            _pass_over(store, skips)
        with store.lend(turn_key=_turn_keys(spec)), _placed(store, store.connection.sql(question("turned"))):
            store.run("stage_drawn")
        counts = store.ask_records("drawn_counts")
    achieved = _by_stratum(counts, len(spec.strata))
    if not any(stratum.documents for stratum in achieved):
        raise ProvError(
            f"the mix would be empty: of no stratum does the first text fit into its share of {spec.size:,} "
            f"{spec.unit}: ask for more {spec.unit}"
        )
    return Drawn(
        digest=_digest(store, spec),
        spec=spec,
        quotas=wanted,
        held=held,
        achieved=achieved,
        composition=[_without_stratum(row) for row in counts if row["stratum"] is None],
        excluded=excluded,
        spared=spared,
        recorded=record,
        store=store,
        real_share=kept(spec, sides, wanted) if sides else None,
    )


def _sides(store: Store, spec: MixSpec, stock: list[int], alike: list[float]) -> list[Side]:
    """The first documents of each stratum, as many as the whole mix has, with how probably each is real."""
    assert spec.size is not None
    _choose(store, _turns([(min(held, spec.size), held) for held in stock], alike))
    tables = [store.ask_table("chances", stratum=index) for index in range(len(stock))]
    return [Side(*(column.to_numpy() for column in table.columns)) for table in tables]


def _each_once(
    store: Store, spec: MixSpec, documents: DuckDBPyRelation, texts_of: Store | None
) -> tuple[DuckDBPyRelation, list[dict[str, Any]]]:
    """The documents, those that another one stands for marked so, and the sources that would have lost too many."""
    if not spec.dedup:
        return documents, []
    is_drawable = ColumnExpression("excluded").isnull() & (ColumnExpression("hits") > ConstantExpression(0))
    near = Nearness(spec.dedup.threshold) if spec.dedup.threshold else None
    drawable = documents.filter(is_drawable).select("document_id")
    found = find_duplicates(store, drawable, near, spec.dedup.keep, spec.dedup.max_loss, texts_of=texts_of)
    duplicate = store.connection.table("duplicate").select(
        "document_id", ConstantExpression(True).alias("is_duplicate")
    )
    reason = CaseExpression(ColumnExpression("is_duplicate"), ConstantExpression("duplicate"))
    marked = documents.join(duplicate, "document_id", how="left").select(
        StarExpression(exclude=["excluded", "is_duplicate"]),
        reason.otherwise(ColumnExpression("excluded")).alias("excluded"),
    )
    return marked, [row for row in found.sources if row["spared"]]


def _without_stratum(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "stratum"}


def policy(store: Store, spec: MixSpec) -> pa.Table:
    """What all questions of a draw need of its spec, in one row."""
    named = _named(spec) | {spec.unit}
    tokenizer_id = store.ask_value("tokenizer")
    if "tokens" in named:
        _check_counted(store, tokenizer_id)
    return pa.table(
        {
            "unknown": [spec.unknown],
            "mixed": [spec.mixed],
            "unit": [spec.unit],
            "named": [sorted(named)],
            "tokenizer_id": pa.array([tokenizer_id], pa.int64()),
            "barred_license": pa.array([_barred_licenses(store, spec)], _BARRED_LICENSES),
        }
    )


def _barred_licenses(store: Store, spec: MixSpec) -> list[dict[str, Any]]:
    """The licences, and the lack of one, that the use of a mix rules out, each with why."""
    if spec.use is None:
        return []
    reasons = {"forbidden": "license"} | ({"unknown": "license_unknown"} if spec.unknown_license == "exclude" else {})
    judged = ((number, judge(name, spec.use).verdict) for number, name in [*store.ask("license_ids"), (None, None)])
    return [{"license_id": number, "reason": reasons[verdict]} for number, verdict in judged if verdict in reasons]


_BARRED_LICENSES = pa.list_(pa.struct([("license_id", pa.int64()), ("reason", pa.string())]))


def _check_counted(store: Store, tokenizer_id: int | None) -> None:
    if tokenizer_id is None:
        raise ProvError("this mix counts tokens, but the registry has no tokenizer: name one with `prov tokenize`")
    if uncounted := store.ask_value("count_uncounted_texts", tokenizer_id=tokenizer_id):
        raise ProvError(
            f"this mix counts tokens, but those of {uncounted:,} texts are not counted yet: count them with "
            "`prov tokenize`"
        )


# -- which documents there are


def _named(spec: MixSpec) -> frozenset[str]:
    """The fields that the conditions of a mix mention, as their normal form writes them."""
    conditions = [stratum.where for stratum in spec.strata] + ([spec.where] if spec.where else [])
    return frozenset[str]().union(*(where.names for where in conditions))


def _stratified(store: Store, spec: MixSpec) -> DuckDBPyRelation:
    """Every document that the common condition lets through.

    Each has its stratum (the first that fits), its hits (how many fit) and the keys by which its stratum chooses.
    """
    documents = candidates(store, _named(spec))
    relation = without_barred(store, documents.relation)
    if spec.where:
        relation = relation.filter(documents.condition(spec.where))
    if spec.human_of:
        relation = _with_human_of(store, relation, spec.human_of)
    conditions = [documents.condition(stratum.where) for stratum in spec.strata]
    keys = [round_keys(spec.seed if stratum.seed is None else stratum.seed, "choose") for stratum in spec.strata]
    return relation.select(
        *map(ColumnExpression, _KEPT),
        _of_first_that_fits(conditions, range(len(conditions))).alias("stratum"),
        _hits(conditions).alias("hits"),
        *(_key(conditions, column).alias(f"key{n}") for n, column in enumerate(zip(*keys, strict=True))),
    )


def _with_human_of(store: Store, relation: DuckDBPyRelation, mix: str) -> DuckDBPyRelation:
    """Those of the documents that are not human, or stand in a mix."""
    is_of_mix = ColumnExpression("mix_id") == ConstantExpression(find_manifest(store, mix)[0])
    known = store.connection.table("mix_document").filter(is_of_mix).select("document_id").distinct()
    known = known.select("document_id", ConstantExpression(True).alias("of_mix"))
    is_other = ColumnExpression("declared_origin") != ConstantExpression(Origin.HUMAN.value)
    return relation.join(known, "document_id", how="left").filter(ColumnExpression("of_mix").isnotnull() | is_other)


_KEPT = (
    *("document_id", "digest", "rank", "text_id", "id", "declared_origin", "excluded", "real_chance", "generation"),
    *("generation_exact", "bytes", "words", "tokens", "size"),
)


def _key(conditions: list[Expression], keys: Sequence[int]) -> Expression:
    one_for_all = len(set(keys)) == 1
    key = ConstantExpression(keys[0]) if one_for_all else _of_first_that_fits(conditions, keys)
    return key.cast("UBIGINT")


def _of_first_that_fits(conditions: list[Expression], values: Sequence[int]) -> Expression:
    chosen = CaseExpression(conditions[0], ConstantExpression(values[0]))
    for condition, value in zip(conditions[1:], values[1:], strict=True):
        chosen = chosen.when(condition, ConstantExpression(value))
    return chosen


def _hits(conditions: list[Expression]) -> Expression:
    one, none = ConstantExpression(1), ConstantExpression(0)
    return _sum([CaseExpression(condition, one).otherwise(none) for condition in conditions])


def _sum(parts: list[Expression]) -> Expression:
    """Add as a balanced tree: duckdb 2.0 recurses in Python, and fails on a chain of a thousand."""
    half = len(parts) // 2
    return _sum(parts[:half]) + _sum(parts[half:]) if half else parts[0]


def _take_stock(store: Store, spec: MixSpec) -> tuple[list[Counts], list[float], dict[str, int]]:
    """What each stratum holds, as how many documents of one size it scatters, and what is excluded."""
    rows = store.ask_records("take_stock")
    if any(row["excluded"] is None and row["hits"] > 1 for row in rows):
        _raise_overlap(store, spec)
    excluded = dict.fromkeys(REASONS, 0)
    for row in rows:
        if row["excluded"] is not None:
            excluded[row["excluded"]] += row["documents"]
    alike = {row["stratum"]: row["alike"] for row in rows}
    return _by_stratum(rows, len(spec.strata)), [alike.get(index, 0.0) for index in range(len(spec.strata))], excluded


def _raise_overlap(store: Store, spec: MixSpec) -> None:
    item, document_id = store.ask("overlap")[0]
    documents = candidates(store, _named(spec))
    relation = documents.relation.filter(ColumnExpression("document_id") == ConstantExpression(document_id))
    both = [stratum for stratum in spec.strata if relation.filter(documents.condition(stratum.where)).fetchall()]
    raise Overlap(item, both)


def _by_stratum(rows: list[dict[str, Any]], strata: int) -> list[Counts]:
    found = {row["stratum"]: Counts(row["documents"], row["bytes"], row["words"], row["tokens"]) for row in rows}
    return [found.get(index, NOTHING) for index in range(strata)]


# -- choosing and ordering


@contextmanager
def _placed(store: Store, seeded: DuckDBPyRelation) -> Iterator[None]:
    """Lend the rows of a relation as `placed`: each with its place in the permutation that its keys make."""
    with store.lend(seeded=seeded), store.lend(placed=store.connection.sql(question("placed"))):
        yield


@dataclass(frozen=True)
class Turn:
    """What to take of a stratum in one pass over it; a quota above the stock takes whole turns, then part of one more.

    Attributes:
        wanted: in the unit of the mix.
        cut: the last place, of 2^64, to which it is likely to reach.
    """

    stratum: int
    turn: int
    wanted: int
    cut: int


LAST_PLACE = 2**64 - 1
SURELY = 6.0
"""So many standard deviations more than needed are looked at; where that is too few, twice as many."""


def _turns(reached: list[tuple[int, int]], alike: list[float]) -> list[Turn]:
    """The turns of each stratum, given how far in the seeded order it reaches and how far that goes."""
    return [
        Turn(index, turn, part := min(held, quota - turn * held), _cut(part, held, alike[index]))
        for index, (quota, held) in enumerate(reached)
        for turn in range(-(-quota // held) if held else 0)
    ]


def _cut(wanted: int, held: int, alike: float) -> int:
    """Before which place what is wanted of a stratum is all but sure to stand: places are uniform and independent."""
    share = wanted / held
    reach = share + SURELY * (share / alike) ** 0.5 + SURELY**2 / alike
    return min(LAST_PLACE, int(reach * LAST_PLACE)) if wanted < held else LAST_PLACE


def _choose(store: Store, turns: list[Turn]) -> None:
    """Leave in the temporary table `chosen` what the turns take, exactly, of what is `placed`."""
    while True:
        quota = pa.Table.from_pylist([vars(turn) for turn in turns], schema=_QUOTA)
        with store.lend(quota=quota):
            store.run("stage_chosen")
            if not store.ask_value("any_short"):
                store.run("stage_bound")
                break
        turns = [replace(turn, cut=min(LAST_PLACE, 2 * turn.cut)) for turn in turns]
    store.run("trim_chosen")


def _pass_over(store: Store, skips: list[int]) -> None:
    """Take the first so many documents of each stratum out of what was chosen."""
    if any(skips):
        rows = pa.table({"stratum": pa.array(range(len(skips)), pa.int32()), "skip": pa.array(skips, pa.int64())})
        with store.lend(skipped=rows):
            store.run("drop_skipped")


_QUOTA = pa.schema([("stratum", pa.int32()), ("turn", pa.int32()), ("wanted", pa.int64()), ("cut", pa.uint64())])


def _turn_keys(spec: MixSpec) -> pa.Table:
    keys = zip(*(round_keys(spec.seed, "order", turn) for turn in range(spec.max_repeats)), strict=True)
    columns = {f"key{n}": pa.array(column, pa.uint64()) for n, column in enumerate(keys)}
    return pa.table({"turn": pa.array(range(spec.max_repeats), pa.int32()), **columns})


def _digest(store: Store, spec: MixSpec) -> bytes:
    digest = hashlib.sha256(spec.canonical())
    for batch in store.stream("drawn_digests"):
        update_with(digest, batch.column("digest"))
    return digest.digest()
