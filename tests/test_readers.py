"""Files of every format come in as rows: each text byte for byte, each with its place, nothing passed over unsaid."""

import csv
import gzip
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import ProvError
from registry.readers import BrokenFile, Input, Lines, Opened, Row, Split, find_inputs, read, read_jsonl, read_text

ODD_TEXTS = [
    "nul \x00 inside",
    "line\r\nends\rof\nall kinds\n",
    "\ufeffa byte order mark",
    "\u2028 and \x1c and \x85 end no line",
    " white space at both ends\t ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 e\u0301 é 漢字 \U0010ffff",
    '"quotes", commas, \\backslashes\\ and {"json": [1]}',
]


def rows_of(path: Path, split: Split | None = None) -> list[Row]:
    return list(read(Input(path, path.name), split))


def texts_of(path: Path, split: Split | None = None) -> list[Any]:
    assert not faults_of(path, split)
    return [row.values["text"] for row in rows_of(path, split)]


def faults_of(path: Path, split: Split | None = None) -> list[tuple[str, str]]:
    return [(row.place, row.fault) for row in rows_of(path, split) if row.fault]


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, "zstd", asbytes=True)
    return packed


def written_as(suffix: str, texts: list[str]) -> bytes:
    if suffix == ".jsonl":
        return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="," if suffix == ".csv" else "\t", quoting=csv.QUOTE_ALL)
    writer.writerows([["text"], *([text] for text in texts)])
    return stream.getvalue().encode()


# -- which files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.jsonl",
        "a.txt",
        "deep/er/c.csv.gz",
        "deep/d.JSONL",
        "README.md",
        ".hidden/e.jsonl",
        "f.parquet.gz",
    ):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "folder"


def names_of(*arguments: str | Path) -> list[str]:
    return [input.name for input in find_inputs(arguments)[0]]


def test_a_folder_is_read_with_all_below_it_in_an_order_that_no_disk_decides(folder: Path) -> None:
    assert names_of(folder) == ["a.txt", "b.jsonl", "deep/d.JSONL", "deep/er/c.csv.gz"]


def test_what_is_passed_over_in_a_folder_is_told(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "deep")
    (folder / "lost.jsonl").symlink_to(folder / "nowhere.jsonl")
    (folder / "corpus.prov.rejected.jsonl").touch()
    told = [path.name for path in find_inputs([folder])[1]]
    assert told == ["README.md", "corpus.prov.rejected.jsonl", "f.parquet.gz", "link", "lost.jsonl"]


def test_a_glob_names_files_and_a_file_with_brackets_in_its_name_is_no_glob(folder: Path) -> None:
    (folder / "[1].txt").touch()
    assert names_of(folder / "*.jsonl") == ["b.jsonl"]
    assert names_of(folder / "**/*.csv.gz", folder / "[ab].*") == ["c.csv.gz", "a.txt", "b.jsonl"]
    assert names_of(folder / "[1].txt") == ["[1].txt"]


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("none.jsonl", "no file .*none.jsonl"),
        ("*.none", r"no file .*\*.none"),
        ("README.md", "README.md has no known format: wanted .jsonl"),
        ("f.parquet.gz", "f.parquet.gz has no known format"),
        ("d*", "deep is no file"),
        ("empty", "nothing to read in .*empty"),
        ("pipe.jsonl", "pipe.jsonl is no plain file"),
        ("\udcff.jsonl", "is not UTF-8: rename it"),
    ],
)
def test_an_argument_that_names_nothing_to_read_is_told_in_one_line(folder: Path, argument: str, told: str) -> None:
    (folder / "empty").mkdir()
    (folder / "\udcff.jsonl").touch()
    os.mkfifo(folder / "pipe.jsonl")
    with pytest.raises(ProvError, match=told) as raised:
        find_inputs([folder / argument])
    assert "\n" not in str(raised.value)


def test_an_empty_argument_is_not_the_folder_that_one_is_in() -> None:
    with pytest.raises(ProvError, match="an input is named ''"):
        find_inputs([""])


def test_standard_input_cannot_be_named_twice() -> None:
    with pytest.raises(ProvError, match="named twice"):
        find_inputs(["-", "-"])


