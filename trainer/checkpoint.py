"""Checkpoints: how far a training came, in one file, so that it goes on after it was killed as if it had not been."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from provenance.errors import ProvError
from registry.copying import replacing, translated
from trainer.model import weights_digest

NAME = "checkpoint.safetensors"


class OtherTraining(ProvError):
    """A checkpoint of a training with another model, other texts or other parameters."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is of another training, not of this one: remove it, or name another folder")


def digest_of(told: Iterable[str], model: Any) -> str:
    """A hash of what is told of a training, and of its model as it stands: its configuration and all its weights."""
    learning = [name for name, weight in model.named_parameters() if weight.requires_grad]
    told = [*told, model.config.to_json_string(), *learning, weights_digest(model)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Where a training is kept while it runs.

    The file holds weights and what the optimiser knows of each; a JSON in its header the digest of the training and
    the losses so far, as many as steps were taken. Random numbers come from the seed and the step, so they need none.

    Attributes:
        path: the file.
        digest: of the training, by `digest_of`.
    """

    path: Path
    digest: str

    def read(self, model: Any, optimiser: torch.optim.Optimizer) -> list[float]:
        """Put a model and its optimiser where they stood; the losses so far, none where there is no checkpoint.

        Raises:
            OtherTraining: the checkpoint is of another one.
            ProvError: it is broken.
        """
        if not self.path.exists():
            return []
        try:
            with safe_open(self.path, framework="pt") as held:
                told = json.loads(held.metadata()["prov"])
                if told["digest"] != self.digest:
                    raise OtherTraining(self.path)
                self._restore(model, optimiser, held)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ProvError(
                f"cannot read the checkpoint {self.path}: {str(error).partition(chr(10))[0]}; remove it to train from "
                "the beginning"
            ) from error
        losses: list[float] = told["losses"]
        return losses

    def _restore(self, model: Any, optimiser: torch.optim.Optimizer, held: Any) -> None:
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for key in held.keys():  # noqa: SIM118 - it is no dictionary
            part, _, name = key.partition("/")
            parts.setdefault(name, {})[part] = held.get_tensor(key)
        for name, parameter in _learnt(model):
            state = {part: value.to(parameter.device) for part, value in parts[name].items()}
            with torch.no_grad():
                parameter.copy_(state.pop("weight"))
            optimiser.state[parameter] = state

    def write(self, model: Any, optimiser: torch.optim.Optimizer, losses: list[float]) -> None:
        """Keep a training as it stands; the file appears whole, in the place of the one before, or not at all.

        Raises:
            ProvError: it cannot be written; the checkpoint before is as it was.
        """
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter in _learnt(model):
            state = {"weight": parameter.detach(), **optimiser.state[parameter]}
            tensors |= {f"{part}/{name}": value.contiguous() for part, value in state.items()}
        told = {"prov": json.dumps({"digest": self.digest, "losses": losses})}
        with translated(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as unfinished:
                try:
                    save_file(tensors, unfinished, told)
                except SafetensorError as error:  # which it raises where a file cannot be written, too
                    raise OSError(str(error)) from error


def _learnt(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """The parameters that a training changes, by name, each once."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
