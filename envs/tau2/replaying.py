"""Recorded calls made again: what they do to a database, and whether the tools still answer as it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from credit_gym.data.foreign_text import read_json
from credit_gym.envs.tau2.actions import Message, ToolCall
from credit_gym.envs.tau2.database import Database
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.folder import PUBLISHED
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.toolkit import Toolkit


def replayed(domain: Domain, start: Database, messages: Sequence[Message]) -> tuple[Database, list[int]]:
    """Make the changing calls of a conversation again.

    Args:
        domain: where it took place.
        start: the database that it begins with.
        messages: of both sides and the tools.

    Returns:
        The database after them, and the indices of messages whose recorded answer differs from the one that the tools
        give now; refusals count as equal whatever their words.
    """
    database, drifted = start, []
    for index, call, message in _answered(domain, messages):
        result = domain.call(database, call)
        database = result.database
        if result.error != message.error or not (result.error or _equal(result.content, message.content or "")):
            drifted.append(index)
    return database, drifted


def as_played(domain: Domain, messages: Sequence[Message]) -> Domain:
    """Return the domain with the tools that the agent had: those of both sides where no customer says a word."""
    return domain if any(message.role == "user" for message in messages) else domain.alone()


def refused_by_tau2(domain: Domain, task: Task, messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the messages at which tau2's own evaluator would refuse a recorded conversation.

    It makes every changing call again with its own tools, and gives no reward at all where one answers in other words
    than were recorded: those of retail that ``mode="default"`` corrects, and refusals that only we put into these words
    because the arguments do not fit the tool's signature. Of domains that it does not have, or whose tools are its own,
    nothing is said.

    Args:
        domain: one that :func:`~credit_gym.envs.tau2.folder.read_domain` gave.
        task: what it was about.
        messages: all of them, the task's history included.

    Returns:
        Their indices, in order.
    """
    if domain.name not in PUBLISHED:
        return ()
    domain = as_played(domain, messages)
    theirs = replace(domain, tools=Toolkit({**domain.tools, **PUBLISHED[domain.name].upstream_tools}.values()))
    database, refused = theirs.begin(task), []
    first = len(task.history)
    for index, call, message in _answered(theirs, messages[first:]):
        result = theirs.call(database, call)
        database = result.database
        reworded = theirs.kit(call.requestor).complaint(call.name, call.arguments) is not None
        if reworded or not _equal(result.content, message.content or ""):
            refused.append(first + index)
    return tuple(refused)


def _answered(domain: Domain, messages: Sequence[Message]) -> list[tuple[int, ToolCall, Message]]:
    """The changing calls, each with its answer and the index of that."""
    found = []
    pending: list[ToolCall] = []
    for index, message in enumerate(messages):
        if message.role != "tool":
            pending = list(message.all_calls)
        elif pending:
            call = pending.pop(0)
            if domain.writes(call):
                found.append((index, call, message))
    return found


def _equal(first: str, second: str) -> bool:
    try:
        return bool(read_json(first) == read_json(second))
    except ValueError:
        return first == second
