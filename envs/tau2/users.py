"""Customers: who is on the other side of the conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from credit_gym.envs.tau2.actions import OUT_OF_SCOPE, STOP, TRANSFER, Message, ToolCall, parse_action
from credit_gym.envs.tau2.database import Database
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.toolkit import Toolkit

Model = Callable[[Sequence[Mapping[str, Any]]], str]
"""A language model: a chat of ``role`` and ``content`` to the next message."""

TRANSFER_TOOL = "transfer_to_human_agents"


class Reply(NamedTuple):
    """What a customer does next.

    Attributes:
        text: a message, or
        call: a tool call of the customer's own.
        memory: what the customer keeps: immutable, picklable, and with a stable ``repr``.
    """

    text: str | None
    call: ToolCall | None
    memory: Any


class User(Protocol):
    """A customer. It holds no state of its own, so that conversations can be forked: all of it is the memory."""

    def begin(self, task: Task, bits: int) -> Any:
        """Return the memory of a customer who has said nothing yet; 64 random bits fix its character."""
        ...

    def reply(self, task: Task, memory: Any, messages: Sequence[Message], database: Database, bits: int) -> Reply:
        """Answer the last message; ``bits`` are 64 random ones for this reply alone."""
        ...


class Recited(NamedTuple):
    """How much of the instructions was recited.

    Attributes:
        said: sentences said.
        calls: calls made.
    """

    said: int = 0
    calls: int = 0


class RecitingUser:
    """A stand-in for a language model: it recites the task's instructions, one part an answer, and agrees to anything.

    It begins with why it calls, goes on with what it knows, what it does not know and what else it was told, answers
    every later question with yes, and ends the conversation at the first message that asks nothing. Its own tools, if
    the instructions name them, are called in the order in which they are named: those that look before it speaks, the
    others before it says goodbye; arguments are the quoted words that follow the name.

    Args:
        tools: what it can do itself.
    """

    def __init__(self, tools: Toolkit) -> None:
        self._tools = tools

    def begin(self, task: Task, bits: int) -> Recited:
        """Return the beginning of the recital."""
        return Recited()

    def reply(self, task: Task, memory: Recited, messages: Sequence[Message], database: Database, bits: int) -> Reply:
        """Say the next part, or agree, or stop."""
        if was_transferred(messages):
            return Reply(TRANSFER, None, memory)
        parts, calls = _parts(task), _own_calls(task, self._tools)
        asked = "?" in (messages[-1].content or "") if messages[-1].role == "assistant" else False
        leaving = memory.said >= len(parts) and not asked
        if memory.calls < len(calls) and (leaving or self._tools[calls[memory.calls].name].kind == "read"):
            return Reply(None, calls[memory.calls], memory._replace(calls=memory.calls + 1))
        if leaving:
            return Reply(f"Thank you. {STOP}", None, memory)
        if memory.said >= len(parts):
            return Reply("Yes, please.", None, memory)
        return Reply(parts[memory.said], None, memory._replace(said=memory.said + 1))


class ModelUser:
    """A customer played by a language model, told what tau2 tells its own: stay in the role, say little at a time.

    Args:
        model: answers a chat; whether it repeats itself for the same chat is the caller's to arrange.
        tools: what it can do itself; it calls them in JSON.
    """

    def __init__(self, model: Model, tools: Toolkit) -> None:
        self._model = model
        self._tools = tools

    def begin(self, task: Task, bits: int) -> tuple[str, ...]:
        """Return an empty memory; a model remembers the conversation and nothing else."""
        return ()

    def reply(
        self, task: Task, memory: tuple[str, ...], messages: Sequence[Message], database: Database, bits: int
    ) -> Reply:
        """Ask the model for the next message."""
        text = self._model([{"role": "system", "content": self._guidelines(task)}, *_roles_swapped(messages)]).strip()
        call = parse_action(text, self._tools) if self._tools else text
        if isinstance(call, ToolCall) and call.name in self._tools:
            return Reply(None, call._replace(requestor="user"), (*memory, text))
        return Reply(text or OUT_OF_SCOPE, None, (*memory, text))

    def _guidelines(self, task: Task) -> str:
        tools = "\n".join(str(dict(schema["function"])) for schema in self._tools.schemas)
        offered = f"\nTo use one of your tools, answer with the JSON of one call and nothing else:\n{tools}\n"
        return _GUIDELINES + (offered if self._tools else "") + f"\n<scenario>\n{scenario(task)}\n</scenario>"


class AbsentUser:
    """Nobody: the agent works alone from the ticket, and a message to the customer is an error."""

    def begin(self, task: Task, bits: int) -> None:
        """Return nothing."""

    def reply(self, task: Task, memory: None, messages: Sequence[Message], database: Database, bits: int) -> Reply:
        """Never called: the environment ends the conversation before."""
        raise AssertionError("A solo conversation has no customer.")


def scenario(task: Task) -> str:
    """Return a task's hidden instructions as text."""
    told = task.instructions
    if isinstance(told, Mapping):
        told = "\n".join(f"{name}: {value}" for name, value in told.items() if value)
    return f"Persona: {task.persona}\n{told}" if task.persona else told


def was_transferred(messages: Sequence[Message]) -> bool:
    """Whether the agent has called for a human since the customer last spoke."""
    for message in reversed(messages):
        if message.role == "user" and message.content:
            return False
        if message.role == "assistant" and message.call is not None and message.call.name == TRANSFER_TOOL:
            return True
    return False


def _parts(task: Task) -> list[str]:
    """What the reciting customer says, in its order."""
    told = task.instructions
    if isinstance(told, str):
        return [told]
    parts = [str(told.get(name) or "").strip() for name in _ORDER]
    return [part for part in parts if part] or ["Hello."]


def _own_calls(task: Task, tools: Toolkit) -> list[ToolCall]:
    """The customer's calls that the instructions describe."""
    if not tools:
        return []
    text = scenario(task)
    named = list(re.finditer("|".join(map(re.escape, tools)), text))
    ends = (*(match.start() for match in named[1:]), len(text))
    calls = []
    for match, end in zip(named, ends, strict=False):  # without a name there is only the end
        parameters = list(tools[match[0]].arguments)
        quoted = re.findall(r"'([^']+)'", text[match.end() : end])
        if len(quoted) >= len(parameters):
            values = quoted[: len(parameters)]
            calls.append(ToolCall(match[0], dict(zip(parameters, values, strict=True)), "user"))
    return calls


def _roles_swapped(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation as the customer sees it: the agent's calls and their answers are hidden."""
    chat: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "user":
            calls = [{"name": call.name, "arguments": dict(call.arguments)} for call in message.all_calls]
            chat.append({"role": "assistant", "content": message.content or str(calls[0])})
        elif message.role == "tool" and message.requestor == "user":
            chat.append({"role": "user", "content": f"Your tool answers: {message.content}"})
        elif message.role == "assistant" and message.content:
            chat.append({"role": "user", "content": message.content})
    return chat


_ORDER = ("reason_for_call", "known_info", "unknown_info", "task_instructions")
_GUIDELINES = f"""You play a customer who talks to a service agent. Stay in the role of the scenario below.
Write one message at a time, in your own words, and give away only what the agent needs for the next step.
Invent nothing: what the scenario does not say, you do not know.
When everything you wanted is settled, write {STOP}. When you are handed to another agent, write {TRANSFER}.
When the scenario does not tell you how to go on, write {OUT_OF_SCOPE}."""
