"""What is read from outside: its bounds, and that honest text passes as it is."""

from __future__ import annotations

import json
import os
import socket
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.foreign_text import DEEPEST, MOST_DIGITS, file_bytes, open_file, read_json, read_toml, read_yaml
from credit_gym.errors import ForeignTextError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.slow
@given(PLAIN)
def test_honest_json_is_read_as_json_reads_it(value: Any) -> None:
    text = json.dumps(value)
    assert repr(read_json(text)) == repr(json.loads(text))
    assert repr(read_json(text.encode("utf-16"))) == repr(json.loads(text))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_is_read_to_a_depth_and_no_deeper(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    for depth in (DEEPEST, DEEPEST + 1, 5000, 200_000):
        text = opening * depth + ("1" if opening != "[" else "") + closing * depth
        if depth <= DEEPEST:
            read_json(text)
        else:
            with pytest.raises(ForeignTextError, match=f"nested more than {DEEPEST} levels"):
                read_json(text)


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_an_integer_that_is_read_is_a_float_too(read: Any) -> None:
    assert float(read("9" * MOST_DIGITS)) < float("inf")
    for digits in (MOST_DIGITS + 1, 4000, 5000, 1_000_000):
        with pytest.raises(ForeignTextError, match=f"{MOST_DIGITS}"):
            read("9" * digits)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "aliases"),
        ("[" * 5000 + "]" * 5000, "levels"),
        ("- " * 5000 + "x", "levels"),
        ("a: &a [*a]", "alias"),
        ("a: *b", "alias"),
        ("0x" + "f" * 5000, "digits"),
        ("1:" * 3000 + "1", "digits"),
        ("2001-02-31", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
        ("!!int a", "cannot be read"),
        ("!!float [1]", "no YAML"),
        ("{a: 1", "no YAML"),
        ("? {a: 1}\n: 2", "no YAML"),
        ("\x00", "no YAML"),
    ],
)
def test_hostile_yaml_is_refused_in_a_sentence_and_at_once(text: str, said: str) -> None:
    start = time.process_time()
    with pytest.raises(ForeignTextError, match=said) as caught:
        read_yaml(text)
    assert "\n" not in str(caught.value)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".".join("a" * 30_000) + " = 1", "levels"),
        (" . ".join(['"a"'] * 30_000) + " = 1", "levels"),
        ("a = " + "[" * 5000, "levels"),
        ("a = " + "[" * 150 + "]" * 150, "levels"),
        ("a = " + "{b = " * 5000, "levels"),
        ("a = " + "9" * 301, "digits"),
        ("a = [1, " + "1_" * 300 + "1]", "digits"),
        ("a = 0x" + "f" * 300, "digits"),
        ("a = " + "9" * 5000, "no TOML"),
        ("a = 1\na = 2", "no TOML"),
        ("\x00", "no TOML"),
        ('a = "' + "x" * 100_000, "no TOML"),
    ],
)
def test_hostile_toml_is_refused_in_a_sentence_and_at_once(text: str, said: str) -> None:
    start = time.process_time()
    with pytest.raises(ForeignTextError, match=said):
        read_toml(text)
    assert time.process_time() - start < 2.0


def test_honest_toml_is_read_as_toml_reads_it() -> None:
    text = 'a.b.c = 1\n[d."e.f"]\ntext = "' + "one word. no more. " * 200 + '"\n[[rows]]\nn = 1.5\n[[rows]]\nn = -2\n'
    assert read_toml(text) == tomllib.loads(text)


def test_yaml_with_a_few_aliases_is_read_as_yaml_reads_it() -> None:
    text = "base: &base {a: 1, b: [x, y]}\nmine: {<<: *base, c: *base}\nd: 1e-1\n"
    assert read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket", "nothing"])
def test_only_a_regular_file_is_opened_and_nothing_waits(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    with pytest.raises(OSError):
        open_file(path)


def test_a_file_larger_than_its_bound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert file_bytes(tmp_path / "file", most=100) == b"x" * 100
    with pytest.raises(OSError, match="larger than 99 bytes"):
        file_bytes(tmp_path / "file", most=99)
