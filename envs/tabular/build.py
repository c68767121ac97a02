"""From a readable description of states and actions to the arrays of an exact model (:mod:`credit_gym.exact`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from credit_gym.errors import ManifestError
from credit_gym.exact.tabular_model import TabularModel


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way an action can turn out.

    Attributes:
        probability: in (0, 1].
        target: name of the state that follows.
        signal: what an error-free verifier reads: -1, 0 or 1.
    """

    probability: float
    target: str
    signal: float = 0.0


@dataclass(frozen=True, slots=True)
class Action:
    """An action as the agent reads it.

    Attributes:
        text: unique among the actions of its state.
        outcomes: probabilities sum to 1.
        behaviour: probability of the action under each prior policy, (P,).
    """

    text: str
    outcomes: tuple[Outcome, ...]
    behaviour: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A state; one without actions ends the episode.

    Attributes:
        name: unique within its task.
        observation: the text shown; states of a task that show the same text share one key.
        actions: in the order of their slots.
        success: whether reaching it solves the task.
    """

    name: str
    observation: str
    actions: tuple[Action, ...] = ()
    success: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One finite task.

    Attributes:
        name: unique id.
        goal: the goal in words.
        states: all its states.
        start: name of the first state.
        start_alternative: name of a second start, drawn with probability ``start_split``.
        start_split: probability of the alternative start.
        horizon: step limit while data is collected.
        evaluation_horizon: step limit when a trained policy is judged; ``horizon`` if None.
    """

    name: str
    goal: str
    states: tuple[State, ...]
    start: str
    start_alternative: str | None = None
    start_split: float = 0.0
    horizon: int
    evaluation_horizon: int | None = None


def build_model(
    tasks: Sequence[Task],
    *,
    verifier_noise: float = 0.0,
    behaviour_weight: tuple[float, ...] = (1.0,),
) -> TabularModel:
    """Lay the tasks side by side as one model.

    Args:
        tasks: at least one; their priors must be as many as ``behaviour_weight``.
        verifier_noise: probability that a reading is replaced by one of the other two values.
        behaviour_weight: (P,) share of the episodes that each prior policy plays.

    Raises:
        ManifestError: there is no task, a target does not exist, names repeat, or probabilities do not sum to 1.
    """
    if not tasks:
        raise ManifestError("A model needs at least one task.")
    places = [(number, state) for number, task in enumerate(tasks) for state in task.states]
    index = {(number, state.name): s for s, (number, state) in enumerate(places)}
    action_ids: dict[str, int] = {}
    for _, state in places:
        for action in state.actions:
            action_ids.setdefault(action.text, len(action_ids))

    states = len(places)
    slots = max(len(state.actions) for _, state in places)
    width = max(len(action.outcomes) for _, state in places for action in state.actions)
    successor = np.zeros((states, slots, width), dtype=np.int64)
    probability = np.zeros((states, slots, width))
    signal = np.zeros((states, slots, width))
    action_id = np.full((states, slots), -1, dtype=np.int64)
    behaviour = np.zeros((len(behaviour_weight), states, slots))
    key = np.arange(states, dtype=np.int64)
    shown: dict[tuple[int, str], int] = {}

    def locate(number: int, name: str, where: str) -> int:
        if (number, name) not in index:
            raise ManifestError(f"Task {tasks[number].name!r}: {where} leads to {name!r}, which is not a state of it.")
        return index[number, name]

    for s, (number, state) in enumerate(places):
        key[s] = shown.setdefault((number, state.observation), s)
        for a, action in enumerate(state.actions):
            action_id[s, a] = action_ids[action.text]
            behaviour[:, s, a] = action.behaviour
            for k, outcome in enumerate(action.outcomes):
                successor[s, a, k] = locate(number, outcome.target, f"action {action.text!r} of state {state.name!r}")
                probability[s, a, k] = outcome.probability
                signal[s, a, k] = outcome.signal

    acting = action_id[:, 0] >= 0
    if not np.allclose(behaviour.sum(axis=2)[:, acting], 1.0) or behaviour.min() < 0.0:
        raise ManifestError("The behaviour of every state must be probabilities that sum to 1.")
    start = [locate(n, task.start, "its start") for n, task in enumerate(tasks)]
    alternative = [locate(n, task.start_alternative or task.start, "its second start") for n, task in enumerate(tasks)]
    return TabularModel(
        successor=successor,
        probability=probability,
        signal=signal,
        admissible=action_id >= 0,
        terminal=~acting,
        success=np.array([state.success for _, state in places]),
        start=np.array(start, dtype=np.int64),
        start_alternative=np.array(alternative, dtype=np.int64),
        start_split=np.array([task.start_split for task in tasks]),
        horizon=np.array([task.horizon for task in tasks], dtype=np.int64),
        evaluation_horizon=np.array([task.evaluation_horizon or task.horizon for task in tasks], dtype=np.int64),
        task=np.array([number for number, _ in places], dtype=np.int64),
        behaviour=behaviour,
        behaviour_weight=np.array(behaviour_weight),
        verifier_noise=verifier_noise,
        key=key,
        action_id=action_id,
        observations=tuple(state.observation for _, state in places),
        state_names=tuple(f"{tasks[number].name}/{state.name}" for number, state in places),
        action_names=tuple(action_ids),
        task_names=tuple(task.name for task in tasks),
        goals=tuple(task.goal for task in tasks),
    )
