"""The turn loop that every questioning game shares."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from credit_gym.envs.information.reward import REWARDS, Turn
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.errors import CreditGymError, unknown
from credit_gym.estimation.ranges import Count

MODES = ("default", "upstream")
NOTHING_KNOWN = float("nan")
UNANSWERED = "Nobody could answer that question; ask something else."
TOO_LONG = "That is too long; say it in one short sentence."
LONGEST_QUESTION = 5_000  # characters


class Task(NamedTuple):
    """One game to be played.

    Attributes:
        id: its name, unique in its environment; it must not give the secret away.
        split: ``train``, ``eval``, ``test``, or what the data calls it.
        goal: what the agent is told to do.
        secret: what is to be found out.
    """

    id: str
    split: str
    goal: str
    secret: str


class Snapshot(NamedTuple):
    """One moment of a game; it fits every environment with the same tasks.

    Attributes:
        stream: state of the random stream.
        task: index of the task.
        turns: what was asked and answered so far.
        memory: what the game itself keeps, immutable and picklable.
        verifier: reading of the last transition.
    """

    stream: int | None
    task: int
    turns: tuple[Turn, ...]
    memory: Any
    verifier: float


class QuestionEnv(TextEnv):
    """A game of at most ``turns`` questions.

    A subclass says how a question is answered (:meth:`_reply`) and, where it knows, what can be asked
    (:meth:`_outlook`) and what its memory is worth (:meth:`_worth`); the base keeps the turns, the limit, the reward,
    the clones and ``info``. Beside the common keys, ``info`` has ``invalid`` and ``repeated`` (bool, of the last turn)
    and ``kind`` (see :class:`~credit_gym.envs.information.reward.Turn`; ``start`` at reset).

    The state is the secret with the set of questions that were answered: their order, and turns that changed nothing,
    do not count. ``info["verifier"]`` is the change of :meth:`_worth`, NaN where the game cannot tell.

    The limit counts the turns that can be charged to the agent. Turns on which whoever answers failed are free, but a
    game that had ``turns`` of them is truncated too.

    Args:
        tasks: the games to draw from.
        turns: most questions of a game.
        reward: name of a reward in :data:`~credit_gym.envs.information.reward.REWARDS`.
        render_mode: ``ansi`` or None.

    Raises:
        UnknownNameError: there is no such reward.
        CreditGymError: there is no task, or no turn.
    """

    limit_argument = "turns"
    ends_when = (
        "Terminates when the game is won or lost; truncated after `turns` turns, or after as many that went unanswered."
    )
    page = "beliefs"
    reward_rule = "1 with the turn that wins, else 0; by `reward='upstream'` the published one of every turn."
    verifier_rule = "The change of the log-probability of the truth, in nats; NaN where the game cannot tell."
    own_info_keys: Mapping[str, str] = MappingProxyType(
        {
            "kind": "what became of the turn: start, answered, invalid, repeated, unanswered, won, lost",
            "repeated": "whether the same had been asked before",
        }
    )

    def __init__(
        self, tasks: Sequence[Task], *, turns: Count = 20, reward: str = "outcome", render_mode: str | None = None
    ) -> None:
        super().__init__(render_mode=render_mode)
        if reward not in REWARDS:
            raise unknown("reward", reward, REWARDS)
        if isinstance(turns, bool) or not isinstance(turns, (int, np.integer)) or turns < 1:
            raise CreditGymError(f"turns must be a positive integer, not {turns!r}.")
        if not tasks:
            raise CreditGymError("There is no task to play: choose another split, or a file that has some.")
        self.tasks = tuple(tasks)
        self.turns = int(turns)
        self._earn = REWARDS[reward]
        self._now: Snapshot | None = None

    @abstractmethod
    def _reply(self, action: str) -> tuple[Turn, Any]:
        """Answer an action; return the turn and the memory after it (``self.memory`` is the one before)."""

    def _beginning(self) -> tuple[str, Any]:
        """Return the first observation and the memory of a new game (``self.task`` is set)."""
        return "Ask your first question.", None

    def _outlook(self) -> dict[str, Any]:
        """Return ``admissible_actions`` and, where the game knows them, ``expert_actions`` of this moment."""
        return {"admissible_actions": []}

    def _worth(self, memory: Any) -> float:
        """Return the potential whose change is the verifier signal."""
        return NOTHING_KNOWN

    @property
    def num_tasks(self) -> int:
        """Number of tasks that ``reset`` chooses from."""
        return len(self.tasks)

    @property
    def task(self) -> Task:
        """The task being played."""
        return self.tasks[self._current.task]

    @property
    def target(self) -> str:
        """The secret of the game being played: what a belief is about. Nothing shows it to the agent."""
        return self.task.secret

    @property
    def asked(self) -> tuple[Turn, ...]:
        """The turns of the game so far."""
        return self._current.turns

    @property
    def memory(self) -> Any:
        """What the game keeps of this moment."""
        return self._current.memory

    @property
    def most_steps(self) -> int:
        """The limit of turns."""
        return self.turns

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start a game; ``options={"task": i}`` picks it, else the seed does."""
        number = (self.seed_episode(seed) >> 32) * len(self.tasks) >> 32
        if options is not None and "task" in options:
            number = task_number(options["task"], len(self.tasks))
        self._now = Snapshot(self.stream, number, (), None, 0.0)
        _, memory = self._beginning()
        return self.restore_state(self._now._replace(memory=memory))

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Ask.

        Raises:
            ResetNeeded: the game is over, or has not begun.
        """
        before = self._now
        if before is None or self._over(before.turns):
            raise gym.error.ResetNeeded("There is no game under way: call reset() first.")
        turn, memory = self._reply(action)
        turns = (*before.turns, turn)
        gain = self._worth(memory) - self._worth(before.memory)
        self._now = Snapshot(self.stream, before.task, turns, memory, gain)
        over = self._over(turns)
        terminated = turn.kind in ("won", "lost")
        reward = self._earn(turn, _charged(turns), over)
        return turn.text, reward, terminated, over and not terminated, self._info()

    def clone_state(self) -> Snapshot:
        """Return this moment of the game as a small picklable tuple.

        Raises:
            ResetNeeded: no game has begun.
        """
        return self._current._replace(stream=self.stream)

    def restore_state(self, state: Snapshot) -> tuple[str, dict[str, Any]]:
        """Continue from a clone, which may come from another environment with the same tasks."""
        self.stream, self._now = state.stream, state
        return (state.turns[-1].text if state.turns else self._beginning()[0]), self._info()

    def render(self) -> str | None:
        """Return the conversation so far in ``ansi`` mode."""
        if self.render_mode != "ansi" or self._now is None:
            return None
        return "\n".join([self._beginning()[0], *(f"> {turn.action}\n{turn.text}" for turn in self._now.turns)])

    @property
    def _left(self) -> int:
        """How many turns are left."""
        return self.turns - _charged(self.asked)

    def _was_asked(self, key: str) -> bool:
        return any(turn.key == key for turn in self.asked)

    @property
    def _current(self) -> Snapshot:
        if self._now is None:
            raise gym.error.ResetNeeded("No game has begun: call reset() first.")
        return self._now

    def _over(self, turns: Sequence[Turn]) -> bool:
        charged = _charged(turns)
        return bool(turns) and (
            turns[-1].kind in ("won", "lost") or charged >= self.turns or len(turns) - charged >= self.turns
        )

    def _info(self) -> dict[str, Any]:
        now, task = self._current, self.task
        kind = now.turns[-1].kind if now.turns else "start"
        info: dict[str, Any] = {
            "task": {"id": task.id, "split": task.split, "goal": task.goal},
            "state_key": self._state_key(),
            **self._outlook(),
            "verifier": now.verifier,
            "invalid": kind == "invalid",
            "repeated": kind == "repeated",
            "kind": kind,
            "step_limit": self.turns,
            "steps_left": self._left,
        }
        if self._over(now.turns):
            info["success"] = kind == "won"
        return info

    def _state_key(self) -> str:
        keys = sorted({turn.key for turn in self._current.turns if turn.key})
        text = "\x1f".join((type(self).__name__, self.task.goal, self.task.secret, *keys))
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def task_id(kind: str, text: str) -> str:
    """Return the id of a task: it tells nothing."""
    return f"{kind}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


def _charged(turns: Sequence[Turn]) -> int:
    return len(turns) - [turn.kind for turn in turns].count("unanswered")
