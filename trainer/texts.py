"""What test-beds of texts share: human texts to learn from, of a registry or of a file, and others to measure on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from provenance.errors import ProvError
from trainer.testbed import TestBed

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
TENTHS = 10
"""Where there is no registry, every tenth paragraph is held out."""


class TextBed(TestBed):
    """A test-bed of texts; where there is no registry they are the paragraphs of `texts`.

    Attributes:
        texts: a file of paragraphs, with blank lines between them; Python's own documentation where it is None.
        held_out: the human texts to measure on, where they come from a registry.
    """

    vectorised: ClassVar[bool] = False
    unit: ClassVar[str] = "texts"
    takes_texts: ClassVar[bool] = True
    set_aside: ClassVar[frozenset[int]] = frozenset({0})
    """Of each ten paragraphs, those that no model learns from; the first is measured on."""

    texts: str | None = None
    held_out: tuple[str, ...] = Field(default=(), repr=False)

    def grounded(self, human: Callable[[], Iterable[str]], held_out: Sequence[str]) -> Self:
        if not held_out:
            raise ProvError(
                "the registry holds out no human text to measure on: hold some out first, as in "
                "`prov hold-out --frac 0.1 --seed 0 --name test`"
            )
        return self.model_copy(update={"held_out": tuple(held_out)})

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        known = [text for place, text in enumerate(paragraphs(self.texts)) if place % TENTHS not in self.set_aside]
        if size > len(known):
            raise ProvError(
                f"{self.texts or 'the texts that Python ships'} hold {len(known):,} paragraphs to learn from, "
                f"this needs {size:,}: give a smaller --size, or more with texts=FILE"
            )
        return np.stack([as_array([known[place] for place in rng.permutation(len(known))[:size]])] * repeats)


def as_array(texts: Sequence[str]) -> Any:
    """Texts as a repeat of samples is made of them, (texts,) object."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


@lru_cache(maxsize=4)
def paragraphs(path: str | None) -> tuple[str, ...]:
    """The paragraphs of a file, or of Python's own documentation, each of four words or more and there once.

    Raises:
        ProvError: the file cannot be read, or holds too few.
    """
    if path is None:
        from pydoc_data.topics import topics

        whole = "\n\n".join(topics[name] for name in sorted(topics))
    else:
        try:
            whole = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProvError(f"cannot read texts from {path}: {error}; name a file of UTF-8 text") from error
    found = [" ".join(part.split()) for part in _BLANK_LINE.split(whole)]
    long_enough = tuple(dict.fromkeys(part for part in found if part.count(" ") > 2))
    if len(long_enough) < 2 * TENTHS:
        raise ProvError(
            f"{path} holds {len(long_enough)} paragraphs of four words or more, this needs {2 * TENTHS}: name another"
        )
    return long_enough


def simpson(counts: Any) -> float:
    """The chance that two of what was counted differ.

    >>> round(simpson([1, 1, 2]), 3)
    0.625
    """
    shares = np.asarray(counts, np.float64) / np.sum(counts)
    return float(1 - (shares**2).sum())
