"""Licences: how names are read, what a use allows, what a mix leaves out for it; and that no version ever changes."""

import csv
import hashlib
import json
from importlib import resources
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from provenance.cli import cli
from provenance.errors import NotFound, ProvError
from provenance.origin import Origin
from registry import Declared, MixSpec, Registry, real_frac
from registry.licensing import USES, VERDICTS, judge, names, with_version
from registry.mix import Shortfall

ALLOWED, FORBIDDEN, UNKNOWN = "MIT", "CC-BY-NC-4.0", "LicenseRef-mine"
LICENSES = {"CC-BY-4.0": 4, "cc-by-nc 4.0": 3, "mine": 2, None: 5}


@pytest.fixture
def licensed(corpus: Registry) -> Registry:
    """Human texts under licences of all kinds, and under none."""
    corpus.add(
        [
            {"id": f"{license}-{number}", "text": f"{license} {number}", "license": license}
            for license, count in LICENSES.items()
            for number in range(count)
        ],
        Declared(origin=Origin.HUMAN, source="s"),
    )
    return corpus


def run(held: Registry, *arguments: str) -> Result:
    held.close()
    return CliRunner().invoke(cli, ["--registry", str(held.path), *arguments])


# -- names


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("cc-by", "CC-BY-4.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("cc_by_sa_3.0", "CC-BY-SA-3.0"),
        ("cc-by-sa-3.0-de", "CC-BY-SA-3.0"),
        ("CC-BY-NC-ND 3.0 IGO", "CC-BY-NC-ND-3.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "CC-BY-NC-SA-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/legalcode", "CC0-1.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International License", "CC-BY-SA-4.0"),
        ("Creative Commons Zero v1.0 Universal", "CC0-1.0"),
        ("apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("The MIT License", "MIT"),
        ("The Unlicense", "Unlicense"),
        ("PolyForm Noncommercial 1.0.0", "PolyForm-Noncommercial-1.0.0"),
        ("gplv2", "GPL-2.0"),
        ("GPL-2.0+", "GPL-2.0"),
        ("GPL-2.0 or later", "GPL-2.0-or-later"),
        ("bsd 3-clause", "BSD-3-Clause"),
        ("odc-by", "ODC-By-1.0"),
        ("Public Domain", "CC-PDDC"),
    ],
)
def test_a_license_is_known_by_its_usual_names(name: str, spdx: str) -> None:
    assert judge(name, "research").name == spdx


def test_each_license_of_the_table_is_read_as_itself_in_any_case() -> None:
    for name in names():
        assert {judge(form, use).name for form in (name, name.lower(), name.upper()) for use in USES} == {name}


@pytest.mark.parametrize(
    "name", ["", " ", "unknown", "other", "UNLICENSED", "cc", "ask me", "MIT OR", "(MIT", "MIT)", "()", "AND"]
)
def test_what_is_no_license_is_unknown_and_never_allowed(name: str) -> None:
    assert {judge(name, use).verdict for use in USES} == {"unknown"}


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    assert judge(text, "commercial").verdict in VERDICTS


@given(st.text(alphabet="abcxyz 0123.-", min_size=1))
def test_an_unknown_exception_does_not_lend_the_rights_of_its_license(text: str) -> None:
    assert judge(f"CC-BY-4.0 WITH x{text.strip() or 'y'}", "commercial").verdict == "unknown"


# -- expressions


@given(st.lists(st.sampled_from([ALLOWED, FORBIDDEN, UNKNOWN]), min_size=1, max_size=5), st.data())
def test_of_an_or_the_best_counts_and_of_an_and_the_worst(parts: list[str], data: st.DataObject) -> None:
    verdicts = [VERDICTS.index(judge(part, "commercial").verdict) for part in parts]
    spell = data.draw(st.sampled_from([str.upper, str.lower]))
    assert judge(spell(" or ").join(parts), "commercial").verdict == VERDICTS[min(verdicts)]
    assert judge(spell(" and ").join(parts), "commercial").verdict == VERDICTS[max(verdicts)]


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        (f"{ALLOWED} OR {ALLOWED} AND {FORBIDDEN}", "allowed"),
        (f"({ALLOWED} OR {ALLOWED}) AND {FORBIDDEN}", "forbidden"),
        (f"(({FORBIDDEN})) OR ({UNKNOWN} AND {ALLOWED})", "unknown"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "allowed"),
        (f"{FORBIDDEN} WITH LLVM-exception OR {FORBIDDEN}", "forbidden"),
    ],
)
def test_expressions_bind_as_spdx_says(expression: str, verdict: str) -> None:
    assert judge(expression, "commercial").verdict == verdict


