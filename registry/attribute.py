"""Attributing: what is inferred of documents of unknown origin, and the detectors that help with it.

Nothing that was declared changes: an attribution stands beside its document, and whoever reads it sees why.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyRelation

from provenance.attribution import (
    IDENTITY_WORDS,
    KINDS,
    Attribution,
    Detector,
    check_prior,
    copied,
    dated,
    declared,
    detected,
    fuse,
    judged,
)
from provenance.errors import NotFound, ProvError
from provenance.features import READ_CHARS
from provenance.origin import canonical
from registry.barred import stage_barred
from registry.fingerprints import refuse_bare, wanted_sketcher
from registry.matching import matching
from registry.mix import MAX_SEED, round_keys
from registry.near import Nearness, find_near, seek_among
from registry.schema import question
from registry.store import Progress, Store, silent
from registry.where import Where

if TYPE_CHECKING:
    from provenance.detector import LogisticDetector
    from provenance.detector_training import Labelled

BATCH = "attribute"
"""The kind of the batches in which detectors are kept, and attributions."""

PART_BYTES = 8_000_000
"""Texts of about so many bytes are judged at a time."""

SAMPLE = 20_000
"""So many texts are learnt from at most, half of each origin."""

_ATTRIBUTED = pa.schema(
    [
        *(("document_id", pa.int64()), ("p_model", pa.float64()), ("evidence", pa.string())),
        ("kinds", pa.list_(pa.string())),
    ]
)


# -- detectors


def train_detector(
    store: Store,
    name: str = "logistic",
    *,
    where: Where | str | None = None,
    seed: int = 0,
    folds: int = 5,
    sample: int = SAMPLE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a detector on documents whose origin is declared to be human or model, and keep it as one batch.

    What no mix may draw it never sees, nor a text that is told to be both. Of a text with a prompt, what comes after
    the prompt is learnt from, and it is never judged by what learnt from its prompt.

    Args:
        where: learn from the documents that this lets through.
        sample: from so many texts at most, half of each origin.
        progress: called with the number of texts read since the last call; each is read several times.
    Returns:
        Its `report`, as `provenance.detector_training.train` says, its `name`, its `digest`, its size in `bytes`, and
        whether it is `new` here.
    Raises:
        TooFewTexts: fewer than fifty texts of one origin may be learnt from.
    """
    from provenance.detector_training import train

    refuse_bare(store)
    if not name.strip():
        raise ProvError("a detector needs a name: give one, such as --name logistic")
    if not 0 <= seed <= MAX_SEED:
        raise ProvError(f"the seed {seed} cannot be used: give a whole number from 0 to {MAX_SEED}")
    labelled = _labelled(store, where, seed, sample)
    found, report = train(labelled, name, seed, folds, progress)
    report["trained_on"] = {"where": str(where) if where is not None else None, "sample": sample}
    is_new = _keep(store, found.digest, name, found.content, canonical(report).decode())
    return {
        "name": name,
        "digest": found.digest.hex(),
        "bytes": len(found.content),
        "new": is_new,
        "report": report,
    }


def take_detector(store: Store, other: str | Path, name: str | None = None) -> str:
    """Take over a detector that another registry trained, the newest or that of a name; returns its name.

    Raises:
        NotFound: the other registry holds none, or none of that name.
        BrokenDetector: what it holds is none that can be used.
    """
    with Store.open(other, read_only=True) as held:
        found = find_detector(held, name)
    if found is None:
        raise ProvError(f"{other} holds no detector: train one there with `prov attribute --train`")
    detector, report = found
    _keep(store, detector.digest, detector.name, detector.content, canonical(report).decode())
    return detector.name


def _keep(store: Store, digest: bytes, name: str, content: bytes, report: str) -> bool:
    """Keep a detector as a batch of its own; whether it was not held before."""
    with store.batch(BATCH) as batch:
        is_new = digest.hex() not in {row["digest"] for row in detectors(store)}
        if is_new:
            kept = {"digest": digest.hex(), "name": name, "content": content, "report": report}
            store.run("insert_detector", batch_id=batch.batch_id, **kept)
        else:
            batch.abandon()
    return is_new


