"""Training a model on a mix of the registry: the mix is read, the model learns and is written, and then recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from provenance.errors import ProvError
from provenance.origin import model_digest
from registry.blocks import Packed, pack
from registry.copying import translated
from registry.lineage import Model, find_manifest
from registry.registry import Registry
from registry.spool import Encoder, packed, spool
from trainer.base import Base
from trainer.model import LanguageModel, continuations, load
from trainer.model_folder import note_of
from trainer.optimise import Progress, Training, optimise

AT_ONCE = 10_000
"""So many blocks are counted at a time."""


@dataclass(frozen=True)
class Lesson:
    """A mix that a model is to learn from.

    Attributes:
        mix: its digest.
        documents: how many of its documents have a text.
        erased: how many have none any more.
    """

    mix: bytes
    documents: int
    erased: int


class Recipe(BaseModel):
    """How a model is made of a mix; it is recorded with the model.

    Attributes:
        network: the configuration of a network that nothing trained before; None where there is a base.
        weights: the digest of the weights of the base that it goes on from.
        tokenizer: its digest.
        context: how long blocks are, in tokens.
        sft: only what follows the prompt of each text is learnt.
        training: the steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: dict[str, Any] | None
    weights: str | None
    tokenizer: str
    context: int
    sft: bool
    training: Training

    def plain(self) -> dict[str, Any]:
        """The recipe as plain JSON."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"training": {"checkpoint_steps"}})


@dataclass(frozen=True)
class Course:
    """A training that is about to begin.

    Attributes:
        learner: the model as it begins.
        documents: how many texts it learns from; those without a continuation are left out.
    """

    lesson: Lesson
    learner: LanguageModel
    recipe: Recipe
    blocks: Packed
    documents: int

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        return self.recipe.training.steps_over(len(self.blocks))

    @property
    def told(self) -> dict[str, Any]:
        """What the model that comes of it says of its training."""
        return {"mix": self.lesson.mix.hex(), **self.recipe.plain()}

    def summary(self) -> dict[str, Any]:
        """What is about to be done, as plain JSON."""
        tokens, learnt = _counted(self.blocks)
        return {
            "mix": self.lesson.mix.hex()[:12],
            "documents": self.documents,
            "left_out": self.lesson.documents - self.documents,
            "erased": self.lesson.erased,
            "tokens": tokens,
            "learnt_tokens": learnt,
            "blocks": len(self.blocks),
            "context": self.recipe.context,
            "steps": self.steps,
            "parameters": self.learner.parameters,
            "tokenizer": self.recipe.tokenizer,
        }


def _counted(blocks: Packed) -> tuple[int, int]:
    """How many tokens there are to foretell, and how many of them count."""
    tokens = learnt = 0
    for start in range(0, len(blocks), AT_ONCE):
        some = blocks.take(np.arange(start, min(start + AT_ONCE, len(blocks))))
        tokens, learnt = tokens + some.foretold, learnt + int((some.weights > 0).sum())
    return tokens, learnt


# -- from the registry


def find_lesson(held: Registry, mix: str) -> Lesson:
    """A mix, and how much there is of it.

    Raises:
        NotFound, Ambiguous: there is no such mix, or several.
        ProvError: it has no text to learn from.
    """
    _, digest = find_manifest(held, mix)
    erased = held.erased_of_mix(mix)
    documents = held.mix_size(mix) - erased
    if not documents:
        why = f"all {erased:,} of its documents are erased" if erased else "it holds no documents"
        raise ProvError(f"mix {digest.hex()[:12]} has no text to learn from, {why}: draw another")
    return Lesson(digest, documents, erased)


def texts_of(held: Registry, lesson: Lesson) -> Iterator[str]:
    """The texts of a mix, in its order."""
    for batch in held.texts(lesson.mix.hex()):
        yield from batch.column("text").to_pylist()


def _prefixes(held: Registry, lesson: Lesson) -> list[int]:
    """How many characters of each text of a mix are its prompt."""
    batches = held.texts(lesson.mix.hex())
    return [_prefix(one["parents"]) for batch in batches for one in batch.column("provenance").to_pylist()]


def _prefix(parents: Sequence[dict[str, Any]]) -> int:
    """How many characters of a text are its prompt."""
    return max((parent["prefix_chars"] or 0 for parent in parents), default=0)


def check_name(held: Registry, name: str, course: Course, base: Base | None) -> None:
    """Refuse a name before the training that could not be recorded after it.

    Raises:
        ProvError: a model of that name was trained otherwise.
    """
    digest = _digest(name, course, base)
    for row in held.list("models"):
        if row["name"] == name and not row["is_foreign"] and row["digest"] != digest:
            raise ProvError(
                f"a model {name!r} is recorded already ({row['digest'][:12]}), trained otherwise: give another --name"
            )


def _digest(name: str, course: Course, base: Base | None) -> str:
    """The digest that the registry gives the model."""
    recipe = course.recipe
    return model_digest(
        name, None, base.known_as if base else None, course.lesson.mix, recipe.plain(), recipe.training.seed
    ).hex()


def record(held: Registry, name: str, course: Course, folder: Path, base: Base | None) -> Model:
    """Record a trained model with its mix, its recipe and where it lies; a base that nobody recorded, too."""
    return held.record_model(
        name,
        mix=course.lesson.mix.hex(),
        base=base.recorded(held) if base else None,
        path=str(folder.resolve()),
        spec=course.recipe.plain(),
        seed=course.recipe.training.seed,
    )


# -- training


def prepare(held: Registry, lesson: Lesson, learner: LanguageModel, recipe: Recipe, folder: Path | None) -> Course:
    """What a model learns from a lesson, as blocks.

    Args:
        folder: the folder that is to be made for the model, beside which blocks are kept in files meanwhile; None to
            keep them in memory.
    Raises:
        Degenerate: there is nothing to learn from.
        ProvError: blocks would be longer than the model can see, no text has a prompt, or files cannot be written.
    """
    if recipe.context > learner.context:
        raise ProvError(
            f"blocks of {recipe.context:,} tokens are longer than the {learner.context:,} that the model sees: "
            f"give --context {learner.context} or less"
        )
    if recipe.sft:
        return _tuning(held, lesson, learner, recipe)
    encoder = Encoder(learner.tokenizer, learner.begin, learner.end, learner.pad)
    wanted = held, lesson.mix.hex(), encoder, recipe.context
    blocks = packed(*wanted).blocks if folder is None else spool(*wanted, workplace(folder) / "blocks")
    return Course(lesson, learner, recipe, blocks, lesson.documents)


def _tuning(held: Registry, lesson: Lesson, learner: LanguageModel, recipe: Recipe) -> Course:
    """Supervised fine-tuning: only what follows the prompt of each text counts."""
    prefixes = _prefixes(held, lesson)
    if not any(prefixes):
        raise ProvError(
            f"no text of mix {lesson.mix.hex()[:12]} says how much of it is the prompt: "
            "ingest them with parents that have prefix_chars, or leave --sft out"
        )
    texts = list(texts_of(held, lesson))
    documents, weights = continuations(learner.tokenizer, learner.begin, learner.end, texts, prefixes)
    return Course(lesson, learner, recipe, pack(documents, recipe.context, learner.pad, weights), len(documents))


def workplace(folder: Path) -> Path:
    """Where blocks and checkpoints lie while the model of a folder is trained."""
    return folder.with_name(f".{folder.name}.training")


def trained_already(course: Course, folder: Path) -> LanguageModel | None:
    """The model of a folder, if it came of this very training; None where there is no folder.

    Raises:
        ProvError: something else is there, or the model is broken.
    """
    if not folder.exists():
        return None
    note = note_of(folder)
    if note is None or note.training != _as_json(course.told):
        raise ProvError(f"{folder} is there already, and is not of this training: name another folder")
    return load(folder, "cpu")


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def train(course: Course, folder: Path, progress: Progress = lambda done, steps, loss: None) -> LanguageModel:
    """Train a model and write it into a folder; killed, the same again goes on from the last checkpoint beside it.

    The blocks and checkpoints beside it are removed at the end.

    Raises:
        Diverged: the loss is no number any more.
        ProvError: the folder holds something else, or cannot be written.
    """
    if found := trained_already(course, folder):
        rmtree(workplace(folder), ignore_errors=True)
        return found
    with translated(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    losses = optimise(course.learner.network, course.blocks, course.recipe.training, progress, keep=workplace(folder))
    model = replace(course.learner, losses=losses, training=course.told)
    model.save(folder)
    rmtree(workplace(folder), ignore_errors=True)
    return model
