"""The model that another goes on from: a recorded one, one in a folder, or one of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provenance.errors import ProvError
from provenance.origin import model_digest
from registry.registry import Registry
from trainer.model import Device, LanguageModel, load


@dataclass(frozen=True)
class Base:
    """A model to go on from.

    Attributes:
        name: what it is called in the registry.
        place: the folder, or the name on the hub, where its weights lie.
        digest: of the recorded model; None where none is recorded.
    """

    name: str
    place: str
    digest: bytes | None

    @property
    def known_as(self) -> bytes:
        """The digest that it has in the registry, or will have."""
        return self.digest or model_digest(self.name)

    def load(self, device: Device, tell: Callable[[str], None]) -> LanguageModel:
        """The model itself.

        Args:
            tell: called with a line before the hub is asked, which may take a while.
        Raises:
            Broken: there is none, or it is not whole.
        """
        if not Path(self.place).exists():
            tell(f"no folder {self.place}, and no recorded model of that name here: asking the Hugging Face hub for it")
        return load(self.place, device)

    def recorded(self, held: Registry) -> str:
        """Its digest in hex, in a registry that knows it from now on: as a foreign model, unless it did before."""
        if self.digest is None:
            folder = Path(self.place)
            held.record_model(self.name, path=str(folder.resolve()) if folder.is_dir() else None)
        return self.known_as.hex()


def find_base(held: Registry, wanted: str) -> Base:
    """The model of a name, of a digest, in a folder or on the hub, that another is to go on from.

    Raises:
        ProvError: it is recorded, but nobody said where its weights lie.
    """
    models = held.list("models")
    by_name = [
        row for row in models if row["name"] == wanted or (len(wanted) >= 4 and row["digest"].startswith(wanted))
    ]
    by_place = [row for row in models if row["path"] and _same_place(row["path"], wanted)]
    for row in sorted(by_name, key=lambda row: row["is_foreign"]) + by_place:
        if place := row["path"] or (row["name"] if row["is_foreign"] else None):
            return Base(row["name"], place, bytes.fromhex(row["digest"]))
        raise ProvError(
            f"nobody said where the weights of the model {row['name']} lie: record that with "
            "`prov record model … --path FOLDER`, or name the folder"
        )
    folder = Path(wanted)
    return Base(folder.resolve().name if folder.is_dir() else wanted, wanted, None)


def _same_place(one: str, other: str) -> bool:
    return one == other or (Path(other).is_dir() and Path(one).resolve() == Path(other).resolve())
