"""What theory says of models that learn from one another, beside what the test-beds do: claim by claim.

scripts/reproduce theory [--words FILE] [--json | --markdown]

Leaves the measurements, the table and a report in reproduced/; what is there already is not run again.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import exp, lgamma, sqrt
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tables import markdown

from provenance.console import say, show_json, show_table
from provenance.origin import Origin
from registry import Declared, Registry
from trainer.experiment import Experiment
from trainer.keeping import InFile
from trainer.report import report
from trainer.results import Results
from trainer.simulate import simulate
from trainer.streams import stream
from trainer.testbed import TestBed, make_testbed

FOLDER = Path("reproduced")


@dataclass(frozen=True)
class Claim:
    """What is claimed, and what was found.

    Attributes:
        wanted: what theory or the paper says.
        tolerance: how far from it a finding may be; None where it is told and not judged.
    """

    number: str
    what: str
    source: str
    wanted: float
    tolerance: float | None
    found: float

    @property
    def verdict(self) -> str:
        if self.tolerance is None:
            return "told"
        return "pass" if abs(self.found - self.wanted) <= self.tolerance else "FAIL"

    def row(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


def between(number: str, what: str, source: str, low: float, high: float, found: float) -> Claim:
    """A claim of a range."""
    return Claim(number, what, source, (low + high) / 2, (high - low) / 2, found)


class Ran:
    """An experiment that was run, and what it measured."""

    def __init__(self, spec: dict[str, Any], held: Registry | None = None) -> None:
        experiment = Experiment.of_grid(spec)
        start = time.perf_counter()
        FOLDER.mkdir(exist_ok=True)
        keeper = InFile(FOLDER / f"{experiment.name}-{experiment.digest.hex()[:8]}.parquet", experiment, held)
        self.arm = experiment.arms[0]
        self.results = simulate(experiment, keeper, held, jobs=os.cpu_count() or 1)
        say(f"{experiment.name}: {time.perf_counter() - start:.1f} s")

    def values(self, metric: str, arm: str | None = None) -> NDArray[np.float64]:
        """What was measured of a metric, (repeats, generations)."""
        table = self.results.measurements
        wanted = pc.equal(table["metric"], metric)
        if arm:
            wanted = pc.and_(wanted, pc.equal(table["arm"], arm))
        rows = table.filter(wanted).sort_by([("repeat", "ascending"), ("generation", "ascending")])
        repeats = len(pc.unique(rows["repeat"]))
        found: NDArray[np.float64] = rows["value"].to_numpy().reshape(repeats, -1)
        return found


THREE = ["replace", "accumulate", "accumulate-subsample"]


def gaussian(ran: list[Ran]) -> Iterator[Claim]:
    """Claims 1, 5 and 6: a Gaussian fitted to samples of the Gaussian before it."""
    size = 100
    replace = Ran({"name": "claim-1", "schedule": "replace", "generations": 100, "size": size, "repeats": 2000})
    ran.append(replace)
    slope = np.polyfit(np.arange(1, 101), replace.values("log_variance").mean(axis=0), 1)[0]
    digamma = np.log(49.5) - 1 / 99 - 1 / (12 * 49.5**2)
    exact = float(digamma - np.log(49.5))
    yield Claim("1", "Gaussian, replace: slope of mean log σ² a generation", "ψ(49.5) − log 49.5", exact, 0.0010, slope)
    last = float(np.median(replace.values("variance")[:, 99]))
    yield Claim("1", "Gaussian, replace: median σ² at generation 100", "exp(100 · slope)", 0.363, 0.05, last)
    c4 = sqrt(2 / (size - 1)) * exp(lgamma(size / 2) - lgamma((size - 1) / 2))
    w2 = 10 / size + 2 * (1 - c4**10)
    found = float(replace.values("w2_squared")[:, 9].mean())
    yield Claim("1", "Gaussian, replace: E[W2²] at generation 10", "σ²[n/M + 2(1 − c4(M)ⁿ)]", w2, 0.02, found)

    spec = {"testbed": {"name": "gaussian", "biased": True}, "generations": 100, "size": size, "repeats": 2000}
    biased = Ran({"name": "claim-5", "schedule": THREE, **spec})
    ran.append(biased)
    found = float(biased.values("variance", "replace")[:, 49].mean())
    yield Claim("1", "Gaussian, replace, biased: E[σ²] at generation 50", "(1 − 1/M)ⁿ", 0.99**50, 0.06, found)
    wanted = {"replace": (0.366, 0.10, 0.634), "accumulate": (0.984, 0.01, 0.0163)}
    wanted["accumulate-subsample"] = (0.971, 0.02, 0.0287)
    for arm, (variance, tolerance, error) in wanted.items():
        found = float(biased.values("variance", arm)[:, 99].mean())
        yield Claim("5", f"Gaussian, {arm}: σ² at generation 100", "Kazdan et al.", variance, tolerance, found)
        found = float(biased.values("mean_error", arm)[:, 99].mean())
        yield Claim("5", f"Gaussian, {arm}: error of the mean at 100", "Kazdan et al.", error, 0.15 * error, found)
    late = biased.values("mean_error", "accumulate-subsample")[:, 50:].mean(axis=0)
    slope = float(np.polyfit(np.arange(50), late, 1)[0] * 50 / late.mean())
    yield Claim("K", "Gaussian, accumulate-subsample: rise of the error, 51 to 100", "plateau (Kazdan)", 0, None, slope)

    shares = {"name": "fresh", "real_frac": [0.1, 0.25, 0.5]}
    fresh = Ran({"name": "claim-6", "schedule": shares, "generations": 200, "size": size, "repeats": 500})
    ran.append(fresh)
    for share in (0.1, 0.25, 0.5):
        settled = 1 / (1 - (1 - share) ** 2)
        found = float(fresh.values("mean_error", f"fresh real_frac={share}")[:, 100:].mean() * size)
        what = f"Gaussian, {share:.0%} fresh real: variance of the mean · M/σ²"
        yield Claim("6", what, "1/(1 − (1−α)²)", settled, 0.2 * settled, found)


def discrete(ran: list[Ran]) -> Iterator[Claim]:
    """Claim 2: ten outcomes that drift."""
    spec = {"testbed": "discrete", "schedule": "replace", "size": 100}
    drift = Ran({"name": "claim-2-diversity", **spec, "generations": 50, "repeats": 500})
    fixed = Ran({"name": "claim-2-fixation", **spec, "generations": 1200, "repeats": 200})
    ran += [drift, fixed]
    found = float(drift.values("simpson")[:, 49].mean() / 0.9)
    yield Claim("2", "Ten outcomes, replace: E[H₅₀]/H₀", "(1 − 1/M)⁵⁰", 0.99**50, 0.03, found)
    alone = fixed.values("support") == 1
    assert alone[:, -1].all(), "a chain has not settled on one outcome yet"
    found = float((alone.argmax(axis=1) + 1).mean())
    yield Claim("2", "Ten outcomes, replace: generations to a single one", "simulation", 190, 23, found)


def words(ran: list[Ran], path: Path | None) -> Iterator[Claim]:
    """Claim 3: the words of a real registry."""
    text = path.read_text(encoding="utf-8") if path else "\n".join(topics[name] for name in sorted(topics))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "words.prov").unlink(missing_ok=True)
    with Registry.create(FOLDER / "words.prov") as held:
        lines = [{"id": str(number), "text": line} for number, line in enumerate(text.splitlines()) if line.split()]
        held.add(lines, Declared(origin=Origin.HUMAN, source=path.name if path else "Python's documentation"))
        size = sum(row["words"] for row in held.composition())
        bed = {"name": "discrete", "of_registry": True}
        name = f"claim-3-{path.stem if path else 'python'}"
        tail = Ran(
            {"name": name, "testbed": bed, "schedule": "replace", "generations": 11, "size": size, "repeats": 20}, held
        )
        spec = {"testbed": bed, "schedule": "accumulate", "generations": 3, "size": size, "repeats": 3}
        kept = Ran({"name": f"{name}-accumulate", **spec}, held)
        counts = tail.arm.grounded(held).counted  # type: ignore[attr-defined]
    ran += [tail, kept]
    hapaxes = tail.values("hapaxes_kept").mean(axis=0)
    lost = 0.0
    for n in range(1, 11):
        lost = exp(lost - 1)
        if n in (1, 2, 3, 4, 5, 10):
            what = f"Words of {path.name if path else 'Python’s documentation'}: hapaxes left after {n}, %"
            yield Claim("3", what, "1 − uₙ", 100 * (1 - lost), 1.5, float(100 * hapaxes[n]))
    vocabulary = float((1 - lost**counts).sum())
    found = float(tail.values("vocabulary")[:, 10].mean())
    yield Claim("3", "… their vocabulary after 10", "Σ(1 − uₙᶜ)", vocabulary, 0.01 * vocabulary, found)
    shares = kept.values("vocabulary")
    found = float(100 * (shares[:, -1] / shares[:, 0]).min())
    yield Claim("3", "… accumulate: types of the pool that are left, %", "100", 100, 0.0, found)


def regression(ran: list[Ran]) -> Iterator[Claim]:
    """Claim 4, and ToEdit's recursion."""
    spec = {"testbed": "regression", "schedule": THREE, "generations": 20, "size": 200, "repeats": 300}
    lines = Ran({"name": "claim-4", **spec})
    ran.append(lines)
    found = {arm: float(lines.values("error_over_c", arm)[:, 19].mean()) for arm in THREE}
    yield Claim("4", "Regression, replace: error/c at generation 20", "n", 20, 2.5, found["replace"])
    bound = float((np.arange(1, 21) ** -2.0).sum())
    yield Claim("4", "Regression, accumulate: error/c at generation 20", "Σ 1/i²", bound, 0.12, found["accumulate"])
    what = "Regression, accumulate-subsample: error/c at generation 20"
    yield between("4", what, "Kazdan et al.", 2.5, 3.2, found["accumulate-subsample"])
    for steps, seen in ((2, 2.60), (5, 3.36), (20, 3.96)):
        schedule = {"name": "edit", "share": 1 / steps}
        one = {"testbed": "regression", "generations": steps + 1, "size": 200, "repeats": 300}
        edited = Ran({"name": f"toedit-{steps}", "schedule": schedule, **one})
        ran.append(edited)
        last = float(edited.values("error_over_c")[:, steps].mean())
        yield Claim(
            "E", f"ToEdit, every row edited once, in {steps} steps: error/c", "bound 2 (Zhu et al.)", seen, None, last
        )


