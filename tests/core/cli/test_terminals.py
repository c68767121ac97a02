"""Commands where less is installed or can be shown: other encodings, pipes that close, packages that are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.commands import call, good

RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "4")


def typed(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "credit_gym.cli", *arguments]
    variables = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, check=False, timeout=120, env=variables)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_an_encoding_cannot_show_is_a_question_mark(folder: Path, encoding: str) -> None:
    good(*RUN, "--agent", "expert")
    for arguments in (("runs",), ("envs", "credit/Tau2-v0"), ("scorers",)):
        done = typed(*arguments, encoding=encoding)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        assert done.stdout.decode(encoding)
    refused = typed("run", "--env", "credit/Stochastic-v0", "--agent", "größe\u2192", encoding=encoding)
    assert refused.returncode == 2
    assert b"Traceback" not in refused.stderr
    assert refused.stderr.count(b"\n") == 1


def test_a_pipe_that_closes_is_no_error_to_read(folder: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m credit_gym.cli scorers | head -1", shell=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Credit scorers")


def test_the_games_own_belief_needs_no_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "credit_gym.agents.likelihood", raising=False)
    asking = ("run", "--env", "credit/TwentyQuestions-v0", "--episodes", "2", "--scorer", "delta_belief")
    assert "delta_belief" in good(*asking, "--belief", "exact")
    refused = call("run", "--env", "credit/Stochastic-v0", "--belief", "exact")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "knows no exact belief" in refused.stderr


def test_an_executor_whose_package_is_missing_leaves_no_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credit_gym.cli.run.find_spec", lambda _: None)
    refused = call(*RUN, "--executor", "ray")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert 'ray is not installed: pip install "credit-gym[ray]".' in refused.stderr
    assert not Path("runs").exists()


def test_nothing_that_people_read_has_the_markup_of_docstrings(folder: Path) -> None:
    for arguments in (("scorers",), ("scorers", "adaptive"), ("envs", "credit/Tau2-v0"), ("envs", "credit/WebShop-v0")):
        assert ":func:" not in good(*arguments)
        assert ":class:" not in good(*arguments)
