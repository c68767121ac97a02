"""Documents of ATIF made of an episode's columns: its chat as steps, with calls, results, metrics and credit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, TypeAlias

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError
from credit_gym.formats.credited_turns import CreditedTurn
from credit_gym.formats.messages import Message, calls_of, plain_message
from credit_gym.formats.remainder import speakable

VERSION = "ATIF-v1.7"

Document: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[int, ...]
"""Where a document lies within another: its number among the subagents' of each one around it."""
Layout: TypeAlias = list[tuple[str, int]]
"""Of each step of a document its source and how many results were observed after it."""
Chat: TypeAlias = list[tuple[Message, int | None]]
"""All that was said in a document, with the number of the step that a message was."""

ROLES = {"user": "user", "agent": "assistant", "system": "system"}
_SOURCES = {role: source for source, role in ROLES.items()}
_COPIED = "copied"  # an agent's step that stands for what was said before
TOTALS = {
    "total_prompt_tokens": "prompt_tokens",
    "total_completion_tokens": "completion_tokens",
    "total_cost_usd": "dollars",
}


def made(
    episode: Episode, credits: Sequence[float | None], places: Sequence[Place], layouts: Mapping[Place, Layout]
) -> Document:
    """Return the document that the columns alone make.

    Args:
        episode: T steps.
        credits: T credits, None for none.
        places: of each step the document that it stands in.
        layouts: of each document that had one; the others get steps as their messages ask for.

    Returns:
        A document, others within it where there are places within.

    Raises:
        BatchError: a message cannot be written.
    """
    own: dict[Place, list[int]] = {(): []}
    for step, place in enumerate(places):
        own.setdefault(place, []).append(step)
    root: Document = {"schema_version": VERSION, "trajectory_id": episode.episode_id}
    for place in sorted(own):
        document = root
        for index in place:
            within = document.setdefault("subagent_trajectories", [])
            within += [{} for _ in range(index + 1 - len(within))]
            document = within[index]
        steps = own[place]
        role = episode.roles[steps[0]] if place and episode.roles else episode.agent_id
        document["agent"] = {"name": role or "unknown", "version": "unknown"}
        chat = _chat(episode, steps)
        if place in layouts:
            document["steps"] = _steps(episode, credits, chat, layouts[place])
        else:
            chat += _heard_at(episode, len(episode))
            document["steps"] = _steps(episode, credits, chat, _layout(chat))
    totals = {theirs: episode.usage[ours] for theirs, ours in TOTALS.items() if ours in episode.usage}
    about = {
        **root,
        **({"final_metrics": totals} if totals else {}),
        "extra": {
            "env_id": episode.env_id,
            "task_id": episode.task_id,
            "group_id": episode.group_id,
            "agent_id": episode.agent_id,
            "reward": episode.episode_return if episode.error is None else None,
            "success": episode.success,
            "truncated": episode.truncated,
        },
    }
    whole: Document = speakable(about)
    return whole


def _chat(episode: Episode, steps: Sequence[int]) -> Chat:
    """What was said until the last of some steps: as it was recorded, if that only grew, else as a transcript."""
    chats = [episode.messages[step] for step in steps] if episode.messages is not None else []
    grows = bool(chats) and all(
        len(after) > len(before) and after[: len(before)] == before and after[len(before)].get("role") == "assistant"
        for before, after in pairwise(chats)
    )
    if not grows or (not chats[0] and episode.observations[steps[0]]):
        goal: Chat = [({"role": "system", "content": episode.goal}, None)] if episode.goal and steps else []
        return goal + [pair for step in steps for pair in (*_heard_at(episode, step), _answer(episode, step))]
    said: Chat = []
    start = 0
    for step, chat in zip(steps, chats, strict=True):
        said += [(_plain(message, episode, step), None) for message in chat[start:]]
        said.append(_answer(episode, step))
        start = len(chat) + 1
    return said


def _plain(message: Mapping[str, Any], episode: Episode, step: int) -> Message:
    try:
        return plain_message(message)
    except (TypeError, KeyError) as error:
        where = f"before step {step} of episode {episode.episode_id!r}"
        raise BatchError(f"A message {where} cannot be written ({error}): record role, content and calls.") from None


def _answer(episode: Episode, step: int) -> tuple[Message, int | None]:
    return CreditedTurn(episode, step, 0.0).answer, step


def _heard_at(episode: Episode, point: int) -> Chat:
    """What was seen at a point: the answer to the last call, or what the user said."""
    seen = episode.observations[point]
    calls = episode.tool_calls[point - 1] if point and episode.tool_calls is not None else ()
    if calls:
        return [({"role": "tool", "content": seen, "tool_call_id": str(calls[-1]["id"])}, None)]
    return [({"role": "user", "content": seen}, None)] if seen else []


def _layout(chat: Chat) -> Layout:
    """A step for each message, results of tools with the agent's step before them."""
    layout: Layout = []
    for message, step in chat:
        if message["role"] == "tool" and layout and layout[-1][0] in ("agent", _COPIED):
            layout[-1] = (layout[-1][0], layout[-1][1] + 1)
        else:
            said = _SOURCES.get(message["role"], "user")
            layout.append((_COPIED if said == "agent" and step is None else said, 0))
    return layout


def _steps(episode: Episode, credits: Sequence[float | None], chat: Chat, layout: Layout) -> list[Document]:
    """The steps of a document; those after the end of the chat are empty."""
    said, steps = iter(chat), list[Document]()
    for count, (source, results) in enumerate(layout, 1):
        message, turn = next(said, ({}, None))
        found = [each for each, _ in islice(said, results)]
        step: Document = {"step_id": count, "source": source, "message": message.get("content")} if message else {}
        if source == _COPIED:
            step |= {"source": "agent", "is_copied_context": True}
        if message.get("reasoning_content"):
            step["reasoning_content"] = message["reasoning_content"]
        if calls := [_call(call, f"call_{count}_{place}") for place, call in enumerate(calls_of(message), 1)]:
            step["tool_calls"] = calls
        if found:
            step["observation"] = {"results": [_result(each, calls) for each in found]}
        steps.append(step if turn is None else {**step, **_beside(episode, turn, credits[turn])})
    return steps


def _call(call: Mapping[str, Any], otherwise: str) -> Document:
    arguments = call["arguments"]  # which are a text where they are no object
    given = arguments if isinstance(arguments, Mapping) else {"input": arguments}
    return {"tool_call_id": call["id"] or otherwise, "function_name": call["name"], "arguments": given}


def _result(message: Message, calls: Sequence[Document]) -> Document:
    ids = [call["tool_call_id"] for call in calls]
    own = message.get("tool_call_id")
    answered = own if own in ids else ids[-1] if ids and message["role"] == "tool" else None
    return {**({} if answered is None else {"source_call_id": answered}), "content": message["content"]}


def _beside(episode: Episode, step: int, credit: float | None) -> Document:
    """What is told of an agent's step beside what he said: metrics, its credit and its reward."""
    tokens = CreditedTurn(episode, step, 0.0).tokens
    ids, logprobs = tokens["token_ids"] or [], tokens["logprobs"] or []
    metrics = {
        "prompt_token_ids": tokens["prompt_token_ids"],
        "completion_token_ids": ids,
        "logprobs": logprobs if len(logprobs) == len(ids) or not ids else [],
    }
    told = {key: value for key, value in metrics.items() if value and None not in value}
    paid = {} if episode.error is not None else {"reward": episode.rewards[step]}
    extra = {**({} if credit is None else {"credit": credit}), **paid}
    return {**({"metrics": told} if told else {}), "extra": extra}