def errors(ran: list[Ran]) -> Iterator[Claim]:
    """The three errors of Shumailov et al., each alone."""
    exact = {"name": "regression", "infinite": True}
    beds = {"none": exact, "expressivity": exact | {"truth": "bent"}, "approximation": exact | {"ridge": 0.1}}
    wanted = {"none": 0.0, "expressivity": 1.0, "approximation": (1 - 1.1**-20) ** 2}
    for error, bed in beds.items():
        spec = {"testbed": bed, "schedule": "replace", "generations": 20, "size": 200, "repeats": 2}
        alone = Ran({"name": f"error-{error}", **spec})
        ran.append(alone)
        found = float(alone.values("error")[:, 19].mean())
        what = f"Regression, infinite samples, functional {error}" if error != "none" else "Regression, no error at all"
        yield Claim("3 errors", f"{what}: error at generation 20", "exact", wanted[error], 1e-9, found)


def mixture(ran: list[Ran]) -> Iterator[Claim]:
    """Shumailov's mixture of Gaussians, refitted 2,000 times."""
    bed = {"name": "gmm", "anew": True, "floor": 1e-6}  # as scikit-learn does, and so the paper's code
    spec = {"testbed": bed, "schedule": "replace", "generations": 2001, "size": 1000, "repeats": 5}
    refits = Ran({"name": "shumailov-gmm", **spec})
    ran.append(refits)
    found = float(np.median(refits.values("mean_std")[:, 2000]))
    yield between("S", "Mixture, 2,000 refits of 1,000 points: median std", "Shumailov et al.", 0.003, 0.08, found)


