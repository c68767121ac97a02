"""Conversations of a noisy clerk at the desk of the embedded tau2 domain."""

from __future__ import annotations

import gymnasium as gym

from credit_gym.agents.rollout.runner import play_episode
from credit_gym.agents.scripted import NoisyExpert
from credit_gym.data.episode import Episode
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.results import Simulation, from_moment
from credit_gym.wrappers import RecordVerifier


def played(count: int = 12, epsilon: float = 0.3) -> tuple[Tau2Env, list[Episode], list[Simulation]]:
    """Episodes of a noisy clerk, and the same conversations as the environment itself has them."""
    env = Tau2Env(split="all")
    wrapped: gym.Env[str, str] = RecordVerifier(env)
    episodes, simulations = [], []
    for number in range(count):
        episode = play_episode(
            wrapped, NoisyExpert(epsilon), seed=number, episode_id=str(number), group_id="g", options={"task": number}
        )
        assert episode.error is None
        episodes.append(episode)
        simulations.append(from_moment(env.domain, env.task, env.moment, id=str(number), seed=number))
    return env, episodes, simulations
