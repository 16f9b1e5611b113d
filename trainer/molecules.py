"""Small molecules in their shapes: conformers by distance geometry and a force field, how near shapes are, drawings.

ETKDG: Riniker & Landrum 2015, version 3; MMFF94: Halgren 1996; both as RDKit does them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.errors import ProvError
from trainer.pictures import SIDE, svg

BONDS = 4
"""Kinds of bonds: single, double, triple, aromatic."""
FAR = 4
"""Bonds between two atoms from which on they are just far from each other."""
_TRIES = 50
LEAST = 3
"""Atoms that a molecule needs for shapes to differ, and to be drawn."""
WIDEST = 10.0
"""No atom of a molecule is farther from its middle, in Å."""
Points = NDArray[np.float32]


class BadMolecule(ProvError):
    """A molecule that has no shape."""

    def __init__(self, smiles: str, reason: str) -> None:
        self.smiles, self.reason = smiles, reason
        super().__init__(f"the molecule {smiles[:80]!r} {reason}: mend its SMILES, remove it, or set skip_bad=true")


@dataclass(frozen=True)
class Molecule:
    """A molecule without its hydrogens, in some of its shapes.

    Attributes:
        elements: atomic numbers, (atoms,).
        bonds: between each two atoms, from 1, 0 where there is none, (atoms, atoms).
        apart: how many bonds are between each two atoms, `FAR` at most, (atoms, atoms).
        shapes: conformers, in Å, around their middle, (conformers, atoms, 3).
    """

    name: str
    elements: NDArray[np.int64]
    bonds: NDArray[np.int64]
    apart: NDArray[np.int64]
    shapes: Points
    _held: Any = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.elements)

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """The bonds as pairs of atoms, (bonds, 2)."""
        return np.argwhere(np.triu(self.bonds))

    def lengths(self, shapes: Points) -> NDArray[np.float64]:
        """How long bonds are in some shapes, Å, (shapes, bonds)."""
        first, second = self.pairs.T
        found: NDArray[np.float64] = np.linalg.norm(shapes[:, first] - shapes[:, second], axis=2).astype(np.float64)
        return found

    def distances(self, shapes: Points) -> NDArray[np.float64]:
        """The least root mean square distance of shapes to each conformer, Å, (conformers, shapes).

        Over rotations, translations, and atoms that are the same by symmetry.
        """
        from rdkit.Chem import rdMolAlign

        both = _with_shapes(self._held, np.concatenate([self.shapes, shapes]))
        known, given = range(len(self.shapes)), range(len(self.shapes), both.GetNumConformers())
        return np.array([[rdMolAlign.GetBestRMS(both, both, other, one) for other in given] for one in known])


@dataclass(frozen=True)
class Molecules:
    """Molecules that have shapes.

    Attributes:
        refused: what is wrong with the others.
    """

    held: list[Molecule]
    refused: list[str]


def read_molecules(path: Path | None, conformers: int, most: int | None = None, skip_bad: bool = False) -> Molecules:
    """Molecules, each in its shapes.

    Args:
        path: a file with a SMILES a line, after which a name may stand; where it is None, what comes with prov.
        conformers: of each.
        most: so many molecules, the first ones.
        skip_bad: leave out, and tell, those that have no shape.
    Raises:
        BadMolecule: one has none.
        ProvError: the file cannot be read, or holds none.
    """
    lines = [line.split(maxsplit=1) for line in _content(path).splitlines() if line.strip()][:most]
    if most and len(lines) < most:
        raise ProvError(
            f"{most:,} molecules are wanted, {path or 'prov'} has {len(lines):,}: give a smaller molecules="
        )
    held: dict[str, Molecule] = {}
    refused = []
    for smiles, *name in lines:
        try:
            plain, same = _parsed(smiles)
            if same in held:
                raise BadMolecule(smiles, f"is {held[same].name} once more")
            held[same] = _molecule(smiles, plain, name[0].strip() if name else smiles, conformers)
        except BadMolecule as error:
            if not skip_bad:
                raise
            refused.append(str(error))
    if not held:
        raise ProvError(f"{path} holds no molecule that has a shape: name a file with a SMILES a line")
    return Molecules(list(held.values()), refused)


def _content(path: Path | None) -> str:
    if path is None:
        return files("trainer").joinpath("molecules.smi").read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProvError(f"cannot read {path}: {error}; name a text file with a SMILES a line") from error


def _parsed(smiles: str) -> tuple[Any, str]:
    """A molecule that a SMILES says, and the SMILES that says the same in one way."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():  # what is wrong is told in a line of our own
        plain = Chem.MolFromSmiles(smiles)
        if plain is None or not plain.GetNumAtoms():
            raise BadMolecule(smiles, "is none that RDKit understands")
        return plain, Chem.MolToSmiles(plain)


