"""Tasks in tau2's own format: who the customer is, where the conversation begins, and how it is graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from credit_gym.envs.tau2.actions import Message, ToolCall
from credit_gym.errors import ManifestError

DEFAULT_BASIS = ("DB", "COMMUNICATE")


class GoldAction(NamedTuple):
    """One call of the reference solution.

    Attributes:
        call: the call.
        action_id: its name in the task.
        compare_args: the arguments that an ACTION check compares; None for the published default.
        info: a remark.
    """

    call: ToolCall
    action_id: str = ""
    compare_args: tuple[str, ...] | None = None
    info: str | None = None


class EnvCall(NamedTuple):
    """A function of the domain that is called by the task itself: to set the scene, or to assert something.

    Attributes:
        side: ``assistant`` or ``user``, whose tools it belongs to.
        name: of the function.
        arguments: by name.
        expected: of an assertion: what it must return.
        message: of an assertion: what it means.
    """

    side: str
    name: str
    arguments: Mapping[str, Any]
    expected: bool = True
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        id: its name, unique in its domain.
        instructions: the customer's hidden instructions, as text or as tau2's object.
        persona: how the customer is.
        ticket: what a solo agent is told.
        initial_data: rows that replace or extend those of the database: table -> id -> fields (``assistant`` tables
            under their names, the customer's under ``user:...``).
        initial_calls: functions called before the conversation.
        history: messages that came before.
        actions: the reference solution; None where the task gives none.
        assertions: what must hold of the database; None where the task gives none.
        communicate: texts that the customer must be told.
        natural_language: assertions for a judge.
        basis: which components the reward multiplies.
        graded: False where there are no criteria at all.
        script: what the embedded domain's customer plays.
        source: the task's own JSON, for results files.
    """

    id: str
    instructions: str | Mapping[str, Any]
    persona: str | None = None
    ticket: str | None = None
    initial_data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    initial_calls: tuple[EnvCall, ...] = ()
    history: tuple[Message, ...] = ()
    actions: tuple[GoldAction, ...] | None = ()
    assertions: tuple[EnvCall, ...] | None = None
    communicate: tuple[str, ...] = ()
    natural_language: tuple[str, ...] = ()
    basis: tuple[str, ...] = DEFAULT_BASIS
    graded: bool = True
    script: Any = None
    source: Mapping[str, Any] | None = None


def read_task(value: Mapping[str, Any]) -> Task:
    """Return a task from its JSON.

    Raises:
        ManifestError: it is not a task.
    """
    try:
        scenario, criteria = value["user_scenario"], value.get("evaluation_criteria")
        initial = value.get("initial_state") or {}
        data = initial.get("initialization_data") or {}
        graded: Mapping[str, Any] = criteria or {}
        return Task(
            id=str(value["id"]),
            instructions=scenario["instructions"],
            persona=scenario.get("persona"),
            ticket=value.get("ticket"),
            initial_data={
                **(data.get("agent_data") or {}),
                **{f"user:{table}": rows for table, rows in (data.get("user_data") or {}).items()},
            },
            initial_calls=tuple(_env_call(call) for call in initial.get("initialization_actions") or ()),
            history=tuple(read_message(message) for message in initial.get("message_history") or ()),
            actions=None if graded.get("actions") is None else tuple(_gold_action(a) for a in graded["actions"]),
            assertions=None
            if graded.get("env_assertions") is None
            else tuple(_env_call(a) for a in graded["env_assertions"]),
            communicate=tuple(graded.get("communicate_info") or ()),
            natural_language=tuple(graded.get("nl_assertions") or ()),
            basis=tuple(graded.get("reward_basis") or DEFAULT_BASIS),
            graded=criteria is not None,
            source=value,
        )
    except (KeyError, TypeError, AttributeError) as error:
        name = value.get("id") if isinstance(value, Mapping) else None
        raise ManifestError(f"Task {name!r} is not a tau2 task: {error!r} is wrong in it.") from error


def write_task(task: Task) -> dict[str, Any]:
    """Return a task as tau2's JSON: the one it was read from, or one made of its parts."""
    if task.source is not None:
        return dict(task.source)
    return {
        "id": task.id,
        "description": None,
        "user_scenario": {"persona": task.persona, "instructions": task.instructions},
        "ticket": task.ticket,
        "initial_state": None,
        "evaluation_criteria": {
            "actions": [write_gold_action(action) for action in task.actions or ()],
            "env_assertions": None,
            "communicate_info": list(task.communicate),
            "nl_assertions": list(task.natural_language) or None,
            "reward_basis": list(task.basis),
        },
    }


def write_gold_action(action: GoldAction) -> dict[str, Any]:
    """Return a reference call as tau2's JSON."""
    return {
        "action_id": action.action_id,
        "requestor": action.call.requestor,
        "name": action.call.name,
        "arguments": dict(action.call.arguments),
        "info": action.info,
        "compare_args": None if action.compare_args is None else list(action.compare_args),
    }


def write_env_call(call: EnvCall) -> dict[str, Any]:
    """Return an assertion as tau2's JSON."""
    return {
        "env_type": call.side,
        "func_name": call.name,
        "arguments": dict(call.arguments),
        "assert_value": call.expected,
        "message": call.message,
    }


def messages_of(simulation: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the messages of a simulation's JSON, not yet read.

    Raises:
        ManifestError: it has none, such as a spoken conversation, which tau2 keeps as ticks.
    """
    messages: Sequence[Mapping[str, Any]] | None = simulation.get("messages")
    name = f"The simulation {simulation.get('id')!r}"
    if not messages and (simulation.get("ticks") is not None or simulation.get("mode") == "full_duplex"):
        raise ManifestError(f"{name} is a spoken conversation, of ticks: only conversations in text can be read.")
    if messages is None:
        raise ManifestError(f"{name} has no messages: give a results file of conversations in text.")
    return messages


def read_message(value: Mapping[str, Any]) -> Message:
    """Return a message from its JSON; what it does not need is left out.

    Raises:
        ManifestError: it is not a message of a text conversation.
    """
    try:
        role = str(value["role"])
        calls: Sequence[Mapping[str, Any]] = value.get("tool_calls") or ()
        made = tuple(
            ToolCall(str(c["name"]), dict(c["arguments"]), str(c.get("requestor") or role), str(c.get("id") or ""))
            for c in calls
        )
        return Message(
            role=role,
            content=value.get("content"),
            call=made[0] if made else None,
            requestor=str(value.get("requestor") or "assistant"),
            error=bool(value.get("error", False)),
            id=str(value.get("id") or ""),
            calls=made[1:],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(f"A message is not one of tau2's: {error!r} is wrong in it.") from error


def _gold_action(value: Mapping[str, Any]) -> GoldAction:
    compare = value.get("compare_args")
    return GoldAction(
        ToolCall(value["name"], dict(value["arguments"]), value.get("requestor") or "assistant"),
        value.get("action_id") or "",
        None if compare is None else tuple(compare),
        value.get("info"),
    )


def _env_call(value: Mapping[str, Any]) -> EnvCall:
    expected = value.get("assert_value")
    return EnvCall(
        value["env_type"],
        value["func_name"],
        dict(value["arguments"]),
        True if expected is None else bool(expected),
        value.get("message"),
    )
