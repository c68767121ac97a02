"""One episode as a conversation: it yields what the agent sees, is sent the answer, and returns its record.

Whoever drives it decides how the agent is asked (called, awaited) and on which thread the environment steps; what an
episode is, and what happens when something goes wrong in it, is written here once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeAlias

import gymnasium as gym

from credit_gym.agents.core import Context, Due
from credit_gym.data.action_format import format_at
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.recorder import Recorder

MakeEnv: TypeAlias = Callable[[], gym.Env[str, str]]
Turns: TypeAlias = Generator[Context, str | None, Episode]


def episode_turns(
    env: gym.Env[str, str],
    *,
    agent_id: str,
    seed: int,
    episode_id: str,
    group_id: str,
    options: dict[str, Any] | None = None,
) -> Turns:
    """Play one episode from its reset.

    An exception of the environment, or one thrown in by the driver for the agent, ends the episode: the record holds
    the steps so far and the exception in its ``error``. So does a value that no record can hold
    (:class:`~credit_gym.wrappers.recorder.Recorder`); nothing more is asked of the agent then.

    Args:
        env: the environment.
        agent_id: who plays.
        seed: seed of the reset and of the agent's draws.
        episode_id: id of the record.
        group_id: group of the record.
        options: options of the reset.

    Yields:
        What the agent sees; its action is to be sent.

    Returns:
        The record.
    """
    recorder = Recorder.of(env)
    failure: str | None = None
    game = env.unwrapped
    try:
        observation, info = env.reset(seed=seed, options=options)
        recorder.start(observation, info, seed=seed)
        history: tuple[tuple[str, str], ...] = ()
        earlier: tuple[Due, ...] = ()
        declared = format_at(game, {})
        while not (recorder.over or recorder.error):
            offered = recorder.admissible_actions
            form = format_at(game, info) if "action_format" in info else declared
            context = Context(recorder.goal, observation, history, offered, info, len(history), seed, form, earlier)
            action = yield context
            if not isinstance(action, str):
                raise TypeError(f"the agent answered {type(action).__name__}, not text")
            history = (*history, (observation, action))  # an Action keeps the tokens that were sampled
            earlier = (*earlier, context.due)
            observation, reward, terminated, truncated, info = env.step(action)
            recorder.add(action, observation, reward, info, terminated=terminated, truncated=truncated)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the other episodes of the run must go on
        failure = f"{type(error).__name__}: {error}"
    return recorder.finish(episode_id=episode_id, group_id=group_id, agent_id=agent_id, error=failure)


def go_on(turns: Turns, answer: str | Exception | None) -> Context | Episode:
    """Send an answer and return what comes next: the following context, or the record of the episode.

    Args:
        turns: the episode.
        answer: None to begin, the agent's action, or the exception that it raised instead.
    """
    try:
        return turns.throw(answer) if isinstance(answer, Exception) else turns.send(answer)
    except StopIteration as end:
        record: Episode = end.value
        return record


def cut_short(turns: Turns) -> Episode:
    """Return the record of an episode under way that a limit outside of it stops here: it is truncated."""
    stopped = go_on(turns, CreditGymError("a limit stopped it"))
    assert isinstance(stopped, Episode)
    return replace(stopped, error=None, truncated=True)
