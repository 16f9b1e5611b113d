"""Tables in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from provenance.console import plain


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same columns as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([plain(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
