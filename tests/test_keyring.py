"""Keys are kept for their owner alone, survive what happens while they are written, and show their secret to nobody."""

import copy
import hashlib
import json
import logging
import os
import pickle
import re
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from running import Done, Prov, entry_point
from tokenizers import models, pre_tokenizers

from provenance.errors import Ambiguous, ProvError
from provenance.keyring import Key, Keyring, Secret, UnknownKey, default_path, read_secret, read_tokenizer
from registry.tokens import load

NUMBER = 8_146_315_902_733_481_677
"""No other number that is ever printed looks like it."""
SPELLED = (str(NUMBER), f"{NUMBER:x}", f"{NUMBER:X}", f"{NUMBER:_}", f"{NUMBER:,}")
DIGEST = "ab" * 32
NOBODY = {"HOME": "/nonexistent"}
ID = re.compile("k[0-9a-f]{12}")


def key(name: str | None = None, **fields: Any) -> Key:
    made = Key.fresh("kgw", {"gamma": 0.25}, DIGEST, Secret([NUMBER]), "2026-11-21T12:00:00+00:00", name)
    return made.model_copy(update=fields)


def in_full(held: Key) -> dict[str, Any]:
    """A key as the file and the environment hold it."""
    return held.public() | {"secret": held.secret.reveal()}


def opened(path: Path, **variables: str) -> Keyring:
    return Keyring.open(path, environment=NOBODY | variables)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prov" / "keyring.json"


@pytest.fixture
def keyring(path: Path) -> Keyring:
    return opened(path)


