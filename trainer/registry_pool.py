"""The pool that a registry is: mixes are drawn and recorded there, and what models write goes back with its lineage."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provenance.errors import ProvError
from provenance.origin import Origin, Relation
from registry.experiments import drawable, strata
from registry.matching import matching
from registry.mix import MixSpec, Shortfall, Stratum
from registry.registry import Registry
from registry.rows import Declared
from registry.where import Name, Where
from trainer.curation import Curation, Curator, field_of, judge_mix
from trainer.pool import Draw, TooFewHuman, weigh
from trainer.schedule import HUMAN


class RegistryPool:
    """The human texts of a registry, and what the models of one repeat of an arm wrote.

    What a model writes stands in the registry as the source `scope`, and the model of each generation is recorded as
    `<scope>/gen<n>`, trained on its mix. The same again adds nothing. Where a curator is asked, what a generation meets
    is a mix too, and its documents are annotated: which generation met them, and what the curator says.
    """

    def __init__(
        self,
        held: Registry,
        scope: str,
        spec: dict[str, Any],
        human: int,
        seed: int,
        *,
        run_spec: dict[str, Any] | None = None,
        curator: Curator | None = None,
        base: str | None = None,
        is_continual: bool = False,
    ) -> None:
        """Choose the human texts, as a mix of the registry; what comes into it later changes nothing.

        Args:
            scope: the source of what the models write.
            spec: what the models are, recorded with each.
            human: how many human texts there are to be, chosen by the seed.
            run_spec: how the models write, recorded with what they wrote; as `spec` where it is None.
            curator: who is asked, where a schedule is curated.
            base: the digest of the recorded model that models are fine-tuned from.
            is_continual: each model but the first goes on from the one before.
        Raises:
            TooFewHuman: the registry has fewer.
        """
        self.held, self.scope, self.spec, self.seed = held, scope, spec, seed
        self.run_spec, self.curator = run_spec or spec, curator
        self.base, self.is_continual = base, is_continual
        try:
            chosen = held.mix(MixSpec(strata=(Stratum(where=HUMAN, share=1),), size=human, seed=seed))
        except Shortfall as error:
            raise TooFewHuman(human, error.held) from error
        self.human = chosen.digest.hex()
        self.written: dict[int, int] = {}
        """How many texts of each generation have come since the pool was opened."""
        self.scoped = Where.parse(f"{HUMAN} OR {Where.equals('source', scope)}")

    def draw(self, spec: MixSpec) -> Draw:
        return self._draw(self._own(spec))

    def curate(self, met: MixSpec, curation: Curation, crawls: range) -> Draw:
        assert self.curator, "nobody is asked"
        field, met_by = field_of(self.curator), f"met by {self.scope}"
        crawl = self.held.mix(self._own(self._by_writer(met, crawls[-1] - 1)))
        judged = judge_mix(self.held, self.curator, crawl.mix, curation.threshold, {met_by: crawls[-1]})
        within = Where.parse(f"{Name(met_by)} >= {crawls[0]} AND {Name(met_by)} <= {crawls[-1]}")
        self._refuse_unjudged(within, field)
        spec = curation.spec(field, within, met.seed, lambda where: matching(self.held, where))
        return replace(self._draw(spec), judged=judged)

    def _by_writer(self, met: MixSpec, generation: int) -> MixSpec:
        """A crawl, in which what the model of a generation wrote is named by that model.

        By lineage, one that learnt from human text alone is of generation 1, however late it comes.
        """
        written = Where.equals("generator", self._model(generation))
        strata = [
            stratum if stratum.where == HUMAN else stratum.model_copy(update={"where": written})
            for stratum in met.strata
        ]
        return met.model_copy(update={"strata": tuple(strata)})

    def _refuse_unjudged(self, within: Where, field: str) -> None:
        """Refuse to go on with another curator than the one that judged before."""
        unjudged = Where.all_of(within, Where.parse(f"{Name(field)} IS NULL"))
        if count := matching(self.held, unjudged):
            raise ProvError(
                f"{count:,} documents that generations before met were not judged by [{field}]: go on with the key or "
                "the detector that was there then, or give the experiment another name"
            )

    def _own(self, spec: MixSpec) -> MixSpec:
        """A mix of the human texts that were chosen, and of what these models wrote."""
        return spec.model_copy(update={"where": self.scoped, "human_of": self.human})

    def _draw(self, spec: MixSpec) -> Draw:
        drawn = self.held.mix(spec)
        texts = pa.concat_tables([pa.Table.from_batches([batch]) for batch in self.held.texts(drawn.mix)])
        samples = np.empty((1, len(texts)), object)
        samples[0] = texts.column("text").to_pylist()
        counts: dict[int, int] = {}
        for row in drawn.composition:
            counts[row["generation"]] = counts.get(row["generation"], 0) + row["documents"]
        documents = pc.struct_field(texts.column("provenance"), "document").to_pylist()
        return Draw(samples, weigh(spec, lambda: strata(self.held, drawn.mix)), counts, drawn.mix, documents)

    def record(self, generation: int, drawn: Draw) -> None:
        base = self._model(generation - 1) if self.is_continual and generation > 1 else self.base
        self.held.record_model(self._model(generation), mix=drawn.mix, base=base, spec=self.spec, seed=self.seed)

    def add(self, samples: Any, generation: int, edited: Draw | None = None) -> int:
        """Take in what a model wrote, as its run's; what it edited is mixed, and derives from what it was."""
        kind = "edit" if edited else "generate"
        run = self.held.record_run(self._model(generation), self.run_spec, self.seed, kind).digest.hex()
        first = self.written.get(generation, 0) + 1
        columns: dict[str, list[Any]] = {
            "id": [str(first + place) for place in range(len(samples[0]))],
            "text": samples[0].tolist(),
        }
        if edited:
            columns["parents"] = [[_edit_of(one)] for one in edited.documents or ()]
        self.held.add(pa.table(columns), Declared(source=self.scope, origin=Origin.MIXED if edited else None), run=run)
        self.written[generation] = first + len(samples[0]) - 1
        return self._drawable(generation)

    def holds(self, generation: int, wanted: int = 1) -> bool:
        """Whether so much of what the model of a generation wrote is held."""
        return self._drawable(generation) >= wanted

    def _drawable(self, generation: int) -> int:
        return drawable(self.held, self._model(generation))

    def _model(self, generation: int) -> str:
        return f"{self.scope}/gen{generation}"


def _edit_of(document: str) -> dict[str, str]:
    """The edge to the document that an edit began from."""
    return {"id": document, "relation": Relation.EDIT}
