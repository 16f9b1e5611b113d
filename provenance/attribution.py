"""Attribution: how probably a document of unknown origin was written by a model, and by which evidence.

Evidence speaks in log likelihood ratios, log P(evidence | a model wrote it) / P(evidence | a human did), in nats: above
zero it speaks for a model. They are added up with the log odds of a stated prior, as if pieces of evidence were
independent of each other given who wrote the text. They are not quite: a copied text looks like its original to a
detector too, so probabilities near 0 and 1 are surer than they should be, and are cut off.

What no data can tell here is assumed, and every assumption is a constant of this module.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from provenance.errors import ProvError

Kind = Literal["declaration", "detection", "exact", "near", "date", "detector"]
KINDS: tuple[Kind, ...] = ("declaration", "detection", "exact", "near", "date", "detector")

SUREST = 1e-6
"""No probability is nearer to 0 or to 1 than this."""

DECLARED = {"outranked": math.log(3), "superseded": math.log(1.5)}
"""What a declaration weighs that is not in force, for one of higher precedence is, or another's of the same that is
newer. What a declarer took back weighs nothing. `human` weighs as much against a model as `model` does for one."""

IDENTITY_WORDS = 13
"""Two writers may come to a shorter text each by themselves, so what it is a copy of says nothing of its origin."""
EXACT = math.log(99)
"""Of a hundred documents with a text of known origin, one is assumed to be of the other."""
NEAR = math.log(19)
"""Of twenty documents near to a text of known origin, one is assumed to be of the other."""

BEFORE_MODELS = datetime(2019, 2, 14)
"""The day on which GPT-2 was announced (OpenAI, "Better language models and their implications")."""
EARLY = math.log(999)
"""Of a thousand documents dated before that day, one is assumed to be a model's, or misdated."""

FALSE_POSITIVE_RATE = 0.01
"""Of texts without a watermark, the share that is taken to be marked, over all keys."""
TRUE_POSITIVE_RATE = 0.9
"""Of marked texts, the share that is assumed to be found."""
MARKED_SHARE = 0.1
"""Of models' texts, the share that is assumed to be marked with a key that is held."""
LOWEST_RATE = 1e-6
"""A p-value below this counts as this: further out, its own assumptions decide."""


class Evidence(BaseModel):
    """One thing that speaks for or against a model.

    Attributes:
        llr: its log likelihood ratio, in nats; above zero for a model.
        says: what it is, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind
    llr: float
    says: str


class Attribution(BaseModel):
    """All that is known about who wrote a document, and what it comes to.

    >>> for_one, against = Evidence(kind="near", llr=2.0, says="…"), Evidence(kind="date", llr=-2.0, says="…")
    >>> Attribution(prior=0.5, items=(for_one, against)).p_model
    0.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prior: float = Field(gt=0, lt=1)
    items: tuple[Evidence, ...] = ()

    @property
    def p_model(self) -> float:
        """The probability that a model wrote it."""
        log_odds = math.fsum([math.log(self.prior) - math.log1p(-self.prior), *(item.llr for item in self.items)])
        return min(1 - SUREST, max(SUREST, _logistic(log_odds)))


def _logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else math.exp(log_odds) / (1 + math.exp(log_odds))


class Detector(Protocol):
    """What tells from texts alone whether a model wrote them."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> bytes:
        """What identifies it: another digest may score otherwise (32 bytes)."""
        ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The log likelihood ratio of each text, log P(text | model) / P(text | human), (texts,); no prior is in it."""
        ...


def check_prior(prior: float) -> float:
    """A prior that odds can be made of.

    Raises:
        ProvError: it is certain, or no probability.
    """
    if not 0 < prior < 1:
        raise ProvError(f"the prior is {prior:g}: give the probability of a model before any evidence, between 0 and 1")
    return prior


# -- evidence, by kind


Side = Literal["human", "model"]


def declared(origin: Side, by: str | None, standing: Literal["outranked", "superseded"]) -> Evidence:
    """What someone declared, though it is not in force; `DECLARED` says what it weighs."""
    return Evidence(
        kind="declaration",
        llr=_towards(origin, DECLARED[standing]),
        says=f"declared {origin} by {by or 'whoever took it in'}, {standing}",
    )


def detected(p: float, keys: int, key: str) -> Evidence:
    """What looking for watermarks came to.

    With α the stated false-positive rate over all keys, T the share of marked texts that are found and s the share of
    models' texts that are marked, a text is marked where keys × p is at most α, and then weighs

        log((s T + (1 - s) a) / a)

    where a is keys × p rounded up to a power of ten, as if that had been asked for from the beginning; T is taken to
    be the same there. A text that is not marked weighs log((1 - s T - (1 - s) α) / (1 - α)), hardly anything: most
    models mark nothing, or with keys that nobody here has.

    Args:
        p: the smallest p-value over the keys.
        keys: how many keys were looked for.
        key: the id of the key with that p-value.

    >>> round(detected(0.004, 1, "k").llr, 2), round(detected(1e-9, 1, "k").llr, 2), round(detected(0.4, 1, "k").llr, 2)
    (2.29, 11.41, -0.09)
    """
    corrected = min(1.0, p * keys)
    found = MARKED_SHARE * TRUE_POSITIVE_RATE
    if corrected <= FALSE_POSITIVE_RATE:
        rate = 10.0 ** math.ceil(math.log10(max(corrected, LOWEST_RATE)) - 1e-9)
        llr, verdict = math.log((found + (1 - MARKED_SHARE) * rate) / rate), f"marked with key {key}"
    else:
        missed = 1 - found - (1 - MARKED_SHARE) * FALSE_POSITIVE_RATE
        llr, verdict = math.log(missed / (1 - FALSE_POSITIVE_RATE)), "not marked"
    return Evidence(kind="detection", llr=_kept(llr), says=f"{verdict}: p {corrected:.2g}, corrected for {keys:,} keys")


def copied(origin: Side, is_exact: bool, named: str, alike: str) -> Evidence:
    """That its text is that of a document of known origin, or near to it; one is said for each origin."""
    kind: Kind = "exact" if is_exact else "near"
    what = "has the text of" if is_exact else "is near to"
    return Evidence(
        kind=kind, llr=_towards(origin, EXACT if is_exact else NEAR), says=f"{what} the {origin} {named}{alike}"
    )


def dated(created: datetime) -> Evidence | None:
    """That it is older than the models that write like humans; a later date says nothing."""
    if created >= BEFORE_MODELS:
        return None
    says = f"dated {created.date().isoformat()}, before {BEFORE_MODELS.date().isoformat()}"
    return Evidence(kind="date", llr=_towards("human", EARLY), says=says)


def judged(llr: float, detector: Detector) -> Evidence:
    """What a detector makes of its text."""
    says = f"detector {detector.name} ({detector.digest.hex()[:12]})"
    return Evidence(kind="detector", llr=_kept(llr), says=says)


def fuse(prior: float, items: Iterable[Evidence | None]) -> Attribution:
    """All evidence together, in the order of its kinds."""
    held = sorted((item for item in items if item), key=lambda item: (KINDS.index(item.kind), item.says))
    return Attribution(prior=prior, items=tuple(held))


def _towards(origin: Side, weight: float) -> float:
    return _kept(weight if origin == "model" else -weight)


def _kept(llr: float) -> float:
    """As many digits as mean anything: the last bits differ from one machine to the next."""
    return round(llr, 4) + 0.0
