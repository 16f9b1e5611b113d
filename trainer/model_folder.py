"""Models in folders, laid out as `transformers` does, with what else there is to know of one in `prov.json`."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from tokenizers import Tokenizer

from provenance.disk import sync_folder
from provenance.errors import ProvError
from registry import tokens
from registry.copying import translated, workshop
from trainer.model import Device, LanguageModel
from trainer.tokenizer import Special

NOTE, TOKENIZER, CONFIG = "prov.json", "tokenizer.json", "config.json"
AGAIN = "make it anew, or name another"
_HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


class Note(BaseModel):
    """What `prov.json` says of a model.

    Attributes:
        version: of this note.
        begin, end, pad: the special tokens.
        tokenizer, weights: digests, as `LanguageModel` takes them.
        training: how it was trained.
        losses: of each step, in nats a token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    begin: int
    end: int
    pad: int
    tokenizer: str
    weights: str
    training: dict[str, JsonValue] = {}
    losses: list[float] = []


class Broken(ProvError):
    """A folder or a name that gives no whole model."""

    def __init__(self, name: str | Path, reason: str, mend: str) -> None:
        self.name, self.reason = str(name), reason
        super().__init__(f"cannot load the model {name}: {reason}; {mend}")


def save(model: LanguageModel, folder: Path) -> None:
    """Write a model into a new folder; all of it is there afterwards, or nothing.

    Raises:
        ProvError: the folder is there already, or cannot be written.
    """
    if folder.exists():
        raise ProvError(f"{folder} is there already: name a new folder for the model, or remove that one")
    note = Note(
        begin=model.begin,
        end=model.end,
        pad=model.pad,
        tokenizer=model.tokenizer_digest,
        weights=model.weights_digest,
        training=model.training,
        losses=model.losses,
    )
    with translated(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with workshop(folder) as shop:
            unfinished = shop / folder.name
            unfinished.mkdir()
            _write(model, note, unfinished)
            os.rename(unfinished, folder)
            sync_folder(folder.parent)


def _write(model: LanguageModel, note: Note, folder: Path) -> None:
    with _silent():
        try:
            model.network.save_pretrained(folder)
        except Exception as error:  # safetensors tells of a full disk by an error of its own
            raise OSError(str(error)) from error
    (folder / TOKENIZER).write_text(model.tokenizer.to_str(), encoding="utf-8")
    (folder / NOTE).write_text(note.model_dump_json(indent=1), encoding="utf-8")
    for path in folder.iterdir():
        with open(path, "rb") as written:
            os.fsync(written.fileno())


def load(name: str | Path, device: Device = "auto") -> LanguageModel:
    """A model from a folder, ours or any of `transformers`, or from the Hugging Face hub.

    Raises:
        Broken: there is none, it is not whole, or its tokenizer is not its own.
    """
    from trainer.optimise import device as chosen

    where = chosen(device)
    folder = Path(name)
    if not folder.is_dir() and (folder.exists() or not _HUB_NAME.fullmatch(str(name))):
        raise Broken(name, "there is no such folder", "name one that `prov train` wrote, or a model of the hub")
    if folder.is_dir() and not (folder / CONFIG).is_file():
        raise Broken(name, f"it holds no {CONFIG}", "name a folder that `prov train` or `transformers` wrote")
    network = _network(name)
    tokenizer = _tokenizer(name)
    note = note_of(folder)
    special = Special(note.begin, note.end, note.pad) if note else _of_config(name, network.config)
    network.config.bos_token_id, network.config.eos_token_id, network.config.pad_token_id = special
    training, losses = (note.training, note.losses) if note else ({}, [])
    model = LanguageModel(network, tokenizer, *special, losses, training)
    _check_whole(name, model, note)
    network.to(where).eval()
    return model


def _network(name: str | Path) -> Any:
    """The network of a name, its weights in 32 bits; safetensors alone are read, which hold no code."""
    from transformers import AutoModelForCausalLM

    with _silent():
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                name, dtype="float32", use_safetensors=True, output_loading_info=True
            )
        except Exception as error:  # each of safetensors, the hub and transformers has errors of its own
            if Path(name).is_dir():
                raise Broken(name, _reason(error), AGAIN) from error
            reason = f"there is no such folder, and the hub does not give it ({_reason(error)})"
            raise Broken(name, reason, "name a recorded model, or a folder that `prov train` wrote") from error
    network, found = loaded
    if missing := sorted(found["missing_keys"]):
        raise Broken(name, f"its weights lack {len(missing)} parts, {missing[0]} among them", AGAIN)
    return network


def _tokenizer(name: str | Path) -> Tokenizer:
    if Path(name).is_dir() and (Path(name) / TOKENIZER).is_file():
        return tokens.whole(tokens.load(str(Path(name) / TOKENIZER)))
    from transformers import AutoTokenizer

    with _silent():
        try:
            found = AutoTokenizer.from_pretrained(name)
        except Exception as error:  # as above
            raise Broken(name, f"no tokenizer: {_reason(error)}", f"put its {TOKENIZER} beside the weights") from error
    backend = getattr(found, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise Broken(name, "its tokenizer is not a fast one", f"put a {TOKENIZER} beside the weights")
    return tokens.whole(backend)


def note_of(folder: Path) -> Note | None:
    """What our own note says; None of a foreign model.

    Raises:
        Broken: it cannot be read.
    """
    path = folder / NOTE
    if not path.is_file():
        return None
    try:
        return Note.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise Broken(folder, f"its {NOTE} is broken, {error.errors()[0]['msg']}", AGAIN) from error


def _of_config(name: str | Path, config: Any) -> Special:
    """The special tokens of a foreign model: as GPT-2 does, one may do for others."""
    ends = config.eos_token_id
    end = ends[0] if isinstance(ends, list) else ends
    begin = config.bos_token_id
    begin, end = (end if begin is None else begin), (begin if end is None else end)
    if end is None:
        raise Broken(name, "its configuration names neither a bos_token_id nor an eos_token_id", "add one of them")
    return Special(begin, end, end if config.pad_token_id is None else config.pad_token_id)


def _check_whole(name: str | Path, model: LanguageModel, note: Note | None) -> None:
    """Refuse a model whose parts do not belong together."""
    has, wants = model.network.config.vocab_size, model.tokenizer.get_vocab_size()
    if wants > has or max(model.begin, model.end, model.pad) >= has:
        raise Broken(
            name, f"it knows {has:,} tokens, its tokenizer has {wants:,}", "put the tokenizer there that it learnt with"
        )
    if note and note.tokenizer != model.tokenizer_digest:
        raise Broken(
            name,
            f"its tokenizer is {model.tokenizer_digest[:12]}, it learnt with {note.tokenizer[:12]}",
            "put that one there",
        )
    if note and note.weights != model.weights_digest:
        raise Broken(
            name, "its weights are not those that were saved", f"{AGAIN}; without {NOTE} it is taken for a foreign one"
        )


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]


@contextmanager
def _silent() -> Iterator[None]:
    """Keep `transformers` and the hub from talking and drawing bars, for a while."""
    from transformers.utils import logging as talk

    hub = logging.getLogger("huggingface_hub")
    level, bars, hub_level = talk.get_verbosity(), talk.is_progress_bar_enabled(), hub.level
    talk.set_verbosity(logging.CRITICAL)
    hub.setLevel(logging.CRITICAL)
    talk.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        talk.set_verbosity(level)
        hub.setLevel(hub_level)
        if bars:
            talk.enable_progress_bar()  # type: ignore[no-untyped-call]
