"""An experiment: arms to be compared, each a test-bed under a schedule, and how its cells are run."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from provenance.errors import ProvError, listed, quoted
from provenance.origin import canonical
from registry.experiments import held_out_texts, human_texts
from registry.mix import MAX_SEED
from registry.registry import Registry
from trainer.base import find_base
from trainer.curation import Curator, make_curator
from trainer.loop import Report, run_generations
from trainer.pool import ArrayPool
from trainer.registry_pool import RegistryPool
from trainer.results import MEASUREMENT, Found, Picture, measured_rows
from trainer.schedule import Schedule, make_schedule
from trainer.streams import stream
from trainer.testbed import TestBed, make_testbed, unfit

MOST = 10**9
"""Of generations, samples and repeats."""

Choice = dict[str, Any]
"""A test-bed or a schedule: its name and its parameters."""


class Arm(BaseModel):
    """One test-bed under one schedule, whose repeats are to be compared with those of other arms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    testbed: str
    testbed_parameters: Choice = {}
    schedule: str
    schedule_parameters: Choice = {}
    generations: int = Field(ge=1, le=MOST, strict=True)
    size: int = Field(ge=1, le=MOST, strict=True)
    repeats: int = Field(ge=1, le=MOST, strict=True)

    def bed(self) -> TestBed:
        return make_testbed(self.testbed, self.testbed_parameters)

    def grounded(self, held: Registry | None) -> TestBed:
        """The test-bed, with its truth from a registry where there is one."""
        bed = self.bed()
        if held is None:
            return bed
        return bed.grounded(lambda: human_texts(held), held_out_texts(held))

    def scheduled(self, seed: int) -> Schedule:
        return make_schedule(self.schedule, self.size, seed, self.schedule_parameters)

    def theory(self, held: Registry | None = None) -> list[dict[str, Any]]:
        """What is expected of metrics, where a closed form is known for this arm."""
        if self.schedule_parameters:
            return []
        bed = self.grounded(held)
        return [
            {"generation": generation, "metric": metric, "value": float(value)}
            for generation in range(1, self.generations + 1)
            for metric, value in bed.theory(self.schedule, self.size, generation).items()
        ]

    def plain(self) -> dict[str, Any]:
        """The arm as plain JSON."""
        return self.model_dump(mode="json")