def test_duties_of_all_licenses_of_an_and_are_told() -> None:
    both = judge("CC0-1.0 AND CC-BY-SA-4.0", "commercial")
    assert (both.name, both.share_alike, both.attribution) == ("CC0-1.0 AND CC-BY-SA-4.0", True, True)
    assert judge(f"CC0-1.0 AND {UNKNOWN}", "commercial").attribution is None


# -- uses and versions


@pytest.mark.parametrize(
    ("license", "commercial", "research"),
    [
        ("CC0-1.0", "allowed", "allowed"),
        ("CC-BY-SA-4.0", "allowed", "allowed"),
        ("CC-BY-NC-4.0", "forbidden", "allowed"),
        ("CC-BY-ND-4.0", "forbidden", "allowed"),
        ("AGPL-3.0-only", "allowed", "allowed"),
        ("BUSL-1.1", "forbidden", "allowed"),
        (None, "unknown", "unknown"),
    ],
)
def test_what_a_license_says_of_each_use(license: str | None, commercial: str, research: str) -> None:
    assert (judge(license, "commercial").verdict, judge(license, "research").verdict) == (commercial, research)


def test_version_1_never_changes() -> None:
    """Mixes are drawn again by it: what should be judged otherwise comes with a version 2."""
    assert hashlib.sha256(_table()).hexdigest() == TABLE_1
    read = json.dumps([[name, *(judge(name, f"{use}@1").verdict for use in USES)] for name in _spellings()])
    assert hashlib.sha256(read.encode()).hexdigest() == READ_1


def _table() -> bytes:
    return (resources.files("registry") / "licenses" / "1.csv").read_bytes()


def _spellings() -> list[str]:
    known = [row["license"] for row in csv.DictReader(_table().decode().splitlines())]
    loose = [form for name in known for form in (name.lower(), name.replace("-", " "), name.split("-")[0], name + "+")]
    return [*loose, *(f"{one} AND {other}" for one, other in zip(known, loose, strict=False))]


def test_a_use_that_is_not_there_names_those_that_are(licensed: Registry) -> None:
    assert with_version("research") == "research@1"
    for wrong in ("commerce", "commercial@2", "commercial@", "@1", ""):
        with pytest.raises(
            ValueError, match="there is commercial, research, or with the version of the table commercial@1"
        ):
            with_version(wrong)
        with pytest.raises(ValidationError):
            MixSpec(strata=real_frac(1.0), use=wrong)
    mix = licensed.mix(MixSpec(strata=real_frac(1.0))).mix
    with pytest.raises(ProvError, match="no use 'commerce': there is commercial"):
        licensed.licenses(mix, "commerce")


# -- mixes


@pytest.mark.parametrize(
    ("asked", "drawn", "excluded"),
    [
        ({}, 14, (0, 0)),
        ({"use": "commercial"}, 4, (3, 7)),
        ({"use": "research"}, 7, (0, 7)),
        ({"use": "commercial", "unknown_license": "keep"}, 11, (3, 0)),
    ],
)
def test_a_mix_leaves_out_what_its_use_forbids_and_counts_it(
    asked: dict[str, Any], drawn: int, excluded: tuple[int, int], licensed: Registry
) -> None:
    mix = licensed.mix(MixSpec(strata=real_frac(1.0), **asked))
    assert mix.total.documents == drawn
    assert (mix.excluded["license"], mix.excluded["license_unknown"]) == excluded
    held = {row["license"] for row in licensed.composition(["license"], mix.mix)}
    assert "cc-by-nc 4.0" not in held or asked.get("use") != "commercial"


