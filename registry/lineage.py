"""Lineage: models and runs are recorded here, and generations follow from them."""

from dataclasses import dataclass
from typing import Any

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Generation, canonical, model_digest, run_digest
from registry.rows import WrittenBy
from registry.store import Store

RUN_KINDS = ("generate", "edit", "train")


@dataclass(frozen=True)
class Model:
    """A model of the registry."""

    model_id: int
    name: str
    digest: bytes
    generation: Generation
    is_foreign: bool


@dataclass(frozen=True)
class Run:
    """One act of training, generating or editing with a model."""

    run_id: int
    digest: bytes
    kind: str | None
    model: Model


def record_model(
    store: Store,
    name: str,
    mix: str | None = None,
    base: str | None = None,
    path: str | None = None,
    spec: Any = None,
    seed: int | None = None,
    generation: int | None = None,
) -> Model:
    """Record a model, and the training run that made it from a mix; the same call again changes nothing.

    Args:
        mix: digest or id of the mix it was trained on; None for a foreign model.
        base: name or digest of the model it was fine-tuned from.
        generation: declared, for a foreign model alone; otherwise lineage tells.
    Raises:
        NotFound: there is no such mix or base model.
        ProvError: a model of that name was trained otherwise.
    """
    if mix and generation is not None:
        raise ProvError(f"model {name!r} has a mix, so its generation follows from it: leave --generation out")
    mix_id, mix_key = find_mix(store, mix) if mix else (None, None)
    base_model = find_model(store, base) if base else None
    digest = model_digest(name, generation, base_model.digest if base_model else None, mix_key, spec, seed)
    _refuse_second(store, name, digest, foreign=mix is None)
    with store.batch("record") as batch:
        if store.ask("model_by_digest", digest=digest):
            batch.abandon()
            return find_model(store, digest.hex())
        known = base_model.generation if base_model and not mix else Generation(generation, generation is not None)
        store.run(
            "insert_model",
            name=name,
            digest=digest,
            base_model_id=base_model.model_id if base_model else None,
            generation=known.number,
            generation_exact=known.exact,
            path=path,
            is_foreign=mix is None,
            batch_id=batch.batch_id,
        )
        model = find_model(store, digest.hex())
        if mix:
            _insert_run(store, "train", model, batch.batch_id, mix_id, mix_key, spec, seed)
            store.run("derive_models", model_id=model.model_id)
        return find_model(store, digest.hex())


def _refuse_second(store: Store, name: str, digest: bytes, foreign: bool) -> None:
    for other in store.ask_records("models_by_name", name=name):
        if not foreign and not other["is_foreign"] and other["digest"] != digest:
            raise ProvError(
                f"a model {name!r} is recorded already ({other['digest'].hex()[:12]}), trained otherwise: "
                "record this one under another name"
            )


def record_run(store: Store, model: str, spec: Any = None, seed: int | None = None, kind: str = "generate") -> Run:
    """Record an act of generating or editing with a model; the same call again changes nothing.

    Raises:
        NotFound, Ambiguous: `model` names no single model.
    """
    found = find_model(store, model)
    with store.batch("record") as batch:
        digest = _insert_run(store, kind, found, batch.batch_id, None, None, spec, seed)
        if digest is None:
            batch.abandon()
        return find_run(store, run_digest(kind, found.digest, None, spec, seed).hex())


def _insert_run(
    store: Store,
    kind: str,
    model: Model,
    batch_id: int,
    mix_id: int | None,
    mix: bytes | None,
    spec: Any,
    seed: int | None,
) -> bytes | None:
    digest = run_digest(kind, model.digest, mix, spec, seed)
    if store.ask("run_by_digest", digest=digest.hex()):
        return None
    store.run(
        "insert_run",
        digest=digest,
        kind=kind,
        model_id=model.model_id,
        mix_id=mix_id,
        spec=canonical(spec).decode() if spec is not None else None,
        seed=seed,
        batch_id=batch_id,
    )
    return digest


def find_model(store: Store, wanted: str) -> Model:
    """The model that a name or the start of a digest means.

    Raises:
        NotFound, Ambiguous: it means none, or several; a recorded model comes before foreign ones of its name.
    """
    rows = [
        Model(model_id, name, digest, Generation(number, exact), foreign)
        for model_id, name, digest, number, exact, foreign in store.ask("models_matching", wanted=wanted)
    ]
    rows = [row for row in rows if not row.is_foreign] or rows
    if not rows:
        raise NotFound("model", wanted, (name for (name,) in store.ask("model_names")))
    if len(rows) > 1:
        raise Ambiguous(
            "model", wanted, (f"{row.digest.hex()[:12]} ({row.name}, generation {row.generation})" for row in rows)
        )
    return rows[0]


def find_run(store: Store, wanted: str) -> Run:
    """The run that (the start of) a digest means."""
    rows = store.ask("run_by_digest", digest=wanted.lower())
    if not rows:
        raise NotFound("run", wanted, (digest[:12] for (digest,) in store.ask("run_digests")))
    if len(rows) > 1:
        raise Ambiguous("run", wanted, (digest.hex() for _, digest, *_ in rows))
    run_id, digest, kind, model = rows[0]
    return Run(run_id, digest, kind, find_model(store, model.hex()))


def find_mix(store: Store, wanted: str) -> tuple[int, bytes]:
    """The local id and the digest of the mix that (the start of) a digest means."""
    rows = store.ask("mix_by_digest", digest=wanted.lower())
    if not rows:
        raise NotFound("mix", wanted, (digest[:12] for (digest,) in store.ask("mix_digests")))
    if len(rows) > 1:
        raise Ambiguous("mix", wanted, (digest.hex() for _, digest in rows))
    mix_id, digest = rows[0]
    return mix_id, digest


def written_by(store: Store, run: str) -> WrittenBy:
    """What documents of a run need to know of it."""
    found = find_run(store, run)
    return WrittenBy(found.digest, found.model.digest, found.model.name)


def rederive(store: Store) -> None:
    """Derive all generations again, after lineage was learnt: models and documents in turn, until nothing moves."""
    while store.ask_value("derive_documents") + store.ask_value("derive_models", model_id=None):
        pass


def trace(store: Store, kind: str, local_id: int) -> None:
    """Leave in the temporary table `ancestor` all that a document, model or mix descends from, itself included.

    Args:
        kind: "document", "model" or "mix".
    """
    store.run("stage_ancestor", kind=kind, id=local_id)
    while store.ask_value("grow_ancestor"):
        pass
