"""Detection: what texts score by each key that is held, with nothing but key, tokenizer and text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from provenance import disguise
from provenance.errors import ProvError
from provenance.watermark import Scheme, Scores, Secret, Tokens, find_scheme, score

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from provenance.keyring import Keyring

Integers = NDArray[np.int64]
MOST_CHARACTERS = 8_000_000
"""So many characters of text are tokenised at a time, or one text."""


@dataclass(frozen=True)
class Detections:
    """What texts score by one key; each array (texts,).

    Attributes:
        key: the id of the key.
        first_char, last_char: where the passage stands that looks marked, -1 where that is the whole text.
        disguises: characters that hide something, whether or not they were left out.
    """

    key: str
    scores: Scores
    first_char: Integers
    last_char: Integers
    disguises: Integers


@dataclass(frozen=True)
class Seeker:
    """Looks for the mark of one key."""

    key: str
    scheme: Scheme
    secret: Secret
    tokenizer: str
    """The digest of the tokenizer by whose tokens texts were marked."""
    parameters: dict[str, Any]

    def __repr__(self) -> str:
        return f"Seeker({self.key})"


@dataclass(frozen=True)
class Seekers:
    """Look for the marks of several keys; texts are tokenised once for all that share a tokenizer."""

    seekers: Sequence[Seeker]
    contents: dict[str, str]

    @classmethod
    def of(cls, keyring: "Keyring", wanted: Sequence[str] = ()) -> "Seekers":
        """Those of the keys that are held, or of the wanted ones.

        Raises:
            ProvError: a key is not held, its scheme does not fit, or its tokenizer is not there.
        """
        keys = [keyring.find(name) for name in wanted] or keyring.keys()
        seekers = [
            Seeker(key.id, find_scheme(key.scheme, key.parameters), key.secret.reveal(), key.tokenizer, key.parameters)
            for key in keys
        ]
        contents = {}
        for key, seeker in zip(keys, seekers, strict=True):
            seeker.scheme.check_secret(seeker.secret)
            content = keyring.tokenizer(key.tokenizer)
            if content is None:
                raise ProvError(
                    f"the tokenizer of key {key} is not in the keyring (sha256 {key.tokenizer[:12]}…): add the key "
                    "with its tokenizer.json, or leave it out with --key"
                )
            contents[key.tokenizer] = content
        return cls(seekers, contents)

    def __len__(self) -> int:
        return len(self.seekers)

    @cached_property
    def _encoders(self) -> dict[str, "Tokenizer"]:
        from tokenizers import Tokenizer

        held = {digest: Tokenizer.from_str(content) for digest, content in self.contents.items()}
        for encoder in held.values():
            encoder.no_truncation()
            encoder.no_padding()
        return held

    def detect(
        self, texts: Sequence[str], prompts: Sequence[int] | None = None, strip: bool = False
    ) -> list[Detections]:
        """What texts score by each key.

        Args:
            prompts: how many characters of each text are a prompt, which is not scored.
            strip: leave disguises out of what is scored (see `provenance.disguise`).
        """
        parts = [self._detect(texts[first:last], prompts and prompts[first:last], strip) for first, last in _cut(texts)]
        return [_joined(held) for held in zip(*parts, strict=True)]

    def _detect(self, texts: Sequence[str], prompts: Sequence[int] | None, strip: bool) -> list[Detections]:
        plain = [disguise.strip(text) for text in texts]
        disguises = np.array([one.disguises for one in plain], np.int64)
        read = [
            _Read(one.text, one.places) if strip else _Read(text, None) for one, text in zip(plain, texts, strict=True)
        ]
        prompts = prompts or [0] * len(texts)
        encoded = {digest: _Encoded.of(encoder, read, prompts) for digest, encoder in self._encoders.items()}
        return [self._found(seeker, encoded[seeker.tokenizer], disguises) for seeker in self.seekers]

    def _found(self, seeker: Seeker, encoded: "_Encoded", disguises: Integers) -> Detections:
        scores = score(seeker.scheme, seeker.secret, encoded.tokens)
        first, last = np.full(len(scores), -1, np.int64), np.full(len(scores), -1, np.int64)
        tokens = encoded.tokens
        begins, lengths = tokens.firsts - tokens.ends[:-1], np.diff(tokens.ends)
        for text in np.flatnonzero((scores.begins > begins) | (scores.ends < lengths)).tolist():
            first[text], last[text] = encoded.span(text, int(scores.begins[text]), int(scores.ends[text]))
        return Detections(seeker.key, scores, first, last, disguises)


@dataclass(frozen=True)
class _Read:
    """A text as it is scored, and where its characters stood before, where that differs."""

    text: str
    places: list[int] | None

    def before(self, characters: int) -> int:
        """How many characters of what is scored come from the first so many of the text."""
        return characters if self.places is None else int(np.searchsorted(self.places[:-1], characters))


@dataclass(frozen=True)
class _Encoded:
    """Texts as tokens of one tokenizer."""

    read: list[_Read]
    encodings: list[Any]
    tokens: Tokens

    @classmethod
    def of(cls, encoder: "Tokenizer", read: list[_Read], prompts: Sequence[int]) -> "_Encoded":
        try:
            encodings = encoder.encode_batch([one.text for one in read], add_special_tokens=False)
        except Exception as error:  # the library raises bare Exception
            raise ProvError(
                f"the tokenizer of a key cannot encode every text: {str(error).partition(chr(10))[0]}; "
                "leave that key out with --key"
            ) from error
        lengths = [len(encoding) for encoding in encodings]
        ends = np.cumsum([0, *lengths], dtype=np.int64)
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int64, int(ends[-1]))
        firsts = [
            _first_after(encoding.offsets, one.before(prompt)) if prompt else 0
            for encoding, one, prompt in zip(encodings, read, prompts, strict=True)
        ]
        return cls(read, encodings, Tokens(ids, ends, ends[:-1] + np.array(firsts, np.int64)))

    def span(self, text: int, begin: int, end: int) -> tuple[int, int]:
        """Where in a text as it came tokens from one to before another stand, in characters."""
        offsets, places = self.encodings[text].offsets, self.read[text].places
        first, last = (offsets[begin][0], offsets[end - 1][1]) if end > begin else (0, 0)
        return (first, last) if places is None else (places[first], places[last])


def _first_after(offsets: list[tuple[int, int]], prompt: int) -> int:
    """The first token that begins where a prompt of so many characters has ended, or their number."""
    return next((number for number, (first, _) in enumerate(offsets) if first >= prompt), len(offsets))


def _cut(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    first, size = 0, 0
    for number, text in enumerate(texts):
        if size + len(text) > MOST_CHARACTERS and number > first:
            yield first, number
            first, size = number, 0
        size += len(text)
    yield first, len(texts)


def _joined(parts: Sequence[Detections]) -> Detections:
    return Detections(
        parts[0].key,
        Scores.joined([part.scores for part in parts]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("first_char", "last_char", "disguises")),
    )