def _labelled(store: Store, where: Where | str | None, seed: int, sample: int) -> "Labelled":
    from provenance.detector_training import Labelled

    stage_barred(store)
    keys = {f"key{n}": pa.array([key], pa.uint64()) for n, key in enumerate(round_keys(seed, "label"))}
    with (
        store.lend(asked_for=_documents(store, where), label_key=pa.table(keys)),
        store.lend(learnable=_relation(store, "learnable_documents")),
        store.lend(seeded=_relation(store, "labelled_documents")),
        store.lend(placed=_relation(store, "placed")),
    ):
        store.run("stage_labelled", most=sample // 2)
    rows = store.ask_table("labelled_texts", chars=READ_CHARS).to_pydict()
    is_model = np.array(rows["is_model"], np.bool_)
    return Labelled(rows["text"], is_model, rows["generator"], rows["root"])


def detectors(store: Store) -> list[dict[str, Any]]:
    """The detectors that are held, the newest first: digest, name and when each was trained."""
    return store.ask_records("list_detectors")


def find_detector(store: Store, name: str | None = None) -> "tuple[LogisticDetector, dict[str, Any]] | None":
    """The newest detector, of a name if one is given, and its report; None where none is held and none is asked for.

    Raises:
        NotFound: there is none of that name.
        BrokenDetector: what is stored is none that can be used.
    """
    from provenance.detector import LogisticDetector

    row = store.ask_one("detector", name=name)
    if row is None:
        if name is not None:
            raise NotFound("detector", name, {held["name"] for held in detectors(store)})
        return None
    digest, held_name, content, report = row
    return LogisticDetector.of_content(content, digest, held_name), json.loads(report)


# -- attributing


@dataclass(frozen=True)
class Attributed:
    """What attributing came to; the temporary table `attributed` holds it of every document.

    Attributes:
        documents: so many are of unknown origin; changed: so many of them were attributed otherwise before, or not.
        without_evidence: so many have the prior alone.
        expected: how many of them are expected to be a model's.
        bands: documents by their probability, in tenths.
        kinds: of how many documents there is evidence of each kind.
        detector: the name and digest of the one that was asked, if there is one.
        near: whether near-duplicates were looked for.
    """

    documents: int
    changed: int
    without_evidence: int
    expected: float
    bands: list[dict[str, Any]]
    kinds: dict[str, int]
    prior: float
    detector: dict[str, Any] | None
    near: dict[str, Any] | None

    def summary(self) -> dict[str, Any]:
        return dict(vars(self))


def attribute(
    store: Store,
    near: Nearness | None = None,
    *,
    where: Where | str | None = None,
    detector: str | None = None,
    prior: float = 0.5,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Attributed:
    """Infer of every document of unknown origin how probably a model wrote it, and keep what has changed as one batch.

    `provenance.attribution` says what is evidence and how much it weighs. What was attributed before is compared with
    what is inferred now: a document whose probability and evidence are the same gets no new row.

    Args:
        near: what is near to a text of known origin; None looks for the same texts alone.
        where: of the documents that this lets through; those of known origin are passed over.
        detector: the name of the detector to ask; the newest where none is named.
        prior: how probable a model is before any evidence.
        progress: called with the number of documents done since the last call.
    Raises:
        NotFound: there is no detector of that name.
        NoFingerprints, ProvError: near ones are sought, and not all texts have fingerprints.
    """
    check_prior(prior)
    held = find_detector(store, detector)
    with store.lend(asked_for=_documents(store, where)):
        store.run("stage_attributing", part_bytes=PART_BYTES)
    _find_copies(store, near)
    _infer(store, held[0] if held else None, prior, progress)
    store.run("stage_changed")
    changed: int = store.ask_value("count_changed")
    if changed and not dry_run:
        with store.batch(BATCH) as batch:
            store.run("insert_attributions", batch_id=batch.batch_id)
            batch.documents = changed
    counts = store.ask_records("attributed_totals")[0]
    kinds = dict(store.ask("attributed_kinds"))
    return Attributed(
        **counts,
        changed=changed,
        bands=store.ask_records("attributed_bands"),
        kinds={kind: kinds[kind] for kind in KINDS if kind in kinds},
        prior=prior,
        detector={"name": held[0].name, "digest": held[0].digest.hex()} if held else None,
        near=vars(near) if near else None,
    )


def attributed_documents(store: Store, limit: int | None) -> list[dict[str, Any]]:
    """What `attribute` inferred last of each document, the most surely a model's first."""
    rows = store.ask_records("attributed_documents", limit=limit)
    return [row | {"evidence": _items(row["evidence"])} for row in rows]


def attribution_of(store: Store, document_id: int) -> dict[str, Any] | None:
    """What is inferred of one document: `p_model`, the `prior`, the `evidence`, and when; None where nothing is."""
    rows = store.ask_records("attribution_of", document_id=document_id)
    if not rows:
        return None
    held = json.loads(rows[0]["evidence"])
    return {
        "p_model": rows[0]["p_model"],
        "prior": held["prior"],
        "evidence": held["items"],
        "made_at": rows[0]["made_at"],
    }


def _items(evidence: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(evidence)["items"]
    return items


def _find_copies(store: Store, near: Nearness | None) -> None:
    """Leave in the temporary table `copy` what of known origin the texts of unknown origin are copies of."""
    store.run("stage_near")
    if near:
        made = wanted_sketcher(store)
        asked = store.ask_table("attributing_texts", words=IDENTITY_WORDS)
        if asked.num_rows:
            seek_among(store, made, store.ask_table("known_texts"), asked)
            find_near(store, made, near, bands=near.cheapest_bands(made), across=True)
    nearness = near or Nearness(1.0)
    bounds = {"threshold": nearness.threshold, "containment": nearness.containment}
    store.run("stage_copy", words=IDENTITY_WORDS, **bounds)


def _infer(store: Store, detector: Detector | None, prior: float, progress: Progress) -> None:
    store.run("stage_attributed")
    for (part,) in store.ask("attributing_parts"):
        rows = store.ask_table("attributing_part", part=part, chars=READ_CHARS).to_pylist()
        ratios = _ratios(detector, rows)
        told = [(row["document_id"], _inferred(row, detector, ratios, prior)) for row in rows]
        store.insert("attributed", pa.Table.from_pylist([_row(*one) for one in told], _ATTRIBUTED))
        progress(len(rows))


def _ratios(detector: Detector | None, rows: list[dict[str, Any]]) -> dict[int, float]:
    """What the detector makes of each text, by its local id; a text that was erased has nothing to say."""
    texts = {row["text_id"]: row["content"] for row in rows if row["content"] is not None}
    if not detector or not texts:
        return {}
    return dict(zip(texts, detector.score(list(texts.values())).tolist(), strict=True))


def _inferred(row: Mapping[str, Any], detector: Detector | None, ratios: dict[int, float], prior: float) -> Attribution:
    items = [declared(said["origin"], said["by"], said["standing"]) for said in row["declared"] or ()]
    if row["best"]:
        best = row["best"]
        items.append(detected(best["p"], row["keys"], f"{best['key']} ({best['scheme']})"))
    items += [copied(copy["origin"], copy["is_exact"], _named(copy), _alike(copy)) for copy in row["copied"] or ()]
    early = dated(row["created_at"]) if row["created_at"] else None
    opinion = judged(ratios[row["text_id"]], detector) if detector and row["text_id"] in ratios else None
    return fuse(prior, [*items, early, opinion])


def _named(copy: Mapping[str, Any]) -> str:
    by = f" by {copy['generator']}" if copy["generator"] else ""
    return f"document {copy['item']} ({copy['digest']}){by}"


def _alike(copy: Mapping[str, Any]) -> str:
    if copy["is_exact"]:
        return ""
    held = f", {copy['share']:.2f} of it held there" if copy["share"] is not None else ""
    return f": Jaccard {copy['jaccard']:.2f}{held}"


def _row(document_id: int, found: Attribution) -> dict[str, Any]:
    kinds = [item.kind for item in found.items]
    evidence = found.model_dump_json()
    return {"document_id": document_id, "p_model": found.p_model, "evidence": evidence, "kinds": kinds}


# -- among which documents


def _documents(store: Store, where: Where | str | None) -> DuckDBPyRelation:
    """The documents that a filter lets through, or all: one column, `document_id`."""
    if where is None:
        return _relation(store, "all_documents")
    matching(store, Where.parse(where) if isinstance(where, str) else where)
    return store.connection.table("matching")


def _relation(store: Store, name: str) -> DuckDBPyRelation:
    return store.connection.sql(question(name))
