"""The dose curve: what the share of human text in a draw is worth, and where each curated arm stands on it."""

from pathlib import Path

import altair as alt
import headline_pool
import numpy as np
import vl_convert
from headline_told import POOL, Told

from trainer import charts

METRIC = "bits_per_byte"


def write_dose_curve(told: Told, path: Path) -> None:
    """Draw, as SVG, the mean over seeds of each arm of the fixed pool over the share of human tokens that it drew."""
    seeds, means = [], []
    for arm in (arm for arm in headline_pool.ARMS if not arm.scarce):
        real = [one["real"] for one in told.drawn(arm.name)]
        values = [one["measures"][METRIC] for one in told.last(POOL, arm.name)]
        seeds += [{"arm": arm.name, "real": at, "value": value} for at, value in zip(real, values, strict=True)]
        mean = {"arm": arm.name, "real": float(np.mean(real)), "value": float(np.mean(values))}
        means.append(mean | {"oracle": arm.real is not None})
    curve, each_seed, each_arm = (
        alt.Chart(alt.InlineData(values=held)).encode(x=_x(), y=_y())
        for held in ([row for row in means if row["oracle"]], seeds, means)
    )
    layers = [
        curve.mark_line(color="#999999"),
        each_seed.encode(color=_color()).mark_circle(size=14, opacity=0.5),
        each_arm.encode(color=_color()).mark_circle(size=90, opacity=1),
    ]
    chart = alt.layer(*layers).properties(width=560, height=380)
    config = charts.config(dark=False) | {"background": "#ffffff", "padding": 12}
    path.write_text(vl_convert.vegalite_to_svg(chart.to_dict(), config=config), encoding="utf-8")


def _x() -> alt.X:
    return alt.X("real:Q", title="share of human tokens that were drawn", axis=alt.Axis(format="%"))


def _y() -> alt.Y:
    return alt.Y("value:Q", title="bits per byte of held-out human text", scale=alt.Scale(zero=False))


def _color() -> alt.Color:
    legend = alt.Legend(title=None, labelLimit=320, symbolOpacity=1)
    return alt.Color("arm:N", sort=None, scale=alt.Scale(scheme="tableau20"), legend=legend)
