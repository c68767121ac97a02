"""Who plays, how episodes are played, and what is done with a language model beside playing.

At the root: ``core`` (contexts, actions, what an agent is), ``spec`` (agents by name), ``imported`` (those of
other people), ``scripted`` (random, expert, noisy expert), ``score_table`` and ``human``. The rooms, each of which
imports from those above it only:

- ``llm``: how a language model is asked. ``rollout``: how episodes are played.
- ``likelihood``: what a model says of text that exists. ``replay``: going back to a decision.
- ``learning``: learners on tables, and the training of language models.
"""

from __future__ import annotations

from credit_gym.agents.core import Action, Agent, Context
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.score_table import ScoreTable, ScoreTableAgent
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
