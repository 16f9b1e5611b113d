"""What a mix is: its strata and their shares, and how many documents or bytes of each make it up.

Nothing here touches a database: a spec is both the request and the record of it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, lcm
from types import MappingProxyType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from provenance.errors import ProvError
from provenance.fingerprint import MinHashSpec
from provenance.origin import Origin, canonical
from registry.licensing import with_version
from registry.where import Where

Unit = Literal["documents", "bytes", "words", "tokens"]
Promise = Literal["expected", "lower-bound"]
PROMISES: tuple[Promise, ...] = ("expected", "lower-bound")
MAX_SEED = 2**53 - 1  # the largest integer that canonical JSON carries
MAX_REPEATS = 1000


class Stratum(BaseModel):
    """The documents of a mix that share one condition, and their share of the whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Where
    share: float = Field(ge=0, le=1)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="choose by this seed, not by the mix's")
    skip: int = Field(default=0, ge=0, description="pass over so many documents of the seeded order")
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False, description="what each document counts in training")

    def __str__(self) -> str:
        return str(self.where)


class Dedup(BaseModel):
    """Draw each cluster of duplicates once; `registry.dedup` says what a cluster is.

    Attributes:
        kind: exact joins documents of one text, near also texts whose Jaccard similarity reaches the threshold.
        keep: which document of a cluster may be drawn.
        max_loss: a source that would lose a larger share keeps all that it has.
        threshold, sketch: of near-duplicates; what is left open is the registry's, and written down as it was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["exact", "near"]
    keep: Literal["human", "earliest", "license", "longest"] = "human"
    max_loss: float = Field(default=0.2, ge=0, le=1)
    threshold: float | None = Field(default=None, gt=0, le=1)
    sketch: MinHashSpec | None = None

    @model_validator(mode="after")
    def _exact_has_no_threshold(self) -> Self:
        if self.kind == "exact" and (self.threshold or self.sketch):
            raise ValueError("threshold and sketch say nothing of exact duplicates: leave them out, or say near")
        return self


class MixSpec(BaseModel):
    """A mix as it is asked for; the same spec over the same registry is the same mix.

    `size` None asks for the largest mix that the shares allow. A policy says what documents of that origin count
    as: `exclude` leaves them out, and their own name makes them a class that strata may ask for. Two of unknown origin
    go by attributions, and promise the real share: `expected` on average, `lower-bound` but for a risk of 5 % (see
    `registry.real_share`). `use` leaves out what its licence forbids for that use (see `registry.licensing`), and what
    has no licence that is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strata: tuple[Stratum, ...] = Field(min_length=1)
    size: int | None = Field(default=None, ge=1)
    unit: Unit = "documents"
    where: Where | None = None
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    max_repeats: int = Field(default=1, ge=1, le=MAX_REPEATS)
    unknown: Literal["exclude", "human", "model", "unknown", "expected", "lower-bound"] = "exclude"
    mixed: Literal["exclude", "human", "model", "mixed"] = "exclude"
    use: str | None = Field(default=None, description="commercial or research, with the version of the licence table")
    unknown_license: Literal["exclude", "keep"] = "exclude"
    human_of: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="digest of a mix: of human documents draw only those in it"
    )
    dedup: Dedup | None = Field(default=None, description="draw each cluster of duplicates once")

    @field_validator("strata")
    @classmethod
    def _shares_sum_to_one(cls, strata: tuple[Stratum, ...]) -> tuple[Stratum, ...]:
        total = sum((Decimal(repr(stratum.share)) for stratum in strata), Decimal(0))
        if total != 1:
            raise ValueError(f"the shares sum to {total.normalize():f}, they must sum to 1")
        return strata

    @field_validator("use")
    @classmethod
    def _use_has_version(cls, use: str | None) -> str | None:
        return None if use is None else with_version(use)

    @model_validator(mode="after")
    def _unknown_license_has_use(self) -> Self:
        if self.use is None and self.unknown_license != "exclude":
            raise ValueError("unknown_license says nothing without a use: leave it out, or name the use")
        return self

    @model_validator(mode="after")
    def _size_has_unit(self) -> Self:
        if self.size is None and self.unit != "documents":
            raise ValueError(f"a mix in {self.unit} needs a size")
        return self

    @model_validator(mode="after")
    def _skip_counts_documents(self) -> Self:
        if any(stratum.skip for stratum in self.strata) and (self.unit != "documents" or self.max_repeats > 1):
            raise ValueError("skip passes over documents that are drawn once: use the unit documents and no repeats")
        return self

    @model_validator(mode="after")
    def _promise_is_of_real_documents(self) -> Self:
        if self.promise is None:
            return self
        origins = sorted(str(Where.equals("origin", origin)) for origin in ("human", "model"))
        if sorted(map(str, self.strata)) != origins:
            raise ValueError(
                f"unknown {self.promise} promises a share of real text: draw by --real-frac, or count "
                "documents of unknown origin otherwise"
            )
        if self.unit != "documents" or self.size is None:
            raise ValueError(
                f"unknown {self.promise} promises a share of documents: give the size in documents, as --docs"
            )
        if self.max_repeats > 1 or any(stratum.skip for stratum in self.strata):
            raise ValueError(
                f"unknown {self.promise} draws each document once, from the first on: leave out max_repeats and skip"
            )
        return self

    @property
    def promise(self) -> Promise | None:
        """The policy that promises a real share, where there is one."""
        return next((promise for promise in PROMISES if promise == self.unknown), None)

    def canonical(self) -> bytes:
        """The spec as canonical JSON; a field at its default is left out, so that new fields change no digest."""
        return canonical(self.model_dump(mode="json", exclude_defaults=True))


