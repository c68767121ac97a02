"""ATIF, the trajectories of Harbor's agents and of many viewers (v1.7; older ones are read too), read and written.

A document is one trajectory: steps whose source is the user, the agent or the system, with tool calls, what they
answered, and metrics. It has no place for a reward: that is read from ``extra``, or from what Harbor left beside it. A
credit stands in the ``extra`` of its step.

What a document says beyond the columns (times, costs, versions, pictures) is kept in the column ``extras`` and written
again; columns that a document has no place for travel in its ``extra.credit_gym``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.episode import Episode
from credit_gym.data.finish_reasons import common_reason
from credit_gym.data.foreign_text import read_json
from credit_gym.errors import BatchError, StoreError
from credit_gym.formats.atif_documents import ROLES, TOTALS, Document, Layout, Place, made
from credit_gym.formats.chat import reply_columns
from credit_gym.formats.credited_turns import Credit, Row, credited_episodes
from credit_gym.formats.field_names import UNKNOWN_REWARD, episode_rewards, has, identity, truth, worth
from credit_gym.formats.harbor import outcome, trials
from credit_gym.formats.json_records import BROKEN, read_records
from credit_gym.formats.json_values import flag, mapping, name, number, rows, text
from credit_gym.formats.messages import Message, Said, bounded, read_messages, texts_of
from credit_gym.formats.remainder import beyond, columns_of, other_columns, restored, speakable

_OURS = "credit_gym"


def atif_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one trajectory for every episode, a turn's credit as ``extra.credit`` of its step.

    An episode that was read from such a document is that document again, credits added.

    Args:
        episodes: E episodes.
        credit: E rows of credits. A step without one has none in its ``extra``.
        threshold: the size that a credit must reach to be written.

    Yields:
        Documents of ATIF v1.7.

    Raises:
        BatchError: the credits do not match the episodes, or a chat cannot be written.
    """
    for episode, credits in credited_episodes(episodes, credit, threshold=threshold):
        document = _written(episode, credits)
        if len(episode):
            back = _read(document, _turns(document), {}, "")
            if rest := other_columns(replace(episode, extras=None), back):
                document["extra"][_OURS] = rest
        yield document


def read_atif(path: Path) -> Iterator[Episode | StoreError]:
    """Yield an episode for each document of a file, or of a folder.

    A file holds one document, JSON lines or an array of them. Of a folder, Harbor's job or trial say, the files
    ``trajectory.json`` are read wherever they lie, with the reward and the task that Harbor's ``result.json`` tells.

    A step of the agent is a step of the episode, unless it is ``is_copied_context`` or took no call of a model
    (``llm_call_count`` 0): these are part of the chat. Steps of an embedded subagent follow the step that called it,
    as another role; documents elsewhere are never opened. What an observation says to no call was said by the user. Of
    a document's ``extra`` the fields of :data:`credit_gym.formats.field_names.NAMES` are read: its ``reward`` (or
    ``rewards``, or one in each step's ``extra``), ``success``, ``task_id``, ``group_id``, ``truncated`` ... A document
    that says no reward is kept with an ``error`` that says so.

    Raises:
        StoreError: the file cannot be read, or the folder holds no trajectory.
    """
    sessions = _Sessions()
    if not path.is_dir():
        yield from read_records(path, lambda row, number: _episode(row, {}, str(number), sessions(row)))
        return
    for trial in trials(path):
        try:
            told = outcome(trial.folder)
        except (*BROKEN, OSError) as error:
            yield StoreError(f"{trial.folder} cannot be imported: {error}.")
            continue
        yield from read_records(trial.file, partial(_of_trial, sessions, told, trial.name))


# Reading


