"""credit/Sokoban-v0: push every box onto a target, in text, with the exact distance to the end."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym

from credit_gym.data.action_families import Family
from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.inputs import not_text, refuses_itself
from credit_gym.envs.sokoban.place import Place, Places, places
from credit_gym.envs.sokoban.room import MOVES, Position
from credit_gym.envs.sokoban.tasks import Task, Tasks, list_tasks
from credit_gym.envs.sokoban.turns import Form, Reward, Rules, advice, turn
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.estimation.ranges import Count, Whole

DISCOUNT = 0.99

Moment = tuple[str, dict[str, Any]]

_HOW = "Write one move on one line: Up, Down, Left or Right."
_HOW_MANY = "Write moves on one line, with commas between them: Up, Down, Left or Right."
_PUSH = (
    Family(
        "move", "{direction}", "Move, and push a box where one stands.", (("direction", "Up, Down, Left or Right."),)
    ),
)
_PUSHES = (
    Family(
        "move",
        "{directions}",
        "Move several times.",
        (("directions", "Up, Down, Left or Right, with commas between them."),),
    ),
)


class Snapshot(NamedTuple):
    """One moment of an episode."""

    stream: int | None
    task: int
    position: Position
    observation: str
    steps: int
    verifier: float
    invalid: bool


class SokobanEnv(TextEnv):
    """Sokoban as language models play it, in the symbols of RAGEN (Wang et al., 2025), by gym-sokoban's rules.

    The reward is 1 when every box is on a target. In rooms of up to 100,000 positions (all of the default size) the
    distance to the end is exact: ``info["distance"]``, in moves, infinite in a deadlock, which the verifier counts as
    far as an episode is long; ``info["verifier"]`` is its decrease, ``info["expert_actions"]`` what lowers it fastest,
    and ``info["exact_verifier"]`` is True. In larger ones the verifier is the decrease of a bound: the pushes that each
    box needs if it is alone. ``info["deadlock"]`` says that the room is known to be lost, ``info["boxes_on_target"]``
    how many boxes are where they belong.

    Args:
        split: ``train`` or ``test``; no room is in both.
        num_tasks: how many rooms there are.
        width: cells a row, the walls around included.
        height: rows, the walls around included.
        boxes: boxes, and targets.
        least_moves: no room is solved in fewer moves.
        form: what an action is: ``one`` move, or a ``list`` of them (``Up, Up, Left`` or ``Up || Up || Left``).
        most_moves: moves of a list that are made; further ones are left out, and the answer says so.
        max_steps: the episode is truncated after so many actions.
        reward: ``success``, or ``published`` for gym-sokoban's: -0.1 a move, 1 for a box that comes to lie on a target,
            -1 for one that leaves it, 10 when the room is solved.
        levels: a file of rooms to play in the place of those made here, as Boxoban's.
        room_seed: which rooms are made.
        render_mode: ``ansi`` or None.

    Raises:
        UnknownNameError: there is no such split.
        ManifestError: the file has a room that is none.
        CreditGymError: no room of that size with so many boxes can be made.
    """

    action_format = ActionFormat(how=_HOW, examples=MOVES, families=_PUSH)
    limit_argument = "max_steps"
    ends_when = (
        "Terminates when every box is on a target; truncated after `max_steps` actions. A deadlock ends nothing."
    )
    data_from = (
        "Rooms made here from `room_seed=`, solvable by construction, `train` and `test` without a room in "
        "common; or a file of levels such as Boxoban's (`levels=`)."
    )
    published = (
        "gym-sokoban's rules (MIT licence) in the symbols of RAGEN (Wang et al., 2025). The reward is that of a "
        "solved room unless `reward='published'`."
    )
    reward_rule = "1 when every box is on a target; by `reward='published'` gym-sokoban's of every move."
    verifier_rule = "The decrease of the distance to the end, in moves; in large rooms of a bound on it, in pushes."
    own_info_keys = MappingProxyType(
        {
            "distance": "moves to the end, infinite in a deadlock; in rooms that are small enough",
            "deadlock": "whether the room is known to be lost",
            "boxes_on_target": "how many boxes are where they belong",
        }
    )

    def __init__(
        self,
        split: str = "train",
        *,
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
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        self.rules = Rules(form, most_moves if form == "list" else 1, max_steps, reward)
        if form == "list":
            how = f"{_HOW_MANY} The first {most_moves} are made."
            self.action_format = ActionFormat(how=how, examples=("Up", "Left, Left, Down"), families=_PUSHES)
        size = {"width": width, "height": height, "boxes": boxes, "least_moves": least_moves}
        self.tasks: Tasks = list_tasks(split, num_tasks, levels=levels, room_seed=room_seed, **size)
        self._number = -1
        self._task: Task | None = None
        self._position = Position(0, 0)
        self._steps = 0

    @property
    def num_tasks(self) -> int:
        """How many rooms there are to play."""
        return len(self.tasks)

    @property
    def most_steps(self) -> int:
        """The step limit."""
        return self.rules.max_steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Moment:
        """Start an episode; ``options={"task": i}`` picks the room by its index, else the seed does."""
        bits = self.seed_episode(seed)
        number = (bits >> 32) * len(self.tasks) >> 32
        if options is not None and "task" in options:
            number = task_number(options["task"], len(self.tasks))
        task = self._load(number)
        self.exact_verifier = self._places[task.start].exact
        return self._at(task.start, self._places[task.start].picture, 0, 0.0, False)

    @refuses_itself
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take an action; what is no move, or moves nothing, is answered so and still counts as a step."""
        if not isinstance(action, str):
            raise not_text(action)
        if self._task is None or self._place.solved or self._steps >= self.rules.max_steps:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        position, observation, reward, verifier, invalid = turn(self.rules, self._places, self._position, action)
        _, info = self._at(position, observation, self._steps + 1, verifier, invalid)
        solved = self._place.solved
        return observation, reward, solved, self._steps >= self.rules.max_steps and not solved, info

    def optimal_values(self, discount: float = DISCOUNT) -> dict[str, float]:
        """Return the exact optimal value of each move here, without regard to the step limit.

        A move after which the room can be solved in ``d`` further ones is worth ``Q*(s, a) = discount ** d``; 0 where
        it cannot be solved any more. One that moves nothing is not listed.

        Raises:
            NotImplementedError: the room is too large to be searched.
        """
        if self._task is None:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        if not self._place.exact:
            raise NotImplementedError("The room is too large: how far it is from solved is not known exactly.")
        after = {MOVES[move]: self._places[there] for move, there in enumerate(self._place.moves) if there is not None}
        return {move: discount**place.left for move, place in after.items()}

    def optimal_advantages(self, discount: float = DISCOUNT) -> dict[str, float]:
        """Return ``A*(s, a) = Q*(s, a) - max Q*(s, .)`` of each move here: 0 for the optimal ones."""
        values = self.optimal_values(discount)
        best = max(values.values(), default=0.0)
        return {move: value - best for move, value in values.items()}

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode."""
        if self._task is None:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        where = self._position, self._observation, self._steps, self._verifier, self._invalid
        return Snapshot(self.stream, self._number, *where)

    def restore_state(self, state: Snapshot) -> Moment:
        """Continue from a clone, which may come from another environment with the same rooms and rules."""
        self._load(state.task)
        self.stream = state.stream
        return self._at(*state[2:])

    def render(self) -> str | None:
        """Return the picture of the room in mode ``ansi``."""
        return self._place.picture if self.render_mode == "ansi" and self._task is not None else None

    def _load(self, number: int) -> Task:
        if number != self._number or self._task is None:
            self._number, self._task = number, self.tasks[number]()
            self._places: Places = places(self._task.room)
        return self._task

    def _at(self, position: Position, observation: str, steps: int, verifier: float, invalid: bool) -> Moment:
        """Move to a moment of an episode; return its observation and info."""
        assert self._task is not None
        self._place: Place = self._places[position]
        self._position, self._observation, self._steps = position, observation, steps
        self._verifier, self._invalid = verifier, invalid
        place, limit = self._place, self.rules.max_steps
        info: dict[str, Any] = {
            "task": self._task.about.copy(),
            "state_key": place.key,
            "admissible_actions": list(place.admissible),
            "verifier": verifier,
            "exact_verifier": place.exact,
            "deadlock": place.deadlock,
            "boxes_on_target": place.placed,
            "invalid": invalid,
            "step_limit": limit,
            "steps_left": limit - steps,
        }
        if place.exact:
            info["distance"] = place.left
            info["expert_actions"] = advice(self.rules, self._places, place)
        if place.solved or steps >= limit:
            info["success"] = place.solved
        return observation, info
