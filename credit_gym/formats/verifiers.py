"""Traces of verifiers 0.4 (schema version 1), advantages filled in: what prime-rl trains on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.formats.credited_turns import Credit, CreditedTurn, Row, credited_turns, legal_text

TRACE_VERSION = 1


def verifiers_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one trace for every episode, a graph of messages in which every sampled one carries its turn's credit.

    A turn whose chat goes on from the turn before (same messages, and where tokens were recorded the very same tokens)
    extends its path; another one starts a new branch at the root. All prompt tokens that a turn adds stand on its
    assistant node, before the sampled ones, so a path's tokens are those that the model saw; which of them belong to
    which input message was not recorded.

    Args:
        episodes: E episodes.
        credit: E rows of credits. A turn without one has ``advantages`` null, which is not the same as 0.
        threshold: the size that a credit must reach to count as one; 0 takes all.

    Yields:
        Rows that ``verifiers.v1.trace.WireTrace`` validates.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    found = {
        (id(turn.episode), turn.step): turn.credit
        for turn in credited_turns(episodes, credit)
        if abs(turn.credit) >= threshold
    }
    for episode in episodes:
        yield _trace(episode, [found.get((id(episode), step)) for step in range(len(episode))])


def _trace(episode: Episode, credits: Sequence[float | None]) -> Row:
    return {
        "version": TRACE_VERSION,
        "id": legal_text(episode.episode_id),
        "verifiers": {"version": "0.4.0"},
        "task": {
            "type": "CreditGymTask",
            "data": {"idx": 0, "name": legal_text(episode.task_id), "prompt": legal_text(episode.goal)},
            "key": legal_text(episode.task_id),
        },
        "agent": {"config": {}, "name": "agent", "trainable": True},
        "nodes": _nodes(episode, credits),
        "rewards": {"return": {"score": episode.episode_return, "weight": 1.0}},
        "metrics": {"success": float(episode.success), "turns": float(len(episode))},
        "info": {
            "env_id": episode.env_id,
            "group_id": legal_text(episode.group_id),
            "agent_id": legal_text(episode.agent_id),
            "credits": list(credits),
        },
        "is_completed": episode.error is None,
        "ok": episode.error is None,
        "errors": [] if episode.error is None else [{"type": "EpisodeError", "message": legal_text(episode.error)}],
    }


def _nodes(episode: Episode, credits: Sequence[float | None]) -> list[Row]:
    nodes: list[Row] = []
    chat: list[dict[str, str]] = []
    path: list[int] = []  # the tokens from the root to the last node
    for step, credit in enumerate(credits):
        turn = CreditedTurn(episode, step, 0.0)
        before, chat, tokens = chat, turn.prompt, turn.tokens
        prompt, sampled = tokens["prompt_token_ids"] or [], tokens["token_ids"] or []
        if _goes_on(before, chat) and prompt[: len(path)] == path:
            nodes[-1]["message"]["content"] = chat[len(before)]["content"]  # as the next turn shows it
            new = chat[len(before) + 1 :]
        else:
            new, path = chat, []
        for index, message in enumerate(new):
            continued = bool(index) or len(new) < len(chat)
            nodes.append({"parent": len(nodes) - 1 if continued else None, "message": message})
        added = prompt[len(path) :] if sampled else []
        nodes.append(
            {
                "parent": len(nodes) - 1,
                "message": {"role": "assistant", "content": turn.action},
                "sampled": True,
                "token_ids": [*added, *sampled],
                "mask": [False] * len(added) + [True] * len(sampled),
                "logprobs": _floats(tokens["logprobs"], len(sampled)),
                "advantages": None if credit is None else [credit] * len(sampled),
            }
        )
        path = [*path, *added, *sampled]
    return nodes


def _goes_on(before: Sequence[Any], chat: Sequence[Any]) -> bool:
    following = chat[len(before) :]
    return bool(before) and chat[: len(before)] == before and bool(following) and following[0]["role"] == "assistant"


def _floats(values: Sequence[Any] | None, count: int) -> list[float]:
    """Log-probabilities, one a sampled token or none at all."""
    row = list(values or ())
    known = len(row) == count and all(value is not None and math.isfinite(value) for value in row)
    return row if known else []
