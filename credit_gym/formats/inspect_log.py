"""Logs of inspect_ai (versions 1 and 2 of their format) as episodes: one a sample and epoch; without its package.

A log is a zip archive of JSON, ``header.json`` and a member of ``samples/`` for each sample and epoch, or one JSON
object, as ``--log-format json`` writes it. Of the archive one sample is in memory at a time. What was played in one of
our own environments under inspect (:mod:`credit_gym.agents.harnesses.inspect_tasks`) lies in its sample's store, by the
names of :data:`credit_gym.data.columns.COLUMNS`: it comes back as it was.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import open_file, read_json
from credit_gym.errors import StoreError
from credit_gym.formats.chat import reply_columns
from credit_gym.formats.field_names import UNKNOWN_REWARD, worth
from credit_gym.formats.inspect_messages import Call, Sample
from credit_gym.formats.json_records import BROKEN, Place, an_object, records
from credit_gym.formats.json_values import mapping, name, number, rows, text, to_json
from credit_gym.formats.messages import texts_of
from credit_gym.formats.remainder import columns_of
from credit_gym.formats.zip_members import ZipMembers, climbs, zip_members

STORE_KEY = "credit_gym"
"""Where in a sample's store an episode lies that was played in one of our environments."""

GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""inspect's grades as numbers: correct, partly, incorrect, no answer."""

_HEADERS = ("header.json", "_journal/start.json")  # of a log that is complete, and of one in the making
_ZIP = b"PK"


def read_inspect(path: Path, *, reward_from: str = "") -> Iterator[Episode | StoreError]:
    """Yield an episode for each sample and epoch of a log.

    The assistant's messages are the steps, their tool calls or else their texts the actions, as
    :func:`credit_gym.formats.chat.chat_episode` has them; an assistant's message that came with the task (a few-shot
    example) is no step but part of what was seen. What a step answered is what its model was shown, where the log has
    the call. Epochs of a sample are one group, the task is the agent's environment, and who played is its model.

    A score is the reward of the last step: grades as in :data:`GRADES`, numbers and truth values as they are. Of
    several it is the first, as in inspect's own tables, or that of ``reward_from``; a score with named values needs one
    of them to be named. Correct and true are success, and so is a number above 0. A sample that failed, was invalidated
    or has no score has an ``error``, and one that a limit ended is truncated.

    Neither sub-agents' calls, nor tools that a provider called, nor anything that is no message (arguments of the
    model, raw calls, tracebacks) is read.

    Args:
        path: the log.
        reward_from: name of the score that is the reward, ``SCORE`` or ``SCORE.VALUE``.

    Raises:
        StoreError: it cannot be read, or is no log.
    """
    try:
        with open_file(path) as file:
            packed = file.read(2) == _ZIP
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): give a log of inspect_ai.") from None
    return _read((_in_archive if packed else _in_json)(path), reward_from)


def played_record(episode: Episode, replies: Sequence[str]) -> dict[str, Any]:
    """Return what a sample's store says of an episode, as JSON's types.

    Args:
        episode: what was played.
        replies: the id of the message that each step is, for its chat is in the log already.
    """
    columns = {
        column.name: to_json(column, value)
        for column in COLUMNS
        if column.type != "messages" and (value := getattr(episode, column.name)) is not None
    }
    return {"columns": columns, "replies": list(replies)}


def recorded_episode(record: Any) -> Episode:
    """Return the episode that :func:`played_record` wrote, without its chats.

    Raises:
        ValueError, TypeError, KeyError: it wrote something else.
    """
    return Episode(**columns_of(mapping(mapping(record, STORE_KEY)["columns"], "columns")))


class _Log(NamedTuple):
    """What all samples of a log share."""

    env_id: str
    agent_id: str


_Samples: TypeAlias = Iterator[tuple[Place, _Log, Any] | StoreError]
"""Of each sample where it stands, its log and its JSON; in the place of one that cannot be read, the sentence on it."""


