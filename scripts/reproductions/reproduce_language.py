"""What is reported of language models that learn from one another, from scratch at a small size: claims 7, 8 and 10.

scripts/reproduce language --data FOLDER [--full] [--quick] [--seeds N] [--jobs N] [--json]

FOLDER holds wikitext2_valid.txt and wikitext2_test.txt. What is done is kept in reproduced/language/ and not done
again; the tables and the report stand there in the end.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from claims import Claim
from language_arms import (
    ARMS,
    BY_EPOCHS,
    BY_STEPS,
    FULL,
    GROWN_SET,
    MARKED_SHARES,
    REPLACE,
    REPLACE_COLD,
    SUBSAMPLE,
    SWEEP,
    TENTH,
    WINDOWS,
    Arm,
    run_arm,
    run_students,
    train_baseline,
)
from language_world import Plan
from numpy.typing import NDArray
from scipy.stats import kstest
from tables import markdown
from tasks import Result, Task, run_tasks

from provenance.console import say, show_json, show_table
from registry.copying import replacing
from trainer.intervals import intervals
from trainer.report import report
from trainer.results import MEASUREMENT, ORDER, Results, measured_rows

FOLDER = Path("reproduced") / "language"
QUICK = {
    "first_words": 6_000,
    "generations": 3,
    "model_size": "micro",
    "epochs": 2,
    "test_words": 150,
    "compared_words": 3_000,
}
SHOWN = (
    "cross_entropy",
    "bits_per_byte",
    "rare_cross_entropy",
    "predictive_entropy",
    "cloze_accuracy",
    "vocabulary",
    "recall_1",
    "recall_2_4",
    "js_divergence_1",
    "concentration_2",
    "diversity",
    "compression_ratio",
    "written_perplexity_q50",
    "written_perplexity_q99",
    "learnt_tokens",
    "steps",
)
TABLES = (
    "cross_entropy",
    "bits_per_byte",
    "rare_cross_entropy",
    "recall_1",
    "written_perplexity_q50",
    "written_perplexity_q99",
    "steps",
)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OfPaper(Claim):
    """A claim by its number.

    Attributes:
        seeds: what each seed gave, where the finding is their mean.
    """

    number: str = ""
    seeds: tuple[float, ...] = ()

    def row(self) -> dict[str, Any]:
        seeds = ", ".join(f"{one:.4g}" for one in self.seeds)
        told = super().row()
        return {"number": self.number, **told, "seeds": seeds, "verdict": told["verdict"]}


class Told:
    """The results of all tasks, by arm and seed."""

    def __init__(self, arms: Sequence[Arm], seeds: Sequence[int], done: dict[str, Result]) -> None:
        self.arms, self.seeds, self.done = arms, seeds, done

    def values(self, arm: Arm, metric: str) -> Floats:
        """(seeds, generations), the baseline first."""
        runs = [
            [self.done[f"baseline-{seed}"]["measures"], *self.done[f"{_slug(arm)}-{seed}"]["generations"]]
            for seed in self.seeds
        ]
        return np.array([[one[metric] for one in run] for run in runs])

    def last(self, arm: Arm, metric: str) -> Floats:
        """(seeds,)."""
        held: Floats = self.values(arm, metric)[:, -1]
        return held

    def students(self, window: int, share: str, name: str) -> Floats:
        return np.array([self.done[f"students-{window}-{seed}"][share][name] for seed in self.seeds])

    # -- what is claimed

    def claims(self) -> Iterator[OfPaper]:
        yield from self._collapse()
        yield from self._anchors()
        for window in WINDOWS:
            yield from self._radioactivity(window)
        yield from self._perplexity()

    def _collapse(self) -> Iterator[OfPaper]:
        loss = {arm.name: self.values(arm, "cross_entropy") for arm in self.arms}
        rise = {name: held[:, -1] - held[:, 0] for name, held in loss.items()}
        yield _mean("7", "replace - baseline, nats a token", 0.15, None, rise[REPLACE.name])
        steps = np.diff(loss[REPLACE.name].mean(axis=0))
        least = "replace: the least rise from one generation to the next"
        yield OfPaper(least, 0.0, None, float(steps.min()), "7")
        yield _mean("7", "accumulate at equal epochs - baseline", None, 0.06, rise[BY_EPOCHS.name])
        yield _mean("7", "accumulate at equal steps - baseline", None, None, rise[BY_STEPS.name])
        yield _mean("7", "accumulate-subsample - baseline", None, None, rise[SUBSAMPLE.name])
        yield _mean("7", "replace - accumulate at equal steps", 0.0, None, rise[REPLACE.name] - rise[BY_STEPS.name])
        yield _mean("7", "replace - accumulate-subsample", 0.0, None, rise[REPLACE.name] - rise[SUBSAMPLE.name])
        yield _mean("7", "replace at T 0.7 - replace at T 1.0", 0.0, None, rise[REPLACE_COLD.name] - rise[REPLACE.name])
        yield _mean("7", "replace with a grown set - baseline", 0.0, None, rise[GROWN_SET.name])
        yield _mean("7", "10 % real - baseline", None, None, rise[TENTH.name])

    def _anchors(self) -> Iterator[OfPaper]:
        """Perplexity relative to the baseline, beside what was published of larger models."""

        def ratio(arm: Arm, generation: int = -1) -> Floats:
            loss = self.values(arm, "cross_entropy")
            return np.exp(loss[:, generation] - loss[:, 0])

        kept = "all human and all synthetic kept: perplexity / baseline (fine-tuned GPT-2: 1.06)"
        yield _mean("8", kept, None, None, ratio(BY_EPOCHS))
        yield _mean("8", "synthetic only: perplexity / baseline (fine-tuned GPT-2: 1.65)", None, None, ratio(REPLACE))
        for arm, seen in zip(SWEEP, (23.9, 25.1, 28.6), strict=True):
            yield _mean(
                "Zhu", f"{arm.name}: perplexity / all human ({seen / 22.6:.2f} at 124 M)", None, None, ratio(arm)
            )
        none_left = f"100 % synthetic: perplexity / all human ({47.9 / 22.6:.2f} at 124 M)"
        yield _mean("Zhu", none_left, None, None, ratio(REPLACE, 1))

    def _radioactivity(self, window: int) -> Iterator[OfPaper]:
        """The traces of a mark with so many tokens of context in students' own writing."""
        named = f"mark by {window} token{'s' * (window > 1)} of context"
        shares = ("0", *(f"{share:g}" for share in MARKED_SHARES))
        green = [self.students(window, share, "green") for share in shares]
        for share, held in zip((0.0, *MARKED_SHARES), green, strict=True):
            what = f"{named}, {share:.0%} marked text: green share of what the student writes"
            yield _mean("10", what, None, None, held)
        rises = np.diff(np.array(green).mean(axis=1))
        least = f"{named}: the least rise of the green share with that of marked text"
        yield OfPaper(least, 0.0, None, float(rises.min()), "10")
        for share in (0.5, 1.0):
            p = self.students(window, f"{share:g}", "p")
            what = f"{named}, {share:.0%} marked text: the greatest p of a seed, of 50 k tokens at most"
            yield OfPaper(what, None, 1e-5, float(p.max()), "10", tuple(p.tolist()))
        p = np.concatenate([self.done[f"students-{window}-{seed}"]["keys"] for seed in self.seeds])
        chance = f"{named}, no marked text, {len(p)} keys: p uniform, KS p"
        yield OfPaper(chance, 0.01, None, float(kstest(p, "uniform").pvalue), "10")

    def _perplexity(self) -> Iterator[OfPaper]:
        """What the baseline thinks of text that is written at a low temperature, from the first that is."""
        for at, low, high in ((50, None, 0.0), (99, 0.0, None)):
            held = self.values(REPLACE_COLD, f"written_perplexity_q{at}")
            what = f"replace at T 0.7, perplexity of its text under the baseline, {at} %: change from generation 2"
            yield _mean("10", what, low, high, held[:, -1] - held[:, 1])
            usual = self.values(REPLACE, f"written_perplexity_q{at}")
            what = "replace at T 1.0, the same: change from generation 1"
            yield _mean("10", what, None, None, usual[:, -1] - usual[:, 0])

    # -- tables and report

    def table(self, metric: str) -> list[dict[str, Any]]:
        """By arm and generation, the mean over seeds; of the last generation its interval."""
        rows = []
        for arm in self.arms:
            held = self.values(arm, metric)
            low, high = intervals(held)
            means = {f"generation {n}": float(mean) for n, mean in enumerate(held.mean(axis=0), 1)}
            rows.append({"arm": arm.name, **means, "last": f"{low[-1]:.4g} … {high[-1]:.4g}"})
        most = max(rows, key=len)
        return [{column: row.get(column) for column in most} for row in rows]

    def results(self, plan: Plan, claims: Sequence[OfPaper], command: str) -> Results:
        """All of it as results that `trainer.report` makes a page of."""
        tables, arms = [MEASUREMENT.empty_table()], []
        shares = [name for name in self.done[f"baseline-{self.seeds[0]}"]["measures"] if "_share_" in name]
        for arm in self.arms:
            more = {"testbed_parameters": {"temperature": arm.temperature}, "schedule_parameters": dict(arm.parameters)}
            generations = arm.generations or plan.generations
            arms.append(plan.told_arm(arm.name, arm.schedule, self.seeds, generations=generations, **more))
            tables += [measured_rows(arm.name, metric, self.values(arm, metric)) for metric in (*SHOWN, *shares)]
        told = [
            {
                "number": claim.number,
                "what": claim.what,
                "source": _range(claim),
                "wanted": _range(claim),
                "tolerance": None,
                "found": f"{claim.found:.4g}",
                "verdict": claim.verdict,
            }
            for claim in claims
        ]
        experiment = {"name": "language", "digest": "", "arms": arms, "claims": told, "command": command}
        return Results(experiment, pa.concat_tables(tables).sort_by(ORDER))


