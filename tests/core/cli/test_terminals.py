"""Commands where less is installed or can be shown: other encodings, pipes that close, packages that are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.commands import call, good, opened

import credit_gym as cg

RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "4")


def typed(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "credit_gym.cli", *arguments]
    variables = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, check=False, timeout=120, env=variables)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_pipe_that_closes_is_no_error_to_read(folder: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m credit_gym.cli scorers | head -1", shell=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Credit scorers")


def test_the_games_own_belief_needs_no_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, module, None)
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


COIN = """
import gymnasium as gym
import credit_gym as cg

class Coin(cg.TextEnv):
    def reset(self, *, seed=None, options=None):
        self.side = ("heads", "tails")[self.seed_episode(seed) % 2]
        return "Guess the coin.", self.told(0.0)

    def step(self, action):
        won = action == self.side
        return f"It was {self.side}.", float(won), True, False, {**self.told(float(won)), "success": won}

    def told(self, verifier):
        task = {"id": "coin", "split": "all", "goal": "Guess the coin."}
        return {"task": task, "state_key": "", "admissible_actions": ["heads", "tails"], "verifier": verifier}

gym.register("mine/Coin-v0", Coin)
"""


@pytest.mark.slow
def test_an_environment_of_a_module_here_is_played_described_and_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    Path("coin_here.py").write_text(COIN)
    coin = "coin_here:mine/Coin-v0"
    assert "no module named 'coin_here'" not in good("envs", coin).lower()
    run_id = good("run", "--env", coin, "--episodes", "4").split()[0]
    good("bench", "--env", coin, "--agent", "random", "--episodes", "2")
    assert good("run", "--resume", run_id, "--env", coin).split()[0] == run_id
    for other in ("coin_here:mine/Other-v0", "credit/Stochastic-v0"):
        assert "keeps its own settings" in call("run", "--resume", run_id, "--env", other).stderr
    refused = typed("run", "--env", "nowhere:mine/Coin-v0").stderr.decode()
    assert "No module named 'nowhere'" in refused
    assert refused.count("\n") == 1
    for command in (("run",), ("bench", "--agent", "random")):
        before = sorted(Path("runs").iterdir())
        refused = call(*command, "--env", coin, "--episodes", "4", "--group-size", "2").stderr
        assert "has no list of tasks: leave --group-size out." in refused
        assert sorted(Path("runs").iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["Seeded", "awaited"])
def test_an_agent_of_a_module_plays_the_same_on_ray(folder: Path, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr("sys.path", [*sys.path])
    Path("agents_here.py").write_text(
        "class Seeded:\n"
        "    name = 'seeded'\n"
        "    def __init__(self, seed):\n"
        "        self.seed = seed\n"
        "    def act(self, contexts):\n"
        "        return [c.admissible_actions[(self.seed + c.step) % len(c.admissible_actions)] for c in contexts]\n"
        "async def awaited(messages):\n"
        "    return messages[-1]['content'].splitlines()[-1]\n"
    )
    common = (*RUN, "--agent", f"agents_here:{agent}", "--seed", "3", "--workers", "2")
    ids = [good(*common, "--executor", each, "--out", each).split()[0] for each in ("local", "ray")]
    assert ids[0] == ids[1]
    assert opened(ids[0], "local").load_episodes(ids[0]) == opened(ids[1], "ray").load_episodes(ids[1])


def test_what_is_called_wrongly_from_python_is_one_sentence(folder: Path) -> None:
    episode = cg.Episode.from_steps([("a", "b", 1.0)])
    with pytest.raises(cg.CreditGymError, match=r"EpisodeBatch.from_episodes\(episodes\) makes one\."):
        cg.score([episode], "grpo")  # type: ignore[arg-type]
    for make_env, agent in (("credit/Stochastic-v0", cg.parse_agent("random")), (dict, "random")):
        with pytest.raises(cg.CreditGymError, match="needs a function that makes an environment, and an agent"):
            cg.run_episodes(make_env, agent, episodes=1, seed=0)  # type: ignore[arg-type]
    run_id = good(*RUN).split()[0]
    assert cg.open_run(run_id, "runs")[1] == run_id
