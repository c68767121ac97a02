"""Speed-table lines of the games: whole episodes played by their experts, and single steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial

import gymnasium as gym

from credit_gym.baselines.speed.measurement import Measurement


def games() -> Iterator[Measurement]:
    """1,000 games of 20 questions in 5 seconds, 200 of tau2's embedded domain in 10; a step with tools in 50 µs."""
    yield Measurement(
        "TwentyQuestions, 1,000 games of the random player",
        "s",
        5.0,
        lambda: _random(1000),
        "time",
        lower_is_better=True,
    )
    yield Measurement(
        "Tau2 library, 200 episodes of the expert", "s", 10.0, lambda: _expert(200), "time", lower_is_better=True
    )
    for name, env_id in (("Tau2 library", "credit/Tau2-v0"), ("FunctionCalls, embedded", "credit/FunctionCalls-v0")):
        yield Measurement(
            f"{name}, median step", "µs", 50.0, partial(_median_step, env_id), "value", lower_is_better=True
        )
    yield Measurement("Sokoban, raw, resets at episode ends included", "steps/s", 2e5, lambda: _sokoban(50_000))


def _expert(episodes: int) -> float:
    """Play the expert's actions; return the number of steps."""
    env = gym.make("credit/Tau2-v0", disable_env_checker=True)
    steps = 0
    for episode in range(episodes):
        _, info = env.reset(seed=episode)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(info["expert_actions"][0])
            over = terminated or truncated
            steps += 1
    env.close()
    return float(steps)


def _median_step(env_id: str) -> float:
    """Median time of a step in the expert's episodes, microseconds: the least of three rounds."""
    env = gym.make(env_id, disable_env_checker=True).unwrapped
    rounds = []
    for _ in range(3):
        times = []
        for episode in range(100):
            _, info = env.reset(seed=episode)
            over = False
            while not over:
                action = info["expert_actions"][0]
                began = time.perf_counter()
                _, _, terminated, truncated, info = env.step(action)
                times.append(time.perf_counter() - began)
                over = terminated or truncated
        rounds.append(statistics.median(times))
    env.close()
    return 1e6 * min(rounds)


def _sokoban(steps: int) -> float:
    """Move at random in the rooms of the default size; return the number of steps."""
    env = gym.make("credit/Sokoban-v0", disable_env_checker=True).unwrapped
    moves = ("Up", "Down", "Left", "Right")
    env.reset(seed=0)
    for step in range(steps):
        _, _, terminated, truncated, _ = env.step(moves[step * 7919 >> 3 & 3])
        if terminated or truncated:
            env.reset()
    return float(steps)


def _random(games: int) -> float:
    """Play offered questions and guesses in turn; return the number of steps."""
    env = gym.make("credit/TwentyQuestions-v0", expert=False, disable_env_checker=True)
    steps = 0
    for game in range(games):
        _, info = env.reset(seed=game)
        over = False
        while not over:
            offered = info["admissible_actions"]
            _, _, terminated, truncated, info = env.step(offered[(7919 * steps + game) % len(offered)])
            over = terminated or truncated
            steps += 1
    env.close()
    return float(steps)
