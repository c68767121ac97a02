"""The native vector environment: n copies of a tabular environment, moved by a handful of array operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.envs.tabular.board import REFUSAL, SPLIT, board, with_horizon
from credit_gym.envs.tabular.diagnostic import diagnostic_model
from credit_gym.envs.tabular.dynamics import dynamics, start_states
from credit_gym.envs.tabular.entry import entry_point
from credit_gym.envs.tabular.manifest import manifest_model
from credit_gym.envs.tabular.stochastic import noisy_model, stochastic_model
from credit_gym.envs.text_vector_env import Actions, TextVectorEnv, masked, objects, task_list
from credit_gym.estimation.ranges import Count
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.rng import UIntArray, advance_array, derive_array, mix_array

ObservationMode = Literal["text", "index"]
Observations: TypeAlias = tuple[str, ...] | IntArray

_HALF = np.uint64(32)


class TabularVectorEnv(TextVectorEnv):
    """n copies of :class:`~credit_gym.envs.tabular.env.TabularEnv`, step for step the same as n single ones.

    A copy that ended is reset by the next ``step``, whose action it ignores (Gymnasium's ``NEXT_STEP`` mode).

    Actions are n texts, or (n,) integers: positions in the list of admissible actions. Observations are texts, or with
    ``observation="index"`` the (n,) int64 keys of the model (``model.observations[key]`` is the text).

    ``infos`` holds (n,) arrays and, as Gymnasium asks, a mask ``_name`` for each: what a single environment's info has,
    lists as tuples. With ``observation="index"`` the texts are left out (``task``, ``state_key``,
    ``admissible_actions``, ``expert_actions``) and ``state`` is the id of the true state.

    Args:
        model: the tasks.
        num_envs: n.
        observation: "text" or "index".
        max_episode_steps: the step limit of every task, in place of its own.

    Raises:
        UnknownNameError: ``observation`` is neither.
        gymnasium.error.Error: the limit is none that can hold.
    """

    def __init__(
        self,
        model: TabularModel,
        num_envs: Count = 1,
        *,
        observation: ObservationMode = "text",
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(num_envs, max_episode_steps=max_episode_steps)
        self.model = model = model if self._limit is None else with_horizon(model, self._limit)
        self._text = observation == "text"
        if not self._text:
            self.single_observation_space = Discrete(model.num_states)
            self.single_action_space = Discrete(model.admissible.shape[1])
            self.observation_space = MultiDiscrete(np.full(num_envs, model.num_states))
            self.action_space = MultiDiscrete(np.full(num_envs, model.admissible.shape[1]))

        self._dynamics = dynamics(model)
        self._slot = _slot_of_position(model).ravel()
        self._horizon = model.horizon[model.task]
        self._reward = model.success.astype(np.float64)
        places = board(model).places
        self._slot_of_text = [{text: slot for slot, text in enumerate(place.moves)} for place in places]
        self._observations = objects(place.observation for place in places)
        self._columns = {
            "state_key": objects(place.state_key for place in places),
            "admissible_actions": objects(tuple(place.admissible) for place in places),
            "expert_actions": objects(tuple(place.expert) for place in places),
        }
        self._task_columns = {
            "id": objects(place.task_id for place in places),
            "split": objects(SPLIT for _ in places),
            "goal": objects(place.goal for place in places),
        }
        self._stream: UIntArray | None = None
        self._state = np.zeros(num_envs, dtype=np.int64)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=np.bool_)

    def _seed(self, seeds: Sequence[int | None]) -> None:
        own = np.array([0 if seed is None else seed & 0xFFFFFFFFFFFFFFFF for seed in seeds], dtype=np.uint64)
        begun = derive_array(own)
        if self._stream is not None:
            begun = np.where([seed is None for seed in seeds], self._stream, begun)
        self._stream = begun

    def _start(self, options: Mapping[str, Any] | None) -> tuple[Observations, dict[str, Any]]:
        assert self._stream is not None
        self._stream = advance_array(self._stream)
        bits = mix_array(self._stream)
        task = self._draw_tasks(bits)
        if options is not None and "task" in options:
            task = np.array(task_list(options["task"], self.num_envs, self.model.num_tasks), dtype=np.int64)
        self._state = start_states(self.model, task, bits)
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.zeros(self.num_envs, dtype=np.bool_)
        refused = np.zeros(self.num_envs, dtype=np.bool_)
        return self._observe(refused), self._infos(np.zeros(self.num_envs), refused)

    def _move(self, actions: Actions) -> tuple[Observations, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        assert self._stream is not None
        self._stream = advance_array(self._stream)
        bits = mix_array(self._stream)
        slot = self._slots(actions)
        refused = slot < 0
        idle = np.flatnonzero(refused)
        slot[idle] = 0
        state, verifier = self._dynamics.step(self._state, slot, bits)
        state[idle], verifier[idle] = self._state[idle], 0.0
        self._steps = self._steps + 1
        if self._over.any():
            fresh = np.flatnonzero(self._over)
            state[fresh] = start_states(self.model, self._draw_tasks(bits[fresh]), bits[fresh])
            verifier[fresh], refused[fresh], self._steps[fresh] = 0.0, False, 0
        self._state = state
        terminated = self.model.terminal[state]
        truncated = self._late(self._steps) | ((self._steps >= self._horizon[state]) & ~terminated)
        self._over = terminated | truncated
        reward = self._reward[state]
        return self._observe(refused), reward, terminated, truncated, self._infos(verifier, refused)

    def _draw_tasks(self, bits: UIntArray) -> IntArray:
        task: IntArray = ((bits >> _HALF) * np.uint64(self.model.num_tasks) >> _HALF).astype(np.int64)
        return task

    def _slots(self, actions: Actions) -> IntArray:
        """The (n,) slots of the actions, -1 where one is refused."""
        if isinstance(actions[0], str):
            here = self._state.tolist()
            moves = self._slot_of_text
            return np.array([moves[s].get(a, -1) for s, a in zip(here, actions, strict=True)], dtype=np.int64)
        position = np.asarray(actions, dtype=np.int64)
        width = self._dynamics.slots
        outside = (position < 0) | (position >= width)
        slot: IntArray = self._slot[self._state * width + np.where(outside, 0, position)]
        slot[outside] = -1
        return slot

    def _observe(self, refused: BoolArray) -> Observations:
        if not self._text:
            return self.model.key[self._state]
        texts: list[str] = self._observations[self._state].tolist()
        for i in np.flatnonzero(refused):
            texts[i] = f"{REFUSAL} {texts[i]}"
        return tuple(texts)

    def _infos(self, verifier: FloatArray, refused: BoolArray) -> dict[str, Any]:
        limit = self._least(self._horizon[self._state])
        columns: dict[str, np.ndarray] = {
            "verifier": verifier,
            "invalid": refused,
            "step_limit": limit,
            "steps_left": limit - self._steps,
        }
        infos: dict[str, Any] = {}
        if not self._text:
            columns["state"] = self._state.copy()
        else:
            columns |= {name: column[self._state] for name, column in self._columns.items()}
            infos["task"] = masked({name: column[self._state] for name, column in self._task_columns.items()})
            infos["_task"] = np.ones(self.num_envs, dtype=np.bool_)
        infos |= masked(columns)
        return infos | {"success": self.model.success[self._state], "_success": self._over.copy()}


def _slot_of_position(model: TabularModel) -> IntArray:
    """The (S, A) slots in the order of each state's list of admissible actions, -1 past its end."""
    order = np.argsort(~model.admissible, axis=1, kind="stable")
    return np.where(np.take_along_axis(model.admissible, order, axis=1), order, -1)


stochastic = entry_point(
    "stochastic", TabularVectorEnv, stochastic_model, "Return n copies of ``credit/Stochastic-v0``."
)
stochastic_noisy = entry_point(
    "stochastic_noisy", TabularVectorEnv, noisy_model, "Return n copies of ``credit/StochasticNoisy-v0``."
)
diagnostic = entry_point(
    "diagnostic", TabularVectorEnv, diagnostic_model, "Return n copies of ``credit/Diagnostic-v0``."
)
webshop_manifest = entry_point(
    "webshop_manifest",
    TabularVectorEnv,
    partial(manifest_model, "webshop"),
    "Return n copies of ``credit/WebShopManifest-v0``.",
)
alfworld_manifest = entry_point(
    "alfworld_manifest",
    TabularVectorEnv,
    partial(manifest_model, "alfworld"),
    "Return n copies of ``credit/ALFWorldManifest-v0``.",
)
