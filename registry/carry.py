"""Lineage that travels: the runs, models and mixes behind an export, written beside it and learnt from it.

Each record is checked against the digest that names it, and a model's digest names its base and its mix, a mix's
its documents, a document's its text and its run: nothing can be slipped into a lineage on the way. What nobody can
check (a stub: known by its digest alone) is taken as what it is, and never changes what is known. Origins,
licences and declared generations are declarations; no digest covers them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provenance.errors import ProvError
from provenance.origin import canonical, model_digest, run_digest
from registry.descent import describe_new_mixes
from registry.store import Batch, Store

FOLDER = "lineage"
RECORDS = "records.json"
MANIFESTS = "manifests.parquet"

_TEXTS = {
    "models": ("name", "digest", "base", "mix", "spec", "path"),
    "mixes": ("digest", "spec"),
    "runs": ("digest", "kind", "model", "mix", "spec", "tokenizer"),
}
_NUMBERS = {"models": ("declared", "seed", "generation"), "mixes": (), "runs": ("seed",)}
_FLAGS = {"models": ("generation_exact", "is_stub"), "mixes": ("is_stub",), "runs": ("is_stub",)}
KINDS = {
    kind: pa.schema(
        [(name, pa.string()) for name in _TEXTS[kind]]
        + [(name, pa.int64()) for name in _NUMBERS[kind]]
        + [(name, pa.bool_()) for name in _FLAGS[kind]]
    )
    for kind in _TEXTS
}
"""What a record of each kind has: digests in hex, specs as JSON text."""

_MANIFESTS = pa.schema(
    [("mix", pa.string()), ("position", pa.int64()), ("document", pa.string()), ("stratum", pa.int32())]
)


@dataclass(frozen=True)
class Carried:
    """Models, mixes and runs to be learnt, as records of `KINDS`, and the documents of the mixes in their order."""

    models: list[dict[str, Any]] = field(default_factory=list)
    mixes: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    manifests: pa.Table = field(default_factory=_MANIFESTS.empty_table)


class BrokenLineage(ProvError):
    """A carried record that does not match its digest, or what was known before."""

    def __init__(self, kind: str, digest: str, reason: str = "does not match its digest") -> None:
        self.kind, self.digest, self.reason = kind, digest, reason
        super().__init__(
            f"the lineage that came along is broken: {kind} {digest[:12]} {reason}; "
            f"export it anew, or take the data in without the folder {FOLDER}/"
        )


def is_record(file: Path) -> bool:
    """Whether a file is one of those that `write_records` wrote, and no input of its own."""
    return file.parent.name == FOLDER and file.name in (RECORDS, MANIFESTS)


# -- out


def write_records(store: Store, folder: Path) -> None:
    """Write the models, mixes and runs in the table `ancestor` into a folder, with every manifest that is whole."""
    held, erased = records(store), _with_erased(store)
    for mix in held["mixes"]:
        if mix["digest"] in erased:
            mix |= {"spec": None, "is_stub": True}
    (folder / RECORDS).write_text(json.dumps(held, ensure_ascii=False, indent=1), encoding="utf-8")
    with pq.ParquetWriter(folder / MANIFESTS, _MANIFESTS, compression="zstd") as writer:
        for batch in store.stream("ancestor_manifests"):
            writer.write_batch(batch.filter(pc.invert(pc.is_in(batch.column("mix"), pa.array(erased, pa.string())))))


def _with_erased(store: Store) -> list[str]:
    """The mixes that can travel by their digest alone, for some of their texts were erased."""
    return [digest for (digest,) in store.ask("mixes_with_erased")] if store.ask_value("any_text_missing") else []


def records(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The models, mixes and runs in the table `ancestor`, each as a record of its kind."""
    found = {kind: store.ask_records(f"ancestor_{kind}") for kind in KINDS}
    for model in found["models"]:
        model["is_stub"] = digest_of_model(model).hex() != model["digest"]
    return found


# -- in


def read_folders(arguments: Iterable[str | Path]) -> list[Carried]:
    """The lineages that lie anywhere below the folders among the arguments.

    Raises:
        BrokenLineage, ProvError: one of them cannot be trusted, or not read.
    """
    folders = (Path(argument) for argument in arguments if Path(argument).is_dir())
    records = (found for folder in folders for found in sorted(folder.rglob(f"{FOLDER}/{RECORDS}")))
    return [read_records(found.parent.parent) for found in records]


