"""Curation: how the documents of a corpus are told apart, and which of them a model learns from.

A curator says of texts how probably a model wrote each; a `Curation` says what follows from that. What a curator says
is kept in the registry, as an annotation of the documents, and a mix is drawn by it alone: the filter of a curated mix
names no origin.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from provenance.attribution import check_prior
from provenance.calibration import logistic
from provenance.errors import ProvError
from provenance.origin import Origin, canonical, text_digest
from provenance.watermark import FALSE_POSITIVES, verdicts
from registry.attribute import find_detector
from registry.mix import MAX_REPEATS, MixSpec, Stratum
from registry.near import Nearness
from registry.where import Name, Where
from trainer.testbed import Floats

if TYPE_CHECKING:
    from provenance.attribution import Detector
    from provenance.detection import Seekers
    from provenance.detector import LogisticDetector
    from registry.registry import Registry

CANNOT_TELL = 0.5
"""What a curator says of a text that tells it nothing."""

COPIES = Nearness(0.4, "containment", containment=0.4)
"""Where each twentieth word was changed, 0.95 ** 5 of the five-word shingles are left on average; of short texts some
keep far fewer."""

BINS = 20
"""Documents are drawn by weight in so many bins of p, those of a bin all alike."""
DECIMALS = 15
TINY = np.finfo(np.float64).tiny


# -- who judges


class Curator(Protocol):
    """Says of texts how probably a model wrote each."""

    sees_origins: ClassVar[bool]
    """Whether it is told who wrote them; one that is not is given nothing but strings."""

    @property
    def name(self) -> str:
        """Its kind, with a digest of all that its judgement depends on."""

    def judge(self, texts: Sequence[str], origins: Sequence[str] | None = None) -> Floats:
        """How probably a model wrote each text, (texts,) from 0 to 1; `CANNOT_TELL` where nothing tells.

        Args:
            origins: who wrote each, for a curator that sees them.
        """


def _named(kind: str, *parts: Any) -> str:
    return f"{kind} {hashlib.sha256(canonical(['prov-curator-1', kind, *parts])).hexdigest()[:8]}"


@dataclass(frozen=True)
class Labels:
    """Believes what documents are declared to be; of an unknown one it cannot tell."""

    sees_origins: ClassVar[bool] = True
    name: ClassVar[str] = "labels"

    def judge(self, texts: Sequence[str], origins: Sequence[str] | None = None) -> Floats:
        assert origins is not None, "labels are read from origins"
        says: dict[str, float] = {Origin.HUMAN: 0.0, Origin.UNKNOWN: CANNOT_TELL}
        return np.array([says.get(origin, 1.0) for origin in origins], np.float64)


@dataclass(frozen=True)
class Oracle:
    """Knows the truth, and errs as often as it is told to: by the text alone, so that a text is always judged alike.

    Attributes:
        tpr: the share of models' texts that it calls a model's.
        fpr: the share of human texts that it calls a model's.
    """

    tpr: float = 1.0
    fpr: float = 0.0
    seed: int = 0
    sees_origins: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return _named("oracle", self.tpr, self.fpr, self.seed)

    def judge(self, texts: Sequence[str], origins: Sequence[str] | None = None) -> Floats:
        truth = Labels().judge(texts, origins)
        called = np.array([self._lot(text) for text in texts]) < np.where(truth == 1, self.tpr, self.fpr)
        return np.where(truth == CANNOT_TELL, CANNOT_TELL, called)

    def _lot(self, text: str) -> float:
        """A number from 0 to below 1 that is as good as random, the same for the same text."""
        drawn = hashlib.sha256(f"prov-oracle-1 {self.seed} ".encode() + text_digest(text)).digest()
        return int.from_bytes(drawn[:6]) / 2**48


@dataclass(frozen=True)
class Watermark:
    """Calls a model's what is marked with one of its keys.

    Attributes:
        rate: the share of unmarked texts that it may call marked, whatever the number of keys.
    """

    seekers: Seekers
    rate: float = FALSE_POSITIVES
    sees_origins: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return _named("watermark", sorted(seeker.key for seeker in self.seekers.seekers), self.rate)

    def judge(self, texts: Sequence[str], origins: Sequence[str] | None = None) -> Floats:
        found = self.seekers.detect(texts) if texts else []
        marked, scored = np.zeros(len(texts), np.bool_), np.zeros(len(texts), np.bool_)
        for one in found:
            marked |= verdicts(one.scores.p, len(self.seekers), self.rate)
            scored |= one.scores.scored > 0
        return np.where(scored, marked, CANNOT_TELL)


@dataclass(frozen=True)
class Retrieval:
    """Calls a model's what is a copy of a registered generation: the same, a part of one, or lightly edited.

    A longer text in which one stands is none: most of it comes from elsewhere.

    Attributes:
        registered: the documents of the registry that are registered generations.
        near: what is a copy.
    """

    held: Registry
    registered: Where
    near: Nearness = COPIES
    sees_origins: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return _named("retrieval", str(self.registered), vars(self.near))

    def judge(self, texts: Sequence[str], origins: Sequence[str] | None = None) -> Floats:
        rows = ({"text": text} for text in texts)
        tables = self.held.lookup_rows(rows, self.near, among=self.registered)
        found = pa.concat_tables(tables)
        is_copy = pc.is_in(found.column("how"), pa.array(["copies whole", "copies part"])).to_numpy()
        is_empty = pc.equal(found.column("match"), "empty").to_numpy()
        return np.where(is_empty, CANNOT_TELL, is_copy)


@dataclass(frozen=True)
class Attribution:
    """Asks a detector, which needs no key, and adds a prior.

    Attributes:
        prior: how probable a model is before the text is read.
    """

    detector: Detector
    prior: float = 0.5
    sees_origins: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return _named("attribution", self.detector.digest.hex(), self.prior)

    def judge(self, texts: Sequence[str], origins: Sequence[str] | None = None) -> Floats:
        odds = math.log(check_prior(self.prior)) - math.log1p(-self.prior)
        scores = self.detector.score(texts) if texts else np.empty(0)
        return np.where([bool(text.strip()) for text in texts], logistic(scores + odds), CANNOT_TELL)


def train_on(human: Sequence[str], model: Sequence[str], seed: int = 0) -> LogisticDetector:
    """A detector that learns from human texts and from those of models, fifty of each at least.

    Raises:
        TooFewTexts: there are fewer.
    """
    from provenance.detector_training import Labelled, train

    return train(Labelled.of(human, model), seed=seed)[0]


# -- what a curator makes of a corpus


@dataclass(frozen=True)
class Judged:
    """How documents were judged, by who is declared to have written them.

    Attributes:
        human, model: how many documents are a human's, and a model's, or mixed.
        human_lost, model_found: how many of these were judged to be a model's.
        untold: of how many the curator could not tell; they count as judged a model's where the threshold says so.
    """

    human: int
    human_lost: int
    model: int
    model_found: int
    untold: int

    @property
    def tpr(self) -> float:
        """The share of models' documents that was found; 1 where there was none."""
        return self.model_found / self.model if self.model else 1.0

    @property
    def fpr(self) -> float:
        """The share of human documents that was lost; 0 where there was none."""
        return self.human_lost / self.human if self.human else 0.0

    @classmethod
    def of(cls, p: Floats, origins: Sequence[str], threshold: float) -> Judged:
        """Count.

        Args:
            p: what a curator said, (documents,).
            origins: the truth.
            threshold: from which on a document is a model's.
        """
        removed, truth = p >= threshold, np.array(origins)
        human, model = truth == Origin.HUMAN, np.isin(truth, [Origin.MODEL, Origin.MIXED])
        counts = (human, human & removed, model, model & removed, p == CANNOT_TELL)
        return cls(*(int(np.count_nonzero(each)) for each in counts))


