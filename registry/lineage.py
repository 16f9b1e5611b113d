"""Lineage: models and runs are recorded here, and generations follow from them."""

from dataclasses import dataclass
from typing import Any

from provenance.errors import Ambiguous, NotFound, ProvError
from provenance.origin import Generation, canonical, model_digest, run_digest
from registry.carry import Carried, learn
from registry.descent import note_parents
from registry.rows import WrittenBy
from registry.store import Store
from registry.where import MAX_INTEGER

RUN_KINDS = ("generate", "edit")
ROUNDS_BEFORE_DOUBT = 100


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
        path: where its weights lie; another one than before moves it.
        spec, seed: how it was trained.
        generation: declared, for a foreign model alone; otherwise lineage tells.
    Raises:
        NotFound, Ambiguous: there is no such mix or base model, or several.
        ProvError: a model of that name was trained otherwise, or its generation is not for declaring.
    """
    _check_written(spec, seed)
    if not name.strip():
        raise ProvError("a model is recorded under a name: give it one that is not blank")
    mix_key = find_mix(store, mix)[1] if mix is not None else None
    base_model = find_model(store, base) if base is not None else None
    _check_declared(name, generation, mix, base_model)
    digest = model_digest(name, generation, base_model.digest if base_model else None, mix_key, spec, seed)
    if mix:
        _refuse_second(store, name, digest)
    model = {
        "name": name,
        "digest": digest.hex(),
        "base": base_model.digest.hex() if base_model else None,
        "mix": mix_key.hex() if mix_key else None,
        "declared": generation,
        "path": path,
        "is_stub": False,
    }
    is_trained = mix or spec is not None or seed is not None
    runs = [_run_record("train", digest, mix_key, spec, seed)] if is_trained else []
    with store.batch("record") as batch:
        was_known = bool(store.ask("model_by_digest", digest=digest))
        learnt = learn(store, batch, Carried(models=[model], runs=runs))
        moved = path is not None and store.ask_value("move_model", digest=digest, path=path)
        if not (learnt or moved):
            batch.abandon()
        elif learnt and was_known:
            rederive(store)
        elif learnt:
            store.run("derive_models", model_id=store.ask_value("model_by_digest", digest=digest))
    return find_model(store, digest.hex())


def _check_declared(name: str, generation: int | None, mix: str | None, base: Model | None) -> None:
    if generation is None:
        return
    if mix:
        raise ProvError(f"model {name!r} has a mix, so its generation follows from it: leave --generation out")
    if not 1 <= generation < 1 << 31:
        raise ProvError(
            f"model {name!r} is declared of generation {generation}: a model is of generation 1 or more, "
            f"and below {1 << 31}"
        )
    if base and generation < (base.generation.number or 0):
        raise ProvError(
            f"model {name!r} is declared of generation {generation}, but its base {base.name!r} is of generation "
            f"{base.generation}: declare that or more, or leave --generation out"
        )


def _check_written(spec: Any, seed: int | None) -> None:
    """Refuse a spec or a seed that no JSON holds exactly; digests are taken of them."""
    try:
        canonical(spec)
    except (ValueError, RecursionError) as error:
        raise ProvError(
            f"the spec cannot be kept as JSON: {error}; write dates, large numbers and what is no number as text, "
            "and names in quotes"
        ) from error
    if seed is not None and abs(seed) >= MAX_INTEGER:
        raise ProvError(f"the seed {seed} is too large: give one below {MAX_INTEGER}")


def _refuse_second(store: Store, name: str, digest: bytes) -> None:
    for other in store.ask_records("models_by_name", name=name):
        if not other["is_foreign"] and other["digest"] != digest:
            raise ProvError(
                f"a model {name!r} is recorded already ({other['digest'].hex()[:12]}), trained otherwise: "
                "record this one under another name"
            )


def record_run(store: Store, model: str, spec: Any = None, seed: int | None = None, kind: str = "generate") -> Run:
    """Record an act of generating or editing with a model; the same call again changes nothing.

    Raises:
        NotFound, Ambiguous: `model` names no single model.
        ProvError: there is no such kind of run.
    """
    if kind not in RUN_KINDS:
        raise ProvError(
            f"no kind of run {kind!r}: there is {', '.join(RUN_KINDS)}; training is recorded with its model"
        )
    _check_written(spec, seed)
    run = _run_record(kind, find_model(store, model).digest, None, spec, seed)
    with store.batch("record") as batch:
        if not learn(store, batch, Carried(runs=[run])):
            batch.abandon()
    return find_run(store, run["digest"])


def _run_record(kind: str, model: bytes, mix: bytes | None, spec: Any, seed: int | None) -> dict[str, Any]:
    return {
        "digest": run_digest(kind, model, mix, spec, seed).hex(),
        "kind": kind,
        "model": model.hex(),
        "mix": mix.hex() if mix else None,
        "spec": canonical(spec).decode() if spec is not None else None,
        "seed": seed,
        "is_stub": False,
    }


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


def find_manifest(store: Store, wanted: str) -> tuple[int, bytes]:
    """Like `find_mix`, of a mix whose documents are held here.

    Raises:
        ProvError: the mix is known by its digest alone.
    """
    mix_id, digest = find_mix(store, wanted)
    if store.ask_value("mix_is_foreign", mix_id=mix_id):
        raise ProvError(
            f"mix {digest.hex()[:12]} is known by its digest alone, its documents were never recorded here: "
            "take in an export of it, or of what descends from it, made --with-lineage"
        )
    return mix_id, digest


def written_by(store: Store, run: str) -> WrittenBy:
    """What documents of a run need to know of it."""
    found = find_run(store, run)
    return WrittenBy(found.digest, found.model.digest, found.model.name)


def rederive(store: Store) -> None:
    """Derive all generations again, after lineage was learnt: models and documents in turn, until nothing moves.

    Raises:
        ProvError: lineage leads in a circle, so that generations would rise for ever.
    """
    rounds = 0
    while store.ask_value("derive_documents") + store.ask_value("derive_models", model_id=None):
        rounds += 1
        if rounds % ROUNDS_BEFORE_DOUBT == 0 and store.ask_value("generations_run_away"):
            raise ProvError(
                "a model would have learnt from what it wrote itself: its lineage leads in a circle, so nothing of "
                "this was kept; find the document that is declared of a model which learnt from it"
            )
    store.run("forget_mix_composition")
    store.run("renew_mix_composition")
    store.run("forget_mix_parents")
    note_parents(store, anew=True)


def trace(store: Store, kind: str, local_id: int) -> None:
    """Leave in the temporary table `ancestor` all that a document, model or mix descends from, itself included.

    Args:
        kind: "document", "model" or "mix".
    """
    store.run("stage_ancestor", kind=kind, id=local_id)
    while store.ask_value("grow_ancestor"):
        pass
