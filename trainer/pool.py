"""Pools: what there is to draw from, generation by generation."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from provenance.errors import ProvError
from provenance.origin import Origin
from registry.mix import MixSpec, Stratum, quotas
from registry.where import Condition, Node
from trainer.curation import Curation, Judged
from trainer.streams import stream
from trainer.testbed import Floats, Samples


class TooFewHuman(ProvError):
    """An arm needs more human samples than there are."""

    def __init__(self, wanted: int, held: int) -> None:
        self.wanted, self.held = wanted, held
        super().__init__(
            f"the arm needs {wanted:,} human texts, the registry holds {held:,} that are not held out: "
            "give a smaller --size or fewer --generations, or take in more"
        )


class NeedsRegistry(ProvError):
    """A curation that asks a curator, for samples that have no record."""

    def __init__(self, curation: str) -> None:
        self.curation = curation
        super().__init__(
            f"curation={curation} judges texts, and keeps what it says in a registry: name one with --registry and use "
            "a test-bed of texts, or choose curation=labels"
        )


@dataclass(frozen=True)
class Draw:
    """What a generation trains on.

    Attributes:
        samples: as the test-bed takes them.
        weights: one a sample, (size,), summing to 1; None where all weigh the same.
        counts: how many samples of each generation there are, human text being 0.
        mix: the mix of the registry that they are, where they come from one.
        documents: the digest of the document that each sample is, in hex, where they come from a registry.
        judged: how a curator judged what was met, where one was asked.
    """

    samples: Samples
    weights: Floats | None
    counts: dict[int, int]
    mix: str | None = None
    documents: Sequence[str] | None = None
    judged: Judged | None = None


class Pool(Protocol):
    """What there is to draw from."""

    def draw(self, spec: MixSpec) -> Draw:
        """The samples of a mix.

        Raises:
            Shortfall: there is less than a stratum needs.
        """

    def curate(self, met: MixSpec, curation: Curation, crawls: range) -> Draw:
        """What is judged human of some crawls, of which the mix is the last.

        Raises:
            NeedsRegistry: nothing here can be judged.
            RanDry: none of it is judged human.
        """

    def record(self, generation: int, drawn: Draw) -> None:
        """Note that the model of a generation has learnt from what was drawn."""

    def add(self, samples: Samples, generation: int, edited: Draw | None = None) -> int:
        """Take in what the model of a generation wrote, or human samples as generation 0.

        Args:
            edited: what was drawn, where the samples are that, sample by sample, after the model went over it.
        Returns:
            How many of that generation there are that can be drawn.
        """


@dataclass
class ArrayPool:
    """Samples in memory, (repeats, size, ...), those of one generation next to each other."""

    seed: int
    blocks: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each generation, where its samples begin and end."""
    held: NDArray[Any] = field(default_factory=lambda: np.empty((0, 0)))
    shuffled: dict[int, NDArray[Any]] = field(default_factory=dict)
    """Human samples in the order of a seed that stays the same from generation to generation."""
    edited: bool = False

    @property
    def size(self) -> int:
        """How many samples there are of each repeat."""
        return max((end for _, end in self.blocks.values()), default=0)

    def curate(self, met: MixSpec, curation: Curation, crawls: range) -> Draw:
        raise NeedsRegistry(curation.curation)

    def record(self, generation: int, drawn: Draw) -> None:
        pass  # arrays have no lineage

    def add(self, samples: Samples, generation: int, edited: Draw | None = None) -> int:
        start, end = self.size, self.size + samples.shape[1]
        if not self.blocks or end > self.held.shape[1]:
            grown = np.empty((samples.shape[0], max(end, 2 * start), *samples.shape[2:]), samples.dtype)
            grown[:, :start] = self.held[:, :start] if start else 0
            self.held = grown
        self.held[:, start:end] = samples
        self.blocks[generation] = (start, end)
        return int(samples.shape[1])

    def draw(self, spec: MixSpec) -> Draw:
        places = [self._places(stratum) for stratum in spec.strata]
        stock = [sum(end - start for start, end in held) - stratum.skip
                 for held, stratum in zip(places, spec.strata, strict=True)]  # fmt: skip
        wanted = quotas(spec, [max(0, held) for held in stock])
        parts, counts = [], dict.fromkeys(self.blocks, 0)
        for index, (stratum, held, quota) in enumerate(zip(spec.strata, places, wanted, strict=True)):
            if quota:
                parts.append(self._take(stratum, held, quota, spec.seed, index, counts))
        weights = weigh(spec, lambda: np.repeat(np.arange(len(wanted)), wanted))
        return Draw(_joined(parts), weights, {generation: held for generation, held in counts.items() if held})

    def _places(self, stratum: Stratum) -> list[tuple[int, int]]:
        """Where the samples of a stratum stand: whole generations, neighbours joined."""
        joined: list[tuple[int, int]] = []
        turns = sorted({0, 1, *_turns(stratum.where.tree)})  # between those, what holds of one generation holds of all
        known: dict[tuple[int, int], bool] = {}
        for generation, (start, end) in self.blocks.items():
            between = bisect_left(turns, generation), bisect_right(turns, generation)
            if between not in known:
                known[between] = stratum.where.holds(self._provenance(generation))
            if not known[between]:
                continue
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        return joined

    def _provenance(self, generation: int) -> dict[str, str | int | bool]:
        written = Origin.MIXED if self.edited else Origin.MODEL
        return {
            "origin": written if generation else Origin.HUMAN,
            "generation": generation,
            "generation_exact": True,
        }

    def _take(
        self,
        stratum: Stratum,
        places: list[tuple[int, int]],
        quota: int,
        seed: int,
        index: int,
        counts: dict[int, int],
    ) -> NDArray[Any]:
        """So many samples of a stratum, other ones in each repeat; all of them in their order."""
        if stratum.seed is not None:
            assert places == [self.blocks[0]], "only human samples are chosen by a seed of their own"
            counts[0] += quota
            return self._human(stratum.seed)[:, stratum.skip : stratum.skip + quota]
        inside = np.concatenate([np.arange(start, end) for start, end in places])
        if quota == len(inside):
            chosen = inside[None]
            taken = _joined([self.held[:, start:end] for start, end in places])
        else:
            chosen = inside[distinct(len(inside), quota, len(self.held), stream(seed, index, "draw"))]
            taken = self.held[np.arange(len(self.held))[:, None], chosen]
        for generation, count in zip(self.blocks, self._counted(chosen), strict=True):
            counts[generation] += count
        return taken

    def _counted(self, chosen: NDArray[np.int64]) -> list[int]:
        """How many samples of each generation are chosen, on average over repeats, rounded to the sum that it is."""
        repeats, quota = chosen.shape
        starts = [start for start, _ in self.blocks.values()]
        block = np.searchsorted(starts, chosen.ravel(), side="right") - 1
        counts, rest = np.divmod(np.bincount(block, minlength=len(starts)), repeats)
        counts[np.argsort(-rest, kind="stable")[: quota - counts.sum()]] += 1
        return [int(count) for count in counts]

    def _human(self, seed: int) -> NDArray[Any]:
        if seed not in self.shuffled:
            start, end = self.blocks[0]
            order = stream(seed, 0, "human").permuted(
                np.broadcast_to(np.arange(start, end), (len(self.held), end - start)), axis=1
            )
            self.shuffled[seed] = self.held[np.arange(len(self.held))[:, None], order]
        return self.shuffled[seed]


