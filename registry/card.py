"""The dataset card of an exported folder: what is in it, where from, under which licences."""

import json
from typing import Any

import provenance
from provenance.origin import Generation
from registry.store import Store

SUFFIXES = {"parquet": "parquet", "jsonl": "jsonl", "text": "txt"}


def dataset_card(store: Store, mix_id: int, format: str, command: str) -> str:
    """A README.md in the form that the Hugging Face hub reads: YAML header, then the facts as tables."""
    digest, spec = store.ask("mix_header", mix_id=mix_id)[0]
    composition = store.ask_records("mix_composition", mix_id=mix_id)
    licenses = sorted({row["license"] or "unknown" for row in composition})
    total = sum(row["documents"] for row in composition)
    lines = [
        *_header(format, licenses),
        "",
        f"# Training mixture {digest[:12]}",
        "",
        f"{total:,} texts drawn by provenance with prov {provenance.__version__}. Each row carries a `provenance` "
        "struct: who wrote the text, which generation it is, and the digests that lead back to its sources.",
        "",
        f"- mix digest: `{digest}`",
        f"- registry: `{store.setting('registry_id')}`",
        f"- spec: `{json.dumps(json.loads(spec), sort_keys=True)}`",
        *([f"- command: `{command}`"] if command else []),
        "",
        "## Composition",
        "",
        *_table(composition, total),
        "",
        "## Licences",
        "",
        *(f"- {name}: {_sum(composition, 'license', name):,} texts" for name in licenses),
        "",
        "## Generators",
        "",
        *_generators(composition),
        "",
    ]
    return "\n".join(lines)


def _header(format: str, licenses: list[str]) -> list[str]:
    header = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: data/train-*.{SUFFIXES[format]}",
    ]
    if licenses != ["unknown"]:
        header += ["license: other", "license_name: " + json.dumps(", ".join(licenses))]
    return [*header, "---"]


def _table(composition: list[dict[str, Any]], total: int) -> list[str]:
    rows = [
        "| origin | generation | source | generator | texts | share | bytes |",
        "| --- | --- | --- | --- | ---: | ---: | ---: |",
    ]
    for row in composition:
        generation = Generation(row["generation"], row["generation_exact"])
        rows.append(
            f"| {row['origin']} | {generation} | {_cell(row['source'])} | {_cell(row['generator'])} "
            f"| {row['documents']:,} | {row['documents'] / total:.1%} | {row['bytes']:,} |"
        )
    return rows


def _generators(composition: list[dict[str, Any]]) -> list[str]:
    names = sorted({row["generator"] for row in composition if row["generator"]})
    return [f"- {_cell(name)}: {_sum(composition, 'generator', name):,} texts" for name in names] or ["- none"]


def _sum(composition: list[dict[str, Any]], column: str, value: str) -> int:
    return sum(row["documents"] for row in composition if (row[column] or "unknown") == value)


def _cell(value: str | None) -> str:
    return (value or "–").replace("|", "\\|").replace("\n", " ")
