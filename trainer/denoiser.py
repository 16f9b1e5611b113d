"""The network of the test-bed `diffusion`: it tells the noise in the shape of a molecule, however that is turned.

An equivariant graph network (Satorras et al. 2021, 2102.09844) that predicts noise (Ho et al. 2020, 2006.11239) on
coordinates around their middle, as Hoogeboom et al. 2022 (2203.17003) do: turn or mirror what goes in, and what comes
out is turned or mirrored likewise, so that all turns of a shape are equally likely; around the middle, there is no
translation left to be likely or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainer.model import Device
from trainer.molecules import BONDS, FAR, WIDEST, Molecule, Points
from trainer.nets import Fit, seeded, train
from trainer.optimise import device
from trainer.testbed import Floats

ELEMENTS = (6, 7, 8, 9, 15, 16, 17, 35, 53)
SCALE = 2.0
"""Å a unit of the network's coordinates."""
LEVELS = 200
"""Levels of noise, of which one is drawn in training."""
REACH = 1.2 * WIDEST / SCALE
"""No atom is farther from the middle, in the network's units: at the highest levels a little error goes a long way."""
SHARPEST = 0.03
"""Below so much noise springs pull no harder."""
AT_ONCE = 128
FEATURES = BONDS + 1 + FAR + 1
"""What is known of two atoms: which bond is between them, and how many bonds."""


class Settings(Fit, Protocol):
    """How a denoiser is made and fitted, as the test-bed says."""

    width: int
    layers: int
    device: Device


@dataclass(frozen=True)
class Graphs:
    """Molecules as tensors, padded to as many atoms as the largest has.

    Attributes:
        nodes: of each atom its element, (molecules, atoms, features).
        edges: of each two atoms their bond and how far they are, (molecules, atoms, atoms, features).
        there: whether there is an atom, (molecules, atoms).
    """

    nodes: Tensor
    edges: Tensor
    there: Tensor

    @classmethod
    def of(cls, molecules: Sequence[Molecule], atoms: int) -> Graphs:
        nodes = torch.zeros(len(molecules), atoms, len(ELEMENTS) + 1)
        edges = torch.zeros(len(molecules), atoms, atoms, FEATURES)
        there = torch.zeros(len(molecules), atoms)
        for number, molecule in enumerate(molecules):
            size = len(molecule)
            kinds = [ELEMENTS.index(one) if one in ELEMENTS else len(ELEMENTS) for one in molecule.elements.tolist()]
            nodes[number, torch.arange(size), kinds] = 1
            bonds, apart = (torch.from_numpy(held) for held in (molecule.bonds, molecule.apart))
            edges[number, :size, :size] = torch.cat(
                [nn.functional.one_hot(bonds, BONDS + 1), nn.functional.one_hot(apart, FAR + 1)], dim=2
            ).float()
            there[number, :size] = 1
        return cls(nodes, edges, there)

    def to(self, place: torch.device) -> Graphs:
        """The same on a device."""
        return Graphs(self.nodes.to(place), self.edges.to(place), self.there.to(place))

    def take(self, rows: Tensor) -> Graphs:
        """The molecules of some numbers."""
        return Graphs(self.nodes[rows], self.edges[rows], self.there[rows])


