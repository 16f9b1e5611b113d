"""The crawl: each generation meets a renewed corpus, a quarter fresh human text, the rest by the arm's last model."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headline_corpus import all_of, take_in_human, texts_of
from headline_marks import Marks
from language_world import Plan, World

from registry import Declared, Registry
from registry.where import Name
from trainer.curation import Watermark, field_of, judge_mix
from trainer.model import LanguageModel, load
from trainer.streams import stream

FRESH = 0.25
LINEAGE = "crawl"


@dataclass(frozen=True)
class Arm:
    """What of the crawls a generation trains on.

    Attributes:
        keep: the latest crawl, or all of them.
        human_by: how human text is told apart; None where nobody tells.
        steps: each generation takes as many as the first, as many as the epochs take over what it learns from, or so
            many times as many as the first as there are crawls, whatever it learns from: what epochs take over them.
    """

    name: str
    keep: str = "all"
    human_by: str | None = None
    steps: Literal["first", "epochs", "crawls"] = "first"


ARMS = (
    Arm("latest crawl, blind", keep="latest"),
    Arm("all crawls, blind, equal steps"),
    Arm("all crawls, blind, equal epochs", steps="epochs"),
    Arm("recovered by watermark", human_by="watermark"),
    Arm("oracle labels", human_by="labels"),
    Arm("recovered by watermark, steps of equal epochs", human_by="watermark", steps="crawls"),
)


def train_baseline(plan: Plan, seed: int, folder: Path) -> dict[str, Any]:
    """Train the first model of a seed, which all arms share, and let it write what the second crawl has of it."""
    world = World.of(plan, seed)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    model = world.fit(world.first, None, 1)
    written = _write(world, _marks(world), model, 1)
    model.save(folder / "baseline")
    (folder / "written.json").write_text(json.dumps(written), encoding="utf-8")
    told = world.measured(model, model, world.sample_of(model, "measured", 1), control=True)
    tokens = sum(len(document) - 1 for document in model.documents(world.first))
    return told | {"steps": len(model.losses), "parameters": model.parameters, "tokens": tokens}


def run_crawl(plan: Plan, seed: int, folder: Path, number: int) -> dict[str, Any]:
    """Run the generations of an arm after the baseline.

    Args:
        folder: of the seed, in which the baseline lies.
        number: of the arm.
    """
    arm, world = ARMS[number], World.of(plan, seed)
    baseline = load(folder / "baseline", "cpu")
    path = folder / f"crawl-{number}.prov"
    path.unlink(missing_ok=True)  # of a run that was killed
    with Registry.create(path, fingerprint=None) as held:
        crawl = _Crawl(held, world, arm, len(baseline.losses))
        crawl.take_in(json.loads((folder / "written.json").read_text(encoding="utf-8")), 1)
        told = [crawl.run(generation, baseline) for generation in range(2, plan.generations + 1)]
    return {"generations": told}


class _Crawl:
    """The registry of an arm, crawl by crawl."""

    def __init__(self, held: Registry, world: World, arm: Arm, steps: int) -> None:
        self.held, self.world, self.arm, self.steps = held, world, arm, steps
        self.marks = _marks(world)
        self.curator = Watermark(self.marks.seekers([LINEAGE]))
        fresh = len(world.first) - _count(world)
        sources = {"first": world.first}
        for generation in range(2, world.plan.generations + 1):
            sources[f"fresh {generation}"] = world.pool[(generation - 2) * fresh : (generation - 1) * fresh]
        take_in_human(held, world, sources)
        first = held.mix(all_of("source = 'first'", world.seed)).mix
        self._record(1, first)
        judge_mix(held, self.curator, first)

    def take_in(self, written: list[str], generation: int) -> None:
        """What the model of a generation wrote, marked, with its lineage."""
        spec = {"temperature": self.world.bed.temperature, "watermark": {"key": self.marks.key(LINEAGE)}}
        run = self.held.record_run(f"gen{generation}", spec, self.world.seed)
        rows = ({"id": str(number), "text": text} for number, text in enumerate(written))
        self.held.add(rows, Declared(source=f"written {generation}"), run=run.digest.hex())

    def run(self, generation: int, baseline: LanguageModel) -> dict[str, Any]:
        """Judge the crawl of a generation, train on what the arm takes of all, measure, and write for the next."""
        world = self.world
        crawl = self.held.mix(all_of(f"source IN ('fresh {generation}', 'written {generation - 1}')", world.seed))
        judged = judge_mix(self.held, self.curator, crawl.mix)
        drawn = self.held.mix(all_of(self._where(generation), world.seed + generation))
        texts = texts_of(self.held, drawn.mix)
        steps = {"first": self.steps, "epochs": None, "crawls": self.steps * generation}[self.arm.steps]
        model = world.fit(texts, steps, generation)
        self._record(generation, drawn.mix)
        told = world.measured(model, baseline, world.sample_of(model, "measured", generation))
        if generation < world.plan.generations:
            self.take_in(_write(world, self.marks, model, generation), generation)
        return told | {
            "generation": generation,
            "documents": len(texts),
            "steps": len(model.losses),
            "real": sum(row["documents"] for row in drawn.composition if row["origin"] == "human") / len(texts),
            "tpr": judged.tpr,
            "fpr": judged.fpr,
        }

    def _where(self, generation: int) -> str:
        since = generation if self.arm.keep == "latest" else 2
        human = ["first"] * (self.arm.keep == "all") + [f"fresh {one}" for one in range(since, generation + 1)]
        written = [f"written {one - 1}" for one in range(since, generation + 1)]
        kept = human if self.arm.human_by == "labels" else human + written
        among = f"source IN ({', '.join(repr(one) for one in kept)})"
        return f"{among} AND {Name(field_of(self.curator))} < 0.5" if self.arm.human_by == "watermark" else among

    def _record(self, generation: int, mix: str) -> None:
        self.held.record_model(
            f"gen{generation}", mix=mix, spec=self.world.bed.parameters() | {"arm": self.arm.name}, seed=self.world.seed
        )


def _count(world: World) -> int:
    """How many texts of a crawl its model wrote."""
    return len(world.first) - round(FRESH * len(world.first))


def _marks(world: World) -> Marks:
    return Marks.of(world.bed, world.seed, [LINEAGE])


def _write(world: World, marks: Marks, model: LanguageModel, generation: int) -> list[str]:
    marker = marks.marker(LINEAGE, model.outside)
    return world.bed.write(model, _count(world), stream(world.seed, generation, "write"), marker).texts
