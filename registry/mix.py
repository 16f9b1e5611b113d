"""What a mix is: its strata and their shares, and how many documents or bytes of each make it up.

Nothing here touches a database: a spec is both the request and the record of it.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from provenance.errors import ProvError
from provenance.origin import Origin, canonical
from registry.where import Where

Unit = Literal["documents", "bytes", "words", "tokens"]
UNITS: tuple[Unit, ...] = ("documents", "bytes", "words", "tokens")
MAX_SEED = 2**53 - 1  # the largest integer that canonical JSON carries


class Stratum(BaseModel):
    """The documents of a mix that share one condition, and their share of the whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Where
    share: float = Field(ge=0, le=1)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="choose by this seed, not by the mix's")

    def __str__(self) -> str:
        return str(self.where)


class MixSpec(BaseModel):
    """A mix as it is asked for; the same spec over the same registry is the same mix.

    `size` None asks for the largest mix that the shares allow. A policy says what documents of that origin count
    as: `exclude` leaves them out, and their own name makes them a class that strata may ask for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strata: tuple[Stratum, ...] = Field(min_length=1)
    size: int | None = Field(default=None, ge=1)
    unit: Unit = "documents"
    where: Where | None = None
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    max_repeats: int = Field(default=1, ge=1, le=1000)
    unknown: Literal["exclude", "human", "model", "unknown"] = "exclude"
    mixed: Literal["exclude", "human", "model", "mixed"] = "exclude"

    @field_validator("strata")
    @classmethod
    def _shares_sum_to_one(cls, strata: tuple[Stratum, ...]) -> tuple[Stratum, ...]:
        total = sum(exact(stratum.share) for stratum in strata)
        if total != 1:
            raise ValueError(f"the shares sum to {float(total):g}, they must sum to 1")
        return strata

    @model_validator(mode="after")
    def _size_has_unit(self) -> Self:
        if self.size is None and self.unit != "documents":
            raise ValueError(f"a mix in {self.unit} needs a size")
        return self

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
    """The strata of a mix of human and model text, `share` of it human."""
    synthetic = float(1 - Decimal(repr(share)))
    return (
        Stratum(where=Where.equals("origin", "human"), share=share),
        Stratum(where=Where.equals("origin", "model"), share=synthetic),
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
    raise ProvError(
        f"--ratio has no part {name!r}: wanted {', '.join(Origin)}, gen1, gen2, …, source:NAME, "
        "generator:NAME or license:NAME"
    )


# -- quotas


def allocate(spec: MixSpec, size: int) -> list[int]:
    """Share a size out over the strata by largest remainder: exact, and within one unit of every share.

    Returns:
        One quota a stratum, summing to `size`; ties of remainders go to the earlier stratum.
    """
    ideal = [exact(stratum.share) * size for stratum in spec.strata]
    quotas = [floor(part) for part in ideal]
    by_remainder = sorted(range(len(ideal)), key=lambda index: (quotas[index] - ideal[index], index))
    for index in by_remainder[: size - sum(quotas)]:
        quotas[index] += 1
    return quotas


def feasible(spec: MixSpec, size: int, available: Sequence[int]) -> bool:
    """Whether each stratum has what its quota asks for."""
    return all(quota <= held for quota, held in zip(allocate(spec, size), available, strict=True))


def largest(spec: MixSpec, available: Sequence[int]) -> int:
    """The largest size that the shares allow.

    Args:
        available: what each stratum has in the spec's unit, repeats counted in.
    """
    shares = [(exact(stratum.share), held) for stratum, held in zip(spec.strata, available, strict=True)]
    if any(share and not held for share, held in shares):
        return 0
    size = min(floor((held + 1) / share) for share, held in shares if share)
    while size and not feasible(spec, size, available):
        size -= 1  # a quota exceeds its exact part by less than one, so this ends within a few steps
    return size


class Shortfall(ProvError):
    """A mix asks for more than the registry holds."""

    def __init__(self, stratum: Stratum, wanted: int, held: int, best: int, unit: Unit) -> None:
        self.stratum, self.wanted, self.held, self.best, self.unit = stratum, wanted, held, best, unit
        flag = "--docs" if unit == "documents" else f"--{unit}"
        mend = f"use {flag} {best} or less, allow --max-repeats, or other shares" if best else "ask for other shares"
        super().__init__(
            f"the mix needs {wanted:,} {unit} of {stratum}, the registry holds {held:,} "
            f"(the most at these shares is {best:,} {unit}): {mend}"
        )


def quotas(spec: MixSpec, available: Sequence[int]) -> list[int]:
    """The quotas of a spec, checked against what there is.

    Raises:
        Shortfall: a stratum has less than its quota, or the largest mix would be empty.
    """
    best = largest(spec, available)
    if spec.size is None and not best:
        empty = next(
            stratum for stratum, held in zip(spec.strata, available, strict=True) if stratum.share and not held
        )
        raise Shortfall(empty, 1, 0, 0, spec.unit)
    wanted = allocate(spec, best if spec.size is None else spec.size)
    for stratum, quota, held in zip(spec.strata, wanted, available, strict=True):
        if quota > held:
            raise Shortfall(stratum, quota, held, best, spec.unit)
    return wanted


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

    This is the plain form of what `draw.sql` computes.
    """
    left, right = rank >> 32, rank & _HALF
    for key in keys:
        product = (right ^ key) * _MULTIPLIER
        left, right = right, left ^ (product >> 32) ^ (product & _HALF)
    return left << 32 | right
