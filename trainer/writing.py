"""What a model writes goes into a registry with its lineage, or into a file, so that a kill costs little."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from provenance.errors import ProvError
from provenance.origin import Origin, Relation, canonical, words
from registry.copying import translated, workshop
from registry.experiments import human_texts
from registry.registry import Registry
from registry.writing import beginnings, last_written, tokenizer_of
from trainer.generate import Decoding, Marker, sample

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from provenance.keyring import Key
    from trainer.model import LanguageModel

CHUNK_TEXTS = 256
"""So many texts are kept at a time, in one transaction: what a kill costs at most."""
MOST_LENGTHS = 10_000
"""The lengths of so many human texts are what the lengths of texts are drawn from, at most."""
MOST_PROMPTS = 10_000
"""So many documents are begun from, at most, by turns."""

LENGTH = 1 << 32
"""The stream of the lengths, beside those of the attempts at texts (see `trainer.generate`)."""


class Writing(BaseModel):
    """How texts are written; with the model and the seed it is the run.

    Attributes:
        decoding: how tokens are chosen.
        length: of each text, in tokens; that of a human text of the registry, drawn for each, where None.
        prompts: a filter on documents of the registry, whose texts are begun and written on from.
        prompt_tokens: so much of each is its prompt, in tokens.
        key: the id of the key that texts are marked by.
        seed: of all randomness; each text has a stream of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decoding: Decoding = Decoding()
    length: int | None = Field(default=None, ge=1)
    prompts: str | None = None
    prompt_tokens: int = Field(default=16, ge=1)
    key: str | None = None
    seed: int = Field(default=0, ge=0, lt=1 << 63)


@dataclass(frozen=True)
class Prompt:
    """The beginning of a document: its digest in hex, the text and the tokens of the beginning."""

    document: str
    text: str
    ids: list[int]


@dataclass(frozen=True)
class Task:
    """A model that is ready to write.

    Attributes:
        lengths: that the length of each text is drawn from, in tokens.
        prompts: that texts begin with, by turns; empty where they begin with nothing.
    """

    model: LanguageModel
    writing: Writing
    lengths: Sequence[int]
    prompts: Sequence[Prompt] = ()

    @property
    def spec(self) -> dict[str, Any]:
        """What is recorded of the run, as plain JSON."""
        known: dict[str, Any] = {
            "decoding": self.writing.decoding.model_dump(mode="json"),
            "lengths": self.writing.length or {"human_texts": len(self.lengths), "digest": _digest(list(self.lengths))},
            "tokenizer": self.model.tokenizer_digest,
            "weights": self.model.weights_digest,
        }
        if self.prompts:
            known["prompts"] = {
                "where": self.writing.prompts,
                "tokens": self.writing.prompt_tokens,
                "documents": len(self.prompts),
                "digest": _digest([prompt.document for prompt in self.prompts]),
            }
        if self.writing.key:
            known["watermark"] = {"key": self.writing.key}
        return known

    def rows(self, first: int, last: int, marker: Marker | None = None) -> list[dict[str, Any]]:
        """The texts of these numbers, from 1 and both among them, as rows that a registry takes in.

        Raises:
            TooLong, NothingWritten: as `trainer.generate.sample` says.
        """
        numbers = range(first, last + 1)
        prompts = [self.prompts[(number - 1) % len(self.prompts)] for number in numbers] if self.prompts else None
        before = [prompt.ids for prompt in prompts] if prompts else None
        lengths = [self._length(number, len(before[place]) if before else 0) for place, number in enumerate(numbers)]
        written = sample(
            self.model.network, self.model.tokenizer, lengths, self.writing.seed, self.writing.decoding, marker, before,
            first=first,
        )  # fmt: skip
        rows = [{"id": str(number), "text": text} for number, text in zip(numbers, written.texts, strict=True)]
        if not prompts:
            return rows
        whole = self.model.tokenizer.decode_batch(
            [prompt.ids + ids for prompt, ids in zip(prompts, written.ids, strict=True)]
        )
        return [row | _after(prompt, text, row["text"]) for row, prompt, text in zip(rows, prompts, whole, strict=True)]

    def _length(self, number: int, prompt: int) -> int:
        """How long a text is to be: what was asked for, else a human length, as far as the model can see."""
        if self.writing.length:
            return self.writing.length
        stream = np.random.Philox(key=self.writing.seed, counter=[0, 0, number, LENGTH])
        drawn = self.lengths[int(np.random.Generator(stream).integers(len(self.lengths)))]
        return max(1, min(drawn, self.model.context - prompt))


def _after(prompt: Prompt, whole: str, text: str) -> dict[str, Any]:
    """A text with its prompt, and the edge to the document that the prompt is of."""
    parent = {"id": prompt.document, "relation": Relation.PROMPT.value, "prefix_chars": len(prompt.text)}
    # Tokenizers that write a space by the token after it leave one out at the beginning of what they decode.
    return {"text": whole if whole.startswith(prompt.text) else prompt.text + text, "parents": [parent]}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


# -- before anything is written


def prepare(held: Registry | None, model: LanguageModel, writer: bytes, writing: Writing) -> Task:
    """Look up what texts begin with and how long they are.

    Args:
        held: the registry of the human texts and the prompts; None where neither is asked for.
        writer: the digest that the model has in the registry, or will have.
    Raises:
        ProvError: the registry has no human texts, or none that could be prompts.
    """
    lengths = [writing.length] if writing.length else _human_lengths(held, model)
    return Task(model, writing, lengths, _prompts(held, model.tokenizer, writer, writing) if writing.prompts else ())


