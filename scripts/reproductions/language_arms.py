"""Arms of language models from scratch, generation after generation in memory, and what students learn of a mark."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from language_world import Plan, World
from pydantic import PrivateAttr

from provenance.schemes.kgw import Kgw
from provenance.schemes.kgw_transformers import KgwTransformers
from provenance.watermark import Scheme, Secret, Tokens, score
from trainer.generate import Marker
from trainer.loop import run_generations
from trainer.model import LanguageModel, load
from trainer.pool import ArrayPool
from trainer.schedule import Schedule, make_schedule
from trainer.streams import stream
from trainer.testbed import Measures
from trainer.testbeds.language import Language
from trainer.texts import as_array

GROWN = 2
"""The first model writes so many times what it learnt from: the most that an arm asks of it."""
WINDOWS = (1, 2)
"""So many tokens of context have the marks whose traces are sought in students: fewer are learnt more easily."""
MARKED_SHARES = (0.1, 0.5, 1.0)
SCORED_TOKENS = 50_000
KEYS = 40
"""So many keys that nothing is marked with tell whether p is what it says."""


@dataclass(frozen=True)
class Arm:
    """A schedule, and how its models are trained and write.

    Attributes:
        equal_steps: each generation takes as many steps as the first; else steps grow with what there is.
        generations: None for as many as planned.
    """

    name: str
    schedule: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    equal_steps: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    generations: int | None = None


REPLACE, REPLACE_COLD = Arm("replace", "replace"), Arm("replace, T 0.7", "replace", temperature=0.7)
GROWN_SET = Arm("replace, grown set", "replace-grown")
BY_EPOCHS = Arm("accumulate, equal epochs", "accumulate")
BY_STEPS = Arm("accumulate, equal steps", "accumulate", equal_steps=True)
SUBSAMPLE = Arm("accumulate-subsample", "accumulate-subsample")
TENTH = Arm("10 % real", "fixed-ratio", {"real_frac": 0.1})
SWEEP = tuple(
    Arm(f"{share} % synthetic", "fixed-ratio", {"real_frac": 1 - share / 100}, generations=2) for share in (25, 50, 75)
)
ARMS = (BY_EPOCHS, GROWN_SET, REPLACE, REPLACE_COLD, BY_STEPS, SUBSAMPLE, TENTH, *SWEEP)
FULL = (
    Arm("replace, T 0.3", "replace", temperature=0.3),
    Arm("replace, top-k 20", "replace", top_k=20),
    Arm("50 % real", "fixed-ratio", {"real_frac": 0.5}),
    Arm("10 % real, always the same", "fixed-ratio", {"real_frac": 0.1, "supply": "fixed"}),
    Arm("edited, 12.5 % of texts", "edit", {"share": 0.125}),
)
"""What `--full` adds."""


class Watched(Language):
    """The test-bed, which is measured as its world measures."""

    _world: Any = PrivateAttr(default=None)
    _baseline: Any = PrivateAttr(default=None)

    @classmethod
    def of(cls, world: World, arm: Arm, baseline: LanguageModel) -> Self:
        bed = world.bed
        changed = {"temperature": arm.temperature, "top_k": arm.top_k}
        changed |= {"steps": len(baseline.losses)} if arm.equal_steps else {}
        watched = cls.model_validate(bed.model_dump() | changed)
        watched = watched.model_copy(update={"tokenizer_texts": bed.tokenizer_texts, "held_out": bed.held_out})
        watched._world, watched._baseline = world, baseline
        return watched

    def measure(self, model: LanguageModel, samples: Any) -> Measures:
        written = self.sample(model, self._world.sample_size, stream(self._world.seed, 0, "measured"))[0].tolist()
        told = self._world.measured(model, self._baseline, written)["measures"]
        tokens = sum(len(document) - 1 for document in model.documents(samples[0].tolist()))
        told |= {"steps": float(len(model.losses)), "learnt_tokens": float(tokens)}
        return {metric: np.array([value]) for metric, value in told.items()}


def train_baseline(plan: Plan, seed: int, folder: Path) -> dict[str, Any]:
    """Train the first model of a seed, which all arms share."""
    world = World.of(plan, seed)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    model = world.fit(world.first, None, 1)
    model.save(folder / "baseline")
    told = Watched.of(world, REPLACE, model).measure(model, as_array(world.first)[None])
    return {"measures": _plain(told), "parameters": model.parameters, "steps": len(model.losses)}


def run_arm(plan: Plan, seed: int, folder: Path, arm: Arm) -> dict[str, Any]:
    """Run the generations of an arm after the baseline."""
    world = World.of(plan, seed)
    baseline = load(folder / "baseline", "cpu")
    bed = Watched.of(world, arm, baseline)
    generations = arm.generations or plan.generations
    schedule = make_schedule(arm.schedule, len(world.first), seed, arm.parameters)
    pool = ArrayPool(seed, edited=bool(schedule.edited))
    pool.add(as_array(world.first)[None], 0)
    pool.add(_first_written(bed, schedule, baseline, world), 1)
    reports = run_generations(bed, schedule, pool, generations, seed, first=2)
    return {"generations": [_plain(report.measures) | {"generation": report.generation} for report in reports]}


def _first_written(bed: Language, schedule: Schedule, baseline: LanguageModel, world: World) -> Any:
    """What the first model wrote, or edited."""
    rng = stream(world.seed, 1, "write")
    if schedule.edited:
        return bed.edit(baseline, as_array(world.first)[None], schedule.edited, rng)
    return bed.sample(baseline, schedule.writes(1), rng)


def _plain(measures: Measures) -> dict[str, float]:
    return {metric: float(values[0]) for metric, values in measures.items()}


# -- radioactivity


def run_students(plan: Plan, seed: int, folder: Path, window: int) -> dict[str, Any]:
    """Let students learn from a share of marked text, and look for the mark in what they write themselves.

    Sander et al. 2024, "Watermarking makes language models radioactive".

    Args:
        window: tokens of context of the mark.
    """
    world = World.of(plan, seed)
    baseline = load(folder / "baseline", "cpu")
    scheme, secret = strong_mark(window, plan.vocabulary), _secret(seed, 0)
    marker = Marker(scheme, secret, baseline.outside)
    marked = world.bed.write(baseline, len(world.first), stream(seed, 1, "marked"), marker).texts
    unmarked = _tokens(world, baseline)
    told: dict[str, Any] = {"0": _traces(scheme, unmarked, secret)}
    told["keys"] = [_traces(scheme, unmarked, _secret(seed, number))["p"] for number in range(1, KEYS + 1)]
    for share in MARKED_SHARES:
        count = round(share * len(marked))
        student = world.fit([*marked[:count], *world.first[count:]], None, 2, "student")
        told[f"{share:g}"] = _traces(scheme, _tokens(world, student), secret)
    return told


def _tokens(world: World, model: LanguageModel) -> Tokens:
    """What a model writes, `SCORED_TOKENS` of it at most, as one text."""
    mean_tokens = np.mean([len(document) for document in model.documents(world.test)])
    written = world.bed.write(model, int(SCORED_TOKENS / mean_tokens), stream(world.seed, 0, "traces")).texts
    encoded = model.tokenizer.encode_batch(written, add_special_tokens=False)
    return Tokens.of([[token for encoding in encoded for token in encoding.ids][:SCORED_TOKENS]])


def strong_mark(window: int, vocabulary: int) -> Scheme:
    """KGW with a quarter green and a bias of 3, whose green lists depend on so many tokens before."""
    return Kgw(delta=3.0) if window == 2 else KgwTransformers(vocab_size=vocabulary, bias=3.0)


def _traces(scheme: Scheme, tokens: Tokens, secret: Secret) -> dict[str, float]:
    """How green a text is by a key, each n-gram once: the share, and its p."""
    found = score(scheme, secret, tokens)
    scored = int(found.scored[0])
    p = float(scheme.p_values(secret, found.score * scored, found.scored)[0])  # of the whole alone, no window of it
    return {"green": float(found.score[0]), "scored": scored, "p": p}


def _secret(seed: int, number: int) -> Secret:
    return (int(stream(seed, number, "key").integers(1 << 31)),)
