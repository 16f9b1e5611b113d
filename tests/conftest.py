"""Fixtures that several test modules share."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from provenance.origin import Origin
from provenance.watermark import Scheme, Secret
from registry import Declared, MixSpec, Registry, ratio, real_frac

settings.register_profile("prov", deadline=None)  # a slow machine is no failure
settings.load_profile("prov")


@pytest.fixture(scope="session", autouse=True)
def _no_keys_of_the_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever keys somebody holds, tests hold none but their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PROV_KEY")]:
            patch.delenv(name)
        patch.setenv("PROV_KEYRING", str(tmp_path_factory.mktemp("no-keys") / "keyring.json"))
        yield


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty registry, made once; copy it, never open it for writing."""
    path = tmp_path_factory.mktemp("empty") / "empty.prov"
    Registry.create(path).close()
    return path


@pytest.fixture
def corpus(empty: Path, tmp_path: Path) -> Iterator[Registry]:
    """An empty registry in a file of its own, closed afterwards."""
    with Registry.open(shutil.copy(empty, tmp_path / "corpus.prov")) as held:
        yield held


@pytest.fixture(scope="session")
def three_generations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `generations`, made once; copy it, never open it for writing."""
    path = tmp_path_factory.mktemp("generations") / "generations.prov"
    with Registry.create(path) as held:
        _fill(held)
    return path


@pytest.fixture
def generations(three_generations: Path, tmp_path: Path) -> Iterator[Registry]:
    """A registry of human texts (books, wiki) and of the models one, two (based on one, it also edits) and three.

    Each learnt from a mix of what came before it; ids are b0…, w0…, one0…, edit0…, two0…, three0….
    """
    copy = shutil.copy(three_generations, tmp_path / "generations.prov")
    with Registry.open(copy) as held:
        yield held


def _fill(held: Registry) -> None:
    odd = {0: "nul \x00 in it", 1: "line\r\nends\rkept\n", 2: "\u2028 | 𝔘ñïcödé ", 3: '"quoted", {"json": 1}'}
    books = [
        {
            "id": f"b{number}",
            "text": f"book {number} {odd.get(number % 7, '')}",
            "license": ["cc-by", "mit"][number % 2],
            "created": "2024-01-02T03:04:05.678901Z" if number % 3 == 0 else None,
            "topic": {"tags": ["a", 2.5, None], "n": 10**17 + number} if number % 4 == 0 else None,
        }
        for number in range(40)
    ]
    held.add(books, Declared(origin=Origin.HUMAN, source="books", url="https://books.example"))
    held.add(_written("w", 20), Declared(origin=Origin.HUMAN, source="wiki"))
    first = held.mix(MixSpec(strata=real_frac(1.0), size=30, seed=1))
    held.record_model("one", mix=first.mix, spec={"order": 3}, seed=1, path="/weights/one")
    held.add(_written("one", 40), run=held.record_run("one", {"temperature": 1.0}, 1).digest.hex())
    second = held.mix(MixSpec(strata=ratio("human=0.5,gen1=0.5"), size=30, seed=2))
    held.record_model("two", mix=second.mix, base="one", spec={"order": 3}, seed=2)
    edited = [
        row | {"origin": "mixed", "parents": [{"id": f"b{number}", "relation": "edit"}]}
        for number, row in enumerate(_written("edit", 20))
    ]
    held.add(edited, run=held.record_run("two", seed=2, kind="edit").digest.hex())
    prompted = [row | {"prompt_of": f"w{number % 20}"} for number, row in enumerate(_written("two", 40))]
    held.add(prompted, run=held.record_run("two", {"temperature": 0.5}, 2).digest.hex())
    third = held.mix(MixSpec(strata=ratio("human=0.2,gen1=0.3,gen2=0.5"), size=30, seed=3, mixed="model"))
    held.record_model("three", mix=third.mix, seed=3)
    held.add(_written("three", 40), run=held.record_run("three", seed=3).digest.hex())


def _written(name: str, count: int) -> list[dict[str, Any]]:
    return [{"id": f"{name}{number}", "text": f"{name} wrote {number}"} for number in range(count)]


@pytest.fixture(scope="session")
def write() -> Callable[[Scheme, Secret, int, int, np.random.Generator], list[list[int]]]:
    """Writes texts of tokens, marked, by a model for which all 512 tokens are as likely: so many rows, so long."""

    def write(scheme: Scheme, secret: Secret, rows: int, length: int, rng: np.random.Generator) -> list[list[int]]:
        texts = rng.integers(0, 512, (rows, scheme.context)).astype(np.int64)
        used: list[set[tuple[int, ...]]] = [set() for _ in range(rows)]
        while texts.shape[1] < length:
            context = texts[:, texts.shape[1] - scheme.context :]
            flat = np.zeros((rows, 512), np.float32)
            scores = scheme.mark(secret, context, flat)
            for row, key in enumerate(map(tuple, context.tolist())):
                if scheme.once_per_context and key in used[row]:
                    scores[row] = flat[row]
                used[row].add(key)
            texts = np.hstack([texts, (scores + rng.gumbel(size=scores.shape)).argmax(1)[:, None]])
        held: list[list[int]] = texts.tolist()
        return held

    return write
