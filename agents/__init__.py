"""Agents that play the environments, and the runner that lets them."""

from __future__ import annotations

from credit_gym.agents.core import Action, Agent, Context
from credit_gym.agents.learning.score_table import ScoreTable, ScoreTableAgent
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.scripted import NoisyExpert, RandomAgent, ScriptedExpert
from credit_gym.agents.spec import parse_agent

__all__ = [
    "Action",
    "Agent",
    "Batched",
    "Context",
    "NoisyExpert",
    "RandomAgent",
    "ScoreTable",
    "ScoreTableAgent",
    "ScriptedExpert",
    "parse_agent",
    "run_episodes",
]