def test_standard_input_is_read_as_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written_as(".jsonl", ODD_TEXTS))))
    (inputs, _) = find_inputs(["-"])
    assert [row.values["text"] for row in read(inputs[0])] == ODD_TEXTS


# -- bytes


def in_two(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda content: pack(content[:20]) + pack(content[20:])


@pytest.mark.parametrize(
    ("packed", "pack"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".gz", in_two(gzip.compress)),
        (".zst", zstd),
        (".zst", in_two(zstd)),
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv"])
def test_every_text_comes_byte_for_byte_from_every_format_and_compression(
    tmp_path: Path, suffix: str, packed: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"x{suffix}{packed}"
    path.write_bytes(pack(written_as(suffix, ODD_TEXTS)))
    assert texts_of(path) == ODD_TEXTS


def test_every_text_comes_byte_for_byte_from_parquet_whatever_its_kind_of_string(tmp_path: Path) -> None:
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        pq.write_table(pa.table({"text": pa.array(ODD_TEXTS).cast(kind)}), tmp_path / "x.parquet", row_group_size=3)
        assert texts_of(tmp_path / "x.parquet") == ODD_TEXTS


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_text_file_is_one_text_byte_for_byte(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_bytes(text.encode())
    assert texts_of(tmp_path / "x.txt") == [text]


def test_a_byte_order_mark_is_no_part_of_json_or_csv_but_of_a_text_file(tmp_path: Path) -> None:
    for name, content, texts in [
        ("x.jsonl", b'{"text": "a"}\n', ["a"]),
        ("x.csv", b"text\na\n", ["a"]),
        ("x.txt", b"a", ["\ufeffa"]),
    ]:
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content)
        assert texts_of(tmp_path / name) == texts


@given(st.text(st.sampled_from("ab \t\r\n\x0c\x00é"), max_size=30))
def test_lines_keep_every_byte_but_the_end_of_the_line(text: str) -> None:
    lines = [row.values["text"] for row in read_text(opened(text, "lines"))]
    assert lines == [line.removesuffix("\r") for line in text.split("\n") if line.encode().strip()]


@given(st.lists(st.text(st.sampled_from("ab \t\r\n\x00é"), min_size=1).filter(lambda text: "\n\n" not in text)))
def test_paragraphs_keep_every_byte_between_blank_lines(parts: list[str]) -> None:
    text = "\n \t\r\n\n".join(parts)
    found = [row.values["text"] for row in read_text(opened(text, "paragraphs"))]
    assert " ".join(found).split() == text.split()
    position = 0
    for paragraph in found:
        assert all(line.strip() for line in paragraph.split("\n"))
        position = text.index(paragraph, position) + len(paragraph)


def opened(text: str, split: Split) -> Opened:
    return Opened(Input(Path("x.txt"), "x.txt"), io.BytesIO(text.encode()), split)


def test_paragraphs_may_hold_line_ends_and_indents_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\r\n  one\r\n  two \r\n \t\r\n\r\nthree\nfour  \n")
    assert texts_of(tmp_path / "x.txt", "paragraphs") == ["  one\r\n  two ", "three\nfour  "]


# -- places


def test_a_bad_line_is_named_by_the_line_that_an_editor_shows(tmp_path: Path) -> None:
    cases: list[tuple[str, bytes, Split | None, str]] = [
        ("x.jsonl", b'{"text": "a"}\n\n{"text": \n{"text": "b"}\n', None, "line 3"),
        ("x.csv", b'text,n\n\n"two\nlines",1\n\nbad\n"a",1\n', None, "line 6"),
        ("x.txt", b"a\n\n\n\xff\n", "lines", "line 4"),
        ("x.txt", b"a\n\n\nb\n\xff\n", "paragraphs", "paragraph 2 (line 4)"),
        ("x.txt", b"a\n\xff\n", None, "whole file"),
    ]
    for name, content, split, place in cases:
        (tmp_path / name).write_bytes(content)
        assert [found for found, _ in faults_of(tmp_path / name, split)] == [place]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"text": "a" "b"}', "invalid JSON at column 14: Expecting ',' delimiter; wanted one whole object"),
        (b'{"text": "a"} {}', "invalid JSON at column 15: Extra data"),
        (b"[1, 2]", "wanted a JSON object, found [1, 2]"),
        (b'"text"', 'wanted a JSON object, found "text"'),
        (b'{"text": "a", "n": NaN}', "invalid JSON: NaN is no JSON number"),
        (b'{"text": "a", "n": {"m": -Infinity}}', "invalid JSON: -Infinity is no JSON number"),
        (b'{"text": "a", "text": "b"}', "invalid JSON: the key 'text' stands twice"),
        (b'{"text": "a", "m": [{"k": 1, "k": 1}]}', "invalid JSON: the key 'k' stands twice"),
        (b'{"text": "\xff"}', "invalid UTF-8 at byte 11 of the line"),
        (b'{"text": "a\tb"}', "invalid JSON at column 12: Invalid control character at"),
        (b'{"text": ' + b"[" * 100_000, "invalid JSON: maximum recursion depth"),
        (b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "invalid JSON: Exceeds the limit"),
    ],
)
def test_a_line_that_is_no_json_object_is_a_bad_row_that_says_why_and_keeps_the_line(
    tmp_path: Path, line: bytes, told: str
) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "a"}\r\n' + line + b'\r\n{"text": "b"}\n')
    good, bad, other = rows_of(tmp_path / "x.jsonl")
    assert [good.values, other.values] == [{"text": "a"}, {"text": "b"}]
    assert bad.fault
    assert bad.fault.startswith(told)
    assert bad.found == line.decode(errors="backslashreplace")


