"""A tabular model as plain Python objects, laid out for playing one step after another."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from credit_gym.envs.tabular.dynamics import start_thresholds, thresholds
from credit_gym.exact.oracle import optimal_actions
from credit_gym.exact.tabular_model import TabularModel

SPLIT = "all"  # these tasks are not divided into training and evaluation
REFUSAL = "There is no such action here."


class Place(NamedTuple):
    """A state, with all that a step needs to know.

    Attributes:
        observation: the text shown.
        state_key: stable hash of the true state.
        admissible: texts of the admissible actions, in the order of their slots.
        expert: the optimal ones (discount 0.99).
        moves: action text -> outcomes ``(bound, next state, signal)``: the first bound above the draw decides.
        terminal: whether the episode ends here.
        success: whether it ends solved.
        horizon: step limit of the task.
        task_id: unique id of the task.
        goal: the goal in words.
    """

    observation: str
    state_key: str
    admissible: list[str]
    expert: list[str]
    moves: dict[str, tuple[tuple[int, int, float], ...]]
    terminal: bool
    success: bool
    horizon: int
    task_id: str
    goal: str


class Board(NamedTuple):
    """All places, and for each task ``(start, alternative start, bound)``: a draw below the bound takes the second."""

    places: list[Place]
    starts: list[tuple[int, int, int]]


@lru_cache(maxsize=64)
def board(model: TabularModel) -> Board:
    """Lay out a model (once)."""
    expert = optimal_actions(model)
    bounds = thresholds(model.probability)
    horizon = model.horizon[model.task]
    places = []
    for s in range(model.num_states):
        texts = {int(a): model.action_names[model.action_id[s, a]] for a in np.flatnonzero(model.admissible[s])}
        places.append(
            Place(
                observation=model.observations[s],
                state_key=state_key(model.state_names[s]),
                admissible=list(texts.values()),
                expert=[text for a, text in texts.items() if expert[s, a]],
                moves={
                    text: tuple(
                        zip(
                            bounds[s, a].tolist(),
                            model.successor[s, a].tolist(),
                            model.signal[s, a].tolist(),
                            strict=True,
                        )
                    )
                    for a, text in texts.items()
                },
                terminal=bool(model.terminal[s]),
                success=bool(model.success[s]),
                horizon=int(horizon[s]),
                task_id=model.task_names[model.task[s]],
                goal=model.goals[model.task[s]],
            )
        )
    split = start_thresholds(model)
    starts = list(zip(model.start.tolist(), model.start_alternative.tolist(), split.tolist(), strict=True))
    return Board(places, starts)


@lru_cache(maxsize=64)
def with_horizon(model: TabularModel, steps: int) -> TabularModel:
    """Return a model whose tasks all end after so many steps; where fewer are judged than played, it stays so."""
    judged, own = model.evaluation_horizon, model.horizon
    return replace(
        model,
        horizon=np.full_like(own, steps),
        evaluation_horizon=np.where(judged == own, steps, np.minimum(judged, steps)),
    )


def state_key(state_name: str) -> str:
    """Return the stable hash (16 hex digits) of a state's unique name."""
    return hashlib.blake2b(state_name.encode(), digest_size=8).hexdigest()
