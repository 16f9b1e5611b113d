"""Experiments: what was tried, and what it measured, kept with the corpus that it was tried on."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from provenance.errors import Ambiguous, NotFound
from provenance.origin import canonical
from registry.lineage import find_manifest
from registry.store import Store


def measure(
    store: Store,
    digest: bytes,
    name: str,
    spec: Mapping[str, Any],
    measured: pa.Table,
    pictures: pa.Table | None = None,
) -> int:
    """Keep what an experiment measured, as one batch; what is known already is no news.

    Args:
        digest: of the experiment (32 bytes).
        spec: all that the experiment is, as plain JSON.
        measured: arm, repeat, generation, metric, value; NaN where a model had died.
        pictures: arm, repeat, generation, svg: what its models wrote, to look at.
    Returns:
        How many measurements were new.
    """
    with store.batch("measure") as batch:
        experiment_id = store.ask_value("experiment_id", digest=digest.hex())
        if experiment_id is None:
            given = {"digest": digest.hex(), "name": name, "spec": canonical(spec).decode()}
            store.run("insert_experiment", batch_id=batch.batch_id, **given)
            experiment_id = store.ask_value("experiment_id", digest=digest.hex())
        with store.lend(measured=measured):
            added: int = store.ask_value("insert_measurements", experiment_id=experiment_id, batch_id=batch.batch_id)
        if pictures:
            with store.lend(pictured=pictures):
                store.run("insert_pictures", experiment_id=experiment_id, batch_id=batch.batch_id)
        if not added:
            batch.abandon()
    return added


def measured_repeats(store: Store, digest: bytes) -> dict[tuple[str, int], int]:
    """The last generation that is kept of each repeat of an experiment, by the name of its arm and its number."""
    return {(arm, repeat): last for arm, repeat, last in store.ask("measured_repeats", digest=digest.hex())}


def measurements(store: Store, digest: bytes) -> pa.Table:
    """All that an experiment measured: arm, generation, repeat, metric, value, in this order."""
    return store.ask_table("measurements", digest=digest.hex())


def pictures(store: Store, digest: bytes) -> pa.Table:
    """What the models of an experiment wrote, to look at: arm, generation, repeat, svg, in this order."""
    return store.ask_table("pictures", digest=digest.hex())


def find_experiment(store: Store, wanted: str) -> dict[str, Any]:
    """The digest, name and spec of an experiment, by its name or the start of its digest.

    Raises:
        NotFound, Ambiguous: there is none, or there are several.
    """
    known = store.ask_records("list_experiments", limit=None)
    found = [row for row in known if row["name"] == wanted or (len(wanted) >= 4 and row["digest"].startswith(wanted))]
    if not found:
        raise NotFound("experiment", wanted, {row["name"] for row in known})
    if len(found) > 1:
        raise Ambiguous("experiment", wanted, (row["digest"][:12] for row in found))
    return found[0] | {"spec": json.loads(found[0]["spec"])}


# -- what models learn from


def human_texts(store: Store, most: int | None = None) -> list[str]:
    """The texts of human documents that nothing holds out or withdraws, in the order of the documents' digests.

    Args:
        most: how many at most; None for all.
    """
    store.run("stage_withdrawn")
    return [text for (text,) in store.ask("human_contents", most=most)]


def held_out_texts(store: Store) -> list[str]:
    """The human texts that are held out, in the order of their digests."""
    return [text for (text,) in store.ask("held_out_texts")]


def drawable(store: Store, model: str) -> int:
    """How many documents a model of a name has written whose texts no rule keeps out of mixes."""
    store.run("stage_withdrawn")
    count: int = store.ask_value("count_drawable", name=model)
    return count


def strata(store: Store, mix: str) -> list[int]:
    """Of which stratum of its spec each text of a mix is, in its order; as many as there are texts left."""
    mix_id, _ = find_manifest(store, mix)
    return [stratum for (stratum,) in store.ask("mix_strata", mix_id=mix_id)]