@dataclass(frozen=True)
class _Pairs:
    """Any two atoms of a molecule, in both orders, for many molecules at once.

    Attributes:
        molecule: which molecule it is, (pairs,).
        first, second: the rows of the two among all atoms, (pairs,).
        edges: their bond and how far they are, (pairs, features).
        share: one part in as many as the molecule has atoms, (pairs, 1).
    """

    molecule: Tensor
    first: Tensor
    second: Tensor
    edges: Tensor
    share: Tensor

    @classmethod
    def of(cls, graphs: Graphs) -> _Pairs:
        atoms = graphs.there.shape[1]
        both = graphs.there[:, :, None] * graphs.there[:, None] * (1 - torch.eye(atoms, device=graphs.there.device))
        molecule, one, other = both.nonzero(as_tuple=True)
        share = 1 / graphs.there.sum(1)[molecule, None]
        return cls(
            molecule, molecule * atoms + one, molecule * atoms + other, graphs.edges[molecule, one, other], share
        )

    def lines(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """From the second atom to the first, (pairs, 3), and how long that is, (pairs, 1); places are (atoms, 3)."""
        lines = places.index_select(0, self.first) - places.index_select(0, self.second)
        return lines, (lines**2).sum(1, keepdim=True).clamp(min=1e-8).sqrt()


class _Layer(nn.Module):
    """Atoms tell each other what they are and how far they are, and move along the lines between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # One layer on all that a pair is, in three parts, so that what an atom is, is multiplied once.
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.between = nn.Linear(FEATURES + 1, width, bias=False)
        self.tell = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.move = nn.Linear(width, 1, bias=False)
        self.hear = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, known: Tensor, places: Tensor, pairs: _Pairs) -> tuple[Tensor, Tensor, Tensor]:
        lines, far = pairs.lines(places)
        atoms = self.first(known).index_select(0, pairs.first) + self.second(known).index_select(0, pairs.second)
        told = self.tell(atoms + self.between(torch.cat([pairs.edges, far**2], dim=1)))
        places = places.index_add(0, pairs.first, lines / (far + 1) * self.move(told) * pairs.share)
        heard = torch.zeros_like(known).index_add(0, pairs.first, told * pairs.share)
        return known + self.hear(torch.cat([known, heard], dim=1)), places, told


class Denoiser(nn.Module):
    """Tells the noise in the shapes of molecules: how layers move atoms, and springs between any two of them.

    A spring has a length and a strength that the layers tell, and pulls the harder, the less noise there is: near a
    shape whose distances vary little, that is what noise looks like.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.begin = nn.Linear(len(ELEMENTS) + 2, width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(layers))
        self.springs = nn.Linear(width + FEATURES, 2)
        for held in self.springs.parameters():
            nn.init.zeros_(held)

    @property
    def place(self) -> torch.device:
        """Where it computes."""
        return self.begin.weight.device

    def noise(self, graphs: Graphs, places: Tensor, levels: Tensor) -> Tensor:
        """The noise in places (molecules, atoms, 3) at levels from 0 to 1, (molecules,)."""
        there = graphs.there[:, :, None]
        level = levels[:, None, None].expand(*there.shape[:2], 1)
        pairs = _Pairs.of(graphs)
        known = self.begin(torch.cat([graphs.nodes, level], dim=2)).flatten(0, 1)
        flat = moved = places.flatten(0, 1)
        for layer in self.layers:
            known, moved, told = layer(known, moved, pairs)
        lines, far = pairs.lines(flat)
        strength, longer = self.springs(torch.cat([told, pairs.edges], dim=1)).split(1, dim=1)
        sharp = 1 / (1 - _kept(levels)).sqrt().clamp(min=SHARPEST)[pairs.molecule, None]
        moved = moved.index_add(0, pairs.first, lines / far * strength * (far - 1 - longer) * sharp)
        return _centred((moved - flat).view_as(places) * there, there)

    def losses(self, graphs: Graphs, places: Tensor) -> Tensor:
        """The error of the noise that is told, of each molecule, at a level that is drawn, (molecules,).

        Squared, as a share of the noise: around its middle it has three dimensions less than coordinates.
        """
        there = graphs.there[:, :, None]
        levels = torch.randint(1, LEVELS + 1, (len(places),), device=places.device).float() / LEVELS
        noise = _centred(torch.randn_like(places) * there, there)
        kept = _kept(levels)[:, None, None]
        found = self.noise(graphs, kept.sqrt() * places + (1 - kept).sqrt() * noise, levels)
        return ((found - noise) ** 2).sum((1, 2)) / (3 * (graphs.there.sum(1) - 1))

    @torch.inference_mode()
    def write(self, graphs: Graphs, steps: int, seed: int) -> Points:
        """A shape of each molecule, in Å, (molecules, atoms, 3): noise, from which noise is taken step by step."""
        with seeded(seed):
            placed = graphs.to(self.place)
            parts = [self._denoised(placed.take(rows), steps) for rows in _parts(len(graphs.nodes))]
            held: Points = torch.cat(parts).cpu().numpy() * np.float32(SCALE)
        return held

    def _denoised(self, graphs: Graphs, steps: int) -> Tensor:
        there = graphs.there[:, :, None]
        places = _centred(torch.randn(*there.shape[:2], 3, device=there.device) * there, there)
        levels = torch.linspace(1, 0, steps + 1, device=there.device)
        for level, lower in pairwise(levels):
            kept, kept_then = _kept(level), _kept(lower)
            noise = self.noise(graphs, places, level.expand(len(places)))
            clean = _within((places - (1 - kept).sqrt() * noise) / kept.sqrt())
            spread = ((1 - kept_then) / (1 - kept) * (1 - kept / kept_then)).clamp(min=0).sqrt()
            fresh = _centred(torch.randn_like(places) * there, there)
            places = kept_then.sqrt() * clean + (1 - kept_then - spread**2).clamp(min=0).sqrt() * noise + spread * fresh
        return _centred(_within(places), there)

    @torch.inference_mode()
    def loss(self, graphs: Graphs, shapes: Points) -> float:
        """The mean loss of shapes in Å, at the same levels and noise each time."""
        with seeded(0):
            places, placed = torch.from_numpy(shapes).to(self.place) / SCALE, graphs.to(self.place)
            parts = [self.losses(placed.take(rows), places[rows]) for rows in _parts(len(places))]
            return float(torch.cat(parts).mean())


def fit(
    graphs: Graphs, shapes: Points, weights: Floats | None, how: Settings, seed: int
) -> tuple[Denoiser, list[float]]:
    """A denoiser of shapes (samples, atoms, 3) in Å, each of the molecule at its place, with its losses.

    Args:
        weights: one a sample, summing to 1; None where all weigh the same.
    """
    with seeded(seed):
        place = device(how.device)
        network, placed = Denoiser(how.width, how.layers).to(place), graphs.to(place)
        places = torch.from_numpy(shapes).to(place) / SCALE

        def losses(rows: Tensor) -> Tensor:
            return network.losses(placed.take(rows), places[rows])

        return network, train(network, losses, len(shapes), how, weights)


def _kept(level: Tensor) -> Tensor:
    """How much of a shape's variance is left at a level of noise; the cosine of Nichol & Dhariwal 2021 (2102.09672)."""
    return ((torch.cos((level + 0.008) / 1.008 * pi / 2) / cos(0.008 / 1.008 * pi / 2)) ** 2).clamp(1e-6, 1)


def _centred(places: Tensor, there: Tensor) -> Tensor:
    """Places around their middle; what is no atom stays where it is."""
    return places - places.sum(1, keepdim=True) / there.sum(1, keepdim=True) * there


def _within(places: Tensor) -> Tensor:
    """Places, those beyond `REACH` brought back along their line to the middle; a number that is none is the middle."""
    places = places.nan_to_num(0.0, 0.0, 0.0)
    shorter: Tensor = (REACH / places.norm(dim=2, keepdim=True).clamp(min=1e-8)).clamp(max=1)
    return places * shorter


def _parts(size: int) -> Iterator[Tensor]:
    return iter(torch.split(torch.arange(size), AT_ONCE))
