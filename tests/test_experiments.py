"""Experiments in a registry: kept once, sealed by the chain, the same however many registries they were run in."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from provenance.errors import NotFound
from registry import Registry
from registry.experiments import measure

DIGEST = bytes(range(32))


def measured(values: dict[tuple[str, int, int], float]) -> pa.Table:
    rows = [
        {"arm": arm, "generation": generation, "repeat": repeat, "metric": "variance", "value": value}
        for (arm, generation, repeat), value in values.items()
    ]
    schema = {"arm": pa.string(), "generation": pa.int32(), "repeat": pa.int32(), "metric": pa.string()}
    return pa.Table.from_pylist(rows, schema=pa.schema([*schema.items(), ("value", pa.float64())]))


REPLACE = measured({("replace", 1, 0): 1.0, ("replace", 2, 0): 0.5})
KEPT = measured({("accumulate", 1, 0): 1.0, ("accumulate", 2, 0): math.nan})


def drawn(measured: pa.Table) -> pa.Table:
    """A picture of each generation."""
    svg = [f"<svg>{arm} {generation}</svg>" for arm, generation in zip(*map(measured.column, KEYS[:2]), strict=True)]
    return measured.select(KEYS).append_column("svg", pa.array(svg))


KEYS = ["arm", "generation", "repeat"]


def keep(held: Registry, table: pa.Table) -> int:
    return measure(held, DIGEST, "first", {"name": "first"}, table, drawn(table))


def test_what_was_measured_is_kept_once_and_sealed(corpus: Registry) -> None:
    assert keep(corpus, REPLACE) == 2
    head = corpus.head()
    assert keep(corpus, REPLACE) == 0
    assert corpus.head() == head
    assert keep(corpus, pa.concat_tables([REPLACE, KEPT])) == 2
    assert corpus.measured_repeats(DIGEST) == {("replace", 0): 2, ("accumulate", 0): 2}
    assert corpus.verify().holds


def test_a_model_that_has_died_is_kept_as_not_a_number(corpus: Registry) -> None:
    keep(corpus, KEPT)
    values = corpus.measurements(DIGEST).column("value").to_pylist()
    assert values[0] == 1.0
    assert math.isnan(values[1])


def test_another_value_of_a_measurement_is_found(corpus: Registry) -> None:
    keep(corpus, REPLACE)
    corpus.connection.execute("UPDATE measurement SET value = 0.9 WHERE generation = 2")
    assert "what it declared was changed" in str(corpus.verify().findings)


def test_what_models_wrote_is_kept_once_and_sealed(corpus: Registry) -> None:
    keep(corpus, REPLACE)
    keep(corpus, pa.concat_tables([REPLACE, KEPT]))
    rows = corpus.pictures(DIGEST).to_pylist()
    assert [(row["arm"], row["generation"]) for row in rows] == [
        *(("accumulate", 1), ("accumulate", 2)),
        *(("replace", 1), ("replace", 2)),
    ]
    assert rows[0]["svg"] == "<svg>accumulate 1</svg>"
    assert corpus.pictures(bytes(32)).num_rows == 0
    assert corpus.verify().holds
    corpus.connection.execute("UPDATE picture SET svg = '<svg/>' WHERE generation = 2 AND arm = 'replace'")
    assert "what it declared was changed" in str(corpus.verify().findings)


def test_cells_run_in_registries_of_their_own_merge_to_what_one_run_gives(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "whole.prov") as whole:
        keep(whole, pa.concat_tables([REPLACE, KEPT]))
        wanted, looked_at = whole.measurements(DIGEST), whole.pictures(DIGEST)
    for name, table in (("a", REPLACE), ("b", KEPT)):
        with Registry.create(tmp_path / f"{name}.prov") as part:
            keep(part, table)
    with Registry.open(tmp_path / "a.prov") as joined:
        added = joined.merge(tmp_path / "b.prov").added
        assert (added["experiments"], added["measurements"], added["pictures"]) == (0, 2, 2)
        assert str(joined.measurements(DIGEST).to_pylist()) == str(wanted.to_pylist())
        assert joined.pictures(DIGEST).equals(looked_at)
        again = joined.merge(tmp_path / "b.prov").added
        assert (again["measurements"], again["pictures"]) == (0, 0)
        assert joined.verify().holds


def test_experiments_are_listed_shown_and_found(corpus: Registry) -> None:
    keep(corpus, REPLACE)
    (row,) = corpus.list("experiments")
    assert (row["name"], row["arms"], row["repeats"], row["generations"]) == ("first", 1, 1, 2)
    assert corpus.show("first")[0]["kind"] == "experiments"
    assert corpus.find_experiment(DIGEST.hex()[:8])["spec"] == {"name": "first"}
    with pytest.raises(NotFound, match="no experiment 'second': there is first"):
        corpus.find_experiment("second")
