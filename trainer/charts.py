"""Charts of what was measured, as Vega-Lite specs: they hold statistics by generation, never all the measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from trainer.metrics.histogram import middle
from trainer.verdict import Measured, Verdict

ALL_SHOWN_BELOW = 10
"""Repeats of an arm below which each is drawn as a point of its own."""

ORIGINS = {"human": "#0072B2", "model": "#E69F00", "mixed": "#009E73", "unknown": "#999999"}
"""The colours of origins (Okabe & Ito 2008, which colour-blind people can tell apart)."""

_LIGHT = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555"]
_DARK = ["#56B4E9", "#F0803C", "#2BC49A", "#E39CC4", "#F0B840", "#6F9CFF", "#BBBBBB"]
_SEPARATE_GENERATIONS = 12
_MARKED_GENERATIONS = 30
MOST_DRAWN = 400
"""Of more generations a chart draws some."""
_MOST_LINES = 6
_AT_MOST_MARKS = 5_000
_BEYOND = 0.3

Spec = dict[str, Any]
Row = dict[str, Any]


def config(dark: bool) -> Spec:
    """The colours and the letters of charts on a light or a dark page."""
    ink, faint, line = ("#c9d1d9", "#30363d", "#6e7681") if dark else ("#3b4045", "#e4e7ea", "#9aa1a8")
    return {
        "background": "transparent",
        "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "gridColor": faint,
            "domainColor": line,
            "tickColor": line,
        },
        "legend": {
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 13,
            "symbolSize": 160,
            "symbolStrokeWidth": 3,
        },
        "title": {"color": ink, "anchor": "start", "fontSize": 15},
        "range": {"category": _DARK if dark else _LIGHT},
        "bar": {"stroke": "#16191d" if dark else "#ffffff"},
        "view": {"stroke": None},
    }


def metric_chart(
    verdicts: Sequence[Verdict], held: Sequence[Measured], expected: Mapping[str, Mapping[int, float]]
) -> Spec:
    """One metric by generation: the mean of each arm with its interval, theory dashed, of few repeats all points.

    Where there is but one generation, and several arms, they stand below each other.

    Args:
        verdicts, held: of the metric, one an arm; some mean is a number.
        expected: by arm, what theory expects at each generation.
    Returns:
        A spec whose `usermeta` has the renderer that suits it, whether the scale is logarithmic, and the arms of which
        an interval is cut.
    """
    import altair as alt

    arms = [verdict.arm for verdict in verdicts]
    theory: list[Row] = [
        {"arm": arm, "generation": generation, "value": value}
        for arm, values in expected.items()
        for generation, value in values.items()
        if generation in drawn(values)
    ]
    points = [row for one in held if len(one.repeats) < ALL_SHOWN_BELOW for row in _all_points(one)]
    means = [point.mean for verdict in verdicts for point in verdict.points if point.mean is not None]
    shown = means + [row["value"] for row in theory + points]
    logarithmic = on_log_scale(shown)
    reach = _reach(shown, logarithmic)
    curves = [row for verdict in verdicts for row in _curve(verdict, reach)]
    metric, cut = verdicts[0].metric, [verdict.arm for verdict in verdicts if _is_cut(verdict, reach)]
    if len(arms) > 1 and len({row["generation"] for row in curves + theory}) == 1:
        chart = _arms_below_each_other(alt, arms, (curves, points, theory), logarithmic)
        return _plain(chart.properties(description=f"{metric} by arm"), _meta("svg", logarithmic, cut))
    x, y = _axes(alt, [row["generation"] for row in curves + theory], logarithmic)
    base = alt.Chart().encode(
        x=x, color=alt.Color("arm:N", sort=None, scale=_colors(alt, arms), legend=_legend(alt, arms))
    )
    layers = _layers(
        base, y, *(alt.InlineData(values=_short(rows)) if rows else None for rows in (curves, points, theory))
    )
    if len(arms) > 1:
        chosen = alt.selection_point(name="chosen", fields=["arm"], bind="legend", toggle="true")
        layers = [layer.transform_filter(chosen) for layer in layers]
        layers[0] = layers[0].add_params(chosen)
    chart = alt.layer(*layers).properties(width="container", height=300, description=f"{metric} by generation")
    many = 3 * len(curves) + len(points) + len(theory) > _AT_MOST_MARKS
    return _plain(chart, _meta("canvas" if many else "svg", logarithmic, cut))


def _meta(renderer: str, logarithmic: bool, cut: list[str]) -> Row:
    return {"renderer": renderer, "logarithmic": logarithmic, "cut": cut}


def _arms_below_each_other(
    alt: Any, arms: Sequence[str], drawn_rows: tuple[list[Row], list[Row], list[Row]], logarithmic: bool
) -> Any:
    """Arms of one generation, a line each: their means with intervals, their points, and what theory expects."""
    curves, points, theory = (alt.InlineData(values=_short(rows)) if rows else None for rows in drawn_rows)
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False)
    axis = alt.Axis(title=None, format="~g", tickCount=6, labelOverlap=True)
    base = alt.Chart().encode(
        y=alt.Y("arm:N", sort=list(arms), title=None, axis=alt.Axis(labelLimit=320, ticks=False, domain=False))
    )

    def at(rows: Any, field: str) -> Any:
        return base.properties(data=rows).encode(x=alt.X(f"{field}:Q", scale=scale, axis=axis))

    color = alt.value(_LIGHT[0])
    layers = [at(curves, "low").encode(x2="high:Q", color=color).mark_rule(strokeWidth=2, opacity=0.6)]
    if points:
        layers.append(at(points, "value").encode(color=color).mark_circle(size=16, opacity=0.5))
    tooltip = ["arm:N", "mean:Q", "interval:N", "median:Q", "repeats:N"]
    layers.append(at(curves, "mean").encode(color=color, tooltip=tooltip).mark_circle(size=70, opacity=1))
    if theory:
        layers.append(at(theory, "value").mark_tick(thickness=2, color=_LIGHT[1]))
    return alt.layer(*layers).properties(width="container", height=alt.Step(22))


def _layers(base: Any, y: Any, curves: Any, points: Any, theory: Any) -> list[Any]:
    """The marks of a metric's chart, of the data that there is."""
    generations = {row["generation"] for row in curves.values}
    layers = []
    if any(row["low"] is not None for row in curves.values):
        spread = base.properties(data=curves).encode(y=y("low"), y2="high:Q")
        several = len(generations) > 1
        layers += [spread.mark_area(opacity=0.18) if several else spread.mark_rule(strokeWidth=2, opacity=0.6)]
    if points:
        layers += [base.properties(data=points).encode(y=y("value")).mark_circle(size=16, opacity=0.5)]
    of_mean = base.properties(data=curves).encode(y=y("mean"))
    size = 40 if len(generations) <= _MARKED_GENERATIONS else 12
    tooltip = ["arm:N", "generation:Q", "mean:Q", "interval:N", "median:Q", "repeats:N"]
    layers += [of_mean.mark_line(strokeWidth=2), of_mean.mark_circle(size=size, opacity=1).encode(tooltip=tooltip)]
    if theory:
        layers += [base.properties(data=theory).encode(y=y("value")).mark_line(strokeDash=[6, 4], strokeWidth=1.5)]
    return layers


