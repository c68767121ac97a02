"""Many rooms of Sokoban stepped in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from credit_gym import rng
from credit_gym.data.grouping import BoolArray, FloatArray
from credit_gym.envs.sokoban.place import Places, places
from credit_gym.envs.sokoban.room import Position
from credit_gym.envs.sokoban.tasks import Tasks, list_tasks
from credit_gym.envs.sokoban.turns import Form, Reward, Rules, advice, turn
from credit_gym.envs.text_vector_env import Actions, TextVectorEnv, masked, objects, task_list
from credit_gym.estimation.ranges import Count, Whole

Observations = tuple[str, ...]


class SokobanVectorEnv(TextVectorEnv):
    """n copies of :class:`~credit_gym.envs.sokoban.env.SokobanEnv`, step for step the same as n single ones.

    A copy that ended is reset by the next ``step``, whose action it ignores (Gymnasium's ``NEXT_STEP`` mode). Actions
    are n texts, or (n,) integers: positions in the lists of admissible actions. ``infos`` holds (n,) arrays and, as
    Gymnasium asks, a mask ``_name`` for each: what a single environment's info has, lists as tuples.

    Args:
        num_envs: n.
        split: as all that follow, see :class:`~credit_gym.envs.sokoban.env.SokobanEnv`.
        num_tasks: how many rooms there are.
        width: cells a row.
        height: rows.
        boxes: boxes, and targets.
        least_moves: no room is solved in fewer moves.
        form: what an action is.
        most_moves: moves of a list that are made.
        max_steps: the episode is truncated after so many actions.
        reward: ``success`` or ``published``.
        levels: a file of rooms.
        room_seed: which rooms are made.
        max_episode_steps: takes the place of ``max_steps`` where that is not given, as Gymnasium's ``TimeLimit`` does.

    Raises:
        UnknownNameError: there is no such split.
        ManifestError: the file has a room that is none.
        gymnasium.error.Error: the limit is none that can hold.
    """

    def __init__(
        self,
        num_envs: Count = 1,
        *,
        split: str = "train",
        num_tasks: Count = 120,
        width: Count = 6,
        height: Count = 6,
        boxes: Count = 1,
        least_moves: Whole = 5,
        form: Form = "one",
        most_moves: Count = 5,
        max_steps: Count = 30,
        reward: Reward = "success",
        levels: str | os.PathLike[str] | None = None,
        room_seed: Whole = 0,
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(num_envs, max_episode_steps=max_episode_steps)
        most_steps = self._own_limit(max_steps, "max_steps")
        self.rules = Rules(form, most_moves if form == "list" else 1, most_steps, reward)
        size = {"width": width, "height": height, "boxes": boxes, "least_moves": least_moves}
        self.tasks: Tasks = list_tasks(split, num_tasks, levels=levels, room_seed=room_seed, **size)
        self._streams = [0] * num_envs
        self._places: list[Places] = []
        self._positions = [Position(0, 0)] * num_envs
        self._about = {name: objects([""] * num_envs) for name in ("id", "split", "goal")}
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=np.bool_)

    def _seed(self, seeds: Sequence[int | None]) -> None:
        self._streams = [
            stream if seed is None else rng.derive(seed) for stream, seed in zip(self._streams, seeds, strict=True)
        ]

    def _start(self, options: Mapping[str, Any] | None) -> tuple[Observations, dict[str, Any]]:
        tasks = [self._drawn(copy) for copy in range(self.num_envs)]
        if options is not None and "task" in options:
            tasks = task_list(options["task"], self.num_envs, len(self.tasks))
        self._places = [places(self.tasks[0]().room)] * self.num_envs
        observations = tuple(self._begin(copy, task) for copy, task in enumerate(tasks))
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.zeros(self.num_envs, dtype=np.bool_)
        return observations, self._infos(np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=np.bool_))

    def _move(self, actions: Actions) -> tuple[Observations, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        texts = self._texts(actions)
        observations, over = [""] * self.num_envs, self._over.tolist()
        reward, verifier = [0.0] * self.num_envs, [0.0] * self.num_envs
        invalid, solved = [False] * self.num_envs, [False] * self.num_envs
        for copy, action in enumerate(texts):
            if over[copy]:
                observations[copy] = self._begin(copy, self._drawn(copy))
                continue
            self._positions[copy], observations[copy], reward[copy], verifier[copy], invalid[copy] = turn(
                self.rules, self._places[copy], self._positions[copy], action
            )
            solved[copy] = self._places[copy][self._positions[copy]].solved
        self._steps = np.where(self._over, 0, self._steps + 1)
        terminated = np.array(solved, dtype=np.bool_)
        truncated = self._late(self._steps) | ((self._steps >= self.rules.max_steps) & ~terminated)
        self._over = terminated | truncated
        infos = self._infos(np.array(verifier), np.array(invalid, dtype=np.bool_))
        return tuple(observations), np.array(reward), terminated, truncated, infos

    def _texts(self, actions: Actions) -> list[str]:
        if isinstance(actions[0], str):
            return [str(action) for action in actions]
        offered = [own[here].admissible for own, here in zip(self._places, self._positions, strict=True)]
        chosen = np.asarray(actions, dtype=np.int64).tolist()
        return [moves[i] if 0 <= i < len(moves) else "" for i, moves in zip(chosen, offered, strict=True)]

    def _drawn(self, copy: int) -> int:
        """The room that the stream of a copy draws next."""
        stream = self._streams[copy] = rng.advance(self._streams[copy])
        return (rng.mix(stream) >> 32) * len(self.tasks) >> 32

    def _begin(self, copy: int, number: int) -> str:
        """Start an episode of a copy; return its first observation."""
        task = self.tasks[number]()
        self._places[copy], self._positions[copy] = places(task.room), task.start
        for name, column in self._about.items():
            column[copy] = task.about[name]
        return self._places[copy][task.start].picture

    def _infos(self, verifier: FloatArray, invalid: BoolArray) -> dict[str, Any]:
        here = [own[position] for own, position in zip(self._places, self._positions, strict=True)]
        limit = self._least(np.full(self.num_envs, self.rules.max_steps))
        columns: dict[str, Any] = {
            "task": masked({name: column.copy() for name, column in self._about.items()}),
            "state_key": objects(place.key for place in here),
            "admissible_actions": objects(place.admissible for place in here),
            "verifier": verifier,
            "exact_verifier": np.array([place.exact for place in here]),
            "deadlock": np.array([place.deadlock for place in here]),
            "boxes_on_target": np.array([place.placed for place in here]),
            "invalid": invalid,
            "step_limit": limit,
            "steps_left": limit - self._steps,
        }
        infos = masked(columns)
        infos |= {"success": np.array([place.solved for place in here]), "_success": self._over.copy()}
        exact = columns["exact_verifier"]
        if exact.any():
            advised = (tuple(advice(self.rules, *each)) for each in zip(self._places, here, strict=True))
            infos |= {"distance": np.array([place.left for place in here]), "_distance": exact}
            infos |= {"expert_actions": objects(advised), "_expert_actions": exact}
        return infos
