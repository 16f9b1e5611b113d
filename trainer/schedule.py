"""Schedules: which mix each generation trains on, and what its model writes.

A schedule compiles to the same `MixSpec` that `prov mix` draws from a registry; it draws only from generations before.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import sqrt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from provenance.errors import ProvError, listed
from provenance.origin import canonical
from registry.mix import MAX_SEED, MixSpec, Stratum, allocate
from registry.where import Where
from trainer.curation import DECIMALS, Curation
from trainer.testbed import misfit

HUMAN = Where.equals("origin", "human")


class Schedule(BaseModel, ABC):
    """What each generation trains on.

    `size` documents are what the first generation trains on, and what most generations do. A generation is counted
    from 1, the baseline, which learns from human text alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)

    @property
    def edited(self) -> float:
        """The share of what it was trained on that a model edits; 0 where it writes samples of its own."""
        return 0.0

    @property
    def curated(self) -> Curation | None:
        """How a curator tells apart what a generation meets; None where it trains on its mix as it is."""
        return None

    def crawls(self, generation: int) -> range:
        """Of which generations the crawls are that a generation may train on, where it is curated."""
        return range(1, generation + 1)

    def mix(self, generation: int) -> MixSpec:
        """What a generation trains on, or, where it is curated, meets; the first always human text."""
        if generation == 1:
            return self._spec(1, self.size, Stratum(where=HUMAN, share=1, seed=self.seed))
        return self._later(generation)

    @abstractmethod
    def _later(self, generation: int) -> MixSpec:
        """What a generation after the first trains on."""

    def real(self, generations: int) -> int:
        """How many human documents so many generations need."""
        return self.size

    def writes(self, generation: int) -> int:
        """How many documents the model of a generation writes."""
        return self.size

    def _spec(self, generation: int, size: int, *strata: Stratum) -> MixSpec:
        held = tuple(stratum for stratum in strata if stratum.share)
        return MixSpec(strata=held, size=size, seed=_seed(self.seed, generation), mixed="mixed")


def _seed(seed: int, generation: int) -> int:
    """The seed of a generation's draw, which the arms of one seed share."""
    digest = hashlib.sha256(canonical(["prov-generation-1", seed, generation])).digest()
    return int.from_bytes(digest[:8]) & MAX_SEED


def written_by(generation: int) -> Where:
    """What the model of a generation wrote."""
    return Where.parse(f"generation = {generation}")


class Replace(Schedule):
    """Only what the last model wrote; with `grown`, so much of it as accumulating would have come to."""

    grown: bool = False

    def _later(self, generation: int) -> MixSpec:
        size = self.size * generation if self.grown else self.size
        return self._spec(generation, size, Stratum(where=written_by(generation - 1), share=1))

    def writes(self, generation: int) -> int:
        return self.size * (generation + 1) if self.grown else self.size


class Accumulate(Schedule):
    """All that there is so far, human text included; with `subsample`, so much of it as the first generation had."""

    subsample: bool = False

    def _later(self, generation: int) -> MixSpec:
        size = self.size if self.subsample else self.size * generation
        return self._spec(generation, size, Stratum(where=Where.parse(f"generation < {generation}"), share=1))


def _decimal(share: float) -> float:
    """A share of so many decimals that it and what it lacks to one are both exact."""
    return round(share, DECIMALS)


class Blend(Schedule):
    """A share of human text, and the rest of what the last model wrote.

    Attributes:
        real_frac: the share of human text.
        supply: `fixed` is the same human documents each time, `redrawn` others of those that the first generation
            learnt from, `fresh` new ones that no generation had.
        weight: how much the human text weighs in all, `golden` for the weight that is best where each generation has
            fresh human text (He, Xu & Cheng 2025, "Golden ratio weighting prevents model collapse").
        keep: of all generations, or of the latest alone, what was drawn and written for them.
    """

    real_frac: Annotated[float, AfterValidator(_decimal)] = Field(default=0.1, ge=0, le=1)
    supply: Literal["fixed", "redrawn", "fresh"] = "redrawn"
    weight: Annotated[float, Field(ge=0, le=1)] | Literal["golden"] | None = None
    keep: Literal["latest", "all"] = "latest"

    @field_validator("keep")
    @classmethod
    def _all_weigh_the_same(cls, keep: str, info: ValidationInfo) -> str:
        if keep == "all" and info.data.get("weight") is not None:
            raise ValueError("there is a weight, which is for keep=latest: leave one of them out")
        return keep

    def _later(self, generation: int) -> MixSpec:
        return self._all_kept(generation) if self.keep == "all" else self._latest(generation)

    def _latest(self, generation: int) -> MixSpec:
        """Human text and what the last model wrote."""
        human, model = self._weights()
        seed = None if self.supply == "redrawn" else self.seed
        skip = self.real(generation - 1) if self.supply == "fresh" else 0
        real = Stratum(where=HUMAN, share=self.real_frac, seed=seed, skip=skip, weight=human)
        rest = Stratum(where=written_by(generation - 1), share=round(1 - self.real_frac, DECIMALS), weight=model)
        return self._spec(generation, self.size, real, rest)

    def _all_kept(self, generation: int) -> MixSpec:
        """All human text met so far, and all that was written."""
        human, written = self.real(generation), self._written() * (generation - 1)
        share = round(human / (human + written), DECIMALS)
        return self._spec(
            generation,
            human + written,
            Stratum(where=HUMAN, share=share, seed=self.seed),
            Stratum(
                where=Where.parse(f"generation > 0 AND generation < {generation}"), share=round(1 - share, DECIMALS)
            ),
        )

    def _weights(self) -> tuple[float, float]:
        """What one human document weighs, and one that a model wrote."""
        written = self._written()
        human = self.size - written
        if self.weight is None or not human or not written:
            return 1.0, 1.0
        of_human = golden(human / written) if self.weight == "golden" else self.weight
        return of_human * self.size / human, (1 - of_human) * self.size / written

    def _written(self) -> int:
        """How many documents of the last model are in a mix."""
        shares = (self.real_frac, round(1 - self.real_frac, DECIMALS))
        strata = tuple(Stratum(where=HUMAN, share=share) for share in shares)
        return allocate(MixSpec(strata=strata), self.size)[1]

    def real(self, generations: int) -> int:
        return self.size + (generations - 1) * (self.size - self._written()) * (self.supply == "fresh")

    def writes(self, generation: int) -> int:
        return self._written()


