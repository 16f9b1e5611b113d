"""Fixtures that several test modules share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import Registry


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry in a file of its own, closed afterwards."""
    with Registry.create(tmp_path / "corpus.prov") as held:
        yield held