def exact(share: float) -> Fraction:
    """The share as the decimal that was written: 0.1 is a tenth, not the nearest binary fraction.

    >>> exact(0.1) * 1000
    Fraction(100, 1)
    """
    return Fraction(Decimal(repr(share)))


def real_frac(share: float) -> tuple[Stratum, ...]:
    """The strata of a mix of human and model text, `share` of it human.

    Raises:
        ProvError: it is no share.

    >>> [stratum.share for stratum in real_frac(1 / 7)]
    [0.142857142857143, 0.857142857142857]
    """
    if not 0 <= share <= 1:  # not a number neither
        raise ProvError(f"the share of human text is to be {share:g}: give a number from 0 to 1")
    real = round(share, 15)  # to 15 decimals a number and what it lacks to one are both exact
    return (
        Stratum(where=Where.equals("origin", "human"), share=real),
        Stratum(where=Where.equals("origin", "model"), share=round(1 - real, 15)),
    )


def ratio(text: str) -> tuple[Stratum, ...]:
    """The strata that `human=0.1,gen1=0.5,source:wiki=0.4` asks for.

    Raises:
        ProvError: a part is not `NAME=SHARE`, or its name is none that can be asked for.
    """
    return tuple(_ratio_part(part) for part in text.split(","))


def _ratio_part(part: str) -> Stratum:
    name, equals, share = (piece.strip() for piece in part.rpartition("="))
    try:
        number = float(share)
    except ValueError:
        number = -1.0
    if not equals or not 0 <= number <= 1:
        raise ProvError(f"--ratio has {part.strip()!r}, wanted NAME=SHARE with a share from 0 to 1, as in human=0.1")
    return Stratum(where=_named_stratum(name), share=number)


def _named_stratum(name: str) -> Where:
    kind, _, value = name.partition(":")
    if kind in ("source", "generator", "license") and value:
        return Where.equals(kind, value)
    if name in list(Origin):
        return Where.equals("origin", name)
    if name.startswith("gen") and name[3:].isdecimal() and int(name[3:]) > 0:
        return Where.parse(f"generation = {int(name[3:])} AND generation_exact = TRUE")
    if where := Where.named(name):
        return where
    raise ProvError(
        f"--ratio has no part {name!r}: wanted {', '.join(Origin)}, gen1, gen2, …, source:NAME, "
        "generator:NAME, license:NAME, or FIELD:VALUE of any field that --where knows"
    )


# -- quotas


def allocate(spec: MixSpec, size: int) -> list[int]:
    """Share a size out over the strata by largest remainder: exact, and within one unit of every share.

    Returns:
        One quota a stratum, summing to `size`; ties of remainders go to the earlier stratum.
    """
    return _share_out(_parts(spec), size)


