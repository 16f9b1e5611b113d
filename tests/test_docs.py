"""What the documents show is what the commands do today."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_session_and_the_help_texts_in_the_readme_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", "--diff", "README.md"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_example_in_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text(json.dumps({"text": "A human wrote this."}) + "\n")
    exec(compile(found[1], "README.md", "exec"), {})  # noqa: S102
    assert "my-blog" in capsys.readouterr().out


def test_the_changelog_tells_of_this_version() -> None:
    import provenance

    assert f"## {provenance.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_guide_for_newcomers_stays_short_and_names_what_is_there() -> None:
    guide = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert len(guide.splitlines()) <= 80
    for path in re.findall(r"`((?:scripts|registry|provenance|trainer|tests|docs)/[\w./-]+)`", guide):
        assert (ROOT / path).exists(), path


@pytest.mark.slow
def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "scripts" / "demo"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "human texts known behind it" in done.stdout
    assert re.search(r"trained on mix [0-9a-f]{12}: [3-6][0-9]{2} documents", done.stdout)
    page = (ROOT / "demo" / "report.html").read_text(encoding="utf-8")
    assert "curation=watermark" in page
    assert "cross_entropy" in page
