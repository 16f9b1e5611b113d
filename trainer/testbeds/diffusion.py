"""Denoising diffusion on the shapes of small molecules: the test-bed of Gerstgrasser et al. 2024 on conformations.

They train GeoDiff (Xu et al. 2022, 2203.02923) on GEOM-Drugs; here RDKit makes the conformers, of molecules that are
listed, and the network is a smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from provenance.errors import ProvError
from trainer.contents import check_contents, contents
from trainer.extras import check_installed
from trainer.model import Device
from trainer.molecules import Molecule, Molecules, Points, drawing, read_molecules
from trainer.streams import stream
from trainer.testbed import Degenerate, Floats, Measures, TestBed

if TYPE_CHECKING:
    from trainer.denoiser import Denoiser, Graphs

HELD_OUT = 5
"""One molecule of so many is held out."""
NEAR = 0.75
"""Shapes that are so near, in Å, count as the same.

Xu et al. 2022 take 0.5 for molecules of up to 9 heavy atoms, and 1.25 for such of 25; these have 8 to 19.
"""
RIGHT = 0.1
"""A bond is as long as it should be within so many Å."""
WRITTEN = 2
"""So many shapes are written for each conformer of a molecule that is held out."""


@dataclass(frozen=True)
class Model:
    """A denoiser.

    Attributes:
        losses: of each epoch.
    """

    network: Denoiser
    losses: list[float] = field(default_factory=list)


class Diffusion(TestBed):
    """A diffusion model that learns shapes of molecules and writes others of the same ones.

    Each generation begins from scratch. Hydrogens are left out. One repeat at a time.

    A sample is (1 + atoms, 3): the number of its molecule stands first, what is beyond its atoms is zero.

    Attributes:
        smiles: a file with a molecule a line; those that come with prov where it is None.
        content: SHA-256 of what smiles holds, found when an experiment begins: it does not go on with other molecules.
        skip_bad: leave out, and count, molecules that have no shape.
        molecules: so many of them, the first ones; all where it is None.
        conformers: of each.
        width, layers: of the network.
        epochs, batch_size, learning_rate: of each fit.
        denoising: so many steps take the noise out of what is written.
        device: where to compute; the processor gives the same numbers whether or not there is a GPU.
    """

    vectorised: ClassVar[bool] = False
    unit: ClassVar[str] = "conformers"

    smiles: Path | None = None
    content: str | None = None
    skip_bad: bool = False
    molecules: int | None = Field(default=None, ge=2)
    conformers: int = Field(default=20, ge=1, le=1000)
    width: int = Field(default=64, ge=1, le=1024)
    layers: int = Field(default=2, ge=1, le=32)
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, le=1, allow_inf_nan=False)
    denoising: int = Field(default=50, ge=1, le=200)
    device: Device = "cpu"

    @cached_property
    def known(self) -> Molecules:
        """All molecules that have a shape."""
        self.pinned()
        return _molecules(self.smiles, self.conformers, self.molecules, self.skip_bad)

    def pinned(self) -> dict[str, str]:
        if self.smiles is None:
            return {}
        found = contents(self.smiles.parent, [self.smiles])
        check_contents(self.smiles, self.content, found)
        return {"content": found}

    @cached_property
    def _order(self) -> list[int]:
        """The molecules in an order that says nothing, those first that are held out."""
        if len(self.known.held) < 2:
            raise ProvError("one molecule is held out, one is learnt from, so 2 or more are wanted: name more")
        order: list[int] = stream(0, 0, "held-out").permutation(len(self.known.held)).tolist()
        return order

    @property
    def _held_out(self) -> list[int]:
        return self._order[: max(1, len(self._order) // HELD_OUT)]

    @property
    def held_out(self) -> list[Molecule]:
        """The molecules that no model learns from."""
        return [self.known.held[number] for number in self._held_out]

    @property
    def _learnt(self) -> list[int]:
        return self._order[len(self._held_out) :]

    @property
    def atoms(self) -> int:
        """As many as the largest molecule has."""
        return max(map(len, self.known.held))

    @cached_property
    def _graphs(self) -> Graphs:
        from trainer.denoiser import Graphs

        return Graphs.of(self.known.held, self.atoms)

    def _graphs_of(self, numbers: NDArray[np.int64]) -> Graphs:
        import torch

        return self._graphs.take(torch.from_numpy(numbers))

    def _samples(self, numbers: NDArray[np.int64], shapes: Points) -> Any:
        """Shapes with the numbers of their molecules, (1, samples, 1 + atoms, 3)."""
        samples = np.zeros((1, len(numbers), 1 + self.atoms, 3), np.float32)
        samples[0, :, 0, 0], samples[0, :, 1:] = numbers, shapes
        return samples

    def _padded(self, molecule: Molecule) -> Points:
        """The conformers of a molecule, (conformers, atoms, 3)."""
        return np.pad(molecule.shapes, ((0, 0), (0, self.atoms - len(molecule)), (0, 0)))

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        assert repeats == 1, "diffusion models are fitted one repeat at a time"
        numbers = np.repeat(self._learnt, self.conformers)
        if size > len(numbers):
            raise ProvError(
                f"the arm needs {size:,} conformers, there are {len(numbers):,} of molecules that are not held out: "
                "give a smaller --size or fewer --generations, or conformers="
            )
        shapes = np.concatenate([self._padded(self.known.held[number]) for number in self._learnt])
        drawn = rng.permutation(len(numbers))[:size]
        return self._samples(numbers[drawn], shapes[drawn])

    def fit(self, samples: Any, weights: Floats | None, previous: Model | None, rng: np.random.Generator) -> Model:
        from trainer.denoiser import fit

        held = samples[0]
        if len(held) < 2:
            raise Degenerate("2 conformers or more", f"{len(held)}", "give a larger --size")
        graphs = self._graphs_of(held[:, 0, 0].astype(np.int64))
        return Model(*fit(graphs, np.ascontiguousarray(held[:, 1:]), weights, self, int(rng.integers(2**31))))

    def sample(self, model: Model, size: int, rng: np.random.Generator) -> Any:
        numbers = rng.choice(self._learnt, size)
        return self._samples(numbers, self._write(model, numbers, int(rng.integers(2**31))))

    def _write(self, model: Model, numbers: NDArray[np.int64], seed: int) -> Points:
        return model.network.write(self._graphs_of(numbers), self.denoising, seed)

    def measure(self, model: Model, samples: Any) -> Measures:
        """Measures of a model, on molecules that are held out.

        | measure | of what |
        | --- | --- |
        | `denoising_loss` | mean square error of the noise in their conformers, 1 for a model that tells none |
        | `coverage` | share of their conformers with a written shape within 0.75 Å: what is forgotten lowers it |
        | `matching` | mean distance of their conformers to the nearest written shape, Å |
        | `coverage_precision` | share of written shapes with a conformer within 0.75 Å: what is distorted lowers it |
        | `matching_precision` | mean distance of written shapes to the nearest conformer, Å |
        | `bond_validity` | share of the bonds of written shapes within 0.1 Å of a conformer's |
        | `refused` | how many molecules were left out because they have no shape |

        Distances are least root mean squares over rotations, translations and symmetries, without hydrogens.
        """
        numbers = np.repeat(self._held_out, self.conformers)
        real = np.concatenate([self._padded(self.known.held[number]) for number in self._held_out])
        asked = np.repeat(self._held_out, WRITTEN * self.conformers)
        written = self._write(model, asked, 0)
        recalled, precise, right = [], [], []
        for number in self._held_out:
            molecule, own = self.known.held[number], written[asked == number]
            own = own[:, : len(molecule)]
            distances = molecule.distances(own)
            recalled.append(distances.min(axis=1))
            precise.append(distances.min(axis=0))
            lengths, known = molecule.lengths(own), molecule.lengths(molecule.shapes)
            is_right = (lengths > known.min(axis=0) - RIGHT) & (lengths < known.max(axis=0) + RIGHT)
            right.append(is_right.ravel())
        found = {
            "denoising_loss": model.network.loss(self._graphs_of(numbers), real),
            "coverage": float((np.concatenate(recalled) < NEAR).mean()),
            "matching": float(np.concatenate(recalled).mean()),
            "coverage_precision": float((np.concatenate(precise) < NEAR).mean()),
            "matching_precision": float(np.concatenate(precise).mean()),
            "bond_validity": float(np.concatenate(right).mean()),
            "refused": float(len(self.known.refused)),
        }
        return {metric: np.array([value]) for metric, value in found.items()}

    def picture(self, model: Model) -> str:
        """Four shapes of the largest molecule that is held out."""
        number = max(self._held_out, key=lambda one: len(self.known.held[one]))
        molecule = self.known.held[number]
        return drawing(molecule, list(self._write(model, np.repeat(number, 4), 0)[:, : len(molecule)]))


@lru_cache(maxsize=2)
def _molecules(smiles: Path | None, conformers: int, most: int | None, skip_bad: bool) -> Molecules:
    check_installed("the test-bed diffusion", "molecules")
    return read_molecules(smiles, conformers, most, skip_bad)
