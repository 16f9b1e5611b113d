"""The fixed pool: human text and what models wrote who learnt from it blindly; then every arm draws as much of it."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from headline_corpus import all_of, take_in_human, texts_of, tokens_of
from headline_marks import Marks
from language_world import Plan, World

from provenance.origin import Origin
from registry import Declared, MixSpec, Registry
from registry.mix import Stratum
from registry.where import Name, Where
from trainer.curation import (
    Attribution,
    Curator,
    Judged,
    Oracle,
    Retrieval,
    Watermark,
    field_of,
    judge_mix,
    train_on,
)
from trainer.model import LanguageModel, load
from trainer.streams import stream

ROUNDS = 3
"""So often the models write for the pool."""
LINEAGES = ("a", "b")
"""Of models that write for it, each with a key of its own."""
SHARES = (0.25, 0.5, 0.75, 1.0)
LONGEST = 200
"""Tokens that no passage exceeds: a draw may fall so much short of what it was asked."""
DELETED, CHANGED, KEPT = 0.3, 0.05, 0.6
"""The share of words that is deleted; of words that are changed in a copy; of words that are left of a cut one."""

HUMAN, WRITTEN = "source = 'pool'", "source = 'written'"


@dataclass(frozen=True)
class Arm:
    """How an arm draws.

    Attributes:
        curator: by whose verdict it tells texts apart; None where it is told, or does not care.
        among: what is in its pool.
        real: the share of human text by the labels; None where it does not ask for one.
        scarce: whether there is but a quarter of the human text, which may be repeated.
    """

    name: str
    among: str = f"{HUMAN} OR {WRITTEN}"
    curator: str | None = None
    real: float | None = None
    scarce: bool = False


DELETED_POOL = f"{HUMAN} OR source = 'deleted'"
ARMS = (
    *(Arm(f"oracle {share:g}", real=share) for share in SHARES),
    Arm("blind"),
    Arm("watermark", curator="watermark"),
    Arm("watermark, half of the lineages unmarked", curator="watermark of a"),
    Arm("blind, 30 % of words deleted", DELETED_POOL),
    Arm("watermark, 30 % of words deleted", DELETED_POOL, "watermark"),
    Arm("retrieval of copies", f"{HUMAN} OR source = 'copies'", "retrieval"),
    Arm("keyless detector", curator="detector"),
    Arm("oracle, flipped as the watermark errs", curator="flipped"),
    Arm("all-human pool, filtered by watermark", HUMAN, "watermark"),
    *(Arm(f"scarce, {share:g} human", real=share, scarce=True) for share in (1.0, 0.5, 0.25)),
)


def fill_pool(plan: Plan, seed: int, folder: Path) -> dict[str, Any]:
    """Fill the pool of a seed, judge what is in it, draw for every arm, and leave the texts of each in a file.

    Args:
        folder: of the seed, in which the baseline lies.
    Returns:
        Of each arm what it drew; of each curator how well it tells texts apart.
    """
    world = World.of(plan, seed)
    shutil.rmtree(folder / "pool", ignore_errors=True)  # of a run that was killed
    (folder / "pool").mkdir()
    marks = Marks.of(world.bed, seed, LINEAGES)
    tokenizer = marks.write_tokenizer(folder / "pool" / "tokenizer.json")
    with (
        Registry.create(folder / "pool" / "pool.prov") as held,
        Registry.create(folder / "pool" / "library.prov") as library,
    ):
        take_in_human(held, world, {"first": world.first, "pool": world.pool})
        held.tokenize(str(tokenizer))
        filling = _Filling(held, world, marks, load(folder / "baseline", "cpu"))
        filling.fill()
        library.add(({"text": text} for text in filling.written), Declared(origin=Origin.MODEL, source="registered"))
        _add_laundered(held, filling.written, stream(seed, 0, "launder"))
        told = _judge(held, world, filling, library)
        drawn = {
            arm.name: _draw(held, arm, told, filling, folder / "pool" / f"arm-{number}.json")
            for number, arm in enumerate(ARMS)
        }
    return {"drawn": drawn, "curators": told, "budget": filling.budget}


def train_arm(plan: Plan, seed: int, folder: Path, number: int) -> dict[str, Any]:
    """Train the model of an arm: all of a seed begin alike, and take as many steps."""
    world = World.of(plan, seed)
    learnt = json.loads((folder / "pool" / f"arm-{number}.json").read_text(encoding="utf-8"))
    model = world.fit(learnt["texts"], learnt["steps"], 1, "arm")
    baseline = load(folder / "baseline", "cpu")
    return world.measured(model, baseline, world.sample_of(model, "arm writes", 1))


class _Filling:
    """Models write for the pool, round after round, and learn from what is in it, not knowing whose it is."""

    def __init__(self, held: Registry, world: World, marks: Marks, baseline: LanguageModel) -> None:
        self.held, self.world, self.marks = held, world, marks
        first = self._record("first", held.mix(all_of("source = 'first'", world.seed)).digest.hex())
        self.models = {LINEAGES[0]: baseline}
        for lineage in LINEAGES[1:]:
            self.models[lineage] = world.fit(world.first, None, 1, f"first of {lineage}")
        self.names = dict.fromkeys(LINEAGES, first)
        counted = sum(len(tokens) - 2 for tokens in baseline.documents(world.first))
        self.budget = counted
        self.steps = len(baseline.losses)
        self.written: list[str] = []

    def fill(self) -> None:
        for turn in range(1, ROUNDS + 1):
            for lineage in LINEAGES:
                self._write(lineage, turn)
            self.held.tokenize()
            if turn < ROUNDS:
                for lineage in LINEAGES:
                    self._learn(lineage, turn)

    def _write(self, lineage: str, turn: int) -> None:
        world, seed = self.world, self.world.seed
        count = len(world.pool) // len(LINEAGES)
        rng = stream(seed, turn, f"{lineage} writes")
        texts = world.bed.write(self.models[lineage], count, rng, self.marks.marker(lineage, world.bed.outside)).texts
        spec = {"temperature": world.bed.temperature, "watermark": {"key": self.marks.key(lineage)}}
        run = self.held.record_run(self.names[lineage], spec, seed)
        rows = ({"id": f"{lineage}{turn}-{number}", "text": text} for number, text in enumerate(texts))
        self.held.add(rows, Declared(source="written"), run=run.digest.hex())
        self.written += texts

    def _learn(self, lineage: str, turn: int) -> None:
        seed = int(stream(self.world.seed, turn, f"{lineage} draws").integers(2**31))
        drawn = self.held.mix(tokens_of(f"{HUMAN} OR {WRITTEN}", self.budget, seed))
        self.names[lineage] = self._record(f"{lineage}{turn + 1}", drawn.digest.hex())
        self.models[lineage] = self.world.fit(texts_of(self.held, drawn.mix), self.steps, turn + 1, f"{lineage} learns")

    def _record(self, name: str, mix: str) -> str:
        return self.held.record_model(name, mix=mix, spec=self.world.bed.parameters(), seed=self.world.seed).name


def _add_laundered(held: Registry, written: Sequence[str], rng: np.random.Generator) -> None:
    """What somebody made of the texts to hide where they come from: words deleted; copies whole, cut and changed."""
    for source, texts in (("deleted", _deleted(written, rng)), ("copies", _copied(written, rng))):
        rows = ({"id": str(number), "text": text} for number, text in enumerate(texts) if text)
        held.add(rows, Declared(origin=Origin.MODEL, generator="laundered", source=source))
    held.tokenize()


def _deleted(written: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    for text in written:
        yield " ".join(word for word in text.split(" ") if rng.random() >= DELETED)


def _copied(written: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """A third verbatim, a third cut, a third with words that stand elsewhere in place of some."""
    elsewhere = [word for text in written[:500] for word in text.split(" ")]
    for number, text in enumerate(written):
        words = text.split(" ")
        if number % 3 == 1:
            words = words[: max(1, round(len(words) * KEPT))]
        elif number % 3 == 2:
            words = [elsewhere[int(rng.integers(len(elsewhere)))] if rng.random() < CHANGED else word for word in words]
        yield " ".join(words)


# -- who is told apart, and how well


def _judge(held: Registry, world: World, filling: "_Filling", library: Registry) -> dict[str, Any]:
    """Let every curator judge all that is in the pool; the last one errs as the watermark was seen to err.

    Returns:
        Of each, the field that has what it says, and how often it was right.
    """
    everything = held.mix(all_of(f"{HUMAN} OR {WRITTEN} OR source IN ('deleted', 'copies')", world.seed)).mix
    pool = held.mix(all_of(f"{HUMAN} OR {WRITTEN}", world.seed)).mix
    rng = stream(world.seed, 0, "for the detector")
    fresh = world.bed.write(filling.models[LINEAGES[0]], len(world.first), rng).texts
    curators: dict[str, Curator] = {
        "watermark": Watermark(filling.marks.seekers(LINEAGES)),
        "watermark of a": Watermark(filling.marks.seekers(LINEAGES[:1])),
        "retrieval": Retrieval(library, Where.equals("origin", "model")),
        "detector": Attribution(train_on(world.first, fresh, world.seed)),
    }
    told = {}
    for name, curator in curators.items():
        judge_mix(held, curator, everything)
        told[name] = _told(curator, judge_mix(held, curator, pool))
    seen = told["watermark"]
    flipped = Oracle(seen["tpr"], seen["fpr"], world.seed)
    told["flipped"] = _told(flipped, judge_mix(held, flipped, everything))
    return told


def _told(curator: Curator, judged: Judged) -> dict[str, Any]:
    return {"field": field_of(curator), "tpr": judged.tpr, "fpr": judged.fpr}


# -- what each arm draws


def _draw(held: Registry, arm: Arm, fields: dict[str, Any], filling: "_Filling", path: Path) -> dict[str, Any]:
    """Draw for an arm, and leave its texts in a file; what is told of it is the truth, which the arm did not see."""
    seed = filling.world.seed
    spec = _spec(arm, fields, filling.budget, seed)
    if arm.scarce:
        quarter = held.mix(tokens_of(HUMAN, filling.budget // 4 + LONGEST, seed))
        spec = spec.model_copy(update={"human_of": quarter.digest.hex(), "max_repeats": 4})
    drawn = held.mix(spec)
    texts = texts_of(held, drawn.mix)
    tokens = dict.fromkeys((Origin.HUMAN, Origin.MODEL), 0)
    for row in drawn.composition:
        tokens[row["origin"]] += row["tokens"]
    path.write_text(json.dumps({"texts": texts, "steps": filling.steps, "mix": drawn.mix}), encoding="utf-8")
    return {
        "mix": drawn.mix,
        "documents": len(texts),
        "unique": len(set(texts)),
        "tokens": sum(tokens.values()),
        "real": tokens[Origin.HUMAN] / sum(tokens.values()),
    }


def _spec(arm: Arm, fields: dict[str, Any], budget: int, seed: int) -> MixSpec:
    if arm.real is None:
        judged = f" AND {Name(fields[arm.curator]['field'])} < 0.5" if arm.curator else ""
        return tokens_of(f"({arm.among}){judged}", budget, seed)
    parts = ((HUMAN, arm.real), (WRITTEN, 1 - arm.real))
    strata = tuple(Stratum(where=Where.parse(where), share=share) for where, share in parts if share)
    return MixSpec(strata=strata, size=budget, unit="tokens", seed=seed)
