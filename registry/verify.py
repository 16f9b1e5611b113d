"""Verifying: whether everything that a registry holds is what its digests, its lineage and its chain say."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers
from numpy.typing import NDArray

from provenance.errors import ProvError
from provenance.fingerprint import Texts
from provenance.origin import canonical, model_digest
from provenance.words import count_words
from registry.candidates import KINDS
from registry.carry import digest_of_model, digest_of_run
from registry.draw import draw
from registry.fingerprints import UNFINISHED, Sketcher, sketcher
from registry.mix import MixSpec
from registry.past import past
from registry.schema import question
from registry.store import Progress, Store, link_digest, silent, update_with
from registry.tokens import Tokenizer

MOST = 10
"""How many findings of one kind are told one by one."""

MOST_DOCUMENTS = 1_000_000
"""Batches of about so many documents together are hashed in one pass."""

MOST_GENERATIONS = 100
"""How far generations are tried, to tell a model that was changed from one whose parts nobody has."""

BROKEN = (ProvError, duckdb.Error, pa.ArrowException, ValueError, TypeError, LookupError)
"""What a question may end in where it meets what somebody changed."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, or worth a note, and where."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass
class Verified:
    """What verifying a registry came to."""

    head: str | None = None
    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.findings

    def summary(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        return {
            "holds": self.holds,
            "head": self.head,
            "checked": self.checked,
            "findings": [vars(finding) for finding in self.findings],
            "notes": [vars(note) for note in self.notes],
        }


@dataclass
class Act:
    """An act of verifying, while it goes on."""

    store: Store
    progress: Progress
    result: Verified

    def find(self, place: str, what: str) -> None:
        self.result.findings.append(Finding(place, what))

    def note(self, place: str, what: str) -> None:
        self.result.notes.append(Finding(place, what))

    def find_all(self, found: Iterable[tuple[str, str]]) -> None:
        """Tell the first few of what was found in many places, and how many more there are."""
        held = list(found)
        for place, what in held[:MOST]:
            self.find(place, what)
        if len(held) > MOST:
            self.find(held[-1][0], f"this and {len(held) - MOST - 1:,} more like these")

    def count(self, what: str, more: int = 1) -> None:
        self.result.checked[what] = self.result.checked.get(what, 0) + more
        self.progress(more)


def steps(store: Store) -> int:
    """How many things there are to verify one by one, for a bar of progress."""
    count: int = store.ask_value("verify_steps")
    return count


def verify(store: Store, head: str | None = None, progress: Progress = silent) -> Verified:
    """Check everything that a registry promises of what it holds; nothing is changed.

    Args:
        head: (the start of) the digest of a link of the chain that was kept elsewhere.
    """
    act = Act(store, progress, Verified())
    check_schema(act)
    if act.result.holds:  # of other tables nothing below could be asked
        for name, check in CHECKS.items():
            carry_out(act, name, check)
    if head is not None:
        check_head(act, head)
    return act.result


def carry_out(act: Act, name: str, check: Callable[[Act], None]) -> None:
    """Make one check; what cannot even be read is a finding too."""
    try:
        check(act)
    except BROKEN as error:
        act.find(name, f"it cannot be checked: {str(error).partition(chr(10))[0]}")


def by_question(name: str) -> Callable[[Act], None]:
    """The check that a question makes: its rows say what is wrong, where, and how often all in all."""

    def check(act: Act) -> None:
        rows = act.store.ask_records(name, most=MOST)
        for row in rows:
            act.find(row["place"], row["what"])
        if rows and rows[0]["total"] > len(rows):
            act.find(rows[-1]["place"], f"this and {rows[0]['total'] - len(rows):,} more like these")

    return check


# -- the schema and the chain


def check_schema(act: Act) -> None:
    """Every table, view and macro is the one that the migrations make."""
    with Store.empty(":memory:", act.store.clock) as fresh:
        wanted = dict(fresh.ask("schema_objects"))
    held = dict(act.store.ask("schema_objects"))
    for place in sorted(wanted.keys() - held.keys()):
        act.find(place, "it is not there")
    for place in sorted(held.keys() - wanted.keys()):
        act.find(place, "it is not of this schema")
    for place in sorted(place for place in held.keys() & wanted.keys() if held[place] != wanted[place]):
        act.find(place, f"it is {held[place]}, wanted {wanted[place]}")


def check_chain(act: Act) -> None:
    """Every batch follows on the one before, and holds what it held when it was made."""
    previous, number = None, 0
    for links in _some_at_a_time(act.store.ask_records("chain")):
        contents = act.store.content_digests({link["batch_id"]: link["made_at"] for link in links})
        for link in links:
            number += 1
            place = f"batch {link['digest'].hex()[:12]} ({link['kind']}, the {number:,}. of the chain)"
            if link["batch_id"] != number:
                act.find(place, f"its number is {link['batch_id']:,}: a batch before it is missing, or stands twice")
            if link["previous_digest"] != previous:
                act.find(place, "it does not follow on the batch before it")
            if contents[link["batch_id"]] != link["content_digest"]:
                act.find(place, "what it declared was changed: its rows do not add up to its content digest")
            _check_link(act, place, link)
            previous = link["digest"]
            act.count("batches")
    act.result.head = previous.hex() if previous else None


def _some_at_a_time(links: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Batches that follow on each other, so many that their contents fit into memory."""
    held, documents = list[dict[str, Any]](), 0
    for link in links:
        if held and documents + link["documents"] > MOST_DOCUMENTS:
            yield held
            held, documents = [], 0
        held.append(link)
        documents += link["documents"]
    if held:
        yield held


def _check_link(act: Act, place: str, link: dict[str, Any]) -> None:
    parts = (link[name] for name in ("previous_digest", "content_digest", "kind", "made_at", "tool_version"))
    if link_digest(*parts) != link["digest"]:
        act.find(place, "its digest is not that of its content, kind, time, version and predecessor")


def check_head(act: Act, wanted: str) -> None:
    """A digest that was kept elsewhere is a link of the chain, or of one that was merged."""
    digests = [link["digest"].hex() for link in act.store.ask_records("chain")]
    places = [place for place, digest in enumerate(digests, 1) if digest.startswith(wanted.lower())]
    merged = [link for link in act.store.ask_records("merged_links") if link["digest"].hex().startswith(wanted.lower())]
    if not wanted or len(places) + len(merged) != 1:
        many = "no link" if not (places or merged) else "more than one link"
        act.find("head", f"{many} of the chain has the digest {wanted}, its head is {digests[-1] if digests else None}")
    elif places and places[0] < len(digests):
        act.note("head", f"{digests[places[0] - 1][:12]} was the head, {len(digests) - places[0]:,} batches came after")
    elif merged:
        act.note(
            "head", f"{merged[0]['digest'].hex()[:12]} is a link of the registry {merged[0]['registry']}, merged in"
        )


def check_merged(act: Act) -> None:
    """The chains of registries that were merged into this one hold, link by link; copies of it grew from its own."""
    own = {place: {link["digest"]} for place, link in enumerate(act.store.ask_records("chain"), 1)}
    itself = act.store.setting("registry_id")
    for registry, links in groupby(act.store.ask_records("merged_links"), lambda link: link["registry"]):
        before: dict[int, set[bytes | None]] = {place: set(held) for place, held in own.items() if registry == itself}
        for link in links:
            place = f"batch {link['digest'].hex()[:12]} ({link['kind']}) of the merged registry {registry}"
            if link["previous_digest"] not in before.get(link["position"] - 1, {None}):
                act.find(place, "it does not follow on the batch before it")
            _check_link(act, place, link)
            before.setdefault(link["position"], set()).add(link["digest"])
            act.count("merged_batches")


def check_rewrite(act: Act) -> None:
    """No erasure is left half done."""
    if act.store.setting("rewrite_pending"):
        act.find("registry", "an erasure was not finished: what it erased may still stand in the file")


# -- texts


def check_texts(act: Act) -> None:
    """Every text is what its digest says, and as long as its documents say."""
    act.find_all(_wrong_texts(act))


def _wrong_texts(act: Act) -> Iterable[tuple[str, str]]:
    for batch in act.store.stream("verify_texts"):
        words = _words(batch.column("content"))
        fewest, most = (_numbers(batch.column(name)) for name in ("fewest_words", "most_words"))
        held = batch.column("content").is_valid().to_numpy(zero_copy_only=False)
        miscounted = held & ((words != fewest) | (words != most))
        wrong = miscounted | batch.column("what").is_valid().to_numpy(zero_copy_only=False)
        for index in np.flatnonzero(wrong).tolist():
            said = (fewest if words[index] != fewest[index] else most)[index]
            counted = f"it has {words[index]:,} words, but its documents say {said:,}"
            yield batch.column("place")[index].as_py(), batch.column("what")[index].as_py() or counted
        act.count("texts", batch.num_rows)


def _words(texts: pa.Array) -> NDArray[np.int64]:
    """Words of each text, (n,) int64; 0 where there is none."""
    held = Texts.of(texts.cast(pa.large_string()).fill_null(""))
    return count_words(held.content, held.ends)


def _numbers(column: pa.Array) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = column.to_numpy(zero_copy_only=False)
    return numbers


def check_lengths(act: Act) -> None:
    """Every tokenizer is the one that its digest says, and every token count what it counts."""
    for tokenizer_id, name, digest, content in act.store.ask("tokenizers"):
        if hashlib.sha256(content.encode()).digest() != digest:
            act.find(f"tokenizer {name}", "it is not the one that its digest names")
        else:
            encoder = tokenizers.Tokenizer.from_str(content)
            act.find_all(_wrong_lengths(act, Tokenizer(tokenizer_id, name, digest, encoder)))


def _wrong_lengths(act: Act, tokenizer: Tokenizer) -> Iterable[tuple[str, str]]:
    with act.store.lend(asked=pa.table({"tokenizer_id": [tokenizer.tokenizer_id]})):
        for batch in act.store.stream("verify_lengths"):
            counted = tokenizer.count(batch.column("content"))
            wrong = batch.append_column("counted", counted).filter(pc.not_equal(batch.column("tokens"), counted))
            for row in wrong.select(["place", "tokens", "counted"]).to_pylist():
                yield row["place"], f"it has {row['counted']:,} tokens of {tokenizer.name}, not {row['tokens']:,}"
            act.count("token_counts", batch.num_rows)


def check_fingerprints(act: Act) -> None:
    """Every fingerprint is that of its text."""
    if not (made := sketcher(act.store)):
        return
    act.find_all(_wrong_fingerprints(act, made))
    if missing := act.store.ask_records("count_fingerprints")[0]["missing"]:
        act.note("fingerprints", f"{missing:,} texts have none yet: `prov fingerprint rebuild` makes them")
    elif act.store.setting(UNFINISHED):
        act.note("fingerprints", "what is near to held-out texts was not found: `prov fingerprint rebuild` goes on")


def _wrong_fingerprints(act: Act, made: Sketcher) -> Iterable[tuple[str, str]]:
    for batch in act.store.stream("verify_fingerprints"):
        again = made.rows(pa.nulls(batch.num_rows, pa.int64()), batch.column("content"))
        for name in ("signature", "keys"):
            differ = _differ(batch.column(name), again.column(name).combine_chunks())
            for index in np.flatnonzero(differ).tolist():
                yield batch.column("place")[index].as_py(), f"the {name} of its fingerprint are not those of its text"
        act.count("fingerprints", batch.num_rows)


def _differ(held: pa.ListArray, wanted: pa.ListArray) -> NDArray[np.bool_]:
    """Which lists of two columns are not the same: (n,) bool."""
    lengths = pc.list_value_length(held).to_numpy()
    differ: NDArray[np.bool_] = lengths != pc.list_value_length(wanted).to_numpy()
    alike = np.flatnonzero(~differ)
    one, other = (column.take(pa.array(alike)).flatten().to_numpy() for column in (held, wanted))
    differ[np.repeat(alike, lengths[alike])[one != other]] = True
    return differ


def check_documents(act: Act) -> None:
    """Every document is the one that its digest says."""
    by_question("verify_documents")(act)
    act.result.checked["documents"] = act.store.ask_value("count_documents")


# -- lineage


def check_models(act: Act) -> None:
    """Every model is the one that its digest says, as far as its parts are known."""
    act.store.run("every_ancestor")
    recorded = {digest for (digest,) in act.store.ask("recorded_models")}
    unproven = 0
    for digest, records in groupby(act.store.ask_records("ancestor_models"), lambda record: record["digest"]):
        trainings = list(records)
        act.count("models")
        if any(digest_of_model(record).hex() == digest for record in trainings):
            continue
        if digest in recorded or _is_no_stub(trainings[0]):
            act.find(f"model {trainings[0]['name']}", "its digest is not that of its name, base, mix, spec and seed")
        else:
            unproven += 1
    if unproven:
        act.note("models", f"{unproven:,} are known by name and digest alone: nobody can check those")


def _is_no_stub(model: dict[str, Any]) -> bool:
    """Whether the parts of a model are known, though its digest is not theirs."""
    generations = (None, *range(1, MOST_GENERATIONS))
    named = (model_digest(model["name"], generation).hex() for generation in generations)
    return bool(model["base"] or model["mix"] or model["spec"]) or model["digest"] in named


def check_runs(act: Act) -> None:
    """Every run is the one that its digest says, but for those that are known by it alone."""
    act.store.run("every_ancestor")
    for run in act.store.ask_records("ancestor_runs"):
        act.count("runs")
        if not run["is_stub"] and (run["kind"] is None or digest_of_run(run).hex() != run["digest"]):
            act.find(f"run {run['digest'][:12]}", "its digest is not that of its kind, model, mix, spec and seed")


# -- mixes


@dataclass(frozen=True)
class Held:
    """A mix whose documents are held."""

    mix_id: int
    digest: str
    spec: str
    as_of_batch_id: int | None
    seen_batch_id: int | None
    is_of_this_schema: bool

    @property
    def place(self) -> str:
        return f"mix {self.digest[:12]}"


def check_mixes(act: Act) -> None:
    """Every mix is its spec and its documents; what was drawn here can be drawn again, and is the same."""
    held = [Held(**row) for row in act.store.ask_records("held_mixes")]
    for mix in held:
        _check_manifest(act, mix)
        act.count("mixes")
    drawn = [mix for mix in held if mix.as_of_batch_id is not None]
    for seen, mixes in groupby(drawn, lambda mix: mix.seen_batch_id):
        if seen is None:
            act.find_all((mix.place, "there is no batch that it could have been drawn after") for mix in mixes)
            continue
        with past(act.store, seen) as then:
            for mix in mixes:
                _draw_again(act, then, mix)
                act.count("mixes_drawn_again")


def _check_manifest(act: Act, mix: Held) -> None:
    digest, documents = hashlib.sha256(canonical(json.loads(mix.spec))), 0
    with act.store.lend(asked=pa.table({"mix_id": [mix.mix_id]})):
        for batch in act.store.stream("manifest"):
            positions = _numbers(batch.column("position"))
            if not np.array_equal(positions, np.arange(documents, documents + batch.num_rows)):
                act.find(mix.place, f"its documents are not numbered without gaps, after the {documents:,}.")
                return
            update_with(digest, batch.column("digest"))
            documents += batch.num_rows
    if digest.hexdigest() != mix.digest:
        act.find(mix.place, "its digest is not that of its spec and its documents in their order")


def _draw_again(act: Act, then: Store, mix: Held) -> None:
    try:
        spec = MixSpec.model_validate_json(mix.spec)
        digest = draw(then, spec, record=False, texts_of=act.store).digest.hex()
    except BROKEN as error:
        _tell_difference(act, mix, f"it cannot be drawn again: {str(error).partition(chr(10))[0]}")
        return
    again = then.connection.table("drawn").select("position, document_id, stratum").to_arrow_table()
    with act.store.lend(redrawn=again):
        first, differing = act.store.ask("verify_redrawn", mix_id=mix.mix_id)[0]
    if digest != mix.digest or differing:
        where = (
            "in no document" if first is None else f"from position {first:,} on, in {differing:,} documents or strata"
        )
        _tell_difference(act, mix, f"drawn again as of its batch it is another, {where}")
    elif mix.is_of_this_schema:
        _check_as_drawn(act, then, mix)


def _check_as_drawn(act: Act, then: Store, mix: Held) -> None:
    with act.store.lend(recounted=then.connection.sql(question("past_composition")).to_arrow_table()):
        if act.store.ask_value("verify_as_drawn", mix_id=mix.mix_id):
            _tell_difference(act, mix, "what it was made of when drawn is not what its documents were then")


def _tell_difference(act: Act, mix: Held, what: str) -> None:
    """Tell that a mix cannot be had again: a finding, unless what is known of its time changed for a known reason."""
    assert mix.seen_batch_id is not None
    reasons = {
        "lineage of its time was learnt later": act.store.ask_value("learnt_later", batch_id=mix.seen_batch_id),
        "what its filter names was erased since": _names_metadata(mix)
        and act.store.ask_value("erased_since", batch_id=mix.seen_batch_id),
        "texts among which it looked for near-duplicates were erased since": _looks_for_near(mix)
        and act.store.ask_value("texts_erased_since", batch_id=mix.seen_batch_id),
        "the fingerprints by which it looked for near-duplicates are others now": _looks_for_near(mix)
        and not _has_sketch(act, mix),
    }
    if reason := next((reason for reason, holds in reasons.items() if holds), None):
        act.note(mix.place, f"{what}; {reason}")
    else:
        act.find(mix.place, what)


def _names_metadata(mix: Held) -> bool:
    """Whether a filter of a mix names a field that documents have from their users."""
    spec = MixSpec.model_validate_json(mix.spec)
    filters = [stratum.where for stratum in spec.strata] + ([spec.where] if spec.where else [])
    return any(name not in KINDS for where in filters for name in where.names)


def _looks_for_near(mix: Held) -> bool:
    dedup = MixSpec.model_validate_json(mix.spec).dedup
    return dedup is not None and dedup.kind == "near"


def _has_sketch(act: Act, mix: Held) -> bool:
    """Whether the registry's fingerprints, all of them, are those that a mix looked for near-duplicates by."""
    dedup, made = MixSpec.model_validate_json(mix.spec).dedup, sketcher(act.store)
    is_whole = made is not None and not act.store.ask_records("count_fingerprints")[0]["missing"]
    return bool(is_whole and made and dedup and dedup.sketch and made.spec.is_like(dedup.sketch))


CHECKS: dict[str, Callable[[Act], None]] = {
    "chain": check_chain,
    "merged chains": check_merged,
    "rewrite": check_rewrite,
    "references": by_question("verify_references"),
    "digests": by_question("verify_twice"),
    "batches": by_question("verify_batches"),
    "documents": check_documents,
    "declarations": by_question("verify_in_force"),
    "generations": by_question("verify_generations"),
    "fields": by_question("verify_fields"),
    "lineage": by_question("verify_lineage"),
    "models": check_models,
    "runs": check_runs,
    "compositions": by_question("verify_compositions"),
    "mix parents": by_question("verify_mix_parents"),
    "texts": check_texts,
    "uncounted texts": by_question("verify_uncounted"),
    "token counts": check_lengths,
    "fingerprints": check_fingerprints,
    "mixes": check_mixes,
}
"""All that is checked, in this order."""
