"""The page's script: its modules are small, Node runs their tests, and put together they are one script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from builders import ROOT

from credit_gym.report.viewer.script_modules import script

VIEWER = ROOT / "credit_gym" / "report" / "viewer"
TESTS = sorted((Path(__file__).parent / "script").glob("*.test.mjs"))
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node tests the page's script: apt-get install nodejs.")


@needs_node
def test_the_modules_do_what_their_own_tests_say() -> None:
    done = subprocess.run([str(NODE), "--test", *map(str, TESTS)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^# pass \d\d", done.stdout, re.MULTILINE)


@needs_node
def test_put_together_they_are_one_script_without_an_import(tmp_path: Path) -> None:
    whole = tmp_path / "whole.cjs"
    whole.write_text(script(), encoding="utf-8")
    subprocess.run([str(NODE), "--check", str(whole)], check=True, timeout=60)
    assert not re.search(r"^\s*(import|export)\b", script(), re.MULTILINE)


def test_every_module_is_part_of_the_script_and_one_idea_long() -> None:
    modules = sorted(VIEWER.glob("*.mjs"))
    assert [path.stem for path in modules if f"const {path.stem}_module = " not in script()] == []
    assert [path.stem for path in modules if len(path.read_text("utf-8").splitlines()) > 400] == []
    assert [path.stem for path in modules if not path.read_text("utf-8").startswith("// ")] == []


def test_the_script_makes_no_markup_and_runs_no_text() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?:|DOMParser"
    assert not re.search(forbidden, script())
    assert "</" not in script()
