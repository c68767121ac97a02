"""credit/ALFWorld-v0: household tasks in text, with the exact distance to the goal."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from credit_gym.data.action_families import Family
from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.alfworld.handcoded import HandcodedExpert
from credit_gym.envs.alfworld.progress import Arrivals
from credit_gym.envs.alfworld.signals import Journal, signals
from credit_gym.envs.alfworld.tasks import ENGINES, StoredTask, list_tasks, task_names
from credit_gym.envs.text_env import TextEnv
from credit_gym.errors import unknown
from credit_gym.estimation.ranges import Count

NOTHING_HAPPENS = "Nothing happens."
DISCOUNT = 0.99
EXPERTS = ("optimal", "handcoded", "handcoded_upstream", "none")

Moment = tuple[str, dict[str, Any]]

_ANNOTATIONS = 3  # goal sentences that people wrote for each game

_OBJECT = ("object", "The object with its number, such as mug 1.")
_PLACE = ("place", "The place or piece of furniture with its number, such as cabinet 1.")

_FAMILIES = (
    Family("go_to", "go to {place}", "Go to a place.", (_PLACE,)),
    Family("take", "take {object} from {place}", "Take an object that you see here.", (_OBJECT, _PLACE)),
    Family("move", "move {object} to {place}", "Put the object that you carry somewhere here.", (_OBJECT, _PLACE)),
    Family("open", "open {place}", "Open a thing that is closed.", (_PLACE,)),
    Family("close", "close {place}", "Close a thing that is open.", (_PLACE,)),
    Family("heat", "heat {object} with {place}", "Heat the object that you carry with a microwave.", (_OBJECT, _PLACE)),
    Family("cool", "cool {object} with {place}", "Cool the object that you carry with a fridge.", (_OBJECT, _PLACE)),
    Family("clean", "clean {object} with {place}", "Clean the object that you carry with a sink.", (_OBJECT, _PLACE)),
    Family(
        "slice",
        "slice {object} with {tool}",
        "Slice an object with a knife that you carry.",
        (_OBJECT, ("tool", "The knife with its number, such as knife 1.")),
    ),
    Family("use", "use {object}", "Use a lamp, say: switch it on.", (_OBJECT,)),
    Family("examine", "examine {thing}", "Look closely.", (("thing", "The object or place with its number."),)),
    Family("look", "look", "Look around."),
    Family("inventory", "inventory", "See what you carry."),
)
"""The commands as functions."""


class Snapshot(NamedTuple):
    """One moment of an episode. Within the environment that made it restoring is free; elsewhere it is replayed."""

    stream: int | None
    task: int
    annotation: int
    state: Any
    observation: str
    steps: int
    verifier: float
    invalid: bool
    journal: Journal | None
    signals: dict[str, Any] | None
    handcoded: HandcodedExpert | None
    advice: str


class ALFWorldEnv(TextEnv):
    """ALFWorld's text games (Shridhar et al., 2021), byte for byte as TextWorld plays them.

    The reward is 1 when the goal is reached and 0 before. ``info["verifier"]`` is the decrease of the exact distance to
    the goal in steps: 1 for an optimal action, 0 for an idle one, negative for a harmful one. ``info["distance"]`` is
    that distance (infinite in a dead end, which the verifier counts as ``max_steps`` away) and
    ``info["expert_actions"]`` lists every optimal action. The readings are the change of an exact potential,
    ``-min(distance, max_steps)``, which ``info["exact_verifier"]`` declares.

    Args:
        split: ``train``, ``valid_seen`` or ``valid_unseen``.
        num_tasks: how many tasks to generate; the real data have a number of their own.
        task_types: which of the six task types to play, all by default.
        max_steps: the episode is truncated after this many steps.
        data: the folder of the real games. By default the variable ``ALFWORLD_DATA``; where that is unset or its
            folder is empty, games are made here.
        engine: ``native`` (plain Python, needs nothing else), or ``textworld``: the libraries that ALFWorld itself
            runs on (the ``alfworld`` extra), which are hundreds of times slower and play games that the native engine
            refuses.
        expert: what ``info["expert_actions"]`` lists: "optimal" (every optimal action), "handcoded" (what ALFWorld's
            own expert would do, see :mod:`~credit_gym.envs.alfworld.handcoded`; the ``alfworld`` extra),
            "handcoded_upstream" (the same with its defect), or "none".
        signals: whether ``info`` has ``signals``, see :func:`~credit_gym.envs.alfworld.signals.signals`; also
            ``goal_conditions`` (the share of the goal that is met) and ``subgoals`` (each part by name).
        human_goals: whether the goal is said in the words of a person (real data only); the seed picks whose.
        render_mode: ``ansi`` or None.

    Raises:
        MissingExtraError: the engine or the expert needs the ``alfworld`` extra, which is not installed.
        UnknownNameError: there is no such split, task type or engine.
        ManifestError: the data folder has no such games.
    """

    action_format = ActionFormat(
        how="Write one command on one line: look, inventory, go to X, open X, close X, take Y from X, move Y to X, "
        "examine X, use Y, heat Y with X, clean Y with X, cool Y with X or slice Y with Z.",
        examples=("go to cabinet 1", "open cabinet 1", "take mug 1 from cabinet 1", "look"),
        families=_FAMILIES,
    )

    limit_argument = "max_steps"
    exact_verifier = True
    ends_when = "Terminates when the goal is reached; truncated after `max_steps` commands."
    data_from = (
        "Games made here, `num_tasks` a split (`train`, `valid_seen`, `valid_unseen`); the published ones, in the "
        "same splits, from the folder that `data=` or ALFWORLD_DATA names."
    )
    published = (
        "ALFWorld (Shridhar et al., 2021; MIT licence), whose texts, commands and wins are kept. Rooms of the "
        "games made here are drawn, so success on them is not success on the published ones."
    )
    page = "alfworld"
    reward_rule = "1 when the goal is reached, and 0 before."
    verifier_rule = "The decrease of the exact distance to the goal: 1 for an optimal action, 0 for an idle one."
    own_info_keys = MappingProxyType(
        {
            "distance": "steps to the goal, infinite in a dead end",
            "signals": "with `signals=True`: further verifiers, `goal_conditions` and `subgoals` among them",
        }
    )

    def __init__(
        self,
        split: str = "train",
        *,
        num_tasks: Count = 120,
        task_types: Collection[str] | None = None,
        max_steps: Count = 50,
        data: str | os.PathLike[str] | None = None,
        engine: str = "native",
        expert: str = "optimal",
        signals: bool = False,
        human_goals: bool = False,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        if engine not in ENGINES:
            raise unknown("engine", engine, ENGINES)
        if expert not in EXPERTS:
            raise unknown("expert", expert, EXPERTS)
        self.blocking = engine == "textworld"
        self.max_steps = max_steps
        self.tasks = list_tasks(split, num_tasks, task_types, data)
        self._names = task_names(self.tasks)
        self._expert, self._signals, self._human_goals = expert, signals, human_goals
        make_engine, self._loader = ENGINES[engine]
        self._engine = make_engine()
        self._task, self._annotation = -1, -1
        self._state: Any = None
        self._handcoded: HandcodedExpert | None = None
        self._advice = ""
        self._arrivals = Arrivals(0.0, ())
        self._steps = 0
        self._distance = 0.0

    @property
    def num_tasks(self) -> int:
        """How many tasks there are to play."""
        return len(self.tasks)

    @property
    def most_steps(self) -> int:
        """The step limit."""
        return self.max_steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Moment:
        """Start an episode; ``options={"task": i}`` picks the task by its index or its id, else the seed does.

        Raises:
            ManifestError: the file of that task is damaged or unsupported; other tasks can still be played.
        """
        bits = self.seed_episode(seed)
        task = (bits >> 32) * len(self.tasks) >> 32
        if options is not None and "task" in options:
            task = self._checked(options["task"])
        self._load(task, bits % _ANNOTATIONS if self._human_goals else -1)
        observation = self._introduction
        if self._signals:
            self._journal = Journal(frozenset(), frozenset()).after(self._start.key, observation)
            self._channels = signals(self._journal, self._journal, self._start.key, "", invalid=False)
        if self._expert.startswith("handcoded"):
            upstream = self._expert == "handcoded_upstream"
            self._handcoded = HandcodedExpert(self.tasks[task](), self._start.facts, bits, upstream=upstream)
            self._advice = self._handcoded.start(observation)
        return self._at(self._start, observation, 0, 0.0, False)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Send one command; whatever is not admissible is answered "Nothing happens." and still counts as a step."""
        state = self._state
        if state is None or state.won or self._steps >= self.max_steps:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        engine = self._engine
        operator = engine.find(state, action.strip())
        if operator is None:
            observation, after, distance = NOTHING_HAPPENS, state, self._distance
        else:
            after = engine.step(state, operator)
            observation = engine.answer(after, operator)
            self._arrivals, distance = self._progress.measured(after, self._arrivals, operator)
        farthest = float(self.max_steps)  # a dead end counts as far as an episode is long
        verifier = min(self._distance, farthest) - min(distance, farthest)
        invalid = operator is None
        if self._signals:
            journal = self._journal.after(after.key, observation)
            self._channels = signals(self._journal, journal, after.key, state.key, invalid)
            self._journal = journal
        if self._handcoded is not None:
            offered = self._engine.admissible(after)
            self._advice = self._handcoded.next(action.strip(), observation, after.facts, offered)
        observation, info = self._at(after, observation, self._steps + 1, verifier, invalid, distance)
        return observation, float(after.won), after.won, self._truncated, info

    def optimal_values(self, discount: float = DISCOUNT) -> dict[str, float]:
        """Return the exact optimal value of every admissible action here, without regard to the step limit.

        The reward of 1 comes with the step that reaches the goal, so an action after which the goal is ``d`` steps away
        is worth ``Q*(s, a) = discount ** d``; 0 where it cannot be reached any more. The value of the state is the
        greatest of them.
        """
        if self._state is None:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        state, engine = self._state, self._engine
        distances = self._progress.distances(state, engine.commands(state), engine.step)
        return {command: discount**distance for command, distance in distances.items()}

    def optimal_advantages(self, discount: float = DISCOUNT) -> dict[str, float]:
        """Return ``A*(s, a) = Q*(s, a) - max Q*(s, .)`` of every admissible action here: 0 for the optimal ones."""
        values = self.optimal_values(discount)
        best = max(values.values())
        return {command: value - best for command, value in values.items()}

    def render(self) -> str | None:
        """Return the latest observation in ``ansi`` mode."""
        return self._observation if self.render_mode == "ansi" and self._state is not None else None

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()
        self._state, self._task = None, -1
        super().close()

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode as a picklable value, at no cost."""
        if self._state is None:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        return Snapshot(
            self.stream,
            self._task,
            self._annotation,
            self._state,
            self._observation,
            self._steps,
            self._verifier,
            self._invalid,
            self._journal if self._signals else None,
            self._channels if self._signals else None,
            None if self._handcoded is None else self._handcoded.copy(),
            self._advice,
        )

    def restore_state(self, state: Snapshot) -> Moment:
        """Continue from a clone, which may come from another environment with the same tasks and options."""
        self._load(state.task, state.annotation)
        self.stream = state.stream
        if state.journal is not None and state.signals is not None:
            self._journal, self._channels = state.journal, state.signals
        if state.handcoded is not None:
            self._handcoded, self._advice = state.handcoded.copy(), state.advice
        here = self._engine.adopt(state.state)
        return self._at(here, state.observation, state.steps, state.verifier, state.invalid)

    @property
    def _truncated(self) -> bool:
        return self._steps >= self.max_steps and not self._state.won

    def _checked(self, task: object) -> int:
        """The index of a task given by index or id."""
        if isinstance(task, str):
            index = self._names.get(task, self._names.get(task.rpartition("/")[2], -1))
            if index < 0 or self.tasks[index]().id != task:
                raise unknown("task", task, self._names)
            return index
        if isinstance(task, bool) or not isinstance(task, (int, np.integer)) or not 0 <= task < len(self.tasks):
            known = f"an id or an integer from 0 to {len(self.tasks) - 1}"
            raise gym.error.Error(f'options["task"] must be {known}, not {task!r}.')
        return int(task)

    def _load(self, index: int, annotation: int) -> None:
        """Make the engine play a task; a game that is loaded already stays, and its states stay valid."""
        if self._engine.closed:
            raise gym.error.ClosedEnvironmentError("The environment is closed: make a new one.")
        if index == self._task and annotation == self._annotation:
            return
        self._state, self._task = None, -1
        task = self.tasks[index]
        if annotation >= 0 and isinstance(task, StoredTask):
            task = replace(task, annotation=annotation)
        self._about, game, self._progress = self._loader(task)
        self._start = self._engine.load(game)
        self._introduction = self._engine.introduction()
        self._task, self._annotation = index, annotation

    def _at(
        self, state: Any, observation: str, steps: int, verifier: float, invalid: bool, distance: float | None = None
    ) -> Moment:
        """Move to a moment of an episode; return its observation and info."""
        if distance is None:
            self._arrivals, distance = self._progress.arrivals(state), self._progress.distance(state)
        self._state, self._observation, self._steps = state, observation, steps
        self._verifier, self._invalid, self._distance = verifier, invalid, distance
        info: dict[str, Any] = {
            "task": self._about.copy(),
            "state_key": state.key,
            "admissible_actions": list(self._engine.admissible(state)),
            "verifier": verifier,
            "exact_verifier": self.exact_verifier,
            "distance": distance,
            "invalid": invalid,
            "step_limit": self.max_steps,
            "steps_left": self.max_steps - steps,
        }
        if self._expert == "optimal":
            info["expert_actions"] = self._progress.optimal(state, self._engine.commands(state), self._engine.step)
        elif self._handcoded is not None:
            info["expert_actions"] = [self._advice]
        if self._signals:
            subgoals = self._progress.subgoals(state)
            share = sum(subgoals.values()) / len(subgoals)
            info["signals"] = self._channels | {"goal_conditions": share, "subgoals": subgoals}
        if state.won or steps >= self.max_steps:
            info["success"] = state.won
        return observation, info