def _axes(alt: Any, generations: Sequence[int], logarithmic: bool) -> tuple[Any, Callable[[str], Any]]:
    """The axis of generations, and that of a field."""
    x = alt.X(
        "generation:Q",
        title="generation",
        scale=alt.Scale(domain=[min(generations), max(generations)], nice=False, zero=False, padding=8),
        axis=alt.Axis(
            format="d",
            values=_ticks(min(generations), max(generations)),
            grid=False,
            labelOverlap=True,
            labelSeparation=6,
        ),
    )
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False)
    decade = {"test": "abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-6", "value": 1}
    opacity = {"condition": decade, "value": 0.25} if logarithmic else 1
    axis = alt.Axis(title=None, format="~g", tickCount=6, labelOverlap=True, gridOpacity=opacity, tickOpacity=opacity)
    return x, lambda field: alt.Y(f"{field}:Q", scale=scale, axis=axis)


def histogram_chart(shares: Mapping[int, Measured], bins: range) -> Spec:
    """The histogram of an arm, a line a generation: the mean share of each bin over the repeats, bins on a log axis.

    Args:
        shares: by bin, as `trainer.metrics.histogram` numbers them; some repeat has numbers.
        bins: those that are drawn, so that arms have one axis.
    """
    import altair as alt

    any_bin = next(iter(shares.values()))
    alive = any_bin.generations[np.isfinite(any_bin.values).any(axis=0)]
    rows: list[Row] = [
        {"generation": generation, "value": middle(number), "share": float(np.nanmean(shares[number].at(generation)))}
        for generation in sorted(drawn(alive.tolist(), _MOST_LINES))
        for number in bins
        if number in shares
    ]
    color = alt.Color(
        "generation:O",
        scale=alt.Scale(scheme={"name": "viridis", "extent": [0.1, 0.9]}),
        legend=alt.Legend(title="generation", orient="top", symbolType="stroke"),
    )
    chart = alt.Chart(alt.InlineData(values=_short(rows))).mark_line(interpolate="step", strokeWidth=2)
    chart = chart.encode(
        x=alt.X("value:Q", title=None, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~g", grid=False)),
        y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=4)),
        color=color,
        tooltip=["generation:O", alt.Tooltip("value:Q", format=".3~g"), alt.Tooltip("share:Q", format=".1%")],
    )
    return _plain(chart.properties(width="container", height=220), {"renderer": "svg"})


