"""How tests run `prov`: by its real entry point, without the start of a process."""

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from provenance.cli import main


class Done(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Prov = Callable[..., Done]


def entry_point(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """What runs `prov` with arguments and a standard input, and holds it to an exit code; None takes any."""

    def run(*arguments: str, stdin: str = "", code: int | None = 0) -> Done:
        monkeypatch.setattr(sys, "argv", ["prov", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        done = Done(int(ended.value.code or 0), *capfd.readouterr())
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    return run
