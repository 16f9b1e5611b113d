"""What is claimed, held against what was found."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Claim:
    """What is claimed, and what was found.

    Attributes:
        low, high: between these the finding is to be; both None where it is told and not judged.
        strictly: it is to be more than low, a tie fails.
    """

    what: str
    low: float | None
    high: float | None
    found: float
    strictly: bool = False

    @property
    def verdict(self) -> str:
        if self.low is None and self.high is None:
            return "told"
        holds = (self.low is None or self.found >= self.low) and (self.high is None or self.found <= self.high)
        holds &= not (self.strictly and self.found == self.low)
        return "pass" if holds else "FAIL"

    def row(self) -> dict[str, Any]:
        """As tables show it."""
        names = ("what", "low", "high", "found", "verdict")
        return {name: getattr(self, name) for name in names}
