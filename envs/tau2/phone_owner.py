"""The customer of the telecom domain where no language model plays them: does with the phone what the agent asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from credit_gym.envs.tau2.actions import STOP, TRANSFER, Message, ToolCall
from credit_gym.envs.tau2.database import Database, Draft
from credit_gym.envs.tau2.phone import device
from credit_gym.envs.tau2.phone_requests import asks_to_change_plan, asks_who, requests_in
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.toolkit import Toolkit
from credit_gym.envs.tau2.users import Reply, scenario, was_transferred


class Mind(NamedTuple):
    """What the owner of a phone remembers.

    Attributes:
        said: parts of the story that were told: why they call, who they are.
        todo: calls still to make before they answer.
        leaving: whether they look for themselves if all is well, before they say goodbye.
        doubts: how often it was not.
    """

    said: int = 0
    todo: tuple[ToolCall, ...] = ()
    leaving: bool = False
    doubts: int = 0


class PhoneOwner:
    """A customer who follows the rules of the published tasks, without a language model.

    It opens with why it calls, and says who it is when it is asked, or when nothing else is. What the agent asks of its
    phone it does, and answers with what the phone said, in its words (:func:`requests_in` says what counts as asking).
    To any other question it says yes, but to that of another plan. A message that neither asks nor requests anything is
    a goodbye: it then looks for itself whether what it called for is solved, says so and goes on if it is not, twice at
    most, and ends the conversation.

    Args:
        tools: what it can do with the phone.
    """

    def __init__(self, tools: Toolkit) -> None:
        self._tools = tools

    def begin(self, task: Task, bits: int) -> Mind:
        """Return the mind of somebody who has said nothing yet."""
        return Mind()

    def reply(self, task: Task, memory: Mind, messages: Sequence[Message], database: Database, bits: int) -> Reply:
        """Do what is asked, then answer."""
        answers = _answers(messages)
        heard = next((message.content or "" for message in reversed(messages) if message.role == "assistant"), "")
        if answers is None:  # the agent has spoken
            if was_transferred(messages):
                return Reply(TRANSFER, None, memory)
            asked = requests_in(heard, self._tools, device(Draft(database)))
            if not asked:
                return self._answer(task, memory, heard)
            memory = memory._replace(todo=asked)
        if memory.todo:
            return Reply(None, memory.todo[0], memory._replace(todo=memory.todo[1:]))
        if memory.leaving:
            return _farewell(task, memory._replace(leaving=False), answers or "")
        if asks_who(heard):
            parts = _story(task)
            return Reply(f"{parts[-1]}\n{answers}", None, memory._replace(said=len(parts)))
        return Reply(answers, None, memory)

    def _answer(self, task: Task, mind: Mind, heard: str) -> Reply:
        parts = _story(task)
        if mind.said == 0:
            return Reply(parts[0], None, mind._replace(said=1))
        if asks_who(heard) or (mind.said < len(parts) and "?" in heard):
            return Reply(parts[-1], None, mind._replace(said=len(parts)))
        if "?" in heard:
            unwilling = asks_to_change_plan(heard) and "do not want to change your" in scenario(task)
            return Reply("No, I do not want another plan." if unwilling else "Yes, please.", None, mind)
        look, _ = _proof(task)
        if look not in self._tools:
            return Reply(f"Thank you. {STOP}", None, mind)
        return Reply(None, ToolCall(look, {}, "user"), mind._replace(leaving=True))


def _answers(messages: Sequence[Message]) -> str | None:
    """What the phone has answered since the agent last spoke; None before the first answer."""
    found = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if message.role == "tool" and message.requestor == "user":
            found.append(message.content or "")
    return "\n".join(reversed(found)) if found else None


def _farewell(task: Task, mind: Mind, seen: str) -> Reply:
    _, sign = _proof(task)
    if sign in seen:
        return Reply(f"Thank you, it works now. {STOP}", None, mind)
    if mind.doubts == _MOST_DOUBTS:
        return Reply(f"It still does not work, but I leave it at that. {STOP}", None, mind)
    return Reply(f"It is not solved yet. {seen}", None, mind._replace(doubts=mind.doubts + 1))


def _story(task: Task) -> list[str]:
    """Why they call, and who they are."""
    told = task.instructions
    if not isinstance(told, Mapping):
        return [told]
    parts = [str(told.get(name) or "").strip() for name in ("reason_for_call", "known_info")]
    return [part for part in parts if part] or ["Hello."]


def _proof(task: Task) -> tuple[str, str]:
    """The tool by which they see that it is solved, and what its answer then holds; both empty if nothing is said."""
    reason = _story(task)[0]
    return next((proof for words, proof in _PROOFS.items() if words in reason), ("", ""))


_MOST_DOUBTS = 2
_PROOFS = {
    "internet speed": ("run_speed_test", "(Excellent)"),
    "MMS": ("can_send_mms", "can send"),
    "No Service": ("check_status_bar", "📶"),
}
"""Words of the published reasons for a call -> what the instructions accept as its solution."""
