"""The page about attributions: how well a detector does, in pictures that need no network and no script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from provenance.console import plain
from registry.attribute import Attributed
from registry.copying import replacing, translated

SIDE, LEFT, BOTTOM, TOP = 280, 42, 36, 14
"""The square in which a picture is drawn, and the room left of it, below and above, in pixels."""

MEASURES = {"human": "human", "model": "model", "auc": "AUC", "tpr": "TPR at 1 % FPR", "ece": "ECE", "brier": "Brier"}


def write_page(path: Path, name: str, digest: str, report: Mapping[str, Any], found: Attributed | None = None) -> None:
    """Write the page about a detector, and about what it was asked for if it was.

    Raises:
        ProvError: the file cannot be written; what stood there is as it was.
    """
    text = page(name, digest, report, found)
    with translated(path), replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def page(name: str, digest: str, report: Mapping[str, Any], found: Attributed | None = None) -> str:
    """The whole page as HTML; all that came from outside is escaped."""
    template = Template((resources.files("registry") / "attribution.html").read_text(encoding="utf-8"))
    parts = [
        _heading(name, report),
        _inferred(found) if found else "",
        _pictures(report),
        _tables(report),
        f"<footer>detector {digest}; {report['folds']} folds, seed {report['seed']}; it reads "
        f"{report['most_words']:,} words of a text at most</footer>",
    ]
    return template.substitute(title=escape(f"Detector {name}"), body="\n".join(parts))


def _heading(name: str, report: Mapping[str, Any]) -> str:
    texts, overall, heaviest = report["texts"], report["overall"], report["heaviest"]
    return (
        f"<h1>Detector {escape(name)}</h1>"
        f'<p class="faint">Trained on {texts["human"]:,} human texts and {texts["model"]:,} of models. '
        "All that is told here is told of texts that no part of it had seen, at even odds.</p>"
        f"<p>AUC {_number(overall['auc'])}, {_percent(overall['tpr'])} of models' texts found where 1 % of human ones "
        f"are taken for a model's, expected calibration error {_number(overall['ece'])}.</p>"
        f"<p>It goes by <b>{escape(heaviest['feature'])}</b> most: without that its AUC is "
        f"{_number(heaviest['auc_without'])}. A feature that tells how a collection was made, and not who wrote it, "
        "tells nothing of other collections.</p>"
    )


def _inferred(found: Attributed) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds.items()) or "none"
    return (
        "<h2>Documents of unknown origin</h2>"
        f"<p>{found.documents:,} documents, {found.expected:,.1f} of them expected to be a model's, from a prior of "
        f"{found.prior:g}. Evidence, by documents: {kinds}.</p>"
        f'<div class="pictures">{_figure(_histogram(found.bands), "Documents by p(model).")}</div>'
    )


# -- pictures


def _pictures(report: Mapping[str, Any]) -> str:
    reliability = _figure(
        _reliability(report["bins"]),
        "Reliability: what is said to be probable, and how often it is so. On the dotted line both are the same; the "
        "larger a dot, the more texts.",
    )
    curve = _figure(_curve(report["roc"]), "ROC: models' texts found, by human ones that are taken for a model's.")
    return f'<h2>How far it can be trusted</h2><div class="pictures">{reliability}{curve}</div>'


def _figure(picture: str, caption: str) -> str:
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _reliability(bins: Sequence[Mapping[str, Any]]) -> str:
    line = _path((row["p_model"], row["share"]) for row in bins)
    dots = "".join(
        f'<circle class="dot" cx="{_x(row["p_model"]):.1f}" cy="{_y(row["share"]):.1f}" '
        f'r="{3 + 9 * row["weight"] ** 0.5:.1f}"><title>said {row["p_model"]:.3f}, true {row["share"]:.3f}, '
        f"{row['texts']:,} texts</title></circle>"
        for row in bins
    )
    return _square("said p(model)", "share of models", line + dots)


def _curve(roc: Sequence[Sequence[float]]) -> str:
    return _square("false positives", "true positives", _path((x, y) for x, y in roc))


def _histogram(bands: Sequence[Mapping[str, Any]]) -> str:
    most = max((row["documents"] for row in bands), default=1)
    width = SIDE / 10 - 3
    bars = "".join(
        f'<rect class="bar" x="{_x(row["band"] / 10) + 1.5:.1f}" y="{_y(row["documents"] / most):.1f}" '
        f'width="{width:.1f}" height="{SIDE * row["documents"] / most:.1f}">'
        f"<title>{row['documents']:,} documents</title></rect>"
        for row in bands
    )
    return _square("p(model)", f"documents, up to {most:,}", bars, even=False)


def _square(across: str, up: str, drawn: str, even: bool = True) -> str:
    ticks = "".join(
        f'<text x="{_x(tick):.1f}" y="{TOP + SIDE + 15}" text-anchor="middle">{tick:g}</text>'
        + (f'<text x="{LEFT - 6}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>' if even else "")
        for tick in (0, 0.25, 0.5, 0.75, 1)
    )
    diagonal = f'<path class="even" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>' if even else ""
    names = (
        f'<text x="{_x(0.5):.1f}" y="{TOP + SIDE + BOTTOM - 6}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(11 {_y(0.5):.1f}) rotate(-90)" text-anchor="middle">{up}</text>'
    )
    frame = f'<rect class="axis" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>'
    size = f"0 0 {LEFT + SIDE + 18} {TOP + SIDE + BOTTOM}"
    return (
        f'<svg viewBox="{size}" role="img" aria-label="{up} by {across}">{frame}{diagonal}{ticks}{names}{drawn}</svg>'
    )


def _path(points: Iterable[tuple[float, float]]) -> str:
    drawn = "L".join(f"{_x(x):.1f} {_y(y):.1f}" for x, y in points)
    return f'<path class="line" d="M{drawn}"/>' if drawn else ""


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


# -- tables


def _tables(report: Mapping[str, Any]) -> str:
    parts = [
        "<h2>By generator</h2><p class='faint'>Texts of each, told from all human ones.</p>",
        _table("generator", report["by_generator"]),
    ]
    if report["unseen_generators"]:
        parts += [
            "<h2>Generators that it never saw</h2><p class='faint'>Trained anew without each, and told from human "
            "texts that were left out too. This is what to expect of a generator that is not in the registry.</p>",
            _table("generator", report["unseen_generators"]),
        ]
    parts += [
        "<h2>By length</h2>",
        "<p class='faint'>Whole texts and excerpts of them, in words. The fewer words, the less is said.</p>",
        _table("words", report["by_length"], {"mean_llr": "mean |LLR|"}),
        "<h2>What it goes by</h2>",
        "<p class='faint'>Weights of the standardised features; above zero speaks for a model.</p>",
        _rows(["feature", "weight"], [[name, f"{weight:+.2f}"] for name, weight in report["weights"].items()]),
    ]
    return "".join(parts)


def _table(by: str, rows: Sequence[Mapping[str, Any]], more: Mapping[str, str] = {}) -> str:
    columns = {by: by, **MEASURES, **more}
    return _rows(columns.values(), [[_number(row[name]) for name in columns] for row in rows])


def _rows(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(value)}</td>' for value in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else plain(value)


def _percent(value: float | None) -> str:
    return plain(None) if value is None else f"{value:.1%}"
