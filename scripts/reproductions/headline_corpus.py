"""What both parts of the headline do with a registry: human texts in, mixes drawn, their texts out."""

from collections.abc import Iterable, Mapping

from language_world import World

from provenance.origin import Origin
from registry import Declared, MixSpec, Registry
from registry.mix import Stratum
from registry.where import Where


def take_in_human(held: Registry, world: World, sources: Mapping[str, Iterable[str]]) -> None:
    """Human texts by source, and those that are measured on, which are held out."""
    for source, texts in {**sources, "test": [*world.test, *world.second]}.items():
        rows = ({"id": str(number), "text": text} for number, text in enumerate(texts))
        held.add(rows, Declared(origin=Origin.HUMAN, source=source))
    held.hold_out("test", where="source = 'test'")


def all_of(where: str, seed: int) -> MixSpec:
    """Every document that a filter lets through, once."""
    return MixSpec(strata=(Stratum(where=Where.parse(where), share=1),), seed=seed)


def tokens_of(where: str, tokens: int, seed: int) -> MixSpec:
    """So many tokens of what a filter lets through, or a little less: no text is cut."""
    return MixSpec(strata=(Stratum(where=Where.parse(where), share=1),), size=tokens, unit="tokens", seed=seed)


def texts_of(held: Registry, mix: str) -> list[str]:
    """The texts of a mix, in its order."""
    return [text for batch in held.texts(mix) for text in batch.column("text").to_pylist()]
