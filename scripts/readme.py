"""The parts of README.md that are made, not written: the session with its real output, and every command's help.

`cog -r README.md` puts them in; `scripts/check` and the tests compare them with what the commands print today.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from provenance.cli import COMMANDS, cli

SESSION = [
    "head -2 mine.jsonl",
    "head -2 generated.jsonl",
    "prov init",
    "prov ingest mine.jsonl --origin human --source my-blog --license CC-BY-4.0",
    "prov ingest generated.jsonl --origin model --generator gpt-4 --generation 1",
    "prov mix --real-frac 0.25 --seed 7 -o mix.parquet",
    "prov audit composition --by origin,generation,generator",
    "prov audit lineage gen-3",
    "prov mix --real-frac 0.25 --docs 500",
]

MINE = """\
{"id": "post-1", "text": "The ferry was late again, so we counted gulls.", "lang": "en"}
{"id": "post-2", "text": "My grandmother salted the butter twice and never said why.", "lang": "en"}
{"id": "post-3", "text": "Am Sonntag roch das ganze Haus nach Kardamom.", "lang": "de"}
"""

GENERATED = """\
{"id": "gen-1", "text": "The ferry was late, and the gulls were many.", "prompt_of": "post-1"}
{"id": "gen-2", "text": "Ferries are an important means of transport."}
{"id": "gen-3", "text": "Butter is often salted for a variety of reasons.", "prompt_of": "post-2"}
{"id": "gen-4", "text": "In conclusion, gulls play a vital role."}
{"id": "gen-5", "text": "There are many reasons to enjoy a Sunday."}
{"id": "gen-6", "text": "Overall, cardamom is a versatile spice."}
"""


def session() -> str:
    """The session, run in an empty folder, as a terminal shows it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mine.jsonl").write_text(MINE, encoding="utf-8")
        Path(folder, "generated.jsonl").write_text(GENERATED, encoding="utf-8")
        return "\n".join(_typed(command, folder) for command in SESSION)


def _typed(command: str, folder: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PROV_DB"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(  # noqa: S602
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return f"$ {command}\n" + "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def helps() -> str:
    """The help of every command, under its name."""
    return "\n".join(f"### `prov {name}`\n\n```text\n{_help(name)}\n```\n" for name in COMMANDS)


def _help(name: str) -> str:
    context = click.Context(cli, info_name="prov", terminal_width=100)
    for word in name.split():
        assert isinstance(context.command, click.Group)
        command = context.command.get_command(context, word)
        assert command is not None
        context = click.Context(command, info_name=word, parent=context, terminal_width=100)
    return context.get_help()
