"""What a text is and where it came from: origins, generations and the digests that identify them."""

import hashlib
import json
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

import rfc8785


class Origin(StrEnum):
    """Who wrote a document; `unknown` is a class of its own, never silently human."""

    HUMAN = "human"
    MODEL = "model"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Relation(StrEnum):
    """How a document derives from another one."""

    PROMPT = "prompt"
    CONTINUATION = "continuation"
    EDIT = "edit"
    TRANSLATION = "translation"
    PARAPHRASE = "paraphrase"
    QUOTE = "quote"


COLUMNS = (
    "id",
    "text",
    "origin",
    "generation",
    "generator",
    "source",
    "license",
    "url",
    "created",
    "prompt_of",
    "parents",
    "metadata",
)
"""The columns of a row that prov understands; every other one goes to the metadata."""

INHERITING = frozenset({Relation.EDIT, Relation.TRANSLATION, Relation.PARAPHRASE})
"""Relations through which a document inherits the generation of its parent."""


class Generation(NamedTuple):
    """A generation as far as it is known: `number` None when it is not, a lower bound when not `exact`."""

    number: int | None
    exact: bool

    def __str__(self) -> str:
        if self.number is None:
            return "?"
        return str(self.number) if self.exact else f"≥{self.number}"


UNKNOWN_GENERATION = Generation(None, False)
HUMAN_GENERATION = Generation(0, True)


def highest(generations: Iterable[Generation]) -> Generation:
    """The highest of several generations; a lower bound as soon as one of them is not exact.

    >>> str(highest([Generation(2, True), UNKNOWN_GENERATION]))
    '≥2'
    """
    held = list(generations)
    known = [generation.number for generation in held if generation.number is not None]
    return Generation(max(known, default=None), bool(known) and all(generation.exact for generation in held))


def derive_generation(
    origin: Origin, declared: int | None, model: Generation | None, parents: Iterable[Generation]
) -> Generation:
    """Derive the generation of a document from its origin, its model and what it was edited from.

    Args:
        declared: the generation that somebody declared for it; it settles what lineage leaves open, and gives
            way where lineage, learnt later, says that it is higher.
        model: the generation of the model that wrote it, None where no model is named.
        parents: the generations it inherits through its `INHERITING` derivations.
    """
    if origin == Origin.HUMAN:
        return HUMAN_GENERATION
    if origin == Origin.UNKNOWN:
        return UNKNOWN_GENERATION
    lineage = highest([model or UNKNOWN_GENERATION, *parents])
    if lineage.exact or declared is None or declared < (lineage.number or 0):
        return lineage
    return Generation(declared, True)


def derive_model_generation(mix: Generation, base: Generation | None) -> Generation:
    """Derive the generation of a model from the highest in its training mix and from its base model."""
    taught = Generation(1 + (mix.number or 0), mix.exact)
    return taught if base is None else highest([taught, base])


def canonical(value: Any) -> bytes:
    """Serialise a value as canonical JSON (RFC 8785), the form that every digest is taken of."""
    return rfc8785.dumps(value)


def text_digest(text: str) -> bytes:
    """SHA-256 of the UTF-8 bytes of a text (32 bytes): its identity.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate, which has no UTF-8 form.
    """
    return hashlib.sha256(text.encode()).digest()


def document_digest(text: bytes, source: str | None, run: bytes | None, item: str) -> bytes:
    """Identify a document by its text's digest, its source or run, and its item there (32 bytes)."""
    # A list of strings is the same in plain compact JSON and in RFC 8785, and this runs once a document.
    parts = ["prov-document-1", text.hex(), source, run and run.hex(), item]
    return hashlib.sha256(_COMPACT.encode(parts).encode()).digest()


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def model_digest(
    name: str,
    generation: int | None = None,
    base: bytes | None = None,
    mix: bytes | None = None,
    spec: Any = None,
    seed: int | None = None,
) -> bytes:
    """Identify a model by its name and by what is known of its training (32 bytes).

    Args:
        generation: declared, for a foreign model; what lineage derives is no part of the identity.
        base: digest of the model it was fine-tuned from.
        mix: digest of the mix it was trained on.
        spec, seed: how it was trained.
    """
    parts = ["prov-model-1", name, generation, base and base.hex(), mix and mix.hex(), spec, seed]
    return hashlib.sha256(canonical(parts)).digest()


def run_digest(
    kind: str,
    model: bytes,
    mix: bytes | None = None,
    spec: Any = None,
    seed: int | None = None,
    tokenizer: bytes | None = None,
    key: str | None = None,
) -> bytes:
    """Identify one act of training, generating or editing with a model (32 bytes)."""
    parts = ["prov-run-1", kind, model.hex(), mix and mix.hex(), spec, seed, tokenizer and tokenizer.hex(), key]
    return hashlib.sha256(canonical(parts)).digest()


# Python's str.split also splits at U+001C..U+001F, which Unicode does not list as White_Space.
_PYTHON_ONLY_SPACE = re.compile("[\x1c-\x1f]")
_WORD = re.compile("[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def count_words(text: str) -> int:
    """Count the words of a text: maximal runs of characters that are not Unicode White_Space.

    >>> count_words("know where\\u00a0it came from")
    5
    """
    return len(words(text))


def words(text: str) -> list[str]:
    """The words of a text, in their order; `count_words` says what they are."""
    return _WORD.findall(text) if _PYTHON_ONLY_SPACE.search(text) else text.split()
