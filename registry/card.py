"""The dataset card of an exported folder: what is in it, where from, under which licences."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml

import provenance
from provenance.origin import Generation
from registry.composition import composition
from registry.store import Store


def dataset_card(store: Store, mix_id: int, suffix: str, columns: Sequence[str], command: str) -> str:
    """A README.md in the form that the Hugging Face hub reads: YAML header, then the facts as tables.

    Args:
        suffix: of the files in the folder `data`.
        columns: what each row of them has.
        command: what made the folder; may be empty.
    """
    digest, spec = store.ask("mix_header", mix_id=mix_id)[0]
    erased = store.ask_value("erased_of_mix", mix_id=mix_id) if store.ask_value("any_text_missing") else 0
    rows = composition(store, mix=digest)
    licenses, generators = _counted(rows, "license"), _counted(rows, "generator")
    lines = [
        *_header(suffix, sorted(licenses)),
        "",
        f"# Training mixture {digest[:12]}",
        "",
        f"{sum(row['documents'] for row in rows):,} texts drawn by provenance with prov {provenance.__version__}. "
        + _ABOUT[columns[-1]]
        + (f" {erased:,} of them were erased since and are not here." if erased and columns[0] == "text" else ""),
        "",
        f"- mix digest: `{digest}`",
        f"- registry: `{store.setting('registry_id')}`",
        f"- spec: `{json.dumps(json.loads(spec), sort_keys=True)}`",
        "",
        *(["```sh", command, "```", ""] if command else []),
        "## Composition",
        "",
        *_table(rows),
        "",
        "## Licences",
        "",
        *(f"- {_cell(name)}: {count:,} texts" for name, count in sorted(licenses.items())),
        "",
        "## Generators",
        "",
        *([f"- {_cell(name)}: {count:,} texts" for name, count in sorted(generators.items())] or ["- none"]),
        "",
    ]
    return "\n".join(lines)


_ABOUT = {
    "provenance": "Each row carries a `provenance` struct: who wrote the text, which generation it is, and the "
    "digests that lead back to its sources.",
    "text": "The rows are texts alone; the registry knows where each came from.",
    "item": "The rows name the texts, the registry holds them.",
}


def _header(suffix: str, licenses: list[str]) -> list[str]:
    files = [{"split": "train", "path": f"data/train-*{suffix}"}]
    header: dict[str, Any] = {"configs": [{"config_name": "default", "data_files": files}]}
    if licenses != [_UNKNOWN]:
        header |= {"license": "other", "license_name": ", ".join(licenses)}
    return ["---", yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip(), "---"]


_UNKNOWN = "unknown"


def _counted(rows: list[dict[str, Any]], name: str) -> Counter[str]:
    """Texts by licence or by generator; a text without a licence counts as unknown, without a generator not at all."""
    counts: Counter[str] = Counter()
    for row in rows:
        if value := row[name] or (_UNKNOWN if name == "license" else None):
            counts[value] += row["documents"]
    return counts


def _table(rows: list[dict[str, Any]]) -> list[str]:
    total = sum(row["documents"] for row in rows)
    return [
        "| origin | generation | source | license | generator | texts | share | bytes |",
        "| --- | --- | --- | --- | --- | ---: | ---: | ---: |",
        *(
            f"| {row['origin']} | {Generation(row['generation'], row['generation_exact'])} | {_cell(row['source'])} "
            f"| {_cell(row['license'])} | {_cell(row['generator'])} | {row['documents']:,} "
            f"| {row['documents'] / total:.1%} | {row['bytes']:,} |"
            for row in rows
        ),
    ]


def _cell(value: str | None) -> str:
    return (value or "–").replace("|", "\\|").replace("\n", " ")