COUNTS = (0, 16, 64, 256, 1024)


def grid(name: str, bed: TestBed, metric: str, seeds: Sequence[int]) -> Iterator[Claim]:
    """Kazdan's grid: what predicts a loss better, how many real samples there are, or their share?"""
    rows = []
    for seed in seeds:
        first = bed.fit(bed.real(512, 1, stream(seed, 0, "first")), None, None, stream(seed, 1, "fit"))
        written = bed.sample(first, max(COUNTS), stream(seed, 1, "write"))
        real = bed.real(max(COUNTS), 1, stream(seed, 0, "real"))
        for humans in COUNTS:
            for synthetic in COUNTS:
                if humans + synthetic:
                    samples = np.concatenate([real[:, :humans], written[:, :synthetic]], axis=1)
                    model = bed.fit(samples, None, None, stream(seed, 2, "fit"))
                    loss = float(bed.measure(model, samples)[metric][0])
                    rows.append((np.log1p(humans), humans / (humans + synthetic), loss))
    count, share, loss = np.array(rows).T
    for what, predictor, seen in (("count", count, 0.59), ("share", share, 0.34)):
        found = float(np.corrcoef(predictor, loss)[0, 1] ** 2)
        yield Claim(
            "G", f"{name}: R² of the {metric} by the {what} of real samples", "Kazdan et al.: Gemma", seen, None, found
        )


