"""What a text environment promises: the common info, answers in text, forks, seeds, nothing of the last episode."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import env_checker

from credit_gym import rng

MakeEnv = Callable[[], gym.Env[str, str]]
Record = list[tuple[str, float, bool, bool, str, float]]
Answer = Callable[[Any], Iterable[str]]
"""Reads from an unwrapped environment, after its reset, the texts that would give the answer away."""

_REFUSED = ("", " \n\t", "no such action", "\x00\x1b[31m", "\ud800", '{"name": "nothing", "arguments": 7', "x" * 10_000)
_FREE_TEXT = ("look", "help", "yes", "what is it?")  # where nothing is on offer


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
        observation, reward, terminated, truncated, info = env.step(_drawn(info, seed, number))
        record.append((observation, float(reward), terminated, truncated, info["state_key"], info["verifier"]))
        if terminated or truncated:
            break
    return record


def check_env(env: gym.Env[str, str], *, seed: int = 0, steps: int = 40) -> None:
    """Check what every environment promises: the common info, answers to any text, Gymnasium's own check.

    Where the environment offers forks, they are checked too.

    Args:
        env: the environment; it is reset.
        seed: fixes the episodes and the actions.
        steps: at most this many steps of the episode whose infos are looked at.

    Raises:
        AssertionError: a promise is broken; the sentence says which.
    """
    _check_infos(env, seed, steps)
    for action in _REFUSED:
        _check_answer(env, action, seed)
    if _can_fork(env, seed):
        check_fork(env, seed=seed)
    try:
        env_checker.check_env(env.unwrapped, skip_render_check=env.unwrapped.spec is None)
    except Exception as error:
        raise AssertionError(f"Gymnasium's own check refuses the environment: {error}") from error


def check_fork(env: gym.Env[str, str], *, seed: int = 0, before: int = 3, after: int = 20) -> None:
    """Check that a fork with the same actions repeats the original, random stream included, and leaves it untouched.

    Args:
        env: an environment that can be forked; it is reset.
        seed: fixes the episode and the actions.
        before: steps before the fork.
        after: steps that are compared.

    Raises:
        AssertionError: the fork went another way.
    """
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


def check_seeds(make_env: MakeEnv, *, seeds: int = 200, threads: int = 8, steps: int = 5) -> None:
    """Check that a seed fixes an episode to the byte, in whatever thread, and that no global generator is drawn from.

    Args:
        make_env: builds one environment.
        seeds: seeds of each thread.
        threads: threads that play at the same time, each in an environment of its own.
        steps: steps of each episode.

    Raises:
        AssertionError: a seed gave two episodes, or ``random`` or ``numpy.random`` was touched.
    """

    def episodes(offset: int) -> dict[int, tuple[str, str, Record]]:
        env = make_env()
        played = {seed: _episode(env, seed, steps) for seed in range(offset, threads * seeds, threads)}
        env.close()
        return played

    with ThreadPoolExecutor(threads) as pool:
        concurrent = {seed: found for part in pool.map(episodes, range(threads)) for seed, found in part.items()}
    before = _global_state()
    alone = make_env()
    mismatches = sum(_episode(alone, seed, steps) != concurrent[seed] for seed in range(threads * seeds))
    alone.close()
    assert mismatches == 0, f"{mismatches} of {threads * seeds} resets gave another episode under {threads} threads."
    assert _global_state() == before, "The environment drew from a global generator (random or numpy.random)."


def check_no_leak(
    env: gym.Env[str, str], *, seed: int = 0, episodes: int = 20, steps: int = 20, answer: Answer | None = None
) -> None:
    """Check that nothing of an episode reaches the next, and that what the player is first shown holds no answer.

    Args:
        env: the environment; it is reset.
        seed: fixes the episodes and the actions.
        episodes: how many lie between an episode and its repetition; most are left before their end.
        steps: at most this many steps of each.
        answer: reads what no player may be shown from the environment; None where the player is shown all candidates,
            or nothing is hidden.

    Raises:
        AssertionError: the same seed gave another episode, or the answer stands in the goal or the first observation.
    """
    first = _episode(env, seed, steps)
    for number in range(1, episodes + 1):
        observation, info = env.reset(seed=seed + number)
        shown = f"{info['task']['goal']}\n{observation}".casefold()
        for text in answer(env.unwrapped) if answer else ():
            assert text.casefold() not in shown, f"The player is shown the answer {text!r} at the start."
        play(env, info, steps, number)
    again = _episode(env, seed, steps)
    assert again == first, "An episode leaked into the next: the same seed gives another episode."


def _drawn(info: Mapping[str, Any], seed: int, number: int) -> str:
    actions = info.get("admissible_actions") or info.get("expert_actions") or _FREE_TEXT
    return str(actions[rng.derive(seed, number) % len(actions)])


def _episode(env: gym.Env[str, str], seed: int, steps: int) -> tuple[str, str, Record]:
    observation, info = env.reset(seed=seed)
    return observation, info["state_key"], play(env, info, steps, seed)


def _check_infos(env: gym.Env[str, str], seed: int, steps: int) -> None:
    _, info = env.reset(seed=seed)
    _check_info(info)
    assert info["verifier"] == 0.0, "The verifier must read 0.0 at reset."
    for number in range(steps):
        _, _, terminated, truncated, info = env.step(_drawn(info, seed, number))
        _check_info(info)
        if terminated or truncated:
            assert isinstance(info.get("success"), bool), "info['success'] must be a bool at the end."
            break


def _check_info(info: Mapping[str, Any]) -> None:
    assert set(info.get("task", ())) >= {"id", "split", "goal"}, "info['task'] must have id, split and goal."
    assert isinstance(info.get("state_key"), str), "info['state_key'] must be text."
    assert isinstance(info.get("verifier"), float), "info['verifier'] must be a float."
    for name in ("admissible_actions", "expert_actions"):
        actions = info.get(name, [])
        assert isinstance(actions, list), f"info[{name!r}] must be a list."
        assert all(isinstance(action, str) for action in actions), f"info[{name!r}] must hold nothing but text."
    assert isinstance(info.get("invalid", False), bool), "info['invalid'] must be a bool."


def _check_answer(env: gym.Env[str, str], action: str, seed: int) -> None:
    """Check that an action nobody offered is answered in text, and that the episode goes on unless it ended it."""
    env.reset(seed=seed)
    shown = f"{action[:40]!r}"
    try:
        observation, reward, terminated, truncated, after = env.step(action)
        if not (terminated or truncated):
            env.step(_drawn(after, seed, 0))
    except Exception as error:
        raise AssertionError(f"The action {shown} raised {error!r}; a refused action is answered in text.") from error
    assert isinstance(observation, str), f"The action {shown} was not answered in text."
    assert math.isfinite(reward), f"The action {shown} earned {reward}, which is no finite number."
    _check_info(after)


def _can_fork(env: gym.Env[str, str], seed: int) -> bool:
    env.reset(seed=seed)
    unwrapped: Any = env.unwrapped
    try:
        unwrapped.clone_state()
    except (AttributeError, NotImplementedError):
        return False
    return True


def _global_state() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (that nobody touches it is the point)
    return random.getstate(), kind, np.asarray(keys).tobytes(), *rest
