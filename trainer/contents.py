"""What files hold that test-beds read, so that an experiment on other data is another one."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from provenance.errors import ProvError


def contents(root: Path, files: Iterable[Path]) -> str:
    """SHA-256, in hex, of files below a folder: of their names there, and of what they hold.

    Raises:
        ProvError: one cannot be read.
    """
    told = hashlib.sha256()
    for file in sorted(files):
        try:
            with file.open("rb") as opened:
                held = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise ProvError(f"cannot read {file}: {error.strerror}; name a file that can be read") from error
        told.update(f"{len(str(file.relative_to(root)))}:{file.relative_to(root)}:{held}\n".encode())
    return told.hexdigest()


def check_contents(path: Path, wanted: str | None, found: str) -> None:
    """Refuse data that are not those an experiment was begun with.

    Args:
        wanted: what they held then; None where nothing was begun.
    Raises:
        ProvError: they hold something else now.
    """
    if wanted not in (None, found):
        raise ProvError(
            f"{path} does not hold what it did when the experiment began (sha256 {wanted}, now {found}): "
            "give it back what it held, or leave content out and begin another"
        )
