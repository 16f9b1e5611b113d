"""Licensing: what licences allow, by a table that ships with prov. It is not legal advice.

A mix drawn for a use names the version of the table, `commercial@1`, so that it comes out the same whatever later
versions say. What version 1 says, the table `licenses/1.csv` and how names are read here, never changes: what is to be
read or judged otherwise comes with version 2.

Two judgements that the table makes: a licence that allows no derivatives (`-ND`) allows research, but no commercial
use, since a model or its output may be an adaptation; and one that asks for source code or the same licence (copyleft)
forbids no use, its duties are told instead.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, reduce
from importlib import resources
from typing import Literal

Verdict = Literal["allowed", "unknown", "forbidden"]

USES = ("commercial", "research")
VERSIONS = (1,)

VERDICTS: tuple[Verdict, ...] = ("allowed", "unknown", "forbidden")
"""The best first."""


@dataclass(frozen=True)
class Judged:
    """A licence, or an expression of several, and what it says of one use.

    Attributes:
        name: as SPDX writes it; None where it is not in the table.
        kind: the class of the table: attribution, share-alike, permissive, …
        share_alike: what is made of it must stand under the same licence.
        attribution: its authors must be named.
    """

    name: str | None
    kind: str | None
    verdict: Verdict
    share_alike: bool | None = None
    attribution: bool | None = None


NOT_KNOWN = Judged(None, None, "unknown")


def with_version(use: str) -> str:
    """A use with the version of the table that judges it; without one, the newest.

    Raises:
        ValueError: there is no such use or version.

    >>> with_version("commercial")
    'commercial@1'
    """
    name, at, version = use.partition("@")
    versions = [str(known) for known in VERSIONS]
    version = version if at else versions[-1]
    if name not in USES or version not in versions:
        known = ", ".join(f"{one}@{number}" for one in USES for number in versions)
        raise ValueError(f"no use {use!r}: there is {', '.join(USES)}, or with the version of the table {known}")
    return f"{name}@{version}"


@cache
def judge(license: str | None, use: str) -> Judged:
    """What a licence, by name, alias or SPDX expression, says of a use.

    Of `A OR B` the better counts, of `A AND B` the worse; an exception (`A WITH B`) adds rights to A.

    >>> judge("cc-by-nc 4.0", "commercial@1").verdict
    'forbidden'
    >>> judge("(GPL-2.0-only WITH Classpath-exception-2.0) OR CC-BY-NC-4.0", "commercial@1").verdict
    'allowed'
    >>> judge("ask my lawyer", "commercial@1").verdict
    'unknown'
    """
    if license is None:
        return NOT_KNOWN
    name, _, version = with_version(use).partition("@")
    whole = _look_up(license, name, int(version))
    if whole:
        return whole
    tokens = [token for token in _OPERATORS.split(f" {license} ") if token and token.strip()]
    try:
        judged, rest = _either(tokens, lambda leaf: _look_up(leaf, name, int(version)) or NOT_KNOWN)
    except IndexError:  # the expression ends where something must follow
        return NOT_KNOWN
    return NOT_KNOWN if rest else judged


# -- expressions

_OPERATORS = re.compile(r"(?:\s+(and|or|with)(?=[\s(]))|([()])", re.IGNORECASE)

_Leaf = Callable[[str], Judged]
_Parsed = tuple[Judged, list[str]]


def _either(tokens: list[str], leaf: _Leaf) -> _Parsed:
    judged, rest = _both(tokens, leaf)
    while rest and _is(rest[0], "or"):
        other, rest = _both(rest[1:], leaf)
        judged = min(judged, other, key=lambda one: VERDICTS.index(one.verdict))
    return judged, rest


def _both(tokens: list[str], leaf: _Leaf) -> _Parsed:
    judged, rest = _one(tokens, leaf)
    parts = [judged]
    while rest and _is(rest[0], "and"):
        judged, rest = _one(rest[1:], leaf)
        parts.append(judged)
    return reduce(_together, parts), rest


def _together(one: Judged, other: Judged) -> Judged:
    worse = max(one, other, key=lambda part: VERDICTS.index(part.verdict))
    return Judged(
        name=f"{one.name} AND {other.name}" if one.name and other.name else None,
        kind=worse.kind,
        verdict=worse.verdict,
        share_alike=_any(one.share_alike, other.share_alike),
        attribution=_any(one.attribution, other.attribution),
    )


def _any(one: bool | None, other: bool | None) -> bool | None:
    """Whether one of them holds; None where that hangs on what is not known."""
    if one or other:
        return True
    return None if one is None or other is None else False


def _one(tokens: list[str], leaf: _Leaf) -> _Parsed:
    if tokens[0] == "(":
        judged, rest = _either(tokens[1:], leaf)
        if rest[0] != ")":
            raise IndexError
        return judged, rest[1:]
    judged, rest = leaf(tokens[0]), tokens[1:]
    if rest and _is(rest[0], "with"):
        exception, rest = rest[1].strip(), rest[2:]
        if "exception" not in exception.casefold() and exception.casefold() != "linux-syscall-note":
            return NOT_KNOWN, rest  # who knows what is added there
        judged = replace(judged, name=f"{judged.name} WITH {exception}" if judged.name else None)
    return judged, rest


def _is(token: str, operator: str) -> bool:
    return token.strip().casefold() == operator


# -- names


@cache
def _table(version: int) -> dict[str, dict[str, str]]:
    """The rows of a version of the table, by name in lower case."""
    text = (resources.files("registry") / "licenses" / f"{version}.csv").read_text(encoding="utf-8")
    return {row["license"].casefold(): row for row in csv.DictReader(text.splitlines())}


def names(version: int = VERSIONS[-1]) -> list[str]:
    """The licences that a version of the table knows."""
    return [row["license"] for row in _table(version).values()]


def _look_up(name: str, use: str, version: int) -> Judged | None:
    table = _table(version)
    row = next((table[form] for form in _forms(name) if form in table), None)
    if row is None:
        return None
    return Judged(
        name=row["license"],
        kind=row["class"],
        verdict="allowed" if row[use] == "yes" else "forbidden",
        share_alike=row["share_alike"] == "yes",
        attribution=row["attribution"] == "yes",
    )


def _forms(name: str) -> Iterator[str]:
    """How the table may write a name, the likeliest first."""
    plain = _without_url(name.strip().casefold())
    yield plain
    plain = re.sub(r"[\s_,]+", "-", plain).removeprefix("the-")
    yield plain
    plain = re.sub(r"-?(licen[sc]e|international|universal|unported|generic|deed)\b", "", plain)
    plain = re.sub(r"-(?:version-|v\.?)(?=[0-9])", "-", plain)
    for words, short in _WORDS:
        plain = re.sub(words, short, plain)
    or_later = plain.removesuffix("+")
    for form in dict.fromkeys([plain, or_later, re.sub(r"(?<=[a-z])-?v?(?=[0-9])", "-", or_later, count=1)]):
        yield form
        yield _ALIASES.get(form, form).casefold()
        yield f"{form}.0"
        if port := re.fullmatch(r"(cc-[a-z-]+-[0-9]\.[0-9])-[a-z]+", form):
            yield port[1]


def _without_url(name: str) -> str:
    if found := re.search(r"creativecommons\.org/licen[sc]es/([a-z-]+)(?:/([0-9.]+[0-9]))?", name):
        return f"cc-{found[1]}-{found[2] or '4.0'}"
    if found := re.search(r"creativecommons\.org/publicdomain/(zero|mark)", name):
        return {"zero": "cc0-1.0", "mark": "cc-pdm-1.0"}[found[1]]
    if found := re.search(r"(?:opensource|spdx)\.org/licen[sc]es?/([^/?#]+)", name):
        return found[1].removesuffix(".html")
    return name


_WORDS = (
    (r"creative-commons", "cc"),
    (r"attribution", "by"),
    (r"share-?alike", "sa"),
    (r"non-?commercial", "nc"),
    (r"no-?deriv(?:ative)?s?", "nd"),
    (r"^cc-zero|^zero-cc", "cc0"),
)

_ALIASES = {
    "cc0": "CC0-1.0",
    "public-domain": "CC-PDDC",
    "publicdomain": "CC-PDDC",
    "pdm": "CC-PDM-1.0",
    "cc-by": "CC-BY-4.0",
    "cc-by-sa": "CC-BY-SA-4.0",
    "cc-by-nc": "CC-BY-NC-4.0",
    "cc-by-nd": "CC-BY-ND-4.0",
    "cc-by-nc-sa": "CC-BY-NC-SA-4.0",
    "cc-by-sa-nc": "CC-BY-NC-SA-4.0",
    "cc-by-nc-nd": "CC-BY-NC-ND-4.0",
    "odc-by": "ODC-By-1.0",
    "odbl": "ODbL-1.0",
    "odc-odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "odc-pddl": "PDDL-1.0",
    "ogl": "OGL-UK-3.0",
    "ogl-3.0": "OGL-UK-3.0",
    "ogl-uk": "OGL-UK-3.0",
    "etalab": "etalab-2.0",
    "expat": "MIT",
    "apache": "Apache-2.0",
    "asl-2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "new-bsd": "BSD-3-Clause",
    "modified-bsd": "BSD-3-Clause",
    "simplified-bsd": "BSD-2-Clause",
    "psf": "PSF-2.0",
    "python": "Python-2.0",
    "boost": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "artistic": "Artistic-2.0",
    "mpl": "MPL-2.0",
    "epl": "EPL-2.0",
    "eupl": "EUPL-1.2",
    "gpl": "GPL-3.0",
    "gnu-gpl": "GPL-3.0",
    "lgpl": "LGPL-3.0",
    "agpl": "AGPL-3.0",
    "gfdl": "GFDL-1.3",
    "ofl": "OFL-1.1",
    "afl": "AFL-3.0",
    "ecl": "ECL-2.0",
    "lppl": "LPPL-1.3c",
}