@given(st.binary(max_size=60))
def test_any_bytes_are_json_rows_or_bad_rows_and_never_a_traceback(content: bytes) -> None:
    parts = read_jsonl(Opened(Input(Path("x.jsonl"), "x.jsonl"), io.BytesIO(content), None))
    rows = [row for part in parts for row in (part.rows() if isinstance(part, Lines) else [part])]
    assert len(rows) == sum(1 for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip())


def test_a_csv_row_of_another_length_is_a_bad_row_and_an_empty_field_a_missing_value(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,text\n1,a,b\n2,\n,c\n")
    bad, empty, missing = rows_of(tmp_path / "x.csv")
    assert bad.fault == "wanted 2 fields (id, text), found 3"
    assert bad.found == ["1", "a", "b"]
    assert [empty.values, missing.values] == [{"id": "2", "text": None}, {"id": None, "text": "c"}]


def test_bytes_that_are_not_utf8_reach_no_text_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"text\na\nb\xffc\n")
    with pytest.raises(UnicodeEncodeError):
        rows_of(tmp_path / "x.csv")[1].values["text"].encode()


def bad_parquet_values() -> list[tuple[pa.Array, str]]:
    offsets, data = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")
    return [
        (pa.StringArray.from_buffers(2, offsets, data), "invalid UTF-8"),
        (pa.array([1000, 1001], pa.timestamp("ns")), "Nanosecond resolution"),
        (pa.array([0, 1 << 62], pa.timestamp("us")), "date value out of range"),
    ]


@pytest.mark.parametrize(("values", "told"), bad_parquet_values())
def test_a_parquet_value_that_python_cannot_hold_is_a_bad_row_and_its_neighbours_are_not(
    tmp_path: Path, values: pa.Array, told: str
) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "other": values}), tmp_path / "x.parquet")
    good, bad = rows_of(tmp_path / "x.parquet")
    assert good.values["text"] == "a"
    assert bad.place == "row 2"
    assert told in (bad.fault or "")


# -- broken files


