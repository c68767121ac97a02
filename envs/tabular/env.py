"""The text environment over a tabular model, and the registered environments made from it."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym

from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.inputs import not_text, refuses_itself
from credit_gym.envs.tabular.board import REFUSAL, SPLIT, Place, board, with_horizon
from credit_gym.envs.tabular.diagnostic import diagnostic_model
from credit_gym.envs.tabular.dynamics import dynamics
from credit_gym.envs.tabular.entry import entry_point
from credit_gym.envs.tabular.manifest import manifest_model
from credit_gym.envs.tabular.stochastic import noisy_model, stochastic_model
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.exact.tabular_model import TabularModel

Snapshot: TypeAlias = tuple[int, int, int, float, bool]

_MASK, _LOW = 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF
_GAMMA, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class TabularEnv(TextEnv):
    """A Gymnasium text environment that plays the tasks of a :class:`~credit_gym.exact.tabular_model.TabularModel`.

    The observation is the text of the state, an action the text of one of its admissible actions. Each step takes one
    draw of the environment's stream: the high half decides the outcome, the low half the verifier's error. An action
    that is not admissible is refused: the state stays, the step counts.

    Args:
        model: the tasks.
        render_mode: None or "ansi".

    Attributes:
        model: the exact transition model; its horizon is that of ``max_episode_steps`` once an episode began under one.
    """

    action_format = ActionFormat(how="Write one of the actions on offer, on one line.", listed=True)
    ends_when = (
        "Terminates in a state that wins or loses; truncated at the step limit of the task, or at `max_episode_steps`."
    )
    data_from = "Tasks made here from a seed, or read from a manifest; there is one split."
    published = (
        "Tasks of this project; those of the Stochastic ids follow a published description, and their sizes were "
        "fitted to its success."
    )
    reward_rule = "1 with the step that wins, else 0."
    verifier_rule = "What the task's own verifier reads of the transition, with the errors that the task gives it."

    def __init__(self, model: TabularModel, *, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self.model = self._made_with = model
        self._places, self._starts = board(model)
        self._noise = dynamics(model).noise
        self._state = -1
        self._steps = 0
        self._reading = 0.0
        self._refused = False

    @property
    def num_tasks(self) -> int:
        """Number of tasks that ``reset`` chooses from."""
        return self.model.num_tasks

    @property
    def most_steps(self) -> int:
        """The step limit of the task with the most."""
        return int(self.model.horizon.max())

    def _adopt_limit(self, steps: int | None) -> None:
        """Let the model tell of the limit too, so that what is exact is exact of what is played."""
        self.model = self._made_with if steps is None else with_horizon(self._made_with, steps)
        self._places, _ = board(self.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start an episode; one draw decides the task (its high half) and the start state (its low half).

        Args:
            seed: fixes the task and every later draw.
            options: ``{"task": i}`` plays task i; every other draw stays that of the seed.
        """
        bits = self.seed_episode(seed)
        task = (bits >> 32) * len(self._starts) >> 32
        if options is not None and "task" in options:
            task = task_number(options["task"], self.model.num_tasks)
        start, alternative, bound = self._starts[task]
        self._state = alternative if (bits & _LOW) < bound else start
        self._steps, self._reading, self._refused = 0, 0.0, False
        place = self._places[self._state]
        return place.observation, self._info(place, False)

    @refuses_itself
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take an action, given as its text.

        Raises:
            ResetNeeded: the episode is over, or has not begun.
        """
        if not isinstance(action, str):
            raise not_text(action)
        place = self._places[self._state]
        if self.stream is None or place.terminal or self._steps >= place.horizon:
            raise gym.error.ResetNeeded("There is no episode to step: call reset() first.")
        # SplitMix64 (credit_gym.rng), inlined: this is the hot path of every rollout.
        self.stream = bits = (self.stream + _GAMMA) & _MASK
        bits = ((bits ^ (bits >> 30)) * _MIX_1) & _MASK
        bits = ((bits ^ (bits >> 27)) * _MIX_2) & _MASK
        bits ^= bits >> 31

        self._steps += 1
        outcomes = place.moves.get(action)
        if outcomes is None:
            self._reading, self._refused = 0.0, True
            truncated = self._steps >= place.horizon
            return f"{REFUSAL} {place.observation}", 0.0, False, truncated, self._info(place, truncated)

        draw, error = bits >> 32, bits & _LOW
        for bound, state, signal in outcomes:  # noqa: B007 - the values of the deciding outcome are used below
            if draw < bound:
                break
        if error < self._noise:
            signal = (signal + 2.0 + (error & 1)) % 3.0 - 1.0
        self._state, self._reading, self._refused = state, signal, False
        place = self._places[state]
        terminated = place.terminal
        truncated = not terminated and self._steps >= place.horizon
        info = self._info(place, terminated or truncated)
        return place.observation, 1.0 if place.success else 0.0, terminated, truncated, info

    def clone_state(self) -> Snapshot:
        """Return the state: stream, place, steps taken, last verifier reading, whether the last action was refused.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self.stream is None:
            raise gym.error.ResetNeeded("There is no episode to clone: call reset() first.")
        return self.stream, self._state, self._steps, self._reading, self._refused

    def restore_state(self, state: Snapshot) -> tuple[str, dict[str, Any]]:
        """Continue from a cloned state; return the observation and info of that moment."""
        self.stream, self._state, self._steps, self._reading, self._refused = state
        place = self._places[self._state]
        observation = f"{REFUSAL} {place.observation}" if self._refused else place.observation
        return observation, self._info(place, place.terminal or self._steps >= place.horizon)

    def render(self) -> str | None:
        """Return the text of the current state in mode "ansi"."""
        return self._places[self._state].observation if self.render_mode == "ansi" else None

    def _info(self, place: Place, over: bool) -> dict[str, Any]:
        info = {
            "task": {"id": place.task_id, "split": SPLIT, "goal": place.goal},
            "state_key": place.state_key,
            "admissible_actions": place.admissible[:],
            "verifier": self._reading,
            "expert_actions": place.expert[:],
            "invalid": self._refused,
            "step_limit": place.horizon,
            "steps_left": place.horizon - self._steps,
        }
        if over:
            info["success"] = place.success
        return info


stochastic = entry_point(
    "stochastic",
    TabularEnv,
    stochastic_model,
    "Return ``credit/Stochastic-v0``; see :func:`~credit_gym.envs.tabular.stochastic.stochastic_model`.",
)
stochastic_noisy = entry_point(
    "stochastic_noisy",
    TabularEnv,
    noisy_model,
    "Return ``credit/StochasticNoisy-v0``: the same climbs, one verifier reading in ten wrong.",
)
diagnostic = entry_point(
    "diagnostic",
    TabularEnv,
    diagnostic_model,
    "Return ``credit/Diagnostic-v0``; see :func:`~credit_gym.envs.tabular.diagnostic.diagnostic_model`.",
)
webshop_manifest = entry_point(
    "webshop_manifest",
    TabularEnv,
    partial(manifest_model, "webshop"),
    "Return ``credit/WebShopManifest-v0``: shopping state machines from a manifest, a user's own by ``path``.",
)
alfworld_manifest = entry_point(
    "alfworld_manifest",
    TabularEnv,
    partial(manifest_model, "alfworld"),
    "Return ``credit/ALFWorldManifest-v0``: household state machines from a manifest, a user's own by ``path``.",
)