def _human_lengths(held: Registry | None, model: LanguageModel) -> list[int]:
    """The lengths of human texts in tokens, each as long as the model can write at most."""
    assert held, "lengths are asked of no registry"
    texts = human_texts(held, MOST_LENGTHS)
    encoded = model.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    lengths = [min(len(encoding), model.context) for encoding in encoded if len(encoding)]
    if not lengths:
        raise ProvError("there is no human text whose length texts could have: give --length TOKENS")
    return lengths


def _prompts(held: Registry | None, tokenizer: Tokenizer, writer: bytes, writing: Writing) -> list[Prompt]:
    assert held, "prompts are asked of no registry"
    assert writing.prompts
    found = beginnings(held, writing.prompts, writer, MOST_PROMPTS)
    prompts = [prompt for one in found if (prompt := _beginning(tokenizer, *one, writing.prompt_tokens)).ids]
    if not prompts:
        raise ProvError(f"no document that can be written on from is let through by {writing.prompts!r}: name others")
    return prompts


def _beginning(tokenizer: Tokenizer, document: str, text: str, tokens: int) -> Prompt:
    """The first tokens of a text, or a few less where the last of them ends within a character."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids[:tokens]
    while ids and not text.startswith(tokenizer.decode(ids)):
        ids.pop()
    return Prompt(document, tokenizer.decode(ids), ids)


def check_tokenizer(held: Registry, name: str, digest: bytes, model: LanguageModel) -> None:
    """Refuse a model whose tokenizer is another than it learnt with.

    Raises:
        ProvError: it is.
    """
    known = tokenizer_of(held, digest)
    if known and known != model.tokenizer_digest:
        raise ProvError(
            f"the model {name} learnt with the tokenizer {known[:12]}, the one that lies with its weights is "
            f"{model.tokenizer_digest[:12]}: put the right one there"
        )


def marker_of(key: Key, model: LanguageModel) -> Marker:
    """What marks the texts of a model by a key.

    Raises:
        ProvError: the key is for another tokenizer, or its secret is none of its scheme.
    """
    from provenance.watermark import find_scheme

    if key.tokenizer != model.tokenizer_digest:
        raise ProvError(
            f"the key {key} marks by the tokenizer {key.tokenizer[:12]}, the model has {model.tokenizer_digest[:12]}: "
            "make a key with the model's tokenizer.json by `prov keys add`"
        )
    scheme = find_scheme(key.scheme, key.parameters)
    scheme.check_secret(key.secret.reveal())
    return Marker(scheme, key.secret.reveal(), model.outside)


# -- writing


@dataclass
class Outcome:
    """What was written, as it comes.

    Attributes:
        known: texts that were there already.
        withheld: texts that were written, but that a withdrawal keeps out.
    """

    known: int = 0
    texts: int = 0
    words: int = 0
    withheld: int = 0
    _distinct: set[str] = field(default_factory=set)

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count texts in."""
        self.texts += len(rows)
        for row in rows:
            found = words(row["text"])
            self.words += len(found)
            self._distinct.update(found)

    def summary(self) -> dict[str, Any]:
        """The counts; of words also how many there are that differ."""
        return {
            "texts": self.texts,
            "known": self.known,
            "withheld": self.withheld,
            "words": self.words,
            "distinct_words": len(self._distinct),
        }


Told = Callable[[int], None]


def _chunks(task: Task, first: int, count: int, marker: Marker | None) -> Iterator[list[dict[str, Any]]]:
    """Texts from a number on, a chunk at a time; chunks end at the same numbers wherever they begin."""
    while first <= count:
        last = min(count, -(-first // CHUNK_TEXTS) * CHUNK_TEXTS)
        yield task.rows(first, last, marker)
        first = last + 1


def write(
    held: Registry, task: Task, name: str, count: int, marker: Marker | None = None, told: Told = lambda texts: None
) -> tuple[str, Outcome]:
    """Let a model write into a registry, as one run; killed at any moment, the same call goes on.

    A text depends on its number and the seed alone, so a larger count later adds to the same run.

    Args:
        name: of the recorded model, or the start of its digest.
        count: texts that the run has in the end.
        told: called with the number of texts that are kept since the last call.
    Returns:
        The digest of the run in hex, and what was written.
    Raises:
        NotFound, Ambiguous: no model of that name is recorded, or several.
        TooLong, NothingWritten: as `trainer.generate.sample` says; what was written before stays.
    """
    run = held.record_run(name, task.spec, task.writing.seed)
    digest, outcome = run.digest.hex(), Outcome(known=min(count, last_written(held, run.run_id)))
    told(outcome.known)
    for rows in _chunks(task, outcome.known + 1, count, marker):
        outcome.withheld += held.add(rows, run=digest).withdrawn
        outcome.add(rows)
        told(len(rows))
    return digest, outcome


def write_file(
    path: Path, task: Task, generator: str, count: int, marker: Marker | None = None, told: Told = lambda texts: None
) -> Outcome:
    """Let a model write into a file of JSON lines, which `prov ingest` reads; it is there whole, or not at all.

    Raises:
        ProvError: it cannot be written.
    """
    outcome = Outcome()
    declared = {"origin": Origin.MODEL.value, "generator": generator}
    with translated(path), workshop(path) as shop:
        with open(shop / path.name, "w", encoding="utf-8") as file:
            for rows in _chunks(task, 1, count, marker):
                file.writelines(json.dumps(row | declared, ensure_ascii=False) + "\n" for row in rows)
                outcome.add(rows)
                told(len(rows))
            file.flush()
            os.fsync(file.fileno())
        os.replace(shop / path.name, path)
    return outcome
