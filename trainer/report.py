"""The report of an experiment: one HTML file that asks the network for nothing; also its charts and data as files."""

from __future__ import annotations

import json
import platform
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from importlib.resources import files
from itertools import chain, count
from pathlib import Path
from string import Template
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import provenance
from provenance.console import plain
from provenance.errors import ProvError, listed
from registry.copying import replacing, translated
from trainer import charts
from trainer.intervals import LEVEL
from trainer.metrics.histogram import EDGES, parsed
from trainer.results import Picture, Results
from trainer.testbed import TestBed, make_testbed
from trainer.verdict import METHOD, Measured, Point, Verdict, judge, measured, theory

MOST_PICTURES = 12
"""Of more generations of an arm some are shown."""
KEPT = {
    "replace": "keeps only what the last model wrote",
    "replace-grown": "keeps only what the last model wrote, so much of it as accumulating would come to",
    "accumulate": "keeps all human and all model text",
    "accumulate-subsample": "keeps all human and all model text, learns from a sample of it of constant size",
    "fixed-ratio": "keeps a share of the first human text, the rest is what the last model wrote",
    "fresh": "gets fresh human text each generation, the rest is what the last model wrote",
    "crawl": "gets fresh human text each generation, keeps all of it and all model text, or what is judged human",
    "weighted": "gets fresh human text each generation and weights it, the rest is what the last model wrote",
    "edit": "keeps the documents of the generation before, a share of which its model has edited",
}
"""What is kept from one generation to the next, by schedule."""


class ReportMissing(ProvError):
    """What draws charts is not installed."""

    def __init__(self, module: str) -> None:
        self.module = module
        super().__init__(
            f"a report wants {module}, which is not installed: run pip install 'corpus-provenance[report]'"
        )


class NothingMeasured(ProvError):
    """Results without a measurement."""

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        super().__init__(f"experiment {experiment!r} has no measurements yet, a report wants some: run it first")


@dataclass(frozen=True)
class _Figure:
    """A metric with its verdicts, one an arm, and its chart; None where no repeat has a number."""

    metric: str
    verdicts: list[Verdict]
    spec: charts.Spec | None


@dataclass(frozen=True)
class _Histogram:
    """The histogram of a measure of an arm."""

    name: str
    spec: charts.Spec


def report(results: Results, *, command: str | None) -> str:
    """What an experiment measured, as one HTML page that asks the network for nothing.

    Args:
        command: what repeats the experiment; where None what the experiment says.
    Raises:
        NothingMeasured: there is no measurement.
        ReportMissing: Altair or vl-convert is not installed.
    """
    converter = _converter()
    figures = _figures(results)
    experiment = results.experiment
    arms: list[dict[str, Any]] = experiment.get("arms", [])
    drawn = {f"metric-{at}": figure.spec for at, figure in enumerate(figures) if figure.spec}
    plans = {f"plan-{at}": charts.plan_chart(arm["plan"]) for at, arm in enumerate(arms) if arm.get("plan")}
    histograms = _histograms_of(results)
    drawn |= {f"histogram-{at}": histogram.spec for at, histogram in enumerate(histograms)}
    held = {"charts": drawn | plans, "light": charts.config(dark=False), "dark": charts.config(dark=True)}
    body = [
        *_header(experiment, figures),
        *_claims(experiment.get("claims", [])),
        *_written(results.pictures),
        *_measures(figures),
        *_histograms(histograms),
        *_verdicts(figures),
        *_plans(arms),
        *_arms(arms),
        *_repeating(experiment, command),
    ]
    return Template(files("trainer").joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(_name(results)),
        body="\n".join(body),
        scripts=converter.javascript_bundle(vl_version=_vega_lite()),
        held=json.dumps(held, allow_nan=False).replace("<", "\\u003c"),  # so that no name ends the script
    )


