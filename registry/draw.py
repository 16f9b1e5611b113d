"""Drawing: a spec becomes the exact documents of a mix, chosen and ordered by seeded permutations."""

import hashlib
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
from duckdb import (
    CaseExpression,
    ColumnExpression,
    ConstantExpression,
    DuckDBPyRelation,
    Expression,
)

from provenance.errors import ProvError
from provenance.origin import Origin
from registry.mix import UNITS, MixSpec, Stratum, exact, quotas, round_keys
from registry.schema import question
from registry.store import Store
from registry.tokens import default_tokenizer
from registry.where import Field, Kind, Where

REASONS = ("unknown", "mixed", "withdrawn", "held_out")
"""Why a document that a mix's filter lets through may still not be drawn."""

KINDS: dict[str, Kind] = {
    "id": "text",
    "origin": "text",
    "generation": "number",
    "generation_exact": "boolean",
    "generator": "text",
    "source": "text",
    "license": "text",
    "url": "text",
    "created": "time",
    "bytes": "number",
    "words": "number",
    "tokens": "number",
    "run": "text",
    "metadata": "json",
}
"""The fields that a filter may name."""


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
    recorded: bool

    @property
    def mix(self) -> str:
        """Its id: the first 12 hex digits of the digest."""
        return self.digest.hex()[:12]

    @property
    def total(self) -> Counts:
        return reduce(_plus, self.achieved, NOTHING)

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
            "achieved": self.total.plain() | {"real_frac": self.share_of(Origin.HUMAN), "strata": self.composition},
            "strata": strata,
            "excluded": self.excluded,
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


def draw(store: Store, spec: MixSpec, record: bool = True) -> Drawn:
    """Draw a mix, and record it with its manifest; the same mix again is the same row.

    Args:
        record: False for a dry run: nothing is written.
    Raises:
        Shortfall: the registry holds less than a stratum needs.
        Overlap: two strata ask for one document.
        UnknownField, WhereError: a condition names or compares what there is not.
        ProvError: the unit is tokens and there is no tokenizer, or it has not counted all texts.
    """
    if not record:
        return _draw(store, spec, batch_id=None)
    with store.batch("mix") as batch:
        drawn = _draw(store, spec, batch.batch_id)
        if store.ask("mix_by_digest", digest=drawn.digest.hex()):
            batch.abandon()
        else:
            store.run(
                "insert_mix",
                digest=drawn.digest,
                spec=spec.canonical().decode(),
                seed=spec.seed,
                as_of_batch_id=batch.batch_id - 1,
                made_at=batch.made_at,
                batch_id=batch.batch_id,
            )
            store.run("insert_mix_documents", digest=drawn.digest)
            batch.documents, batch.bytes = drawn.total.documents, drawn.total.bytes
    return drawn


def _draw(store: Store, spec: MixSpec, batch_id: int | None) -> Drawn:
    tokenizer = default_tokenizer(store) if _needs_tokens(spec) else None
    if _needs_tokens(spec) and not tokenizer:
        raise ProvError("this mix counts tokens, but the registry has no tokenizer: name one with `prov tokenize`")
    policy = pa.table(
        {
            "unknown": [spec.unknown],
            "mixed": [spec.mixed],
            "tokenizer_id": pa.array([tokenizer and tokenizer.tokenizer_id], pa.int64()),
        }
    )
    with store.lend(policy=policy):
        candidates = _stratified(store, spec)
        with store.lend(candidate=candidates):
            held, excluded = _take_stock(store, spec)
            wanted = quotas(spec, [counts.of(spec.unit) * spec.max_repeats for counts in held])
            _choose(store, spec, wanted, held)
    return Drawn(
        digest=_digest(store, spec),
        spec=spec,
        quotas=wanted,
        held=held,
        achieved=_by_stratum(store.ask_records("drawn_by_stratum"), len(spec.strata)),
        composition=store.ask_records("drawn_composition"),
        excluded=excluded,
        recorded=batch_id is not None,
    )


def _needs_tokens(spec: MixSpec) -> bool:
    conditions = [stratum.where for stratum in spec.strata] + ([spec.where] if spec.where else [])
    return spec.unit == "tokens" or any("tokens" in where.names for where in conditions)


# -- which documents there are


def filter_fields() -> dict[str, Field]:
    """The columns that conditions may name, as expressions over the question `candidates`."""
    return {name: Field(ColumnExpression(name), kind) for name, kind in KINDS.items()}


def _stratified(store: Store, spec: MixSpec) -> DuckDBPyRelation:
    """Every document that the common condition lets through, with its stratum (the first that fits) and hits."""
    fields, metadata = filter_fields(), [name for (name,) in store.ask("fields")]
    relation = store.connection.sql(question("candidates"))
    if spec.where:
        relation = relation.filter(spec.where.compile(fields, metadata))
    conditions = [stratum.where.compile(fields, metadata) for stratum in spec.strata]
    kept = [ColumnExpression(name) for name in ("document_id", "digest", "rank", "id", "excluded", *UNITS[1:])]
    return relation.select(*kept, _first_that_fits(conditions).alias("stratum"), _hits(conditions).alias("hits"))


