import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance.errors import ProvError
from trainer.charts import Spec
from trainer.metrics.histogram import shares
from trainer.report import NothingMeasured, ReportMissing, report, write_data, write_svg
from trainer.results import MEASUREMENT, Picture, Results, measured_rows

pytest.importorskip("altair", reason="a report wants altair: pip install 'corpus-provenance[report]'")
pytest.importorskip("vl_convert", reason="a report wants vl_convert: pip install 'corpus-provenance[report]'")

NASTY = '</script><script>alert("1")</script> & \'<b>'
DEAD = float("nan")


def made(arms: Mapping[str, Mapping[str, Any]], theory: Mapping[str, Sequence[float]] | None = None) -> Results:
    """Results: by arm and metric the values, (repeats, generations); theory by metric, of all arms."""
    tables = [pa.Table.from_batches([], MEASUREMENT)]
    specs = []
    for name, metrics in arms.items():
        for metric, held in metrics.items():
            tables.append(measured_rows(name, metric, held))
        specs.append(_spec(name, np.asarray(next(iter(metrics.values()))).shape, theory or {}))
    experiment = {"name": f"first {NASTY}", "digest": "ab" * 32, "command": "prov simulate --seed 0", "arms": specs}
    return Results(experiment, pa.concat_tables(tables))


