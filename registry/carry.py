"""Lineage that travels: the runs, models and mixes behind an export, written beside it and learnt from it.

Each record is checked against the digest that names it, so nothing can be slipped into a lineage on the way.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.errors import ProvError
from provenance.origin import canonical, model_digest, run_digest
from registry.store import Batch, Store

FOLDER = "lineage"
RECORDS = "records.json"
MANIFESTS = "manifests.parquet"
KINDS = ("models", "mixes", "runs")


@dataclass(frozen=True)
class Carried:
    """The lineage that came along with a folder."""

    models: list[dict[str, Any]]
    mixes: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    manifests: pa.Table


def is_record(file: Path) -> bool:
    """Whether a file is one of those that `write_records` wrote, and no input of its own."""
    return file.parent.name == FOLDER and file.name in (RECORDS, MANIFESTS)


class BrokenLineage(ProvError):
    """A carried record that does not match its digest."""

    def __init__(self, kind: str, digest: str) -> None:
        super().__init__(
            f"the lineage that came along is broken: {kind} {digest[:12]} does not match its digest; "
            "export it anew, or take the data in without the folder lineage/"
        )


def write_records(store: Store, folder: Path) -> None:
    """Write the models, mixes and runs in the table `ancestor` into a folder, with every manifest."""
    records = {kind: store.ask_records(f"ancestor_{kind}") for kind in KINDS}
    # A model that is known by its digest alone proves nothing; whoever reads the texts will know as much of it.
    records["models"] = [model for model in records["models"] if _digest_of(model).hex() == model["digest"]]
    (folder / RECORDS).write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    manifests = store.ask_table("ancestor_manifests")
    pq.write_table(manifests, folder / MANIFESTS, compression="zstd")


def read_records(folder: Path) -> Carried | None:
    """The lineage that lies in a folder which an export wrote; None where there is none.

    Raises:
        BrokenLineage: a record does not match its digest.
        ProvError: a file of it cannot be read.
    """
    if not (folder / FOLDER / RECORDS).exists():
        return None
    try:
        records = json.loads((folder / FOLDER / RECORDS).read_text(encoding="utf-8"))
        carried = Carried(
            **{kind: records[kind] for kind in KINDS}, manifests=pq.read_table(folder / FOLDER / MANIFESTS)
        )
        _check(carried)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ProvError(f"cannot read the lineage in {folder / FOLDER}: {error}; export it anew") from error
    return carried


def _check(carried: Carried) -> None:
    manifests = _manifest_digests(carried.manifests)
    for mix in carried.mixes:
        if mix["spec"] is not None:
            content = canonical(json.loads(mix["spec"])) + manifests.get(mix["digest"], b"")
            _match("mix", mix["digest"], hashlib.sha256(content).digest())
    for model in carried.models:
        _match("model", model["digest"], _digest_of(model))
    for run in carried.runs:
        _match(
            "run",
            run["digest"],
            run_digest(
                run["kind"],
                bytes.fromhex(run["model"]),
                _bytes(run["mix"]),
                _json(run["spec"]),
                run["seed"],
                _bytes(run["tokenizer"]),
            ),
        )


def _digest_of(model: dict[str, Any]) -> bytes:
    return model_digest(
        model["name"],
        model["declared"],
        _bytes(model["base"]),
        _bytes(model["mix"]),
        _json(model["spec"]),
        model["seed"],
    )


def _manifest_digests(manifests: pa.Table) -> dict[str, bytes]:
    joined: dict[str, bytearray] = {}
    for batch in manifests.sort_by([("mix", "ascending"), ("position", "ascending")]).to_batches():
        for mix, document in zip(batch.column("mix").to_pylist(), batch.column("document").to_pylist(), strict=True):
            joined.setdefault(mix, bytearray()).extend(bytes.fromhex(document))
    return {mix: bytes(documents) for mix, documents in joined.items()}


def _match(kind: str, digest: str, found: bytes) -> None:
    if found.hex() != digest:
        raise BrokenLineage(kind, digest)


def _bytes(digest: str | None) -> bytes | None:
    return bytes.fromhex(digest) if digest else None


def _json(text: str | None) -> Any:
    return json.loads(text) if text is not None else None


def learn(store: Store, batch: Batch, carried: Carried) -> int:
    """Fill in what the registry did not know of models, mixes and runs, once their documents are held.

    Returns:
        How many records were learnt.
    Raises:
        ProvError: a mix holds a document that neither the registry nor the folder has.
    """
    lent = {kind: pa.Table.from_pylist(getattr(carried, kind), schema=schema) for kind, schema in _SCHEMAS.items()}
    with store.lend(**{f"carried_{kind}": table for kind, table in lent.items()}, carried_manifests=carried.manifests):
        if missing := store.ask_one("carried_missing"):
            raise ProvError(
                f"mix {missing[0][:12]} holds {missing[1]:,} documents that did not come along: "
                "take in the whole folder that was exported --with-lineage"
            )
        learnt: int = sum(
            store.ask_value(name, **params)
            for name, params in (
                ("learn_new_mixes", {"made_at": batch.made_at, "batch_id": batch.batch_id}),
                ("learn_new_models", {"batch_id": batch.batch_id}),
                ("learn_manifests", {}),
                ("learn_mixes", {}),
                ("learn_models", {}),
                ("forget_guessed_runs", {}),
                ("learn_known_runs", {}),
                ("learn_new_runs", {"batch_id": batch.batch_id}),
            )
        )
    return learnt


_TEXTS = {
    "models": ("name", "digest", "base", "mix", "spec", "path"),
    "mixes": ("digest", "spec"),
    "runs": ("digest", "kind", "model", "mix", "spec", "tokenizer"),
}
_NUMBERS = {"models": ("declared", "seed"), "mixes": ("seed",), "runs": ("seed",)}
_SCHEMAS = {
    kind: pa.schema([*((name, pa.string()) for name in names), *((name, pa.int64()) for name in _NUMBERS[kind])])
    for kind, names in _TEXTS.items()
}
