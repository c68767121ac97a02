"""tau2's results files: published trajectories are read and graded here, and our episodes written."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.envs.tau2.actions import STOP, Calls, Malformed, Message, ToolCall, is_stop, parse_action
from credit_gym.envs.tau2.conversation import GREETING, Conversation, Moment
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.replaying import as_played, refused_by_tau2, replayed
from credit_gym.envs.tau2.reward import Grade, Judge, grade
from credit_gym.envs.tau2.tasks import Task, messages_of, read_message, write_task
from credit_gym.envs.tau2.users import AbsentUser
from credit_gym.errors import ManifestError, unknown

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # timestamps only say in which order messages came


class Simulation(NamedTuple):
    """One conversation of a results file.

    Attributes:
        id: unique in the file.
        task_id: what it was about.
        trial: which attempt at the task.
        messages: all of them, in order.
        termination: why it ended.
        reward_info: its grade, as tau2 writes it; empty if it was never graded.
        seed: of the run.
        agent_cost: dollars.
        user_cost: dollars.
        duration: seconds.
    """

    id: str
    task_id: str
    trial: int
    messages: tuple[Message, ...]
    termination: str
    reward_info: Mapping[str, Any]
    seed: int | None = None
    agent_cost: float = 0.0
    user_cost: float = 0.0
    duration: float = 0.0

    @property
    def reward(self) -> float:
        """The reward that the file gives, 0 if it gives none."""
        return float(self.reward_info.get("reward") or 0.0)


class Replay(NamedTuple):
    """What a recorded conversation does to the database when it is played again.

    Attributes:
        grade: its grade here.
        drifted: indices of messages whose recorded answer differs from the one that the tools give now; refusals
            count as equal whatever their words.
    """

    grade: Grade
    drifted: tuple[int, ...]


def read_results(path: Path) -> list[Simulation]:
    """Return the simulations of a results file, or of a folder with ``results.json`` and ``simulations/*.json``.

    Raises:
        ManifestError: the file is missing or is no results file.
    """
    document = _load(path / "results.json" if path.is_dir() else path)
    try:
        found = list(document.get("simulations") or ())
        if path.is_dir() and not found:
            found = [_load(part) for part in sorted((path / "simulations").glob("*.json"))]
        return [read_simulation(value) for value in found]
    except ManifestError as error:
        raise ManifestError(f"{path} cannot be read as a results file of tau2: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(f"{path} is not a results file of tau2: {error!r} is wrong in it.") from error


def read_simulation(value: Mapping[str, Any]) -> Simulation:
    """Return a simulation from its JSON.

    Raises:
        ManifestError: a message in it is none, or it has none, such as a spoken conversation.
        KeyError, TypeError, AttributeError, ValueError: something else in it is wrong.
    """
    return Simulation(
        id=str(value.get("id") or ""),
        task_id=str(value["task_id"]),
        trial=int(value.get("trial") or 0),
        messages=tuple(map(read_message, messages_of(value))),
        termination=str(value.get("termination_reason") or ""),
        reward_info=value.get("reward_info") or {},
        seed=None if value.get("seed") is None else int(value["seed"]),
        agent_cost=float(value.get("agent_cost") or 0.0),
        user_cost=float(value.get("user_cost") or 0.0),
        duration=float(value.get("duration") or 0.0),
    )


def write_results(
    path: Path, domain: Domain, simulations: Sequence[Simulation], *, agent: str, user: str = "scripted"
) -> None:
    """Write a results file in tau2's format; a warning says how many of them tau2's own evaluator would refuse.

    It refuses what its own tools would have answered otherwise
    (:func:`~credit_gym.envs.tau2.replaying.refused_by_tau2`); it knows nothing of the domain ``library``.

    Args:
        path: of the file.
        domain: where the conversations took place.
        simulations: the conversations.
        agent: who served.
        user: who was the customer.
    """
    tasks = dict.fromkeys(simulation.task_id for simulation in simulations)
    document = {
        "timestamp": _time(0),
        "info": {
            "git_commit": "unknown",
            "num_trials": 1 + max((simulation.trial for simulation in simulations), default=0),
            "max_steps": 100,
            "max_errors": 10,
            "user_info": {
                "implementation": user,
                "llm": None,
                "llm_args": None,
                "global_simulation_guidelines": None,
            },
            "agent_info": {"implementation": agent, "llm": None, "llm_args": None},
            "environment_info": {"domain_name": domain.name, "policy": domain.policy, "tool_defs": None},
            "seed": None,
        },
        "tasks": [write_task(_task(domain, key)) for key in tasks],
        "simulations": [_write_simulation(simulation) for simulation in simulations],
    }
    _warn_of_refused(domain, simulations)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def regrade(domain: Domain, simulation: Simulation, *, judge: Judge | None = None, upstream: bool = False) -> Replay:
    """Grade a recorded conversation as tau2 does: its changing calls are made again on a fresh database.

    Args:
        domain: where it took place; for published trajectories, read it with ``upstream=True``.
        simulation: the conversation.
        judge: decides assertions in natural language; without one they are left out.
        upstream: check calls and texts exactly as tau2 does.

    Raises:
        UnknownNameError: the domain has no such task.
    """
    task = _task(domain, simulation.task_id)
    domain = as_played(domain, simulation.messages)
    start = domain.begin(task)
    gold = domain.wanted(task, domain.gold(task, start), upstream=upstream)
    fresh = simulation.messages[len(task.history) :]
    database, drifted = replayed(domain, start, fresh)
    found = grade(
        domain, task, gold, database, simulation.messages, simulation.termination, judge=judge, upstream=upstream
    )
    return Replay(found, tuple(index + len(task.history) for index in drifted))


def replay(domain: Domain, simulation: Simulation) -> Moment:
    """Return the end of a recorded conversation, its calls made again: what was told, and which rules were broken.

    Raises:
        UnknownNameError: the domain has no such task.
    """
    talk, moment = beginning(domain, simulation)
    return talk.replay(moment, simulation.messages[len(talk.task.history) :])


def beginning(domain: Domain, simulation: Simulation) -> tuple[Conversation, Moment]:
    """Return the rules of a recorded conversation, and the moment at which it begins, after its task's history.

    Raises:
        UnknownNameError: the domain has no such task.
    """
    task = _task(domain, simulation.task_id)
    talk = Conversation(
        as_played(domain, simulation.messages),
        task,
        AbsentUser(),
        solo=False,
        max_steps=1,
        max_errors=1,
        upstream=False,
    )
    moment = talk.replay(Moment(talk.gold[0], ()), task.history)
    return talk, moment._replace(database=talk.gold[0])  # the history's changes are in the beginning already


def from_episode(domain: Domain, episode: Episode, *, trial: int = 0, judge: Judge | None = None) -> Simulation:
    """Return an episode that was played in :class:`~credit_gym.envs.tau2.env.Tau2Env` as a simulation.

    The messages are rebuilt from actions and observations. What the agent did not see, a customer's own tool calls,
    is not in an episode; :func:`from_moment` has it. Episodes without a customer (``solo``) need that too.

    Args:
        domain: where it was played.
        episode: it.
        trial: which attempt at the task.
        judge: decides assertions in natural language.

    Raises:
        UnknownNameError: the domain has no such task.
    """
    task = _task(domain, episode.task_id)
    messages: list[Message] = list(task.history or (GREETING,))
    messages.append(Message("user", episode.observations[0].removeprefix("user: ")))
    refused = episode.observations[-1].startswith("tool: Error: ")
    termination = "agent_error" if not episode.truncated else "too_many_errors" if refused else "max_steps"
    for action, seen in zip(episode.actions, episode.observations[1:], strict=True):
        read = parse_action(action, domain.tools)
        if isinstance(read, ToolCall) and read.name == "done":
            read = STOP
        if isinstance(read, Malformed):
            continue
        if isinstance(read, (ToolCall, Calls)):
            made = (read,) if isinstance(read, ToolCall) else read.calls
            contents = seen.removeprefix("tool: ").split("\ntool: ", len(made) - 1)
            for call, content in zip(made, contents, strict=False):  # what stands behind the last answer was not made
                messages.append(Message("assistant", call=call))
                messages.append(Message("tool", content, error=content.startswith("Error: ")))
            continue
        messages.append(Message("assistant", read))
        if STOP in read:
            termination = "agent_stop"
        elif seen:
            messages.append(Message("user", seen.removeprefix("user: ")))
            termination = "user_stop" if is_stop(seen) else termination
    return _graded(domain, task, messages, termination, episode.episode_id, episode.seed, trial, judge)


def from_moment(
    domain: Domain,
    task: Task,
    moment: Moment,
    *,
    id: str,
    seed: int | None = None,
    trial: int = 0,
    judge: Judge | None = None,
) -> Simulation:
    """Return the conversation that an environment has just ended (``env.unwrapped.moment``) as a simulation."""
    return _graded(domain, task, list(moment.messages), moment.over, id, seed, trial, judge)


def _graded(
    domain: Domain,
    task: Task,
    messages: Sequence[Message],
    termination: str,
    id: str,
    seed: int | None,
    trial: int,
    judge: Judge | None,
) -> Simulation:
    bare = Simulation(id, task.id, trial, tuple(_numbered(messages)), termination, {}, seed)
    return bare._replace(reward_info=regrade(domain, bare, judge=judge).grade.details)


def _numbered(messages: Iterable[Message]) -> Iterable[Message]:
    """The messages with an id on every call and the same one on its answer, as a replay by tau2 wants them.

    An answer without a call, which an action that means nothing gets here, is left out: tau2 has no such thing.
    """
    count = 0
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            if waiting:
                yield message._replace(id=waiting.pop(0))
        elif message.call is not None and not message.call.id:
            count += 1
            waiting = [f"call_{count}"]
            yield message._replace(call=message.call._replace(id=waiting[0]))
        else:
            waiting = [call.id for call in message.all_calls]
            yield message


def _warn_of_refused(domain: Domain, simulations: Sequence[Simulation]) -> None:
    found = [(each, refused_by_tau2(domain, _task(domain, each.task_id), each.messages)) for each in simulations]
    refused = [(each.id, at[0]) for each, at in found if at]
    if refused:
        id, at = refused[0]
        warnings.warn(
            f"tau2's own evaluator would refuse {len(refused)} of these {len(simulations)} results, because its tools "
            f"answer otherwise (first: message {at} of {id!r}); play with mode='upstream' to have its answers.",
            stacklevel=3,
        )


def _write_simulation(simulation: Simulation) -> dict[str, Any]:
    count = len(simulation.messages)
    return {
        "id": simulation.id,
        "task_id": simulation.task_id,
        "timestamp": _time(0),
        "start_time": _time(0),
        "end_time": _time(count),
        "duration": simulation.duration,
        "termination_reason": simulation.termination,
        "agent_cost": simulation.agent_cost,
        "user_cost": simulation.user_cost,
        "reward_info": dict(simulation.reward_info) or None,
        "messages": [_write_message(message, turn) for turn, message in enumerate(simulation.messages)],
        "trial": simulation.trial,
        "seed": simulation.seed,
        "mode": "half_duplex",
    }


def _write_message(message: Message, turn: int) -> dict[str, Any]:
    shared = {"role": message.role, "content": message.content, "turn_idx": turn, "timestamp": _time(turn)}
    if message.role == "tool":
        return {**shared, "id": message.id, "requestor": message.requestor, "error": message.error}
    calls = [
        {"id": call.id, "name": call.name, "arguments": dict(call.arguments), "requestor": call.requestor}
        for call in message.all_calls
    ]
    return {**shared, "tool_calls": calls or None, "cost": 0.0, "usage": None, "raw_data": None}


def _time(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def _task(domain: Domain, key: str) -> Task:
    if key not in domain.tasks:
        raise unknown(f"task of the domain {domain.name}", key, domain.tasks)
    return domain.tasks[key]


def _load(path: Path) -> Any:
    try:
        return read_json(file_text(path))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read as a results file of tau2: {error}") from error
