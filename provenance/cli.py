"""The root of `prov`: a table of the commands, each loaded only when it is run.

Adding a command: a line in `COMMANDS` and its function in the commands of the package that it drives.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

import provenance
from provenance.errors import ProvError


class Home(NamedTuple):
    """Where a command lives, and the line that `--help` shows without going there."""

    target: str  # module:function
    help: str


CORPUS, LEARNING, COPIES, MIXTURES, SAFETY, AUDIT, DUPLICATES, LOOKUP = (
    f"registry.commands.{name}"
    for name in ("corpus", "learning", "copies", "mixtures", "safety", "audit", "duplicates", "lookup")
)
TRIALS = "registry.commands.trials"
ATTRIBUTION = "registry.commands.attribution"
DETECTION = "registry.commands.detection"
EXPERIMENT = "trainer.commands.experiment"
KEYS = "provenance.commands"
COMMANDS = {
    "init": Home(f"{CORPUS}:init", "Make an empty registry."),
    "ingest": Home(f"{CORPUS}:ingest", "Take texts in, with their origin."),
    "record model": Home(f"{LEARNING}:record_model", "Record a model, and the mix that it learnt from."),
    "record run": Home(f"{LEARNING}:record_run", "Record an act of generating or editing with a model."),
    "declare": Home(f"{LEARNING}:declare", "Declare anew who wrote documents, and derive what follows."),
    "annotate": Home(f"{LEARNING}:annotate", "Join the columns of a sidecar to the documents it is about."),
    "merge": Home(f"{COPIES}:merge", "Take another registry into this one."),
    "snapshot": Home(f"{COPIES}:snapshot", "Publish a consistent copy, a registry or Parquet tables."),
    "tokenize": Home(f"{CORPUS}:tokenize", "Count the tokens of every text."),
    "show": Home(f"{CORPUS}:show", "Show all about a document, model, run, mix or source."),
    "ls": Home(f"{CORPUS}:ls", "List documents, sources, batches, models, runs or mixes."),
    "stats": Home(f"{CORPUS}:stats", "Count everything, and print the head of the chain."),
    "sql": Home(f"{CORPUS}:sql", "Ask the registry in SQL, reading only."),
    "mix": Home(f"{MIXTURES}:mix", "Draw a training mixture by provenance."),
    "export": Home(f"{MIXTURES}:export", "Write the texts of a mix, with where each came from."),
    "diff": Home(f"{MIXTURES}:diff", "Compare two mixes; exit 3 where they differ."),
    "hold-out": Home(f"{SAFETY}:hold_out", "Keep texts, and what descends from them, out of every later mix."),
    "withdraw": Home(f"{SAFETY}:withdraw", "Take back a document, a text, a source or a licence; erase texts."),
    "verify": Home(f"{SAFETY}:verify", "Check that everything is what it was; exit 3 with what is not."),
    "migrate": Home(f"{SAFETY}:migrate", "Bring an older registry to the schema of today, keeping a copy."),
    "audit composition": Home(f"{AUDIT}:composition", "Count by origin, generation, source, license, generator."),
    "audit lineage": Home(f"{AUDIT}:lineage", "Follow a document back to its human sources."),
    "audit descendants": Home(f"{AUDIT}:descendants", "List all that came of a document, a text, a model or a mix."),
    "audit exposure": Home(f"{AUDIT}:exposure", "Tell which mixes and models saw a text."),
    "audit impact": Home(f"{AUDIT}:impact", "Tell what must go or be trained anew if something is withdrawn."),
    "audit conflicts": Home(f"{AUDIT}:conflicts", "Find texts of different origins or licences."),
    "audit licenses": Home(f"{AUDIT}:licenses", "Judge the licences of a mix for a use."),
    "audit stale": Home(f"{LEARNING}:stale", "List mixes and models of which something was learnt late."),
    "audit contamination": Home(f"{SAFETY}:contamination", "Find held-out texts in mixes and models."),
    "fingerprint status": Home(f"{DUPLICATES}:fingerprint_status", "Tell how fingerprints are made, and of how many."),
    "fingerprint rebuild": Home(f"{DUPLICATES}:fingerprint_rebuild", "Make the fingerprints that are missing."),
    "dedup": Home(f"{DUPLICATES}:dedup", "Report near-duplicates, which survives, and why."),
    "lookup": Home(f"{LOOKUP}:lookup", "Tell what texts outside the registry are copies of."),
    "detect": Home(f"{DETECTION}:detect", "Look for the watermarks of the keys that are held."),
    "keys add": Home(f"{KEYS}:keys_add", "Make a key for a watermark, or take one in."),
    "keys list": Home(f"{KEYS}:keys_list", "List the keys that are held, without their secrets."),
    "keys show": Home(f"{KEYS}:keys_show", "Show what may be known of a key."),
    "keys remove": Home(f"{KEYS}:keys_remove", "Remove a key for good."),
    "keys export-public": Home(f"{KEYS}:keys_export_public", "Write what others may know of keys, as JSON."),
    "attribute": Home(f"{ATTRIBUTION}:attribute", "Infer who wrote documents of unknown origin, and why."),
    "blind": Home(f"{TRIALS}:blind", "Make a registry of texts alone, and seal the truth about them."),
    "score": Home(f"{TRIALS}:score", "Tell how well what was inferred agrees with the sealed truth."),
    "simulate": Home(f"{EXPERIMENT}:simulate", "Run generations of models that learn from one another."),
    "train": Home("trainer.commands.train:train", "Train a language model on a mix, and record it."),
    "generate": Home("trainer.commands.generate:generate", "Let a model write texts, with their lineage."),
    "report": Home(f"{EXPERIMENT}:report", "Report what an experiment measured, as a page of HTML."),
}
GROUPS = {
    "record": "Record training and generation that was done anywhere.",
    "fingerprint": "Keep the fingerprints by which near-duplicates are found.",
    "keys": "Keep the keys by which models mark their texts, outside of every registry.",
    "audit": "Ask what is in here, where from, and what it went into.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, not when they are listed."""

    def __init__(self, *args: Any, prefix: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prefix = prefix

    def list_commands(self, context: click.Context) -> list[str]:
        """The names below this group, in the order of the table."""
        below = (name.removeprefix(self.prefix) for name in COMMANDS if name.startswith(self.prefix))
        return list(dict.fromkeys(name.split()[0] for name in below))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        path = self.prefix + name
        if not self.prefix and name in GROUPS:
            return LazyGroup(name, prefix=f"{name} ", help=GROUPS[name], no_args_is_help=True)
        if path not in COMMANDS:
            return None
        module, _, function = COMMANDS[path].target.partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.list_commands(context) and not name.startswith("-"):
            context.fail(f"no command {self.prefix}{name}: there is {', '.join(self.list_commands(context))}")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._help(name)) for name in self.list_commands(context)])

    def _help(self, name: str) -> str:
        return COMMANDS[self.prefix + name].help if self.prefix + name in COMMANDS else GROUPS[name]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--registry", metavar="FILE", help="The registry to use.  [default: $PROV_DB, else ./corpus.prov]")
@click.version_option(provenance.__version__, prog_name="prov", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, registry: str | None) -> None:
    """Know where every text came from, and train on the right mixture of it."""
    context.obj = registry


def main() -> None:
    """Run `prov`: exit 0 done, 1 an error in one line, 2 usage, 3 a finding, 130 interrupted."""
    try:
        _check_readable(sys.argv[1:])
        sys.exit(cli(standalone_mode=False))
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message())
    except (ProvError, MemoryError) as error:
        _fail(str(error) or "out of memory")
    except (click.Abort, KeyboardInterrupt):
        print("prov: interrupted, nothing half done was kept", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}")


def _check_readable(arguments: Sequence[str]) -> None:
    """Refuse arguments that are not UTF-8, which no registry can hold and no line can tell."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise ProvError(f"the argument {argument!r} is not UTF-8: write it so, or rename the file") from None


def _fail(message: str) -> None:
    print(f"prov: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)
