"""Commands about keys of watermarks; they show what may be known of a key, never its secret."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.console import as_json as in_json
from provenance.console import json_option, plain, say, show_json, show_table
from provenance.errors import ProvError

if TYPE_CHECKING:
    from provenance.keyring import Key, Keyring, Secret

EXPORTED = ("id", "scheme", "parameters", "tokenizer")
"""What others need to know of a key: what a registry holds of it."""


@click.command()
@click.argument("name", required=False)
@click.option("--scheme", required=True, metavar="NAME", help="How it marks: synthid, kgw or kgw-transformers.")
@click.option("--tokenizer", required=True, metavar="FILE", help="The tokenizer.json of the model that marks with it.")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter of the scheme.")
@click.option("--secret-from", metavar="FILE", help="Read the secret from this file, - for standard input.")
@json_option
def keys_add(
    name: str | None, scheme: str, tokenizer: str, pairs: tuple[str, ...], secret_from: str | None, as_json: bool
) -> None:
    """Make a key with a fresh random secret, or take one that is in use, and keep it in the keyring.

    The keyring is a file that you alone can read: $PROV_KEYRING, else ~/.config/prov/keyring.json. The secret is never
    shown; whoever loses the file cannot find what was marked. A secret that is in use is read as whole numbers with
    spaces or commas between, or as a JSON list, from a file: on the command line others could see it.

    Example:  prov keys add main --scheme synthid --tokenizer tokenizer.json
    """
    from provenance.keyring import Key, Secret, read_tokenizer, tokenizer_digest
    from provenance.watermark import find_scheme

    chosen = find_scheme(scheme, _parameters(pairs))
    secret = Secret(chosen.draw_secret()) if secret_from is None else _read_secret(secret_from)
    chosen.check_secret(secret.reveal())
    content = read_tokenizer(Path(tokenizer))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    key = Key.fresh(scheme, chosen.model_dump(mode="json"), tokenizer_digest(content), secret, made, name)
    keyring = _keyring()
    keyring.keep_tokenizer(content)  # first, so that no key is ever without
    keyring.add(key)
    if as_json:
        show_json(_told(keyring, key))
    else:
        click.echo(f"key {key}: {key.scheme}, tokenizer {key.tokenizer[:12]}")
        say(f"its secret stands in {keyring.path} alone: without a copy of that, what is marked cannot be found again")


@click.command()
@json_option
def keys_list(as_json: bool) -> None:
    """List the keys that are held, in the keyring and in variables PROV_KEY_<NAME> of the environment.

    Example:  prov keys list --json
    """
    keyring = _keyring()
    keys = keyring.keys()
    held = [_told(keyring, key) for key in keys]
    if as_json:
        show_json(held)
    elif held:
        show_table(
            [row | {"parameters": in_json(row["parameters"]), "tokenizer": row["tokenizer"][:12]} for row in held]
        )
    else:
        say(f"{keyring.path} holds no keys: `prov keys add` makes one")


@click.command()
@click.argument("key")
@json_option
def keys_show(key: str, as_json: bool) -> None:
    """Show what may be known of a key, by its id, its name or how one of them begins.

    Example:  prov keys show main
    """
    keyring = _keyring()
    found = keyring.find(key)
    told = _told(keyring, found) | {"tokenizer_held": keyring.tokenizer(found.tokenizer) is not None}
    if as_json:
        show_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name.replace('_', ' ') + ':':16}{in_json(value) if isinstance(value, dict) else plain(value)}")


@click.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def keys_remove(key: str, yes: bool, as_json: bool) -> None:
    """Remove a key from the keyring, for good: texts that were marked with it cannot be found any more.

    Example:  prov keys remove k3f2a9c --yes
    """
    keyring = _keyring()
    found = keyring.find(key)
    if keyring.variable(found) is None and not yes:
        say(f"texts marked with key {found} cannot be found any more without it: remove it? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise ProvError(f"key {found} was kept: answer y, or give --yes, to remove it")
    keyring.remove(found.id)
    if as_json:
        show_json({"removed": found.public()})
    else:
        click.echo(f"key {found} removed")
    say("texts marked with it cannot be found any more")


@click.command()
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="All keys.")
@click.option(
    "-o", "--output", metavar="FILE", help="Write this file, which must not exist.  [default: standard output]"
)
@json_option
def keys_export_public(key: str | None, everything: bool, output: str | None, as_json: bool) -> None:
    """Write what others may know of keys, as JSON: id, scheme, parameters and the digest of the tokenizer.

    Example:  prov keys export-public --all -o keys.json
    """
    if (key is None) != everything:
        raise click.UsageError("wanted one key, or --all of them")
    keyring = _keyring()
    found = keyring.keys() if key is None else [keyring.find(key)]
    told = {"keys": [{name: one.public()[name] for name in EXPORTED} for one in found]}
    if output in (None, "-"):
        show_json(told)
        return
    _write_new(Path(str(output)), in_json(told, indent=2) + "\n")
    if as_json:
        show_json({"output": output, "keys": len(found)})
    else:
        click.echo(f"{output}: the public parts of {len(found):,} keys")


def _keyring() -> "Keyring":
    from provenance.keyring import Keyring

    return Keyring.open(environment=os.environ)


def _told(keyring: "Keyring", key: "Key") -> dict[str, Any]:
    return key.public() | {"from": keyring.variable(key) or "keyring"}


def _parameters(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` as a mapping; a value is JSON where it can be read as that, else a string."""
    parameters: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"-p {pair}: wanted NAME=VALUE")
        if name in parameters:
            raise click.UsageError(f"-p {name} is given twice")
        try:
            parameters[name] = json.loads(value)
        except (ValueError, RecursionError):
            parameters[name] = value
    return parameters


def _read_secret(source: str) -> "Secret":
    from provenance.keyring import read_secret

    what = "standard input" if source == "-" else source
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise ProvError(f"cannot read the secret in {what}: {error.strerror}; name a file of whole numbers") from error
    return read_secret(content.decode(errors="replace"), what)


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, wholly or not at all."""
    try:
        with open(path, "x", encoding="utf-8") as stream:
            try:
                stream.write(text)
                stream.flush()
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise ProvError(f"{path} exists already: name a new file") from None
    except OSError as error:
        raise ProvError(f"cannot write {path}: {error.strerror}; name another file") from error
