"""The published reward: a product of checks, each 0 or 1, on the database, the calls and what the customer was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from credit_gym.envs.tau2.actions import Message, ToolCall
from credit_gym.envs.tau2.database import Database
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.tasks import GoldAction, Task, write_env_call, write_gold_action

Judge = Callable[[str, Sequence[str]], Sequence[bool]]
"""Told a conversation, one ``role: content`` a line, and assertions about it; says of each whether it is met."""

STOPPED = frozenset(("agent_stop", "user_stop"))
"""The ends of a conversation that are graded at all."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The reward of an episode and what it is made of.

    Attributes:
        reward: the product of the components in the task's basis that were checked; 0 where the conversation did not
            come to an end of its own.
        components: reward type -> 1.0 or 0.0 for what is in the basis; None for assertions that nobody judged.
        details: the same as tau2's ``reward_info``.
    """

    reward: float
    components: Mapping[str, float | None] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


def grade(
    domain: Domain,
    task: Task,
    gold: Database,
    database: Database,
    messages: Sequence[Message],
    termination: str,
    *,
    judge: Judge | None = None,
    upstream: bool = False,
) -> Grade:
    """Grade a conversation.

    Args:
        domain: where it took place.
        task: what it was about.
        gold: the database that the reference solution leaves.
        database: the one that the conversation left.
        messages: all messages, the task's history included.
        termination: why it ended, in tau2's words.
        judge: decides assertions in natural language; without one they are left out of the product.
        upstream: check calls and texts exactly as tau2 does (see :func:`is_match` and :func:`is_told`).
    """
    if termination not in STOPPED:
        return Grade(0.0, {}, {"reward": 0.0, "info": {"note": f"The conversation ended by {termination}."}})
    if not task.graded:
        return Grade(1.0, {}, {"reward": 1.0, "info": {"note": "The task has no criteria."}})
    calls = [call for message in messages if message.role != "tool" for call in message.all_calls]
    said = [message.content for message in messages if message.role == "assistant" and message.content]
    match = (task.actions is None and task.assertions is None) or database.changed == gold.changed
    holds = [domain.holds(database, assertion) for assertion in task.assertions or ()]
    matched = [any(is_match(action, call, upstream=upstream) for call in calls) for action in task.actions or ()]
    told = [any(is_told(info, text, upstream=upstream) for text in said) for info in task.communicate]
    judged = _judged(task, messages, judge)
    found = {
        "DB": float(match),
        "ENV_ASSERTION": float(all(holds)),
        "ACTION": float(all(matched)),
        "COMMUNICATE": float(all(told)),
        "NL_ASSERTION": None if judged is None else float(all(judged)),
    }
    components = {name: found[name] for name in task.basis if name in found}
    reward = 1.0
    for value in components.values():
        reward *= 1.0 if value is None else value
    details = {
        "reward": reward,
        "db_check": {"db_match": match, "db_reward": float(match)},
        "env_assertions": [
            {"env_assertion": write_env_call(assertion), "met": met, "reward": float(met)}
            for assertion, met in zip(task.assertions or (), holds, strict=True)
        ],
        "action_checks": [
            {
                "action": write_gold_action(action),
                "action_match": met,
                "action_reward": float(met),
                "tool_type": "write" if domain.writes(action.call) else "read",
            }
            for action, met in zip(task.actions or (), matched, strict=True)
        ],
        "nl_assertions": [
            {"nl_assertion": assertion, "met": met, "justification": "judged"}
            for assertion, met in zip(task.natural_language, judged or (), strict=False)
        ],
        "communicate_checks": [
            {"info": info, "met": met, "justification": "found in a message" if met else "found in no message"}
            for info, met in zip(task.communicate, told, strict=True)
        ],
        "reward_basis": list(task.basis),
        "reward_breakdown": {name: value for name, value in components.items() if value is not None},
        "info": None if judged is not None else {"note": "Assertions in natural language were not judged."},
    }
    return Grade(reward, components, details)


def is_match(action: GoldAction, call: ToolCall, *, upstream: bool = False) -> bool:
    """Whether a call is one that the reference solution asks for, whoever makes it: alone, the agent does the user's.

    The arguments named in ``compare_args`` must be equal; where the task names none, all of them. tau2 1.0.1
    (``upstream``) then compares only the arguments that the *call* has, so that a call without arguments matches any.
    """
    if call.name != action.call.name:
        return False
    expected, given = action.call.arguments, call.arguments
    if action.compare_args is not None:
        names: Sequence[str] = action.compare_args
    else:
        names = tuple(given) if upstream else tuple({**expected, **given})
    return all(given.get(name, _ABSENT) == expected.get(name, _ABSENT) for name in names)


def counted(
    actions: Sequence[GoldAction] | None, call: ToolCall, made: int = 0, matched: int = 0, *, upstream: bool = False
) -> tuple[int, int]:
    """Return which calls of the reference solution were made and matched, one more call told, as bits.

    Args:
        actions: the reference solution.
        call: what was called.
        made: bits so far of those that were made; each call counts for the first that is left.
        matched: bits so far of those that some call matches.
        upstream: compare as tau2 does.
    """
    left = True
    for number, action in enumerate(actions or ()):
        if is_match(action, call, upstream=upstream):
            matched |= 1 << number
            if left and not made >> number & 1:
                made, left = made | 1 << number, False
    return made, matched


def is_told(info: str, text: str, *, upstream: bool = False) -> bool:
    """Whether a message says something: as a substring, whatever the case and the commas.

    tau2 1.0.1 (``upstream``) drops the commas of the message only, so that an info with one can never be found.
    """
    wanted = info.lower() if upstream else info.lower().replace(",", "")
    return wanted in text.lower().replace(",", "")


def transcript(messages: Sequence[Message]) -> str:
    """Return a conversation as a judge reads it: ``role: content``, one message a line."""
    return "\n".join(f"{message.role}: {message.content}" for message in messages if message.content)


def _judged(task: Task, messages: Sequence[Message], judge: Judge | None) -> list[bool] | None:
    """The judge's word on each assertion; None if there are some and nobody to judge them."""
    if not task.natural_language or "NL_ASSERTION" not in task.basis:
        return []
    if judge is None:
        return None
    return [bool(met) for met in judge(transcript(messages), task.natural_language)]


_ABSENT: Any = object()