class _Turn(NamedTuple):
    """A step that an agent took: in which document and role, what was said there, and how much of that before it."""

    document: Place
    role: str
    step: Mapping[str, Any]
    talk: list[Message]
    before: int
    seen: str
    said: Said

    @property
    def chat(self) -> tuple[Message, ...]:
        """What was said before it."""
        return tuple(self.talk[: self.before])

    @property
    def extra(self) -> dict[str, Any]:
        return mapping(self.step.get("extra"), "a step's 'extra'")

    def tokens(self, field: str) -> list[Any]:
        """Numbers of its metrics, one a token; none where they are not given."""
        return rows(mapping(self.step.get("metrics"), "metrics").get(field) or [], field)


class _Played(NamedTuple):
    """What a document tells: the turns of all its agents, the layout of each one's, and what was said at the end."""

    turns: list[_Turn]
    layouts: dict[Place, Layout]
    final: str


class _Sessions:
    """Names episodes whose documents only say their session: others of it have names of their own."""

    def __init__(self) -> None:
        self._seen: dict[str, list[bytes]] = {}

    def __call__(self, row: Mapping[str, Any], place: str = "") -> str:
        """Return the name of a document's episode, empty where the document says it.

        Args:
            row: the document.
            place: tells apart documents that may be alike, word for word.

        Raises:
            ValueError: it was there before.
        """
        session = row.get("session_id")
        if row.get("trajectory_id") or not isinstance(session, str) or not session:
            return ""
        text = json.dumps([place, row], sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        seen = self._seen.setdefault(session, [])
        if digest in seen:
            raise ValueError(f"it repeats a document of session {session!r:.80}, word for word")
        seen.append(digest)
        return "" if len(seen) == 1 else f"{session}-{len(seen)}"


def _of_trial(
    sessions: _Sessions, told: Mapping[str, Any], called: str, row: Mapping[str, Any], number: int
) -> Episode:
    otherwise = called if number == 1 else f"{called}-{number}"
    return _episode(row, told, otherwise, sessions(row, called))


def _episode(given: Mapping[str, Any], known: Mapping[str, Any], otherwise: str, called: str = "") -> Episode:
    document: Document = _in_order(speakable(given))
    version = document.get("schema_version")
    if not str(version).startswith("ATIF-v1."):
        raise ValueError(f"its 'schema_version' is {version!r:.40}, and ATIF-v1.0 to v1.8 are what can be read")
    played = _turns(document)
    if not played.turns:
        raise ValueError("no step is a model's, so there is nothing to credit")
    episode = _read(document, played, known, otherwise)
    episode = replace(episode, episode_id=called) if called else episode
    places = [turn.document for turn in played.turns]
    like = made(episode, [0.0] * len(episode), places, played.layouts)
    rest = list(beyond(_without_ours(document), like))
    told = [(where, values) for where, values in rest if values or "extra" not in where]  # which may have more
    kept = {"atif": told, "places": places, "layouts": list(played.layouts.items())}
    extras = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    read_json(extras)  # what could not be read again is refused now
    return replace(episode, extras=extras)


def _in_order(document: Document) -> Document:
    """The document with the steps of all its agents by their ids, as they stand where these do not tell."""
    steps, within = (document.get(key) or [] for key in ("steps", "subagent_trajectories"))
    ids = [each["step_id"] for each in steps if isinstance(each, dict) and type(each.get("step_id")) is int]
    if len(set(ids)) == len(steps) and ids != sorted(ids):
        document = {**document, "steps": sorted(steps, key=itemgetter("step_id"))}
    if any(isinstance(each, dict) for each in within):
        document = {**document, "subagent_trajectories": [_in_order(e) if isinstance(e, dict) else e for e in within]}
    return document


def _without_ours(document: Document) -> Document:
    """The document without what an export adds, which is made anew."""
    steps = [_less(step, "credit") for step in document.get("steps") or ()]
    within = [_without_ours(each) for each in document.get("subagent_trajectories") or ()]
    own = {"steps": steps, "subagent_trajectories": within}
    return {**_less(document, _OURS), **{key: value for key, value in own.items() if document.get(key)}}


def _less(holder: Document, added: str) -> Document:
    """A step or a document less one key of its ``extra``."""
    extra = {key: value for key, value in mapping(holder.get("extra"), "extra").items() if key != added}
    kept = {"extra": extra} if extra or holder.get("extra") == {} else {}
    return {**{key: value for key, value in holder.items() if key != "extra"}, **kept}


def _read(document: Document, played: _Played, told: Mapping[str, Any], otherwise: str) -> Episode:
    """The episode that a document tells, what it says beyond the columns left out."""
    turns = played.turns
    extra = mapping(document.get("extra"), "extra")
    row = {**told, **{key: value for key, value in extra.items() if value is not None}}
    rewards = _rewards(row, turns)
    truncated = truth(row, "truncated", False)
    task = identity(row, "task_id", turns[0].seen)
    named = document.get("trajectory_id") or document.get("session_id")
    columns = {
        "env_id": identity(row, "env_id", "imported/atif"),
        "task_id": task,
        "group_id": identity(row, "group_id", task),
        "episode_id": name(named, "trajectory_id", otherwise),
        "agent_id": identity(row, "agent_id", _who(document)),
        "goal": texts_of([message for message in turns[0].chat if message["role"] == "system"]),
        "usage": _usage(document),
        "observations": (*(turn.seen for turn in turns), played.final),
        "state_keys": (*(turn.seen for turn in turns), played.final),
        "actions": tuple(turn.said.action for turn in turns),
        "rewards": tuple(reward or 0.0 for reward in rewards),
        "success": truth(row, "success", sum(reward or 0.0 for reward in rewards) > 0),
        "terminated": not truncated,
        "truncated": truncated,
        "error": UNKNOWN_REWARD if None in rewards else None,
        "roles": tuple(turn.role for turn in turns) if any(turn.document for turn in turns) else None,
        "messages": tuple(bounded(turn.chat for turn in turns)),
        **_tokens(turns),
        **reply_columns([turn.said for turn in turns]),
    }
    return Episode(**{**columns, **columns_of(mapping(extra.get(_OURS), f"extra.{_OURS}"))})


def _turns(document: Document, place: Place = ()) -> _Played:
    """The turns of a document and of those within it, in the order in which they were taken."""
    role = name(mapping(document.get("agent"), "agent").get("name"), "agent.name", "agent")
    within = [mapping(each, "a subagent") for each in rows(document.get("subagent_trajectories") or [], "subagents")]
    waiting = {each.get("trajectory_id"): index for index, each in enumerate(within)}
    turns, chat, since = list[_Turn](), list[Message](), 0
    layouts: dict[Place, Layout] = {place: (layout := [])}
    for count, step in enumerate(rows(document["steps"], "steps"), 1):
        try:
            said, results, called = _said(step), *_results(step)
        except (TypeError, ValueError, KeyError) as error:
            lacks = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{lacks} (step {count})") from None
        if said.is_reply and not _is_context(step):
            turns.append(_Turn(place, role, step, chat, len(chat), _heard(chat[since:]), said))
            since = len(chat) + 1
        chat += [said.message, *results]
        layout.append((step["source"], len(results)))
        for index in [waiting.pop(each) for each in called if each in waiting]:
            inside = _turns(within[index], (*place, index))
            turns += inside.turns
            layouts |= inside.layouts
    return _Played(turns, layouts, _heard(chat[since:]))


def _said(step: Any) -> Said:
    """The message of a step."""
    source = mapping(step, "a step")["source"]
    if source not in ROLES:
        raise ValueError(f"its 'source' must be user, agent or system, not {source!r:.40}")
    message = {"role": ROLES[source], "content": step.get("message") or ""}
    if source == "agent":
        calls = [mapping(call, "a tool call") for call in rows(step.get("tool_calls") or [], "tool_calls")]
        message["tool_calls"] = [
            {"id": call.get("tool_call_id"), "name": call.get("function_name"), "arguments": call.get("arguments")}
            for call in calls
        ]
        message["reasoning_content"] = text(step.get("reasoning_content") or "", "reasoning_content")
    found = read_messages([message])[-1]
    reason = mapping(step.get("extra"), "a step's 'extra'").get("finish_reason")
    return found._replace(finish_reason=common_reason(reason)) if isinstance(reason, str) and reason else found


def _is_context(step: Mapping[str, Any]) -> bool:
    """Whether an agent's step was taken before, or by no model."""
    return flag(step.get("is_copied_context") or False, "is_copied_context") or step.get("llm_call_count") == 0


def _results(step: Mapping[str, Any]) -> tuple[list[Message], list[str]]:
    """What was observed after a step as messages, and which subagents it called."""
    found, called = list[Message](), list[str]()
    for each in rows(mapping(step.get("observation"), "observation").get("results") or [], "results"):
        result = mapping(each, "a result")
        call, content = result.get("source_call_id"), result.get("content")
        references = rows(result.get("subagent_trajectory_ref") or [], "subagent_trajectory_ref")
        called += [str(mapping(reference, "a reference").get("trajectory_id")) for reference in references]
        answers = {"role": "user"} if call is None else {"role": "tool", "tool_call_id": call}
        if call is not None or content is not None:
            found.append({**answers, "content": "" if content is None else content})
    return [each.message for each in read_messages(found)], called


def _heard(chat: Sequence[Message]) -> str:
    return texts_of([message for message in chat if message["role"] not in ("system", "assistant")])


def _rewards(row: Mapping[str, Any], turns: Sequence[_Turn]) -> list[float | None]:
    own = [turn.extra.get("reward") for turn in turns]
    if not has(row, "rewards") and any(reward is not None for reward in own):
        return [0.0 if reward is None else worth(reward, "the reward of a step") for reward in own]
    return episode_rewards(row, len(turns)) if has(row, "rewards") or has(row, "reward") else [None] * len(turns)


def _who(document: Document) -> str:
    agent = mapping(document.get("agent"), "agent")
    parts = (name(agent.get(key), f"agent.{key}", "") for key in ("name", "model_name"))
    return ":".join(part for part in parts if part)


def _usage(document: Document) -> dict[str, float]:
    totals = mapping(document.get("final_metrics"), "final_metrics")
    return {ours: number(totals[theirs], theirs) for theirs, ours in TOTALS.items() if totals.get(theirs) is not None}


def _tokens(turns: Sequence[_Turn]) -> dict[str, Any]:
    """The columns of token ids and log-probabilities, where every step has them."""
    ids, prompts, logprobs = (
        [turn.tokens(field) for turn in turns] for field in ("completion_token_ids", "prompt_token_ids", "logprobs")
    )
    columns: dict[str, Any] = {}
    if all(ids):
        columns["token_ids"] = tuple(tuple(map(int, row)) for row in ids)
        columns["prompt_token_ids"] = tuple(tuple(map(int, row)) for row in prompts) if all(prompts) else None
    if all(logprobs) and all(len(row) == len(own) for row, own in zip(logprobs, ids, strict=True) if any(ids)):
        columns["policy_logprobs"] = tuple(tuple(number(each, "logprobs") for each in row) for row in logprobs)
    return columns


# Writing


def _written(episode: Episode, credits: Sequence[float | None]) -> Document:
    """The document of an episode: the one that it was read from, where it was, credits added."""
    try:
        kept = mapping(read_json(episode.extras), "extras") if episode.extras and episode.messages is not None else {}
        places = [tuple(map(int, place)) for place in kept.get("places", [()] * len(episode))]
        layouts: dict[Place, Layout] = {tuple(place): layout for place, layout in kept.get("layouts", ())}
        document: Document = restored(made(episode, credits, places, layouts), kept.get("atif", ()))
        return document
    except BatchError:
        raise
    except BROKEN as error:
        whose = f"episode {episode.episode_id!r}"
        raise StoreError(f"The extras of {whose} are damaged ({error}): import it again.") from None
