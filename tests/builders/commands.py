"""Commands as a person types them, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from credit_gym.cli import app
from credit_gym.store import Store


def opened(run_id: str, runs: str = "runs") -> Store:
    return Store.open(Path(runs) / run_id, create=False)


def call(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False, **options)


def good(*arguments: str, **options: str) -> str:
    result = call(*arguments, **options)
    assert result.exit_code == 0, result.output
    assert _unremarked(result.stderr) == ""
    return result.stdout


def _unremarked(said: str) -> str:
    """What was said but for what a credit leaves alike, which is no fault."""
    return "".join(line for line in said.splitlines(keepends=True) if "no later state recurs" not in line)
