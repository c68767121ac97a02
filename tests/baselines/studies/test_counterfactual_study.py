"""The counterfactual baseline: exact truth, matched budgets, and any environment that can be forked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import credit_gym.scorers.c3
import credit_gym.scorers.magrpo
import credit_gym.scorers.mappo
import credit_gym.scorers.role_shapley
import credit_gym.scorers.vine  # noqa: F401
from credit_gym.agents.replay.allocation import FanOut, PerDecision
from credit_gym.agents.replay.behaviour import BehaviourAgent
from credit_gym.agents.replay.ledger import Ledger
from credit_gym.agents.replay.tree import grow_trees
from credit_gym.agents.scripted import NoisyExpert
from credit_gym.baselines.speed import replay_speed
from credit_gym.baselines.studies import counterfactual
from credit_gym.baselines.studies.counterfactual import (
    analyse,
    any_table,
    compare,
    decision_tables,
    team_tables,
    with_exact,
)
from credit_gym.baselines.studies.counterfactual_methods import Method as Line
from credit_gym.envs.tabular.env import stochastic
from credit_gym.envs.team.game import TeamGame
from credit_gym.errors import CreditGymError
from credit_gym.report import Table

INTERVAL = re.compile(r"(-?[\d.]+) \[(-?[\d.]+), (-?[\d.]+)\]")


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterfactual, "RESAMPLES", 40)


def cells(table: Table, column: str) -> dict[str, tuple[float, float, float]]:
    """Row -> value and interval in a column."""
    index = table.columns.index(column)
    found = {str(row[0]): INTERVAL.fullmatch(str(row[index])) for row in table.rows}
    return {name: tuple(map(float, match.groups())) for name, match in found.items() if match}


@pytest.mark.slow
def test_the_exact_columns_are_the_advantages_of_the_policy_that_played() -> None:
    env = stochastic(num_tasks=4)
    agent = BehaviourAgent(env.model)
    trees = grow_trees(lambda: stochastic(num_tasks=4), agent, FanOut((150,)), questions=4)
    episodes = with_exact([e for tree in trees for e in tree.episodes()], env.model, agent.policy)
    gains = np.array([sum(e.advantages or ()) for e in episodes])
    values = np.array([(e.values or (0.0,))[0] for e in episodes])
    returns = np.array([e.episode_return for e in episodes])
    # Every step's advantage has mean 0 under the policy, and so does what chance adds to their sum.
    assert abs(gains.mean()) < 4 * gains.std() / np.sqrt(gains.size)
    assert abs((returns - values).mean()) < 4 * (returns - values).std() / np.sqrt(returns.size)


@pytest.mark.slow
def test_leave_one_out_has_the_right_scale_and_the_mean_baseline_half_of_it() -> None:
    lines = [
        Line("loo", FanOut((2, 2)), "c3"),
        Line("mean", FanOut((2, 2)), "c3", {"baseline": "mean"}),
    ]
    table = compare("t", lambda: TeamGame(num_tasks=50), lines, questions=300)
    slope = cells(table, "slope")
    assert slope["loo"][1] < 1.0 < slope["loo"][2]
    assert slope["mean"][0] == pytest.approx(slope["loo"][0] / 2, abs=2e-3)
    assert slope["mean"][2] < 1.0
    assert [row[1:3] for row in table.rows] == [("4.0", "6.0")] * 2


@pytest.mark.slow
def test_budgets_are_matched_as_the_titles_say() -> None:
    by_calls, by_messages, analysis = team_tables(12, FanOut((2, 4)), 0)
    assert {row[1] for row in by_calls.rows} == {"8.0"}
    assert {row[2] for row in by_messages.rows} == {"10.0"}
    names = {row[0] for row in analysis.rows}
    assert {"noise, measured", "influence, exact", "split-half reliability", "duplicate draws"} <= names
    for table, column in zip(decision_tables(4, 0), (1, 2), strict=True):
        cost = {str(row[0]): float(row[column]) for row in table.rows}
        assert cost["rloo"] == pytest.approx(cost["counterfactual"], rel=0.15)
        assert float(table.rows[1][1]) <= float(table.rows[0][1]) + 1  # the adaptive tree keeps the even one's budget


def test_any_forkable_environment_and_agent_can_be_analysed() -> None:
    table = any_table(stochastic, lambda: NoisyExpert(0.5), questions=3, draws=3, replays=2, seed=0)
    assert "fidelity to independent replay, loo" in cells(table, "value")
    failed = grow_trees(stochastic, BehaviourAgent(TeamGame().model), PerDecision(2), questions=1)
    with pytest.raises(CreditGymError, match="No decision was branched"):
        analyse(failed, Ledger(), 1)


@pytest.mark.slow
def test_the_command_writes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "credit_gym.baselines.studies.counterfactual", "--env", "credit/WebShop-v0"]
    arguments = ["--agent", "noisy:0.3", "--questions", "2", "--draws", "2", "--replays", "1", "--markdown", str(page)]
    subprocess.run([*command, *arguments], check=True, capture_output=True)
    assert "credit/WebShop-v0, noisy:0.3" in page.read_text(encoding="utf-8")


def test_the_speed_lines_name_their_targets() -> None:
    lines = [*replay_speed.replay()]
    targets = [line.target for line in lines if line.target is not None]
    assert targets == [1.6, 3.2] * 3  # 0.8 T / (T - t)