def _turns(node: Node) -> set[float]:
    """The numbers that a filter compares with."""
    if isinstance(node, Condition):
        return {value for value in node.values if not isinstance(value, str)}
    return set().union(*map(_turns, node.parts))


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def distinct(available: int, wanted: int, repeats: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """So many different numbers below `available` for each repeat, (repeats, wanted), each set equally likely.

    Floyd's algorithm (Bentley & Floyd 1987, "A sample of brilliance") for all repeats at once, where few are wanted of
    many; a permutation where many are.
    """
    if 4 * wanted > available:
        everything = np.broadcast_to(np.arange(available), (repeats, available))
        return rng.permuted(everything, axis=1)[:, :wanted]
    chosen = np.full((repeats, wanted), -1)
    for place, last in enumerate(range(available - wanted, available)):
        picked = rng.integers(0, last, repeats, endpoint=True)
        held = (chosen[:, :place] == picked[:, None]).any(axis=1)
        chosen[:, place] = np.where(held, last, picked)
    return chosen


def weigh(spec: MixSpec, strata: Callable[[], Sequence[int] | NDArray[np.int64]]) -> Floats | None:
    """What each sample weighs, summing to 1; None where all weigh the same.

    Args:
        strata: gives of which stratum of the spec each sample is.
    """
    if len({stratum.weight for stratum in spec.strata}) == 1:
        return None
    weights: Floats = np.array([stratum.weight for stratum in spec.strata])[strata()]
    return weights / float(weights.sum())