class Cell(BaseModel):
    """What is run, and stored, as a whole: the repeats of an arm and seed, or one where they cannot be run together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Arm
    seed: int
    first: int = Field(description="the number of its first repeat, in the arm")
    repeats: int

    @property
    def stream_seed(self) -> int:
        """The seed of its streams: cells that hold one repeat of several have one each."""
        alone = self.repeats == self.arm.repeats
        return self.seed if alone else _seed("prov-repeat-1", self.seed, self.first % self.arm.repeats)

    def run(self, bed: TestBed) -> Iterator[Report]:
        """Run its generations with samples in memory, one after another."""
        schedule, seed = self.scheduled(), self.stream_seed
        pool = ArrayPool(seed, edited=bool(schedule.edited))
        pool.add(bed.real(schedule.real(self.arm.generations), self.repeats, stream(seed, 0, "real")), 0)
        return run_generations(bed, schedule, pool, self.arm.generations, seed)

    def run_in(self, held: Registry, bed: TestBed, experiment: str, last: int) -> Iterator[Report]:
        """Run its generations through a registry, from the first of which it lacks measurements or texts.

        Args:
            experiment: what the sources of the texts begin with.
            last: the last generation of which there are measurements.
        """
        schedule, seed = self.scheduled(), self.stream_seed
        human = schedule.real(self.arm.generations)
        curator = self.curator(held, bed, experiment)
        scope, spec = self._scope(experiment), bed.parameters()
        base = bed.base and find_base(held, bed.base).recorded(held)
        pool = RegistryPool(
            held,
            scope,
            spec,
            human,
            seed,
            run_spec=bed.run_spec(),
            curator=curator,
            base=base,
            is_continual=bed.is_continual,
        )
        first = 1 if bed.goes_on else min(last + 1, self.arm.generations)
        while first > 1 and not pool.holds(first - 1, schedule.writes(first - 1)):
            first -= 1
        return run_generations(bed, schedule, pool, self.arm.generations, seed, first)

    def curator(self, held: Registry, bed: TestBed, experiment: str) -> Curator | None:
        """Who tells apart what its generations meet, where somebody is asked.

        Raises:
            ProvError: nobody can be.
        """
        curation = self.scheduled().curated
        if curation is None:
            return None
        return make_curator(curation, held, bed.seekers, self._scope(experiment), self.stream_seed)

    def _scope(self, experiment: str) -> str:
        return f"{experiment}/{self.arm.name}/{self.first}"

    def scheduled(self) -> Schedule:
        return self.arm.scheduled(self.stream_seed)

    def found(self, reports: Sequence[Report]) -> Found:
        """What its generations measured, how well they were curated, and pictures of the first repeat."""
        parts = [
            measured_rows(self.arm.name, metric, values[:, None], report.generation, self.first)
            for report in reports
            for metric, values in (report.measures | report.curated).items()
        ]
        shown = [] if self.first else [(report.generation, report.picture) for report in reports if report.picture]
        pictures = [Picture(self.arm.name, generation, self.first, picture) for generation, picture in shown]
        return Found(pa.concat_tables([MEASUREMENT.empty_table(), *parts]).combine_chunks(), pictures)


class Experiment(BaseModel):
    """Arms that are run and compared, with their seeds; the spec is the config and the record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "experiment"
    arms: tuple[Arm, ...] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(strict=True)], ...] = Field(default=(0,), min_length=1)

    @field_validator("arms")
    @classmethod
    def _arms_differ(cls, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
        if twice := [name for name, times in Counter(arm.name for arm in arms).items() if times > 1]:
            raise ValueError(f"{twice[0]!r} is there more than once, they are to differ: leave one out")
        return arms

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or any(not 0 <= seed <= MAX_SEED for seed in seeds):
            raise ValueError(f"there is {listed(seeds)}, they are to differ and be from 0 to 2^53 - 1")
        return seeds

    @cached_property
    def digest(self) -> bytes:
        """What identifies the experiment (32 bytes)."""
        return hashlib.sha256(canonical(["prov-experiment-1", self.model_dump(mode="json")])).digest()

    def plain(self, held: Registry | None = None) -> dict[str, Any]:
        """The experiment as plain JSON, with what theory expects of its arms, given the registry that they run on."""
        arms = [arm.plain() | {"seeds": list(self.seeds), "theory": arm.theory(held)} for arm in self.arms]
        return {"name": self.name, "digest": self.digest.hex(), "arms": arms}

    def spec(self) -> dict[str, Any]:
        """What `of_grid` makes this experiment of, its arms walked together."""
        choices = {
            "testbed": [{"name": arm.testbed, **_single(arm.testbed_parameters)} for arm in self.arms],
            "schedule": [{"name": arm.schedule, **_single(arm.schedule_parameters)} for arm in self.arms],
        }
        sizes = {field: [getattr(arm, field) for arm in self.arms] for field in ("generations", "size", "repeats")}
        plain = {field: [_short(choice) for choice in held] for field, held in choices.items()} | sizes
        same = {field: held[0] for field, held in plain.items() if all(one == held[0] for one in held)}
        varied = {field: held for field, held in plain.items() if field not in same}
        return {"name": self.name, **same, "seed": list(self.seeds)} | ({"zip": varied} if varied else {})

    def cells(self, only: str | None = None, seed: int | None = None) -> list[Cell]:
        """What there is to run, all or that of one arm or seed.

        Raises:
            ProvError: there is no such arm, or no such seed.
        """
        if only is not None and only not in (names := [arm.name for arm in self.arms]):
            raise ProvError(f"no arm {only!r}: there is {listed(names)}")
        if seed is not None and seed not in self.seeds:
            raise ProvError(f"no seed {seed}: there is {listed(self.seeds)}")
        return [
            cell
            for arm in self.arms
            for index, own in enumerate(self.seeds)
            if only in (None, arm.name) and seed in (None, own)
            for cell in _cells(arm, own, index * arm.repeats)
        ]

    @classmethod
    def of_grid(cls, spec: Mapping[str, Any]) -> Experiment:
        """The experiment of a spec in which any field may be a list, of which each combination is an arm.

        Fields are `name, testbed, schedule, generations, size, repeats, seed`; a test-bed or a schedule is a name or a
        mapping of its `name` and parameters, which may be lists too. The lists under `zip` are walked together.

        Raises:
            ProvError: a field is unknown or does not fit.

        >>> [arm.name for arm in Experiment.of_grid({"testbed": "gaussian", "schedule": ["replace", "fresh"]}).arms]
        ['replace', 'fresh']
        """
        spec = dict(spec)
        name, seeds = _file_name(spec.pop("name", "experiment")), _listed(spec.pop("seed", 0))
        together = spec.pop("zip", {})
        _check_fields(spec, together)
        fields = {field: spec.get(field, default) for field, default in _DEFAULTS.items() if field not in together}
        combined = [
            dict(zip(fields, values, strict=True)) for values in itertools.product(*map(_choices, fields.values()))
        ]
        combinations = [one | walked for one in combined for walked in _walked(together)]
        varied = [field for field in _DEFAULTS if len({repr(one[field]) for one in combinations}) > 1]
        try:
            arms = [_arm(one, varied) for one in combinations]
            return cls(name=name, arms=tuple(arms), seeds=tuple(seeds))
        except ValidationError as error:
            raise ProvError(f"the experiment does not fit: {unfit(error)}") from error


_DEFAULTS: dict[str, Any] = {
    "testbed": "gaussian",
    "schedule": ["replace", "accumulate"],
    "generations": 10,
    "size": 100,
    "repeats": 30,
}


def _check_fields(spec: Mapping[str, Any], together: Any) -> None:
    """Refuse the fields of a spec that no experiment has, or that are there twice, or have no value."""
    if not isinstance(together, Mapping):
        raise ProvError(f"zip is {together!r}: wanted fields with lists, such as zip: {{size: [100, 400]}}")
    if unknown := sorted(map(str, {*spec, *together} - set(_DEFAULTS))):
        raise ProvError(f"an experiment has no field {unknown[0]!r}: there is name, seed, zip, {', '.join(_DEFAULTS)}")
    if twice := sorted(spec.keys() & together.keys()):
        raise ProvError(f"{twice[0]} stands under zip and beside it: leave it out in one place")
    for field, value in {**spec, **together}.items():
        if not _choices(value):
            raise ProvError(f"{field} is {value!r}, a list of nothing: give it a value, or leave it out")


def _file_name(name: Any) -> str:
    """The name of an experiment, after which files are named."""
    told = str(name)
    if (
        isinstance(name, list | Mapping | None)
        or not told.isprintable()
        or not re.fullmatch(r"[^-./\\ ][^/\\]{0,99}", told)
    ):
        raise ProvError(
            f"name is {quoted(told)}: files are named after it, so wanted 100 letters or fewer, without / and \\, "
            "of which the first is no blank, dot or dash"
        )
    return told


def _seed(tag: str, *parts: int) -> int:
    return int.from_bytes(hashlib.sha256(canonical([tag, *parts])).digest()[:8]) & MAX_SEED


def _cells(arm: Arm, seed: int, first: int) -> list[Cell]:
    together = arm.bed().vectorised
    numbers, repeats = ([first], arm.repeats) if together else (range(first, first + arm.repeats), 1)
    return [Cell(arm=arm, seed=seed, first=number, repeats=repeats) for number in numbers]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _choices(value: Any) -> list[Any]:
    """All values of a field: those of a list, and of a mapping each combination of its lists."""
    if isinstance(value, Mapping):
        return [dict(zip(value, held, strict=True)) for held in itertools.product(*map(_listed, value.values()))]
    if isinstance(value, list | tuple):
        return [choice for one in value for choice in _choices(one)]
    return [value]


def _walked(together: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The values of fields that are walked together."""
    lists = {field: [choice for one in _listed(held) for choice in _choices(one)] for field, held in together.items()}
    if len(lengths := {len(held) for held in lists.values()}) > 1:
        raise ProvError(
            f"the lists under zip have lengths {listed(sorted(map(str, lengths)))}: make them equal, or take one out"
        )
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)] if lists else [{}]


def _arm(fields: Mapping[str, Any], varied: Sequence[str]) -> Arm:
    """An arm with a name of what it differs in from the others."""
    (testbed, testbed_parameters), (schedule, parameters) = _named(fields["testbed"]), _named(fields["schedule"])
    said = [_label(fields["schedule"])] + [_label(fields["testbed"])] * ("testbed" in varied)
    said += [f"{field}={fields[field]}" for field in ("generations", "size", "repeats") if field in varied]
    arm = Arm(
        name=", ".join(said),
        testbed=testbed,
        testbed_parameters=testbed_parameters,
        schedule=schedule,
        schedule_parameters=parameters,
        generations=fields["generations"],
        size=fields["size"],
        repeats=fields["repeats"],
    )
    bed, scheduled = arm.bed(), arm.scheduled(0)  # whose parameters are checked here
    if scheduled.edited:
        bed.check_edits()
    return arm.model_copy(update={"testbed_parameters": testbed_parameters | bed.pinned()})


def _named(choice: Any) -> tuple[str, Choice]:
    """The name of a test-bed or schedule, and its parameters."""
    if not isinstance(choice, str | Mapping):
        raise ProvError(f"{choice!r} is no test-bed and no schedule: wanted a name, or a mapping with one")
    parameters = {"name": choice} if isinstance(choice, str) else dict(choice)
    if "name" not in parameters:
        raise ProvError(f"a test-bed or schedule has no name among {listed(parameters)}: say its name")
    return str(parameters.pop("name")), parameters


def _single(parameters: Choice) -> Choice:
    """Parameters as a spec has them, where a list is a choice: one that is a value stands in a list of its own."""
    return {key: [held] if isinstance(held, list | tuple) else held for key, held in parameters.items()}


def _short(choice: Choice) -> str | Choice:
    """A choice without parameters as its name alone."""
    return str(choice["name"]) if len(choice) == 1 else choice


def _label(choice: str | Mapping[str, Any]) -> str:
    name, parameters = _named(choice)
    return " ".join([name, *(f"{key}={value}" for key, value in parameters.items())])
