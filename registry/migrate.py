"""Migrating: an older registry gets the schema of today, and a copy keeps what it was."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.errors import ProvError
from registry.copying import replacing, translated
from registry.handed_out import note_handed_out
from registry.schema import SchemaMismatch, migrations, missing
from registry.store import Clock, Store, utc_now


@dataclass(frozen=True)
class Migrated:
    """What migrating came to: from which schema to which, and where the copy of what was lies."""

    before: int
    after: int
    steps: list[str]
    copy: Path | None

    def summary(self) -> dict[str, Any]:
        return {**vars(self), "copy": str(self.copy) if self.copy else None}


@dataclass(frozen=True)
class _State:
    """What a file holds, as far as its chain and its schema tell."""

    version: int
    applied: list[tuple[int, bytes]]
    head: bytes | None
    registry: str | None


def migrate(path: str | os.PathLike[str], dry_run: bool = False, clock: Clock = utc_now) -> Migrated:
    """Copy a registry, then give it the migrations that it lacks, each in a transaction of its own.

    The copy is noted among the files that were handed out: an erasure lists it, for all texts are in it.
    What a killed run left is gone on with; a registry that lacks nothing is left alone.

    Raises:
        SchemaMismatch: it is of a newer schema, or of one that this version never had.
        ProvError: there is no registry, too little disk for a copy, or another file has the copy's name.
        Locked: another process holds it.
    """
    path = Path(path)
    state = _state(path)
    lacking = missing(state.applied)
    if lacking is None:
        raise SchemaMismatch(str(path), state.applied)
    copy = path.with_name(f"{path.stem}.schema-{state.version}{path.suffix}") if lacking else None
    if copy and not dry_run:
        _fold_log(path)
        _keep_copy(path, copy, state)
        _apply(path, copy, state, clock)
    return Migrated(state.version, migrations()[-1].version, [step.name for step in lacking], copy)


def _state(path: Path) -> _State:
    with Store.of_any_schema(path, read_only=True) as held:
        applied = held.applied()
        return _State(applied[-1][0] if applied else 0, applied, held.head(), held.setting("registry_id"))


def _fold_log(path: Path) -> None:
    """Bring what a killed process left in the write-ahead log into the file, so that a copy of it is whole."""
    with Store.of_any_schema(path) as held:
        held.connection.execute("CHECKPOINT")


def _keep_copy(path: Path, copy: Path, state: _State) -> None:
    if copy.exists():
        if _is_copy(copy, state):
            return
        raise ProvError(f"{copy} is in the way: the copy of {path} as it was goes there, move what is there elsewhere")
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < 2 * size:  # the copy, and what the steps write beside it
        raise ProvError(
            f"migrating {path} needs {2 * size:,} bytes of disk, there are {free:,}: make room, or migrate it elsewhere"
        )
    with translated(copy), replacing(copy) as unfinished:
        shutil.copyfile(path, unfinished)


def _is_copy(copy: Path, state: _State) -> bool:
    """Whether a file is the copy that a killed run made: the head of its chain seals all that is in it."""
    try:
        return _state(copy) == state
    except ProvError:
        return False


def _apply(path: Path, copy: Path, state: _State, clock: Clock) -> None:
    with Store.of_any_schema(path, clock=clock) as held:
        if held.head() != state.head:
            raise ProvError(f"{path} was written to while it was copied: migrate it again when nobody uses it")
        steps = missing(held.applied()) or []
        for step in steps[:-1]:
            with held.transaction():
                held.apply(step)
        with held.batch("hand out") as batch:  # in one with the last step: no killed run leaves the copy untold
            held.apply(steps[-1])
            note_handed_out(held, batch, "copy", copy)
        held.connection.execute("CHECKPOINT")