def test_the_use_of_a_mix_names_the_version_of_the_table_and_no_use_leaves_no_trace() -> None:
    plain = MixSpec(strata=real_frac(1.0))
    assert "use" not in json.loads(plain.canonical())
    used = MixSpec(strata=real_frac(1.0), use="commercial")
    assert json.loads(used.canonical())["use"] == "commercial@1"
    assert MixSpec.model_validate(used.model_dump(mode="json")) == used
    with pytest.raises(ValidationError, match="unknown_license says nothing without a use"):
        MixSpec(strata=real_frac(1.0), unknown_license="keep")


def test_a_shortfall_says_that_unknown_licenses_may_be_kept(licensed: Registry) -> None:
    with pytest.raises(Shortfall, match=r"7 documents for which no licence is known.*--unknown-license keep"):
        licensed.mix(MixSpec(strata=real_frac(1.0), use="commercial", size=10))


def test_the_command_draws_for_a_use(licensed: Registry) -> None:
    done = run(licensed, "mix", "--real-frac", "1", "--use", "commercial", "--json")
    drawn = json.loads(done.stdout)
    assert (drawn["achieved"]["documents"], drawn["spec"]["use"]) == (4, "commercial@1")
    assert drawn["excluded"] == {
        **dict.fromkeys(["unknown", "unattributed", "mixed", "withdrawn", "held_out", "duplicate"], 0),
        "license": 3,
        "license_unknown": 7,
    }
    kept = run(licensed, "mix", "--real-frac", "1", "--use", "commercial", "--unknown-license", "keep", "--json")
    assert json.loads(kept.stdout)["achieved"]["documents"] == 11


# -- audit


def test_the_licenses_of_a_mix_are_judged_and_summed(licensed: Registry) -> None:
    mix = licensed.mix(MixSpec(strata=real_frac(1.0), size=28, max_repeats=2)).mix
    found = licensed.licenses(mix)
    assert found["use"] == "commercial@1"
    assert {row["license"]: (row["documents"], row["verdict"]) for row in found["licenses"]} == {
        "CC-BY-4.0": (8, "allowed"),
        "cc-by-nc 4.0": (6, "forbidden"),
        "mine": (4, "unknown"),
        None: (10, "unknown"),
    }
    assert {verdict: total["documents"] for verdict, total in found["totals"].items()} == {
        "allowed": 8,
        "unknown": 14,
        "forbidden": 6,
    }
    assert sum(total["bytes"] for total in found["totals"].values()) == licensed.composition([], mix)[0]["bytes"]
    with pytest.raises(NotFound):
        licensed.licenses("ffffffffffff")


def test_a_finding_that_is_to_fail_ends_with_3(licensed: Registry) -> None:
    mix = licensed.mix(MixSpec(strata=real_frac(1.0))).mix
    for use, fail_on, code in (
        ("commercial", ["forbidden"], 3),
        ("research", ["forbidden"], 0),
        ("research", ["forbidden", "unknown"], 3),
        ("commercial", [], 0),
        ("research", ["any"], 3),
    ):
        options = [word for name in fail_on for word in ("--fail-on", name)]
        done = run(licensed, "audit", "licenses", mix, "--use", use, *options)
        assert done.exit_code == code, (use, fail_on)
        assert "no legal advice" in done.stdout
        assert "unknown: 7 documents" in done.stdout


TABLE_1 = "f1f3a7ea428603a86d521130481717eb8957c7c617ffe4e3950a14c8bb2d904a"
READ_1 = "c7cc0fba3b7e728cdb376a5b8a08bfbf411f8f07e655936190edbc737cf3449a"
