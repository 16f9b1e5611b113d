"""Rules: what no mix may ever draw, and what must go and stay away."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
from duckdb import DuckDBPyRelation

from provenance.errors import Ambiguous, NotFound, ProvError, listed
from registry.audit import find_document
from registry.descent import descend
from registry.erase import NOTHING_ERASED, Erasure, erase, rewrite
from registry.handed_out import held_elsewhere
from registry.matching import matching
from registry.mix import MAX_SEED, exact, round_keys
from registry.near_holdouts import find_nearest, note_nearest
from registry.schema import question
from registry.store import Batch, Store
from registry.where import Where

Scope = Literal["text", "document", "source", "license"]


# -- held out


@dataclass(frozen=True)
class HeldOut:
    """What a hold-out came to.

    Attributes:
        texts: how many texts were asked for.
        added: those that are held out from now on.
        known: those that were held out under this name before.
        elsewhere: those that are held out under another name, and stay there.
        documents: how many documents the added texts have.
        near: how many other texts are near to an added one, and kept out of mixes with it; None where not every text
            has a fingerprint, so that nobody can look for them.
        mixes, models: what holds an added text, a near one or what descends from one; empty unless forced.
    """

    name: str
    texts: int
    added: int
    known: int
    elsewhere: int
    documents: int
    near: int | None
    mixes: list[str]
    models: list[str]
    recorded: bool

    def summary(self) -> dict[str, Any]:
        return dict(vars(self))


class AlreadyDrawn(ProvError):
    """Texts to be held out that mixes hold, themselves or in a near one, or from which descends what they hold."""

    def __init__(self, texts: int, drawn: int, near_drawn: int, mixes: list[str], models: list[str]) -> None:
        self.texts, self.drawn, self.near_drawn, self.mixes, self.models = texts, drawn, near_drawn, mixes, models
        themselves = [f"{drawn:,} of the {texts:,} texts"] * bool(drawn)
        near = [f"{near_drawn:,} texts near to {'them' if drawn else f'the {texts:,} texts'}"] * bool(near_drawn)
        made = f"what was made of the {texts:,} texts stands"
        who = f"{' and '.join(themselves + near)} stand" if themselves or near else made
        learnt = f"from which {listed(models)} learnt" if models else "from which no recorded model learnt"
        super().__init__(
            f"{who} in {len(mixes):,} mixes already ({listed(mix[:12] for mix in mixes)}), {learnt}: choose other "
            "texts, or say --force, and nothing that descends from them will be drawn again"
        )


def hold_out(
    store: Store,
    name: str,
    *,
    frac: float | None = None,
    seed: int = 0,
    where: Where | str | None = None,
    source: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> HeldOut:
    """Keep texts, and all that descends from them, out of every later mix; a text is held out once, under one name.

    Texts that are near to them are kept out likewise, those that come later too, where the registry has fingerprints.

    Args:
        name: what the texts are held out for.
        frac: this share of all texts that a human document has (rounded to the nearest, halves to even): those that
            come first in a seeded order of their digests, texts held out under another name passed over.
        where: the texts of the documents that this lets through.
        source: the texts of this source, those that will come into it too.
        force: also texts that a mix holds already.
        dry_run: do all of it, then leave the registry as it was.
    Raises:
        AlreadyDrawn: a mix holds such a text, a near one, or what descends from one.
        ProvError: not one of `frac`, `where` and `source` is given, or there are too few texts, or no such source.
    """
    if sum(choice is not None for choice in (frac, where, source)) != 1:
        raise ProvError("a hold-out needs exactly one of --frac, --where and --source")
    if not name.strip():
        raise ProvError("a hold-out needs a name: say what the texts are held out for, such as --name test")
    with store.batch("hold out") as batch:
        source_id = None
        if frac is not None:
            _choose_first(store, name, frac, seed)
        elif where is not None:
            matching(store, Where.parse(where) if isinstance(where, str) else where)
            store.run("stage_holding_matching")
        else:
            source_id = _find_source(store, source or "")
            store.run("stage_holding_source", source_id=source_id)
        held = _hold(store, batch, name, force)
        learnt = source_id is not None and _hold_source(store, batch, source_id, source or "", name)
        if dry_run or not (held.added or learnt):
            batch.abandon()
    return HeldOut(**vars(held) | {"recorded": not batch.abandoned})


def _choose_first(store: Store, name: str, frac: float, seed: int) -> None:
    if not 0 < frac <= 1:
        raise ProvError(f"the share to hold out is {frac:g}: give a number above 0, and 1 at most")
    if not 0 <= seed <= MAX_SEED:
        raise ProvError(f"the seed {seed} cannot be used: give a whole number from 0 to {MAX_SEED}")
    texts, free = store.ask("count_human_texts", name=name)[0]
    wanted = round(exact(frac) * texts)
    if not wanted:
        raise ProvError(f"--frac {frac:g} of {texts:,} human texts is not one text: give a larger share")
    if wanted > free:
        raise ProvError(
            f"--frac {frac:g} of {texts:,} human texts is {wanted:,}, but all but {free:,} are held out under another "
            f"name: ask for --frac {free / texts:.4g} or less"
        )
    keys = {f"key{n}": pa.array([key], pa.uint64()) for n, key in enumerate(round_keys(seed, "hold out"))}
    with (
        store.lend(hold_out_key=pa.table({"name": [name], **keys})),
        store.lend(seeded=_relation(store, "human_texts")),
        store.lend(placed=_relation(store, "placed")),
    ):
        store.run("stage_holding_first", wanted=wanted)


def _hold(store: Store, batch: Batch, name: str, force: bool) -> HeldOut:
    texts, known, elsewhere = store.ask("holding_counts", name=name)[0]
    store.run("drop_held")
    looked = find_nearest(store, store.connection.table("holding"))
    added, drawn, near, near_drawn, documents, size_bytes = store.ask("holding_size")[0]
    descend(store, _relation(store, "holding_documents"))
    mixes = [mix for (mix,) in store.ask("descended_mixes")]
    models = [model for (model,) in store.ask("descended_models")]
    if mixes and not force:
        raise AlreadyDrawn(added, drawn, near_drawn, mixes, models)
    store.run("insert_holdout", name=name, batch_id=batch.batch_id)
    note_nearest(store, batch)
    batch.documents, batch.bytes = documents, size_bytes
    counts = {"texts": texts, "added": added, "known": known, "elsewhere": elsewhere, "documents": documents}
    return HeldOut(name, **counts, near=near if looked else None, mixes=mixes, models=models, recorded=True)


def _hold_source(store: Store, batch: Batch, source_id: int, source: str, name: str) -> bool:
    """Hold out what will come into a source; whether that is new."""
    held_as = store.ask_value("source_held_out_as", source_id=source_id)
    if held_as == name:
        return False
    if held_as:
        raise ProvError(f"source {source!r} is held out as {held_as!r} already: it cannot have a second name")
    store.run("insert_holdout_source", source_id=source_id, name=name, batch_id=batch.batch_id)
    return True


# -- withdrawn


@dataclass(frozen=True)
class Withdrawn:
    """What a withdrawal came to.

    Attributes:
        value: the digest of the document or the text, or the name of the source or the licence.
        documents, texts: how many there are now that it covers.
        descended: how many documents were made of them by derivation, how many mixes hold them or what was made of
            them, and how many models learnt from those; nothing of that is withdrawn.
        erasure: what was erased, None where that was not asked for.
        handed_out: the exports and snapshots that hold such a text.
        rejected: the lines of the reject file that do.
    """

    scope: Scope
    value: str
    reason: str
    documents: int
    texts: int
    descended: dict[str, int]
    erasure: Erasure | None
    handed_out: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    recorded: bool = True

    def summary(self) -> dict[str, Any]:
        return vars(self) | {"erasure": vars(self.erasure) if self.erasure else None}


def withdraw(
    store: Store,
    document: str | None = None,
    *,
    source: str | None = None,
    license: str | None = None,
    reason: str,
    text: bool = False,
    erase: bool = False,
    dry_run: bool = False,
) -> Withdrawn:
    """Let a document, a text, a source or a licence into no mix and through no ingest from now on.

    What is known stays known. What was made of it, and what models wrote that learnt from it, is not withdrawn.

    Args:
        document: a document, by the user's id or the start of a digest.
        text: withdraw every document of that document's text, now and later.
        erase: also delete the texts for good, where every document of them is withdrawn, and write the file anew.
        dry_run: do all of it, then leave the registry as it was.
    Raises:
        NotFound, Ambiguous: there is no such thing, or several.
        ProvError: not one of `document`, `source` and `license` is given, or the file cannot be written anew.
    """
    if sum(choice is not None for choice in (document, source, license)) != 1 or (text and not document):
        raise ProvError(
            "a withdrawal needs exactly one of a document ID, --source and --license; --text goes with an ID"
        )
    if not reason.strip():
        raise ProvError("a withdrawal needs a reason, which is kept with it: say why it has to go with --reason")
    with store.batch("erase" if erase else "withdraw") as batch:
        scope, value = meant(store, document, source, license, text)
        withdrawn = _withdraw(store, batch, scope, value, reason, erase)
        if dry_run or not withdrawn.recorded:
            batch.abandon()
    if erase and not batch.abandoned:
        rewrite(store)
    return Withdrawn(**vars(withdrawn) | {"recorded": not batch.abandoned})


def meant(store: Store, document: str | None, source: str | None, license: str | None, text: bool) -> tuple[Scope, str]:
    """What a withdrawal covers, and the digest or the name that says it."""
    if source is not None:
        _find_source(store, source)
        return "source", source
    if license is not None:
        names = [name for (name,) in store.ask("license_names")]
        if license not in names:
            raise NotFound("license", license, names)
        return "license", license
    if not text:
        return "document", store.ask("digest_of_document", document_id=find_document(store, document or ""))[0][0]
    texts = [digest for (digest,) in store.ask("texts_matching", wanted=document)]
    if not texts:
        find_document(store, document or "")  # says what there is
    if len(texts) > 1:
        raise Ambiguous("text", document or "", (digest[:16] for digest in texts))
    return "text", texts[0]


def _withdraw(store: Store, batch: Batch, scope: Scope, value: str, reason: str, erasing: bool) -> Withdrawn:
    is_new = not store.ask_value("is_withdrawn", scope=scope, value=value, erased=erasing)
    if is_new:
        store.run("insert_withdrawal", scope=scope, value=value, reason=reason, erased=erasing, batch_id=batch.batch_id)
    store.run("stage_withdrawing", scope=scope, value=value)
    documents, texts, size_bytes = store.ask("withdrawing_size")[0]
    batch.documents, batch.bytes = documents, size_bytes
    descend(store, store.connection.table("withdrawing"))
    descended = store.ask_records("descended_counts")[0]
    handed_out, rejected = held_elsewhere(store)
    erasure = erase(store, batch) if erasing else None
    return Withdrawn(
        scope,
        value,
        reason,
        documents,
        texts,
        descended,
        erasure,
        handed_out,
        rejected,
        recorded=is_new or (erasure or NOTHING_ERASED).is_something,
    )


# -- both


def _find_source(store: Store, name: str) -> int:
    row = store.ask_one("source", name=name)
    if row is None:
        raise NotFound("source", name, (known for (known,) in store.ask("source_names")))
    source_id: int = row[0]
    return source_id


def _relation(store: Store, name: str) -> DuckDBPyRelation:
    return store.connection.sql(question(name))
