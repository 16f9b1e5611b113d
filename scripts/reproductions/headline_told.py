"""What came of the headline: paired differences with their intervals, a report, and tables in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import headline_crawl
import headline_pool
import numpy as np
import pyarrow as pa
from language_world import Plan
from numpy.typing import NDArray

from trainer.intervals import Estimate, crossed, fieller
from trainer.results import MEASUREMENT, ORDER, Results, measured_rows

CRAWL, POOL, SCARCE = "crawl", "fixed pool", "human-scarce"
MEASURES = (
    "cross_entropy",
    "bits_per_byte",
    "second_bits_per_byte",
    "rare_cross_entropy",
    "predictive_entropy",
    "cloze_accuracy",
    "vocabulary",
    "recall_1",
    "recall_2_4",
    "recall_5_9",
    "invented_types",
    "js_divergence_1",
    "concentration_2",
    "diversity",
    "compression_ratio",
    "written_perplexity_q50",
    "written_perplexity_q99",
)
"""What tables and the report show; the kept results have all."""
POOL_SHOWN = ("bits_per_byte", "second_bits_per_byte", "rare_cross_entropy", "recall_1", "recall_2_4")
"""What the tables of the fixed pool show."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Endpoint:
    """A paired difference.

    Attributes:
        part, worse, better: the part and the two arms; the difference is worse less better.
        metric: `bits_per_byte` is taken article by article.
        is_fixed: whether it was fixed before the first run; the others were asked for when its results were seen.
    """

    part: str
    worse: str
    better: str
    metric: str
    is_fixed: bool = True


def endpoints() -> Iterator[Endpoint]:
    """All of them: as they stood before the first run, and what that run left open."""
    crawl = [arm.name for arm in headline_crawl.ARMS]
    for metric in ("bits_per_byte", "rare_cross_entropy", "recall_1", "recall_2_4"):
        for worse in crawl[:3]:
            for better in crawl[3:5]:
                yield Endpoint(CRAWL, worse, better, metric)
        yield Endpoint(CRAWL, crawl[3], crawl[4], metric)
        yield Endpoint(CRAWL, crawl[2], crawl[5], metric, is_fixed=False)
        yield Endpoint(CRAWL, crawl[3], crawl[5], metric, is_fixed=False)
        for arm in headline_pool.ARMS:
            if not arm.scarce and arm.name != "blind":
                yield Endpoint(POOL, "blind", arm.name, metric)
        yield Endpoint(POOL, "blind, 30 % of words deleted", "watermark, 30 % of words deleted", metric)
        yield Endpoint(POOL, "all-human pool, filtered by watermark", "oracle 1", metric)
        for share in ("0.5", "0.25"):
            yield Endpoint(SCARCE, "scarce, 1 human", f"scarce, {share} human", metric)


