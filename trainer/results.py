"""Results: what experiments measured, a row for each arm, generation, repeat and metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

MEASUREMENT = pa.schema(
    [
        ("arm", pa.string()),
        ("generation", pa.int32()),
        ("repeat", pa.int32()),
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
)
"""A row a measurement; NaN where a model had died: a recorded fact."""

PICTURE = pa.schema([*list(MEASUREMENT)[:3], ("svg", pa.string())])
"""A row a picture of what the model of a generation writes."""

ORDER = [(name, "ascending") for name in ("arm", "generation", "repeat", "metric")]
"""How the rows of results are sorted."""


def measured_rows(arm: str, metric: str, values: Any, generation: int = 1, repeat: int = 0) -> pa.Table:
    """What was measured of a metric, as rows of `MEASUREMENT`.

    Args:
        values: (repeats, generations), NaN where a model had died.
        generation, repeat: the first of them.
    """
    matrix = np.asarray(values, float)
    repeats, generations = np.indices(matrix.shape)
    columns = {
        "arm": pa.repeat(arm, matrix.size),
        "generation": pa.array(generation + generations.ravel(), pa.int32()),
        "repeat": pa.array(repeat + repeats.ravel(), pa.int32()),
        "metric": pa.repeat(metric, matrix.size),
        "value": pa.array(matrix.ravel(), pa.float64(), from_pandas=False),
    }
    return pa.table(columns, MEASUREMENT)


EXPERIMENT, PICTURES = b"prov.experiment", b"prov.pictures"
"""Where the metadata of a Parquet file of results has its experiment, and its pictures, as JSON."""


class Picture(NamedTuple):
    """What the model of a generation writes, to look at."""

    arm: str
    generation: int
    repeat: int
    svg: str


class Found(NamedTuple):
    """What came of some generations: measurements as `MEASUREMENT`, and pictures."""

    measurements: pa.Table
    pictures: list[Picture]


@dataclass(frozen=True)
class Results:
    """What an experiment measured.

    Attributes:
        experiment: its name, digest, arms and plan, as plain JSON: `{"name", "digest", "command", "arms": [{"name",
            "testbed", "testbed_parameters", "schedule", "schedule_parameters", "generations", "size", "repeats",
            "seed", "theory": [{"generation", "metric", "value"}], "plan": [{"generation", "origin",
            "of_generation", "documents"}]}]}`.
        measurements: as `MEASUREMENT`, sorted by arm, generation, repeat and metric.
        pictures: of what models wrote, where there is something to look at.
    """

    experiment: dict[str, Any]
    measurements: pa.Table
    pictures: Sequence[Picture] = ()

    def table(self) -> pa.Table:
        """The measurements with the experiment in their metadata, as a Parquet file holds them."""
        told = {EXPERIMENT: self.experiment} | ({PICTURES: list(self.pictures)} if self.pictures else {})
        return self.measurements.replace_schema_metadata({name: json.dumps(held) for name, held in told.items()})

    @classmethod
    def of_table(cls, table: pa.Table) -> Results:
        """What `table` made."""
        held = table.schema.metadata or {}
        pictures = [Picture(*fields) for fields in json.loads(held.get(PICTURES, b"[]"))]
        return cls(json.loads(held[EXPERIMENT]), table.select(MEASUREMENT.names).cast(MEASUREMENT), pictures)
