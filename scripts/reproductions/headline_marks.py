"""Keys of the headline: drawn from the seed, so that the experiment can be repeated; they protect nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from provenance.detection import Seeker, Seekers
from provenance.schemes.synthid import Synthid
from provenance.watermark import Secret
from trainer.generate import Marker
from trainer.streams import stream
from trainer.testbeds.language import Language


@dataclass(frozen=True)
class Marks:
    """A key for each lineage of models, of one scheme and tokenizer."""

    scheme: Synthid
    secrets: dict[str, Secret]
    tokenizer: str
    digest: str

    @classmethod
    def of(cls, bed: Language, seed: int, lineages: Sequence[str]) -> "Marks":
        scheme = Synthid()
        secrets = {one: _secret(scheme, stream(seed, 0, f"key of {one}")) for one in lineages}
        return cls(scheme, secrets, bed.tokenizer.to_str(), bed.tokenizer_digest)

    def key(self, lineage: str) -> str:
        """The id of the key of a lineage."""
        return f"key-of-{lineage}"

    def marker(self, lineage: str, outside: Sequence[int]) -> Marker:
        return Marker(self.scheme, self.secrets[lineage], outside)

    def seekers(self, lineages: Sequence[str]) -> Seekers:
        """What looks for the keys of some lineages, and knows of no other."""
        parameters = self.scheme.model_dump()
        found = [Seeker(self.key(one), self.scheme, self.secrets[one], self.digest, parameters) for one in lineages]
        return Seekers(found, {self.digest: self.tokenizer})

    def write_tokenizer(self, path: Path) -> Path:
        path.write_text(self.tokenizer, encoding="utf-8")
        return path


def _secret(scheme: Synthid, rng: np.random.Generator) -> Secret:
    return tuple(int(part) for part in rng.integers(1 << 62, size=scheme.depth))
