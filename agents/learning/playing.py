"""Playing on-policy: many episodes in lockstep, one call of the agent for all of them at every turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import gymnasium as gym

from credit_gym.agents.core import Agent, Context
from credit_gym.agents.rollout.turns import Turns, episode_turns, go_on
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError


class Seat(NamedTuple):
    """An episode to be played.

    Attributes:
        seed: of its reset and of the agent's draws.
        episode_id: id of its record.
        group_id: the episodes that it is compared with.
        task: number of its task.
    """

    seed: int
    episode_id: str
    group_id: str
    task: int


def seated(env: gym.Env[str, str], agent_id: str, seat: Seat) -> Turns:
    """Return the episode of a seat, about to be played."""
    return episode_turns(
        env,
        agent_id=agent_id,
        seed=seat.seed,
        episode_id=seat.episode_id,
        group_id=seat.group_id,
        options={"task": seat.task},
    )


def play_together(envs: Sequence[gym.Env[str, str]], agent: Agent, seats: Sequence[Seat]) -> list[Episode]:
    """Play one episode in each environment; all episodes in play make one call of the agent per turn.

    Args:
        envs: as many as there are seats, or more.
        agent: who plays.
        seats: the episodes.

    Returns:
        Their records, in order; one whose environment raised, or that the agent could not answer, has an ``error``.
    """
    turns = [seated(env, agent.name, seat) for env, seat in zip(envs, seats, strict=False)]
    moments: list[Context | Episode] = [go_on(turn, None) for turn in turns]
    while waiting := [(index, moment) for index, moment in enumerate(moments) if isinstance(moment, Context)]:
        answers = _answers(agent, [context for _, context in waiting])
        for (index, _), answer in zip(waiting, answers, strict=True):
            moments[index] = go_on(turns[index], answer)
    return [moment for moment in moments if isinstance(moment, Episode)]


def _answers(agent: Agent, contexts: Sequence[Context]) -> Sequence[str | Exception]:
    """The actions; where one context cannot be answered (its chat is too long), that error alone in its place."""
    try:
        return agent.act(contexts)
    except CreditGymError as error:
        return [error] if len(contexts) == 1 else [_answers(agent, [context])[0] for context in contexts]
