"""Reach: what came of a text, a document, a model or a mix; who saw it; what must go or be trained anew without it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import pyarrow as pa

from provenance.errors import Ambiguous, NotFound, ProvError
from registry.audit import documents_matching
from registry.descent import descend
from registry.rules import meant
from registry.store import Store

Node = tuple[str, int]
"""A mix or a model: its kind and its local id."""


@dataclass(frozen=True)
class Start:
    """What an ID means: where a walk to its descendants begins."""

    kind: str
    name: str
    documents: list[int] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    mixes: list[int] = field(default_factory=list)


def find_start(store: Store, wanted: str) -> Start:
    """The document, the text (all documents that hold it), the model or the mix that an ID means.

    Raises:
        NotFound, Ambiguous: it means none, or several.
    """
    found = [*_documents(store, wanted), *_models(store, wanted)]
    found += [
        Start("mix", digest.hex(), mixes=[mix]) for mix, digest in store.ask("mix_by_digest", digest=wanted.lower())
    ]
    if not found:
        raise NotFound("document, text, model or mix", wanted, examples=(item for (item,) in store.ask("some_items")))
    if len(found) > 1:
        raise Ambiguous("ID", wanted, (f"{start.kind} {start.name[:16]}" for start in found))
    return found[0]


def _documents(store: Store, wanted: str) -> list[Start]:
    rows = documents_matching(store, wanted)
    texts = {text_id for *_, text_id in rows}
    if len(texts) == 1:
        digest = _text_digest(store, texts.pop())
        if digest.startswith(wanted.lower()):
            return [Start("text", digest, [document_id for document_id, *_ in rows])]
    return [Start("document", digest, [document_id]) for document_id, digest, *_ in rows]


def _models(store: Store, wanted: str) -> list[Start]:
    """The models of a name or digest; one that was recorded comes before foreign ones of its name."""
    rows = store.ask_records("models_matching", wanted=wanted)
    rows = [row for row in rows if not row["is_foreign"]] or rows
    return [Start("model", row["digest"].hex(), models=[row["model_id"]]) for row in rows]


def _text_digest(store: Store, text_id: int) -> str:
    digest: str = store.ask_value("digest_of_text", text_id=text_id)
    return digest


def _ids(documents: list[int]) -> pa.Table:
    return pa.table({"document_id": pa.array(documents, pa.int64())})


# -- what came of it


def descendants(store: Store, wanted: str) -> dict[str, Any]:
    """All that came of a document, a text, a model or a mix.

    Returns:
        `documents`: how many were derived from it, and how many were written by models that descend; `mixes` and
        `models` with the steps that lead to each: see `descend`.
    """
    start = find_start(store, wanted)
    descend(store, _ids(start.documents), start.models, start.mixes)
    return {"kind": start.kind, "digest": start.name, **_came(store)}


def _came(store: Store) -> dict[str, Any]:
    return {
        "documents": store.ask_records("descended_totals")[0],
        "mixes": [row for row in store.ask_records("descended_mix_shares") if row["steps"]],
        "models": [row for row in store.ask_records("descended_model_counts") if row["steps"]],
    }


def all_descendants(store: Store, wanted: str) -> Iterator[dict[str, Any]]:
    """Every document that came of a document, a text, a model or a mix, one at a time, with the steps to it."""
    start = find_start(store, wanted)
    descend(store, _ids(start.documents), start.models, start.mixes)
    for batch in store.stream("descended_documents"):
        yield from batch.to_pylist()


# -- who saw it


def exposure(store: Store, wanted: str) -> dict[str, Any]:
    """Which mixes and models saw a text: directly, or through what was made of it or written by a model that saw it.

    All documents that hold the text count. The way goes from mix to mix by what each is made of; their documents are
    not read.

    Returns:
        `mixes`: how often the text itself is in each (`times`), what was `derived` from it, what was `written` by
        models that saw it; `models`: the mix each learnt from or the base that it is based on. Both say `how`: direct
        where the text itself was in the mix, else by descent.
    Raises:
        NotFound, Ambiguous: the ID means no text, or several.
    """
    rows = documents_matching(store, wanted)
    if not rows:
        raise NotFound("document or text", wanted, examples=(item for (item,) in store.ask("some_items")))
    texts = {text_id for *_, text_id in rows}
    if len(texts) > 1:
        raise Ambiguous("text", wanted, (_text_digest(store, text_id)[:16] for text_id in texts))
    text_id = texts.pop()
    documents, derived = _expose(store, text_id)
    held = store.ask_records("exposed_in")
    reached = _reach(store, {("mix", row["mix_id"]): row["step"] + 1 for row in held})
    with store.lend(reached=_reached_table(reached), directly=_directly_table(held)):
        return {
            "text": _text_digest(store, text_id),
            "documents": documents,
            "derived": derived,
            "mixes": store.ask_records("exposed_mixes"),
            "models": store.ask_records("exposed_models"),
        }


def _expose(store: Store, text_id: int) -> tuple[int, int]:
    """Leave in `exposed` the documents of a text and all that was made of them; how many of each."""
    documents, derived, step = store.ask_value("stage_exposed", text_id=text_id), 0, 0
    while more := store.ask_value("grow_exposed", step=step):
        derived, step = derived + more, step + 1
    return documents, derived


def _reach(store: Store, start: dict[Node, int]) -> dict[Node, tuple[int, Node | None]]:
    """Of each mix and model that learns from some: the least number of steps to it, and what it learnt from last.

    There are as many ties as mixes have models, not as they have documents: Dijkstra's way over them is quick.
    """
    onwards: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
    for from_kind, from_id, kind, local_id, steps in store.ask("learnt_from"):
        onwards[from_kind, from_id].append(((kind, local_id), steps))
    reached: dict[Node, tuple[int, Node | None]] = {}
    ahead: list[tuple[int, Node, Node | None]] = []
    for node, steps in start.items():
        heappush(ahead, (steps, node, None))
    while ahead:
        steps, node, via = heappop(ahead)
        if node not in reached:
            reached[node] = steps, via
            for after, more in onwards[node]:
                heappush(ahead, (steps + more, after, node))
    return reached


def _reached_table(reached: dict[Node, tuple[int, Node | None]]) -> pa.Table:
    rows = [
        {"kind": kind, "id": local_id, "steps": steps, "via_model_id": via[1] if via and via[0] == "model" else None}
        for (kind, local_id), (steps, via) in reached.items()
    ]
    columns = [("kind", pa.string()), ("id", pa.int64()), ("steps", pa.int32()), ("via_model_id", pa.int64())]
    return pa.Table.from_pylist(rows, pa.schema(columns))


def _directly_table(held: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(held, pa.schema([(name, pa.int64()) for name in ("mix_id", "times", "derived")]))


# -- what must go


def impact(
    store: Store,
    document: str | None = None,
    *,
    source: str | None = None,
    license: str | None = None,
    text: bool = False,
) -> dict[str, Any]:
    """What must go or be trained anew if a document, a text, a source or a licence is withdrawn.

    Args:
        text: all documents that hold the text of that document.
    Returns:
        `withdrawn`: what itself is; `documents`: what came of it; `mixes` with the share that falls away, itself or
        what came of it; `models` that learnt from those; `exports` that hold any of it.
    Raises:
        NotFound, Ambiguous: there is no such thing, or several.
        ProvError: not one of `document`, `source` and `license` is given.
    """
    if sum(choice is not None for choice in (document, source, license)) != 1 or (text and not document):
        raise ProvError("an impact is that of one document ID, --source or --license; --text goes with an ID")
    scope, value = meant(store, document, source, license, text)
    store.run("stage_withdrawing", scope=scope, value=value)
    documents, texts, size_bytes = store.ask("withdrawing_size")[0]
    descend(store, store.connection.table("withdrawing").select("document_id"))
    return {
        "scope": scope,
        "value": value,
        "withdrawn": {"documents": documents, "texts": texts, "bytes": size_bytes},
        **_came(store),
        "exports": store.ask_records("descended_exports"),
    }
