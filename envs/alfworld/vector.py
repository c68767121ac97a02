"""Many ALFWorld games stepped in one call, on the native engine."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from credit_gym import rng
from credit_gym.data.grouping import BoolArray, FloatArray
from credit_gym.envs.alfworld.answers import answer
from credit_gym.envs.alfworld.env import NOTHING_HAPPENS, ALFWorldEnv
from credit_gym.envs.alfworld.native_engine import State, admissible, adopt, commands, find, listed, step
from credit_gym.envs.alfworld.progress import Arrivals, Progress
from credit_gym.envs.alfworld.rules import Operator
from credit_gym.envs.alfworld.tasks import list_tasks, load_native
from credit_gym.envs.text_vector_env import Actions, TextVectorEnv, masked, objects, task_list
from credit_gym.estimation.ranges import Count

Observations = tuple[str, ...]


class ALFWorldVectorEnv(TextVectorEnv):
    """n copies of :class:`~credit_gym.envs.alfworld.env.ALFWorldEnv`, step for step the same as n single ones.

    A copy that ended is reset by the next ``step``, whose action it ignores (Gymnasium's ``NEXT_STEP`` mode). Copies
    that play the same game share what has been worked out about it, so groups of rollouts are cheapest.

    Actions are n texts, or (n,) integers: positions in the lists of admissible actions. ``infos`` holds (n,) arrays
    and, as Gymnasium asks, a mask ``_name`` for each: what a single environment's info has, lists as tuples.

    Args:
        num_envs: n.
        split: ``train``, ``valid_seen`` or ``valid_unseen``.
        num_tasks: how many tasks to generate.
        task_types: which of the six task types to play, all by default.
        max_steps: episodes are truncated after this many steps.
        data: the folder of the real games, by default the variable ``ALFWORLD_DATA``.
        admissible: whether ``infos`` has ``admissible_actions``; :meth:`admissible_actions` tells them in any case.
        verifier: whether ``infos`` has ``verifier``, ``exact_verifier`` and ``distance``. Without these and the lists,
            steps are fastest.
        expert: whether ``infos`` has ``expert_actions`` ("optimal"), or not ("none").
        max_episode_steps: takes the place of ``max_steps`` where that is not given, as Gymnasium's ``TimeLimit`` does.

    Raises:
        UnknownNameError: there is no such split or task type.
        ManifestError: the data folder has no such games.
        gymnasium.error.Error: the limit is none that can hold.
    """

    def __init__(
        self,
        num_envs: Count = 1,
        *,
        split: str = "train",
        num_tasks: Count = 120,
        task_types: Collection[str] | None = None,
        max_steps: Count = 50,
        data: str | os.PathLike[str] | None = None,
        admissible: bool = True,
        verifier: bool = True,
        expert: Literal["optimal", "none"] = "optimal",
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(num_envs, max_episode_steps=max_episode_steps)
        self.max_steps = self._own_limit(max_steps, "max_steps")
        self._admissible, self._verifier, self._expert = admissible, verifier, expert
        self.tasks = list_tasks(split, num_tasks, task_types, data)
        self._streams: list[int] = []
        self._playing = [0] * num_envs  # the task of each copy
        self._states: list[State] = []
        self._distances = [0.0] * num_envs
        self._progress: list[Progress] = []
        self._arrivals: list[Arrivals] = []
        self._about = {name: objects([""] * num_envs) for name in ("id", "split", "goal", "type")}
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=np.bool_)

    def admissible_actions(self, copy: int) -> tuple[str, ...]:
        """Return everything that can be typed in a copy, sorted."""
        return admissible(self._states[copy])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_progress": [], "_arrivals": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Adopt the states, which travel as the commands that lead to them."""
        vars(self).update(state)
        games = [load_native(self.tasks[task]) for task, _ in zip(self._playing, self._states, strict=False)]
        self._states = [adopt(loaded.game, here) for loaded, here in zip(games, self._states, strict=True)]
        self._progress = [loaded.progress for loaded in games]
        self._arrivals = [loaded.progress.arrivals(here) for loaded, here in zip(games, self._states, strict=True)]

    def _seed(self, seeds: Sequence[int | None]) -> None:
        before = self._streams or [0] * self.num_envs
        self._streams = [
            stream if seed is None else rng.derive(seed) for stream, seed in zip(before, seeds, strict=True)
        ]

    def _start(self, options: Mapping[str, Any] | None) -> tuple[Observations, dict[str, Any]]:
        tasks = [self._drawn(copy) for copy in range(self.num_envs)]
        if options is not None and "task" in options:
            tasks = task_list(options["task"], self.num_envs, len(self.tasks))
        first = load_native(self.tasks[tasks[0]])
        self._states = [first.game.start] * self.num_envs
        self._progress = [first.progress] * self.num_envs
        self._arrivals = [first.progress.arrivals(first.game.start)] * self.num_envs
        observations = tuple(self._begin(copy, task) for copy, task in enumerate(tasks))
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.zeros(self.num_envs, dtype=np.bool_)
        nothing = np.zeros(self.num_envs, dtype=np.bool_)
        return observations, self._infos(np.zeros(self.num_envs), nothing, nothing)

    def _move(self, actions: Actions) -> tuple[Observations, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        states = self._states
        commands = self._commands(actions)
        observations, verifier, refused = [NOTHING_HAPPENS] * self.num_envs, [0.0] * self.num_envs, []
        over = self._over.tolist()
        for copy, command in enumerate(commands):
            if over[copy]:
                observations[copy] = self._begin(copy, self._drawn(copy))
                continue
            operator = find(states[copy], command)
            if operator is None:
                refused.append(copy)
                continue
            state = states[copy] = step(states[copy], operator)
            observations[copy] = answer(state, operator)
            if self._verifier:
                verifier[copy] = self._measured(copy, state, operator)
        self._steps = np.where(self._over, 0, self._steps + 1)
        invalid = np.zeros(self.num_envs, dtype=np.bool_)
        invalid[refused] = True
        terminated = np.array([state.won for state in states], dtype=np.bool_)
        truncated = self._late(self._steps) | ((self._steps >= self.max_steps) & ~terminated)
        self._over = terminated | truncated
        infos = self._infos(np.array(verifier), invalid, terminated)
        return tuple(observations), terminated.astype(np.float64), terminated, truncated, infos

    def _measured(self, copy: int, state: State, operator: Operator) -> float:
        """Measure the distance of a copy anew; return by how much it fell."""
        before, farthest = self._distances[copy], float(self.max_steps)
        self._arrivals[copy], distance = self._progress[copy].measured(state, self._arrivals[copy], operator)
        self._distances[copy] = distance
        return 0.0 if distance == before else min(before, farthest) - min(distance, farthest)

    def _drawn(self, copy: int) -> int:
        """The task that the stream of a copy draws next."""
        stream = self._streams[copy] = rng.advance(self._streams[copy])
        return (rng.mix(stream) >> 32) * len(self.tasks) >> 32

    def _begin(self, copy: int, task: int) -> str:
        """Start an episode of a copy; return its first observation."""
        about, game, progress = load_native(self.tasks[task])
        self._playing[copy] = task
        self._states[copy] = game.start
        self._progress[copy] = progress
        if self._verifier:
            self._arrivals[copy] = progress.arrivals(game.start)
            self._distances[copy] = progress.distance(game.start)
        for name, column in self._about.items():
            column[copy] = about[name]
        return str(game.introduction)

    def _commands(self, actions: Actions) -> Iterable[str]:
        if isinstance(actions[0], str):
            return [str(action).strip() for action in actions]
        return map(listed, self._states, np.asarray(actions, dtype=np.int64).tolist())

    def _infos(self, verifier: FloatArray, invalid: BoolArray, won: BoolArray) -> dict[str, Any]:
        states = self._states
        limit = self._least(np.full(self.num_envs, self.max_steps))
        columns = {
            "state_key": objects([state.key for state in states]),
            "invalid": invalid,
            "step_limit": limit,
            "steps_left": limit - self._steps,
            "task": masked({name: column.copy() for name, column in self._about.items()}),
        }
        if self._admissible:
            columns["admissible_actions"] = objects([admissible(state) for state in states])
        if self._expert != "none":
            games = zip(self._progress, states, strict=True)
            columns["expert_actions"] = objects([tuple(own.optimal(s, commands(s), step)) for own, s in games])
        if self._verifier:
            columns |= {
                "verifier": verifier,
                "exact_verifier": np.full(self.num_envs, ALFWorldEnv.exact_verifier),
                "distance": np.array(self._distances),
            }
        return masked(columns) | {"success": won.copy(), "_success": self._over.copy()}
