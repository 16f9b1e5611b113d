"""What all commands share: which registry, how results are shown, progress, sizes."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar

import click

DEFAULT_REGISTRY = "corpus.prov"
MOST_ROWS = 1_000_000_000
"""The largest `--limit`; nothing that is listed has more."""


def _registry(context: click.Context, parameter: click.Parameter, value: str | None) -> Path:
    return _named_registry(context, parameter, value) or Path(DEFAULT_REGISTRY)


def _named_registry(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    named = value or context.find_root().obj or os.environ.get("PROV_DB")
    return Path(named) if named else None


registry_option = click.option(
    "--registry",
    metavar="FILE",
    callback=_registry,
    help="The registry to use.  [default: $PROV_DB, else ./corpus.prov]",
)


def named_registry_option(help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same for a command that can do without a registry: None where none is named."""
    return click.option(
        "--registry", metavar="FILE", callback=_named_registry, help=f"{help}  [default: $PROV_DB, if set]"
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def fail_on_option(*findings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option `--fail-on`, for a command that may find these; `conclude` acts on it."""
    return click.option(
        "--fail-on",
        type=click.Choice([*findings, "any"]),
        multiple=True,
        help="Exit 3 where this is found; may be given several times.",
    )


def conclude(found: Mapping[str, int], fail_on: Sequence[str]) -> None:
    """End the command with exit 3 where something is found that `--fail-on` names.

    Args:
        found: how often there is of each finding.
    """
    if any(count and {name, "any"} & set(fail_on) for name, count in found.items()):
        raise SystemExit(3)


class Size(click.ParamType[int]):
    """A whole number that may end in K, M, G or T (powers of a thousand), and in B for bytes."""

    name = "size"
    _FACTORS: ClassVar[dict[str, int]] = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]+)(?:\.([0-9]+))?([KMGT]?)B?", str(value).strip().replace("_", "").upper())
        if not found:
            self.fail(f"{value!r} is no size: wanted a whole number such as 1000, 5M or 1GB", parameter, context)
        factor = self._FACTORS[found[3]]
        decimals = found[2] or ""
        number, part = divmod(int(found[1] + decimals) * factor, int(10 ** len(decimals)))
        if part:
            self.fail(f"{value!r} is no whole number", parameter, context)
        return number


class Share(click.ParamType[float]):
    """A share from 0 to 1, written as a number or in percent."""

    name = "share"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1))
        except (InvalidOperation, OverflowError):
            share = -1.0
        if not 0 <= share <= 1:  # not a number neither
            self.fail(f"{value!r} is no share: wanted a number from 0 to 1, or percent such as 20%", parameter, context)
        return share


def as_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON; digests in hex, times and the like as they are written."""
    return json.dumps(
        value, ensure_ascii=False, indent=indent, default=lambda odd: odd.hex() if isinstance(odd, bytes) else str(odd)
    )


def show_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    click.echo(as_json(value, indent=2))


def show_line(value: Any) -> None:
    """Print a value as one line of JSON on stdout."""
    click.echo(as_json(value))


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as a table on stdout, numbers to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = columns or list(rows[0] if rows else ())
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in names:
        numeric = any(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(row[name])) for name in names))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 1_000).print(table)


def plain(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def say(message: str) -> None:
    """Talk to the person at the terminal, on stderr."""
    click.echo(message, err=True)


@contextmanager
def progress(total: int | None, what: str, measure: Callable[[], int] | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with count, rate and time left; none where stderr is no terminal.

    Args:
        total: what the whole comes to, None where nobody knows.
        what: what is counted.
        measure: how much of the total is done, where that is another unit than the one that is counted.
    """
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn("{task.fields[count]:,} " + what + ", {task.fields[rate]:,.0f}/s,"),
        TimeElapsedColumn(),
        TextColumn("so far,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=total, count=0, rate=0.0)
        count = 0

        def advance(more: int) -> None:
            nonlocal count
            count += more
            rate = count / max(bar.tasks[0].elapsed or 0.0, 0.001)
            bar.update(task, completed=measure() if measure else count, count=count, rate=rate)

        yield advance