ROWS = written_as(".jsonl", [f"text number {n}" for n in range(2000)])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.jsonl.gz", gzip.compress(ROWS)[:-9], "Truncated compressed stream"),
        ("x.jsonl.gz", gzip.compress(ROWS) + b"more", "zlib inflate failed"),
        ("x.jsonl.gz", b"no gzip", "at its start: zlib inflate failed"),
        ("x.jsonl.zst", zstd(ROWS)[:-9], "Truncated compressed stream"),
        ("x.jsonl.zst", b"no zstd at all", "at its start: ZSTD decompress failed"),
        ("x.parquet", b"PAR1 and then nothing", "at its start: Parquet magic bytes not found"),
        ("x.parquet", b"", "at its start: Parquet file size is 0"),
        ("x.csv", b'text\na\n"b" c\n', "after line 2: ',' expected after '\"'"),
        ("x.csv", b'text\na\n"b\n', "after line 2: unexpected end of data"),
        ("x.csv", b"text,n,text\n", "at its start: the column 'text' stands twice in text, n, text"),
    ],
)
def test_a_broken_file_says_in_one_line_how_far_it_could_be_read_and_why(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenFile, match="is broken") as raised:
        rows_of(tmp_path / name)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_parquet_column_that_stands_twice_is_not_dropped(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(BrokenFile, match="the column 'text' stands twice"):
        rows_of(tmp_path / "x.parquet")


def test_a_damaged_page_of_a_parquet_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": [f"{n}" * 50 for n in range(5000)]}), path, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[40:4000] = bytes(3960)
    path.write_bytes(content)
    with pytest.raises(BrokenFile):
        rows_of(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".jsonl.gz", ".jsonl.zst", ".txt"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    plain = b"text\n" if suffix == ".csv" else b""
    rows = 200_000 if "jsonl" in suffix else 20_000  # JSON lines are read by blocks of 16 MB
    plain += (b'{"text": "' + b"word " * 100 + b'"}\n\n') * rows
    if suffix == ".csv":
        plain = plain.replace(b'"', b"")
    pack = {".jsonl.gz": lambda content: gzip.compress(content, 1), ".jsonl.zst": zstd}.get(suffix, bytes)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pack(plain))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(Input(path, "x"), "paragraphs")) == rows
        assert tracemalloc.get_traced_memory()[1] < len(plain) / 2
    finally:
        tracemalloc.stop()


# -- Arrow, datasets saved to disk, Dolma


@pytest.mark.parametrize("suffix", [".arrow", ".feather"])
@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
def test_every_text_comes_byte_for_byte_from_arrow(tmp_path: Path, suffix: str, make: Callable[..., Any]) -> None:
    table = pa.table({"text": ODD_TEXTS, "n": range(len(ODD_TEXTS))})
    path = tmp_path / f"rows{suffix}"
    with make(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    assert texts_of(path) == ODD_TEXTS
    assert [row.number for row in rows_of(path)] == list(range(1, len(ODD_TEXTS) + 1))


@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
def test_a_truncated_arrow_file_is_told_in_one_line(tmp_path: Path, make: Callable[..., Any]) -> None:
    table = pa.table({"text": [f"text {number}" for number in range(20_000)]})
    path = tmp_path / "rows.arrow"
    with make(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BrokenFile, match=r"rows\.arrow is broken"):
        rows_of(path)


def saved_to_disk(folder: Path, texts: list[str]) -> None:
    """A folder as Hugging Face `Dataset.save_to_disk` leaves it, with a file of a cache beside it."""
    folder.mkdir(parents=True)
    name = "data-00000-of-00001.arrow"
    for file, content in ((name, texts), ("cache-1a2b.arrow", ["not this"])):
        table = pa.table({"text": content})
        with pa.ipc.new_stream(folder / file, table.schema) as writer:
            writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}], "_split": "train"}))
    (folder / "dataset_info.json").write_text('{"features": {"text": {"dtype": "string", "_type": "Value"}}}')


def test_a_dataset_saved_to_disk_is_its_data_files_and_nothing_else(tmp_path: Path) -> None:
    saved_to_disk(tmp_path / "set", ["a", "b"])
    inputs, passed_over = find_inputs([tmp_path / "set"])
    assert [input.name for input in inputs] == ["data-00000-of-00001.arrow"]
    assert {path.name for path in passed_over} == {"cache-1a2b.arrow", "state.json", "dataset_info.json"}
    assert [row.values["text"] for row in read(inputs[0])] == ["a", "b"]


def test_several_datasets_saved_to_disk_together_are_all_their_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        saved_to_disk(tmp_path / "sets" / split, [split])
    (tmp_path / "sets" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    inputs, _ = find_inputs([tmp_path / "sets"])
    assert [input.name for input in inputs] == [f"{split}/data-00000-of-00001.arrow" for split in ("test", "train")]


def test_a_state_of_another_tool_hides_no_file(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"text": "a row of mine"}\n')
    (tmp_path / "rows.jsonl").write_text('{"text": "another"}\n')
    assert [input.name for input in find_inputs([tmp_path])[0]] == ["rows.jsonl", "state.json"]
