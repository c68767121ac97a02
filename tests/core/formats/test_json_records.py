"""The records of a JSON file: however it is laid out, packed or encoded, each record is read, and damage costs one."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym.formats.json_records
from credit_gym.errors import StoreError
from credit_gym.formats.json_records import records

ROWS: list[Any] = [
    {"a": [1, {"b": 'x]}"{'}], "c": "é"},
    {"slashes": ["\\", '\\"', "\\\\", '"']},
    {"long": "word " * 40, "deep": [[[{}]]]},
]
LAYOUTS: dict[str, Callable[[list[Any]], str]] = {
    "lines": lambda rows: "\n".join(map(json.dumps, rows)),
    "array": json.dumps,
    "array over lines": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False),
    "array, an entry a line": lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n",
    "trailing comma": lambda rows: "[" + ", ".join(map(json.dumps, rows)) + ",]",
    "no commas": lambda rows: "[" + "\n".join(map(json.dumps, rows)) + "]",
    "several on a line": lambda rows: json.dumps(rows[0]) + json.dumps(rows[1]) + " " + json.dumps(rows[2]) + "\n",
    "a comma behind each line": lambda rows: ",\n".join(map(json.dumps, rows)) + ",\n",
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [row for _, row in records(path)]


def said(path: Path, content: str | bytes) -> list[str]:
    """The sentences, each without its beginning."""
    return [str(row).partition("cannot be imported: ")[2] for row in read(path, content) if isinstance(row, StoreError)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_layout_is_read_as_the_same_records(layout: str, newline: str, tmp_path: Path) -> None:
    text = LAYOUTS[layout](ROWS).replace("\n", newline)
    assert read(tmp_path / "x", text) == ROWS
    assert read(tmp_path / "x", codecs.BOM_UTF8 + text.encode()) == ROWS
    assert read(tmp_path / "x", text.encode("utf-16")) == ROWS


@pytest.mark.slow
@pytest.mark.parametrize("piece", [1, 2, 7, 64])
@given(rows=st.lists(st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=3), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_it_does_not_matter_where_a_piece_ends(
    piece: int, rows: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("r") / "x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credit_gym.formats.json_records, "PIECE", piece)
        for layout in ("lines", "array", "array over lines", "trailing comma"):
            for name, pack in {"plain": bytes, **PACKED}.items():
                text = LAYOUTS[layout](rows)
                if not (piece < 64 and layout == "lines" and name == "plain"):  # whose first line is longer
                    text = text.encode()  # type: ignore[assignment]
                assert read(path, pack(text) if isinstance(text, bytes) else text) == rows, (layout, name)


@pytest.mark.parametrize("packing", PACKED)
def test_a_packed_file_is_unpacked_and_one_cut_short_is_refused(packing: str, tmp_path: Path) -> None:
    packed = PACKED[packing](LAYOUTS["lines"](ROWS * 50).encode())
    assert read(tmp_path / "x", packed) == ROWS * 50
    with pytest.raises(StoreError, match="cannot be read"):
        read(tmp_path / "x", packed[: len(packed) // 2])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"a": 1},\n{"b" 2},\n{"c": 3}]', "it is no JSON (Expecting ':' delimiter, character 6)."),
        ('[{"a": 1}, {"c": 3}', "the file ends within its array."),
        ('[{"a": 1}, {"c": 3}, {"d": ', "it is no JSON (Expecting value, character 6)."),
        ('{"a": 1}\n{"a": "it\x92s"}\n{"c": 3}'.encode("latin-1"), "it is no UTF-8 (byte 0x92 at 10): save the file in "
         "that encoding."),
        ('{"a": 1}\n{"a": \n{"c": 3}', "it is no JSON (Expecting value, character 7)."),
        ('{[\n{"a": 1}\n{"c": 3}', "it is no JSON (Expecting property name enclosed in double quotes, character 2)."),
        ('[{"a": 1}, {"c": 3}] and more', "it is no JSON (Expecting value, character 1)."),
    ],
)  # fmt: skip
def test_damage_costs_its_record_alone(content: str | bytes, expected: str, tmp_path: Path) -> None:
    assert [row for row in read(tmp_path / "x", content) if not isinstance(row, StoreError)] == [{"a": 1}, {"c": 3}]
    assert said(tmp_path / "x", content) == [expected]


def test_a_place_is_named_by_its_line_and_in_an_array_by_its_entry(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"a": 1}\n\n{"b": 1}\n')
    assert [place.text for place, _ in records(tmp_path / "x")] == [f"Line {n} of {tmp_path / 'x'}" for n in (1, 3)]
    (tmp_path / "x").write_text(json.dumps(ROWS[:2], indent=2))
    assert [(place.number, place.text.partition("(")[2]) for place, _ in records(tmp_path / "x")] == [
        (1, "line 2)"),
        (2, "line 11)"),
    ]


@pytest.mark.parametrize(
    ("begin", "match"),
    [(b"PAR1", "Parquet"), (b"PK\x03\x04", "zip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"SQLite format 3\0", "database")],
)
def test_a_file_of_another_kind_is_named(begin: bytes, match: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=match):
        read(tmp_path / "x", begin + b"\0" * 50)


@pytest.mark.parametrize("nothing", ["", "\n", "  \r\n", "[]", "[\n]", "[ , ]"])
def test_nothing_is_nothing(nothing: str, tmp_path: Path) -> None:
    assert read(tmp_path / "x", nothing) == []


@pytest.mark.slow
@pytest.mark.parametrize("bad", ["[", '"', "\\", '{"', "[[{", "}", ",", '\\"', "é", "\0", "1 ", "]"])
def test_what_is_read_takes_time_in_proportion_to_its_length(bad: str, tmp_path: Path) -> None:
    for begin in ("", "[", '{"a": "', "[\n"):
        start = time.process_time()
        read(tmp_path / "x", begin + bad * (200_000 // len(bad)))
        assert time.process_time() - start < 2.0, begin  # a square of it would be minutes


def test_a_record_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credit_gym.formats.json_records, "LONGEST", 1000)
    monkeypatch.setattr(credit_gym.formats.json_records, "PIECE", 100)
    for begin in ("", "["):
        with pytest.raises(StoreError, match="longer than 1000 bytes"):
            read(tmp_path / "x", begin + json.dumps({"a": "x" * 5000}))


_MEASURED = """
import resource, sys
from credit_gym.cli import app
import credit_gym.cli.imports
from credit_gym.cli.imports import import_
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    app(["import", sys.argv[1]])
finally:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, file=sys.stderr)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_array(tmp_path: Path) -> None:
    text = "so it goes " * 40
    chat = {"messages": [{"role": r, "content": text} for r in ("user", "assistant") * 5], "reward": 1.0}
    entry = json.dumps(chat)
    grown = []
    for count in (500, 4_000):
        path = tmp_path / "x.json"
        path.write_text("[" + ", ".join([entry] * count) + "]")
        command = [sys.executable, "-c", _MEASURED, str(path)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        grown.append(int(done.stderr.split()[-1]))
    assert grown[1] < 1.5 * grown[0] + 20, grown  # megabytes; the second file has 19