def _read(samples: _Samples, reward_from: str) -> Iterator[Episode | StoreError]:
    for found in samples:
        if isinstance(found, StoreError):
            yield found
            continue
        place, log, sample = found
        try:
            yield _episode(an_object(sample), log, reward_from)
        except BROKEN as error:
            yield place.damage(error)


def _in_archive(path: Path) -> _Samples:
    with zip_members(path) as archive:
        log = _header(path, archive)
        for at, member in enumerate(sorted(archive.members), 1):
            place = Place(at, f"{member[:200]!r} in {path}")
            if climbs(member):
                yield place.damage(ValueError("its name leads out of the archive"))
            elif member.startswith("samples/") and member.endswith(".json"):
                try:
                    yield place, log, read_json(archive.read(member))
                except BROKEN as error:
                    yield place.damage(error)


def _header(path: Path, archive: ZipMembers) -> _Log:
    found = next((each for each in _HEADERS if each in archive.members), None)
    if found is None:
        raise StoreError(f"{path} is no log of inspect_ai: it holds no header.json.")
    try:
        return _log(an_object(read_json(archive.read(found))))
    except BROKEN as error:
        raise StoreError(f"{found} in {path} cannot be read: {str(error).rstrip('.')}.") from None


def _in_json(path: Path) -> _Samples:
    for place, row in records(path):
        if isinstance(row, StoreError):
            yield row
            continue
        try:
            log, samples = _log(an_object(row)), rows(row.get("samples") or [], "samples")
        except BROKEN as error:
            yield place.damage(error)
            continue
        for at, sample in enumerate(samples, 1):
            yield Place(at, f"Sample {at} of {path}"), log, sample


def _log(header: Mapping[str, Any]) -> _Log:
    if "eval" not in header:
        raise ValueError("it is no log of inspect_ai: it has no 'eval'")
    spec = mapping(header["eval"], "eval")
    return _Log(name(spec.get("task"), "eval.task", "imported/inspect"), name(spec.get("model"), "eval.model", ""))


def _episode(row: dict[str, Any], log: _Log, reward_from: str) -> Episode:
    row = _as_today(row)
    record = mapping(row.get("store"), "store").get(STORE_KEY)
    return _from_chat(row, log, reward_from) if record is None else _as_played(row, record, reward_from)


def _as_today(row: dict[str, Any]) -> dict[str, Any]:
    """A sample as version 2 of the format has it: version 1 had one score, and a transcript."""
    if row.get("score") is not None and not row.get("scores"):
        row = {**row, "scores": {"score": row["score"]}}
    if row.get("transcript") is not None:
        transcript = mapping(row["transcript"], "transcript")
        row = {**row, "events": transcript.get("events"), "attachments": transcript.get("content")}
    return row


def _as_played(row: Mapping[str, Any], record: Any, reward_from: str) -> Episode:
    """The episode of our own environment; its chats are those that the model was shown."""
    columns = dict(recorded_episode(record).__dict__)
    calls = Sample(row).calls()
    ids = [text(each, "the id of a reply") for each in rows(record.get("replies"), "replies")]
    found = [_next(calls, each) for each in ids]
    chats = tuple(each.chat for each in found if each is not None)
    if chats and len(chats) == len(columns["actions"]):
        columns["messages"] = chats
    if reward_from:
        columns |= _outcome(row, reward_from, len(columns["actions"]))
    return Episode(**columns)