def _molecule(smiles: str, plain: Any, name: str, conformers: int) -> Molecule:
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    with rdBase.BlockLogs():
        if len(Chem.GetMolFrags(plain)) > 1:
            raise BadMolecule(smiles, "is in several parts")
        if plain.GetNumHeavyAtoms() < LEAST:
            raise BadMolecule(smiles, f"has fewer than {LEAST} atoms beside hydrogen")
        kinds = [Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC]
        if any(bond.GetBondType() not in kinds for bond in plain.GetBonds()):
            raise BadMolecule(smiles, "has a bond that is not single, double, triple or aromatic")
        whole = Chem.AddHs(plain)
        settings = rdDistGeom.ETKDGv3()
        settings.randomSeed, settings.maxIterations = 1, _TRIES  # by 0 all conformers are one
        if len(rdDistGeom.EmbedMultipleConfs(whole, conformers, settings)) < conformers:
            raise BadMolecule(smiles, f"has no {conformers} conformers that can be found")
        if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(whole):
            raise BadMolecule(smiles, "has atoms that the force field MMFF does not know")
        rested = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(whole, maxIters=1000)
        if any(restless for restless, _ in rested):
            raise BadMolecule(smiles, "has a conformer that the force field MMFF brings to no rest")
        heavy = Chem.RemoveHs(whole)
    shapes = np.array([conformer.GetPositions() for conformer in heavy.GetConformers()], np.float32)
    shapes -= shapes.mean(axis=1, keepdims=True)
    if (wide := float(np.linalg.norm(shapes, axis=2).max())) > WIDEST:
        raise BadMolecule(smiles, f"reaches {wide:.1f} Å from its middle, {WIDEST:.0f} at most are wanted")
    bonds = np.zeros((heavy.GetNumAtoms(),) * 2, np.int64)
    for bond in heavy.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonds[ends] = bonds[ends[::-1]] = 1 + kinds.index(bond.GetBondType())
    apart = np.minimum(Chem.GetDistanceMatrix(heavy), FAR).astype(np.int64)
    elements = np.array([atom.GetAtomicNum() for atom in heavy.GetAtoms()])
    heavy.RemoveAllConformers()
    return Molecule(name, elements, bonds, apart, shapes, heavy)


def _with_shapes(molecule: Any, shapes: Points) -> Any:
    """A copy of a molecule with shapes of its own."""
    from rdkit import Chem

    copy = Chem.Mol(molecule)
    for shape in shapes.astype(float):
        conformer = Chem.Conformer(len(shape))
        conformer.SetPositions(np.ascontiguousarray(shape))
        copy.AddConformer(conformer, assignId=True)
    return copy


# -- drawings

_COLOURS = {7: "#0072B2", 8: "#D55E00", 9: "#009E73", 16: "#E69F00", 17: "#009E73"}


def drawing(molecule: Molecule, shapes: Sequence[Points]) -> str:
    """Four shapes of a molecule, each turned so that it is seen at its widest: bonds as lines, thicker where nearer."""
    half = SIDE / 2
    parts = []
    for shape, (left, top) in zip(shapes, ((0, 0), (half, 0), (0, half), (half, half)), strict=False):
        middle = shape - shape.mean(axis=0)
        turned = middle @ np.linalg.svd(middle, full_matrices=False)[2].T  # (atoms, 3), widest first
        scale = 0.44 * half / max(1e-6, float(np.abs(turned[:, :2]).max()))
        across, down = (turned[:, :2] * scale + [left + half / 2, top + half / 2]).T
        near = np.interp(turned[:, 2], (-2, 2), (1.5, 4))
        parts += [
            f'<line x1="{across[a]:.1f}" y1="{down[a]:.1f}" x2="{across[b]:.1f}" y2="{down[b]:.1f}" '
            f'stroke="#555555" stroke-linecap="round" stroke-width="{(near[a] + near[b]) / 2:.1f}"/>'
            for a, b in molecule.pairs.tolist()
        ]
        parts += [
            f'<circle cx="{across[atom]:.1f}" cy="{down[atom]:.1f}" r="{near[atom] + 1:.1f}" '
            f'fill="{_COLOURS.get(int(element), "#333333")}"/>'
            for atom, element in enumerate(molecule.elements)
        ]
    return svg("".join(parts))