def _spec(name: str, shape: tuple[int, ...], theory: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    repeats, generations = shape
    plan = [{"generation": at, "origin": "model", "of_generation": at - 1, "documents": 90} for at in range(2, 4)]
    plan += [{"generation": at, "origin": "human", "of_generation": 0, "documents": 10} for at in range(1, 4)]
    return {
        "name": name,
        "testbed": "gaussian",
        "testbed_parameters": {"biased": True},
        "schedule": "fixed-ratio",
        "schedule_parameters": {"real_frac": 0.1},
        "generations": generations,
        "size": 100,
        "repeats": repeats,
        "seeds": [7],
        "theory": [
            {"generation": at, "metric": metric, "value": value}
            for metric, values in theory.items()
            for at, value in enumerate(values, 1)
        ],
        "plan": plan,
    }


def drifting(repeats: int, generations: int = 20, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return np.exp(0.4 * np.arange(generations) + 0.1 * rng.standard_normal((repeats, generations)))


@pytest.fixture(scope="module")
def results() -> Results:
    """Two arms with awkward names, three metrics, 2,000 and 5 repeats."""
    metrics = {"w2_squared": 1.0, "variance": -1.0, "cover<age>": 0.01}
    return made(
        {
            NASTY: {metric: drifting(2_000) * factor for metric, factor in metrics.items()},
            "accumulate": {metric: drifting(5, seed=1) * factor for metric, factor in metrics.items()},
        },
        theory={"w2_squared": np.exp(0.4 * np.arange(20)).tolist()},
    )


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    return report(results, command=None)


def held_in(page: str) -> dict[str, Any]:
    """What the scripts of a page are given."""
    (found,) = re.findall(r'<script type="application/json" id="held">(.*?)</script>', page, re.DOTALL)
    held: dict[str, Any] = json.loads(found)
    return held


def chart_of(results: Results) -> Spec:
    """The only chart of a metric in the report of results."""
    charts: dict[str, Spec] = held_in(report(results, command=None))["charts"]
    (spec,) = (spec for name, spec in charts.items() if name.startswith("metric"))
    return spec


def rows_of(spec: Spec, field: str) -> list[dict[str, Any]]:
    return [row for rows in spec["datasets"].values() for row in rows if field in row]


def test_a_page_names_no_address_to_load_anything_from(page: str) -> None:
    assert re.findall(r"""(?:src|href|url\(|@import)\s*=?\s*["']?(?:https?:)?//""", page) == []
    assert "<link" not in page
    assert "default-src 'none'" in page


def test_names_are_text_whatever_they_hold(page: str) -> None:
    before = page.partition("<script>")[0]
    assert "&lt;/script&gt;&lt;script&gt;" in before
    assert page.count("<script") == page.count("</script>") == 3
    assert "alert(" not in before.replace("alert(&quot;", "")
    assert NASTY in json.dumps(held_in(page), ensure_ascii=False).replace('\\"', '"')


def test_a_page_says_how_the_experiment_is_repeated_and_what_was_kept(page: str) -> None:
    for said in (
        "prov simulate --seed 0",
        "each generation from scratch; keeps a share of the first human text",
        "gaussian: biased = True",
        "fixed-ratio: real_frac = 0.1",
        "<span>biased</span>",
        "<span>100 samples</span>",
        "ab" * 32,
        "Holm",
        "vl-convert-python",
        "prefers-color-scheme: dark",
    ):
        assert said in page


def test_the_command_that_is_given_stands_in_the_page(results: Results) -> None:
    assert "<pre>prov report &amp;&amp; true</pre>" in report(results, command="prov report && true")


def test_a_chart_holds_a_row_a_generation_and_arm_and_points_of_few_repeats_alone(page: str) -> None:
    charts = held_in(page)["charts"]
    assert sorted(charts) == ["metric-0", "metric-1", "metric-2", "plan-0", "plan-1"]
    for name in ("metric-0", "metric-1", "metric-2"):
        spec = charts[name]
        assert len(rows_of(spec, "mean")) == 2 * 20
        theory = 2 * 20 if name == "metric-2" else 0
        assert len(rows_of(spec, "value")) == 5 * 20 + theory
    assert len(page) < 1_200_000


def test_a_page_shows_what_the_verdicts_say(page: str) -> None:
    assert "worse from generation 2" in page
    assert "growing" in page
    assert "shrinking" in page
    assert "standard errors, at generation" in page


@pytest.mark.parametrize(
    ("values", "kind"),
    [([[1.0, 500.0]] * 2, "log"), ([[1.0, 5.0]] * 2, "linear"), ([[0.0, 500.0]] * 2, "linear")],
)
def test_a_scale_is_logarithmic_where_positive_values_span_two_decades(values: Any, kind: str) -> None:
    spec = chart_of(made({"arm": {"distance": values}}))
    scales = [layer["encoding"]["y"]["scale"].get("type", "linear") for layer in spec["layer"]]
    assert set(scales) == {kind}


def test_an_interval_below_zero_is_cut_on_a_logarithmic_scale_and_that_is_said() -> None:
    results = made({"arm": {"distance": [[1.0, 1.0], [300.0, 300.0]]}})
    assert all(row["low"] > 0 for row in rows_of(chart_of(results), "low"))
    assert "intervals reach beyond the chart: arm" in report(results, command=None)


def test_a_generation_that_failed_breaks_the_curve_and_is_told() -> None:
    results = made({"arm": {"distance": [[1.0, DEAD, 3.0], [2.0, DEAD, DEAD]]}})
    assert [row["mean"] for row in rows_of(chart_of(results), "mean")] == [1.5, None, 3.0]
    assert "repeats that failed: arm (2)" in report(results, command=None)


def test_a_metric_of_which_every_repeat_failed_has_words_in_place_of_a_chart(tmp_path: Path) -> None:
    results = made({"arm": {"distance": [[DEAD] * 6] * 2}})
    page = report(results, command=None)
    assert "every repeat failed, there is nothing to draw" in page
    assert 'id="metric-0"' not in page
    assert write_svg(results, tmp_path) == []


def histograms(*generations: Sequence[float]) -> dict[str, Any]:
    """The shares of values by bin, as metrics: of one repeat, (1, generations)."""
    found = [shares("perplexity", np.array(values)) for values in generations]
    return {metric: [[one[metric] for one in found]] for metric in found[0]}


def test_shares_of_bins_are_one_histogram_an_arm_and_neither_curves_nor_verdicts(tmp_path: Path) -> None:
    arms = {"a": histograms([20.0, 30.0], [20.0, 2_000.0]), "b": histograms([20.0, 20.0], [20.0, 20.0])}
    results = made({arm: {"loss": [[1.0, 2.0]], **held} for arm, held in arms.items()})
    page = report(results, command=None)
    charts = held_in(page)["charts"]
    assert sorted(charts) == ["histogram-0", "histogram-1", "metric-0", "plan-0", "plan-1"]
    assert "perplexity, a" in page
    assert "share_of_bin" not in page
    rows = {(row["generation"], round(row["value"])): row["share"] for row in rows_of(charts["histogram-0"], "share")}
    assert {place: share for place, share in rows.items() if share} == {
        (1, 22): 0.5, (1, 28): 0.5, (2, 22): 0.5, (2, 2239): 0.5,
    }  # fmt: skip
    values = [{row["value"] for row in rows_of(charts[name], "share")} for name in ("histogram-0", "histogram-1")]
    assert values[0] == values[1]
    paths = write_svg(results, tmp_path)
    assert [path.name for path in paths] == ["loss.svg", "perplexity-a.svg", "perplexity-b.svg"]


def test_a_histogram_skips_a_generation_that_failed() -> None:
    results = made({"arm": {"loss": [[1.0, 1.0]], **histograms([20.0], [])}})
    charts = held_in(report(results, command=None))["charts"]
    assert {row["generation"] for row in rows_of(charts["histogram-0"], "share")} == {1}


def test_one_generation_of_one_repeat_is_shown() -> None:
    page = report(made({"arm": {"distance": [[1.0]]}}), command=None)
    assert "too few generations" in page
    assert "one repeat and no interval: arm" in page


def test_arms_that_were_not_measured_are_named(results: Results) -> None:
    arms = [*results.experiment["arms"], {**results.experiment["arms"][0], "name": "late"}]
    page = report(Results({**results.experiment, "arms": arms}, results.measurements), command=None)
    assert "Not measured yet: late." in page


def test_results_of_a_test_bed_that_is_gone_are_still_shown() -> None:
    results = made({"arm": {"distance": [[1.0, 2.0]]}})
    results.experiment["arms"][0] |= {"testbed": "gone", "schedule": "new", "plan": []}
    page = report(results, command=None)
    assert "gone: biased = True" in page
    assert "Results do not say what each generation learnt from." in page


def test_nothing_measured_is_an_error_that_says_so(tmp_path: Path) -> None:
    nothing = made({})
    for make in (
        lambda: report(nothing, command=None),
        lambda: write_svg(nothing, tmp_path),
        lambda: write_data(nothing, tmp_path / "data.parquet"),
    ):
        with pytest.raises(NothingMeasured, match="has no measurements yet"):
            make()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["altair", "vl_convert"])
def test_without_what_draws_charts_the_error_says_what_to_install(
    module: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ReportMissing, match=rf"wants {module}.*pip install 'corpus-provenance\[report\]'"):
        report(results, command=None)
    with pytest.raises(ProvError, match="pip install"):
        write_svg(results, tmp_path)
    write_data(results, tmp_path / "data.parquet")


def test_each_metric_has_an_svg_of_its_own_that_shows_its_marks(results: Results, tmp_path: Path) -> None:
    paths = write_svg(results, tmp_path / "new" / "charts")
    assert [path.name for path in paths] == ["cover-age.svg", "variance.svg", "w2_squared.svg"]
    for path in paths:
        root = ElementTree.parse(path).getroot()  # noqa: S314 (we wrote it)
        marks = {mark.get("class", "").split()[0] for mark in root.iter() if "mark-" in mark.get("class", "")}
        assert {"mark-area", "mark-line", "mark-symbol"} <= marks
        assert "accumulate" in "".join(root.itertext())


def test_metrics_whose_names_would_be_one_file_have_two(tmp_path: Path) -> None:
    results = made({"arm": {"a/b": [[1.0, 2.0]], "a b": [[1.0, 2.0]], "A-B": [[1.0, 2.0]]}})
    assert sorted(path.name for path in write_svg(results, tmp_path)) == ["A-B.svg", "a-b-2.svg", "a-b-3.svg"]


def test_pictures_whose_names_would_be_one_file_have_two(results: Results, tmp_path: Path) -> None:
    drawn = [Picture(arm, 1, 0, f"<svg>{arm}</svg>") for arm in ("a b", "a-b")]
    paths = write_svg(replace(results, pictures=drawn), tmp_path)[-2:]
    assert [path.read_text() for path in paths] == ["<svg>a b</svg>", "<svg>a-b</svg>"]


def test_data_have_a_row_a_measurement_and_are_read_back_as_they_were(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_data(results, path)
    table = pq.read_table(path)
    assert table.column_names == ["experiment", "digest", "arm", "generation", "repeat", "metric", "value"]
    assert set(table["experiment"].to_pylist()) == {results.experiment["name"]}
    again = Results.of_table(table)
    assert (again.experiment, again.measurements) == (results.experiment, results.measurements)
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_to_is_an_error(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ProvError, match="cannot write"):
        write_data(results, tmp_path / "none" / "data.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(ProvError, match="cannot write"):
        write_svg(results, tmp_path / "file")


# -- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="a browser test wants playwright")
    chromium = os.environ.get("PROV_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("no chromium: install it, or name it in PROV_CHROMIUM")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page in a browser, with all that it asked of the network and all that it complained of."""

    def __init__(self, browser: Any, path: Path, scheme: str = "light", width: int = 1_280) -> None:
        self.page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-drawn]", timeout=60_000)

    def drawn(self, chart: str, mark: str) -> int:
        """How many shapes of a mark a chart has that take up room."""
        shapes = self.page.locator(f"#{chart} svg .mark-{mark}.role-mark path")
        sizes = "all => all.map(one => one.getBoundingClientRect()).map(box => box.width + box.height)"
        return sum(size > 1 for size in shapes.evaluate_all(sizes))


@pytest.fixture
def file(page: str, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1_280, 400])
def test_a_browser_draws_every_chart_and_asks_the_network_for_nothing(
    browser: Any, file: Path, scheme: str, width: int
) -> None:
    opened = Opened(browser, file, scheme, width)
    for chart in ("metric-0", "metric-1", "metric-2"):
        box = opened.page.locator(f"#{chart} svg").bounding_box()
        assert 300 < box["width"] <= width
        assert opened.drawn(chart, "line") == (4 if chart == "metric-2" else 2)
        assert opened.drawn(chart, "area") == 2
        assert opened.drawn(chart, "symbol") == 2 * 20 + 5 * 20
    for chart in ("plan-0", "plan-1"):
        assert opened.drawn(chart, "rect") == 5
    assert opened.asked == [file.as_uri()]
    assert opened.complaints == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_a_click_in_a_legend_leaves_that_arm_alone(browser: Any, file: Path) -> None:
    from playwright.sync_api import expect

    opened = Opened(browser, file)
    accumulate = opened.page.locator("#metric-0 .role-legend-label text", has_text="accumulate")
    lines = opened.page.locator("#metric-0 .mark-line.role-mark path")
    expect(lines).to_have_count(2)
    accumulate.click()
    expect(lines).to_have_count(1)
    assert opened.page.locator("#metric-0 .role-legend-label text").count() == 2
    accumulate.click()
    expect(lines).to_have_count(2)
    assert opened.complaints == []


@pytest.mark.slow
def test_charts_follow_a_change_of_the_colour_scheme(browser: Any, file: Path) -> None:
    from playwright.sync_api import expect

    opened = Opened(browser, file)
    label = opened.page.locator("#metric-0 .role-axis-label text").first
    light = label.evaluate("one => getComputedStyle(one).fill")
    opened.page.emulate_media(color_scheme="dark")
    expect(label).not_to_have_css("fill", light, timeout=30_000)
    assert opened.complaints == []