def field_of(curator: Curator) -> str:
    """The annotated field in which a registry keeps what a curator says."""
    return f"p_model by {curator.name}"


def judge_mix(
    held: Registry, curator: Curator, mix: str, threshold: float = 0.5, more: Mapping[str, float] | None = None
) -> Judged:
    """Let a curator judge the documents of a mix, and keep in one act what it says: nothing, where it is known.

    Args:
        mix: digest or id; what is judged is what it holds, whoever learns from it.
        more: further fields that each document of it gets.
    """
    batches = [batch for batch in held.texts(mix) if batch.num_rows]
    texts = [text for batch in batches for text in batch.column("text").to_pylist()]
    of = [row for batch in batches for row in batch.column("provenance").to_pylist()]
    origins = [row["origin"] for row in of]
    p = curator.judge(texts, origins if curator.sees_origins else None)
    field, fields = field_of(curator), dict(more or {})
    said = {row["document"]: one for row, one in zip(of, p.tolist(), strict=True)}  # once, where the mix repeats it
    held.annotate_rows(({"document": each, field: one, **fields} for each, one in said.items()), on="document")
    return Judged.of(p, origins, threshold)


# -- which documents a model learns from


class RanDry(ProvError):
    """A curator judged nothing to be human."""

    def __init__(self, field: str, documents: int) -> None:
        self.field, self.documents = field, documents
        super().__init__(
            f"of {documents:,} documents none is judged human by [{field}], so there is nothing to learn from: "
            "give a higher threshold, or choose another curation"
        )