@click.command()
@click.option("--words", "path", type=click.Path(exists=True, path_type=Path), help="Text for claim 3.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table in Markdown.")
def main(path: Path | None, as_json: bool, as_markdown: bool) -> None:
    """Reproduce claims 1 to 6, and what Shumailov, Kazdan and Zhu report of the same test-beds."""
    start, ran, claims = time.perf_counter(), list[Ran](), list[Claim]()
    claims += [*gaussian(ran), *discrete(ran), *words(ran, path), *regression(ran), *errors(ran), *mixture(ran)]
    claims += grid("Mixture", make_testbed("gmm", {}), "kl", range(5))
    claims += grid("N-gram", make_testbed("ngram", {"order": 2}), "cross_entropy", range(2))
    rows = [claim.row() for claim in claims]
    (FOLDER / "theory.html").write_text(
        report(together(ran, rows), command="scripts/reproduce theory"), encoding="utf-8"
    )
    if as_json:
        show_json(rows)
    elif as_markdown:
        click.echo(markdown(rows))
    else:
        show_table(rows)
    failed = sum(claim.verdict == "FAIL" for claim in claims)
    judged = sum(claim.tolerance is not None for claim in claims)
    say(f"{judged - failed} of {judged} claims hold, in {time.perf_counter() - start:.0f} s; {FOLDER / 'theory.html'}")
    sys.exit(3 if failed else 0)


def together(ran: Sequence[Ran], claims: list[dict[str, Any]]) -> Results:
    """All experiments as one, arm by arm, with the claims."""
    arms, tables = [], []
    for one in ran:
        name = one.results.experiment["name"]
        arms += [arm | {"name": f"{name}: {arm['name']}"} for arm in one.results.experiment["arms"]]
        table = one.results.measurements
        labels = pc.binary_join_element_wise(f"{name}:", table["arm"], " ")
        tables.append(table.set_column(0, "arm", labels))
    experiment = {"name": "theory", "digest": "", "arms": arms, "claims": claims}
    return Results(experiment, pa.concat_tables(tables))


if __name__ == "__main__":
    main()
