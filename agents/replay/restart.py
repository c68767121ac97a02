"""Restart states: any point of a replay tree as plain JSON, from which it can be reached again elsewhere."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from credit_gym.agents.replay.points import Point, Tree


def restart_state(tree: Tree, point: Point) -> dict[str, Any]:
    """Return how to reach a point: the reset, and each action with the random stream that it was played with.

    The result holds only texts, numbers and None, so it survives ``json.dumps``.
    """
    steps = []
    here = point
    while here.parent is not None:
        steps.append([str(here.action), here.stream])
        here = here.parent
    options = None if tree.options is None else dict(tree.options)
    return {"env_id": tree.env_id, "seed": tree.seed, "options": options, "steps": steps[::-1]}


def restart(env: gym.Env[str, str], state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Bring an environment to the point that :func:`restart_state` described; return its observation and info."""
    unwrapped: Any = env.unwrapped
    observation, info = unwrapped.reset(seed=state["seed"], options=state["options"])
    for action, stream in state["steps"]:
        if stream is not None:
            unwrapped.stream = stream
        observation, _, _, _, info = unwrapped.step(action)
    return observation, info
