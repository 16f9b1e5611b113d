"""The pool that a registry is: mixes are drawn and recorded there, and what models write goes back with its lineage."""

from typing import Any

import numpy as np
import pyarrow as pa

from registry.experiments import drawable, strata
from registry.mix import MixSpec, Shortfall, Stratum
from registry.registry import Registry
from registry.rows import Declared
from registry.where import Where
from trainer.pool import Draw, TooFewHuman, weigh
from trainer.schedule import HUMAN


class RegistryPool:
    """The human texts of a registry, and what the models of one repeat of an arm wrote.

    What a model writes stands in the registry as the source `scope`, and the model of each generation is recorded as
    `<scope>/gen<n>`, trained on its mix. The same again adds nothing.
    """

    def __init__(self, held: Registry, scope: str, spec: dict[str, Any], human: int, seed: int) -> None:
        """Choose the human texts, as a mix of the registry; what comes into it later changes nothing.

        Args:
            scope: the source of what the models write.
            spec: what the models are, recorded with each.
            human: how many human texts there are to be, chosen by the seed.
        Raises:
            TooFewHuman: the registry has fewer.
        """
        self.held, self.scope, self.spec, self.seed = held, scope, spec, seed
        try:
            chosen = held.mix(MixSpec(strata=(Stratum(where=HUMAN, share=1),), size=human, seed=seed))
        except Shortfall as error:
            raise TooFewHuman(human, error.held) from error
        self.human = chosen.digest.hex()
        self.written: dict[int, int] = {}
        """How many texts of each generation have come since the pool was opened."""
        self.scoped = Where.parse(f"{HUMAN} OR {Where.equals('source', scope)}")

    def draw(self, spec: MixSpec) -> Draw:
        drawn = self.held.mix(spec.model_copy(update={"where": self.scoped, "human_of": self.human}))
        texts = pa.concat_tables([pa.Table.from_batches([batch]) for batch in self.held.texts(drawn.mix)])
        samples = np.empty((1, len(texts)), object)
        samples[0] = texts.column("text").to_pylist()
        counts: dict[int, int] = {}
        for row in drawn.composition:
            counts[row["generation"]] = counts.get(row["generation"], 0) + row["documents"]
        return Draw(samples, weigh(spec, lambda: strata(self.held, drawn.mix)), counts, drawn.mix)

    def record(self, generation: int, drawn: Draw) -> None:
        self.held.record_model(self._model(generation), mix=drawn.mix, spec=self.spec, seed=self.seed)

    def add(self, samples: Any, generation: int) -> int:
        run = self.held.record_run(self._model(generation), self.spec, self.seed).digest.hex()
        first = self.written.get(generation, 0) + 1
        rows = ({"id": str(number), "text": text} for number, text in enumerate(samples[0], first))
        self.held.add(rows, Declared(source=self.scope), run=run)
        self.written[generation] = first + len(samples[0]) - 1
        return self._drawable(generation)

    def holds(self, generation: int) -> bool:
        """Whether what the model of a generation wrote is held."""
        return bool(self._drawable(generation))

    def _drawable(self, generation: int) -> int:
        return drawable(self.held, self._model(generation))

    def _model(self, generation: int) -> str:
        return f"{self.scope}/gen{generation}"
