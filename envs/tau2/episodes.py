"""Conversations that others recorded, as episodes: tau2's results files, ready to be credited."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.calls import write_calls
from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import file_bytes, read_json, shallow, whole_number
from credit_gym.envs.tau2.actions import DONE, STOP, Message
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.env import open_domain
from credit_gym.envs.tau2.folder import PUBLISHED
from credit_gym.envs.tau2.library.embedded import EMBEDDED
from credit_gym.envs.tau2.results import Simulation, beginning, read_simulation
from credit_gym.envs.tau2.tasks import read_task
from credit_gym.errors import BatchError, CreditGymError, StoreError

_SOMEWHERE = "tau2"  # a domain that nobody named
_LIMITS = ("max_steps", "too_many_errors")
_NOT_THE_AGENTS = "infrastructure_error"  # tau2's own metrics leave these out too
_DECODER = json.JSONDecoder(parse_int=whole_number)
_DAMAGE = (CreditGymError, LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)


def read_episodes(path: Path) -> Iterator[Episode | StoreError]:
    """Yield the conversations of a results file, or of a folder with ``results.json`` and ``simulations/*.json``.

    A step is one message of the agent; the greeting, which the harness says, is none. The reward is the file's, on the
    last step; the attempts at one task are a group. A conversation that was never graded, or that ended by an error of
    the infrastructure, has no outcome: its episode says so in ``error``, and scorers pass over it.

    State keys and verifier signals are the database's for the domain ``library``, and for ``mock``, ``retail`` and
    ``airline`` where ``TAU2_DATA_DIR`` is set. Elsewhere, and for tasks that the domain does not have, nothing better
    is known than what was said: its text is the state's key, and there is no verifier.

    Yields:
        An episode, or the sentence about a conversation that cannot be read. Of a file that breaks off in the middle
        everything before the break is read.

    Raises:
        StoreError: there is nothing of a results file at the path.
    """
    if path.is_dir():
        about, inside, whole = _document(path / "results.json")
        parts = [*inside, *sorted((path / "simulations").glob("*.json"))]
    else:
        about, parts, whole = _document(path)
    try:
        told = _About.of(about)
    except CreditGymError as error:  # such as that the domain's folder is not at hand
        raise StoreError(f"{path} cannot be imported: {error}") from None
    except _DAMAGE as error:
        raise StoreError(f"{path} cannot be imported: {error!r} is wrong in its 'info' or 'tasks'.") from None
    for number, part in enumerate(parts):
        try:
            value = read_json(file_bytes(part)) if isinstance(part, Path) else part
            yield _imported(told, read_simulation(value), number)
        except OSError as error:
            yield StoreError(f"{part} cannot be read ({error}).")
        except _DAMAGE as error:
            where = part if isinstance(part, Path) else f"Conversation {number} of {path}"
            said = error if isinstance(error, CreditGymError) else f"{error!r} is wrong in it."
            yield StoreError(f"{where} cannot be imported: {said}")
    if not whole:
        yield StoreError(f"{path} breaks off after {len(parts)} whole conversations; what follows them is lost.")


def to_episode(
    domain: Domain | None, simulation: Simulation, *, group_id: str | None = None, history: int = 0
) -> Episode:
    """Return a recorded conversation as an episode, with state keys and verifier signals, ready to be credited.

    A step is one message of the agent. The reward is the file's, on the last step.

    Args:
        domain: where it took place; without one the text that the agent saw is the state's key.
        simulation: the conversation.
        group_id: the rollouts it is compared with; by default those of its task.
        history: without a domain, how many messages the task itself begins with.

    Raises:
        UnknownNameError: the domain has no such task.
        BatchError: the agent never acted.
    """
    if domain is not None:
        talk, moment = beginning(domain, simulation)
        history = len(talk.task.history)
    opening = history or _greetings(simulation.messages)
    turns = _turns(simulation.messages, opening)
    if len(turns) < 2:
        raise BatchError(f"In the simulation {simulation.id!r} the agent never acts, so there is nothing to credit.")
    seen = tuple("\n".join(f"{m.role}: {m.content}" for m in turn if _is_shown(m)) for turn in turns)
    keys, worths = list(seen), []
    if domain is not None:
        for number, turn in enumerate(turns):
            moment = talk.replay(moment, turn)
            keys[number] = talk.key(moment)
            worths.append(talk.worth(moment))
    acted = [turn[0] for turn in turns[1:]]
    calls = tuple(map(_calls, acted))
    truncated = simulation.termination in _LIMITS
    return Episode(
        env_id="credit/Tau2-v0",
        task_id=simulation.task_id,
        group_id=group_id or f"{_SOMEWHERE if domain is None else domain.name}-{simulation.task_id}",
        episode_id=simulation.id,
        seed=simulation.seed,
        observations=seen,
        state_keys=tuple(keys),
        actions=tuple(map(_action, acted)),
        rewards=(*(0.0,) * (len(acted) - 1), simulation.reward),
        success=simulation.reward == 1.0,
        terminated=not truncated,
        truncated=truncated,
        verifier=None if domain is None else tuple(after - before for before, after in pairwise(worths)),
        invalid=tuple(any(m.error and m.requestor == "assistant" for m in turn) for turn in turns[1:]),
        messages=_chats(simulation.messages, opening),
        tool_calls=calls if any(calls) else None,
        usage={"dollars": simulation.agent_cost, "user_dollars": simulation.user_cost, "seconds": simulation.duration},
    )


class _About(NamedTuple):
    """What a results file says of all its conversations.

    Attributes:
        domain: the domain's name.
        rules: the domain itself, where it is at hand.
        policy: what the agent must obey.
        agent: who served.
        history: task -> number of messages that it begins with.
    """

    domain: str
    rules: Domain | None
    policy: str
    agent: str
    history: Mapping[str, int]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _About:
        info = document.get("info") or {}
        about, agent = info.get("environment_info") or {}, info.get("agent_info") or {}
        name = str(about.get("domain_name") or _SOMEWHERE)
        known = name == EMBEDDED or (name in PUBLISHED and bool(os.environ.get("TAU2_DATA_DIR")))
        return cls(
            name,
            open_domain(name, upstream=True) if known else None,
            str(about.get("policy") or ""),
            str(agent.get("llm") or agent.get("implementation") or ""),
            {task.id: len(task.history) for task in map(read_task, document.get("tasks") or ())},
        )


def _imported(about: _About, simulation: Simulation, number: int) -> Episode:
    if not all(isinstance(message.content, str | None) for message in simulation.messages):
        raise BatchError("The content of a message must be text.")
    domain = about.rules if about.rules is not None and simulation.task_id in about.rules.tasks else None
    episode = to_episode(
        domain,
        simulation._replace(id=simulation.id or f"{simulation.task_id}-{simulation.trial}-{number}"),
        group_id=f"{about.domain}-{simulation.task_id}",
        history=about.history.get(simulation.task_id, 0),
    )
    error = None
    if simulation.termination == _NOT_THE_AGENTS:
        error = "The conversation ended by an error of the infrastructure."
    elif simulation.reward_info.get("reward") is None:
        error = "The conversation was never graded."
    told = ({"role": "system", "content": about.policy},) if about.policy else ()
    chats = tuple((*told, *chat) for chat in episode.messages or ())
    seed = episode.seed if 0 <= (episode.seed or 0) < 1 << 64 else None  # of others any number may come
    return replace(episode, seed=seed, agent_id=about.agent, goal=about.policy, messages=chats, error=error)


def _document(path: Path) -> tuple[Mapping[str, Any], list[Any], bool]:
    """A results file without its conversations, these, and whether the file is whole."""
    try:
        text = file_bytes(path).decode("utf-8-sig", "surrogateescape")  # one broken character must not cost the rest
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): give a results file of tau2.") from None
    try:
        document = read_json(text)
        found = document.get("simulations") or ()
        return document, list(found.values() if isinstance(found, dict) else found), True
    except (TypeError, AttributeError, RecursionError):
        raise StoreError(f"{path} is not a results file of tau2: it has no list of simulations.") from None
    except ValueError as error:
        begins = re.search(r'"simulations"\s*:\s*\[', text)  # within a text the quotes would have a backslash
        if begins is None:
            raise StoreError(f"{path} is not a results file of tau2: {error}.") from None
    about = {}
    for name, opening in (("info", r"\{"), ("tasks", r"\[")):
        member = re.search(rf'"{name}"\s*:\s*(?={opening})', text[: begins.start()])
        if member is not None:
            with suppress(ValueError, RecursionError):
                about[name] = shallow(_DECODER.raw_decode(text, member.end())[0])
    return about, list(_whole_values(text, begins.end())), False


def _whole_values(text: str, start: int) -> Iterator[Any]:
    """The values of a list that breaks off somewhere."""
    begins = re.compile(r"[^\s,]")
    while at := begins.search(text, start):
        try:
            value, start = _DECODER.raw_decode(text, at.start())
            shallow(value)
        except (ValueError, RecursionError):
            return
        yield value


def _greetings(messages: Sequence[Message]) -> int:
    """How many messages the harness says for the agent: tau2 lets it open a conversation, but not work on a ticket."""
    return int(bool(messages) and messages[0].role == "assistant" and not messages[0].all_calls)


def _turns(messages: Sequence[Message], opening: int) -> list[list[Message]]:
    """What was said before the agent's first own message, and then one list for each message of the agent."""
    turns: list[list[Message]] = [[]]
    for message in messages[opening:]:
        if message.role == "assistant":
            turns.append([])
        turns[-1].append(message)
    return turns


def _chats(messages: Sequence[Message], opening: int) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """The chat that each message of the agent answered."""
    chat: list[Mapping[str, Any]] = []
    chats = []
    for index, message in enumerate(messages):
        if message.role == "assistant":
            if index >= opening:
                chats.append(tuple(chat))
            made = write_calls(_calls(message)) if message.all_calls else None
            chat.append({"role": "assistant", "content": "\n".join(filter(None, (message.content, made)))})
        elif _is_shown(message):
            chat.append({"role": message.role, "content": message.content})
    return tuple(chats)


def _is_shown(message: Message) -> bool:
    """Whether the agent sees a message: not its own ones, and nothing of what the customer does with tools."""
    own = message.role == "assistant" or (message.role == "tool" and message.requestor == "user")
    return bool(message.content) and not own


def _action(message: Message) -> str:
    """The action that an agent's message was, in the words of one that is played."""
    if not message.all_calls:
        return DONE if message.content == STOP else message.content or ""
    return write_calls(_calls(message))


def _calls(message: Message) -> tuple[Mapping[str, Any], ...]:
    """The calls of a message, as the column holds them."""
    return tuple({"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.all_calls)
