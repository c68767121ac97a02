"""Suites of one diagnostic task: the same maze under different priors, room numbers and controls."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache

from credit_gym import rng
from credit_gym.envs.tabular.build import State, Task, build_model
from credit_gym.envs.tabular.diseases import MAZES, Maze
from credit_gym.envs.tabular.sketch import dress
from credit_gym.errors import unknown
from credit_gym.estimation.ranges import Count, Share, Whole
from credit_gym.exact.tabular_model import TabularModel

DIAGNOSTIC_TASKS = tuple(MAZES)


@lru_cache(maxsize=64)
def diagnostic_model(
    task: str = "selfloop",
    num_tasks: Count = 6,
    suite_seed: Whole = 0,
    exploration: Share = 0.5,
    verifier_noise: Share = 0.02,
) -> TabularModel:
    """Return instances of one diagnostic task side by side; :mod:`credit_gym.envs.tabular.diseases` describes them.

    Args:
        task: one of ``DIAGNOSTIC_TASKS``.
        num_tasks: instances; they differ in the prior policy and in the texts.
        suite_seed: fixes the whole suite; instance i does not depend on ``num_tasks``.
        exploration: share of uniformly random actions in the behaviour, in [0, 1].
        verifier_noise: probability that a reading is replaced by one of the other two values of {-1, 0, 1}.

    Raises:
        UnknownNameError: there is no such diagnostic task.
    """
    if task not in MAZES:
        raise unknown("diagnostic task", task, MAZES)
    maze = MAZES[task]()
    instances = [_instance(task, maze, index, suite_seed, exploration) for index in range(num_tasks)]
    return build_model(instances, verifier_noise=verifier_noise, behaviour_weight=maze.behaviour_weight)


def _instance(task: str, maze: Maze, index: int, suite_seed: int, exploration: float) -> Task:
    family = int.from_bytes(task.encode(), "big")
    chance = random.Random(rng.derive(family, suite_seed, index))
    states = _rooms(maze, f"maze {index}", exploration, chance)
    states.append(State("pit", f"You fell into a pit: the search of maze {index} is over."))
    states.append(State("exit", f"You walk out of maze {index}.", success=True))
    return Task(
        name=f"{task}-{suite_seed}-{index}",
        goal=f"Find the way out of maze {index}.",
        states=tuple(states),
        start=next(iter(maze.rooms)),
        start_alternative=maze.start_alternative,
        start_split=0.5 if maze.start_alternative else 0.0,
        horizon=maze.horizon,
        evaluation_horizon=maze.evaluation_horizon,
    )


def _rooms(maze: Maze, place: str, exploration: float, chance: random.Random) -> list[State]:
    """Dress the rooms under shuffled numbers; a twin gets the number, the controls and the prior of its double."""
    numbers: Mapping[str, int] = dict(zip(maze.rooms, chance.sample(range(1, 100), len(maze.rooms)), strict=True))
    looks = {name: chance.getrandbits(64) for name in maze.rooms}
    states = []
    for name, moves in maze.rooms.items():
        double = maze.twins.get(name, name)
        where = f"You are in room {numbers[double]} of {place}."
        states.append(dress(name, where, moves, exploration=exploration, rng=random.Random(looks[double])))
    return states
