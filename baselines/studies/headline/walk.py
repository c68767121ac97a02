"""A text environment walked through to its end on every path, as an exact model of it.

Only for environments without chance, with few messages on offer: every message is tried in every state, by
``clone_state`` and ``restore_state``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym

from credit_gym.envs.tabular.build import Action, Outcome, State, Task

Offer = Callable[[Mapping[str, Any]], Sequence[str]]
"""Messages on offer, by what the environment says of a moment."""
Shown = Callable[[Any, str], str]
"""What the player reads, by the environment and its observation."""
Prior = Callable[[Any, Sequence[str]], Sequence[float]]
"""Probability of each message on offer under the behaviour, by the environment in that moment."""


def walk(env: gym.Env[str, str], task: int, *, offer: Offer, shown: Shown, prior: Prior, horizon: int) -> Task:
    """Return a task with all its states.

    Args:
        env: the environment, not recorded; its ``state_key`` tells its states apart.
        task: which of its tasks.
        offer: the messages to try.
        shown: the text of a state.
        prior: the behaviour.
        horizon: most steps of an episode.
    """
    game: Any = env.unwrapped
    observation, info = game.reset(seed=0, options={"task": task})
    start = info["state_key"]
    found: dict[str, State] = {}
    reached = [(start, game.clone_state(), shown(game, observation), offer(info), False)]
    for depth in range(horizon + 1):
        level, reached = reached, []
        for key, moment, text, messages, won in level:
            if key in found:
                continue
            actions = []
            game.restore_state(moment)
            chances = prior(game, messages) if depth < horizon and messages else ()
            for message, chance in zip(messages, chances, strict=False):
                game.restore_state(moment)
                observation, _, over, _, after = game.step(message)
                actions.append(_action(message, after, chance))
                ended = bool(after.get("success", False))
                entry = (after["state_key"], game.clone_state(), shown(game, observation))
                reached.append((*entry, () if over else offer(after), ended))
            found[key] = State(key, text, tuple(actions), success=won)
    return Task(
        name=info["task"]["id"], goal=info["task"]["goal"], states=tuple(found.values()), start=start, horizon=horizon
    )


def _action(message: str, after: Mapping[str, Any], chance: float) -> Action:
    return Action(message, (Outcome(1.0, after["state_key"], float(after["verifier"])),), (chance,))