def _from_chat(row: Mapping[str, Any], log: _Log, reward_from: str) -> Episode:
    sample = Sample(row)
    turns = [
        at
        for at, (said, given) in enumerate(zip(sample.chat, sample.given, strict=True))
        if said.is_reply and not given
    ]
    if not turns:
        raise ValueError("no message is the model's, so there is nothing to credit")
    found = sample.calls()
    calls = [_next(found, sample.ids[turn]) for turn in turns]
    messages = [said.message for said in sample.chat]
    seen = tuple(
        texts_of([message for message in messages[start:end] if message["role"] != "system"])
        for start, end in zip([0, *(turn + 1 for turn in turns)], [*turns, len(messages)], strict=True)
    )
    replies = [
        sample.chat[turn]._replace(finish_reason=call.reply.finish_reason if call else "")
        for turn, call in zip(turns, calls, strict=True)
    ]
    task = name(row.get("id"), "id", "")
    epoch = name(row.get("epoch"), "epoch", "1")
    return Episode(
        env_id=log.env_id,
        task_id=task,
        group_id=task,
        episode_id=f"{task}-{epoch}",
        agent_id=log.agent_id,
        goal=texts_of([message for message in messages[: turns[0]] if message["role"] == "system"]),
        observations=seen,
        state_keys=seen,
        actions=tuple(reply.action for reply in replies),
        messages=tuple(call.chat if call else tuple(messages[:turn]) for turn, call in zip(turns, calls, strict=True)),
        usage=_usage(row),
        **_outcome(row, reward_from, len(turns)),
        **reply_columns(replies),
    )


def _next(calls: Mapping[str, deque[Call]], reply: str) -> Call | None:
    waiting = calls.get(reply) if reply else None
    return waiting.popleft() if waiting else None


def _outcome(row: Mapping[str, Any], reward_from: str, steps: int) -> dict[str, Any]:
    """Rewards, success and how it ended, by the sample's scores."""
    error = _error(row)
    truncated = error is None and row.get("limit") is not None
    value = None if error else _score(mapping(row.get("scores"), "scores"), reward_from)
    reward = GRADES[value] if isinstance(value, str) and value in GRADES else worth(value, "a score")
    if reward is None or math.isnan(reward):  # inspect writes NaN for what was not scored
        reward, error = 0.0, error or UNKNOWN_REWARD
    return {
        "rewards": (*[0.0] * (steps - 1), reward),
        "success": reward > 0 and value != "P",
        "terminated": error is None and not truncated,
        "truncated": truncated,
        "error": error,
    }


def _error(row: Mapping[str, Any]) -> str | None:
    for field, otherwise in (("error", "the sample failed"), ("invalidation", "the sample was invalidated")):
        if row.get(field) is not None:
            said = mapping(row[field], field)
            return text(said.get("message") or said.get("reason") or otherwise, f"what {field} says")
    return None


def _score(scores: Mapping[str, Any], wanted: str) -> Any:
    """The value of the score that counts; None where nothing was scored."""
    if not scores:
        return None
    counted = wanted or next(iter(scores))
    found = dict(_values(scores))
    if counted not in found:
        named = ", ".join(each[:40] for each in list(found)[:8]) or "nothing here"
        wrong = f"no score {wanted!r:.60}" if wanted else f"several values in its score {counted!r:.60}"
        raise ValueError(f"it has {wrong}: --reward-from takes one of {named}")
    return found[counted]


def _values(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every single value among the scores, by the name that ``reward_from`` has for it."""
    for score, given in scores.items():
        value = mapping(given, "a score").get("value")
        if isinstance(value, dict):
            yield from ((f"{score}.{each}", inner) for each, inner in value.items())
        elif not isinstance(value, list):
            yield score, value


def _usage(row: Mapping[str, Any]) -> dict[str, float]:
    """Tokens and dollars of all its models."""
    total: dict[str, float] = {}
    for each in mapping(row.get("model_usage"), "model_usage").values():
        usage = mapping(each, "a usage")
        for key, fields in _USAGE.items():
            parts = [number(usage[field], field) for field in fields if usage.get(field) is not None]
            if parts:
                total[key] = total.get(key, 0.0) + sum(parts)
    return total


_USAGE = {
    "prompt_tokens": ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write"),
    "completion_tokens": ("output_tokens",),
    "dollars": ("total_cost",),
}
