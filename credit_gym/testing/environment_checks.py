"""What a text environment promises: the common info, answers in text, forks, seeds, nothing of the last episode."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.utils import env_checker

from credit_gym import rng

MakeEnv = Callable[[], gym.Env[str, str]]
Record = list[tuple[str, float, bool, bool, str, float]]
Turn = tuple[str, float, bool, bool, Mapping[str, Any]]
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

    Raises:
        AssertionError: a step broke a promise that can be seen in it alone, or the task changed.
    """
    return [
        (observation, reward, terminated, truncated, after["state_key"], after["verifier"])
        for observation, reward, terminated, truncated, after in _steps(env, info, steps, seed)
    ]


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
    _reset(env, seed)
    if _clone(env.unwrapped) is not None:
        check_fork(env, seed=seed)
    try:
        env_checker.check_env(env.unwrapped, skip_render_check=env.unwrapped.spec is None)
    except Exception as error:
        raise AssertionError(f"Gymnasium's own check refuses the environment: {error!r}") from error


def check_fork(env: gym.Env[str, str], *, seed: int = 0, before: int = 3, after: int = 20) -> None:
    """Check that a fork with the same actions repeats the original, random stream included, and leaves it untouched.

    The original is what the environment does when it is simply played on after ``clone_state``. Wrappers are left
    aside: they know nothing of forks.

    Args:
        env: an environment that can be forked; it is reset.
        seed: fixes the episode and the actions.
        before: steps before the fork.
        after: steps that are compared.

    Raises:
        AssertionError: the fork went another way, or the environment cannot be forked.
    """
    game = env.unwrapped
    observation, info = _reset(game, seed)
    turns = list(_steps(game, info, before, seed))
    if turns and not (turns[-1][2] or turns[-1][3]):
        observation, info = turns[-1][0], turns[-1][4]
    else:  # the episode is over: fork at its beginning
        observation, info = _reset(game, seed)
    moment = observation, info["state_key"]
    cloned = _clone(game)
    assert cloned is not None, f"{type(game).__name__} cannot be forked: it needs clone_state and restore_state."
    original = play(game, info, after, seed + 1)
    drawn = _global_state()
    for played_between in (False, True):
        observation, info = _restore(game, cloned)
        if played_between:
            play(game, info, after, seed + 2)
            observation, info = _restore(game, cloned)
        same = (observation, info["state_key"]) == moment and play(game, info, after, seed + 1) == original
        _check_globals(drawn)
        assert same, "A fork with the same actions must repeat the original."


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
    mismatches = 0
    for seed in range(threads * seeds):
        mismatches += _episode(alone, seed, steps) != concurrent[seed]
        _check_globals(before)
    alone.close()
    assert mismatches == 0, f"{mismatches} of {threads * seeds} resets gave another episode under {threads} threads."


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
        AssertionError: the same seed gave another episode, the answer stands in the goal or the first observation, or
            ``random`` or ``numpy.random`` was touched.
    """
    first = _episode(env, seed, steps)
    before = _global_state()
    for number in range(1, episodes + 1):
        observation, info = _reset(env, seed + number)
        shown = f"{info['task']['goal']}\n{observation}".casefold()
        for text in answer(env.unwrapped) if answer else ():
            assert text.casefold() not in shown, f"The player is shown the answer {text!r} at the start."
        play(env, info, steps, number)
    again = _episode(env, seed, steps)
    _check_globals(before)
    assert again == first, "An episode leaked into the next: the same seed gives another episode."


def _drawn(info: Mapping[str, Any], seed: int, number: int) -> str:
    actions = info.get("admissible_actions") or info.get("expert_actions") or _FREE_TEXT
    return str(actions[rng.derive(seed, number) % len(actions)])


def _steps(env: gym.Env[str, str], info: Mapping[str, Any], steps: int, seed: int) -> Iterator[Turn]:
    """Step by actions drawn from a seed until the episode ends, checking what each step shows."""
    task = _task(info)
    for number in range(steps):
        turn = _step(env, _drawn(info, seed, number))
        _, _, terminated, truncated, info = turn
        assert _task(info) == task, f"info['task'] must stay {task} for the whole episode, not turn into {_task(info)}."
        yield turn
        if terminated or truncated:
            break


def _episode(env: gym.Env[str, str], seed: int, steps: int) -> tuple[str, str, Record]:
    observation, info = _reset(env, seed)
    return observation, info["state_key"], play(env, info, steps, seed)


def _reset(env: gym.Env[str, str], seed: int) -> tuple[str, Mapping[str, Any]]:
    return _moment("reset", lambda: env.reset(seed=seed))


def _restore(game: Any, cloned: tuple[Any]) -> tuple[str, Mapping[str, Any]]:
    return _moment("restore_state", lambda: game.restore_state(cloned[0]))


def _moment(name: str, call: Callable[[], Any]) -> tuple[str, Mapping[str, Any]]:
    """The observation and info that a method returns, checked."""
    try:
        found = call()
    except Exception as error:
        raise AssertionError(f"{name} raised {error!r}.") from error
    pair = isinstance(found, tuple) and len(found) == 2
    assert pair, f"{name} must return a pair, observation and info, not {type(found).__name__}."
    observation, info = found
    assert isinstance(observation, str), f"The observation of {name} must be text, not {type(observation).__name__}."
    _check_info(info)
    return observation, info


def _step(env: gym.Env[str, str], action: str) -> Turn:
    shown = f"{action[:40]!r}"
    try:
        found: Any = env.step(action)
    except Exception as error:
        raise AssertionError(f"The action {shown} raised {error!r}; every action is answered in text.") from error
    five = isinstance(found, tuple) and len(found) == 5
    assert five, "step must return five things: observation, reward, terminated, truncated and info."
    observation, reward, terminated, truncated, info = found
    assert isinstance(observation, str), f"The action {shown} was not answered in text."
    number = isinstance(reward, SupportsFloat) and math.isfinite(reward)
    assert number, f"The action {shown} earned {reward!r}, which is no finite number."
    _check_info(info)
    return observation, float(reward), terminated, truncated, info


def _clone(game: Any) -> tuple[Any] | None:
    """The state of a game that was reset, in a tuple since it may be anything; None if it cannot be forked."""
    if not (hasattr(game, "clone_state") and hasattr(game, "restore_state")):
        return None
    try:
        return (game.clone_state(),)
    except NotImplementedError:
        return None
    except Exception as error:
        raise AssertionError(f"clone_state raised {error!r}.") from error


def _check_infos(env: gym.Env[str, str], seed: int, steps: int) -> None:
    _, info = _reset(env, seed)
    assert info["verifier"] == 0.0, "The verifier must read 0.0 at reset."
    for _, _, terminated, truncated, after in _steps(env, info, steps, seed):
        if terminated or truncated:
            assert isinstance(after.get("success"), bool), "info['success'] must be a bool at the end."


def _check_info(info: Any) -> None:
    assert isinstance(info, Mapping), f"info must be a dict, not {type(info).__name__}."
    task = info.get("task")
    named = isinstance(task, Mapping) and set(task) >= {"id", "split", "goal"}
    assert named, "info['task'] must have id, split and goal."
    assert isinstance(info.get("state_key"), str), "info['state_key'] must be text."
    verifier = info.get("verifier")
    assert isinstance(verifier, float), "info['verifier'] must be a float."
    assert math.isfinite(verifier), f"info['verifier'] must be a finite number, not {verifier}."
    for name in ("admissible_actions", "expert_actions"):
        actions = info.get(name, [])
        assert isinstance(actions, list), f"info[{name!r}] must be a list."
        assert all(isinstance(action, str) for action in actions), f"info[{name!r}] must hold nothing but text."
    assert isinstance(info.get("invalid", False), bool), "info['invalid'] must be a bool."


def _task(info: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    task = info["task"]
    return task["id"], task["split"], task["goal"]


def _check_answer(env: gym.Env[str, str], action: str, seed: int) -> None:
    """Check that an action nobody offered is answered in text, and that the episode goes on unless it ended it."""
    _reset(env, seed)
    _, _, terminated, truncated, after = _step(env, action)
    if not (terminated or truncated):
        _step(env, _drawn(after, seed, 0))


def _check_globals(before: tuple[object, ...]) -> None:
    assert _global_state() == before, "The environment drew from a global generator (random or numpy.random)."


def _global_state() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (that nobody touches it is the point)
    return random.getstate(), kind, np.asarray(keys).tobytes(), *rest
