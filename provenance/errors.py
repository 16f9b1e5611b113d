"""Errors that a user can mend: one line that says what was wanted, what there is and what to do."""

from collections.abc import Iterable


class ProvError(Exception):
    """A request that cannot be met as it stands; commands print it as `prov: …` and exit 1."""


class NotFound(ProvError):
    """A name or id that the registry does not hold."""

    def __init__(self, kind: str, wanted: str, known: Iterable[str] = ()) -> None:
        self.kind, self.wanted, self.known = kind, wanted, sorted(known)
        super().__init__(f"no {kind} {wanted!r}: {_listed(self.known)}")


class Ambiguous(ProvError):
    """A name or id that fits several things."""

    def __init__(self, kind: str, wanted: str, fits: Iterable[str]) -> None:
        self.kind, self.wanted, self.fits = kind, wanted, sorted(fits)
        super().__init__(f"{kind} {wanted!r} is ambiguous, it fits {', '.join(self.fits)}: name one of them in full")


def _listed(known: list[str], most: int = 12) -> str:
    if not known:
        return "the registry holds none"
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return f"there is {', '.join(known[:most])}{more}"
