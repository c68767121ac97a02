"""credit/FunctionCalls-v0: do what a user asks turn by turn, by calling tools; graded by state and answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym

from credit_gym.data.action_format import ActionFormat
from credit_gym.data.call_dialects import Unreadable
from credit_gym.envs.function_calls.actions import DONE, read_action, write_action
from credit_gym.envs.function_calls.conversation import ALL_DONE, RESULT, Conversation, Event
from credit_gym.envs.function_calls.gold import Call
from credit_gym.envs.function_calls.plan import Plan, signature
from credit_gym.envs.function_calls.sources import EMBEDDED, Source, open_source
from credit_gym.envs.remembering import remember_short
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.errors import unknown
from credit_gym.estimation.ranges import Count, Whole

_HOW = """A user asks for something in several turns; do it by calling tools, as tool(argument='x'), as
{"name": "tool", "arguments": {...}}, or several calls in a list. When all that the user has asked for so far is done,
or where it cannot be done with these tools or with what is known, write to the user, or call done(): the turn ends."""


class Snapshot(NamedTuple):
    """One moment of an episode; it fits every environment with the same arguments.

    Attributes:
        stream: state of the random stream.
        task: index of the task.
        history: all that was done.
        observation: what was last said.
        verifier: reading of the last transition.
    """

    stream: int | None
    task: int
    history: tuple[Event, ...]
    observation: str
    verifier: float


class FunctionCallsEnv(TextEnv):
    """Many-turn tool calls by BFCL v4's rules (Patil et al., 2025), on tasks made here or on the published ones.

    An action makes calls, one or several, in any dialect (:func:`~credit_gym.envs.function_calls.actions.read_action`);
    words, or ``done()``, end the user's turn. The observation is ``tool: ...`` for each call, or ``user: ...`` when a
    turn begins. Where a turn brings tools that were withheld, it says so and lists them. The episode terminates with
    the last turn, and is truncated where a turn has more than ``max_steps`` steps. The reward is 0 until the end, and
    then 1 if after every turn with gold calls the back ends were in the state that the gold calls leave, every answer
    of a gold call had been seen, and some call was made in that turn.

    Beside the common keys ``info`` has ``tools`` (OpenAI function descriptions of those on offer), ``turn``,
    ``progress`` (:attr:`~credit_gym.envs.function_calls.conversation.Conversation.progress`), and at the end
    ``termination``. ``info["verifier"]`` is the change of progress; the step that ends a turn wrong loses 1 once.
    ``admissible_actions`` has the gold calls of the whole task among others like them; ``expert_actions`` the first
    gold call of this turn that was not made, or ``done()``.

    Args:
        source: ``embedded``, or ``folder`` for the published tasks of an unpacked ``bfcl-eval``.
        folder: that folder; by default the variable ``BFCL_DIR``. Its back ends are Python files, which are run.
        category: ``base``, ``long_context``, ``miss_func``, ``miss_param``, or ``all``, one after another.
        split: ``train`` or ``test`` of the embedded tasks, which share none; the published ones have ``all``.
        num_tasks: how many embedded tasks there are.
        task_seed: which embedded tasks are made.
        task_id: play this task only.
        max_steps: steps of calls in a turn; one more ends the episode.
        render_mode: ``ansi`` or None.

    Raises:
        UnknownNameError: there is no such source, category, split or task.
        ManifestError: the folder is not set, or a file in it is missing or malformed.
    """

    action_format = ActionFormat(
        "tool_call",
        how="Make tool calls, as tool(argument='x') or several in a list, or write to the user to end the turn.",
        examples=("Which of the two do you mean?", DONE),
        result=RESULT,
    )
    ends_when = "Terminates with the last turn of the user; truncated where a turn has more than `max_steps` steps."
    data_from = (
        "Tasks made here from `task_seed=`, `train` and `test` without one in common; the published ones from an "
        "unpacked bfcl-eval, the folder that `folder=` or BFCL_DIR names."
    )
    published = "The multi-turn rules of BFCL v4 (Patil et al., 2025); embedded tasks and back ends are written here."
    page = "function_calls"
    reward_rule = "1 at the end if every turn left the gold calls' states behind and had seen their answers."
    verifier_rule = "The change of progress toward the gold states and answers; the end of a wrong turn loses 1, once."
    own_info_keys = MappingProxyType(
        {
            "tools": "the tools on offer, as OpenAI's function descriptions",
            "turn": "number of the user's turn",
            "progress": "share of the whole way that is done, from 0 to 1",
            "termination": "at the end: what ended the conversation",
        }
    )

    def __init__(
        self,
        source: str = EMBEDDED,
        *,
        folder: str | os.PathLike[str] | None = None,
        category: str = "all",
        split: str | None = None,
        num_tasks: Count = 120,
        task_seed: Whole = 0,
        task_id: str | None = None,
        max_steps: Count = 20,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        source = "folder" if folder is not None else source
        self.source: Source = open_source(source, category, split, folder=folder, count=num_tasks, seed=task_seed)
        self._numbers = range(len(self.source.tasks))
        if task_id is not None:
            if (number := self.source.numbers().get(task_id)) is None:
                raise unknown("task", task_id, self.source.numbers())
            self._numbers = range(number, number + 1)
        self._max_steps = max_steps
        self._plan: Callable[[int], tuple[Plan, str]] = lru_cache(1024)(self._open)
        self._read = remember_short(4096, 400)(self._read_anew)
        self._task = -1
        self._talk: Conversation | None = None
        self._observation, self._verifier = "", 0.0

    @property
    def num_tasks(self) -> int:
        """Number of tasks that ``reset`` chooses from."""
        return len(self._numbers)

    @property
    def conversation(self) -> Conversation:
        """The conversation, with the task and its gold calls.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._talk is None:
            raise gym.error.ResetNeeded("There is no episode: call reset() first.")
        return self._talk

    @property
    def most_steps(self) -> int | None:
        """Steps of the task being played; None before there is one: tasks have more turns or fewer."""
        return None if self._talk is None else len(self._talk.plan.gold) * (self._max_steps + 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start a conversation; ``options={"task": i}`` picks the task, else the seed does."""
        task = self.seed_episode(seed) * len(self._numbers) >> 64
        if options is not None and "task" in options:
            task = task_number(options["task"], len(self._numbers))
        self._begin(task)
        return self._at(self.conversation.plan.said(0), 0.0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Make calls, or end the turn.

        Raises:
            ResetNeeded: the conversation is over, or has not begun.
        """
        talk = self._talk
        if talk is None or talk.over:
            raise gym.error.ResetNeeded("There is no conversation under way: call reset() first.")
        worth = talk.worth
        self._offer = talk.offer
        read = self._read(action, talk.offer.names)
        said = talk.do(() if isinstance(read, Unreadable) else read or None)
        if isinstance(read, Unreadable):
            said = f"{RESULT}Error: {read.reason}"
        observation, info = self._at(said, talk.worth - worth)
        truncated = talk.over not in ("", ALL_DONE)
        return observation, float(talk.success), talk.over == ALL_DONE, truncated, info

    def render(self) -> str | None:
        """Return what was last said in ``ansi`` mode."""
        return self._observation if self.render_mode == "ansi" and self._talk is not None else None

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode: what was done, from which the back ends come to the same state again."""
        history = tuple(self.conversation.history)
        return Snapshot(self.stream, self._task, history, self._observation, self._verifier)

    def restore_state(self, state: Snapshot) -> tuple[str, dict[str, Any]]:
        """Continue from a clone, which may come from another environment with the same arguments."""
        self.stream = state.stream
        self._begin(state.task)
        self.conversation.replay(state.history)
        return self._at(state.observation, state.verifier)

    def _open(self, task: int) -> tuple[Plan, str]:
        plan = Plan(self.source.library, self.source.tasks[self._numbers[task]])
        listed = "\n".join(f"- {signature(schema)}" for schema in plan.offers[0].schemas)
        return plan, f"{_HOW}\n\n# Tools\n\n{listed}"

    def _read_anew(self, action: str, names: tuple[str, ...]) -> tuple[Call, ...] | Unreadable:
        return read_action(action, self._offer.parameters)

    def _begin(self, task: int) -> None:
        self._task = task
        plan, self._goal = self._plan(task)
        self._talk = Conversation(plan, self._max_steps)

    def _at(self, observation: str, verifier: float) -> tuple[str, dict[str, Any]]:
        """Move to a moment; return its observation and info."""
        talk = self.conversation
        self._observation, self._verifier = observation, verifier
        offer, limit = talk.offer, self.most_steps
        info: dict[str, Any] = {
            "task": {"id": talk.plan.task.id, "split": self.source.split, "goal": self._goal},
            "state_key": talk.key(),
            "admissible_actions": list(offer.actions),
            "expert_actions": [],
            "verifier": verifier,
            "progress": talk.progress,
            "invalid": talk.refused,
            "tools": offer.schemas,
            "turn": talk.turn,
            "step_limit": limit,
            "steps_left": talk.steps_left,
        }
        if talk.over:
            info["success"], info["termination"] = talk.success, talk.over
        else:
            info["expert_actions"] = [write_action(talk.next_calls())]
        return observation, info
