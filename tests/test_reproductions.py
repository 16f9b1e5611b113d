"""What the reproductions stand on: articles are cut without losing a word, and what is done is not done again."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import ProvError

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts" / "reproductions"))

tasks: Any = import_module("tasks")
wikitext: Any = import_module("wikitext")

WORDS = st.lists(st.sampled_from(["one", "two", "three", ".", "?", "of"]), min_size=1, max_size=60)


@given(WORDS, st.integers(1, 20))
def test_passages_are_the_paragraph_in_pieces_none_of_which_is_too_long(words: list[str], most: int) -> None:
    pieces = list(wikitext.passages(" ".join(words), most))
    assert " ".join(pieces).split(" ") == words
    assert all(0 < len(piece.split(" ")) <= most for piece in pieces)


def write_articles(path: Path, count: int) -> Path:
    lines = [
        line
        for number in range(count)
        for line in (
            " ",
            f" = Article {number} = ",
            " ",
            f" Text of {number} . It goes on . ",
            " = = Part = = ",
            " End . ",
        )
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_articles_are_found_by_their_titles_and_have_no_headings(tmp_path: Path) -> None:
    found = wikitext.articles(write_articles(tmp_path / "text", 3))
    assert [one.title for one in found] == ["Article 0", "Article 1", "Article 2"]
    assert found[1].passages == ("Text of 1 . It goes on .", "End .")
    assert found[1].words == 10


def test_no_article_is_in_two_parts_and_all_are_in_one(tmp_path: Path) -> None:
    found = wikitext.articles(write_articles(tmp_path / "text", 12))
    parts = wikitext.parted(found, [20, 30], np.random.default_rng(0))
    assert sorted(one.title for part in parts for one in part) == sorted(one.title for one in found)
    assert [sum(one.words for one in part) >= wanted for part, wanted in zip(parts, (20, 30), strict=False)] == [
        True
    ] * 2
    with pytest.raises(ProvError, match="name more text"):
        wikitext.parted(found, [200], np.random.default_rng(0))


def test_what_is_no_wikitext_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no titles\n")
    for path in (tmp_path / "text", tmp_path / "missing"):
        with pytest.raises(ProvError, match="name a file of WikiText"):
            wikitext.articles(path)


def note(folder: Path, name: str) -> dict[str, Any]:
    """A task that says each time that it was run."""
    with open(folder / "runs", "a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    return {"name": name}


def test_what_a_task_was_asked_decides_whether_its_result_is_kept(tmp_path: Path) -> None:
    def of(size: int) -> list[Any]:
        return [tasks.Task("a", note, {"size": size}), tasks.Task("b", note, {}, ("a",))]

    kept = tasks.Kept(tmp_path, of(1))
    for name in ("a", "b"):
        kept.put(name, {"value": 1}, 1.0)
    assert tasks.Kept(tmp_path, of(1)).get("b") == {"value": 1}
    assert tasks.Kept(tmp_path, of(2)).get("a") is None
    assert tasks.Kept(tmp_path, of(2)).get("b") is None  # for what it builds on is another


@pytest.mark.slow
def test_tasks_that_are_done_are_not_done_again(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs corpus-provenance[train]")
    asked = [
        tasks.Task(name, note, {"folder": tmp_path, "name": name}, needs) for name, needs in (("a", ()), ("b", ("a",)))
    ]
    for _ in range(2):
        assert tasks.run_tasks(asked, tmp_path / "kept", 2) == {"a": {"name": "a"}, "b": {"name": "b"}}
    assert (tmp_path / "runs").read_text() == "a\nb\n"