def _parts(spec: MixSpec) -> list[int]:
    """The shares as whole numbers, each of which is to their sum as the share is to one."""
    shares = [exact(stratum.share) for stratum in spec.strata]
    whole = lcm(*(share.denominator for share in shares))
    return [share.numerator * (whole // share.denominator) for share in shares]


def _share_out(parts: list[int], size: int) -> list[int]:
    whole = sum(parts)
    quotas, remainders = map(list, zip(*(divmod(part * size, whole) for part in parts), strict=True))
    by_remainder = sorted(range(len(parts)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[: size - sum(quotas)]:
        quotas[index] += 1
    return quotas


def largest(spec: MixSpec, available: Sequence[int]) -> int:
    """The largest size that the shares allow; 0 where a stratum has a share and nothing to fill it.

    Args:
        available: what each stratum has in the spec's unit, repeats counted in.
    """
    parts = _parts(spec)
    asked = [(part, held) for part, held in zip(parts, available, strict=True) if part]
    if not all(held for _, held in asked):
        return 0
    # Of n strata, one whose remainder is above (n - 1) / n is always rounded up: n - 1 others cannot outbid it.
    n = len(asked)
    size = min((n * held + n - 1) * sum(parts) // (n * part) for part, held in asked)
    while any(quota > held for quota, held in zip(_share_out(parts, size), available, strict=True)):
        size -= 1
    return size


class Shortfall(ProvError):
    """A mix asks for more than the registry holds; `best` is the largest size that can be had, where it is known."""

    def __init__(
        self,
        stratum: Stratum,
        wanted: int,
        held: int,
        best: int | None,
        spec: MixSpec,
        repeats: int | None,
        excluded: Mapping[str, int],
    ) -> None:
        self.stratum, self.wanted, self.held, self.best, self.unit = stratum, wanted, held, best, spec.unit
        flag = "--docs" if spec.unit == "documents" else f"--{spec.unit}"
        mends = [f"use {flag} {best}"] if best else []
        mends += [f"use a smaller {flag}"] if best is None else []
        mends += [f"allow --max-repeats {repeats}"] if repeats else []
        repeated = f", {held * spec.max_repeats:,} with repeats" if spec.max_repeats > 1 and held else ""
        if (unsure := excluded.get("unknown", 0) + excluded.get("mixed", 0)) and not held:
            repeated = f" and leaves out {unsure:,} documents of unknown or mixed origin"
            mends += ["say with --unknown and --mixed what those count as"]
        if unlicensed := excluded.get("license_unknown"):
            repeated += f" and leaves out {unlicensed:,} documents for which no licence is known"
            mends += ["take those with --unknown-license keep"]
        if duplicates := excluded.get("duplicate"):
            repeated += f" and leaves out {duplicates:,} documents as duplicates"
            mends += ["let sources lose less with --max-loss, or keep others with --keep"]
        if unattributed := excluded.get("unattributed"):
            repeated += f" and leaves out {unattributed:,} documents of unknown origin that nothing is inferred of"
            mends += ["infer it with `prov attribute`"]
        most = f" (the most at these shares is {best:,} {spec.unit})" if best is not None else ""
        super().__init__(
            f"the mix needs {wanted:,} {spec.unit} of {stratum}, the registry holds {held:,}{repeated}{most}: "
            f"{', '.join([*mends, ''])}or ask for other shares"
        )


class Unpromised(ProvError):
    """A mix asks for more real text than can be promised of documents of which some are of unknown origin.

    Attributes:
        best: the largest share that can be promised, rounded down to four decimals.
    """

    def __init__(self, spec: MixSpec, share: Fraction, held: int, best: Fraction, excluded: Mapping[str, int]) -> None:
        self.share, self.held, self.best = share, held, floor(best * 10_000) / 10_000
        mends = [f"use --real-frac {self.best:g} or less"] if self.best else []
        mends += ["use a smaller --docs"] if held < (spec.size or 0) else []
        mends += ["add human documents or better evidence"]
        if unattributed := excluded.get("unattributed"):
            mends += [f"infer with `prov attribute` what {unattributed:,} documents of unknown origin are"]
        super().__init__(
            f"the mix needs a real share of {float(share):g} of {spec.size:,} documents, the {held:,} of the human "
            f"side can promise {self.best:g} by {spec.unknown}: {', '.join(mends)}, or choose another --unknown"
        )


def quotas(spec: MixSpec, stock: Sequence[int], excluded: Mapping[str, int] = MappingProxyType({})) -> list[int]:
    """The quotas of a spec, checked against what there is.

    Args:
        stock: what each stratum holds in the spec's unit, each document once.
        excluded: how many documents are left out for which reason, for the message.
    Raises:
        Shortfall: a stratum has less than its quota, or the largest mix would be empty.
    """
    best = largest(spec, [held * spec.max_repeats for held in stock])
    size = spec.size or best
    # Nothing is possible: say what is missing, of which the largest mix would need at least one.
    wanted = allocate(spec, size) if size else [ceil(stratum.share) for stratum in spec.strata]
    for stratum, quota, held in zip(spec.strata, wanted, stock, strict=True):
        if quota > held * spec.max_repeats:
            raise Shortfall(stratum, quota, held, best, spec, _repeats(wanted, stock), excluded)
    return wanted


def _repeats(wanted: Sequence[int], stock: Sequence[int]) -> int | None:
    """How often documents must repeat for all quotas; None where no number of repeats is enough."""
    asked = [(quota, held) for quota, held in zip(wanted, stock, strict=True) if quota]
    if not all(held for _, held in asked):
        return None
    repeats = max(-(-quota // held) for quota, held in asked)
    return repeats if repeats <= MAX_REPEATS else None


# -- order

_FEISTEL_ROUNDS = 4
_HALF = (1 << 32) - 1
_MULTIPLIER = 2654435769


def round_keys(seed: int, role: str, turn: int = 0) -> tuple[int, ...]:
    """The keys of a seeded permutation: one 32-bit key a Feistel round.

    Args:
        role: "choose" or "order": one permutation for both would sort the mix by stratum.
        turn: which pass over the documents, where they repeat.
    """
    digest = hashlib.sha256(canonical(["prov-feistel-1", seed, role, turn])).digest()
    return tuple(int.from_bytes(digest[4 * index : 4 * index + 4]) for index in range(_FEISTEL_ROUNDS))


def place(rank: int, keys: Sequence[int]) -> int:
    """Where a document stands in a seeded permutation of all 64-bit ranks.

    This is the plain form of what `placed.sql` computes.
    """
    left, right = rank >> 32, rank & _HALF
    for key in keys:
        product = (right ^ key) * _MULTIPLIER
        left, right = right, left ^ (product >> 32) ^ (product & _HALF)
    return left << 32 | right
