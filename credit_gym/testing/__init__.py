"""Checks for anybody's environments, scorers and agents: each raises AssertionError and says which promise is broken.

- :mod:`~credit_gym.testing.environment_checks`: ``check_env``, ``check_fork``, ``check_seeds``, ``check_no_leak``.
- :mod:`~credit_gym.testing.scorer_checks`: ``check_scorer``.
- :mod:`~credit_gym.testing.agent_checks`: ``check_agent``.
"""

from __future__ import annotations

from credit_gym.testing.agent_checks import check_agent, sample_contexts
from credit_gym.testing.environment_checks import check_env, check_fork, check_no_leak, check_seeds, play
from credit_gym.testing.scorer_checks import check_scorer, sample_batches

__all__ = [
    "check_agent",
    "check_env",
    "check_fork",
    "check_no_leak",
    "check_scorer",
    "check_seeds",
    "play",
    "sample_batches",
    "sample_contexts",
]
