"""The memory: every text of a corpus with its origin, kept in DuckDB. It may import provenance, never trainer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.declare import Statement
    from registry.mix import MixSpec, Stratum, ratio, real_frac
    from registry.registry import Registry
    from registry.rows import Declared
    from registry.where import Where
    from registry.writers import Export

__all__ = ["Declared", "Export", "MixSpec", "Registry", "Statement", "Stratum", "Where", "ratio", "real_frac"]

_HOMES = {"Declared": "rows", "Export": "writers", "Registry": "registry", "Statement": "declare", "Where": "where"}


def __getattr__(name: str) -> Any:
    """Load what is asked for only then: the commands' help must not wait for DuckDB."""
    if name not in __all__:
        raise AttributeError(f"module 'registry' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"registry.{_HOMES.get(name, 'mix')}"), name)
