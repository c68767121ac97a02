"""The exact model of a small environment: what the oracle solves and the tabular environments play."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.errors import ManifestError


@dataclass(frozen=True, kw_only=True, eq=False)
class TabularModel:
    """N finite tasks with known transitions, their S states laid side by side; one task is the case N = 1.

    State ids are global (0..S-1) and tasks do not share states. Action slots 0..A-1 are local to a state; slots that
    a state does not use have ``admissible`` False. Each (state, slot) has at most K outcomes; unused outcomes have
    probability 0. Entering a state with ``success`` pays reward 1 and ends the episode; entering one with ``terminal``
    ends it; ``horizon`` steps truncate it.

    Attributes:
        successor: (S, A, K) int64 next state of each outcome.
        probability: (S, A, K) float64; sums to 1 over K for admissible slots.
        signal: (S, A, K) float64 verifier reading of each outcome before noise.
        admissible: (S, A) bool; every non-terminal state has at least one.
        terminal: (S,) bool, True also where ``success`` is.
        success: (S,) bool.
        start: (N,) int64 start state of each task.
        start_alternative: (N,) int64 second start state, drawn with probability ``start_split``.
        start_split: (N,) float64 probability of the alternative start, 0 where there is none.
        horizon: (N,) int64 step limit while data is collected.
        evaluation_horizon: (N,) int64 step limit under which a trained policy is judged.
        task: (S,) int64 task of each state.
        behaviour: (P, S, A) float64 the prior policies; one is drawn per episode (P = 1: a single agent).
        behaviour_weight: (P,) float64.
        verifier_noise: probability that a reading is replaced by one of the other two values of {-1, 0, 1}.
        key: (S,) int64 what the agent can tell apart: states with one key show the same text.
        action_id: (S, A) int64 id of each slot's text in ``action_names``; -1 where not admissible.
        observations: (S,) text that the agent sees.
        state_names: (S,) unique stable names of the true states.
        action_names: text of each action id.
        task_names: (N,) unique task ids.
        goals: (N,) goals in words.
    """

    successor: IntArray
    probability: FloatArray
    signal: FloatArray
    admissible: BoolArray
    terminal: BoolArray
    success: BoolArray
    start: IntArray
    start_alternative: IntArray
    start_split: FloatArray
    horizon: IntArray
    evaluation_horizon: IntArray
    task: IntArray
    behaviour: FloatArray
    behaviour_weight: FloatArray
    verifier_noise: float
    key: IntArray
    action_id: IntArray
    observations: tuple[str, ...]
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    task_names: tuple[str, ...]
    goals: tuple[str, ...]

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def num_states(self) -> int:
        """S."""
        return int(self.successor.shape[0])

    @property
    def num_tasks(self) -> int:
        """N."""
        return int(self.start.size)

    @cached_property
    def mean_behaviour(self) -> FloatArray:
        """(S, A) behaviour averaged over the mixture by weight."""
        return np.tensordot(self.behaviour_weight, self.behaviour, axes=1)

    @cached_property
    def key_owner(self) -> IntArray:
        """(S,) the first state of each key, -1 for ids that are no key."""
        owner = np.full(self.num_states, -1, dtype=np.int64)
        owner[self.key[::-1]] = np.arange(self.num_states)[::-1]
        return owner

    @cached_property
    def cumulative(self) -> FloatArray:
        """(S, A, K) cumulative outcome probabilities, 1 at the end."""
        cumulative = np.cumsum(self.probability, axis=2)
        cumulative[..., -1] = 1.0
        return cumulative


def _validate(model: TabularModel) -> None:
    states, _, _ = model.successor.shape
    live = ~model.terminal
    if bool((model.success & live).any()):
        raise ManifestError("Every success state must be terminal.")
    if not bool(model.admissible[live].any(axis=1).all()):
        bad = model.state_names[int(np.flatnonzero(live & ~model.admissible.any(axis=1))[0])]
        raise ManifestError(f"State {bad!r} has no action and is not terminal.")
    totals = model.probability.sum(axis=2)
    if not np.allclose(totals[model.admissible], 1.0, atol=1e-9) or bool((model.probability < 0).any()):
        raise ManifestError("The outcome probabilities of every action must be non-negative and sum to 1.")
    if model.successor.size and not 0 <= int(model.successor.min()) <= int(model.successor.max()) < states:
        raise ManifestError("A transition leads to a state that does not exist.")
    if not 0.0 <= model.verifier_noise <= 1.0:
        raise ManifestError("verifier_noise must lie in [0, 1].")
    if bool((model.action_id != model.action_id[model.key_owner[model.key]]).any()):
        raise ManifestError("States that show the same text must offer the same actions in the same slots.")
    if len(set(model.state_names)) != states:
        raise ManifestError("State names must be unique.")