def plan_chart(plan: Sequence[Row]) -> Spec:
    """What an arm learns from: documents by generation, stacked by origin, of few generations by writer too."""
    import altair as alt

    separate = max(row["generation"] for row in plan) <= _SEPARATE_GENERATIONS
    documents: dict[tuple[int, str, int], int] = {}
    shown = drawn(row["generation"] for row in plan)
    for row in plan:
        if row["generation"] not in shown:
            continue
        key = row["generation"], row["origin"], (row.get("of_generation") or 0) if separate else 0
        documents[key] = documents.get(key, 0) + row["documents"]
    rows: list[Row] = [
        {"generation": generation, "origin": origin, "written": _writer(origin, of if separate else None), "order": of}
        | {"documents": count, "rank": list(ORIGINS).index(origin) if origin in ORIGINS else len(ORIGINS)}
        for (generation, origin, of), count in documents.items()
        if count
    ]
    scale = alt.Scale(domain=list(ORIGINS), range=list(ORIGINS.values()))
    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar(strokeWidth=0.75 if separate else 0)
    chart = chart.encode(
        x=alt.X(
            "generation:O",
            title="generation",
            axis=alt.Axis(labelAngle=0, labelOverlap=True, labelSeparation=4, ticks=False),
        ),
        y=alt.Y("sum(documents):Q", title=None, axis=alt.Axis(format=",d", tickCount=3, tickMinStep=1)),
        color=alt.Color("origin:N", scale=scale, legend=None),
        order=alt.Order("stacked:Q"),
        detail="order:Q",
        tooltip=[
            alt.Tooltip("generation:O"),
            alt.Tooltip("written:N", title="by"),
            alt.Tooltip("sum(documents):Q", format=","),
        ],
    ).transform_calculate(stacked="datum.rank * 1000000 + datum.order")
    return _plain(chart.properties(width="container", height=110), {"renderer": "svg"})