def _first_that_fits(conditions: list[Expression]) -> Expression:
    stratum = CaseExpression(conditions[0], ConstantExpression(0))
    for index, condition in enumerate(conditions[1:], 1):
        stratum = stratum.when(condition, ConstantExpression(index))
    return stratum


def _hits(conditions: list[Expression]) -> Expression:
    one, none = ConstantExpression(1), ConstantExpression(0)
    parts = [CaseExpression(condition, one).otherwise(none) for condition in conditions]
    return reduce(lambda total, part: total + part, parts)


def _take_stock(store: Store, spec: MixSpec) -> tuple[list[Counts], dict[str, int]]:
    rows = store.ask_records("take_stock")
    if any(row["excluded"] is None and row["hits"] > 1 for row in rows):
        _raise_overlap(store, spec)
    excluded = dict.fromkeys(REASONS, 0)
    for row in rows:
        if row["excluded"] is not None:
            excluded[row["excluded"]] += row["documents"]
    stock = [row for row in rows if row["excluded"] is None and row["stratum"] is not None]
    if spec.unit == "tokens" and any(row["tokens"] is None for row in stock):
        raise ProvError("some texts have no token count yet: count them with `prov tokenize`")
    return _by_stratum(stock, len(spec.strata)), excluded


def _raise_overlap(store: Store, spec: MixSpec) -> None:
    item, document_id = store.ask("overlap")[0]
    fields, metadata = filter_fields(), [name for (name,) in store.ask("fields")]
    relation = store.connection.sql(question("candidates")).filter(
        ColumnExpression("document_id") == ConstantExpression(document_id)
    )
    both = [stratum for stratum in spec.strata if relation.filter(stratum.where.compile(fields, metadata)).fetchall()]
    raise Overlap(item, both)


def _by_stratum(rows: list[dict[str, Any]], strata: int) -> list[Counts]:
    found = {row["stratum"]: Counts(row["documents"], row["bytes"], row["words"], row["tokens"]) for row in rows}
    return [found.get(index, NOTHING) for index in range(strata)]


# -- choosing and ordering


def _choose(store: Store, spec: MixSpec, wanted: list[int], held: list[Counts]) -> None:
    """Leave the chosen documents, in the order of the mix, in the temporary table `drawn`."""
    for with_cut in (True, False):
        with store.lend(quota=_quota_table(spec, wanted, held, with_cut)):
            store.run("stage_ranked")
            if not store.ask_value("short_strata"):
                store.run("stage_drawn")
                return
    raise AssertionError("the quotas were checked against the stock, yet a stratum fell short")


def _quota_table(spec: MixSpec, wanted: list[int], held: list[Counts], with_cut: bool) -> pa.Table:
    """One row for each stratum and turn: what to take, and the keys of both permutations.

    A quota above the stock takes whole turns first, then a part of one more.
    """
    rows = []
    for index, (stratum, quota, counts) in enumerate(zip(spec.strata, wanted, held, strict=True)):
        whole = counts.of(spec.unit)
        seed = spec.seed if stratum.seed is None else stratum.seed
        choose = {f"choose{n}": key for n, key in enumerate(round_keys(seed, "choose"))}
        for turn in range(-(-quota // whole) if whole else 0):
            part = min(whole, quota - turn * whole)
            order = {f"order{n}": key for n, key in enumerate(round_keys(spec.seed, "order", turn))}
            rows.append(
                {
                    "stratum": index,
                    "turn": turn,
                    "unit": spec.unit,
                    "wanted": part,
                    "cut": _cut(part, whole, counts.documents) if with_cut else None,
                    **choose,
                    **order,
                }
            )
    return pa.Table.from_pylist(rows, schema=_QUOTA)


_QUOTA = pa.schema(
    [
        ("stratum", pa.int32()),
        ("turn", pa.int32()),
        ("unit", pa.string()),
        ("wanted", pa.int64()),
        ("cut", pa.uint64()),
        *((f"{role}{n}", pa.uint64()) for role in ("choose", "order") for n in range(4)),
    ]
)


def _cut(part: int, whole: int, documents: int) -> int | None:
    """The place below which the part almost surely lies, so that only few documents need be ranked.

    Places are uniform; six standard deviations and a tenth are ample. None where no cut would save work.
    """
    expected = documents * part / whole
    ample = (1.1 * expected + 6 * expected**0.5 + 30) / documents
    return int(ample * 2**64) if ample < 0.9 else None


def _digest(store: Store, spec: MixSpec) -> bytes:
    digest = hashlib.sha256(spec.canonical())
    for (documents,) in store.ask("drawn_digests"):
        digest.update(documents)
    return digest.digest()