class Told:
    """The results of all tasks, by part, arm and seed."""

    def __init__(self, plan: Plan, seeds: Sequence[int], done: Mapping[str, Any]) -> None:
        self.plan, self.seeds, self.done = plan, seeds, done

    def last(self, part: str, arm: str) -> list[dict[str, Any]]:
        """What the last model of an arm gave, by seed."""
        if part == CRAWL:
            return [self.generations(arm, seed)[-1] for seed in self.seeds]
        number = [one.name for one in headline_pool.ARMS].index(arm)
        return [self.done[f"arm-{seed}-{number}"] for seed in self.seeds]

    def generations(self, arm: str, seed: int) -> list[dict[str, Any]]:
        """What the generations of an arm of the crawl gave, the baseline first."""
        number = [one.name for one in headline_crawl.ARMS].index(arm)
        baseline = self.done[f"baseline-{seed}"] | {"generation": 1, "real": 1.0}
        return [baseline, *self.done[f"crawl-{seed}-{number}"]["generations"]]

    def drawn(self, arm: str) -> list[dict[str, Any]]:
        return [self.done[f"pool-{seed}"]["drawn"][arm] for seed in self.seeds]

    def curators(self) -> list[dict[str, Any]]:
        """How often each was right, the mean over seeds."""
        names = self.done[f"pool-{self.seeds[0]}"]["curators"]
        return [
            {
                "curator": name,
                **{
                    rate: float(np.mean([self.done[f"pool-{seed}"]["curators"][name][rate] for seed in self.seeds]))
                    for rate in ("tpr", "fpr")
                },
            }
            for name in names
        ]

    def difference(self, endpoint: Endpoint) -> Estimate:
        """A paired difference: over articles and seeds where the metric is one of articles, else over seeds."""
        worse, better = (self._values(endpoint.part, arm, endpoint.metric) for arm in (endpoint.worse, endpoint.better))
        return crossed(worse - better)

    def _values(self, part: str, arm: str, metric: str) -> Floats:
        """(seeds, articles); of a metric that is none of articles, the same twice."""
        if metric == "bits_per_byte":
            return np.array([one["articles"] for one in self.last(part, arm)])
        return np.array([[one["measures"][metric]] * 2 for one in self.last(part, arm)])

    def kept_share(self) -> dict[str, Any]:
        """Of what the oracle saves over blind training, the share that a watermark saves, where there is a gap."""
        found = {}
        for part, blind, by_mark, oracle in (
            (CRAWL, "latest crawl, blind", "recovered by watermark", "oracle labels"),
            (POOL, "blind", "watermark", "oracle 1"),
        ):
            gap = self.difference(Endpoint(part, blind, oracle, "bits_per_byte"))
            values = [self._values(part, arm, "bits_per_byte").mean(axis=1) for arm in (blind, by_mark, oracle)]
            ratio = fieller(values[0] - values[1], values[0] - values[2]) if gap.is_gap else None
            found[part] = vars(ratio) if ratio else "no gap at this size"
        return found

    # -- tables

    def rows(self) -> list[dict[str, Any]]:
        """Every endpoint with its interval."""
        rows = []
        for endpoint in endpoints():
            found = self.difference(endpoint)
            rows.append(
                {
                    "part": endpoint.part,
                    "measure": endpoint.metric,
                    "difference": f"{endpoint.worse} - {endpoint.better}",
                    "fixed": endpoint.is_fixed,
                    "mean": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "standard errors": abs(found.mean) / found.error if found.error else None,
                    "says": _said(found),
                }
            )
        return rows

    def crawl_table(self, metric: str) -> list[dict[str, Any]]:
        """The mean over seeds of a metric, by arm and generation."""
        rows = []
        for arm in headline_crawl.ARMS:
            runs = [self.generations(arm.name, seed) for seed in self.seeds]
            means = np.mean([[one["measures"][metric] for one in run] for run in runs], axis=0)
            real = np.mean([run[-1]["real"] for run in runs])
            steps = int(np.mean([run[-1]["steps"] for run in runs]))
            by_generation = {f"generation {n}": float(mean) for n, mean in enumerate(means, 1)}
            rows.append({"arm": arm.name, **by_generation, "real at the end": float(real), "steps at the end": steps})
        return rows

    def pool_table(self, scarce: bool) -> list[dict[str, Any]]:
        """What each arm drew, and what its model gave, means over seeds."""
        part = SCARCE if scarce else POOL
        rows = []
        for arm in headline_pool.ARMS:
            if arm.scarce == scarce:
                drawn, last = self.drawn(arm.name), self.last(part, arm.name)
                means = {metric: float(np.mean([one["measures"][metric] for one in last])) for metric in POOL_SHOWN}
                told = {name: float(np.mean([one[name] for one in drawn])) for name in ("tokens", "unique", "real")}
                rows.append({"arm": arm.name, **told, **means})
        return rows

    def control(self) -> dict[str, float]:
        """What a model gives that learnt nothing."""
        held = [self.done[f"baseline-{seed}"]["measures"] for seed in self.seeds]
        names = [name for name in held[0] if name.startswith("control_")]
        return {name.removeprefix("control_"): float(np.mean([one[name] for one in held])) for name in names}

    # -- the report

    def results(self, command: str) -> Results:
        """All of it as results that `trainer.report` makes a page of."""
        tables, arms = [], []
        for arm in headline_crawl.ARMS:
            arms.append(self.plan.told_arm(f"{CRAWL}: {arm.name}", CRAWL, self.seeds))
            for repeat, seed in enumerate(self.seeds):
                for one in self.generations(arm.name, seed):
                    tables += self._measured(f"{CRAWL}: {arm.name}", CRAWL, one["measures"], one["generation"], repeat)
        for arm in headline_pool.ARMS:
            part = SCARCE if arm.scarce else POOL
            arms.append(self.plan.told_arm(f"{part}: {arm.name}", part, self.seeds, generations=1))
            for repeat, one in enumerate(self.last(part, arm.name)):
                tables += self._measured(f"{part}: {arm.name}", part, one["measures"], 1, repeat)
        claims = [
            {
                "number": row["part"],
                "what": f"{row['measure']}: {row['difference']}",
                "source": "fixed before the run" if row["fixed"] else "asked afterwards",
                "wanted": "any sign",
                "tolerance": None,
                "found": f"{row['mean']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]",
                "verdict": row["says"],
            }
            for row in self.rows()
        ]
        experiment = {"name": "headline", "digest": "", "arms": arms, "claims": claims, "command": command}
        return Results(experiment, pa.concat_tables([MEASUREMENT.empty_table(), *tables]).sort_by(ORDER))

    def _measured(
        self, arm: str, part: str, measures: Mapping[str, float], generation: int, repeat: int
    ) -> Iterator[pa.Table]:
        for metric in MEASURES:
            yield measured_rows(arm, f"{part}: {metric}", np.array([[measures[metric]]]), generation, repeat)


def _said(found: Estimate) -> str:
    if not found.is_gap:
        return "no gap at this size"
    return "above zero" if found.mean > 0 else "below zero"