def write_svg(results: Results, folder: Path) -> list[Path]:
    """Write the chart of each metric to an SVG of its own, each histogram and picture; what has no number has none.

    Returns:
        Their paths.
    Raises:
        NothingMeasured: there is no measurement.
        ReportMissing: Altair or vl-convert is not installed.
        ProvError: a file cannot be written.
    """
    converter = _converter()
    config = charts.config(dark=False) | {"background": "#ffffff", "padding": 12}
    paths: list[Path] = []
    charted = [(figure.metric, figure.spec) for figure in _figures(results) if figure.spec]
    for name, spec in charted + [(histogram.name, histogram.spec) for histogram in _histograms_of(results)]:
        path = _unlike(folder, name, paths)
        spec = spec | {"width": 640, "title": name}
        drawn = converter.vegalite_to_svg(spec, vl_version=_vega_lite(), config=config, allowed_base_urls=[])
        with translated(path):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(drawn, encoding="utf-8")
        paths.append(path)
    for picture in results.pictures:
        path = _unlike(folder, f"{picture.arm} generation {picture.generation}", paths)
        with translated(path):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(picture.svg, encoding="utf-8")
        paths.append(path)
    return paths


def _unlike(folder: Path, name: str, others: Sequence[Path]) -> Path:
    """Where a chart of a name is written, beside others."""
    return folder / f"{_file_name(name, [path.stem for path in others])}.svg"


