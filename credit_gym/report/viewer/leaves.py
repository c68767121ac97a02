"""What the viewer reads of a few episodes at a time: what was seen and done, what the model wrote, and why a number is.

A leaf has columns, in the order of its episodes; texts are numbers of its ``texts``, longer things of ``lists`` and
``messages``, each written down once. A chat is how many messages of the chat before it it goes on from, then the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.report.text import printable
from credit_gym.report.viewer.overview import LEAF, keys_of, labels_of
from credit_gym.report.viewer.shown_run import ShownRun
from credit_gym.report.viewer.shown_texts import Once, Texts, all_rounded, shown_value

TokenTexts = Callable[[Sequence[int]], Sequence[str]]
"""The text of each of some tokens."""

KINDS = ("steps", "model", "why")
"""Kinds of leaves, read apart because they are wanted apart."""

_LABELLED = tuple(column for column in COLUMNS if column.shown)
_TOKENS = ("policy_logprobs", "reference_logprobs", "policy_entropies", "policy_kls")


def count_leaves(runs: Sequence[ShownRun]) -> int:
    """Return how many leaves of each kind some runs have; a leaf may hold episodes of two of them."""
    return -(-sum(len(run.episodes) for run in runs) // LEAF)


def leaf(runs: Sequence[ShownRun], kind: str, number: int, *, token_texts: TokenTexts | None = None) -> dict[str, Any]:
    """Return one leaf, made of JSON's types.

    Args:
        runs: the runs.
        kind: one of :data:`KINDS`.
        number: in ``0..count_leaves(runs)-1``.
        token_texts: the texts of tokens; where there is none their numbers are shown.
    """
    episodes = list(_episodes(runs, number))
    if kind == "steps":
        return _steps(episodes)
    return _model(episodes, token_texts) if kind == "model" else _why(runs, number)


def _episodes(runs: Sequence[ShownRun], number: int) -> Iterator[Episode]:
    first = number * LEAF
    for run in runs:
        begin, end = max(first, 0), min(max(first + LEAF, 0), len(run.episodes))
        yield from run.episodes[begin:end]
        first -= len(run.episodes)


def _steps(episodes: Sequence[Episode]) -> dict[str, Any]:
    texts, lists = Texts(), Once()

    def listed(name: str) -> list[int]:
        rows = [row for e in episodes for row in getattr(e, name) or ((),) * len(e)]
        return [lists.add(texts.numbers(row), tuple(row)) if row else -1 for row in rows]

    always = {
        "observations": [number for e in episodes for number in texts.numbers(e.observations)],
        "actions": [number for e in episodes for number in texts.numbers(e.actions)],
        "rewards": _numbers(episodes, "rewards"),
    }
    measured = {
        "verifier": _numbers(episodes, "verifier"),
        "advantages": _numbers(episodes, "advantages"),
        "belief": _beliefs(episodes),
        "values": [v for e in episodes for v in all_rounded(e.values or (math.nan,) * (len(e) + 1))],
    }
    said = {
        "roles": _texts(episodes, "roles", texts),
        "invalid": [1 if flag else -1 for e in episodes for flag in e.invalid or (False,) * len(e)],
        "admissible": listed("admissible_actions"),
        "expert": listed("expert_actions"),
        "thoughts": _texts(episodes, "thoughts", texts),
        "replies": _replies(episodes, texts),
        "finish": _texts(episodes, "finish_reasons", texts),
        "decoding": _texts(episodes, "decodings", texts),
        "calls": [lists.add(texts.numbers(row), row) if row else -1 for e in episodes for row in _calls(e)],
    }
    more = {column.shown: _labelled(episodes, column, texts) for column in _LABELLED}
    return {
        "texts": texts.written,
        "lists": lists.written,
        "more": [[label, column] for label, column in more.items() if max(column, default=-1) >= 0],
        **always,
        **{name: column for name, column in measured.items() if any(value is not None for value in column)},
        **{name: column for name, column in said.items() if max(column, default=-1) >= 0},
    }


def _numbers(episodes: Sequence[Episode], name: str) -> list[Any]:
    return [v for e in episodes for v in all_rounded(getattr(e, name) or (math.nan,) * len(e))]


def _beliefs(episodes: Sequence[Episode]) -> list[Any]:
    """The belief in the truth at each point."""
    rows = (e.log_belief or (math.nan,) * (len(e) + 1) for e in episodes)
    return [v for row in rows for v in all_rounded(math.exp(min(each, 0.0)) for each in row)]


def _texts(episodes: Sequence[Episode], name: str, texts: Texts) -> list[int]:
    rows = (getattr(e, name) or ("",) * len(e) for e in episodes)
    return [texts.number(text) if text else -1 for row in rows for text in row]


def _replies(episodes: Sequence[Episode], texts: Texts) -> list[int]:
    """What was written, where it is not the action as it stands."""
    pairs = ((reply, action) for e in episodes for reply, action in zip(e.replies or e.actions, e.actions, strict=True))
    return [-1 if reply in ("", action) else texts.number(reply) for reply, action in pairs]


def _labelled(episodes: Sequence[Episode], column: Column, texts: Texts) -> list[int]:
    """A column that has no place of its own on the page, -1 where it says nothing of a step."""
    found = []
    for episode in episodes:
        row = getattr(episode, column.name) or (column.missing,) * len(episode)
        for value in row[: len(episode)]:
            said = value != column.missing and value == value  # neither a gap nor NaN
            text = f"{value:.4g}" if column.type == "number" and said else str(value)
            found.append(texts.number(text) if said else -1)
    return found


def _calls(episode: Episode) -> Iterator[tuple[str, ...]]:
    for calls in episode.tool_calls or ((),) * len(episode):
        yield tuple(map(_call, calls))


def _call(call: Mapping[str, Any]) -> str:
    arguments = json.dumps(call.get("arguments", {}), ensure_ascii=False, sort_keys=True, default=str)
    return f"{call.get('name', '')}({arguments})"


def _model(episodes: Sequence[Episode], token_texts: TokenTexts | None) -> dict[str, Any]:
    """Chats and tokens."""
    messages = Once()
    found: dict[str, Any] = {"messages": messages.written}
    if any(e.messages is not None for e in episodes):
        found["chats"] = [chat for e in episodes for chat in _chats(e, messages)]
    if any(e.token_ids is not None or e.policy_logprobs is not None for e in episodes):
        found["tokens"] = [[[*tokens] for tokens in e.token_ids or ((),) * len(e)] for e in episodes]
        found["tokens"] = list(chain.from_iterable(found["tokens"]))
        if token_texts is not None:
            found["token_texts"] = [[printable(text) for text in token_texts(each)] for each in found["tokens"]]
        for name in _TOKENS:
            if any(getattr(e, name) is not None for e in episodes):
                rows = (getattr(e, name) or ((),) * len(e) for e in episodes)
                found[name] = [all_rounded(step) for row in rows for step in row]
    return found if len(found) > 1 else {}


def _chats(episode: Episode, messages: Once) -> Iterator[list[int]]:
    before: Sequence[Mapping[str, Any]] = ()
    numbers = list[int]()
    for chat in episode.messages or ((),) * len(episode):
        kept = 0
        while kept < min(len(before), len(chat)) and before[kept] == chat[kept]:
            kept += 1
        added = [messages.add(shown_value(each), json.dumps(each, sort_keys=True, default=str)) for each in chat[kept:]]
        numbers, before = [*numbers[:kept], *added], chat
        yield [kept, *added]


def _why(runs: Sequence[ShownRun], number: int) -> dict[str, Any]:
    """Of each key the pooled values, of each scorer the terms of its credits."""
    spans = list(_spans(runs, number))

    def cut(columns: Sequence[Any]) -> list[Any]:
        parts = [
            np.full(end - begin, np.nan) if column is None else column[begin:end]
            for column, (_, begin, end) in zip(columns, spans, strict=True)
        ]
        return all_rounded(np.concatenate([np.zeros(0), *parts]).tolist())

    found: dict[str, Any] = {"states": [], "terms": []}
    for key in keys_of(runs):
        known = [run.company.get(key) for run, _, _ in spans]
        found["states"].append(
            {
                name: cut([getattr(each, name, None) for each in known])
                for name in ("mean_return", "value", "next_value")
            }
        )
    for label in labels_of(runs):
        reasons = [run.reasons.get(label) for run, _, _ in spans]
        names = dict.fromkeys(name for why in reasons if why for name in why.terms)
        found["terms"].append(
            {
                name: cut([why.terms[name].values if why and name in why.terms else None for why in reasons])
                for name in names
            }
        )
    return found


def _spans(runs: Sequence[ShownRun], number: int) -> Iterator[tuple[ShownRun, int, int]]:
    """Which steps of which runs a leaf holds."""
    first = number * LEAF
    for run in runs:
        ends = np.concatenate([[0], np.cumsum(run.steps)])
        begin, end = max(first, 0), min(max(first + LEAF, 0), len(run.episodes))
        if begin < end:
            yield run, int(ends[begin]), int(ends[end])
        first -= len(run.episodes)
