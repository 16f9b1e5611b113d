"""Keeping: where the results of an experiment are put, cell by cell, so that an interrupted one goes on."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.errors import ProvError
from provenance.origin import canonical
from registry.copying import replacing, translated
from registry.registry import Registry
from trainer.experiment import Cell, Experiment
from trainer.plan import learns_from, rows
from trainer.results import MEASUREMENT, ORDER, PICTURE, Found, Picture, Results

MOST_METADATA = 2**31 - 1
"""So many bytes of metadata are read, which hold the pictures: all that the format can have."""


class Keeper(Protocol):
    """Keeps the measurements of an experiment."""

    def done(self) -> dict[tuple[str, int], int]:
        """The last generation that is kept already of each repeat, by the name of its arm and its number."""

    def put(self, cell: Cell, found: Found) -> None:
        """Keep what came of a cell, whole or not at all."""

    def close(self) -> Results:
        """All that is kept, when nothing more comes for now."""


def told(experiment: Experiment, held: Registry | None, command: str | None = None) -> dict[str, Any]:
    """All that is told of an experiment beside its measurements, as `Results.experiment` has it."""
    plain = experiment.plain(held)
    for arm, row in zip(experiment.arms, plain["arms"], strict=True):
        row["plan"] = rows(learns_from(arm)[0])
    return plain | {"command": command, "spec": experiment.spec()}


class InFile:
    """A Parquet file; what is done before the end stands beside it, in a folder of parts."""

    def __init__(
        self, path: Path, experiment: Experiment, held: Registry | None = None, command: str | None = None
    ) -> None:
        if path.is_dir():
            raise ProvError(f"{path} is a folder: name a file to keep the results in")
        if not path.parent.is_dir():
            raise ProvError(f"no folder {path.parent} to write {path.name} in: make it first")
        self.path, self.experiment, self.registry, self.command = path, experiment, held, command
        self.parts = path.with_name(f".{path.name}.parts")
        self.held, self.pictures = MEASUREMENT.empty_table(), list[Picture]()
        self.before: Results | None = None
        if path.exists():
            self.before = self._check(read_results(path))
            self.held, self.pictures = self.before.measurements, [*self.before.pictures]
        elif not os.access(path.parent, os.W_OK):
            raise ProvError(f"{path.parent} may not be written, so nothing can be kept: name a file elsewhere")
        in_file = self.done().keys()
        for part in sorted(self.parts.glob("*.parquet")) if self.parts.is_dir() else ():
            found = self._check(read_results(part))
            measured = found.measurements
            if (measured["arm"][0].as_py(), measured["repeat"][0].as_py()) not in in_file:  # killed while tidying up
                self._add(Found(measured, [*found.pictures]))

    def _check(self, found: Results) -> Results:
        if found.experiment["digest"] != self.experiment.digest.hex():
            raise ProvError(
                f"{self.path} holds another experiment, {found.experiment['name']} {found.experiment['digest'][:12]}: "
                "name another file, or remove it"
            )
        return found

    def done(self) -> dict[tuple[str, int], int]:
        last = self.held.group_by(["arm", "repeat"]).aggregate([("generation", "max")]).to_pylist()
        return {(row["arm"], row["repeat"]): row["generation_max"] for row in last}

    def _add(self, found: Found) -> None:
        self.held = pa.concat_tables([self.held, found.measurements])
        self.pictures += found.pictures

    def put(self, cell: Cell, found: Found) -> None:
        name = hashlib.sha256(canonical(cell.model_dump(mode="json"))).hexdigest()[:16]
        with translated(self.parts):
            self.parts.mkdir(exist_ok=True)
        whose = {"name": self.experiment.name, "digest": self.experiment.digest.hex()}
        self._write(self.parts / f"{name}.parquet", Results(whose, *found))
        self._add(found)

    def _write(self, path: Path, results: Results) -> None:
        with translated(path), replacing(path) as unfinished:
            pq.write_table(results.table(), unfinished)

    def close(self) -> Results:
        if self.before and not self.parts.is_dir():
            return self.before
        told_of = told(self.experiment, self.registry, self.command)
        results = Results(told_of, self.held.sort_by(ORDER), sorted(self.pictures))
        if self.parts.is_dir():
            self._write(self.path, results)
            shutil.rmtree(self.parts, ignore_errors=True)
        return results


def read_results(path: Path) -> Results:
    """The results in a Parquet file.

    Raises:
        ProvError: there is none, or it is no file of results.
    """
    if not path.is_file():
        raise ProvError(f"no results at {path}: name a file that `prov simulate` wrote")
    try:
        table = pq.read_table(path, thrift_string_size_limit=MOST_METADATA)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ProvError(
            f"{path} cannot be read as Parquet: {reason}; name a file that `prov simulate` wrote, or a new one"
        ) from error
    try:
        results = Results.of_table(table)
        results.experiment["name"], results.experiment["digest"]
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ProvError(f"{path} holds no results: name a file that `prov simulate` wrote, or a new one") from error
    return results


class InRegistry:
    """The tables of a registry."""

    def __init__(self, held: Registry, experiment: Experiment) -> None:
        self.held, self.experiment = held, experiment

    def done(self) -> dict[tuple[str, int], int]:
        return self.held.measured_repeats(self.experiment.digest)

    def put(self, cell: Cell, found: Found) -> None:
        drawn = pa.Table.from_pylist([picture._asdict() for picture in found.pictures], PICTURE)
        spec = self.experiment.model_dump(mode="json")
        self.held.measure(self.experiment.digest, self.experiment.name, spec, found.measurements, drawn)

    def close(self) -> Results:
        return Results(
            told(self.experiment, self.held),
            self.held.measurements(self.experiment.digest).cast(MEASUREMENT),
            [Picture(**row) for row in self.held.pictures(self.experiment.digest).to_pylist()],
        )
