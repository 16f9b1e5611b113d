"""What is there only where an extra of the package was installed."""

from importlib.util import find_spec

from provenance.errors import ProvError

EXTRAS = {
    "train": ("torch", "transformers"),
    "images": ("torch", "sklearn", "PIL"),
    "molecules": ("torch", "rdkit"),
}
"""The modules that each brings."""


def check_installed(who: str, extra: str = "train") -> None:
    """Refuse to go on where what an extra brings is not there.

    Args:
        who: wants it.
    Raises:
        ProvError: it is not installed.
    """
    for module in EXTRAS[extra]:
        if find_spec(module) is None:
            raise ProvError(
                f"{who} wants {module}, which is not installed: run pip install 'corpus-provenance[{extra}]'"
            )
