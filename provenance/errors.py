"""Errors that a user can mend: one line that says what was wanted, what there is and what to do."""

from collections.abc import Iterable


class ProvError(Exception):
    """A request that cannot be met as it stands; commands print it as `prov: …` and exit 1."""


MOST_NAMES = 12


class NotFound(ProvError):
    """A name or id that the registry does not hold; `known` are all that it holds, or `examples` a few of many."""

    def __init__(
        self, kind: str, wanted: str, known: Iterable[str] = (), examples: Iterable[str] | None = None
    ) -> None:
        self.kind, self.wanted, self.known = kind, wanted, sorted(known if examples is None else examples)
        such = "there is" if examples is None else "wanted one such as"
        there = f"{such} {listed(self.known)}" if self.known else "the registry holds none"
        super().__init__(f"no {kind} {quoted(wanted)}: {there}")


class Ambiguous(ProvError):
    """A name or id that fits several things."""

    def __init__(self, kind: str, wanted: str, fits: Iterable[str]) -> None:
        self.kind, self.wanted, self.fits = kind, wanted, sorted(fits)
        super().__init__(f"{kind} {quoted(wanted)} is ambiguous, it fits {listed(self.fits)}: name one of them in full")


def quoted(name: str, most: int = 200) -> str:
    """A name as it was given, in quotes; of a very long one the beginning."""
    return repr(name if len(name) <= most else f"{name[:most]}…")


def listed(names: Iterable[object], most: int = MOST_NAMES) -> str:
    """Names in one line, of many the first and how many more there are."""
    held = list(names)
    more = f" and {len(held) - most:,} more" if len(held) > most else ""
    return ", ".join(map(str, held[:most])) + more
