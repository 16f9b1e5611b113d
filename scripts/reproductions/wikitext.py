"""WikiText as documents: articles, and passages of them that are short enough to be learnt from whole."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from provenance.errors import ProvError

TITLE = re.compile(r" = [^=].*[^=] = ")
HEADING = re.compile(r" (= )+.*( =)+ ")
SENTENCE_END = re.compile(r"(?<= [.!?]) ")
PASSAGE_WORDS = 60
"""So many words a passage has at most: with a thousand byte pairs, about as many tokens as small models see."""


@dataclass(frozen=True)
class Article:
    """An article without its headings, cut into passages."""

    title: str
    passages: tuple[str, ...]

    @property
    def words(self) -> int:
        return sum(passage.count(" ") + 1 for passage in self.passages)


def articles(path: Path, passage_words: int = PASSAGE_WORDS) -> list[Article]:
    """The articles of a file.

    Raises:
        ProvError: it cannot be read, or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ProvError(f"cannot read {path}: {error}; name a file of WikiText") from error
    titles = [place for place, line in enumerate(lines) if TITLE.fullmatch(line) and _stands_alone(lines, place)]
    if not titles:
        raise ProvError(f"{path} holds no line such as ' = Title = ': name a file of WikiText")
    found = [
        Article(lines[start].strip(" ="), tuple(_passages(lines[start:end], passage_words)))
        for start, end in zip(titles, [*titles[1:], len(lines)], strict=True)
    ]
    return [article for article in found if article.passages]


def _stands_alone(lines: Sequence[str], place: int) -> bool:
    around = lines[max(0, place - 1) : place] + lines[place + 1 : place + 2]
    return not "".join(around).strip()


def _passages(lines: Iterable[str], most: int) -> Iterator[str]:
    """The paragraphs of an article, cut after sentences, so that none has more words than `most`."""
    for line in lines:
        if line.strip() and not HEADING.fullmatch(line):
            yield from passages(line.strip(), most)


def passages(paragraph: str, most: int) -> Iterator[str]:
    """A paragraph cut after sentences; a sentence that is longer by itself is cut within.

    >>> list(passages("One two . Three four . Five .", 6))
    ['One two . Three four .', 'Five .']
    """
    held: list[str] = []
    for sentence in SENTENCE_END.split(paragraph):
        words = sentence.split(" ")
        if held and len(held) + len(words) > most:
            yield " ".join(held)
            held = []
        held += words
        while len(held) > most:
            yield " ".join(held[:most])
            held = held[most:]
    if held:
        yield " ".join(held)


def parted(held: Sequence[Article], words: Sequence[int], rng: np.random.Generator) -> list[list[Article]]:
    """Articles in parts, each of so many words or a little more, and the rest: no article is in two.

    Raises:
        ProvError: there are too few.
    """
    order = iter([held[place] for place in rng.permutation(len(held))])
    parts: list[list[Article]] = []
    for wanted in words:
        part: list[Article] = []
        while sum(article.words for article in part) < wanted:
            article = next(order, None)
            if article is None:
                there_is = sum(article.words for article in held)
                raise ProvError(f"the parts want {sum(words):,} words, the articles have {there_is:,}: name more text")
            part.append(article)
        parts.append(part)
    return [*parts, list(order)]


def texts(held: Iterable[Article]) -> list[str]:
    """The passages of articles, in their order."""
    return [passage for article in held for passage in article.passages]
