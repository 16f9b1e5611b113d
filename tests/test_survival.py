"""Whatever ends a command early — a kill, Ctrl-C, a full disk, another process — nothing that was kept is lost."""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from registry import Registry
from registry.verify import verify


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("torture", Path(__file__).parent.parent / "scripts" / "torture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["torture"] = module
    spec.loader.exec_module(module)
    return module


torture = _load()
PROV = [sys.executable, "-m", "provenance"]


def prepared(folder: Path, rows: int) -> Path:
    torture.prepare(folder, rows)
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small registry, another one to merge, and rows to take in; copy it."""
    return prepared(tmp_path_factory.mktemp("few"), 150)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like `few`, so large that every act takes a second or more."""
    return prepared(tmp_path_factory.mktemp("many"), 10_000)


@pytest.fixture
def small(few: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(few, tmp_path / "small"))


@pytest.fixture
def large(many: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(many, tmp_path / "large"))


def holds(registry: Path) -> bool:
    with Registry.open(registry, read_only=True) as held:
        return not verify(held).findings


# -- killed


def test_an_ingest_killed_as_it_commits_is_whole_or_not_there(few: Path) -> None:
    killed = torture.torture(torture.OPS[0], few, kills=1, seed=0, commits=1)
    assert killed.wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("op", torture.OPS, ids=lambda op: op.name)
def test_an_act_killed_at_any_moment_is_whole_or_not_there(many: Path, op: object) -> None:
    killed = torture.torture(op, many, kills=2, seed=1, commits=2)
    assert killed.wrong == []


# -- interrupted

WRITES = {
    **{op.name: op.command for op in torture.OPS},
    "redeclare": ("ingest", "books.jsonl", "--source", "books", "--origin", "mixed", "--redeclare"),
    "annotate": ("annotate", "quality.jsonl", "--on", "id", "--source", "books"),
    "tokenize": ("tokenize", "letters.json"),
    "hold-out": ("hold-out", "--frac", "0.5", "--name", "test"),
    "snapshot": ("snapshot", "copy.prov"),
}


COMMITS_FIRST = {"erase": "erase", "tokenize": "tokenize", "snapshot": "hand out"}
"""What these commit before they go on: to rewrite the file, to count, to write elsewhere."""


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES)
def test_ctrl_c_leaves_the_registry_as_it_was(large: Path, name: str) -> None:
    rows = ({"id": f"books{n}", "quality": n / 7} for n in range(10_000))
    (large / "quality.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _letters(large / "letters.json")
    before, files = torture.state(large / "corpus.prov"), {path.name for path in large.iterdir()}
    command = [*PROV, "--registry", "corpus.prov", *WRITES[name]]
    trial, untouched = (Path(shutil.copytree(large, large.with_name(name))) for name in ("trial", "untouched"))
    begun = time.monotonic()
    subprocess.run(command, cwd=trial, check=True, capture_output=True)
    whole = time.monotonic() - begun
    for share in (0.6, 0.5, 0.4, 0.3):  # where it was quicker this time, earlier
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=large, text=True, preexec_fn=_heed_ctrl_c, **pipes)  # type: ignore[call-overload]
        time.sleep(whole * share)
        process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=60)
        if process.returncode not in (0, -signal.SIGINT):  # the latter on its way out, when all was done
            break
        shutil.rmtree(large)
        shutil.copytree(untouched, large)
    assert process.returncode == 130, talk
    assert talk.splitlines()[-1].startswith("prov: interrupted")
    assert "Traceback" not in talk
    after = torture.state(large / "corpus.prov")
    if after["acts"] != [*before["acts"], *after["acts"][-1:]] or after["acts"][-1][0] != COMMITS_FIRST.get(name):
        assert after == before
    Registry.open(large / "corpus.prov").close()  # as whoever comes next; ends an erasure that was begun
    assert {path.name for path in large.iterdir()} == files
    assert holds(large / "corpus.prov")


