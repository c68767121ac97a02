from __future__ import annotations

import ast
from pathlib import Path

import pytest
from builders import ROOT

from credit_gym.baselines.protocol.publish import publish
from credit_gym.report import Table

COMMANDS = [
    path
    for room in ("tables", "studies")
    for path in sorted((ROOT / "baselines" / room).rglob("*.py"))
    if "run_command(main)" in path.read_text("utf-8")
]


def test_a_baseline_shows_writes_and_draws_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    table = Table("Success", ("scorer", "mean"), (("grpo", "0.25 [0.20, 0.30]"),))
    publish([table], tmp_path / "t.md", tmp_path / "plots")
    assert "0.25 [0.20, 0.30]" in capsys.readouterr().out
    assert "| grpo |" in (tmp_path / "t.md").read_text("utf-8")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        *("success.svg", "success.png", "success.tex", "tables.json")
    }


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_baseline_publishes_with_the_folder_that_it_is_given_for_figures(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    (main,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert "plots" in {argument.arg for argument in main.args.args}
    calls = [node for node in ast.walk(main) if isinstance(node, ast.Call) and ast.unparse(node.func) == "publish"]
    assert calls
    for call in calls:
        assert "plots" in {ast.unparse(given) for given in (*call.args, *(word.value for word in call.keywords))}
