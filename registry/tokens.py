"""Token counts: the tokenizer that a registry counts with, kept whole inside it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import tokenizers

from provenance.errors import ProvError
from registry.store import Batch, Progress, Store


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer of the registry, ready to count."""

    tokenizer_id: int
    name: str
    digest: bytes
    encoder: tokenizers.Tokenizer

    def count(self, texts: pa.Array) -> pa.Array:
        """Tokens of each text, special tokens not counted.

        Args:
            texts: (n,) string.
        Returns:
            (n,) int64.
        Raises:
            ProvError: the tokenizer has no token for what a text holds.
        """
        try:
            encodings = self.encoder.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
        except Exception as error:  # the library raises bare Exception
            raise ProvError(
                f"the tokenizer {self.name} cannot encode every text: {_reason(error)}; "
                "name another one with `prov tokenize`"
            ) from error
        return pa.array([len(encoding) for encoding in encodings], pa.int64())


def load(name: str) -> tokenizers.Tokenizer:
    """A tokenizer from a `tokenizer.json`, or by its name on the Hugging Face hub.

    Raises:
        ProvError: there is no such file, it is no tokenizer, or the hub does not give it.
    """
    path = Path(name)
    if not path.exists() and (path.suffix == ".json" or len(path.parts) > 2):
        raise ProvError(f"no tokenizer file {name}: wanted a tokenizer.json, or a name on the Hugging Face hub")
    try:
        encoder = (
            tokenizers.Tokenizer.from_file(str(path)) if path.exists() else tokenizers.Tokenizer.from_pretrained(name)
        )
    except Exception as error:  # the library raises bare Exception for a bad file, and many kinds for the hub
        raise ProvError(
            f"cannot load the tokenizer {name}: {_reason(error)}; name a tokenizer.json that is there"
        ) from error
    encoder.no_truncation()
    encoder.no_padding()
    return encoder


def whole(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A copy that reads any text whole, and one that holds the name of a special token as a text.

    None of this is part of a `tokenizer.json`, but for truncation and padding, so it is set whenever one is read.
    """
    copy = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    copy.encode_special_tokens = True
    return copy


def digest_of(tokenizer: tokenizers.Tokenizer) -> str:
    """SHA-256 of a tokenizer as JSON, in hex."""
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]


def add_tokenizer(store: Store, batch: Batch, name: str) -> bool:
    """Make a tokenizer the one that the registry counts with from now on.

    Returns:
        Whether it was not that already.
    """
    encoder = load(name)
    digest = bytes.fromhex(digest_of(encoder))
    held = store.ask_one("tokenizer")
    if held and held[2] == digest:
        return False
    short = Path(name).name if Path(name).exists() else name
    store.run("insert_tokenizer", name=short, digest=digest, content=encoder.to_str(), batch_id=batch.batch_id)
    return True


def default_tokenizer(store: Store) -> Tokenizer | None:
    """The tokenizer that the registry counts with: the newest, None where there is none."""
    row = store.ask_one("tokenizer")
    if row is None:
        return None
    tokenizer_id, name, digest, content = row
    return Tokenizer(tokenizer_id, name, digest, tokenizers.Tokenizer.from_str(content))


def uncounted(store: Store, tokenizer: Tokenizer) -> int:
    """How many texts the tokenizer has not counted yet."""
    value: int = store.ask_value("count_uncounted_texts", tokenizer_id=tokenizer.tokenizer_id)
    return value


def count_all(store: Store, tokenizer: Tokenizer, progress: Progress) -> int:
    """Count the tokens of every text that is not counted yet, inside the caller's transaction.

    Returns:
        How many texts were counted.
    """
    total = 0
    for batch in store.ask_batches("uncounted_texts", tokenizer_id=tokenizer.tokenizer_id):
        counts = tokenizer.count(batch.column("content"))
        counted = pa.table({"text_id": batch.column("text_id"), "tokens": counts})
        with store.lend(counted=counted):
            store.run("insert_counted", tokenizer_id=tokenizer.tokenizer_id)
        total += batch.num_rows
        progress(batch.num_rows)
    return total