def write_data(results: Results, path: Path) -> None:
    """Write the measurements as Parquet, a row an experiment, arm, generation, repeat and metric.

    Raises:
        NothingMeasured: there is no measurement.
        ProvError: the file cannot be written.
    """
    table = results.table()
    if not len(table):
        raise NothingMeasured(_name(results))
    for column, value in (("digest", results.experiment.get("digest")), ("experiment", _name(results))):
        table = table.add_column(0, column, pa.repeat(pa.scalar(value, pa.string()), len(table)))
    with translated(path), replacing(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


def _name(results: Results) -> str:
    return str(results.experiment.get("name") or "experiment")


def _converter() -> ModuleType:
    """vl-convert, where Altair is there too."""
    try:
        import altair  # noqa: F401
        import vl_convert
    except ImportError as error:
        raise ReportMissing(error.name or "altair") from error
    held: ModuleType = vl_convert
    return held


def _vega_lite() -> str:
    """The version of Vega-Lite that Altair writes for."""
    import altair

    return ".".join(altair.SCHEMA_VERSION.split(".")[:2])


def _file_name(metric: str, taken: Sequence[str]) -> str:
    """A metric as a file's name, with a number where another one has it."""
    name = re.sub(r"[^\w-]+", "-", metric).strip("-") or "metric"
    others = {other.casefold() for other in taken}
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(one for one in names if one.casefold() not in others)


def _figures(results: Results) -> list[_Figure]:
    """The metrics, in the order of their names."""
    verdicts = judge(results)
    if not verdicts:
        raise NothingMeasured(_name(results))
    held = {(one.metric, one.arm): one for one in measured(results)}
    expected = theory(results)
    by_metric: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_metric.setdefault(verdict.metric, []).append(verdict)
    figures = []
    for metric, own in sorted(by_metric.items()):
        arms = [verdict.arm for verdict in own]
        of_theory = {arm: expected[arm, metric] for arm in arms if (arm, metric) in expected}
        drawable = any(point.repeats for verdict in own for point in verdict.points)
        spec = charts.metric_chart(own, [held[metric, arm] for arm in arms], of_theory) if drawable else None
        figures.append(_Figure(metric, own, spec))
    return figures


def _histograms_of(results: Results) -> list[_Histogram]:
    """The histograms, one an arm and measure, those of a measure on one axis."""
    shares: dict[tuple[str, str], dict[int, Measured]] = {}
    for one in measured(results):
        if (found := parsed(one.metric)) and np.isfinite(one.values).any():
            shares.setdefault((found[0], one.arm), {})[found[1]] = one
    histograms = []
    for (measure, arm), own in shares.items():
        held = [number for (other, _), bins in shares.items() if other == measure for number in _filled(bins)]
        bins = range(max(0, min(held) - 1), max(held) + 2)
        histograms.append(_Histogram(f"{measure}, {arm}", charts.histogram_chart(own, bins)))
    return histograms


def _filled(shares: Mapping[int, Measured]) -> Iterator[int]:
    """The bins that hold something."""
    return (number for number, one in shares.items() if (np.nan_to_num(one.values) > 0).any())


# -- the parts of the page


def _header(experiment: Mapping[str, Any], figures: Sequence[_Figure]) -> Iterator[str]:
    arms = list(dict.fromkeys(verdict.arm for figure in figures for verdict in figure.verdicts))
    generations = max(verdict.points[-1].generation for figure in figures for verdict in figure.verdicts)
    yield f"<h1>{escape(str(experiment.get('name') or 'experiment'))}</h1>"
    counted = [_counted(len(arms), "arm"), _counted(generations, "generation"), _counted(len(figures), "metric")]
    yield f'<p class="faint">{", ".join(counted)}</p>'
    missing = [arm["name"] for arm in experiment.get("arms", []) if arm["name"] not in arms]
    if missing:
        yield f'<p class="worse">Not measured yet: {escape(listed(missing))}.</p>'


def _measures(figures: Sequence[_Figure]) -> Iterator[str]:
    yield "<h2>Measures</h2>"
    yield (
        f'<p class="faint">Lines: mean of the repeats. Bands: its {LEVEL:.0%} interval. Dots: each repeat, where an '
        f"arm has fewer than {charts.ALL_SHOWN_BELOW}. Dashed: theory. Click on arms in a legend to see those alone."
        '</p><div class="charts">'
    )
    for at, figure in enumerate(figures):
        caption = f"<figcaption><h3>{escape(figure.metric)}</h3><p>{escape(_caption(figure))}</p></figcaption>"
        chart = f'<div class="chart" id="metric-{at}"></div>' if figure.spec else ""
        yield f"<figure>{caption}{chart}</figure>"
    yield "</div>"


def _written(pictures: Sequence[Picture]) -> Iterator[str]:
    """What models write, arm by arm; of many generations some."""
    if not pictures:
        return
    yield '<h2>What models write</h2><p class="faint">Of the first repeat, from the first generation to the last.</p>'
    for arm in dict.fromkeys(picture.arm for picture in pictures):
        own = [picture for picture in pictures if picture.arm == arm]
        shown = sorted(set(np.linspace(0, len(own) - 1, MOST_PICTURES).round().astype(int).tolist()))
        yield f'<h3>{escape(arm)}</h3><div class="written">'
        for picture in (own[place] for place in shown):
            said = f"generation {picture.generation:,}"
            content = b64encode(picture.svg.encode()).decode()  # as an image no script in it is run
            image = f'<img alt="{escape(f"{arm}, {said}")}" src="data:image/svg+xml;base64,{content}">'
            yield f"<figure>{image}<figcaption>{said}</figcaption></figure>"
        yield "</div>"


def _histograms(histograms: Sequence[_Histogram]) -> Iterator[str]:
    if histograms:
        said = "Share of texts in each bin: a line a generation, the mean of its repeats. What is above"
        yield f'<h2>Histograms</h2><p class="faint">{said} {EDGES[-1]:,.0f} stands in the last bin.</p>'
        yield '<div class="charts">'
        for at, histogram in enumerate(histograms):
            caption = f"<figcaption><h3>{escape(histogram.name)}</h3></figcaption>"
            yield f'<figure>{caption}<div class="chart" id="histogram-{at}"></div></figure>'
        yield "</div>"


def _caption(figure: _Figure) -> str:
    said = [f"{figure.verdicts[0].worse_if} is worse"]
    if figure.spec is None:
        return f"{said[0]}; every repeat failed, there is nothing to draw"
    usermeta = figure.spec["usermeta"]
    said += ["logarithmic scale"] * usermeta["logarithmic"]
    failed = [f"{verdict.arm} ({verdict.failed:,})" for verdict in figure.verdicts if verdict.failed]
    alone = [verdict.arm for verdict in figure.verdicts if verdict.repeats == 1]
    said += [f"one repeat and no interval: {listed(alone)}"] * bool(alone)
    said += [f"intervals reach beyond the chart: {listed(usermeta['cut'])}"] * bool(usermeta["cut"])
    said += [f"repeats that failed: {listed(failed)}"] * bool(failed)
    return "; ".join(said)


def _claims(claims: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What was to be reproduced, and whether it was, where an experiment says so."""
    if claims:
        yield "<h2>Claims</h2>"
        rows = [
            f"<tr><th>{escape(str(claim['number']))}</th>"
            + _cell(claim["what"], kind="wide")
            + _cell(plain(claim["wanted"]), claim["source"])
            + _cell("–" if claim["tolerance"] is None else f"± {plain(claim['tolerance'])}")
            + _cell(plain(claim["found"]))
            + _cell(claim["verdict"], kind="worse" if claim["verdict"] == "FAIL" else "")
            + "</tr>"
            for claim in claims
        ]
        yield _table(["claim", "what", "wanted", "tolerance", "found", "verdict"], rows)


def _verdicts(figures: Sequence[_Figure]) -> Iterator[str]:
    yield f'<h2>Verdicts</h2><p class="faint">{escape(METHOD)}</p>'
    verdicts = [verdict for figure in figures for verdict in figure.verdicts]
    last = {verdict.points[-1].generation for verdict in verdicts}
    with_theory = any(verdict.theory for verdict in verdicts)
    head = ["arm", "generation 1", f"generation {max(last):,}" if len(last) == 1 else "last generation", "median"]
    head += ["against the baseline", "trend"] + ["against theory"] * with_theory + ["repeats"]
    rows: list[str] = []
    for figure in figures:
        rows.append(f'<tr class="group"><th colspan="{len(head)}">{escape(figure.metric)}</th></tr>')
        rows += [_verdict_row(verdict, with_theory, len(last) > 1) for verdict in figure.verdicts]
    yield _table(head, rows)


def _verdict_row(verdict: Verdict, with_theory: bool, with_last: bool) -> str:
    first, last = verdict.points[0], verdict.points[-1]
    worse, trend = verdict.worse, verdict.trend
    slope = None if trend.slope is None else f"{plain(trend.slope)} a generation"
    cells = [
        _estimate(first) if first.generation == 1 else _cell("–"),
        _estimate(last, f"generation {last.generation:,}" if with_last else None),
        _cell(plain(last.median)),
        _cell(worse.said, None if worse.p is None else _p(worse.p), kind="worse" if worse.first else ""),
        _cell(trend.said, slope, _interval(trend.low, trend.high)),
    ]
    if with_theory:
        cells.append(_cell(*(verdict.theory.said.split("; ") if verdict.theory else ["–"]), kind="wide"))
    cells.append(_cell(f"{verdict.repeats:,}", f"{verdict.failed:,} failed" if verdict.failed else None))
    return f"<tr><th>{escape(verdict.arm)}</th>{''.join(cells)}</tr>"


def _plans(arms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    planned = [(at, arm) for at, arm in enumerate(arms) if arm.get("plan")]
    yield "<h2>Plan</h2>"
    if not planned:
        yield '<p class="faint">Results do not say what each generation learnt from.</p>'
        return
    met = {row["origin"] for _, arm in planned for row in arm["plan"]}
    keys = [
        f'<span class="swatch" style="background: {color}"></span>{origin}'
        for origin, color in charts.ORIGINS.items()
        if origin in met
    ]
    yield f'<p class="faint">Documents that each generation learns from, by origin.</p><p>{"".join(keys)}</p>'
    yield '<div class="plans">'
    for at, arm in planned:
        caption = f"<figcaption><h3>{escape(arm['name'])}</h3></figcaption>"
        yield f'<figure>{caption}<div class="chart" id="plan-{at}"></div></figure>'
    yield "</div>"


def _arms(arms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>Arms</h2>"
    head = ["arm", "test-bed", "schedule", "paradigm", "estimators", "size", "generations", "repeats", "seeds"]
    yield _table(head, [_arm_row(arm) for arm in arms])


def _arm_row(arm: Mapping[str, Any]) -> str:
    bed = _bed(arm)
    biased = getattr(bed, "biased", None)
    restart = getattr(bed, "restart", None)
    start = f"restarts from {restart}" if restart else "each generation from scratch"
    size = plain(arm.get("size")) + (f" {bed.unit}" if bed else "")
    seeds = arm.get("seeds") or [arm.get("seed")]
    cells = [
        _cell(_spelled(arm.get("testbed"), arm.get("testbed_parameters")), kind="wide"),
        _cell(_spelled(arm.get("schedule"), arm.get("schedule_parameters")), kind="wide"),
        _cell(f"{start}; {KEPT.get(str(arm.get('schedule')), 'what is kept is as the schedule says')}", kind="wide"),
        _cell("–" if biased is None else "biased" if biased else "unbiased"),
        _cell(size),
        *(_cell(plain(arm.get(field))) for field in ("generations", "repeats")),
        _cell(listed(map(plain, seeds))),
    ]
    return f"<tr><th>{escape(arm['name'])}</th>{''.join(cells)}</tr>"


def _bed(arm: Mapping[str, Any]) -> TestBed | None:
    """The test-bed of an arm, None where this version has no such one: results outlive versions."""
    try:
        return make_testbed(arm.get("testbed", ""), arm.get("testbed_parameters") or {})
    except (ProvError, ImportError):
        return None


def _repeating(experiment: Mapping[str, Any], command: str | None) -> Iterator[str]:
    yield "<h2>Repeating it</h2>"
    command = command or experiment.get("command")
    if spec := experiment.get("spec"):
        written = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
        yield '<p class="faint">The experiment as a file, experiment.yaml, and the command that runs it:</p>'
        yield f"<pre>{escape(written)}</pre>"
        command = command or "prov simulate --spec experiment.yaml"
    yield f"<pre>{escape(command)}</pre>" if command else '<p class="faint">The command is not recorded.</p>'
    packages = ("numpy", "altair", "vl-convert-python")
    versions = {"prov": provenance.__version__, "Python": platform.python_version()}
    versions |= {package: version(package) for package in packages} | experiment.get("versions", {})
    digest = f"Experiment {experiment['digest']}. " if experiment.get("digest") else ""
    yield f"<footer>{escape(digest)}{escape(', '.join(f'{name} {held}' for name, held in versions.items()))}</footer>"


# -- HTML


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    """A table that scrolls where it is wider than the page; rows are HTML."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(text: str, *more: str | None, kind: str = "") -> str:
    """A cell, with what more there is to say in smaller lines below."""
    below = "".join(f"<small>{escape(line)}</small>" for line in more if line)
    return f'<td class="{kind}"><span>{escape(text)}</span>{below}</td>'


def _estimate(point: Point, *more: str | None) -> str:
    return _cell("failed" if point.mean is None else plain(point.mean), _interval(point.low, point.high), *more)


def _interval(low: float | None, high: float | None) -> str | None:
    return None if low is None else charts.interval(low, high)


def _p(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _spelled(name: Any, parameters: Mapping[str, Any] | None) -> str:
    said = ", ".join(f"{key} = {value}" for key, value in (parameters or {}).items())
    return f"{plain(name)}: {said}" if said else plain(name)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