def read_records(folder: Path) -> Carried:
    """The lineage that lies in a folder which an export wrote.

    Raises:
        BrokenLineage: a record does not match its digest.
        ProvError: a file of it cannot be read.
    """
    try:
        records = json.loads((folder / FOLDER / RECORDS).read_text(encoding="utf-8"))
        manifests = pq.read_table(folder / FOLDER / MANIFESTS, schema=_MANIFESTS)
        carried = Carried(**{kind: records[kind] for kind in KINDS}, manifests=manifests)
        _check(carried)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise ProvError(f"cannot read the lineage in {folder / FOLDER}: {error}; export it anew") from error
    return carried


def _check(carried: Carried) -> None:
    proven = {kind: [record for record in getattr(carried, kind) if not record["is_stub"]] for kind in KINDS}
    manifests = _manifests(carried.manifests.to_batches())
    for mix in proven["mixes"]:
        content = canonical(json.loads(mix["spec"])) + manifests.pop(mix["digest"], b"")
        _match("mix", mix, hashlib.sha256(content).digest())
    if manifests:
        raise BrokenLineage("mix", min(manifests), "has documents, but no spec")
    for model in proven["models"]:
        _match("model", model, digest_of_model(model))
    for run in proven["runs"]:
        _match("run", run, digest_of_run(run))


def _manifests(batches: Iterable[pa.RecordBatch]) -> dict[str, bytes]:
    """Of each mix the digests of its documents, joined in its order."""
    joined: dict[str, bytearray] = {}
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("mix", "position", "document"))
        for mix, position, document in zip(*columns, strict=True):
            documents = joined.setdefault(mix, bytearray())
            if len(documents) != 32 * position:
                raise BrokenLineage("mix", mix, f"has another document at position {position} than it should")
            documents += bytes.fromhex(document)
    return {mix: bytes(documents) for mix, documents in joined.items()}


def _match(kind: str, record: dict[str, Any], digest: bytes) -> None:
    if digest.hex() != record["digest"]:
        raise BrokenLineage(kind, record["digest"])


def digest_of_model(model: dict[str, Any]) -> bytes:
    """The digest that the parts of a record of a model make."""
    base, mix, spec = _bytes(model["base"]), _bytes(model["mix"]), _json(model["spec"])
    return model_digest(model["name"], model["declared"], base, mix, spec, model["seed"])


def digest_of_run(run: dict[str, Any]) -> bytes:
    """The digest that the parts of a record of a run make."""
    mix, spec, tokenizer = _bytes(run["mix"]), _json(run["spec"]), _bytes(run["tokenizer"])
    return run_digest(run["kind"], bytes.fromhex(run["model"]), mix, spec, run["seed"], tokenizer)


def _bytes(digest: str | None) -> bytes | None:
    return bytes.fromhex(digest) if digest else None


def _json(text: str | None) -> Any:
    return json.loads(text) if text is not None else None


def learn(store: Store, batch: Batch, carried: Carried) -> int:
    """Record models, mixes and runs that the registry did not hold, or held as stubs; generations stay as they are.

    Returns:
        How many were learnt.
    Raises:
        BrokenLineage: a document that was taken in before told something else of its run or its model.
        ProvError: a mix holds a document that neither the registry nor the folder has.
    """
    lent = {f"carried_{kind}": pa.Table.from_pylist(getattr(carried, kind), schema) for kind, schema in KINDS.items()}
    with store.lend(**lent, carried_manifests=carried.manifests):
        if missing := store.ask_one("carried_missing"):
            raise ProvError(
                f"mix {missing[0][:12]} holds {missing[1]:,} documents that did not come along, or that are withdrawn "
                "here: take in the whole folder that was exported --with-lineage, or its files without its lineage"
            )
        if wrong := store.ask_one("carried_otherwise"):
            raise BrokenLineage(*wrong)
        batch_id = {"batch_id": batch.batch_id}
        learnt: int = store.ask_value("learn_known_mixes")
        learnt += store.ask_value("learn_new_mixes", made_at=batch.made_at, **batch_id)
        learnt += store.ask_value("learn_known_models")
        learnt += store.ask_value("learn_new_models", **batch_id)
        store.run("learn_bases")
        store.run("forget_guessed_runs")
        learnt += store.ask_value("learn_known_runs")
        learnt += store.ask_value("learn_new_runs", **batch_id)
        store.run("learn_manifests")
        describe_new_mixes(store)
    return learnt
