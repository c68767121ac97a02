"""The turns of a team: one role speaks a step, hears what reaches it, and the last message is graded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import gymnasium as gym

from credit_gym.data.action_format import FORMATS
from credit_gym.envs.team.grade_math import strip_chat_tokens
from credit_gym.envs.team.problems import CodeProblem, MathProblem
from credit_gym.envs.team.roles import RoleGraph, role_graph
from credit_gym.envs.text_env import TextEnv, task_number

Moment = tuple[str, dict[str, Any]]
Roles = str | Mapping[str, Sequence[str]] | RoleGraph
P = TypeVar("P", MathProblem, CodeProblem)

_LONGEST_MESSAGE = 20_000
_IDLE = "I have nothing to add."


class Verdict(NamedTuple):
    """What the last message earned.

    Attributes:
        reward: in [0, 1].
        success: whether it is right.
        text: the verdict in words.
        details: the grade, as plain data.
    """

    reward: float
    success: bool
    text: str
    details: dict[str, Any]


class Snapshot(NamedTuple):
    """One moment of an episode; it fits every environment with the same problems and roles."""

    stream: int | None
    task: int
    messages: tuple[str, ...]
    verifier: float
    invalid: bool
    verdict: Verdict | None


class MultiAgentEnv(TextEnv, Generic[P]):
    """A team answers a question: every step is the message of one role, and the last role's message is graded.

    The roles speak once each, in the order of their graph. The observation of a step is what the role whose turn it is
    may know: its duty, the question, and the messages of its ancestors, without chat-template tokens. Any text is a
    message; one longer than 20,000 characters is cut and flagged ``info["invalid"]``.

    ``info`` also has ``role`` (whose turn it is, absent at the end), ``action_format`` (of a role whose message is not
    graded), ``context_key`` (hash of the observation: equal
    contexts of different branches have equal keys), and at the end ``grade``. For generated problems it lists a few
    ``admissible_actions`` (to go on from what one was told, to work it out afresh, to slip, to say nothing) and
    ``expert_actions``; for problems from a file both are empty, as only a language model can go on.

    ``info["verifier"]`` is the change of what the team has right: the share of a generated problem's facts that stand
    right in the messages which reach the last role, and at the end 1 or 0 for the verdict. It sums to the success. For
    other problems nothing is known before the end, and it is 0.0 until then.
    """

    action_format = FORMATS["message"]
    ends_when = "Terminates with the message of the last role; never truncated."
    verifier_rule = "The change of the share of facts that stand right in what reaches the last role, then the verdict."
    own_info_keys = MappingProxyType(
        {
            "role": "whose turn it is; absent at the end",
            "action_format": "the form of a message that is not graded",
            "context_key": "a hash of the observation, equal in branches whose contexts are",
            "grade": "at the end: how the last message was graded",
        }
    )

    answer_form = ""
    """What the last role is told about the form of its answer."""

    def __init__(self, problems: Sequence[P], roles: Roles, *, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self.roles = role_graph(roles)
        self.problems: tuple[P, ...] = tuple(problems)
        self._heard_at_last = frozenset((*self.roles.ancestors[self.roles.answer_role], self.roles.answer_role))
        self._task = 0
        self._messages: tuple[str, ...] | None = None
        self._verifier = 0.0
        self._invalid = False
        self._verdict: Verdict | None = None

    @property
    def num_tasks(self) -> int:
        """Number of problems that ``reset`` chooses from."""
        return len(self.problems)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Moment:
        """Start an episode; ``options={"task": i}`` picks the problem, else the seed does."""
        task = self.seed_episode(seed) * len(self.problems) >> 64
        if options is not None and "task" in options:
            task = task_number(options["task"], len(self.problems))
        return self.restore_state(Snapshot(self.stream, task, (), 0.0, False, None))

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Say a message in the name of the role whose turn it is.

        Raises:
            ResetNeeded: the episode is over, or has not begun.
        """
        if self._messages is None or self._verdict is not None:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        known = self._share_of_facts()
        message = str(action)[:_LONGEST_MESSAGE]
        self._invalid = len(action) > len(message)
        self._messages += (message,)
        if len(self._messages) == len(self.roles.order):
            self._verdict = self.grade(self.problems[self._task], message)
            self._verifier = float(self._verdict.success) - known
        else:
            self._verifier = self._share_of_facts() - known
        observation, info = self._moment()
        over = self._verdict is not None
        return observation, self._verdict.reward if self._verdict else 0.0, over, False, info

    def grade(self, problem: P, message: str) -> Verdict:
        """Return the verdict on the last role's message."""
        raise NotImplementedError

    def render(self) -> str | None:
        """Return the observation in ``ansi`` mode."""
        return self._observation() if self.render_mode == "ansi" and self._messages is not None else None

    def view(self, role: str) -> str:
        """Return what a role may know now: its duty, the question, and what its ancestors have said.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._messages is None:
            raise gym.error.ResetNeeded("There is no episode to look at: call reset() first.")
        parts = [
            f"You are the {role.replace('_', ' ')}. {self.roles.duty(role)}",
            f"Problem:\n{self.problems[self._task].question}",
            *(f"Message of the {other.replace('_', ' ')}:\n{text}" for other, text in self._heard(role)),
        ]
        if role == self.roles.answer_role:
            parts.insert(1, self.answer_form)
        return "\n\n".join(parts)

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode as a picklable tuple.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._messages is None:
            raise gym.error.ResetNeeded("There is no episode to clone: call reset() first.")
        return Snapshot(self.stream, self._task, self._messages, self._verifier, self._invalid, self._verdict)

    def restore_state(self, state: Snapshot) -> Moment:
        """Continue from a clone, which may come from another environment with the same problems and roles."""
        self.stream, self._task, self._messages, self._verifier, self._invalid, self._verdict = state
        return self._moment()

    def _moment(self) -> Moment:
        assert self._messages is not None
        problem = self.problems[self._task]
        observation = self._observation()
        info: dict[str, Any] = {
            "task": {"id": problem.id, "split": problem.split, "goal": problem.question},
            "state_key": _hash([problem.id, self.roles.order, self._messages]),
            "context_key": _hash([problem.id, observation]),
            "admissible_actions": [],
            "expert_actions": [],
            "verifier": self._verifier,
            "invalid": self._invalid,
            "step_limit": len(self.roles.order),
            "steps_left": len(self.roles.order) - len(self._messages),
        }
        if self._verdict is not None:
            info |= {"success": self._verdict.success, "grade": dict(self._verdict.details)}
        else:
            info["role"] = self._role
            if self._role != self.roles.answer_role:
                info["action_format"] = "message"
            if problem.draft is not None:
                info["expert_actions"], info["admissible_actions"] = self._offers()
        return observation, info

    @property
    def _role(self) -> str:
        assert self._messages is not None
        return self.roles.order[len(self._messages)]

    def _observation(self) -> str:
        return self.view(self._role) if self._verdict is None else self._verdict.text

    def _heard(self, role: str) -> list[tuple[str, str]]:
        """The messages that reach a role, each after the name of who said it."""
        assert self._messages is not None
        said = dict(zip(self.roles.order, self._messages, strict=False))
        return [(other, strip_chat_tokens(said[other])) for other in self.roles.ancestors[role] if other in said]

    def _share_of_facts(self) -> float:
        """The share of the facts that stand right in what reaches the last role, 0.0 where they are not known."""
        draft = self.problems[self._task].draft
        if draft is None or self._messages is None:
            return 0.0
        spoken = zip(self.roles.order, self._messages, strict=False)
        stated = draft.stated([text for role, text in spoken if role in self._heard_at_last])
        return sum(stated.get(name) == value for name, value in draft.truth.items()) / len(draft.truth)

    def _offers(self) -> tuple[list[str], list[str]]:
        """The expert's message, and all that are offered, in an order that tells nothing."""
        problem, role = self.problems[self._task], self._role
        draft = problem.draft
        assert draft is not None
        told = draft.derive(draft.stated([text for _, text in self._heard(role)]))
        names = list(draft.truth)
        share = names[-1:] if role == self.roles.answer_role else self._share(names, role)
        slips = {name: draft.slip(name, told[name]) for name in share[:1]}
        slipped = draft.derive({name: told[name] for name in names if name not in share} | slips)

        def say(values: Mapping[str, str]) -> str:
            if role == self.roles.answer_role:
                return draft.answer(values)
            return "\n".join(f"{name} = {values[name]}" for name in share) or _IDLE

        expert = say(draft.truth)
        offers = list(dict.fromkeys([say(told), expert, say(slipped), _IDLE]))
        turn = int(_hash([problem.id, role]), 16) * len(offers) >> 64
        return [expert], offers[turn:] + offers[:turn]

    def _share(self, names: list[str], role: str) -> list[str]:
        """The facts that fall to a role which does not answer: consecutive ones, shared out evenly."""
        workers = len(self.roles.order) - 1
        place = self.roles.order.index(role)
        return names[place * len(names) // workers : (place + 1) * len(names) // workers]


def _hash(parts: Sequence[object]) -> str:
    return hashlib.blake2b(json.dumps(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
