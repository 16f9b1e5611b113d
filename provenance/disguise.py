"""Disguises: characters that change a text for a machine and not for a reader, which hide marks from detection.

Invisible characters (zero-width, directional, tags, soft hyphens) and letters of one alphabet that look like those of
another. What scripts need is left alone: joiners inside Indic or Arabic words and emoji, and words that are wholly
Cyrillic or Greek.
"""

import re
from typing import NamedTuple

INVISIBLE = "\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0001\U000e0020-\U000e007f"
JOINERS = "\u200c\u200d"
"""Which join where scripts need them, and hide between letters of these:"""
LATIN = "A-Za-z\u00c0-\u024f\uff21-\uff3a\uff41-\uff5a"
ALIKE = dict(
    zip(
        "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁԛԝӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυιαԍ",
        "ABESIJKMHOPCTYXaesijopcyxhdqwlABEZHIKMNOPTYXovuiaG",
        strict=True,
    )
)
"""Cyrillic and Greek letters, and the Latin ones that they look like."""
WIDE = {chr(0xFF00 + point): chr(0x20 + point) for point in (*range(0x21, 0x3B), *range(0x41, 0x5B))}
"""Full-width Latin letters and digits, and the plain ones."""

_FOREIGN = "".join(ALIKE)
_HIDDEN = re.compile(f"[{INVISIBLE}]|(?<=[{LATIN}{_FOREIGN}])[{JOINERS}]+(?=[{LATIN}{_FOREIGN}])")
HINT = f"[{INVISIBLE}{JOINERS}{_FOREIGN}{''.join(WIDE)}]"
"""A regular expression, for RE2 as well, that matches in each text that holds disguises, and in some others."""
_MAY_HIDE = re.compile(HINT)
_WORD = re.compile(f"[{LATIN}{_FOREIGN}]+")
_PLAIN = re.compile(f"[{LATIN}]")
_SWAP = str.maketrans(ALIKE | WIDE)


class Undisguised(NamedTuple):
    """A text without disguises.

    Attributes:
        text: what is left.
        places: where each of its characters stood before, and last the length that there was; None where nothing
            changed.
        disguises: how many characters were left out or replaced.
    """

    text: str
    places: list[int] | None
    disguises: int


def strip(text: str) -> Undisguised:
    """A text without invisible characters, and with Latin letters for those that look like them in Latin words.

    >>> strip("wa\\u200bter\\u043c\\u0430rk wаter").text
    'waterмark water'
    >>> strip("москва").disguises
    0
    """
    if not _MAY_HIDE.search(text):
        return Undisguised(text, None, 0)
    places: list[int] = []
    end = 0
    for found in _HIDDEN.finditer(text):
        places.extend(range(end, found.start()))
        end = found.end()
    places.extend(range(end, len(text)))
    seen = "".join(text[place] for place in places)
    plain = _WORD.sub(lambda word: _latin(word[0]), seen)
    disguises = len(text) - len(seen) + sum(one != other for one, other in zip(seen, plain, strict=True))
    return Undisguised(plain, [*places, len(text)], disguises) if disguises else Undisguised(text, None, 0)


def _latin(word: str) -> str:
    """A word with Latin letters alone, where some are and all others look so."""
    swapped = word.translate(_SWAP)
    return swapped if _PLAIN.search(word) else word
