"""What a test-bed is: something that can be fitted to samples, sampled from and measured.

Each stands in a file of its own in `trainer/testbeds/`, whose name is its name; nothing else has to be told of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

import trainer.testbeds
from provenance.errors import ProvError, listed

if TYPE_CHECKING:
    from provenance.detection import Seekers

Floats = NDArray[np.float64]
Model = Any
Samples = Any
Measures = dict[str, Floats]
"""By metric, one value a repeat: (repeats,) float64. What could not be measured is NaN, and stays a recorded fact."""


class Degenerate(ProvError):
    """Samples that no model of a family can be fitted to."""

    def __init__(self, wanted: str, there_is: str, mend: str) -> None:
        self.wanted, self.there_is = wanted, there_is
        super().__init__(f"the fit wants {wanted}, there is {there_is}: {mend}")


class _CannotEdit(ProvError):
    """A schedule that edits, for a test-bed whose models write anew."""

    def __init__(self, bed: str) -> None:
        self.bed = bed
        super().__init__(f"the test-bed {bed} cannot edit samples: choose another schedule, or regression or language")


class TestBed(BaseModel, ABC):
    """A family of models with its truth; its fields are its parameters, and the record of them.

    Samples lead with a repeats axis, (repeats, size, ...), where `vectorised`; else there is one repeat at a time.
    """

    __test__: ClassVar[bool] = False  # it is no test, whatever pytest thinks of its name
    model_config = ConfigDict(frozen=True, extra="forbid")

    vectorised: ClassVar[bool] = True
    unit: ClassVar[str] = "samples"
    takes_texts: ClassVar[bool] = False
    """Whether its samples are texts, which a registry can hold."""

    _seekers: Any = PrivateAttr(default=None)  # they hold a secret, which no record of a test-bed may have

    @abstractmethod
    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Samples:
        """So many samples of the truth, of each repeat."""

    @abstractmethod
    def fit(self, samples: Samples, weights: Floats | None, previous: Model | None, rng: np.random.Generator) -> Model:
        """The model of the family that fits samples.

        Args:
            weights: one a sample, (size,), where the schedule gives some.
            previous: the model of the generation before, for a bed that goes on from it.
        Raises:
            Degenerate: there are too few samples.
        """

    @abstractmethod
    def sample(self, model: Model, size: int, rng: np.random.Generator) -> Samples:
        """So many samples that a model writes, of each repeat."""

    def edit(self, model: Model, samples: Samples, share: float, rng: np.random.Generator) -> Samples:
        """Samples of which a model has written a share anew.

        Raises:
            ProvError: models of this kind do not edit.
        """
        raise _CannotEdit(name_of(self))

    def check_edits(self) -> None:
        """Refuse a schedule that edits, where models of this kind do not.

        Raises:
            ProvError: they do not.
        """
        if type(self).edit is TestBed.edit:
            raise _CannotEdit(name_of(self))

    @abstractmethod
    def measure(self, model: Model, samples: Samples) -> Measures:
        """How far a model, fitted to samples, is from the truth."""

    def picture(self, model: Model) -> str | None:
        """What a model writes, as an SVG that needs nothing else; None where there is nothing to look at."""
        return None

    @property
    def base(self) -> str | None:
        """The model, in a folder or of a name, that those of the first generation are fine-tuned from."""
        return None

    @property
    def is_continual(self) -> bool:
        """Whether the models of later generations go on from those before them."""
        return False

    @property
    def goes_on(self) -> bool:
        """Whether a generation cannot be had without the models before it: one that was cut short begins anew."""
        return False

    def parameters(self) -> dict[str, Any]:
        """What it was made with, as plain JSON, without texts."""
        return {"testbed": name_of(self), **self.model_dump(mode="json", exclude={"held_out"})}

    def pinned(self) -> dict[str, str]:
        """Parameters that say what the files hold that it reads: other data are another experiment.

        Raises:
            ProvError: they cannot be read, or do not hold what a parameter says already.
        """
        return {}

    def grounded(self, human: Callable[[], Iterable[str]], held_out: Sequence[str]) -> TestBed:
        """The test-bed with its truth from a registry, for one that works on texts.

        Args:
            human: gives the human texts of the registry that are not held out.
            held_out: human texts that no model learns from.
        """
        return self

    @property
    def key_name(self) -> str | None:
        """What its models are to mark what they write with: the name or id of a key; None where they mark nothing."""
        return None

    @property
    def seekers(self) -> Seekers | None:
        """What finds the mark of its models, from which they also have the key; None where they mark nothing."""
        found: Seekers | None = self._seekers
        return found

    def marking(self, seekers: Seekers) -> Self:
        """The test-bed, its models marking what they write with the one key that is sought."""
        marking = self.model_copy()
        marking._seekers = seekers
        return marking

    def keeping(self, folder: Path) -> Self:
        """The test-bed, a fit of which goes on from a checkpoint in a folder, where fits are long enough for one."""
        return self

    def run_spec(self) -> dict[str, Any]:
        """How its models write, as plain JSON: its parameters, and the id of the key."""
        keys = [{"watermark": {"key": seeker.key}} for seeker in self.seekers.seekers] if self.seekers else []
        return self.parameters() | (keys[0] if keys else {})

    def theory(self, schedule: str, size: int, generation: int) -> dict[str, float]:
        """What is expected of metrics, exactly, where a closed form is known.

        Args:
            schedule: its name, at its default parameters.
            generation: from 1, the baseline.
        """
        return {}


def name_of(bed: TestBed) -> str:
    """The name of the file that a test-bed stands in."""
    return type(bed).__module__.rpartition(".")[2]


def names() -> list[str]:
    """The names of all test-beds."""
    return sorted(module.name for module in iter_modules(trainer.testbeds.__path__))


def find_testbed(name: str) -> type[TestBed]:
    """The test-bed of a name.

    Raises:
        ProvError: there is none.
    """
    if name not in names():
        raise ProvError(f"no test-bed {name!r}: there is {listed(names())}")
    module = import_module(f"trainer.testbeds.{name}")
    beds = [
        held
        for held in vars(module).values()
        if isinstance(held, type)
        and issubclass(held, TestBed)
        and held.__module__ == module.__name__
        and not isabstract(held)
    ]
    assert len(beds) == 1, f"{module.__name__} holds {len(beds)} test-beds, it is to hold one"
    return beds[0]


def make_testbed(name: str, parameters: Mapping[str, Any]) -> TestBed:
    """A test-bed with its parameters.

    Raises:
        ProvError: there is none of that name, or it has other parameters.
    """
    kind = find_testbed(name)
    try:
        return kind.model_validate(dict(parameters))
    except ValidationError as error:
        raise misfit(f"test-bed {name}", error, kind.model_fields) from error


def misfit(what: str, error: ValidationError, known: Iterable[str]) -> ProvError:
    """Say in one line which parameter does not fit, and what there is."""
    return ProvError(f"{what}: {unfit(error)}; its parameters are {listed(known) or 'none'}")


def unfit(error: ValidationError) -> str:
    """Which field does not fit, and what is wanted of it."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        return f"{field}: {first['ctx']['error']}"
    said = {
        "extra_forbidden": "there is no such parameter",
        "too_short": "wanted one or more",
        "tuple_type": "wanted a list: in a spec [[1, 2, 3]], as [1, 2, 3] is three choices",
    }
    return (
        f"{field} is {first['input']!r}: {said.get(first['type']) or first['msg'].replace('Input should be', 'wanted')}"
    )
