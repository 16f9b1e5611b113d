"""Blind trials: a registry of texts alone and, sealed beside it, what is true of each of them.

Whoever has the blind registry alone can tell nothing of a document but what its text tells: ids and order are drawn by
a cryptographic generator and derived from nothing, all documents came in one batch, and nothing else is said of any.
Where human and model texts differ in length, that would tell: `match_lengths` draws as many of either of each length.
"""

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import fsum, log2
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provenance.calibration import auc
from provenance.errors import ProvError
from provenance.fingerprint import DEFAULT
from provenance.origin import Origin, words
from registry.copying import replacing, rows_at_a_time, translated
from registry.fingerprints import setting_of
from registry.ingest import Feed, ingest
from registry.matching import matching
from registry.readers import Row
from registry.rows import Declared, Rules
from registry.sealed import keep_key, read_key, seal
from registry.store import Progress, Store, silent
from registry.where import Where

Ints = NDArray[np.int64]

REASONS = ("unknown", "mixed", "withdrawn", "erased")
"""Why a document that the filter lets through is not in a trial."""

WIDTHS = (1.25, 1.1, 1.05, 1.02, 1.0)
"""Bands of lengths, each so many times as wide as it begins; the last holds one number of words."""

NEAR_ENOUGH = 0.05
"""The most by which the lengths of human and of model documents may differ in distribution, where they are matched: as
the largest gap between the two (Kolmogorov & Smirnov), which bounds how far an AUC can be from a half."""

ENTROPY = "mean surprisal in bits per word under a unigram model of all texts of the trial"
LONGEST_BYTES = 2**62
"""What is in one registry may be in another, whatever its length."""


@dataclass(frozen=True)
class Trial:
    """A blind trial as it is asked for.

    Attributes:
        output: the blind registry.
        truth: the sealed file beside it.
        key: the file with the key of the seal, which is made where there is none.
        where: which documents; of unknown and mixed origin there is no truth, so they are left out.
        documents: so many of them, None for all.
        seed: of the choice; the order and the ids are another in each trial.
        match_lengths: draw human and model documents so that their lengths tell nothing.
    """

    output: Path
    truth: Path
    key: Path
    where: Where | None = None
    documents: int | None = None
    seed: int = 0
    match_lengths: bool = False

    def check(self) -> None:
        """See that all of it can be written.

        Raises:
            ProvError: something stands there, there is no folder, or two names are one.
        """
        files = {"-o": self.output, "--truth": self.truth, "--key-file": self.key}
        if len({path.absolute() for path in files.values()}) < len(files):
            raise ProvError(f"a trial is three files: give {', '.join(files)} three names")
        for option, path in files.items():
            if not path.absolute().parent.is_dir():
                raise ProvError(f"no folder {path.parent} to make {path.name} in: make it first")
            if path.exists() and option != "--key-file":
                raise ProvError(f"{path} exists already: name another with {option}, or remove it if it is of no use")
        if self.key.exists():
            read_key(self.key)
        if self.match_lengths and (self.documents or 0) % 2:
            raise ProvError(
                f"{self.documents:,} documents cannot be half human, half model: give --docs an even number"
            )


