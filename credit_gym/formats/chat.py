"""A chat as an episode: the assistant's messages are the actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.data.finish_reasons import common_reason
from credit_gym.formats.field_names import UNKNOWN_REWARD, episode_rewards, find, identity, lacking, truth, worth
from credit_gym.formats.json_values import beside, rows
from credit_gym.formats.messages import Said, bounded, calls_of, read_messages, texts_of


def reply_columns(replies: Sequence[Said]) -> dict[str, Any]:
    """Return the columns of what a model wrote, one value a reply, those left out that say nothing of any."""
    texts = tuple(said.text for said in replies)
    columns = {
        # a reply that is its action, word for word, is not kept twice
        "replies": texts if any(t and t != said.action for t, said in zip(texts, replies, strict=True)) else (),
        "thoughts": tuple(said.thought for said in replies),
        "finish_reasons": tuple(said.finish_reason for said in replies),
        "tool_calls": tuple(calls_of(said.message) for said in replies),
    }
    return {column: values for column, values in columns.items() if any(values)}


def chat_episode(row: Mapping[str, Any], number: int) -> Episode:
    """Return the episode of a record with a chat; what is wrong with it is a KeyError, TypeError, ...

    ``{"messages": [{"role", "content"}, ...], "reward": float}``, in the dialects of
    :func:`credit_gym.formats.messages.read_messages`; ShareGPT's ``conversations`` (with a ``system`` text beside
    them), Gemini's ``contents`` and a ``prompt`` with its ``completion`` will do too, and every other field may have
    any of its :data:`credit_gym.formats.field_names.NAMES`. An assistant's message that calls tools has the calls as
    its action, in the canonical text of :mod:`credit_gym.data.calls`; what it says beside them is its reply, what
    it thought its thought, and a ``finish_reason`` (or ``stop_reason``) is kept. What other roles say between two
    assistant messages, tool results among them, is an observation; as nothing better is known, its text is the state's
    key. The system message is the goal.

    Optional fields: ``rewards`` (one per assistant message, in place of ``reward``, which goes to the last one; each
    may also stand in its message), ``success`` (true if not given and the return is above 0), ``task_id`` (the first
    observation if not given), ``group_id`` (the task), ``episode_id`` (the number of the record), ``agent_id``,
    ``env_id``, ``truncated``, ``finish_reason`` (of the last reply), ``exact_verifier``, and the columns of
    :data:`credit_gym.formats.json_values.BESIDE`, under their names there (``"verifier": [0.0, 1.0]``).

    Null is "not given" everywhere. A reward that is null is not known: the episode is kept with an ``error`` that says
    so, and scorers pass over it.
    """
    chat = read_messages(_messages(row))
    turns = [index for index, said in enumerate(chat) if said.is_reply]
    if not turns:
        raise ValueError("no message is the assistant's")
    messages = [said.message for said in chat]
    replies = [chat[turn] for turn in turns]
    goal = texts_of([message for message in messages[: turns[0]] if message["role"] == "system"])
    said = [
        texts_of([message for message in messages[start:end] if message["role"] != "system"])
        for start, end in zip([0, *(turn + 1 for turn in turns)], [*turns, len(chat)], strict=True)
    ]
    rewards = _rewards(row, replies)
    truncated = truth(row, "truncated", False)
    columns = reply_columns(_ended(replies, row.get("finish_reason")))
    columns |= beside(row)
    task = identity(row, "task_id", said[0])
    return Episode(
        env_id=identity(row, "env_id", "imported/chat"),
        task_id=task,
        group_id=identity(row, "group_id", task),
        episode_id=identity(row, "episode_id", str(number)),
        agent_id=identity(row, "agent_id", ""),
        observations=tuple(said),
        state_keys=tuple(said),
        actions=tuple(reply.action for reply in replies),
        rewards=tuple(reward or 0.0 for reward in rewards),
        success=truth(row, "success", sum(reward or 0.0 for reward in rewards) > 0),
        terminated=not truncated,
        truncated=truncated,
        error=UNKNOWN_REWARD if None in rewards else None,
        goal=goal,
        exact_verifier=truth(row, "exact_verifier", False),
        messages=tuple(bounded(tuple(messages[:turn]) for turn in turns)),
        **columns,
    )


def _messages(row: Mapping[str, Any]) -> list[Any]:
    given, prompt, answer = (find(row, field) for field in ("messages", "prompt", "completion"))
    if given is None and prompt is not None and answer is not None:
        given = [*_as_messages(prompt, "user"), *_as_messages(answer, "assistant")]
    if given is None and isinstance(listed := find(row, "steps"), list):  # a trajectory of messages
        given = listed
    if given is None:
        raise lacking(row)
    system = row.get("system")
    before = [{"role": "system", "content": system}] if isinstance(system, str) and system else []
    return [*before, *rows(given, "messages")]


def _as_messages(said: Any, role: str) -> list[Any]:
    return [{"role": role, "content": said}] if isinstance(said, str) else rows(said, f"what the {role} says")


def _rewards(row: Mapping[str, Any], replies: Sequence[Said]) -> list[float | None]:
    """The reward of each step, None where the source says that it is not known."""
    own = [said.reward for said in replies]
    if find(row, "rewards") is None and any(reward is not None for reward in own):
        return [0.0 if reward is None else worth(reward, "the reward of a message") for reward in own]
    return episode_rewards(row, len(replies))


def _ended(replies: list[Said], reason: Any) -> list[Said]:
    """The replies, the last one ended by a reason that stands beside the chat."""
    if not isinstance(reason, str) or replies[-1].finish_reason:
        return replies
    return [*replies[:-1], replies[-1]._replace(finish_reason=common_reason(reason))]
