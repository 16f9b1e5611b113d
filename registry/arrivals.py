"""Arrivals: new texts that are near-duplicates of what is held, or of one another; told, and nothing is removed."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from registry.fingerprints import wanted_sketcher
from registry.near import Nearness, find_near, seek_among
from registry.schema import question
from registry.store import Store

MOST_LISTED = 1_000
"""So many pairs are listed; all are counted."""


@dataclass(frozen=True)
class Arrivals:
    """What is near among new texts.

    Attributes:
        texts: so many were new.
        candidates: pairs of texts that were judged.
        pairs: those that are near; of two texts, each counts once.
        origins: how many pairs there are by the origins of the new text and of the one that it is near to. A text of
            several documents counts as what the human one says, then the one of the lowest generation.
        listed: the first pairs, the nearest first, each with what is said of `new` and of what it is `near_to`.
    """

    texts: int = 0
    candidates: int = 0
    pairs: int = 0
    origins: Counter[tuple[str, str]] = field(default_factory=Counter)
    listed: list[dict[str, Any]] = field(default_factory=list)

    def __add__(self, other: "Arrivals") -> "Arrivals":
        return Arrivals(
            self.texts + other.texts,
            self.candidates + other.candidates,
            self.pairs + other.pairs,
            self.origins + other.origins,
            (self.listed + other.listed)[:MOST_LISTED],
        )

    def summary(self) -> dict[str, Any]:
        return {
            "texts": self.texts,
            "pairs": self.pairs,
            "origins": [
                {"origin": origin, "near_to": near_to, "pairs": pairs}
                for (origin, near_to), pairs in sorted(self.origins.items(), key=lambda item: (-item[1], item[0]))
            ],
            "limit": MOST_LISTED,
            "listed": self.listed,
        }


def find_arrivals(store: Store, newest: int) -> Arrivals:
    """Match the texts that came after one, by its local id, against all that are held, and among themselves.

    Raises:
        NoFingerprints, ProvError: not all texts have fingerprints.
    """
    made = wanted_sketcher(store)
    near = Nearness(made.spec.threshold, "either")
    new = store.ask_table("newer_texts", newest=newest)
    if not new.num_rows:
        return Arrivals()
    seek_among(store, made, store.connection.sql(question("fingerprinted_texts")), asked=new)
    candidates = find_near(store, made, near)
    with store.lend(told_text=store.connection.sql(question("near_texts"))):
        store.run("stage_saying")
    counts = Counter({(origin, near_to): pairs for origin, near_to, pairs in store.ask("near_arrival_counts")})
    listed = store.ask_records("near_arrivals", newest=newest, limit=MOST_LISTED)
    return Arrivals(new.num_rows, candidates, counts.total(), counts, listed)
