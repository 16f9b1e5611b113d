"""The layers hold, the packages are ours, and help is quick because it loads nothing heavy."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"duckdb", "pyarrow", "numpy", "numba", "tokenizers", "torch", "transformers", "pydantic"}


def modules_after(code: str) -> set[str]:
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


HELP = [["--help"], ["audit", "--help"], ["record", "--help"], ["keys", "--help"], ["keys", "add", "--help"]]


@pytest.mark.parametrize("arguments", [*HELP, ["--version"]])
def test_help_loads_no_database_and_no_numbers(arguments: list[str]) -> None:
    code = f"from provenance.cli import cli\ntry:\n    cli({arguments!r})\nexcept SystemExit:\n    pass"
    assert not modules_after(code) & HEAVY


def test_provenance_loads_no_database_and_no_torch() -> None:
    names = ["cli", "commands", "console", "errors", "keyring", "ngram", "origin"]
    code = "\n".join(f"import provenance.{name}" for name in names)
    assert not modules_after(code) & {"duckdb", "pyarrow", "torch", "transformers", "registry", "trainer"}


def test_a_keyring_is_opened_without_numbers_and_tokenizers() -> None:
    code = "from provenance.keyring import Keyring\nKeyring.open(environment={'PROV_KEYRING': 'none.json'}).keys()"
    assert not modules_after(code) & (HEAVY - {"pydantic"})


def test_registry_loads_no_trainer_and_no_torch() -> None:
    code = "from registry import Declared, Export, MixSpec, Registry, Stratum, ratio, real_frac"
    assert not modules_after(code) & {"torch", "transformers", "trainer"}


@pytest.mark.parametrize("package", ["provenance", "registry", "trainer"])
def test_the_packages_imported_are_ours(package: str) -> None:
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).parent == ROOT / package


def test_no_sql_is_put_together_from_pieces() -> None:
    """Every statement stands in registry/sql, but for three that have no parameters and no question to answer."""
    words = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "DROP ")
    for path in [*(ROOT / "registry").rglob("*.py"), *(ROOT / "provenance").rglob("*.py")]:
        code = [line for line in path.read_text(encoding="utf-8").splitlines() if "Example:" not in line]
        assert not [line for line in code if any(word in line for word in words)], path


def test_each_question_says_in_its_first_line_what_it_asks() -> None:
    for path in (ROOT / "registry" / "sql").glob("*.sql"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith(f"-- {path.stem}: "), path
        assert first.endswith("."), path


def test_each_question_is_asked_somewhere() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "registry").rglob("*.py"))
    for path in (ROOT / "registry" / "sql").glob("*.sql"):
        kind = path.stem.removeprefix("list_").removeprefix("ancestor_")
        assert f'"{path.stem}"' in sources or f'"{kind}"' in sources, path