def _heed_ctrl_c() -> None:
    """Undo what a shell does for what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _letters(path: Path) -> None:
    import tokenizers
    from tokenizers import models, pre_tokenizers

    made = tokenizers.Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.save(str(path))


# -- in use


@pytest.mark.parametrize("arguments", [["stats"], ["ingest", "rows.jsonl"]], ids=" ".join)
def test_a_second_process_is_told_who_holds_the_registry(small: Path, arguments: list[str]) -> None:
    program = "from registry import Registry; held = Registry.open('corpus.prov'); print('open', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=small, **pipes) as other:  # type: ignore[call-overload]
        other.stdout.readline()
        done = subprocess.run([*PROV, *arguments], cwd=small, capture_output=True, text=True, check=False)
        other.communicate(b"\n")
    assert done.returncode == 1
    assert done.stderr.startswith(f"prov: corpus.prov is in use by process {other.pid} (")
    assert len(done.stderr.splitlines()) == 1


# -- a full disk

NEEDS_ROOM = {
    "ingest": ["ingest", "rows.jsonl", "--source", "new"],
    "mix": ["mix", "--real-frac", "0.5", "-o", "mix.jsonl"],
    "snapshot": ["snapshot", "copy.prov"],
    "snapshot as Parquet": ["snapshot", "copies/"],
    "merge": ["merge", "other.prov"],
}


LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


def tell_in_one_line(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("prov: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr


NOTED = {"mix": "mix", "snapshot": "hand out", "snapshot as Parquet": "hand out"}
"""Acts that may stand in the registry though the file that they are about could not be written."""


def assert_nothing_is_lost(before: dict[str, Any], after: dict[str, Any], name: str) -> None:
    assert (after["documents"], after["texts"]) == (before["documents"], before["texts"])
    more = [kind for kind, *_ in after["acts"][len(before["acts"]) :]]
    assert after["acts"][: len(before["acts"])] == before["acts"]
    assert more in ([], [NOTED.get(name)])


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_ROOM)
def test_a_limit_on_the_size_of_files_is_told_in_one_line_and_nothing_is_lost(large: Path, name: str) -> None:
    """What a quota does: writing on ends in an error, here EFBIG instead of ENOSPC."""
    before, files = torture.state(large / "corpus.prov"), {path.name for path in large.iterdir()}
    room = (large / "corpus.prov").stat().st_size // 2 if name in ("ingest", "merge") else 1_000_000
    command = [*PROV, "--registry", "corpus.prov", *NEEDS_ROOM[name]]
    limited = [sys.executable, "-c", LIMITED, str(room), *command]
    done = subprocess.run(limited, cwd=large, capture_output=True, text=True, check=False)
    tell_in_one_line(done)
    with Registry.open(large / "corpus.prov"):
        pass
    assert_nothing_is_lost(before, torture.state(large / "corpus.prov"), name)
    assert {path.name for path in large.iterdir()} == files
    assert holds(large / "corpus.prov")


def _can_mount() -> bool:
    tried = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(tried, capture_output=True, check=False).returncode
    )


ON_A_SMALL_DISK = """
size=$1; room=$2; shift 2
mkdir -p disk && mount -t tmpfs -o size="$size" tmpfs disk && cp -a start/. disk/ || exit 99
head -c $(( $(df --output=avail -k disk | tail -1) * 1024 - room )) /dev/zero > disk/ballast
(cd disk && "$@"); code=$?
rm disk/ballast; cp -a disk/. end/
exit $code
"""


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 100_000, 1_000_000])
@pytest.mark.parametrize("name", NEEDS_ROOM)
def test_a_full_disk_is_told_in_one_line_and_nothing_is_lost(many: Path, tmp_path: Path, name: str, room: int) -> None:
    if not _can_mount():
        pytest.skip("this machine lets nobody but root mount a small disk")
    shutil.copytree(many, tmp_path / "start")
    (tmp_path / "end").mkdir()
    before, files = torture.state(many / "corpus.prov"), {path.name for path in many.iterdir()}
    size = str(sum(path.stat().st_size for path in many.iterdir()) + 8_000_000)
    command = [*PROV, "--registry", "corpus.prov", *NEEDS_ROOM[name]]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", size, str(room), *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    tell_in_one_line(done)
    with Registry.open(tmp_path / "end" / "corpus.prov"):
        pass
    assert_nothing_is_lost(before, torture.state(tmp_path / "end" / "corpus.prov"), name)
    assert {path.name for path in (tmp_path / "end").iterdir()} == files
    assert holds(tmp_path / "end" / "corpus.prov")