def private(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def tokenizer_file(path: Path, letters: str = "abc") -> Path:
    made = tokenizers.Tokenizer(models.WordLevel({letter: n for n, letter in enumerate(letters)}, unk_token=letters[0]))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.enable_truncation(2)
    made.save(str(path))
    return path


def tells(text: str) -> bool:
    return any(spelled in text for spelled in SPELLED)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and all that Python keeps of why it came."""
    while error is not None:
        yield error
        assert error.__cause__ in (None, error.__context__)
        error = error.__context__


# -- secrets


def test_a_secret_is_in_nothing_that_shows_a_key(caplog: pytest.LogCaptureFixture) -> None:
    held = key("main")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("prov").info("%s %r %s", held, held, held.secret)
    shown = [
        repr(held),
        str(held),
        f"{held.secret} {held.secret!r}",
        str(dict(held)),
        str(vars(held)),
        str(held.model_dump()),
        str(held.model_dump(include={"secret"})),
        held.model_dump_json(),
        json.dumps(held.public()),
        repr(copy.deepcopy(held)),
        repr(held.model_copy(deep=True)),
        caplog.text,
        "".join(traceback.TracebackException(ValueError, ValueError(held), None).format()),
    ]
    assert not [text for text in shown if tells(text)]
    assert "Secret(…)" in repr(held)
    assert "secret" not in held.model_dump()
    assert TypeAdapter(Secret).dump_json(held.secret) == '"Secret(…)"'.encode()


def test_a_secret_is_neither_pickled_nor_put_into_json() -> None:
    for write in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError):
            write(key().secret)
        with pytest.raises(TypeError):
            write(key())


def test_a_secret_is_what_it_was_made_of_and_equals_the_same() -> None:
    assert Secret([1, 2]).reveal() == (1, 2)
    assert Secret([1, 2]) == Secret((1, 2)) != Secret([2, 1])
    assert copy.deepcopy(key().secret).reveal() == (NUMBER,)


JUNK = st.recursive(
    st.sampled_from([NUMBER, -NUMBER, str(NUMBER), float("nan"), 10**400, None, True, 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([str(NUMBER), "id"]), inner, max_size=2)
    ),
)


@given(st.sampled_from([*Key.model_fields, str(NUMBER), "tokenizer_file", ""]), JUNK, st.integers(0, 60))
def test_a_variable_that_holds_no_key_is_told_by_its_name_in_one_line_and_never_by_its_value(
    field: str, junk: Any, cut: int
) -> None:
    text = json.dumps(in_full(key()) | {field: junk} if field else junk)
    for value in (text, text[:-cut] if cut else ""):
        refused = None
        try:
            opened(Path("/nonexistent/keyring.json"), PROV_KEY_CI=value)
        except ProvError as error:
            refused = error
        if refused:
            assert str(refused).startswith("PROV_KEY_CI")
            assert "\n" not in str(refused)
            assert not [one for one in chain(refused) if tells(str(one) + repr(one.args) + repr(vars(one)))]
            assert not tells("".join(traceback.format_exception(refused)))


@pytest.mark.parametrize("fields", [{"secret": str(NUMBER)}, {"secret": [str(NUMBER)]}, {"id": NUMBER}, {"x": NUMBER}])
def test_a_key_made_of_something_else_does_not_tell_it(fields: dict[str, Any]) -> None:
    with pytest.raises(ProvError, match="not a key: ") as refused:
        Key(**(in_full(key()) | fields))
    assert not [one for one in chain(refused.value) if tells(repr(one) + repr(vars(one)))]


@pytest.mark.parametrize("text", ["17 4 2023", "17,4,2023\n", "[17, 4, 2023]", " 17\n4\t2023 "])
def test_a_secret_is_read_with_commas_or_spaces_between_or_as_json(text: str) -> None:
    assert read_secret(text, "file") == Secret([17, 4, 2023])


@pytest.mark.parametrize("text", ["", "[]", f"{NUMBER}.5", f"-{NUMBER}", f"x{NUMBER}", f'["{NUMBER}"]', f"{NUMBER}٣"])
def test_what_is_no_secret_is_refused_untold(text: str) -> None:
    with pytest.raises(ProvError, match=r"^file.*wanted") as refused:
        read_secret(text, "file")
    assert not [one for one in chain(refused.value) if tells(repr(one))]


# -- ids and names


def test_an_id_is_random_and_says_nothing_of_the_secret() -> None:
    ids = {key().id for _ in range(100)}
    assert len(ids) == 100
    assert all(ID.fullmatch(id) for id in ids)


@pytest.mark.parametrize("name", ["", "a b", "-a", "ä", "a/b", "x" * 65, "k0123456789ab", "a\n"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(ProvError, match="its name: wanted up to 64 of"):
        key().fresh("kgw", {}, DIGEST, Secret([1]), "now", name)


def test_a_key_is_found_by_id_name_or_how_one_of_them_begins(keyring: Keyring) -> None:
    first, second = key("first", id="k111111111111"), key("second", id="k122222222222")
    keyring.add(first)
    keyring.add(second)
    for wanted in ("k111111111111", "first", "k11", "fi"):
        assert keyring.find(wanted) == first
    with pytest.raises(Ambiguous, match=r"it fits k111111111111 .first., k122222222222 .second.: name one"):
        keyring.find("k1")


def test_a_whole_name_comes_before_the_beginning_of_another(keyring: Keyring) -> None:
    keyring.add(key("main-2"))
    keyring.add(key("main"))
    assert keyring.find("main").name == "main"


@pytest.mark.parametrize("wanted", ["", "other", "111", "k1111111111111", "\n"])
def test_an_unknown_key_lists_those_that_are_known(keyring: Keyring, wanted: str) -> None:
    with pytest.raises(UnknownKey, match="holds none, `prov keys add` makes one"):
        keyring.find(wanted)
    keyring.add(key("main", id="k111111111111"))
    for ask in (keyring.find, keyring.remove):
        with pytest.raises(UnknownKey, match=r"there is k111111111111 \(main\)$"):
            ask(wanted)


def test_a_name_or_an_id_that_is_taken_is_refused(keyring: Keyring, path: Path) -> None:
    held = key("main")
    keyring.add(held)
    before = path.read_bytes()
    for twice in (key("main"), key("other", id=held.id)):
        with pytest.raises(ProvError, match="two keys are called"):
            keyring.add(twice)
    assert path.read_bytes() == before
    assert keyring.keys() == [held]


# -- the file


def test_what_is_added_is_there_when_the_keyring_is_opened_anew_and_gone_when_removed(path: Path) -> None:
    one, two = key("one"), key()
    opened(path).add(one)
    opened(path).add(two)
    assert opened(path).keys() == [one, two]
    assert [held.secret.reveal() for held in opened(path).keys()] == [(NUMBER,)] * 2  # noqa: SIM118  # no mapping
    opened(path).remove(one.id)
    assert opened(path).keys() == [two]
    assert not tells(str(sorted(path.parent.rglob("*"))))


def test_a_missing_file_is_an_empty_keyring_and_asking_it_makes_nothing(path: Path, tmp_path: Path) -> None:
    assert opened(path).keys() == []
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_for_its_owner_alone_and_so_are_the_folders_made_for_it(path: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "keyring.json"
    before = os.umask(0)
    try:
        opened(deep).add(key())
    finally:
        os.umask(before)
    modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in tmp_path.rglob("*")}
    assert modes == {"a": 0o700, "b": 0o700, "keyring.json": 0o600, ".keyring.json.lock": 0o600}


def test_not_for_a_moment_can_others_read_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    seen: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for name in os.listdir(tmp_path):
                try:
                    seen.add(stat.S_IMODE(os.stat(tmp_path / name).st_mode))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=watch)
    before = os.umask(0)
    try:
        watcher.start()
        for _ in range(60):
            opened(path).add(key())
    finally:
        done.set()
        watcher.join()
        os.umask(before)
    assert seen == {0o600}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_file_that_others_may_touch_is_refused_with_what_to_do(path: Path, mode: int) -> None:
    opened(path).add(key())
    held = opened(path)
    path.chmod(mode)
    for act in (lambda: opened(path), lambda: held.add(key())):
        with pytest.raises(ProvError, match=f"it holds secrets: chmod 600 {path}$"):
            act()
    path.chmod(0o600)
    assert len(opened(path).keys()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    opened(path).add(key())
    os.chown(path, 65534, -1)
    with pytest.raises(ProvError, match="belongs to another user"):
        opened(path)


FULL = json.dumps({"version": 1, "keys": [in_full(key("main"))]})
BROKEN = {
    "empty": "",
    "cut": FULL[:-10],
    "list": "[]",
    "other": '{"a": 1}',
    "newer": FULL.replace('"version": 1', '"version": 2'),
    "no list": '{"version": 1, "keys": {}}',
    "no key": f'{{"version": 1, "keys": [{NUMBER}]}}',
    "more": FULL.replace('"version"', f'"x": {NUMBER}, "version"'),
    "field": FULL.replace('"name"', f'"{NUMBER}": 1, "name"'),
    "less": FULL.replace('"name"', '"id"'),
    "NaN": FULL.replace("0.25", "NaN"),
    "words": FULL.replace(f"[{NUMBER}]", f'["{NUMBER}"]'),
    "none": FULL.replace(f"[{NUMBER}]", "[]"),
    "deep": "[" * 100_000,
    "bytes": b"\xff" + FULL.encode(),
    "zeros": b"\x00" * 1000,
    "huge number": FULL.replace(str(NUMBER), str(NUMBER) * 500),
    "huge": b" " * ((1 << 24) + 1),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_untold_and_never_written_over(path: Path, text: str | bytes) -> None:
    private(path, text)
    held = Keyring(path, [], {})
    before = path.read_bytes()
    for act in (lambda: opened(path), lambda: held.add(key()), lambda: held.remove("k1")):
        with pytest.raises(ProvError, match=re.escape(str(path))) as refused:
            act()
        assert "\n" not in str(refused.value)
        assert not [one for one in chain(refused.value) if tells(repr(one) + repr(vars(one)))]
        assert path.read_bytes() == before


def test_two_keys_of_one_id_in_a_file_are_refused(path: Path) -> None:
    held = in_full(key())
    private(path, json.dumps({"version": 1, "keys": [held, held]}))
    with pytest.raises(ProvError, match="two keys are called k"):
        opened(path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for odd in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ProvError, match=f"{odd} is no file"):
            opened(odd)


def test_a_link_to_a_keyring_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "dotfiles" / "keys.json")
    opened(tmp_path / "link.json").add(key())
    assert (tmp_path / "link.json").is_symlink()
    assert len(opened(tmp_path / "dotfiles" / "keys.json").keys()) == 1


def test_a_folder_that_may_not_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "keyring.json", Path("/proc/keyring.json"), Path("/proc/none/keyring.json")):
        with pytest.raises(
            ProvError, match=r"cannot (read|write|make the folder) .*PROV_KEYRING names another"
        ) as told:
            opened(path).add(key())
        assert "\n" not in str(told.value)


def run(program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


ADDER = """
import sys
from pathlib import Path
from provenance.keyring import Key, Keyring, Secret

path = Path(sys.argv[1])
def add(name):
    key = Key.fresh("kgw", {}, "ab" * 32, Secret([1]), "now", name)
    Keyring.open(path, environment={}).add(key)
"""


def test_a_full_disk_is_told_and_leaves_the_keys_as_they_were(path: Path) -> None:
    opened(path).add(key("main"))
    program = (
        ADDER + "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    add('second')\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    done = run(program, path)
    assert done.stdout.startswith(f"ProvError cannot write {path}: File too large; no key was changed")
    assert [held.name for held in opened(path).keys()] == ["main"]  # noqa: SIM118
    assert not list(path.parent.glob("*.unfinished"))


KILLED = (
    ADDER
    + """
import os, signal

def killed_at(step):
    child = os.fork()
    if child == 0:
        left = step
        def count(event, arguments):
            nonlocal left
            if event in ("open", "os.mkdir", "os.remove", "os.rename", "fcntl.flock"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        add(f"step{step}")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

add("first")
step = 0
while killed_at(step):
    held = Keyring.open(path, environment={}).keys()
    print(len(held), oct(path.stat().st_mode & 0o777))
    step += 1
print(*(key.name for key in Keyring.open(path, environment={}).keys()))
"""
)


def test_killed_at_any_step_of_writing_the_keys_are_as_before_or_after(path: Path) -> None:
    """A real process dies at each file that it is about to open, rename or remove."""
    *steps, names = run(KILLED, path).stdout.splitlines()
    assert len(steps) >= 6
    assert {step.split()[1] for step in steps} == {"0o600"}
    counts = [int(step.split()[0]) for step in steps]
    assert counts == sorted(counts)
    assert names.split()[0] == "first"
    assert names.split()[-1] == f"step{len(steps)}"
    assert [held.name for held in opened(path).keys()] == names.split()  # noqa: SIM118
    assert {found.name for found in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


def test_two_processes_that_add_keys_at_once_lose_none(path: Path) -> None:
    program = ADDER + "for n in range(25):\n    add(f'{sys.argv[2]}{n}')"
    adders = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in ("a", "b")]
    assert [adder.wait(60) for adder in adders] == [0, 0]
    names = [held.name for held in opened(path).keys()]  # noqa: SIM118
    assert len(names) == 50
    assert set(names) == {f"{name}{n}" for name in "ab" for n in range(25)}


# -- where it is, and the environment


def test_the_file_is_named_by_the_environment_or_is_in_the_configuration_of_the_user() -> None:
    home = {"HOME": "/home/me"}
    assert default_path(home) == Path("/home/me/.config/prov/keyring.json")
    assert default_path(home | {"XDG_CONFIG_HOME": "/etc/me"}) == Path("/etc/me/prov/keyring.json")
    assert default_path(home | {"XDG_CONFIG_HOME": "relative"}) == default_path(home)
    assert default_path(home | {"XDG_CONFIG_HOME": "/etc/me", "PROV_KEYRING": "here.json"}) == Path("here.json")
    assert default_path(home | {"PROV_KEYRING": ""}) == default_path(home)


def test_keys_of_the_environment_follow_those_of_the_file_and_are_never_written(path: Path) -> None:
    filed, lent = key("filed"), key("lent")
    opened(path).add(filed)
    held = opened(path, PROV_KEY_CI=json.dumps(in_full(lent)), PROV_KEYRING="/nonexistent")
    assert held.keys() == [filed, lent]
    assert [held.variable(one) for one in (filed, lent)] == [None, "PROV_KEY_CI"]
    held.add(key("third"))
    assert [one.name for one in held.keys()] == ["filed", "third", "lent"]  # noqa: SIM118
    assert [one.name for one in opened(path).keys()] == ["filed", "third"]  # noqa: SIM118
    assert lent.id not in path.read_text()


def test_a_key_of_the_environment_without_a_name_is_called_as_its_variable(path: Path) -> None:
    lent = key()
    held = opened(path, PROV_KEY_CI=json.dumps(in_full(lent)))
    assert held.find("CI").id == lent.id


def test_a_key_of_the_environment_is_not_removed_but_told(path: Path) -> None:
    lent = key("lent")
    held = opened(path, PROV_KEY_CI=json.dumps(in_full(lent)))
    with pytest.raises(ProvError, match=r"comes from PROV_KEY_CI, not from .*: unset that variable"):
        held.remove(lent.id)


def test_the_same_key_in_the_file_and_the_environment_is_one_and_another_of_its_id_is_refused(path: Path) -> None:
    filed = key("main")
    opened(path).add(filed)
    held = opened(path, PROV_KEY_CI=json.dumps(in_full(filed) | {"name": None}))
    assert held.keys() == [filed]
    for other in ({"secret": [1]}, {"scheme": "synthid"}, {"tokenizer": "cd" * 32}):
        with pytest.raises(ProvError, match=f"^PROV_KEY_CI holds another key of the id {filed.id}"):
            opened(path, PROV_KEY_CI=json.dumps(in_full(filed) | other))


def test_a_name_that_the_environment_lends_is_taken(path: Path) -> None:
    held = opened(path, PROV_KEY_main=json.dumps(in_full(key())))
    with pytest.raises(ProvError, match="two keys are called main"):
        held.add(key("main"))
    assert not path.exists()


# -- tokenizers


def test_a_tokenizer_is_kept_beside_the_keyring_and_has_the_digest_that_a_registry_gives_it(
    path: Path, tmp_path: Path
) -> None:
    file = tokenizer_file(tmp_path / "tokenizer.json")
    content = read_tokenizer(file)
    digest = opened(path).keep_tokenizer(content)
    assert digest == hashlib.sha256(load(str(file)).to_str().encode()).hexdigest()
    file.unlink()
    assert opened(path).tokenizer(digest) == content
    assert opened(path).tokenizer(DIGEST) is None


def test_a_tokenizer_that_was_changed_is_refused_and_put_back_by_keeping_it_again(path: Path, tmp_path: Path) -> None:
    content = read_tokenizer(tokenizer_file(tmp_path / "tokenizer.json"))
    held = opened(path)
    digest = held.keep_tokenizer(content)
    (held.tokenizers / f"{digest}.json").write_text(content.replace("a", "x"))
    with pytest.raises(ProvError, match="is not the tokenizer that it was"):
        held.tokenizer(digest)
    held.keep_tokenizer(content)
    assert held.tokenizer(digest) == content


def test_a_variable_may_name_the_file_of_its_tokenizer(path: Path, tmp_path: Path) -> None:
    file = tokenizer_file(tmp_path / "tokenizer.json")
    content = read_tokenizer(file)
    digest = hashlib.sha256(content.encode()).hexdigest()
    value = json.dumps(in_full(key(tokenizer=digest)) | {"tokenizer_file": str(file)})
    assert opened(path, PROV_KEY_CI=value).tokenizer(digest) == content
    tokenizer_file(file, "xyz")
    with pytest.raises(ProvError, match=r"PROV_KEY_CI: .* is another tokenizer than the key's"):
        opened(path, PROV_KEY_CI=value).tokenizer(digest)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b"[1"])
def test_what_is_no_tokenizer_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProvError, match=r"(no tokenizer file|cannot load the tokenizer) .*tokenizer\.json"):
        read_tokenizer(file)


# -- commands


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """Run `prov` by its real entry point in a folder with a tokenizer, its keyring at ./keyring.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROV_KEYRING", "keyring.json")
    tokenizer_file(tmp_path / "tokenizer.json")
    prov = entry_point(monkeypatch, capfd)

    def run(*arguments: str, code: int = 0, **given: str) -> Done:
        done = prov(*arguments, code=code, **given)
        assert code != 1 or re.fullmatch(r"(.*\n)?prov: .*\n", done.stderr), done.stderr
        return done

    return run


ADD = ("keys", "add", "main", "--scheme", "kgw", "--tokenizer", "tokenizer.json")


def test_a_key_is_added_with_a_fresh_secret_of_its_scheme_and_all_its_parameters(prov: Prov) -> None:
    from provenance.watermark import find_scheme, names

    for scheme in names():
        needed = ["-p", "vocab_size=3"] if scheme == "kgw-transformers" else []
        added = json.loads(prov(*ADD[:2], scheme, "--scheme", scheme, *ADD[5:], *needed, "--json").stdout)
        held = Keyring.open(Path("keyring.json"), environment={}).find(scheme)
        chosen = find_scheme(scheme, held.parameters)
        chosen.check_secret(held.secret.reveal())
        assert chosen.model_dump(mode="json") == held.parameters
        assert added == held.public() | {"from": "keyring"}
        assert Keyring.open(Path("keyring.json"), environment={}).tokenizer(held.tokenizer) is not None


def test_two_keys_have_two_secrets(prov: Prov) -> None:
    prov(*ADD)
    prov(*ADD[:2], *ADD[3:])
    one, two = Keyring.open(Path("keyring.json"), environment={}).keys()
    assert one.secret != two.secret


def test_parameters_are_json_or_words(prov: Prov) -> None:
    added = json.loads(prov(*ADD, "-p", "gamma=0.5", "-p", "delta=3", "--json").stdout)
    assert (added["parameters"]["gamma"], added["parameters"]["delta"]) == (0.5, 3.0)
    assert "wanted NAME=VALUE" in prov(*ADD, "-p", "gamma", code=2).stderr
    assert "given twice" in prov(*ADD, "-p", "gamma=0.5", "-p", "gamma=0.4", code=2).stderr
    assert "its parameters are" in prov(*ADD, "-p", "gama=0.5", code=1).stderr
    prov(*ADD, "-p", "gamma=much", code=1)
    assert "there is kgw" in prov(*ADD[:4], "none", *ADD[5:], code=1).stderr


@pytest.mark.parametrize("text", [str(NUMBER), f"[{NUMBER}]", f"{NUMBER}\n"])
def test_a_secret_in_use_is_read_from_a_file_or_from_standard_input(prov: Prov, tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(text)
    prov(*ADD, "--secret-from", "secret")
    prov(*ADD[:2], "piped", *ADD[3:], "--secret-from", "-", stdin=text)
    held = Keyring.open(Path("keyring.json"), environment={}).keys()
    assert [one.secret.reveal() for one in held] == [(NUMBER,), (NUMBER,)]


def test_a_name_that_is_taken_and_what_is_missing_are_told_and_change_nothing(prov: Prov, tmp_path: Path) -> None:
    prov(*ADD)
    before = (tmp_path / "keyring.json").read_bytes()
    assert "two keys are called main" in prov(*ADD, code=1).stderr
    assert "no tokenizer file none.json" in prov(*ADD[:6], "none.json", code=1).stderr
    assert "cannot read the secret in none" in prov(*ADD, "--secret-from", "none", code=1).stderr
    assert "cannot read the secret in ." in prov(*ADD, "--secret-from", ".", code=1).stderr
    assert "its name: wanted" in prov(*ADD[:2], "a b", *ADD[3:], code=1).stderr
    assert (tmp_path / "keyring.json").read_bytes() == before


def test_keys_are_listed_with_where_they_come_from(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    done = prov("keys", "list")
    assert (done.stdout, "holds no keys: `prov keys add` makes one" in done.stderr) == ("", True)
    assert json.loads(prov("keys", "list", "--json").stdout) == []
    prov(*ADD)
    monkeypatch.setenv("PROV_KEY_CI", json.dumps(in_full(key())))
    listed = json.loads(prov("keys", "list", "--json").stdout)
    assert [(row["name"], row["from"]) for row in listed] == [("main", "keyring"), ("CI", "PROV_KEY_CI")]
    assert all("secret" not in row for row in listed)
    table = prov("keys", "list").stdout.splitlines()
    assert len(table) == 3
    assert table[2].split()[-1] == "PROV_KEY_CI"


def test_a_key_is_shown_by_its_name(prov: Prov) -> None:
    prov(*ADD)
    told = json.loads(prov("keys", "show", "main", "--json").stdout)
    assert (told["name"], told["scheme"], told["from"], told["tokenizer_held"]) == ("main", "kgw", "keyring", True)
    assert f"id:             {told['id']}\n" in prov("keys", "show", "ma").stdout
    assert f"there is {told['id']} (main)" in prov("keys", "show", "none", code=1).stderr


def test_a_key_is_removed_when_that_is_confirmed_only(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    prov(*ADD)
    for answer in ("", "n\n", "what\n"):
        done = prov("keys", "remove", "main", stdin=answer, code=1)
        assert "cannot be found any more without it" in done.stderr
        assert "was kept" in done.stderr
    prov("keys", "remove", "main", "--json", stdin="y\n")
    prov(*ADD)
    assert json.loads(prov("keys", "remove", "main", "--yes", "--json").stdout)["removed"]["name"] == "main"
    assert json.loads(prov("keys", "list", "--json").stdout) == []
    monkeypatch.setenv("PROV_KEY_CI", json.dumps(in_full(key())))
    assert "unset that variable" in prov("keys", "remove", "CI", code=1).stderr


def test_public_parts_are_exported_and_nothing_is_written_over(prov: Prov, tmp_path: Path) -> None:
    prov(*ADD)
    prov(*ADD[:2], "other", *ADD[3:])
    ids = [row["id"] for row in json.loads(prov("keys", "list", "--json").stdout)]
    (one,) = json.loads(prov("keys", "export-public", "main").stdout)["keys"]
    assert (one["id"], set(one)) == (ids[0], {"id", "scheme", "parameters", "tokenizer"})
    prov("keys", "export-public", "--all", "-o", "keys.json")
    assert [row["id"] for row in json.loads((tmp_path / "keys.json").read_text())["keys"]] == ids
    before = (tmp_path / "keyring.json").read_bytes()
    for file in ("keys.json", "keyring.json", "."):
        assert "exists already" in prov("keys", "export-public", "--all", "-o", file, code=1).stderr
    assert (tmp_path / "keyring.json").read_bytes() == before
    assert (
        "cannot write none/keys.json" in prov("keys", "export-public", "--all", "-o", "none/keys.json", code=1).stderr
    )
    for arguments in ([], ["main", "--all"]):
        assert "wanted one key, or --all" in prov("keys", "export-public", *arguments, code=2).stderr


def test_a_keyring_that_others_can_read_is_refused_by_every_command(prov: Prov, tmp_path: Path) -> None:
    prov(*ADD)
    (tmp_path / "keyring.json").chmod(0o644)
    for arguments in (
        ADD,
        ["keys", "list"],
        ["keys", "show", "x"],
        ["keys", "remove", "x"],
        ["keys", "export-public", "x"],
    ):
        assert f"chmod 600 {tmp_path / 'keyring.json'}" in prov(*arguments, code=1).stderr


def test_no_command_tells_a_secret_in_anything_that_it_prints_or_writes(
    prov: Prov, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that comes out, on both streams and in all files but the keyring, is searched for the secret."""
    told: list[str] = []

    def note(*arguments: str, stdin: str = "", code: int = 0) -> None:
        done = prov(*arguments, stdin=stdin, code=code)
        told.append(done.stdout + done.stderr)

    wrong = (
        f"{NUMBER} {NUMBER}",
        f"{NUMBER}{NUMBER}",
        f"-{NUMBER}",
        f"0x{NUMBER:x}",
        f"{NUMBER}.0",
        f'{{"a": {NUMBER}}}',
    )
    for text in wrong:
        note(*ADD, "--secret-from", "-", stdin=text, code=1)
    note(*ADD, "--secret-from", "-", stdin=str(NUMBER))
    note(*ADD[:2], "second", *ADD[3:], "--secret-from", "-", "--json", stdin=str(NUMBER))
    note(*ADD, "--secret-from", "-", stdin=str(NUMBER), code=1)
    for command in (["list"], ["show", "main"], ["export-public", "main"]):
        note("keys", *command)
        note("keys", *command, "--json")
    note("keys", "export-public", "--all", "-o", "keys.json")
    note("keys", "export-public", "--all", "-o", "other.json", "--json")
    note("keys", "show", "none", code=1)
    note("keys", "remove", "second", stdin="n\n", code=1)
    note("keys", "remove", "second", "--yes")
    whole = (tmp_path / "keyring.json").read_text()
    assert tells(whole)  # the search can fail
    for broken in (whole[:-5], whole.replace("[", "{"), whole.replace('"secret"', '"secrets"'), f"[{NUMBER}]"):
        private(tmp_path / "keyring.json", broken)
        for command in (["list"], ["show", "main"], ["remove", "main", "--yes"], ["export-public", "--all"]):
            note("keys", *command, code=1)
        note(*ADD, code=1)
    private(tmp_path / "keyring.json", whole)
    lent = in_full(key("lent"))
    for value in ("", json.dumps(lent)[:-3], json.dumps(lent | {"id": "x"}), str(NUMBER), json.dumps(lent)):
        monkeypatch.setenv("PROV_KEY_CI", value)
        for command in (["list"], ["list", "--json"], ["export-public", "--all"]):
            note("keys", *command, code=0 if value == json.dumps(lent) else 1)
    note("keys", "remove", "lent", "--yes", code=1)
    written = {file: file.read_bytes().decode() for file in tmp_path.rglob("*") if file.is_file()}
    assert tells(written.pop(tmp_path / "keyring.json"))
    assert len(written) >= 4
    assert not [text for text in [*told, *written.values(), *map(str, written)] if tells(text)]