def _ticks(first: int, last: int) -> list[int]:
    """The generations that an axis names: the first one, and round ones."""
    step = next(size * 10**power for power in range(20) for size in (1, 2, 5) if last - first <= 20 * size * 10**power)
    return [first, *range((first // step + 1) * step, last + 1, step)]


def on_log_scale(values: Iterable[float]) -> bool:
    """Whether values are positive and span more than two decades.

    >>> on_log_scale([0.1, 20]), on_log_scale([0.1, 1, 5]), on_log_scale([0, 1, 500])
    (True, False, False)
    """
    held = list(values)
    return bool(held) and min(held) > 0 and max(held) / min(held) > 100


def drawn(generations: Iterable[int], most: int = MOST_DRAWN) -> set[int]:
    """The generations that a chart draws, of very many some that are evenly spaced, the first and the last among them.

    >>> len(drawn(range(1, 101))), sorted(drawn(range(1, 2002)))[:3]
    (100, [1, 7, 13])
    """
    held = sorted(set(generations))
    return {*held[:: -(-len(held) // most)], *held[-1:]}


def _curve(verdict: Verdict, reach: tuple[float, float]) -> list[Row]:
    lowest, highest = reach
    shown = drawn(point.generation for point in verdict.points)
    return [
        {
            "arm": verdict.arm,
            "generation": point.generation,
            "mean": point.mean,
            "median": point.median,
            "low": None if point.low is None else max(point.low, lowest),
            "high": None if point.high is None else min(point.high, highest),
            "interval": interval(point.low, point.high),
            "repeats": f"{point.repeats:,}" + (f", {point.failed:,} failed" if point.failed else ""),
        }
        for point in verdict.points
        if point.generation in shown
    ]


def _is_cut(verdict: Verdict, reach: tuple[float, float]) -> bool:
    ends = [end for point in verdict.points for end in (point.low, point.high) if end is not None]
    return any(not reach[0] <= end <= reach[1] for end in ends)


def interval(low: float | None, high: float | None) -> str:
    """An interval in words.

    >>> interval(0.25, 1)
    '0.25 to 1'
    """
    return "none" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _reach(shown: Sequence[float], logarithmic: bool) -> tuple[float, float]:
    """How far intervals are drawn, so that wide ones of few repeats leave the curves readable."""
    least, most = min(shown), max(shown)
    if logarithmic:
        beyond = (most / least) ** _BEYOND
        return least / beyond, most * beyond
    apart = _BEYOND * (most - least)
    return (least - apart, most + apart) if apart else (-inf, inf)


def _all_points(held: Measured) -> list[Row]:
    rows, columns = np.nonzero(np.isfinite(held.values))
    shown = drawn(held.generations.tolist())
    return [
        {"arm": held.arm, "generation": generation, "value": value}
        for generation, value in zip(
            held.generations[columns].tolist(), held.values[rows, columns].tolist(), strict=True
        )
        if generation in shown
    ]


def _short(rows: list[Row]) -> list[Row]:
    """Rows with numbers as exact as a chart can show."""
    return [
        {key: float(f"{held:.6g}") if isinstance(held, float) else held for key, held in row.items()} for row in rows
    ]


def _colors(alt: Any, arms: Sequence[str]) -> Any:
    if len(arms) <= len(_LIGHT):
        return alt.Scale(domain=arms)
    return alt.Scale(domain=arms, scheme={"name": "viridis", "count": len(arms), "extent": [0.15, 0.9]})


def _legend(alt: Any, arms: Sequence[str]) -> Any:
    """The legend above a chart, in as many columns as its width has room for."""
    if len(arms) == 1:
        return None
    room = 7 * max(map(len, arms)) + 40
    return alt.Legend(
        title=None,
        orient="top",
        columns=alt.ExprRef(f"max(1, floor(width / {room}))"),
        labelLimit=alt.ExprRef("max(100, width - 30)"),
        symbolType="stroke",
        symbolOpacity=1,
    )


def _writer(origin: str, of_generation: int | None) -> str:
    return f"{origin}, generation {of_generation}" if of_generation else origin


def _plain(chart: Any, usermeta: Spec) -> Spec:
    spec: Spec = chart.to_dict()
    spec.pop("config", None)  # the page has one for each colour scheme
    return spec | {"usermeta": usermeta}
