"""Checks that any forkable text environment can be put through, beside Gymnasium's own ``check_env``.

Each raises AssertionError with a sentence that says which promise is broken. They are public: run them on an
environment of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium as gym

from credit_gym import rng

MakeEnv = Callable[[], gym.Env[str, str]]
Record = list[tuple[str, float, bool, bool, str, float]]


def play(env: gym.Env[str, str], info: Mapping[str, Any], steps: int, seed: int) -> Record:
    """Play admissible actions drawn from a seed until the episode ends or ``steps`` are done.

    Args:
        env: an environment in the middle of an episode.
        info: its last info.
        steps: at most this many.
        seed: fixes the actions.

    Returns:
        Observation, reward, terminated, truncated, state key and verifier of each step.
    """
    record: Record = []
    for number in range(steps):
        actions = info["admissible_actions"]
        observation, reward, terminated, truncated, info = env.step(actions[rng.derive(seed, number) % len(actions)])
        record.append((observation, float(reward), terminated, truncated, info["state_key"], info["verifier"]))
        if terminated or truncated:
            break
    return record


def check_info(env: gym.Env[str, str], *, seed: int = 0, steps: int = 40) -> None:
    """Check that every info carries the common keys with their types, and ``success`` at the end."""
    _, info = env.reset(seed=seed)
    assert info["verifier"] == 0.0, "The verifier must read 0.0 at reset."
    for number in range(steps):
        assert set(info["task"]) >= {"id", "split", "goal"}, "info['task'] must have id, split and goal."
        assert isinstance(info["state_key"], str), "info['state_key'] must be text."
        assert isinstance(info["verifier"], float), "info['verifier'] must be a float."
        actions = info["admissible_actions"]
        assert isinstance(actions, list), "info['admissible_actions'] must be a list."
        _, _, terminated, truncated, info = env.step(actions[rng.derive(seed, number) % len(actions)])
        if terminated or truncated:
            assert isinstance(info["success"], bool), "info['success'] must be a bool at the end."
            break


def check_fork(env: gym.Env[str, str], *, seed: int = 0, before: int = 3, after: int = 20) -> None:
    """Check that a fork with the same actions repeats the original, random stream included, and leaves it untouched."""
    unwrapped: Any = env.unwrapped
    _, info = env.reset(seed=seed)
    opening = play(env, info, before, seed)
    if opening and (opening[-1][2] or opening[-1][3]):  # the episode is over: fork at its beginning
        env.reset(seed=seed)
    state = unwrapped.clone_state()
    _, info = unwrapped.restore_state(state)
    original = play(env, info, after, seed + 1)
    _, info = unwrapped.restore_state(state)
    play(env, info, after, seed + 2)
    _, info = unwrapped.restore_state(state)
    assert play(env, info, after, seed + 1) == original, "A fork with the same actions must repeat the original."


def check_seed_isolation(make_env: MakeEnv, *, seeds: int = 200, threads: int = 8, steps: int = 5) -> None:
    """Check that threads which reset with many seeds see what one thread sees: nothing is shared between instances."""

    def episode(env: gym.Env[str, str], seed: int) -> tuple[str, Record]:
        observation, info = env.reset(seed=seed)
        return observation, play(env, info, steps, seed)

    def episodes(offset: int) -> dict[int, tuple[str, Record]]:
        env = make_env()
        played = {seed: episode(env, seed) for seed in range(offset, threads * seeds, threads)}
        env.close()
        return played

    with ThreadPoolExecutor(threads) as pool:
        concurrent = {seed: found for part in pool.map(episodes, range(threads)) for seed, found in part.items()}
    alone = make_env()
    mismatches = sum(episode(alone, seed) != concurrent[seed] for seed in range(threads * seeds))
    alone.close()
    assert mismatches == 0, f"{mismatches} of {threads * seeds} resets gave another episode under {threads} threads."


def check_no_leak_after_reset(env: gym.Env[str, str], *, seed: int = 0, episodes: int = 20, steps: int = 20) -> None:
    """Check that the first observation of a seed is the same after other episodes as in a new environment."""
    first, _ = env.reset(seed=seed)
    for number in range(1, episodes + 1):
        _, info = env.reset(seed=seed + number)
        play(env, info, steps, number)
    again, _ = env.reset(seed=seed)
    assert again == first, "An episode leaked into the next: the same seed gives another first observation."