@dataclass(frozen=True)
class Blinded:
    """What a blind trial came to.

    Attributes:
        registry: the id of the blind registry, None where it was a dry run.
        left_out: documents that are not in it, by why.
        not_drawn: documents that could have been in it, and were not chosen.
        length_auc: how well the number of words alone tells model from human documents; 0.5 tells nothing.
        band: how wide the bands were in which lengths were matched, None where they were not.
    """

    output: Path
    truth: Path
    registry: str | None
    human: int
    model: int
    left_out: dict[str, int]
    not_drawn: int
    length_auc: float | None
    band: float | None

    def summary(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        return vars(self) | {"output": str(self.output), "truth": str(self.truth), "documents": self.human + self.model}


def blind(store: Store, trial: Trial, dry_run: bool = False, progress: Progress = silent) -> Blinded:
    """Make a blind registry of a registry, and the sealed truth about it; both appear whole, the truth first.

    Args:
        dry_run: choose and tell, but write nothing.
        progress: called with the number of documents written since the last call.
    Raises:
        ProvError: something stands where they are to be, or there are no documents for such a trial.
    """
    trial.check()
    stock = _stock(store, trial.where)
    chosen = _choose(stock, trial)
    documents = stock.documents.take(chosen.rows)
    registry = None if dry_run else _write(store, trial, _shuffled(documents), progress)
    human = int(np.count_nonzero(~_is_model(documents)))
    return Blinded(
        trial.output,
        trial.truth,
        registry,
        human,
        len(documents) - human,
        stock.left_out,
        len(stock.documents) - len(documents),
        _length_auc(documents),
        chosen.band,
    )


# -- which documents


class _Stock(NamedTuple):
    """The documents that could be in a trial, in the order of their digests, and how many could not."""

    documents: pa.Table
    left_out: dict[str, int]


def _stock(store: Store, where: Where | None) -> _Stock:
    if where:
        matching(store, where)
    else:
        with store.lend(let_through=store.connection.table("document").select("document_id")):
            store.run("stage_matching")
    store.run("stage_withdrawn")
    told = store.ask_table("trial_documents")
    why = Counter(told.column("left_out").to_pylist())
    eligible = told.filter(told.column("left_out").is_null()).drop_columns(["left_out"])
    return _Stock(eligible, {reason: why[reason] for reason in REASONS})


class _Chosen(NamedTuple):
    rows: Ints  # (chosen,) places in the stock, in rising order
    band: float | None


def _choose(stock: _Stock, trial: Trial) -> _Chosen:
    is_model, rng = _is_model(stock.documents), np.random.default_rng(trial.seed)
    for origin, count in ((Origin.HUMAN, np.count_nonzero(~is_model)), (Origin.MODEL, np.count_nonzero(is_model))):
        if not count:
            there = ", ".join(f"{number:,} {reason}" for reason, number in stock.left_out.items() if number)
            raise ProvError(
                f"a blind trial needs human and model documents, there are none of origin {origin} "
                f"(left out: {there or 'nothing'}): take some in, or let more through with --where"
            )
    if trial.match_lengths:
        pairs, band = match_lengths(_column(stock.documents, "words"), is_model, rng)
        held, wanted = 2 * pairs.shape[1], trial.documents
        _check_held(wanted, held, "of matching lengths")
        kept = pairs if wanted is None else pairs[:, rng.choice(pairs.shape[1], wanted // 2, replace=False)]
        return _Chosen(np.sort(kept.ravel()), band)
    held = len(stock.documents)
    _check_held(trial.documents, held, "of human and model origin")
    return _Chosen(np.sort(rng.choice(held, trial.documents or held, replace=False)), None)


def _check_held(wanted: int | None, held: int, kind: str) -> None:
    if wanted is not None and wanted > held:
        raise ProvError(f"the trial needs {wanted:,} documents {kind}, there are {held:,}: use --docs {held} or less")


def match_lengths(
    words: Ints, is_model: NDArray[np.bool_], rng: np.random.Generator, widths: Sequence[float] = WIDTHS
) -> tuple[Ints, float]:
    """Pair human with model documents of about one length, so that the lengths of either tell nothing.

    Within a band of lengths all of the fewer kind are paired, with as many drawn of the other. Bands are as wide as
    they can be for the two distributions of lengths to stay near enough.

    Args:
        words: (documents,)
        is_model: (documents,)
    Returns:
        (2, pairs) places in `words`, human above model; and how wide the bands are.
    Raises:
        ProvError: no two documents are of about one length.
    """
    for width in widths:
        pairs = _paired(_bands(words, width), is_model, rng)
        count = pairs.shape[1]
        # Of so few documents chance alone would leave a larger gap than the one that is near enough.
        if count and largest_gap(*words[pairs]) <= max(NEAR_ENOUGH, count**-0.5):
            return pairs, width
    raise ProvError(
        "no human document has the length of a model document, so lengths cannot be matched: leave --match-lengths out"
    )


def _bands(words: Ints, width: float) -> Ints:
    """The band that each number of words falls into, (documents,)."""
    if width == 1:
        return words
    bands: Ints = np.floor(np.log(np.maximum(words, 1)) / np.log(width)).astype(np.int64)
    return bands


def _paired(bands: Ints, is_model: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """As many places of either kind in each band, (2, pairs), by band."""
    kinds = [rng.permutation(np.flatnonzero(kind)) for kind in (~is_model, is_model)]
    kinds = [places[np.argsort(bands[places], kind="stable")] for places in kinds]
    human, model = (bands[places] for places in kinds)
    ranks = [np.arange(len(own)) - np.searchsorted(own, own) for own in (human, model)]
    others = [np.searchsorted(b, a, "right") - np.searchsorted(b, a) for a, b in ((human, model), (model, human))]
    kept = [places[rank < held] for places, rank, held in zip(kinds, ranks, others, strict=True)]
    return np.stack(kept)


def largest_gap(one: Ints, other: Ints) -> float:
    """The largest difference between two distribution functions of samples (Kolmogorov & Smirnov).

    >>> largest_gap(np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6]))
    0.5
    """
    places = np.union1d(one, other)
    shares = [np.searchsorted(np.sort(sample), places, "right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _length_auc(documents: pa.Table) -> float | None:
    return auc(_column(documents, "words").astype(np.float64), _is_model(documents))


def _is_model(documents: pa.Table) -> NDArray[np.bool_]:
    return np.asarray(documents.column("origin").to_numpy() == Origin.MODEL.value, np.bool_)


def _column(documents: pa.Table, name: str) -> Ints:
    return np.asarray(documents.column(name).to_numpy(), np.int64)


# -- the registry and the truth


def _shuffled(documents: pa.Table) -> pa.Table:
    """The documents in an order that nobody can know, each under an id that says nothing."""
    order = list(range(len(documents)))
    secrets.SystemRandom().shuffle(order)
    items = [secrets.token_hex(16) for _ in order]
    return documents.take(order).add_column(0, "item", pa.array(items))


def _write(store: Store, trial: Trial, documents: pa.Table, progress: Progress) -> str:
    """Make the blind registry and its truth, each under its name only when both are whole.

    The truth comes first: killed in between, what is left is a sealed file of no use. A registry without its truth
    would look like a trial, and could never be scored.

    Returns:
        The id of the blind registry.
    """
    key = keep_key(trial.key)
    with _withdrawn_on_failure() as written, translated(trial.output), replacing(trial.output) as unfinished:
        with translated(trial.truth), replacing(trial.truth) as sealed:
            trial.check()  # again, now that nobody else can be making the same
            with translated(trial.output):
                registry, truth = _made(unfinished, store, documents, progress)
            truth = truth.replace_schema_metadata(_told(store, trial))
            sealed.write_bytes(seal(truth, registry, key))
        written.append(trial.truth)
    return registry


@contextmanager
def _withdrawn_on_failure() -> Iterator[list[Path]]:
    """Leave none of the files that the block names as written, if it fails."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _made(path: Path, store: Store, documents: pa.Table, progress: Progress) -> tuple[str, pa.Table]:
    """Make the blind registry.

    Returns:
        Its id, and the truth about its documents.
    """
    with Store.create(path, store.clock, setting_of(DEFAULT)) as made:
        with store.lend(trial=_places(documents)):
            entropy = _fill(made, store, documents.column("item").to_pylist(), progress)
        made.connection.execute("CHECKPOINT")  # closing would do it too, but could not tell of a full disk
        registry = made.setting("registry_id")
    assert registry is not None
    return registry, documents.drop_columns(["document_id"]).append_column("entropy", pa.array(entropy, pa.float64()))


def _places(documents: pa.Table) -> pa.Table:
    places = pa.array(np.arange(len(documents)))
    return pa.table({"place": places, "document_id": documents.column("document_id")})


def _told(store: Store, trial: Trial) -> dict[str, str]:
    """What the truth says of the trial as a whole."""
    asked = {"seed": trial.seed, "documents": trial.documents, "match_lengths": trial.match_lengths}
    where = None if trial.where is None else str(trial.where)
    return {"trial": json.dumps({**asked, "where": where, "of": store.setting("registry_id"), "entropy": ENTROPY})}


def _fill(made: Store, store: Store, items: list[str], progress: Progress) -> list[float | None]:
    """Take the texts of the trial into the blind registry, by the one door in.

    Returns:
        The entropy of each text, in the order of the trial.
    """
    surprisal = _surprisals(_texts(store))
    entropy: list[float | None] = []

    def rows() -> Iterator[Row]:
        for number, (item, text) in enumerate(zip(items, _texts(store), strict=True), 1):
            entropy.append(_entropy(text, surprisal))
            yield Row(number, f"row {number:,}", {"id": item, "text": text})

    taken = ingest(made, [Feed("", rows())], Rules(Declared(), {}, None, LONGEST_BYTES), progress=progress)
    assert taken.added == len(items), f"{taken.added:,} of {len(items):,} documents taken in"
    return entropy


def _texts(store: Store) -> Iterator[str]:
    for batch in store.stream("trial_texts", rows_at_a_time(store.connection)):
        yield from batch.column("text").to_pylist()


# -- entropy


def _surprisals(texts: Iterable[str]) -> dict[str, float]:
    """How many bits each word says under the unigram model of all texts, -log2 of its share of their words."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    total = counts.total()
    return {word: log2(total / count) for word, count in counts.items()}


def _entropy(text: str, surprisal: Mapping[str, float]) -> float | None:
    """The mean surprisal of the words of a text, None where it has none."""
    said = [surprisal[word] for word in words(text)]
    return fsum(said) / len(said) if said else None