def golden(ratio: float) -> float:
    """The best weight of human text, given how much of it there is for one of the other: 0.618 at equal parts.

    >>> round(golden(1), 3)
    0.618
    """
    return (sqrt(ratio**2 + 4 * ratio) - ratio) / 2


class Crawl(Blend, Curation):
    """What is found on the way: each generation meets fresh human text, the rest is what the last model wrote.

    It trains on what it met (`keep=latest`), or on all that was met so far, the first, human crawl among it: all of it
    where it is blind, else what is told to be human.
    """

    @field_validator("weight")
    @classmethod
    def _curated_weigh_the_same(cls, weight: Any, info: ValidationInfo) -> Any:
        if weight is not None and info.data.get("curation", "blind") != "blind":
            raise ValueError("there is a weight by origin, which is for curation=blind: leave one of them out")
        return weight

    @property
    def curated(self) -> Curation | None:
        return self if self.is_judged else None

    def crawls(self, generation: int) -> range:
        return range(1 if self.keep == "all" else generation, generation + 1)

    def _later(self, generation: int) -> MixSpec:
        if self.curation == "blind":
            return super()._later(generation)
        return self._latest(generation) if self.is_judged else self._human(generation)

    def _human(self, generation: int) -> MixSpec:
        """The human text among what it may train on."""
        skip = 0 if self.keep == "all" or self.supply != "fresh" else self.real(generation - 1)
        size = (self.size - self._written()) if self.keep == "latest" else self.real(generation)
        if not size:
            raise ProvError(
                f"curation={self.curation} keep=latest has no human text to learn from: give real_frac, or keep=all"
            )
        return self._spec(generation, size, Stratum(where=HUMAN, share=1, seed=self.seed, skip=skip))


class Edit(Schedule):
    """The documents of the generation before, of which its model has written a share anew.

    The first generation's model edits human text (ToEdit, Zhu et al. 2024).
    """

    share: float = Field(default=0.1, gt=0, le=1)

    @property
    def edited(self) -> float:
        return self.share

    def _later(self, generation: int) -> MixSpec:
        return self._spec(generation, self.size, Stratum(where=written_by(generation - 1), share=1))


SCHEDULES: dict[str, tuple[type[Schedule], dict[str, Any]]] = {
    "replace": (Replace, {}),
    "replace-grown": (Replace, {"grown": True}),
    "accumulate": (Accumulate, {}),
    "accumulate-subsample": (Accumulate, {"subsample": True}),
    "fixed-ratio": (Blend, {}),
    "fresh": (Blend, {"supply": "fresh"}),
    "crawl": (Crawl, {"supply": "fresh", "real_frac": 0.25, "keep": "all"}),
    "weighted": (Blend, {"supply": "fresh", "real_frac": 0.5, "weight": "golden"}),
    "edit": (Edit, {}),
}
"""By name, the kind of a schedule and what it sets."""


def make_schedule(name: str, size: int, seed: int, parameters: Mapping[str, Any]) -> Schedule:
    """A schedule of a name with its parameters.

    Raises:
        ProvError: there is none of that name, or it has other parameters.
    """
    if name not in SCHEDULES:
        raise ProvError(f"no schedule {name!r}: there is {listed(SCHEDULES)}")
    kind, set_by_name = SCHEDULES[name]
    if common := Schedule.model_fields.keys() & parameters.keys():
        raise ProvError(f"schedule {name}: {min(common)} is that of the whole arm: give it beside the schedule")
    try:
        return kind.model_validate({"size": size, "seed": seed, **set_by_name, **parameters})
    except ValidationError as error:
        own = [field for field in kind.model_fields if field not in Schedule.model_fields]
        raise misfit(f"schedule {name}", error, own) from error