Rate = Annotated[float, Field(ge=0, le=1)]

_ASKED_BY: dict[str, frozenset[str]] = {
    "rate": frozenset({"watermark"}),
    "detector": frozenset({"attribution"}),
    "prior": frozenset({"attribution"}),
    "tpr": frozenset({"oracle"}),
    "fpr": frozenset({"oracle"}),
    **dict.fromkeys(
        ("threshold", "exponent", "max_repeats", "draws"),
        frozenset({"watermark", "retrieval", "attribution", "oracle"}),
    ),
}
"""By parameter, the curations that it says something of."""


class Curation(BaseModel):
    """How the documents of a corpus are told apart, and which of them a model learns from.

    Attributes:
        curation: `blind` takes what there is. `labels` takes what is declared human, and so does an `oracle` that does
            not err; neither needs a curator, nor a registry. The others take what a curator judges to be human.
        threshold: documents of which a curator says less than this are learnt from, each once.
        exponent: draw by weight instead, (1 - p) to this power (Drayson, Yilmaz & Lampos 2025, "Machine-generated text
            detection prevents language model collapse"; theirs is 10).
        max_repeats, draws: then a document is drawn so often at most, and for each that there is so many are drawn;
            what would go to a document beyond its repeats is not drawn.
        rate: as `Watermark` has it.
        detector, prior: the name of a detector that the registry keeps, the newest where None; as `Attribution` has it.
        tpr, fpr: as `Oracle` has them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    curation: Literal["blind", "labels", "watermark", "retrieval", "attribution", "oracle"] = "blind"
    threshold: float = Field(default=0.5, gt=0, le=1)
    exponent: float | None = Field(default=None, gt=0, le=1000)
    max_repeats: int = Field(default=3, ge=1, le=MAX_REPEATS)
    draws: float = Field(default=1.5, gt=0, le=1000)
    rate: float = Field(default=FALSE_POSITIVES, gt=0, lt=1)
    detector: str | None = None
    prior: float = Field(default=0.5, gt=0, lt=1)
    tpr: Rate = 1.0
    fpr: Rate = 0.0

    @field_validator(*_ASKED_BY)
    @classmethod
    def _says_something(cls, value: Any, info: ValidationInfo) -> Any:
        kind, wanted = info.data.get("curation"), _ASKED_BY[str(info.field_name)]
        if kind is not None and kind not in wanted:
            raise ValueError(
                f"it says nothing of curation={kind}, but of {', '.join(sorted(wanted))}: leave one of them out"
            )
        return value

    @property
    def is_judged(self) -> bool:
        """Whether a curator is asked."""
        errs = (self.tpr, self.fpr) != (1, 0) or self.exponent is not None
        return errs if self.curation == "oracle" else self.curation not in ("blind", "labels")

    def spec(self, field: str, within: Where, seed: int, count: Callable[[Where], int]) -> MixSpec:
        """The mix of documents that a model learns from.

        Args:
            field: what their curator said of them.
            within: the documents that there are.
            count: how many documents a filter lets through.
        Raises:
            RanDry: none of them is judged human.
        """
        if self.exponent is not None:
            return self._weighed(field, within, seed, count)
        judged = Where.all_of(within, Where.parse(f"{Name(field)} < {self.threshold!r}"))
        if not count(judged):
            raise RanDry(field, count(within))
        return MixSpec(strata=(Stratum(where=judged, share=1),), seed=seed, unknown="unknown", mixed="mixed")

    def _weighed(self, field: str, within: Where, seed: int, count: Callable[[Where], int]) -> MixSpec:
        """One stratum a bin of p: its share is what its documents weigh, at the middle of the bin."""
        assert self.exponent is not None
        edges = np.arange(BINS + 1) / BINS
        bins = [Where.all_of(within, _between(field, *ends)) for ends in pairwise(edges.tolist())]
        held = np.array([count(each) for each in bins])
        weights = (1 - (edges[1:] + edges[:-1]) / 2) ** self.exponent * held
        draws = np.rint(self.draws * held.sum() * weights / max(weights.sum(), TINY))
        quotas = np.minimum(draws, self.max_repeats * held).astype(int)
        if not quotas.sum():
            raise RanDry(field, int(held.sum()))
        taken = np.flatnonzero(quotas).tolist()
        of_each = zip(taken, shares(quotas[taken].tolist()), strict=True)
        return MixSpec(
            strata=tuple(Stratum(where=bins[bin], share=share) for bin, share in of_each),
            size=int(quotas.sum()),
            seed=seed,
            max_repeats=self.max_repeats,
            unknown="unknown",
            mixed="mixed",
        )


def _between(field: str, low: float, high: float) -> Where:
    """Numbers from one on to below another; the highest bin has its end too."""
    above = f"{Name(field)} >= {low!r}"
    return Where.parse(above if high >= 1 else f"{above} AND {Name(field)} < {high!r}")


def shares(quotas: Sequence[int]) -> list[float]:
    """The shares of a mix that has exactly so many documents of each stratum; as decimals they sum to 1.

    >>> shares([1, 2])
    [0.333333333333333, 0.666666666666667]
    """
    but_last = [round(quota / sum(quotas), DECIMALS) for quota in quotas[:-1]]
    return [*but_last, float(1 - sum(map(Decimal, map(repr, but_last)), Decimal(0)))]


def make_curator(curation: Curation, held: Registry, seekers: Seekers | None, source: str, seed: int) -> Curator:
    """The curator that a curation asks.

    Args:
        seekers: they find what the models of the experiment mark.
        source: what these models write is registered under it.
    Raises:
        ProvError: a watermark is to be looked for, and models mark nothing; or there is no detector.
    """
    if curation.curation == "oracle":
        return Oracle(curation.tpr, curation.fpr, seed)
    if curation.curation == "retrieval":
        return Retrieval(held, Where.equals("source", source))
    if curation.curation == "watermark":
        if seekers is None:
            raise ProvError(
                "curation=watermark looks for the marks of what models write, and they mark nothing: "
                "give the test-bed a key of the keyring, as in language:key=NAME"
            )
        return Watermark(seekers, curation.rate)
    assert curation.curation == "attribution", f"{curation.curation} asks nobody"
    found = find_detector(held, curation.detector)
    if found is None:
        raise ProvError(
            f"curation=attribution asks a detector, and {held.path} holds none: "
            "train one with `prov attribute --train`, or take one over"
        )
    return Attribution(found[0], curation.prior)