def _range(claim: Claim) -> str:
    if claim.low is None and claim.high is None:
        return "told"
    return f"at least {claim.low:g}" if claim.high is None else f"at most {claim.high:g}"


def _mean(number: str, what: str, low: float | None, high: float | None, seeds: Floats) -> OfPaper:
    return OfPaper(what, low, high, float(seeds.mean()), number, tuple(seeds.tolist()))


def _slug(arm: Arm) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in arm.name)


def tasks(plan: Plan, arms: Sequence[Arm], seeds: Sequence[int], folder: Path) -> Iterator[Task]:
    """All that is to be done, what others need before them."""
    given = [{"plan": plan, "seed": seed, "folder": folder / f"seed-{seed}"} for seed in seeds]
    for one in given:
        yield Task(f"baseline-{one['seed']}", train_baseline, one)
    for arm in arms:
        for one in given:
            yield Task(f"{_slug(arm)}-{one['seed']}", run_arm, one | {"arm": arm}, (f"baseline-{one['seed']}",))
    for window in WINDOWS:
        for one in given:
            needed = (f"baseline-{one['seed']}",)
            yield Task(f"students-{window}-{one['seed']}", run_students, one | {"window": window}, needed)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path, file_okay=False), required=True, help="The texts.")
@click.option("--full", is_flag=True, help="Add the arms that need not be there.")
@click.option("--quick", is_flag=True, help="Less of everything: to see that it runs.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(2), help="Paired seeds.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Tasks at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(data: Path, full: bool, quick: bool, seeds: int, jobs: int, as_json: bool) -> None:
    """Run what is not done yet, and judge what came of all; but for --quick, exit 3 where a claim does not hold."""
    start = time.monotonic()
    sizes = QUICK if quick else {"first_words": 92_000}
    named = {
        "train": data / "wikitext2_valid.txt",
        "test": data / "wikitext2_test.txt",
        "second": None,
        "pool_words": 0,
    }
    plan = Plan.model_validate(named | sizes)
    folder = FOLDER.with_name("language-quick") if quick else FOLDER
    arms, chosen = (*ARMS, *FULL) if full else ARMS, range(2 if quick else seeds)
    told = Told(arms, chosen, run_tasks(list(tasks(plan, arms, chosen, folder)), folder, jobs))
    claims = list(told.claims())
    command = "scripts/reproduce language --data FOLDER" + " --full" * full + " --quick" * quick
    for name, text in (
        ("language.html", report(told.results(plan, claims, command), command=command)),
        ("language.md", in_markdown(told, plan, claims)),
    ):
        with replacing(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    rows = [claim.row() for claim in claims]
    if as_json:
        show_json(rows)
    else:
        show_table(told.table("cross_entropy"))
        show_table(rows)
    failed = sum(claim.verdict == "FAIL" for claim in claims)
    judged = sum(claim.verdict != "told" for claim in claims)
    minutes = (time.monotonic() - start) / 60
    say(f"{judged - failed} of {judged} claims hold; {minutes:.1f} min; tables and report in {folder}")
    sys.exit(3 if failed and not quick else 0)  # models that small show that it runs, not what is claimed


def in_markdown(told: Told, plan: Plan, claims: Sequence[OfPaper]) -> str:
    """The tables, as they stand in docs/results.md."""
    baseline = told.done[f"baseline-{told.seeds[0]}"]
    sizes = (
        f"{baseline['parameters']:,} parameters, {baseline['measures']['learnt_tokens']:,.0f} tokens, "
        f"{baseline['steps']} steps ({plan.epochs} epochs), {len(told.seeds)} seeds; {platform.machine()}, "
        f"{os.cpu_count()} cores"
    )
    parts = [sizes, "Claims:", markdown([claim.row() for claim in claims])]
    for metric in TABLES:
        parts += [f"{metric}:", markdown(told.table(metric))]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
